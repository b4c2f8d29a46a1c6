"""The paper's training in PyTorch, batched over models and spread over processes.

Single precision, no autograd. Rows are latent states: w is kept as its transpose,
(M, L, D).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.peers import common, processes
from benchmarks.peers.common import DECAY, EPS, RATE, PeerResult

BLOCK = 8
"""Double steps in one compiled graph, whose compilation time grows with them."""


class Parameters(NamedTuple):
    """w transposed (M, L, D), w_bar (M, L, D), a_bar (M, L), or gradients of them."""

    w: Tensor
    w_bar: Tensor
    a_bar: Tensor


class Trajectory(NamedTuple):
    """x (T, M, D) as float32, states k (T, M), mu = sigmoid(h) (T, M, L)."""

    x: Tensor
    k: Tensor
    mu: Tensor


def double_steps(
    xs: Tensor, w_bar: Tensor, bias: Tensor, p: Tensor, u: Tensor, e: Tensor
) -> tuple[Tensor, Tensor]:
    """T double steps from xs[0], written to xs (T + 1, M, D); k (T, M), mu (T, M, L).

    `bias` (M, L), a_bar - w_bar x_mean; `p`, sigmoid(w); uniforms `u` (T, M, D) and
    exponentials `e` (T, M, L).
    """
    num_models, num_units, _ = p.shape
    first = torch.arange(num_models) * num_units
    rows, transposed, bias = p.flatten(0, 1), w_bar.mT, bias[:, None]
    # Views are made once: making one costs as much as a small operation.
    vectors, outputs = xs.unsqueeze(2).unbind(), xs.unbind()
    ks, mus = [], []
    for t, (u_t, e_t) in enumerate(zip(u.unbind(), e.unbind(), strict=True)):
        mu = torch.baddbmm(bias, vectors[t], transposed).squeeze(1).sigmoid_()
        # Of exponential times with rates mu, each is the first with p(z|x), eq. 19.
        k = (mu / e_t).argmax(1)
        torch.lt(u_t, rows.index_select(0, k + first), out=outputs[t + 1])
        ks.append(k)
        mus.append(mu)
    return torch.stack(ks), torch.stack(mus)


def fused_steps(
    x: Tensor, w_bar: Tensor, bias: Tensor, p: Tensor, u: Tensor, e: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The same from x (M, D), written for the compiler: x(1) .. x(T), k, mu."""
    num_models, num_units, _ = p.shape
    first = torch.arange(num_models) * num_units
    xs, ks, mus = [], [], []
    for t in range(len(u)):
        # A product and a sum, which are fused; out= and baddbmm are not.
        mu = torch.sigmoid((w_bar * x[:, None]).sum(2) + bias)
        k = (mu / e[t]).argmax(1)
        x = (u[t] < p.flatten(0, 1).index_select(0, k + first)).float()
        xs.append(x)
        ks.append(k)
        mus.append(mu)
    return torch.stack(xs), torch.stack(ks), torch.stack(mus)


class Chain:
    """The persistent chains and their buffers."""

    def __init__(
        self,
        x: Tensor,
        num_steps: int,
        num_units: int,
        rng: np.random.Generator,
        compiled: bool = False,
    ):
        self._rng = rng
        self._fused = torch.compile(fused_steps) if compiled else None
        self._x = torch.empty(num_steps + 1, *x.shape)
        self._x[-1] = x
        self._u = torch.empty(num_steps, *x.shape)
        self._e = torch.empty(num_steps, len(x), num_units)

    def run(self, parameters: Parameters, p: Tensor, x_mean: Tensor) -> Trajectory:
        """T double steps from where the last ones ended; p = sigmoid(w).

        The trajectory is a view of the buffers.
        """
        # NumPy's generator is 1.6 times faster than uniform_ on the CPU.
        self._rng.random(out=self._u.numpy(), dtype=np.float32)
        self._rng.standard_exponential(out=self._e.numpy(), dtype=np.float32)
        w_bar = parameters.w_bar
        bias = parameters.a_bar - w_bar @ x_mean
        xs, us, es = self._x, self._u, self._e
        xs[0] = xs[-1]
        if self._fused is None:
            return Trajectory(xs[:-1], *double_steps(xs, w_bar, bias, p, us, es))
        ks, mus = [], []
        for first in range(0, len(us), BLOCK):
            block = slice(first, first + BLOCK)
            x, k, mu = self._fused(xs[first], w_bar, bias, p, us[block], es[block])
            xs[1:][block] = x
            ks.append(k)
            mus.append(mu)
        return Trajectory(xs[:-1], torch.cat(ks), torch.cat(mus))


def gradient(
    parameters: Parameters,
    p: Tensor,
    trajectory: Trajectory,
    batch: Tensor,
    x_mean: Tensor,
) -> tuple[Parameters, Tensor]:
    """Eq. 16a, 17, 16d with z - mu to the letter of eq. 15, and mean ln p of the batch.

    `p`, sigmoid(w); `batch` (M, B, D) as float32.
    """
    num_steps, _, num_units = trajectory.mu.shape
    z = torch.eye(num_units).index_select(0, trajectory.k.view(-1))
    z = z.view(trajectory.mu.shape)
    occupancy = z.mean(0)
    # softplus(w), from the larger of p and 1 - p: faster than PyTorch's.
    softplus = parameters.w.clamp(min=0) - torch.maximum(p, 1 - p).log_()
    log_weights = occupancy.log() - softplus.sum(2)
    # w X', not X w': more than twice as fast.
    joint = torch.baddbmm(log_weights[:, :, None], parameters.w, batch.mT)
    r = joint.softmax(1)
    # r = exp(joint - log_p), read where it is largest: cheaper than logsumexp.
    log_p = joint.amax(1) - r.amax(1).log_()
    r.div_(batch.shape[1])
    total_r = r.sum(2)
    w = torch.bmm(r, batch).addcmul_(total_r[:, :, None], p, value=-1)

    g = total_r / occupancy.where(occupancy > 0, 1) / num_steps
    c = z.sub_(trajectory.mu).mul_(g.gather(1, trajectory.k.T).T[:, :, None])
    total_c = c.sum(0)
    w_bar = torch.bmm(c.permute(1, 2, 0), trajectory.x.transpose(0, 1))
    w_bar.addcmul_(total_c[:, :, None], x_mean, value=-1)
    return Parameters(w, w_bar, total_c), log_p.mean(1)


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
    num_processes: int | None = None,
    compiled: bool = False,
) -> PeerResult:
    """Train `num_models` together, in processes of equally many.

    **Arguments:** data `x` (N, D), bool; `batch_sizes`, one a gradient step;
    `chain_length`, T double steps a gradient step; `num_units`, L; `num_processes`,
    which share the cores (default: one a core, each with one thread); `compiled`,
    whether the chain goes through `torch.compile`.
    """
    cores = common.num_cores()
    num_processes = min(num_processes or cores, num_models)
    num_threads = max(1, cores // num_processes)
    bounds = np.linspace(0, num_models, num_processes + 1).astype(int).tolist()
    arguments = [
        (x, members, batch_sizes, chain_length, num_units, seed, num_threads, compiled)
        for members in map(range, bounds[:-1], bounds[1:])
    ]
    seconds, parts = processes.run(prepare, arguments, num_threads)
    parameters = {
        name: np.concatenate([part[name] for part in parts]) for name in parts[0]
    }
    plural = "es" if num_processes > 1 else ""
    arrangement = (
        f"{num_processes} process{plural}, {num_threads} thread(s) each, at most "
        f"{math.ceil(num_models / num_processes)} models each"
        f"{', compiled' if compiled else ''}"
    )
    return PeerResult(seconds, parameters, arrangement)


def prepare(
    x: np.ndarray,
    members: range,
    batch_sizes: np.ndarray,
    chain_length: int,
    num_units: int,
    seed: int,
    num_threads: int,
    compiled: bool,
) -> Callable[[], dict[str, np.ndarray]]:
    """Initialise and warm up; the work that is left returns the parameters."""
    torch.set_num_threads(num_threads)
    num_models, num_visible = len(members), x.shape[1]
    initial = common.init_parameters(x, members, num_units, seed)
    start = torch.from_numpy(common.init_chains(x, members, seed))
    data = torch.from_numpy(x.astype(np.float32))
    x_mean = data.mean(0)
    # Fresh memory of this size costs more, in page faults, than the copy into it.
    batches = torch.empty(num_models * batch_sizes.max(), num_visible)

    def train_all(batch_sizes: list[int]) -> Parameters:
        rng = common.noise_generator(seed, members.start)
        chain = Chain(start, chain_length, num_units, rng, compiled)
        parameters = Parameters(
            torch.tensor(initial["w"].swapaxes(1, 2).copy()),
            torch.tensor(initial["w_bar"]),
            torch.tensor(initial["a_bar"]),
        )
        square = Parameters(*(torch.zeros_like(value) for value in parameters))
        for batch_size in batch_sizes:
            p = torch.sigmoid(parameters.w)
            trajectory = chain.run(parameters, p, x_mean)
            chosen = rng.integers(len(data), size=num_models * batch_size)
            batch = batches[: len(chosen)]
            torch.index_select(data, 0, torch.from_numpy(chosen), out=batch)
            batch = batch.view(num_models, batch_size, num_visible)
            step, _ = gradient(parameters, p, trajectory, batch, x_mean)
            update(parameters, square, step)
        return parameters

    @torch.inference_mode()
    def work() -> dict[str, np.ndarray]:
        w, w_bar, a_bar = (v.numpy() for v in train_all(batch_sizes.tolist()))
        return {"w": w.swapaxes(1, 2), "w_bar": w_bar, "a_bar": a_bar}

    with torch.inference_mode():
        train_all(common.warm_up_sizes(batch_sizes).tolist())
    return work
