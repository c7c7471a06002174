"""A Dask cluster as a ``concurrent.futures`` executor.

Whatever cluster there is already (processes here, SLURM, Kubernetes) answers under one address; docs/scale.md says what
to type for each.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

from sim.errors import InputError, WorkersError
from sim.processes import PoisonError

P = ParamSpec("P")
T = TypeVar("T")

CONNECT_SECONDS = 20
"""How long a scheduler may take to answer, and then a first worker to be there."""

AHEAD = 2
"""Tasks for each thread of the cluster: one that runs and one that waits, so that none stands idle."""

LOOK_SECONDS = 2.0
"""How often the number of workers is asked for."""

EMPTY_SECONDS = 300.0
"""How long a cluster may be without a worker before the run stops, to be resumed."""


class DaskExecutor(Executor):
    """Runs tasks on a Dask cluster; made by :func:`dask_executor`.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - distributed has no annotations
        self._client = client
        self._address = client.scheduler.address
        self._looked = self._seen = time.monotonic()
        self._seats = self._count()

    @property
    def seats(self) -> int:
        """Tasks that the cluster is given at a time, which follows its size.

        Raises
        ------
        WorkersError
            When it has had no worker for a while.
        """
        now = time.monotonic()
        if now - self._looked > LOOK_SECONDS and self._client.status == "running":
            self._looked, self._seats = now, self._count()
        if self._seats:
            self._seen = now
        elif now - self._seen > EMPTY_SECONDS:
            message = f"the Dask cluster at {self._address} has had no worker for {EMPTY_SECONDS:.0f} s; start some"
            raise WorkersError(message)
        return max(self._seats, 1)

    def _count(self) -> int:
        try:
            threads: Mapping[str, int] = self._client.nthreads()
            return AHEAD * sum(threads.values())
        except (OSError, RuntimeError):  # the scheduler is gone; the tasks' futures will say so
            return 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``fn(*args, **kwargs)`` on the cluster.

        Raises
        ------
        WorkersError
            When the scheduler is gone.
        """
        if self._client.status != "running":
            message = f"the Dask scheduler at {self._address} does not answer any more"
            raise WorkersError(message)
        future: Future[T] = Future()
        theirs = self._client.submit(fn, *args, pure=False, **kwargs)

        def cancel(ended: Future[T]) -> None:
            if ended.cancelled():
                theirs.cancel()

        theirs.add_done_callback(functools.partial(_hand_over, future))
        future.add_done_callback(cancel)
        return future


def _hand_over(future: Future[Any], theirs: Any) -> None:  # noqa: ANN401 - distributed has no annotations
    """Say with our future what became of theirs."""
    if not future.set_running_or_notify_cancel():
        return None
    error: BaseException | None = None
    if theirs.status == "finished":
        try:
            return future.set_result(theirs.result())
        except Exception as lost:  # noqa: BLE001 - the answer did not arrive; the future says so
            error = lost
    elif theirs.status == "error":
        error = theirs.exception()
        if type(error).__name__ == "KilledWorker":
            error = PoisonError("it killed one Dask worker after another")
    else:
        error = WorkersError(f"the Dask cluster dropped it ({theirs.status})")
    return future.set_exception(error)


@contextlib.contextmanager
def dask_executor(address: str) -> Iterator[DaskExecutor]:
    """Connect to a Dask cluster that exists.

    Parameters
    ----------
    address : str
        Of its scheduler, such as ``tcp://10.0.0.1:8786``.

    Raises
    ------
    InputError
        When the library ``distributed`` is not installed, or no scheduler answers there.
    WorkersError
        When the cluster gets no worker.
    """
    try:
        from distributed import Client
        from distributed.comm.addressing import resolve_address
    except ImportError as error:
        message = "a Dask cluster needs the library distributed; run `python -m pip install 'aipower[dask]'`"
        raise InputError(message) from error
    try:
        resolve_address(address)  # a client that cannot read its address takes 40 s to end
        client = Client(  # type: ignore[no-untyped-call]
            address, timeout=CONNECT_SECONDS, set_as_default=False
        )
    except (OSError, TimeoutError, ValueError) as error:
        message = (
            f"no Dask scheduler answers at {address} ({str(error) or type(error).__name__}); start one with "
            "`dask scheduler` and give the address that it prints, such as tcp://10.0.0.1:8786"
        )
        raise InputError(message) from error
    for name in tuple(logging.root.manager.loggerDict):
        if name.partition(".")[0] in {"distributed", "tornado", "asyncio"}:
            logging.getLogger(name).setLevel(logging.CRITICAL)  # the run itself says what was lost, in a sentence
    with client:
        try:
            client.wait_for_workers(1, timeout=EMPTY_SECONDS)
        except TimeoutError as error:
            message = f"the Dask cluster at {address} has no worker; start some with `dask worker {address}`"
            raise WorkersError(message) from error
        yield DaskExecutor(client)
