"""Work in processes and on executors: nothing is lost, repeated or waited for when a worker dies."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from sim import pool as pools
from sim import processes
from sim.errors import WorkersError
from sim.identity import identity
from sim.pool import Lost, Pool, Task
from sim.processes import Processes, WorkerDiedError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs signals of POSIX")
PATIENCE = 60  # seconds after which waiting counts as a hang


@pytest.fixture(autouse=True)
def _no_hang():
    """A test that waits for ever fails instead."""

    def hang(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, hang)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)


def squared(number, advance):
    """Work that tells how it goes on."""
    if advance is not None:
        advance(2)
    return number**2


def killed(needs, advance=None):
    """Work whose process the system kills where it is told so: always, or unless a file is there."""
    number, mark = needs
    if mark is not None and not (mark and Path(mark).exists()):
        if mark:
            Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def killed_in_mid_answer(number, advance=None):
    """Work whose process dies when half of its answer is sent."""
    pipe = processes._PIPE[0]
    os.write(pipe.fileno(), (1_000_000).to_bytes(4, "big") + b"half")
    os._exit(3)


def blas_threads(name, advance=None):
    """Work that says how many threads linear algebra is given where it is done."""
    return os.environ.get(name)


class StubbornError(Exception):
    """Cannot be unpickled, as its class asks for more than it keeps."""

    def __init__(self, one, two):
        super().__init__(one)


def failing(number, advance=None):
    """Work that raises errors of its own."""
    if number == 1:
        raise StubbornError("too hard", 2)
    raise KeyError(number)


def answers(pool, work, needs):
    return dict(pool.run(work, [Task(each, 2, f"task {k}") for k, each in enumerate(needs)]))


def test_a_worker_has_one_thread_for_linear_algebra_unless_the_user_wants_more(monkeypatch):
    for name in processes._BLAS_THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    before = dict(os.environ)
    with Processes(2) as executor:
        told = {name: executor.submit(blas_threads, name).result() for name in processes._BLAS_THREADS}
    assert told == {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "1"}
    assert dict(os.environ) == before


@pytest.mark.parametrize("method", processes.START_METHODS)
def test_answers_come_with_their_places_and_the_count_ends_at_the_total(method):
    seen = []
    with Processes(2, method) as executor, Pool(1, executor, lambda *now: seen.append(now)) as pool:
        assert answers(pool, squared, range(5)) == {k: k**2 for k in range(5)}
    assert seen[0] == (0, 10) and seen[-1] == (10, 10) and [now for now, _ in seen] == sorted(now for now, _ in seen)


def test_processes_do_not_start_by_fork():
    with pytest.raises(ValueError, match="spawn or forkserver"):
        Processes(2, "fork")


def test_a_killed_worker_is_reported_and_its_task_done_by_a_new_one(tmp_path):
    needs = [(0, None), (1, str(tmp_path / "mark")), (2, None), (3, None)]
    with Pool(2) as pool:
        with pytest.warns(UserWarning, match="task 1: its process was killed by SIGKILL.*tried again"):
            found = answers(pool, killed, needs)
        assert found == {k: k for k in range(4)} and pool.n_lost == 0


def test_a_task_that_kills_every_worker_is_given_up_and_the_others_are_done():
    needs = [(k, "" if k == 2 else None) for k in range(6)]
    with Pool(2) as pool:
        with pytest.warns(UserWarning) as remarks:
            found = answers(pool, killed, needs)
        assert found.pop(2) == Lost(
            "not computed, as its process was killed by SIGKILL, as the system does when memory is short whenever it was "
            "tried"
        )
        assert found == {k: k for k in (0, 1, 3, 4, 5)} and pool.n_lost == 1
        told = [str(each.message) for each in remarks]
        assert len(told) == pools.TRIES and "given up" in told[-1]
        assert answers(pool, squared, range(2)) == {0: 0, 1: 1}, "the pool goes on"


def test_half_an_answer_is_not_waited_for():
    with Processes(1) as executor, pytest.raises(WorkerDiedError, match="exit code 3"):
        executor.submit(killed_in_mid_answer, 0).result()


@pytest.mark.parametrize(
    ("number", "kind", "words"), [(0, KeyError, "0"), (1, WorkersError, "StubbornError: too hard")]
)
def test_errors_of_the_work_are_raised_and_not_tried_again(number, kind, words):
    kind = kind if number == 0 else Exception
    with Pool(2) as pool, pytest.raises(kind, match=words):
        answers(pool, failing, [number, number])


def test_what_cannot_be_sent_is_an_error_at_once():
    with Pool(2) as pool, pytest.raises((pickle.PicklingError, AttributeError)):
        answers(pool, squared, [lambda: 1, 2])


def test_any_executor_does_the_work_and_stays_open():
    with ThreadPoolExecutor(2) as executor:
        for _ in range(2):
            with Pool(1, executor) as pool:
                assert answers(pool, squared, range(5)) == {k: k**2 for k in range(5)}


def test_a_broken_executor_is_told_and_not_waited_for():
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor,
        Pool(1, executor) as pool,
        pytest.warns(UserWarning, match="tried again"),
        pytest.raises(WorkersError, match="takes no more tasks"),
    ):
        answers(pool, killed, [(0, "")] * 3)


class Deserted(Executor):
    """Takes a task, and then has nobody to do it, as a cluster whose last worker is gone."""

    looks = 0

    @property
    def seats(self):
        self.looks += 1
        if self.looks > 2:
            raise WorkersError("the cluster has had no worker for a while")
        return 1

    def submit(self, fn, /, *args, **kwargs):
        return Future()


def test_a_task_is_not_waited_for_when_no_worker_is_left_and_nothing_else_waits():
    with Pool(1, Deserted()) as pool, pytest.raises(WorkersError, match="no worker"):
        answers(pool, squared, [1])


def test_workers_that_may_compute_other_bits_are_refused(monkeypatch):
    other = {**identity(), "python": "2.7.18"}
    with ThreadPoolExecutor(1) as executor, Pool(1, executor) as pool:
        assert answers(pool, squared, [1]) == {0: 1}
        monkeypatch.setattr(pools, "identity", lambda: other)
        with pytest.raises(WorkersError, match=r"workers differ.*python: 2\.7\.18 and 3"):
            answers(pool, squared, [1])


def test_a_task_after_shutdown_is_refused():
    executor = Processes(1)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(squared, 1, None)


SLEEPERS = """
import os, sys, time
from sim.processes import Processes
from tests.test_processes import sleeping
if __name__ == "__main__":
    executor = Processes(2)
    for k in range(3):
        executor.submit(sleeping, sys.argv[1], k)
    while len(os.listdir(sys.argv[1])) < 2:
        time.sleep(0.05)
    print("started", flush=True)
    {then}
"""


def sleeping(folder, number):
    """Work that outlasts any test."""
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(10 * PATIENCE)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes as Linux shows them")
@pytest.mark.parametrize("then", ["time.sleep(600)", "executor.kill()"])
def test_workers_end_at_once_when_their_parent_is_killed_or_says_so(tmp_path, then):
    words = [sys.executable, "-c", SLEEPERS.format(then=then), str(tmp_path)]
    with subprocess.Popen(words, cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "started\n"
        pids = [int(path.name) for path in tmp_path.iterdir()]
        assert len(pids) == 2
        if "sleep" in then:
            parent.kill()
        parent.wait(PATIENCE)
    end = time.monotonic() + PATIENCE / 2
    while any(map(is_running, pids)):
        assert time.monotonic() < end, "workers outlive their parent"
        time.sleep(0.05)
