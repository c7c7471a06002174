"""Worker processes as a ``concurrent.futures`` executor that survives their death.

The standard ``ProcessPoolExecutor`` gives up everything when one of its processes is killed, does not tell which task
that was, and can wait for ever for an answer of which half was sent. Here each process has a pipe of its own: when it
dies, its task's future says so, and the next task gets a new process.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import pickle
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, TypeVar

from sim.errors import FailureError, WorkersError
from sim.memory import keep_freed_memory

P = ParamSpec("P")
T = TypeVar("T")

START_METHODS = ("spawn", "forkserver")
"""How a process may start. Not by ``fork``: it copies locks that threads of this process hold."""

_LAST_SECONDS = 5.0
"""How long a process whose pipe is closed may take to end."""

_Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class WorkerDiedError(WorkersError):
    """A worker process ended before it answered."""


class PoisonError(WorkerDiedError):
    """A task ended one worker after another, and is not to be tried again."""


class Processes(Executor):
    """Processes that start when there is work, each with one task at a time.

    Parameters
    ----------
    workers : int
        How many at once.
    method : {"spawn", "forkserver"}
        How they start.
    """

    def __init__(self, workers: int, method: str = START_METHODS[0]) -> None:
        if method not in START_METHODS:
            message = f"processes start by {' or '.join(START_METHODS)}, not by {method!r}"
            raise ValueError(message)
        self.seats = workers
        self.under_way: dict[Future[Any], int] = {}
        """Amount done of each task that runs, as its process tells."""
        self._context: Any = get_context(method)
        self._calls: queue.SimpleQueue[tuple[Future[Any], _Call] | None] = queue.SimpleQueue()
        self._workers: set[_Worker] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._is_closed = self._is_killed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do ``fn(*args, **kwargs)`` in a process; what it needs and answers is pickled.

        Raises
        ------
        RuntimeError
            After ``shutdown``.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._is_closed:
                message = "these processes were shut down"
                raise RuntimeError(message)
            self._calls.put((future, (fn, args, kwargs)))
            if len(self._threads) < self.seats:
                thread = threading.Thread(target=self._serve, daemon=True)
                self._threads.append(thread)
                thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's
        """Take no more tasks and end the processes when all are done."""
        with self._lock:
            self._is_closed = True
            waiting: list[tuple[Future[Any], _Call]] = []
            while cancel_futures and not self._calls.empty():
                if (entry := self._calls.get()) is not None:
                    waiting.append(entry)
            for _ in self._threads:
                self._calls.put(None)
        for future, _ in waiting:
            future.cancel()
        if wait:
            for thread in self._threads:
                thread.join()

    def kill(self) -> None:
        """End the processes at once, whatever they do."""
        self._is_killed = True
        self.shutdown(wait=False, cancel_futures=True)
        for worker in tuple(self._workers):
            worker.kill()
        self.shutdown()

    def _serve(self) -> None:
        """Give tasks to one process after another; a thread of its own for each seat."""
        if hasattr(signal, "pthread_sigmask"):  # processes inherit it: Ctrl-C is for this one, which ends them
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        worker: _Worker | None = None
        while (entry := self._calls.get()) is not None:
            future, call = entry
            if future.set_running_or_notify_cancel():
                worker = self._do(future, call, worker)
        if worker is not None:
            worker.end()
            self._workers.discard(worker)

    def _do(self, future: Future[Any], call: _Call, worker: _Worker | None) -> _Worker | None:
        """Have one call made, by a new process where there is none; answer with the process, if it lives."""
        self.under_way[future] = 0
        try:
            if worker is None:
                worker = _Worker(self._context)
                self._workers.add(worker)
                if self._is_killed:
                    worker.kill()
            answer = worker.do(call, functools.partial(self._count, future))
        except BaseException as error:  # noqa: BLE001 - the future hands it over
            self.under_way.pop(future)
            future.set_exception(error)
            if not isinstance(error, WorkerDiedError):
                return worker
            self._workers.discard(worker)
            return None
        self.under_way.pop(future)
        future.set_result(answer)
        return worker

    def _count(self, future: Future[Any], amount: int) -> None:
        self.under_way[future] += amount


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, context: Any) -> None:  # noqa: ANN401 - multiprocessing keeps the type to itself
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs,), daemon=True)
        with _one_thread_of_blas():
            self._process.start()
        theirs.close()  # so that reading ends when the process does

    def do(self, call: _Call, count: Callable[[int], None]) -> object:
        """Have a call made, and wait for the answer."""
        body = pickle.dumps(call)
        try:
            self._pipe.send_bytes(body)
            kind, content = self._pipe.recv()
            while kind == "more":
                count(content)
                kind, content = self._pipe.recv()
        except (EOFError, OSError) as error:  # also in the middle of an answer
            self._process.join(_LAST_SECONDS)
            self._process.kill()
            self._process.join()
            raise WorkerDiedError(_how(self._process.exitcode)) from error
        if kind == "error":
            raise content
        return content

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        self._pipe.close()
        self._process.join()


_BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_STARTING = threading.Lock()


@contextlib.contextmanager
def _one_thread_of_blas() -> Iterator[None]:
    """Let a process that starts have one thread for linear algebra, unless the user wants more.

    Others would spin beside the workers of the other processors: a fifth of a second while each starts.
    """
    with _STARTING:
        ours = [name for name in _BLAS_THREADS if name not in os.environ]
        os.environ.update(dict.fromkeys(ours, "1"))
        try:
            yield
        finally:
            for name in ours:
                del os.environ[name]


def _how(exit_code: int | None) -> str:
    """How a process ended."""
    if exit_code is not None and exit_code < 0:
        names = {member.value: member.name for member in signal.Signals}
        what = f"was killed by {names.get(-exit_code, -exit_code)}"
        return f"its process {what}{', as the system does when memory is short' * (what.endswith('SIGKILL'))}"
    return f"its process ended with exit code {exit_code}"


_PIPE: list[Connection] = []
"""In a worker, the pipe to its parent."""


def tell(amount: int) -> None:
    """Tell the parent that more is done; elsewhere than in a worker nobody listens."""
    if _PIPE:
        _PIPE[0].send(("more", amount))


def _work(pipe: Connection) -> None:
    """Do what the parent asks until it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    keep_freed_memory()
    _PIPE.append(pipe)
    while True:
        try:
            function, arguments, named = pickle.loads(pipe.recv_bytes())  # noqa: S301 - from our own parent
        except EOFError:
            return
        except Exception as error:  # noqa: BLE001 - what cannot be read is told, not fatal
            pipe.send(("error", FailureError(f"a worker cannot read its task: {type(error).__name__}: {error}")))
            continue
        if not gc.get_freeze_count():
            gc.freeze()  # modules stay: nothing is gained by looking through them again and again
        try:
            answer = ("done", function(*arguments, **named))
        except Exception as error:  # noqa: BLE001 - the parent raises it
            answer = ("error", portable(error))
        pipe.send(answer)


def _end_with_parent() -> None:
    """End at once when the parent is gone, even when it was killed: nobody would ask for the answer."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def portable(error: Exception) -> Exception:
    """The error, or one with its words where it does not survive pickling."""
    try:
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - whatever the error's class does
        return FailureError(f"{type(error).__name__}: {error}")
    return error if isinstance(again, type(error)) else FailureError(f"{type(error).__name__}: {error}")
