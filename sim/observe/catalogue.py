"""What a measure is, where measures are listed, and what a run hands over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Literal, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from sim.arrays import Array, Flags
from sim.groups import Groups
from sim.state import Flows, State
from sim.world.build import World

Values = npt.NDArray[Any]
Kind = Literal["stock", "flow"]
Aggregation = Literal["last", "sum", "mean", "max"]

SECTOR = "<sector>"
"""Stands in a measure's name for each of the world's sectors."""


@dataclass(frozen=True, slots=True)
class Moments:
    """What a measure may look at: a quarter's start, end and everything between."""

    before: State
    after: State
    flows: Flows
    ledger_residual: Array
    world: World

    @property
    def groups(self) -> Groups:
        """Who owns whom as the quarter begins."""
        return Groups.of(self.before.group)


def by_corporation(values: Array, m: Moments) -> tuple[Array, Flags]:
    """Values of firms under one owner added up at the firm that stands for them, and which slots do; zero elsewhere."""
    stands = m.before.is_active & m.groups.is_head
    at_head = stands.reshape(len(stands), *[1] * (values.ndim - 2), -1)
    return np.where(at_head, m.groups.total(values), 0.0), stands


class Measure(NamedTuple):
    """One entry of the catalogue; a name with ``<sector>`` stands for one measure of each sector."""

    name: str
    unit: str
    population: str
    kind: Kind
    aggregation: Aggregation
    sentence: str

    @property
    def axes(self) -> tuple[str, ...]:
        """What the measure has one value for, besides replicate and quarter."""
        return ("sector",) if SECTOR in self.name else ()


class Column(NamedTuple):
    """One column of the tables of firms, owners and makers."""

    name: str
    unit: str
    sentence: str


class Failure(NamedTuple):
    """A replicate that could not go on."""

    replicate: int
    quarter: str
    reason: str


class Event(NamedTuple):
    """Something that happened to an actor; kinds are in ``EVENTS``."""

    replicate: int
    quarter: str
    event: str
    actor: str
    detail: str


@dataclass(frozen=True)
class Events(Sequence[Event]):
    """Events in the order in which they are listed, held as columns: so they are quickly sent, stored and joined."""

    replicate: tuple[int, ...] = ()
    quarter: tuple[str, ...] = ()
    event: tuple[str, ...] = ()
    actor: tuple[str, ...] = ()
    detail: tuple[str, ...] = ()

    @classmethod
    def joined(cls, parts: Sequence[Events]) -> Events:
        """Those of several blocks, one block after the other."""
        return cls(*(tuple(chain.from_iterable(columns)) for columns in zip(*map(Events.columns, parts), strict=True)))

    def columns(self) -> tuple[tuple[Any, ...], ...]:
        """One for each field of an event."""
        return self.replicate, self.quarter, self.event, self.actor, self.detail

    def __len__(self) -> int:
        return len(self.replicate)

    def __iter__(self) -> Iterator[Event]:
        return map(Event, *self.columns())

    @overload
    def __getitem__(self, place: int) -> Event: ...

    @overload
    def __getitem__(self, place: slice) -> Events: ...

    def __getitem__(self, place: int | slice) -> Event | Events:
        chosen = (column[place] for column in self.columns())
        return Events(*chosen) if isinstance(place, slice) else Event._make(chosen)


@dataclass(frozen=True)
class Recording:
    """What a run hands over; arrays lead with the replicates that succeeded."""

    replicates: Array
    quarters: tuple[str, ...]
    measures: Mapping[str, Array]
    flows: Mapping[str, Array]
    firms: Mapping[str, Values]
    firm_quarters: tuple[str, ...]
    owners: Mapping[str, Values]
    makers: Mapping[str, Values]
    owner_quarters: tuple[str, ...]
    firm_names: tuple[str, ...]
    owner_names: tuple[str, ...]
    maker_names: tuple[str, ...]
    networks: Mapping[str, Mapping[str, Array]]
    failures: tuple[Failure, ...] = field(default=())
    events: Events = field(default=Events())
    """By replicate, then quarter."""

    def rows(self, rows: slice) -> Recording:
        """Some of the replicates, of a recording of measures alone."""
        measures = {name: values[rows] for name, values in self.measures.items()}
        return replace(self, replicates=self.replicates[rows], measures=measures)


MEASURES: dict[str, Measure] = {}
"""Every measure by name."""

OPTIONAL: dict[str, Measure] = {}
"""Those that a scenario asks for under ``record``."""

FUNCTIONS: dict[str, Callable[[Moments], Array]] = {}
"""What computes the measures that a quarter alone decides and that are no indices."""


def measure(
    unit: str, population: str, kind: Kind, aggregation: Aggregation, *, name: str | None = None
) -> Callable[[Callable[[Moments], Array]], Callable[[Moments], Array]]:
    """Enter a function into the catalogue under its own name; its docstring is the sentence.

    Parameters
    ----------
    unit, population, kind, aggregation
        As in ``Measure``.
    name : str, optional
        Another name than the function's. With ``<sector>`` in it the function answers ``[..., sector]``.
    """

    def enter(function: Callable[[Moments], Array]) -> Callable[[Moments], Array]:
        entry = name or function.__name__
        sentence = (function.__doc__ or "").partition("\n\n")[0].strip()
        MEASURES[entry] = Measure(entry, unit, population, kind, aggregation, sentence)
        FUNCTIONS[entry] = function
        return function

    return enter


def described(name: str) -> Measure:
    """The catalogue's entry of a recorded measure, whatever the world's sectors are called.

    Raises
    ------
    KeyError
        When the catalogue has no such measure.
    """
    if name in MEASURES:
        return MEASURES[name]
    if name in OPTIONAL:
        return OPTIONAL[name]
    for entry in MEASURES.values():
        head, sector, tail = entry.name.partition(SECTOR)
        if sector and len(name) > len(head + tail) and name.startswith(head) and name.endswith(tail):
            return entry._replace(name=name)
    raise KeyError(name)


AGGREGATES: dict[Aggregation, Callable[[Array], Array]] = {
    "last": lambda values: values[:, -1],
    "sum": lambda values: values.sum(axis=1),
    "mean": lambda values: values.mean(axis=1),
    "max": lambda values: values.max(axis=1),
}
"""How quarters ``[replicate, quarter, ...]`` make a year ``[replicate, ...]``."""


def yearly(recording: Recording) -> Recording:
    """The recording with one value a year of each measure and flow, under the year's last quarter."""
    quarters = recording.quarters
    years = [[k for k, q in enumerate(quarters) if q[:4] == year] for year in dict.fromkeys(q[:4] for q in quarters)]

    def reduced(values: Array, aggregation: Aggregation) -> Array:
        return np.stack([AGGREGATES[aggregation](values[:, year]) for year in years], axis=1)

    return replace(
        recording,
        quarters=tuple(quarters[year[-1]] for year in years),
        measures={name: reduced(values, described(name).aggregation) for name, values in recording.measures.items()},
        flows={name: reduced(values, "sum") for name, values in recording.flows.items()},
    )
