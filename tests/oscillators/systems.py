"""Small networks and data that the tests of the oscillators share."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from nelc_jax.oscillators import (
    Bath,
    Generation,
    Hidden,
    HiddenNetwork,
    HiddenParameters,
    Noising,
    Protocol,
    Quartic,
    QuarticNetwork,
    TwoState,
)

BATH = Bath(0.7, 0.6)
NOISING = Noising(1.3, BATH, 0.05, 3.0)
"""No constant is 1, so that none can be forgotten."""

GENERATION = Generation(NOISING, Bath(1.9, 0.4), 1.7)


def random_potential(num, seed=0):
    rng = np.random.default_rng(seed)
    return Quartic(
        jnp.asarray(rng.normal(size=num)),
        jnp.asarray(rng.normal(size=num)),
        jnp.asarray(rng.uniform(0.2, 1, num)),
        # Entries that are not above the diagonal must not matter.
        jnp.asarray(rng.normal(size=(num, num))),
    )


def random_hidden(num, hidden=3, seed=0, element=TwoState()):  # noqa: B008, immutable
    """With couplings between the visible, and as hot as nothing else."""
    rng = np.random.default_rng(seed + 100)
    return Hidden(
        random_potential(num, seed),
        jnp.asarray(rng.normal(size=hidden)),
        jnp.asarray(rng.normal(size=(hidden, num))),
        jnp.asarray(0.7),
        element,
    )


def trapped_hidden(temperature, element=TwoState()):  # noqa: B008, immutable
    """One visible oscillator in a trap of stiffness 2, with three hidden ones."""
    p = random_hidden(1, element=element)
    visible = Quartic(jnp.zeros(1), jnp.full(1, 2.0), jnp.zeros(1))
    changed = visible, jnp.asarray(temperature)
    return eqx.tree_at(lambda p: (p.visible, p.temperature), p, changed)


def visible_moments(p, temperature):
    """Mean and second moment of x in exp(-V(x) / kT) on a grid."""
    x = np.linspace(-8, 8, 4001)
    energy = np.asarray(jax.jit(jax.vmap(p.energy))(jnp.asarray(x)[:, None]))
    weights = np.exp(-(energy - energy.min()) / temperature)
    weights /= weights.sum()
    return weights @ x, weights @ x**2


def stack(potentials):
    """Potentials one after the other, as the knots of a protocol."""
    return jax.tree.map(lambda *arrays: jnp.asarray(np.stack(arrays)), *potentials)


def moving_protocol():
    """From one random potential to another within a time of 0.8."""
    pair = [random_potential(3, seed) for seed in (1, 2)]
    return Protocol(jnp.asarray([0.0, 0.8]), stack(pair))


def moving_trap(duration, start, end):
    """One oscillator in a trap whose stiffness changes at an even speed."""
    pair = [Quartic.trap(1, stiffness) for stiffness in (start, end)]
    return Protocol(jnp.asarray([0.0, duration]), stack(pair))


def random_network(num, knots=4, seed=0, generation=GENERATION):
    rng = np.random.default_rng(seed)
    pairs = np.triu(rng.random((num, num)) < 0.7, 1)
    noising = generation.noising
    times = jnp.asarray(np.linspace(noising.latest, noising.earliest, knots))
    parameters = Quartic(
        *(jnp.asarray(rng.normal(size=(knots, num))) for _ in range(3)),
        jnp.asarray(rng.normal(size=(knots, num, num))),
    )
    return QuarticNetwork(generation, times, jnp.asarray(pairs)), parameters


def random_hidden_network(num, hidden=3, knots=4, seed=0, element=TwoState()):  # noqa: B008, immutable
    """Some of the springs are missing."""
    rng = np.random.default_rng(seed)
    network, visible = random_network(num, knots, seed)
    springs = rng.random((hidden, num)) < 0.7
    parameters = HiddenParameters(
        visible,
        jnp.asarray(rng.normal(size=(knots, hidden))),
        jnp.asarray(rng.normal(size=(knots, hidden, num))),
    )
    return (
        HiddenNetwork(
            network.generation,
            network.knots,
            jnp.asarray(springs),
            network.pairs,
            element,
        ),
        parameters,
    )
