"""Cycles of the latent chain: Schnakenberg's decomposition of the entropy production.

A spanning forest of the graph of transitions, a tree for each of its K components,
leaves C = E - S + K chords; each closes one *fundamental cycle* with its tree. With J_c
the net current through chord c and F_c the affinity of its cycle, the sum of ln(flux /
reverse flux) around it, Kirchhoff's law makes sigma = sum_c J_c F_c (Schnakenberg, Rev.
Mod. Phys. 48, 571 (1976)).

What J_c F_c / sigma says depends on the forest: the cycles of another one divide the
same sigma in other ways. The shares sum to one, and single ones may be negative. For
the forest of the largest currents none exceeds one: its chord carries the smallest
current of the cycle, so that J_c F_c is at most the sum, over the edges whose current
runs along the cycle, of current times force, which is a part of sigma.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._checks import checked
from .._loops import fori_loop
from .thermodynamics import log_fluxes

__all__ = ["FundamentalCycles", "cycle_states", "fundamental_cycles"]


class FundamentalCycles(eqx.Module):
    """The fundamental cycles, one a chord, of S (S - 1) / 2 rows.

    `chord[c] = (i, j)`, oriented along its net current `current[c]` >= 0, in jumps per
    double step; `affinity[c]`, of the cycle through it, in nats; `contribution`, their
    product, in nats per double step, largest first (single ones may be negative, their
    sum is not). Rows of no chord come last, zero and with i = j. `parent[v]` is the
    next state from v to the root of its tree, a root its own.
    """

    chord: Int[Array, "C 2"]
    current: Float[Array, " C"]
    affinity: Float[Array, " C"]
    contribution: Float[Array, " C"]
    parent: Int[Array, " S"]


@checked
def fundamental_cycles(
    log_M: Float[Array, "S S"], p_bar: Float[Array, " S"]
) -> FundamentalCycles:
    """Schnakenberg's cycles for the spanning forest of the largest net currents.

    With that forest a dominant cycle keeps all its edges but the weakest, its chord. A
    pair without flux in both directions is no edge; states that no edge reaches, and
    those of no probability, are trees of their own.

    A nan anywhere makes all currents, affinities and contributions nan.

    A current is the difference of two fluxes: one below their rounding (1e-7 of them in
    single precision), as between states that mostly swap, is noise, while
    `entropy_production_rate` of the same chain is not.

    **Arguments:** `log_M[z', z]`, z' from, `-inf` where M is zero; `p_bar`.
    """
    size = p_bar.shape[0]
    log_flux = log_fluxes(log_M, p_bar)
    edge = (log_flux > -jnp.inf) & (-jnp.inf < log_flux.T)
    edge = edge & ~jnp.eye(size, dtype=bool)
    flux = jnp.exp(log_flux)
    net = jnp.where(edge, flux - flux.T, 0)
    force = jnp.where(edge, jnp.where(edge, log_flux, 0) - log_flux.T, 0)
    parent, height = _spanning_forest(jnp.where(edge, jnp.abs(net), -1), force)

    rows, columns = (i.astype(jnp.int32) for i in jnp.triu_indices(size, k=1))
    tree = (parent[rows] == columns) | (parent[columns] == rows)
    forward = net[rows, columns] >= 0
    start = jnp.where(forward, rows, columns)
    end = jnp.where(forward, columns, rows)
    chord = edge[rows, columns] & ~tree
    current = jnp.where(chord, jnp.abs(net[rows, columns]), 0)
    # Around the cycle: down the tree to the start, over the chord, up from the end.
    affinity = force[start, end] + height[start] - height[end]
    affinity = jnp.where(chord, affinity, 0)
    contribution = current * affinity
    order = jnp.argsort(jnp.where(chord, -contribution, jnp.inf))
    pairs = jnp.stack([start, jnp.where(chord, end, start)], axis=-1)
    # A pair whose flux is nan would pass for one without any.
    doubt = jnp.sum(jnp.where(jnp.isnan(log_flux), log_flux, 0))
    return FundamentalCycles(
        pairs[order].astype(jnp.int32),
        current[order] + doubt,
        affinity[order] + doubt,
        contribution[order] + doubt,
        parent,
    )


@checked
def cycle_states(cycles: FundamentalCycles, number: int) -> list[int]:
    """The states of a fundamental cycle in the order of its current, on the host.

    **Arguments:** `cycles` of one model, of NumPy or JAX arrays outside of `jit`;
    `number`, the row of its chord.

    **Raises:** `ValueError` for a row that is not there.
    """
    if not 0 <= number < len(cycles.chord):
        raise ValueError(
            f"number={number}: expected one of the {len(cycles.chord)} fundamental "
            "cycles, from 0"
        )
    start, end = (int(state) for state in cycles.chord[number])

    def to_root(state: int) -> list[int]:
        path = [state]
        while (above := int(cycles.parent[path[-1]])) != path[-1]:
            path.append(above)
        return path

    up, down = to_root(end), to_root(start)
    meeting = next(state for state in up if state in down)
    # start -> end over the chord, then along the tree from end back to start.
    back = up[: up.index(meeting) + 1] + down[: down.index(meeting)][::-1]
    return [start, *back[:-1]] if start != end else []


def _spanning_forest(
    weight: Float[Array, "S S"], force: Float[Array, "S S"]
) -> tuple[Int[Array, " S"], Float[Array, " S"]]:
    """Prim's maximum spanning forest: parents, and forces from the roots.

    `height[v]` is the sum of `force` along the path from the root of v to v. Weights
    below zero are no edges.
    """
    size = weight.shape[0]
    numbers = jnp.arange(size, dtype=jnp.int32)

    def grow(_, tree):
        inside, parent, height, best, nearest = tree
        # Of equal weights the first in the order of (nearest, v).
        heaviest = jnp.where(inside, -1, best)
        first = jnp.where(heaviest == jnp.max(heaviest), nearest, size)
        v = jnp.argmin(first)
        found = heaviest[v] >= 0
        # A component is complete: the next one grows from a root of its own.
        v = jnp.where(found, v, jnp.argmin(inside)).astype(jnp.int32)
        u = jnp.where(found, nearest[v], v)
        far = jnp.where(found, height[u] + force[u, v], 0)
        from_v = weight[v]
        nearer = (from_v > best) | ((from_v == best) & (v < nearest))
        return (
            inside.at[v].set(True),
            parent.at[v].set(u),
            height.at[v].set(far),
            jnp.where(nearer, from_v, best),
            jnp.where(nearer, v, nearest),
        )

    # Of each state the heaviest edge from the trees, and where it starts.
    best, nearest = weight[0], jnp.zeros_like(numbers)
    tree = numbers == 0, numbers, jnp.zeros(size, force.dtype), best, nearest
    _, parent, height, *_ = fori_loop(0, size - 1, grow, tree)
    return parent, height
