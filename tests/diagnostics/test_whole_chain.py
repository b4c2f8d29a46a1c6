import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import Binary, Model, OneHot, Parameters
from nelc_jax.diagnostics import whole_chain_entropy_production

from .. import reference


def exact(system):
    """Relative entropy of the fluxes x -> z and z -> x, by enumeration."""
    A, A_bar = reference.forward_matrix(system), reference.backward_matrix(system)
    there = reference.visible_law(system)[:, None] * A_bar
    back = (reference.latent_law(system)[:, None] * A).T
    return np.sum((there - back) * np.log(there / back))


def test_estimate_is_exact(system):
    model, p_bar = reference.to_model(system), reference.latent_law(system)
    expected = exact(system)
    M = reference.latent_kernel(system)
    assert expected > reference.entropy_production(M, p_bar)

    @jax.jit
    @jax.vmap
    def run(key):
        occupancy = jnp.asarray(p_bar, jnp.float32)
        return whole_chain_entropy_production(model, key, occupancy, 1024)

    found = run(jax.random.split(jax.random.key(0), 40))
    values = np.asarray(found.value)
    # The stated error is the spread of repetitions.
    ratio = values.std(ddof=1) / found.error.mean()
    assert 0.6 < ratio < 1.5
    assert abs(values.mean() - expected) < 4 * values.std() / np.sqrt(40)
    # Control: the entropy production of the latent states alone is another number.
    latent_only = reference.entropy_production(M, p_bar)
    assert abs(values.mean() - latent_only) > 10 * values.std() / np.sqrt(40)


@pytest.mark.parametrize("latent", [OneHot(3, "softmax"), Binary(2)], ids=str)
def test_equilibrium(latent):
    """w_bar = w^T: every path is as likely as its reverse."""
    rng = np.random.default_rng(0)
    L = latent.num_units
    w = jnp.asarray(rng.standard_normal((5, L)), jnp.float32)
    a = jnp.asarray(rng.standard_normal(5), jnp.float32)
    a_bar = jnp.asarray(rng.standard_normal(L), jnp.float32)
    model = Model(Parameters(w, a, w.T, a_bar), jnp.zeros(5), latent)
    states = np.asarray(latent.states(), float)
    # p(z) of the joint law exp(x w z + a x + a_bar z), pixels summed over.
    logits = states @ np.asarray(w).T + np.asarray(a)
    log_p = states @ np.asarray(a_bar) + np.logaddexp(0, logits).sum(1)
    p_bar = np.exp(log_p - np.logaddexp.reduce(log_p))

    def run(occupancy):
        return whole_chain_entropy_production(
            model, jax.random.key(0), jnp.asarray(occupancy, jnp.float32), 2048
        )

    found = jax.jit(run)(p_bar)
    assert abs(found.value) < 4 * found.error
    assert found.error < 0.05
    # Control: with w_bar of other weights it is not.
    other = Model(Parameters(w, a, 2 * w.T, a_bar), jnp.zeros(5), latent)
    found = jax.jit(
        lambda p: whole_chain_entropy_production(other, jax.random.key(0), p, 2048)
    )(jnp.full(len(p_bar), 1 / len(p_bar), jnp.float32))
    assert abs(found.value) > 4 * found.error


def test_bad_arguments():
    model = reference.to_model(reference.random_system("sigmoid"))
    with pytest.raises(ValueError, match="num_samples=0"):
        whole_chain_entropy_production(model, jax.random.key(0), jnp.ones(3) / 3, 0)
