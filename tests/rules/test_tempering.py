"""Parallel tempering: it keeps every law, and crosses where one chain does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nelc_jax import Binary
from nelc_jax.baselines import ais, rbm
from nelc_jax.rules import ManyChains, TemperedChains, tempering

from .. import reference
from ..baselines.rbms import random_rbm

NUM_CHAINS = 20_000
BETAS = (0.0, 0.5, 1.0)


def laws(system, machine):
    """p(x) at each temperature, by enumeration over the joint law."""
    bias = np.asarray(ais.data_bias(machine))
    return [
        reference.visible_law(
            system.replace(
                w=beta * system.w,
                w_bar=beta * system.w.T,
                a=(1 - beta) * bias + beta * system.a,
                a_bar=beta * system.a_bar,
            )
        )
        for beta in BETAS
    ]


def stay(machine, _, x):
    """A double step that does not move."""
    return jnp.zeros((len(x), machine.latent.num_units), bool), x


def test_stationarity(monkeypatch):
    """Chains started from the exact laws keep them, and so does each half of a sweep.

    A double step after an exchange would hide much of what is wrong with it.
    """
    system, machine = random_rbm("binary")
    exact = laws(system, machine)
    rng = np.random.default_rng(0)
    start = np.stack([rng.choice(len(p), NUM_CHAINS, p=p) for p in exact])
    x = jnp.asarray(reference.bit_rows(5)[start], bool)

    def keeps():
        negative = TemperedChains(3, NUM_CHAINS, 6)
        # A function of its own, as what it calls is replaced below.
        run = jax.jit(lambda x: negative.moments(machine, jax.random.key(0), x))
        return [
            reference.follows(
                reference.histogram(reference.codes(np.asarray(ends)), len(p)), p
            )
            for ends, p in zip(run(x)[0], exact, strict=True)
        ]

    assert all(keeps())
    monkeypatch.setattr(tempering.law, "double_step", stay)
    assert all(keeps())
    # Control: an exchange that is always accepted.
    monkeypatch.setattr(
        tempering.law, "log_weight", lambda _, x: jnp.zeros(x.shape[:-1])
    )
    assert not any(keeps())


def test_it_crosses_between_modes():
    """Two patterns of five bits, all on and all off, with nothing likely between."""
    half = jnp.full(5, 0.5)
    parameters = rbm.Parameters(jnp.full((5, 1), 10.0), half * -10, jnp.zeros(1))
    machine = rbm.Rbm(parameters, half, Binary(1))
    # Both are equally likely, and a double step crosses with a probability below 1e-10.
    np.testing.assert_allclose(rbm.occupancy(machine), 0.5, atol=1e-3)

    def share(negative):
        x = jnp.zeros((*negative.chains, 5), bool)
        x_end, _ = jax.jit(negative.moments)(machine, jax.random.key(0), x)
        return np.asarray(x_end).reshape(-1, 400, 5)[-1].mean()

    # Five errors of 400 independent halves.
    assert share(TemperedChains(6, 400, 60)) == pytest.approx(0.5, abs=0.125)
    # Control: chains without exchange.
    assert share(ManyChains(400, 60)) < 0.01
