"""The currents of a known chain are found from a series, and not from its points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import cyclic_teacher as example
from nelc_jax import exact

LENGTH = 4096
TEACHER = example.cyclic_teacher()


@pytest.fixture(scope="module")
def x():
    return example.series(TEACHER, jax.random.key(0), LENGTH)


def recovered(x):
    """The best student in the teacher's numbering, what it has, and the errors."""
    student, reached = example.fit_pairs(jax.random.key(1), x)
    # No student is stuck: the optimum is one, up to the numbering.
    assert np.ptp(reached) < 1e-4
    student = example.matched(example.best(student, reached), TEACHER)
    found = example.irreversibility(student)
    return student, np.asarray(found), np.asarray(example.standard_errors(student, x))


def test_three_chains_with_the_same_points():
    chains = [example.cyclic_teacher(shift) for shift in range(3)]
    law = jax.jit(exact.visible_distribution)
    laws = [law(chain) for chain in chains]
    # Two laws, each of ln p(x|z) of up to 12, summed over nine pixels.
    rtol = 2 * 9 * 12 * np.finfo(np.float32).eps
    for other in laws[1:]:
        np.testing.assert_allclose(other, laws[0], rtol=rtol)
    rates, currents = np.array([example.irreversibility(chain) for chain in chains]).T
    np.testing.assert_allclose(rates, [0, 1.0352, 1.0352], atol=1e-4)
    np.testing.assert_allclose(currents, [0, 0.2011, -0.2011], atol=1e-4)
    assert example.dominant_cycle(chains[1]) == [0, 1, 2]
    assert example.dominant_cycle(chains[2]) == [0, 2, 1]


def test_a_series_gives_sigma_and_the_cycle(x):
    truth = example.irreversibility(TEACHER)
    deviations = []
    for seed in range(3):
        points = example.series(TEACHER, jax.random.key(seed), LENGTH) if seed else x
        student, found, error = recovered(points)
        assert example.dominant_cycle(student) == [0, 1, 2]
        # Errors of 4 % and 2 %: what is found is worth something.
        np.testing.assert_allclose(error, [0.038, 0.0031], rtol=0.15)
        deviations.append((found - truth) / error)
    # Chi-square, three degrees of freedom: exceeded once in 10 000 by chance.
    assert (np.square(deviations).sum(axis=0) < 21.1).all()


def test_backwards_in_time_the_cycle_turns_round(x):
    student, found, error = recovered(x[::-1])
    truth = example.irreversibility(TEACHER) * jnp.array([1, -1])
    assert (np.abs(found - truth) < 4 * error).all()
    assert example.dominant_cycle(student) == [0, 2, 1]


def test_shuffled_the_series_has_no_cycle(x):
    _, (rate, current), (_, error) = recovered(
        jax.random.permutation(jax.random.key(2), x)
    )
    assert rate < 0.01
    assert abs(current) < 4 * error
    assert abs(current - 0.2011) > 30 * error


def test_points_alone_leave_sigma_free(x):
    students = example.train_on_points(jax.random.key(1), x, num_students=12)
    excess, rates = example.compare_laws(students, TEACHER, x)
    # As good as the teacher, whose own likelihood has a standard error of 0.014 nats.
    assert (np.abs(excess) < 0.01).all()
    # Not half the teacher's 1.035. Which student has least is up to rounding.
    assert rates.min() < 0.5
    assert rates.max() - rates.min() > 0.3
