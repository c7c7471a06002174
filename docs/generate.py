"""Write ``notation.md`` and ``measures.md`` from the code: ``python docs/generate.py``.

``tests/test_docs.py`` fails while the committed files differ from what this writes.
"""  # noqa: INP001  a script, not a package

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from sim import observe, state
from sim.parameters import parameter_table
from sim.policies.levers import LEVERS

HERE = Path(__file__).parent

NOTICE = "<!-- Written by docs/generate.py from the code. Do not edit: change the code and run it again. -->"

ABOUT_PARAMETERS = """\
Set by name under `world.parameters` of a scenario, in this unit; rates are per quarter. Range: what is plausible,
which a scenario may leave with a warning. Sources are in `sim/world/data/parameters.csv`; [world.md](world.md) says
how to read kinds and ranges."""

ABOUT_MEASURES = """\
A result has {n_all} measures, one number for each replicate and quarter: {n_indices} indices of {n_quantities}
quantities, and {n_others} others. *Year* says how a year's value is made of its quarters. *Kind* says whether a
measure is of a moment (stock) or of a quarter (flow); an index has no unit of time and counts as a stock."""

STAGES = (
    (state.State, "State: what one quarter hands to the next"),
    (state.Drivers, "Stage 1: drivers (no replicates)"),
    (state.Funding, "Stage 3: funding and the training plan"),
    (state.Markets, "Stages 4 and 5: markets"),
    (state.Accounts, "Stage 6: accounts"),
    (state.Investment, "Stage 8: investment"),
    (state.Demography, "Stage 9: demography"),
)

COLUMNS = (
    ("firms", observe.FIRM_COLUMNS),
    ("owners", observe.OWNER_COLUMNS),
    ("makers", observe.MAKER_COLUMNS),
)

COMBINATIONS = {"add": "sum", "multiply": "product", "minimum": "smallest", "maximum": "largest"}


def notation() -> str:
    """Parameters, arrays and levers."""
    parameters = [
        (row.symbol, code(name), number(row.value), row.unit, f"{number(row.low)} to {number(row.high)}", row.kind)
        for name, row in parameter_table().items()
    ]
    levers = [
        (code(name), axes(lever.axes), lever.unit, number(lever.neutral), rule(lever.combine), lever.sentence)
        for name, lever in LEVERS.items()
    ]
    parts = [
        "# Notation",
        NOTICE,
        "Symbols are those of [model.md](model.md). Names are those of scenario files, code and tables.",
        "## Parameters",
        ABOUT_PARAMETERS,
        table(("symbol", "name", "value", "unit", "range", "kind"), parameters),
        "## Arrays",
        "Axes named here are the last ones; replicates lead. `lag` counts quarters back.",
    ]
    for cls, title in STAGES:
        rows = [
            (code(name), axes(var.axes), var.unit, var.sentence) for name, var in sorted(state.variables(cls).items())
        ]
        parts += [f"### {title}", table(("name", "axes", "unit", "meaning"), rows)]
    parts += [
        "## Levers",
        "What a policy may ask for. At the neutral value nothing changes, bit for bit. Several answers are combined.",
        table(("name", "axes", "unit", "neutral", "combined by", "meaning"), levers),
    ]
    return document(parts)


def measures() -> str:
    """Every measure, and the columns of the tables of firms, owners and makers."""
    indices = {f"{index}_{variable}" for index in observe.INDEX_SENTENCES for variable in observe.VARIABLES}
    others = [measure for name, measure in observe.MEASURES.items() if name not in indices]
    parts = [
        "# Measures",
        NOTICE,
        ABOUT_MEASURES.format(
            n_all=len(observe.MEASURES),
            n_indices=len(observe.INDEX_SENTENCES),
            n_quantities=len(observe.VARIABLES),
            n_others=len(others),
        ),
        "## Measures of one quantity",
        table(
            ("name", "unit", "population", "kind", "year", "meaning"),
            [(code(m.name), m.unit, m.population, m.kind, m.aggregation, m.sentence) for m in others],
        ),
        "## Only where a scenario asks for it",
        table(
            ("name", "unit", "population", "kind", "year", "meaning"),
            [
                (code(m.name), m.unit, m.population, m.kind, m.aggregation, m.sentence)
                for m in observe.OPTIONAL.values()
            ],
        ),
        "## Indices",
        "The name is index, underscore, quantity, as in `hhi_revenue`.",
        table(
            ("index", "unit", "meaning"),
            [(code(name), unit, f"{sentence} ...") for name, (unit, sentence) in observe.INDEX_SENTENCES.items()],
        ),
        table(
            ("quantity", "population", "quantity is a", "year of the index", "meaning"),
            [
                (code(name), v.population, v.kind, observe.MEASURES[f"hhi_{name}"].aggregation, v.sentence)
                for name, v in observe.VARIABLES.items()
            ],
        ),
        "### All of them",
        table(
            ("name", "unit", "population", "kind", "year", "meaning"),
            [
                (code(m.name), m.unit, m.population, m.kind, m.aggregation, m.sentence)
                for m in observe.MEASURES.values()
                if m.name in indices
            ],
        ),
        "## Columns of the tables",
    ]
    for population, columns in COLUMNS:
        rows = [(code(column.name), column.unit, column.sentence) for column in columns.values()]
        parts += [f"### Table of {population}", table(("column", "unit", "meaning"), rows)]
    return document(parts)


def document(parts: Iterable[str]) -> str:
    """Paragraphs with empty lines between them."""
    return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A GitHub table; bars inside cells are escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(name: str) -> str:
    """A name in code type."""
    return f"`{name}`"


def axes(names: Sequence[str]) -> str:
    """Axes as the code writes them."""
    return code(f"[{', '.join(names)}]") if names else ""


def number(value: float) -> str:
    """As few digits as give the value back, at least six; ``none`` for no limit."""
    digits = next(text for text in (f"{value:.{n}g}" for n in range(6, 18)) if float(text) == value)
    return "none" if digits == "inf" else digits


def rule(combine: object) -> str:
    """How answers are combined, in a word."""
    return COMBINATIONS[str(getattr(combine, "__name__", combine))]


PAGES = {"notation.md": notation, "measures.md": measures}
"""File names and what writes them."""


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8", newline="\n")
        sys.stdout.write(f"wrote {HERE / name}\n")


if __name__ == "__main__":
    main()
