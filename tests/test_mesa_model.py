"""The Mesa face: the same bits as a run, agents as windows on arrays, Mesa's own tools."""

import copy
import functools
import multiprocessing
import pickle
import re
from pathlib import Path
from typing import ClassVar

import mesa
import numpy as np
import pytest

import sim
from sim.ensemble import prepare, run_block, run_task
from sim.errors import AgentError, InputError, ResultError, ScenarioError
from sim.mesa_model import ChipMaker, CloudProvider, Firm, PowerModel, Regulator, SectorMarket, measured
from sim.pool import Pool
from sim.scenario import load_scenario
from tests.worlds import same_bits

ROOT = Path(sim.__file__).parents[1]
FEW = (
    "world.parameters.entry_slots=24",
    "world.parameters.small_firms_initial=10",
    "record.firms=quarterly",
    "record.owners=quarterly",
)
TABLES = ("measures", "firms", "owners", "makers", "flows", "events")


def model(quarters=3, kind=PowerModel, **arguments):
    """A short history of a small world."""
    return kind("baseline", quarters=quarters, overrides=FEW, **arguments)


# --- bits ----------------------------------------------------------------------


@pytest.mark.parametrize("scenario", ["baseline", "four-levers", "ten_firm_city"])
def test_48_quarters_have_the_bits_of_a_run(scenario):
    overrides = () if scenario == "ten_firm_city" else FEW
    mine = PowerModel(scenario, rng=5, replicate=2, overrides=overrides)
    mine.run_model()
    job = prepare(load_scenario(scenario, overrides=overrides).replace(seed=5))
    assert mine.period == 48
    assert same_bits(mine.recording(), run_block(job, [2]))


def test_a_result_is_that_of_a_run():
    mine = model(6)
    mine.run_model()
    theirs = sim.run(mine.power_scenario, replicates=1)
    for table in TABLES:
        assert mine.result().table(table).equals(theirs.table(table)), table
    assert len(theirs.measures.columns) > 100


@pytest.mark.parametrize("change", ["numbers were written", "hand-written", "replicate"])
def test_a_result_that_its_scenario_does_not_give_is_not_saved_as_its(change, tmp_path):
    arguments = {"hand-written": {"agent_classes": {"OpenAI": Firm}}, "replicate": {"replicate": 1}}
    mine = model(1, **arguments.get(change, {}))
    if change == "numbers were written":
        mine.firm("OpenAI").cash = 1.0
    mine.step()
    result = mine.result()
    assert len(result.measures) == 1
    for store in (result.save, result.report):
        with pytest.raises(ResultError, match=f"because .*{change}"):
            store(tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_a_result_of_the_scenario_itself_is_saved(tmp_path):
    mine = model(1)
    mine.step()
    mine.result().save(tmp_path / "x", figures=False)
    assert sim.load_result(tmp_path / "x").measures.equals(mine.result().measures)


def test_expectations_that_come_true_are_the_same():
    overrides = ("mechanisms.expectations=perfect_own_path", "horizon.end=2024Q4")
    mine = PowerModel("monopoly", overrides=overrides)
    mine.run_model()
    assert same_bits(mine.recording(), run_block(prepare(mine.power_scenario), [0]))


def test_the_seed_is_used_also_when_it_is_zero():
    zero, one, own = model(1, rng=0), model(1, rng=1), model(1)
    for each in (zero, one, own):
        each.step()
    assert zero.firm("OpenAI").efficiency != one.firm("OpenAI").efficiency == own.firm("OpenAI").efficiency
    assert zero.power_scenario.run.seed == 0


@pytest.mark.parametrize("rng", [np.random.default_rng(1), np.random.PCG64(1), 1.5, "1"])
def test_what_is_no_seed_is_refused_with_the_reason(rng):
    with pytest.raises(ScenarioError, match="luck is keyed by seed"):
        model(rng=rng)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"replicate": -1}, "replicate"), ({"replicate": 0.5}, "replicate"), ({"rng": -1}, "seed"), ({"quarters": 0}, "quarters")],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(arguments, said):
    with pytest.raises(ScenarioError, match=said):
        PowerModel("baseline", **arguments)


# --- time ------------------------------------------------------------------------


def test_it_runs_until_the_horizon_ends():
    mine = model(2)
    assert mine.running and mine.quarter == "" and mine.period == 0
    assert np.isnan(mine.measure("hhi_power")) and np.isnan(mine.firm("OpenAI").revenue)
    with pytest.raises(ScenarioError, match="before the first step"):
        mine.result()
    mine.run_model()
    assert (mine.running, mine.steps, mine.period, mine.quarter) == (False, 2, 2, "2024Q2")
    with pytest.raises(ScenarioError, match="ends in 2024Q2"):
        mine.step()


def test_names_that_do_not_exist_get_the_nearest():
    mine = model(1)
    mine.step()
    with pytest.raises(ScenarioError, match="'OpenAI'"):
        mine.firm("OpenAi")
    with pytest.raises(ScenarioError, match="'hhi_power'"):
        mine.measure("hhi_pwer")


# --- agents ------------------------------------------------------------------------


STATE_NAMES = {"cash": {CloudProvider: "owner_cash", Regulator: "government_cash"}}


def test_attributes_agree_with_the_arrays_and_tables_of_every_quarter():
    mine = model(6)
    tables = sim.run(mine.power_scenario, replicates=1)
    assert "entry" in set(tables.events["event"])
    stocks = {name for cls in (Firm, CloudProvider, ChipMaker, SectorMarket, Regulator) for name in cls.attributes()}
    seen = set()
    while mine.running:
        mine.step()
        state = mine.moments.after
        for agent in mine.agents:
            for name, window in agent.attributes().items():
                value = getattr(agent, name)
                own = STATE_NAMES.get(name, {}).get(type(agent), name)
                if isinstance(agent, Firm) and hasattr(window, "table"):
                    rows = tables.firms.loc[(0, mine.quarter)]
                    assert value == (rows.at[agent.name, name] if agent.name in rows.index else 0.0), name
                elif isinstance(agent, CloudProvider) and hasattr(window, "table"):
                    assert value == tables.owners.at[(0, mine.quarter, agent.name), name]
                elif isinstance(agent, ChipMaker) and hasattr(window, "table"):
                    assert value == tables.makers.at[(0, mine.quarter, agent.name), name]
                elif not hasattr(window, "table"):
                    array = getattr(state, own)[0]
                    assert value == (array if array.ndim == 0 else array[agent.slot]), name
                seen.add(name)
        sectors = mine.agents_by_type[SectorMarket]
        assert sectors.agg("revenue", sum) == pytest.approx(mine.measures["industry_revenue"], rel=1e-12)
        assert np.isclose(mine.agents_by_type[Firm].agg("revenue", sum), sectors.agg("revenue", sum), rtol=1e-12)
        for sector in sectors:
            assert sum(sector.shares.values()) == pytest.approx(1.0)
            assert sector.hhi == pytest.approx(mine.measures[f"hhi_revenue_{sector.name}"], rel=1e-9)
        assert mine.regulator.fiscal_balance == mine.measures["fiscal_balance"]
    assert seen == stocks


def test_properties_of_a_firm_are_those_of_its_slot():
    mine = model(2)
    mine.run_model()
    microsoft, google = mine.firm("Microsoft AI"), mine.firm("Google DeepMind")
    assert (microsoft.firm_class, google.group) == ("giant", "Google DeepMind")
    assert sum(microsoft.owner_weights.values()) == pytest.approx(1.0)
    assert list(microsoft.share_by_sector) == list(mine.world.sector_names)
    general = next(agent for agent in mine.agents if agent.name == "general")
    assert microsoft.share_by_sector["general"] == general.shares["Microsoft AI"]
    assert {owner.name for owner in mine.agents_by_type[CloudProvider] if not owner.is_seller} == {
        name for name, sells in zip(mine.world.owner_names, mine.world.is_seller, strict=True) if not sells
    }
    assert any(maker.is_merchant for maker in mine.agents_by_type[ChipMaker])


def test_agents_appear_on_entry_and_are_removed_on_exit():
    mine = model(8)
    mine.step()
    doomed = mine.firm("Small firm 1")
    doomed.debt, doomed.cash = 5.0, 0.0
    known = {agent.unique_id for agent in mine.firms}
    while mine.running:
        mine.step()
        slots = np.flatnonzero(mine.state.is_active[0])
        assert sorted(firm.slot for firm in mine.firms) == slots.tolist()
        assert all(firm.is_active for firm in mine.firms)
    events = mine.result().events
    assert "Small firm 1" in set(events[events["event"] == "exit"]["actor"])
    entered = set(events[events["event"] == "entry"]["actor"])
    newcomers = {firm.name for firm in mine.firms if firm.unique_id not in known}
    early = set(events[(events["event"] == "entry") & (events["quarter"] == "2024Q1")]["actor"])
    assert newcomers == entered - early and len(newcomers) > 3
    assert doomed not in mine.agents
    with pytest.raises(InputError, match="left at the end of 2024Q"):
        _ = doomed.cash


def test_agent_sets_select_group_aggregate_and_do():
    mine = model(1)
    mine.step()
    firms = mine.firms
    rich = firms.select(lambda firm: firm.cash > 1.0)
    assert {firm.name for firm in rich} == {
        firm.name for firm in mine.agents if isinstance(firm, Firm) and firm.cash > 1
    }
    groups = firms.groupby("firm_class")
    assert groups.count() == {kind: sum(firm.firm_class == kind for firm in firms) for kind in ("lab", "giant", "sme")}
    assert sum(groups.agg("cash", sum).values()) == pytest.approx(float(mine.state.cash[mine.state.is_active].sum()))
    told = []
    firms.do(lambda firm: told.append(firm.name))
    assert sorted(told) == sorted(firms.get("name"))
    firms.select(lambda firm: firm.firm_class == "sme").set("cash", 2.0)
    assert {firm.cash for firm in firms if firm.firm_class == "sme"} == {2.0}


# --- writing -------------------------------------------------------------------------


def test_what_is_written_counts_from_the_next_step_and_money_is_conserved():
    mine, other = model(3), model(3)
    mine.step(), other.step()
    before, firm = mine.firm("OpenAI").revenue, mine.firm("OpenAI")
    wealth = float(mine.state.cash.sum() + mine.state.household_cash.sum())
    firm.cash += 3.0
    firm.own_compute *= 2.0
    assert firm.revenue == before
    assert float(mine.state.cash.sum() + mine.state.household_cash.sum()) == pytest.approx(wealth, abs=1e-9)
    assert other.state.own_compute[0, firm.slot] == firm.own_compute / 2.0
    mine.step(), other.step()
    assert firm.power > other.firm("OpenAI").power * 1.2
    assert mine.firm("Anthropic").power == other.firm("Anthropic").power
    assert mine.firm("Anthropic").price != other.firm("Anthropic").price
    assert mine.moments.ledger_residual.max() <= 1e-9


def test_capacity_that_is_written_is_rented_out():
    mine, other = model(2), model(2)
    mine.step(), other.step()
    oracle = next(agent for agent in mine.agents if agent.name == "Oracle")
    oracle.capacity *= 3.0
    mine.step(), other.step()
    assert mine.measures["rental_price"] < other.measures["rental_price"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("revenue", 1.0, "outcome and cannot be written; Firm lets you write cash"),
        ("is_open", True, "cannot be written"),
        ("debt", -1.0, "at least 0"),
        ("own_compute", 0.0, "above 0"),
        ("cash", float("nan"), "any finite number"),
        ("cash", "much", "any finite number"),
    ],
)
def test_what_makes_no_sense_is_not_written(name, value, said):
    firm = model().firm("OpenAI")
    with pytest.raises(InputError, match=said):
        setattr(firm, name, value)


def test_arrays_of_the_state_cannot_be_written_past_the_agents():
    mine = model()
    with pytest.raises(ValueError, match="read-only"):
        mine.state.cash[0, 0] = 5.0
    mine.firm("OpenAI").cash = 5.0
    mine.step()
    with pytest.raises(ValueError, match="read-only"):
        mine.state.cash[0, 0] = 5.0


def test_a_rule_given_to_one_agent_is_refused_as_nobody_would_ask_it():
    with pytest.raises(InputError, match="plan_training is asked of a class.*agent_classes"):
        model().firm("OpenAI").plan_training = lambda view: 0.5 * view.means


class Spends(Firm):
    """Plans half of its means."""

    def plan_training(self, view):
        return 0.5 * view.means


class Taxes(Regulator):
    """Taxes compute from the third quarter on."""

    def decide(self, view):
        return {"compute_tax": 0.1} if len(view.past) > 1 else {}


@pytest.mark.parametrize("classes", [None, {"OpenAI": Spends, "regulator": Taxes}])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda mine: pickle.loads(pickle.dumps(mine))])
def test_a_copy_made_on_the_way_goes_on_as_the_model_does(copied, classes):
    mine = model(5, agent_classes=classes)
    for _ in range(3):
        mine.step()
    other = copied(mine)
    mine.run_model()
    assert other.period == 3
    other.run_model()
    assert other.firm("OpenAI").model is other
    assert same_bits(other.recording(), mine.recording())


def test_a_rule_cannot_write_while_a_quarter_is_computed():
    class Thief(Firm):
        def plan_training(self, view):
            self.cash = 1e3
            return 0.0

    mine = model(agent_classes={"OpenAI": Thief})
    with pytest.raises(AgentError, match="between steps only"):
        mine.step()


# --- Mesa's tools ------------------------------------------------------------------------


class Watched(PowerModel):
    """Collects a few things."""

    model_reporters: ClassVar = {"quarter": "quarter", "hhi": measured("hhi_power")}
    agent_reporters: ClassVar = {"name": "name", "cash": lambda agent: getattr(agent, "cash", None)}


def test_the_data_collector_has_a_row_for_every_quarter():
    mine = model(3, Watched)
    mine.run_model()
    rows = mine.datacollector.get_model_vars_dataframe()
    measures = mine.result().measures
    assert rows["quarter"].tolist() == ["2024Q1", "2024Q2", "2024Q3"]
    assert rows["hhi"].tolist() == measures["hhi_power"].tolist()
    agents = mine.datacollector.get_agent_vars_dataframe().reset_index()
    last = agents[agents["Step"] == 3].set_index("name")["cash"]
    assert last["OpenAI"] == mine.firm("OpenAI").cash
    assert len(last) == len(mine.agents)


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.long)])
def test_the_batch_runner_of_the_installed_mesa_gives_what_a_run_gives(processes):
    parameters = {"scenario": "baseline", "quarters": 2, "replicate": range(2), "overrides": [FEW]}
    before = multiprocessing.get_start_method(allow_none=True)
    try:
        rows = mesa.batch_run(Watched, parameters, number_processes=processes, display_progress=False)
    finally:
        multiprocessing.set_start_method(before, force=True)
    theirs = sim.run(load_scenario("baseline", overrides=FEW), replicates=2, quarters=2)
    cash = theirs.firms["cash"]
    for replicate in range(2):
        mine = {row["name"]: row for row in rows if row["replicate"] == replicate}
        assert mine["OpenAI"]["hhi"] == theirs.measures.at[(replicate, "2024Q2"), "hhi_power"]
        assert (mine["OpenAI"]["quarter"], mine["OpenAI"]["Step"]) == ("2024Q2", 1)
        assert mine["OpenAI"]["cash"] == cash[replicate, "2024Q2", "OpenAI"]


def test_a_scenario_of_mesa_names_ours():
    scenarios = pytest.importorskip("mesa.experimental.scenarios", reason="Mesa before 3.5 has no scenarios")
    said = scenarios.Scenario(rng=3, source="baseline", replicate=1, quarters=1, overrides=list(FEW))
    mine = PowerModel(said)
    theirs = model(1, rng=3, replicate=1)
    mine.step(), theirs.step()
    assert mine.scenario is said and mine.measures == theirs.measures
    with pytest.raises(ScenarioError, match="as `source`"):
        PowerModel(scenarios.Scenario(rng=3))


def test_our_pools_do_not_care_which_start_method_mesa_chose():
    job = prepare(load_scenario("ten_firm_city").replace(quarters=2))
    tasks = [job.task(range(k, k + 1)) for k in range(2)]
    here = [run_task(task.needs, None) for task in tasks]
    before = multiprocessing.get_start_method(allow_none=True)
    try:
        multiprocessing.set_start_method("forkserver", force=True)
        with Pool(2) as pool:
            _, there = zip(*sorted(pool.run(run_task, tasks)), strict=True)
            assert pool._own._context.get_start_method() == "spawn"
    finally:
        multiprocessing.set_start_method(before, force=True)
    assert all(same_bits(mine, theirs) for mine, theirs in zip(here, there, strict=True))


# --- the page -----------------------------------------------------------------------------


def test_the_python_of_the_page_runs(capsys):
    page = (ROOT / "docs" / "mesa.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 5
    space = {}
    for block in blocks:
        exec(compile(block, "docs/mesa.md", "exec"), space)  # noqa: S102  our own page
    assert "2026Q4" in capsys.readouterr().out
    assert space["model"].result().measures["fiscal_balance"].max() > 0.0, "the learner never taxed"


@functools.cache
def documented():
    page = (ROOT / "docs" / "mesa.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (`\w+`(?:, `\w+`)*) \|$", page, re.MULTILINE)
    return {name: set(re.findall(r"\w+", listed)) for name, listed in rows}


def test_the_page_lists_what_can_be_written():
    told = documented()
    for cls in (Firm, CloudProvider, ChipMaker, SectorMarket, Regulator):
        assert told.get(cls.__name__, set()) == cls.writable()
