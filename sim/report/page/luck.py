"""The section about luck alone: the same index where nothing but luck moves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.report.figures.luck import luck_figure
from sim.report.page import replays, tables
from sim.report.page.blocks import Block, Shown, Text, picture
from sim.report.page.words import end_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sim.report.page.replays import Yearly
    from sim.report.page.table import Table
    from sim.scenario import Scenario


def luck_blocks(
    scenario: Scenario, own: Yearly | None, horizons: Sequence[str]
) -> tuple[list[Block | None], Table | None]:
    """Say and draw what luck alone does to the HHI of revenue over the same quarters.

    Parameters
    ----------
    scenario : Scenario
        Whose horizon and seed count.
    own : Yearly or None
        Its HHI of revenue; None where it did not run.
    horizons : sequence of str
        Quarters of the table, besides the first year.
    """
    if own is None:
        return [Text(f"{scenario.name} did not run, so there is nothing to hold beside luck.")], None
    null = replays.luck_only(scenario)
    years = sorted({own.years[0], *(int(horizon[:4]) for horizon in horizons)})
    table = tables.luck_table(scenario.name, own, null, years)
    drawn = luck_figure(scenario.name, own.years, own.values, null.years, null.values)
    caption = "Concentration of revenue beside what luck alone does"
    return [Text(_about(scenario, own, null)), picture("luck", caption, drawn), Shown(table)], table


def _about(scenario: Scenario, own: Yearly, null: Yearly) -> str:
    first, last = null.years[0], end_of(scenario.horizon.end)
    if len(null.years) > 1:
        moves = (
            f"{_move(null)} on average from the end of {first} to the end of {last}; in {scenario.name} it {_move(own)}"
        )
    else:
        moves = f"is {_level(null)} on average at the end of {last}; in {scenario.name} it is {_level(own)}"
    return (
        "Concentration needs no advantage: firms that are equal and only lucky or unlucky grow apart (Gibrat 1931). "
        "In a market of twenty equal firms whose appeal is a random walk, and where training changes nothing, the "
        f"HHI of revenue {moves}. The two markets begin with different firms, so the one is a yardstick for the other, "
        "not its explanation."
    )


def _level(index: Yearly) -> str:
    """Mean of the last year as printed."""
    return f"{np.nanmean(index.values[:, -1]):,.0f}"


def _move(index: Yearly) -> str:
    """What the mean does from the first to the last year, as printed."""
    rise = float(np.nanmean(index.values[:, -1] - index.values[:, 0]))
    points = f"{abs(rise):,.0f}"
    if points == "0":
        return "stays as it is"
    return f"{'rises' if rise > 0.0 else 'falls'} by {points} {'point' if points == '1' else 'points'}"
