"""What a trained model generates: `python -m experiments.sample RUN`."""

from experiments.command.signals import leave_at_interrupt

if __name__ == "__main__":
    leave_at_interrupt()

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from experiments.command.devices import check_devices
from experiments.command.errors import UserError, reports_user_errors
from experiments.command.invocation import call
from experiments.command.memory import check_memory
from experiments.command.options import check_count, check_positive, check_seed, parse
from experiments.command.parser import MEASURING, MODEL
from experiments.figures import by_likelihood, save_figure
from experiments.figures.samples import (
    grid_figure,
    trajectory_figure,
    write_animation,
)
from experiments.runs.directory import Run
from experiments.runs.diverged import diverged_in
from experiments.runs.files import table_bytes
from experiments.runs.finished import model_of, open_run
from experiments.runs.lock import claimed
from nelc_jax._disk import write_whole
from nelc_jax.chain import sample_chain
from nelc_jax.model import Model, state_logits
from nelc_jax.plot import cycle_order

CHAINS = 12
"""Chains that are followed."""

RESULTS = ("samples.npz", "trajectories.csv", "chains.gif")
RESULTS += tuple(
    f"{name}.{kind}" for name in ("images", "trajectories") for kind in ("png", "pdf")
)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Let one model of a finished run generate.

    Writes images.png (independent samples of p(x)), chains.gif (a frame a double step),
    trajectories.png and trajectories.csv (the latent states of the chains), the PNGs
    also as PDF, and samples.npz, which holds the samples x and their latent states z
    and can be given as --dataset. The z of an x is the state that it was drawn from.
    """

    run: Path = field(kw_only=False)
    """Directory that train_ensemble wrote, or one of the ensembles of compare, verdict
    or horizon."""
    out: Path | None = None
    """Directory for the results. Those of an earlier call are replaced; anything else
    must not be there. [samples/ in that of the run]"""
    model: Annotated[int | None, MODEL] = None
    """Number of the model. [the one of the highest log-likelihood]"""
    samples: Annotated[int, MEASURING] = 96
    """Independent samples x of p(x)."""
    steps: Annotated[int, MEASURING] = 100
    """Length of the chains, in double steps."""
    seed: int = 0
    """Seed of all random numbers; the same seed gives the same results."""


class Drawn(eqx.Module):
    """Independent samples, and stationary chains: z is the state that made x."""

    x: Bool[Array, "N D"]
    z: Int[Array, " N"]
    chain_x: Bool[Array, "C T D"]
    chain_z: Int[Array, "C T"]


def main(arguments: list[str] | None = None) -> Path:
    """Run the command with its command line (or `arguments`); returns `--out`."""
    options = parse(Sample, "sample", arguments)
    check_positive(samples=options.samples, steps=options.steps)
    check_seed(options.seed)
    check_devices()
    run = open_run(options.run)
    index = _row(run, options.model)
    if "occupancy" not in run.arrays:
        raise UserError(
            f"{options.run} has latent states that are sampled, without a known p_bar "
            "to begin at: use nelc_jax.load and sample_chain"
        )
    out = options.out or options.run / "samples"
    number, epoch = int(run.models["model"][index]), int(diverged_in(run)[index])
    if epoch:
        print(f"model {number} went non-finite in epoch {epoch}: it is as before that")
    config = {
        "command": "sample",
        "run": str(options.run),
        "model": number,
        "samples": options.samples,
        "steps": options.steps,
        "seed": options.seed,
        **call(),
    }
    model = model_of(run, index)
    _check_sizes(options, model)
    occupancy = jnp.asarray(run.arrays["occupancy"][index])
    key = jax.random.fold_in(jax.random.key(options.seed), number)
    with claimed(out, config, RESULTS):
        drawn = draw(model, occupancy, key, options.samples, options.steps)
        _write(out, run, index, model, drawn)
    print(f"model {number}: {options.samples} samples, {CHAINS} chains; see {out}")
    return out


def _check_sizes(options: Sample, model: Model):
    """Each of two numbers is held against what its samples need, in single bytes."""
    visible = model.num_visible
    check_memory(f"--samples {options.samples}", options.samples * visible)
    check_memory(f"--steps {options.steps}", options.steps * CHAINS * visible)
    check_count(samples=options.samples, steps=options.steps)


@eqx.filter_jit
def draw(
    model: Model,
    occupancy: Float[Array, " S"],
    key: Key[Array, ""],
    num_samples: int,
    num_steps: int,
) -> Drawn:
    """Draws from p(x), independent ones and chains that start there.

    z ~ p_bar and x ~ A_z need no burn-in: `occupancy` was measured with the run.
    """
    sample_key, start_key, chain_key = jax.random.split(key, 3)
    means = jax.nn.sigmoid(state_logits(model))

    def stationary(key, count):
        z_key, x_key = jax.random.split(key)
        z = jax.random.categorical(z_key, jnp.log(occupancy), shape=(count,))
        return z, jax.random.bernoulli(x_key, means[z])

    z, x = stationary(sample_key, num_samples)
    made_by, starts = stationary(start_key, CHAINS)
    _, chains = jax.vmap(lambda key, x: sample_chain(model, key, x, num_steps))(
        jax.random.split(chain_key, CHAINS), starts
    )
    # The z(t) of a chain is drawn from x(t), and makes x(t + 1).
    drawn = model.latent.index(chains.z)
    return Drawn(
        x, z, chains.x, jnp.concatenate([made_by[:, None], drawn[:, :-1]], axis=1)
    )


def _row(run: Run, number: int | None) -> int:
    if number is None:
        ranking = by_likelihood(run)
        if not ranking.size:
            raise UserError("all models went non-finite: name one by --model")
        return int(ranking[0])
    found = np.flatnonzero(run.models["model"] == number)
    if not found.size:
        known = run.models["model"]
        raise UserError(
            f"--model {number}: the run has models {known.min()} to {known.max()}"
        )
    return int(found[0])


def _write(out: Path, run: Run, index: int, model: Model, drawn: Drawn) -> None:
    image_shape = run.config.get("image_shape")
    number = run.models["model"][index]
    x, z = np.asarray(drawn.x), np.asarray(drawn.z)
    chain_x, chain_z = np.asarray(drawn.chain_x), np.asarray(drawn.chain_z)
    samples = io.BytesIO()
    np.savez(samples, x=x.astype(np.uint8), z=z)
    chain, step = np.indices(chain_z.shape)
    table = {"chain": chain, "t": step, "z": chain_z}
    columns = {name: column.ravel() for name, column in table.items()}
    write_whole(
        {
            out / "samples.npz": samples.getvalue(),
            out / "trajectories.csv": table_bytes(columns),
        }
    )
    figure = grid_figure(x, image_shape)
    save_figure(out, "images", f"Model {number}: samples", "", figure)
    expected = np.asarray(jax.nn.sigmoid(state_logits(model)))
    arrays = run.arrays
    order = cycle_order(arrays["log_latent_kernel"][index], arrays["occupancy"][index])
    figure = trajectory_figure(chain_z, order, expected, image_shape)
    save_figure(out, "trajectories", f"Model {number}: trajectories", "", figure)
    write_animation(out / "chains.gif", chain_x, chain_z, image_shape)


@reports_user_errors
def command(arguments: list[str] | None = None) -> None:
    """`main` in a process of its own: errors in one line."""
    main(arguments)


if __name__ == "__main__":
    command()
