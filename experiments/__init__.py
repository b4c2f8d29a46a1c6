"""Runnable experiments: data in, run directories with tables and figures out."""

import sys

from experiments.command.signals import leave_at_interrupt

# While Python looks for the module of `python -m experiments.X`, and only then: its
# imports take seconds, in which Ctrl-C would end in a traceback.
if sys.argv[:1] == ["-m"]:
    leave_at_interrupt()
