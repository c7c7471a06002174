"""Policies of one's own: the documented example by file, in processes, by entry point; and what can go wrong."""

import json
import pickle
import subprocess
import sys

import pytest
import typer

import sim
from sim import ensemble, policies
from sim.app.cli import app
from sim.errors import PolicyError
from sim.policies import registry
from sim.scenario import load_scenario
from tests.policies import every, plugin
from tests.worlds import same_bits

ITEM = {"windfall_tax": {"rate": 0.3, "rent": 4.0, "start": "2024Q2"}}
SHORT = {"horizon": {"end": "2024Q4"}, "policies": [ITEM]}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "windfall.py"
    path.write_text(plugin(), encoding="utf-8")
    return path


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "windfall.yaml"
    path.write_text("extends: baseline\nhorizon: {end: 2024Q4}\npolicies:\n  - windfall_tax: {rate: 0.3, rent: 4}\n")
    return path


def test_the_example_is_about_twenty_lines() -> None:
    code = [line for line in plugin().splitlines() if line.strip()]
    assert len(code) <= 20


def test_commands_take_the_example(aipower, file, written, tmp_path):
    assert aipower("validate", written, "--plugin", file) == (0, f"{written}: ok (windfall)\n", "")
    assert "windfall_tax" in aipower("list", "policies", "--plugin", file)[1]
    shown = aipower("show", "policy", "windfall_tax", "--plugin", file)[1]
    assert "mean rent above which it is due; unit $bn per M H100e-quarter; range 0 to 100" in shown
    out = tmp_path / "out"
    size = ("--replicates", "2", "--no-figures", "--quiet", "--workers", "1")
    assert aipower("run", written, "--plugin", file, *size, "--out", out)[0] == 0
    manifest = json.loads((out / "manifest.json").read_text())
    import hashlib

    assert manifest["plugins"] == {"windfall.py": hashlib.sha256(file.read_bytes()).hexdigest()}
    assert aipower("show", out, "--plugin", file)[0] == 0
    assert aipower("explain", out, "--firm", "OpenAI", "--quarter", "2024Q3", "--plugin", file)[0] == 0


def test_a_fresh_process_without_the_plug_in_says_what_is_missing(file, written):
    def call(*more):
        words = [sys.executable, "-m", "sim", "validate", str(written), *more]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    alone = call()
    assert alone.returncode == 2 and "'windfall_tax' is unknown" in alone.stderr and "--plugin FILE" in alone.stderr
    assert call("--plugin", str(file)).returncode == 0


def test_worker_processes_know_the_plug_in():
    every()
    scenario = load_scenario(SHORT)
    one = ensemble.simulate(scenario, replicates=4, workers=1, block_size=2)
    assert same_bits(one, ensemble.simulate(scenario, replicates=4, workers=2, block_size=2))
    assert not same_bits(one, ensemble.simulate(load_scenario({"horizon": {"end": "2024Q4"}}), replicates=4))


def test_a_pickled_policy_brings_its_code_along():
    every()
    (policy,) = policies.build([ITEM])
    code = f"import pickle; print(pickle.loads({pickle.dumps(policy)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "rate=0.3 rent=4.0" in done.stdout


def test_another_code_is_another_run(tmp_path):
    every()
    before = load_scenario(SHORT).content_hash()
    assert before == load_scenario(SHORT).content_hash()
    name = registry.looked_up("windfall_tax").__module__
    known = registry._PLUGINS[name]
    try:
        registry._PLUGINS[name] = known._replace(sha256="0" * 64)
        assert load_scenario(SHORT).content_hash() != before
    finally:
        registry._PLUGINS[name] = known
    assert load_scenario({}).plugins() == {}


def test_the_same_file_may_be_named_twice(file):
    assert policies.load_plugin(file) == policies.load_plugin(str(file)) == ("windfall_tax",)


WRONG = {
    "def x(:": "SyntaxError in line 1: invalid syntax",
    "1 / 0": "ZeroDivisionError: division by zero",
    "x = 1": "it registers no policy",
    "import nowhere_to_be_found": "ModuleNotFoundError: No module named",
    "from sim.policies import *\n@policy\nclass ComputeTax(FirmPolicy):\n    '''Mine.'''": "already",
    "from sim.policies import *\n@policy\nclass Mute(FirmPolicy):\n    uses = ()": "has no docstring",
    "from sim.policies import *\n@policy\nclass Odd(FirmPolicy):\n    '''Odd.'''\n    uses = ('gravity',)": "gravity",
    "from sim.policies import *\n@policy\nclass Idle(FirmPolicy):\n    '''Idle.'''": "does nothing; give it a method `levers",
}


@pytest.mark.parametrize(("text", "reason"), WRONG.items(), ids=range(len(WRONG)))
def test_a_plug_in_that_cannot_be_used_says_why_and_leaves_nothing(aipower, tmp_path, text, reason):
    file = tmp_path / "mine.py"
    file.write_text(text)
    before = registry.registered()
    code, out, err = aipower("list", "policies", "--plugin", file)
    assert code == 2 and out == "" and "mine.py" in err and reason in err and "Traceback" not in err
    assert registry.registered() == before
    assert not [name for name in sys.modules if getattr(sys.modules[name], "__file__", None) == "mine.py"]


def test_a_file_that_is_not_there(aipower, tmp_path):
    code, _, err = aipower("run", "baseline", "--plugin", tmp_path / "none.py")
    assert code == 2 and "none.py cannot be read: No such file" in err


def test_an_installed_package_brings_policies(tmp_path, monkeypatch):
    text = plugin().replace("WindfallTax", "HarvestTax").replace("windfall_tax", "harvest_tax")
    (tmp_path / "harvest.py").write_text(text)
    info = tmp_path / "harvest-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: harvest\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[aipower.policies]\nharvest_tax = harvest:HarvestTax\nlost = nowhere:Lost\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry.installed.cache_clear()
    try:
        assert {"harvest_tax", "lost"} <= set(policies.names())
        assert "harvest" not in sys.modules, "named without loading its code"
        scenario = load_scenario({"policies": [{"harvest_tax": {"rate": 0.3, "rent": 4.0}}]})
        assert scenario.policies[0]["harvest_tax"]["who"] == "all"
        assert pickle.loads(pickle.dumps(policies.build(scenario.policies)))[0].rate == 0.3
        with pytest.raises(PolicyError, match=r"installed policy lost \(nowhere:Lost\) cannot be loaded"):
            policies.find("lost")
    finally:
        registry.installed.cache_clear()
        registry._CLASSES.pop("harvest_tax", None)
        sys.modules.pop("harvest", None)


def test_naming_policies_costs_a_start_nothing():
    """A scenario without policies, and a list of names, load the code of none."""
    code = (
        "import sys, sim; sim.load_scenario({}); from sim.policies import names; names();"
        "print([m for m in sys.modules if m.startswith('sim.policies.') and m.rpartition('.')[2] in "
        f"{policies.SHIPPED!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert sim.__version__


@pytest.mark.parametrize(("encoding", "head"), [("utf-8-sig", ""), ("latin-1", "# -*- coding: latin-1 -*-\n# é\n")])
def test_a_file_that_python_reads_is_read(tmp_path, encoding, head):
    path = tmp_path / f"{encoding}.py"
    text = plugin().replace("WindfallTax", "ForeignTax").replace("windfall_tax", "foreign_tax")
    path.write_text(head + text, encoding=encoding)
    code = [sys.executable, "-m", "sim", "show", "policy", "foreign_tax", "--plugin", str(path)]
    assert subprocess.run(code, capture_output=True, check=False).returncode == 0


def test_a_file_that_would_end_the_command_is_refused(aipower, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("import sys\nsys.exit(0)\n")
    code, out, err = aipower("list", "policies", "--plugin", path)
    assert code == 2 and out == "" and "mine.py cannot be used: SystemExit" in err


def test_every_command_that_reads_a_scenario_or_a_result_takes_plug_ins():
    commands = typer.main.get_command(app).commands
    takes = {name for name, each in commands.items() if any("--plugin" in option.opts for option in each.params)}
    assert set(commands) - takes == {"calibrate", "scorecard", "schema", "new"}


def test_a_plan_of_a_scenario_with_a_policy_of_ones_own(aipower, file, tmp_path):
    written = tmp_path / "city.yaml"
    written.write_text("extends: ten_firm_city\npolicies:\n  - windfall_tax: {rate: 0.3, rent: 4}\n")
    status, out, _ = aipower("plan", written, "--plugin", file)
    assert status == 0 and "Scenario city" in out
