"""Concave problems with several scarce things: one price each, found by Newton's method on the dual.

The Lagrangian of max sum h_i subject to sum_i r_ik c_i <= R_k is separable: given prices lambda_k, firm i maximises
h_i(c) - p_i c with p_i = sum_k lambda_k r_ik. So is that of a bound on HHI, which adds mu c (c - 2 H T).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.arrays import Array, Flags
from sim.errors import FailureError
from sim.submodels.waterfill import Plot, clearing_price

_HALVINGS = 90
_SWEEPS = 200
_NEWTON_STEPS = 60
_ACCURACY = 1e-12
_ACCEPTED = 1e-9
_NO_PRICE = -1400.0
_NOTHING = 1e-200
_DIFFERENCE = 1e-5


class Scarce(NamedTuple):
    """What is scarce: use is ``linear @ c``, and in the last place that of a bound on HHI where there is one.

    HHI <= H is sum c^2 <= H (sum c)^2. Around sum c = T the right side is H T (2 sum c - T), so that the bound reads
    sum c^2 - 2 H T sum c + 2 H T^2 <= H T^2, and the price of the total is what one more unit of it is worth.
    """

    linear: Array
    """[constraint, firm], the total in the first place."""
    stocks: Array
    """[constraint], H T^2 last where HHI is bounded."""

    @property
    def has_bound(self) -> bool:
        """Whether HHI is bounded."""
        return len(self.stocks) > len(self.linear)

    @property
    def aim(self) -> float:
        """H T: firms with more weigh on the bound, firms with less relieve it."""
        return float(self.stocks[-1] / self.stocks[0])

    def use(self, compute: Array) -> Array:
        """Of each, ``[constraint]``."""
        use = self.linear @ compute
        if not self.has_bound:
            return use
        return np.append(use, compute @ compute - 2.0 * self.aim * compute.sum() + 2.0 * self.stocks[-1])

    def gradient(self, compute: Array) -> Array:
        """Derivative of use by each firm's compute; ``[constraint, firm]``."""
        return np.vstack([self.linear, 2.0 * (compute - self.aim)]) if self.has_bound else self.linear


class Priced(NamedTuple):
    """An allocation and the prices that support it."""

    compute: Array
    """[firm] M H100e."""
    price: Array
    """[constraint] utility per unit."""
    dual: float
    """Upper bound on the sum of utilities."""


def clear_all(plot: Plot, scarce: Scarce) -> Priced:
    """Prices at which nothing is used beyond its stock, and nothing with a price is left.

    Parameters
    ----------
    plot : Plot
        Strictly concave utilities.
    scarce : Scarce
        Feasible: what the lower bounds use is within every stock.

    Raises
    ------
    FailureError
        When the search does not converge.
    """
    with np.errstate(under="ignore", over="ignore", divide="ignore"):
        log_price = np.full(len(scarce.stocks), _NO_PRICE)
        for _ in range(_SWEEPS):
            log_price = _sweep(plot, scarce, log_price)
            compute = _demand(plot, scarce, log_price)
            if _miss(scarce, compute, log_price) > _ACCURACY:
                log_price = _newton(plot, scarce, log_price)
                compute = _demand(plot, scarce, log_price)
            if _miss(scarce, compute, log_price) < _ACCURACY:
                break
        if _miss(scarce, compute, log_price) > _ACCEPTED:
            message = (
                f"prices of {len(log_price)} scarce things did not settle: a stock is missed by "
                f"{_miss(scarce, compute, log_price):.1e} of it. This is a defect; method cutting_planes may do"
            )
            raise FailureError(message)
        price = np.where(log_price > _NO_PRICE, np.exp(log_price), 0.0)
        dual = float(plot.utility(compute).sum() + price @ (scarce.stocks - scarce.use(compute)))
    return Priced(compute, price, dual)


def _demand(plot: Plot, scarce: Scarce, log_price: Array) -> Array:
    """Compute of the firms at these prices; ``[firm]``."""
    price = np.where(log_price > _NO_PRICE, np.exp(log_price), 0.0)
    n_linear = len(scarce.linear)
    linear = scarce.linear.T @ price[:n_linear]
    bound = float(price[n_linear]) if scarce.has_bound else 0.0
    if bound == 0.0:
        return plot.demand(np.log(np.maximum(linear, np.exp(-600.0))))
    # h' - p - 2 mu (c - HT) falls in E: halve the interval of ln E until nothing is left of it.
    tiny = _NOTHING * np.array([curve.reach for curve in plot.curves])[plot.sector]
    low = np.log(np.maximum(plot.effective(plot.low), tiny))
    high = np.log(np.maximum(plot.effective(plot.high), tiny))
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        compute = (np.exp(middle) - plot.inherited) / plot.efficiency
        asked = linear + 2.0 * bound * (compute - scarce.aim)
        is_low = (asked <= 0.0) | (plot.log_marginal(compute) > np.log(np.where(asked > 0.0, asked, 1.0)))
        low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
    result: Array = np.clip((np.exp(0.5 * (low + high)) - plot.inherited) / plot.efficiency, plot.low, plot.high)
    return result


def _miss(scarce: Scarce, compute: Array, log_price: Array) -> float:
    """Largest relative use beyond a stock, or departure from it where there is a price."""
    excess = scarce.use(compute) / scarce.stocks - 1.0
    return float(np.max(np.where(log_price > _NO_PRICE, np.abs(excess), np.maximum(excess, 0.0))))


def _sweep(plot: Plot, scarce: Scarce, log_price: Array) -> Array:
    """Clear one market after another, which lowers the dual at each step."""
    prices = log_price.copy()
    for k, stock in enumerate(scarce.stocks):

        def used(value: float, k: int = k) -> Array:
            trial = prices.copy()
            trial[k] = value
            return scarce.use(_demand(plot, scarce, trial))[k : k + 1]

        prices[k] = _NO_PRICE
        if used(_NO_PRICE)[0] > stock:
            start = log_price[k] if log_price[k] > _NO_PRICE else float(np.median(_cost(plot, scarce, k)))
            prices[k] = clearing_price(used, float(stock), start)
    return prices


def _cost(plot: Plot, scarce: Scarce, k: int) -> Array:
    """ln of marginal utility per unit of the k-th, where everyone has a middling amount."""
    middle = np.maximum(0.5 * (plot.low + plot.high), _NOTHING) / len(plot.low)
    gradient = np.abs(scarce.gradient(middle)[k])
    return np.clip(plot.log_marginal(middle) - np.log(np.where(gradient > 0.0, gradient, 1.0)), -300.0, 300.0)


def _newton(plot: Plot, scarce: Scarce, log_price: Array) -> Array:
    """Newton's method on use / stock = 1 of what has a price, by ln of prices, halving steps that go too far."""
    is_priced: Flags = log_price > _NO_PRICE
    prices = log_price.copy()

    def misses(at: Array) -> tuple[Array, Array]:
        compute = _demand(plot, scarce, at)
        return compute, scarce.use(compute)[is_priced] / scarce.stocks[is_priced] - 1.0

    compute, miss = misses(prices)
    for _ in range(_NEWTON_STEPS):
        if np.max(np.abs(miss), initial=0.0) < _ACCURACY / 10:
            break
        slope = _response(plot, scarce, prices, compute)
        gradient = scarce.gradient(compute)[is_priced]
        change = (gradient * slope) @ gradient.T
        change = change * np.exp(prices[is_priced]) / scarce.stocks[is_priced][:, None]
        if not np.isfinite(change).all():
            break
        step = np.linalg.lstsq(change, -miss, rcond=None)[0]
        size = 1.0
        while size > _ACCURACY:
            trial = prices.copy()
            trial[is_priced] += size * step
            new_compute, new_miss = misses(trial)
            if np.max(np.abs(new_miss)) < np.max(np.abs(miss)):
                break
            size *= 0.5
        else:
            break
        prices, compute, miss = trial, new_compute, new_miss
    return prices


def _response(plot: Plot, scarce: Scarce, log_price: Array, compute: Array) -> Array:
    """d c / d p of each firm, zero at a bound; ``[firm]``."""
    width = _DIFFERENCE * np.maximum(compute, _NOTHING)
    rise = plot.log_marginal(compute + width) - plot.log_marginal(compute - width)
    curvature = np.exp(plot.log_marginal(compute)) * rise / (2.0 * width)
    if scarce.has_bound:
        curvature -= 2.0 * np.exp(log_price[-1]) if log_price[-1] > _NO_PRICE else 0.0
    is_inside = (compute > plot.low) & (compute < plot.high) & (curvature < 0.0)
    return np.where(is_inside, 1.0 / np.where(is_inside, curvature, -1.0), 0.0)
