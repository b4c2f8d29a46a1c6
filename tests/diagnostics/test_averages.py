import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from nelc_jax import Binary, Model, OneHot, Parameters, exact
from nelc_jax.diagnostics import average_log_transitions
from nelc_jax.diagnostics._averages import (
    TARGETS,
    batch_size,
    combine_batches,
    log_transition_batches,
)

from .. import reference


def test_average_is_exact_kernel(system):
    M = reference.latent_kernel(system)
    A, A_bar = reference.forward_matrix(system), reference.backward_matrix(system)
    model, num_samples = reference.to_model(system), 20_000
    average = jax.jit(lambda key: average_log_transitions(model, key, num_samples))
    found = np.exp(average(jax.random.key(1)))
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)
    # The variance of A_bar[x, z] over x ~ A_z'.
    error = np.sqrt((A @ A_bar**2 - M**2) / num_samples)
    assert (abs(found - M) < 5 * error).all()
    other = reference.latent_kernel(system.replace(w_bar=0.9 * system.w_bar))
    assert not (abs(found - other) < 5 * error).all()


def test_average_rounds_up_to_draws_of_every_tilt():
    model = reference.to_model(reference.random_system("sigmoid"))

    @jax.jit
    def run(key):
        return [average_log_transitions(model, key, n) for n in (49, 96)]

    np.testing.assert_array_equal(*run(jax.random.key(0)))


def test_average_of_logarithms():
    """A field that leaves one state e^-300 in every row: counted never, kept here."""
    system = reference.random_system("softmax")
    system = system.replace(w_bar=0 * system.w_bar, a_bar=np.array([0.0, 0.0, -300.0]))
    model = reference.to_model(system)
    average = jax.jit(lambda key: average_log_transitions(model, key, 32))
    log_M = average(jax.random.key(0))
    np.testing.assert_allclose(log_M[:, 2], -300 - np.log(2), rtol=1e-6)
    np.testing.assert_allclose(log_M[:, :2], -np.log(2), rtol=1e-5)
    assert (np.exp(log_M)[:, 2] == 0).all()


def counting_model(latent, num_visible, density, slope, offset):
    """A model whose last field depends on the number of pixels alone: slope n + offset.

    Every latent state draws pixels of the same density.
    """
    num_units = latent.num_units
    logit = np.log(density / (1 - density))
    w = np.full((num_visible, num_units), logit if isinstance(latent, OneHot) else 0)
    a = np.full(num_visible, 0 if isinstance(latent, OneHot) else logit)
    w_bar = np.zeros((num_units, num_visible))
    w_bar[-1] = slope
    a_bar = np.zeros(num_units)
    a_bar[-1] = offset
    arrays = (jnp.asarray(array, jnp.float32) for array in (w, a, w_bar, a_bar))
    return Model(Parameters(*arrays), jnp.zeros(num_visible), latent)


FEW, MANY = (60, 2.0, -74.0), (784, 8.0, -2000.0)


@pytest.mark.parametrize(
    ("latent", "pixels"),
    [
        (OneHot(2, "softmax"), FEW),
        (OneHot(2, "sigmoid"), FEW),
        (Binary(1), FEW),
        (OneHot(2, "softmax"), MANY),
    ],
    ids=("softmax", "sigmoid", "binary", "softmax-784"),
)
def test_rare_transitions(latent, pixels):
    """A transition that one draw in 10^8 explains, against a sum over its binomial.

    With many pixels and steep fields, all of the tilt would change every pixel.
    """
    num_visible, slope, offset = pixels
    density, num_samples = 0.2, 4096
    n = np.arange(num_visible + 1)
    h = slope * n + offset
    if latent == OneHot(2, "sigmoid"):
        # The other field is zero.
        p = special.expit(h) / (special.expit(h) + 0.5)
    else:
        p = special.expit(h)
    law = stats.binom(num_visible, density).pmf(n)
    expected = np.log(law @ p)
    assert expected < -15
    model = counting_model(latent, num_visible, density, slope, offset)
    average = jax.jit(
        jax.vmap(lambda key: average_log_transitions(model, key, num_samples))
    )
    found = np.asarray(average(jax.random.split(jax.random.key(0), 20)))[:, :, -1]
    errors = found.std(0) / np.sqrt(len(found))
    assert (errors < (0.1 if pixels == FEW else 0.3)).all()
    assert (abs(found.mean(0) - expected) < 5 * errors + errors**2).all()
    # Control: plain draws, as many, miss it by nats.
    draws = np.random.default_rng(0).binomial(num_visible, density, (20, num_samples))
    plain = np.log(np.mean(p[draws], axis=1))
    assert abs(plain.mean() - expected) > 1


def test_batches(system):
    """Independent, and together the average of all."""
    model = reference.to_model(system)
    num_samples = 20 * batch_size(model.latent)
    batches = jax.jit(lambda key: log_transition_batches(model, key, num_samples, 20))(
        jax.random.key(3)
    )
    M = reference.latent_kernel(system)
    assert batches.shape == (20, *M.shape)
    found = np.exp(batches)
    error = found.std(0, ddof=1) / np.sqrt(20)
    # Student's t with 19 degrees of freedom, for a few dozen entries.
    assert (abs(found.mean(0) - M) < 5.5 * error).all()
    assert not (abs(found.mean(0) - M.T) < 5.5 * error).all()
    assert len(np.unique(found[:, 0, 1])) == 20
    together = np.exp(combine_batches(batches))
    mean = found.mean(0)
    np.testing.assert_allclose(together, mean / mean.sum(1, keepdims=True), rtol=1e-5)


def test_bad_arguments():
    model = reference.to_model(reference.random_system("sigmoid"))
    with pytest.raises(ValueError, match="num_samples=0"):
        average_log_transitions(model, jax.random.key(0), 0)
    with pytest.raises(ValueError, match="num_batches=0"):
        log_transition_batches(model, jax.random.key(0), 10, 0)


def many_states(num_units):
    """A ring of one-hot states, each of whose successors is nearly certain.

    Pixel b is on in state b alone; a state follows where the pixel before its own is.
    """
    on = np.where(np.eye(num_units, dtype=bool), 3.0, -8.0)
    w_bar = np.roll(np.eye(num_units), 1, axis=0)
    arrays = (on, np.zeros(num_units), 30.0 * w_bar, np.full(num_units, -15.0))
    arrays = (jnp.asarray(array, jnp.float32) for array in arrays)
    return Model(Parameters(*arrays), jnp.zeros(num_units), OneHot(num_units))


def test_rare_transitions_between_many_states(monkeypatch):
    """The reverse of every likely jump, with tilts towards a few states alone."""
    model = many_states(10)
    expected = np.log(exact.latent_kernel(model))
    monkeypatch.setattr("nelc_jax.diagnostics._averages.TARGETS", 4)
    found = jax.jit(jax.vmap(lambda key: average_log_transitions(model, key, 256)))(
        jax.random.split(jax.random.key(2), 16)
    )
    M = np.mean(np.exp(found), axis=0)
    error = np.std(np.exp(found), axis=0) / 4
    states = np.arange(10)
    back, forth = (states, states - 1), (states, (states + 1) % 10)
    for pairs in (back, forth):
        assert (abs(M - np.exp(expected))[pairs] < 5 * error[pairs]).all()
    # Relative to what is there: one plain draw in 3000 is of a jump back.
    assert (error[back] < 0.1 * np.exp(expected[back])).all()


def test_draws_do_not_grow_with_the_number_of_states():
    assert batch_size(OneHot(1024)) == batch_size(OneHot(TARGETS))
    assert batch_size(OneHot(6)) == 16 * 6
