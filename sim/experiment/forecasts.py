"""Forecasts: what the parameter sets that agree with 2024 say of later years."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sim.arrays import Array
from sim.experiment.targets import FIVE_LABS, History, hhi_five_labs, moments
from sim.observe import Recording
from sim.quarters import QUARTERS_PER_YEAR
from sim.variance import variance_parts

if TYPE_CHECKING:
    import pandas as pd

FIRST_YEAR, LAST_YEAR = 2025, 2030
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Quantity(NamedTuple):
    """Something that is forecast."""

    unit: str
    sentence: str


QUANTITIES = {
    "chip_stock": Quantity("M H100e", "chips ever sold, which is what published stocks are"),
    "owner_share": Quantity("share", "an owner's share of all chips bought"),
    "hhi_owners": Quantity("points", "HHI of chips bought by owners"),
    "lab_compute": Quantity("M H100e", "compute that a lab uses in the last quarter of the year"),
    "lab_share": Quantity("share", "its share of the five labs' compute"),
    "hhi_five_labs": Quantity("points", "HHI of the five labs' compute"),
    "revenue": Quantity("$bn per year", "a lab's sales of the last quarter at an annual rate"),
    "rental_price": Quantity("$ per H100e-hour", "rent weighted by capacity"),
    "chip_price": Quantity("k$ per H100e", "price of a chip in the last quarter"),
    "largest_run": Quantity("FLOP", "largest training run of the last quarter"),
    "open_lag": Quantity("months", "months by which open models are behind closed ones"),
}
"""What is forecast, at the end of each year."""

_MEASURES = {
    "chip_stock": "chips_sold_cumulative",
    "hhi_owners": "hhi_chips_bought",
    "rental_price": "rental_price",
    "chip_price": "chip_price",
    "largest_run": "largest_run_flop",
    "open_lag": "open_lag_months",
}
_SELLERS = ("OpenAI", "Anthropic")


def facts(recording: Recording) -> dict[str, Array]:
    """Values of the targets ``[replicate]``, and of what is forecast ``[replicate, year]`` from the first year on.

    A name with ``|`` is of the actor that follows it.
    """
    history = History(recording)
    ends = [quarter for quarter in recording.quarters if quarter.endswith("Q4")]
    found = {name: _by_year(partial(history.measure, measure), ends) for name, measure in _MEASURES.items()}
    bought = {o: _by_year(partial(history.owner, "chips_bought", o), ends) for o in recording.owner_names}
    total = np.sum(list(bought.values()), axis=0)
    found |= {f"owner_share|{owner}": values / total for owner, values in bought.items()}
    used = {lab: _by_year(partial(history.firm, "compute_used", lab), ends) for lab in FIVE_LABS}
    together = np.sum(list(used.values()), axis=0)
    found |= {f"lab_compute|{lab}": values for lab, values in used.items()}
    found |= {f"lab_share|{lab}": values / together for lab, values in used.items()}
    found["hhi_five_labs"] = _by_year(partial(hhi_five_labs, history), ends)
    for lab in _SELLERS:
        sales = _by_year(partial(history.firm, "revenue", lab), ends)
        found[f"revenue|{lab}"] = QUARTERS_PER_YEAR * sales
    return {f"target|{name}": values for name, values in moments(recording).items()} | found


def _by_year(value: Callable[[str], Array], ends: Sequence[str]) -> Array:
    return np.stack([value(quarter) for quarter in ends], axis=1)


def forecast_table(found: dict[str, Array], sets: Sequence[int], first_year: int) -> pd.DataFrame:
    """Quantiles over parameter sets and luck, and what part of the variance is luck's.

    Parameters
    ----------
    found : dict of str to array [replicate, year]
        As from :func:`facts`.
    sets : sequence of int
        Parameter set of each replicate.
    first_year : int
        Of the arrays.

    Returns
    -------
    pandas.DataFrame
        A row for each quantity and year, over the replicates in which it is defined.
    """
    import pandas as pd

    rows: list[list[object]] = []
    for key, values in found.items():
        name, _, who = key.partition("|")
        if name not in QUANTITIES:
            continue
        for year in range(FIRST_YEAR, LAST_YEAR + 1):
            is_defined = ~np.isnan(values[:, year - first_year])
            defined = values[is_defined, year - first_year]
            luck, parameters = variance_parts(defined, np.asarray(sets)[is_defined])
            share = float(luck / (luck + parameters)) if luck + parameters > 0.0 else float("nan")
            quantiles = np.quantile(defined, QUANTILES) if len(defined) else np.full(len(QUANTILES), np.nan)
            rows.append([name, who, year, QUANTITIES[name].unit, *quantiles.tolist(), share])
    order = {name: place for place, name in enumerate(QUANTITIES)}
    rows.sort(key=lambda row: order[str(row[0])])
    named = [f"p{100 * quantile:g}" for quantile in QUANTILES]
    return pd.DataFrame(rows, columns=["quantity", "of", "year", "unit", *named, "luck_share_of_variance"])
