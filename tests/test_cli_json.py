"""`--json`: JSON on standard output and nothing else; `--verbose`: remarks beside it."""

import json
import math

import pytest
from typer.testing import CliRunner

import sim
from sim.app import catalogues, cli

KINDS = [kind.value for kind in catalogues.Kind]
SMALL = ("--replicates", "2", "--quarters", "4", "--no-figures")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a small run; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    done = CliRunner().invoke(cli.app, ["run", "baseline", *SMALL, "--out", str(folder), "--quiet"])
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def aipower(aipower):
    """Run the command; gives exit code, what standard output holds as JSON, and standard error."""

    def call(*words):
        code, out, err = aipower(*words)
        assert "\x1b" not in out
        return code, json.loads(out, parse_constant=pytest.fail), err

    return call


def test_a_run_tells_its_folder_seed_and_rows(aipower, tmp_path):
    folder = tmp_path / "run"
    code, facts, err = aipower("run", "baseline", *SMALL, "--seed", "7", "--out", folder, "--json")
    assert (code, err) == (0, "")
    assert (facts["folder"], facts["is_reused"], facts["seed"], facts["replicates"]) == (str(folder), False, 7, 2)
    assert facts["quarters"] == ["2024Q1", "2024Q4"]
    result = sim.load_result(folder)
    assert facts["rows"]["firms"] == len(result.firms)
    assert facts["content_hash"] == result.scenario.content_hash()


def test_a_reused_run_says_so(aipower, finished):
    assert aipower("run", "baseline", *SMALL, "--out", finished, "--json")[1]["is_reused"]


def test_verbose_tells_times_folder_and_sizes_beside_the_output(aipower, tmp_path):
    folder = tmp_path / "run"
    code, facts, err = aipower("run", "baseline", *SMALL, "--out", folder, "--json", "--verbose")
    assert (code, facts["folder"]) == (0, str(folder))
    for words in (
        "2 replicates, seed 1, 2024Q1 to 2024Q4",
        "simulate: ",
        "write tables",
        f"{folder}: ",
        "measures.parquet",
    ):
        assert words in err
    again = aipower("run", "baseline", *SMALL, "--out", folder, "--json", "-v")[2]
    assert "stored result" in again
    assert "simulate" not in again


def test_validate_tells_problems_and_warnings_of_each_file(aipower, tmp_path):
    (tmp_path / "wrong.yaml").write_text("run: {replicates: none}\nhoizon: {}\n")
    (tmp_path / "odd.yaml").write_text("extends: baseline\nworld: {parameters: {flywheel: 3.0}}\n")
    code, checks, err = aipower("validate", tmp_path / "wrong.yaml", tmp_path / "odd.yaml", "baseline", "--json")
    assert (code, err) == (2, "")
    wrong, odd, baseline = checks
    assert (wrong["is_valid"], len(wrong["problems"])) == (False, 2)
    assert (odd["is_valid"], len(odd["warnings"]), odd["name"]) == (True, 1, "odd")
    assert baseline == {"scenario": "baseline", "is_valid": True, "name": "baseline", "problems": [], "warnings": []}


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_and_its_entries_hold_the_same(aipower, kind):
    entries = aipower("list", kind, "--json")[1]
    assert len(entries) > 0
    shown = aipower("show", kind, entries[0]["name"], "--json")[1]
    assert shown.items() >= entries[0].items()


def test_parameters_are_numbers(aipower):
    flywheel = aipower("show", "parameter", "flywheel", "--json")[1]
    assert (flywheel["value"], flywheel["range"], flywheel["symbol"]) == (1.0, [0.5, 2.0], "Lambda")
    assert flywheel["used in"] == list(catalogues.users("flywheel"))


def test_infinity_becomes_null(aipower):
    levers = {lever["name"]: lever["neutral"] for lever in aipower("list", "levers", "--json")[1]}
    assert levers["training_cap"] is None
    assert levers["compute_tax"] == 0


def test_a_scenario_is_shown_complete(aipower):
    assert aipower("show", "baseline", "--json")[1] == sim.load_scenario("baseline").resolved()


def test_a_result_is_shown_as_the_cells_of_its_closing_table(aipower, finished):
    shown = aipower("show", finished, "--json")[1]
    cells = {(row["measure"], row["year"]): row["mean"] for row in shown["rows"]}
    mean = sim.load_result(finished).yearly()["hhi_revenue"].mean()
    assert math.isclose(cells["hhi_revenue", 2024], mean)
    assert "2 replicates" in shown["headline"]


def test_verify_tells_what_is_damaged(aipower, finished, tmp_path):
    import shutil

    assert aipower("verify", finished, "--json")[1]["is_complete"]
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    (folder / "README.md").write_text("changed")
    (folder / "summary.csv").unlink()
    (folder / "notes.txt").write_text("mine")
    code, found, err = aipower("verify", folder, "--json")
    assert (code, err, found["is_complete"]) == (1, "", False)
    assert (found["damaged"], found["missing"], found["extra"]) == (["README.md"], ["summary.csv"], ["notes.txt"])


def test_diff_tells_keys_and_both_values(aipower, tmp_path):
    (tmp_path / "high.yaml").write_text("extends: baseline\nname: baseline\nworld: {parameters: {flywheel: 1.2}}\n")
    code, facts, _ = aipower("diff", "baseline", tmp_path / "high.yaml", "--json")
    assert (code, facts["is_same"]) == (0, False)
    row = next(row for row in facts["scenario"] if row["key"] == "world.parameters.flywheel")
    assert (row["a"], row["b"]) == (1.0, 1.2)
    assert aipower("diff", "baseline", "baseline", "--json")[1]["is_same"]


def test_an_error_leaves_standard_output_empty(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["run", "no-such-scenario", "--json"])
    captured = capsys.readouterr()
    assert (stop.value.code, captured.out) == (2, "")
    assert captured.err
