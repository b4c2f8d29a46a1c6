"""Bad arguments of every public function: an error of one line, before compilation."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nelc_jax import (
    AveragedGradient,
    Binary,
    Model,
    OneHot,
    Pcd,
    TrajectoryGradient,
    ensemble,
    files,
    rmsprop,
)
from nelc_jax import oscillators as osc
from nelc_jax.baselines import Rbm, rbm
from nelc_jax.oscillators import training as osc_training
from nelc_jax.rules import PersistentChain

from . import calls
from .calls import CALLS, KEY, LARGE, MODEL, RBM, X

pytestmark = pytest.mark.usefixtures("unchecked")

BATCHED = {
    *("model.forward_logits z", "model.backward_field x", "_random.pack x"),
    *("model.bernoulli_normaliser logits", "model.backward_log_probs x"),
    *("_random.unpack packed", "_random.thresholds logits", "_random.threefry x0"),
    *("_random.draw_pixels table", "_random.draw_packed table"),
    *("_random.pixel_table logits", "latent.sample_latent h"),
    *("oscillators.diffusion.decay time", "oscillators.diffusion.spread time"),
    *(f"oscillators.diffusion.{name}_time time" for name in ("protocol", "noising")),
    *("oscillators.diffusion.reverse_force x", "oscillators.diffusion.noise_points x"),
    *("oscillators.learning.loss_weight time", "minibatch.sum_chunks x"),
    *("oscillators.observed.observation_time time",),
    *(f"{space}.log_probs h" for space in ("OneHot", "Binary")),
    *(f"{space}.mean h" for space in ("OneHot", "Binary")),
    *(f"{space}.index z" for space in ("OneHot", "Binary")),
    *(f"{space}.noise uniforms" for space in ("OneHot", "Binary")),
}
"""Arguments that may have any leading axes, whatever the others have."""

TREES = ("replicates", "estimate", "zeros", "init")
"""Trees of any arrays."""


def is_array(value):
    return hasattr(value, "shape") and hasattr(value, "dtype")


def systematic():
    """(function, argument, bad value, exception, message) by the kind of argument."""
    for name, arguments in CALLS.items():
        for argument, good in arguments.items():
            if argument in TREES or argument == "dtype":
                continue

            def bad(value, error, message, name=name, argument=argument):
                return name, argument, value, error, message

            shape = re.escape(str(getattr(good, "shape", None)))
            if is_array(good) and jnp.issubdtype(good.dtype, jax.dtypes.prng_key):
                old = jax.random.PRNGKey(0)
                yield bad(old, TypeError, "key.dtype=uint32: expected a typed key")
                yield bad(0, TypeError, "key=0: expected a typed key")
                keys = jax.random.split(KEY, 2)
                yield bad(
                    keys, ValueError, r"key.shape=\(2,\): expected \(\); jax.vmap"
                )
            elif is_array(good):
                words = (
                    rf"{argument}.dtype=complex64: expected (real|float|int|truth|u)"
                )
                yield bad(jnp.zeros(good.shape, complex), TypeError, words)
                yield bad("many", TypeError, f"{argument}='many': expected an array of")
                if f"{name} {argument}" not in BATCHED:
                    shape = re.escape(str((9, *good.shape)))
                    words = rf"\.shape={shape}.*: expected|expected .*{argument}\)"
                    yield bad(jnp.stack([good] * 9), ValueError, words)
            elif isinstance(good, bool | str):
                words = f"{argument}='other': expected 'paper' or 'exact'"
                yield bad("other", ValueError, words)
            elif isinstance(good, int):
                words = f"{argument}=2.5: expected an (integer|array of integers)"
                yield bad(2.5, TypeError, words)
                yield bad(
                    "3", TypeError, f"{argument}='3': expected an (integer|array)"
                )
            elif isinstance(good, float):
                words = (
                    f"{argument}='much': expected (a (real )?number|an array of float)"
                )
                yield bad("much", TypeError, words)
                if argument not in ("decay", "eps"):
                    words = rf"{argument}.shape=\(2,\): expected \(\)"
                    yield bad(jnp.ones(2), ValueError, words)
            elif callable(good) and not isinstance(good, eqx.Module):
                yield bad(3, TypeError, f"{argument}=3: expected a function")
            else:
                words = f"{argument}='a thing': expected an? [a-z_.]*[A-Z]"
                yield bad("a thing", TypeError, words)


def ensembles():
    """An ensemble where one model or trajectory is expected, without `vmap`."""
    for name, arguments in CALLS.items():
        for argument in ("model", "rbm", "mixture", "state", "network"):
            if argument in arguments:
                two = jax.tree.map(lambda a: jnp.stack([a] * 9), arguments[argument])
                words = rf"{argument}(\.\w+)+.shape=\(9,.*: expected \(.*\)"
                yield name, argument, two, ValueError, words


def with_x_mean(value):
    return Model(MODEL.parameters, jnp.full(5, value), MODEL.latent)


def other_sizes(argument, expected, *shapes):
    """Arrays of other sizes than the rest of a call has."""
    return [
        (
            *(name, argument, jnp.zeros(shape, calls.CALLS[name][argument].dtype)),
            *(
                ValueError,
                rf"{argument}.shape={re.escape(str(shape))}: expected {text}",
            ),
        )
        for name in expected[1]
        for shape, text in ((shape, expected[0]) for shape in shapes)
    ]


D_OF_MODEL = r"\(N, D\) with .*D=5 \((model.parameters.w|state|support.logits|rbm)"
SIZES = [
    *other_sizes(
        "x",
        (
            D_OF_MODEL,
            (
                "exact.log_likelihood",
                "exact.horizon_log_likelihood",
                "exact.two_step_gradient",
                "estimators.base.data_sums",
                "TrajectoryGradient.estimate",
                "AveragedGradient.estimate",
                "likelihood.occupancy_log_prob",
                "likelihood.trajectory_log_prob",
                "likelihood.chain_log_prob",
                "model.forward_log_prob",
                "Cycles.step",
                "training.train",
                "baselines.rbm.log_prob",
                "baselines.rbm.log_likelihood",
                "Pcd.step",
                "diagnostics.summary.summarize",
                "diagnostics.classes.latent_classes",
            ),
        ),
        (4, 6),
        (4,),
        (1, 4),
    ),
    *other_sizes(
        "x",
        (r"\(D,\) with D=5 \(model", ("chain.sample_chain", "_parallel.sample")),
        (6,),
        (1, 5),
        (),
    ),
    *other_sizes("z", (r".*L=3", ("model.forward_logits", "OneHot.index")), (6, 4), ()),
    *other_sizes("h", (r".*L=3", ("OneHot.mean", "Binary.mean")), (6, 2), (4,)),
    *other_sizes(
        "weights",
        (
            r"\(N,\) with N=4 \(x\)",
            ("estimators.base.data_sums", "TrajectoryGradient.estimate"),
        ),
        (5,),
        (1,),
        (4, 1),
    ),
    *other_sizes(
        "occupancy",
        (r"\(S,\) with S=3", ("diagnostics.summary.summarize",)),
        (4,),
        (2,),
        (3, 3),
    ),
    *other_sizes(
        "M",
        (
            r"\(S, S\)",
            ("markov.stationary_distribution", "diagnostics.spectrum.relaxation_time"),
        ),
        (3, 4),
        (3,),
        (2, 3, 3),
    ),
    *other_sizes(
        "p_bar",
        (
            r"\(S,\) with S=3 \((log_)?M\)",
            (
                "markov.deviation",
                "diagnostics.thermodynamics.currents",
                "diagnostics.mixing.integrated_time",
                "diagnostics.cycles.fundamental_cycles",
            ),
        ),
        (2,),
        (4,),
    ),
]

NONE = r"x.shape=\(0, \d\): expected at least one data|expected .*=0 \(x\)"
NO_POINTS = [
    (
        name,
        "x",
        calls.CALLS[name]["x"][:0],
        ValueError,
        NONE,
    )
    for name in (
        "exact.log_likelihood",
        "exact.horizon_log_likelihood",
        "exact.two_step_gradient",
        "TrajectoryGradient.estimate",
        "AveragedGradient.estimate",
        "model.init_model",
        "Cycles.init",
        "training.train",
        "ensemble.init",
        "minibatch.sum_chunks",
        "baselines.mixture.init",
        "baselines.mixture.log_likelihood",
        "baselines.mixture.em_step",
        "baselines.rbm.log_likelihood",
        "Pcd.init",
        "Pcd.step",
        "diagnostics.summary.summarize",
        "oscillators.network.init_parameters",
        "oscillators.learning.local_gradient",
        "oscillators.projection.project",
        "oscillators.training.estimate_gradient",
        "oscillators.thermodynamics.ideal_entropy_rate",
    )
]

GRAY = jnp.where(X, 1.0, 0.0).at[1, 2].set(0.5)
BITS = r"expected 0 or 1; gray levels need a threshold"
DATA = [
    (name, "x", value, ValueError, rf"x\[1, 2\]={found}: {BITS}")
    for name in (
        "model.init_model",
        "Cycles.init",
        "ensemble.init",
        "baselines.mixture.init",
        "Pcd.init",
    )
    for value, found in (
        (GRAY, "0.5"),
        (GRAY.at[1, 2].set(jnp.nan), "nan"),
        (GRAY.at[1, 2].set(-jnp.inf), "-inf"),
        (np.where(np.arange(20).reshape(4, 5) == 7, 255, 0).astype(np.uint8), "255"),
        (GRAY.at[1, 2].set(-1).astype(int), "-1"),
    )
]

COUNTS = [
    (name, argument, value, ValueError, rf"{argument}={value}: expected")
    for name, argument, *values in (
        ("chain.sample_chain", "num_steps", 0, -1),
        ("chain.fold_chain", "num_steps", 0),
        ("exact.visible_states", "num_visible", 0, 17),
        ("exact.horizon_log_likelihood", "horizon", 0, -1),
        ("estimators.base.check_horizon", "horizon", 0),
        ("likelihood.chain_log_prob", "num_steps", 0),
        ("minibatch.batch_schedule", "first", 0),
        ("minibatch.batch_schedule", "last", -1),
        ("minibatch.batch_schedule", "num_epochs", 0),
        ("_random.rounding", "num_visible", 0),
        ("_random.latent_uniforms", "num_uniforms", 0),
        ("_random.draw_indices", "count", -1),
        ("_random.draw_indices", "num_points", 0),
        ("_random.unpack", "num_visible", 4, 9),
        ("_parallel.sample", "num_steps", 0),
        ("_parallel.candidates", "num_steps", -2),
        ("perfect.perfect_sample", "num_samples", 0),
        ("perfect.perfect_sample", "max_steps", 0, 2**31),
        ("markov.truncated_deviation", "num_terms", -1),
        ("Cycles.step", "batch_size", 0, -3),
        ("Pcd.step", "batch_size", 0),
        ("baselines.mixture.init", "num_components", 0, -1),
        ("baselines.mixture.fit", "num_steps", -1),
        ("baselines.mixture.fit_restarts", "num_restarts", 0),
        ("baselines.ais.log_partition", "num_chains", 1),
        ("diagnostics.averages.average_transitions", "num_samples", 0),
        ("diagnostics.averages.log_transition_batches", "num_batches", 0),
        ("diagnostics.classes.latent_classes", "num_classes", 0),
        ("diagnostics.classes.class_distribution", "num_classes", 0),
        ("diagnostics.cycles.cycle_states", "number", -1, 3),
        ("diagnostics.summary.summarize_batches", "num_batches", 1),
        ("diagnostics.transitions.count_transitions", "num_steps", 1),
        ("diagnostics.whole_chain.whole_chain_entropy_production", "num_samples", 0),
        ("oscillators.bath.equilibrate", "num", 0),
        ("oscillators.bath.equilibrate", "stiffness", -1.0),
        ("oscillators.bath.refine", "substeps", 0),
        ("oscillators.network.geometric_knots", "num", 1),
        ("oscillators.observed.measure_motion", "substeps", 0),
        ("oscillators.observed.measure_motion", "fraction", 0.0, 1.0),
        ("oscillators.potential.harmonic_trap", "num", 0),
        ("oscillators.potential.all_to_all", "num", 0),
        ("oscillators.potential.lattice", "rows", 0),
        ("oscillators.potential.lattice", "columns", -1),
        ("oscillators.potential.lattice", "radius", -1.0),
        ("oscillators.projection.project", "iterations", 0),
        ("oscillators.projection.project", "rounds", 0),
        ("oscillators.training.train", "num_steps", 0),
    )
    for value in values
]

NUMBERS = [
    (
        "training.train",
        "batch_sizes",
        jnp.array([4, 0]),
        ValueError,
        r"sizes\[1\]=0: ex",
    ),
    (
        "training.train",
        "batch_sizes",
        jnp.array([-1, 2]),
        ValueError,
        r"\[0\]=-1: e",
    ),
    (
        "ensemble.init",
        "learning_rate",
        jnp.array([0.1, -1.0]),
        ValueError,
        r"\[1\]=-1.0: ",
    ),
    (
        "ensemble.init",
        "learning_rate",
        jnp.ones(3),
        ValueError,
        r"e.shape=\(3,\): expected",
    ),
    (
        *("diagnostics.classes.latent_classes", "labels", jnp.array([0, 1, 2, 0])),
        *(ValueError, r"labels\[2\]=2: expected a class in 0 .. 1"),
    ),
    (
        *("diagnostics.classes.class_distribution", "classes", jnp.array([0, -1, 0])),
        *(ValueError, r"classes\[1\]=-1: expected a class in 0 .. 1"),
    ),
    *(
        ("baselines.ais.log_partition", "betas", jnp.array(betas), ValueError, words)
        for betas, words in (
            ([0.1, 0.5, 1.0], r"betas\[0\]=0.1\d*: expected betas rising from 0 to 1"),
            ([0.0, 0.6, 0.5, 1.0], r"betas\[2\]=0.5: expected"),
            ([0.0, 0.5], r"betas\[1\]=0.5: expected"),
            ([1.0], r"betas.shape=\(1,\): expected at least 2"),
        )
    ),
    (
        *("exact.horizon_log_likelihood", "visible_law", jnp.ones(31)),
        *(ValueError, r"visible_law.shape=\(31,\): expected \(32,\)"),
    ),
    (
        "model.init_model",
        "dtype",
        jnp.int32,
        TypeError,
        "dtype=int32: expected a float",
    ),
    (
        *("oscillators.bath.euler_maruyama", "normals", jnp.ones((6, 2))),
        *(
            ValueError,
            r"normals.shape=\(6, 2\): expected a row for each of the 5 steps",
        ),
    ),
    (
        *("oscillators.bath.drive", "times", jnp.array([0.0, 2.0, 1.0])),
        *(ValueError, r"times\[2\]=1.0: expected increasing times"),
    ),
    (
        *("oscillators.learning.forces_between", "knots", calls.ONE),
        *(ValueError, r"knots.b.shape=\(2,\): expected potentials at 3 knots"),
    ),
    *(
        (
            name,
            "latent" if name.endswith("enumerable") else "model",
            value,
            error,
            words,
        )
        for name, value, error, words in (
            ("_parallel.candidates", LARGE, ValueError, "latent=.*can be enumerated"),
            ("_parallel.require_enumerable", Binary(9), ValueError, "latent=Binary"),
            ("perfect.perfect_sample", LARGE, ValueError, "latent=.*can be enumerated"),
            (
                "exact.latent_kernel",
                LARGE,
                ValueError,
                "num_units=9: expected at most 256",
            ),
        )
    ),
    *(
        (
            f"diagnostics.autocorrelation.{name}",
            "series",
            jnp.ones(size),
            ValueError,
            words,
        )
        for name, size, words in (
            ("autocorrelation", 0, r"len\(series\)=0: expected at least 1"),
            ("autocorrelation_time", 3, r"len\(series\)=3: expected at least 4"),
        )
    ),
]

CHANGED = [*(*systematic(), *ensembles(), *SIZES, *NO_POINTS, *DATA, *COUNTS, *NUMBERS)]


@pytest.mark.parametrize(
    ("name", "argument", "value", "error", "message"),
    CHANGED,
    ids=[f"{case[0]}-{case[1]}" for case in CHANGED],
)
def test_one_bad_argument(name, argument, value, error, message):
    with pytest.raises(error, match=message) as caught:
        calls.function(name)(**{**CALLS[name], argument: value})
    assert type(caught.value) is error
    assert "expected" in str(caught.value)
    assert "\n" not in str(caught.value)


along = TrajectoryGradient
WIDE = rbm.Parameters(*(jnp.asarray(np.zeros(n)) for n in ((5, 21), 5, 21)))

MADE = {
    "num_units=0: expected at least 1 latent unit": lambda: OneHot(0),
    "num_units=-2: expected at least 1": lambda: Binary(-2),
    "num_units=2.5: expected an integer": lambda: OneHot(2.5),
    "num_units='3': expected an integer": lambda: Binary("3"),
    "normalization='tanh': expected 'sigmoid' or 'softmax'": lambda: OneHot(3, "tanh"),
    "enumerate_up_to=0: expected at least 1": lambda: Binary(3, 0),
    "chain_length=0: expected at least 1": lambda: along(0),
    "chain_length=2.5: expected an integer": lambda: along(2.5),
    "score='other': expected 'paper' or 'exact'": lambda: along(score="other"),
    "horizon=0: expected at least 1": lambda: along(horizon=0),
    "horizon=48: expected less than the 48": lambda: along(horizon=48),
    "horizon=None: expected a discount below 1": lambda: along(horizon=None),
    "horizon='2': expected an integer": lambda: along(horizon="2"),
    "discount=1.5: expected 0 <=": lambda: along(horizon=2, discount=1.5),
    "discount=-0.5: expected 0 <=": lambda: along(horizon=2, discount=-0.5),
    "discount=nan: expected 0 <=": lambda: along(discount=float("nan")),
    "parallel='scan': expected": lambda: along(parallel="scan"),
    "draws=0: expected at least 1": lambda: AveragedGradient(0),
    "horizon=-1: expected at least 1": lambda: AveragedGradient(horizon=-1),
    "score='all': expected 'paper' or 'exact'": lambda: AveragedGradient(score="all"),
    "decay=1.0: expected 0 <= decay < 1": lambda: rmsprop(decay=1.0),
    "decay=-0.1: expected 0 <= decay": lambda: rmsprop(decay=-0.1),
    "decay=nan: expected 0 <= decay < 1": lambda: rmsprop(decay=float("nan")),
    "eps=0: expected a positive number": lambda: rmsprop(eps=0),
    "learning_rate=-0.1: expected": lambda: rmsprop(-0.1),
    "rate=nan: expected": lambda: rmsprop(float("nan")),
    "learning_rate=inf: expected": lambda: rmsprop(float("inf")),
    "chain_length=-1: expected at least": lambda: PersistentChain(-1),
    "log_weight_rate=0.0: expected a pos": lambda: Pcd(Binary(3), log_weight_rate=0.0),
    "latent=.*expected p.z.x. proportional": lambda: Pcd(OneHot(3)),
    "latent=.*expected .* as of Binary": lambda: Rbm(
        RBM.parameters, RBM.x_mean, OneHot(3)
    ),
    r"x_mean\[2\]=1.5: expected a mean in \[0, 1\]": lambda: Rbm(
        RBM.parameters, RBM.x_mean.at[2].set(1.5), RBM.latent
    ),
    r"x_mean\[0\]=-0.5: expected a mean in \[0, 1\]": lambda: with_x_mean(-0.5),
    r"x_mean\[0\]=nan: expected a mean in \[0, 1\]": lambda: with_x_mean(jnp.nan),
    r"x_mean\[0\]=127.5: expected a mean in": lambda: with_x_mean(127.5),
    "mobility=0.0: expected a positive number": lambda: osc.Bath(0.0),
    "temperature=nan: expected a positive": lambda: osc.Bath(1.0, float("nan")),
    "temperature=-1.0: expected a positive": lambda: osc.Bath(1.0, jnp.float32(-1)),
    r"mobility\[1\]=0.0: expected a positive": lambda: osc.Bath(jnp.array([1.0, 0.0])),
    "stiffness=0.0, .*: expected stiffness > 0": lambda: osc.Noising(0.0),
    "earliest=5.0, latest=4.0: expected": lambda: osc.Noising(earliest=5.0),
    "earliest=0.0, latest=4.0: expected": lambda: osc.Noising(earliest=0.0),
    "duration=-1.0: expected a positive": lambda: osc.Generation(duration=-1.0),
    r"times\[2\]=1.0: expected increasing": lambda: osc.Protocol(
        jnp.array([0.0, 2.0, 1.0]), calls.KNOTS
    ),
    r"times.shape=\(1,\): expected at least 2": lambda: osc.Protocol(
        jnp.zeros(1), calls.KNOTS
    ),
    r"knots\[1\]=2.0: expected decreasing": lambda: osc.Network(
        calls.GENERATION, calls.NETWORK.pairs, jnp.array([1.0, 2.0])
    ),
    "rule='best': expected 'force' or 'observed'": lambda: osc_training.Config("best"),
    "num_steps=0: expected more than 0": lambda: osc_training.Config(num_steps=0),
    "batch=-1: expected more than 0": lambda: osc_training.Config(batch=-1),
    "batch=1.5: expected an integer": lambda: osc_training.Config(batch=1.5),
    "learning_rate=nan: expected": lambda: osc_training.Config(
        learning_rate=float("nan")
    ),
    "fraction=1: expected between 0 and 1": lambda: osc_training.Config(fraction=1),
    "substeps=0: expected more than 0": lambda: osc_training.Config(substeps=0),
    r"protocol.potential.b.shape=\(3, 2\): expected": lambda: osc.potential.at_time(
        osc.Protocol(jnp.arange(2.0), calls.KNOTS), jnp.float32(0)
    ),
    "replicates=1: expected at least 2 batches": lambda: calls.function(
        "diagnostics.uncertainty.jackknife_error"
    )({"f": jnp.ones((1, 3))}),
    "num_members=0: expected at least 1": lambda: ensemble.member_mesh(0),
    "num_mapped=0: expected at least 1": lambda: ensemble.map_members(
        jnp.sin, 0, ensemble.member_mesh(1)
    ),
    r"argument 1 has an array of shape \(3,\): expected": lambda: ensemble.map_members(
        jnp.add, 2
    )(jnp.ones(2), jnp.ones(3)),
    r"states.step.shape=\(\): expected \(M,\)": lambda: ensemble.train(
        calls.RULE, calls.STATE, X, jnp.array([2])
    ),
    r"batch_sizes\[0\]=0: expected at least 1": lambda: ensemble.train(
        calls.RULE, calls.MEMBERS, X, jnp.array([0])
    ),
    r"x.shape=\(4, 6\): expected \(N, D\) with D=5": lambda: ensemble.train(
        calls.RULE, calls.MEMBERS, jnp.zeros((4, 6)), jnp.array([2])
    ),
    "model is a str: expected a Model": lambda: files.save("f", "model"),
    "num_units=12: expected at most 256": lambda: Binary(12).states(),
    "num_units=21: expected at most 20": lambda: calls.function(
        "baselines.rbm.log_partition"
    )(Rbm(WIDE, RBM.x_mean, Binary(21))),
}


@pytest.mark.parametrize("message", MADE)
def test_what_cannot_be_made(message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        MADE[message]()
    assert "\n" not in str(caught.value)


def test_how_many_bad_inputs_there_are():
    assert len({(name, argument, words) for name, argument, *_, words in CHANGED}) > 800
    assert len(DATA) + len(COUNTS) + len(NUMBERS) + len(SIZES) + len(MADE) > 200


@pytest.mark.parametrize("name", [name for name in CALLS if "cycle_states" not in name])
def test_the_calls_are_good(name):
    """Without the one change they work: the errors are of the bad arguments."""
    arguments = CALLS[name]
    jax.eval_shape(lambda: (calls.function(name)(**arguments), ())[1])


def test_every_public_function_is_called():
    # In `MADE`, or for trees of any kind.
    skipped = {"map_members", "member_mesh", "train", "best", "step_noise"}
    skipped |= {"set_learning_rate", "ascend", "rmsprop"}
    missing = []
    for module in calls.modules():
        for name in vars(module):
            found = getattr(module, name)
            own = getattr(found, "__module__", None) == module.__name__
            if own and callable(found) and not isinstance(found, type):
                label = f"{module.__name__.removeprefix('nelc_jax.')}.{name}"
                if (
                    not name.startswith("_")
                    and name not in skipped
                    and label not in CALLS
                ):
                    missing.append(label)
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
    arguments = {**CALLS[name], argument: jnp.zeros(shape, dtype)}
    try:
        jax.eval_shape(lambda: (calls.function(name)(**arguments), ())[1])
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
        return calls.function("exact.log_likelihood")(MODEL, x)

    for transform in (jax.jit, jax.grad, jax.vmap):
        with pytest.raises(ValueError, match=r"x.shape=\(4, 6\): expected \(N, D\)"):
            transform(log_likelihood)(
                jnp.zeros((9, 4, 6) if transform is jax.vmap else (4, 6))
            )
    start = jax.jit(lambda x: calls.function("model.init_model")(KEY, OneHot(3), x))
    jax.eval_shape(start, GRAY)
    with pytest.raises(TypeError, match="num_steps=traced: expected an integer, known"):
        jax.eval_shape(
            lambda steps: calls.function("chain.sample_chain")(MODEL, KEY, X[0], steps),
            jnp.int32(3),
        )
