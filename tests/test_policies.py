"""The contract of every policy, and what they have in common: whom they reach, when, and who pays."""

import copy
import functools
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from sim import policies
from sim.ensemble import simulate
from sim.errors import PolicyError, ScenarioError
from sim.explain import explain
from sim.policies.allocation import claims
from sim.policies.base import COST_LEVERS, BasePolicy, FirmPolicy, Scene
from sim.policies.catalogue import facts
from sim.policies.levers import LEVERS, combine
from sim.policies.who import Who
from sim.scenario import ScenarioWarning, load_scenario
from sim.world.build import Mechanisms, WorldSpec, build
from sim.world.tables import world_folders
from sim.yaml_reader import parse_yaml
from tests.policies import every, example, in_force, is_neutral, observation, rulebooks
from tests.worlds import START, record, run_quarters, same_bits, small_world, world_with

EVERY = pytest.mark.parametrize("name", every())
SHIPPED = pytest.mark.parametrize("name", policies.SHIPPED)
REACHING = pytest.mark.parametrize("name", [name for name in every() if issubclass(policies.find(name), FirmPolicy)])
ADDED = {
    name: [lever for lever in policies.find(name).uses if LEVERS[lever].combine is np.add and lever != "pooled_fee"]
    for name in every()
}
"""Levers that add up; a fee is a price, which half a platform asks as well."""
QUARTERS = 6
START_OF_ALL = START + 2

# Policies whose answer depends on something that the made-up observation of `tests.policies` does not hold.
NOBODY = {"names": ("Nobody",)}


def world():
    return small_world(entry_candidates=6.0)


def plain(n_quarters=QUARTERS):
    return record(world(), n_quarters)


@pytest.fixture(scope="module")
def baseline():
    return plain()


# --- what a class declares -----------------------------------------------------------------------


def test_the_registry_offers_every_policy_of_the_model_description():
    named = """efficiency_programme shared_platform compute_cluster federated_learning public_compute resource_quota
    compute_subsidy compute_tax training_cap open_weights data_portability interoperability merger_control break_up
    structural_separation non_discrimination revenue_levy profit_tax carbon_price energy_cap grid_limit funding_limits
    entry_support"""
    assert set(named.split()) == set(policies.SHIPPED) <= set(policies.names())


@SHIPPED
def test_a_policy_says_everything_that_a_reader_wants(name):
    cls = policies.find(name)
    told = facts(cls)
    wanted = (
        "meaning", "parameters", "levers", "strength scales", "assumed", "left to the market", "acts through",
        "first to look at", "side effects", "resembles", "example",
    )  # fmt: skip
    assert [fact for fact in wanted if not told.get(fact)] == []
    assert set(cls.uses) <= set(LEVERS)
    from sim.observe import MEASURES

    assert cls.headline in MEASURES
    for text in (cls.description(), *cls.resembles):
        assert re.fullmatch(r"[^\n].*", text, re.DOTALL) and "  " not in text


@EVERY
def test_every_parameter_has_a_meaning_and_every_number_a_unit_and_a_range(name):
    schema = policies.find(name).model_json_schema(by_alias=True)
    for key, entry in schema["properties"].items():
        assert entry.get("description"), key
        kinds = [entry, *entry.get("anyOf", ())]
        if any(kind.get("type") in ("number", "integer") for kind in kinds):
            assert entry.get("unit"), key
            assert any({"minimum", "maximum"} <= set(kind) for kind in kinds), key


@EVERY
def test_the_example_is_a_scenario_that_loads_without_a_warning(name):
    scenario = load_scenario({"extends": "baseline", "policies": parse_yaml(policies.find(name).example, name).value})
    assert list(scenario.policies[0]) == [name]


@EVERY
def test_a_policy_survives_yaml_and_pickle(name, tmp_path):
    policy = example(name, cost=0.25, lag=2, strength=0.5)
    assert pickle.loads(pickle.dumps(policy)) == policy
    scenario = load_scenario({"policies": [{name: policy.dump()}]})
    (tmp_path / "again.yaml").write_text(scenario.to_yaml())
    again = load_scenario(tmp_path / "again.yaml")
    assert again.policies == scenario.policies == ({name: policy.dump()},)
    assert again.content_hash() == load_scenario({"policies": [{name: policy.dump()}]}).content_hash()
    assert policies.build(again.policies) == [policy]


# --- when ----------------------------------------------------------------------------------------


@EVERY
def test_levers_are_neutral_before_the_start_and_from_the_end_on(name):
    policy = example(name, start=str(START + 3), end=str(START + 6), trigger=None)
    acts = {quarter: not is_neutral(rules).all() for quarter, rules in rulebooks(policy, 0, 8)}
    last = START + 3 if name == "break_up" else START + 5
    assert [str(quarter) for quarter, is_acting in acts.items() if is_acting] == [
        str(quarter) for quarter in acts if START + 3 <= quarter <= last
    ]


@EVERY
def test_a_trigger_with_lag_decides_the_first_quarter_by_replicate(name):
    """HHI 1,000 and 2,000; from period 4 on twice that. Above 1,500 for 2 quarters, seen 2 quarters late."""
    trigger = {"measure": "hhi_revenue", "above": 1500.0, "for": 2}
    policy = example(name, start=str(START + 1), end=None, trigger=trigger, lag=2)
    acts = np.array([~is_neutral(rules) for _, rules in rulebooks(policy, 0, 9, hhi=(1000.0,) * 4 + (2000.0,) * 16)])
    first = [int(acts[:, r].argmax()) for r in (0, 1)]
    assert first == [4 + 1 + 2, 0 + 1 + 2], "second quarter of the condition, and the lag"
    if name != "break_up":
        assert acts[first[0] :, 0].all() and acts[first[1] :, 1].all()


@EVERY
def test_a_ramp_takes_equal_steps_to_the_full_answer(name):
    if name == "break_up":
        with pytest.raises(ValidationError, match="phased in"):
            example(name, ramp=4)
        return
    ramped, full = (example(name, start=str(START + 2), ramp=ramp, end=None) for ramp in (4, 0))
    steps = dict(rulebooks(ramped, 1, 7))
    for k, share in enumerate((0.25, 0.5, 0.75, 1.0, 1.0)):
        ((_, wanted),) = rulebooks(full.model_copy(update={"strength": share}), 2 + k, 2 + k)
        found = steps[START + 2 + k]
        if name != "efficiency_programme":  # whose uptake depends on the time since the start, the same in both
            assert all(np.array_equal(getattr(found, lever), getattr(wanted, lever)) for lever in LEVERS)
    assert is_neutral(steps[START + 1]).all()


@functools.cache
def unregulated(expectations):
    """A world, and four quarters of it without policies."""
    same = world_with(Mechanisms(expectations=expectations), parameters={"entry_candidates": 6.0})
    return same, record(same, 4)


@pytest.mark.parametrize("expectations", ["adaptive", "static"])
@EVERY
def test_nothing_differs_before_the_start(name, expectations):
    """Nobody foresees a policy: firms expect what they saw."""
    same, without = unregulated(expectations)
    policy = in_force(name, start=str(START_OF_ALL), cost=0.2)
    with_it = record(same, 4, policies=[policy])
    for table in ("measures", "firms", "owners", "makers"):
        for key, values in getattr(without, table).items():
            if not key.startswith("turnover"):
                now = getattr(with_it, table)[key]
                assert np.array_equal(values[:, :2], now[:, :2], equal_nan=values.dtype.kind == "f"), (table, key)
    assert not same_bits(without, with_it), "it does something from then on"


# --- what changes nothing ------------------------------------------------------------------------


@EVERY
def test_no_strength_and_a_start_after_the_horizon_change_no_bit(name, baseline):
    silent = [in_force(name, strength=0.0, cost=1.0), in_force(name, start=str(START + QUARTERS), cost=1.0)]
    assert same_bits(baseline, record(world(), QUARTERS, policies=silent))


@REACHING
def test_nobody_to_reach_changes_no_bit(name, baseline):
    changes = {"ban": True} if name == "merger_control" else {}
    policy = in_force(name, who=NOBODY, cost=1.0, **changes)
    assert same_bits(baseline, record(world(), QUARTERS, policies=[policy]))


COMPLIANT = {
    "training_cap": {"flop": 1e35},
    "resource_quota": {"most": 1.0},
    "energy_cap": {"terawatt_hours": 1e5},
    "grid_limit": {"chips": 1e6},
    "open_weights": {"age": 1, "maintenance": 1.0, "who": {"names": ("Meta AI",)}},  # publishes by itself
    "non_discrimination": {},  # in a world with one owner, below
    "structural_separation": {"who": {"names": ("OpenAI",)}},  # no owner is its own
    "break_up": {"trigger": {"measure": "hhi_revenue", "above": 1e5}},
    "funding_limits": {},  # in a world without partners' credits, below
    "carbon_price": {},  # in a world without carbon, below
}
BASES = {"non_discrimination": "symmetric"}
WORLDS = {
    "funding_limits": {"partner_credit_share": 0.0},
    "carbon_price": {"grid_intensity": 0.0},
}


@pytest.mark.parametrize("name", COMPLIANT)
def test_a_remedy_on_a_compliant_market_changes_no_bit(name):
    market = small_world(entry_candidates=6.0, **WORLDS.get(name, {}))
    if name in BASES:
        market = build(WorldSpec(folders=world_folders(BASES[name])))
    policy = in_force(name, **COMPLIANT[name])
    assert same_bits(record(market, QUARTERS), record(market, QUARTERS, policies=[policy]))


# --- together ------------------------------------------------------------------------------------


def test_the_order_in_the_file_changes_no_bit():
    items = [{name: in_force(name, strength=0.7, cost=0.1).dump()} for name in every()]
    rng = np.random.Generator(np.random.PCG64(3))
    orders = [items, items[::-1], [items[k] for k in rng.permutation(len(items))]]
    runs = [record(world(), 4, policies=policies.build(order)) for order in orders]
    assert same_bits(runs[0], runs[1]) and same_bits(runs[0], runs[2])


@pytest.mark.parametrize("name", [name for name, levers in ADDED.items() if levers])
def test_two_copies_of_half_strength_are_one_of_full_strength_where_levers_add(name):
    full, half = (in_force(name, strength=strength, cost=0.5) for strength in (1.0, 0.5))
    seen, quarter = observation(1), START + 1
    sizes = {"firm": 6, "owner": 2}
    one = combine([full(seen, quarter)], sizes, 2)
    two = combine([half(seen, quarter), half(seen, quarter)], sizes, 2)
    for lever in (*ADDED[name], *COST_LEVERS):
        assert np.array_equal(getattr(one, lever), getattr(two, lever)), lever


@EVERY
def test_a_policy_leaves_everyone_elses_luck_and_its_inputs_alone(name):
    policy = in_force(name, **({"allocation": "lottery"} if name == "public_compute" else {}))
    seen = observation(1)
    before = copy.deepcopy((seen.firms, seen.owners, [sight.firms for sight in seen.past]))
    draws = seen.luck.uniform("quality", 1, 6)
    first, again = policy(seen, START + 1), policy(seen, START + 1)
    after = (seen.firms, seen.owners, [sight.firms for sight in seen.past])
    for left, right in zip(_arrays(before), _arrays(after), strict=True):
        assert np.array_equal(left, right)
    assert np.array_equal(draws, seen.luck.uniform("quality", 1, 6))
    assert first.keys() == again.keys() and all(np.array_equal(first[key], again[key]) for key in first)


def _arrays(data):
    if isinstance(data, np.ndarray):
        return [data]
    items = data.values() if isinstance(data, dict) else data
    return [array for item in items for array in _arrays(item)]


# --- money ---------------------------------------------------------------------------------------

PAYERS = {"government": "administration", "firms": "compliance", "owners": "owners' compliance"}


@EVERY
def test_a_run_is_finite_its_books_close_and_the_payer_pays(name):
    free = run_quarters(world(), 3, policies=[in_force(name)])
    for payer, flow in PAYERS.items():
        costly = run_quarters(world(), 3, policies=[in_force(name, cost=0.5, payer=payer)])
        assert max(residual.max() for residual in costly.residuals) < 1e-9
        paid = _paid(costly.flows[1], flow) - _paid(free.flows[1], flow)
        reached = issubclass(policies.find(name), BasePolicy) and not is_by_size(in_force(name))
        assert paid == pytest.approx(0.5 if reached else 0.0, abs=1e-12), payer
        for state in costly.states:
            assert all(np.isfinite(getattr(state, key)).all() for key in ("cash", "debt", "rent", "share", "capacity"))


def is_by_size(policy):
    """Whether it cannot reach anyone in `run_quarters`, where the past is not observed."""
    return isinstance(policy, FirmPolicy) and (policy.who.by or policy.who.of) is not None


def _paid(flows, name):
    (flow,) = [each for each in flows.ledger if each.name == name]
    return float(np.sum(flow.amount[0]))


def test_costs_scale_with_strength_and_are_shared_as_declared():
    policy = example("compute_subsidy", start=None, ramp=0, cost=0.8, strength=0.5, payer="firms")
    ((_, rules),) = rulebooks(policy, 2, 2)
    assert np.array_equal(rules.compliance_cost[0], [0, 0, 0, 0.2, 0.2, 0])
    ((_, rules),) = rulebooks(policy.model_copy(update={"payer": "owners"}), 2, 2)
    assert np.allclose(rules.owner_cost[0], [0.3, 0.1])
    ((_, rules),) = rulebooks(policy.model_copy(update={"payer": "government"}), 2, 2)
    assert np.array_equal(rules.programme_cost, [0.4, 0.4])


# --- whom ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "reached"),
    [
        ("all", "11111-"),
        ({"class": "sme"}, "00011-"),
        ({"class": "giant"}, "01000-"),
        ({"names": ["Alpha", "Epsilon"]}, "10000-"),  # the Epsilon there now is another firm
        ({"top": 2, "by": "revenue"}, "11000-"),
        ({"top": 9, "by": "power"}, "11110-"),  # Epsilon has not been seen
        ({"outside_top": 2, "by": "compute"}, "00111-"),
        ({"share_above": 0.25, "of": "revenue"}, "11000-"),  # 5/13, 4/13, 3/13
    ],
)
def test_groups(who, reached):
    policy = example("revenue_levy", who=who)
    assert [bool(flag) for flag in policy.reached(observation())[0]] == [mark == "1" for mark in reached]


@pytest.mark.parametrize("who", [{"top": 2, "by": "revenue"}, {"outside_top": 2, "by": "revenue"}])
def test_nobody_is_reached_by_size_before_the_first_sight(who):
    assert not example("revenue_levy", who=who, lag=3).reached(observation(period=2)).any()
    assert example("revenue_levy", who=who, lag=2).reached(observation(period=2)).any()


def test_ties_of_size_go_to_the_lower_slot():
    seen = observation()
    for sight in seen.past:
        sight.firms["revenue"][:] = 1.0
    assert list(example("revenue_levy", who={"top": 2, "by": "revenue"}).reached(seen)[0]) == [1, 1, 0, 0, 0, 0]


def test_as_many_firms_escape_as_enforcement_errs():
    policy = example("revenue_levy", who="all", error=0.3)
    seen = observation(n_replicates=4000)
    share = 1.0 - policy.reached(seen)[:, :5].mean()
    assert share == pytest.approx(0.3, abs=4 * (0.21 / 20000) ** 0.5)
    assert np.array_equal(policy.reached(seen), policy.reached(seen))
    assert not np.array_equal(policy.reached(seen), policy.reached(observation(6, 4000))), "anew each quarter"
    assert not example("revenue_levy", who="all", error=1.0).reached(seen).any()


def test_what_is_seen_is_as_old_as_the_lag():
    seen = observation(period=5)
    for k, sight in enumerate(seen.past):
        sight.firms["revenue"][:, :4] = np.roll([4.0, 3.0, 2.0, 1.0], k)
    leaders = [
        int(example("revenue_levy", who={"top": 1, "by": "revenue"}, lag=lag).reached(seen)[0].argmax())
        for lag in (1, 2, 3)
    ]
    assert leaders == [4 % 4, 3, 2]


# --- triggers ------------------------------------------------------------------------------------


def fired(hhi, start, lag, **trigger):
    policy = example("carbon_price", start=str(START + start), lag=lag, trigger={"measure": "hhi_revenue", **trigger})
    return [not is_neutral(rules)[0] for _, rules in rulebooks(policy, 0, len(hhi), n_replicates=1, hhi=hhi)]


def first(flags):
    return flags.index(True) if True in flags else None


def test_a_trigger_latches_until_the_end():
    high_once = (0.0, 0.0, 3000.0, 0.0, 0.0, 0.0)
    assert fired(high_once, 0, 1, above=2500.0) == [False] * 3 + [True] * 4


def test_a_trigger_wants_all_quarters_in_a_row():
    assert first(fired((3e3, 0, 3e3, 0, 3e3, 3e3, 0, 0), 0, 1, above=2500.0, **{"for": 2})) == 6
    assert first(fired((3e3, 0, 3e3, 0, 3e3, 0, 3e3, 0), 0, 1, above=2500.0, **{"for": 2})) is None


def test_a_trigger_does_not_look_at_what_ended_before_the_start():
    assert first(fired((3e3, 3e3, 0, 0, 0, 0, 0), 4, 1, above=2500.0)) is None
    assert first(fired((0, 0, 0, 3e3, 0, 0, 0), 4, 1, above=2500.0)) == 4


def test_below_and_the_threshold_itself():
    assert first(fired((2500.0,) * 6, 0, 1, above=2500.0)) is None
    assert first(fired((2500.0,) * 6, 0, 1, below=2500.0)) is None
    assert first(fired((2499.0,) * 6, 0, 1, below=2500.0)) == 1


def test_a_measure_that_is_not_a_number_fires_nothing():
    assert first(fired((float("nan"),) * 6, 0, 1, above=0.0)) is None


def test_replicates_fire_alone_and_blocks_change_no_bit():
    policy = in_force("training_cap", flop=1e24, trigger={"measure": "n_firms", "above": 19.5})
    whole = record(world(), 5, replicates=range(6), policies=[policy])
    parts = [record(world(), 5, replicates=[r], policies=[policy]) for r in range(6)]
    largest = whole.measures["largest_run_flop"]
    assert all(np.array_equal(largest[r], parts[r].measures["largest_run_flop"][0]) for r in range(6))


# --- allocation ----------------------------------------------------------------------------------


def scene(compute):
    seen = observation(1, 1)
    for what in ("compute", "unaided"):
        seen.past[0].firms[what][0, : len(compute)] = compute
    seen.firms["age"][:] = 1
    targets = np.array([[True] * len(compute) + [False] * (6 - len(compute))])
    return Scene(seen, START, 1, np.zeros(1, int), np.ones(1), targets)


@pytest.mark.parametrize(
    ("rule", "weights"),
    [
        ("equal", [0.25, 0.25, 0.25, 0.25]),
        ("need", [0.6, 0.4, 0.0, 0.0]),  # mean 4: gaps 3, 2, 0, 0
        ("max_min", [2 / 3, 1 / 3, 0.0, 0.0]),  # 3 units: water stands at 3
        ("pro_rata", [1 / 16, 2 / 16, 4 / 16, 9 / 16]),
    ],
)
def test_rules_of_allocation_worked_by_hand(rule, weights):
    found = claims(rule, scene([1.0, 2.0, 4.0, 9.0]), np.array([3.0]))
    assert np.allclose(found[0], [*weights, 0.0, 0.0])


def test_a_lottery_has_one_winner_and_equal_chances():
    s = scene([1.0, 2.0, 4.0, 9.0])
    rng = np.random.Generator(np.random.PCG64(1))
    wins = sum(claims("lottery", s, np.zeros(1), rng.random((1, 6)))[0] for _ in range(2000)) / 2000
    assert np.allclose(wins, [0.25] * 4 + [0, 0], atol=0.04)


def test_rules_that_see_no_difference_share_equally():
    for rule in ("need", "merit", "pro_rata"):
        s = scene([2.0, 2.0, 2.0, 2.0])
        s.observation.past[0].firms["power"][:] = 1.0
        assert np.allclose(claims(rule, s, np.zeros(1))[0], [0.25] * 4 + [0, 0])


# --- mistakes in Python --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {"rate": 11.0}, {"rate": -0.1}, {"rate": "0.1"}, {"rate": float("nan")}, {"rat": 0.1}, {},
        {"rate": 0.1, "strength": 7.0}, {"rate": 0.1, "ramp": -1}, {"rate": 0.1, "lag": 0},
        {"rate": 0.1, "start": "2027"}, {"rate": 0.1, "start": "2027Q1", "end": "2027Q1"},
        {"rate": 0.1, "schedule": "progressive"}, {"rate": 0.1, "threshold": 1e25},
        {"rate": 0.1, "who": {}}, {"rate": 0.1, "who": {"top": 1}}, {"rate": 0.1, "who": {"by": "power"}},
        {"rate": 0.1, "who": {"class": "sme", "names": ["A"]}}, {"rate": 0.1, "payer": "nobody"},
        {"rate": 0.1, "trigger": {"measure": "hhi_revenue", "above": 1.0, "below": 2.0}},
    ],
)  # fmt: skip
def test_python_users_meet_the_same_checks(parameters):
    with pytest.raises(ValidationError):
        policies.find("compute_tax").model_validate(parameters)


def test_policies_cannot_be_changed_later():
    with pytest.raises(ValidationError):
        example("compute_tax").rate = 0.5


def test_an_unknown_policy_is_refused_with_what_to_do():
    with pytest.raises(PolicyError, match="aipower list policies"):
        policies.find("compute_taxes")


# --- mistakes in files ---------------------------------------------------------------------------

MISTAKES = [
    # an item of `policies`, key path after `policies[0]`, what the message must say
    ("compute_tx: {rate: 0.1}", "", "did you mean compute_tax?"),
    ("compute-tax: {rate: 0.1}", "", "did you mean compute_tax?"),
    ("compute_tax: {rat: 0.1, rate: 0.1}", ".compute_tax.rat", "did you mean rate?"),
    ("compute_tax: {}", ".compute_tax", "lacks rate"),
    ("compute_tax:", ".compute_tax", "lacks rate"),
    ("compute_tax", ".compute_tax", "as in `- compute_tax: {rate: 0.1, captive: true, start: 2027Q1}`"),
    ("compute_tax: 0.1", ".compute_tax", "0.1 is a number; allowed: a mapping with rate, schedule"),
    (
        "compute_tax: {rate: -1}",
        ".compute_tax.rate",
        "-1 is out of range; allowed: a number from 0 to 10 (share of rent)",
    ),
    ("compute_tax: {rate: '10%'}", ".compute_tax.rate", "write 0.1, without quotes"),
    ("compute_tax: {rate: true}", ".compute_tax.rate", "true is true or false"),
    ("compute_tax: {rate: .inf}", ".compute_tax.rate", "finite"),
    ("compute_tax: {rate: 0.1, strength: 7}", ".compute_tax.strength", "from 0 to 1 (share)"),
    ("compute_tax: {rate: 0.1, ramp: 1.5}", ".compute_tax.ramp", "a whole number from 0 to 80 (quarters)"),
    ("compute_tax: {rate: 0.1, lag: 0}", ".compute_tax.lag", "from 1 to 8"),
    ("compute_tax: {rate: 0.1, start: 2027}", ".compute_tax.start", "try 2027Q1"),
    ("compute_tax: {rate: 0.1, start: 2027q3}", ".compute_tax.start", "try 2027Q3"),
    ("compute_tax: {rate: 0.1, start: 2027Q1, end: 2027Q1}", ".compute_tax", "2027Q1 is not after the start 2027Q1"),
    ("compute_tax: {rate: 0.1, captive: maybe}", ".compute_tax.captive", "true or false"),
    ("compute_tax: {rate: 0.1, schedule: steep}", ".compute_tax.schedule", "flat, progressive, threshold"),
    ("compute_tax: {rate: 0.1, schedule: threshold}", ".compute_tax", "lacks threshold; allowed"),
    ("compute_tax: {rate: 0.1, payer: firm}", ".compute_tax.payer", "did you mean firms?"),
    ("compute_tax: {rate: 0.1, who: smes}", ".compute_tax.who", "'smes' is not a group; allowed: all, {class: sme}"),
    ("compute_tax: {rate: 0.1, who: {}}", ".compute_tax.who", "names nobody"),
    ("compute_tax: {rate: 0.1, who: {class: small}}", ".compute_tax.who.class", "giant, lab, sme"),
    ("compute_tax: {rate: 0.1, who: {clas: sme}}", ".compute_tax.who.clas", "did you mean class?"),
    ("compute_tax: {rate: 0.1, who: {top: 5}}", ".compute_tax.who", "by what the largest are ranked"),
    ("compute_tax: {rate: 0.1, who: {top: 5, by: size}}", ".compute_tax.who.by", "revenue, compute, power"),
    ("compute_tax: {rate: 0.1, who: {share_above: 20, of: power}}", ".compute_tax.who.share_above", "from 0 to 1"),
    ("compute_tax: {rate: 0.1, who: {names: [OpenAi]}}", ".compute_tax.who.names[0]", "did you mean OpenAI?"),
    ("compute_tax: {rate: 0.1, who: {names: OpenAI}}", ".compute_tax.who.names", "a list"),
    ("compute_tax: {rate: 0.1, trigger: {measure: hhi, above: 1}}", ".compute_tax.trigger.measure", "is no measure"),
    (
        "compute_tax: {rate: 0.1, trigger: {measure: turnover_power, above: 0}}",
        ".compute_tax.trigger.measure",
        "after the run",
    ),
    ("compute_tax: {rate: 0.1, trigger: {measure: n_firms}}", ".compute_tax.trigger", "has no threshold"),
    (
        "compute_tax: {rate: 0.1, trigger: {measure: n_firms, above: 1, for: 0}}",
        ".compute_tax.trigger.for",
        "from 1 to 40",
    ),
    ("compute_tax: {rate: 0.1, trigger: {above: 1}}", ".compute_tax.trigger", "lacks measure"),
    ("carbon_price: {price: 5, who: all}", ".carbon_price.who", "unknown parameter of carbon_price"),
    ("merger_control: {who: {class: giant}}", ".merger_control", "who belongs to a ban"),
    ("break_up: {successors: 2, ramp: 4}", ".break_up", "cannot be phased in"),
    ("merger_control: {tolerance: 0.01, error: 0.1}", ".merger_control", "error belongs to a ban"),
    ("public_compute: {}", ".public_compute", "has no size"),
    ("open_weights: {}", ".open_weights", "neither a duty nor a reward"),
    ("resource_quota: {reserve: 0.1}", ".resource_quota", "lacks allocation"),
    ("[compute_tax]", "", "is a list"),
    ("{compute_tax: {rate: 0.1}, carbon_price: {price: 5}}", "", "names 2 policies"),
    ("{}", "", "names no policy"),
]


@pytest.mark.parametrize(("item", "key", "text"), MISTAKES)
def test_a_mistake_in_a_policy_names_line_key_and_remedy(tmp_path, item, key, text):
    file = tmp_path / "mine.yaml"
    file.write_text(f"extends: baseline\npolicies:\n  - {item}\n", encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file)
    line = next(line for line in caught.value.problems if text in line)
    assert line.startswith(f"{file}:3: policies[0]{key}: ")
    what, allowed, hint = line.split("; ", 2)
    assert what and "allowed: " in allowed + hint and hint


def test_mistakes_in_several_policies_are_told_together_with_their_lines(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "extends: baseline\nrun: {seed: -1}\npolicies:\n  - compute_tax: {rate: 11}\n  - carbon_price: {price: 5}\n"
        "  - grid_limit:\n      chips: 0\n      who: all\n"
    )
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file)
    assert [line.split(": ")[0].rpartition(":")[2] for line in caught.value.problems] == ["2", "4", "7", "8"]


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"carbon_price": {"price": 72, "start": "2036Q1"}}, "after the horizon, which ends 2035Q4"),
        ({"carbon_price": {"price": 72, "end": "2024Q1"}}, "not after the first quarter"),
        ({"carbon_price": {"price": 72, "strength": 0}}, "0 is no strength"),
        (
            {"break_up": {"successors": 2, "who": {"top": 1, "by": "revenue"}}},
            "nobody has been seen yet in the only quarter in which this acts; set a start of 2024Q2 or later",
        ),
        (
            {"break_up": {"successors": 2, "who": {"top": 1, "by": "revenue"}, "start": "2024Q3", "lag": 4}},
            "set a start of 2025Q1 or later",
        ),
    ],
)
def test_a_policy_that_can_do_nothing_is_a_warning(item, text):
    with pytest.warns(ScenarioWarning, match=text):
        load_scenario({"policies": [item]})


def test_firms_that_the_scenario_adds_and_those_the_model_names_can_be_named():
    who = {"names": ["Newcomer", "Small firm 3", "Entrant 2"]}
    firm = {"name": "Newcomer", "class": "lab", "compute": 5.0}
    data = {"world": {"firms": [firm]}, "policies": [{"revenue_levy": {"rate": 0.1, "who": who}}]}
    assert load_scenario(data).policies[0]["revenue_levy"]["who"] == who


def test_a_name_alone_and_a_name_without_parameters_are_policies():
    plain = load_scenario({"policies": ["non_discrimination"]})
    assert plain.policies == load_scenario({"policies": [{"non_discrimination": None}]}).policies
    assert plain.policies[0]["non_discrimination"]["strength"] == 1.0


# --- changes by --set ----------------------------------------------------------------------------


def settings(*overrides, items=({"training_cap": {"flop": 1e26}}, {"compute_tax": {"rate": 0.1}})):
    return load_scenario({"policies": list(items)}, overrides=overrides).policies


def test_set_changes_a_policy_by_name_or_place_and_adds_one_that_is_not_there():
    assert settings("policies.training_cap.flop=1e25")[0]["training_cap"]["flop"] == 1e25
    assert settings("policies.1.rate=0.2")[1]["compute_tax"]["rate"] == 0.2
    assert settings("policies.compute_tax={schedule: progressive, full_share: 0.1}")[1]["compute_tax"]["rate"] == 0.1
    added = settings("policies.carbon_price.price=72", "policies.carbon_price.start=2027Q1")
    assert [next(iter(item)) for item in added] == ["training_cap", "compute_tax", "carbon_price"]
    assert added[2]["carbon_price"]["start"] == "2027Q1"
    nested = settings("policies.compute_tax.trigger={measure: n_firms, above: 3}", "policies.compute_tax.trigger.for=2")
    assert nested[1]["compute_tax"]["trigger"] == {"measure": "n_firms", "above": 3.0, "for": 2}
    assert settings("policies=[]") == ()


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("policies.compute_tax.rate=0.2", "compute_tax stands there 2 times"),
        ("policies.7.rate=0.2", "no policy at position 7"),
        ("policies.compute_tx.rate=0.2", "did you mean compute_tax?"),
        ("policies.0.rat=0.2", "did you mean rate?"),
    ],
)
def test_set_says_what_it_cannot_do(override, text):
    with pytest.raises(ScenarioError, match=re.escape(text)) as caught:
        settings(override, items=[{"compute_tax": {"rate": 0.1}}, {"compute_tax": {"rate": 0.3}}])
    assert caught.value.problems[0].startswith(f"--set {override}: ")


# --- the library ---------------------------------------------------------------------------------

LIBRARY = Path(__file__).parents[1] / "scenarios"


@SHIPPED
def test_each_policy_has_a_realistic_and_a_strong_scenario(name):
    stem = name.replace("_", "-")
    found = [load_scenario(LIBRARY / "policies" / f"{stem}{end}.yaml") for end in ("", "-strong")]
    for scenario in found:
        assert {key for item in scenario.policies for key in item} == {name}
        assert scenario.changed_parameters() == {} and scenario.run == load_scenario("baseline").run
    assert found[0].content_hash() != found[1].content_hash()


@pytest.mark.parametrize(
    "path", sorted([*LIBRARY.glob("policies/*.yaml"), *LIBRARY.glob("packages/*.yaml")]), ids=lambda path: path.stem
)
def test_library_scenarios_ask_one_question_and_are_found_by_name(path):
    scenario = load_scenario(path.stem)
    assert scenario == load_scenario(path)
    assert scenario.name == path.stem
    assert re.fullmatch(r"(What|How|Do|Does|Who)[^?]*\?", scenario.question)


def test_packages_are_those_of_the_documentation():
    found = {path.stem for path in (LIBRARY / "packages").glob("*.yaml")}
    assert found == {"open-commons", "antitrust", "public-option", "efficiency-and-diffusion", "four-levers"}


# --- in a run ------------------------------------------------------------------------------------


def test_scenarios_of_any_order_give_the_same_bits_in_any_number_of_workers():
    items = [{"compute_tax": {"rate": 0.1}}, {"compute_tax": {"rate": 0.07}}, {"carbon_price": {"price": 72.0}}]
    data = {"horizon": {"end": "2024Q4"}}
    one = simulate(load_scenario({**data, "policies": items}), replicates=4, block_size=2)
    assert same_bits(one, simulate(load_scenario({**data, "policies": items[::-1]}), replicates=4, block_size=3))
    assert same_bits(one, simulate(load_scenario({**data, "policies": items}), replicates=4, workers=2, block_size=2))


def test_an_explanation_replays_the_policies():
    scenario = load_scenario({"horizon": {"end": "2025Q4"}, "policies": [{"compute_tax": {"rate": 0.5}}]})
    run = simulate(scenario, replicates=1)
    told = explain(scenario, "OpenAI", "2025Q4")
    place = run.firm_names.index("OpenAI")
    assert told["AI power P"] == run.firms["power"][0, run.firm_quarters.index("2025Q4"), place]


def test_firms_of_one_owner_are_one_by_size() -> None:
    """Gamma and Delta together sell 4 of 13: as much as Beta, so that they come third, and above a quarter together."""
    seen = observation()
    seen.firms["group"][:] = [0, 1, 2, 2, 4, 5]
    for who, expected in (
        ({"top": 1, "by": "revenue"}, "10000"),
        ({"top": 2, "by": "revenue"}, "11000"),
        ({"top": 3, "by": "revenue"}, "11110"),
        ({"outside_top": 2, "by": "revenue"}, "00111"),
        ({"share_above": 0.25, "of": "revenue"}, "11110"),
    ):
        reached = Who.model_validate(who).reached(seen, 1)
        assert "".join(str(int(x)) for x in reached[0, :5]) == expected, who


def test_a_quota_is_the_owners() -> None:
    """Half each for two firms that trained alike, so that together they keep what a firm on its own may train with."""
    seen = observation()
    seen.firms["group"][:] = [0, 1, 1, 3, 4, 5]
    seen.past[-1].firms["training"][:] = [5.0, 3.0, 3.0, 1.0, 0.0, 0.0]
    cap = in_force("resource_quota", most=0.1)(seen, START + 5)["training_cap"][0]
    assert cap[1] == cap[2] == cap[0] / 2
    u = seen.parameters.utilisation
    assert cap[0] == pytest.approx(0.1 * u * (4.0 + 0.3 + 0.5)), "owners', firms' own and the public pool's chips"


@pytest.mark.parametrize(("ramp", "half_life"), [(0, 0), (4, 0), (8, 4), (0, 4)])
def test_a_change_is_paid_as_it_is_made_once(ramp: int, half_life: float) -> None:
    programme = example("efficiency_programme", start=str(START), adoption_cost=0.01, ramp=ramp, half_life=half_life)
    paid = sum(float(rules.compliance_cost[0, 0]) for _, rules in rulebooks(programme, 0, 19))
    assert paid == pytest.approx(0.01 * (1.0 - (0.5 ** (20 / half_life) if half_life else 0.0)), rel=1e-9)
