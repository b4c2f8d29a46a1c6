"""What an ensemble is trained with: one class of settings for every command."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import jax
import numpy as np
import optax

from experiments.command.errors import UserError
from experiments.command.options import check_positive
from experiments.command.parser import MODEL, TRAINING
from experiments.training.recipes import DECAY, Best
from nelc_jax import (
    AbstractLatent,
    AveragedGradient,
    Binary,
    Cycles,
    OneHot,
    TrajectoryGradient,
    rmsprop,
)
from nelc_jax.training import batch_schedule

MAX_STATES = 1024
"""Binary latent states up to which a run makes tables of them; others are sampled."""

OF_RULE = (
    "recipe",
    "latent",
    "units",
    "normalization",
    "score",
    "estimator",
    "horizon",
    "chain_length",
    "learning_rate",
    "decay",
    "eps",
)
"""The settings that only `Settings.rule` reads."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How many models train, by which rule, for how long; the defaults are the paper's.

    The texts below the fields are also those of the command line.
    """

    models: Annotated[int, MODEL] = 36
    """Number of models; model i is the same whatever this number."""
    latent: Annotated[Literal["onehot", "binary"], MODEL] = "onehot"
    """onehot: one of --units bits is on; binary: any of 2^units bit patterns."""
    units: Annotated[int, MODEL] = 6
    """Latent units L, in bits."""
    normalization: Annotated[Literal["sigmoid", "softmax"], MODEL] = "sigmoid"
    """p(z|x) of one-hot states: the paper's eq. 19, or the softmax of eq. 9."""
    score: Annotated[Literal["paper", "exact"], TRAINING] = "paper"
    """Reading of z - mu in eq. 16c-d: eq. 15 to the letter, or the true derivative."""
    estimator: Annotated[Literal["trajectory", "averaged"], TRAINING] = "trajectory"
    """Averages of the gradient: over the chain, or over --chain-length draws of every
    latent state in its place."""
    horizon: Annotated[int, TRAINING] = 1
    """Double steps that the gradient goes back, the paper's 1; 0: all of them, which
    needs --estimator averaged."""
    recipe: Annotated[Literal["paper", "best"], TRAINING] = "paper"
    """paper: its training; best: one-hot models at the best optimum, by an exchange of
    latent states after a third of the epochs, a learning rate that falls to a fifth, a
    --decay of 0.99, and the average of the last sixth of the epochs."""
    epochs: Annotated[int, TRAINING] = 120
    """Epochs of --steps-per-epoch gradient steps."""
    steps_per_epoch: Annotated[int, TRAINING] = 30
    """Gradient steps an epoch."""
    chain_length: Annotated[int, TRAINING] = 48
    """Length T of the Markov chain of a gradient step, in double steps."""
    batch_first: Annotated[int, TRAINING] = 16
    """Mini-batch size in the first epoch, in points."""
    batch_last: Annotated[int, TRAINING] = 160
    """Mini-batch size in the last epoch, in points; it grows linearly in between."""
    learning_rate: Annotated[float, TRAINING] = 0.1
    """Learning rate of RMSprop, in units of the parameters a step."""
    decay: Annotated[float, TRAINING] = 0.9
    """Decay of RMSprop's mean of squared gradients, a step."""
    eps: Annotated[float, TRAINING] = 1e-8
    """Added to RMSprop's mean inside the root, in squared nats."""
    members_at_once: int | None = None
    """Models held in memory at a time, for ensembles larger than the machine; groups of
    this many are trained in turn, with the same results. [all]"""
    save_every: int = 10
    """Epochs between two saved states of the training."""

    def check(self) -> None:
        """Check every setting by itself.

        **Raises:** `UserError` for the first that has no meaning.
        """
        check_positive(
            models=self.models,
            units=self.units,
            epochs=self.epochs,
            steps_per_epoch=self.steps_per_epoch,
            chain_length=self.chain_length,
            batch_first=self.batch_first,
            batch_last=self.batch_last,
            learning_rate=self.learning_rate,
            eps=self.eps,
            save_every=self.save_every,
        )
        if self.members_at_once is not None:
            check_positive(members_at_once=self.members_at_once)
        if self.batch_first > self.batch_last:
            raise UserError(
                f"--batch-first {self.batch_first} exceeds --batch-last "
                f"{self.batch_last}: mini-batches grow in training"
            )
        if not 0 <= self.decay < 1:
            raise UserError(f"--decay {self.decay}: expected 0 <= decay < 1")

    def latent_space(self) -> AbstractLatent:
        """The latent space."""
        if self.latent == "onehot":
            return OneHot(self.units, self.normalization)
        return Binary(self.units, MAX_STATES)

    def rule(self) -> Cycles | Best:
        """The rule of the recipe with these settings.

        **Raises:** `UserError` for a horizon that the estimator does not have, more
        latent states than it can enumerate, or what the recipe has no use for.
        """
        if self.recipe == "paper":
            return self.cycles()
        if self.latent != "onehot":
            raise UserError(
                f"--recipe best: expected --latent onehot, not {self.latent}: it "
                "exchanges the components of a mixture"
            )
        if self.decay != Settings.decay:
            raise UserError(
                f"--decay {self.decay}: --recipe best has its own, {DECAY}: leave one "
                "of both away"
            )
        cycles = replace(self, decay=DECAY).cycles()
        return Best(cycles, self.learning_rate, self.epochs)

    def cycles(self) -> Cycles:
        """The paper's rule with these settings.

        **Raises:** `UserError` as `rule`.
        """
        latent, horizon = self.latent_space(), self.horizon or None
        if horizon is None and self.estimator == "trajectory":
            raise UserError(
                "--horizon 0: the sum over all double steps needs --estimator averaged"
            )
        if self.estimator == "averaged" and not latent.enumerable:
            raise UserError(
                f"--units {self.units}: --estimator averaged enumerates the latent "
                f"states, of {MAX_STATES} at most: use fewer units, or --estimator "
                "trajectory"
            )
        try:
            if self.estimator == "averaged":
                estimator = AveragedGradient(self.chain_length, horizon, self.score)
            else:
                estimator = TrajectoryGradient(self.chain_length, self.score, horizon)
        except ValueError as error:
            raise UserError(f"--horizon {self.horizon}: {error}") from error
        return Cycles(latent, estimator, self.optimizer())

    def optimizer(self) -> optax.GradientTransformation:
        """The paper's RMSprop with these settings."""
        return rmsprop(self.learning_rate, self.decay, self.eps)

    def batch_sizes(self, batch_epochs: int) -> np.ndarray:
        """The mini-batch size of every epoch; the first `batch_epochs` make it grow."""
        first, last = self.batch_first, self.batch_last
        sizes = batch_schedule(first, last, batch_epochs)
        return sizes[np.minimum(np.arange(self.epochs), batch_epochs - 1)]

    def own_numbers(self) -> np.ndarray:
        """The numbers of the models that this process trains.

        **Raises:** `UserError` for fewer models than processes.
        """
        processes = jax.process_count()
        if self.models < processes:
            raise UserError(
                f"--models {self.models}: {processes} processes need one each at least"
            )
        return np.array_split(np.arange(self.models), processes)[jax.process_index()]
