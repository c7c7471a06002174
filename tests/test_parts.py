"""Finished blocks on disk: whole or not at all, checked, used again, never another's, and no litter."""

import errno
import json
import multiprocessing
import os
import shutil

import pytest

import sim
from sim import ensemble, folders, manifests, runner, table_files
from sim.comparison import outcomes, storage
from sim.errors import FailureError, Interrupted, StoreError, WorkersError
from sim.identity import identity
from sim.parts import Part, gaps, key_of, packed, unpacked
from sim.pool import Lost, Pool
from sim.result import load_result, verify_result
from sim.scenario import load_scenario

B = ensemble.BLOCK_SIZE
BLOCK = range(B, 2 * B)
N = 2 * B + 10
DECLARED = {"created", "timing_seconds", "manifest_sha256"}
"""Entries of a manifest that differ between two runs of the same thing."""


def scenario(**changes):
    data = {"world": {"base": "symmetric"}, "horizon": {"start": "2024Q1", "end": "2024Q2"}, "run": {"replicates": N}}
    return load_scenario({**data, **changes})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    sim.run(scenario(), out=folder, figures=False)
    return folder


def files(folder):
    """Contents of a folder by name, the manifest without what differs from run to run."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    manifest = json.loads(found.pop("manifest.json"))
    return found, {name: entry for name, entry in manifest.items() if name not in DECLARED}


class Stopper:
    """Lets a few blocks through, then interrupts."""

    def __init__(self, monkeypatch, after, stop=KeyboardInterrupt):
        self.run, self.blocks = ensemble.run_block, []
        self.after, self.stop = after, stop
        monkeypatch.setattr(ensemble, "run_block", self)

    def __call__(self, job, replicates, advance=None):
        if len(self.blocks) == self.after:
            raise self.stop
        self.blocks.append(replicates)
        return self.run(job, replicates, advance)


# --- one part


def test_every_truncation_and_bit_flip_is_detected():
    body = packed("key", Part(BLOCK, {"rows": {"a": 3}}, {"a": bytes(range(256)), "b": b"more"}))
    assert unpacked("key", BLOCK, body).sections == {"a": bytes(range(256)), "b": b"more"}
    for size in range(len(body)):
        assert unpacked("key", BLOCK, body[:size]) is None, size
    for bit in range(8 * len(body)):
        damaged = bytearray(body)
        damaged[bit // 8] ^= 1 << bit % 8
        assert unpacked("key", BLOCK, bytes(damaged)) is None, bit


def test_a_part_under_another_name_is_none():
    body = packed("key", Part(BLOCK, {}, {"a": b"x"}))
    assert unpacked("other", BLOCK, body) is None and unpacked("key", range(B), body) is None


def test_a_key_follows_everything_that_decides_numbers_and_nothing_else(monkeypatch):
    ours, here = scenario(), identity()
    other = here | {"cpu_dispatch": ["SSE"]}

    def key(made, kind="result", computed_by=here):
        return key_of(made, kind, computed_by)

    assert key(ours) == key(scenario(name="x", question="y", run={"replicates": 7}))
    different = [scenario(run={"seed": 2}), scenario(horizon={"end": "2024Q3"}), scenario(record={"firms": "none"})]
    keys = [key(ours), key(ours, "outcome"), key(ours, computed_by=other), *map(key, different)]
    assert len(set(keys)) == len(keys)
    with monkeypatch.context() as patch:
        patch.setattr(type(ours), "plugins", lambda _: {"mine.py": "abc"})
        assert key(ours) not in keys


def test_gaps_and_parts_cover_every_replicate_once():
    for have in ([], [range(3)], [range(2, 4), range(8, 12)], [range(12)], [range(4, 5), range(5, 9)]):
        for size in (1, 3, 20):
            blocks = [*have, *gaps(12, have, size)]
            assert sorted(number for block in blocks for number in block) == list(range(12))
            assert all(len(block) <= size for block in gaps(12, have, size))


# --- interruption and resumption


def test_an_interrupted_run_goes_on_to_the_same_folder_and_computes_nothing_twice(whole, tmp_path, monkeypatch):
    out = tmp_path / "run"
    stopper = Stopper(monkeypatch, after=1)
    with pytest.raises(Interrupted, match=r"1 finished block of replicates is kept in .*run\.unfinished.*--resume"):
        sim.run(scenario(), out=out, figures=False)
    assert [path.name for path in tmp_path.iterdir()] == ["run.unfinished"]
    stopper.after = None
    result = sim.run(scenario(), out=out, figures=False, resume=True)
    assert stopper.blocks == [range(B), BLOCK, range(2 * B, N)]
    assert result.n_resumed == 1 and files(out) == files(whole)
    assert [path.name for path in tmp_path.iterdir()] == ["run"], "nothing is left over"


def test_parts_serve_a_run_of_more_replicates_or_fewer(tmp_path, monkeypatch):
    stopper = Stopper(monkeypatch, after=3)
    with pytest.raises(Interrupted):
        sim.run(scenario(run={"replicates": 3 * B + 15}), out=tmp_path / "run", figures=False)
    stopper.after = None
    result = sim.run(scenario(), out=tmp_path / "run", figures=False, resume=True)
    assert stopper.blocks[3:] == [range(2 * B, N)] and result.n_resumed == 2 and len(result.replicates) == N


def test_without_resume_everything_is_computed_again_and_what_was_kept_is_kept(tmp_path, monkeypatch):
    stopper = Stopper(monkeypatch, after=2)
    with pytest.raises(Interrupted):
        sim.run(scenario(), out=tmp_path / "run", figures=False)
    stopper.after = 3
    with pytest.raises(Interrupted, match="2 finished blocks"):
        sim.run(scenario(), out=tmp_path / "run", figures=False)
    assert stopper.blocks[2:] == [range(B)], "the first was computed again"


def test_a_damaged_part_is_computed_again(whole, tmp_path, monkeypatch):
    stopper = Stopper(monkeypatch, after=2)
    with pytest.raises(Interrupted):
        sim.run(scenario(), out=tmp_path / "run", figures=False)
    path = next(tmp_path.rglob(f"0000000-{B:07d}.part"))
    path.write_bytes(path.read_bytes()[:-1])
    stopper.after = None
    sim.run(scenario(), out=tmp_path / "run", figures=False, resume=True)
    assert stopper.blocks[2:] == [range(B), range(2 * B, N)]
    assert files(tmp_path / "run") == files(whole)


def test_resume_starts_afresh_where_nothing_is(whole, tmp_path):
    result = sim.run(scenario(), out=tmp_path / "run", figures=False, resume=True)
    assert result.n_resumed == 0 and files(tmp_path / "run") == files(whole)


def test_parts_of_another_run_are_neither_used_nor_removed_and_useless_ones_are(tmp_path, monkeypatch):
    stopper = Stopper(monkeypatch, after=1)
    with pytest.raises(Interrupted):
        sim.run(scenario(run={"seed": 5, "replicates": N}), out=tmp_path / "run", figures=False)
    old = tmp_path / "run.unfinished" / ("0" * 8 + "-" + "1" * 24)  # of another version
    old.mkdir()
    (old / "0000000-0000025.part").write_bytes(b"old")
    stopper.after = None
    result = sim.run(scenario(), out=tmp_path / "run", figures=False, resume=True)
    assert result.n_resumed == 0 and len(stopper.blocks) == 4
    assert not old.exists() and len(list((tmp_path / "run.unfinished").iterdir())) == 1
    other = sim.run(scenario(run={"seed": 5, "replicates": N}), out=tmp_path / "run", figures=False, resume=True)
    assert other.n_resumed == 1 and other.folder == tmp_path / "run-2"
    assert not (tmp_path / "run.unfinished").exists()


def test_a_comparison_and_a_sweep_go_on_too(tmp_path, monkeypatch):
    base = scenario(name="base")
    other = scenario(name="other", policies=[{"compute_tax": {"rate": 0.2, "start": "2024Q2"}}])
    todo = {
        "compare": lambda out, **more: sim.compare(base, [other], out=out, figures=False, **more),
        "sweep": lambda out, **more: sim.sweep(
            base, ["world.parameters.flywheel=0.5,1.0"], out=out, figures=False, **more
        ),
    }
    run = outcomes.run_branches
    for name, make in todo.items():
        make(tmp_path / f"{name}-whole")
        done = []

        def some(jobs, replicates, advance=None, done=done):
            if len(done) == 2:
                raise KeyboardInterrupt
            done.append(replicates)
            return run(jobs, replicates, advance)

        with monkeypatch.context() as patch:
            patch.setattr(outcomes, "run_branches", some)
            with pytest.raises(Interrupted, match="kept"):
                make(tmp_path / name)
        made = make(tmp_path / name, resume=True)
        assert made.n_resumed >= 2, name
        assert files(tmp_path / name) == files(tmp_path / f"{name}-whole"), name
        assert not (tmp_path / f"{name}.unfinished").exists()


def test_what_is_kept_of_a_comparison_is_told_and_removed_in_the_end_also_when_all_of_it_was_there(
    tmp_path, monkeypatch
):
    base = scenario(name="base")
    other = scenario(name="other", policies=[{"compute_tax": {"rate": 0.2, "start": "2024Q2"}}])

    def make():
        return sim.compare(base, [other], out=tmp_path / "run", figures=False, resume=True)

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write", stop)
        for _ in range(2):
            with pytest.raises(Interrupted, match="6 finished blocks"):
                make()
    assert make().n_resumed == 6
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_blocks_of_a_run_that_went_beside_another_are_found_when_that_has_ended(tmp_path, monkeypatch):
    stopper = Stopper(monkeypatch, after=1)
    (tmp_path / "run.unfinished").mkdir()
    with folders.held(tmp_path / "run.unfinished"), pytest.raises(Interrupted, match=r"run-2\.unfinished"):
        sim.run(scenario(), out=tmp_path / "run", figures=False)
    (tmp_path / "run.unfinished").rmdir()
    stopper.after = None
    assert sim.run(scenario(), out=tmp_path / "run", figures=False, resume=True).n_resumed == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_result_goes_where_it_was_wanted_whatever_folder_the_process_goes_to(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()

    def away(run):
        return lambda *args: os.chdir(tmp_path / "elsewhere") or run(*args)

    for module, name in ((ensemble, "run_block"), (outcomes, "run_branches")):
        monkeypatch.setattr(module, name, away(getattr(module, name)))
    small = scenario(run={"replicates": 2})
    for name, make in (
        ("run", lambda: sim.run(small, out="run", figures=False)),
        ("compared", lambda: sim.compare(small, [scenario(name="same")], out="compared", figures=False)),
    ):
        monkeypatch.chdir(tmp_path)
        assert make().folder == tmp_path / name
    assert not list((tmp_path / "elsewhere").iterdir())


def test_an_interrupt_ends_the_command_with_130_and_says_how_to_go_on(aipower, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("run", "symmetric", "--replicates", N, "--quarters", 2, "--workers", 1, "--no-figures")
    stopper = Stopper(monkeypatch, after=2)
    code, out, err = aipower(*words)
    assert (code, out) == (130, "") and "Interrupted. 2 finished blocks" in err and "--resume" in err
    stopper.after = None
    code, out, _ = aipower(*words, "--resume")
    assert code == 0 and "2 blocks of replicates were there from before" in out


# --- what may go wrong on the way


def test_blocks_that_no_worker_survives_are_failures_and_tried_again_by_resume(tmp_path, monkeypatch, aipower):
    monkeypatch.chdir(tmp_path)
    run = Pool.run

    def losing(self, work, tasks):
        for place, answer in run(self, work, tasks):
            is_bad = tasks[place].needs[1] == BLOCK
            self.n_lost += is_bad
            yield place, Lost("not computed, as it was killed") if is_bad else answer

    words = ("run", "symmetric", "--replicates", N, "--quarters", 2, "--workers", 1, "--no-figures", "--out", "run")
    with monkeypatch.context() as patch:
        patch.setattr(Pool, "run", losing)
        code, out, err = aipower(*words)
    assert code == 1 and f"{B} replicates were not computed" in err and "--resume" in err
    first = load_result("run")
    assert first.lost == tuple(BLOCK) and first.failures.index.tolist() == list(BLOCK)
    assert set(first.failures["reason"]) == {"not computed, as it was killed"} and len(first.replicates) == N - B
    assert verify_result("run").is_complete
    code, out, _ = aipower(*words, "--resume")
    assert code == 0 and "2 blocks of replicates were there from before" in out
    again = load_result("run-2")
    assert again.lost == () and again.equals(sim.run("symmetric", replicates=N, quarters=2))
    assert not (tmp_path / "run.unfinished").exists()


@pytest.mark.parametrize("resume", [False, True])
def test_short_memory_ends_the_run_and_what_is_kept_is_told(tmp_path, monkeypatch, resume):
    Stopper(monkeypatch, after=1, stop=MemoryError("of 80 GB"))
    with pytest.raises(WorkersError, match=r"memory is short \(of 80 GB\).*--workers.*1 finished block"):
        sim.run(scenario(), out=tmp_path / "run", figures=False, resume=resume)


def test_a_run_in_which_everything_fails_leaves_nothing(tmp_path, monkeypatch):
    def never(*_args, **_options):
        raise ensemble.QuarterError(ensemble.Quarter.parse("2024Q1"), "the sky fell")

    monkeypatch.setattr(ensemble, "simulate_block", never)
    with pytest.raises(FailureError, match="every replicate failed.*2024Q1.*the sky fell"):
        sim.run(scenario(), out=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_told_before_anything_is_computed(tmp_path, monkeypatch):
    """Also for root, who may write anywhere but into a file."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(ensemble, "run_block", lambda *_: pytest.fail("something ran"))
    with pytest.raises(StoreError, match=r"no result can be written into .*file.*--out"):
        sim.run(scenario(), out=tmp_path / "file" / "run", figures=False)


def test_a_folder_that_vanishes_is_told_and_nothing_is_written_elsewhere(tmp_path, monkeypatch):
    stopper = Stopper(monkeypatch, after=None)

    def vanish(job, replicates, advance=None):
        if replicates.start == B:
            shutil.rmtree(tmp_path / "deep")
        return stopper(job, replicates, advance)

    monkeypatch.setattr(ensemble, "run_block", vanish)
    with pytest.raises(StoreError, match=r"the folder is gone.*run it again"):
        sim.run(scenario(), out=tmp_path / "deep" / "run")
    assert not list(tmp_path.iterdir())


def test_a_part_that_vanishes_before_the_tables_are_laid_together_is_told(tmp_path, monkeypatch):
    written = runner.Result.save

    def losing(self, *args, **options):
        next(tmp_path.rglob(f"{B:07d}-{2 * B:07d}.part")).unlink()
        return written(self, *args, **options)

    monkeypatch.setattr(runner.Result, "save", losing)
    with pytest.raises(StoreError, match=f"replicates {B} to {2 * B - 1} .*damaged or gone.*--resume"):
        sim.run(scenario(), out=tmp_path / "run", figures=False)
    assert [path.name for path in tmp_path.iterdir()] == ["run.unfinished"]


@pytest.mark.skipif(not folders.HAS_LOCKS, reason="needs locks of POSIX")
def test_a_run_that_another_process_writes_is_not_gone_on_with_and_a_new_one_goes_beside(tmp_path, monkeypatch):
    Stopper(monkeypatch, after=1)
    with pytest.raises(Interrupted):
        sim.run(scenario(), out=tmp_path / "run", figures=False)
    monkeypatch.undo()
    with folders.held(tmp_path / "run.unfinished") as is_ours:
        assert is_ours
        with pytest.raises(StoreError, match=r"another process is writing .*run\.unfinished"):
            sim.run(scenario(), out=tmp_path / "run", figures=False, resume=True)
        made = sim.run(scenario(), out=tmp_path / "run", figures=False)
        assert made.folder == tmp_path / "run", "results have their own names"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.unfinished"]


def _write(out, barrier):
    barrier.wait()
    result = sim.run(scenario(), out=out, figures=False)
    os._exit(0 if verify_result(result.folder).is_complete else 1)


def test_two_processes_that_write_to_the_same_folder_leave_one_whole_result(whole, tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    both = [context.Process(target=_write, args=(tmp_path / "run", barrier)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(120)
    assert [process.exitcode for process in both] == [0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["run"] and files(tmp_path / "run") == files(whole)


@pytest.mark.skipif(not folders.HAS_LOCKS, reason="needs locks of POSIX")
def test_drafts_of_killed_processes_are_removed_and_those_of_living_ones_are_not(tmp_path):
    dead, living = tmp_path / ".run.00000000.partial", tmp_path / ".run.11111111.partial"
    for draft in (dead, living):
        draft.mkdir()
        (draft / "half").touch()
    with folders.held(living):
        folders.write_folder(tmp_path / "run", lambda _: {"format": manifests.RESULT})
    assert sorted(path.name for path in tmp_path.iterdir()) == [living.name, "run"]


@pytest.mark.skipif(not folders.HAS_LOCKS, reason="needs locks of POSIX")
@pytest.mark.parametrize("code", ["EBADF", "ENOLCK", "ENOSYS", "EOPNOTSUPP"])
def test_a_file_system_without_locks_is_written_to_and_no_draft_there_is_taken_for_a_dead_ones(
    tmp_path, monkeypatch, code
):
    def refuse(*_):
        raise OSError(getattr(errno, code), code)

    monkeypatch.setattr(folders, "flock", refuse)
    living = tmp_path / ".run.00000000.partial"
    living.mkdir()
    sim.run(scenario(run={"replicates": 2}), out=tmp_path / "run", figures=False)
    assert living.is_dir() and verify_result(tmp_path / "run").is_complete


def test_memory_and_rows_of_a_table_do_not_depend_on_the_pieces_it_comes_in(tmp_path, monkeypatch):
    import pyarrow as pa
    import pyarrow.parquet as pq

    monkeypatch.setattr(table_files, "GROUP_VALUES", 40)
    catalogue = {}
    table = sim.run(scenario(), replicates=3).events
    assert len(table) > 0
    arrow = pa.Table.from_pandas(table, preserve_index=None)
    contents = []
    for size in (1, 2, len(table)):
        path = tmp_path / f"{size}.parquet"
        with table_files.TableFile(path, "events", catalogue, len(table)) as file:
            for begin in range(0, len(table), size):
                file.add(arrow.slice(begin, size))
        contents.append(path.read_bytes())
        assert pq.read_table(path).to_pandas().equals(table)
        most = max(
            pq.ParquetFile(path).metadata.row_group(k).num_rows for k in range(pq.ParquetFile(path).num_row_groups)
        )
        assert most <= 40 // len(arrow.schema)
    assert contents[0] == contents[1] == contents[2]
