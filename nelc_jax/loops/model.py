"""The loop: K kernels from each layer to the next, with parameters of their own.

Kernel k leads from layer k to layer k + 1, where layers 0 and K are the visible one:
p(s'|s) is the law of layer k + 1 at the field W_k s + b_k, with x centred on the mean
of the data as in the two-layer model. K = 2 is that model: W_0 is w_bar, W_1 is w.
"""

from collections.abc import Sequence
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Shaped

from .._bernoulli import bernoulli_log_prob, weighted_log_prob
from .._checks import check_class, check_means, checked
from .._linear import contract, on_last_axis
from ..latent import AbstractLatent, Binary
from ..model import Model, Parameters, init_model

__all__ = ["Kernel", "Loop", "init_loop"]


class Kernel(eqx.Module):
    """W and b of one kernel; gradients and optimiser moments have the same shape."""

    weights: Float[Array, "N M"]
    bias: Float[Array, " N"]


class Loop(eqx.Module):
    """Kernels, the mean of the data, and the hidden layers z_1 .. z_{K-1}.

    **Raises:** `TypeError` for layers that are no latent spaces; `ValueError` for none,
    for kernels of another number or shape, and for a mean outside [0, 1] that is known
    at construction.
    """

    kernels: tuple[Kernel, ...]
    x_mean: Float[Array, " D"]
    layers: tuple[AbstractLatent, ...] = eqx.field(static=True)

    def __check_init__(self):
        check_layers(self.layers)
        check_means("x_mean", self.x_mean)
        sizes = [each.num_units for each in self.layers]
        around = pairwise([self.num_visible, *sizes, self.num_visible])
        expected = [(to, of) for of, to in around]
        found = [kernel.weights.shape[-2:] for kernel in self.kernels]
        if found != expected:
            raise ValueError(
                f"kernels of shapes {found}: expected {expected}, one from each layer "
                "to the next"
            )

    @property
    def num_visible(self) -> int:
        """D, the number of visible bits."""
        return self.x_mean.shape[-1]

    @property
    def around(self) -> tuple[AbstractLatent, ...]:
        """The layers x, z_1, .., z_{K-1}: kernel k leads from the one with index k."""
        return Binary(self.num_visible), *self.layers

    @checked
    def field(self, kernel: int, s: Shaped[Array, "*b M"]) -> Float[Array, "*b N"]:
        """W_k s + b_k of states s of layer k, centred for k = 0.

        **Raises:** `ValueError` for a k that is none of a kernel, or s of another size.
        """
        if not 0 <= kernel < len(self.kernels):
            last = len(self.kernels) - 1
            raise ValueError(f"kernel={kernel}: expected 0 to {last}")
        weights, bias = self.kernels[kernel].weights, self.kernels[kernel].bias
        if s.shape[-1] != weights.shape[-1]:
            raise ValueError(
                f"s.shape={s.shape}: expected (*b, M) with M={weights.shape[-1]}"
            )
        s = s.astype(weights.dtype)
        if kernel == 0:
            s = s - on_last_axis(self.x_mean, s)
        h = contract(s, weights.T)
        return h + on_last_axis(bias, h)

    @checked
    def log_prob(
        self, occupancy: Float[Array, " S"], x: Shaped[Array, "N D"]
    ) -> Float[Array, " N"]:
        """ln p(x_m) in nats, the mixture of the last kernel over its states.

        **Arguments:** `occupancy`, the law of the last hidden layer, which is
        enumerable; data `x`.

        **Raises:** `ValueError` for an occupancy of another number of states.
        """
        states = self.layers[-1].states()
        if len(occupancy) != len(states):
            raise ValueError(
                f"occupancy.shape={occupancy.shape}: expected ({len(states)},), the "
                "states of the last layer"
            )
        logits = self.field(len(self.layers), states)
        return weighted_log_prob(occupancy, bernoulli_log_prob(logits, x))

    @property
    def encoder(self) -> Model:
        """p(z_1|x) as that of a two-layer model, whose p(x|z) means nothing."""
        first = self.kernels[0]
        forward = jnp.zeros_like(first.weights.T), jnp.zeros_like(self.x_mean)
        parameters = Parameters(*forward, first.weights, first.bias)
        return Model(parameters, self.x_mean, self.layers[0])


def check_layers(layers: Sequence[AbstractLatent]) -> None:
    """Check the hidden layers of a loop.

    **Raises:** `TypeError` or `ValueError` for what is not a tuple of latent spaces.
    """
    check_class("layers", layers, tuple)
    if not layers:
        raise ValueError("layers=(): expected at least one hidden layer")
    for index, layer in enumerate(layers):
        check_class(f"layers[{index}]", layer, AbstractLatent)


@checked
def init_loop(
    key: Key[Array, ""], layers: tuple[AbstractLatent, ...], x: Shaped[Array, "N D"]
) -> Loop:
    """A loop at the start of training, reproducing the mean of the data.

    The first kernel is zero and the last that of `init_model`, so that K = 2 is App.
    A1. Weights between hidden layers are standard normal: were they zero as well, no
    layer would tell the one before it what its states are worth, and no gradient would
    reach that.

    **Arguments:** typed `key`; hidden `layers`; data `x` of zeros and ones.

    **Raises:** as `init_model`, and for layers that are not a tuple of latent spaces.
    """
    check_layers(layers)
    model = init_model(key, layers[-1], x)
    dtype, num_visible = model.x_mean.dtype, x.shape[1]

    def made(weights):
        return Kernel(weights, jnp.zeros(len(weights), dtype))

    kernels = [made(jnp.zeros((layers[0].num_units, num_visible), dtype))]
    for k, (source, target) in enumerate(pairwise(layers), 1):
        shape = target.num_units, source.num_units
        kernels.append(
            made(jax.random.normal(jax.random.fold_in(key, k), shape, dtype))
        )
    kernels.append(Kernel(model.parameters.w, model.parameters.a))
    return Loop(tuple(kernels), model.x_mean, layers)
