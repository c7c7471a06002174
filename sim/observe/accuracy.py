"""Measures of how well the accounts close and the markets clear."""

from __future__ import annotations

import numpy as np

from sim.arrays import Array
from sim.observe.catalogue import Moments, measure


@measure("ratio", "all", "flow", "max")
def ledger_residual(m: Moments) -> Array:
    """Largest residual of the accounts over turnover."""
    return m.ledger_residual


@measure("ratio", "owners", "flow", "max")
def market_residual(m: Moments) -> Array:
    """Largest relative departure of the compute market from clearing."""
    return m.flows.markets.market_residual


@measure("share", "firms", "flow", "max")
def price_residual(m: Moments) -> Array:
    """Largest departure of a target share from the best replies."""
    return m.flows.markets.price_residual


@measure("count", "all", "flow", "max")
def market_sweeps(m: Moments) -> Array:
    """Sweeps until both markets cleared."""
    return m.flows.markets.iterations.astype(np.float64)
