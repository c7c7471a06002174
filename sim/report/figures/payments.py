"""Who pays whom: payments between groups of actors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm

from sim.report import style
from sim.report.figures.common import WIDTH, percent, run_remark
from sim.report.tables import period, significant, whole_years

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sim.result import Result


PARTIES = ("households", "firms", "owners", "makers", "government")


def payments(result: Result, year: int) -> pd.DataFrame:
    """Payments of a year, or of its simulated part, mean over replicates, in billions of 2024 US dollars.

    Returns
    -------
    pandas.DataFrame
        Rows pay, columns are paid.
    """
    keys = ["payer", "payee"]
    parts = []
    for flows in result.pieces("flows", [*keys, "amount"]):
        is_inside = flows.index.get_level_values("quarter").str.startswith(f"{year}Q")
        parts.append(flows[is_inside].groupby(keys, observed=True)["amount"].sum())
    total = pd.concat(parts).groupby(level=keys, observed=True).sum()
    table: pd.DataFrame = (total / len(result.replicates)).unstack(fill_value=0)  # noqa: PD010 - of a series
    table.index, table.columns = table.index.astype("str"), table.columns.astype("str")
    known = {*table.index, *table.columns}
    parties = [name for name in PARTIES if name in known]
    parties += sorted(known - set(PARTIES))
    return table.reindex(index=parties, columns=parties, fill_value=0.0)


def who_pays_whom(result: Result) -> Figure:
    """Draw payments between the groups of actors in the first and the last whole year, or in a part of one."""
    whole = whole_years(result) or result.years[-1:]
    tables = {period(result, year): payments(result, year) for year in (whole[0], whole[-1])}
    years = list(tables)
    last = tables[years[-1]]
    busy = [table.sum() + table.sum(axis=1) > 0 for table in tables.values()]
    parties = [str(name) for name in last.index if any(is_busy[name] for is_busy in busy)]
    tables = {year: table.loc[parties, parties] for year, table in tables.items()}
    amounts = {year: table.to_numpy(dtype=np.float64) for year, table in tables.items()}
    largest = float(amounts[years[-1]].max())
    row, column = (int(place[0]) for place in np.nonzero(amounts[years[-1]] == largest))
    payer, payee = parties[row], parties[column]
    finding = (
        f"The largest payment in {years[-1]} goes from {payer} to {payee}: ${significant(largest)} "
        f"bn, {percent(largest / amounts[years[-1]].sum())} of all payments"
    )
    if len(years) > 1:
        first = float(amounts[years[0]][row, column])
        finding += f" (${significant(first)} bn in {years[0]})"
    a_year = " a year" if whole_years(result) else ""
    positive = np.concatenate([table[table > 0] for table in amounts.values()])
    with style.settings():
        figure = style.new_figure(WIDTH, 4.8)
        remark = (
            f"{run_remark(result)} Mean over replicates, billions of 2024 US dollars{a_year}; "
            "darker is more (logarithmic)."
        )
        top = style.set_title(figure, finding, remark)
        for position, (year, table) in enumerate(tables.items()):
            box = (0.13 + 0.45 * position, 0.03, 0.405, top - 0.22)
            axes = figure.add_axes(box, label=year)
            norm = LogNorm(max(float(positive.min()), positive.max() / 1e4), positive.max() * 3)
            _draw_payments(axes, table, norm)
            axes.set_title(year, fontweight="bold", pad=40, loc="center")
            if position == 0:
                axes.set_yticks(range(len(table)), labels=list(table.index))
                axes.set_ylabel("Payer")
            else:
                axes.set_yticks(range(len(table)), labels=[""] * len(table))
    return figure


def _draw_payments(axes: Axes, table: pd.DataFrame, norm: LogNorm) -> None:
    values = table.to_numpy()
    shown = np.ma.masked_less_equal(values, 0.0)
    image = axes.imshow(shown, cmap="Blues", norm=norm, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if value <= 0:
            axes.text(column, row, "\N{EN DASH}", ha="center", va="center", color=style.GREY)
        else:
            dark = style.is_dark(image.cmap(norm(value)))
            axes.text(
                column,
                row,
                significant(float(value)),
                ha="center",
                va="center",
                size=8.5,
                color="white" if dark else style.INK,
            )
    axes.set_xticks(range(values.shape[1]), labels=list(table.columns), size=8)
    axes.xaxis.set_ticks_position("top")
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("Payee", labelpad=7)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.set_xticks(np.arange(values.shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(values.shape[0] + 1) - 0.5, minor=True)
    axes.grid(visible=True, which="minor", color="white", linewidth=2)
    axes.tick_params(which="minor", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
