import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.random import threefry_2x32
from nelc_jax.noise import (
    bernoulli,
    draw_indices,
    draw_noise,
    thresholds,
    threefry,
)
from scipy import stats

# The least p-value of a test with a fixed key: a right generator fails one key in 1e4.
LEAST_P = 1e-4


def uint32(*words):
    return jnp.asarray(words, jnp.uint32)


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
    found = threefry(uint32(*key), *(jnp.uint32(c) for c in counter))
    assert tuple(int(word) for word in found) == expected


def test_threefry_is_that_of_jax():
    rng = np.random.default_rng(0)
    key, x0, x1 = (
        jnp.asarray(rng.integers(0, 2**32, n, dtype=np.uint32)) for n in (2, 500, 500)
    )
    # JAX takes the counters in one array, the first words in its first half.
    expected = threefry_2x32(key, jnp.concatenate([x0, x1]))
    np.testing.assert_array_equal(jnp.concatenate(threefry(key, x0, x1)), expected)


@pytest.mark.parametrize("start", [1, 63, 2**20])
def test_steps_do_not_depend_on_blocks(start):
    key = jax.random.key(3)
    whole = draw_noise(key, start, 40, 13, 2)
    part = draw_noise(key, start + 30, 10, 13, 2)
    np.testing.assert_array_equal(whole.visible[30:], part.visible)
    np.testing.assert_array_equal(whole.latent[30:], part.latent)
    traced = jax.jit(lambda s: draw_noise(key, s, 10, 13, 2))(start + 30)
    np.testing.assert_array_equal(traced.visible, part.visible)
    np.testing.assert_array_equal(traced.latent, part.latent)


@pytest.mark.parametrize("num_visible", [1, 5, 784])
def test_shapes(num_visible):
    noise = draw_noise(jax.random.key(0), 0, 7, num_visible, 3)
    assert noise.visible.shape == (7, num_visible)
    assert noise.latent.shape == (7, 3)
    assert noise.latent.dtype == jnp.float32


@pytest.fixture(scope="module")
def words():
    """Visible words of 2000 steps and 200 sites."""
    return np.asarray(draw_noise(jax.random.key(1), 0, 2000, 200, 1).visible)


@pytest.fixture(scope="module")
def diagonals():
    """Words (t, t) of many keys.

    The lower halves of a rectangle are sums A_i + B_t, pairwise independent only; along
    a diagonal no A or B repeats and they are independent together.
    """

    def one(key):
        return jnp.diagonal(draw_noise(key, 0, 256, 256, 0).visible)

    keys = jax.random.split(jax.random.key(2), 256)
    return np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys))(keys))


def test_upper_halves_are_uniform(words):
    for shift in (24, 16):
        cells = np.bincount(words.ravel() >> shift & 0xFF, minlength=256)
        assert chi_square(cells) > LEAST_P


def test_lower_halves_are_uniform(diagonals):
    for shift in (8, 0):
        cells = np.bincount(diagonals.ravel() >> shift & 0xFF, minlength=256)
        assert chi_square(cells) > LEAST_P
    # Control: halves of 15 bits, or a constant, are not.
    coarse = np.bincount(diagonals.ravel() & 0xFE, minlength=256)
    assert chi_square(coarse) < LEAST_P


def test_words_follow_the_uniform_law(words, diagonals):
    for sample in (words[::10, ::10], diagonals):
        u = (sample.ravel() + 0.5) / 2**32
        assert stats.kstest(u, "uniform").pvalue > LEAST_P
        assert stats.kstest(0.9 * u, "uniform").pvalue < LEAST_P


def test_halves_of_a_word_are_uncorrelated(diagonals):
    upper, lower = diagonals.ravel() >> 16, diagonals.ravel() & 0xFFFF
    assert stats.pearsonr(upper, lower).pvalue > LEAST_P


def test_upper_halves_are_uncorrelated(words):
    """Between neighbours in t and i, and the four sites that share a block."""
    u = (words >> 16) / 2**16 - 0.5
    pairs = [(u[1:], u[:-1]), (u[:, 1:], u[:, :-1])]
    pairs += [(u[:, k:], u[:, :-k]) for k in (50, 100, 150)]
    for left, right in pairs:
        assert stats.pearsonr(left.ravel(), right.ravel()).pvalue > LEAST_P


def test_lower_halves_are_pairwise_independent():
    """Neighbours in t, in i and in both, each pair from a key of its own."""

    def one(key):
        return draw_noise(key, 5, 2, 8, 0).visible & 0xFFFF

    keys = jax.random.split(jax.random.key(4), 40_000)
    low = np.asarray(jax.jit(jax.vmap(one))(keys))
    for t, i in ((0, 1), (1, 0), (1, 1), (0, 2), (0, 4), (1, 6)):
        # 8 x 8 cells of the joint law of (0, 0) and (t, i).
        cells = np.bincount(
            (low[:, 0, 0] >> 13) * 8 + (low[:, t, i] >> 13), minlength=64
        )
        assert chi_square(cells) > LEAST_P


def test_latent_uniforms():
    latent = np.asarray(draw_noise(jax.random.key(5), 0, 20_000, 1, 3).latent)
    assert latent.min() > 0
    assert latent.max() < 1
    for column in latent.T:
        assert stats.kstest(column, "uniform").pvalue > LEAST_P
        assert stats.pearsonr(column[1:], column[:-1]).pvalue > LEAST_P
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert stats.pearsonr(latent[:, a], latent[:, b]).pvalue > LEAST_P


def test_latent_uniforms_do_not_follow_visible_words():
    noise = draw_noise(jax.random.key(6), 0, 20_000, 2, 2)
    for visible in np.asarray(noise.visible).T:
        for half in (visible >> 16, visible & 0xFFFF):
            for latent in np.asarray(noise.latent).T:
                assert stats.pearsonr(half, latent).pvalue > LEAST_P


def test_latent_uniforms_in_double_precision(x64):
    single = draw_noise(jax.random.key(5), 0, 100, 1, 3)
    double = draw_noise(jax.random.key(5), 0, 100, 1, 3, jnp.float64)
    assert double.latent.dtype == jnp.float64
    # The same words, read to 32 bits instead of 23.
    np.testing.assert_allclose(single.latent, double.latent, atol=2.0**-23)
    assert len(np.unique(double.latent * 2**32 % 512)) > 100


def test_keys_are_independent():
    first, second = (
        np.asarray(draw_noise(jax.random.key(seed), 0, 300, 30, 1).visible)
        for seed in (0, 1)
    )
    for shift in (16, 0):
        left, right = first >> shift & 0xFFFF, second >> shift & 0xFFFF
        # Lower halves repeat along rows and columns: only the diagonal counts.
        pair = left[:30].diagonal(), right[:30].diagonal()
        assert stats.pearsonr(*pair).pvalue > LEAST_P
        assert np.mean(left == right) < 10 / 2**16
    assert np.mean(first == second) < 1e-3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_thresholds(x64, dtype):
    logits = np.linspace(-40, 40, 4001).astype(dtype)
    q = np.asarray(thresholds(jnp.asarray(logits)))
    assert q.dtype == np.uint32
    assert q.min() >= 1
    assert q.max() <= 2**32 - 1
    q = q.astype(np.int64)
    assert (np.diff(q) >= 0).all()
    np.testing.assert_array_equal(q + q[::-1], 2**32)

    exact = logits.astype(np.float64)
    tail = 1 / (1 + np.exp(abs(exact)))
    error = abs(np.minimum(q, 2**32 - q) / 2**32 - tail)
    # One unit of 2^-32, and a few roundings of the logistic function in its dtype.
    assert (error <= 1.01 * 2.0**-32 + 8 * np.finfo(dtype).eps * tail).all()


def test_thresholds_of_extreme_logits():
    q = thresholds(jnp.asarray([-jnp.inf, -1e30, -120.0, 0.0, 120.0, 1e30, jnp.inf]))
    assert [int(k) for k in q] == [1] * 3 + [2**31] + [2**32 - 1] * 3


def test_bernoulli_is_strict():
    """A word of 2^32 equally likely ones is below q exactly q times."""
    q = uint32(1, 1, 2**31, 2**31, 2**32 - 1, 2**32 - 1)
    words = uint32(0, 1, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
    assert bernoulli(words, q).tolist() == [True, False] * 3


def count_below(mask, q, num_blocks=32):
    """How many of 2e7 words, with some bits masked, fall below each threshold."""

    def block(start):
        words = draw_noise(jax.random.key(7), start, 800, 784, 0).visible & mask
        return jnp.stack([jnp.sum(bernoulli(words, k)) for k in q])

    starts = 800 * jnp.arange(num_blocks)
    counts = jax.jit(lambda starts: jax.lax.map(block, starts))(starts)
    return np.asarray(counts).sum(0), num_blocks * 800 * 784


def test_bernoulli_frequencies():
    p = np.array([3e-6, 1e-5, 1e-3, 0.3, 0.999])
    logits = jnp.asarray(np.log(p) - np.log1p(-p), jnp.float32)
    q = list(thresholds(logits))

    def deviation(mask):
        counts, total = count_below(jnp.uint32(mask), q)
        # Words are pairwise independent, so that the variance is that of the binomial.
        return abs(counts - total * p) / np.sqrt(total * p * (1 - p))

    assert (deviation(0xFFFFFFFF) < 4).all()
    # Control: without the lower half, probabilities are multiples of 2^-16.
    assert (deviation(0xFFFF0000)[:2] > 4).all()


def test_indices_are_uniform():
    indices = np.asarray(draw_indices(jax.random.key(8), 30_000, 100))
    assert indices.min() == 0
    assert indices.max() == 99
    assert chi_square(np.bincount(indices, minlength=100)) > LEAST_P
    assert stats.pearsonr(indices[1:], indices[:-1]).pvalue > LEAST_P


def test_indices_are_prefix():
    few, many = (draw_indices(jax.random.key(8), n, 77) for n in (10, 50))
    np.testing.assert_array_equal(few, many[:10])


def test_indices_do_not_follow_noise():
    """A step draws its chain and its batch from one key."""

    def one(key):
        noise = draw_noise(key, 0, 1, 4, 2)
        numbers = (noise.visible[0], noise.visible[0] & 0xFFFF, noise.latent[0])
        both = jnp.concatenate([n.astype(float) for n in numbers])
        return both, draw_indices(key, 3, 64)

    keys = jax.random.split(jax.random.key(9), 20_000)
    noise, indices = jax.jit(jax.vmap(one))(keys)
    for column in np.asarray(noise).T:
        for index in np.asarray(indices).T:
            assert stats.pearsonr(column, index).pvalue > LEAST_P
