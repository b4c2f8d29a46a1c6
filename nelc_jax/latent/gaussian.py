"""A continuous latent space: normal variables of unit width."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._checks import check_count, check_settings, checked
from .base import AbstractLatent, Score

__all__ = ["Gaussian"]


class Gaussian(AbstractLatent):
    """Latent states of L real numbers, z ~ N(h, 1).

    Another width is no other model: it is a scale of the rows of w_bar and a_bar, and
    the inverse one of the columns of w. What is left is a rotation of z, w -> w O and
    w_bar -> O^T w_bar, which changes no law of x. States are sampled, never listed:
    what needs a table of them (M, p_bar, relaxation times) refuses.

    **Arguments:** `num_units`, L >= 1.

    **Raises:** `ValueError` for an L below 1, and from what needs `states`.
    """

    num_units: int = eqx.field(static=True)

    def __check_init__(self):
        check_settings(self)
        check_count("num_units", self.num_units, 1, "latent unit")

    @property
    def num_states(self) -> int:
        """None that could be counted: there is no S, and arrays of S rows are refused.

        **Raises:** `AttributeError`, so that nothing takes it for a size.
        """
        raise AttributeError(f"latent={self}: has no num_states, it is continuous")

    @property
    def enumerable(self) -> bool:
        """Never."""
        return False

    def states(self) -> Bool[Array, "S L"]:
        """None.

        **Raises:** `ValueError`.
        """
        raise ValueError(
            f"latent={self}: expected a latent space that can be enumerated; this one "
            "is continuous, and sampled along a chain"
        )

    @checked
    def log_prob(
        self, h: Float[Array, "*b L"], z: Float[Array, "*b L"]
    ) -> Float[Array, "*b"]:
        """ln of the density of z, in nats."""
        squares = jnp.sum((z - h) ** 2, axis=-1)
        return -0.5 * (squares + self.num_units * math.log(2 * math.pi))

    @checked
    def noise(self, uniforms: Float[Array, "*b U"]) -> Float[Array, "*b U"]:
        """Standard normal variables, by the inverse of their distribution function."""
        return math.sqrt(2) * jax.lax.erf_inv(2 * uniforms - 1)

    @checked
    def draw(
        self, noise: Float[Array, "*b U"], h: Float[Array, "*b L"]
    ) -> Float[Array, "*b L"]:
        """The field plus the noise."""
        return h + noise

    @checked
    def mean(self, h: Float[Array, "*b L"]) -> Float[Array, "*b L"]:
        """E[z|x], the field."""
        return h

    @checked
    def natural(self, h: Float[Array, "*b L"]) -> Float[Array, "*b L"]:
        """h: ln p(z|x) = z^T h - z^2 / 2 - h^2 / 2 and a constant."""
        return h

    @checked
    def score(
        self, h: Float[Array, "*b L"], z: Float[Array, "*b L"], reading: Score
    ) -> Float[Array, "*b L"]:
        """z - h, the derivative of ln p(z|x): the two readings are the same."""
        return z - h
