"""What the columns of `models.csv` are called, measured in, and mean."""

from dataclasses import dataclass

from markupsafe import Markup

from experiments.runs.directory import Run
from experiments.runs.diverged import DIVERGED_IN


@dataclass(frozen=True)
class Quantity:
    """A column of `models.csv`: its symbol and unit, if any, and what it means."""

    name: str
    symbol: str
    unit: str = ""
    meaning: str = ""


NATS, DOUBLE_STEPS = "nats", "double steps"
RATE = "nats per double\N{NO-BREAK SPACE}step"

QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        Quantity("model", "model", "", "number of the model, counted from 0"),
        Quantity(
            DIVERGED_IN,
            "non-finite",
            "epoch",
            "in which a model went non-finite, frozen at its beginning; 0 for none",
        ),
        Quantity(
            "log_likelihood",
            Markup("<i>L</i>"),
            NATS,
            "mean log-probability of a data point after training",
        ),
        Quantity(
            "entropy_production_rate",
            Markup("<i>σ</i>"),
            RATE,
            "entropy production rate of the latent chain",
        ),
        Quantity(
            "relaxation_time",
            Markup("<i>τ</i>"),
            DOUBLE_STEPS,
            "relaxation time, −1 / ln |λ₂| of the latent kernel M",
        ),
        Quantity(
            "mean_self_transition",
            Markup("⟨<i>M<sub>zz</sub></i>⟩"),
            "",
            "mean probability of returning to the same latent state",
        ),
        Quantity(
            "kl_divergence",
            "KL",
            NATS,
            "divergence of the model's classes from those of the data",
        ),
        Quantity(
            "min_occupancy",
            Markup("min <i>p̄</i>"),
            "",
            "stationary probability of the rarest latent state",
        ),
        Quantity(
            "entropy_production_rate_counts",
            Markup("<i>σ</i> counted"),
            RATE,
            "the same rate from transitions counted on one long chain",
        ),
        Quantity(
            "one_way_pairs",
            "one-way pairs",
            "",
            "pairs of latent states counted in one direction only",
        ),
    )
}


def quantities_of(run: Run) -> list[Quantity]:
    """One a column of `models.csv`, in their order.

    `config["diagnostics"]` has the unit and meaning of columns that are not in
    `QUANTITIES`; a column that nobody describes goes by its name.
    """
    known = dict(QUANTITIES)
    for name, given in run.config.get("diagnostics", {}).items():
        known[name] = Quantity(name, _words(name), given["unit"], given["meaning"])
    return [known.get(name, Quantity(name, _words(name))) for name in run.models]


def _words(name: str) -> str:
    return name.replace("_", " ")
