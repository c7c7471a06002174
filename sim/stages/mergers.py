"""Stage 9, continued: mergers and their review, common treasuries, break-ups (docs/model.md 7.10)."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sim import units
from sim.accounts import Flow
from sim.arrays import AnyArray, Array, Counts, Flags, shares, total
from sim.groups import Groups
from sim.luck import Luck
from sim.policies.levers import Rulebook
from sim.stages.demography import firm_value, industry_rate
from sim.state import Drivers, Funding, Markets, Merging, State
from sim.submodels import compute_market, demand, mergers, pricing
from sim.world.build import World

NOBODY = -1


class _Pair(NamedTuple):
    """Slots of an acquirer and a target, -1 where there is no case; ``[replicate]`` each."""

    acquirer: Counts
    target: Counts

    def where(self, keep: Flags) -> _Pair:
        return _Pair(np.where(keep, self.acquirer, NOBODY), np.where(keep, self.target, NOBODY))


class _Outlook(NamedTuple):
    """Groups as those who judge a case see them: at their heads, zero elsewhere.

    ``share`` and ``kept`` (revenue less levies and operating cost) are ``[replicate, sector, firm]``, the rest
    ``[replicate, firm]``. ``of_cost`` and ``of_data`` are rises of profit for each log point of cheaper serving and of
    more relative data, ``1 + D / D_ref``.
    """

    share: Array
    kept: Array
    profit: Array
    of_cost: Array
    of_data: Array
    log_efficiency: Array
    relative_data: Array
    cash: Array
    value: Array

    def of(self, slot: Counts) -> _Outlook:
        """One firm of each replicate; the last axis has length one."""
        return _Outlook(*(_take(values, slot) for values in self))


class _Review(NamedTuple):
    """What became of a case; ``[replicate]`` each."""

    screened: Flags
    harm: Array
    approved: Flags


def merge(
    state: State,
    world: World,
    drivers: Drivers,
    rules: Rulebook,
    funding: Funding,
    markets: Markets,
    luck: Luck,
    period: int,
) -> tuple[State, Merging]:
    """A pair asks to merge, an earlier case is decided, groups share money, and firms that a rule splits come apart."""
    proposal = case = _nobody(state)
    review = _Review(*(np.zeros(len(state.cash), dtype=kind) for kind in (bool, float, bool)))
    cost = np.zeros_like(state.cash)
    joined = state
    if world.mechanisms.mergers:
        uniform = luck.uniform("merger", period, 4)
        outlook = _outlook(state, world, markets)
        proposal = _propose(state, world, rules, markets, outlook, uniform)
        queue = _waiting(state, proposal)
        case = _Pair(queue.acquirer[:, -1], queue.target[:, -1])
        review = _review(state, world, drivers, rules, markets, outlook, case, uniform[:, 3])
        merger = case.where(review.approved)
        joined = replace(
            _join(state, merger),
            review_acquirer=queue.acquirer[:, :-1].copy(),
            review_target=queue.target[:, :-1].copy(),
        )
        price = world.parameters.merger_integration_cost * _take(outlook.value, np.maximum(merger.target, 0))
        cost = np.where(np.arange(cost.shape[-1]) == merger.acquirer[:, None], price, 0.0)
    pooled = _pool(replace(joined, cash=joined.cash - cost), funding)
    parted, broken, refused = _break_up(pooled, world, rules, markets)
    moved = parted.cash + cost - state.cash
    return parted, Merging(
        proposer=proposal.acquirer,
        proposed=proposal.target,
        acquirer=case.acquirer,
        target=case.target,
        screened=review.screened,
        harm=review.harm,
        approved=review.approved,
        integration_cost=cost,
        break_ups=broken,
        break_ups_refused=refused,
        flows=(
            Flow("integration of mergers", "firms", "households", cost, total(cost)),
            Flow("within corporations", "firms", "firms", np.maximum(-moved, 0.0), np.maximum(moved, 0.0)),
        ),
    )


def _nobody(state: State) -> _Pair:
    nobody = np.full(len(state.cash), NOBODY)
    return _Pair(nobody, nobody)


def _take(values: AnyArray, slot: Counts) -> AnyArray:
    """Entry of each replicate's slot on the last axis, which is kept with length one."""
    taken: AnyArray = values[np.arange(len(slot)), ..., slot][..., None]
    return taken


def _outlook(state: State, world: World, markets: Markets) -> _Outlook:
    p = world.parameters
    groups = Groups.of(state.group)
    stands = groups.is_head & state.is_active

    def at_head(values: Array) -> Array:
        return np.where(stands if values.ndim == stands.ndim else stands[:, None], values, 0.0)

    share, of_sectors = at_head(groups.total(markets.target_share)), at_head(groups.total(markets.profit))
    elasticity = pricing.demand_elasticity(share, markets.nest, p.substitution, p.nest_growth)
    stealing = pricing.business_stealing(share, markets.nest, p.nest_growth)
    profit = total(of_sectors, axis=-2)
    growth = industry_rate(state, state.profit_growth)
    fixed = groups.total(p.small_firm_fixed_cost * state.is_small)
    return _Outlook(
        share=share,
        kept=of_sectors * elasticity,
        profit=profit,
        of_cost=(p.substitution - 1.0) * mergers.profit_of_attraction(of_sectors, stealing),
        of_data=mergers.profit_of_attraction(of_sectors, stealing, world.data_elasticity),
        log_efficiency=np.log(groups.largest(state.efficiency)),
        relative_data=1.0 + state.data / world.data_reference,
        cash=at_head(groups.total(state.cash)),
        value=at_head(firm_value(world, np.maximum(profit - fixed, 0.0), growth)),
    )


def _propose(state: State, world: World, rules: Rulebook, markets: Markets, outlook: _Outlook, uniform: Array) -> _Pair:
    """At most one pair: the acquirer is drawn by value, its target by what both expect to gain.

    A pair that would be reviewed counts on the review's error alone.
    """
    p = world.parameters
    is_child = world.is_integrated.any(axis=0) & (rules.separation == 0.0)
    is_barred = state.is_active & (is_child | (rules.merger_ban > 0.0))
    groups = Groups.of(state.group)
    may_merge = groups.is_head & state.is_active & (groups.total(is_barred) == 0.0)
    has_case = uniform[:, 0] < p.merger_rate * total(may_merge)
    acquirer = mergers.drawn(np.where(may_merge & has_case[:, None], outlook.value, 0.0), uniform[:, 1])
    slot = np.maximum(acquirer, 0)
    slots = np.arange(may_merge.shape[-1])
    is_asked = (state.review_target[..., None] == slots).any(axis=-2)
    is_target = may_merge & ~is_asked & (slots != slot[:, None]) & (acquirer >= 0)[:, None]
    can_pay = p.merger_integration_cost * outlook.value <= outlook.cash + _take(outlook.cash, slot)
    screened = _screened(world, rules, outlook, _take(outlook.share, slot), outlook.share)
    chance = np.where(screened, _review_error(world, rules)[:, None], 1.0)
    gain = chance * np.maximum(_joint_gain(state, world, markets, outlook, slot), 0.0)
    target = mergers.drawn(np.where(is_target & can_pay, gain, 0.0), uniform[:, 2])
    return _Pair(acquirer, target).where(target >= 0)


def _screened(world: World, rules: Rulebook, outlook: _Outlook, acquirer: Array, targets: Array) -> Flags:
    """Targets whose takeover would be reviewed, by shares ``[replicate, sector, target]``; ``[replicate, target]``."""
    p = world.parameters
    return mergers.is_screened(
        targets,
        acquirer,
        units.HHI_POINTS * total(outlook.share**2),
        np.minimum(p.merger_review_hhi, rules.screen_hhi),
        np.minimum(p.merger_review_change, rules.screen_change),
        np.minimum(p.merger_review_share, rules.screen_share),
    )


def _review_error(world: World, rules: Rulebook) -> Array:
    """Chance that a review ends wrong; ``[replicate]``."""
    return np.minimum(world.parameters.merger_review_error * rules.review_error, 1.0)


def _joint_gain(state: State, world: World, markets: Markets, outlook: _Outlook, acquirer: Counts) -> Array:
    """Value that the acquirer would gain with each other firm, less the cost of integration; ``[replicate, firm]``."""
    p = world.parameters
    one, all_ = outlook.of(acquirer), outlook
    elasticity = pricing.demand_elasticity(all_.share + one.share, markets.nest, p.substitution, p.nest_growth)
    gain = mergers.joint_profit(all_.kept, one.kept, elasticity) - all_.profit - one.profit
    best = np.maximum(all_.log_efficiency, one.log_efficiency)
    data = all_.relative_data + one.relative_data - 1.0
    for firm in (all_, one):
        cheaper = p.serving_algorithm_elasticity * (best - firm.log_efficiency)
        gain = gain + firm.of_cost * cheaper + firm.of_data * np.log(data / firm.relative_data)
    growth = industry_rate(state, state.profit_growth)
    return firm_value(world, gain, growth) - p.merger_integration_cost * all_.value


def _waiting(state: State, proposal: _Pair) -> _Pair:
    """Cases by age, this quarter's first; those of firms that left or belong together by now lapse."""
    queue = _Pair(
        np.concatenate([proposal.acquirer[:, None], state.review_acquirer], axis=-1),
        np.concatenate([proposal.target[:, None], state.review_target], axis=-1),
    )
    first, second = np.maximum(queue.acquirer, 0), np.maximum(queue.target, 0)
    are_active = np.take_along_axis(state.is_active, first, -1) & np.take_along_axis(state.is_active, second, -1)
    are_apart = np.take_along_axis(state.group, first, -1) != np.take_along_axis(state.group, second, -1)
    return queue.where((queue.target >= 0) & are_active & are_apart)


def _review(
    state: State,
    world: World,
    drivers: Drivers,
    rules: Rulebook,
    markets: Markets,
    outlook: _Outlook,
    case: _Pair,
    uniform: Array,
) -> _Review:
    """Screen a case by shares and, where it is screened, ask what higher prices would cost customers."""
    p = world.parameters
    exists = case.target >= 0
    heads = _Pair(*(_take(state.group, np.maximum(slot, 0))[:, 0] for slot in case))
    shares_of_pair = (_take(outlook.share, head) for head in heads)
    screened = exists & _screened(world, rules, outlook, *shares_of_pair)[:, 0]
    harm = np.zeros(len(exists))
    if screened.any():
        harm[screened] = _harm(state, world, drivers, rules, markets, case, screened)
    passes = harm < np.minimum(p.merger_tolerance, rules.merger_tolerance)
    is_wrong = screened & (uniform < _review_error(world, rules))
    banned = Groups.of(state.group).total(rules.merger_ban * state.is_active) > 0.0
    is_banned = (_take(banned, heads.acquirer) | _take(banned, heads.target))[:, 0]
    return _Review(screened, harm, exists & ~is_banned & (~screened | (passes ^ is_wrong)))


def _harm(
    state: State, world: World, drivers: Drivers, rules: Rulebook, markets: Markets, case: _Pair, rows: Flags
) -> Array:
    """Loss of consumer gain through higher prices alone, over what customers spend on AI; ``[case]``.

    Customers are free to choose, as in the odds of today's markets. By Shephard's lemma this is the rise of their price
    index.
    """
    p = world.parameters
    is_active = state.is_active[rows]
    dear = np.where(markets.price[rows] > 0.0, markets.price[rows], 1.0)
    appeal = np.where(is_active[:, None], markets.attraction[rows] * dear ** (p.substitution - 1.0), 0.0)
    cost = np.where(is_active & (markets.unit_cost[rows] > 0.0), markets.unit_cost[rows], 1.0)
    taken = (p.operating_cost_share + rules.revenue_levy)[rows]
    joined = Groups(_joined(state.group, case)[rows])
    odds, nest = markets.odds[rows], markets.nest[rows]
    after = pricing.equilibrium(
        cost, taken, appeal, world.initial_odds, joined, p.substitution, p.nest_growth, markets.target_share[rows], nest
    )
    gained = demand.consumer_gain(drivers.budget, after.odds, odds, p.substitution, p.nest_growth)
    return -gained / total(drivers.budget * nest)


def _joined(group: Counts, merger: _Pair) -> Counts:
    """Heads after a merger: the target's whole group joins the acquirer's."""
    there = (merger.target >= 0)[:, None]
    into, joins = (_take(group, np.maximum(slot, 0)) for slot in merger)
    return np.where(there & (group == joins), into, group)


def _join(state: State, merger: _Pair) -> State:
    """The pair has one owner, the better algorithm and all data; its product lines stay."""
    if not (merger.target >= 0).any():
        return state
    group = _joined(state.group, merger)
    acquirer, target = (np.maximum(slot, 0) for slot in merger)
    is_pair = (merger.target >= 0)[:, None] & (group == _take(group, acquirer))
    best = Groups.of(group).largest(state.efficiency)
    data = _take(state.data, acquirer) + _take(state.data, target)
    return replace(
        state,
        group=group,
        efficiency=np.where(is_pair, best, state.efficiency),
        data=np.where(is_pair, data, state.data),
    )


def _pool(state: State, funding: Funding) -> State:
    """Groups divide their money and debt among their firms by the training that each wants."""
    groups = Groups.of(state.group)
    return replace(
        state,
        cash=groups.split(state.cash, funding.desired),
        debt=groups.split(state.debt, funding.desired),
    )


def _break_up(state: State, world: World, rules: Rulebook, markets: Markets) -> tuple[State, Flags, Flags]:
    """Split firms, once, as a rule asks; also who was split, and for whose successors there was no slot.

    The firms of a group part, dividing its data by sales, and the largest of those that a rule names goes on as equal
    successors, each with its algorithm and models and an equal part of everything else; ties to owners stay with the
    first.
    """
    asked = state.is_active & (rules.break_up > 1.0) & ~state.is_successor
    refused = np.zeros_like(asked)
    if not asked.any():
        return state, asked, refused
    arrays = {name: getattr(state, name).copy() for name in _DIVIDED + _COPIED}
    sales = total(markets.revenue, axis=-2)
    heads = {(row, int(state.group[row, slot])) for row, slot in np.argwhere(asked).tolist()}
    for row, head in sorted(heads):
        members = np.flatnonzero(state.group[row] == head)
        slot = max(members[asked[row, members]].tolist(), key=lambda member: sales[row, member])
        asked[row, members] = members == slot
        n_new = int(np.ceil(rules.break_up[row, slot])) - 1
        free = np.flatnonzero(~arrays["is_active"][row] & world.is_entry_slot)[:n_new]
        if len(free) < n_new:
            refused[row, slot] = True
            continue
        if len(members) > 1:
            arrays["group"][row, members] = members
            arrays["data"][row, members] *= shares(sales[row, members])
        arrays["is_successor"][row, members] = True
        everyone = [slot, *free.tolist()]
        for name in _COPIED:
            arrays[name][row][..., free] = arrays[name][row][..., [slot]]
        for name in _DIVIDED:
            arrays[name][row][..., everyone] = arrays[name][row][..., [slot]] / (n_new + 1)
        arrays["log_strength"][row][:, everyone] -= np.log(n_new + 1)
        arrays["group"][row, free] = free
        arrays["owner_weight"][row][:, free] = _weights_without_ties(state, world, row, slot)
    return replace(state, **arrays), asked & ~refused, refused


_DIVIDED = ("cash", "debt", "own_chips", "data", "share", "target_share", "profit", "funding_share")
_COPIED = (
    "is_active", "is_successor", "firm_class", "is_open", "is_hosted", "is_pool_member", "group", "age",
    "quarters_beyond", "own_compute", "own_compute_history", "efficiency", "log_strength", "owner_weight",
    "profit_growth", "capability_growth",
)  # fmt: skip


def _weights_without_ties(state: State, world: World, row: int, slot: int) -> Array:
    """The firm's weights over the owners that sell to anyone; ``[owner, 1]``."""
    appeal = world.unlinked_appeal[:, None]
    kept = np.where(appeal > 0.0, state.owner_weight[row][:, [slot]], 0.0)
    open_to_all = compute_market.first_choice(
        state.capacity[row], state.rent[row], appeal, world.parameters.owner_price_elasticity
    )
    return kept / kept.sum() if kept.sum() > 0.0 else open_to_all
