"""Concentration by layer, from chip sales to revenue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter

from sim.report import style
from sim.report.figures.common import WIDTH, band_remark, lower, run_remark, set_time_axis, year_of
from sim.report.tables import LAYERS, two_places, whole
from sim.result import HIGH, LOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from sim.result import Result


def concentration_paths(result: Result, index: str) -> dict[str, pd.DataFrame]:
    """Mean and 5-95% range over replicates of an index, by layer.

    Parameters
    ----------
    result : Result
    index : {"hhi", "gini"}

    Returns
    -------
    dict of str to pandas.DataFrame
        Layer -> frame by quarter with columns mean, low, high. A layer in which nothing is ever sold has no index and
        no path.
    """
    paths = {}
    names = {layer: f"{index}_{layer}" for layer in LAYERS if f"{index}_{layer}" in result.catalogue}
    measures = pd.concat(result.pieces("measures", list(names.values())))
    for layer, name in names.items():
        if measures[name].notna().any():
            groups = measures[name].groupby(level="quarter")
            columns = {"mean": groups.mean(), "low": groups.quantile(LOW)}
            paths[layer] = pd.DataFrame({**columns, "high": groups.quantile(HIGH)})
    return paths


def _concentration_finding(result: Result, paths: dict[str, pd.DataFrame]) -> str:
    means = {layer: path["mean"].dropna() for layer, path in paths.items()}
    ends = {layer: (float(mean.iloc[0]), float(mean.iloc[-1])) for layer, mean in means.items()}
    changes = {layer: np.log(last / first) for layer, (first, last) in ends.items()}
    up, down = max(changes, key=changes.__getitem__), min(changes, key=changes.__getitem__)

    def words(layer: str) -> str:
        first, last = ends[layer]
        return f"{lower(LAYERS[layer])} (HHI {whole(first)} to {whole(last)})"

    span = f"{result.quarters[0]} to {result.quarters[-1]}"
    if len(result.quarters) == 1:
        highest = whole(max(last for _, last in ends.values()))
        most = [LAYERS[layer] for layer, (_, last) in ends.items() if whole(last) == highest]
        if len(most) > 1:
            who = "Every layer is" if len(most) == len(ends) else "The most concentrated layers are"
            return f"{who} at HHI {highest}"
        return f"{most[0]}: the most concentrated layer (HHI {highest})"
    if all(whole(first) == whole(last) for first, last in ends.values()):
        return f"Concentration stays where it is in every layer, {span}"
    if changes[down] > 0:
        return f"Concentration rises in every layer, most in {words(up)}, {span}"
    if changes[up] < 0:
        return f"Concentration falls in every layer, most in {words(down)}, {span}"
    rises = f"rises most in {words(up)}" if changes[up] > 0 else "rises in no layer"
    falls = f"falls most in {words(down)}" if changes[down] < 0 else "falls in no layer"
    return f"Concentration {rises} and {falls}, {span}"


def concentration(result: Result) -> Figure:
    """Draw HHI and Gini of the five layers, from chips to revenue, with bands."""
    with style.settings():
        figure = style.new_figure(WIDTH, 7.2)
        hhi = concentration_paths(result, "hhi")
        remark = (
            f"{run_remark(result)}{band_remark(result)} HHI and Gini can disagree: HHI follows "
            "the largest, Gini also the number of small ones."
        )
        top = style.set_title(figure, _concentration_finding(result, hhi), remark)
        gini = concentration_paths(result, "gini")
        rows = (
            ("hhi", hhi, "HHI (points, 0 to 10,000)", whole),
            ("gini", gini, "Gini (0 = equal, 1 = one has all)", two_places),
        )
        height = (top - 0.11) / 2
        for position, (index, paths, label, form) in enumerate(rows):
            bottom = 0.07 + (1 - position) * (height + 0.035)
            axes = figure.add_axes((0.085, bottom, 0.645, height - 0.005), label=index)
            highest = max((float(path["high"].max()) for path in paths.values()), default=1.0)
            axes.set_ylim(0, 1 if index == "gini" else highest * 1.05)
            _draw_paths(axes, paths, form)
            axes.set_ylabel(label)
            axes.yaxis.set_major_formatter(FuncFormatter(_axis_number(form)))
            if position == 0:
                axes.set_xlabel("")
                axes.tick_params(labelbottom=False)
    return figure


def _axis_number(form: Callable[[float], str]) -> Callable[[float, int], str]:
    return lambda value, _: form(value)


def _draw_paths(axes: Axes, paths: dict[str, pd.DataFrame], form: Callable[[float], str]) -> None:
    """Draw lines, bands and names; the vertical limits must be set."""
    ends, texts, colours = [], [], []
    times: NDArray[np.float64] = np.empty(0)
    for number, (layer, path) in enumerate(paths.items()):
        times = np.array([year_of(str(quarter)) for quarter in path.index])
        shade = LAYER_COLOURS[layer]
        axes.fill_between(times, path["low"], path["high"], color=shade, alpha=0.15, linewidth=0)
        axes.plot(
            times,
            path["mean"],
            color=shade,
            linewidth=1.8,
            linestyle=style.LINE_STYLES[number],
            marker=style.MARKERS[number] if len(times) == 1 else "",
            gid=layer,
        )
        if np.isfinite(path["mean"].iloc[-1]):
            ends.append(float(path["mean"].iloc[-1]))
            texts.append(f"{LAYERS[layer]} {form(ends[-1])}")
            colours.append(shade)
    if paths:
        set_time_axis(axes, [str(quarter) for quarter in next(iter(paths.values())).index])
        style.label_right(axes, times[-1], ends, texts, colours)


LAYER_COLOURS = {
    "chip_sales": style.BLACK,
    "compute_owned": style.BLUE,
    "compute_used": style.ORANGE,
    "own_effective_compute": style.PURPLE,
    "power": style.GREEN,
    "revenue": style.VERMILLION,
}
