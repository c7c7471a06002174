"""Validation that names, for each problem, who wrote the key, what is allowed and what to try."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from sim.errors import ScenarioError
from sim.parameters import parameter_table
from sim.scenario.checks import problems_across, problems_of_actors
from sim.scenario.messages import MAX_TOLD, form, nearest
from sim.scenario.nodes import Node
from sim.scenario.own_tables import problems_of_references
from sim.scenario.remedies import explained
from sim.scenario.schema import OURS, Scenario
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
    actors = [*problems_of_actors(world), *problems_of_references(world)] if isinstance(world, dict) else ()
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
    return explained(details, entry)


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
