"""Replicates in blocks, in this process or in several; what is run where.

Results do not depend on the size of blocks, the number of workers or their order: a replicate's luck is keyed by its
number, and every replicate stops solving its markets by itself.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim import policies
from sim.arrays import Array
from sim.engine import QuarterError, simulate_block, simulate_branches
from sim.errors import FailureError, StoreError, WorldError
from sim.frames import from_bytes, tables_of, to_bytes
from sim.observe import Events, Failure, Recording, yearly
from sim.parameter_sets import ParameterSets, by_set, parameter_sets, set_of_replicate
from sim.parts import Part, Shelf, about_of, gaps, packed
from sim.policies.registry import is_shipped
from sim.pool import Advance, Lost, Pool, Progress, Task
from sim.quarters import QUARTERS_PER_YEAR, Quarter, quarter_range
from sim.recorder import Timeline
from sim.world.build import Mechanisms, World, WorldSpec, build
from sim.world.tables import world_folders

if TYPE_CHECKING:
    import pyarrow as pa

    from sim.policies.levers import Policy
    from sim.scenario import Scenario

BLOCK_SIZE = 100
"""Replicates that share arrays, at most; chosen by the benchmark (docs/performance.md)."""

_FEWEST = 25
"""Replicates of a block below which its worker costs more than it saves."""


class Uncertain(NamedTuple):
    """What decides the parameters of a replicate: four successive ones share a set (``sim.parameter_sets``)."""

    spec: WorldSpec
    sets: ParameterSets

    def world_of(self, replicate: int) -> World:
        """The replicate's world; parameters that the scenario or the user's own table gives stay."""
        number = set_of_replicate(replicate, len(self.sets.sets))
        return build(replace(self.spec, parameters=self.sets.values(number) | dict(self.spec.parameters)))


class Job(NamedTuple):
    """What it takes to run any replicate of a scenario."""

    world: World
    timeline: Timeline
    seed: int
    policies: Sequence[Policy]
    uncertain: Uncertain | None = None
    """How parameters differ from replicate to replicate; None where they do not."""

    def world_of(self, replicate: int) -> World:
        """The world of one replicate, which is everyone's unless parameters are uncertain.

        Raises
        ------
        WorldError
            When the world cannot be built.
        """
        return self.world if self.uncertain is None else self.uncertain.world_of(replicate)

    def task(self, replicates: range) -> Task:
        """One block of it."""
        return Task((self, replicates), self.amount(replicates), block_name(replicates))

    def amount(self, replicates: Sequence[int]) -> int:
        """Replicate-quarters of a block."""
        return len(replicates) * len(self.timeline.quarters)


def block_name(replicates: range) -> str:
    """A block as remarks call it."""
    return f"replicates {replicates.start} to {replicates.stop - 1}"


def simulate(
    scenario: Scenario,
    *,
    replicates: int | None = None,
    seed: int | None = None,
    workers: int = 1,
    executor: Executor | None = None,
    progress: Progress | None = None,
    block_size: int | None = None,
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
    block_size : int, optional
        Replicates in a block; as in ``fair_size`` when left out.

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
    job = prepare(scenario, seed)
    with Pool(workers, executor, progress) as pool:
        blocks = gaps(n_replicates, (), block_size or fair_size(n_replicates, pool))
        parts = {
            place: lost_block(job, blocks[place], answer) if isinstance(answer, Lost) else answer
            for place, answer in pool.run(run_task, [job.task(block) for block in blocks])
        }
    recording = merge([parts[place] for place in range(len(blocks))])
    return yearly(recording) if scenario.record.measures == "yearly" else recording


@dataclass(frozen=True)
class Written:
    """What :func:`write_parts` left on a shelf.

    Attributes
    ----------
    blocks : tuple of range
        Replicates of each block, in order.
    about : dict of range to dict
        Rows of each part's tables, its measures and failures.
    lost : dict of range to Recording
        Blocks that no worker survived; the others are parts.
    """

    blocks: tuple[range, ...]
    about: dict[range, Mapping[str, Any]]
    lost: dict[range, Recording]

    @property
    def lost_replicates(self) -> tuple[int, ...]:
        """Replicates of the lost blocks."""
        return tuple(number for block in self.blocks if block in self.lost for number in block)

    @property
    def failures(self) -> list[Failure]:
        """Every replicate that did not succeed, in order."""
        lost = {block: recording.failures for block, recording in self.lost.items()}
        told = {block: [Failure(*each) for each in about["failures"]] for block, about in self.about.items()}
        return [failure for block in self.blocks for failure in (lost | told)[block]]

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of measures; none where no replicate succeeded."""
        return next((tuple(about["measures"]) for about in self.about.values() if about["measures"]), ())

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each table."""
        counts: Counter[str] = Counter(failures=0)
        for about in self.about.values():
            counts.update(about["rows"])
        counts["failures"] = len(self.failures)
        return dict(counts)

    def tables(self, shelf: Shelf, key: str) -> Iterator[tuple[str, pa.Table]]:
        """Name and rows of each table of each block, in order.

        Raises
        ------
        StoreError
            When a part is gone or damaged meanwhile.
        """
        for block in self.blocks:
            if block in self.lost:
                yield from tables_of(self.lost[block], ["failures"])
                continue
            part = shelf.load(key, block)
            if part is None:
                where = f"{block_name(block)} in {shelf.folder}"
                message = f"{where} are damaged or gone; the same command with --resume computes them again"
                raise StoreError(message)
            yield from ((name, from_bytes(section)) for name, section in part.sections.items())


def write_parts(
    job: Job,
    n_replicates: int,
    shelf: Shelf,
    key: str,
    pool: Pool,
    *,
    is_yearly: bool = False,
    block_size: int | None = None,
) -> Written:
    """Run every replicate that no part holds yet, each block into a part of its own; memory holds one block at a time.

    Parameters
    ----------
    job : Job
    n_replicates : int
        Of the whole run.
    shelf : Shelf
        Where parts are and go.
    key : str
        Of the run's parts.
    pool : Pool
        Where the work is done.
    is_yearly : bool
        Record one value of each measure and flow a year.
    block_size : int, optional
        Replicates in a block; as in ``fair_size`` when left out.
    """
    about = {block: _with_shared_names(each) for block, each in shelf.found(key, n_replicates).items()}
    pool.count_as_done(sum(map(job.amount, about)))
    blocks = gaps(n_replicates, tuple(about), block_size or fair_size(n_replicates, pool))
    in_order = tuple(sorted([*about, *blocks], key=lambda block: block.start))
    tasks = [job.task(block)._replace(needs=(job, block, key, is_yearly)) for block in blocks]
    lost = {}
    for place, answer in pool.run(run_part, tasks):
        if isinstance(answer, Lost):
            lost[blocks[place]] = lost_block(job, blocks[place], answer)
        else:
            shelf.save(key, blocks[place], answer)
            about[blocks[place]] = _with_shared_names(about_of(answer))
    return Written(in_order, about, lost)


def _with_shared_names(about: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is known about a part, with one tuple for the same measures of all parts: 15 kB less for each."""
    return {**about, "measures": _once(tuple(about["measures"]))}


@functools.cache
def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    return names


def run_part(needs: tuple[Job, range, str, bool], advance: Advance | None) -> bytes:
    """Run a block in whatever process this is; the answer is a packed part with its tables."""
    job, replicates, key, is_yearly = needs
    recording = run_block(job, replicates, advance)
    if is_yearly and len(recording.replicates):
        recording = yearly(recording)
    names = None if len(recording.replicates) else ("failures",)
    rows, sections = {}, {}
    for name, table in tables_of(recording, names):
        rows[name], sections[name] = table.num_rows, to_bytes(table)
    about = {"rows": rows, "measures": list(recording.measures), "failures": recording.failures}
    return packed(key, Part(replicates, about, sections))


def fair_size(n_replicates: int, pool: Pool) -> int:
    """Replicates in a block: the most for one worker, fewer where several are to have as many blocks as each other."""
    seats = pool.seats
    if seats == 1:
        return BLOCK_SIZE
    rounds = math.ceil(n_replicates / (BLOCK_SIZE * seats))
    return max(math.ceil(n_replicates / (rounds * seats)), _FEWEST)


def lost_block(job: Job, replicates: range, lost: Lost) -> Recording:
    """What a block is whose workers died: failures, and nothing else."""
    return _nothing(job, [Failure(number, "", lost.reason) for number in replicates])


def prepare(scenario: Scenario, seed: int | None = None, world: World | None = None) -> Job:
    """What it takes to run any replicate of a scenario.

    Parameters
    ----------
    scenario : Scenario
        Validated scenario.
    seed : int, optional
        Instead of the scenario's own.
    world : World, optional
        The scenario's world, where it is built already.

    Raises
    ------
    WorldError
        When the world cannot be built.
    """
    spec, when, built = world_spec(scenario), timeline(scenario), policies.build(scenario.policies)
    if scenario.record.measures == "yearly":
        when = replace(when, stocks=stocks_of_years(when, built))
    return Job(
        world or build(spec),
        when,
        scenario.run.seed if seed is None else seed,
        built,
        Uncertain(spec, parameter_sets(scenario.world.base)) if scenario.uncertainty == "ensemble" else None,
    )


def world_of(scenario: Scenario, replicate: int) -> World:
    """The world of one replicate of a scenario, which is everyone's unless parameters are uncertain.

    Raises
    ------
    WorldError
        When the world cannot be built.
    """
    spec = world_spec(scenario)
    if scenario.uncertainty == "none":
        return build(spec)
    return Uncertain(spec, parameter_sets(scenario.world.base)).world_of(replicate)


def world_spec(scenario: Scenario) -> WorldSpec:
    """What a scenario asks of its world."""
    world, mechanisms = scenario.world, scenario.mechanisms
    return WorldSpec(
        hold=world.hold,
        parameters=scenario.given_parameters(),
        firms=world.firms,
        owners=world.owners,
        makers=world.makers,
        family=scenario.power.family,
        power_table=scenario.power.table or (),
        mechanisms=Mechanisms(**mechanisms.model_dump()),
        knowledge=world.knowledge_network,
        folders=world_folders(world.base),
        tables=world.tables,
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


def stocks_of_years(when: Timeline, in_force: Sequence[Policy]) -> frozenset[Quarter] | None:
    """Quarters whose stocks are needed where a year keeps its last; every one, as None, where a policy may look."""
    return None if any(map(may_look, in_force)) else frozenset({each.year: each for each in when.quarters}.values())


def may_look(policy: object) -> bool:
    """Whether a policy may look at stocks between the ends of years: one with a trigger, or a user's own."""
    return not is_shipped(policy) or getattr(policy, "trigger", None) is not None


def _kept(frequency: str, start: Quarter, end: Quarter) -> frozenset[Quarter]:
    """Quarters of a table: none, all, or each year's last and the horizon's."""
    quarters = quarter_range(start, end)
    if frequency == "none":
        return frozenset()
    if frequency == "quarterly":
        return frozenset(quarters)
    return frozenset(q for q in quarters if q.number == QUARTERS_PER_YEAR or q in (start, end))


def run_task(needs: tuple[Job, range], advance: Advance | None) -> Recording:
    """Run a block in whatever process this is."""
    return run_block(*needs, advance)


def run_branches(jobs: Sequence[Job], replicates: Sequence[int], advance: Advance | None = None) -> list[Recording]:
    """Run a block of jobs that differ in policies alone; what they share until these begin is run once.

    Where something goes wrong, each is run by itself, so that one failure is not everyone's.
    """
    first = jobs[0]
    if first.uncertain is not None:
        return _set_by_set(jobs, replicates, first.uncertain, advance)
    try:
        branches = [job.policies for job in jobs]
        return simulate_branches(
            first.world, first.timeline, first.seed, list(replicates), branches, advance, most_rows=BLOCK_SIZE
        )
    except QuarterError:
        return [run_block(job, replicates) for job in jobs]


def run_block(job: Job, replicates: Sequence[int], advance: Advance | None = None) -> Recording:
    """Run a block; when one replicate fails, find it by halving and keep the others."""
    if job.uncertain is not None:
        return _set_by_set([job], replicates, job.uncertain, advance)[0]
    try:
        return simulate_block(job.world, job.timeline, job.seed, list(replicates), job.policies, advance)
    except QuarterError as error:
        if len(replicates) == 1:
            failure = Failure(replicates[0], str(error.quarter), error.reason)
            return _nothing(job, [failure])
        half = len(replicates) // 2
        return merge([run_block(job, replicates[:half]), run_block(job, replicates[half:])], allow_empty=True)


def _set_by_set(
    jobs: Sequence[Job], replicates: Sequence[int], uncertain: Uncertain, advance: Advance | None
) -> list[Recording]:
    """Run a block whose replicates have different parameters: those of one set together, sets in turn."""
    parts: list[list[Recording]] = []
    for numbers in by_set(replicates, len(uncertain.sets.sets)):
        try:
            world = uncertain.world_of(numbers[0])
        except WorldError as error:
            reasons = [Failure(number, str(jobs[0].timeline.start), str(error)) for number in numbers]
            parts.append([_nothing(job, reasons) for job in jobs])
            continue
        alone = [job._replace(world=world, uncertain=None) for job in jobs]
        parts.append(run_branches(alone, numbers, advance))
    return [merge(branch, allow_empty=True) for branch in zip(*parts, strict=True)]


def _nothing(job: Job, failures: Sequence[Failure]) -> Recording:
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
        failures=tuple(failures),
    )


def all_failed(first: Failure) -> FailureError:
    """The error of a run without a single replicate, given its first failure."""
    when = f", in {first.quarter}" if first.quarter else ""
    return FailureError(
        f"every replicate failed; the first, {first.replicate}{when}: {first.reason}. "
        "Check the parameters that differ from the baseline"
    )


def merge(parts: Sequence[Recording], *, allow_empty: bool = False) -> Recording:
    """One recording from those of several blocks, in order."""
    failures = tuple(failure for part in parts for failure in part.failures)
    good = [part for part in parts if len(part.replicates)]
    if not good:
        if allow_empty:
            return replace(parts[0], failures=failures)
        raise all_failed(failures[0])
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
    events = Events.joined([part.events for part in good])
    return replace(first_part, **joined, networks=networks, replicates=replicates, failures=failures, events=events)
