"""The unconstrained reference: a plain score network, trained by optax."""

import time
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from nelc_jax.oscillators import diffusion
from nelc_jax.oscillators.bath import equilibrate, euler_maruyama, refine
from nelc_jax.oscillators.diffusion import Generation, Noising
from nelc_jax.oscillators.network import Network

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
        alpha, s = diffusion.decay(noising, time), diffusion.spread(noising, time)
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
    network: Network, key: jax.Array, x: np.ndarray, num_steps: int, batch: int
) -> tuple[ScoreNetwork, float]:
    """Denoising score matching for as many steps and points as an oscillator network.

    **Returns:** the score network, and the seconds with compilation.
    """
    started = time.perf_counter()
    init_key, train_key = jax.random.split(key)
    points = jnp.asarray(x, jnp.float32)
    model = ScoreNetwork(points, init_key)
    trained = jax.block_until_ready(
        _train(network, model, train_key, points, num_steps, batch)
    )
    return trained, time.perf_counter() - started


@partial(eqx.filter_jit)
def _train(network, model, key, x, num_steps: int, batch: int):
    optimizer = optax.adam(optax.cosine_decay_schedule(RATE, num_steps))
    arrays, static = eqx.partition(model, eqx.is_array)
    cells = network.knots.shape[0] - 1

    def loss(arrays, key):
        model = eqx.combine(arrays, static)
        chosen, where, noise = jax.random.split(key, 3)
        points = x[jax.random.randint(chosen, (cells * batch,), 0, x.shape[0])]
        share = jax.random.uniform(where, (cells, batch))
        knots = network.knots
        times = knots[:-1, None] + share * jnp.diff(knots)[:, None]
        normals = jax.random.normal(noise, points.shape)
        noised, _ = diffusion.noise_points(
            network.generation.noising, normals, points, times.ravel()
        )
        found = jax.vmap(model.noise, (None, 0, 0))(
            network.generation.noising, noised, times.ravel()
        )
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
    network: Network, model: ScoreNetwork, key: jax.Array, count: int, substeps: int
) -> jax.Array:
    """Samples by the reverse force of the learned score, in the same bath and steps."""
    generation: Generation = network.generation
    noising = generation.noising
    times = refine(diffusion.protocol_time(generation, network.knots), substeps)
    num = network.pairs.shape[0]

    def force_at(tau, x):
        at = diffusion.noising_time(generation, tau)
        score = -model.noise(noising, x, at) / diffusion.spread(noising, at)
        return diffusion.reverse_force(generation, x, score)

    def one(sample_key):
        start, move = jax.random.split(sample_key)
        stiffness = diffusion.trap_stiffness(generation)
        x = equilibrate(start, generation.bath, stiffness, num)
        normals = jax.random.normal(move, (times.shape[0] - 1, num))
        return euler_maruyama(force_at, generation.bath, normals, x, times)[-1]

    return jax.vmap(one)(jax.random.split(key, count))
