"""Prices: Nash under nested CES (docs/model.md 7.3).

Atkeson and Burstein (2008), "Pricing-to-Market, Trade Costs, and International Relative Prices": a firm's perceived
elasticity falls with its share. All shapes are ``[..., sector, firm]`` unless said otherwise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.arrays import Array, safe_ratio, shares, total
from sim.errors import ConvergenceError
from sim.groups import Groups
from sim.submodels import demand

_TOLERANCE = 1e-11
_LEAST_ELASTICITY = 1.001
"""At which a firm whose sales an owner would rather move elsewhere is as good as withdrawn."""
_MAX_SWEEPS = 500


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


def perceived_elasticity(
    share: Array, nest: Array, revenue_taken: Array, groups: Groups, substitution: float, nest_growth: float
) -> Array:
    """eps of every firm at its owner's joint share; ``[replicate, sector, firm]``.

    Under one levy all firms of an owner have the same. Under levies that differ, an owner moves customers towards the
    firm that keeps more of its revenue: from the first-order conditions of its joint profit,
    eps_i = rho / (1 + (rho - eps) / eps x k / k_i) with k_i the kept share of revenue and k its mean over the owner's
    sales in the sector.

    Parameters
    ----------
    share : array [replicate, sector, firm]
        Target shares.
    nest : array [replicate, sector]
        Share of the budget that goes to AI.
    revenue_taken : array [replicate, firm]
        Part of revenue that levies and operating cost take.
    groups : Groups
        Who sets prices together.
    substitution, nest_growth : float
        rho and lambda.
    """
    common = demand_elasticity(groups.total(share), nest, substitution, nest_growth)
    differ = groups.differ(revenue_taken)
    if not differ.any():
        return common
    kept = np.broadcast_to((1.0 - revenue_taken)[..., None, :], share.shape)
    mean_kept = safe_ratio(groups.total(kept * share), groups.total(share))  # without sales eps is rho anyway
    own = substitution / (1.0 + (substitution - common) / common * mean_kept / kept)
    return np.where(differ[:, None], np.maximum(own, _LEAST_ELASTICITY), common)


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


def units_per_dollar(cost: Array, revenue_taken: Array, elasticity: Array) -> Array:
    """One over the price: (1 - tau_rev) / c x (eps - 1) / eps; arguments as for ``price``."""
    return ((1.0 - revenue_taken) / cost)[..., None, :] * ((elasticity - 1.0) / elasticity)


def price(cost: Array, revenue_taken: Array, elasticity: Array) -> Array:
    """Price c / (1 - tau_rev) x eps / (eps - 1).

    Parameters
    ----------
    cost, revenue_taken : array [..., firm]
        Unit cost, and the part of revenue that levies and operating cost take.
    elasticity : array [..., sector, firm]
        Perceived demand elasticity.
    """
    return (cost / (1.0 - revenue_taken))[..., None, :] * markup(elasticity)


def operating_profit(revenue: Array, revenue_taken: Array, elasticity: Array) -> Array:
    """Pi = (1 - tau_rev) revenue / eps: what remains after serving and operating cost."""
    return (1.0 - revenue_taken)[..., None, :] * revenue / elasticity


def reply(elasticity: Array, substitution: float) -> Array:
    """What is left of a push to a firm's share after its own mark-up has answered; in (0, 1].

    1 / (1 + k) with k = -d ln V / d ln s through the mark-up = (rho - 1)(rho - eps) / (eps (eps - 1)).
    """
    scale = elasticity * (elasticity - 1.0)
    return scale / (scale + (substitution - 1.0) * (substitution - elasticity))


def newton_step(share: Array, target: Array, answer: Array) -> Array:
    """Newton step of shares towards mutual best replies at given costs; ``[..., sector, firm]``.

    Solves d ln s_i (1 + k_i) = ln(s*_i / s_i) - d ln Z with d ln Z = -sum s_i k_i d ln s_i: changes that sum to nothing
    when the push to each is met by everyone's mark-up.

    Parameters
    ----------
    share, target : array [..., sector, firm]
        Shares that prices assume, and shares that those prices give.
    answer : array [..., sector, firm]
        From ``reply``.
    """
    push = target - share
    common = total(answer * push, keepdims=True) / total(answer * share, keepdims=True)
    return answer * (push - share * common)


def moved_shares(share: Array, best_reply: Array, answer: Array, groups: Groups) -> Array:
    """Shares after one Newton step on mutual best replies; those of a group move together.

    The members of a group have one mark-up, so the group's share takes the step and its members divide it as customers
    would; arguments as for ``newton_step``.
    """
    moved = share + newton_step(share, best_reply, answer)
    return shares(np.maximum(groups.split(moved, best_reply), 0.0))


class Equilibrium(NamedTuple):
    """Shares ``[..., sector, firm]``, odds and nest ``[..., sector]``, elasticities and dollars' worth per firm."""

    share: Array
    odds: Array
    nest: Array
    elasticity: Array
    per_dollar: Array


def equilibrium(
    cost: Array,
    revenue_taken: Array,
    appeal: Array,
    initial_odds: Array,
    groups: Groups,
    substitution: float,
    nest_growth: float,
    share: Array | None = None,
    nest: Array | None = None,
) -> Equilibrium:
    """Nash prices at given unit costs when customers choose freely.

    Parameters
    ----------
    cost, revenue_taken : array [replicate, firm]
        Unit cost, $bn per unit, and the part of revenue that levies and operating cost take.
    appeal : array [replicate, sector, firm]
        Attraction before price, zero for who does not offer.
    initial_odds : array [sector]
        o_0.
    groups : Groups
        Who sets prices together.
    substitution, nest_growth : float
        rho and lambda.
    share, nest : array [replicate, sector, firm] and [replicate, sector], optional
        Where to look first.

    Raises
    ------
    ConvergenceError
        When some replicate has not settled after many sweeps.
    """
    if share is None:
        share = demand.target_share(appeal)
    if nest is None:
        nest = np.broadcast_to(demand.nest_share(initial_odds), share.shape[:-1])
    for _ in range(_MAX_SWEEPS):
        elasticity = perceived_elasticity(share, nest, revenue_taken, groups, substitution, nest_growth)
        per_dollar = units_per_dollar(cost, revenue_taken, elasticity)
        attraction = appeal * per_dollar ** (substitution - 1.0)
        best_reply = demand.target_share(attraction)
        odds = demand.nest_odds(total(attraction), initial_odds, nest_growth)
        next_nest = demand.nest_share(odds)
        gap = np.maximum(np.abs(best_reply - share).max(axis=(-2, -1)), np.abs(next_nest - nest).max(axis=-1))
        is_open = ~(gap <= _TOLERANCE)  # nan has not settled
        if not is_open.any():
            return Equilibrium(best_reply, odds, next_nest, elasticity, per_dollar)
        moved = moved_shares(share, best_reply, reply(elasticity, substitution), groups)
        share = np.where(is_open[:, None, None], moved, share)
        nest = np.where(is_open[:, None], next_nest, nest)
    message = f"prices did not settle in {_MAX_SWEEPS} sweeps: the last still moved by {float(gap.max()):.2g}"
    raise ConvergenceError(message)
