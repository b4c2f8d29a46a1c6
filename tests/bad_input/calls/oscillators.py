"""Calls of the oscillators: n = 2 of them, K = 3 knots, C = 2 intervals."""

import jax
import jax.numpy as jnp

from nelc_jax import oscillators as osc

from .objects import KEY, POINTS, bits, floats, law, shaped

BATH, GENERATION = osc.Bath(0.7, 0.6), osc.Generation()
NOISING = GENERATION.noising
POINT, TIME = floats(2), floats(4)
NETWORK = osc.QuarticNetwork(GENERATION, jnp.asarray([3.0, 2.0, 1.0]), bits(2, 2))
LEARNER = osc.Learner(NETWORK, batch=4)
LEARNED = shaped(NETWORK.init, KEY, POINTS)
KNOTS = shaped(NETWORK.potential, LEARNED)
ONE = jax.tree.map(lambda array: array[0], KNOTS)
# H = 5 hidden oscillators.
HIDDEN = osc.HiddenNetwork(GENERATION, NETWORK.knots, bits(5, 2), bits(2, 2))
SPRINGS = shaped(HIDDEN.init, KEY, POINTS)
HIDDEN_KNOTS = shaped(HIDDEN.potential, SPRINGS)
WELLS = osc.HiddenNetwork(
    GENERATION, NETWORK.knots, bits(5, 2), element=osc.QuarticWell()
)
PAIRS_NETWORK = osc.PairsNetwork(GENERATION, NETWORK.knots, bits(2, 2))
COUPLED = shaped(PAIRS_NETWORK.init, KEY, POINTS)
PROTOCOL = osc.Protocol(jnp.arange(3.0), KNOTS)
TIMES = jnp.arange(6.0)
PAIRS, SHARE = floats(2, 4, 2), floats(2, 4)
AT_KNOTS = {"network": NETWORK, "potential": KNOTS}
MEASURE = {**AT_KNOTS, "key": KEY, "points": PAIRS, "share": SHARE}
MOVED = {"x": POINTS, "score": POINTS}
CONTRAST = {"x": PAIRS, "error": PAIRS, "share": SHARE, "beta": 0.1, "key": KEY}
LEVELS = {"u": floats(4, 5)}
DRIVEN = {"protocol": PROTOCOL, "bath": BATH, "key": KEY, "x": POINT, "times": TIMES}

OBJECTS = {
    "Bath": BATH,
    "Noising": NOISING,
    "NormalMixture": osc.NormalMixture(POINTS, jnp.float32(0.1), jnp.log(law(4))),
    "Generation": GENERATION,
    "Protocol": PROTOCOL,
    "Quartic": ONE,
    "Knots": KNOTS,
    "QuarticNetwork": NETWORK,
    "Pairs": jax.tree.map(
        lambda array: array[0], shaped(PAIRS_NETWORK.potential, COUPLED)
    ),
    "PairsNetwork": PAIRS_NETWORK,
    "HiddenNetwork": HIDDEN,
    "Hidden": jax.tree.map(lambda array: array[0], HIDDEN_KNOTS),
    "HiddenKnots": HIDDEN_KNOTS,
    "TwoState": osc.TwoState(),
    "QuarticWell": osc.QuarticWell(),
    "ContrastiveDivergence": osc.ContrastiveDivergence(),
    "Step": osc.Step(PAIRS, PAIRS, 0.1),
    "Virial": osc.Virial(),
    "VirialMeasurement": osc.VirialMeasurement(PAIRS, PAIRS, PAIRS),
    "HeldContrast": osc.HeldContrast(),
    "HeldMeasurement": osc.HeldMeasurement(
        osc.Measurement(PAIRS, PAIRS, PAIRS), KEY, 0.1, None
    ),
    "ForceMatching": osc.ForceMatching(),
    "ObservedMotion": osc.ObservedMotion(),
    "Measurement": osc.Measurement(PAIRS, PAIRS, PAIRS),
    "Learner": LEARNER,
}

CALLS = {
    "Bath.equilibrate": {"key": KEY, "stiffness": 2.0, "num": 2},
    "Bath.step": {"normal": POINTS, "x": POINTS, "force": POINTS, "duration": TIME},
    "Bath.push": {"force": POINTS, "duration": TIME},
    "Bath.euler_maruyama": {
        "force_at": lambda time, x: -x,
        "normals": floats(5, 2),
        "x": POINT,
        "times": TIMES,
    },
    "oscillators.bath.hold": {"bath": BATH, "held": bits(2)},
    "oscillators.bath.refine": {"times": TIMES, "substeps": 2},
    "Noising.decay": {"time": TIME},
    "Noising.spread": {"time": TIME},
    "Noising.noise": {"normals": POINTS, "x": POINTS, "time": TIME},
    "Noising.geometric_times": {"num": 3},
    "NormalMixture.noised": {"noising": NOISING, "time": floats()},
    "NormalMixture.log_density": {"x": POINT},
    "Generation.protocol_time": {"time": TIME},
    "Generation.noising_time": {"time": TIME},
    "Generation.loss_weight": {"time": TIME},
    "Generation.reverse_force": MOVED,
    "Protocol.at": {"time": floats()},
    "Protocol.at_pace": {"old": GENERATION, "new": GENERATION},
    "Quartic.trap": {"num": 2, "stiffness": 1.0},
    "Quartic.energy": {"x": POINT},
    "Quartic.force": {"x": POINT},
    "Quartic.scaled": {"ratio": floats(), "stiffness": floats()},
    "Quartic.local_gradient": {"x": POINTS, "error": POINTS},
    "Knots.forces_between": {"share": SHARE, "x": PAIRS},
    "Knots.knot_gradient": {"x": PAIRS, "error": PAIRS, "share": SHARE},
    "Knots.knot_readings": {"x": PAIRS, "share": SHARE, "key": KEY, "flips": 2},
    "Knots.knot_contrast": {**CONTRAST, "flips": 2},
    "Quartic.readings": {"x": POINTS, "weight": TIME},
    "Pairs.energy": {"x": POINT},
    "Pairs.force": {"x": POINT},
    "Pairs.scaled": {"ratio": floats(), "stiffness": floats()},
    "Pairs.local_gradient": {"x": POINTS, "error": POINTS},
    "Pairs.readings": {"x": POINTS, "weight": TIME},
    "PairsNetwork.init": {"key": KEY, "x": POINTS},
    "PairsNetwork.potential": {"parameters": COUPLED},
    "Hidden.field": {"x": POINTS},
    "Hidden.energy": {"x": POINT},
    "Hidden.force": {"x": POINT},
    "Hidden.force_given": {"x": POINT, "h": floats(5)},
    "Hidden.scaled": {"ratio": floats(), "stiffness": floats()},
    "HiddenKnots.forces_between": {"share": SHARE, "x": PAIRS},
    "HiddenKnots.knot_gradient": {"x": PAIRS, "error": PAIRS, "share": SHARE},
    "HiddenKnots.knot_readings": {
        "x": PAIRS,
        "share": SHARE,
        "key": KEY,
        "flips": 2,
    },
    "HiddenKnots.knot_contrast": {**CONTRAST, "flips": 2},
    "HiddenNetwork.init": {"key": KEY, "x": POINTS},
    "HiddenNetwork.potential": {"parameters": SPRINGS},
    "TwoState.log_partition": LEVELS,
    "TwoState.mean": LEVELS,
    "TwoState.response": LEVELS,
    "TwoState.draw": {"key": KEY, **LEVELS},
    "QuarticWell.log_partition": LEVELS,
    "QuarticWell.mean": LEVELS,
    "QuarticWell.response": LEVELS,
    "QuarticWell.draw": {"key": KEY, **LEVELS},
    "QuarticWell.push": {"h": floats(4, 5), **LEVELS},
    "QuarticNetwork.init": {"key": KEY, "x": POINTS},
    "QuarticNetwork.potential": {"parameters": LEARNED},
    "QuarticNetwork.protocol": {"parameters": LEARNED},
    "QuarticNetwork.times_between": {"share": SHARE},
    "oscillators.network.all_to_all": {"num": 2},
    "oscillators.network.box_lattice": {"rows": 2, "columns": 3, "reach": 1},
    "oscillators.network.lattice": {"rows": 2, "columns": 3, "radius": 1.5},
    "ForceMatching.measure": MEASURE,
    "ContrastiveDivergence.measure": MEASURE,
    "Step.gradient": {**AT_KNOTS, "share": SHARE},
    "Virial.measure": MEASURE,
    "VirialMeasurement.gradient": {**AT_KNOTS, "share": SHARE},
    "HeldContrast.measure": MEASURE,
    "HeldMeasurement.gradient": {**AT_KNOTS, "share": SHARE},
    "ObservedMotion.measure": MEASURE,
    "ObservedMotion.duration": {"noising": NOISING, "time": TIME},
    "ObservedMotion.watch_noising": {
        "noising": NOISING,
        "normals": floats(3, 4, 2),
        "points": POINTS,
        "time": TIME + 1,
    },
    "Measurement.gradient": {**AT_KNOTS, "share": SHARE},
    "Measurement.weighted_error": {"network": NETWORK, "share": SHARE},
    "oscillators.driving.drive": DRIVEN,
    "oscillators.driving.drive_metered": DRIVEN,
    "oscillators.flipping.drive_flipping": {
        **DRIVEN,
        "protocol": osc.Protocol(jnp.arange(3.0), HIDDEN_KNOTS),
        "probability": 0.5,
    },
    "oscillators.relaxing.drive_relaxing": {
        **DRIVEN,
        "protocol": osc.Protocol(jnp.arange(3.0), shaped(WELLS.potential, SPRINGS)),
        "relaxation": 0.5,
        "parts": 2,
    },
    "oscillators.projection.project": {
        "pairs": bits(2, 2),
        "x": POINTS,
        "target": POINTS,
        "iterations": 3,
        "rounds": 2,
    },
    "oscillators.thermodynamics.jarzynski": {"work": TIME, "bath": BATH},
    "oscillators.thermodynamics.entropy_production": {
        "heat": TIME,
        "bath": BATH,
        "entropy_start": 1.0,
        "entropy_end": 0.5,
    },
    "oscillators.thermodynamics.ideal_entropy_rate": {
        "generation": GENERATION,
        **MOVED,
    },
    "Learner.init": {"key": KEY, "x": POINTS},
    "Learner.gradient": {"parameters": LEARNED, "key": KEY, "x": POINTS},
}

STATE = shaped(LEARNER.init, KEY, POINTS)
CALLS |= {
    "Learner.step": {"state": STATE, "x": POINTS},
    "oscillators.training.train": {
        "learner": LEARNER,
        "state": STATE,
        "x": POINTS,
        "num_steps": 2,
    },
}
