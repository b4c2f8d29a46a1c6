"""Small arrays, models, rules and what they make: the arguments of the calls."""

import jax
import jax.numpy as jnp
import numpy as np

from nelc_jax import (
    AveragedGradient,
    Binary,
    Cycles,
    Model,
    OneHot,
    Pcd,
    Trajectory,
    TrajectoryGradient,
    ensemble,
)
from nelc_jax.baselines import mixture
from nelc_jax.diagnostics import fundamental_cycles
from nelc_jax.rules import PersistentChain
from nelc_jax.rules._phases import data_moments

from ... import reference

RNG = np.random.default_rng(0)


def floats(*shape):
    return jnp.asarray(RNG.random(shape), jnp.float32)


def bits(*shape):
    return jnp.asarray(RNG.random(shape) < 0.5)


def law(*shape):
    values = RNG.random(shape) + 0.1
    return jnp.asarray(values / values.sum(-1, keepdims=True), jnp.float32)


def log_law(*shape):
    return jnp.asarray(np.log(law(*shape)))


def shaped(function, *arguments):
    """What a function returns, of zeros: nothing is compiled."""

    def zeros(leaf):
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(np.zeros((*leaf.shape, 2), np.uint32))
        return jnp.asarray(np.zeros(leaf.shape, leaf.dtype))

    return jax.tree.map(zeros, jax.eval_shape(lambda: function(*arguments)))


KEY = jax.random.key(0)
X, POINTS = bits(4, 5), floats(4, 2)
MODEL = reference.to_model(reference.random_system("sigmoid"))
LARGE = Model(
    reference.to_model(reference.random_system("binary", num_units=9)).parameters,
    MODEL.x_mean,
    Binary(9),
)
"""Too many latent states to enumerate."""
ALONG, AVERAGED = TrajectoryGradient(6, "exact", 2), AveragedGradient(7, 2)
RULE, PCD_RULE = Cycles(OneHot(3), ALONG), Pcd(Binary(3), PersistentChain(6))
STATE = shaped(RULE.init, KEY, X)
MEMBERS = shaped(ensemble.init, RULE, KEY, jnp.arange(2), X)
Z = jnp.asarray(np.eye(3, dtype=bool)[[0, 1, 1, 2, 0, 1]])
TRAJECTORY = Trajectory(bits(6, 5), Z, floats(6, 3))
SUPPORT = shaped(ALONG.support, MODEL, TRAJECTORY)
SUMS = shaped(SUPPORT.sums, X, law(4))
_, DRAWS = shaped(AVERAGED.sample, MODEL, KEY, X[0])
DRAWN = shaped(AVERAGED.support, MODEL, DRAWS)
DRAWN_SUMS = shaped(DRAWN.sums, X, law(4))
M, P_BAR = law(3, 3), law(3)
LOG_M = jnp.asarray(np.log(M))
CYCLES = shaped(fundamental_cycles, LOG_M, P_BAR)
MIXTURE = mixture.BernoulliMixture(log_law(2), floats(2, 5))
RBM = shaped(Pcd(OneHot(3, "softmax")).init, KEY, X).model
PCD_STATE = shaped(PCD_RULE.init, KEY, X)
MOMENTS = shaped(data_moments, RBM, X, law(4))

OF_X = {"model": MODEL, "x": X}
OF_KEY = {"model": MODEL, "key": KEY}
SAMPLED = {**OF_KEY, "num_samples": 8}
OF_M = {"M": M, "p_bar": P_BAR}
