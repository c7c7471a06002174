"""Execute the notebooks and write a page of each that needs no network: `make notebooks`.

Each is run from top to bottom in a fresh kernel, in the folder of the notebooks, and becomes one HTML file with its
figures inside. The notebooks themselves stay as they are, without outputs.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbformat import NotebookNode

HERE = Path(__file__).parent
OUT = HERE.parent / "outputs" / "notebooks"
PARAMETERS = "parameters"
"""Tag of the cell after which other replicates are set, the one that papermill uses too."""
LONGEST_CELL = 600
"""Seconds."""
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def notebooks() -> list[Path]:
    """Every notebook, in order."""
    return sorted(HERE.glob("*.ipynb"))


def title(notebook: NotebookNode) -> str:
    """The first heading."""
    return str(notebook.cells[0].source.splitlines()[0].lstrip("# "))


def execute(path: Path, replicates: int | None = None) -> NotebookNode:
    """Run a notebook in a fresh kernel.

    Raises
    ------
    CellExecutionError
        When a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    if replicates is not None:
        place = next(
            k
            for k, cell in enumerate(notebook.cells)
            if PARAMETERS in cell.metadata.get("tags", ())
        )
        notebook.cells.insert(
            place + 1, nbformat.v4.new_code_cell(f"REPLICATES = {replicates}")
        )
    here = {"metadata": {"path": str(HERE)}}
    quiet = [
        "--log-level=ERROR"
    ]  # else each kernel warns that it talks to this process without encryption
    NotebookClient(
        notebook, timeout=LONGEST_CELL, resources=here, extra_arguments=quiet
    ).execute()
    return notebook


def page(notebook: NotebookNode, name: str) -> str:
    """An executed notebook as one HTML file; everything it shows is inside."""
    exporter = HTMLExporter(
        template_name="basic",
        exclude_anchor_links=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    body, _ = exporter.from_notebook_node(notebook)
    return _render(title(notebook), body, name)


def index() -> str:
    """A page that leads to the others."""
    rows = "".join(
        f'<li><a href="{path.stem}.html">{title(nbformat.read(path, as_version=4))}</a></li>'
        for path in notebooks()
    )
    return _render(
        "Notebooks of aipower",
        f'<h1>Notebooks of aipower</h1><ol class="contents">{rows}</ol>',
        "index",
    )


def _render(heading: str, body: str, name: str) -> str:
    names = [path.stem for path in notebooks()]
    place = names.index(name) if name in names else None
    template = jinja2.Environment(autoescape=True).from_string(
        (HERE / "page.html.j2").read_text(encoding="utf-8")
    )
    return template.render(
        title=heading,
        body=body,
        colours=HtmlFormatter(style="friendly").get_style_defs(".highlight"),
        is_index=place is None,
        earlier=names[place - 1] if place else None,
        later=names[place + 1]
        if place is not None and place + 1 < len(names)
        else None,
    )


def build(path: Path, out: Path, replicates: int | None) -> tuple[Path, float]:
    """Execute one notebook, write its page, and return its file and the seconds that this took."""
    begin = time.perf_counter()
    file = out / f"{path.stem}.html"
    file.write_text(page(execute(path, replicates), path.stem), encoding="utf-8")
    return file, time.perf_counter() - begin


def main(arguments: Sequence[str] | None = None) -> int:
    """Build all of them, or those named; 1 when one fails, after the others are done."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument(
        "names", nargs="*", metavar="NOTEBOOK", help="such as 01 or 04; all by default"
    )
    parser.add_argument(
        "--out", type=Path, default=OUT, help="folder of the pages (outputs/notebooks)"
    )
    parser.add_argument(
        "--replicates", type=int, metavar="N", help="in place of the notebooks' own"
    )
    asked = parser.parse_args(arguments)
    chosen = [
        path
        for path in notebooks()
        if not asked.names or any(path.name.startswith(n) for n in asked.names)
    ]
    if not chosen:
        parser.error(
            f"no notebook is called so; there are {', '.join(path.stem for path in notebooks())}"
        )
    asked.out.mkdir(parents=True, exist_ok=True)
    failed = 0
    with ProcessPoolExecutor(min(len(chosen), os.cpu_count() or 1)) as pool:
        running = {
            pool.submit(build, path, asked.out, asked.replicates): path
            for path in chosen
        }
        for done in as_completed(running):
            try:
                file, seconds = done.result()
                print(f"{file} ({seconds:.0f} s)", flush=True)
            except CellExecutionError as error:
                failed += 1
                print(
                    f"{running[done].name} failed:\n{COLOUR.sub('', str(error))}",
                    file=sys.stderr,
                    flush=True,
                )
    (asked.out / "index.html").write_text(index(), encoding="utf-8")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
