"""Small runs with made-up numbers, for the tests of figures and report."""

from dataclasses import replace

import numpy as np

from experiments.runs.directory import Run
from nelc_jax import Binary, OneHot


def synthetic_run(
    *,
    models: int = 5,
    latent: str = "onehot",
    units: int = 3,
    image_shape: tuple[int, int] | None = (4, 4),
    num_visible: int = 16,
    epochs: int = 6,
) -> Run:
    """A run as training writes it, with history rows in the order of the epochs."""
    rng = np.random.default_rng(0)
    binary = latent == "binary"
    states = 2**units if binary else units

    def weights(*shape: int) -> np.ndarray:
        return rng.normal(0, 3, (models, *shape)).astype(np.float32)

    kernel = rng.dirichlet(np.full(states, 0.5), (models, states))
    occupancy = np.linalg.matrix_power(kernel, 4096)[:, 0]
    number = np.arange(models)
    sigma = rng.uniform(1, 9, models)
    log_likelihood = -8 + 0.1 * sigma + rng.normal(0, 0.1, models)
    epoch = np.repeat(np.arange(1, epochs + 1), models)
    owner = np.tile(number, epochs)
    return Run(
        config={
            "dataset": "stripes",
            "seed": 3,
            "models": models,
            "epochs": epochs,
            "latent": latent,
            "units": units,
            "normalization": "sigmoid",
            "image_shape": None if image_shape is None else list(image_shape),
            "data_dir": None,
            "class_names": ["0", "1"],
            "seconds": {"training": 1.25},
        },
        history={
            "epoch": epoch,
            "model": owner,
            "log_likelihood": log_likelihood[owner] - 200 * np.exp(-3.0 * epoch),
            "entropy_production_rate": sigma[owner] * (1 - np.exp(-epoch)),
        },
        models={
            "model": number,
            "log_likelihood": log_likelihood,
            "entropy_production_rate": sigma,
            "relaxation_time": np.exp(sigma / 3),
            "mean_self_transition": kernel.trace(axis1=1, axis2=2) / states,
            "kl_divergence": np.exp(-sigma),
            "min_occupancy": occupancy.min(axis=1),
            "one_way_pairs": number % 3,
        },
        arrays={
            "w": weights(num_visible, units),
            "a": weights(num_visible) * binary,
            "w_bar": weights(units, num_visible),
            "a_bar": weights(units),
            "x_mean": rng.random((models, num_visible)).astype(np.float32),
            "x": rng.random((models, num_visible)) < 0.5,
            "latent_kernel": kernel.astype(np.float32),
            "log_latent_kernel": np.log(kernel).astype(np.float32),
            "occupancy": occupancy.astype(np.float32),
        },
        latent=Binary(units) if binary else OneHot(units),
    )


def sampled_run() -> Run:
    """A run whose latent states are too many for tables: likelihoods alone."""
    run = synthetic_run(latent="binary", units=4)
    tables = ("latent_kernel", "log_latent_kernel", "occupancy")
    history = ("epoch", "model", "log_likelihood")
    return replace(
        run,
        history={name: run.history[name] for name in history},
        models={name: run.models[name] for name in ("model", "log_likelihood")},
        arrays={name: a for name, a in run.arrays.items() if name not in tables},
        latent=Binary(4, enumerate_up_to=1),
    )
