import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import Binary, Model, OneHot, Parameters, _parallel, sample_chain
from nelc_jax._random import BLOCK
from nelc_jax.model import init_model

from . import reference


@jax.jit
def in_turn(model, key, x):
    return sample_chain(model, key, x, 130, parallel=False)


@pytest.mark.parametrize("num_steps", [1, 64, 130])
def test_draws_the_chain_of_the_scan(system, num_steps, x64):
    """Equal random numbers: in double precision no draw hangs on a rounding of h."""
    model = reference.to_model(system)
    x = jnp.asarray(np.arange(model.num_visible) % 2 == 0)
    at_once = jax.jit(lambda key: sample_chain(model, key, x, num_steps, parallel=True))
    for seed in range(5):
        key = jax.random.key(seed)
        x_scan, whole = in_turn(model, key, x)
        x_end, together = at_once(key)
        after = whole.x[num_steps] if num_steps < 130 else x_scan
        np.testing.assert_array_equal(x_end, after)
        scanned = jax.tree.map(lambda a: a[:num_steps], whole)
        chex.assert_trees_all_equal((together.x, together.z), (scanned.x, scanned.z))
        np.testing.assert_allclose(together.h, scanned.h, rtol=1e-12, atol=1e-12)
        # Control: the chain of another key is another one.
        assert (in_turn(model, jax.random.key(seed + 9), x)[1].x != whole.x).any()


def test_more_states_than_a_block_has_steps():
    """The chain makes each row of their table when it is there."""
    kind = OneHot(BLOCK + 1)
    x = jax.random.bernoulli(jax.random.key(0), 0.5, (90, 7))
    model = init_model(jax.random.key(1), kind, x)

    @jax.jit
    def both(key):
        chains = (sample_chain(model, key, x[0], 20, parallel=p) for p in (False, True))
        return [(trajectory.x, trajectory.z) for _, trajectory in chains]

    chex.assert_trees_all_equal(*both(jax.random.key(2)))


@pytest.mark.parametrize("latent", [OneHot(2), Binary(2)], ids=str)
def test_every_block_rounds_its_probabilities_anew(latent):
    """So many pixels that some draws hang on the rounding, a last bit of 16.

    Chains of one-hot states may be drawn natively, those of bits are not.

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
    model = Model(parameters, jnp.full(num_visible, 0.5), latent)
    x = jnp.zeros(num_visible, bool)

    @jax.jit
    def both(key):
        chains = (sample_chain(model, key, x, 128, parallel=p) for p in (False, True))
        return [trajectory.x for _, trajectory in chains]

    np.testing.assert_array_equal(*both(jax.random.key(0)))


def test_needs_an_enumerable_latent_space():
    model = reference.to_model(reference.random_system("sampled"))
    assert isinstance(model.latent, Binary)
    key, x = jax.random.key(0), jnp.zeros(5, bool)
    with pytest.raises(ValueError, match="can be enumerated"):
        sample_chain(model, key, x, 3, parallel=True)
    with pytest.raises(ValueError, match="can be enumerated"):
        _parallel.candidates(model, key, 3)
    with pytest.raises(ValueError, match="num_steps=0"):
        sample_chain(model, key, x, 0, parallel=True)


def test_the_chain_follows_the_maps(system, x64):
    """z(t + 1) = f_t(z(t)), across blocks, for maps asked for in any order."""
    model = reference.to_model(system)
    key, x = jax.random.key(0), jnp.zeros(model.num_visible, bool)
    _, scanned = in_turn(model, key, x)
    z = reference.latent_codes(system, scanned.z)
    steps = np.random.default_rng(0).permutation(129)
    maps = np.asarray(jax.jit(_parallel.random_maps)(model, key, jnp.asarray(steps)))
    np.testing.assert_array_equal(maps[np.arange(129), z[steps]], z[steps + 1])
    # The maps of other steps would not do.
    assert (maps[np.arange(129), z[steps - 1]] != z[steps + 1]).any()


def test_candidates_hold_the_chain(system, x64):
    """x(t + 1) and its field are those of the candidate that follows z(t)."""
    model = reference.to_model(system)
    key, x = jax.random.key(0), jnp.zeros(model.num_visible, bool)
    _, scanned = in_turn(model, key, x)
    z = reference.latent_codes(system, scanned.z)[:-1]
    drawn, h = jax.jit(lambda key: _parallel.candidates(model, key, 129))(key)
    np.testing.assert_array_equal(drawn[np.arange(129), z], scanned.x[1:])
    found = h[np.arange(129), z]
    np.testing.assert_allclose(found, scanned.h[1:], rtol=1e-12, atol=1e-12)
