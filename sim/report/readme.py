"""The README of a result folder: every table and column, with unit and meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.manifests import MANIFEST
from sim.report import FIGURES_FOLDER, tables
from sim.store import RESOLVED_SCENARIO, SUMMARY
from sim.table_files import columns_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sim.result import Result

_ABOUT = {
    "measures": "One row for each replicate and quarter, one column for each measure.",
    "firms": "One row for each replicate, recorded quarter and active firm.",
    "owners": "One row for each replicate, recorded quarter and compute owner.",
    "makers": "One row for each replicate, recorded quarter and chip maker.",
    "flows": "One row for each replicate, quarter and payment of the ledger.",
    "networks": "One row for each replicate, recorded quarter and supply link in use.",
    "events": "One row for each event: entries, exits, mergers and their review, break-ups, weights opened, limits.",
    "failures": "One row for each replicate that could not be completed; empty when none failed.",
}

_SUMMARY_COLUMNS = (
    ("measure", "name", "Name of the measure"),
    ("year", "year", "Calendar year"),
    ("mean", "as in `unit`", "Mean over replicates"),
    ("p5", "as in `unit`", "5% quantile over replicates: how far luck, and parameter sets where drawn, matter"),
    ("p50", "as in `unit`", "Median over replicates"),
    ("p95", "as in `unit`", "95% quantile over replicates"),
    ("unit", "text", "Unit of the measure"),
)


def write(result: Result, folder: Path) -> Path:
    """Write ``README.md`` into a result folder.

    Parameters
    ----------
    result : Result
    folder : pathlib.Path
        Figures that are there already are shown.
    """
    path = folder / "README.md"
    path.write_text(text(result, folder), encoding="utf-8", newline="\n")
    return path


def text(result: Result, folder: Path) -> str:
    """Compose the README.

    Parameters
    ----------
    result : Result
    folder : pathlib.Path
        Where figures are looked for.
    """
    scenario = result.scenario
    parts = [f"# Result of scenario {scenario.name}"]
    if scenario.question:
        parts.append(f"*{_cell(scenario.question)}*")
    parts += [tables.headline(result), *tables.notes(result)]
    parts += ["## Closing table", *map(_grid, tables.grids(result)), *_figures(folder)]
    parts += ["## Files", _files(result, folder), _READING, "## Tables"]
    for name in result.table_names:
        parts += [f"### {name}.parquet", _ABOUT[name]]
        if name == "measures":
            parts.append(_measures(result))
        else:
            rows = columns_of(result, name).items()
            parts.append(_table(_HEADER, ((f"`{key}`", *about) for key, about in rows)))
    summary = ((f"`{name}`", *rest) for name, *rest in _SUMMARY_COLUMNS)
    parts += [
        f"### {SUMMARY}",
        "One row for each measure and year; the catalogue above says how a year's value is made.",
        _table(_HEADER, summary),
    ]
    return "\n\n".join(parts) + "\n"


_HEADER = ("column", "unit", "meaning")

_READING = """```python
import sim

result = sim.load_result(".")
result.measures["hhi_revenue"].groupby("quarter").mean()
```

`aipower verify` compares every file with its checksum."""


def _measures(result: Result) -> str:
    """Describe the measures, keys first."""
    about = columns_of(result, "measures")
    rows = [(f"`{name}`", about[name][0], "", "", about[name][1]) for name in ("replicate", "quarter")]
    for name, measure in result.catalogue.items():
        kind = f"{measure.kind}, {measure.aggregation}"
        rows.append((f"`{name}`", measure.unit, measure.population, kind, measure.sentence))
    return _table(("column", "unit", "population", "kind, year's value", "meaning"), rows)


def _grid(grid: tables.Grid) -> str:
    rows = [[cell.replace("\n", "<br>") for cell in row] for row in grid.rows]
    return f"**{grid.title}**\n\n{_table(grid.columns, rows)}"


def _figures(folder: Path) -> list[str]:
    if not (folder / FIGURES_FOLDER).is_dir():
        return []  # and no drawing library is loaded
    from sim.report.figures import CAPTIONS

    shown = [
        f"![{caption}]({FIGURES_FOLDER}/{name}.png)"
        for name, caption in CAPTIONS.items()
        if (folder / FIGURES_FOLDER / f"{name}.png").is_file()
    ]
    return ["## Figures", *shown] if shown else []


def _files(result: Result, folder: Path) -> str:
    rows = [
        (f"`{MANIFEST}`", "Versions, seed, timing, failed replicates, checksums"),
        (f"`{RESOLVED_SCENARIO}`", "The scenario with every default filled in: run it to repeat"),
        (f"`{SUMMARY}`", "Yearly values of every measure over replicates"),
        *((f"`{name}.parquet`", _ABOUT[name]) for name in result.table_names),
    ]
    if (folder / FIGURES_FOLDER).is_dir():
        rows.append((f"`{FIGURES_FOLDER}/`", "Figures as PNG and SVG"))
    return _table(("file", "what it holds"), rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: str) -> str:
    """Keep a text on one line and inside its cell."""
    return " ".join(str(value).split()).replace("|", "\\|")
