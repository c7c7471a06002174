"""Cost of a firm and quarter: this engine, a Mesa model and a C library of the same markets, side by side.

Run with ``make bench`` or ``python benchmarks/speed.py [--quick]``: about ten minutes, or one. It prints tables and asserts
one thing only: that rivals find the same numbers. Rivals run in turn, several times, and the shortest time of each counts,
in processor time, so that a busy machine spoils ratios little.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rivals.c_core import Core, compiler
from rivals.cases import Case, recorded, stylised
from rivals.mesa_model import MarketModel

import sim
from sim.ensemble import BLOCK_SIZE, simulate
from sim.submodels import clearing
from sim.submodels.clearing import Guess

AGREE = 1e-9
MESA_FIRMS = 3_000  # a Mesa model of more would take longer than a minute in all rounds

Ways = dict[str, Callable[[], Callable[[], object]]]
"""By name, what prepares a round, and gives what is timed."""


def shortest(ways: Ways, rounds: int) -> dict[str, float]:
    """Processor seconds of the fastest round of each way; they take turns."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, prepare in ways.items():
            run = prepare()
            start = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - start)
    return best


def require_same(found: Guess, other: Guess, who: str) -> None:
    """Stop when a rival finds something else: log rents and shares to 1e-9."""
    for name, mine, theirs in zip(Guess._fields, found, other, strict=True):
        gap = float(np.abs(mine - theirs).max())
        if not gap <= AGREE:
            sys.exit(f"{who} finds another {name}: {gap:.2g} apart (allowed {AGREE:g})")


def compare(name: str, cases: Sequence[Case], core: Core | None, rounds: int) -> None:
    """One row: the markets of some blocks, by each way that ends soon."""
    n_firms = sum(case.n_firms for case in cases)
    ways: Ways = {"engine": lambda: lambda: [clearing.solve(*case) for case in cases]}
    found = [clearing.solve(*case) for case in cases]
    if core is not None:
        posed = [core.posed(*case) for case in cases]
        ways["C"] = lambda: lambda: [solve() for solve in posed]
        for (mine, sweeps, _), solve in zip(found, posed, strict=True):
            theirs, their_sweeps, _ = solve()
            require_same(mine, theirs, "C")
            if not np.array_equal(sweeps, their_sweeps):
                sys.exit("C needs another number of sweeps")
    ones, mesa_firms = [], 0
    for case, (mine, sweeps, _) in zip(cases, found, strict=True):
        one = case.replicate(0)
        if mesa_firms + one.n_firms > MESA_FIRMS:
            break
        model = MarketModel(one)
        model.step()
        ones.append(one)
        mesa_firms += one.n_firms
        require_same(Guess(*(values[:1] for values in mine)), model.found(), "Mesa")
        if model.sweep != sweeps[0]:
            sys.exit("Mesa needs another number of sweeps")

    def mesa() -> Callable[[], object]:
        models = [MarketModel(one) for one in ones]
        return lambda: [model.step() for model in models]

    if ones:
        ways["Mesa"] = mesa
    best = shortest(ways, rounds)
    engine = best["engine"] / n_firms * 1e9
    mesa_cost = best["Mesa"] / mesa_firms * 1e9 if ones else float("nan")
    c_cost = best.get("C", float("nan")) / n_firms * 1e9
    print(
        f"{name:34} {n_firms:9} {engine:10.0f} {mesa_cost:10.0f} {c_cost:10.0f} "
        f"{mesa_cost / engine:14.0f} {engine / c_cost:11.2f}",
        flush=True,
    )


def markets(quick: bool) -> None:
    """Rivals of the market core, at several sizes."""
    print("\nBoth markets of a quarter, one core: ns for each firm in business")
    print(
        f"{'':34} {'firms':>9} {'engine':>10} {'Mesa':>10} {'C':>10} {'Mesa / engine':>14} {'engine / C':>11}",
        flush=True,
    )
    scenario = sim.load_scenario("baseline")
    with recorded() as cases:
        simulate(scenario, replicates=BLOCK_SIZE)
    some = cases[3 :: 16 if quick else 8]
    with tempfile.TemporaryDirectory() as folder:
        core = Core(Path(folder)) if compiler() else None
        if core is None:
            print("no C compiler (cc, gcc or clang): C is left out")
        rounds = 3 if quick else 7
        compare("baseline x 1", [case.replicate(0) for case in some], core, rounds)
        compare(f"baseline x 1,000, blocks of {BLOCK_SIZE}", some, core, rounds)
        blocks = [stylised(1_000, BLOCK_SIZE, seed) for seed in range(100 // BLOCK_SIZE)]
        compare(f"1,000 firms x 100, blocks of {BLOCK_SIZE}", blocks, core, 3)
        compare("100,000 firms x 1", [stylised(100_000)], core, 3)
        if not quick:
            compare("1,000,000 firms x 1", [stylised(1_000_000)], core, 2)


def wall(run: Callable[[], object]) -> float:
    """Seconds on the clock."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def scaling(quick: bool) -> None:
    """The whole engine over replicates and workers."""
    scenario = sim.load_scenario("baseline")
    firms = float(simulate(scenario, replicates=1).measures["n_firms"].mean())
    quarters = scenario.horizon.n_quarters
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    print("\nThe whole engine, the baseline, every quarter's measures")
    print(
        f"{'replicates':>10} {'workers':>8} {'seconds':>9} {'us a firm-quarter':>18} {'times one worker':>17}",
        flush=True,
    )
    sizes = (1, BLOCK_SIZE, 4 * BLOCK_SIZE) if quick else (1, BLOCK_SIZE, 4 * BLOCK_SIZE, 8 * BLOCK_SIZE, 1_000)
    for replicates in sizes:
        one = float("nan")
        for workers in (1, processors) if replicates > BLOCK_SIZE and processors > 1 else (1,):
            seconds = wall(lambda: simulate(scenario, replicates=replicates, workers=workers))  # noqa: B023
            one = seconds if workers == 1 else one
            cost = seconds / replicates / quarters / firms * 1e6
            print(f"{replicates:10} {workers:8} {seconds:9.2f} {cost:18.2f} {one / seconds:17.2f}", flush=True)


MEASURED = {
    "baseline x 25": ("baseline", "25"),
    "baseline x 100": ("baseline", "100"),
    "markets of 100,000 firms": ("markets", "100000"),
    "markets of 1,000,000 firms": ("markets", "1000000"),
}


def measured(kind: str, size: int) -> None:
    """In a process of its own: seconds, and the most memory that it ever had."""
    if kind == "baseline":
        seconds = wall(lambda: simulate(sim.load_scenario("baseline"), replicates=size))
    else:
        case = stylised(size)
        clearing.solve(*stylised(10))
        seconds = wall(lambda: clearing.solve(*case))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform != "darwin" else 2**30)
    print(f"{seconds:.2f} {peak:.2f}")


def memory(quick: bool) -> None:
    """Peak memory of new processes."""
    print(f"\n{'':34} {'seconds':>9} {'peak GB':>9}", flush=True)
    for name, words in list(MEASURED.items())[: 3 if quick else 4]:
        done = subprocess.run(
            [sys.executable, __file__, "--measure", *words], check=True, capture_output=True, text=True
        )
        seconds, peak = done.stdout.split()
        print(f"{name:34} {seconds:>9} {peak:>9}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="about a minute: fewer rounds, no large sizes")
    parser.add_argument("--measure", nargs=2, metavar=("KIND", "SIZE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measured(options.measure[0], int(options.measure[1]))
        return
    memory(options.quick)  # first: a new process counts what its parent held when it was started as its own peak
    markets(options.quick)
    scaling(options.quick)


if __name__ == "__main__":
    main()
