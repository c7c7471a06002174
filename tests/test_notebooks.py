"""Notebooks are committed without outputs, use public names alone, run from top to bottom, and become quiet pages."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest

import sim
import sim.mesa_model
import sim.policies
from tests.browser import asked, browser, complaints

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
PUBLIC = {"sim": sim.__all__, "sim.mesa_model": sim.mesa_model.__all__, "sim.policies": sim.policies.__all__}
EVERY = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def code(path: Path) -> str:
    return "\n\n".join("".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "code")


def private_names(source: str) -> set[str]:
    """What a source takes from the package that the package does not promise to keep."""
    used = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=str(module), names=names) if module.split(".")[0] == "sim":
                used |= {(module, alias.name) for alias in names}
            case ast.Import(names=names):
                used |= {("sim", a.name.removeprefix("sim.")) for a in names if a.name.startswith("sim.")}
            case ast.Attribute(value=ast.Name(id="sim"), attr=attribute):
                used.add(("sim", attribute))
    return {f"{module}.{name}" for module, name in used if name not in PUBLIC.get(module, ())}


class Requests(HTMLParser):
    """Addresses that a browser asks for by itself when it opens a page; links that a reader may click are none."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", page)
        self.found = [one or other for one, other in self.found]
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        asked = {"src", "srcset", "data", "poster", "background", "xlink:href"} | ({"href"} if tag != "a" else set())
        self.found += [value or "" for name, value in attrs if name in asked]

    @property
    def elsewhere(self) -> list[str]:
        return [address for address in self.found if not address.startswith(("data:", "#"))]


def build(script: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, script, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | {"MPLBACKEND": ""})


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[subprocess.CompletedProcess, Path]:
    """Every notebook, executed in a kernel of its own with two replicates, as pages."""
    out = tmp_path_factory.mktemp("pages")
    return build(FOLDER / "build.py", "--replicates", "2", "--out", str(out)), out


def test_the_stories_are_numbered_without_a_gap() -> None:
    assert [path.name[:3] for path in NOTEBOOKS] == [f"{number:02d}_" for number in range(1, 8)]


@EVERY
def test_a_notebook_holds_no_outputs(path: Path) -> None:
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells(path) if cell["cell_type"] == "code")


@EVERY
def test_a_notebook_is_valid_and_diffs_stay_small(path: Path) -> None:
    """Lines of source are lines of the file, and cells keep names that say what they hold."""
    nbformat.validate(json.loads(path.read_text(encoding="utf-8")))
    assert all(isinstance(cell["source"], list) for cell in cells(path))
    assert all(re.fullmatch(r"[a-z][a-z0-9-]+", cell["id"]) for cell in cells(path))


@EVERY
def test_a_notebook_begins_with_a_heading_sets_its_replicates_once_and_ends_with_exercises(path: Path) -> None:
    every = cells(path)
    assert every[0]["source"][0].startswith("# ") and "## Exercises" in "".join(every[-1]["source"])
    tagged = [cell for cell in every if "parameters" in cell["metadata"].get("tags", ())]
    assert ["REPLICATES = " in cell["source"][0] for cell in tagged] == [True]
    assert len(re.findall(r"^REPLICATES =", code(path), re.MULTILINE)) == 1


@EVERY
def test_a_notebook_uses_public_names_alone(path: Path) -> None:
    assert private_names(code(path)) == set()


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("import sim\nsim.run('baseline')", set()),
        ("from sim.mesa_model import Firm", set()),
        ("from sim.engine import Walk", {"sim.engine.Walk"}),
        ("import sim.report", {"sim.report"}),
        ("import sim\nsim.engine", {"sim.engine"}),
        ("from sim.policies import _private", {"sim.policies._private"}),
    ],
)
def test_a_private_name_is_found_in_every_form(line: str, names: set[str]) -> None:
    assert private_names(line) == names


def test_every_notebook_runs_and_warns_of_nothing(built) -> None:
    done, out = built
    assert done.returncode == 0, done.stderr
    assert sorted(path.stem for path in out.glob("*.html")) == sorted([*(path.stem for path in NOTEBOOKS), "index"])
    assert not [page.name for page in out.glob("*.html") if "output_stderr" in page.read_text(encoding="utf-8")]


def test_pages_ask_nobody_for_anything(built) -> None:
    _, out = built
    for page in sorted(out.glob("*.html")):
        text = page.read_text(encoding="utf-8")
        assert Requests(text).elsewhere == [], page.name
        assert "<script" not in text and "default-src 'none'" in text, page.name


def test_a_browser_shows_every_page_and_asks_for_nothing_but_the_page(built, tmp_path: Path) -> None:
    _, out = built
    with browser(tmp_path / "profile") as opened:
        for page in sorted(out.glob("*.html")):
            opened.get(page.as_uri())
            assert opened.execute_script("return [...document.images].every(i => i.complete && i.naturalWidth > 0)")
            assert opened.execute_script("return document.documentElement.scrollWidth <= window.innerWidth"), page.name
            assert set(asked(opened)) == {page.as_uri()}
            assert complaints(opened) == []


def test_pages_show_figures_and_lead_to_each_other(built) -> None:
    _, out = built
    for path in NOTEBOOKS:
        text = (out / f"{path.stem}.html").read_text(encoding="utf-8")
        assert text.count("data:image/png;base64,") >= 3, path.name
    for page in out.glob("*.html"):
        targets = re.findall(r'<a href="([^":]+\.html)"', page.read_text(encoding="utf-8"))
        assert targets and all((out / target).is_file() for target in targets), page.name


@pytest.mark.parametrize(
    ("markup", "asked"),
    [
        ('<a href="https://example.org">x</a><img src="data:image/png;base64,AA==">', []),
        ('<script src="https://example.org/x.js"></script>', ["https://example.org/x.js"]),
        ('<link rel="stylesheet" href="style.css">', ["style.css"]),
        ("<style>@import 'a.css'; p { background: url(b.png) }</style>", ["a.css", "b.png"]),
    ],
)
def test_a_request_is_found_in_every_form(markup: str, asked: list[str]) -> None:
    assert Requests(markup).elsewhere == asked


def test_a_notebook_that_fails_is_named_and_the_others_are_built_all_the_same(tmp_path: Path) -> None:
    for name in ("build.py", "page.html.j2"):
        shutil.copy(FOLDER / name, tmp_path)
    new = nbformat.v4
    for name, line in (("01_wrong", "1 / 0"), ("02_right", "6 * 7")):
        made = [new.new_markdown_cell(f"# {name}", id="title"), new.new_code_cell(line, id="line")]
        nbformat.write(new.new_notebook(cells=made), tmp_path / f"{name}.ipynb")
    done = build(tmp_path / "build.py", "--out", str(tmp_path / "pages"))
    assert done.returncode == 1
    assert "01_wrong.ipynb failed" in done.stderr and "ZeroDivisionError" in done.stderr and "\x1b" not in done.stderr
    assert "42" in (tmp_path / "pages" / "02_right.html").read_text(encoding="utf-8")
    assert not (tmp_path / "pages" / "01_wrong.html").exists()
