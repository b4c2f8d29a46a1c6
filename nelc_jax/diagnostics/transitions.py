"""The latent kernel M[z', z] (eq. 3) counted on a long chain, as the paper does."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from .._checks import check_count, checked
from .._parallel import require_enumerable
from ..chain import fold_chain
from ..model import Model

__all__ = ["Counts", "count_transitions", "kernel_from_counts"]


class Counts(eqx.Module):
    """Transitions z' -> z seen on a chain: `pairs[z', z]`, and the chain's last x."""

    pairs: Int[Array, "S S"]
    x: Bool[Array, " D"]


@checked
def count_transitions(
    model: Model, key: Key[Array, ""], x: Shaped[Array, " D"], num_steps: int
) -> Counts:
    """Transitions along a chain of T double steps, the paper's estimator of M.

    A model with a nan has no chain, and no transition is counted.

    **Arguments:** typed `key`; `x`, the starting state (of a stationary chain: nothing
    is discarded); `num_steps`, T >= 2, which hold T - 1 transitions.

    **Raises:** `ValueError` for a T below 2, or a latent space that is not enumerable.
    """
    check_count("num_steps", num_steps, 2, "double steps")
    latent = model.latent
    require_enumerable(latent)
    num_states = latent.num_states

    def observe(carry, _, z):
        before, pairs = carry
        now = latent.index(z)
        return now, pairs.at[before, now].add(1, mode="drop")

    # Before the first state none is left: a row that is not there.
    init = (jnp.int32(num_states), jnp.zeros((num_states, num_states), jnp.int32))
    x_end, (_, pairs) = fold_chain(model, key, x, num_steps, observe, init)
    return Counts(jnp.where(model.has_nan, 0, pairs), x_end)


@checked
def kernel_from_counts(
    pairs: Int[Array, "S S"],
) -> tuple[Float[Array, "S S"], Float[Array, " S"]]:
    """M with normalised rows (eq. 3) and the empirical occupancy p_bar from counts.

    A pair never seen has M = 0. A latent state never left (dead) gets p_bar as its row:
    it then adds no flux and only an eigenvalue 0, and M stays row-stochastic. Without
    any count both are nan.

    **Returns:** M and p_bar, the share of the departures from each state.
    """
    departures = jnp.sum(pairs, axis=1, dtype=pairs.dtype)
    total = jnp.sum(departures, dtype=pairs.dtype)
    p_bar = jnp.where(total > 0, departures / jnp.maximum(total, 1), jnp.nan)
    rows = pairs / jnp.maximum(departures, 1)[:, None]
    return jnp.where(departures[:, None] > 0, rows, p_bar[None]), p_bar
