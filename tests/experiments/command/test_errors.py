"""How a command ends: one line on standard error, and a status."""

import pytest

from experiments.command.errors import (
    Interrupted,
    UserError,
    reports_unwritable,
    reports_user_errors,
)

ENDS = {
    "bad option": (
        UserError("--seed -1: expected 0 or more"),
        2,
        "error: --seed -1: expected 0 or more\n",
    ),
    "SIGTERM": (Interrupted("stopped", 15), 143, "stopped\n"),
    "Ctrl-C": (KeyboardInterrupt(), 130, "interrupted\n"),
}


@pytest.mark.parametrize("end", ENDS)
def test_one_line_and_the_status_that_shells_expect(capsys, end):
    error, status, line = ENDS[end]

    @reports_user_errors
    def command():
        raise error

    with pytest.raises(SystemExit) as left:
        command()
    assert left.value.code == status
    assert capsys.readouterr().err == line


def test_what_cannot_be_written_has_a_reason(tmp_path):
    # NumPy's own errors of a full disk have no number of the system.
    for error, words in (
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("4096 requested and 0 written"), "4096 requested and 0 written"),
    ):
        with (
            pytest.raises(UserError, match=rf"cannot be written \({words}\)"),
            reports_unwritable(tmp_path),
        ):
            raise error
