"""Nonequilibrium latent cycles in JAX."""
