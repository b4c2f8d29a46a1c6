"""Which networks of digits are trained, and by which rules."""

import jax.numpy as jnp
import numpy as np

from experiments.oscillators.members import Training, network_at_pace
from nelc_jax.oscillators import (
    AbstractNetwork,
    AbstractRule,
    HeldContrast,
    HiddenNetwork,
    Noising,
    Virial,
    all_to_all,
    lattice,
)

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
