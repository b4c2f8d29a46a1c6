"""The missing half of a digit: the upper one is held while the lower is generated."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from experiments.oscillators.evaluation import Evaluation
from experiments.oscillators.tables import Columns, means
from nelc_jax import ensemble
from nelc_jax.oscillators import Generation, Protocol, drive, hold, refine


def upper_half(side: int) -> np.ndarray:
    """True for the pixels of the upper rows."""
    return np.arange(side**2) < side * (side // 2)


def complete(
    generation: Generation,
    protocols: Protocol,
    key: jax.Array,
    images: np.ndarray,
    held: np.ndarray,
    substeps: int,
) -> np.ndarray:
    """Every member's completion of each of `images` (N, n), (members, N, n).

    **Arguments:** `held`, the pixels that are held at their values in the images;
    `substeps` between two knots.
    """
    keys = jax.random.split(key, len(protocols.times))
    parts = jnp.asarray(images), jnp.asarray(held)
    return np.asarray(_complete(substeps, protocols, keys, generation, *parts))


@partial(jax.jit, static_argnums=0)
def _complete(substeps, protocols, keys, generation, images, held):
    def member(protocol, key, generation, images, held):
        times = refine(protocol.times, substeps)
        bath = hold(generation.bath, held)

        def one(sample_key, image):
            start, move = jax.random.split(sample_key)
            stiffness = generation.trap_stiffness
            x = generation.bath.equilibrate(start, stiffness, image.shape[0])
            return drive(protocol, bath, move, jnp.where(held, image, x), times)

        return jax.vmap(one)(jax.random.split(key, images.shape[0]), images)

    return ensemble.map_members(member, 2)(protocols, keys, generation, images, held)


def completion_table(images: Evaluation, completed: np.ndarray) -> Columns:
    """Which share of completed images is seen as the digit whose upper half they have.

    The control glues lower halves to the upper half of the next image.
    """
    held = upper_half(int(np.sqrt(images.train.shape[1])))
    glued = np.where(held, completed, np.roll(completed, 1, axis=1))
    whole = images.noised_held_out[None]
    erased = np.where(held, whole, -1)
    measured = {
        name: _measure(images, x)
        for name, x in (
            ("completed", completed),
            ("lower half of another", glued),
            ("lower half empty", erased),
            ("held-out images", whole),
        )
    }
    return means("images", measured)


def _measure(images: Evaluation, members: np.ndarray) -> Columns:
    right = [np.mean(images.called(x) == images.held_out_digits) for x in members]
    distances = images.measure_members(members)["energy_distance"]
    return {"right_digit": np.array(right), "energy_distance": distances}
