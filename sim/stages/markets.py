"""Stages 4 and 5: the compute market and the product market, solved together because serving needs compute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.arrays import Array, Counts, Flags, dot, safe_ratio, shares, total
from sim.errors import ConvergenceError
from sim.policies.levers import Rulebook
from sim.state import Drivers, Funding, Markets, State
from sim.submodels import compute_market, demand, energy, pricing
from sim.submodels.compute_market import OwnerChoice
from sim.world.build import World

TOLERANCE = 1e-9
"""Largest last step of a log rent, a share or a nest's share; residuals that follow are far below 1e-8."""

MAX_SWEEPS = 500
_CAREFUL_AFTER = 40
_CAREFUL_STEP = 0.5
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
    training_outlay: Array
    training_cap: Array
    compute_tax: Array
    usage_tax: Array
    revenue_taken: Array
    serving_need: Array
    appeal_to_customers: Array
    staying: Array
    switching: Array

    def rows(self, keep: Flags) -> _Problem:
        return _Problem(**{name: getattr(self, name)[keep] for name in self.__slots__})


@dataclass(frozen=True, slots=True)
class _Sweep:
    """One evaluation of both markets at given rents and target shares."""

    choice: OwnerChoice
    user_rent: Array
    unit_cost: Array
    training: Array
    serving: Array
    elasticity: Array
    reply: Array
    price: Array
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


def clear_markets(state: State, world: World, drivers: Drivers, rules: Rulebook, funding: Funding) -> Markets:
    """Rents that clear compute, prices that are best replies, and the sales that follow.

    Raises
    ------
    ConvergenceError
        When a replicate does not clear within ``MAX_SWEEPS`` sweeps.
    """
    problem = _pose(state, world, drivers, rules, funding)
    log_rent, share, nest, sweeps = _solve(problem, world, drivers.budget, state)
    rent = np.exp(log_rent)
    last = _sweep(problem, world, drivers.budget, rent, share, nest)
    is_active = state.is_active
    return Markets(
        rent=rent,
        floor=problem.floor,
        supply=problem.supply,
        captive_use=last.captive_use,
        use=last.demand,
        owner_weight=last.choice.weights,
        user_rent=last.user_rent,
        serving_need=np.where(is_active, problem.serving_need, 0.0),
        unit_cost=np.where(is_active, last.unit_cost, 0.0),
        training=last.training,
        serving=last.serving,
        elasticity=last.elasticity,
        price=np.where(is_active[..., None, :], last.price, 0.0),
        attraction=last.attraction,
        target_share=last.best_reply,
        share=last.share,
        odds=last.odds,
        nest=last.nest,
        revenue=last.revenue,
        quantity=last.quantity,
        profit=pricing.operating_profit(last.revenue, problem.revenue_taken, last.elasticity),
        market_residual=np.abs(
            compute_market.complementarity_residual(rent, problem.floor, problem.supply, last.demand)
        ).max(axis=-1),
        price_residual=np.abs(last.best_reply - share).max(axis=(-2, -1)),
        iterations=sweeps,
    )


def _pose(state: State, world: World, drivers: Drivers, rules: Rulebook, funding: Funding) -> _Problem:
    p = world.parameters
    is_active = state.is_active
    floor = energy.floor_cost(
        drivers.kilowatt,
        drivers.electricity_price,
        drivers.grid_intensity,
        rules.carbon_price,
        p.owner_floor_operations,
    )
    need = pricing.serving_need(
        funding.power,
        state.efficiency,
        world.serving_need_reference,
        p.serving_size_elasticity,
        p.serving_algorithm_elasticity,
    )
    base = demand.attraction_before_price(
        np.exp(state.log_strength) * rules.quality[..., None, :],
        funding.power,
        state.data,
        world.theta,
        world.data_elasticity,
        world.data_reference,
    )
    switching = np.minimum(p.switching_rate * rules.switching, 1.0)
    is_present = is_active[..., None, :]
    can_rent = np.isfinite(world.affinity)
    return _Problem(
        capacity=state.capacity,
        supply=p.utilisation * state.capacity,
        floor=np.broadcast_to(floor[..., None], state.capacity.shape),
        captive_outlay=drivers.captive_outlay * state.captive_share,
        captive_tax=rules.captive_tax,
        appeal=np.where(
            can_rent, np.exp(np.where(can_rent, world.affinity, 0.0) * rules.affinity[..., None, None]), 0.0
        ),
        last_weight=state.owner_weight,
        training_outlay=funding.plan,
        training_cap=rules.training_cap,
        compute_tax=rules.compute_tax,
        usage_tax=rules.usage_tax,
        revenue_taken=p.operating_cost_share + rules.revenue_levy,
        serving_need=np.where(is_active, need / rules.serving_efficiency, 1.0),
        appeal_to_customers=np.where(is_present, base, 0.0),
        staying=(1.0 - switching)[..., None, None] * np.where(is_present, state.share, 0.0),
        switching=switching,
    )


def _solve(problem: _Problem, world: World, budget: Array, state: State) -> tuple[Array, Array, Array, Counts]:
    """Fixed point of ``_sweep``: log rents, target shares, nest shares and the number of sweeps.

    Newton steps for rents (with the Jacobian of the first sweep) and for shares. Each replicate stops by itself,
    whatever the others do.
    """
    log_rent = np.log(np.maximum(state.rent, problem.floor))
    share = shares(np.where(problem.appeal_to_customers > 0.0, state.target_share, 0.0))
    nest = state.nest.copy()
    n_sweeps = np.zeros(len(log_rent), dtype=np.int64)
    rows, given = np.arange(len(log_rent)), problem
    y, s, n = log_rent, share, nest
    response = jacobian = np.empty(0)
    for sweep in range(1, MAX_SWEEPS + 1):
        rent = np.exp(y)
        new = _sweep(given, world, budget, rent, s, n)
        if sweep == 1:
            response, jacobian = _responses(given, world, rent, new)
        pressure = np.log(np.maximum(new.demand, _TINY) / given.supply)
        log_floor = np.log(given.floor)
        is_careful = sweep > _CAREFUL_AFTER
        rent_step = (
            np.maximum(pressure, log_floor - y)
            if is_careful
            else compute_market.newton_step(y, log_floor, pressure, jacobian)
        )
        rent_step = np.clip(rent_step, -_LARGEST_RENT_STEP, _LARGEST_RENT_STEP)
        rent_step = np.maximum(rent_step, log_floor - y)
        share_step, nest_step = new.target_share - s, new.nest - n
        foreseen_share, foreseen_nest = _foresee(world, new, response, rent_step)
        length = _CAREFUL_STEP if is_careful else 1.0
        y = y + length * rent_step
        s = shares(np.maximum(s + length * (share_step + foreseen_share), 0.0))
        n = n + length * (nest_step + foreseen_nest)
        moved = np.maximum(
            np.abs(rent_step).max(axis=-1),
            np.maximum(np.abs(share_step).max(axis=(-2, -1)), np.abs(nest_step).max(axis=-1)),
        )
        is_open = moved > TOLERANCE
        if is_open.all():
            continue
        done = rows[~is_open]
        log_rent[done], share[done], nest[done] = y[~is_open], s[~is_open], n[~is_open]
        n_sweeps[done] = sweep
        rows, given = rows[is_open], given.rows(is_open)
        response, jacobian = response[is_open], jacobian[is_open]
        y, s, n = y[is_open], s[is_open], n[is_open]
        if not len(rows):
            return log_rent, share, nest, n_sweeps
    message = f"markets did not clear in {MAX_SWEEPS} sweeps: the last still moved by {float(moved.max()):.2g}"
    raise ConvergenceError(message)


def _responses(g: _Problem, world: World, rent: Array, at: _Sweep) -> tuple[Array, Array]:
    """How firms' mean rents and owners' demand answer to rents, all in logs.

    Returns
    -------
    response : array [..., owner, firm]
    jacobian : array [..., owner, owner]
    """
    p = world.parameters
    response = compute_market.mean_rent_response(at.choice, rent, p.owner_price_elasticity)
    sales = total(at.revenue, axis=-2)
    stealing = (
        g.switching[..., None]
        * (p.substitution - 1.0)
        * safe_ratio(total(at.revenue * at.reply, axis=-2), sales, otherwise=1.0)
    )
    nest = safe_ratio(total(at.revenue * at.nest[..., None], axis=-2), sales)
    growing = p.nest_growth * (p.substitution - 1.0) * (1.0 - nest)
    use = at.training + at.serving
    serving = safe_ratio(at.serving, use)
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


def _sweep(g: _Problem, world: World, budget: Array, rent: Array, share: Array, nest: Array) -> _Sweep:
    """Owners' choice, costs, prices, sales and the demand for compute that they cause.

    Customers follow the shares to which one Newton step on best replies leads: the same as ``share`` in equilibrium.
    """
    p = world.parameters
    choice = compute_market.choose_owners(
        g.capacity, rent, g.appeal, p.owner_price_elasticity, g.last_weight, p.cloud_loyalty
    )
    user_rent = choice.mean_rent(rent)
    user_cost = user_rent * (1.0 + g.compute_tax)
    cost = pricing.unit_cost(g.serving_need, user_cost, g.usage_tax)

    elasticity = pricing.demand_elasticity(share, nest, p.substitution, p.nest_growth)
    price = pricing.price(cost, g.revenue_taken, elasticity)
    per_money = 1.0 / price
    attraction = g.appeal_to_customers * per_money ** (p.substitution - 1.0)
    best_reply = demand.target_share(attraction)
    reply = pricing.reply(elasticity, p.substitution)
    target = shares(np.maximum(share + pricing.newton_step(share, best_reply, reply), 0.0))
    odds = demand.outside_odds(total(attraction), world.initial_odds, p.nest_growth)
    new_nest = demand.nest_share(odds)
    realised = demand.realised_share(g.staying, target)
    revenue = (budget * new_nest)[..., None] * realised
    quantity = revenue * per_money

    training = np.minimum(g.training_outlay / user_cost, g.training_cap)
    serving = g.serving_need * total(quantity, axis=-2)
    captive = compute_market.captive_use(g.captive_outlay, rent, g.captive_tax)
    return _Sweep(
        choice=choice,
        user_rent=user_rent,
        unit_cost=cost,
        training=training,
        serving=serving,
        elasticity=elasticity,
        reply=reply,
        price=price,
        attraction=attraction,
        best_reply=best_reply,
        target_share=target,
        share=realised,
        odds=odds,
        nest=new_nest,
        revenue=revenue,
        quantity=quantity,
        captive_use=captive,
        demand=captive + choice.demand(training + serving),
    )
