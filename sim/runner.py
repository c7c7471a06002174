"""From a scenario to a result: simulate, show progress, store."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.result import Actors, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Executor

    from sim.scenario import Scenario


def run(
    scenario: Scenario | str | Path | Mapping[str, Any],
    *,
    replicates: int | None = None,
    seed: int | None = None,
    quarters: int | None = None,
    workers: int = 1,
    executor: Executor | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    figures: bool = True,
    progress: bool = False,
) -> Result:
    """Run a scenario.

    Parameters
    ----------
    scenario : Scenario, str, Path or mapping
        A loaded scenario, or what :func:`sim.load_scenario` accepts.
    replicates, seed, quarters : int, optional
        Replace the scenario's own.
    workers : int
        Processes to use, at least 1.
    executor : optional
        A ``concurrent.futures`` executor (Dask's included) to use instead of own processes.
    out : str or Path, optional
        Folder to store the result in. Where the same result is there already and complete, it is
        returned at once; where another one is, ``<out>-2`` is used, and so on. Finished blocks of replicates are kept
        in ``<out>.unfinished`` while the run lasts, so that memory does not grow and the run can go on later.
    resume : bool
        Take the blocks that an interrupted run left there instead of computing them again.
    figures : bool
        Draw the figures of the folder; a result found there is returned as it is.
    progress : bool
        Show a progress bar with the time left on standard error, if that is a terminal.

    Returns
    -------
    Result

    Raises
    ------
    ScenarioError
        When the scenario is wrong.
    InputError
        When ``workers`` is no whole number of at least 1.
    FailureError
        When every replicate failed; the message gives a reason.
    StoreError
        When the result cannot be written.
    Interrupted
        When the user interrupts it; says what is kept.
    """
    from sim import folders, store
    from sim.scenario import Scenario, load_scenario

    if not isinstance(scenario, Scenario):
        scenario = load_scenario(scenario)
    scenario = scenario.replace(replicates=replicates, seed=seed, quarters=quarters)
    found = folders.found_complete(out, scenario.content_hash(), store.read)
    if found is not None:
        return found
    if out is None:
        return _simulate(scenario, workers, executor, is_shown=progress)
    return _simulate_to_disk(scenario, Path(out), workers, executor, resume=resume, figures=figures, is_shown=progress)


def check_world(scenario: Scenario) -> None:
    """Calibrate the world of a scenario, as a run would at its start.

    Raises
    ------
    WorldError
        When its facts contradict each other, which no single one of them shows.
    """
    from sim.ensemble import world_spec
    from sim.world.build import build

    build(world_spec(scenario))


def _simulate(scenario: Scenario, workers: int, executor: Executor | None, *, is_shown: bool) -> Result:
    """Run all replicates and wrap what was recorded."""
    from sim.ensemble import simulate

    begin = time.perf_counter()
    with progress_bar(scenario.name, is_shown=is_shown) as progress:
        recording = simulate(
            scenario,
            replicates=scenario.run.replicates,
            seed=scenario.run.seed,
            workers=workers,
            executor=executor,
            progress=progress,
        )
    seconds = time.perf_counter() - begin
    return Result.from_recording(scenario, recording, {"simulate": seconds})


def _simulate_to_disk(
    scenario: Scenario,
    out: Path,
    workers: int,
    executor: Executor | None,
    *,
    resume: bool,
    figures: bool,
    is_shown: bool,
) -> Result:
    """Run all replicates block by block into parts, and lay these together in a folder."""
    from sim import folders, parts, store
    from sim.ensemble import all_failed, prepare, write_parts
    from sim.observe import described
    from sim.pool import Pool

    begin = time.perf_counter()
    job = prepare(scenario)
    with progress_bar(scenario.name, is_shown=is_shown) as progress, Pool(workers, executor, progress) as pool:
        identity = pool.identity()
        key = parts.key_of(scenario, "result", identity)
        with parts.shelf(out, [key], resume=resume) as shelf, shelf.kept():
            is_yearly = scenario.record.measures == "yearly"
            written = write_parts(job, scenario.run.replicates, shelf, key, pool, is_yearly=is_yearly)
            if not written.measures:
                shelf.clear(identity)
                raise all_failed(written.failures[0])
            actors = Actors(job.world.firm_names, job.world.owner_names, job.world.maker_names)
            catalogue = {name: described(name) for name in written.measures}
            result = Result(scenario, actors, catalogue, {}, {"simulate": time.perf_counter() - begin})
            result.lost, result.computed_by = written.lost_replicates, identity
            blocks = store.Blocks(written.rows, lambda: written.tables(shelf, key))
            folders.save_beside(result, shelf.base, lambda folder: result.save(folder, figures=figures, blocks=blocks))
            if not written.lost:
                shelf.clear(identity)
    stored = store.read(result.folder or out)
    stored.n_resumed = shelf.n_found
    return stored


_STARTING, _FINISHING = ": starting", ": finishing"


@contextlib.contextmanager
def progress_bar(name: str, *, is_shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Yield a callback ``(done, total)`` that moves a bar on standard error, or None.

    It says that work is starting, since the first run of all compiles. When all is done, it says so and goes on moving
    until the end of the context: tables and figures take a while.
    """
    if not is_shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeLeft())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name + _STARTING, total=None)

        def move(done: int, total: int) -> None:
            stage = _STARTING if done == 0 else _FINISHING if done >= total else ""
            bar.update(task, completed=done, total=None if stage else total, description=name + stage)

        yield move
