"""``aipower calibrate`` and ``aipower scorecard``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.app import terminal
from sim.app.base import INTERRUPTED, JsonOption, QuietOption, WorkersOption, app, examples, processors
from sim.app.running import OUTPUTS
from sim.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sim.experiment.calibration import Calibration
    from sim.experiment.scoring import Scorecard

_LOG = "candidates.csv"
_MOST_PARAMETERS = 20
"""Parameters in the printed table."""


@app.command(
    epilog=examples(
        "aipower calibrate",
        "aipower calibrate --sets 50 --replicates 4 --out outputs/quick",
    )
)
def calibrate(
    *,
    sets: Annotated[int, typer.Option(min=10, metavar="N", help="Parameter sets to draw.")] = 200,
    replicates: Annotated[
        int, typer.Option(min=1, metavar="N", help="Histories with common luck for each candidate.")
    ] = 8,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Which luck; never a parameter.")] = 1,
    workers: WorkersOption = None,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where to.")] = OUTPUTS / "calibration",
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fit the parameters without direct sources to the facts of 2024, and draw parameter sets that agree with them.

    Every candidate is kept in the folder: the same command goes on where an interrupted one ended.
    Some six minutes on two processors.
    """
    from sim.experiment.calibration import FILES
    from sim.experiment.calibration import calibrate as fit

    _make(out, FILES)
    try:
        found = fit(
            sets=sets,
            replicates=replicates,
            seed=seed,
            workers=workers or processors(),
            log=out / _LOG,
            progress=None if quiet or as_json else _teller(),
        )
    except KeyboardInterrupt:
        terminal.say(f"Interrupted. {out / _LOG} holds what was simulated; the same command goes on from it.")
        raise typer.Exit(INTERRUPTED) from None
    found.save(out)
    if as_json:
        terminal.print_json(
            {
                "folder": terminal.short(out),
                "best": found.best,
                "fit": found.fit().to_dict("records"),
                "n_simulated": found.n_simulated,
                "n_effective": found.n_effective,
            }
        )
    elif quiet:
        print(terminal.short(out))
    else:
        _print_calibration(found)
        print(f"\n{found.n_simulated:,} candidates were simulated. Sets, tables and the figure: {terminal.short(out)}")


@app.command(
    epilog=examples(
        "aipower scorecard",
        "aipower scorecard --ensemble-replicates 80 --variant-replicates 4 --out outputs/quick",
    )
)
def scorecard(
    *,
    replicates: Annotated[int, typer.Option(min=1, metavar="N", help="Histories of the best fit.")] = 32,
    ensemble_replicates: Annotated[
        int, typer.Option(min=8, metavar="N", help="Histories over parameter sets, four to a set.")
    ] = 400,
    variant_replicates: Annotated[
        int, typer.Option(min=1, metavar="N", help="Histories of each ablation and variant.")
    ] = 8,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Which luck.")] = 1,
    workers: WorkersOption = None,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where to.")] = OUTPUTS / "scorecard",
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score the baseline: published facts, patterns nothing was fitted to, ablations, and forecasts to 2030.

    Two or three minutes on two processors.
    """
    from sim.experiment.scoring import FILES
    from sim.experiment.scoring import scorecard as score
    from sim.runner import progress_bar

    _make(out, FILES)
    try:
        with progress_bar("scorecard", is_shown=not (quiet or as_json)) as shown:
            card = score(
                replicates=replicates,
                ensemble_replicates=ensemble_replicates,
                variant_replicates=variant_replicates,
                seed=seed,
                workers=workers or processors(),
                progress=shown,
            )
    except KeyboardInterrupt:
        terminal.say("Interrupted. Nothing was written; the same command starts over.")
        raise typer.Exit(INTERRUPTED) from None
    card.save(out)
    for failure in card.failures:
        terminal.say(f"Could not run: {failure}")
    if as_json:
        tables = {name: getattr(card, name) for name in ("targets", "patterns", "sensitivity", "forecasts")}
        rows = {name: frame.to_dict("records") for name, frame in tables.items()}
        terminal.print_json({"folder": terminal.short(out), "about": card.about, **rows})
    elif quiet:
        print(terminal.short(out))
    else:
        _print_scorecard(card)
        print(f"\nEverything else, ablations and forecasts too: {terminal.short(out)}")


def _make(folder: Path, names: Sequence[str]) -> None:
    """Make a folder for files of these names, or take one that the same command wrote or began."""
    from sim.export import refuse_result_folder

    refuse_result_folder(folder)
    taken = [name for name in names if (folder / name).exists()]
    if 0 < len(taken) < len(names) and not (folder / _LOG).exists():
        message = f"{folder / taken[0]} is there already and was left as it is; choose another folder with --out"
        raise StoreError(message)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{folder} cannot be made: {error.strerror}; choose another place with --out"
        raise StoreError(message) from error


def _teller() -> Callable[[str, int], None]:
    """Tell each step on one line beside the output."""
    told: list[tuple[str, int]] = []

    def tell(stage: str, count: int) -> None:
        if (stage, count) not in told[-1:]:
            told.append((stage, count))
            terminal.say(f"{stage}: {count:,} candidates simulated")

    return tell


def _print_calibration(found: Calibration) -> None:
    from sim.report.scorecard import each_row, number, span

    print("Best fit; all other parameters keep their defaults:")
    terminal.print_table(("parameter", "value"), [(name, number(value)) for name, value in found.best.items()])
    print("\nFacts of 2024, the best fit, and the 5-95% range over parameter sets:")
    rows = [
        (
            row.target,
            row.unit,
            number(row.value),
            span(row.low, row.high),
            number(row.best_fit),
            f"{number(row.sets_p5)} to {number(row.sets_p95)}",
            "hit" if row.is_hit else "miss",
        )
        for row in each_row(found.fit())
    ]
    terminal.print_table(("fact", "unit", "published", "band", "best", "sets", ""), rows)
    frame = found.identifiability()
    print(f"\nThe {_MOST_PARAMETERS} parameters that move a fact most; contraction 0: the facts say nothing, 1: all:")
    narrowed = [
        (
            row.parameter,
            number(row.p50),
            f"{number(row.p5)} to {number(row.p95)}",
            f"{row.contraction:.2f}",
            row.informed_by,
        )
        for row in each_row(frame.head(_MOST_PARAMETERS))
    ]
    terminal.print_table(("parameter", "median", "5-95%", "contraction", "most by"), narrowed)


def _print_scorecard(card: Scorecard) -> None:
    from sim.report.scorecard import each_row, number, span

    hits, fitted = card.hits
    print(f"{hits} of {fitted} fitted facts lie inside their bands.")
    rows = [
        (
            row.target,
            row.period,
            row.unit,
            span(row.low, row.high),
            number(row.model),
            f"{number(row.ensemble_p5)} to {number(row.ensemble_p95)}",
            ("hit" if row.is_hit else "miss") + ("" if row.is_fitted else ", not fitted"),
        )
        for row in each_row(card.targets)
    ]
    terminal.print_table(("fact", "period", "unit", "band", "model", "ensemble", ""), rows)
    for row in each_row(card.targets[~card.targets["is_hit"]]):
        print(f"\n{row.target}: {row.why}")
    shown = int(card.patterns["is_shown"].sum())
    print(f"\n{shown} of {len(card.patterns)} patterns that nothing was fitted to are shown.")
    looked = [
        (
            row.pattern,
            row.unit,
            span(row.low, row.high),
            number(row.model),
            "yes" if row.is_shown else "no",
        )
        for row in each_row(card.patterns)
    ]
    terminal.print_table(("pattern", "unit", "looked for", "model", "shown"), looked)
    for row in each_row(card.patterns[~card.patterns["is_shown"]]):
        print(f"\n{row.pattern}: {row.why}")
