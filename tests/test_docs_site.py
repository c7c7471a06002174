"""The documentation site builds without a warning and is read without the network."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ELSEWHERE = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
LOADING = {
    "script": ("src",), "img": ("src", "srcset"), "iframe": ("src",), "source": ("src", "srcset"), "audio": ("src",),
    "video": ("src", "poster"), "embed": ("src",), "object": ("data",), "use": ("href", "xlink:href"), "image": ("href",),
    "form": ("action",),
}  # fmt: skip
LOADED_LINKS = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload", "manifest"}


class Loads(HTMLParser):
    """What a page asks for when it is opened; links that a reader may follow are not among it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.scripts: list[str] = []
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._in = tag
        self.found += [given[name] for name in LOADING.get(tag, ()) if name in given]
        if tag == "link" and LOADED_LINKS & set(given.get("rel", "").split()):
            self.found.append(given.get("href", ""))
        self.found += re.findall(r"url\(['\"]?([^'\")]+)", given.get("style", ""))

    def handle_data(self, data: str) -> None:
        if self._in == "style":
            self.found += addresses(data)
        if self._in == "script":
            self.scripts.append(data)


def addresses(css: str) -> list[str]:
    """What a style sheet asks for."""
    return [one or two for one, two in re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", css)]


def test_what_a_page_loads_is_found() -> None:
    page = Loads(
        '<link rel="stylesheet" href="//a.example/x.css"><a href="https://b.example">b</a><img src="c.png">'
        '<style>@import "https://d.example/d.css"; p {background: url(e.png)}</style><script src="http://f.example/f.js">'
    )
    assert page.found == ["//a.example/x.css", "c.png", "https://d.example/d.css", "e.png", "http://f.example/f.js"]
    assert [ELSEWHERE.match(one) is not None for one in page.found] == [True, False, True, False, True]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `make docs` builds it: a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "docs", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.long
def test_every_page_is_built(site: Path) -> None:
    written = {path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
    built = {path.relative_to(site).with_suffix("") for path in site.rglob("*.html")}
    assert written - {Path("README")} <= built


@pytest.mark.long
def test_no_page_asks_the_network_for_anything(site: Path) -> None:
    pages = {path: Loads(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    asked = {path.name: [one for one in page.found if ELSEWHERE.match(one)] for path, page in pages.items()}
    assert {name: ones for name, ones in asked.items() if ones} == {}
    for path, page in pages.items():
        for one in page.found:
            where = one.partition("?")[0].partition("#")[0]
            assert not where or (path.parent / where).exists(), f"{path.name} asks for {one}, which is not there"
    styles = {path.name: addresses(path.read_text(encoding="utf-8")) for path in site.rglob("*.css")}
    assert {name for name, ones in styles.items() if any(map(ELSEWHERE.match, ones))} == set()
    assert not any(re.search(r"https?://", script) for page in pages.values() for script in page.scripts)


@pytest.mark.long
def test_mathematics_is_drawn_by_the_browser_and_search_has_its_index(site: Path) -> None:
    derivations = (site / "derivations.html").read_text(encoding="utf-8")
    assert derivations.count("<math") >= 15 and "mathjax" not in derivations.lower()
    assert "flywheel" in (site / "searchindex.js").read_text(encoding="utf-8")
