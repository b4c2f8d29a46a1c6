from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.random import threefry_2x32
from scipy import stats

from nelc_jax import Binary, OneHot
from nelc_jax._random import (
    draw_indices,
    draw_packed,
    draw_pixels,
    latent_noise,
    latent_uniforms,
    pack,
    pixel_table,
    rounding,
    threefry,
    thresholds,
    unpack,
)

from .compilation import long_run

# The least p-value of a test with a fixed key: a right generator fails one key in 1e4.
LEAST_P = 1e-4


cipher = jax.jit(threefry)
split = jax.jit(jax.random.split)
draw_indices = jax.jit(draw_indices, static_argnums=(1, 2))
latent_uniforms_of = jax.jit(latent_uniforms, static_argnums=(2, 3, 4))


def uint32(*words):
    return np.asarray(words, np.uint32)


def chi_square(counts):
    """The p-value that the counts are of equally likely cells, in both tails."""
    p = stats.chisquare(counts).pvalue
    return 2 * min(p, 1 - p)


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
        (
            (0x13198A2E, 0x03707344),
            (0x243F6A88, 0x85A308D3),
            (0xC4923A9C, 0x483DF7A0),
        ),
    ],
)
def test_threefry_known_answers(key, counter, expected):
    """The test vectors of the generator's authors (Random123, kat_vectors)."""
    found = cipher(uint32(*key), *map(np.uint32, counter))
    assert tuple(int(word) for word in found) == expected


def test_threefry_is_that_of_jax():
    rng = np.random.default_rng(0)
    key, x0, x1 = (rng.integers(0, 2**32, n, dtype=np.uint32) for n in (2, 500, 500))
    # JAX takes the counters in one array, the first words in its first half.
    expected = jax.jit(threefry_2x32)(key, np.concatenate([x0, x1]))
    found = cipher(key, x0, x1)
    np.testing.assert_array_equal(np.concatenate(found), expected)


@jax.jit
def words_of(key, steps, counters):
    def of_step(t):
        words = jax.random.key_data(key)
        return threefry(words, jnp.full_like(counters, t), counters)

    return jax.vmap(of_step)(steps)


def halves(key, num_steps, num_visible):
    """The 16-bit numbers of every step and pixel, as `draw_packed` reads them."""
    counters = np.arange(-(-num_visible // 4), dtype=np.uint32)
    low, high = map(np.asarray, words_of(key, np.arange(num_steps), counters))
    parts = [low & 0xFFFF, low >> 16, high & 0xFFFF, high >> 16]
    return np.concatenate(parts, axis=-1)[:, :num_visible]


@pytest.fixture(scope="module")
def bits():
    """The numbers of 2000 steps and 200 pixels."""
    return halves(jax.random.key(1), 2000, 200)


def test_bits_are_uniform(bits):
    for shift in (8, 0):
        cells = np.bincount(bits.ravel() >> shift & 0xFF, minlength=256)
        assert chi_square(cells) > LEAST_P
    sample = (bits[::10, ::10].ravel() + 0.5) / 2**16
    assert stats.kstest(sample, "uniform").pvalue > LEAST_P
    # Control: numbers of 15 bits, or on a shorter interval, are not.
    assert chi_square(np.bincount(bits.ravel() & 0xFE, minlength=256)) < LEAST_P
    assert stats.kstest(0.9 * sample, "uniform").pvalue < LEAST_P


def test_bits_are_uncorrelated(bits):
    """Between neighbours in t and i, and the pixels that share words (50 apart)."""
    u = bits / 2**16
    pairs = [(u[1:], u[:-1]), (u[:, 1:], u[:, :-1])]
    pairs += [(u[:, k:], u[:, :-k]) for k in (50, 100, 150)]
    for left, right in pairs:
        assert stats.pearsonr(left.ravel(), right.ravel()).pvalue > LEAST_P


def test_keys_blocks_and_indices_are_independent():
    key, other = split(jax.random.key(0))
    steps = np.arange(40)

    @jax.jit
    def roundings(key):
        return jax.vmap(lambda b: rounding(key, b, 800))(steps)

    sets = [
        halves(key, 40, 800).ravel(),
        halves(other, 40, 800).ravel(),
        np.ravel(roundings(key)),
        np.ravel(roundings(other)),
        draw_indices(key, 32_000, 1 << 20),
        # Of the same steps and key as the first set.
        np.ravel(jax.jit(jax.vmap(lambda t: latent_uniforms(key, t, 800, 800)))(steps)),
    ]
    for i, left in enumerate(sets):
        for right in sets[:i]:
            assert stats.pearsonr(left, right).pvalue > LEAST_P


def test_latent_states_share_no_words_with_pixels():
    """Each quarter of the pixels has words of its own, and so has the latent state."""
    key = jax.random.key(0)
    pixels = halves(key, 200, 800).reshape(200, 4, 200)
    uniforms = jax.vmap(lambda t: latent_uniforms(key, t, 800, 200))
    latent = jax.jit(uniforms)(jnp.arange(200))
    for quarter in range(4):
        found = stats.pearsonr(pixels[:, quarter].ravel(), np.ravel(latent))
        assert found.pvalue > LEAST_P


def test_latent_uniforms():
    uniforms = jax.vmap(lambda t: latent_uniforms(jax.random.key(5), t, 1, 3))
    latent = np.asarray(jax.jit(uniforms)(jnp.arange(20_000)))
    assert latent.min() > 0
    assert latent.max() < 1
    for column in latent.T:
        assert stats.kstest(column, "uniform").pvalue > LEAST_P
        assert stats.pearsonr(column[1:], column[:-1]).pvalue > LEAST_P
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert stats.pearsonr(latent[:, a], latent[:, b]).pvalue > LEAST_P


def test_latent_uniforms_in_double_precision(x64):
    single = latent_uniforms_of(jax.random.key(5), 7, 1, 300)
    double = latent_uniforms_of(jax.random.key(5), 7, 1, 300, jnp.float64)
    assert double.dtype == jnp.float64
    # The same words, read to 32 bits instead of 23.
    np.testing.assert_allclose(single, double, atol=2.0**-23)
    assert len(np.unique(np.asarray(double) * 2**32 % 512)) > 100


def test_indices_continue():
    key = jax.random.key(2)
    np.testing.assert_array_equal(
        draw_indices(key, 30, 1000)[20:], draw_indices(key, 10, 1000, 20)
    )


def test_a_draw_depends_on_its_step_only():
    key, table = jax.random.key(3), jnp.asarray(np.full((2, 13), 2**15, np.int32))

    @jax.jit
    def draws(steps):
        return jax.vmap(lambda t: draw_pixels(key, t, table))(steps)

    found = np.asarray(draws(np.arange(5, 45)))
    np.testing.assert_array_equal(found[30:], draws(np.arange(35, 45)))
    assert len(np.unique(found[:, 0], axis=0)) > 35
    # Rows, the latent states, share the numbers of a step.
    np.testing.assert_array_equal(found[:, 0], found[:, 1])


@pytest.mark.parametrize("num_visible", [1, 2, 3, 4, 5, 784])
def test_packing_round_trip(num_visible):
    x = np.random.default_rng(0).random((7, num_visible)) < 0.5

    @jax.jit
    def there_and_back(x):
        packed = pack(x)
        return packed, unpack(packed, num_visible)

    packed, back = there_and_back(x)
    assert packed.shape == (7, -(-num_visible // 4))
    np.testing.assert_array_equal(back, x)


def test_draws_compare_each_pixel_with_its_threshold(bits):
    q = np.random.default_rng(0).integers(0, 2**16 + 1, (3, 200), np.int32)

    @jax.jit
    def draws(key, q):
        x = draw_pixels(key, 3, q)
        return x, draw_packed(key, 3, q), pack(x)

    x, packed, expected = draws(jax.random.key(1), q)
    np.testing.assert_array_equal(x, bits[3] < q)
    np.testing.assert_array_equal(packed, expected)


def test_table_of_a_block():
    """The thresholds of each row, with the rounding of that block."""
    logits = np.linspace(-3, 3, 14, dtype=np.float32).reshape(2, 7)

    @jax.jit
    def both(key, block, logits):
        expected = thresholds(logits, rounding(key, block, 7))
        return pixel_table(key, block, logits), expected

    key = jax.random.key(4)
    (table, expected), (other, _) = (both(key, n, logits) for n in (5, 6))
    np.testing.assert_array_equal(table, expected)
    assert (np.asarray(other) != expected).any()


@pytest.mark.parametrize("latent", [OneHot(3), Binary(3)], ids=str)
def test_latent_noise(latent):
    """That of the uniforms of each step, behind those of the pixels."""
    key, steps = jax.random.key(6), jnp.array([3, 100])

    @partial(jax.jit, static_argnums=0)
    def expected(num_visible):
        def uniforms(t):
            return latent_uniforms(key, t, num_visible, 3)

        return latent.noise(jax.vmap(uniforms)(steps))

    found = np.asarray(jax.jit(lambda: latent_noise(latent, key, steps, 7))())
    np.testing.assert_allclose(found, expected(7), rtol=1e-5)
    # Control: of a step with more pixels.
    assert (abs(found - expected(9)) > 1e-3).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_thresholds_round_the_probability_at_random(x64, dtype):
    """q is one of the two integers around 2^16 p, the upper one with the right odds."""
    logits = np.linspace(-30, 30, 301).astype(dtype)
    cells = (np.arange(20_000) + 0.5) / 20_000
    of_all = long_run(jax.vmap(lambda x, u: thresholds(x, jnp.full(301, u)), (None, 0)))
    q = np.asarray(of_all(logits, cells.astype(np.float32)))
    # The smaller of p and 1 - p, which is what keeps its relative precision.
    small = 1 / (1 + np.exp(np.abs(logits.astype(np.float64)))) * 2**16
    q_small = np.where(logits > 0, 2**16 - q, q)
    # Single precision: 2^16 p + u is rounded to 2^-9 next to 2^15.
    slack = 2.0**-8
    assert (q_small >= np.floor(small - slack)).all()
    assert (q_small <= np.ceil(small + slack)).all()
    # A grid of 20 000 roundings resolves the mean to 1/20 000.
    error = np.abs(q_small.mean(axis=0) - small)
    assert (error <= 1 / 20_000 + np.where(small > 2, slack, 1e-5)).all()


def test_thresholds_of_extreme_logits():
    logits = np.array([-np.inf, -1e30, -120.0, 120.0, 1e30, np.inf], np.float32)
    for u in (1e-6, 1 - 1e-6):
        q = jax.jit(thresholds)(logits, np.full(6, u, np.float32))
        assert q.tolist() == [0] * 3 + [2**16] * 3


@pytest.mark.parametrize("p", [1e-5, 0.3, 1 - 1e-5])
def test_frequency_of_draws(p):
    """2^24 draws of probabilities that are no multiple of 2^-16, also far below it."""
    on = frequency(np.float32(np.log(p / (1 - p))))
    assert stats.binomtest(int(on), 2**24, p).pvalue > LEAST_P
    if p < 2**-16:
        # Control: rounding to the nearest of 2^16 levels is seen.
        nearest = round(p * 2**16) / 2**16
        assert stats.binomtest(int(on), 2**24, nearest).pvalue < LEAST_P


@long_run
def frequency(logit):
    """How many of 2^24 draws are on: 64 blocks of 64 steps of 4096 pixels."""
    key, logits = jax.random.key(11), jnp.full(4096, logit)

    def block(carry, b):
        table = pixel_table(key, b, logits)

        def step(t):
            return jnp.sum(draw_pixels(key, 64 * b + t, table))

        return carry + jnp.sum(jax.vmap(step)(jnp.arange(64))), None

    return jax.lax.scan(block, 0, jnp.arange(64))[0]


def test_indices():
    key = jax.random.key(2)
    chosen = np.asarray(draw_indices(key, 60_000, 12))
    assert chi_square(np.bincount(chosen, minlength=12)) > LEAST_P
    np.testing.assert_array_equal(draw_indices(key, 7, 12), chosen[:7])


drawn_roundings = jax.jit(lambda key: rounding(key, 0, 1000))


@long_run
def thresholds_of_all(logit):
    """The sum over all 2^23 roundings."""
    cells = jnp.arange(2**23, dtype=jnp.float32)
    return jnp.sum(thresholds(jnp.full(2**23, logit), (cells + 0.5) * 2.0**-23))


@pytest.mark.parametrize("p", [1e-6, 1e-9, 1e-11, 1e-12, 4e-13])
def test_the_grid_of_probabilities(p):
    """All 2^23 roundings: what a pixel is drawn with is a multiple of 2^-39."""
    # The midpoints of which `rounding` draws.
    drawn = np.asarray(drawn_roundings(jax.random.key(0)), float) * 2**23 - 0.5
    np.testing.assert_array_equal(drawn, np.round(drawn))
    logit = np.float32(np.log(p))
    found, exact = (
        int(thresholds_of_all(logit)) * 2.0**-39,
        1 / (1 + np.exp(-np.float64(logit))),
    )
    # Midpoints are half a step off, and their sum with p is rounded by a quarter up or
    # down; p itself to a float32, from a logit that is one.
    rounded = 8 * abs(logit) * 2.0**-24 * exact
    assert -(2.0**-41) - rounded <= found - exact <= 3 * 2.0**-41 + rounded
    if p == 1e-12:
        # Control: it is a grid, and 82 % off here.
        assert found / exact > 1.8
    if p == 4e-13:
        assert found == 0
