"""Latent spaces: what a latent state z is, and how it is drawn given the field h.

A latent state is a row of L bits. The conditional p(z|x) depends on x only through the
field `h = w_bar @ (x - x_mean) + a_bar`, so every function here takes h. A new latent
space is a subclass of `AbstractLatent`, in a file of its own; nothing else in the
library asks what kind of space it is.
"""

from abc import abstractmethod
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from ._checks import check_count, check_settings, checked
from ._linear import contract, on_last_axis

__all__ = ["AbstractLatent", "Binary", "OneHot", "Score", "sample_latent"]

Score = Literal["paper", "exact"]
"""The two readings of z - mu in eq. 16c-d: eq. 15 to the letter, or the derivative."""


class AbstractLatent(eqx.Module):
    """A latent space of L units: six members say what it is, the rest follows.

    A subclass has the field `num_units`, L, and the abstract members. The others are
    right for every space whose S states can be listed; a subclass replaces one where it
    knows a faster way. Fields are static, so that a space is hashable.
    """

    num_units: eqx.AbstractVar[int]

    @property
    @abstractmethod
    def num_states(self) -> int:
        """S, the number of latent states."""

    @abstractmethod
    def states(self) -> Bool[Array, "S L"]:
        """All latent states, one a row; row k is the state with `index` k."""

    @abstractmethod
    def log_prob(
        self, h: Float[Array, "*b L"], z: Bool[Array, "*b L"]
    ) -> Float[Array, "*b"]:
        """ln p(z|x) in nats of the given states."""

    @abstractmethod
    def noise(self, uniforms: Float[Array, "*b U"]) -> Float[Array, "*b U"]:
        """What `draw` compares with the field, a function of uniforms in (0, 1).

        All that is costly in a draw and does not need the field, so that a chain can do
        it for many steps at once.
        """

    @abstractmethod
    def draw(
        self, noise: Float[Array, "*b U"], h: Float[Array, "*b L"]
    ) -> Bool[Array, "*b L"]:
        """z ~ p(z|x) as a deterministic function of the `noise` and the field."""

    @property
    def num_uniforms(self) -> int:
        """U, the uniform random numbers that one draw of z consumes: one a unit."""
        return self.num_units

    @property
    def enumerable(self) -> bool:
        """Whether S is small enough for tables with one row a state."""
        return True

    @property
    def exponential(self) -> bool:
        """Whether p(z|x) is proportional to exp(z^T h), as in the law of an RBM."""
        return False

    @property
    def absorbs_visible_bias(self) -> bool:
        """Whether eq. 20 makes the visible bias a redundant (it is then kept at 0)."""
        return False

    @checked
    def index(self, z: Bool[Array, "*b L"]) -> Int[Array, "*b"]:
        """The row of `states` that holds z."""
        states = self.states()
        shape = (*z.shape[:-1], *states.shape)
        same = jnp.broadcast_to(z[..., None, :], shape) == jnp.broadcast_to(
            states, shape
        )
        return jnp.argmax(jnp.all(same, axis=-1), axis=-1).astype(jnp.int32)

    @checked
    def sum_units(self, rows: Float[Array, "L D"]) -> Float[Array, "S D"]:
        """`states @ rows`: for each state, the sum over the units that are on."""
        return contract(self.states().astype(rows.dtype), rows)

    @checked
    def sum_states(self, rows: Float[Array, "S D"]) -> Float[Array, "L D"]:
        """`states.T @ rows`: for each unit, the sum over the states that have it on."""
        return contract(self.states().T.astype(rows.dtype), rows)

    @checked
    def log_probs(self, h: Float[Array, "*b L"]) -> Float[Array, "*b S"]:
        """ln p(z|x) in nats of every state."""
        states = self.states()
        shape = (*h.shape[:-1], *states.shape)
        return self.log_prob(
            jnp.broadcast_to(h[..., None, :], shape), jnp.broadcast_to(states, shape)
        )

    @checked
    def draw_index(
        self, noise: Float[Array, "*b U"], h: Float[Array, "*b L"]
    ) -> Int[Array, "*b"]:
        """The `index` of `draw`, which chains over enumerated states carry."""
        return self.index(self.draw(noise, h))

    @checked
    def mean(self, h: Float[Array, "*b L"]) -> Float[Array, "*b L"]:
        """E[z|x]."""
        probs = jnp.exp(self.log_probs(h))
        return contract(probs, self.states().astype(h.dtype))

    @checked
    def score(
        self, h: Float[Array, "*b L"], z: Bool[Array, "*b L"], reading: Score
    ) -> Float[Array, "*b L"]:
        """The factor z - mu of eq. 16c-d.

        `"paper"`: z - sigmoid(h), eq. 15 to the letter. `"exact"`: d ln p(z|x) / dh.
        """
        if reading == "paper":
            return z.astype(h.dtype) - jax.nn.sigmoid(h)
        return jax.grad(lambda h: jnp.sum(self.log_prob(h, z)))(h)


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

    def _log_weights(self, h: Float[Array, "*b L"]) -> Float[Array, "*b L"]:
        """ln p(b|x) up to a constant."""
        return jax.nn.log_sigmoid(h) if self.normalization == "sigmoid" else h


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
        return jnp.sum(z * on_last_axis(places, z), axis=-1, dtype=jnp.int32)

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


@checked
def sample_latent(
    latent: AbstractLatent, key: Key[Array, ""], h: Float[Array, "*b L"]
) -> Bool[Array, "*b L"]:
    """Draw z ~ p(z|x) with the field h (eq. 11, or eq. 19 for one-hot states)."""
    shape = (*h.shape[:-1], latent.num_uniforms)
    # The 8 bits of a bfloat16 would draw no state of probability below 1 / 256.
    dtype = jnp.promote_types(h.dtype, jnp.float32)
    # Not from 0, whose noise is infinite.
    uniforms = jax.random.uniform(key, shape, dtype, jnp.finfo(dtype).tiny)
    return latent.draw(latent.noise(uniforms), h)
