"""What the cut of the gradient does: `python -m experiments.horizon --out DIR`."""

from experiments.command.signals import leave_at_interrupt

if __name__ == "__main__":
    leave_at_interrupt()

from experiments.command.devices import use_all_cores
from experiments.command.errors import reports_user_errors
from experiments.horizon.command import main

if __name__ == "__main__":
    use_all_cores()
    reports_user_errors(main)()
