"""Digits in a latent line or plane: does the chain circulate? (docs/continuous.md)

Models with one or two normal latent variables learn the digits 0, 1 and 2. Their
likelihood is a quadrature over z, their irreversibility the force times the flux, and
the plane of the best one is drawn with its probability current.

    python -m examples.latent_plane plane.pdf
"""

import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm
from jaxtyping import Array, Float, Key, Shaped
from matplotlib import rc_context
from matplotlib.figure import Figure

from experiments.data.datasets import load_dataset
from nelc_jax import (
    Cycles,
    Gaussian,
    Model,
    Trajectory,
    TrajectoryGradient,
    ensemble,
    sample_chain,
    set_learning_rate,
)
from nelc_jax.diagnostics import force_times_flux
from nelc_jax.model import backward_field, forward_log_prob
from nelc_jax.plot.style import STYLE

NUM_STEPS = 2**15
"""Double steps of the chains that are measured."""

NODES = {1: 1024, 2: 128}
"""Nodes of the quadrature along each axis of z, by the number of axes."""


@partial(jax.jit, static_argnums=(2, 3, 4))
def trained(
    key: Key[Array, ""],
    x: Shaped[Array, "N D"],
    num_units: int,
    num_models: int = 6,
    num_steps: int = 1200,
) -> Model:
    """Models of the digits, by the two-step rule: three rates, `num_steps` at each.

    A tenth of the paper's rate at first: at 0.1 the field h outgrows its unit noise.
    """
    rule = Cycles(Gaussian(num_units), TrajectoryGradient(score="exact"))

    def train(states, rate):
        states = set_learning_rate(states, rate)
        return ensemble.train(rule, states, x, jnp.full(num_steps, 128))[0], None

    states = ensemble.init(rule, key, jnp.arange(num_models), x)
    states, _ = jax.lax.scan(train, states, jnp.array([0.01, 0.003, 0.001]))
    return states.model


def trajectory(model: Model, key: Key[Array, ""]) -> Trajectory:
    """`NUM_STEPS` double steps of the chain, after 1000 that are left out."""
    end, _ = sample_chain(model, key, model.x_mean > 0.5, 1000)
    return sample_chain(model, jax.random.fold_in(key, 1), end, NUM_STEPS)[1]


def density(
    h: Float[Array, "T L"], nodes: int
) -> tuple[Float[Array, "L n"], Float[Array, "..."]]:
    """The axes of a grid in z, and p_bar there: the mean of N(z; h(t), 1)."""
    low, high = jnp.min(h, axis=0) - 4, jnp.max(h, axis=0) + 4
    axes = jnp.linspace(low, high, nodes, axis=1)
    # (n, T) for each axis: the density of a row is the product of those of its parts.
    parts = zip(axes, h.T, strict=True)
    first, *rest = (norm.pdf(axis[:, None] - part[None]) for axis, part in parts)
    return axes, first @ rest[0].T / len(h) if rest else jnp.mean(first, axis=1)


@partial(jax.jit, static_argnums=3)
def log_likelihood(
    model: Model, key: Key[Array, ""], x: Shaped[Array, "N D"], nodes: int
) -> Float[Array, ""]:
    """The mean of ln p(x) in nats, by the trapezoidal rule over one or two axes."""
    axes, p_bar = density(trajectory(model, key).h, nodes)
    z = jnp.stack(jnp.meshgrid(*axes, indexing="ij"), axis=-1).reshape(p_bar.size, -1)
    weights = p_bar.ravel() * jnp.prod(axes[:, 1] - axes[:, 0])
    # In turn over rows of the grid: its images by all points would be 100 MB and more.
    rows = z.reshape(-1, min(nodes, 256), z.shape[-1])
    log_A = jax.lax.map(lambda z: forward_log_prob(model, z, x), rows)
    log_A = jnp.moveaxis(log_A, 1, 0).reshape(len(x), -1)
    return jnp.mean(jax.nn.logsumexp(jnp.log(weights)[None] + log_A, axis=1))


@jax.jit
def turning(model: Model, key: Key[Array, ""]) -> Float[Array, "2"]:
    """<z x z'> / <|z|^2> about the mean of z in the plane, and its standard error.

    The sine of the angle of a double step, were it a rigid rotation; zero for a
    reversible chain. Its sign is that of the coordinates.
    """
    z = trajectory(model, key).z
    z = z - jnp.mean(z, axis=0)[None]
    cross = (z[:-1, 0] * z[1:, 1] - z[:-1, 1] * z[1:, 0]) / jnp.mean(jnp.sum(z**2, 1))
    parts = cross[: len(cross) // 32 * 32].reshape(32, -1).mean(axis=1)
    return jnp.stack([jnp.mean(cross), jnp.std(parts, ddof=1) / 32**0.5])


def current(
    z: np.ndarray, edges: list[np.ndarray], points: int = 16
) -> list[np.ndarray]:
    """The probability current in each bin, in units of z per double step and area.

    A jump is taken to run along the straight line, which makes the current one without
    sources, zero for a reversible chain.
    """
    step = np.diff(z, axis=0)
    area = np.diff(edges[0])[0] * np.diff(edges[1])[0]
    total = [np.zeros((len(edges[0]) - 1, len(edges[1]) - 1)) for _ in range(2)]
    for part in (np.arange(points) + 0.5) / points:
        at = z[:-1] + part * step
        for axis in range(2):
            share = step[:, axis] / (len(step) * points * area)
            total[axis] += np.histogram2d(*at.T, bins=edges, weights=share)[0]
    return total


def draw_plane(
    path: Path, model: Model, key: Key[Array, ""], x: Array, labels: np.ndarray
) -> None:
    """The plane of a model: p_bar, the fields h of the data, and the current.

    Rotations of the plane mean nothing: the axes are the principal ones of p_bar.
    """
    seen = trajectory(model, key)
    _, directions = np.linalg.eigh(np.cov(np.asarray(seen.z, float).T))
    turn = jnp.asarray(directions[:, ::-1])
    axes, p_bar = (np.asarray(array) for array in density(seen.h @ turn, 256))
    h, z = (np.asarray(each @ turn) for each in (backward_field(model, x), seen.z))
    edges = [np.arange(np.floor(axis[0]), axis[-1] + 1, 2.0) for axis in axes]
    flow = current(z, edges)
    strength = np.hypot(*flow)
    shown = strength > 0.07 * strength.max()
    middle = np.meshgrid(*((edge[1:] + edge[:-1]) / 2 for edge in edges), indexing="ij")
    with rc_context(STYLE):
        figure = Figure(figsize=(3.35, 1.75), layout="constrained")
        ax = figure.subplots()
        for digit, colour in enumerate(("#88CCEE", "#CC6677", "#DDCC77")):
            at = h[labels == digit].T
            ax.plot(*at, ".", color=colour, ms=1.8, mew=0, label=f"digit {digit}")
        levels = p_bar.max() * np.array([0.01, 0.03, 0.1, 0.3, 0.9])
        ax.contour(*axes, p_bar.T, levels, colors="0.45", linewidths=0.5)
        # The longest arrow is half as long again as a bin.
        longest = strength.max() / (1.5 * np.diff(edges[0])[0])
        arrows = [part[shown] for part in (*middle, *flow)]
        ax.quiver(
            *arrows,
            angles="xy",
            scale_units="xy",
            scale=longest,
            width=0.004,
            headwidth=4.5,
            pivot="middle",
            zorder=3,
        )
        inside = [
            axis[p_bar.max(axis=k) > 0.004 * p_bar.max()]
            for k, axis in ((1, axes[0]), (0, axes[1]))
        ]
        ax.set(xlim=inside[0][[0, -1]], ylim=inside[1][[0, -1]], aspect="equal")
        ax.set(xlabel="$z_1$", ylabel="$z_2$")
        figure.legend(
            loc="outside upper center",
            ncols=3,
            markerscale=5,
            handlelength=0.8,
            handletextpad=0.3,
            frameon=False,
        )
        figure.savefig(path, dpi=300)


def measured(
    models: Model, key: Key[Array, ""], x: Shaped[Array, "N D"], nodes: int
) -> np.ndarray:
    """ln p, sigma_xz and its error of each model, a row a model."""

    def one(member):
        model, key = member
        sigma = force_times_flux(model, key, model.x_mean > 0.5, NUM_STEPS)
        reached = log_likelihood(model, key, x, nodes)
        return jnp.stack([reached, sigma.value, sigma.error])

    keys = jax.random.split(key, len(models.parameters.a))
    return np.asarray(jax.lax.map(one, (models, keys)))


def main(path: Path | None) -> None:
    """Print what the models reach, and draw the best plane."""
    data = load_dataset("mnist5k")
    x, key = jnp.asarray(data.x), jax.random.key(0)
    for num_units, nodes in NODES.items():
        models = trained(jax.random.fold_in(key, num_units), x, num_units)
        found = measured(models, key, x, nodes)
        for log_p, sigma, error in found[np.argsort(-found[:, 0])]:
            print(f"L = {num_units}: {log_p:.2f} nats, {sigma:.0f} +- {error:.0f}")
        if num_units == 2:
            turned = jax.lax.map(lambda model: turning(model, key), models)
            print("turning", *(f"{t:.3f} +- {error:.3f};" for t, error in turned))
            first = int(np.argmax(found[:, 0]))
            best = jax.tree.map(lambda array, k=first: array[k], models)
            if path is not None:
                draw_plane(path, best, key, x, np.asarray(data.labels))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
