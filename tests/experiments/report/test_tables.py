from experiments.report.tables import markdown_table


def test_rows_keep_their_order_and_missing_cells_are_empty():
    rows = {"b": {"x": "1", "y": "2"}, "a": {"y": "3", "z": "4"}}
    assert markdown_table(rows, "name").splitlines() == [
        "| name | x | y | z |",
        "| --- | --- | --- | --- |",
        "| b | 1 | 2 |  |",
        "| a |  | 3 | 4 |",
    ]
