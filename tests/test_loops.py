"""The public functions within a user's own `shard_map`, its check on."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from nelc_jax import (
    Cycles,
    OneHot,
    TrajectoryGradient,
    diagnostics,
    summarize,
    train,
)

from . import reference
from .bad_input.calls import CALLS, OBJECTS, call
from .bad_input.cases import is_array, several

pytestmark = pytest.mark.usefixtures("unchecked", "two_devices")

PUBLIC = [name for name in CALLS if not name.startswith("_")]
HOST = ("diagnostics.cycles.cycle_states",)
"""Of numbers that are known, outside of any transformation."""

ROWS, ALL = PartitionSpec("rows"), PartitionSpec()


def mesh_of(axis_type):
    return jax.make_mesh((2,), ("rows",), axis_types=(axis_type,))


def traced(name, mesh, differing):
    """Trace a call on a mesh, of whose arguments some differ between the devices."""
    arguments = dict(CALLS[name])
    owner = OBJECTS.get(name.rsplit(".", 1)[0])
    if owner is not None:
        arguments["self"] = owner
    arrays, rest = eqx.partition(arguments, is_array)
    given, specs = {}, {}
    for argument, tree in arrays.items():
        split = argument in differing
        specs[argument] = ROWS if split else ALL
        given[argument] = jax.device_put(
            several(tree, 2) if split else tree, NamedSharding(mesh, specs[argument])
        )

    def on_one_device(given):
        one = {
            argument: jax.tree.map(lambda a: a[0], tree)
            if argument in differing
            else tree
            for argument, tree in given.items()
        }
        found = eqx.filter(call(name, **eqx.combine(one, rest)), is_array)
        return jax.tree.map(lambda a: a[None], found)

    spread = jax.shard_map(on_one_device, mesh=mesh, in_specs=(specs,), out_specs=ROWS)
    return jax.eval_shape(spread, given)


@pytest.mark.parametrize(
    ("axis_type", "alone"), [(AxisType.Auto, False), (AxisType.Explicit, True)]
)
def test_every_function_of_arguments_that_differ(axis_type, alone):
    """All arguments differ between the devices, or only the key or the first one."""
    mesh, refused = mesh_of(axis_type), {}
    for name in PUBLIC:
        if name in HOST:
            continue
        names = [*CALLS[name], "self"]
        one = ["key"] if "key" in names else names[:1]
        try:
            traced(name, mesh, one if alone else names)
        except (TypeError, ValueError) as error:
            refused[name] = str(error)[:300]
    assert not refused, refused


def test_a_carry_that_does_not_vary_is_refused_by_jax():
    """What the test above would see."""

    def total(values):
        add = lambda sum, value: (sum + value, None)  # noqa: E731
        return jax.lax.scan(add, jnp.float32(0), values[0])[0][None]

    spread = jax.shard_map(
        total, mesh=mesh_of(AxisType.Auto), in_specs=ROWS, out_specs=ROWS
    )
    with pytest.raises(TypeError, match="manual axis types do not match"):
        jax.eval_shape(spread, jnp.ones((2, 3)))


RULE = Cycles(OneHot(3), TrajectoryGradient(chain_length=4))
KEYS = jax.random.split(jax.random.key(3), 2)


def trained(key, x):
    state, info = train(RULE, RULE.init(key, x), x, jnp.array([4, 20]))
    return info, summarize(state.model, key, x, 1)


def on_one_device(keys, x):
    return jax.vmap(trained, (0, None))(keys, x)


@pytest.fixture(scope="module")
def outside(x):
    return jax.jit(on_one_device)(KEYS, x)


@pytest.mark.parametrize("axis_type", [AxisType.Auto, AxisType.Explicit])
def test_the_results_are_those_outside(axis_type, x, outside):
    mesh = mesh_of(axis_type)
    spread = jax.shard_map(
        on_one_device, mesh=mesh, in_specs=(ROWS, ALL), out_specs=ROWS
    )
    placed = jax.device_put(
        (KEYS, x), tuple(NamedSharding(mesh, s) for s in (ROWS, ALL))
    )
    found = jax.jit(spread)(*placed)
    for one, other in zip(*map(jax.tree.leaves, (found, outside)), strict=True):
        # Sums of hundreds of terms, batched in another way.
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_results_stay_equal_where_the_arguments_are(data):
    """A result that does not vary may leave by a specification that says so."""
    model = reference.to_model(reference.random_system("sigmoid"))
    keys = jax.random.split(jax.random.key(0), 2)

    def measured(keys, model, x):
        both = (summarize(model, jax.random.key(1), x, 1), keys[0])
        return both[0], jax.random.key_data(both[1])[None]

    spread = jax.shard_map(
        measured,
        mesh=mesh_of(AxisType.Auto),
        in_specs=(ROWS, ALL, ALL),
        out_specs=(ALL, ROWS),
    )
    jax.eval_shape(spread, keys, model, jnp.asarray(data))


def test_derivatives_through_draws_of_models_that_differ():
    """What `summarize` leaves to the law of its draws varies as the model does."""
    systems = [reference.random_system("sigmoid", seed=seed) for seed in (0, 1)]
    models = jax.tree.map(
        lambda *leaves: jnp.stack(leaves), *map(reference.to_model, systems)
    )

    def log_transition(model):
        found = diagnostics.average_log_transitions(model, KEYS[0], 16)
        return found[0, 1]

    def both(models):
        derivative = jax.grad(log_transition)(jax.tree.map(lambda a: a[0], models))
        return jax.tree.map(lambda a: a[None], derivative)

    spread = jax.shard_map(
        both, mesh=mesh_of(AxisType.Auto), in_specs=ROWS, out_specs=ROWS
    )
    jax.eval_shape(spread, models)
