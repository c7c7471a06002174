"""Patterns of real industries that nothing was fitted to, and what they lose when a mechanism is off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln
from scipy.stats import spearmanr

from sim.arrays import Array
from sim.experiment.targets import History
from sim.observe import Recording

INFINITY = float("inf")


class Pattern(NamedTuple):
    """A statistic of a history, and what real industries show.

    Attributes
    ----------
    low, high : float
        Range that counts as showing the pattern.
    unit, sentence, source : str
    """

    low: float
    high: float
    unit: str
    sentence: str
    source: str

    def is_shown(self, value: float) -> bool:
        """Whether a value shows the pattern; an undefined one does not."""
        return self.low <= value <= self.high


PATTERNS: Mapping[str, Pattern] = {
    "growth_shape": Pattern(
        0.5,
        1.5,
        "-",
        "Subbotin exponent of yearly growth of sales: 1 is a tent, 2 a normal",
        "Bottazzi and Secchi 2006",
    ),
    "size_tail": Pattern(
        0.5, 1.5, "-", "Hill estimate of the tail exponent of firms' sales, largest tenth", "Axtell 2001: about 1"
    ),
    "variance_and_size": Pattern(
        -0.5, -0.05, "-", "slope of the log standard deviation of growth on log sales", "Stanley et al. 1996: -0.15"
    ),
    "profit_persistence": Pattern(
        0.5, 0.98, "-", "rank correlation of firms' profit from one year to the next", "Mueller 1990: high, below 1"
    ),
    "rank_turnover": Pattern(
        0.02,
        0.4,
        "share",
        "of the ten largest by sales that were not among them a year before",
        "as in young industries",
    ),
    "entry_rate": Pattern(0.03, 0.4, "per year", "entrants over firms", "Geroski 1995: entry is common"),
    "exit_rate": Pattern(0.01, 0.4, "per year", "exits over firms", "Geroski 1995: entry and exit go together"),
    "shake_out": Pattern(
        0.2, 1.0, "share", "of the largest number of firms that is gone at the end", "Klepper 1996: 30 to 80%"
    ),
    "markup_when_scarce": Pattern(
        0.3, 1.0, "-", "correlation of chip mark-up with rent over the years", "mark-up is high while supply binds"
    ),
    "rent_falls": Pattern(0.0, 0.9, "ratio", "rent at the end over rent of 2024", "prices of compute fall"),
    "rent_rebounds": Pattern(0.02, 0.6, "share", "of years in which rent rises", "scarcity raises rents for a time"),
    "open_lag_level": Pattern(2.0, 12.0, "months", "mean open lag after the third year", "Epoch AI: 3 to 7 months"),
    "open_lag_drift": Pattern(
        -0.5, 0.5, "months per year", "trend of the open lag after the third year", "about constant since 2023"
    ),
    "makers_disperse": Pattern(
        -INFINITY, -1.0, "points", "change of the HHI of chips sold by makers", "falls since 2023"
    ),
    "revenue_concentrates": Pattern(
        1.0, INFINITY, "points", "change of the HHI of firms' sales", "the claim of this model, for comparison"
    ),
}
"""What is looked for, by name."""

UNSHOWN: Mapping[str, str] = {
    "variance_and_size": "Growth differs between firms mostly by what all firms of a size share (funding, the open "
    "frontier), and shocks to appeal are as large for large firms as for small ones.",
    "exit_rate": "Firms spend no more than their funders give, and the fixed cost of a small firm is low, so hardly "
    "anyone goes beyond the debt limit: without outside funding they do.",
    "shake_out": "Follows from there being no exits: entrants pile up.",
    "open_lag_drift": "Funding concentrates on closed labs, so that open models fall behind by most of a month more "
    "each year; real open models have kept up.",
    "markup_when_scarce": "The unit cost of a chip falls faster than its price, so the mark-up rises while rents fall; "
    "real mark-ups were highest while supply was short.",
}
"""Why the model does not show a pattern, where it does not."""

_TAIL, _LEAST_TAIL = 0.1, 5
_BINS, _FEWEST_IN_BIN = 8, 5
_SETTLED_YEARS = 3


def patterns(recording: Recording) -> dict[str, Array]:
    """Statistics of each history, by the pattern's name; ``[replicate]``, nan where undefined."""
    history = History(recording)
    ends = [quarter for quarter in recording.quarters if quarter.endswith("Q4")]
    places = [recording.firm_quarters.index(quarter) for quarter in ends]
    firms = {name: recording.firms[name][:, places] for name in ("revenue", "profit", "active", "generation")}

    def yearly(name: str) -> Array:
        return np.stack([history.measure(name, quarter) for quarter in ends], axis=1)

    per_year = {name: _sums(recording, name, ends) for name in ("entries", "exits")}
    n_firms, rent, markup = yearly("n_firms"), yearly("rental_price"), yearly("chip_markup")
    lag, makers, sales = yearly("open_lag_months"), yearly("hhi_chip_stock"), yearly("hhi_revenue")
    found: dict[str, list[float]] = {name: [] for name in PATTERNS}
    for r in range(len(recording.replicates)):
        one = {name: values[r] for name, values in firms.items()}
        growth, size = _growth(one)
        found["growth_shape"].append(subbotin_exponent(growth))
        found["variance_and_size"].append(_slope_of_spread(growth, size))
        found["size_tail"].append(_tail(one["revenue"][-1][one["active"][-1]]))
        found["profit_persistence"].append(_persistence(one))
        found["open_lag_drift"].append(_trend(lag[r, _SETTLED_YEARS:]))
        found["markup_when_scarce"].append(_correlation(markup[r], rent[r]))
    whole: dict[str, Array] = {
        "rank_turnover": np.nanmean(yearly("turnover_revenue")[:, 1:], axis=1),
        "entry_rate": (per_year["entries"] / n_firms).mean(axis=1),
        "exit_rate": (per_year["exits"] / n_firms).mean(axis=1),
        "shake_out": 1.0 - n_firms[:, -1] / n_firms.max(axis=1),
        "rent_falls": rent[:, -1] / rent[:, 0],
        "rent_rebounds": (np.diff(rent, axis=1) > 0.0).mean(axis=1),
        "open_lag_level": lag[:, _SETTLED_YEARS:].mean(axis=1),
        "makers_disperse": makers[:, -1] - makers[:, 0],
        "revenue_concentrates": sales[:, -1] - sales[:, 0],
    }
    return {name: whole[name] if name in whole else np.array(found[name]) for name in PATTERNS}


def _sums(recording: Recording, name: str, ends: list[str]) -> Array:
    years = [quarter[:4] for quarter in recording.quarters]
    of = [[k for k, year in enumerate(years) if year == end[:4]] for end in ends]
    return np.stack([recording.measures[name][:, chosen].sum(axis=1) for chosen in of], axis=1)


def _growth(firms: Mapping[str, Array]) -> tuple[Array, Array]:
    """Log growth of sales over a year less the year's mean, and log sales before, of firms in both years."""
    growth, size = [], []
    for now in range(1, len(firms["revenue"])):
        before, after = firms["revenue"][now - 1], firms["revenue"][now]
        stays = (firms["active"][now - 1] & firms["active"][now]) & (before > 0.0) & (after > 0.0)
        stays &= firms["generation"][now - 1] == firms["generation"][now]
        if stays.sum() > 1:
            rise = np.log(after[stays] / before[stays])
            growth.append(rise - rise.mean())
            size.append(np.log(before[stays]))
    if not growth:
        return np.empty(0), np.empty(0)
    return np.concatenate(growth), np.concatenate(size)


def subbotin_exponent(x: Array) -> float:
    """Shape b of a Subbotin density, exp(-|x/a|^b / b), by the ratio of moments (E|x|)^2 / E x^2.

    The ratio is Gamma(2/b)^2 / (Gamma(1/b) Gamma(3/b)): 1/2 for the tent (Laplace, b = 1), 2/pi for a normal (b = 2).

    Examples
    --------
    >>> from scipy.stats import laplace, norm
    >>> grid = (np.arange(100_000) + 0.5) / 100_000
    >>> round(subbotin_exponent(laplace.ppf(grid)), 2), round(subbotin_exponent(norm.ppf(grid)), 2)
    (1.0, 2.0)
    """
    if len(x) < _FEWEST_IN_BIN or not np.any(x):
        return float("nan")
    ratio = np.abs(x).mean() ** 2 / (x**2).mean()

    def excess(log_b: float) -> float:
        b = np.exp(log_b)
        return float(2.0 * gammaln(2.0 / b) - gammaln(1.0 / b) - gammaln(3.0 / b) - np.log(ratio))

    low, high = np.log(0.1), np.log(50.0)
    if excess(low) > 0.0 or excess(high) < 0.0:
        return float("nan")
    return float(np.exp(brentq(excess, low, high)))


def _slope_of_spread(growth: Array, size: Array) -> float:
    """Slope over bins of equal counts."""
    order = np.argsort(size, kind="stable")
    bins = [chosen for chosen in np.array_split(order, _BINS) if len(chosen) >= _FEWEST_IN_BIN]
    spread = np.array([growth[chosen].std() for chosen in bins])
    if len(bins) < _BINS or not (spread > 0.0).all():
        return float("nan")
    return float(np.polyfit([size[chosen].mean() for chosen in bins], np.log(spread), 1)[0])


def _tail(sales: Array) -> float:
    """Hill's estimate from the largest tenth, five firms at least."""
    ordered = np.sort(sales[sales > 0.0])[::-1]
    k = max(int(_TAIL * len(ordered)), _LEAST_TAIL)
    if len(ordered) <= k:
        return float("nan")
    mean = np.log(ordered[:k] / ordered[k]).mean()
    return float(1.0 / mean) if mean > 0.0 else float("nan")


def _persistence(firms: Mapping[str, Array]) -> float:
    found = []
    for now in range(1, len(firms["profit"])):
        stays = firms["active"][now - 1] & firms["active"][now]
        stays &= firms["generation"][now - 1] == firms["generation"][now]
        before, after = firms["profit"][now - 1][stays], firms["profit"][now][stays]
        if stays.sum() > 2 and np.ptp(before) > 0.0 and np.ptp(after) > 0.0:  # noqa: PLR2004 - two ranks always agree
            found.append(float(spearmanr(before, after).statistic))
    return float(np.mean(found)) if found else float("nan")


def _trend(values: Array) -> float:
    is_known = np.isfinite(values)
    return float(np.polyfit(np.flatnonzero(is_known), values[is_known], 1)[0]) if is_known.sum() > 1 else float("nan")


def _correlation(a: Array, b: Array) -> float:
    is_known = np.isfinite(a) & np.isfinite(b)
    if is_known.sum() < 3 or np.ptp(a[is_known]) == 0.0 or np.ptp(b[is_known]) == 0.0:  # noqa: PLR2004 - or it is 1
        return float("nan")
    return float(np.corrcoef(a[is_known], b[is_known])[0, 1])


ABLATIONS: Mapping[str, tuple[str, ...]] = {
    "no luck": (
        "world.parameters.quality_shock=0",
        "world.parameters.progress_shock=0",
        "world.parameters.sector_strength_dispersion=0",
    ),
    "weak flywheel": ("world.parameters.flywheel=0.05",),
    "no inertia of customers": ("world.parameters.switching_rate=1", "world.parameters.cloud_loyalty=0"),
    "no entry": ("mechanisms.entry=false",),
    "no mergers": ("mechanisms.mergers=false",),
    "no imitation": ("mechanisms.imitation=false",),
    "no open weights": ("mechanisms.open_weights=false", "mechanisms.openness=false"),
    "static expectations": ("mechanisms.expectations=static",),
    "no outside funding": ("world.parameters.investor_funding=0", "world.parameters.parent_funding=0"),
    "chips at cost": ("world.parameters.maker_bargaining=0",),
    "shipments do not answer": ("world.parameters.capacity_response=0", "world.parameters.shipment_value_exponent=0"),
}
"""Mechanisms off, one at a time, in an otherwise unchanged baseline."""

NULL = "luck alone"
"""The world in which nothing but luck is at work."""

SENSITIVITY: Mapping[str, tuple[str, ...]] = {
    "Lambda 0.5": ("world.parameters.flywheel=0.5",),
    "Lambda 1.5": ("world.parameters.flywheel=1.5",),
    "Lambda 2": ("world.parameters.flywheel=2",),
    "f: log": ("power.family=log",),
    "f: hill": ("power.family=hill",),
    "f: saturating_loss": ("power.family=saturating_loss",),
    "f: threshold": ("power.family=threshold",),
    "f: linear": ("power.family=linear",),
    "expectations: static": ("mechanisms.expectations=static",),
    "expectations: own growth": ("mechanisms.growth_rates=own",),
    "10 small firms": ("world.parameters.small_firms_initial=10",),
    "60 small firms": ("world.parameters.small_firms_initial=60",),
}
"""What the headline results are looked at again under."""

FOLLOWED = (
    "hhi_revenue",
    "hhi_compute_used",
    "hhi_chips_bought",
    "gini_power",
    "small_firm_share_of_compute",
    "rental_price",
    "consumer_gain",
)


def headlines(recording: Recording) -> dict[str, Array]:
    """Headline measures in the last quarter; ``[replicate]``."""
    history = History(recording)
    return {name: history.measure(name, recording.quarters[-1]) for name in FOLLOWED}


def patterns_and_headlines(recording: Recording) -> dict[str, Array]:
    """Both."""
    return patterns(recording) | headlines(recording)
