"""A user's own world tables: reading a folder of CSV files, and what their facts may say.

Once loaded, ``world.tables`` holds the facts themselves (docs/decisions/0007-own-world-tables.md)::

    parameters: {name: {value, low, high}}            rows that replace the base's, in its units
    firms, owners, makers, sectors: [{name, ...}]     actors, instead of the base's
    shipments: {quarter: M H100e}                     of the first quarters, instead of the base's

Each table that is not there is the base's.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sim.errors import ScenarioError
from sim.parameters import parameter_table
from sim.quarters import Quarter
from sim.scenario.checks import (
    POPULATIONS,
    ActorChecker,
    Problem,
    actor_names,
    base_of,
    listed_actors,
    ordered_actor,
    problems_of_parameters,
    shipped_actors,
)
from sim.scenario.messages import MAX_TOLD, as_number, kind, meant, nearest, quoted, wrong_number
from sim.scenario.nodes import Node, Origin
from sim.scenario.table import read_lines, value_of
from sim.world import WORLD_START
from sim.world.tables import (
    ATTRIBUTES,
    KINDS,
    SHIPMENT_UNIT,
    own_rows,
    population_of,
    shipments_of,
    world_folders,
)
from sim.yaml_reader import MAX_BYTES, MAX_PATH, KeyPath, join_problems, shown

MAX_FACTS: Final = 2_000
MAX_FOLDER: Final = MAX_BYTES // 2
"""Limits of all tables of a folder, so that a resolved scenario stays a file that can be read."""
MAX_ENTRIES: Final = 1_000
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "parameters": ("name", "value", "unit"),
    **dict.fromkeys(ATTRIBUTES, ("name", "attribute", "value", "unit")),
    "shipments": ("quarter", "value", "unit"),
}
"""Columns that each table must have, by the table's name."""
OPTIONAL: Final = ("low", "high", "kind", "source")
"""Columns that may stand beside them."""

_ADDABLE: Final = ("firms",)
"""Tables that may be empty: small firms are generated."""
_TOTALS: Final = {
    "owners": ("stock_share",),
    "makers": ("stock_share", "flow_share"),
}
"""Attributes that are shares of a total, so that somebody must have some."""


def read_tables(
    folder: Path, source: str, named: Origin, may_read: Callable[[Path], bool]
) -> tuple[Node, tuple[str, ...]]:
    """Read the tables of a folder; a table that is not there is the base's.

    Parameters
    ----------
    folder : Path
        A folder with any of ``parameters.csv``, ``firms.csv``, ``owners.csv``, ``makers.csv``, ``sectors.csv`` and
        ``shipments.csv``; other files than CSV files are left alone.
    source : str
        How messages name the folder.
    named : Origin
        Who names it.
    may_read : callable
        Whether a resolved path lies where files may be read.

    Returns
    -------
    facts : Node
        By table.
    notes : tuple of str
        What a table may say and probably does not mean: values outside their plausible range.

    Raises
    ------
    ScenarioError
        With a line for each problem: file, line and column, what is allowed, what to try.
    """
    problems: list[str] = []
    notes: list[str] = []
    tables: dict[str, Node] = {}
    n_facts = n_bytes = 0
    for path in _csv_files(folder, named):
        called = os.path.join(source, path.name)  # noqa: PTH118 - as the user writes paths
        name = path.name.removesuffix(".csv")
        if name not in COLUMNS:
            files = [f"{table}.csv" for table in COLUMNS]
            text = f"is no world table; allowed: {', '.join(files)}; {meant(path.name, files)}"
            problems.append(f"{shown(called, MAX_PATH)}: {text}")
            continue
        try:
            target = path.resolve()
            if not may_read(target):
                hint = "copy the file into the folder"
                Origin(called).refuse("", "is a link to a file elsewhere", "files in the folder tree", hint)
            reader = _Reader(name, target, called)
        except ScenarioError as error:
            problems += error.problems
            continue
        n_bytes += target.stat().st_size
        n_facts += len(reader.rows)
        tables[name] = reader.table()
        problems += [f"{origin}: {text}" for origin, text in reader.problems]
        notes += [f"{origin}: {text}" for origin, text in reader.notes]
    origin = named if not tables else Origin(source)
    if not tables and not problems:
        rule = f"a folder with any of {', '.join(f'{table}.csv' for table in COLUMNS)}"
        named.refuse("world.tables", f"there is no table in {shown(source, MAX_PATH)}", rule, "check the path")
    if n_facts > MAX_FACTS or n_bytes > MAX_FOLDER:
        what = f"the tables hold {n_facts:,} facts in {n_bytes / 1024:,.0f} KB"
        rule = f"up to {MAX_FACTS:,} facts in {MAX_FOLDER // 1024} KB"
        problems.insert(0, f"{origin}: {what}; allowed: {rule}; leave out small actors: the model generates some")
    if problems:
        raise ScenarioError(join_problems(problems[:MAX_TOLD], shown(source, MAX_PATH)), tuple(problems[:MAX_TOLD]))
    return Node(tables, named), tuple(notes)


def _csv_files(folder: Path, named: Origin) -> list[Path]:
    try:
        found = sorted(itertools.islice(folder.iterdir(), MAX_ENTRIES))
    except OSError as error:
        what = f"the folder cannot be read ({error.strerror})"
        named.refuse("world.tables", what, "a folder that can be read", "check the permissions")
    return [path for path in found if path.suffix.casefold() == ".csv" and not path.name.startswith(".")]


class _Reader:
    """Reads one table; problems of form and of single facts are collected."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self.name = name
        self.noun = name.removesuffix("s")
        self.one = f"an {self.noun}" if self.noun[0] in "aeiou" else f"a {self.noun}"
        self.problems: list[tuple[Origin, str]] = []
        self.notes: list[tuple[Origin, str]] = []
        source = shown(source, MAX_PATH)
        self.header = ",".join([*COLUMNS[name], *OPTIONAL])
        lines = read_lines(path, source, f"a fact on each line under the header {self.header}")
        if not lines:
            Origin(source).refuse("", "is empty", f"the header {self.header}, then rows", "write the header")
        self.columns = self.header_of(*lines[0])
        self.rows = lines[1:]
        self.top = lines[0][0]

    def header_of(self, origin: Origin, header: list[str]) -> list[str]:
        """Columns of the table, or an error."""
        allowed = [*COLUMNS[self.name], *OPTIONAL]
        wrong: list[str] = []
        if len(header) == 1 and any(sign in header[0] for sign in ";\t"):
            origin.refuse("", "the columns are not separated by commas", self.header, "save the file with commas")
        for column in dict.fromkeys(header):
            where = replace(origin, column=shown(column) or "without a name")
            if column not in allowed:
                close = nearest(column, [each for each in allowed if each not in header])
                hint = f"did you mean {close}?" if close else "delete the column"
                wrong.append(f"{where}: unknown column; allowed: {self.header}; {hint}")
            elif header.count(column) > 1:
                wrong.append(f"{where}: stands here {header.count(column)} times; allowed: once; delete one")
        if missing := [column for column in COLUMNS[self.name] if column not in header]:
            what = f"lacks the column {' and '.join(missing)}"
            wrong.append(f"{origin}: {what}; allowed: the header {self.header}; add {','.join(missing)}")
        if wrong:
            raise ScenarioError(join_problems(wrong, origin.source), tuple(wrong))
        return header

    def table(self) -> Node:
        """Facts of the table; rows with a problem are left out."""
        read = {"parameters": self.parameters, "shipments": self.shipments}.get(self.name, self.actors)
        return read()

    def facts(self, key: tuple[str, ...]) -> Iterator[tuple[Origin, dict[str, str]]]:
        """Rows by column, without those that have not a cell for each, or repeat a key."""
        seen: dict[tuple[str, ...], int] = {}
        for origin, cells in self.rows:
            if len(cells) != len(self.columns):
                what = f"has {len(cells)} cells; allowed: {len(self.columns)}, as the header"
                hint = "put text with a comma in quotes" if len(cells) > len(self.columns) else "add commas"
                self.problems.append((origin, f"{what}; {hint}"))
                continue
            row = dict(zip(self.columns, cells, strict=True))
            fact = tuple(row[column] for column in key)
            if (first := seen.setdefault(fact, origin.line)) != origin.line:
                what = f"{shown(' '.join(fact))} is here twice (first on line {first})"
                self.problem(origin, key[-1], f"{what}; allowed: each fact once; delete one")
                continue
            if self.has_form(origin, row):
                yield origin, row

    def has_form(self, origin: Origin, row: Mapping[str, str]) -> bool:
        """Whether range and kind of evidence are right."""
        before = len(self.problems)
        evidence = row.get("kind", "")
        if evidence and evidence not in KINDS:
            what = f"{quoted(evidence)} is no kind of evidence"
            self.problem(origin, "kind", f"{what}; allowed: {', '.join(KINDS)}, or nothing; {meant(evidence, KINDS)}")
        ends = {"low": -math.inf, "high": math.inf}
        for column in (column for column in ends if row.get(column)):
            end = value_of(row[column])
            if wrong := wrong_number(end, None, None, row["unit"]):
                self.problem(origin, column, f"{wrong}, or nothing; {as_number(end) or 'leave it empty'}")
            elif isinstance(end, int | float):
                ends[column] = end
        if len(self.problems) > before:
            return False
        value = value_of(row["value"])
        if ends["low"] > ends["high"]:
            text = f"{row['high']} is below low, {row['low']}; allowed: a range from low to high; exchange them"
            self.problem(origin, "high", text)
        elif isinstance(value, int | float) and not ends["low"] <= value <= ends["high"]:
            low, high = (row.get(column) or "anything" for column in ends)
            text = f"{row['value']} is outside the plausible range {low} to {high} of its row"
            self.notes.append((replace(origin, column="value"), f"{text}; check the value and unit"))
        return len(self.problems) == before

    def problem(self, origin: Origin, column: str, text: str) -> None:
        """Note a problem in a column."""
        self.problems.append((replace(origin, column=column), text))

    def has_unit(self, origin: Origin, row: Mapping[str, str], unit: str) -> bool:
        """Whether a row is in the unit of its kind of fact."""
        if row["unit"] == unit:
            return True
        what = f"{quoted(row['unit'])} is not the unit" if row["unit"] else "the unit is missing"
        hint = f"write {unit}, and convert the value if need be" if unit else "leave it empty"
        self.problem(origin, "unit", f"{what}; allowed: {unit or 'none, as the value is text'}; {hint}")
        return False

    def parameters(self) -> Node:
        """Value and plausible range of each parameter."""
        table = parameter_table()
        found: dict[str, Node] = {}
        for origin, row in self.facts(("name",)):
            name, value = row["name"], value_of(row["value"])
            problems = [text for _, text in problems_of_parameters({name: value})]
            for text in problems:
                self.problem(origin, "value" if name in table else "name", text)
            if problems or not self.has_unit(origin, row, table[name].unit):
                continue
            cells = {key: value_of(row[key]) for key in ("value", "low", "high") if row.get(key)}
            nodes = {key: Node(cell, replace(origin, column=key)) for key, cell in cells.items()}
            found[name] = Node(nodes, origin)
        return Node(found, self.top)

    def shipments(self) -> Node:
        """Shipments by quarter."""
        found: dict[str, Node] = {}
        for origin, row in self.facts(("quarter",)):
            value = value_of(row["value"])
            if wrong := wrong_number(value, 0, None, SHIPMENT_UNIT):
                self.problem(origin, "value", f"{wrong}; {as_number(value, 0) or 'try another'}")
            elif self.has_unit(origin, row, SHIPMENT_UNIT):
                found[row["quarter"]] = Node(value, replace(origin, column="value"))
        return Node(found, self.top)

    def actors(self) -> Node:
        """Actors with their attributes, in the order of their first rows."""
        checker = ActorChecker(self.name, [], None)
        found: dict[str, Node] = {}
        for origin, row in self.facts(("name", "attribute")):
            name = row["name"]
            if name not in found:
                found[name] = Node({"name": Node(name, replace(origin, column="name"))}, origin)
                if wrong := checker.wrong_name(name):
                    self.problem(origin, "name", wrong)
            attribute, dot, entry = row["attribute"].partition(".")
            if (value := self.value(checker, origin, row)) is None:
                continue
            actor: dict[str, Node] = found[name].value
            if dot:
                mapping = actor.setdefault(attribute, Node({}, replace(origin, column="attribute")))
                mapping.value[entry] = Node(value.value, replace(origin, column="attribute"))
            else:
                actor[attribute] = value
        return Node(list(found.values()), self.top)

    def value(self, checker: ActorChecker, origin: Origin, row: Mapping[str, str]) -> Node | None:
        """Value of one row, or None where there is a problem."""
        attribute, dot, entry = row["attribute"].partition(".")
        declared = ATTRIBUTES[self.name].get(attribute)
        is_mapping = declared is not None and declared.kind == "mapping"
        if declared is None or (dot and not is_mapping):
            known = [f"{key}.OWNER" if each.kind == "mapping" else key for key, each in ATTRIBUTES[self.name].items()]
            text = f"{quoted(row['attribute'])} is an unknown attribute of {self.one}; allowed: {', '.join(known)}"
            self.problem(origin, "attribute", f"{text}; {meant(row['attribute'], known)}")
            return None
        if is_mapping and not entry:
            text = f"{attribute} is without its owner; allowed: {attribute}.OWNER; write {attribute}. and a name"
            self.problem(origin, "attribute", text)
            return None
        value: object = row["value"] if declared.kind == "text" else value_of(row["value"])
        problems = [text for _, text in checker.wrong_value(attribute, {entry: value} if is_mapping else value)]
        for text in problems:
            self.problem(origin, "value", text)
        if not self.has_unit(origin, row, declared.unit) or problems:
            return None
        return Node(value, replace(origin, column="value"))


def problems_of_tables(tables: object, base: str) -> Iterator[Problem]:
    """Find what is wrong with the facts of a user's own tables, one by one."""
    if not isinstance(tables, Mapping):
        what = f"{quoted(tables)} is {kind(tables)}"
        yield (), f"{what}; allowed: a folder of CSV files, or their facts; write tables: folder"
        return
    for name, table in tables.items():
        if name not in COLUMNS:
            text = f"unknown table; allowed: {', '.join(COLUMNS)}; {meant(name, list(COLUMNS))}"
            yield (name,), text
        elif name in ATTRIBUTES:
            yield from (((name, *path), text) for path, text in _problems_of_actors(name, table))
        elif not isinstance(table, Mapping):
            yield (name,), f"{quoted(table)} is {kind(table)}; allowed: a mapping of names; indent them under it"
        elif name == "parameters":
            yield from (((name, *path), text) for path, text in _problems_of_rows(table))
        else:
            yield from (((name, *path), text) for path, text in _problems_of_shipments(table, base))


def _problems_of_actors(name: str, actors: object) -> Iterator[Problem]:
    if not isinstance(actors, list | tuple):
        yield (), f"{quoted(actors)} is {kind(actors)}; allowed: a list of {name}; begin each with `- `"
        return
    if not actors and name not in _ADDABLE:
        yield (), f"there are no {name}; allowed: at least one; add rows, or leave the table out"
    checker = ActorChecker(name, [], None)
    problems = False
    for index, actor in enumerate(actors):
        if not isinstance(actor, Mapping):
            problems = True
            yield (index,), f"{quoted(actor)} is {kind(actor)}; allowed: a mapping; write {{name: NAME}}"
            continue
        for path, text in checker.problems(actor):
            problems = True
            yield (index, *path), text
    for attribute in _TOTALS.get(name, ()) if actors and not problems else ():
        if not any(actor.get(attribute, 0) for actor in actors):
            text = f"no {checker.noun} has a {attribute} above 0; allowed: some; add one"
            yield (), text


def _problems_of_rows(rows: Mapping[str, Any]) -> Iterator[Problem]:
    keys = ("value", "low", "high")
    for name, row in rows.items():
        if not isinstance(row, Mapping) or "value" not in row:
            yield (name,), "has no value; allowed: {value: NUMBER, low: NUMBER, high: NUMBER}; write {value: 1}"
            continue
        for _, text in problems_of_parameters({name: row["value"]}):
            yield (name, "value") if name in parameter_table() else (name,), text
        for key, value in row.items():
            if key not in keys:
                yield (name, key), f"unknown key; allowed: {', '.join(keys)}; {meant(key, keys)}"
            elif key != "value" and (wrong := wrong_number(value, None, None, "")):
                yield (name, key), f"{wrong}; {as_number(value) or 'leave it out'}"


def _problems_of_shipments(rows: Mapping[str, Any], base: str) -> Iterator[Problem]:
    start = Quarter.parse(WORLD_START[base])
    if not rows:
        yield (), f"there are no shipments; allowed: at least {start}; add a row, or leave the table out"
    for place, (quarter, value) in enumerate(rows.items()):
        if quarter != str(start + place):
            text = (
                f"is row {place + 1}; allowed: the quarters from {start} on, one after another; write {start + place}"
            )
            yield (quarter,), text
        elif wrong := wrong_number(value, 0, None, SHIPMENT_UNIT):
            yield (quarter,), f"{wrong}; {as_number(value, 0) or 'try another'}"


def problems_of_references(world: Mapping[str, Any]) -> Iterator[Problem]:
    """Find owners that the firms and makers of a world with own tables name, and that are not there."""
    tables = world.get("tables")
    if not isinstance(tables, Mapping):
        return
    owners = actor_names("owners", world)
    owners += [str(owner.get("name")) for _, owner in listed_actors(world, "owners")]
    lost: dict[str, str] = {}
    for population in POPULATIONS:
        if population in tables:
            for index, actor in listed_actors(tables, population):
                for path, owner in _owners_of(population, actor):
                    if owner not in owners:
                        text = f"unknown owner {quoted(owner)}; allowed: {', '.join(owners)}; {meant(owner, owners)}"
                        yield ("tables", population, index, *path), text
        elif "owners" in tables:
            for name, actor in shipped_actors(population, base_of(world)).items():
                lost |= {owner: name for _, owner in _owners_of(population, actor) if owner not in owners}
    if lost:
        names = ", ".join(f"{owner} (named by {name})" for owner, name in lost.items())
        text = f"tables of {base_of(world)} name owners that are not here: {names}"
        hint = "add these owners, or own tables of firms and makers too"
        yield ("tables", "owners"), f"{text}; allowed: owners that are here; {hint}"


def _owners_of(population: str, actor: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Owners that an actor names, each with the path of the name."""
    for key, attribute in ATTRIBUTES[population].items():
        value = actor.get(key)
        if attribute.kind == "mapping" and isinstance(value, Mapping):
            yield from (((key, owner), owner) for owner in value)
        elif attribute.kind == "text" and not attribute.choices and isinstance(value, str):
            yield (key,), value


def settled_tables(tables: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Write valid tables in their one form: in the order of the catalogues, numbers as floats, ranges complete."""
    settled: dict[str, Any] = {}
    rows = parameter_table(world_folders(base))
    for name in (name for name in COLUMNS if name in tables):
        table = tables[name]
        if name == "parameters":
            defaults = {key: {"low": row.low, "high": row.high} for key, row in rows.items() if key in table}
            complete = {key: {"value": 0.0, **default, **table[key]} for key, default in defaults.items()}
            settled[name] = {key: {k: float(v) + 0.0 for k, v in row.items()} for key, row in complete.items()}
        elif name == "shipments":
            settled[name] = {quarter: float(value) + 0.0 for quarter, value in table.items()}
        else:
            settled[name] = [ordered_actor(name, actor) for actor in table]
    return settled


def complete_tables(base: str, tables: Mapping[str, Any] | None) -> dict[str, Any]:
    """Facts of a valid world in the same form, with those of its base where it has no table of its own.

    Parameters
    ----------
    base : str
        The world's base.
    tables : mapping or None
        Its own tables.
    """
    folders = world_folders(base)
    parameters = parameter_table(folders, own_rows(tables))
    start = Quarter.parse(WORLD_START[base])
    facts: dict[str, Any] = {
        "parameters": {key: {"value": row.value, "low": row.low, "high": row.high} for key, row in parameters.items()},
        "shipments": {str(start + place): value for place, value in enumerate(shipments_of(folders, tables))},
    }
    for name in ATTRIBUTES:
        actors = population_of(name, folders, tables)
        facts[name] = [{"name": actor, **attributes} for actor, attributes in actors.items()]
    return settled_tables(facts, base)
