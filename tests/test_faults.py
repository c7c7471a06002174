"""Whole commands that are killed, starved or given bad policies: nothing is lost, repeated or silently wrong."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import sim
from sim import ensemble
from sim.cluster import dask_executor
from sim.errors import InputError, StoreError, WorkersError
from sim.pool import Lost, Pool, Task
from sim.result import load_result, verify_result
from tests.dask_cluster import kill, local_cluster
from tests.test_parts import files, scenario
from tests.test_processes import killed

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs signals of POSIX")
PATIENCE = 300
REPLICATES = 6 * ensemble.BLOCK_SIZE
SHORT = ("run", "symmetric", "--replicates", str(REPLICATES), "--quarters", "2", "--no-figures")
TWO, ONE = ("--workers", "2"), ("--workers", "1")

SLOW = """
import signal, sys, time
from sim import ensemble
from sim.app import cli

run = ensemble.run_block

def slowly(*args, **options):
    time.sleep(float(sys.argv[1]))
    return run(*args, **options)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let background jobs ignore it
    ensemble.run_block = slowly
    cli.main(sys.argv[2:])
"""
"""The command with one worker, whose blocks take a while more, so that there is time to stop it."""


def started(out, *more, pause=0.3):
    return subprocess.Popen(
        [sys.executable, "-c", SLOW, str(pause), *SHORT, *ONE, "--out", str(out), *more],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def command(*words):
    return subprocess.run(
        [sys.executable, "-m", "sim", *map(str, words)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def wait_for(condition, process):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.02)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of the command when nothing happens."""
    out = tmp_path_factory.mktemp("whole") / "run"
    sim.run("symmetric", replicates=REPLICATES, quarters=2, out=out, figures=False)
    return out


def parts_of(out):
    return sorted(out.parent.glob(f"{out.name}.unfinished/*/*.part"))


def resumed_is(whole, out):
    """Go on, expect the whole result and nothing left over, and tell how many blocks were there."""
    result = sim.run("symmetric", replicates=REPLICATES, quarters=2, out=out, figures=False, resume=True)
    assert files(out) == files(whole)
    assert [path.name for path in out.parent.iterdir()] == [out.name], "nothing is left over, hidden or not"
    return result.n_resumed


# --- interruption


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(whole, tmp_path):
    out = tmp_path / "run"
    with started(out) as process:
        wait_for(lambda: len(parts_of(out)) >= 2, process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "Traceback" not in err
    assert err.startswith("Interrupted. ") and "run.unfinished" in err and "--resume" in err
    assert f"{len(parts_of(out))} finished blocks" in err
    assert resumed_is(whole, out) > 0


def killed_at(whole, tmp_path, seconds):
    """Kill the command after some time, whatever it is doing, and go on."""
    out = tmp_path / "run"
    with started(out, pause=0.05) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.kill()
    resumed_is(whole, out)


def test_a_killed_command_goes_on(whole, tmp_path):
    out = tmp_path / "run"
    with started(out) as process:
        wait_for(lambda: len(parts_of(out)) >= 2, process)
        process.kill()
    found = len(parts_of(out))
    assert found >= 2
    assert resumed_is(whole, out) == found


@pytest.mark.long
@pytest.mark.parametrize("moment", range(50))
def test_a_command_killed_at_a_random_moment_goes_on(whole, tmp_path, moment):
    killed_at(whole, tmp_path, 0.5 + int.from_bytes(os.urandom(2), "big") / 2**16 * 4.0)


# --- places that cannot be written


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1.3 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1300k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root and a system that allows it")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_keeps_what_is_there_and_more_room_lets_it_go_on(whole, small_disk):
    out = small_disk / "run"
    done = command(*SHORT, *TWO, "--out", out)
    assert done.returncode == 1 and "Traceback" not in done.stderr and "No space left" in done.stderr
    assert not out.exists() and not [path for path in small_disk.iterdir() if path.name.startswith(".")]
    found = len(parts_of(out))
    assert 0 < found and "--resume" in done.stderr
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    assert resumed_is(whole, out) == found


def test_a_disk_that_is_full_at_any_write_is_told_and_nothing_is_half_written(tmp_path, monkeypatch, whole):
    """As above, for systems that mount nothing: the n-th write finds no room."""
    write, count = Path.write_bytes, [0]
    for full_at in range(1, 7):

        def limited(self, data, full_at=full_at):
            count[0] += 1
            if count[0] == full_at:
                write(self, data[: len(data) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(self, data)

        count[0] = 0
        out = tmp_path / str(full_at) / "run"
        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", limited)
            with pytest.raises(StoreError, match=r"No space left.*--resume"):
                sim.run("symmetric", replicates=REPLICATES, quarters=2, out=out, figures=False)
        assert len(parts_of(out)) == full_at - 1 and not list(out.parent.rglob("*.draft"))
    result = sim.run("symmetric", replicates=REPLICATES, quarters=2, out=out, figures=False, resume=True)
    assert result.n_resumed == 5 and files(out) == files(whole)


def test_a_read_only_place_is_told_before_anything_is_computed(tmp_path, aipower, monkeypatch):
    place = tmp_path / "place"
    place.mkdir()
    for words in (["mount", "--bind", place, place], ["mount", "-o", "remount,ro,bind", place]):
        if subprocess.run([*map(str, words)], capture_output=True, check=False).returncode:
            pytest.skip("a read-only mount needs root and a system that allows it")
    try:
        monkeypatch.setattr(ensemble, "run_block", lambda *_: pytest.fail("something ran"))
        code, out, err = aipower(*SHORT, *ONE, "--out", place / "run")
    finally:
        subprocess.run(["umount", str(place)], check=True)
    assert code == 1 and out == "" and "Read-only file system" in err and "--out" in err


# --- a cluster


@pytest.fixture
def cluster():
    with local_cluster() as made:
        yield made


@pytest.mark.filterwarnings("ignore:.*tried again")  # a block whose answer died with the worker
def test_a_run_on_a_cluster_is_the_same_and_a_killed_worker_loses_nothing(whole, tmp_path, cluster):
    out = tmp_path / "run"
    done = command(*SHORT, "--dask", cluster.address, "--out", out)
    assert done.returncode == 0, done.stderr
    assert files(out) == files(whole)
    with dask_executor(cluster.address) as executor:
        assert executor.seats == 4

        def one_dies(done, total):
            if done and cluster.workers[0].poll() is None:
                kill(cluster.workers[0])

        recording = ensemble.simulate(
            sim.load_scenario("symmetric").replace(quarters=2), replicates=20, block_size=1, executor=executor,
            progress=one_dies,
        )  # fmt: skip
    assert len(recording.replicates) == 20 and not recording.failures and cluster.workers[0].poll() is not None


def test_a_block_that_kills_one_dask_worker_after_another_is_given_up_and_the_others_are_done(monkeypatch):
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "1")
    monkeypatch.setattr("sim.cluster.EMPTY_SECONDS", 30.0)  # so that a failure of this test does not wait
    with local_cluster() as made:
        made.workers.append(made.add_worker())
        with dask_executor(made.address) as executor, Pool(1, executor) as pool:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                found = dict(pool.run(killed, [Task((0, ""), 1), Task((1, None), 1)]))
            words = [str(each.message) for each in told if each.category is UserWarning]
            assert sum("given up" in each for each in words) == 1
            assert all("tried again" in each for each in words if "given up" not in each)  # whose answer died with it
            assert found[0] == Lost("not computed, as it killed one Dask worker after another whenever it was tried")
            assert found[1] == 1 and pool.n_lost == 1
        assert sum(worker.poll() is None for worker in made.workers) == 1


def test_a_killed_scheduler_ends_the_command_with_1_and_the_run_goes_on_elsewhere(whole, tmp_path, cluster):
    out = tmp_path / "run"
    code = SLOW.replace("float(sys.argv[1])", "0").replace(
        "cli.main", "from sim.parts import Shelf; import os, signal\n    save = Shelf.save\n"
        "    def killing(self, *a):\n        save(self, *a)\n        os.killpg(int(sys.argv[1]), signal.SIGKILL)\n"
        "    Shelf.save = killing\n    cli.main",
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code, str(cluster.scheduler.pid), *SHORT, "--dask", cluster.address, "--out", str(out)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "does not answer any more" in done.stderr and "--resume" in done.stderr and "Traceback" not in done.stderr
    assert parts_of(out)
    assert resumed_is(whole, out) > 0


def test_an_address_without_a_scheduler_and_two_places_at_once_are_the_users_mistakes(aipower, monkeypatch):
    monkeypatch.setattr("sim.cluster.CONNECT_SECONDS", 0.5)
    code, _, err = aipower("run", "symmetric", "--dask", "tcp://127.0.0.1:9")
    assert code == 2 and "no Dask scheduler answers at tcp://127.0.0.1:9" in err and "dask scheduler" in err
    code, _, err = aipower("run", "symmetric", "--dask", "tcp://127.0.0.1:9", "--workers", "2")
    assert code == 2 and "leave one out" in err
    with monkeypatch.context() as patch:
        patch.setattr("distributed.Client", lambda *_, **__: pytest.fail("a client was made"))
        for address in ("", "localhost", "foo://x:1", "tcp://127.0.0.1:port"):
            code, _, err = aipower("run", "symmetric", "--dask", address)
            assert code == 2 and f"no Dask scheduler answers at {address}" in err
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'aipower\[dask\]'"), dask_executor("tcp://127.0.0.1:9"):
        pass


def test_a_cluster_without_workers_is_not_waited_for_for_ever(monkeypatch):
    class Client:
        class scheduler:
            address = "tcp://1.2.3.4:5"

        status = "running"

        def nthreads(self):
            return {}

    from sim import cluster
    from sim.cluster import DaskExecutor

    monkeypatch.setattr(cluster, "EMPTY_SECONDS", 0.05)
    executor = DaskExecutor(Client())
    assert executor.seats == 1, "it is given a task, and a while to find a worker"
    time.sleep(0.1)
    with pytest.raises(WorkersError, match=r"tcp://1\.2\.3\.4:5 has had no worker"):
        _ = executor.seats


# --- replicates


def test_a_nan_is_named_by_replicate_quarter_and_array(tmp_path, monkeypatch):
    from sim import engine

    step = engine.step

    def poisoned(state, world, policies, past, luck, now, *more):
        after, flows, residual = step(state, world, policies, past, luck, now, *more)
        if now.period == 1 and 3 in luck.replicates:
            after.cash[list(luck.replicates).index(3), 0] = np.nan
        return after, flows, residual

    clean = sim.run(scenario(), replicates=5)
    monkeypatch.setattr(engine, "step", poisoned)
    result = sim.run(scenario(), replicates=5, out=tmp_path / "run", figures=False)
    (row,) = result.failures.reset_index().to_dict("records")
    assert (row["replicate"], row["quarter"]) == (3, "2024Q2") and row["reason"] == "cash became undefined (NaN)"
    others = clean.measures.drop(index=3, level="replicate")
    assert np.array_equal(result.measures.to_numpy(), others.to_numpy(), equal_nan=True)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["name"] == "scenario" and manifest["failed_replicates"][0]["replicate"] == 3


RAISING = '''
from sim.policies import FirmPolicy, policy

@policy
class Moody(FirmPolicy):
    """Raises in one replicate."""

    uses = ("compute_tax",)

    def levers(self, scene):
        if 3 in scene.observation.luck.replicates:
            raise KeyError("no such firm")
        return {}
'''


def test_a_policy_that_raises_is_named_and_the_other_replicates_are_kept(tmp_path, aipower):
    (tmp_path / "moody.py").write_text(RAISING)
    (tmp_path / "moody.yaml").write_text(
        "world: {base: symmetric}\nhorizon: {start: 2024Q1, end: 2024Q2}\npolicies: [moody: {start: 2024Q2}]\n"
    )
    words = ("--plugin", tmp_path / "moody.py", "--replicates", "5", "--workers", "1", "--no-figures")
    assert aipower("run", tmp_path / "moody.yaml", *words, "--out", tmp_path / "run")[0] == 0
    result = load_result(tmp_path / "run")
    (row,) = result.failures.reset_index().to_dict("records")
    assert row == {"replicate": 3, "quarter": "2024Q2", "reason": "policy moody raised KeyError: 'no such firm'"}
    assert result.replicates.tolist() == [0, 1, 2, 4] and verify_result(tmp_path / "run").is_complete
