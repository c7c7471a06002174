"""The figures of a result: pure functions from a ``Result`` to a matplotlib ``Figure``.

Each module has a function that returns the numbers (``concentration_paths``, ``revenue_shares``,
...) and one that draws them. Titles state the finding and are computed from the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.report import style
from sim.report.figures.concentration import concentration
from sim.report.figures.firm_shares import firm_shares
from sim.report.figures.lorenz import lorenz_figure
from sim.report.figures.network import supply_network
from sim.report.figures.payments import who_pays_whom
from sim.report.figures.power import power_against_compute

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.figure import Figure

    from sim.result import Result


FIGURES: dict[str, Callable[[Result], Figure]] = {
    "concentration": concentration,
    "firm_shares": firm_shares,
    "lorenz": lorenz_figure,
    "power_against_compute": power_against_compute,
    "supply_network": supply_network,
    "who_pays_whom": who_pays_whom,
}
"""Every figure by name; the first is the one that ``Result.plot()`` draws."""

CAPTIONS = {
    "concentration": "Concentration by layer, from chip sales to revenue",
    "firm_shares": "Firms' shares of revenue",
    "lorenz": "Inequality of compute, AI power and revenue among firms",
    "power_against_compute": "AI power against effective compute",
    "supply_network": "Supply network: makers, owners, firms",
    "who_pays_whom": "Payments between groups of actors",
}
"""What each figure shows."""


def drawable(result: Result) -> tuple[str, ...]:
    """Names of the figures whose numbers were recorded."""
    has = {
        "firms": bool(result.firm_quarters()),
        "networks": bool(result.network_quarters()),
    }
    return tuple(name for name in FIGURES if has.get(_NEEDS.get(name, ""), True))


_NEEDS = {
    "firm_shares": "firms",
    "lorenz": "firms",
    "power_against_compute": "firms",
    "supply_network": "networks",
}
"""Tables that a scenario may choose not to record."""


def save_all(result: Result, folder: Path) -> tuple[Path, ...]:
    """Write every figure as PNG and SVG.

    Parameters
    ----------
    result : Result
    folder : pathlib.Path
        Made when it is not there.

    Returns
    -------
    tuple of pathlib.Path
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name in drawable(result):
        written += style.save(FIGURES[name](result), folder, name)
    return tuple(written)
