"""A latent space from outside of the library."""

import equinox as eqx
import jax
import jax.numpy as jnp

from nelc_jax import AbstractLatent


class AtMostOne(AbstractLatent):
    """L + 1 states: no bit on (index 0), or bit b (index b + 1)."""

    num_units: int = eqx.field(static=True)

    num_states = property(lambda self: self.num_units + 1)
    num_uniforms = property(lambda self: self.num_states)
    exponential = property(lambda self: True)  # so that an RBM can have it, too

    def states(self):
        return jnp.eye(self.num_states, self.num_units, k=-1, dtype=bool)

    def log_prob(self, h, z):
        normaliser = jnp.logaddexp(0, jax.nn.logsumexp(h, axis=-1))
        return jnp.sum(jnp.where(z, h, 0), axis=-1) - normaliser

    def noise(self, uniforms):
        return -jnp.log(-jnp.log(uniforms))

    def draw(self, noise, h):
        weights = jnp.concatenate([jnp.zeros_like(h[..., :1]), h], axis=-1)
        return self.states()[jnp.argmax(weights + noise, axis=-1)]
