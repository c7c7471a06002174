"""A table of the report: numbers for CSV, cells as printed for HTML and LaTeX."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.report.page.words import typeset

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


class Table(NamedTuple):
    r"""A table.

    Attributes
    ----------
    name : str
        Stem of its files.
    caption : str
        One sentence: what is shown, for whom and when.
    frame : pandas.DataFrame
        Every number, with all digits: the CSV file.
    columns : tuple of str
        Headings as printed.
    rows : tuple of tuple of str
        Cells as printed; lines of a cell end in ``\n``.
    n_labels : int
        Columns of text at the left; those behind them hold numbers and stand right.
    """

    name: str
    caption: str
    frame: pd.DataFrame
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_labels: int = 1


def csv_text(table: Table) -> str:
    """All digits of a table; text that a spreadsheet would run as a formula gets an apostrophe."""
    frame = table.frame.copy()
    for name in frame.columns:
        if frame[name].dtype == object or str(frame[name].dtype) in {"str", "string"}:
            frame[name] = frame[name].astype(object).map(_harmless)
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _harmless(value: object) -> object:
    from sim.export import FORMULA

    return FORMULA.sub("'", value) if isinstance(value, str) else value


def latex_text(table: Table) -> str:
    """A table for LaTeX with the packages booktabs and longtable; every text is escaped."""
    import pandas as pd

    cells = [[latex_escape(_on_one_line(cell)) for cell in row] for row in table.rows]
    frame = pd.DataFrame(cells, columns=[latex_escape(" ".join(name.split())) for name in table.columns], dtype=object)
    text = frame.to_latex(
        index=False,
        escape=False,  # done above, where letters that LaTeX lacks are known too
        longtable=True,
        caption=latex_escape(table.caption),
        label=f"tab:{table.name}",
        column_format=_columns(table),
    )
    return f"% Needs \\usepackage{{booktabs,longtable}}\n{text}"


def _columns(table: Table) -> str:
    """Columns of LaTeX: long texts are broken, in widths that follow their lengths; numbers stand right."""
    lengths = [max(len(_on_one_line(cell)) for cell in cells) for cells in zip(table.columns, *table.rows, strict=True)]
    long = [min(length, _WIDEST) if length > _LONG else 0 for length in lengths[: table.n_labels]]
    texts = [f"p{{{_ROOM * length / sum(long):.2f}\\linewidth}}" if length else "l" for length in long]
    return "".join(texts) + "r" * (len(table.columns) - table.n_labels)


_LONG, _WIDEST = 30, 90  # characters
_ROOM = 0.7  # of the width of a line, for all long texts


def _on_one_line(cell: str) -> str:
    """Lines of a cell, those below the first in brackets."""
    first, *rest = cell.split("\n")
    return f"{first} ({'; '.join(rest)})" if rest else first


def latex_escape(text: str) -> str:
    r"""Text that LaTeX prints as it is.

    Examples
    --------
    >>> latex_escape("5% of $1_000 & more"), latex_escape("-3 at \N{GREEK CAPITAL LETTER LAMDA}")
    ('5\\% of \\$1\\_000 \\& more', '$-$3 at $\\Lambda$')
    """
    return _SPECIAL.sub(lambda found: _LATEX[found.group()], typeset(text))


_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "\N{MINUS SIGN}": "$-$",
    "\N{GREEK CAPITAL LETTER LAMDA}": r"$\Lambda$",
    "\N{DAGGER}": r"\dag{}",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
}
_SPECIAL = re.compile("|".join(re.escape(sign) for sign in _LATEX))


def printed(rows: Sequence[Sequence[Any]]) -> tuple[tuple[str, ...], ...]:
    """Cells as text."""
    return tuple(tuple(str(cell) for cell in row) for row in rows)
