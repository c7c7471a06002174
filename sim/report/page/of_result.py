"""The report of a run: what each section says, and from which numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim import diff
from sim.report import tables as closing
from sim.report.figures import CAPTIONS, FIGURES, drawable
from sim.report.figures.common import lower
from sim.report.page import assumptions, origin, replays
from sim.report.page.blocks import FOOTER, Block, Fold, Page, Picture, Points, Shown, Text, picture, section, shown
from sim.report.page.luck import luck_blocks
from sim.report.page.table import Table, printed
from sim.report.page.tables import uncertainty_table, value_text
from sim.report.tables import capital
from sim.units import counted, in_prose

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.report.tables import Grid, Row
    from sim.result import Result

N_STEPS = 8
"""Steps of :func:`page`, for a progress bar."""

NOUNS = {
    "chip_sales": "chip makers' sales",
    "compute_owned": "owned compute",
    "compute_used": "compute used by firms",
    "power": "firms' AI power",
    "revenue": "firms' revenue",
}


def page(result: Result, step: Callable[[str], None]) -> Page:
    """Compose the report.

    Parameters
    ----------
    result : Result
    step : callable
        Told what begins.
    """
    scenario = result.scenario
    step("tables")
    over = "one replicate" if len(result.replicates) == 1 else "mean and 5-95% range over replicates"
    grids = [_table(grid, number, over) for number, grid in enumerate(closing.grids(result))]
    figures: dict[str, Picture] = {}
    for name in drawable(result):
        step(f"figure {name}")
        figures[name] = picture(name, CAPTIONS[name], FIGURES[name](result))
    step("luck alone")
    has_index = replays.INDEX in result.measures.columns
    own = replays.of_result(result) if has_index else None
    years = [f"{year}Q4" for year in closing.shown_years(result)]
    luck, luck_table = luck_blocks(scenario, own, years)
    uncertain = uncertainty_table(result)
    parameters = assumptions.parameters_table(scenario, {})
    policies = assumptions.policies_table({scenario.name: scenario})
    differences = _differences(result)
    sections = (
        section("question", "Question", [Text(scenario.question or "This scenario asks no question of its own.")]),
        section("results", "Key results", _results(result)),
        section(
            "concentration",
            "Concentration",
            [figures.get("concentration"), figures.get("firm_shares"), *map(Shown, grids)],
        ),
        section("inequality", "Inequality", [figures.get("lorenz"), figures.get("power_against_compute")]),
        section("money", "Who supplies and who pays", [figures.get("supply_network"), figures.get("who_pays_whom")]),
        section("uncertainty", "Luck and parameters", _uncertainty(uncertain)),
        section("luck", "What luck alone does", luck),
        section("method", "Method", _method(result)),
        section(
            "assumptions",
            "Assumptions",
            [
                Text(assumptions.mechanisms_sentence(scenario)),
                Points(tuple(f"{capital(kind)}: {meaning}." for kind, meaning in assumptions.KINDS.items())),
                Shown(parameters),
                shown(policies),
            ],
        ),
        section(
            "scenario",
            "Scenario",
            [
                Shown(differences)
                if differences.rows
                else Text("It says nothing otherwise than the shipped baseline."),
                Text("The complete scenario, with every default filled in (not printed on paper):"),
                Fold(f"{scenario.name}.yaml", scenario.to_yaml()),
            ],
        ),
        section("reproduce", "How to reproduce", origin.result_blocks(result)),
    )
    last = [block.table for block in sections[-1].blocks if isinstance(block, Shown)]
    every = [*grids, uncertain, luck_table, parameters, policies, differences, *last]
    return Page(
        title=f"What happens in {scenario.name}",
        subtitle=f"{counted(len(result.replicates), 'simulated history', 'simulated histories')}, "
        f"{result.simulated_quarters[0]} to {result.simulated_quarters[-1]}.",
        warning=origin.warning(result.manifest, "luck alone"),
        sections=tuple(part for part in sections if part.blocks),
        tables=tuple(table for table in every if table is not None),
        footer=FOOTER,
    )


def _table(grid: Grid, number: int, over: str) -> Table:
    """A grid of the closing table, with what its numbers are over."""
    import pandas as pd

    names = ["label", *grid.columns[1:]]
    caption = grid.title + ("." if "share of replicates" in grid.title else f": {over}.")
    frame = pd.DataFrame([[cell.replace("\n", " ") for cell in row] for row in grid.rows], columns=names)
    return Table(f"closing-{number + 1}", caption, frame, grid.columns, grid.rows)


def _results(result: Result) -> list[Block | None]:
    """What happened, in sentences."""
    rows = closing.closing(result)
    return [
        Text(closing.headline(result)),
        Points((*path_sentences(result, rows), *leader_sentences(rows))),
        *map(Text, closing.notes(result)),
    ]


def path_sentences(result: Result, rows: list[Row]) -> list[str]:
    """Say how concentration and outcomes move from the first to the last year shown.

    What adds up over a year, or is its largest, moves from the first to the last whole one.
    """
    yearly = result.yearly()
    whole = closing.whole_years(result)
    shown = [year for year in closing.shown_years(result) if year in whole]
    years = tuple(dict.fromkeys([*shown, *whole[-1:]])) or result.years[-1:]
    adding_up = closing.closing(result, years)
    said = []
    for measure in dict.fromkeys(row.measure for row in rows if row.section != closing.LEADING):
        if measure.startswith("gini_"):
            continue
        adds_up = result.catalogue[measure].aggregation in {"sum", "max"}
        of = [row for row in (adding_up if adds_up else rows) if row.measure == measure]
        first, last = of[0], of[-1]
        if not np.isfinite([first.mean, last.mean]).all():
            continue
        what = _noun(last)
        span = f" (5-95% range over replicates {last.range_text})" if last.range_text else ""
        if first.year == last.year:
            when = closing.period(result, last.year) if adds_up else last.year
            said.append(f"{capital(what)} is {last.text} in {when}{span}.")
            continue
        by_year = [yearly[measure].xs(year, level="year").to_numpy() for year in (first.year, last.year)]
        said.append(
            f"{capital(what)} is {last.text} on average in {last.year}{span}, against {first.text} in "
            f"{first.year}{_share(by_year[1] - by_year[0])}."
        )
    return said


def _share(change: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    """In how many replicates a measure rose."""
    known = change[np.isfinite(change)]
    n, up, down = len(known), int((known > 0.0).sum()), int((known < 0.0).sum())
    if n <= 1:
        return ""
    if up == down == 0:
        return "; the same in every replicate"
    if n in {up, down}:
        return f"; {'higher' if up else 'lower'} in every replicate"
    return f"; higher in {up:,} of {n:,} replicates"


def _noun(row: Row) -> str:
    variable = row.measure.removeprefix("hhi_")
    if variable != row.measure:
        return f"the HHI of {NOUNS.get(variable, variable.replace('_', ' '))}"
    return lower(row.label)


def leader_sentences(rows: list[Row]) -> list[str]:
    """Say who leads how often in the last year."""
    leading = [row for row in rows if row.section == closing.LEADING]
    said = []
    for column in dict.fromkeys(row.column for row in leading):
        of = sorted((row for row in leading if row.column == column and row.mean > 0.0), key=lambda row: -row.mean)
        if of:
            named = in_prose([f"{row.label} in {row.text}" for row in of[:3]])
            said.append(f"{column[3:4].upper()}{column[4:]} in {of[0].year} is led by {named} of replicates.")
    return said


def _differences(result: Result) -> Table:
    """What the scenario says otherwise than the shipped baseline."""
    import pandas as pd

    from sim.scenario import load_scenario

    rows = [
        (found.key, value_text(found.a), value_text(found.b), found.unit)
        for found in diff.of_scenarios(load_scenario("baseline"), result.scenario)
        if found.key not in {"name", "question"}
    ]
    frame = pd.DataFrame(rows, columns=["key", "baseline", "value", "unit"])
    columns = ("Key", "In the shipped baseline", "Here", "Unit")
    return Table(
        "differences", "What the scenario says otherwise than the shipped baseline.", frame, columns, printed(rows), 4
    )


def _uncertainty(table: Table | None) -> list[Block | None]:
    """How far luck moves results, and how far what is not known about parameters."""
    if table is None:
        return []
    return [
        Text(
            "Replicates differ in luck and in parameters: four successive ones share one of the parameter sets that "
            "agree with the facts of 2024. An analysis of variance with random effects tells the two apart: what "
            "differs within a set is luck, what differs between sets beyond that is parameters."
        ),
        Shown(table),
    ]


def _method(result: Result) -> list[Block | None]:
    return [
        Text(
            "An agent-based model simulates the market quarter by quarter, from chips to AI power. Each replicate is "
            f"one history with its own luck, drawn per named decision; seed {result.scenario.run.seed} fixes them all."
        ),
        Text(closing.ranges_note(result)),
        Text(
            "A run by itself says nothing about what a policy changes: for that, compare it with a baseline on "
            "common luck (aipower compare), which gives paired effects with intervals."
        ),
    ]
