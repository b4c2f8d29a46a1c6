"""Task digits: networks that generate images of zeros and ones."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from experiments.oscillators.completion import (
    complete,
    completion_table,
    upper_half,
)
from experiments.oscillators.costs import cost_table
from experiments.oscillators.data import GrayImages
from experiments.oscillators.device import device_table
from experiments.oscillators.evaluation import Evaluation
from experiments.oscillators.members import (
    Training,
    cosine_adam,
    left_out,
    train_members,
)
from experiments.oscillators.metrics import nearest
from experiments.oscillators.plans import Plans
from experiments.oscillators.reference import draw_reference, train_reference
from experiments.oscillators.sampling import draw_samples, limit_protocol
from experiments.oscillators.tables import (
    Columns,
    Results,
    array_name,
    comparison,
    history,
    protocol_arrays,
)
from nelc_jax.oscillators import (
    Bath,
    HiddenNetwork,
    Learner,
    Noising,
    NormalMixture,
    Protocol,
    QuarticNetwork,
)

NOISING = Noising(1.0, Bath(), 0.003, 4.0)
SAMPLES = 1000
SUBSTEPS = 6
SHOWN = 16
PACES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
LIMIT_POINTS = 4096
LIMIT_ITERATIONS = 200
"""Noised points at a knot, and iterations, of the projection of the data's score."""


@dataclass(frozen=True)
class Digits(Results):
    """What the task found.

    `images`, `neighbours` and `halves`, rows of the figures by name; `accuracy` of the
    classifier on held-out images with noise, `shares` of the digits among the training
    images; `completions`, how good lower halves to given upper ones are; `trained`, the
    names of the methods that are numbered in `history` and `members`; `devices`, what
    the first method's networks do on devices with faults, empty without hidden
    oscillators.
    """

    images: dict[str, np.ndarray]
    neighbours: dict[str, np.ndarray]
    halves: dict[str, np.ndarray]
    completions: Columns
    accuracy: float
    shares: np.ndarray
    trained: tuple[str, ...]
    devices: Columns


def run_digits(
    training: Training, data: GrayImages, plans: Plans, classes: int
) -> Digits:
    """Train networks as planned, and a score network; measure all samples.

    **Arguments:** `data`, with all ten digits, which the classifier is trained on; the
    first `classes` of them are what is generated.
    """
    keys = training.keys()
    images = Evaluation(data, NOISING, next(keys), classes)
    optimizer = cosine_adam(training.learning_rate, training.steps)
    trained, samples, arrays, costs = {}, {}, {}, {}
    for name, (network, rule) in plans.items():
        trained[name] = train_members(
            name,
            Learner(network, rule, optimizer, training.batch),
            jax.random.split(next(keys), training.models),
            images.train,
            training.steps,
        )
        protocols = trained[name].sound_protocols
        samples[name] = _samples(protocols, network, next(keys))
        arrays |= protocol_arrays(array_name(name), trained[name].protocols)
        if not costs:
            # One member: slow generation takes many steps.
            costs = cost_table(
                network.generation,
                jax.tree.map(lambda a: a[:1], protocols),
                next(keys),
                PACES,
                SAMPLES,
                SUBSTEPS,
                images.measure_members,
            )
    network, _ = next(iter(plans.values()))
    first = next(iter(trained.values())).sound_protocols
    devices: Columns = {}
    if isinstance(network, HiddenNetwork):
        devices = device_table(
            network.generation, first, next(keys), images, SAMPLES, SUBSTEPS
        )
    if isinstance(network, QuarticNetwork):
        limit = _limit(network, images.train, next(keys), next(keys))
        samples["projection"] = _samples(limit, network, next(keys))
    reference, reference_seconds = train_reference(
        network, next(keys), images.train, training.steps, training.batch
    )
    drawn = draw_reference(network, reference, next(keys), SAMPLES, SUBSTEPS)
    samples["score network"] = np.asarray(drawn)[None]
    samples["training images"] = images.noised_train[None]
    held = upper_half(data.side)
    completed = [
        complete(
            network.generation,
            first,
            next(keys),
            images.noised_held_out,
            held,
            SUBSTEPS,
        )
        for _ in range(2)
    ]
    rows, members = comparison(
        {name: images.measure_members(values) for name, values in samples.items()},
        {name: one.diverged_at for name, one in trained.items()},
    )
    shown = next(iter(samples.values()))[0, :SHOWN]
    return Digits(
        rows=rows,
        members=members,
        history=history([one.losses for one in trained.values()], training.steps),
        costs=costs,
        arrays=arrays,
        seconds={name: one.seconds for name, one in trained.items()}
        | {"score network": reference_seconds},
        left_out=left_out(trained),
        images={"held-out data": images.noised_held_out[:SHOWN]}
        | {name: values[0, :SHOWN] for name, values in samples.items()},
        neighbours={
            "samples": shown,
            "nearest": images.train[nearest(shown, images.train)[1]],
        },
        halves={
            "held-out data": images.noised_held_out[:SHOWN],
            "what is held": np.where(held, images.noised_held_out[:SHOWN], np.nan),
            "completed": completed[0][0, :SHOWN],
            "once more": completed[1][0, :SHOWN],
        },
        completions=completion_table(images, completed[0]),
        accuracy=images.accuracy,
        shares=images.shares,
        trained=tuple(plans),
        devices=devices,
    )


def _samples(protocols: Protocol, network, key: jax.Array) -> np.ndarray:
    return draw_samples(network.generation, protocols, key, SAMPLES, SUBSTEPS)


def _limit(network, x: np.ndarray, chosen_key, noise_key) -> Protocol:
    """The score of the data as they are, projected: one member."""
    log_weights = jnp.full(len(x), -np.log(len(x)))
    law = NormalMixture(jnp.asarray(x), jnp.asarray(0.0), log_weights)
    chosen = jax.random.randint(chosen_key, (LIMIT_POINTS,), 0, len(x))
    points = law.means[chosen]
    limit = limit_protocol(network, law, points, noise_key, LIMIT_ITERATIONS, 2)
    return jax.tree.map(lambda a: np.asarray(a)[None], limit)
