"""What the types of a scenario cannot say: names, parameters, actors, and parts that must agree.

Each check yields problems: the path of a key, and what is wrong, what is allowed and what to try.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sim.parameters import Parameters, parameter_table
from sim.scenario.messages import as_number, kind, meant, nearest, quoted, wrong_number
from sim.world import WORLD_START
from sim.world.tables import ATTRIBUTES, Attribute, read_population
from sim.yaml_reader import KeyPath, shown

if TYPE_CHECKING:
    from sim.scenario.schema import Scenario

POPULATIONS: Final = ("firms", "owners", "makers")
NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9_.-]{0,63}$"
BASE: Final = "world_2024"
START: Final = "2024Q1"
END: Final = "2035Q4"
QUARTER_PATTERN: Final = r"^[0-9]{4}Q[1-4]$"

_RESERVED = {"con", "prn", "aux", "nul"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(10)}
_ACTOR_NAME = re.compile(r"[^\W_](?:[\w .&'()/+-]{0,62}[\w.)+])?")
_GENERATED_NAME = re.compile(r"(entrant|small firm) \d+")
_is_quarter = re.compile(QUARTER_PATTERN).fullmatch

Problem: TypeAlias = tuple[KeyPath, str]
Actor: TypeAlias = dict[str, Any]
"""``name`` and the attributes to change: number, text, or mapping of owners to numbers."""


def is_safe_name(name: str) -> bool:
    """Whether a scenario's name can be a folder on every system.

    Examples
    --------
    >>> [is_safe_name(name) for name in ("training-cap", "nul", "con.1", "a.", "A", "../a")]
    [True, False, False, False, False, False]
    """
    allowed = re.fullmatch(NAME_PATTERN, name) is not None
    return allowed and not name.endswith(".") and name.partition(".")[0] not in _RESERVED


def wrong_name(name: str) -> str:
    """Say why a name is not safe, and offer one that is."""
    slug = re.sub(r"[^a-z0-9_.-]+", "-", name.casefold()).strip("-_.")[:64].rstrip(".")
    hint = f"try {slug}" if is_safe_name(slug) else "try my-scenario"
    what = f"{shown(repr(name))} is not a name that every system can store"
    rule = "a letter a-z or digit, then up to 63 of a-z 0-9 _ . -, no reserved name such as nul"
    return f"{what}; allowed: {rule}; {hint}"


def problems_of_parameters(given: Mapping[str, Any]) -> Iterator[Problem]:
    """Find unknown parameters and impossible values."""
    table = parameter_table()
    symbols = {row.symbol: row.name for row in table.values() if row.symbol}
    for name, value in given.items():
        if (row := table.get(name)) is None:
            full = symbols.get(str(name))
            hint = f"{name} is the symbol of {full}: write {full}" if full else meant(name, list(table))
            yield (name,), f"unknown parameter; allowed: the {len(table)} names of the parameter table; {hint}"
        elif wrong := wrong_number(value, row.minimum, row.maximum, row.unit, whole=name in whole_parameters()):
            hint = as_number(value) or f"try {row.value:g}"
            yield (name,), f"{wrong}, plausible {row.low:g} to {row.high:g}; {hint}"


@functools.cache
def whole_parameters() -> frozenset[str]:
    """Names of the parameters that count something."""
    return frozenset(field.name for field in fields(Parameters) if str(field.type) == "int")


@functools.cache
def actor_names(population: str) -> tuple[str, ...]:
    """Names that the world's table gives."""
    return tuple(read_population(population))


def problems_of_actors(world: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what is wrong with the actors of a world, skipping what are no lists of mappings."""
    added = [str(owner.get("name")) for _, owner in _actors(world, "owners")]
    for population in POPULATIONS:
        checker = ActorChecker(population, list(actor_names(population)), [*actor_names("owners"), *added])
        for index, actor in _actors(world, population):
            for path, text in checker.problems(actor):
                yield (population, index, *path), text


def _actors(world: Mapping[str, Any], population: str) -> list[tuple[int, Mapping[str, Any]]]:
    given = world.get(population)
    items = given if isinstance(given, list | tuple) else ()
    return [(index, item) for index, item in enumerate(items) if isinstance(item, Mapping)]


class ActorChecker:
    """Checks the actors of one population that a scenario adds or changes."""

    def __init__(self, population: str, known: list[str], owners: list[str]) -> None:
        self.attributes = ATTRIBUTES[population]
        self.noun = population.removesuffix("s")
        self.known = known
        self.owners = owners
        self.seen: set[str] = set()

    def problems(self, actor: Mapping[str, Any]) -> Iterator[Problem]:
        """Find everything wrong with one actor."""
        name = actor.get("name")
        wrong = self.wrong_name(name)
        if wrong is not None:
            yield (("name",) if "name" in actor else ()), wrong
        for key, value in actor.items():
            if key in self.attributes:
                yield from self.wrong_value(key, value)
            elif key != "name":
                known = ["name", *self.attributes]
                text = f"unknown attribute of a {self.noun}; allowed: {', '.join(known)}"
                yield (key,), f"{text}; {meant(key, known)}"
        if isinstance(name, str) and wrong is None and name not in self.known:
            required = [key for key, attribute in self.attributes.items() if attribute.required]
            if missing := [key for key in required if key not in actor]:
                close = nearest(name, self.known)
                hint = f"did you mean {close}?" if close else "add them, or name one of the world's"
                text = f"a new {self.noun} lacks {', '.join(missing)}"
                yield (), f"{text}; allowed: any {self.noun} with these; {hint}"

    def wrong_name(self, name: object) -> str | None:
        """Refuse names that cannot be told apart, stored or shown; remember the others."""
        if not isinstance(name, str):
            what = "has no name" if name is None else f"{quoted(name)} is {kind(name)}, not text"
            return f"{what}; allowed: the name of a {self.noun}; write `name: {self.known[0]}`"
        folded = name.casefold()
        if not _ACTOR_NAME.fullmatch(name) or _GENERATED_NAME.fullmatch(folded):
            rule = "letters, digits, spaces and .&'()/+- (no `Entrant 1`, which the model names)"
            return f"{shown(repr(name))} cannot be a name; allowed: up to 64 {rule}; try another"
        if folded in self.seen:
            return f"{name} is here twice; allowed: each {self.noun} once; put both entries in one"
        self.seen.add(folded)
        same = [known for known in self.known if known.casefold() == folded]
        if same and name not in same:
            return f"{name} differs from {same[0]} only in case; allowed: either; write {same[0]}"
        return None

    def wrong_value(self, key: str, value: object) -> Iterator[Problem]:
        """Refuse a value that its attribute does not allow."""
        attribute = self.attributes[key]
        if attribute.kind == "number":
            yield from self.wrong_number((key,), attribute, value)
        elif attribute.kind == "text":
            choices = list(attribute.choices) or self.owners
            if value not in choices:
                text = f"{quoted(value)} is not known; allowed: {', '.join(choices)}"
                yield (key,), f"{text}; {meant(value, choices)}"
        elif not isinstance(value, Mapping):
            text = f"{quoted(value)} is {kind(value)}; allowed: a mapping of owners to numbers"
            yield (key,), f"{text}; try {{{self.owners[0]}: 1}}"
        else:
            for owner, number in value.items():
                if owner in self.owners:
                    yield from self.wrong_number((key, owner), attribute, number)
                else:
                    text = f"unknown owner; allowed: {', '.join(self.owners)}"
                    yield (key, owner), f"{text}; {meant(owner, self.owners)}"

    def wrong_number(self, path: KeyPath, attribute: Attribute, value: object) -> Iterator[Problem]:
        """Refuse what is not a number in the attribute's range."""
        wrong = wrong_number(value, attribute.minimum, attribute.maximum, attribute.unit)
        if wrong is not None:
            yield path, f"{wrong}; {as_number(value) or 'try another, or leave it out'}"


def ordered_actor(population: str, actor: Actor) -> Actor:
    """Order a valid actor's attributes as the tables do, with numbers as floats."""
    attributes = {key: settled(actor[key]) for key in ATTRIBUTES[population] if key in actor}
    return {"name": actor["name"], **attributes}


def settled(value: Any) -> Any:  # noqa: ANN401 - an attribute's value
    """Write a valid value in its one form: numbers as floats without -0.0, mappings in alphabetical order."""
    if isinstance(value, Mapping):
        return {key: settled(value[key]) for key in sorted(value)}
    return float(value) + 0.0 if isinstance(value, int | float) else value


def problems_across(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what no section can see alone, skipping what is wrong in itself."""
    sections = {key: value for key, value in data.items() if isinstance(value, Mapping)}
    horizon = {"start": START, "end": END, **sections.get("horizon", {})}
    start, end = str(horizon["start"]), str(horizon["end"])
    base = str(sections.get("world", {}).get("base", BASE))
    begins = WORLD_START.get(base, start)
    if _is_quarter(start) and start != begins:
        text = f"{start} is not where {base} starts; allowed: {begins}; write start: {begins}"
        yield ("horizon", "start"), text
    networks = sections.get("record", {}).get("networks")
    if not (_is_quarter(start) and _is_quarter(end) and start <= end and isinstance(networks, list | tuple)):
        return
    for index, quarter in enumerate(networks):
        if _is_quarter(str(quarter)) and not start <= quarter <= end:
            text = f"{quarter} is outside the horizon; allowed: {start} to {end}; try {end}"
            yield ("record", "networks", index), text


def notes(scenario: Scenario) -> Iterator[Problem]:
    """Find what a scenario may say and probably does not mean."""
    table = parameter_table()
    changed = scenario.changed_parameters()
    for name, value in changed.items():
        row = table[name]
        if not row.low <= value <= row.high:
            text = f"{value:g} is outside the plausible range {row.low:g} to {row.high:g}"
            yield ("world", "parameters", name), f"{text} ({row.unit}); check the value and unit"
    if "gamma" in changed and (scenario.world.hold, scenario.power.family) == ("flywheel", "power"):
        text = (
            "cannot change market outcomes under `power` with the flywheel held, except by who is funded (P^omega) "
            "and the cost of serving (P^chi); change flywheel, or set world.hold to theta"
        )
        yield ("world", "parameters", "gamma"), text
    for population in POPULATIONS:
        known = actor_names(population)
        for index, actor in enumerate(getattr(scenario.world, population)):
            close = difflib.get_close_matches(actor["name"], known, n=1, cutoff=0.8)
            if close and actor["name"] not in known:
                text = f"{actor['name']} is new; did you mean {close[0]}?"
                yield ("world", population, index, "name"), text
