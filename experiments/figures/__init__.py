"""The paper's figures from a run: `save_figures` writes all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from experiments.figures.cycle import (
    cycle_alt,
    cycle_caption,
    cycle_figure,
    has_cycle,
)
from experiments.figures.ensemble import fig2, fig4, training_figure, undrawn_kl
from experiments.figures.portrait import (
    MAX_BITS,
    MAX_KERNEL,
    MAX_UNITS,
    NUM_STEPS,
    by_likelihood,
    fig3,
)
from experiments.figures.states import (
    listed_states,
    numbered_by_bits,
    units_are_states,
)
from experiments.runs.directory import Run
from experiments.runs.finished import model_of
from nelc_jax._disk import write_whole
from nelc_jax.plot.style import STYLE

DOTS_PER_INCH = 220


@dataclass(frozen=True)
class SavedFigure:
    """A figure on disk and the words that go with it.

    `alt` describes it to who does not see it, where that is more than the title.
    """

    name: str
    title: str
    caption: str
    png: Path
    pdf: Path
    alt: str = ""


def enumerated(run: Run) -> bool:
    """Whether the run has tables of its latent states; others are sampled."""
    return "latent_kernel" in run.arrays


CYCLE = "cycle_"
"""What the names of figures of a cycle begin with."""


def shows_cycle(figure: SavedFigure) -> bool:
    """Whether it is one of a model's currents, for the top of a report."""
    return figure.name.startswith(CYCLE)


def save_figures(run: Run, directory: Path) -> list[SavedFigure]:
    """Write every figure of a run as `<name>.pdf` and `<name>.png`.

    The same run gives the same bytes. A run of a single model has no `cycle_worst` and
    `fig3_worst`, and one of sampled latent states, or of less than three, no cycles.
    """
    return [save_figure(directory, *parts) for parts in _figures(run)]


def save_figure(
    directory: Path,
    name: str,
    title: str,
    caption: str,
    figure: Figure,
    alt: str = "",
) -> SavedFigure:
    """Write one figure as `<name>.pdf` and `<name>.png`, the same bytes every time."""
    directory.mkdir(parents=True, exist_ok=True)
    png, pdf = directory / f"{name}.png", directory / f"{name}.pdf"
    image, page = BytesIO(), BytesIO()
    with rc_context(STYLE):
        figure.savefig(
            image, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None}
        )
        about = {"CreationDate": None, "Title": title}
        figure.savefig(page, format="pdf", metadata=about)
    write_whole({png: image.getvalue(), pdf: page.getvalue()})
    return SavedFigure(name, title, caption, png, pdf, alt)


def _figures(run: Run) -> Iterator[tuple]:
    """Name, title, caption, figure and, of some, a description of each."""
    if not len(by_likelihood(run)):
        return
    yield from _cycles(run)
    yield from _training(run)
    yield from _portraits(run)
    if enumerated(run):
        yield from _irreversibility(run)


def _training(run: Run) -> Iterator[tuple[str, str, str, Figure]]:
    if not enumerated(run):
        figure = training_figure(run)
        yield (
            "training",
            "Training",
            "Log-likelihood L of the models against the epoch, along a short chain of "
            "each, so that it is below that of the table, along a long one; the steep "
            "beginning is left out." + _about_the_edges(figure),
            figure,
        )
        return
    figure = fig2(run)
    yield (
        "fig2",
        "Training",
        "Training of the models, each with the colour of its final entropy production "
        "rate σ. (a) Log-likelihood L and (b) σ against the epoch; the steep beginning "
        "of (a) is left out. (c) L against σ after the last epoch."
        + _about_the_edges(figure),
        figure,
    )


def _extremes(run: Run) -> list[tuple[int, str, str, str]]:
    """Row, suffix of a name, rank, and title of the best and of the worst model."""
    ranking = by_likelihood(run).tolist()
    count = len(ranking)
    rank = f"best of {count}" if count > 1 else "the only model"
    found = [(ranking[0], "best", rank, "model with the highest log-likelihood")]
    if count > 1:
        rank = f"worst of {count}"
        found.append(
            (ranking[-1], "worst", rank, "model with the lowest log-likelihood")
        )
    return found


def _cycles(run: Run) -> Iterator[tuple[str, str, str, Figure, str]]:
    for row, suffix, rank, title in _extremes(run):
        if has_cycle(run, row):
            figure, graph = cycle_figure(run, row, rank)
            yield (
                f"{CYCLE}{suffix}",
                f"Currents of the {title}",
                cycle_caption(run, row, graph),
                figure,
                cycle_alt(run, row, graph),
            )


def _portraits(run: Run) -> Iterator[tuple[str, str, str, Figure]]:
    for row, suffix, rank, title in _extremes(run):
        figure = fig3(run, row, rank)
        yield f"fig3_{suffix}", f"The {title}", _portrait_caption(run, row), figure


def _irreversibility(run: Run) -> Iterator[tuple[str, str, str, Figure]]:
    figure = fig4(run)
    yield ("fig4", "Irreversibility", _indicators_caption(run, figure), figure)


def _indicators_caption(run: Run, figure: Figure) -> str:
    panels = [
        "relaxation time τ of the latent kernel M",
        "mean self-transition of M, with its value 1/S for jumps to a random latent "
        "state (dashed)",
    ]
    reason = undrawn_kl(run)
    if reason is None:
        panels.insert(
            0,
            "Kullback–Leibler divergence between the classes in the data and in the "
            "model",
        )
    named = "; ".join(
        f"({letter}) {words}" for letter, words in zip("abc", panels, strict=False)
    )
    missing = reason and f" Not shown is the divergence of the classes: {reason}."
    return (
        "Indicators of the models against the entropy production rate σ, with the "
        f"colours of σ in the figure of the training. {named}.{missing or ''}"
        + _about_the_edges(figure)
    )


def _about_the_edges(figure: Figure) -> str:
    counts = ", ".join(axes.get_title(loc="right") for axes in figure.axes)
    crosses = triangles = ""
    if any(word in counts for word in ("infinite", "zero", "undefined")):
        triangles = (
            " Open triangles on the frame stand for values that the axis cannot hold, "
            "counted above the panel; undefined values are counted but not drawn."
        )
    if "diverged" in counts:
        crosses = (
            " Grey crosses: models that went non-finite in training, as they were "
            "before; those beyond the axes stand on the frame."
        )
    return triangles + crosses


def _portrait_caption(run: Run, index: int) -> str:
    states = listed_states(model_of(run, index).latent)
    units = states.shape[1]
    one_each = units_are_states(states)
    top = "occupancy p̄_α" if one_each else "probability ⟨z_α⟩ to be on"
    which = f" (the {MAX_UNITS} most active of {units})" if units > MAX_UNITS else ""
    among = ""
    if len(states) > MAX_KERNEL:
        among = f" among the {MAX_KERNEL} most occupied of {len(states)}"
    kernel = ""
    if enumerated(run):
        kernel = (
            "; right, the latent kernel M from state z′ (row) to state z "
            f"(column){among}"
        )
    images = run.config.get("image_shape") is not None
    drawn = "" if images else ", each a column of stripes with visible unit 0 on top"
    bits = ", written as its bits with unit 0 first"
    if one_each or units > MAX_BITS:
        bits = "" if enumerated(run) else ", too many bits to write"
    bias = " (beside them the visible bias a)" if run.arrays["a"][index].any() else ""
    numbered = "Units and states are numbered from 0"
    if not enumerated(run):
        numbered = "Units are numbered from 0"
    elif numbered_by_bits(states):
        numbered = (
            "Units are numbered from 0, and a state by its bits as a binary number "
            "with unit 0 lowest"
        )
    return (
        f"Model {run.models['model'][index]}. Above, for each latent unit α{which} the "
        f"{top}, the weights w_α of z → x{bias} and w̄_α of x → z{drawn}, and the "
        f"hidden bias ā_α{kernel}. Below, {NUM_STEPS} double steps of the chain: the "
        f"latent state z(t−1){bits}, the expected visible state ⟨x(t)⟩ that it sets, "
        f"and the state x(t) drawn. {numbered}; the colours of the weights end at the "
        "99th percentile of their size."
    )
