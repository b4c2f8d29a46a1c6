"""What is compared: each method, its sizes, and where its best rate may be."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import optax

from experiments.advantage.tied import Tied, tied_gradient
from nelc_jax import (
    AveragedGradient,
    Binary,
    Cycles,
    Pcd,
    TrajectoryGradient,
    rmsprop,
)
from nelc_jax.rules import (
    BeliefNetwork,
    ExactPhase,
    ManyChains,
    PersistentChain,
    TemperedChains,
)
from nelc_jax.training import AbstractRule

RATE_STEPS = 1 / 6
"""The share of training after which a learning rate is half the first one."""

RATES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Learning rates, half a decade apart."""

TEMPERATURES = 8
"""Of an RBM's tempered chains."""

LONGER, MANY = 4, 10
"""Times the double steps: of the longer chain of a cycle, and of many chains."""

Make = Callable[[Binary, optax.GradientTransformation], AbstractRule]


@dataclass(frozen=True)
class Method:
    """A way to learn: its rule, and where its best learning rate is looked for.

    `double_steps`, those drawn a gradient step, 0 of exact rules; `rates`, the first
    ones to try; `matrices` of D x L numbers; `chain`, whether the model has one, or
    else a free law of its latent states; `up_to`, the most latent units that it is
    affordable for; `wide`, whether it is tried with twice the units as well.
    """

    rule: Make
    double_steps: int
    rates: tuple[float, ...]
    matrices: int = 1
    chain: bool = True
    up_to: int = 8
    wide: bool = False

    def parameters(self, num_visible: int, units: int) -> int:
        """How many numbers are learned."""
        of_latent = units if self.chain else 2**units - 1
        return self.matrices * num_visible * units + num_visible + of_latent


def methods(chain_length: int) -> dict[str, Method]:
    """All of them, by the names in tables."""
    long, many = LONGER * chain_length, MANY * chain_length
    tempered = TemperedChains(TEMPERATURES, max(1, chain_length // TEMPERATURES))
    along = TrajectoryGradient(chain_length)
    high, middle, low = RATES[4:8], RATES[3:7], RATES[1:5]

    def pcd(negative) -> Make:
        return lambda latent, optimizer: Pcd(latent, negative, optimizer)

    def cycles(estimator) -> Make:
        return lambda latent, optimizer: Cycles(latent, estimator, optimizer)

    def tied(latent: Binary, optimizer: optax.GradientTransformation) -> Tied:
        return Tied(latent, along, optax.chain(tied_gradient(), optimizer))

    return {
        f"cycles-{chain_length}": Method(cycles(along), chain_length, high, matrices=2),
        f"cycles-{long}": Method(
            cycles(TrajectoryGradient(long)), long, high, matrices=2
        ),
        "cycles-exact": Method(
            cycles(AveragedGradient(16)), 0, high, matrices=2, up_to=4
        ),
        "tied": Method(tied, chain_length, middle),
        "belief": Method(BeliefNetwork, 0, high, chain=False),
        "rbm-exact": Method(pcd(ExactPhase()), 0, high),
        "rbm-1-chain": Method(pcd(PersistentChain(chain_length)), chain_length, low),
        f"rbm-{chain_length}-chains": Method(
            pcd(ManyChains(chain_length)), chain_length, middle, wide=True
        ),
        f"rbm-{many}-chains": Method(pcd(ManyChains(many)), many, middle, wide=True),
        "rbm-tempered": Method(
            pcd(tempered), TEMPERATURES * tempered.num_chains, middle, wide=True
        ),
    }


@cache
def falling(steps: int) -> optax.GradientTransformation:
    """RMSprop whose rate, kept in its state, falls as 1 / (1 + (6 step / steps)^2).

    The same object for the same steps: what was compiled for it is found again.
    """
    half = RATE_STEPS * steps
    fall = optax.scale_by_schedule(lambda step: 1 / (1 + (step / half) ** 2))
    return optax.chain(rmsprop(), fall)
