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


class Compared(NamedTuple):
    """Processor time of some markets for each firm in business, ns, by each way; nan for who was left out."""

    name: str
    n_firms: int
    engine: float
    mesa: float
    c: float


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


def stylised(n_firms: int, n_replicates: int = 1, seed: int = 0) -> Case:
    """Markets of as many firms as wanted, log-normal in size; nine owners, six sectors, some firms in pairs.

    For sizes that no shipped world has. A firm's size is in proportion to one over their number, so that markets are as
    large as with few; the guess is the same share for everyone, hence more sweeps than from last quarter's.
    """
    rng = np.random.default_rng(seed)
    n_owners, n_sectors = 9, 6

    def some(*axes: int) -> np.ndarray:
        return np.exp(rng.normal(0.0, 1.0, (n_replicates, *axes)))

    def even(value: float) -> np.ndarray:
        return np.full((n_replicates, n_firms), value)

    last, share = some(n_owners, n_firms), some(n_sectors, n_firms)
    last /= last.sum(axis=1, keepdims=True)
    share /= share.sum(axis=-1, keepdims=True)
    group = np.tile(np.arange(n_firms), (n_replicates, 1))
    group[:, 1 : n_firms // 10 : 2] -= 1
    given = Given(
        capacity=some(n_owners),
        supply=some(n_owners),
        floor=np.full((n_replicates, n_owners), 1e-3),
        captive_outlay=0.1 * some(n_owners),
        captive_tax=np.zeros((n_replicates, n_owners)),
        affinity=some(n_owners, n_firms),
        last_weight=last,
        loyalty=even(0.85),
        desired_outlay=some(n_firms) / n_firms,
        means=even(10.0),
        allotment=even(0.0),
        own_chips=even(0.0),
        training_cap=even(np.inf),
        compute_tax=even(0.0),
        usage_tax=even(0.0),
        revenue_taken=even(0.2),
        serving_need=some(n_firms),
        appeal=some(n_sectors, n_firms) / n_firms,
        staying=0.5 * share,
        group=group,
        taken_differs=np.zeros((n_replicates, n_firms), dtype=bool),
        budget=np.linspace(1.0, 2.0, n_sectors),
        initial_odds=np.full(n_sectors, 0.2),
        substitution=3.0,
        nest_growth=0.27,
        price_elasticity=1.5,
    )
    return Case(given, Guess(np.zeros((n_replicates, n_owners)), share, np.full((n_replicates, n_sectors), 0.2)))
