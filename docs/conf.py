"""Sphinx settings: `sphinx-build -W docs BUILD`."""

import re
from importlib import metadata

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

project = "nelc_jax"
author = "nelc_jax contributors"
copyright = author
release = metadata.version("nelc_jax")

extensions = ["myst_nb", "sphinx.ext.autodoc"]
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["equations.css"]
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


def _drawn(formula, display):
    """An equation as MathML, which browsers draw without a script or a network."""
    drawn = convert(formula, display=display)
    # A command that is not known is left as it is, without a word.
    if "\\" in drawn:
        raise ValueError(f"not all of an equation is drawn: {formula}")
    return drawn


def _inline(writer, node):
    writer.body.append(_drawn(node.astext(), "inline"))
    raise SkipNode


def _displayed(writer, node):
    """An equation on a line of its own, with its number in the paper on the right."""
    formula, tag, _ = re.fullmatch(
        r"(?s)(.*?)(?:\\tag\{(.*?)\})?(\s*)", node.astext()
    ).groups()
    number = f"<span>({tag})</span>" if tag else ""
    drawn = _drawn(formula, "block")
    writer.body.append(f'<div class="equation">{drawn}{number}</div>')
    raise SkipNode


def setup(app):
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_displayed, None))
    app.connect("autodoc-process-signature", _short_arrays)
    app.connect("autodoc-process-docstring", _as_restructured_text)
