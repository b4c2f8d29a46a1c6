"""Classes of the latent states, and how well their occupancy follows the data's."""

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Int, Shaped

from .._checks import check_count, check_points, check_values, checked
from ..model import Model, forward_log_prob

__all__ = ["class_distribution", "class_kl", "latent_classes"]


@checked
def latent_classes(
    model: Model,
    x: Shaped[Array, "N D"],
    labels: Int[Array, " N"],
    num_classes: int,
) -> Int[Array, " S"]:
    """The class that each latent state generates, decided from labelled data.

    State z is compared with the other states on every data point, q(z|x) = A[z, x] /
    sum_y A[y, x]; its class is the one whose points it claims most on average,
    argmax_k mean_{m in k} q(z|x_m). The occupancy does not enter, so that the class of
    a dead state is defined as well; sums are taken of logarithms, so that no share
    underflows.

    **Arguments:** data `x`; `labels` in 0 .. K - 1; `num_classes`, K. A class without
    points is never chosen.

    **Returns:** the class of each state, -1 where a nan of the model leaves none.

    **Raises:** `ValueError` for a K below 1, an `x` without points, or known labels out
    of range.
    """
    check_count("num_classes", num_classes, 1, "class")
    check_points("x", x)
    _check_classes("labels", labels, num_classes)
    log_A = forward_log_prob(model, model.latent.states(), x)
    log_q = log_A - logsumexp(log_A, axis=-1, keepdims=True)
    member = labels[:, None] == jnp.arange(num_classes, dtype=labels.dtype)[None]
    in_class = jnp.where(member[:, :, None], log_q[:, None, :], -jnp.inf)
    size = jnp.sum(member, axis=0)
    log_size = jnp.log(jnp.maximum(size, 1).astype(log_q.dtype))
    share = logsumexp(in_class, axis=0) - log_size[:, None]
    undefined = jnp.any(jnp.isnan(share), axis=0)
    return jnp.where(undefined, -1, jnp.argmax(share, axis=0)).astype(jnp.int32)


@checked
def class_distribution(
    p_bar: Float[Array, " S"], classes: Int[Array, " S"], num_classes: int
) -> Float[Array, " K"]:
    """P^e(k), the occupancy of the latent states of each class (below eq. 22).

    All nan where the class of a state is -1, undefined.

    **Raises:** `ValueError` for a K below 1, or known `classes` out of range.
    """
    check_count("num_classes", num_classes, 1, "class")
    _check_classes("classes", classes, num_classes, undefined=True)
    share = jax.ops.segment_sum(p_bar, classes, num_classes)
    return jnp.where(jnp.any(classes < 0), jnp.nan, share)


@checked
def class_kl(
    data_share: Float[Array, " K"], model_share: Float[Array, " K"]
) -> Float[Array, ""]:
    """KL(P^D || P^e) = sum_k P^D(k) ln(P^D(k) / P^e(k)) in nats (eq. 22).

    A class absent from the data adds nothing; one that the data have and the model
    never generates makes it infinite.
    """
    absent = data_share == 0
    log_ratio = jnp.log(jnp.where(absent, 1, data_share)) - jnp.log(
        jnp.where(absent, 1, model_share)
    )
    divergence = jnp.sum(jnp.where(absent, 0, data_share * log_ratio))
    return jnp.where(jnp.any(jnp.isnan(model_share)), jnp.nan, divergence)


def _check_classes(name: str, classes: Array, num_classes: int, undefined=False):
    least = -1 if undefined else 0
    expected = f"a class in 0 .. {num_classes - 1}" + ", or -1" * undefined
    check_values(name, classes, lambda v: (v >= least) & (v < num_classes), expected)
