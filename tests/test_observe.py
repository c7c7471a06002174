"""Measures against plain loops, the ledger and networkx, and the log of events."""

import itertools
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest

from sim import ensemble
from sim.observe import EVENTS, OWNER_COLUMNS, EventLog, Moments, RankLog, described, observe
from sim.observe.firms import small_firm_survival
from sim.observe.ranks import top_firms
from sim.observe.supply import freeman
from sim.observe.tables import owner_table
from sim.quarters import Quarter
from sim.result import Result
from sim.scenario import load_scenario
from tests.worlds import START, record, run_quarters, small_world

RESOURCES = {
    "sales": 1, "captive services": 1, "captive tax": 1, "training staff": -1, "operating cost": -1,
    "energy and operations": -1, "administration": -1, "sites": -1, "chip production": -1, "compliance": -1,
    "owners' compliance": -1, "running own chips": -1, "running the public pool": -1, "sites of own chips": -1,
    "sites of the public pool": -1, "integration of mergers": -1,
}  # fmt: skip
TRANSFERS = {
    "rent", "compute tax", "use, revenue and profit taxes", "interest", "dividends", "investors' equity",
    "partners' compute credits", "parents' grants", "grants", "loans", "repayment", "carbon price", "chips",
    "allotted compute", "carbon price of own chips", "chips of the public pool", "firms' own chips", "entry grants",
    "used chips", "within corporations", "makers' profits", "owners' equity", "owners' dividends", "recovered from exits", "entrants' equity",
}  # fmt: skip


def constant(**levers):
    return lambda _observation, _quarter: levers


POLICY = constant(compute_tax=0.1, captive_tax=0.05, revenue_levy=0.02, grant=0.001, carbon_price=50.0)


def moments(n_quarters=3, world=None, policies=(POLICY,), **state):
    run = run_quarters(world or small_world(), n_quarters, policies=policies, **state)
    return [
        Moments(a, b, f, r, run.world)
        for a, b, f, r in zip(run.states[:-1], run.states[1:], run.flows, run.residuals, strict=True)
    ]


@pytest.fixture(scope="module")
def quarters():
    return moments(6)


def test_owners_use_a_share_of_the_chips_at_the_start_of_the_quarter_as_the_column_says(quarters):
    for earlier, later in itertools.pairwise(quarters):
        used = owner_table(later)["utilised"] * owner_table(earlier)["capacity"]
        np.testing.assert_allclose(used, later.flows.markets.use, rtol=1e-12)
    assert "at the start of the quarter" in OWNER_COLUMNS["utilised"].sentence
    assert "at the end of the quarter" in OWNER_COLUMNS["capacity"].sentence


def test_sectors_have_a_measure_each(quarters):
    m = quarters[-1]
    values = observe(m)
    for s, sector in enumerate(m.world.sector_names):
        owner = m.before.group[1]
        revenue = [m.flows.markets.revenue[1, s][owner == head].sum() for head in set(owner.tolist())]
        expected = 1e4 * sum((x / sum(revenue)) ** 2 for x in revenue)
        assert values[f"hhi_revenue_{sector}"][1] == pytest.approx(expected, rel=1e-12)
        assert values[f"adoption_{sector}"][1] == pytest.approx(sum(revenue) / m.flows.drivers.budget[s], rel=1e-12)
        assert described(f"adoption_{sector}").unit == "share"
    with pytest.raises(KeyError):
        described("adoptions")


def test_control_counts_only_firms_that_are_not_integrated(quarters):
    m = quarters[-1]
    weight, used, own = m.flows.markets.owner_weight[0], m.flows.markets.rented[0], m.world.is_integrated
    control = []
    for j in range(len(weight)):
        others = [i for i in range(len(used)) if not own[j, i]]
        control.append(sum(weight[j, i] * used[i] for i in others) / sum(used[i] for i in others))
    assert observe(m)["control_largest_owner"][0] == pytest.approx(max(control), rel=1e-12)
    google, microsoft = m.world.owner_names.index("Google"), m.world.owner_names.index("Microsoft")
    assert own[google, m.world.firm_names.index("Google DeepMind")]
    assert not own[microsoft, m.world.firm_names.index("OpenAI")], "a partner is not a parent"


def test_control_counts_severed_firms():
    m = moments(policies=(constant(separation=1.0),))[-1]
    used, weight = m.flows.markets.rented, m.flows.markets.owner_weight
    control = np.einsum("roi,ri->ro", weight, used) / used.sum(-1, keepdims=True)
    assert observe(m)["control_largest_owner"] == pytest.approx(control.max(-1), rel=1e-12)


def test_centralisation_is_that_of_the_graph(quarters):
    m = quarters[-1]
    weight, used = m.flows.markets.owner_weight[0], m.flows.markets.compute_used[0]
    n_owners = len(weight)
    supply, main = nx.DiGraph(), nx.DiGraph()
    for graph in (supply, main):
        graph.add_nodes_from(("owner", j) for j in range(n_owners))
    for i in np.flatnonzero(used):
        main.add_edge(("owner", int(weight[:, i].argmax())), ("firm", i))
        for j in range(n_owners):
            supply.add_edge(("owner", j), ("firm", i), weight=weight[j, i] * used[i])
    values = observe(m)
    for graph, name in ((supply, "centralisation_supply"), (main, "centralisation_main_supplier")):
        d = [graph.out_degree(("owner", j), weight="weight") for j in range(n_owners)]
        assert values[name][0] == pytest.approx(sum(max(d) - x for x in d) / ((n_owners - 1) * sum(d)), rel=1e-12)


def test_centralisation_runs_from_the_even_net_to_the_star():
    assert freeman(np.array([[2.0, 2.0, 2.0], [0.0, 5.0, 0.0]])).tolist() == [0.0, 1.0]
    assert np.isnan(freeman(np.array([3.0])))


def test_consumer_gain_without_variety_replaces_ln_z_by_the_mean_of_ln_v(quarters):
    m = quarters[-1]
    p, markets = m.world.parameters, m.flows.markets
    expected = 0.0
    for s, budget in enumerate(m.flows.drivers.budget):
        v = markets.attraction[0, s]
        mean_log = sum(x / sum(v) * np.log(x) for x in v if x > 0.0)
        odds = m.world.initial_odds[s] * np.exp(p.nest_growth * mean_log)
        expected += budget * (1.0 - (1.0 + odds) ** (-1.0 / (p.nest_growth * (p.substitution - 1.0))))
    values = observe(m)
    assert values["consumer_gain_without_variety"][0] == pytest.approx(expected, rel=1e-8)
    assert values["consumer_gain_without_variety"][0] < values["consumer_gain"][0]


def test_welfare_is_what_the_ledger_says_of_resources(quarters):
    for m in quarters:
        ledger = m.flows.ledger
        assert {f.name for f in ledger} <= set(RESOURCES) | TRANSFERS, "say what a new flow is"
        values = observe(m)
        balance = m.flows.fiscal_balance
        expected = values["consumer_gain"] + m.world.parameters.mcpf * balance
        for flow in ledger:
            expected = expected + RESOURCES.get(flow.name, 0) * flow.amount
        assert np.abs(balance).min() > 0.0
        np.testing.assert_allclose(values["welfare"], expected, rtol=1e-9)


def test_funding_interest_and_dividends_cancel_in_welfare(quarters):
    m = quarters[-1]
    accounts, funding = m.flows.accounts, m.flows.funding
    more = 0.3 * funding.parent_grant + 0.01
    changed = replace(
        m.flows,
        funding=replace(funding, parent_grant=funding.parent_grant + more, raised=2.0 * funding.raised),
        accounts=replace(
            accounts,
            owner_income=accounts.owner_income - more.sum(axis=-1),
            dividends=accounts.dividends + 1.0,
            interest=accounts.interest + 0.02,
            earnings=accounts.earnings - 0.02,
        ),
    )
    np.testing.assert_allclose(observe(replace(m, flows=changed))["welfare"], observe(m)["welfare"], rtol=1e-11)


def test_turnover_compares_with_a_year_ago(quarters):
    log, named = RankLog(), [Quarter.parse("2024Q1") + k for k in range(len(quarters))]
    for m, quarter in zip(quarters, named, strict=True):
        log.record(m, quarter)
    values = log.measures(named, 2)["turnover_revenue"]
    assert np.isnan(values[:, :4]).all()

    def first(m, r):
        revenue = m.flows.markets.revenue[r].sum(axis=0)
        return set(np.argsort(-revenue)[:5].tolist())

    for r in range(2):
        expected = len(first(quarters[5], r) - first(quarters[1], r)) / 5
        assert values[r, 5] == expected


def test_a_newcomer_in_an_old_slot_is_another_firm(quarters):
    m = quarters[0]
    power = m.flows.funding.power
    again = replace(
        m, before=replace(m.before, generation=m.before.generation + (power == power.max(axis=-1)[:, None]))
    )
    assert len(set(top_firms(power, m)[0]) - set(top_firms(power, again)[0])) == 1


# --- events ------------------------------------------------------------------------------


def logged(run_moments):
    log = EventLog([0, 1])
    for k, m in enumerate(run_moments):
        log.record(m, str(START + k))
    return log.events()


def test_entries_are_logged_by_name(quarters):
    events = [e for e in logged(quarters) if e.event == "entry"]
    for k, m in enumerate(quarters):
        for r in range(2):
            names = [m.world.firm_names[i] for i in np.flatnonzero(m.flows.demography.entries[r])]
            assert [e.actor for e in events if (e.replicate, e.quarter) == (r, str(START + k))] == names
    assert events


def test_exits_carry_the_generation_that_left(quarters):
    m = quarters[0]
    exits = np.zeros_like(m.before.is_active)
    exits[1, 3] = True
    gone = replace(
        m,
        before=replace(m.before, generation=m.before.generation + 2),
        flows=replace(m.flows, demography=replace(m.flows.demography, exits=exits)),
    )
    (event,) = [e for e in logged([gone]) if e.event == "exit"]
    assert (event.replicate, event.actor) == (1, m.world.firm_names[3])
    assert event.detail == "generation 2 of the slot"


def test_a_mandate_opens_closed_weights_once():
    run = moments(3, policies=(constant(open_weights=1.0),))
    events = [e for e in logged(run) if e.event == "weights opened"]
    closed = run[0].before.is_active[0] & ~run[0].before.is_open[0]
    first = [e for e in events if e.replicate == 0 and e.quarter == str(START)]
    assert [e.actor for e in first] == [run[0].world.firm_names[i] for i in np.flatnonzero(closed)]
    assert all("Entrant" in e.actor for e in events if e.quarter != str(START))
    assert {e.detail for e in events} == {"mandated"}


def test_a_firm_that_opens_by_itself_is_logged(quarters):
    m = quarters[0]
    opened = m.after.is_open.copy()
    slot = m.world.firm_names.index("OpenAI")
    opened[0, slot] = True
    events = [e for e in logged([replace(m, after=replace(m.after, is_open=opened))]) if e.event == "weights opened"]
    assert [(e.replicate, e.actor, e.detail) for e in events] == [(0, "OpenAI", "chosen")]


def test_floors_and_the_grid_bind_when_they_do():
    run = moments(2, policies=(constant(grid_limit=0.05),), captive_outlay_share=np.zeros((2, 9)))
    events = logged(run)
    full = [e for e in events if e.event == "grid binds"]
    assert [(e.replicate, e.quarter) for e in full] == [(r, str(START + k)) for r in (0, 1) for k in (0, 1)]
    expected = {
        (r, str(START + k), run[0].world.owner_names[j])
        for k, m in enumerate(run)
        for r, j in np.argwhere(m.flows.markets.use < 0.999 * m.flows.markets.supply)
    }
    assert expected and expected <= {(e.replicate, e.quarter, e.actor) for e in events if e.event == "floor binds"}
    assert not [e for e in logged(moments(1, policies=())) if e.event in {"grid binds", "floor binds"}]


def test_events_do_not_depend_on_blocks_or_workers():
    scenario = load_scenario(
        {"horizon": {"start": "2024Q1", "end": "2024Q3"}, "world": {"parameters": {"entry_slots": 40}}}
    )
    together = ensemble.simulate(scenario, replicates=4)
    assert {e.replicate for e in together.events} == {0, 1, 2, 3}
    assert list(together.events) == sorted(together.events, key=lambda e: (e.replicate, e.quarter))
    assert ensemble.simulate(scenario, replicates=4, block_size=3).events == together.events
    assert ensemble.simulate(scenario, replicates=4, block_size=2, workers=2).events == together.events
    frame = Result.from_recording(scenario, together).events
    assert [tuple(row) for row in frame.itertuples(index=False)] == [tuple(e) for e in together.events]


def test_every_event_is_of_a_declared_kind():
    assert {e.event for e in record(small_world(), 3).events} <= set(EVENTS)
    assert all(kind.sentence.endswith(".") for kind in EVENTS.values())


def test_leaving_out_stocks_leaves_the_other_measures_as_they_are():
    world = small_world()
    run = run_quarters(world, 1)
    moments = Moments(run.states[0], run.states[1], run.flows[0], run.residuals[0], world)
    whole, lean = observe(moments), observe(moments, with_stocks=False)
    assert {"hhi_revenue", "total_power"}.isdisjoint(lean) and "industry_revenue" in lean
    assert all(np.array_equal(lean[name], whole[name], equal_nan=True) for name in lean)


def test_small_firms_that_never_were_have_no_survival():
    world = small_world(small_firms_initial=0)
    (first, *_) = moments(1, world)
    assert not world.initial.is_small.any()
    assert np.isnan(small_firm_survival(first)).all()


def test_chips_that_nobody_buys_have_no_price():
    """Not zero, which a year's mean would count: a carbon price beyond any rent ends sales of chips."""
    found = observe(moments(2, policies=[constant(carbon_price=50_000.0)])[-1])
    assert not found["capital_expenditure"].any() and np.isnan([found["chip_price"], found["chip_markup"]]).all()
