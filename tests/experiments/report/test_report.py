"""The report holds every number, needs nothing outside, and trusts no text."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread

from experiments.report.report import write_report

from ..synthetic import synthetic_run
from .parse import Page


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
    ids = [have["id"] for have, _ in page.find("h2")]
    labels = [have.get("aria-labelledby") for have, _ in page.find("section")]
    assert ids == labels == ["results", "figures", "cycles", "models", "settings"]


def test_the_currents_come_first_and_are_described(tmp_path, figures):
    words = "Two rings, of which <one> has arrows."
    currents = replace(figures[1], name="cycle_best", alt=words)
    write_report(synthetic_run(), [figures[0], currents], tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    headings = [have["id"] for have, _ in page.find("h2")]
    assert headings[:3] == ["currents", "results", "figures"]
    shown = [have["alt"] for have, _ in page.find("img")]
    assert shown == [words, figures[0].title]


def test_every_model_has_its_row(read):
    run = synthetic_run(models=7)
    run.models["kl_divergence"][:3] = [np.inf, np.nan, -np.inf]
    page, text = read(run)
    rows = model_rows(page)
    assert rows.shape == (7, len(run.models))
    for column, values in zip(rows.T, run.models.values(), strict=True):
        np.testing.assert_array_equal(column, values)
    heads = [words for _, words in page.find("th", scope="row") if words.isdigit()]
    # After the table of the cycles, which has its own order.
    assert heads[-7:] == list("0123456")
    shown = {
        value: [words for _, words in page.find("td", **{"data-value": value})]
        for value in ("Infinity", "NaN", "-Infinity")
    }
    assert shown == {"Infinity": ["∞"], "NaN": ["–"], "-Infinity": ["−∞"]}
    assert not re.search(r">\s*[+-]?(nan|inf)\s*<", text)


def test_an_error_stands_in_the_cell_of_its_value(read):
    run = synthetic_run()
    run.models["log_likelihood"][0] = -146.91234
    run.models["log_likelihood_error"] = np.full(5, 0.0041)
    run.models["odd_error"] = np.arange(5)
    page, text = read(run)
    names = [words for _, words in page.find("button")]
    assert len(names) == len(run.models) - 1
    cell = page.find("td", **{"data-value": "-146.91234"})
    assert [words for _, words in cell] == ["−146.912 ± 0.004"]
    # The error of nothing is a column like others, and on demand like most.
    odd = next(have for have, words in page.find("th") if words == "odd error")
    assert odd["class"] == "more"
    shown = [words for have, words in page.find("th") if "data-first" in have]
    assert "show 2 more columns" in text
    assert len(shown) - 2 == 7


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
    run.config["class_names"] = ["zero", "<b>one"]
    run.config["diagnostics"] = {
        "stay": {"unit": "<b>steps", "meaning": "</dd><b>time"}
    }
    run.models["stay"] = run.models["<script>_column"] = run.models["model"]
    run.arrays["classes"] = np.tile([0, 1, 1], (5, 1))
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
    assert any("1 (<b>one)" in words for _, words in page.find("td"))


def test_a_diagnostic_from_outside_has_its_column_and_its_meaning(read):
    run = synthetic_run()
    meaning = "mean stay in a latent state"
    run.config["diagnostics"] = {
        "mean_stay": {"unit": "double steps", "meaning": meaning}
    }
    run.models["mean_stay"] = np.linspace(1, 2, 5)
    page, _ = read(run)
    np.testing.assert_array_equal(model_rows(page)[:, -1], np.linspace(1, 2, 5))
    assert page.find("button")[-1][1] == "mean stay double steps"
    assert page.find("dt")[-1][1] == "mean stay"
    assert page.find("dd")[-1][1] == meaning


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


def test_an_older_report_is_replaced_whole(tmp_path, read):
    (tmp_path / "report.html").write_text("old")
    page, text = read(synthetic_run())
    assert "old" not in text[:3]
    assert not page.open
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
