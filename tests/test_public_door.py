"""The names that users rely on, and what importing them costs."""

import importlib
import json
import pkgutil
import subprocess
import sys

import pytest

import sim

NAMES = {
    "Allocation",
    "Calibration",
    "Comparison",
    "Result",
    "Scenario",
    "Scorecard",
    "Sweep",
    "__version__",
    "calibrate",
    "compare",
    "errors",
    "indices",
    "load_comparison",
    "load_result",
    "load_scenario",
    "load_sweep",
    "plan",
    "run",
    "scorecard",
    "shipped_scenarios",
    "sweep",
    "recompute",
    "verify_result",
}
HEAVY = ["numpy", "jinja2", "pandas", "pyarrow", "scipy", "matplotlib", "networkx", "mesa"]
LOADED = f"import json, sys; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"


def loaded_after(code: str) -> list[str]:
    """The heavy libraries that a fresh Python holds after running `code`."""
    done = subprocess.run([sys.executable, "-c", f"{code}\n{LOADED}"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_the_door_offers_exactly_the_promised_names():
    assert set(sim.__all__) == NAMES
    assert set(dir(sim)) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_promised_name_resolves(name):
    assert getattr(sim, name) is getattr(sim, name)


def test_a_name_is_the_object_of_its_module():
    assert sim.load_scenario is importlib.import_module("sim.scenario").load_scenario
    assert sim.indices is importlib.import_module("sim.indices")


def test_an_unknown_name_is_refused_and_the_known_ones_are_listed():
    with pytest.raises(AttributeError, match=r"no attribute 'lod_scenario'.*load_scenario"):
        sim.lod_scenario  # noqa: B018


def test_importing_sim_loads_no_heavy_library():
    assert loaded_after("import sim") == []


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["--version"]])
def test_asking_the_command_for_help_loads_no_heavy_library(words):
    code = f"from sim.app.cli import main\ntry: main({words})\nexcept SystemExit as stop: assert not stop.code"
    assert loaded_after(code) == []


def test_a_heavy_library_would_be_seen():
    assert loaded_after("import networkx") == ["networkx"]


def test_the_drawing_of_errors_names_every_one():
    for module in pkgutil.walk_packages(sim.__path__, "sim."):
        if not module.name.endswith("__main__") and "dashboard" not in module.name:
            importlib.import_module(module.name)
    known, waiting = set(), [sim.errors.AipowerError]
    while waiting:
        known.add(waiting[-1].__name__)
        waiting += waiting.pop().__subclasses__()
    assert {name for name in known if name not in sim.errors.__doc__} == set()
