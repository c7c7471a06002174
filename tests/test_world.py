"""The first quarter of the shipped world follows from its facts (docs/model.md 5)."""

import csv
from dataclasses import fields

import numpy as np
import pytest
from scipy.stats import norm

from sim.engine import Walk
from sim.errors import WorldError
from sim.parameters import DATA, Parameters, parameter_table
from sim.policies.levers import LEVERS
from sim.quarters import Quarter
from sim.recorder import Timeline
from sim.submodels import demand, pricing
from sim.submodels.power import FAMILIES, FAMILY_PARAMETERS
from sim.world import NETWORKS
from sim.world.build import Mechanisms, WorldSpec, build
from sim.world.tables import read_population, read_shipments, world_folders
from tests.worlds import FEW, run_quarters, small_world, world_with

WORLD = build()
P = WORLD.parameters


def slot(name: str) -> int:
    return WORLD.firm_names.index(name)


def test_the_parameter_table_and_the_class_list_the_same_parameters() -> None:
    assert [field.name for field in fields(Parameters)] == list(parameter_table())


@pytest.mark.parametrize("name", parameter_table())
def test_every_parameter_has_a_unit_a_range_around_its_value_and_a_source(name: str) -> None:
    row = parameter_table()[name]
    assert row.unit and row.source and row.kind in {"measured", "secondary", "estimate", "assumption"}
    assert row.low <= row.value <= row.high
    assert row.minimum is not None and row.maximum is not None
    assert row.minimum <= row.low and row.high <= row.maximum


@pytest.mark.parametrize("table", ["firms", "owners", "makers", "sectors", "shipments"])
def test_every_row_of_a_world_table_has_a_kind_and_a_source_and_numbers_a_unit_and_a_range(table: str) -> None:
    with (DATA / f"{table}.csv").open(encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            assert row["kind"] in {"measured", "secondary", "estimate", "assumption"} and row["source"], row
            if row["low"] and row["value"]:
                assert row["unit"] and float(row["low"]) <= float(row["value"]) <= float(row["high"]), row


# Bounds and conditions that nothing presses against in ten quarters of the small world.
SLACK = {
    "outlay_limit", "leverage", "expected_profit_growth_low", "expected_profit_growth_high",
    "expected_capability_growth_high", "expected_gap_low", "exit_hazard", "valuation_growth_high", "funding_return_high",
    "funding_return_low", "capacity_response_low", "capacity_response_high", "initial_training_share", "exit_quarters",
    "shipment_value_exponent", "cost_of_funds", "own_chips_resale",
}  # fmt: skip


# What a parameter needs to act: mechanisms that are off, or levers that no policy of the baseline sets.
NEEDS = {
    "own_chips_scale": {"own_chips": True}, "own_chips_speed": {"own_chips": True}, "grid_connections": {"grid": True},
    "grid_growth": {"grid": True}, "open_hosting_share": {"open_weights": 1.0}, "open_data_gain": {"open_weights": 1.0},
    "federated_efficiency": {"federation": 0.3}, "federated_size_exponent": {"federation": 0.3},
    "funding_replacement": {"partner_credit": 0.0},
    # every merger is reviewed, and every review has something to find
    "merger_review_hhi": {"merger_review_change": 0.0, "merger_review_share": 1.0},
    "merger_review_change": {"screen_hhi": 0.0},
    "merger_review_share": {"merger_review_change": 0.0, "merger_review_hhi": 1e4},
    "merger_review_error": {"screen_change": 0.0},
    "merger_tolerance": {"screen_change": 0.0, "review_error": 5.0},
    "merger_rate": {"merger_rate": 0.2},
}  # fmt: skip

# The plausible range of these is too narrow to tell in ten quarters.
FAR = {"merger_review_hhi", "merger_review_share", "merger_tolerance"}


@pytest.mark.parametrize("name", [name for name in parameter_table() if name not in SLACK])
def test_moving_a_parameter_moves_the_model(name: str) -> None:
    row = parameter_table()[name]
    needs = NEEDS.get(name, {})
    base = {**FEW, "entry_candidates": 12.0, **{key: needs[key] for key in needs if key in parameter_table()}}
    here, high = base.get(name, row.value), row.maximum if name in FAR else row.high
    moved = {**base, name: high if high != here else row.low}
    family = next((each for each, names in FAMILY_PARAMETERS.items() if name in names), "power")
    switches = Mechanisms(
        **{key: on for key, on in needs.items() if key not in LEVERS and key not in parameter_table()}
    )
    levers = {key: value for key, value in needs.items() if key in LEVERS}
    runs = [
        numbers(
            run_quarters(
                build(WorldSpec(parameters=changes, family=family, mechanisms=switches)),
                10,
                policies=[lambda _observation, _quarter: levers],
            )
        )
        for changes in (base, moved)
    ]
    assert runs[0] != runs[1]


def numbers(run) -> list[bytes]:
    last, flows = run.states[-1], run.flows
    series = [
        (f.markets.revenue.sum(), f.markets.rent.sum(), f.markets.training.sum(), f.investment.price.sum(),
         f.investment.shipments.sum(), f.funding.partner_credit.sum(), f.demography.entries.sum(), f.demography.exits.sum())
        for f in flows
    ]  # fmt: skip
    extra = (
        last.own_compute, last.efficiency, last.data, last.cash, last.debt, last.owner_cash, last.household_cash,
        last.is_active, last.chips_sold, last.capacity, run.world.initial.cash,
    )  # fmt: skip
    reported = (
        run.world.parameters.mfu,
        run.world.parameters.final_run_share,
        run.world.parameters.grid_intensity_decline,
    )
    reported += (run.world.parameters.grid_intensity, run.world.parameters.mcpf)
    return [np.asarray(x, dtype=float).tobytes() for x in (*series, *extra, reported)]


def test_the_leader_has_power_one_efficiency_one_and_price_one_in_its_first_sector() -> None:
    leader = slot("OpenAI")
    flows = run_quarters(WORLD, 1).flows[0]
    assert flows.funding.power[0, leader] == pytest.approx(1.0, rel=1e-12)
    initial = WORLD.initial
    elasticity = pricing.demand_elasticity(initial.target_share, initial.nest, P.substitution, P.nest_growth)
    cost = WORLD.serving_need_reference * P.rent_initial / (1 - P.operating_cost_share)
    assert cost * pricing.markup(elasticity)[0, leader] == pytest.approx(1.0, rel=1e-12)


def test_compute_and_revenue_of_named_firms_are_the_facts() -> None:
    table = read_population("firms")
    revenue = (WORLD.initial.share * (WORLD.initial.nest * WORLD.budget_share * P.budget_total)[:, None]).sum(axis=0)
    for name, facts in table.items():
        stated = facts["revenue"] or P.initial_revenue_floor
        assert 4 * revenue[slot(name)] == pytest.approx(stated, rel=1e-9), name
    assert WORLD.initial.capacity.sum() == pytest.approx(1.58)
    assert read_shipments()[0] == 0.82


def test_strengths_reproduce_the_target_shares_at_initial_prices() -> None:
    """An attraction computed forwards gives the shares it was solved from, and Z_0 = 1."""
    initial, world = WORLD.initial, WORLD
    flows = run_quarters(world, 1).flows[0]
    elasticity = pricing.demand_elasticity(initial.target_share, initial.nest, P.substitution, P.nest_growth)
    need = pricing.serving_need(
        flows.funding.power[0], initial.efficiency, world.serving_need_reference,
        P.serving_size_elasticity, P.serving_algorithm_elasticity,
    )  # fmt: skip
    price = pricing.price(need * P.rent_initial, np.full(len(need), P.operating_cost_share), elasticity)
    base = demand.attraction_before_price(
        initial.log_strength, flows.funding.power[0], initial.data, world.theta, world.data_elasticity,
        world.data_reference,
    )  # fmt: skip
    active = initial.is_active
    attraction = base[:, active] * price[:, active] ** -(P.substitution - 1)
    assert np.allclose(attraction, initial.target_share[:, active], rtol=1e-9)
    assert np.allclose(attraction.sum(axis=1), 1.0, rtol=1e-9)


def test_captive_outlay_clears_the_market_at_the_initial_rent() -> None:
    initial = WORLD.initial
    used = initial.own_compute / initial.efficiency * (np.expm1(P.initial_capability_growth) + P.capability_decay)
    revenue = initial.share * (initial.nest * WORLD.budget_share * P.budget_total)[:, None]
    used = used + ((1 - P.operating_cost_share) * revenue - initial.profit).sum(axis=0) / P.rent_initial
    firms = initial.owner_weight @ np.where(initial.is_active, used, 0.0)
    captive = WORLD.initial_captive_outlay * initial.captive_outlay_share / P.rent_initial
    assert np.allclose(firms + captive, P.utilisation * initial.capacity, rtol=1e-9)
    assert np.all(captive > 0.0)


def test_hold_flywheel_derives_theta_and_hold_theta_keeps_it() -> None:
    assert WORLD.flywheel == pytest.approx(1.0)
    assert WORLD.mean_theta == pytest.approx(1 / 0.63 + 0.3 * 2)
    other = world_with(parameters={"gamma": 0.4})
    assert other.flywheel == pytest.approx(1.0)
    kept = world_with(hold="theta", parameters={"gamma": 0.4})
    assert kept.mean_theta == pytest.approx(WORLD.mean_theta)
    assert kept.flywheel == pytest.approx(0.4 * (WORLD.mean_theta - 0.6))


def test_under_power_the_market_depends_on_gamma_and_chi_through_the_flywheel_only() -> None:
    """Funding apart, which looks at P^omega, and data, which count quantities (docs/model.md 4): both are off."""
    spec = {"funding_speed": 0.0, "entry_candidates": 0.0, "data_elasticity": 0.0}
    base = run_quarters(small_world(**spec), 4)
    for change in ({"gamma": 0.4}, {"serving_size_elasticity": 0.1}):
        other = run_quarters(small_world(**spec, **change), 4)
        assert np.allclose(other.flows[-1].markets.revenue, base.flows[-1].markets.revenue, rtol=1e-7)


@pytest.mark.parametrize("name", sorted({name for names in FAMILY_PARAMETERS.values() for name in names}))
def test_moving_a_family_parameter_moves_no_other_family(name: str) -> None:
    for family in FAMILIES:
        if name not in FAMILY_PARAMETERS.get(family, ()):
            table = [[1.0, 1.0], [10.0, 3.0], [100.0, 6.0]] if family == "measured" else ()
            spec = {"family": family, "power_table": table}
            moved = world_with(parameters={name: parameter_table()[name].high}, **spec)
            assert np.array_equal(moved.initial.log_strength, world_with(**spec).initial.log_strength), family


def test_every_power_family_has_the_same_flywheel_at_the_start() -> None:
    table = [[0.1, 0.3], [2.0, 1.0], [100.0, 6.0]]
    for family in FAMILIES:
        world = world_with(family=family, power_table=table if family == "measured" else ())
        assert world.flywheel == pytest.approx(1.0, rel=1e-12), family
        assert run_quarters(world, 1).flows[0].funding.power[0, slot("OpenAI")] == pytest.approx(1.0, rel=1e-12)


def test_a_family_that_is_saturated_at_the_start_is_refused() -> None:
    with pytest.raises(WorldError, match="hardly rises"):
        world_with(family="hill", parameters={"hill_midpoint": 0.01, "hill_exponent": 4.0})


def test_added_firms_take_the_last_slots_and_shift_nobodys_luck() -> None:
    added = world_with(firms=[{"name": "Newcomer", "class": "lab", "compute": 5.0}])
    plain = small_world()
    assert added.firm_names[: len(plain.firm_names)] == plain.firm_names
    assert added.firm_names[-1] == "Newcomer"
    taste = [np.exp(w.initial.log_strength[:, 3]) for w in (plain, added)]
    assert not np.array_equal(*taste)
    shocks = [
        run_quarters(w, 1).states[1].efficiency[:, 3] / run_quarters(w, 1).states[0].efficiency[:, 3]
        for w in (plain, added)
    ]
    assert np.allclose(*shocks, rtol=0.02)


def test_integrated_parents_and_partners_pay_their_own_firms_only() -> None:
    owners = WORLD.owner_names
    grant = run_quarters(WORLD, 1).flows[0].funding
    deepmind, anthropic = slot("Google DeepMind"), slot("Anthropic")
    assert grant.parent_grant[0, owners.index("Google"), deepmind] > 0.0
    assert grant.parent_grant[0, :, deepmind].sum() == grant.parent_grant[0, owners.index("Google"), deepmind]
    paid = grant.partner_credit[0, :, anthropic]
    assert {owners[j] for j in np.flatnonzero(paid)} == {"Amazon", "Google"}
    assert paid.sum() == pytest.approx(0.5 * grant.raised[0, anthropic])


def test_owners_serve_whom_they_sell_to() -> None:
    weight = run_quarters(WORLD, 2).states[-1].owner_weight[0]
    owners = WORLD.owner_names
    users = {name: {WORLD.firm_names[i] for i in np.flatnonzero(weight[owners.index(name)])} for name in owners}
    assert users["Meta"] == {"Meta AI"} and users["xAI"] == {"xAI"}
    assert users["China"] == {"Alibaba", "ByteDance", "Baidu", "DeepSeek", "Zhipu"}
    assert "Small firm 1" in users["Oracle"] and "Entrant 1" in users["Oracle"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"parameters": {"nest_growth": 0.005}}, "raise nest_growth"),
        ({"parameters": {"budget_total": 0.5}}, "raise budget_total"),
        ({"parameters": {"gamma": 99.0}}, "gamma = 99"),
        ({"parameters": {"exit_quarters": 1.5}}, "whole number"),
        ({"parameters": {"nonsense": 1.0}}, "no parameter 'nonsense'"),
        ({"firms": [{"name": "OpenAI", "partners": {"Nobody": 1.0}}]}, "owners are Google"),
        ({"firms": [{"name": "OpenAI", "compute": 5000.0}]}, "raise its stock_share"),
        ({"firms": [{"name": "Entrant 3", "class": "lab", "compute": 1.0}]}, "taken by a generated firm"),
        ({"firms": [{"name": "X", "class": "lab", "compute": 1.0, "parent_weight": 1.0}]}, "no integrated_owner"),
        ({"makers": [{"name": "AMD", "captive_to": "Nobody"}]}, "owners are Google"),
        ({"makers": [{"name": n, "captive_to": "Google"} for n in ("AMD", "Nvidia")]}, "must be a merchant"),
    ],
)
def test_a_contradictory_world_is_refused_with_what_to_try(spec: dict, words: str) -> None:
    with pytest.raises(WorldError, match=words):
        world_with(**spec)


def test_networks_of_knowledge_have_no_directionless_surprise() -> None:
    assert set(NETWORKS) == {"complete", "by_class", "small_world", "scale_free"}
    assert small_world().neighbours is None
    for kind in ("small_world", "scale_free"):
        learns = world_with(knowledge=kind).neighbours
        assert learns is not None and np.array_equal(learns, learns.T) and not learns.diagonal().any()


@pytest.mark.parametrize("kind", ["by_class", "small_world", "scale_free"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_network_of_few_firms_links_every_one_to_another(kind: str, n: int) -> None:
    parameters = {"small_firms_initial": n, "entry_slots": 0}
    learns = build(WorldSpec(parameters=parameters, knowledge=kind, folders=world_folders("symmetric"))).neighbours
    assert learns is not None and learns.shape == (n, n)
    assert ((learns & ~np.eye(n, dtype=bool)).any(axis=1) == (n > 1)).all()


@pytest.mark.parametrize("entry_slots", [0, 5])
def test_a_world_without_firms_is_refused_with_what_to_try(entry_slots: int) -> None:
    parameters = {"small_firms_initial": 0, "entry_slots": entry_slots}
    with pytest.raises(WorldError, match="there is no firm; give some in firms, or raise small_firms_initial"):
        build(WorldSpec(parameters=parameters, folders=world_folders("symmetric")))


def test_a_world_of_many_firms_is_built_and_goes_on() -> None:
    """Sizes are those of the quantiles, and nothing takes time or memory in the square of the number of firms."""
    n = 20_000
    parameters = {"small_firms_initial": n, "small_firm_compute": 45.0 / n, "small_firm_revenue": 1.2 / n}
    folders = world_folders("symmetric")
    world = build(WorldSpec(parameters=parameters | {"small_firm_dispersion": 1.0}, folders=folders))
    revenue = (world.initial.share * world.initial.nest[:, None]).sum(axis=0)[:n]
    spread = np.exp(norm.ppf((np.arange(n) + 0.5) / n))
    assert np.allclose(revenue / revenue.sum(), spread / spread.sum(), rtol=1e-9)
    walk = Walk(world, Timeline(Quarter.parse("2024Q1"), Quarter.parse("2024Q2")), 1, [0])
    _, measures = walk.step()
    assert measures["n_firms"].tolist() == [n]


def test_a_network_between_too_many_firms_is_refused_with_what_to_try() -> None:
    spec = WorldSpec(parameters={"entry_slots": 30_000}, knowledge="by_class", folders=world_folders("symmetric"))
    with pytest.raises(WorldError, match=r"by_class.* 30,005 slots.*at most 20,000.*knowledge_network: complete"):
        build(spec)
