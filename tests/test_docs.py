"""Every Python block of the documentation runs, page by page in one namespace."""

import re
from pathlib import Path

import jax
import pytest

import nelc_jax

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def blocks(page):
    """The Python blocks of a page, each with its first line."""
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        yield 1 + text[: found.start(1)].count("\n"), found[1]


def run(page, capsys):
    """Run the blocks of a page; what they print, and the names that they leave."""
    names = {}
    for line, block in blocks(page):
        # Empty lines before it: an error has the line number of the page.
        exec(compile("\n" * (line - 1) + block, str(page), "exec"), names)
    return capsys.readouterr().out, names


@pytest.fixture
def as_users_run(unchecked, tmp_path, monkeypatch):
    """In a directory of its own, without the checks of shapes, settings restored."""
    monkeypatch.chdir(tmp_path)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(blocks(page)) and page.name != "README.md"],
    ids=lambda page: page.stem,
)
@pytest.mark.usefixtures("as_users_run")
def test_python_blocks_run(page, capsys):
    run(page, capsys)


@pytest.mark.usefixtures("as_users_run")
def test_readme_prints_what_anyone_could_reach(capsys, tmp_path):
    directory = tmp_path / "runs" / "paper"
    directory.mkdir(parents=True)
    x = jax.numpy.arange(20).reshape(5, 4) % 3 == 0
    model = nelc_jax.init_model(jax.random.key(0), nelc_jax.Binary(2), x)
    nelc_jax.save(directory / "checkpoint.safetensors", model)
    printed, names = run(ROOT / "README.md", capsys)
    assert names["models"].latent == model.latent
    log_likelihood, sigma = map(float, printed.split())
    # 64 pixels with probability 0.3 each: the entropy is 39.1 nats, the best anyone can
    # do; models of 500 such points come within a few nats of it.
    assert -45 < log_likelihood < -37
    assert sigma >= 0
