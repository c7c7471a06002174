"""How often intervals and verdicts of few pairs agree with all pairs: ``python docs/interval_coverage.py FOLDER``.

All pairs of each shown effect of a stored comparison are taken as the whole truth, and samples are drawn from them with
replacement. A table on standard output, in two minutes; nothing runs it by itself.
"""  # noqa: INP001  a script, not a package

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np

import sim
from sim.comparison import Comparison
from sim.comparison.statistics import Floats, Paired, Verdict, half_width, paired, verdict

SIZES = (10, 25, 50, 100)
SAMPLES = 300
SEED = 0
LEVEL = 0.90
LEAST = 0.85
FEWEST_CHANGED = 20
"""Pairs of all that must differ before intervals are looked at."""


class Effects(NamedTuple):
    """Differences ``[pair, effect]`` and the smallest effect of interest ``[effect]``."""

    differences: Floats
    smallest: Floats


def effects_of(comparison: Comparison) -> Effects:
    """Every shown effect of a policy that all pairs define."""
    rows = comparison.effects
    rows = rows[(rows["kind"] == "policy") & rows["measure"].isin(comparison.measures)]
    columns, smallest = [], []
    for (scenario, measure), group in rows.groupby(["scenario", "measure"], sort=False):
        differences = comparison.pairs(scenario, measure, "policy")["difference"].unstack("quarter")
        columns += [differences[quarter].to_numpy() for quarter in group["horizon"]]
        smallest += group["smallest_effect"].tolist()
    table = np.stack(columns, axis=1)
    is_known = np.isfinite(table).all(axis=0)
    return Effects(table[:, is_known], np.array(smallest)[is_known])


def samples(effects: Effects, n: int) -> list[Paired]:
    """Moments of samples of n pairs, the same pairs for every effect."""
    rng = np.random.default_rng([SEED, n])
    drawn = (effects.differences[rng.integers(0, len(effects.differences), n)] for _ in range(SAMPLES))
    return [paired(values, np.zeros_like(values)) for values in drawn]


def held(effects: Effects, found: list[Paired]) -> tuple[Floats, Floats]:
    """Share of samples whose interval holds the truth, by effect: Student's, and widened."""
    truth = effects.differences.mean(axis=0)
    gaps = [np.abs(each.effect - truth) for each in found]
    student = [gap <= half_width(each.error, each.n, LEVEL) for gap, each in zip(gaps, found, strict=True)]
    widened = [gap <= each.half_width(LEVEL) for gap, each in zip(gaps, found, strict=True)]
    return np.mean(student, axis=0), np.mean(widened, axis=0)


def misjudged(effects: Effects, found: list[Paired]) -> tuple[float, float]:
    """Of effects called negligible, the share that matters; of effects called clear, the share of the other sign."""
    truth = effects.differences.mean(axis=0)
    wrong, said = np.zeros(2), np.zeros(2)
    for each in found:
        words = verdict(each.effect, each.error, each.n, effects.smallest, each.changed, each.widening)
        is_negligible, is_clear = words == Verdict.NEGLIGIBLE, words == Verdict.CLEAR
        said += is_negligible.sum(), is_clear.sum()
        wrong += (
            (is_negligible & (np.abs(truth) >= effects.smallest)).sum(),
            (is_clear & (each.effect * truth < 0.0)).sum(),
        )
    of_negligible, of_clear = wrong / np.maximum(said, 1.0)
    return float(of_negligible), float(of_clear)


def main(folder: str) -> None:
    """Print the table of one comparison."""
    effects = effects_of(sim.load_comparison(folder))
    varies = (effects.differences != 0.0).sum(axis=0) >= FEWEST_CHANGED
    lines = [
        f"{len(effects.smallest)} effects of {len(effects.differences)} pairs; {varies.sum()} with intervals",
        "| pairs | median | below 85% | Student's below 85% | negligible but matters | clear but wrong |",
        "|---|---|---|---|---|---|",
    ]
    for n in SIZES:
        found = samples(effects, n)
        student, widened = (shares[varies] for shares in held(effects, found))
        of_negligible, of_clear = misjudged(effects, found)
        lines.append(
            f"| {n} | {np.median(widened):.0%} | {np.mean(widened < LEAST):.0%} | {np.mean(student < LEAST):.0%} "
            f"| {of_negligible:.2%} | {of_clear:.2%} |"
        )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004
        sys.exit("which comparison? python docs/interval_coverage.py FOLDER")
    main(sys.argv[1])
