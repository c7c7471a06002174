"""Many replicates of a scenario, of which only chosen numbers are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sim.arrays import Array
from sim.ensemble import BLOCK_SIZE, Job, merge, prepare, run_block
from sim.experiment.targets import FIT_END
from sim.observe import Recording
from sim.pool import Pool, Task
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
    job = job._replace(timeline=replace(job.timeline, firms=kept, owners=kept, networks=frozenset(), indices=kept))
    n = scenario.run.replicates
    blocks = [range(k, min(k + BLOCK_SIZE, n)) for k in range(0, n, BLOCK_SIZE)]
    tasks = [Task(_Needs(job, block, reduce), len(block) * len(job.timeline.quarters)) for block in blocks]
    parts = dict(pool.run(_reduced, tasks))
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


def variance_parts(values: Array, sets: Sequence[int]) -> tuple[Array, Array]:
    """Variance from luck and from parameters, ``[...]``, of values ``[replicate, ...]`` of which ``sets`` says whose.

    One-way analysis of variance with random effects: luck is the mean square within sets, parameters what the mean
    square between sets exceeds it by, over the replicates of a set (law of total variance; Searle, Casella and
    McCulloch 1992, *Variance Components*, 3.6).

    Examples
    --------
    >>> variance_parts(np.array([1.0, 3.0, 11.0, 13.0]), [0, 0, 1, 1])
    (array(2.), array(49.))
    """
    labels = np.asarray(sets)
    names, counts = np.unique(labels, return_counts=True)
    means = np.stack([values[labels == name].mean(axis=0) for name in names])
    within = sum((((values[labels == name] - mean) ** 2).sum(axis=0) for name, mean in zip(names, means, strict=True)))
    n, k = len(labels), len(names)
    shape = (k, *[1] * (values.ndim - 1))
    between = (counts.reshape(shape) * (means - values.mean(axis=0)) ** 2).sum(axis=0) / max(k - 1, 1)
    luck = np.asarray(within / max(n - k, 1))
    per_set = (n - (counts**2).sum() / n) / max(k - 1, 1)
    return luck, np.asarray(np.maximum(between - luck, 0.0) / max(per_set, 1.0))
