"""What an entry of the JSON Schema allows, and what to try instead of a value that it refuses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sim.quarters import QUARTER_PATTERN
from sim.scenario.messages import as_number, kind, limits, meant, quoted

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def explained(details: ErrorDetails, entry: dict[str, Any]) -> str:
    """Text of one of pydantic's errors about a value, for which the schema has ``entry``."""
    value = details["input"]
    what = "is not known here"
    if details["type"].endswith("_type") or details["type"] == "none_required":
        what = f"is {kind(value)}"
    elif entry.get("pattern") == QUARTER_PATTERN:
        what = "is not a quarter"
    elif details["type"] in ("greater_than_equal", "less_than_equal"):
        what = "is out of range"
    elif details["type"] == "finite_number":
        what = "is not a finite number"
    return f"{quoted(value)} {what}; allowed: {remedy(entry, value)}"


def remedy(entry: dict[str, Any], value: object) -> str:
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
    low, high = entry.get("minimum"), entry.get("maximum")
    number = f"a number{limits(low, high)}{_unit(entry)}"
    remedies = {
        "array": "a list; write [] or one item a line, each after `- `",
        "boolean": f"true or false; write {'false' if is_no else 'true'}",
        "integer": f"a whole {number.removeprefix('a ')}; {as_number(value, low, high) or hint}",
        "null": f"null; {hint}",
        "number": f"{number}; {as_number(value, low, high) or hint}",
        "object": f"a mapping with {', '.join(keys[:8])}; indent `{keys[0]}:` under it",
        "string": f"text; {hint}",
    }
    return remedies.get(str(entry.get("type")), f"what the schema says; {hint}")


def _unit(entry: dict[str, Any]) -> str:
    return f" ({entry['unit']})" if entry.get("unit") else ""
