"""What data tell about the currents of the chain that made them (docs/teacher.md).

A teacher with three latent states, a known cycle and a known entropy production makes a
series x(0), x(1), ... of visible states. Students learn from it twice: from consecutive
pairs, by the likelihood of p(x'|x), and from the same points in any order, by the
paper's rule for p(x). The first find the teacher's currents. The second reach the
teacher's likelihood with any.

    python -m examples.cyclic_teacher
"""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jax.scipy.special import logsumexp
from jaxtyping import Array, Bool, Float, Key

from nelc_jax import (
    Cycles,
    Model,
    OneHot,
    Parameters,
    TrajectoryGradient,
    ensemble,
    exact,
    sample_chain,
    set_learning_rate,
)
from nelc_jax.diagnostics import (
    FundamentalCycles,
    currents,
    cycle_states,
    entropy_production_rate,
    fundamental_cycles,
)
from nelc_jax.model import backward_log_probs, forward_log_prob, state_logits

LATENT = OneHot(3, "softmax")
NUM_VISIBLE = 9


def cyclic_teacher(shift: int = 1) -> Model:
    """A model whose latent state z is followed by z + shift (mod 3), most of the time.

    State z turns on the third z of nine units: w = 1 there and -1 elsewhere. p(z|x) is
    the posterior of the mixture that the three states make, with its states renamed by
    `shift`. So p(x) is that mixture for every shift: with 0 the chain is an RBM, with 1
    and 2 it runs around, in opposite directions.
    """
    third = jnp.arange(NUM_VISIBLE) // 3
    w = jnp.where(third[:, None] == jnp.arange(3)[None], 1.0, -1.0)
    return Model(
        Parameters(
            w=w,
            a=jnp.zeros(NUM_VISIBLE),
            w_bar=jnp.roll(w.T, shift, axis=0),
            a_bar=jnp.zeros(3),
        ),
        jnp.mean(jax.nn.sigmoid(w), axis=1),
        LATENT,
    )


@partial(jax.jit, static_argnums=2)
def series(model: Model, key: Key[Array, ""], length: int) -> Bool[Array, "T D"]:
    """Consecutive visible states of the chain, the first 100 left out."""
    start = jnp.zeros(model.num_visible, bool)
    _, trajectory = sample_chain(model, key, start, length + 100)
    return trajectory.x[100:]


def pair_log_prob(model: Model, x: Bool[Array, "T D"]) -> Float[Array, " T-1"]:
    """ln p(x(t + 1)|x(t)) = ln sum_z A_bar[x(t), z] A[z, x(t + 1)], in nats."""
    log_A_bar = backward_log_probs(model, x[:-1])
    log_A = forward_log_prob(model, model.latent.states(), x[1:])
    return logsumexp(log_A_bar + log_A, axis=-1)


@partial(jax.jit, static_argnums=(2, 3))
def fit_pairs(
    key: Key[Array, ""],
    x: Bool[Array, "T D"],
    num_students: int = 3,
    num_steps: int = 200,
) -> tuple[Model, Float[Array, " M"]]:
    """Students that maximise the mean of `pair_log_prob`, and what they reach, in nats.

    Adam with rate 0.05 on the whole series, from the initial weights of App. A1.
    """
    # Any: optax's own type of parameters does not know equinox modules.
    optimizer: Any = optax.adam(0.05)

    def fit(student: Model) -> tuple[Model, Float[Array, ""]]:
        def loss(parameters):
            model = Model(parameters, student.x_mean, student.latent)
            return -jnp.mean(pair_log_prob(model, x))

        def step(carry, _):
            parameters, state = carry
            gradient = jax.grad(loss)(parameters)
            # Eq. 20: the visible bias is a shift of every column of w.
            gradient = eqx.tree_at(lambda g: g.a, gradient, jnp.zeros_like(gradient.a))
            change, state = optimizer.update(gradient, state)
            return (eqx.apply_updates(parameters, change), state), None

        start = student.parameters, optimizer.init(student.parameters)
        (parameters, _), _ = jax.lax.scan(step, start, None, length=num_steps)
        model = Model(parameters, student.x_mean, student.latent)
        return model, -loss(parameters)

    students = ensemble.init(Cycles(LATENT), key, jnp.arange(num_students), x)
    return jax.vmap(fit)(students.model)


@partial(jax.jit, static_argnums=2)
def train_on_points(
    key: Key[Array, ""], x: Bool[Array, "N D"], num_students: int = 24
) -> Model:
    """Students of p(x), by the two-step rule of the paper with the exact score.

    1000 steps at rate 0.1, at which they wander, and 1000 at 0.01, where they settle.
    """
    rule = Cycles(LATENT, TrajectoryGradient(score="exact"))

    def train(states, rate):
        states = set_learning_rate(states, rate)
        return ensemble.train(rule, states, x, jnp.full(1000, 160))[0], None

    states = ensemble.init(rule, key, jnp.arange(num_students), x)
    states, _ = jax.lax.scan(train, states, jnp.array([0.1, 0.01]))
    return states.model


@jax.jit
def irreversibility(model: Model) -> Float[Array, "2"]:
    """The entropy production rate of the latent chain and its net current, exact.

    In nats per double step, and in jumps 0 -> 1 per double step in the numbering of
    `model`. With three states there is one cycle: all of it has this current.
    """
    M = exact.latent_kernel(model)
    p_bar = exact.latent_distribution(model)
    return jnp.stack([entropy_production_rate(M, p_bar), currents(M, p_bar)[0, 1]])


@jax.jit
def standard_errors(model: Model, x: Bool[Array, "T D"]) -> Float[Array, "2"]:
    """The errors of `irreversibility` where `fit_pairs` found the model.

    The roots of the diagonal of G I^-1 G^T, with G the derivative with respect to the
    parameters and I the sum over the pairs of the outer product of their scores.
    Directions that change no probability are left out: G has no part in them.
    """
    flat, unflatten = ravel_pytree(model.parameters)

    def at(vector) -> Model:
        return Model(unflatten(vector), model.x_mean, model.latent)

    def log_prob(vector, pair):
        return pair_log_prob(at(vector), pair)[0]

    pairs = jnp.stack([x[:-1], x[1:]], axis=1)
    scores = jax.vmap(jax.grad(log_prob), in_axes=(None, 0))(flat, pairs)
    G = jax.jacrev(lambda vector: irreversibility(at(vector)))(flat)
    inverse = jnp.linalg.pinv(scores.T @ scores, rtol=1e-5, hermitian=True)
    return jnp.sqrt(jnp.diagonal(G @ inverse @ G.T))


@jax.jit
def compare_laws(
    students: Model, teacher: Model, x: Bool[Array, "N D"]
) -> tuple[Float[Array, " M"], Float[Array, " M"]]:
    """The students' likelihood above the teacher's in nats a point, and their sigma."""

    def of(model):
        return exact.log_likelihood(model, x), irreversibility(model)[0]

    reached, rates = jax.vmap(of)(students)
    return reached - exact.log_likelihood(teacher, x), rates


@jax.jit
def best(models: Model, log_likelihoods: Float[Array, " M"]) -> Model:
    """The model of the highest likelihood."""
    return jax.tree.map(lambda array: array[jnp.argmax(log_likelihoods)], models)


@jax.jit
def matched(model: Model, teacher: Model) -> Model:
    """The model with its latent states numbered as those of the teacher.

    States go by what they generate: each teacher's state takes the nearest mean.
    """
    mine, its = (jax.nn.sigmoid(state_logits(m)) for m in (model, teacher))
    order = jnp.argmin(jnp.sum((its[:, None] - mine[None]) ** 2, axis=-1), axis=1)
    p = model.parameters
    numbered = Parameters(p.w[:, order], p.a, p.w_bar[order], p.a_bar[order])
    return Model(numbered, model.x_mean, model.latent)


def dominant_cycle(model: Model) -> list[int]:
    """The states of the largest cycle in the order of its current, 0 first."""
    states = cycle_states(_cycles(model), 0)
    first = states.index(0)
    return states[first:] + states[:first]


@jax.jit
def _cycles(model: Model) -> FundamentalCycles:
    log_M = jnp.log(exact.latent_kernel(model))
    return fundamental_cycles(log_M, exact.latent_distribution(model))


def main() -> None:
    """Print what is found from the series, its controls, and the points alone."""
    teacher = cyclic_teacher()
    series_key, shuffle_key, fit_key, points_key = jax.random.split(
        jax.random.key(0), 4
    )
    x = series(teacher, series_key, 8192)
    shuffled = jax.random.permutation(shuffle_key, x)
    rate, current = irreversibility(teacher)
    print(
        f"teacher: sigma {rate:.3f} nats per double step, current 0 -> 1 "
        f"{current:.4f}, cycle {dominant_cycle(teacher)}"
    )
    for name, points in (("series", x), ("reversed", x[::-1]), ("shuffled", shuffled)):
        student = matched(best(*fit_pairs(fit_key, points)), teacher)
        rate, current = irreversibility(student)
        errors = standard_errors(student, points)
        print(
            f"pairs, {name}: sigma {rate:.3f} +- {errors[0]:.3f}, current 0 -> 1 "
            f"{current:.4f} +- {errors[1]:.4f}, cycle {dominant_cycle(student)}"
        )
    students = train_on_points(points_key, shuffled)
    excess, rates = compare_laws(students, teacher, shuffled)
    print(
        f"points, {len(rates)} students: likelihood {excess.min():.4f} to "
        f"{excess.max():.4f} nats above the teacher's, sigma {rates.min():.3f} to "
        f"{rates.max():.3f}"
    )


if __name__ == "__main__":
    main()
