"""Measures of buyers: what they spend on AI, sector by sector, and what they gain."""

from __future__ import annotations

import numpy as np
from scipy.special import entr

from sim.arrays import Array, safe_ratio, total
from sim.observe.catalogue import Moments, measure
from sim.submodels import demand


@measure("elasticity", "sectors", "stock", "last")
def nest_elasticity(m: Moments) -> Array:
    """Sales-weighted elasticity of AI service bought to its price; above 1, cheaper serving uses more compute."""
    p, markets = m.world.parameters, m.flows.markets
    spending = m.flows.drivers.budget * markets.nest
    elasticity = 1.0 + p.nest_growth * (p.substitution - 1.0) * (1.0 - markets.nest)
    return safe_ratio(total(spending * elasticity), total(spending))


@measure("share", "sectors", "stock", "last")
def adoption(m: Moments) -> Array:
    """Share of all budgets spent on AI."""
    budget = m.flows.drivers.budget
    return total(budget * m.flows.markets.nest) / total(budget)


@measure("$bn", "sectors", "flow", "sum")
def consumer_gain(m: Moments) -> Array:
    """Saving of buyers at fixed budgets against a world without AI; long run, with the value of variety."""
    p = m.world.parameters
    return demand.consumer_gain(m.flows.drivers.budget, m.flows.markets.odds, 0.0, p.substitution, p.nest_growth)


@measure("share", "sectors", "stock", "last", name="adoption_<sector>")
def adoption_of_sectors(m: Moments) -> Array:
    """Share of the sector's budget spent on AI."""
    return m.flows.markets.nest


@measure("$bn", "sectors", "flow", "sum")
def consumer_gain_without_variety(m: Moments) -> Array:
    """The same saving when a choice among several services has no value of its own; long run.

    ln Z is replaced by sum_i s_i ln V_i with s = V / Z (docs/model.md 7.2). As ln V_i = ln Z + ln s_i, this is
    ln Z - H with H = -sum_i s_i ln s_i, the entropy of shares, and the odds o_0 Z^lambda become o e^(-lambda H). Firms
    with no share add nothing. Equal to ``consumer_gain`` where one firm serves each sector, else below it.
    """
    p, markets = m.world.parameters, m.flows.markets
    entropy = total(entr(markets.target_share))
    odds = markets.odds * np.exp(-p.nest_growth * entropy)
    return demand.consumer_gain(m.flows.drivers.budget, odds, 0.0, p.substitution, p.nest_growth)
