"""Tables of a folder as Parquet files: columns carry unit and meaning, and a checksum is compared before reading."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sim.errors import StoreError
from sim.manifests import read_manifest, sha256
from sim.stored_table import StoredTable

if TYPE_CHECKING:
    import pandas as pd

    from sim.observe import Measure
    from sim.result import Result

GROUP_VALUES = 1 << 19
"""Values in a group of rows of a Parquet file, about 4 MB."""

KEY_COLUMNS: dict[str, tuple[str, str]] = {
    "replicate": ("count", "Number of the replicate; the same number has the same luck"),
    "quarter": ("quarter", "Calendar quarter, as in 2024Q1; the last of its year where a year has one row"),
    "firm": ("name", "Firm slot; a slot freed by exit can be reused, see generation"),
    "owner": ("name", "Compute owner"),
    "maker": ("name", "Chip maker"),
    "flow": ("name", "What is paid for"),
    "payer": ("name", "Who pays"),
    "payee": ("name", "Who is paid"),
    "amount": ("$bn", "Payments of the quarter, or of the year where it has one row, in billions of 2024 US dollars"),
    "firm_class": ("giant, lab or sme", "Class of the firm"),
    "layer": (
        "name",
        "owner_maker: chips delivered in the year to date; firm_owner: compute rented in the quarter",
    ),
    "seller": ("name", "Who supplies: a maker (owner_maker) or an owner (firm_owner)"),
    "buyer": ("name", "Who buys: an owner (owner_maker) or a firm (firm_owner)"),
    "weight": ("M H100e", "Amount supplied"),
    "actor": ("name", "Firm slot or compute owner to which it happened; grid for the limit on connections"),
    "detail": ("text", "More about it, such as which firm of the slot it was, counted from 0"),
    "reason": ("text", "Why the replicate could not go on"),
}
"""Unit and meaning of the columns that the catalogue of measures does not describe."""


class TableFile:
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
        waiting = pa.concat_tables(self._pieces)
        size = size or self._n_waiting
        n_full = self._n_waiting // size * size
        for begin in range(0, n_full, size):
            self._writer.write_table(waiting.slice(begin, size).combine_chunks(), row_group_size=size)
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
        return pa.schema(fields_with_meaning(schema, described), metadata=metadata)


def fields_with_meaning(schema: Any, described: Mapping[str, tuple[str, str]]) -> list[Any]:  # noqa: ANN401 - pyarrow's
    """Fields of a schema, with unit and meaning of each column."""
    return [field.with_metadata(dict(zip(("unit", "meaning"), described[field.name], strict=True))) for field in schema]


def stored_table(folder: Path, name: str) -> StoredTable:
    """A table of a folder, whose checksum is compared before it is first read."""
    return StoredTable(folder / f"{name}.parquet", partial(_check, folder, f"{name}.parquet"))


def _check(folder: Path, name: str) -> None:
    """Compare a file of a folder with its checksum.

    Raises
    ------
    StoreError
        When it is missing or differs.
    """
    path = folder / name
    if not path.is_file() or sha256(path) != read_manifest(folder)["files"][path.name]["sha256"]:
        message = (
            f"{path} is missing or differs from its checksum; run `aipower verify {folder}`, then "
            "run the scenario again"
        )
        raise StoreError(message)


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """Read a table after comparing its checksum."""
    return stored_table(folder, name)()


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
    from sim.observe import EVENTS, FIRM_COLUMNS, MAKER_COLUMNS, OWNER_COLUMNS

    catalogues: dict[str, Any] = {
        "measures": catalogue,
        "firms": FIRM_COLUMNS,
        "owners": OWNER_COLUMNS,
        "makers": MAKER_COLUMNS,
    }
    known = {**KEY_COLUMNS, "event": ("name", f"What happened: {', '.join(EVENTS)}")}
    known.update({name: (row.unit, row.sentence) for name, row in catalogues.get(table, {}).items()})
    return {name: known[name] for name in names}
