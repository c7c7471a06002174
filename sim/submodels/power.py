"""AI power P = f(E) of effective compute E, with exact local elasticity (docs/model.md 7.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sim.arrays import Array

LN_2 = float(np.log(2.0))


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
        tiny = x < np.finfo(np.float64).eps
        x = np.where(tiny, 1.0, x)
        return np.where(tiny, 1.0, x / ((1.0 + x) * np.log1p(x)))


FAMILIES: dict[str, str] = {
    "power": "P = (E/E0)^gamma: constant elasticity, the default",
    "log": "P = ln(1 + E/E0): returns to scale fall as compute grows",
}
"""Every power family of this version, with one sentence."""


def power_function(family: str, reference: float, gamma: float) -> PowerFunction:
    """The family's function, scaled so that power is 1 at the reference.

    Parameters
    ----------
    family : str
        A key of ``FAMILIES``.
    reference : float
        Effective compute with power 1, M H100e-quarters.
    gamma : float
        Elasticity of family ``power``; the others have their own shape.
    """
    if family == "power":
        return PowerLaw(reference, gamma)
    if family == "log":
        return Logarithmic(reference)
    message = f"unknown power family {family!r}; known: {', '.join(FAMILIES)}"
    raise ValueError(message)
