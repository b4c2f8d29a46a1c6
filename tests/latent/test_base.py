"""What every latent space keeps: draws, laws and scores by brute force."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import AbstractLatent, Binary, OneHot
from nelc_jax.latent import sample_latent

from .. import reference
from .spaces import SPACES, L, brute_force, each_space


@each_space
def test_log_probs(x64, space, h):
    found = np.exp(space.log_probs(jnp.asarray(h)))
    assert found.shape == (6, space.num_states)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-14)
    expected = [brute_force(space, row) for row in h]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@each_space
def test_log_prob_is_entry_of_log_probs(x64, space, h):
    h = jnp.asarray(h)
    table = np.asarray(space.log_probs(h))
    for k, z in enumerate(space.states()):
        found = space.log_prob(h, jnp.tile(z, (len(h), 1)))
        np.testing.assert_allclose(found, table[:, k], rtol=1e-12)


@each_space
def test_states_and_index(space):
    states = space.states()
    assert states.shape == (space.num_states, L)
    assert len(np.unique(states, axis=0)) == space.num_states
    np.testing.assert_array_equal(space.index(states), np.arange(space.num_states))
    one = space.index(states[2])
    assert one.shape == ()
    assert one == 2


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@each_space
def test_draw_at_ends(x64, space, dtype):
    """The extreme uniforms of a chain give states of positive probability."""
    h = jnp.asarray([[-1e4, 3.0, 0.0, -1e4]], dtype)
    tiny = 2.0**-24 if dtype == jnp.float32 else 2.0**-33
    for unit, uniform in itertools.product(range(L), (tiny, 1 - tiny)):
        noise = space.noise(jnp.full((1, L), 0.5, dtype).at[0, unit].set(uniform))
        assert np.isfinite(noise).all()
        z = space.draw(noise, h)
        assert np.isfinite(space.log_prob(h, z)).all()
        assert space.log_prob(h, z)[0] > -100


@each_space
def test_sample_latent(space, h):
    num_samples = 20_000
    row = jnp.asarray(h[0], jnp.float32)
    z = sample_latent(space, jax.random.key(0), jnp.tile(row, (num_samples, 1)))
    counts = reference.histogram(space.index(z), space.num_states)
    assert reference.follows(counts, brute_force(space, h[0]))
    assert not reference.follows(counts, brute_force(space, 0.8 * h[0]))


@each_space
def test_mean(x64, space, h):
    states = np.asarray(space.states(), float)
    expected = [brute_force(space, row) @ states for row in h]
    np.testing.assert_allclose(space.mean(jnp.asarray(h)), expected, rtol=1e-12)


@each_space
def test_exact_score_is_derivative(x64, space, h):
    for row, z in itertools.product(jnp.asarray(h), space.states()):
        expected = jax.grad(space.log_prob)(row, z)
        found = space.score(row, z, "exact")
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-15)


@each_space
def test_exact_score_has_mean_zero(x64, space, h):
    states = space.states()
    for row in h:
        scores = space.score(jnp.tile(row, (len(states), 1)), states, "exact")
        mean = brute_force(space, row) @ np.asarray(scores)
        np.testing.assert_allclose(mean, 0, atol=1e-14)


@each_space
def test_paper_score(x64, space, h):
    """Eq. 15 to the letter, whatever the normalisation."""
    for row, z in itertools.product(h, space.states()):
        expected = np.asarray(z) - reference.sigmoid(row)
        found = space.score(jnp.asarray(row), z, "paper")
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_readings_coincide_for_binary_only(x64, h):
    h = jnp.asarray(h)
    for space in SPACES:
        z = jnp.tile(space.states()[1], (len(h), 1))
        exact, paper = space.score(h, z, "exact"), space.score(h, z, "paper")
        assert np.allclose(exact, paper) == isinstance(space, Binary)


@each_space
def test_extreme_fields_in_single_precision(space):
    fields = [-1e4, 1e4, 0.0]
    h = jnp.asarray(list(itertools.product(fields, repeat=L)), jnp.float32)
    log_probs = space.log_probs(h)
    assert log_probs.dtype == jnp.float32
    assert not np.isnan(log_probs).any()
    np.testing.assert_allclose(np.exp(log_probs).sum(-1), 1, rtol=1e-5)
    z = jnp.tile(space.states()[0], (len(h), 1))
    assert np.isfinite(space.log_prob(h, z)).all()
    for reading in ("paper", "exact"):
        assert (abs(space.score(h, z, reading)) <= 1).all()


def test_bad_arguments(unchecked):
    for make in (OneHot, Binary):
        with pytest.raises(ValueError, match="num_units"):
            make(0)
    with pytest.raises(ValueError, match="normalization"):
        OneHot(3, "tanh")
    h, z = jnp.zeros(3), jnp.eye(3, dtype=bool)[0]
    for space in (OneHot(3), Binary(3)):
        with pytest.raises(ValueError, match="reading='other'"):
            space.score(h, z, "other")


def test_what_the_spaces_say_of_themselves():
    for space in SPACES:
        assert isinstance(space, AbstractLatent)
        assert space.num_uniforms == L
    assert OneHot(L).absorbs_visible_bias
    assert not Binary(L).absorbs_visible_bias
    # p(z|x) ∝ exp(h·z): not eq. 19.
    assert [space.exponential for space in SPACES] == [False, True, True]


@each_space
def test_exponential_law(x64, space, h):
    """ln p(z|x) - h·z is one number for every state, just where the space says so."""
    h = jnp.asarray(h)
    rest = space.log_probs(h) - h @ space.states().T
    assert (np.ptp(rest, axis=-1) < 1e-12).all() == space.exponential


DERIVED = {
    "index": lambda s, h: (s.draw(noise(s), h),),
    "sum_units": lambda s, h: (h.T,),
    "sum_states": lambda s, h: (jnp.resize(h, (s.num_states, 3)),),
    "log_probs": lambda s, h: (h,),
    "draw_index": lambda s, h: (noise(s), h),
    "mean": lambda s, h: (h,),
    "score": lambda s, h: (h, s.draw(noise(s), h), "exact"),
}
"""The members that a space may leave to its base class, and arguments for them."""


def noise(space):
    uniforms = np.random.default_rng(3).random((6, space.num_uniforms))
    return space.noise(jnp.asarray(uniforms))


@pytest.mark.parametrize("member", DERIVED)
@each_space
def test_derived_members(x64, space, member, h):
    """What the base class makes of the others is what a space knows to do faster."""
    arguments = DERIVED[member](space, jnp.asarray(h))
    derived = getattr(AbstractLatent, member)(space, *arguments)
    found = getattr(space, member)(*arguments)
    assert derived.dtype == found.dtype
    # Sums of at most 2^L terms of order one.
    np.testing.assert_allclose(derived, found, rtol=1e-13, atol=1e-14)
    assert len(np.unique(found)) > 1


@each_space
def test_derived_score_of_the_paper(x64, space, h):
    h = jnp.asarray(h)
    arguments = h, space.draw(noise(space), h), "paper"
    derived = AbstractLatent.score(space, *arguments)
    np.testing.assert_allclose(derived, space.score(*arguments), rtol=1e-14)


def test_derived_score_maps_and_compiles(x64, h):
    """The derivative of one field, under vmap and jit as in a batch."""
    space, h = OneHot(L), jnp.asarray(h)
    z = space.draw(noise(space), h)

    def one(h, z):
        return AbstractLatent.score(space, h, z, "exact")

    np.testing.assert_allclose(jax.jit(jax.vmap(one))(h, z), one(h, z), rtol=1e-14)
