"""Stage 9: exit and entry."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.accounts import Flow
from sim.arrays import AnyArray, Array, Counts, Flags, safe_ratio, shares, total
from sim.groups import without
from sim.luck import Luck, poisson_distribution
from sim.policies.levers import LEVERS, Rulebook
from sim.stages.funding import foreseen, horizon_factor, released_compute, resale_price
from sim.state import SME, Demography, Drivers, Funding, Markets, State
from sim.submodels import compute_market, demand, demography, pricing, training
from sim.world.build import World


def turn_over(
    state: State,
    world: World,
    drivers: Drivers,
    rules: Rulebook,
    funding: Funding,
    markets: Markets,
    luck: Luck,
    period: int,
) -> tuple[State, Demography]:
    """Insolvent firms leave, and candidates for whom it pays enter the slots that are free."""
    survivors, exits, written_off, recovered = _leave(state, world, drivers, funding)
    chips_paid, chips_sold = state.owner_cash - survivors.owner_cash, np.where(exits, recovered - state.cash, 0.0)
    entrants = _candidates(survivors, world, drivers, rules, markets, luck, period)
    if entrants is None:
        entered, entries = survivors, np.zeros_like(exits)
        refused = np.zeros(exits.shape[:-1], dtype=np.int64)
    else:
        candidate, refused = demography.assign_slots(
            entrants.enters, ~survivors.is_active & ~exits & world.is_entry_slot
        )
        entries = candidate >= 0
        entered = _enter(survivors, world, entrants, candidate)
    cash_in = np.where(entries, entered.cash, 0.0)
    entry_grants = np.where(entries, rules.entry_grant[:, None], 0.0)
    entered = replace(entered, cash=entered.cash + entry_grants, fund_committed=funding.overdrawn + total(cash_in))
    flows = (
        Flow("used chips", "owners", "firms", chips_paid, chips_sold),
        Flow("recovered from exits", "firms", "households", recovered, total(recovered)),
        Flow("entrants' equity", "households", "firms", total(cash_in), cash_in),
        Flow("entry grants", "government", "firms", total(entry_grants), entry_grants),
    )
    return entered, Demography(
        exits=exits,
        entries=entries,
        refused=refused,
        written_off=written_off,
        entry_grants=total(entry_grants),
        flows=flows,
    )


def _leave(state: State, world: World, drivers: Drivers, funding: Funding) -> tuple[State, Flags, Array, Array]:
    """Who stays, who leaves, and of the latter what lenders lose and what is recovered; ``[replicate, firm]``."""
    beyond = demography.quarters_beyond(state.quarters_beyond, state.debt, funding.debt_limit, state.is_active)
    exits = beyond >= world.parameters.exit_quarters
    if not exits.any():
        nothing = np.zeros_like(state.cash)
        return replace(state, quarters_beyond=beyond), exits, nothing, nothing
    auctioned = np.where(exits, state.own_chips, 0.0)
    price = resale_price(state, world, drivers)
    recovered = np.where(exits, state.cash + price * auctioned, 0.0)
    written_off = np.where(exits, np.maximum(state.debt - recovered, 0.0), 0.0)
    bought = total(auctioned, keepdims=True) * shares(state.capacity)
    stays = ~exits
    survivors = replace(
        state,
        is_active=state.is_active & stays,
        generation=state.generation + exits,
        is_hosted=state.is_hosted & stays,
        is_pool_member=state.is_pool_member & stays,
        group=without(state.group, exits),
        is_successor=state.is_successor & stays,
        quarters_beyond=np.where(stays, beyond, 0),
        cash=np.where(stays, state.cash, 0.0),
        debt=np.where(stays, state.debt, 0.0),
        own_chips=np.where(stays, state.own_chips, 0.0),
        capacity=state.capacity + bought,
        owner_cash=state.owner_cash - price * bought,
        own_compute=np.where(stays, state.own_compute, 0.0),
        own_compute_history=np.where(stays[..., None, :], state.own_compute_history, 0.0),
        data=np.where(stays, state.data, 0.0),
        share=np.where(stays[..., None, :], state.share, 0.0),
        target_share=np.where(stays[..., None, :], state.target_share, 0.0),
        profit=np.where(stays[..., None, :], state.profit, 0.0),
        funding_share=np.where(stays, state.funding_share, 0.0),
        age=np.where(stays, state.age, 0),
    )
    return survivors, exits, written_off, recovered


def arrivals(world: World, luck: Luck, period: int) -> Array:
    """How many candidates knock at the door; ``[replicate]``."""
    mean = world.parameters.entry_candidates
    if not world.mechanisms.entry or mean == 0.0:
        return np.zeros(len(luck.replicates))
    return luck.poisson("entry: number", period, mean)


class _Entrants(NamedTuple):
    """Candidates of a quarter and what they would start with; ``[replicate, candidate]``, growth ``[replicate, 1]``."""

    enters: Flags
    own: Array
    efficiency: Array
    cash: Array
    profit_growth: Array
    capability_growth: Array


class _Treatment(NamedTuple):
    """How rules treat small firms on average, which is what a newcomer counts on; ``[replicate, 1]`` each."""

    serving_efficiency: Array
    quality: Array
    compute_tax: Array
    usage_tax: Array
    revenue_levy: Array

    @classmethod
    def of(cls, state: State, rules: Rulebook) -> _Treatment:
        small = state.is_small
        count = total(small, keepdims=True)
        return cls(
            *(
                safe_ratio(total(getattr(rules, name) * small, keepdims=True), count, otherwise=LEVERS[name].neutral)
                for name in cls._fields
            )
        )


class _Sales(NamedTuple):
    """What a newcomer would sell at its target share; ``[replicate, sector, candidate]``."""

    share: Array
    revenue: Array
    profit: Array


def _candidates(
    state: State,
    world: World,
    drivers: Drivers,
    rules: Rulebook,
    markets: Markets,
    luck: Luck,
    period: int,
) -> _Entrants | None:
    """Who knocks at the door, and for whom it pays: value at its target share exceeds the cost of a start."""
    p = world.parameters
    n_candidates = arrivals(world, luck, period)
    if not n_candidates.any() or not world.is_entry_slot.any():
        return None
    n_most = len(poisson_distribution(p.entry_candidates))
    arrives = np.arange(n_most) < n_candidates[:, None]
    size = p.entry_start_median * np.exp(p.entry_start_dispersion * luck.normal("entry: size", period, n_most))

    frontier, open_efficiency = _open_leader(state, world, rules)
    own = p.open_discount * frontier[:, None] * size
    effective = training.effective_compute(own, np.broadcast_to(frontier[:, None], own.shape), p.open_discount)
    efficiency = np.broadcast_to(open_efficiency[:, None], own.shape)
    serves_all = np.where(world.unlinked_appeal > 0.0, state.capacity, 0.0)
    treatment = _Treatment.of(state, rules)
    rent = safe_ratio(total(serves_all * markets.rent), total(serves_all))[:, None] * (1.0 + treatment.compute_tax)

    sales = _prospective_sales(world, drivers, markets, treatment, effective, efficiency, rent)
    profit = total(sales.profit, axis=-2)
    profit_growth = industry_rate(state, state.profit_growth)
    capability_growth = industry_rate(state, state.capability_growth)
    value = firm_value(world, profit - p.small_firm_fixed_cost, profit_growth)
    cost = (
        p.entry_sunk_cost * rules.entry_cost[:, None] + rent * safe_ratio(own, efficiency) - rules.entry_grant[:, None]
    )
    horizon = horizon_factor(world, profit_growth, capability_growth)
    plan = _prospective_plan(world, markets, own, effective, sales, horizon)
    running = total(sales.revenue, axis=-2) - profit + p.small_firm_fixed_cost
    outlay = (1.0 + p.training_staff_share) * plan + running
    return _Entrants(
        enters=arrives & (value > cost) & (own > 0.0),
        own=own,
        efficiency=efficiency,
        cash=p.entry_funding_quarters * outlay,
        profit_growth=profit_growth,
        capability_growth=capability_growth,
    )


def _prospective_sales(
    world: World,
    drivers: Drivers,
    markets: Markets,
    treatment: _Treatment,
    effective: Array,
    efficiency: Array,
    rent: Array,
) -> _Sales:
    """Sales of a newcomer too small to have market power, at everyone else's prices."""
    p = world.parameters
    power = world.power_function.power(effective)
    need = pricing.serving_need(
        power, efficiency, world.serving_need_reference, p.serving_size_elasticity, p.serving_algorithm_elasticity
    )
    need = np.where(power > 0.0, need / treatment.serving_efficiency, 1.0)
    taken = p.operating_cost_share + treatment.revenue_levy + np.zeros_like(need)
    elasticity = np.full((len(need), len(world.sector_names), need.shape[-1]), p.substitution)
    appeal = treatment.quality[:, None] * demand.attraction_before_price(
        world.class_strength[:, [SME]],
        power,
        np.zeros_like(power),
        world.theta,
        world.data_elasticity,
        world.data_reference,
    )
    cost = pricing.unit_cost(need, rent, treatment.usage_tax)
    attraction = appeal * pricing.units_per_dollar(cost, taken, elasticity) ** (p.substitution - 1.0)
    share = attraction / (attraction + total(markets.attraction, keepdims=True))
    revenue = (drivers.budget * markets.nest)[..., None] * share
    return _Sales(share, revenue, pricing.operating_profit(revenue, taken, elasticity))


def _prospective_plan(
    world: World, markets: Markets, own: Array, effective: Array, sales: _Sales, horizon: Array
) -> Array:
    """Training outlay of the first quarter, as any firm would plan it."""
    p = world.parameters
    gamma = world.power_function.elasticity(effective)
    flywheel = training.quality_elasticity(gamma, world.theta, p.serving_size_elasticity, p.substitution)
    stealing = pricing.business_stealing(sales.share, markets.nest, p.nest_growth)
    return training.training_plan(total(flywheel * stealing * sales.profit, axis=-2), horizon, own, effective)


def firm_value(world: World, profit: Array, growth: Array) -> Array:
    """Value of profits, $bn per quarter, that are expected to grow; ``[replicate, ...]``, $bn."""
    p = world.parameters
    return demography.firm_value(
        profit, foreseen(world, growth), p.cost_of_funds, p.exit_hazard, p.valuation_growth_high
    )


def industry_rate(state: State, rate: Array) -> Array:
    """Profit-weighted mean of what firms expect; ``[replicate, 1]``."""
    profit = np.maximum(total(state.profit, axis=-2), 0.0)
    return safe_ratio(total(rate * profit, keepdims=True), total(profit, keepdims=True))


def _open_leader(state: State, world: World, rules: Rulebook) -> tuple[Array, Array]:
    """Released compute and efficiency of the best open model; ``[replicate]`` each, no compute where none is open."""
    released = released_compute(state, world, rules)
    leader = released.argmax(axis=-1)[:, None]
    frontier = np.take_along_axis(released, leader, axis=-1)[:, 0]
    return frontier, np.take_along_axis(state.efficiency, leader, axis=-1)[:, 0]


def _enter(state: State, world: World, entrants: _Entrants, candidate: Counts) -> State:
    p = world.parameters
    rows, slots = np.nonzero(candidate >= 0)
    chosen = candidate[rows, slots]
    own = entrants.own[rows, chosen]
    appeal = np.broadcast_to(world.unlinked_appeal[:, None], (*state.capacity.shape, 1))
    weight = compute_market.first_choice(state.capacity, state.rent, appeal, p.owner_price_elasticity)

    def given(values: AnyArray, new: npt.ArrayLike) -> AnyArray:
        """Values with those of whoever enters, ``[entrant, ...]``."""
        changed = values.copy()
        changed[rows, ..., slots] = new
        return changed

    return replace(
        state,
        is_active=given(state.is_active, new=True),
        is_open=given(state.is_open, new=False),
        firm_class=given(state.firm_class, SME),
        age=given(state.age, 0),
        quarters_beyond=given(state.quarters_beyond, 0),
        cash=given(state.cash, entrants.cash[rows, chosen]),
        own_compute=given(state.own_compute, own),
        own_compute_history=given(state.own_compute_history, own[:, None]),
        efficiency=given(state.efficiency, entrants.efficiency[rows, chosen]),
        log_strength=given(state.log_strength, world.class_strength[:, SME]),
        owner_weight=given(state.owner_weight, weight[rows, :, 0]),
        profit_growth=given(state.profit_growth, entrants.profit_growth[rows, 0]),
        capability_growth=given(state.capability_growth, entrants.capability_growth[rows, 0]),
    )
