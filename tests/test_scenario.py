"""Scenario files: mistakes are met well, parents merge as described, nothing is lost on a round trip."""

import json
import os
import pickle
import random
import re
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError

from sim.errors import ScenarioError
from sim.parameters import parameter_table
from sim.scenario import (
    NAME_PATTERN,
    Scenario,
    ScenarioWarning,
    _ActorChecker,
    is_safe_name,
    json_schema,
    load_scenario,
    shipped_scenarios,
)
from sim.world.tables import read_population, world_folders
from tests.scenario_files import edited, problems, write

BASELINE = Path(__file__).parents[1] / "scenarios" / "baseline.yaml"


@pytest.fixture
def folder(tmp_path):
    """A folder with a marker, where parents may lie."""
    (tmp_path / ".aipower").touch()
    return tmp_path


# --- the shipped baseline --------------------------------------------------------------------------


def test_the_baseline_is_what_the_documentation_says():
    baseline = load_scenario(BASELINE)
    assert baseline.name == "baseline"
    assert baseline.question
    assert (baseline.run.replicates, baseline.run.seed) == (200, 1)
    assert (baseline.horizon.start, baseline.horizon.end) == ("2024Q1", "2035Q4")
    assert baseline.horizon.n_quarters == 48
    assert baseline.record.networks == ("2024Q4", "2035Q4")
    assert baseline.changed_parameters() == {}


def test_the_baseline_says_nothing_but_the_defaults():
    assert load_scenario(BASELINE).content_hash() == load_scenario({}).content_hash()


def test_shipped_scenarios_are_found_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipped_scenarios()["baseline"] == BASELINE.resolve()
    assert load_scenario("baseline") == load_scenario(BASELINE)


def test_all_shipped_scenarios_load_without_warnings():
    for path in shipped_scenarios().values():
        load_scenario(path)


def test_a_file_goes_before_a_shipped_scenario_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "baseline", "run: {seed: 7}")
    assert load_scenario("baseline").run.seed == 7


# --- mistakes --------------------------------------------------------------------------------------

MISTAKES = [
    # text, line, key, what the message must say
    ("sed: 1", 1, "sed", "did you mean run.seed?"),
    ("replicates: 5", 1, "replicates", "did you mean run.replicates?"),
    ("gamma: 0.5", 1, "gamma", "did you mean world.parameters.gamma?"),
    ("# x\nwordl: {}", 2, "wordl", "did you mean world?"),
    ("horizons: {end: 2030Q4}", 1, "horizons", "did you mean horizon?"),
    ("Run: {seed: 1}", 1, "Run", "did you mean run?"),
    ("qqqqq: 1", 1, "qqqqq", "leave it out"),
    ("run:\n  replicats: 5", 2, "run.replicats", "did you mean replicates?"),
    ("run:\n  seed: 1\n  replicates: 2.5", 3, "run.replicates", "whole number from 1 to 1,000,000"),
    ("run: {replicates: 0}", 1, "run.replicates", "0 is out of range"),
    ("run: {replicates: 1000001}", 1, "run.replicates", "from 1 to 1,000,000"),
    ("run: {replicates: 1e3}", 1, "run.replicates", "write 1000"),
    ("run: {replicates: 1e30}", 1, "run.replicates", "1,000,000; try 200"),
    ("world: {parameters: {flywheel: 1e300}}", 1, "world.parameters.flywheel", "plausible 0.5 to 2; try 1"),
    ("run: {replicates: '200'}", 1, "run.replicates", "'200' is text"),
    ("run: {replicates: 1,000}", 1, "run.000", "or a number without a comma, like 0.63 or 1000"),
    ("run: {replicates: 1_000}", 1, "run.replicates", "write 1000, without quotes"),
    ("run: {replicates: true}", 1, "run.replicates", "true is true or false"),
    ("run: {replicates: [5]}", 1, "run.replicates", "is a list"),
    ("run: {seed: -1}", 1, "run.seed", "-1 is out of range"),
    ("run: {seed: 9223372036854775808}", 1, "run.seed", "from 0 to 9,223,372,036,854,775,807"),
    ("run: {seed: 0.0}", 1, "run.seed", "write 0"),
    ("run: {seed: }", 1, "run.seed", "empty"),
    ("run: 200", 1, "run", "indent `replicates:` under it"),
    ("horizon: {end: 2035}", 1, "horizon.end", "try 2035Q1"),
    ("horizon: {end: 2035q4}", 1, "horizon.end", "try 2035Q4"),
    ("horizon: {end: 2035-Q3}", 1, "horizon.end", "try 2035Q3"),
    ("horizon: {end: 2035Q5}", 1, "horizon.end", "try 2035Q1"),
    ("horizon: {end: 'soon'}", 1, "horizon.end", "try 2027Q1"),
    ('horizon: {end: "2035Q4\\n"}', 1, "horizon.end", "not a quarter"),
    ("horizon: {end: 2023Q4}", 1, "horizon.end", "before the start"),
    ("horizon: {end: 2124Q1}", 1, "horizon.end", "makes 401 quarters; allowed: 2024Q1 to 2123Q4"),
    ("horizon:\n  start: 2025Q1", 2, "horizon.start", "not where world_2024 starts"),
    ("horizon: {begin: 2024Q1}", 1, "horizon.begin", "allowed: start, end"),
    ("world: {base: world_2025}", 1, "world.base", "did you mean world_2024?"),
    ("world: {base: gibrat}", 1, "world.base", "did you mean gibrat_null?"),
    ("world: {hold: thetta}", 1, "world.hold", "did you mean theta?"),
    ("world: {tables: mine/}", 1, "world.tables", "there is no folder"),
    ("world: {tables: [mine]}", 1, "world.tables", "allowed: a folder of CSV files"),
    ("world: {params: {}}", 1, "world.params", "did you mean parameters?"),
    ("world:\n  parameters:\n    gama: 0.5", 3, "world.parameters.gama", "did you mean gamma?"),
    ("world: {parameters: {rho: 3}}", 1, "world.parameters.rho", "write substitution"),
    ("world: {parameters: {Lambda: 1}}", 1, "world.parameters.Lambda", "write flywheel"),
    ("world: {parameters: {flywheel: -1}}", 1, "world.parameters.flywheel", "from 0.001 to 10"),
    ("world: {parameters: {flywheel: '1'}}", 1, "world.parameters.flywheel", "write 1, without"),
    ("world: {parameters: {flywheel: no}}", 1, "world.parameters.flywheel", "'no' is text"),
    ("world: {parameters: {flywheel: .inf}}", 1, "world.parameters.flywheel", "not a finite"),
    ("world: {parameters: {flywheel: 1e999}}", 1, "world.parameters.flywheel", "not a finite"),
    ("world: {parameters: {flywheel: .nan}}", 1, "world.parameters.flywheel", "not a finite"),
    ("world: {parameters: {flywheel: true}}", 1, "world.parameters.flywheel", "not a number"),
    ("world: {parameters: {flywheel: }}", 1, "world.parameters.flywheel", "try 1"),
    ("world: {parameters: {utilisation: 95%}}", 1, "world.parameters.utilisation", "write 0.95"),
    ("world: {parameters: {utilisation: 95}}", 1, "world.parameters.utilisation", "0.05 to 1"),
    (
        "world: {parameters: {exit_quarters: 1.5}}",
        1,
        "world.parameters.exit_quarters",
        "is not whole",
    ),
    ("world: {parameters: [gamma]}", 1, "world.parameters", "a mapping"),
    ("world:\n  firms:\n    - {name: OpenAl}", 3, "world.firms.OpenAl", "did you mean OpenAI?"),
    ("world: {firms: [{name: openai, revenue: 2}]}", 1, "world.firms.openai.name", "write OpenAI"),
    ("world: {firms: [{revenue: 2}]}", 1, "world.firms[0]", "has no name"),
    ("world: {firms: [{name: 3}]}", 1, "world.firms[0].name", "not text"),
    ("world: {firms: [{name: =cmd()}]}", 1, "world.firms.=cmd().name", "cannot be a name"),
    ("world: {firms: [{name: Entrant 1}]}", 1, "world.firms.Entrant 1.name", "cannot be a name"),
    (
        "world:\n  firms:\n    - {name: Mistral, revenue: 1}\n    - {name: Mistral, revenue: 2}",
        4,
        "world.firms.Mistral.name",
        "is here twice",
    ),
    ("world: {firms: {OpenAI: {revenue: 1}}}", 1, "world.firms", "a list"),
    ("world: {firms: [OpenAI]}", 1, "world.firms[0]", "a mapping with name"),
    (
        "world: {firms: [{name: OpenAI, revenu: 1}]}",
        1,
        "world.firms.OpenAI.revenu",
        "did you mean revenue?",
    ),
    ("world: {firms: [{name: OpenAI, class: big}]}", 1, "world.firms.OpenAI.class", "giant, lab"),
    (
        "world: {firms: [{name: OpenAI, revenue: -1}]}",
        1,
        "world.firms.OpenAI.revenue",
        "of at least 0",
    ),
    (
        "world: {firms: [{name: OpenAI, integrated_owner: Gogle}]}",
        1,
        "world.firms.OpenAI.integrated_owner",
        "did you mean Google?",
    ),
    (
        "world: {firms: [{name: OpenAI, partners: {Gogle: 1}}]}",
        1,
        "world.firms.OpenAI.partners.Gogle",
        "did you mean Google?",
    ),
    (
        "world: {firms: [{name: OpenAI, partners: [Google]}]}",
        1,
        "world.firms.OpenAI.partners",
        "a mapping of owners",
    ),
    ("world: {firms: [{name: New Lab}]}", 1, "world.firms.New Lab", "lacks class, compute"),
    (
        "world: {owners: [{name: Google, stock_share: 1.2}]}",
        1,
        "world.owners.Google.stock_share",
        "from 0 to 1",
    ),
    (
        "world: {makers: [{name: AMD, captive_to: Nobody}]}",
        1,
        "world.makers.AMD.captive_to",
        "not known",
    ),
    ("world: {firms+: []}", 1, "world.firms+", "only policies+ appends"),
    ("power: log", 1, "power", "indent `family:` under it"),
    ("power: {family: lgo}", 1, "power.family", "did you mean log?"),
    ("power: {family: hill, threshold_jump: 2}", 1, "power.threshold_jump", "belongs to power family threshold"),
    ("power: {family: power, elasticity: 0.5}", 1, "power.elasticity", "allowed: family"),
    ("mechanisms: {mergers: yes please}", 1, "mechanisms.mergers", "allowed: true or false"),
    ("mechanisms: {openweights: true}", 1, "mechanisms.openweights", "did you mean open_weights?"),
    ("mechanisms: {entry: no}", 1, "mechanisms.entry", "write false"),
    ("mechanisms: {entry: 1}", 1, "mechanisms.entry", "write true"),
    (
        "mechanisms: {expectations: adaptve}",
        1,
        "mechanisms.expectations",
        "did you mean adaptive?",
    ),
    ("policies:\n  - trainig_cap: {flop: 1e26}", 2, "policies[0]", "did you mean training_cap?"),
    ("policies: training_cap", 1, "policies", "a list"),
    ("policies:", 1, "policies", "write []"),
    ("policies+: 3", 1, "policies+", "a list"),
    ("policies: []\npolicies+: []", 2, "policies+", "stands beside policies"),
    ("record: {firms: monthly}", 1, "record.firms", "allowed: none, yearly, quarterly"),
    ("record: {firms: no}", 1, "record.firms", "did you mean none?"),
    ("record: {measures: none}", 1, "record.measures", "allowed: quarterly, yearly"),
    ("record:\n  networks: [2024Q4, 2036Q1]", 2, "record.networks[1]", "outside the horizon"),
    ("record: {networks: 2024Q4}", 1, "record.networks", "is text; allowed: a list"),
    ("record: {networks: [2024]}", 1, "record.networks[0]", "try 2024Q1"),
    ("schema: 2", 1, "schema", "the file is in format 2, of a newer aipower than this"),
    ("schema: 2\nnew_section: {}", 1, "schema", "update aipower"),
    ("schema: 0", 1, "schema", "0 is no version of the file format; allowed: format 1"),
    ("schema: -1", 1, "schema", "write schema: 1"),
    ("schema: 1.1", 1, "schema", "write schema: 1"),
    ("schema: '1'", 1, "schema", "write schema: 1"),
    ("schema:", 1, "schema", "write schema: 1"),
    ("schema: true", 1, "schema", "allowed: a whole number, 1"),
    ("name: My Scenario", 1, "name", "try my-scenario"),
    ("name: con", 1, "name", "no reserved name"),
    ("name: a.", 1, "name", "try a"),
    ("name: ../a", 1, "name", "try a"),
    ("name: " + "a" * 65, 1, "name", "up to 63"),
    ("name: 2027", 1, "name", "is a whole number; allowed: text"),
    ("question: 5", 1, "question", "allowed: text"),
    ("question: " + "why " * 200, 1, "question", "shorten it"),
    ('question: "a\\u202eb"', 1, "question", "cannot be shown"),
    ("extends: 5", 1, "extends", "one path"),
    ("extends:", 1, "extends", "one path"),
    ("extends: basline", 1, "extends", "did you mean baseline?"),
    ("extends: .", 1, "extends", "there is no file"),
    ("extends: /etc/passwd", 1, "extends", "leaves the folder"),
    ("extends: ../../../../../etc/passwd", 1, "extends", "leaves the folder"),
    ('extends: "a\\0b"', 1, "extends", "allowed: a path"),
    ("extends: x.yaml", 1, "extends", "in a circle"),
    ("- run", 1, "", "the content is a list"),
    ("run", 1, "", "the content is text"),
    ("run: {seed: 1, seed: 2}", 1, "run.seed", "duplicate key"),
    ("world: &w {}\npower: *w", 1, "world", "anchor"),
    ("run: {<<: {seed: 1}}", 1, "run.<<", "merge key"),
    ("run: !!python/name:os.system", 1, "run", "tag"),
    ("run: {seed: 1}\n---\nrun: {seed: 2}", 2, "", "second document"),
    ("5: x", 1, "5", "not text"),
    ("world: " + "{a: " * 60 + "}" * 60, 1, "world.a.a.a", "50 levels"),
    ("run: {seed: 1", 2, "", "not valid YAML"),
    ("run: \x00", 1, "", "U+0000"),
]


@pytest.mark.parametrize(("text", "line", "key", "what"), MISTAKES)
def test_a_mistake_names_file_line_key_and_remedy(text, line, key, what, folder):
    path = write(folder / "x.yaml", text)
    where = f"{path}:{line}: {key}: " if key else f"{path}:{line}: "
    found = [problem for problem in problems(path) if problem.startswith(where)]
    assert found, problems(path)
    assert any(what in problem for problem in found), found


def test_the_table_of_mistakes_is_long_enough():
    assert len(MISTAKES) >= 60


def test_each_message_says_what_is_wrong_what_is_allowed_and_what_to_try(folder):
    for text, *_ in MISTAKES:
        for problem in problems(write(folder / "x.yaml", text)):
            assert problem.count("; ") >= (1 if "YAML" in problem or "levels" in problem else 2)


def test_several_problems_are_told_at_once_in_order(folder):
    text = """\
run: {sed: 3}
world:
  parameters: {gama: 1, flywheel: 99}
  firms: [{name: OpenAI, compte: 1}]
horizon: {start: 2025Q1}
power: {family: hil}
"""
    path = write(folder / "x.yaml", text)
    lines = problems(path)
    keys = [line.removeprefix(f"{path}:").split(": ")[:2] for line in lines]
    assert keys == [
        ["1", "run.sed"],
        ["3", "world.parameters.gama"],
        ["3", "world.parameters.flywheel"],
        ["4", "world.firms.OpenAI.compte"],
        ["5", "horizon.start"],
        ["6", "power.family"],
    ]


def test_a_file_with_thousands_of_problems_tells_a_hundred(folder):
    rows = "".join(f"    gama{number}: 1\n" for number in range(5000))
    path = write(folder / "x.yaml", f"world:\n  parameters:\n{rows}")
    assert len(problems(path)) == 100
    with pytest.raises(ScenarioError, match=r"and 80 more$"):
        load_scenario(path)


def test_a_missing_file_suggests_the_nearest(folder):
    write(folder / "training_cap.yaml", "")
    (line,) = problems(folder / "trainingcap.yaml")
    assert f"did you mean {folder / 'training_cap.yaml'}?" in line
    assert "did you mean baseline?" in problems("basline")[0]


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 5000, "no/such/file.yaml", "."])
def test_strange_paths_are_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert problems(name)


@pytest.mark.parametrize("given", [None, 3, ["baseline"], SimpleNamespace(scenario=3)])
def test_what_is_no_scenario_is_refused_with_its_type(given):
    with pytest.raises(ScenarioError, match=f"a scenario is a path.*not of the type {type(given).__name__}"):
        load_scenario(given)


def test_an_owner_has_its_article():
    (line,) = problems({"world": {"owners": [{"name": "Google", "colour": 1}]}})
    assert "unknown attribute of an owner; allowed: " in line


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "x.yaml")
    assert "not an ordinary file" in problems(tmp_path / "x.yaml")[0]


def test_the_name_is_the_files_stem_if_that_is_a_safe_name(folder):
    assert load_scenario(write(folder / "what-if.yaml", "")).name == "what-if"
    (line,) = problems(write(folder / "What If.yaml", ""))
    assert line.endswith("try what-if")


@pytest.mark.parametrize(
    "name",
    ["a", "0", "training-cap", "a.b_c-d", "a" * 64, "console", "com", "lpt10", "null"],
)
def test_safe_names_are_taken(name):
    assert is_safe_name(name)
    assert re.search(NAME_PATTERN, name)


@pytest.mark.parametrize(
    "name",
    ["", "A", "-a", ".a", "a.", "a/b", "a b", "nul", "con.txt", "com1", "lpt9.x", "a\n", "a" * 65],
)
def test_unsafe_names_are_refused(name):
    assert not is_safe_name(name)


def test_every_actor_of_the_world_could_be_named_in_a_scenario():
    for population in ("firms", "owners", "makers"):
        names = list(read_population(population))
        checker = _ActorChecker(population, names, [])
        assert [checker.wrong_name(name) for name in names] == [None] * len(names)


# --- extends ---------------------------------------------------------------------------------------


def test_mappings_merge_by_key_and_lists_replace(folder):
    write(
        folder / "parent.yaml",
        """
        run: {replicates: 7, seed: 3}
        world: {parameters: {flywheel: 1.2, substitution: 4}}
        record: {networks: [2024Q4, 2025Q4], firms: none}
        """,
    )
    child = write(
        folder / "sub" / "child.yaml",
        """
        extends: ../parent.yaml
        run: {seed: 0}
        world: {parameters: {flywheel: 1.5}}
        record: {networks: [2026Q4]}
        """,
    )
    scenario = load_scenario(child)
    assert (scenario.run.replicates, scenario.run.seed) == (7, 0)
    assert scenario.changed_parameters() == {"flywheel": 1.5, "substitution": 4.0}
    assert scenario.record.networks == ("2026Q4",)
    assert scenario.record.firms == "none"


def test_an_empty_heading_changes_nothing(folder):
    write(folder / "parent.yaml", "run: {replicates: 7}\nworld: {hold: theta}")
    scenario = load_scenario(write(folder / "c.yaml", "extends: parent.yaml\nrun:\nworld:\n"))
    assert (scenario.run.replicates, scenario.world.hold) == (7, "theta")


def test_actors_merge_by_name_and_keep_their_order(folder):
    write(
        folder / "parent.yaml",
        """
        world:
          firms:
            - {name: OpenAI, revenue: 2, partners: {Microsoft: 2}}
            - {name: NewCo, class: lab, compute: 5}
        """,
    )
    child = write(
        folder / "child.yaml",
        """
        extends: parent.yaml
        world:
          firms:
            - {name: Mistral, revenue: 1}
            - {name: OpenAI, compute: 200, partners: {Oracle: 1}}
        """,
    )
    assert load_scenario(child).world.firms == (
        {
            "name": "OpenAI",
            "compute": 200.0,
            "revenue": 2.0,
            "partners": {"Microsoft": 2.0, "Oracle": 1.0},
        },
        {"name": "NewCo", "class": "lab", "compute": 5.0},
        {"name": "Mistral", "revenue": 1.0},
    )


def test_a_firm_may_belong_to_an_owner_that_the_scenario_adds():
    owner = {"name": "Orbit", "business": "cloud", "sells_to": "all"}
    firm = {"name": "OpenAI", "integrated_owner": "Orbit"}
    world = load_scenario({"world": {"owners": [owner], "firms": [firm]}}).world
    assert world.firms[0]["integrated_owner"] == "Orbit"


def test_policies_plus_appends_to_the_parents_list(folder):
    write(folder / "parent.yaml", "policies: [one]")
    child = write(folder / "child.yaml", "extends: parent.yaml\npolicies+:\n  - two")
    lines = problems(child)
    assert [line.split(":")[1:3] for line in lines] == [
        ["3", " policies[1]"],
        ["1", " policies[0]"],
    ]
    replaced = write(folder / "child.yaml", "extends: parent.yaml\npolicies: []")
    assert load_scenario(replaced).policies == ()


def test_name_and_question_are_not_inherited(folder):
    write(folder / "parent.yaml", "name: other\nquestion: Why?\nrun: {seed: 5}")
    scenario = load_scenario(write(folder / "child.yaml", "extends: parent.yaml"))
    assert (scenario.name, scenario.question, scenario.run.seed) == ("child", "", 5)


def test_a_problem_names_the_file_that_wrote_the_key(folder):
    parent = write(folder / "parent.yaml", "\n\nrun: {sed: 5}")
    child = write(folder / "child.yaml", "extends: parent.yaml\nrun: {replicates: 0}")
    lines = problems(child)
    assert lines[0].startswith(f"{child}:2: run.replicates: ")
    assert lines[1].startswith(f"{parent}:3: run.sed: ")


def test_a_child_may_correct_its_parent(folder):
    write(folder / "parent.yaml", "run: {seed: -5}")
    child = write(folder / "child.yaml", "extends: parent.yaml\nrun: {seed: 5}")
    assert load_scenario(child).run.seed == 5


def test_a_parent_of_another_schema_version_is_refused(folder):
    write(folder / "parent.yaml", "schema: 2")
    child = write(folder / "child.yaml", "extends: parent.yaml\nschema: 1")
    assert "parent.yaml:1: schema: the file is in format 2" in problems(child)[0]


def test_a_grandparent_is_relative_to_the_parent(folder):
    write(folder / "a" / "grand.yaml", "run: {seed: 9}")
    write(folder / "a" / "b" / "parent.yaml", "extends: ../grand.yaml")
    child = write(folder / "c" / "child.yaml", "extends: ../a/b/parent.yaml")
    assert load_scenario(child).run.seed == 9


def test_circles_are_refused(folder):
    write(folder / "a.yaml", "extends: b.yaml")
    write(folder / "b.yaml", "extends: sub/../c.yaml")
    write(folder / "c.yaml", "# x\nextends: a.yaml")
    (folder / "sub").mkdir()
    (line,) = problems(folder / "a.yaml")
    assert "c.yaml:2: extends: " in line
    assert "a.yaml -> b.yaml -> c.yaml -> a.yaml" in line


def test_a_very_long_line_of_parents_is_refused(folder):
    for number in range(50):
        write(folder / f"s{number}.yaml", f"extends: s{number + 1}.yaml")
    assert "too long a line" in problems(folder / "s0.yaml")[0]


def test_a_shipped_scenario_can_be_extended_by_name(tmp_path):
    scenario = load_scenario(write(tmp_path / "x.yaml", "extends: baseline\nrun: {seed: 4}"))
    assert (scenario.run.replicates, scenario.run.seed) == (200, 4)


def test_without_a_marker_parents_lie_in_the_folder_or_its_parent(tmp_path):
    first = tmp_path / "a" / "b" / "first.yaml"
    for parent in ("beside.yaml", "below/x.yaml", "../above.yaml"):
        write(first.parent / parent, "run: {seed: 3}")
        assert load_scenario(write(first, f"extends: {parent}")).run.seed == 3
    for parent in ("../../top.yaml", "../other/x.yaml"):
        write(first.parent / parent, "run: {seed: 3}")
        assert "leaves the folder" in problems(write(first, f"extends: {parent}"))[0]


@pytest.mark.parametrize("marker", ["pyproject.toml", ".aipower"])
def test_the_nearest_marker_opens_its_tree_and_closes_the_rest(marker, tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / marker).touch()
    (tmp_path / ".aipower").touch()
    first = tmp_path / "project" / "a" / "b" / "first.yaml"
    write(first.parent / "../../c/x.yaml", "run: {seed: 3}")
    assert load_scenario(write(first, "extends: ../../c/x.yaml")).run.seed == 3
    write(tmp_path / "outside.yaml", "")
    assert "leaves the folder" in problems(write(first, "extends: ../../../outside.yaml"))[0]


def test_links_are_resolved_before_the_fence_is_checked(tmp_path):
    project = tmp_path / "project"
    write(project / ".aipower", "")
    write(tmp_path / "secret.yaml", "run: {seed: 3}")
    (project / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    child = write(project / "child.yaml", "extends: link.yaml")
    assert "leaves the folder" in problems(child)[0]
    (project / "inside.yaml").symlink_to(write(project / "real" / "x.yaml", "run: {seed: 6}"))
    assert load_scenario(write(child, "extends: inside.yaml")).run.seed == 6


def test_a_linked_first_file_is_read_where_it_lies(tmp_path):
    write(tmp_path / "real" / "parent.yaml", "run: {seed: 3}")
    real = write(tmp_path / "real" / "first.yaml", "extends: parent.yaml")
    link = tmp_path / "elsewhere" / "first.yaml"
    link.parent.mkdir()
    link.symlink_to(real)
    assert load_scenario(link).run.seed == 3


def test_links_in_a_circle_are_refused(folder):
    (folder / "a.yaml").symlink_to("b.yaml")
    (folder / "b.yaml").symlink_to("a.yaml")
    child = write(folder / "child.yaml", "extends: a.yaml")
    assert problems(child)[0].startswith(f"{child}:1: extends: ")


def test_a_file_outside_is_refused_whether_or_not_it_exists(tmp_path):
    child = tmp_path / "a" / "b" / "child.yaml"
    write(tmp_path / "one.yaml", "")
    one, two = (problems(write(child, f"extends: ../../{name}.yaml"))[0] for name in ("one", "two"))
    assert one.replace("one.yaml", "two.yaml") == two


# --- overrides -------------------------------------------------------------------------------------


def test_overrides_are_applied_last_and_in_turn():
    changes = ["run.seed=5", "run.seed=0", "world.parameters.flywheel=1.5", "world.hold=theta"]
    scenario = load_scenario("baseline", overrides=changes)
    assert scenario.run.seed == 0
    assert scenario.changed_parameters() == {"flywheel": 1.5}
    assert scenario.world.hold == "theta"


@pytest.mark.parametrize(
    ("change", "path", "value"),
    [
        ("horizon.end=2030Q4", ("horizon", "end"), "2030Q4"),
        ("horizon.end=2030Q4", ("record", "networks"), ["2024Q4", "2030Q4"]),
        ("record.networks=[2026Q4]", ("record", "networks"), ["2026Q4"]),
        ("world.parameters={flywheel: 2}", ("world", "parameters", "flywheel"), 2.0),
        ("world.parameters={flywheel: 2}", ("world", "parameters", "gamma"), 0.63),
        ("name=other", ("name",), "other"),
        ("question=What: if?", ("question",), "What: if?"),
        ("mechanisms.entry = false", ("mechanisms", "entry"), False),
        ("world.firms.OpenAI.revenue=2", ("world", "firms", 0, "revenue"), 2.0),
        ("world.firms.OpenAI={revenue: 2}", ("world", "firms", 0, "revenue"), 2.0),
        ("world.firms.OpenAI.partners.Oracle=1", ("world", "firms", 0, "partners"), {"Oracle": 1}),
        ("policies=[]", ("policies",), []),
    ],
)
def test_an_override_sets_what_its_path_says(change, path, value):
    data = load_scenario("baseline", overrides=[change]).resolved()
    for part in path:
        data = data[part]
    assert data == value


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("run.sed=1", "run.sed: unknown key; allowed: replicates, seed; did you mean seed?"),
        ("world.parameters.gama=1", "did you mean gamma?"),
        ("seed=1", "did you mean run.seed?"),
        ("run.seed=one", "'one' is text"),
        ("run.seed", "is not a change"),
        ("=1", "is not a change"),
        ("run..seed=1", "is not a change"),
        (".".join("a" * 2000) + "=1", "is not a change"),
        ("run=1", "a mapping with replicates, seed"),
        ("run.seed=[", "not valid YAML"),
        ("run.seed=&a 1", "anchor"),
        ("run.seed=\udcff", "U+DCFF"),
        ("extends=a.yaml", "cannot be set here"),
        ("world.firms.OpenAI=3", "a mapping"),
        ("world.firms.OpenAI.revenu=3", "did you mean revenue?"),
    ],
)
def test_a_wrong_override_is_named(change, what):
    (line,) = problems("baseline", [change])
    assert line.startswith("--set ")
    assert what in line


# --- warnings --------------------------------------------------------------------------------------


def test_a_value_outside_its_plausible_range_is_a_warning(folder):
    path = write(folder / "x.yaml", "world:\n  parameters: {flywheel: 3}")
    with pytest.warns(ScenarioWarning, match=r"x\.yaml:2: world\.parameters\.flywheel: 3 is out"):
        load_scenario(path)


def test_gamma_under_a_held_flywheel_is_noted():
    note = "cannot change market outcomes under `power`"
    with pytest.warns(ScenarioWarning, match=note):
        load_scenario("baseline", overrides=["world.parameters.gamma=0.5"])


@pytest.mark.parametrize("other", ["world.hold=theta", "power.family=threshold", "run.seed=2"])
def test_gamma_is_not_noted_where_it_matters_or_is_unchanged(other):
    gamma = "0.63" if other.startswith("run") else "0.5"
    load_scenario("baseline", overrides=[f"world.parameters.gamma={gamma}", other])


def test_a_new_actor_with_a_familiar_name_is_a_warning():
    firm = {"name": "OpenAl", "class": "lab", "compute": 5}
    with pytest.warns(ScenarioWarning, match="OpenAl is new; did you mean OpenAI"):
        load_scenario({"world": {"firms": [firm]}})


# --- mappings and the class itself -----------------------------------------------------------------


def test_a_mapping_is_like_a_file(folder, monkeypatch):
    monkeypatch.chdir(folder)
    write(folder / "parent.yaml", "run: {seed: 8}")
    scenario = load_scenario({"extends": "parent.yaml", "run": {"replicates": np.int64(3)}})
    assert (scenario.name, scenario.run.seed, scenario.run.replicates) == ("scenario", 8, 3)
    assert problems({"run": {"sed": 1}})[0].startswith("scenario: run.sed: unknown key")


def circular():
    data = {}
    data["world"] = data
    return data


@pytest.mark.parametrize(
    "data",
    [
        {1: "x"},
        {"run": {None: 1}},
        {"run": {"seed": 10**5000}},
        {"run": {"seed": object()}},
        {"run": {"seed": {1, 2}}},
        {"run": {"seed": 1 + 2j}},
        {"run": {"seed": np.array([1, 2])}},
        {"question": "\ud800"},
        {"\ud800": 1},
        {"world": {"\ud800": 1}},
        {"world": {"parameters": {"\ud800": 1}}},
        {"world": {"firms": [{"name": "\ud800"}]}},
        circular(),
    ],
)
def test_strange_mappings_are_refused(data):
    assert problems(data)


def test_a_loaded_mapping_is_not_changed():
    data = {"extends": "baseline", "world": {"firms": [{"name": "OpenAI", "revenue": 2}]}}
    before = json.dumps(data)
    load_scenario(data)
    assert json.dumps(data) == before


def test_loading_a_scenario_needs_no_heavy_library():
    code = (
        "import sys, sim; assert 'pydantic' not in sys.modules; sim.load_scenario('baseline');"
        "print({'pandas', 'scipy', 'pyarrow', 'matplotlib', 'networkx', 'mesa'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=BASELINE.parents[1],
    )
    assert done.stdout.strip() == "set()"


def test_a_scenario_cannot_be_changed():
    scenario = load_scenario({})
    with pytest.raises(ValidationError):
        scenario.name = "other"
    with pytest.raises(ValidationError):
        scenario.run.seed = 2


def test_the_class_makes_the_same_checks():
    with pytest.raises(ValidationError, match="did you mean gamma"):
        Scenario(world={"parameters": {"gama": 1.0}})
    assert Scenario() == load_scenario({})


def test_replace_changes_size_seed_and_length():
    scenario = load_scenario("baseline").replace(replicates=3, seed=0, quarters=8)
    assert (scenario.run.replicates, scenario.run.seed) == (3, 0)
    assert (scenario.horizon.end, scenario.horizon.n_quarters) == ("2025Q4", 8)
    assert scenario.record.networks == ("2024Q4", "2025Q4")
    assert scenario.name == "baseline"
    assert scenario.replace() == scenario


def test_replace_keeps_chosen_networks_inside_the_horizon():
    scenario = load_scenario({"record": {"networks": ["2030Q2", "2025Q1", "2025Q1"]}})
    assert scenario.record.networks == ("2025Q1", "2030Q2")
    assert scenario.replace(quarters=8).record.networks == ("2025Q1",)
    assert scenario.replace(quarters=1).record.networks == ("2024Q1",)
    assert load_scenario({"record": {"networks": []}}).replace(quarters=8).record.networks == ()


@pytest.mark.parametrize(
    "change",
    [
        {"replicates": 0},
        {"replicates": True},
        {"replicates": 2.0},
        {"seed": -1},
        {"seed": "1"},
        {"quarters": 0},
        {"quarters": 401},
        {"quarters": 1.5},
        {"quarters": True},
    ],
)
def test_replace_refuses_what_a_file_could_not_say(change):
    with pytest.raises(ScenarioError):
        load_scenario("baseline").replace(**change)


# --- round trips and the hash ----------------------------------------------------------------------

RICH = {
    "name": "rich",
    "question": 'Was: "quotes", #hash, 中文 and 1e3?',
    "world": {
        "hold": "theta",
        "parameters": {"flywheel": 2 / 3, "budget_total": 1e3, "entry_sunk_cost": 0.0021},
        "firms": [
            {"name": "New Lab (2)", "class": "lab", "compute": 1e-5, "partners": {"Google": 1}},
            {"name": "OpenAI", "weights": "open"},
        ],
        "owners": [{"name": "1e3", "business": "cloud", "sells_to": "all"}],
        "makers": [{"name": "AMD", "captive_to": "1e3", "flow_share": 0.2}],
    },
    "horizon": {"end": "2027Q2"},
    "power": {"family": "log"},
    "mechanisms": {"entry": False, "expectations": "static"},
    "run": {"replicates": 3, "seed": 2**63 - 1},
    "record": {"firms": "none", "networks": []},
}


@pytest.mark.parametrize("data", [{}, RICH])
def test_resolved_yaml_json_and_pickle_give_the_same_scenario(data, tmp_path):
    scenario = load_scenario(data)
    path = write(tmp_path / "resolved.yaml", scenario.to_yaml())
    for again in (
        load_scenario(scenario.resolved()),
        load_scenario(json.loads(json.dumps(scenario.resolved()))),
        load_scenario(path),
        load_scenario(scenario),
        pickle.loads(pickle.dumps(scenario)),
    ):
        assert again == scenario
        assert again.content_hash() == scenario.content_hash()
        assert again.to_yaml() == scenario.to_yaml()


def test_resolved_is_complete_and_in_the_order_of_the_format():
    data = load_scenario("baseline").resolved()
    sections = "schema name question world horizon power mechanisms policies uncertainty run record"
    assert " ".join(data) == sections
    assert " ".join(data["world"]) == "base tables hold parameters knowledge_network firms owners makers"
    assert " ".join(data["record"]) == "firms owners networks measures planner"
    table = parameter_table(world_folders("world_2024"))
    assert data["world"]["parameters"] == {name: row.value for name, row in table.items()}


def test_the_hash_is_that_of_what_determines_the_numbers():
    scenario = load_scenario(RICH)

    def reverse(value):
        if isinstance(value, dict):
            return {key: reverse(value[key]) for key in reversed(value)}
        return value

    same = reverse(RICH) | {"name": "other", "question": "Another?"}
    assert load_scenario(same).content_hash() == scenario.content_hash()
    assert re.fullmatch("[0-9a-f]{64}", scenario.content_hash())


def test_the_hash_does_not_depend_on_how_a_number_is_written(folder):
    hashes = {
        load_scenario(write(folder / "x.yaml", f"world: {{parameters: {{{text}}}}}")).content_hash()
        for text in ("", "substitution: 3", "substitution: 3.0", "substitution: 0.3e1")
    }
    assert len(hashes) == 1
    zeros = ("0", "-0.0", "0.0")
    hashes = {
        load_scenario(write(folder / "x.yaml", f"world: {{parameters: {{imitation: {text}}}}}")).content_hash()
        for text in zeros
    }
    assert len(hashes) == 1


@pytest.mark.parametrize(
    "change",
    [
        "run.seed=2",
        "run.replicates=201",
        "horizon.end=2035Q3",
        "power.family=log",
        "world.hold=theta",
        "mechanisms.entry=false",
        "mechanisms.growth_rates=own",
        "record.firms=quarterly",
        "record.networks=[]",
        "world.parameters.flywheel=1.0000000000000002",
        "world.firms.OpenAI.revenue=2",
        "world.owners.Google.order_factor=1",
        "world.makers.AMD.flow_share=0.2",
    ],
)
def test_the_hash_changes_with_anything_else(change):
    baseline = load_scenario("baseline")
    assert load_scenario("baseline", overrides=[change]).content_hash() != baseline.content_hash()


def test_the_hash_depends_on_every_parameter():
    baseline = load_scenario("baseline")
    hashes = {baseline.content_hash()}
    for name, row in parameter_table().items():
        value = row.high if row.value != row.high else row.low
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ScenarioWarning)
            changed = load_scenario({"world": {"parameters": {name: value}}})
        hashes.add(changed.content_hash())
    assert len(hashes) == len(parameter_table()) + 1


def test_the_hash_is_the_same_in_another_process():
    code = "import sim.scenario as s; print(s.load_scenario('baseline').content_hash())"
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    other = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=BASELINE.parents[1],
    )
    assert other.stdout.strip() == load_scenario("baseline").content_hash()


# --- JSON Schema -----------------------------------------------------------------------------------


def test_the_json_schema_offers_every_parameter_with_range_and_meaning():
    world = json_schema()["$defs"]["WorldSpec"]["properties"]
    offered = world["parameters"]["properties"]
    assert list(offered) == list(parameter_table())
    assert offered["gamma"]["minimum"] == parameter_table()["gamma"].minimum
    assert "plausible 0.15 to 0.9" in offered["gamma"]["description"]
    assert offered["open_release_delay"]["type"] == "integer"
    assert world["firms"]["items"]["properties"]["class"]["enum"] == ["giant", "lab", "sme"]


def test_the_json_schema_offers_every_key_of_a_resolved_scenario():
    schema = json_schema()

    def check(data, entry, path):
        if "$ref" in entry:
            entry = schema["$defs"][entry["$ref"].rsplit("/", 1)[1]]
        if isinstance(data, dict):
            assert entry["additionalProperties"] is False or "partners" in path
            for key, value in data.items():
                if "partners" not in path:
                    check(value, entry["properties"][key], [*path, key])
        for item in data if isinstance(data, list) else []:
            check(item, entry["items"], path)
        assert "enum" not in entry or data in entry["enum"]
        assert isinstance(data, str) or "pattern" not in entry

    check(load_scenario(RICH).resolved(), schema, [])
    assert {"extends", "policies+"} <= set(schema["properties"])


def test_the_json_schema_is_the_callers_own_copy():
    json_schema()["properties"].clear()
    assert json_schema()["properties"]


# --- hostile input ---------------------------------------------------------------------------------


def mutate(text, luck):
    """One to three random edits of a text."""
    pieces = [": ", "\n", "  ", "- ", "&a ", "*a", "<<: ", "!!str ", "{", "}", "[", "]", "'", '"']
    pieces += ["#", "---\n", "\t", "\0", "\ufeff", "1e999", "-1", "null", "9" * 70, "\u2028", "é"]
    pieces += ["extends: baseline\n", "policies+: ", "world:\n", ".nan", "true", "%", "|\n", ">\n"]
    return edited(text, pieces, luck)


@pytest.mark.parametrize("n_files", [200, pytest.param(2000, marks=pytest.mark.long)])
def test_a_mutated_file_is_accepted_or_refused_and_nothing_else(folder, n_files):
    text = BASELINE.read_text(encoding="utf-8")
    rich = write(folder / "x.yaml", load_scenario(RICH).to_yaml()).read_text(encoding="utf-8")
    luck = random.Random(20240101)
    accepted = 0
    for number in range(n_files):
        path = folder / "x.yaml"
        path.write_bytes(mutate((text, rich)[number % 2], luck).encode("utf-8"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ScenarioWarning)
            try:
                scenario = load_scenario(path)
            except ScenarioError as error:
                assert all(problem.startswith(str(path)) for problem in error.problems)
            else:
                assert load_scenario(scenario.resolved()) == scenario
                accepted += 1
    assert 0.1 < accepted / n_files < 0.9  # the mutations are neither all harmless nor all fatal


def test_a_shorter_horizon_says_what_it_leaves_without_effect():
    tax = {"rate": 0.1, "start": "2027Q1"}
    scenario = load_scenario({"extends": "baseline", "name": "late", "policies": [{"compute_tax": tax}]})
    what = r"late: policies\[0\]\.compute_tax\.start: 2027Q1 is after the horizon, which ends 2024Q4"
    with pytest.warns(ScenarioWarning, match=what):
        short = scenario.replace(quarters=4)
    assert short.replace(quarters=3, seed=2) == load_scenario(short).replace(quarters=3, seed=2), "told once is enough"
