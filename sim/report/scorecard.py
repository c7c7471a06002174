"""The pages of a scorecard: targets, patterns, ablations, sensitivity and forecasts as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.experiment.forecasts import QUANTITIES
from sim.experiment.patterns import PATTERNS
from sim.report.tables import capital

if TYPE_CHECKING:
    import pandas as pd

    from sim.experiment.scoring import Scorecard

NOTICE = "<!-- Written by `aipower scorecard`: change the code, not this page. -->"


_ABOUT_FACTS = (
    "Model: mean over luck at the best fit. Ensemble: 5-95% range over parameter sets that agree with 2024 and over "
    "luck; sd: standard deviation from luck and from parameters (one-way analysis of variance with random effects). "
    "Facts that were not fitted come last."
)
_ABOUT_ABLATIONS = (
    "Each column switches one mechanism off; the last is the world in which luck alone is at work. A value in bold "
    "does not show the pattern."
)
_ABOUT_FORECASTS = (
    "Made before anyone compared them with what happened: do not change this page, add to it. Median and 90% interval "
    "over parameter sets that agree with 2024 and over luck; nothing later than 2024 was used to choose them. The "
    "intervals hold what parameters without a direct source leave open; they hold no error of the model, of the "
    "sources, or of parameters with a source. *Luck* is the part of the variance in 2030 that luck makes up, the rest "
    "is parameters. All quantiles are in `forecasts.csv`."
)


def number(value: float) -> str:
    """A number with three digits, or four before the point."""
    if not np.isfinite(value):
        return "-"
    size = abs(value)
    if size >= 1e6:  # noqa: PLR2004 - beyond, powers of ten read better
        return f"{value:.2e}"
    if size >= 1000:  # noqa: PLR2004 - thousands get a comma
        return f"{value:,.0f}"
    return f"{value:.3g}"


def span(low: float, high: float) -> str:
    """From low to high, either of which may be infinite."""
    if np.isinf(low):
        return f"below {number(high)}"
    return f"above {number(low)}" if np.isinf(high) else f"{number(low)} to {number(high)}"


def each_row(frame: pd.DataFrame) -> Iterator[Any]:
    """Rows of a frame by the names of their columns."""
    yield from frame.itertuples()


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def scorecard_page(card: Scorecard) -> str:
    """The page ``scorecard.md``."""
    hits, fitted = card.hits
    shown = int(card.patterns["is_shown"].sum())
    parts = [
        "# Scorecard",
        NOTICE,
        _origin(card.about),
        "## Published facts",
        f"The best fit has {hits} of {fitted} fitted facts inside their bands. {_ABOUT_FACTS}",
        _targets(card.targets),
        "![Facts and model](images/scorecard.png)",
        "### Misses",
        _misses(card.targets),
        "## Patterns that were not fitted",
        f"Yearly values of the baseline to its end; {shown} of {len(card.patterns)} patterns are shown.",
        _patterns(card.patterns),
        "### Not shown",
        _unshown(card.patterns),
        "## What the patterns rest on",
        f"{_ABOUT_ABLATIONS} {_survivors(card.ablations)}",
        _ablations(card.ablations),
        "![Patterns and ablations](images/ablations.png)",
        "## Headline results under other assumptions",
        "Last quarter of the baseline, mean over replicates.",
        _sensitivity(card.sensitivity),
        *([f"Could not run: {'; '.join(card.failures)}."] if card.failures else []),
    ]
    return "\n\n".join(parts) + "\n"


def forecast_page(card: Scorecard) -> str:
    """The page ``forecasts.md``."""
    parts = [
        "# Forecasts for 2025 to 2030",
        NOTICE,
        _origin(card.about),
        _ABOUT_FORECASTS,
    ]
    for name, quantity in QUANTITIES.items():
        frame = card.forecasts[card.forecasts["quantity"] == name]
        parts += [
            f"## {capital(name.replace('_', ' ').replace('hhi', 'HHI'))}",
            f"{capital(quantity.sentence)}, {quantity.unit}.",
        ]
        years = sorted(frame["year"].unique())
        rows = []
        for who, own in frame.groupby("of", sort=False):
            cells = [
                f"{number(p50)} ({number(low)} to {number(high)})"
                for low, p50, high in own[["p5", "p50", "p95"]].to_numpy()
            ]
            share = float(own["luck_share_of_variance"].iloc[-1])
            rows.append([str(who) or "world", *cells, f"{share:.0%}" if np.isfinite(share) else "-"])
        parts.append(markdown(["", *map(str, years), "luck"], rows))
    return "\n\n".join(parts) + "\n"


def _origin(about: dict[str, str]) -> str:
    return "; ".join(f"{key}: {text}" for key, text in about.items() if text) + "."


def _targets(frame: pd.DataFrame) -> str:
    rows = [
        [
            f"{row.what} (`{row.target}`)",
            row.period,
            row.unit,
            number(row.value),
            span(row.low, row.high),
            number(row.model),
            f"{number(row.ensemble_p5)} to {number(row.ensemble_p95)}",
            f"{number(row.sd_luck)}, {number(row.sd_parameters)}",
            "hit" if row.is_hit else "**miss**",
        ]
        for row in each_row(frame)
    ]
    header = ("fact", "period", "unit", "published", "band", "model", "ensemble", "sd luck, parameters", "")
    return markdown(header, rows)


def _misses(frame: pd.DataFrame) -> str:
    lines = [
        f"- *{row.what}*: {number(row.model)}, outside by {row.missed_by_bands:.2f} of the band's width. {row.why}"
        for row in each_row(frame[~frame["is_hit"]])
    ]
    return "\n".join(lines) or "None."


def _patterns(frame: pd.DataFrame) -> str:
    rows = [
        [
            f"{row.what} (`{row.pattern}`)",
            row.unit,
            span(row.low, row.high),
            f"{number(row.model)} ({number(row.p5)} to {number(row.p95)})",
            "shown" if row.is_shown else "**not shown**",
            row.source,
        ]
        for row in each_row(frame)
    ]
    return markdown(("pattern", "unit", "looked for", "model (5-95%)", "", "why this range"), rows)


def _unshown(frame: pd.DataFrame) -> str:
    lines = [f"- *{row.what}*: {number(row.model)}. {row.why}" for row in each_row(frame[~frame["is_shown"]])]
    return "\n".join(lines) or "None."


def _ablations(frame: pd.DataFrame) -> str:
    rows = []
    for name, values in zip(frame.index, frame.to_numpy(), strict=True):
        cells = [number(v) if PATTERNS[name].is_shown(v) else f"**{number(v)}**" for v in values]
        rows.append([name, *cells])
    return markdown(["pattern", *map(str, frame.columns)], rows)


def _survivors(frame: pd.DataFrame) -> str:
    survive = [
        str(name)
        for name, values in zip(frame.index, frame.to_numpy(), strict=True)
        if all(PATTERNS[name].is_shown(value) for value in values)
    ]
    if not survive:
        return "Each pattern disappears in at least one of them."
    return f"These survive all of them and are evidence for none: {', '.join(survive)}."


def _sensitivity(frame: pd.DataFrame) -> str:
    columns = [name for name in frame.columns if name not in ("measure", "unit")]
    rows = [
        [f"{row['measure']} ({row['unit']})", *(number(float(row[column])) for column in columns)]
        for _, row in frame.iterrows()
    ]
    return markdown(["measure", *columns], rows)
