import numpy as np
import pytest

from experiments.report.numbers import plain, quantiles, typeset, with_error


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([4, 1, 3, 2, 5], [1, 2, 3, 4, 5]),
        ([1, 2], [1, 1.25, 1.5, 1.75, 2]),
        ([np.nan, 2], [2] * 5),
        ([np.inf, 1, 2, 3, np.inf], [1, 2, 3, np.inf, np.inf]),
        ([np.inf, -np.inf], [-np.inf, -np.inf, -np.inf, np.inf, np.inf]),
        ([np.nan], [np.nan] * 5),
    ],
)
def test_quantiles(values, expected):
    np.testing.assert_array_equal(quantiles(np.array(values)), expected)


@pytest.mark.parametrize(
    ("value", "name", "expected"),
    [
        (np.int64(-3), "one_way_pairs", "-3"),
        (-146.318, "log_likelihood", "-146.32"),
        (123.4, "relaxation_time", "123"),
        (0.5, "relaxation_time", "0.500"),
        (-np.inf, "relaxation_time", "-∞"),
        (np.nan, "relaxation_time", "–"),
    ],
)
def test_values_have_as_many_digits_as_they_need(value, name, expected):
    assert plain(value, name) == expected
    assert typeset(value, name) == expected.replace("-", "−")


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        ("force matching", np.nan, "force matching"),
        (np.int64(4), np.nan, "4"),
        (-1.23456, 0.0123, "−1.23 ± 0.01"),
        (-146.91234, 0.00412, "−146.912 ± 0.004"),
        (2.0, 0.00096, "2.000 ± 0.001"),
        (0.4, 0.96, "0 ± 1"),
        (1234.5, 37.0, "1230 ± 40"),
        (-1.23456, 0.0, "−1.235"),
        (1e-9, 2.3e-10, "1e−09 ± 2e−10"),
        (np.inf, 0.1, "∞"),
        (-np.inf, np.nan, "−∞"),
        (-1.23456, np.nan, "−1.235"),
        (np.nan, 0.1, "–"),
    ],
)
def test_errors_stand_beside_their_values(value, error, expected):
    assert with_error(value, error) == expected
