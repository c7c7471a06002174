"""The section about luck alone: the same index where nothing but luck moves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.report.figures.luck import luck_figure
from sim.report.page import replays, tables
from sim.report.page.blocks import Block, Shown, Text, picture

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
    return [Text(_about(scenario.name, own, null)), picture("luck", caption, drawn), Shown(table)], table


def _about(name: str, own: Yearly, null: Yearly) -> str:
    rises = [float(np.nanmean(each.values[:, -1] - each.values[:, 0])) for each in (own, null)]
    moves = [f"{'rises' if rise > 0.0 else 'falls'} by {abs(rise):,.0f} points" for rise in rises]
    return (
        "Concentration needs no advantage: firms that are equal and only lucky or unlucky grow apart (Gibrat 1931). "
        "In a market of twenty equal firms whose appeal is a random walk, and where training changes nothing, the "
        f"HHI of revenue {moves[1]} on average from the end of {null.years[0]} to the end of {null.years[-1]}; in "
        f"{name} it {moves[0]}. The two markets begin with different firms, so the one is a yardstick for the other, "
        "not its explanation."
    )
