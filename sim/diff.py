"""What differs between two scenarios, or two results: rows of key, value in A, value in B and unit.

>>> from sim.scenario import load_scenario
>>> of_scenarios(load_scenario("baseline"), load_scenario({"extends": "baseline", "run": {"seed": 7}}))[-1]
Difference(key='run.seed', a=1, b=7, unit='')
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sim.result import Result
    from sim.scenario import Scenario

COMPARED = (
    "hhi_chip_sales",
    "hhi_compute_owned",
    "hhi_compute_used",
    "hhi_power",
    "hhi_revenue",
    "gini_revenue",
    "frontier_power",
    "total_power",
    "rental_price",
    "energy_twh",
    "small_firm_share_of_compute",
    "n_firms",
)
"""Measures that are compared: concentration from chips to revenue, scale, price, small firms."""

ORIGINS = ("aipower", "source_sha256", "git_commit", "git_has_changes", "python", "platform", "libraries")
"""Entries of the manifest that say what computed a result."""

Path = tuple[str, ...]


class Difference(NamedTuple):
    """One thing that is not the same; a value that is missing is None."""

    key: str
    a: object
    b: object
    unit: str = ""


def of_scenarios(a: Scenario, b: Scenario) -> list[Difference]:
    """Compare two complete scenarios key by key; actors are compared by name.

    Parameters
    ----------
    a, b : Scenario

    Returns
    -------
    list of Difference
        With dotted keys, as ``--set`` takes them, and units of parameters and actors' numbers.
    """
    left, right = a.resolved(), b.resolved()
    if left["world"]["tables"] != right["world"]["tables"]:
        left["world"]["tables"], right["world"]["tables"] = (_complete_tables(each) for each in (a, b))
    return _differences(left, right)


def _complete_tables(scenario: Scenario) -> dict[str, Any]:
    """Facts of a scenario's world, of its own tables and of its base's, so that only facts that differ are told."""
    from sim.scenario.own_tables import complete_tables

    return complete_tables(scenario.world.base, scenario.world.tables)


def of_origins(a: Result, b: Result) -> list[Difference]:
    """Compare what computed two stored results: code, Python, libraries and machine."""
    kept = [{key: result.manifest.get(key) for key in ORIGINS} for result in (a, b)]
    return _differences(*kept)


def of_measures(a: Result, b: Result) -> tuple[int | None, list[Difference]]:
    """Compare means over replicates of the headline measures.

    Parameters
    ----------
    a, b : Result

    Returns
    -------
    year : int or None
        The last year of which both simulated the same quarters, if any: flows add up over a year.
    differences : list of Difference
        Measures whose means in that year are not the same to the last bit.
    """
    common = [year for year in a.years if _quarters_of(a, year) == _quarters_of(b, year)]
    if not common:
        return None, []
    year = common[-1]
    names = [name for name in COMPARED if name in a.catalogue and name in b.catalogue]
    yearly = [result.yearly() for result in (a, b)]
    ends = [frame[frame.index.get_level_values("year") == year] for frame in yearly]
    means = [{name: float(end[name].mean()) for name in names} for end in ends]
    rows = [Difference(name, means[0][name], means[1][name], a.catalogue[name].unit) for name in names]
    return year, [row for row in rows if not _is_same(row.a, row.b)]


def _quarters_of(result: Result, year: int) -> list[str]:
    return [quarter for quarter in result.simulated_quarters if quarter.startswith(str(year))]


def _is_same(a: object, b: object) -> bool:
    """Whether two values are the same; a missing number is the same as another."""
    return (a == b and isinstance(a, bool) == isinstance(b, bool)) or (a != a and b != b)  # noqa: PLR0124 - NaN


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Difference]:
    left, right = dict(_leaves(a)), dict(_leaves(b))
    return [
        Difference(".".join(path), left.get(path), right.get(path), _unit(path))
        for path in dict.fromkeys([*left, *right])
        if not _is_same(left.get(path), right.get(path))
    ]


def _leaves(data: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Values by path; items of a list that have names of their own are found under them."""
    if isinstance(data, list) and data and all(isinstance(item, Mapping) and "name" in item for item in data):
        named = {str(item["name"]): {key: value for key, value in item.items() if key != "name"} for item in data}
        if len(named) == len(data):
            data = named
    elif isinstance(data, list) and data and all(isinstance(item, Mapping) and len(item) == 1 for item in data):
        data = _by_policy(data)
    if isinstance(data, Mapping) and data:
        for key, value in data.items():
            yield from _leaves(value, (*path, str(key)))
    elif data not in ([], {}):
        yield path, data


def _by_policy(items: list[Mapping[str, object]]) -> dict[str, object]:
    """Policies by name, those of the same name with their place among them."""
    names = [next(iter(item)) for item in items]
    places = [f" ({names[:k].count(name) + 1})" if names.count(name) > 1 else "" for k, name in enumerate(names)]
    return {name + place: item[name] for name, place, item in zip(names, places, items, strict=True)}


def _unit(path: Path) -> str:
    """Unit of a parameter, or of an actor's or a policy's number; empty for anything else."""
    from sim.parameters import parameter_table
    from sim.world.tables import ATTRIBUTES, SHIPMENT_UNIT

    match path:
        case ("world", "parameters", name) | ("world", "tables", "parameters", name, _) if name in parameter_table():
            return parameter_table()[name].unit
        case ("world", "tables", "shipments", _):
            return SHIPMENT_UNIT
        case ("world", "tables", population, _, attribute, *_) if attribute in ATTRIBUTES.get(population, {}):
            return ATTRIBUTES[population][attribute].unit
        case ("world", population, _, attribute, *_) if attribute in ATTRIBUTES.get(population, {}):
            return ATTRIBUTES[population][attribute].unit
        case ("policies", name, *rest) if rest:
            from sim.policies import find
            from sim.policies.catalogue import parameters

            return str(parameters(find(name.partition(" ")[0])).get(rest[0], {}).get("unit", ""))
    return ""
