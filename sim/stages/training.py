"""Stage 7: own compute, algorithmic progress, imitation, data, quality and expectations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sim.arrays import Array, safe_ratio, total
from sim.luck import Luck
from sim.policies.levers import Rulebook
from sim.state import Funding, Markets, State
from sim.submodels import knowledge, training
from sim.world.build import World


def train(
    state: State,
    world: World,
    rules: Rulebook,
    funding: Funding,
    markets: Markets,
    luck: Luck,
    period: int,
) -> State:
    """What firms know and can do at the end of the quarter."""
    p = world.parameters
    n_firms = state.cash.shape[-1]
    own = training.next_own_compute(
        state.own_compute,
        state.efficiency,
        markets.training,
        rules.training_efficiency,
        p.capability_decay,
    )
    shock = p.progress_shock * luck.normal("progress", period, n_firms)
    surprise = p.quality_shock * luck.normal("quality", period, n_firms)
    quantity = total(markets.quantity, axis=-2)
    moved = replace(
        state,
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
            knowledge.next_data(state.data * rules.data_retention, quantity, rules.data_portability, p.data_decay),
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
    """Adapt expected growth of profit and capability to what happened (docs/model.md 7.4).

    Industry rates by default: own rates would trap a firm that once stopped training.
    """
    p = world.parameters
    profit_before, profit_after = total(before.profit, axis=-2), total(after.profit, axis=-2)
    lives = after.is_active & (before.own_compute > 0.0) & (after.own_compute > 0.0)
    weight = np.where(lives, profit_after, 0.0)
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
