"""The gradient along a trajectory round a loop."""

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import TrajectoryGradient
from nelc_jax.loops import EnumeratedLoop, LoopGradient, Turns, sample_loop

from .. import reference
from ..trajectories import short_trajectory
from .systems import as_loop, copying, flat, kernels, random_loop, to_loop, turn

DATA = np.random.default_rng(5).random((5, 4)) < 0.5
READINGS = ("paper", "exact")


@pytest.mark.usefixtures("x64")
def test_one_hidden_layer_is_the_two_step_rule(space, data):
    """Term by term, but for the baseline of the exact score."""
    model, chain = reference.to_model(space), short_trajectory(space)
    loop, turns = to_loop(as_loop(space)), Turns(chain.x, (chain.z,), (chain.h,))
    if not model.latent.enumerable:
        loop = type(loop)(loop.kernels, loop.x_mean, (model.latent,))

    @jax.jit
    def both(x):
        return [
            (
                LoopGradient(score=score).estimate(loop, turns, x),
                TrajectoryGradient(score=score).estimate(model, chain, x),
                jnp.mean(model.latent.score(chain.h, chain.z, score), axis=0),
            )
            for score in READINGS
        ]

    for score, (((first, last), info), expected, mean) in zip(
        READINGS, both(jnp.asarray(data)), strict=True
    ):
        p = expected.gradient
        baseline = mean if score == "exact" else 0 * mean
        for found, other in (
            (last.weights, p.w),
            (last.bias, p.a),
            (first.bias, p.a_bar - baseline),
        ):
            np.testing.assert_allclose(found, other, rtol=1e-11, atol=1e-13)
        if score == "paper":
            np.testing.assert_allclose(first.weights, p.w_bar, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(info.log_likelihood, expected.log_likelihood)
        assert info.finite


@pytest.mark.usefixtures("x64")
def test_mean_is_the_gradient_of_one_turn():
    """From stationary chains; the gradient of all turns is the control."""
    system = random_loop([("sigmoid", 3), ("binary", 2)])
    loop, x = to_loop(system), jnp.asarray(DATA)
    law = reference.stationary(turn(kernels(system), 0))
    start = np.random.default_rng(0).choice(len(law), 64, p=law)
    estimator = LoopGradient(2**12, "exact")

    @jax.jit
    def run(keys, starts):
        def one(key, x0):
            _, turns = estimator.sample(loop, key, x0)
            gradient, _ = estimator.estimate(loop, turns, x)
            return jax.flatten_util.ravel_pytree(gradient)[0]

        exact = EnumeratedLoop.of(loop)
        return jax.vmap(one)(keys, starts), exact.gradient(x, 1), exact.gradient(x)

    keys = jax.random.split(jax.random.key(1), 64)
    estimates, one_turn, every_turn = run(
        keys, jnp.asarray(reference.bit_rows(4)[start], bool)
    )
    spread = np.std(estimates, axis=0, ddof=1) / 8

    def error(expected):
        deviation = abs(np.mean(estimates, axis=0) - flat(expected))
        assert (deviation[spread == 0] == 0).all()
        return np.max(deviation[spread > 0] / spread[spread > 0])

    # Thirty components, and a bias of order 1 / T beside an error of 1 / (8 T^1/2).
    assert error(one_turn) < 4.5
    assert error(every_turn) > 4.5


@pytest.mark.usefixtures("x64")
def test_a_layer_that_copies_changes_nothing():
    plain = random_loop([("softmax", 3), ("binary", 2)])
    x = jnp.asarray(DATA)

    @jax.jit
    def run(loop, turns):
        return LoopGradient(score="exact").estimate(loop, turns, x)

    loop, longer = to_loop(plain), to_loop(copying(plain, 0))
    _, turns = jax.jit(lambda key: sample_loop(longer, key, x[0], 64))(
        jax.random.key(3)
    )
    np.testing.assert_array_equal(turns.z[0], turns.z[1])
    without = Turns(turns.x, (turns.z[0], turns.z[2]), (turns.h[0], turns.h[2]))
    (first, _, *others), _ = run(longer, turns)
    expected, _ = run(loop, without)
    np.testing.assert_allclose(
        flat((first, *others)), flat(expected), rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"chain_length": 0}, "chain_length=0: expected at least 1 turn"),
        ({"score": "other"}, "score='other': expected 'paper' or 'exact'"),
    ],
    ids=str,
)
def test_bad_settings(unchecked, settings, message):
    with pytest.raises(ValueError, match=message):
        LoopGradient(**settings)
