"""Deeper loops on digits: `python -m experiments.loops --out DIR`."""

from experiments.command.signals import leave_at_interrupt

if __name__ == "__main__":
    leave_at_interrupt()

from experiments.loops.command import command

if __name__ == "__main__":
    command()
