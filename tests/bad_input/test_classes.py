"""Objects that cannot be made, and what whole objects are refused by."""

import jax.numpy as jnp
import numpy as np
import pytest

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
    set_learning_rate,
)
from nelc_jax import oscillators as osc
from nelc_jax.baselines import Rbm, rbm
from nelc_jax.diagnostics import uncertainty
from nelc_jax.rules import ManyChains, PersistentChain, TemperedChains

from .calls.objects import KEY, MEMBERS, MODEL, POINTS, RBM, RULE, STATE, X
from .calls.oscillators import GENERATION, KNOTS, NETWORK, ONE, PAIRS, SHARE
from .cases import complaint

pytestmark = pytest.mark.usefixtures("unchecked")

along = TrajectoryGradient
SIZES = np.array([2, 3])
WIDE = rbm.Parameters(*(jnp.asarray(np.zeros(n)) for n in ((5, 21), 5, 21)))


def with_x_mean(value):
    return Model(MODEL.parameters, np.full(5, value), MODEL.latent)


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
    "decay='0.9': expected a real number": lambda: rmsprop(decay="0.9"),
    "eps='1e-8': expected a real number": lambda: rmsprop(eps="1e-8"),
    "learning_rate='fast': expected": lambda: rmsprop("fast"),
    "learning_rate='slow': expected": lambda: set_learning_rate(STATE, "slow"),
    r"learning_rate=\[0.1, 0.2\]: expected": lambda: set_learning_rate(
        MEMBERS, [0.1, 0.2]
    ),
    r"learning_rate.shape=\(3,\): expected \(\) or \(2,\)": lambda: set_learning_rate(
        MEMBERS, np.ones(3)
    ),
    "state=<model.Model>: expected a training.State": lambda: set_learning_rate(
        MODEL, 0.1
    ),
    "states=<model.Model>: expected a training.State": lambda: ensemble.train(
        RULE, MODEL, X, SIZES
    ),
    "rule='cycles': expected a training.AbstractRule": lambda: ensemble.train(
        "cycles", MEMBERS, X, SIZES
    ),
    "x='digits': expected an array": lambda: ensemble.train(
        RULE, MEMBERS, "digits", SIZES
    ),
    r"x.shape=\(4,\): expected \(N, D\)": lambda: ensemble.train(
        RULE, MEMBERS, X[:, 0], SIZES
    ),
    "batch_sizes=3: expected an array of integers": lambda: ensemble.train(
        RULE, MEMBERS, X, 3
    ),
    "batch_sizes.dtype=float64: expected integers": lambda: ensemble.train(
        RULE, MEMBERS, X, np.ones(2)
    ),
    "mesh=2: expected a .*Mesh": lambda: ensemble.train(RULE, MEMBERS, X, SIZES, 2),
    "mesh='all': expected a .*Mesh": lambda: ensemble.init(
        RULE, KEY, SIZES, X, mesh="all"
    ),
    "num_members='all': expected an integer": lambda: ensemble.member_mesh("all"),
    "devices=2: expected a .*Sequence": lambda: ensemble.member_mesh(2, 2),
    "function='mean': expected a function": lambda: ensemble.map_members("mean", 1),
    "num_mapped='x': expected an integer": lambda: ensemble.map_members(jnp.sin, "x"),
    "learning_rate=-0.1: expected": lambda: rmsprop(-0.1),
    "rate=nan: expected": lambda: rmsprop(float("nan")),
    "learning_rate=inf: expected": lambda: rmsprop(float("inf")),
    "chain_length=-1: expected at least": lambda: PersistentChain(-1),
    "num_chains=0: expected at least": lambda: ManyChains(0),
    "chain_length=0: expected at least": lambda: ManyChains(2, 0),
    "num_temperatures=1: expected at least": lambda: TemperedChains(1),
    "num_chains=-1: expected at least": lambda: TemperedChains(2, -1),
    "log_weight_rate=0.0: expected a pos": lambda: Pcd(Binary(3), log_weight_rate=0.0),
    "latent=.*expected p.z.x. proportional": lambda: Pcd(OneHot(3)),
    "latent=.*expected .* as of Binary": lambda: Rbm(
        RBM.parameters, RBM.x_mean, OneHot(3)
    ),
    r"x_mean\[2\]=1.5: expected a mean in \[0, 1\]": lambda: Rbm(
        RBM.parameters, np.array([0.5, 0.5, 1.5, 0.5, 0.5]), RBM.latent
    ),
    r"x_mean\[0\]=-0.5: expected a mean in \[0, 1\]": lambda: with_x_mean(-0.5),
    r"x_mean\[0\]=nan: expected a mean in \[0, 1\]": lambda: with_x_mean(np.nan),
    r"x_mean\[0\]=127.5: expected a mean in": lambda: with_x_mean(127.5),
    "beta=-0.1: expected a positive": lambda: osc.HeldContrast(-0.1),
    "fraction=0.0: expected between": lambda: osc.ContrastiveDivergence(0.0),
    "flips=2.5: expected an integer": lambda: osc.HeldContrast(flips=2.5),
    "quartic=0.0: expected a positive": lambda: osc.QuarticWell(-8.0, 0.0),
    "mobility=0.0: expected a positive number": lambda: osc.Bath(0.0),
    "temperature=nan: expected a positive": lambda: osc.Bath(1.0, float("nan")),
    "temperature=-1.0: expected a positive": lambda: osc.Bath(1.0, np.float32(-1)),
    r"mobility\[1\]=-0.5: expected a number, not negative": lambda: osc.Bath(
        np.array([1.0, -0.5])
    ),
    "stiffness=0.0, .*: expected stiffness > 0": lambda: osc.Noising(0.0),
    "earliest=5.0, latest=4.0: expected": lambda: osc.Noising(earliest=5.0),
    "earliest=0.0, latest=4.0: expected": lambda: osc.Noising(earliest=0.0),
    "duration=-1.0: expected a positive": lambda: osc.Generation(duration=-1.0),
    r"times\[2\]=1.0: expected increasing": lambda: osc.Protocol(
        np.array([0.0, 2.0, 1.0]), KNOTS
    ),
    r"times.shape=\(1,\): expected at least 2": lambda: osc.Protocol(
        np.zeros(1), KNOTS
    ),
    r"shape \(3, 2\): expected a potential for each of the times": lambda: osc.Protocol(
        np.arange(2.0), KNOTS
    ).at(np.float32(0)),
    "2 potentials: expected them at 3 knots": lambda: ONE.forces_between(SHARE, PAIRS),
    r"knots\[1\]=2.0: expected decreasing": lambda: osc.QuarticNetwork(
        GENERATION, np.array([1.0, 2.0]), NETWORK.pairs
    ),
    r"knots.shape=\(1,\): expected at least 2": lambda: osc.QuarticNetwork(
        GENERATION, np.ones(1), NETWORK.pairs
    ),
    "rule='best': expected an? .*AbstractRule": lambda: osc.Learner(
        NETWORK, "best"
    ).init(KEY, POINTS),
    "network='ring': expected an? .*AbstractNetwork": lambda: osc.Learner("ring").init(
        KEY, POINTS
    ),
    "batch=-1: expected at least 1": lambda: osc.Learner(NETWORK, batch=-1),
    "batch=1.5: expected an integer": lambda: osc.Learner(NETWORK, batch=1.5),
    "fraction=0.0: expected between 0 and 1": lambda: osc.ObservedMotion(0.0),
    "fraction=1: expected between 0 and 1": lambda: osc.ObservedMotion(1),
    "fraction=nan: expected between 0 and 1": lambda: osc.ObservedMotion(np.nan),
    "fraction='all': expected a real number": lambda: osc.ObservedMotion("all"),
    "substeps=0: expected at least 1": lambda: osc.ObservedMotion(substeps=0),
    "substeps=1.5: expected an integer": lambda: osc.ObservedMotion(substeps=1.5),
    "replicates=1: expected at least 2 batches": lambda: uncertainty.jackknife_error(
        {"f": np.ones((1, 3))}
    ),
    "num_members=0: expected at least 1": lambda: ensemble.member_mesh(0),
    "num_mapped=0: expected at least 1": lambda: ensemble.map_members(
        jnp.sin, 0, ensemble.member_mesh(1)
    ),
    r"argument 1 has an array of shape \(3,\): expected": lambda: ensemble.map_members(
        jnp.add, 2
    )(np.ones(2), np.ones(3)),
    r"states.step.shape=\(\): expected \(M,\)": lambda: ensemble.train(
        RULE, STATE, X, np.array([2])
    ),
    r"batch_sizes\[0\]=0: expected at least 1": lambda: ensemble.train(
        RULE, MEMBERS, X, np.array([0])
    ),
    r"x.shape=\(4, 6\): expected \(N, D\) with D=5": lambda: ensemble.train(
        RULE, MEMBERS, np.zeros((4, 6)), np.array([2])
    ),
    "model is a str: expected a Model": lambda: files.save("f", "model"),
    "num_units=12: expected at most 256": lambda: Binary(12).states(),
    "num_units=21: expected at most 20": lambda: rbm.log_partition(
        Rbm(WIDE, RBM.x_mean, Binary(21))
    ),
}


@pytest.mark.parametrize("message", MADE)
def test_what_cannot_be_made(message):
    assert complaint(MADE[message], (ValueError, TypeError), message) is None
