"""Several sets of policies at once, each for some of the replicates that share arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from sim.policies.levers import Observation, Policy, Rulebook, combine

if TYPE_CHECKING:
    from sim.arrays import Array
    from sim.luck import Luck
    from sim.quarters import Quarter


class Beside:
    """One policy that asks each set of policies about its own rows; the first rows are the first set's, and so on.

    Parameters
    ----------
    sets : sequence of sequence of Policy
        Each for as many rows as ``luck`` has replicates.
    luck : Luck
        Of the rows of one set.
    """

    def __init__(self, sets: Sequence[Sequence[Policy]], luck: Luck) -> None:
        self._sets, self._luck = sets, luck

    def __call__(self, observation: Observation, quarter: Quarter) -> dict[str, Array | float]:
        """Every lever, from each set for its rows."""
        n = len(self._luck.replicates)
        books = [
            self._rulebook(observation.rows(slice(k * n, (k + 1) * n), self._luck), quarter, policies)
            for k, policies in enumerate(self._sets)
        ]
        names = [field.name for field in fields(Rulebook)]
        return {name: np.concatenate([getattr(book, name) for book in books]) for name in names}

    @staticmethod
    def _rulebook(seen: Observation, quarter: Quarter, policies: Sequence[Policy]) -> Rulebook:
        return combine([policy(seen, quarter) for policy in policies], seen.sizes, len(seen.luck.replicates))
