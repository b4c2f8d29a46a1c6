from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from nelc_jax import exact, training
from nelc_jax.latent import Binary, OneHot
from nelc_jax.model import Model
from nelc_jax.training import Config

CONFIG = Config(chain_length=8)
LATENTS = (OneHot(3), Binary(3))


@pytest.fixture(scope="module")
def x():
    """A mixture of three noisy patterns of six bits."""
    rng = np.random.default_rng(0)
    patterns = np.array([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], [1, 0, 1, 0, 1, 0]])
    x = patterns[rng.integers(0, 3, 300)] ^ (rng.random((300, 6)) < 0.1)
    return jnp.asarray(x, bool)


def assert_close(found, expected, tolerance=1e-5):
    """All arrays of two states agree to the rounding of differently compiled sums."""
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    for f, e in pairs:
        if jnp.issubdtype(f.dtype, jax.dtypes.prng_key):
            f, e = jax.random.key_data(f), jax.random.key_data(e)
        np.testing.assert_allclose(f, e, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("latent", LATENTS, ids=str)
def test_init(x, latent):
    state = training.init(jax.random.key(0), latent, x, CONFIG, 0.05)
    assert state.step == 0
    assert state.learning_rate == np.float32(0.05)
    assert state.x.shape == (6,)
    assert not any(leaf.any() for leaf in jax.tree.leaves(state.optimizer))
    np.testing.assert_allclose(state.model.x_mean, np.mean(x, 0), rtol=1e-6)


def test_init_draws_chain_from_pixel_means(x):
    keys = jax.random.split(jax.random.key(0), 2000)
    start = jax.vmap(lambda key: training.init(key, OneHot(2), x).x)(keys)
    mean = np.mean(x, axis=0)
    deviation = (np.mean(start, axis=0) - mean) / np.sqrt(mean * (1 - mean) / 2000)
    assert abs(deviation).max() < 4


@pytest.mark.parametrize("latent", LATENTS, ids=str)
def test_train_is_repeated_train_step(x, latent):
    state = training.init(jax.random.key(1), latent, x, CONFIG)
    sizes = jnp.asarray([4, 4, 6, 8])
    step = jax.jit(partial(training.train_step, CONFIG, batch_capacity=8))
    train = jax.jit(partial(training.train, CONFIG, batch_capacity=8))
    whole, infos = train(state, x, sizes)
    assert infos.log_likelihood.shape == (4,)
    assert infos.finite.all()

    repeated = state
    for k, size in enumerate(sizes):
        repeated, info = step(repeated, x, size)
        assert_close(info.log_likelihood, infos.log_likelihood[k])
    assert repeated.step == 4
    assert_close(whole, repeated)

    # Two calls, the second resuming the first.
    resumed, _ = train(train(state, x, sizes[:2])[0], x, sizes[2:])
    assert_close(whole, resumed)

    # Control: the state has moved, and a step left out shows.
    assert abs(whole.model.parameters.w - state.model.parameters.w).max() > 0.1
    shorter, _ = train(state, x, sizes[:2])
    assert abs(whole.model.parameters.w - shorter.model.parameters.w).max() > 0.1


def test_batch_capacity_is_only_room(x):
    state = training.init(jax.random.key(2), OneHot(3), x, CONFIG)
    sizes = jnp.asarray([5, 3, 5])
    results = [
        jax.jit(partial(training.train, CONFIG, batch_capacity=capacity))(
            state, x, sizes
        )
        for capacity in (5, 12)
    ]
    assert_close(*results)
    # Control: the batch size is used.
    other, _ = jax.jit(partial(training.train, CONFIG, batch_capacity=12))(
        state, x, sizes + 1
    )
    assert abs(other.model.parameters.w - results[0][0].model.parameters.w).max() > 1e-3


@pytest.fixture
def gradients(monkeypatch):
    """The (arguments, result) of every call of the gradient, when run eagerly."""
    seen = []
    two_step_gradient = training.two_step_gradient

    def record(*arguments):
        result = two_step_gradient(*arguments)
        seen.append((arguments, result))
        return result

    monkeypatch.setattr(training, "two_step_gradient", record)
    return seen


@pytest.mark.parametrize("reading", ["paper", "exact"])
def test_steps_by_hand(x, gradients, reading):
    """RMSprop with eps inside the root, on gradients of the persistent chain."""
    decay, eps, rate = 0.8, 1e-3, 0.03
    config = Config(chain_length=4, score=reading, decay=decay, eps=eps)
    state = training.init(jax.random.key(3), Binary(2), x, config, rate)
    square = [0.0] * 4
    parameters = [p.astype(float) for p in reference.leaves(state.model.parameters)]
    states = [state]
    for k in range(3):
        state, info = training.train_step(config, state, x, jnp.int32(2), 3)
        states.append(state)
        (model, trajectory, batch, weights, score), result = gradients[k]
        assert score == reading
        assert_close(model, states[k].model)
        np.testing.assert_array_equal(trajectory.x[0], states[k].x)
        assert trajectory.z.shape == (4, 2)
        np.testing.assert_array_equal(weights, np.float32([0.5, 0.5, 0]))
        assert {tuple(row) for row in batch.tolist()} <= {
            tuple(row) for row in x.tolist()
        }
        assert info.log_likelihood == result.log_likelihood

        for i, g in enumerate(reference.leaves(result.gradient)):
            square[i] = decay * square[i] + (1 - decay) * g.astype(float) ** 2
            parameters[i] = parameters[i] + rate * g / np.sqrt(square[i] + eps)
        for found, expected in zip(
            reference.leaves(state.model.parameters), parameters, strict=True
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    # The chain and the batch of each step are fresh.
    batches = np.stack([arguments[2] for arguments, _ in gradients])
    assert len(np.unique(batches.reshape(3, -1), axis=0)) == 3


def test_chain_persists(x, gradients):
    """x'(T) starts the next chain: one chain of 2 T steps, while nothing moves."""
    state = training.init(jax.random.key(4), OneHot(3), x, CONFIG, 0.0)
    ends = [state.x]
    for _ in range(2):
        state, _ = training.train_step(CONFIG, state, x, jnp.int32(4), 4)
        ends.append(state.x)
    trajectories = [arguments[1] for arguments, _ in gradients]
    for k, trajectory in enumerate(trajectories):
        np.testing.assert_array_equal(trajectory.x[0], ends[k])
    assert (trajectories[0].x != trajectories[1].x).any()
    assert_close(
        state.model,
        training.init(jax.random.key(4), OneHot(3), x, CONFIG).model,
        tolerance=0,
    )


def test_learning_rate_compiles_nothing(x):
    traces = []

    @jax.jit
    def step(state, size):
        traces.append(size)
        return training.train_step(CONFIG, state, x, size, 8)

    for rate, size in ((0.1, 3), (0.01, 5), (0.2, 8)):
        state = training.init(jax.random.key(5), OneHot(3), x, CONFIG, rate)
        state, _ = step(*step(state, jnp.int32(size))[:1], jnp.int32(size))
        assert state.learning_rate == np.float32(rate)
    assert len(traces) == 1


def test_visible_bias_of_one_hot_stays_zero(x):
    state = training.init(jax.random.key(6), OneHot(3), x, CONFIG)
    train = jax.jit(partial(training.train, CONFIG, batch_capacity=8))
    state, _ = train(state, x, jnp.full(20, 8))
    assert not state.model.parameters.a.any()
    assert state.model.parameters.w.any(axis=0).all()
    assert state.model.parameters.w_bar.any(axis=1).all()


@pytest.mark.parametrize(
    ("latent", "score"),
    [
        (OneHot(3), "paper"),
        (OneHot(3), "exact"),
        (OneHot(3, "softmax"), "exact"),
        (Binary(2), "exact"),
    ],
    ids=str,
)
def test_likelihood_rises(x, latent, score):
    """From the product of pixel means towards the best mixture of the data."""
    config = Config(score=score)
    key = jax.random.key(7)
    train = jax.jit(partial(training.train, config, batch_capacity=64))
    measure = jax.jit(exact.log_likelihood)
    state = training.init(key, latent, x, config)
    start = measure(state.model, x)
    # The rate of 0.1 to get there, one of 0.01 to settle.
    state, _ = train(state, x, jnp.full(400, 64))
    state = training.State(
        **{**vars(state), "learning_rate": jnp.asarray(0.01, jnp.float32)}
    )
    state, infos = train(state, x, jnp.full(400, 64))
    end = measure(state.model, x)

    single = reference.best_mixture(np.asarray(x), 1)
    best = reference.best_mixture(np.asarray(x), latent.num_states)
    assert abs(start - single) < 0.15
    print(start, single, best, end)
    assert single + 0.8 * (best - single) < end
    assert end < best + 1e-4
    # The estimate on the fly, batches of 64 and chains of 48, agrees.
    assert abs(np.mean(infos.log_likelihood[-100:]) - end) < 0.1
    assert infos.finite.all()


def test_batch_schedule():
    """The paper's: 16 to 160 in equal increments over 120 epochs."""
    sizes = training.batch_schedule(16, 160, 120)
    assert sizes.shape == (120,)
    assert (sizes[0], sizes[-1]) == (16, 160)
    assert abs(sizes - (16 + 144 * np.arange(120) / 119)).max() <= 0.5
    assert training.batch_schedule(7, 9, 1).tolist() == [7]


@pytest.mark.parametrize(
    "bad", [{"chain_length": 0}, {"decay": 1.0}, {"decay": -0.1}, {"eps": 0.0}], ids=str
)
def test_bad_configuration(bad):
    (name,) = bad
    with pytest.raises(ValueError, match=f"{name}="):
        Config(**bad)


def test_no_data():
    with pytest.raises(ValueError, match="data point"):
        training.init(jax.random.key(0), OneHot(3), jnp.zeros((0, 4), bool))


def test_exact_gradient_of_likelihood_composes(x):
    """Users may ascend the exact gradient with the same state."""
    state = training.init(jax.random.key(8), OneHot(3), x)

    def total(parameters):
        model = state.model
        return exact.log_likelihood(Model(parameters, model.x_mean, model.latent), x)

    value, slope = jax.jit(jax.value_and_grad(total))(state.model.parameters)
    moved = jax.tree.map(lambda p, g: p + 0.1 * g, state.model.parameters, slope)
    assert total(moved) > value
