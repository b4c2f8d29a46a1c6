import jax
import jax.numpy as jnp
import numpy as np

from experiments.oscillators import device
from nelc_jax.oscillators import Hidden, Protocol, Quartic


def test_faults_of_devices():
    """Springs off by the same at all knots; controls of b bits have 2^b levels."""
    A = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 40, 50)))
    wells = Quartic(*(A[..., 0, :] for _ in range(3)))
    kT = jnp.ones((2, 3))
    several = jax.vmap(lambda times, *parts: Protocol(times, Hidden(*parts)))
    protocols = several(kT, wells, A[..., 0], A, kT)
    off = device.springs_off(protocols, jax.random.key(0), 0.1).potential
    errors = np.asarray(off.A) / np.asarray(A) - 1
    same = np.broadcast_to(errors[:, :1], errors.shape)
    np.testing.assert_allclose(errors, same, rtol=0, atol=1e-4)
    # Of 4000 normal numbers: known to 1.1 %.
    assert abs(errors[:, 0].std() / 0.1 - 1) < 0.06
    found = np.asarray(device.rounded(protocols, 4).potential.A)
    step = np.ptp(A, axis=(2, 3), keepdims=True) / 15
    assert (np.abs(found - A) <= step / 2 * 1.001).all()
    assert len(np.unique(np.round(found[0, 0], 4))) <= 16
