"""Loading: finding files, following ``extends``, applying overrides, then validation."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sim import __version__
from sim.errors import ScenarioError
from sim.scenario.checks import POPULATIONS, is_complete, is_safe_name, named_parameters, notes, wrong_name
from sim.scenario.messages import kind, meant, quoted
from sim.scenario.mistakes import validated
from sim.scenario.nodes import Node, Origin, merged, node_of
from sim.scenario.own_tables import read_tables
from sim.scenario.schema import SCHEMA_VERSION, Scenario
from sim.scenario.table import read_table
from sim.world.tables import ATTRIBUTES
from sim.yaml_reader import MAX_PATH, dotted, parse_yaml, read_yaml, shown

MAX_PARENTS: Final = 32
MAX_OVERRIDE: Final = 10
ACTOR_DEPTH: Final = 2
"""Where an override such as ``world.firms.NAME.revenue`` names an actor."""
MARKERS: Final = ("pyproject.toml", ".aipower")


class ScenarioWarning(UserWarning):
    """A scenario can be run, and probably does not say what was meant."""


def load_scenario(
    source: str | os.PathLike[str] | Mapping[str, Any] | Scenario, *, overrides: Sequence[str] = ()
) -> Scenario:
    """Load and check a scenario.

    Parameters
    ----------
    source : path, name of a shipped scenario, or mapping
        A YAML file, a name such as ``baseline``, or the same content as a mapping (whose
        ``extends`` is relative to the current folder).
    overrides : sequence of str
        Changes such as ``"world.parameters.flywheel=1.2"``, applied last and in turn; the value is
        read as YAML. An actor is named: ``"world.firms.OpenAI.revenue=2"``. So is a policy,
        ``"policies.training_cap.flop=1e26"``, or counted from 0: ``"policies.0.flop=1e26"``.

    Returns
    -------
    Scenario

    Raises
    ------
    ScenarioError
        With one line for each problem: ``file:line: key: what is wrong; what is allowed; what to
        try``. ``error.problems`` holds the lines.

    Warns
    -----
    ScenarioWarning
        When something is allowed and probably not meant; not again what a given ``Scenario`` says as well.
    """
    scenario, remarks = loaded(source, overrides, source if isinstance(source, Scenario) else None)
    warn(remarks, stacklevel=3)
    return scenario


def warn(remarks: Iterable[str], stacklevel: int) -> None:
    """Tell each remark about scenarios once."""
    for remark in dict.fromkeys(remarks):
        warnings.warn(remark, ScenarioWarning, stacklevel=stacklevel)


def loaded(
    source: str | os.PathLike[str] | Mapping[str, Any] | Scenario,
    overrides: Sequence[str] = (),
    before: Scenario | None = None,
    called: str = "scenario",
) -> tuple[Scenario, list[str]]:
    """Load a scenario, with the remarks about it that do not hold of the one before it was changed.

    A mapping is ``called`` so in errors and remarks.
    """
    if isinstance(source, Scenario):
        source = source.resolved()
    if isinstance(source, Mapping):
        path = Path.cwd() / "scenario"
        top = node_of(source, called)
    else:
        path = _find(source)
        called = str(path)
        top = _read(path, called)
    whole = _with_parents(top, path, called)
    for text in (overrides,) if isinstance(overrides, str) else overrides:
        change = _override(text)
        _read_files_of(change, Path.cwd() / "scenario", "scenario", _Fence.around(Path.cwd() / "scenario"))
        whole = _over(whole, _with_policies_in_place(whole, change))
    if "name" not in whole.value:
        if not is_safe_name(path.stem):
            message = f"{whole.origin.source}: name: missing, and the file's {wrong_name(path.stem)}"
            raise ScenarioError(message)
        whole.value["name"] = Node(path.stem, whole.origin)
    scenario = validated(whole)
    known = [] if before is None else list(notes(before))
    remarks = []
    for note in notes(scenario):
        if note not in known:
            origin, where = whole.locate(note[0])
            remarks.append(f"{origin}: {dotted(where)}: {note[1]}")
    return scenario, remarks


def remarks_of_horizon(scenario: Scenario, before: Scenario) -> list[str]:
    """Remarks about keys of which none was to be made before the horizon was changed."""
    if scenario.horizon == before.horizon:
        return []
    known = [path for path, _ in notes(before)]
    return [f"{scenario.name}: {dotted(path)}: {text}" for path, text in notes(scenario) if path not in known]


def shipped_scenarios() -> dict[str, Path]:
    """Files of the scenarios that come with the package, by name.

    Returns
    -------
    dict of str to Path
        In alphabetical order.
    """
    files = sorted(_shipped_folder().rglob("*.yaml"), reverse=True)
    return dict(sorted((path.stem, path) for path in files))


def _shipped_folder() -> Path:
    """Find the scenarios' folder: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_scenarios"
    return (installed if installed.is_dir() else package.parent / "scenarios").resolve()


def _find(source: object) -> Path:
    """Find the file that a path or the name of a shipped scenario stands for."""
    if not isinstance(source, str | os.PathLike):
        hint = "; try its .scenario" if hasattr(source, "scenario") else ""
        message = (
            "a scenario is a path, the name of a shipped one, a mapping or a Scenario, not of the type "
            f"{type(source).__name__}{hint}"
        )
        raise ScenarioError(message)
    path, text, shipped = Path(source), os.fspath(source), shipped_scenarios()
    if text in shipped and not _is_file(path):
        return shipped[text]
    if not os.path.exists(path):  # noqa: PTH110 - this one raises nothing
        names = [*(str(path.parent / other.name) for other in _yaml_files(path.parent)), *shipped]
        allowed = "a path to a YAML file, or a name that `aipower list scenarios` shows"
        hint = meant(text, names) if names else "check the path"
        Origin(shown(text, MAX_PATH)).refuse("", "there is no such file or shipped scenario", allowed, hint)
    return path  # reading a folder says what is wrong


def _is_file(path: Path) -> bool:
    return os.path.exists(path) and not os.path.isdir(path)  # noqa: PTH110, PTH112 - raise nothing


def _yaml_files(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if p.suffix in (".yaml", ".yml"))[:200]
    except (OSError, ValueError):
        return []


def _read(path: Path, called: str) -> Node:
    document = read_yaml(path, called)
    return node_of(document.value, shown(called, MAX_PATH), document.marks)


def _require_mapping(top: Node) -> None:
    """Refuse a file that is not a mapping, or is of another schema version."""
    if not isinstance(top.value, dict):
        top.origin.refuse("", f"the content is {kind(top.value)}", "a mapping of keys", "write `key: value` lines")
    version = top.value.get("schema")
    if version is not None and version.value != SCHEMA_VERSION:
        what, hint = f"{quoted(version.value)} is no version of the file format", f"write schema: {SCHEMA_VERSION}"
        if isinstance(version.value, int) and version.value > SCHEMA_VERSION:
            what = f"the file is in format {quoted(version.value)}, of a newer aipower than this {__version__}"
            hint = f"update aipower (pip install --upgrade aipower), or write what format {SCHEMA_VERSION} knows"
        version.origin.refuse("schema", what, f"format {SCHEMA_VERSION}, the only one so far", hint)


@dataclass(frozen=True)
class _Fence:
    """Where parents may lie: a folder's tree, and files directly in one more folder."""

    tree: Path
    folder: Path | None

    @classmethod
    def around(cls, first: Path) -> _Fence:
        """Fence in the nearest marker's tree, else the first file's folder and its parent."""
        for folder in first.parents:
            if any(os.path.exists(folder / marker) for marker in MARKERS):  # noqa: PTH110 - no OSError
                return cls(folder, None)
        return cls(first.parent, first.parent.parent)

    def holds(self, target: Path) -> bool:
        """Whether a resolved path lies inside."""
        return target.is_relative_to(self.tree) or target.parent == self.folder

    def __str__(self) -> str:
        more = " and its parent" if self.folder else ""
        return f"the folder {shown(str(self.tree), MAX_PATH)}{more}"


def _with_parents(
    top: Node, path: Path, called: str, fence: _Fence | None = None, children: tuple[Path, ...] = ()
) -> Node:
    """Merge a file over its parents, of which the nearest is merged last."""
    _require_mapping(top)
    chain = (*children, _resolved(path, top.origin))
    fence = fence or _Fence.around(chain[0])
    _read_files_of(top, chain[-1], called, fence)
    for key in ("name", "question") if children else ():
        top.value.pop(key, None)
    extends = top.value.pop("extends", None)
    if extends is None:
        return merged(Node({}, top.origin), top)
    text = extends.value
    if not isinstance(text, str) or not text.strip():
        what = f"{quoted(text)} is {kind(text) if text else 'empty'}"
        extends.origin.refuse("extends", what, "one path", "try extends: baseline.yaml")
    parent = chain[-1].parent / text
    shipped = shipped_scenarios()
    if text in shipped and not _is_file(parent):
        parent, called, fence = shipped[text], text, _Fence(_shipped_folder(), None)
    else:
        called = os.path.normpath(Path(called).parent / text)
    target = _resolved(parent, extends.origin)
    _check_parent(extends, target, called, chain, fence)
    below = _with_parents(_read(target, called), target, called, fence, chain)
    return _over(below, top)


def _over(below: Node, above: Node) -> Node:
    """Put one file over another, with the parameters that either fixes where values do not tell."""
    whole = merged(below, above)
    layers = [each.value["world"] for each in (below, above) if isinstance(each.value, dict) and "world" in each.value]
    worlds = [layer.plain() for layer in layers if isinstance(layer.value, dict)]
    values = [world.get("parameters") for world in worlds]
    is_told = not any("fixed" in world for world in worlds)
    if len(worlds) == 1 or (is_told and not any(isinstance(each, dict) and is_complete(each) for each in values)):
        return whole
    names = dict.fromkeys(name for world in worlds for name in named_parameters(world))
    fixed = Node([Node(name, above.origin) for name in names], above.origin)
    world = whole.value["world"]
    return Node(whole.value | {"world": Node(world.value | {"fixed": fixed}, world.origin)}, whole.origin)


def _read_files_of(top: Node, path: Path, called: str, fence: _Fence) -> None:
    """Put what ``power.table`` and ``world.tables`` name, relative to this file, in their place."""
    for section, key in (("power", "table"), ("world", "tables")):
        parent = top.value.get(section) if isinstance(top.value, dict) else None
        named = parent.value.get(key) if parent is not None and isinstance(parent.value, dict) else None
        if parent is None or named is None or not isinstance(named.value, str):
            continue
        if section == "power":
            parent.value[key] = read_table(*_named(named, "power.table", "file", path, called, fence))
        else:
            target, its = _named(named, "world.tables", "folder", path, called, fence)
            parent.value[key], notes = read_tables(target, its, named.origin, fence.holds)
            for note in notes:
                warnings.warn(note, ScenarioWarning, stacklevel=5)


def _named(node: Node, key: str, noun: str, path: Path, called: str, fence: _Fence) -> tuple[Path, str]:
    """Find the file or folder inside the fence that a file names relative to itself, and what messages call it."""
    text = node.value
    if not text.strip():
        allowed = "rows of two numbers, or a CSV file" if noun == "file" else "a folder of CSV files"
        hint = "write table: file.csv" if noun == "file" else "write tables: folder"
        node.origin.refuse(key, "is empty", allowed, hint)
    target = _resolved(path.parent / text, node.origin, key)
    called = os.path.normpath(Path(called).parent / text)
    if not fence.holds(target):
        hint = "move it there, or put an empty file `.aipower` in a folder that holds both"
        node.origin.refuse(key, f"{shown(text)} leaves {fence}", f"a {noun} in there", hint)
    if not (_is_file(target) if noun == "file" else os.path.isdir(target)):  # noqa: PTH112 - raises nothing
        what = f"there is no {noun} {shown(called, MAX_PATH)}"
        node.origin.refuse(key, what, "a path relative to this file", "check the path")
    return target, called


def _check_parent(extends: Node, target: Path, called: str, chain: tuple[Path, ...], fence: _Fence) -> None:
    """Refuse a parent that is outside the fence, closes a circle, or is no file."""
    if not fence.holds(target):
        hint = "move it there, or put an empty file `.aipower` in a folder that holds both"
        extends.origin.refuse("extends", f"{shown(extends.value)} leaves {fence}", "a file in there", hint)
    if target in chain or len(chain) > MAX_PARENTS:
        names = " -> ".join(shown(each.name) for each in [*chain, target][-MAX_PARENTS:])
        what = f"the files extend one another in a circle or too long a line ({names})"
        extends.origin.refuse("extends", what, f"up to {MAX_PARENTS} parents in a line", "delete one `extends`")
    if not _is_file(target):
        files = [os.path.relpath(each, chain[-1].parent) for each in _yaml_files(target.parent)]
        known = [each for each in [*files, *shipped_scenarios()] if each != chain[-1].name]
        what = f"there is no file {shown(called, MAX_PATH)}"
        allowed = "a path relative to this file, or the name of a shipped scenario"
        extends.origin.refuse("extends", what, allowed, meant(extends.value, known))


def _resolved(path: Path, origin: Origin, key: str = "extends") -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        what = f"{shown(str(path))} cannot be followed"
        origin.refuse(key, what, "a path to a file", "check the symbolic links")


def _override(text: str) -> Node:
    """Nodes of one ``a.b.c=value``."""
    key, equals, value = str(text).partition("=")
    origin = Origin(f"--set {shown(str(text))}")
    path = [part.strip() for part in key.split(".")]
    is_of_actor = len(path) > ACTOR_DEPTH and path[0] == "world" and path[1] in POPULATIONS
    if is_of_actor:
        path[ACTOR_DEPTH:] = _actor_path(path[1], path[ACTOR_DEPTH:])
    if not equals or not all(path) or len(path) > MAX_OVERRIDE:
        origin.refuse("", "is not a change", "a key path, =, and a value", "try --set world.parameters.flywheel=1.2")
    if path[0] == "extends":
        origin.refuse("extends", "cannot be set here", "in a file", "write a file")
    if path in (["name"], ["question"]):
        node = Node(value.strip(), origin)
    else:
        node = node_of(parse_yaml(value, str(origin)).value if value.strip() else None, str(origin))
    for depth, part in reversed(list(enumerate(path))):
        if is_of_actor and depth == ACTOR_DEPTH:
            if not isinstance(node.value, dict):
                what = f"{quoted(node.value)} is {kind(node.value)}"
                origin.refuse("", what, "a mapping", f"try --set world.{path[1]}.{shown(part)}.KEY=VALUE")
            node = Node([Node({"name": Node(part, origin), **node.value}, origin)], origin)
        else:
            node = Node({part: node}, origin)
    return node


def _with_policies_in_place(whole: Node, change: Node) -> Node:
    """Put a change such as ``policies.training_cap.flop`` into the list of policies: by name, or by position.

    A policy that is not there yet is appended.
    """
    changed, listed = change.value.get("policies"), whole.value.get("policies")
    if changed is None or not isinstance(changed.value, dict):
        return change
    items = list(listed.value) if listed is not None and isinstance(listed.value, list) else []
    for key, parameters in changed.value.items():
        places = [k for k, item in enumerate(items) if key in (_policy_name(item), str(k))]
        if len(places) > 1:
            rule = f"a name that stands there once, or a position from 0 to {len(items) - 1}"
            what = f"{key} stands there {len(places)} times"
            change.origin.refuse("policies", what, rule, f"try --set policies.{places[0]}.KEY=VALUE")
        if not places and key.isdigit():
            rule = f"a position below {len(items)}, or a name"
            change.origin.refuse("policies", f"there is no policy at position {key}", rule, "name the policy")
        name = _policy_name(items[places[0]]) if places else key
        patch = Node({name or key: parameters}, change.origin)
        if places and isinstance(items[places[0]].value, dict):
            items[places[0]] = merged(items[places[0]], patch, ("policies", places[0]))
        elif places:
            items[places[0]] = patch
        else:
            items.append(patch)
    return Node(change.value | {"policies": Node(items, change.origin)}, change.origin)


def _policy_name(item: Node) -> str | None:
    """Name of a policy as it stands in the list."""
    if isinstance(item.value, dict) and len(item.value) == 1:
        return str(next(iter(item.value)))
    return item.value if isinstance(item.value, str) else None


def _actor_path(population: str, parts: list[str]) -> list[str]:
    """Put the parts of an actor's name together, as names may hold dots; one or two keys follow it."""
    if len(parts) == 1:
        return parts
    attribute = ATTRIBUTES[population].get(parts[-2])
    n_keys = 2 if attribute is not None and attribute.kind == "mapping" else 1
    return [".".join(parts[:-n_keys]), *parts[-n_keys:]]
