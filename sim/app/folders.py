"""Commands about result folders: ``verify`` and ``export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import sim
from sim.app import terminal
from sim.app.base import JsonOption, PluginOption, ResultArgument, app, examples
from sim.errors import FailureError

if TYPE_CHECKING:
    from sim.recomputation import Recomputation


@app.command(epilog=examples("aipower verify outputs/baseline", "aipower verify outputs/baseline --share 0.1"))
def verify(
    folder: ResultArgument,
    *,
    share: Annotated[
        float,
        typer.Option(
            "--share", metavar="SHARE", min=0.0, max=1.0, help="Part of the blocks to compute again; 0 for none."
        ),
    ] = 0.01,
    plugin: PluginOption = None,  # noqa: ARG001 - its callback has loaded them
    as_json: JsonOption = False,
) -> None:
    """Check a result folder: every file's checksum, and a random part of its replicates, computed again bit for bit.

    On another processor or with other versions small differences are reported and do not count as damage.
    """
    found = sim.verify_result(folder)
    problems = {what: list(getattr(found, what)) for what in ("damaged", "missing", "extra")}
    if not as_json:
        for what, files in problems.items():
            for file in files:
                terminal.say(f"{what}: {folder / file}")
        if found.is_complete:
            print(f"{folder}: all {found.n_files} files are as they were written")
        else:
            terminal.say(f"{folder} is not as it was written; run its scenario again")
    is_sweep = found.format == "aipower-sweep"
    again = sim.recompute(folder, share) if found.is_complete and share > 0.0 and not is_sweep else None
    if as_json:
        facts = {"folder": folder, "is_complete": found.is_complete, "n_files": found.n_files}
        terminal.print_json(facts | problems | {"recomputed": None if again is None else _facts(again)})
    elif again is not None:
        _say_recomputed(again)
    elif is_sweep and found.is_complete:
        print("A sweep holds means, not replicates, so that none were computed again.")
    if not found.is_complete or (again is not None and not again.is_same and not again.machines):
        raise typer.Exit(FailureError.exit_code)


def _facts(again: Recomputation) -> dict[str, object]:
    facts = {
        name: getattr(again, name) for name in ("replicates", "runs", "n_values", "n_differing", "event", "machines")
    }
    return facts | {"largest": None if again.largest is None else again.largest._asdict()}


def _say_recomputed(again: Recomputation) -> None:
    """Say what was computed again, and what came out differently."""
    from sim.report.tables import counted

    what = ""
    if again.replicates:
        first, last = again.replicates[0], again.replicates[-1]
        which = f"{first}" if first == last else f"{first} to {last}"
        what = f"{counted(len(again.replicates), 'replicate')} ({which})"
    runs = f" of {', '.join(again.runs)}" if again.runs else ""
    if again.is_same:
        print(f"Computed again, chosen at random: {what}{runs}; all {again.n_values:,} values are the same bits.")
        return
    terminal.say(f"Computed again: {what}{runs}; {again.n_differing:,} of {again.n_values:,} values differ")
    if again.largest is not None:
        where, stored, computed, relative = again.largest
        terminal.say(f"largest relative difference: {relative:.3g}, {where}: stored {stored}, computed {computed}")
    if not again.runs:  # comparisons hold no events
        terminal.say(f"first event that differs: {again.event}" if again.event else "no event differs")
    for line in again.machines:
        terminal.say(f"differs from where it was computed: {line}")
    if again.machines:
        terminal.say("Bits are promised only on the same code, libraries and kind of processor")
    else:
        terminal.say(
            "The folder does not hold what its scenario gives; run it again, and look for a defect or bad memory"
        )


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
