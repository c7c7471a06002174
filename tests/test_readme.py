"""Every command and every line of Python that the README shows works, in the order in which it shows them."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(aipower [^`\n]+)`")
INSIDE = "2024Q2"
SMALL = ["--replicates", "2", "--quarters", "4", "--no-figures"]
COPIED = ("scenarios", "Makefile", "pyproject.toml", "constraints")


def blocks(language):
    return [body for kind, body in BLOCK.findall(README) if kind == language]


def commands():
    """Commands of the README, top to bottom: lines of its `sh` blocks, and `aipower ...` inside sentences."""
    found = []
    for match in re.finditer(rf"{BLOCK.pattern}|{INLINE.pattern}", README, BLOCK.flags):
        language, body, inline = match.groups()
        if inline:
            found.append(shlex.split(inline))
        elif language == "sh":
            lines = body.replace("\\\n", " ").splitlines()
            found += [words for line in lines if (words := shlex.split(line, comments=True))]
    return found


def small(words):
    """An `aipower` command with two replicates of four quarters and no figures where it runs something."""
    if words[1] == "explain":
        return [INSIDE if words[k - 1] == "--quarter" else word for k, word in enumerate(words)]
    if words[1] not in ("run", "compare", "sweep"):
        return words
    kept = []
    position = 0
    while position < len(words):
        if words[position] in ("--replicates", "--quarters"):
            position += 2
            continue
        kept.append(words[position])
        position += 1
    return kept + SMALL


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A folder that holds what a checkout does, as far as the commands use it."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in COPIED:
        source = ROOT / name
        copied = shutil.copytree if source.is_dir() else shutil.copy
        copied(source, folder / name)
    return folder


def run(words, folder):
    places = [str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = os.environ | {"PATH": os.pathsep.join(places)}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def check_installation(words):
    """The commands that make an environment are not run; the files and extras they name are there."""
    extras = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    )
    for position, word in enumerate(words):
        if words[position - 1] in ("-c", "--constraint", "-r"):
            assert (ROOT / word).is_file(), word
        for names in re.findall(r"\[([\w,]+)\]$", word):
            assert set(names.split(",")) <= extras, word


def test_what_is_installed_runs_on_the_first_release_of_this_python():
    """Pins that ask for a later patch release send pip searching for versions without end."""
    this = f"{sys.version_info.major}.{sys.version_info.minor}"
    pins = ROOT / "constraints" / f"py{this.replace('.', '')}.txt"
    if not pins.exists():
        pytest.skip(f"Python {this} installs the newest versions")
    asked = {}
    for pin in pins.read_text(encoding="utf-8").split():
        with suppress(PackageNotFoundError):
            asked[pin] = SpecifierSet(metadata(pin.split("==")[0]).get("Requires-Python", ""))
    assert {pin: str(pythons) for pin, pythons in asked.items() if f"{this}.0" not in pythons} == {}
    assert len(asked) > 100


def test_the_readme_shows_commands():
    kinds = {Path(words[0]).name for words in commands()}
    assert {"make", "aipower"} <= kinds


def test_every_command_runs(copy):
    wrong = []
    for words in commands():
        name, *rest = [words[0].removeprefix(".venv/bin/"), *words[1:]]
        if name == "aipower":
            wrong += failure(small([name, *rest]), copy)
        elif name == "make":
            wrong += failure([name, "--dry-run", *rest], ROOT)
        elif name == "pip" or rest[:2] == ["-m", "venv"] or rest[:2] == ["-m", "pip"]:
            check_installation(words)
        elif rest[:2] == ["-m", "pytest"]:
            wrong += failure([sys.executable, "-m", "pytest", "--version"], copy)
        else:
            wrong.append(f"{shlex.join(words)}: the test does not know how to try this")
    assert not wrong, "\n".join(wrong)


def failure(words, folder):
    """The command and what it said, if it failed."""
    done = run(words, folder)
    return (
        [] if done.returncode == 0 else [f"{shlex.join(words)}: exit {done.returncode}: {done.stderr or done.stdout}"]
    )


def test_a_command_that_does_not_work_would_be_seen(copy):
    assert failure(["aipower", "run", "no-such-scenario"], copy)
    assert failure(["make", "--dry-run", "no-such-target"], ROOT)


def test_runs_are_made_small():
    words = shlex.split("aipower run baseline --replicates 20 --set world.parameters.flywheel=2 --out x")
    assert small(words) == [*shlex.split("aipower run baseline --set world.parameters.flywheel=2 --out x"), *SMALL]


def test_its_python_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = blocks("python")
    assert shown
    names = {}
    for body in shown:
        source, n_replaced = re.subn(r"replicates=\d+", "replicates=2", body)
        assert n_replaced, "the test makes runs small by their number of replicates"
        exec(compile(source, "README.md", "exec"), names)  # noqa: S102  the README is our own
    plt.close("all")
    assert names["result"].replicates.tolist() == [0, 1]
