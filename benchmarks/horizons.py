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
from nelc_jax import Config, OneHot, ensemble, training

MODELS, UNITS, POINTS, PIXELS = 36, 6, 3000, 784
STEPS, BATCH, ROUNDS = 60, 80, 7


def averaged(draws: int, horizon: int | None) -> Config:
    """The averaged estimator at the exact score."""
    return Config(draws, "exact", estimator="averaged", horizon=horizon)


RULES = {
    "two-step rule, chain of 48": Config(48, "exact"),
    "K = 4 along the chain of 48": Config(48, "exact", horizon=4),
    "averaged, 8 draws a state, K = 1": averaged(8, 1),
    "averaged, 8 draws a state, K = 16": averaged(8, 16),
    "averaged, 8 draws a state, all K": averaged(8, None),
    "averaged, 16 draws a state, all K": averaged(16, None),
}


def main() -> None:
    """Print milliseconds a step of all models, and ratios to the two-step rule."""
    x = jax.random.bernoulli(jax.random.key(0), 0.2, (POINTS, PIXELS))
    mesh = ensemble.member_mesh(MODELS)
    runs = {}
    for name, config in RULES.items():
        members = jnp.arange(MODELS)
        states = ensemble.init(jax.random.key(1), members, OneHot(UNITS), x, config)

        def one(state, x, sizes, config=config):
            return training.train(config, state, x, sizes)

        train = jax.jit(ensemble.map_members(one, 1, mesh))
        runs[name] = partial(train, states, x, jnp.full(STEPS, BATCH))
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
