"""What can be listed and shown: entries of the model's catalogues as plain facts."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path

import sim
from sim.errors import InputError


class Kind(StrEnum):
    """What can be listed."""

    WORLDS = "worlds"
    POWER_FUNCTIONS = "power-functions"
    NETWORKS = "networks"
    MEASURES = "measures"
    POLICIES = "policies"
    LEVERS = "levers"
    SCENARIOS = "scenarios"
    PARAMETERS = "parameters"
    MECHANISMS = "mechanisms"


COLUMNS = {
    Kind.WORLDS: ("meaning",),
    Kind.POWER_FUNCTIONS: ("meaning",),
    Kind.NETWORKS: ("meaning",),
    Kind.MEASURES: ("unit", "meaning"),
    Kind.POLICIES: ("meaning",),
    Kind.LEVERS: ("unit", "neutral", "meaning"),
    Kind.SCENARIOS: ("question",),
    Kind.PARAMETERS: ("value", "range", "unit"),
    Kind.MECHANISMS: ("default", "allowed", "meaning"),
}
"""Facts that a list shows; an entry shown alone has all."""

Catalogue = dict[str, dict[str, object]]


def catalogue(kind: Kind) -> Catalogue:
    """Every entry of a list: name -> fact -> value; a tuple is a range, a list holds alternatives."""
    readers: Mapping[Kind, Callable[[], Catalogue]] = {
        Kind.WORLDS: _worlds,
        Kind.POWER_FUNCTIONS: _power_functions,
        Kind.NETWORKS: _networks,
        Kind.MEASURES: _measures,
        Kind.POLICIES: _policies,
        Kind.LEVERS: _levers,
        Kind.SCENARIOS: _scenarios,
        Kind.PARAMETERS: _parameters,
        Kind.MECHANISMS: _mechanisms,
    }
    return readers[kind]()


def _kinds() -> dict[str, Kind]:
    """Kinds by their name in the singular."""
    return {_singular(member.value): member for member in Kind}


def require_name(kind: str) -> None:
    """Refuse a kind, in the singular or plural, that stands without a name; other words pass.

    Raises
    ------
    InputError
        When the word is a kind.
    """
    if (chosen := _kinds().get(_singular(kind))) is not None:
        message = f"which {_singular(kind)}? `aipower list {chosen}` names them: aipower show {_singular(kind)} NAME"
        raise InputError(message)


def entry(kind: str, name: str) -> dict[str, object]:
    """Everything known about one thing.

    Parameters
    ----------
    kind : str
        A kind, in the singular or plural.
    name : str
        Its name.

    Raises
    ------
    InputError
        When the kind or the name is unknown; near names are offered.
    """
    kinds, single = _kinds(), _singular(kind)
    if single not in kinds:
        message = f"there is no kind of thing called {kind!r}; allowed: {', '.join(kinds)}"
        raise InputError(message)
    chosen = kinds[single]
    entries = catalogue(chosen)
    if name not in entries:
        near = _near(name, entries)
        hint = f"did you mean {' or '.join(near)}?" if near else f"see `aipower list {chosen}`"
        message = f"there is no {single} called {name!r}; {hint}"
        raise InputError(message)
    facts = entries[name]
    if chosen is Kind.PARAMETERS:
        facts["used in"] = list(users(name))
    return facts


def _singular(kind: str) -> str:
    return kind.removesuffix("ies") + "y" if kind.endswith("ies") else kind.removesuffix("s")


def flat(facts: Mapping[str, object]) -> dict[str, object]:
    """Facts with those of each part in one line: its name, what it means, its unit and range.

    Examples
    --------
    >>> flat({"parameters": {"rate": {"meaning": "of sales", "range": (0, 1)}}})
    {'parameter rate': 'of sales; range 0 to 1'}
    """
    lines: dict[str, object] = {}
    for fact, value in facts.items():
        if isinstance(value, Mapping):
            for name, entries in value.items():
                more = [f"{key} {as_text(each)}" for key, each in entries.items() if key != "meaning" and each != ""]
                lines[f"{_singular(fact)} {name}"] = "; ".join([as_text(entries["meaning"]), *more])
        else:
            lines[fact] = value
    return lines


def as_text(fact: object) -> str:
    """A fact as a reader sees it.

    Examples
    --------
    >>> as_text(0.63), as_text((0.5, 2.0)), as_text([True, False])
    ('0.63', '0.5 to 2', 'true, false')
    """
    match fact:
        case bool():
            return str(fact).lower()
        case int() | float():
            return f"{fact:g}"
        case tuple():
            return " to ".join(map(as_text, fact))
        case list():
            return ", ".join(map(as_text, fact))
    return str(fact)


def users(parameter: str) -> Iterator[str]:
    """Source files of the model that read a parameter, in alphabetical order.

    Parameters
    ----------
    parameter : str
        Its name.

    Yields
    ------
    str
        Paths such as ``sim/stages/funding.py``.
    """
    package = Path(sim.__file__).parent
    for path in sorted(package.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if f".{parameter}" in text and parameter in parameters_read(ast.parse(text)):
            yield path.relative_to(package.parent).as_posix()


def parameters_read(tree: ast.Module) -> set[str]:
    """Attributes that a module reads of ``x.parameters``, of what it calls so, or of a ``Parameters``."""

    def is_table(node: ast.expr | None) -> bool:
        match node:
            case ast.Name(id="Parameters") | ast.Constant(value="Parameters") | ast.Attribute(attr="parameters"):
                return True
            case ast.Call(func=ast.Attribute(value=ast.Name(id="Parameters"))):
                return True
        return False

    named: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.arg(arg=name, annotation=annotation) if is_table(annotation):
                named.add(name)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if is_table(value):
                named.add(name)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation) if is_table(annotation):
                named.add(name)
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and (is_table(node.value) or (isinstance(node.value, ast.Name) and node.value.id in named))
    }


def _near(name: str, entries: Catalogue) -> list[str]:
    """Up to three entries that were probably meant, by name or by symbol."""
    import difflib

    by_symbol = [known for known, facts in entries.items() if str(facts.get("symbol", "")).lower() == name.lower()]
    return (by_symbol + difflib.get_close_matches(name.lower().replace("-", "_"), entries, n=3))[:3]


def _worlds() -> Catalogue:
    from sim.world import WORLDS

    return {name: {"meaning": sentence} for name, sentence in WORLDS.items()}


def _power_functions() -> Catalogue:
    from sim.submodels.power import FAMILIES

    return {name: {"meaning": sentence} for name, sentence in FAMILIES.items()}


def _networks() -> Catalogue:
    from sim.world import NETWORKS

    return {name: {"meaning": sentence} for name, sentence in NETWORKS.items()}


def _measures() -> Catalogue:
    from sim.observe import MEASURES, OPTIONAL

    return {
        name: {
            "unit": measure.unit,
            "population": measure.population,
            "kind": measure.kind,
            "value of a year": measure.aggregation,
            "meaning": measure.sentence,
        }
        for name, measure in {**MEASURES, **OPTIONAL}.items()
    }


def _policies() -> Catalogue:
    from sim.policies import find, names
    from sim.policies.catalogue import facts

    return {name: facts(find(name)) for name in names()}


def _levers() -> Catalogue:
    from sim.policies.levers import LEVERS

    return {
        name: {
            "unit": lever.unit,
            "neutral": lever.neutral,
            "one value for each": " and ".join(lever.axes) or "world",
            "several combine by": lever.combine.__name__,
            "meaning": lever.sentence,
        }
        for name, lever in LEVERS.items()
    }


def _scenarios() -> Catalogue:
    return {
        name: {"question": sim.load_scenario(path).question, "file": str(path)}
        for name, path in sim.shipped_scenarios().items()
    }


def _parameters() -> Catalogue:
    from sim.parameters import parameter_table
    from sim.world.tables import world_folders

    return {
        name: {
            "value": row.value,
            "range": (row.low, row.high),
            "unit": row.unit,
            "symbol": row.symbol,
            "evidence": row.kind,
            "source": row.source,
        }
        for name, row in parameter_table(world_folders("world_2024")).items()
    }


def _mechanisms() -> Catalogue:
    from sim.scenario import json_schema

    return {
        name: {
            "default": entry["default"],
            "allowed": entry.get("enum", [True, False]),
            "meaning": entry["description"],
        }
        for name, entry in json_schema()["$defs"]["Mechanisms"]["properties"].items()
    }
