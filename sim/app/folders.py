"""Commands about result folders: ``verify`` and ``export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import sim
from sim.app import terminal
from sim.app.base import JsonOption, PluginOption, ResultArgument, app, examples
from sim.errors import FailureError


@app.command(epilog=examples("aipower verify outputs/baseline"))
def verify(folder: ResultArgument, *, as_json: JsonOption = False) -> None:
    """Compare every file of a result folder with its checksum."""
    found = sim.verify_result(folder)
    problems = {what: list(getattr(found, what)) for what in ("damaged", "missing", "extra")}
    if as_json:
        facts = {"folder": folder, "is_complete": found.is_complete, "n_files": found.n_files}
        terminal.print_json(facts | problems)
    else:
        for what, files in problems.items():
            for file in files:
                terminal.say(f"{what}: {folder / file}")
        if found.is_complete:
            print(f"{folder}: all {found.n_files} files are as they were written")
        else:
            terminal.say(f"{folder} is not as it was written; run its scenario again")
    if not found.is_complete:
        raise typer.Exit(FailureError.exit_code)


@app.command(
    epilog=examples(
        "aipower export outputs/baseline --to csv",
        "aipower export outputs/baseline --to xlsx --table summary --table firms",
        "aipower export outputs/baseline --to dta --out stata",
    )
)
def export(
    run: ResultArgument,
    *,
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="csv, xlsx, dta (Stata) or parquet.")],
    table: Annotated[
        list[str] | None,
        typer.Option(
            "--table", metavar="TABLE", help="summary, measures, firms, ...; may be repeated. Default: all of them."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Where to. Default: <RUN>-<FORMAT> beside it.")
    ] = None,
    plugin: PluginOption = None,  # noqa: ARG001 - its callback has loaded them
    force: Annotated[bool, typer.Option("--force", help="Replace files of the same names.")] = False,
) -> None:
    """Write the tables of a result for a spreadsheet, Stata or R.

    One file a table; xlsx makes one workbook, which takes a minute for a large run and needs `pip install openpyxl`.
    """
    from sim.export import export as write

    result = sim.load_result(run)
    here = Path(run).absolute()
    files = write(result, out or here.with_name(f"{here.name}-{to}"), to=to, tables=table or None, force=force)
    for file in files:
        print(f"Wrote {terminal.short(file)}")
