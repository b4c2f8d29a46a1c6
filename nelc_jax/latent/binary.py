"""The latent space of eq. 11: independent bits."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._checks import check_count, check_settings, checked
from .._linear import on_last_axis
from .base import AbstractLatent, Score

__all__ = ["Binary"]


class Binary(AbstractLatent):
    """Latent states with L independent bits: S = 2^L, p(z_b = 1|x) = sigmoid(h_b).

    Eq. 11. The index of a state reads its bits as a binary number, first bit lowest.

    **Arguments:** `num_units`, L >= 1; `enumerate_up_to`, the largest S of which tables
    with one row a state are made; larger spaces are sampled.

    **Raises:** `ValueError` for numbers below 1, and from `states` and `log_probs` when
    S exceeds `enumerate_up_to`.
    """

    num_units: int = eqx.field(static=True)
    enumerate_up_to: int = eqx.field(static=True, default=256)

    def __check_init__(self):
        check_settings(self)
        check_count("num_units", self.num_units, 1, "latent unit")
        check_count("enumerate_up_to", self.enumerate_up_to, 1, "state")

    @property
    def num_states(self) -> int:
        """S = 2^L."""
        return 2**self.num_units

    @property
    def enumerable(self) -> bool:
        """Whether 2^L is at most `enumerate_up_to`."""
        return self.num_states <= self.enumerate_up_to

    @property
    def exponential(self) -> bool:
        """Always: the sigmoid is that of exp(z h)."""
        return True

    def states(self) -> Bool[Array, "S L"]:
        """Row k holds the binary digits of k."""
        self._require_enumerable()
        codes = jnp.arange(self.num_states)[:, None]
        return (codes >> jnp.arange(self.num_units)[None]) & 1 == 1

    @checked
    def index(self, z: Bool[Array, "*b L"]) -> Int[Array, "*b"]:
        """The number whose binary digits are z."""
        self._require_enumerable()
        places = jnp.int32(1) << jnp.arange(self.num_units, dtype=jnp.int32)
        bits = jnp.where(z, on_last_axis(places, z), 0)
        return jnp.sum(bits, axis=-1, dtype=jnp.int32)

    @checked
    def log_prob(
        self, h: Float[Array, "*b L"], z: Bool[Array, "*b L"]
    ) -> Float[Array, "*b"]:
        """ln p(z|x) in nats (eq. 11)."""
        return jnp.sum(jax.nn.log_sigmoid(jnp.where(z, h, -h)), axis=-1)

    @checked
    def noise(self, uniforms: Float[Array, "*b U"]) -> Float[Array, "*b U"]:
        """Standard logistic variables, ln u - ln(1 - u)."""
        return jnp.log(uniforms) - jnp.log1p(-uniforms)

    @checked
    def draw(
        self, noise: Float[Array, "*b U"], h: Float[Array, "*b L"]
    ) -> Bool[Array, "*b L"]:
        """Each bit is on where its field exceeds the noise."""
        return h > noise

    @checked
    def mean(self, h: Float[Array, "*b L"]) -> Float[Array, "*b L"]:
        """E[z|x] (eq. 15)."""
        return jax.nn.sigmoid(h)

    @checked
    def score(
        self, h: Float[Array, "*b L"], z: Bool[Array, "*b L"], reading: Score
    ) -> Float[Array, "*b L"]:
        """z - sigmoid(h) (eq. 13c-d): here the two readings are the same."""
        return z.astype(h.dtype) - jax.nn.sigmoid(h)

    def _require_enumerable(self):
        if not self.enumerable:
            raise ValueError(
                f"num_units={self.num_units}: expected at most {self.enumerate_up_to} "
                f"latent states (enumerate_up_to), not 2^{self.num_units}; others are "
                "sampled, not enumerated"
            )
