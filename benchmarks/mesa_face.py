"""What the Mesa face and hand-written agents cost per step: prints times and ratios, asserts nothing.

Run with ``python benchmarks/mesa_face.py [quarters]``. Processor time, the shortest of a few runs that take turns; ratios
are to the engine alone, in the same call. What comes before the first quarter, such as building the world, is not
counted. docs/mesa.md quotes the table.
"""

from __future__ import annotations

import sys
import time

import sim
from sim.ensemble import prepare, run_block
from sim.mesa_model import Firm, PowerModel

REPEATS = 3
BLOCK = 25
"""Replicates that the engine runs together in the last line."""


class Plans(Firm):
    """Applies the default rule of training by hand."""

    def plan_training(self, view):
        return super().plan_training(view)


class Prices(Firm):
    """Applies the default rule of prices by hand."""

    asked = 0

    def set_price(self, view):
        self.asked += 1
        return super().set_price(view)


def plain(quarters: int, replicates: int = 1) -> float:
    """Seconds of the engine for each replicate of a block."""
    job = prepare(sim.load_scenario("baseline").replace(quarters=quarters))
    start = time.process_time()
    run_block(job, range(replicates))
    return (time.process_time() - start) / replicates


def face(quarters: int, **agent_classes: type[Firm]) -> float:
    """The same through the Mesa face."""
    model = PowerModel("baseline", quarters=quarters, agent_classes=agent_classes)
    start = time.process_time()
    model.run_model()
    return time.process_time() - start


def outside(quarters: int) -> float:
    """What of the face's seconds is spent outside the engine: agents, tables, collecting."""
    model = PowerModel("baseline", quarters=quarters)
    step, inside = model._walk.step, 0.0

    def timed(decisions):
        nonlocal inside
        start = time.process_time()
        answer = step(decisions)
        inside += time.process_time() - start
        return answer

    model._walk.step = timed
    start = time.process_time()
    model.run_model()
    return time.process_time() - start - inside


def main() -> None:
    """Print the table."""
    quarters = int(sys.argv[1]) if len(sys.argv) > 1 else 48
    cases = {
        "the engine, 1 replicate": lambda: plain(quarters),
        "PowerModel": lambda: face(quarters),
        "PowerModel, what is not the engine's": lambda: outside(quarters),
        "one firm plans its training by hand": lambda: face(quarters, OpenAI=Plans),
        "one firm sets prices by hand": lambda: face(quarters, OpenAI=Prices),
        "every small firm plans by hand": lambda: face(quarters, sme=Plans),
        "every small firm sets prices by hand": lambda: face(quarters, sme=Prices),
        f"the engine, each of {BLOCK} replicates": lambda: plain(quarters, BLOCK),
    }
    best = dict.fromkeys(cases, float("inf"))
    for _ in range(REPEATS):
        for name, case in cases.items():
            best[name] = min(best[name], case())
    reference = next(iter(best.values()))
    for name, seconds in best.items():
        print(f"{name:40} {1e3 * seconds / quarters:8.1f} ms a quarter  {seconds / reference:6.2f}")
    model = PowerModel("baseline", quarters=quarters, agent_classes={"OpenAI": Prices})
    n_firms = len(model.firms)
    model.run_model()
    print(f"{n_firms} firms at first, {len(model.firms)} and {len(model.agents)} agents after {quarters} quarters;")
    print(f"a firm is asked for prices {model.firm('OpenAI').asked / quarters:.0f} times a quarter")


if __name__ == "__main__":
    main()
