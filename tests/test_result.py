"""A result's tables, yearly values, summary, leaders, networks and closing table."""

import copy
import io
import pickle
import re
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import sim
import sim.result
from sim import ensemble
from sim.errors import InputError, ResultError
from sim.observe import MEASURES, Events
from sim.report import tables
from sim.result import Result
from sim.runner import progress_bar, run
from sim.scenario import load_scenario
from tests.synthetic import recording


@pytest.fixture(scope="module")
def recorded():
    return recording(n_replicates=6, n_quarters=14)


@pytest.fixture(scope="module")
def result(recorded):
    return told(recorded)


def told(recorded):
    scenario = load_scenario({"name": "made-up"})
    horizon = scenario.horizon.model_copy(update={"start": recorded.quarters[0], "end": recorded.quarters[-1]})
    return Result.from_recording(scenario.model_copy(update={"horizon": horizon}), recorded)


def made(**options):
    return told(recording(**options))


# -- tables


def test_measures_hold_the_recorded_numbers_by_replicate_and_quarter(result, recorded):
    for name, values in recorded.measures.items():
        column = result.measures[name]
        assert column.loc[(3, "2025Q2")] == values[3, 5]
        assert np.array_equal(column.to_numpy().reshape(values.shape), values)


def test_replicate_numbers_survive_when_some_failed(recorded):
    numbers = np.array([0, 2, 3, 5, 8, 9])
    result = Result.from_recording(load_scenario({}), replace(recorded, replicates=numbers))
    assert result.replicates.tolist() == numbers.tolist()
    assert result.measures.loc[(8, "2024Q1"), "total_power"] == recorded.measures["total_power"][4, 0]


def test_firms_hold_active_firms_only_with_their_class_in_words(result, recorded):
    firms, active = result.firms, recorded.firms["active"]
    assert len(firms) == active.sum() < active.size
    assert set(firms["firm_class"]) == {"giant", "lab", "sme"}
    assert firms.loc[(0, "2024Q4", "Meta AI"), "firm_class"] == "giant"
    slot = recorded.firm_names.index("Anthropic")
    row = recorded.firm_quarters.index("2025Q4")
    expected = recorded.firms["revenue"][4, row, slot]
    assert firms.loc[(4, "2025Q4", "Anthropic"), "revenue"] == expected


def test_owners_and_makers_have_a_row_for_each_replicate_quarter_and_actor(result, recorded):
    n = len(recorded.replicates) * len(recorded.owner_quarters)
    assert len(result.owners) == n * len(recorded.owner_names)
    assert len(result.makers) == n * len(recorded.maker_names)
    k = recorded.owner_names.index("Oracle")
    assert (
        result.owners.loc[(1, "2024Q4", "Oracle"), "capacity"]
        == (recorded.owners["capacity"][1, recorded.owner_quarters.index("2024Q4"), k])
    )


def test_flows_name_payer_payee_and_amount(result, recorded):
    row = result.flows.loc[(2, "2026Q1", "chips")]
    assert (row["payer"], row["payee"]) == ("owners", "makers")
    assert row["amount"] == recorded.flows["chips|owners|makers"][2, 8]
    assert result.flows.index.is_unique


def test_flows_of_one_name_between_several_pairs_stay_apart(recorded):
    flows = {"grant|owners|firms": np.ones((6, 14)), "grant|government|firms": np.zeros((6, 14))}
    result = Result.from_recording(load_scenario({}), replace(recorded, flows=flows))
    assert result.flows.index.is_unique
    assert result.flows.loc[(0, "2024Q1", "grant (owners to firms)"), "amount"] == 1.0


def test_failures_are_rows_with_a_reason(result):
    assert result.failures.loc[6, "reason"] == "a market did not clear"


def test_an_unknown_table_is_refused_and_the_known_ones_are_listed(result):
    with pytest.raises(ResultError, match="measures, firms"):
        result.table("firm")


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda result: pickle.loads(pickle.dumps(result))])
def test_copies_hold_the_same_in_memory_and_from_a_folder_read_or_not(recorded, tmp_path, copied):
    result = Result.from_recording(load_scenario({}), recorded)
    folder = Result.save(copy.copy(result), tmp_path / "run", figures=False)
    read = sim.load_result(folder)
    assert len(read.firms) and read.replicates.size
    for each in (result, sim.load_result(folder), read):
        assert copied(each).equals(result)


def test_tables_that_were_not_recorded_are_empty(recorded):
    bare = replace(recorded, firms={}, firm_quarters=(), owners={}, makers={}, owner_quarters=(), networks={})
    result = Result.from_recording(load_scenario({}), bare)
    assert all(result.table(name).empty for name in ("firms", "owners", "makers", "networks"))


# -- yearly values and summary


@pytest.mark.parametrize(
    ("measure", "aggregate"),
    [
        ("total_power", lambda year: year[:, -1]),
        ("energy_twh", lambda year: year.sum(axis=1)),
        ("own_finance_share", lambda year: year.mean(axis=1)),
        ("largest_run_flop", lambda year: year.max(axis=1)),
    ],
)
def test_a_year_is_aggregated_as_the_catalogue_says(result, recorded, measure, aggregate):
    values = recorded.measures[measure]
    yearly = result.yearly()[measure]
    for year, quarters in {2024: slice(0, 4), 2026: slice(8, 12), 2027: slice(12, 14)}.items():
        assert np.array_equal(yearly.xs(year, level="year"), aggregate(values[:, quarters]))


def test_yearly_values_of_one_measure_of_none_and_of_an_unknown_one(recorded, tmp_path):
    result = Result.from_recording(load_scenario({}), recorded)
    stored = sim.load_result(Result.save(copy.copy(result), tmp_path / "run", figures=False))
    for each in (result, stored):
        assert each.yearly("hhi_power").equals(result.yearly()[["hhi_power"]])
        assert each.yearly(np.array(["hhi_power", "n_firms"])).equals(result.yearly()[["hhi_power", "n_firms"]])
        assert each.yearly([]).equals(result.yearly()[[]])
        with pytest.raises(InputError, match="no measure 'hhi_powr'; did you mean hhi_power"):
            each.yearly(["n_firms", "hhi_powr"])


def test_the_aggregations_tried_above_are_all_there_are():
    assert {m.aggregation for m in MEASURES.values()} == {"last", "sum", "mean", "max"}
    kinds = ("total_power", "energy_twh", "own_finance_share", "largest_run_flop")
    assert [MEASURES[name].aggregation for name in kinds] == ["last", "sum", "mean", "max"]


def test_a_horizon_that_starts_within_a_year_is_cut_at_calendar_years():
    yearly = made(n_replicates=2, start="2024Q3", n_quarters=4).yearly()
    assert yearly.index.get_level_values("year").tolist() == [2024, 2025] * 2


def test_the_summary_gives_mean_quantiles_and_unit(result, recorded):
    rows = result.summary().set_index(["measure", "year"])
    values = recorded.measures["total_power"][:, 3]
    row = rows.loc[("total_power", 2024)]
    assert row["mean"] == pytest.approx(values.mean(), rel=1e-12)
    assert row["p5"] == pytest.approx(np.quantile(values, 0.05), rel=1e-12)
    assert row["p50"] == pytest.approx(np.median(values), rel=1e-12)
    assert row["p95"] == pytest.approx(np.quantile(values, 0.95), rel=1e-12)
    assert row["unit"] == MEASURES["total_power"].unit
    assert len(rows) == len(recorded.measures) * 4


def test_an_undefined_value_spoils_its_own_year_and_replicate_only(recorded):
    values = recorded.measures["total_power"].copy()
    values[0, 3] = np.nan
    measures = {**recorded.measures, "total_power": values}
    result = Result.from_recording(load_scenario({}), replace(recorded, measures=measures))
    column = result.yearly()["total_power"]
    assert np.flatnonzero(np.isnan(column)).tolist() == [0]
    rows = result.summary().set_index(["measure", "year"])
    assert rows.loc[("total_power", 2024), "mean"] == pytest.approx(values[1:, 3].mean())


# -- leaders and networks


def test_leaders_are_shares_of_replicates_largest_first(recorded):
    slots = np.zeros((6, 14))
    slots[:, -1] = [3, 3, 3, 0, 0, 1]
    measures = {**recorded.measures, "leader_power": slots}
    result = Result.from_recording(load_scenario({}), replace(recorded, measures=measures))
    leaders = result.leaders(2027, by="power")
    assert leaders.index.tolist() == ["Anthropic", "OpenAI", "Google DeepMind"]
    assert leaders.tolist() == [3 / 6, 2 / 6, 1 / 6]


@pytest.mark.parametrize("is_stored", [False, True])
def test_pieces_take_one_column_without_a_list_and_refuse_one_that_is_not_there(recorded, is_stored, tmp_path):
    made = Result.from_recording(load_scenario({}), recorded)
    if is_stored:
        made = sim.load_result(made.save(tmp_path / "kept", figures=False))
    assert [list(piece.columns) for piece in made.pieces("firms", "revenue")] == [["revenue"]]
    with pytest.raises(ResultError, match="the table firms has no column 'revenu'"):
        next(made.pieces("firms", ["revenu"]))


def test_a_year_of_leaders_may_be_written(result):
    assert result.leaders(str(result.years[0])).equals(result.leaders(result.years[0]))


def test_leaders_outside_the_horizon_or_by_something_else_are_refused(result):
    with pytest.raises(ResultError, match="2024 to 2027"):
        result.leaders(2035)
    with pytest.raises(ResultError, match="revenue"):
        result.leaders(2024, by="fame")


def test_the_network_of_a_replicate_carries_its_recorded_weights(result, recorded):
    graph = result.network("2024Q4", replicate=2)
    used = recorded.networks["2024Q4"]["firm_owner"][2]
    made_chips = recorded.networks["2024Q4"]["owner_maker"][2]
    assert graph.edges["owner:Google", "firm:OpenAI"]["weight"] == used[0, 0]
    assert graph.edges["maker:Nvidia", "owner:xAI"]["weight"] == made_chips[6, 0]
    total = sum(weight for _, _, weight in graph.edges(data="weight"))
    assert total == pytest.approx(used.sum() + made_chips.sum())


def test_the_mean_network_is_the_mean_over_replicates(result, recorded):
    graph = result.network("2024Q4")
    used = recorded.networks["2024Q4"]["firm_owner"]
    for slot, firm in enumerate(recorded.firm_names):
        for column, owner in enumerate(recorded.owner_names):
            edge = graph.edges.get((f"owner:{owner}", f"firm:{firm}"), {"weight": 0.0})
            assert edge["weight"] == pytest.approx(used[:, slot, column].mean())


def test_network_nodes_say_what_they_are_and_namesakes_stay_apart(result):
    graph = result.network("2024Q4")
    assert graph.nodes["firm:xAI"] == {"kind": "firm", "name": "xAI"}
    assert graph.nodes["owner:xAI"]["kind"] == "owner"
    kinds = {(graph.nodes[a]["kind"], graph.nodes[b]["kind"]) for a, b in graph.edges}
    assert kinds == {("maker", "owner"), ("owner", "firm")}


def test_a_network_that_was_not_recorded_is_refused_with_what_was(result):
    with pytest.raises(ResultError, match="2024Q4, 2027Q2.*record: networks"):
        result.network("2030Q4")
    with pytest.raises(ResultError, match="no replicate 77"):
        result.network("2024Q4", replicate=77)


def test_an_unknown_figure_is_refused_with_the_known_ones(result):
    with pytest.raises(ResultError, match="concentration, firm_shares"):
        result.plot("pie")


# -- closing table


def test_the_closing_table_gives_mean_and_range_of_the_summary(result):
    summary = result.summary().set_index(["measure", "year"])
    rows = tables.closing(result)
    assert {row.section for row in rows} == {tables.CONCENTRATION, tables.OUTCOMES, tables.LEADING}
    for row in rows:
        if row.section == tables.LEADING:
            continue
        expected = summary.loc[(row.measure, row.year)]
        assert (row.mean, row.low, row.high) == tuple(expected[["mean", "p5", "p95"]])
        assert row.unit == expected["unit"]


def test_the_closing_table_covers_every_layer_by_two_indices(result):
    shown = {row.measure for row in tables.closing(result) if row.section == tables.CONCENTRATION}
    layers = ("chip_sales", "compute_owned", "compute_used", "power", "revenue")
    assert shown == {f"{index}_{layer}" for index in ("hhi", "gini") for layer in layers}


def test_probabilities_of_leading_sum_to_one_with_the_others():
    recorded = recording(n_replicates=9, n_quarters=4)
    measures = {**recorded.measures, "leader_revenue": np.tile(np.arange(9.0)[:, None], 4)}
    result = Result.from_recording(load_scenario({}), replace(recorded, measures=measures))
    rows = [row for row in tables.closing(result) if row.section == tables.LEADING]
    for by in tables.LEADERS:
        assert sum(r.mean for r in rows if r.measure == f"leader_{by}") == pytest.approx(1)
    assert "all others" in {row.label for row in rows}


@pytest.mark.parametrize(
    ("start", "n_quarters", "years"),
    [
        ("2024Q1", 48, (2024, 2027, 2030, 2035)),
        ("2024Q1", 14, (2024, 2027)),
        ("2024Q1", 6, (2024, 2025)),
        ("2024Q1", 1, (2024,)),
        ("2028Q1", 4, (2028,)),
    ],
)
def test_the_years_shown_lie_inside_the_horizon(start, n_quarters, years):
    assert tables.shown_years(made(n_replicates=1, start=start, n_quarters=n_quarters)) == years


def test_the_headline_states_the_flywheel_own_finance_and_what_ranges_mean(result):
    headline = tables.headline(result)
    assert "Λ = 1.00" in headline
    assert "of planned training in 2024" in headline
    (short,) = re.findall("Own margins.*?[.]", tables.headline(made(n_replicates=2, n_quarters=4)))
    assert short.count("%") == short.count("2024") == 1, "one year is said once"
    assert "luck only" in headline


def test_one_replicate_has_no_ranges_and_says_so():
    result = made(n_replicates=1, n_quarters=4)
    assert not any(row.range_text for row in tables.closing(result))
    assert "One replicate" in tables.headline(result)


def test_notes_tell_failures_and_years_in_part(result):
    failed, partial = tables.notes(result)
    assert "did not clear" in failed
    assert "2027" in partial


def test_a_run_that_keeps_one_value_a_year_simulated_every_quarter():
    result = run({"horizon": {"start": "2024Q1", "end": "2025Q2"}, "record": {"measures": "yearly"}}, replicates=1)
    assert result.quarters == ("2024Q4", "2025Q2")
    assert "2024Q1 to 2025Q2" in tables.headline(result)
    assert tables.notes(result) == ("Only a part of 2025 was simulated.",)


def test_grids_hold_every_cell_once(result):
    rows = tables.closing(result)
    grids = tables.grids(result)
    cells = [cell for grid in grids for row in grid.rows for cell in row[1:] if cell]
    assert len(cells) == len(rows)
    assert all(len(row) == len(grid.columns) for grid in grids for row in grid.rows)


# -- run


@pytest.fixture
def engine(monkeypatch):
    """Put a stand-in behind `run` that counts its calls; stored results get no figures."""
    calls = []
    monkeypatch.setattr("sim.report.ARTEFACTS", ())

    def simulate(scenario, *, replicates, seed, progress=None, **_):
        calls.append((replicates, seed))
        if progress is not None:
            progress(1, 2)
        return recording(n_replicates=replicates, n_quarters=4, seed=seed)

    monkeypatch.setitem(sys.modules, "sim.ensemble", SimpleNamespace(simulate=simulate))
    return calls


SHORT = {"name": "short", "horizon": {"end": "2024Q4"}}


@pytest.fixture
def written(monkeypatch):
    """Counts what `run` computes for a folder; stored results get no figures."""
    calls = []
    monkeypatch.setattr("sim.report.ARTEFACTS", ())
    write_parts = ensemble.write_parts

    def counted(job, n_replicates, *rest, **options):
        calls.append(n_replicates)
        return write_parts(job, n_replicates, *rest, **options)

    monkeypatch.setattr(ensemble, "write_parts", counted)
    return calls


def test_run_replaces_replicates_and_seed_and_times_itself(engine):
    result = run(SHORT, replicates=3, seed=0)
    assert engine == [(3, 0)]
    assert result.scenario.run.seed == 0
    assert result.timing["simulate"] > 0


def test_run_returns_a_stored_result_instead_of_repeating_it(written, tmp_path):
    first = run(SHORT, replicates=2, out=tmp_path / "short")
    again = run(SHORT, replicates=2, out=tmp_path / "short")
    assert written == [2]
    assert (first.is_reused, again.is_reused) == (False, True)
    assert again.folder == first.folder == tmp_path / "short"
    assert again.equals(first)


def test_run_puts_a_different_result_beside_the_first(written, tmp_path):
    for seed in (1, 2, 3):
        run(SHORT, replicates=2, seed=seed, out=tmp_path / "short")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["short", "short-2", "short-3"]
    assert run(SHORT, replicates=2, seed=3, out=tmp_path / "short").is_reused


def test_run_takes_the_next_name_when_another_run_takes_its_own_meanwhile(written, tmp_path, monkeypatch):
    taken = []
    save = Result.save

    def save_late(self, folder, **options):
        if not taken:
            taken.append(folder)
            folder.mkdir()
            (folder / "theirs").touch()
        return save(self, folder, **options)

    monkeypatch.setattr(Result, "save", save_late)
    result = run(SHORT, replicates=2, out=tmp_path / "short")
    assert taken == [tmp_path / "short"]
    assert result.folder == tmp_path / "short-2"
    assert (tmp_path / "short" / "theirs").exists()


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def plain_terminal(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.usefixtures("plain_terminal")
def test_a_progress_bar_says_that_work_starts_and_that_the_rest_is_being_finished(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress_bar("short", is_shown=True) as move:
        move(0, 2)
    assert "short: starting" in sys.stderr.getvalue()
    with progress_bar("short", is_shown=True) as move:
        move(1, 2)
    assert "short" in sys.stderr.getvalue() and "short: finishing" not in sys.stderr.getvalue()
    with progress_bar("short", is_shown=True) as move:
        move(2, 2)
    assert "short: finishing" in sys.stderr.getvalue()


@pytest.mark.usefixtures("plain_terminal")
def test_a_progress_bar_is_drawn_on_a_terminal_only(engine, monkeypatch):
    drawn = {}
    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", stream)
        run(SHORT, replicates=1, progress=True)
        drawn[type(stream)] = stream.getvalue()
    assert "short" in drawn[Terminal]
    assert drawn[io.StringIO] == ""


def test_results_print_their_name_horizon_and_replicates(result):
    assert repr(result) == "Result('made-up', 2024Q1 to 2027Q2, 6 replicates, 1 failed)"


def test_tables_are_frames_with_named_levels(result):
    assert result.measures.index.names == ["replicate", "quarter"]
    assert result.firms.index.names == ["replicate", "quarter", "firm"]
    assert result.flows.index.names == ["replicate", "quarter", "flow"]
    assert isinstance(result.failures, pd.DataFrame)
    assert sim.result.TABLES[0] == "measures"


def test_events_have_one_row_each(result, recorded):
    assert len(result.events) == len(recorded.events) > 0
    assert list(result.events.columns) == ["replicate", "quarter", "event", "actor", "detail"]
    assert result.events.iloc[0].tolist() == list(recorded.events[0])
    assert len(Result.from_recording(load_scenario({}), replace(recorded, events=Events())).events) == 0
