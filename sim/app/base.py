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
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else, for scripts.")]
ResultArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A result folder.")]


def examples(*lines: str) -> str:
    """Lay out the examples below a command's help."""
    return "\n\n".join(["[bold]Examples[/bold]", *lines])
