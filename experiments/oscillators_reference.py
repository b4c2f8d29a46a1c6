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
from nelc_jax.oscillators.diffusion import Generation
from nelc_jax.oscillators.network import Network

WIDTH = 300
"""Hidden units of both layers: about as many parameters as the network's protocol."""

RATE = 1e-3
FEATURES = 6


class ScoreNetwork(eqx.Module):
    """x and the time to eps, the noise in x, by two hidden layers."""

    layers: eqx.nn.MLP

    def __init__(self, num: int, key: jax.Array):
        self.layers = eqx.nn.MLP(num + FEATURES, num, WIDTH, 2, jax.nn.silu, key=key)

    def __call__(self, x: Float[Array, " n"], time: Float[Array, ""]):
        """The noise in x at a noising time."""
        phase = jnp.log(time) * jnp.asarray([0.25, 0.5, 1.0])
        features = jnp.concatenate([jnp.sin(phase), jnp.cos(phase)])
        return self.layers(jnp.concatenate([x, features]))


def train_reference(
    network: Network, key: jax.Array, x: np.ndarray, num_steps: int, batch: int
) -> tuple[ScoreNetwork, float]:
    """Denoising score matching for as many steps and points as an oscillator network.

    **Returns:** the score network, and the seconds with compilation.
    """
    started = time.perf_counter()
    init_key, train_key = jax.random.split(key)
    model = ScoreNetwork(x.shape[1], init_key)
    points = jnp.asarray(x, jnp.float32)
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
        found = jax.vmap(model)(noised, times.ravel())
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
        score = -model(x, at) / diffusion.spread(noising, at)
        return diffusion.reverse_force(generation, x, score)

    def one(sample_key):
        start, move = jax.random.split(sample_key)
        stiffness = diffusion.trap_stiffness(generation)
        x = equilibrate(start, generation.bath, stiffness, num)
        normals = jax.random.normal(move, (times.shape[0] - 1, num))
        return euler_maruyama(force_at, generation.bath, normals, x, times)[-1]

    return jax.vmap(one)(jax.random.split(key, count))
