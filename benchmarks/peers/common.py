"""What the peers share: their result, initialisation, constants and the likelihood."""

import os
from dataclasses import dataclass

import numpy as np

RATE = 0.1
"""Learning rate."""

DECAY = 0.9
"""Decay of RMSprop's mean square."""

EPS = 1e-8
"""Added to the mean square inside the root."""

INITIAL_CLIP = 1e-3
"""Pixel means are clipped to [INITIAL_CLIP, 1 - INITIAL_CLIP] before their logit."""

_NAMES = ("w", "w_bar", "a_bar")


@dataclass(frozen=True)
class PeerResult:
    """What a peer returns.

    `seconds` of training, without imports, start-up, initialisation and warm-up;
    `parameters`, float32 arrays w (M, D, L), w_bar (M, L, D), a_bar (M, L) after the
    last step; `arrangement`, how the work was laid out, in words.
    """

    seconds: float
    parameters: dict[str, np.ndarray]
    arrangement: str


def init_parameters(
    x: np.ndarray, members: range, num_units: int, seed: int
) -> dict[str, np.ndarray]:
    """The parameters of App. A1: columns of w reproduce means of random tenths of x.

    Each unit takes its own random tenth, without repetition; w_bar = a_bar = 0. A
    member's parameters depend on the seed and its number alone.
    """
    num_points, num_visible = x.shape
    size = max(1, num_points // 10)
    w = np.empty((len(members), num_visible, num_units), np.float32)
    for i, member in enumerate(members):
        rng = np.random.default_rng([seed, member, 0])
        for b in range(num_units):
            chosen = rng.choice(num_points, size, replace=False)
            mean = x[chosen].mean(axis=0).clip(INITIAL_CLIP, 1 - INITIAL_CLIP)
            w[i, :, b] = np.log(mean / (1 - mean))
    return {
        "w": w,
        "w_bar": np.zeros((len(members), num_units, num_visible), np.float32),
        "a_bar": np.zeros((len(members), num_units), np.float32),
    }


def init_chains(x: np.ndarray, members: range, seed: int) -> np.ndarray:
    """Where the persistent chains start, (M, D): pixels drawn with their means."""
    mean = x.mean(axis=0)
    return np.stack(
        [np.random.default_rng([seed, i, 1]).random(mean.size) < mean for i in members]
    )


def noise_generator(seed: int, member: int) -> np.random.Generator:
    """The random numbers of training, for the models from `member` on."""
    return np.random.default_rng([seed, member, 2])


def warm_up_sizes(batch_sizes: np.ndarray, count: int = 8) -> np.ndarray:
    """A few of the batch sizes, spread over all, to train before the clock starts."""
    chosen = np.linspace(0, len(batch_sizes) - 1, count).astype(int)
    return batch_sizes[chosen]


def num_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def log_likelihood(
    parameters: dict[str, np.ndarray],
    x: np.ndarray,
    num_draws: int = 512,
    seed: int = 0,
) -> np.ndarray:
    """Mean ln p(x) over all data of each one-hot sigmoid model, in nats a point, (M,).

    Eq. 3 with the sum over x replaced by `num_draws` draws from p(x|z) for every z,
    the stationary law of that kernel, and eq. 5. Any peer's parameters, or the
    library's, as float arrays w (M, D, L), w_bar (M, L, D), a_bar (M, L).
    """
    data = x.astype(np.float32)
    rng = np.random.default_rng(seed)
    values = []
    arrays = (np.asarray(parameters[name], np.float32) for name in _NAMES)
    for w, w_bar, a_bar in zip(*arrays, strict=True):
        logits = w.T
        kernel = _latent_kernel(rng, logits, w_bar, a_bar, data.mean(axis=0), num_draws)
        with np.errstate(divide="ignore"):
            log_weights = np.log(_stationary(kernel))
        log_A = data @ logits.T - np.logaddexp(0, logits).sum(axis=1)
        log_p = np.logaddexp.reduce(log_A + log_weights, axis=1)
        values.append(log_p.mean(dtype=float))
    return np.array(values)


def _latent_kernel(
    rng: np.random.Generator,
    logits: np.ndarray,
    w_bar: np.ndarray,
    a_bar: np.ndarray,
    x_mean: np.ndarray,
    num_draws: int,
) -> np.ndarray:
    rows = []
    for p in np.exp(-np.logaddexp(0, -logits)):
        draws = rng.random((num_draws, p.size), dtype=np.float32) < p
        h = (draws - x_mean) @ w_bar.T + a_bar
        log_weights = -np.logaddexp(0, -h.astype(float))
        weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
        rows.append((weights / weights.sum(axis=1, keepdims=True)).mean(axis=0))
    return np.array(rows)


def _stationary(kernel: np.ndarray) -> np.ndarray:
    """The solution of p M = p, sum p = 1."""
    size = len(kernel)
    equations = np.vstack([kernel.T - np.eye(size), np.ones(size)])
    right = np.append(np.zeros(size), 1.0)
    return np.linalg.lstsq(equations, right)[0].clip(0)
