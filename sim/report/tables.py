"""The closing table of a run, as data; front ends render it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sim.quarters import QUARTERS_PER_YEAR
from sim.units import counted as counted  # noqa: PLC0414 - front ends import it from here

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.result import Leader, Result
    from sim.scenario import Scenario

YEARS = (2024, 2027, 2030, 2035)
"""Years that the closing table shows where the horizon holds them."""

LAYERS = {
    "chip_sales": "Makers' chip sales",
    "compute_owned": "Owners' compute",
    "compute_used": "Firms' compute used",
    "own_effective_compute": "Firms' own capability",
    "power": "Firms' AI power",
    "revenue": "Firms' revenue",
}
"""Layers from chips to revenue: variable of the measures -> label.

Own capability is effective compute without, AI power with the open models that every firm may use.
"""

LEADERS: dict[Leader, str] = {"power": "AI power", "revenue": "revenue", "compute_used": "compute"}
MOST_LEADERS = 6
"""Firms named in the table of leaders; the rest are added up."""

CONCENTRATION = "Concentration by layer"
OUTCOMES = "Power, scale and small firms"
LEADING = "Who leads"


@dataclass(frozen=True)
class Row:
    """One cell of the closing table, with what a front end needs to print it.

    Attributes
    ----------
    section : str
        The grid it belongs to.
    label, column : str
        Its row and column in the grid.
    measure : str
        Measure behind it.
    year : int
    mean, low, high : float
        Mean and 5-95% range over replicates; NaN where undefined. Probabilities have no range.
    unit : str
    text, range_text : str
        The mean and the range as printed; no range where luck does not show.
    """

    section: str
    label: str
    column: str
    measure: str
    year: int
    mean: float
    low: float
    high: float
    unit: str
    text: str
    range_text: str


@dataclass(frozen=True)
class Grid:
    """Rows of one section laid out for printing.

    Attributes
    ----------
    title : str
    columns : tuple of str
        Headings; the first is that of the labels.
    rows : tuple of tuple of str
        Cells as printed; a cell with a range has it on a second line.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def shown_years(result: Result) -> tuple[int, ...]:
    """Years of the table: those of ``YEARS`` inside the horizon, else its first and last year."""
    inside = tuple(year for year in YEARS if year in result.years)
    if len(inside) > 1:
        return inside
    return tuple(sorted({result.years[0], *inside, result.years[-1]}))


def whole_years(result: Result) -> tuple[int, ...]:
    """Calendar years that were simulated in full."""
    counts = Counter(int(quarter[:4]) for quarter in result.simulated_quarters)
    return tuple(year for year in result.years if counts[year] == QUARTERS_PER_YEAR)


def period(result: Result, year: int) -> str:
    """The year, or the quarters of it that were simulated."""
    if year in whole_years(result):
        return str(year)
    quarters = [quarter for quarter in result.simulated_quarters if int(quarter[:4]) == year]
    return quarters[0] if len(quarters) == 1 else f"{quarters[0]} to {quarters[-1]}"


def headline(result: Result) -> str:
    """Say what was run, the flywheel elasticity and the own finance share, and what ranges mean."""
    first, last = result.years[0], result.years[-1]
    summary = _Summary(result)
    count = counted(len(result.replicates), "replicate")
    quarters = result.simulated_quarters
    parts = [f"{result.scenario.name}: {count}, {quarters[0]} to {quarters[-1]}."]
    elasticity = flywheel(result)
    if elasticity is not None:
        parts.append(
            f"Flywheel elasticity \N{GREEK CAPITAL LETTER LAMDA} = {elasticity} "
            "(an assumption that the facts do not identify)."
        )
    if summary.has("own_finance_share"):
        begin = percent(summary.cell("own_finance_share", first)[0])
        end = percent(summary.cell("own_finance_share", last)[0])
        later = f", {end} in {last}" if last != first else ""
        parts.append(f"Own margins pay {begin} of planned training in {first}{later}.")
    parts.append(ranges_note(result))
    return " ".join(parts)


def flywheel(result: Result) -> str | None:
    """Flywheel elasticity Lambda of the run, a range where replicates differ; None where it is not known."""
    if "flywheel" in result.catalogue:
        values = result.yearly(["flywheel"])["flywheel"]
        at_end = values[values.index.get_level_values("year") == result.years[-1]]
        low, high = f"{at_end.min():.2f}", f"{at_end.max():.2f}"
        return low if low == high else f"{low} to {high}"
    world = result.scenario.world
    is_known = world.hold == "flywheel" and not result.scenario.is_drawn("flywheel")
    return f"{world.parameters['flywheel']:.2f}" if is_known else None


def shown_by(scenario: Scenario) -> str:
    """What ranges over the replicates of a scenario show."""
    return "luck only" if scenario.uncertainty == "none" else "luck and parameter sets"


def ranges_note(result: Result) -> str:
    """Say what the ranges are over."""
    if len(result.replicates) == 1:
        return "One replicate: there are no ranges; run more to see how far luck matters."
    if result.scenario.uncertainty == "ensemble":
        return "Ranges are 5-95% over replicates, which differ in luck and in parameter sets that agree with 2024."
    return f"Ranges are 5-95% over replicates: they show {shown_by(result.scenario)}, not doubt about parameters."


def notes(result: Result) -> tuple[str, ...]:
    """Remarks for below the table: failed replicates, years simulated in part."""
    remarks = []
    if n_failed := len(result.failures):
        first = result.failures.iloc[0]
        remarks.append(
            f"{counted(n_failed, 'replicate')} of {result.scenario.run.replicates} "
            f"failed and {'is' if n_failed == 1 else 'are'} left out; the first in {first['quarter']}: "
            f"{first['reason']}"
        )
    partial = [str(year) for year in shown_years(result) if year not in whole_years(result)]
    if partial:
        remarks.append(f"Only a part of {', '.join(partial)} was simulated.")
    return tuple(remarks)


def closing(result: Result, years: tuple[int, ...] | None = None) -> list[Row]:
    """Every cell of the closing table, in printing order.

    Parameters
    ----------
    result : Result
    years : tuple of int, optional
        Those of :func:`shown_years` by default.

    Returns
    -------
    list of Row
        Concentration by layer, outcomes, and who leads in the last year.
    """
    summary = _Summary(result)
    years = shown_years(result) if years is None else years
    rows = []
    for variable, label in LAYERS.items():
        rows += summary.rows(CONCENTRATION, f"{label}: HHI", f"hhi_{variable}", years, whole)
        rows += summary.rows(CONCENTRATION, f"{label}: Gini", f"gini_{variable}", years, two_places)
    for measure, (label, form) in _OUTCOMES.items():
        rows += summary.rows(OUTCOMES, label, measure, years, form)
    return rows + _leading(result)


def grids(result: Result) -> list[Grid]:
    """Lay the closing table out as one grid a section."""
    rows = closing(result)
    layouts = []
    for section in dict.fromkeys(row.section for row in rows):
        inside = [row for row in rows if row.section == section]
        columns = list(dict.fromkeys(row.column for row in inside))
        cells = {(row.label, row.column): _cell_text(row) for row in inside}
        labels = dict.fromkeys(row.label for row in inside)
        title, heading = section, ""
        if section == LEADING:
            title, heading = f"{LEADING} in {inside[0].year} (share of replicates)", "Firm"
        body = tuple((label, *(cells.get((label, column), "") for column in columns)) for label in labels)
        layouts.append(Grid(title, (heading, *columns), body))
    return layouts


def _cell_text(row: Row) -> str:
    return f"{row.text}\n{row.range_text}" if row.range_text else row.text


def _leading(result: Result) -> list[Row]:
    """Probabilities of leading in the last year."""
    year = result.years[-1]
    shares = {by: result.leaders(year, by) for by in LEADERS if f"leader_{by}" in result.catalogue}
    best: dict[str, float] = {}
    for series in shares.values():
        for firm, share in series.items():
            best[str(firm)] = max(best.get(str(firm), 0.0), float(share))
    named = sorted(best, key=lambda firm: (-best[firm], firm))[:MOST_LEADERS]
    rows = []
    for firm in [*named, *([_OTHERS] if len(best) > len(named) else [])]:
        for by, series in shares.items():
            value = float(series.get(firm, 0.0))
            if firm == _OTHERS:
                value = float(series.drop([name for name in named if name in series.index]).sum())
            rows.append(
                Row(
                    LEADING,
                    firm,
                    f"by {LEADERS[by]}",
                    f"leader_{by}",
                    year,
                    value,
                    np.nan,
                    np.nan,
                    "probability",
                    percent(value),
                    "",
                )
            )
    return rows


_OTHERS = "all others"


class _Summary:
    """The summary of a result, addressed by measure and year."""

    def __init__(self, result: Result) -> None:
        frame = result.summary()
        keys = zip(frame["measure"], frame["year"], strict=True)
        values = zip(frame["mean"], frame["p5"], frame["p95"], strict=True)
        self._cells = dict(zip(keys, values, strict=True))
        self._measures = set(result.catalogue)
        self._has_ranges = len(result.replicates) > 1
        self._unit = {name: measure.unit for name, measure in result.catalogue.items()}

    def has(self, measure: str) -> bool:
        return measure in self._measures

    def cell(self, measure: str, year: int) -> tuple[float, float, float]:
        """Mean, 5% and 95% quantile."""
        return self._cells[measure, year]

    def rows(
        self,
        section: str,
        label: str,
        measure: str,
        years: tuple[int, ...],
        form: Callable[[float], str],
    ) -> list[Row]:
        if not self.has(measure):
            return []
        rows = []
        for year in years:
            mean, low, high = self.cell(measure, year)
            range_text = ""
            if self._has_ranges and np.isfinite(low):
                range_text = span(form(low), form(high))
                range_text = "" if range_text == form(mean) else range_text
            rows.append(
                Row(
                    section,
                    label,
                    str(year),
                    measure,
                    year,
                    mean,
                    low,
                    high,
                    self._unit[measure],
                    form(mean),
                    range_text,
                )
            )
        return rows


# -- numbers and words as text --------------------------------------------------------------------------


def span(low: str, high: str) -> str:
    """Join two printed numbers into a range.

    Examples
    --------
    >>> span("1,980", "2,410"), span("0.40", "0.40")
    ('1,980-2,410', '0.40')
    """
    return low if low == high else f"{low}-{high}"


def capital(text: str) -> str:
    """Begin with a capital letter."""
    return text[:1].upper() + text[1:]


def whole(value: float) -> str:
    """Print without decimals, with thousands separated.

    Examples
    --------
    >>> whole(2160.4), whole(float("nan"))
    ('2,160', 'n/a')
    """
    return f"{value:,.0f}" if np.isfinite(value) else "n/a"


def two_places(value: float) -> str:
    """Print with two decimals.

    Examples
    --------
    >>> two_places(0.4621)
    '0.46'
    """
    return f"{value:.2f}" if np.isfinite(value) else "n/a"


def significant(value: float) -> str:
    """Print about three significant digits.

    Examples
    --------
    >>> [significant(x) for x in (0.01234, 2.346, 23.46, 2345.6, 2.1e25)]
    ['0.0123', '2.35', '23.5', '2,346', '2.1e25']
    """
    size = abs(value)
    if not np.isfinite(value):
        return "n/a"
    if size >= _LARGE or 0 < size < _SMALL:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    places = 0 if size == 0 else max(0, 2 - int(np.floor(np.log10(size))))
    return f"{value:,.{places}f}"


_LARGE, _SMALL = 1e6, 1e-3


def percent(value: float) -> str:
    """Print a share as a percentage; small ones keep a decimal."""
    if not np.isfinite(value):
        return "n/a"
    points = 100 * value
    return f"{points:.1f}%" if 0 < points < 1 else f"{points:.0f}%"


_OUTCOMES: dict[str, tuple[str, Callable[[float], str]]] = {
    "frontier_power": ("Frontier AI power (leader at start = 1)", significant),
    "total_power": ("Total AI power", significant),
    "largest_run_flop": ("Largest training run (FLOP)", significant),
    "energy_twh": ("Energy (TWh)", significant),
    "small_firm_share_of_compute": ("Small firms' share of compute", percent),
    "small_firm_survival": ("Small firms' survival", percent),
}
