"""Reading the table of power family ``measured`` from a CSV file, with the line of each row."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from sim.scenario.nodes import Node, Origin
from sim.yaml_reader import MAX_BYTES, MAX_PATH, resolve, shown

HEADER = ("effective_compute", "power")


def read_table(path: Path, source: str) -> Node:
    """Read a CSV file of two columns under a header.

    What the rows hold is checked with the scenario.

    Parameters
    ----------
    path : Path
        An ordinary file in UTF-8 of at most 256 KB.
    source : str
        How messages name the file.

    Raises
    ------
    ScenarioError
        When the file cannot be read or has no header of two columns.
    """
    source = shown(source, MAX_PATH)
    text = _text(path, Origin(source))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[tuple[Origin, list[str]]] = []
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                lines.append((Origin(source, reader.line_num), stripped))
    except csv.Error as error:
        rule = f"numbers separated by commas under the header {','.join(HEADER)}"
        Origin(source, reader.line_num).refuse("", f"is not valid CSV ({error})", rule, "delete quotes")
    _require_header(lines, Origin(source))
    rows = [Node([Node(_value(cell), origin) for cell in cells], origin) for origin, cells in lines[1:]]
    return Node(rows, Origin(source, 1))


def _text(path: Path, origin: Origin) -> str:
    try:
        if not path.is_file():
            origin.refuse("", "is not there, or is not an ordinary file", "a CSV file", "check the path")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        origin.refuse("", what, "a file that can be read", "check the permissions")
    if len(data) > MAX_BYTES:
        what = f"is larger than {MAX_BYTES // 1024} KB"
        origin.refuse("", what, f"up to {MAX_BYTES // 1024} KB", "leave out rows: interpolation joins the others")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        Origin(origin.source, line).refuse("", "is not UTF-8 text", "UTF-8", "save the file as UTF-8 and try again")


def _require_header(lines: list[tuple[Origin, list[str]]], nowhere: Origin) -> None:
    rule, hint = "a header of two names, then rows of two numbers", f"write {','.join(HEADER)} above the rows"
    if not lines:
        nowhere.refuse("", "is empty", rule, hint)
    origin, header = lines[0]
    if any(isinstance(_value(cell), float | int) for cell in header):
        origin.refuse("", "the first line holds numbers, not a header", rule, hint)
    if len(header) != len(HEADER):
        origin.refuse("", f"the header has {len(header)} columns", rule, hint)


def _value(cell: str) -> bool | int | float | str | None:
    """A number where the cell is one."""
    try:
        return resolve(cell)
    except ValueError:
        return cell
