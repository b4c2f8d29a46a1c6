"""The paper's training in NumPy, one model at a time.

Single precision and preallocated arrays throughout. Rows are latent states: w is kept
as its transpose, (L, D).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks.peers import common, processes
from benchmarks.peers.common import DECAY, EPS, RATE, PeerResult

# exp(-h) of a saturated unit, and an exponential time of 0: both give the right limit.
_HARMLESS = {"over": "ignore", "divide": "ignore"}


class Parameters(NamedTuple):
    """w transposed (L, D), w_bar (L, D), a_bar (L,), or gradients with these shapes."""

    w: np.ndarray
    w_bar: np.ndarray
    a_bar: np.ndarray


class Trajectory(NamedTuple):
    """x (T, D) as float32, states k (T,), mu = sigmoid(h) (T, L)."""

    x: np.ndarray
    k: np.ndarray
    mu: np.ndarray


def sigmoid(v: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-v)); callers ignore the overflow of exp, whose result is right."""
    v = np.exp(-v)
    v += 1
    return np.reciprocal(v, out=v)


class Chain:
    """The persistent chain and its buffers."""

    def __init__(
        self, x: np.ndarray, num_steps: int, num_units: int, rng: np.random.Generator
    ):
        num_visible = len(x)
        self._rng = rng
        self._x = np.empty((num_steps + 1, num_visible), np.float32)
        self._x[-1] = x
        self._k = np.empty(num_steps, np.intp)
        self._mu = np.empty((num_steps, num_units), np.float32)
        self._u = np.empty((num_steps, num_visible), np.float32)
        self._e = np.empty((num_steps, num_units), np.float32)

    def run(
        self, parameters: Parameters, p: np.ndarray, x_mean: np.ndarray
    ) -> Trajectory:
        """T double steps from where the last ones ended; p = sigmoid(w).

        The trajectory is a view of the buffers.
        """
        xs, ks, mus = self._x, self._k, self._mu
        us = self._rng.random(out=self._u, dtype=np.float32)
        es = self._rng.standard_exponential(out=self._e, dtype=np.float32)
        w_bar = parameters.w_bar
        bias = parameters.a_bar - w_bar @ x_mean
        xs[0] = xs[-1]
        for t in range(len(ks)):
            h = w_bar.dot(xs[t])
            h += bias
            mus[t] = mu = sigmoid(h)
            # Of exponential times with rates mu, each is the first with p(z|x), eq. 19.
            ks[t] = k = (mu / es[t]).argmax()
            np.less(us[t], p[k], out=xs[t + 1])
        return Trajectory(xs[:-1], ks, mus)


def gradient(
    parameters: Parameters,
    p: np.ndarray,
    trajectory: Trajectory,
    batch: np.ndarray,
    x_mean: np.ndarray,
) -> tuple[Parameters, np.float32]:
    """Eq. 16a, 17, 16d with z - mu to the letter of eq. 15, and mean ln p of the batch.

    `p`, sigmoid(w); `batch` (B, D) as float32.
    """
    num_steps, num_units = trajectory.mu.shape
    occupancy = np.bincount(trajectory.k, minlength=num_units) / np.float32(num_steps)
    occupancy = occupancy.astype(np.float32)
    # softplus(w), from the larger of p and 1 - p; logaddexp takes six times longer.
    softplus = np.log(np.maximum(p, 1 - p))
    np.subtract(np.maximum(parameters.w, 0), softplus, out=softplus)
    joint = batch @ parameters.w.T
    with np.errstate(divide="ignore"):
        joint += np.log(occupancy) - softplus.sum(axis=1)
    largest = joint.max(axis=1, keepdims=True)
    joint -= largest
    np.exp(joint, out=joint)
    evidence = joint.sum(axis=1, keepdims=True)
    log_p = np.log(evidence) + largest
    evidence *= len(batch)
    joint /= evidence
    r = joint.sum(axis=0)
    w = joint.T @ batch
    w -= r[:, None] * p

    g = (r / np.where(occupancy > 0, occupancy, 1) / num_steps)[trajectory.k]
    c = trajectory.mu * -g[:, None]
    c[np.arange(num_steps), trajectory.k] += g
    total = c.sum(axis=0)
    w_bar = c.T @ trajectory.x
    w_bar -= total[:, None] * x_mean
    return Parameters(w, w_bar, total), log_p.mean()


def update(parameters: Parameters, square: Parameters, step: Parameters) -> None:
    """RMSprop in place: the mean square of the gradient, then the parameters."""
    for value, s, g in zip(parameters, square, step, strict=True):
        change = g * g
        change -= s
        change *= 1 - DECAY
        s += change
        np.add(s, EPS, out=change)
        np.sqrt(change, out=change)
        np.divide(g, change, out=change)
        change *= RATE
        value += change


def train(
    x: np.ndarray,
    num_models: int,
    batch_sizes: np.ndarray,
    chain_length: int,
    num_units: int,
    seed: int,
) -> PeerResult:
    """Train `num_models` one after the other.

    The time per model is the same for each: run a few and scale.

    **Arguments:** data `x` (N, D), bool; `batch_sizes`, one a gradient step;
    `chain_length`, T double steps a gradient step; `num_units`, L.
    """
    arguments = (x, num_models, batch_sizes, chain_length, num_units, seed)
    seconds, (parameters,) = processes.run(prepare, [arguments])
    return PeerResult(seconds, parameters, "1 process, 1 thread, one model at a time")


def prepare(
    x: np.ndarray,
    num_models: int,
    batch_sizes: np.ndarray,
    chain_length: int,
    num_units: int,
    seed: int,
) -> Callable[[], dict[str, np.ndarray]]:
    """Initialise and warm up; the work that is left returns the parameters."""
    members = range(num_models)
    initial = common.init_parameters(x, members, num_units, seed)
    starts = common.init_chains(x, members, seed)
    data = x.astype(np.float32)
    x_mean = data.mean(axis=0)

    def train_one(member: int, batch_sizes: np.ndarray) -> Parameters:
        rng = common.noise_generator(seed, member)
        chain = Chain(starts[member], chain_length, num_units, rng)
        parameters = Parameters(
            initial["w"][member].T.copy(),
            initial["w_bar"][member].copy(),
            initial["a_bar"][member].copy(),
        )
        square = Parameters(*(np.zeros_like(value) for value in parameters))
        for batch_size in batch_sizes:
            p = sigmoid(parameters.w)
            trajectory = chain.run(parameters, p, x_mean)
            batch = data.take(rng.integers(len(data), size=batch_size), axis=0)
            step, _ = gradient(parameters, p, trajectory, batch, x_mean)
            update(parameters, square, step)
        return parameters

    def work() -> dict[str, np.ndarray]:
        with np.errstate(**_HARMLESS):
            trained = [train_one(member, batch_sizes) for member in members]
        w, w_bar, a_bar = (np.stack(values) for values in zip(*trained, strict=True))
        return {"w": w.swapaxes(1, 2), "w_bar": w_bar, "a_bar": a_bar}

    with np.errstate(**_HARMLESS):
        train_one(0, common.warm_up_sizes(batch_sizes))
    return work
