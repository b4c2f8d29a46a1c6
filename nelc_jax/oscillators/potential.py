"""Potentials, one family of them a class, and protocols: potentials in time."""

import abc
from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from .._checks import check_times, checked
from .diffusion import Generation

__all__ = ["AbstractLinearPotential", "AbstractPotential", "Protocol"]

Potential = TypeVar("Potential", bound="AbstractPotential")


class AbstractPotential(eqx.Module):
    """An energy V of the positions x of n oscillators: a family of potentials.

    All arrays are parameters, and may have a leading axis over the K knots of a
    protocol. Between two knots the parameters change linearly.
    """

    @property
    @abc.abstractmethod
    def num_oscillators(self) -> int:
        """n."""

    @abc.abstractmethod
    def energy(self, x: Float[Array, " n"]) -> Float[Array, ""]:
        """V(x), an energy, of one potential."""

    @abc.abstractmethod
    def force(self, x: Float[Array, " n"]) -> Float[Array, " n"]:
        """F = -grad V(x), of one potential."""

    @abc.abstractmethod
    def scaled(
        self, ratio: Float[Array, ""], stiffness: Float[Array, ""]
    ) -> "AbstractPotential":
        """The potential `ratio` V(x) + `stiffness` |x|^2 / 2."""

    @abc.abstractmethod
    def forces_between(
        self, share: Float[Array, "C B"], x: Float[Array, "C B n"]
    ) -> Float[Array, "C B n"]:
        """Forces in the C = K - 1 intervals between knots, at a share of their length.

        **Raises:** `ValueError` for knots that are not one more than the intervals.
        """

    @abc.abstractmethod
    def knot_gradient(
        self,
        x: Float[Array, "C B n"],
        error: Float[Array, "C B n"],
        share: Float[Array, "C B"],
    ) -> "AbstractPotential":
        """The gradient of sum_C mean_B 1/2 |error|^2 for the parameters at all knots.

        **Arguments:** positions `x`; `error`, the force there less its target, with a
        weight of each sample if there is one; the `share` of the interval.
        """

    @abc.abstractmethod
    def knot_readings(
        self,
        x: Float[Array, "C B n"],
        share: Float[Array, "C B"],
        key: Key[Array, ""] | None = None,
        flips: int = 1,
    ) -> "AbstractPotential":
        """sum_C mean_B of dV / d(parameter), what each element reads of itself at x.

        **Arguments:** positions `x` at which the oscillators are held; the `share` of
        the interval; `key`, for `flips` random states of hidden elements in each
        reading, or none for their thermal means.
        """

    @checked
    def knot_contrast(
        self,
        x: Float[Array, "C B n"],
        error: Float[Array, "C B n"],
        share: Float[Array, "C B"],
        beta: Float[Array, ""] | float,
        key: Key[Array, ""] | None = None,
        flips: int = 1,
    ) -> "AbstractPotential":
        """`knot_gradient` by two holds, at x + beta error / 2 and x - beta error / 2.

        Minus the difference of what each element reads in them, over beta; right to
        order beta^2.

        **Arguments:** as `knot_gradient` and `knot_readings`; `beta`, by which the
        error becomes a displacement.
        """
        keys = (None, None) if key is None else jax.random.split(key)
        moved = beta * error / 2
        ahead = self.knot_readings(x + moved, share, keys[0], flips)
        back = self.knot_readings(x - moved, share, keys[1], flips)
        return jax.tree.map(lambda a, b: -(a - b) / beta, ahead, back)


class AbstractLinearPotential(AbstractPotential):
    """A family of potentials that are linear in their parameters, as forces then are.

    The force at a time between two knots is the mean of the forces of both, and a
    sample counts for each knot in proportion to that knot's part in the potential.

    **Raises:** by `forces_between`, `ValueError` for knots that are not one more than
    the intervals.
    """

    @abc.abstractmethod
    def local_gradient(
        self, x: Float[Array, "B n"], error: Float[Array, "B n"]
    ) -> "AbstractLinearPotential":
        """The gradient of mean 1/2 |error|^2, error = force - target, of one potential.

        Every entry is a mean over what one element sees.

        **Arguments:** positions `x`; `error`, with a weight of each sample if there is
        one.

        **Raises:** `ValueError` when `x` has no points.
        """

    @abc.abstractmethod
    def readings(
        self, x: Float[Array, "B n"], weight: Float[Array, " B"]
    ) -> "AbstractLinearPotential":
        """The mean of weight dV / d(parameter) of one potential.

        **Arguments:** positions `x`; the `weight` of each sample.

        **Raises:** `ValueError` when `x` has no points.
        """

    @checked
    def forces_between(
        self, share: Float[Array, "C B"], x: Float[Array, "C B n"]
    ) -> Float[Array, "C B n"]:
        """The weighted mean of the forces of the potentials at both knots."""
        return between(self, lambda knot, x: jax.vmap(knot.force)(x), share, x)

    @checked
    def knot_gradient(
        self,
        x: Float[Array, "C B n"],
        error: Float[Array, "C B n"],
        share: Float[Array, "C B"],
    ) -> "AbstractLinearPotential":
        """`local_gradient` at every knot, from the intervals on both of its sides."""
        share = share[..., None]
        parts = around((1 - share) * error, share * error)
        gradient = jax.vmap(lambda knot, x, error: knot.local_gradient(x, error))(
            self, around(x, x), parts
        )
        # A mean over the points of two intervals, where that over one is meant.
        return jax.tree.map(lambda mean: 2 * mean, gradient)

    @checked
    def knot_readings(
        self,
        x: Float[Array, "C B n"],
        share: Float[Array, "C B"],
        key: Key[Array, ""] | None = None,
        flips: int = 1,
    ) -> "AbstractLinearPotential":
        """`readings` at every knot: there is nothing hidden to draw."""
        del key, flips
        weights = around((1 - share)[..., None], share[..., None])[..., 0]
        read = jax.vmap(lambda knot, x, weight: knot.readings(x, weight))(
            self, around(x, x), weights
        )
        return jax.tree.map(lambda mean: 2 * mean, read)


class Protocol(eqx.Module):
    """A driving protocol: the potentials at the `times`, linear in time between them.

    `times`, increasing; `potential`, with a leading axis over them.

    **Raises:** `ValueError` for fewer than two times, or known ones that do not
    increase.
    """

    times: Float[Array, " K"]
    potential: AbstractPotential

    def __check_init__(self):
        if isinstance(self.times, np.ndarray | jax.Array):
            check_times("times", self.times, 2)

    @checked
    def at(self, time: Float[Array, ""]) -> AbstractPotential:
        """The potential at a protocol time, that of the nearer end outside the range.

        **Raises:** `ValueError` for a protocol whose potentials are not one a time.
        """
        # Arrays of NumPy cannot be indexed by what is traced.
        potential, times = jax.tree.map(jnp.asarray, (self.potential, self.times))
        for leaf in jax.tree.leaves(potential):
            if leaf.shape[:1] != times.shape:
                raise ValueError(
                    f"potential has an array of shape {leaf.shape}: expected a "
                    f"potential for each of the times of shape {times.shape}"
                )
        last = times.shape[0] - 2
        cell = jnp.clip(jnp.searchsorted(times, time, side="right") - 1, 0, last)
        share = (time - times[cell]) / (times[cell + 1] - times[cell])
        share = jnp.clip(share, 0, 1)

        def between(knots: Array) -> Array:
            return (1 - share) * knots[cell] + share * knots[cell + 1]

        return jax.tree.map(between, potential)

    @checked
    def at_pace(self, old: Generation, new: Generation) -> "Protocol":
        """The protocol for another bath or duration, as well learned as this one.

        The score in F = c kappa x + (c kT + kT') score stays what it was: with r the
        ratio of new to old c kT + kT', V grows by r, but for the outward force, whose
        c kappa is replaced: V' = r V + (r c - c') kappa |x|^2 / 2.

        **Arguments:** `old`, which this protocol is for; `new`, which undoes the same
        noising.
        """
        ratio = new.score_weight / old.score_weight
        before, after = (g.pace * g.noising.stiffness for g in (old, new))
        potential = self.potential.scaled(ratio, ratio * before - after)
        return Protocol(new.protocol_time(old.noising_time(self.times)), potential)


def between(
    knots: Potential,
    linear: Callable[[Potential, Array], Array],
    share: Float[Array, "C B"],
    x: Float[Array, "C B n"],
) -> Float[Array, "C B m"]:
    """`linear(knot, x)`, linear in the parameters of the knot, at times between knots.

    **Arguments:** potentials at the `knots`; `linear`, of one of them and rows
    (2 B, n); the `share` of the interval; rows `x`.

    **Raises:** `ValueError` for knots that are not one more than the intervals.
    """
    num_knots = jax.tree.leaves(knots)[0].shape[0]
    if num_knots != len(x) + 1:
        raise ValueError(
            f"{num_knots} potentials: expected them at {len(x) + 1} knots, the "
            f"ends of {len(x)} intervals"
        )
    at_knots = jax.vmap(linear)(knots, around(x, x))
    num = x.shape[1]
    first, last = at_knots[:-1, :num], at_knots[1:, num:]
    return first + share[..., None] * (last - first)


def around(
    after: Float[Array, "C B n"], before: Float[Array, "C B n"]
) -> Float[Array, "C+1 2*B n"]:
    """Samples of the interval after and of that before each knot; zeros at the ends.

    One product of matrices a knot serves both.
    """
    none = jnp.zeros_like(after[:1])
    pairs = jnp.concatenate([after, none]), jnp.concatenate([none, before])
    return jnp.concatenate(pairs, axis=1)
