"""The figure of a sweep: curves over one axis, a heat map over two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter

from sim.comparison import label_of
from sim.comparison.sweeping import AS_GIVEN, DRAWN_AXES
from sim.errors import ResultError
from sim.report import style
from sim.report.comparison import plain, short
from sim.report.figures.common import WIDTH
from sim.report.tables import shown_by, significant
from sim.units import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sim.comparison import Sweep

CURVES = ("hhi_revenue", "hhi_compute_used", "total_power", "small_firm_share_of_compute")
"""Measures drawn unless one is named."""

_MOST_CELLS_WITH_TEXT = 12


def sweep_figure(made: Sweep, measure: str | None = None, horizon: str | int | None = None) -> Figure:
    """Draw a sweep.

    Parameters
    ----------
    made : Sweep
    measure, horizon : optional
        As for ``Sweep.plot``.

    Raises
    ------
    ResultError
        When the sweep has more than two axes.
    """
    if len(made.axes) > DRAWN_AXES:
        message = f"a figure shows one or two axes and this sweep has {len(made.axes)}; draw rows of .table instead"
        raise ResultError(message)
    with style.settings():
        return _heat_map(made, measure, horizon) if len(made.axes) == DRAWN_AXES else _curves(made, measure, horizon)


def _numbers(values: Sequence[Any]) -> tuple[list[float], bool]:
    """Places on the axis, and whether the values are numbers."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return [float(value) for value in values], True
    return [float(k) for k in range(len(values))], False


def _curves(made: Sweep, measure: str | None, horizon: str | int | None) -> Figure:
    """Means with 95% intervals and the 5-95% range, a panel for each measure."""
    path, values = next(iter(made.axes.items()))
    shown = [measure] if measure else [name for name in CURVES if name in made.measures] or list(made.measures[:4])
    n_rows, n_columns = (1, 1) if len(shown) == 1 else (-(-len(shown) // 2), 2)
    figure = style.new_figure(WIDTH, 1.3 + 2.7 * n_rows)
    at = made.quarter(horizon)
    places, are_numbers = _numbers(values)
    finding = _finding(made, shown[0], at, path, values)
    n = counted(made.scenario.run.replicates, "replicate")
    remark = (
        f"Scenario {made.scenario.name}, {n} with the same luck at every value."
        " Lines: mean; dark bands: 95% confidence interval of the mean; light bands: 5-95% range over replicates "
        f"({shown_by(made.scenario)})."
    )
    top = style.set_title(figure, finding, remark)
    left, right, bottom, gap = 0.09, 0.015, 0.62 / figure.get_figheight(), (0.09, 0.72 / figure.get_figheight())
    width = (1 - left - right - (n_columns - 1) * gap[0]) / n_columns
    height = (top - bottom - 0.22 / figure.get_figheight() - (n_rows - 1) * gap[1]) / n_rows
    for k, name in enumerate(shown):
        row, column = divmod(k, n_columns)
        low = bottom + (n_rows - 1 - row) * (height + gap[1])
        axes = figure.add_axes((left + column * (width + gap[0]), low, width, height), label=name)
        frame = made.grid(name, horizon, "mean").join(
            [made.grid(name, horizon, each) for each in ("mean_low", "mean_high", "p5", "p95")]
        )
        frame = frame.reindex(list(values))
        scale = 100.0 if _unit(made, name) == "share" else 1.0
        axes.fill_between(places, scale * frame["p5"], scale * frame["p95"], color=style.BLUE, alpha=0.12, linewidth=0)
        axes.fill_between(
            places, scale * frame["mean_low"], scale * frame["mean_high"], color=style.BLUE, alpha=0.35, linewidth=0
        )
        axes.plot(places, scale * frame["mean"], color=style.BLUE, marker="o", markersize=4, linewidth=1.6, gid=name)
        unit = _unit(made, name)
        axes.set_title(f"{label_of(name)}, {at}" + {"share": " (%)", "ratio": "", "": ""}.get(unit, f" ({unit})"))
        _set_axis(axes, path, values, places, are_numbers=are_numbers)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: significant(value)))
    return figure


def _unit(made: Sweep, measure: str) -> str:
    return str(made.table.loc[made.table["measure"] == measure, "unit"].iloc[0])


def _set_axis(axes: Axes, path: str, values: Sequence[Any], places: list[float], *, are_numbers: bool) -> None:
    axes.set_xlabel(short(path))
    if are_numbers and min(places) > 0 and max(places) >= _DECADE * min(places):
        axes.set_xscale("log")
    if not are_numbers or len(values) <= _FEW:
        axes.set_xticks(places, [plain(value) for value in values])
        axes.set_xticks([], minor=True)


_DECADE, _FEW = 30.0, 6


def _finding(made: Sweep, measure: str, horizon: str, path: str, values: Sequence[Any]) -> str:
    means = made.grid(measure, horizon).reindex(list(values))["mean"]
    first, last = float(means.iloc[0]), float(means.iloc[-1])
    what = f"{label_of(measure)} in {horizon}"
    ends = f"{short(path)} goes from {plain(values[0])} to {plain(values[-1])}"
    if not (np.isfinite(first) and np.isfinite(last)):
        return f"{what} over {short(path)}"
    verb = "rises" if last > first else "falls" if last < first else "stays"
    steps = np.diff(means.dropna())
    if len(steps) and (steps > 0).any() and (steps < 0).any():
        return f"{what} goes from {significant(first)} to {significant(last)} as {ends}, not in one direction"
    return f"{what} {verb} from {significant(first)} to {significant(last)} as {ends}"


def _heat_map(made: Sweep, measure: str | None, horizon: str | int | None) -> Figure:
    """Effects of policies, or means, over two axes."""
    name = measure or ("hhi_revenue" if "hhi_revenue" in made.measures else made.measures[0])
    has_effects = made.against != AS_GIVEN
    column = "effect" if has_effects else "mean"
    grid = made.grid(name, horizon, column)
    words = made.grid(name, horizon, "verdict")
    (rows, row_values), (columns, column_values) = made.axes.items()
    at = made.quarter(horizon)
    figure = style.new_figure(WIDTH, 2.0 + 0.5 * max(len(row_values), 4))
    what = f"Effect of policies on {label_of(name)}" if has_effects else label_of(name)
    cells = grid.to_numpy(dtype=float)
    span = (
        f"{significant(np.nanmin(cells))} to {significant(np.nanmax(cells))}" if np.isfinite(cells).any() else "nothing"
    )
    n = counted(made.scenario.run.replicates, "replicate")
    remark = f"Scenario {made.scenario.name}, {n} with the same luck in every cell; {_unit(made, name)}. " + (
        "Effects against the same cell without policies; in brackets: undecided." if has_effects else "Means."
    )
    top = style.set_title(figure, f"{what} in {at}: {span} over the grid", remark)
    inch = 1 / figure.get_figheight()
    axes = figure.add_axes((0.13, 0.6 * inch, 0.72, top - 0.75 * inch), label="map")
    limit = np.nanmax(np.abs(cells)) if np.isfinite(cells).any() else 1.0
    options = {"cmap": "RdBu_r", "vmin": -limit or -1.0, "vmax": limit or 1.0} if has_effects else {"cmap": "viridis"}
    image = axes.imshow(cells, aspect="auto", origin="lower", **options)
    axes.grid(visible=False)
    axes.set_xticks(range(len(column_values)), [plain(value) for value in column_values])
    axes.set_yticks(range(len(row_values)), [plain(value) for value in row_values])
    axes.set_xlabel(short(columns))
    axes.set_ylabel(short(rows))
    if max(len(row_values), len(column_values)) <= _MOST_CELLS_WITH_TEXT:
        for (i, j), value in np.ndenumerate(cells):
            red, green, blue = image.cmap(image.norm(value))[:3] if np.isfinite(value) else (1.0, 1.0, 1.0)
            text = significant(value) if np.isfinite(value) else "failed"
            if has_effects and words.iloc[i, j] == "undecided":
                text = f"({text})"
            ink = "white" if style.is_dark((red, green, blue)) else style.INK
            axes.text(j, i, text, ha="center", va="center", size=8, color=ink)
    bar = figure.add_axes((0.87, 0.6 * inch, 0.018, top - 0.75 * inch), label="scale")
    figure.colorbar(image, cax=bar, format=FuncFormatter(lambda value, _: significant(value)))
    return figure
