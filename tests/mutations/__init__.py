"""Deliberate faults and whether the tests catch them: `python -m tests.mutations`."""
