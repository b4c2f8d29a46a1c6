"""One good call of every public function that takes arrays or numbers.

All sizes differ (N = 4 points of D = 5 bits, L = 3 units, T = 6 steps, two batches), so
that none passes for another. The tests of bad input change one argument of a call.
"""

import importlib

import jax
import jax.numpy as jnp
import numpy as np

from nelc_jax import (
    AveragedGradient,
    Binary,
    Cycles,
    Model,
    OneHot,
    Pcd,
    Trajectory,
    TrajectoryGradient,
    ensemble,
)
from nelc_jax import oscillators as osc
from nelc_jax.baselines import mixture, rbm
from nelc_jax.diagnostics import fundamental_cycles
from nelc_jax.estimators.base import data_sums
from nelc_jax.oscillators import diffusion, network, potential
from nelc_jax.oscillators import training as osc_training
from nelc_jax.rules import PersistentChain

from . import reference

RNG = np.random.default_rng(0)


def floats(*shape):
    return jnp.asarray(RNG.random(shape), jnp.float32)


def bits(*shape):
    return jnp.asarray(RNG.random(shape) < 0.5)


def law(*shape):
    values = RNG.random(shape) + 0.1
    return jnp.asarray(values / values.sum(-1, keepdims=True), jnp.float32)


def log_law(*shape):
    return jnp.asarray(np.log(law(*shape)))


def shaped(function, *arguments):
    """What a function returns, of zeros: nothing is compiled."""

    def zeros(leaf):
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(np.zeros((*leaf.shape, 2), np.uint32))
        return jnp.asarray(np.zeros(leaf.shape, leaf.dtype))

    return jax.tree.map(zeros, jax.eval_shape(lambda: function(*arguments)))


KEY = jax.random.key(0)
X = bits(4, 5)
MODEL = reference.to_model(reference.random_system("sigmoid"))
LARGE = Model(
    reference.to_model(reference.random_system("binary", num_units=9)).parameters,
    MODEL.x_mean,
    Binary(9),
)
"""Too many latent states to enumerate."""
ALONG, AVERAGED = TrajectoryGradient(6, "exact", 2), AveragedGradient(7, 2)
RULE, PCD_RULE = Cycles(OneHot(3), ALONG), Pcd(Binary(3), PersistentChain(6))
STATE = shaped(RULE.init, KEY, X)
MEMBERS = shaped(ensemble.init, RULE, KEY, jnp.arange(2), X)
Z = jnp.asarray(np.eye(3, dtype=bool)[[0, 1, 1, 2, 0, 1]])
TRAJECTORY = Trajectory(bits(6, 5), Z, floats(6, 3))
SUPPORT = shaped(ALONG.support, MODEL, TRAJECTORY)
SUMS = shaped(data_sums, SUPPORT, X, law(4))
_, DRAWS = shaped(AVERAGED.sample, MODEL, KEY, X[0])
DRAWN = shaped(AVERAGED.support, MODEL, DRAWS)
DRAWN_SUMS = shaped(data_sums, DRAWN, X, law(4))
M, P_BAR = law(3, 3), law(3)
LOG_M = jnp.asarray(np.log(M))
CYCLES = shaped(fundamental_cycles, LOG_M, P_BAR)
MIXTURE = mixture.BernoulliMixture(log_law(2), floats(2, 5))
RBM = shaped(Pcd(OneHot(3, "softmax")).init, KEY, X).model
PCD_STATE = shaped(PCD_RULE.init, KEY, X)
MOMENTS = shaped(rbm.data_moments, RBM, X, law(4))

BATH, GENERATION = osc.Bath(0.7, 0.6), osc.Generation()
POINTS = floats(4, 2)
NETWORK = network.Network(GENERATION, bits(2, 2), jnp.asarray([3.0, 2.0, 1.0]))
LEARNED = shaped(network.init_parameters, NETWORK, POINTS)
KNOTS = shaped(network.knot_potentials, NETWORK, LEARNED)
ONE = jax.tree.map(lambda array: array[0], KNOTS)
PROTOCOL = potential.Protocol(jnp.arange(3.0), KNOTS)
NORMALS = diffusion.Mixture(POINTS, jnp.float32(0.1), log_law(4))
TIMES = jnp.arange(6.0)
PAIRS, SHARE = floats(2, 4, 2), floats(2, 4)
MEASURED = {"key": KEY, "points": PAIRS, "share": SHARE, "time": SHARE + 0.5}
OSC_STATE = shaped(osc_training.init, KEY, NETWORK, POINTS)
OSC_CONFIG = osc_training.Config(batch=4)

FIELD = {"h": floats(6, 3), "z": Z}
OF_M = {"M": M, "p_bar": P_BAR}
OF_X = {"model": MODEL, "x": X}
AT_Z = {"model": MODEL, "z": Z, "x": X}
OF_KEY = {"model": MODEL, "key": KEY}
OF_RBM = {"rbm": RBM, "x": X}
SAMPLED = {**OF_KEY, "num_samples": 8}
TRAINED = {"state": STATE, "x": X}
NOISE_AT = {"generation": GENERATION, "time": floats(4)}
MOVED = {"generation": GENERATION, "x": POINTS, "score": POINTS}
DRIVEN = {"protocol": PROTOCOL, "bath": BATH, "key": KEY, "x": floats(2)}
OF_NETWORK = {"network": NETWORK, "parameters": LEARNED}
SIZES = jnp.array([2, 3])

LATENT_METHODS = {
    "noise": {"uniforms": floats(6, 3)},
    "index": {"z": Z},
    "sum_units": {"rows": floats(3, 5)},
    "log_probs": {"h": FIELD["h"]},
    "log_prob": FIELD,
    "draw": {"noise": floats(6, 3), "h": FIELD["h"]},
    "draw_index": {"noise": floats(6, 3), "h": FIELD["h"]},
    "mean": {"h": FIELD["h"]},
    "score": {**FIELD, "reading": "exact"},
}

CALLS = {
    "chain.double_step": {**OF_KEY, "x": X[0]},
    "chain.sample_chain": {**OF_KEY, "x": X[0], "num_steps": 6},
    "chain.fold_chain": {
        **OF_KEY,
        "x": X[0],
        "num_steps": 6,
        "observe": lambda carry, x, z: carry + x.sum(),
        "init": jnp.int32(0),
    },
    "ensemble.member_keys": {"key": KEY, "members": SIZES},
    "ensemble.init": {
        "rule": RULE,
        "key": KEY,
        "members": SIZES,
        "x": X,
        "learning_rate": floats(2),
    },
    "exact.visible_states": {"num_visible": 5},
    "exact.forward_matrix": {"model": MODEL},
    "exact.backward_matrix": {"model": MODEL},
    "exact.latent_kernel": {"model": MODEL},
    "exact.latent_distribution": {"model": MODEL},
    "exact.visible_distribution": {"model": MODEL},
    "exact.log_likelihood": OF_X,
    "exact.horizon_log_likelihood": {**OF_X, "visible_law": law(32), "horizon": 2},
    "exact.draws": {"model": MODEL},
    "exact.two_step_gradient": {**OF_X, "score": "exact"},
    "estimators.base.data_sums": {"support": SUPPORT, "x": X, "weights": law(4)},
    "estimators.base.forward_moments": {"support": SUPPORT, "sums": SUMS},
    "estimators.base.backward_moments": {
        "coefficients": floats(3, 6),
        "x": TRAJECTORY.x,
        "x_mean": floats(5),
    },
    "estimators.base.visible_bias": {"latent": OneHot(3), "a": floats(5)},
    "estimators.base.check_horizon": {"horizon": 2},
    "estimators.averaged.weighted_draws": {
        "model": MODEL,
        "x": DRAWS.x,
        "weights": DRAWS.weights,
    },
    "TrajectoryGradient.sample": {**OF_KEY, "x": X[0]},
    "TrajectoryGradient.support": {"model": MODEL, "sample": TRAJECTORY},
    "TrajectoryGradient.gradient": {
        "model": MODEL,
        "sample": TRAJECTORY,
        "support": SUPPORT,
        "sums": SUMS,
    },
    "TrajectoryGradient.estimate": {
        **OF_X,
        "sample": TRAJECTORY,
        "weights": law(4),
    },
    "AveragedGradient.sample": {**OF_KEY, "x": X[0]},
    "AveragedGradient.support": {"model": MODEL, "sample": DRAWS},
    "AveragedGradient.gradient": {
        "model": MODEL,
        "sample": DRAWS,
        "support": DRAWN,
        "sums": DRAWN_SUMS,
    },
    "AveragedGradient.estimate": {**OF_X, "sample": DRAWS, "weights": law(4)},
    "latent.sample_latent": {"latent": OneHot(3), "key": KEY, "h": FIELD["h"]},
    "likelihood.mixture_log_prob": {
        "log_weights": log_law(3),
        "log_A": -floats(4, 3),
    },
    "likelihood.occupancy_log_prob": {**OF_X, "occupancy": P_BAR},
    "likelihood.trajectory_log_prob": AT_Z,
    "likelihood.chain_log_prob": {**OF_KEY, "start": X[0], "num_steps": 6, "x": X},
    "likelihood.responsibilities": {
        "log_weights": log_law(3),
        "log_A": -floats(3, 4),
    },
    "markov.deviation": {**OF_M, "f": floats(3)},
    "markov.truncated_deviation": {**OF_M, "f": floats(3), "num_terms": 2},
    "markov.stationary_distribution": {"M": M},
    "minibatch.batch_schedule": {"first": 1, "last": 4, "num_epochs": 3},
    "minibatch.sum_chunks": {
        "sums_of": lambda points, weights: weights @ points,
        "zeros": jnp.zeros(2),
        "key": KEY,
        "x": POINTS,
        "batch_size": jnp.int32(3),
    },
    "model.forward_logits": {"model": MODEL, "z": Z},
    "model.state_logits": {"model": MODEL},
    "model.backward_field": OF_X,
    "model.bernoulli_normaliser": {"logits": floats(3, 5)},
    "model.bernoulli_log_prob": {"logits": floats(3, 5), "x": X},
    "model.forward_log_prob": AT_Z,
    "model.forward_log_prob_star": {**AT_Z, "q": 1.65},
    "model.backward_log_probs": OF_X,
    "model.init_model": {"key": KEY, "latent": OneHot(3), "x": X, "dtype": jnp.float32},
    "_random.threefry": {
        "key": jnp.arange(2, dtype=jnp.uint32),
        "x0": jnp.arange(3, dtype=jnp.uint32),
        "x1": jnp.arange(3, dtype=jnp.uint32),
    },
    "_random.pixel_table": {"key": KEY, "block": 1, "logits": floats(3, 5)},
    "_random.draw_pixels": {"key": KEY, "step": 1, "table": jnp.arange(5)},
    "_random.draw_packed": {"key": KEY, "step": 1, "table": jnp.arange(5)},
    "_random.latent_noise": {
        "latent": OneHot(3),
        "key": KEY,
        "steps": jnp.arange(6),
        "num_visible": 5,
    },
    "_random.latent_uniforms": {
        "key": KEY,
        "step": 1,
        "num_visible": 5,
        "num_uniforms": 3,
    },
    "_random.rounding": {"key": KEY, "block": 1, "num_visible": 5},
    "_random.thresholds": {"logits": floats(3, 5), "rounding": floats(5)},
    "_random.pack": {"x": X},
    "_random.unpack": {"packed": jnp.zeros((4, 2), jnp.uint8), "num_visible": 5},
    "_random.draw_indices": {"key": KEY, "count": 3, "num_points": 4, "start": 1},
    "_parallel.sample": {**OF_KEY, "x": X[0], "num_steps": 6},
    "_parallel.candidates": {**OF_KEY, "num_steps": 6},
    "_parallel.random_maps": {**OF_KEY, "steps": jnp.arange(6)},
    "_parallel.require_enumerable": {"latent": OneHot(3)},
    "perfect.perfect_sample": {**SAMPLED, "max_steps": 4},
    "Cycles.init": {"key": KEY, "x": X},
    "Cycles.step": {**TRAINED, "batch_size": jnp.int32(2)},
    "training.train": {"rule": RULE, **TRAINED, "batch_sizes": SIZES},
    **{f"baselines.rbm.{name}": OF_RBM for name in ("log_weight", "log_prob")},
    **{
        f"baselines.rbm.{name}": OF_RBM for name in ("log_likelihood", "exact_gradient")
    },
    **{
        f"baselines.rbm.{name}": {"rbm": RBM}
        for name in ("to_model", "to_mixture", "log_partition", "occupancy")
    },
    "baselines.rbm.check_latent": {"latent": Binary(3)},
    "baselines.rbm.latent_log_weight": {"rbm": RBM, "z": Z},
    "baselines.rbm.data_moments": {**OF_RBM, "weights": law(4)},
    "baselines.rbm.latent_moments": {"rbm": RBM, "z": Z, "weights": law(6)},
    "baselines.rbm.gradient": {"rbm": RBM, "positive": MOMENTS, "negative": MOMENTS},
    "baselines.rbm.from_mixture": {"mixture": MIXTURE, "x_mean": floats(5)},
    "Pcd.init": {"key": KEY, "x": X},
    "Pcd.step": {"state": PCD_STATE, "x": X, "batch_size": jnp.int32(2)},
    "PersistentChain.moments": {"rbm": RBM, "key": KEY, "x": X[0]},
    "rules.pcd.coordinates": {"rbm": RBM},
    "rules.pcd.from_coordinates": {"rbm": RBM, "position": RBM.parameters},
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
        for name in ("log_prob", "log_likelihood", "em_step")
    },
    "baselines.mixture.fit": {"mixture": MIXTURE, "x": X, "num_steps": 2},
    "baselines.mixture.fit_restarts": {
        "key": KEY,
        "num_components": 2,
        "x": X,
        "num_restarts": 2,
        "num_steps": 2,
    },
    "diagnostics.autocorrelation.autocorrelation": {"series": floats(9)},
    "diagnostics.autocorrelation.autocorrelation_time": {"series": floats(9)},
    "diagnostics.autocorrelation.effective_sample_size": {"series": floats(9)},
    "diagnostics.averages.average_log_transitions": SAMPLED,
    "diagnostics.averages.average_transitions": SAMPLED,
    "diagnostics.averages.log_transition_batches": {**SAMPLED, "num_batches": 2},
    "diagnostics.averages.batch_size": {"latent": OneHot(3)},
    "diagnostics.averages.combine_batches": {"batches": floats(2, 3, 3)},
    "diagnostics.classes.latent_classes": {
        **OF_X,
        "labels": jnp.array([0, 1, 1, 0]),
        "num_classes": 2,
    },
    "diagnostics.classes.class_distribution": {
        "p_bar": P_BAR,
        "classes": jnp.array([0, 1, 1]),
        "num_classes": 2,
    },
    "diagnostics.classes.class_kl": {"data_share": law(2), "model_share": law(2)},
    "diagnostics.cycles.fundamental_cycles": {
        "log_M": LOG_M,
        "p_bar": P_BAR,
    },
    "diagnostics.cycles.cycle_states": {"cycles": CYCLES, "number": 0},
    "diagnostics.mixing.reversible_part": OF_M,
    "diagnostics.mixing.integrated_time": {**OF_M, "f": floats(3)},
    **{
        f"diagnostics.spectrum.{name}": {"M": M}
        for name in (
            "second_eigenvalue_modulus",
            "relaxation_time",
            "mean_self_transition",
        )
    },
    "diagnostics.summary.summarize": {**OF_X, **SAMPLED, "occupancy": P_BAR},
    "diagnostics.summary.summarize_batches": {
        **OF_X,
        **SAMPLED,
        "num_batches": 2,
        "occupancy": P_BAR,
    },
    **{
        f"diagnostics.thermodynamics.{name}": OF_M
        for name in ("fluxes", "currents", "one_way_pairs")
    },
    "diagnostics.thermodynamics.entropy_production_rate": {**OF_M, "floor": 0.1},
    "diagnostics.thermodynamics.entropy_production_rate_log": {
        "log_M": LOG_M,
        "p_bar": P_BAR,
    },
    "diagnostics.transitions.count_transitions": {**OF_KEY, "x": X[0], "num_steps": 6},
    "diagnostics.transitions.kernel_from_counts": {
        "pairs": jnp.ones((3, 3), jnp.int32)
    },
    "diagnostics.uncertainty.leave_one_out": {"batches": floats(2, 3, 3)},
    "diagnostics.uncertainty.jackknife_error": {"replicates": floats(2, 3)},
    "diagnostics.uncertainty.jackknife_bias": {
        "estimate": floats(3),
        "replicates": floats(2, 3),
    },
    "diagnostics.whole_chain.whole_chain_entropy_production": {
        **SAMPLED,
        "occupancy": P_BAR,
    },
    "oscillators.bath.euler_maruyama": {
        "force_at": lambda time, x: -x,
        "bath": BATH,
        "normals": floats(5, 2),
        "x": floats(2),
        "times": TIMES,
    },
    "oscillators.bath.drive": {**DRIVEN, "times": TIMES},
    "oscillators.bath.equilibrate": {
        "key": KEY,
        "bath": BATH,
        "stiffness": 2.0,
        "num": 2,
    },
    "oscillators.bath.refine": {"times": TIMES, "substeps": 2},
    **{
        f"oscillators.diffusion.{name}": {
            "noising": GENERATION.noising,
            "time": floats(4),
        }
        for name in ("decay", "spread")
    },
    **{
        f"oscillators.diffusion.{name}": {"generation": GENERATION}
        for name in ("pace", "score_weight", "trap_stiffness")
    },
    "oscillators.diffusion.protocol_time": NOISE_AT,
    "oscillators.diffusion.noising_time": NOISE_AT,
    "oscillators.diffusion.reverse_force": MOVED,
    "oscillators.diffusion.noise_points": {
        "noising": GENERATION.noising,
        "normals": POINTS,
        "x": POINTS,
        "time": floats(4),
    },
    "oscillators.diffusion.log_density": {
        "noising": GENERATION.noising,
        "mixture": NORMALS,
        "time": floats(),
        "x": floats(2),
    },
    "oscillators.learning.loss_weight": {"network": NETWORK, "time": floats(4)},
    "oscillators.learning.local_gradient": {"x": POINTS, "error": POINTS},
    "oscillators.learning.forces_between": {"knots": KNOTS, "share": SHARE, "x": PAIRS},
    "oscillators.learning.knot_gradient": {"x": PAIRS, "error": PAIRS, "share": SHARE},
    "oscillators.learning.measure_force": {
        "network": NETWORK,
        "knots": KNOTS,
        **MEASURED,
    },
    "oscillators.network.geometric_knots": {"noising": GENERATION.noising, "num": 3},
    "oscillators.network.init_parameters": {"network": NETWORK, "x": POINTS},
    "oscillators.network.knot_potentials": OF_NETWORK,
    "oscillators.network.protocol": OF_NETWORK,
    "oscillators.network.change_pace": {
        "protocol": PROTOCOL,
        "old": GENERATION,
        "new": GENERATION,
    },
    "oscillators.network.pull_back": {**OF_NETWORK, "gradient": KNOTS},
    "oscillators.observed.observation_time": {
        "noising": GENERATION.noising,
        "time": floats(4),
        "fraction": 0.1,
    },
    "oscillators.observed.watch_noising": {
        "noising": GENERATION.noising,
        "normals": floats(3, 4, 2),
        "points": POINTS,
        "time": floats(4) + 1,
        "delta": floats(4),
    },
    "oscillators.observed.measure_motion": {
        "network": NETWORK,
        "knots": KNOTS,
        **MEASURED,
        "fraction": 0.1,
        "substeps": 2,
    },
    "oscillators.potential.energy": {"potential": ONE, "x": floats(2)},
    "oscillators.potential.force": {"potential": ONE, "x": floats(2)},
    "oscillators.potential.harmonic_trap": {"num": 2, "stiffness": 1.0},
    "oscillators.potential.at_time": {"protocol": PROTOCOL, "time": floats()},
    "oscillators.potential.all_to_all": {"num": 2},
    "oscillators.potential.lattice": {"rows": 2, "columns": 3, "radius": 1.5},
    "oscillators.projection.project": {
        "pairs": bits(2, 2),
        "x": POINTS,
        "target": POINTS,
        "iterations": 3,
        "rounds": 2,
    },
    "oscillators.thermodynamics.drive_metered": {**DRIVEN, "times": TIMES},
    "oscillators.thermodynamics.step_heat": {
        "bath": BATH,
        "x": floats(2),
        "moved": floats(2),
        "before": floats(2),
        "after": floats(2),
        "duration": floats(),
    },
    "oscillators.thermodynamics.jarzynski": {"work": floats(4), "bath": BATH},
    "oscillators.thermodynamics.entropy_production": {
        "heat": floats(4),
        "bath": BATH,
        "entropy_start": 1.0,
        "entropy_end": 0.5,
    },
    "oscillators.thermodynamics.ideal_entropy_rate": MOVED,
    "oscillators.training.init": {"key": KEY, "network": NETWORK, "x": POINTS},
    "oscillators.training.train": {
        "config": OSC_CONFIG,
        "network": NETWORK,
        "state": OSC_STATE,
        "x": POINTS,
        "num_steps": 2,
    },
    "oscillators.training.train_step": {
        "config": OSC_CONFIG,
        "network": NETWORK,
        "state": OSC_STATE,
        "x": POINTS,
    },
    "oscillators.training.estimate_gradient": {
        "config": OSC_CONFIG,
        "network": NETWORK,
        "parameters": LEARNED,
        "key": KEY,
        "x": POINTS,
    },
    **{f"OneHot.{name}": arguments for name, arguments in LATENT_METHODS.items()},
    **{f"Binary.{name}": arguments for name, arguments in LATENT_METHODS.items()},
    "OneHot.sum_states": {"rows": floats(3, 5)},
    "Binary.sum_states": {"rows": floats(8, 5)},
    "Binary.sum_units": {"rows": floats(3, 5)},
}
"""Arguments by the name of a function below `nelc_jax`, or of a method."""


OBJECTS = {
    "OneHot": OneHot(3),
    "Binary": Binary(3),
    "Cycles": RULE,
    "Pcd": PCD_RULE,
    "PersistentChain": PCD_RULE.negative,
    "TrajectoryGradient": ALONG,
    "AveragedGradient": AVERAGED,
}
"""Whose methods are called."""


def function(name):
    """The function of a name in `CALLS`."""
    place, last = name.rsplit(".", 1)
    if place in OBJECTS:
        return getattr(OBJECTS[place], last)
    return getattr(importlib.import_module(f"nelc_jax.{place}"), last)


def modules():
    """The modules whose functions are called."""
    places = {name.rsplit(".", 1)[0] for name in CALLS} - OBJECTS.keys()
    return [importlib.import_module(f"nelc_jax.{place}") for place in sorted(places)]
