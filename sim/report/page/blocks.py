"""What a page is made of, before it is HTML: sections of paragraphs, lists, tables, figures and folded text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sim.report import style
from sim.report.page.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure


FOOTER = "A model's answer under stated assumptions, not a forecast. Money is in billions of 2024 US dollars ($bn)."
"""Last line of every page."""


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: str = "text"


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    items: tuple[str, ...]
    kind: str = "points"


@dataclass(frozen=True)
class Formula:
    """A formula that the template holds as MathML, by its name."""

    name: str
    kind: str = "formula"


@dataclass(frozen=True)
class Code:
    """Lines that are shown as they are."""

    text: str
    kind: str = "code"


@dataclass(frozen=True)
class Fold:
    """Lines that a reader may open, left out in print.

    Attributes
    ----------
    title : str
    text : str
    """

    title: str
    text: str
    kind: str = "fold"


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str
    kind: str = "heading"


@dataclass(frozen=True)
class Picture:
    """A figure, drawn.

    Attributes
    ----------
    name : str
        Stem of its files.
    caption : str
    alt : str
        What a reader who does not see it must know: its title, which states the finding.
    png, svg : bytes
    """

    name: str
    caption: str
    alt: str
    png: bytes
    svg: bytes
    kind: str = "picture"


@dataclass(frozen=True)
class Shown:
    """A table on the page; every table also has files."""

    table: Table
    kind: str = "table"


Block = Text | Points | Formula | Code | Fold | Heading | Picture | Shown


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading.

    Attributes
    ----------
    anchor : str
    title : str
    blocks : tuple of Block
    """

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """A report.

    Attributes
    ----------
    title, subtitle : str
    warning : str
        What a reader must know first; empty where there is nothing.
    sections : tuple of Section
    tables : tuple of Table
        Every table with files, those on the page among them.
    footer : str
    """

    title: str
    subtitle: str
    warning: str
    sections: tuple[Section, ...]
    tables: tuple[Table, ...]
    footer: str
    pictures: tuple[Picture, ...] = field(init=False)

    def __post_init__(self) -> None:
        found = [block for section in self.sections for block in section.blocks if isinstance(block, Picture)]
        object.__setattr__(self, "pictures", tuple(found))


def picture(name: str, caption: str, figure: Figure) -> Picture:
    """Render a figure; its title and remark become the alternative text."""
    words = [text.get_text().replace("\n", " ") for text in figure.texts[:2]]
    alt = f"{caption}. {'. '.join(words)}"
    return Picture(name, caption, alt, style.png(figure), style.svg(figure))


def section(anchor: str, title: str, blocks: Sequence[Block | None]) -> Section:
    """A section without what is missing."""
    return Section(anchor, title, tuple(block for block in blocks if block is not None))


def shown(table: Table | None) -> Shown | None:
    """A table on the page, where there is one."""
    return None if table is None else Shown(table)
