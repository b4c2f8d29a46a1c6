"""What a device with faults generates by a protocol learned without them."""

from functools import partial
from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from experiments.oscillators.evaluation import Evaluation
from experiments.oscillators.sampling import draw_samples
from experiments.oscillators.tables import Columns, means
from nelc_jax.oscillators import Generation, Hidden, Protocol, drive, drive_flipping

OFF = (0.01, 0.03, 0.1)
"""Relative errors of the springs: normal, one for all times."""

BITS = (4, 6, 8)
"""Of every control: 2^bits levels over its kind's range at that time."""

FLIPS = (1.0, 0.5, 0.2)
"""Probabilities a step of a new state of a hidden oscillator."""


def device_table(
    generation: Generation,
    protocols: Protocol,
    key: jax.Array,
    images: Evaluation,
    count: int,
    substeps: int,
) -> Columns:
    """The measures of samples by each device, means over members."""
    fault_key, sample_key = jax.random.split(key)
    devices = {"as learned": (protocols, drive)}
    for off in OFF:
        wrong = springs_off(protocols, fault_key, off)
        devices[f"springs off by {off:.0%}"] = wrong, drive
    for bits in BITS:
        devices[f"controls of {bits} bits"] = rounded(protocols, bits), drive
    for flips in FLIPS:
        run = partial(drive_flipping, probability=flips)
        devices[f"states flip at {flips:g} a step"] = protocols, run
    measured = {
        name: images.measure_members(
            draw_samples(generation, own, sample_key, count, substeps, run)
        )
        for name, (own, run) in devices.items()
    }
    return means("device", measured)


def springs_off(protocols: Protocol, key: jax.Array, off: float) -> Protocol:
    """Protocols whose springs have relative errors, of this standard deviation."""
    potential = _hidden(protocols)
    # Members, knots, hidden, visible: a spring is off by the same at all times.
    members, _, *springs = potential.A.shape
    normal = np.asarray(jax.random.normal(key, (members, 1, *springs)))
    A = np.asarray(potential.A) * (1 + off * normal)
    return eqx.tree_at(lambda p: _hidden(p).A, protocols, jnp.asarray(A))


def rounded(protocols: Protocol, bits: int) -> Protocol:
    """Every array of a member and knot rounded over its own range."""

    def round_one(array: np.ndarray) -> jax.Array:
        values = np.asarray(array)
        axes = tuple(range(2, values.ndim))
        low, high = (f(values, axis=axes, keepdims=True) for f in (np.min, np.max))
        step = np.maximum(high - low, 1e-30) / (2**bits - 1)
        return jnp.asarray(low + step * np.round((values - low) / step))

    exact = protocols.potential
    return eqx.tree_at(lambda p: p.potential, protocols, jax.tree.map(round_one, exact))


def _hidden(protocols: Protocol) -> Hidden:
    return cast(Hidden, protocols.potential)
