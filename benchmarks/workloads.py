"""What is timed: named sets of ensembles to train."""

from dataclasses import dataclass, replace

import numpy as np

from experiments.data.datasets import load_dataset
from nelc_jax import AbstractLatent, Binary, OneHot
from nelc_jax.training import batch_schedule

EPOCHS, STEPS_PER_EPOCH = 120, 30
SHORT_STEPS = 60
"""Gradient steps of one timed call in the scaling workloads."""


@dataclass(frozen=True)
class Job:
    """One ensemble to train: its sizes, and the mini-batch size of every step."""

    name: str
    models: int
    chain_length: int
    num_visible: int
    latent: AbstractLatent
    batch_sizes: np.ndarray

    @property
    def steps(self) -> int:
        """Gradient steps."""
        return len(self.batch_sizes)

    @property
    def draws(self) -> int:
        """Bernoulli draws of visible pixels in the whole job."""
        return self.models * self.steps * self.chain_length * self.num_visible


def workload(name: str) -> list[Job]:
    """The jobs of a workload: the paper's, or a scan of one size around it."""
    sizes = np.repeat(batch_schedule(16, 160, EPOCHS), STEPS_PER_EPOCH)
    paper = Job("paper", 36, 48, 784, OneHot(6), sizes)
    # The mean mini-batch of the schedule, so that a step costs what the paper's does.
    short = replace(paper, batch_sizes=np.full(SHORT_STEPS, 88))
    jobs = {
        "paper": [paper],
        "members": [
            replace(short, name=f"{m} models", models=m)
            for m in (1, 4, 12, 36, 120, 360, 1024, 4096)
        ],
        "chain": [
            replace(short, name=f"T = {t}", chain_length=t)
            for t in (12, 24, 48, 96, 192, 384)
        ],
        "onehot": [
            replace(short, name=f"one-hot L = {n}", latent=OneHot(n))
            for n in (3, 6, 12, 24, 64)
        ],
        "binary": [
            replace(short, name=f"binary L = {n}", latent=Binary(n))
            for n in (2, 4, 6, 8)
        ],
        "visible": [
            replace(short, name=f"D = {d}", num_visible=d)
            for d in (64, 196, 784, 1024, 4096)
        ],
    }
    return jobs[name]


def data_for(job: Job) -> np.ndarray:
    """The embedded digits at D = 784, else independent pixels as dark as they are."""
    if job.num_visible == 784:
        return load_dataset("mnist5k").x
    return np.random.default_rng(0).random((1500, job.num_visible)) < 0.135
