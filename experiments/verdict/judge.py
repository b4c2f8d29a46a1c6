"""A verdict: its ensembles, what is made of them, and the page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

import numpy as np

from experiments.figures import save_figure
from experiments.report.document import Document
from experiments.report.tables import in_words
from experiments.runs import directory as run_directory
from experiments.runs.directory import Run
from experiments.runs.diverged import sound_ensembles
from experiments.training.ceiling import ceiling
from experiments.training.equilibrium import rbms
from experiments.training.measure import history_batches
from experiments.training.settings import Settings
from experiments.training.study import Study
from experiments.verdict import clusters, page
from experiments.verdict.correlations import correlations_table
from experiments.verdict.figure import clusters_figure
from experiments.verdict.judgements import (
    claims_list,
    claims_table,
    judge_all,
    summary,
)
from experiments.verdict.members import Members, members_of, pooled, rows
from experiments.verdict.sampling import (
    measure_sampling,
    sampling_table,
    train_classifier,
)
from experiments.verdict.variants import readings, sensitivities

PAGE = "verdict.md"
"""The file of the tables."""

ABOUT_CLUSTERS = (
    "Models of the paper's reading: (a) log-likelihood L and (b) evenness of the "
    "occupancy against the entropy production rate σ, marked by how many latent states "
    "draw each class."
)
"""The caption of the figure."""

PAPER = "sigmoid-paper"
"""The paper's own reading."""

RESULTS = [PAGE, run_directory.REPORT, *run_directory.figure_files(["clusters"])]


def judge_findings(
    study: Study,
    base: Settings,
    paper_seeds: Iterable[int],
    other_seeds: Iterable[int],
    sensitivity: bool,
) -> None:
    """Train all ensembles and write `verdict.md` with its figure.

    **Arguments:** `base`, the settings that all share; `paper_seeds` of the paper's
    reading; `other_seeds` of the other readings and the RBMs; `sensitivity`, whether
    ensembles with other settings are trained as well.
    """
    other_seeds = list(other_seeds)
    of_readings = readings(base, paper_seeds, other_seeds)
    of_rbms = rbms(base, other_seeds)
    others = sensitivities(base, other_seeds[0]) if sensitivity else []
    variants = of_readings + of_rbms + others
    runs, left_out = sound_ensembles(study.run(variants))

    reading_names = list(dict.fromkeys(v.group for v in of_readings))
    latents = {v.group: v.settings.latent_space() for v in of_rbms}
    members = {
        name: [
            members_of(run) | clusters.optima_of(run, study.train) for run in runs[name]
        ]
        for name in reading_names
    }
    of_paper = pooled(members[PAPER])
    figure = clusters_figure(of_paper)
    save_figure(
        study.out / run_directory.FIGURES, "clusters", "Clusters of models", "", figure
    )
    all_units = {base.units, *(v.settings.units for v in variants)}
    ceilings = {units: ceiling(study.train, units) for units in sorted(all_units)}
    shown = {name: runs[name] for name in (*reading_names, *latents)}
    other_units = {
        v.group: pooled([members_of(run) for run in runs[v.group]])
        for v in others
        if v.settings.units != base.units
    }
    seconds = sum(
        run.config["seconds"]["training"] for found in runs.values() for run in found
    )
    judged = {name: judge_all(found) for name, found in members.items()}
    sections = [
        f"Data: {study.train.name}, {len(study.train.x)} points to train on, "
        f"{len(study.held_out.x)} held out. {len(variants)} ensembles of "
        f"{base.models}, {seconds / 60:.0f} minutes of training. Settings that all "
        f"share: {in_words(asdict(base))}.",
        *left_out,
        "## Findings",
        claims_list(),
        claims_table(judged),
        "## Clusters",
        *_clusters(members, of_paper, study.train.class_names),
        f"![{ABOUT_CLUSTERS}](figures/clusters.png)",
        "## What sigma goes with",
        _correlations(of_paper, other_units),
        "## Likelihoods",
        page.likelihood_table(shown, ceilings[base.units]),
        "## Estimators of sigma",
        page.estimators_table(shown),
        page.equilibrium_table(
            {name: runs[name] for name in latents},
            {name: history_batches(latent) for name, latent in latents.items()},
        ),
    ]
    if others:
        compared = {n: runs[n] for n in (PAPER, *(v.group for v in others))}
        sections += ["## Sensitivity", page.sensitivity_table(compared, ceilings)]
    if study.train.labels is not None:
        sampled = {name: runs[name] for name in (PAPER, *latents)}
        sections += ["## Does a cycle help?", *_sampling(study, sampled)]
    Document(
        name=PAGE,
        kicker="verdict",
        heading="Which of the paper's findings hold",
        answer=summary(judged[PAPER]),
        sections=sections,
    ).write(study.out)


def _clusters(
    members: Mapping[str, list[Members]], of_paper: Members, names: Sequence[str]
) -> list[str]:
    poor = [
        f"Models that are more than {clusters.STUCK} nats below the best optimum.",
        clusters.homogeneity_table(members),
    ]
    if "pattern" not in of_paper:
        return ["The data have no labels: optima cannot be named.", *poor]
    return [
        f"Optima of the mixture where EM ends from models of {PAPER}, by the number "
        f"of states that draw {', '.join(names)}; medians over models.",
        clusters.patterns_table(of_paper),
        "How many models of each reading end there.",
        clusters.frequencies_table({n: pooled(found) for n, found in members.items()}),
        *poor,
    ]


def _correlations(of_paper: Members, others: Mapping[str, Members]) -> str:
    groups = {PAPER: of_paper}
    if "pattern" in of_paper:
        best = clusters.best_pattern(of_paper)
        inside = rows(of_paper, of_paper["pattern"] == best)
        groups[f"{best} among them"] = inside
    return correlations_table({**groups, **others})


def _sampling(study: Study, runs: Mapping[str, list[Run]]) -> list[str]:
    classifier, accuracy = train_classifier(study.train, study.held_out)
    sampling = {
        name: pooled([measure_sampling(run, classifier, study.train) for run in found])
        for name, found in runs.items()
    }
    likelihoods = {
        name: np.concatenate([run.models["log_likelihood"] for run in found])
        for name, found in runs.items()
    }
    return [
        f"Classifier: {accuracy:.1%} right on held-out data.",
        sampling_table(likelihoods, sampling),
    ]
