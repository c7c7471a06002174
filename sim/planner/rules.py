"""Rules that a planner keeps: caps, reserves, fairness, other scarce resources; and why some cannot be kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast

import numpy as np

from sim import indices
from sim.arrays import Array, Flags
from sim.errors import PlanError
from sim.planner.problem import Problem
from sim.scenario.checks import MEASURED, problems_of_parameters, problems_of_table
from sim.scenario.messages import kind, meant, wrong_number
from sim.submodels.power import FAMILIES, FAMILY_PARAMETERS
from sim.submodels.waterfill import Group
from sim.units import HHI_POINTS
from sim.yaml_reader import dotted, read_yaml

_ROUNDING = 1e-12
_MOST_ALPHA = 50.0
_MOST_NEED = 1e9
"""Largest part of another resource, in multiples of all there is, that all compute could need; more is a wrong unit."""

ALL = "all"
Shares = float | Mapping[str, float]
"""One share for every firm, or shares by class, by firm, or for ``all`` others."""


@dataclass(frozen=True)
class Resource:
    """Something else that is scarce and that compute needs, such as memory, bandwidth or energy.

    Attributes
    ----------
    name : str
    total : float
        How much there is, in any unit.
    need : float or mapping of str to float
        Units for 1 M H100e: one number, or by class, by firm or for ``all`` others.
    """

    name: str
    total: float
    need: Shares = 1.0


@dataclass(frozen=True)
class Sector:
    """Firms whose AI power follows a function of its own.

    Attributes
    ----------
    name : str
    firms : tuple of str
        Names or classes.
    family : str
        Power family.
    parameters : mapping of str to float
        Those of the family that are not the scenario's.
    table : tuple of pairs
        Of family ``measured``.
    """

    name: str
    firms: tuple[str, ...]
    family: str
    parameters: Mapping[str, float] = field(default_factory=dict)
    table: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Rules:
    """What the planner keeps to. The default keeps to nothing but the total.

    Attributes
    ----------
    alpha : float
        Aversion to inequality of AI power: 0 adds up power, 1 is proportional fairness, 2 minimises potential delay,
        infinity is max-min (Mo and Walrand 2000).
    cap : float or mapping of str to float
        Quota: largest share of total compute that a firm may have.
    floor : float or mapping of str to float
        Share of total compute that each firm has at least.
    reserve : mapping of str to float
        Share of total compute that the firms of a class have together at least.
    max_gini : float, optional
        Largest Gini coefficient of compute.
    max_hhi : float, optional
        Largest HHI of compute, in points up to 10,000.
    resources : tuple of Resource
        What else is scarce.
    sectors : tuple of Sector
        Firms with power functions of their own; all others keep the scenario's.
    """

    alpha: float = 0.0
    cap: Shares = 1.0
    floor: Shares = 0.0
    reserve: Mapping[str, float] = field(default_factory=dict)
    max_gini: float | None = None
    max_hhi: float | None = None
    resources: tuple[Resource, ...] = ()
    sectors: tuple[Sector, ...] = ()

    @property
    def is_bare(self) -> bool:
        """Whether nothing but the total limits the planner, who adds up power."""
        return replace(self, sectors=()) == Rules()

    @classmethod
    def read(cls, given: str | Path | Mapping[str, Any]) -> Rules:
        """Rules from a YAML file or a mapping with the names of the attributes.

        ``resources`` and ``sectors`` are mappings by name; a family's parameters stand beside ``family``.

        Raises
        ------
        PlanError
            When a key is unknown or a value is of the wrong kind.

        Examples
        --------
        >>> Rules.read({"alpha": 1, "reserve": {"sme": 0.1}}).reserve
        {'sme': 0.1}
        """
        if not isinstance(given, Mapping):
            given = read_rules(Path(given))
        for key in given:
            if key not in _keys():
                _refuse(f"rules: there is no {key!r}; allowed: {', '.join(_keys())}; {meant(key, _keys())}")
        data = {key: value for key, value in given.items() if value is not None}
        for key in ("alpha", "max_gini", "max_hhi"):
            if key in data:
                data[key] = _number(key, data[key])
        for key in ("cap", "floor", "reserve"):
            if key in data:
                data[key] = _numbers(key, data[key], is_mapping=key == "reserve")
        resources = _mapping("resources", data.pop("resources", {}))
        sectors = _mapping("sectors", data.pop("sectors", {}))
        return cls(
            **data,
            resources=tuple(_resource(name, entry) for name, entry in resources.items()),
            sectors=tuple(_sector(name, entry) for name, entry in sectors.items()),
        )

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing."""
        if not (0.0 <= self.alpha <= _MOST_ALPHA or self.alpha == np.inf):
            _refuse(f"alpha: {self.alpha:g} is out of range; allowed: 0 to {_MOST_ALPHA:g}, or inf for max-min")
        for name in ("cap", "floor", "reserve"):
            given = getattr(self, name)
            for who, share in given.items() if isinstance(given, Mapping) else [(ALL, given)]:
                if not 0.0 <= share <= 1.0:
                    _refuse(f"{name}: {share:g} for {who} is out of range; allowed: a share from 0 to 1")
        if self.max_gini is not None and not 0.0 <= self.max_gini < 1.0:
            _refuse(f"max_gini: {self.max_gini:g} is out of range; allowed: 0 up to, not including, 1")
        if self.max_hhi is not None and not 0.0 < self.max_hhi <= HHI_POINTS:
            _refuse(f"max_hhi: {self.max_hhi:g} is out of range; allowed: points above 0, up to 10,000")
        for resource in self.resources:
            needs = resource.need.values() if isinstance(resource.need, Mapping) else [resource.need]
            if not resource.total > 0.0 or min(needs, default=0.0) < 0.0:
                _refuse(f"resources: {resource.name} needs a positive total, and needs of at least 0")
        for sector in self.sectors:
            _check_sector(sector)


class Limits(NamedTuple):
    """The rules as numbers for one problem."""

    total: float
    """M H100e that can be given out at all: the total, or less where every firm is at its cap."""
    low: Array
    """[firm] M H100e."""
    high: Array
    """[firm] M H100e."""
    groups: tuple[Group, ...]
    needs: Array
    """[resource, firm] units for 1 M H100e."""
    stocks: Array
    """[resource] units."""
    most_equal: Array
    """[firm] M H100e: what floors, caps and reserves allow that is nearest to equal."""


def limits(problem: Problem, rules: Rules) -> Limits:
    """Bounds on compute that the rules mean for these firms.

    Raises
    ------
    PlanError
        When a rule names nobody, or no allocation keeps all rules; the message names those in conflict.
    """
    total = problem.total
    low = total * _by_firm(problem, "floor", rules.floor, 0.0)
    high = total * _by_firm(problem, "cap", rules.cap, 1.0)
    _check_floors(problem, low, high)
    groups = tuple(_groups(problem, rules, low, high))
    reserved = sum(group.least for group in groups)
    others = ~np.any([group.members for group in groups], axis=0) if groups else np.ones(len(low), dtype=np.bool_)
    least = reserved + low[others].sum()
    if least > total * (1.0 + _ROUNDING):
        parts = [f"{share:g} for {name}" for name, share in rules.reserve.items()]
        parts += [f"{low[others].sum() / total:g} for the floors of other firms"] if low[others].any() else []
        _refuse(
            f"reserved minima exceed the total: {' + '.join(parts)} = {least / total:g} of it; allowed: at most 1 "
            "together; lower a reserve or a floor"
        )
    total = min(total, float(high.sum()))
    if total <= 0.0:
        _refuse("cap: 0 for all leaves nobody any compute; allowed: a cap above 0 for some")
    is_all_reserved = bool(groups) and least >= problem.total * (1.0 - _ROUNDING)
    _check_aversion(problem, rules, (high > 0.0) & ~(others & (low == 0.0) & is_all_reserved))
    needs, stocks = _resources(problem, rules, total)
    equal = most_equal(total, low, high, groups)
    is_bound = bool(low.any() or (high < total).any())
    allowing = "floors, caps and reserves" if groups else "floors and caps" if is_bound else f"{len(low)} firms"
    _check_equality(rules, equal, allowing)
    used = needs @ low
    for resource, need, stock in zip(rules.resources, used, stocks, strict=True):
        if need > stock * (1.0 + _ROUNDING):
            _refuse(
                f"floor and {resource.name} contradict each other: the floors need {need:g} of {resource.name}, whose "
                f"total is {stock:g}; lower the floor or raise the total"
            )
    return Limits(total, low, high, groups, needs, stocks, equal)


def _by_firm(problem: Problem, rule: str, given: Shares, otherwise: float) -> Array:
    """A rule's number for each firm: by its name, else its class, else ``all``."""
    if not isinstance(given, Mapping):
        return np.full(len(problem.names), float(given))
    known = {*problem.names, *problem.classes, ALL}
    for who in given:
        if who not in known:
            classes = ", ".join(sorted(set(problem.classes)))
            _refuse(f"{rule}: there is no firm or class {who!r}; allowed: {ALL}, a class ({classes}) or a firm's name")
    rest = given.get(ALL, otherwise)
    return np.array(
        [
            float(given.get(name, given.get(kind, rest)))
            for name, kind in zip(problem.names, problem.classes, strict=True)
        ]
    )


def _check_floors(problem: Problem, low: Array, high: Array) -> None:
    clash = np.flatnonzero(low > high)
    if clash.size:
        k = int(clash[0])
        _refuse(
            f"floor and cap contradict each other for {problem.names[k]}: at least {low[k] / problem.total:g} and at "
            f"most {high[k] / problem.total:g} of the total; lower the floor or raise the cap"
        )
    if low.sum() > problem.total * (1.0 + _ROUNDING):
        n = int(np.count_nonzero(low))
        _refuse(
            f"floors exceed the total: those of {n} firms add up to {low.sum() / problem.total:g} of it; allowed: at "
            f"most 1, which is {1.0 / n:g} a firm if all are the same; lower the floor"
        )


def _groups(problem: Problem, rules: Rules, low: Array, high: Array) -> list[Group]:
    kinds = np.array(problem.classes)
    groups = []
    for name, share in rules.reserve.items():
        members = kinds == name
        if not members.any():
            _refuse(f"reserve: no firm is of class {name!r}; allowed: {', '.join(sorted(set(problem.classes)))}")
        most = float(high[members].sum())
        least = share * problem.total
        if least > most * (1.0 + _ROUNDING):
            _refuse(
                f"reserve and cap contradict each other for {name}: {share:g} of the total is reserved for "
                f"{int(members.sum())} firms whose caps add up to {most / problem.total:g}; lower the reserve or raise "
                "the cap"
            )
        groups.append(Group(members, max(min(least, most), float(low[members].sum())), most))
    return groups


def _check_aversion(problem: Problem, rules: Rules, has_some: Flags) -> None:
    """Refuse an objective that is minus infinity for every allocation, as some firm can have no power in any."""
    lost = np.flatnonzero(~has_some & (problem.inherited == 0.0))
    if 1.0 <= rules.alpha < np.inf and lost.size:
        _refuse(
            f"alpha {rules.alpha:g}: the rules leave {problem.names[int(lost[0])]} no compute, and from alpha 1 on no "
            "power is infinitely bad; leave every firm some, or take alpha below 1, or inf"
        )


def _resources(problem: Problem, rules: Rules, total: float) -> tuple[Array, Array]:
    needs = [_by_firm(problem, f"resources: {each.name}", each.need, 1.0) for each in rules.resources]
    for each, need in zip(rules.resources, needs, strict=True):
        if need.max() > _MOST_NEED * each.total / total:
            _refuse(
                f"resources: {each.name}: all compute could need {need.max() * total / each.total:.2g} times its total "
                f"of {each.total:g}; allowed: up to {_MOST_NEED:g} times; check the units of total and need"
            )
    stocks = [each.total for each in rules.resources]
    return np.array(needs).reshape(len(stocks), len(problem.names)), np.array(stocks, dtype=np.float64)


def _check_equality(rules: Rules, most_equal: Array, allowing: str) -> None:
    """Refuse a bound below what the most equal allocation within floors, caps and reserves has."""
    for rule, bound, index, scale in (
        ("max_gini", rules.max_gini, indices.gini, 1.0),
        ("max_hhi", rules.max_hhi, indices.hhi, HHI_POINTS),
    ):
        if bound is None:
            continue
        least = scale * float(index(most_equal))
        if bound < least * (1.0 - _ROUNDING):
            _refuse(
                f"{rule} of {bound:g} cannot be met: the most equal allocation that {allowing} allow has "
                f"{least:.6g}; allowed: at least that"
            )


def most_equal(total: float, low: Array, high: Array, groups: Sequence[Group]) -> Array:
    """The most equal amounts where groups have minima of their own; ``[firm]``.

    A group that lacks its minimum gets it, which leaves less for the others, so that it never has more than that.
    """
    amounts = leveled(total, low, high)
    is_free = np.ones(low.shape, dtype=np.bool_)
    waiting = list(groups)
    while short := [group for group in waiting if amounts[group.members].sum() < group.least]:
        for group in short:
            amounts[group.members] = leveled(group.least, low[group.members], high[group.members])
            is_free &= ~group.members
        rest = max(total - float(amounts[~is_free].sum()), 0.0)
        amounts[is_free] = leveled(rest, low[is_free], high[is_free]) if is_free.any() else 0.0
        waiting = [group for group in waiting if is_free[group.members].all()]
    return amounts


def leveled(total: float, low: Array, high: Array) -> Array:
    """The most equal amounts within bounds that add up to a total: everyone's the same but for the bounds; ``[firm]``.

    >>> leveled(6.0, np.array([3.0, 0.0, 0.0]), np.array([9.0, 9.0, 1.0]))
    array([3., 2., 1.])
    """
    # The sum is piecewise linear in the level, with a bend at each bound.
    bends = np.unique(np.concatenate([low, high]))
    sums = np.array([np.clip(bend, low, high).sum() for bend in bends])
    level = np.interp(total, sums, bends)
    amounts: Array = np.clip(level, low, high)
    return amounts


def read_rules(path: Path) -> Mapping[str, Any]:
    """The mapping that a YAML file of rules holds, not yet checked.

    Raises
    ------
    PlanError
        When the file holds something else.
    ScenarioError
        When it cannot be read.
    """
    value = read_yaml(path, holds="rules").value
    if not isinstance(value, Mapping):
        _refuse(f"{path}: rules are a mapping; allowed keys: {', '.join(_keys())}")
    return cast("Mapping[str, Any]", value)


def _keys() -> list[str]:
    return [each.name for each in fields(Rules)]


def _number(key: str, value: object) -> float:
    if key == "alpha" and value in ("inf", np.inf):
        return float("inf")
    if wrong := wrong_number(value, None, None, ""):
        _refuse(f"rules: {key}: {wrong}")
    return float(cast("float", value))


def _numbers(key: str, value: object, *, is_mapping: bool) -> Shares:
    if isinstance(value, Mapping):
        return {str(who): _number(f"{key}: {who}", share) for who, share in value.items()}
    if is_mapping:
        _refuse(f"rules: {key} is a share by class, such as {{sme: 0.1}}")
    return _number(key, value)


def _mapping(key: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(entry, Mapping) for entry in value.values()):
        _refuse(f"rules: {key} is a mapping by name, each entry a mapping of its own")
    return value


def _resource(name: str, entry: Mapping[str, Any]) -> Resource:
    if unknown := set(entry) - {"total", "need"}:
        _refuse(f"rules: resources: {name}: there is no {min(unknown)!r}; allowed: total, need")
    if "total" not in entry:
        _refuse(f"rules: resources: {name} lacks its total")
    need = _numbers(f"resources: {name}: need", entry.get("need", 1.0), is_mapping=False)
    return Resource(name, _number(f"resources: {name}: total", entry["total"]), need)


def _sector(name: str, entry: Mapping[str, Any]) -> Sector:
    family = entry.get("family")
    _check_family(name, family)
    allowed = FAMILY_PARAMETERS.get(str(family), ())
    if unknown := set(entry) - {"firms", "family", "table", *allowed}:
        more = f", {', '.join(allowed)}" if allowed else ""
        _refuse(f"rules: sectors: {name}: there is no {min(unknown)!r}; allowed for {family}: firms, family{more}")
    firms = entry.get("firms", ())
    if not isinstance(firms, list | tuple) or not firms:
        _refuse(f"rules: sectors: {name} lacks its firms; allowed: a list of names or classes")
    table = entry.get("table", ())
    if not isinstance(table, list | tuple):
        _refuse(f"rules: sectors: {name}: table is {kind(table)}; allowed: a list of rows [effective compute, power]")
    parameters = {key: _number(f"sectors: {name}: {key}", entry[key]) for key in allowed if key in entry}
    return Sector(name, tuple(map(str, firms)), str(family), parameters, tuple(table))


def _check_family(name: str, family: object) -> None:
    if not isinstance(family, str) or family not in FAMILIES:
        _refuse(f"sectors: {name}: family {family!r} is unknown; {meant(family, list(FAMILIES))}")


def _check_sector(sector: Sector) -> None:
    """Refuse what a scenario's power function may not be either."""
    where = f"sectors: {sector.name}"
    _check_family(sector.name, sector.family)
    if (sector.family == MEASURED) != bool(sector.table):
        _refuse(f"{where}: a table belongs to family {MEASURED}, which needs one")
    for path, text in problems_of_parameters(sector.parameters):
        _refuse(f"{where}: {dotted(path)}: {text}")
    for path, text in problems_of_table(sector.table) if sector.table else ():
        _refuse(f"{where}: {dotted(('table', *path))}: {text}")


def _refuse(message: str) -> NoReturn:
    raise PlanError(message)
