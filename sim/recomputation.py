"""Whether a stored folder holds what its scenarios give: some blocks are computed again and compared bit for bit."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim import manifests
from sim.errors import ResultError
from sim.identity import identity
from sim.parts import gaps
from sim.result import TABLES, load_result

if TYPE_CHECKING:
    import pandas as pd

    from sim.comparison.outcomes import Outcome

SHARE = 0.01
"""Part of the blocks of replicates that is computed again, unless said otherwise."""

_KEYS = ("replicate", "quarter", "firm", "owner", "maker", "flow", "layer", "seller", "buyer", "event", "actor")


class Difference(NamedTuple):
    """One value that came out differently.

    Attributes
    ----------
    where : str
        Table, column, and the row's keys.
    stored, computed : str
        Values as text.
    relative : float
        Distance over the larger of the two; infinite where they are no numbers.
    """

    where: str
    stored: str
    computed: str
    relative: float


@dataclass(frozen=True)
class Recomputation:
    """What :func:`recompute` found.

    Attributes
    ----------
    folder : pathlib.Path
    replicates : tuple of int
        What was computed again; with ``runs`` of a comparison, in each of these.
    runs : tuple of str
        Runs of a comparison that were looked at.
    n_values : int
        Values compared.
    n_differing : int
    largest : Difference or None
        The largest relative difference.
    event : str
        First discrete event that only one of the two has; empty where there is none.
    machines : tuple of str
        In what code, libraries or CPU differ from those that wrote the folder; bits are promised only where none do.
    """

    folder: Path
    replicates: tuple[int, ...]
    runs: tuple[str, ...]
    n_values: int
    n_differing: int
    largest: Difference | None
    event: str
    machines: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether every bit is."""
        return self.n_differing == 0


def recompute(folder: str | Path, share: float = SHARE) -> Recomputation:
    """Compute a random part of a result or comparison again and compare every bit.

    Parameters
    ----------
    folder : str or Path
        Of a run or a comparison; its checksums are looked at by ``sim.verify_result``.
    share : float
        Part of the blocks of replicates, above 0 and up to 1; at least one block is chosen.

    Returns
    -------
    Recomputation
        What was computed again, and whether it came out differently.

    Raises
    ------
    ResultError
        When the folder holds neither, or the share is not allowed.
    """
    if not 0.0 < share <= 1.0:
        message = (
            f"a share of {share} of the blocks cannot be computed again; give one above 0 and up to 1, such as 0.01"
        )
        raise ResultError(message)
    folder = Path(folder).absolute()
    manifest = manifests.read_manifest(folder)
    if manifest["format"] == manifests.RESULT:
        runs, replicates, tables, plugins = _of_result(folder, share)
    elif manifest["format"] == manifests.COMPARISON:
        runs, replicates, tables, plugins = _of_comparison(folder, share)
    else:
        message = f"{folder} holds a sweep, of which only means are stored; run the sweep again to compare them"
        raise ResultError(message)
    n_values, n_differing, largest, event = 0, 0, None, ""
    for name, stored, computed in tables:
        if name == "events":
            event = _first_event(stored, computed)
        n_values += stored.size
        for difference in _differences(name, stored, computed):
            n_differing += 1
            if largest is None or difference.relative > largest.relative:
                largest = difference
    here = identity()
    machines = tuple(
        f"{name}: stored by {manifest.get(name)}, here {here[name]}"
        for name in here
        if manifest.get(name) != here[name]
    )
    machines += manifests.changed_plugins(manifest, plugins)
    return Recomputation(folder, replicates, runs, n_values, n_differing, largest, event, machines)


class _Again(NamedTuple):
    """Runs of a comparison, replicates, tables as stored and as computed now, and plug-ins in use."""

    runs: tuple[str, ...]
    replicates: tuple[int, ...]
    tables: list[tuple[str, pd.DataFrame, pd.DataFrame]]
    plugins: Mapping[str, str]


def _of_result(folder: Path, share: float) -> _Again:
    """Tables of some replicates of a result, as stored and as computed now."""
    import pandas as pd

    from sim.ensemble import merge, prepare, run_block
    from sim.frames import frames
    from sim.observe import yearly

    result = load_result(folder)
    scenario, lost = result.scenario, set(result.lost)
    blocks = _without(lost, scenario.run.replicates)
    chosen = [blocks[k] for k in _some(len(blocks), share)]
    job = prepare(scenario)
    recording = merge([run_block(job, block) for block in chosen], allow_empty=True)
    replicates = tuple(number for block in chosen for number in block)
    is_yearly = scenario.record.measures == "yearly"
    makers = frames(yearly(recording) if is_yearly and len(recording.replicates) else recording)
    tables = []
    for name in TABLES if len(recording.replicates) else ("failures",):
        path = folder / f"{name}.parquet"
        if name in result.table_names:
            stored = pd.read_parquet(path, filters=[("replicate", "in", replicates)])
            tables.append((name, _flat(stored), _flat(makers[name]())))
    return _Again((), replicates, tables, scenario.plugins())


def _of_comparison(folder: Path, share: float) -> _Again:
    """Values of some replicates of some runs of a comparison, as stored and as computed now."""
    from sim.comparison import load_comparison
    from sim.comparison.outcomes import lean_job, run_alone
    from sim.ensemble import Job

    made = load_comparison(folder)
    places = [
        (key, block)
        for key, stored in made.outcomes.items()
        if len(stored.replicates)
        for block in _without({each.replicate for each in stored.failures if not each.quarter}, made.n_replicates)
    ]
    tables = []
    chosen = [places[k] for k in _some(len(places), share)]
    for key, block in chosen:
        job, stored = lean_job(made.runs[key]), made.outcomes[key]
        before = stored.only(block)
        now = run_alone(job, block) if isinstance(job, Job) else job
        for what in ("values", "adoption"):
            was = _as_table(before, what)
            tables.append((f"{made.runs[key].name}: {what}", was, _as_table(now, what).reindex(columns=was.columns)))
    runs = tuple(dict.fromkeys(made.runs[key].name for key, _ in chosen))
    replicates = tuple(sorted({number for _, block in chosen for number in block}))
    return _Again(runs, replicates, tables, made.plugins())


def _as_table(outcome: Outcome, what: str) -> pd.DataFrame:
    """Yearly values, or quarterly adoption, of an outcome as a table."""
    import pandas as pd

    if what == "values":
        cube, names, times = outcome.table, outcome.names, list(outcome.quarters)
    else:
        cube, names, times = outcome.adoption, outcome.sectors, [str(k) for k in range(outcome.adoption.shape[1])]
    index = pd.MultiIndex.from_product([outcome.replicates, times], names=["replicate", "quarter"])
    return _flat(pd.DataFrame(cube.reshape(len(index), len(names)), index=index, columns=list(names)))


def _without(lost: Collection[int], n_replicates: int) -> list[list[int]]:
    """Blocks of replicates, but for those that were not computed."""
    from sim.ensemble import BLOCK_SIZE

    blocks = gaps(n_replicates, (), BLOCK_SIZE)
    kept = [[number for number in block if number not in lost] for block in blocks]
    return [block for block in kept if block]


def _some(n: int, share: float) -> list[int]:
    """Numbers below ``n``, as many as the share says and at least one, chosen by the system's own chance."""
    count = max(1, math.ceil(share * n))
    order = sorted(range(n), key=lambda _: os.urandom(8))
    return sorted(order[:count])


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """A table with its index as columns, its rows counted."""
    if frame.index.names != [None]:
        frame = frame.reset_index()
    return frame.reset_index(drop=True)


def _differences(name: str, stored: pd.DataFrame, computed: pd.DataFrame) -> Iterator[Difference]:
    """Every value that differs in a bit; where rows differ in number or keys, that alone."""
    keys = [column for column in stored.columns if column in _KEYS]
    if list(stored.columns) != list(computed.columns):
        yield Difference(f"{name}: columns", str(stored.shape[1]), str(computed.shape[1]), math.inf)
        return
    if len(stored) != len(computed) or not stored[keys].astype(str).equals(computed[keys].astype(str)):
        yield Difference(f"{name}: rows", str(len(stored)), str(len(computed)), math.inf)
        return
    for column in stored.columns:
        a, b = stored[column].to_numpy(), computed[column].to_numpy()
        is_number = a.dtype.kind in "fiub" and b.dtype.kind in "fiub"
        if is_number:  # a zero has a sign
            differs = ~((a == b) & (np.signbit(a) == np.signbit(b)) | np.isnan(a) & np.isnan(b))
        else:
            differs = a.astype(str) != b.astype(str)
        for row in np.flatnonzero(differs):
            place = ", ".join(str(stored[key].iloc[row]) for key in keys)
            distance = _relative(float(a[row]), float(b[row])) if is_number else math.inf
            was, now = (repr(values[[row]].tolist()[0]) for values in (a, b))
            yield Difference(f"{name}.{column} ({place})", was, now, distance)


def _relative(a: float, b: float) -> float:
    """Distance over the larger of two numbers; infinite where one is none.

    Examples
    --------
    >>> _relative(4.0, 3.0), _relative(0.0, -0.0), _relative(1.0, math.nan)
    (0.25, 0.0, inf)
    """
    distance, larger = abs(a - b), max(abs(a), abs(b))
    if not math.isfinite(distance):
        return math.inf
    return distance / larger if larger else 0.0


def _first_event(stored: pd.DataFrame, computed: pd.DataFrame) -> str:
    """First event, in time, that only one of two tables has."""
    keys = ["quarter", "replicate", "event", "actor"]
    ours, theirs = (list(frame[keys].itertuples(index=False, name=None)) for frame in (stored, computed))
    only: Mapping[str, Sequence[Any]] = {
        "stored only": sorted(set(ours) - set(theirs)),
        "computed only": sorted(set(theirs) - set(ours)),
    }
    firsts = [(events[0], whose) for whose, events in only.items() if events]
    if not firsts:
        return ""
    (quarter, replicate, event, actor), whose = min(firsts)
    return f"{event} of {actor} in {quarter} of replicate {replicate}, {whose}"
