"""Edges of the domain: smallest sizes, extreme weights, other dtypes; right answers.

References are NumPy in double precision, enumerations by `reference`, or the same call
with an ordinary input. One program a test at most: most calls are eager.
"""
