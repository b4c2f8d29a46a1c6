"""Driven oscillator networks (arXiv 2506.19136)."""
