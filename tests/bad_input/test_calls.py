"""The calls that the other tests change are all there are, and good."""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nelc_jax
from nelc_jax import OneHot, exact, init_model, sample_chain

from . import cases
from .calls import CALLS, OBJECTS, call
from .calls.objects import KEY, MODEL, X
from .cases import Case, is_array
from .test_systematic import TREES

pytestmark = pytest.mark.usefixtures("unchecked")


@pytest.mark.parametrize("name", [name for name in CALLS if "cycle_states" not in name])
def test_the_calls_are_good(name):
    """Without the one change they work: the errors are of the bad arguments."""
    jax.eval_shape(lambda: (call(name), ())[1])


def test_a_case_that_is_not_bad_is_told():
    """Control: of several cases, those that do not raise, by name."""
    name = "training.batch_schedule"
    bad = Case(name, "first", 0, ValueError, "first=0: expected")
    cases.check([bad])
    for other in (
        bad._replace(value=2),
        bad._replace(error=TypeError),
        bad._replace(message="first=1"),
    ):
        with pytest.raises(AssertionError, match=f"^{name}, first=.*$"):
            cases.check([bad, other])


MODULES = [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages(nelc_jax.__path__, "nelc_jax.")
]


def definitions(module):
    """(owner or None, function) of a module, with decorators."""
    tree = ast.parse(Path(inspect.getsourcefile(module)).read_text())
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                if isinstance(part, ast.FunctionDef):
                    yield getattr(module, node.name), part
        elif isinstance(node, ast.FunctionDef):
            yield None, node


def test_everything_checked_is_called():
    """Every function, and every method of a class or of one below it."""
    called = [name.rsplit(".", 1) for name in CALLS]
    missing = []
    for module in MODULES:
        place = module.__name__.removeprefix("nelc_jax.")
        for owner, node in definitions(module):
            decorators = [ast.unparse(each) for each in node.decorator_list]
            if "checked" not in decorators or node.name.startswith("_"):
                continue
            if not any(
                last == node.name
                and (
                    first == place
                    if owner is None
                    else isinstance(OBJECTS.get(first), owner)
                )
                for first, last in called
            ):
                missing.append(f"{place}: {node.name} of {owner}")
    assert not missing


def test_every_public_function_is_called():
    # In `MADE` of `test_classes`, or for trees of any kind.
    skipped = {"train", "best", "step_noise"}
    skipped |= {"set_learning_rate", "rmsprop", "parameters_named", "rmsprop_settings"}
    # Of the oscillators' own modules.
    skipped |= {"between", "around", "steps"}
    missing = []
    for module in MODULES:
        place = module.__name__.removeprefix("nelc_jax.")
        if place.split(".")[-1] in (
            "_checks",
            "_format",
            "_linear",
            "_parts",
            "_products",
            "files",
        ):
            continue
        # Behind functions that check.
        if place.split(".")[0] in (
            "_cache",
            "_derivatives",
            "_disk",
            "_foreign",
            "_loops",
            "_native",
            # On the host, with axes: its own tests have its bad arguments.
            "notebook",
            "plot",
        ):
            continue
        for owner, node in definitions(module):
            public = owner is None and not node.name.startswith("_")
            if (
                public
                and node.name not in skipped
                and f"{place}.{node.name}" not in CALLS
            ):
                missing.append(f"{place}.{node.name}")
    assert not missing


ARRAYS = [
    (name, argument)
    for name, arguments in CALLS.items()
    for argument, good in arguments.items()
    if is_array(good) and argument not in TREES
]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    case=st.sampled_from(ARRAYS),
    shape=st.lists(st.integers(1, 7), max_size=3),
    dtype=st.sampled_from(["bool", "uint8", "int32", "float32", "complex64"]),
)
def test_any_array_works_or_is_named(case, shape, dtype):
    """No shape or dtype passes the checks and fails further inside."""
    name, argument = case
    value = jnp.asarray(np.zeros(shape, dtype))
    try:
        jax.eval_shape(lambda: (call(name, **{argument: value}), ())[1])
    except (ValueError, TypeError) as error:
        line = str(error)
        assert re.match(
            r"[\w.]+(\(\w+\))?(\[[\d, ]+\])?(\.shape|\.dtype)?[= ].*: expected ", line
        ), line
        assert argument in line
        assert "\n" not in line


def test_bad_arguments_are_found_under_transformations():
    """Shapes and dtypes while a function is traced; numbers where they are known."""

    def log_likelihood(x):
        return exact.log_likelihood(MODEL, x)

    for transform in (jax.jit, jax.grad, jax.vmap):
        shape = (9, 4, 6) if transform is jax.vmap else (4, 6)
        with pytest.raises(ValueError, match=r"x.shape=\(4, 6\): expected \(N, D\)"):
            transform(log_likelihood)(np.zeros(shape, np.float32))
    start = jax.jit(lambda x: init_model(KEY, OneHot(3), x))
    jax.eval_shape(start, np.full((4, 5), 0.5, np.float32))
    with pytest.raises(TypeError, match="num_steps=traced: expected an integer, known"):
        jax.eval_shape(
            lambda steps: sample_chain(MODEL, KEY, X[0], steps), jnp.int32(3)
        )
