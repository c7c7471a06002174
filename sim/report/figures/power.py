"""AI power against effective compute, on the chosen power function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.collections import PathCollection
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from sim.report import style
from sim.report.figures.common import WIDTH, firm_quarters, groups_of, run_remark
from sim.submodels.power import PowerFunction, power_function
from sim.units import H100E_PER_MILLION

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
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
    recorded = firm_quarters(result)
    begin, quarter = recorded[0], recorded[-1]
    powers = (piece["power"].xs(quarter, level="quarter") for piece in result.pieces("firms", ["power"]))
    totals = pd.concat([power.groupby(level="replicate").sum() for power in powers]).sort_values(kind="stable")
    replicate = int(totals.index[(len(totals) - 1) // 2])
    columns = ["firm_class", "effective_compute", "power"]
    chosen = pd.concat([_of_replicate(piece, replicate) for piece in result.pieces("firms", columns)])
    firms = pd.DataFrame(chosen.xs(quarter, level="quarter"))
    firms = firms[(firms["effective_compute"] > 0) & (firms["power"] > 0)]
    compute = firms["effective_compute"]
    grid = np.geomspace(compute.min() / 1e3, compute.max() * 10, 400)
    function = _power_function(result, pd.DataFrame(chosen.xs(begin, level="quarter")))
    return PowerCurve(quarter, replicate, firms, grid, function(grid))


def _of_replicate(firms: pd.DataFrame, replicate: int) -> pd.DataFrame:
    return firms[firms.index.get_level_values("replicate") == replicate].droplevel("replicate")


def _power_function(result: Result, first: pd.DataFrame) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Take f of the scenario; its reference E0 is the compute that gives the first leader its power.

    The first one kept, because f may be flat where firms are later.
    """
    resolved = result.scenario.resolved()
    family, table = resolved["power"]["family"], resolved["power"]["table"] or ()
    parameters = resolved["world"]["parameters"]
    compute, power = first.sort_values("power")[["effective_compute", "power"]].to_numpy()[-1]

    def function(log_reference: float) -> PowerFunction:
        return power_function(family, float(np.exp(log_reference)), parameters, table)

    low, high = np.log(compute) - _WIDEST, np.log(compute) + _WIDEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        with np.errstate(over="ignore", under="ignore"):
            is_more = function(middle).power(np.array([compute]))[0] > power
        # a larger reference gives less power
        if is_more:
            low = middle
        else:
            high = middle
    return function(low).power


_WIDEST = 80.0
_HALVINGS = 70
N_POWER_NAMES = 14


def power_against_compute(result: Result) -> Figure:
    """Draw AI power against effective compute: firms as points, f as a line."""
    data = power_curve(result)
    firms = data.firms
    groups = groups_of(firms.index, firms["firm_class"])
    big = firms[[name != style.SMALL for name in groups]].sort_values("power", ascending=False)
    who = "lab" if style.SMALL in groups else "firm"
    leader, middle = big.iloc[0], big.iloc[len(big) // 2]
    ratio = leader[["effective_compute", "power"]] / middle[["effective_compute", "power"]]
    finding = (
        f"{big.index[0]} has {_times(ratio['effective_compute'])} times the effective compute "
        f"of the median {who} and {_times(ratio['power'])} times its AI power, {data.quarter}"
    )
    if len(big) == 1:
        finding = f"{big.index[0]} is the only {who}, with AI power {_times(leader['power'])}, {data.quarter}"
    elif _times(ratio["effective_compute"]) == _times(ratio["power"]) == "1":
        finding = f"{big.index[0]} has about the effective compute and AI power of the median {who}, {data.quarter}"
    with style.settings():
        figure = style.new_figure(WIDTH, 5.6)
        remark = (
            f"{run_remark(result)} Firms in {data.quarter} of replicate {data.replicate}, the one "
            "with median total power; line: the chosen power function f "
            f"(family {result.scenario.resolved()['power']['family']})."
        )
        top = style.set_title(figure, finding, remark)
        axes = figure.add_axes((0.115, 0.1, 0.85, top - 0.12), label="power")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.plot(data.compute, data.power, color=style.MUTED, linewidth=1.2, gid="f", label="power function f")
        for kind, (marker, size, label) in _CLASS_LOOKS.items():
            is_kind = (firms["firm_class"] == kind).to_numpy()
            group = firms[is_kind]
            if group.empty:
                continue
            shades = [style.colour(name) for name, is_here in zip(groups, is_kind, strict=True) if is_here]
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
                label=label if style.SMALL in groups else _EQUALS,
            )
        compute, power = firms["effective_compute"], firms["power"]
        axes.set_xlim(compute.min() / 1.6, compute.max() * 1.6)
        axes.set_ylim(power.min() / 1.6, power.max() * 1.6)
        axes.set_xlabel("Effective training compute (H100e-quarters, logarithmic)")
        axes.set_ylabel("AI power (leader at start = 1, logarithmic)")
        _name_points(axes, big)
        _set_logarithmic_ticks(axes.xaxis, H100E_PER_MILLION)
        _set_logarithmic_ticks(axes.yaxis)
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

_EQUALS = "firms"


def _set_logarithmic_ticks(axis: Axis, unit: float = 1.0) -> None:
    """Label powers of ten, and 2 and 5 times them where there is room; data are in ``unit``."""
    low, high = axis.get_view_interval()
    is_short = np.log10(high / low) < _FEW_DECADES
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if is_short else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _quantity(value * unit)))
    axis.set_minor_formatter(NullFormatter())


_FEW_DECADES = 2.5


def _quantity(value: float) -> str:
    """Print a tick, large ones with a word.

    Examples
    --------
    >>> [_quantity(x) for x in (0.02, 5.0, 20000.0, 5e6, 2e9)]
    ['0.02', '5', '20,000', '5 million', '2 billion']
    """
    for size, word in _WORDS:
        if size <= value < 1e3 * size:
            return f"{value / size:,.10g}{word}"
    return f"{value:,.10g}" if value < _WORDS[-1][0] else f"{value:.0e}".replace("e+", "e")


_WORDS = ((1e12, " trillion"), (1e9, " billion"), (1e6, " million"))


def _name_points(axes: Axes, firms: pd.DataFrame) -> None:
    """Name points to their upper left, where the rising curve leaves room.

    Points that lie on each other share a name; the axes reach further when the names need it. Below the
    ``N_POWER_NAMES`` most powerful, points have no name of their own.
    """
    dpi = axes.figure.dpi
    gap, shift = _LINE_INCHES * dpi, _SHIFT_INCHES * dpi
    firms = firms.sort_values("power")
    places = firms[["effective_compute", "power"]].to_numpy(dtype=np.float64)
    for _ in range(_TRIES):
        points = axes.transData.transform(places)
        groups = _groups_of_points(points, _LEAST_INCHES * dpi)
        groups = [group for group in groups if group[-1] >= len(firms) - N_POWER_NAMES]
        texts = [_joint_name([str(firms.index[k]) for k in reversed(group)]) for group in groups]
        heights: list[float] = []
        for group in groups:
            wanted = float(points[group[-1], 1]) + gap
            heights.append(max(wanted, heights[-1] + gap if heights else wanted))
        lefts = [
            points[group[-1], 0] - shift - style.inches_of(text, 8) * dpi
            for group, text in zip(groups, texts, strict=True)
        ]
        is_high, is_wide = heights[-1] < axes.bbox.y1 - gap / 2, min(lefts) > axes.bbox.x0
        if is_high and is_wide:
            break
        if not is_high:
            axes.set_ylim(axes.get_ylim()[0], axes.get_ylim()[1] * _reach(axes.get_ylim()))
        if not is_wide:
            axes.set_xlim(axes.get_xlim()[0] / _reach(axes.get_xlim()), axes.get_xlim()[1])
    for group, text, height in zip(groups, texts, heights, strict=True):
        y = points[group[-1], 1]
        axes.annotate(
            text,
            xy=tuple(places[group[-1]]),
            xytext=(-shift * style.POINTS / dpi, (height - y) * style.POINTS / dpi),
            textcoords="offset points",
            ha="right",
            va="center",
            size=8,
            arrowprops={
                "arrowstyle": "-",
                "color": style.MUTED,
                "linewidth": 0.6,
                "shrinkA": 1,
                "shrinkB": 3,
                "relpos": (1.0, 0.5),
            },
        )


def _reach(limits: tuple[float, float]) -> float:
    """Give the factor that makes a logarithmic axis 5% longer."""
    return float((limits[1] / limits[0]) ** 0.05)


def _groups_of_points(points: NDArray[np.float64], least: float) -> list[list[int]]:
    """Put points, in order along the curve, together while neighbours are closer than ``least``."""
    groups = [[0]]
    for k in range(1, len(points)):
        if np.hypot(*(points[k] - points[k - 1])) < least:
            groups[-1].append(k)
        else:
            groups.append([k])
    return groups


def _joint_name(names: list[str]) -> str:
    """Name a group of points; of a large one only the two with most power.

    Examples
    --------
    >>> _joint_name(["A", "B", "C"]), _joint_name(["A", "B", "C", "D"])
    ('A, B, C', 'A, B and 2 more')
    """
    names = [style.shorten(name, 8, 1.3) for name in names]
    if len(names) <= _MOST_JOINT:
        return ", ".join(names)
    return f"{', '.join(names[: _MOST_JOINT - 1])} and {len(names) - _MOST_JOINT + 1} more"


_MOST_JOINT = 3


_LINE_INCHES = 0.17
_LEAST_INCHES = 0.1
_SHIFT_INCHES = 0.45
_TRIES = 30
