"""``aipower run``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

import sim
from sim.app import terminal
from sim.app.base import (
    DaskOption,
    JsonOption,
    PluginOption,
    QuartersOption,
    QuietOption,
    ResumeOption,
    ScenarioArgument,
    SeedOption,
    WorkersOption,
    app,
    examples,
    interrupted,
    processors,
    say_what_was_there,
    workplace,
)
from sim.errors import FailureError

OUTPUTS = Path("outputs")
MOST_FILES = 8
"""Files whose size --verbose names."""


@app.command(
    epilog=examples(
        "aipower run baseline",
        "aipower run scenarios/baseline.yaml --replicates 20 --quarters 8",
        "aipower run baseline --set world.parameters.flywheel=1.2 --out outputs/flywheel-1.2",
    )
)
def run(
    scenario: ScenarioArgument,
    *,
    replicates: Annotated[int | None, typer.Option(min=1, metavar="N", help="Histories with different luck.")] = None,
    seed: SeedOption = None,
    quarters: QuartersOption = None,
    workers: WorkersOption = None,
    dask: DaskOption = None,
    resume: ResumeOption = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Folder for the results. Default: outputs/<name>."),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one key; may be repeated."),
    ] = None,
    plugin: PluginOption = None,  # noqa: ARG001 - its callback has loaded them
    no_figures: Annotated[
        bool, typer.Option("--no-figures", help="Leave out the figures, which take a few seconds.")
    ] = False,
    quiet: QuietOption = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say also what is run, how long each part takes, and sizes.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a scenario and store tables, figures and a README in a folder.

    An identical, complete result is reused. A different one stays; the new goes to <folder>-2.
    """
    begin = time.perf_counter()
    chosen = sim.load_scenario(scenario, overrides=changes or ())
    chosen = chosen.replace(replicates=replicates, seed=seed, quarters=quarters)
    loaded = time.perf_counter()
    wanted = out or OUTPUTS / chosen.name
    from sim.report.tables import counted

    place = f"the Dask cluster {dask}" if dask else f"up to {counted(workers or processors(), 'process', 'processes')}"
    if verbose:
        terminal.say(
            f"{chosen.name}: {counted(chosen.run.replicates, 'replicate')}, seed {chosen.run.seed}, "
            f"{chosen.horizon.start} to {chosen.horizon.end}, {place}, into {wanted}"
        )
    try:
        with workplace(dask, workers) as where:
            result = sim.run(
                chosen,
                **where,
                out=wanted,
                resume=resume,
                figures=not no_figures,
                progress=not (quiet or as_json),
            )
    except KeyboardInterrupt as stop:
        raise interrupted(stop) from None
    folder = terminal.short(result.folder or wanted)
    if verbose:
        _say_details(result, loaded - begin, time.perf_counter() - loaded)
    if as_json:
        terminal.print_json(_facts(result, folder))
    elif quiet:
        print(folder)
    else:
        terminal.print_closing(result)
        draw_with = None if no_figures else f"aipower report {folder}"
        say_what_was_there(result, "run", folder, wanted, other="another run", draw_with=draw_with)
        print(f"Results: {folder}")
        has_figures = (folder / "figures").is_dir()
        print(f"Open {folder / 'README.md'}, which names every file{', and the figures beside it' * has_figures}.")
    if result.lost:
        were, them = ("was", "it") if len(result.lost) == 1 else ("were", "them")
        lost = counted(len(result.lost), "replicate")
        terminal.say(f"{lost} {were} not computed; the same command with --resume tries {them} again")
        raise typer.Exit(FailureError.exit_code)


def _facts(result: sim.Result, folder: Path) -> dict[str, object]:
    """What a script needs to go on with a run."""
    manifest = result.manifest
    return {
        "name": result.scenario.name,
        "folder": folder,
        "is_reused": result.is_reused,
        "content_hash": manifest["content_hash"],
        "seed": manifest["seed"],
        "replicates": manifest["replicates"],
        "n_succeeded": manifest["n_succeeded"],
        "failed_replicates": manifest["failed_replicates"],
        "lost": list(result.lost),
        "n_resumed": result.n_resumed,
        "quarters": [result.simulated_quarters[0], result.simulated_quarters[-1]],
        "timing_seconds": manifest["timing_seconds"],
        "rows": manifest["rows"],
    }


def _say_details(result: sim.Result, loading: float, running: float) -> None:
    """Say how long each part took and how large the folder is."""
    terminal.say(f"load the scenario: {loading:.1f} s")
    if result.is_reused:
        terminal.say(f"find and check the stored result: {running:.1f} s")
    else:
        for stage, seconds in result.timing.items():
            terminal.say(f"{stage}: {seconds:.1f} s")
        terminal.say(f"write tables, figures and README: {running - sum(result.timing.values()):.1f} s")
    sizes = {name: entry["bytes"] for name, entry in result.manifest["files"].items()}
    terminal.say(f"{result.folder}: {len(sizes)} files, {_size(sum(sizes.values()))}")
    rows = result.manifest["rows"]
    for name in sorted(sizes, key=lambda name: -sizes[name])[:MOST_FILES]:
        table = Path(name).stem
        is_table = name.endswith(".parquet") and table in rows
        terminal.say(f"  {name}: {_size(sizes[name])}" + (f", {rows[table]:,} rows" if is_table else ""))


def _size(n_bytes: int) -> str:
    """Bytes in a unit that suits them.

    Examples
    --------
    >>> _size(900), _size(1_500), _size(2_340_000)
    ('900 B', '1.5 kB', '2.3 MB')
    """
    for unit, scale in (("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:,.1f} {unit}"
    return f"{n_bytes} B"
