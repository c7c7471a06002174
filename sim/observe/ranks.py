"""Turnover of ranks: who is among the first five now and was not a year ago.

It needs a year's memory, which the recorder keeps; the dynamics know nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sim.arrays import Array, Counts, repeated, total
from sim.observe.catalogue import MEASURES, Measure, Moments, by_corporation
from sim.quarters import QUARTERS_PER_YEAR, Quarter

TOP = 5
_MOST_SLOTS = 1 << 32

for _variable, _of in (("revenue", "revenue"), ("power", "AI power")):
    MEASURES[f"turnover_{_variable}"] = Measure(
        f"turnover_{_variable}",
        "share",
        "firms",
        "stock",
        "last",
        f"Share of the {TOP} firms with most {_of} that were not among them a year ago; none in the first year.",
    )


def top_firms(values: Array, m: Moments) -> Counts:
    """The first ``TOP`` active firms by ``values``, -1 for a rank that nobody has; ``[replicate, rank]``.

    Firms of one owner are taken together. A firm is known by its slot and by how many firms held the slot before. Ties
    go to the lower slot.
    """
    added, stands = by_corporation(values, m)
    left = np.where(stands, added, -np.inf)
    ranks = []
    for _ in range(min(TOP, values.shape[-1])):
        slot = left.argmax(axis=-1)[..., None]
        generation = np.take_along_axis(m.before.generation, slot, axis=-1)
        is_there = np.take_along_axis(left, slot, axis=-1) > -np.inf
        ranks.append(np.where(is_there, generation * _MOST_SLOTS + slot, -1))
        np.put_along_axis(left, slot, -np.inf, axis=-1)
    return np.concatenate(ranks, axis=-1)


def turnover(now: Counts, then: Counts) -> Array:
    """Share of ``now`` that is not in ``then``; nan where ``now`` is empty; ``[...]``.

    >>> float(turnover(np.array([1, 2, 3, 4]), np.array([4, 3, 9, 8])))
    0.5
    """
    is_there = now >= 0
    is_new = is_there & ~(now[..., :, None] == then[..., None, :]).any(axis=-1)
    n_there = total(is_there)
    return np.where(n_there > 0.0, total(is_new) / np.maximum(n_there, 1.0), np.nan)


@dataclass
class RankLog:
    """The first firms of quarters, collected while time passes."""

    tops: dict[str, dict[Quarter, Counts]] = field(default_factory=lambda: {"revenue": {}, "power": {}})

    def fork(self) -> RankLog:
        """A log with the same quarters, which goes on by itself."""
        return RankLog({name: dict(tops) for name, tops in self.tops.items()})

    def repeated(self, times: int) -> RankLog:
        """All replicates several times, one after the other."""
        return RankLog(
            {name: {quarter: repeated(top, times) for quarter, top in tops.items()} for name, tops in self.tops.items()}
        )

    def record(self, m: Moments, quarter: Quarter) -> None:
        """Note a quarter's first firms."""
        self.tops["revenue"][quarter] = top_firms(total(m.flows.markets.revenue, axis=-2), m)
        self.tops["power"][quarter] = top_firms(m.flows.funding.power, m)

    def measures(self, quarters: Sequence[Quarter], n_replicates: int) -> dict[str, Array]:
        """Turnover by measure, nan where a quarter or that of a year ago was not noted; ``[replicate, quarter]``."""
        unknown = np.full(n_replicates, np.nan)

        def over_a_year(tops: dict[Quarter, Counts], quarter: Quarter) -> Array:
            now, then = tops.get(quarter), tops.get(quarter + -QUARTERS_PER_YEAR)
            return unknown if now is None or then is None else turnover(now, then)

        return {
            f"turnover_{name}": np.stack([over_a_year(tops, quarter) for quarter in quarters], axis=1)
            for name, tops in self.tops.items()
        }
