"""Cost of a firm and quarter: this engine, a Mesa model and a C library of the same markets; and the engine at many sizes.

Run with ``make bench`` or ``python benchmarks/speed.py [--quick] [--figure FILE]``: about twenty minutes, or three. It
prints tables, draws a figure and asserts one thing only: that rivals find the same numbers. Rivals run in turn, several
times, and the shortest time of each counts, in processor time, so that a busy machine spoils ratios little.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from measuring import start, whole
from measuring.alone import alone, company, processors
from measuring.figure import save
from rivals.c_core import Core, compiler
from rivals.cases import Case, Compared, recorded, stylised
from rivals.mesa_model import MarketModel

import sim
from sim.ensemble import BLOCK_SIZE, simulate
from sim.submodels import clearing
from sim.submodels.clearing import Guess

FIGURE = Path(__file__).parent.parent / "outputs" / "speed.png"
AGREE = 1e-9
MESA_FIRMS = 3_000  # a Mesa model of more would take longer than a minute in all rounds
HUGE = 1_000_000

Ways = dict[str, Callable[[], Callable[[], object]]]
"""By name, what prepares a round, and gives what is timed."""


def shortest(ways: Ways, rounds: int) -> dict[str, float]:
    """Processor seconds of the fastest round of each way; they take turns."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, prepare in ways.items():
            run = prepare()
            begin = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - begin)
    return best


def require_same(found: Guess, other: Guess, who: str) -> None:
    """Stop when a rival finds something else: log rents and shares to 1e-9."""
    for name, mine, theirs in zip(Guess._fields, found, other, strict=True):
        gap = float(np.abs(mine - theirs).max())
        if not gap <= AGREE:
            sys.exit(f"{who} finds another {name}: {gap:.2g} apart (allowed {AGREE:g})")


def compare(name: str, cases: Sequence[Case], core: Core | None, rounds: int) -> Compared:
    """The markets of some blocks, by each way that ends soon."""
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
    none = float("nan")
    row = Compared(
        name,
        n_firms,
        engine=best["engine"] / n_firms * 1e9,
        mesa=best["Mesa"] / mesa_firms * 1e9 if ones else none,
        c=best.get("C", none) / n_firms * 1e9,
    )
    print(
        f"{name:34} {n_firms:9} {row.engine:10.0f} {row.mesa:10.0f} {row.c:10.0f} "
        f"{row.mesa / row.engine:14.0f} {row.engine / row.c:11.2f}",
        flush=True,
    )
    return row


def markets(quick: bool) -> list[Compared]:
    """Rivals of the market core, at several sizes."""
    print("\nBoth markets of a quarter, one core: ns of the processor for each firm in business")
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
        blocks = [stylised(1_000, BLOCK_SIZE, seed) for seed in range(100 // BLOCK_SIZE)]
        rows = [
            compare("baseline x 1", [case.replicate(0) for case in some], core, rounds),
            compare(f"baseline x 1,000, blocks of {BLOCK_SIZE}", some, core, rounds),
            compare(f"1,000 firms x 100, blocks of {BLOCK_SIZE}", blocks, core, 3),
            compare("100,000 firms x 1", [stylised(100_000)], core, 3),
        ]
        if not quick:
            rows.append(compare(f"{HUGE:,} firms x 1", [stylised(HUGE)], core, 2))
    return rows


def engine(quick: bool) -> list[whole.Run]:
    """The whole engine, each size in a process of its own."""
    some = (1, BLOCK_SIZE, 4 * BLOCK_SIZE)
    most = some[-1] if quick else 1_000
    several = [workers for workers in (2, processors()) if 1 < workers <= processors()]
    sizes = [("baseline", 0, n, 1) for n in (*some, most)] + [("baseline", 0, most, n) for n in several]
    sizes += [(whole.TO_A_FOLDER, 0, n, 1) for n in (BLOCK_SIZE, most)]
    sizes += [(whole.TO_A_FOLDER, 0, most, n) for n in several]
    sizes += [("stylised", firms, max(100_000 // firms, 1), 1) for firms in (1_000, 10_000, 100_000)]
    sizes += [("2024", 100_000, 1, 1)] + [("stylised", HUGE, 1, 1)] * (not quick)
    print("\nThe whole engine, every quarter's measures; quiet s: on the clock of a machine that does nothing else")
    print(
        f"{'world':21} {'firms':>9} {'replicates':>10} {'workers':>8} {'seconds':>9} {'processor s':>12} {'quiet s':>9} "
        f"{'us a firm-quarter':>18} {'s a quarter':>12} {'peak GB':>8} {'building s':>11}",
        flush=True,
    )
    runs = []
    for size in dict.fromkeys(sizes):
        run = whole.Run(**alone("-m", "measuring", *size))
        runs.append(run)
        quarters = run.firm_quarters / run.firms / run.replicates
        print(
            f"{run.world:21} {run.firms:9,} {run.replicates:10,} {run.workers:8} {run.seconds:9.1f} "
            f"{run.processor:12.1f} {run.quiet:9.1f} {run.cost:18.2f} {run.processor / quarters:12.2f} "
            f"{run.peak / 1e9:8.2f} {run.building:11.1f}",
            flush=True,
        )
    for run in runs:
        if run.workers > 1:
            one = next(r for r in runs if (r.world, r.replicates, r.workers) == (run.world, run.replicates, 1))
            print(
                f"{run.world}, {run.workers} workers: {one.seconds / run.seconds:.2f} times one on the clock, "
                f"{one.quiet / run.quiet:.2f} by processor times"
            )
    return runs


def starts() -> list[start.Start]:
    """New processes."""
    print(
        f"\nA new process, shortest of {start.RUNS} but for the last\n{'':30} {'seconds':>9} {'processor s':>12}",
        flush=True,
    )
    rows = []
    for name in start.COMMANDS:
        rows.append(start.measured(name))
        print(f"{name:30} {rows[-1].seconds:9.2f} {rows[-1].processor:12.2f}", flush=True)
    return rows


def main() -> None:
    """Print the tables, draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no large sizes")
    parser.add_argument("--figure", type=Path, default=FIGURE, help="where the figure goes (PNG)")
    options = parser.parse_args()
    print(company())
    began = starts()
    runs = engine(options.quick)  # before anything large: a new process counts what its parent held as its own peak
    rows = markets(options.quick)
    save(options.figure, rows, runs, began)
    print(f"\n{company()}\n{options.figure}")


if __name__ == "__main__":
    main()
