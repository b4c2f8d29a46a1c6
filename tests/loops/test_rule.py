"""Loops that learn, alone and in an ensemble."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nelc_jax
from nelc_jax import (
    Binary,
    Cycles,
    Gaussian,
    OneHot,
    TrajectoryGradient,
    ensemble,
    train,
)
from nelc_jax.loops import DeepCycles, LoopGradient, init_loop

LAYERS = OneHot(4), Binary(2)
RULE = DeepCycles(LAYERS, LoopGradient(16))


def parameters(loop):
    """In the order of `Parameters`, of a loop with one hidden layer."""
    first, last = loop.kernels
    return last.weights, last.bias, first.weights, first.bias


def test_one_hidden_layer_takes_the_steps_of_cycles(x):
    """From the same start, over several steps, up to rounding."""
    latent, sgd = Binary(2), optax.sgd(0.1)
    ours = DeepCycles((latent,), LoopGradient(8), sgd)
    theirs = Cycles(latent, TrajectoryGradient(8, parallel=True), sgd)

    @jax.jit
    def both(key):
        found = []
        for rule in (ours, theirs):
            start = rule.init(key, x)
            end, info = train(rule, start, x, jnp.array([3, 20, 5, 40]))
            found.append((start.model, end.model, start.x, end.x, info))
        return found

    (loop_start, loop, *rest), (model_start, model, *expected) = both(jax.random.key(4))
    p, p_start = model.parameters, model_start.parameters
    expected_start = p_start.w, p_start.a, p_start.w_bar, p_start.a_bar
    chex.assert_trees_all_equal(parameters(loop_start), expected_start)
    # 60 sums of terms of order one.
    chex.assert_trees_all_close(
        parameters(loop), (p.w, p.a, p.w_bar, p.a_bar), rtol=1e-5, atol=1e-5
    )
    chex.assert_trees_all_close(rest, expected, rtol=1e-5)
    assert abs(p.w_bar).max() > 1e-3


def test_an_ensemble_learns(x):
    """Every kernel moves, the likelihood grows, and members do not see each other."""

    @jax.jit
    def run(members):
        start = ensemble.init(RULE, jax.random.key(0), members, x)
        end, infos = ensemble.train(RULE, start, x, jnp.asarray(np.full(150, 32)))
        return start.model, end.model, infos

    start, end, infos = run(jnp.array([0, 1]))
    assert infos.finite.all()
    likelihoods = np.asarray(infos.log_likelihood)
    assert (likelihoods[:, -20:].mean(1) > likelihoods[:, :20].mean(1) + 0.2).all()
    for before, after in zip(start.kernels, end.kernels, strict=True):
        assert (abs(after.weights - before.weights).max((1, 2)) > 0.1).all()
    # Eq. 20: of the kernel that leaves the one-hot layer.
    np.testing.assert_array_equal(end.kernels[1].bias, 0)
    assert end.layers == LAYERS
    _, _, others = run(jnp.array([1, 5]))
    np.testing.assert_array_equal(others.log_likelihood[0], infos.log_likelihood[1])


@pytest.mark.parametrize(
    "layers", [(Gaussian(2), OneHot(4)), (Binary(10), Binary(9))], ids=str
)
def test_layers_that_cannot_be_listed(x, layers):
    """Traced alone: `test_gradient` has the numbers of such a last layer."""
    rule = DeepCycles(layers, LoopGradient(4))

    def trained(key):
        return train(rule, rule.init(key, x), x, jnp.array([2, 3]))

    state, info = jax.eval_shape(trained, jax.random.key(0))
    assert [kernel.weights.shape[0] for kernel in state.model.kernels] == [
        *(layer.num_units for layer in layers),
        6,
    ]
    assert info.log_likelihood.shape == (2,)


def test_start(x):
    loop = init_loop(jax.random.key(1), LAYERS, x)
    first, between, last = loop.kernels
    assert not np.any(first.weights)
    assert not any(np.any(kernel.bias) for kernel in (first, between))
    # Were it zero, no gradient would reach the first kernel.
    assert abs(between.weights).max() > 0.1
    model = nelc_jax.init_model(jax.random.key(1), LAYERS[-1], x)
    np.testing.assert_array_equal(last.weights, model.parameters.w)
    np.testing.assert_array_equal(last.bias, model.parameters.a)
    np.testing.assert_array_equal(loop.x_mean, model.x_mean)


def test_what_cannot_be_made(unchecked, x, tmp_path):
    key = jax.random.key(0)
    loop = init_loop(key, LAYERS, x)
    state = RULE.init(key, x)
    for error, message, make in (
        (ValueError, r"layers=\(\): expected at least one", lambda: DeepCycles(())),
        (
            TypeError,
            "layers=OneHot.*: expected a .*tuple",
            lambda: DeepCycles(OneHot(3)),
        ),
        (
            TypeError,
            r"layers\[1\]=3: expected an? .*AbstractLatent",
            lambda: init_loop(key, (OneHot(3), 3), x),
        ),
        (
            TypeError,
            "estimator=.*: expected a .*LoopGradient",
            lambda: DeepCycles(LAYERS, TrajectoryGradient()),
        ),
        (
            ValueError,
            r"kernels of shapes \[\(4, 6\).*: expected \[\(4, 6\), \(3, 4\)",
            lambda: type(loop)(loop.kernels, loop.x_mean, (OneHot(4), Binary(3))),
        ),
        (ValueError, "kernel=3: expected 0 to 2", lambda: loop.field(3, x)),
        (ValueError, r"s.shape=\(300, 6\): expected", lambda: loop.field(1, x)),
        (
            ValueError,
            "state.model.layers=.*: expected those of the rule",
            lambda: DeepCycles((OneHot(4),)).step(state, x, jnp.int32(2)),
        ),
        (
            TypeError,
            "model is a Loop: expected a Model",
            lambda: nelc_jax.save(tmp_path / "loop", loop),
        ),
    ):
        with pytest.raises(error, match=message) as caught:
            make()
        assert "\n" not in str(caught.value)
    assert not any(tmp_path.iterdir())
