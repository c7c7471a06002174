"""World tables: one tidy row for each fact, with unit, range, kind of evidence and source.

Populations (firms, owners, makers, sectors) are stored long: ``name, attribute, value, unit, low, high, kind,
source``. An attribute written ``partners.Amazon`` is an entry of the mapping ``partners``.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sim.errors import WorldError
from sim.parameters import DATA, OwnRow
from sim.world import WORLD_LAYERS

Actors = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Attribute:
    """What an actor of a population may be given.

    Parameters
    ----------
    kind : {"number", "text", "mapping"}
        A mapping goes from names of owners to numbers.
    sentence : str
        Meaning.
    unit : str
        Unit of a number.
    choices : tuple of str
        Allowed texts; empty when any name will do.
    minimum, maximum : float or None
        Range of a number.
    required : bool
        Whether a new actor must have it.
    """

    kind: Literal["number", "text", "mapping"]
    sentence: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    required: bool = False


ATTRIBUTES: dict[str, dict[str, Attribute]] = {
    "firms": {
        "class": Attribute("text", "kind of firm", choices=("giant", "lab", "sme"), required=True),
        "compute": Attribute("number", "compute in use at the start", "k H100e", minimum=1e-6, required=True),
        "revenue": Attribute("number", "revenue at the start", "$bn per year", minimum=0),
        "weights": Attribute("text", "whether model weights are published", choices=("open", "closed")),
        "anticipated_share_factor": Attribute("number", "target share over share at the start", "ratio", minimum=0.01),
        "investor_weight": Attribute("number", "weight in investors' funding", "$bn raised in 2024", minimum=0),
        "parent_weight": Attribute("number", "weight in parents' funding", "$bn granted in 2024", minimum=0),
        "integrated_owner": Attribute("text", "compute owner of the same corporation"),
        "integrated_affinity": Attribute("number", "log odds of using the integrated owner", "log odds", minimum=0),
        "partners": Attribute("mapping", "log odds of using each partner owner", "log odds", minimum=0),
    },
    "owners": {
        "stock_share": Attribute(
            "number", "share of the world's stock at the start", "share of world stock", minimum=0, maximum=1
        ),
        "order_factor": Attribute(
            "number", "orders over capacity share in the first year", "x share of orders", minimum=0
        ),
        "business": Attribute("text", "what it does with chips", choices=("cloud", "own", "cloud+own"), required=True),
        "sells_to": Attribute("text", "who may rent from it", choices=("all", "affiliates", "own"), required=True),
    },
    "makers": {
        "stock_share": Attribute(
            "number", "share of the world's stock at the start", "share of world stock", minimum=0, maximum=1
        ),
        "flow_share": Attribute("number", "share of shipments", "share of shipments in 2024", minimum=0, maximum=1),
        "unit_cost_share": Attribute("number", "unit cost over price in 2024", "share of price", minimum=0.01),
        "captive_to": Attribute("text", "the owner that takes its chips first"),
    },
    "sectors": {
        "budget_share": Attribute(
            "number", "share of all budgets", "share of budgets", minimum=1e-6, maximum=1, required=True
        ),
        "adoption": Attribute(
            "number", "firms using AI", "% of firms using AI", minimum=0.01, maximum=100, required=True
        ),
        "quality_elasticity": Attribute(
            "number", "flywheel elasticity relative to the mean sector", "x mean", minimum=0, maximum=10, required=True
        ),
        "data_elasticity": Attribute(
            "number", "relative elasticity of demand to data", "x mean", minimum=0, maximum=10, required=True
        ),
    },
}


SHIPMENT_UNIT = "M H100e"
KINDS = ("measured", "secondary", "estimate", "assumption")
"""Kinds of evidence, from a published count to a choice."""


def own_rows(tables: Mapping[str, Any] | None) -> tuple[OwnRow, ...]:
    """Rows of parameters among a user's own tables, given as plain facts."""
    given = (tables or {}).get("parameters", {})
    return tuple((name, row["value"], row["low"], row["high"]) for name, row in given.items())


def population_of(name: str, folders: Sequence[Path], tables: Mapping[str, Any] | None) -> Actors:
    """Actors of the user's own table where there is one, else of the world's."""
    if tables is not None and name in tables:
        return merge_actors({}, tables[name])
    return read_population(name, folder_of(name, folders))


def shipments_of(folders: Sequence[Path], tables: Mapping[str, Any] | None) -> tuple[float, ...]:
    """Shipments of the first quarters, in M H100e, of the user's own table where there is one."""
    if tables is not None and "shipments" in tables:
        return tuple(tables["shipments"].values())
    return read_shipments(folder_of("shipments", folders))


def world_folders(base: str) -> tuple[Path, ...]:
    """Where the tables of a world lie: the shipped ones, then its layers."""
    return (DATA, *(DATA / layer for layer in WORLD_LAYERS[base]))


def folder_of(table: str, folders: Sequence[Path]) -> Path:
    """The last of ``folders`` that holds a table, else the first."""
    return next((folder for folder in reversed(folders) if (folder / f"{table}.csv").exists()), folders[0])


def read_population(population: str, folder: Path = DATA) -> Actors:
    """Read the actors of ``firms``, ``owners``, ``makers`` or ``sectors``.

    Parameters
    ----------
    population : str
        Name of the table without its ending.
    folder : Path
        Where the table lies.

    Returns
    -------
    dict of str to dict
        Attributes by actor; numbers as float.

    Raises
    ------
    WorldError
        When the table is missing, or a row has an unknown attribute or a bad value; the row is named.
    """
    actors: Actors = {}
    for line, row in _rows(folder / f"{population}.csv"):
        where = f"{population}.csv line {line} ({row['name']}, {row['attribute']})"
        attribute, _, entry = row["attribute"].partition(".")
        value = parse_value(population, attribute, row["value"], where)
        actor = actors.setdefault(row["name"], {})
        if entry:
            actor.setdefault(attribute, {})[entry] = value
        else:
            actor[attribute] = value
    return actors


def read_shipments(folder: Path = DATA) -> tuple[float, ...]:
    """World shipments of the first quarters, in M H100e."""
    return tuple(float(row["value"]) for _, row in _rows(folder / "shipments.csv"))


def parse_value(population: str, attribute: str, text: str, where: str) -> float | str | None:
    """Read one value of the table as its attribute declares it; None for an empty entry of a mapping (its default).

    Raises
    ------
    WorldError
        When the attribute is unknown or the value is not allowed.
    """
    declared = ATTRIBUTES[population].get(attribute)
    if declared is None:
        message = f"{where}: no such attribute; known: {', '.join(ATTRIBUTES[population])}"
        raise WorldError(message)
    if declared.kind == "text":
        if declared.choices and text not in declared.choices:
            message = f"{where}: {text!r} is not one of {', '.join(declared.choices)}"
            raise WorldError(message)
        return text
    if declared.kind == "mapping" and not text:
        return None
    try:
        number = float(text)
    except ValueError:
        message = f"{where}: {text!r} is not a number"
        raise WorldError(message) from None
    low = declared.minimum if declared.minimum is not None else float("-inf")
    high = declared.maximum if declared.maximum is not None else float("inf")
    if not low <= number <= high:
        message = f"{where}: {number:g} is outside {low:g} to {high:g}"
        raise WorldError(message)
    return number


def merge_actors(actors: Actors, changes: Sequence[Mapping[str, Any]]) -> Actors:
    """Add to or change ``actors`` by name; mappings such as ``partners`` merge by key.

    Parameters
    ----------
    actors : dict
        The table's actors.
    changes : sequence of mapping
        Each with ``name`` and attributes, as in a scenario file.
    """
    merged = {name: dict(attributes) for name, attributes in actors.items()}
    for change in changes:
        actor = merged.setdefault(change["name"], {})
        for key, value in change.items():
            if key != "name":
                actor[key] = {**actor.get(key, {}), **value} if isinstance(value, Mapping) else value
    return merged


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            return list(enumerate(csv.DictReader(handle), start=2))
    except FileNotFoundError:
        message = f"there is no world table {path.name} in {path.parent}"
        raise WorldError(message) from None
