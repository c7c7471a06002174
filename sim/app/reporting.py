"""``aipower report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.app import terminal
from sim.app.base import INTERRUPTED, JsonOption, PluginOption, app, examples


@app.command(
    epilog=examples(
        "aipower report outputs/compare-baseline",
        "aipower report outputs/baseline --out report",
    )
)
def report(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder that `aipower compare` or `aipower run` wrote.")
    ],
    *,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Where to. Default: <DIR>-report beside it.")
    ] = None,
    plugin: PluginOption = None,  # noqa: ARG001 - its callback has loaded them
    force: Annotated[bool, typer.Option("--force", help="Replace another report that is there already.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the page's path.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a report that one can send: one HTML file that needs no network, figures, and tables as CSV and LaTeX.

    What a comparison did not keep, firms for Lorenz curves and luck alone, is simulated again: some seconds.
    """
    from sim.report import page

    made = page.of_folder(folder)
    here = Path(folder).absolute()
    wanted = out or here.with_name(f"{here.name}-report")
    try:
        written = page.write(made, wanted, force=force, progress=not (quiet or as_json))
    except KeyboardInterrupt:
        terminal.say(f"Interrupted. Nothing was written to {wanted}; the same command starts over.")
        raise typer.Exit(INTERRUPTED) from None
    where = terminal.short(written.page)
    if as_json:
        files = [terminal.short(file) for file in written.files]
        terminal.print_json({"page": where, "files": files, "is_reused": written.is_reused})
    elif quiet:
        print(where)
    elif written.is_reused:
        print(f"{where} and its files are there already, the same to the last byte.")
    else:
        print(f"Wrote {where}: open it in a browser, print it or send it; it needs no other file.")
        print(f"Figures and tables for a paper stand beside it ({len(written.files) - 1} files).")
