"""Folders of comparisons: scenarios, values of every pair, the table of effects, figures, and a manifest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim import folders, manifests, store
from sim.comparison.comparison import Comparison, Stopping
from sim.comparison.design import Design, design
from sim.comparison.outcomes import Outcome
from sim.errors import ResultError, StoreError
from sim.identity import origin
from sim.observe import MEASURES, SECTOR, Failure
from sim.table_files import read_table

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import numpy.typing as npt
    import pandas as pd

    from sim.arrays import Array

BASELINE = "baseline.resolved.yaml"
SCENARIOS = "scenarios"
TABLES = ("effects", "values", "adoption", "failures", "robustness")
"""Parquet files of a comparison."""


def content_hash(plan: Design, options: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of what determines the numbers and tables of a comparison."""
    asked = {key: value for key, value in options.items() if value is not None}
    scenarios = [[name, scenario.content_hash()] for name, scenario in plan.scenarios.items()]
    return manifests.hash_of([plan.baseline.content_hash(), scenarios, asked])


def write(comparison: Comparison, folder: Path, *, figures: bool = True) -> Path:
    """Write a comparison to a new folder, all or nothing.

    Raises
    ------
    StoreError
        When the folder exists or cannot be written; nothing is left behind.
    """
    folder = Path(folder).absolute()
    comparison.manifest = folders.write_folder(folder, lambda draft: _fill(draft, comparison, figures=figures))
    comparison.folder = folder
    return folder


def _fill(draft: Path, comparison: Comparison, *, figures: bool) -> dict[str, Any]:
    """Write every file but the manifest, whose entries are returned."""
    (draft / SCENARIOS).mkdir()
    (draft / BASELINE).write_text(comparison.baseline.to_yaml(), encoding="utf-8")
    for name, scenario in comparison.scenarios.items():
        (draft / SCENARIOS / f"{name}.yaml").write_text(scenario.to_yaml(), encoding="utf-8")
    tables = {
        "effects": comparison.effects,
        "values": _values(comparison.outcomes),
        "adoption": _adoption(comparison.outcomes),
        "failures": _failures(comparison.outcomes),
        "robustness": comparison.robustness,
    }
    for name, table in tables.items():
        words = list(table.select_dtypes(exclude="float"))
        table.to_parquet(draft / f"{name}.parquet", compression="zstd", index=False, use_dictionary=words)
    comparison.effects.to_csv(draft / "effects.csv", index=False, lineterminator="\n")
    if figures:
        from sim.report.figures.effects import save_all

        save_all(comparison, draft / "figures")
    return {
        "format": manifests.COMPARISON,
        "schema": manifests.SCHEMA,
        **origin(comparison.computed_by),
        "name": comparison.baseline.name,
        "scenarios": list(comparison.scenarios),
        "content_hash": comparison.content_hash,
        "plugins": comparison.plugins(),
        "seed": comparison.baseline.run.seed,
        "replicates": comparison.n_replicates,
        "measures": list(comparison.measures),
        "horizons": list(comparison.horizons),
        "stopping": None if comparison.stopping is None else comparison.stopping._asdict(),
        "n_failed": len(comparison.failures),
        "lost": comparison.n_lost,
        "timing_seconds": {name: round(value, 3) for name, value in comparison.timing.items()},
        "rows": {name: len(table) for name, table in tables.items()},
    }


def _values(outcomes: Mapping[str, Outcome]) -> pd.DataFrame:
    """Yearly values of every run, one row for each replicate and year."""
    import pandas as pd

    return pd.concat(
        [_frame(key, each, each.quarters, each.names, each.table) for key, each in outcomes.items()], ignore_index=True
    )


def _adoption(outcomes: Mapping[str, Outcome]) -> pd.DataFrame:
    """Adoption by sector of every run, one row for each replicate and quarter, counted back from the last (0)."""
    import pandas as pd

    parts = []
    for key, each in outcomes.items():
        steps = [str(k) for k in range(1 - each.adoption.shape[1], 1)]
        parts.append(_frame(key, each, steps, each.sectors, each.adoption))
    return pd.concat(parts, ignore_index=True)


def _frame(key: str, outcome: Outcome, times: Any, names: tuple[str, ...], cube: Any) -> pd.DataFrame:  # noqa: ANN401
    import pandas as pd

    n_replicates, n_times = cube.shape[:2]
    keys = {
        "run": np.repeat(np.array([key], dtype=object), n_replicates * n_times),
        "replicate": np.repeat(outcome.replicates, n_times),
        "quarter": np.tile(np.array(times, dtype=object), n_replicates),
    }
    values = pd.DataFrame(cube.reshape(n_replicates * n_times, len(names)), columns=list(names))
    return pd.concat([pd.DataFrame(keys), values], axis=1)


def _failures(outcomes: Mapping[str, Outcome]) -> pd.DataFrame:
    import pandas as pd

    rows = [(key, *failure) for key, each in outcomes.items() for failure in each.failures]
    return pd.DataFrame(rows, columns=["run", "replicate", "quarter", "reason"]).astype({"replicate": "int64"})


def read(folder: str | Path) -> Comparison:
    """Read a comparison back.

    Raises
    ------
    ResultError
        When the folder does not hold a comparison, or was written by a newer version.
    StoreError
        When a file is missing or damaged.
    """
    folder = Path(folder).absolute()
    manifest = manifests.read_manifest(folder, manifests.COMPARISON)
    for name in (BASELINE, *(f"{SCENARIOS}/{each}.yaml" for each in manifest["scenarios"])):
        if not (folder / name).is_file():
            message = f"{folder} lacks {name}; run `aipower verify {folder}`, then the comparison again"
            raise StoreError(message)
    plan = design(
        store.read_scenario(folder / BASELINE),
        [store.read_scenario(folder / SCENARIOS / f"{name}.yaml") for name in manifest["scenarios"]],
    )
    tables = {name: read_table(folder, name) for name in TABLES if name != "effects"}
    _refuse_others(folder, plan, tables, manifest)
    stopping = manifest["stopping"]
    comparison = Comparison(
        plan,
        {key: _outcome(key, tables) for key in plan.runs},
        measures=manifest["measures"],
        horizons=manifest["horizons"],
        robustness=tables["robustness"],
        stopping=None if stopping is None else Stopping(**stopping),
        timing=manifest["timing_seconds"],
    )
    comparison.content_hash = manifest["content_hash"]
    comparison.folder, comparison.manifest = folder, manifest
    return comparison


def _refuse_others(folder: Path, plan: Design, tables: Mapping[str, pd.DataFrame], manifest: Mapping[str, Any]) -> None:
    """Refuse tables whose runs are not those of the scenarios as this version reads them."""
    if changed := manifests.changed_plugins(manifest, plan.plugins()):
        message = f"{folder}: {changed[0]}; give the file that computed it, or compare again"
        raise ResultError(message)
    stored = {*tables["values"]["run"], *tables["failures"]["run"]}
    if not set(plan.runs) <= stored:
        message = (
            f"{folder} was written by an aipower ({manifest.get('aipower')}) that reads its scenarios differently; "
            "compare again"
        )
        raise ResultError(message)


def _outcome(key: str, tables: Mapping[str, pd.DataFrame]) -> Outcome:
    """One run of the tables of values, adoption and failures."""
    rows = {name: tables[name][tables[name]["run"] == key] for name in ("values", "adoption", "failures")}
    failures = tuple(
        Failure(int(row["replicate"]), row["quarter"], row["reason"]) for row in rows["failures"].to_dict("records")
    )
    if rows["values"].empty:
        return replace(Outcome.failed(""), failures=failures)
    _, _, sectors, adoption = _cube(rows["adoption"])
    own = {name.replace(SECTOR, sector) for name in MEASURES for sector in sectors}
    numbers, quarters, names, table = _cube(rows["values"], own)
    return Outcome(numbers, quarters, names, table, sectors, adoption, failures)


def _cube(
    rows: pd.DataFrame, own: Collection[str] = ()
) -> tuple[npt.NDArray[np.int64], tuple[str, ...], tuple[str, ...], Array]:
    """Replicates, quarters, names and values of one run.

    A column without any number is that of a world with other sectors, unless it is among the run's ``own``.
    """
    frame = rows.drop(columns="run").set_index(["replicate", "quarter"])
    frame = frame[[name for name in frame.columns if name in own or frame[name].notna().any()]]
    replicates = frame.index.get_level_values("replicate").unique()
    times = frame.index.get_level_values("quarter").unique()
    cube = frame.to_numpy().reshape(len(replicates), len(times), len(frame.columns))
    return np.asarray(replicates, dtype=np.int64), tuple(times), tuple(frame.columns), cube
