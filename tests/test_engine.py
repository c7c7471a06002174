"""Whole quarters: equilibrium, books, bits, levers, failures."""

import weakref
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from sim import engine, ensemble
from sim.engine import QuarterError, simulate_block
from sim.errors import FailureError
from sim.luck import Luck
from sim.observe import MEASURES, SECTOR, described, yearly
from sim.policies.levers import LEVERS, combine
from sim.scenario import load_scenario
from sim.state import (
    SME,
    Accounts,
    Demography,
    Drivers,
    Funding,
    Investment,
    Markets,
    Merging,
    State,
    variables,
)
from sim.submodels import training
from sim.world.build import Mechanisms, World
from tests.worlds import START, Run, record, run_quarters, same_bits, small_world, timeline, world_with


@pytest.fixture(scope="module")
def eight() -> Run:
    return run_quarters(small_world(), 8)


# --- what every quarter keeps --------------------------------------------------


def test_every_array_has_its_declared_shape(eight: Run) -> None:
    sizes = {**eight.world.sizes, "lag": None, "review": eight.world.parameters.merger_review_delay}
    stages = {
        Drivers: "drivers", Funding: "funding", Markets: "markets", Accounts: "accounts",
        Investment: "investment", Demography: "demography", Merging: "merging",
    }  # fmt: skip
    holders = [(State, eight.states[-1]), *((cls, getattr(eight.flows[-1], name)) for cls, name in stages.items())]
    for cls, holder in holders:
        for name, var in variables(cls).items():
            shape = np.shape(getattr(holder, name))
            own = shape if cls is Drivers else shape[1:]
            assert cls is Drivers or shape[0] == 2, f"{cls.__name__}.{name} leads with replicates"
            assert len(own) == len(var.axes), f"{cls.__name__}.{name}"
            for length, axis in zip(own, var.axes, strict=True):
                assert sizes[axis] in (None, length), f"{cls.__name__}.{name} along {axis}"


def test_firm_arrays_are_contiguous_so_that_sums_keep_their_bits(eight: Run) -> None:
    for name in variables(State):
        assert getattr(eight.states[-1], name).flags.c_contiguous, name


def test_both_markets_clear(eight: Run) -> None:
    for flows in eight.flows:
        assert flows.markets.market_residual.max() <= 1e-8
        assert flows.markets.price_residual.max() <= 1e-9


def test_markets_are_what_plain_loops_over_firms_owners_and_sectors_give(eight: Run) -> None:
    """A second implementation in scalar Python of docs/model.md 7.2, 7.3 and 7.6 at the solver's rents."""
    world, p, r, t = eight.world, eight.world.parameters, 1, 5
    before, m, plan = eight.states[t], eight.flows[t].markets, eight.flows[t].funding
    firms = [i for i in range(world.sizes["firm"]) if before.is_active[r, i]]
    owners, sectors = range(world.sizes["owner"]), range(world.sizes["sector"])
    lam, rho = p.nest_growth, p.substitution
    for i in firms:
        pulls = [
            before.capacity[r, j] * m.rent[r, j] ** -p.owner_price_elasticity * np.exp(world.affinity[j, i])
            for j in owners
        ]
        weights = [
            p.cloud_loyalty * before.owner_weight[r, j, i] + (1 - p.cloud_loyalty) * pulls[j] / sum(pulls)
            for j in owners
        ]
        rent = sum(a * m.rent[r, j] for j, a in enumerate(weights))
        assert m.user_rent[r, i] == pytest.approx(rent, rel=1e-9)
        kappa = world.serving_need_reference * plan.power[r, i] ** p.serving_size_elasticity / before.efficiency[r, i]
        served = 0.0
        for s in sectors:
            share = sum(m.target_share[r, s, k] for k in firms if before.group[r, k] == before.group[r, i])
            nest = m.nest[r, s]
            eps = rho * (1 - share) + (1 + lam * (rho - 1) * (1 - nest)) * share
            price = kappa * rent / (1 - p.operating_cost_share) * eps / (eps - 1)
            assert m.price[r, s, i] == pytest.approx(price, rel=1e-8)
            attraction = (
                np.exp(before.log_strength[r, s, i])
                * plan.power[r, i] ** world.theta[s]
                * (1 + before.data[r, i] / world.data_reference) ** world.data_elasticity[s]
                * price ** -(rho - 1)
            )
            assert m.attraction[r, s, i] == pytest.approx(attraction, rel=1e-7)
            served += m.revenue[r, s, i] / price
        assert m.serving[r, i] == pytest.approx(kappa * served, rel=1e-7)
        assert m.training[r, i] == pytest.approx(plan.plan[r, i] / rent, rel=1e-9)
    for s in sectors:
        z = sum(m.attraction[r, s, i] for i in firms)
        odds = world.initial_odds[s] * z**lam
        assert m.nest[r, s] == pytest.approx(odds / (1 + odds), rel=1e-8)
        left = 1 - 0.65 * sum(before.share[r, s, i] for i in firms)
        for i in firms:
            target = m.attraction[r, s, i] / z
            assert m.target_share[r, s, i] == pytest.approx(target, abs=1e-9)
            assert m.share[r, s, i] == pytest.approx(0.65 * before.share[r, s, i] + left * target, abs=1e-9)
    for j in owners:
        demand = m.captive_use[r, j] + sum(
            m.owner_weight[r, j, i] * (m.training[r, i] + m.serving[r, i]) for i in firms
        )
        assert demand == pytest.approx(p.utilisation * before.capacity[r, j], rel=1e-8)


def test_no_firm_gains_by_another_price(eight: Run) -> None:
    """Frictionless profit of an owner at rivals' prices, one price moved: flat at the optimum, lower elsewhere."""
    p, m, groups = eight.world.parameters, eight.flows[5].markets, eight.states[5].group
    joint = [(r, int(i)) for r in (0, 1) for i in np.flatnonzero(groups[r] != np.arange(groups.shape[-1]))]
    assert joint, "some firms have merged"
    cases = [(r, i) for r in (0, 1) for i in (0, 1, 3, 16)] + joint[:3]
    for r, s, i in [(r, s, i) for s in (0, 3) for r, i in cases]:
        v, z = m.attraction[r, s, i], m.attraction[r, s].sum()
        kept = m.unit_cost[r] / (1 - p.operating_cost_share)
        sisters = [k for k in np.flatnonzero(groups[r] == groups[r, i]) if k != i]

        def profit(log_move, v=v, z=z, kept=kept, r=r, s=s, i=i, sisters=sisters):
            price = m.price[r, s, i] * np.exp(log_move)
            own = v * np.exp(-(p.substitution - 1) * log_move)
            odds = m.odds[r, s] * ((z - v + own) / z) ** p.nest_growth
            earned = own * (1 - kept[i] / price)
            earned += sum(m.attraction[r, s, k] * (1 - kept[k] / m.price[r, s, k]) for k in sisters)
            return odds / (1 + odds) / (z - v + own) * earned

        here = profit(0.0)
        assert abs(profit(1e-30j).imag / 1e-30) < 1e-7 * here
        assert all(profit(move) < here for move in (-0.3, -0.1, -0.01, 0.01, 0.1, 0.3, 1.0))


def test_marginal_profit_of_capability_is_the_envelope(eight: Run) -> None:
    """d profit of its owner / d ln E of a firm at all prices equals Lambda B Pi (docs/model.md 7.4)."""
    world, p, group = eight.world, eight.world.parameters, eight.states[5].group[0]
    m, plan, r = eight.flows[5].markets, eight.flows[5].funding, 0
    gamma = world.power_function.elasticity(plan.effective_compute)
    flywheel = training.quality_elasticity(gamma, world.theta, p.serving_size_elasticity, p.substitution)
    merged = np.flatnonzero(group != np.arange(len(group)))
    for s, i in [(s, i) for s in range(6) for i in (0, 1, 3, 5, *merged[:2])]:
        v, z, price = m.attraction[r, s, i], m.attraction[r, s].sum(), m.price[r, s, i]

        sold = m.price[r, s] > 0.0
        costs = m.unit_cost[r] / (1 - p.operating_cost_share)
        margin = np.where(sold, 1 - costs / np.where(sold, m.price[r, s], 1.0), 0.0)

        def profit(log_e, s=s, i=i, v=v, z=z, price=price, margin=margin):
            power = np.exp(gamma[r, i] * log_e)
            own = v * power ** world.theta[s]
            cost = m.unit_cost[r, i] * power**p.serving_size_elasticity / (1 - p.operating_cost_share)
            odds = m.odds[r, s] * ((z - v + own) / z) ** p.nest_growth
            sisters = (group == group[i]) & (np.arange(len(group)) != i)
            earned = own * (1 - cost / price) + (m.attraction[r, s] * margin)[sisters].sum()
            return odds / (1 + odds) / (z - v + own) * earned

        share, nest = m.attraction[r, s][group == group[i]].sum() / z, m.odds[r, s] / (1 + m.odds[r, s])
        b = (1 - share) + p.nest_growth * share * (1 - nest)
        slope = (profit(1e-5) - profit(-1e-5)) / 2e-5
        alone = m.odds[r, s] / (1 + m.odds[r, s]) * v / z * margin[i]
        assert slope == pytest.approx(flywheel[r, s, i] * b * alone, rel=1e-6)


def test_shares_sum_to_one_and_nobody_outside_the_market_sells(eight: Run) -> None:
    for before, flows in zip(eight.states, eight.flows, strict=False):
        assert np.allclose(flows.markets.share.sum(axis=-1), 1.0, atol=1e-12)
        assert np.allclose(flows.markets.target_share.sum(axis=-1), 1.0, atol=1e-9)
        empty = ~before.is_active
        for array in (flows.markets.training, flows.markets.serving, flows.funding.power, flows.funding.raised):
            assert not array[empty].any()
        assert not flows.markets.revenue.sum(axis=-2)[empty].any()


def test_chips_are_conserved(eight: Run) -> None:
    decay = eight.world.parameters.chip_decay
    for before, after, flows in zip(eight.states, eight.states[1:], eight.flows, strict=False):
        delivered = flows.investment.delivered
        assert np.allclose(delivered.sum(axis=1), flows.investment.shipments)
        assert np.allclose(after.capacity, (1 - decay) * before.capacity + delivered.sum(axis=2))
        assert np.allclose(after.chips_bought.sum(-1), after.chips_sold.sum(-1))


def test_credit_is_within_its_limit_unless_losses_force_it(eight: Run) -> None:
    for before, flows in zip(eight.states, eight.flows, strict=False):
        means = before.cash + flows.funding.raised + flows.funding.parent_grant.sum(axis=1)
        means = means + np.maximum(flows.funding.debt_limit - before.debt, 0.0)
        assert np.all(flows.funding.plan <= 0.6 * np.maximum(means, 0.0) + 1e-12)


# --- bits ----------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_block_size_changes_no_bit(size: int) -> None:
    scenario = load_scenario(
        {"world": {"parameters": {"entry_slots": 40}}, "horizon": {"start": "2024Q1", "end": "2026Q4"}}
    )
    reference = ensemble.simulate(scenario, replicates=9, seed=0, block_size=4)
    assert same_bits(reference, ensemble.simulate(scenario, replicates=9, seed=0, block_size=size))


def test_blocks_end_at_their_last_firm_and_the_bits_are_those_of_all_slots(monkeypatch) -> None:
    world, quarters = small_world(), timeline(8)
    asked: list[int] = []
    original = World.opened

    def noted(self, n_slots):
        asked.append(original(self, n_slots).is_entry_slot.size)
        return self

    few = simulate_block(world, quarters, 1, [0, 1, 2], [])
    monkeypatch.setattr(World, "opened", noted)
    assert same_bits(few, simulate_block(world, quarters, 1, [0, 1, 2], []))
    assert min(asked) < len(world.firm_names), "some slots were left out"


def counting_slots(observation, _quarter):
    """A policy of a user's own, which depends on the number of slots, as sums in an order of its own may."""
    return {"revenue_levy": 1e-4 * observation.firms["own_compute"].shape[-1]}


def test_a_policy_of_ones_own_finds_as_many_slots_in_every_block() -> None:
    job = ensemble.prepare(load_scenario("baseline").replace(quarters=8))
    job = job._replace(policies=[counting_slots])
    together = ensemble.run_block(job, [0, 1, 2, 3])
    apart = ensemble.merge([ensemble.run_block(job, [number]) for number in range(4)])
    assert same_bits(together, apart)


def test_the_past_is_kept_only_where_policies_look_back(monkeypatch) -> None:
    revenues: list[weakref.ref[np.ndarray]] = []
    original = engine.sight

    def noted(moments, row):
        seen = original(moments, row)
        revenues.append(weakref.ref(seen.firms["revenue"]))
        return seen

    def alive_at_the_end(policies) -> int:
        revenues.clear()
        count = []
        simulate_block(
            small_world(), timeline(8), 1, [0], policies, lambda _: count.append(sum(p() is not None for p in revenues))
        )
        return count[-1]

    monkeypatch.setattr(engine, "sight", noted)
    assert alive_at_the_end([]) <= 1
    assert alive_at_the_end([counting_slots]) == 8


def test_number_of_workers_changes_no_bit() -> None:
    scenario = load_scenario({"horizon": {"start": "2024Q1", "end": "2024Q4"}})
    one = ensemble.simulate(scenario, replicates=6, workers=1, block_size=2)
    assert same_bits(one, ensemble.simulate(scenario, replicates=6, workers=2, block_size=2))


def test_seed_zero_is_a_seed_of_its_own_and_repeats() -> None:
    first, again, other = (record(small_world(), 3, seed=seed) for seed in (0, 0, 1))
    assert same_bits(first, again)
    assert not same_bits(first, other)


# --- levers --------------------------------------------------------------------


def constant(**levers: float):
    return lambda observation, quarter: levers


def test_neutral_levers_change_no_bit() -> None:
    neutral = constant(**{name: lever.neutral for name, lever in LEVERS.items()})
    assert same_bits(record(small_world(), 4), record(small_world(), 4, policies=[neutral, neutral]))


STRENGTHS = {
    "compliance_cost": 1e-3, "owner_cost": 0.1, "loyalty": 0.5, "data_retention": 0.9, "separation": 1.0,
    "entry_grant": 0.01, "public_budget": 1.0, "public_order": 0.05, "public_weight": 1.0,
    "pooled_idle": 0.5, "pooled_fee": 0.2, "pooled_weight": 1.0, "reserved_capacity": 0.02, "reserved_weight": 1.0,
    "energy_cap": 4.0, "release_grant": 1.0, "federation": 0.3, "merger_ban": 1.0, "merger_tolerance": 0.0,
    "review_error": 10.0, "screen_hhi": 0.0, "screen_change": 0.0, "screen_share": 0.0, "break_up": 2.0,
    "compute_tax": 0.2, "captive_tax": 0.2, "usage_tax": 0.1, "revenue_levy": 0.05, "profit_tax": 0.2,
    "training_cap": 0.05, "training_efficiency": 1.2, "serving_efficiency": 1.5, "quality": 0.9, "switching": 1.5,
    "data_portability": 0.3, "affinity": 0.0, "partner_credit": 0.0, "open_weights": 1.0, "entry_cost": 1e3,
    "grant": 0.01, "carbon_price": 70.0, "grid_limit": 0.5, "programme_cost": 0.1,
}  # fmt: skip


COMPANIONS = {
    "public_weight": {"public_order": 0.05},
    "pooled_idle": {"pooled_weight": 1.0},
    "pooled_fee": {"pooled_weight": 1.0, "pooled_idle": 0.5},
    "pooled_weight": {"pooled_idle": 0.5},
    "reserved_capacity": {"reserved_weight": 1.0},
    "reserved_weight": {"reserved_capacity": 0.02},
    "merger_tolerance": {"screen_hhi": 0.0, "screen_change": 0.0},
    "screen_change": {"screen_hhi": 0.0},
}
"""Levers without which another does nothing."""

LENIENT_REVIEW = {"merger_review_hhi": 1e4, "merger_review_share": 1.0, "merger_review_change": 0.0}


@pytest.mark.parametrize("name", LEVERS)
def test_every_lever_changes_something_and_the_books_still_close(name: str) -> None:
    world = small_world(entry_candidates=12.0, **(LENIENT_REVIEW if name in ("screen_hhi", "screen_share") else {}))
    others = constant(**COMPANIONS.get(name, {}))
    plain = record(world, 6, policies=[others])
    moved = record(world, 6, policies=[others, constant(**{name: STRENGTHS[name]})])
    assert not same_bits(plain, moved)
    assert moved.measures["ledger_residual"].max() < 1e-9


def test_levers_combine_in_any_order() -> None:
    answers = [{"compute_tax": 0.25, "training_cap": 3.0}, {"compute_tax": 0.5, "training_cap": 2.0, "quality": 0.5}]
    sizes = small_world().sizes
    left, right = combine(answers, sizes, 2), combine(answers[::-1], sizes, 2)
    assert np.all(left.compute_tax == 0.75) and np.all(left.training_cap == 2.0) and np.all(left.quality == 0.5)
    assert all(np.array_equal(getattr(left, name), getattr(right, name)) for name in LEVERS)


def test_an_unknown_lever_is_refused() -> None:
    with pytest.raises(ValueError, match="levers are compute_tax"):
        combine([{"comput_tax": 0.1}], small_world().sizes, 1)


def test_a_uniform_compute_tax_lowers_rents_by_exactly_the_tax() -> None:
    """Captive use included, rents above the floor, supply given: w becomes w / (1 + tau) (docs/model.md 9)."""
    tax = constant(compute_tax=0.25, captive_tax=0.25)
    plain, taxed = run_quarters(small_world(), 1), run_quarters(small_world(), 1, policies=[tax])
    assert np.allclose(taxed.flows[0].markets.rent, plain.flows[0].markets.rent / 1.25, rtol=1e-9)
    assert np.allclose(taxed.flows[0].markets.training, plain.flows[0].markets.training, rtol=1e-9)
    revenue = plain.flows[0].markets.rent * 0.25 / 1.25 * plain.flows[0].markets.use
    assert np.allclose(taxed.flows[0].accounts.fiscal_balance, revenue.sum(-1), rtol=1e-8)


def test_a_training_cap_binds() -> None:
    run = run_quarters(small_world(), 4, policies=[constant(training_cap=0.05)])
    assert max(flows.markets.training.max() for flows in run.flows) == 0.05


def test_a_grid_limit_binds_on_deliveries() -> None:
    run = run_quarters(small_world(), 3, policies=[constant(grid_limit=0.5)])
    assert np.allclose([flows.investment.shipments.sum(-1) for flows in run.flows], 0.5)


def test_a_carbon_price_leaves_rents_alone_while_the_floor_is_slack() -> None:
    """Capacity given: owners pay kW x PUE x intensity x price, 0.055 $/h at 70 $/t in 2024 (docs/model.md 7.11)."""
    plain, priced = (
        run_quarters(small_world(), 1),
        run_quarters(small_world(), 1, policies=[constant(carbon_price=70.0)]),
    )
    assert np.array_equal(priced.flows[0].markets.rent, plain.flows[0].markets.rent)
    paid = plain.flows[0].accounts.owner_income - priced.flows[0].accounts.owner_income
    per_hour = paid.sum(-1) / plain.flows[0].markets.use.sum(-1) * 1e9 / 1e6 / 2190
    assert per_hour == pytest.approx(0.055, abs=5e-4)


# --- mechanisms ------------------------------------------------------------------


@pytest.mark.parametrize(
    "off",
    [
        Mechanisms(open_weights=False),
        Mechanisms(entry=False),
        Mechanisms(imitation=False),
        Mechanisms(expectations="static"),
        Mechanisms(growth_rates="own"),
        Mechanisms(mergers=False),
        Mechanisms(own_chips=True),
        Mechanisms(grid=True),
    ],
    ids=["open_weights", "entry", "imitation", "static", "own", "mergers", "own_chips", "grid"],
)
def test_switching_a_mechanism_changes_something_but_not_the_calibration(off: Mechanisms) -> None:
    on_world, off_world = (
        world_with(parameters={"entry_candidates": 6.0}),
        world_with(off, parameters={"entry_candidates": 6.0}),
    )
    for name in variables(State):
        assert np.array_equal(getattr(on_world.initial, name), getattr(off_world.initial, name)), name
    assert not same_bits(record(on_world, 8), record(off_world, 8))


@pytest.mark.parametrize("kind", ["by_class", "small_world", "scale_free"])
def test_knowledge_networks_change_who_learns(kind: str) -> None:
    world = world_with(knowledge=kind)
    assert world.neighbours is not None and world.neighbours.shape == (world.sizes["firm"],) * 2
    assert not same_bits(record(small_world(), 3), record(world, 3))


def test_without_money_nobody_trains_and_capability_decays() -> None:
    """No cash, no funds, no margins: E_own falls by delta_E each quarter, exactly."""
    poor = small_world(entry_candidates=0.0, investor_funding=0.0, parent_funding=0.0, outlay_limit=0.01, earmark=0.0)
    world = replace(poor, initial=replace(poor.initial, profit=np.zeros_like(poor.initial.profit)))
    run = run_quarters(world, 1)
    assert np.allclose(run.states[1].own_compute, 0.9 * run.states[0].own_compute, rtol=1e-15)


# --- entry and exit ----------------------------------------------------------------


def test_insolvent_firms_leave_after_two_quarters_and_lenders_lose_the_rest() -> None:
    world = small_world(entry_candidates=0.0)
    debt = np.zeros((2, world.sizes["firm"]))
    debt[:, 9] = 1e3
    run = run_quarters(world, 3, debt=debt)
    assert [flows.demography.exits[:, 9].tolist() for flows in run.flows[:2]] == [[False, False], [True, True]]
    assert np.all(run.flows[1].demography.written_off[:, 9] > 900.0)
    assert not run.states[2].is_active[:, 9].any() and not run.states[2].debt[:, 9].any()
    assert not run.flows[2].markets.share[:, :, 9].any()
    assert np.allclose(run.flows[2].markets.share.sum(axis=-1), 1.0)


def test_entrants_take_free_slots_with_cash_from_next_quarters_fund() -> None:
    run = run_quarters(small_world(entry_candidates=20.0), 3)
    entries = run.flows[0].demography.entries
    assert entries.any()
    after = run.states[1]
    assert np.all(after.is_active == (run.states[0].is_active | entries))
    assert np.all(after.cash[entries] > 0.0) and np.all(after.efficiency[entries] > 0.0)
    assert np.allclose(after.fund_committed, np.where(entries, after.cash, 0.0).sum(-1))
    assert np.all(run.flows[1].markets.revenue.sum(axis=1)[entries] > 0.0)


def test_a_tax_on_what_small_firms_sell_keeps_entrants_away() -> None:
    world = small_world(entry_candidates=20.0)
    small = (world.initial.firm_class == SME).astype(float)
    free, taxed = (run_quarters(world, 1, policies=[constant(usage_tax=tax * small)]) for tax in (0.0, 1e3))
    assert free.flows[0].demography.entries.any() and not taxed.flows[0].demography.entries.any()


def test_entrants_plan_by_the_declared_expectations() -> None:
    """Under `static` what the industry once expected does not matter to what an entrant brings."""
    worlds = [
        world_with(
            Mechanisms(expectations="static"), parameters={"entry_candidates": 20.0, "initial_profit_growth": growth}
        )
        for growth in (0.1, 0.3)
    ]
    few, many = (run_quarters(world, 1).states[1].cash for world in worlds)
    entries = run_quarters(worlds[0], 1).flows[0].demography.entries
    assert entries.any()
    assert np.array_equal(few[entries], many[entries])


def test_full_slots_refuse_entrants_and_say_so() -> None:
    recording = record(small_world(entry_slots=1, entry_candidates=20.0), 4)
    assert recording.measures["entries_refused"].sum() > 0.0
    assert recording.measures["entries"].sum(axis=1).max() <= 1.0


def test_without_open_weights_nobody_enters() -> None:
    recording = record(world_with(Mechanisms(open_weights=False), parameters={"entry_candidates": 20.0}), 4)
    assert recording.measures["entries"].sum() == 0.0


def test_yearly_measures_are_the_quarterly_ones_aggregated() -> None:
    changes = {"horizon": {"start": "2024Q1", "end": "2025Q2"}, "world": {"parameters": {"entry_slots": 8}}}
    quarterly = ensemble.simulate(load_scenario(changes), replicates=2)
    per_year = ensemble.simulate(load_scenario({**changes, "record": {"measures": "yearly"}}), replicates=2)
    assert per_year.quarters == ("2024Q4", "2025Q2")
    for name, how in {"industry_revenue": np.sum, "chip_price": np.mean, "largest_run_flop": np.max}.items():
        assert np.allclose(per_year.measures[name][:, 0], how(quarterly.measures[name][:, :4], axis=1)), name
    assert np.array_equal(per_year.measures["hhi_power"], quarterly.measures["hhi_power"][:, [3, 5]])
    assert np.allclose(per_year.flows["sales|households|firms"], per_year.measures["industry_revenue"])


@pytest.mark.parametrize("trigger", [False, True], ids=["nobody looks", "a trigger looks"])
def test_stocks_that_nobody_needs_are_left_out_and_change_nothing(trigger: bool) -> None:
    after = {"measure": "hhi_power", "above": 0.0, "for": 2} if trigger else None
    rule = {"break_up": {"successors": 2, "who": {"top": 1, "by": "revenue"}, "start": "2024Q2", "trigger": after}}
    changes = {
        "horizon": {"start": "2024Q1", "end": "2026Q1"},
        "world": {"parameters": {"entry_slots": 60}},
        "policies": [rule],
    }
    scenario = load_scenario({**changes, "record": {"measures": "yearly"}})
    assert (ensemble.prepare(scenario).timeline.stocks is None) == trigger
    quarterly = ensemble.simulate(load_scenario(changes), replicates=2)
    assert quarterly.measures["break_ups"].any()
    expected, found = yearly(quarterly), ensemble.simulate(scenario, replicates=2)
    assert found.quarters == expected.quarters and found.measures.keys() == expected.measures.keys()
    for name, values in expected.measures.items():
        assert np.array_equal(found.measures[name], values, equal_nan=True), name


# --- failures ------------------------------------------------------------------------


def test_one_failing_replicate_is_recorded_and_the_others_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = load_scenario(
        {"horizon": {"start": "2024Q1", "end": "2024Q2"}, "world": {"parameters": {"entry_slots": 8}}}
    )
    clean = ensemble.simulate(scenario, replicates=5)

    def sometimes(world, timeline, seed, replicates, policies=(), progress=None):
        if 3 in replicates:
            raise QuarterError(START + 1, "the sky fell")
        return simulate_block(world, timeline, seed, replicates, policies, progress)

    monkeypatch.setattr(ensemble, "simulate_block", sometimes)
    seen: list[tuple[int, int]] = []
    survived = ensemble.simulate(scenario, replicates=5, progress=lambda *now: seen.append(now))
    assert seen[-1] == (10, 10)
    assert survived.failures == ((3, "2024Q2", "the sky fell"),)
    assert survived.replicates.tolist() == [0, 1, 2, 4]
    assert np.array_equal(survived.measures["hhi_revenue"], clean.measures["hhi_revenue"][[0, 1, 2, 4]])


def test_progress_from_workers_ends_at_the_total() -> None:
    seen: list[tuple[int, int]] = []
    scenario = load_scenario({"horizon": {"start": "2024Q1", "end": "2024Q2"}})
    ensemble.simulate(scenario, replicates=4, block_size=2, workers=2, progress=lambda *now: seen.append(now))
    assert seen[0] == (0, 8) and seen[-1] == (8, 8)


def test_a_run_in_which_everything_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_args, **_kwargs):
        raise QuarterError(START, "the sky fell")

    monkeypatch.setattr(ensemble, "simulate_block", never)
    with pytest.raises(FailureError, match="every replicate failed.*2024Q1.*the sky fell"):
        ensemble.simulate(load_scenario("baseline"), replicates=2)


def test_a_policy_that_breaks_arithmetic_fails_its_replicates_only() -> None:
    with pytest.raises(QuarterError, match="2024Q1"):
        simulate_block(small_world(), timeline(1), 1, [0], [constant(revenue_levy=0.8)])


# --- measures --------------------------------------------------------------------------


def test_every_measure_is_recorded_once_and_declared() -> None:
    recording = record(small_world(), 10)
    sectors = small_world().sector_names
    declared = [name.replace(SECTOR, each) for name in MEASURES for each in (sectors if SECTOR in name else ("",))]
    assert sorted(recording.measures) == sorted(declared)
    for name, values in recording.measures.items():
        measure = described(name)
        assert measure.sentence.endswith(".") and measure.population, name
        assert np.isfinite(values).mean() > 0.5, name


def test_progress_counts_every_replicate_quarter() -> None:
    seen: list[tuple[int, int]] = []
    scenario = load_scenario(
        {"horizon": {"start": "2024Q1", "end": "2024Q2"}, "world": {"parameters": {"entry_slots": 8}}}
    )
    ensemble.simulate(scenario, replicates=3, block_size=2, progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 6) and seen[-1] == (6, 6) and all(a < b for (a, _), (b, _) in pairwise(seen))


# --- second implementations of what the stages do ----------------------------------------


def test_accounts_are_what_plain_arithmetic_gives() -> None:
    """Docs/model.md 7.12 and 7.13 in scalar Python: with debt, a subsidy and every kind of tax."""
    world = small_world(entry_candidates=0.0)
    p, r, n = world.parameters, 1, world.sizes["firm"]
    rates = {
        "compute_tax": -0.1, "captive_tax": 0.2, "usage_tax": 0.01, "revenue_levy": 0.05, "profit_tax": 0.3,
        "grant": 0.002, "carbon_price": 50.0, "programme_cost": 0.4,
    }  # fmt: skip
    debt, cash = np.zeros((2, n)), np.repeat(world.initial.cash[None], 2, axis=0)
    debt[:, :4], cash[:, 2], cash[:, 3] = 0.05, 90.0, -1.0
    run = run_quarters(world, 1, policies=[constant(**rates)], debt=debt, cash=cash)
    before, flows = run.states[0], run.flows[0]
    m, f, a = flows.markets, flows.funding, flows.accounts
    public = -rates["programme_cost"]
    earners = losers = payers = 0
    for i in (i for i in range(n) if before.is_active[r, i]):
        revenue = sum(m.revenue[r, s, i] for s in range(6))
        units = sum(m.quantity[r, s, i] for s in range(6))
        rent = m.user_rent[r, i] * (m.training[r, i] + m.serving[r, i])
        staff = 0.15 * m.user_rent[r, i] * m.training[r, i] * (1 + rates["compute_tax"])
        fixed = 0.0005 if before.firm_class[r, i] == 2 else 0.0
        costs = rent * (1 + rates["compute_tax"]) + rates["usage_tax"] * units + rates["revenue_levy"] * revenue
        costs += staff + 0.2 * revenue + fixed + 0.025 * debt[r, i]
        on_profit = rates["profit_tax"] * max(revenue - costs, 0.0)
        earnings = revenue - costs - on_profit
        assert a.earnings[r, i] == pytest.approx(earnings, rel=1e-9, abs=1e-12)
        have = before.cash[r, i] + f.raised[r, i] + f.parent_grant[r, :, i].sum() + rates["grant"] + earnings
        loan = max(-have, 0.0)
        spare = max(have - 2 * (costs + on_profit), 0.0)
        back = min(spare, debt[r, i])
        dividend = 0.1 * (spare - back)
        assert a.dividends[r, i] == pytest.approx(dividend, rel=1e-9, abs=1e-12)
        assert a.debt[r, i] == pytest.approx(debt[r, i] + loan - back, rel=1e-9, abs=1e-12)
        assert a.cash[r, i] == pytest.approx(have + loan - back - dividend, rel=1e-9, abs=1e-12)
        public += rates["compute_tax"] * rent + rates["usage_tax"] * units + rates["revenue_levy"] * revenue
        public += on_profit - rates["grant"]
        earners, losers, payers = earners + (earnings > 0), losers + (earnings < 0), payers + (dividend > 0)
    assert earners and losers and payers and a.net_borrowing[r].max() > 0.0 > a.net_borrowing[r].min()
    for j in range(world.sizes["owner"]):
        public += rates["captive_tax"] * m.rent[r, j] * m.captive_use[r, j]
        tonnes = 1.45 * 1.2 * 2190 * 1e6 * m.use[r, j] / 1e3 * p.grid_intensity
        public += rates["carbon_price"] * tonnes / 1e9
    assert a.fiscal_balance[r] == pytest.approx(public, rel=1e-9)
    assert run.states[1].government_cash[r] == pytest.approx(public, rel=1e-9)


def test_expected_growth_moves_towards_what_happened(eight: Run) -> None:
    """Docs/model.md 7.4: industry rates of profit, and of capability by profit, weight 0.3 on the news."""
    for before, after in list(pairwise(eight.states))[1:6]:
        for r in (0, 1):
            profit = after.profit[r].sum(axis=0)
            seen = np.log(profit.sum() / before.profit[r].sum())
            lives = after.is_active[r] & (before.own_compute[r] > 0.0)
            growth = np.log(after.own_compute[r, lives] / before.own_compute[r, lives])
            learned = (profit[lives] * growth).sum() / profit[lives].sum()
            old = before.is_active[r]
            expected = np.clip(0.7 * before.profit_growth[r, old] + 0.3 * seen, -0.5, 0.6)
            assert np.allclose(after.profit_growth[r, old], expected, rtol=1e-9)
            expected = np.clip(0.7 * before.capability_growth[r, old] + 0.3 * learned, 0.0, 0.9)
            assert np.allclose(after.capability_growth[r, old], expected, rtol=1e-9)


def test_appeal_and_efficiency_follow_their_laws_with_one_draw_a_quarter(eight: Run) -> None:
    """Docs/model.md 7.2 and 7.9, with the draws of each quarter."""
    world, luck = eight.world, Luck(1, [0, 1])
    n = world.sizes["firm"]
    for t, (before, after) in enumerate(pairwise(eight.states)):
        stays = before.is_active & (after.age > 0)
        quality, progress = 0.08 * luck.normal("quality", t, n), 0.05 * luck.normal("progress", t, n)
        trained = eight.flows[t].markets.training
        for r in (0, 1):
            most = max(trained[r])
            best = np.log(before.efficiency[r][before.is_active[r]]).max()
            merging = eight.flows[t].merging
            pair = after.group[r, merging.acquirer[r]] if merging.approved[r] else -1  # who share the better algorithm
            for i in np.flatnonzero(stays[r] & (after.group[r] != pair)):
                mean = world.class_strength[:, before.firm_class[r, i]]
                xi = mean + 0.95 * (before.log_strength[r, :, i] - mean) + quality[r, i]
                assert np.allclose(after.log_strength[r, :, i], xi, rtol=1e-12, atol=1e-12)
                a = np.log(before.efficiency[r, i])
                growth = 0.275 * (0.35 + 0.65 * (trained[r, i] / most) ** 0.4) + 0.1 * max(best - a, 0.0)
                assert np.log(after.efficiency[r, i]) - a == pytest.approx(growth + progress[r, i], rel=1e-9)


def test_open_models_are_used_a_quarter_after_they_were_trained(eight: Run) -> None:
    for t in range(2, 8):
        state, last = eight.states[t], eight.states[t - 1]
        for r in (0, 1):
            for i in (0, 3, 5, 16):
                others = [
                    last.own_compute[r, k]
                    for k in range(eight.world.sizes["firm"])
                    if k != i and state.is_active[r, k] and state.is_open[r, k]
                ]
                assert eight.flows[t].funding.open_frontier[r, i] == pytest.approx(max(others), rel=1e-12)


def test_captive_chips_go_to_their_owner_first(eight: Run) -> None:
    makers, owners = eight.world.maker_names, eight.world.owner_names
    for flows in eight.flows:
        for maker, owner in (("Google TPU", "Google"), ("Amazon Trainium", "Amazon"), ("Huawei and others", "China")):
            made = flows.investment.delivered[:, :, makers.index(maker)]
            assert np.all(made[:, owners.index(owner)] > 0.0)
            assert np.allclose(made[:, owners.index(owner)], made.sum(axis=1), rtol=1e-15)
        assert np.all(flows.investment.delivered[:, :, makers.index("Nvidia")] > 0.0)


def test_costs_and_emissions_fall_at_their_rates(eight: Run) -> None:
    first, later = eight.flows[0].drivers, eight.flows[6].drivers
    fall = {"unit_cost": 0.065, "site_cost": 0.02, "kilowatt": 0.0725, "grid_intensity": 0.01}
    for name, rate in fall.items():
        assert np.allclose(getattr(later, name), getattr(first, name) * np.exp(-6 * rate), rtol=1e-12), name


def test_captive_outlay_drifts_to_where_the_chips_are(eight: Run) -> None:
    for before, after in pairwise(eight.states):
        now = before.capacity / before.capacity.sum(axis=1, keepdims=True)
        moved = 0.9 * before.captive_outlay_share + 0.1 * now
        assert np.allclose(after.captive_outlay_share, moved, rtol=1e-12)
        assert np.allclose(after.captive_outlay_share.sum(axis=1), 1.0)


def test_what_a_firm_that_leaves_still_has_goes_to_its_lenders() -> None:
    world = small_world(entry_candidates=0.0)
    debt, cash = np.zeros((2, world.sizes["firm"])), np.repeat(world.initial.cash[None], 2, axis=0)
    debt[:, 9], cash[:, 9] = 60.0, 40.0
    run = run_quarters(replace(world, parameters=replace(world.parameters, cash_buffer=100.0)), 2, debt=debt, cash=cash)
    had = run.flows[1].accounts.cash[:, 9]
    recovered = next(f for f in run.flows[1].demography.flows if f.name == "recovered from exits")
    assert np.all(had > 1.0) and np.allclose(recovered.paid[:, 9], had) and np.allclose(recovered.received, had)
    assert not run.states[2].cash[:, 9].any()
    assert np.allclose(run.flows[1].demography.written_off[:, 9], run.flows[1].accounts.debt[:, 9] - had)
