"""Renew the constraints file of the Python that runs this: `make constraints`.

Asks pip what it would install for everything that pyproject.toml names, in the newest versions it allows that have
wheels for the first release of this Python (3.11.0 for 3.11.7), and writes that down: only names and versions.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
MAJOR, MINOR = sys.version_info[:2]
PIN = re.compile(r"^[A-Za-z0-9._-]+==[A-Za-z0-9._!+-]+$")


def requirements() -> list[str]:
    """Everything that running, testing and developing need."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return [name for group in groups for name in group if not name.startswith(project["name"])]


def main() -> None:
    """Resolve everything afresh and write down what that gave."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--dry-run"]
        command += ["--ignore-installed", "--target", folder, "--report", str(report)]
        command += ["--only-binary", ":all:", "--python-version", f"{MAJOR}.{MINOR}.0"]
        subprocess.run([*command, *requirements()], check=True)
        chosen = [package["metadata"] for package in json.loads(report.read_text(encoding="utf-8"))["install"]]
    pins = [f"{package['name']}=={package['version']}" for package in sorted(chosen, key=lambda it: it["name"].lower())]
    wrong = [line for line in pins if not PIN.match(line)]
    if wrong:
        sys.exit(f"not a plain name and version: {', '.join(wrong)}")
    target = HERE / f"py{MAJOR}{MINOR}.txt"
    target.write_text("\n".join(pins) + "\n", encoding="utf-8")
    print(f"wrote {target.relative_to(HERE.parent)} ({len(pins)} pins)")


if __name__ == "__main__":
    main()
