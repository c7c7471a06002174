"""What the types of a scenario cannot say: names, parameters, actors, and parts that must agree.

Each check yields problems: the path of a key, and what is wrong, what is allowed and what to try.
"""

from __future__ import annotations

import difflib
import functools
import math
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sim.parameter_sets import drawn_parameters, worlds_with_sets
from sim.parameters import ParameterRow, parameter_table, whole_parameters
from sim.quarters import QUARTER_PATTERN
from sim.scenario.messages import as_number, kind, meant, nearest, quoted, wrong_number
from sim.world import WORLD_START, WORLDS
from sim.world.tables import ATTRIBUTES, Actors, Attribute, folder_of, own_rows, read_population, world_folders
from sim.yaml_reader import KeyPath, shown

if TYPE_CHECKING:
    from sim.scenario.schema import Scenario

POPULATIONS: Final = ("firms", "owners", "makers")
NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9_.-]{0,63}$"
BASE: Final = "world_2024"
START: Final = "2024Q1"
END: Final = "2035Q4"
FAMILY: Final = "power"
MEASURED: Final = "measured"
MIN_ROWS: Final = 3
MAX_ROWS: Final = 1000
MAX_STEEPNESS: Final = 10
"""Largest slope of ln power in ln compute between rows, so that power is finite for all compute."""

_COLUMNS = ("effective compute, multiple of the leader's at the start", "power")
_TABLE_LIMITS = (1e-30, 1e30)
_LEAST_RISE = 1e-9
_TABLE_HINT = "[[1, 1], [10, 3], [100, 6]]"
_TABLE_RULE = "rows of [effective compute, power], or the name of a CSV file"
_RESERVED = {"con", "prn", "aux", "nul"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(10)}
_ACTOR_NAME = re.compile(r"[^\W_](?:[\w .&'()/+-]{0,62}[\w.)+])?")
GENERATED_NAME = re.compile(r"(entrant|small firm) \d+")
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
            hint = as_number(value, row.minimum, row.maximum) or f"try {row.value:g}"
            yield (name,), f"{wrong}, plausible {row.low:g} to {row.high:g}; {hint}"


@functools.cache
def shipped_actors(population: str, base: str) -> Actors:
    """Actors that the world's shipped table gives."""
    return read_population(population, folder_of(population, world_folders(base)))


def base_of(world: Mapping[str, Any]) -> str:
    """Base of a world that may be wrong in it."""
    base = str(world.get("base"))
    return base if base in WORLDS else BASE


def actor_names(population: str, world: Mapping[str, Any]) -> list[str]:
    """Names that the world's table gives: the user's own where there is one."""
    tables = world.get("tables")
    if isinstance(tables, Mapping) and population in tables:
        return [str(actor.get("name")) for _, actor in listed_actors(tables, population)]
    return list(shipped_actors(population, base_of(world)))


def world_parameters(base: str, tables: Mapping[str, Any] | None) -> dict[str, ParameterRow]:
    """Parameter table of a valid world: its base's, with the user's own rows."""
    return parameter_table(world_folders(base), own_rows(tables))


def problems_of_actors(world: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what is wrong with the actors of a world, skipping what are no lists of mappings."""
    added = [str(owner.get("name")) for _, owner in listed_actors(world, "owners")]
    owners = [*actor_names("owners", world), *added]
    for population in POPULATIONS:
        checker = ActorChecker(population, actor_names(population, world), owners)
        for index, actor in listed_actors(world, population):
            for path, text in checker.problems(actor):
                yield (population, index, *path), text


def listed_actors(world: Mapping[str, Any], population: str) -> list[tuple[int, Mapping[str, Any]]]:
    """Actors of a list by their place, without what is no mapping."""
    given = world.get(population)
    items = given if isinstance(given, list | tuple) else ()
    return [(index, item) for index, item in enumerate(items) if isinstance(item, Mapping)]


class ActorChecker:
    """Checks the actors of one population that a scenario adds or changes, or that a user's own table holds.

    Without ``owners``, names of owners are not checked, and an entry of a mapping may be empty (its default).
    """

    def __init__(self, population: str, known: list[str], owners: list[str] | None) -> None:
        self.attributes = ATTRIBUTES[population]
        self.noun = population.removesuffix("s")
        self.one = f"an {self.noun}" if self.noun[0] in "aeiou" else f"a {self.noun}"
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
                text = f"unknown attribute of {self.one}; allowed: {', '.join(known)}"
                yield (key,), f"{text}; {meant(key, known)}"
        if isinstance(name, str) and wrong is None and name not in self.known:
            required = [key for key, attribute in self.attributes.items() if attribute.required]
            if missing := [key for key in required if key not in actor]:
                close = nearest(name, self.known)
                otherwise = "add them, or name one of the world's" if self.known else "add them"
                hint = f"did you mean {close}?" if close else otherwise
                text = f"a new {self.noun} lacks {', '.join(missing)}"
                yield (), f"{text}; allowed: any {self.noun} with these; {hint}"

    def wrong_name(self, name: object) -> str | None:
        """Refuse names that cannot be told apart, stored or shown; remember the others."""
        if not isinstance(name, str):
            what = "has no name" if name is None else f"{quoted(name)} is {kind(name)}, not text"
            return f"{what}; allowed: the name of {self.one}; write `name: {next(iter(self.known), 'NAME')}`"
        folded = name.casefold()
        if not _ACTOR_NAME.fullmatch(name) or GENERATED_NAME.fullmatch(folded):
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
            if choices is None:
                if not isinstance(value, str) or not value:
                    yield (key,), f"{quoted(value)} is no name; allowed: the name of an owner; write one"
            elif value not in choices:
                text = f"{quoted(value)} is not known; allowed: {', '.join(choices)}"
                yield (key,), f"{text}; {meant(value, choices)}"
        elif not isinstance(value, Mapping):
            text = f"{quoted(value)} is {kind(value)}; allowed: a mapping of owners to numbers"
            yield (key,), f"{text}; try {{{self.owners[0] if self.owners else 'OWNER'}: 1}}"
        else:
            for owner, number in value.items():
                if self.owners is None and number is None:
                    continue
                if self.owners is None or owner in self.owners:
                    yield from self.wrong_number((key, owner), attribute, number)
                else:
                    text = f"unknown owner; allowed: {', '.join(self.owners)}"
                    yield (key, owner), f"{text}; {meant(owner, self.owners)}"

    def wrong_number(self, path: KeyPath, attribute: Attribute, value: object) -> Iterator[Problem]:
        """Refuse what is not a number in the attribute's range."""
        wrong = wrong_number(value, attribute.minimum, attribute.maximum, attribute.unit)
        if wrong is not None:
            hint = as_number(value, attribute.minimum, attribute.maximum) or "try another, or leave it out"
            yield path, f"{wrong}; {hint}"


def ordered_actor(population: str, actor: Actor) -> Actor:
    """Order a valid actor's attributes as the tables do, with numbers as floats."""
    attributes = {key: settled(actor[key]) for key in ATTRIBUTES[population] if key in actor}
    return {"name": actor["name"], **attributes}


def settled(value: Any) -> Any:  # noqa: ANN401 - an attribute's value
    """Write a valid value in its one form: numbers as floats without -0.0, mappings in alphabetical order."""
    if isinstance(value, Mapping):
        return {key: settled(value[key]) for key in sorted(value)}
    return float(value) + 0.0 if isinstance(value, int | float) else value


@functools.cache
def family_parameters() -> dict[str, tuple[str, ...]]:
    """Parameters of each power family; imported when needed, as they bring NumPy along."""
    from sim.submodels.power import FAMILIES, FAMILY_PARAMETERS

    return {family: FAMILY_PARAMETERS.get(family, ()) for family in FAMILIES}


def families_of(parameter: str) -> list[str]:
    """Power families that a parameter shapes; none for most."""
    return [family for family, names in family_parameters().items() if parameter in names]


def with_gathered_parameters(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Move parameters that stand beside their ``power.family`` to ``world.parameters``, where all others are."""
    power, world = data.get("power"), data.get("world")
    world = {} if world is None else world
    if not isinstance(power, Mapping) or not isinstance(world, Mapping):
        return data  # to be refused
    parameters = {} if world.get("parameters") is None else world["parameters"]
    own = family_parameters().get(str(power.get("family", FAMILY)), ())
    if not isinstance(parameters, Mapping) or not own:
        return data
    moved = {name: power[name] for name in own if name in power and name not in parameters}
    rest = {key: value for key, value in power.items() if key not in moved}
    return {**data, "power": rest, "world": {**world, "parameters": {**parameters, **moved}}} if moved else data


def named_parameters(world: Mapping[str, Any]) -> list[str]:
    """Drawn parameters that a world names itself: as ``fixed``, or with a value.

    A complete list of values is what loading wrote, and names none.
    """
    fixed, parameters = world.get("fixed"), world.get("parameters")
    names = [name for name in fixed if isinstance(name, str)] if isinstance(fixed, list | tuple) else []
    if isinstance(parameters, Mapping) and not is_complete(parameters):
        names += [name for name in parameters if name in drawn_parameters()]
    return list(dict.fromkeys(names))


def is_complete(parameters: Mapping[str, Any]) -> bool:
    """Whether every drawn parameter has a value, as once loaded."""
    return drawn_parameters() <= parameters.keys()


def problems_of_power(power: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what does not belong to a known power family, and what is wrong with a table."""
    family, known = power.get("family", FAMILY), family_parameters()
    if not isinstance(family, str) or family not in known:
        return
    table = power.get("table")
    homes = {name: families_of(name) for name in power}
    homes |= {"table": [MEASURED]} if table is not None else {}
    allowed = ", ".join(["family", *known[family], *(["table"] if family == MEASURED else [])])
    for name, its in homes.items():
        if its and family not in its:
            text = f"{name} belongs to power family {' or '.join(its)}, not to {family}; allowed: {allowed}"
            yield (name,), f"{text}; leave it out, or write family: {its[0]}"
        elif its and name != "table":
            yield (name,), f"{name} is also in world.parameters; allowed: one of them; delete one"
    if family == MEASURED and table is None:
        yield (), f"family {MEASURED} lacks its table; allowed: {_TABLE_RULE}; write table: {_TABLE_HINT}"
    elif family == MEASURED:
        yield from ((("table", *path), text) for path, text in problems_of_table(table))


def problems_of_table(table: object) -> Iterator[Problem]:
    """Find what keeps a table of compute and power from being a rising function."""
    if not isinstance(table, list | tuple):
        yield (), f"{quoted(table)} is {kind(table)}; allowed: {_TABLE_RULE}; write table: {_TABLE_HINT}"
        return
    if not MIN_ROWS <= len(table) <= MAX_ROWS:
        what = f"the table has {len(table):,} rows; allowed: {MIN_ROWS} to {MAX_ROWS:,}"
        yield (), f"{what}; {'add rows' if len(table) < MIN_ROWS else 'leave out rows'}, such as {_TABLE_HINT}"
        return
    before: tuple[float, float] | None = None
    for index, row in enumerate(table):
        if not isinstance(row, list | tuple) or len(row) != len(_COLUMNS):
            what = f"a row of {len(row)}" if isinstance(row, list | tuple) else f"{quoted(row)}"
            yield (index,), f"{what} is not a pair; allowed: [effective compute, power]; write two numbers"
            before = None
            continue
        wrong = [
            (
                (index, column),
                f"{text}; {(isinstance(value, str) and as_number(value, *_TABLE_LIMITS)) or 'write a positive number'}",
            )
            for column, value in enumerate(row)
            if (text := wrong_number(value, *_TABLE_LIMITS, _COLUMNS[column]))
        ]
        yield from wrong
        now = None if wrong else (float(row[0]), float(row[1]))
        if now and before:
            yield from _problems_of_rise(index, before, now)
        before = now


def _problems_of_rise(index: int, before: tuple[float, float], now: tuple[float, float]) -> Iterator[Problem]:
    """Find where a row does not rise over the row before, or rises too steeply."""
    rises = [math.log(high) - math.log(low) for low, high in zip(before, now, strict=True)]
    flat = [column for column, rise in enumerate(rises) if rise < _LEAST_RISE]
    for column in flat:
        what = f"{now[column]:.10g} does not exceed {before[column]:.10g} of the row before"
        yield (index, column), f"{what}; allowed: both columns strictly increasing; sort the rows, or leave one out"
    if not flat and rises[1] > MAX_STEEPNESS * rises[0]:
        what = f"power rises as compute to the power of {rises[1] / rises[0]:.3g} from the row before"
        yield (index,), f"{what}; allowed: at most {MAX_STEEPNESS}; move the rows apart"


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
    if data.get("uncertainty") == "ensemble" and base not in worlds_with_sets():
        text = (
            f"{base} has no parameter sets; worlds that have: {', '.join(worlds_with_sets())}; write uncertainty: none"
        )
        yield ("uncertainty",), text
    yield from _problems_of_sight(data)
    networks = sections.get("record", {}).get("networks")
    if not (_is_quarter(start) and _is_quarter(end) and start <= end and isinstance(networks, list | tuple)):
        return
    for index, quarter in enumerate(networks):
        if _is_quarter(str(quarter)) and not start <= quarter <= end:
            text = f"{quarter} is outside the horizon; allowed: {start} to {end}; try {end}"
            yield ("record", "networks", index), text


def _problems_of_sight(data: Mapping[str, Any]) -> Iterator[Problem]:
    from sim.scenario.policies import problems_of_sight

    return problems_of_sight(data)


def notes(scenario: Scenario) -> Iterator[Problem]:
    """Find what a scenario may say and probably does not mean."""
    world = scenario.world.model_dump()
    table = world_parameters(scenario.world.base, scenario.world.tables)
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
    family = scenario.power.family
    for name in changed:
        if (homes := families_of(name)) and family not in homes:
            text = f"changes nothing: it belongs to power family {' or '.join(homes)}, and the family is {family}"
            yield ("world", "parameters", name), f"{text}; leave it out, or set power.family"
    for population in POPULATIONS:
        known = actor_names(population, world)
        for index, actor in enumerate(getattr(scenario.world, population)):
            close = difflib.get_close_matches(actor["name"], known, n=1, cutoff=0.8)
            if close and actor["name"] not in known:
                text = f"{actor['name']} is new; did you mean {close[0]}?"
                yield ("world", population, index, "name"), text
    if scenario.policies:
        from sim.scenario.policies import notes_of_policies

        yield from notes_of_policies(scenario)
