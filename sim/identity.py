"""Where numbers come from: the code, libraries and machine that computed them."""

from __future__ import annotations

import functools
import hashlib
import platform
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = ("numpy", "pandas", "scipy", "pyarrow", "networkx", "numba")


def origin(computed_by: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Entries of a manifest that say what computed the numbers: code, libraries, machine.

    Parameters
    ----------
    computed_by : mapping, optional
        ``identity()`` of where they were computed; here by default.
    """
    return {
        "aipower": code_version(),
        **_git_state(),
        **(computed_by or identity()),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@functools.cache
def identity() -> dict[str, Any]:
    """What decides the bits of a result beside its scenario: code, Python, libraries and level of the CPU."""
    return {
        "source_sha256": source_hash(),
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
        "cpu_dispatch": cpu_dispatch(),
        "platform": f"{platform.system()} {platform.machine()}",
    }


def code_version() -> str:
    """Version of the installed distribution, or ``unknown`` in a bare checkout."""
    try:
        return metadata.version("aipower")
    except metadata.PackageNotFoundError:
        return "unknown"


@functools.cache
def source_hash() -> str:
    """Sha256 of the package's code and data files: two results with it used the same code."""
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(p for p in package.rglob("*") if p.suffix in {".py", ".csv"}):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _git_state() -> dict[str, Any]:
    """Commit of the checkout that the package is in; empty for an installed package."""
    checkout = Path(__file__).parent.parent
    git = shutil.which("git")
    if git is None or not (checkout / ".git").exists():
        return {}
    commands = {"git_commit": ["rev-parse", "HEAD"], "changes": ["status", "--porcelain", "sim"]}
    answers = {
        name: subprocess.run(  # noqa: S603 - fixed arguments, no shell
            [git, "-C", str(checkout), *arguments], capture_output=True, text=True, check=False
        )
        for name, arguments in commands.items()
    }
    if answers["git_commit"].returncode != 0:
        return {}
    return {
        "git_commit": answers["git_commit"].stdout.strip(),
        "git_has_changes": bool(answers["changes"].stdout.strip()),
    }


def cpu_dispatch() -> list[str]:
    """CPU features that NumPy uses on this machine; bits are promised only where they agree."""
    import numpy as np

    built: dict[str, Any] = np.show_config(mode="dicts")  # type: ignore[assignment]
    levels = built["SIMD Extensions"]
    return sorted({*levels.get("baseline", []), *levels.get("found", [])})
