"""``aipower compare`` and ``aipower sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import sim
from sim.app import terminal
from sim.app.base import (
    DaskOption,
    HorizonsOption,
    JsonOption,
    MeasuresOption,
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
    say_what_was_there,
    workplace,
)
from sim.app.running import OUTPUTS
from sim.errors import FailureError, InputError, ScenarioError

MOST = 2_000
"""Replicates at which adding for --until ends."""


@app.command(
    epilog=examples(
        "aipower compare baseline my-policy.yaml",
        "aipower compare scenarios/baseline.yaml scenarios/policies/ --replicates 100",
        "aipower compare baseline my-policy.yaml --until hhi_revenue=50",
        "aipower compare baseline my-policy.yaml --measures gini_power,cr4_revenue --horizons 2027,2030",
    )
)
def compare(
    baseline: Annotated[str, typer.Argument(metavar="BASELINE", help="A scenario file, or the name of a shipped one.")],
    scenarios: Annotated[
        list[str], typer.Argument(metavar="SCENARIO...", help="Files, names, or folders with everything below them.")
    ],
    *,
    replicates: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Pairs with the same luck. Default: the baseline's.")
    ] = None,
    seed: SeedOption = None,
    quarters: QuartersOption = None,
    workers: WorkersOption = None,
    dask: DaskOption = None,
    resume: ResumeOption = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Folder for the comparison. Default: outputs/compare-<baseline>."),
    ] = None,
    until: Annotated[
        list[str] | None,
        typer.Option(
            "--until",
            metavar="MEASURE=WIDTH",
            help="Add replicates until every 95% interval of the measure is no wider than +- WIDTH; may be repeated.",
        ),
    ] = None,
    most: Annotated[
        int | None,
        typer.Option("--most", min=1, metavar="N", help=f"Replicates at which --until ends adding. Default: {MOST}."),
    ] = None,
    robust: Annotated[
        bool,
        typer.Option(
            "--robust/--no-robust",
            help="Look at the sign of effects at flywheel elasticities 0.5, 1 and 1.5 too, with 25 pairs each.",
        ),
    ] = True,
    families: Annotated[
        str | None,
        typer.Option("--families", metavar="NAME,...", help="Look at power families too, such as power,log,hill."),
    ] = None,
    measures: MeasuresOption = None,
    horizons: HorizonsOption = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one key of baseline and scenarios; may be repeated."),
    ] = None,
    no_figures: Annotated[bool, typer.Option("--no-figures", help="Leave out the figures.")] = False,
    quiet: QuietOption = False,
    plugin: PluginOption = None,  # noqa: ARG001 - its callback has loaded them
    as_json: JsonOption = False,
) -> None:
    """Compare scenarios with a baseline on common luck: what they changed, and how sure that is.

    A scenario that also changes the world is measured against the same world without its policies; what the change of
    world does by itself is shown apart.
    """
    if most is not None and not until:
        message = (
            f"--most {most}: says where adding ends, and without --until nothing is added; try --replicates {most}"
        )
        raise InputError(message)
    first = sim.load_scenario(baseline, overrides=changes or ())
    others = _loaded(scenarios, changes or (), first)
    wanted = out or OUTPUTS / f"compare-{first.name}"
    from sim.comparison.variants import FLYWHEELS

    try:
        with workplace(dask, workers) as where:
            made = sim.compare(
                first,
                others,
                replicates=replicates,
                seed=seed,
                quarters=quarters,
                **where,
                until=_targets(until) if until else None,
                most=most or MOST,
                flywheels=FLYWHEELS if robust else (),
                families=_words(families) or (),
                measures=_words(measures),
                horizons=_words(horizons),
                out=wanted,
                resume=resume,
                figures=not no_figures,
                progress=not (quiet or as_json),
            )
    except KeyboardInterrupt as stop:
        raise interrupted(stop) from None
    from sim.report.comparison import failures_note

    folder = terminal.short(made.folder or wanted)
    if as_json:
        terminal.print_json(_facts(made, folder))
    elif quiet:
        print(folder)
        if len(made.failures):
            terminal.say(failures_note(made.failures))
    else:
        terminal.print_comparison(made)
        draw_with = None if no_figures else f"aipower report {folder}"
        say_what_was_there(made, "comparison", folder, wanted, draw_with=draw_with)
        print(f"Results: {folder} (effects.csv holds every measure). A page to send: aipower report {folder}")
    if len(made.failures):
        raise typer.Exit(FailureError.exit_code)


@app.command(
    epilog=examples(
        "aipower sweep baseline --over world.parameters.flywheel=0.5:1.5:5",
        "aipower sweep baseline --over power.family=power,log,hill --replicates 50",
        "aipower sweep my.yaml --over policies.training_cap.flop=1e25,1e26 --over world.parameters.flywheel=0.5:1.5:5",
    )
)
def sweep(
    scenario: ScenarioArgument,
    *,
    over: Annotated[
        list[str],
        typer.Option("--over", metavar="KEY=VALUES", help="v1,v2,v3, or low:high:n evenly spaced; may be repeated."),
    ],
    replicates: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Histories in each cell, with the same luck in all.")
    ] = None,
    seed: SeedOption = None,
    quarters: QuartersOption = None,
    workers: WorkersOption = None,
    dask: DaskOption = None,
    resume: ResumeOption = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Folder for the sweep. Default: outputs/sweep-<name>."),
    ] = None,
    measures: MeasuresOption = None,
    horizons: HorizonsOption = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one key of every cell; may be repeated."),
    ] = None,
    no_figures: Annotated[bool, typer.Option("--no-figures", help="Leave out the figure.")] = False,
    quiet: QuietOption = False,
    plugin: PluginOption = None,  # noqa: ARG001 - its callback has loaded them
    as_json: JsonOption = False,
) -> None:
    """Run a scenario over a grid of values, all on common luck, and draw curves or a heat map."""
    given = sim.load_scenario(scenario, overrides=changes or ())
    wanted = out or OUTPUTS / f"sweep-{given.name}"
    try:
        with workplace(dask, workers) as where:
            made = sim.sweep(
                given,
                over,
                replicates=replicates,
                seed=seed,
                quarters=quarters,
                **where,
                measures=_words(measures),
                horizons=_words(horizons),
                out=wanted,
                resume=resume,
                figures=not no_figures,
                progress=not (quiet or as_json),
            )
    except KeyboardInterrupt as stop:
        raise interrupted(stop) from None
    from sim.report.comparison import sweep_failures_note

    folder = terminal.short(made.folder or wanted)
    if as_json:
        shown = made.table[made.table["measure"].isin(made.measures)]
        facts = {"scenario": given.name, "folder": folder, "is_reused": made.is_reused, "axes": made.axes}
        rows = {"rows": shown.to_dict("records"), "failures": made.failures.to_dict("records")}
        terminal.print_json(facts | {"against": made.against} | rows)
    elif quiet:
        print(folder)
        if len(made.failures):
            terminal.say(sweep_failures_note(made.failures))
    else:
        terminal.print_sweep(made)
        from sim.comparison.sweeping import DRAWN_AXES

        is_drawn = not no_figures and len(made.axes) <= DRAWN_AXES
        draw_with = f"the same command with another --out, or sim.load_sweep({str(folder)!r}).plot() in Python"
        say_what_was_there(made, "sweep", folder, wanted, draw_with=draw_with if is_drawn else None)
        print(f"Results: {folder} (table.csv holds every measure)")
    if len(made.failures):
        raise typer.Exit(FailureError.exit_code)


def _loaded(names: list[str], changes: list[str] | tuple[str, ...], baseline: sim.Scenario) -> list[sim.Scenario]:
    """Scenarios of files, names and folders; every wrong file is told at once."""
    loaded: list[sim.Scenario] = []
    problems: list[str] = []
    for name in names:
        is_folder = Path(name).is_dir()
        for path in _files(Path(name)) if is_folder else [name]:
            try:
                scenario = sim.load_scenario(path, overrides=changes)
            except ScenarioError as error:
                problems += error.problems
                continue
            if is_folder and scenario.content_hash() == baseline.content_hash():
                terminal.say(f"{path} is the baseline, and is left out")
            else:
                loaded.append(scenario)
    if problems:
        raise ScenarioError("\n".join(problems), tuple(problems))
    return loaded


def _files(folder: Path) -> list[Path]:
    from sim.comparison import scenario_files

    found = scenario_files(folder)
    if not found:
        message = f"{folder} holds no scenario file (.yaml or .yml), not even further down; name another folder"
        raise InputError(message)
    return found


def _words(text: str | None) -> list[str] | None:
    return None if text is None else [word.strip() for word in text.split(",") if word.strip()]


def _targets(texts: list[str]) -> dict[str, float]:
    """Half-widths by measure."""
    targets: dict[str, float] = {}
    for text in texts:
        measure, equals, width = (part.strip() for part in text.partition("="))
        if measure in targets:
            message = f"--until {text}: {measure} has a width already; give each measure once"
            raise InputError(message)
        try:
            targets[measure] = float(width)
        except ValueError:
            equals = ""
        if not equals:
            message = f"--until {text}: not a target; write a measure, =, and a half-width in its unit: hhi_revenue=50"
            raise InputError(message)
    return targets


def _facts(made: sim.Comparison, folder: Path) -> dict[str, Any]:
    """What a script needs to go on with a comparison."""
    from sim.report import comparison

    effects = made.effects
    shown = effects[effects["measure"].isin(made.measures)]
    failures = made.failures.astype(object).where(made.failures.notna(), None)
    return {
        "baseline": made.baseline.name,
        "scenarios": list(made.scenarios),
        "folder": folder,
        "is_reused": made.is_reused,
        "seed": made.baseline.run.seed,
        "replicates": made.n_replicates,
        "stopping": None if made.stopping is None else made.stopping._asdict(),
        "headline": comparison.headline(made),
        "notes": comparison.notes(made),
        "effects": shown.to_dict("records"),
        "robustness": made.robustness.to_dict("records"),
        "disagreements": made.disagreements().to_dict("records"),
        "failures": failures.to_dict("records"),
        "timing_seconds": made.timing,
    }
