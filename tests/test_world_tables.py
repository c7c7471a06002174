"""World tables: values are read as declared, bad rows are named, a scenario's actors merge into them."""

import copy

import pytest

from sim.errors import WorldError
from sim.world.tables import ATTRIBUTES, merge_actors, parse_value, read_population

HEADER = "name,attribute,value,unit,low,high,kind,source\n"


def table(folder, rows, population="firms"):
    (folder / f"{population}.csv").write_text(HEADER + rows, encoding="utf-8")
    return read_population(population, folder)


# --- reading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("population", ATTRIBUTES)
def test_every_shipped_actor_has_what_a_new_one_must_have(population):
    required = {key for key, attribute in ATTRIBUTES[population].items() if attribute.required}
    actors = read_population(population)
    assert actors
    assert {name: required - set(actor) for name, actor in actors.items()} == {name: set() for name in actors}


def test_shipped_actors_refer_only_to_owners_of_the_table():
    owners = set(read_population("owners"))
    for firm in read_population("firms").values():
        assert set(firm.get("partners", {})) | {firm.get("integrated_owner")} <= owners | {None}
    for maker in read_population("makers").values():
        assert maker.get("captive_to") in owners | {None}


def test_rows_of_one_actor_are_gathered_with_their_types(tmp_path):
    rows = (
        "B,class,lab,,,,measured,x\n"
        "A,class,giant,,,,measured,x\n"
        "B,compute,12,k H100e,,,measured,x\n"
        "B,partners.Google,1.5,log odds,,,measured,x\n"
        "B,partners.Oracle,0,log odds,,,measured,x\n"
    )
    actors = table(tmp_path, rows)
    assert actors == {
        "B": {"class": "lab", "compute": 12.0, "partners": {"Google": 1.5, "Oracle": 0.0}},
        "A": {"class": "giant"},
    }
    assert list(actors) == ["B", "A"]
    assert isinstance(actors["B"]["compute"], float)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(WorldError, match=r"owners\.csv"):
        read_population("owners", tmp_path)


def test_a_bad_row_is_named_with_file_line_actor_and_attribute(tmp_path):
    rows = "A,class,lab,,,,measured,x\nA,revenue,-1,$bn,,,measured,x\n"
    with pytest.raises(WorldError, match=r"firms\.csv line 3 \(A, revenue\): -1 is outside 0 to inf"):
        table(tmp_path, rows)


# --- values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("population", "attribute", "text", "what"),
    [
        ("firms", "revenu", "1", "no such attribute; known: class, compute, revenue"),
        ("owners", "partners", "1", "no such attribute"),
        ("firms", "class", "big", "'big' is not one of giant, lab, sme"),
        ("firms", "class", "", "'' is not one of"),
        ("firms", "revenue", "many", "'many' is not a number"),
        ("firms", "revenue", "", "'' is not a number"),
        ("firms", "revenue", "nan", "nan is outside"),
        ("firms", "compute", "0", "0 is outside 1e-06 to inf"),
        ("owners", "stock_share", "1.01", "1.01 is outside 0 to 1"),
        ("firms", "partners", "-0.5", "-0.5 is outside 0 to inf"),
    ],
)
def test_a_bad_value_is_refused_with_what_is_allowed(population, attribute, text, what):
    with pytest.raises(WorldError) as caught:
        parse_value(population, attribute, text, "here")
    assert str(caught.value).startswith(f"here: {what}")


@pytest.mark.parametrize(
    ("population", "attribute", "text", "value"),
    [
        ("firms", "class", "sme", "sme"),
        ("firms", "integrated_owner", "Anyone", "Anyone"),
        ("firms", "revenue", "0", 0.0),
        ("owners", "stock_share", "1", 1.0),
        ("firms", "partners", "2.5", 2.5),
    ],
)
def test_limits_and_free_names_are_allowed(population, attribute, text, value):
    assert parse_value(population, attribute, text, "here") == value


# --- merging ---------------------------------------------------------------------------------------

TABLE = {
    "OpenAI": {"class": "lab", "compute": 103.0, "partners": {"Microsoft": 2.5, "Oracle": 1.0}},
    "Mistral": {"class": "lab", "compute": 5.0},
}


def test_attributes_replace_and_mappings_merge_by_key():
    changes = [{"name": "OpenAI", "compute": 50.0, "partners": {"Oracle": 3.0, "Google": 2.0}}]
    assert merge_actors(TABLE, changes)["OpenAI"] == {
        "class": "lab",
        "compute": 50.0,
        "partners": {"Microsoft": 2.5, "Oracle": 3.0, "Google": 2.0},
    }


def test_a_mapping_may_be_given_to_an_actor_without_one():
    merged = merge_actors(TABLE, [{"name": "Mistral", "partners": {"Google": 1.0}}])
    assert merged["Mistral"] == {"class": "lab", "compute": 5.0, "partners": {"Google": 1.0}}


def test_new_actors_come_last_and_the_others_stay():
    merged = merge_actors(TABLE, [{"name": "New Lab", "class": "lab", "partners": {"Google": 1.0}}])
    assert list(merged) == ["OpenAI", "Mistral", "New Lab"]
    assert merged["New Lab"] == {"class": "lab", "partners": {"Google": 1.0}}
    assert {name: merged[name] for name in TABLE} == TABLE


def test_neither_the_table_nor_the_changes_are_touched():
    actors, changes = copy.deepcopy(TABLE), [{"name": "OpenAI", "partners": {"Google": 1.0}}]
    merged = merge_actors(actors, changes)
    merged["OpenAI"]["partners"]["Amazon"] = 1.0
    assert (actors, changes) == (TABLE, [{"name": "OpenAI", "partners": {"Google": 1.0}}])


def test_no_change_is_the_table():
    assert merge_actors(TABLE, []) == TABLE
