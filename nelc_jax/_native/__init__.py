"""The chain and the training of one-hot cycles on a CPU, in C compiled at first use.

`cycles.c` does what XLA's programs do, with the same random numbers; `compiler` makes a
library of it and keeps it in the user's cache; `calls` are its functions in JAX. Where
there is no compiler, or for a model that the C does not cover, XLA runs as ever.
"""
