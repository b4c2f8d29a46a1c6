"""Task gaussians: two normal distributions in the plane, where everything is known."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from experiments.oscillators.metrics import energy_distance
from experiments.oscillators.run import (
    cost_table,
    draw_samples,
    exact_force,
    limit_protocol,
    network_at_pace,
    split_keys,
    train_members,
)
from experiments.oscillators.tables import comparison, history, protocol_arrays
from nelc_jax.oscillators import diffusion, thermodynamics
from nelc_jax.oscillators.bath import Bath, equilibrate, euler_maruyama, refine
from nelc_jax.oscillators.diffusion import Mixture, Noising
from nelc_jax.oscillators.network import Network
from nelc_jax.oscillators.potential import Protocol, all_to_all, at_time, force
from nelc_jax.oscillators.training import Config, Rule

MEANS = np.array([[1.3, 0.0], [-1.1, -0.3]], np.float32)
WEIGHTS = np.array([0.6, 0.4], np.float32)
DEVIATION = 0.25
NOISING = Noising(1.0, Bath(), 0.002, 4.0)
TRAINING_POINTS = 20_000
SAMPLES = 4000
SUBSTEPS = 8
PACES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Noising time per protocol time: generation lasts 1 / pace of the noising."""
FIELD_TIMES = (1.0, 0.3, 0.05)


@dataclass(frozen=True)
class Gaussians:
    """What the task found: per-member numbers, and what its figures draw.

    `rows`, one a way of generating, with the columns of comparison.csv; `members`, the
    columns of models.csv; `costs`, one row a pace; `samples` by name; `fields`, exact
    and learned forces on a grid at FIELD_TIMES.
    """

    rows: dict[str, np.ndarray]
    members: dict[str, np.ndarray]
    history: dict[str, np.ndarray]
    costs: dict[str, np.ndarray]
    samples: dict[str, np.ndarray]
    fields: dict[str, np.ndarray]
    arrays: dict[str, np.ndarray]
    seconds: dict[str, float]


def run_gaussians(seed: int, models: int, config: dict, knots: int) -> Gaussians:
    """Train by both rules, measure against the family's limit, and vary the duration.

    **Arguments:** `config`, the fields of a `Config` but for the rule.
    """
    keys = split_keys(seed)
    x = draw_data(next(keys), TRAINING_POINTS)
    held_out = _data_sets(next(keys), models)
    network = network_at_pace(NOISING, all_to_all(2), knots)
    trained, samples, seconds = {}, {"data": held_out}, {}
    rules: dict[Rule, str] = {"force": "force matching", "observed": "observed motion"}
    for rule, name in rules.items():
        members = train_members(
            name,
            Config(rule, **config),
            network,
            jax.random.split(next(keys), models),
            x,
        )
        trained[name] = members
        seconds[name] = members.seconds
        samples[name] = _samples(network, members.protocols, next(keys))
    limit = limit_protocol(network, mixture(), jnp.asarray(x), next(keys), 100, 3)
    repeated = jax.tree.map(lambda a: np.stack([a] * models), limit)
    samples["projection"] = _samples(network, repeated, next(keys))
    samples["exact score"] = _exact_samples(network, models, next(keys))
    samples["fresh data"] = _data_sets(next(keys), models)

    def quality(ends):
        return {
            "energy_distance": _distances(ends, held_out),
            "mode_weight": mode_weight(ends),
        }

    rows, members = comparison(
        {
            name: quality(values) | {"valley": valley(values)}
            for name, values in samples.items()
            if name != "data"
        }
    )
    costs = cost_table(
        network.generation,
        trained["force matching"].protocols,
        next(keys),
        PACES,
        SAMPLES,
        SUBSTEPS,
        quality,
    )
    ideal = float(_ideal(network, next(keys)))
    # In the same bath the ideal cost is in proportion to 1 / duration.
    costs["ideal_entropy_production"] = ideal * costs["pace"]
    first = jax.tree.map(lambda a: a[0], trained["force matching"].protocols)
    return Gaussians(
        rows,
        members,
        history([members.losses for members in trained.values()], config["num_steps"]),
        costs,
        {name: values[0] for name, values in samples.items()},
        _fields(network, first),
        protocol_arrays("force", trained["force matching"].protocols)
        | protocol_arrays("observed", trained["observed motion"].protocols),
        seconds,
    )


def mixture() -> Mixture:
    """The law of the data."""
    return Mixture(
        jnp.asarray(MEANS), jnp.asarray(DEVIATION**2), jnp.log(jnp.asarray(WEIGHTS))
    )


def draw_data(key: jax.Array, count: int) -> np.ndarray:
    """Fresh points of the mixture."""
    return np.asarray(_draw_data(*jax.random.split(key), count))


def _data_sets(key: jax.Array, models: int) -> np.ndarray:
    """A set of samples for each model, the same in an ensemble of any size."""
    return np.stack([draw_data(k, SAMPLES) for k in jax.random.split(key, models)])


@partial(jax.jit, static_argnums=2)
def _draw_data(which: jax.Array, where: jax.Array, count: int) -> jax.Array:
    modes = jax.random.choice(which, 2, (count,), p=jnp.asarray(WEIGHTS))
    noise = jax.random.normal(where, (count, 2))
    return jnp.asarray(MEANS)[modes] + DEVIATION * noise


def _samples(network: Network, protocols: Protocol, key: jax.Array) -> np.ndarray:
    return draw_samples(network.generation, protocols, key, SAMPLES, SUBSTEPS)


def _exact_samples(network: Network, models: int, key: jax.Array) -> np.ndarray:
    """Samples by the exact force: what is left is the error of the integration."""
    generation = network.generation
    times = refine(diffusion.protocol_time(generation, network.knots), SUBSTEPS)

    def force_at(tau, x):
        time = diffusion.noising_time(generation, tau)
        return exact_force(generation, mixture(), time, x[None])[0]

    def one(sample_key):
        start, move = jax.random.split(sample_key)
        x = equilibrate(start, generation.bath, 1.0, 2)
        normals = jax.random.normal(move, (times.shape[0] - 1, 2))
        return euler_maruyama(force_at, generation.bath, normals, x, times)[-1]

    keys = jax.random.split(key, (models, SAMPLES))
    return np.asarray(jax.jit(jax.vmap(jax.vmap(one)))(keys))


def mode_weight(x: np.ndarray) -> np.ndarray:
    """The share of samples nearer to the first mean, over the last but one axis."""
    squared = np.sum((x[..., None, :] - MEANS) ** 2, axis=-1)
    return np.mean(np.argmin(squared, axis=-1) == 0, axis=-1)


def valley(x: np.ndarray) -> np.ndarray:
    """The share of samples in the middle fifth of the way between the means."""
    way = MEANS[0] - MEANS[1]
    along = (x - MEANS[1]) @ way / (way @ way)
    return np.mean(np.abs(along - 0.5) < 0.1, axis=-1)


def _distances(samples: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    return np.array(
        [
            float(energy_distance(jnp.asarray(s), jnp.asarray(d)))
            for s, d in zip(samples, held_out, strict=True)
        ]
    )


@jax.jit
def _ideal(network: Network, key: jax.Array) -> jax.Array:
    """The entropy production of error-free generation, in nats."""
    generation = network.generation
    times = jnp.geomspace(NOISING.latest, NOISING.earliest, 200)

    def rate(inputs):
        time, time_key = inputs
        which, where, noise = jax.random.split(time_key, 3)
        points = _draw_data(which, where, 4000)
        x, _ = diffusion.noise_points(
            NOISING, jax.random.normal(noise, (4000, 2)), points, jnp.full(4000, time)
        )
        score = jax.vmap(jax.grad(diffusion.log_density, 3), (None, None, None, 0))(
            NOISING, mixture(), time, x
        )
        return thermodynamics.ideal_entropy_rate(generation, x, score)

    rates = jax.lax.map(rate, (times, jax.random.split(key, 200)))
    return jnp.trapezoid(rates, diffusion.protocol_time(generation, times))


def _fields(network: Network, protocol: Protocol) -> dict[str, np.ndarray]:
    """Exact and learned forces, and the density, on a grid at FIELD_TIMES."""
    line = np.linspace(-2.4, 2.4, 97, dtype=np.float32)
    grid = jnp.asarray(np.stack(np.meshgrid(line, line), -1).reshape(-1, 2))

    @jax.jit
    def at(protocol, time):
        tau = diffusion.protocol_time(network.generation, time)
        log_p = jax.vmap(diffusion.log_density, (None, None, None, 0))
        return {
            "exact": exact_force(network.generation, mixture(), time, grid),
            "learned": jax.vmap(force, (None, 0))(at_time(protocol, tau), grid),
            "density": jnp.exp(log_p(NOISING, mixture(), time, grid)),
        }

    found = [at(protocol, jnp.asarray(time)) for time in FIELD_TIMES]
    stacked = jax.tree.map(lambda *values: np.stack(values), *found)
    return stacked | {"grid": np.asarray(grid)}
