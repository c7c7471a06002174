"""Concentration beside what luck alone does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sim.report import style
from sim.report.figures.common import WIDTH
from sim.result import HIGH, LOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray


def luck_figure(
    name: str,
    years: Sequence[int],
    own: NDArray[np.float64],
    null_years: Sequence[int],
    null: NDArray[np.float64],
) -> Figure:
    """Draw the HHI of revenue of a run, and of twenty equal firms that luck alone moves.

    Parameters
    ----------
    name : str
        Of the run.
    years, null_years : sequence of int
    own, null : array [replicate, year]
        HHI in points.
    """
    ends = [float(np.nanmean(values[:, -1])) for values in (own, null)]
    begins = [float(np.nanmean(values[:, 0])) for values in (own, null)]
    finding = (
        f"HHI of revenue in {years[-1]}: {ends[0]:,.0f} points in {name}, {ends[1]:,.0f} by luck alone; at the end of "
        f"{years[0]}: {begins[0]:,.0f} and {begins[1]:,.0f}"
    )
    remark = (
        f"Lines: mean; bands: 5-95% range over replicates ({len(own):,} and {len(null):,}). Luck alone: twenty "
        "equal firms whose appeal is a random walk (Gibrat)."
    )
    with style.settings():
        figure = style.new_figure(WIDTH, 3.9)
        top = style.set_title(figure, finding, remark)
        axes = figure.add_axes((0.085, 0.12, 0.72, top - 0.17), label="luck")
        looks = ((name, years, own, style.BLUE, "-"), ("luck alone", null_years, null, style.ORANGE, "--"))
        for who, at, values, shade, line in looks:
            low, high = np.nanquantile(values, [LOW, HIGH], axis=0)
            axes.fill_between(at, low, high, color=shade, alpha=0.18, linewidth=0)
            axes.plot(at, np.nanmean(values, axis=0), color=shade, linestyle=line, linewidth=1.8, gid=who)
        axes.set_ylim(bottom=0.0)
        axes.set_xlim(min(*years, *null_years), max(*years, *null_years) + (1e-9 if len(years) > 1 else 0.5))
        axes.set_xlabel("Year")
        axes.set_ylabel("HHI of revenue (points)")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1))
        names = [style.shorten(who, 8, 1.3) for who, *_ in looks]
        style.label_right(axes, float(max(years)), ends, names, [style.BLUE, style.ORANGE])
    return figure
