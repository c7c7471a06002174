"""Figures of the live view: pure functions from a model to a picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from sim.observe import described
from sim.report import style
from sim.report.figures.common import groups_of, set_time_axis, year_of
from sim.report.figures.network import grouped_links, network_figure

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sim.mesa_model import PowerModel
    from sim.observe import Moments
    from sim.world.build import World

PATHS = {
    "hhi_revenue": "revenue",
    "hhi_compute_used": "compute used",
    "hhi_power": "AI power",
    "hhi_compute_owned": "compute owned",
}
"""Measures whose paths are drawn, HHI above, and what the lines are called."""

GINIS = {"gini_revenue": "revenue", "gini_own_effective_compute": "own capability", "gini_power": "AI power"}
"""Those of the lower half."""

N_NAMED = 8
"""Firms that the plane names: those with most revenue."""

WIDTH, HEIGHT = 6.4, 4.5
PIXELS = 900
"""Width of a picture."""


def picture(figure: Figure) -> bytes:
    """Render a figure as PNG."""
    buffer = io.BytesIO()
    with style.settings():
        figure.savefig(buffer, format="png", dpi=PIXELS / figure.get_figwidth(), facecolor="white")
    return buffer.getvalue()


def plane(model: PowerModel) -> Figure:
    """Firms by the compute that they use and the AI power that they make of it; areas are revenue."""
    firms = [(f.name, f.firm_class, f.compute_used, f.power, f.revenue) for f in model.firms if f.compute_used > 0.0]
    with style.settings():
        figure = style.new_figure(WIDTH, HEIGHT)
        if not firms:
            return _empty(figure, "Firms on the plane of compute and power")
        table = pd.DataFrame(firms, columns=["name", "firm_class", "compute", "power", "revenue"])
        table = table.sort_values("revenue", ascending=False, kind="stable")
        leader = table.iloc[0]
        top = style.set_title(
            figure,
            f"{leader['name']} sells most in {model.quarter}, {leader['revenue'] / table['revenue'].sum():.0%}",
            f"{len(table)} firms. Areas are revenue.",
        )
        axes = figure.add_axes((0.12, 0.11, 0.85, top - 0.14))
        shades = [style.colour(name) for name in groups_of(table["name"], table["firm_class"])]
        areas = 6.0 + 900.0 * table["revenue"] / table["revenue"].sum()
        axes.scatter(
            table["compute"], table["power"], s=areas, c=shades, alpha=0.75, linewidths=0.4, edgecolors="white"
        )
        axes.margins(0.06, 0.12)
        axes.set(xscale="log", yscale="log", xlabel="compute used, M H100e", ylabel="AI power, leader's of 2023 is 1")
        for axis in (axes.xaxis, axes.yaxis):
            low, high = axis.get_view_interval()
            axis.set_major_locator(LogLocator(subs=(1.0,) if high > _FEW_DECADES * low else (1.0, 2.0, 5.0)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
            axis.set_minor_formatter(NullFormatter())
        _name_firms(axes, table.head(N_NAMED), np.sqrt(areas.head(N_NAMED).to_numpy()) / 2)
    return figure


def _name_firms(axes: Axes, firms: pd.DataFrame, radii: npt.NDArray[np.float64]) -> None:
    """Name circles (radii in points) beside them, the first ones first; who finds no free place goes without."""
    dot = style.POINTS / axes.figure.dpi
    middles = axes.transData.transform(firms[["compute", "power"]].to_numpy()) * dot
    taken = [Bbox([middle - radius, middle + radius]) for middle, radius in zip(middles, radii, strict=True)]
    room = Bbox(axes.bbox.get_points() * dot)
    for name, (x, y), radius in zip(firms["name"], middles, radii, strict=True):
        width = style.POINTS * style.inches_of(name, _SIZE)
        away = radius + _GAP
        beside = y - _LINE / 2
        for left, bottom in (
            (x + away, beside),
            (x - away - width, beside),
            (x - width / 2, y + away),
            (x - width / 2, y - away - _LINE),
        ):
            box = Bbox.from_bounds(left, bottom, width, _LINE)
            is_inside = room.x0 < box.x0 and box.x1 < room.x1 and room.y0 < box.y0 and box.y1 < room.y1
            if is_inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                axes.annotate(name, (left, bottom), xycoords="figure points", va="bottom", size=_SIZE)
                break


_SIZE, _LINE, _GAP = 8.0, 9.5, 2.0
"""Size of names, height of their line, and their distance from a circle, in points."""
_FEW_DECADES = 300.0
"""Largest ratio of an axis's ends at which 2 and 5 times a power of ten are labelled too."""


def links(moments: Moments, world: World) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Chips delivered, makers by owners, and compute rented, owners by firms, in one quarter; M H100e."""
    flows = moments.flows
    rented = flows.markets.owner_weight[0] * flows.markets.rented[0]
    slots = np.flatnonzero(rented.sum(axis=0) > 0.0).tolist()
    names = [world.firm_names[slot] for slot in slots]
    delivered = pd.DataFrame(flows.investment.delivered[0].T, index=world.maker_names, columns=world.owner_names)
    return delivered, pd.DataFrame(rented[:, slots], index=world.owner_names, columns=names)


def network(model: PowerModel) -> Figure:
    """Who supplies whom in the quarter that was simulated last."""
    if model.moments is None:
        with style.settings():
            return _empty(style.new_figure(WIDTH, HEIGHT), "The supply network")
    delivered, used = links(model.moments, model.world)
    kinds = {firm.name: firm.firm_class for firm in model.firms}
    groups = groups_of(used.columns, [kinds.get(name, "sme") for name in used.columns])
    remark = "M H100e in this quarter: chips delivered (left), compute that developers rent (right)."
    return network_figure(*grouped_links(delivered, used, groups), model.quarter, remark)


def paths(model: PowerModel, earlier: pd.DataFrame | None = None) -> Figure:
    """Concentration so far; dashed, what it was before the last change.

    Parameters
    ----------
    model : PowerModel
        With reporters of ``PATHS`` and ``GINIS``, and ``quarter``.
    earlier : pandas.DataFrame, optional
        What another model collected.
    """
    now = model.datacollector.get_model_vars_dataframe()
    with style.settings():
        figure = style.new_figure(WIDTH, HEIGHT)
        if now.empty:
            return _empty(figure, "Paths of concentration")
        remark = "Dashed: before the last change." if earlier is not None else "One history."
        top = style.set_title(figure, f"Concentration up to {model.quarter}", remark)
        half = (top - 0.15) / 2
        upper = figure.add_axes((0.125, 0.14 + half, 0.575, half - 0.03))
        lower = figure.add_axes((0.125, 0.11, 0.575, half - 0.03))
        for axes, lines, label in ((upper, PATHS, "HHI, points"), (lower, GINIS, "Gini")):
            for k, name in enumerate(lines):
                for frame, dashes in ((earlier, "--"), (now, "-")):
                    if frame is not None:
                        years = [year_of(quarter) for quarter in frame["quarter"]]
                        width = 1.8 if frame is now else 1.0
                        axes.plot(years, frame[name], dashes, color=style.PALETTE[k], linewidth=width)
            axes.set_ylabel(label)
            axes.set_ylim(0, 1.02 if lines is GINIS else None)
            quarters = now["quarter"] if earlier is None else pd.concat([now, earlier])["quarter"]
            set_time_axis(axes, quarters)
            ends = [float(now[name].iloc[-1]) for name in lines]
            texts = [f"{words} {_short(end)}" for words, end in zip(lines.values(), ends, strict=True)]
            last = year_of(str(now["quarter"].iloc[-1]))
            style.label_right(axes, last, ends, texts, style.PALETTE[: len(lines)])
        upper.tick_params(labelbottom=False)
        upper.set_xlabel("")
    return figure


def _short(value: float) -> str:
    return f"{value:,.0f}" if value > 1.0 else f"{value:.2f}"


def _empty(figure: Figure, what: str) -> Figure:
    """Before the first step."""
    style.set_title(figure, what, "Nothing has been simulated yet: press Step or play.")
    return figure


SHOWN = {
    "hhi_revenue": "{:,.0f}",
    "hhi_compute_used": "{:,.0f}",
    "gini_power": "{:.3f}",
    "frontier_power": "{:,.0f}",
    "rental_price": "{:.2f}",
    "small_firm_share_of_compute": "{:.1%}",
    "industry_revenue": "{:,.1f}",
    "n_firms": "{:.0f}",
}
"""Measures of the table of numbers, and how each is written."""


def numbers(model: PowerModel, earlier: dict[str, float] | None = None) -> list[tuple[str, str, str, str]]:
    """Name, sentence, value now, and value before the last change of each shown measure."""
    rows = []
    for name, form in SHOWN.items():
        measure = described(name)
        now, before = model.measure(name), (earlier or {}).get(name, np.nan)
        meaning = f"{measure.sentence} ({measure.unit})"
        rows.append((name, meaning, _written(now, form), _written(before, form)))
    return rows


def _written(value: float, form: str) -> str:
    return form.format(value) if np.isfinite(value) else "\N{EN DASH}"
