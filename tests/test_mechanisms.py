"""Federated pools, openness, own chips, grid, compute outside the market, foresight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim import units
from sim.errors import ReplicateError
from sim.foresight import TOLERANCE, WINDOW, mean_growth
from sim.quarters import Quarter
from sim.stages.demography import firm_value
from sim.stages.funding import released_compute
from sim.state import LAB, RELEASE_WINDOW, SME
from sim.submodels import allotment, investment, knowledge
from sim.world.build import Mechanisms
from tests.worlds import record, run_quarters, small_world, world_with

ETA, SHRINK = 0.6, 0.1


def constant(**levers):
    return lambda _observation, _quarter: levers


# --- federated pools ----------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_equal_firms_pool_when_together_they_get_back_more_than_each_gives(n: int) -> None:
    """n firms that give c get eta n^-0.1 n c each: it pays iff eta n^0.9 >= 1, so from two firms on."""
    pays = ETA * n**0.9 >= 1.0
    assert pays == (n >= 2)
    assert knowledge.coalition(np.full(n, 2.0), ETA, SHRINK).tolist() == [pays] * n


@pytest.mark.parametrize("seed", range(20))
def test_a_pool_is_stable_and_nobody_outside_would_gain_by_joining(seed: int) -> None:
    offer = np.random.default_rng(seed).lognormal(0.0, 1.2, 6)
    members = knowledge.coalition(offer, ETA, SHRINK)

    def gains(who: int, group: np.ndarray) -> bool:
        return bool(offer[who] <= knowledge.pool_yield(np.where(group, offer, 0.0), ETA, SHRINK)[0])

    for firm in range(6):
        joined = members | (np.arange(6) == firm)
        assert gains(firm, joined) == members[firm]


def test_a_pool_yields_more_the_more_alike_its_members_are() -> None:
    yields = [float(knowledge.pool_yield(np.array([1.0 + x, 1.0 - x]), ETA, SHRINK)[0]) for x in (0.0, 0.3, 0.6)]
    assert yields[0] > yields[1] > yields[2]
    assert yields[0] == pytest.approx(0.6 * 2**-0.1 * 2.0)


def test_members_use_the_pool_and_train_the_less_for_it_themselves() -> None:
    world = small_world()
    small = (world.initial.firm_class == 2).astype(float)
    run = run_quarters(world, 5, policies=[constant(federation=0.25 * small)])
    before, flows = run.states[3], run.flows[3]
    members = before.is_pool_member
    assert members.sum() > 4
    gap = (
        flows.funding.effective_compute
        - before.own_compute
        - world.parameters.open_discount * flows.funding.open_frontier
    )
    pool = np.broadcast_to(before.pool_compute[:, None], gap.shape)
    assert np.allclose(gap[members], pool[members], rtol=1e-9)
    assert np.allclose(np.where(before.is_active & ~members, gap, 0.0), 0.0, atol=1e-12)
    after, p = run.states[4], world.parameters
    joins = after.is_pool_member & before.is_active
    own = (1 - p.capability_decay) * before.own_compute + 0.75 * before.efficiency * flows.markets.training
    assert np.allclose(after.own_compute[joins], own[joins], rtol=1e-12)
    given = np.where(joins, 0.25 * before.efficiency * flows.markets.training, 0.0)
    for r in (0, 1):
        n = (given[r] > 0).sum()
        gained = p.federated_efficiency * n**-0.1 * given[r].sum() ** 3 / (given[r] ** 2).sum() / n
        assert after.pool_compute[r] == pytest.approx(0.9 * before.pool_compute[r] + gained, rel=1e-12)


def test_without_the_mechanism_an_invitation_changes_no_bit() -> None:
    world = world_with(Mechanisms(federated_pools=False))
    plain, invited = run_quarters(world, 3), run_quarters(world, 3, policies=[constant(federation=0.5)])
    assert np.array_equal(plain.states[-1].own_compute, invited.states[-1].own_compute)


# --- openness -------------------------------------------------------------------------------


def test_a_firm_opens_when_what_it_is_paid_exceeds_what_it_loses_to_hosts() -> None:
    """One sector, no data: opening loses Pi B |ln a_open| at the margin, so a grant of more opens it."""
    loss = knowledge.opening_gain(np.array([[2.0]]), np.array([[0.8]]), 0.3, np.zeros(1), 0.2, np.array([0.1]))
    assert loss[0] == pytest.approx(2.0 * 0.8 * np.log(0.3))
    world = small_world()
    for grant, opened in ((0.0, False), (50.0, True)):
        run = run_quarters(world, 3, policies=[constant(release_grant=grant)])
        assert (run.states[-1].is_hosted.any()) is np.bool_(opened)


def test_opening_costs_appeal_and_feeds_rivals_from_the_next_quarter() -> None:
    world = small_world()
    slot = world.firm_names.index("OpenAI")
    grant = np.where(np.arange(len(world.firm_names)) == slot, 1e3, 0.0)
    plain, opened = run_quarters(world, 3), run_quarters(world, 3, policies=[constant(release_grant=grant)])
    assert opened.states[1].is_open[:, slot].all() and not plain.states[1].is_open[:, slot].any()
    assert (opened.flows[1].markets.target_share[:, :, slot] < plain.flows[1].markets.target_share[:, :, slot]).all()
    assert (opened.flows[1].funding.open_frontier >= plain.flows[1].funding.open_frontier).all()
    p = world.parameters
    before_price = [
        run.flows[1].markets.attraction[:, :, slot] * run.flows[1].markets.price[:, :, slot] ** (p.substitution - 1.0)
        for run in (plain, opened)
    ]
    d = plain.states[1].data[:, slot, None] / world.data_reference
    informed = ((1 + (1 + p.open_data_gain) * d) / (1 + d)) ** world.data_elasticity
    assert np.allclose(before_price[1], before_price[0] * p.open_hosting_share * informed, rtol=1e-9)
    assert opened.flows[1].funding.grant[:, slot] == pytest.approx(1e3)


def test_a_mandate_publishes_the_model_of_so_many_quarters_ago() -> None:
    world = world_with(Mechanisms(mergers=False))
    slot = world.firm_names.index("OpenAI")
    mandate = np.where(np.arange(len(world.firm_names)) == slot, 5.0, np.inf)
    nobody = np.zeros((2, len(world.firm_names)), dtype=bool)
    run = run_quarters(world, 9, policies=[constant(open_weights=mandate)], is_open=nobody)
    for t in range(9):
        frontier = run.flows[t].funding.open_frontier
        published = run.states[t - 5].own_compute[:, slot] if t >= 5 else None
        others = run.states[t].is_active & (np.arange(len(world.firm_names)) != slot)
        assert not frontier[:, slot].any()
        if published is not None:
            assert np.allclose(frontier[others], np.broadcast_to(published[:, None], others.shape)[others], rtol=1e-12)


# --- own chips and grid -----------------------------------------------------------------------


def test_owning_costs_what_a_chip_and_its_site_cost_to_use_and_run() -> None:
    """25 k$ and 13 k$ at 5.5% a quarter over utilisation 0.95, and 0.57 to run: 2.77 $bn per M H100e-quarter."""
    cost = investment.owning_cost(np.array(38.0), np.array(0.57), 0.95, 0.055)
    assert float(cost) == pytest.approx(38.0 * 0.055 / 0.95 + 0.57)


def test_firms_that_own_chips_rent_that_much_less() -> None:
    run = run_quarters(world_with(Mechanisms(own_chips=True)), 10)
    p, last = run.world.parameters, run.flows[-1]
    m, state = last.markets, run.states[-2]
    assert state.own_chips.sum() > 0.1
    assert np.allclose(m.rented + m.own_chips_used, m.compute_used, rtol=1e-12)
    assert np.all(m.own_chips_used <= p.utilisation * state.own_chips + 1e-15)
    owns = state.own_chips > 0.0
    largest = max(flows.markets.compute_used[owns].max() for flows in run.flows)
    assert largest >= p.own_chips_scale
    carried = (1 - p.chip_decay) * state.own_chips + last.investment.firm_chips
    assert np.allclose(run.states[-1].own_chips, carried, rtol=1e-12)
    sold = last.investment.shipments.sum(-1)
    got = last.investment.delivered.sum((-1, -2)) + last.investment.firm_chips.sum(-1)
    assert np.allclose(sold, got, rtol=1e-12), "every chip goes somewhere"


def test_the_grid_connects_no_more_than_its_gigawatts() -> None:
    world = world_with(Mechanisms(grid=True))
    run = run_quarters(world, 12)
    p = world.parameters
    drawn = [f.investment.shipments.sum(-1) * f.drivers.kilowatt for f in run.flows]
    allowed = [p.grid_connections * np.exp(p.grid_growth * t) for t in range(12)]
    assert all(np.all(power <= limit * (1 + 1e-12)) for power, limit in zip(drawn, allowed, strict=True))
    assert np.isclose(drawn[-1], allowed[-1]).all(), "it binds by the end"
    free = run_quarters(world_with(), 12)
    assert (run.flows[-1].markets.rent > free.flows[-1].markets.rent).all(), "rents rise when it binds"


# --- compute outside the market -----------------------------------------------------------------


def test_an_allotment_adds_nothing_where_it_replaces_what_a_firm_would_have_rented() -> None:
    desired, means, cost = np.array([8.0, 8.0, 8.0]), np.array([9.0, 2.0, 9.0]), np.full(3, 2.0)
    given = np.array([1.0, 1.0, 6.0])
    total = given + allotment.bought(desired, means, given, cost)
    assert total.tolist() == [4.0, 2.0, 6.0]  # replaced; added for want of means; more than it wanted


def test_a_public_pool_is_bought_paid_for_shared_out_and_wears_out() -> None:
    world = small_world()
    small = (world.initial.firm_class == 2).astype(float)
    run = run_quarters(world, 6, policies=[constant(public_order=0.001, public_weight=small)])
    p = world.parameters
    for t, flows in enumerate(run.flows):
        inv, pool = flows.investment, run.states[t].public_capacity
        assert np.allclose(inv.public_chips.sum(-1), 0.001 * inv.shipments.sum(-1), rtol=1e-12)
        assert np.allclose(run.states[t + 1].public_capacity, (1 - p.chip_decay) * pool + inv.public_chips.sum(-1))
        given = flows.markets.allotments.public
        assert np.allclose(given.sum(-1), p.utilisation * pool)
        receives = run.states[t].is_active & (small > 0)
        for r in (0, 1):
            assert given[r][receives[r]] == pytest.approx(np.full(receives[r].sum(), given[r].max()), rel=1e-12)
        paid = (inv.public_chips * (inv.price + flows.drivers.site_cost)).sum(-1)
        assert np.allclose(inv.public_outlay, paid)
        assert np.all(flows.fiscal_balance <= -paid)


def test_capacity_set_aside_leaves_the_market_and_is_paid_at_running_cost() -> None:
    world = small_world()
    small = (world.initial.firm_class == SME).astype(float)
    plain, aside = (
        run_quarters(world, 1, policies=[constant(reserved_capacity=share, reserved_weight=small)]).flows[0]
        for share in (0.0, 0.002)
    )
    sellers = world.is_seller
    assert np.allclose(aside.markets.supply, plain.markets.supply)
    withdrawn = aside.markets.allotments.owner_reserved
    assert (
        np.allclose(withdrawn[:, sellers], 0.002 * plain.markets.supply[:, sellers])
        and not withdrawn[:, ~sellers].any()
    )
    assert (aside.markets.rent > plain.markets.rent)[:, sellers].all()
    charge = aside.accounts.allotment_charge.sum(-1)
    assert np.allclose(charge, aside.markets.floor[:, 0] * withdrawn.sum(-1), rtol=1e-12)


def test_a_platform_rents_out_idle_chips_beyond_normal_use() -> None:
    world = small_world()
    labs = (world.initial.firm_class == LAB).astype(float)
    flows = run_quarters(world, 1, policies=[constant(pooled_idle=1.0, pooled_fee=0.5, pooled_weight=labs)]).flows[0]
    sellers = np.where(world.is_seller, world.initial.capacity, 0.0)
    pooled = flows.markets.allotments
    assert np.allclose(pooled.owner_pooled, (1 - world.parameters.utilisation) * sellers)
    assert np.allclose(pooled.charge.sum(-1), 1.5 * flows.markets.floor[:, 0] * pooled.pooled.sum(-1))


def test_nobody_takes_more_compute_than_it_can_pay_for() -> None:
    """A third of capacity set aside, idle chips and a public pool, all for small firms, which live on as they did."""
    world = small_world()
    small = (world.initial.firm_class == SME).astype(float)
    levers = {"reserved_capacity": 0.3, "reserved_weight": small, "pooled_idle": 1.0, "pooled_weight": small}
    run = run_quarters(world, 8, policies=[constant(**levers, public_order=0.5, public_weight=small)])
    rate = world.parameters.training_staff_share
    for state, flows in zip(run.states[:-1], run.flows, strict=True):
        given, funding = flows.markets.allotments, flows.funding
        assert np.all(given.charge <= funding.plan * (1 + 1e-12))
        last_rent = (state.owner_weight * state.rent[:, :, None]).sum(axis=1)
        outlay = given.charge + rate * last_rent * given.compute
        assert np.all(outlay <= (1.0 + rate) * funding.plan * (1 + 1e-12))
        spent = given.charge + flows.markets.user_rent * (flows.markets.training - given.compute)
        assert np.all(spent <= funding.means * (1 + 1e-9))
    lone = run_quarters(world, 8)
    assert [state.is_active.sum() for state in run.states] == [state.is_active.sum() for state in lone.states]


def test_nobody_rents_at_a_fee_above_the_market() -> None:
    run = run_quarters(small_world(), 2, policies=[constant(pooled_idle=1.0, pooled_fee=50.0, pooled_weight=1.0)])
    assert not any(flows.markets.allotments.pooled.any() for flows in run.flows)


def test_an_energy_cap_is_kept_and_raises_rents() -> None:
    world = small_world()
    free, capped = (run_quarters(world, 4, policies=[constant(energy_cap=cap)]) for cap in (np.inf, 6.0))
    for flows in capped.flows:
        energy = flows.markets.use.sum(-1) * units.energy_twh(1.0, flows.drivers.kilowatt)
        assert np.all(energy <= 6.0 * (1 + 1e-9))
    assert (capped.flows[-1].markets.rent > free.flows[-1].markets.rent).all()


def test_an_energy_cap_holds_for_chips_that_firms_own_too() -> None:
    world = world_with(Mechanisms(own_chips=True))
    owned = 0.5 * run_quarters(world, 1).flows[0].markets.compute_used
    run = run_quarters(world, 2, policies=[constant(energy_cap=6.0)], own_chips=owned)
    for flows in run.flows:
        markets = flows.markets
        in_use = markets.use.sum(-1) + markets.own_chips_used.sum(-1)
        assert in_use * units.energy_twh(1.0, flows.drivers.kilowatt) == pytest.approx(np.full(2, 6.0), rel=1e-6)
    used, state, p = run.flows[0].markets.own_chips_used, run.states[0], world.parameters
    in_place = state.capacity.sum(-1) + state.own_chips.sum(-1)
    usable = 6.0 / (p.utilisation * in_place * units.energy_twh(1.0, run.flows[0].drivers.kilowatt))
    assert np.all(used <= usable[:, None] * p.utilisation * owned * (1 + 1e-12)) and np.all(usable < 1.0)


def test_nobody_is_given_more_than_it_may_train_with() -> None:
    """What a cap leaves of a reserve stays on the market, and is not paid for by those who may not use it."""
    world = small_world()
    levers = {"reserved_capacity": 0.3, "reserved_weight": 1.0, "training_cap": 1e-3}
    run = run_quarters(world, 1, policies=[constant(**levers)])
    markets, state = run.flows[0].markets, run.states[0]
    allotted = markets.allotments
    assert np.all(allotted.compute <= 1e-3 + 1e-15) and np.all(markets.training <= 1e-3 + 1e-15)
    assert allotted.owner_reserved.sum(-1) == pytest.approx(allotted.reserved.sum(-1), rel=1e-12)
    assert allotted.charge.sum(-1) == pytest.approx(allotted.reserved_price * allotted.reserved.sum(-1), rel=1e-12)
    usable = world.parameters.utilisation * state.capacity
    assert np.allclose(markets.supply, usable, rtol=1e-12)


def test_a_public_pool_that_nobody_may_use_takes_no_energy() -> None:
    world = small_world()
    rule = [constant(energy_cap=6.0)]
    without, idle = (run_quarters(world, 1, policies=rule, public_capacity=np.full(2, pool)) for pool in (0.0, 1.0))
    assert np.array_equal(without.flows[0].markets.supply, idle.flows[0].markets.supply)


def test_a_tax_on_rent_makes_firms_own_chips() -> None:
    """With the tax owning is cheaper for everyone who is large enough, and without it for nobody."""
    world = world_with(Mechanisms(own_chips=True), parameters={"own_chips_scale": 0.0})
    bought = [
        run_quarters(world, 1, policies=[constant(compute_tax=tax)]).flows[0].investment.firm_chips
        for tax in (-0.9, 9.0)
    ]
    assert not bought[0].any() and bought[1].any()


def test_a_duty_to_publish_is_at_most_as_old_as_models_are_kept() -> None:
    world = small_world()
    published = []
    for age in (RELEASE_WINDOW, RELEASE_WINDOW + 3, np.inf):
        run = run_quarters(world, 1, policies=[constant(open_weights=float(age))])
        published.append(released_compute(run.states[0], world, run.flows[0].rules))
    oldest, older, by_choice = published
    assert np.array_equal(oldest, older) and (oldest > by_choice).any()


def test_who_must_publish_anyway_takes_any_grant_for_it() -> None:
    world = small_world()
    leader = np.arange(len(world.firm_names)) == world.firm_names.index("OpenAI")
    duty = {"open_weights": np.where(leader, 1.0, np.inf)}
    without, granted = (
        run_quarters(world, 1, policies=[constant(**duty, release_grant=grant * leader)]) for grant in (0.0, 1e-6)
    )
    assert not without.states[1].is_open[:, leader].any() and granted.states[1].is_open[:, leader].all()


@pytest.mark.parametrize(
    ("levers", "words"),
    [
        ({"revenue_levy": 0.85}, "levies and operating cost take 105% of a firm's revenue"),
        ({"profit_tax": 1.9}, "profit taxes take 190% of a firm's earnings"),
        ({"compute_tax": -1.2}, "subsidies pay 120% of the rent"),
        ({"captive_tax": -1.0}, "subsidies pay 100% of the rent"),
        ({"reserved_capacity": 1.2}, "policies set 120% of sellers' capacity aside"),
    ],
)
def test_policies_that_together_leave_nothing_are_refused(levers, words) -> None:
    halves = [constant(**{name: value / 2 for name, value in levers.items()})] * 2
    with pytest.raises(ReplicateError, match=words):
        run_quarters(small_world(), 1, policies=halves)


def test_a_market_that_every_firm_has_left_says_so() -> None:
    with pytest.raises(ReplicateError, match="no firm is left: all went beyond their debt limits"):
        run_quarters(small_world(), 6, policies=[constant(compliance_cost=1000.0)])


def test_firms_without_foresight_value_todays_profit() -> None:
    """Value is Pi / (r + hazard) under `static`, whatever was expected once."""
    static = world_with(Mechanisms(expectations="static"))
    p, profit = static.parameters, np.array([[1.0, 2.0]])
    assert firm_value(static, profit, np.array([[0.02]])) == pytest.approx(profit / (p.cost_of_funds + p.exit_hazard))
    assert np.all(firm_value(small_world(), profit, np.array([[0.02]])) > profit / (p.cost_of_funds + p.exit_hazard))


def test_separation_takes_ties_and_grants_from_an_integrated_firm() -> None:
    world = small_world()
    slot = world.firm_names.index("Google DeepMind")
    owner = world.owner_names.index("Google")
    only = (np.arange(len(world.firm_names)) == slot).astype(float)
    plain, apart = run_quarters(world, 8), run_quarters(world, 8, policies=[constant(separation=only)])
    assert (
        apart.flows[-1].markets.owner_weight[:, owner, slot] < plain.flows[-1].markets.owner_weight[:, owner, slot]
    ).all()
    assert (
        not apart.flows[0].funding.parent_grant[:, :, slot].any()
        and plain.flows[0].funding.parent_grant[:, :, slot].any()
    )
    assert (apart.flows[-1].funding.raised[:, slot] > 0.0).all(), "investors may fund it now"


def test_partners_that_may_not_give_credits_are_replaced_by_half() -> None:
    world = small_world()
    slot = world.firm_names.index("OpenAI")
    plain, limited = (
        run_quarters(world, 1, policies=[constant(partner_credit=x)]).flows[0].funding for x in (1.0, 0.0)
    )
    p = world.parameters
    lost = 1 - p.partner_credit_share * (1 - p.funding_replacement)
    assert limited.raised[:, slot] == pytest.approx(lost * plain.raised[:, slot])
    assert not limited.partner_credit.any()


# --- foresight --------------------------------------------------------------------------------------


def test_mean_growth_looks_ahead_and_stops_where_a_firm_does() -> None:
    level = np.array([[1.0, 1.0], [2.0, 3.0], [4.0, 9.0], [8.0, 5.0], [16.0, 5.0]])
    generation = np.array([[0, 0], [0, 0], [0, 0], [0, 1], [0, 1]])
    growth = mean_growth(level, generation, 2)
    assert growth[:, 0] == pytest.approx(np.full(5, np.log(2.0)))
    assert growth[:, 1] == pytest.approx([np.log(3.0), 0.0, 0.0, 0.0, 0.0])


def test_expectations_that_come_true_come_true_and_do_not_depend_on_company() -> None:
    world = world_with(Mechanisms(expectations="perfect_own_path", mergers=False), parameters={"entry_candidates": 0.0})
    together, alone = record(world, 12, (0, 1)), record(world, 12, (1,))
    assert np.array_equal(together.measures["hhi_revenue"][1], alone.measures["hhi_revenue"][0])
    adaptive = record(world_with(Mechanisms(mergers=False), parameters={"entry_candidates": 0.0}), 12, (0, 1))
    assert not np.array_equal(together.measures["hhi_revenue"], adaptive.measures["hhi_revenue"])


def test_foreseen_growth_is_the_growth_that_happens() -> None:
    """The path that a run under the found expectations gives has the growth that firms expected, firm by firm."""
    from sim.engine import _foresee, _march, _Stand
    from sim.luck import Luck

    world = world_with(Mechanisms(expectations="perfect_own_path", mergers=False), parameters={"entry_candidates": 0.0})
    quarters = tuple(Quarter.parse("2024Q1") + k for k in range(12))
    luck = Luck(3, [0])
    foresight = _foresee(world, quarters, luck, ())
    path = [m for _, m, *_ in _march(_Stand.first(world, luck), world, quarters, luck, (), foresight)]
    own = np.array([m.before.own_compute[0] for m in path])
    active = path[0].before.is_active[0]
    for t in range(12 - WINDOW):
        grew = np.log(own[t + WINDOW, active] / own[t, active]) / WINDOW
        expected = np.clip(grew, 0.0, world.parameters.expected_capability_growth_high)
        assert np.abs(foresight.capability_growth[t, 0, active] - expected).max() <= 2 * TOLERANCE


def test_a_replaced_state_is_all_that_foresight_touches() -> None:
    world = world_with(Mechanisms(expectations="static", mergers=False))
    same = replace(world, mechanisms=replace(world.mechanisms, expectations="perfect_own_path"))
    assert np.array_equal(world.initial.cash, same.initial.cash), "the calibration does not depend on the rule"


# --- entry under rules --------------------------------------------------------------------------------


def test_newcomers_count_on_the_treatment_of_small_firms() -> None:
    """Gains that everyone has deter nobody; a levy and a tax that small firms pay do."""
    world = small_world(entry_candidates=12.0)
    plain, gain, levy, tax = (
        record(world, 8, policies=[constant(**levers)]).measures["entries"].sum()
        for levers in ({}, {"serving_efficiency": 4.0}, {"revenue_levy": 0.7}, {"compute_tax": 50.0})
    )
    assert gain >= plain > levy
    assert plain > tax
