"""Values that know who wrote them, and how one file's are put over another's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from sim.errors import ScenarioError
from sim.scenario.checks import POPULATIONS
from sim.scenario.messages import kind, quoted
from sim.yaml_reader import MAX_DEPTH, MAX_DIGITS, KeyPath, dotted

_BESIDE: Final = ("power",)
_PARAMETERS: Final = ("world", "parameters")
"""The two places where a parameter of a power family may stand."""
_ACTOR_LISTS: Final = tuple(("world", population) for population in POPULATIONS)
_ACTORS: Final = frozenset(POPULATIONS)
_REPLACED: Final = ("world", "tables", "shipments")
"""A mapping that another replaces whole, as a shorter table of shipments ends earlier."""


@dataclass(frozen=True, order=True)
class Origin:
    """Who wrote a key: a file and line (and column of a table), or an option or mapping (line 0)."""

    source: str
    line: int = 0
    column: str = ""

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}" if self.line else self.source
        return f"{where}: column {self.column}" if self.column else where

    def refuse(self, key: str, what: str, allowed: str, hint: str) -> NoReturn:
        """Raise one problem here."""
        where = f"{self}: {key}" if key else str(self)
        message = f"{where}: {what}; allowed: {allowed}; {hint}"
        raise ScenarioError(message)


@dataclass
class Node:
    """A value with its origin; children are nodes too."""

    value: Any
    origin: Origin

    def plain(self) -> Any:  # noqa: ANN401 - any plain data
        """Return the value without origins."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def locate(self, path: KeyPath) -> tuple[Origin, KeyPath]:
        """Origin of a path (of its nearest parent when nobody wrote it), with actors by name."""
        node = self
        if path[:2] == _PARAMETERS and path[2:] and path[2] in _children(self, _BESIDE):
            path = (*_BESIDE, *path[2:])  # as it was written
        where: list[str | int] = []
        for part in path:
            children = dict(enumerate(node.value)) if isinstance(node.value, list) else node.value
            child = children.get(part) if isinstance(children, dict) else None
            node = Node(None, node.origin) if child is None else child
            name = _name_of(node) if isinstance(part, int) else None
            where.append(part if name is None else name)
        return node.origin, tuple(where)


def node_of(
    value: object, source: str, marks: Mapping[KeyPath, tuple[int, int]] | None = None, path: KeyPath = ()
) -> Node:
    """Nodes of plain data: of a file when there are marks, else given in Python, which may be wrong or of NumPy."""
    origin = Origin(source, marks[path][0] if marks else 0)
    where = f"{origin}: {dotted(path[:6])}" if path else str(origin)
    if len(path) > MAX_DEPTH:
        message = f"{where}: is nested over {MAX_DEPTH} levels deep; flatten it"
        raise ScenarioError(message)
    if isinstance(value, Mapping):
        children = {}
        for key, child in value.items():
            if not isinstance(key, str):
                message = f"{where}: the key {quoted(key)} is not text; keys are names; use text"
                raise ScenarioError(message)
            children[str(key)] = node_of(child, source, marks, (*path, key))
        return Node(children, origin)
    if isinstance(value, list | tuple):
        items = enumerate(value)
        return Node([node_of(item, source, marks, (*path, i)) for i, item in items], origin)
    if getattr(value, "shape", None) == () and callable(item := getattr(value, "item", None)):
        value = item()  # a NumPy scalar
    is_large = isinstance(value, int) and abs(value) >= 10**MAX_DIGITS
    if is_large or not isinstance(value, int | float | str | None):
        what = "is too large" if is_large else f"is a Python {type(value).__name__}"
        rule = "text, numbers, true, false, None, lists and dictionaries"
        origin.refuse(dotted(path[:6]), what, rule, "convert it")
    return Node(value, origin)


def merged(below: Node, above: Node, path: KeyPath = ()) -> Node:
    """Put ``above`` over ``below``: mappings by key, actors by name, the rest replaced."""
    if isinstance(below.value, dict) and above.value is None and path:
        return below  # a heading with nothing under it
    if not path:
        below = _without_replaced(below, above)
    if path in _ACTOR_LISTS and _are_actors(below) and _are_actors(above):
        return _merged_actors(below, above)
    if not isinstance(above.value, dict) or path == _REPLACED:
        return above
    result = dict(below.value) if isinstance(below.value, dict) else {}
    for key, child in above.value.items():
        here = (*path, key)
        if here == ("policies+",):
            _append(result, "policies", child, above)
        else:
            result[key] = merged(result[key], child, here) if key in result else child
    return Node(result, above.origin)


def _without_replaced(below: Node, above: Node) -> Node:
    """Leave out what ``above`` replaces elsewhere.

    A parameter may stand beside ``power.family`` or in ``world.parameters``; another family starts afresh. A table of
    the user's own goes over everything that parents say about the same facts.
    """
    tables = _children(above, ("world", "tables"))
    below = _without(below, ("world",), _ACTORS & tables.keys())
    tabled = _children(above, ("world", "tables", "parameters"))
    below = _without(_without(below, _PARAMETERS, tabled), _BESIDE, tabled)
    beside, parameters = _children(above, _BESIDE), _children(above, _PARAMETERS)
    former = _children(below, _BESIDE)
    is_other = "family" in beside and beside["family"].value != former.get("family", beside["family"]).value
    below = _without(below, _BESIDE, former if is_other else parameters)
    return _without(below, _PARAMETERS, beside)


def _children(node: Node, path: tuple[str, ...]) -> dict[str, Node]:
    """Nodes by key in a mapping below; none where there is no such mapping."""
    for part in path:
        child = node.value.get(part) if isinstance(node.value, dict) else None
        if child is None:
            return {}
        node = child
    return node.value if isinstance(node.value, dict) else {}


def _without(node: Node, path: tuple[str, ...], keys: Iterable[str]) -> Node:
    """Copy without some keys of a mapping below."""
    if not isinstance(node.value, dict) or (path and path[0] not in node.value):
        return node
    if path:
        return Node(node.value | {path[0]: _without(node.value[path[0]], path[1:], keys)}, node.origin)
    return Node({key: child for key, child in node.value.items() if key not in set(keys)}, node.origin)


def _are_actors(node: Node) -> bool:
    return isinstance(node.value, list) and all(_name_of(item) for item in node.value)


def _name_of(item: Node) -> str | None:
    name = item.value.get("name") if isinstance(item.value, dict) else None
    return name.value if name is not None and isinstance(name.value, str) else None


def _merged_actors(below: Node, above: Node) -> Node:
    """Merge lists of actors by name; one that comes twice in a list stays, to be refused."""
    actors = list(below.value)
    places = {_name_of(actor): place for place, actor in enumerate(actors)}
    for actor in above.value:
        place = places.pop(_name_of(actor), None)
        if place is None:
            actors.append(actor)
        else:
            actors[place] = merged(actors[place], actor, ("actor",))
    return Node(actors, above.origin)


def _append(result: dict[str, Node], key: str, extra: Node, above: Node) -> None:
    """Append to a list, as ``policies+`` asks."""
    if not isinstance(extra.value, list):
        what = f"{quoted(extra.value)} is {kind(extra.value)}"
        extra.origin.refuse(f"{key}+", what, "a list", "begin each item with `- `")
    if key in above.value:
        what = f"stands beside {key}, which replaces the list"
        extra.origin.refuse(f"{key}+", what, "one of them", f"keep {key} or {key}+")
    below = result.get(key)
    items = below.value if below is not None and isinstance(below.value, list) else []
    result[key] = Node([*items, *extra.value], extra.origin)
