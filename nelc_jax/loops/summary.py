"""All scalar diagnostics of a loop at once, from one averaged kernel.

Only the step through x needs draws: B[z_{K-1}, z_1], the mean of p(z_1|x) over x ~
A[z_{K-1}]. Kernels between hidden layers are known, and M of every layer is a product
of these matrices.
"""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Key, Shaped

from .._checks import check_points, checked
from .._linear import at_least_single
from .._parallel import require_enumerable
from ..diagnostics._averages import average_log_arrivals
from ..diagnostics.spectrum import relaxation_time
from ..diagnostics.thermodynamics import entropy_production_rate_log
from ._products import one_turn, smallest_layer, stationary_laws
from .model import Loop

__all__ = ["LoopSummary", "summarize_loop"]


class LoopSummary(eqx.Module):
    """What there is to say of one loop, in single precision at least.

    `log_likelihood` in nats a point; `relaxation_time` in turns, that of every layer;
    of each hidden layer in turn, `entropy_production_rates` in nats per turn, ln M and
    the occupancy p_bar.
    """

    log_likelihood: Float[Array, ""]
    relaxation_time: Float[Array, ""]
    entropy_production_rates: Float[Array, " K"]
    log_kernels: tuple[Float[Array, "_ _"], ...]
    occupancies: tuple[Float[Array, " _"], ...]


@checked
def summarize_loop(
    loop: Loop, key: Key[Array, ""], x: Shaped[Array, "N D"], num_samples: int
) -> LoopSummary:
    """Measure a loop whose hidden layers are all enumerable.

    p(x) is the mixture over the states of the last layer, with their stationary law.

    **Arguments:** typed `key`; data `x`; `num_samples`, draws of x for each state of
    the last layer.

    **Raises:** `ValueError` for a `num_samples` below 1, a layer that is not
    enumerable, or when `x` has no points.
    """
    check_points("x", x)
    for layer in loop.layers:
        require_enumerable(layer)
    loop = at_least_single(loop)
    states = [layer.states() for layer in loop.layers]
    logits = loop.field(len(states), states[-1])
    through_x = average_log_arrivals(loop.encoder, key, logits, num_samples)
    between = [
        layer.log_probs(loop.field(k, s))
        for k, (s, layer) in enumerate(zip(states, loop.layers[1:], strict=False), 1)
    ]
    # Leaving z_1, .., z_{K-1}.
    steps = [*between, through_x]
    log_kernels = [_product((*steps[k:], *steps[:k])) for k in range(len(steps))]
    kernels = list(map(jnp.exp, steps))
    occupancies = stationary_laws(kernels)
    M = one_turn(kernels, smallest_layer(kernels))
    sigma = map(entropy_production_rate_log, log_kernels, occupancies)
    return LoopSummary(
        log_likelihood=jnp.mean(loop.log_prob(occupancies[-1], x)),
        relaxation_time=relaxation_time(M),
        entropy_production_rates=jnp.stack(list(sigma)),
        log_kernels=tuple(log_kernels),
        occupancies=occupancies,
    )


def _product(steps: Sequence[Float[Array, "_ _"]]) -> Float[Array, "S S"]:
    """ln of a product of matrices from their logarithms, which may underflow."""
    first, *others = steps
    for log_T in others:
        first = logsumexp(first[:, :, None] + log_T[None], axis=1)
    return first
