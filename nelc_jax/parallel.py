"""The chain of `chain.sample_chain`, drawn for all double steps at once.

With the random numbers of step t given, a double step from latent state s is a
deterministic map. So every latent state s gets its candidate x_s(t), the visible state
that follows s with the noise of step t, and the state f_t(s) that follows the
candidate; the chain is the composition z(t) = f_t(f_{t-1}(... f_1(z(0)))) of random
maps of {0 .. S - 1}. All heavy work is batched over t, and the candidates share the
noise. S times the arithmetic of the scan, at a depth of log T: for accelerators.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key, Shaped

from .chain import BLOCK, Trajectory, latent_noise
from .linear import contract, on_last_axis
from .model import Model, backward_field, state_logits
from .noise import bernoulli_packed, pixel_noise, rounding, thresholds, unpack


def sample_chain(
    model: Model, key: Key[Array, ""], x: Shaped[Array, " D"], num_steps: int
) -> tuple[Bool[Array, " D"], Trajectory]:
    """T double steps from x(0) = x (eq. 18): the result of `chain.sample_chain`.

    The same random numbers and the same chain, but where the rounding of h decides a
    draw of z. Memory grows as T S D.

    **Arguments:** as `chain.sample_chain`; the latent space must be enumerable.

    **Returns:** x(T) and the trajectory.

    **Raises:** `ValueError` for a T below 1 or a latent space that is not enumerable.
    """
    latent, num_visible = model.latent, model.num_visible
    if num_steps < 1:
        raise ValueError(f"num_steps={num_steps}: expected at least 1 double step")
    if not latent.enumerable:
        raise ValueError(
            f"latent={latent}: expected a latent space that can be enumerated; "
            "chain.sample_chain takes any"
        )
    dtype = model.x_mean.dtype.type
    steps = jnp.arange(num_steps)
    pixels = jax.vmap(lambda t: pixel_noise(key, t, num_visible))(steps)
    noise = latent_noise(model, key, steps)
    logits = state_logits(model)
    tables = jax.vmap(lambda b: thresholds(logits, rounding(key, b, num_visible)))(
        jnp.arange(-(-num_steps // BLOCK))
    )

    # Candidates of x(t + 1), one a latent state, and their fields: (T, S, ...).
    def candidates(pixels, t):
        return jax.vmap(lambda q: bernoulli_packed(pixels, q))(tables[t // BLOCK])

    x_after = unpack(jax.vmap(candidates)(pixels, steps), num_visible)
    p = model.parameters
    bias = p.a_bar - contract(p.w_bar, model.x_mean)
    h_after = contract(x_after.astype(dtype), p.w_bar.T)
    h_after = h_after + on_last_axis(bias, h_after)

    h_first = backward_field(model, x)
    z_first = latent.draw_index(noise[0], h_first)
    # maps[t, s] is z(t + 1) if z(t) = s.
    shape = (num_steps - 1, latent.num_states, latent.num_uniforms)
    maps = latent.draw_index(jnp.broadcast_to(noise[1:, None], shape), h_after[:-1])
    z = _follow(maps, z_first)

    x_next = x_after[steps, z]
    xs = jnp.concatenate([x.astype(bool)[None], x_next[:-1]])
    h = jnp.concatenate([h_first[None], h_after[steps, z][:-1]])
    return x_next[-1], Trajectory(xs, latent.states()[z], h)


def _follow(maps: Int[Array, "n S"], first: Int[Array, ""]) -> Int[Array, " T"]:
    """The states first, maps[0](first), maps[1](maps[0](first)), ..."""

    def compose(earlier, later):
        return jnp.take_along_axis(later, earlier, axis=-1)

    return jnp.concatenate(
        [first[None], jax.lax.associative_scan(compose, maps)[:, first]]
    )
