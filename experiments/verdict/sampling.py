"""Does a cycle help to sample? Trained chains against reversible ones of the same law.

For every model, with a classifier trained on the data: the classes of the digits that
it draws, how slowly their shares average along its chain, and how slowly with the
currents taken away (`mixing.reversible_part`: same p_bar, same digits).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from sklearn.linear_model import LogisticRegression

from experiments.data.dataset import Dataset
from experiments.report.tables import markdown_table
from experiments.runs.directory import Run
from experiments.runs.finished import models_of
from experiments.verdict.members import Members
from nelc_jax.diagnostics import class_kl, reversible_part, visible_time
from nelc_jax.model import Model, backward_log_probs, state_logits

DRAWS = 512
"""Digits drawn from every latent state and classified."""


class Classifier(eqx.Module):
    """Linear scores of the classes, x W + b; the largest is the class."""

    weights: Float[Array, "D K"]
    bias: Float[Array, " K"]


class Sampling(eqx.Module):
    """How one model samples the classes.

    `kl` of the classes of its digits from those of the data, in nats (eq. 22, with the
    classifier in place of latent labels). Integrated times of the share of a class of
    drawn digits, of the slowest class, in double steps: `time` of the chain,
    `time_reversible` with its latent currents taken away, and `time_in_turn` without a
    chain, where each latent state has its turn as often as p_bar says: all that is left
    is the noise of single digits. A class that is never drawn, or always, has no time.
    """

    kl: Float[Array, ""]
    time: Float[Array, ""]
    time_reversible: Float[Array, ""]
    time_in_turn: Float[Array, ""]


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


def measure_sampling(run: Run, classifier: Classifier, train: Dataset) -> Members:
    """The `Sampling` of every model of a run, as columns."""
    kernels, occupancies = run.arrays["latent_kernel"], run.arrays["occupancy"]
    key = jax.random.key(run.config["seed"])
    return sampling_of(models_of(run), key, kernels, occupancies, classifier, train)


def sampling_of(
    models: Model,
    key: jax.Array,
    kernels: np.ndarray,
    occupancies: np.ndarray,
    classifier: Classifier,
    train: Dataset,
) -> Members:
    """The `Sampling` of models with their M and p_bar, all with a leading axis."""
    assert train.labels is not None
    counts = np.bincount(train.labels, minlength=len(train.class_names))
    data_share = jnp.asarray(counts / counts.sum(), jnp.float32)
    keys = jax.random.split(key, len(kernels))
    members = (models, keys, jnp.asarray(kernels), jnp.asarray(occupancies))
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
    classifier: Classifier,
    data_share: Float[Array, " K"],
) -> Sampling:
    pixels = jax.nn.sigmoid(state_logits(model))

    def of_state(state):
        """The mean of each class's indicator, and its covariances with A_bar."""
        key, pixels = state
        x = jax.random.bernoulli(key, jnp.broadcast_to(pixels, (DRAWS, len(pixels))))
        scores = x.astype(jnp.float32) @ classifier.weights + classifier.bias[None]
        found = jax.nn.one_hot(jnp.argmax(scores, axis=-1), len(data_share))
        mean, A_bar = jnp.mean(found, axis=0), jnp.exp(backward_log_probs(model, x))
        centred = found - mean[None]
        return mean, centred.T @ A_bar / (DRAWS - 1)

    keys = jax.random.split(key, len(pixels))
    shares, covariances = jax.lax.map(of_state, (keys, pixels))

    def slowest(kernel, covariances):
        def time(f, covariance):
            return visible_time(kernel, p_bar, f, f * (1 - f), covariance)

        return jnp.nanmax(jax.vmap(time)(shares.T, covariances))

    covariances = jnp.swapaxes(covariances, 0, 1)
    share, noise = p_bar @ shares, p_bar @ (shares * (1 - shares))
    return Sampling(
        kl=class_kl(data_share, share),
        time=slowest(M, covariances),
        # Its next latent state does not depend on the digit drawn.
        time_reversible=slowest(reversible_part(M, p_bar), jnp.zeros_like(covariances)),
        time_in_turn=jnp.nanmax(noise / (share * (1 - share))),
    )


def match(values: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """For each value the index of the nearest candidate."""
    return np.abs(values[:, None] - candidates[None]).argmin(axis=1)


def sampling_table(
    likelihoods: dict[str, np.ndarray], sampling: dict[str, Members]
) -> str:
    """Of the upper half of the first ensembles, and of the others' nearest in L."""
    first = next(iter(sampling))
    reference = likelihoods[first]
    upper = np.flatnonzero(reference >= np.median(reference))
    table = {}
    for group, columns in sampling.items():
        likelihood = likelihoods[group]
        chosen = upper if group == first else match(reference[upper], likelihood)
        distance = np.abs(likelihood[chosen] - reference[upper]).mean()
        median = {k: np.nanmedian(column[chosen]) for k, column in columns.items()}
        table[group] = {
            "L, median": f"{np.median(likelihood[chosen]):.2f}",
            "distance in L": f"{distance:.2f}",
            "KL of classified digits": f"{median['kl']:.2g}",
            "time": f"{median['time']:.3g}",
            "without currents": f"{median['time_reversible']:.3g}",
            "states in turn": f"{median['time_in_turn']:.3g}",
        }
    return markdown_table(table, "Models")
