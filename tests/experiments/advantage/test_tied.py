"""The ablation: both matrices stay one, and move by the sum of their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.advantage.tied import Tied, tied_gradient
from nelc_jax import Binary, TrajectoryGradient

KEY = jax.random.key(0)


def test_both_matrices_move_by_the_sum(x):
    """From the same model, chain and mini-batch as with two matrices."""

    def moved(*before):
        optimizer = optax.chain(*before, optax.sgd(1.0))
        rule = Tied(Binary(2), TrajectoryGradient(8), optimizer)

        @jax.jit
        def step(key):
            start = rule.init(key, x)
            end, _ = rule.step(start, x, jnp.int32(16))
            return start.model.parameters, end.model.parameters

        return step(KEY)

    start, apart = moved()
    _, together = moved(tied_gradient())
    np.testing.assert_array_equal(start.w_bar, start.w.T)
    np.testing.assert_array_equal(together.w_bar, together.w.T)
    # Control: without it they part.
    assert abs(apart.w_bar - apart.w.T).max() > 0.01
    expected = (apart.w - start.w) + (apart.w_bar - start.w_bar).T
    # Sums of two differences of numbers of order one.
    np.testing.assert_allclose(together.w - start.w, expected, rtol=1e-5, atol=1e-6)
