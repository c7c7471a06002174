"""Printing: tables that fit the terminal, paragraphs, JSON, and one line for each remark.

In a pipe nothing is coloured or wrapped. In a terminal lines break between words; a table that cannot fit becomes one
block a row, so that no number is ever cut.
"""

from __future__ import annotations

import codecs
import io
import json
import math
import sys
import textwrap
import unicodedata
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    import sim
    from sim.report.tables import Grid

PAGE_WIDTH = 80
PIPE_WIDTH = 10_000  # characters: in a pipe each row of a table stays on one line
GAP = 2  # spaces between columns


def say(text: str) -> None:
    """Print a remark beside the output."""
    print(text, file=sys.stderr)


def console() -> Console:
    """A console as wide as the terminal, or wide enough for any row."""
    from rich.console import Console

    made = Console(highlight=False)
    if not made.is_terminal:
        made = Console(highlight=False, width=PIPE_WIDTH)
    return made


def print_json(data: object) -> None:
    """Print data as JSON in ASCII; numbers that JSON does not know become null."""
    print(json.dumps(_plain(data), indent=2, allow_nan=False))


def _plain(data: object) -> object:
    """Data as JSON knows it."""
    if isinstance(data, Mapping):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(item) for item in data]
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return str(data) if isinstance(data, Path) else data


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a header, or as blocks where the terminal is too narrow."""
    from rich.table import Table

    screen = console()
    lines = [header, *rows]
    columns = [[line[k] for line in lines] for k in range(len(header))]
    widths = _fitted(
        [max(map(_width, cells)) for cells in columns],
        [max(_longest_word(cell) for cell in cells) for cells in columns],
        screen.width - GAP * (len(header) - 1),
    )
    if widths is None:
        for row in rows:
            print_entry(row[0], {head: cell for head, cell in zip(header[1:], row[1:], strict=True) if cell})
        return
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for heading, width in zip(header, widths, strict=True):
        table.add_column(heading, width=width)
    for row in rows:
        table.add_row(*row)
    screen.print(table, markup=False)


def print_entry(name: str, facts: Mapping[str, str]) -> None:
    """Print a name and, indented below it, what is known about it."""
    width = console().width
    print(name)
    for fact, text in facts.items():
        line = textwrap.fill(
            f"{fact}: {text}",
            width,
            initial_indent="  ",
            subsequent_indent="    ",
            break_on_hyphens=False,
            break_long_words=False,
        )
        print(line)


def _fitted(natural: Sequence[int], least: Sequence[int], room: int) -> list[int] | None:
    """Widths of columns within ``room``, the widest narrowed first; None when they cannot fit.

    Examples
    --------
    >>> _fitted([10, 30], [10, 8], 30), _fitted([10, 30], [10, 8], 17)
    ([10, 20], None)
    """
    widths = list(natural)
    while sum(widths) > room:
        loose = [k for k, width in enumerate(widths) if width > least[k]]
        if not loose:
            return None
        widths[max(loose, key=widths.__getitem__)] -= 1
    return widths


def _width(text: str) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, text.splitlines()), default=0)


def _longest_word(text: str) -> int:
    return max(map(_width, text.split()), default=0)


def print_closing(result: sim.Result) -> None:
    """Print the closing table of a result, with what it shows and its remarks."""
    from sim.report import tables

    _print_tables(tables.headline(result), tables.grids(result), tables.notes(result))


def print_comparison(made: sim.Comparison) -> None:
    """Print the tables of a comparison, with what they show and their remarks."""
    from sim.report import comparison

    _print_tables(comparison.headline(made), comparison.grids(made), comparison.notes(made))


def print_sweep(made: sim.Sweep) -> None:
    """Print the table of a sweep, with what it shows and its remarks."""
    from sim.report import comparison

    _print_tables(comparison.sweep_headline(made), comparison.sweep_grids(made), comparison.sweep_notes(made))


def _print_tables(headline: str, grids: Sequence[Grid], notes: Sequence[str]) -> None:
    """Print tables below what they show and above their remarks."""
    screen = console()
    print(paragraph(headline))
    for grid in grids:
        _print_grid(screen, grid)
    screen.print()
    for note in notes:
        print(paragraph(f"Note: {note}"))


def _print_grid(screen: Console, grid: Grid) -> None:
    """Print a grid; columns that do not fit beside one another follow below, with the labels again."""
    from rich import box
    from rich.table import Table

    labels = [row[0] for row in grid.rows]
    widths = [max(_width(row[k]) for row in (grid.columns, *grid.rows)) for k in range(len(grid.columns))]
    least = max(map(_longest_word, labels), default=0)
    for position, chunk in enumerate(_chunks(widths, screen.width - least)):
        room = screen.width - sum(widths[k] + GAP for k in chunk)
        table = Table(
            title=grid.title if position == 0 else None,
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        table.add_column(grid.columns[0], width=max(min(widths[0], room), least))
        for k in chunk:
            table.add_column(grid.columns[k], justify="right", width=widths[k])
        for row in grid.rows:
            table.add_row(row[0], *(_dim_range(row[k]) for k in chunk))
        screen.print()
        screen.print(table)


def _chunks(widths: Sequence[int], room: int) -> list[list[int]]:
    """Columns, all but the first, in as few groups as fit into ``room``."""
    chunks: list[list[int]] = [[]]
    used = 0
    for k, width in enumerate(widths[1:], start=1):
        if chunks[-1] and used + width + GAP > room:
            chunks.append([])
            used = 0
        chunks[-1].append(k)
        used += width + GAP
    return chunks


def _dim_range(cell: str) -> Text:
    """A cell whose second line, the range over replicates, steps back."""
    from rich.text import Text

    mean, newline, span = cell.partition("\n")
    return Text.assemble(mean, (newline + span, "dim"))


def hanging(line: str) -> str:
    """A line, cut at words and moved to the left where the terminal is narrower; what follows stands further in."""
    width = console().width
    if len(line) <= width:
        return line
    indent = " " * min(len(line) - len(line.lstrip()), width // 8)
    return textwrap.fill(
        line.strip(), width, initial_indent=indent, subsequent_indent=f"{indent}  ", break_long_words=False
    )


def paragraph(text: str) -> str:
    """Text in lines of a page, or of a narrower terminal."""
    width = min(PAGE_WIDTH, console().width)
    return textwrap.fill(text, width, break_on_hyphens=False, break_long_words=False)


@contextmanager
def readable_output() -> Iterator[None]:
    """Print what the terminal cannot show in plain letters, and warnings as one line."""
    codecs.register_error("plain", _in_plain_letters)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: say(f"Warning: {message}")
        yield


def _in_plain_letters(error: UnicodeError) -> tuple[str, int]:
    """Replace letters that an encoding lacks: Greek ones by name, accented ones without accent, others by ``?``.

    Examples
    --------
    >>> codecs.register_error("plain", _in_plain_letters)
    >>> "Λ = 1, Zürich, ☃".encode("ascii", "plain")
    b'Lambda = 1, Zurich, ?'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(map(_plain_letter, letters)), error.end


def _plain_letter(letter: str) -> str:
    name = unicodedata.name(letter, "")
    if name.startswith("GREEK"):
        word = name.rpartition(" ")[2].replace("LAMDA", "LAMBDA").lower()
        return word.capitalize() if "CAPITAL" in name else word
    plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode("ascii")
    return plain or "?"


def short(folder: Path) -> Path:
    """Path as one types it from here, where that is shorter."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
