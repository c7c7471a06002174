"""Demand: nested CES with an outside good (docs/model.md 7.2).

Anderson, de Palma and Thisse (1992), *Discrete Choice Theory of Product Differentiation*: V is a firm's attraction,
the AI nest competes with everything else in a sector's budget, and shares are expenditure shares.
"""

from __future__ import annotations

import numpy as np

from sim.arrays import Array, shares, total


def attraction_before_price(
    log_strength: Array,
    power: Array,
    data: Array,
    theta: Array,
    data_elasticity: Array,
    data_reference: float,
) -> Array:
    """xi P^theta (1 + D / D_ref)^psi, zero without AI power.

    Parameters
    ----------
    log_strength : array [..., sector, firm]
        ln xi.
    power, data : array [..., firm]
        P and D ($bn of initial prices).
    theta, data_elasticity : array [sector]
        Elasticities of attraction to power and to relative data.
    data_reference : float
        D_ref, the initial leader's stock.

    Returns
    -------
    array [..., sector, firm]
    """
    has_power = power > 0.0
    log = log_strength + theta[:, None] * np.log(np.where(has_power, power, 1.0))[..., None, :]
    log += data_elasticity[:, None] * np.log1p(data / data_reference)[..., None, :]
    log += np.where(has_power, 0.0, -np.inf)[..., None, :]
    return np.exp(log, out=log)


def nest_odds(total_attraction: Array, initial_odds: Array, nest_growth: float) -> Array:
    """Odds o = o_0 (Z / Z_0)^lambda of buying AI at all, with Z_0 = 1; shapes ``[..., sector]``."""
    return initial_odds * total_attraction**nest_growth


def nest_share(odds: Array) -> Array:
    """Share o / (1 + o) of the sector's budget that goes to AI.

    >>> import numpy as np
    >>> nest_share(np.array([0.25, 1.0]))
    array([0.2, 0.5])
    """
    return odds / (1.0 + odds)


def target_share(attraction: Array) -> Array:
    """V / Z over firms; ``[..., sector, firm]``, zero where nobody offers."""
    return shares(attraction)


def realised_share(staying: Array, target: Array) -> Array:
    """Shares when those who do not stay choose by ``target``.

    Parameters
    ----------
    staying : array [..., sector, firm]
        (1 - k) times last quarter's shares, zero for firms that left: their customers choose first.
    target : array [..., sector, firm]
        Shares of those who choose now.

    Returns
    -------
    array [..., sector, firm]
        Sums to one over firms whenever ``target`` does.
    """
    return staying + (1.0 - total(staying, keepdims=True)) * target


def consumer_gain(
    budget: Array,
    odds: Array,
    odds_reference: Array | float,
    substitution: float,
    nest_growth: float,
) -> Array:
    """Saving at fixed budgets against a reference, $bn per quarter.

    Sum over sectors of M (1 - ((1 + o_ref) / (1 + o))^(1 / (lambda (rho - 1)))): the price index of the outer nest
    is (1 + o)^(-1 / (lambda (rho - 1))). A long-run measure: customers have chosen as they want.

    Parameters
    ----------
    budget : array [sector]
        M, $bn per quarter.
    odds, odds_reference : array [..., sector]
        o of this world and of the reference; 0 for a world without AI.
    substitution, nest_growth : float
        rho and lambda.
    """
    exponent = 1.0 / (nest_growth * (substitution - 1.0))
    saving = budget * (1.0 - ((1.0 + odds_reference) / (1.0 + odds)) ** exponent)
    return total(saving)
