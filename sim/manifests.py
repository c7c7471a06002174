"""Manifests of folders: what a folder holds, with the checksum of every file, and whether it still does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sim.errors import ResultError

RESULT, COMPARISON, SWEEP = "aipower-result", "aipower-comparison", "aipower-sweep"
"""Formats of folders; each has its own reader."""

READERS = {RESULT: "sim.load_result", COMPARISON: "sim.load_comparison", SWEEP: "sim.load_sweep"}
SCHEMA = 1
"""Version of the folder's layout; readers refuse any other."""

MANIFEST = "manifest.json"

_SHOWN = 12
"""Characters of a hash that are told."""


@dataclass(frozen=True)
class Verification:
    """What :func:`verify` found; file names are relative to the folder.

    Attributes
    ----------
    folder : pathlib.Path
    n_files : int
        Files that the manifest lists.
    damaged, missing, extra : tuple of str
        Files whose checksum differs, that are gone, and that the manifest does not know.
    format : str
        What the folder holds: ``aipower-result``, ``aipower-comparison`` or ``aipower-sweep``.
    """

    folder: Path
    n_files: int
    damaged: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    format: str

    @property
    def is_complete(self) -> bool:
        """Whether every listed file is there and undamaged."""
        return not self.damaged and not self.missing


def sealed(draft: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Write the manifest, with every file's checksum and its own."""
    manifest["files"] = {
        name: {"sha256": sha256(draft / name), "bytes": (draft / name).stat().st_size} for name in names_of_files(draft)
    }
    manifest["manifest_sha256"] = hash_of(manifest)
    (draft / MANIFEST).write_text(_manifest_text(manifest), encoding="utf-8", newline="\n")
    return manifest


def _manifest_text(manifest: Mapping[str, Any]) -> str:
    return json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_manifest(folder: Path, wanted: str | None = None) -> dict[str, Any]:
    """Read and check the manifest of a result folder.

    Parameters
    ----------
    folder : pathlib.Path
    wanted : str, optional
        The only format that is accepted.

    Raises
    ------
    ResultError
        When the folder is not a result folder, is one of another format, its layout is newer than this code, or the
        manifest is not as it was written.
    """
    manifest = _parsed(folder, wanted)
    if not _is_sealed(manifest):
        message = (
            f"{Path(folder) / MANIFEST} is not as it was written; run `aipower verify {folder}` to see what else is "
            "not, and run the scenario again"
        )
        raise ResultError(message)
    return manifest


def _is_sealed(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest agrees with its own checksum."""
    body = {key: value for key, value in manifest.items() if key != "manifest_sha256"}
    return manifest.get("manifest_sha256") == hash_of(body)


def _parsed(folder: Path, wanted: str | None = None) -> dict[str, Any]:
    """Contents of a manifest of this layout, which may have been changed."""
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except (OSError, ValueError, RecursionError) as error:
        what = "has no manifest.json" if not path.exists() else f"has an unreadable manifest ({error})"
        if not Path(folder).exists():
            what = "does not exist"
        message = (
            f"{folder} is not a result folder: it {what}. Name a folder that `aipower run` wrote, "
            "such as outputs/baseline"
        )
        raise ResultError(message) from error
    if not isinstance(manifest, dict) or manifest.get("format") not in list(READERS):
        message = (
            f"{path} is not the manifest of a result (no format: {RESULT}); name a folder that "
            "`aipower run` wrote, such as outputs/baseline"
        )
        raise ResultError(message)
    if wanted is not None and manifest["format"] != wanted:
        is_, reader = manifest["format"].removeprefix("aipower-"), READERS[manifest["format"]]
        message = f"{folder} holds a {is_}, not a {wanted.removeprefix('aipower-')}; read it with {reader}"
        raise ResultError(message)
    if manifest.get("schema") != SCHEMA:
        message = (
            f"{folder} has layout version {manifest.get('schema')!r} and this aipower reads "
            f"{SCHEMA}; install aipower {manifest.get('aipower')} or run the scenario again"
        )
        raise ResultError(message)
    return manifest


def _no_number(word: str) -> None:
    message = f"{word} is no number"
    raise ValueError(message)


def changed_plugins(manifest: Mapping[str, Any], plugins: Mapping[str, str]) -> tuple[str, ...]:
    """Policy files whose text is not the one that computed a folder, with the beginning of its SHA-256 then and now."""
    stored = manifest.get("plugins", plugins)
    return tuple(
        f"plug-in {file}: stored by {stored.get(file, 'none')[:_SHOWN]}, here {plugins.get(file, 'none')[:_SHOWN]}"
        for file in sorted({*stored, *plugins})
        if stored.get(file) != plugins.get(file)
    )


def verify(folder: str | Path) -> Verification:
    """Compare every file of a result folder with its checksum.

    Raises
    ------
    ResultError
        When the folder is not a result folder.
    """
    folder = Path(folder).absolute()
    manifest = _parsed(folder)
    listed = manifest.get("files")
    rows = listed if isinstance(listed, dict) else {}
    files = {name: row for name, row in rows.items() if isinstance(row, dict) and _is_inside(name)}
    is_manifest_sound = files == listed and _is_sealed(manifest)
    is_manifest_sound &= (folder / MANIFEST).read_bytes() == _manifest_text(manifest).encode(errors="surrogatepass")
    present = set(names_of_files(folder)) - {MANIFEST}
    damaged = [name for name, row in files.items() if name in present and _checksum(folder / name) != row.get("sha256")]
    return Verification(
        folder,
        len(files),
        tuple(sorted(damaged + ([] if is_manifest_sound else [MANIFEST]))),
        tuple(sorted(set(files) - present)),
        tuple(sorted(present - set(files))),
        str(manifest["format"]),
    )


def _checksum(path: Path) -> str:
    """Checksum of a file; none of one that cannot be read, for another reason than that this user may not."""
    try:
        return sha256(path)
    except PermissionError:
        raise
    except OSError:
        return ""


def _is_inside(name: str) -> bool:
    """Whether a file name of a manifest stays inside its folder."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name


def names_of_files(folder: Path) -> list[str]:
    """Every file below a folder, by its path in it."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()
    )


def sha256(path: Path) -> str:
    """Checksum (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_of(content: object) -> str:
    """SHA-256 (hex) of plain data."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=list)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
