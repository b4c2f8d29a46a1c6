"""What the library offers is small, listed, documented and annotated."""

import ast
import importlib
import inspect
import pkgutil
import re
import typing
from pathlib import Path

import pytest

import nelc_jax
from nelc_jax import AbstractLatent

ROOT = Path(__file__).parent.parent
FOUND = [
    found
    for found in pkgutil.walk_packages(nelc_jax.__path__, "nelc_jax.")
    if "._" not in found.name
]
PACKAGES = ("nelc_jax", *sorted(found.name for found in FOUND if found.ispkg))
MODULES = sorted(found.name for found in FOUND if not found.ispkg)


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


def public_names(name):
    """The names that a module defines itself: functions, classes and constants."""
    constants = {
        node.targets[0].id
        for node in source(name).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    return public_definitions(name).keys() | constants


def offered(module):
    """The names of a module's face: its `__all__`, or all that it defines itself."""
    listed = getattr(module, "__all__", None)
    return public_definitions(module.__name__) if listed is None else listed


def face(module=nelc_jax):
    """Functions and classes that one reaches from the top, through modules in it."""
    found = {}
    for name in offered(module):
        item = getattr(module, name)
        if inspect.ismodule(item):
            found |= face(item)
        elif callable(item) and inspect.getmodule(item) is not typing:
            found[f"{module.__name__}.{name}"] = item
    return found


@pytest.mark.parametrize("name", PACKAGES)
def test_packages_list_what_they_offer(name):
    package = importlib.import_module(name)
    listed = package.__all__
    assert listed == sorted(set(listed))
    imported = {
        alias.asname or alias.name
        for node in source(name).body
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    assert set(listed) == imported
    for item in listed:
        assert inspect.getdoc(getattr(package, item)), item


@pytest.mark.parametrize("name", MODULES)
def test_modules_list_their_own(name):
    """A module without a list offers all that it defines."""
    module = importlib.import_module(name)
    listed = getattr(module, "__all__", [])
    assert listed == sorted(set(listed))
    for item in listed:
        own = getattr(getattr(module, item), "__module__", name)
        assert own in (name, "typing"), item


def test_the_face_is_small():
    """The names at the top, and the functions that one reaches from there."""
    top = [n for n in nelc_jax.__all__ if not inspect.ismodule(getattr(nelc_jax, n))]
    assert len(top) <= 25
    functions = {id(f) for f in face().values() if not inspect.isclass(f)}
    assert len(functions) <= 100


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
    documented = set()
    for name, members in re.findall(r"automodule:: (\S+)\n   :members:(.*)\n", text):
        assert name in (*MODULES, *PACKAGES), name
        module = importlib.import_module(name)
        # Without names, all that the module offers and defines.
        own = set(offered(module)) & public_names(name)
        listed = re.split(r",\s*", members.strip()) if members.strip() else own
        documented |= {id(getattr(module, item)) for item in listed}
    missing = [name for name, item in face().items() if id(item) not in documented]
    assert not missing


def test_contributing_shows_the_whole_protocol():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    shown = set(re.findall(r"`(\w+)(?:\([\w, ]*\))?`(?=[^|\n]*\|)", text))
    members = {name for name in vars(AbstractLatent) if not name.startswith("_")}
    assert members | {"num_units"} <= shown
