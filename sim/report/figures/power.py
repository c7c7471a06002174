"""AI power against effective compute, on the chosen power function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.collections import PathCollection
from matplotlib.ticker import FuncFormatter

from sim.report import style
from sim.report.figures.common import WIDTH, run_remark
from sim.submodels.power import power_function

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from sim.result import Result


@dataclass(frozen=True)
class PowerCurve:
    """Firms of one replicate, and the power function through them.

    Attributes
    ----------
    quarter : str
    replicate : int
        The one whose total power is the median (the lower of two middle ones).
    firms : pandas.DataFrame
        By firm: firm_class, effective_compute, power; only firms with both above 0.
    compute, power : arrays
        The function f on a grid.
    """

    quarter: str
    replicate: int
    firms: pd.DataFrame
    compute: NDArray[np.float64]
    power: NDArray[np.float64]


def power_curve(result: Result) -> PowerCurve:
    """Collect what the figure of power against compute shows."""
    quarter = str(max(set(result.firms.index.get_level_values("quarter"))))
    frame = result.firms.xs(quarter, level="quarter")
    totals = frame["power"].groupby(level="replicate").sum().sort_values(kind="stable")
    replicate = int(totals.index[(len(totals) - 1) // 2])
    is_shown = (frame["effective_compute"] > 0) & (frame["power"] > 0)
    is_shown &= frame.index.get_level_values("replicate") == replicate
    columns = ["firm_class", "effective_compute", "power"]
    firms = pd.DataFrame(frame.loc[is_shown, columns].droplevel("replicate"))
    compute = firms["effective_compute"]
    grid = np.geomspace(compute.min() / 2, compute.max() * 2, 200)
    function = _power_function(result, firms)
    return PowerCurve(quarter, replicate, firms, grid, function(grid))


def _power_function(
    result: Result, firms: pd.DataFrame
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Take f of the scenario; its reference E0 is the compute that gives the leader its power."""
    resolved = result.scenario.resolved()
    gamma, family = float(resolved["world"]["parameters"]["gamma"]), resolved["power"]["family"]
    compute, power = firms.sort_values("power")[["effective_compute", "power"]].to_numpy()[-1]

    low, high = np.log(compute) - _WIDEST, np.log(compute) + _WIDEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        function = power_function(family, float(np.exp(middle)), gamma)
        # a larger reference gives less power
        if function.power(np.array([compute]))[0] > power:
            low = middle
        else:
            high = middle
    return power_function(family, float(np.exp(low)), gamma).power


_WIDEST = 80.0
_HALVINGS = 70
N_POWER_NAMES = 14


def power_against_compute(result: Result) -> Figure:
    """Draw AI power against effective compute: firms as points, f as a line."""
    data = power_curve(result)
    firms = data.firms
    big = firms[firms["firm_class"] != "sme"].sort_values("power", ascending=False)
    leader, middle = big.iloc[0], big.iloc[len(big) // 2]
    ratio = leader[["effective_compute", "power"]] / middle[["effective_compute", "power"]]
    finding = (
        f"{big.index[0]} has {_times(ratio['effective_compute'])} times the effective compute "
        f"of the median lab and {_times(ratio['power'])} times its AI power"
    )
    with style.settings():
        figure = style.new_figure(WIDTH, 5.6)
        remark = (
            f"{run_remark(result)} Firms in {data.quarter} of replicate {data.replicate}, the one "
            "with median total power; line: the chosen power function f "
            f"(family {result.scenario.resolved()['power']['family']})."
        )
        top = style.set_title(figure, finding, remark)
        axes = figure.add_axes((0.085, 0.1, 0.88, top - 0.12), label="power")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.plot(data.compute, data.power, color=style.MUTED, linewidth=1.2, gid="f", label="f")
        for kind, (marker, size, label) in _CLASS_LOOKS.items():
            group = firms[firms["firm_class"] == kind]
            shades = [
                style.LIGHT_GREY if kind == "sme" else style.colour(str(name))
                for name in group.index
            ]
            axes.scatter(
                group["effective_compute"],
                group["power"],
                s=size,
                marker=marker,
                c=shades,
                edgecolors=style.INK,
                linewidths=0.6,
                zorder=3,
                gid=kind,
                label=label,
            )
        axes.set_xlim(data.compute[0], data.compute[-1])
        axes.set_ylim(data.power[0] / 1.3, data.power[-1] * 1.6)
        axes.set_xlabel("Effective training compute (M H100e-quarters, logarithmic)")
        axes.set_ylabel("AI power (leader at start = 1, logarithmic)")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        _name_points(axes, big.head(N_POWER_NAMES))
        # The curve rises, so the lower right corner is empty.
        legend = axes.legend(loc="lower right", frameon=False, fontsize=8)
        for handle in legend.legend_handles:
            if isinstance(handle, PathCollection):
                handle.set_facecolor("white")
    return figure


def _times(ratio: float) -> str:
    """Print a ratio with two digits."""
    return f"{ratio:.2g}" if ratio < _LARGE_RATIO else f"{ratio:,.0f}"


_LARGE_RATIO = 100.0

_CLASS_LOOKS = {
    "giant": ("s", 42.0, "labs of large technology companies"),
    "lab": ("o", 42.0, "independent labs"),
    "sme": ("^", 16.0, style.SMALL),
}


def _name_points(axes: Axes, firms: pd.DataFrame) -> None:
    """Name points to their upper left, where the rising curve leaves room."""
    to_pixels = axes.transData.transform
    points = to_pixels(firms[["effective_compute", "power"]].to_numpy(dtype=np.float64))
    dpi = axes.figure.dpi
    gap, shift = 0.17 * dpi, 0.45 * dpi
    low, high = axes.bbox.y0 + gap, axes.bbox.y1 - gap / 2
    heights = style.spread(list(points[:, 1] + 0.18 * dpi), gap, low, high)
    for name, (_, y), height in zip(firms.index, points, heights, strict=True):
        axes.annotate(
            style.shorten(str(name), 8, 1.3),
            xy=tuple(firms.loc[name, ["effective_compute", "power"]]),
            xytext=(-shift * style.POINTS / dpi, (height - y) * style.POINTS / dpi),
            textcoords="offset points",
            ha="right",
            va="center",
            size=8,
            arrowprops={"arrowstyle": "-", "color": style.MUTED, "linewidth": 0.6, "shrinkB": 3},
        )
