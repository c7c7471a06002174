"""Lorenz curves of compute, power and revenue among firms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import FixedLocator, FuncFormatter

from sim import indices
from sim.report import style
from sim.report.figures.common import WIDTH, firm_quarters, lower, run_remark
from sim.report.tables import shown_by
from sim.result import HIGH, LOW

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from sim.result import Result


LORENZ = {"compute_used": "Compute used", "power": "AI power", "revenue": "Revenue"}
N_LORENZ = 201


def lorenz_curves(result: Result, quarter: str) -> dict[str, NDArray[np.float64]]:
    """Lorenz curves of each replicate, firms of one owner taken together as in the catalogue's indices.

    Returns
    -------
    dict of str to array [replicate, N_LORENZ]
        For each column of ``LORENZ``, shares held at ``N_LORENZ`` equal steps of the population; nan where nobody has
        any.
    """
    curves: dict[str, list[NDArray[np.float64]]] = {column: [] for column in LORENZ}
    for piece in result.pieces("firms", [*LORENZ, "group_slot"]):
        firms = pd.DataFrame(piece.xs(quarter, level="quarter"))
        for column, found in curves.items():
            found.extend(_curves_of(firms, column))
    return {column: np.array(found) for column, found in curves.items()}


def _curves_of(firms: pd.DataFrame, column: str) -> list[NDArray[np.float64]]:
    grid = np.linspace(0.0, 1.0, N_LORENZ)
    replicates = firms.index.get_level_values("replicate")
    held = firms[column].clip(lower=0.0).groupby([replicates, firms["group_slot"]]).sum()
    curves = [indices.lorenz(values.to_numpy(dtype=np.float64)) for _, values in held.groupby(level=0)]
    return [np.interp(grid, population, share) for population, share in curves]


def gini_of_curve(curve: NDArray[np.float64]) -> float:
    """Gini coefficient: twice the area between a Lorenz curve and the diagonal."""
    return float(1 - 2 * np.trapezoid(curve, np.linspace(0.0, 1.0, len(curve))))


def lorenz_figure(result: Result) -> Figure:
    """Draw Lorenz curves of compute, power and revenue at the first and last recorded quarter."""
    recorded = firm_quarters(result)
    ends = list(dict.fromkeys([recorded[0], recorded[-1]]))
    curves = {quarter: lorenz_curves(result, quarter) for quarter in ends}
    by_column = {column: gini_of_curve(curve.mean(axis=0)) for column, curve in curves[ends[-1]].items()}
    most, least = (
        max(by_column, key=by_column.__getitem__),
        min(by_column, key=by_column.__getitem__),
    )
    finding = (
        f"{LORENZ[most]} is the most unequal among firms in {ends[-1]} (Gini "
        f"{by_column[most]:.2f}), {lower(LORENZ[least])} the least ({by_column[least]:.2f})"
    )
    if len({f"{gini:.2f}" for gini in by_column.values()}) == 1:
        finding = (
            f"Compute used, AI power and revenue have the same Gini coefficient among firms in {ends[-1]} "
            f"({by_column[most]:.2f})"
        )
    with style.settings():
        figure = style.new_figure(WIDTH, 4.5)
        remark = (
            f"{run_remark(result)} Share held by the smallest firms, mean over replicates"
            + (f"; band: 5-95% range ({shown_by(result.scenario)})." if len(result.replicates) > 1 else ".")
            + " Active firms only, those of one owner together."
        )
        top = style.set_title(figure, finding, remark)
        for position, (column, label) in enumerate(LORENZ.items()):
            box = (0.085 + 0.308 * position, 0.125, 0.28, top - 0.21)
            axes = figure.add_axes(box, label=column)
            _draw_lorenz(axes, {quarter: curves[quarter][column] for quarter in ends})
            _finish(axes, label, is_first=position == 0)
    return figure


def lorenz_of_runs(
    curves: Mapping[str, Mapping[str, NDArray[np.float64]]], quarter: str, over_what: str = "luck only"
) -> Figure:
    """Draw mean Lorenz curves of several runs in one quarter.

    Parameters
    ----------
    curves : mapping of str to mapping of str to array [replicate, N_LORENZ]
        By run, up to four, the baseline first; then by column of ``LORENZ``.
    quarter : str
    over_what : str
        What ranges over replicates show.
    """
    grid = np.linspace(0.0, 1.0, N_LORENZ)
    names = list(curves)
    ginis = {name: gini_of_curve(each["revenue"].mean(axis=0)) for name, each in curves.items()}
    others = ", ".join(f"{ginis[name]:.3f} in {name}" for name in names[1:])
    finding = f"Gini of revenue among firms in {quarter}: {ginis[names[0]]:.3f} in {names[0]}" + (
        f"; {others}" if others else ""
    )
    n = len(curves[names[0]]["revenue"])
    over = "one replicate" if n == 1 else f"the first {n:,} replicates"
    with style.settings():
        figure = style.new_figure(WIDTH, 4.6)
        remark = (
            f"Share held by the smallest firms, mean over {over}; band: 5-95% range of {names[0]} "
            f"({over_what}). Active firms only, those of one owner together: the curve also depends on how many "
            "there are."
        )
        top = style.set_title(figure, finding, remark)
        for position, (column, label) in enumerate(LORENZ.items()):
            axes = figure.add_axes((0.085 + 0.308 * position, 0.12, 0.28, top - 0.2), label=column)
            axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.8, gid="equal")
            for k, name in enumerate(names):
                values = curves[name][column]
                if k == 0:
                    low, high = np.quantile(values, [LOW, HIGH], axis=0)
                    axes.fill_between(grid, low, high, color=style.GREY, alpha=0.25, linewidth=0)
                mean = values.mean(axis=0)
                text = f"{style.shorten(name, 8, 1.25)}: {gini_of_curve(mean):.3f}"
                shade = style.INK if k == 0 else style.PALETTE[(k - 1) % len(style.PALETTE)]
                axes.plot(grid, mean, color=shade, linestyle=style.LINE_STYLES[k], linewidth=1.6, label=text, gid=name)
            _finish(axes, label, is_first=position == 0)
    return figure


def _draw_lorenz(axes: Axes, curves: dict[str, NDArray[np.float64]]) -> None:
    """Draw mean and band of each quarter's curves, shape [replicate, N_LORENZ]."""
    grid = np.linspace(0.0, 1.0, N_LORENZ)
    axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.8, linestyle=":", label="equal shares", gid="equal")
    looks = ((style.MUTED, "--"), (style.INK, "-"))[-len(curves) :]  # colours are for actors
    for (quarter, curve), (shade, line) in zip(curves.items(), looks, strict=True):
        mean = curve.mean(axis=0)
        low, high = np.quantile(curve, [LOW, HIGH], axis=0)
        axes.fill_between(grid, low, high, color=shade, alpha=0.15, linewidth=0)
        label = f"{quarter}: Gini {gini_of_curve(mean):.2f}"
        axes.plot(grid, mean, color=shade, linestyle=line, linewidth=1.8, label=label, gid=quarter)


def _finish(axes: Axes, title: str, *, is_first: bool) -> None:
    """Set title, limits, ticks and the legend of a panel; the first alone names the heights."""
    axes.set_title(title, fontweight="bold")
    axes.set_xlabel("Share of firms (%), smallest first")
    if is_first:
        axes.set_ylabel("Share held (%)")
    else:
        axes.tick_params(labelleft=False)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator([0.0, 0.25, 0.5, 0.75, 1.0]))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}"))
    # The region above the diagonal is empty by construction.
    axes.legend(loc="upper left", bbox_to_anchor=(-0.02, 1.02), frameon=False, fontsize=8, handlelength=1.8)
