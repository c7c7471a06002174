"""Stage 3: parents, partners and investors fund firms; firms form expectations and plan training outlay."""

from __future__ import annotations

import numpy as np

from sim.arrays import Array, Flags, total
from sim.decisions import Decisions
from sim.groups import Groups
from sim.policies.levers import Rulebook
from sim.state import RELEASE_WINDOW, Drivers, Funding, State
from sim.submodels import funding, pricing, training
from sim.world.build import World


def fund(state: State, world: World, drivers: Drivers, rules: Rulebook, decisions: Decisions | None = None) -> Funding:
    """New money and the training plan of every firm."""
    p = world.parameters
    released = released_compute(state, world, rules)
    open_frontier = training.open_frontier_of_others(released, released > 0.0)
    effective = np.where(
        state.is_active,
        training.effective_compute(
            state.own_compute, open_frontier, p.open_discount, state.is_pool_member * state.pool_compute[..., None]
        ),
        0.0,
    )
    power = world.power_function.power(effective)
    gamma = world.power_function.elasticity(effective)

    funding_share, raised, overdrawn = _raise_equity(state, world, drivers, rules, power, effective)
    raised, credit = _partners_part(world, rules, raised)
    partner_credit = credit[..., None, :] * world.partner_owner
    parent_grant = (drivers.parent_fund * world.parent_weight * state.is_active)[..., None, :] * world.parent_owner
    if rules.separation.any():
        lost = np.where((rules.separation > 0.0)[..., None, :] & world.is_integrated, parent_grant, 0.0)
        parent_grant = parent_grant - lost
        raised = raised + p.funding_replacement * total(lost, axis=-2)
    grant = np.where(state.is_active, rules.grant + rules.release_grant * state.is_open, 0.0)
    new_money = raised + total(parent_grant, axis=-2) + grant

    horizon = horizon_factor(world, state.profit_growth, state.capability_growth)
    marginal_profit = marginal_profit_of_capability(state, world, gamma)
    own_plan = training.training_plan(marginal_profit, horizon, state.own_compute, effective)
    net_worth = state.cash - state.debt + resale_price(state, world, drivers) * state.own_chips
    limit = training.debt_limit(net_worth, 4.0 * total(state.profit, axis=-2), p.leverage)
    desired = np.where(state.is_active, np.maximum(own_plan + p.earmark * new_money, 0.0), 0.0)
    means = training.means(state.cash + new_money, np.maximum(limit - state.debt, 0.0), p.outlay_limit)
    funded = Funding(
        funding_share=funding_share,
        raised=raised,
        overdrawn=overdrawn,
        partner_credit=partner_credit,
        parent_grant=parent_grant,
        grant=grant,
        open_frontier=open_frontier,
        effective_compute=effective,
        power=power,
        power_elasticity=gamma,
        horizon=horizon,
        own_plan=own_plan,
        desired=desired,
        means=means,
        plan=np.minimum(desired, means),
        debt_limit=limit,
    )
    return funded if decisions is None else decisions.planned(state, rules, funded)


def resale_price(state: State, world: World, drivers: Drivers) -> Array:
    """What a used chip fetches, $bn per M H100e; ``[..., 1]``: a share of the mean price at last mark-ups."""
    new = total(state.price_cost * drivers.unit_cost * world.flow_share, keepdims=True)
    return world.parameters.own_chips_resale * new


def released_compute(state: State, world: World, rules: Rulebook) -> Array:
    """Own effective compute of the model that each firm has published, zero where it has none; ``[..., firm]``."""
    if not world.mechanisms.open_weights:
        return np.zeros_like(state.own_compute)
    chosen = world.parameters.open_release_delay
    asked = np.where(np.isfinite(rules.open_weights), np.minimum(rules.open_weights, RELEASE_WINDOW), np.inf)
    mandated = np.maximum(np.ceil(asked), chosen)
    lag = np.where(state.is_open, chosen, mandated)
    is_published = state.is_active & (lag <= RELEASE_WINDOW)
    place = np.where(is_published, lag, 1.0).astype(np.int64)[..., None, :] - 1
    return np.where(is_published, np.take_along_axis(state.own_compute_history, place, axis=-2)[..., 0, :], 0.0)


def must_publish(world: World, rules: Rulebook) -> Flags:
    """Firms that have to publish without more than the usual delay, so that others sell it too; ``[..., firm]``."""
    must: Flags = rules.open_weights <= world.parameters.open_release_delay
    return must


def horizon_factor(world: World, profit_growth: Array, capability_growth: Array) -> Array:
    """H at expected growth, which is none under ``static`` expectations."""
    p = world.parameters
    return training.horizon_factor(
        foreseen(world, profit_growth),
        foreseen(world, capability_growth),
        p.discount,
        p.capability_decay,
        p.expected_gap_low,
    )


def foreseen(world: World, growth: Array) -> Array:
    """Growth that firms reckon with: what they expect, and none under ``static`` expectations."""
    return 0.0 * growth if world.mechanisms.expectations == "static" else growth


def marginal_profit_of_capability(state: State, world: World, gamma: Array) -> Array:
    """Sum over sectors of Lambda B Pi at last quarter's shares, $bn per log unit; ``[..., firm]``."""
    p = world.parameters
    flywheel = training.quality_elasticity(gamma, world.theta, p.serving_size_elasticity, p.substitution)
    joint = Groups.of(state.group).total(state.target_share)
    stealing = pricing.business_stealing(joint, state.nest, p.nest_growth)
    return total(flywheel * stealing * state.profit, axis=-2)


def _partners_part(world: World, rules: Rulebook, raised: Array) -> tuple[Array, Array]:
    """What firms raise after rules on compute credits, and the part that partner owners pay; ``[..., firm]``, $bn.

    Investors replace a part of the credits that a rule forbids.
    """
    p = world.parameters
    has_partner = total(world.partner_owner, axis=0) > 0.0
    allowed = np.minimum(rules.partner_credit, 1.0)[..., None]
    lost = p.partner_credit_share * (1.0 - allowed) * (1.0 - p.funding_replacement) * has_partner
    return raised * (1.0 - lost), p.partner_credit_share * allowed * raised * has_partner


def _raise_equity(
    state: State, world: World, drivers: Drivers, rules: Rulebook, power: Array, effective: Array
) -> tuple[Array, Array, Array]:
    """Shares of the fund, what each firm raises, and what entrants have drawn beyond the fund."""
    p = world.parameters
    now = funding.industry_return(state.recent_profit, state.recent_outlay)
    start = funding.industry_return(world.initial.recent_profit, world.initial.recent_outlay)
    fund = funding.investor_fund(
        drivers.investor_fund,
        now / start,
        p.funding_return_elasticity,
        p.funding_return_low,
        p.funding_return_high,
    )
    is_severed = (rules.separation > 0.0) & world.is_integrated.any(axis=0)
    is_eligible = state.is_active & (world.is_investor_funded | is_severed)
    contest = funding.contest_shares(power, state.own_compute, effective, is_eligible, p.contest_exponent)
    share = funding.moved_shares(state.funding_share, contest, is_eligible, p.funding_speed)
    left = fund - state.fund_committed
    return share, np.maximum(left, 0.0)[..., None] * share, np.maximum(-left, 0.0)
