"""Pictures of a model: functions of an axes and arrays that return what they drew.

Import it by name, `import nelc_jax.plot`; it needs matplotlib, the extra `plot`.
"""

try:
    import matplotlib as _  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "nelc_jax.plot needs matplotlib: pip install 'nelc_jax[plot]'", name=error.name
    ) from None

from .cycle import CycleGraph, cycle_graph, cycle_order
from .kernel import kernel_map
from .samples import sample_grid, trajectories
from .style import state_colours

__all__ = [
    "CycleGraph",
    "cycle_graph",
    "cycle_order",
    "kernel_map",
    "sample_grid",
    "state_colours",
    "trajectories",
]
