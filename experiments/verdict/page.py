"""The tables and figures of a verdict."""

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from scipy import stats

from experiments.figures.style import LOG_LIKELIHOOD, SIGMA, STYLE, TWO_COLUMNS
from experiments.runs.directory import Run
from experiments.verdict.claims import CLAIMS, members_of, rank_correlation
from experiments.verdict.judgements import Judgement
from experiments.verdict.sampling import match

MARKS = {"holds": "yes", "does not hold": "no", "undecided": "?"}
SIGMA_COLUMN = "entropy_production_rate"
TINY = float(np.finfo(np.float32).tiny)
GROUP_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")


def claims_table(judgements: dict[str, list[Judgement]]) -> str:
    """One row a claim, one column a reading: value, interval, verdict."""
    lines = [
        "| Claim | Threshold | " + " | ".join(judgements) + " |",
        "| --- | --- |" + " --- |" * len(judgements),
    ]
    for claim in CLAIMS:
        cells = []
        for found in judgements.values():
            one = next((j for j in found if j.claim is claim), None)
            if one is None:
                cells.append("no labels")
                continue
            interval = f" [{one.low:.3g}, {one.high:.3g}]"
            known = "" if np.isnan(one.low) else interval
            cells.append(f"{one.value:.3g}{known} **{MARKS[one.verdict]}**")
        side = ">" if claim.above else "<"
        lines.append(
            f"| {claim.name} | {side} {claim.threshold:g} | " + " | ".join(cells) + " |"
        )
    return "\n".join(lines)


def claims_list() -> str:
    """What each statistic is."""
    return "\n".join(f"- **{claim.name}**: {claim.text}." for claim in CLAIMS)


def likelihood_table(runs: dict[str, list[Run]], ceiling: float) -> str:
    """Likelihoods in nats a point, training and held-out, and what goes with them."""
    lines = [
        "| Ensembles | best L | upper quartile | median | held-out (best) | sigma, "
        "median | tau, median | self-transition, median | KL, median |",
        "| --- |" + " --- |" * 8,
    ]
    for group, found in runs.items():
        models = _pooled(found)
        best = int(np.argmax(models["log_likelihood"]))
        quantile = np.quantile(models["log_likelihood"], (0.75, 0.5))
        kl = models.get("kl_divergence", np.array([np.nan]))
        lines.append(
            f"| {group} ({len(found)} x {len(found[0].models['model'])}) "
            f"| {models['log_likelihood'][best]:.2f} | {quantile[0]:.2f} "
            f"| {quantile[1]:.2f} | {models['held_out_log_likelihood'][best]:.2f} "
            f"| {np.median(models['entropy_production_rate']):.2f} "
            f"| {np.median(models['relaxation_time']):.1f} "
            f"| {np.median(models['mean_self_transition']):.3f} "
            f"| {np.median(kl):.2g} |"
        )
    lines.append(f"| mixture by EM, the ceiling | {ceiling:.2f} |" + " |" * 7)
    return "\n".join(lines)


def estimators_table(runs: dict[str, list[Run]]) -> str:
    """sigma from the averaged and from the counted kernel, and pairs never seen."""
    lines = [
        "| Ensembles | sigma averaged, median | its error, median | sigma counted, "
        "median | counted / averaged, 5 % to 95 % | models with one-way pairs | sigma "
        "of the whole chain, median |",
        "| --- |" + " --- |" * 6,
    ]
    for group, found in runs.items():
        models = _pooled(found)
        sigma = models["entropy_production_rate"]
        counted = models["entropy_production_rate_counts"]
        ratio = counted[sigma > 0.1] / sigma[sigma > 0.1]
        spread = (
            "{:.2f} to {:.2f}".format(*np.quantile(ratio, (0.05, 0.95)))
            if len(ratio)
            else ""
        )
        lines.append(
            f"| {group} | {np.median(sigma):.3g} "
            f"| {np.median(models['entropy_production_rate_error']):.2g} "
            f"| {np.median(counted):.3g} | {spread} "
            f"| {np.mean(models['one_way_pairs'] > 0):.0%} "
            f"| {np.median(models['whole_chain_entropy_production']):.1f} |"
        )
    return "\n".join(lines)


def equilibrium_table(runs: dict[str, list[Run]], batches: dict[str, int]) -> str:
    """sigma of models at equilibrium after every epoch, less its bias, in errors.

    An error from B batches has B - 1 degrees of freedom (Student's t).
    """
    lines = [
        "| Ensembles | largest sigma after any epoch | its median | distance from zero "
        "in errors, median | within 3 errors | expected |",
        "| --- |" + " --- |" * 5,
    ]
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
        lines.append(
            f"| {group} | {sigma.max():.2g} | {np.median(sigma):.2g} "
            f"| {np.median(distance):.2f} | {np.mean(distance < 3):.1%} "
            f"| {expected:.1%} |"
        )
    return "\n".join(lines)


def sensitivity_table(runs: dict[str, list[Run]], ceilings: dict[int, float]) -> str:
    """One row a setting: what it does to likelihoods, sigma and their relations."""
    lines = [
        "| Ensembles | best L | upper quartile | ceiling | sigma, median | tau, upper "
        "quartile | models with self-transition below 1/L | rho(L, sigma) | rho(tau, "
        "sigma) | rho(KL, sigma) |",
        "| --- |" + " --- |" * 9,
    ]
    for group, found in runs.items():
        tables = [members_of(run) for run in found]
        members = {k: np.concatenate([t[k] for t in tables]) for k in tables[0]}
        likelihood, units = members["log_likelihood"], int(members["units"][0])
        tau = np.quantile(np.minimum(members["tau"], 1e6), 0.75)
        pairs = (("log_likelihood", "sigma"), ("tau", "sigma"), ("kl", "sigma"))
        correlations = [
            f"{rank_correlation(*pair)(members):.2f}" if pair[0] in members else ""
            for pair in pairs
        ]
        lines.append(
            f"| {group} ({len(found)}) | {likelihood.max():.2f} "
            f"| {np.quantile(likelihood, 0.75):.2f} | {ceilings[units]:.2f} "
            f"| {np.median(members['sigma']):.2f} | {tau:.1f} "
            f"| {np.mean(members['self_transition'] < 1 / units):.0%} | "
            + " | ".join(correlations)
            + " |"
        )
    return "\n".join(lines)


def sampling_table(runs: dict[str, list[Run]], sampling: dict[str, dict]) -> str:
    """Sampling of the upper half of the default reading and of RBMs of equal L."""
    first = next(iter(sampling))
    reference = _pooled(runs[first])["log_likelihood"]
    upper = np.flatnonzero(reference >= np.median(reference))
    lines = [
        "| Models | L, median | distance in L | KL of classified digits | time, median "
        "| time without currents | time of the visible chain | effective samples a "
        "double step |",
        "| --- |" + " --- |" * 7,
    ]
    for group, columns in sampling.items():
        likelihood = _pooled(runs[group])["log_likelihood"]
        rows = upper if group == first else match(reference[upper], likelihood)
        distance = np.abs(likelihood[rows] - reference[upper]).mean()
        time = np.median(columns["time"][rows])
        lines.append(
            f"| {group} | {np.median(likelihood[rows]):.2f} | {distance:.2f} "
            f"| {np.median(columns['kl'][rows]):.2g} | {time:.3g} "
            f"| {np.median(columns['time_reversible'][rows]):.3g} "
            f"| {np.median(columns['time_visible'][rows]):.3g} | {1 / time:.3g} |"
        )
    return "\n".join(lines)


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
        axes.axvline(claim.threshold, color="0.4", linewidth=0.8, dashes=(4, 2.5))
        axes.set_title(f"{claim.name} ({'>' if claim.above else '<'})", loc="left")
        if claim.name in ("C5b", "C5c"):
            axes.set_xscale("log")
        axes.set_yticks([])
        axes.set_ylim(-len(judgements) + 0.5, 0.5)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for number, group in enumerate(judgements):
        panels[0].plot([], [], "o", color=GROUP_COLOURS[number % 4], label=group)
    figure.legend(loc="outside lower center", ncols=len(judgements), frameon=False)
    return figure


def _pooled(runs: list[Run]) -> dict[str, np.ndarray]:
    return {k: np.concatenate([run.models[k] for run in runs]) for k in runs[0].models}
