"""Grids of scenarios: axes, cells, common luck, folders."""

import numpy as np
import pandas as pd
import pytest

import sim
from sim.comparison import axes, sweeping
from sim.comparison.axes import axes_of
from sim.errors import InputError, ResultError, ScenarioError
from tests.comparisons import base, scenario

FLYWHEEL = "world.parameters.flywheel"


def test_axes_are_lists_and_ranges():
    assert axes_of([f"{FLYWHEEL}=0.5:1.5:5"]) == {FLYWHEEL: (0.5, 0.75, 1.0, 1.25, 1.5)}
    assert axes_of(["a.b=1e25, 1e26,3"]) == {"a.b": (1e25, 1e26, 3)}
    assert axes_of(["power.family=power,log"]) == {"power.family": ("power", "log")}
    assert axes_of({"a": [1, 1, 2]}) == {"a": (1, 2)}
    assert axes_of({"a": np.array([6, 8]), "b": pd.Series([0.5]), "c": "log", "d": np.float64(1.5)}) == {
        "a": (6, 8), "b": (0.5,), "c": ("log",), "d": (1.5,)
    }  # fmt: skip
    assert axes_of({"a": np.array([True, False])})["a"][0] is True
    assert axes_of("a=0.1:0.3:3") == {"a": (0.1, 0.2, 0.3)}, "values are what one would type"


@pytest.mark.parametrize(
    ("over", "words"),
    [
        (["flywheel"], "not an axis; write a key, =, and values"),
        (["a="], "not an axis"),
        (["a=1:2"], "not a range; write low:high:n"),
        (["a=1:2:1"], "not a range"),
        (["a=1:x:3"], "not a range"),
        (["a=1,,2"], "a value is empty"),
        (["a=1,1.0,1e0"], "--over a=1,1.0,1e0: 1.0 comes twice; give each value once"),
        (["a=log,power,log"], "log comes twice"),
        (["a=1:1:3"], "1.0 comes twice"),
        (["a=1", "a=2"], "a is swept twice"),
        ({"a": []}, "a has no values"),
        ([], "nothing to sweep over"),
        (["a=1:2:100", "b=1:2:100"], "the grid has 10,000 cells; allowed: 1 to 1,000"),
    ],
)
def test_a_wrong_axis_is_refused(over, words):
    with pytest.raises(InputError, match=words):
        axes_of(over)


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ("world.parameters.flywhel=1,2", "--over world.parameters.flywhel=1.*did you mean flywheel"),
        ("flywheel=1,2", "did you mean world.parameters.flywheel"),
        ("world.parameters.flywheel=1,-5", "--over world.parameters.flywheel=-5.*out of range|-5.*allowed"),
        ("policies.training_cap.flop=1e25,1e26", "has no policy 'training_cap'; it has none"),
    ],
)
def test_a_wrong_key_or_value_is_refused_before_anything_runs(over, words, monkeypatch):
    monkeypatch.setattr(sweeping, "simulate_outcomes", lambda *_, **__: pytest.fail("something ran"))
    with pytest.raises(ScenarioError, match=words):
        sim.sweep(base(), [over])


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("run.replicates", "run.replicates is no axis of a sweep: .*give --replicates and --seed"),
        ("run.seed", "sweep once for each"),
        ("horizon.end", "horizon.end is no axis of a sweep: .*give --quarters"),
        ("record.firms", "what is kept"),
        ("uncertainty", "set it for the sweep"),
        ("name", "changes no number"),
        ("question", "changes no number"),
    ],
)
def test_what_all_cells_share_is_no_axis(key, words):
    for over in ([f"{key}=2,3"], {key: [2, 3]}):
        with pytest.raises(InputError, match=words):
            sim.sweep(base(), over)


def test_a_wrong_value_of_a_policy_is_told_where_it_was_written():
    with pytest.raises(ScenarioError, match=r"^--over policies\.training_cap\.flop=-1: policies\[0\].*out of range"):
        sim.sweep("training-cap", ["policies.training_cap.flop=-1,1"])


def test_a_key_of_a_policy_goes_into_every_policy_of_that_name():
    data = {"policies": [{"cap": {"flop": 1.0, "who": {"class": "sme"}}}, {"tax": {"rate": 0.1}}, {"cap": None}]}
    changed = axes._with_policy(data, "policies.cap.flop", 2.0)
    assert changed["policies"] == [
        {"cap": {"flop": 2.0, "who": {"class": "sme"}}},
        {"tax": {"rate": 0.1}},
        {"cap": {"flop": 2.0}},
    ]
    deeper = axes._with_policy(data, "policies.cap.who.class", "lab")
    assert deeper["policies"][0] == {"cap": {"flop": 1.0, "who": {"class": "lab"}}}
    assert data["policies"][0] == {"cap": {"flop": 1.0, "who": {"class": "sme"}}}, "what was given stays"
    with pytest.raises(ScenarioError, match=r"has no policy 'cpa'; it has cap, tax; did you mean policies\.cap\.flop"):
        axes._with_policy(data, "policies.cpa.flop", 2.0)
    with pytest.raises(ScenarioError, match=r"names a policy and no key of it; write policies\.cap\.strength"):
        axes._with_policy(data, "policies.cap", 2.0)


@pytest.fixture(scope="module")
def plane():
    return sim.sweep(base(), {FLYWHEEL: [0.8, 1.0], "mechanisms.entry": [True, False]}, replicates=3)


def test_a_cell_is_the_scenario_with_its_values(plane):
    direct = sim.run(
        sim.load_scenario(base(), overrides=[f"{FLYWHEEL}=0.8", "mechanisms.entry=false"]).replace(replicates=3)
    )
    last = direct.yearly().xs(2025, level="year")["hhi_revenue"]
    row = plane.table.set_index([FLYWHEEL, "mechanisms.entry", "measure", "horizon"]).loc[
        (0.8, False, "hhi_revenue", "2025Q2")
    ]
    assert row["mean"] == pytest.approx(last.mean(), rel=1e-14)
    assert (row["p5"], row["p95"]) == pytest.approx((last.quantile(0.05), last.quantile(0.95)))
    half = 4.302652729911275 * last.std() / np.sqrt(3)  # t with 2 degrees of freedom
    assert (row["mean_low"], row["mean_high"]) == pytest.approx((last.mean() - half, last.mean() + half))


def test_effects_are_against_the_scenario_as_given_on_the_same_luck(plane):
    assert plane.against == "as given"
    same = plane.table[(plane.table[FLYWHEEL] == 1.0) & plane.table["mechanisms.entry"]]
    known = same[same["n"] > 0]
    assert (known["effect"] == 0.0).all() and len(known) > 190
    given = sim.compare(base(), [scenario("cell", {"mechanisms": {"entry": False}})], replicates=3).effects
    cell = plane.table[(plane.table[FLYWHEEL] == 1.0) & ~plane.table["mechanisms.entry"]]
    assert cell["effect"].tolist() == pytest.approx(given["effect"].tolist(), nan_ok=True)


def test_a_grid_has_the_axes_in_the_order_given(plane):
    grid = plane.grid("hhi_revenue")
    assert grid.index.tolist() == [0.8, 1.0] and grid.columns.tolist() == [True, False]
    assert plane.grid("hhi_revenue", 2025, "verdict").shape == (2, 2)
    with pytest.raises(ResultError, match="no column 'median'"):
        plane.grid("hhi_revenue", None, "median")
    with pytest.raises(InputError, match="no measure 'hhi_revenu'; did you mean hhi_revenue"):
        plane.grid("hhi_revenu")


def test_workers_change_nothing(plane):
    other = sim.sweep(base(), {FLYWHEEL: [0.8, 1.0], "mechanisms.entry": [True, False]}, replicates=3, workers=2)
    pd.testing.assert_frame_equal(other.table, plane.table, check_exact=True)


def test_arrays_ask_what_lists_do(tmp_path):
    entry, few = "mechanisms.entry", "world.parameters.small_firms_initial"
    lists = {entry: [True, False], few: [6, 8]}
    asked = {"replicates": 2, "out": tmp_path / "s", "figures": False}
    made = sim.sweep(base(), lists, measures=["hhi_revenue"], horizons=[2025], **asked)
    arrays = {path: np.array(values) for path, values in lists.items()}
    again = sim.sweep(base(), arrays, measures="hhi_revenue", horizons=np.array([2025]), **asked)
    assert again.is_reused and again.axes == made.axes


def test_a_sweep_is_stored_read_back_and_found_again(tmp_path):
    over = {FLYWHEEL: [0.9, 1.0], "mechanisms.entry": [True, False], "power.family": ["power", "log"]}
    made = sim.sweep(base(), over, replicates=2, out=tmp_path / "s")
    back = sim.load_sweep(tmp_path / "s")
    assert back.axes == made.axes and back.measures == made.measures and back.horizons == made.horizons
    pd.testing.assert_frame_equal(back.table, made.table, check_exact=True, check_dtype=False)
    assert sim.verify_result(tmp_path / "s").is_complete
    assert sim.sweep(base(), over, replicates=2, out=tmp_path / "s").is_reused
    assert not (tmp_path / "s" / "figures").exists(), "three axes cannot be drawn"
    for draw in (made.plot, lambda: made.grid("hhi_revenue")):
        with pytest.raises(ResultError, match="one or two axes"):
            draw()


def test_whole_and_decimal_numbers_on_one_axis_are_found_again(tmp_path):
    made, again = (sim.sweep(base(), [f"{FLYWHEEL}=0.5,1"], replicates=2, out=tmp_path / "s") for _ in range(2))
    assert again.is_reused and again.axes == made.axes == {FLYWHEEL: (0.5, 1.0)}
    pd.testing.assert_frame_equal(again.table, made.table, check_exact=True)
    assert again.grid("hhi_revenue").notna().all(axis=None)
