"""What a comparison keeps of each run: yearly values of every measure, and adoption by quarter.

Nothing is kept of firms, owners or networks: fifty scenarios of two hundred replicates take about 200 MB.
"""

from __future__ import annotations

import io
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sim.ensemble import BLOCK_SIZE, Job, block_name, prepare, run_block, run_branches, stocks_of_years
from sim.errors import AipowerError
from sim.observe import Failure, Recording, yearly
from sim.parts import Part, Shelf, packed
from sim.pool import Lost, Pool, Task

if TYPE_CHECKING:
    import numpy.typing as npt

    from sim.arrays import Array
    from sim.pool import Advance
    from sim.quarters import Quarter
    from sim.recorder import Timeline
    from sim.scenario import Scenario
    from sim.world.build import World

_TASKS_LEFT = 5
"""Of each worker whenever a task is cut, so that the last are small and nobody waits long for another."""

WHOLE = -1
"""Stands for every replicate where a run could not begin."""


@dataclass(frozen=True)
class Outcome:
    """What is kept of a run.

    Attributes
    ----------
    replicates : array [replicate] of int
        Numbers of those that succeeded, in order.
    quarters : tuple of str
        Last quarter of each year.
    names : tuple of str
        Measures.
    table : array [replicate, year, measure]
        Each year's value: last, sum, mean or maximum as the catalogue declares.
    sectors : tuple of str
    adoption : array [replicate, quarter, sector]
        Share of the sector's budget that goes to AI, every quarter.
    failures : tuple of Failure
        Those that did not succeed; replicate ``WHOLE`` where none could begin.
    """

    replicates: npt.NDArray[np.int64]
    quarters: tuple[str, ...]
    names: tuple[str, ...]
    table: Array
    sectors: tuple[str, ...]
    adoption: Array
    failures: tuple[Failure, ...] = ()

    def only(self, replicates: Sequence[int]) -> Outcome:
        """The same of some replicates."""
        chosen = np.isin(self.replicates, replicates)
        return replace(
            self,
            replicates=self.replicates[chosen],
            table=self.table[chosen],
            adoption=self.adoption[chosen],
            failures=tuple(failure for failure in self.failures if failure.replicate in replicates),
        )

    @classmethod
    def failed(cls, reason: str, replicates: Sequence[int] = (WHOLE,)) -> Outcome:
        """Nothing, because of this."""
        none = np.zeros((0, 0, 0))
        failures = tuple(Failure(number, "", reason) for number in replicates)
        return cls(np.zeros(0, dtype=np.int64), (), (), none, (), none, failures)


class _Needs(NamedTuple):
    """What a worker needs for a block of runs that differ in policies alone."""

    jobs: tuple[Job, ...]
    replicates: range


class Shelved(NamedTuple):
    """Where finished blocks of runs are kept: a shelf, and the key of each run's parts."""

    shelf: Shelf
    keys: Mapping[str, str]

    def load(self, run: str, block: range) -> Outcome | None:
        """A finished block of a run, where finished blocks are used."""
        part = self.shelf.load(self.keys[run], block) if self.shelf.is_resumed else None
        if part is None:
            return None
        self.shelf.n_found += 1
        return _unpacked(part)

    def save(self, run: str, block: range, outcome: Outcome) -> None:
        """Keep a finished block of a run."""
        self.shelf.save(self.keys[run], block, packed(self.keys[run], _part(block, outcome)))


def simulate_outcomes(
    jobs: Mapping[str, Job | Outcome],
    replicates: range | Mapping[str, range],
    pool: Pool,
    shelved: Shelved | None = None,
) -> dict[str, Outcome]:
    """Run replicates of every job, all in one pool.

    Parameters
    ----------
    jobs : mapping of str to Job or Outcome
        Runs by key; one that could not begin is an outcome already.
    replicates : range, or mapping of str to range
        Which replicates, of all or of each.
    pool : Pool
        Where.
    shelved : Shelved, optional
        Where finished blocks are kept, and taken from.

    Returns
    -------
    dict of str to Outcome
        By key. Neither workers nor the order of jobs change a number.
    """
    wanted = {key: replicates if isinstance(replicates, range) else replicates[key] for key in jobs}
    parts: dict[str, list[tuple[int, Outcome]]] = {}
    families: dict[tuple[int, Timeline, int, tuple[range, ...]], list[str]] = {}
    for key, job in jobs.items():
        if isinstance(job, Outcome):
            parts[key] = [(0, job)]
            continue
        found = {block: shelved and shelved.load(key, block) for block in _blocks(wanted[key])}
        parts[key] = [(block.start, outcome) for block, outcome in found.items() if outcome is not None]
        pool.count_as_done(sum(job.amount(block) for block, outcome in found.items() if outcome is not None))
        missing = tuple(block for block, outcome in found.items() if outcome is None)
        families.setdefault((id(job.world), job.timeline, job.seed, missing), []).append(key)
    places, tasks = _tasks(jobs, families, _TASKS_LEFT * pool.seats)
    for place, answer in pool.run(_run, tasks):
        siblings, block = places[place]
        if isinstance(answer, Lost):
            for key in siblings:
                parts[key].append((block.start, Outcome.failed(answer.reason, block)))
            continue
        for key, outcome in zip(siblings, answer, strict=True):
            parts[key].append((block.start, outcome))
            if shelved is not None:
                shelved.save(key, block, outcome)
    return {
        key: joined([outcome for _, outcome in sorted(found, key=operator.itemgetter(0))])
        for key, found in parts.items()
    }


def _tasks(
    jobs: Mapping[str, Job | Outcome],
    families: Mapping[tuple[int, Timeline, int, tuple[range, ...]], list[str]],
    n_tasks_left: int,
) -> tuple[list[tuple[list[str], range]], list[Task]]:
    """Which runs and block each task is, and the tasks; siblings share what happens before their policies begin."""
    places: list[tuple[list[str], range]] = []
    tasks: list[Task] = []
    left = sum(len(keys) * sum(map(len, blocks)) for (*_, blocks), keys in families.items())
    for (*_, blocks), keys in families.items():
        for block in blocks:
            first = 0
            while first < len(keys):
                siblings = keys[first : first + max(left // (n_tasks_left * len(block)), 1)]
                chosen = tuple(job for key in siblings if not isinstance(job := jobs[key], Outcome))
                places.append((siblings, block))
                tasks.append(Task(_Needs(chosen, block), sum(job.amount(block) for job in chosen), block_name(block)))
                left -= len(siblings) * len(block)
                first += len(siblings)
    return places, tasks


def _blocks(replicates: range) -> list[range]:
    return [replicates[k : k + BLOCK_SIZE] for k in range(0, len(replicates), BLOCK_SIZE)]


def _part(block: range, outcome: Outcome) -> Part:
    """An outcome as a file holds it."""
    sink = io.BytesIO()
    np.savez(sink, replicates=outcome.replicates, table=outcome.table, adoption=outcome.adoption)
    about = {name: getattr(outcome, name) for name in ("quarters", "names", "sectors", "failures")}
    return Part(block, about, {"arrays": sink.getvalue()})


def _unpacked(part: Part) -> Outcome:
    about = part.about
    with np.load(io.BytesIO(part.sections["arrays"]), allow_pickle=False) as arrays:
        return Outcome(
            arrays["replicates"],
            tuple(about["quarters"]),
            tuple(about["names"]),
            arrays["table"],
            tuple(about["sectors"]),
            arrays["adoption"],
            tuple(Failure(*each) for each in about["failures"]),
        )


def lean_job(scenario: Scenario, world: World | None = None) -> Job | Outcome:
    """What runs a scenario with nothing recorded but measures, stocks at the ends of years; or why it cannot begin."""
    try:
        job = prepare(scenario, world=world)
    except AipowerError as error:
        return Outcome.failed(str(error))
    nothing: frozenset[Quarter] = frozenset()
    stocks = stocks_of_years(job.timeline, job.policies)
    lean = replace(job.timeline, firms=nothing, owners=nothing, networks=nothing, stocks=stocks, chronicle=False)
    return job._replace(timeline=lean)


def _run(needs: _Needs, advance: Advance | None) -> list[Outcome]:
    """Run a block of siblings; whatever goes wrong is an outcome too."""
    try:
        recordings = run_branches(needs.jobs, needs.replicates, advance)
    except MemoryError:
        raise  # not the policies' doing: it would pass where there is more memory
    except Exception:  # noqa: BLE001 - a policy of the user may raise anything; the others go on, each by itself
        return [run_alone(job, needs.replicates) for job in needs.jobs]
    return [_kept(each, job.world.sector_names) for each, job in zip(recordings, needs.jobs, strict=True)]


def run_alone(job: Job, replicates: Sequence[int]) -> Outcome:
    """Run a block of one run by itself; whatever goes wrong is an outcome too."""
    try:
        return _kept(run_block(job, replicates), job.world.sector_names)
    except Exception as error:  # noqa: BLE001 - the same
        return Outcome.failed(f"{type(error).__name__}: {error}", replicates)


def _kept(recording: Recording, sectors: tuple[str, ...]) -> Outcome:
    """Yearly values and quarterly adoption of a recording."""
    if not len(recording.replicates):
        return replace(Outcome.failed(""), failures=recording.failures)
    years = yearly(replace(recording, flows={}))
    return Outcome(
        recording.replicates.astype(np.int64),
        years.quarters,
        tuple(years.measures),
        np.stack(list(years.measures.values()), axis=-1),
        sectors,
        np.stack([recording.measures[f"adoption_{sector}"] for sector in sectors], axis=-1),
        recording.failures,
    )


def joined(parts: Sequence[Outcome]) -> Outcome:
    """One outcome from those of several blocks, in order."""
    good = [part for part in parts if len(part.replicates)]
    failures = tuple(dict.fromkeys(failure for part in parts for failure in part.failures))
    if not good:
        return replace(parts[0], failures=failures)
    return replace(
        good[0],
        replicates=np.concatenate([part.replicates for part in good]),
        table=np.concatenate([part.table for part in good]),
        adoption=np.concatenate([part.adoption for part in good]),
        failures=failures,
    )
