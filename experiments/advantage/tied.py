"""An ablation: the paper's rule with w_bar tied to w, a reversible chain."""

import equinox as eqx
import jax
import optax

from nelc_jax import Cycles, Parameters
from nelc_jax.training import State


class Tied(Cycles):
    """`Cycles` from w_bar = w^T, with an optimiser after `tied_gradient`.

    What is left of the model are the conditionals of an RBM, and what is left of the
    rule is the gradient of two steps.
    """

    def init(self, key: jax.Array, x: jax.Array) -> State:
        """The state of `Cycles`, with w_bar of w."""
        state = super().init(key, x)
        return eqx.tree_at(
            lambda s: s.model.parameters.w_bar, state, state.model.parameters.w.T
        )


def tied_gradient() -> optax.GradientTransformation:
    """The gradient by w of both matrices, for both.

    An optimiser that takes each number by itself then moves both alike.
    """

    def tie(gradient: Parameters, _) -> Parameters:
        w = gradient.w + gradient.w_bar.T
        return Parameters(w, gradient.a, w.T, gradient.a_bar)

    return optax.stateless(tie)  # pyright: ignore
