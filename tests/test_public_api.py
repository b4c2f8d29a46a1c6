"""What the library offers is listed, documented and annotated."""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import nelc_jax
from nelc_jax.latent import Latent

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "nelc_jax",
    *(f"nelc_jax.{p}" for p in ("baselines", "diagnostics", "oscillators")),
)
# Products and broadcasting, and what is checked: no part of the model.
INTERNAL = {
    f"nelc_jax.{name}" for name in ("_checks", "annotations", "checks", "linear")
}
MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(nelc_jax.__path__, "nelc_jax.")
    if not found.ispkg and found.name not in INTERNAL
)


def source(name):
    return ast.parse(
        Path(inspect.getsourcefile(importlib.import_module(name))).read_text()
    )


def public_definitions(name):
    """Functions and classes that a module defines itself, by name."""
    return {
        node.name: node
        for node in source(name).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
    }


@pytest.mark.parametrize("name", PACKAGES)
def test_packages_list_what_they_offer(name):
    tree = source(name)
    (listed,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
    ]
    assert listed == sorted(set(listed))
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(listed) == imported
    package = importlib.import_module(name)
    for item in listed:
        assert inspect.getdoc(getattr(package, item)), item


def test_every_module_is_offered():
    missing = [
        name
        for name in MODULES
        if name.count(".") == 1 and name.split(".")[1] not in nelc_jax.__all__
    ]
    assert not missing


@pytest.mark.parametrize("name", MODULES)
def test_public_names_are_documented(name):
    assert ast.get_docstring(source(name))
    for label, node in public_definitions(name).items():
        words = ast.get_docstring(node)
        assert words, label
        first = words.split("\n\n")[0]
        assert re.search(r"[.:]$", first), f"{label}: {first}"
    # Constants and types: a string below them, or a comment at a tuple of them.
    body = source(name).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if not isinstance(node, ast.Assign) or not isinstance(
            node.targets[0], ast.Name
        ):
            continue
        constant = node.targets[0].id
        if constant.startswith("_") or "TypeVar" in ast.unparse(node.value):
            continue
        told = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        assert told, f"{constant} says nothing about itself"


@pytest.mark.parametrize("name", MODULES)
def test_public_functions_are_annotated(name):
    for label, node in public_definitions(name).items():
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            bare = [argument.arg for argument in arguments if not argument.annotation]
            assert not bare, f"{label}: {bare}"


@pytest.mark.parametrize("name", MODULES)
def test_errors_are_announced(name):
    for label, node in public_definitions(name).items():
        raised = any(
            isinstance(part, ast.Raise) and part.exc is not None
            for part in ast.walk(node)
        )
        words = ast.get_docstring(node)
        assert not raised or re.search(r"[Rr]aise", words), label


def test_the_reference_has_every_public_name():
    text = "".join(page.read_text() for page in (ROOT / "docs/api").glob("*.md"))
    listed = {
        module: re.split(r",\s*", members.strip())
        for module, members in re.findall(
            r"automodule:: (\S+)\n   :members: (.*)\n", text
        )
    }
    assert listed.keys() == set(MODULES)
    for name in MODULES:
        assert listed[name] == list(public_definitions(name)), name


def test_contributing_shows_the_whole_protocol():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    shown = set(re.findall(r"`(\w+)(?:\([\w, ]*\))?`(?=[^|\n]*\|)", text))
    attributes = {name for name in vars(Latent) if not name.startswith("_")}
    assert attributes <= shown
