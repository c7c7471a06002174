"""A Dask scheduler and workers of their own processes on loopback, which tests can kill."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
PATIENCE = 60


class LocalCluster:
    """One scheduler and two workers with one thread each."""

    def __init__(self, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        self.folder = folder
        self.scheduler = self._start("scheduler", "--host", self.address, "--no-dashboard")
        self.workers = [self.add_worker() for _ in range(2)]

    def _start(self, kind, *words):
        settings = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "DASK_DISTRIBUTED__WORKER__DAEMON": "True"}
        return subprocess.Popen(
            [sys.executable, "-m", "dask", kind, *words],
            cwd=ROOT,
            env={**os.environ, **settings, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def add_worker(self):
        """Start one more worker; no nanny starts it again when it dies."""
        words = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--memory-limit", "0")
        return self._start("worker", self.address, *words, "--local-directory", str(self.folder))

    def close(self):
        for process in (*self.workers, self.scheduler):
            kill(process)


def kill(process):
    """End a process and everything that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(PATIENCE)


@contextlib.contextmanager
def local_cluster():
    """A cluster whose workers have come."""
    import tempfile

    from distributed import Client

    with tempfile.TemporaryDirectory() as folder:
        cluster = LocalCluster(folder)
        try:
            end = time.monotonic() + PATIENCE
            is_up = False
            while not is_up:
                with contextlib.suppress(OSError, TimeoutError), Client(cluster.address, timeout=5) as client:
                    client.wait_for_workers(2, timeout=PATIENCE)
                    is_up = True
                if cluster.scheduler.poll() is not None:  # another process took the port meanwhile
                    cluster.close()
                    cluster, is_up = LocalCluster(folder), False
                assert is_up or time.monotonic() < end, "the cluster did not start"
            yield cluster
        finally:
            cluster.close()
