"""The whole engine at several sizes: replicates, firms and workers; and whole runs, from a scenario to a folder."""

from __future__ import annotations

import resource
import tempfile
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import sim
from measuring.alone import peak, processor
from sim.ensemble import Job, fair_size, prepare, run_task
from sim.parts import gaps
from sim.pool import Pool
from sim.scenario import Scenario

QUARTERS = 4
"""Of worlds of many firms."""

TO_A_FOLDER = "baseline, to a folder"
"""The world of a run that records and writes what ``aipower run baseline`` does, but for figures."""

_NO_TABLES = {"firms": "none", "owners": "none", "networks": []}


class Run(NamedTuple):
    """What a run cost.

    ``seconds`` are those on the clock, ``processor`` and ``own`` those of all processes and of the first one alone, all
    without building the world, which takes ``building`` of the processor; ``peak`` is the most bytes that a process held.
    """

    world: str
    firms: int
    replicates: int
    workers: int
    firm_quarters: float
    seconds: float
    processor: float
    own: float
    building: float
    peak: int

    @property
    def cost(self) -> float:
        """Processor time of a firm and quarter, us."""
        return self.processor / self.firm_quarters * 1e6

    @property
    def quiet(self) -> float:
        """Seconds on the clock of a machine that does nothing else, by processor times."""
        return self.own + (self.processor - self.own) / self.workers


def scenario_of(world: str, n_firms: int) -> Scenario:
    """The baseline, or a world with as many small firms as wanted, which together are as large as few; without tables.

    ``stylised`` is the world ``symmetric``, one sector and one cloud, with firms of log-normal size; ``2024`` has the
    baseline's owners and sectors. Without room for entrants but what measures need.
    """
    if world in ("baseline", TO_A_FOLDER):
        return sim.load_scenario({"extends": "baseline", "name": "baseline-without-tables", "record": _NO_TABLES})
    base, many = {
        "stylised": (
            "symmetric",
            {"small_firm_compute": 45.0, "small_firm_revenue": 1.2, "small_firm_dispersion": 1.0},
        ),
        "2024": ("world_2024", {"small_firm_compute": 15.0, "small_firm_revenue": 0.6}),
    }[world]
    parameters = {name: value if "dispersion" in name else value / n_firms for name, value in many.items()}
    counts = {"small_firms_initial": n_firms, "entry_slots": 32, "small_firm_fixed_cost": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so many firms are outside the plausible range
        scenario = sim.load_scenario({"world": {"base": base, "parameters": counts | parameters}, "record": _NO_TABLES})
        return scenario.replace(quarters=QUARTERS)


def measured(world: str, n_firms: int, replicates: int, workers: int) -> Run:
    """One run in this process, which should be a new one, and, if there are several workers, in theirs."""
    first = prepare(scenario_of("baseline", 0).replace(quarters=1))
    run_task((first, range(1)), None)  # compiles what is not compiled yet
    before = processor()
    job = prepare(scenario_of(world, n_firms))
    building = processor() - before
    begin, own, others = time.perf_counter(), processor(), processor(resource.RUSAGE_CHILDREN)
    firm_quarters = _stored(replicates, workers) if world == TO_A_FOLDER else _simulated(job, replicates, workers)
    own, others = processor() - own, processor(resource.RUSAGE_CHILDREN) - others
    seconds = time.perf_counter() - begin
    firms = round(firm_quarters / replicates / len(job.timeline.quarters))
    return Run(world, firms, replicates, workers, firm_quarters, seconds, own + others, own, building, peak())


def _simulated(job: Job, replicates: int, workers: int) -> float:
    """Run every replicate, keeping nothing; firms and quarters simulated."""
    n_firms = 0.0
    with Pool(workers) as pool:
        blocks = gaps(replicates, (), fair_size(replicates, pool))
        for _, answer in pool.run(run_task, [job.task(block) for block in blocks]):
            n_firms += float(answer.measures["n_firms"].sum())
    return n_firms


def _stored(replicates: int, workers: int) -> float:
    """Run the baseline to a folder; firms and quarters simulated."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        run = sim.run("baseline", replicates=replicates, workers=workers, out=out, figures=False)
        return sum(float(piece["n_firms"].sum()) for piece in run.pieces("measures", ["n_firms"]))
