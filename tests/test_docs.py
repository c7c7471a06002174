"""The documentation says what the code does, and its links lead somewhere."""

import importlib.util
import re
from pathlib import Path

import pytest

from sim.scenario import load_scenario

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
SOURCES = sorted(path for kind in ("*.py", "*.csv") for path in (ROOT / "sim").rglob(kind))
REFERENCE = re.compile(r"docs/model\.md (\d+(?:\.\d+)?(?:(?:,| and| to) \d+(?:\.\d+)?)*)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def generator():
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def headings(path: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)


def anchor(heading: str) -> str:
    """As GitHub makes it: lower case, no punctuation, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def links(path: Path) -> list[str]:
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    targets = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text) + re.findall(r"(?:src|href)=\"([^\"]+)\"", text)
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def broken(path: Path) -> list[str]:
    """Internal links of a page that lead nowhere."""
    wrong = []
    for target in links(path):
        where, _, part = target.partition("#")
        there = (path.parent / where).resolve() if where else path
        if not there.exists() or (part and part not in [anchor(heading) for heading in headings(there)]):
            wrong.append(target)
    return wrong


def sections() -> set[str]:
    return {match[1] for h in headings(DOCS / "model.md") if (match := re.match(r"(\d+(?:\.\d+)?) ", h))}


def references(text: str) -> set[str]:
    return {number for found in REFERENCE.findall(text) for number in re.findall(r"\d+(?:\.\d+)?", found)}


@pytest.mark.parametrize("page", ["notation.md", "measures.md", "policies.md"])
def test_generated_pages_are_what_the_code_gives(page: str) -> None:
    """When this fails: python docs/generate.py."""
    assert (DOCS / page).read_text(encoding="utf-8") == generator().PAGES[page]()


def test_the_generator_writes_the_pages_that_are_compared() -> None:
    assert set(generator().PAGES) == {"notation.md", "measures.md", "policies.md"}


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_internal_link_leads_somewhere(path: Path) -> None:
    assert broken(path) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One two\n[a](#one-two) [b](page.md) [c](none.md) [d](#three) [e](https://example.org/x)\n")
    assert broken(page) == ["none.md", "#three"]


def test_every_section_that_the_code_names_exists() -> None:
    named = {path: references(path.read_text(encoding="utf-8")) for path in SOURCES}
    missing = {name(path): found - sections() for path, found in named.items() if found - sections()}
    assert missing == {}
    assert {"3", "7.2", "7.13"} <= set().union(*named.values()), "references are found at all"


def test_lists_of_sections_are_read_whole() -> None:
    assert references("(docs/model.md 7.12 and 7.13), docs/model.md 8.") == {"7.12", "7.13", "8"}


def test_every_page_of_the_documentation_is_in_its_index() -> None:
    listed = {(DOCS / target.partition("#")[0]).resolve() for target in links(DOCS / "README.md")}
    assert {path.resolve() for path in DOCS.rglob("*.md")} - {(DOCS / "README.md").resolve()} <= listed


SCENARIOS = [
    (path, text)
    for path in PAGES
    for text in re.findall(r"^```yaml\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
]


@pytest.mark.parametrize(("path", "text"), SCENARIOS, ids=[name(path) for path, _ in SCENARIOS])
def test_scenarios_shown_are_accepted_without_a_warning(path: Path, text: str, tmp_path: Path) -> None:
    file = tmp_path / f"{path.stem.lower()}.yaml"
    file.write_text(text, encoding="utf-8")
    load_scenario(file)
