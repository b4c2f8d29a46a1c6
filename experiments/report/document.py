"""The page of a study, in Markdown and as a report in HTML: one text for both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

from experiments.report.page import image_attributes, subscripts, write_page
from experiments.runs.directory import REPORT
from experiments.runs.files import write_text

SCROLL = '<div class="scroll" role="region" tabindex="0">'
"""What is wider than the page."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """What a study found: the `answer` in a sentence, then sections of Markdown.

    `kicker` is the command, `name` the file. Images are those of the directory, each a
    paragraph of its own with its caption as the text in brackets.
    """

    name: str
    kicker: str
    heading: str
    answer: str
    sections: Sequence[str]

    @property
    def files(self) -> list[str]:
        """The names of its files."""
        return [self.name, REPORT]

    @property
    def text(self) -> str:
        """The page in Markdown."""
        parts = [f"# {self.heading}", f"**{self.answer}**", *self.sections]
        return "\n\n".join(parts) + "\n"

    def write(self, directory: Path) -> None:
        """Write both files; the images must be there."""
        write_text(directory / self.name, self.text)
        write_page(
            directory / REPORT,
            "report/document.html.jinja",
            kicker=self.kicker,
            heading=self.heading,
            lead=self.answer,
            body=Markup(_as_html("\n\n".join(self.sections), directory)),
        )


def _as_html(text: str, directory: Path) -> str:
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    markdown.add_render_rule("image", _figure)
    markdown.add_render_rule(
        "table_open", lambda *_: SCROLL + '<table class="numbers wrapped">'
    )
    markdown.add_render_rule("table_close", lambda *_: "</table></div>\n")
    tokens = markdown.parse(text)
    for before, inside, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        # A figure is no paragraph.
        if [child.type for child in inside.children or ()] == ["image"]:
            before.hidden = after.hidden = True
    return markdown.renderer.render(tokens, markdown.options, {"directory": directory})


def _figure(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: Mapping,
    env: Mapping,
) -> str:
    caption = subscripts(tokens[index].content)
    source = image_attributes(env["directory"] / tokens[index].attrs["src"])
    picture = Markup('<img {} alt="{}">').format(source, tokens[index].content)
    return f"<figure>{SCROLL}{picture}</div><figcaption>{caption}</figcaption></figure>"
