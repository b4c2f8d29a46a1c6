"""Judge the paper's findings: `python -m experiments.verdict --out runs/verdict`."""

from experiments.command.signals import leave_at_interrupt

if __name__ == "__main__":
    leave_at_interrupt()

from experiments.verdict.command import command

if __name__ == "__main__":
    command()
