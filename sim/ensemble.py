"""Replicates in blocks, in this process or in several; what is run where.

Results do not depend on the size of blocks, the number of workers or their order: a replicate's luck is keyed by its
number, and every replicate stops solving its markets by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim import policies
from sim.arrays import Array
from sim.engine import QuarterError, Timeline, simulate_block, simulate_branches
from sim.errors import FailureError, WorldError
from sim.observe import Failure, Recording, yearly
from sim.parameter_sets import ParameterSets, by_set, parameter_sets, set_of_replicate
from sim.pool import Advance, Pool, Progress, Task
from sim.quarters import QUARTERS_PER_YEAR, Quarter, quarter_range
from sim.world.build import Mechanisms, World, WorldSpec, build
from sim.world.tables import world_folders

if TYPE_CHECKING:
    from sim.policies.levers import Policy
    from sim.scenario import Scenario

BLOCK_SIZE = 25
"""Replicates that share arrays; chosen by the benchmark (docs/performance.md)."""


class Uncertain(NamedTuple):
    """What decides the parameters of a replicate: four successive ones share a set (``sim.parameter_sets``)."""

    spec: WorldSpec
    sets: ParameterSets

    def world_of(self, replicate: int) -> World:
        """The replicate's world; parameters that the scenario chose itself stay."""
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

    def task(self, replicates: range) -> Task:
        """One block of it."""
        return Task((self, replicates), len(replicates) * len(self.timeline.quarters))


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
    job = prepare(scenario, seed)
    tasks = [job.task(range(k, min(k + block_size, n_replicates))) for k in range(0, n_replicates, block_size)]
    with Pool(workers, executor, progress) as pool:
        parts = dict(pool.run(run_task, tasks))
    recording = merge([parts[place] for place in range(len(tasks))])
    return yearly(recording) if scenario.record.measures == "yearly" else recording


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
    spec = world_spec(scenario)
    return Job(
        world or build(spec),
        timeline(scenario),
        scenario.run.seed if seed is None else seed,
        policies.build(scenario.policies),
        Uncertain(spec, parameter_sets(scenario.world.base)) if scenario.uncertainty == "ensemble" else None,
    )


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
        return simulate_branches(first.world, first.timeline, first.seed, list(replicates), branches, advance)
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
            return _nothing(job, failure)
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
            parts.append([merge([_nothing(job, each) for each in reasons], allow_empty=True) for job in jobs])
            continue
        alone = [job._replace(world=world, uncertain=None) for job in jobs]
        parts.append(run_branches(alone, numbers, advance))
    return [merge(branch, allow_empty=True) for branch in zip(*parts, strict=True)]


def _nothing(job: Job, failure: Failure) -> Recording:
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


def merge(parts: Sequence[Recording], *, allow_empty: bool = False) -> Recording:
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
