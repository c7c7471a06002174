"""Validation that names, for each problem, who wrote the key, what is allowed and what to try."""

from __future__ import annotations

import functools
import itertools
import re
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from sim.errors import ScenarioError
from sim.parameters import parameter_table
from sim.scenario.checks import QUARTER_PATTERN, problems_across, problems_of_actors
from sim.scenario.messages import as_number, form, kind, limits, meant, nearest, quoted
from sim.scenario.nodes import Node
from sim.scenario.schema import MAX_TOLD, OURS, Scenario
from sim.scenario.write import json_schema
from sim.yaml_reader import KeyPath, dotted, join_problems

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def validated(top: Node) -> Scenario:
    """Build the scenario that merged nodes describe.

    Raises
    ------
    ScenarioError
        With one line for each problem, in the order of files and lines.
    """
    data = top.plain()
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    # pydantic checks parts together only when each is right alone
    world = data.get("world")
    actors = problems_of_actors(world) if isinstance(world, dict) else ()
    told: dict[KeyPath, str | ErrorDetails] = {
        ("world", *path): text for path, text in itertools.islice(actors, MAX_TOLD)
    }
    told |= dict(problems_across(data)) | {tuple(each["loc"]): each for each in errors}
    places = sorted(((*top.locate(path), path) for path in told), key=lambda each: each[0])
    lines: list[str] = []
    for origin, where, path in places[:MAX_TOLD]:
        problem = told[path]
        text = problem if isinstance(problem, str) else _explained(problem)
        lines.append(f"{origin}: {dotted(where)}: {text}" if where else f"{origin}: {text}")
    raise ScenarioError(join_problems(lines, top.origin.source), tuple(lines))


def _explained(details: ErrorDetails) -> str:
    """Text of one of pydantic's errors."""
    path = tuple(details["loc"])
    if details["type"] == OURS:
        return str(details["ctx"]["text"])
    if details["type"] == "extra_forbidden":
        return _unknown_key(path)
    entry = _entries().get(tuple(0 if isinstance(part, int) else part for part in path), {})
    value = details["input"]
    what = "is not known here"
    if details["type"].endswith("_type") or details["type"] == "none_required":
        what = f"is {kind(value)}"
    elif entry.get("pattern") == QUARTER_PATTERN:
        what = "is not a quarter"
    elif details["type"] in ("greater_than_equal", "less_than_equal"):
        what = "is out of range"
    return f"{quoted(value)} {what}; allowed: {_remedy(entry, value)}"


def _unknown_key(path: KeyPath) -> str:
    """Text about a key that the schema does not have."""
    above, key = path[:-1], str(path[-1])
    here = list(_entries()[above]["properties"])
    offer = f"allowed: {', '.join(here)}"
    if key.endswith("+"):
        return f"unknown key; {offer}; only policies+ appends"
    homes = _homes()
    is_elsewhere = form(key) in homes and form(key) not in map(form, here)
    close = None if is_elsewhere else nearest(key, here)
    if close is None and (elsewhere := nearest(key, list(homes))):
        close = homes[elsewhere]
    return f"unknown key; {offer}; " + (f"did you mean {close}?" if close else "leave it out")


@functools.cache
def _homes() -> dict[str, str]:
    """Key paths of the schema by the form of their last key; the first of several."""
    homes = [(str(path[-1]), dotted(path)) for path in _entries() if path and 0 not in path]
    homes += [(row.symbol, f"world.parameters.{row.name}") for row in parameter_table().values() if row.symbol]
    return {form(key): home for key, home in reversed(homes)}


@functools.cache
def _entries() -> dict[KeyPath, dict[str, Any]]:
    """Parts of the JSON Schema by key path; all items of a list are at 0."""
    schema = json_schema()
    entries: dict[KeyPath, dict[str, Any]] = {}

    def walk(entry: dict[str, Any], path: KeyPath) -> None:
        entries[path] = entry = schema["$defs"].get(entry.get("$ref", "").rpartition("/")[2], {}) | entry
        for key, child in entry.get("properties", {}).items():
            walk(child, (*path, key))
        if "items" in entry:
            walk(entry["items"], (*path, 0))

    walk(schema, ())
    return entries


def _remedy(entry: dict[str, Any], value: object) -> str:
    """Say what the JSON Schema allows, and what to try instead of a value."""
    if "enum" in entry:
        return f"{', '.join(map(str, entry['enum']))}; {meant(value, entry['enum'])}"
    if entry.get("pattern") == QUARTER_PATTERN:
        match = re.search(r"([0-9]{4})(?:\W*[qQ]?\W*([1-4])(?![0-9]))?", str(value))
        return f"a quarter, like 2027Q1; try {f'{match[1]}Q{match[2] or 1}' if match else '2027Q1'}"
    default = entry.get("default")
    hint = "leave it out" if default in (None, "") else f"try {default}"
    is_no = str(value).casefold() in ("no", "off", "0", "n", "f", "false", "none")
    keys = list(entry.get("properties", {})) or ["key"]
    remedies = {
        "array": "a list; write [] or one item a line, each after `- `",
        "boolean": f"true or false; write {'false' if is_no else 'true'}",
        "integer": f"a whole number{limits(entry.get('minimum'), entry.get('maximum'))}; {as_number(value) or hint}",
        "null": f"null; {hint}",
        "object": f"a mapping with {', '.join(keys[:8])}; indent `{keys[0]}:` under it",
        "string": f"text; {hint}",
    }
    return remedies.get(str(entry.get("type")), f"what the schema says; {hint}")
