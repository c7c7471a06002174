"""The application that the commands join, and what several of them take."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.app import terminal
from sim.errors import InputError

if TYPE_CHECKING:
    from sim import Comparison, Result, Sweep

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _load_plugins(files: list[Path] | None) -> list[Path] | None:
    """Load files of policies before anything names one."""
    from sim.policies.registry import load_plugin

    for file in files or ():
        load_plugin(file)
    return files


PluginOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        is_eager=True,
        callback=_load_plugins,
        help="A Python file with policies of your own, whose code is run; may be repeated.",
    ),
]
ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A scenario file, or the name of a shipped one.")
]
SeedOption = Annotated[int | None, typer.Option(min=0, metavar="N", help="Which luck; 0 is a seed too.")]
QuartersOption = Annotated[int | None, typer.Option(min=1, metavar="N", help="Length of the horizon from its start.")]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Processes; one for each processor by default. The numbers do not depend on it."
    ),
]
ResumeOption = Annotated[
    bool,
    typer.Option("--resume", help="Go on where an interrupted run of the same stopped; start afresh where none was."),
]
DaskOption = Annotated[
    str | None,
    typer.Option(
        "--dask", metavar="ADDRESS", help="Run on this Dask cluster, such as tcp://10.0.0.1:8786, instead of --workers."
    ),
]
MeasuresOption = Annotated[
    str | None, typer.Option("--measures", metavar="NAME,...", help="What to show. Default: the headlines.")
]
HorizonsOption = Annotated[
    str | None, typer.Option("--horizons", metavar="WHEN,...", help="Years or their last quarters, such as 2030.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else, for scripts.")]
ResultArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A result folder.")]


@contextlib.contextmanager
def workplace(dask: str | None, workers: int | None) -> Iterator[dict[str, Any]]:
    """Where runs are made, as ``sim.run`` and its siblings take it: a Dask cluster, or processes here."""
    if dask is None:
        yield {"workers": workers or processors()}
        return
    if workers is not None:
        message = "--workers and --dask say different places; leave one out, as a cluster has its own number of workers"
        raise InputError(message)
    from sim.cluster import dask_executor

    with dask_executor(dask) as executor:
        yield {"executor": executor}


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


INTERRUPTED = 130


def interrupted(stop: KeyboardInterrupt) -> typer.Exit:
    """Say what is kept, and give the exit that an interrupt ends with."""
    terminal.say(f"Interrupted. {str(stop) or 'Nothing had been computed yet'}.")
    return typer.Exit(INTERRUPTED)


def say_what_was_there(
    made: Result | Comparison | Sweep,
    what: str,
    folder: Path,
    wanted: Path,
    *,
    other: str = "something else",
    draw_with: str | None = None,
) -> None:
    """Print what the wanted place held, how to draw what it lacks, and what an interrupted command had left there."""
    if made.is_reused:
        print(f"{folder} holds this {what} already, complete: nothing was computed.")
        if draw_with is not None and not (folder / "figures").is_dir():
            print(f"It was stored without figures, and stays as it was written; to draw them: {draw_with}")
    elif folder.name != wanted.name:
        print(f"{wanted} holds {other}, which was kept.")
    if made.n_resumed:
        from sim.report.tables import counted

        were = "was" if made.n_resumed == 1 else "were"
        blocks = counted(made.n_resumed, "block")
        print(f"{blocks} of replicates {were} there from before and {were} not computed again.")


def examples(*lines: str) -> str:
    """Lay out the examples below a command's help."""
    return "\n\n".join(["[bold]Examples[/bold]", *lines])
