"""One model in one figure: weights, latent kernel and some of its chain (Fig. 3)."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray
from matplotlib import rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from experiments.figures.page import Cell, Page, fit_cell
from experiments.figures.states import listed_states, most, units_are_states
from experiments.figures.style import TWO_COLUMNS
from experiments.runs.directory import Run
from experiments.runs.diverged import diverged_in
from experiments.runs.finished import model_of
from nelc_jax.chain import sample_chain
from nelc_jax.model import Model, forward_logits
from nelc_jax.plot import kernel_map
from nelc_jax.plot.kernel import MAX_ANNOTATED
from nelc_jax.plot.style import FRAME, STYLE

NUM_STEPS = 12
"""Double steps of the chain that are shown."""

ACTIVATION_STEPS = 1000
"""Double steps of the chain for the activation of units whose p_bar is not known."""

MAX_UNITS = 18
"""Of more latent units, those most often on are shown."""

MAX_KERNEL = 64
"""Of larger kernels, the part of the states most often visited is shown."""

MAX_BITS = 10
"""Of more latent units, a state is written as its number and not as its bits."""

# Inches.
LEFT, RIGHT, GAP = 0.46, 0.06, 0.04
TITLE, LINE, BIASES, BLOCK_GAP = 0.24, 0.15, 0.36, 0.14
SCALES, KERNEL_LABELS = 0.42, 0.42


@rc_context(STYLE)
def fig3(run: Run, index: int, rank: str) -> Figure:
    """Portrait of one model: w, w_bar, a_bar, the latent kernel M, and its chain.

    Without M where latent states are sampled.

    A visible vector is drawn as an image of the run's `image_shape`, or as a column of
    stripes, unit 0 on top, when the data are no images.

    **Arguments:** `run`; `index`, the row of the model in `models.csv`; `rank`, words
    for the title such as "best of 36".
    """
    model = model_of(run, index)
    # The probability that each latent unit is on.
    if model.latent.enumerable:
        occupancy = run.arrays["occupancy"][index]
        activation = occupancy @ listed_states(model.latent)
        visited = most(occupancy, MAX_KERNEL)
        kernel = run.arrays["latent_kernel"][index][np.ix_(visited, visited)]
    else:
        activation = np.asarray(_activation(model, jnp.asarray(run.arrays["x"][index])))
        visited, kernel = np.zeros(0, int), np.zeros((0, 0))
    units = most(activation, MAX_UNITS)
    image_shape = run.config.get("image_shape")
    annotated = len(kernel) <= MAX_ANNOTATED
    visible_bias = bool(np.any(np.asarray(model.parameters.a)))

    # As equal rows as 6 columns allow.
    columns = -(-len(units) // -(-len(units) // 6))
    side = min(1.72, max(1.0, 0.5 * len(kernel))) if annotated else 1.45
    beside = SCALES + KERNEL_LABELS + side + (0 if annotated else SCALES)
    if not len(kernel):
        side, beside = 0.0, SCALES
    slots = columns + visible_bias
    free = TWO_COLUMNS - LEFT - RIGHT - beside - (slots - 1) * GAP
    cell = fit_cell(image_shape, model.num_visible, min(free / slots, 0.66))
    free = TWO_COLUMNS - LEFT - RIGHT - (NUM_STEPS - 1) * GAP
    frame = fit_cell(image_shape, model.num_visible, free / NUM_STEPS)

    chunks = [units[i : i + columns] for i in range(0, len(units), columns)]
    pitch = 2 * LINE + 2 * (cell.height + GAP) + BIASES + GAP
    top_block = max(len(chunks) * pitch - GAP, side + 2.6 * LINE)
    chain_block = 2 * LINE + 2 * frame.height + GAP
    page = Page(TITLE + top_block + BLOCK_GAP + chain_block + 0.06)

    page.text(0.06, 0.03, heading(run, index, rank), ha="left", va="top")
    for number, chunk in enumerate(chunks):
        bias = visible_bias and number == 0
        y = TITLE + number * pitch
        _draw_units(page, y, model, activation, chunk, cell, bias)
    if len(kernel):
        _draw_kernel(page, TITLE + LINE, side, kernel, visited)
    _draw_chain(page, TITLE + top_block + BLOCK_GAP, run, index, model, frame)
    return page.figure


def by_likelihood(run: Run) -> np.ndarray:
    """Rows of `models.csv` from the best to the worst final log-likelihood.

    Without the models that went non-finite in training.
    """
    values = run.models["log_likelihood"].astype(float)
    order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")
    return order[diverged_in(run)[order] == 0]


def _draw_units(
    page: Page,
    y: float,
    model: Model,
    activation: np.ndarray,
    units: np.ndarray,
    cell: Cell,
    with_bias: bool,
) -> None:
    """One block of w, w_bar and a_bar, a column a unit, and a beside w if asked for."""
    p = jax.tree.map(np.asarray, model.parameters)
    pitch = cell.width + GAP
    top = r"$\langle z_\alpha\rangle$"
    if units_are_states(listed_states(model.latent)):
        top = r"$\bar p_\alpha$"
    headings = [f"{activation[unit]:.3f}" for unit in units]
    images = [p.w[:, unit] for unit in units]
    if with_bias:
        # On the scale of w, to which it is added.
        headings.append("$a$")
        images.append(p.a)
    width = len(images) * pitch - GAP
    page.row_label(LEFT, y + LINE / 2, top)
    for slot, heading in enumerate(headings):
        page.text(LEFT + slot * pitch + cell.width / 2, y + LINE / 2, heading)
    y += LINE
    for label, limit, row in (
        (r"$w_\alpha$", _robust(np.append(p.w, p.a)), images),
        (r"$\bar w_\alpha$", _robust(p.w_bar), [p.w_bar[unit] for unit in units]),
    ):
        page.row_label(LEFT, y + cell.height / 2, label)
        colours = {"norm": Normalize(-limit, limit), "cmap": "RdBu_r"}
        for slot, values in enumerate(row):
            page.image(LEFT + slot * pitch, y, cell, values, **colours)
        page.colour_bar(LEFT + width + 0.06, y, cell.height, ScalarMappable(**colours))
        y += cell.height + GAP
    _draw_biases(page, y, p.a_bar, units, cell)


def _draw_biases(
    page: Page, y: float, a_bar: np.ndarray, units: np.ndarray, cell: Cell
) -> None:
    """Bars of a_bar, each below the weights of its unit."""
    pitch = cell.width + GAP
    width = len(units) * pitch - GAP
    page.row_label(LEFT, y + BIASES / 2, r"$\bar a_\alpha$")
    axes = page.axes(LEFT, y, width, BIASES)
    centres = np.arange(len(units)) * pitch + cell.width / 2
    axes.bar(centres, a_bar[units], width=0.45 * cell.width, color="0.35")
    axes.axhline(0, **FRAME)
    held = np.append(a_bar[np.isfinite(a_bar)], 0.0)
    low, high = held.min(), held.max()
    pad = 0.12 * (high - low) or 1.0
    axes.set(xlim=(0, width), ylim=(low - pad, high + pad))
    axes.set_xticks(centres, [str(unit) for unit in units])
    axes.tick_params(axis="x", length=0, pad=2)
    axes.yaxis.tick_right()
    axes.tick_params(axis="y", labelsize=7, direction="out", size=2, pad=1.5)
    axes.locator_params(axis="y", nbins=3)
    axes.spines[:].set(**FRAME)
    page.row_label(LEFT, y + BIASES + 0.08, r"$\alpha$")


def _draw_kernel(
    page: Page, y: float, side: float, kernel: np.ndarray, states: np.ndarray
) -> None:
    """M at the right margin, with a scale where its values are not written."""
    annotated = len(kernel) <= MAX_ANNOTATED
    x = TWO_COLUMNS - RIGHT - side - (0 if annotated else SCALES)
    drawn = kernel_map(page.axes(x, y, side, side), kernel, states)
    if not annotated:
        page.colour_bar(x + side + 0.06, y, side, drawn)


def _draw_chain(
    page: Page, y: float, run: Run, index: int, model: Model, cell: Cell
) -> None:
    """Expected and sampled visible states of successive double steps."""
    key = jax.random.key(run.config["seed"])
    key = jax.random.fold_in(key, int(run.models["model"][index]))
    start = jnp.asarray(run.arrays["x"][index])
    states, expected, drawn = map(np.asarray, _chain(model, key, start))
    page.row_label(LEFT, y + LINE / 2, "$z(t{-}1)$")
    page.row_label(LEFT, y + LINE + cell.height / 2, r"$\langle x(t)\rangle$")
    page.row_label(LEFT, y + LINE + 1.5 * cell.height + GAP, "$x(t)$")
    page.row_label(LEFT, y + 1.5 * LINE + 2 * cell.height + GAP, "$t$")
    for step in range(NUM_STEPS):
        x = LEFT + step * (cell.width + GAP)
        middle = x + cell.width / 2
        page.text(middle, y + LINE / 2, _state_name(model, states[step]))
        for row, values in enumerate((expected[step], drawn[step])):
            top = y + LINE + row * (cell.height + GAP)
            page.image(x, top, cell, values, cmap="Greys", vmin=0, vmax=1)
        bottom = y + 1.5 * LINE + 2 * cell.height + GAP
        page.text(middle, bottom, str(step + 1))


@eqx.filter_jit
def _activation(model: Model, x: Array) -> Array:
    """The share of double steps in which each unit is on."""
    return sample_chain(model, jax.random.key(0), x, ACTIVATION_STEPS)[1].z.mean(axis=0)


@eqx.filter_jit
def _chain(model: Model, key: PRNGKeyArray, x: Array) -> tuple[Array, Array, Array]:
    """z(0) .. z(T - 1), the expected x(1) .. x(T) that they set, and those drawn."""
    last, trajectory = sample_chain(model, key, x, NUM_STEPS)
    expected = jax.nn.sigmoid(forward_logits(model, trajectory.z))
    drawn = jnp.concatenate([trajectory.x[1:], last[None]])
    return trajectory.z, expected, drawn


def _robust(values: np.ndarray) -> float:
    """A limit for colours that a few extreme weights do not set."""
    finite = np.abs(values[np.isfinite(values)])
    return float(np.quantile(finite, 0.99)) or 1.0 if finite.size else 1.0


def _state_name(model: Model, z: np.ndarray) -> str:
    """The state's number if it has one, or its bits, first unit first, if they fit.

    Of continuous states, the one or two numbers that they are.
    """
    if np.issubdtype(z.dtype, np.floating):
        return ", ".join(f"{value:.1f}" for value in z) if len(z) <= 2 else ""
    if not model.latent.enumerable and len(z) > MAX_BITS:
        return ""
    if units_are_states(listed_states(model.latent)) or len(z) > MAX_BITS:
        return str(int(model.latent.index(jnp.asarray(z))))
    return "".join("1" if bit else "0" for bit in z)


def heading(run: Run, index: int, rank: str) -> str:
    """A model, its rank, and its numbers."""
    parts = [
        form.format(_number(float(run.models[name][index]), digits))
        for name, (form, digits) in _TITLE.items()
        if name in run.models
    ]
    return f"Model {run.models['model'][index]}, {rank}:  " + ",  ".join(parts)


_TITLE = {
    "log_likelihood": (r"$\mathcal{{L}}$ = {} nats", ".2f"),
    "entropy_production_rate": (r"$\sigma$ = {} nats per double step", ".2f"),
    "relaxation_time": (r"$\tau$ = {} double steps", ".3g"),
}


def _number(value: float, digits: str) -> str:
    if np.isnan(value):
        return "undefined"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    return format(value, digits).replace("-", "−")
