"""Task gaussians: two normal distributions in the plane, where everything is known."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from experiments.oscillators.costs import cost_table
from experiments.oscillators.members import (
    Training,
    cosine_adam,
    network_at_pace,
    train_members,
)
from experiments.oscillators.metrics import energy_distance
from experiments.oscillators.sampling import (
    draw_by_force,
    draw_samples,
    exact_force,
    limit_protocol,
)
from experiments.oscillators.tables import (
    Results,
    comparison,
    history,
    protocol_arrays,
)
from nelc_jax.oscillators import (
    Bath,
    Learner,
    Noising,
    NormalMixture,
    Protocol,
    QuarticNetwork,
    all_to_all,
    ideal_entropy_rate,
)

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
class Gaussians(Results):
    """What the task found, and what its figures draw.

    `samples` of the first member by name; `fields`, exact and learned forces on a grid
    at FIELD_TIMES.
    """

    samples: dict[str, np.ndarray]
    fields: dict[str, np.ndarray]


def run_gaussians(training: Training) -> Gaussians:
    """Train by both rules, measure against the family's limit, vary the duration."""
    keys, models = training.keys(), training.models
    x = draw_data(next(keys), TRAINING_POINTS)
    held_out = _data_sets(next(keys), models)
    network = network_at_pace(NOISING, all_to_all(2), training.knots)
    optimizer = cosine_adam(training.learning_rate, training.steps)
    trained, samples = {}, {"data": held_out}
    for name, rule in training.rules().items():
        trained[name] = train_members(
            name,
            Learner(network, rule, optimizer, training.batch),
            jax.random.split(next(keys), models),
            x,
            training.steps,
        )
        samples[name] = _samples(network, trained[name].protocols, next(keys))
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
    forced, observed = trained.values()
    costs = cost_table(
        network.generation,
        forced.protocols,
        next(keys),
        PACES,
        SAMPLES,
        SUBSTEPS,
        quality,
    )
    # In the same bath the ideal cost is in proportion to 1 / duration.
    costs["ideal_entropy_production"] = (
        float(_ideal(network, next(keys))) * costs["pace"]
    )
    return Gaussians(
        rows=rows,
        members=members,
        history=history([forced.losses, observed.losses], training.steps),
        costs=costs,
        arrays=protocol_arrays("force", forced.protocols)
        | protocol_arrays("observed", observed.protocols),
        seconds={name: members.seconds for name, members in trained.items()},
        samples={name: values[0] for name, values in samples.items()},
        fields=_fields(network, jax.tree.map(lambda a: a[0], forced.protocols)),
    )


def mixture() -> NormalMixture:
    """The law of the data."""
    return NormalMixture(
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


def _samples(
    network: QuarticNetwork, protocols: Protocol, key: jax.Array
) -> np.ndarray:
    return draw_samples(network.generation, protocols, key, SAMPLES, SUBSTEPS)


def _exact_samples(network: QuarticNetwork, models: int, key: jax.Array) -> np.ndarray:
    """Samples by the exact force: what is left is the error of the integration."""
    generation = network.generation

    def force_at(tau, x):
        time = generation.noising_time(tau)
        return exact_force(generation, mixture(), time, x[None])[0]

    @jax.jit
    @jax.vmap
    def draw(keys):
        return draw_by_force(network, 2, force_at, keys, SUBSTEPS)

    return np.asarray(draw(jax.random.split(key, (models, SAMPLES))))


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
def _ideal(network: QuarticNetwork, key: jax.Array) -> jax.Array:
    """The entropy production of error-free generation, in nats."""
    generation = network.generation
    times = jnp.geomspace(NOISING.latest, NOISING.earliest, 200)

    def rate(inputs):
        time, time_key = inputs
        which, where, noise = jax.random.split(time_key, 3)
        points = _draw_data(which, where, 4000)
        normals = jax.random.normal(noise, (4000, 2))
        x, _ = NOISING.noise(normals, points, jnp.full(4000, time))
        score = jax.vmap(jax.grad(mixture().noised(NOISING, time).log_density))(x)
        return ideal_entropy_rate(generation, x, score)

    rates = jax.lax.map(rate, (times, jax.random.split(key, 200)))
    return jnp.trapezoid(rates, generation.protocol_time(times))


def _fields(network: QuarticNetwork, protocol: Protocol) -> dict[str, np.ndarray]:
    """Exact and learned forces, and the density, on a grid at FIELD_TIMES."""
    line = np.linspace(-2.4, 2.4, 97, dtype=np.float32)
    grid = jnp.asarray(np.stack(np.meshgrid(line, line), -1).reshape(-1, 2))

    @jax.jit
    def at(protocol, time):
        potential = protocol.at(network.generation.protocol_time(time))
        log_density = mixture().noised(NOISING, time).log_density
        return {
            "exact": exact_force(network.generation, mixture(), time, grid),
            "learned": jax.vmap(potential.force)(grid),
            "density": jnp.exp(jax.vmap(log_density)(grid)),
        }

    found = [at(protocol, jnp.asarray(time)) for time in FIELD_TIMES]
    stacked = jax.tree.map(lambda *values: np.stack(values), *found)
    return stacked | {"grid": np.asarray(grid)}
