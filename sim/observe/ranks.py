"""Turnover of ranks: who is among the first five now and was not a year ago.

It needs a year's memory, which the recorder keeps; the dynamics know nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sim.arrays import Array, Counts, total
from sim.observe.catalogue import MEASURES, Measure, Moments, by_corporation
from sim.quarters import QUARTERS_PER_YEAR

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
    """The first firms of every quarter, collected while time passes."""

    tops: dict[str, list[Counts]] = field(default_factory=lambda: {"revenue": [], "power": []})

    def fork(self) -> RankLog:
        """A log with the same quarters, which goes on by itself."""
        return RankLog({name: list(tops) for name, tops in self.tops.items()})

    def record(self, m: Moments) -> None:
        """Note a quarter's first firms."""
        self.tops["revenue"].append(top_firms(total(m.flows.markets.revenue, axis=-2), m))
        self.tops["power"].append(top_firms(m.flows.funding.power, m))

    def measures(self) -> dict[str, Array]:
        """Turnover of every quarter by measure; ``[replicate, quarter]`` each."""
        return {
            f"turnover_{name}": np.stack(
                [
                    turnover(top, tops[k - QUARTERS_PER_YEAR]) if k >= QUARTERS_PER_YEAR else np.full(len(top), np.nan)
                    for k, top in enumerate(tops)
                ],
                axis=1,
            )
            for name, tops in self.tops.items()
        }
