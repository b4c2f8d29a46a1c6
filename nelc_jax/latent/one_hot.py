"""The paper's latent space: one unit on at a time."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._checks import check_count, check_settings, checked
from .base import AbstractLatent, Score

__all__ = ["OneHot"]


class OneHot(AbstractLatent):
    """Latent states with exactly one bit on: S = L, index = the position of the bit.

    `normalization="sigmoid"` is the paper's eq. 19, p(b|x) = sigmoid(h_b) / sum_c
    sigmoid(h_c); `"softmax"` is eq. 9 restricted to one-hot states, p(b|x) ∝ exp(h_b).

    **Arguments:** `num_units`, L >= 1; `normalization`.

    **Raises:** `ValueError` for an L below 1 or an unknown normalisation.
    """

    num_units: int = eqx.field(static=True)
    normalization: Literal["sigmoid", "softmax"] = eqx.field(
        static=True, default="sigmoid"
    )

    def __check_init__(self):
        check_settings(self)
        check_count("num_units", self.num_units, 1, "latent unit")

    @property
    def num_states(self) -> int:
        """S = L."""
        return self.num_units

    @property
    def exponential(self) -> bool:
        """With the softmax; eq. 19 belongs to no joint law p(x, z)."""
        return self.normalization == "softmax"

    @property
    def absorbs_visible_bias(self) -> bool:
        """Eq. 20: a common bias is a shift of every column of w."""
        return True

    def states(self) -> Bool[Array, "S L"]:
        """The identity matrix."""
        return jnp.eye(self.num_units, dtype=bool)

    @checked
    def index(self, z: Bool[Array, "*b L"]) -> Int[Array, "*b"]:
        """The position of the bit that is on."""
        return jnp.argmax(z, axis=-1).astype(jnp.int32)

    @checked
    def sum_units(self, rows: Float[Array, "L D"]) -> Float[Array, "S D"]:
        """The rows themselves."""
        return rows

    @checked
    def sum_states(self, rows: Float[Array, "S D"]) -> Float[Array, "L D"]:
        """The rows themselves."""
        return rows

    @checked
    def natural(self, h: Float[Array, "*b L"]) -> Float[Array, "*b L"]:
        """ln p(b|x) up to a constant: ln sigmoid(h) for eq. 19, h for the softmax."""
        return jax.nn.log_sigmoid(h) if self.normalization == "sigmoid" else h

    @checked
    def log_probs(self, h: Float[Array, "*b L"]) -> Float[Array, "*b S"]:
        """ln p(b|x) of every b in nats (eq. 19, or eq. 9 on one-hot states)."""
        return jax.nn.log_softmax(self.natural(h), axis=-1)

    @checked
    def log_prob(
        self, h: Float[Array, "*b L"], z: Bool[Array, "*b L"]
    ) -> Float[Array, "*b"]:
        """ln p(z|x) in nats (eq. 19, or eq. 9 on one-hot states)."""
        return jnp.sum(jnp.where(z, self.log_probs(h), 0), axis=-1)

    @checked
    def noise(self, uniforms: Float[Array, "*b U"]) -> Float[Array, "*b U"]:
        """Standard Gumbel variables, -ln(-ln u)."""
        return -jnp.log(-jnp.log(uniforms))

    @checked
    def draw(
        self, noise: Float[Array, "*b U"], h: Float[Array, "*b L"]
    ) -> Bool[Array, "*b L"]:
        """The state of `draw_index`."""
        position = self.draw_index(noise, h)
        return jax.nn.one_hot(position, self.num_units, dtype=bool)

    @checked
    def draw_index(
        self, noise: Float[Array, "*b U"], h: Float[Array, "*b L"]
    ) -> Int[Array, "*b"]:
        """The state of largest ln p(b|x) + noise (the Gumbel-max trick)."""
        return jnp.argmax(self.natural(h) + noise, axis=-1).astype(jnp.int32)

    @checked
    def mean(self, h: Float[Array, "*b L"]) -> Float[Array, "*b L"]:
        """E[z|x], which is the probability of each state."""
        return jnp.exp(self.log_probs(h))

    @checked
    def score(
        self, h: Float[Array, "*b L"], z: Bool[Array, "*b L"], reading: Score
    ) -> Float[Array, "*b L"]:
        """The factor z - mu of eq. 16c-d.

        `"paper"`: z - sigmoid(h), eq. 15 to the letter. `"exact"`: z - softmax(h), or
        (1 - sigmoid(h)) (z - p_one) for eq. 19.
        """
        bits = z.astype(h.dtype)
        if reading == "paper":
            return bits - jax.nn.sigmoid(h)
        centred = bits - self.mean(h)
        if self.normalization == "sigmoid":
            centred = centred * jax.nn.sigmoid(-h)
        return centred
