"""Result folders: Parquet tables, a manifest with checksums, atomic writes.

A folder is written under a temporary name beside its place, flushed to disk and renamed, so that
it is either there and complete or not there at all. Nothing is ever overwritten. What a killed process
left under such a name is removed by the next that writes there.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import shutil
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from sim.errors import ResultError, StoreError
from sim.identity import origin, source_hash
from sim.stored_table import StoredTable

try:
    from fcntl import LOCK_EX, LOCK_NB, flock

    HAS_LOCKS = True
except ImportError:  # Windows
    HAS_LOCKS = False

if TYPE_CHECKING:
    import pandas as pd

    from sim.observe import Measure
    from sim.result import Result

FORMAT = "aipower-result"
COMPARISON, SWEEP = "aipower-comparison", "aipower-sweep"
"""Formats of folders; each has its own reader."""

READERS = {FORMAT: "sim.load_result", COMPARISON: "sim.load_comparison", SWEEP: "sim.load_sweep"}
SCHEMA = 1
"""Version of the folder's layout; readers refuse a higher one."""

MANIFEST = "manifest.json"
RESOLVED_SCENARIO = "scenario.resolved.yaml"
SUMMARY = "summary.csv"
LATER_TABLES = ("events",)
"""Tables that folders of this layout may lack because an older version wrote them."""

Artefact = Callable[["Result", Path], object]
"""Writes something about a result (figures, README) into a folder."""


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


# -- writing ----------------------------------------------------------------------------------


def write(result: Result, folder: Path, *, artefacts: Sequence[Artefact] = (), blocks: Blocks | None = None) -> Path:
    """Write a result to a new folder, all or nothing.

    Parameters
    ----------
    result : Result
        What to write; its ``folder`` and ``manifest`` are set afterwards.
    folder : pathlib.Path
        Must not exist (an empty folder may).
    artefacts : sequence of callables
        Writers of figures and README.
    blocks : Blocks, optional
        Where tables come from, instead of the result, which then has those that this writes.

    Raises
    ------
    FolderTakenError
        When the folder exists.
    StoreError
        When writing fails (a full disk, no permission); nothing is left behind.
    """
    folder = Path(folder).absolute()

    def fill(draft: Path) -> dict[str, Any]:
        if blocks is not None:
            result.read_from(draft)
        return _fill(draft, result, artefacts, blocks)

    result.manifest = write_folder(folder, fill)
    result.folder = folder
    return folder


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
            manifest = _sealed(draft, fill(draft))
            _flush(draft)
            _claim(draft, folder)
    except OSError as error:
        message = (
            f"the result could not be written to {folder}: {error.strerror or error}. Nothing was "
            "left there; check space and permissions, or choose another folder with --out"
        )
        raise StoreError(message) from error
    return manifest


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
    if not HAS_LOCKS:
        return
    for draft in folder.parent.glob(f".{glob.escape(folder.name)}.????????{_DRAFT}"):
        with held(draft) as is_ours:
            if is_ours:
                shutil.rmtree(draft, ignore_errors=True)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Hold a folder, unless another process does; the system lets go of it when this process ends, however it ends.

    Yields
    ------
    bool
        Whether it is ours. Where the system has no such locks (Windows) it always is.
    """
    if not HAS_LOCKS:
        yield True
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            flock(handle, LOCK_EX | LOCK_NB)
            is_ours = folder.exists() and folder.stat().st_ino == os.fstat(handle).st_ino
        except BlockingIOError:
            is_ours = False
        yield is_ours
    finally:
        os.close(handle)


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


def _fill(draft: Path, result: Result, artefacts: Sequence[Artefact], blocks: Blocks | None = None) -> dict[str, Any]:
    """Write every file of the folder but the manifest, whose entries are returned.

    Tables come from blocks where these are given, and the result reads them back from the draft; else from the result.
    """
    names = result.table_names
    rows = {name: len(result.table(name)) for name in names} if blocks is None else blocks.rows
    catalogue = result.catalogue
    with contextlib.ExitStack() as stack:
        files = {
            name: stack.enter_context(_TableFile(draft / f"{name}.parquet", name, catalogue, rows[name]))
            for name in names
        }
        if blocks is None:
            import pyarrow as pa

            for name, file in files.items():
                file.add(pa.Table.from_pandas(result.table(name), preserve_index=None))
        else:
            for tables in blocks.tables():
                for name, table in tables.items():
                    files[name].add(table)
    (draft / RESOLVED_SCENARIO).write_text(result.scenario.to_yaml(), encoding="utf-8")
    summary = result.summary().to_csv(index=False, lineterminator="\n")
    (draft / SUMMARY).write_text(summary, encoding="utf-8", newline="\n")
    for artefact in artefacts:
        artefact(result, draft)
    return _describe(result, rows)


def _sealed(draft: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Write the manifest, with every file's checksum and its own."""
    manifest["files"] = {
        name: {"sha256": _sha256(draft / name), "bytes": (draft / name).stat().st_size}
        for name in _names_of_files(draft)
    }
    manifest["manifest_sha256"] = _sha256_of(manifest)
    (draft / MANIFEST).write_text(_manifest_text(manifest), encoding="utf-8", newline="\n")
    return manifest


def _manifest_text(manifest: Mapping[str, Any]) -> str:
    return json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


class Blocks(NamedTuple):
    """A run's tables block by block.

    Attributes
    ----------
    rows : dict of str to int
        Rows of each table, over all blocks.
    tables : callable
        Gives a dict of pyarrow.Table for each block, in the order of replicates; a block without a success has only
        failures.
    """

    rows: dict[str, int]
    tables: Callable[[], Iterable[Mapping[str, Any]]]


class _TableFile:
    """A Parquet file that is written in groups of rows, the same ones whatever pieces the rows come in."""

    def __init__(self, path: Path, name: str, catalogue: Mapping[str, Measure], n_rows: int) -> None:
        self._path, self._name, self._catalogue, self._n_rows = path, name, catalogue, n_rows
        self._writer: Any = None
        self._pieces: list[Any] = []
        self._n_waiting = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            with self._writer:
                self._write(0)

    def add(self, table: Any) -> None:  # noqa: ANN401 - a pyarrow.Table
        """Write the rows of a block, or keep them for the next group."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = self._described(table.schema)
        if self._writer is None:
            words = [field.name for field in schema if not pa.types.is_floating(field.type)]
            self._writer = pq.ParquetWriter(self._path, schema, compression="zstd", use_dictionary=words)
        self._pieces.append(table.cast(schema))
        self._n_waiting += table.num_rows
        self._write(max(GROUP_VALUES // len(schema), 1))

    def _write(self, size: int) -> None:
        """Write full groups; with size 0 whatever waits."""
        import pyarrow as pa

        if self._n_waiting < max(size, 1):
            return
        waiting = pa.concat_tables(self._pieces).combine_chunks()
        size = size or self._n_waiting
        n_full = self._n_waiting // size * size
        for begin in range(0, n_full, size):
            self._writer.write_table(waiting.slice(begin, size), row_group_size=size)
        self._pieces, self._n_waiting = [waiting.slice(n_full)], self._n_waiting - n_full

    def _described(self, schema: Any) -> Any:  # noqa: ANN401 - a pyarrow.Schema
        """The schema with unit and meaning of each column, and pandas' index over all rows."""
        import pyarrow as pa

        described = describe_columns(self._catalogue, self._name, schema.names)
        metadata = dict(schema.metadata)
        layout = json.loads(metadata[b"pandas"])
        for index in layout["index_columns"]:
            if isinstance(index, dict):
                index["stop"] = self._n_rows
        metadata[b"pandas"] = json.dumps(layout).encode()
        fields = [
            field.with_metadata({"unit": described[field.name][0], "meaning": described[field.name][1]})
            for field in schema
        ]
        return pa.schema(fields, metadata=metadata)


GROUP_VALUES = 1 << 21
"""Values in a group of rows of a Parquet file, about 16 MB."""


KEY_COLUMNS: dict[str, tuple[str, str]] = {
    "replicate": ("count", "Number of the replicate; the same number has the same luck"),
    "quarter": ("quarter", "Calendar quarter, as in 2024Q1"),
    "firm": ("name", "Firm slot; a slot freed by exit can be reused, see generation"),
    "owner": ("name", "Compute owner"),
    "maker": ("name", "Chip maker"),
    "flow": ("name", "What is paid for"),
    "payer": ("name", "Who pays"),
    "payee": ("name", "Who is paid"),
    "amount": ("$bn per quarter", "Payment, in billions of 2024 US dollars"),
    "firm_class": ("giant, lab or sme", "Class of the firm"),
    "layer": (
        "name",
        "owner_maker: chips delivered in the year to date; firm_owner: compute used in the quarter",
    ),
    "seller": ("name", "Who supplies: a maker (owner_maker) or an owner (firm_owner)"),
    "buyer": ("name", "Who buys: an owner (owner_maker) or a firm (firm_owner)"),
    "weight": ("M H100e", "Amount supplied"),
    "event": ("name", "What happened: entry, exit, weights opened, floor binds or grid binds"),
    "actor": ("name", "Firm slot or compute owner to which it happened; grid for the limit on connections"),
    "detail": ("text", "More about it, such as which firm of the slot it was, counted from 0"),
    "reason": ("text", "Why the replicate could not go on"),
}
"""Unit and meaning of the columns that the catalogue of measures does not describe."""


def columns_of(result: Result, table: str) -> dict[str, tuple[str, str]]:
    """Tell unit and meaning of each column of a table, index first.

    Parameters
    ----------
    result : Result
    table : str
        One of ``sim.result.TABLES``.
    """
    return describe_columns(result.catalogue, table, result.column_names(table))


def describe_columns(catalogue: Mapping[str, Measure], table: str, names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Tell unit and meaning of some columns of a table, given the catalogue of measures."""
    from sim.observe import FIRM_COLUMNS, MAKER_COLUMNS, OWNER_COLUMNS

    catalogues: dict[str, Any] = {
        "measures": catalogue,
        "firms": FIRM_COLUMNS,
        "owners": OWNER_COLUMNS,
        "makers": MAKER_COLUMNS,
    }
    known = dict(KEY_COLUMNS)
    known.update({name: (row.unit, row.sentence) for name, row in catalogues.get(table, {}).items()})
    return {name: known[name] for name in names}


def _describe(result: Result, rows: dict[str, int]) -> dict[str, Any]:
    """Where the numbers come from: code, libraries, machine, scenario, actors, failures."""
    scenario = result.scenario
    return {
        "format": FORMAT,
        "schema": SCHEMA,
        **origin(result.computed_by),
        "name": scenario.name,
        "content_hash": scenario.content_hash(),
        "plugins": scenario.plugins(),
        "seed": scenario.run.seed,
        "replicates": scenario.run.replicates,
        "n_succeeded": len(result.replicates),
        "failed_replicates": [
            {"replicate": int(number), "quarter": row["quarter"], "reason": row["reason"]}
            for number, row in zip(result.failures.index, result.failures.to_dict("records"), strict=True)
        ],
        "lost": list(result.lost),
        "timing_seconds": {name: round(value, 3) for name, value in result.timing.items()},
        "rows": rows,
        "actors": {kind: list(names) for kind, names in asdict(result.actors).items()},
        "measures": [measure._asdict() for measure in result.catalogue.values()],
    }


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
    folder = next(f for f in candidates(base) if _is_free(f) or _holds(f, content_hash))
    return FolderChoice(folder, is_complete=not _is_free(folder))


class Storable(Protocol):
    """What can be saved in a folder."""

    folder: Path | None
    manifest: dict[str, Any]

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of what determines the contents."""


def save_beside(made: Storable, base: Path, save: Callable[[Path], object]) -> None:
    """Save under the first free name, also when something else takes that name at this moment."""
    while made.folder is None:
        choice = choose_folder(base, made.content_hash)
        if choice.is_complete:
            made.folder, made.manifest = choice.folder, read_manifest(choice.folder)
            return
        with contextlib.suppress(FolderTakenError):
            save(choice.folder)


def hash_of(content: object) -> str:
    """SHA-256 (hex) of plain data."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=list).encode()).hexdigest()


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


# -- reading ----------------------------------------------------------------------------------


def read(folder: str | Path) -> Result:
    """Read a result back; its tables are loaded, and checked, when first asked for.

    Raises
    ------
    ResultError
        When the folder is not a result folder, is incomplete or was written by a newer version.
    """
    from sim.observe import Measure
    from sim.result import TABLES, Actors, Result
    from sim.scenario import load_scenario

    folder = Path(folder).absolute()
    manifest = read_manifest(folder, FORMAT)
    names = [name for name in TABLES if name in manifest["rows"] or name not in LATER_TABLES]
    for name in (RESOLVED_SCENARIO, *(f"{table}.parquet" for table in names)):
        if not (folder / name).is_file():
            message = (
                f"{folder} lacks {name}; run `aipower verify {folder}` to see what else is gone, "
                "and run the scenario again"
            )
            raise ResultError(message)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the user was warned when the scenario was run
        scenario = load_scenario(folder / RESOLVED_SCENARIO)
    catalogue = {
        row["name"]: Measure(**{field: row[field] for field in Measure._fields}) for row in manifest["measures"]
    }
    actors = Actors(**{kind: tuple(names) for kind, names in manifest["actors"].items()})
    tables = {name: stored_table(folder, name) for name in names}
    result = Result(scenario, actors, catalogue, tables, manifest["timing_seconds"])
    result.folder, result.manifest, result.lost = folder, manifest, tuple(manifest.get("lost", ()))
    return result


def stored_table(folder: Path, name: str) -> StoredTable:
    """A table of a folder, whose checksum is compared before it is first read."""
    path = folder / f"{name}.parquet"

    def check() -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not path.is_file() or _sha256(path) != read_manifest(folder)["files"][path.name]["sha256"]:
            message = (
                f"{path} is missing or differs from its checksum; run `aipower verify {folder}`, then "
                "run the scenario again"
            )
            raise StoreError(message)
        try:
            pq.ParquetFile(path).close()
        except pa.ArrowInvalid as error:
            message = f"{path} is not a Parquet file ({error}); run the scenario again"
            raise StoreError(message) from error

    return StoredTable(path, check)


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """Read a table after comparing its checksum."""
    return stored_table(folder, name)()


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
        When the folder is not a result folder, is one of another format, or its layout is newer than this code.
    """
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        what = "has no manifest.json" if not path.exists() else f"has an unreadable manifest ({error})"
        if not Path(folder).exists():
            what = "does not exist"
        message = (
            f"{folder} is not a result folder: it {what}. Name a folder that `aipower run` wrote, "
            "such as outputs/baseline"
        )
        raise ResultError(message) from error
    if not isinstance(manifest, dict) or manifest.get("format") not in READERS:
        message = (
            f"{path} is not the manifest of a result (no format: {FORMAT}); name a folder that "
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


def verify(folder: str | Path) -> Verification:
    """Compare every file of a result folder with its checksum.

    Raises
    ------
    ResultError
        When the folder is not a result folder.
    """
    folder = Path(folder).absolute()
    manifest = read_manifest(folder)
    listed = manifest.get("files")
    body = {key: value for key, value in manifest.items() if key != "manifest_sha256"}
    is_manifest_sound = isinstance(listed, dict) and all(map(_is_inside, listed))
    is_manifest_sound &= manifest.get("manifest_sha256") == _sha256_of(body)
    is_manifest_sound &= (folder / MANIFEST).read_text(encoding="utf-8") == _manifest_text(manifest)
    files: dict[str, Any] = {}
    if isinstance(listed, dict):
        files = {name: row for name, row in listed.items() if _is_inside(name)}
    present = set(_names_of_files(folder)) - {MANIFEST}
    damaged = [
        name for name, row in files.items() if name in present and _sha256(folder / name) != dict(row).get("sha256")
    ]
    return Verification(
        folder,
        len(files),
        tuple(sorted(damaged + ([] if is_manifest_sound else [MANIFEST]))),
        tuple(sorted(set(files) - present)),
        tuple(sorted(present - set(files))),
        str(manifest["format"]),
    )


def _is_inside(name: str) -> bool:
    """Whether a file name of a manifest stays inside its folder."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name


# -- files ------------------------------------------------------------------------------------


def _names_of_files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_of(manifest: dict[str, Any]) -> str:
    text = json.dumps(manifest, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _flush(folder: Path) -> None:
    """Force every file and folder to disk, so that the rename cannot come first."""
    for name in _names_of_files(folder):
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
