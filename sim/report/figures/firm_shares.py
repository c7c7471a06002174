"""Firms' shares of revenue over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter

from sim.report import style
from sim.report.figures.common import (
    WIDTH,
    firm_quarters,
    groups_of,
    percent,
    run_remark,
    set_time_axis,
    year_of,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sim.result import Result


N_NAMED = 8
"""Firms drawn one by one; the others are added up."""


def revenue_shares(result: Result) -> pd.DataFrame:
    """Mean share of firms' revenue over replicates, by quarter.

    Returns
    -------
    pandas.DataFrame
        One row a recorded quarter, one column a firm or group; rows sum to 1. The largest firms in
        the last quarter come first, then other firms, then small firms and entrants.
    """
    return _grouped(_means(result))


def _grouped(means: pd.DataFrame) -> pd.DataFrame:
    """The largest firms over time, the others added up, and small firms and entrants."""
    labs = means.drop(columns=[style.SMALL], errors="ignore")
    named = labs.mean().sort_values(ascending=False, kind="stable").index[:N_NAMED]
    order = labs.iloc[-1][named].sort_values(ascending=False, kind="stable").index
    frame = labs[order].copy()
    if labs.shape[1] > len(named):
        frame[style.OTHERS] = labs.drop(columns=named).sum(axis=1)
    if style.SMALL in means.columns:
        frame[style.SMALL] = means[style.SMALL]
    return frame


def _means(result: Result) -> pd.DataFrame:
    """Mean shares by quarter of every firm that has a name of its own, and of small firms and entrants together."""
    firm_quarters(result)
    parts = [_summed_shares(firms) for firms in result.pieces("firms", ["revenue", "firm_class"])]
    keys = ["quarter", "firm", "firm_class"]
    summed = pd.concat(parts).groupby(keys, observed=True)["revenue"].sum().reset_index()
    summed["group"] = groups_of(summed["firm"], summed["firm_class"])
    means = summed.pivot_table("revenue", "quarter", "group", aggfunc="sum", fill_value=0.0)
    return means / len(result.replicates)


def _summed_shares(firms: pd.DataFrame) -> pd.DataFrame:
    """Shares of firms' revenue added up over replicates, by quarter, firm and class."""
    totals = firms["revenue"].groupby(level=["replicate", "quarter"]).transform("sum")
    shares = (firms["revenue"] / totals.where(totals > 0)).fillna(0.0)
    return shares.groupby(["quarter", "firm", firms["firm_class"]], observed=True).sum().reset_index()


def firm_shares(result: Result) -> Figure:
    """Draw firms' shares of revenue as a stack."""
    means = _means(result)
    shares = _grouped(means)
    last, quarter = shares.iloc[-1], str(shares.index[-1])
    singles = means.drop(columns=[style.SMALL], errors="ignore")
    leaders = singles.iloc[-1].sort_values(ascending=False, kind="stable")
    finding = f"{leaders.index[0]} takes {percent(leaders.iloc[0])} of AI revenue in {quarter}"
    if len(result.replicates) > 1:
        finding += " on average"
    if len(leaders) > N_TOP:
        finding += f"; the largest three take {percent(leaders.iloc[:N_TOP].sum())}"
        if len(shares) > 1:
            finding += f", against {percent(singles.iloc[0].nlargest(N_TOP).sum())} in {shares.index[0]}"
    with style.settings():
        figure = style.new_figure(WIDTH, 5.4)
        remark = f"{run_remark(result)} Mean over replicates of each firm's share of firms' revenue."
        if result.scenario.mechanisms.mergers:
            remark += " Firms that were taken over keep their own; HHI adds up those of one owner."
        top = style.set_title(figure, finding, remark)
        axes = figure.add_axes((0.085, 0.1, 0.62, top - 0.12), label="shares")
        times = [year_of(str(row)) for row in shares.index]
        if len(times) == 1:
            times, shares = [times[0] - 0.125, times[0] + 0.125], pd.concat([shares, shares])
        colours = [style.colour(str(name)) for name in shares.columns]
        axes.stackplot(times, shares.to_numpy().T, colors=colours, edgecolor="white", linewidth=0.8)
        for area, name in zip(axes.collections, shares.columns, strict=True):
            area.set_gid(str(name))
        axes.set_ylim(0, 1)
        set_time_axis(axes, result.simulated_quarters)
        axes.set_xlim(times[0], times[-1])
        axes.set_ylabel("Share of firms' revenue")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value)))
        middles = np.cumsum(last.to_numpy()) - last.to_numpy() / 2
        texts = [f"{style.shorten(str(name), 8, 1.7)} {percent(share)}" for name, share in last.items()]
        style.label_right(axes, times[-1], list(middles), texts, [style.MUTED] * len(texts), colours)
    return figure


N_TOP = 3
