"""Stages 4 and 5: the compute market and the product market, solved together because serving needs compute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sim.arrays import Array, Counts, Flags, dot, safe_ratio, shares, total
from sim.decisions import Decisions, PriceGame
from sim.errors import ConvergenceError
from sim.groups import Groups
from sim.policies.levers import Rulebook
from sim.stages.allotment import allot
from sim.state import Allotments, Drivers, Funding, Markets, State
from sim.submodels import allotment, compute_market, demand, energy, pricing
from sim.submodels.compute_market import OwnerChoice
from sim.world.build import World

TOLERANCE = 1e-10
"""Largest gap of a log rent, a share or a nest's share when a replicate counts as solved."""

MARKET_LIMIT, PRICE_LIMIT = 1e-8, 1e-9
"""Largest residuals of a cleared market and of best replies; anything larger is an error."""

MAX_SWEEPS = 500
_ROUND = 100
_CAREFUL_AFTER = 40
_RIDGE = 1e-9
_LARGEST_RENT_STEP = 1.0
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class _Problem:
    """What is given while both markets are solved; rows are the replicates still being solved."""

    capacity: Array
    supply: Array
    floor: Array
    captive_outlay: Array
    captive_tax: Array
    appeal: Array
    last_weight: Array
    loyalty: Array
    desired_outlay: Array
    means: Array
    allotment: Array
    own_chips: Array
    training_cap: Array
    compute_tax: Array
    usage_tax: Array
    revenue_taken: Array
    serving_need: Array
    appeal_to_customers: Array
    staying: Array
    switching: Array
    groups: Groups
    decisions: Decisions | None

    def rows(self, keep: Flags) -> _Problem:
        others = ("groups", "decisions")
        arrays = {name: getattr(self, name)[keep] for name in self.__slots__ if name not in others}
        return _Problem(**arrays, groups=self.groups.rows(keep), decisions=self.decisions)


@dataclass(frozen=True, slots=True)
class _Sweep:
    """One evaluation of both markets at given rents and target shares."""

    choice: OwnerChoice
    user_rent: Array
    unit_cost: Array
    training: Array
    rented: Array
    own_chips_used: Array
    serving: Array
    elasticity: Array
    reply: Array
    per_dollar: Array
    attraction: Array
    best_reply: Array
    target_share: Array
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
    ConvergenceError
        When a replicate does not clear within ``MAX_SWEEPS`` sweeps, or what was found leaves a residual.
    """
    problem, allotments = _pose(state, world, drivers, rules, funding, decisions)
    found, sweeps = _solve(problem, world, drivers.budget, state)
    rent = np.exp(found.log_rent)
    last = _sweep(problem, world, drivers.budget, found)
    market_residual = np.abs(
        compute_market.complementarity_residual(rent, problem.floor, problem.supply, last.demand)
    ).max(axis=-1)
    price_residual = np.abs(last.best_reply - found.share).max(axis=(-2, -1))
    _require_cleared(market_residual, price_residual)
    is_active = state.is_active
    return Markets(
        allotments=allotments,
        rent=rent,
        floor=problem.floor,
        supply=problem.supply + allotments.owner_compute,
        captive_use=last.captive_use,
        use=last.demand + allotments.owner_compute,
        owner_weight=last.choice.weights,
        user_rent=last.user_rent,
        serving_need=np.where(is_active, problem.serving_need, 0.0),
        unit_cost=np.where(is_active, last.unit_cost, 0.0),
        training=last.training,
        rented=last.rented,
        serving=last.serving,
        own_chips_used=last.own_chips_used,
        elasticity=last.elasticity,
        price=np.where(is_active[..., None, :], 1.0 / last.per_dollar, 0.0),
        attraction=last.attraction,
        target_share=last.best_reply,
        share=last.share,
        odds=last.odds,
        nest=last.nest,
        revenue=last.revenue,
        quantity=last.quantity,
        profit=pricing.operating_profit(last.revenue, problem.revenue_taken, last.elasticity),
        market_residual=market_residual,
        price_residual=price_residual,
        iterations=sweeps,
    )


def _require_cleared(market_residual: Array, price_residual: Array) -> None:
    if np.any(market_residual > MARKET_LIMIT) or np.any(price_residual > PRICE_LIMIT):
        message = (
            f"markets did not clear: residual {float(market_residual.max()):.2g} of supply (allowed {MARKET_LIMIT:g}), "
            f"{float(price_residual.max()):.2g} of shares (allowed {PRICE_LIMIT:g})"
        )
        raise ConvergenceError(message)


def _pose(
    state: State,
    world: World,
    drivers: Drivers,
    rules: Rulebook,
    funding: Funding,
    decisions: Decisions | None,
) -> tuple[_Problem, Allotments]:
    p = world.parameters
    is_active = state.is_active
    floor = energy.floor_cost(
        drivers.kilowatt,
        drivers.electricity_price,
        drivers.grid_intensity,
        rules.carbon_price,
        p.owner_floor_operations,
    )
    supply, allotments = allot(state, world, drivers, rules, floor)
    need = pricing.serving_need(
        funding.power,
        state.efficiency,
        world.serving_need_reference,
        p.serving_size_elasticity,
        p.serving_algorithm_elasticity,
    )
    is_hosted = _is_hosted(state, world, rules)
    appeal = rules.quality * np.where(is_hosted, p.open_hosting_share, 1.0)
    base = demand.attraction_before_price(
        np.exp(state.log_strength) * appeal[..., None, :],
        funding.power,
        state.data * np.where(is_hosted, 1.0 + p.open_data_gain, 1.0),
        world.theta,
        world.data_elasticity,
        world.data_reference,
    )
    switching = np.minimum(p.switching_rate * rules.switching, 1.0)
    is_present = is_active[..., None, :]
    problem = _Problem(
        capacity=state.capacity,
        supply=supply,
        floor=np.broadcast_to(floor[..., None], state.capacity.shape),
        captive_outlay=drivers.captive_outlay * state.captive_share,
        captive_tax=rules.captive_tax,
        appeal=_appeal_of_owners(world, rules),
        last_weight=state.owner_weight,
        loyalty=np.minimum(p.cloud_loyalty * rules.loyalty, 1.0)[..., None],
        desired_outlay=funding.desired,
        means=funding.means,
        allotment=allotments.compute,
        own_chips=p.utilisation * state.own_chips,
        training_cap=rules.training_cap,
        compute_tax=rules.compute_tax,
        usage_tax=rules.usage_tax,
        revenue_taken=p.operating_cost_share + rules.revenue_levy,
        serving_need=np.where(is_active, need / rules.serving_efficiency, 1.0),
        appeal_to_customers=np.where(is_present, base, 0.0),
        staying=(1.0 - switching)[..., None, None] * np.where(is_present, state.share, 0.0),
        switching=switching,
        groups=Groups(state.group),
        decisions=decisions,
    )
    return problem, allotments


def _is_hosted(state: State, world: World, rules: Rulebook) -> Flags:
    """Firms whose newest model others may sell too: who opened since the start, or must publish without more delay."""
    if not world.mechanisms.open_weights:
        return np.zeros_like(state.is_open)
    must = rules.open_weights <= world.parameters.open_release_delay
    hosted: Flags = state.is_hosted | (must & ~state.is_open)
    return hosted


def _appeal_of_owners(world: World, rules: Rulebook) -> Array:
    """exp(affinity) after rules on ties, zero where the owner does not sell to the firm; ``[..., owner, firm]``."""
    can_rent = np.isfinite(world.affinity)
    tie = np.where(can_rent, world.affinity, 0.0) * rules.affinity[..., None, None]
    severed = (rules.separation > 0.0)[..., None, :] & world.is_integrated
    return np.where(can_rent, np.exp(np.where(severed, 0.0, tie)), 0.0)


class _Guess(NamedTuple):
    """Where the solver stands."""

    log_rent: Array
    share: Array
    nest: Array

    def rows(self, keep: Flags) -> _Guess:
        return _Guess(*(array[keep] for array in self))

    def store(self, rows: Counts, found: _Guess) -> None:
        for mine, theirs in zip(self, found, strict=True):
            mine[rows] = theirs


def _solve(problem: _Problem, world: World, budget: Array, state: State) -> tuple[_Guess, Counts]:
    """Fixed point of ``_sweep`` and the number of sweeps it took.

    Newton steps for rents, with a Jacobian that learns from each step, and for shares. A replicate that has not arrived
    after ``_CAREFUL_AFTER`` sweeps goes on along its gaps with lengths that adapt, in turn with Newton steps. Each
    replicate stops by itself, whatever the others do; when half have stopped, only the rest are carried on.
    """
    guess = answer = _Guess(
        log_rent=np.log(np.maximum(state.rent, problem.floor)),
        share=shares(np.where(problem.appeal_to_customers > 0.0, state.target_share, 0.0)),
        nest=state.nest.copy(),
    )
    rows = np.arange(len(state.rent))
    n_sweeps = np.zeros(len(rows), dtype=np.int64)
    is_open = np.ones(len(rows), dtype=bool)
    rent_pace, nest_pace = _Pace.like(guess.log_rent), _Pace.like(guess.nest)
    at = _sweep(problem, world, budget, guess)
    response, jacobian = _responses(problem, world, guess, at)
    for sweep in range(1, MAX_SWEEPS + 1):
        if sweep <= _CAREFUL_AFTER:
            lengths = _NEWTON
        else:
            is_careful = sweep % _ROUND > _CAREFUL_AFTER
            if is_careful or sweep % _ROUND == 1:
                response, jacobian = _responses(problem, world, guess, at)
            rent_length = rent_pace.after(_pressure(problem, at.demand)) if is_careful else None
            lengths = _Lengths(rent_length, np.minimum(nest_pace.after(at.nest - guess.nest), 1.0))
        step, new, moved = _advance(problem, world, guess, at, response, jacobian, lengths)
        guess = new if is_open.all() else _Guess(*(_where(is_open, a, b) for a, b in zip(new, guess, strict=True)))
        n_sweeps[rows[is_open]] = sweep
        is_open = is_open & (moved > TOLERANCE)
        if 2 * np.count_nonzero(is_open) <= len(rows):
            answer.store(rows, guess)
            if not is_open.any():
                return answer, n_sweeps
            rows, problem, guess = rows[is_open], problem.rows(is_open), guess.rows(is_open)
            rent_pace, nest_pace = rent_pace.rows(is_open), nest_pace.rows(is_open)
            response, jacobian, step = response[is_open], jacobian[is_open], step[is_open]
            pressure, is_open = _pressure(problem, at.demand[is_open]), is_open[is_open]
        else:
            pressure = _pressure(problem, at.demand)
        at = _sweep(problem, world, budget, guess)
        learned = compute_market.learned_jacobian(jacobian, step, _pressure(problem, at.demand) - pressure)
        jacobian = _where(is_open, learned, jacobian)
    message = f"markets did not clear in {MAX_SWEEPS} sweeps: the last still moved by {float(moved.max()):.2g}"
    raise ConvergenceError(message)


class _Lengths(NamedTuple):
    """Lengths of steps along the gaps of rents ``[..., owner]`` and nests ``[..., sector]``; None for a Newton step."""

    rent: Array | None
    nest: Array | None


_NEWTON = _Lengths(None, None)


class _Pace:
    """A step length for each entry: halved when its gap changes sign, longer while it does not."""

    START, SHORTER, LONGER, LEAST, MOST = 0.5, 0.5, 1.2, 1e-3, 3.0

    def __init__(self, length: Array, last: Array) -> None:
        self.length = length
        self.last = last

    @classmethod
    def like(cls, gap: Array) -> _Pace:
        return cls(np.full_like(gap, cls.START), np.zeros_like(gap))

    def rows(self, keep: Flags) -> _Pace:
        return _Pace(self.length[keep], self.last[keep])

    def after(self, gap: Array) -> Array:
        """Lengths for the next step."""
        factor = np.where(gap * self.last < 0.0, self.SHORTER, self.LONGER)
        self.length, self.last = np.clip(self.length * factor, self.LEAST, self.MOST), gap
        return self.length


def _advance(
    g: _Problem, world: World, guess: _Guess, at: _Sweep, response: Array, jacobian: Array, lengths: _Lengths
) -> tuple[Array, _Guess, Array]:
    """Step of log rents, the guess after it, and the largest gap of each replicate."""
    pressure, log_floor = _pressure(g, at.demand), np.log(g.floor)
    to_floor = log_floor - guess.log_rent
    if lengths.rent is None:
        steeper = jacobian - _RIDGE * np.eye(pressure.shape[-1])
        step = compute_market.newton_step(guess.log_rent, log_floor, pressure, steeper)
    else:
        step = lengths.rent * pressure
    step = np.maximum(np.clip(step, -_LARGEST_RENT_STEP, _LARGEST_RENT_STEP), to_floor)
    rent_gap = np.maximum(np.abs(step), np.abs(np.maximum(pressure, to_floor)))
    share_gap, nest_gap = at.target_share - guess.share, at.nest - guess.nest
    moved = np.maximum(
        rent_gap.max(axis=-1), np.maximum(np.abs(share_gap).max(axis=(-2, -1)), np.abs(nest_gap).max(axis=-1))
    )
    foreseen_share, foreseen_nest = _foresee(world, at, response, step)
    nest = at.nest + foreseen_nest if lengths.nest is None else guess.nest + lengths.nest * nest_gap
    new = _Guess(
        log_rent=guess.log_rent + step,
        share=shares(np.maximum(at.target_share + foreseen_share, 0.0)),
        nest=np.clip(nest, 0.5 * guess.nest, 0.5 * (1.0 + guess.nest)),
    )
    return step, new, moved


def _pressure(g: _Problem, demand_: Array) -> Array:
    """ln demand - ln supply; ``[..., owner]``."""
    return np.log(np.maximum(demand_, _TINY) / g.supply)


def _where(keep: Flags, left: Array, right: Array) -> Array:
    """Rows of ``left`` where ``keep``, else of ``right``."""
    return np.where(keep.reshape(-1, *[1] * (left.ndim - 1)), left, right)


def _responses(g: _Problem, world: World, guess: _Guess, at: _Sweep) -> tuple[Array, Array]:
    """How firms' mean rents and owners' demand answer to rents, all in logs.

    Returns
    -------
    response : array [..., owner, firm]
    jacobian : array [..., owner, owner]
    """
    p = world.parameters
    response = compute_market.mean_rent_response(at.choice, np.exp(guess.log_rent), p.owner_price_elasticity)
    sales = total(at.revenue, axis=-2)
    stealing = (
        g.switching[..., None]
        * (p.substitution - 1.0)
        * safe_ratio(total(at.revenue * at.reply, axis=-2), sales, otherwise=1.0)
    )
    nest = safe_ratio(total(at.revenue * at.nest[..., None], axis=-2), sales)
    growing = p.nest_growth * (p.substitution - 1.0) * (1.0 - nest)
    use = at.rented
    serving = np.minimum(safe_ratio(at.serving, use), 1.0)
    jacobian = compute_market.demand_jacobian(
        at.choice,
        response,
        use,
        own_response=1.0 + serving * stealing,
        common_response=serving * (stealing - growing),
        sales_share=shares(sales),
        captive=at.captive_use,
        price_elasticity=p.owner_price_elasticity,
    )
    return response, jacobian / np.maximum(at.demand, _TINY)[..., None]


def _foresee(world: World, at: _Sweep, response: Array, rent_step: Array) -> tuple[Array, Array]:
    """What a step of rents will do to shares and nests, to first order."""
    p = world.parameters
    cost_change = dot(rent_step, response)
    share_change = pricing.cost_response(at.target_share, cost_change, at.reply, p.substitution)
    mean_change = total(at.target_share * cost_change[..., None, :])
    nest_change = -at.nest * (1.0 - at.nest) * p.nest_growth * (p.substitution - 1.0) * mean_change
    return share_change, nest_change


def _sweep(g: _Problem, world: World, budget: Array, guess: _Guess) -> _Sweep:
    """Owners' choice, costs, prices, sales and the demand for compute that they cause.

    Customers follow the shares to which one Newton step on best replies leads: the same as ``share`` in equilibrium.
    """
    p = world.parameters
    rent, share = np.exp(guess.log_rent), guess.share
    choice = compute_market.choose_owners(
        g.capacity, rent, g.appeal, p.owner_price_elasticity, g.last_weight, g.loyalty
    )
    if g.decisions is not None:
        choice = g.decisions.chosen(choice, rent, g.capacity)
    user_rent = choice.mean_rent(rent)
    user_cost = user_rent * (1.0 + g.compute_tax)
    cost = pricing.unit_cost(g.serving_need, user_cost, g.usage_tax)

    elasticity = pricing.perceived_elasticity(
        share, guess.nest, g.revenue_taken, g.groups, p.substitution, p.nest_growth
    )
    reply = pricing.reply(elasticity, p.substitution)
    if g.decisions is not None:
        game = PriceGame(cost, g.revenue_taken, share, guess.nest, g.groups)
        elasticity, reply = g.decisions.priced(game, elasticity, reply)
    per_dollar = pricing.units_per_dollar(cost, g.revenue_taken, elasticity)
    attraction = g.appeal_to_customers * per_dollar ** (p.substitution - 1.0)
    best_reply = demand.target_share(attraction)
    target = pricing.moved_shares(share, best_reply, reply, g.groups)
    odds = demand.outside_odds(total(attraction), world.initial_odds, p.nest_growth)
    new_nest = demand.nest_share(odds)
    realised = demand.realised_share(g.staying, target)
    revenue = (budget * new_nest)[..., None] * realised
    quantity = revenue * per_dollar

    given = np.minimum(g.allotment, g.training_cap)
    training = np.minimum(given + allotment.bought(g.desired_outlay, g.means, given, user_cost), g.training_cap)
    serving = g.serving_need * total(quantity, axis=-2)
    needed = training - given + serving
    rented = np.maximum(needed - g.own_chips, 0.0)
    captive = compute_market.captive_use(g.captive_outlay, rent, g.captive_tax)
    return _Sweep(
        choice=choice,
        user_rent=user_rent,
        unit_cost=cost,
        training=training,
        rented=rented,
        own_chips_used=np.minimum(needed, g.own_chips),
        serving=serving,
        elasticity=elasticity,
        reply=reply,
        per_dollar=per_dollar,
        attraction=attraction,
        best_reply=best_reply,
        target_share=target,
        share=realised,
        odds=odds,
        nest=new_nest,
        revenue=revenue,
        quantity=quantity,
        captive_use=captive,
        demand=captive + choice.demand(rented),
    )
