"""How long the shipped baseline takes: prints times and ratios, asserts nothing.

Run with ``make bench`` or ``python benchmarks/baseline.py [replicates]``. Every ratio compares two ways of computing the
same numbers in the same run on the same machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import sim
from sim.ensemble import BLOCK_SIZE, simulate

REPLICATES = 200
ALONE = 12


def seconds(function, *args, repeats: int = 1, **kwargs) -> float:
    """Shortest of a few runs, in seconds."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        function(*args, **kwargs)
        best = min(best, time.perf_counter() - start)
    return best


def cold(*words: str) -> float:
    """Shortest of three new processes, in seconds."""
    return seconds(subprocess.run, [sys.executable, *words], repeats=3, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Print the table."""
    replicates = int(sys.argv[1]) if len(sys.argv) > 1 else REPLICATES
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    scenario = sim.load_scenario("baseline")
    n_quarters = scenario.horizon.n_quarters
    recording = simulate(scenario, replicates=2)
    firm_quarters = float(recording.measures["n_firms"].mean()) * n_quarters

    print(f"aipower --help                       {cold('-m', 'sim', '--help'):8.2f} s")
    print(f"python -c 'import sim'               {cold('-c', 'import sim'):8.2f} s")
    one = seconds(simulate, scenario, replicates=1, repeats=3)
    print(f"1 replicate                          {one:8.2f} s")
    block = seconds(simulate, scenario, replicates=replicates)
    print(f"{replicates} replicates, 1 process            {block:8.2f} s")
    many = seconds(simulate, scenario, replicates=replicates, workers=processors)
    print(f"{replicates} replicates, {processors} processes          {many:8.2f} s")
    alone = seconds(simulate, scenario, replicates=ALONE, block_size=1)
    print(f"cost of an active firm and quarter   {block / replicates / firm_quarters * 1e6:8.2f} us")
    print(f"one at a time / blocks of {BLOCK_SIZE}         {alone / ALONE / (block / replicates):8.2f}")
    print(f"1 process / {processors} processes              {block / many:8.2f}")


if __name__ == "__main__":
    main()
