"""Max-min: the lowest AI power raised as far as compute goes, then the next lowest (leximin)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from sim.arrays import Array
from sim.submodels.marginal import Curve
from sim.submodels.waterfill import Filled, Group, Plot, clearing_price, fill_groups

_DEEPEST = 460.0
"""ln of how far below its reach a curve's effective compute is searched."""


class Raised(NamedTuple):
    """A max-min allocation."""

    compute: Array
    """[firm] M H100e."""
    bound: float
    """No allocation's lowest power is higher."""
    price: float
    """What one more M H100e adds to the lowest power; 0 where a cap holds it down."""


def raise_lowest(plot: Plot, total: float, groups: Sequence[Group]) -> Raised:
    """Give every firm what a common level of power costs it, within its bounds; the level uses up the total.

    Firms at their cap stay below the level and those at their floor above it, which is the lexicographic maximum.
    """
    compute, minus_log_level, _ = fill_groups(plot, total, groups, _fill_level, _cost_of_level)
    with np.errstate(over="ignore"):
        level = np.exp(-minus_log_level)
    is_capped = compute >= plot.high
    reached = np.where(is_capped, plot.power(compute), level)
    lowest = int(np.argmin(reached))
    if is_capped[lowest]:
        has_all = compute[lowest] >= total  # its bound is the total itself, and grows with it
        price = float(np.exp(plot.log_marginal(compute)[lowest])) if has_all else 0.0
        return Raised(compute, float(reached[lowest]), price)
    is_level = (minus_log_level == minus_log_level[lowest]) & (compute > plot.low) & ~is_capped
    cost = float(np.sum(np.exp(-plot.log_marginal(compute))[is_level]))
    return Raised(compute, float(reached[lowest]), 1.0 / cost if cost > 0.0 else 0.0)


def _fill_level(plot: Plot, total: float) -> Filled:
    """Compute of each firm at the level that uses up the total, and minus ln of that level."""
    if total >= plot.high.sum():
        return Filled(plot.high.copy(), -np.inf)
    if total <= plot.low.sum():
        with np.errstate(divide="ignore"):
            return Filled(plot.low.copy(), float(-np.log(plot.power(plot.low).min())))
    start = -float(np.log(np.median(plot.power(np.clip(total / len(plot.low), plot.low, plot.high)))))
    minus_log_level = clearing_price(lambda level: _cost_of_level(plot, level), total, start)
    compute = _cost_of_level(plot, minus_log_level)
    is_inside = (compute > plot.low) & (compute < plot.high)
    rest = total - compute.sum()
    compute[is_inside] *= 1.0 + rest / compute[is_inside].sum() if is_inside.any() else 1.0
    return Filled(compute, minus_log_level)


def _cost_of_level(plot: Plot, minus_log_level: float) -> Array:
    """Compute with which each firm has the power exp(-x), within its bounds; ``[firm]``, M H100e."""
    effective = np.array([_inverse(curve, -minus_log_level) for curve in plot.curves])[plot.sector]
    return np.clip((effective - plot.inherited) / plot.efficiency, plot.low, plot.high)


def _inverse(curve: Curve, log_power: float) -> float:
    """Effective compute with which f is exp(log_power), at most the curve's reach."""

    def excess(log_compute: float) -> float:
        power = float(curve.function.power(np.array([np.exp(log_compute)]))[0])
        return (float(np.log(power)) if power > 0.0 else -2.0 * _DEEPEST) - log_power

    high = float(np.log(curve.reach))
    low = high - _DEEPEST
    if excess(high) <= 0.0:
        return curve.reach
    if excess(low) >= 0.0:
        return 0.0
    return float(np.exp(brentq(excess, low, high, xtol=1e-14, rtol=8.9e-16, maxiter=500)))
