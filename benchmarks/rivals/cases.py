"""Markets to solve, recorded from the engine as it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from sim.submodels import clearing
from sim.submodels.clearing import Given, Guess


class Case(NamedTuple):
    """Both markets of a block of replicates in one quarter."""

    given: Given
    start: Guess

    @property
    def n_firms(self) -> int:
        """Firms in business, in all replicates."""
        return int((self.given.appeal.max(axis=1) > 0.0).sum())

    @property
    def n_slots(self) -> int:
        """Slots for firms, in all replicates."""
        return self.given.means.size

    def replicate(self, row: int) -> Case:
        """One replicate of it."""
        shared = ("budget", "initial_odds")
        mine = {
            name: values[row : row + 1]
            for name, values in self.given._asdict().items()
            if name not in shared and np.ndim(values)
        }
        return Case(self.given._replace(**mine), Guess(*(values[row : row + 1] for values in self.start)))


@contextmanager
def recorded() -> Iterator[list[Case]]:
    """Keep what every quarter gives the solver while the engine runs."""
    cases: list[Case] = []
    solve = clearing.solve

    def keep(given: Given, start: Guess) -> tuple:
        cases.append(Case(given, start))
        return solve(given, start)

    clearing.solve = keep
    try:
        yield cases
    finally:
        clearing.solve = solve
