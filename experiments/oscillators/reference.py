"""The unconstrained reference: a plain score network, trained by optax."""

import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from experiments.oscillators.sampling import draw_by_force
from nelc_jax.oscillators import AbstractNetwork, Noising

WIDTH = 300
"""Hidden units of both layers: about as many parameters as the network's protocol."""

RATE = 1e-3
FEATURES = 6


class ScoreNetwork(eqx.Module):
    """The noise in x: that for independent normal pixels, plus a multilayer perceptron.

    So it starts where the oscillators start, and learns what couples the pixels.
    """

    layers: eqx.nn.MLP
    mean: Float[Array, " n"]
    variance: Float[Array, " n"]

    def __init__(self, x: Float[Array, "N n"], key: jax.Array):
        num = x.shape[1]
        layers = eqx.nn.MLP(num + FEATURES, num, WIDTH, 2, jax.nn.silu, key=key)
        self.layers = layers
        self.mean, self.variance = jnp.mean(x, axis=0), jnp.var(x, axis=0)

    def noise(self, noising: Noising, x: Float[Array, " n"], time: Float[Array, ""]):
        """The mean of eps given x at a noising time."""
        alpha, s = noising.decay(time), noising.spread(time)
        mean, variance = jax.lax.stop_gradient((self.mean, self.variance))
        total = jnp.square(alpha) * variance + jnp.square(s)
        centred = x - alpha * mean
        phase = jnp.log(time) * jnp.asarray([0.25, 0.5, 1.0])
        features = jnp.concatenate([jnp.sin(phase), jnp.cos(phase)])
        inputs = centred * jax.lax.rsqrt(total)
        learned = self.layers(jnp.concatenate([inputs, features]))
        # Pixels without variance leave nothing to learn about their noise.
        share = alpha * jnp.sqrt(variance) * jax.lax.rsqrt(total)
        return s * centred / total + share * learned


def train_reference(
    network: AbstractNetwork, key: jax.Array, x: np.ndarray, num_steps: int, batch: int
) -> tuple[ScoreNetwork, float]:
    """Denoising score matching for as many steps and points as an oscillator network.

    **Returns:** the score network, and the seconds with compilation.
    """
    started = time.perf_counter()
    init_key, train_key = jax.random.split(key)
    points = jnp.asarray(x, jnp.float32)
    model = eqx.filter_jit(ScoreNetwork)(points, init_key)
    trained = jax.block_until_ready(
        _train(network, model, train_key, points, num_steps, batch)
    )
    return trained, time.perf_counter() - started


@eqx.filter_jit
def _train(network, model, key, x, num_steps: int, batch: int):
    optimizer = optax.adam(optax.cosine_decay_schedule(RATE, num_steps))
    arrays, static = eqx.partition(model, eqx.is_array)
    cells = network.knots.shape[0] - 1

    def loss(arrays, key):
        model = eqx.combine(arrays, static)
        chosen, where, noise = jax.random.split(key, 3)
        points = x[jax.random.randint(chosen, (cells * batch,), 0, x.shape[0])]
        share = jax.random.uniform(where, (cells, batch))
        times = network.times_between(share).ravel()
        normals = jax.random.normal(noise, points.shape)
        noising = network.generation.noising
        noised, _ = noising.noise(normals, points, times)
        found = jax.vmap(model.noise, (None, 0, 0))(noising, noised, times)
        return jnp.mean(jnp.square(found - normals))

    def step(carry, step_key):
        arrays, state = carry
        updates, state = optimizer.update(jax.grad(loss)(arrays, step_key), state)
        return (optax.apply_updates(arrays, updates), state), None

    start = (arrays, optimizer.init(arrays))
    (arrays, _), _ = jax.lax.scan(step, start, jax.random.split(key, num_steps))
    return eqx.combine(arrays, static)


@eqx.filter_jit
def draw_reference(
    network: AbstractNetwork,
    model: ScoreNetwork,
    key: jax.Array,
    count: int,
    substeps: int,
) -> jax.Array:
    """Samples by the reverse force of the learned score, in the same bath and steps."""
    generation = network.generation
    noising = generation.noising

    def force_at(tau, x):
        at = generation.noising_time(tau)
        score = -model.noise(noising, x, at) / noising.spread(at)
        return generation.reverse_force(x, score)

    num, keys = model.mean.shape[0], jax.random.split(key, count)
    return draw_by_force(network, num, force_at, keys, substeps)
