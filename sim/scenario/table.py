"""Reading CSV files with the line of each row; the table of power family ``measured``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from sim.scenario.nodes import Node, Origin
from sim.yaml_reader import FORBIDDEN, MAX_BYTES, MAX_PATH, resolve, shown

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
    lines = read_lines(path, source, f"numbers separated by commas under the header {','.join(HEADER)}")
    _require_header(lines, Origin(source))
    rows = [Node([Node(value_of(cell), origin) for cell in cells], origin) for origin, cells in lines[1:]]
    return Node(rows, Origin(source, 1))


def read_lines(path: Path, source: str, rule: str) -> list[tuple[Origin, list[str]]]:
    """Read the cells of each line that is neither empty nor a comment (``#`` first), without spaces around them.

    Parameters
    ----------
    path, source
        As for :func:`read_table`.
    rule : str
        What messages say is allowed.

    Raises
    ------
    ScenarioError
        When the file cannot be read, is no text in UTF-8, or no CSV.
    """
    text = _text(path, Origin(source))
    reader = csv.reader(_without_comments(text), strict=True)
    lines: list[tuple[Origin, list[str]]] = []
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                lines.append((Origin(source, reader.line_num), stripped))
    except csv.Error as error:
        Origin(source, reader.line_num).refuse("", f"is not valid CSV ({error})", rule, "delete or double the quotes")
    return lines


def _without_comments(text: str) -> Iterator[str]:
    """Lines of a text, with an empty one for each comment, so that lines keep their numbers."""
    for line in io.StringIO(text, newline=None):
        yield "\n" if line.startswith("#") else line


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
        origin.refuse("", what, f"up to {MAX_BYTES // 1024} KB", "leave out rows")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        Origin(origin.source, line).refuse("", "is not UTF-8 text", "UTF-8", "save the file as UTF-8 and try again")
    if found := FORBIDDEN.search(text):
        line = text.count("\n", 0, found.start()) + 1
        what = f"holds the character U+{ord(found[0]):04X}"
        Origin(origin.source, line).refuse("", what, "text, tabs and line breaks", "delete the character")
    return text


def _require_header(lines: list[tuple[Origin, list[str]]], nowhere: Origin) -> None:
    rule, hint = "a header of two names, then rows of two numbers", f"write {','.join(HEADER)} above the rows"
    if not lines:
        nowhere.refuse("", "is empty", rule, hint)
    origin, header = lines[0]
    if any(isinstance(value_of(cell), float | int) for cell in header):
        origin.refuse("", "the first line holds numbers, not a header", rule, hint)
    if len(header) != len(HEADER):
        origin.refuse("", f"the header has {len(header)} columns", rule, hint)


def value_of(cell: str) -> bool | int | float | str | None:
    """Read a cell: a number where it is one."""
    try:
        return resolve(cell)
    except ValueError:
        return cell
