"""Commands that answer questions: ``list``, ``show``, ``diff`` and ``explain``."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import sim
from sim.app import catalogues, terminal
from sim.app.base import JsonOption, PluginOption, app, examples
from sim.app.catalogues import Kind, as_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sim.diff import Difference
    from sim.explain import Section

HASH_SHOWN = 12
"""Characters of a checksum or commit in a table."""


@app.command(
    "list",
    epilog=examples(
        "aipower list measures",
        "aipower list parameters | grep compute",
        "aipower show measure hhi_revenue",
    ),
)
def list_(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", show_choices=False, help=f"What to list: {', '.join(Kind)}.")],
    *,
    plugin: PluginOption = None,  # noqa: ARG001 - its callback has loaded them
    as_json: JsonOption = False,
) -> None:
    """List what scenarios and results may name."""
    entries = catalogues.catalogue(kind)
    if as_json:
        terminal.print_json([{"name": name} | facts for name, facts in entries.items()])
        return
    columns = catalogues.COLUMNS[kind]
    rows = [(name, *(as_text(facts[column]) for column in columns)) for name, facts in entries.items()]
    terminal.print_table(("name", *columns), rows)


@app.command(
    epilog=examples(
        "aipower show baseline",
        "aipower show parameter flywheel",
        "aipower show policy compute_tax",
        "aipower show outputs/baseline",
    )
)
def show(
    what: Annotated[
        str,
        typer.Argument(metavar="WHAT", help="A scenario, a result folder, or a kind of thing."),
    ],
    name: Annotated[str | None, typer.Argument(help="Which one, after a kind.")] = None,
    *,
    plugin: PluginOption = None,  # noqa: ARG001 - its callback has loaded them
    as_json: JsonOption = False,
) -> None:
    """Show a complete scenario, a result's closing table, or one entry of a list.

    The kinds are world, power-function, network, measure, policy, lever, scenario, parameter and mechanism.
    """
    if name is not None:
        facts = catalogues.entry(what, name)
        if as_json:
            terminal.print_json({"name": name} | facts)
        else:
            terminal.print_entry(name, {fact: as_text(value) for fact, value in catalogues.flat(facts).items()})
    elif _is_result(what):
        result = sim.load_result(what)
        if as_json:
            terminal.print_json(_closing(result))
        else:
            terminal.print_closing(result)
    else:
        if not Path(what).exists():
            catalogues.require_name(what)
        scenario = sim.load_scenario(what)
        if as_json:
            terminal.print_json(scenario.resolved())
        else:
            print(scenario.to_yaml(), end="")


@app.command(
    epilog=examples(
        "aipower explain outputs/baseline --firm Anthropic --quarter 2030Q2",
        "aipower explain baseline --firm OpenAI --quarter 2026Q1 --replicate 7",
    )
)
def explain(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="A result folder, or a scenario.")],
    *,
    firm: Annotated[str, typer.Option(metavar="NAME", help="As in the table of firms.")],
    quarter: Annotated[str, typer.Option(metavar="QUARTER", help="For example 2030Q2.")],
    replicate: Annotated[int, typer.Option(min=0, metavar="N", help="Which history.")] = 0,
    plugin: PluginOption = None,  # noqa: ARG001 - its callback has loaded them
    as_json: JsonOption = False,
) -> None:
    """Say why: the terms of a firm's plan, compute, prices, shares and cash, recomputed for one quarter.

    The history is simulated again up to that quarter, which takes a second or less.
    """
    from sim.explain import explain as explained
    from sim.explain import explain_result

    if _is_result(what):
        told = explain_result(sim.load_result(what), firm, quarter, replicate)
    else:
        told = explained(sim.load_scenario(what), firm, quarter, replicate)
    if as_json:
        terminal.print_json(asdict(told) | {"sections": [_section(section) for section in told.sections]})
    else:
        for line in str(told).splitlines():
            print(terminal.hanging(line))


def _section(section: Section) -> dict[str, object]:
    return {"title": section.title, "lines": [line._asdict() for line in section.lines]}


@app.command(
    epilog=examples(
        "aipower diff baseline what-if.yaml",
        "aipower diff outputs/baseline outputs/flywheel-1.2",
        "aipower diff outputs/baseline baseline",
    )
)
def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="A scenario file, a shipped name, or a result folder.")],
    second: Annotated[str, typer.Argument(metavar="B", help="What to compare it with.")],
    *,
    plugin: PluginOption = None,  # noqa: ARG001 - its callback has loaded them
    as_json: JsonOption = False,
) -> None:
    """Show what differs between two scenarios, or two results.

    Scenarios are compared complete, with every default filled in. Of two results, versions and headline measures too.
    """
    from sim.diff import of_measures, of_origins, of_scenarios

    results = [sim.load_result(each) if _is_result(each) else None for each in (first, second)]
    scenarios = [
        sim.load_scenario(each) if result is None else result.scenario
        for each, result in zip((first, second), results, strict=True)
    ]
    parts = {"scenario": of_scenarios(*scenarios)}
    year = None
    if results[0] is not None and results[1] is not None:
        year, measures = of_measures(results[0], results[1])
        parts |= {"versions": of_origins(results[0], results[1]), "measures": measures}
    if as_json:
        rows = {part: [row._asdict() for row in differences] for part, differences in parts.items()}
        terminal.print_json({"a": first, "b": second, "year": year, "is_same": not any(parts.values())} | rows)
        return
    print(f"A: {first}\nB: {second}")
    if not any(parts.values()):
        print("Nothing differs.")
        return
    _print_scenarios(parts["scenario"])
    if "versions" in parts:
        _print_part("What computed them", parts["versions"], "Versions of code and libraries are the same.")
        _print_part(
            f"Means over replicates in {year}",
            parts["measures"],
            "The headline measures are the same."
            if year
            else "There is no year of which both simulated the same quarters.",
        )


def _print_scenarios(differences: Sequence[Difference]) -> None:
    _print_part("Scenario", differences, "The scenarios are the same.")
    if differences and {row.key for row in differences} <= {"name", "question"}:
        print("Neither matters for the numbers.")


def _print_part(title: str, differences: Sequence[Difference], otherwise: str) -> None:
    """Print one table of differences, or that there are none."""
    print()
    if not differences:
        print(otherwise)
        return
    print(title)
    header = ["key", "A", "B", "unit"]
    rows = [[row.key, _value(row.a), _value(row.b), row.unit] for row in differences]
    if not any(row.unit for row in differences):
        header, rows = header[:-1], [row[:-1] for row in rows]
    terminal.print_table(header, rows)


def _value(value: object) -> str:
    """A value as in YAML, numbers with all their digits; of a checksum or commit, the beginning.

    Examples
    --------
    >>> _value(1.2), _value(2.0), _value(True), _value(["2024Q4", "2035Q4"]), _value("0f" * 32)
    ('1.2', '2', 'true', '[2024Q4, 2035Q4]', '0f0f0f0f0f0f')
    """
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return str(value)[:HASH_SHOWN] if re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", str(value)) else str(value)


def _is_result(what: str) -> bool:
    return Path(what, "manifest.json").is_file()


def _closing(result: sim.Result) -> dict[str, object]:
    from dataclasses import asdict

    from sim.report import tables

    return {
        "name": result.scenario.name,
        "headline": tables.headline(result),
        "rows": [asdict(row) for row in tables.closing(result)],
        "notes": tables.notes(result),
    }
