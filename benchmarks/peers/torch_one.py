"""The paper's training in PyTorch, one model at a time.

Single precision, no autograd, preallocated buffers for the chain. Rows are latent
states: w is kept as its transpose, (L, D).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.peers import common, processes
from benchmarks.peers.common import DECAY, EPS, RATE, PeerResult


class Parameters(NamedTuple):
    """w transposed (L, D), w_bar (L, D), a_bar (L,), or gradients with these shapes."""

    w: Tensor
    w_bar: Tensor
    a_bar: Tensor


class Trajectory(NamedTuple):
    """x (T, D) as float32, states k (T,), mu = sigmoid(h) (T, L)."""

    x: Tensor
    k: Tensor
    mu: Tensor


class Chain:
    """The persistent chain and its buffers."""

    def __init__(
        self, x: Tensor, num_steps: int, num_units: int, rng: np.random.Generator
    ):
        self._rng = rng
        self._x = torch.empty(num_steps + 1, len(x))
        self._x[-1] = x
        self._mu = torch.empty(num_steps, num_units)
        self._u = torch.empty(num_steps, len(x))
        self._e = torch.empty(num_steps, num_units)
        # Views are made once: making one costs as much as a small operation.
        self._xs = self._x.unbind()
        self._mus = self._mu.unbind()
        self._us = self._u.unbind()

    def run(self, parameters: Parameters, p: Tensor, x_mean: Tensor) -> Trajectory:
        """T double steps from where the last ones ended; p = sigmoid(w).

        The trajectory is a view of the buffers.
        """
        # NumPy's generator is 1.6 times faster than uniform_ on the CPU.
        self._rng.random(out=self._u.numpy(), dtype=np.float32)
        self._rng.standard_exponential(out=self._e.numpy(), dtype=np.float32)
        xs, w_bar, rows = self._xs, parameters.w_bar, p.unbind()
        bias = torch.addmv(parameters.a_bar, w_bar, x_mean, alpha=-1)
        xs[0].copy_(xs[-1])
        # Of exponential times with rates mu, each is the first with p(z|x), eq. 19.
        speeds = self._e.reciprocal_().tolist()
        ks = []
        for t, (mu, speed) in enumerate(zip(self._mus, speeds, strict=True)):
            torch.addmv(bias, w_bar, xs[t], out=mu).sigmoid_()
            # For a handful of numbers, lists take half the time of tensors.
            race = [m * s for m, s in zip(mu.tolist(), speed, strict=True)]
            k = race.index(max(race))
            torch.lt(self._us[t], rows[k], out=xs[t + 1])
            ks.append(k)
        return Trajectory(self._x[:-1], torch.tensor(ks), self._mu)


def gradient(
    parameters: Parameters,
    p: Tensor,
    trajectory: Trajectory,
    batch: Tensor,
    x_mean: Tensor,
) -> tuple[Parameters, Tensor]:
    """Eq. 16a, 17, 16d with z - mu to the letter of eq. 15, and mean ln p of the batch.

    `p`, sigmoid(w); `batch` (B, D) as float32.
    """
    num_steps, num_units = trajectory.mu.shape
    z = torch.eye(num_units).index_select(0, trajectory.k)
    occupancy = z.mean(0)
    # softplus(w), from the larger of p and 1 - p: faster than PyTorch's.
    softplus = parameters.w.clamp(min=0) - torch.maximum(p, 1 - p).log_()
    log_weights = occupancy.log() - softplus.sum(1)
    # w X', not X w': three times faster in bmm, and as fast here.
    joint = torch.addmm(log_weights[:, None], parameters.w, batch.T)
    r = joint.softmax(0)
    # r = exp(joint - log_p), read where it is largest: cheaper than logsumexp.
    log_p = joint.amax(0) - r.amax(0).log_()
    r.div_(len(batch))
    total_r = r.sum(1)
    w = torch.mm(r, batch).addcmul_(total_r[:, None], p, value=-1)

    g = total_r / occupancy.where(occupancy > 0, 1) / num_steps
    c = z.sub_(trajectory.mu).mul_(g.index_select(0, trajectory.k)[:, None])
    total_c = c.sum(0)
    w_bar = torch.mm(c.T, trajectory.x)
    w_bar.addcmul_(total_c[:, None], x_mean, value=-1)
    return Parameters(w, w_bar, total_c), log_p.mean()


def update(parameters: Parameters, square: Parameters, step: Parameters) -> None:
    """RMSprop in place: the mean square of the gradient, then the parameters."""
    for value, s, g in zip(parameters, square, step, strict=True):
        s.mul_(DECAY).addcmul_(g, g, value=1 - DECAY)
        value.addcdiv_(g, (s + EPS).sqrt_(), value=RATE)


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
    torch.set_num_threads(1)
    members = range(num_models)
    initial = common.init_parameters(x, members, num_units, seed)
    starts = torch.from_numpy(common.init_chains(x, members, seed))
    data = torch.from_numpy(x.astype(np.float32))
    x_mean = data.mean(0)

    def train_one(member: int, batch_sizes: list[int]) -> Parameters:
        rng = common.noise_generator(seed, member)
        chain = Chain(starts[member], chain_length, num_units, rng)
        parameters = Parameters(
            torch.tensor(initial["w"][member].T.copy()),
            torch.tensor(initial["w_bar"][member]),
            torch.tensor(initial["a_bar"][member]),
        )
        square = Parameters(*(torch.zeros_like(value) for value in parameters))
        for batch_size in batch_sizes:
            p = torch.sigmoid(parameters.w)
            trajectory = chain.run(parameters, p, x_mean)
            chosen = torch.from_numpy(rng.integers(len(data), size=batch_size))
            batch = data.index_select(0, chosen)
            step, _ = gradient(parameters, p, trajectory, batch, x_mean)
            update(parameters, square, step)
        return parameters

    @torch.inference_mode()
    def work() -> dict[str, np.ndarray]:
        trained = [train_one(member, batch_sizes.tolist()) for member in members]
        w, w_bar, a_bar = (torch.stack(v).numpy() for v in zip(*trained, strict=True))
        return {"w": w.swapaxes(1, 2), "w_bar": w_bar, "a_bar": a_bar}

    with torch.inference_mode():
        train_one(0, common.warm_up_sizes(batch_sizes).tolist())
    return work
