"""How long a new process takes to start: prints the shortest of five, asserts nothing.

Run with ``make bench`` or ``python benchmarks/start.py``. The first line is Python itself, the rival of all others.
"""

from __future__ import annotations

import subprocess
import sys
import time

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


def shortest(arguments: tuple[str, ...]) -> float:
    """Seconds of the fastest of a few new processes."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print the table, each line also as a multiple of Python itself."""
    base = shortest(COMMANDS["python -c pass"])
    for name, arguments in COMMANDS.items():
        seconds = shortest(arguments)
        print(f"{name:30} {seconds:6.2f} s {seconds / base:6.1f} x Python")


if __name__ == "__main__":
    main()
