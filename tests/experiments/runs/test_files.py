"""Files that are whole or not there, and tables that are numbers."""

import numpy as np
import pytest

from experiments.runs.files import read_table, write_table


def test_an_older_file_survives_a_failed_write(tmp_path):
    path = tmp_path / "models.csv"
    write_table(path, {"model": np.array([1])})
    before = path.read_bytes()
    with pytest.raises(ValueError, match="same length"):
        write_table(path, {"a": np.zeros(2), "b": np.zeros(1)})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_numbers_of_a_table(tmp_path):
    path = tmp_path / "table.csv"
    floats = [1 / 3, -147.123456, 1e-9, np.inf, -np.inf, np.nan]
    columns = {
        "model": np.arange(6),
        "double": np.array(floats),
        "single": np.array(floats, np.float32),
        "whole": np.arange(6.0),
    }
    write_table(path, columns)
    assert path.read_text().splitlines()[:3] == [
        "model,double,single,whole",
        "0,0.333333,0.333333,0",
        "1,-147.123,-147.123,1",
    ]
    found = read_table(path)
    assert list(found) == list(columns)
    assert found["model"].dtype == found["whole"].dtype == np.int64
    for name in ("double", "single"):
        assert found[name].dtype == np.float64
        np.testing.assert_allclose(found[name], floats, rtol=5e-6)


@pytest.mark.parametrize(
    "text", ["", "a,b\n", "a,b\n1\n", "a,b\n1,2,3\n", "a,b\n1,\n", "a,b\n1,x\n"]
)
def test_what_is_no_table_of_numbers(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"no table of numbers|No columns"):
        read_table(path)
