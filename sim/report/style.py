"""How every figure looks: one colour for each actor, line styles that survive grey, fixed bytes."""

from __future__ import annotations

import contextlib
import functools
import io
import re
import warnings
import zlib
from typing import TYPE_CHECKING, Any, cast

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, get_font_names
from matplotlib.textpath import text_to_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from matplotlib import RcParams
    from matplotlib.axes import Axes

# The palette of Okabe and Ito (2008), safe for the common forms of colour blindness.
BLACK = "#000000"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#999999"
LIGHT_GREY = "#D0D0D0"
INK = "#222222"
MUTED = "#555555"

PALETTE = (BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE, YELLOW)

SMALL = "small firms, entrants"
OTHERS = "other firms"

# A company keeps its colour as firm, as owner of compute and as maker of chips.
_COMPANIES = {
    "openai": BLUE,
    "google": ORANGE,
    "anthropic": GREEN,
    "meta": VERMILLION,
    "xai": SKY,
    "microsoft": PURPLE,
    "amazon": YELLOW,
    "nvidia": "#4D8C57",
    "oracle": "#8C564B",
    "china": "#7F3C8D",
    "deepseek": "#332288",
    "alibaba": "#B8860B",
    "bytedance": "#AA4466",
    "baidu": "#88CCEE",
    "mistral": "#CC6677",
    "cohere": "#44AA99",
    "zhipu": "#999933",
    "amd": "#A0522D",
    "huawei": "#661100",
    "coreweave": "#5F9EA0",
    "others": GREY,
}
_GROUPS = {SMALL: LIGHT_GREY, OTHERS: GREY}
_DARKENING = (1.0, 0.62, 0.8)

LINE_STYLES: tuple[Any, ...] = ("-", "--", "-.", (0, (8, 2)), ":", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "P", "v")

_SETTINGS: dict[str, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "text.parse_math": False,  # names may hold dollar signs
    "svg.hashsalt": "aipower",
    "svg.fonttype": "path",
    "hatch.linewidth": 0.6,
}


_FONT = "DejaVu Sans"
_FALLBACKS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "SimHei",
    "Arial Unicode MS",
)
"""Common fonts for names in characters that ours, which comes with Matplotlib, lacks."""


def fonts() -> list[str]:
    """Our font, and those installed that stand in for characters that it lacks."""
    installed = set(get_font_names())
    return [_FONT, *(name for name in _FALLBACKS if name in installed)]


def colour(name: str) -> str | tuple[float, float, float]:
    """Colour of an actor: the same in every figure of every run.

    Parameters
    ----------
    name : str
        An actor, or one of the groups ``SMALL`` and ``OTHERS``.

    Returns
    -------
    str or tuple of float
        A matplotlib colour; companies without one of their own get one by their name.

    Examples
    --------
    >>> colour("Google DeepMind") == colour("Google TPU") == ORANGE
    True
    >>> colour("A firm of mine") == colour("A firm of mine")
    True
    """
    if name in _GROUPS:
        return _GROUPS[name]
    words = name.lower().split()
    if words and words[0] in _COMPANIES:
        return _COMPANIES[words[0]]
    number = zlib.crc32(name.encode())
    shade = _DARKENING[number // len(PALETTE) % len(_DARKENING)]
    red, green, blue = to_rgb(PALETTE[number % len(PALETTE)])
    return (red * shade, green * shade, blue * shade)


def is_dark(shade: str | tuple[float, ...]) -> bool:
    """Whether white text reads better than black on this colour."""
    red, green, blue = to_rgb(shade)  # type: ignore[arg-type]
    return 0.299 * red + 0.587 * green + 0.114 * blue < _HALF_LIGHT


_HALF_LIGHT = 0.55


@contextlib.contextmanager
def settings() -> Iterator[None]:
    """Draw with the project's settings, whatever the user's own are."""
    with mpl.rc_context(), _missing_characters_told_once():
        mpl.rcdefaults()
        mpl.rcParams.update(cast("RcParams", {**_SETTINGS, "font.family": fonts()}))
        yield


@contextlib.contextmanager
def _missing_characters_told_once() -> Iterator[None]:
    """Say in one warning which characters no font has; Matplotlib warns at each of them, each time it meets it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    missing: list[str] = []
    for each in caught:
        if glyph := _MISSING.match(str(each.message)):
            missing.append(chr(int(glyph[1])))
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno, source=each.source)
    new = "".join(dict.fromkeys(each for each in missing if each not in _TOLD))
    if new:
        _TOLD.update(new)
        message = f"no font here has {new}, which figures show as boxes; install one that does, such as {_FALLBACKS[0]}"
        warnings.warn(message, stacklevel=4)


_MISSING = re.compile(r"Glyph (\d+) .*missing from")
_TOLD: set[str] = set()


class ReportFigure(Figure):
    """A figure that shows itself in a notebook without any plotting state."""

    def _repr_png_(self) -> bytes:
        return png(self)


def new_figure(width: float, height: float) -> ReportFigure:
    """Make an empty figure, sizes in inches, drawn without a window system."""
    figure = ReportFigure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def set_title(figure: Figure, finding: str, remark: str) -> float:
    """Write the finding above the figure and, smaller, what is drawn and for which run.

    Lines are broken to the width of the figure.

    Returns
    -------
    float
        Height of the lower edge, as a share of the figure: axes go below it.
    """
    width, height = figure.get_size_inches()
    left, top = _MARGIN / width, 1 - _MARGIN / height
    for text, size, weight, shade in ((finding, 12, "bold", INK), (remark, 8.5, "normal", MUTED)):
        lines = _wrap(text, size, weight, width - 2 * _MARGIN)
        figure.text(
            left,
            top,
            "\n".join(lines),
            size=size,
            weight=weight,
            color=shade,
            va="top",
            ha="left",
            linespacing=1.25,
        )
        top -= (len(lines) * size * 1.5 + 3) / POINTS / height
    return float(top)


def _wrap(text: str, size: float, weight: str, width: float) -> list[str]:
    """Break a text into the fewest lines of at most ``width`` inches, no last line too short."""
    words = _TOGETHER.sub("\N{NO-BREAK SPACE}", text).split(" ")
    lengths = [_inches(word, size, weight) for word in words]
    space = _inches("n n", size, weight) - _inches("nn", size, weight)
    lines = _fill(words, lengths, space, width)
    for narrower in np.linspace(width, 0.75 * width, 20):
        if len(tighter := _fill(words, lengths, space, float(narrower))) > len(lines):
            break
        lines = tighter
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


_TOGETHER = re.compile(
    r"(?<=\d) (?=bn|times)|(?<=HHI|ini) (?=\d)|(?<=\d) (?=to \d)|(?<=\d to) (?=\d)"
    r"|(?<=\N{GREEK CAPITAL LETTER LAMDA}) (?==)|(?<==) (?=\d)"
)
"""Blanks at which a line does not end: between a number and its unit."""


def shorten(text: str, size: float, inches: float) -> str:
    """Cut a name that is too long for its place; ``size`` in points."""
    if _inches(text, size, "normal") <= inches:
        return text
    while text and _inches(f"{text}\N{HORIZONTAL ELLIPSIS}", size, "normal") > inches:
        text = text[:-1].rstrip()
    return f"{text}\N{HORIZONTAL ELLIPSIS}"


def _fill(words: list[str], lengths: list[float], space: float, width: float) -> list[str]:
    lines: list[str] = []
    used = width
    for word, length in zip(words, lengths, strict=True):
        if lines and used + space + length <= width:
            lines[-1] += f" {word}"
            used += space + length
        else:
            lines.append(word)
            used = length
    return lines


def inches_of(text: str, size: float) -> float:
    """Width of a text of ``size`` points, in inches."""
    return _inches(text, size, "normal")


@functools.cache
def _inches(text: str, size: float, weight: str) -> float:
    """Width of a text."""
    font = FontProperties(family=fonts(), weight=weight, size=size)
    width, *_ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return _HINTING * float(width) / POINTS


_HINTING = 1.04  # letters on a grid of pixels are up to this much wider than their outlines
_MARGIN = 0.18
POINTS = 72
"""Typographic points in an inch."""


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move labels apart, as little as needed, and keep their order.

    Parameters
    ----------
    positions : sequence of float
        Where each label would like to be.
    gap : float
        Least distance between neighbours; made smaller when the labels do not fit.
    low, high : float
        Bounds.

    Returns
    -------
    list of float
        New positions, in the order of ``positions``.

    Examples
    --------
    >>> spread([1.0, 1.0, 5.0], 1.0, 0.0, 10.0)
    [0.5, 1.5, 5.0]
    """
    n = len(positions)
    if n == 0:
        return []
    gap = min(gap, (high - low) / max(n - 1, 1))
    order = np.argsort(positions, kind="stable")
    steps = gap * np.arange(n)
    # Least squares under "each at least `gap` above the last" is isotonic regression of what
    # remains when the steps are taken out: pool neighbours that violate the order.
    blocks: list[list[float]] = []
    for value in np.asarray(positions, dtype=float)[order] - steps:
        blocks.append([float(value), 1.0])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, count = blocks.pop()
            total = blocks[-1][1] + count
            blocks[-1] = [(blocks[-1][0] * blocks[-1][1] + mean * count) / total, total]
    pooled = np.concatenate([np.full(int(count), mean) for mean, count in blocks])
    placed = np.clip(pooled, low, high - steps[-1]) + steps
    moved = np.empty(n)
    moved[order] = placed
    return [float(value) for value in moved]


def label_right(
    axes: Axes,
    x: float,
    wanted: Sequence[float],
    texts: Sequence[str],
    colours: Sequence[Any],
    swatches: Sequence[Any] = (),
) -> None:
    """Name lines at their right end, outside the axes, moved apart and tied to their line.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Its limits and place must be final.
    x : float
        Where the lines end, in data.
    wanted : sequence of float
        Heights of the line ends, in data.
    texts, colours : sequences
        One label and colour each; ties take the colour, labels are dark.
    swatches : sequence, optional
        Colours of areas, shown before their labels, for areas too thin at their end to be found by the tie.
    """
    low, high = axes.get_ylim()
    box = axes.get_position()
    figure = axes.figure
    inches = box.height * figure.get_figheight()  # type: ignore[union-attr]
    gap = (high - low) * _LABEL_LINE / inches
    heights = spread(wanted, gap, low + gap / 3, high - gap / 3)
    left, right = axes.get_xlim()
    inch = (right - left) / (box.width * figure.get_figwidth())  # type: ignore[union-attr]
    indent = 0.14 if swatches else 0.0
    for place, swatch in enumerate(swatches):
        spot = [right + 0.33 * inch], [heights[place]]
        axes.plot(*spot, marker="s", markersize=6, color=swatch, clip_on=False, linestyle="none", gid="tie")
    for y, height, text, shade in zip(wanted, heights, texts, colours, strict=True):
        axes.plot(
            [x, right + 0.14 * inch, right + 0.24 * inch],
            [y, height, height],
            color=shade,
            linewidth=0.8,
            clip_on=False,
            gid="tie",
        )
        axes.text(right + (0.28 + indent) * inch, height, text, va="center", ha="left", size=8)
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)


_LABEL_LINE = 0.155


def png(figure: Figure) -> bytes:
    """Render as PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with settings():
        figure.savefig(buffer, format="png", metadata={"Software": None}, facecolor="white")
    return buffer.getvalue()


def svg(figure: Figure) -> bytes:
    """Render as SVG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with settings():
        figure.savefig(buffer, format="svg", metadata={"Date": None}, facecolor="white")
    return buffer.getvalue()


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write ``<name>.png`` and ``<name>.svg``."""
    paths = (folder / f"{name}.png", folder / f"{name}.svg")
    paths[0].write_bytes(png(figure))
    paths[1].write_bytes(svg(figure))
    return paths
