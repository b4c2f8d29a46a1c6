"""The peers, and the data that they and the library are trained on."""

import importlib
from types import SimpleNamespace

import numpy as np
import pytest

from .systems import D

PEERS = ("numpy_one", "torch_one", "torch_batched")


@pytest.fixture(params=PEERS)
def peer(request):
    """A peer: its module; `array`, which makes its arrays; `stack`, from two models'.

    A peer that trains one model at a time gets the first of the two; `unstack` turns
    its results into a list of the models that it was given.
    """
    to_array = np.asarray
    if request.param != "numpy_one":
        torch = pytest.importorskip("torch", reason="PyTorch is in the extra `bench`")
        to_array = torch.from_numpy
    batched = request.param == "torch_batched"

    def stack(arrays, axis=0):
        arrays = [np.array(array) for array in arrays]
        return to_array(np.stack(arrays, axis) if batched else arrays[0])

    def unstack(value, axis=0):
        value = np.moveaxis(np.asarray(value), axis, 0) if batched else [value]
        return [np.asarray(array) for array in value]

    module = importlib.import_module(f"benchmarks.peers.{request.param}")
    return SimpleNamespace(
        name=request.param, module=module, array=to_array, stack=stack, unstack=unstack
    )


@pytest.fixture(scope="module")
def x():
    """A mixture of three noisy patterns of nine bits."""
    rng = np.random.default_rng(0)
    patterns = np.array([[1] * 5 + [0] * 4, [0] * 4 + [1] * 5, [1, 0, 1] * 3])
    return (patterns[rng.integers(0, 3, 500)] ^ (rng.random((500, D)) < 0.1)) > 0
