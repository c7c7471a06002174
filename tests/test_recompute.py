"""`aipower verify`: some replicates are computed again, and what differs is named."""

import json
import math
import subprocess
import sys

import pandas as pd
import pytest

import sim
from sim import ensemble, folders, recomputation
from sim.errors import ResultError
from sim.pool import Lost, Pool
from sim.recomputation import recompute
from tests.policies import plugin
from tests.test_parts import scenario

N = ensemble.BLOCK_SIZE + 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of two blocks."""
    out = tmp_path_factory.mktemp("runs") / "run"
    sim.run(scenario(run={"replicates": N}, mechanisms={"entry": True}), out=out, figures=False)
    return out


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    out = tmp_path_factory.mktemp("compared") / "c"
    world = {"base": "world_2024", "parameters": {"entry_slots": 8}}
    base = scenario(name="base", run={"replicates": 3}, world=world)
    other = scenario(name="taxed", policies=[{"compute_tax": {"rate": 0.2, "start": "2024Q2"}}], world=world)
    sim.compare(base, [other], out=out, figures=False)
    return out


def forged(folder, tmp_path, table, change, **entries):
    """A copy with other contents of a table, whose checksums agree with them."""
    copy = tmp_path / "forged"

    def fill(draft):
        for path in folder.iterdir():
            if path.name != "manifest.json":
                (draft / path.name).parent.mkdir(exist_ok=True)
                (draft / path.name).write_bytes(path.read_bytes())
        frame = pd.read_parquet(draft / f"{table}.parquet")
        change(frame).to_parquet(draft / f"{table}.parquet")
        manifest = json.loads((folder / "manifest.json").read_text())
        return {name: entry for name, entry in manifest.items() if name != "manifest_sha256"} | entries

    folders.write_folder(copy, fill)
    return copy


def up_by_one_bit(frame):
    import numpy as np

    place = frame.columns.get_loc("hhi_revenue")
    frame.iloc[:, place] = np.nextafter(frame.iloc[:, place], np.inf)
    return frame


def test_a_sound_result_is_the_same_bit_for_bit(folder):
    found = recompute(folder, 1.0)
    assert found.is_same and found.replicates == tuple(range(N)) and not found.machines and not found.event
    frames = [pd.read_parquet(path).reset_index() for path in folder.glob("*.parquet")]
    assert found.n_values > 0.9 * sum(frame.size for frame in frames)


def test_a_hundredth_is_at_least_one_block_and_chosen_anew(folder, monkeypatch):
    assert len(recompute(folder).replicates) in {N - 5, 5}
    assert len({tuple(recomputation._some(400, 0.01)) for _ in range(20)}) > 10
    assert {len(recomputation._some(n, 0.01)) for n in (1, 100)} == {1} and len(recomputation._some(400, 0.01)) == 4


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, math.nan])
def test_a_share_that_is_none_is_refused(folder, share):
    with pytest.raises(ResultError, match="above 0 and up to 1"):
        recompute(folder, share)


def test_one_bit_is_found_and_told_by_the_command(folder, tmp_path, aipower):
    copy = forged(folder, tmp_path, "measures", up_by_one_bit)
    assert sim.verify_result(copy).is_complete, "checksums say nothing"
    code, out, err = aipower("verify", copy, "--share", 1)
    assert code == 1 and "files are as they were written" in out
    assert f"{2 * N} of" in err and "measures.hhi_revenue (" in err and "e-16" in err and "does not hold what" in err
    assert aipower("verify", copy, "--share", 0)[0] == 0


def test_on_another_machine_differences_are_told_and_no_failure(folder, tmp_path, aipower):
    copy = forged(folder, tmp_path, "events", lambda frame: frame.iloc[1:], cpu_dispatch=["SSE"], python="2.7.18")
    first = pd.read_parquet(folder / "events.parquet").iloc[0]
    code, _, err = aipower("verify", copy, "--share", 1)
    assert code == 0 and "python: stored by 2.7.18, here 3" in err and "cpu_dispatch: stored by ['SSE']" in err
    assert f"first event that differs: {first['event']} of {first['actor']} in {first['quarter']}" in err
    assert "computed only" in err and "promised only" in err


def test_the_first_event_is_the_first_in_time():
    columns = ["quarter", "replicate", "event", "actor"]
    stored = pd.DataFrame([("2025Q1", 0, "exit", "a"), ("2024Q2", 3, "entry", "b")], columns=columns)
    computed = pd.DataFrame([("2025Q1", 0, "exit", "a"), ("2024Q3", 1, "entry", "b")], columns=columns)
    assert recomputation._first_event(stored, computed) == "entry of b in 2024Q2 of replicate 3, stored only"
    assert recomputation._first_event(stored, stored) == ""


def test_a_comparison_is_looked_at_too(compared, tmp_path, aipower):
    found = recompute(compared, 1.0)
    assert found.is_same and set(found.runs) == {"base", "taxed"} and found.replicates == (0, 1, 2)
    code, out, _ = aipower("verify", compared)
    assert code == 0 and "the same bits" in out
    assert aipower("verify", compared, "--json")[0] == 0


def test_replicates_that_no_worker_survived_are_not_looked_for(tmp_path, monkeypatch):
    base = scenario(name="base", run={"replicates": N})
    other = scenario(name="taxed", policies=[{"compute_tax": {"rate": 0.2, "start": "2024Q2"}}])
    run, first = Pool.run, range(ensemble.BLOCK_SIZE)

    def losing(self, work, tasks):
        for place, answer in run(self, work, tasks):
            self.n_lost += tasks[place].needs[1] == first
            yield place, Lost("not computed, as it was killed") if tasks[place].needs[1] == first else answer

    monkeypatch.setattr(Pool, "run", losing)
    sim.run(base, out=tmp_path / "run", figures=False)
    sim.compare(base, [other], out=tmp_path / "compared", figures=False)
    monkeypatch.setattr(recomputation, "_some", lambda n, _: list(range(n)))
    for name in ("run", "compared"):
        found = recompute(tmp_path / name)
        assert found.is_same and found.n_values and found.replicates == tuple(range(first.stop, N))


def test_the_sign_of_a_zero_is_a_bit_too():
    stored, computed = (pd.DataFrame({"replicate": [0, 1], "x": [zero, math.nan]}) for zero in (0.0, -0.0))
    assert [row.where for row in recomputation._differences("t", stored, computed)] == ["t.x (0)"]


def test_another_plug_in_is_told_and_no_damage(tmp_path, aipower):
    file, written = tmp_path / "windfall.py", tmp_path / "windfall.yaml"
    file.write_text(plugin(), encoding="utf-8")
    written.write_text("extends: baseline\nhorizon: {end: 2024Q4}\npolicies:\n  - windfall_tax: {rate: 0.3, rent: 4}\n")
    size = ("--plugin", file, "--replicates", "1", "--no-figures", "--quiet", "--workers", "1")
    assert aipower("run", written, *size, "--out", tmp_path / "run")[0] == 0
    assert aipower("compare", "baseline", written, *size, "--quarters", "4", "--out", tmp_path / "compared")[0] == 0
    firm = ("--firm", "OpenAI", "--quarter", "2024Q3")
    assert aipower("explain", tmp_path / "run", *firm, "--plugin", file)[0] == 0
    file.write_text(plugin().replace("self.rate *", "0.5 * self.rate *"), encoding="utf-8")
    for code, words, told in (
        (0, ("verify", tmp_path / "run", "--share", "1"), "plug-in windfall.py: stored by"),
        (2, ("explain", tmp_path / "run", *firm), "give the file that computed the result"),
        (2, ("verify", tmp_path / "compared"), "give the file that computed it, or compare again"),
    ):
        command = [sys.executable, "-m", "sim", *words, "--plugin", file]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        assert answer.returncode == code and told in answer.stderr and "np.float64" not in answer.stderr


def test_a_sweep_holds_nothing_to_compute_again(tmp_path, aipower):
    sim.sweep(scenario(run={"replicates": 2}), ["world.parameters.flywheel=0.5,1"], out=tmp_path / "s", figures=False)
    with pytest.raises(ResultError, match="only means are stored"):
        recompute(tmp_path / "s")
    code, out, _ = aipower("verify", tmp_path / "s")
    assert code == 0 and "means, not replicates" in out


def test_a_damaged_folder_is_not_computed_again(folder, tmp_path, aipower):
    copy = forged(folder, tmp_path, "measures", lambda frame: frame)
    (copy / "summary.csv").write_text("other")
    code, out, err = aipower("verify", copy)
    assert code == 1 and "damaged" in err and "omputed again" not in out + err
