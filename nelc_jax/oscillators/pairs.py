"""Wells to the sixth order with three couplings a pair, one of which is not even.

    V(x) = sum_i [b_i x_i + k_i x_i^2 / 2 + q_i x_i^4 / 4 + r_i x_i^6 / 6]
         + sum_{i<j} [J_ij (x_i - x_j)^2 + S_ij x_i^2 x_j + Q_ij (x_i - x_j)^4 / 4]

Only r must be positive, so that q may be negative and a well double. As x^6 outgrows
x^4, V confines whatever the couplings are, but has deep wells far outside of the data
where these outweigh x^6 before it does. The units on site are those of `quartic`, with
r = K / l^4 softplus(r~); of couplings J = K J~ / sqrt(d), S = K / l S~ / sqrt(d) and
Q = K / l^2 Q~ / sqrt(d), with d the neighbours of an oscillator in the mean: a step of
training then changes forces alike in networks of any size.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from .._checks import check_points, checked
from .._linear import contract
from .network import AbstractNetwork
from .potential import AbstractLinearPotential
from .quartic import QuarticNetwork

__all__ = ["Pairs", "PairsNetwork"]

SMALL_SIXTH = -6.0
"""r~ before training: softplus(-6) = 0.0025."""


class Pairs(AbstractLinearPotential):
    """The parameters of V, with any leading axes; matrices above the diagonal only.

    On site `b`, `k`, `q` and `r`; between oscillators `J`, `S` and `Q`.
    """

    b: Float[Array, "*t n"]
    k: Float[Array, "*t n"]
    q: Float[Array, "*t n"]
    r: Float[Array, "*t n"]
    J: Float[Array, "*t n n"]
    S: Float[Array, "*t n n"]
    Q: Float[Array, "*t n n"]

    @property
    def num_oscillators(self) -> int:
        """n."""
        return self.b.shape[-1]

    @checked
    def energy(self, x: Float[Array, " n"]) -> Float[Array, ""]:
        """V(x), an energy: every parameter times what its element reads."""
        read = self.readings(x[None], jnp.ones(1, x.dtype))
        products = jax.tree.map(lambda own, at: jnp.sum(own * at), self, read)
        return sum(jax.tree.leaves(products), jnp.zeros((), x.dtype))

    @checked
    def force(self, x: Float[Array, " n"]) -> Float[Array, " n"]:
        """-grad V, by the sums over neighbours of x, x^2 and x^3."""
        J, S, Q = (jnp.triu(matrix, 1) for matrix in (self.J, self.S, self.Q))
        J, Q = J + J.T, Q + Q.T
        square, cube = jnp.square(x), x * jnp.square(x)
        fifth = cube * square
        on_site = self.b + self.k * x + self.q * cube + self.r * fifth
        near = 2 * (jnp.sum(J, axis=1) * x - contract(J, x))
        skew = 2 * x * contract(S, x) + contract(S.T, square)
        firm = jnp.sum(Q, axis=1) * cube - contract(Q, cube)
        firm += 3 * (x * contract(Q, square) - square * contract(Q, x))
        return -(on_site + near + skew + firm)

    @checked
    def scaled(self, ratio: Float[Array, ""], stiffness: Float[Array, ""]) -> "Pairs":
        """All parameters grow by `ratio`, and k by `stiffness` in addition."""
        grown = jax.tree.map(lambda parameter: ratio * parameter, self)
        return eqx.tree_at(lambda grown: grown.k, grown, grown.k + stiffness)

    @checked
    def local_gradient(
        self, x: Float[Array, "B n"], error: Float[Array, "B n"]
    ) -> "Pairs":
        """-(e . grad) of what each element reads."""
        check_points("x", x)
        weight = jnp.ones(x.shape[0], x.dtype)
        _, moved = jax.jvp(lambda x: self.readings(x, weight), (x,), (error,))
        return jax.tree.map(jnp.negative, moved)

    @checked
    def readings(self, x: Float[Array, "B n"], weight: Float[Array, " B"]) -> "Pairs":
        """Powers of x_i on site, (x_i - x_j)^2, x_i^2 x_j and (x_i - x_j)^4 / 4."""
        check_points("x", x)
        num, weight = x.shape[0], weight[:, None]
        square = jnp.square(x)
        cube, fourth = x * square, jnp.square(square)

        def mean(power: Array) -> Array:
            return jnp.mean(weight * power, axis=0)

        def product(left: Array, right: Array) -> Array:
            return contract((weight * left).T, right) / num

        def both(power: Array) -> Array:
            return mean(power)[:, None] + mean(power)[None, :]

        cubes = product(cube, x)
        J = both(square) - 2 * product(x, x)
        Q = both(fourth) - 4 * (cubes + cubes.T) + 6 * product(square, square)
        return Pairs(
            b=mean(x),
            k=mean(square) / 2,
            q=mean(fourth) / 4,
            r=mean(square * fourth) / 6,
            J=jnp.triu(J, 1),
            S=jnp.triu(product(square, x), 1),
            Q=jnp.triu(Q, 1) / 4,
        )


class PairsNetwork(AbstractNetwork):
    """Wells to the sixth order, of which `pairs` (True for i < j) are coupled."""

    pairs: Bool[Array, "n n"]

    @checked
    def init(self, key: Key[Array, ""], x: Float[Array, "N n"]) -> Pairs:
        """As `QuarticNetwork`, with q = 0 and a small r; the `key` is not used.

        **Raises:** `ValueError` when `x` has no points, or other coordinates than
        `pairs`.
        """
        start = QuarticNetwork(self.generation, self.knots, None).init(key, x)
        none = jnp.zeros((*start.k.shape, start.k.shape[-1]), x.dtype)
        small = jnp.full_like(start.k, SMALL_SIXTH)
        none_on_site = jnp.zeros_like(start.k)
        return Pairs(start.b, start.k, none_on_site, small, none, none, none)

    @checked
    def potential(self, parameters: Pairs) -> Pairs:
        """The potentials at the knots: by factors, but for the softplus of r~."""
        rows, length = self.stiffness_unit[:, None], self.length_unit
        square = jnp.square(length)
        # At least 1, where nothing is coupled.
        neighbours = 2 * jnp.sum(self.pairs) / self.pairs.shape[0]
        each = jax.lax.rsqrt(jnp.maximum(neighbours, 1).astype(rows.dtype))

        def coupled(unit: Array, matrix: Array) -> Array:
            return each * unit[..., None] * jnp.where(self.pairs, matrix, 0)

        return Pairs(
            b=rows * length * parameters.b,
            k=rows * parameters.k,
            q=rows / square * parameters.q,
            r=rows / jnp.square(square) * jax.nn.softplus(parameters.r),
            J=coupled(rows, parameters.J),
            S=coupled(rows / length, parameters.S),
            Q=coupled(rows / square, parameters.Q),
        )
