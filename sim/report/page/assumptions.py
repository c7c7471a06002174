"""Assumptions behind a report: parameters with kind and source, and what policies take as given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.parameters import parameter_table
from sim.report.page.table import Table, printed
from sim.units import in_prose
from sim.world.tables import own_rows, world_folders

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sim.parameters import ParameterRow
    from sim.scenario import Scenario

MATTER_MOST = {
    "flywheel": "decides whether a lead grows",
    "gamma": "decides how unequal power is for given compute",
    "nest_growth": "decides how fast spending on AI grows as it gets better and cheaper",
    "serving_algorithm_elasticity": "decides how much compute better algorithms free",
    "imitation": "decides how fast followers catch up in algorithms",
    "quality_persistence": "decides how long a lucky advantage lasts",
    "order_elasticity": "decides whether ownership of compute concentrates",
}
"""Parameters to which the shipped world answers most (docs/model.md, docs/world.md), with why."""

KINDS = {
    "measured": "measured by the source named",
    "secondary": "taken from the literature named",
    "estimate": "estimated here from the data named",
    "assumption": "an assumption, with no data behind it that would settle it",
    "own": "given by the user's own table",
}
"""What the kinds of evidence mean."""


def parameters_table(baseline: Scenario, scenarios: Mapping[str, Scenario]) -> Table:
    """Parameters that differ from the world's table, differ between scenarios, or matter most."""
    import pandas as pd

    shipped = parameter_table(world_folders(baseline.world.base))
    given = parameter_table(world_folders(baseline.world.base), own_rows(baseline.world.tables))
    table = {name: given[name] if _differs(given[name], row) else row for name, row in shipped.items()}
    changed = {*baseline.changed_parameters(), *(name for name, row in table.items() if row is not shipped[name])}
    own = baseline.world.parameters
    different = {
        name: {who: each.world.parameters[name] for who, each in scenarios.items() if _value(each, name) != own[name]}
        for name in table
        if name in own
    }
    rows, cells = [], []
    for name, row in table.items():
        elsewhere = different.get(name, {})
        if not (name in changed or elsewhere or name in MATTER_MOST):
            continue
        why = [
            *(["changed here"] if name in changed else []),
            *(["differs between scenarios"] if elsewhere else []),
            *([MATTER_MOST[name]] if name in MATTER_MOST else []),
        ]
        in_scenarios = _in_scenarios(elsewhere)
        default = shipped[name].value
        rows.append(_facts(row, own[name], default, in_scenarios, "; ".join(why)))
        value = f"{own[name]:g}" + (f" (default {default:g})" if own[name] != default else "")
        cells.append(
            (
                name,
                value + (f"\n{in_scenarios}" if in_scenarios else ""),
                row.unit,
                f"{row.low:g} to {row.high:g}",
                row.kind,
                row.source,
                "; ".join(why),
            )
        )
    columns = ("Parameter", "Value", "Unit", "Plausible range", "Evidence", "Source", "Why it is listed")
    caption = "Parameters that were changed and those that matter most, each with its evidence and source."
    return Table("parameters", caption, pd.DataFrame(rows), columns, printed(cells), n_labels=len(columns))


def _differs(row: ParameterRow, shipped: ParameterRow) -> bool:
    """Whether a row of the user's own table has another value or range than the shipped one."""
    return (row.value, row.low, row.high) != (shipped.value, shipped.low, shipped.high)


def _value(scenario: Scenario, name: str) -> float | None:
    return scenario.world.parameters.get(name)


def _in_scenarios(values: Mapping[str, float]) -> str:
    """Other values and who has them."""
    by_value: dict[float, list[str]] = {}
    for who, value in values.items():
        by_value.setdefault(value, []).append(who)
    return "; ".join(f"{value:g} in {in_prose(who)}" for value, who in by_value.items())


def _facts(row: ParameterRow, value: float, default: float, in_scenarios: str, why: str) -> dict[str, object]:
    return {
        "parameter": row.name,
        "symbol": row.symbol,
        "value": value,
        "in_scenarios": in_scenarios,
        "default": default,
        "unit": row.unit,
        "low": row.low,
        "high": row.high,
        "kind": row.kind,
        "source": row.source,
        "why": why,
    }


def policies_table(scenarios: Mapping[str, Scenario]) -> Table | None:
    """What the policies of the scenarios take as given and what they leave to the market; None without policies."""
    import pandas as pd

    from sim.policies import find

    used: dict[str, list[str]] = {}
    for who, scenario in scenarios.items():
        for name in dict.fromkeys(name for item in scenario.policies for name in item):
            used.setdefault(name, []).append(who)
    rows = []
    for name, users in used.items():
        cls = find(name)
        meaning = cls.description().partition("\n\n")[0]
        like = in_prose(list(cls.resembles))
        rows.append((name, in_prose(users), meaning, cls.inputs, cls.outcomes, cls.side_effects, like))
    if not rows:
        return None
    columns: tuple[str, ...] = (
        "Policy",
        "In",
        "What it does",
        "Assumed",
        "Left to the market",
        "Side effects",
        "Resembles",
    )
    names = [column.lower().replace(" ", "_") for column in columns]
    caption = "What each policy takes as given, what it leaves to the market, and real instruments that it resembles."
    frame = pd.DataFrame(rows, columns=names)
    return Table("policies", caption, frame, columns, printed(rows), n_labels=len(columns))


def mechanisms_sentence(scenario: Scenario) -> str:
    """Say which mechanisms the baseline has."""
    given = scenario.resolved()["mechanisms"]
    on = [name for name, value in given.items() if value is True]
    off = [name for name, value in given.items() if value is False]
    other = [f"{name}: {value}" for name, value in given.items() if not isinstance(value, bool)]
    parts = [f"on: {in_prose(on)}"] if on else []
    parts += [f"off: {in_prose(off)}"] if off else []
    return f"Mechanisms {'; '.join([*parts, *other])}. Power function: {scenario.power.family}."
