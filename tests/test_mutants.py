"""Every hand-made error of economics in ``tests/mutants.py`` makes a test fail."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.mutants import MUTANTS, VARIABLE

ROOT = Path(__file__).parents[1]
# Fast tests of the economics, no comparison with stored results. Workers are left out: an error is in place in the
# process that runs the tests and not in those that it starts, which would be noticed whatever the error is.
SUBSET = [
    "test_formulas", "test_luck", "test_accounts", "test_random_markets", "test_mergers", "test_mechanisms", "test_engine",
    "test_metamorphic", "test_policies",
]  # fmt: skip
LEFT_OUT = "not workers"


def run_subset(name: str) -> tuple[int, str]:
    """Exit code of pytest with a mutant in place, and the line of the first failure."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-p", "tests.mutants", "-p", "no:cacheprovider", "-x", "-q", "--tb=no"]
    command += ["-k", LEFT_OUT, *(f"tests/{module}.py" for module in SUBSET)]
    done = subprocess.run(
        command, cwd=ROOT, env={**environment, VARIABLE: name}, capture_output=True, text=True, check=False
    )
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode, failed[0] if failed else done.stdout[-2000:] + done.stderr[-2000:]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, tuple[int, str]]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(MUTANTS, pool.map(run_subset, MUTANTS), strict=True))


def test_there_are_enough_mutants_and_each_says_what_is_wrong() -> None:
    assert len(MUTANTS) > 20
    assert all(mutant.__doc__ and mutant.__doc__.endswith(".") for mutant in MUTANTS.values())


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_can_be_put_in_place(name: str) -> None:
    """One that cannot would be noticed whatever the suite is worth."""
    with pytest.MonkeyPatch.context() as patch:
        MUTANTS[name](patch)


@pytest.mark.long
def test_without_an_error_every_test_of_the_subset_passes(outcomes: dict[str, tuple[int, str]]) -> None:
    """The control: what fails below fails because of the mutant."""
    code, line = outcomes["nothing"]
    assert code == 0, line


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in MUTANTS if name != "nothing"])
def test_the_suite_notices(name: str, outcomes: dict[str, tuple[int, str]]) -> None:
    code, line = outcomes[name]
    assert code == 1 and line.startswith("FAILED"), f"{MUTANTS[name].__doc__} Nothing fails: {line}"
    assert "TypeError" not in line and "AttributeError" not in line, f"the mutant itself is wrong: {line}"
