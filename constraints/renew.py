"""Renew the constraints file of the Python that runs this: `make constraints`.

Installs everything that pyproject.toml names, in the newest versions it allows, into a fresh
environment and writes what pip then lists. Only names and versions are written.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

HERE = Path(__file__).parent
PIN = re.compile(r"^[A-Za-z0-9._-]+==[A-Za-z0-9._!+-]+$")
TOOLS = {"pip", "setuptools", "wheel"}


def requirements() -> list[str]:
    """Everything that running, testing and developing need."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return [name for group in groups for name in group if not name.startswith(project["name"])]


def main() -> None:
    """Install everything afresh and write down what that gave."""
    target = HERE / f"py{sys.version_info.major}{sys.version_info.minor}.txt"
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        pip = [str(Path(folder) / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", *requirements()], check=True)
        listed = subprocess.run([*pip, "list", "--format=freeze"], check=True, capture_output=True, text=True).stdout
    pins = [line for line in listed.splitlines() if line.split("==")[0] not in TOOLS]
    wrong = [line for line in pins if not PIN.match(line)]
    if wrong:
        sys.exit(f"not a plain name and version: {', '.join(wrong)}")
    target.write_text("\n".join(sorted(pins, key=str.lower)) + "\n", encoding="utf-8")
    print(f"wrote {target.relative_to(HERE.parent)} ({len(pins)} pins)")


if __name__ == "__main__":
    main()
