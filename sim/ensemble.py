"""Replicates in blocks, in this process or in several; what is run where.

Results do not depend on the size of blocks, the number of workers or their order: a replicate's luck is keyed by its
number, and every replicate stops solving its markets by itself.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim.arrays import Array
from sim.engine import QuarterError, Timeline, simulate_block
from sim.errors import FailureError
from sim.observe import Failure, Recording, yearly
from sim.quarters import QUARTERS_PER_YEAR, Quarter, quarter_range
from sim.world.build import Mechanisms, World, WorldSpec, build
from sim.world.tables import world_folders

if TYPE_CHECKING:
    from sim.policies.levers import Policy
    from sim.scenario import Scenario

BLOCK_SIZE = 25
"""Replicates that share arrays; chosen by the benchmark (docs/performance.md)."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h>
_KEPT_BYTES = 1 << 30
_WATCH_SECONDS = 0.2
_LARGEST_MMAP_THRESHOLD = 1 << 25

Progress = Callable[[int, int], None]


class _Job(NamedTuple):
    """What a worker needs."""

    world: World
    timeline: Timeline
    seed: int
    policies: Sequence[Policy]


def simulate(
    scenario: Scenario,
    *,
    replicates: int | None = None,
    seed: int | None = None,
    workers: int = 1,
    executor: Executor | None = None,
    progress: Progress | None = None,
    block_size: int = BLOCK_SIZE,
) -> Recording:
    """Run every replicate of a scenario.

    Parameters
    ----------
    scenario : Scenario
        Validated scenario.
    replicates, seed : int, optional
        Instead of the scenario's own.
    workers : int
        Processes; 1 runs in this one.
    executor : concurrent.futures.Executor, optional
        Runs the blocks instead of ``workers`` processes, for example a cluster's.
    progress : callable, optional
        Told replicate-quarters done and in all.
    block_size : int
        Replicates in a block.

    Returns
    -------
    Recording
        Replicates in order; those that failed are listed in ``failures``.

    Raises
    ------
    FailureError
        When no replicate succeeded.
    WorldError
        When the world cannot be built.
    """
    n_replicates = scenario.run.replicates if replicates is None else replicates
    keep_freed_memory()
    job = _Job(
        build(world_spec(scenario)),
        timeline(scenario),
        scenario.run.seed if seed is None else seed,
        (),
    )
    blocks = [range(k, min(k + block_size, n_replicates)) for k in range(0, n_replicates, block_size)]
    total = n_replicates * len(job.timeline.quarters)
    meter = _Meter(progress, total)
    if executor is not None:
        parts = _elsewhere(job, blocks, executor, meter)
    elif workers == 1 or len(blocks) == 1:
        parts = list(_here(job, blocks, meter))
    else:
        parts = _in_processes(job, blocks, min(workers, len(blocks)), meter)
    recording = _merge(parts)
    return yearly(recording) if scenario.record.measures == "yearly" else recording


def world_spec(scenario: Scenario) -> WorldSpec:
    """What a scenario asks of its world."""
    world, mechanisms = scenario.world, scenario.mechanisms
    return WorldSpec(
        hold=world.hold,
        parameters=scenario.changed_parameters(),
        firms=world.firms,
        owners=world.owners,
        makers=world.makers,
        family=scenario.power.family,
        power_table=scenario.power.table or (),
        mechanisms=Mechanisms(**mechanisms.model_dump()),
        knowledge=world.knowledge_network,
        folders=world_folders(world.base),
    )


def timeline(scenario: Scenario) -> Timeline:
    """Which quarters a scenario runs and records."""
    start, end = Quarter.parse(scenario.horizon.start), Quarter.parse(scenario.horizon.end)
    record = scenario.record
    return Timeline(
        start=start,
        end=end,
        firms=_kept(record.firms, start, end),
        owners=_kept(record.owners, start, end),
        networks=frozenset(Quarter.parse(quarter) for quarter in record.networks),
        planner=_kept(record.planner, start, end),
    )


def _kept(frequency: str, start: Quarter, end: Quarter) -> frozenset[Quarter]:
    """Quarters of a table: none, all, or each year's last and the horizon's."""
    quarters = quarter_range(start, end)
    if frequency == "none":
        return frozenset()
    if frequency == "quarterly":
        return frozenset(quarters)
    return frozenset(q for q in quarters if q.number == QUARTERS_PER_YEAR or q in (start, end))


class _Meter:
    """Adds up what is done and tells the user."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress = progress
        self.total = total
        self.done = 0

        self.show(0)

    def show(self, done: int) -> None:
        self.done = done
        if self.progress is not None:
            self.progress(done, self.total)

    def advance(self, amount: int) -> None:
        self.show(self.done + amount)


def _here(job: _Job, blocks: Sequence[range], meter: _Meter) -> Iterator[Recording]:
    for block in blocks:
        yield run_block(job, block, meter.advance)


def _in_processes(job: _Job, blocks: Sequence[range], workers: int, meter: _Meter) -> list[Recording]:
    """Run blocks in processes of our own, which count replicate-quarters as they go."""
    context = get_context("spawn")
    counter = context.Value("q", 0)
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(_WATCH_SECONDS):
            meter.show(counter.value)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    silent = _Meter(None, meter.total)
    try:
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(counter,)) as pool:
            return _elsewhere(job, blocks, pool, silent, _run_counted)
    finally:
        stop.set()
        watcher.join()
        meter.show(counter.value)


_COUNTER: list[Any] = []
"""In a worker, the count of replicate-quarters that it shares with its siblings."""


def _start_worker(counter: Any) -> None:  # noqa: ANN401  multiprocessing keeps the type to itself
    _COUNTER.append(counter)
    keep_freed_memory()


def _run_counted(job: _Job, replicates: Sequence[int]) -> Recording:
    def count(amount: int) -> None:
        with _COUNTER[0].get_lock():
            _COUNTER[0].value += amount

    return run_block(job, replicates, count)


def _elsewhere(
    job: _Job,
    blocks: Sequence[range],
    executor: Executor,
    meter: _Meter,
    work: Callable[[_Job, Sequence[int]], Recording] | None = None,
) -> list[Recording]:
    """Run blocks in other processes; those a killed worker took with it are run here."""
    n_quarters = len(job.timeline.quarters)
    futures: dict[Future[Recording], range] = {}
    parts: dict[range, Recording] = {}
    try:
        futures = {executor.submit(work or run_block, job, block): block for block in blocks}
        for future in as_completed(futures):
            parts[futures[future]] = future.result()
            meter.advance(len(futures[future]) * n_quarters)
    except BrokenProcessPool:
        lost = [block for block in blocks if block not in parts]
        parts.update(zip(lost, _here(job, lost, meter), strict=True))
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    return [parts[block] for block in blocks]


def keep_freed_memory() -> None:
    """Ask the GNU C library to keep freed arrays for the next ones instead of handing them back each time.

    Handing back costs a page fault for every page of every temporary array. Elsewhere this does nothing.
    """
    if platform.libc_ver()[0] == "glibc":
        import ctypes

        library = ctypes.CDLL(None)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)


def run_block(job: _Job, replicates: Sequence[int], advance: Callable[[int], None] | None = None) -> Recording:
    """Run a block; when one replicate fails, find it by halving and keep the others."""
    try:
        return simulate_block(job.world, job.timeline, job.seed, list(replicates), job.policies, advance)
    except QuarterError as error:
        if len(replicates) == 1:
            failure = Failure(replicates[0], str(error.quarter), error.reason)
            return _nothing(job, failure)
        half = len(replicates) // 2
        return _merge([run_block(job, replicates[:half]), run_block(job, replicates[half:])], allow_empty=True)


def _nothing(job: _Job, failure: Failure) -> Recording:
    return Recording(
        replicates=np.array([], dtype=np.int64),
        quarters=tuple(str(quarter) for quarter in job.timeline.quarters),
        measures={},
        flows={},
        firms={},
        firm_quarters=(),
        owners={},
        makers={},
        owner_quarters=(),
        firm_names=job.world.firm_names,
        owner_names=job.world.owner_names,
        maker_names=job.world.maker_names,
        networks={},
        failures=(failure,),
    )


def _merge(parts: Sequence[Recording], *, allow_empty: bool = False) -> Recording:
    """One recording from those of several blocks, in order."""
    failures = tuple(failure for part in parts for failure in part.failures)
    good = [part for part in parts if len(part.replicates)]
    if not good:
        if allow_empty:
            return replace(parts[0], failures=failures)
        first = failures[0]
        message = (
            f"every replicate failed; the first, {first.replicate}, in {first.quarter}: {first.reason}. "
            "Check the parameters that differ from the baseline"
        )
        raise FailureError(message)
    first_part = good[0]
    joined: dict[str, Any] = {
        name: {key: np.concatenate([getattr(part, name)[key] for part in good]) for key in getattr(first_part, name)}
        for name in ("measures", "flows", "firms", "owners", "makers")
    }
    networks = {
        quarter: {key: np.concatenate([part.networks[quarter][key] for part in good]) for key in layers}
        for quarter, layers in first_part.networks.items()
    }
    replicates: Array = np.concatenate([part.replicates for part in good])
    events = tuple(event for part in good for event in part.events)
    return replace(first_part, **joined, networks=networks, replicates=replicates, failures=failures, events=events)
