"""Out of a poor optimum: two latent states become one, and another becomes two.

A one-hot model is a mixture of S components (eq. 5), and where training ends is one of
that mixture's optima: two states share what one could do, while another does the work
of two. Small steps do not get from there to a better one. `split_merge` looks for the
exchange that the data like best, and makes it where their exact likelihood agrees.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, Shaped

from ._bernoulli import bernoulli_log_prob, responsibilities
from ._checks import check_bits, check_class, check_points, checked
from ._linear import contract
from ._loops import scan, while_loop
from .baselines import mixture
from .baselines.mixture import BernoulliMixture, bounded_logits, em_step
from .latent import OneHot
from .model import Model, Parameters, state_logits

__all__ = ["split_merge"]

SWEEPS = 12
"""Steps of EM by which two halves, and whole mixtures, settle before they compete."""

STARTS = 4
"""Pairs of points from which a component is tried to be split."""

MAX_MOVES = 4
"""Exchanges in one call; more than two were never seen in models of six states."""


class _Exchange(eqx.Module):
    """Of components `merged`, the first becomes both; `split` and the second, halves.

    `gain`, a lower bound of what it adds to the likelihood, in nats a point.
    """

    mixture: BernoulliMixture
    merged: Int[Array, " 2"]
    split: Int[Array, ""]
    gain: Float[Array, ""]


@checked
def split_merge(key: Key[Array, ""], model: Model, x: Shaped[Array, "N D"]) -> Model:
    """The model with latent states exchanged while that raises the mixture's optimum.

    One exchange: of all pairs of states to merge and states to split the one with the
    highest lower bound of the gain (docs, "Every model at its best"), then 12 steps of
    EM. It is kept if the exact mixture likelihood, with the best weights, is higher
    than without it and after as many steps; else the search ends. The second of the
    merged states becomes one half of the split one and takes its part of p(z|x), w_bar
    and a_bar, so that both halves are reached as the whole was; training does the rest.
    A model without a better exchange comes back as it is.

    **Arguments:** typed `key`; a `model` with one-hot states; data `x`.

    **Raises:** `TypeError` for a model of another latent space; `ValueError` when `x`
    has no points or is known not to be of zeros and ones.
    """
    check_class("model.latent", model.latent, OneHot)
    check_points("x", x)
    check_bits("x", x)
    count = model.latent.num_states
    if count < 3:
        return model
    logits = state_logits(model)
    equal = jnp.full(count, -jnp.log(count), logits.dtype)
    begun = _settled(BernoulliMixture(equal, logits), x)

    def better(carry):
        _, _, improved, moves = carry
        return improved & (moves < MAX_MOVES)

    def exchange(carry):
        now, model, _, moves = carry
        found = _best_exchange(jax.random.fold_in(key, moves), now, x)
        new = _settled(found.mixture, x)
        without = _settled(now, x)
        improved = mixture.log_likelihood(new, x) > mixture.log_likelihood(without, x)
        kept: Any = jax.tree.map(
            lambda a, b: jnp.where(improved, a, b),
            (new, _exchanged(model, found, new)),
            (now, model),
        )
        return *kept, improved, moves + 1

    start = (begun, model, jnp.bool_(True), jnp.int32(0))
    return while_loop(better, exchange, start)[1]


def _exchanged(model: Model, found: _Exchange, new: BernoulliMixture) -> Model:
    """The model with the components of `new`, and backward weights that fit them."""
    p = model.parameters
    taken = found.merged[1]
    return Model(
        Parameters(
            w=(new.logits - p.a[None]).T,
            a=p.a,
            w_bar=p.w_bar.at[taken].set(p.w_bar[found.split]),
            a_bar=p.a_bar.at[taken].set(p.a_bar[found.split]),
        ),
        model.x_mean,
        model.latent,
    )


def _settled(now: BernoulliMixture, x: Shaped[Array, "N D"]) -> BernoulliMixture:
    return mixture.fit(now, x, SWEEPS)[0]


def _best_exchange(
    key: Key[Array, ""], now: BernoulliMixture, x: Shaped[Array, "N D"]
) -> _Exchange:
    """The exchange of highest bound, before any further step of EM."""
    data = jnp.asarray(x, now.logits.dtype)
    num_points = len(data)
    count = len(now.log_weights)
    log_A = bernoulli_log_prob(now.logits, x).T
    _, r = responsibilities(now.log_weights, log_A)
    on, size = contract(r, data), jnp.sum(r, axis=1)
    loss = _merge_losses(r, on, size) / num_points

    def try_splits(key):
        keys = jax.random.split(key, count)
        return jax.vmap(_halves, (0, 0, 0, None))(keys, r, log_A, data)

    halves, gain = jax.lax.map(try_splits, jax.random.split(key, STARTS))
    halves, gain = jax.tree.map(
        lambda array: array.reshape(STARTS * count, *array.shape[2:]), (halves, gain)
    )
    components = jnp.tile(jnp.arange(count), STARTS)
    # Fewer points than two halves need; without any, the halves are nan.
    gain = jnp.where(size[components] >= 2, gain / num_points, -jnp.inf)

    first, second = jnp.triu_indices(count, 1)
    others = components[None]
    apart = (first[:, None] != others) & (second[:, None] != others)
    total = jnp.where(apart, gain[None] - loss[first, second][:, None], -jnp.inf)
    pair, which = jnp.unravel_index(jnp.argmax(total), total.shape)
    merged = jnp.stack([first[pair], second[pair]])
    split = components[which]
    both_on = jnp.sum(on[merged], axis=0, keepdims=True)
    both = jnp.sum(size[merged], keepdims=True)
    rows = jnp.concatenate([merged[:1], split[None], merged[1:]])
    logits = jnp.concatenate(
        [bounded_logits(both_on, both[:, None] - both_on), halves.logits[which]]
    )
    log_weights = jnp.concatenate(
        [
            jnp.log(both / num_points),
            jnp.log(size[split] / num_points) + halves.log_weights[which],
        ]
    )
    # Those of the others as after a step of EM, so that all add up to one.
    all_weights = jnp.log(size / num_points).at[rows].set(log_weights)
    return _Exchange(
        BernoulliMixture(all_weights, now.logits.at[rows].set(logits)),
        merged,
        split,
        total[pair, which],
    )


def _merge_losses(
    r: Float[Array, "S N"], on: Float[Array, "S D"], size: Float[Array, " S"]
) -> Float[Array, "S S"]:
    """At most what merging each pair takes from sum_m ln p(x_m), in nats.

    For any responsibilities ln p >= sum_k r_k ln(weight_k p_k / r_k), with equality for
    the mixture's own. Those of a pair add up, and the weight and means that are best
    for them are their averages.
    """

    def best(on, size):
        """sum_m r ln(weight p) at its maximum over weight and means, but for ln N."""
        off = size[..., None] - on
        pixels = _xlogx(on) + _xlogx(off) - _xlogx(size)[..., None]
        return jnp.sum(pixels, axis=-1) + _xlogx(size)

    def entropy(r):
        return -jnp.sum(_xlogx(r), axis=-1)

    alone = best(on, size) + entropy(r)

    def with_all(k):
        merged = best(on[k][None] + on, size[k] + size) + entropy(r[k][None] + r)
        return alone[k] + alone - merged

    return jax.lax.map(with_all, jnp.arange(len(size)))


def _halves(
    key: Key[Array, ""],
    r: Float[Array, " N"],
    log_p: Float[Array, " N"],
    data: Float[Array, "N D"],
) -> tuple[BernoulliMixture, Float[Array, ""]]:
    """A component as a mixture of two, and at least what that gains, in nats.

    ln(1 + r (ratio - 1)) >= r ln(ratio): where the component's p_k is multiplied by
    `ratio`, ln p(x) rises by at least r ln(ratio).
    """
    # Two different points, each drawn by its responsibility.
    noisy = jnp.log(r) + jax.random.gumbel(key, r.shape, r.dtype)
    chosen = data[jax.lax.top_k(noisy, 2)[1]]
    mean = contract(r[None], data) / jnp.sum(r)
    # Halfway to the mean of the component, as `mixture.init` begins.
    start = BernoulliMixture(
        jnp.full(2, -jnp.log(2), r.dtype),
        bounded_logits(chosen + mean, 2 - chosen - mean),
    )

    def sweep(halves, _):
        return em_step(halves, data, r)

    halves, _ = scan(sweep, start, None, SWEEPS)
    return halves, jnp.sum(r * (mixture.log_prob(halves, data) - log_p))


def _xlogx(values: Float[Array, "..."]) -> Float[Array, "..."]:
    return values * jnp.log(jnp.maximum(values, jnp.finfo(values.dtype).tiny))
