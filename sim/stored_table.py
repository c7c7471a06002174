"""A table on disk, of which one can read some columns without the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.parquet as pq

    from sim.arrays import Array


class StoredTable:
    """A pandas frame in a Parquet file; memory holds what is asked for.

    Parameters
    ----------
    path : pathlib.Path
    check : callable, optional
        Called once, before anything is read; raises when the file is not what it should be.
    """

    def __init__(self, path: Path, check: Callable[[], None] = lambda: None) -> None:
        self._path = path
        self._check = check

    def __call__(self) -> pd.DataFrame:
        """The whole table."""
        frame: pd.DataFrame = self._file.read(use_pandas_metadata=True).to_pandas()
        return frame

    @cached_property
    def _file(self) -> pq.ParquetFile:
        import pyarrow.parquet as pq

        self._check()
        return pq.ParquetFile(self._path)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Columns, those of a named index first."""
        schema = self._file.schema_arrow
        keys = [key for key in json.loads(schema.metadata[b"pandas"])["index_columns"] if isinstance(key, str)]
        return (*keys, *(name for name in schema.names if name not in keys))

    def distinct(self, name: str) -> list[Any]:
        """Different values of a column, in order; a group of rows is read at a time."""
        groups = range(self._file.num_row_groups)
        return sorted({v for k in groups for v in self._file.read_row_group(k, [name])[name].unique().to_pylist()})

    def values(self, names: Sequence[str]) -> Array:
        """Columns of numbers, nan where there is none; ``[row, column]``."""
        table = self._file.read(list(names), use_pandas_metadata=False)
        return np.column_stack([table[name].to_numpy() for name in names])
