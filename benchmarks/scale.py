"""What many runs cost, and whether that grows in proportion: prints a table, asserts nothing.

Run with ``python benchmarks/scale.py [few many]``; without arguments by ``make bench``, 1,000 and 10,000 replicates. Each
row is a process of its own, so that its peak of memory is its own. The small world (``symmetric``, two quarters, yearly
measures) is chosen so that 1% and 10% of a million runs take minutes; the last row is the baseline as shipped.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from measuring.alone import alone, company, peak

import sim
from sim.parts import Shelf

FEW, MANY = 1_000, 10_000
BASELINE = 100
RECORD = {"measures": "yearly", "firms": "none", "owners": "none", "networks": []}


def measured(world: str, replicates: int, folder: str) -> dict[str, float]:
    """Time, memory and bytes of one run in this process."""
    scenario = sim.load_scenario(world)
    if world != "baseline":
        scenario = sim.load_scenario({**scenario.resolved(), "record": RECORD}).replace(quarters=2)
    largest = [0]

    def look(_, path=Path(folder)) -> None:
        largest[0] = max(largest[0], size(path))

    clear = Shelf.clear
    Shelf.clear = lambda self, identity: (look(None), clear(self, identity))  # type: ignore[method-assign]
    sim.run(scenario, replicates=1)  # compiles what is not compiled yet
    begin, used = time.perf_counter(), time.process_time()
    result = sim.run(scenario, replicates=replicates, out=Path(folder) / "run", figures=False)
    return {
        "replicates": replicates,
        "seconds": time.perf_counter() - begin,
        "processor": time.process_time() - used,
        "simulate": result.timing["simulate"],
        "bytes": size(Path(folder) / "run"),
        "bytes_on_the_way": largest[0],
        "memory": peak(),
    }


def size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def in_a_process(world: str, replicates: int) -> dict[str, float]:
    """The same in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return alone(__file__, "--measure", world, replicates, folder)


def main() -> None:
    """Print the table, and what the smaller size says about the larger."""
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measured(sys.argv[2], int(sys.argv[3]), sys.argv[4])))
        return
    few, many = map(int, sys.argv[1:3]) if len(sys.argv) > 2 else (FEW, MANY)
    print(company())
    print("world      replicates   processor s  ms/replicate  kB/replicate  kB on the way  peak MB")
    rows = {}
    for world, count in (("symmetric", few // 10), ("symmetric", few), ("symmetric", many), ("baseline", BASELINE)):
        row = rows[world, count] = in_a_process(world, count)
        print(
            f"{world:10} {count:10,} {row['processor']:13.1f} {row['processor'] / count * 1e3:13.2f} "
            f"{row['bytes'] / count / 1e3:13.2f} {row['bytes_on_the_way'] / count / 1e3:14.2f} {row['memory'] / 1e6:8.0f}",
            flush=True,
        )
    start, small, large = (rows["symmetric", count] for count in (few // 10, few, many))
    for what in ("processor", "bytes", "memory"):
        slope = (small[what] - start[what]) / (few - few // 10)
        predicted = small[what] + slope * (many - few)
        print(f"{what} at {many:,} over what {few // 10:,} and {few:,} foretell: {large[what] / predicted:.2f}")


if __name__ == "__main__":
    main()
