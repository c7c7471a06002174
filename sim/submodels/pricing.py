"""Prices: Nash under nested CES (docs/model.md 7.3).

Atkeson and Burstein (2008), "Pricing-to-Market, Trade Costs, and International Relative Prices": a firm's perceived
elasticity falls with its share. All shapes are ``[..., sector, firm]`` unless said otherwise.
"""

from __future__ import annotations

from sim.arrays import Array, total


def demand_elasticity(joint_share: Array, nest: Array, substitution: float, nest_growth: float) -> Array:
    """eps = rho (1 - s) + [1 + lambda (rho - 1)(1 - nest)] s.

    Parameters
    ----------
    joint_share : array [..., sector, firm]
        s, target share of the firm and those it sets prices with.
    nest : array [..., sector]
        Share of the budget that goes to AI.
    substitution, nest_growth : float
        rho and lambda.

    Examples
    --------
    The monopoly of docs/model.md 9:

    >>> import numpy as np
    >>> round(float(demand_elasticity(np.ones((1, 1)), np.array([0.2084944325]), 3.0, 0.26)[0, 0]), 6)
    1.411583
    """
    outer = 1.0 + nest_growth * (substitution - 1.0) * (1.0 - nest[..., :, None])
    return substitution + (outer - substitution) * joint_share


def business_stealing(joint_share: Array, nest: Array, nest_growth: float) -> Array:
    """B = (1 - s) + lambda s (1 - nest): elasticity of own revenue to own attraction."""
    return 1.0 - joint_share * (1.0 - nest_growth * (1.0 - nest[..., :, None]))


def markup(elasticity: Array) -> Array:
    """Price over unit cost, eps / (eps - 1)."""
    return elasticity / (elasticity - 1.0)


def serving_need(
    power: Array,
    efficiency: Array,
    serving_need_reference: float,
    size_elasticity: float,
    algorithm_elasticity: float,
) -> Array:
    """Compute per unit sold, kappa = kappa_0 P^chi / A^iota; ``[..., firm]``, M H100e-quarters per unit.

    Larger models cost more to serve, better algorithms less. Under family ``power`` P^chi is (E / E0)^(gamma chi).
    """
    return serving_need_reference * power**size_elasticity / efficiency**algorithm_elasticity


def unit_cost(need: Array, user_cost: Array, usage_tax: Array) -> Array:
    """Marginal cost of a unit before levies on revenue: kappa w (1 + tau_c) + t; ``[..., firm]``."""
    return need * user_cost + usage_tax


def units_per_dollar(cost: Array, revenue_share_taken: Array, elasticity: Array) -> Array:
    """One over the price: (1 - tau_rev) / c x (eps - 1) / eps; arguments as for ``price``."""
    return ((1.0 - revenue_share_taken) / cost)[..., None, :] * ((elasticity - 1.0) / elasticity)


def price(cost: Array, revenue_share_taken: Array, elasticity: Array) -> Array:
    """Price c / (1 - tau_rev) x eps / (eps - 1).

    Parameters
    ----------
    cost, revenue_share_taken : array [..., firm]
        Unit cost, and the part of revenue that levies and operating cost take.
    elasticity : array [..., sector, firm]
        Perceived demand elasticity.
    """
    return (cost / (1.0 - revenue_share_taken))[..., None, :] * markup(elasticity)


def operating_profit(revenue: Array, revenue_share_taken: Array, elasticity: Array) -> Array:
    """Pi = (1 - tau_rev) revenue / eps: what remains after serving and operating cost."""
    return (1.0 - revenue_share_taken)[..., None, :] * revenue / elasticity


def reply(elasticity: Array, substitution: float) -> Array:
    """What is left of a push to a firm's share after its own mark-up has answered; in (0, 1].

    1 / (1 + k) with k = -d ln V / d ln s through the mark-up = (rho - 1)(rho - eps) / (eps (eps - 1)).
    """
    scale = elasticity * (elasticity - 1.0)
    return scale / (scale + (substitution - 1.0) * (substitution - elasticity))


def newton_step(share: Array, target: Array, answer: Array) -> Array:
    """Newton step of shares towards mutual best replies at given costs; ``[..., sector, firm]``.

    Solves d ln s_i (1 + k_i) = ln(s*_i / s_i) - d ln Z with d ln Z = -sum s_i k_i d ln s_i.

    Parameters
    ----------
    share, target : array [..., sector, firm]
        Shares that prices assume, and shares that those prices give.
    answer : array [..., sector, firm]
        From ``reply``.
    """
    return _mutual(share, target - share, answer)


def cost_response(share: Array, cost_change: Array, answer: Array, substitution: float) -> Array:
    """Change of mutual best-reply shares when costs move by ``cost_change`` (log, ``[..., firm]``)."""
    return _mutual(share, share * ((1.0 - substitution) * cost_change)[..., None, :], answer)


def _mutual(share: Array, push: Array, answer: Array) -> Array:
    """Changes of shares that sum to nothing when a ``push`` to each is met by everyone's mark-up."""
    common = total(answer * push, keepdims=True) / total(answer * share, keepdims=True)
    return answer * (push - share * common)
