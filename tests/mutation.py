"""Systematic mutation testing: ``make mutation``, or ``python tests/mutation.py indices accounts``.

Each file is mutated by mutmut in a copy of the project under ``.mutation/``, and each mutant is run against the tests
of that file only. A run that is stopped goes on where it was; a changed file or test starts that file anew. What survives is
explained in docs/verification.md. Exit code 1 when a file's score is below ``LEAST``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / ".mutation"
LEAST = 0.85
"""Part of a file's mutants that its tests must notice."""

TESTS = {
    "sim/indices.py": ["test_indices.py"],
    "sim/accounts.py": ["test_accounts.py"],
    "sim/submodels/demand.py": ["test_formulas.py", "test_second_model.py"],
    "sim/submodels/pricing.py": ["test_formulas.py", "test_random_markets.py"],
    "sim/submodels/training.py": ["test_formulas.py", "test_second_model.py"],
    "sim/submodels/compute_market.py": ["test_formulas.py", "test_random_markets.py"],
}
"""Mutated files, and the tests that are theirs."""

LEFT_OUT = "not 300_random and not wrong_price"
"""Tests of theirs that take long, or compile the solver first, and would do so for every mutant that survives."""

COPIED = ("sim", "tests", "scenarios", "docs", "constraints", "pyproject.toml", "README.md", "LICENSE")
SURVIVED, UNREACHED, UNKNOWN = (0, 5, 33), (5, 33), (None, 2)
"""mutmut's exit codes: nothing failed; no test reaches the mutant, so that nothing could; it has not run to the end.
All others are failures, crashes and time that ran out: the change was noticed."""


def prepare(file: str) -> Path:
    """A copy of the project that mutmut may write in, kept while the file and its tests are the same."""
    folder = WORK / Path(file).stem
    tests = [f"tests/{name}" for name in TESTS[file]]
    state = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in (file, *tests))).hexdigest()
    stamp = folder / "stamp"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == state:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    settings = {
        "source_paths": [file],
        "pytest_add_cli_args": ["-k", LEFT_OUT],
        "pytest_add_cli_args_test_selection": tests,
        "also_copy": [name for name in COPIED if (ROOT / name).is_dir()],
    }
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as project:
        project.write(
            "\n[tool.mutmut]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
        )
    stamp.write_text(state, encoding="utf-8")
    return folder


def outcomes(folder: Path, file: str) -> dict[str, int | None]:
    """Exit code of each mutant's tests; ``UNKNOWN`` for one that has not run."""
    meta = folder / "mutants" / f"{file}.meta"
    if not meta.exists():
        return {}
    found: dict[str, int | None] = json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def report(folder: Path, file: str) -> bool:
    """Print the score and the change that each survivor makes; True when enough are noticed."""
    found = outcomes(folder, file)
    survivors = [name for name, code in found.items() if code in SURVIVED]
    tested = [name for name, code in found.items() if code not in UNKNOWN]
    score = 1 - len(survivors) / len(tested) if tested else 0.0
    for name in survivors:
        shown = mutmut(folder, "show", name, capture_output=True, text=True).stdout
        changes = [line for line in shown.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
        reached = ", which no test reaches" if found[name] in UNREACHED else ""
        print(f"  {name}{reached}", *(f"      {line}" for line in changes), sep="\n")
    print(f"{file}: {len(tested)} of {len(found)} mutants run, {len(survivors)} survive, {score:.1%} noticed")
    return bool(tested) and len(tested) == len(found) and score >= LEAST


def mutmut(folder: Path, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run mutmut in a folder."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment["AIPOWER_HYPOTHESIS"] = "mutation"  # the profile of tests/conftest.py
    command = [sys.executable, "-m", "mutmut", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=False, **options)  # type: ignore[call-overload]


def main() -> int:
    """Run the files that are named, all without a name."""
    by_stem = {Path(file).stem: file for file in TESTS}
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("files", nargs="*", metavar="file", help=f"of {', '.join(by_stem)}; default all")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="mutants at a time")
    parser.add_argument("--report", action="store_true", help="only print what earlier runs found")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.files) - set(by_stem))
    if unknown:
        parser.error(f"no such file: {', '.join(unknown)}; there are {', '.join(by_stem)}")
    good = True
    for stem in arguments.files or by_stem:
        folder = WORK / stem if arguments.report else prepare(by_stem[stem])
        if not arguments.report:
            mutmut(folder, "run", "--max-children", str(arguments.processes))
        good &= report(folder, by_stem[stem])
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
