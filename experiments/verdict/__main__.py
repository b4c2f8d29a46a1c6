"""Judge the paper's findings: `python -m experiments.verdict --out runs/verdict`."""

from experiments.command.signals import leave_at_interrupt

if __name__ == "__main__":
    leave_at_interrupt()

from experiments.command.devices import use_all_cores
from experiments.command.errors import reports_user_errors
from experiments.verdict.command import main

if __name__ == "__main__":
    use_all_cores()
    reports_user_errors(main)()
