"""Small loops by enumeration of all states of all layers.

The oracle of the tests, and of users. Everything is differentiable, the stationary
laws included. Memory S x 2^D: D <= 16.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from .._bernoulli import bernoulli_log_prob
from .._checks import check_points, checked
from .._derivatives import log_or_none
from .._linear import contract
from .._loops import vary_with
from ..estimators._moments import check_horizon, visible_bias
from ..exact import visible_states
from ..latent import Binary
from ..markov import deviation, truncated_deviation
from ._products import one_turn, stationary_laws
from .model import Kernel, Loop

__all__ = ["EnumeratedLoop"]


class EnumeratedLoop(eqx.Module):
    """All T_k[s, s'] = p(s'|s) of a loop as matrices, and the law of every layer.

    `laws[k]` is the stationary law of layer k, the visible one for k = 0.

    **Raises:** `ValueError` from `of` for a loop that is too large.
    """

    loop: Loop
    kernels: tuple[Float[Array, "_ _"], ...]
    laws: tuple[Float[Array, " _"], ...]

    @staticmethod
    @checked
    def of(loop: Loop) -> "EnumeratedLoop":
        """The matrices of a loop.

        **Raises:** `ValueError` for more than 16 visible bits, or a layer that is not
        enumerable.
        """
        kernels = tuple(jnp.exp(log_T) for log_T in _log_kernels(loop))
        return EnumeratedLoop(loop, kernels, stationary_laws(kernels))

    @checked
    def turn_kernel(self, layer: int) -> Float[Array, "S S"]:
        """M_k = T_k .. T_{K-1} T_0 .. T_{k-1}, one turn seen at a layer; 0 is visible.

        **Raises:** `ValueError` for a number that is none of a layer.
        """
        if not 0 <= layer < len(self.kernels):
            last = len(self.kernels) - 1
            raise ValueError(f"layer={layer}: expected 0 (visible) to {last}")
        return one_turn(self.kernels, layer)

    @checked
    def log_likelihood(self, x: Shaped[Array, "N D"]) -> Float[Array, ""]:
        """The mean of ln p(x_m) in nats a point.

        **Raises:** `ValueError` when `x` has no points.
        """
        check_points("x", x)
        return jnp.mean(self.loop.log_prob(self.laws[-1], x))

    @checked
    def gradient(
        self, x: Shaped[Array, "N D"], turns: int | None = None
    ) -> tuple[Kernel, ...]:
        """The gradient of `log_likelihood` over the last turns, kernel by kernel.

        With v = sum_{n < H} M_{K-1}^n (g - 1), u_{K-1} = v and u_k = T_k u_{k+1}, that
        of a kernel but the last is E[u_{k+1} d ln T_k]; that of the last is eq. 16a and
        E[(T_0 .. T_{K-2} v) d ln T_{K-1}], with H - 1 terms of the sum.

        **Arguments:** data `x`; `turns`, H, or None for all of them: the derivative of
        the likelihood itself.

        **Raises:** `ValueError` for an H below 1, or when `x` has no points.
        """
        check_horizon(turns)
        check_points("x", x)
        log_A, p_bar = _log_A(self.loop, x), self.laws[-1]
        log_p = self.loop.log_prob(p_bar, x)
        ratios = jnp.exp(log_A - log_p[:, None]) / len(x)
        M, g = self.turn_kernel(len(self.kernels) - 1), jnp.sum(ratios, axis=0)
        if turns is None:
            v = came = deviation(M, p_bar, g)
        else:
            v = truncated_deviation(M, p_bar, g, turns)
            came = truncated_deviation(M, p_bar, g, turns - 1)
        for T in reversed(self.kernels[:-1]):
            came = contract(T, came)
        # u_K, .., u_1: what each kernel's arrivals are worth.
        worth = [came, v]
        for T in reversed(self.kernels[1:-1]):
            worth.append(contract(T, worth[-1]))
        factors = [
            law[:, None] * T * u[None]
            for law, T, u in zip(self.laws, self.kernels, reversed(worth), strict=True)
        ]

        def credited(kernels):
            changed = Loop(kernels, self.loop.x_mean, self.loop.layers)
            log_T = _log_kernels(changed)
            seen = jnp.sum(p_bar[None] * ratios * _log_A(changed, x))
            return seen + sum(map(_weighted, factors, log_T))

        # Where data differ between devices, so do the derivatives.
        slopes = jax.grad(credited)(vary_with(self.loop.kernels, x))
        return tuple(
            Kernel(slope.weights, visible_bias(source, slope.bias))
            for slope, source in zip(slopes, self.loop.around, strict=True)
        )

    def ladder_entropy_production(self) -> Float[Array, ""]:
        """sigma in nats per turn of the whole path, of a loop that is its own reverse.

        sum_k E[ln T_k[s, s'] - ln T_{K-1-k}[s', s]] over the steps s -> s' of kernel k:
        the reversed path takes the same layers in the same order.

        **Raises:** `ValueError` for layers that read differently from the other end.
        """
        layers = self.loop.layers
        if layers != layers[::-1]:
            raise ValueError(
                f"layers={layers}: expected the same from either end, as of a ladder; "
                "the reverse of another loop takes kernels that it has not"
            )
        log_T = list(map(log_or_none, self.kernels))
        steps = zip(self.laws, self.kernels, log_T, reversed(log_T), strict=True)
        return sum(
            (
                _weighted(law[:, None] * T, ahead - back.T)
                for law, T, ahead, back in steps
            ),
            jnp.zeros((), self.loop.x_mean.dtype),
        )


def _log_A(loop: Loop, x: Shaped[Array, "N D"]) -> Float[Array, "N S"]:
    """ln A[z, x_m] of every state of the last hidden layer."""
    logits = loop.field(len(loop.layers), loop.layers[-1].states())
    return bernoulli_log_prob(logits, x)


def _log_kernels(loop: Loop) -> list[Float[Array, "_ _"]]:
    """ln T_k of all states of both layers."""
    every_x = visible_states(loop.num_visible)
    visible = Binary(loop.num_visible, len(every_x))
    states = [every_x, *(layer.states() for layer in loop.layers)]
    targets = [*loop.layers, visible]
    return [
        target.log_probs(loop.field(k, s))
        for k, (s, target) in enumerate(zip(states, targets, strict=True))
    ]


def _weighted(weights: Array, terms: Array) -> Float[Array, ""]:
    """The sum of terms with their weights, of which zero takes what is infinite."""
    return jnp.sum(jnp.where(weights == 0, 0, weights * terms))
