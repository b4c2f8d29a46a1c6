"""Settings that no memory could hold are refused before anything is written."""

import jax

from experiments.command.memory import check_memory
from experiments.command.options import check_count
from experiments.data.dataset import Dataset
from experiments.training.settings import Settings


def check_sizes(settings: Settings, dataset: Dataset) -> None:
    """Check that the numbers of a training fit into memory, and into 31 bits.

    Each is held alone against what it needs at the very least, in any estimator.

    **Raises:** `UserError` naming the option, what it would need and what there is.
    """
    visible, latent = dataset.x.shape[1], settings.units
    own = -(-settings.models // jax.process_count())
    at_once = min(own, settings.members_at_once or own)
    columns = 10
    needs = {
        # Two matrices a model, of single precision, and their mean squares.
        "units": 16 * visible * latent,
        "models": own * 16 * visible * latent,
        "epochs": settings.epochs * (8 + 4 * columns * own),
        # The size of a mini-batch, a likelihood, and whether numbers are finite.
        "steps_per_epoch": settings.steps_per_epoch * (8 + 5 * at_once),
        # The fields of the latent units, and the pixels as bits.
        "chain_length": at_once * settings.chain_length * (4 * latent + visible // 8),
    }
    for name, num_bytes in needs.items():
        value = getattr(settings, name)
        check_memory(f"--{name.replace('_', '-')} {value}", num_bytes)
        check_count(**{name: value})
