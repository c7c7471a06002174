"""Result folders: tables, scenario, summary, and what the manifest says about the run."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.errors import ResultError
from sim.folders import write_folder
from sim.frames import arrow_tables
from sim.identity import origin
from sim.manifests import RESULT, SCHEMA, read_manifest
from sim.table_files import TableFile, stored_table

if TYPE_CHECKING:
    import pyarrow as pa

    from sim.result import Result
    from sim.scenario import Scenario

RESOLVED_SCENARIO = "scenario.resolved.yaml"
SUMMARY = "summary.csv"
LATER_TABLES = ("events",)
"""Tables that folders of this layout may lack because an older version wrote them."""

Artefact = Callable[["Result", Path], object]
"""Writes something about a result (figures, README) into a folder."""


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


def _fill(draft: Path, result: Result, artefacts: Sequence[Artefact], blocks: Blocks | None = None) -> dict[str, Any]:
    """Write every file of the folder but the manifest, whose entries are returned.

    Tables come from blocks where these are given, and the result reads them back from the draft; else from the result.
    """
    names = result.table_names
    rows = {name: len(result.table(name)) for name in names} if blocks is None else blocks.rows
    catalogue = result.catalogue
    with contextlib.ExitStack() as stack:
        files = {
            name: stack.enter_context(TableFile(draft / f"{name}.parquet", name, catalogue, rows[name]))
            for name in names
        }
        in_memory = {name: functools.partial(result.table, name) for name in names}
        for name, table in arrow_tables(in_memory) if blocks is None else blocks.tables():
            files[name].add(table)
    (draft / RESOLVED_SCENARIO).write_text(result.scenario.to_yaml(), encoding="utf-8")
    summary = result.summary().to_csv(index=False, lineterminator="\n")
    (draft / SUMMARY).write_text(summary, encoding="utf-8", newline="\n")
    for artefact in artefacts:
        artefact(result, draft)
    return _describe(result, rows)


class Blocks(NamedTuple):
    """A run's tables block by block.

    Attributes
    ----------
    rows : dict of str to int
        Rows of each table, over all blocks.
    tables : callable
        Gives name and rows (pyarrow.Table) of each table of each block, in the order of replicates; a block without a
        success has only failures.
    """

    rows: dict[str, int]
    tables: Callable[[], Iterable[tuple[str, pa.Table]]]


def _describe(result: Result, rows: dict[str, int]) -> dict[str, Any]:
    """Where the numbers come from: code, libraries, machine, scenario, actors, failures."""
    scenario = result.scenario
    return {
        "format": RESULT,
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


# -- reading ----------------------------------------------------------------------------------


def read_scenario(path: Path) -> Scenario:
    """Read a stored scenario, of which the user was told everything when it was run."""
    from sim.scenario.load import loaded

    return loaded(path)[0]


def read(folder: str | Path) -> Result:
    """Read a result back; its tables are loaded, and checked, when first asked for.

    Raises
    ------
    ResultError
        When the folder is not a result folder, is incomplete or was written by a newer version.
    """
    from sim.observe import Measure
    from sim.result import TABLES, Actors, Result

    folder = Path(folder).absolute()
    manifest = read_manifest(folder, RESULT)
    names = [name for name in TABLES if name in manifest["rows"] or name not in LATER_TABLES]
    for name in (RESOLVED_SCENARIO, *(f"{table}.parquet" for table in names)):
        if not (folder / name).is_file():
            message = (
                f"{folder} lacks {name}; run `aipower verify {folder}` to see what else is gone, "
                "and run the scenario again"
            )
            raise ResultError(message)
    scenario = read_scenario(folder / RESOLVED_SCENARIO)
    catalogue = {
        row["name"]: Measure(**{field: row[field] for field in Measure._fields}) for row in manifest["measures"]
    }
    actors = Actors(**{kind: tuple(names) for kind, names in manifest["actors"].items()})
    tables = {name: stored_table(folder, name) for name in names}
    result = Result(scenario, actors, catalogue, tables, manifest["timing_seconds"])
    result.folder, result.manifest, result.lost = folder, manifest, tuple(manifest.get("lost", ()))
    return result
