"""A verdict: its ensembles, what the claims and tables make of them, and the page."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict

import numpy as np

from experiments.figures import save_figure
from experiments.report.tables import in_words
from experiments.runs import directory as run_directory
from experiments.runs.directory import Run
from experiments.runs.diverged import sound_ensembles
from experiments.runs.files import write_text
from experiments.training.ceiling import ceiling
from experiments.training.equilibrium import rbms
from experiments.training.measure import history_batches
from experiments.training.settings import Settings
from experiments.training.study import Study
from experiments.verdict import page
from experiments.verdict.claims import members_of
from experiments.verdict.judgements import judge_all
from experiments.verdict.sampling import measure_sampling, train_classifier
from experiments.verdict.variants import readings, sensitivities

PAGE = "verdict.md"
"""The file of the tables."""

RESULTS = [PAGE, *run_directory.figure_files(("clusters", "claims"))]


def judge_findings(
    study: Study, base: Settings, seeds: Iterable[int], sensitivity: bool
) -> None:
    """Train all ensembles and write `verdict.md` with its figures.

    **Arguments:** `base`, the settings that all share; `seeds` of the readings and the
    RBMs; `sensitivity`, whether ensembles with other settings are trained as well.
    """
    seeds = list(seeds)
    of_readings, of_rbms = readings(base, seeds), rbms(base, seeds)
    others = sensitivities(base, seeds[0]) if sensitivity else []
    variants = of_readings + of_rbms + others
    runs, left_out = sound_ensembles(study.run(variants))

    reading_names = list(dict.fromkeys(v.group for v in of_readings))
    latents = {v.group: v.settings.latent_space() for v in of_rbms}
    judgements = {
        name: judge_all([members_of(run) for run in runs[name]])
        for name in reading_names
    }
    figures = study.out / run_directory.FIGURES
    for name, figure in (
        ("clusters", page.clusters_figure({k: runs[k] for k in reading_names})),
        ("claims", page.claims_figure(judgements)),
    ):
        save_figure(figures, name, name.capitalize(), "", figure)
    all_units = {base.units, *(v.settings.units for v in variants)}
    ceilings = {units: ceiling(study.train, units) for units in sorted(all_units)}
    shown = {name: runs[name] for name in (*reading_names, *latents)}
    seconds = sum(
        run.config["seconds"]["training"] for found in runs.values() for run in found
    )
    sections = [
        "# Verdict: tables",
        f"Data: {study.train.name}, {len(study.train.x)} points to train on, "
        f"{len(study.held_out.x)} held out. {len(variants)} ensembles of "
        f"{base.models}, {seconds / 60:.0f} minutes of training. Settings that all "
        f"share: {in_words(asdict(base))}.",
        *left_out,
        "## Claims",
        page.claims_list(),
        page.claims_table(judgements),
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
        compared = {n: runs[n] for n in (reading_names[0], *(v.group for v in others))}
        sections += ["## Sensitivity", page.sensitivity_table(compared, ceilings)]
    if study.train.labels is not None:
        sampled = {name: runs[name] for name in (reading_names[0], *latents)}
        sections += ["## Does a cycle help?", *_sampling(study, sampled)]
    write_text(study.out / PAGE, "\n\n".join(sections) + "\n")


def _sampling(study: Study, runs: Mapping[str, list[Run]]) -> list[str]:
    classifier, accuracy = train_classifier(study.train, study.held_out)
    sampling = {}
    for name, found in runs.items():
        columns = [measure_sampling(run, classifier, study.train) for run in found]
        sampling[name] = {
            k: np.concatenate([c[k] for c in columns]) for k in columns[0]
        }
    return [
        f"Classifier: {accuracy:.1%} right on held-out data.",
        page.sampling_table(dict(runs), sampling),
    ]
