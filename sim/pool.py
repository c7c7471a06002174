"""Work done here or in other processes, with one count of how far it is.

A pool lives as long as its ``with`` block, so that several rounds of work start processes once. What a killed worker
took with it is done here: nothing is lost.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

Progress = Callable[[int, int], None]
"""Told the amount done and in all, in replicate-quarters."""

Advance = Callable[[int], None]
"""Told the amount just done."""

T = TypeVar("T")
Work = Callable[[Any, Advance | None], T]
"""Does one task, given what it needs, and tells how it goes on. Must be a function of a module."""

_WATCH_SECONDS = 0.2
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h>
_KEPT_BYTES = 1 << 30
_LARGEST_MMAP_THRESHOLD = 1 << 25


class Task(NamedTuple):
    """What a piece of work needs, and how much there is to do."""

    needs: Any
    amount: int


class Meter:
    """Adds up what is done and tells the user."""

    def __init__(self, progress: Progress | None, total: int = 0) -> None:
        self.progress = progress
        self.total = total
        self.done = 0

    def show(self, done: int) -> None:
        """Tell how much is done."""
        self.done = done
        if self.progress is not None:
            self.progress(min(done, self.total), self.total)

    def advance(self, amount: int) -> None:
        """Tell that more is done."""
        self.show(self.done + amount)

    def expect(self, amount: int) -> None:
        """Tell that there is more to do."""
        self.total += amount
        self.show(self.done)


class Pool:
    """Where work is done.

    Parameters
    ----------
    workers : int
        Processes of its own; 1 works in this one.
    executor : concurrent.futures.Executor, optional
        Used instead, for example a cluster's; it stays open.
    progress : callable, optional
        Told the amount done and in all.
    """

    def __init__(self, workers: int = 1, executor: Executor | None = None, progress: Progress | None = None) -> None:
        self._workers = workers
        self._given = executor
        self._own: ProcessPoolExecutor | None = None
        self._counter: Any = None
        self.meter = Meter(progress)

    def __enter__(self) -> Self:
        keep_freed_memory()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._own is not None:
            self._own.shutdown(cancel_futures=True)

    def run(self, work: Work[T], tasks: Sequence[Task]) -> Iterator[tuple[int, T]]:
        """Do tasks and hand over each answer, with the place of its task, as soon as it is there.

        Parameters
        ----------
        work : callable
            ``work(task.needs, advance)``; ``advance`` is None where nobody counts.
        tasks : sequence of Task

        Yields
        ------
        place : int
        answer
        """
        self.meter.expect(sum(task.amount for task in tasks))
        if self._given is not None:
            yield from self._elsewhere(work, tasks, self._given, silently, self.meter)
        elif self._workers == 1 or len(tasks) <= 1:
            for place, task in enumerate(tasks):
                yield place, work(task.needs, self.meter.advance)
        else:
            yield from self._in_processes(work, tasks)

    def _in_processes(self, work: Work[T], tasks: Sequence[Task]) -> Iterator[tuple[int, T]]:
        """Work in processes of our own, which count as they go."""
        if self._own is None:
            context = get_context("spawn")
            self._counter = context.Value("q", 0)
            workers = min(self._workers, len(tasks))
            self._own = ProcessPoolExecutor(workers, context, _start_worker, (self._counter,))
        stop = threading.Event()
        base = self.meter.done - self._counter.value

        def watch() -> None:
            while not stop.wait(_WATCH_SECONDS):
                self.meter.show(base + self._counter.value)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield from self._elsewhere(work, tasks, self._own, counting, Meter(None))
        finally:
            stop.set()
            watcher.join()
            self.meter.show(base + self._counter.value)

    def _elsewhere(
        self,
        work: Work[T],
        tasks: Sequence[Task],
        executor: Executor,
        run: Callable[[Work[T], Any], T],
        meter: Meter,
    ) -> Iterator[tuple[int, T]]:
        """Work in other processes; what a killed worker took with it is done here."""
        futures: dict[Future[T], int] = {}
        left = set(range(len(tasks)))
        try:
            for place, task in enumerate(tasks):
                futures[executor.submit(run, work, task.needs)] = place
            for future in as_completed(futures):
                answer, place = future.result(), futures.pop(future)
                left.discard(place)
                meter.advance(tasks[place].amount)
                yield place, answer
        except BrokenProcessPool:
            self._own = None
            for place in sorted(left):
                yield place, work(tasks[place].needs, self._advance_counter)
        except BaseException:
            for future in futures:
                future.cancel()
            raise

    def _advance_counter(self, amount: int) -> None:
        if self._counter is None:
            self.meter.advance(amount)
            return
        with self._counter.get_lock():
            self._counter.value += amount


_COUNTER: list[Any] = []
"""In a worker, the count that it shares with its siblings."""


def _start_worker(counter: Any) -> None:  # noqa: ANN401  multiprocessing keeps the type to itself
    _COUNTER.append(counter)
    keep_freed_memory()


def counting(work: Work[T], needs: Any) -> T:  # noqa: ANN401  whatever the work needs
    """Do work in a process of our own."""

    def count(amount: int) -> None:
        with _COUNTER[0].get_lock():
            _COUNTER[0].value += amount

    return work(needs, count)


def silently(work: Work[T], needs: Any) -> T:  # noqa: ANN401  whatever the work needs
    """Do work where nobody counts."""
    return work(needs, None)


def keep_freed_memory() -> None:
    """Ask the GNU C library to keep freed arrays for the next ones instead of handing them back each time.

    Handing back costs a page fault for every page of every temporary array. Elsewhere this does nothing.
    """
    if platform.libc_ver()[0] == "glibc":
        import ctypes

        library = ctypes.CDLL(None)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
