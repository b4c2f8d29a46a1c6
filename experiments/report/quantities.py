"""What the columns of `models.csv` are called, measured in, and mean."""

from dataclasses import dataclass, replace

from markupsafe import Markup

from experiments.runs.directory import Run
from experiments.runs.diverged import DIVERGED_IN, diverged_in


@dataclass(frozen=True)
class Quantity:
    """A column of `models.csv`: its symbol, name and unit, if any, and what it means.

    `shown` at once, and not only on demand; `largest_first` when it is sorted.
    """

    name: str
    symbol: str
    words: str = ""
    unit: str = ""
    meaning: str = ""
    shown: bool = False
    largest_first: bool = True


ERROR = "_error"
"""What a column of standard errors has behind the name of its quantity."""

NATS, DOUBLE_STEPS = "nats", "double steps"
RATE = "nats per double\N{NO-BREAK SPACE}step"

QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        Quantity(
            "model",
            "model",
            meaning="number of the model, counted from 0",
            shown=True,
            largest_first=False,
        ),
        Quantity(
            DIVERGED_IN,
            "lost in",
            unit="epoch",
            meaning="in which the model went non-finite; frozen as before; 0 for none",
        ),
        Quantity(
            "log_likelihood",
            Markup("<i>L</i>"),
            "log-likelihood",
            NATS,
            "mean log-probability of a data point after training",
            shown=True,
        ),
        Quantity(
            "entropy_production_rate",
            Markup("<i>σ</i>"),
            "entropy production",
            RATE,
            "entropy production rate of the latent chain",
            shown=True,
        ),
        Quantity(
            "relaxation_time",
            Markup("<i>τ</i>"),
            "relaxation time",
            DOUBLE_STEPS,
            "relaxation time, −1 / ln |λ₂| of the latent kernel M",
            shown=True,
        ),
        Quantity(
            "mean_self_transition",
            Markup("⟨<i>M<sub>zz</sub></i>⟩"),
            "self-transition",
            "",
            "mean probability of returning to the same latent state",
            shown=True,
            largest_first=False,
        ),
        Quantity(
            "kl_divergence",
            "KL",
            "of the classes",
            NATS,
            "divergence of the model's classes from those of the data",
            shown=True,
            largest_first=False,
        ),
        Quantity(
            "min_occupancy",
            Markup("min <i>p̄</i>"),
            "rarest state",
            "",
            "stationary probability of the rarest latent state",
            shown=True,
        ),
        Quantity(
            "entropy_production_rate_bias",
            Markup("bias of <i>σ</i>"),
            unit=RATE,
            meaning="the jackknife's estimate; less it, σ at equilibrium scatters "
            "around 0",
        ),
        Quantity(
            "entropy_production_rate_counts",
            Markup("<i>σ</i> counted"),
            unit=RATE,
            meaning="the same rate from transitions counted on one long chain",
        ),
        Quantity(
            "one_way_pairs",
            "one-way pairs",
            meaning="pairs of latent states counted in one direction only",
        ),
        Quantity(
            "whole_chain_entropy_production",
            Markup("<i>σ</i> of x and z"),
            unit=RATE,
            meaning="entropy production rate of the whole chain, σ at least",
        ),
        Quantity(
            "dominant_cycle_current",
            "cycle current",
            unit="per double\N{NO-BREAK SPACE}step",
            meaning="net current round the cycle that contributes most to σ",
        ),
        Quantity(
            "dominant_cycle_affinity",
            "cycle affinity",
            unit=NATS,
            meaning="entropy production of one turn of that cycle",
        ),
        Quantity(
            "dominant_cycle_contribution",
            "cycle contribution",
            unit=RATE,
            meaning="current times affinity, its part of σ",
        ),
    )
}


def quantities_of(run: Run) -> list[Quantity]:
    """Those of `models.csv` in their order, without the errors of other columns.

    `config["diagnostics"]` has the unit and meaning of columns that are not in
    `QUANTITIES`; a column that nobody describes goes by its name.
    """
    known = dict(QUANTITIES)
    for name, given in run.config.get("diagnostics", {}).items():
        known[name] = Quantity(
            name,
            _words(name),
            unit=given["unit"],
            meaning=given["meaning"],
            shown=True,
        )
    if diverged_in(run).any():
        known[DIVERGED_IN] = replace(known[DIVERGED_IN], shown=True)
    return [
        known.get(name, Quantity(name, _words(name)))
        for name in run.models
        if not (name.endswith(ERROR) and name.removesuffix(ERROR) in run.models)
    ]


def _words(name: str) -> str:
    return name.replace("_", " ")
