"""The report holds every number, needs nothing outside, and trusts no text."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from experiments.figures import SavedFigure
from experiments.report.report import quantiles, write_report

from .synthetic import synthetic_run

VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Elements with their attributes and text, and whether all tags were closed."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict, list[str]]] = []
        self.open: list[tuple[str, list[str]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        words: list[str] = []
        self.elements.append((tag, dict(attrs), words))
        if tag not in VOID:
            self.open.append((tag, words))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for _, words in self.open:
            words.append(data)

    def find(self, tag: str, **attributes: str) -> list[tuple[dict, str]]:
        return [
            (have, "".join(words))
            for name, have, words in self.elements
            if name == tag and attributes.items() <= have.items()
        ]


@pytest.fixture
def figures(tmp_path):
    """Two tiny figures; the second has words that are not HTML."""
    made = []
    for number, title in enumerate(("Training", "a < b & c")):
        png, pdf = tmp_path / f"fig{number}.png", tmp_path / f"fig{number}.pdf"
        Figure(figsize=(number + 1, 0.5), dpi=40).savefig(png)
        made.append(SavedFigure(f"fig{number}", title, f"w_α of {title}", png, pdf))
    return made


@pytest.fixture
def read(tmp_path, figures):
    """Write the report of a run and parse it."""

    def write_and_parse(run) -> tuple[Page, str]:
        path = tmp_path / "report.html"
        write_report(run, figures, path)
        text = path.read_text(encoding="utf-8")
        return Page(text), text

    return write_and_parse


def model_rows(page: Page) -> np.ndarray:
    """The sortable values of the table of models."""
    values = [
        have["data-value"] for _, have, _ in page.elements if "data-value" in have
    ]
    columns = len(page.find("button"))
    return np.array([float(value) for value in values]).reshape(-1, columns)


def test_page_is_well_formed_and_in_one_language(read):
    page, text = read(synthetic_run())
    assert not page.open
    assert text.startswith("<!DOCTYPE html>")
    assert page.find("html", lang="en")
    assert page.find("meta", charset="utf-8")
    ids = [have["id"] for _, have, _ in page.elements if "id" in have]
    labels = [have.get("aria-labelledby") for have, _ in page.find("section")]
    assert sorted(ids) == sorted(labels)


def test_every_model_has_its_row(read):
    run = synthetic_run(models=7)
    run.models["kl_divergence"][:3] = [np.inf, np.nan, -np.inf]
    page, _ = read(run)
    rows = model_rows(page)
    assert rows.shape == (7, len(run.models))
    for column, values in zip(rows.T, run.models.values(), strict=True):
        np.testing.assert_array_equal(column, values)
    heads = [words for _, words in page.find("th", scope="row") if words.isdigit()]
    # After the table of the cycles, which has its own order.
    assert heads[-7:] == list("0123456")


def test_infinite_and_undefined_numbers_are_typeset(read):
    run = synthetic_run(models=4)
    run.models["kl_divergence"][:3] = [np.inf, np.nan, -np.inf]
    page, text = read(run)
    shown = {
        value: [words for _, words in page.find("td", **{"data-value": value})]
        for value in ("Infinity", "NaN", "-Infinity")
    }
    assert shown == {"Infinity": ["∞"], "NaN": ["–"], "-Infinity": ["-∞"]}
    assert not re.search(r">\s*[+-]?(nan|inf)\s*<", text)


def test_headings_sort_by_button(read):
    run = synthetic_run()
    page, _ = read(run)
    buttons = page.find("button")
    assert len(buttons) == len(run.models)
    assert all(have["type"] == "button" for have, _ in buttons)
    assert len(page.find("th", **{"aria-sort": "ascending"})) == 1
    ((_, script),) = page.find("script")
    for needed in ("addEventListener", "aria-sort", "dataset.value", "table.sortable"):
        assert needed in script
    assert page.find("table", **{"class": "numbers sortable"})


def test_nothing_is_fetched(read):
    page, text = read(synthetic_run())
    for _, have, _ in page.elements:
        for attribute in ("src", "href", "srcset", "action", "data"):
            assert have.get(attribute, "data:").startswith("data:")
    without_data = re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<link", without_data)


def test_figures_are_inside_with_captions(read, figures):
    page, _ = read(synthetic_run())
    shown = page.find("img")
    assert len(shown) == len(page.find("figcaption")) == len(figures)
    for (have, _), (_, caption), figure in zip(
        shown, page.find("figcaption"), figures, strict=True
    ):
        kind, _, data = have["src"].partition(",")
        assert kind == "data:image/png;base64"
        raw = base64.b64decode(data, validate=True)
        assert raw == figure.png.read_bytes()
        height, width = imread(io.BytesIO(raw)).shape[:2]
        assert (have["width"], have["height"]) == (str(width), str(height))
        assert have["alt"] == figure.title
        assert caption.startswith(f"{figure.title}. wα of {figure.title}")
        assert f"figures/{figure.pdf.name}" in caption
    assert page.find("sub")


def test_settings_are_listed_flat(read):
    page, _ = read(synthetic_run())
    rows = {words for _, words in page.find("tr")}
    assert {
        "datasetstripes",
        "image shape4, 4",
        "data dir–",
        "seconds: training1.25",
    } <= rows


def test_hostile_text_stays_text(read):
    run = synthetic_run()
    name = "</title><script>alert('x')</script>\"&amp;<img src=x onerror=y>"
    run.config["dataset"] = name
    run.config["<b>key"] = ["<i>", "</table>"]
    run.models["<script>_column"] = run.models["model"]
    page, _ = read(run)
    assert not page.open
    ((_, heading),) = page.find("h1")
    assert heading.endswith(name)
    ((_, title),) = page.find("title")
    assert title.endswith(name)
    assert len(page.find("script")) == 1
    assert len(page.find("img")) == 2
    assert not page.find("b")
    assert "<b>key<i>, </table>" in {words for _, words in page.find("tr")}
    assert "<script> column" in {words for _, words in page.find("button")}


def test_headline_numbers_are_those_of_the_run(read):
    run = synthetic_run(models=4)
    run.models["model"] += 10
    run.models["log_likelihood"][:] = [-9, -2.5, -7, np.nan]
    run.models["mean_self_transition"][:] = [0.1, 0.32, 0.34, 0.9]
    page, text = read(run)
    words = [words for _, words in page.find("dd")]
    assert "−2.50 nats, model 11" in words
    assert "−7.00 nats" in words
    assert "2 of 4 models; S = 3 latent states" in words
    assert "4 models of stripes" in text


def test_a_run_without_classes_does_not_speak_of_kl(read):
    run = synthetic_run(models=1)
    del run.models["kl_divergence"]
    _, text = read(run)
    assert "KL" not in text
    assert "1 model of stripes" in text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([4, 1, 3, 2, 5], [1, 2, 3, 4, 5]),
        ([1, 2], [1, 1.25, 1.5, 1.75, 2]),
        ([np.nan, 2], [2] * 5),
        ([np.inf, 1, 2, 3, np.inf], [1, 2, 3, np.inf, np.inf]),
        ([np.inf, -np.inf], [-np.inf, -np.inf, -np.inf, np.inf, np.inf]),
        ([np.nan], [np.nan] * 5),
    ],
)
def test_quantiles(values, expected):
    np.testing.assert_array_equal(quantiles(np.array(values)), expected)


def test_an_older_report_is_replaced_whole(tmp_path, read):
    (tmp_path / "report.html").write_text("old")
    page, text = read(synthetic_run())
    assert "old" not in text[:3]
    assert not page.open
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
