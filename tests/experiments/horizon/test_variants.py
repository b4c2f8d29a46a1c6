"""The ensembles of the experiment on horizons."""

from experiments.horizon.variants import controls, horizons, literal
from experiments.training.settings import Settings


def test_variants_differ_in_name_and_in_training():
    base = Settings(models=2)
    variants = [*horizons(base, 0), *literal(base, 0), *controls(base, 0, 100)]
    assert len({variant.name for variant in variants}) == len(variants) == 19
    trained = {(variant.rule, variant.settings.batch_last) for variant in variants}
    assert len(trained) == len(variants)
