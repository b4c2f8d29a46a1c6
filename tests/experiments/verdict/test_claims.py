"""The statistics of the claims on columns whose values are known."""

import numpy as np
import pytest

from experiments.verdict.claims import IN_EVERY_BEST_RUN, TENDENCIES
from experiments.verdict.members import members_of

from ..synthetic import synthetic_run

TENDENCY = {claim.name: claim for claim in TENDENCIES}


def test_exceptions_are_counted():
    sigma = np.arange(40.0)
    ordered = {"sigma": sigma, "log_likelihood": sigma - 100, "kl": -sigma}
    assert TENDENCY["C3"].statistic(ordered) == 0
    assert TENDENCY["C4"].statistic(ordered) == 0
    opposite = {"sigma": sigma, "log_likelihood": -sigma, "kl": sigma}
    assert TENDENCY["C3"].statistic(opposite) == 1
    assert TENDENCY["C4"].statistic(opposite) == 1


def test_an_infinite_time_is_the_longest():
    sigma = np.arange(40.0)
    tau = {"sigma": sigma, "tau": np.where(sigma > 38, np.inf, sigma)}
    assert TENDENCY["C5a"].statistic(tau) == pytest.approx(1)
    assert TENDENCY["C5b"].statistic(tau | {"tau": np.full(40, np.inf)}) == 1e6


@pytest.mark.parametrize(
    ("states", "passes"), [([2, 2, 2], True), ([3, 2, 1], False), ([4, 1, 1], False)]
)
def test_two_latents_a_digit(states, passes):
    """Three, two and one are the paper's example of a poor model."""
    run = synthetic_run(models=1, units=6)
    run.config["class_names"] = ["0", "1", "2"]
    run.arrays["classes"] = np.repeat(np.arange(3), states)[None]
    for part in ("bias", "error"):
        run.models[f"entropy_production_rate_{part}"] = np.zeros(1)
    run.models["mean_self_transition_error"] = np.zeros(1)
    (margin,) = {c.name: c for c in IN_EVERY_BEST_RUN}["C7b"].margin(members_of(run))
    assert (margin > 0) == passes


def test_entropies_of_a_model():
    """Of a uniform law and of a permutation, and of rows that are uniform."""
    run = synthetic_run(models=2, units=4)
    run.models.update(
        {
            name: np.zeros(2)
            for name in (
                "entropy_production_rate_bias",
                "entropy_production_rate_error",
                "mean_self_transition_error",
            )
        }
    )
    del run.models["kl_divergence"]
    cycle = np.roll(np.eye(4), 1, axis=1)
    run.arrays["latent_kernel"] = np.stack([cycle, np.full((4, 4), 0.25)])
    run.arrays["occupancy"] = np.array([[0.25] * 4, [0.5, 0.5, 0, 0]])
    found = members_of(run)
    np.testing.assert_allclose(found["evenness"], [1, 0.5])
    np.testing.assert_allclose(found["conditional_entropy"], [0, np.log(4)])
    np.testing.assert_allclose(found["least_dominant"], [1, 0.25])
