"""Stage 7: own compute, algorithmic progress, imitation, data, quality and expectations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sim.arrays import Array, Flags, safe_ratio, total
from sim.decisions import Decisions
from sim.groups import Groups
from sim.luck import Luck
from sim.policies.levers import Rulebook
from sim.stages.funding import must_publish
from sim.state import Funding, Markets, State
from sim.submodels import knowledge, pricing, training
from sim.world.build import World


def train(
    state: State,
    world: World,
    rules: Rulebook,
    funding: Funding,
    markets: Markets,
    luck: Luck,
    period: int,
    decisions: Decisions | None = None,
) -> State:
    """What firms know and can do at the end of the quarter."""
    p = world.parameters
    n_firms = state.cash.shape[-1]
    is_member, given, gained = _federate(state, world, rules, markets)
    own = training.next_own_compute(
        state.own_compute,
        state.efficiency,
        markets.training * (1.0 - given),
        rules.training_efficiency,
        p.capability_decay,
    )
    opens = _opens(state, world, rules, funding, markets, decisions)
    shock = p.progress_shock * luck.normal("progress", period, n_firms)
    surprise = p.quality_shock * luck.normal("quality", period, n_firms)
    quantity = total(markets.quantity, axis=-2)
    moved = replace(
        state,
        is_open=state.is_open | opens,
        is_hosted=state.is_hosted | opens,
        is_pool_member=is_member,
        pool_compute=knowledge.next_pool(state.pool_compute, gained, p.capability_decay),
        own_compute=np.where(state.is_active, own, 0.0),
        own_compute_history=np.concatenate(
            [state.own_compute[..., None, :], state.own_compute_history[..., :-1, :]], axis=-2
        ),
        efficiency=np.where(
            state.is_active,
            state.efficiency * np.exp(_progress(state, world, markets) + shock),
            state.efficiency,
        ),
        data=np.where(
            state.is_active,
            knowledge.next_data(
                state.data * rules.data_retention,
                Groups.of(state.group).total(quantity),
                total(quantity, keepdims=True),
                rules.data_portability[..., None],
                p.data_decay,
            ),
            0.0,
        ),
        log_strength=knowledge.next_log_strength(
            state.log_strength, _class_mean(state, world), surprise, p.quality_persistence
        ),
        age=np.where(state.is_active, state.age + 1, 0),
        share=markets.share,
        target_share=markets.target_share,
        profit=markets.profit,
        nest=markets.nest,
        rent=markets.rent,
        owner_weight=markets.owner_weight,
        funding_share=funding.funding_share,
        recent_profit=_remember(state.recent_profit, total(markets.profit, axis=(-2, -1))),
        recent_outlay=_remember(state.recent_outlay, total(markets.user_rent * markets.training)),
    )
    return _expect(state, moved, world)


def _federate(state: State, world: World, rules: Rulebook, markets: Markets) -> tuple[Flags, Array, Array]:
    """Who joins the federated pool, the share of training compute that each gives, and what the pool gains."""
    p = world.parameters
    invited = np.clip(rules.federation, 0.0, 1.0) * state.is_active
    if not world.mechanisms.federated_pools or not invited.any():
        return np.zeros_like(state.is_active), np.zeros_like(state.cash), np.zeros(state.cash.shape[:-1])
    offer = invited * state.efficiency * markets.training * rules.training_efficiency
    joins = knowledge.coalition(offer, p.federated_efficiency, p.federated_size_exponent)
    contribution = np.where(joins, offer, 0.0)
    gained = knowledge.pool_yield(contribution, p.federated_efficiency, p.federated_size_exponent)[..., 0]
    return joins, np.where(joins, invited, 0.0), gained


def _opens(
    state: State,
    world: World,
    rules: Rulebook,
    funding: Funding,
    markets: Markets,
    decisions: Decisions | None,
) -> Flags:
    """Firms that publish their weights from now on, because they gain more than they lose; ``[..., firm]``.

    Who must publish bears gain and loss already, and is left with the grant.
    """
    p = world.parameters
    if not (world.mechanisms.openness and world.mechanisms.open_weights):
        return np.zeros_like(state.is_open)
    stealing = pricing.business_stealing(
        Groups.of(state.group).total(markets.target_share), markets.nest, p.nest_growth
    )
    data = state.data / world.data_reference
    hosting = knowledge.opening_gain(
        markets.profit, stealing, p.open_hosting_share, data, p.open_data_gain, world.data_elasticity
    )
    must = must_publish(world, rules)
    gain = rules.release_grant + np.where(must, 0.0, hosting)
    released = state.own_compute_history[..., p.open_release_delay - 1, :]
    opens: Flags = state.is_active & ~state.is_open & (gain > 0.0)
    helps_rivals = ~must & (released > funding.open_frontier)
    for row, slot in np.argwhere(opens & helps_rivals).tolist():
        opens[row, slot] = gain[row, slot] > _lost_to_rivals(world, funding, markets, released[row, slot], row, slot)
    if decisions is None:
        return opens

    def lost(slot: int) -> float:
        return _lost_to_rivals(world, funding, markets, released[0, slot], 0, slot) if helps_rivals[0, slot] else 0.0

    return decisions.opened(state, opens, gain, released, funding, lost, total(markets.profit, axis=-2))


def _lost_to_rivals(world: World, funding: Funding, markets: Markets, released: float, row: int, slot: int) -> float:
    """Profit lost, to first order, because everyone else may build on a better open model; $bn per quarter."""
    p = world.parameters
    better = np.maximum(released - funding.open_frontier[row], 0.0)
    effective = funding.effective_compute[row]
    rise = np.log1p(p.open_discount * safe_ratio(better, effective)) * (np.arange(len(better)) != slot)
    flywheel = training.quality_elasticity(
        funding.power_elasticity[row], world.theta, p.serving_size_elasticity, p.substitution
    )
    stolen = total(markets.target_share[row] * flywheel * rise)
    return float(total(markets.profit[row, :, slot] * (1.0 - p.nest_growth * (1.0 - markets.nest[row])) * stolen))


def _progress(state: State, world: World, markets: Markets) -> Array:
    """Expected growth of ln A: own research and imitation; ``[..., firm]``."""
    p = world.parameters
    effort = knowledge.research_effort(markets.training)
    growth = knowledge.progress(effort, p.algorithmic_progress, p.progress_floor, p.research_exponent)
    if not world.mechanisms.imitation:
        return growth
    gap = knowledge.imitation_gap(np.log(state.efficiency), state.is_active, world.neighbours)
    return growth + p.imitation * gap


def _class_mean(state: State, world: World) -> Array:
    """Mean ln xi of each firm's class; ``[..., sector, firm]``."""
    by_sector = world.class_strength[:, state.firm_class]
    return np.ascontiguousarray(np.moveaxis(by_sector, 0, -2))


def _remember(window: Array, newest: Array) -> Array:
    return np.concatenate([newest[..., None], window[..., :-1]], axis=-1)


def _expect(before: State, after: State, world: World) -> State:
    """Adapt expected growth of profit and capability to what happened (docs/model.md 7.4)."""
    p = world.parameters
    profit_growth, capability_growth = _observed_growth(before, after, world)
    expected_profit = np.clip(
        training.adapted_growth(before.profit_growth, profit_growth, p.expectation_weight),
        p.expected_profit_growth_low,
        p.expected_profit_growth_high,
    )
    expected_capability = np.clip(
        training.adapted_growth(before.capability_growth, capability_growth, p.expectation_weight),
        0.0,
        p.expected_capability_growth_high,
    )
    return replace(after, profit_growth=expected_profit, capability_growth=expected_capability)


def _observed_growth(before: State, after: State, world: World) -> tuple[Array, Array]:
    """Growth of profit and of capability that each firm learns from, log per quarter; ``[..., firm]`` each.

    Industry rates by default: own rates would trap a firm that once stopped training.
    """
    profit_before, profit_after = total(before.profit, axis=-2), total(after.profit, axis=-2)
    lives = after.is_active & (before.own_compute > 0.0) & (after.own_compute > 0.0)
    weight = np.where(lives, np.maximum(profit_after, 0.0), 0.0)
    own_growth = np.log(np.where(lives, after.own_compute, 1.0) / np.where(lives, before.own_compute, 1.0))
    profit_total, last_total = total(profit_after), total(profit_before)
    sells = (profit_total > 0.0) & (last_total > 0.0)
    industry_profit = np.log(np.where(sells, profit_total, 1.0) / np.where(sells, last_total, 1.0))
    industry_own = safe_ratio(total(weight * own_growth), total(weight))
    profit_growth = np.broadcast_to(industry_profit[..., None], own_growth.shape)
    capability_growth = np.broadcast_to(industry_own[..., None], own_growth.shape)
    if world.mechanisms.growth_rates == "own":
        earns = lives & (profit_before > 0.0) & (profit_after > 0.0)
        observed = np.log(np.where(earns, profit_after, 1.0) / np.where(earns, profit_before, 1.0))
        profit_growth = np.where(earns, observed, profit_growth)
        capability_growth = np.where(lives, own_growth, capability_growth)
    return profit_growth, capability_growth
