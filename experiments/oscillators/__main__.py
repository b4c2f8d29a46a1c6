"""The second paper in one command: oscillator networks that generate data."""

from experiments.command.signals import leave_at_interrupt

if __name__ == "__main__":
    leave_at_interrupt()

from experiments.oscillators.command import command

if __name__ == "__main__":
    command()
