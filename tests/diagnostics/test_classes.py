import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.diagnostics import class_distribution, class_kl, latent_classes

from .. import reference

classes_of = jax.jit(latent_classes, static_argnums=3)


@pytest.fixture
def patterns():
    """Three classes: halves of the pixels on, and a stripe."""
    rows = np.zeros((3, 60))
    rows[0, :30] = rows[1, 30:] = rows[2, ::2] = 1
    return rows


def planted(patterns, classes, contrast=2.0):
    """A one-hot system whose state k generates noisy copies of pattern classes[k]."""
    num_units, num_visible = len(classes), patterns.shape[1]
    rng = np.random.default_rng(0)
    w = contrast * (2 * patterns[classes].T - 1)
    w = w + 0.3 * rng.standard_normal(w.shape)
    zeros = np.zeros
    return reference.System(
        "sigmoid",
        w=w,
        a=zeros(num_visible),
        w_bar=zeros((num_units, num_visible)),
        a_bar=zeros(num_units),
        x_mean=np.full(num_visible, 0.5),
    )


def labelled(patterns, counts, noise=0.1):
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(len(counts)), counts)
    flip = rng.random((len(labels), patterns.shape[1])) < noise
    order = rng.permutation(len(labels))
    x = (patterns[labels] != 0) ^ flip
    return jnp.asarray(x[order]), jnp.asarray(labels[order], jnp.int32)


def test_planted_classes(patterns):
    """Several states a class, classes of unequal sizes, and one state of noise."""
    classes = [2, 0, 1, 0, 2, 2]
    model = reference.to_model(planted(patterns, classes))
    x, labels = labelled(patterns, [50, 8, 20])
    found = classes_of(model, x, labels, 3)
    assert found.dtype == jnp.int32
    np.testing.assert_array_equal(found, classes)
    # A class without points is never chosen.
    found = classes_of(model, x, labels, 5)
    np.testing.assert_array_equal(found, classes)


def test_weak_state_has_the_class_it_claims_most(patterns):
    """A state beaten by others on every point still has a class."""
    classes = np.array([0, 1, 2, 1, 0, 2])
    system = planted(patterns, classes)
    # State 3 generates class 1 with far less contrast than state 1.
    faint = system.w.copy()
    faint[:, 3] *= 0.1
    x, labels = labelled(patterns, [26, 26, 26], noise=0.05)
    model = reference.to_model(system.replace(w=faint))
    np.testing.assert_array_equal(classes_of(model, x, labels, 3), classes)


def test_brute_force(x64, data):
    """argmax over k of the mean share, by loops, on a model without structure."""
    labels = np.array([0, 1, 2, 1])
    for seed in range(6):
        system = reference.random_system("binary", seed=seed)
        A = reference.forward_matrix(system)[:, reference.codes(data)]
        share = A / A.sum(0)
        expected = [
            np.argmax([np.mean(row[labels == k]) for k in range(3)]) for row in share
        ]
        found = classes_of(
            reference.to_model(system), jnp.asarray(data), jnp.asarray(labels), 3
        )
        np.testing.assert_array_equal(found, expected)


def test_class_distribution():
    p_bar = jnp.asarray([0.1, 0.2, 0.3, 0.4])
    classes = jnp.asarray([2, 0, 2, 0], jnp.int32)
    found = class_distribution(p_bar, classes, 4)
    np.testing.assert_allclose(found, [0.6, 0, 0.4, 0], rtol=1e-6)


def test_class_kl(x64):
    """Eq. 22 in nats, data first."""
    data, model = np.array([0.2, 0.3, 0.5]), np.array([0.5, 0.4, 0.1])

    def kl(p, q):
        return float(class_kl(jnp.asarray(p, float), jnp.asarray(q, float)))

    expected = sum(p * np.log(p / q) for p, q in zip(data, model, strict=True))
    np.testing.assert_allclose(kl(data, model), expected, rtol=1e-12)
    assert kl(data, model) != pytest.approx(kl(model, data))
    assert kl(data, data) == 0
    np.testing.assert_allclose(kl([1, 0, 0], [0.25, 0.5, 0.25]), np.log(4))
    # A class of the data that the model never generates, and the reverse.
    assert kl(data, [0.5, 0.5, 0]) == np.inf
    assert kl([0.5, 0.5, 0], [0.5, 0.5, 0]) == 0
    thirds = np.full(3, 1 / 3)
    np.testing.assert_allclose(kl(thirds, [0.5, 0.25, 0.25]), np.log(32 / 27) / 3)
