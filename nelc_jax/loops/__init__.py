"""Deeper loops, x -> z_1 -> ... -> z_{K-1} -> x, with K kernels of their own.

K = 2 is the paper's model. Layers are latent spaces, of any kinds; the visible one is
`Binary(D)`. `DeepCycles` is the rule that trains a `Loop`, `summarize_loop` measures
it, and `EnumeratedLoop` knows all about a small one. Derivations: docs/loops.md.
"""

from .enumerated import EnumeratedLoop
from .gradient import LoopGradient
from .model import Kernel, Loop, init_loop
from .rule import DeepCycles
from .sampling import Turns, sample_loop
from .summary import LoopSummary, summarize_loop

__all__ = [
    "DeepCycles",
    "EnumeratedLoop",
    "Kernel",
    "Loop",
    "LoopGradient",
    "LoopSummary",
    "Turns",
    "init_loop",
    "sample_loop",
    "summarize_loop",
]
