"""Chip makers: price by bargaining over the buyers' value, capacity by price (docs/model.md 7.8)."""

from __future__ import annotations

import numpy as np

from sim.arrays import Array


def chip_price(unit_cost: Array, buyers_value: Array, margin_floor: float, bargaining: float) -> Array:
    """cost (1 + m_0) + b (value - cost (1 + m_0))+; ``[..., maker]``, $bn per M H100e.

    Parameters
    ----------
    unit_cost : array [maker]
        Cost of a chip, $bn per M H100e.
    buyers_value : array [...]
        Capacity-weighted value of a chip to owners.
    margin_floor, bargaining : float
        m_0, and the maker's share b of the surplus.
    """
    floor = unit_cost * (1.0 + margin_floor)
    return floor + bargaining * np.maximum(buyers_value[..., None] - floor, 0.0)


def capacity_response(price_cost: Array, initial: Array, elasticity: float, low: float, high: float) -> Array:
    """clip((price / cost) / (price / cost)_0, low, high)^e_Y; ``[..., maker]``."""
    return np.clip(price_cost / initial, low, high) ** elasticity


def demand_response(unit_cost: Array, buyers_value: Array, margin_floor: float, exponent: float) -> Array:
    """min(1, value / (cost (1 + m_0)))^exponent: fewer chips when they are worth less than they cost."""
    worth = np.maximum(buyers_value, 0.0)[..., None] / (unit_cost * (1.0 + margin_floor))
    return np.minimum(worth, 1.0) ** exponent
