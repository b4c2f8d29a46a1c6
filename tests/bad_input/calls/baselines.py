"""Calls of the RBM, its training, its log partition function, and the mixture."""

import jax.numpy as jnp

from nelc_jax import Binary
from nelc_jax.rules import BeliefNetwork, ExactPhase, ManyChains, TemperedChains

from .objects import (
    KEY,
    MIXTURE,
    MOMENTS,
    PCD_RULE,
    PCD_STATE,
    RBM,
    X,
    Z,
    bits,
    floats,
    law,
    shaped,
)

OF_RBM = {"rbm": RBM, "x": X}
BELIEF_RULE = BeliefNetwork(Binary(3))

CALLS = {
    **{f"baselines.rbm.{name}": OF_RBM for name in ("log_weight", "log_prob")},
    "baselines.rbm.log_likelihood": OF_RBM,
    **{
        f"baselines.rbm.{name}": {"rbm": RBM}
        for name in ("to_model", "to_mixture", "log_partition", "occupancy")
    },
    "baselines.rbm.check_latent": {"latent": Binary(3)},
    "rules._phases.data_moments": {**OF_RBM, "weights": law(4)},
    "baselines.rbm.latent_moments": {"rbm": RBM, "z": Z, "weights": law(6)},
    "rules._phases.phase_gradient": {
        "rbm": RBM,
        "positive": MOMENTS,
        "negative": MOMENTS,
    },
    "baselines.rbm.from_mixture": {"mixture": MIXTURE, "x_mean": floats(5)},
    "Pcd.init": {"key": KEY, "x": X},
    "Pcd.step": {"state": PCD_STATE, "x": X, "batch_size": jnp.int32(2)},
    "PersistentChain.moments": {"rbm": RBM, "key": KEY, "x": X[0]},
    "ExactPhase.moments": {"rbm": RBM, "key": KEY, "x": X[0]},
    "ManyChains.moments": {"rbm": RBM, "key": KEY, "x": X},
    "TemperedChains.moments": {"rbm": RBM, "key": KEY, "x": bits(3, 2, 5)},
    "rules.tempering.sweep": {"rbm": RBM, "key": KEY, "x": bits(3, 2, 5)},
    "rules._phases.visited_moments": {"rbm": RBM, "h": floats(6, 3), "z": Z},
    "baselines.rbm.double_step": {"rbm": RBM, "key": KEY, "x": X},
    "BeliefNetwork.init": {"key": KEY, "x": X},
    "BeliefNetwork.step": {
        "state": shaped(BELIEF_RULE.init, KEY, X),
        "x": X,
        "batch_size": jnp.int32(2),
    },
    "rules._phases.coordinates": {"rbm": RBM},
    "rules._phases.from_coordinates": {"rbm": RBM, "position": RBM.parameters},
    "rules._phases.log_offset": {
        "w": floats(5, 3),
        "a": floats(5),
        "x_mean": floats(5),
    },
    "baselines.ais.data_bias": {"rbm": RBM},
    "baselines.ais.tempered": {"rbm": RBM, "beta": floats(), "base_bias": floats(5)},
    "baselines.ais.log_partition": {
        "rbm": RBM,
        "key": KEY,
        "betas": jnp.linspace(0, 1, 6),
        "num_chains": 2,
        "base_bias": floats(5),
    },
    "baselines.mixture.init": {"key": KEY, "num_components": 2, "x": X},
    **{
        f"baselines.mixture.{name}": {"mixture": MIXTURE, "x": X}
        for name in ("log_prob", "log_likelihood")
    },
    "baselines.mixture.em_step": {
        "mixture": MIXTURE,
        "x": X,
        "weights": floats(len(X)),
    },
    "baselines.mixture.bounded_logits": {"on": floats(2, 5), "off": floats(2, 5)},
    "baselines.mixture.fit": {"mixture": MIXTURE, "x": X, "num_steps": 2},
    "baselines.mixture.fit_restarts": {
        "key": KEY,
        "num_components": 2,
        "x": X,
        "num_restarts": 2,
        "num_steps": 2,
    },
}

OBJECTS = {
    "Pcd": PCD_RULE,
    "PersistentChain": PCD_RULE.negative,
    "ExactPhase": ExactPhase(),
    "ManyChains": ManyChains(4, 2),
    "TemperedChains": TemperedChains(3, 2),
    "BeliefNetwork": BELIEF_RULE,
}
