"""Writing: a scenario as YAML, and the schema of all scenarios as JSON Schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sim.parameters import ParameterRow, parameter_table, whole_parameters
from sim.scenario.checks import (
    BASE,
    MAX_ROWS,
    MIN_ROWS,
    NAME_PATTERN,
    POPULATIONS,
    family_parameters,
    world_parameters,
)
from sim.scenario.policies import schema_of_policies
from sim.scenario.schema import MAX_QUESTION, Scenario, families
from sim.world import WORLDS
from sim.world.tables import ATTRIBUTES, Attribute
from sim.yaml_reader import resolve

_PLAIN_TEXT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.+ -]*[A-Za-z0-9_.+-])?")


def yaml_text(data: Mapping[str, Any]) -> str:
    """Write a resolved scenario, with unit and default of each parameter in a comment."""
    lines = ["# A complete scenario: every key and every value of a run, without parents.", *_lines(data)]
    return "\n".join(lines) + "\n"


def _lines(data: Mapping[str, Any], indent: str = "", table: Mapping[str, ParameterRow] | None = None) -> Iterator[str]:
    for key, value in data.items():
        if key in ("world", "parameters"):
            yield f"{indent}{key}:"
            rows = world_parameters(data["base"], data["tables"]) if key == "parameters" else None
            yield from _lines(value, indent + "  ", rows)
        elif key == "tables" and value:
            yield f"{indent}{key}:"
            yield from _facts(value, indent + "  ")
        elif key in POPULATIONS and value:
            yield f"{indent}{key}:"
            yield from (f"{indent}  - {_flow(actor)}" for actor in value)
        elif key == "policies" and value:
            yield f"{indent}{key}:"
            yield from (f"{indent}  - {name}: {_flow(each)}" for item in value for name, each in item.items())
        elif table:
            row = table[key]
            default = "" if value == row.value else f"; default {_flow(row.value)}"
            yield f"{indent}{key}: {_flow(value)}  # {row.unit}{default}"
        else:
            yield f"{indent}{key}: {_flow(value)}"


def _facts(tables: Mapping[str, Any], indent: str) -> Iterator[str]:
    """Write a user's own tables: an actor, a parameter or a quarter on each line."""
    for name, table in tables.items():
        if not table:
            yield f"{indent}{name}: {_flow(table)}"
            continue
        yield f"{indent}{name}:"
        if isinstance(table, Mapping):
            yield from (f"{indent}  {_flow(key)}: {_flow(fact)}" for key, fact in table.items())
        else:
            yield from (f"{indent}  - {_flow(actor)}" for actor in table)


def _flow(value: object) -> str:
    """Write a value in YAML's flow style; it reads back as the same value."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(str(key))}: {_flow(v)}" for key, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:  # noqa: PLR2004
        return str(int(value))
    if isinstance(value, str) and _PLAIN_TEXT.fullmatch(value) and resolve(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of scenario files, for editors.

    Returns
    -------
    dict
        Plain data, with names, ranges and meanings from the catalogues.
    """
    schema = Scenario.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "aipower scenario"
    schema["description"] = "What a run simulates, and how it differs from its world."
    properties = schema["properties"]
    properties["name"]["pattern"] = NAME_PATTERN
    properties["question"]["maxLength"] = MAX_QUESTION
    item, definitions_of_policies = schema_of_policies()
    policies = {"type": "array", "items": item}
    properties["policies"] |= policies
    properties["policies+"] = policies | {"description": "policies to append to those of the parent"}
    text = {"type": "string", "description": "the parent file, relative to this one"}
    schema["properties"] = {"schema": properties.pop("schema"), "extends": text} | properties
    definitions = schema["$defs"]
    definitions |= definitions_of_policies
    del definitions["RecordSpec"]["properties"]["networks"]["default"]
    _describe_power(definitions["PowerSpec"]["properties"])
    _describe_world(definitions["WorldSpec"]["properties"])
    return schema


def _describe_power(power: dict[str, Any]) -> None:
    """Add the families, their parameters and the form of a table."""
    power["family"] |= {"enum": list(families())}
    row = {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}, "minItems": 2, "maxItems": 2}
    rows = {"type": "array", "items": row, "minItems": MIN_ROWS, "maxItems": MAX_ROWS}
    power["table"] = {
        "description": power["table"]["description"],
        "anyOf": [rows, {"type": "string"}, {"type": "null"}],
        "default": None,
    }
    table = world_parameters(BASE, None)
    for names in family_parameters().values():
        power.update({name: _of_parameter(table[name]) for name in names})


def _describe_world(world: dict[str, Any]) -> None:
    """Add names, ranges and meanings from the catalogues, so that editors complete them."""
    world["base"] |= {"enum": list(WORLDS)}
    world["parameters"] = {
        "type": "object",
        "description": world["parameters"]["description"],
        "properties": {name: _of_parameter(row) for name, row in world_parameters(BASE, None).items()},
        "additionalProperties": False,
    }
    world["tables"] = {
        "description": world["tables"]["description"],
        "anyOf": [{"type": "string"}, _schema_of_tables(), {"type": "null"}],
        "default": None,
    }
    for population in POPULATIONS:
        attributes = {key: _of_attribute(each) for key, each in ATTRIBUTES[population].items()}
        world[population]["items"] = {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string"}, **attributes},
            "additionalProperties": False,
        }


def _schema_of_tables() -> dict[str, Any]:
    """Facts of own tables, as resolved scenarios hold them."""
    row = {"type": "object", "properties": {key: {"type": "number"} for key in ("value", "low", "high")}}
    rows = {"type": "object", "propertyNames": {"enum": list(parameter_table())}, "additionalProperties": row}
    shipments = {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}}
    actors = {"type": "array", "items": {"type": "object", "required": ["name"]}}
    properties = {"parameters": rows, **dict.fromkeys(ATTRIBUTES, actors), "shipments": shipments}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _of_parameter(row: ParameterRow) -> dict[str, Any]:
    symbol = f" ({row.symbol})" if row.symbol else ""
    text = f"{row.unit}{symbol}; plausible {row.low:g} to {row.high:g}; {row.kind}: {row.source}"
    kind = "integer" if row.name in whole_parameters() else "number"
    entry = {"type": kind, "description": text, "default": row.value}
    return entry | _limits(row.minimum, row.maximum)


def _of_attribute(attribute: Attribute) -> dict[str, Any]:
    unit = f" ({attribute.unit})" if attribute.unit else ""
    number = {"type": "number"} | _limits(attribute.minimum, attribute.maximum)
    kinds: dict[str, dict[str, Any]] = {
        "number": number,
        "text": {"type": "string"},
        "mapping": {"type": "object", "additionalProperties": number},
    }
    entry = kinds[attribute.kind] | {"description": f"{attribute.sentence}{unit}"}
    return entry | ({"enum": list(attribute.choices)} if attribute.choices else {})


def _limits(low: float | None, high: float | None) -> dict[str, Any]:
    limits = {"minimum": low, "maximum": high}
    return {key: value for key, value in limits.items() if value is not None}
