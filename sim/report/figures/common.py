"""Words and axes that the figures share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import FuncFormatter, MaxNLocator

from sim.errors import ResultError
from sim.report import style
from sim.report.tables import flywheel, shown_by

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.axes import Axes

    from sim.result import Result


WIDTH = 9.0
"""Width of every figure in inches."""


def firm_quarters(result: Result) -> tuple[str, ...]:
    """Quarters of which firms were recorded, at least one.

    Raises
    ------
    ResultError
        When there is none.
    """
    quarters = result.firm_quarters()
    if not quarters:
        message = "no firms were recorded, which this figure shows; write record: {firms: yearly} and run again"
        raise ResultError(message)
    return quarters


def run_remark(result: Result) -> str:
    """Scenario, replicates and the flywheel elasticity: what a reader must know of the run."""
    n = len(result.replicates)
    words = [f"Scenario {result.scenario.name}", "one replicate" if n == 1 else f"{n:,} replicates"]
    value = flywheel(result)
    if value is not None:
        words.append(f"flywheel elasticity \N{GREEK CAPITAL LETTER LAMDA} = {value} (assumed)")
    return ", ".join(words) + "."


def band_remark(result: Result) -> str:
    """Say what lines and bands are; nothing for a single replicate."""
    if len(result.replicates) == 1:
        return ""
    return f" Lines: mean; bands: 5-95% range over replicates ({shown_by(result.scenario)})."


def year_of(quarter: str) -> float:
    """Middle of a quarter on a time axis in years.

    Examples
    --------
    >>> year_of("2024Q1"), year_of("2024Q4")
    (2024.125, 2024.875)
    """
    return int(quarter[:4]) + (int(quarter[-1]) - 0.5) / 4


def set_time_axis(axes: Axes, quarters: Iterable[str]) -> None:
    """Let the time axis run from the first to the last quarter, and name years, or the quarters where they are few."""
    times = {year_of(quarter): quarter for quarter in quarters}
    pad = 0.125 if len(times) == 1 else 0.0
    axes.set_xlim(min(times) - pad, max(times) + pad)
    if len(times) <= _FEW_QUARTERS:
        axes.set_xticks(list(times), list(times.values()))
        axes.set_xlabel("Quarter")
        return
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    axes.set_xlabel("Year")


_FEW_QUARTERS = 5


def percent(value: float) -> str:
    """Print a share in whole per cent."""
    return f"{100 * value:.0f}%"


def lower(label: str) -> str:
    """Begin a label in lower case, unless it begins with an abbreviation."""
    return label if label[:2].isupper() else label[0].lower() + label[1:]


def groups_of(names: Iterable[str], firm_classes: Iterable[str]) -> list[str]:
    """Names under which firms are drawn: their own, or the small firms' and entrants'.

    A world that holds nobody else is one of equals, each of whom has its own name.

    Examples
    --------
    >>> groups_of(["OpenAI", "Small firm 1"], ["lab", "sme"])
    ['OpenAI', 'small firms, entrants']
    >>> groups_of(["Firm A", "Firm B"], ["sme", "sme"])
    ['Firm A', 'Firm B']
    """
    firms = list(zip(map(str, names), map(str, firm_classes), strict=True))
    is_small = [kind == "sme" or name.startswith("Entrant") for name, kind in firms]
    if all(is_small):
        return [name for name, _ in firms]
    return [style.SMALL if small else name for (name, _), small in zip(firms, is_small, strict=True)]
