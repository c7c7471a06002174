"""The documentation says what the code does, and its links lead somewhere."""

import ast
import importlib.util
import re
from dataclasses import fields
from pathlib import Path

import pytest

from sim import run
from sim.observe import INDEX_SENTENCES, MEASURES, VARIABLES
from sim.parameters import parameter_table
from sim.policies.levers import LEVERS
from sim.scenario import load_scenario
from sim.state import variables
from sim.world.build import Mechanisms
from sim.world.tables import ATTRIBUTES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
READMES = [ROOT / "README.md", ROOT / "README.zh.md"]
PAGES = sorted([*DOCS.rglob("*.md"), *READMES, ROOT / "CONTRIBUTING.md", ROOT / "notebooks/README.md"])
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


GENERATED = {"notation.md", "equations.md", "measures.md", "policies.md", "sources.md", "api.md"}


@pytest.mark.parametrize("page", sorted(GENERATED))
def test_generated_pages_are_what_the_code_gives(page: str) -> None:
    """When this fails: python docs/generate.py."""
    assert (DOCS / page).read_text(encoding="utf-8") == generator().PAGES[page]()


def test_the_generator_writes_the_pages_that_are_compared() -> None:
    assert set(generator().PAGES) == GENERATED


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_internal_link_leads_somewhere(path: Path) -> None:
    assert broken(path) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One two\n[a](#one-two) [b](page.md) [c](none.md) [d](#three) [e](https://example.org/x)\n")
    assert broken(page) == ["none.md", "#three"]


def test_both_readmes_show_the_same_code_and_lead_to_the_same_places() -> None:
    english, chinese = (path.read_text(encoding="utf-8") for path in READMES)
    without_remarks = [re.sub(r" *#.*", "", "".join(FENCE.findall(text))) for text in (english, chinese)]
    assert without_remarks[0] == without_remarks[1]
    places = [set(links(path)) - {"README.md", "README.zh.md"} for path in READMES]
    assert places[0] == places[1]
    commands = [set(re.findall(r"`(aipower [^`]+)`", text)) for text in (english, chinese)]
    assert commands[0] == commands[1]


def test_every_section_that_the_code_names_exists() -> None:
    named = {path: references(path.read_text(encoding="utf-8")) for path in SOURCES}
    missing = {name(path): found - sections() for path, found in named.items() if found - sections()}
    assert missing == {}
    assert {"3", "7.2", "7.13"} <= set().union(*named.values()), "references are found at all"


def test_lists_of_sections_are_read_whole() -> None:
    assert references("(docs/model.md 7.12 and 7.13), docs/model.md 8.") == {"7.12", "7.13", "8"}


def test_verification_names_every_test_file_and_nothing_else() -> None:
    page = (DOCS / "verification.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\btest_\w+", page)) == {path.stem for path in (ROOT / "tests").glob("test_*.py")}


def test_words_after_a_test_file_are_part_of_a_test_of_it() -> None:
    rows = re.findall(r"^\| \d+ \|.*\| (.*) \|$", (DOCS / "verification.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = [found for row in rows for found in re.findall(r"`(test_\w+)`: ([\w ]+(?:, [\w ]+)*)", row)]
    assert len(named) > 50
    for file, words in named:
        tests = re.findall(r"def (test_\w+)", (ROOT / "tests" / f"{file}.py").read_text(encoding="utf-8"))
        for word in words.lower().replace(" ", "_").replace(",_", ",").split(","):
            assert any(word in test.lower() for test in tests), f"{file}: {word}"


def sections_of(text: str) -> list[tuple[str, list[str]]]:
    """Headings of the second level with the rows of the tables below them, headers left out."""
    found = []
    for part in re.split(r"^## ", FENCE.sub("", text), flags=re.MULTILINE)[1:]:
        tables = re.findall(r"^\|.*\n\|(?:---\|)+\n((?:\|.*\n)*)", part + "\n", re.MULTILINE)
        found.append((part.partition("\n")[0], [row for rows in tables for row in rows.splitlines()]))
    return found


def test_numbers_in_headings_are_those_of_the_rows_below() -> None:
    sections = [part for path in PAGES for part in sections_of(path.read_text(encoding="utf-8"))]
    counted = {head: len(rows) for head, rows in sections if rows and re.search(r": \d+$", head)}
    assert len(counted) > 2
    assert {head: f"{head.partition(':')[0]}: {number}" for head, number in counted.items()} == {h: h for h in counted}


def test_rows_of_tables_have_the_cells_of_their_header() -> None:
    wrong = []
    for path in PAGES:
        text = FENCE.sub("", path.read_text(encoding="utf-8"))
        for lines in re.findall(r"(?:^\|.*\|$\n)+", text, re.MULTILINE):
            cells = [len(re.findall(r"(?<!\\)\|", line)) for line in lines.splitlines()]
            wrong += [(name(path), line) for line, n in zip(lines.splitlines(), cells, strict=True) if n != cells[0]]
    assert wrong == []


def test_measures_and_columns_listed_are_those_of_a_result() -> None:
    result = run(load_scenario("baseline"), replicates=1, quarters=1)
    page = (DOCS / "measures.md").read_text(encoding="utf-8")
    assert f": {result.measures.shape[1]} numbers" in " ".join(page.split())
    for population in ("firms", "owners", "makers"):
        columns = page.partition(f"### Table of {population}\n")[2].partition("###")[0]
        listed = re.findall(r"^\| `(\w+)` \|", columns, re.MULTILINE)
        assert ["replicate", "quarter", *listed] == list(result.column_names(population))


def test_every_page_of_the_documentation_is_in_its_index() -> None:
    listed = {(DOCS / target.partition("#")[0]).resolve() for target in links(DOCS / "README.md")}
    assert {path.resolve() for path in DOCS.rglob("*.md")} - {(DOCS / "README.md").resolve()} <= listed


# --- the description of the model and the code hold each other -------------------------

MODEL = (DOCS / "model.md").read_text(encoding="utf-8")
EQUATIONS = re.findall(r"^    (\S.*)$", FENCE.sub("", MODEL), re.MULTILINE)
# Words and functions of equation blocks, one-letter indices and shapes of power families (their own table says them).
PLAIN = set(
    re.findall(
        r"\S+",
        """over of open in a the member pool at start to owners that sell proportion what is set aside each all and but
        max min clip ln sum e d f i j m s t n h c x b l u r q low high kW PUE TWh use MtCO2 carbon price electricity bn
        per quarter industry training outlay spent on AI budget customers who choose now compute unit operating profit
        attraction both leader hold default order summed last quarters less same shipped look may given cap owner with
        renormalised Burstein Atkeson release_grant entry_grant except policies
        sector capacity mean weighted ij m0 H100""",
    )
)


def words(equation: str) -> set[str]:
    return set(re.findall(r"[A-Za-z]+\d*(?:_[A-Za-z0-9]+)*\*?", equation))


def bare(symbol: str) -> str:
    """Without the index of an actor."""
    return re.sub(r"_(?:is|js|ij|i|j|s|m|k)$", "", symbol)


def known_symbols() -> set[str]:
    module = generator()
    symbols = {row.symbol for row in parameter_table().values()} | {*module.SYMBOLS} | {*module.SHORTHAND}
    return symbols | {bare(symbol) for symbol in symbols} | {*parameter_table()}


def known_names() -> set[str]:
    """What may stand in code type: parameters, arrays, levers, measures, attributes, mechanisms and their choices."""
    module = generator()
    arrays = {name for cls, _ in module.STAGES for name in variables(cls)}
    attributes = {name for table in ATTRIBUTES.values() for name in table}
    choices = {choice for table in ATTRIBUTES.values() for one in table.values() for choice in one.choices}
    mechanisms = {field.name for field in fields(Mechanisms)}
    return arrays | attributes | choices | mechanisms | {*parameter_table()} | {*LEVERS} | {*MEASURES}


def test_every_parameter_is_in_the_description_by_name_and_symbol() -> None:
    rows = parameter_table()
    assert [name for name in rows if f"`{name}`" not in MODEL] == []
    text = set(re.findall(r"[A-Za-z]+(?:_[A-Za-z0-9]+)*", MODEL))
    assert [row.symbol for row in rows.values() if row.symbol and not {row.symbol, bare(row.symbol)} & text] == []


def test_every_symbol_of_an_equation_is_in_the_notation() -> None:
    assert len(EQUATIONS) > 40
    known = known_symbols() | known_names() | PLAIN
    unknown = {word for line in EQUATIONS for word in words(line) if not {word, bare(word)} & known}
    assert unknown == set()


def test_every_symbol_of_the_notation_is_in_the_description() -> None:
    """And stands for something that the code has: the notation page is written from it."""
    module = generator()
    used = {form for word in words(MODEL) for form in (word, bare(word))}
    assert [symbol for symbol in [*module.SYMBOLS, *module.SHORTHAND] if not {symbol, bare(symbol)} & used] == []
    assert len({*module.SYMBOLS.values()}) == len(module.SYMBOLS), "one symbol for one number"


def test_every_name_in_the_description_is_in_the_code() -> None:
    named = set(re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)`", MODEL)) - {"max_sweeps"}
    elsewhere = {"by_class", "small_world", "scale_free", "saturating_loss", "perfect_own_path"}
    assert named - known_names() - elsewhere == set()


def test_every_submodel_has_its_section_and_every_section_its_submodel() -> None:
    written = {number for number in sections() if number.startswith("7.")}
    found = {row[0] for row in generator().formulas()} - {"6"}  # paths of drivers
    of_stages = {"7.12", "7.13"}  # the government and the accounts add up; they have no formula of their own
    assert found == written - of_stages


def test_counts_in_the_description_are_those_of_the_code() -> None:
    numbers = {10: "ten", 13: "Thirteen"}
    assert f"{numbers[len(INDEX_SENTENCES)]} indices" in MODEL
    assert f"are taken of {numbers[len(VARIABLES)]} quantities" in " ".join(MODEL.split())
    flows = {
        node.args[0].value
        for path in (ROOT / "sim" / "stages").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Flow"
    }
    assert f"{len(flows)} kinds of flow" in MODEL


def test_every_formula_of_a_submodel_says_what_it_computes() -> None:
    assert [name for _, _, name, text in generator().formulas() if len(text) < 10] == []


def test_every_page_is_on_the_site() -> None:
    listed = set(re.findall(r"^([a-z-]+)$", (DOCS / "index.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert {path.stem for path in DOCS.glob("*.md")} - {"README", "index"} == listed


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
