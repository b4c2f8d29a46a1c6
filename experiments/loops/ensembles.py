"""One ensemble of loops: trained once, measured, and kept in a directory of its own."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.command.streams import progress_bar
from experiments.data.dataset import Dataset
from experiments.loops.designs import Design
from experiments.runs.checkpoint import name_arrays, restore_arrays
from experiments.runs.directory import Run, begin, holds_results, load_run, write_run
from nelc_jax import ensemble, rmsprop
from nelc_jax._format import read_arrays, write_arrays
from nelc_jax.loops import DeepCycles, LoopGradient, summarize_loop
from nelc_jax.training import State, batch_schedule, freeze


@dataclass(frozen=True)
class LoopSettings:
    """How every design is trained and measured; the rest is the paper's.

    `samples`, draws of x for every state of the last layer.
    """

    models: int = 8
    units: int = 6
    epochs: int = 80
    steps_per_epoch: int = 30
    chain_length: int = 48
    batch_first: int = 16
    batch_last: int = 160
    samples: int = 512


QUICK = LoopSettings(3, 3, 6, 10, 12, 16, 32, 48)
"""A small version, to try the command."""

STATE, SAVE_EVERY = "training.safetensors", 10
"""The file of a state to go on from, and the epochs from one to the next."""

FALL = 0.1
"""The share of its first value to which the learning rate falls."""


def run_design(
    design: Design,
    settings: LoopSettings,
    train: Dataset,
    held_out: Dataset,
    seed: int,
    out: Path,
) -> Run:
    """The ensemble of a design, read where it was trained with the same settings."""
    config = {
        "design": design.name,
        "layers": [str(layer) for layer in design.layers],
        "parameters": design.num_parameters(train.x.shape[1]),
        "learning_rate": design.learning_rate,
        **asdict(settings),
        "seed": seed,
        "data_digest": train.digest(),
        "held_out": held_out.digest(),
    }
    if holds_results(out):
        run = load_run(out)
        if run.config == config:
            return run
    begin(out, config)
    words, file = {"config": json.dumps(config)}, out / STATE
    states, history = _train(design, settings, jnp.asarray(train.x), seed, file, words)
    models, arrays = _measure(states, settings, train, held_out)
    write_run(out, Run(config, history, models, arrays))
    file.unlink(missing_ok=True)
    # As a later call reads it: tables are rounded.
    return load_run(out)


def _train(
    design: Design,
    settings: LoopSettings,
    x: jax.Array,
    seed: int,
    file: Path,
    words: dict[str, str],
):
    """The states after training, and the columns of `history.csv`.

    It goes on from the states in `file`, if they are of the same `words`.
    """
    steps = settings.epochs * settings.steps_per_epoch
    falling = optax.exponential_decay(design.learning_rate, steps, FALL)
    estimator = LoopGradient(settings.chain_length)
    rule = DeepCycles(design.layers, estimator, rmsprop(falling))

    @jax.jit
    def epoch(states, sizes):
        after, info = ensemble.train(rule, states, x, sizes)
        kept = jax.vmap(freeze)(states, after, info.finite)
        return kept, info.log_likelihood.mean(axis=1)

    numbers = jnp.arange(settings.models)
    states = ensemble.init(rule, jax.random.key(seed), numbers, x)
    sizes = batch_schedule(settings.batch_first, settings.batch_last, settings.epochs)
    states, likelihoods = _begun(file, words, states)
    with progress_bar(
        total=len(sizes), initial=len(likelihoods), unit="epoch", desc=design.name
    ) as bar:
        for size in sizes[len(likelihoods) :]:
            states, found = epoch(states, jnp.full(settings.steps_per_epoch, size))
            likelihoods.append(np.asarray(found))
            if len(likelihoods) % SAVE_EVERY == 0:
                kept = {"likelihoods": np.stack(likelihoods), **name_arrays(states)}
                write_arrays(file, jax.device_get(kept), words)
            bar.update()
    history = {
        "epoch": np.repeat(1 + np.arange(settings.epochs), settings.models),
        "model": np.tile(np.arange(settings.models), settings.epochs),
        "batch_log_likelihood": np.concatenate(likelihoods),
    }
    return states, history


def _begun(file: Path, words: dict[str, str], states: State):
    """The states to go on from and the likelihoods so far, or those given and none."""
    try:
        arrays, found = read_arrays(file)
    except (OSError, ValueError):
        return states, []
    if found != words:
        return states, []
    likelihoods = list(arrays.pop("likelihoods"))
    return restore_arrays(jax.tree.map(jnp.asarray, arrays), states), likelihoods


def _measure(states, settings: LoopSettings, train: Dataset, held_out: Dataset):
    """The columns of `models.csv`, and the arrays of the checkpoint."""
    x, x_held_out = jnp.asarray(train.x), jnp.asarray(held_out.x)

    def one(loop, key):
        found = summarize_loop(loop, key, x, settings.samples)
        return found, jnp.mean(loop.log_prob(found.occupancies[-1], x_held_out))

    keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(states.key, 2**31)
    measure = jax.jit(ensemble.map_members(one, 2))
    found, held_out_likelihood = jax.device_get(measure(states.model, keys))
    sigma = found.entropy_production_rates.T
    taken = settings.epochs * settings.steps_per_epoch
    models = {
        "model": np.arange(settings.models),
        "log_likelihood": found.log_likelihood,
        "held_out_log_likelihood": held_out_likelihood,
        "relaxation_time": found.relaxation_time,
        **{f"sigma_{k}": each for k, each in enumerate(sigma, 1)},
        "frozen": np.asarray(states.step < taken).astype(int),
    }
    arrays = {"x_mean": np.asarray(states.model.x_mean)}
    for k, kernel in enumerate(states.model.kernels):
        arrays[f"weights_{k}"] = np.asarray(kernel.weights)
        arrays[f"bias_{k}"] = np.asarray(kernel.bias)
    for k, law in enumerate(found.occupancies, 1):
        arrays[f"occupancy_{k}"] = law
    return models, arrays
