"""A latent space from outside of the library: one file."""

import equinox as eqx
import jax
import jax.numpy as jnp


class AtMostOne(eqx.Module):
    """L + 1 states: no bit on (index 0), or bit b (index b + 1)."""

    num_units: int = eqx.field(static=True)

    num_states = property(lambda self: self.num_units + 1)
    num_uniforms = property(lambda self: self.num_units + 1)
    enumerable = property(lambda self: True)
    # The state of zeros has no column of w that could take up the visible bias.
    absorbs_visible_bias = property(lambda self: False)

    def states(self):
        return jnp.eye(self.num_states, self.num_units, k=-1, dtype=bool)

    def index(self, z):
        return jnp.where(z.any(-1), 1 + jnp.argmax(z, -1), 0).astype(jnp.int32)

    def sum_units(self, rows):
        return jnp.concatenate([jnp.zeros_like(rows[:1]), rows])

    def sum_states(self, rows):
        return rows[1:]

    def log_probs(self, h):
        return jax.nn.log_softmax(self._weights(h), axis=-1)

    def log_prob(self, h, z):
        at = self.index(z)[..., None]
        return jnp.take_along_axis(self.log_probs(h), at, axis=-1)[..., 0]

    def noise(self, uniforms):
        return -jnp.log(-jnp.log(uniforms))

    def draw(self, noise, h):
        return self.states()[self.draw_index(noise, h)]

    def draw_index(self, noise, h):
        return jnp.argmax(self._weights(h) + noise, axis=-1).astype(jnp.int32)

    def mean(self, h):
        return jnp.exp(self.log_probs(h))[..., 1:]

    def score(self, h, z, reading):
        mean = jax.nn.sigmoid(h) if reading == "paper" else self.mean(h)
        return z.astype(h.dtype) - mean

    def _weights(self, h):
        return jnp.concatenate([jnp.zeros_like(h[..., :1]), h], axis=-1)
