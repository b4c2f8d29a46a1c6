"""Random RBMs, and the brute-force system that each one is."""

from nelc_jax.baselines import rbm

from .. import reference


def random_rbm(kind, num_visible=5, num_units=3, seed=5):
    """The system of `reference.random_system` with w_bar tied to w, and its RBM."""
    system = reference.random_system(kind, num_visible, num_units, seed)
    # Half the weights: the joint law has both matrices in one, and still mixes.
    w = 0.5 * system.w
    system = system.replace(w=w, w_bar=w.T)
    model = reference.to_model(system)
    p = model.parameters
    return system, rbm.Rbm(
        rbm.Parameters(p.w, p.a, p.a_bar), model.x_mean, model.latent
    )
