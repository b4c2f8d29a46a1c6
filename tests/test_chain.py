import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import Binary, Model, OneHot, Parameters, chain

from . import reference

NUM_CHAINS = 20_000
NUM_STEPS = 3


@jax.jit
def sample(model, keys, x):
    def one(key, x):
        return chain.sample_chain(model, key, x, NUM_STEPS)

    return jax.vmap(one)(keys, x)


@pytest.fixture
def run(space):
    """Many chains of a system, from independent draws of the law of `space`.

    Returns the indices of x(0) .. x(T) and of z(0) .. z(T - 1), one chain a row.
    """
    rng = np.random.default_rng(0)
    law = reference.visible_law(space)
    start = rng.choice(len(law), NUM_CHAINS, p=law)
    x = jnp.asarray(reference.bit_rows(5)[start], bool)

    def run(system):
        keys = jax.random.split(jax.random.key(0), NUM_CHAINS)
        x_end, trajectory = sample(reference.to_model(system), keys, x)
        np.testing.assert_array_equal(trajectory.x[:, 0], x)
        h = [reference.field(system, x) for x in np.asarray(trajectory.x[0], float)]
        np.testing.assert_allclose(trajectory.h[0], h, rtol=1e-5, atol=1e-5)
        xs = np.concatenate([trajectory.x, x_end[:, None]], axis=1)
        return reference.codes(xs), reference.latent_codes(system, trajectory.z)

    return run


def test_stationarity(space, run):
    """Chains started from the exact law keep it, and those of wrong kernels do not."""
    p, p_bar = reference.visible_law(space), reference.latent_law(space)

    def matches(system):
        x, z = run(system)
        x_counts = reference.histogram(x[:, -1], len(p))
        z_counts = reference.histogram(z[:, -1], len(p_bar))
        return reference.follows(x_counts, p), reference.follows(z_counts, p_bar)

    assert matches(space) == (True, True)
    reversed_field = space.replace(w_bar=-space.w_bar, a_bar=-space.a_bar)
    assert matches(reversed_field) == (False, False)
    assert matches(space.replace(w_bar=space.w.T)) == (False, False)
    assert matches(space.replace(x_mean=0 * space.x_mean)) == (False, False)


def test_joint_laws(space, run):
    """Each step draws from its conditional; a chain that stood still would not."""
    p, p_bar = reference.visible_law(space), reference.latent_law(space)
    A, A_bar = reference.forward_matrix(space), reference.backward_matrix(space)
    M = reference.latent_kernel(space)
    x, z = run(space)
    pairs = {
        "x -> z": (x[:, 1], z[:, 1], p[:, None] * A_bar),
        "z -> x": (z[:, 1], x[:, 2], p_bar[:, None] * A),
        "z -> z": (z[:, 0], z[:, 1], p_bar[:, None] * M),
        "z -> x, two steps": (z[:, 0], x[:, 2], p_bar[:, None] * (M @ A)),
        "x -> z, two steps": (x[:, 0], z[:, 1], p[:, None] * (A_bar @ M)),
    }
    for name, (left, right, law) in pairs.items():
        size = law.shape[1]
        counts = reference.histogram(left * size + right, law.size)
        assert reference.follows(counts, law.ravel()), name
        # Control: the same marginals, drawn independently.
        mixed = reference.histogram(np.roll(left, 1) * size + right, law.size)
        assert not reference.follows(mixed, law.ravel()), name


def wide_model(space, num_visible=784):
    rng = np.random.default_rng(2)

    def normal(*shape):
        return jnp.asarray(rng.standard_normal(shape), jnp.float32)

    num_units = space.num_units
    parameters = Parameters(
        w=normal(num_visible, num_units),
        a=normal(num_visible),
        w_bar=normal(num_units, num_visible) / 10,
        a_bar=normal(num_units),
    )
    return Model(parameters, jnp.full(num_visible, 0.5, jnp.float32), space)


LARGE = (OneHot(6), Binary(40))


@pytest.mark.parametrize("space", LARGE, ids=str)
def test_large_model(space):
    """Pixels of a long chain have the means sigmoid(w z + a) given z."""
    model = wide_model(space)
    x = jnp.zeros(784, bool)
    sample = jax.jit(lambda key: chain.sample_chain(model, key, x, 512))
    _, trajectory = sample(jax.random.key(3))
    p = model.parameters
    z = np.asarray(trajectory.z, float)
    mean = reference.sigmoid(z @ np.asarray(p.w, float).T + np.asarray(p.a, float))
    residual = np.asarray(trajectory.x, float)[1:] - mean[:-1]
    scale = np.sqrt(np.sum(mean * (1 - mean), axis=0))
    deviation = np.sum(residual, axis=0) / scale
    # 784 standard normal numbers: their largest, and their mean square.
    assert abs(deviation).max() < 5
    assert abs(np.mean(deviation**2) - 1) < 5 * np.sqrt(2 / 784)


def recorder(model, num_steps):
    """An observer that stores what it sees, and counts."""

    def observe(carry, x, z):
        t, xs, zs = carry
        return t + 1, xs.at[t].set(x), zs.at[t].set(z)

    shape = (num_steps, model.num_visible), (num_steps, model.latent.num_units)
    return observe, (jnp.int32(0), *(jnp.zeros(s, bool) for s in shape))


@pytest.mark.parametrize(
    ("kind", "num_steps"),
    [("sigmoid", 1), ("binary", 63), ("sigmoid", 64), ("binary", 65), ("sigmoid", 200)],
)
def test_fold_is_sample(kind, num_steps):
    model = reference.to_model(reference.random_system(kind))
    x = jnp.asarray([1, 0, 0, 1, 0], bool)
    observe, init = recorder(model, num_steps)

    @jax.jit
    def both(key):
        return (
            chain.sample_chain(model, key, x, num_steps),
            chain.fold_chain(model, key, x, num_steps, observe, init),
        )

    (x_end, trajectory), (folded_end, (t, xs, zs)) = both(jax.random.key(4))
    assert t == num_steps
    np.testing.assert_array_equal(x_end, folded_end)
    np.testing.assert_array_equal(trajectory.x, xs)
    np.testing.assert_array_equal(trajectory.z, zs)


@pytest.mark.parametrize("space", LARGE, ids=str)
def test_fold_memory_does_not_grow(space):
    model = wide_model(space)

    def memory(num_steps):
        def mean_x(model, key, x):
            def observe(total, x, z):
                return total + x

            init = jnp.zeros(784, jnp.int32)
            return chain.fold_chain(model, key, x, num_steps, observe, init)

        arguments = model, jax.random.key(0), jnp.zeros(784, bool)
        compiled = jax.jit(mean_x).lower(*arguments).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    short, long = memory(64 * 15), memory(64 * 1600)
    # The trajectory of the long chain would take 20 MB with four pixels to a byte; the
    # numbers of its 1600 blocks take 13 kB.
    assert abs(long - short) < 20_000
    assert long < 2_000_000


def test_no_steps():
    model = reference.to_model(reference.random_system("sigmoid"))
    key, x = jax.random.key(0), jnp.zeros(5, bool)
    with pytest.raises(ValueError, match="num_steps=0"):
        chain.sample_chain(model, key, x, 0)
    with pytest.raises(ValueError, match="num_steps=0"):
        chain.fold_chain(model, key, x, 0, lambda c, x, z: c, 0)
