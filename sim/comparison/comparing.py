"""From scenarios to a comparison: one pool, common luck, replicates added until the answer is narrow enough."""

from __future__ import annotations

import contextlib
import functools
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim import folders, parts
from sim.arguments import listed, plain, whole_number
from sim.comparison import storage
from sim.comparison.comparison import Comparison, Stopping, chosen_horizons, chosen_measures, load_comparison
from sim.comparison.design import Design, design, world_key
from sim.comparison.effects import PAIRED_MEASURES
from sim.comparison.outcomes import Outcome, Shelved, joined, lean_job, simulate_outcomes
from sim.comparison.variants import VARIANT_REPLICATES, robustness_of, variants_of
from sim.ensemble import Job, timeline, world_spec
from sim.errors import FailureError, InputError
from sim.observe import MEASURES, OPTIONAL, SECTOR
from sim.pool import Pool
from sim.runner import progress_bar
from sim.units import counted
from sim.world.tables import population_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor

    from sim.comparison.sweeping import Sweep
    from sim.scenario import Scenario
    from sim.world.build import World

BATCH = 50
"""Replicates added at a time while an interval is too wide, and the fewest that such a run begins with."""

MOST = 2_000
"""Replicates at which adding ends, unless said otherwise."""


def compare(
    baseline: Scenario | str | Path | Mapping[str, Any],
    scenarios: Iterable[Scenario | str | Path | Mapping[str, Any]] | Scenario | Path,
    *,
    replicates: int | None = None,
    seed: int | None = None,
    quarters: int | None = None,
    workers: int = 1,
    executor: Executor | None = None,
    until: Mapping[str, float] | None = None,
    most: int = MOST,
    flywheels: Sequence[float] | float = (),
    families: Sequence[str] | str = (),
    measures: Sequence[str] | str | None = None,
    horizons: Sequence[str | int] | str | int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    figures: bool = True,
    progress: bool = False,
) -> Comparison:
    """Compare scenarios with a baseline on common luck.

    Replicate r of every scenario has the luck of replicate r of the baseline, so that differences are the scenario's
    doing. A scenario that also changes the world is measured against the same world without its policies, and the
    change of world is reported apart (``kind``).

    Parameters
    ----------
    baseline : Scenario, str, Path or mapping
        A loaded scenario, or what :func:`sim.load_scenario` accepts.
    scenarios : the same, or an iterable of them
        With names of their own. All take replicates, seed and horizon of the baseline.
    replicates, seed, quarters : int, optional
        Replace the baseline's own.
    workers : int
        Processes to use, at least 1; one pool for all scenarios. The numbers do not depend on it.
    executor : optional
        A ``concurrent.futures`` executor (Dask's included) to use instead of own processes.
    until : mapping of str to float, optional
        Half-width of the 95% interval that is wanted, by measure, in its unit. Replicates are added in batches of 50,
        from ``replicates`` (50 by default, and at least), until every effect at every horizon is as narrow at two looks
        in a row, or there are ``most``.
    most : int
        Replicates at which adding ends.
    flywheels : sequence of float
        Flywheel elasticities at which the effects are looked at again, such as ``(0.5, 1.0, 1.5)``, as the facts do not
        identify it: see ``Comparison.robustness``. Each costs up to 25 replicates of every run.
    families : sequence of str
        Power families with which they are looked at again; the same.
    measures : sequence of str, optional
        What tables and figures show; the headlines by default.
    horizons : sequence of str or int, optional
        Quarters or years of the effects; 2030 and the last year by default. Here, and wherever several values are
        allowed, one stands for a list of one, and arrays of NumPy and pandas are as good as lists.
    out : str or Path, optional
        Folder to store the comparison in. Where the same is there already and complete, it is returned at once; where
        something else is, ``<out>-2`` is used, and so on. Finished blocks of replicates are kept in
        ``<out>.unfinished`` while it lasts.
    resume : bool
        Take the blocks that an interrupted comparison left there instead of computing them again.
    figures : bool
        Draw the figures of the folder.
    progress : bool
        Show one progress bar for all scenarios on standard error, if that is a terminal.

    Returns
    -------
    Comparison
        Scenarios or replicates that failed are in its ``failures``; the others are reported.

    Raises
    ------
    InputError
        When a scenario, measure or horizon is wrong.
    FailureError
        When every replicate of the baseline, or of all scenarios, failed.
    StoreError
        When the comparison cannot be written.
    Interrupted
        When the user interrupts it; says what is kept.
    """
    from sim.scenario import Scenario, load_scenario

    scenarios = listed(scenarios, Scenario, Mapping)
    flywheels, families = listed(flywheels), listed(families)
    measures, horizons = listed(measures) or None, listed(horizons) or None
    until = until if until is None else {str(measure): plain(width) for measure, width in until.items()}
    most = whole_number("most", most, 1)
    first, *others = [each if isinstance(each, Scenario) else load_scenario(each) for each in (baseline, *scenarios)]
    begin_with = replicates if replicates is not None or until is None else BATCH
    plan = design(first.replace(replicates=begin_with, seed=seed, quarters=quarters), others)
    if until is not None:
        _check_until(plan, until, most)
    check_questions(plan.baseline, [*(measures or ()), *(until or ())], horizons)
    variants = variants_of(plan, flywheels, families)
    asked: dict[str, Any] = {
        "until": until,
        "most": most if until else None,
        "measures": measures,
        "horizons": horizons,
    }
    asked |= {"flywheels": list(flywheels) or None, "families": list(families) or None}
    content_hash = storage.content_hash(plan, asked)
    found = folders.found_complete(out, content_hash, load_comparison)
    if found is not None:
        return found
    begin = time.perf_counter()
    n = plan.baseline.run.replicates
    varied = {key: run for variant in variants for key, run in variant.plan.runs.items() if key not in plan.runs}
    runs = plan.runs | varied
    jobs, beside = make_jobs(plan.runs), make_jobs(varied)
    counts = dict.fromkeys(jobs, range(n)) | dict.fromkeys(beside, range(min(n, VARIANT_REPLICATES)))
    options = {"measures": measures, "horizons": horizons}
    n_runs = len(jobs) + len(beside)
    with (
        progress_bar(counted(n_runs, "run"), is_shown=progress) as shown,
        Pool(workers, executor, shown) as pool,
        shelved(runs, out, pool, resume=resume) as kept,
    ):
        outcomes = simulate_outcomes(jobs | beside, counts, pool, kept)
        _require_some(plan, outcomes)
        made = Comparison(plan, {key: outcomes[key] for key in jobs}, **options)  # type: ignore[arg-type]
        if until is not None:
            extend = functools.partial(simulate_outcomes, jobs, pool=pool, shelved=kept)
            made = _extended(made, plan, extend, dict(until), most, options)
        made.robustness = robustness_of(made, variants, outcomes)
        made.timing["simulate"] = time.perf_counter() - begin
        made.content_hash = content_hash
        settle(made, pool, kept, lambda folder: made.save(folder, figures=figures))
    return made


@contextlib.contextmanager
def shelved(
    runs: Mapping[str, Scenario], out: str | Path | None, pool: Pool, *, resume: bool
) -> Iterator[Shelved | None]:
    """Hold a shelf for finished blocks of these runs, where they are to go to a folder."""
    if out is None:
        yield None
        return
    keys = {key: parts.key_of(run, "outcome", pool.identity()) for key, run in runs.items()}
    with parts.shelf(Path(out), list(keys.values()), resume=resume) as shelf, shelf.kept():
        yield Shelved(shelf, keys)


def settle(made: Comparison | Sweep, pool: Pool, kept: Shelved | None, save: Callable[[Path], object]) -> None:
    """Store what was made beside what is there already; blocks are kept only where some were lost."""
    made.n_lost, made.computed_by = pool.n_lost, pool.identity()
    if kept is None:
        return
    made.n_resumed = kept.shelf.n_found
    folders.save_beside(made, kept.shelf.base, save)
    if not pool.n_lost:
        kept.shelf.clear(pool.identity())


def make_jobs(runs: Mapping[str, Scenario]) -> dict[str, Job | Outcome]:
    """What runs each of some distinct scenarios; equal worlds are built once."""
    worlds: dict[str, World] = {}
    jobs: dict[str, Job | Outcome] = {}
    for key, scenario in runs.items():
        at = world_key(scenario)
        job = lean_job(scenario, worlds.get(at))
        if isinstance(job, Job):
            worlds[at] = job.world
        jobs[key] = job
    return jobs


def check_questions(baseline: Scenario, measures: Sequence[str], horizons: Sequence[str | int] | None) -> None:
    """Refuse unknown measures and horizons before a long run, not after it."""
    spec, when = world_spec(baseline), timeline(baseline)
    sectors = tuple(population_of("sectors", spec.folders, spec.tables))
    names = [*MEASURES, *(OPTIONAL if when.planner else ())]
    known = [name.replace(SECTOR, each) for name in names for each in (sectors if SECTOR in name else ("",))]
    chosen_measures([*known, *PAIRED_MEASURES], measures)
    years = {quarter.year: str(quarter) for quarter in when.quarters}
    chosen_horizons(list(years.values()), horizons)


def _require_some(plan: Design, outcomes: Mapping[str, Outcome]) -> None:
    """Refuse to go on without a single pair."""
    base = next(iter(outcomes.values()))
    pairs = [
        set(outcomes[c.run].replicates.tolist()) & set(outcomes[c.reference].replicates.tolist())
        for c in plan.contrasts
    ]
    if any(pairs):
        return
    broken = base if not len(base.replicates) else next(o for o in outcomes.values() if o.failures)
    what = f"the baseline {plan.baseline.name}" if broken is base else "every scenario"
    message = f"every replicate of {what} failed; the first: {broken.failures[0].reason}"
    raise FailureError(message)


def _check_until(plan: Design, until: Mapping[str, object], most: int) -> None:
    n = plan.baseline.run.replicates
    for measure, width in until.items():
        if not isinstance(width, int | float) or not 0.0 < width < math.inf:
            message = f"--until {measure}={width}: the half-width wanted must be above 0, and finite; try {measure}=50"
            raise InputError(message)
    if n < BATCH:
        message = (
            f"a run that adds replicates begins with at least {BATCH}, as intervals from fewer are too often wrong when"
            f" one may stop early; {n} were asked for; try --replicates {BATCH}, or leave it out"
        )
        raise InputError(message)
    if most < n:
        message = f"the most replicates ({most}) are fewer than those to begin with ({n}); allow at least {n}"
        raise InputError(message)


def _extended(
    made: Comparison,
    plan: Design,
    extend: Callable[[range], dict[str, Outcome]],
    until: dict[str, float],
    most: int,
    options: dict[str, Any],
) -> Comparison:
    """Add batches until every interval is narrow enough at two looks in a row."""
    n = plan.baseline.run.replicates
    was_narrow = False
    while True:
        widest = made.widest(list(until))
        is_narrow = all(widest[measure] <= width for measure, width in until.items())
        if (is_narrow and was_narrow) or n >= most:
            break
        was_narrow = is_narrow
        added = min(BATCH, most - n)
        more = extend(range(n, n + added))
        n += added
        outcomes = {key: joined([made.outcomes[key], more[key]]) for key in made.outcomes}
        made = Comparison(plan, outcomes, **options)
    made.stopping = Stopping(until, is_narrow and was_narrow, widest, n)
    return made
