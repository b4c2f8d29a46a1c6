"""What the report of each task shows: figures with their captions, and tables."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from experiments.figures import SavedFigure, save_figure
from experiments.oscillators.digits import Digits
from experiments.oscillators.figures import (
    cloud_figure,
    cost_figure,
    field_figure,
    image_figure,
    loss_figure,
    pace_figure,
)
from experiments.oscillators.gaussians import FIELD_TIMES, Gaussians
from experiments.oscillators.report import Page

SHOWN = (
    "data",
    "force matching",
    "observed motion",
    "classic CD1",
    "projection",
    "exact score",
)
"""Whose samples in the plane are drawn, where there are any."""


def gaussians_page(result: Gaussians, directory: Path) -> Page:
    """Draw the figures of the plane to `directory`, and say what the page holds."""
    distances = dict(
        zip(result.rows["method"], result.rows["energy_distance"], strict=True)
    )
    samples = {name: result.samples[name] for name in SHOWN if name in result.samples}
    figures = [
        save_figure(
            directory,
            "field",
            "Forces",
            "The force that undoes the noising (broad arrows) and the one learned by "
            "force matching (thin arrows), at three noising times, over the density of "
            "the noised data (grey). The length of an arrow goes with the square root "
            "of the force.",
            field_figure(result.fields, FIELD_TIMES),
        ),
        save_figure(
            directory,
            "samples",
            "Samples",
            "Data, and what is generated: by networks, by rule; by the exact force "
            "projected onto what a network can exert; and by the exact force itself.",
            cloud_figure(samples),
        ),
        save_figure(
            directory,
            "cost",
            "Cost and quality against duration",
            "(a) Total entropy production of generation by networks at each "
            "duration, and that of generation without error. (b) Work done on the "
            "network and heat given to the bath, mean over samples. (c) Energy "
            "distance of the samples to data. Bars: standard error over members.",
            cost_figure(result.costs, distances.get("projection")),
        ),
        _loss(result.history, {0: "force matching"}, directory),
    ]
    tables = {
        "Comparison: samples against fresh data (mode weight of the data 0.6)": (
            result.rows
        ),
        "Costs: generation at several paces": result.costs,
    }
    return Page("Two gaussians in the plane", figures, tables, result.left_out)


def digits_page(result: Digits, directory: Path, dataset: str, side: int) -> Page:
    """Draw the figures of the images to `directory`, and say what the page holds."""
    # The loss of observed motion is mostly noise, those of other rules are others.
    trained = {
        number: name
        for number, name in enumerate(result.trained)
        if name.startswith(("force matching", "held contrast"))
    }
    figures = [
        save_figure(
            directory,
            "digits",
            "Samples",
            "Held-out data, and samples of each way of generating, as they came.",
            image_figure(result.images, side),
        ),
        save_figure(
            directory,
            "neighbours",
            "Nearest training images",
            "Samples of the first network, and below each the nearest training image.",
            image_figure(result.neighbours, side),
        ),
        save_figure(
            directory,
            "pace",
            "Cost and quality against duration",
            "The first method, the same learned score at other durations. (a) Work and "
            "heat, mean over samples. (b) What the classifier sees. (c) Energy "
            "distance to held-out images.",
            pace_figure(result.costs),
        ),
        save_figure(
            directory,
            "halves",
            "Missing halves",
            "Held-out images; their upper halves, which are held; and what the first "
            "network generates below them, twice.",
            image_figure(result.halves, side),
        ),
        _loss(result.history, trained, directory),
    ]
    shares = ", ".join(f"{share:.3f}" for share in result.shares)
    tables = {
        "Comparison: samples against held-out images (classifier right on "
        f"{result.accuracy:.1%} of all digits; shares in training: {shares})": (
            result.rows
        ),
        f"Costs: {result.trained[0]} at several paces": result.costs,
    }
    tables["Missing halves, by the first method"] = result.completions
    if result.devices:
        tables["Devices with faults that run what was learned without"] = result.devices
    heading = f"Digits 0 to {len(result.shares) - 1} of {dataset}, {side} x {side}"
    return Page(heading, figures, tables, result.left_out)


def _loss(
    history: Mapping[str, np.ndarray], names: Mapping[int, str], directory: Path
) -> SavedFigure:
    return save_figure(
        directory,
        "loss",
        "Training",
        "Loss of force matching a degree of freedom, without unit, in training. (That "
        "of observed motion, not shown, is mostly thermal noise of the displacements.)",
        loss_figure(history, names),
    )
