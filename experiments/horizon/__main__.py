"""What the cut of the gradient does: `python -m experiments.horizon --out DIR`."""

from experiments.command.signals import leave_at_interrupt

if __name__ == "__main__":
    leave_at_interrupt()

from experiments.horizon.command import command

if __name__ == "__main__":
    command()
