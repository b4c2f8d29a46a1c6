"""Does a cycle help to sample? Trained chains against reversible ones of the same law.

For every model, with a classifier trained on the data: the classes of the digits that
it draws, how slowly their shares average along the latent chain, and how slowly with
the currents taken away (`mixing.reversible_part`: same p_bar, same digits).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from sklearn.linear_model import LogisticRegression

from experiments.data.dataset import Dataset
from experiments.runs.directory import Run
from experiments.runs.finished import models_of
from nelc_jax.chain import sample_chain
from nelc_jax.diagnostics import (
    autocorrelation_time,
    class_kl,
    integrated_time,
    reversible_part,
)
from nelc_jax.model import Model, state_logits

DRAWS = 512
"""Digits drawn from every latent state and classified."""
CHAIN = 8192
"""Double steps of the visible chain whose autocorrelation is measured."""


class Classifier(eqx.Module):
    """Linear scores of the classes, x W + b; the largest is the class."""

    weights: Float[Array, "D K"]
    bias: Float[Array, " K"]


class Sampling(eqx.Module):
    """How one model samples the classes.

    `kl` of the classes of its digits from those of the data, in nats (eq. 22, with the
    classifier in place of latent labels); times in double steps, of the slowest class:
    `time` of the latent chain, `time_reversible` with its currents taken away,
    `time_visible` from the autocorrelation of a chain of digits. A class whose share is
    the same in every latent state has no time; a chain of digits in which some class
    did not turn up, or that never left one, has none either: nan.
    """

    kl: Float[Array, ""]
    time: Float[Array, ""]
    time_reversible: Float[Array, ""]
    time_visible: Float[Array, ""]


def train_classifier(train: Dataset, held_out: Dataset) -> tuple[Classifier, float]:
    """A logistic regression on the data, and its accuracy on the held-out ones."""
    fitted = LogisticRegression(C=0.1, max_iter=300).fit(train.x, train.labels)
    weights, bias = fitted.coef_.T, fitted.intercept_
    if weights.shape[1] == 1:
        # Two classes share one score.
        weights, bias = np.hstack([-weights, weights]) / 2, np.r_[-bias, bias] / 2
    accuracy = fitted.score(held_out.x, held_out.labels)
    classifier = Classifier(
        jnp.asarray(weights, jnp.float32), jnp.asarray(bias, jnp.float32)
    )
    return classifier, float(accuracy)


def measure_sampling(
    run: Run, classifier: Classifier, train: Dataset
) -> dict[str, np.ndarray]:
    """The `Sampling` of every model of a run, as columns."""
    assert train.labels is not None
    kernels, occupancies, ends = (
        jnp.asarray(run.arrays[name]) for name in ("latent_kernel", "occupancy", "x")
    )
    counts = np.bincount(train.labels, minlength=len(train.class_names))
    data_share = jnp.asarray(counts / counts.sum(), jnp.float32)
    keys = jax.random.split(jax.random.key(run.config["seed"]), len(ends))
    members = (models_of(run), keys, kernels, occupancies, ends)
    columns = _measure(members, classifier, data_share)
    return {name: np.asarray(column) for name, column in vars(columns).items()}


@jax.jit
def _measure(members, classifier, data_share):
    def one(member):
        return _measure_one(*member, classifier=classifier, data_share=data_share)

    return jax.lax.map(one, members)


def _measure_one(
    model: Model,
    key: Key[Array, ""],
    M: Float[Array, "S S"],
    p_bar: Float[Array, " S"],
    start,
    classifier: Classifier,
    data_share: Float[Array, " K"],
) -> Sampling:
    draw_key, chain_key = jax.random.split(key)
    mean = jax.nn.sigmoid(state_logits(model))
    num_classes = len(data_share)

    def shares(key, mean):
        x = jax.random.bernoulli(key, jnp.broadcast_to(mean, (DRAWS, len(mean))))
        found = jnp.argmax(_scores(classifier, x), axis=-1)
        return jnp.mean(jax.nn.one_hot(found, num_classes), axis=0)

    state_shares = jax.lax.map(
        lambda pair: shares(*pair), (jax.random.split(draw_key, len(mean)), mean)
    )
    reversible = reversible_part(M, p_bar)

    def slowest(kernel):
        times = jax.vmap(lambda f: integrated_time(kernel, p_bar, f))(state_shares.T)
        return jnp.nanmax(times)

    _, trajectory = sample_chain(model, chain_key, start, CHAIN)
    series = jax.nn.one_hot(
        jnp.argmax(_scores(classifier, trajectory.x), axis=-1), num_classes
    )
    return Sampling(
        kl=class_kl(data_share, p_bar @ state_shares),
        time=slowest(M),
        time_reversible=slowest(reversible),
        time_visible=jnp.max(jax.vmap(autocorrelation_time)(series.T)),
    )


def _scores(classifier: Classifier, x: Array) -> Float[Array, "n K"]:
    scores = x.astype(jnp.float32) @ classifier.weights
    return scores + classifier.bias[None]


def match(values: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """For each value the index of the nearest candidate."""
    return np.abs(values[:, None] - candidates[None]).argmin(axis=1)
