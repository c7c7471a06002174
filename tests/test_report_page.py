"""Reports: one page that needs nothing else, escapes what scenario files say, and is the same every time."""

import csv
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import sim
from sim.errors import ResultError, StoreError
from sim.parameters import parameter_table
from sim.report import page as report
from sim.report import tables as closing
from sim.report.comparison import VERDICTS
from sim.report.page import assumptions, luck, replays, tables, writing
from sim.report.page.blocks import Page, Section, Shown
from sim.report.page.of_result import path_sentences
from sim.report.page.table import Table, csv_text, latex_text
from sim.report.page.template import html
from sim.world.tables import world_folders
from tests.comparisons import base, pairs_of_numbers, scenario

NASTY = "What if <script>alert('1')</script> & \"5%\" of $x_1 {y} are </table> <img src=https://example.org/a.png>?"
CAP = {"training_cap": {"flop": 3e24, "start": "2024Q2"}}
SUBSIDY = {"compute_subsidy": {"rate": 0.4, "who": {"class": "sme"}, "start": "2024Q2"}}


@pytest.fixture(scope="module", autouse=True)
def short_null():
    """Luck alone with few histories: its numbers are tested elsewhere."""
    patch = pytest.MonkeyPatch()
    patch.setattr(replays, "NULL_REPLICATES", 3)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def made():
    """A policy, a policy in another world, and one that fails at once."""
    changes = [
        scenario("cap", {"question": NASTY, "policies": [CAP]}),
        scenario("both", {"policies": [SUBSIDY], "world": {"parameters": {"imitation": 0.02}}}),
    ]
    return sim.compare(base(), changes, flywheels=(0.8, 1.0))


@pytest.fixture(scope="module")
def folder(made, tmp_path_factory):
    """The comparison's report."""
    where = tmp_path_factory.mktemp("report") / "report"
    assert made.report(where) == where / "report.html"
    return where


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A stored result."""
    given = scenario("one", {"question": NASTY})
    return sim.run(given, out=tmp_path_factory.mktemp("run") / "one", figures=False)


@pytest.fixture(scope="module")
def run_folder(run, tmp_path_factory):
    where = tmp_path_factory.mktemp("report") / "of-run"
    run.report(where)
    return where


@pytest.fixture(scope="module")
def composed(run):
    """The run's page, composed once."""
    return writing._composed(run, is_shown=False)


@pytest.fixture
def quick(composed, monkeypatch):
    """Whatever is reported has that page: these tests are about files."""
    monkeypatch.setattr(writing, "_composed", lambda *_, **__: composed)


class Reader(HTMLParser):
    """Tags, attributes, texts and the nesting of a page."""

    VOID = frozenset({"meta", "br", "img"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.open, self.headings, self.captions = [], [], [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(data for tag, data in self.texts if tag != "style")


@pytest.fixture(scope="module", params=["comparison", "run"])
def read(request):
    """The page of a comparison and of a run."""
    where = request.getfixturevalue("folder" if request.param == "comparison" else "run_folder")
    return Reader((where / "report.html").read_text(encoding="utf-8"))


# --- one file ---------------------------------------------------------------------------------------


def test_the_page_loads_nothing(read):
    tags = {tag for tag, _ in read.tags}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form", "video", "audio", "source"}
    for tag, attributes in read.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), f"{tag} {name}"
            if name in {"src", "srcset", "data", "action", "poster", "background", "xlink:href"}:
                assert value.startswith("data:image/svg+xml;base64,"), f"{tag} {name} {value[:50]}"
            if name == "href":
                assert value.startswith("#"), value
    (style,) = [data for tag, data in read.texts if tag == "style"]
    assert "url(" not in style and "@import" not in style


def test_the_browser_is_told_to_fetch_and_run_nothing(read):
    (policy,) = [meta["content"] for meta in read.all("meta") if "http-equiv" in meta]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "script-src" not in policy


def test_figures_inside_the_page_are_the_files_beside_it_and_load_nothing(folder):
    import base64

    page = Reader((folder / "report.html").read_text(encoding="utf-8"))
    inside = [base64.b64decode(image["src"].partition(",")[2]) for image in page.all("img")]
    assert sorted(inside) == sorted(path.read_bytes() for path in (folder / "figures").glob("*.svg"))
    assert {path.stem for path in (folder / "figures").glob("*.png")} == {
        "effects",
        "map",
        "paths",
        "tradeoff",
        "lorenz",
        "luck",
    }
    for drawn in inside:
        links = re.findall(rb'(?:href|src)="([^"]*)"', drawn)
        assert all(link.startswith((b"#", b"data:image/png;base64,")) for link in links), "its own parts only"


# --- access ---------------------------------------------------------------------------------------------


def test_headings_are_in_order_and_every_one_of_the_contents_is_there(read):
    assert read.headings[0] == 1 and read.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(read.headings, read.headings[1:], strict=False))
    names = {attributes["id"] for _, attributes in read.tags if "id" in attributes}
    assert {link["href"][1:] for link in read.all("a")} <= names
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert read.all("html")[0]["lang"] == "en" and not read.open


def test_figures_have_words_for_who_does_not_see_them_and_tables_captions(read):
    assert len(read.all("img")) >= 4
    assert all(len(image["alt"]) > 60 for image in read.all("img"))
    assert len(read.all("table")) == len(read.all("caption")) > 3
    assert all(cell["scope"] in {"col", "row"} for cell in read.all("th"))


# --- contents -------------------------------------------------------------------------------------------


def test_a_comparisons_page_has_every_part(folder):
    text = Reader((folder / "report.html").read_text(encoding="utf-8")).text
    for part in (
        "Question",
        "Key results",
        "Effects",
        "Paths",
        "Trade-offs, costs and who pays",
        "Inequality, index by index",
        "What luck alone does",
        "Does the sign hold?",
        "Scenario by scenario",
        "Method",
        "Assumptions",
        "How to reproduce",
    ):
        assert part in text, part
    assert "they show luck only" in text
    assert "The change of world in both" in text
    assert "aipower compare baseline.resolved.yaml scenarios --measures" in text
    assert "not identified by the data, so every report shows it" in text, "the source of the flywheel elasticity"


def test_a_runs_page_says_what_happened_and_what_luck_alone_does(run, run_folder):
    text = Reader((run_folder / "report.html").read_text(encoding="utf-8")).text
    mean = run.yearly()["hhi_revenue"].xs(2025, level="year").mean()
    assert f"The HHI of firms' revenue is {mean:,.0f} on average in 2025" in text
    assert "twenty equal firms" in text and "aipower run scenario.resolved.yaml" in text
    assert run.content_hash in text


@pytest.mark.parametrize(("quarters", "energy", "payments"), [(5, "2024", ["2024"]), (9, "2025", ["2024", "2025"])])
def test_sums_of_a_year_are_those_of_whole_years(quarters, energy, payments):
    result = sim.run(base(), replicates=2, quarters=quarters)
    said = path_sentences(result, closing.closing(result))
    (of_energy,) = [sentence for sentence in said if sentence.startswith("Energy")]
    whole = result.yearly("energy_twh")["energy_twh"].xs(int(energy), level="year").mean()
    assert f"is {closing.significant(whole)}" in of_energy and f" in {energy}" in of_energy
    assert not any(f"{year} " in of_energy for year in result.years if str(year) > energy)
    assert [axes.get_title() for axes in result.plot("who_pays_whom").axes] == payments


def test_a_part_of_a_year_alone_is_named_by_its_quarters():
    result = sim.run(base(), replicates=2, quarters=2)
    said = " ".join(path_sentences(result, closing.closing(result)))
    assert re.search(r"Energy \(TWh\) is \S+ in 2024Q1 to 2024Q2", said)
    figure = result.plot("who_pays_whom")
    title, remark = (text.get_text().replace("\n", " ") for text in figure.texts[:2])
    assert "in 2024Q1 to 2024Q2" in title and "a year" not in remark


def test_headings_name_a_horizon_within_a_year(folder):
    text = Reader((folder / "report.html").read_text(encoding="utf-8")).text
    assert "at the end of 2025Q2" in text or "At the end of 2025Q2" in text
    assert "Who gains and who pays in the part of 2025 up to Q2" in text
    assert "the end of 2025:" not in text


def test_as_many_pairs_at_other_flywheels_are_not_called_fewer(folder):
    text = Reader((folder / "report.html").read_text(encoding="utf-8")).text
    assert "under other values, with the same pairs." in text
    assert "fewer than above" not in text and "with fewer pairs" not in text


def test_the_words_of_verdicts_are_those_of_the_rule(folder):
    text = Reader((folder / "report.html").read_text(encoding="utf-8")).text
    rule = "fewer than 10 pairs differ at all while others do not"
    assert rule in text and rule in VERDICTS
    every = pairs_of_numbers({"a": {"hhi_revenue": np.linspace(-500.0, -400.0, 6)}})
    effects = every.effects
    assert effects.loc[effects["measure"] == "hhi_revenue", "verdict"].tolist() == ["clear"]


def test_the_pareto_set_is_told_as_it_is_found(folder):
    text = Reader((folder / "report.html").read_text(encoding="utf-8")).text
    assert "none is at least as good in all four of" in text and "and better in one" in text


def yearly(*means):
    return replays.Yearly(tuple(range(2024, 2024 + len(means))), np.tile(np.array(means), (3, 1)))


def test_what_luck_does_is_a_change_only_where_there_is_one():
    made = base()
    rising, still, one = yearly(500.0, 620.0), yearly(800.0, 800.2), yearly(500.0)
    said = luck._about(made, still, rising)
    assert (
        "rises by 120 points on average from the end of 2024 to the end of 2025Q2; in base it stays as it is." in said
    )
    first = luck._about(made.replace(quarters=4), one, one)
    assert "is 500 on average at the end of 2024; in base it is 500." in first
    assert "rises" not in first and "falls" not in first and "stays" not in first


def test_tables_of_one_replicate_claim_no_range():
    made = sim.run(base(), replicates=1, quarters=4)
    composed = writing._composed(made, is_shown=False)
    captions = [table.caption for table in composed.tables if table.name.startswith("closing")]
    assert captions and not any("range" in caption for caption in captions)
    (luck_table,) = (table for table in composed.tables if table.name == "luck")
    _, own, null = luck_table.rows[0]
    assert "\n" not in own and " to " in null


def test_what_failed_is_said_first(made, tmp_path):
    compared = sim.compare(base(), [scenario("odd", {"policies": [SUBSIDY]}), scenario("same")], replicates=2)
    key = compared.contrasts[0].run
    failed = compared.outcomes[key].failed("the market has no price", (0, 1))
    compared.outcomes[key] = failed
    compared._pairs.clear()
    text = Reader(compared.report(tmp_path / "r").read_text(encoding="utf-8")).text
    assert "odd could not be run, so nothing is said of its effects: the market has no price." in text
    assert "What failed and is left out." in text
    assert not re.search(r"odd (lowers|raises)", text)


# --- escaping ------------------------------------------------------------------------------------------


def test_what_a_scenario_file_says_is_text_and_nothing_else(read):
    assert "<script>alert('1')</script> & \"5%\"" in read.text
    assert "<img src=https://example.org/a.png>" in read.text
    assert not read.all("script")
    assert all(image["src"].startswith("data:") for image in read.all("img"))


def test_a_name_in_a_figure_or_table_is_text_too():
    bad = "<b>&</b>"
    table = Table("t", bad, pd.DataFrame({"a": [bad]}), (bad, bad), ((bad, f"{bad}\n-3"),))
    shown = html(Page(bad, bad, bad, (Section("results", bad, (Shown(table),)),), (table,), bad))
    found = Reader(shown)
    assert not [attributes for tag, attributes in found.tags if tag == "b" and "Table" not in shown]
    assert shown.count("<b>") == 1, "of the table's number alone"
    assert shown.count("&lt;b&gt;&amp;&lt;/b&gt;") >= 9
    assert "\N{MINUS SIGN}3" in shown and "<br>" in shown


# --- tables -----------------------------------------------------------------------------------------------


def test_the_csv_of_effects_has_every_digit(made, folder):
    read = pd.read_csv(folder / "tables" / "effects.csv")
    wanted = made.effects[made.effects["measure"].isin(made.measures)]
    keys = ["scenario", "kind", "measure", "horizon"]
    left, right = (frame.set_index(keys)["effect"].sort_index() for frame in (read, wanted))
    assert left.equals(right)
    assert list(dict.fromkeys(read["measure"])) == list(made.measures), "in the order in which measures are shown"


def test_the_trade_offs_tell_no_cost_where_the_index_does_not_clearly_fall():
    """Twenty pairs: one scenario lowers the index for sure, one by luck alone, and both cost the same."""
    luck = np.random.default_rng(5).normal(0.0, 90.0, 20)
    index = {"sure": luck / 9 - 100.0, "luck": luck - luck.mean() - 1.0}
    compared = pairs_of_numbers({name: {"hhi_revenue": each, "fiscal_balance": -50.0} for name, each in index.items()})
    sure, by_luck = tables.tradeoffs_table(compared, "2024Q4").rows
    assert sure[0] == "sure" and sure[1].endswith("clear")
    assert float(sure[5].partition("\n")[0]) == pytest.approx(50.0 / -index["sure"].mean(), rel=0.01)
    assert by_luck[1].endswith("undecided") and by_luck[5:7] == ("no clear fall", "no clear fall")


def test_every_table_has_both_files(folder):
    names = {path.stem for path in (folder / "tables").glob("*.csv")}
    assert names == {path.stem for path in (folder / "tables").glob("*.tex")}
    assert {"effects", "tradeoffs", "who-pays", "signs", "luck", "inequality", "parameters", "policies"} <= names
    assert {"scenarios", "differences", "origin", "rank-flips"} <= names


def test_a_csv_runs_no_formula_in_a_spreadsheet():
    table = Table("t", "", pd.DataFrame({"question": ["=1+1", "why?"], "effect": [-3.5, 1.0]}), (), ())
    rows = list(csv.reader(io.StringIO(csv_text(table))))
    assert rows == [["question", "effect"], ["'=1+1", "-3.5"], ["why?", "1.0"]]


def test_latex_escapes_and_closes_what_it_opens(folder):
    text = (folder / "tables" / "scenarios.tex").read_text(encoding="utf-8")
    assert r"\$x\_1 \{y\}" in text and r"5\%" in text and r"\& " in text and r"\textless{}script\textgreater{}" in text
    for path in (folder / "tables").glob("*.tex"):
        text = path.read_text(encoding="utf-8")
        assert sorted(re.findall(r"\\begin\{(\w+)\}", text)) == sorted(re.findall(r"\\end\{(\w+)\}", text))
        body = text.partition(r"\endlastfoot")[2].partition(r"\end{longtable}")[0].strip().splitlines()
        columns = re.search(r"\\begin\{longtable\}\{(.+)\}", text)[1]
        n_columns = len(re.sub(r"p\{0\.\d\d\\linewidth\}", "p", columns))
        assert all(len(re.findall(r"(?<!\\)&", line)) == n_columns - 1 for line in body), path.name
        plain = re.sub(r"\\[#$%&_{}]|\$(-|\\Lambda|\\pm)\$", "", text.partition("\n")[2])
        assert not re.search(r"[$#^~\N{MINUS SIGN}]|(?<!\\)%", plain), path.name


def test_lines_of_a_cell_become_brackets_in_latex():
    table = Table("t", "A table", pd.DataFrame(), ("a", "b"), (("x", "-3\n-5 to -1"),))
    assert "x & $-$3 ($-$5 to $-$1) \\\\" in latex_text(table)


# --- files ------------------------------------------------------------------------------------------------


def test_the_same_comparison_gives_the_same_bytes(made, folder, tmp_path):
    made.save(tmp_path / "stored", figures=False)
    for name, other in (("a", made), ("b", sim.load_comparison(tmp_path / "stored"))):
        report.write(other, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(files) > 40
    assert files == sorted(path.relative_to(tmp_path / "b") for path in (tmp_path / "b").rglob("*.*"))
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_another_report_is_not_replaced_unasked(run, run_folder, quick):
    again = report.write(run, run_folder)
    assert again.is_reused and again.page == run_folder / "report.html"
    changed = run_folder / "tables" / "luck.csv"
    before = changed.read_bytes()
    changed.write_text("mine\n")
    with pytest.raises(StoreError, match=r"holds another luck\.csv already; --force"):
        report.write(run, run_folder)
    assert changed.read_text() == "mine\n"
    assert not report.write(run, run_folder, force=True).is_reused
    assert changed.read_bytes() == before


def test_a_result_folder_stays_as_it_was_written(run):
    with pytest.raises(StoreError, match="is a result folder, which stays as it was written"):
        run.report(run.folder)
    assert sim.verify_result(run.folder).is_complete


def test_nothing_is_left_behind_when_writing_fails(run, tmp_path, monkeypatch, quick):
    monkeypatch.setattr(writing, "latex_text", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.report(tmp_path / "r")
    assert not list(tmp_path.iterdir())


# --- the command --------------------------------------------------------------------------------------------


def test_the_command_writes_beside_the_folder_and_finds_it_again(run, aipower, monkeypatch, quick):
    monkeypatch.chdir(run.folder.parent)
    code, out, err = aipower("report", "one")
    assert (code, err) == (0, "") and "Wrote one-report/report.html" in out
    assert aipower("report", "one", "--quiet") == (0, "one-report/report.html\n", "")
    code, out, _ = aipower("report", "one", "--json")
    facts = json.loads(out)
    assert (
        facts["is_reused"]
        and facts["page"] == "one-report/report.html"
        and "one-report/tables/luck.csv" in facts["files"]
    )
    code, out, _ = aipower("report", "one")
    assert code == 0 and "the same to the last byte" in out
    (run.folder.parent / "one-report" / "report.html").write_text("mine")
    code, _, err = aipower("report", "one")
    assert code == 1 and "--force" in err and "Traceback" not in err
    assert aipower("report", "one", "--force", "--quiet")[0] == 0


def test_what_cannot_be_reported_is_refused(aipower, tmp_path):
    code, _, err = aipower("report", tmp_path / "none")
    assert code == 2 and "does not exist" in err
    swept = sim.sweep(base(), ["world.parameters.flywheel=0.9,1.1"], replicates=2, quarters=4)
    swept.save(tmp_path / "swept", figures=False)
    with pytest.raises(ResultError, match="holds a sweep, of which there is no report"):
        report.of_folder(tmp_path / "swept")


def test_parameters_of_the_users_own_table_are_said_to_be_theirs(tmp_path):
    shipped = parameter_table(world_folders("world_2024"))
    given, same = shipped["pue"], shipped["flywheel"]
    header = "name,value,unit,low,high,kind,source"
    rows = [
        f"pue,1.5,{given.unit},1.4,1.6,measured,our meters",
        f"flywheel,{same.value},{same.unit},{same.low},{same.high},assumption,as shipped",
    ]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "parameters.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    (tmp_path / "own.yaml").write_text("extends: baseline\nworld:\n  tables: mine\n", encoding="utf-8")
    table = assumptions.parameters_table(sim.load_scenario(tmp_path / "own.yaml"), {})
    listed = table.frame.set_index("parameter")
    own = listed.loc["pue"]
    assert (own["value"], own["low"], own["high"], own["default"]) == (1.5, 1.4, 1.6, given.value)
    assert own["source"] == "the user's own table" and "changed here" in own["why"]
    assert listed.loc["flywheel", "source"] == same.source, "a row that says the same is no change"
    assert assumptions.KINDS.keys() >= set(listed["kind"])


def test_a_policy_that_a_scenario_has_twice_is_named_once():
    assert tables._policies(sim.load_scenario("resource-quota-strong")) == {"resource_quota": 2}
