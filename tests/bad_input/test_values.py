"""Sizes, counts and numbers that are wrong for one argument or a few of them."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import Binary

from . import cases
from .calls import CALLS
from .calls.objects import LARGE, X
from .cases import Case

pytestmark = pytest.mark.usefixtures("unchecked")

SIZES = {
    "data of a model": (
        ("x", r"\(N, D\) with .*D=5 \((model.parameters.w|state|self.logits|rbm)"),
        ((4, 6), (4,), (1, 4)),
        "exact.log_likelihood",
        "exact.horizon_log_likelihood",
        "exact.two_step_gradient",
        "Support.sums",
        "TrajectoryGradient.estimate",
        "AveragedGradient.estimate",
        "likelihood.occupancy_log_prob",
        "likelihood.trajectory_log_prob",
        "likelihood.chain_log_prob",
        "model.forward_log_prob",
        "Cycles.step",
        "Cycles.gradient",
        "training.train",
        "baselines.rbm.log_prob",
        "baselines.rbm.log_likelihood",
        "Pcd.step",
        "BeliefNetwork.step",
        "diagnostics.summary.summarize",
        "diagnostics.classes.latent_classes",
    ),
    "start of a chain": (
        ("x", r"\(D,\) with D=5 \(model"),
        ((6,), (1, 5), ()),
        *("chain.sample_chain", "_parallel.sample"),
    ),
    "latent states": (
        ("z", r".*L=3"),
        ((6, 4), ()),
        *("model.forward_logits", "OneHot.index"),
    ),
    "fields": (("h", r".*L=3"), ((6, 2), (4,)), "OneHot.mean", "Binary.mean"),
    "weights of data": (
        ("weights", r"\(N,\) with N=4 \(x\)"),
        ((5,), (1,), (4, 1)),
        *("Support.sums", "TrajectoryGradient.estimate"),
    ),
    "occupancy": (
        ("occupancy", r"\(S,\) with S=3"),
        ((4,), (2,), (3, 3)),
        "diagnostics.summary.summarize",
    ),
    "kernel": (
        ("M", r"\(S, S\)"),
        ((3, 4), (3,), (2, 3, 3)),
        *("markov.stationary_distribution", "diagnostics.spectrum.relaxation_time"),
    ),
    "stationary law": (
        ("p_bar", r"\(S,\) with S=3 \((log_)?M\)"),
        ((2,), (4,)),
        "markov.deviation",
        "diagnostics.thermodynamics.currents",
        "diagnostics.mixing.integrated_time",
        "diagnostics.cycles.fundamental_cycles",
    ),
}
"""An argument and what is expected of it; shapes that are not; whose argument it is."""


@pytest.mark.parametrize("what", SIZES)
def test_sizes_that_differ_from_the_rest(what):
    (argument, expected), shapes, *names = SIZES[what]
    cases.check(
        Case(
            *(name, argument, np.zeros(shape, CALLS[name][argument].dtype)),
            *(ValueError, rf"{argument}.shape={re.escape(str(shape))}: {words}"),
        )
        for name in names
        for shape in shapes
        for words in [f"expected {expected}"]
    )


NEEDS_POINTS = (
    "exact.log_likelihood",
    "exact.horizon_log_likelihood",
    "exact.two_step_gradient",
    "TrajectoryGradient.estimate",
    "AveragedGradient.estimate",
    "model.init_model",
    "Cycles.init",
    "training.train",
    "ensemble.init",
    "_minibatch.sum_chunks",
    "baselines.mixture.init",
    "baselines.mixture.log_likelihood",
    "baselines.mixture.fit",
    "baselines.rbm.log_likelihood",
    "Pcd.init",
    "Pcd.step",
    "BeliefNetwork.init",
    "BeliefNetwork.step",
    "diagnostics.summary.summarize",
    "QuarticNetwork.init",
    "Quartic.local_gradient",
    "Learner.init",
    "Learner.gradient",
    "Learner.step",
    "oscillators.training.train",
    "oscillators.projection.project",
    "oscillators.thermodynamics.ideal_entropy_rate",
)


def test_no_points():
    words = r"x.shape=\(0, \d\): expected at least one data|expected .*=0 \(x\)"
    cases.check(
        Case(name, "x", np.asarray(CALLS[name]["x"])[:0], ValueError, words)
        for name in NEEDS_POINTS
    )


def gray(level, dtype=np.float32):
    """The data with a number that is neither 0 nor 1."""
    x = np.array(X, dtype)
    x[1, 2] = level
    return x


@pytest.mark.parametrize(
    "name",
    [
        *("model.init_model", "Cycles.init", "ensemble.init"),
        *("baselines.mixture.init", "Pcd.init"),
    ],
)
def test_gray_levels(name):
    expected = "expected 0 or 1; gray levels need a threshold"
    cases.check(
        Case(name, "x", x, ValueError, rf"x\[1, 2\]={x[1, 2]}: {expected}")
        for x in (
            *(gray(0.5), gray(np.nan), gray(-np.inf)),
            *(gray(255, np.uint8), gray(-1, np.int32)),
        )
    )


COUNTS = (
    ("chain.sample_chain", "num_steps", 0, -1),
    ("chain.fold_chain", "num_steps", 0),
    ("exact.visible_states", "num_visible", 0, 17),
    ("exact.horizon_log_likelihood", "horizon", 0, -1),
    ("estimators._moments.check_horizon", "horizon", 0),
    ("likelihood.chain_log_prob", "num_steps", 0),
    ("training.batch_schedule", "first", 0),
    ("training.batch_schedule", "last", -1),
    ("training.batch_schedule", "num_epochs", 0),
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
    ("BeliefNetwork.step", "batch_size", 0),
    ("baselines.mixture.init", "num_components", 0, -1),
    ("baselines.mixture.fit", "num_steps", -1),
    ("baselines.mixture.fit_restarts", "num_restarts", 0),
    ("baselines.ais.log_partition", "num_chains", 1),
    ("diagnostics._averages.average_log_transitions", "num_samples", 0),
    ("diagnostics._averages.log_transition_batches", "num_batches", 0),
    ("diagnostics.classes.latent_classes", "num_classes", 0),
    ("diagnostics.classes.class_distribution", "num_classes", 0),
    ("diagnostics.cycles.cycle_states", "number", -1, 3),
    ("diagnostics.summary.summarize_batches", "num_batches", 1),
    ("diagnostics.transitions.count_transitions", "num_steps", 1),
    ("diagnostics.whole_chain.whole_chain_entropy_production", "num_samples", 0),
    ("diagnostics.force_times_flux.force_times_flux", "num_steps", 0),
    ("Bath.equilibrate", "num", 0),
    ("Bath.equilibrate", "stiffness", -1.0),
    ("oscillators.bath.refine", "substeps", 0),
    ("Noising.geometric_times", "num", 1),
    ("Quartic.trap", "num", 0),
    ("oscillators.network.all_to_all", "num", 0),
    ("oscillators.network.lattice", "rows", 0),
    ("oscillators.network.lattice", "columns", -1),
    ("oscillators.network.lattice", "radius", -1.0),
    ("oscillators.projection.project", "iterations", 0),
    ("oscillators.projection.project", "rounds", 0),
    ("oscillators.training.train", "num_steps", 0),
)
"""A function, its argument, and numbers that are too small or too large."""


def test_counts_out_of_range():
    cases.check(
        Case(name, argument, value, ValueError, rf"{argument}={value}: expected")
        for name, argument, *values in COUNTS
        for value in values
    )


OF_CLASS = "expected a class in 0 .. 1"
AIS = ("baselines.ais.log_partition", "betas")
NUMBERS = (
    ("training.train", "batch_sizes", np.array([4, 0]), r"sizes\[1\]=0: ex"),
    ("training.train", "batch_sizes", np.array([-1, 2]), r"\[0\]=-1: e"),
    ("ensemble.init", "learning_rate", np.array([0.1, -1.0]), r"\[1\]=-1.0: "),
    ("ensemble.init", "learning_rate", np.ones(3), r"e.shape=\(3,\): expected"),
    (
        *("diagnostics.classes.latent_classes", "labels", np.array([0, 1, 2, 0])),
        rf"labels\[2\]=2: {OF_CLASS}",
    ),
    (
        *("diagnostics.classes.class_distribution", "classes", np.array([0, -2, 0])),
        rf"classes\[1\]=-2: {OF_CLASS}, or -1",
    ),
    (*AIS, np.array([0.1, 0.5, 1]), r"betas\[0\]=0.1: expected betas rising from 0 to"),
    (*AIS, np.array([0.0, 0.6, 0.5, 1.0]), r"betas\[2\]=0.5: expected"),
    (*AIS, np.array([0.0, 0.5]), r"betas\[1\]=0.5: expected"),
    (*AIS, np.array([1.0]), r"betas.shape=\(1,\): expected at least 2"),
    (
        *("exact.horizon_log_likelihood", "visible_law", np.ones(31)),
        r"visible_law.shape=\(31,\): expected \(32,\)",
    ),
    (
        *("Bath.euler_maruyama", "normals", np.ones((6, 2))),
        r"normals.shape=\(6, 2\): expected a row for each of the 5 steps",
    ),
    (
        *("oscillators.driving.drive", "times", np.array([0.0, 2.0, 1.0])),
        r"times\[2\]=1.0: expected increasing times",
    ),
    (
        *("oscillators.driving.drive_metered", "times", np.array([0.0, 2.0, 1.0])),
        r"times\[2\]=1.0: expected increasing times",
    ),
    (
        *("Bath.euler_maruyama", "times", np.array([0.0, 2.0, 1.0, 3, 4, 5])),
        r"times\[2\]=1.0: expected increasing times",
    ),
    ("_parallel.candidates", "model", LARGE, "latent=.*can be enumerated"),
    ("_parallel.require_enumerable", "latent", Binary(9), "latent=Binary"),
    ("perfect.perfect_sample", "model", LARGE, "latent=.*can be enumerated"),
    ("exact.latent_kernel", "model", LARGE, "num_units=9: expected at most 256"),
    (
        *("diagnostics.autocorrelation.autocorrelation", "series", np.ones(0)),
        r"len\(series\)=0: expected at least 1",
    ),
    (
        *("diagnostics.autocorrelation.autocorrelation_time", "series", np.ones(3)),
        r"len\(series\)=3: expected at least 4",
    ),
)
"""A function, its argument, a value, and the message."""


def test_numbers_that_cannot_be():
    cases.check(
        Case(name, argument, value, ValueError, words)
        for name, argument, value, words in NUMBERS
    )


def test_a_dtype_that_is_not_floating():
    words = "dtype=int32: expected a float"
    cases.check([Case("model.init_model", "dtype", jnp.int32, TypeError, words)])
