"""AI power P = f(E) of effective compute E, with exact local elasticity (docs/model.md 7.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sim.arrays import Array

LN_2 = float(np.log(2.0))
_TINY = float(np.finfo(np.float64).eps)
_STEEPNESS = 8
"""Exponent of the step of family ``threshold``."""
_BEYOND = 1e30
"""Multiple of the threshold at which the step is over in floating point, and its eighth power is still finite."""


class PowerFunction(Protocol):
    """What every family offers: increasing, zero at zero, one at the reference."""

    def power(self, effective_compute: Array) -> Array:
        """AI power, 1 at the reference; shape as given."""
        ...

    def elasticity(self, effective_compute: Array) -> Array:
        """Local elasticity d ln f / d ln E; shape as given."""
        ...


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """P = (E / E0)^gamma.

    Parameters
    ----------
    reference : float
        E0, M H100e-quarters of effective compute; the initial leader's.
    gamma : float
        Constant elasticity.

    Examples
    --------
    >>> PowerLaw(reference=2.0, gamma=0.5).power(np.array([0.0, 2.0, 8.0]))
    array([0., 1., 2.])
    """

    reference: float
    gamma: float

    def power(self, effective_compute: Array) -> Array:
        """AI power."""
        power: Array = (effective_compute / self.reference) ** self.gamma
        return power

    def elasticity(self, effective_compute: Array) -> Array:
        """The exponent, everywhere."""
        return np.full_like(effective_compute, self.gamma)


@dataclass(frozen=True, slots=True)
class Logarithmic:
    """P = ln(1 + E / E0) / ln 2.

    Parameters
    ----------
    reference : float
        E0, M H100e-quarters of effective compute; the initial leader's.

    Examples
    --------
    >>> Logarithmic(reference=1.0).power(np.array([0.0, 1.0, 3.0]))
    array([0., 1., 2.])
    """

    reference: float

    def power(self, effective_compute: Array) -> Array:
        """AI power."""
        return np.log1p(effective_compute / self.reference) / LN_2

    def elasticity(self, effective_compute: Array) -> Array:
        """x / ((1 + x) ln(1 + x)) with x = E / E0; 1 in the limit of no compute."""
        x = effective_compute / self.reference
        tiny = x < _TINY
        x = np.where(tiny, 1.0, x)
        return np.where(tiny, 1.0, x / ((1.0 + x) * np.log1p(x)))


@dataclass(frozen=True, slots=True)
class Hill:
    """P = (1 + m^h) x^h / (m^h + x^h) with x = E / E0: slow, then fast, then saturated at 1 + m^h (Hill 1910).

    Parameters
    ----------
    reference : float
        E0, M H100e-quarters of effective compute; the initial leader's.
    exponent : float
        h, the elasticity far below the midpoint.
    midpoint : float
        m, multiple of E0 where power is half its bound.

    Examples
    --------
    >>> Hill(reference=1.0, exponent=2.0, midpoint=3.0).power(np.array([0.0, 1.0, 3.0]))
    array([0., 1., 5.])
    """

    reference: float
    exponent: float
    midpoint: float

    def power(self, effective_compute: Array) -> Array:
        """AI power."""
        half = self.midpoint**self.exponent
        raised = (effective_compute / self.reference) ** self.exponent
        power: Array = (1.0 + half) * (raised / (half + raised))
        return power

    def elasticity(self, effective_compute: Array) -> Array:
        """h m^h / (m^h + x^h), which falls to zero."""
        half = self.midpoint**self.exponent
        elasticity: Array = self.exponent * (half / (half + (effective_compute / self.reference) ** self.exponent))
        return elasticity


@dataclass(frozen=True, slots=True)
class Linear:
    """P = E / E0.

    Parameters
    ----------
    reference : float
        E0, M H100e-quarters of effective compute; the initial leader's.

    Examples
    --------
    >>> Linear(reference=2.0).power(np.array([0.0, 2.0, 3.0]))
    array([0. , 1. , 1.5])
    """

    reference: float

    def power(self, effective_compute: Array) -> Array:
        """AI power."""
        return effective_compute / self.reference

    def elasticity(self, effective_compute: Array) -> Array:
        """One, everywhere."""
        return np.ones_like(effective_compute)


@dataclass(frozen=True, slots=True)
class SaturatingLoss:
    """P in proportion to 1 - (1 + x/c)^-g with x = E / E0: what compute has removed of the reducible loss.

    Parameters
    ----------
    reference : float
        E0, M H100e-quarters of effective compute; the initial leader's.
    exponent : float
        g, how fast reducible loss falls with compute (Hoffmann et al. 2022).
    scale : float
        c, multiple of E0 at which loss begins to fall as a power law.

    Examples
    --------
    >>> SaturatingLoss(reference=1.0, exponent=1.0, scale=1.0).power(np.array([0.0, 1.0, 3.0]))
    array([0. , 1. , 1.5])
    """

    reference: float
    exponent: float
    scale: float

    def power(self, effective_compute: Array) -> Array:
        """AI power."""
        at_reference = -np.expm1(-self.exponent * np.log1p(1.0 / self.scale))
        y = effective_compute / self.reference / self.scale
        power: Array = -np.expm1(-self.exponent * np.log1p(y)) / at_reference
        return power

    def elasticity(self, effective_compute: Array) -> Array:
        """g y / ((1 + y) ((1 + y)^g - 1)) with y = x/c; from 1 without compute it falls to zero."""
        y = effective_compute / self.reference / self.scale
        tiny = y < _TINY
        y = np.where(tiny, 1.0, y)
        return np.where(tiny, 1.0, self.exponent * (y / (1.0 + y)) / np.expm1(self.exponent * np.log1p(y)))


@dataclass(frozen=True, slots=True)
class Threshold:
    """P in proportion to x^gamma (1 + J s), x = E / E0, with the step s = z / (1 + z), z = (x/t)^8.

    Parameters
    ----------
    reference : float
        E0, M H100e-quarters of effective compute; the initial leader's.
    gamma : float
        Elasticity far from the step.
    jump : float
        J: beyond the step power is 1 + J times what it would be.
    location : float
        t, multiple of E0 in the middle of the step.

    Examples
    --------
    >>> Threshold(reference=1.0, gamma=0.5, jump=2.0, location=100.0).power(np.array([0.0, 1.0, 100.0, 1e6]))
    array([0.e+00, 1.e+00, 2.e+01, 3.e+03])
    """

    reference: float
    gamma: float
    jump: float
    location: float

    def power(self, effective_compute: Array) -> Array:
        """AI power."""
        x = effective_compute / self.reference
        at_reference = 1.0 + self.jump * _step_share(self._odds(np.ones(())))
        power: Array = x**self.gamma * ((1.0 + self.jump * _step_share(self._odds(x))) / at_reference)
        return power

    def elasticity(self, effective_compute: Array) -> Array:
        """gamma + 8 J z / ((1 + z) (1 + (1 + J) z))."""
        odds = self._odds(effective_compute / self.reference)
        elasticity: Array = self.gamma + _STEEPNESS * self.jump * _step_share(odds) / (1.0 + (1.0 + self.jump) * odds)
        return elasticity

    def _odds(self, multiple: Array) -> Array:
        """z = (x/t)^8, where x/t is bounded so that the power is finite."""
        odds: Array = np.minimum(multiple / self.location, _BEYOND) ** _STEEPNESS
        return odds


def _step_share(odds: Array) -> Array:
    share: Array = odds / (1.0 + odds)
    return share


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A table's power: monotone cubic in (ln E, ln P), a power law before its first and after its last point.

    Slopes at the points are those of PCHIP (Fritsch and Butland 1984). Where PCHIP makes an end flat, the slope there
    is that of the end's interval, so that power rises everywhere.

    Parameters
    ----------
    reference : float
        E0, M H100e-quarters of effective compute; the initial leader's.
    knots : array [point]
        ln(E / E0) of the table.
    coefficients : array [4, interval]
        Of the cubics in ln(E / E0) less its knot, highest power first.
    low_slope, high_slope : float
        Elasticity below the first and above the last point.

    Examples
    --------
    >>> function = Measured.through([(1.0, 1.0), (10.0, 3.0), (100.0, 9.0)], reference=2.0)
    >>> function.power(np.array([0.0, 2.0, 20.0, 2000.0]))
    array([ 0.,  1.,  3., 27.])
    """

    reference: float
    knots: Array
    coefficients: Array
    low_slope: float
    high_slope: float

    @classmethod
    def through(cls, table: Sequence[Sequence[float]], reference: float) -> Measured:
        """Interpolate a table.

        Parameters
        ----------
        table : sequence of pairs
            Effective compute (multiple of ``reference``) and power; at least two, positive and strictly increasing.
        reference : float
            E0, M H100e-quarters; power is scaled to 1 there.
        """
        from scipy.interpolate import CubicHermiteSpline, PchipInterpolator

        points = np.log(np.array(table, dtype=np.float64))
        knots, levels = np.ascontiguousarray(points.T)
        secant = np.diff(levels) / np.diff(knots)
        slopes = PchipInterpolator(knots, levels).derivative()(knots)
        for end in (0, -1):
            slopes[end] = slopes[end] if slopes[end] > 0.0 else secant[end]
        cubics = np.ascontiguousarray(CubicHermiteSpline(knots, levels, slopes).c)
        plain = cls(reference, knots, cubics, float(slopes[0]), float(slopes[-1]))
        cubics[-1] -= plain._log_power(np.zeros(1))[0]
        return plain

    def power(self, effective_compute: Array) -> Array:
        """AI power."""
        x = effective_compute / self.reference
        is_some = x > 0.0
        return np.where(is_some, np.exp(self._log_power(np.log(np.where(is_some, x, 1.0)))), 0.0)

    def elasticity(self, effective_compute: Array) -> Array:
        """Slope of the cubic, beyond an end the slope there."""
        x = effective_compute / self.reference
        is_some = x > 0.0
        log_x = np.log(np.where(is_some, x, 1.0))
        first, second, third, _, step = self._cubic(log_x)
        return np.where(is_some, (3.0 * first * step + 2.0 * second) * step + third, self.low_slope)

    def _log_power(self, log_x: Array) -> Array:
        first, second, third, fourth, step = self._cubic(log_x)
        inside: Array = ((first * step + second) * step + third) * step + fourth
        below: Array = self.low_slope * np.minimum(log_x - self.knots[0], 0.0)
        above: Array = self.high_slope * np.maximum(log_x - self.knots[-1], 0.0)
        return inside + below + above

    def _cubic(self, log_x: Array) -> tuple[Array, Array, Array, Array, Array]:
        """Coefficients of the interval of each value, and how far into it the value lies."""
        inside = np.clip(log_x, self.knots[0], self.knots[-1])
        interval = np.clip(np.searchsorted(self.knots, inside, side="right") - 1, 0, len(self.knots) - 2)
        first, second, third, fourth = (row[interval] for row in self.coefficients)
        return first, second, third, fourth, inside - self.knots[interval]


FAMILIES: dict[str, str] = {
    "power": "P = (E/E0)^gamma: constant elasticity, the default",
    "log": "P = ln(1 + E/E0): returns to scale fall as compute grows",
    "hill": "P = E^h/(m^h + E^h): slow, then fast, then saturated",
    "linear": "P = E/E0: twice the compute, twice the power",
    "saturating_loss": "P = 1 - (1 + E/c)^-g: the reducible loss that compute has removed; it saturates slowly",
    "threshold": "P = (E/E0)^gamma with a jump: power multiplies where compute passes a threshold",
    "measured": "a table of compute and power, with monotone interpolation between its points",
}
"""Every power family, with one sentence."""

FAMILY_PARAMETERS: dict[str, tuple[str, ...]] = {
    "power": ("gamma",),
    "hill": ("hill_exponent", "hill_midpoint"),
    "saturating_loss": ("saturating_loss_exponent", "saturating_loss_scale"),
    "threshold": ("gamma", "threshold_jump", "threshold_location"),
}
"""Parameters that shape each family; the others have none."""


def power_function(
    family: str, reference: float, parameters: Mapping[str, float], table: Sequence[Sequence[float]] = ()
) -> PowerFunction:
    """The family's function, scaled so that power is 1 at the reference.

    Parameters
    ----------
    family : str
        A key of ``FAMILIES``.
    reference : float
        Effective compute with power 1, M H100e-quarters.
    parameters : mapping of str to float
        At least the family's of ``FAMILY_PARAMETERS``; compute in multiples of ``reference``.
    table : sequence of pairs
        Compute (multiples of ``reference``) and power, of family ``measured`` only.

    Examples
    --------
    >>> power_function("power", 2.0, {"gamma": 0.5}).power(np.array([8.0]))
    array([2.])
    """
    shape = [parameters[name] for name in FAMILY_PARAMETERS.get(family, ())]
    if family == "measured":
        return Measured.through(table, reference)
    if family not in _CLASSES:
        message = f"unknown power family {family!r}; known: {', '.join(FAMILIES)}"
        raise ValueError(message)
    return _CLASSES[family](reference, *shape)


_CLASSES: dict[str, Callable[..., PowerFunction]] = {
    "power": PowerLaw,
    "log": Logarithmic,
    "hill": Hill,
    "linear": Linear,
    "saturating_loss": SaturatingLoss,
    "threshold": Threshold,
}
"""Families whose arguments are the reference and their parameters, in the order of ``FAMILY_PARAMETERS``."""
