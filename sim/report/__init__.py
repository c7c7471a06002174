"""Tables, figures and the README of a result: pure functions of a ``Result``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from sim.result import Result

FIGURES_FOLDER = "figures"


def _write_figures(result: Result, folder: Path) -> None:
    from sim.report.figures import save_all

    save_all(result, folder / FIGURES_FOLDER)


def _write_readme(result: Result, folder: Path) -> None:
    from sim.report.readme import write

    write(result, folder)


ARTEFACTS = (_write_figures, _write_readme)
"""What a stored result holds beside its tables."""

WITHOUT_FIGURES = (_write_readme,)
"""The same when figures are not wanted; the README shows those that it finds."""
