"""Time scales of the latent chain: relaxation, self-transitions (Sect. IV B)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import checked
from .._linear import at_least_single, contract
from .._loops import fori_loop
from ..markov import stationary_distribution

__all__ = ["mean_self_transition", "relaxation_time", "second_eigenvalue_modulus"]

_SQUARINGS = 50


@checked
def second_eigenvalue_modulus(M: Float[Array, "S S"]) -> Float[Array, ""]:
    """|lambda_2|, the second-largest eigenvalue of M in modulus (below eq. 23).

    The spectral radius of B = M - 1 p_bar^T (M without its eigenvalue 1), from the
    growth of its 2^50-th power by repeated squaring: products only, on any device, also
    for complex and defective eigenvalues. Zero where B is zero up to rounding, within
    16 S of the working precision; of a B whose k-th power is, rounding leaves the k-th
    root of the precision.

    The derivative is that of perturbation theory (where several eigenvalues have this
    modulus, a mean of theirs), zero where it is zero; second derivatives are nan.

    **Arguments:** `M`, row-stochastic.
    """
    return _modulus(at_least_single(M)).astype(M.dtype)


@checked
def relaxation_time(M: Float[Array, "S S"]) -> Float[Array, ""]:
    """tau = -1 / ln |lambda_2| in double steps (eq. 23).

    Infinite for a deterministic cycle and for a chain with two closed classes, zero
    when one double step forgets everything (and for S = 1). An |lambda_2| that
    rounding cannot tell from 1 counts as 1: within 16 S of the working precision. At
    both ends the derivative is zero.
    """
    modulus = second_eigenvalue_modulus(M)
    endless = modulus >= 1 - _resolution(M)
    none = modulus == 0
    time = -1 / jnp.log(jnp.where(endless | none, 0.5, modulus))
    return jnp.where(endless, jnp.inf, jnp.where(none, 0, time))


@checked
def mean_self_transition(M: Float[Array, "S S"]) -> Float[Array, ""]:
    """Tr M / S, the mean probability to stay a double step (eq. 24)."""
    return jnp.trace(M) / M.shape[-1]


def _resolution(M: Float[Array, "S S"]) -> float:
    """What rounding leaves of an eigenvalue that is zero, relative to M."""
    return 16 * M.shape[-1] * float(jnp.finfo(M.dtype).eps)


@jax.custom_jvp
def _modulus(M: Float[Array, "S S"]) -> Float[Array, ""]:
    return _power(M)[0]


def _power(M: Float[Array, "S S"]):
    """|lambda_2|, B, and B^n / |B^n| for n = 2^50."""
    tiny = float(jnp.finfo(M.dtype).tiny)
    deflated = M - stationary_distribution(M)[None]
    equal_rows = jnp.linalg.norm(deflated) <= _resolution(M) * jnp.linalg.norm(M)

    def square(k, state):
        power, log_radius = state
        norm = jnp.linalg.norm(power)
        power = power / jnp.maximum(norm, tiny)
        log_radius = log_radius + jnp.log(norm) / 2.0**k
        return contract(power, power), log_radius

    start = jnp.where(equal_rows, 0, deflated)
    init = (start, jnp.zeros((), M.dtype))
    power, log_radius = fori_loop(0, _SQUARINGS, square, init)
    norm = jnp.linalg.norm(power)
    log_radius = log_radius + jnp.log(norm) / 2.0**_SQUARINGS
    modulus = jnp.minimum(jnp.exp(log_radius), 1.0)
    return modulus, start, power / jnp.maximum(norm, tiny)


@_modulus.defjvp
def _modulus_jvp(primals, tangents):
    (M,), (change,) = primals, tangents
    modulus, deflated, power = _power(M)
    # Not the modulus found here, whose own derivative would go through the powers.
    return _modulus(M), jnp.sum(_sensitivity(deflated, power, modulus) * change)


@jax.custom_jvp
def _sensitivity(
    B: Float[Array, "S S"], power: Float[Array, "S S"], modulus: Float[Array, ""]
) -> Float[Array, "S S"]:
    """The derivatives of the spectral radius of B by its entries.

    With Pi the projector on the eigenvectors of the m eigenvalues of modulus r, the
    group inverse X of B Pi / r is sum_i (r / lambda_i) u_i v_i^T, and the mean of Re
    (dlambda_i r / lambda_i) = dr is tr(X dB) / m. M and B have the same derivatives:
    v_i^T 1 = 0.
    """
    none = modulus == 0
    B = B / jnp.where(none, 1, modulus)
    identity = jnp.eye(len(B), dtype=B.dtype)
    projector = contract(power, _group_inverse(jnp.where(none, identity, power)))
    count = jnp.trace(projector)
    inverse = _group_inverse(jnp.where(none, identity, contract(B, projector)))
    return jnp.where(none, 0, inverse.T / count)


@_sensitivity.defjvp
def _sensitivity_jvp(primals, tangents):
    # The power turns by its phase times 2^50 when an eigenvalue does.
    found = _sensitivity(*primals)
    return found, jnp.full_like(found, jnp.nan)


def _group_inverse(A: Float[Array, "S S"]) -> Float[Array, "S S"]:
    """The inverse of A on its range, zero on its kernel: A (A^3)^+ A."""
    cube = contract(A, contract(A, A))
    rounding = 100 * len(A) * float(jnp.finfo(A.dtype).eps)
    return contract(A, contract(jnp.linalg.pinv(cube, rtol=rounding), A))
