"""Sphinx settings: `sphinx-build -W docs BUILD`."""

import re
from importlib import metadata

project = "nelc_jax"
author = "nelc_jax contributors"
copyright = author
release = metadata.version("nelc_jax")

extensions = ["myst_nb", "sphinx.ext.autodoc"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

# Notebooks run where they, or what they ran with, have changed.
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 600

# Docstrings write code between single backticks.
default_role = "code"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "nelc_jax"


def _as_restructured_text(app, what, name, documented, options, lines):
    """Docstrings are prose with code between backticks, and formulas indented."""
    text, indented = [], False
    for line in lines:
        formula = line.startswith("    ")
        if formula and not indented and not (text and text[-1].strip()):
            text += ["::", ""]
        if formula:
            text.append(line)
        else:
            # Bars are conditional probabilities here, not substitutions.
            prose = line.split("`")
            prose[::2] = [part.replace("|", r"\|") for part in prose[::2]]
            text.append("`".join(prose))
        indented = formula or (indented and not line.strip())
    lines[:] = text


def _short_arrays(app, what, name, documented, options, signature, returns):
    """`Float[Array, "D L"]`, as the source has it."""
    return tuple(
        part and re.sub(r"[\w.]+\.Array\b", "Array", part)
        for part in (signature, returns)
    )


def setup(app):
    """Called by Sphinx."""
    app.connect("autodoc-process-signature", _short_arrays)
    app.connect("autodoc-process-docstring", _as_restructured_text)
