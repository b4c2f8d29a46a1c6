"""Calls of deeper loops."""

import jax.numpy as jnp

from nelc_jax import Binary, OneHot
from nelc_jax.loops import DeepCycles, EnumeratedLoop, LoopGradient, Turns

from .objects import KEY, SUMS, SUPPORT, X, Z, bits, floats, law, shaped

LAYERS = (Binary(2), OneHot(3))
LOOP_RULE = DeepCycles(LAYERS, LoopGradient(6))
LOOP_STATE = shaped(LOOP_RULE.init, KEY, X)
LOOP = LOOP_STATE.model
ENUMERATED = shaped(EnumeratedLoop.of, LOOP)
TURNS = Turns(bits(6, 5), (bits(6, 2), Z), (floats(6, 2), floats(6, 3)))

OF_KEY = {"loop": LOOP, "key": KEY}

CALLS = {
    "loops.model.init_loop": {"key": KEY, "layers": LAYERS, "x": X},
    "loops.model.check_layers": {"layers": LAYERS},
    "loops.sampling.sample_loop": {**OF_KEY, "x": X[0], "num_steps": 6},
    "loops.summary.summarize_loop": {**OF_KEY, "x": X, "num_samples": 8},
    "Loop.field": {"kernel": 0, "s": X},
    "Loop.log_prob": {"occupancy": law(3), "x": X},
    "EnumeratedLoop.of": {"loop": LOOP},
    "EnumeratedLoop.turn_kernel": {"layer": 1},
    "EnumeratedLoop.log_likelihood": {"x": X},
    "EnumeratedLoop.gradient": {"x": X, "turns": 2},
    "LoopGradient.sample": {**OF_KEY, "x": X[0]},
    "LoopGradient.support": {"loop": LOOP, "sample": TURNS},
    "LoopGradient.gradient": {
        "loop": LOOP,
        "sample": TURNS,
        "support": SUPPORT,
        "sums": SUMS,
    },
    "LoopGradient.estimate": {"loop": LOOP, "sample": TURNS, "x": X},
    "DeepCycles.init": {"key": KEY, "x": X},
    "DeepCycles.step": {"state": LOOP_STATE, "x": X, "batch_size": jnp.int32(2)},
    "estimators._moments.visited_support": {
        "latent": OneHot(3),
        "z": Z,
        "logits": floats(3, 5),
    },
    "estimators._moments.visited_g": {"support": SUPPORT, "sums": SUMS},
    "rules._parts.batch_sums": {
        "support": SUPPORT,
        "key": KEY,
        "x": X,
        "batch_size": jnp.int32(2),
    },
}

OBJECTS = {
    "Loop": LOOP,
    "EnumeratedLoop": ENUMERATED,
    "LoopGradient": LOOP_RULE.estimator,
    "DeepCycles": LOOP_RULE,
}
