"""The model's values of the targets at given parameters: each is simulated once and kept in a log."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sim.arrays import Array
from sim.engine import QuarterError, simulate_block
from sim.errors import InputError, WorkersError, WorldError
from sim.experiment.targets import FIT_END, FIT_START, fitted_targets, moments
from sim.pool import Lost, Pool, Task
from sim.quarters import Quarter, quarter_range
from sim.recorder import Timeline
from sim.world.build import WorldSpec, build

if TYPE_CHECKING:
    from sim.pool import Advance


class _Needs(NamedTuple):
    """What a worker needs to evaluate one candidate."""

    changes: dict[str, float]
    seed: int
    replicates: int


@dataclass
class Evaluator:
    """Simulates 2024 at given parameters with the same luck for every candidate.

    Parameters
    ----------
    pool : Pool
        Where.
    seed : int
        Which luck; never a parameter.
    replicates : int
        Histories that a value is the mean of.
    log : Path, optional
        A file of all values, read at the start and added to: a search that was interrupted goes on from it.

    Raises
    ------
    InputError
        When the log is of another seed, number of replicates or version.
    """

    pool: Pool
    seed: int
    replicates: int
    log: Path | None = None
    _known: dict[str, Array] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Read what an earlier search found."""
        if self.log is None:
            return
        from sim.identity import source_hash

        settings = {"seed": self.seed, "replicates": self.replicates, "code": source_hash()[:12], "fitted": self._names}
        first = json.dumps(settings)
        if not self.log.exists():
            self.log.write_text(first + "\n", encoding="utf-8")
            return
        with self.log.open(encoding="utf-8", newline="") as handle:
            found = handle.readline().strip()
            if found != first:
                message = (
                    f"{self.log} was begun with other settings or another version ({found[:80]}); give another folder, "
                    "or the same --seed and --replicates"
                )
                raise InputError(message)
            for row in csv.reader(handle):
                if len(row) == len(self._names) + 1:  # a line may be cut off where the search was
                    self._known[row[0]] = np.array([float(value) for value in row[1:]])

    @property
    def _names(self) -> list[str]:
        return [target.name for target in fitted_targets()]

    @property
    def n_known(self) -> int:
        """Candidates that were simulated."""
        return len(self._known)

    def values(self, candidates: Sequence[Mapping[str, float]]) -> Array:
        """The model's mean of each fitted target; ``[candidate, target]``, nan where the world cannot be.

        Parameters
        ----------
        candidates : sequence of mapping of str to float
            Values of parameters by name; the table's for all others.
        """
        keys = [_key(candidate) for candidate in candidates]
        new = {key: candidate for key, candidate in zip(keys, candidates, strict=True) if key not in self._known}
        amount = self.replicates * len(_quarters())
        tasks = [Task(_Needs(dict(candidate), self.seed, self.replicates), amount) for candidate in new.values()]
        order = list(new)
        for place, found in self.pool.run(evaluate, tasks):
            if isinstance(found, Lost):
                message = f"a candidate was {found.reason}; those before it are in the log of the search"
                raise WorkersError(message)
            self._known[order[place]] = found
            if self.log is not None:
                with self.log.open("a", encoding="utf-8", newline="") as handle:
                    csv.writer(handle).writerow([order[place], *map(repr, found.tolist())])
        return np.stack([self._known[key] for key in keys])


def evaluate(needs: _Needs, advance: Advance | None = None) -> Array:
    """Simulate the quarters of the fit: mean over replicates of each fitted target."""
    every = frozenset(_quarters())
    start, end = Quarter.parse(FIT_START), Quarter.parse(FIT_END)
    timeline = Timeline(start, end, every, every, chronicle=False)
    try:
        world = build(WorldSpec(parameters=needs.changes))
        recording = simulate_block(world, timeline, needs.seed, range(needs.replicates), (), advance)
    except (WorldError, QuarterError):
        return np.full(len(fitted_targets()), np.nan)
    found = moments(recording)
    return np.array([found[target.name].mean() for target in fitted_targets()])


def _quarters() -> tuple[Quarter, ...]:
    return quarter_range(Quarter.parse(FIT_START), Quarter.parse(FIT_END))


def _key(candidate: Mapping[str, float]) -> str:
    text = json.dumps(dict(sorted(candidate.items())))
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]
