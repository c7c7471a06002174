"""Tables of a result as files for other programs: CSV, Excel, Stata, Parquet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import ResultError, StoreError
from sim.folders import filled_at_once
from sim.manifests import MANIFEST
from sim.result import TABLES
from sim.table_files import columns_of, fields_with_meaning

if TYPE_CHECKING:
    import pandas as pd

    from sim.result import Result

SUMMARY = "summary"
MOST_ROWS_OF_SHEET = 1_048_576
"""Rows of an Excel sheet, its header included."""

FORMULA = re.compile(r"^(?=[=+\-@\t\r])")
"""How a text starts that a spreadsheet would take for a formula."""

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""Characters that a workbook cannot hold."""

LONGEST_NAME, LONGEST_LABEL = 32, 80
"""Characters of a Stata variable's name and of its label."""

Columns = Mapping[str, tuple[str, str]]
"""Unit and meaning of each column."""


def export(
    result: Result, folder: str | Path, *, to: str, tables: Sequence[str] | None = None, force: bool = False
) -> list[Path]:
    """Write tables of a result to a folder, all or none of them.

    Parameters
    ----------
    result : Result
    folder : str or Path
        Made when it is missing; not a result folder.
    to : {"csv", "xlsx", "dta", "parquet"}
        One file a table; xlsx makes one workbook with a sheet for each and one that explains the columns.
    tables : sequence of str, optional
        ``summary`` and names in ``sim.result.TABLES``; all of them when left out.
    force : bool
        Replace files that are there already.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ResultError
        When the format or a table is unknown, or a table has more rows than a sheet.
    StoreError
        When a file is there already, a library is missing or writing fails; nothing is left behind.
    """
    folder, chosen = Path(folder).absolute(), _chosen(tables)
    if to not in FORMATS:
        message = f"there is no format {to!r}; choose one of {', '.join(FORMATS)}"
        raise ResultError(message)
    refuse_result_folder(folder)
    names = [f"{result.scenario.name}.xlsx"] if to == "xlsx" else [f"{table}.{to}" for table in chosen]
    _refuse_existing(folder, names, force=force)
    if to == "xlsx":
        _import_openpyxl()
    frames = {table: _frame(result, table) for table in chosen}
    described = {table: _described(result, table) for table in chosen}
    with filled_at_once(folder, "the tables") as draft:
        if to == "xlsx":
            _write_workbook(draft / names[0], frames, described)
        else:
            for (table, frame), name in zip(frames.items(), names, strict=True):
                FORMATS[to](draft / name, frame, described[table])
        _refuse_existing(folder, names, force=force)  # some may have appeared meanwhile
    return [folder / name for name in names]


def refuse_result_folder(folder: Path) -> None:
    """Refuse to write into a result folder.

    Raises
    ------
    StoreError
        When the folder has a manifest.
    """
    if (folder / MANIFEST).exists():
        message = f"{folder} is a result folder, which stays as it was written; choose another folder"
        raise StoreError(message)


def _chosen(tables: Sequence[str] | None) -> list[str]:
    """Names of the tables to write, each once."""
    known = (SUMMARY, *TABLES)
    for name in tables or ():
        if name not in known:
            message = f"a result has no table {name!r}; choose among {', '.join(known)}"
            raise ResultError(message)
    return list(dict.fromkeys(tables or known))


def _refuse_existing(folder: Path, names: Iterable[str], *, force: bool) -> None:
    there = [name for name in names if (folder / name).exists()]
    if there and not force:
        message = f"{folder} holds {', '.join(there)} already; --force replaces them, --out names another folder"
        raise StoreError(message)


def _frame(result: Result, table: str) -> pd.DataFrame:
    """A table with its keys as columns."""
    frame = result.summary() if table == SUMMARY else result.table(table)
    return frame.reset_index() if any(name is not None for name in frame.index.names) else frame


def _described(result: Result, table: str) -> Columns:
    if table != SUMMARY:
        return columns_of(result, table)
    about = {"measure": ("name", "Measure"), "year": ("year", "Calendar year"), "unit": ("text", "Unit of the measure")}
    statistics = {"mean": "Mean", "p5": "5% quantile", "p50": "Median", "p95": "95% quantile"}
    return about | {name: ("see unit", f"{text} over replicates") for name, text in statistics.items()}


def _is_text(column: pd.Series[Any]) -> bool:
    """Whether a column holds text, as strings or as categories."""
    import pandas as pd

    return isinstance(column.dtype, pd.CategoricalDtype | pd.StringDtype) or column.dtype == object


def _texts(column: pd.Series[Any], change: Callable[[str], str]) -> pd.Series[Any]:
    """Change each text of a column; each different one is changed once."""
    changed = {text: change(text) for text in column.dropna().unique() if isinstance(text, str)}
    return column.astype(object).map(lambda value: changed.get(value, value))


def _write_csv(path: Path, frame: pd.DataFrame, _: Columns) -> None:
    """Text that a spreadsheet would run as a formula gets an apostrophe; numbers have all their digits."""

    def harmless(text: str) -> str:
        return re.sub(r"\r\n?", "\n", FORMULA.sub("'", text))

    safe = frame.copy()
    for position, name in enumerate(frame.columns):
        if _is_text(frame[name]):
            safe.isetitem(position, _texts(frame[name], harmless).array)
    safe.columns = [harmless(str(name)) for name in frame.columns]
    safe.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


def _write_parquet(path: Path, frame: pd.DataFrame, columns: Columns) -> None:
    """Plain columns, each with its unit and meaning."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(table.cast(pa.schema(fields_with_meaning(table.schema, columns))), path, compression="zstd")


def _write_dta(path: Path, frame: pd.DataFrame, columns: Columns) -> None:
    """Stata 14 and later: short names, no booleans, infinite numbers missing; labels hold names and units."""
    import numpy as np
    import pandas as pd

    names = _stata_names(list(map(str, frame.columns)))
    data: dict[str, pd.Series[Any]] = {}
    labels: dict[str, str] = {}
    for long, short in names.items():
        column = frame[long]
        if _is_text(column):
            column = _texts(column, str).fillna("").astype(object)
        elif column.dtype == bool:
            column = column.astype("int8")
        elif column.dtype.kind == "f":
            column = column.where(np.isfinite(column))
        data[short] = column
        unit, meaning = columns[long]
        labels[short] = f"{'' if long == short else f'{long}: '}{meaning} ({unit})"[:LONGEST_LABEL]
    pd.DataFrame(data).to_stata(path, write_index=False, version=118, variable_labels=labels)


def _stata_names(names: Sequence[str]) -> dict[str, str]:
    """Different names of at most 32 letters, digits and underscores.

    Examples
    --------
    >>> _stata_names(["revenue", "x" * 40, "x" * 41])["x" * 41]
    'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_2'
    """
    plain_names = {name: re.sub(r"\W", "_", name, flags=re.ASCII) for name in names}
    made = {name: name for name, plain in plain_names.items() if name == plain[:LONGEST_NAME]}
    taken = set(made)
    for name in [name for name in names if name not in made]:
        plain = plain_names[name]
        short, number = plain[:LONGEST_NAME], 1
        while short in taken:
            number += 1
            ending = f"_{number}"
            short = plain[: LONGEST_NAME - len(ending)] + ending
        taken.add(short)
        made[name] = short
    return {name: made[name] for name in names}


def _import_openpyxl() -> Any:  # noqa: ANN401 - a module without types
    try:
        import openpyxl
    except ImportError as error:
        message = (
            "xlsx needs openpyxl, which is not installed; run `python -m pip install openpyxl` (or install "
            "aipower[excel]), or choose --to csv"
        )
        raise StoreError(message) from error
    return openpyxl


def _write_workbook(path: Path, frames: Mapping[str, pd.DataFrame], described: Mapping[str, Columns]) -> None:
    """One sheet a table; text is text, never a formula."""
    for table, frame in frames.items():
        if len(frame) >= MOST_ROWS_OF_SHEET:
            message = (
                f"table {table} has {len(frame):,} rows and an Excel sheet holds {MOST_ROWS_OF_SHEET - 1:,} below "
                "its header; choose --to parquet or --to csv, or other tables with --table"
            )
            raise ResultError(message)
    book = _import_openpyxl().Workbook(write_only=True)
    for table, frame in frames.items():
        _fill_sheet(book.create_sheet(table), list(map(str, frame.columns)), _rows(frame))
    about = [[table, name, *facts] for table, columns in described.items() for name, facts in columns.items()]
    _fill_sheet(book.create_sheet("columns"), ["table", "column", "unit", "meaning"], about)
    book.save(path)


def _rows(frame: pd.DataFrame) -> Iterator[Sequence[object]]:
    """Rows of plain values; what is not a finite number or a text is left empty."""
    import numpy as np

    columns: list[list[object]] = []
    for position in range(frame.shape[1]):
        column = frame.iloc[:, position]
        if not _is_text(column) and column.dtype.kind == "f":
            values = column.to_numpy(dtype=object)
            values[~np.isfinite(column.to_numpy())] = None
            columns.append(values.tolist())
        elif _is_text(column):
            columns.append([text if isinstance(text, str) else None for text in column.astype(object)])
        else:
            columns.append(column.tolist())
    return zip(*columns, strict=True)


def _fill_sheet(sheet: Any, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:  # noqa: ANN401 - openpyxl's
    from openpyxl.cell import WriteOnlyCell

    def cell(value: object) -> object:
        if not isinstance(value, str):
            return value
        text = CONTROL.sub("", value)
        if not text.startswith("="):
            return text
        made = WriteOnlyCell(sheet, text)
        made.data_type = "s"
        return made

    sheet.freeze_panes = "A2"
    sheet.append([cell(name) for name in header])
    for row in rows:
        sheet.append([cell(value) for value in row])


FORMATS: dict[str, Callable[[Path, pd.DataFrame, Columns], None]] = {
    "csv": _write_csv,
    "xlsx": lambda path, frame, columns: _write_workbook(path, {"table": frame}, {"table": columns}),
    "dta": _write_dta,
    "parquet": _write_parquet,
}
"""Formats by file ending, and what writes one table."""
