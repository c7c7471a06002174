"""A grid of scenarios on common luck: one key, or several, over a range of values."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim import folders, manifests, store
from sim.arguments import listed
from sim.comparison.axes import Axes, Value, axes_of, cell_of
from sim.comparison.comparing import check_questions, make_jobs, settle, shelved
from sim.comparison.comparison import chosen_horizons, chosen_measures
from sim.comparison.design import Contrast, key_of
from sim.comparison.effects import effects_of, pairs_of
from sim.comparison.outcomes import Outcome, simulate_outcomes
from sim.comparison.statistics import paired
from sim.comparison.worlds import Worlds, n_sets_of
from sim.errors import FailureError, ResultError
from sim.identity import origin
from sim.pool import Pool
from sim.runner import progress_bar
from sim.table_files import read_table
from sim.units import counted

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import pandas as pd
    from matplotlib.figure import Figure

    from sim.scenario import Scenario
    from sim.world.build import World

AS_GIVEN, WITHOUT = "as given", "without policies"
"""What effects are measured against."""
DRAWN_AXES = 2
"""Axes that can be drawn."""


class Sweep:
    """Outcomes of a grid of scenarios.

    Made by :func:`sim.sweep` or :func:`sim.load_sweep`, never by hand.

    Attributes
    ----------
    scenario : Scenario
        What the cells differ from.
    axes : dict of str to tuple
        Values by key, such as ``world.parameters.flywheel``.
    against : str
        What effects are measured against: each cell without its policies, or the scenario as given.
    table : pandas.DataFrame
        One row for each cell, measure and horizon: a column for each axis; measure, horizon, unit; the mean and its
        95% interval, the 5-95% range over replicates; the paired effect with 90% and 95% intervals and verdict; n.
    failures : pandas.DataFrame
        Cell, replicate, quarter and reason.
    measures, horizons : tuple of str
        What is shown.
    timing : dict of str to float
        Seconds spent, by stage.
    content_hash : str
        SHA-256 (hex) of scenario, axes and options.
    folder : pathlib.Path or None
        Where the sweep is stored, if it is.
    manifest : dict
        Contents of ``manifest.json``; empty while it is not stored.
    is_reused : bool
        Whether this was found complete on disk instead of being computed.
    n_resumed, n_lost : int
        Blocks of replicates taken from an interrupted sweep, and blocks that no worker survived.
    computed_by : mapping or None
        Code, libraries and CPU level of the workers that computed it.
    """

    def __init__(
        self,
        scenario: Scenario,
        axes: Mapping[str, tuple[Value, ...]],
        against: str,
        table: pd.DataFrame,
        failures: pd.DataFrame,
        measures: tuple[str, ...],
        horizons: tuple[str, ...],
        timing: Mapping[str, float] | None = None,
    ) -> None:
        self.scenario = scenario
        self.axes = dict(axes)
        self.against = against
        self.table = table
        self.failures = failures
        self.measures = measures
        self.horizons = horizons
        self.timing = dict(timing or {})
        self.content_hash = ""
        self.folder: Path | None = None
        self.manifest: dict[str, Any] = {}
        self.is_reused = False
        self.n_resumed = self.n_lost = 0
        self.computed_by: Mapping[str, Any] | None = None

    def grid(self, measure: str, horizon: str | int | None = None, column: str = "mean") -> pd.DataFrame:
        """Values over the first axis (rows) and, where there are two, the second (columns).

        Parameters
        ----------
        measure : str
        horizon : str or int, optional
            A quarter or year of ``horizons``; the last by default.
        column : str
            Column of ``table``, such as mean, effect or verdict.

        Raises
        ------
        ResultError
            When the sweep has more than two axes, or no such measure, horizon or column.
        """
        if len(self.axes) > DRAWN_AXES:
            message = f"a grid has one or two axes and this sweep has {len(self.axes)}; select rows of .table instead"
            raise ResultError(message)
        rows = self._rows(measure, horizon)
        if column not in rows:
            message = f"the table has no column {column!r}; it has {', '.join(rows.columns)}"
            raise ResultError(message)
        paths = list(self.axes)
        if len(paths) == 1:
            return rows.set_index(paths[0])[[column]]
        flat = rows.set_index(paths)[column].unstack(sort=False)  # noqa: PD010 - pivot would sort the axes
        return flat.reindex(index=list(self.axes[paths[0]]), columns=list(self.axes[paths[1]]))

    def quarter(self, horizon: str | int | None = None) -> str:
        """The quarter of ``horizons`` that a quarter or year stands for; the last by default."""
        return self.horizons[-1] if horizon is None else chosen_horizons(self.horizons, [horizon])[0]

    def _rows(self, measure: str, horizon: str | int | None) -> pd.DataFrame:
        at = self.quarter(horizon)
        chosen_measures(tuple(dict.fromkeys(self.table["measure"])), [measure])
        return self.table[(self.table["measure"] == measure) & (self.table["horizon"] == at)]

    def plot(self, measure: str | None = None, horizon: str | int | None = None) -> Figure:
        """Draw curves over one axis, or a heat map over two.

        Parameters
        ----------
        measure : str, optional
            Of the heat map; HHI of revenue by default. Curves show several measures unless one is named.
        horizon : str or int, optional
            The last by default.

        Raises
        ------
        ResultError
            When there are more than two axes, or no such measure or horizon.
        """
        from sim.report.figures.sweeps import sweep_figure

        return sweep_figure(self, measure, horizon)

    def save(self, folder: str | Path, *, figures: bool = True) -> Path:
        """Write table, scenario, figure and manifest to a new folder.

        Raises
        ------
        StoreError
            When the folder exists already or cannot be written; nothing is left behind.
        """
        folder = Path(folder).absolute()
        self.manifest = folders.write_folder(folder, lambda draft: self._fill(draft, figures=figures))
        self.folder = folder
        return folder

    def _fill(self, draft: Path, *, figures: bool) -> dict[str, Any]:
        (draft / store.RESOLVED_SCENARIO).write_text(self.scenario.to_yaml(), encoding="utf-8")
        self.table.to_csv(draft / "table.csv", index=False, lineterminator="\n")
        as_text = {path: self.table[path].astype(str) for path in self.axes}
        self.table.assign(**as_text).to_parquet(draft / "table.parquet", compression="zstd", index=False)
        self.failures.to_parquet(draft / "failures.parquet", index=False)
        if figures and len(self.axes) <= DRAWN_AXES:
            from sim.report import style

            (draft / "figures").mkdir()
            style.save(self.plot(), draft / "figures", "sweep")
        return {
            "format": manifests.SWEEP,
            "schema": manifests.SCHEMA,
            **origin(self.computed_by),
            "name": self.scenario.name,
            "content_hash": self.content_hash,
            "seed": self.scenario.run.seed,
            "replicates": self.scenario.run.replicates,
            "axes": {path: list(values) for path, values in self.axes.items()},
            "against": self.against,
            "measures": list(self.measures),
            "horizons": list(self.horizons),
            "n_failed": len(self.failures),
            "lost": self.n_lost,
            "timing_seconds": {name: round(value, 3) for name, value in self.timing.items()},
            "rows": {"table": len(self.table), "failures": len(self.failures)},
        }

    def __repr__(self) -> str:
        sizes = " x ".join(f"{path} ({len(values)})" for path, values in self.axes.items())
        where = f", folder={str(self.folder)!r}" if self.folder is not None else ""
        return f"Sweep({self.scenario.name!r}, {sizes}, {counted(self.scenario.run.replicates, 'replicate')}{where})"


def sweep(
    scenario: Scenario | str | Path | Mapping[str, Any],
    over: Axes | Sequence[str],
    *,
    replicates: int | None = None,
    seed: int | None = None,
    quarters: int | None = None,
    workers: int = 1,
    executor: Executor | None = None,
    measures: Sequence[str] | str | None = None,
    horizons: Sequence[str | int] | str | int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    figures: bool = True,
    progress: bool = False,
) -> Sweep:
    """Run a scenario over a grid of values, all on common luck.

    Parameters
    ----------
    scenario : Scenario, str, Path or mapping
        A loaded scenario, or what :func:`sim.load_scenario` accepts.
    over : mapping or sequence of str
        Values by key, as in ``{"world.parameters.flywheel": [0.5, 1.0, 1.5]}``, or texts ``"path=1,2,3"`` or
        ``"path=low:high:n"`` (n values, evenly spaced). A policy of the scenario is named:
        ``policies.training_cap.flop``.
    replicates, seed, quarters : int, optional
        Replace the scenario's own.
    workers, executor
        As for :func:`sim.run`; one pool for the whole grid.
    measures, horizons : sequence, optional
        What is shown; headlines, and 2030 and the last year, by default. The table holds every measure. Here as in
        ``over``, one value stands for a list of one, and arrays of NumPy and pandas are as good as lists.
    out : str or Path, optional
        Folder to store the sweep in; used as by :func:`sim.run`.
    resume : bool
        Take the blocks that an interrupted sweep left instead of computing them again.
    figures : bool
        Draw the figure of the folder.
    progress : bool
        Show a progress bar on standard error, if that is a terminal.

    Returns
    -------
    Sweep
        Effects are those of the scenario's policies in each cell, where it has any, else against the scenario as given.

    Raises
    ------
    InputError
        When a key, value, measure or horizon is wrong.
    FailureError
        When every replicate of every cell failed.
    """
    from sim.scenario import Scenario, load_scenario
    from sim.scenario.load import warn

    measures, horizons = listed(measures) or None, listed(horizons) or None
    given = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
    given = given.replace(replicates=replicates, seed=seed, quarters=quarters)
    check_questions(given, measures or (), horizons)
    axes = axes_of(over)
    places = itertools.product(*axes.values())
    made_of = {place: cell_of(given, dict(zip(axes, place, strict=True))) for place in places}
    cells = {place: cell for place, (cell, _) in made_of.items()}
    warn((remark for _, remarks in made_of.values() for remark in remarks), stacklevel=3)
    options = {"axes": {k: list(v) for k, v in axes.items()}, "measures": measures, "horizons": horizons}
    content_hash = manifests.hash_of([given.content_hash(), {key: value for key, value in options.items() if value}])
    found = folders.found_complete(out, content_hash, load_sweep)
    if found is not None:
        return found
    begin = time.perf_counter()
    against = WITHOUT if given.policies else AS_GIVEN
    references = {
        place: cell.model_copy(update={"policies": ()}) if given.policies else given for place, cell in cells.items()
    }
    runs = {key_of(each): each for each in (*cells.values(), *references.values())}
    with (
        progress_bar(counted(len(runs), "run"), is_shown=progress) as shown,
        Pool(workers, executor, shown) as pool,
        shelved(runs, out, pool, resume=resume) as kept,
    ):
        jobs = make_jobs(runs)
        outcomes = simulate_outcomes(jobs, range(given.run.replicates), pool, kept)
        table, failures, chosen = _table(given, axes, cells, references, outcomes, against, horizons)
        names = tuple(dict.fromkeys(table["measure"]))
        made = Sweep(given, axes, against, table, failures, chosen_measures(names, measures), chosen)
        made.timing["simulate"] = time.perf_counter() - begin
        made.content_hash = content_hash
        settle(made, pool, kept, lambda folder: made.save(folder, figures=figures))
    return made


def _table(
    given: Scenario,
    axes: dict[str, tuple[Value, ...]],
    cells: Mapping[tuple[Value, ...], Scenario],
    references: Mapping[tuple[Value, ...], Scenario],
    outcomes: Mapping[str, Outcome],
    against: str,
    horizons: Sequence[str | int] | None,
) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, ...]]:
    """Lay out every cell against its reference: the table, failures, and the quarters chosen."""
    import pandas as pd

    good = [outcome for outcome in outcomes.values() if len(outcome.replicates)]
    if not good:
        reason = next(iter(outcomes.values())).failures[0].reason
        message = f"every replicate of every cell failed; the first: {reason}"
        raise FailureError(message)
    quarters = chosen_horizons(good[0].quarters, horizons)
    worlds = Worlds()
    parts = []
    for place, cell in cells.items():
        run, reference = outcomes[key_of(cell)], outcomes[key_of(references[place])]
        if not len(np.intersect1d(run.replicates, reference.replicates)):
            continue
        pairs = pairs_of(run, reference, partial(_worlds_of, worlds, cell, references[place]), n_sets_of(given))
        rows = effects_of(Contrast(cell.name, "policy", "", "", against), pairs, quarters)
        rows = rows.rename(columns={"scenario_mean": "mean"})
        years = [pairs.quarters.index(quarter) for quarter in quarters]
        singles = pairs.scenario if pairs.singles is None else pairs.singles
        spread = _spread(*(values[:, years].reshape(len(values), -1) for values in (pairs.scenario, singles)))
        parts.append(pd.concat([_places(axes, place, len(rows)), rows[_KEYS], spread, rows[_EFFECTS]], axis=1))
    table = pd.concat(parts, ignore_index=True)
    failures = pd.DataFrame(
        [
            (_text(axes, place), *failure)
            for place, cell in cells.items()
            for failure in outcomes[key_of(cell)].failures
        ],
        columns=["cell", "replicate", "quarter", "reason"],
    ).astype({"replicate": "int64"})
    return table, failures, quarters


def _worlds_of(worlds: Worlds, run: Scenario, reference: Scenario, replicate: int) -> tuple[World, World]:
    return worlds.of(run, replicate), worlds.of(reference, replicate)


_KEYS = ["measure", "horizon", "unit"]
_EFFECTS = [
    "effect",
    "relative_effect",
    "ci90_low",
    "ci90_high",
    "ci95_low",
    "ci95_high",
    "variance_ratio",
    "smallest_effect",
    "verdict",
    "n",
]


def _places(axes: Axes, place: tuple[Value, ...], n_rows: int) -> pd.DataFrame:
    """Columns of the axes for the rows of one cell."""
    import pandas as pd

    return pd.DataFrame({path: [value] * n_rows for path, value in zip(axes, place, strict=True)})


def _spread(values: np.ndarray[Any, Any], singles: np.ndarray[Any, Any]) -> pd.DataFrame:
    """Mean over what is independent with its 95% interval, and the 5-95% range over replicates; one row a column."""
    import pandas as pd

    frame = pd.DataFrame(singles)
    found = paired(values, np.zeros_like(values))
    low, high = found.interval(0.95)
    return pd.DataFrame(
        {
            "mean": found.effect,
            "mean_low": low,
            "mean_high": high,
            "p5": frame.quantile(0.05).to_numpy(),
            "p95": frame.quantile(0.95).to_numpy(),
        }
    )


def _text(axes: Axes, place: tuple[Value, ...]) -> str:
    return ", ".join(f"{path}={value}" for path, value in zip(axes, place, strict=True))


def load_sweep(folder: str | Path) -> Sweep:
    """Read a sweep back from its folder.

    Parameters
    ----------
    folder : str or Path
        As written by ``aipower sweep`` or ``sim.sweep(out=...)``.

    Returns
    -------
    Sweep

    Raises
    ------
    ResultError
        When the folder does not hold a sweep, or was written by a newer version.
    StoreError
        When a file is missing or damaged.
    """
    folder = Path(folder).absolute()
    manifest = manifests.read_manifest(folder, manifests.SWEEP)
    table, failures = (read_table(folder, name) for name in ("table", "failures"))
    axes = {path: tuple(values) for path, values in manifest["axes"].items()}
    for path, values in axes.items():
        table[path] = table[path].map({str(value): value for value in values})
    made = Sweep(
        store.read_scenario(folder / store.RESOLVED_SCENARIO),
        axes,
        manifest["against"],
        table,
        failures,
        tuple(manifest["measures"]),
        tuple(manifest["horizons"]),
        manifest["timing_seconds"],
    )
    made.content_hash, made.folder, made.manifest = manifest["content_hash"], folder, manifest
    return made
