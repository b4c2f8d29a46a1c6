"""Data sets of zeros and ones."""
