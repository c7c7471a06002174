"""Many replicates of a scenario, of which only chosen numbers are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sim.arrays import Array
from sim.ensemble import Job, fair_size, lost_block, merge, prepare, run_block
from sim.experiment.targets import FIT_END
from sim.observe import Recording
from sim.parts import gaps
from sim.pool import Lost, Pool
from sim.quarters import QUARTERS_PER_YEAR, Quarter

if TYPE_CHECKING:
    from sim.pool import Advance
    from sim.scenario import Scenario

Reduce = Callable[[Recording], dict[str, Array]]
"""From a recording to arrays ``[replicate, ...]`` by name; a function of a module."""


class _Needs(NamedTuple):
    job: Job
    replicates: range
    reduce: Reduce


def sample(scenario: Scenario, reduce: Reduce, pool: Pool) -> tuple[Array, dict[str, Array]]:
    """Run a scenario, keeping firms and owners each quarter of 2024 and at the ends of later years.

    Parameters
    ----------
    scenario : Scenario
    reduce : callable
        What is kept of each block.
    pool : Pool

    Returns
    -------
    replicates : array [replicate]
        Numbers of those that succeeded.
    kept : dict of str to array [replicate, ...]

    Raises
    ------
    FailureError
        When no replicate succeeded.
    """
    job = prepare(scenario)
    kept = frozenset(q for q in job.timeline.quarters if q.number == QUARTERS_PER_YEAR or q <= Quarter.parse(FIT_END))
    kept_only = replace(job.timeline, firms=kept, owners=kept, networks=frozenset(), stocks=kept, chronicle=False)
    job = job._replace(timeline=kept_only)
    n = scenario.run.replicates
    blocks = gaps(n, (), fair_size(n, pool))
    tasks = [job.task(block)._replace(needs=_Needs(job, block, reduce)) for block in blocks]
    parts = {
        place: lost_block(job, blocks[place], answer) if isinstance(answer, Lost) else answer
        for place, answer in pool.run(_reduced, tasks)
    }
    good = [part for _, part in sorted(parts.items()) if isinstance(part, dict)]
    if not good:
        merge([part for part in parts.values() if isinstance(part, Recording)])  # raises, saying why
    joined = {name: np.concatenate([part[name] for part in good]) for name in good[0]}
    return joined.pop(_NUMBERS).astype(int), joined


_NUMBERS = "replicates"


def _reduced(needs: _Needs, advance: Advance | None) -> dict[str, Array] | Recording:
    recording = run_block(needs.job, needs.replicates, advance)
    if not len(recording.replicates):
        return recording
    return {_NUMBERS: recording.replicates, **needs.reduce(recording)}
