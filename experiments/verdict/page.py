"""The tables and figures of a verdict."""

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from scipy import stats

from experiments.figures.style import (
    LOG_LIKELIHOOD,
    SIGMA,
    THRESHOLD,
    TWO_COLUMNS,
    add_legend,
)
from experiments.report.tables import markdown_table
from experiments.runs.directory import Run
from experiments.verdict.claims import CLAIMS, Members, members_of, rank_correlation
from experiments.verdict.judgements import Judgement
from experiments.verdict.sampling import match
from nelc_jax.plot.style import STYLE

MARKS = {"holds": "yes", "does not hold": "no", "undecided": "?"}
SIGMA_COLUMN = "entropy_production_rate"
TINY = float(np.finfo(np.float32).tiny)
GROUP_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")


def claims_table(judgements: dict[str, list[Judgement]]) -> str:
    """One row a claim, one column a reading: value, interval, verdict."""
    rows = {
        claim.name: {"Threshold": f"{'>' if claim.above else '<'} {claim.threshold:g}"}
        | {group: "no labels" for group in judgements}
        for claim in CLAIMS
    }
    for group, found in judgements.items():
        for one in found:
            interval = f" [{one.low:.3g}, {one.high:.3g}]"
            known = "" if np.isnan(one.low) else interval
            words = f"{one.value:.3g}{known} **{MARKS[one.verdict]}**"
            rows[one.claim.name][group] = words
    return markdown_table(rows, "Claim")


def claims_list() -> str:
    """What each statistic is."""
    return "\n".join(f"- **{claim.name}**: {claim.text}." for claim in CLAIMS)


def likelihood_table(runs: dict[str, list[Run]], ceiling: float) -> str:
    """Likelihoods in nats a point, training and held-out, and what goes with them."""
    rows = {}
    for group, found in runs.items():
        models = _pooled(found)
        likelihood = models["log_likelihood"]
        best = np.argmax(likelihood)
        rows[f"{group} ({len(found)} x {len(found[0].models['model'])})"] = {
            "best L": f"{likelihood[best]:.2f}",
            "upper quartile": f"{np.quantile(likelihood, 0.75):.2f}",
            "median": f"{np.median(likelihood):.2f}",
            "held-out (best)": f"{models['held_out_log_likelihood'][best]:.2f}",
            "sigma, median": f"{np.median(models[SIGMA_COLUMN]):.2f}",
            "tau, median": f"{np.median(models['relaxation_time']):.1f}",
            "self-transition, median": (
                f"{np.median(models['mean_self_transition']):.3f}"
            ),
            "KL, median": f"{np.median(models.get('kl_divergence', np.nan)):.2g}",
        }
    rows["mixture by EM, the ceiling of one-hot models"] = {"best L": f"{ceiling:.2f}"}
    return markdown_table(rows, "Ensembles")


def estimators_table(runs: dict[str, list[Run]]) -> str:
    """sigma from the averaged and from the counted kernel, and pairs never seen."""
    rows = {}
    for group, found in runs.items():
        models = _pooled(found)
        sigma = models[SIGMA_COLUMN]
        counted = models["entropy_production_rate_counts"]
        ratio = counted[sigma > 0.1] / sigma[sigma > 0.1]
        low, high = np.quantile(ratio, (0.05, 0.95)) if len(ratio) else (np.nan, np.nan)
        whole_chain = np.median(models["whole_chain_entropy_production"])
        rows[group] = {
            "sigma averaged, median": f"{np.median(sigma):.3g}",
            "its error, median": f"{np.median(models[f'{SIGMA_COLUMN}_error']):.2g}",
            "sigma counted, median": f"{np.median(counted):.3g}",
            "counted / averaged, 5 % to 95 %": (
                f"{low:.2f} to {high:.2f}" if len(ratio) else ""
            ),
            "models with one-way pairs": f"{np.mean(models['one_way_pairs'] > 0):.0%}",
            "sigma of the whole chain, median": f"{whole_chain:.1f}",
        }
    return markdown_table(rows, "Ensembles")


def equilibrium_table(runs: dict[str, list[Run]], batches: dict[str, int]) -> str:
    """sigma of models at equilibrium after every epoch, less its bias, in errors.

    An error from B batches has B - 1 degrees of freedom (Student's t).
    """
    rows = {}
    for group, found in runs.items():
        sigma, bias, error = (
            np.concatenate([run.history[SIGMA_COLUMN + part] for run in found])
            for part in ("", "_bias", "_error")
        )
        measured = np.isfinite(sigma)
        sigma, bias, error = sigma[measured], bias[measured], error[measured]
        # Where sigma is below what its precision resolves, its error may be zero.
        distance = np.abs(sigma - bias) / np.maximum(error, TINY)
        expected = 1 - 2 * stats.t.sf(3, batches[group] - 1)
        rows[group] = {
            "largest sigma after any epoch": f"{sigma.max():.2g}",
            "its median": f"{np.median(sigma):.2g}",
            "distance from zero in errors, median": f"{np.median(distance):.2f}",
            "within 3 errors": f"{np.mean(distance < 3):.1%}",
            "expected": f"{expected:.1%}",
        }
    return markdown_table(rows, "Ensembles")


def sensitivity_table(runs: dict[str, list[Run]], ceilings: dict[int, float]) -> str:
    """One row a setting: what it does to likelihoods, sigma and their relations."""
    rows = {}
    for group, found in runs.items():
        members = _joined([members_of(run) for run in found])
        likelihood, units = members["log_likelihood"], int(members["units"][0])
        tau = np.quantile(np.minimum(members["tau"], 1e6), 0.75)
        below = np.mean(members["self_transition"] < 1 / units)
        rows[f"{group} ({len(found)})"] = {
            "best L": f"{likelihood.max():.2f}",
            "upper quartile": f"{np.quantile(likelihood, 0.75):.2f}",
            "ceiling": f"{ceilings[units]:.2f}",
            "sigma, median": f"{np.median(members['sigma']):.2f}",
            "tau, upper quartile": f"{tau:.1f}",
            "models with self-transition below 1/L": f"{below:.0%}",
            "rho(L, sigma)": _rho(members, "log_likelihood"),
            "rho(tau, sigma)": _rho(members, "tau"),
            "rho(KL, sigma)": _rho(members, "kl"),
        }
    return markdown_table(rows, "Ensembles")


def sampling_table(runs: dict[str, list[Run]], sampling: dict[str, dict]) -> str:
    """Sampling of the upper half of the default reading and of RBMs of equal L."""
    first = next(iter(sampling))
    reference = _pooled(runs[first])["log_likelihood"]
    upper = np.flatnonzero(reference >= np.median(reference))
    rows = {}
    for group, columns in sampling.items():
        likelihood = _pooled(runs[group])["log_likelihood"]
        chosen = upper if group == first else match(reference[upper], likelihood)
        distance = np.abs(likelihood[chosen] - reference[upper]).mean()
        found = {name: values[chosen] for name, values in columns.items()}
        median = {name: _median_of_known(values) for name, values in found.items()}
        rows[group] = {
            "L, median": f"{np.median(likelihood[chosen]):.2f}",
            "distance in L": f"{distance:.2f}",
            "KL of classified digits": f"{median['kl']:.2g}",
            "time, median": f"{median['time']:.3g}",
            "time without currents": f"{median['time_reversible']:.3g}",
            "time of the visible chain": f"{median['time_visible']:.3g}",
            "without it: a class never seen or never left": (
                f"{np.mean(np.isnan(found['time_visible'])):.0%}"
            ),
            "effective samples a double step": f"{1 / median['time']:.3g}",
        }
    return markdown_table(rows, "Models")


@rc_context(STYLE)
def clusters_figure(runs: dict[str, list[Run]]) -> Figure:
    """(L, sigma) of every model, a panel a reading, a colour an ensemble."""
    figure = Figure(figsize=(TWO_COLUMNS, 2.1), layout="constrained")
    # Scales of their own: sigma differs tenfold between readings.
    panels = figure.subplots(1, len(runs), squeeze=False)[0]
    for axes, (group, found) in zip(panels, runs.items(), strict=True):
        for number, run in enumerate(found):
            axes.errorbar(
                run.models["entropy_production_rate"],
                run.models["log_likelihood"],
                xerr=run.models["entropy_production_rate_error"],
                fmt="o",
                markersize=2.2,
                linewidth=0.5,
                color=GROUP_COLOURS[number % len(GROUP_COLOURS)],
                alpha=0.8,
            )
        axes.set_title(group.replace("-", ", score "))
        axes.set_xlabel(SIGMA)
    panels[0].set_ylabel(LOG_LIKELIHOOD)
    return figure


@rc_context(STYLE)
def claims_figure(judgements: dict[str, list[Judgement]]) -> Figure:
    """Each claim's interval against its threshold, a colour a reading."""
    names = [claim.name for claim in CLAIMS]
    columns = 4
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(TWO_COLUMNS, 1.25 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, claim in zip(panels, CLAIMS, strict=False):
        for number, found in enumerate(judgements.values()):
            for one in (j for j in found if j.claim is claim):
                axes.errorbar(
                    one.value,
                    -number,
                    xerr=[
                        [np.fmax(one.value - one.low, 0)],
                        [np.fmax(one.high - one.value, 0)],
                    ],
                    fmt="o",
                    markersize=3,
                    color=GROUP_COLOURS[number % len(GROUP_COLOURS)],
                )
        axes.axvline(claim.threshold, **THRESHOLD)
        axes.set_title(f"{claim.name} ({'>' if claim.above else '<'})", loc="left")
        if claim.name in ("C5b", "C5c"):
            axes.set_xscale("log")
        axes.set_yticks([])
        axes.set_ylim(-len(judgements) + 0.5, 0.5)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for number, group in enumerate(judgements):
        panels[0].plot([], [], "o", color=GROUP_COLOURS[number % 4], label=group)
    add_legend(figure, panels[0])
    return figure


def _rho(members: Members, name: str) -> str:
    """Rank correlation with sigma, empty where the column is not known."""
    if name not in members:
        return ""
    return f"{rank_correlation(name, 'sigma')(members):.2f}"


def _median_of_known(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _pooled(runs: list[Run]) -> Members:
    return _joined([run.models for run in runs])


def _joined(tables: list[Members]) -> Members:
    return {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
