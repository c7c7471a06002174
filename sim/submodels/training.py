"""Training: the forward-looking plan, and what training does to effective compute (docs/model.md 7.1 and 7.4)."""

from __future__ import annotations

import numpy as np

from sim.arrays import Array, Flags, best_other, safe_ratio


def effective_compute(own: Array, open_frontier: Array, open_discount: float, pooled: Array | float = 0.0) -> Array:
    """E_eff = E_own + omega_o x the best open model of another firm + E_fed for members of the pool; ``[..., firm]``.

    A sum, never accumulated into ``own``: published weights are used, not owned.
    """
    return own + open_discount * open_frontier + pooled


def open_frontier_of_others(released: Array, is_open: Flags) -> Array:
    """max over open j != i of E_own,j as released; ``[..., firm]``, zero where nobody else is open."""
    return best_other(np.where(is_open, released, 0.0)).clip(min=0.0)


def quality_elasticity(gamma: Array, theta: Array, size_elasticity: float, substitution: float) -> Array:
    """Lambda_is = gamma_i (theta_s - chi (rho - 1)), at least zero; ``[..., sector, firm]``.

    Quality raises demand (theta) and the cost of serving (chi).
    """
    return gamma[..., None, :] * np.maximum(theta - size_elasticity * (substitution - 1.0), 0.0)[:, None]


def horizon_factor(
    profit_growth: Array, capability_growth: Array, discount: float, decay: float, gap_low: float = -np.inf
) -> Array:
    """Training outlay over the marginal profit of capability, H, on a path of steady growth.

    H = (e^gE - 1 + delta) beta e^(gPi - gE) / (1 - beta (1 - delta) e^(gPi - gE)): a unit of effective compute decays
    at delta, and is worth less as everyone's grows.

    Parameters
    ----------
    profit_growth, capability_growth : array
        Expected log growth per quarter.
    discount, decay : float
        beta and delta_E, per quarter.
    gap_low : float
        Bound: gPi - gE is taken to lie in [gap_low, 0], so that the sum converges and does not vanish.

    Examples
    --------
    Without growth H = delta beta / (1 - beta (1 - delta)):

    >>> float(np.round(horizon_factor(np.array(0.0), np.array(0.0), 0.97, 0.1), 6))
    0.76378
    """
    drift = discount * np.exp(np.clip(profit_growth - capability_growth, gap_low, 0.0))
    return (np.exp(capability_growth) - 1.0 + decay) * drift / (1.0 - (1.0 - decay) * drift)


def training_plan(marginal_profit: Array, horizon: Array, own: Array, effective: Array) -> Array:
    """x_i = H (E_own / E_eff) sum_s Lambda B Pi, $bn; by the envelope theorem.

    Parameters
    ----------
    marginal_profit : array [..., firm]
        Sum over sectors of Lambda B Pi, $bn per log unit of effective compute.
    horizon : array [..., firm]
        H.
    own, effective : array [..., firm]
        E_own and E_eff; their ratio is how open weights crowd out own training.
    """
    return marginal_profit * horizon * safe_ratio(own, effective)


def means(cash: Array, credit: Array, limit: float) -> Array:
    """Most that a firm spends on training, ``limit`` of cash and credit; ``[..., firm]``, $bn."""
    return limit * np.maximum(cash + credit, 0.0)


def debt_limit(net_worth: Array, annual_margin: Array, leverage: float) -> Array:
    """leverage x max(net worth, annual margin), at least zero; ``[..., firm]``, $bn."""
    return leverage * np.maximum(np.maximum(net_worth, annual_margin), 0.0)


def next_own_compute(own: Array, efficiency: Array, compute: Array, multiplier: Array, decay: float) -> Array:
    """E_own' = (1 - delta_E) E_own + A C x multiplier; ``[..., firm]``, M H100e-quarters."""
    return (1.0 - decay) * own + efficiency * compute * multiplier


def adapted_growth(expected: Array, observed: Array, weight: float) -> Array:
    """(1 - alpha) expected + alpha observed, log per quarter."""
    return (1.0 - weight) * expected + weight * observed
