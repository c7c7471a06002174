"""The arrays of a recording as pandas frames."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.state import FIRM_CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from sim.observe import Recording

LAYERS = {"owner_maker": ("maker", "owner"), "firm_owner": ("owner", "firm")}
"""Layers of the supply network: name -> (who supplies, who buys)."""


def frames(recording: Recording) -> dict[str, Callable[[], pd.DataFrame]]:
    """What makes each table of a recording when it is asked for; it can be sent to other processes."""
    return {name: partial(make, recording) for name, make in _FRAMES.items()}


def tables_of(recording: Recording, names: Sequence[str] | None = None) -> Iterator[tuple[str, pa.Table]]:
    """Tables of a recording, or some of them, as Arrow holds them."""
    makers = frames(recording)
    return arrow_tables(makers if names is None else {name: makers[name] for name in names})


def arrow_tables(makers: Mapping[str, Callable[[], pd.DataFrame]]) -> Iterator[tuple[str, pa.Table]]:
    """Frames as Arrow holds them, by name; one at a time, since together they are large."""
    import pyarrow as pa

    for name, make in makers.items():
        yield name, pa.Table.from_pandas(make(), preserve_index=None)


def to_bytes(table: pa.Table) -> bytes:
    """A table as a compressed stream."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd", unify_dictionaries=True)
    with pa.ipc.new_stream(sink, table.schema, options=options) as stream:
        stream.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def from_bytes(content: bytes | memoryview) -> pa.Table:
    """A table from its stream."""
    import pyarrow as pa

    with pa.ipc.open_stream(content) as stream:
        return stream.read_all()


def _index(codes: tuple[NDArray[np.intp], ...], levels: tuple[Any, ...], names: tuple[str, ...]) -> pd.MultiIndex:
    """Build a sorted-level index from codes, without one Python object a row."""
    import pandas as pd

    return pd.MultiIndex(
        levels=[
            pd.Index(np.asarray(level), dtype="int64") if name == "replicate" else pd.Index(list(level), dtype="str")
            for level, name in zip(levels, names, strict=True)
        ],
        codes=list(codes),  # type: ignore[arg-type]
        names=list(names),
    )


def _text(values: Sequence[str]) -> Any:  # noqa: ANN401 - pandas' own array of strings
    """Hold text as pandas' own string type."""
    import pandas as pd

    return pd.Series(list(values), dtype="str").array


def _words(codes: NDArray[Any], known: Sequence[str]) -> pd.Categorical:
    """Hold words as codes into ``known``, also those that do not occur, so that every part of a table has the same."""
    import pandas as pd

    return pd.Categorical.from_codes(codes, categories=pd.Index(list(known), dtype="str"))


def grid(column: pd.Series[Any], shape: tuple[int, ...], place: tuple[NDArray[Any], ...]) -> NDArray[Any]:
    """Put a column's values into an array; NaN or empty text where the table has no row."""
    values = column.to_numpy()
    if values.dtype == object:
        cells = np.full(shape, "", dtype=object)
    elif len(values) < np.prod(shape):
        cells = np.full(shape, np.nan)
    else:
        cells = np.empty(shape, dtype=values.dtype)
    cells[place] = values
    return cells.astype(str) if values.dtype == object else cells


def _full_codes(shape: tuple[int, ...]) -> tuple[NDArray[np.intp], ...]:
    return tuple(axis.ravel() for axis in np.indices(shape, dtype=np.intp))


def _measures_frame(recording: Recording) -> pd.DataFrame:
    import pandas as pd

    shape = (len(recording.replicates), len(recording.quarters))
    index = _index(_full_codes(shape), (recording.replicates, recording.quarters), ("replicate", "quarter"))
    columns = {name: np.asarray(values, dtype=np.float64).reshape(-1) for name, values in recording.measures.items()}
    return pd.DataFrame(columns, index=index)


def _actor_frame(
    recording: Recording,
    arrays: Mapping[str, NDArray[Any]],
    quarters: tuple[str, ...],
    kind: str,
    names: tuple[str, ...],
    mask: NDArray[np.bool_] | None = None,
) -> pd.DataFrame:
    """Put arrays [replicate, quarter, actor] side by side, where ``mask`` holds."""
    import pandas as pd

    shape = (len(recording.replicates), len(quarters), len(names))
    chosen = np.ones(shape, dtype=bool) if mask is None else mask
    index = _index(
        np.nonzero(chosen),
        (recording.replicates, quarters, names),
        ("replicate", "quarter", kind),
    )
    columns = {name: np.asarray(values)[chosen] for name, values in arrays.items()}
    return pd.DataFrame(columns, index=index)


def _firms_frame(recording: Recording) -> pd.DataFrame:
    """One row for each active firm; empty slots are left out."""
    import pandas as pd

    arrays = dict(recording.firms)
    shape = (len(recording.replicates), len(recording.firm_quarters), len(recording.firm_names))
    active = np.asarray(arrays.pop("active", np.ones(shape)), dtype=bool)
    codes: NDArray[np.int64] = np.asarray(arrays.pop("class_code", np.zeros(shape)), dtype=np.int64)[active]
    names = tuple(recording.firm_names)
    frame = _actor_frame(recording, arrays, recording.firm_quarters, "firm", names, active)
    frame.insert(0, "firm_class", pd.Series(_words(codes, FIRM_CLASSES), index=frame.index))
    return frame


def _owners_frame(recording: Recording) -> pd.DataFrame:
    return _actor_frame(recording, recording.owners, recording.owner_quarters, "owner", tuple(recording.owner_names))


def _makers_frame(recording: Recording) -> pd.DataFrame:
    return _actor_frame(recording, recording.makers, recording.owner_quarters, "maker", tuple(recording.maker_names))


def _flows_frame(recording: Recording) -> pd.DataFrame:
    """One row for each payment; keys are ``name|payer|payee``."""
    import pandas as pd

    keys = [tuple(key.split("|")) for key in recording.flows]
    flows = [f"{name} ({payer} to {payee})" for name, payer, payee in keys]
    names = [name for name, _, _ in keys]
    if len(set(names)) == len(names):
        flows = names
    shape = (len(recording.replicates), len(recording.quarters), len(keys))
    codes = _full_codes(shape)
    index = _index(codes, (recording.replicates, recording.quarters, flows), ("replicate", "quarter", "flow"))
    parties = sorted({name for _, *pair in keys for name in pair})
    payers = np.array([parties.index(payer) for _, payer, _ in keys], dtype=np.int64)
    payees = np.array([parties.index(payee) for _, _, payee in keys], dtype=np.int64)
    amounts = np.stack([np.asarray(a, dtype=np.float64) for a in recording.flows.values()], axis=-1)
    return pd.DataFrame(
        {
            "payer": _words(payers[codes[2]], parties),
            "payee": _words(payees[codes[2]], parties),
            "amount": amounts.reshape(-1),
        },
        index=index,
    )


def _networks_frame(recording: Recording) -> pd.DataFrame:
    """One row for each supply link that carries anything, by replicate, quarter and layer."""
    import pandas as pd

    names = {"maker": recording.maker_names, "owner": recording.owner_names}
    names["firm"] = recording.firm_names
    sellers = list(dict.fromkeys([*recording.maker_names, *recording.owner_names]))
    buyers = list(dict.fromkeys([*recording.owner_names, *recording.firm_names]))
    quarters = sorted(recording.networks)
    parts: list[tuple[NDArray[Any], ...]] = [(np.empty(0, dtype=np.int64),) * 5 + (np.empty(0),)]
    for quarter, number in itertools.product(range(len(quarters)), range(len(LAYERS))):
        layer = list(LAYERS)[number]
        supplier, customer = LAYERS[layer]
        array = np.asarray(recording.networks[quarters[quarter]][layer], dtype=np.float64)
        replicate, buyer, seller = np.nonzero(array)
        part = (
            np.asarray(recording.replicates, dtype=np.int64)[replicate],
            np.full(len(buyer), quarter),
            np.full(len(buyer), number),
            np.array([sellers.index(name) for name in names[supplier]])[seller],
            np.array([buyers.index(name) for name in names[customer]])[buyer],
            array[replicate, buyer, seller],
        )
        parts.append(part)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(columns[0], kind="stable")  # the same rows in the same order, whatever replicates share a block
    columns = [column[order] for column in columns]
    words = (quarters, list(LAYERS), sellers, buyers)
    keys = [_words(codes, known) for codes, known in zip(columns[1:5], words, strict=True)]
    labels = ("replicate", "quarter", "layer", "seller", "buyer", "weight")
    return pd.DataFrame(dict(zip(labels, [columns[0], *keys, columns[5]], strict=True)))


def _events_frame(recording: Recording) -> pd.DataFrame:
    """One row for each event."""
    import pandas as pd

    events = recording.events
    columns: dict[str, Any] = {"replicate": np.array(events.replicate, dtype=np.int64)}
    for name in ("quarter", "event", "actor", "detail"):
        columns[name] = _text(getattr(events, name))
    return pd.DataFrame(columns)


def _failures_frame(recording: Recording) -> pd.DataFrame:
    import pandas as pd

    failures = recording.failures
    index = pd.Index([f.replicate for f in failures], dtype="int64", name="replicate")
    columns = {
        "quarter": _text([str(f.quarter) for f in failures]),
        "reason": _text([f.reason for f in failures]),
    }
    return pd.DataFrame(columns, index=index)


_FRAMES: dict[str, Callable[[Recording], pd.DataFrame]] = {
    "measures": _measures_frame,
    "firms": _firms_frame,
    "owners": _owners_frame,
    "makers": _makers_frame,
    "flows": _flows_frame,
    "networks": _networks_frame,
    "events": _events_frame,
    "failures": _failures_frame,
}
