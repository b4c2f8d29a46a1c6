"""The ensembles of a verdict."""

from experiments.training.equilibrium import rbms
from experiments.training.settings import Settings
from experiments.verdict.variants import readings, sensitivities


def test_variants_have_names_and_settings_of_their_own():
    base = Settings(models=2)
    every = [
        *readings(base, range(2)),
        *rbms(base, range(2)),
        *sensitivities(base, 0),
    ]
    assert len(every) == 8 + 4 + 12
    assert len({variant.name for variant in every}) == len(every)
    trained = {(v.rule, v.seed, v.settings.learning_rate) for v in every}
    # The default reading is among the readings, and nowhere else.
    assert len(trained) == len(every)
