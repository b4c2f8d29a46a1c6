"""The peers beside the library: same job, likelihoods compared before any time."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers import common, numpy_one, torch_batched, torch_one
from benchmarks.timing import seconds_of
from benchmarks.workloads import data_for, workload
from nelc_jax import Cycles, ensemble

ONE_AT_A_TIME = 4
"""Models that the peers of one model at a time train; their time is scaled to all."""


def time_peers(ours: dict, rule: Cycles) -> list[dict]:
    """Time every peer on the paper's job and print the ratios to `ours`.

    **Raises:** `AssertionError` when the final likelihoods of a peer and ours disagree:
    medians over models further apart than three standard errors and 0.3 nats.
    """
    job = workload("paper")[0]
    x = data_for(job)
    reference = _likelihoods(rule, job, x)
    units = job.latent.num_units
    entries = [_one_model(rule, job, x)]
    for name, module, models in (
        ("NumPy, one model at a time", numpy_one, ONE_AT_A_TIME),
        ("PyTorch, one model at a time", torch_one, ONE_AT_A_TIME),
        ("PyTorch, models batched", torch_batched, job.models),
    ):
        result = module.train(x, models, job.batch_sizes, job.chain_length, units, 0)
        found = common.log_likelihood(result.parameters, x)
        _check_agreement(name, found, reference)
        entries.append(
            {
                "name": name,
                "models": models,
                "seconds": result.seconds * job.models / models,
                "arrangement": result.arrangement,
                "log_likelihood": float(np.median(found)),
            }
        )
    print(f"\n{'the same job':34s}{'seconds':>9s}{'ratio':>8s}")
    print(f"{'this library, 36 models at once':34s}{ours['seconds']:9.1f}{1:8.1f}")
    for entry in entries:
        ratio = entry["seconds"] / ours["seconds"]
        print(f"{entry['name']:34s}{entry['seconds']:9.1f}{ratio:8.1f}")
    return entries


def _trained(rule: Cycles, job, x: np.ndarray, models: int):
    """A function that trains some models of the job and gives their final states."""
    points, members = jnp.asarray(x), jnp.arange(models)
    states = jax.jit(ensemble.init)(rule, jax.random.key(1), members, points)
    # One device: the peers that it is compared with use one core or one process each.
    mesh = ensemble.member_mesh(1)
    train = jax.jit(partial(ensemble.train, rule, mesh=mesh))
    return lambda: train(states, points, jnp.asarray(job.batch_sizes))[0]


def _likelihoods(rule: Cycles, job, x: np.ndarray) -> np.ndarray:
    states = _trained(rule, job, x, job.models)()
    return common.log_likelihood(vars(states.model.parameters), x)


def _one_model(rule: Cycles, job, x: np.ndarray) -> dict:
    seconds = seconds_of(_trained(rule, job, x, 1), repeats=1)
    return {
        "name": "this library, one model at a time",
        "models": 1,
        "seconds": seconds * job.models,
    }


def _check_agreement(name: str, found: np.ndarray, reference: np.ndarray) -> None:
    # The upper half: how many models end in poor optima varies from seed to seed.
    best, best_reference = (
        np.sort(values)[-max(1, len(values) // 2) :] for values in (found, reference)
    )
    error = np.hypot(
        best.std() / np.sqrt(len(best)),
        best_reference.std() / np.sqrt(len(best_reference)),
    )
    gap = abs(np.median(best) - np.median(best_reference))
    assert gap < 3 * error + 0.3, (
        f"{name}: log-likelihood {np.median(best):.2f} nats, ours "
        f"{np.median(best_reference):.2f}"
    )
