"""ln M natively and in XLA: the same draws, the same averages up to rounding."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import Model, OneHot
from nelc_jax.diagnostics._averages import batch_size, log_transition_batches

from .systems import member, rounding, rules

pytestmark = pytest.mark.usefixtures("native")


class ByXla(OneHot):
    """Another class, which the native path does not know."""


@jax.jit
def batches(model):
    """Two batches of two rounds."""
    num_samples = 4 * batch_size(model.latent)
    return log_transition_batches(model, jax.random.key(1), num_samples, 2)


def by_xla(model):
    latent = ByXla(model.latent.num_units, model.latent.normalization)
    return batches(Model(model.parameters, model.x_mean, latent))


def tolerance(state):
    """ln weight and ln A_bar are sums of D numbers, of w, w_bar and their tilts."""
    p = state.model.parameters
    field = np.sum(np.abs(p.w_bar), axis=1) + np.abs(p.a_bar)
    return rounding(state) + 16 * np.finfo(np.float32).eps * np.max(field)


@pytest.mark.parametrize(
    "sizes",
    [
        # D, L, normalisation, scale of the weights: numbers that divide nothing.
        (1, 1, "softmax", 1.0),
        (5, 2, "sigmoid", 1.0),
        (783, 7, "softmax", 4.0),
        # Pixels are always on, whose threshold is 2^16.
        (784, 6, "sigmoid", 10.0),
        # More states than targets, and the widest rows.
        (61, 17, "sigmoid", 2.0),
        (40, 64, "softmax", 3.0),
    ],
    ids=str,
)
def test_averages_are_those_of_xla(sizes):
    num_visible, units, normalization, scale = sizes
    rule, _ = rules(OneHot(units, normalization), 1)
    state, _ = member(rule, num_visible, 9, 0, scale, 1.0)
    found, expected = batches(state.model), by_xla(state.model)
    assert found.shape == (2, units, units)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance(state))


@pytest.mark.parametrize("number", [jnp.nan, jnp.inf])
@pytest.mark.parametrize("name", ["w", "a", "w_bar", "a_bar"])
def test_a_number_that_is_none_is_handed_on(name, number):
    rule, _ = rules(OneHot(2), 1)
    state, _ = member(rule, 5, 9)
    values = getattr(state.model.parameters, name)
    broken = eqx.tree_at(
        lambda model: getattr(model.parameters, name),
        state.model,
        values.at[(0,) * values.ndim].set(number),
    )
    assert np.isnan(batches(broken)).all()


def test_members_are_the_same_together():
    rule, _ = rules(OneHot(2), 1)
    models = [member(rule, 5, 9, seed)[0].model for seed in (0, 1)]
    together = jax.vmap(batches)(jax.tree.map(lambda *a: jnp.stack(a), *models))
    for found, model in zip(together, models, strict=True):
        np.testing.assert_array_equal(found, batches(model))
