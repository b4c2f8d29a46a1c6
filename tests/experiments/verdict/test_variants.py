"""The ensembles of a verdict."""

from experiments.training.equilibrium import rbms
from experiments.training.settings import Settings
from experiments.verdict.variants import readings, sensitivities


def test_variants_have_names_and_settings_of_their_own():
    base = Settings(models=2)
    every = [
        *readings(base, range(5), range(2)),
        *rbms(base, range(2)),
        *sensitivities(base, 0),
    ]
    assert len(every) == 11 + 4 + 12
    assert len({variant.name for variant in every}) == len(every)
    trained = {(v.rule, v.seed, v.settings.learning_rate) for v in every}
    # The default reading is among the readings, and nowhere else.
    assert len(trained) == len(every)


def test_ensembles_keep_their_names():
    """What was trained before is found again."""
    names = [variant.name for variant in readings(Settings(), range(8), range(1))]
    assert names == [
        *(f"sigmoid-paper-{seed}" for seed in range(8)),
        *("sigmoid-exact-0", "softmax-paper-0", "softmax-exact-0"),
    ]
