"""The command: exit codes, messages, folders, and output that survives pipes and old terminals."""

import ast
import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import sim
from sim.app import catalogues, cli, questions, terminal

SINGULAR = {"policies": "policy"}
KINDS = [kind.value for kind in catalogues.Kind]
SIZE = ("--replicates", "2", "--quarters", "4")
SMALL = (*SIZE, "--no-figures")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a small run, and what the command printed; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    done = CliRunner().invoke(cli.app, ["run", "baseline", *SIZE, "--out", str(folder)])
    assert done.exit_code == 0, done.output
    return folder, done.output


def in_a_process(*words, **environment):
    return subprocess.run(
        [sys.executable, "-m", "sim", *map(str, words)],
        capture_output=True,
        check=False,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
    )


# --- help and exit codes ------------------------------------------------------------------------


def test_version_is_that_of_the_package(aipower):
    assert aipower("--version") == (0, f"aipower {sim.__version__}\n", "")


@pytest.mark.parametrize("command", ["run", "validate", "list", "show", "diff", "export", "schema", "new", "verify"])
def test_every_command_has_help_with_an_example(aipower, command):
    code, out, _ = aipower(command, "--help")
    assert code == 0
    assert f"aipower {command}" in out.split("Examples")[1]


@pytest.mark.parametrize(
    "words",
    [
        ["run", "no-such-scenario"],
        ["run", "baseline", "--set", "world.parameters.flywhel=1"],
        ["run", "baseline", "--replicates", "0"],
        ["run"],
        ["list", "nothing"],
        ["show", "parameter", "flywhel"],
        ["show", "thing", "flywheel"],
        ["verify", "."],
        ["diff", "baseline", "baselin"],
        ["export", ".", "--to", "csv"],
        ["new", "Not A Name"],
        ["new", "."],
        ["new", ""],
        ["new", "/"],
        ["new", "--world", "."],
        ["nothing"],
    ],
)
def test_a_users_mistake_gives_2_and_no_traceback(aipower, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = aipower(*words)
    assert (code, out) == (2, "")
    assert err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_a_misspelt_name_brings_the_nearest_one(aipower):
    assert "flywheel" in aipower("show", "parameter", "flywhel")[2]
    assert "which policy? `aipower list policies` names them" in aipower("show", "policies")[2]
    assert "flywheel" in aipower("run", "baseline", "--set", "world.parameters.flywhel=1")[2]


def test_a_defect_gives_1_and_one_line_that_names_traceback(aipower, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("nothing to divide by")

    monkeypatch.setattr(sim, "run", broken)
    code, out, err = aipower("run", "baseline")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "nothing to divide by" in err
    assert "--traceback" in err


def test_traceback_lets_the_exception_through(monkeypatch):
    with pytest.raises(sim.errors.ScenarioError):
        cli.main(["run", "no-such-scenario", "--traceback"])


def test_an_interrupt_gives_130_and_says_what_is_kept(aipower, monkeypatch, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sim, "run", interrupted)
    monkeypatch.chdir(tmp_path)
    code, out, err = aipower("run", "baseline")
    assert (code, out) == (130, "")
    assert "Interrupted. Nothing had been computed yet." in err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_gives_1_and_its_name(aipower, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    code, _, err = aipower("run", "baseline", *SMALL, "--out", blocker / "inside")
    assert code == 1
    assert str(blocker) in err
    assert "Traceback" not in err


# --- run ----------------------------------------------------------------------------------------


def test_a_run_says_where_its_folder_is_and_what_to_open(finished):
    folder, out = finished
    assert f"Results: {folder}" in out
    assert str(folder / "README.md") in out
    assert (folder / "README.md").is_file()
    assert list((folder / "figures").glob("*.png"))


def test_the_closing_table_names_layers_leaders_and_ranges(finished):
    for words in ("Firms' revenue: HHI", "Who leads in 2024", "5-95%", "Flywheel elasticity"):
        assert words in finished[1]


def test_output_in_a_pipe_holds_no_escape_codes(finished):
    assert "\x1b" not in finished[1]


def test_the_closing_table_fits_80_columns(finished, monkeypatch, capsys):
    monkeypatch.setattr(terminal, "PIPE_WIDTH", 80)
    with pytest.raises(SystemExit):
        cli.main(["show", str(finished[0])])
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "\N{HORIZONTAL ELLIPSIS}" not in out
    assert "Firms' revenue: HHI" in out


def test_a_result_folder_is_shown_with_the_table_of_its_run(aipower, finished):
    folder, printed = finished
    code, out, _ = aipower("show", folder)
    assert code == 0
    assert out
    assert printed.startswith(out)


def test_an_identical_run_is_reused(aipower, finished):
    folder, _ = finished
    before = (folder / "manifest.json").stat()
    code, out, _ = aipower("run", "baseline", *SMALL, "--out", folder)
    assert code == 0
    assert "nothing was computed" in out
    after = (folder / "manifest.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_another_run_of_the_same_name_goes_beside_the_first(aipower, finished, tmp_path):
    folder = tmp_path / "small"
    folder.symlink_to(finished[0])
    code, out, _ = aipower("run", "baseline", *SMALL, "--seed", "0", "--out", folder)
    assert code == 0
    assert "holds another run" in out
    assert sim.load_result(tmp_path / "small-2").scenario.run.seed == 0
    assert sim.load_result(folder).scenario.run.seed == 1


def test_options_and_changes_reach_the_scenario(aipower, tmp_path):
    folder = tmp_path / "changed"
    changes = ["--set", "world.parameters.flywheel=1.2", "--set", "mechanisms.entry=false"]
    code, out, _ = aipower("run", "baseline", *SMALL, *changes, "--out", folder, "--quiet")
    assert code == 0
    scenario = sim.load_result(out.strip()).scenario
    assert scenario.world.parameters["flywheel"] == 1.2
    assert not scenario.mechanisms.entry
    assert (scenario.run.replicates, scenario.horizon.n_quarters) == (2, 4)
    assert not (folder / "figures").exists()


def test_quiet_prints_the_folder_alone(aipower, finished):
    assert aipower("run", "baseline", *SMALL, "--out", finished[0], "--quiet") == (
        0,
        f"{finished[0]}\n",
        "",
    )


def test_results_land_in_outputs_unless_told_otherwise(aipower, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert aipower("run", "baseline", *SMALL, "--quiet") == (0, "outputs/baseline\n", "")
    assert sorted(path.name for path in Path("outputs").iterdir()) == ["baseline"]


# --- scenario files -----------------------------------------------------------------------------


def test_validate_names_every_problem_of_every_file(aipower, tmp_path):
    (tmp_path / "one.yaml").write_text("run: {replicates: none}\npower: {family: cubic}\n")
    (tmp_path / "two.yaml").write_text("hoizon: {}\n")
    code, out, err = aipower("validate", tmp_path / "one.yaml", "baseline", tmp_path / "two.yaml")
    assert code == 2
    assert out == "baseline: ok (baseline)\n"
    for words in ("replicates", "cubic", "hoizon"):
        assert words in err


@pytest.mark.parametrize("version", [0, 2, 99])
def test_another_version_of_the_file_format_brings_the_one_that_is_read_and_a_remedy(aipower, tmp_path, version):
    file = tmp_path / "other.yaml"
    file.write_text(f"extends: baseline\nschema: {version}\n")
    for command in ("validate", "run", "show"):
        code, out, err = aipower(command, file)
        assert (code, out) == (2, "")
        assert f"{file}:2: schema: " in err
        assert f" {version}" in err
        assert "allowed: format 1" in err
        assert ("update aipower" in err) == (version > 1)
        assert "write schema: 1" in err or version > 1


def test_a_result_of_another_layout_brings_the_one_that_is_read_and_a_remedy(aipower, finished, tmp_path):
    text = (finished[0] / "manifest.json").read_text()
    (tmp_path / "manifest.json").write_text(text.replace('"schema": 1', '"schema": 2', 1))
    for words in (
        ["show", tmp_path],
        ["verify", tmp_path],
        ["diff", tmp_path, "baseline"],
        ["export", tmp_path, "--to", "csv"],
    ):
        code, out, err = aipower(*words)
        assert (code, out) == (2, "")
        assert "layout version 2 and this aipower reads 1" in err
        assert "run the scenario again" in err


def test_show_gives_a_complete_scenario_that_loads_to_the_same(aipower, tmp_path):
    file = tmp_path / "copy.yaml"
    file.write_text(aipower("show", "baseline")[1])
    assert sim.load_scenario(file) == sim.load_scenario("baseline")


def test_a_warning_is_one_line_and_not_an_error(aipower, tmp_path):
    file = tmp_path / "odd.yaml"
    file.write_text("extends: baseline\nworld: {parameters: {flywheel: 3.0}}\n")
    code, _, err = aipower("validate", file)
    assert code == 0
    assert err.startswith("Warning: ")
    assert err.count("\n") == 1


def test_schema_is_json_schema_on_the_screen_and_in_a_file(aipower, tmp_path):
    file = tmp_path / "scenario.schema.json"
    text = aipower("schema")[1]
    assert aipower("schema", "--out", file)[0] == 0
    assert file.read_text() == text
    file.write_text("mine")
    code, _, err = aipower("schema", "--out", file)
    assert code == 2 and "exists already and was left as it is" in err and file.read_text() == "mine"
    assert {"schema", "extends", "world", "run"} <= set(json.loads(text)["properties"])


def test_a_new_file_is_the_baseline_under_another_name(aipower, tmp_path):
    code, out, _ = aipower("new", tmp_path / "what-if")
    assert code == 0
    assert str(tmp_path / "what-if.yaml") in out
    made = sim.load_scenario(tmp_path / "what-if.yaml")
    assert made.name == "what-if"
    assert made.content_hash() == sim.load_scenario("baseline").content_hash()


def test_a_new_file_with_all_its_suggestions_taken_up_is_valid(aipower, tmp_path):
    file = tmp_path / "bold.yaml"
    aipower("new", file)
    text = file.read_text()
    file.write_text(re.sub("^#(?! )|^#(?=  )", "", text, flags=re.MULTILINE))
    made, baseline = sim.load_scenario(file), sim.load_scenario("baseline")
    for section in ("world", "horizon", "power", "mechanisms", "run", "record"):
        assert getattr(made, section) != getattr(baseline, section), section


def test_a_new_file_may_be_in_a_new_folder(aipower, tmp_path):
    assert aipower("new", tmp_path / "mine" / "one")[0] == 0
    assert aipower("new", "--world", tmp_path / "mine" / "more" / "two")[0] == 0
    assert (tmp_path / "mine" / "one.yaml").is_file() and (tmp_path / "mine" / "more" / "two.yaml").is_file()


def test_new_never_overwrites(aipower, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("precious")
    assert aipower("new", file)[0] == 2
    assert aipower("new", "--world", file)[0] == 2
    assert not (tmp_path / "mine").exists()
    assert file.read_text() == "precious"


def test_new_never_writes_into_a_folder_that_is_there(aipower, tmp_path):
    (tmp_path / "mine").mkdir()
    code, _, err = aipower("new", "--world", tmp_path / "mine")
    assert (code, list(tmp_path.iterdir())) == (2, [tmp_path / "mine"])
    assert "exists already and was left as it is" in err


def test_a_new_world_is_valid_and_the_shipped_one(aipower, tmp_path):
    file = tmp_path / "mine.yaml"
    code, out, _ = aipower("new", "--world", file)
    assert code == 0
    assert str(file) in "".join(out.split())
    assert sorted(path.stem for path in (tmp_path / "mine").iterdir()) == sorted(
        ["firms", "makers", "owners", "parameters", "sectors", "shipments"]
    )
    assert aipower("validate", file)[0] == 0
    code, out, _ = aipower("diff", "baseline", file, "--json")
    assert {row["key"] for row in json.loads(out)["scenario"]} == {"name", "question"}
    code, out, _ = aipower("show", file, "--json")
    assert json.loads(out)["world"]["tables"]["firms"][0]["name"] == "OpenAI"


def test_a_changed_fact_is_the_only_difference_of_a_new_world(aipower, tmp_path):
    file = tmp_path / "mine.yaml"
    aipower("new", "--world", file)
    table = tmp_path / "mine" / "owners.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("Oracle,order_factor,1.45", "Oracle,order_factor,1.7"))
    _, out, _ = aipower("diff", "baseline", file, "--json")
    (row,) = (row for row in json.loads(out)["scenario"] if row["unit"])
    assert row == {
        "key": "world.tables.owners.Oracle.order_factor",
        "a": 1.45,
        "b": 1.7,
        "unit": "x share of orders",
    }


def test_tables_that_contradict_each_other_are_not_valid(aipower, tmp_path):
    file = tmp_path / "mine.yaml"
    aipower("new", "--world", file)
    table = tmp_path / "mine" / "firms.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("OpenAI,compute,103", "OpenAI,compute,1e6"))
    code, _, err = aipower("validate", file)
    assert code == 2
    assert "firms use more compute than" in " ".join(err.split())
    assert aipower("run", file, "--replicates", 1, "--quarters", 1, "--out", tmp_path / "out")[0] == 2


def test_a_mistaken_table_is_told_with_file_line_and_column(aipower, tmp_path):
    file = tmp_path / "mine.yaml"
    aipower("new", "--world", file)
    table = tmp_path / "mine" / "shipments.csv"
    table.write_text("quarter,value,unit\n2024Q1,1,chips\n")
    for command in ("validate", "show", "run"):
        code, _, err = aipower(command, file)
        assert code == 2
        assert f"{table}:2: column unit" in err.replace("\n", "")
        assert "Traceback" not in err


# --- lists --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_in_a_pipe_has_one_line_for_each_entry(aipower, capsys, kind, monkeypatch):
    monkeypatch.setattr(catalogues, "catalogue", functools.cache(catalogues.catalogue))  # read once, not for each entry
    code, out, err = aipower("list", kind)
    names = [line.split()[0] for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert names[0] == "name"
    assert len(names) > 1
    single = SINGULAR.get(kind, kind.removesuffix("s"))
    assert aipower("show", single, names[1])[1].startswith(f"{names[1]}\n")
    for name in names[1:]:
        questions.show(single, name)  # the command without the reading of arguments, which takes most of the time
        assert capsys.readouterr().out.startswith(f"{name}\n")


def test_a_parameter_is_shown_with_its_symbol_and_who_uses_it(aipower):
    code, out, _ = aipower("show", "parameter", "capability_decay")
    assert code == 0
    lines = dict(line.strip().split(": ", 1) for line in out.splitlines()[1:])
    assert lines["symbol"] == "delta_E"
    assert "sim/stages/training.py" in lines["used in"].split(", ")
    assert "sim/stages/drivers.py" not in lines["used in"]


def test_every_parameter_is_used_somewhere():
    """No option is ignored."""
    package = Path(sim.__file__).parent
    read = set()
    for path in package.rglob("*.py"):
        read |= catalogues.parameters_read(ast.parse(path.read_text(encoding="utf-8")))
    assert set(catalogues.catalogue(catalogues.Kind.PARAMETERS)) <= read


@pytest.mark.parametrize(
    ("code", "read"),
    [
        ("p = world.parameters\nx = p.gamma", {"gamma"}),
        ("x = world.parameters.gamma", {"gamma"}),
        ("def f(p: Parameters): return p.gamma", {"gamma"}),
        ("p = Parameters.from_table()\nx = p.gamma", {"gamma"}),
        ("x = self.gamma\ny = p.gamma\nz = 'p.gamma'", set()),
    ],
)
def test_reading_a_parameter_is_seen_in_every_form(code, read):
    assert catalogues.parameters_read(ast.parse(code)) - {"parameters", "from_table"} == read


def test_a_symbol_leads_to_its_parameter(aipower):
    code, _, err = aipower("show", "parameter", "Lambda")
    assert code == 2
    assert "did you mean flywheel" in err


# --- folders ------------------------------------------------------------------------------------


def test_verify_finds_an_untouched_folder_complete(aipower, finished):
    code, out, err = aipower("verify", finished[0])
    assert (code, err) == (0, "")
    assert "as they were written" in out


def test_verify_names_a_damaged_and_a_missing_file(aipower, finished, tmp_path):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(finished[0], folder)
    (folder / "README.md").write_text("changed")
    (folder / "summary.csv").unlink()
    code, _, err = aipower("verify", folder)
    assert code == 1
    assert f"damaged: {folder / 'README.md'}" in err
    assert f"missing: {folder / 'summary.csv'}" in err


# --- terminals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["--help"], ["list", "parameters"], ["run", "--help"]])
def test_a_terminal_that_knows_only_ascii_is_enough(words):
    done = in_a_process(*words, LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


def test_the_closing_table_can_be_shown_in_ascii(finished):
    done = in_a_process("show", finished[0], LC_ALL="C", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert b"Who leads" in done.stdout


def test_no_color_is_respected():
    forced = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    colour = re.compile(rb"\x1b\[[0-9;]*3[0-7]m")
    assert colour.search(in_a_process("--help", **forced).stdout)
    assert not colour.search(in_a_process("--help", **forced, NO_COLOR="1").stdout)


def test_a_closed_pipe_ends_the_command_without_a_traceback():
    code = f"{sys.executable} -m sim list parameters | head -n 1"
    done = subprocess.run(code, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("name")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be removed there")
def test_a_folder_that_is_gone_under_the_command_and_short_memory_are_told_in_a_line(aipower, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    os.chdir("here")
    (tmp_path / "here").rmdir()
    code, _, err = aipower("verify", "run")
    assert code == 1 and err == "Error: the folder that this command runs in is gone; go to another\n"

    def starve(*_):
        raise MemoryError

    monkeypatch.setattr(sim, "verify_result", starve)
    code, _, err = aipower("verify", "run")
    assert code == 1 and "memory is short" in err and "defect" not in err
