"""What a latent state z is, and how it is drawn given the field h.

A latent state is a row of L bits, or of L numbers. The conditional p(z|x) depends on x
only through the field `h = w_bar @ (x - x_mean) + a_bar`, so every function here takes
h. A new latent space is a subclass of `AbstractLatent`, in a file of its own; nothing
else in the library asks what kind of space it is.
"""

from abc import abstractmethod
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from .._checks import checked
from .._linear import contract, working_dtype
from .._loops import vary_with

__all__ = ["AbstractLatent", "Score", "sample_latent"]

Score = Literal["paper", "exact"]
"""The two readings of z - mu in eq. 16c-d: eq. 15 to the letter, or the derivative."""


class AbstractLatent(eqx.Module):
    """A latent space of L units: six members say what it is, the rest follows.

    A subclass has the field `num_units`, L, and the abstract members. The others are
    right for every space whose S states can be listed; a subclass replaces one where it
    knows a faster way. Fields are static, so that a space is hashable.

    **Raises:** `ValueError` from `natural` where it is not known.
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
        self, h: Float[Array, "*b L"], z: Shaped[Array, "*b L"]
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
    ) -> Shaped[Array, "*b L"]:
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
    def natural(self, h: Float[Array, "*b L"]) -> Float[Array, "*b L"]:
        """eta of ln p(z|x) = z^T eta(h) + terms of z alone + terms of x alone.

        **Raises:** `ValueError` where neither `exponential`, for which it is h, nor a
        method of this name says so.
        """
        if not self.exponential:
            raise ValueError(
                f"latent={self}: expected ln p(z|x) of the form z^T eta(h) + b(z) + "
                "c(x), with eta as the method `natural`"
            )
        return h

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
        self, h: Float[Array, "*b L"], z: Shaped[Array, "*b L"], reading: Score
    ) -> Float[Array, "*b L"]:
        """The factor z - mu of eq. 16c-d.

        `"paper"`: z - sigmoid(h), eq. 15 to the letter. `"exact"`: d ln p(z|x) / dh.
        """
        if reading == "paper":
            return z.astype(h.dtype) - jax.nn.sigmoid(h)
        h = vary_with(h, z)
        return jax.grad(lambda h: jnp.sum(self.log_prob(h, z)))(h)


@checked
def sample_latent(
    latent: AbstractLatent, key: Key[Array, ""], h: Float[Array, "*b L"]
) -> Shaped[Array, "*b L"]:
    """Draw z ~ p(z|x) with the field h (eq. 11, or eq. 19 for one-hot states)."""
    shape = (*h.shape[:-1], latent.num_uniforms)
    # The 8 bits of a bfloat16 would draw no state of probability below 1 / 256.
    dtype = working_dtype(h.dtype)
    # Not from 0, whose noise is infinite.
    uniforms = jax.random.uniform(key, shape, dtype, jnp.finfo(dtype).tiny)
    return latent.draw(latent.noise(uniforms), h.astype(dtype))
