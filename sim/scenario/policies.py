"""Checks of the policies that a scenario names; what they hold is declared by their classes."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from sim import policies
from sim.errors import PolicyError
from sim.quarters import Quarter
from sim.scenario.checks import GENERATED_NAME, Problem, actor_names
from sim.scenario.messages import kind, meant, quoted
from sim.scenario.remedies import explained
from sim.yaml_reader import KeyPath, shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from sim.policies.base import BasePolicy
    from sim.scenario.schema import Scenario

FORM: Final = "a policy's name and its parameters, such as {compute_tax: {rate: 0.1}}"
"""How an item of the list is written."""


def problems_of_policies(items: list[Any] | tuple[Any, ...]) -> Iterator[Problem]:
    """Find unknown policies, and parameters that they do not allow."""
    for index, item in enumerate(items):
        wrong = _wrong_form(item)
        if wrong is not None:
            yield (index,), wrong
            continue
        name, parameters = _named(item)
        try:
            cls = policies.find(name)
        except PolicyError as error:
            yield (index,), str(error)
            continue
        yield from (((index, name, *path), text) for path, text in problems_of_parameters(cls, parameters))


def settled_policies(items: list[Any] | tuple[Any, ...]) -> tuple[dict[str, Any], ...]:
    """Valid policies in their one form: every parameter, as plain data."""
    named = [_named(item) for item in items]
    return tuple({name: policies.find(name).model_validate(parameters).dump()} for name, parameters in named)


def _named(item: object) -> tuple[str, Any]:
    """Name and parameters of an item; a name alone has none."""
    if isinstance(item, Mapping):
        name, parameters = next(iter(item.items()))
        return str(name), {} if parameters is None else parameters
    return str(item), {}


def _wrong_form(item: object) -> str | None:
    """Say what is wrong with an item's form or name, or None."""
    if isinstance(item, Mapping) and len(item) != 1:
        what = f"names {len(item)} policies" if item else "names no policy"
        return f"{what}; allowed: {FORM}; begin each with `- `, and indent its parameters"
    if not isinstance(item, Mapping | str):
        return f"{quoted(item)} is {kind(item)}; allowed: {FORM}; write a name"
    name, known = _named(item)[0], policies.names()
    if name in known:
        return None
    hint = f"{meant(name, known)}; a policy of your own needs --plugin FILE"
    return f"policy {shown(repr(name))} is unknown; allowed: {', '.join(known)}; {hint}"


def problems_of_parameters(cls: type[BasePolicy], parameters: object) -> Iterator[Problem]:
    """Find what a policy's class refuses; paths are relative to its parameters."""
    if not isinstance(parameters, Mapping):
        keys = ", ".join(_keys(cls, ()))
        yield (), f"{quoted(parameters)} is {kind(parameters)}; allowed: a mapping with {keys}; indent them under it"
        return
    try:
        cls.model_validate(dict(parameters))
    except ValidationError as error:
        yield from (_told(cls, details) for details in error.errors(include_url=False))


def _told(cls: type[BasePolicy], details: ErrorDetails) -> Problem:
    """Path and text of one of pydantic's errors."""
    from sim.policies.trigger import TOLD

    path: KeyPath = tuple(details["loc"])
    entry = entry_of(cls, path)
    if details["type"] == TOLD:
        return path, str(details["ctx"]["text"])
    above = _keys(cls, path[:-1])
    if details["type"] == "extra_forbidden":
        return path, f"unknown parameter of {cls.name}; allowed: {', '.join(above)}; {meant(path[-1], above)}"
    if details["type"] == "missing":
        what = entry.get("description", "")
        text = f"lacks {path[-1]} ({what}); allowed: {', '.join(above)}"
        return path[:-1], f"{text}; as in `{cls.example}`" if cls.example else f"{text}; add it"
    return path, explained(details, _from_example(cls, path) | entry)


def _keys(cls: type[BasePolicy], path: KeyPath) -> list[str]:
    """Keys of a mapping, a policy's own before those that all have."""
    from sim.policies.catalogue import COMMON

    keys = entry_of(cls, path).get("properties", {})
    return sorted(keys, key=lambda key: key in COMMON)


def _from_example(cls: type[BasePolicy], path: KeyPath) -> dict[str, Any]:
    """A value to try where there is no default."""
    from sim.yaml_reader import parse_yaml

    value: Any = parse_yaml(cls.example, cls.name).value if cls.example else None
    for part in (0, cls.name, *path):
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return {}
    return {"default": value}


def entry_of(cls: type[BasePolicy], path: KeyPath) -> dict[str, Any]:
    """Entry of a class's JSON Schema for a key path; of the kinds that a value may have, the first but null."""
    schema = _schema(cls)
    entry: dict[str, Any] = schema
    for part in path:
        inner = entry.get("items" if isinstance(part, int) else "properties", {})
        entry = _plain(schema, inner if isinstance(part, int) else inner.get(part, {}))
    return entry


def _plain(schema: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """Follow references, and of several kinds that a value may have take the first but null."""
    while {"anyOf", "allOf", "$ref"} & set(entry):
        if "$ref" in entry:
            inner = schema["$defs"][entry["$ref"].rpartition("/")[2]]
        else:
            inner = next(each for each in entry.get("anyOf", entry.get("allOf", ())) if each.get("type") != "null")
        entry = inner | {key: value for key, value in entry.items() if key not in ("anyOf", "allOf", "$ref")}
    return entry


@functools.cache
def _schema(cls: type[BasePolicy]) -> dict[str, Any]:
    return cls.model_json_schema(by_alias=True)


def schema_of_policies() -> tuple[dict[str, Any], dict[str, Any]]:
    """JSON Schema of an item of ``policies``, and the definitions that it refers to."""
    properties: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for name in policies.names():
        schema = dict(_schema(policies.find(name)))
        definitions |= schema.pop("$defs", {})
        properties[name] = {"anyOf": [schema, {"type": "null"}]}
    mapping = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {"anyOf": [mapping, {"type": "string", "enum": list(properties)}]}, definitions


def problems_of_sight(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Find firms and measures that policies name and that the world or the catalogue does not have."""
    items = data.get("policies")
    world = data.get("world") if isinstance(data.get("world"), Mapping) else {}
    for index, item in enumerate(items if isinstance(items, list | tuple) else ()):
        if not isinstance(item, Mapping) or len(item) != 1:
            continue
        name, parameters = _named(item)
        if not isinstance(parameters, Mapping):
            continue
        who, trigger = parameters.get("who"), parameters.get("trigger")
        if isinstance(who, Mapping) and isinstance(who.get("names"), list | tuple):
            for k, text in _unknown_firms(who["names"], world or {}):
                yield ("policies", index, name, "who", "names", k), text
        if isinstance(trigger, Mapping) and isinstance(measure := trigger.get("measure"), str):
            yield from ((("policies", index, name, "trigger", "measure"), text) for text in _unknown_measure(measure))


def _unknown_firms(named: list[Any] | tuple[Any, ...], world: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    added = world.get("firms")
    firms = [each.get("name") for each in added if isinstance(each, Mapping)] if isinstance(added, list | tuple) else []
    known = [*actor_names("firms", world), *map(str, firms)]
    for k, name in enumerate(named):
        if isinstance(name, str) and name not in known and not GENERATED_NAME.fullmatch(name.casefold()):
            yield k, f"there is no firm {shown(repr(name))}; allowed: {', '.join(known)}; {meant(name, known)}"


def _unknown_measure(measure: str) -> Iterator[str]:
    from sim.observe import MEASURES

    known = [name for name in MEASURES if not name.startswith("turnover_")]
    if measure not in known:
        what = "is known only after the run" if measure in MEASURES else "is no measure"
        text = f"{shown(repr(measure))} {what}; allowed: the {len(known)} others of `aipower list measures`"
        yield f"{text}; {meant(measure, known)}"


def notes_of_policies(scenario: Scenario) -> Iterator[Problem]:
    """Find policies that are allowed and can do nothing."""
    end = scenario.horizon.end
    for index, item in enumerate(scenario.policies):
        name, parameters = next(iter(item.items()))
        start, stop = parameters["start"], parameters["end"]
        where = ("policies", index, name)
        if start is not None and start > end:
            yield (*where, "start"), f"{start} is after the horizon, which ends {end}: the policy does nothing"
        elif stop is not None and stop <= scenario.horizon.start:
            yield (*where, "end"), f"{stop} is not after the first quarter: the policy does nothing"
        elif parameters["strength"] == 0.0:
            yield (*where, "strength"), "0 is no strength: the policy does nothing"
        who = parameters.get("who")
        by_size = isinstance(who, Mapping) and {"top", "outside_top", "share_above"} & set(who)
        once = name == "break_up" and parameters["trigger"] is None
        begin = Quarter.parse(scenario.horizon.start)
        first_sight = begin + parameters["lag"]
        if by_size and once and (begin if start is None else Quarter.parse(start)) < first_sight:
            text = "nobody has been seen yet in the only quarter in which this acts"
            yield (*where, "who"), f"{text}; set a start of {first_sight} or later"
