"""The built wheel works by itself: installed into a fresh environment, used in an empty folder."""

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.long


def done(*command, cwd, **environment):
    """What a command prints; it must succeed, and finds no checkout through the environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    run = subprocess.run(
        list(map(str, command)), cwd=cwd, env=kept | environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, f"{command}\n{run.stdout}\n{run.stderr}"
    return run.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the checkout; in this environment where it holds the build tool."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    done(*pip, "wheel", "--quiet", "--no-deps", *options, "--wheel-dir", folder, ROOT, cwd=folder)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def scripts(wheel, tmp_path_factory):
    """Commands of a fresh environment with the wheel, which sees this one's libraries but not its aipower."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, with_pip=False)
    places = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", "venv", vars=places))
    commands = Path(sysconfig.get_path("scripts", "venv", vars=places))
    python = commands / Path(sys.executable).name
    if not python.exists():
        python = commands / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    done(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=folder)
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    # A folder named in a .pth file is searched, but .pth files inside it (an editable aipower's) are not read.
    (site / "libraries.pth").write_text("\n".join(sorted(libraries)) + "\n", encoding="utf-8")
    where = done(python, "-c", "import sim; print(sim.__file__)", cwd=folder).strip()
    assert Path(where).is_relative_to(site), where
    return commands


@pytest.fixture
def empty(tmp_path):
    """An empty folder outside the checkout."""
    assert not tmp_path.is_relative_to(ROOT)
    return tmp_path


def test_a_wheel_holds_the_package_its_data_and_the_scenarios(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"sim/py.typed", "sim/_scenarios/baseline.yaml", "sim/world/data/parameters.csv"} <= names
    assert {f"sim/{path.relative_to(ROOT / 'sim').as_posix()}" for path in (ROOT / "sim").rglob("*.py")} <= names
    shipped = [path for path in (ROOT / "scenarios").rglob("*") if path.is_file()]
    assert {f"sim/_scenarios/{path.relative_to(ROOT / 'scenarios').as_posix()}" for path in shipped} <= names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"sim"}


def test_scenarios_are_listed_outside_the_checkout(scripts, empty):
    listed = json.loads(done(scripts / "aipower", "list", "scenarios", "--json", cwd=empty))
    shipped = {path.stem for path in (ROOT / "scenarios").rglob("*.yaml")}
    assert {entry["name"] for entry in listed} == shipped
    assert not any(Path(entry["file"]).is_relative_to(ROOT) for entry in listed)
    assert "baseline" in done(scripts / "aipower", "list", "scenarios", cwd=empty)


def test_the_baseline_runs_outside_the_checkout(scripts, empty):
    size = ("--replicates", "1", "--quarters", "2", "--no-figures")
    assert "Results: outputs" in done(scripts / "aipower", "run", "baseline", *size, cwd=empty)
    assert [path.name for path in empty.iterdir()] == ["outputs"]
    assert "as they were written" in done(scripts / "aipower", "verify", "outputs/baseline", cwd=empty)
    manifest = json.loads((empty / "outputs" / "baseline" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["n_succeeded"] == 1
    assert "git_commit" not in manifest
