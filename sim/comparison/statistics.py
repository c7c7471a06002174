"""Intervals, tests and verdicts for paired replicates.

Every function takes differences ``[replicate, ...]`` of pairs with the same luck and works along the first axis. A pair
in which either value is undefined (nan) is left out of that column.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from sim.comparison import bootstrap
from sim.comparison.bootstrap import students_t

Floats = npt.NDArray[np.float64]

LEVELS = (0.90, 0.95)
"""Of the confidence intervals that are shown."""

ERROR = 0.05
"""Chance of calling an effect clear that is none, or negligible one that is not."""

POWER = 0.80
"""Chance with which the number of replicates to decide decides, if the effect is as large as estimated."""

FEWEST_CHANGED = 10
"""Pairs that must differ before intervals decide, where others do not differ at all."""

MOST_REPLICATES = 1_000_000


class Verdict(StrEnum):
    """What the intervals say of an effect."""

    CLEAR = "clear"
    NEGLIGIBLE = "negligible"
    UNDECIDED = "undecided"


class Paired(NamedTuple):
    """Moments of pairs; one value for each column.

    Attributes
    ----------
    n : int
        Pairs.
    reference, scenario, effect : float
        Means over pairs, the last of differences.
    error : float
        Standard error of the mean difference; nan for fewer than two pairs.
    rising : float
        Share of pairs in which the scenario has more.
    changed : int
        Pairs that differ at all.
    widening : float, [level, ...]
        How many times wider than Student's the intervals of each of ``LEVELS`` are where pairs are few
        (:func:`sim.comparison.bootstrap.widening`).
    variance_ratio : float
        Variance of a difference between independent runs over that between pairs: how many times fewer replicates
        pairing needs. Infinite where pairs differ by a constant, nan where neither varies.
    """

    n: Floats
    reference: Floats
    scenario: Floats
    effect: Floats
    error: Floats
    rising: Floats
    changed: Floats
    widening: Floats
    variance_ratio: Floats

    def error_at(self, level: float) -> Floats:
        """Standard error, widened as intervals of one of ``LEVELS`` need it."""
        return np.asarray(self.error * self.widening[LEVELS.index(level)])

    def interval(self, level: float) -> tuple[Floats, Floats]:
        """Ends of the interval of the effect at one of ``LEVELS``."""
        return interval(self.effect, self.error_at(level), self.n, level)

    def ends(self) -> dict[str, Floats]:
        """Ends of the intervals at all ``LEVELS``, by the names of their columns: ``ci90_low`` and so on."""
        return {
            f"ci{100 * level:.0f}_{end}": values
            for level in LEVELS
            for end, values in zip(("low", "high"), self.interval(level), strict=True)
        }

    def half_width(self, level: float) -> Floats:
        """Half of the width of :meth:`interval`."""
        return half_width(self.error_at(level), self.n, level)


def paired(scenario: Floats, reference: Floats) -> Paired:
    """Moments of pairs.

    Parameters
    ----------
    scenario, reference : array [replicate, ...]
        Values with the same luck in the same place.

    Examples
    --------
    >>> found = paired(np.array([3.0, 5.0, 7.0]), np.array([1.0, 2.0, 3.0]))
    >>> float(found.effect), float(found.error), float(found.variance_ratio)
    (3.0, 0.577, 5.0)
    """
    both = np.isfinite(scenario) & np.isfinite(reference)
    n = both.sum(axis=0).astype(float)
    difference = scenario - reference
    means = [_mean(values, both, n) for values in (reference, scenario, difference)]
    variances = [
        _variance(values, mean, both, n) for values, mean in zip((reference, scenario, difference), means, strict=True)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(variances[2] / n)
        rising = (both & (scenario > reference)).sum(axis=0) / n
    changed = (both & (scenario != reference)).sum(axis=0).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (variances[0] + variances[1]) / variances[2]
    widening = bootstrap.widening(difference, both, LEVELS)
    return Paired(n, means[0], means[1], means[2], error, rising, changed, widening, ratio)


def _mean(values: Floats, both: npt.NDArray[np.bool_], n: Floats) -> Floats:
    """Mean of those that count; nan where none does."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sum(values, axis=0, where=both) / n)


def _variance(values: Floats, mean: Floats, both: npt.NDArray[np.bool_], n: Floats) -> Floats:
    """Sample variance of those that count; nan for fewer than two."""
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = np.sum((values - mean) ** 2, axis=0, where=both)
        return np.asarray(np.where(n > 1, squares / (n - 1), np.nan))


def interval(effect: Floats, error: Floats, n: Floats, level: float) -> tuple[Floats, Floats]:
    """Student's t interval of a mean difference, effect +- t_(n-1) error.

    Examples
    --------
    >>> [float(end) for end in interval(np.array(3.0), np.array(1.0), np.array(20.0), 0.90)]
    [1.2709, 4.7291]
    """
    half = half_width(error, n, level)
    return effect - half, effect + half


def half_width(error: Floats, n: Floats, level: float) -> Floats:
    """Half of the width of :func:`interval`; nan for fewer than two pairs."""
    return students_t(0.5 + 0.5 * level, n) * error


def p_value(effect: Floats, error: Floats, n: Floats) -> Floats:
    """Two-sided p value of no effect; 1 where pairs do not differ at all, 0 where they differ by a constant."""
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.abs(effect) / error
    p = 2.0 * stats.t.sf(score, np.maximum(n - 1, 1))
    p = np.where(error == 0.0, np.where(effect == 0.0, 1.0, 0.0), p)
    return np.where(n > 1, p, np.nan)


def holm(p: Floats) -> Floats:
    """Holm's p values: adjusted for asking all these questions at once; nan stays nan.

    Holm (1979), "A simple sequentially rejective multiple test procedure", *Scandinavian Journal of Statistics* 6(2):
    the chance of any false finding stays below the level, however the questions depend on one another.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(order) else steps
    return adjusted


def is_rare(changed: Floats, n: Floats) -> npt.NDArray[np.bool_]:
    """Whether an effect rests on a handful of pairs while the others do not differ at all.

    An event of few histories, such as one more entrant, makes intervals from the spread between pairs too narrow,
    however many pairs there are.
    """
    return np.asarray((changed > 0) & (changed < FEWEST_CHANGED) & (changed < n))


def verdict(
    effect: Floats,
    error: Floats,
    n: Floats,
    smallest: Floats,
    changed: Floats | None = None,
    widening: Floats | Sequence[float] = (1.0, 1.0),
) -> npt.NDArray[np.str_]:
    """What each effect is called.

    Negligible: the 90% interval lies inside the smallest effect of interest, which is the test of equivalence at 5%
    (two one-sided tests; Schuirmann 1987, *Journal of Pharmacokinetics and Biopharmaceutics* 15(6)). Clear: the 95%
    interval leaves out zero and the effect is not negligible. Undecided: neither, or all rests on a handful of pairs
    (:func:`is_rare`). Both intervals are widened as :attr:`Paired.widening` says.

    Examples
    --------
    >>> verdict(np.array([60.0, 5.0, 20.0]), np.array([9.0, 9.0, 30.0]), np.full(3, 50.0), np.full(3, 25.0)).tolist()
    ['clear', 'negligible', 'undecided']
    """
    wide_90, wide_95 = widening
    low, high = interval(effect, wide_90 * error, n, 1.0 - 2.0 * ERROR)
    is_negligible = (low > -smallest) & (high < smallest)
    is_negligible |= (effect == 0.0) & (error == 0.0)
    low, high = interval(effect, wide_95 * error, n, 1.0 - ERROR)
    is_clear = (low > 0.0) | (high < 0.0)
    words = np.where(is_clear, Verdict.CLEAR.value, Verdict.UNDECIDED.value)
    words = np.where(is_negligible, Verdict.NEGLIGIBLE.value, words)
    return words if changed is None else np.where(is_rare(changed, n), Verdict.UNDECIDED.value, words)


def replicates_to_decide(
    effect: Floats,
    error: Floats,
    n: Floats,
    smallest: Floats,
    changed: Floats | None = None,
    widening: Floats | Sequence[float] = (1.0, 1.0),
) -> Floats:
    """How many replicates in all would turn an undecided effect into a clear or a negligible one.

    With the effect and its spread as estimated, that number decides in four of five repetitions (``POWER``), where
    intervals of few pairs stay as much wider as they are. At least one more than there are; nan for fewer than two
    pairs; infinite beyond a million.

    Examples
    --------
    >>> float(replicates_to_decide(np.array(30.0), np.array(20.0), np.array(50.0), np.array(25.0)))
    177.0
    """
    spread = error * np.sqrt(n)
    wide_90, wide_95 = widening
    with np.errstate(divide="ignore", invalid="ignore"):
        to_clear = _needed_of_few(spread / np.abs(effect), wide_95, 1.0 - 0.5 * ERROR)
        room = smallest - np.abs(effect)
        to_negligible = np.where(room > 0.0, _needed_of_few(spread / room, wide_90, 1.0 - ERROR), np.inf)
    wanted = np.fmax(np.fmin(to_clear, to_negligible), n + 1)
    if changed is not None:
        enough = np.ceil(n * FEWEST_CHANGED / np.maximum(changed, 1.0))
        wanted = np.where(is_rare(changed, n), np.fmax(wanted, enough), wanted)
    return np.where(n > 1, np.where(wanted > MOST_REPLICATES, np.inf, wanted), np.nan)


def _needed_of_few(spread: Floats, wider: Floats | float, probability: float) -> Floats:
    """The same with intervals that are wider until pairs are many."""
    return np.minimum(
        _needed(wider * spread, probability), np.maximum(_needed(spread, probability), bootstrap.FEW_PAIRS)
    )


def _needed(spread: Floats, probability: float) -> Floats:
    """Smallest n with (t_(n-1, probability) + t_(n-1, POWER)) spread <= sqrt(n): a table, then a fixed point."""
    decided = _decided(probability)
    size = (special.ndtri(probability) + special.ndtri(POWER)) ** 2 * spread**2
    for _ in range(8):
        n = np.maximum(size, len(decided))
        size = (students_t(probability, n) + students_t(POWER, n)) ** 2 * spread**2
    return np.where(spread <= decided[-1], 2.0 + np.searchsorted(decided, spread), np.ceil(size))


@lru_cache(maxsize=8)
def _decided(probability: float) -> Floats:
    """Largest spread that n pairs decide, rising with n = 2, 3, ..., 1,000."""
    n = np.arange(2.0, 1_001.0)
    return np.asarray(np.sqrt(n) / (students_t(probability, n) + students_t(POWER, n)))
