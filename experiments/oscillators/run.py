"""What the tasks of the oscillators share: training with a progress bar, sampling."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from tqdm import tqdm

from experiments.command.errors import UserError
from experiments.oscillators.metrics import entropy
from experiments.oscillators.tables import add_row, columns
from nelc_jax import ensemble
from nelc_jax.oscillators import bath, diffusion, thermodynamics, training
from nelc_jax.oscillators.diffusion import Generation, Mixture, Noising
from nelc_jax.oscillators.network import (
    Network,
    Parameters,
    change_pace,
    geometric_knots,
    protocol,
)
from nelc_jax.oscillators.potential import Protocol
from nelc_jax.oscillators.projection import project
from nelc_jax.oscillators.training import Config

CHUNKS = 40
"""Parts of a training between which the progress bar moves and losses are averaged."""


def split_keys(seed: int) -> Iterator[jax.Array]:
    """The keys of a task, one after the other."""
    keys = jax.random.split(jax.random.key(seed), 100)
    # By number: to iterate over an array is compiled as one operation of 100 results.
    return (keys[number] for number in range(100))


def network_at_pace(noising: Noising, pairs: np.ndarray, knots: int) -> Network:
    """A network that undoes a noising at its own pace in its own bath."""
    duration = noising.latest - noising.earliest
    generation = Generation(noising, noising.bath, duration)
    return Network(generation, jnp.asarray(pairs), geometric_knots(noising, knots))


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
    """Train a member for each of `keys`, all at once, spread over the devices.

    **Raises:** `UserError` when a loss goes non-finite.
    """
    points = jnp.asarray(x, jnp.float32)
    started = time.perf_counter()
    count = len(keys)
    mesh = ensemble.member_mesh(count)
    states = _init(mesh, network, _padded(mesh, keys), points)
    sizes = [len(part) for part in np.array_split(np.arange(config.num_steps), CHUNKS)]
    losses = []
    with tqdm(total=config.num_steps, unit="step", desc=label) as progress:
        for size in filter(None, sizes):
            states, loss = _train(mesh, config, size, states, network, points)
            losses.append(np.asarray(loss)[:count].mean(axis=1))
            if not np.isfinite(losses[-1]).all():
                raise UserError(
                    f"{label}: member {int(np.argmin(np.isfinite(losses[-1])))} went "
                    "non-finite: lower --learning-rate"
                )
            progress.set_postfix_str(f"loss = {losses[-1].mean():.4f}")
            progress.update(size)
    parameters, protocols = _own(count, _protocols(mesh, states.parameters, network))
    seconds = time.perf_counter() - started
    return TrainedMembers(parameters, protocols, np.stack(losses, axis=1), seconds)


@partial(jax.jit, static_argnums=0)
def _init(mesh, network, keys, x):
    return ensemble.map_members(training.init, 1, mesh)(keys, network, x)


@partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=3)
def _train(mesh, config, size, states, network, x):
    def one(state, network, x):
        return training.train(config, network, state, x, size)

    return ensemble.map_members(one, 1, mesh)(states, network, x)


@partial(jax.jit, static_argnums=0)
def _protocols(mesh, parameters, network):
    def one(parameters, network):
        return parameters, protocol(network, parameters)

    return ensemble.map_members(one, 1, mesh)(parameters, network)


def _padded(mesh: Mesh, members):
    """Members to a multiple of the devices: the last one again."""
    count = len(jax.tree.leaves(members)[0])
    rows = np.minimum(np.arange(count + -count % mesh.size), count - 1)
    return jax.tree.map(lambda leaf: leaf[rows], members)


def _own(count: int, tree):
    """The first `count` members, without the padding, from all devices."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:count], tree)


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

    **Raises:** `UserError` when the steps are too long for the forces.
    """
    members = len(protocols.times)
    mesh = ensemble.member_mesh(members)
    mapped = _padded(mesh, (protocols, jax.random.split(key, members)))
    drawn = _own(members, _draw(mesh, drive, count, substeps, *mapped, generation))
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(drawn)):
        raise UserError(
            "the generated samples are not finite, the steps between knots are too "
            "long for the forces: give more --knots, or train for more --steps"
        )
    return drawn


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _draw(mesh, drive, count, substeps, protocols, keys, generation):
    def member(protocol, key, generation):
        times = bath.refine(protocol.times, substeps)
        stiffness = diffusion.trap_stiffness(generation)
        num = protocol.potential.b.shape[-1]

        def one(sample_key):
            start, move = jax.random.split(sample_key)
            x = bath.equilibrate(start, generation.bath, stiffness, num)
            return drive(protocol, generation.bath, move, x, times)

        return jax.vmap(one)(jax.random.split(key, count))

    return ensemble.map_members(member, 2, mesh)(protocols, keys, generation)


@partial(jax.jit, static_argnums=(4, 5))
def limit_protocol(
    network: Network,
    law: Mixture,
    x: jax.Array,
    key: jax.Array,
    iterations: int,
    rounds: int,
) -> Protocol:
    """The exact force of a law at every knot, projected onto what a network can exert.

    **Arguments:** `law` of the data, and draws `x` (N, n) from it; `iterations` and
    `rounds` of `projection.project`.
    """

    def at_knot(inputs):
        time, knot_key = inputs
        normals = jax.random.normal(knot_key, x.shape)
        times = jnp.full(x.shape[0], time)
        noising = network.generation.noising
        noised, _ = diffusion.noise_points(noising, normals, x, times)
        target = exact_force(network.generation, law, time, noised)
        return project(network.pairs, noised, target, iterations, rounds)

    keys = jax.random.split(key, network.knots.shape[0])
    times = diffusion.protocol_time(network.generation, network.knots)
    return Protocol(times, jax.lax.map(at_knot, (network.knots, keys)))


def exact_force(
    generation: Generation, law: Mixture, time: jax.Array, x: jax.Array
) -> jax.Array:
    """The force at positions x (N, n) that undoes the noising of a law."""
    score = jax.grad(diffusion.log_density, 3)

    def one(point):
        return score(generation.noising, law, time, point)

    found = jax.lax.map(one, x, batch_size=256)
    return diffusion.reverse_force(generation, x, found)


def cost_table(
    generation: Generation,
    protocols: Protocol,
    key: jax.Array,
    paces: tuple[float, ...],
    count: int,
    substeps: int,
    measure: Callable[[np.ndarray], dict[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """Work, heat, entropy production and quality of generation at several paces.

    The protocols are those of `generation` at the other paces (`change_pace`); energies
    are means over samples, in units of kT', the entropy production in nats, for at most
    three dimensions; errors are over members.

    **Arguments:** `measure` samples (members, count, n): columns with one value each.
    """
    noising = generation.noising
    table: dict[str, list] = {}
    for pace, pace_key in zip(paces, jax.random.split(key, len(paces)), strict=True):
        duration = (noising.latest - noising.earliest) / pace
        paced = Generation(noising, generation.bath, duration)
        ledger = draw_samples(
            paced,
            _change_paces(protocols, generation, paced),
            pace_key,
            count,
            # The forces grow like 1 + 1 / pace in noising time, and so must the steps.
            int(np.ceil(substeps * (1 + 1 / pace) / 2)),
            thermodynamics.drive_metered,
        )
        ends = ledger.x
        measured = {
            "work": ledger.work.mean(axis=1),
            "heat": ledger.heat.mean(axis=1),
        }
        if ends.shape[-1] <= 3:
            measured["entropy_production"] = _entropy_production(paced, ledger)
        table.setdefault("pace", []).append(pace)
        table.setdefault("duration", []).append(duration)
        add_row(table, measured | measure(ends))
    return columns(table)


@jax.jit
def _change_paces(protocols, old, new):
    return jax.vmap(change_pace, (0, None, None))(protocols, old, new)


def _entropy_production(generation: Generation, ledger) -> np.ndarray:
    ends = ledger.x
    variance = generation.bath.temperature / diffusion.trap_stiffness(generation)
    start = ends.shape[-1] / 2 * np.log(2 * np.pi * np.e * float(variance))
    return np.array(
        [
            float(
                thermodynamics.entropy_production(
                    jnp.asarray(heat), generation.bath, start, entropy(end)
                )
            )
            for heat, end in zip(ledger.heat, ends, strict=True)
        ]
    )
