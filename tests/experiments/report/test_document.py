"""A study's page: the same words in Markdown and in HTML that opens offline."""

from matplotlib.figure import Figure

from experiments.report.document import Document
from experiments.report.tables import markdown_table

from .parse import Page

ANSWER = "Two of <three> hold."


def written(directory):
    Figure(figsize=(1, 1), dpi=20).savefig(directory / "one.png")
    table = markdown_table({"a": {"L_a": "−1.5"}, "b": {"L_a": "**no**"}}, "Run")
    document = Document(
        name="found.md",
        kicker="study",
        heading="What was found",
        answer=ANSWER,
        sections=["## Tables", "See <script>.", table, "![p_a of *both*](one.png)"],
    )
    document.write(directory)
    assert {path.name for path in directory.iterdir()} == {"one.png", *document.files}
    return Page((directory / "report.html").read_text())


def test_both_say_the_same(tmp_path):
    page = written(tmp_path)
    assert not page.open
    text = (tmp_path / "found.md").read_text()
    assert text.startswith(f"# What was found\n\n**{ANSWER}**\n\n## Tables\n\n")
    assert text.endswith("![p_a of *both*](one.png)\n")
    assert page.find("h1")[0][1] == "What was found"
    assert page.find("strong")[0][1] == ANSWER
    assert [words for _, words in page.find("h2")] == ["Tables"]
    assert [words for _, words in page.find("td")] == ["a", "−1.5", "b", "no"]


def test_figures_are_inside_with_their_captions(tmp_path):
    page = written(tmp_path)
    ((image, _),) = page.find("img")
    assert image["src"].startswith("data:image/png;base64,")
    assert image["width"] == "20"
    assert page.find("figcaption")[0][1] == image["alt"].replace("_a", "a")
    # A figure within a paragraph would end it.
    (paragraphs,) = [[words for _, words in page.find("p")]]
    assert not any("both" in words for words in paragraphs)


def test_text_stays_text(tmp_path):
    page = written(tmp_path)
    assert len(page.find("script")) == 1
    assert "See <script>." in [words for _, words in page.find("p")]
