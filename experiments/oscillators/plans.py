"""Which networks of digits are trained, and by which rules."""

import jax.numpy as jnp
import numpy as np

from experiments.oscillators.members import Training, network_at_pace
from nelc_jax.oscillators import (
    AbstractNetwork,
    AbstractRule,
    ContrastiveDivergence,
    HeldContrast,
    HiddenNetwork,
    Noising,
    PairsNetwork,
    Virial,
    all_to_all,
    lattice,
)

REACH = 6
"""The paper's neighbourhood: pixels that far apart in rows and in columns."""

Plans = dict[str, tuple[AbstractNetwork, AbstractRule]]
"""By the method's name in tables. The first is shown in most detail."""


def quartic_plans(
    noising: Noising, training: Training, side: int, radius: float
) -> Plans:
    """Quartic wells with pairwise couplings, of all pairs and on a lattice.

    **Arguments:** `radius` of the lattice, in sites.
    """
    everyone = network_at_pace(noising, all_to_all(side**2), training.knots)
    near = network_at_pace(noising, lattice(side, side, radius), training.knots)
    rules = training.rules()
    plans: Plans = {name: (everyone, rule) for name, rule in rules.items()}
    return plans | {"force matching (lattice)": (near, rules["force matching"])}


def pairs_plans(noising: Noising, training: Training, side: int) -> Plans:
    """Wells to the sixth order with three couplings a pair, of pixels up to REACH."""
    bare = network_at_pace(noising, None, training.knots)
    sites = np.indices((side, side)).reshape(2, -1).T
    apart = np.abs(sites[:, None] - sites[None]).max(axis=-1)
    pairs = jnp.asarray(np.triu(apart <= REACH, 1))
    network = PairsNetwork(bare.generation, bare.knots, pairs)
    rules = {
        "force matching": training.rules()["force matching"],
        "virial": Virial(),
        "CD1": ContrastiveDivergence(),
    }
    return {f"{name} (pairs)": (network, rule) for name, rule in rules.items()}


def hidden_plans(noising: Noising, training: Training, side: int, hidden: int) -> Plans:
    """Pixels that `hidden` fast oscillators hold together, and nothing else."""
    bare = network_at_pace(noising, None, training.knots)
    springs = jnp.asarray(np.ones((hidden, side**2), bool))
    network = HiddenNetwork(bare.generation, bare.knots, springs)
    rules = training.rules()
    rules = {
        "force matching": rules["force matching"],
        "held contrast": HeldContrast(),
        "observed motion": rules["observed motion"],
        "virial": Virial(),
    }
    return {f"{name} (hidden)": (network, rule) for name, rule in rules.items()}
