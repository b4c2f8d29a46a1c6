"""Degenerate chains, unseen states, classes with gaps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import (
    Model,
    OneHot,
    Parameters,
    markov,
)
from nelc_jax.diagnostics import (
    class_kl,
    cycles,
    entropy_production_rate,
    entropy_production_rate_log,
    integrated_time,
    kernel_from_counts,
    latent_classes,
    mean_self_transition,
    relaxation_time,
    reversible_part,
    second_eigenvalue_modulus,
)

pytestmark = pytest.mark.usefixtures("unchecked")

LABELS = {
    "gaps": ([0, 0, 4, 4], 6, [0, 4]),
    "one class": ([2, 2, 2, 2], 3, [2, 2]),
    "one point each": ([3, 3, 0, 0], 4, [3, 0]),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_with_gaps(name):
    labels, num_classes, expected = LABELS[name]
    x = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]])
    w = jnp.asarray(8.0 * (2 * x[[0, 2]].T - 1), jnp.float32)
    zeros = (np.zeros(shape, np.float32) for shape in (4, (2, 4), 2))
    parameters = Parameters(w, *map(jnp.asarray, zeros))
    model = Model(parameters, jnp.asarray(np.full(4, 0.5, np.float32)), OneHot(2))
    classes = jax.jit(latent_classes, static_argnums=3)
    found = classes(model, x, np.asarray(labels), num_classes)
    assert found.tolist() == expected


CHAINS = {
    "one state": (np.ones((1, 1)), 0.0, 1.0),
    "identity": (np.eye(3), np.inf, 1.0),
    "cycle": (np.eye(3)[[1, 2, 0]], np.inf, 0.0),
    "swap": (np.eye(2)[[1, 0]], np.inf, 0.0),
    "forgets": (np.full((3, 3), 1 / 3), 0.0, 1 / 3),
    "absorbing": (np.array([[1.0, 0.0], [0.5, 0.5]]), 1 / np.log(2), 0.75),
    "reducible": (np.kron(np.eye(2), np.full((2, 2), 0.5)), np.inf, 0.5),
}


@jax.jit
def measures_of_a_chain(M, f):
    p_bar = markov.stationary_distribution(M)
    return (
        p_bar,
        relaxation_time(M),
        second_eigenvalue_modulus(M),
        reversible_part(M, p_bar),
        markov.deviation(M, p_bar, f),
        integrated_time(M, p_bar, jnp.ones_like(f)),
        mean_self_transition(M),
        entropy_production_rate(M, p_bar),
    )


@pytest.mark.parametrize("name", CHAINS)
def test_degenerate_chains(name):
    M, time, stay = CHAINS[name]
    size = len(M)
    law = np.linalg.matrix_power((np.eye(size) + M) / 2, 2**20).mean(0)
    M, f = M.astype(np.float32), np.arange(size, dtype=np.float32)
    p_bar, found, modulus, reverse, v, constant, stays, sigma = map(
        np.asarray, measures_of_a_chain(M, f)
    )
    np.testing.assert_allclose(p_bar, law, atol=1e-5)
    np.testing.assert_allclose(found, time, rtol=1e-4)
    np.testing.assert_allclose(stays, stay, rtol=1e-6)
    second = np.sort(abs(np.linalg.eigvals(np.asarray(M, float))))[-2:][0]
    np.testing.assert_allclose(modulus, 0 if size == 1 else second, atol=1e-4)
    np.testing.assert_allclose(reverse.sum(1), 1, rtol=1e-5)
    assert sigma == (np.inf if name == "cycle" else 0)
    assert np.isfinite(v).all()
    if name in ("one state", "cycle", "swap", "forgets", "absorbing"):
        centred = f - p_bar @ f
        np.testing.assert_allclose(v - M @ v, centred, atol=1e-5)
    assert np.isnan(constant)


def test_unseen_states_and_transitions():
    kernel = jax.jit(kernel_from_counts)
    M, p_bar = kernel(np.array([[0, 3, 0], [1, 0, 0], [0, 0, 0]]))
    np.testing.assert_allclose(p_bar, [0.75, 0.25, 0])
    np.testing.assert_allclose(M, [[0, 1, 0], [1, 0, 0], [0.75, 0.25, 0]])
    M, p_bar = kernel(np.zeros((2, 2), np.int32))
    assert np.isnan(M).all()
    assert np.isnan(p_bar).all()
    one = np.zeros((1, 1), np.float32), np.ones(1, np.float32)
    assert jax.jit(entropy_production_rate_log)(*one) == 0
    found = jax.jit(cycles.fundamental_cycles)(*one)
    assert found.current.shape == (0,)
    first, second = np.eye(2, dtype=np.float32)
    kl = jax.jit(class_kl)
    assert kl(first, first) == 0
    assert kl(first, second) == np.inf
