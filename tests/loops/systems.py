"""Small loops in plain NumPy, by loops over the states of all layers."""

import dataclasses
import itertools

import jax.numpy as jnp
import numpy as np

from nelc_jax import Binary, OneHot
from nelc_jax.loops import Kernel, Loop

from .. import reference


@dataclasses.dataclass(frozen=True)
class LoopSystem:
    """A loop: each hidden layer a (kind, units), as `reference.System` has kinds."""

    layers: tuple
    weights: tuple
    biases: tuple
    x_mean: np.ndarray


def random_loop(layers, num_visible=4, seed=19, scale=2.5):
    """Weights of size 2.5: no conditional is degenerate.

    With this seed the memory of a turn is short, as of most random loops, but not zero
    (|lambda_2| is 0.16), and every layer is out of equilibrium.
    """
    rng = np.random.default_rng(seed)
    sizes = [num_visible, *(units for _, units in layers), num_visible]
    return LoopSystem(
        tuple(layers),
        tuple(
            scale * rng.standard_normal((b, a)) for a, b in itertools.pairwise(sizes)
        ),
        tuple(scale * rng.standard_normal(size) for size in sizes[1:]),
        rng.uniform(0.2, 0.8, num_visible),
    )


def as_loop(system):
    """A `reference.System` as the loop of one hidden layer that it is."""
    return LoopSystem(
        ((system.kind, len(system.a_bar)),),
        (system.w_bar, system.w),
        (system.a_bar, system.a),
        system.x_mean,
    )


def states(kind, units):
    return reference.bit_rows(units) if kind == "binary" else np.eye(units)


def probabilities(kind, h):
    """Of every state of a layer at the field h."""
    if kind == "sigmoid":
        weight = reference.sigmoid(h)
    else:
        weight = np.array([np.exp(z @ h) for z in states(kind, len(h))])
    return weight / weight.sum()


def kernels(system):
    """T_k[s, s'], state by state."""
    visible = "binary", len(system.x_mean)
    around = [visible, *system.layers, visible]
    found = []
    for k, (W, b) in enumerate(zip(system.weights, system.biases, strict=True)):
        origin = system.x_mean if k == 0 else 0
        rows = [
            probabilities(around[k + 1][0], W @ (s - origin) + b)
            for s in states(*around[k])
        ]
        found.append(np.array(rows))
    return found


def turn(matrices, layer):
    """The kernel of one turn as seen at a layer."""
    return np.linalg.multi_dot([*matrices[layer:], *matrices[:layer]])


def log_likelihood(system, data):
    law = reference.stationary(turn(kernels(system), 0))
    return np.mean(np.log(law[reference.codes(data)]))


def path_entropy_production(system):
    """sigma of the whole turn, path by path, beside the same path backwards."""
    matrices = kernels(system)
    law = reference.stationary(turn(matrices, 0))
    total = 0.0
    sizes = [len(T) for T in matrices]
    for path in itertools.product(*map(range, [*sizes, sizes[0]])):
        ahead, back = (
            law[one[0]]
            * np.prod([T[one[k], one[k + 1]] for k, T in enumerate(matrices)])
            for one in (path, path[::-1])
        )
        total += ahead * np.log(ahead / back)
    return total


def to_loop(system):
    """The library's loop of the system, in the working precision."""
    spaces = {"binary": Binary, "sigmoid": OneHot}
    layers = tuple(
        OneHot(units, "softmax") if kind == "softmax" else spaces[kind](units)
        for kind, units in system.layers
    )
    made = tuple(
        Kernel(jnp.asarray(W, float), jnp.asarray(b, float))
        for W, b in zip(system.weights, system.biases, strict=True)
    )
    return Loop(made, jnp.asarray(system.x_mean, float), layers)


def flat(gradient):
    return np.concatenate(
        [np.ravel(part) for each in gradient for part in (each.weights, each.bias)]
    )


def copying(system, index):
    """The loop with a layer after hidden layer `index` that copies its state."""
    kind, units = system.layers[index]
    assert kind == "softmax"
    layers, weights, biases = (
        list(part) for part in (system.layers, system.weights, system.biases)
    )
    layers.insert(index + 1, (kind, units))
    # exp(-800) is zero in double precision.
    weights.insert(index + 1, 800 * np.eye(units))
    biases.insert(index + 1, np.zeros(units))
    return LoopSystem(tuple(layers), tuple(weights), tuple(biases), system.x_mean)
