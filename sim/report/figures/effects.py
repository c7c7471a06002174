"""Figures of a comparison: effects with intervals, their paths, a map of scenarios by measures, trade-offs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter

from sim.arguments import listed
from sim.arrays import Array
from sim.comparison import HEADLINES, label_of
from sim.errors import InputError
from sim.report import style
from sim.report.comparison import amount, pairs_said, records, scaled
from sim.report.figures.common import WIDTH, lower, set_time_axis, year_of
from sim.report.tables import shown_by
from sim.units import counted, in_prose

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sim.comparison import Comparison

SHADES = {"clear": style.BLUE, "negligible": style.GREY, "undecided": style.ORANGE}
"""Colour of each verdict."""
MARKS = {"clear": "o", "negligible": "s", "undecided": "D"}
"""Marker of each verdict, so that it shows in grey too."""

MOST_PATHS = 6
"""Scenarios whose paths are drawn; those with the largest effects."""

MOST_NAMES = 16
"""Points of a trade-off that are named."""

PATHS = ("hhi_revenue", "hhi_compute_used", "total_power", "small_firm_share_of_compute")
PANELS = ("hhi_revenue", "total_power", "welfare_paired")


def effect_plot(
    comparison: Comparison, measures: Sequence[str] | str | None = None, horizon: str | None = None
) -> Figure:
    """Draw effects with 90% and 95% intervals: one row a scenario, one panel a measure.

    Parameters
    ----------
    comparison : Comparison
    measures : str or sequence of str, optional
        Up to three.
    horizon : str, optional
        One of the horizons; the last by default.
    """
    at = horizon or comparison.horizons[-1]
    shown = _chosen(comparison, measures, PANELS)
    rows = _rows(comparison, at, shown)
    names = list(dict.fromkeys(rows["label"]))
    order = rows[rows["measure"] == shown[0]].sort_values("effect", kind="stable")["label"].tolist()
    names = [*order, *(name for name in names if name not in order)]
    with style.settings():
        figure = style.new_figure(WIDTH, 1.95 + 0.24 * max(len(names), 2))
        remark = (
            f"{_remark(comparison)} Thick bars: 90%, thin: 95% confidence interval of the mean effect "
            f"({shown_by(comparison.baseline)}). "
            "Grey: the smallest effect that matters."
        )
        top = style.set_title(figure, _finding(rows[rows["measure"] == shown[0]], shown[0], at), remark)
        inch = 1 / figure.get_figheight()
        left = min(0.05 + max(style.inches_of(name, 8.5) for name in names) / WIDTH, 0.34)
        gap = 0.025
        width = (0.985 - left - gap * (len(shown) - 1)) / len(shown)
        for k, measure in enumerate(shown):
            place = (left + k * (width + gap), 0.78 * inch, width, top - 1.08 * inch)
            axes = figure.add_axes(place, label=measure)
            _draw_effects(axes, rows[rows["measure"] == measure].set_index("label"), names)
            axes.set_title(label_of(measure), size=9)
            axes.set_yticks(range(len(names)), _cut(names, left) if k == 0 else [], size=8.5)
        _explain_marks(figure, 0.13 * inch)
    return figure


def _draw_effects(axes: Axes, rows: pd.DataFrame, names: Sequence[str]) -> None:
    """Draw one panel; the first name stands on top."""
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.axvline(0.0, color=style.MUTED, linewidth=0.8)
    by_name = rows.to_dict("index")
    unit = ""
    for place, name in enumerate(names):
        row: dict[str, Any] = {str(key): value for key, value in by_name.get(name, {}).items()}
        if not row or not np.isfinite(row["effect"]):
            at_left = axes.get_yaxis_transform()
            axes.text(0.02, place, "not defined", va="center", size=7.5, color=style.MUTED, transform=at_left)
            continue
        unit = scaled(row, 1.0)[1]
        shade = SHADES[row["verdict"]]
        bound, effect = (scaled(row, row[key])[0] for key in ("smallest_effect", "effect"))
        axes.fill_betweenx([place - 0.4, place + 0.4], -bound, bound, color=style.LIGHT_GREY, alpha=0.45, linewidth=0)
        for level, thick in (("95", 1.1), ("90", 3.2)):
            ends = [scaled(row, row[f"ci{level}_{end}"])[0] for end in ("low", "high")]
            if np.isfinite(ends).all():
                axes.plot(
                    ends, [place, place], color=shade, linewidth=thick, solid_capstyle="butt", gid=f"{name}:{level}"
                )
        axes.plot(effect, place, MARKS[row["verdict"]], color=shade, markersize=4.5, markeredgecolor="white", gid=name)
    axes.set_xlabel({"": "", "%": "% of the reference", "pp": "percentage points"}.get(unit, unit))
    axes.xaxis.set_major_formatter(FuncFormatter(_signed))
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(axis="y", length=0)


def _cut(names: Sequence[str], left: float) -> list[str]:
    """Names of rows, cut where the margin of ``left`` of the figure's width has no room."""
    return [style.shorten(name, 8.5, (left - 0.02) * WIDTH) for name in names]


def _signed(value: float, _: int | None = None) -> str:
    """A number beside an axis, with its sign and without a power of ten."""
    digits = ".0f" if abs(value) >= _WHOLE else ".4g"
    return format(value, f"+,{digits}") if value else "0"


_WHOLE = 1_000


def _explain_marks(figure: Figure, y: float) -> None:
    """Name the verdicts below the axes."""
    x = 0.02
    for word, shade in SHADES.items():
        figure.text(x, y, _SIGNS[MARKS[word]], color=shade, size=8)
        figure.text(x + 0.018, y, word, size=8, color=style.INK)
        x += 0.035 + style.inches_of(word, 8) / WIDTH


_SIGNS = {"o": "\N{BLACK CIRCLE}", "s": "\N{BLACK SQUARE}", "D": "\N{BLACK DIAMOND}"}


def effect_paths(
    comparison: Comparison, measures: Sequence[str] | str | None = None, scenarios: Sequence[str] | str | None = None
) -> Figure:
    """Draw paired differences year by year, with 95% bands.

    Parameters
    ----------
    comparison : Comparison
    measures : str or sequence of str, optional
        Up to four.
    scenarios : str or sequence of str, optional
        Up to six; those with the largest effects on the first measure by default.
    """
    shown = _chosen(comparison, measures, PATHS)
    rows = _rows(comparison, comparison.horizons[-1], shown)
    first = rows[rows["measure"] == shown[0]]
    ranked = first.reindex(first["effect"].abs().sort_values(ascending=False, kind="stable").index)
    wanted = _wanted(ranked, scenarios)
    labels = [str(name) for name in wanted["label"]][:MOST_PATHS]
    who = {row["label"]: (row["scenario"], row["kind"]) for row in ranked.to_dict("records")}
    n_rows = -(-len(shown) // 2)
    with style.settings():
        figure = style.new_figure(WIDTH, 1.3 + 2.5 * n_rows)
        inch = 1 / figure.get_figheight()
        dropped = len(ranked) - len(labels)
        more = f" Left out: {counted(dropped, 'smaller effect')}." if dropped and scenarios is None else ""
        remark = (
            f"{_remark(comparison)} Lines: mean paired difference; bands: 95% confidence interval "
            f"({shown_by(comparison.baseline)}).{more}"
        )
        top = style.set_title(figure, _finding(first, shown[0], comparison.horizons[-1]), remark)
        columns = min(len(shown), 2)
        left, gap, side = 0.075, 0.085, 0.775
        width = (side - left - (columns - 1) * gap) / columns
        height = (top - 0.55 * inch - 0.25 * inch * n_rows - (n_rows - 1) * 0.3 * inch) / n_rows
        for k, measure in enumerate(shown):
            row, column = divmod(k, 2)
            low = 0.5 * inch + (n_rows - 1 - row) * (height + 0.55 * inch)
            axes = figure.add_axes((left + column * (width + gap), low, width, height), label=measure)
            _draw_paths(axes, comparison, measure, [(label, *who[label]) for label in labels])
            unit = scaled(rows[rows["measure"] == measure].iloc[0].to_dict(), 1.0)[1]
            axes.set_title(label_of(measure) + (f" ({unit})" if unit else ""), size=9)
        _explain_lines(figure, labels, side + 0.03, top)
    return figure


def _draw_paths(axes: Axes, comparison: Comparison, measure: str, lines: Sequence[tuple[str, str, Any]]) -> None:
    axes.axhline(0.0, color=style.MUTED, linewidth=0.8)
    rows = comparison.effects
    unit_row = rows[rows["measure"] == measure].iloc[0].to_dict()
    for k, (label, scenario, kind) in enumerate(lines):
        path = comparison.path(scenario, measure, kind)
        times = np.array([year_of(str(quarter)) for quarter in path.index])
        # Of a measure in per cent, each year's effect is a share of that year's reference.
        values = {
            column: np.array(
                [
                    scaled({**unit_row, "reference_mean": reference}, value)[0]
                    for value, reference in zip(path[column], path["reference_mean"], strict=True)
                ]
            )
            for column in ("effect", "ci95_low", "ci95_high")
        }
        shade = style.PALETTE[k % len(style.PALETTE)]
        if len(times) == 1:  # of a single year no band would be seen
            axes.vlines(times, values["ci95_low"], values["ci95_high"], color=shade, alpha=0.5, linewidth=3)
        axes.fill_between(times, values["ci95_low"], values["ci95_high"], color=shade, alpha=0.18, linewidth=0)
        axes.plot(
            times,
            values["effect"],
            color=shade,
            linestyle=style.LINE_STYLES[k % len(style.LINE_STYLES)],
            linewidth=1.7,
            marker=style.MARKERS[k % len(style.MARKERS)],
            markersize=3,
            gid=label,
        )
    set_time_axis(axes, comparison.quarters)
    axes.set_xlabel("")
    axes.yaxis.set_major_formatter(FuncFormatter(_signed))


def _explain_lines(figure: Figure, labels: Sequence[str], left: float, top: float) -> None:
    """Name the lines at the right of the panels."""
    inch = 1 / figure.get_figheight()
    for k, label in enumerate(labels):
        y = top - (0.35 + 0.24 * k) * inch
        figure.add_artist(_line(figure, [left, left + 0.03], [y, y], style.PALETTE[k % len(style.PALETTE)], k))
        figure.text(left + 0.037, y, style.shorten(label, 8, (0.99 - left - 0.037) * WIDTH), size=8, va="center")


def _line(figure: Figure, x: list[float], y: list[float], shade: str, k: int) -> Any:  # noqa: ANN401
    from matplotlib.lines import Line2D

    return Line2D(
        x,
        y,
        color=shade,
        linestyle=style.LINE_STYLES[k % len(style.LINE_STYLES)],
        linewidth=1.7,
        marker=style.MARKERS[k % len(style.MARKERS)],
        markersize=3,
        transform=figure.transFigure,
    )


def effect_map(comparison: Comparison, horizon: str | None = None) -> Figure:
    """Draw scenarios by measures: effects over the smallest that matters, on a scale of signed logarithms.

    Parameters
    ----------
    comparison : Comparison
    horizon : str, optional
        One of the horizons; the last by default.
    """
    at = horizon or comparison.horizons[-1]
    measures = list(comparison.measures)
    rows = _rows(comparison, at, measures)
    names = list(dict.fromkeys(rows["label"]))
    cells: dict[tuple[str, str], Mapping[str, Any]] = {(row["label"], row["measure"]): row for row in records(rows)}
    sizes = np.array([[_size(cells[name, measure]) for measure in measures] for name in names])
    with style.settings():
        longest = max(style.inches_of(label_of(measure), 8) for measure in measures)
        figure = style.new_figure(WIDTH, 1.5 + 0.75 * longest + 0.26 * max(len(names), 3))
        inch = 1 / figure.get_figheight()
        remark = (
            f"{_remark(comparison)} Colour: effect over the smallest that matters (doubling scale); "
            "blank: negligible; ?: undecided; n/a: not defined."
        )
        clear = int((rows["verdict"] == "clear").sum())
        finding = f"{clear} of {int(np.isfinite(rows['effect']).sum())} effects are clear in {at}"
        top = style.set_title(figure, finding, remark)
        left = min(0.03 + max(style.inches_of(name, 8.5) for name in names) / WIDTH, 0.3)
        bottom = 0.72 * longest * inch + 0.12 * inch
        axes = figure.add_axes((left, bottom, 0.93 - left, top - bottom - 0.1 * inch), label="map")
        colours = np.sign(sizes) * np.log2(1.0 + np.abs(sizes))
        limit = max(float(np.nanmax(np.abs(colours), initial=0.0)), 1.0)
        image = axes.imshow(colours, aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes.grid(visible=False)
        cell, size = 0.92 * WIDTH * (0.93 - left) / len(measures), 6.2 if len(measures) > _MANY else 7.5
        for (i, j), value in np.ndenumerate(colours):
            text = _map_text(cells[names[i], measures[j]])
            red, green, blue = image.cmap(image.norm(value))[:3] if np.isfinite(value) else (1.0, 1.0, 1.0)
            ink = "white" if style.is_dark((red, green, blue)) else style.INK
            fits = min(cell / max(style.inches_of(text, size), cell), 1.0)
            axes.text(j, i, text, ha="center", va="center", size=size * fits, color=ink)
        axes.set_xticks(range(len(measures)), [label_of(m) for m in measures], rotation=42, ha="right", size=8)
        axes.set_yticks(range(len(names)), _cut(names, left), size=8.5)
        axes.tick_params(length=0)
        bar = figure.add_axes((0.942, bottom, 0.012, top - bottom - 0.1 * inch), label="scale")
        ticks = [t for t in (-1023, -63, -7, 0, 7, 63, 1023) if np.log2(1 + abs(t)) <= limit]
        figure.colorbar(image, cax=bar)
        bar.set_yticks(
            [np.sign(t) * np.log2(1 + abs(t)) for t in ticks], [f"{t:+,d}" if t else "0" for t in ticks], size=7
        )
    return figure


_MANY = 12


def _size(row: Mapping[str, Any]) -> float:
    """Effect over the smallest that matters; 0 where it is negligible."""
    if row["verdict"] == "negligible":
        return 0.0
    return float(row["effect"] / row["smallest_effect"]) if row["smallest_effect"] else np.nan


def _map_text(row: Mapping[str, Any]) -> str:
    """What stands in a cell of the map."""
    if not np.isfinite(row["effect"]):
        return "n/a"
    return {"negligible": "", "undecided": "?"}.get(row["verdict"], amount(row, row["effect"]).replace(" pp", ""))


def tradeoff_plot(
    comparison: Comparison, x: str = "hhi_revenue", y: str = "total_power", horizon: str | None = None
) -> Figure:
    """Draw the effect on one measure against that on another, with 95% intervals; ringed: nothing dominates it.

    Parameters
    ----------
    comparison : Comparison
    x, y : str
        Measures.
    horizon : str, optional
        One of the horizons; the last by default.
    """
    at = horizon or comparison.horizons[-1]
    rows = _rows(comparison, at, (x, y))
    both = {name: rows[rows["measure"] == name].set_index("label") for name in (x, y)}
    labels = [name for name in both[x].index if np.isfinite(both[x].loc[name, "effect"] + both[y].loc[name, "effect"])]
    with style.settings():
        figure = style.new_figure(WIDTH, 5.6)
        aims = {name: HEADLINES[name].better or 1 if name in HEADLINES else 1 for name in (x, y)}
        points = {
            label: [scaled(both[name].loc[label].to_dict(), both[name].loc[label, "effect"])[0] for name in (x, y)]
            for label in labels
        }
        best = _undominated(points, [aims[x], aims[y]])
        wanted = " and ".join(f"{'more' if aims[name] > 0 else 'less'} of {lower(label_of(name))}" for name in (x, y))
        remark = (
            f"{_remark(comparison)} Bars: 95% confidence intervals ({shown_by(comparison.baseline)}). Rings: no other "
            f"scenario, nor the reference, is at least as good in both and better in one; good is {wanted}."
            + (
                f" Named: rings and others far from 0, {MOST_NAMES} of {len(labels)}."
                if len(labels) > MOST_NAMES
                else ""
            )
        )
        names = [label for label in labels if label in best]
        finding = f"{label_of(x)} against {lower(label_of(y))} in {at}: " + (
            f"nothing beats {_best(names)}" if names else "every scenario is dominated"
        )
        top = style.set_title(figure, finding, remark)
        axes = figure.add_axes((0.1, 0.095, 0.87, top - 0.12), label="plane")
        axes.axhline(0.0, color=style.MUTED, linewidth=0.8)
        axes.axvline(0.0, color=style.MUTED, linewidth=0.8)
        for label in labels:
            _draw_point(axes, both[x].loc[label].to_dict(), both[y].loc[label].to_dict(), label, is_best=label in best)
        _name_points(axes, points, _named_points(points, best))
        for name, write in ((x, axes.set_xlabel), (y, axes.set_ylabel)):
            unit = scaled(both[name].iloc[0].to_dict(), 1.0)[1] if len(both[name]) else ""
            write(f"Effect on {lower(label_of(name))}" + (f" ({unit})" if unit else ""))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(_signed))
    return figure


def _undominated(points: Mapping[str, Sequence[float]], aims: Sequence[int]) -> set[str]:
    """Names than which neither another nor the reference at (0, 0) is at least as good in both and better in one."""
    from sim.comparison.tradeoffs import undominated

    gains = np.array([[0.0, 0.0], *points.values()]) * np.array(aims)
    return {name for name, is_best in zip(["", *points], undominated(gains), strict=True) if is_best and name}


def _best(names: Sequence[str]) -> str:
    rest = [f"{len(names) - _FEW} more"] if len(names) > _FEW else []
    return in_prose([*names[:_FEW], *rest])


_FEW = 3


def _draw_point(axes: Axes, a: Mapping[Any, Any], b: Mapping[Any, Any], label: str, *, is_best: bool) -> None:
    at = [scaled(row, row["effect"])[0] for row in (a, b)]
    shade = style.BLUE if is_best else style.MUTED
    for k, row in enumerate((a, b)):
        ends = [scaled(row, row[f"ci95_{end}"])[0] for end in ("low", "high")]
        line = [ends, [at[1], at[1]]] if k == 0 else [[at[0], at[0]], ends]
        if np.isfinite(ends).all():
            axes.plot(*line, color=shade, linewidth=1.0, alpha=0.7)
    axes.plot(*at, "o", color=shade, markersize=5, gid=label)
    if is_best:
        axes.plot(*at, "o", color=shade, markersize=10, fillstyle="none")


def _named_points(points: Mapping[str, Sequence[float]], best: Collection[str]) -> list[str]:
    """Points that there is room to name: the best, and then those furthest from the reference on the figure's scale."""
    if len(points) <= MOST_NAMES:
        return list(points)
    places = np.array(list(points.values()))
    far = np.hypot(*(places / np.ptp(places, axis=0).clip(np.finfo(float).tiny)).T)
    order = sorted(zip(points, far, strict=True), key=lambda each: (each[0] not in best, -each[1]))
    return [name for name, _ in order[:MOST_NAMES]]


def _name_points(axes: Axes, points: Mapping[str, Sequence[float]], named: Sequence[str]) -> None:
    """Write some points' names where they cover fewest points and other names, near their own."""
    if not named:
        return
    limits = axes.get_xlim(), axes.get_ylim()
    inches = axes.transData + axes.figure.dpi_scale_trans.inverted()
    room = inches.transform(np.transpose(limits)).ravel()
    dots = dict(zip(points, inches.transform(list(points.values())), strict=True))
    taken = [np.concatenate([dot - _DOT, dot + _DOT]) for dot in dots.values()]
    for name in named:
        box = min(_boxes(dots[name], style.inches_of(name, _NAME)), key=lambda box: _covered(box, taken, room))
        taken.append(box)
        is_right = box[0] > dots[name][0]
        x, y = inches.inverted().transform((box[0 if is_right else 2], box[[1, 3]].mean()))
        axes.annotate(
            name,
            (points[name][0], points[name][1]),
            (x, y),
            size=_NAME,
            va="center",
            ha="left" if is_right else "right",
            arrowprops={"arrowstyle": "-", "color": style.LIGHT_GREY, "linewidth": 0.6},
        )
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])


_NAME = 7.5
"""Size of a name, points."""
_LINE, _DOT, _BESIDE = 0.14, 0.06, 0.08
"""Height of a name, half of a point, and the distance between both; inches."""
_LINES = np.array([0.75, -0.75, 1.75, -1.75, 2.75, -2.75, 3.75, -3.75, 4.75, -4.75, 5.75, -5.75])
"""Lines above a point, and its interval, at which its name may stand."""


def _boxes(dot: Array, width: float) -> Iterator[Array]:
    """Where a name may stand: left, low, right and top in inches; nearest first."""
    for middle in dot[1] + _LINE * _LINES:
        for left in (dot[0] + _BESIDE, dot[0] - _BESIDE - width):
            yield np.array([left, middle - _LINE / 2, left + width, middle + _LINE / 2])


def _covered(box: Array, taken: Sequence[Array], room: Array) -> int:
    """Boxes that this one would cover; more than all outside the room."""
    is_inside = (box[:2] >= room[:2]).all() and (box[2:] <= room[2:]).all()
    others = np.array(taken)
    n = int(((others[:, :2] < box[2:]) & (others[:, 2:] > box[:2])).all(axis=1).sum())
    return n if is_inside else n + len(taken) + 1


def _chosen(comparison: Comparison, measures: Sequence[str] | str | None, usual: Sequence[str]) -> list[str]:
    """Measures to draw: those named, or the usual ones that are shown."""
    named = list(dict.fromkeys(listed(measures)))
    _require_room("measures", named, len(usual))
    chosen = named or [name for name in usual if name in comparison.measures]
    return chosen or list(comparison.measures)[: len(usual)]


def _wanted(rows: pd.DataFrame, scenarios: Sequence[str] | str | None) -> pd.DataFrame:
    """Rows of the scenarios named, by their names or labels; of all where none is."""
    named = listed(scenarios)
    _require_room("scenarios", named, MOST_PATHS)
    for name in named:
        if name not in {*rows["scenario"], *rows["label"]}:
            message = f"there is no scenario {name!r} in this comparison; it has {', '.join(rows['label'])}"
            raise InputError(message)
    return rows[rows["scenario"].isin(named) | rows["label"].isin(named)] if named else rows


def _require_room(what: str, named: Sequence[str], most: int) -> None:
    if len(named) > most:
        message = f"the figure has room for {most} {what}, not {len(named)}; draw several"
        raise InputError(message)


def _rows(comparison: Comparison, horizon: str, measures: Sequence[str]) -> pd.DataFrame:
    """Rows of a horizon with a label for each effect; effects of the change of world are marked where both occur."""
    rows = comparison.effects
    rows = rows[(rows["horizon"] == horizon) & rows["measure"].isin(measures)]
    suffix = " (world)" if len(set(rows["kind"])) > 1 else ""
    labels = rows["scenario"].where(rows["kind"] == "policy", rows["scenario"] + suffix)
    return rows.assign(label=labels)


def _remark(comparison: Comparison) -> str:
    return f"Against {comparison.baseline.name}, {pairs_said(comparison)}."


def _finding(rows: pd.DataFrame, measure: str, horizon: str) -> str:
    """Say which scenario moves the measure most, and which nothing is clear of."""
    clear = rows[rows["verdict"] == "clear"]
    what = f"{label_of(measure)}, {horizon}"
    if clear.empty:
        return f"{what}: no scenario has a clear effect"
    least, most = (pick(records(clear), key=lambda row: row["effect"]) for pick in (min, max))
    words = [
        f"{row['label']} {verb} it most ({amount(row, row['effect'])})"
        for row, verb, is_so in ((least, "lowers", least["effect"] < 0.0), (most, "raises", most["effect"] > 0.0))
        if is_so
    ]
    return f"{what}: " + ", ".join(words)


COMPARISON_FIGURES: dict[str, Callable[..., Figure]] = {
    "effects": effect_plot,
    "paths": effect_paths,
    "map": effect_map,
    "tradeoff": tradeoff_plot,
}
"""Every figure of a comparison by name; the first is the one that ``Comparison.plot()`` draws."""

COMPARISON_CAPTIONS = {
    "effects": "Effects with confidence intervals",
    "paths": "Paired differences year by year",
    "map": "Scenarios by measures",
    "tradeoff": "Trade-off between concentration and total AI power",
}
"""What each figure shows."""


def drawable(comparison: Comparison) -> tuple[str, ...]:
    """Names of the figures whose measures were compared."""
    has_tradeoff = {"hhi_revenue", "total_power"} <= set(comparison.effects["measure"])
    return tuple(name for name in COMPARISON_FIGURES if name != "tradeoff" or has_tradeoff)


def save_all(comparison: Comparison, folder: Path) -> tuple[Path, ...]:
    """Write every figure as PNG and SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name in drawable(comparison):
        written += style.save(COMPARISON_FIGURES[name](comparison), folder, name)
    return tuple(written)
