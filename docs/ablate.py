"""Write the table of ``ablation.md`` anew: ``python docs/ablate.py``, half a minute. Nothing runs it by itself.

The baseline in 2030 with one mechanism changed at a time, paired on common luck.
"""  # noqa: INP001  a script, not a package

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import sim

PAGE = Path(__file__).parent / "ablation.md"
REPLICATES, SEED, HORIZON = 50, 1, "2030Q4"

ROWS: dict[str, dict[str, object]] = {
    "`open_weights: false`": {"mechanisms": {"open_weights": False}},
    "`entry: false`": {"mechanisms": {"entry": False}},
    "`imitation: false`": {"mechanisms": {"imitation": False}},
    "`mergers: false`": {"mechanisms": {"mergers": False}},
    "`own_chips: true`": {"mechanisms": {"own_chips": True}},
    "`grid: true`": {"mechanisms": {"grid": True}},
    "`expectations: static`": {"mechanisms": {"expectations": "static"}},
    "`growth_rates: own`": {"mechanisms": {"growth_rates": "own"}},
    "`knowledge_network: by_class`": {"world": {"knowledge_network": "by_class"}},
    "`openness: false`, `federated_pools: false`": {"mechanisms": {"openness": False, "federated_pools": False}},
}
"""What is changed, as it stands in a scenario file."""

COLUMNS = {
    "HHI revenue": "hhi_revenue",
    "HHI own capability": "hhi_own_effective_compute",
    "HHI compute used": "hhi_compute_used",
    "firms": "n_firms",
    "frontier power": "frontier_power",
    "rent, $/h": "rental_price",
    "sales": "industry_revenue",
    "consumer gain": "consumer_gain_paired",
}


def level(value: float) -> str:
    """Three digits, and all digits before the point; 0 is the gain of the baseline against itself.

    >>> [level(x) for x in (3175.4, 2.416, 0.0)]
    ['3,175', '2.42', '0']
    """
    if value == 0.0:
        return "0"
    return f"{value:,.{max(0, 2 - _magnitude(value))}f}"


def effect(value: float, half: float) -> str:
    """As many digits as two digits of the interval's half-width leave; 0 where nothing changes.

    >>> [effect(*x) for x in ((2030.6, 265.4), (-162.42, 3.163), (0.0468, 0.0031), (0.0, 0.0))]
    ['+2,031 ± 265', '-162.4 ± 3.2', '+0.0468 ± 0.0031', '0']
    """
    if value == half == 0.0:
        return "0"
    digits = max(0, 1 - _magnitude(half))
    return f"{value:+,.{digits}f} ± {half:,.{digits}f}"


def _magnitude(value: float) -> int:
    return math.floor(math.log10(abs(value)))


def table() -> list[str]:
    """Lines of the table, from a comparison of all rows at once."""
    names = {label: re.sub(r"\W+", "-", label.strip("`")) for label in ROWS}
    same = {"extends": "baseline", "question": "What does one mechanism do?"}
    comparison = sim.compare(
        "baseline",
        [{**same, "name": names[label], **change} for label, change in ROWS.items()],
        replicates=REPLICATES,
        seed=SEED,
        quarters=28,
        workers=os.cpu_count() or 1,
        horizons=[HORIZON],
        progress=True,
    )
    effects = comparison.effects.set_index(["scenario", "measure"])
    first = effects.loc[names["`grid: true`"]].loc[list(COLUMNS.values()), "reference_mean"]
    lines = [
        " | ".join(["| changed", *COLUMNS]) + " |",
        "|---" * (len(COLUMNS) + 1) + "|",
        " | ".join(["| (baseline)", *map(level, first)]) + " |",
    ]
    for label, name in names.items():
        rows = effects.loc[name].loc[list(COLUMNS.values())]
        halves = 0.5 * (rows["ci90_high"] - rows["ci90_low"])
        cells = map(effect, rows["effect"], halves)
        lines.append(" | ".join([f"| {label}", *cells]) + " |")
    return lines


def main() -> None:
    """Put the new table in the place of the old one."""
    page = PAGE.read_text(encoding="utf-8")
    new = "\n".join(table())
    PAGE.write_text(
        re.sub(r"(?:^\|.*\|$\n)+", lambda _: new + "\n", page, count=1, flags=re.MULTILINE), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
