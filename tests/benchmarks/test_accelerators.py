"""Programs for devices that are not here, and what is counted in compiled ones."""

import json
import sys
from functools import partial

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.accelerators import __main__ as command
from benchmarks.accelerators.compilers import Failure, compiled, environment
from benchmarks.accelerators.launches import Count, step_count
from benchmarks.accelerators.programs import PLATFORMS, Sizes, export_training
from nelc_jax import Cycles, OneHot, TrajectoryGradient, ensemble

SIZES = Sizes(members=3, steps=2, num_points=7, num_visible=6)


def rule(parallel=None):
    return Cycles(OneHot(3), TrajectoryGradient(5, parallel=parallel))


def loops(platform, parallel=None):
    exported = export_training(rule(parallel), SIZES, platform)
    assert exported.platforms == (platform,)
    return exported.mlir_module().count("stablehlo.while")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_accelerators_draw_the_chain_at_once(platform):
    """Loops over the gradient steps and the chunks, and none over the chain's."""
    assert loops(platform) == loops(platform, parallel=True)
    assert loops(platform) + 1 == loops(platform, parallel=False)


def test_an_exported_program_trains(x):
    """That of a CPU can be run here: the members of `ensemble.train`."""
    # What is compiled for this machine alone is not exported.
    trained_by = rule(parallel=True)
    x = x[:7, :6]
    start = ensemble.init(trained_by, jax.random.key(0), jnp.arange(3), jnp.asarray(x))
    sizes = jnp.array([5, 200])
    exported = export_training(trained_by, SIZES, "cpu")
    kept = jax.export.deserialize(exported.serialize())
    arrays = [_words(leaf) for leaf in jax.tree.leaves(start)]
    ends, infos = jax.jit(kept.call)(arrays, x, sizes)
    expected = jax.jit(partial(ensemble.train, trained_by))(
        start, jnp.asarray(x), sizes
    )
    for found, right in zip((*ends, *infos), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(found, _words(right), rtol=1e-4, atol=1e-5)
    # Control: it has moved.
    assert abs(ends[0] - arrays[0]).max() > 1e-3


def _words(leaf):
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(leaf) if is_key else leaf


COMPILED = """\
HloModule jit_train, is_scheduled=true

%inner (p: (s32[], f32[2,3])) -> (s32[], f32[2,3]) {
  %p = (s32[], f32[2,3]{1,0:T(8,128)S(1)}) parameter(0)
  %kernel.1 = f32[2,3]{1,0} fusion(%p), kind=kLoop, calls=%fused
  ROOT %t = (s32[], f32[2,3]{1,0}) tuple(%p, %kernel.1)
}

%more (p.1: (s32[], f32[2,3])) -> pred[] {
  %p.1 = (s32[], f32[2,3]{1,0}) parameter(0)
  ROOT %less = pred[] fusion(%p.1), kind=kLoop, calls=%fused
}

%four (p.3: (s32[], f32[2,3])) -> pred[] {
  %p.3 = (s32[], f32[2,3]{1,0}) parameter(0)
  %at = s32[] get-tuple-element(%p.3), index=0
  %bound = s32[]{:T(128)} constant(4)
  ROOT %lt = pred[]{:T(512)} compare(%at, %bound), direction=LT
}

%step (p.2: (s32[], f32[2,3])) -> (s32[], f32[2,3]) {
  %p.2 = (s32[], f32[2,3]{1,0}) parameter(0)
  %gte = s32[] get-tuple-element(%p.2), index=0
  %dot = (f32[2,3]{1,0}, s8[4194304]{0}) custom-call(%gte), custom_call_target="gemm"
  %copy-start = (f32[2,3]{1,0}, f32[2,3]{1,0}, u32[]) copy-start(%dot)
  %copy-done = f32[2,3]{1,0} copy-done(%copy-start)
  %chain = (s32[], f32[2,3]{1,0}) while(%p.2), condition=%more, body=%inner, \
backend_config={"known_trip_count":{"n":"5"}}
  %chunks = (s32[], f32[2,3]{1,0}) while(%chain), condition=%more, body=%inner
  %four_times = (s32[], f32[2,3]{1,0}) while(%chunks), condition=%four, body=%inner
  %cast = (s32[], f32[2,3]{1,0}) bitcast(%four_times)
  ROOT %both = (s32[], f32[2,3]{1,0}) call(%cast), to_apply=%inner
}

ENTRY %main (a: f32[2,3]) -> (s32[], f32[2,3]) {
  %a = f32[2,3]{1,0} parameter(0)
  %before = (s32[], f32[2,3]{1,0}) fusion(%a), kind=kLoop, calls=%fused
  ROOT %train = (s32[], f32[2,3]{1,0}) while(%before), condition=%more, body=%step, \
backend_config={"known_trip_count":{"n":"30"}}
}
"""


@pytest.mark.parametrize("trips", [0, 3])
def test_step_count(trips):
    """A product, a copy, five and four passes, those of a loop, and what is called.

    The condition of a loop whose length is known is not asked.
    """
    passes = trips + (trips + 1)
    assert step_count(COMPILED, 30, trips) == Count(2 + 5 + 4 + passes + 1, trips + 1)


def test_no_loop_of_so_many_steps():
    with pytest.raises(ValueError, match="0 loops of 31 steps: expected one"):
        step_count(COMPILED, 31, 0)


def test_export_alone(tmp_path, monkeypatch, capsys):
    """Needs no compiler; as small as the tests have it."""
    monkeypatch.setattr(command, "Sizes", lambda members: SIZES)
    found = tmp_path / "found.json"
    arguments = ["accelerators", "--no-compile", "--json", str(found)]
    monkeypatch.setattr(sys, "argv", arguments)
    command.main()
    entries = json.loads(found.read_text())["measurements"]
    assert [entry["platform"] for entry in entries] == list(PLATFORMS)
    assert capsys.readouterr().out.count("exported for") == 3


def test_bad_options(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["accelerators", "--members", "0"])
    with pytest.raises(SystemExit) as stopped:
        command.main()
    assert stopped.value.code == 2
    assert "--members, --batch: expected at least 1" in capsys.readouterr().err


def test_no_place_for_compilers(tmp_path):
    """One line, and nothing half-made."""
    (tmp_path / "file").touch()
    with pytest.raises(Failure, match="compiler of tpu could not be installed"):
        environment("tpu", tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_program_that_does_not_compile(tmp_path):
    with pytest.raises(Failure, match="FileNotFoundError"):
        compiled(sys.executable, "v5e", tmp_path / "none", tmp_path / "text")
