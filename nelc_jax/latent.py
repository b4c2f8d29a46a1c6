"""Latent spaces: what a latent state z is, and how it is drawn given the field h.

A latent state is a row of L bits. The conditional p(z|x) depends on x only through the
field `h = w_bar @ (x - x_mean) + a_bar`, so every function here takes h. A new latent
space is a new class with the attributes of `latent_space.Latent`.
"""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from .annotations import check_settings, checked
from .checks import check_count
from .latent_space import Latent, Score
from .linear import contract, on_last_axis

MAX_ENUMERATED = 256
"""Latent spaces of at most this many states are enumerated, larger ones sampled."""


class OneHot(eqx.Module):
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
    def num_uniforms(self) -> int:
        """One uniform a state."""
        return self.num_units

    @checked
    def noise(self, uniforms: Float[Array, "*b U"]) -> Float[Array, "*b U"]:
        """Standard Gumbel variables, -ln(-ln u)."""
        return -jnp.log(-jnp.log(uniforms))

    @property
    def enumerable(self) -> bool:
        """Always."""
        return True

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
    def log_probs(self, h: Float[Array, "*b L"]) -> Float[Array, "*b S"]:
        """ln p(b|x) of every b in nats (eq. 19, or eq. 9 on one-hot states)."""
        return jax.nn.log_softmax(self._log_weights(h), axis=-1)

    @checked
    def log_prob(
        self, h: Float[Array, "*b L"], z: Bool[Array, "*b L"]
    ) -> Float[Array, "*b"]:
        """ln p(z|x) in nats (eq. 19, or eq. 9 on one-hot states)."""
        return jnp.sum(jnp.where(z, self.log_probs(h), 0), axis=-1)

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
        return jnp.argmax(self._log_weights(h) + noise, axis=-1).astype(jnp.int32)

    @checked
    def mean(self, h: Float[Array, "*b L"]) -> Float[Array, "*b L"]:
        """E[z|x], which is the probability of each state."""
        return jnp.exp(self.log_probs(h))

    @checked
    def score(
        self, h: Float[Array, "*b L"], z: Bool[Array, "*b L"], reading: Score
    ) -> Float[Array, "*b L"]:
        """The factor z - mu of eq. 16c-d.

        `"paper"`: z - sigmoid(h), eq. 15 to the letter. `"exact"`: d ln p(z|x) / dh,
        which is z - softmax(h), or (1 - sigmoid(h)) (z - p_one) for eq. 19.
        """
        bits = z.astype(h.dtype)
        if reading == "paper":
            return bits - jax.nn.sigmoid(h)
        centred = bits - self.mean(h)
        if self.normalization == "sigmoid":
            centred = centred * jax.nn.sigmoid(-h)
        return centred

    def _log_weights(self, h: Float[Array, "*b L"]) -> Float[Array, "*b L"]:
        """ln p(b|x) up to a constant."""
        return jax.nn.log_sigmoid(h) if self.normalization == "sigmoid" else h


class Binary(eqx.Module):
    """Latent states with L independent bits: S = 2^L, p(z_b = 1|x) = sigmoid(h_b).

    Eq. 11. The index of a state reads its bits as a binary number, first bit lowest.

    **Arguments:** `num_units`, L >= 1.

    **Raises:** `ValueError` for an L below 1, and from `states` and `log_probs` when
    S exceeds `MAX_ENUMERATED`.
    """

    num_units: int = eqx.field(static=True)

    def __check_init__(self):
        check_settings(self)
        check_count("num_units", self.num_units, 1, "latent unit")

    @property
    def num_states(self) -> int:
        """S = 2^L."""
        return 2**self.num_units

    @property
    def num_uniforms(self) -> int:
        """One uniform a unit."""
        return self.num_units

    @checked
    def noise(self, uniforms: Float[Array, "*b U"]) -> Float[Array, "*b U"]:
        """Standard logistic variables, ln u - ln(1 - u)."""
        return jnp.log(uniforms) - jnp.log1p(-uniforms)

    @property
    def enumerable(self) -> bool:
        """Whether 2^L is at most `MAX_ENUMERATED`."""
        return self.num_states <= MAX_ENUMERATED

    @property
    def absorbs_visible_bias(self) -> bool:
        """No: z = 0 has no column of w."""
        return False

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
        return jnp.sum(z * on_last_axis(places, z), axis=-1, dtype=jnp.int32)

    @checked
    def sum_units(self, rows: Float[Array, "L D"]) -> Float[Array, "S D"]:
        """For each state, the sum of rows over the units that are on."""
        return contract(self.states().astype(rows.dtype), rows)

    @checked
    def sum_states(self, rows: Float[Array, "S D"]) -> Float[Array, "L D"]:
        """For each unit, the sum of rows over the states that have it on."""
        return contract(self.states().T.astype(rows.dtype), rows)

    @checked
    def log_probs(self, h: Float[Array, "*b L"]) -> Float[Array, "*b S"]:
        """ln p(z|x) of every state in nats (eq. 11)."""
        states = self.states()
        shape = (*h.shape[:-1], *states.shape)
        return self.log_prob(
            jnp.broadcast_to(h[..., None, :], shape), jnp.broadcast_to(states, shape)
        )

    @checked
    def log_prob(
        self, h: Float[Array, "*b L"], z: Bool[Array, "*b L"]
    ) -> Float[Array, "*b"]:
        """ln p(z|x) in nats (eq. 11)."""
        return jnp.sum(jax.nn.log_sigmoid(jnp.where(z, h, -h)), axis=-1)

    @checked
    def draw(
        self, noise: Float[Array, "*b U"], h: Float[Array, "*b L"]
    ) -> Bool[Array, "*b L"]:
        """Each bit is on where its field exceeds the noise."""
        return h > noise

    @checked
    def draw_index(
        self, noise: Float[Array, "*b U"], h: Float[Array, "*b L"]
    ) -> Int[Array, "*b"]:
        """The index of `draw`."""
        return self.index(self.draw(noise, h))

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
                f"num_units={self.num_units}: expected at most {MAX_ENUMERATED} latent "
                f"states, not 2^{self.num_units}; others are sampled, not enumerated"
            )


@checked
def sample_latent(
    latent: Latent, key: Key[Array, ""], h: Float[Array, "*b L"]
) -> Bool[Array, "*b L"]:
    """Draw z ~ p(z|x) with the field h (eq. 11, or eq. 19 for one-hot states)."""
    shape = (*h.shape[:-1], latent.num_uniforms)
    # The 8 bits of a bfloat16 would draw no state of probability below 1 / 256.
    dtype = jnp.promote_types(h.dtype, jnp.float32)
    # Not from 0, whose noise is infinite.
    uniforms = jax.random.uniform(key, shape, dtype, jnp.finfo(dtype).tiny)
    return latent.draw(latent.noise(uniforms), h)
