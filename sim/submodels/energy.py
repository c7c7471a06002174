"""Energy and carbon (docs/model.md 7.11)."""

from __future__ import annotations

from sim import units
from sim.arrays import Array


def floor_cost(
    kilowatt: float,
    electricity_price: float,
    intensity: float,
    carbon_price: Array,
    operations: float,
) -> Array:
    """Running cost below which an owner leaves chips idle, $bn per M H100e-quarter; ``[...]``.

    Parameters
    ----------
    kilowatt : float
        Draw of one H100e with cooling.
    electricity_price : float
        $ per MWh.
    intensity : float
        tCO2 per MWh.
    carbon_price : array [...]
        $ per tCO2.
    operations : float
        Other running cost, $bn per M H100e-quarter.

    Examples
    --------
    A carbon price of 70 $/t costs 0.055 $ per H100e-hour in 2024:

    >>> import numpy as np
    >>> cost = [floor_cost(1.74, 70.0, 0.45, np.array(p), 0.3) for p in (0.0, 70.0)]
    >>> round(float(units.dollars_per_hour(cost[1] - cost[0])), 3)
    0.055
    """
    energy = units.energy_cost(kilowatt, 1.0) * electricity_price
    return operations + energy + carbon_cost(kilowatt, intensity, carbon_price)


def carbon_cost(kilowatt: float, intensity: float, carbon_price: Array) -> Array:
    """The part of that cost that a carbon price makes, $bn per M H100e-quarter; arguments as for ``floor_cost``."""
    return units.energy_cost(kilowatt, 1.0) * (intensity * carbon_price)
