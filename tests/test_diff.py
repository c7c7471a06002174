"""What differs between two scenarios or two results."""

import math

import pytest
from typer.testing import CliRunner

import sim
from sim.app import cli
from sim.diff import COMPARED, Difference, of_measures, of_origins, of_scenarios
from sim.observe import MEASURES
from sim.parameters import parameter_table
from sim.scenario import load_scenario

SIZE = {"replicates": 2, "quarters": 8}


def scenario(**changes):
    return load_scenario({"extends": "baseline", "name": "baseline", **changes})


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of three small runs: the baseline, one with another flywheel, the baseline again."""
    base = tmp_path_factory.mktemp("runs")
    high = scenario(world={"parameters": {"flywheel": 1.2}})
    for name, chosen in (("first", scenario()), ("high", high), ("again", scenario())):
        sim.run(chosen, **SIZE, out=base / name, figures=False)
    return base


def command(*words):
    done = CliRunner().invoke(cli.app, ["diff", *map(str, words)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_scenario_does_not_differ_from_itself():
    assert of_scenarios(scenario(), scenario()) == []


def test_each_change_is_one_row_with_both_values_and_the_unit():
    changed = scenario(
        world={"parameters": {"flywheel": 1.2}},
        mechanisms={"entry": False},
        horizon={"end": "2030Q4"},
        run={"seed": 9},
        record={"networks": ["2024Q4", "2035Q4"][:1]},
    )
    found = {row.key: row for row in of_scenarios(scenario(), changed)}
    unit = parameter_table()["flywheel"].unit
    assert found["world.parameters.flywheel"] == Difference("world.parameters.flywheel", 1.0, 1.2, unit)
    assert found["mechanisms.entry"][1:] == (True, False, "")
    assert found["horizon.end"][1:3] == ("2035Q4", "2030Q4")
    assert found["run.seed"][1:3] == (1, 9)
    assert found["record.networks"][1:3] == (["2024Q4", "2035Q4"], ["2024Q4"])
    assert len(found) == 5


def test_every_parameter_has_its_unit():
    table = parameter_table()
    for name in ("substitution", "rent_initial", "entry_slots"):
        row = table[name]
        value = row.low if row.low != row.value else row.high
        found = of_scenarios(scenario(), scenario(world={"parameters": {name: value}}))
        assert [(each.key, each.unit) for each in found] == [(f"world.parameters.{name}", row.unit)]


def test_actors_are_compared_by_name_not_by_place():
    meta, openai = {"name": "Meta AI", "revenue": 1.0}, {"name": "OpenAI", "revenue": 2.0}
    a = scenario(world={"firms": [openai, meta]})
    assert of_scenarios(a, scenario(world={"firms": [meta, openai]})) == []
    found = of_scenarios(a, scenario(world={"firms": [meta, openai | {"compute": 300.0}]}))
    assert found == [Difference("world.firms.OpenAI.compute", None, 300.0, "k H100e")]


def test_swapping_the_two_swaps_the_values():
    a, b = scenario(), scenario(world={"parameters": {"flywheel": 1.2}}, run={"seed": 3})
    forth, back = of_scenarios(a, b), of_scenarios(b, a)
    assert [(row.key, row.a, row.b) for row in forth] == [(row.key, row.b, row.a) for row in back]


def test_true_is_not_one():
    from sim.diff import _differences

    assert _differences({"x": True}, {"x": 1}) == [Difference("x", True, 1)]
    assert _differences({"x": math.nan}, {"x": math.nan}) == []


def test_headlines_are_measures_of_the_catalogue():
    assert set(COMPARED) <= set(MEASURES)


def test_measures_are_means_over_replicates_in_the_last_common_year(folders):
    a, b = sim.load_result(folders / "first"), sim.load_result(folders / "high")
    year, rows = of_measures(a, b)
    assert year == 2025
    row = next(row for row in rows if row.key == "small_firm_share_of_compute")
    for result, value in ((a, row.a), (b, row.b)):
        assert MEASURES["small_firm_share_of_compute"].aggregation == "mean"
        quarters = [f"2025Q{number}" for number in (1, 2, 3, 4)]
        cells = [result.measures.loc[(0, each), "small_firm_share_of_compute"] for each in quarters]
        cells += [result.measures.loc[(1, each), "small_firm_share_of_compute"] for each in quarters]
        assert math.isclose(value, sum(cells) / 8, rel_tol=1e-12)
    assert row.unit == "share"
    assert row.a != row.b


def test_equal_results_have_no_differences(folders):
    a, b = sim.load_result(folders / "first"), sim.load_result(folders / "again")
    assert of_measures(a, b) == (2025, [])
    assert of_origins(a, b) == []


def test_another_version_of_code_or_library_is_named(folders):
    a, b = sim.load_result(folders / "first"), sim.load_result(folders / "again")
    b.manifest = b.manifest | {"aipower": "9.9", "libraries": b.manifest["libraries"] | {"numpy": "0.1"}}
    found = {row.key: row.b for row in of_origins(a, b)}
    assert found == {"aipower": "9.9", "libraries.numpy": "0.1"}


def test_the_command_says_when_nothing_differs(folders):
    assert "Nothing differs" in command("baseline", "baseline")
    assert "Nothing differs" in command(folders / "first", folders / "again")


def test_a_year_of_which_one_simulated_a_part_is_not_compared():
    runs = [sim.run("symmetric", replicates=1, quarters=quarters) for quarters in (2, 6, 8)]
    assert of_measures(runs[0], runs[1]) == (None, [])
    assert of_measures(runs[1], runs[2]) == (2024, [])


def test_the_command_shows_scenario_versions_and_measures_of_two_results(folders):
    text = command(folders / "first", folders / "high")
    row = next(line for line in text.splitlines() if line.startswith("world.parameters.flywheel")).split()
    assert row[1:3] == ["1", "1.2"]
    assert "Means over replicates in 2025" in text
    assert "hhi_revenue" in text
    assert "Versions of code and libraries are the same" in text


def test_a_result_and_a_scenario_are_compared_as_scenarios(folders):
    text = command(folders / "first", "baseline")
    assert "run.replicates" in text
    assert "hhi_revenue" not in text


def test_another_name_alone_is_said_to_leave_the_numbers(tmp_path):
    file = tmp_path / "copy.yaml"
    file.write_text("extends: baseline\n")
    text = command("baseline", file)
    assert "Neither matters for the numbers" in text
    file.write_text("extends: baseline\nrun: {seed: 2}\n")
    assert "Neither matters" not in command("baseline", file)


def test_policies_are_compared_by_name_with_their_units():
    one = load_scenario({"policies": [{"training_cap": {"flop": 1e26}}, {"compute_tax": {"rate": 0.1}}]})
    two = load_scenario({"policies": [{"compute_tax": {"rate": 0.2}}, {"training_cap": {"flop": 1e26}}]})
    assert of_scenarios(one, two) == [("policies.compute_tax.rate", 0.1, 0.2, "share of rent")]
    both = load_scenario({"policies": [{"compute_tax": {"rate": 0.1}}, {"compute_tax": {"rate": 0.2}}]})
    added = {row.key: (row.a, row.b) for row in of_scenarios(load_scenario({}), both)}
    assert added["policies.compute_tax (2).rate"] == (None, 0.2)
