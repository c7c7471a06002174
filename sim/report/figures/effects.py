"""Figures of a comparison: effects with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.report import style

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.figure import Figure

    from sim.comparison import Comparison

COMPARISON_FIGURES: dict[str, Callable[..., Figure]] = {}
"""Every figure of a comparison by name; the first is the one that ``Comparison.plot()`` draws."""


def save_all(comparison: Comparison, folder: Path) -> tuple[Path, ...]:
    """Write every figure as PNG and SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, draw in COMPARISON_FIGURES.items():
        written += style.save(draw(comparison), folder, name)
    return tuple(written)
