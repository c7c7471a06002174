"""A table on disk, of which one can read some columns without the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from sim.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    from sim.arrays import Array


PIECE_ROWS = 1 << 17
"""Rows of a piece of a table, at least, but for the last."""


class StoredTable:
    """A pandas frame in a Parquet file; memory holds what is asked for.

    Parameters
    ----------
    path : pathlib.Path
    check : callable, optional
        Called once, before anything is read; raises when the file is not what it should be.
    """

    def __init__(self, path: Path, check: Callable[[], None] | None = None) -> None:
        self._path = path
        self._check = check

    def __reduce__(self) -> tuple[type[Self], tuple[Path, Callable[[], None] | None]]:
        """Copies and other processes open the file anew."""
        return type(self), (self._path, self._check)

    def __call__(self) -> pd.DataFrame:
        """The whole table."""
        frame: pd.DataFrame = self._file.read(use_pandas_metadata=True).to_pandas()
        return frame

    @cached_property
    def _file(self) -> pq.ParquetFile:
        """The file, open.

        Raises
        ------
        StoreError
            When it is no table.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self._check is not None:
            self._check()
        try:
            return pq.ParquetFile(self._path)
        except pa.ArrowInvalid as error:
            message = f"{self._path} is not a Parquet file ({error}); run the scenario again"
            raise StoreError(message) from error

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Columns, those of a named index first."""
        return (*self._keys, *self.columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns but those of a named index."""
        return tuple(name for name in self._file.schema_arrow.names if name not in self._keys)

    @cached_property
    def _keys(self) -> tuple[str, ...]:
        """Columns of a named index."""
        index = json.loads(self._file.schema_arrow.metadata[b"pandas"])["index_columns"]
        return tuple(key for key in index if isinstance(key, str))

    def distinct(self, name: str) -> list[Any]:
        """Different values of a column, in order; a group of rows is read at a time."""
        groups = range(self._file.num_row_groups)
        return sorted({v for k in groups for v in self._file.read_row_group(k, [name])[name].unique().to_pylist()})

    def pieces(self, names: Sequence[str]) -> Iterator[pd.DataFrame]:
        """Some columns, and the index, of successive replicates, each of them whole; memory holds one piece.

        A table without rows is one piece.
        """
        import pyarrow as pa

        keys = [name for name in dict.fromkeys([*self._keys, "replicate"]) if name not in names]
        if self._file.num_row_groups == 0:
            yield self._framed(self._file.read([*names, *keys]), names)
        waiting: list[pa.Table] = []
        for k in range(self._file.num_row_groups):
            waiting.append(self._file.read_row_group(k, [*names, *keys]))
            if sum(map(len, waiting)) >= PIECE_ROWS:
                rows = pa.concat_tables(waiting)
                replicates = rows["replicate"].to_numpy()
                n_whole = int(np.searchsorted(replicates, replicates[-1]))
                waiting = [rows.slice(n_whole)]
                if n_whole:
                    yield self._framed(rows.slice(0, n_whole), names)
        if waiting:
            yield self._framed(pa.concat_tables(waiting), names)

    def _framed(self, rows: pa.Table, names: Sequence[str]) -> pd.DataFrame:
        frame: pd.DataFrame = rows.to_pandas()
        return frame[list(names)]

    def values(self, names: Sequence[str]) -> Array:
        """Columns of numbers, nan where there is none; ``[row, column]``."""
        table = self._file.read(list(names), use_pandas_metadata=False)
        return np.column_stack([np.empty((table.num_rows, 0)), *(table[name].to_numpy() for name in names)])
