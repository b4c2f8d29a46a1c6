"""Quartic wells with pairwise couplings.

    V(x) = sum_i [b_i x_i + k_i x_i^2 / 2 + q_i x_i^4 / 4] + sum_{i<j} J_ij x_i x_j

Positions are lengths, V an energy: b is a force, k and J are forces per length, q a
force per length cubed. What is learned are numbers without unit. With s the spread of
the noising at a knot,

    K = (c kT + kT') / s^2,   l^2 = kT / kappa,
    k = K k~,  J = K J~,  b = K l b~,  q = K / l^2 softplus(q~),

so that one learning rate fits all knots, and q stays positive.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from .._checks import check_count, check_points, checked
from .._linear import contract
from .network import AbstractNetwork
from .potential import AbstractLinearPotential

__all__ = ["Quartic", "QuarticNetwork"]

SMALL_QUARTIC = -6.0
"""q~ before training: softplus(-6) = 0.0025."""


class Quartic(AbstractLinearPotential):
    """The parameters of V, with any leading axes; of J only what is above the diagonal.

    `b`, forces; `k`, stiffnesses; `q`, quartic constants, not negative for a potential
    that confines; `J`, couplings, or none.
    """

    b: Float[Array, "*t n"]
    k: Float[Array, "*t n"]
    q: Float[Array, "*t n"]
    J: Float[Array, "*t n n"] | None = None

    @property
    def num_oscillators(self) -> int:
        """n."""
        return self.b.shape[-1]

    @staticmethod
    @checked
    def trap(num: int, stiffness: Float[Array, ""] | float) -> "Quartic":
        """The harmonic trap V = stiffness |x|^2 / 2 of `num` uncoupled oscillators.

        **Raises:** `ValueError` for a `num` below 1.
        """
        check_count("num", num, 1, "oscillator")
        zero = jnp.zeros(num)
        return Quartic(zero, zero + stiffness, zero, jnp.zeros((num, num)))

    @checked
    def energy(self, x: Float[Array, " n"]) -> Float[Array, ""]:
        """V(x), an energy."""
        square = jnp.square(x)
        on_site = self.b * x + self.k * square / 2 + self.q * jnp.square(square) / 4
        if self.J is None:
            return jnp.sum(on_site)
        return jnp.sum(on_site) + contract(x, contract(jnp.triu(self.J, 1), x))

    @checked
    def force(self, x: Float[Array, " n"]) -> Float[Array, " n"]:
        """F_i = -(b_i + k_i x_i + q_i x_i^3 + sum_{j != i} J_ij x_j)."""
        on_site = self.b + self.k * x + self.q * x * jnp.square(x)
        if self.J is None:
            return -on_site
        above = jnp.triu(self.J, 1)
        return -(on_site + contract(above + above.T, x))

    @checked
    def scaled(self, ratio: Float[Array, ""], stiffness: Float[Array, ""]) -> "Quartic":
        """All parameters grow by `ratio`, and k by `stiffness` in addition."""
        grown = jax.tree.map(lambda parameter: ratio * parameter, self)
        return eqx.tree_at(lambda grown: grown.k, grown, grown.k + stiffness)

    @checked
    def local_gradient(
        self, x: Float[Array, "B n"], error: Float[Array, "B n"]
    ) -> "Quartic":
        """What each element sees: means over samples, whatever the parameters are.

        -e_i for b_i, -e_i x_i for k_i, -e_i x_i^3 for q_i, -(e_i x_j + e_j x_i) for
        J_ij.
        """
        check_points("x", x)
        wells = Quartic(
            b=-jnp.mean(error, axis=0),
            k=-jnp.mean(error * x, axis=0),
            q=-jnp.mean(error * x * jnp.square(x), axis=0),
        )
        if self.J is None:
            return wells
        mean_outer = contract(error.T, x) / x.shape[0]
        J = -jnp.triu(mean_outer + mean_outer.T, 1)
        return Quartic(wells.b, wells.k, wells.q, J)

    @checked
    def readings(self, x: Float[Array, "B n"], weight: Float[Array, " B"]) -> "Quartic":
        """x_i for b_i, x_i^2 / 2 for k_i, x_i^4 / 4 for q_i, x_i x_j for J_ij."""
        check_points("x", x)
        square, weight = jnp.square(x), weight[:, None]
        wells = Quartic(
            b=jnp.mean(weight * x, axis=0),
            k=jnp.mean(weight * square, axis=0) / 2,
            q=jnp.mean(weight * jnp.square(square), axis=0) / 4,
        )
        if self.J is None:
            return wells
        J = jnp.triu(contract((weight * x).T, x) / x.shape[0], 1)
        return Quartic(wells.b, wells.k, wells.q, J)


class QuarticNetwork(AbstractNetwork):
    """Quartic wells, of which `pairs` (True for i < j), if any, are coupled."""

    pairs: Bool[Array, "n n"] | None

    @checked
    def init(self, key: Key[Array, ""], x: Float[Array, "N n"]) -> Quartic:
        """The protocol for independent, normally distributed positions.

        With the mean m and variance v of the data at an oscillator,
        k = (c kT + kT') / (alpha^2 v + s^2) - c kappa, b = -alpha m (k + c kappa),
        J = 0: every oscillator needs to know its own statistics only. Exact but for q,
        which is positive and starts at `softplus(SMALL_QUARTIC)` of its unit. The `key`
        is not used.

        **Raises:** `ValueError` when `x` has no points, or other coordinates than
        `pairs`.
        """
        check_points("x", x)
        generation, stiffness = self.generation, self.stiffness_unit[:, None]
        alpha = generation.noising.decay(self.knots)[:, None]
        s = generation.noising.spread(self.knots)[:, None]
        mean, variance = jnp.mean(x, axis=0)[None, :], jnp.var(x, axis=0)[None, :]
        inward = generation.score_weight / (
            jnp.square(alpha) * variance + jnp.square(s)
        )
        outward = generation.pace * generation.noising.stiffness
        k = (inward - outward) / stiffness
        return Quartic(
            b=-inward * alpha * mean / (stiffness * self.length_unit),
            k=k,
            q=jnp.full_like(k, SMALL_QUARTIC),
            J=None
            if self.pairs is None
            else jnp.zeros((*k.shape, k.shape[-1]), k.dtype),
        )

    @checked
    def potential(self, parameters: Quartic) -> Quartic:
        """The potentials at the knots: by factors, but for the softplus of q~."""
        rows, length = self.stiffness_unit[:, None], self.length_unit
        J = parameters.J
        if self.pairs is not None and J is not None:
            J = rows[..., None] * jnp.where(self.pairs, J, 0)
        return Quartic(
            b=rows * length * parameters.b,
            k=rows * parameters.k,
            q=rows / jnp.square(length) * jax.nn.softplus(parameters.q),
            J=J,
        )
