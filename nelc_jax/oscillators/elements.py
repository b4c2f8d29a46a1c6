"""Hidden elements: what a fast bistable oscillator does in a field.

All in units of the element's own thermal energy: with u = field / kT its state h has
the density exp(u h - U(h) / kT) / Z(u), and m(u) = d ln Z / du is its thermal mean.
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from .._checks import check_settings, check_values, checked
from .._linear import contract, on_last_axis

__all__ = ["AbstractElement", "QuarticWell", "TwoState"]

NODES = 33
"""States of a well that are summed over."""

FIRMEST = 60.0
"""The force of a well, in kT a length, where the outermost of them is."""


class AbstractElement(eqx.Module):
    """A hidden element; its fields are static settings."""

    @abc.abstractmethod
    def log_partition(self, u: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """ln Z(u), but for a constant, in nats."""

    @abc.abstractmethod
    def mean(self, u: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """m(u), the thermal mean of h."""

    @abc.abstractmethod
    def response(self, u: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """dm / du, which is also the variance of h."""

    @abc.abstractmethod
    def draw(self, key: Key[Array, ""], u: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """One state h of each element, in equilibrium."""


class TwoState(AbstractElement):
    """h = 1 or -1: m = tanh u."""

    @checked
    def log_partition(self, u: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """ln 2 cosh u."""
        return jnp.logaddexp(u, -u)

    @checked
    def mean(self, u: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """tanh u."""
        return jnp.tanh(u)

    @checked
    def response(self, u: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """1 - tanh^2 u."""
        return 1 - jnp.square(jnp.tanh(u))

    @checked
    def draw(self, key: Key[Array, ""], u: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """1 with probability 1 / (1 + exp(-2 u)), else -1."""
        uniforms = jax.random.uniform(key, u.shape, u.dtype)
        return jnp.where(uniforms < jax.nn.sigmoid(2 * u), 1, -1).astype(u.dtype)


class QuarticWell(AbstractElement):
    """An oscillator with U(h) / kT = stiffness h^2 / 2 + quartic h^4 / 4.

    With `stiffness` < 0 it has two wells, at +- sqrt(-stiffness / quartic). The
    integrals over h are sums over NODES states, which for wells a few kT deep is exact
    to 1e-4 or better (the trapezoidal rule).

    **Raises:** `ValueError` for a `quartic` that is not positive.
    """

    stiffness: float = eqx.field(static=True, default=-8.0)
    quartic: float = eqx.field(static=True, default=8.0)

    def __check_init__(self):
        check_settings(self)
        check_values("quartic", self.quartic, lambda v: v > 0, "a positive number")

    @checked
    def log_partition(self, u: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """The logarithm of the sum over the states."""
        return jax.nn.logsumexp(self._exponents(u), axis=-1)

    @checked
    def mean(self, u: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """The mean state."""
        return self._moment(u, 1)

    @checked
    def response(self, u: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """The variance of the state."""
        return self._moment(u, 2) - jnp.square(self._moment(u, 1))

    @checked
    def draw(self, key: Key[Array, ""], u: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """One of the states."""
        chosen = jax.random.categorical(key, self._exponents(u))
        return jnp.asarray(self._states, u.dtype)[chosen]

    @checked
    def push(self, h: Float[Array, "*b"], u: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """u - d(U / kT) / dh, what moves a state h, in units of kT."""
        return u - self.stiffness * h - self.quartic * h * jnp.square(h)

    @property
    def _states(self) -> np.ndarray:
        roots = np.roots([self.quartic, 0, self.stiffness, -FIRMEST])
        outermost = np.max(roots[np.isreal(roots)].real)
        return np.linspace(-outermost, outermost, NODES)

    def _exponents(self, u: Array) -> Array:
        square = np.square(self._states)
        own = self.stiffness * square / 2 + self.quartic * np.square(square) / 4
        u = jnp.broadcast_to(u[..., None], (*u.shape, NODES))
        h, own = (jnp.asarray(row, u.dtype) for row in (self._states, own))
        return u * on_last_axis(h, u) - on_last_axis(own, u)

    def _moment(self, u: Array, order: int) -> Array:
        weights = jax.nn.softmax(self._exponents(u), axis=-1)
        return contract(weights, jnp.asarray(self._states**order, u.dtype))
