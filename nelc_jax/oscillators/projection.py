"""The family's own limit: a force field projected onto what a network can exert.

    minimise mean 1/2 |F(x; theta) - target|^2 over b, k, J and q >= 0

F is linear in theta, so this is a least-squares problem; it is solved by conjugate
gradients on the normal equations, which are applied and never written down.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._checks import check_count, check_points, checked
from .._loops import fori_loop, vary_with
from .quartic import Quartic

__all__ = ["project"]


@checked
def project(
    pairs: Bool[Array, "n n"] | None,
    x: Float[Array, "N n"],
    target: Float[Array, "N n"],
    iterations: int = 500,
    rounds: int = 3,
) -> Quartic:
    """The potential whose forces at `x` are nearest to the `target` forces.

    A q that comes out negative is set to zero for the rest of the `rounds` (an active
    set: what remains is exact whenever no q has to be freed again).

    **Arguments:** `pairs`, the coupled i < j, or none; positions `x`; `target` forces;
    `iterations` of conjugate gradients at most, in each of the `rounds`.

    **Raises:** `ValueError` when `x` has no points, or for fewer than one iteration or
    round.
    """
    check_points("x", x)
    check_count("iterations", iterations, 1, "iteration")
    check_count("rounds", rounds, 1, "round")
    # Which the solver's own loop starts from.
    right = vary_with(_gradient(pairs, x, target), pairs, x)

    def one_round(_, state):
        free, _ = state
        solution = _solve(pairs, free, x, right, iterations)
        return free & (solution.q > 0), solution

    start = jnp.ones(x.shape[1], bool), right
    free, solution = fori_loop(0, rounds, one_round, start)
    return _restrict(pairs, free, solution)


def _gradient(pairs: Array | None, x: Array, error: Array) -> Quartic:
    zero = jnp.zeros(x.shape[1], x.dtype)
    none = None if pairs is None else jnp.zeros(pairs.shape, x.dtype)
    return Quartic(zero, zero, zero, none).local_gradient(x, error)


def _solve(pairs, free, x, right, iterations) -> Quartic:
    scale = _feature_scale(pairs, x)

    def scaled(potential):
        return jax.tree.map(jnp.multiply, scale, _restrict(pairs, free, potential))

    def normal_matrix(potential):
        return scaled(_gradient(pairs, x, jax.vmap(scaled(potential).force)(x)))

    solution, _ = jax.scipy.sparse.linalg.cg(
        normal_matrix, scaled(right), tol=1e-6, maxiter=iterations
    )
    return scaled(solution)


def _feature_scale(pairs: Array | None, x: Array) -> Quartic:
    """1 / root mean square of what each element sees, so that all curve alike."""
    square = jnp.mean(jnp.square(x), axis=0)
    sixth = jnp.mean(jnp.square(x * jnp.square(x)), axis=0)
    across = square[:, None] + square[None, :]
    return Quartic(
        b=jnp.ones_like(square),
        k=jax.lax.rsqrt(square),
        q=jax.lax.rsqrt(sixth),
        J=None if pairs is None else jax.lax.rsqrt(across),
    )


def _restrict(pairs, free, potential: Quartic) -> Quartic:
    J = potential.J
    return Quartic(
        potential.b,
        potential.k,
        jnp.where(free, potential.q, 0),
        None if J is None else jnp.where(pairs, J, 0),
    )
