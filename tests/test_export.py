"""Tables as files of other programs: the same numbers, no formulas, nothing overwritten, all or nothing."""

import csv
import shutil
import sys
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import sim.export
from sim.app import cli
from sim.errors import ResultError, StoreError
from sim.export import SUMMARY, export
from sim.result import TABLES, Result
from sim.scenario import load_scenario
from sim.table_files import columns_of
from tests.synthetic import recording

HOSTILE = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "a=b", "'quoted"]


def made(names=None):
    recorded = recording(n_replicates=2, n_quarters=6)
    if names:
        recorded = replace(recorded, firm_names=(*names, *recorded.firm_names[len(names) :]))
    return Result.from_recording(load_scenario({"name": "made-up"}), recorded)


@pytest.fixture(scope="module")
def result():
    return made()


@pytest.fixture(scope="module")
def hostile():
    return made(HOSTILE)


def flat(result, table):
    return result.summary() if table == SUMMARY else result.table(table).reset_index()


def as_written(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


# -- the same numbers


@pytest.mark.parametrize("to", ["csv", "dta", "parquet"])
def test_one_file_a_table_with_every_row(result, tmp_path, to):
    files = export(result, tmp_path / "out", to=to)
    assert [file.name for file in files] == [f"{table}.{to}" for table in (SUMMARY, *TABLES)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(file.name for file in files)
    read = {"csv": pd.read_csv, "dta": pd.read_stata, "parquet": pd.read_parquet}[to]
    for file in files:
        assert len(read(file)) == len(flat(result, file.stem)), file.stem


def test_csv_keeps_every_bit_of_a_number(result, tmp_path):
    export(result, tmp_path, to="csv", tables=["measures"])
    header, *rows = as_written(tmp_path / "measures.csv")
    assert header == ["replicate", "quarter", *result.measures.columns]
    for name, column in zip(header[2:], list(zip(*rows, strict=True))[2:], strict=True):
        assert np.array_equal([float(text or "nan") for text in column], result.measures[name], equal_nan=True), name


def test_parquet_holds_plain_columns_with_units(result, tmp_path):
    export(result, tmp_path, to="parquet", tables=["measures"])
    table = pq.read_table(tmp_path / "measures.parquet")
    assert table.column_names == ["replicate", "quarter", *result.measures.columns]
    assert table.schema.field("hhi_revenue").metadata[b"unit"] == b"points"
    assert np.array_equal(table["hhi_revenue"].to_numpy(), result.measures["hhi_revenue"])


def test_stata_gets_short_names_numbers_for_flags_and_labels(result, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export(result, tmp_path, to="dta", tables=["firms", "measures"])
    firms = pd.read_stata(tmp_path / "firms.dta")
    assert set(firms["is_open"].unique()) == {0, 1}
    assert firms["is_open"].sum() == result.firms["is_open"].sum()
    assert firms["firm"].tolist() == result.firms.reset_index()["firm"].tolist()
    with pd.read_stata(tmp_path / "measures.dta", iterator=True) as reader:
        labels = reader.variable_labels()
    assert len(labels) == len(result.measures.columns) + 2
    assert max(map(len, labels)) <= 32
    assert "(points)" in labels["hhi_revenue"]


def test_stata_names_stay_different_and_labels_tell_the_long_ones(tmp_path):
    path = tmp_path / "x.dta"
    long = ["a" * 33, "a" * 34, "a" * 32]
    frame = pd.DataFrame(np.array([[1.0, 2.0, np.inf]]), columns=long)
    sim.export._write_dta(path, frame, {name: ("points", "meaning") for name in long})
    with pd.read_stata(path, iterator=True) as reader:
        labels = reader.variable_labels()
        values = reader.read()
    assert len(set(values.columns)) == 3
    assert max(map(len, values.columns)) == 32
    assert sorted(label.split(":")[0] for label in labels.values())[:2] == sorted(long[:2])
    assert values.iloc[0].isna().sum() == 1


# -- formulas


def test_csv_puts_an_apostrophe_before_a_formula_and_leaves_numbers(hostile, tmp_path):
    export(hostile, tmp_path, to="csv", tables=["firms", "networks"])
    header, *rows = as_written(tmp_path / "firms.csv")
    firms = {row[header.index("firm")] for row in rows}
    assert firms >= {"'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\tx", "'\nx", "a=b", "'quoted"}
    numbers = [row[header.index("revenue")] for row in rows]
    assert not any(number.startswith("'") for number in numbers)
    buyers = {row[4] for row in as_written(tmp_path / "networks.csv")}
    assert "'=1+1" in buyers
    assert not any(cell[:1] in "=+@\t\r" for cell in firms | buyers)


def test_negative_numbers_stay_numbers(tmp_path):
    frame = pd.DataFrame({"x": [-1.5, 2.0], "n": [-3, 4], "name": ["-a", "b"]})
    sim.export._write_csv(tmp_path / "x.csv", frame, {})
    assert as_written(tmp_path / "x.csv") == [["x", "n", "name"], ["-1.5", "-3", "'-a"], ["2.0", "4", "b"]]


def test_exporting_leaves_the_result_as_it_was(hostile, tmp_path):
    before = {table: hostile.table(table).copy() for table in TABLES}
    export(hostile, tmp_path, to="csv")
    for table in TABLES:
        assert hostile.table(table).equals(before[table])


# -- workbooks


def test_a_workbook_has_a_sheet_for_each_table_and_one_that_explains(result, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    (file,) = export(result, tmp_path, to="xlsx", tables=["firms", "summary"])
    assert file.name == "made-up.xlsx"
    book = openpyxl.load_workbook(file, read_only=True)
    assert book.sheetnames == ["firms", "summary", "columns"]
    header, *rows = book["firms"].iter_rows(values_only=True)
    expected = flat(result, "firms")
    assert list(header) == list(expected.columns)
    assert len(rows) == len(expected)
    written = [row[header.index("revenue")] for row in rows]
    assert np.allclose(written, expected["revenue"], rtol=1e-15, atol=0)  # a workbook keeps 16 digits
    about = {(row[0], row[1]): row[2] for row in book["columns"].iter_rows(values_only=True)}
    assert about["firms", "revenue"] == columns_of(result, "firms")["revenue"][0]
    book.close()


def test_a_workbook_holds_text_not_formulas_and_empty_cells_for_missing_numbers(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    frame = pd.DataFrame({"name": ["=1+1", "a\x00b"], "x": [np.nan, -2.5]})
    sim.export._write_workbook(tmp_path / "x.xlsx", {"t": frame}, {"t": {"name": ("text", "=2+2")}})
    book = openpyxl.load_workbook(tmp_path / "x.xlsx")
    cells = {cell.coordinate: (cell.value, cell.data_type) for row in book["t"].iter_rows() for cell in row}
    assert cells["A2"] == ("=1+1", "s")
    assert cells["A3"] == ("ab", "s")
    assert cells["B2"][0] is None
    assert cells["B3"] == (-2.5, "n")
    assert book["columns"]["D2"].data_type == "s"


def test_too_many_rows_for_a_sheet_are_refused_with_another_format(result, tmp_path, monkeypatch):
    pytest.importorskip("openpyxl")
    assert sim.export.MOST_ROWS_OF_SHEET == 2**20
    n_rows = len(result.measures)
    monkeypatch.setattr(sim.export, "MOST_ROWS_OF_SHEET", n_rows + 1)
    export(result, tmp_path / "fits", to="xlsx", tables=["measures"])
    monkeypatch.setattr(sim.export, "MOST_ROWS_OF_SHEET", n_rows)
    with pytest.raises(ResultError, match=r"measures has 12 rows.*11 below.*--to parquet or --to csv"):
        export(result, tmp_path / "out", to="xlsx", tables=["measures"])
    assert [path.name for path in tmp_path.iterdir()] == ["fits"]


def test_without_openpyxl_the_line_that_installs_it_is_told(result, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(StoreError, match="python -m pip install openpyxl"):
        export(result, tmp_path / "out", to="xlsx")
    assert not list(tmp_path.iterdir())


# -- folders


def test_nothing_is_overwritten_without_force(result, tmp_path):
    (tmp_path / "firms.csv").write_text("precious")
    with pytest.raises(StoreError, match=r"firms\.csv already; --force"):
        export(result, tmp_path, to="csv")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("firms.csv", "precious")]
    export(result, tmp_path, to="csv", tables=["owners"])
    export(result, tmp_path, to="csv", force=True)
    assert len(pd.read_csv(tmp_path / "firms.csv")) == len(result.firms)


def test_a_failure_leaves_nothing_behind_and_the_old_files_whole(result, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    export(result, folder, to="csv", tables=["owners"])
    before = (folder / "owners.csv").read_bytes()

    def full_disk(path, *_):
        path.write_text("half a ta")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(sim.export.FORMATS, "csv", full_disk)
    with pytest.raises(StoreError, match="No space left"):
        export(result, folder, to="csv", tables=["owners", "makers"], force=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "owners.csv"]
    assert (folder / "owners.csv").read_bytes() == before


def test_what_is_being_written_is_not_taken_for_the_remains_of_a_dead_process(result, tmp_path, monkeypatch):
    """A run that is to go to a folder of this name removes what killed processes left beside it."""
    folder, write = tmp_path / "out", sim.export.FORMATS["csv"]

    def met_by_a_run(path, *rest):
        write(path, *rest)
        result.save(folder, figures=False)
        shutil.rmtree(folder)

    monkeypatch.setitem(sim.export.FORMATS, "csv", met_by_a_run)
    export(result, folder, to="csv", tables=["owners"])
    assert [path.name for path in folder.iterdir()] == ["owners.csv"]


def test_a_result_folder_is_never_written_into(result, tmp_path):
    folder = result.save(tmp_path / "run", figures=False)
    with pytest.raises(StoreError, match="stays as it was written"):
        export(result, folder, to="parquet", force=True)
    assert sim.verify_result(folder).extra == ()


@pytest.mark.parametrize(
    ("options", "words"), [({"to": "ods"}, "csv, xlsx"), ({"to": "csv", "tables": ["firm"]}, "firms")]
)
def test_an_unknown_format_or_table_brings_the_known_ones(result, tmp_path, options, words):
    with pytest.raises(ResultError, match=words):
        export(result, tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


def test_the_command_writes_beside_the_run_and_names_the_files(tmp_path):
    folder = made().save(tmp_path / "run", figures=False)
    done = CliRunner().invoke(cli.app, ["export", str(folder), "--to", "csv", "--table", "firms", "--table", "makers"])
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "run-csv").iterdir()) == ["firms.csv", "makers.csv"]
    assert str(tmp_path / "run-csv" / "firms.csv") in done.stdout.replace("\n", "")
    again = CliRunner().invoke(cli.app, ["export", str(folder), "--to", "csv", "--table", "firms"])
    assert isinstance(again.exception, StoreError)


# -- arrays with named axes


@pytest.mark.parametrize("table", sim.result.GRIDS)
def test_a_dataset_holds_the_numbers_of_the_table_with_units(result, table):
    pytest.importorskip("xarray")
    data = result.to_xarray(table)
    frame = result.table(table)
    assert tuple(data.sizes) == tuple(frame.index.names)
    assert set(data.data_vars) == set(frame.columns)
    described = columns_of(result, table)
    for name in frame.columns:
        assert (data[name].attrs["units"], data[name].attrs["long_name"]) == described[name]
        for key in (frame.index[0], frame.index[len(frame) // 2], frame.index[-1]):
            cell = data[name].sel(dict(zip(frame.index.names, key, strict=True))).item()
            assert cell == frame.loc[key, name], (name, key)


def test_a_dataset_is_empty_where_a_firm_is_not_active():
    pytest.importorskip("xarray")
    recorded = recording(n_replicates=2, n_quarters=6)
    active = recorded.firms["active"].copy()
    active[1, -1, 3] = False
    result = Result.from_recording(load_scenario({}), replace(recorded, firms=recorded.firms | {"active": active}))
    firms = result.to_xarray("firms")
    assert int(firms["revenue"].notnull().sum()) == len(result.firms) < firms["revenue"].size
    assert int((firms["firm_class"] != "").sum()) == len(result.firms)


@pytest.mark.parametrize("table", sim.result.GRIDS)
def test_a_dataset_is_the_same_from_memory_and_from_the_folder(tmp_path, table):
    xarray = pytest.importorskip("xarray")
    result = made()
    active = result.firms["revenue"].groupby(level="firm").size()
    here = result.to_xarray(table)
    there = sim.load_result(Result.save(made(), tmp_path / "run", figures=False)).to_xarray(table)
    xarray.testing.assert_identical(here, there)
    if table != "measures":
        names = here[table.removesuffix("s")].values.tolist()
        slots = getattr(result.actors, table)
        assert names == [name for name in slots if table != "firms" or name in active] != sorted(names)
        assert table != "firms" or len(names) < len(slots), "some slot never holds a firm"


def test_a_list_of_rows_has_no_dataset(result):
    with pytest.raises(ResultError, match="measures, firms, owners, makers"):
        result.to_xarray("flows")


def test_without_xarray_the_line_that_installs_it_is_told(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ImportError, match="python -m pip install xarray"):
        result.to_xarray()
