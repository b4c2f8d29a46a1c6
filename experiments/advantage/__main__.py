"""Latent cycles beside RBMs: `python -m experiments.advantage --out DIR`."""

from experiments.command.signals import leave_at_interrupt

if __name__ == "__main__":
    leave_at_interrupt()

from experiments.advantage.command import command

if __name__ == "__main__":
    command()
