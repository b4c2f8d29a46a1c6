"""Worked examples that use the library alone: `python -m examples.NAME`."""
