"""Stages 4 and 5: the compute market and the product market, solved together because serving needs compute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sim.arrays import Array, Flags, shares, total
from sim.decisions import Decisions, PriceGame
from sim.errors import ConvergenceError, ReplicateError
from sim.groups import Groups
from sim.policies.levers import Rulebook
from sim.stages.allotment import allot
from sim.stages.funding import must_publish
from sim.state import Allotments, Drivers, Funding, Markets, State
from sim.submodels import allotment, clearing, compute_market, demand, energy, pricing
from sim.submodels.clearing import Given, Guess
from sim.submodels.compute_market import OwnerChoice
from sim.world.build import World

MARKET_LIMIT, PRICE_LIMIT = 1e-8, 1e-9
"""Largest residuals of a cleared market and of best replies; anything larger is an error."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What happens in both markets at given rents and expected shares."""

    choice: OwnerChoice
    user_rent: Array
    unit_cost: Array
    training: Array
    rented: Array
    own_chips_used: Array
    serving: Array
    elasticity: Array
    per_dollar: Array
    attraction: Array
    best_reply: Array
    share: Array
    odds: Array
    nest: Array
    revenue: Array
    quantity: Array
    captive_use: Array
    demand: Array


def clear_markets(
    state: State,
    world: World,
    drivers: Drivers,
    rules: Rulebook,
    funding: Funding,
    decisions: Decisions | None = None,
) -> Markets:
    """Rents that clear compute, prices that are best replies, and the sales that follow.

    Raises
    ------
    ReplicateError
        When no firm is left in a replicate.
    ConvergenceError
        When a replicate does not clear, or what was found leaves a residual.
    """
    _require_firms(state)
    groups = Groups.of(state.group)
    given, allotments = _pose(state, world, drivers, rules, funding, groups)
    start = _start(state, given)
    if decisions is None or not decisions.enter_markets:
        found, n_sweeps, gap = clearing.solve(given, start)
    else:
        found, n_sweeps, gap = clearing.solve_asking(given, start, _Asking(given, groups, decisions))
    _require_arrived(gap)
    rent = np.exp(found.log_rent)
    outcome = _evaluate(given, found, groups, decisions)
    market_residual = np.abs(
        compute_market.complementarity_residual(rent, given.floor, given.supply, outcome.demand)
    ).max(axis=-1)
    price_residual = np.abs(outcome.best_reply - found.share).max(axis=(-2, -1))
    _require_cleared(market_residual, price_residual)
    is_active = state.is_active
    return Markets(
        allotments=allotments,
        rent=rent,
        floor=given.floor,
        supply=given.supply + allotments.owner_compute,
        captive_use=outcome.captive_use,
        use=outcome.demand + allotments.owner_compute,
        owner_weight=outcome.choice.weights,
        user_rent=outcome.user_rent,
        serving_need=np.where(is_active, given.serving_need, 0.0),
        unit_cost=np.where(is_active, outcome.unit_cost, 0.0),
        training=outcome.training,
        rented=outcome.rented,
        serving=outcome.serving,
        own_chips_used=outcome.own_chips_used,
        elasticity=outcome.elasticity,
        price=np.where(is_active[..., None, :], 1.0 / outcome.per_dollar, 0.0),
        attraction=outcome.attraction,
        target_share=outcome.best_reply,
        share=outcome.share,
        odds=outcome.odds,
        nest=outcome.nest,
        revenue=outcome.revenue,
        quantity=outcome.quantity,
        profit=pricing.operating_profit(outcome.revenue, given.revenue_taken, outcome.elasticity),
        market_residual=market_residual,
        price_residual=price_residual,
        iterations=n_sweeps,
    )


def _start(state: State, given: Given) -> Guess:
    """Where last quarter ended."""
    return Guess(
        log_rent=np.log(np.maximum(state.rent, given.floor)),
        share=shares(np.where(given.appeal > 0.0, state.target_share, 0.0)),
        nest=state.nest,
    )


def _require_firms(state: State) -> None:
    if not state.is_active.any(axis=-1).all():
        message = "no firm is left: all went beyond their debt limits; ask less of firms"
        raise ReplicateError(message)


def _require_arrived(gap: Array) -> None:
    if not np.all(gap <= clearing.TOLERANCE):
        message = (
            f"markets did not clear in {clearing.MAX_SWEEPS} sweeps: the last still moved by {float(gap.max()):.2g}"
        )
        raise ConvergenceError(message)


def _require_cleared(market_residual: Array, price_residual: Array) -> None:
    if not (np.all(market_residual <= MARKET_LIMIT) and np.all(price_residual <= PRICE_LIMIT)):
        message = (
            f"markets did not clear: residual {float(market_residual.max()):.2g} of supply (allowed {MARKET_LIMIT:g}), "
            f"{float(price_residual.max()):.2g} of shares (allowed {PRICE_LIMIT:g})"
        )
        raise ConvergenceError(message)


def _pose(
    state: State, world: World, drivers: Drivers, rules: Rulebook, funding: Funding, groups: Groups
) -> tuple[Given, Allotments]:
    """What is given to both markets, and what firms get outside them."""
    p = world.parameters
    is_active = state.is_active
    floor = energy.floor_cost(
        drivers.kilowatt,
        drivers.electricity_price,
        drivers.grid_intensity,
        rules.carbon_price,
        p.owner_floor_operations,
    )
    supply, own_chips, allotments = allot(state, world, drivers, rules, funding, floor)
    need = pricing.serving_need(
        funding.power,
        state.efficiency,
        world.serving_need_reference,
        p.serving_size_elasticity,
        p.serving_algorithm_elasticity,
    )
    is_hosted = _is_hosted(state, world, rules)
    kept = np.where(is_active, rules.quality, 0.0) * np.where(is_hosted, p.open_hosting_share, 1.0)
    appeal = kept[..., None, :] * demand.attraction_before_price(
        state.log_strength,
        funding.power,
        state.data * np.where(is_hosted, 1.0 + p.open_data_gain, 1.0),
        world.theta,
        world.data_elasticity,
        world.data_reference,
    )
    switching = np.minimum(p.switching_rate * rules.switching, 1.0)
    revenue_taken = p.operating_cost_share + rules.revenue_levy
    given = Given(
        capacity=state.capacity,
        supply=supply,
        floor=np.broadcast_to(floor[..., None], state.capacity.shape),
        captive_outlay=drivers.captive_outlay * state.captive_outlay_share,
        captive_tax=rules.captive_tax,
        affinity=_affinity(world, rules),
        last_weight=state.owner_weight,
        loyalty=np.broadcast_to(np.minimum(p.cloud_loyalty * rules.loyalty, 1.0)[..., None], is_active.shape),
        desired_outlay=funding.desired,
        means=np.maximum(funding.means - allotments.charge, 0.0),
        allotment=allotments.compute,
        own_chips=own_chips,
        training_cap=rules.training_cap,
        compute_tax=rules.compute_tax,
        usage_tax=rules.usage_tax,
        revenue_taken=revenue_taken,
        serving_need=np.where(is_active, need / rules.serving_efficiency, 1.0),
        appeal=appeal,
        staying=(1.0 - switching)[..., None, None] * np.where(is_active[..., None, :], state.share, 0.0),
        group=state.group,
        taken_differs=groups.differ(revenue_taken),
        budget=drivers.budget,
        initial_odds=world.initial_odds,
        substitution=p.substitution,
        nest_growth=p.nest_growth,
        price_elasticity=p.owner_price_elasticity,
    )
    return given, allotments


def _is_hosted(state: State, world: World, rules: Rulebook) -> Flags:
    """Firms whose newest model others may sell too: who opened since the start, or must publish without more delay."""
    if not world.mechanisms.open_weights:
        return np.zeros_like(state.is_open)
    hosted: Flags = state.is_hosted | (must_publish(world, rules) & ~state.is_open)
    return hosted


def _affinity(world: World, rules: Rulebook) -> Array:
    """exp(affinity) after rules on ties, zero where the owner does not sell to the firm; ``[..., owner, firm]``.

    An owner that served its own firm alone sells to everyone once that firm is severed, and as far as ties lose weight.
    """
    if np.all(rules.affinity == 1.0) and np.all(rules.separation == 0.0):
        return np.repeat(np.exp(world.affinity)[None], len(rules.affinity), axis=0)
    can_rent = np.isfinite(world.affinity)
    tie = np.where(can_rent, world.affinity, 0.0) * rules.affinity[..., None, None]
    severed = (rules.separation > 0.0)[..., None, :] & world.is_integrated
    opened = np.where(severed.any(axis=-1), 1.0, np.clip(1.0 - rules.affinity, 0.0, 1.0)[..., None])
    newcomers = np.where(world.serves_one, opened, 0.0)[..., None]
    return np.where(can_rent, np.exp(np.where(severed, 0.0, tie)), newcomers)


def _evaluate(g: Given, guess: Guess, groups: Groups, decisions: Decisions | None) -> _Outcome:
    """Owners' choice, costs, prices, sales and the demand for compute that they cause; what the solver brings to rest.

    Customers follow the shares to which one Newton step on best replies leads: the same as ``share`` in equilibrium.
    """
    rent, share = np.exp(guess.log_rent), guess.share
    choice = _choice(g, rent, decisions)
    user_rent = choice.mean_rent(rent)
    user_cost = user_rent * (1.0 + g.compute_tax)
    cost = pricing.unit_cost(g.serving_need, user_cost, g.usage_tax)

    elasticity, reply = _answers(g, cost, guess, groups, decisions)
    per_dollar = pricing.units_per_dollar(cost, g.revenue_taken, elasticity)
    attraction = g.appeal * per_dollar ** (g.substitution - 1.0)
    best_reply = demand.target_share(attraction)
    target = pricing.moved_shares(share, best_reply, reply, groups)
    odds = demand.nest_odds(total(attraction), g.initial_odds, g.nest_growth)
    nest = demand.nest_share(odds)
    realised = demand.realised_share(g.staying, target)
    revenue = (g.budget * nest)[..., None] * realised
    quantity = revenue * per_dollar

    allotted = np.minimum(g.allotment, g.training_cap)
    training = np.minimum(allotted + allotment.bought(g.desired_outlay, g.means, allotted, user_cost), g.training_cap)
    serving = g.serving_need * total(quantity, axis=-2)
    needed = training - allotted + serving
    rented = np.maximum(needed - g.own_chips, 0.0)
    captive = compute_market.captive_use(g.captive_outlay, rent, g.captive_tax)
    return _Outcome(
        choice=choice,
        user_rent=user_rent,
        unit_cost=cost,
        training=training,
        rented=rented,
        own_chips_used=np.minimum(needed, g.own_chips),
        serving=serving,
        elasticity=elasticity,
        per_dollar=per_dollar,
        attraction=attraction,
        best_reply=best_reply,
        share=realised,
        odds=odds,
        nest=nest,
        revenue=revenue,
        quantity=quantity,
        captive_use=captive,
        demand=captive + choice.demand(rented),
    )


def _choice(g: Given, rent: Array, decisions: Decisions | None) -> OwnerChoice:
    choice = compute_market.choose_owners(g.capacity, rent, g.affinity, g.price_elasticity, g.last_weight, g.loyalty)
    return choice if decisions is None else decisions.chosen(choice, rent, g.capacity)


def _answers(g: Given, cost: Array, guess: Guess, groups: Groups, decisions: Decisions | None) -> tuple[Array, Array]:
    """Elasticities that prices are set by, and what these leave of a push to a share; ``[..., sector, firm]``."""
    elasticity = pricing.perceived_elasticity(
        guess.share, guess.nest, g.revenue_taken, groups, g.substitution, g.nest_growth
    )
    reply = pricing.reply(elasticity, g.substitution)
    if decisions is None:
        return elasticity, reply
    return decisions.priced(PriceGame(cost, g.revenue_taken, guess.share, guess.nest, groups), elasticity, reply)


class _Asking(NamedTuple):
    """What firms with rules of their own answer in each sweep of the solver."""

    given: Given
    groups: Groups
    decisions: Decisions

    def weights(self, rent: Array) -> dict[int, Array]:
        """Weights over owners at rents ``[1, owner]``, by slot."""
        weights = _choice(self.given, rent, self.decisions).weights[0]
        return {slot: weights[:, slot] for slot in self.decisions.choose_owners}

    def prices(self, cost: Array, guess: Guess) -> dict[int, tuple[Array, Array]]:
        """Elasticities that prices imply at costs ``[1, firm]``, and how they answer; ``[sector]`` each, by slot."""
        elasticity, reply = _answers(self.given, cost, guess, self.groups, self.decisions)
        return {slot: (elasticity[0, :, slot], reply[0, :, slot]) for slot in self.decisions.set_price}
