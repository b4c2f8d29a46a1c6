"""All models of a run in one figure: training (Fig. 2) and irreversibility (Fig. 4)."""

from collections.abc import Iterable

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.figures.style import (
    LOG_LIKELIHOOD,
    SIGMA,
    TWO_COLUMNS,
    draw_points,
    fit_limits,
    label_panels,
    mark_beyond,
    mark_diverged,
    sigma_colours,
)
from experiments.runs.directory import Run
from experiments.runs.diverged import diverged_in, sound
from nelc_jax.plot.style import STYLE


@rc_context(STYLE)
def fig2(run: Run) -> Figure:
    """Log-likelihood and entropy production of every model during and after training.

    Panels: (a) L and (b) σ against epoch, one line a model, coloured by its final σ;
    (c) final L against final σ. Panel (a) leaves out the steep beginning. Models that
    went non-finite are grey, up to then.
    """
    figure = Figure(figsize=(TWO_COLUMNS, 2.2), layout="constrained")
    panels = figure.subplots(1, 3)
    label_panels(panels)
    scale, colours = _colours(run)
    lost = diverged_in(run) > 0
    for axes, name, label in (
        (panels[0], "log_likelihood", LOG_LIKELIHOOD),
        (panels[1], "entropy_production_rate", SIGMA),
    ):
        epochs, values = run.over_epochs(name)
        shown = values[~lost]
        if name == "log_likelihood":
            shown = _after_the_beginning(epochs, shown)
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        fit_limits(axes, epochs, shown)
        axes.set_xlim(0, max(2, epochs[-1]))
        _draw_lines(axes, epochs, values, colours)
        # Of many states few epochs are measured: that is no undefined value.
        known = ~np.isnan(values).all(axis=0)
        mark_beyond(
            axes,
            np.tile(epochs[known], (~lost).sum()),
            values[~lost][:, known].ravel(),
            np.repeat(colours[~lost], known.sum(), axis=0),
        )
        # Where the last epoch that they finished left them.
        last = np.maximum(diverged_in(run)[lost] - 1, 1)
        mark_diverged(axes, last, values[lost, last - 1])
    _draw_columns(panels[2], run, "log_likelihood", colours)
    panels[2].set_xlabel(SIGMA)
    panels[2].set_ylabel(LOG_LIKELIHOOD)
    bar = figure.colorbar(scale, ax=panels, aspect=28, pad=0.015)
    bar.set_label(r"final $\sigma$ (nats per double step)")
    bar.outline.set_linewidth(0.6)
    _round_ticks(panels[:2], whole=True)
    _round_ticks([panels[2], bar.ax])
    return figure


@rc_context(STYLE)
def training_figure(run: Run) -> Figure:
    """Log-likelihood of every model during training, where sigma is not known."""
    figure = Figure(figsize=(TWO_COLUMNS / 2, 2.2), layout="constrained")
    axes = figure.subplots()
    epochs, values = run.over_epochs("log_likelihood")
    axes.set_xlabel("epoch")
    axes.set_ylabel(LOG_LIKELIHOOD)
    fit_limits(axes, epochs, _after_the_beginning(epochs, values))
    axes.set_xlim(0, max(2, epochs[-1]))
    last = values[:, -1]
    _draw_lines(axes, epochs, values, sigma_colours(last).to_rgba(last))
    _round_ticks([axes], whole=True)
    return figure


@rc_context(STYLE)
def fig4(run: Run) -> Figure:
    """What goes with entropy production: log-linear panels against the final σ.

    Panels: KL divergence of the classes, where it is known of some model
    (`undrawn_kl`), relaxation time τ, and mean self-transition, with its value 1/S for
    jumps to a random state.
    """
    random_value = 1 / run.arrays["latent_kernel"].shape[-1]
    shown = [
        ("relaxation_time", r"$\tau$ (double steps)", ()),
        (
            "mean_self_transition",
            r"mean self-transition $\langle M_{zz}\rangle$",
            (random_value,),
        ),
    ]
    if undrawn_kl(run) is None:
        shown.insert(0, ("kl_divergence", "KL divergence (nats)", ()))
    figure = Figure(figsize=(TWO_COLUMNS * len(shown) / 3, 2.2), layout="constrained")
    panels = figure.subplots(1, len(shown))
    label_panels(panels)
    _, colours = _colours(run)
    for axes, (name, label, include) in zip(panels, shown, strict=True):
        axes.set_yscale("log")
        axes.set_xlabel(SIGMA)
        axes.set_ylabel(label)
        _draw_columns(axes, run, name, colours, include)
    panels[-1].axhline(random_value, color="0.25", linewidth=0.8, dashes=(4, 2.5))
    panels[-1].annotate(
        "$1/S$",
        (1, random_value),
        (-3, -2.5),
        xycoords=panels[-1].get_yaxis_transform(),
        textcoords="offset points",
        ha="right",
        va="top",
    )
    _round_ticks(panels)
    return figure


def undrawn_kl(run: Run) -> str | None:
    """Why no model has a finite KL divergence of classes, in words; None if one has."""
    if "kl_divergence" not in run.models:
        return "the data have no labels"
    if np.isfinite(column(sound(run), "kl_divergence")).any():
        return None
    classes = len(run.config.get("class_names", ()))
    states = run.arrays["latent_kernel"].shape[-1]
    if classes > states:
        return (
            f"the data have {classes} classes and the models {states} latent states, "
            "each of one class, so that it is infinite"
        )
    return "every model leaves out a class of the data, so that it is infinite"


def column(run: Run, name: str) -> np.ndarray:
    """A column of `models.csv` as floats, undefined where the run does not have it."""
    unknown = np.full(len(run.models["model"]), np.nan)
    return run.models.get(name, unknown).astype(float)


def _draw_columns(
    axes: Axes,
    run: Run,
    name: str,
    colours: np.ndarray,
    include: tuple[float, ...] = (),
) -> None:
    kept, lost = sound(run), diverged_in(run) > 0
    x, y = column(kept, "entropy_production_rate"), column(kept, name)
    fit_limits(axes, x, np.append(y, include))
    draw_points(
        axes,
        x,
        y,
        colours[~lost],
        kept.models.get("entropy_production_rate_error"),
        kept.models.get(f"{name}_error"),
    )
    x, y = column(run, "entropy_production_rate"), column(run, name)
    mark_diverged(axes, x[lost], y[lost])


def _colours(run: Run) -> tuple[ScalarMappable, np.ndarray]:
    """The scale of the final σ, and a colour a model, grey where it diverged."""
    sigma = column(run, "entropy_production_rate")
    sigma[diverged_in(run) > 0] = np.nan
    scale = sigma_colours(sigma)
    return scale, scale.to_rgba(sigma)


def _round_ticks(panels: Iterable[Axes], whole: bool = False) -> None:
    """Ticks of linear axes at multiples of 1, 2 or 5; x only at whole numbers."""
    for axes in panels:
        for axis in (axes.xaxis, axes.yaxis):
            locator = axis.get_major_locator()
            if isinstance(locator, MaxNLocator):
                integer = whole and axis is axes.xaxis
                locator.set_params(steps=[1, 2, 5, 10], integer=integer, min_n_ticks=3)


def _after_the_beginning(epochs: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The range from half a span below the second half of training to the maximum."""
    late = values[:, epochs > 0.5 * epochs[-1]]
    late = late[np.isfinite(late)]
    if not late.size:
        return values
    low, high = np.quantile(late, 0.01), values[np.isfinite(values)].max()
    return np.array([low - 0.5 * (high - low), high])


def _draw_lines(
    axes: Axes, epochs: np.ndarray, values: np.ndarray, colours: np.ndarray
) -> None:
    for y, colour in zip(values, colours, strict=True):
        # A line joins the epochs that were measured.
        known = ~np.isnan(y)
        axes.plot(
            epochs[known],
            np.where(np.isfinite(y), y, np.nan)[known],
            color=colour,
            linewidth=0.7 if len(values) <= 100 else 0.4,
            marker="o" if known.sum() == 1 else "",
            markersize=3,
        )
