"""The application that the commands join, and what several of them take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
SeedOption = Annotated[int | None, typer.Option(min=0, metavar="N", help="Which luck; 0 is a seed too.")]
QuartersOption = Annotated[int | None, typer.Option(min=1, metavar="N", help="Length of the horizon from its start.")]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Processes; one for each processor by default. The numbers do not depend on it."
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


def examples(*lines: str) -> str:
    """Lay out the examples below a command's help."""
    return "\n\n".join(["[bold]Examples[/bold]", *lines])
