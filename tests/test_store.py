"""Result folders: complete or absent, never overwritten, checked, readable without the code."""

import errno
import json
import os
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import sim
from sim import folders, manifests, store
from sim.errors import InputError, ResultError, StoreError
from sim.result import TABLES, Result, load_result, verify_result
from sim.scenario import load_scenario
from sim.stored_table import StoredTable
from sim.table_files import columns_of
from tests.synthetic import recording


def made(**options):
    scenario = load_scenario({"name": "made-up", "question": "What | then?"})
    defaults = {"n_replicates": 3, "n_quarters": 8}
    return Result.from_recording(scenario, recording(**{**defaults, **options}), {"simulate": 1.5})


@pytest.fixture(scope="module")
def result():
    return made()


@pytest.fixture(scope="module")
def complete(result, tmp_path_factory):
    """A full folder, with figures and README; tests only read it."""
    folder = tmp_path_factory.mktemp("runs") / "made-up"
    result.save(folder)
    return folder


@pytest.fixture
def folder(result, tmp_path):
    """A folder of its own for a test that damages it."""
    return store.write(made(), tmp_path / "run")


# -- what a folder holds


def test_a_folder_reads_back_equal(result, complete):
    again = load_result(complete)
    assert again.equals(result)
    assert again.scenario.content_hash() == result.scenario.content_hash()
    assert again.timing == {"simulate": 1.5}
    assert again.summary().equals(result.summary())


def test_a_difference_in_any_table_is_seen(result, complete):
    for name in TABLES:
        again = load_result(complete)
        again._tables[name] = again.table(name).iloc[1:]
        assert not again.equals(result), name


def test_tables_are_read_when_first_asked_for(complete):
    again = load_result(complete)
    assert again._tables == {}
    assert len(again.owners) > 0
    assert list(again._tables) == ["owners"]


def test_some_measures_are_read_without_the_others(result, complete):
    again, names = load_result(complete), list(result.catalogue)[3:6]
    assert again.yearly(names).equals(result.yearly()[names])
    assert again.quarters == result.quarters and again.replicates.tolist() == result.replicates.tolist()
    assert [again.column_names(name) for name in TABLES] == [result.column_names(name) for name in TABLES]
    assert again._tables == {}


def test_a_summary_is_the_same_bits_however_many_measures_are_read_at_a_time(result, complete, monkeypatch):
    whole = result.summary()
    for at_once in (1, 2, 5):
        values = at_once * len(result.replicates) * len(result.quarters)
        monkeypatch.setattr("sim.result.SUMMED_VALUES", values)
        assert load_result(complete).summary().equals(whole)


def test_a_folder_is_laid_together_without_a_whole_table_in_memory(tmp_path, monkeypatch):
    read, whole = StoredTable.__call__, []

    def noted(self):
        whole.append(self._path.stem)
        return read(self)

    monkeypatch.setattr(StoredTable, "__call__", noted)
    sim.run("symmetric", replicates=2, quarters=2, out=tmp_path / "run", figures=False)
    assert set(whole) == {"failures"}


def test_a_folder_holds_tables_figures_and_texts(complete):
    names = {path.relative_to(complete).as_posix() for path in complete.rglob("*") if path.is_file()}
    assert {f"{table}.parquet" for table in TABLES} <= names
    assert {"README.md", "manifest.json", "scenario.resolved.yaml", "summary.csv"} <= names
    figures = {name for name in names if name.startswith("figures/")}
    assert len([name for name in figures if name.endswith(".png")]) == 6
    assert {Path(name).with_suffix(".svg").as_posix() for name in figures} <= figures


def test_the_manifest_says_where_the_numbers_come_from(result, complete):
    manifest = json.loads((complete / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["format"], manifest["schema"]) == ("aipower-result", 1)
    assert set(manifest["libraries"]) == {"numpy", "pandas", "scipy", "pyarrow", "networkx", "numba"}
    assert manifest["cpu_dispatch"]
    assert manifest["seed"] == result.scenario.run.seed
    assert manifest["content_hash"] == result.scenario.content_hash()
    assert manifest["failed_replicates"][0]["reason"] == "a market did not clear"
    assert manifest["n_succeeded"] == 3
    listed = set(manifest["files"])
    present = {p.relative_to(complete).as_posix() for p in complete.rglob("*") if p.is_file()}
    assert listed == present - {"manifest.json"}
    assert result.manifest == manifest


def test_no_path_of_this_machine_is_stored(complete):
    here = [str(Path(__file__).parent.parent).encode(), str(complete.parent).encode()]
    for path in complete.rglob("*"):
        if path.is_file():
            assert not any(text in path.read_bytes() for text in here), path.name


def test_every_column_of_every_table_has_unit_and_meaning_in_the_file(result, complete):
    for name in TABLES:
        schema = pq.read_schema(complete / f"{name}.parquet")
        for field in schema:
            unit, meaning = columns_of(result, name)[field.name]
            assert field.metadata[b"unit"].decode() == unit
            assert field.metadata[b"meaning"].decode() == meaning != ""


def test_the_readme_names_every_table_and_column(result, complete):
    text = (complete / "README.md").read_text(encoding="utf-8")
    sections = text.split("\n### ")[1:]
    for name, section in zip(TABLES, sections, strict=False):
        assert section.startswith(f"{name}.parquet")
        for column, (unit, meaning) in columns_of(result, name).items():
            row = next(line for line in section.splitlines() if line.startswith(f"| `{column}` |"))
            assert f"| {unit} |" in row
            assert row.endswith(f"| {meaning} |")
    assert "luck only" in text
    assert "What \\| then?" not in text.split("\n")[0]


def test_two_folders_of_one_result_differ_in_nothing_but_the_manifest(result, complete, tmp_path):
    made().save(tmp_path / "again")
    for path in complete.rglob("*"):
        if path.is_file() and path.name != "manifest.json":
            other = tmp_path / "again" / path.relative_to(complete)
            assert other.read_bytes() == path.read_bytes(), path.name


def test_the_resolved_scenario_repeats_the_run(result, complete):
    again = load_scenario(complete / "scenario.resolved.yaml")
    assert again.content_hash() == result.scenario.content_hash()


# -- all or nothing


@pytest.mark.parametrize(
    ("trouble", "raised"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), StoreError),
        (PermissionError(errno.EACCES, "Permission denied"), StoreError),
        (RuntimeError("a defect in a figure"), RuntimeError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_nothing_is_left_when_writing_fails(tmp_path, trouble, raised):
    def fail(_, draft):
        (draft / "half").write_text("written")
        raise trouble

    result = made(n_quarters=2)
    with pytest.raises(raised):
        store.write(result, tmp_path / "run", artefacts=[fail])
    assert list(tmp_path.iterdir()) == []
    assert result.folder is None


def test_a_full_disk_while_flushing_leaves_nothing(tmp_path, monkeypatch):
    def no_space(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(folders, "_flush", no_space)
    with pytest.raises(StoreError, match=r"No space left.*Nothing was left"):
        store.write(made(n_quarters=2), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_exists_is_never_overwritten(result, tmp_path, kind):
    place = tmp_path / "run"
    if kind == "folder":
        place.mkdir()
        (place / "mine").write_text("precious")
    elif kind == "file":
        place.write_text("precious")
    else:
        (tmp_path / "elsewhere").mkdir()
        place.symlink_to(tmp_path / "elsewhere")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(folders.FolderTakenError, match="never overwritten"):
        store.write(result, place)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_folder_that_appears_while_writing_is_not_overwritten(tmp_path):
    def meanwhile(_, draft):
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "theirs").touch()

    with pytest.raises(folders.FolderTakenError):
        store.write(made(n_quarters=2), tmp_path / "run", artefacts=[meanwhile])
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "theirs"]


def test_an_empty_folder_and_missing_parents_are_fine(tmp_path):
    (tmp_path / "empty").mkdir()
    store.write(made(n_quarters=2), tmp_path / "empty")
    store.write(made(n_quarters=2), tmp_path / "new" / "deep")
    assert verify_result(tmp_path / "new" / "deep").is_complete


def test_an_unwritable_place_is_told_before_the_run(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="--out"):
        folders.check_writable(tmp_path / "file" / "run")


# -- where to write


def test_a_free_name_is_taken_as_it_is(tmp_path):
    choice = folders.choose_folder(tmp_path / "run", "abc")
    assert choice == folders.FolderChoice(tmp_path / "run", is_complete=False)


def test_a_name_that_another_takes_at_this_moment_is_not_taken_for_a_result_of_ours(tmp_path, monkeypatch):
    looks = []

    def is_free(place, look=folders._is_free):
        looks.append(place)
        if len(looks) > 1:
            (tmp_path / "run" / "theirs").mkdir(parents=True, exist_ok=True)
        return look(place)

    monkeypatch.setattr(folders, "_is_free", is_free)
    assert not folders.choose_folder(tmp_path / "run", "abc").is_complete


@pytest.mark.skipif(os.name == "nt", reason="names there are Unicode")
def test_a_name_that_is_no_unicode_is_refused_before_the_run(tmp_path):
    with pytest.raises(InputError, match="--out"):
        folders.found_complete(tmp_path / os.fsdecode(b"bad\xff") / "run", "abc", load_result)


def test_the_same_complete_result_is_found_again(folder, result):
    choice = folders.choose_folder(folder, result.scenario.content_hash())
    assert choice == folders.FolderChoice(folder, is_complete=True)


def test_a_different_scenario_goes_beside(folder, tmp_path):
    assert folders.choose_folder(folder, "another").folder == tmp_path / "run-2"
    (tmp_path / "run-2").mkdir()
    (tmp_path / "run-2" / "something").touch()
    assert folders.choose_folder(folder, "another").folder == tmp_path / "run-3"


def test_a_damaged_result_is_not_reused(folder, result, tmp_path):
    (folder / "flows.parquet").write_bytes(b"damaged")
    choice = folders.choose_folder(folder, result.scenario.content_hash())
    assert choice == folders.FolderChoice(tmp_path / "run-2", is_complete=False)


def test_a_result_of_other_code_is_not_reused(folder, result, tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "source_hash", lambda: "changed")
    choice = folders.choose_folder(folder, result.scenario.content_hash())
    assert choice == folders.FolderChoice(tmp_path / "run-2", is_complete=False)


# -- checking


def test_a_sound_folder_has_nothing_to_report(complete):
    found = verify_result(complete)
    assert found.is_complete
    assert (found.damaged, found.missing, found.extra) == ((), (), ())
    assert found.n_files == 23


def test_damaged_missing_and_extra_files_are_named(folder):
    path = folder / "measures.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    (folder / "summary.csv").unlink()
    (folder / "notes.txt").write_text("mine")
    found = verify_result(folder)
    assert found.damaged == ("measures.parquet",)
    assert found.missing == ("summary.csv",)
    assert found.extra == ("notes.txt",)
    assert not found.is_complete


@pytest.mark.skipif(os.name == "nt", reason="needs links")
def test_a_file_that_cannot_be_read_is_damaged_and_the_others_are_looked_at(folder):
    (folder / "firms.parquet").unlink()
    (folder / "firms.parquet").symlink_to("nowhere")
    (folder / "summary.csv").write_text("other")
    assert verify_result(folder).damaged == ("firms.parquet", "summary.csv")


def test_an_edited_manifest_counts_as_damaged(folder):
    path = folder / "manifest.json"
    whole = path.read_text(encoding="utf-8")
    for old, new in (
        ('"seed": 1', '"seed": 2'),
        ('"firms.parquet": {', '"firms.parquet": null, "other": {'),
        ('"n_succeeded": 3', '"n_succeeded": {}'),
    ):
        assert old in whole
        path.write_text(whole.replace(old, new), encoding="utf-8")
        assert "manifest.json" in verify_result(folder).damaged
        with pytest.raises(ResultError, match=r"manifest\.json is not as it was written.*aipower verify"):
            load_result(folder)
    path.write_bytes(whole.replace("\n", "\r\n").encode())
    assert verify_result(folder).damaged == ("manifest.json",)


def damage(folder, luck, kind):
    """Cut a file short or flip one of its bits; gives what undoes it."""
    path = luck.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    whole = path.read_bytes()
    if kind == "truncation":
        path.write_bytes(whole[: luck.randrange(len(whole))])
    else:
        bit = luck.randrange(8 * len(whole))
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
    return path, lambda: path.write_bytes(whole)


@pytest.mark.parametrize("kind", ["truncation", "bit flip"])
@pytest.mark.parametrize("times", [40, pytest.param(1000, marks=pytest.mark.long)])
def test_truncations_and_bit_flips_are_detected_and_named(folder, kind, times):
    luck = random.Random(f"{kind} {times}")
    for _ in range(times):
        path, undo = damage(folder, luck, kind)
        try:
            found = verify_result(folder)
        except ResultError:
            assert path.name == "manifest.json"
        else:
            assert path.name in found.damaged
            assert path.name == "manifest.json" or found.damaged == (path.name,)
        undo()
    assert verify_result(folder).is_complete


def test_a_manifest_cannot_reach_outside_its_folder(folder, tmp_path):
    (tmp_path / "secret").write_text("secret")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["../secret"] = {"sha256": "0", "bytes": 6}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    found = verify_result(folder)
    assert found.damaged == ("manifest.json",)
    assert "../secret" not in found.missing


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no manifest.json"),
        ("{", "unreadable manifest"),
        ("[]", "not the manifest of a result"),
        ('{"format": "something"}', "not the manifest of a result"),
        ('{"format": []}', "not the manifest of a result"),
        ('{"format": NaN}', "unreadable manifest"),
        ("[" * 100_000, "unreadable manifest"),
        ('{"format": "aipower-result", "schema": 99}', "layout version 99"),
    ],
)
@pytest.mark.parametrize("ask", [load_result, verify_result])
def test_what_is_not_a_result_folder_is_refused_with_what_to_try(tmp_path, ask, content, words):
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ResultError, match=rf"(?s){words}.*(aipower run|run the scenario again)"):
        ask(tmp_path)


def test_a_folder_that_does_not_exist_is_told_so(tmp_path):
    with pytest.raises(ResultError, match="does not exist"):
        load_result(tmp_path / "nowhere")


def test_a_folder_that_lacks_a_table_is_refused(folder):
    (folder / "firms.parquet").unlink()
    with pytest.raises(ResultError, match=r"lacks firms\.parquet.*aipower verify"):
        load_result(folder)


def test_a_damaged_table_is_refused_when_it_is_asked_for(folder):
    (folder / "flows.parquet").write_bytes(b"PAR1 no longer")
    again = load_result(folder)
    assert len(again.measures)
    with pytest.raises(StoreError, match=r"flows\.parquet.*checksum"):
        again.flows  # noqa: B018


def test_a_folder_from_before_the_event_log_lacks_only_that(folder):
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for name in ("events.parquet", "manifest.json"):
        (folder / name).unlink()
    del manifest["rows"]["events"], manifest["manifest_sha256"]
    manifests.sealed(folder, manifest)
    old = load_result(folder)
    assert len(old.measures) > 0 and "events" not in old.table_names
    assert old.equals(load_result(folder)) and not old.equals(made())
    with pytest.raises(ResultError, match="no table of events"):
        old.events  # noqa: B018
