"""What one more unit of effective compute is worth, and how much compute a price calls for (docs/planner.md).

A ``Curve`` is h(E) = U(f(E)): a power function under a utility of AI power. Everything is solved in ln E, where the
power law is a straight line. Where f bends both ways, the curve knows the pieces on which it is concave: at any price
the best effective compute lies inside one of them or at an end of what is allowed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.arrays import Array, Flags
from sim.submodels.power import Measured, PowerFunction

_DECADES = 16
_POINTS_PER_DECADE = 128
_NOTHING = 1e-200
"""Multiple of the reach that stands for no compute, where slopes are infinite or zero."""
_NEAR_NOTHING = 1e-190
_BEND = 1e-3
"""Change of ln h' between those two from which on h' has no limit but nothing or infinity."""
_TWO_ENDS = 2
_NEAR = 1e-9
_ALMOST = 1e-12
"""Relative margin that keeps a line above what it touches."""
_FLAT = 1e-13
"""Change of ln h' from one point to the next that is rounding."""
_STEPS = 30
_EXACT = 4e-15
"""Relative accuracy at which a search for a price or an amount ends: a few units of rounding."""
_SECANT_FROM = 1e-7
"""Step in ln E from which on a secant is more accurate than the table."""


class Piece(NamedTuple):
    """Where a curve is concave: ln E, ln h' falling with it, and whether it begins at no compute."""

    log_compute: Array
    log_slope: Array
    is_first: bool


class Curve:
    """Utility of effective compute, h(E) = U(f(E)) with U = P^(1-alpha) / (1-alpha), or ln P where alpha is 1.

    Parameters
    ----------
    function : PowerFunction
        f.
    alpha : float
        Aversion to inequality of AI power (Atkinson 1970); 0 adds up power itself.
    reach : float
        Largest effective compute ever asked about, M H100e-quarters.

    Attributes
    ----------
    pieces : tuple of Piece
        Where h is strictly concave, from the lowest.
    is_concave : bool
        h is concave from nothing to the reach, and not straight.
    is_linear : bool
        h is straight.

    Examples
    --------
    >>> from sim.submodels.power import PowerLaw
    >>> curve = Curve(PowerLaw(reference=1.0, gamma=0.5), 0.0, 100.0)
    >>> curve.is_concave, curve.demand(np.log([0.5, 0.05]), 0)
    (True, array([  1., 100.]))
    """

    def __init__(self, function: PowerFunction, alpha: float, reach: float) -> None:
        self.function = function
        self.alpha = alpha
        self.reach = reach
        grid = np.log(reach) + np.linspace(-_DECADES * np.log(10.0), 0.0, _DECADES * _POINTS_PER_DECADE + 1)
        if isinstance(function, Measured):
            knots = function.knots + np.log(function.reference)
            grid = np.unique(np.concatenate([grid, knots[(knots > grid[0]) & (knots < grid[-1])]]))
        self._grid = grid
        slope = self.log_slope(np.exp(grid))
        rises = np.diff(slope)
        self.is_linear = bool(np.all(np.abs(rises) <= _FLAT))
        self.pieces = () if self.is_linear else tuple(_pieces(grid, slope, rises <= _FLAT))
        self.is_concave = not self.is_linear and bool(np.all(rises <= _FLAT))

    def value(self, effective: Array) -> Array:
        """h(E), minus infinity for no power where alpha is 1 or more."""
        power = self.function.power(effective)
        if self.alpha == 0.0:
            return power
        with np.errstate(divide="ignore"):
            utility: Array = np.log(power) if self.alpha == 1.0 else power ** (1.0 - self.alpha) / (1.0 - self.alpha)
        return utility

    def log_slope(self, effective: Array) -> Array:
        """ln h'(E) = (1 - alpha) ln f + ln(d ln f / d ln E) - ln E, exact."""
        some = np.maximum(effective, _NOTHING * self.reach)
        with np.errstate(divide="ignore", under="ignore"):
            slope: Array = np.log(self.function.elasticity(some)) - np.log(some)
            if self.alpha != 1.0:
                slope += (1.0 - self.alpha) * np.log(self.function.power(some))
        return slope

    def slope(self, effective: Array) -> Array:
        """h'(E); without any compute its limit, which is infinite where h rises vertically."""
        with np.errstate(over="ignore", under="ignore"):
            slope = np.exp(self.log_slope(effective))
        near, nearer = self.log_slope(self.reach * np.array([_NEAR_NOTHING, _NOTHING]))
        limit = np.inf if nearer > near + _BEND else 0.0 if nearer < near - _BEND else np.exp(nearer)
        return np.where(effective > 0.0, slope, limit)

    def demand(self, log_price: Array, piece: int) -> Array:
        """E in a concave piece at which h'(E) is the price, at its nearer end where there is none.

        Parameters
        ----------
        log_price : array
            ln of the price of a unit of effective compute.
        piece : int
            Which of ``pieces``.
        """
        log_compute, log_slope, is_first = self.pieces[piece]
        cell = np.clip(np.searchsorted(-log_slope, -log_price) - 1, 0, len(log_compute) - 2)
        low, high = log_compute[cell], log_compute[cell + 1]
        steepness = (log_slope[cell + 1] - log_slope[cell]) / (high - low)
        is_steep = steepness < -_FLAT
        steepness = np.where(is_steep, steepness, -1.0)
        place = low + np.where(is_steep, (log_price - log_slope[cell]) / steepness, 0.0)
        beyond = log_price > log_slope[0]
        if is_first:
            nothing = np.log(_NOTHING * self.reach)
            low = np.where(beyond, nothing, low)
            place = np.where(beyond & ~is_steep, nothing, place)
        place = self._refined(np.clip(place, low, high), log_price, steepness, low, high)
        effective = np.exp(place)
        return np.where(place <= low, np.where(beyond & is_first, 0.0, effective), effective)

    def _refined(self, place: Array, log_price: Array, steepness: Array, low: Array, high: Array) -> Array:
        """Secant steps for ln h'(e^z) = ln price, each within the cell of the table that holds the answer."""
        miss = self.log_slope(np.exp(place)) - log_price
        scale = _EXACT * np.maximum(np.abs(log_price), 1.0)
        for _ in range(_STEPS):
            moved = np.clip(place - miss / steepness, low, high)
            step = moved - place
            if not np.any((np.abs(miss) > scale) & (np.abs(step) > _EXACT * np.maximum(np.abs(place), 1.0))):
                break
            new_miss = self.log_slope(np.exp(moved)) - log_price
            is_far = np.abs(step) > _SECANT_FROM
            secant = (new_miss - miss) / np.where(is_far, step, 1.0)
            steepness = np.where(is_far & (secant < 0.5 * steepness) & (secant > 2.0 * steepness), secant, steepness)
            place, miss = moved, new_miss
        return place

    def best(self, log_price: Array, low: Array, high: Array) -> Array:
        """E in [low, high] that maximises h(E) - price x E; ``[firm]``, where two are equal the smaller.

        Parameters
        ----------
        log_price : array [firm]
            ln of the price of a unit of effective compute.
        low, high : array [firm]
            Effective compute allowed.
        """
        if self.is_concave:
            return np.clip(self.demand(log_price, 0), low, high)
        price = np.exp(log_price)

        def surplus(effective: Array) -> Array:
            return self.value(effective) - price * effective

        best, most = low, surplus(low)
        for number, piece in enumerate(self.pieces):
            ends = np.exp(piece.log_compute[[0, -1]])
            begin = np.maximum(low, 0.0 if piece.is_first else ends[0])
            end = np.minimum(high, ends[1])
            choice = np.clip(self.demand(log_price, number), begin, np.maximum(begin, end))
            gain = np.where(begin <= end, surplus(choice), -np.inf)
            best, most = np.where(gain > most, choice, best), np.maximum(gain, most)
        return np.where(surplus(high) > most, high, best)

    def piece_of(self, effective: Array) -> Array:
        """Number of the concave piece that holds each E, -1 in none; ``[firm]``."""
        found = np.full(effective.shape, -1.0)
        for number, piece in enumerate(self.pieces):
            begin, end = np.exp(piece.log_compute[[0, -1]])
            inside = (effective >= (0.0 if piece.is_first else begin)) & (effective <= end)
            found = np.where(inside, float(number), found)
        return found

    def points(self, low: float, high: float) -> Array:
        """Grid of effective compute from ``low`` to ``high``, both included, and the ends of pieces; ``[point]``."""
        inside = np.exp(self._grid)
        ends = [np.exp(piece.log_compute[[0, -1]]) for piece in self.pieces]
        everything = np.concatenate([[low], inside, *ends, [high]])
        return np.unique(everything[(everything >= low) & (everything <= high)])

    def log_steepest(self, low: float, high: float) -> float:
        """ln of the steepest line from h(low) to another point of h up to ``high``; minus infinity where none rises."""
        from scipy.optimize import minimize_scalar

        points = self.points(low, high)
        if len(points) < _TWO_ENDS:
            return -np.inf
        base = self.value(points[:1])[0]
        slopes = (self.value(points[1:]) - base) / (points[1:] - points[0])
        place = int(np.argmax(slopes))
        around = (float(points[max(place, 1)]), float(points[min(place + 2, len(points) - 1)]))

        def minus_slope(effective: float) -> float:
            return float(base - self.value(np.array([effective]))[0]) / (effective - low)

        found = minimize_scalar(minus_slope, bounds=around, method="bounded", options={"xatol": _NEAR * around[1]})
        steepest = max(float(slopes[place]), -float(found.fun))
        return float(np.log(steepest * (1.0 + _ALMOST))) if steepest > 0.0 else -np.inf

    def nonconcavity(self, low: float, high: float) -> float:
        """Largest distance from h up to its concave envelope on [low, high]; 0 where h is concave or straight."""
        if self.is_concave or self.is_linear:
            return 0.0
        points = self.points(low, high)
        values = self.value(points)
        is_finite = np.isfinite(values)
        points, values = points[is_finite], values[is_finite]
        hull = upper_hull(points, values)
        return float(np.max(np.interp(points, points[hull], values[hull]) - values))


def _pieces(grid: Array, slope: Array, falls: Flags) -> list[Piece]:
    """Runs of the grid on which ln h' never rises and falls somewhere."""
    pieces = []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], falls, [False]]).astype(np.int64)))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        part = np.minimum.accumulate(slope[begin : end + 1])
        if part[0] - part[-1] > _FLAT:
            pieces.append(Piece(grid[begin : end + 1], part, bool(begin == 0)))
    return pieces


def upper_hull(x: Array, y: Array) -> list[int]:
    """Places of the points on the concave envelope of (x, y), x increasing (Andrew 1979).

    >>> upper_hull(np.array([0.0, 1.0, 2.0]), np.array([0.0, 0.0, 1.0]))
    [0, 2]
    """
    kept: list[int] = []
    for k in range(len(x)):
        while len(kept) > 1:
            i, j = kept[-2], kept[-1]
            if (y[j] - y[i]) * (x[k] - x[i]) > (y[k] - y[i]) * (x[j] - x[i]):
                break
            kept.pop()
        kept.append(k)
    return kept
