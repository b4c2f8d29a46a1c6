"""What the tasks of the oscillators share: training with a progress bar, sampling."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from experiments.errors import UserError
from nelc_jax.oscillators import bath, diffusion, training
from nelc_jax.oscillators.diffusion import Generation
from nelc_jax.oscillators.network import Network, Parameters, protocol
from nelc_jax.oscillators.potential import Protocol
from nelc_jax.oscillators.training import Config

CHUNKS = 40
"""Parts of a training between which the progress bar moves and losses are averaged."""


@dataclass(frozen=True)
class TrainedMembers:
    """Members trained at once: `parameters` and `protocols` with a leading axis.

    `losses` (members, chunks), means over the parts of the training; `seconds` in all,
    with compilation.
    """

    parameters: Parameters
    protocols: Protocol
    losses: np.ndarray
    seconds: float


def train_members(
    label: str,
    config: Config,
    network: Network,
    keys: jax.Array,
    x: np.ndarray,
) -> TrainedMembers:
    """Train a member for each of `keys`, all at once.

    **Raises:** `UserError` when a loss goes non-finite.
    """
    points = jnp.asarray(x, jnp.float32)
    started = time.perf_counter()
    states = jax.vmap(training.init, (0, None, None))(keys, network, points)
    sizes = [len(part) for part in np.array_split(np.arange(config.num_steps), CHUNKS)]
    losses = []
    with tqdm(total=config.num_steps, unit="step", desc=label) as progress:
        for size in filter(None, sizes):
            states, loss = _train(config, size, network, states, points)
            losses.append(np.asarray(loss).mean(axis=1))
            if not np.isfinite(losses[-1]).all():
                raise UserError(
                    f"{label}: member {int(np.argmin(np.isfinite(losses[-1])))} went "
                    "non-finite: lower --learning-rate"
                )
            progress.set_postfix_str(f"loss = {losses[-1].mean():.4f}")
            progress.update(size)
    protocols = jax.vmap(protocol, (None, 0))(network, states.parameters)
    seconds = time.perf_counter() - started
    return TrainedMembers(
        states.parameters, protocols, np.stack(losses, axis=1), seconds
    )


@partial(jax.jit, static_argnums=(0, 1))
def _train(config, size, network, states, x):
    one = partial(training.train, config, num_steps=size)
    return jax.vmap(one, (None, 0, None))(network, states, x)


def draw_samples(
    generation: Generation,
    protocols: Protocol,
    key: jax.Array,
    count: int,
    substeps: int,
    drive: Callable = bath.drive,
):
    """`count` generated samples of every member, (members, count, n) by default.

    **Arguments:** `substeps` between two knots; `drive`, `bath.drive` or the metered
    one, whose ledgers are then the result.
    """
    return _draw(drive, count, substeps, generation, protocols, key)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _draw(drive, count, substeps, generation, protocols, key):
    stiffness = diffusion.trap_stiffness(generation)
    num = protocols.potential.b.shape[-1]

    def member(protocol, member_key):
        times = bath.refine(protocol.times, substeps)

        def one(sample_key):
            start, move = jax.random.split(sample_key)
            x = bath.equilibrate(start, generation.bath, stiffness, num)
            return drive(protocol, generation.bath, move, x, times)

        return jax.vmap(one)(jax.random.split(member_key, count))

    members = protocols.times.shape[0]
    return jax.vmap(member)(protocols, jax.random.split(key, members))
