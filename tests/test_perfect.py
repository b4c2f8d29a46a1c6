import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nelc_jax import perfect
from nelc_jax._parallel import random_maps
from nelc_jax._random import BLOCK

from . import reference

NUM_SAMPLES, HORIZON = 20_000, 100
NUM_MAPS = 31
# The least p-value of a test with a fixed key: a right sampler fails one key in 1e4.
LEAST_P = 1e-4

sample = jax.jit(perfect.perfect_sample, static_argnums=(2, 3))


def p_value(counts, law):
    """The chi-square p-value that counts are of independent draws from the law."""
    return stats.chisquare(counts, law * counts.sum()).pvalue


@functools.cache
def draws(kind):
    """Many samples of `random_system(kind)`, in double precision."""
    with jax.enable_x64(True):
        model = reference.to_model(reference.random_system(kind))
        return sample(model, jax.random.key(0), NUM_SAMPLES, HORIZON)


@functools.cache
def maps():
    """The first maps that the samples of the softmax system use, one sample a row."""

    @jax.jit
    @jax.vmap
    def one(i):
        key = jax.random.fold_in(jax.random.key(0), i)
        return random_maps(model, key, BLOCK * (1 + jnp.arange(NUM_MAPS)))

    with jax.enable_x64(True):
        model = reference.to_model(reference.random_system("softmax"))
        return np.asarray(one(jnp.arange(NUM_SAMPLES)))


def from_the_past(maps):
    """Brute force: value and step at which f_1 o f_2 o ... is constant."""
    composed = np.arange(maps.shape[1])
    for n, earlier in enumerate(maps, start=1):
        composed = composed[earlier]
        if len(set(composed)) == 1:
            return composed[0], n
    return -1, len(maps)


def forwards(maps):
    """A wrong sampler: where the chains from every start meet first."""
    composed = np.arange(maps.shape[1])
    for later in maps:
        composed = later[composed]
        if len(set(composed)) == 1:
            return composed[0]
    return -1


def restarted(maps):
    """Another: from the past, but with fresh maps each time that the horizon grows."""
    for n in (1, 2, 4, 8, 16):
        index, _ = from_the_past(maps[n - 1 : 2 * n - 1])
        if index >= 0:
            return index
    return -1


def test_law_of_the_states(system):
    drawn = draws(system.kind)
    assert drawn.coalesced.all()
    law = reference.latent_law(system)
    assert p_value(reference.histogram(drawn.index, len(law)), law) > LEAST_P
    # The sampler moves: a fixed state would pass no test, one step hardly ever does.
    assert 1.5 < np.mean(drawn.steps) < 3


def test_joint_law(system):
    """x ~ A_z, given the z beside it."""
    drawn = draws(system.kind)
    law = reference.latent_law(system)[:, None] * reference.forward_matrix(system)
    joint = np.asarray(drawn.index) * law.shape[1] + reference.codes(drawn.x)
    assert reference.follows(reference.histogram(joint, law.size), law.ravel())
    # Control: the same marginals, drawn independently.
    mixed = np.roll(drawn.index, 1) * law.shape[1] + reference.codes(drawn.x)
    assert not reference.follows(reference.histogram(mixed, law.size), law.ravel())
    p = reference.visible_law(system)
    x_counts = reference.histogram(reference.codes(drawn.x), len(p))
    assert reference.follows(x_counts, p)


def test_is_the_brute_force():
    drawn = draws("softmax")
    expected = [from_the_past(rows) for rows in maps()[:2000]]
    index, steps = np.transpose(expected)
    np.testing.assert_array_equal(drawn.index[:2000], index)
    np.testing.assert_array_equal(drawn.steps[:2000], steps)


@pytest.mark.parametrize("wrong", [forwards, restarted])
def test_wrong_samplers_are_seen(wrong):
    """Control: the classical mistakes fail the test of the law, with the same maps."""
    law = reference.latent_law(reference.random_system("softmax"))
    index = np.array([wrong(rows) for rows in maps()])
    assert (index >= 0).all()
    assert p_value(reference.histogram(index, len(law)), law) < 1e-10


def test_no_sample_hangs_on_the_others_or_on_the_horizon(x64):
    drawn = draws("softmax")
    model = reference.to_model(reference.random_system("softmax"))
    short = sample(model, jax.random.key(0), 50, 3)
    soon = drawn.steps[:50] <= 3
    assert soon.any()
    assert not soon.all()
    np.testing.assert_array_equal(short.coalesced, soon)
    np.testing.assert_array_equal(short.steps, np.minimum(drawn.steps[:50], 3))
    np.testing.assert_array_equal(short.index, np.where(soon, drawn.index[:50], -1))
    np.testing.assert_array_equal(short.x, drawn.x[:50] & soon[:, None])


def test_a_deterministic_cycle_never_coalesces(x64):
    system = reference.random_system("softmax")
    # Only bit s is on in state s, and it calls for state s + 1.
    bits = 2 * np.eye(5)[:, :3] - 1
    cycle = system.replace(
        w=100 * bits, a=0 * system.a, w_bar=100 * np.roll(bits.T, 1, axis=0)
    )
    drawn = sample(reference.to_model(cycle), jax.random.key(0), 50, 3)
    assert not drawn.coalesced.any()
    assert not drawn.x.any()
    assert (drawn.index == -1).all()
    assert (drawn.steps == 3).all()


def equal_candidates(system):
    """P(f(0) = f(1)) of a unit with two states, given shared or independent pixels."""
    p = reference.sigmoid(
        system.w @ reference.latent_states(system).T + system.a[:, None]
    )
    fields = np.array([reference.field(system, x)[0] for x in reference.bit_rows(4)])
    apart = abs(np.subtract.outer(*2 * [reference.sigmoid(fields)]))
    shared = np.ones_like(apart)
    for i, (p0, p1) in enumerate(p):
        both = min(p0, p1)
        table = np.array([[1 - max(p0, p1), p1 - both], [p0 - both, both]])
        bit = reference.bit_rows(4)[:, i].astype(int)
        shared *= table[np.ix_(bit, bit)]
    independent = np.outer(*reference.forward_matrix(system))
    return 1 - np.sum(shared * apart), 1 - np.sum(independent * apart)


def test_coalescence_time_of_two_states(x64):
    """A map of two states is constant or a bijection, so that N is geometric."""
    system = reference.random_system("binary", num_visible=4, num_units=1, seed=1)
    drawn = sample(reference.to_model(system), jax.random.key(0), NUM_SAMPLES, HORIZON)
    counts = reference.histogram(np.minimum(drawn.steps, 8) - 1, 8)

    def follows(share):
        n = np.arange(1, 8)
        law = share * (1 - share) ** (n - 1)
        return p_value(counts, np.append(law, 1 - law.sum())) > LEAST_P

    share, control = equal_candidates(system)
    assert follows(share)
    assert not follows(control)


def test_no_faster_than_relaxation(system):
    """P(N > n) >= |lambda_2|^n for any coupling of two chains."""
    steps = np.asarray(draws(system.kind).steps)
    moduli = np.sort(abs(np.linalg.eigvals(reference.latent_kernel(system))))
    for n in range(1, 5):
        share = np.mean(steps > n)
        assert share + 4 * np.sqrt(share / NUM_SAMPLES) > moduli[-2] ** n


def test_composes_with_vmap(x64):
    """A row of models, each with its key, draws what each draws alone."""
    models = [
        reference.to_model(reference.random_system("softmax", seed=s)) for s in (5, 6)
    ]
    keys = jax.random.split(jax.random.key(1), 2)
    stacked = jax.tree.map(lambda *a: jnp.stack(a), *models)

    def draw(model, key):
        return perfect.perfect_sample(model, key, 50, 3)

    together = jax.jit(jax.vmap(draw))(stacked, keys)
    for i, model in enumerate(models):
        one = jax.tree.map(lambda rows, i=i: rows[i], together)
        chex.assert_trees_all_equal(one, sample(model, keys[i], 50, 3))


@pytest.mark.parametrize(
    ("num_samples", "max_steps", "message"),
    [
        (0, 3, "num_samples=0: expected at least 1"),
        (3, 0, "max_steps=0: expected 1 to"),
        (3, perfect.MAX_STEPS + 1, f"max_steps={perfect.MAX_STEPS + 1}: expected 1 to"),
    ],
)
def test_arguments_out_of_range(num_samples, max_steps, message):
    model = reference.to_model(reference.random_system("sigmoid"))
    with pytest.raises(ValueError, match=message):
        perfect.perfect_sample(model, jax.random.key(0), num_samples, max_steps)


def test_needs_an_enumerable_latent_space():
    model = reference.to_model(reference.random_system("sampled"))
    with pytest.raises(ValueError, match=r"latent=.*can be enumerated; others"):
        perfect.perfect_sample(model, jax.random.key(0), 3, 3)
