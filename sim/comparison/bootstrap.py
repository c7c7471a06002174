"""How much wider than Student's t intervals of few pairs have to be, by a symmetric bootstrap of t.

Student's intervals hold the truth as often as they say when means are near to normal. Means of few pairs are not where
a rare event, such as a merger, moves a measure far. The bootstrap asks the sample itself: if the sample were the truth,
how far from it, in standard errors, would means of resamples lie?

Hall (1988), "On symmetric bootstrap confidence intervals", *JRSS B* 50(1): the error of their coverage is of the order
of n^-2, that of Student's of the order of n^-1. Of an event that no pair shows, no interval made of the pairs knows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import special

from sim.arrays import Array, Flags
from sim.luck import Luck

FEW_PAIRS = 200
"""From so many on, Student's intervals need little help, and resamples take long."""

FEWEST_RESAMPLED = 5
"""Resamples of fewer pairs are too often one pair over and over."""

RESAMPLES = 1_999
SEED = 0
_AT_A_TIME = 500
"""Columns whose resamples memory holds, 16 kB each."""
_ROUNDING = 1e-12


def widening(differences: Array, counts: Flags, levels: Sequence[float]) -> Array:
    """Critical values of the bootstrap over Student's, at least 1; 1 where pairs are many, or fewer than five.

    Resamples are the same for every column with as many pairs, and in every call, so that the same pairs have the same
    interval.

    Parameters
    ----------
    differences : array [pair, ...]
    counts : array [pair, ...] of bool
        Pairs that count in a column.
    levels : sequence of float
        Confidence levels.

    Returns
    -------
    array [level, ...]

    Examples
    --------
    >>> even = np.arange(20.0)
    >>> rare = np.where(even < 18.0, even, 100.0)
    >>> differences = np.stack([even, rare], axis=1)
    >>> widening(differences, np.isfinite(differences), [0.95]).round(2).tolist()
    [[1.04, 3.85]]
    """
    shape = differences.shape[1:]
    columns = differences.reshape(len(differences), math.prod(shape)).T
    is_counted = counts.reshape(columns.T.shape).T
    n = is_counted.sum(axis=1)
    wider = np.ones((len(levels), len(columns)))
    for size in np.unique(n[(n >= FEWEST_RESAMPLED) & (n < FEW_PAIRS)]).tolist():
        of_size = np.flatnonzero(n == size)
        students = students_t(0.5 + 0.5 * np.array(levels), size)
        for chosen in np.split(of_size, range(_AT_A_TIME, len(of_size), _AT_A_TIME)):
            samples = columns[chosen][is_counted[chosen]].reshape(len(chosen), size)
            wider[:, chosen] = _critical_values(samples, levels) / students[:, None]
    return np.maximum(wider, 1.0).reshape(len(levels), *shape)


def students_t(probability: Array | float, n: Array | float) -> Array:
    """Quantile of Student's t with n - 1 degrees of freedom; nan for fewer than two pairs."""
    freedom = np.where(np.asarray(n) > 1, np.asarray(n) - 1, np.nan)
    return np.asarray(special.stdtrit(freedom, probability))


def _critical_values(samples: Array, levels: Sequence[float]) -> Array:
    """Quantiles ``[level, sample]`` of the absolute t of resamples of ``[sample, pair]``; 0 where pairs do not vary.

    Resamples without spread have no t and are left out.
    """
    n = samples.shape[1]
    deviations = samples - samples.mean(axis=1, keepdims=True)
    squares = deviations**2
    weights = _weights(n)
    means = np.einsum("sn,rn->sr", deviations, weights)
    variances = np.einsum("sn,rn->sr", squares, weights) - means**2
    has_spread = variances > _ROUNDING * squares.mean(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = np.where(has_spread, np.abs(means) / np.sqrt(variances / (n - 1)), np.inf)
    scores.sort(axis=1)
    known = has_spread.sum(axis=1)
    places = np.ceil(np.multiply.outer(np.array(levels), known + 1)).astype(int) - 1
    values = np.take_along_axis(scores, np.clip(places, 0, np.maximum(known - 1, 0)).T, axis=1).T
    return np.where(known > 0, values, 0.0)


@lru_cache(maxsize=8)
def _weights(n: int) -> Array:
    """Share ``[resample, pair]`` of each pair in resamples of n pairs, drawn with replacement."""
    drawn = (n * Luck(SEED, range(RESAMPLES)).uniform("resamples", n, n)).astype(np.int64)
    places = drawn + n * np.arange(RESAMPLES)[:, None]
    return np.bincount(places.ravel(), minlength=RESAMPLES * n).reshape(RESAMPLES, n) / n
