"""Axes are bound as jaxtyping binds them, by arguments and by the fields of modules."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
import scipy.sparse
from jaxtyping import Array, Complex, Float, Int

from nelc_jax import OneHot
from nelc_jax._checks import checked


class Layer(eqx.Module):
    bias: Float[Array, " D"]
    weights: Float[Array, "D K"]


class Stack(eqx.Module):
    layer: Layer
    latent: OneHot
    scale: Float[Array, ""] | float = 1.0
    offsets: Float[Array, " K"] | None = None


@pytest.fixture(autouse=True, params=[False, True], ids=["hooked", "disabled"])
def whether_jaxtyping_checks(request):
    """Its import hook wraps the functions of the checks too, in scopes of their own."""
    jaxtyping.config.update("jaxtyping_disable", request.param)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@checked
def refine(knots: Float[Array, "C B"], forces: Float[Array, "C+1 2*B n"]):
    return knots.sum() + forces.sum()


@checked
def apply(stack: Stack, x: Float[Array, "N D"], z: Float[Array, "*b L"] | None = None):
    return x @ stack.layer.weights


def stack(D=2, K=3, L=4, **named):
    return Stack(Layer(jnp.ones(D), jnp.ones((D, K))), OneHot(L), **named)


def fails(message, function, *arguments, error=ValueError):
    with pytest.raises(error) as caught:
        function(*arguments)
    assert str(caught.value) == message


def test_axes_computed_from_others():
    knots = jnp.ones((3, 5))
    refine(knots, jnp.ones((4, 10, 2)))
    expected = "expected (C+1, 2*B, n) with C=3 (knots), B=5 (knots)"
    for shape in ((3, 10, 2), (4, 5, 2), (5, 10, 2), (4, 11, 2)):
        fails(f"forces.shape={shape}: {expected}", refine, knots, jnp.ones(shape))
    vmapped = f"forces.shape=(1, 4, 10, 2): {expected}; jax.vmap maps over other axes"
    fails(vmapped, refine, knots, jnp.ones((1, 4, 10, 2)))


def test_axes_of_fields():
    apply(stack(), jnp.ones((6, 2)), jnp.ones((7, 8, 4)))
    of_bias = "with D=2 (stack.layer.bias)"
    fails(
        f"x.shape=(6, 3): expected (N, D) {of_bias}", apply, stack(), jnp.ones((6, 3))
    )
    broken = eqx.tree_at(lambda s: s.layer.weights, stack(), jnp.ones((3, 3)))
    found = "stack.layer.weights.shape=(3, 3)"
    fails(f"{found}: expected (D, K) {of_bias}", apply, broken, jnp.ones((6, 2)))
    fails(
        "stack.offsets.shape=(2,): expected (K,) with K=3 (stack.layer.weights)",
        *(apply, stack(offsets=jnp.ones(2)), jnp.ones((6, 2))),
    )
    fails(
        "z.shape=(6, 3): expected (*b, L) with L=4 (stack.latent.num_units)",
        *(apply, stack(), jnp.ones((6, 2)), jnp.ones((6, 3))),
    )


def test_several_axes_and_choices():
    @checked
    def mix(
        h: Float[Array, "*b n"],
        w: Float[Array, " n"] | Float[Array, ""] | float,
        z: Int[Array, "*b"],
    ):
        return h

    h = jnp.ones((2, 3, 4))
    for w in (jnp.ones(4), jnp.float32(1), 1, 1.0, np.ones(4)):
        mix(h, w, jnp.ones((2, 3), np.uint8))
    more = "; jax.vmap maps over other axes"
    expected = f"expected (n,) with n=4 (h) or (){more}"
    fails(f"w.shape=(3,): {expected}", mix, h, jnp.ones(3), 0)
    expected = f"expected (*b,) with b=2x3 (h){more}"
    fails(f"z.shape=(3, 2): {expected}", mix, h, 1, jnp.ones((3, 2), int))


def test_names_are_of_one_call():
    """Neither of a caller, nor of a call that failed."""

    @checked
    def outer(x: Float[Array, "N D"], y: Float[Array, "D N"]):
        apply(stack(D=5), jnp.ones((7, 5)))
        fails(
            "x.shape=(1,): expected (N, D) with D=2 (stack.layer.bias)",
            *(apply, stack(), jnp.ones(1)),
        )
        return x @ y

    with jaxtyping.jaxtyped("context"):
        assert isinstance(jnp.ones((9, 8)), Float[Array, "N D"])
        for size in (2, 3):
            outer(jnp.ones((4, size)), jnp.ones((size, 4)))
        assert not isinstance(jnp.ones((4, 2)), Float[Array, "N D"])


def test_what_is_traced_or_has_no_values():
    shape = jax.ShapeDtypeStruct((4, 10, 2), jnp.float32)
    jax.eval_shape(refine, jax.ShapeDtypeStruct((3, 5), jnp.float32), shape)
    message = re.escape("forces.shape=(4, 10, 2): expected (C+1, 2*B, n) with C=2")
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(refine, jax.ShapeDtypeStruct((2, 5), jnp.float32), shape)
    batch = jnp.ones((6, 3, 5)), jnp.ones((6, 4, 10, 2))
    assert jax.vmap(refine)(*batch).shape == (6,)
    arguments = batch[0][0], batch[1][0]
    plain = jax.make_jaxpr(refine.__wrapped__)(*arguments)
    assert str(jax.make_jaxpr(refine)(*arguments)) == str(plain)


def test_kinds_that_no_table_names():
    @checked
    def spectrum(modes: Complex[Array, " K"]):
        return modes

    spectrum(jnp.ones(3, complex))
    fails(
        "modes.dtype=float32: expected Complex", spectrum, jnp.ones(3), error=TypeError
    )
    fails(
        "stack=float32[3]: expected a " + Stack.__module__ + ".Stack",
        *(apply, jnp.ones(3), jnp.ones(3)),
        error=TypeError,
    )


class Tensor:
    """As torch's: it has a shape, and a dtype that NumPy does not know."""

    shape, dtype = (3, 2), "torch.float32"

    def detach(self):
        return self


def test_arrays_of_other_libraries_get_a_way_out():
    of_two = stack()
    for value, call in (
        (scipy.sparse.csr_array(np.ones((3, 2), np.float32)), "x.toarray()"),
        (scipy.sparse.coo_matrix(np.ones((3, 2), np.float32)), "x.toarray()"),
        (Tensor(), "x.detach().cpu().numpy()"),
    ):
        with pytest.raises(TypeError) as caught:
            apply(of_two, value)
        assert str(caught.value).endswith(f">: give {call}")
        assert "\n" not in str(caught.value)
