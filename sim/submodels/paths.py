"""Paths of the drivers: growth that settles to a long-run rate, and exponential decline (docs/model.md 6)."""

from __future__ import annotations

import numpy as np


def settling_growth(quarter: int, start: float, end: float, time: float) -> float:
    """Level at ``quarter`` over level at 0 when growth settles from ``start`` to ``end``.

    exp of the sum over k = 1..quarter of end + (start - end) e^(-k / time).

    >>> settling_growth(0, 0.4, 0.04, 7.0)
    1.0
    """
    k = np.arange(1, quarter + 1)
    return float(np.exp(np.sum(end + (start - end) * np.exp(-k / time))))


def declining(quarter: int, rate: float) -> float:
    """Level at ``quarter`` over level at 0 when it falls at ``rate`` (log per quarter)."""
    return float(np.exp(-rate * quarter))


def halving(quarters: int, half_life: float) -> float:
    """Part that remains after ``quarters`` (none before the first); 1 at zero."""
    return float(0.5 ** (max(quarters, 0) / half_life))
