"""Networks trained at once: settings, the loop with its progress bar, the devices."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.command.errors import UserError
from experiments.command.streams import progress_bar, write_above
from nelc_jax import ensemble
from nelc_jax.oscillators import (
    AbstractRule,
    ForceMatching,
    Generation,
    Learner,
    Noising,
    ObservedMotion,
    Protocol,
    QuarticNetwork,
    train,
)

CHUNKS = 40
"""Parts of a training between which the progress bar moves and losses are averaged."""


@dataclass(frozen=True)
class Training:
    """How the networks of a task are trained, as the options of the command say."""

    seed: int
    knots: int
    learning_rate: float
    fraction: float
    models: int
    steps: int
    batch: int

    def keys(self) -> Iterator[jax.Array]:
        """The keys of a task, one after the other."""
        keys = jax.random.split(jax.random.key(self.seed), 100)
        # By number: iterating an array compiles one operation of 100 results.
        return (keys[number] for number in range(100))

    def rules(self) -> dict[str, AbstractRule]:
        """The learning rules, by their names in tables."""
        return {
            "force matching": ForceMatching(),
            "observed motion": ObservedMotion(self.fraction),
        }


@cache
def cosine_adam(learning_rate: float, num_steps: int) -> optax.GradientTransformation:
    """Adam, whose rate falls to zero as a cosine.

    The same object for the same numbers: what was compiled for it is found again.
    """
    return optax.adam(optax.cosine_decay_schedule(learning_rate, num_steps))


@dataclass(frozen=True)
class TrainedMembers:
    """Members trained at once: their `protocols`, with a leading axis.

    `losses` (members, chunks), means over the parts of the training; `diverged_at`, the
    step by which each went non-finite, or 0: its protocol is that of the part before,
    and its losses are nan from there; `seconds` in all, with compilation.
    """

    protocols: Protocol
    losses: np.ndarray
    diverged_at: np.ndarray
    seconds: float

    @property
    def sound(self) -> np.ndarray:
        """The numbers of the members that stayed finite."""
        return np.flatnonzero(self.diverged_at == 0)

    @property
    def sound_protocols(self) -> Protocol:
        """The protocols of these members."""
        return jax.tree.map(lambda array: array[self.sound], self.protocols)


def network_at_pace(
    noising: Noising, pairs: np.ndarray | None, knots: int
) -> QuarticNetwork:
    """A network that undoes a noising at its own pace in its own bath."""
    duration = noising.latest - noising.earliest
    generation = Generation(noising, noising.bath, duration)
    coupled = None if pairs is None else jnp.asarray(pairs)
    return QuarticNetwork(generation, noising.geometric_times(knots), coupled)


def train_members(
    label: str, learner: Learner, keys: jax.Array, x: np.ndarray, num_steps: int
) -> TrainedMembers:
    """Train a member for each of `keys`, all at once, spread over the devices.

    One that goes non-finite is frozen and named; the others go on.

    **Raises:** `UserError` when all have gone non-finite.
    """
    points = jnp.asarray(x, jnp.float32)
    started = time.perf_counter()
    states = _init(keys, learner, points)
    sizes = [len(part) for part in np.array_split(np.arange(num_steps), CHUNKS)]
    diverged_at, losses = np.zeros(len(keys), int), []
    with progress_bar(total=num_steps, unit="step", desc=label) as progress:
        for size in filter(None, sizes):
            running = diverged_at == 0
            states, loss = _train(size, states, running, learner, points)
            losses.append(np.asarray(loss))
            progress.update(size)
            lost = running & np.isnan(losses[-1])
            diverged_at[lost] = progress.n
            if diverged_at.all():
                raise UserError(
                    f"{label}: every network went non-finite, the last by step "
                    f"{progress.n}: lower --learning-rate"
                )
            for number in np.flatnonzero(lost).tolist():
                write_above(progress, _in_words(label, number, progress.n))
            progress.set_postfix_str(f"loss = {np.nanmean(losses[-1]):.4f}")
    protocols = jax.tree.map(np.asarray, _protocols(states.parameters, learner.network))
    seconds = time.perf_counter() - started
    return TrainedMembers(protocols, np.stack(losses, axis=1), diverged_at, seconds)


def left_out(trained: Mapping[str, TrainedMembers]) -> list[str]:
    """A line for each network that went non-finite."""
    return [
        _in_words(label, number, step)
        for label, one in trained.items()
        for number, step in enumerate(one.diverged_at)
        if step
    ]


def _in_words(label: str, number: int, step: int) -> str:
    return (
        f"{label}: network {number} went non-finite by step {step}: frozen as before, "
        "and left out of every mean"
    )


@jax.jit
def _init(keys, learner, x):
    def one(key, learner, x):
        return learner.init(key, x)

    return ensemble.map_members(one, 1)(keys, learner, x)


@partial(jax.jit, static_argnums=0)
def _train(num_steps, states, running, learner, x):
    def one(state, running, learner, x):
        trained, loss = train(learner, state, x, num_steps)
        leaves = [*jax.tree.leaves(trained.parameters), loss]
        finite = jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves])
        goes_on = running & jnp.all(finite)
        state = jax.tree.map(partial(jnp.where, goes_on), trained, state)
        return state, jnp.where(goes_on, jnp.mean(loss), jnp.nan)

    return ensemble.map_members(one, 2)(states, running, learner, x)


@jax.jit
def _protocols(parameters, network):
    def one(own, network):
        return network.protocol(own)

    return ensemble.map_members(one, 1)(parameters, network)
