"""Reading YAML safely: plain data and where each key stands, nothing else.

The scalars follow the core schema of YAML 1.2: ``1e-3`` is a number, ``no`` and ``on`` are text.
Tags, anchors, aliases, merge keys, directives, duplicate keys, keys that are not text and several
documents are refused while the file is read, so no object is ever built from what a file says.

A message has the form ``file:line: key.path: what is wrong; what is allowed; what to try``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import yaml

from sim.errors import ScenarioError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"
KeyPath: TypeAlias = tuple[str | int, ...]

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 50
MAX_VALUES: Final = 10_000
MAX_DIGITS: Final = 64
MAX_PROBLEMS: Final = 20
MAX_PATH: Final = 4096
_SHOWN: Final = 60

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)")
_CONSTANTS: Final[dict[str, bool | float | None]] = (
    dict.fromkeys(("", "~", "null", "Null", "NULL"))
    | dict.fromkeys(("true", "True", "TRUE"), True)
    | dict.fromkeys(("false", "False", "FALSE"), False)
    | dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan)
)
FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no text file here may hold, such as NUL."""


@dataclass(frozen=True)
class Document:
    """One YAML document.

    Attributes
    ----------
    value : Plain
        Dictionaries, lists and scalars.
    marks : dict of KeyPath to (int, int)
        Line and column (from 1) of each key, of each list item, and of the whole under ``()``.
    """

    value: Plain
    marks: dict[KeyPath, tuple[int, int]]


def read_yaml(path: Path, source: str | None = None, holds: str = "a scenario") -> Document:
    """Read the one document of a file.

    Parameters
    ----------
    path : Path
        An ordinary file in UTF-8 of at most 256 KB.
    source : str, optional
        How messages name the file; by default its path.
    holds : str
        What messages say that it should hold.

    Raises
    ------
    ScenarioError
        When the file cannot be read, or is not the YAML that is allowed.
    """
    source = shown(str(path) if source is None else source, MAX_PATH)
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not there, or is not an ordinary file"
            message = f"{source}: {what}; allowed: a YAML file with {holds}; check the path"
            raise ScenarioError(message)
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"{source}: cannot be read ({reason}); check the path and the permissions"
        raise ScenarioError(message) from error
    if len(data) > MAX_BYTES:
        message = (
            f"{source}: is larger than {MAX_BYTES // 1024} KB; a scenario says only what differs "
            "from its parent; try a smaller file with `extends`"
        )
        raise ScenarioError(message)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"{source}:{line}: is not UTF-8 text; save the file as UTF-8 and try again"
        raise ScenarioError(message) from error
    return parse_yaml(text, source)


def parse_yaml(text: str, source: str) -> Document:
    """Read the one document of a text; see :func:`read_yaml`.

    Examples
    --------
    >>> parse_yaml("run: {seed: 0, step: 1e-3, by: no}", "example").value
    {'run': {'seed': 0, 'step': 0.001, 'by': 'no'}}
    """
    if found := FORBIDDEN.search(text):
        line = text.count("\n", 0, found.start()) + 1
        message = (
            f"{source}:{line}: holds the character U+{ord(found[0]):04X}; text, tabs and line "
            "breaks are allowed; delete the character"
        )
        raise ScenarioError(message)
    builder = _Builder(text, source)
    try:
        document = builder.document()
    except yaml.MarkedYAMLError as error:
        is_open = "end of stream" in (error.problem or "")
        mark = (error.context_mark if is_open else None) or error.problem_mark
        line = mark.line + 1 if mark else 1
        what = ", ".join(part for part in (error.problem, error.context) if part)
        message = (
            f"{source}:{line}: is not valid YAML ({shown(what, 120)}); write `key: value` with "
            "spaces for indentation; check this line and the one before"
        )
        raise ScenarioError(message) from error
    if builder.problems:
        raise ScenarioError(join_problems(builder.problems, source), tuple(builder.problems))
    return document


def resolve(text: str) -> bool | int | float | str | None:
    """Value of a plain (unquoted) scalar in the core schema of YAML 1.2.

    Raises
    ------
    ValueError
        When a whole number has more than 64 digits.

    Examples
    --------
    >>> [resolve(text) for text in ("1e26", "0x10", ".5", "yes", "~", "2027Q1")]
    [1e+26, 16, 0.5, 'yes', None, '2027Q1']
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        if len(text) > MAX_DIGITS:
            message = f"is a number of more than {MAX_DIGITS} digits; write it like 1e26"
            raise ValueError(message)
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _INFINITE.fullmatch(text):
        return -math.inf if text.startswith("-") else math.inf
    return float(text) if _FLOAT.fullmatch(text) else text


def shown(value: object, limit: int = _SHOWN) -> str:
    """Short printable form of something that a user wrote: safe in a terminal."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def dotted(path: KeyPath) -> str:
    """Write a key path as ``record.networks[1]``.

    Examples
    --------
    >>> dotted(("record", "networks", 1))
    'record.networks[1]'
    """
    parts = (f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in path)
    return "".join(parts).removeprefix(".")


def join_problems(problems: list[str], source: str) -> str:
    """One message for one or several problems."""
    if len(problems) == 1:
        return problems[0]
    lines = problems[:MAX_PROBLEMS]
    if len(problems) > len(lines):
        lines.append(f"... and {len(problems) - len(lines)} more")
    return "\n  ".join([f"{source}: {len(problems)} problems", *lines])


class _Builder:
    """Builds plain data from the events of PyYAML's parser; problems are collected."""

    def __init__(self, text: str, source: str) -> None:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self.events: Iterator[yaml.Event] = yaml.parse(text, Loader=loader)
        self.source = source
        self.marks: dict[KeyPath, tuple[int, int]] = {}
        self.problems: list[str] = []
        self.n_values = 0

    def document(self) -> Document:
        """Build the only document; an empty file is an empty mapping."""
        value: Plain = {}
        self.marks[()] = (1, 1)
        documents = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.problem(
                        event,
                        (),
                        "starts a second document; one file holds one scenario; delete `---`",
                    )
                    break
                if event.version or event.tags:
                    self.problem(event, (), "has a %-directive; plain YAML is allowed; delete it")
                value = self.node(next(self.events), ())
        return Document(value, self.marks)

    def node(self, event: yaml.Event, path: KeyPath) -> Plain:
        """Build the value that starts with ``event``."""
        self.n_values += 1
        if self.n_values > MAX_VALUES:
            self.problem(event, path[:4], f"is one of over {MAX_VALUES:,} values; write fewer")
            raise ScenarioError(join_problems(self.problems, self.source), tuple(self.problems))
        self.marks.setdefault(path, _position(event))
        if isinstance(event, yaml.AliasEvent):
            self.problem(
                event,
                path,
                f"is the alias *{event.anchor}; values are written out; copy the value here",
            )
            return None
        if anchor := getattr(event, "anchor", None):
            self.problem(
                event,
                path,
                f"has the anchor &{anchor}; plain values are allowed; delete the anchor",
            )
        if tag := getattr(event, "tag", None):
            self.problem(event, path, f"has the tag {shown(tag)}; plain values are allowed; delete the tag")
        if len(path) >= MAX_DEPTH and isinstance(event, yaml.CollectionStartEvent):
            self.problem(event, path[:4], f"is nested over {MAX_DEPTH} levels deep; flatten it")
            raise ScenarioError(join_problems(self.problems, self.source), tuple(self.problems))
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Plain] = []
            while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
                items.append(self.node(event, (*path, len(items))))
            return items
        return self.scalar(event, path)

    def mapping(self, path: KeyPath) -> dict[str, Plain]:
        """Build a mapping up to its end."""
        result: dict[str, Plain] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.key(event, path)
            here = (*path, key)
            if key in result:
                before = self.marks[here][0]
                what = f"is a duplicate key (first on line {before}); write it once; delete one"
                self.problem(event, here, what)
            else:
                self.marks[here] = _position(event)
            value = self.node(next(self.events), here)
            result.setdefault(key, value)
        return result

    def key(self, event: yaml.Event, path: KeyPath) -> str:
        """Read a key; only text is one."""
        if not isinstance(event, yaml.ScalarEvent):
            what = "has a key that is a list, a mapping or an alias; keys are text; write a name"
            self.problem(event, path, what)
            raise ScenarioError(join_problems(self.problems, self.source), tuple(self.problems))
        if event.value == "<<" and _is_plain(event):
            self.problem(event, (*path, "<<"), "is a merge key; keys are written out; copy them here")
        elif event.anchor or event.tag:
            self.problem(
                event,
                (*path, event.value),
                "is a key with an anchor or a tag; keys are plain text; delete it",
            )
        elif not isinstance(self.scalar(event, (*path, event.value)), str):
            what = "is a key that is not text; keys are names; put a name in quotes"
            if path and _INTEGER.fullmatch(str(event.value)):
                what += ", or a number without a comma, like 0.63 or 1000"
            self.problem(event, (*path, event.value), what)
        return str(event.value)

    def scalar(self, event: yaml.Event, path: KeyPath) -> Plain:
        """Read a scalar: quoted ones are text."""
        text = str(getattr(event, "value", ""))
        if not _is_plain(event):
            return text
        try:
            return resolve(text)
        except ValueError as error:
            self.problem(event, path, str(error))
            return 0

    def problem(self, event: yaml.Event, path: KeyPath, what: str) -> None:
        """Note a problem at an event."""
        where = f"{self.source}:{_position(event)[0]}"
        key = f"{dotted(path)}: " if path else ""
        self.problems.append(f"{where}: {key}{what}")


def _is_plain(event: yaml.Event) -> bool:
    """Whether a scalar is written without quotes."""
    return isinstance(event, yaml.ScalarEvent) and event.style in (None, "")


def _position(event: yaml.Event) -> tuple[int, int]:
    """Line and column of an event, from 1."""
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
