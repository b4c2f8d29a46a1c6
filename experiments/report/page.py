"""Pages from the templates of this folder and of the studies.

A study's own template extends `report/page.html.jinja`, whose style and script end up
inside the page, and takes its parts from `report/parts.html.jinja`.
"""

import base64
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from experiments.report import numbers
from experiments.runs.files import write_text


def write_page(path: Path, template: str, **context) -> None:
    """Write a page from a template, named by its path below `experiments/`.

    Text of the context is escaped; it may say otherwise with `markupsafe.Markup`.
    """
    write_text(path, _ENVIRONMENT.get_template(template).render(context))


def image_attributes(png: Path) -> Markup:
    """The attributes of an `img` that holds the file, with its size in pixels."""
    data = png.read_bytes()
    # The size of an image stands at a fixed place of its PNG header.
    width, height = struct.unpack(">II", data[16:24])
    source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    return Markup('src="{}" width="{}" height="{}"').format(source, width, height)


def subscripts(text: str) -> Markup:
    """Text with the letter after each underscore below the line."""
    return Markup(re.sub(r"_(\w)", r"<sub>\1</sub>", str(escape(text))))


def flat(config: Mapping, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every setting of a run as text, nested ones with their path."""
    for name, value in config.items():
        name = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from flat(value, f"{name}: ")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(str, value)) or "–"
        elif isinstance(value, float):
            yield name, f"{value:.6g}"
        else:
            yield name, "–" if value is None else str(value)


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parents[1]),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_ENVIRONMENT.globals["zip"] = zip
_ENVIRONMENT.filters |= {
    function.__name__: function
    for function in (
        image_attributes,
        subscripts,
        flat,
        numbers.typeset,
        numbers.sortable,
        numbers.with_error,
    )
}
