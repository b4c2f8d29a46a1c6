from experiments.oscillators import command, gaussians
from experiments.oscillators import options as options_module
from experiments.oscillators.plans import narrow_plans
from nelc_jax.oscillators import (
    ContrastiveDivergence,
    ForceMatching,
    PairsNetwork,
    QuarticNetwork,
    Virial,
)


def test_networks_of_the_paper():
    """Its family and rules, on images within six pixels and in the plane."""
    given = ["--out", "run", "--task", "digits", "--network", "pairs"]
    options, training = options_module.read(given)
    plans = command._plans(options, training)
    rules = {name: type(rule) for name, (_, rule) in plans.items()}
    assert rules == {
        "force matching (pairs)": ForceMatching,
        "virial (pairs)": Virial,
        "classic CD1 (pairs)": ContrastiveDivergence,
    }
    network, _ = plans["virial (pairs)"]
    assert isinstance(network, PairsNetwork)
    # From the corner 7 x 7 pixels, itself among them.
    assert network.pairs[0].sum() == 48
    assert network.generation.bath.reach == 2
    options, training = options_module.read(["--out", "run", "--modes", "narrow"])
    plans = narrow_plans(gaussians.NARROW.noising, training)
    kinds = {type(network) for network, _ in plans.values()}
    assert kinds == {PairsNetwork, QuarticNetwork}
    assert len({type(rule) for _, rule in plans.values()}) == 5
