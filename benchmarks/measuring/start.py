"""How long a new process takes to start; the first is Python itself, the rival of all others."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from measuring.alone import processor

RUNS = 5
FIRST = "the same, the first time"
"""With an empty cache of compiled code; measured once."""

_ONE_REPLICATE = "import sim; from sim.ensemble import simulate; simulate(sim.load_scenario('baseline'), replicates=1)"
COMMANDS = {
    "python -c pass": ("-c", "pass"),
    "import sim": ("-c", "import sim"),
    "aipower --help": ("-m", "sim", "--help"),
    "aipower list worlds": ("-m", "sim", "list", "worlds"),
    "aipower validate baseline": ("-m", "sim", "validate", "baseline"),
    "import numpy, scipy.special": ("-c", "import numpy, scipy.special"),
    "1 replicate, no tables": ("-c", _ONE_REPLICATE),
    FIRST: ("-c", _ONE_REPLICATE),
}


class Start(NamedTuple):
    """Shortest times of a few new processes, on the clock and of the processor."""

    name: str
    seconds: float
    processor: float


def measured(name: str) -> Start:
    """Start one of the commands a few times."""
    seconds, used = [], []
    for _ in range(1 if name == FIRST else RUNS):
        with tempfile.TemporaryDirectory() as empty:
            environment = os.environ | ({"NUMBA_CACHE_DIR": empty} if name == FIRST else {})
            begin, before = time.perf_counter(), processor(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, *COMMANDS[name]], check=True, stdout=subprocess.DEVNULL, env=environment)
            seconds.append(time.perf_counter() - begin)
            used.append(processor(resource.RUSAGE_CHILDREN) - before)
    return Start(name, min(seconds), min(used))
