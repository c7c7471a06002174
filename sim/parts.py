"""Finished blocks of replicates on disk, so that an interrupted run goes on where it was.

While a run lasts, a folder ``<name>.unfinished`` stands beside its place. In it each finished block is one file, a
*part*, written whole or not at all, with a checksum. Parts are kept by content: a folder below for everything that
decides their numbers but the replicates (scenario, seed, policies' code, this package, libraries, CPU level), and in it
a file for each range of replicates. What another run left there is not touched; what no run of this version can use is
removed.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import Interrupted, StoreError, WorkersError
from sim.folders import candidates, held
from sim.manifests import hash_of

if TYPE_CHECKING:
    from sim.scenario import Scenario

SUFFIX = ".unfinished"
FORMAT = "aipower-part 1"
_DIGEST_BYTES = 32
_IDENTITY_DIGITS, _KEY_DIGITS = 8, 24
_NOT_NUMBERS = ("name", "question", "run")
"""Parts of a scenario that change no replicate's numbers; the seed of ``run`` is added again."""


@dataclass(frozen=True)
class Part:
    """A finished block.

    Attributes
    ----------
    replicates : range
        Those that the block tried.
    about : dict
        Small facts, as JSON knows them.
    sections : dict of str to bytes or memoryview
        Contents by name.
    """

    replicates: range
    about: Mapping[str, Any]
    sections: Mapping[str, bytes | memoryview]


def key_of(scenario: Scenario, kind: str, identity: Mapping[str, Any]) -> str:
    """Name of what decides the numbers of a scenario's parts, whatever replicates they hold.

    Parameters
    ----------
    scenario : Scenario
    kind : str
        What parts hold: ``result`` or ``outcome``.
    identity : mapping
        ``sim.identity.identity()`` of where they are computed.
    """
    content = {name: value for name, value in scenario.resolved().items() if name not in _NOT_NUMBERS}
    asked = [FORMAT, kind, content, scenario.run.seed, scenario.plugins(), dict(identity)]
    return f"{_identity_name(identity)}-{hash_of(asked)[:_KEY_DIGITS]}"


def _identity_name(identity: Mapping[str, Any]) -> str:
    return hash_of(dict(identity))[:_IDENTITY_DIGITS]


def packed(key: str, part: Part) -> bytes:
    """A part as the contents of a file, checksum last."""
    head = {
        "key": key,
        "replicates": [part.replicates.start, part.replicates.stop],
        "about": part.about,
        "bytes": {name: len(section) for name, section in part.sections.items()},
    }
    pieces = [FORMAT.encode(), b"\n", json.dumps(head).encode(), b"\n", *part.sections.values()]
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return b"".join([*pieces, digest.digest()])


def about_of(content: bytes) -> Mapping[str, Any]:
    """Facts of a part that was just packed."""
    about: Mapping[str, Any] = _head(content)[0]["about"]
    return about


def _head(content: bytes) -> tuple[dict[str, Any], int]:
    """What a part's second line says, and where its sections begin."""
    begin = content.index(b"\n") + 1
    end = content.index(b"\n", begin)
    return json.loads(content[begin:end]), end + 1


def unpacked(key: str, replicates: range, content: bytes) -> Part | None:
    """The part that a file holds; None when it is damaged, cut short or another's."""
    whole = memoryview(content)  # whose slices are not copies
    if hashlib.sha256(whole[:-_DIGEST_BYTES]).digest() != whole[-_DIGEST_BYTES:]:
        return None
    known, begin = _head(content)
    if known["key"] != key or known["replicates"] != [replicates.start, replicates.stop]:
        return None
    sections: dict[str, memoryview] = {}
    for name, size in known["bytes"].items():
        sections[name] = whole[begin : begin + size]
        begin += size
    return Part(replicates, known["about"], sections)


class Shelf:
    """Parts of every run of a command, in one folder that this process holds.

    Made by :func:`shelf`.

    Attributes
    ----------
    base : pathlib.Path
        Where the user wants the runs.
    folder : pathlib.Path
        Where their parts are.
    is_resumed : bool
        Whether parts that are there already are used.
    n_found : int
        Parts used from before.
    """

    def __init__(self, base: Path, folder: Path, keys: Sequence[str], *, is_resumed: bool) -> None:
        self.base = base
        self.folder = folder
        self.is_resumed = is_resumed
        self.n_found = 0
        self._keys = frozenset(keys)

    def found(self, key: str, n_replicates: int) -> dict[range, Mapping[str, Any]]:
        """What is known about the sound parts of a run of some replicates, where parts are used; no two overlap."""
        found: dict[range, Mapping[str, Any]] = {}
        if not self.is_resumed:
            return found
        stop = 0
        for path in sorted((self.folder / key).glob("*.part")):
            replicates = _replicates(path)
            if replicates is None or replicates.start < stop or replicates.stop > n_replicates:
                continue
            if (part := self.load(key, replicates)) is not None:
                found[replicates], stop = part.about, replicates.stop
        self.n_found += len(found)
        return found

    def load(self, key: str, replicates: range) -> Part | None:
        """A part; None when there is none, or a damaged one."""
        try:
            content = self._path(key, replicates).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            trouble = self._trouble("read", error)
            raise trouble from error
        return unpacked(key, replicates, content)

    def save(self, key: str, replicates: range, content: bytes) -> None:
        """Write a packed part, whole or not at all.

        Raises
        ------
        StoreError
            When it cannot be written; those before it stay.
        """
        path = self._path(key, replicates)
        draft = path.with_suffix(".draft")
        try:
            if self.folder.is_dir():  # a folder that someone removed is not made again: what was in it is gone
                path.parent.mkdir(exist_ok=True)
            draft.write_bytes(content)
            draft.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            trouble = self._trouble("written", error)
            raise trouble from error

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Say what is kept when the user, the workers, a full disk or short memory stop the run.

        Raises
        ------
        Interrupted
            Instead of ``KeyboardInterrupt``.
        """
        try:
            yield
        except KeyboardInterrupt:
            message = self._sentence()
            raise Interrupted(message) from None
        except (StoreError, WorkersError) as error:
            if "--resume" in str(error) or not self.folder.is_dir():
                raise
            message = f"{error}. {self._sentence()}"
            raise type(error)(message) from error
        except MemoryError as error:
            message = f"memory is short ({str(error) or 'no more is given'}); try fewer --workers. {self._sentence()}"
            raise WorkersError(message) from error

    def _sentence(self) -> str:
        if not self.n_kept:
            return "No block of replicates was finished yet, so that nothing is kept"
        blocks = (
            "1 finished block of replicates is"
            if self.n_kept == 1
            else f"{self.n_kept} finished blocks of replicates are"
        )
        return f"{blocks} kept in {self.folder}; the same command with --resume goes on from there"

    def _trouble(self, done: str, error: OSError) -> StoreError:
        what = f"a finished block could not be {done} in {self.folder}: {error.strerror or error}"
        if not self.folder.is_dir():
            return StoreError(f"{what}; the folder is gone, and with it the blocks of this run; run it again")
        return StoreError(
            f"{what}. Blocks kept there before it: {self.n_kept}; make room or give permission, then run the "
            "same command with --resume"
        )

    @property
    def n_kept(self) -> int:
        """Parts that a later run can use."""
        return sum(1 for key in self._keys for _ in (self.folder / key).glob("*.part"))

    def _path(self, key: str, replicates: range) -> Path:
        return self.folder / key / f"{replicates.start:07d}-{replicates.stop:07d}.part"

    def clear(self, identity: Mapping[str, Any]) -> None:
        """Remove this command's parts, and those that this version cannot use; those of other runs stay."""
        ours = _identity_name(identity)
        for folder in self.folder.glob("*-*"):
            if folder.name in self._keys or not folder.name.startswith(ours):
                shutil.rmtree(folder, ignore_errors=True)


def _replicates(path: Path) -> range | None:
    """Range of replicates that a file's name says."""
    first, _, last = path.stem.partition("-")
    return range(int(first), int(last)) if first.isdecimal() and last.isdecimal() else None


@contextlib.contextmanager
def shelf(base: Path, keys: Sequence[str], *, resume: bool) -> Iterator[Shelf]:
    """Hold the folder for parts of a run that is to go to ``base``; remove it in the end when nothing is left in it.

    Where another process holds ``<base>.unfinished``, ``<base>-2.unfinished`` is taken, and so on.

    Parameters
    ----------
    base : pathlib.Path
        Where the user wants the run.
    keys : sequence of str
        Of the runs whose parts it is for.
    resume : bool
        Use the parts that are there.

    Raises
    ------
    StoreError
        When a run that is to go on is being written by another process, or no folder can be made.
    """
    base = Path(base).absolute()
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(_claimed(base, keys if resume else ()))
        for draft in ours.glob("*/*.draft"):
            draft.unlink(missing_ok=True)
        try:
            yield Shelf(base, ours, keys, is_resumed=resume)
        finally:
            for folder in (*ours.glob("*-*"), ours):
                with contextlib.suppress(OSError):
                    folder.rmdir()


@contextlib.contextmanager
def _claimed(base: Path, keys: Sequence[str]) -> Iterator[Path]:
    """Hold the folder with parts of these runs, or the first that nobody holds."""
    wanted = [folder for folder in _left(base) if any((folder / key).is_dir() for key in keys)]
    for folder in wanted or (place.with_name(place.name + SUFFIX) for place in candidates(base)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = (
                f"no run can be written into {folder.parent}: {error.strerror or error}. Choose a folder that you may "
                "write to with --out"
            )
            raise StoreError(message) from error
        with held(folder) as is_ours:
            if is_ours:
                yield folder
                return
    message = (
        f"another process is writing {wanted[0]}; let it finish or stop it, then run again with --resume, or choose "
        "another folder with --out"
    )
    raise StoreError(message)


def _left(base: Path) -> list[Path]:
    """Folders for parts beside a place, lowest number first; there are gaps where a run among several has ended."""
    name = re.compile(rf"{re.escape(base.name)}(-\d+)?{re.escape(SUFFIX)}", re.DOTALL)
    beside = base.parent.glob(f"{glob.escape(base.name)}*{SUFFIX}")
    return sorted((path for path in beside if name.fullmatch(path.name)), key=lambda path: (len(path.name), path.name))


def gaps(n_replicates: int, have: Sequence[range], size: int) -> list[range]:
    """Blocks of at most ``size`` replicates for those that no range holds.

    >>> gaps(10, [range(2, 4), range(8, 12)], 3)
    [range(0, 2), range(4, 7), range(7, 8)]
    """
    blocks, at = [], 0
    for taken in [*sorted(have, key=lambda each: each.start), range(n_replicates, n_replicates)]:
        stop = min(taken.start, n_replicates)
        blocks += [range(k, min(k + size, stop)) for k in range(at, stop, size)]
        at = max(at, taken.stop)
    return blocks
