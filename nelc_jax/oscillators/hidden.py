"""Fast hidden oscillators between the visible ones.

    V(x, h) = V_visible(x) - sum_a h_a (c_a + sum_i A_ai x_i) + sum_a U(h_a)

A hidden oscillator h_a relaxes in its own wells long before the visible x moves. What x
feels is then the free energy of the hidden ones, with m the thermal mean of h_a,

    V(x) = V_visible(x) - kT_h sum_a ln Z(u_a),    u_a = (c_a + sum_i A_ai x_i) / kT_h,
    F_i = F_visible_i + sum_a A_ai m(u_a).

c and kT_h are energies and A forces: h has no unit. With s the spread of the noising at
a knot, A = kT' / s A~ and c = kT' c~ of numbers without unit.
"""

from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from .._checks import check_points, checked
from .._linear import contract, sum_products
from .elements import AbstractElement, TwoState
from .network import AbstractNetwork
from .potential import AbstractPotential, around, between
from .quartic import Quartic, QuarticNetwork

__all__ = ["Hidden", "HiddenNetwork", "HiddenParameters"]

SMALL_SPRING = 0.1
"""Deviation of A~ before training."""


class Hidden(AbstractPotential):
    """The parameters of V, with any leading axes; the state of the hidden is averaged.

    `visible`, wells and couplings; `c`, energies; `A`, springs, forces; `temperature`,
    kT_h, an energy that is not learned; `element`, what a hidden oscillator is.
    """

    visible: Quartic
    c: Float[Array, "*t H"]
    A: Float[Array, "*t H n"]
    temperature: Float[Array, "*t"]
    element: AbstractElement = TwoState()

    @property
    def num_oscillators(self) -> int:
        """Visible ones."""
        return self.visible.num_oscillators

    @checked
    def field(self, x: Float[Array, "*b n"]) -> Float[Array, "*b H"]:
        """c_a + sum_i A_ai x_i, the energy per state that hidden oscillators feel."""
        own = contract(x, self.A.T)
        return own + jnp.broadcast_to(self.c, own.shape)

    @checked
    def energy(self, x: Float[Array, " n"]) -> Float[Array, ""]:
        """V(x), in which the hidden oscillators are their free energy."""
        u = self.field(x) / self.temperature
        hidden = jnp.sum(self.element.log_partition(u))
        return self.visible.energy(x) - self.temperature * hidden

    @checked
    def force(self, x: Float[Array, " n"]) -> Float[Array, " n"]:
        """F_i = F_visible_i + sum_a A_ai m(u_a)."""
        return self.force_given(x, self.element.mean(self.field(x) / self.temperature))

    @checked
    def force_given(
        self, x: Float[Array, " n"], h: Float[Array, " H"]
    ) -> Float[Array, " n"]:
        """F_i = F_visible_i + sum_a A_ai h_a, in states `h` of the hidden."""
        return self.visible.force(x) + contract(h, self.A)

    @checked
    def scaled(self, ratio: Float[Array, ""], stiffness: Float[Array, ""]) -> "Hidden":
        """All energies grow by `ratio`, kT_h too, and k by `stiffness` in addition."""
        return Hidden(
            self.visible.scaled(ratio, stiffness),
            ratio * self.c,
            ratio * self.A,
            ratio * self.temperature,
            self.element,
        )

    @checked
    def forces_between(
        self, share: Float[Array, "C B"], x: Float[Array, "C B n"]
    ) -> Float[Array, "C B n"]:
        """With c and A of that time: fields and forces each are linear in them."""
        mean = self.element.mean(self._levels(share, x))
        return self.visible.forces_between(share, x) + self._pull(share, mean)

    @checked
    def knot_gradient(
        self,
        x: Float[Array, "C B n"],
        error: Float[Array, "C B n"],
        share: Float[Array, "C B"],
    ) -> "Hidden":
        """dm_a for c_a and e_i m_a + x_i dm_a for A_ai, as means over samples.

        dm_a = m'(u_a) sum_i A_ai e_i / kT_h is how far the mean of h_a moves when the
        visible oscillators are moved by e.
        """
        u = self._levels(share, x)
        mean = self.element.mean(u)
        moved = self.element.response(u) * between(self, _stretch, share, error)
        moved = moved / self._temperatures(share)[..., None]
        before, after = 1 - share[..., None], share[..., None]
        means = around(before * mean, after * mean)
        moves = around(before * moved, after * moved)
        num = x.shape[1]
        A = _outer(means, around(error, error)) + _outer(moves, around(x, x))
        return Hidden(
            cast(Quartic, self.visible.knot_gradient(x, error, share)),
            jnp.sum(moves, axis=1) / num,
            A / num,
            jnp.zeros_like(self.temperature),
            self.element,
        )

    @checked
    def knot_readings(
        self,
        x: Float[Array, "C B n"],
        share: Float[Array, "C B"],
        key: Key[Array, ""] | None = None,
        flips: int = 1,
    ) -> "Hidden":
        """-h_a for c_a and -h_a x_i for A_ai: h_a its mean, or that of some draws."""
        u = self._levels(share, x)
        if key is None:
            h = self.element.mean(u)
        else:
            keys = jax.random.split(key, flips)
            h = jnp.mean(jax.vmap(lambda own: self.element.draw(own, u))(keys), axis=0)
        before, after = 1 - share[..., None], share[..., None]
        states = around(before * h, after * h)
        num = x.shape[1]
        return Hidden(
            cast(Quartic, self.visible.knot_readings(x, share)),
            -jnp.sum(states, axis=1) / num,
            -_outer(states, around(x, x)) / num,
            jnp.zeros_like(self.temperature),
            self.element,
        )

    def _levels(self, share: Array, x: Array) -> Array:
        """u of every sample and hidden oscillator, (C, B, H)."""
        field = between(self, Hidden.field, share, x)
        return field / self._temperatures(share)[..., None]

    def _pull(self, share: Array, h: Array) -> Array:
        return between(self, lambda knot, h: contract(h, knot.A), share, h)

    def _temperatures(self, share: Array) -> Array:
        first, last = self.temperature[:-1, None], self.temperature[1:, None]
        return first + share * (last - first)


class HiddenParameters(eqx.Module):
    """What is learned, without unit: a row a knot."""

    visible: Quartic
    c: Float[Array, "K H"]
    A: Float[Array, "K H n"]


class HiddenNetwork(AbstractNetwork):
    """Visible oscillators, hidden ones, and the springs between.

    `springs`, True for a hidden oscillator (rows) and a visible one with a spring
    between them; `pairs`, the visible i < j that are coupled, if any; `element`, what a
    hidden oscillator is. The hidden ones are as hot as the bath of the generation.
    """

    springs: Bool[Array, "H n"]
    pairs: Bool[Array, "n n"] | None = None
    element: AbstractElement = TwoState()

    @property
    def visible(self) -> QuarticNetwork:
        """The network without the hidden oscillators."""
        return QuarticNetwork(self.generation, self.knots, self.pairs)

    @checked
    def init(self, key: Key[Array, ""], x: Float[Array, "N n"]) -> HiddenParameters:
        """That of the visible, and springs at random, which balance at the data's mean.

        A~ is the same at all knots, normal with deviation SMALL_SPRING, and c = -alpha
        sum_i A_i mean_i.

        **Raises:** `ValueError` when `x` has no points, or other coordinates than
        `springs`.
        """
        check_points("x", x)
        visible = self.visible.init(key, x)
        knots = self.knots[:, None]
        alpha = self.generation.noising.decay(knots)
        s = self.generation.noising.spread(knots)
        A = SMALL_SPRING * jax.random.normal(key, self.springs.shape, x.dtype)
        A = jnp.where(self.springs, A, 0)
        balance = contract(A, jnp.mean(x, axis=0))[None, :]
        every = (self.knots.shape[0], *A.shape)
        return HiddenParameters(
            visible, -alpha / s * balance, jnp.broadcast_to(A, every)
        )

    @checked
    def potential(self, parameters: HiddenParameters) -> Hidden:
        """The potentials at the knots: A = kT' / s A~, c = kT' c~."""
        energy = jnp.asarray(self.generation.bath.temperature, parameters.c.dtype)
        s = self.generation.noising.spread(self.knots)[:, None, None]
        return Hidden(
            self.visible.potential(parameters.visible),
            energy * parameters.c,
            energy / s * jnp.where(self.springs, parameters.A, 0),
            jnp.broadcast_to(energy, self.knots.shape),
            self.element,
        )


def _stretch(knot: Hidden, moved: Array) -> Array:
    """By how much fields change when the visible oscillators move."""
    return contract(moved, knot.A.T)


def _outer(hidden: Array, visible: Array) -> Array:
    return sum_products("kba,kbi->kai", hidden, visible)
