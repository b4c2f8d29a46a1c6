"""Which networks are trained, and by which rules."""

import equinox as eqx
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
    box_lattice,
    lattice,
)

NEAR = 6
"""Rows and columns within which the paper couples pixels."""

REACH = 2.0
"""Of the bath of wells to x^6, in deviations of the trap: far outside of the data such
wells can be too steep for any step."""

Plans = dict[str, tuple[AbstractNetwork, AbstractRule]]
"""By the method's name in tables. The first is shown in most detail."""


def broad_plans(noising: Noising, training: Training) -> Plans:
    """Two coupled quartic wells, by both of our rules."""
    network = network_at_pace(noising, all_to_all(2), training.knots)
    return {name: (network, rule) for name, rule in training.rules().items()}


def narrow_plans(noising: Noising, training: Training) -> Plans:
    """The paper's family by the paper's rules and ours, and the quartic one by one."""
    quartic = network_at_pace(noising, all_to_all(2), training.knots)
    network = _pairs_network(noising, all_to_all(2), training)
    rules = training.rules()
    rules["held contrast"] = HeldContrast()
    plans: Plans = {name: (network, rule) for name, rule in (rules | _paper()).items()}
    return plans | {"force matching (quartic)": (quartic, rules["force matching"])}


def _paper() -> dict[str, AbstractRule]:
    return {"virial": Virial(), "classic CD1": ContrastiveDivergence()}


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


def pairs_plans(noising: Noising, training: Training, side: int) -> Plans:
    """The paper's family and, beside force matching, the paper's rules."""
    network = _pairs_network(noising, box_lattice(side, side, NEAR), training)
    rules = {"force matching": training.rules()["force matching"]} | _paper()
    return {f"{name} (pairs)": (network, rule) for name, rule in rules.items()}


def _pairs_network(
    noising: Noising, pairs: np.ndarray, training: Training
) -> PairsNetwork:
    bare = network_at_pace(noising, None, training.knots)
    limited = eqx.tree_at(
        lambda generation: generation.bath.reach,
        bare.generation,
        REACH * float(bare.length_unit),
    )
    return PairsNetwork(limited, bare.knots, jnp.asarray(pairs))
