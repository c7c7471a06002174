"""Axes of a sweep: keys and values as users write them, and the scenario of each cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.arguments import listed
from sim.errors import InputError, ScenarioError

if TYPE_CHECKING:
    from sim.scenario import Scenario

Value = float | int | bool | str
Axes = Mapping[str, Sequence[Value] | Value]

_SHARED = {
    "horizon": "all cells have the same quarters; give --quarters, or sweep once for each",
    "run": "all cells have the same replicates and luck; give --replicates and --seed, or sweep once for each",
    "uncertainty": "replicates of all cells differ in the same things; set it for the sweep, or sweep once for each",
    "record": "it says what is kept of a run, and a sweep keeps measures alone; leave it out",
    "name": "it changes no number; leave it out",
    "question": "it changes no number; leave it out",
}
"""What is no axis, and why."""
MOST_CELLS = 1_000
MOST_STEPS = 1_000
_RANGE_PARTS = 3
_POLICIES = "policies"


def axes_of(over: Axes | Sequence[str]) -> dict[str, tuple[Value, ...]]:
    """Values by key.

    Raises
    ------
    InputError
        When a text is not ``path=values``, a key comes twice or is what all cells share, or the grid is too large.

    Examples
    --------
    >>> axes_of(["world.parameters.flywheel=0.5:1.5:3", "mechanisms.entry=true,false"])
    {'world.parameters.flywheel': (0.5, 1.0, 1.5), 'mechanisms.entry': (True, False)}
    """
    pairs = list(over.items()) if isinstance(over, Mapping) else [_axis_of_different(text) for text in listed(over)]
    axes: dict[str, tuple[Value, ...]] = {}
    for path, values in pairs:
        if (reason := _SHARED.get(path.partition(".")[0])) is not None:
            message = f"{path} is no axis of a sweep: {reason}"
            raise InputError(message)
        if path in axes:
            message = f"{path} is swept twice; give all its values at once: {path}=1,2,3"
            raise InputError(message)
        given = listed(values)
        if wrong := [value for value in given if not isinstance(value, Value | None)]:
            message = (
                f"{path}: {wrong[0]!r} cannot stand on an axis; allowed: numbers, texts, true and false; "
                "compare scenarios instead"
            )
            raise InputError(message)
        axes[path] = tuple(dict.fromkeys(_of_one_kind(given)))
        if not axes[path]:
            message = f"{path} has no values; give some: {path}=1,2,3"
            raise InputError(message)
    n_cells = math.prod(map(len, axes.values()))
    if not axes or n_cells > MOST_CELLS:
        what = "there is nothing to sweep over" if not axes else f"the grid has {n_cells:,} cells"
        message = f"{what}; allowed: 1 to {MOST_CELLS:,} cells; try world.parameters.flywheel=0.5:1.5:5"
        raise InputError(message)
    return axes


def _of_one_kind(values: Sequence[Value]) -> list[Value]:
    """Numbers all as decimals where one is, as a column of a table has one kind.

    Examples
    --------
    >>> _of_one_kind([0.5, 1, True, "log"]), _of_one_kind([1, 2])
    ([0.5, 1.0, True, 'log'], [1, 2])
    """
    if not any(isinstance(value, float) for value in values):
        return list(values)
    return [float(value) if isinstance(value, int) and not isinstance(value, bool) else value for value in values]


def _axis_of_different(text: str) -> tuple[str, list[Value]]:
    path, values = _axis(text)
    for place, value in enumerate(values):
        if value in values[:place]:
            message = f"--over {text}: {value} comes twice; give each value once"
            raise InputError(message)
    return path, values


def _axis(text: str) -> tuple[str, list[Value]]:
    """Key and values of ``path=1,2,3`` or ``path=low:high:n``."""
    path, equals, values = text.partition("=")
    path = path.strip()
    if not equals or not path or not values.strip():
        message = f"--over {text}: not an axis; write a key, =, and values: {path or 'world.parameters.flywheel'}=1,2,3"
        raise InputError(message)
    parts = [part.strip() for part in values.split(":")]
    if len(parts) == 1:
        return path, [_value(word.strip(), text) for word in values.split(",")]
    try:
        low, high, count = float(parts[0]), float(parts[1]), int(parts[2])
        is_range = len(parts) == _RANGE_PARTS and math.isfinite(low) and math.isfinite(high)
    except (ValueError, IndexError):
        is_range, count = False, 0
    if not is_range or not 1 < count <= MOST_STEPS:
        message = (
            f"--over {text}: not a range; write low:high:n with n evenly spaced values, 2 to {MOST_STEPS:,} of them, "
            f"such as {path}=0.5:1.5:5"
        )
        raise InputError(message)
    return path, [float(np.format_float_positional(value, precision=12)) for value in np.linspace(low, high, count)]


def _value(word: str, text: str) -> Value:
    """A value as YAML reads it; NumPy-like exponents such as 1e26 are numbers too."""
    from sim.yaml_reader import resolve

    value = resolve(word) if word else None
    if value is None:
        message = f"--over {text}: a value is empty; separate values by single commas"
        raise InputError(message)
    return value


def cell_of(scenario: Scenario, changes: Mapping[str, Value]) -> tuple[Scenario, list[str]]:
    """The scenario with one value of each axis, and remarks about these.

    Raises
    ------
    ScenarioError
        When a key is unknown or a value is not allowed.
    """
    from sim.scenario.load import loaded

    data: Scenario | dict[str, Any] = scenario
    overrides, called = [], []
    for path, value in changes.items():
        if path.split(".")[0] == _POLICIES:
            data = _with_policy(data.resolved() if not isinstance(data, dict) else data, path, value)
            called.append(f"--over {path}={value}")
        else:
            overrides.append(f"{path}={str(value).lower() if isinstance(value, bool) else value}")
    try:
        cell, remarks = loaded(data, overrides, before=scenario, called=", ".join(called) or "scenario")
    except ScenarioError as error:
        problems = tuple(_as_axis(problem) for problem in error.problems)
        raise ScenarioError("\n".join(problems), problems) from error
    return cell, [_as_axis(remark) for remark in remarks]


def _as_axis(line: str) -> str:
    """Name the option that the user wrote."""
    return line.replace("--set ", "--over ")


def _with_policy(data: dict[str, Any], path: str, value: Value) -> dict[str, Any]:
    """Put a value into every policy of a name: ``policies.NAME.KEY``."""
    _, _, rest = path.partition(".")
    name, _, key = rest.partition(".")
    names = [next(iter(item), "") for item in data[_POLICIES]]
    if not key or name not in names:
        from sim.scenario import nearest

        near = nearest(name, names)
        known = f"it has {', '.join(dict.fromkeys(names))}" if names else "it has none"
        hint = f"; did you mean {_POLICIES}.{near}.{key or 'KEY'}?" if near else ""
        message = f"--over {path}: the scenario has no policy {name!r}; {known}{hint}"
        if not key and name in names:
            message = f"--over {path}: names a policy and no key of it; write {path}.strength, for example"
        raise ScenarioError(message)
    steps = key.split(".")
    policies = []
    for item in data[_POLICIES]:
        if next(iter(item), "") == name:
            policies.append({name: _with_key(item[name] or {}, steps, value)})
        else:
            policies.append(item)
    return data | {_POLICIES: policies}


def _with_key(settings: Mapping[str, Any], steps: Sequence[str], value: Value) -> dict[str, Any]:
    first, *rest = steps
    below = settings.get(first)
    return {**settings, first: _with_key(below if isinstance(below, Mapping) else {}, rest, value) if rest else value}
