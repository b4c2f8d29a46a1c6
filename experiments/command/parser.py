"""A command line read into a dataclass by cyclopts: an option a field.

The text below a field is its help. A field is annotated with its heading, where that is
not `RUNNING`; one whose value is given without a name has `field(kw_only=False)`. The
options of a dataclass within it, with `Parameter(name="*")`, are the command's as well.
"""

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar, get_args

from cyclopts import (
    App,
    ArgumentCollection,
    CoercionError,
    CycloptsError,
    Group,
    Parameter,
)

from experiments.command.errors import UserError

Options = TypeVar("Options")

Source = Callable[[App, tuple[str, ...], ArgumentCollection], None]
"""Gives values to options that have none yet, as those of `cyclopts.config` do."""

RUNNING = Group("running", sort_key=3)
MODEL, TRAINING, MEASURING = (
    Parameter(group=Group(title, sort_key=rank))
    for rank, title in enumerate(("model", "training", "measuring"))
)
"""The headings of `--help`."""


def read_options(
    options: type[Options],
    prog: str,
    arguments: Sequence[str] | None = None,
    sources: Sequence[Source] = (),
) -> Options:
    """Read `arguments` into the dataclass `options`; `--help` prints and exits.

    **Arguments:** `prog`, how the command is called; `arguments`, by default those of
    the process; `sources`, where options are looked up that are not among them.

    **Raises:** `UserError` for an option that there is not, with the nearest that there
    is; for a value that is not of the option's type; and for one that is missing.
    """
    app = app_of(options, prog)
    app.config = (*sources, _whole_numbers)
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        found = app(arguments, exit_on_error=False, print_error=False, verbose=False)
    except CycloptsError as error:
        raise UserError(f"{error} {prog} --help has all options.") from error
    if found is None:
        sys.exit(0)
    return found


def app_of(options: type, prog: str) -> App:
    """The command `prog`, which returns its options."""
    app = App(
        prog,
        version_flags=(),
        group_parameters=RUNNING,
        default_parameter=Parameter(
            allow_repeating=True, consume_multiple=1, negative_iterable=()
        ),
        help_format="markdown",
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    app["--help"].group = RUNNING
    app.default(options)
    return app


def _whole_numbers(app: App, commands: tuple[str, ...], arguments: ArgumentCollection):
    """Refuse 2.5 where a whole number is asked for, which cyclopts would round."""
    for argument in arguments:
        for token in argument.tokens:
            if int in (argument.hint, *get_args(argument.hint)) and "." in token.value:
                raise CoercionError(argument=argument, token=token, target_type=int)
