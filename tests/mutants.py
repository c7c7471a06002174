"""Hand-made errors of economics, each of which the suite must notice.

``AIPOWER_MUTANT=tax_of_the_wrong_sign pytest -p tests.mutants ...`` runs tests with one error in place. An error is a
function that takes a monkeypatch and replaces functions of the model; ``tests/test_mutants.py`` runs them all.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

VARIABLE = "AIPOWER_MUTANT"

Patch = pytest.MonkeyPatch
MUTANTS: dict[str, Callable[[Patch], None]] = {}


def mutant(function: Callable[[Patch], None]) -> Callable[[Patch], None]:
    """Enter a mutant under its own name; its docstring says what is wrong with it."""
    MUTANTS[function.__name__] = function
    return function


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Put the error in place before any test is collected."""
    name = os.environ.get(VARIABLE)
    if name:
        MUTANTS[name](Patch())


def before(patch: Patch, module: Any, name: str, change: Callable[..., tuple]) -> None:
    """Change what a function is given: ``change(*arguments)`` returns the new arguments."""
    original = getattr(module, name)
    patch.setattr(module, name, lambda *args, **kwargs: original(*change(*args), **kwargs))


def after(patch: Patch, module: Any, name: str, change: Callable[..., Any]) -> None:
    """Change what a function returns: ``change(result, *arguments)``."""
    original = getattr(module, name)
    patch.setattr(module, name, lambda *args, **kwargs: change(original(*args, **kwargs), *args))


def with_parameters(world: Any, **values: float) -> Any:
    """The world with other parameters, after calibration."""
    return dataclasses.replace(world, parameters=dataclasses.replace(world.parameters, **values))


def settle_with(patch: Patch, **values: float) -> None:
    """Accounts, and only they, with other parameters."""
    from sim import step

    before(patch, step, "settle", lambda state, world, *rest: (state, with_parameters(world, **values), *rest))


def pose_with(patch: Patch, change: Callable[[Any], Any]) -> None:
    """The problem of both markets, changed; allotments stay."""
    from sim.stages import markets

    after(patch, markets, "_pose", lambda posed, *_: (change(posed[0]), posed[1]))


@mutant
def nothing(patch: Patch) -> None:
    """No error at all: the control, which every test must pass."""


# --- taxes and subsidies -------------------------------------------------------------


@mutant
def tax_of_the_wrong_sign(patch: Patch) -> None:
    """Firms decide as if a tax on compute made it cheaper."""
    pose_with(patch, lambda problem: dataclasses.replace(problem, compute_tax=-problem.compute_tax))


@mutant
def captive_use_is_untaxed(patch: Patch) -> None:
    """Owners' own business does not feel the tax on captive use."""
    from sim.submodels import compute_market

    before(patch, compute_market, "captive_use", lambda outlay, rent, tax: (outlay, rent, 0.0 * tax))


@mutant
def grants_without_a_payer(patch: Patch) -> None:
    """The government's balance forgets what it gave to firms."""
    from sim import step

    after(
        patch,
        step,
        "settle",
        lambda a, state, world, drivers, rules, funding, markets: dataclasses.replace(
            a, fiscal_balance=a.fiscal_balance + funding.grant.sum(axis=-1)
        ),
    )


@mutant
def subsidies_cost_nothing(patch: Patch) -> None:
    """A negative tax on compute is paid out, and the books show no payment by the government."""
    from sim import step

    def unpaid(a, *_):
        lost = np.minimum(a.compute_tax, 0.0)
        flows = tuple(
            dataclasses.replace(f, received=f.received - lost.sum(axis=-1)) if f.name == "compute tax" else f
            for f in a.flows
        )
        return dataclasses.replace(a, fiscal_balance=a.fiscal_balance - lost.sum(axis=-1), flows=flows)

    after(patch, step, "settle", unpaid)


@mutant
def losses_are_taxed_too(patch: Patch) -> None:
    """The profit tax refunds part of a loss."""
    from sim import step
    from sim.stages import accounts

    def settle(state, world, drivers, rules, funding, markets, original=accounts.settle):
        honest = original(state, world, drivers, rules, funding, markets)
        refund = rules.profit_tax * np.maximum(-honest.earnings, 0.0)
        grant = dataclasses.replace(funding, grant=funding.grant + refund)
        return original(state, world, drivers, rules, grant, markets)

    patch.setattr(step, "settle", settle)


@mutant
def levy_missing_from_prices(patch: Patch) -> None:
    """A levy on revenue is paid, and no price or plan knows of it."""
    from sim.stages import markets

    before(
        patch,
        markets,
        "_pose",
        lambda state, world, drivers, rules, funding: (
            state, world, drivers, dataclasses.replace(rules, revenue_levy=0.0 * rules.revenue_levy), funding
        ),
    )  # fmt: skip


# --- markets -----------------------------------------------------------------------


@mutant
def price_from_realised_share(patch: Patch) -> None:
    """Mark-ups use the shares of all customers instead of those who choose now."""
    from sim.stages import markets
    from sim.submodels import pricing

    problem: list[Any] = [None]
    original_evaluate, original_elasticity = markets._evaluate, pricing.demand_elasticity

    def evaluate(g, *rest):
        problem[0] = g
        try:
            return original_evaluate(g, *rest)
        finally:
            problem[0] = None

    def elasticity(share, *rest):
        g = problem[0]
        if g is not None:
            share = g.staying + (1.0 - g.staying.sum(axis=-1, keepdims=True)) * share
        return original_elasticity(share, *rest)

    patch.setattr(markets, "_evaluate", evaluate)
    patch.setattr(pricing, "demand_elasticity", elasticity)


@mutant
def serving_ignores_efficiency(patch: Patch) -> None:
    """Better algorithms do not make a unit cheaper to serve."""
    from sim.submodels import pricing

    before(patch, pricing, "serving_need", lambda power, efficiency, *rest: (power, np.ones_like(efficiency), *rest))


@mutant
def serving_ignores_power(patch: Patch) -> None:
    """Larger models cost no more to serve."""
    from sim.submodels import pricing

    before(patch, pricing, "serving_need", lambda power, *rest: (np.ones_like(power), *rest))


@mutant
def floor_ignored(patch: Patch) -> None:
    """Rents fall until chips are used, whatever they cost to run."""
    pose_with(patch, lambda g: dataclasses.replace(g, floor=1e-4 * g.floor))


@mutant
def idle_chips_are_sold(patch: Patch) -> None:
    """All capacity can be used: the market forgets the share that stands idle."""
    pose_with(patch, lambda g: dataclasses.replace(g, supply=g.capacity))


@mutant
def customers_never_stay(patch: Patch) -> None:
    """Every customer chooses anew in every quarter."""
    from sim.submodels import demand

    patch.setattr(demand, "realised_share", lambda staying, target: target)


@mutant
def the_nest_is_inert(patch: Patch) -> None:
    """Spending on AI does not answer to quality and price."""
    from sim.submodels import demand

    before(patch, demand, "nest_odds", lambda attraction, odds, growth: (np.ones_like(attraction), odds, growth))


@mutant
def clouds_without_loyalty(patch: Patch) -> None:
    """Firms choose owners anew in every quarter."""
    from sim.submodels import compute_market

    before(patch, compute_market, "choose_owners", lambda *args: (*args[:-1], 0.0 * args[-1]))


# --- training and knowledge ----------------------------------------------------------


@mutant
def imitation_never_acts(patch: Patch) -> None:
    """Nobody learns from anybody, although the mechanism is on."""
    from sim.submodels import knowledge

    after(patch, knowledge, "imitation_gap", lambda gap, *_: 0.0 * gap)


@mutant
def open_weights_are_accumulated(patch: Patch) -> None:
    """What others published becomes own compute: a free lunch."""
    from sim import step

    def hoard(state, before_, world, rules, funding, *_):
        free = world.parameters.open_discount * funding.open_frontier
        return dataclasses.replace(state, own_compute=np.where(state.is_active, state.own_compute + free, 0.0))

    after(patch, step, "train", hoard)


@mutant
def own_model_is_its_own_open_frontier(patch: Patch) -> None:
    """An open firm downloads its own model."""
    from sim.submodels import training

    patch.setattr(
        training,
        "open_frontier_of_others",
        lambda released, is_open: np.broadcast_to(
            np.where(is_open, released, 0.0).max(axis=-1, keepdims=True), released.shape
        ),
    )


@mutant
def open_weights_without_delay(patch: Patch) -> None:
    """Open models are released in the quarter in which they are trained."""
    from sim.stages import funding

    before(
        patch,
        funding,
        "released_compute",
        lambda state, *rest: (
            dataclasses.replace(
                state,
                own_compute_history=np.broadcast_to(state.own_compute[..., None, :], state.own_compute_history.shape),
            ),
            *rest,
        ),
    )


@mutant
def decay_twice(patch: Patch) -> None:
    """Effective compute loses value twice a quarter."""
    from sim.submodels import training

    before(patch, training, "next_own_compute", lambda own, *rest: ((1.0 - rest[-1]) * own, *rest))


@mutant
def data_never_decay(patch: Patch) -> None:
    """Old data are worth as much as new ones."""
    from sim.submodels import knowledge

    before(patch, knowledge, "next_data", lambda *args: (*args[:-1], 0.0))


@mutant
def data_count_nothing(patch: Patch) -> None:
    """Customers do not care about data."""
    from sim.submodels import demand

    before(patch, demand, "attraction_before_price", lambda xi, power, data, *rest: (xi, power, 0.0 * data, *rest))


@mutant
def shocks_compound(patch: Patch) -> None:
    """A surprise in appeal is added again to the mean to which appeal returns."""
    from sim.submodels import knowledge

    def compounding(strength, mean, shock, persistence):
        return mean + persistence * (strength - mean + shock[..., None, :]) + shock[..., None, :]

    patch.setattr(knowledge, "next_log_strength", compounding)


@mutant
def progress_is_shocked_twice(patch: Patch) -> None:
    """The surprise in algorithms acts twice in the same quarter."""
    from sim import step

    def again(state, before_, world, rules, funding, markets, luck, period):
        shock = world.parameters.progress_shock * luck.normal("progress", period, state.cash.shape[-1])
        return dataclasses.replace(
            state, efficiency=np.where(state.is_active, state.efficiency * np.exp(shock), state.efficiency)
        )

    after(patch, step, "train", again)


@mutant
def luck_is_shared_between_replicates(patch: Patch) -> None:
    """All replicates draw the same numbers."""
    from sim.luck import Luck

    after(patch, Luck, "uniform", lambda draws, *_: np.repeat(draws[:1], len(draws), axis=0))


@mutant
def expectations_of_the_wrong_sign(patch: Patch) -> None:
    """When profit and capability grew, firms expect them to shrink."""
    from sim.submodels import training

    before(patch, training, "adapted_growth", lambda expected, observed, weight: (expected, -observed, weight))


@mutant
def plans_ignore_market_power(patch: Patch) -> None:
    """A leader plans as if all sales that a better model wins were stolen from others."""
    from sim.submodels import pricing

    after(patch, pricing, "business_stealing", lambda b, *_: np.ones_like(b))


@mutant
def open_weights_do_not_crowd_out(patch: Patch) -> None:
    """Plans forget that part of a firm's capability is free."""
    from sim.submodels import training

    before(patch, training, "training_plan", lambda profit, horizon, own, effective: (profit, horizon, own, own))


# --- money -----------------------------------------------------------------------


@mutant
def firms_swapped_in_a_flow(patch: Patch) -> None:
    """Each firm pays the rent of the next one in the books."""
    from sim import step

    def swapped(a, *_):
        flows = tuple(
            dataclasses.replace(f, paid=np.roll(f.paid, 1, axis=-1)) if f.name == "rent" else f for f in a.flows
        )
        return dataclasses.replace(a, flows=flows)

    after(patch, step, "settle", swapped)


@mutant
def dividends_without_a_payer(patch: Patch) -> None:
    """Households receive dividends that no firm parts with."""
    from sim import step

    after(patch, step, "settle", lambda a, *_: dataclasses.replace(a, cash=a.cash + a.dividends))


@mutant
def staff_unpaid(patch: Patch) -> None:
    """Nobody who trains a model earns a wage; the books close."""
    settle_with(patch, training_staff_share=0.0)


@mutant
def debt_without_interest(patch: Patch) -> None:
    """Loans are free; the books close."""
    settle_with(patch, cost_of_funds=0.0)


@mutant
def nobody_pays_dividends(patch: Patch) -> None:
    """Firms hoard their cash; the books close."""
    settle_with(patch, dividend_share=0.0)


@mutant
def small_firms_without_fixed_cost(patch: Patch) -> None:
    """Small firms run for nothing; the books close."""
    settle_with(patch, small_firm_fixed_cost=0.0)


@mutant
def carbon_price_stays_with_households(patch: Patch) -> None:
    """The carbon price is paid, and the government never sees it; the books close."""
    from sim import step

    def keep(a, *_):
        carbon = next(f for f in a.flows if f.name == "carbon price")
        paid = carbon.paid.sum(axis=-1)
        flows = tuple(dataclasses.replace(f, payee="households", received=paid) if f is carbon else f for f in a.flows)
        return dataclasses.replace(a, fiscal_balance=a.fiscal_balance - paid, flows=flows)

    after(patch, step, "settle", keep)


@mutant
def investors_look_at_downloaded_power(patch: Patch) -> None:
    """Funding rewards weights that a firm has downloaded."""
    from sim.submodels import funding

    before(patch, funding, "contest_shares", lambda power, own, effective, *rest: (power, own, own, *rest))


@mutant
def credits_from_the_wrong_owner(patch: Patch) -> None:
    """Partners' compute credits are paid by the owner next in the table; the books close."""
    from sim import step

    after(
        patch, step, "fund", lambda f, *_: dataclasses.replace(f, partner_credit=np.roll(f.partner_credit, 1, axis=-2))
    )


# --- investment ------------------------------------------------------------------


@mutant
def last_delivery_twice(patch: Patch) -> None:
    """Chips that arrive are counted twice."""
    from sim.submodels import investment

    before(patch, investment, "next_capacity", lambda k, delivered, decay: (k, 2.0 * delivered, decay))


@mutant
def chips_below_cost(patch: Patch) -> None:
    """Makers sell at nine tenths of cost when buyers value chips little."""
    from sim.submodels import makers

    before(patch, makers, "chip_price", lambda cost, value, floor, bargaining: (cost, value, -0.1, bargaining))


@mutant
def orders_ignore_value(patch: Patch) -> None:
    """Owners order by capacity, whatever a chip is worth to them."""
    from sim.submodels import investment

    before(patch, investment, "order_shares", lambda *args: (*args[:-1], 0.0 * args[-1]))


@mutant
def captive_chips_are_for_everyone(patch: Patch) -> None:
    """The chips of captive makers go to whoever orders."""
    from sim.stages import investment

    before(
        patch,
        investment,
        "_deliver",
        lambda world, *rest: (dataclasses.replace(world, captive_to=0.0 * world.captive_to), *rest),
    )


@mutant
def chips_do_not_get_cheaper(patch: Patch) -> None:
    """Everything that should fall over time stays as it was."""
    from sim.stages import drivers

    patch.setattr(drivers, "declining", lambda quarter, rate: 1.0)


@mutant
def captive_business_stays_where_it_was(patch: Patch) -> None:
    """Owners' shares of captive outlay do not follow their capacity."""
    from sim import step

    before(
        patch,
        step,
        "connect",
        lambda state, world, *rest: (state, with_parameters(world, captive_share_drift=0.0), *rest),
    )


# --- demography --------------------------------------------------------------------


@mutant
def entrants_are_free_of_charge_to_the_fund(patch: Patch) -> None:
    """What entrants receive is not taken from later funds."""
    from sim import step

    def forgiven(result, *_):
        state, demography = result
        return dataclasses.replace(state, fund_committed=0.0 * state.fund_committed), demography

    after(patch, step, "turn_over", forgiven)


@mutant
def entrants_ignore_the_cost_of_entry(patch: Patch) -> None:
    """Anyone who comes enters."""
    from sim.submodels import demography

    after(patch, demography, "firm_value", lambda value, *_: np.full_like(value, 1e9))


@mutant
def exit_keeps_cash(patch: Patch) -> None:
    """A firm that leaves takes its cash with it: it waits in the slot for the next entrant, and the books close."""
    from sim.stages import demography

    def kept(result, state, *_):
        survivors, exits, written_off, recovered = result
        return (
            dataclasses.replace(survivors, cash=np.where(exits, state.cash, survivors.cash)),
            exits,
            written_off,
            0.0 * recovered,
        )

    after(patch, demography, "_leave", kept)


@mutant
def insolvent_firms_stay(patch: Patch) -> None:
    """Firms beyond their debt limit lose everything but go on."""
    from sim.stages import demography

    def kept(result, state, *_):
        survivors, *rest = result
        return (dataclasses.replace(survivors, is_active=state.is_active), *rest)

    after(patch, demography, "_leave", kept)


# --- owners of several firms ---------------------------------------------------------


@mutant
def sisters_compete(patch: Patch) -> None:
    """Firms under one owner set prices as if they were strangers."""
    from sim.submodels import pricing

    before(
        patch,
        pricing,
        "perceived_elasticity",
        lambda share, nest, taken, groups, *rest: (share, nest, taken, _strangers(groups), *rest),
    )


def _strangers(groups: Any) -> Any:
    from sim.groups import Groups

    return Groups(np.broadcast_to(np.arange(groups.head.shape[-1]), groups.head.shape))


@mutant
def sisters_train_against_each_other(patch: Patch) -> None:
    """A firm plans its training as if what it takes from a sister were won."""
    from sim.stages import funding

    patch.setattr(funding, "Groups", lambda head: _strangers(type("Heads", (), {"head": head})))


@mutant
def reviews_decide_at_once(patch: Patch) -> None:
    """A merger is decided in the quarter in which it is proposed."""
    from sim.stages import mergers

    def last(queue, *_):
        return mergers._Pair(np.roll(queue.acquirer, -1, axis=-1), np.roll(queue.target, -1, axis=-1))

    after(patch, mergers, "_waiting", last)


@mutant
def reviews_pass_everything(patch: Patch) -> None:
    """The review finds no harm in anything."""
    from sim.stages import mergers

    after(patch, mergers, "_harm", lambda harm, *_: 0.0 * harm)


@mutant
def bans_are_ignored(patch: Patch) -> None:
    """Firms that may not merge do."""
    from sim import step

    before(
        patch,
        step,
        "merge",
        lambda state, world, drivers, rules, *rest: (
            state, world, drivers, dataclasses.replace(rules, merger_ban=0.0 * rules.merger_ban), *rest
        ),
    )  # fmt: skip


@mutant
def successors_each_get_all_the_cash(patch: Patch) -> None:
    """A break-up multiplies money, and the books show a payment from households."""
    from sim.stages import mergers

    patch.setattr(mergers, "_DIVIDED", tuple(name for name in mergers._DIVIDED if name != "cash"))
    patch.setattr(mergers, "_COPIED", (*mergers._COPIED, "cash"))


@mutant
def data_of_an_acquired_firm_are_lost(patch: Patch) -> None:
    """A merged pair has the acquirer's data only."""
    from sim.stages import mergers

    def forget(state, before_, merger):
        return dataclasses.replace(state, data=before_.data)

    after(patch, mergers, "_join", forget)


# --- compute outside the market, pools, chips of one's own ------------------------------


@mutant
def allotments_come_on_top(patch: Patch) -> None:
    """Given compute replaces nothing that a firm would have rented."""
    from sim.submodels import allotment

    before(patch, allotment, "bought", lambda desired, means, given, cost: (desired, means, 0.0 * given, cost))


@mutant
def set_aside_capacity_stays_on_the_market(patch: Patch) -> None:
    """What is reserved for some firms is rented to others as well."""
    from sim.stages import markets

    def twice(result, *_):
        supply, allotments = result
        return supply + allotments.owner_reserved, allotments

    after(patch, markets, "allot", twice)


@mutant
def public_chips_are_free(patch: Patch) -> None:
    """The government's balance forgets the chips of the public pool."""
    from sim import step

    def forget(result, *_):
        return dataclasses.replace(result, public_outlay=0.0 * result.public_outlay)

    after(patch, step, "invest", forget)


@mutant
def everyone_uses_the_pool(patch: Patch) -> None:
    """The federated pool's model is open to firms that give nothing."""
    from sim import step

    before(
        patch,
        step,
        "fund",
        lambda state, *rest: (dataclasses.replace(state, is_pool_member=state.is_active.copy()), *rest),
    )


@mutant
def members_give_nothing(patch: Patch) -> None:
    """The pool grows and its members' own training does not shrink."""
    from sim.stages import training

    after(patch, training, "_federate", lambda result, *_: (result[0], 0.0 * result[1], result[2]))


@mutant
def opening_costs_nothing(patch: Patch) -> None:
    """A firm that opens its weights keeps all its customers."""
    from sim.stages import markets

    after(patch, markets, "_is_hosted", lambda hosted, *_: np.zeros_like(hosted))


@mutant
def own_chips_run_for_free(patch: Patch) -> None:
    """Firms pay nothing to run their own chips."""
    from sim import step

    def free(m, *_):
        return dataclasses.replace(m, own_chips_used=0.0 * m.own_chips_used)

    after(patch, step, "clear_markets", free)


@mutant
def the_grid_connects_everything(patch: Patch) -> None:
    """The mechanism is switched on and changes nothing."""
    from sim import step

    after(patch, step, "drive", lambda drivers, *_: dataclasses.replace(drivers, grid_limit=np.inf))


@mutant
def energy_caps_are_for_others(patch: Patch) -> None:
    """Owners run all their chips whatever the cap on energy."""
    from sim.submodels import allotment

    after(patch, allotment, "usable_share", lambda share, *_: np.ones_like(share))


# --- policies ------------------------------------------------------------------------------


@mutant
def policies_stay_a_quarter_too_long(patch: Patch) -> None:
    """A policy is still in force in the quarter in which it ends."""
    from sim.policies import base

    before(patch, base, "is_over", lambda end, quarter: (end, quarter + -1))


@mutant
def ramps_are_ignored(patch: Patch) -> None:
    """A policy that is phased in is there in full at once."""
    from sim.policies import base

    after(patch, base, "ramped", lambda strength, *_: np.where(strength > 0.0, 1.0, 0.0))


@mutant
def nobody_escapes(patch: Patch) -> None:
    """Enforcement never errs."""
    from sim.policies.base import BasePolicy

    after(patch, BasePolicy, "draw", lambda uniform, *_: np.ones_like(uniform))
