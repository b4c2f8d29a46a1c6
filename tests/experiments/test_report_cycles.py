import numpy as np

from experiments.report.cycles import cycles_section

from .synthetic import synthetic_run

RING = np.array([[0.05, 0.9, 0.05], [0.05, 0.05, 0.9], [0.9, 0.05, 0.05]])


def ring_run(kernel):
    """A run whose best model has the given kernel, with a uniform occupancy."""
    run = synthetic_run(models=3)
    best = int(np.argmax(run.models["log_likelihood"]))
    run.arrays["latent_kernel"][best] = kernel
    run.arrays["log_latent_kernel"][best] = np.log(kernel)
    run.arrays["occupancy"][best] = 1 / len(kernel)
    return run


def test_dominant_cycle_is_named_with_its_numbers():
    run = ring_run(RING)
    section = cycles_section(run)
    row = section.split("<tr>")[2]
    path = next(
        p for p in ("0 → 1 → 2 → 0", "1 → 2 → 0 → 1", "2 → 0 → 1 → 2") if p in row
    )
    assert path
    current, affinity = (0.9 - 0.05) / 3, 3 * np.log(0.9 / 0.05)
    for value in (current, affinity, current * affinity):
        assert f"<td>{value:#.3g}</td>" in row
    assert section.count('<th scope="row">') == 3


def test_reversed_kernel_has_the_reversed_cycle():
    section = cycles_section(ring_run(RING.T)).split("<tr>")[2]
    assert any(
        p in section for p in ("0 → 2 → 1 → 0", "2 → 1 → 0 → 2", "1 → 0 → 2 → 1")
    )


def test_classes_stand_beside_the_states():
    run = ring_run(RING)
    run.config["class_names"] = ["zero", "<one>"]
    run.arrays["classes"] = np.tile([0, 1, 1], (3, 1))
    section = cycles_section(run)
    assert "0 (zero)" in section
    assert "1 (&lt;one&gt;)" in section


def test_a_single_state_has_no_section():
    run = synthetic_run(units=1, models=2)
    assert cycles_section(run) == ""
