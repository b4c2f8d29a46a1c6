"""A network: who is coupled to whom, and what it has to learn between which times."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, PyTree

from .._checks import check_count, check_times, check_values, checked
from .diffusion import Generation
from .potential import AbstractPotential, Protocol

__all__ = ["AbstractNetwork", "all_to_all", "box_lattice", "lattice"]


class AbstractNetwork(eqx.Module):
    """What training does not change, and how parameters become potentials.

    `generation`; `knots`, the decreasing noising times, from `latest` to `earliest`, at
    which the potential is learned. A family of potentials adds its own fields. The
    parameters are those of a potential as numbers without unit, with a leading axis
    over the knots: a tree of arrays that optax takes as it is.

    **Raises:** `ValueError` for known knots that do not decrease.
    """

    generation: Generation
    knots: Float[Array, " K"]

    def __check_init__(self):
        if isinstance(self.knots, np.ndarray | jax.Array):
            check_times("knots", self.knots, 2, "decreasing")

    @abc.abstractmethod
    def init(self, key: Key[Array, ""], x: Float[Array, "N n"]) -> PyTree:
        """The parameters before training on data x, those that are random by `key`."""

    @abc.abstractmethod
    def potential(self, parameters: PyTree) -> AbstractPotential:
        """The potentials at the knots."""

    @checked
    def protocol(self, parameters: PyTree) -> Protocol:
        """The driving protocol, in protocol time, of the parameters."""
        times = self.generation.protocol_time(self.knots)
        return Protocol(times, self.potential(parameters))

    @checked
    def times_between(self, share: Float[Array, "C B"]) -> Float[Array, "C B"]:
        """The noising times at a share of the C = K - 1 intervals between knots."""
        return self.knots[:-1, None] + share * jnp.diff(self.knots)[:, None]

    @property
    def stiffness_unit(self) -> Float[Array, " K"]:
        """(c kT + kT') / s^2 at the knots, how steep forces are there."""
        s = self.generation.noising.spread(self.knots)
        return self.generation.score_weight / jnp.square(s)

    @property
    def length_unit(self) -> Float[Array, ""]:
        """l = sqrt(kT / kappa), the deviation of the trap's equilibrium."""
        noising = self.generation.noising
        return jnp.sqrt(jnp.asarray(noising.bath.temperature / noising.stiffness))


@checked
def all_to_all(num: int) -> Bool[np.ndarray, "n n"]:
    """The pairs i < j of a network in which every two oscillators are coupled.

    **Raises:** `ValueError` for a `num` below 1.
    """
    check_count("num", num, 1, "oscillator")
    return np.triu(np.ones((num, num), bool), 1)


@checked
def lattice(rows: int, columns: int, radius: float) -> Bool[np.ndarray, "n n"]:
    """The pairs i < j of a square lattice at a distance of at most `radius` sites.

    Oscillators are numbered row by row; the lattice ends at its edges.

    **Raises:** `ValueError` for no row or column, or a negative radius.
    """
    check_count("rows", rows, 1, "row")
    check_count("columns", columns, 1, "column")
    check_values("radius", radius, lambda v: v >= 0, "a distance, not negative")
    sites = np.indices((rows, columns)).reshape(2, -1).T
    squared = np.sum((sites[:, None] - sites[None]) ** 2, axis=-1)
    return np.triu(squared <= radius**2, 1)


@checked
def box_lattice(rows: int, columns: int, reach: int) -> Bool[np.ndarray, "n n"]:
    """The pairs i < j of a square lattice at most `reach` rows and columns apart.

    Chebyshev's distance, where `lattice` has Euclid's.

    **Raises:** `ValueError` for no row or column, or a negative reach.
    """
    check_count("rows", rows, 1, "row")
    check_count("columns", columns, 1, "column")
    check_count("reach", reach, 0, "site")
    sites = np.indices((rows, columns)).reshape(2, -1).T
    apart = np.max(np.abs(sites[:, None] - sites[None]), axis=-1)
    return np.triu(apart <= reach, 1)
