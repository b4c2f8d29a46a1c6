"""What the library asks of a latent space: the protocol that `latent` fulfils twice."""

from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Array, Bool, Float, Int

Score = Literal["paper", "exact"]
"""The two readings of z - mu in eq. 16c-d: eq. 15 to the letter, or the derivative."""


@runtime_checkable
class Latent(Protocol):
    """What the rest of the library asks of a latent space with L units."""

    @property
    def num_units(self) -> int:
        """L, the number of bits of a latent state."""
        ...

    @property
    def num_states(self) -> int:
        """S, the number of latent states."""
        ...

    @property
    def num_uniforms(self) -> int:
        """U, the uniform random numbers that one draw of z consumes."""
        ...

    @property
    def enumerable(self) -> bool:
        """Whether S is small enough for tables with one row a state."""
        ...

    @property
    def absorbs_visible_bias(self) -> bool:
        """Whether eq. 20 makes the visible bias a redundant (it is then kept at 0)."""
        ...

    def states(self) -> Bool[Array, "S L"]:
        """All latent states, one a row; row k is the state with `index` k."""
        ...

    def index(self, z: Bool[Array, "*b L"]) -> Int[Array, "*b"]:
        """The row of `states` that holds z."""
        ...

    def sum_units(self, rows: Float[Array, "L D"]) -> Float[Array, "S D"]:
        """`states @ rows`: for each state, the sum over the units that are on."""
        ...

    def sum_states(self, rows: Float[Array, "S D"]) -> Float[Array, "L D"]:
        """`states.T @ rows`: for each unit, the sum over the states that have it on."""
        ...

    def log_probs(self, h: Float[Array, "*b L"]) -> Float[Array, "*b S"]:
        """ln p(z|x) in nats of every state."""
        ...

    def log_prob(
        self, h: Float[Array, "*b L"], z: Bool[Array, "*b L"]
    ) -> Float[Array, "*b"]:
        """ln p(z|x) in nats of the given states."""
        ...

    def noise(self, uniforms: Float[Array, "*b U"]) -> Float[Array, "*b U"]:
        """What `draw` compares with the field, a function of uniforms in (0, 1).

        All that is costly in a draw and does not need the field, so that a chain can do
        it for many steps at once.
        """
        ...

    def draw(
        self, noise: Float[Array, "*b U"], h: Float[Array, "*b L"]
    ) -> Bool[Array, "*b L"]:
        """z as a deterministic function of the `noise` and the field."""
        ...

    def draw_index(
        self, noise: Float[Array, "*b U"], h: Float[Array, "*b L"]
    ) -> Int[Array, "*b"]:
        """The `index` of `draw`, which chains over enumerated states carry."""
        ...

    def mean(self, h: Float[Array, "*b L"]) -> Float[Array, "*b L"]:
        """E[z|x]."""
        ...

    def score(
        self, h: Float[Array, "*b L"], z: Bool[Array, "*b L"], reading: Score
    ) -> Float[Array, "*b L"]:
        """d ln p(z|x) / dh, in one of the two readings."""
        ...
