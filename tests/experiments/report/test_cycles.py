import numpy as np
import pytest

from experiments.report.cycles import dominant_cycles

from ..synthetic import synthetic_run

RING = np.array([[0.05, 0.9, 0.05], [0.05, 0.05, 0.9], [0.9, 0.05, 0.05]])


def ring_run(kernel):
    """A run whose best model has the given kernel, with a uniform occupancy."""
    run = synthetic_run(models=3)
    best = int(np.argmax(run.models["log_likelihood"]))
    run.arrays["latent_kernel"][best] = kernel
    run.arrays["log_latent_kernel"][best] = np.log(kernel)
    run.arrays["occupancy"][best] = 1 / len(kernel)
    return run


@pytest.mark.parametrize(
    ("kernel", "paths"),
    [
        (RING, {"0 → 1 → 2 → 0", "1 → 2 → 0 → 1", "2 → 0 → 1 → 2"}),
        (RING.T, {"0 → 2 → 1 → 0", "2 → 1 → 0 → 2", "1 → 0 → 2 → 1"}),
    ],
)
def test_dominant_cycle_is_named_with_its_numbers(kernel, paths):
    run = ring_run(kernel)
    best, *others = dominant_cycles(run)
    assert best.path in paths
    current, affinity = (0.9 - 0.05) / 3, 3 * np.log(0.9 / 0.05)
    # Three digits are shown.
    assert best.current == pytest.approx(current, rel=1e-4)
    assert best.affinity == pytest.approx(affinity, rel=1e-4)
    assert best.contribution == pytest.approx(current * affinity, rel=1e-4)
    assert best.sigma == run.models["entropy_production_rate"][best.model]
    assert len(others) == 2


def test_classes_stand_beside_the_states():
    run = ring_run(RING)
    run.config["class_names"] = ["zero", "one"]
    run.arrays["classes"] = np.tile([0, 1, 1], (3, 1))
    path = dominant_cycles(run)[0].path
    assert {"0 (zero)", "1 (one)", "2 (one)"} <= set(path.split(" → "))


def test_a_single_state_has_no_cycle():
    assert dominant_cycles(synthetic_run(units=1, models=2)) == []
