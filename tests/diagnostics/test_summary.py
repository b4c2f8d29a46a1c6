import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax.diagnostics import summarize, summarize_batches
from nelc_jax.likelihood import occupancy_log_prob

from .. import reference


@pytest.fixture
def exact(system, data):
    """The exact values, by brute force."""
    M, p_bar = reference.latent_kernel(system), reference.latent_law(system)
    return {
        "log_likelihood": reference.log_likelihood(system, data),
        "entropy_production_rate": reference.entropy_production(M, p_bar),
        "relaxation_time": -1 / np.log(np.sort(abs(np.linalg.eigvals(M)))[-2]),
        "mean_self_transition": np.trace(M) / len(M),
        "min_occupancy": p_bar.min(),
        "latent_kernel": M,
        "log_latent_kernel": np.log(M),
        "occupancy": p_bar,
    }


def test_summary(system, data, exact):
    """All diagnostics at once, at the accuracy of an M from 4e4 draws a state."""
    model = reference.to_model(system)
    run = jax.jit(lambda key: summarize(model, key, jnp.asarray(data), 40_000))
    found = vars(run(jax.random.key(0)))
    assert found.keys() == exact.keys()
    for name, value in exact.items():
        # Errors of M are at most 0.5 / sqrt(4e4) = 0.0025 an entry.
        np.testing.assert_allclose(found[name], value, rtol=0.05, atol=0.005)


def test_a_known_occupancy_is_taken(data):
    """Also where the kernel has another stationary law, as that of an RBM may."""
    model = reference.to_model(reference.random_system("softmax"))
    x, known = jnp.asarray(data), jnp.arange(1.0, model.latent.num_states + 1)
    known = known / known.sum()

    @jax.jit
    def run(key):
        log_likelihood = jnp.mean(occupancy_log_prob(model, known, x))
        whole, replicates = summarize_batches(model, key, x, 64, 2, known)
        return log_likelihood, [summarize(model, key, x, 64, known), whole, replicates]

    log_likelihood, summaries = run(jax.random.key(0))
    for found in summaries:
        shape = (*found.log_likelihood.shape, len(known))
        np.testing.assert_array_equal(found.occupancy, np.broadcast_to(known, shape))
        np.testing.assert_allclose(found.log_likelihood, log_likelihood, rtol=1e-6)
        np.testing.assert_allclose(found.min_occupancy, known[0])
