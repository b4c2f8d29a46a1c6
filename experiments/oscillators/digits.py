"""Task digits: networks that generate images of zeros and ones."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.svm import SVC

from experiments.oscillators.data import GrayImages
from experiments.oscillators.metrics import energy_distance, nearest
from experiments.oscillators.reference import draw_reference, train_reference
from experiments.oscillators.run import (
    cost_table,
    draw_samples,
    limit_protocol,
    network_at_pace,
    split_keys,
    train_members,
)
from experiments.oscillators.tables import comparison, history, protocol_arrays
from nelc_jax.oscillators import diffusion
from nelc_jax.oscillators.bath import Bath
from nelc_jax.oscillators.diffusion import Mixture, Noising
from nelc_jax.oscillators.network import Network
from nelc_jax.oscillators.potential import all_to_all, lattice
from nelc_jax.oscillators.training import Config, Rule

NOISING = Noising(1.0, Bath(), 0.003, 4.0)
SAMPLES = 1000
SUBSTEPS = 6
HELD_OUT = 0.2
"""Share of the images that no network and no classifier is trained on."""
SHOWN = 16
PACES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
LIMIT_POINTS = 4096
LIMIT_ITERATIONS = 200
"""Noised points at a knot, and iterations, of the projection of the data's score."""


@dataclass(frozen=True)
class Digits:
    """What the task found.

    `rows`, one a way of generating, with the columns of comparison.csv; `costs`, one a
    pace; `members`, the
    columns of models.csv; `images` and `neighbours`, rows of the figures by name;
    `accuracy` of the
    classifier on held-out images with noise, `zeros` among the training images;
    `trained`, the names of the methods that are numbered in `history` and `members`.
    """

    rows: dict[str, np.ndarray]
    members: dict[str, np.ndarray]
    history: dict[str, np.ndarray]
    costs: dict[str, np.ndarray]
    images: dict[str, np.ndarray]
    neighbours: dict[str, np.ndarray]
    arrays: dict[str, np.ndarray]
    seconds: dict[str, float]
    accuracy: float
    zeros: float
    trained: tuple[str, ...]


def run_digits(
    seed: int,
    models: int,
    config: dict,
    knots: int,
    data: GrayImages,
    radius: float,
) -> Digits:
    """Train by both rules and on a lattice, and a score network; measure all samples.

    **Arguments:** `config`, the fields of a `Config` but for the rule; `data`, with all
    ten digits, which the classifier is trained on; `radius` of the lattice in sites.
    """
    keys = split_keys(seed)
    judge = Judge(data, next(keys))
    near = lattice(data.side, data.side, float(radius))
    everyone, near = (
        network_at_pace(NOISING, pairs, knots)
        for pairs in (all_to_all(data.side**2), near)
    )
    plans: dict[str, tuple[Rule, Network]] = {
        "force matching": ("force", everyone),
        "observed motion": ("observed", everyone),
        "force matching (lattice)": ("force", near),
    }
    samples, seconds, histories, arrays, costs = {}, {}, [], {}, {}
    for name, (rule, network) in plans.items():
        members = train_members(
            name,
            Config(rule, **config),
            network,
            jax.random.split(next(keys), models),
            judge.train,
        )
        seconds[name] = members.seconds
        histories.append(members.losses)
        samples[name] = draw_samples(
            network.generation, members.protocols, next(keys), SAMPLES, SUBSTEPS
        )
        short = name.translate({ord(" "): "_", ord("("): "", ord(")"): ""})
        arrays |= protocol_arrays(short, members.protocols)
        if name == "force matching":
            # One member: slow generation takes many steps.
            costs = cost_table(
                network.generation,
                jax.tree.map(lambda a: a[:1], members.protocols),
                next(keys),
                PACES,
                SAMPLES,
                SUBSTEPS,
                judge.measure_members,
            )
    law = Mixture(
        jnp.asarray(judge.train),
        jnp.asarray(0.0),
        jnp.full(len(judge.train), -np.log(len(judge.train))),
    )
    chosen = jax.random.randint(next(keys), (LIMIT_POINTS,), 0, len(judge.train))
    limit = limit_protocol(
        everyone, law, law.means[chosen], next(keys), LIMIT_ITERATIONS, 2
    )
    limit = jax.tree.map(lambda a: np.asarray(a)[None], limit)
    samples["projection"] = draw_samples(
        everyone.generation, limit, next(keys), SAMPLES, SUBSTEPS
    )
    reference, seconds["score network"] = train_reference(
        everyone, next(keys), judge.train, config["num_steps"], config["batch"]
    )
    drawn = draw_reference(everyone, reference, next(keys), SAMPLES, SUBSTEPS)
    samples["score network"] = np.asarray(drawn)[None]
    samples["training images"] = judge.noised_train[None]
    rows, members = comparison(
        {name: judge.measure_members(values) for name, values in samples.items()}
    )
    first = samples["force matching"][0]
    return Digits(
        rows,
        members,
        history(histories, config["num_steps"]),
        costs,
        {"held-out data": judge.noised_held_out[:SHOWN]}
        | {name: values[0, :SHOWN] for name, values in samples.items()},
        {
            "force matching": first[:SHOWN],
            "nearest": judge.train[nearest(first[:SHOWN], judge.train)[1]],
        },
        arrays,
        seconds,
        judge.accuracy,
        judge.zeros,
        tuple(plans),
    )


class Judge:
    """The images split in training and held-out ones, and a ten-class classifier.

    Generation ends at the earliest noising time; so that like is compared with like,
    held-out and training images carry the noise of that time too.
    """

    def __init__(self, data: GrayImages, key: jax.Array):
        split = int(len(data.x) * (1 - HELD_OUT))
        self._classifier = SVC(C=10).fit(data.x[:split], data.digits[:split])
        binary = data.digits < 2
        self.train = data.x[:split][binary[:split]]
        self.held_out = data.x[split:][binary[split:]]
        train_key, held_key, all_key = jax.random.split(key, 3)
        self.noised_train = _noised(self.train, train_key)
        self.noised_held_out = _noised(self.held_out, held_key)
        everyone = _noised(data.x[split:], all_key)
        self.accuracy = float(self._classifier.score(everyone, data.digits[split:]))
        self.zeros = float(np.mean(data.digits[:split][binary[:split]] == 0))
        self._memory = np.median(nearest(self.noised_held_out, self.train)[0])

    def measure(self, x: np.ndarray) -> dict[str, float]:
        """The measures of one set of samples (N, n)."""
        called = self._classifier.predict(x)
        valid = called < 2
        zeros = float(np.mean(called[valid] == 0)) if valid.any() else np.nan
        distance = energy_distance(jnp.asarray(x), jnp.asarray(self.noised_held_out))
        return {
            "called_0_or_1": float(np.mean(valid)),
            "share_of_zeros": zeros,
            "energy_distance": float(distance),
            "nearest_training_distance": float(
                np.median(nearest(x, self.train)[0]) / self._memory
            ),
        }

    def measure_members(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """The measures of samples (members, N, n), one value a member each."""
        found = [self.measure(one) for one in x]
        return {name: np.array([one[name] for one in found]) for name in found[0]}


def _noised(x: np.ndarray, key: jax.Array) -> np.ndarray:
    @jax.jit
    def noised(key, x):
        times = jnp.full(len(x), NOISING.earliest)
        normals = jax.random.normal(key, x.shape)
        return diffusion.noise_points(NOISING, normals, x, times)[0]

    return np.asarray(noised(key, x))
