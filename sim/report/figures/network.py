"""Supply network: makers, owners, firms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Outline

from sim.errors import ResultError
from sim.report import style
from sim.report.figures.common import WIDTH, groups_of, percent, run_remark
from sim.report.tables import significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    import networkx as nx
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from sim.result import Result


N_NETWORK_FIRMS = 9
SMALLEST_LINK = 0.004
"""Links below this share of their layer are left out of the drawing."""


def supply_links(result: Result, quarter: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mean supply in M H100e, firms grouped as drawn; those of a class that no table tells have their own names.

    Returns
    -------
    delivered, used : pandas.DataFrame
        Makers by owners (chips delivered in the year to date) and owners by firms (compute
        rented in the quarter); rows supply, columns buy.
    """
    graph = result.network(quarter)
    last = [firms["firm_class"].groupby(level="firm").last() for firms in result.pieces("firms", ["firm_class"])]
    classes = pd.concat(last).groupby(level="firm").last()
    used = _weights(graph, "owner", "firm")
    used = used.loc[:, used.sum() > 0.0] if used.to_numpy().any() else used
    groups = groups_of(used.columns, [classes.get(name, "") for name in used.columns])
    return grouped_links(_weights(graph, "maker", "owner"), used, groups)


def grouped_links(
    delivered: pd.DataFrame, used: pd.DataFrame, groups: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add up firms of a group, put all beyond the largest into another, and order everybody by size.

    Parameters
    ----------
    delivered, used : pandas.DataFrame
        Makers by owners and owners by firms, M H100e.
    groups : sequence of str
        Name under which each column of ``used`` is drawn.
    """
    used = used.set_axis(list(groups), axis=1)
    sizes = used.T.groupby(level=0, sort=False).sum().sum(axis=1).drop(style.SMALL, errors="ignore")
    named = sizes.sort_values(ascending=False, kind="stable").index
    others = dict.fromkeys(named[N_NETWORK_FIRMS:], style.OTHERS)
    grouped = used.rename(columns=others).T.groupby(level=0, sort=False).sum().T
    last = [name for name in (style.OTHERS, style.SMALL) if name in grouped.columns]
    used = grouped[[*named[:N_NETWORK_FIRMS], *last]]
    order = (delivered.sum() + used.sum(axis=1)).sort_values(ascending=False, kind="stable").index
    makers = delivered.sum(axis=1).sort_values(ascending=False, kind="stable").index
    return delivered.loc[makers, order], used.loc[order]


def _weights(graph: nx.DiGraph[str], supplier: str, customer: str) -> pd.DataFrame:
    """Weights of one layer, suppliers by customers, by name."""
    places: dict[str, dict[str, int]] = {supplier: {}, customer: {}}
    for node in graph.nodes:
        if (kind := graph.nodes[node]["kind"]) in places:
            places[kind][node] = len(places[kind])
    array = np.zeros((len(places[supplier]), len(places[customer])))
    for seller, buyer in graph.edges(places[supplier]):
        weight = graph.edges[seller, buyer]["weight"]
        array[places[supplier][seller], places[customer][buyer]] = weight
    names = [[graph.nodes[node]["name"] for node in column] for column in places.values()]
    return pd.DataFrame(array, index=names[0], columns=names[1])


def supply_network(result: Result) -> Figure:
    """Draw who supplies whom: makers, owners, firms; widths are M H100e."""
    quarters = result.network_quarters()
    if not quarters:
        message = "no supply network was recorded; name quarters under record: networks and run again"
        raise ResultError(message)
    quarter = quarters[-1]
    delivered, used = supply_links(result, quarter)
    remark = (
        f"{run_remark(result)} Mean over replicates. Numbers and widths in M H100e, one scale: "
        "chips delivered in the year to date (left), compute rented in the quarter (right; "
        "owners' own other uses are not drawn). Links below "
        f"{100 * SMALLEST_LINK:.1f}% of their side are left out."
    )
    return network_figure(delivered, used, quarter, remark)


def network_figure(delivered: pd.DataFrame, used: pd.DataFrame, quarter: str, remark: str) -> Figure:
    """Draw grouped links; the finding above them says who delivers and supplies most."""
    makers, owners = delivered.sum(axis=1), used.sum(axis=1)
    top_maker, top_owner = str(makers.idxmax()), str(owners.idxmax())
    made = f"{top_maker} delivers {percent(makers.max() / makers.sum())} of new chips; " if makers.sum() > 0.0 else ""
    finding = (
        f"{made}{top_owner} supplies {percent(owners.max() / owners.sum())} of the compute that AI "
        f"developers rent, {quarter}"
    )
    with style.settings():
        figure = style.new_figure(WIDTH, 6.6)
        top = style.set_title(figure, finding, remark)
        axes = figure.add_axes((0.0, 0.01, 1.0, top - 0.03), label="network")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_axis_off()
        _draw_network(axes, delivered, used, (top - 0.03) * 6.6)
    return figure


# Places across the drawing, as shares of its width.
_MAKERS_X, _OWNERS_LEFT, _OWNERS_RIGHT, _FIRMS_X, _BAR = 0.2, 0.375, 0.65, 0.79, 0.012
_HEADING = 0.06
_LINE_INCHES = 0.17


def _draw_network(axes: Axes, delivered: pd.DataFrame, used: pd.DataFrame, inches: float) -> None:
    columns = {
        "makers": (delivered.sum(axis=1), None),
        "owners": (delivered.sum(), used.sum(axis=1)),
        "firms": (used.sum(), None),
    }
    sizes = {
        kind: (first if second is None else pd.concat([first, second], axis=1).max(axis=1))
        for kind, (first, second) in columns.items()
    }
    line = _LINE_INCHES / inches
    scale = _common_scale([size.to_numpy() for size in sizes.values()], line, 1 - _HEADING)
    middles = {kind: _stack(size, scale, line) for kind, size in sizes.items()}
    for x, text, side in (
        (_MAKERS_X, "Chip makers", "right"),
        ((_OWNERS_LEFT + _OWNERS_RIGHT) / 2, "Compute owners", "center"),
        (_FIRMS_X, "AI developers", "left"),
    ):
        axes.text(x, 1 - _HEADING / 2, text, ha=side, va="center", weight="bold", size=9.5)
    _draw_links(axes, delivered, scale, (middles["makers"], middles["owners"]), (_MAKERS_X, _OWNERS_LEFT))
    _draw_links(axes, used, scale, (middles["owners"], middles["firms"]), (_OWNERS_RIGHT, _FIRMS_X))
    made, received, sold, bought = (
        {str(name): float(total) for name, total in totals.items()}
        for totals in (delivered.sum(axis=1), delivered.sum(), used.sum(axis=1), used.sum())
    )
    pad = 0.007
    for name, y in middles["makers"].items():
        _draw_bar(axes, name, _MAKERS_X - _BAR, y, made[name] * scale)
        text = f"{style.shorten(name, 8, 1.3)} {significant(made[name])}"
        axes.text(_MAKERS_X - _BAR - pad, y, text, ha="right", va="center", size=8)
    for name, y in middles["firms"].items():
        _draw_bar(axes, name, _FIRMS_X, y, bought[name] * scale)
        text = f"{style.shorten(name, 8, 1.3)} {significant(bought[name])}"
        axes.text(_FIRMS_X + _BAR + pad, y, text, ha="left", va="center", size=8)
    for name, y in middles["owners"].items():
        _draw_bar(axes, name, _OWNERS_LEFT, y, received[name] * scale)
        _draw_bar(axes, name, _OWNERS_RIGHT - _BAR, y, sold[name] * scale)
        middle, text = (_OWNERS_LEFT + _OWNERS_RIGHT) / 2, style.shorten(name, 7.5, 1.5)
        axes.text(middle, y, text, ha="center", va="center", size=7.5)
        left, right = _short(received[name]), _short(sold[name])
        axes.text(_OWNERS_LEFT + _BAR + pad, y, left, ha="left", va="center", size=7.5)
        axes.text(_OWNERS_RIGHT - _BAR - pad, y, right, ha="right", va="center", size=7.5)


def _short(value: float) -> str:
    """Print with at most two decimals."""
    return f"{value:.2f}" if value < 1 else significant(value)


def _common_scale(columns: list[NDArray[np.float64]], line: float, room: float) -> float:
    """Largest height per M H100e at which every column fits, each actor at least a line high."""
    low, high = 0.0, room / max(float(column.sum()) for column in columns)
    for _ in range(60):
        middle = (low + high) / 2
        fits = all(np.maximum(column * middle + _GAP, line).sum() <= room for column in columns)
        low, high = (middle, high) if fits else (low, middle)
    return low


_GAP = 0.006


def _stack(sizes: pd.Series[float], scale: float, line: float) -> dict[str, float]:
    """Middles of the actors of a column, from the top, spread over the height."""
    heights = np.maximum(sizes.to_numpy() * scale + _GAP, line)
    spare = (1 - _HEADING - heights.sum()) / max(len(heights), 1)
    tops = 1 - _HEADING - np.concatenate([[0.0], np.cumsum(heights + spare)[:-1]])
    return dict(zip(sizes.index, tops - (heights + spare) / 2, strict=True))


def _draw_bar(axes: Axes, name: str, x: float, middle: float, height: float) -> None:
    bar = Rectangle(
        (x, middle - height / 2),
        _BAR,
        height,
        facecolor=style.colour(name),
        edgecolor=style.INK,
        linewidth=0.4,
        zorder=3,
    )
    axes.add_patch(bar)


def _draw_links(
    axes: Axes,
    links: pd.DataFrame,
    scale: float,
    middles: tuple[dict[str, float], dict[str, float]],
    ends: tuple[float, float],
) -> None:
    """Draw bands between two columns; the height of a band is its weight times the scale."""
    least = SMALLEST_LINK * links.to_numpy().sum()
    starts = {name: middles[0][name] + links.loc[name].sum() * scale / 2 for name in links.index}
    stops = {name: middles[1][name] + links[name].sum() * scale / 2 for name in links.columns}
    sellers = sorted(links.index, key=lambda name: -middles[0][name])
    buyers = sorted(links.columns, key=lambda name: -middles[1][name])
    for seller in sellers:
        for buyer in buyers:
            height = float(links.loc[seller, buyer]) * scale
            left, right = starts[seller], stops[buyer]
            starts[seller] -= height
            stops[buyer] -= height
            if links.loc[seller, buyer] >= least and height > 0:
                band = PathPatch(
                    _band(ends, left, right, height),
                    facecolor=style.colour(str(seller)),
                    edgecolor="white",
                    linewidth=0.2,
                    alpha=0.5,
                    zorder=1,
                    gid=f"{seller}|{buyer}",
                )
                axes.add_patch(band)


def _band(ends: tuple[float, float], left: float, right: float, height: float) -> Outline:
    """Outline of a band from ``left`` down by ``height`` to ``right`` down by ``height``."""
    x0, x1 = ends
    middle = (x0 + x1) / 2
    points = [
        (x0, left),
        (middle, left),
        (middle, right),
        (x1, right),
        (x1, right - height),
        (middle, right - height),
        (middle, left - height),
        (x0, left - height),
        (x0, left),
    ]
    curve, line = Outline.CURVE4, Outline.LINETO
    codes = [Outline.MOVETO, curve, curve, curve, line, curve, curve, curve, Outline.CLOSEPOLY]
    return Outline(points, codes)
