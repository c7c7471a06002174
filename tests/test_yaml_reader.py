"""Reading YAML: the core schema of 1.2, positions, and everything that is refused."""

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import ScenarioError
from sim.yaml_reader import MAX_BYTES, dotted, parse_yaml, read_yaml, resolve, shown


@pytest.fixture(params=["libyaml", "python"], autouse=True)
def parser(request, monkeypatch):
    """Every test runs on both of PyYAML's parsers."""
    if request.param == "python":
        monkeypatch.setattr(yaml, "CSafeLoader", yaml.SafeLoader, raising=False)
    elif not hasattr(yaml, "CSafeLoader"):
        pytest.skip("PyYAML was built without libyaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("007", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e-3", 1e-3),
        ("1e26", 1e26),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1.5E+3", -1500.0),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("1_000", "1_000"),
        ("1,000", "1,000"),
        ("12:30:45", "12:30:45"),
        ("0b11", "0b11"),
        ("2024-01-01", "2024-01-01"),
        ("2027Q1", "2027Q1"),
        (".", "."),
        ("-", "-"),
        ("e5", "e5"),
        ("infinity", "infinity"),
        ("nan", "nan"),
        ("\u0661", "\u0661"),  # an Arabic digit is text
    ],
)
def test_plain_scalars_follow_the_core_schema(text, value):
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


def test_not_a_number_is_read_as_one_float():
    assert math.isnan(resolve(".nan"))


def test_quoted_scalars_are_text():
    text = "a: '1'\nb: \"true\"\nc: ''\nd: |\n  5\n"
    assert parse_yaml(text, "f").value == {"a": "1", "b": "true", "c": "", "d": "5\n"}


def test_every_key_and_item_has_its_line_and_column():
    document = parse_yaml("# top\nrun:\n  seed: 1\nlist:\n  - a\n  - {b: 2}\n", "f")
    assert document.value == {"run": {"seed": 1}, "list": ["a", {"b": 2}]}
    assert document.marks[("run", "seed")] == (3, 3)
    assert document.marks[("list", 0)] == (5, 5)
    assert document.marks[("list", 1, "b")] == (6, 6)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "\ufeff"])
def test_an_empty_file_is_an_empty_mapping(text, tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text(text, encoding="utf-8")
    assert read_yaml(path).value == {}


@pytest.mark.parametrize(
    ("text", "line", "key", "what"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "a", "duplicate key (first on line 1)"),
        ("a:\n  b: 1\n  'b': 2\n", 3, "a.b", "duplicate key"),
        ("a: {b: 1, b: 2}\n", 1, "a.b", "duplicate key"),
        ("a: &x 1\n", 1, "a", "anchor &x"),
        ("&x a: 1\n", 1, "a", "anchor"),
        ("a: 1\nb: *x\n", 2, "b", "alias *x"),
        ("a: 1\nb: {<<: {c: 1}}\n", 2, "b.<<", "merge key"),
        ("a: !!int 3\n", 1, "a", "tag"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "a", "tag"),
        ("a: !mine x\n", 1, "a", "tag"),
        ("a: ! x\n", 1, "a", "tag"),
        ("!!str a: 1\n", 1, "a", "tag"),
        ("a: 1\n---\nb: 1\n", 2, "", "second document"),
        ("%YAML 1.1\n---\na: 1\n", 1, "", "directive"),
        ("1: x\n", 1, "1", "not text"),
        ("a:\n  true: x\n", 2, "a.true", "not text"),
        ("a: {null: x}\n", 1, "a.null", "not text"),
        ("? [a]\n: b\n", 1, "", "keys are text"),
        ("a:\n  ? {b: c}\n  : d\n", 2, "a", "keys are text"),
        ("a: 1\nb: 'x\n", 2, "", "not valid YAML"),
        ("a: 1\n  b: 2\n", 2, "", "not valid YAML"),
        ("a: [1, 2\n", 2, "", "not valid YAML"),
        ("a:\n\tb: 1\n", 2, "", "not valid YAML"),
        ("a: b: c\n", 1, "", "not valid YAML"),
        ("a: 1\nb: \0\n", 2, "", "U+0000"),
        ("a: \x1b[31m\n", 1, "", "U+001B"),
        ("a: " + "9" * 65, 1, "a", "64 digits"),
        ("a: " + "[" * 50 + "]" * 50, 1, "a[0][0][0]", "50 levels"),
        ("[" * 9999, 1, "[0][0][0][0]", "50 levels"),
    ],
)
def test_what_is_refused_names_line_and_key(text, line, key, what):
    with pytest.raises(ScenarioError) as caught:
        parse_yaml(text, "f.yaml")
    message = str(caught.value)
    assert message.startswith(f"f.yaml:{line}: {key}: " if key else f"f.yaml:{line}: ")
    assert what in message


def test_fifty_levels_are_allowed():
    parse_yaml("[" * 50 + "]" * 50, "f")


def test_ten_thousand_values_are_the_limit():
    row = "- " + "[" + ", ".join(["1"] * 99) + "]\n"
    assert len(parse_yaml(row * 99, "f").value) == 99
    with pytest.raises(ScenarioError, match="over 10,000 values"):
        parse_yaml(row * 101, "f")


def test_several_problems_are_told_at_once():
    with pytest.raises(ScenarioError) as caught:
        parse_yaml("a: &x 1\nb: *x\nb: !t 2\n", "f.yaml")
    assert [problem.split(":")[1] for problem in caught.value.problems] == ["1", "2", "3", "3"]
    assert str(caught.value).startswith("f.yaml: 4 problems\n  f.yaml:1: a: ")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"a: 1\nb: \xff\n", "f.yaml:2: is not UTF-8"),
        ("a: 1".encode("utf-16"), "f.yaml:1: is not UTF-8"),
        (b"a: 1\n" + b"#" * MAX_BYTES, "larger than 256 KB"),
    ],
)
def test_files_of_the_wrong_kind_are_refused(data, what, tmp_path):
    path = tmp_path / "f.yaml"
    path.write_bytes(data)
    with pytest.raises(ScenarioError, match=what):
        read_yaml(path)


def test_a_file_of_exactly_256_kb_is_read(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_bytes(b"a: 1\n".ljust(MAX_BYTES, b"#"))
    assert read_yaml(path).value == {"a": 1}


def test_folders_and_missing_files_are_refused(tmp_path):
    with pytest.raises(ScenarioError, match="is a folder"):
        read_yaml(tmp_path)
    with pytest.raises(ScenarioError, match="is not there"):
        read_yaml(tmp_path / "missing.yaml")


def test_what_users_wrote_is_shown_short_and_harmless():
    assert shown("a\x1b[31mb\n") == "a\ufffd[31mb\ufffd"
    assert len(shown("x" * 1000)) == 60
    assert dotted(("a\x07", 0, "b")) == "a\ufffd[0].b"


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        parse_yaml(text, "f")
    except ScenarioError as error:
        assert str(error).isprintable() or "\n" in str(error)
