"""What is wrong for a kind of argument, in every argument of that kind."""

import re

import equinox as eqx
import jax
import numpy as np
import pytest

from . import cases
from .calls import CALLS, OBJECTS
from .cases import Case, is_array, is_key, several

pytestmark = pytest.mark.usefixtures("unchecked")

BATCHED = {
    *("model.forward_logits z", "model.backward_field x", "_random.pack x"),
    *("_bernoulli.bernoulli_normaliser logits", "model.backward_log_probs x"),
    *("_random.unpack packed", "_random.thresholds logits", "_random.threefry x0"),
    *("_random.draw_pixels table", "_random.draw_packed table"),
    *("_random.pixel_table logits", "latent.base.sample_latent h"),
    *("Noising.decay time", "Noising.spread time", "ObservedMotion.duration time"),
    *("Generation.protocol_time time", "Generation.noising_time time"),
    *("Generation.loss_weight time", "_minibatch.sum_chunks x"),
    *("Hidden.field x", "Loop.field s"),
    *(f"{element}.log_partition u" for element in ("TwoState", "QuarticWell")),
    *(f"{element}.mean u" for element in ("TwoState", "QuarticWell")),
    *(f"{element}.response u" for element in ("TwoState", "QuarticWell")),
    *(f"{element}.draw u" for element in ("TwoState", "QuarticWell")),
    *(f"{space}.log_probs h" for space in ("OneHot", "Binary")),
    *(f"{space}.mean h" for space in ("OneHot", "Binary", "Gaussian")),
    *(f"{space}.natural h" for space in ("OneHot", "Binary", "Gaussian")),
    *(f"{space}.index z" for space in ("OneHot", "Binary")),
    *(f"{space}.noise uniforms" for space in ("OneHot", "Binary", "Gaussian")),
}
"""Arguments that may have any leading axes, whatever the others have."""

TREES = ("replicates", "estimate", "zeros", "init")
"""Trees of any arrays, which no annotation tells from others."""

OF_ONE = ("model", "loop", "rbm", "mixture", "state", "network", "learner")
"""Arguments that are of one member of an ensemble."""

OF_MANY = (
    *("Quartic", "Knots", "Pairs", "Hidden", "HiddenKnots", "Draws"),
    "EnumeratedLoop",
)
"""Objects whose arrays may have leading axes, or which a call does not look at."""


def of_argument(name, argument):
    """(value, exception, message) of what is not of an argument's kind."""
    good = CALLS[name][argument]
    if is_key(good):
        old = "key.dtype=uint32: expected a typed key"
        yield jax.random.key_data(good), TypeError, old
        yield 0, TypeError, "key=0: expected a typed key"
        two = jax.random.wrap_key_data(np.zeros((2, 2), np.uint32))
        yield two, ValueError, r"key.shape=\(2,\): expected \(\); jax.vmap"
    elif is_array(good):
        words = f"{argument}.dtype=complex64: expected (real|float|int|truth|u)"
        yield np.zeros(good.shape, np.complex64), TypeError, words
        yield "many", TypeError, f"{argument}='many': expected an array of"
        if f"{name} {argument}" not in BATCHED:
            shape = re.escape(str((9, *good.shape)))
            words = rf"\.shape={shape}.*: expected|expected .*{argument}\)"
            yield several(good), ValueError, words
    elif isinstance(good, bool | str):
        yield "other", ValueError, f"{argument}='other': expected 'paper' or 'exact'"
    elif isinstance(good, int):
        words = f"{argument}=2.5: expected an (integer|array of integers)"
        yield 2.5, TypeError, words
        yield "3", TypeError, f"{argument}='3': expected an (integer|array)"
    elif isinstance(good, float):
        words = f"{argument}='much': expected (a (real )?number|an array of float)"
        yield "much", TypeError, words
        yield np.ones(2), ValueError, rf"{argument}.shape=\(2,\): expected \(\)"
    elif callable(good) and not isinstance(good, eqx.Module):
        yield 3, TypeError, f"{argument}=3: expected a function"
    else:
        words = f"{argument}='a thing': expected an? [a-z_.]*[A-Z]"
        yield "a thing", TypeError, words


def systematic(name):
    """The cases of one function."""
    for argument in CALLS[name]:
        own = f"{name} {argument}" in ("Learner.gradient parameters",)
        if not own and argument not in (*TREES, "dtype", "layers"):
            for case in of_argument(name, argument):
                yield Case(name, argument, *case)
    # An ensemble where one model or trajectory is expected, without `vmap`.
    owner = name.split(".")[0]
    ones = {key: one for key, one in CALLS[name].items() if key in OF_ONE}
    if owner in OBJECTS and owner not in OF_MANY:
        ones["self"] = OBJECTS[owner]
    for argument, one in ones.items():
        if jax.tree.leaves(one):
            words = rf"{argument}(\.\w+)+.shape=\(9,.*: expected \(.*\)"
            yield Case(name, argument, several(one), ValueError, words)


@pytest.mark.parametrize("name", CALLS)
def test_arguments_of_another_kind(name):
    cases.check(systematic(name))


def test_how_many_there_are():
    found = [case for name in CALLS for case in systematic(name)]
    assert len({(case.name, case.argument, case.message) for case in found}) > 800
