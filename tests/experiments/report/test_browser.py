"""The report in a real browser: it sorts, shows its figures, and asks nobody."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from experiments.report.report import write_report

from ..synthetic import synthetic_run

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)

pytestmark = pytest.mark.skipif(
    BROWSER is None, reason=f"no browser on the path: none of {', '.join(NAMES)}"
)

# Whatever is not in the file itself is refused, and the refusal noted down.
GUARD = """<meta http-equiv="Content-Security-Policy" content="default-src 'none';
 img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<script>
const refused = [], errors = [];
addEventListener("securitypolicyviolation", e => refused.push(e.blockedURI));
addEventListener("error", e => errors.push(e.message || "not loaded"), true);
</script>
"""
PROBE = """<script>
addEventListener("load", () => setTimeout(() => {
  const table = document.querySelector("table.sortable");
  const values = column => [...table.tBodies[0].rows].map(
    row => row.cells[column].dataset.value);
  const pressed = [...table.tHead.rows[0].cells].map((header, column) => {
    const orders = [];
    for (let press = 0; press < 2; press++) {
      header.querySelector("button").click();
      orders.push([header.getAttribute("aria-sort"), values(column)]);
    }
    return orders;
  });
  const widths = [...document.images].map(image => image.naturalWidth);
  const out = document.createElement("pre");
  out.id = "found";
  out.textContent = JSON.stringify({pressed, widths, refused, errors});
  document.body.append(out);
}, 100));
</script>
"""


@pytest.fixture
def report(tmp_path, figures):
    """A report with two small figures, and a value of every kind in its table."""
    run = synthetic_run(models=6)
    run.models["kl_divergence"][:3] = [np.inf, np.nan, -np.inf]
    write_report(run, figures, tmp_path / "report.html")
    return run, (tmp_path / "report.html").read_text(encoding="utf-8")


def visit(text, directory):
    """What the probe found on the page."""
    page = directory / "page.html"
    text = text.replace("<head>", f"<head>{GUARD}", 1)
    page.write_text(text.replace("</body>", f"{PROBE}</body>"), encoding="utf-8")
    shown = subprocess.run(
        [
            *(BROWSER, "--headless", "--disable-gpu", "--no-first-run"),
            # Root, as which containers run, has no sandbox.
            "--no-sandbox",
            f"--user-data-dir={directory / 'profile'}",
            *("--virtual-time-budget=5000", "--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        timeout=120,
        check=True,
    ).stdout.decode()
    found = re.search(r'<pre id="found">(.*?)</pre>', shown, re.DOTALL)
    assert found, shown[-2000:]
    return json.loads(html.unescape(found[1]))


def test_report_sorts_shows_and_asks_nobody(report, tmp_path):
    run, text = report
    found = visit(text, tmp_path)
    assert found["errors"] == found["refused"] == []
    assert found["widths"] == [40, 80]
    assert len(found["pressed"]) == len(run.models)
    for values, orders in zip(run.models.values(), found["pressed"], strict=True):
        undefined = np.full(np.isnan(values).sum(), np.nan)
        ascending = np.sort(values[~np.isnan(values)])
        # The table comes sorted by model: the first press of its heading reverses it.
        expected = {
            "ascending": np.append(ascending, undefined),
            "descending": np.append(ascending[::-1], undefined),
        }
        assert {direction for direction, _ in orders} == expected.keys()
        for direction, shown in orders:
            shown = [float(value.replace("Infinity", "inf")) for value in shown]
            np.testing.assert_array_equal(shown, expected[direction])


def test_a_request_to_the_network_would_be_seen(report, tmp_path):
    outside = "https://report.invalid/figure.png"
    _, text = report
    found = visit(text.replace("<main>", f'<main><img src="{outside}">', 1), tmp_path)
    assert found["refused"] == [outside]
    assert found["widths"][0] == 0
