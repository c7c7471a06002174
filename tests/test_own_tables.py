"""A user's own world tables: layers over a world, part of the scenario; mistakes are met with file, line and column."""

import os
import random
import re
import shutil
import time
import warnings

import pytest

import sim
from sim.ensemble import world_spec
from sim.errors import ScenarioError, WorldError
from sim.parameters import parameter_table
from sim.scenario import ScenarioWarning, load_scenario
from sim.scenario.own_tables import COLUMNS, MAX_FACTS, OPTIONAL, complete_tables
from sim.world import WORLDS
from sim.world.build import build
from sim.world.tables import ATTRIBUTES, KINDS, world_folders
from sim.world.template import write_template
from tests.scenario_files import edited, problems

HEADER = "name,attribute,value,unit,low,high,kind,source\n"
SHIPMENTS = "quarter,value,unit,low,high,kind,source\n"
PARAMETERS = "name,value,unit,low,high,kind,source\n"
FLYWHEEL = "elasticity of revenue to effective compute"


@pytest.fixture
def folder(tmp_path):
    """A folder with a scenario file that names a folder `mine`, still empty."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "x.yaml").write_text("extends: baseline\nworld:\n  tables: mine\n", encoding="utf-8")
    return tmp_path


def write(folder, **tables):
    """Write tables by name; bytes as they are."""
    for name, text in tables.items():
        data = text if isinstance(text, bytes) else text.encode("utf-8")
        (folder / "mine" / f"{name}.csv").write_bytes(data)
    return folder / "x.yaml"


# --- what tables mean ------------------------------------------------------------------------------


def test_the_template_is_the_shipped_world_bit_for_bit(folder):
    shutil.rmtree(folder / "mine")
    write_template(folder / "mine")
    path = write(folder)
    own = sim.run(path, replicates=2, quarters=6)
    shipped = sim.run("baseline", replicates=2, quarters=6)
    assert own.measures.equals(shipped.measures)
    assert own.firms.equals(shipped.firms)


@pytest.mark.parametrize("base", WORLDS)
def test_the_facts_of_every_shipped_world_are_valid_own_tables(base):
    facts = complete_tables(base, None)
    own = load_scenario({"world": {"base": base, "tables": facts}})
    assert own.world.tables == facts
    assert own.world.parameters == load_scenario({"world": {"base": base}}).world.parameters
    assert complete_tables(base, own.world.tables) == facts


def test_only_the_tables_that_are_there_replace_the_worlds(folder):
    text = PARAMETERS + f"flywheel,1.5,{FLYWHEEL},1,1.8,assumption,mine\n"
    scenario = load_scenario(write(folder, parameters=text))
    assert scenario.world.tables == {"parameters": {"flywheel": {"value": 1.5, "low": 1.0, "high": 1.8}}}
    others = {
        name: row.value for name, row in parameter_table(world_folders("world_2024")).items() if name != "flywheel"
    }
    assert scenario.world.parameters == {**others, "flywheel": 1.5}
    assert scenario.changed_parameters() == {}  # it is the world's value
    facts = complete_tables("world_2024", scenario.world.tables)
    shipped = complete_tables("world_2024", None)
    assert {name for name in facts if facts[name] != shipped[name]} == {"parameters"}


def test_a_file_goes_over_the_tables_it_names(folder):
    path = write(
        folder,
        parameters=PARAMETERS + f"flywheel,1.5,{FLYWHEEL},1,1.8,,\n",
        shipments=SHIPMENTS + "2024Q1,2,M H100e,,,,\n",
    )
    child = folder / "child.yaml"
    child.write_text("extends: x.yaml\nworld: {parameters: {flywheel: 1.9}, tables: more}\n", encoding="utf-8")
    (folder / "more").mkdir()
    (folder / "more" / "parameters.csv").write_text(
        PARAMETERS + "gamma,0.7,elasticity of power to effective compute,,,,\n"
    )
    with pytest.warns(ScenarioWarning, match="1.9 is outside the plausible range 1 to 1.8"):
        scenario = load_scenario(child)
    assert scenario.world.parameters["flywheel"] == 1.9
    assert scenario.world.parameters["gamma"] == 0.7
    assert scenario.world.tables["shipments"] == {"2024Q1": 2.0}
    assert scenario.changed_parameters() == {"flywheel": 1.9}
    assert load_scenario(path).world.parameters["gamma"] == 0.63


def test_a_table_goes_over_what_parents_say_about_the_same_facts(folder):
    rows = "Mine,class,lab,,,,,\nMine,compute,50,k H100e,,,,\n"
    write(folder, firms=HEADER + rows, parameters=PARAMETERS + f"flywheel,1.5,{FLYWHEEL},1,1.8,,\n")
    path = folder / "x.yaml"
    path.write_text("extends: parent.yaml\nworld: {tables: mine}\n", encoding="utf-8")
    said = "parameters: {flywheel: 1.2, gamma: 0.5}, firms: [{name: OpenAI, compute: 9}], owners: [{name: Oracle, order_factor: 2}]"
    (folder / "parent.yaml").write_text(f"extends: baseline\nworld: {{hold: theta, {said}}}\n", encoding="utf-8")
    world = load_scenario(path).world
    assert (world.parameters["flywheel"], world.parameters["gamma"]) == (1.5, 0.5)
    assert world.firms == ()
    assert world.owners == ({"name": "Oracle", "order_factor": 2.0},)


def test_a_scenario_may_change_an_actor_of_its_own_table(folder):
    rows = "Mine,class,lab,,,,,\nMine,compute,50,k H100e,,,,\nMine,revenue,1,$bn per year,,,,\n"
    path = write(folder, firms=HEADER + rows)
    path.write_text(path.read_text() + "  firms: [{name: Mine, compute: 60}]\n", encoding="utf-8")
    scenario = load_scenario(path)
    assert scenario.world.firms == ({"name": "Mine", "compute": 60.0},)
    path.write_text(path.read_text().replace("name: Mine", "name: OpenAI"), encoding="utf-8")
    (problem,) = problems(path)
    assert "world.firms.OpenAI: a new firm lacks class" in problem


def test_a_value_outside_the_range_of_its_row_is_a_warning(folder):
    path = write(folder, shipments=SHIPMENTS + "2024Q1,1,M H100e,0.5,0.9,,\n")
    where = re.escape(
        f"{folder / 'mine' / 'shipments.csv'}:2: column value: 1 is outside the plausible range 0.5 to 0.9"
    )
    with pytest.warns(ScenarioWarning, match=where):
        load_scenario(path)
    write(folder, shipments=SHIPMENTS + "2024Q1,1,M H100e,2,,,\n")
    with pytest.warns(ScenarioWarning, match="1 is outside the plausible range 2 to anything of its row"):
        load_scenario(path)


def test_facts_not_how_they_are_written_make_the_hash(folder):
    text = PARAMETERS + f"flywheel,1.5,{FLYWHEEL},1,1.8,assumption,mine\n"
    plain = load_scenario(write(folder, parameters=text))
    other = f"# a comment\r\n\r\nunit,name,high,low,value\r\n{FLYWHEEL}, flywheel,1.80,1e0,15e-1\r\n"
    again = load_scenario(write(folder, parameters=b"\xef\xbb\xbf" + other.encode()))
    assert again.content_hash() == plain.content_hash()
    changed = load_scenario(write(folder, parameters=text.replace("1.5", "1.4")))
    assert changed.content_hash() != plain.content_hash()
    assert load_scenario("baseline").content_hash() != plain.content_hash()


def test_a_resolved_scenario_holds_the_facts_and_needs_no_tables(folder, tmp_path):
    shutil.rmtree(folder / "mine")
    write_template(folder / "mine")
    scenario = load_scenario(folder / "x.yaml")
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text(scenario.to_yaml(), encoding="utf-8")
    shutil.rmtree(folder / "mine")
    assert load_scenario(elsewhere) == scenario
    assert load_scenario(elsewhere).content_hash() == scenario.content_hash()
    assert load_scenario(scenario.resolved()) == scenario


def test_a_result_keeps_the_facts_it_was_made_of(folder, tmp_path):
    rows = "2024Q1,0.9,M H100e,,,,\n2024Q2,1.1,M H100e,,,,\n"
    result = sim.run(
        write(folder, shipments=SHIPMENTS + rows), replicates=1, quarters=4, out=tmp_path / "out", figures=False
    )
    shutil.rmtree(folder / "mine")
    back = sim.load_result(tmp_path / "out")
    assert back.scenario == result.scenario
    again = sim.run(tmp_path / "out" / "scenario.resolved.yaml")
    assert again.measures.equals(result.measures)
    shipped = sim.run("baseline", replicates=1, quarters=4)
    assert not shipped.measures.equals(result.measures)


def test_an_override_may_name_a_folder(folder, monkeypatch):
    write(folder, shipments=SHIPMENTS + "2024Q1,2,M H100e,,,,\n")
    monkeypatch.chdir(folder)
    assert load_scenario("baseline", overrides=["world.tables=mine"]).world.tables == {"shipments": {"2024Q1": 2.0}}


@pytest.mark.parametrize("name", COLUMNS)
def test_every_fact_of_the_template_is_in_the_unit_that_messages_name(name, tmp_path):
    write_template(tmp_path / "t")
    text = (tmp_path / "t" / f"{name}.csv").read_text(encoding="utf-8")
    about = [line for line in text.splitlines() if line.startswith("#")]
    assert about
    assert max(map(len, about[:4])) <= 120
    for key in ATTRIBUTES.get(name, {}):
        assert any(line.startswith((f"# {key}: ", f"# {key}.OWNER: ")) for line in about)


# --- mistakes --------------------------------------------------------------------------------------

FIRM = "A,class,lab,,,,,\nA,compute,5,k H100e,,,,\n"
MISTAKES = [
    # table, text, line, column, what the message must say
    ("firms", HEADER + FIRM + "A,revenue,many,$bn per year,,,,\n", 4, "value", "'many' is text, not a number"),
    (
        "firms",
        HEADER + FIRM + "A,revenue,-1,$bn per year,,,,\n",
        4,
        "value",
        "-1 is out of range; allowed: a number of at least 0",
    ),
    ("firms", HEADER + FIRM + "A,revenue,,$bn per year,,,,\n", 4, "value", "empty"),
    ("firms", HEADER + FIRM + "A,revenue,nan,$bn per year,,,,\n", 4, "value", "not a number"),
    ("firms", HEADER + FIRM + "A,revenue,.inf,$bn per year,,,,\n", 4, "value", "not a finite number"),
    ("firms", HEADER + FIRM + "A,revenue,1e999,$bn per year,,,,\n", 4, "value", "not a finite number"),
    ("firms", HEADER + FIRM + "A,revenue," + "9" * 70 + ",$bn per year,,,,\n", 4, "value", "is text"),
    ("firms", HEADER + FIRM + "A,revenue,true,$bn per year,,,,\n", 4, "value", "true or false, not a number"),
    ("firms", HEADER + FIRM + 'A,revenue,"1,5",$bn per year,,,,\n', 4, "value", "write 1.5, without quotes"),
    ("firms", HEADER + FIRM + 'A,revenue,"1,500",$bn per year,,,,\n', 4, "value", "write 1500, without quotes"),
    ("firms", HEADER + FIRM + "A,revenue,5%,$bn per year,,,,\n", 4, "value", "write 0.05"),
    ("firms", HEADER + FIRM + "A,revenue,=1+1,$bn per year,,,,\n", 4, "value", "'=1+1' is text"),
    ("firms", HEADER + FIRM + "=cmd|' /C calc'!A0,class,lab,,,,,\n", 4, "name", "cannot be a name"),
    ("firms", HEADER + FIRM + "@SUM(A1),class,lab,,,,,\n", 4, "name", "cannot be a name"),
    ("firms", HEADER + FIRM + ",class,lab,,,,,\n", 4, "name", "cannot be a name"),
    ("firms", HEADER + FIRM + "Entrant 1,class,lab,,,,,\n", 4, "name", "which the model names"),
    ("firms", HEADER + FIRM + "a,class,lab,,,,,\na,compute,1,k H100e,,,,\n", 4, "name", "is here twice"),
    ("firms", HEADER + FIRM + "A,revenu,1,$bn per year,,,,\n", 4, "attribute", "did you mean revenue?"),
    ("firms", HEADER + FIRM + "A,,1,$bn per year,,,,\n", 4, "attribute", "unknown attribute"),
    ("firms", HEADER + FIRM + "A,revenue.x,1,$bn per year,,,,\n", 4, "attribute", "unknown attribute"),
    ("firms", HEADER + FIRM + "A,partners,1,log odds,,,,\n", 4, "attribute", "allowed: partners.OWNER"),
    ("firms", HEADER + FIRM + "A,partners.Gogle,1,log odds,,,,\n", 4, "attribute", "did you mean Google?"),
    ("firms", HEADER + FIRM + "A,partners.Google,-1,log odds,,,,\n", 4, "value", "of at least 0 (log odds)"),
    ("firms", HEADER + FIRM + "A,integrated_owner,Mircosoft,,,,,\n", 4, "value", "did you mean Microsoft?"),
    ("firms", HEADER + FIRM + "A,integrated_owner,,,,,,\n", 4, "value", "the name of an owner"),
    ("firms", HEADER + FIRM + "A,weights,opne,,,,,\n", 4, "value", "did you mean open?"),
    ("firms", HEADER + FIRM + "A,compute,6,k H100e,,,,\n", 4, "attribute", "is here twice (first on line 3)"),
    ("firms", HEADER + FIRM + "A,revenue,1,bn,,,,\n", 4, "unit", "write $bn per year, and convert"),
    ("firms", HEADER + FIRM + "A,revenue,1,,,,,\n", 4, "unit", "the unit is missing; allowed: $bn per year"),
    ("firms", HEADER + FIRM + "A,weights,open,share,,,,\n", 4, "unit", "leave it empty"),
    ("firms", HEADER + FIRM + "A,revenue,1,$bn per year,2,0.5,,\n", 4, "high", "0.5 is below low, 2"),
    ("firms", HEADER + FIRM + "A,revenue,1,$bn per year,low,3,,\n", 4, "low", "'low' is text, not a number"),
    (
        "firms",
        HEADER + FIRM + "A,revenue,1,$bn per year,,,guess,\n",
        4,
        "kind",
        "no kind of evidence; allowed: measured",
    ),
    ("firms", HEADER + FIRM + "A,revenue,1,$bn per year,,,mesured,\n", 4, "kind", "did you mean measured?"),
    (
        "firms",
        HEADER + FIRM + "A,revenue,1,$bn per year\n",
        4,
        "",
        "has 4 cells; allowed: 8, as the header; add commas",
    ),
    ("firms", HEADER + FIRM + "A,revenue,1,$bn per year,,,,x, y\n", 4, "", "put text with a comma in quotes"),
    ("firms", HEADER + "B,class,lab,,,,,\n" + FIRM, 2, "", "a new firm lacks compute"),
    ("firms", HEADER + '"A,class,lab,,,,,\n', 2, "", "is not valid CSV"),
    ("firms", HEADER + FIRM + "A,revenue,\0,$bn per year,,,,\n", 4, "", "U+0000"),
    ("firms", HEADER + FIRM + "A,revenue,1,$bn per year,,,,\x1b[31m\n", 4, "", "U+001B"),
    ("firms", (HEADER + FIRM).encode("utf-16"), 1, "", "is not UTF-8 text"),
    ("firms", (HEADER + FIRM + "Caf\u00e9,class,lab,,,,,\n").encode("latin-1"), 4, "", "is not UTF-8 text"),
    ("firms", "", 0, "", "is empty"),
    ("firms", b"PK\x03\x04" + bytes(range(128)), 1, "", "U+0003"),
    ("firms", HEADER + "# x\n" * 70_000, 0, "", "is larger than 256 KB"),
    ("firms", HEADER.replace(",", ";") + FIRM.replace(",", ";"), 1, "", "not separated by commas"),
    ("firms", HEADER.replace("unit", "units") + FIRM, 1, "units", "did you mean unit?"),
    ("firms", HEADER.replace("unit,", "") + FIRM, 1, "", "lacks the column unit"),
    ("firms", HEADER.replace("low", "unit") + FIRM, 1, "unit", "stands here 2 times"),
    ("firms", HEADER.replace("low", "") + FIRM, 1, "without a name", "unknown column"),
    ("owners", HEADER, 1, "", "there are no owners; allowed: at least one"),
    ("owners", HEADER + "O,business,cloud,,,,,\nO,sells_to,all,,,,,\n", 1, "", "no owner has a stock_share above 0"),
    ("owners", HEADER + "O,stock_share,1.5,share of world stock,,,,\n", 2, "value", "a number from 0 to 1"),
    ("owners", HEADER + "O,stock_share,50,%,,,,\n", 2, "unit", "write share of world stock"),
    ("owners", HEADER + "O,sells_to,nobody,,,,,\n", 2, "value", "allowed: all, affiliates, own"),
    (
        "owners",
        HEADER + "O,stock_share,1,share of world stock,,,,\nO,business,cloud,,,,,\nO,sells_to,all,,,,,\n",
        1,
        "",
        "tables of world_2024 name owners that are not here: Microsoft (named by Mistral)",
    ),
    (
        "makers",
        HEADER
        + "M,captive_to,Gogle,,,,,\nM,stock_share,1,share of world stock,,,,\nM,flow_share,1,share of shipments in 2024,,,,\n",
        2,
        "value",
        "did you mean Google?",
    ),
    ("makers", HEADER + "M,unit_cost_share,0,share of price,,,,\n", 2, "value", "of at least 0.01"),
    (
        "sectors",
        HEADER + "S,budget_share,1,share of budgets,,,,\n",
        2,
        "",
        "lacks adoption, quality_elasticity, data_elasticity",
    ),
    ("sectors", HEADER + "S,adoption,0,% of firms using AI,,,,\n", 2, "value", "from 0.01 to 100"),
    ("sectors", HEADER + "S,quality_elasticity,1e9,x mean,,,,\n", 2, "value", "from 0 to 10"),
    ("shipments", SHIPMENTS, 1, "", "at least 2024Q1"),
    ("shipments", SHIPMENTS + "2024Q2,1,M H100e,,,,\n", 2, "value", "write 2024Q1"),
    ("shipments", SHIPMENTS + "2024Q1,1,M H100e,,,,\n2024Q3,1,M H100e,,,,\n", 3, "value", "write 2024Q2"),
    ("shipments", SHIPMENTS + "2024Q1,1,M H100e,,,,\n2024Q1,1,M H100e,,,,\n", 3, "quarter", "is here twice"),
    ("shipments", SHIPMENTS + "2024Q1,-1,M H100e,,,,\n", 2, "value", "of at least 0"),
    ("shipments", SHIPMENTS + "2024Q1,1,chips,,,,\n", 2, "unit", "write M H100e"),
    ("parameters", PARAMETERS + f"flywhel,1,{FLYWHEEL},,,,\n", 2, "name", "did you mean flywheel?"),
    ("parameters", PARAMETERS + f"Lambda,1,{FLYWHEEL},,,,\n", 2, "name", "write flywheel"),
    ("parameters", PARAMETERS + f"flywheel,99,{FLYWHEEL},,,,\n", 2, "value", "from 0.001 to 10"),
    ("parameters", PARAMETERS + "flywheel,1,ratio,,,,\n", 2, "unit", f"write {FLYWHEEL}"),
    ("parameters", PARAMETERS + "entry_slots,3.5,firms,,,,\n", 2, "value", "is not whole"),
    ("parameters", PARAMETERS + f"flywheel,1,{FLYWHEEL},,,,\n" * 2, 3, "name", "is here twice (first on line 2)"),
    (
        "parameters",
        PARAMETERS.replace("low", "minimum") + f"flywheel,1,{FLYWHEEL},,,,\n",
        1,
        "minimum",
        "delete the column",
    ),
    ("firm", HEADER, 0, "", "did you mean firms.csv?"),
    ("Firms", HEADER, 0, "", "is no world table"),
]


@pytest.mark.parametrize(("table", "text", "line", "column", "what"), MISTAKES)
def test_a_mistake_names_file_line_column_and_remedy(table, text, line, column, what, folder):
    path = write(folder, **{table: text})
    where = (
        f"{folder / 'mine' / table}.csv" + (f":{line}: " if line else ": ") + (f"column {column}: " if column else "")
    )
    found = [problem for problem in problems(path) if problem.startswith(where)]
    assert any(what in problem for problem in found), problems(path)
    assert all(problem.count("; ") >= 2 for problem in problems(path)), problems(path)


def test_all_problems_of_all_tables_are_told_at_once(folder):
    path = write(
        folder,
        firms=HEADER + FIRM + "A,revenu,1,$bn per year,,,,\nA,revenue,1,bn,,,,\nA,weights,shut,,,,,\n",
        owners=HEADER + "O,stock_share,7,share of world stock,,,,\n",
        parameters=PARAMETERS + f"flywheel,99,{FLYWHEEL},,,,\n",
        sector=HEADER,
    )
    found = [re.sub(r".*/", "", problem.split("; ")[0]).split(": ")[:2] for problem in problems(path)]
    assert found == [
        ["firms.csv:4", "column attribute"],
        ["firms.csv:5", "column unit"],
        ["firms.csv:6", "column value"],
        ["owners.csv:2", "column value"],
        ["parameters.csv:2", "column value"],
        ["sector.csv", "is no world table"],
    ]


def test_wrong_references_are_told_with_other_mistakes_of_the_scenario(folder):
    path = write(folder, firms=HEADER + FIRM + "A,partners.Gogle,1,log odds,,,,\nA,partners.Metta,,log odds,,,,\n")
    path.write_text(path.read_text() + "  holdd: theta\nrun: {seed: -1}\n", encoding="utf-8")
    texts = "\n".join(problems(path))
    for part in ("firms.csv:4: column attribute", "firms.csv:5: column attribute", "x.yaml:4: world.holdd", "run.seed"):
        assert part in texts


@pytest.mark.parametrize(
    ("tables", "what"),
    [
        ("''", "is empty"),
        ("5", "is a whole number; allowed: a folder"),
        ("[mine]", "allowed: a folder"),
        ("nowhere", "there is no folder"),
        ("mine/firms.csv", "there is no folder"),
        ("mine", "there is no table in"),
        ("/etc", "leaves the folder"),
        ("../../../../..", "leaves the folder"),
        ('"a\\0b"', "allowed: a path"),
        ("{firm: []}", "did you mean firms?"),
        ("{firms: 5}", "allowed: a list of firms"),
        ("{firms: [5]}", "allowed: a mapping"),
        ("{firms: [{name: A}]}", "lacks class, compute"),
        ("{firms: [{name: A, class: lab, compute: -1}]}", "out of range"),
        ("{parameters: {gama: {value: 1}}}", "did you mean gamma?"),
        ("{parameters: {gamma: 1}}", "has no value"),
        ("{parameters: {gamma: {value: 1, unit: x}}}", "unknown key"),
        ("{shipments: {2024Q2: 1}}", "write 2024Q1"),
        ("{shipments: [1]}", "allowed: a mapping"),
    ],
)
def test_a_wrong_name_or_form_of_tables_is_refused_where_it_stands(tables, what, folder):
    (folder / "mine" / "notes.txt").write_text("other files are left alone")
    path = folder / "y.yaml"
    path.write_text(f"extends: baseline\nworld:\n  tables: {tables}\n", encoding="utf-8")
    assert all(problem.startswith(f"{path}:3: world.tables") for problem in problems(path))
    assert any(what in problem for problem in problems(path)), problems(path)


def test_links_out_of_the_folder_tree_are_refused(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "firms.csv"
    elsewhere.write_text(HEADER + FIRM)
    (folder / "mine" / "firms.csv").symlink_to(elsewhere)
    (problem,) = problems(folder / "x.yaml")
    assert "is a link to a file elsewhere" in problem


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_refused_without_waiting(folder):
    os.mkfifo(folder / "mine" / "firms.csv")
    assert "not an ordinary file" in problems(folder / "x.yaml")[0]


def test_a_folder_called_like_a_table_is_refused(folder):
    (folder / "mine" / "firms.csv").mkdir()
    assert "not an ordinary file" in problems(folder / "x.yaml")[0]


def test_too_many_facts_are_refused(folder):
    rows = "".join(f"F{k},class,lab,,,,,\nF{k},compute,1,k H100e,,,,\n" for k in range(MAX_FACTS // 2 + 1))
    (problem,) = problems(write(folder, firms=HEADER + rows))
    assert f"hold {MAX_FACTS + 2:,} facts" in problem


def test_as_many_facts_as_allowed_make_a_resolved_scenario_that_can_be_read(folder):
    rows = "".join(
        f"Firm number {k},class,lab,,,,,\nFirm number {k},compute,1e-5,k H100e,,,,\n" for k in range(MAX_FACTS // 2)
    )
    scenario = load_scenario(write(folder, firms=HEADER + rows))
    again = folder / "again.yaml"
    again.write_text(scenario.to_yaml(), encoding="utf-8")
    assert load_scenario(again) == scenario


def test_thousands_of_mistakes_are_told_briefly_and_at_once(folder):
    rows = "".join(f"F{k},nothing,lab,,,,,\n" for k in range(1900))
    begin = time.perf_counter()
    assert len(problems(write(folder, firms=HEADER + rows))) == 100
    assert time.perf_counter() - begin < 10  # seconds; 0.5 when nothing else runs


def test_facts_that_contradict_each_other_are_told_by_actor(folder):
    path = write(folder, firms=HEADER + "A,class,lab,,,,,\nA,compute,9e9,k H100e,,,,\n")
    with pytest.raises(WorldError, match="firms use more compute than"):
        sim.run(path, replicates=1, quarters=1)


def test_facts_too_far_apart_are_an_error_of_the_input():
    facts = complete_tables("world_2024", None)
    facts["firms"][0]["compute"] = 1e300
    with pytest.raises(WorldError, match="cannot be reconciled"):
        build(world_spec(load_scenario({"world": {"tables": facts}})))


def mutate(text, luck):
    """One to three random edits of a table."""
    pieces = [",", '"', "\n", ";", "#", "\0", "-", "1e999", "nan", "=1+1", "\ufeff", "é", ",,", "Google", ".", "0", " "]
    return edited(text, pieces, luck)


@pytest.mark.parametrize("n_files", [150, pytest.param(2000, marks=pytest.mark.long)])
def test_a_mutated_table_is_accepted_or_refused_and_nothing_else(folder, n_files):
    write_template(folder / "template")
    texts = {name: (folder / "template" / f"{name}.csv").read_text(encoding="utf-8") for name in COLUMNS}
    texts["parameters"] = re.sub("(?m)^#(?=[a-z_]+,)", "", texts["parameters"])
    luck = random.Random(20240102)
    accepted = 0
    for number in range(n_files):
        name = list(texts)[number % len(texts)]
        path = write(folder, **{name: mutate(texts[name], luck)})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ScenarioWarning)
            try:
                scenario = load_scenario(path)
            except ScenarioError as error:
                assert all(problem.startswith(str(folder)) for problem in error.problems)
            else:
                assert load_scenario(scenario.resolved()) == scenario
                accepted += 1
        (folder / "mine" / f"{name}.csv").unlink()
    assert 0.1 < accepted / n_files < 0.9  # the mutations are neither all harmless nor all fatal


def test_the_words_of_the_tables_are_those_of_the_documentation():
    assert OPTIONAL == ("low", "high", "kind", "source")
    assert KINDS == ("measured", "secondary", "estimate", "assumption")
