import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import chain, noise, parallel
from nelc_jax.latent import Binary, OneHot
from nelc_jax.model import Model, Parameters

from . import reference


def jitted(function):
    return jax.jit(function, static_argnums=3)


@pytest.mark.parametrize("num_steps", [1, 2, 64, 130])
def test_draws_the_chain_of_the_scan(system, num_steps, x64):
    """Equal random numbers: in double precision no draw hangs on a rounding of h."""
    model = reference.to_model(system)
    x = jnp.asarray(np.arange(model.num_visible) % 2 == 0)
    in_turn, at_once = jitted(chain.sample_chain), jitted(parallel.sample_chain)
    for seed in range(5):
        key = jax.random.key(seed)
        x_scan, scanned = in_turn(model, key, x, num_steps)
        x_end, together = at_once(model, key, x, num_steps)
        np.testing.assert_array_equal(x_end, x_scan)
        np.testing.assert_array_equal(together.x, scanned.x)
        np.testing.assert_array_equal(together.z, scanned.z)
        np.testing.assert_allclose(together.h, scanned.h, rtol=1e-12, atol=1e-12)


def test_every_block_rounds_its_probabilities_anew():
    """So many pixels that some draws hang on the rounding, a last bit of 16.

    The rounding of another block changes a third of the thresholds by one, and with it
    one draw in 2^16: about 7 of those after the first block.
    """
    rng = np.random.default_rng(0)
    num_visible = 20_000
    parameters = Parameters(
        w=jnp.asarray(rng.standard_normal((num_visible, 2)), jnp.float32),
        a=jnp.zeros(num_visible),
        w_bar=jnp.zeros((2, num_visible)),
        a_bar=jnp.zeros(2),
    )
    model = Model(parameters, jnp.full(num_visible, 0.5), OneHot(2))
    key, x = jax.random.key(0), jnp.zeros(num_visible, bool)
    _, scanned = jitted(chain.sample_chain)(model, key, x, 128)
    _, together = jitted(parallel.sample_chain)(model, key, x, 128)
    np.testing.assert_array_equal(together.x, scanned.x)


def test_needs_an_enumerable_latent_space(system, monkeypatch):
    model = reference.to_model(reference.random_system("binary"))
    monkeypatch.setattr("nelc_jax.latent.MAX_ENUMERATED", 1)
    assert isinstance(model.latent, Binary)
    with pytest.raises(ValueError, match="can be enumerated"):
        parallel.sample_chain(model, jax.random.key(0), jnp.zeros(5, bool), 3)
    with pytest.raises(ValueError, match="num_steps=0"):
        parallel.sample_chain(model, jax.random.key(0), jnp.zeros(5, bool), 0)


def test_a_different_noise_is_a_different_chain(system, monkeypatch):
    """Control: the comparison above sees one flipped pixel."""
    model = reference.to_model(system)
    x = jnp.zeros(model.num_visible, bool)
    key = jax.random.key(0)
    _, scanned = jitted(chain.sample_chain)(model, key, x, 48)
    real = noise.bernoulli_packed
    monkeypatch.setattr(
        parallel, "bernoulli_packed", lambda *arguments: real(*arguments) ^ 1
    )
    _, flipped = jax.jit(
        lambda *arguments: parallel.sample_chain(*arguments, num_steps=48)
    )(model, key, x)
    assert (np.asarray(flipped.x) != np.asarray(scanned.x)).any()


def test_the_chain_follows_the_maps(system, x64):
    """z(t + 1) = f_t(z(t)), across blocks, for maps asked for in any order."""
    model = reference.to_model(system)
    key, x = jax.random.key(0), jnp.zeros(model.num_visible, bool)
    _, scanned = jitted(chain.sample_chain)(model, key, x, 130)
    z = reference.latent_codes(system, scanned.z)
    steps = np.random.default_rng(0).permutation(129)
    maps = np.asarray(jax.jit(parallel.random_maps)(model, key, jnp.asarray(steps)))
    np.testing.assert_array_equal(maps[np.arange(129), z[steps]], z[steps + 1])
    # The maps of other steps would not do.
    assert (maps[np.arange(129), z[steps - 1]] != z[steps + 1]).any()
