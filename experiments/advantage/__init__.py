"""Where irreversibility pays: binary latent cycles beside RBMs and belief networks."""
