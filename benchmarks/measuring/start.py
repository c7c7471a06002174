"""How long a new process takes to start; the first is Python itself, the rival of all others."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from typing import NamedTuple

from measuring.alone import processor

RUNS = 5
COMMANDS = {
    "python -c pass": ("-c", "pass"),
    "import sim": ("-c", "import sim"),
    "aipower --help": ("-m", "sim", "--help"),
    "aipower list worlds": ("-m", "sim", "list", "worlds"),
    "aipower validate baseline": ("-m", "sim", "validate", "baseline"),
    "import numpy, scipy.special": ("-c", "import numpy, scipy.special"),
    "1 replicate, no tables": (
        "-c",
        "import sim; from sim.ensemble import simulate; simulate(sim.load_scenario('baseline'), replicates=1)",
    ),
}


class Start(NamedTuple):
    """Shortest times of a few new processes, on the clock and of the processor."""

    name: str
    seconds: float
    processor: float


def measured(name: str) -> Start:
    """Start one of the commands a few times."""
    seconds, used = [], []
    for _ in range(RUNS):
        begin, before = time.perf_counter(), processor(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *COMMANDS[name]], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - begin)
        used.append(processor(resource.RUSAGE_CHILDREN) - before)
    return Start(name, min(seconds), min(used))
