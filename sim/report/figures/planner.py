"""A planner's allocation beside the market's, and efficiency against equality."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from sim.report import style
from sim.report.figures.common import WIDTH, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from sim.planner import Allocation, Frontier

MOST_FIRMS = 20
"""Firms drawn, those with most compute in either allocation; the rest are counted."""
_ROW = 0.24
_LOGARITHMIC_FROM = 30.0
_LEAST_SHOWN = 1e-4
"""Share of the largest amount below which an amount is drawn at the left edge of a logarithmic axis."""

LOOKS = {
    "planner": ("s", style.BLUE, "planner"),
    "optimum": ("*", style.BLACK, "planner without rules"),
    "market": ("o", style.VERMILLION, "market"),
    "equal": ("D", style.GREEN, "equal shares"),
    "size": ("^", style.ORANGE, "by revenue"),
    "contribution": ("v", style.SKY, "by AI power"),
    "current": ("P", style.PURPLE, "by effective compute held"),
    "max_min": ("X", style.MUTED, "max-min"),
}
"""Marker, colour and words for each way of dividing compute."""


def shown_firms(allocation: Allocation) -> pd.DataFrame:
    """Collect the firms that the figure shows, most compute in the plan first."""
    frame = allocation.firms()
    largest = frame[["compute_plan", "compute_market"]].max(axis="columns")
    chosen = largest.sort_values(ascending=False, kind="stable").index[:MOST_FIRMS]
    return frame.loc[chosen].sort_values(["compute_plan", "compute_market"], ascending=False, kind="stable")


def allocation_figure(allocation: Allocation) -> Figure:
    """Draw compute and marginal power of each firm, in the plan and in the market."""
    firms = shown_firms(allocation)
    with style.settings():
        figure = style.new_figure(WIDTH, 1.9 + _ROW * len(firms))
        top = style.set_title(figure, _finding(allocation), _remark(allocation, len(firms)))
        longest = max(style.inches_of(str(name), 8) for name in firms.index)
        left = min(longest + 0.3, 2.6) / WIDTH
        bottom = 0.92 / figure.get_figheight()
        width = (1 - left - 0.05) / 2
        amounts = figure.add_axes((left, bottom, width, top - bottom - 0.02), label="compute")
        marginal = figure.add_axes((left + width + 0.03, bottom, width, top - bottom - 0.02), label="marginal")
        rows = np.arange(len(firms))[::-1]
        columns = {"market": "market", "planner": "plan"}
        for axes, quantity in ((amounts, "compute"), (marginal, "marginal_power")):
            values = firms[[f"{quantity}_{column}" for column in columns.values()]].to_numpy()
            low, high = _limits(values)
            is_logarithmic = low > 0.0
            drawn = np.clip(values, low, high) if is_logarithmic else values
            axes.hlines(rows, drawn.min(axis=1), drawn.max(axis=1), color=style.LIGHT_GREY, linewidth=1.2, zorder=1)
            for place, name in enumerate(columns):
                marker, shade, words = LOOKS[name]
                is_market = name == "market"
                axes.scatter(
                    drawn[:, place],
                    rows,
                    s=34 if is_market else 26,
                    marker=marker,
                    facecolors="white" if is_market else shade,
                    edgecolors=shade,
                    linewidths=1.2,
                    zorder=2 + place,
                    label=words,
                    gid=f"{quantity}-{name}",
                )
            if is_logarithmic:
                axes.set_xscale("log")
                axes.xaxis.set_minor_formatter(NullFormatter())
                axes.set_xlim(low / 1.3, high * 1.3)
            else:
                axes.set_xlim(-0.03 * high, 1.05 * high)
                axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
            _plain_ticks(axes.xaxis)
            axes.set_ylim(-0.7, len(firms) - 0.3)
            axes.tick_params(axis="y", length=0)
            axes.grid(visible=False, axis="y")
        amounts.set_yticks(rows, [style.shorten(str(name), 8, 2.3) for name in firms.index], fontsize=8)
        marginal.set_yticks(rows, [""] * len(rows))
        amounts.set_xlabel("Training compute (M H100e)")
        marginal.set_xlabel("AI power of one more M H100e")
        if allocation.rules.alpha == 0.0 and np.isfinite(allocation.price) and allocation.price > 0.0:
            line = marginal.axvline(allocation.price, color=style.INK, linewidth=0.9, linestyle="--", zorder=0)
            line.set_label(f"shadow price {_number(allocation.price)}")
        handles, labels = marginal.get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="lower center", ncols=len(labels), frameon=False, fontsize=8, bbox_to_anchor=(0.5, 0.0)
        )
    return figure


def frontier_figure(allocation: Allocation, frontier: Frontier) -> Figure:
    """Draw the most total power at each degree of equality, with ways of dividing compute as points."""
    divisions = allocation.divisions
    worst = 1.0 - max(float(np.max(frontier.cost)), *(each.lost for each in divisions))
    cost = float(frontier.cost[0])
    is_weighted = bool(np.ptp(allocation.problem.weight) > 0.0)
    with style.settings():
        figure = style.new_figure(WIDTH, 5.2)
        finding = (
            f"Equal shares cost {_percent(cost)} of AI power"
            if cost > _NOTHING
            else "Equal shares cost nothing: the optimum is equal"
        )
        bounded = {"gini": "the Gini coefficient", "hhi": "the HHI", "cap": "the largest share"}[frontier.bounded]
        remark = (
            f"{_source(allocation)} Line: most total AI power under a bound on {bounded} of compute, from equal shares "
            "to the optimum. The distance of a point below the top is the cost of its rule."
        )
        top = style.set_title(figure, finding, remark)
        axes = figure.add_axes((0.09, 0.11, 0.6, top - 0.14), label="frontier")
        axes.plot(frontier.gini, 1.0 - frontier.cost, color=style.INK, linewidth=1.4, label="frontier")
        for number, each in enumerate(divisions):
            marker, shade, words = LOOKS[each.name]
            axes.scatter(
                [each.gini],
                [1.0 - each.lost],
                s=64 - 4 * number,
                marker=marker,
                facecolors="white" if each.name == "market" else shade,
                edgecolors=shade,
                linewidths=1.2,
                label=f"{words}: costs {_percent(each.lost)}",
                zorder=2 + number,
                gid=each.name,
                clip_on=False,
            )
        axes.set_xlim(-0.02, max(0.1, 1.06 * max(*(each.gini for each in divisions), float(frontier.gini.max()))))
        low = min(worst, 0.95)  # so that ticks in whole per cent differ
        axes.set_ylim(max(0.0, low - 0.06 * (1.0 - low) - 0.005), 1.0 + 0.06 * (1.0 - low) + 0.005)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _percent(value)))
        axes.set_xlabel("Gini coefficient of compute (0: equal)")
        axes.set_ylabel(f"Total AI power{', by weights' if is_weighted else ''}, of the optimum")
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=8)
    return figure


_NOTHING = 5e-4


def _finding(allocation: Allocation) -> str:
    plan, market = (next(each for each in allocation.divisions if each.name == name) for name in ("planner", "market"))
    gain = plan.total_power / market.total_power - 1.0
    moved = float(np.maximum(plan.compute - market.compute, 0.0).sum()) / allocation.total
    unused = 1.0 - float(plan.compute.sum()) / allocation.total
    rest = f", and leave {_percent(unused)} unused" if unused > _NOTHING else ""
    who = "A planner" if allocation.rules.is_bare else "A planner who keeps the rules"
    if moved < _NOTHING:
        return f"{who} would leave compute where it is" if not rest else f"{who} would move no compute{rest}"
    change = f"{_percent(abs(gain))} {'more' if gain >= 0.0 else 'less'} AI power"
    if abs(gain) < _NOTHING:
        change = "the same AI power"
    return f"{who} would move {_percent(moved)} of compute and make {change} of it{rest}"


def _remark(allocation: Allocation, n_shown: int) -> str:
    n = len(allocation.problem.names)
    shown = f" The {n_shown} firms with most compute of {n}." if n_shown < n else ""
    return f"{_source(allocation)} Method {allocation.method}.{shown}"


def _source(allocation: Allocation) -> str:
    return f"{allocation.label}." if allocation.label else ""


def _number(value: float) -> str:
    """Print a number with three digits, or all before the point.

    Examples
    --------
    >>> _number(8.4046), _number(1314.5)
    ('8.4', '1,314')
    """
    return f"{value:,.0f}" if value >= _WHOLE_FROM else f"{value:.3g}"


_WHOLE_FROM = 100.0


def _percent(share: float) -> str:
    """Per cent, with a digit where there are few.

    Examples
    --------
    >>> _percent(0.321), _percent(0.0068), _percent(-1e-9)
    ('32%', '0.7%', '0.0%')
    """
    return f"{round(100 * share, 1) + 0.0:.1f}%" if abs(share) < _FEW else percent(share)


_FEW = 0.0995


def _limits(values: np.typing.NDArray[np.float64]) -> tuple[float, float]:
    """Ends of an axis; the lower is 0 where it need not be logarithmic."""
    finite = values[np.isfinite(values)]
    high = float(finite.max(initial=1e-300))
    positive = finite[finite > 0.0]
    low = float(positive.min(initial=high))
    return (max(low, _LEAST_SHOWN * high), high) if high > _LOGARITHMIC_FROM * low else (0.0, high)


def _plain_ticks(axis: Axis) -> None:
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
