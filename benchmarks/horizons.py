"""The cost of a gradient step by its horizon: `python -m benchmarks.horizons`.

36 models of random data of the paper's size, every rule in turn within one run, so that
other work on the machine meets all of them alike.
"""

import statistics
import time
from functools import partial

import jax
import jax.numpy as jnp

from experiments.command.devices import use_all_cores
from nelc_jax import (
    AveragedGradient,
    Cycles,
    OneHot,
    TrajectoryGradient,
    ensemble,
)

MODELS, UNITS, POINTS, PIXELS = 36, 6, 3000, 784
STEPS, BATCH, ROUNDS = 60, 80, 7


ESTIMATORS = {
    "two-step rule, chain of 48": TrajectoryGradient(48, "exact"),
    "K = 4 along the chain of 48": TrajectoryGradient(48, "exact", horizon=4),
    "averaged, 8 draws a state, K = 1": AveragedGradient(8, 1),
    "averaged, 8 draws a state, K = 16": AveragedGradient(8, 16),
    "averaged, 8 draws a state, all K": AveragedGradient(8),
    "averaged, 16 draws a state, all K": AveragedGradient(16),
}


def main() -> None:
    """Print milliseconds a step of all models, and ratios to the two-step rule."""
    x = jax.random.bernoulli(jax.random.key(0), 0.2, (POINTS, PIXELS))
    runs = {}
    for name, estimator in ESTIMATORS.items():
        rule = Cycles(OneHot(UNITS), estimator)
        states = ensemble.init(rule, jax.random.key(1), jnp.arange(MODELS), x)
        train = jax.jit(ensemble.train)
        runs[name] = partial(train, rule, states, x, jnp.full(STEPS, BATCH))
        jax.block_until_ready(runs[name]())
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            start = time.perf_counter()
            jax.block_until_ready(run())
            seconds[name].append((time.perf_counter() - start) / STEPS)
    base = next(iter(seconds.values()))
    print("| Rule | ms a step | of the two-step rule |\n| --- | --- | --- |")
    for name, times in seconds.items():
        ratio = statistics.median(t / b for t, b in zip(times, base, strict=True))
        print(f"| {name} | {1e3 * statistics.median(times):.2f} | {ratio:.2f} |")


if __name__ == "__main__":
    use_all_cores()
    main()
