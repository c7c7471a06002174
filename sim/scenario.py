"""Scenario files: their schema, reading with ``extends`` and overrides, and writing.

A scenario says how a run differs from a world. What it does not know it refuses, with the file and
line that wrote it, what is allowed and the nearest valid name; several problems are told at once.

>>> scenario = load_scenario({"run": {"replicates": 5}, "horizon": {"end": "2025Q4"}})
>>> scenario.run.replicates, scenario.run.seed, scenario.record.networks
(5, 1, ('2024Q4', '2025Q4'))
"""

from __future__ import annotations

import copy
import difflib
import functools
import hashlib
import itertools
import json
import math
import operator
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, TypeAlias, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from sim.errors import ScenarioError
from sim.parameters import ParameterRow, Parameters, parameter_table
from sim.quarters import QUARTERS_PER_YEAR, Quarter
from sim.yaml_reader import (
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_PATH,
    KeyPath,
    Plain,
    dotted,
    join_problems,
    parse_yaml,
    read_yaml,
    resolve,
    shown,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from sim.world.tables import Attribute

SCHEMA_VERSION: Final = 1
MAX_QUARTERS: Final = 400
MAX_REPLICATES: Final = 1_000_000
MAX_SEED: Final = 2**63 - 1
MAX_PARENTS: Final = 32
MAX_OVERRIDE: Final = 10
MAX_TOLD: Final = 100
"""Problems that one error tells; a file can hold thousands."""
MAX_QUESTION: Final = 500
POPULATIONS: Final = ("firms", "owners", "makers")
ACTOR_DEPTH: Final = 2
"""Where an override such as ``world.firms.NAME.revenue`` names an actor."""
NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9_.-]{0,63}$"
QUARTER_PATTERN: Final = r"^[0-9]{4}Q[1-4]$"
MARKERS: Final = ("pyproject.toml", ".aipower")
LATER: Final = {
    "world.base": ("symmetric", "ten_firm_city", "gibrat_null"),
    "power.family": ("hill", "linear", "saturating_loss", "threshold", "measured"),
    "mechanisms": ("mergers", "federated_pools", "openness"),
}
"""Names that the file format reserves and that this version does not offer."""

_OURS: Final = "scenario"
_TEMPLATE: Final = "{text}"
_RESERVED = {"con", "prn", "aux", "nul"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(10)}
_ACTOR_NAME = re.compile(r"[^\W_](?:[\w .&'()/+-]{0,62}[\w.)+])?")
_GENERATED_NAME = re.compile(r"(entrant|small firm) \d+")
_PLAIN_TEXT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.+ -]*[A-Za-z0-9_.+-])?")

Problem: TypeAlias = tuple[KeyPath, str]
Actor: TypeAlias = dict[str, Any]
"""``name`` and the attributes to change: number, text, or mapping of owners to numbers."""


class ScenarioWarning(UserWarning):
    """A scenario can be run, and probably does not say what was meant."""


# --- the schema -----------------------------------------------------------------------------------


class _Section(BaseModel):
    """Settings of every part: nothing unknown, nothing changed later, no silent conversion."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
    )


QuarterText = Annotated[str, Field(pattern=QUARTER_PATTERN, description="a quarter, like 2027Q1")]


class WorldSpec(_Section):
    """The world at the start, and what differs from its tables."""

    base: str = Field(default="world_2024", description="the initial population")
    hold: Literal["flywheel", "theta"] = Field(
        default="flywheel",
        description="what stays when gamma or chi change: the flywheel elasticity, or theta",
    )
    parameters: dict[str, float] = Field(
        default_factory=dict,
        description="scalars by name, in the unit of the parameter table; all of them once loaded",
    )
    firms: tuple[Actor, ...] = Field(default=(), description="firms to add or change, by name")
    owners: tuple[Actor, ...] = Field(default=(), description="owners to add or change, by name")
    makers: tuple[Actor, ...] = Field(default=(), description="makers to add or change, by name")
    tables: None = Field(default=None, description="own world tables: not in this version")

    @field_validator("base")
    @classmethod
    def _known_base(cls, base: str) -> str:
        from sim.world import WORLDS

        return _known(base, WORLDS, "world", "world.base")

    @field_validator("parameters", mode="before")
    @classmethod
    def _complete_parameters(cls, given: object) -> object:
        """Refuse unknown names and impossible values; fill in the table's values."""
        given = {} if given is None else given
        if not isinstance(given, Mapping):
            return given
        table = parameter_table()
        _refuse(_problems_of_parameters(given))
        defaults = {name: row.value for name, row in table.items()}
        # adding 0.0 makes one number of -0.0 and 0.0
        return {name: float(given.get(name, value)) + 0.0 for name, value in defaults.items()}

    @field_validator("tables", mode="before")
    @classmethod
    def _no_tables(cls, given: object) -> object:
        if given is not None:
            text = "own world tables are not in this version; allowed: null; leave it out"
            _refuse([((), text)])
        return given

    @field_validator(*POPULATIONS, mode="before")
    @classmethod
    def _tuple_of_actors(cls, given: object) -> object:
        return tuple(given) if isinstance(given, list) else given

    @model_validator(mode="after")
    def _known_actors(self) -> Self:
        """Refuse unknown attributes, impossible values and new actors that lack something."""
        _refuse(_problems_of_actors({key: getattr(self, key) for key in POPULATIONS}))
        for population in POPULATIONS:
            actors = tuple(_ordered_actor(population, a) for a in getattr(self, population))
            self.__dict__[population] = actors
        return self


class Horizon(_Section):
    """First and last quarter of a run, both included."""

    start: QuarterText = Field(default="2024Q1", description="first quarter; the world's own start")
    end: QuarterText = Field(default="2035Q4", description="last quarter, included")

    @model_validator(mode="after")
    def _forward_and_short(self) -> Self:
        n_quarters = Quarter.parse(self.end) - Quarter.parse(self.start) + 1
        if not 1 <= n_quarters <= MAX_QUARTERS:
            last = Quarter.parse(self.start) + (MAX_QUARTERS - 1)
            what = "lies before the start" if n_quarters < 1 else f"makes {n_quarters} quarters"
            text = f"{self.end} {what}; allowed: {self.start} to {last}"
            _refuse([(("end",), f"{text}; try {Quarter.parse(self.start) + 47}")])
        return self

    @property
    def n_quarters(self) -> int:
        """Number of quarters."""
        return Quarter.parse(self.end) - Quarter.parse(self.start) + 1


class PowerSpec(_Section):
    """The function from effective compute to AI power."""

    family: str = Field(default="power", description="the power function (gamma is a parameter)")

    @field_validator("family")
    @classmethod
    def _known_family(cls, family: str) -> str:
        return _known(family, _families(), "power family", "power.family")


class Mechanisms(_Section):
    """What is switched on."""

    open_weights: bool = Field(default=True, description="others build on published weights")
    entry: bool = Field(default=True, description="new firms may enter")
    imitation: bool = Field(default=True, description="algorithms spread over the network")
    expectations: Literal["adaptive", "static"] = Field(
        default="adaptive", description="how firms foresee growth (adaptive), or foresee none"
    )
    growth_rates: Literal["industry", "own"] = Field(
        default="industry", description="whose growth rates firms learn from"
    )


class RunSpec(_Section):
    """How many histories, and which luck."""

    replicates: int = Field(
        default=200, ge=1, le=MAX_REPLICATES, description="histories with different luck"
    )
    seed: int = Field(default=1, ge=0, le=MAX_SEED, description="the luck; 0 is a seed like others")


class RecordSpec(_Section):
    """What is kept of each replicate."""

    firms: Literal["none", "yearly", "quarterly"] = Field(
        default="yearly", description="how often rows of firms are kept"
    )
    owners: Literal["none", "yearly", "quarterly"] = Field(
        default="yearly", description="how often rows of owners and makers are kept"
    )
    networks: tuple[QuarterText, ...] = Field(
        default=(),
        description="quarters whose networks are kept; default: last of the first and last year",
    )
    measures: Literal["quarterly", "yearly"] = Field(
        default="quarterly", description="how often measures are kept"
    )

    @field_validator("networks", mode="before")
    @classmethod
    def _tuple_of_quarters(cls, given: object) -> object:
        return tuple(given) if isinstance(given, list) else given

    @field_validator("networks")
    @classmethod
    def _in_order(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(networks)))


class Scenario(_Section):
    """One complete, checked description of a run.

    Build it with :func:`load_scenario`, whose errors name file, line and remedy. Calling the class
    itself makes the same checks and raises :class:`pydantic.ValidationError`.

    Attributes
    ----------
    schema_version : int
        Version of the file format (key ``schema``).
    name, question : str
        What reports call the scenario, and what it asks; neither changes a number.
    world, horizon, power, mechanisms, policies, run, record
        The parts of a scenario file.
    """

    schema_version: int = Field(
        default=SCHEMA_VERSION,
        alias="schema",
        ge=SCHEMA_VERSION,
        le=SCHEMA_VERSION,
        description="version of the file format",
    )
    name: str = Field(default="scenario", description="lower-case name; default: the file's stem")
    question: str = Field(default="", description="what the scenario asks, in one sentence")
    world: WorldSpec = Field(default_factory=WorldSpec)
    horizon: Horizon = Field(default_factory=Horizon)
    power: PowerSpec = Field(default_factory=PowerSpec)
    mechanisms: Mechanisms = Field(default_factory=Mechanisms)
    policies: tuple[dict[str, Any], ...] = Field(
        default=(), description="policies in force; this version has none"
    )
    run: RunSpec = Field(default_factory=RunSpec)
    record: RecordSpec = Field(default_factory=RecordSpec)

    @field_validator("name")
    @classmethod
    def _safe_name(cls, name: str) -> str:
        if not is_safe_name(name):
            _refuse([((), _wrong_name(name))])
        return name

    @field_validator("question")
    @classmethod
    def _one_sentence(cls, question: str) -> str:
        text = " ".join(question.split())
        if len(text) > MAX_QUESTION or not text.isprintable():
            size = f"has {len(text)} characters"
            what = size if text.isprintable() else "holds characters that cannot be shown"
            _refuse([((), f"{what}; allowed: printable text up to {MAX_QUESTION}; shorten it")])
        return text

    @field_validator("world", "horizon", "power", "mechanisms", "run", "record", mode="before")
    @classmethod
    def _empty_section(cls, given: object) -> object:
        """Take a heading with nothing under it as an empty section."""
        return {} if given is None else given

    @field_validator("policies", mode="before")
    @classmethod
    def _known_policies(cls, given: object) -> object:
        if not isinstance(given, list | tuple):
            return given
        _refuse(((index,), _unknown_policy(item)) for index, item in enumerate(given))
        return tuple(given)

    @model_validator(mode="after")
    def _across_sections(self) -> Self:
        if "networks" not in self.record.model_fields_set:
            networks = _default_networks(self.horizon)
            self.__dict__["record"] = self.record.model_copy(update={"networks": networks})
        _refuse(_problems_across(self.resolved()))
        return self

    def resolved(self) -> dict[str, Any]:
        """Plain, complete data in the order of the file format; it loads to an equal scenario."""
        return self.model_dump(mode="json", by_alias=True)

    def to_yaml(self) -> str:
        """Write the complete scenario as readable YAML; it loads to an equal scenario."""
        return "\n".join(_yaml_lines(self.resolved())) + "\n"

    def content_hash(self) -> str:
        """SHA-256 (hex) of what determines the numbers: everything but name and question."""
        data = {key: v for key, v in self.resolved().items() if key not in ("name", "question")}
        text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    def replace(
        self, replicates: int | None = None, seed: int | None = None, quarters: int | None = None
    ) -> Scenario:
        """Copy with another size, seed or length.

        Parameters
        ----------
        replicates : int, optional
            Number of replicates, 1 to 1,000,000.
        seed : int, optional
            Seed, 0 to 2**63 - 1.
        quarters : int, optional
            Length of the horizon from its start, 1 to 400. Networks beyond it are left out.

        Raises
        ------
        ScenarioError
            When a number is not allowed.
        """
        data = self.resolved()
        if replicates is not None:
            data["run"]["replicates"] = _whole(replicates)
        if seed is not None:
            data["run"]["seed"] = _whole(seed)
        if quarters is not None:
            data["horizon"]["end"] = _last_quarter(self.horizon.start, quarters)
            kept = [q for q in self.record.networks if q <= data["horizon"]["end"]]
            data["record"]["networks"] = kept
            was_default = self.record.networks == _default_networks(self.horizon)
            if was_default or (self.record.networks and not kept):
                del data["record"]["networks"]
        return _validated(_node_of(data, _Origin("scenario")))

    def changed_parameters(self) -> dict[str, float]:
        """Parameters whose value is not that of the table, by name."""
        table = parameter_table()
        values = self.world.parameters
        return {name: value for name, value in values.items() if value != table[name].value}


# --- checks ---------------------------------------------------------------------------------------


def is_safe_name(name: str) -> bool:
    """Whether a scenario's name can be a folder on every system.

    Examples
    --------
    >>> [is_safe_name(name) for name in ("training-cap", "nul", "con.1", "a.", "A", "../a")]
    [True, False, False, False, False, False]
    """
    allowed = re.fullmatch(NAME_PATTERN.strip("^$"), name) is not None
    return allowed and not name.endswith(".") and name.partition(".")[0] not in _RESERVED


def _refuse(problems: Iterable[Problem]) -> None:
    """Raise problems as one validation error; their paths are relative to the caller."""
    details = [
        InitErrorDetails(
            type=PydanticCustomError(_OURS, _TEMPLATE, {"text": text}), loc=path, input=None
        )
        for path, text in itertools.islice(problems, MAX_TOLD)
    ]
    if details:
        raise ValidationError.from_exception_data(_OURS, details)


def _nearest(word: object, known: Sequence[str]) -> str | None:
    """Find the known name that was probably meant."""
    text = str(word)
    by_form = {_form(name): name for name in reversed(known)}
    if (same := by_form.get(_form(text))) is not None:
        return same
    close = difflib.get_close_matches(_form(text)[:100], list(by_form), n=1, cutoff=0.6)
    return by_form[close[0]] if close else None


def _form(word: str) -> str:
    return re.sub(r"[\s_.-]+", "_", word.casefold())


def _meant(word: object, known: Sequence[str]) -> str:
    nearest = _nearest(word, known)
    return f"did you mean {nearest}?" if nearest else f"try {known[0]}" if known else "leave it out"


def _known(name: str, known: Mapping[str, str], noun: str, key: str) -> str:
    """Return a name of a catalogue, or refuse it."""
    if name not in known:
        later = name in LATER[key]
        what = f"{noun} {shown(repr(name))} is " + ("not in this version" if later else "unknown")
        hint = f"try {next(iter(known))}" if later else _meant(name, list(known))
        _refuse([((), f"{what}; allowed: {', '.join(known)}; {hint}")])
    return name


def _families() -> dict[str, str]:
    from sim.submodels.power import FAMILIES

    return FAMILIES


def _wrong_name(name: str) -> str:
    slug = re.sub(r"[^a-z0-9_.-]+", "-", name.casefold()).strip("-_.")[:64].rstrip(".")
    hint = f"try {slug}" if is_safe_name(slug) else "try my-scenario"
    what = f"{shown(repr(name))} is not a name that every system can store"
    rule = "a letter a-z or digit, then up to 63 of a-z 0-9 _ . -, no reserved name such as nul"
    return f"{what}; allowed: {rule}; {hint}"


def _problems_of_parameters(given: Mapping[str, Any]) -> Iterator[Problem]:
    """Find unknown parameters and impossible values."""
    table = parameter_table()
    for name, value in given.items():
        if name not in table:
            yield (name,), _unknown_parameter(name)
        elif (text := _wrong_parameter(table[name], value)) is not None:
            yield (name,), text


def _unknown_parameter(name: object) -> str:
    table = parameter_table()
    symbols = {row.symbol: row.name for row in table.values() if row.symbol}
    if str(name) in symbols:
        hint = f"{name} is the symbol of {symbols[str(name)]}: write {symbols[str(name)]}"
    else:
        hint = _meant(name, list(table))
    return f"unknown parameter; allowed: the {len(table)} names of the parameter table; {hint}"


def _wrong_parameter(row: ParameterRow, value: object) -> str | None:
    whole = row.name in _whole_parameters()
    wrong = _wrong_number(value, row.minimum, row.maximum, row.unit, whole=whole)
    if wrong is None:
        return None
    return f"{wrong}, plausible {row.low:g} to {row.high:g}; {_as_number(value) or _default(row)}"


def _default(row: ParameterRow) -> str:
    return f"try {row.value:g}"


@functools.cache
def _whole_parameters() -> frozenset[str]:
    return frozenset(field.name for field in fields(Parameters) if str(field.type) == "int")


def _wrong_number(
    value: object, low: float | None, high: float | None, unit: str, *, whole: bool = False
) -> str | None:
    """Say what is wrong with a number and what is allowed, or None."""
    unit = "" if unit in ("", "-") else f" ({unit})"
    noun = "a whole number" if whole else "a number"
    allowed = f"allowed: {noun}{_range(low, high)}{unit}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{_quoted(value)} is {_kind(value)}, not a number; {allowed}"
    if not math.isfinite(value):
        return f"{value} is not a finite number; {allowed}"
    if (low is not None and value < low) or (high is not None and value > high):
        return f"{_quoted(value)} is out of range; {allowed}"
    if whole and value != int(value):
        return f"{_quoted(value)} is not whole; {allowed}"
    return None


def _range(low: float | None, high: float | None) -> str:
    if low is not None and low == high:
        return f", {_figure(low)}"
    if low is not None and high is not None:
        return f" from {_figure(low)} to {_figure(high)}"
    if low is not None:
        return f" of at least {_figure(low)}"
    return "" if high is None else f" of at most {_figure(high)}"


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _quoted(value: object) -> str:
    """Show a value as the user wrote it, short."""
    if value is None or isinstance(value, bool):
        return {None: "nothing (null)", True: "true", False: "false"}[value]
    if isinstance(value, dict | list | tuple):
        return "this"
    return shown(repr(value))


def _kind(value: object) -> str:
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    kinds |= {dict: "a mapping", list: "a list", tuple: "a list", type(None): "empty"}
    return kinds.get(type(value), type(value).__name__)


def _as_number(value: object) -> str:
    """Suggest the number that a text was probably meant to be; empty if none."""
    if isinstance(value, float) and value.is_integer():
        return f"write {int(value)}"
    if not isinstance(value, str):
        return ""
    text = re.sub(r"(?<=\d)[_, ](?=\d)", "", value.strip())
    try:
        number = resolve(text.removesuffix("%").strip())
    except ValueError:
        return ""
    if isinstance(number, bool) or not isinstance(number, int | float):
        return ""
    return f"write {number / 100 if text.endswith('%') else number:g}, without quotes or signs"


def _unknown_policy(item: object) -> str:
    name = next(iter(item), "") if isinstance(item, Mapping) else item
    what = f"policy {shown(repr(name))} is unknown"
    return f"{what}; allowed: this version has no policies yet; write `policies: []`"


def _known_actor_names(population: str) -> list[str]:
    from sim.world.tables import read_population

    return list(read_population(population))


def _problems_of_actors(world: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what is wrong with the actors of a world, skipping what are no lists of mappings."""
    lists = {key: world[key] for key in POPULATIONS if isinstance(world.get(key), list | tuple)}
    actors = {key: [a if isinstance(a, Mapping) else None for a in v] for key, v in lists.items()}
    owners = _known_actor_names("owners")
    owners += [str(owner.get("name")) for owner in actors.get("owners", []) if owner is not None]
    for population, members in actors.items():
        checker = _ActorChecker(population, _known_actor_names(population), owners)
        for index, actor in enumerate(members):
            for path, text in () if actor is None else checker.problems(actor):
                yield (population, index, *path), text


class _ActorChecker:
    """Checks the actors of one population that a scenario adds or changes."""

    def __init__(self, population: str, known: list[str], owners: list[str]) -> None:
        from sim.world.tables import ATTRIBUTES

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
            if key == "name":
                continue
            attribute = self.attributes.get(key)
            if attribute is None:
                known = ["name", *self.attributes]
                text = f"unknown attribute of a {self.noun}; allowed: {', '.join(known)}"
                yield (key,), f"{text}; {_meant(key, known)}"
            else:
                yield from self.wrong_value(key, attribute, value)
        if isinstance(name, str) and wrong is None and name not in self.known:
            required = [key for key, attribute in self.attributes.items() if attribute.required]
            if missing := [key for key in required if key not in actor]:
                text = f"a new {self.noun} lacks {', '.join(missing)}"
                yield (), f"{text}; allowed: any {self.noun} with these; {self.which(name)}"

    def which(self, name: str) -> str:
        """Say how to go on with a name that the world does not have."""
        nearest = _nearest(name, self.known)
        return f"did you mean {nearest}?" if nearest else "add them, or name one of the world's"

    def wrong_name(self, name: object) -> str | None:
        """Refuse names that cannot be told apart, stored or shown; remember the others."""
        if not isinstance(name, str):
            what = "has no name" if name is None else f"{_quoted(name)} is {_kind(name)}, not text"
            return f"{what}; allowed: the name of a {self.noun}; write `name: {self.known[0]}`"
        if not _ACTOR_NAME.fullmatch(name) or _GENERATED_NAME.fullmatch(name.casefold()):
            rule = "letters, digits, spaces and .&'()/+- (no `Entrant 1`, which the model names)"
            return f"{shown(repr(name))} cannot be a name; allowed: up to 64 {rule}; try another"
        if name.casefold() in self.seen:
            return f"{name} is here twice; allowed: each {self.noun} once; put both entries in one"
        self.seen.add(name.casefold())
        same = [known for known in self.known if known.casefold() == name.casefold()]
        if same and name not in same:
            return f"{name} differs from {same[0]} only in case; allowed: either; write {same[0]}"
        return None

    def wrong_value(self, key: str, attribute: Attribute, value: object) -> Iterator[Problem]:
        """Refuse a value that its attribute does not allow."""
        if attribute.kind == "number":
            yield from self.wrong_number((key,), attribute, value)
        elif attribute.kind == "text":
            choices = list(attribute.choices) or self.owners
            if value not in choices:
                text = f"{_quoted(value)} is not known; allowed: {', '.join(choices)}"
                yield (key,), f"{text}; {_meant(value, choices)}"
        elif not isinstance(value, Mapping):
            text = f"{_quoted(value)} is {_kind(value)}; allowed: a mapping of owners to numbers"
            yield (key,), f"{text}; try {{{self.owners[0]}: 1}}"
        else:
            for owner, number in value.items():
                if owner in self.owners:
                    yield from self.wrong_number((key, owner), attribute, number)
                else:
                    text = f"unknown owner; allowed: {', '.join(self.owners)}"
                    yield (key, owner), f"{text}; {_meant(owner, self.owners)}"

    def wrong_number(self, path: KeyPath, attribute: Attribute, value: object) -> Iterator[Problem]:
        """Refuse what is not a number in the attribute's range."""
        wrong = _wrong_number(value, attribute.minimum, attribute.maximum, attribute.unit)
        if wrong is not None:
            yield path, f"{wrong}; {_as_number(value) or 'try another, or leave it out'}"


def _ordered_actor(population: str, actor: Actor) -> Actor:
    """Order an actor's attributes as the tables do, with numbers as floats."""
    from sim.world.tables import ATTRIBUTES

    ordered: Actor = {"name": actor["name"]}
    for key in ATTRIBUTES[population]:
        value = actor.get(key)
        if isinstance(value, Mapping):
            ordered[key] = {owner: float(value[owner]) + 0.0 for owner in sorted(value)}
        elif isinstance(value, int | float):
            ordered[key] = float(value) + 0.0
        elif value is not None:
            ordered[key] = value
    return ordered


def _default_networks(horizon: Horizon) -> tuple[str, ...]:
    """Last quarter of the first and of the last year of a horizon."""
    start, end = Quarter.parse(horizon.start), Quarter.parse(horizon.end)
    first = min(end, start + (QUARTERS_PER_YEAR - start.number))
    return tuple(sorted({str(first), str(end)}))


def _quarter(value: object) -> Quarter | None:
    if isinstance(value, str) and re.fullmatch(QUARTER_PATTERN.strip("^$"), value):
        return Quarter.parse(value)
    return None


def _problems_across(data: Mapping[str, Any]) -> list[Problem]:
    """Find what no section can see alone, skipping what is wrong in itself."""
    from sim.world import WORLD_START

    sections = {key: v for key, v in data.items() if isinstance(v, Mapping)}
    horizon: dict[str, Any] = {"start": "2024Q1", "end": "2035Q4", **sections.get("horizon", {})}
    base = sections.get("world", {}).get("base", "world_2024")
    problems: list[Problem] = []
    start, end = _quarter(horizon["start"]), _quarter(horizon["end"])
    begins = WORLD_START.get(base) if isinstance(base, str) else None
    if start is not None and begins is not None and str(start) != begins:
        text = f"{start} is not where {base} starts; allowed: {begins}; write start: {begins}"
        problems.append((("horizon", "start"), text))
    networks = sections.get("record", {}).get("networks", ())
    if start is None or end is None or end < start or not isinstance(networks, list | tuple):
        return problems
    for index, value in enumerate(networks):
        quarter = _quarter(value)
        if quarter is not None and not start <= quarter <= end:
            text = f"{quarter} is outside the horizon; allowed: {start} to {end}; try {end}"
            problems.append((("record", "networks", index), text))
    return problems


def _notes(scenario: Scenario) -> Iterator[Problem]:
    """Find what a scenario may say and probably does not mean."""
    table = parameter_table()
    changed = scenario.changed_parameters()
    for name, value in changed.items():
        row = table[name]
        if not row.low <= value <= row.high:
            text = f"{value:g} is outside the plausible range {row.low:g} to {row.high:g}"
            yield ("world", "parameters", name), f"{text} ({row.unit}); check the value and unit"
    held = scenario.world.hold == "flywheel" and scenario.power.family == "power"
    if held and "gamma" in changed:
        text = (
            "cannot change market outcomes under `power` while the flywheel is held (theta follows"
            " it), except who is funded; change flywheel, or set world.hold to theta"
        )
        yield ("world", "parameters", "gamma"), text
    for population in POPULATIONS:
        known = _known_actor_names(population)
        for index, actor in enumerate(getattr(scenario.world, population)):
            close = difflib.get_close_matches(actor["name"], known, n=1, cutoff=0.8)
            if close and actor["name"] not in known:
                text = f"{actor['name']} is new; did you mean {close[0]}?"
                yield ("world", population, index, "name"), text


def _whole(value: object) -> object:
    """Take NumPy's whole numbers as Python's; leave the rest to the checks."""
    if isinstance(value, bool):
        return value
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return value


def _last_quarter(start: str, quarters: object) -> str:
    wrong = _wrong_number(_whole(quarters), 1, MAX_QUARTERS, "quarters", whole=True)
    if wrong is not None or not isinstance(count := _whole(quarters), int):
        message = f"quarters: {wrong or 'not a whole number'}; try 48"
        raise ScenarioError(message)
    return str(Quarter.parse(start) + (count - 1))


# --- reading --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Origin:
    """Who wrote a key: a file and line, an option, or a mapping."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"

    @property
    def order(self) -> tuple[str, int]:
        """What messages are sorted by."""
        return self.source, self.line or 0


@dataclass
class _Node:
    """A value with its origin; children are nodes too."""

    value: Any
    origin: _Origin


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
        read as YAML. An actor is named: ``"world.firms.OpenAI.revenue=2"``.

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
        When something is allowed and probably not meant.
    """
    if isinstance(source, Scenario):
        source = source.resolved()
    if isinstance(source, Mapping):
        top = _node_of(source, _Origin("scenario"))
        _require_mapping(top)
        merged = _with_parents(top, Path.cwd() / "scenario", "scenario")
        stem = "scenario"
    else:
        path = _find(source)
        merged = _with_parents(_read(path, str(path)), path, str(path))
        stem = path.stem
    for text in (overrides,) if isinstance(overrides, str) else overrides:
        merged = _merged(merged, _override(text))
    if "name" not in merged.value:
        if not is_safe_name(stem):
            message = f"{merged.origin.source}: name: missing, and the file's {_wrong_name(stem)}"
            raise ScenarioError(message)
        merged.value["name"] = _Node(stem, merged.origin)
    scenario = _validated(merged)
    for path_of_note, text in _notes(scenario):
        origin, where = _locate(merged, path_of_note)
        warnings.warn(f"{origin}: {dotted(where)}: {text}", ScenarioWarning, stacklevel=2)
    return scenario


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
    package = Path(__file__).resolve().parent
    installed = package / "_scenarios"
    return installed if installed.is_dir() else package.parent / "scenarios"


def _find(source: str | os.PathLike[str]) -> Path:
    """Find the file that a path or the name of a shipped scenario stands for."""
    path = Path(source)
    text = os.fspath(source)
    if _is_file(path):
        return path
    shipped = shipped_scenarios()
    if text in shipped:
        return shipped[text]
    if _is_folder(path):
        return path  # reading it says what is wrong
    names = sorted(shipped)
    beside = [str(path.parent / other.name) for other in _yaml_files(path.parent)]
    hint = _meant(text, [*beside, *names]) if names or beside else "check the path"
    allowed = f"a path to a YAML file, or one of {', '.join(names)}"
    origin = _Origin(shown(text, MAX_PATH))
    raise _error(origin, "", "there is no such file or shipped scenario", allowed, hint)


def _is_file(path: Path) -> bool:
    try:
        return path.exists() and not path.is_dir()
    except (OSError, ValueError):
        return False


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _yaml_files(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if p.suffix in (".yaml", ".yml"))[:200]
    except (OSError, ValueError):
        return []


def _read(path: Path, source: str) -> _Node:
    """One file as nodes; it must be a mapping of this schema version."""
    document = read_yaml(path, source)
    source = shown(source, MAX_PATH)

    def node(value: Plain, here: KeyPath) -> _Node:
        origin = _Origin(source, document.marks[here][0])
        if isinstance(value, dict):
            return _Node({key: node(v, (*here, key)) for key, v in value.items()}, origin)
        if isinstance(value, list):
            return _Node([node(v, (*here, i)) for i, v in enumerate(value)], origin)
        return _Node(value, origin)

    top = node(document.value, ())
    _require_mapping(top)
    return top


def _error(where: _Origin, key: str, what: str, allowed: str, hint: str) -> ScenarioError:
    """One problem as an error to raise."""
    return ScenarioError(f"{where}: {key}{what}; allowed: {allowed}; {hint}")


def _require_mapping(top: _Node) -> None:
    """Refuse a file that is not a mapping, or is of another schema version."""
    if not isinstance(top.value, dict):
        what = f"the content is {_kind(top.value)}"
        raise _error(top.origin, "", what, "a mapping of keys", "write `key: value` lines")
    version = top.value.get("schema")
    if version is not None and version.value != SCHEMA_VERSION:
        what = f"{_quoted(version.value)} is not a schema of this version"
        hint = f"write schema: {SCHEMA_VERSION}, or update aipower"
        raise _error(version.origin, "schema: ", what, str(SCHEMA_VERSION), hint)


def _with_parents(top: _Node, path: Path, source: str) -> _Node:
    """Merge a file over its parents, the nearest last."""
    files = [top]
    chain = [_resolved_path(path, top.origin)]
    sources = [source]
    fence = _Fence.around(chain[0])
    while (extends := files[-1].value.pop("extends", None)) is not None:
        parent, source = _parent(extends, chain[-1], sources[-1])
        target = _resolved_path(parent, extends.origin)
        if source == extends.value and parent == shipped_scenarios().get(source):
            fence = _Fence(_shipped_folder().resolve(), None)
        _check_parent(extends, target, source, chain, fence)
        node = _read(target, source)
        for key in ("name", "question"):
            node.value.pop(key, None)
        files.append(node)
        chain.append(target)
        sources.append(source)
    return functools.reduce(_merged, reversed(files), _Node({}, top.origin))


def _check_parent(
    extends: _Node, target: Path, source: str, chain: list[Path], fence: _Fence
) -> None:
    """Refuse a parent that is outside the fence, closes a circle, or is no file."""
    if not fence.holds(target):
        what = f"{shown(extends.value)} leaves {fence}"
        hint = "move it there, or put an empty file `.aipower` in a folder that holds both"
        raise _error(extends.origin, "extends: ", what, "a file in there", hint)
    if target in chain or len(chain) > MAX_PARENTS:
        names = " -> ".join(shown(each.name) for each in [*chain, target][-MAX_PARENTS:])
        what = f"the files extend one another in a circle or too long a line ({names})"
        allowed = f"up to {MAX_PARENTS} parents in a line"
        raise _error(extends.origin, "extends: ", what, allowed, "delete one `extends`")
    if not _is_file(target):
        files = [os.path.relpath(each, chain[-1].parent) for each in _yaml_files(target.parent)]
        known = [each for each in [*files, *shipped_scenarios()] if each != chain[-1].name]
        what = f"there is no file {shown(source, MAX_PATH)}"
        allowed = "a path relative to this file, or the name of a shipped scenario"
        raise _error(extends.origin, "extends: ", what, allowed, _meant(extends.value, known))


def _parent(extends: _Node, child: Path, source: str) -> tuple[Path, str]:
    """Path of a parent file and what messages call it."""
    text = extends.value
    if not isinstance(text, str) or not text.strip():
        what = f"{_quoted(text)} is {_kind(text) if text else 'empty'}"
        raise _error(extends.origin, "extends: ", what, "one path", "try extends: baseline.yaml")
    path = child.parent / text
    shipped = shipped_scenarios()
    if text in shipped and not _is_file(path):
        return shipped[text], text
    return path, os.path.normpath(Path(source).parent / text)


def _resolved_path(path: Path, origin: _Origin) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        what = f"{shown(str(path))} cannot be followed"
        hint = "check the symbolic links"
        raise _error(origin, "extends: ", what, "a path to a file", hint) from error


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
        return f"the folder {shown(str(self.tree), MAX_PATH)}" + (
            " and its parent" if self.folder else ""
        )


def _node_of(value: object, origin: _Origin, path: KeyPath = ()) -> _Node:
    """Nodes of plain data given in Python."""
    where = f"{origin}: {dotted(path[:6])}" if path else str(origin)
    if len(path) > MAX_DEPTH:
        message = f"{where}: is nested over {MAX_DEPTH} levels deep; flatten it"
        raise ScenarioError(message)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                message = f"{where}: the key {_quoted(key)} is not text; keys are names; use text"
                raise ScenarioError(message)
        return _Node({str(k): _node_of(v, origin, (*path, k)) for k, v in value.items()}, origin)
    if isinstance(value, list | tuple):
        return _Node([_node_of(v, origin, (*path, i)) for i, v in enumerate(value)], origin)
    if getattr(value, "shape", None) == () and callable(item := getattr(value, "item", None)):
        value = item()  # a NumPy scalar
    return _Node(_scalar(value, where), origin)


def _scalar(value: object, where: str) -> bool | int | float | str | None:
    """Take a plain value, without the subclass it may be of."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int) and abs(value) < 10**MAX_DIGITS:
        return int(value)
    what = "too large" if isinstance(value, int) else f"a Python {type(value).__name__}"
    rule = "text, numbers, true, false, None, lists and dictionaries"
    message = f"{where}: is {what}; allowed: {rule}; convert it"
    raise ScenarioError(message)


def _plain(node: _Node) -> Any:  # noqa: ANN401 - any plain data
    if isinstance(node.value, dict):
        return {key: _plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(child) for child in node.value]
    return node.value


def _override(text: str) -> _Node:
    """Nodes of one ``a.b.c=value``."""
    key, equals, value = str(text).partition("=")
    origin = _Origin(f"--set {shown(str(text))}")
    path = _override_path([part.strip() for part in key.split(".")])
    if not equals or not all(path) or len(path) > MAX_OVERRIDE:
        hint = "try --set world.parameters.flywheel=1.2"
        raise _error(origin, "", "is not a change", "a key path, =, and a value", hint)
    if path[0] == "extends":
        raise _error(origin, "extends: ", "cannot be set here", "in a file", "write a file")
    if path in (["name"], ["question"]):
        node = _Node(value.strip(), origin)
    else:
        parsed = parse_yaml(value, str(origin)).value if value.strip() else None
        node = _node_of(parsed, origin)
    for depth, part in reversed(list(enumerate(path))):
        if depth == ACTOR_DEPTH and path[0] == "world" and path[1] in POPULATIONS:
            if not isinstance(node.value, dict):
                what = f"{_quoted(node.value)} is {_kind(node.value)}"
                hint = f"try --set world.{path[1]}.{shown(part)}.KEY=VALUE"
                raise _error(origin, "", what, "a mapping", hint)
            actor = {"name": _Node(part, origin), **node.value}
            node = _Node([_Node(actor, origin)], origin)
        else:
            node = _Node({part: node}, origin)
    return node


def _override_path(parts: list[str]) -> list[str]:
    """Put the parts of an actor's name together: names may hold dots."""
    from sim.world.tables import ATTRIBUTES

    if len(parts) <= ACTOR_DEPTH + 1 or parts[0] != "world" or parts[1] not in POPULATIONS:
        return parts
    attribute = ATTRIBUTES[parts[1]].get(parts[-2])
    n_last = 2 if attribute is not None and attribute.kind == "mapping" else 1
    name = ".".join(parts[ACTOR_DEPTH:-n_last])
    return [*parts[:ACTOR_DEPTH], name, *parts[-n_last:]]


def _merged(below: _Node, above: _Node, path: KeyPath = ()) -> _Node:
    """Put ``above`` over ``below``: mappings by key, actors by name, the rest replaced."""
    if isinstance(below.value, dict) and above.value is None and path:
        return below  # a heading with nothing under it
    if path in _ACTOR_LISTS and _are_actors(below) and _are_actors(above):
        return _merged_actors(below, above)
    if not isinstance(above.value, dict):
        return above
    result = dict(below.value) if isinstance(below.value, dict) else {}
    for key, child in above.value.items():
        here = (*path, key)
        if here == ("policies+",):
            _append(result, "policies", child, above)
        else:
            base = result.get(
                key, _Node({} if isinstance(child.value, dict) else None, child.origin)
            )
            result[key] = _merged(base, child, here)
    return _Node(result, above.origin)


_ACTOR_LISTS: Final = tuple(("world", population) for population in POPULATIONS)


def _are_actors(node: _Node) -> bool:
    return isinstance(node.value, list) and all(_name_of(item) for item in node.value)


def _name_of(item: _Node) -> str | None:
    name = item.value.get("name") if isinstance(item.value, dict) else None
    return name.value if name is not None and isinstance(name.value, str) else None


def _merged_actors(below: _Node, above: _Node) -> _Node:
    """Merge lists of actors by name; one that comes twice in a list stays, to be refused."""
    actors = list(below.value)
    places = {_name_of(actor): place for place, actor in enumerate(actors)}
    for actor in above.value:
        place = places.pop(_name_of(actor), None)
        if place is None:
            actors.append(actor)
        else:
            actors[place] = _merged(actors[place], actor, ("actor",))
    return _Node(actors, above.origin)


def _append(result: dict[str, _Node], key: str, extra: _Node, above: _Node) -> None:
    """Append to a list, as ``policies+`` asks."""
    if not isinstance(extra.value, list):
        what = f"{_quoted(extra.value)} is {_kind(extra.value)}"
        raise _error(extra.origin, f"{key}+: ", what, "a list", "begin each item with `- `")
    if key in above.value:
        what = f"stands beside {key}, which replaces the list"
        raise _error(extra.origin, f"{key}+: ", what, "one of them", f"keep {key} or {key}+")
    below = result.get(key)
    items = below.value if below is not None and isinstance(below.value, list) else []
    result[key] = _Node([*items, *extra.value], extra.origin)


# --- validation with origins ----------------------------------------------------------------------


def _validated(top: _Node) -> Scenario:
    """Check merged nodes; problems name who wrote the key."""
    data = _plain(top)
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    world = data.get("world")
    actors = _problems_of_actors(world) if isinstance(world, dict) else ()
    more = [(("world", *path), text) for path, text in itertools.islice(actors, MAX_TOLD)]
    told: dict[KeyPath, Problem | ErrorDetails] = {}
    for problem in [*more, *_problems_across(data)]:
        told[problem[0]] = problem
    told |= {tuple(details["loc"]): details for details in errors}
    places = sorted(
        ((*_locate(top, path), path) for path in told), key=lambda place: place[0].order
    )
    lines: list[str] = []
    for origin, where, path in places[:MAX_TOLD]:
        details = told[path]
        text = details[1] if isinstance(details, tuple) else _explained(details)
        lines.append(f"{origin}: {dotted(where)}: {text}" if where else f"{origin}: {text}")
    raise ScenarioError(join_problems(lines, top.origin.source), tuple(lines))


def _locate(top: _Node, path: KeyPath) -> tuple[_Origin, KeyPath]:
    """Origin of a path (of its nearest parent when nobody wrote it), with actors by name."""
    node = top
    where: list[str | int] = []
    for part in path:
        child: _Node | None = None
        if isinstance(node.value, dict):
            child = node.value.get(part)
        elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
            child = node.value[part]
        name = _name_of(child) if child is not None and isinstance(part, int) else None
        where.append(part if name is None else name)
        node = child if child is not None else _Node(None, node.origin)
    return node.origin, tuple(where)


def _explained(details: ErrorDetails) -> str:
    """Text of one of pydantic's errors."""
    path = tuple(details["loc"])
    if details["type"] == _OURS:
        return str(details["ctx"]["text"])
    if details["type"] == "extra_forbidden":
        return _unknown_key(path)
    entry = _schema_at(path)
    value = details["input"]
    wrong_kind = details["type"].endswith("_type") or details["type"] == "none_required"
    if wrong_kind:
        what = f"{_quoted(value)} is {_kind(value)}"
    elif entry.get("pattern") == QUARTER_PATTERN:
        what = f"{_quoted(value)} is not a quarter"
    elif details["type"] in ("greater_than_equal", "less_than_equal"):
        what = f"{_quoted(value)} is out of range"
    else:
        what = f"{_quoted(value)} is not known here"
    return f"{what}; allowed: {_allowed(entry)}; {_hint(entry, value)}"


def _unknown_key(path: KeyPath) -> str:
    """Text about a key that the schema does not have."""
    *above, key = path
    here = list(_schema_at(tuple(above)).get("properties", {}))
    offer = f"allowed: {', '.join(here)}"
    if str(key) in LATER.get(dotted(tuple(above)), ()):
        return f"is not in this version; {offer}; leave it out"
    homes = _homes().get(_form(str(key)), [])
    if str(key).endswith("+"):
        return f"unknown key; {offer}; only policies+ appends"
    if homes and _form(str(key)) not in map(_form, here):
        return f"unknown key; {offer}; did you mean {homes[0]}?"
    nearest = _nearest(key, here)
    if nearest is None and (elsewhere := _nearest(key, list(_homes()))):
        nearest = _homes()[elsewhere][0]
    hint = f"did you mean {nearest}?" if nearest else "leave it out"
    return f"unknown key; {offer}; {hint}"


@functools.cache
def _homes() -> dict[str, list[str]]:
    """Key paths of the schema by the form of their last key."""
    homes: dict[str, list[str]] = {}

    def walk(entry: dict[str, Any], path: tuple[str, ...]) -> None:
        for key, child in entry.get("properties", {}).items():
            homes.setdefault(_form(key), []).append(".".join((*path, key)))
            walk(_followed(child), (*path, key))

    walk(_schema(), ())
    for row in parameter_table().values():
        if row.symbol:
            homes.setdefault(_form(row.symbol), []).append(f"world.parameters.{row.name}")
    return homes


def _schema_at(path: KeyPath) -> dict[str, Any]:
    """Find the part of the JSON Schema about a key path; empty where it says nothing."""
    entry = _schema()
    for part in path:
        child = entry.get("items") if isinstance(part, int) else None
        entry = _followed(child or entry.get("properties", {}).get(part, {}))
    return entry


def _followed(entry: dict[str, Any]) -> dict[str, Any]:
    """Replace an entry's reference by what it refers to."""
    reference = entry.get("$ref")
    if reference is None:
        return entry
    target = cast("dict[str, Any]", _schema()["$defs"][reference.rsplit("/", 1)[1]])
    return target | {key: value for key, value in entry.items() if key != "$ref"}


def _allowed(entry: dict[str, Any]) -> str:
    """Say what the JSON Schema allows, in words."""
    if "enum" in entry:
        return ", ".join(str(choice) for choice in entry["enum"])
    if entry.get("pattern") == QUARTER_PATTERN:
        return "a quarter, like 2027Q1"
    if entry.get("type") == "integer":
        return "a whole number" + _range(entry.get("minimum"), entry.get("maximum"))
    if entry.get("type") == "object":
        return f"a mapping with {', '.join(list(entry.get('properties', {}))[:8]) or 'keys'}"
    words = {"boolean": "true or false", "array": "a list", "string": "text", "null": "null"}
    return words.get(str(entry.get("type")), "what the schema says")


def _hint(entry: dict[str, Any], value: object) -> str:
    """Say what to try instead of a value."""
    kind = entry.get("type")
    default = entry.get("default")
    hint = "leave it out" if default in (None, "") else f"try {default}"
    if "enum" in entry:
        hint = _meant(value, entry["enum"])
    elif entry.get("pattern") == QUARTER_PATTERN:
        match = re.search(r"([0-9]{4})(?:\W*[qQ]?\W*([1-4])(?![0-9]))?", str(value))
        hint = f"try {match[1]}Q{match[2] or 1}" if match else "try 2027Q1"
    elif kind == "boolean":
        no = str(value).casefold() in ("no", "off", "0", "n", "f", "false", "none")
        hint = f"write {'false' if no else 'true'}"
    elif kind == "integer":
        hint = _as_number(value) or hint
    elif kind == "array":
        hint = "write [] or one item a line, each after `- `"
    elif kind == "object":
        hint = f"indent `{next(iter(entry.get('properties', {'key': 0})))}:` under it"
    return hint


# --- writing --------------------------------------------------------------------------------------


def _yaml_lines(data: Mapping[str, Any]) -> Iterator[str]:
    """Lines of the complete scenario."""
    yield "# A complete scenario: every key and every value of a run, without parents."
    for key, value in data.items():
        if key == "world":
            yield "world:"
            yield from (f"  {line}" for line in _world_lines(value))
        else:
            yield f"{key}: {_flow(value)}"


def _world_lines(world: Mapping[str, Any]) -> Iterator[str]:
    table = parameter_table()
    for key, value in world.items():
        if key == "parameters":
            yield "parameters:"
            for name, number in value.items():
                row = table[name]
                default = "" if number == row.value else f"; default {_flow(row.value)}"
                yield f"  {name}: {_flow(number)}  # {row.unit}{default}"
        elif key in POPULATIONS and value:
            yield f"{key}:"
            yield from (f"  - {_flow(actor)}" for actor in value)
        else:
            yield f"{key}: {_flow(value)}"


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


# --- JSON Schema ----------------------------------------------------------------------------------


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of scenario files, for editors.

    Returns
    -------
    dict
        Plain data, with names, ranges and meanings from the catalogues.
    """
    return copy.deepcopy(_schema())


@functools.cache
def _schema() -> dict[str, Any]:
    schema = Scenario.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "aipower scenario"
    schema["description"] = "What a run simulates, and how it differs from its world."
    properties = schema["properties"]
    properties["name"]["pattern"] = NAME_PATTERN
    properties["question"]["maxLength"] = MAX_QUESTION
    policies = {"type": "array", "items": {"type": "object"}, "maxItems": 0}
    properties["policies"] |= policies
    del schema["$defs"]["RecordSpec"]["properties"]["networks"]["default"]
    text = {"type": "string", "description": "the parent file, relative to this one"}
    more = {"extends": text, "policies+": policies | {"description": "policies to append"}}
    order = ("schema", "extends", "name", "question", "world", "horizon", "power", "mechanisms")
    properties |= more
    schema["properties"] = {key: properties.pop(key) for key in order} | properties
    _describe_choices(schema["$defs"])
    return schema


def _describe_choices(definitions: dict[str, Any]) -> None:
    """Add names, ranges and meanings from the catalogues, so that editors complete them."""
    from sim.world import WORLDS
    from sim.world.tables import ATTRIBUTES

    definitions["PowerSpec"]["properties"]["family"] |= {"enum": list(_families())}
    world = definitions["WorldSpec"]["properties"]
    world["base"] |= {"enum": list(WORLDS)}
    rows = parameter_table().values()
    world["parameters"] = {
        "type": "object",
        "description": world["parameters"]["description"],
        "properties": {row.name: _parameter_schema(row) for row in rows},
        "additionalProperties": False,
    }
    for population in POPULATIONS:
        attributes = ATTRIBUTES[population]
        world[population]["items"] = {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string"}}
            | {key: _attribute_schema(attribute) for key, attribute in attributes.items()},
            "additionalProperties": False,
        }


def _parameter_schema(row: ParameterRow) -> dict[str, Any]:
    symbol = f" ({row.symbol})" if row.symbol else ""
    text = f"{row.unit}{symbol}; plausible {row.low:g} to {row.high:g}; {row.kind}: {row.source}"
    entry: dict[str, Any] = {"type": "integer" if row.name in _whole_parameters() else "number"}
    entry |= {"description": text, "default": row.value}
    return entry | _limits(row.minimum, row.maximum)


def _attribute_schema(attribute: Attribute) -> dict[str, Any]:
    unit = f" ({attribute.unit})" if attribute.unit else ""
    number = {"type": "number"} | _limits(attribute.minimum, attribute.maximum)
    kinds: dict[str, dict[str, Any]] = {
        "number": number,
        "text": {"type": "string"},
        "mapping": {"type": "object", "additionalProperties": number},
    }
    entry = kinds[attribute.kind] | {"description": f"{attribute.sentence}{unit}"}
    return entry | ({"enum": list(attribute.choices)} if attribute.choices else {})


def _limits(low: float | None, high: float | None) -> dict[str, float]:
    limits = {"minimum": low, "maximum": high}
    return {key: value for key, value in limits.items() if value is not None}
