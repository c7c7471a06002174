"""Work done here, in processes or on a cluster, with one count of how far it is.

A pool lives as long as its ``with`` block, so that several rounds of work start processes once. What a dead worker
took with it is tried again, and given up after three tries: one bad block never stops the others, and nothing waits for
ever.
"""

from __future__ import annotations

import pickle
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from types import TracebackType
from typing import Any, Generic, NamedTuple, Self, TypeVar

from sim.arguments import whole_number
from sim.errors import WorkersError
from sim.identity import identity
from sim.memory import keep_freed_memory
from sim.processes import PoisonError, Processes, portable, tell

Progress = Callable[[int, int], None]
"""Told the amount done and in all, in replicate-quarters."""

Advance = Callable[[int], None]
"""Told the amount just done."""

T = TypeVar("T")
Work = Callable[[Any, Advance | None], T]
"""Does one task, given what it needs, and tells how it goes on. Must be a function of a module."""

TRIES = 3
"""Times that a task is tried whose worker dies."""

SEATS = 1_024
"""Tasks that an executor of unknown size is given at a time."""

_GUESSED_SEATS = 8
_LOOK_SECONDS = 0.2


class Task(NamedTuple):
    """What a piece of work needs, how much there is to do, and how it is called."""

    needs: Any
    amount: int
    name: str = "a task"


class Lost(NamedTuple):
    """Stands for the answer of a task that no worker survived."""

    reason: str


class Meter:
    """Adds up what is done and tells the user."""

    def __init__(self, progress: Progress | None, total: int = 0) -> None:
        self.progress = progress
        self.total = total
        self.done = 0
        self.shown = 0

    def show(self, done: int) -> None:
        """Tell how much is done; never less than before, also when a dead worker's part of it is done again."""
        self.shown = max(self.shown, min(done, self.total))
        if self.progress is not None:
            self.progress(self.shown, self.total)

    def reach(self, done: int) -> None:
        """Tell that so much is done, whatever was told on the way."""
        if done != self.done:
            self.done = done
            self.show(done)

    def advance(self, amount: int) -> None:
        """Tell that more is done."""
        self.reach(self.done + amount)

    def expect(self, amount: int) -> None:
        """Tell that there is more to do."""
        self.total += amount
        self.show(self.done)


class Pool:
    """Where work is done.

    Parameters
    ----------
    workers : int
        Processes of its own, at least 1, which works in this one.
    executor : concurrent.futures.Executor, optional
        Used instead, for example a cluster's; it stays open. Its attribute ``seats``, where it has one, says how many
        tasks it is given at a time.
    progress : callable, optional
        Told the amount done and in all.

    Attributes
    ----------
    meter : Meter
    n_lost : int
        Tasks given up so far.

    Raises
    ------
    InputError
        When ``workers`` is no whole number of at least 1.
    """

    def __init__(self, workers: int = 1, executor: Executor | None = None, progress: Progress | None = None) -> None:
        self._workers = whole_number("workers", workers, 1)
        self._given = executor
        self._own: Processes | None = None
        self._identity: dict[str, Any] | None = None
        self.n_lost = 0
        self.meter = Meter(progress)

    def __enter__(self) -> Self:
        keep_freed_memory()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._own is not None:
            if kind is None:
                self._own.shutdown()
            else:
                self._own.kill()

    @property
    def seats(self) -> int:
        """Tasks that are worked on at a time; a guess for an executor that does not say.

        Raises
        ------
        WorkersError
            When nobody is left who could work.
        """
        return self._workers if self._given is None else getattr(self._given, "seats", _GUESSED_SEATS)

    def count_as_done(self, amount: int) -> None:
        """Count work that was done before, so that the count tells how far all of it is."""
        self.meter.expect(amount)
        self.meter.advance(amount)

    def identity(self) -> dict[str, Any]:
        """Code, libraries and CPU level of where the work is done (``sim.identity.identity``).

        Raises
        ------
        WorkersError
            When the executor takes no task.
        """
        if self._identity is None:
            if self._given is None:
                self._identity = identity()
            else:
                asked = _submitted(self._given, _identity_of_worker, Task(None, 0))
                self._identity = asked.result().answer()
        return self._identity

    def run(self, work: Work[T], tasks: Sequence[Task]) -> Iterator[tuple[int, T | Lost]]:
        """Do tasks and hand over each answer, with the place of its task, as soon as it is there.

        Parameters
        ----------
        work : callable
            ``work(task.needs, advance)``; ``advance`` is None where nobody counts.
        tasks : sequence of Task

        Yields
        ------
        place : int
        answer : whatever the work answers, or Lost

        Raises
        ------
        WorkersError
            When the executor takes no more tasks.
        """
        self.meter.expect(sum(task.amount for task in tasks))
        if self._given is not None:
            yield from self._elsewhere(work, tasks, self._given)
        elif self._workers == 1 or len(tasks) <= 1:
            for place, task in enumerate(tasks):
                done = self.meter.done + task.amount
                answer = work(task.needs, self.meter.advance)
                self.meter.reach(done)  # work that failed and went on in parts told less
                yield place, answer
        else:
            if self._own is None:
                self._own = Processes(self._workers)
            yield from self._elsewhere(work, tasks, self._own)

    def _elsewhere(self, work: Work[T], tasks: Sequence[Task], executor: Executor) -> Iterator[tuple[int, T | Lost]]:
        """Keep an executor's seats taken; a task whose worker dies goes first in the queue, but for three times."""
        waiting, died = deque(range(len(tasks))), [0] * len(tasks)
        running: dict[Future[_Reply[T]], int] = {}
        try:
            while waiting or running:
                seats = getattr(executor, "seats", SEATS)  # raises when nobody is left who could answer
                while waiting and len(running) < seats:
                    place = waiting.popleft()
                    running[_submitted(executor, work, tasks[place])] = place
                ended, _ = wait(running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
                self.meter.show(self.meter.done + sum(getattr(executor, "under_way", {}).copy().values()))
                for future in ended:
                    place = running.pop(future)
                    try:
                        reply = future.result()
                    except (pickle.PicklingError, AttributeError, TypeError):
                        raise  # what the task needs cannot be sent, wherever it goes
                    except Exception as error:  # noqa: BLE001 - the work's own errors come as replies
                        died[place] += TRIES if isinstance(error, PoisonError) else 1
                        reason = str(error) or type(error).__name__
                        if died[place] < TRIES:
                            waiting.appendleft(place)
                            _remark(f"{tasks[place].name}: {reason}; it is tried again")
                            continue
                        _remark(f"{tasks[place].name}: {reason}; it is given up, the others go on")
                        self.n_lost += 1
                        answer: T | Lost = Lost(f"not computed, as {reason} whenever it was tried")
                    else:
                        answer = reply.answer()
                        self._check(reply)
                    self.meter.advance(tasks[place].amount)
                    yield place, answer
        finally:
            for future in running:
                future.cancel()

    def _check(self, reply: _Reply[T]) -> None:
        """Refuse numbers of a worker that may compute other bits.

        Raises
        ------
        WorkersError
            When its code, libraries or CPU level are not those of the others.
        """
        ours = self.identity()
        if reply.identity != ours:
            differing = [name for name in ours if reply.identity.get(name) != ours[name]]
            shown = "; ".join(f"{name}: {reply.identity.get(name)} and {ours[name]}" for name in differing)
            message = (
                f"workers differ, so that numbers would depend on which of them computes ({shown}). Give all workers "
                "the same code, libraries and kind of processor"
            )
            raise WorkersError(message)


class _Reply(NamedTuple, Generic[T]):
    """What a worker sends back: an answer, or the error that the work raised.

    Errors travel as answers, so that what a future raises is about its worker and not about the work.
    """

    value: T | None
    error: Exception | None
    identity: Mapping[str, Any]

    def answer(self) -> T:
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


def _attempt(work: Work[T], needs: Any) -> _Reply[T]:  # noqa: ANN401 - whatever the work needs
    """Do work in a process of our own or on a cluster."""
    try:
        return _Reply(work(needs, tell), None, identity())
    except Exception as error:  # noqa: BLE001 - raised again where it was asked for
        return _Reply(None, portable(error), {})


def _identity_of_worker(needs: None, advance: Advance | None) -> dict[str, Any]:  # noqa: ARG001 - a piece of work
    return identity()


def _submitted(executor: Executor, work: Work[T], task: Task) -> Future[_Reply[T]]:
    try:
        return executor.submit(_attempt, work, task.needs)
    except Exception as error:
        reason = str(error) or type(error).__name__
        message = f"the executor takes no more tasks: {reason}. Start it anew and run again"
        raise WorkersError(message) from error


def _remark(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=2)
