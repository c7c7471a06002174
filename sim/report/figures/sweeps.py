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
    places, are_numbers = _numbers(values)
    second_line = 0.0 if are_numbers else 0.18
    figure = style.new_figure(WIDTH, 1.3 + (2.7 + second_line) * n_rows)
    at = made.quarter(horizon)
    finding = _finding(made, shown[0], at, path, values)
    n = counted(made.scenario.run.replicates, "replicate")
    remark = (
        f"Scenario {made.scenario.name}, {n} with the same luck at every value."
        " Lines: mean; dark bands: 95% confidence interval of the mean; light bands: 5-95% range over replicates "
        f"({shown_by(made.scenario)})."
    )
    top = style.set_title(figure, finding, remark)
    left, right, bottom = 0.09, 0.015, (0.62 + second_line) / figure.get_figheight()
    gap = (0.09, (0.72 + second_line) / figure.get_figheight())
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
        axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    return figure


def _unit(made: Sweep, measure: str) -> str:
    return str(made.table.loc[made.table["measure"] == measure, "unit"].iloc[0])


def _set_axis(axes: Axes, path: str, values: Sequence[Any], places: list[float], *, are_numbers: bool) -> None:
    axes.set_xlabel(short(path))
    if are_numbers and min(places) > 0 and max(places) >= _DECADE * min(places):
        axes.set_xscale("log")
    if not are_numbers or len(values) <= _FEW:
        _name_ticks(axes, places, [plain(value) for value in values], may_thin=are_numbers)
        axes.set_xticks([], minor=True)


def _name_ticks(axes: Axes, places: Sequence[float], labels: Sequence[str], *, may_thin: bool) -> None:
    """Name places on the horizontal axis; where they would touch, leave some out, or put names on two lines."""
    order = np.argsort(places, kind="stable")
    at = axes.transData.transform([(places[k], axes.get_ylim()[0]) for k in order])[:, 0] / axes.figure.dpi
    widths = [style.inches_of(labels[k], _TICK_SIZE) for k in order]
    kept = [0]
    for k in range(1, len(order)):
        if at[k] - at[kept[-1]] >= (widths[k] + widths[kept[-1]]) / 2 + _TICK_GAP:
            kept.append(k)
    shown = list(labels)
    if may_thin:
        order = order[kept]
    elif len(kept) < len(order):
        room = 2 * float(np.diff(at).min()) - _TICK_GAP
        shown = ["\n" * (k % 2) + style.shorten(label, _TICK_SIZE, room) for k, label in enumerate(labels)]
    axes.set_xticks([places[k] for k in order], [shown[k] for k in order])


_TICK_SIZE, _TICK_GAP = 9, 0.06
"""Size of ticks' names in points, least gap between them in inches."""


def _tick(value: float, _: int | None = None) -> str:
    """A number beside an axis, with as many digits as it has.

    Examples
    --------
    >>> _tick(20.0), _tick(16.65), _tick(1500.0), _tick(2e6)
    ('20.0', '16.65', '1,500', '2.0e6')
    """
    text = significant(value)
    return text if np.isclose(float(text.replace(",", "")), value, rtol=1e-6, atol=0.0) else f"{value:,.6g}"


_DECADE, _FEW = 30.0, 6


def _finding(made: Sweep, measure: str, horizon: str, path: str, values: Sequence[Any]) -> str:
    means = made.grid(measure, horizon).reindex(list(values))["mean"]
    first, last = float(means.iloc[0]), float(means.iloc[-1])
    what = f"{label_of(measure)} in {horizon}"
    if not (np.isfinite(first) and np.isfinite(last)):
        return f"{what} over {short(path)}"
    if len(values) == 1:
        return f"{what} is {significant(first)} where {short(path)} is {plain(values[0])}"
    least, most = significant(means.min()), significant(means.max())
    if least == most:
        return f"{what} stays at {least}, whatever {short(path)} is"
    if not _numbers(values)[1]:
        low, high = (plain(values[int(np.nanargmin(sign * means.to_numpy(dtype=float)))]) for sign in (1, -1))
        return f"{what} is lowest where {short(path)} is {low} ({least}) and highest where it is {high} ({most})"
    ends = f"{short(path)} goes from {plain(values[0])} to {plain(values[-1])}"
    steps = np.diff(means.dropna())
    if (steps > 0).any() and (steps < 0).any():
        return f"{what} goes from {significant(first)} to {significant(last)} as {ends}, not in one direction"
    verb = "rises" if last > first else "falls"
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
    ends = [significant(end(cells)) for end in (np.nanmin, np.nanmax)] if np.isfinite(cells).any() else ["nothing"]
    span = " to ".join(ends) + " over the grid" if len(set(ends)) > 1 else f"{ends[0]} in every cell"
    n = counted(made.scenario.run.replicates, "replicate")
    remark = f"Scenario {made.scenario.name}, {n} with the same luck in every cell; {_unit(made, name)}. " + (
        "Effects against the same cell without policies; in brackets: undecided." if has_effects else "Means."
    )
    top = style.set_title(figure, f"{what} in {at}: {span}", remark)
    inch = 1 / figure.get_figheight()
    axes = figure.add_axes((0.13, 0.6 * inch, 0.72, top - 0.75 * inch), label="map")
    limit = np.nanmax(np.abs(cells)) if np.isfinite(cells).any() else 1.0
    options = {"cmap": "RdBu_r", "vmin": -limit or -1.0, "vmax": limit or 1.0} if has_effects else {"cmap": "viridis"}
    image = axes.imshow(cells, aspect="auto", origin="lower", **options)
    axes.grid(visible=False)
    named, are_numbers = [plain(value) for value in column_values], _numbers(column_values)[1]
    _name_ticks(axes, range(len(named)), named, may_thin=are_numbers)
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
    figure.colorbar(image, cax=bar, format=FuncFormatter(_tick))
    return figure
