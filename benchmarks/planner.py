"""How long the planner takes, and how close it comes: prints a table, asserts nothing.

Run with ``make bench`` or ``python benchmarks/planner.py``.
"""

from __future__ import annotations

import time

import numpy as np

from sim.planner import Problem, Rules
from sim.planner.solve import solve
from sim.submodels.power import Hill, Linear, Logarithmic, PowerLaw, SaturatingLoss, Threshold

RUNS = 3
FUNCTIONS = {
    "power": PowerLaw(reference=1.0, gamma=0.63),
    "log": Logarithmic(reference=1.0),
    "saturating_loss": SaturatingLoss(reference=1.0, exponent=0.154, scale=1.0),
    "linear": Linear(reference=1.0),
    "hill, S-shaped": Hill(reference=1.0, exponent=3.0, midpoint=2.0),
    "threshold": Threshold(reference=1.0, gamma=0.63, jump=2.0, location=20.0),
}
CASES = [
    *((name, n, Rules()) for name in ("power", "log", "saturating_loss", "linear") for n in (10, 1_000, 10_000)),
    *((name, n, Rules()) for name in ("hill, S-shaped", "threshold") for n in (10, 1_000, 10_000)),
    ("power", 10_000, Rules(cap=0.001, reserve={"sme": 0.4})),
    ("power", 10_000, Rules(alpha=np.inf)),
    ("power", 1_000, Rules(max_hhi=12.0)),
    ("power", 50, Rules(max_gini=0.3)),
]


def problem(name: str, n: int) -> Problem:
    """Firms of different efficiency, half of them small, with enough compute for most to pass a step."""
    efficiency = np.exp(np.random.default_rng(0).normal(size=n))
    return Problem.of(FUNCTIONS[name], efficiency, 3.0 * n, classes=["lab", "sme"] * (n // 2))


def main() -> None:
    """Print the shortest time of a few, the method, and the relative gap to the dual."""
    print(f"{'power function':16} {'firms':>6}  {'rules':34} {'method':15} {'seconds':>8} {'relative gap':>13}")
    for name, n, rules in CASES:
        given, times = problem(name, n), []
        for _ in range(RUNS):
            start = time.perf_counter()
            found = solve(given, rules)
            times.append(time.perf_counter() - start)
        changed = ", ".join(f"{key} {value}" for key, value in vars(rules).items() if value != getattr(Rules(), key))
        gap = found.certificate.relative_gap
        print(f"{name:16} {n:6}  {changed or 'none':34} {found.method:15} {min(times):8.3f} {gap:13.1e}")


if __name__ == "__main__":
    main()
