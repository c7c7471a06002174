"""The command ``aipower``: arguments in, progress and tables out, nothing else.

Each file beside this one holds a group of commands, in the order in which ``aipower --help`` lists them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

import sim
from sim.app.base import app, examples
from sim.app.terminal import readable_output, say
from sim.errors import AipowerError

# isort: off
from sim.app import running, comparing, planning, calibrating, reporting, viewing, scenarios, questions, folders  # noqa: F401

# isort: on


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and end the process.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``aipower``; the process's own by default.

    Raises
    ------
    SystemExit
        0 done, 2 the input is wrong, 1 something failed, 130 interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    wants_traceback = "--traceback" in words
    words = [word for word in words if word != "--traceback"]
    try:
        with readable_output():
            app(words, prog_name="aipower")
    except (AipowerError, OSError) as error:
        if wants_traceback:
            raise
        _fail(_sentence(error), getattr(error, "exit_code", 1))
    except MemoryError as error:
        if wants_traceback:
            raise
        _fail(f"memory is short ({str(error) or 'no more is given'}); try less at a time", 1)
    except Exception as error:
        if wants_traceback:
            raise
        kind = type(error).__name__
        _fail(f"unexpected {kind}: {error}. This is a defect; --traceback shows where it is", 1)
    sys.exit()


def _print_version(is_asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if is_asked:
        print(f"aipower {sim.__version__}")
        raise typer.Exit


@app.callback(
    epilog=examples(
        "aipower run baseline",
        "aipower run my.yaml --replicates 20 --set world.parameters.flywheel=1.2",
        "aipower list measures",
        "Any command takes --traceback, which shows where an error came from.",
    )
)
def aipower(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """How access to compute turns into AI power, and how that power concentrates."""


def _sentence(error: AipowerError | OSError) -> str:
    if isinstance(error, FileNotFoundError) and error.filename is None:
        return "the folder that this command runs in is gone; go to another"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _fail(text: str, exit_code: int) -> NoReturn:
    say(f"Error: {text}")
    sys.exit(exit_code)
