"""Eight networks of oscillators at once, and one: `python -m benchmarks.oscillators`.

Some steps of the trainings of `experiments.oscillators`, of one and of eight in turn
within one run, so that other work on the machine meets both alike.
"""

import statistics
import time
from functools import partial

import jax
import numpy as np

from experiments.command.devices import use_all_cores
from experiments.oscillators import digits as digits_task
from experiments.oscillators.gaussians import BROAD
from experiments.oscillators.members import network_at_pace
from nelc_jax import ensemble
from nelc_jax.oscillators import (
    AbstractRule,
    ForceMatching,
    Learner,
    ObservedMotion,
    all_to_all,
    train,
)

KNOTS, MEMBERS, ROUNDS, SECONDS = 32, 8, 9, 0.5
SIDE = 10


def prepare(rule: AbstractRule, digits: bool, members: int):
    """A compiled training of so many members, and milliseconds a step."""
    noising = digits_task.NOISING if digits else BROAD.noising
    num = SIDE**2 if digits else 2
    network = network_at_pace(noising, all_to_all(num), KNOTS)
    learner = Learner(network, rule, batch=16 if digits else 64)
    x = jax.random.normal(jax.random.key(0), (2000, num))
    keys = jax.random.split(jax.random.key(1), members)

    @jax.jit
    def init(keys, learner, x):
        return ensemble.map_members(lambda key, learner, x: learner.init(key, x), 1)(
            keys, learner, x
        )

    @partial(jax.jit, static_argnums=0)
    def advance(num_steps, states, learner, x):
        def one(state, learner, x):
            return train(learner, state, x, num_steps)

        return ensemble.map_members(one, 1)(states, learner, x)

    states = init(keys, learner, x)

    def milliseconds(num_steps):
        start = time.perf_counter()
        jax.block_until_ready(advance(num_steps, states, learner, x))
        return 1e3 * (time.perf_counter() - start) / num_steps

    milliseconds(20)
    num_steps = max(20, int(1e3 * SECONDS / milliseconds(20)))
    milliseconds(num_steps)
    return partial(milliseconds, num_steps)


def main() -> None:
    """Print milliseconds a step, and ratios of eight members to one."""
    print("| Training | one, ms a step | eight, ms a step | ratio |")
    print("| --- | --- | --- | --- |")
    rules = {"force": ForceMatching(), "observed": ObservedMotion()}
    for digits in (False, True):
        for label, rule in rules.items():
            runs = [prepare(rule, digits, members) for members in (1, MEMBERS)]
            times = np.array([[run() for run in runs] for _ in range(ROUNDS)])
            one, eight = np.median(times, axis=0)
            ratio = statistics.median(times[:, 1] / times[:, 0])
            name = f"{SIDE} x {SIDE} digits" if digits else "plane"
            print(f"| {name}, {label} | {one:.2f} | {eight:.2f} | {ratio:.1f} |")


if __name__ == "__main__":
    use_all_cores()
    main()
