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
    left_out,
    train_members,
)
from experiments.oscillators.metrics import energy_distance
from experiments.oscillators.plans import Plans
from experiments.oscillators.sampling import (
    draw_by_force,
    draw_samples,
    exact_force,
    limit_protocol,
)
from experiments.oscillators.tables import (
    Results,
    array_name,
    comparison,
    history,
    protocol_arrays,
)
from nelc_jax.oscillators import (
    AbstractNetwork,
    Bath,
    Learner,
    Noising,
    NormalMixture,
    Protocol,
    QuarticNetwork,
    ideal_entropy_rate,
)


@dataclass(frozen=True)
class Plane:
    """Two normal laws of one `deviation`, their `means`, `weights`, and the noising."""

    means: tuple[tuple[float, float], tuple[float, float]]
    weights: tuple[float, float]
    deviation: float
    noising: Noising

    @property
    def points(self) -> np.ndarray:
        """The means, a row each."""
        return np.asarray(self.means, np.float32)

    @property
    def law(self) -> NormalMixture:
        """The law of the data."""
        return NormalMixture(
            jnp.asarray(self.points),
            jnp.asarray(self.deviation**2),
            jnp.log(jnp.asarray(self.weights, jnp.float32)),
        )

    def mode_weight(self, x: np.ndarray) -> np.ndarray:
        """The share of samples nearer to the first mean, over the last but one axis."""
        return np.mean(self._nearest(x) == 0, axis=-1)

    def valley(self, x: np.ndarray) -> np.ndarray:
        """The share of samples in the middle fifth of the way between the means."""
        first, second = self.points
        way = first - second
        along = (x - second) @ way / (way @ way)
        return np.mean(np.abs(along - 0.5) < 0.1, axis=-1)

    def astray(self, x: np.ndarray) -> np.ndarray:
        """The share of samples farther than 1 from both means."""
        away = np.linalg.norm(x[..., None, :] - self.points, axis=-1)
        return np.mean(away.min(axis=-1) > 1, axis=-1)

    def width(self, x: np.ndarray) -> np.ndarray:
        """The median distance to the nearer mean, in units of that in the data."""
        away = np.linalg.norm(x - self.points[self._nearest(x)], axis=-1)
        # The radius that half of a normal law in the plane is within.
        half = self.deviation * np.sqrt(2 * np.log(2))
        return np.median(away, axis=-1) / half

    def _nearest(self, x: np.ndarray) -> np.ndarray:
        squared = np.sum((x[..., None, :] - self.points) ** 2, axis=-1)
        return np.argmin(squared, axis=-1)


BROAD = Plane(
    ((1.3, 0.0), (-1.1, -0.3)), (0.6, 0.4), 0.25, Noising(1.0, Bath(), 0.002, 4.0)
)
NARROW = Plane(
    ((1.0, 0.5), (-1.0, -0.5)),
    (0.6, 0.4),
    0.001**0.5,
    Noising(1.0, Bath(), 1e-4, 4.0),
)
"""The paper's data."""

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


def run_gaussians(training: Training, plane: Plane, plans: Plans) -> Gaussians:
    """Train as planned, measure against what is exact, vary the duration."""
    keys, models = training.keys(), training.models
    x = draw_data(plane, next(keys), TRAINING_POINTS)
    held_out = _data_sets(plane, next(keys), models)
    optimizer = cosine_adam(training.learning_rate, training.steps)
    trained, samples = {}, {"data": held_out}
    for name, (network, rule) in plans.items():
        trained[name] = train_members(
            name,
            Learner(network, rule, optimizer, training.batch),
            jax.random.split(next(keys), models),
            x,
            training.steps,
        )
        samples[name] = _samples(network, trained[name].sound_protocols, next(keys))
    network, _ = next(iter(plans.values()))
    best = next(iter(trained.values()))
    first = best.sound_protocols
    if isinstance(network, QuarticNetwork):
        points = jnp.asarray(x)
        limit = limit_protocol(network, plane.law, points, next(keys), 100, 3)
        repeated = jax.tree.map(lambda a: np.stack([a] * models), limit)
        samples["projection"] = _samples(network, repeated, next(keys))
    samples["exact score"] = _exact_samples(plane, network, models, next(keys))
    samples["fresh data"] = _data_sets(plane, next(keys), models)

    def quality(numbers, ends):
        return {
            "energy_distance": _distances(ends, held_out[numbers]),
            "mode_weight": plane.mode_weight(ends),
        }

    sound = {name: one.sound for name, one in trained.items()}
    rows, members = comparison(
        {
            name: quality(sound.get(name, np.arange(models)), values)
            | {
                "valley": plane.valley(values),
                "width": plane.width(values),
                "astray": plane.astray(values),
            }
            for name, values in samples.items()
            if name != "data"
        },
        {name: one.diverged_at for name, one in trained.items()},
    )
    costs = cost_table(
        network.generation,
        first,
        next(keys),
        PACES,
        SAMPLES,
        SUBSTEPS,
        partial(quality, best.sound),
    )
    # In the same bath the ideal cost is in proportion to 1 / duration.
    costs["ideal_entropy_production"] = (
        float(_ideal(plane, network, next(keys))) * costs["pace"]
    )
    arrays = [
        protocol_arrays(array_name(name), one.protocols)
        for name, one in trained.items()
    ]
    return Gaussians(
        rows=rows,
        members=members,
        history=history([one.losses for one in trained.values()], training.steps),
        costs=costs,
        arrays={name: a for own in arrays for name, a in own.items()},
        seconds={name: members.seconds for name, members in trained.items()},
        left_out=left_out(trained),
        samples={name: values[0] for name, values in samples.items()},
        fields=_fields(plane, network, jax.tree.map(lambda a: a[0], first)),
    )


def draw_data(plane: Plane, key: jax.Array, count: int) -> np.ndarray:
    """Fresh points of the mixture."""
    return np.asarray(_draw_data(plane, *jax.random.split(key), count))


def _data_sets(plane: Plane, key: jax.Array, models: int) -> np.ndarray:
    """A set of samples for each model, the same in an ensemble of any size."""
    keys = jax.random.split(key, models)
    return np.stack([draw_data(plane, k, SAMPLES) for k in keys])


@partial(jax.jit, static_argnums=(0, 3))
def _draw_data(
    plane: Plane, which: jax.Array, where: jax.Array, count: int
) -> jax.Array:
    weights = jnp.asarray(plane.weights, jnp.float32)
    modes = jax.random.choice(which, 2, (count,), p=weights)
    noise = jax.random.normal(where, (count, 2))
    return jnp.asarray(plane.points)[modes] + plane.deviation * noise


def _samples(
    network: AbstractNetwork, protocols: Protocol, key: jax.Array
) -> np.ndarray:
    return draw_samples(network.generation, protocols, key, SAMPLES, SUBSTEPS)


def _exact_samples(
    plane: Plane, network: AbstractNetwork, models: int, key: jax.Array
) -> np.ndarray:
    """Samples by the exact force: what is left is the error of the integration."""
    generation = network.generation

    def force_at(tau, x):
        time = generation.noising_time(tau)
        return exact_force(generation, plane.law, time, x[None])[0]

    @jax.jit
    @jax.vmap
    def draw(keys):
        return draw_by_force(network, 2, force_at, keys, SUBSTEPS)

    return np.asarray(draw(jax.random.split(key, (models, SAMPLES))))


def _distances(samples: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    return np.array(
        [
            float(energy_distance(jnp.asarray(s), jnp.asarray(d)))
            for s, d in zip(samples, held_out, strict=True)
        ]
    )


@partial(jax.jit, static_argnums=0)
def _ideal(plane: Plane, network: AbstractNetwork, key: jax.Array) -> jax.Array:
    """The entropy production of error-free generation, in nats."""
    generation, noising = network.generation, plane.noising
    times = jnp.geomspace(noising.latest, noising.earliest, 200)

    def rate(inputs):
        time, time_key = inputs
        which, where, noise = jax.random.split(time_key, 3)
        points = _draw_data(plane, which, where, 4000)
        normals = jax.random.normal(noise, (4000, 2))
        x, _ = noising.noise(normals, points, jnp.full(4000, time))
        score = jax.vmap(jax.grad(plane.law.noised(noising, time).log_density))(x)
        return ideal_entropy_rate(generation, x, score)

    rates = jax.lax.map(rate, (times, jax.random.split(key, 200)))
    return jnp.trapezoid(rates, generation.protocol_time(times))


def _fields(
    plane: Plane, network: AbstractNetwork, protocol: Protocol
) -> dict[str, np.ndarray]:
    """Exact and learned forces, and the density, on a grid at FIELD_TIMES."""
    line = np.linspace(-2.4, 2.4, 97, dtype=np.float32)
    grid = jnp.asarray(np.stack(np.meshgrid(line, line), -1).reshape(-1, 2))

    @jax.jit
    def at(protocol, time):
        potential = protocol.at(network.generation.protocol_time(time))
        log_density = plane.law.noised(plane.noising, time).log_density
        return {
            "exact": exact_force(network.generation, plane.law, time, grid),
            "learned": jax.vmap(potential.force)(grid),
            "density": jnp.exp(jax.vmap(log_density)(grid)),
        }

    found = [at(protocol, jnp.asarray(time)) for time in FIELD_TIMES]
    stacked = jax.tree.map(lambda *values: np.stack(values), *found)
    return stacked | {"grid": np.asarray(grid)}
