"""Targets: published facts that a model of this industry should meet, and the model's value of each."""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sim import indices, units
from sim.arrays import Array
from sim.observe import Recording
from sim.parameters import DATA
from sim.quarters import QUARTERS_PER_YEAR

FIVE_LABS = ("OpenAI", "Google DeepMind", "Anthropic", "Meta AI", "xAI")
FOUR_OWNERS = ("Google", "Microsoft", "Amazon", "Meta")
REST_OF_WORLD = "Others"
"""Many owners that the table holds as one, so never among the largest."""

AI_SHARE_OF_CAPEX = 0.5
"""Part of the four owners' capital expenditure that is for AI (company accounts: about half)."""

FIT_START, FIT_END = "2024Q1", "2024Q4"
"""Quarters that the fit may look at, both included."""

_TRILLION_PER_M = 1e3
_BAND_COVERS = 1.6448536269514722
"""Standard deviations from the value of a target to the end of its band, which is read as a 90% interval."""


@dataclass(frozen=True, slots=True)
class Target:
    """One published fact.

    Attributes
    ----------
    name, period : str
        What and when: a quarter, a year, two years of a growth rate, or any.
    value, low, high : float
        Published value and the band around it.
    unit : str
    is_fitted : bool
        Whether the calibration looks at it; the others appear on the scorecard alone.
    sentence : str
        What the model's value is.
    kind, source : str
    """

    name: str
    period: str
    value: float
    low: float
    high: float
    unit: str
    is_fitted: bool
    sentence: str
    kind: str
    source: str

    def is_hit(self, value: float) -> bool:
        """Whether a value lies inside the band."""
        return self.low <= value <= self.high

    def bands_missed_by(self, value: float) -> float:
        """How far outside its band a value lies, in widths of the band; 0 inside."""
        outside = max(self.low - value, value - self.high, 0.0)
        return outside / (self.high - self.low)

    def misfit(self, value: Array) -> Array:
        """Distance from the published value, in standard deviations of a normal with its own width on each side."""
        above, below = self.high - self.value, self.value - self.low
        return _BAND_COVERS * (value - self.value) / np.where(value > self.value, above, below)


@functools.cache
def targets() -> tuple[Target, ...]:
    """Every target, in the order of ``world/data/world_2024/targets.csv``."""
    with (DATA / "world_2024" / "targets.csv").open(encoding="utf-8", newline="") as handle:
        return tuple(
            Target(
                row["name"],
                row["period"],
                float(row["value"]),
                float(row["low"]),
                float(row["high"]),
                row["unit"],
                row["is_fitted"] == "yes",
                row["sentence"],
                row["kind"],
                row["source"],
            )
            for row in csv.DictReader(handle)
        )


def fitted_targets() -> tuple[Target, ...]:
    """Those that the calibration looks at."""
    return tuple(target for target in targets() if target.is_fitted)


@dataclass(frozen=True)
class History:
    """What a recording says of one actor or measure, with firms and owners kept each quarter of 2024."""

    recording: Recording

    def measure(self, name: str, quarter: str = FIT_END) -> Array:
        """A measure in a quarter; ``[replicate]``."""
        return self.recording.measures[name][:, self.recording.quarters.index(quarter)]

    def firm(self, column: str, name: str, quarter: str = FIT_END) -> Array:
        """A column of a firm; ``[replicate]``."""
        recording = self.recording
        place = recording.firm_quarters.index(quarter), recording.firm_names.index(name)
        return recording.firms[column][:, place[0], place[1]]

    def owner(self, column: str, name: str, quarter: str = FIT_END) -> Array:
        """A column of an owner; ``[replicate]``."""
        recording = self.recording
        place = recording.owner_quarters.index(quarter), recording.owner_names.index(name)
        return recording.owners[column][:, place[0], place[1]]


def moments(recording: Recording) -> dict[str, Array]:
    """The model's value of each target whose period is recorded.

    Parameters
    ----------
    recording : Recording
        With measures every quarter, and firms and owners each quarter of 2024.

    Returns
    -------
    dict of str to array [replicate]
        By the target's name.
    """
    history, last = History(recording), recording.quarters[-1]
    return {
        target.name: MOMENTS[target.name](history)
        for target in targets()
        if target.is_fitted or last >= _last_quarter(target.period)
    }


def _last_quarter(period: str) -> str:
    return f"{period[-4:]}Q4" if period[-4:].isdigit() else FIT_END


def _quarters(year: int) -> list[str]:
    return [f"{year}Q{number}" for number in range(1, QUARTERS_PER_YEAR + 1)]


def _chips_bought(history: History) -> Array:
    """Of named owners; ``[replicate, owner]``."""
    names = [name for name in history.recording.owner_names if name != REST_OF_WORLD]
    return np.stack([history.owner("chips_bought", name) for name in names], axis=-1)


def _cr5_owners(history: History) -> Array:
    bought = _chips_bought(history)
    world = bought.sum(axis=-1) + history.owner("chips_bought", REST_OF_WORLD)
    return _array(np.sort(bought, axis=-1)[..., -5:].sum(axis=-1) / world)


def _labs(history: History, quarter: str = FIT_END) -> Array:
    """Compute of the five labs; ``[replicate, lab]``."""
    return np.stack([history.firm("compute_used", lab, quarter) for lab in FIVE_LABS], axis=-1)


def hhi_five_labs(history: History, quarter: str = FIT_END) -> Array:
    """HHI of the five labs' compute, points; ``[replicate]``."""
    return units.HHI_POINTS * indices.hhi(_labs(history, quarter))


def _used(lab: str) -> Callable[[History], Array]:
    return lambda history: _TRILLION_PER_M * history.firm("compute_used", lab)


def _annual_sales(firm: str) -> Callable[[History], Array]:
    return lambda history: QUARTERS_PER_YEAR * history.firm("revenue", firm)


def _compute_spend(firm: str) -> Callable[[History], Array]:
    def spend(history: History) -> Array:
        paid = [history.firm("rent_paid", firm, q) * history.firm("compute_used", firm, q) for q in _quarters(2024)]
        return _array(np.sum(paid, axis=0) / units.dollars_per_hour(1.0))

    return spend


def _capex_four_owners(history: History) -> Array:
    outlay = [
        history.owner(column, owner, quarter)
        for column in ("chip_outlay", "site_outlay")
        for owner in FOUR_OWNERS
        for quarter in _quarters(2024)
    ]
    return _array(np.sum(outlay, axis=0) / AI_SHARE_OF_CAPEX)


def _chip_price(history: History) -> Array:
    sold = np.stack([history.measure("chips_sold_cumulative", quarter) for quarter in _quarters(2024)])
    start = sold[0] - history.recording.makers["shipments"][:, 0].sum(axis=-1)
    shipped = np.diff(sold, axis=0, prepend=start[None])
    price = np.stack([history.measure("chip_price", quarter) for quarter in _quarters(2024)])
    return _array((price * shipped).sum(axis=0) / shipped.sum(axis=0))


def _yearly_growth(name: str) -> Callable[[History], Array]:
    return lambda history: np.sqrt(history.measure(name, "2026Q4") / history.measure(name, "2024Q4"))


def _measured(name: str) -> Callable[[History], Array]:
    return lambda history: history.measure(name)


MOMENTS: Mapping[str, Callable[[History], Array]] = {
    "chips_sold": _measured("chips_sold_cumulative"),
    "cr5_owners": _cr5_owners,
    "hhi_owners": _measured("hhi_chips_bought"),
    "hhi_makers": _measured("hhi_chip_stock"),
    "five_labs_share": lambda h: _labs(h).sum(axis=-1) / h.measure("chips_sold_cumulative"),
    "hhi_five_labs": hhi_five_labs,
    "compute_openai": _used("OpenAI"),
    "compute_google_deepmind": _used("Google DeepMind"),
    "compute_anthropic": _used("Anthropic"),
    "compute_meta_ai": _used("Meta AI"),
    "compute_xai": _used("xAI"),
    "revenue_openai": _annual_sales("OpenAI"),
    "revenue_anthropic": _annual_sales("Anthropic"),
    "compute_spend_openai": _compute_spend("OpenAI"),
    "compute_spend_anthropic": _compute_spend("Anthropic"),
    "capex_four_owners": _capex_four_owners,
    "chip_price": _chip_price,
    "rental_price": _measured("rental_price"),
    "largest_run_growth": _yearly_growth("largest_run_flop"),
    "largest_run_cost_growth": _yearly_growth("largest_run_cost"),
    "within_tenfold": _measured("within_tenfold"),
    "open_lag": _measured("open_lag_months"),
    "energy_share": _measured("energy_share_of_rent"),
    "gini_training": _measured("gini_training_compute"),
}
"""The model's value of each target; ``[replicate]``."""


def _array(values: Array) -> Array:
    """The same, whose type NumPy lost."""
    return values
