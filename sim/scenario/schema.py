"""The parts of a scenario, with their defaults, types and ranges."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from sim.errors import ScenarioError
from sim.parameter_sets import drawn_parameters, parameter_sets
from sim.quarters import QUARTER_PATTERN, QUARTERS_PER_YEAR, Quarter
from sim.scenario import checks
from sim.scenario.checks import BASE, END, POPULATIONS, START, Actor, Problem
from sim.scenario.messages import MAX_TOLD, meant, wrong_number
from sim.scenario.own_tables import problems_of_references, problems_of_tables, settled_tables
from sim.world import NETWORKS, WORLDS
from sim.yaml_reader import shown

SCHEMA_VERSION: Final = 1
MAX_QUARTERS: Final = 400
MAX_REPLICATES: Final = 1_000_000
MAX_SEED: Final = 2**63 - 1
MAX_QUESTION: Final = 500
OURS: Final = "scenario"
"""Type of the validation errors whose text is written here, not by pydantic."""


def _tuple(given: object) -> object:
    """Take a list, which cannot be frozen, as a tuple."""
    return tuple(given) if isinstance(given, list) else given


_Actors = Annotated[tuple[Actor, ...], BeforeValidator(_tuple)]
_Quarter = Annotated[str, Field(pattern=QUARTER_PATTERN, description="a quarter, like 2027Q1")]
_Rows = Literal["none", "yearly", "quarterly"]


class _Section(BaseModel):
    """Settings of every part: nothing unknown, nothing changed later, no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)


class WorldSpec(_Section):
    """The world at the start, and what differs from its tables."""

    base: str = Field(default=BASE, description="the initial population")
    tables: dict[str, Any] | None = Field(
        default=None, description="own world tables over the base's: a folder of CSV files; their facts once loaded"
    )
    hold: Literal["flywheel", "theta"] = Field(
        default="flywheel", description="what stays when gamma or chi change: the flywheel elasticity, or theta"
    )
    parameters: dict[str, float] = Field(
        default_factory=dict, description="scalars by name, in the unit of the parameter table; all of them once loaded"
    )
    fixed: Annotated[tuple[str, ...], BeforeValidator(_tuple)] = Field(
        default=(),
        description="parameters that keep the table's value under uncertainty: ensemble; those given as such are added",
    )
    knowledge_network: str = Field(default="complete", description="who learns from whom")
    firms: _Actors = Field(default=(), description="firms to add or change, by name")
    owners: _Actors = Field(default=(), description="owners to add or change, by name")
    makers: _Actors = Field(default=(), description="makers to add or change, by name")

    @model_validator(mode="before")
    @classmethod
    def _fixed_where_given(cls, given: object) -> object:
        """Remember which parameters are given, as values that are the table's do not tell."""
        fixed = given.get("fixed") if isinstance(given, Mapping) else None
        is_list = fixed is None or (isinstance(fixed, list | tuple) and all(isinstance(name, str) for name in fixed))
        if not isinstance(given, Mapping) or not is_list:
            return given  # to be refused
        return {**given, "fixed": tuple(checks.named_parameters(given))}

    @field_validator("base")
    @classmethod
    def _known_base(cls, base: str) -> str:
        return _known(base, WORLDS, "world")

    @field_validator("knowledge_network")
    @classmethod
    def _known_network(cls, kind: str) -> str:
        return _known(kind, NETWORKS, "knowledge network")

    @field_validator("parameters", mode="before")
    @classmethod
    def _complete_parameters(cls, given: object, info: ValidationInfo) -> object:
        """Refuse unknown names and impossible values; fill in the values of the world's table."""
        given = {} if given is None else given
        if not isinstance(given, Mapping):
            return given  # to be refused
        _refuse(checks.problems_of_parameters(given))
        table = checks.world_parameters(info.data.get("base", BASE), info.data.get("tables"))
        return {name: checks.settled(given.get(name, row.value)) for name, row in table.items()}

    @field_validator("fixed")
    @classmethod
    def _drawn(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """Refuse what no set draws; keep those at the table's value, as others differ from it and so stay anyway."""
        drawn = sorted(drawn_parameters())
        for index, name in enumerate(names):
            if name not in drawn:
                text = f"{shown(repr(name))} is in no parameter set; allowed: parameters that are; {meant(name, drawn)}"
                _refuse([((index,), text)])
        table = checks.world_parameters(info.data.get("base", BASE), info.data.get("tables"))
        values = info.data.get("parameters", {})
        return tuple(name for name in drawn if name in names and values.get(name) == table[name].value)

    @field_validator("tables", mode="before")
    @classmethod
    def _valid_tables(cls, given: object, info: ValidationInfo) -> object:
        """Refuse what a table may not say; complete and order the rest."""
        if given is None:
            return None
        base = info.data.get("base", BASE)
        _refuse(problems_of_tables(given, base))
        return settled_tables(given, base) if isinstance(given, Mapping) else given

    @model_validator(mode="after")
    def _known_actors(self) -> Self:
        """Refuse unknown attributes, impossible values and new actors that lack something."""
        given: dict[str, tuple[Actor, ...]] = {key: getattr(self, key) for key in POPULATIONS}
        world = {"base": self.base, "tables": self.tables, **given}
        _refuse([*checks.problems_of_actors(world), *problems_of_references(world)])
        for key, actors in given.items():
            self.__dict__[key] = tuple(checks.ordered_actor(key, actor) for actor in actors)
        return self


class Horizon(_Section):
    """First and last quarter of a run, both included."""

    start: _Quarter = Field(default=START, description="first quarter; the world's own start")
    end: _Quarter = Field(default=END, description="last quarter, included")

    @model_validator(mode="after")
    def _forward_and_short(self) -> Self:
        if not 1 <= self.n_quarters <= MAX_QUARTERS:
            start = Quarter.parse(self.start)
            is_early = self.n_quarters < 1
            what = "lies before the start" if is_early else f"makes {self.n_quarters} quarters"
            text = f"{self.end} {what}; allowed: {start} to {start + (MAX_QUARTERS - 1)}"
            _refuse([(("end",), f"{text}; try {start + 47}")])
        return self

    @property
    def n_quarters(self) -> int:
        """Number of quarters."""
        return Quarter.parse(self.end) - Quarter.parse(self.start) + 1

    def default_networks(self) -> tuple[str, ...]:
        """Last quarter of the first and of the last year."""
        start, end = Quarter.parse(self.start), Quarter.parse(self.end)
        first = min(end, start + (QUARTERS_PER_YEAR - start.number))
        return tuple(sorted({str(first), str(end)}))


class PowerSpec(_Section):
    """The function from effective compute to AI power."""

    family: str = Field(default=checks.FAMILY, description="the power function; its parameters may stand beside it")
    table: tuple[tuple[float, float], ...] | None = Field(
        default=None, description="rows of effective compute (multiples of the leader's first) and power, or a CSV file"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_the_family(cls, given: object) -> object:
        """Refuse what belongs to another family, and a table that does not rise."""
        if not isinstance(given, Mapping):
            return given  # to be refused
        _refuse(checks.problems_of_power(given))
        rest = {key: value for key, value in given.items() if not checks.families_of(key)}
        if isinstance(table := rest.get("table"), list | tuple) and rest.get("family") == checks.MEASURED:
            rest["table"] = tuple((float(compute), float(power)) for compute, power in table)
        return rest

    @field_validator("family")
    @classmethod
    def _known_family(cls, family: str) -> str:
        return _known(family, families(), "power family")


class Mechanisms(_Section):
    """What is switched on."""

    open_weights: bool = Field(default=True, description="others build on published weights")
    entry: bool = Field(default=True, description="new firms may enter")
    imitation: bool = Field(default=True, description="algorithms spread over the network")
    mergers: bool = Field(default=True, description="firms may merge, subject to review")
    openness: bool = Field(default=True, description="a firm publishes its weights when that pays")
    federated_pools: bool = Field(default=True, description="firms that a policy invites may train together")
    own_chips: bool = Field(default=False, description="firms buy chips where that is cheaper than renting")
    grid: bool = Field(default=False, description="the grid connects only so many chips a quarter")
    expectations: Literal["adaptive", "static", "perfect_own_path"] = Field(
        default="adaptive",
        description="how firms foresee growth: from what they saw, none, or their own as it will be (many runs in one)",
    )
    growth_rates: Literal["industry", "own"] = Field(
        default="industry", description="whose growth rates firms learn from"
    )


class RunSpec(_Section):
    """How many histories, and which luck."""

    replicates: int = Field(default=200, ge=1, le=MAX_REPLICATES, description="histories with different luck")
    seed: int = Field(default=1, ge=0, le=MAX_SEED, description="the luck; 0 is a seed like others")


class RecordSpec(_Section):
    """What is kept of each replicate."""

    firms: _Rows = Field(default="yearly", description="how often rows of firms are kept")
    owners: _Rows = Field(default="yearly", description="how often rows of owners and makers are kept")
    networks: Annotated[tuple[_Quarter, ...], BeforeValidator(_tuple)] = Field(
        default=(), description="quarters whose networks are kept; default: last of the first and last year"
    )
    measures: Literal["quarterly", "yearly"] = Field(default="quarterly", description="how often measures are kept")
    planner: Literal["none", "yearly"] = Field(
        default="none", description="whether what a planner would do better is computed each year"
    )

    @field_validator("networks")
    @classmethod
    def _in_order(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(networks)))


class Scenario(_Section):
    """One complete, checked description of a run.

    Build it with :func:`sim.load_scenario`, whose errors name file, line and remedy. Calling the
    class itself makes the same checks and raises :class:`pydantic.ValidationError`.

    Attributes
    ----------
    schema_version : int
        Version of the file format (key ``schema``).
    name, question : str
        What reports call the scenario, and what it asks; neither changes a number.
    uncertainty : {"none", "ensemble"}
        Whether replicates differ in luck alone, or in the parameters that the facts leave open as well.
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
        default=(), description="policies, each by its name with its parameters"
    )
    uncertainty: Literal["none", "ensemble"] = Field(
        default="none",
        description="what replicates differ in: luck alone, or parameter sets that agree with the facts as well",
    )
    run: RunSpec = Field(default_factory=RunSpec)
    record: RecordSpec = Field(default_factory=RecordSpec)

    @model_validator(mode="before")
    @classmethod
    def _parameters_in_one_place(cls, given: object) -> object:
        return checks.with_gathered_parameters(given) if isinstance(given, Mapping) else given

    @field_validator("name")
    @classmethod
    def _safe_name(cls, name: str) -> str:
        if not checks.is_safe_name(name):
            _refuse([((), checks.wrong_name(name))])
        return name

    @field_validator("question")
    @classmethod
    def _one_sentence(cls, question: str) -> str:
        text = " ".join(question.split())
        if len(text) > MAX_QUESTION or not text.isprintable():
            what = f"has {len(text)} characters" if text.isprintable() else "holds characters that cannot be shown"
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
        """Refuse unknown policies and impossible parameters; fill in every default."""
        if not isinstance(given, list | tuple) or not given:
            return _tuple(given)
        from sim.scenario.policies import problems_of_policies, settled_policies

        _refuse(problems_of_policies(given))
        return settled_policies(given)

    @model_validator(mode="after")
    def _across_sections(self) -> Self:
        if "networks" not in self.record.model_fields_set:
            networks = self.horizon.default_networks()
            self.__dict__["record"] = self.record.model_copy(update={"networks": networks})
        _refuse(checks.problems_across(self.resolved()))
        return self

    def resolved(self) -> dict[str, Any]:
        """Plain, complete data in the order of the file format; it loads to an equal scenario."""
        data = self.model_dump(mode="json", by_alias=True)
        if not self.world.fixed:
            del data["world"]["fixed"]  # so that runs of before this key are found
        return data

    def to_yaml(self) -> str:
        """Write the complete scenario as readable YAML; it loads to an equal scenario."""
        from sim.scenario.write import yaml_text

        return yaml_text(self.resolved())

    def content_hash(self) -> str:
        """SHA-256 (hex) of what determines the numbers: everything but name and question, and plug-ins' code."""
        data = {key: v for key, v in self.resolved().items() if key not in ("name", "question")}
        if plugins := self.plugins():
            data["plugins"] = plugins
        if self.uncertainty == "none":
            del data["uncertainty"]  # so that runs of before this key are found
            data["world"].pop("fixed", None)
        else:
            data["parameter_sets"] = parameter_sets(self.world.base).digest
        text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    def plugins(self) -> dict[str, str]:
        """SHA-256 (hex) of each plug-in file whose policies the scenario names, by the file's name."""
        if not self.policies:
            return {}
        from sim.policies.registry import plugin_of

        found = [plugin_of(name) for item in self.policies for name in item]
        return {plugin.file: plugin.sha256 for plugin in found if plugin is not None}

    def replace(self, replicates: int | None = None, seed: int | None = None, quarters: int | None = None) -> Scenario:
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

        Warns
        -----
        ScenarioWarning
            When a policy does nothing in the new horizon.
        """
        from sim.scenario.load import remarks_of_horizon, warn
        from sim.scenario.mistakes import validated
        from sim.scenario.nodes import node_of

        data = self.resolved()
        changes = {"replicates": replicates, "seed": seed}
        changed_run = {key: node_of(value, key) for key, value in changes.items() if value is not None}
        if quarters is not None:
            count = node_of(quarters, "quarters").value
            wrong = wrong_number(count, 1, MAX_QUARTERS, "quarters", whole=True)
            if wrong is not None or not isinstance(count, int):
                message = f"quarters: {wrong or 'not a whole number'}; try 48"
                raise ScenarioError(message)
            end = str(Quarter.parse(self.horizon.start) + (count - 1))
            networks = self.record.networks
            kept = [quarter for quarter in networks if quarter <= end]
            data["horizon"]["end"] = end
            data["record"]["networks"] = kept
            if networks == self.horizon.default_networks() or (networks and not kept):
                del data["record"]["networks"]
        top = node_of(data, "scenario")
        top.value["run"].value.update(changed_run)
        changed = validated(top)
        warn(remarks_of_horizon(changed, self), stacklevel=3)
        return changed

    def changed_parameters(self) -> dict[str, float]:
        """Parameters whose value is not that of the world's table, by name."""
        table = checks.world_parameters(self.world.base, self.world.tables)
        values = self.world.parameters
        return {name: value for name, value in values.items() if value != table[name].value}

    def given_parameters(self) -> dict[str, float]:
        """Parameters that no set of ``uncertainty: ensemble`` changes: changed, fixed, or of the user's own table."""
        names = (*self.world.fixed, *(self.world.tables or {}).get("parameters", ()))
        return self.changed_parameters() | {name: self.world.parameters[name] for name in names}

    def is_drawn(self, name: str) -> bool:
        """Whether a parameter differs from replicate to replicate."""
        return self.uncertainty != "none" and name in drawn_parameters() and name not in self.given_parameters()


def families() -> dict[str, str]:
    """Power families by name; imported when needed, as they bring NumPy along."""
    from sim.submodels.power import FAMILIES

    return FAMILIES


def _refuse(problems: Iterable[Problem]) -> None:
    """Raise problems as one validation error; their paths are relative to the caller."""
    details = [
        InitErrorDetails(type=PydanticCustomError(OURS, "{text}", {"text": text}), loc=path, input=None)
        for path, text in itertools.islice(problems, MAX_TOLD)
    ]
    if details:
        raise ValidationError.from_exception_data(OURS, details)


def _known(name: str, known: Mapping[str, str], noun: str) -> str:
    """Return a name of a catalogue, or refuse it."""
    if name not in known:
        what = f"{noun} {shown(repr(name))} is unknown"
        _refuse([((), f"{what}; allowed: {', '.join(known)}; {meant(name, list(known))}")])
    return name
