"""Tables of ensembles: what they reach, and how it was measured."""

import numpy as np
from scipy import stats

from experiments.report.tables import markdown_table
from experiments.runs.directory import Run
from experiments.verdict.correlations import rank_correlation
from experiments.verdict.members import Members, members_of, pooled

SIGMA_COLUMN = "entropy_production_rate"
TINY = float(np.finfo(np.float32).tiny)


def likelihood_table(runs: dict[str, list[Run]], ceiling: float) -> str:
    """Likelihoods in nats a point, training and held-out, and what goes with them."""
    rows = {}
    for group, found in runs.items():
        models = pooled([run.models for run in found])
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
        models = pooled([run.models for run in found])
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
        members = pooled([members_of(run) for run in found])
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


def _rho(members: Members, name: str) -> str:
    """Rank correlation with sigma, empty where the column is not known."""
    if name not in members:
        return ""
    return f"{rank_correlation(name, 'sigma')(members):.2f}"
