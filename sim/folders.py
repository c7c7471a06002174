"""Folders of ours, whatever they hold: written all or nothing, held by one process, never overwritten.

A folder is written under a temporary name beside its place, flushed to disk and renamed, so that
it is either there and complete or not there at all. Nothing is ever overwritten. What a killed process
left under such a name is removed by the next that writes there.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sim.errors import InputError, ResultError, StoreError
from sim.identity import source_hash
from sim.manifests import names_of_files, read_manifest, sealed, verify

try:
    from fcntl import LOCK_EX, LOCK_NB, flock

    HAS_LOCKS = True
except ImportError:  # Windows
    HAS_LOCKS = False


class FolderTakenError(StoreError):
    """The folder exists already; results are never overwritten."""


@dataclass(frozen=True)
class FolderChoice:
    """Where a run should go.

    Attributes
    ----------
    folder : pathlib.Path
        The place.
    is_complete : bool
        Whether the same result is there already, complete and undamaged.
    """

    folder: Path
    is_complete: bool


# -- writing ----------------------------------------------------------------------------------


def write_folder(folder: Path, fill: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Write a new folder with a manifest, all or nothing.

    Parameters
    ----------
    folder : pathlib.Path
        Must not exist (an empty folder may).
    fill : callable
        Writes files into the folder that it is given, and answers with the manifest's entries.

    Returns
    -------
    dict
        The manifest, with the checksum of every file.

    Raises
    ------
    FolderTakenError
        When the folder exists.
    StoreError
        When writing fails; nothing is left behind.
    """
    _refuse_taken(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_drafts(folder)
        with _new_draft(folder) as draft:
            manifest = sealed(draft, fill(draft))
            _flush(draft)
            _claim(draft, folder)
    except OSError as error:
        message = (
            f"the result could not be written to {folder}: {error.strerror or error}. Nothing was "
            "left there; check space and permissions, or choose another folder with --out"
        )
        raise StoreError(message) from error
    return manifest


@contextlib.contextmanager
def filled_at_once(folder: Path, what: str) -> Iterator[Path]:
    """Give a draft beside a folder, and move its files there when all are written: a full disk leaves it as it was.

    Parameters
    ----------
    folder : pathlib.Path
        Made when it is missing; files of the same names are replaced.
    what : str
        What the files are, for the error.

    Raises
    ------
    StoreError
        When writing fails; nothing is left behind.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _new_draft(folder) as draft:
            yield draft
            for name in names_of_files(draft):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (draft / name).replace(folder / name)
    except OSError as error:
        message = f"{what} could not be written to {folder}: {error.strerror or error}; check space and permissions"
        raise StoreError(message) from error


def check_writable(folder: Path) -> None:
    """Raise before a long run, not after it, when the folder's parent cannot be written.

    Raises
    ------
    StoreError
        When the parent is not a folder, cannot be made or is read-only.
    """
    parent = Path(folder).absolute().parent
    probe = _draft_name(folder)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        message = (
            f"no result can be written into {parent}: {error.strerror or error}. Choose a folder "
            "that you may write to with --out"
        )
        raise StoreError(message) from error


def _draft_name(folder: Path) -> Path:
    return Path(folder).absolute().parent / f".{folder.name}.{uuid.uuid4().hex[:8]}{_DRAFT}"


_DRAFT = ".partial"


@contextlib.contextmanager
def _new_draft(folder: Path) -> Iterator[Path]:
    """Make a folder for drafts, hold it, and remove what is left of it in the end."""
    is_ours = False
    while not is_ours:  # another process may take it for a dead one's in the moment before it is held
        draft = _draft_name(folder)
        draft.mkdir()
        with held(draft) as is_ours:
            if is_ours:
                try:
                    yield draft
                finally:
                    shutil.rmtree(draft, ignore_errors=True)


def _remove_drafts(folder: Path) -> None:
    """Remove what processes that were killed while they wrote this folder have left."""
    for draft in folder.parent.glob(f".{glob.escape(folder.name)}.????????{_DRAFT}"):
        with held(draft, otherwise=False) as is_ours:
            if is_ours:
                shutil.rmtree(draft, ignore_errors=True)


@contextlib.contextmanager
def held(folder: Path, *, otherwise: bool = True) -> Iterator[bool]:
    """Hold a folder, unless another process does; the system lets go of it when this process ends, however it ends.

    Parameters
    ----------
    folder : pathlib.Path
    otherwise : bool
        What to answer where there are no such locks: on Windows and some network file systems.

    Yields
    ------
    bool
        Whether it is ours.
    """
    if not HAS_LOCKS:
        yield otherwise
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            flock(handle, LOCK_EX | LOCK_NB)
            is_ours = folder.stat().st_ino == os.fstat(handle).st_ino
        except (BlockingIOError, FileNotFoundError):
            is_ours = False
        except OSError:  # NFS and Lustre may lock no folders
            is_ours = otherwise
        yield is_ours
    finally:
        os.close(handle)


def _refuse_nameless(folder: Path) -> None:
    if folder.name in ("", ".."):
        message = f"{folder} is no new folder that a result could go to; name one with --out, such as outputs/my-run"
        raise InputError(message)
    try:
        str(folder.absolute()).encode()
    except UnicodeEncodeError as error:
        message = f"{folder.absolute()} has letters that are no Unicode; name another folder with --out"
        raise InputError(message) from error


def _refuse_taken(folder: Path) -> None:
    if folder.is_symlink() or folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        message = (
            f"{folder} exists already and results are never overwritten; remove it, or choose another folder with --out"
        )
        raise FolderTakenError(message)


def _claim(draft: Path, folder: Path) -> None:
    """Rename the draft into place; fails where a folder with contents has appeared meanwhile."""
    try:
        if folder.is_dir():
            folder.rmdir()
        draft.rename(folder)
    except OSError:
        _refuse_taken(folder)
        raise
    _sync(folder.parent)


def _flush(folder: Path) -> None:
    """Force every file and folder to disk, so that the rename cannot come first."""
    for name in names_of_files(folder):
        _sync(folder / name)
    for path in folder.rglob("*"):
        if path.is_dir():
            _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    """Flush one file or folder; systems that cannot open folders (Windows) skip those."""
    if path.is_dir() and os.name == "nt":
        return
    # Windows flushes only what is open for writing.
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# -- choosing ---------------------------------------------------------------------------------


def choose_folder(base: Path, content_hash: str) -> FolderChoice:
    """Find the folder for a run: ``base``, else ``base-2``, ``base-3``, and so on.

    Parameters
    ----------
    base : pathlib.Path
        Where the user wants it.
    content_hash : str
        ``Scenario.content_hash()`` of the run.

    Returns
    -------
    FolderChoice
        The first that holds the same scenario, run by the same code, complete and undamaged;
        else the first that is free.
    """
    choices = (FolderChoice(folder, is_complete=not _is_free(folder)) for folder in candidates(base))
    return next(each for each in choices if not each.is_complete or _holds(each.folder, content_hash))


class Storable(Protocol):
    """What can be saved in a folder."""

    folder: Path | None
    manifest: dict[str, Any]
    is_reused: bool

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of what determines the contents."""


S = TypeVar("S", bound=Storable)


def found_complete(out: str | Path | None, content_hash: str, load: Callable[[Path], S]) -> S | None:
    """What is there already, complete and undamaged, marked as reused; else make sure that it can be written.

    Raises
    ------
    StoreError
        When nothing can be written there.
    InputError
        When the place has no name of its own.
    """
    if out is None:
        return None
    _refuse_nameless(Path(out))
    choice = choose_folder(Path(out), content_hash)
    if not choice.is_complete:
        check_writable(choice.folder)
        return None
    found = load(choice.folder)
    found.is_reused = True
    return found


def save_beside(made: Storable, base: Path, save: Callable[[Path], object]) -> None:
    """Save under the first free name, also when something else takes that name at this moment."""
    while made.folder is None:
        choice = choose_folder(base, made.content_hash)
        if choice.is_complete:
            made.folder, made.manifest = choice.folder, read_manifest(choice.folder)
            return
        with contextlib.suppress(FolderTakenError):
            save(choice.folder)


def candidates(base: Path) -> Iterator[Path]:
    """Places for a folder: ``base``, ``base-2``, and so on."""
    base = Path(base).absolute()
    yield base
    number = 2
    while True:
        yield base.with_name(f"{base.name}-{number}")
        number += 1


def _is_free(folder: Path) -> bool:
    try:
        _refuse_taken(folder)
    except FolderTakenError:
        return False
    return True


def _holds(folder: Path, content_hash: str) -> bool:
    """Whether the folder holds this scenario, run by this code, complete."""
    try:
        manifest = read_manifest(folder)
    except ResultError:
        return False
    return (
        manifest.get("content_hash") == content_hash
        and manifest.get("source_sha256") == source_hash()
        and not manifest.get("lost")
        and verify(folder).is_complete
    )
