"""Models with normal latent variables, and their laws by Gauss-Hermite quadrature."""

import itertools

import jax.numpy as jnp
import numpy as np

from nelc_jax import Gaussian, Model, Parameters

from .. import reference

D, L = 4, 2
X = reference.bit_rows(D)

AXIS, WEIGHTS = np.polynomial.hermite_e.hermegauss(32)
NODES = np.array(list(itertools.product(AXIS, repeat=L)))
SHARES = np.prod(list(itertools.product(WEIGHTS, repeat=L)), axis=1) / (2 * np.pi)


def random_arrays(seed=0, tied=False):
    """w, a, w_bar, a_bar and x_mean in NumPy; weights for which 32 nodes suffice."""
    rng = np.random.default_rng(seed)
    w, w_bar = 0.8 * rng.standard_normal((D, L)), 1.5 * rng.standard_normal((L, D))
    a, a_bar = 0.5 * rng.standard_normal(D), 0.5 * rng.standard_normal(L)
    return w, a, w.T if tied else w_bar, a_bar, rng.uniform(0.2, 0.8, D)


def to_model(arrays):
    w, a, w_bar, a_bar, x_mean = (jnp.asarray(array, float) for array in arrays)
    return Model(Parameters(w, a, w_bar, a_bar), x_mean, Gaussian(L))


def fields(arrays):
    """h of every x."""
    _, _, w_bar, a_bar, x_mean = arrays
    return (reference.bit_rows(len(x_mean)) - x_mean) @ w_bar.T + a_bar


def at_nodes(arrays):
    """z at the nodes of every x, and ln p(x'|z) of every x' there: (X, n, ...)."""
    w, a, *_ = arrays
    z = fields(arrays)[:, None] + NODES
    logits = z @ w.T + a
    return z, logits @ reference.bit_rows(len(a)).T - np.logaddexp(0, logits).sum(-1)[
        ..., None
    ]


def visible_kernel(arrays):
    """p(x'|x) over a double step."""
    return np.einsum("n,xny->xy", SHARES, np.exp(at_nodes(arrays)[1]))


def entropy_production(arrays):
    """Relative entropy of the fluxes x -> z and z -> x, from the whole of ln p."""
    p = reference.stationary(visible_kernel(arrays))
    z, log_A = at_nodes(arrays)
    here = p[:, None] * SHARES
    # (x0, n, x): the force ln p(z|x) - ln p(x|z) at the nodes of x0.
    squares = np.sum((z[:, :, None] - fields(arrays)) ** 2, axis=-1)
    f = -0.5 * squares - log_A
    there = np.sum(here * np.einsum("xnx->xn", f))
    return there - np.einsum("xn,xny->", here, np.exp(log_A) * f)
