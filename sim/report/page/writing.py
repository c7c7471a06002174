"""Files of a report: ``report.html``, ``figures/`` and ``tables/``, all or none of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sim import manifests
from sim.errors import StoreError
from sim.export import refuse_result_folder
from sim.folders import filled_at_once
from sim.report.page import of_comparison, of_result
from sim.report.page.table import csv_text, latex_text
from sim.report.page.template import html
from sim.result import Result
from sim.runner import progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.comparison import Comparison
    from sim.report.page.blocks import Page

PAGE = "report.html"
"""The page; figures and tables stand in folders beside it."""


class Written(NamedTuple):
    """A report on disk.

    Attributes
    ----------
    page : pathlib.Path
        The HTML file.
    files : tuple of pathlib.Path
        All of them, the page first.
    is_reused : bool
        Whether every file was there already with the same content.
    """

    page: Path
    files: tuple[Path, ...]
    is_reused: bool


def of_folder(folder: str | Path) -> Comparison | Result:
    """Read what a report can be written of.

    Parameters
    ----------
    folder : str or Path
        What ``aipower compare`` or ``aipower run`` wrote.

    Raises
    ------
    ResultError
        When the folder holds neither.
    """
    from sim.comparison import load_comparison
    from sim.errors import ResultError
    from sim.result import load_result

    format_ = manifests.read_manifest(Path(folder))["format"]
    if format_ == manifests.SWEEP:
        message = (
            f"{folder} holds a sweep, of which there is no report; its folder has table and figure. Reports are "
            "written of what `aipower compare` and `aipower run` wrote"
        )
        raise ResultError(message)
    return load_comparison(folder) if format_ == manifests.COMPARISON else load_result(folder)


def write(made: Comparison | Result, folder: str | Path, *, force: bool = False, progress: bool = False) -> Written:
    """Write the report of a comparison or a result.

    Parameters
    ----------
    made : Comparison or Result
    folder : str or Path
        Made when it is missing; not the folder of the result itself.
    force : bool
        Replace files that are there already and differ.
    progress : bool
        Show a progress bar on standard error, if that is a terminal.

    Returns
    -------
    Written
        The same comparison gives the same bytes.

    Raises
    ------
    StoreError
        When the folder holds other files of these names, is a result folder, or cannot be written.
    """
    folder = Path(folder).absolute()
    refuse_result_folder(folder)
    files = _files(_composed(made, is_shown=progress))
    paths = tuple(folder / name for name in files)
    same = [path.is_file() and path.read_bytes() == data for path, data in zip(paths, files.values(), strict=True)]
    if not all(same):
        there = [path.name for path, is_same in zip(paths, same, strict=True) if path.exists() and not is_same]
        if there and not force:
            message = (
                f"{folder} holds another {', '.join(there[:3])}{' and more' if len(there) > 3 else ''} already; "  # noqa: PLR2004
                "--force (in Python force=True) replaces them, --out names another folder"
            )
            raise StoreError(message)
        with filled_at_once(folder, "the report") as draft:
            for name, data in files.items():
                (draft / name).parent.mkdir(exist_ok=True)
                (draft / name).write_bytes(data)
    return Written(folder / PAGE, paths, is_reused=all(same))


def _composed(made: Comparison | Result, *, is_shown: bool) -> Page:
    """Compose the page, telling how far it is."""
    n_steps = of_result.N_STEPS if isinstance(made, Result) else of_comparison.N_STEPS
    with progress_bar("report", is_shown=is_shown) as show:
        step = _counter(n_steps, show)
        return of_result.page(made, step) if isinstance(made, Result) else of_comparison.page(made, step)


def _counter(n_steps: int, show: Callable[[int, int], None] | None) -> Callable[[str], None]:
    done = 0

    def step(_: str) -> None:
        nonlocal done
        if show is not None:
            show(min(done, n_steps), n_steps)
        done += 1

    return step


def _files(page: Page) -> dict[str, bytes]:
    """Every file by its name."""
    files = {PAGE: html(page).encode()}
    for drawn in page.pictures:
        files[f"figures/{drawn.name}.png"] = drawn.png
        files[f"figures/{drawn.name}.svg"] = drawn.svg
    for table in page.tables:
        files[f"tables/{table.name}.csv"] = csv_text(table).encode()
        files[f"tables/{table.name}.tex"] = latex_text(table).encode()
    return files
