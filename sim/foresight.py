"""Expectations that come true on each firm's own path (docs/model.md 7.4, ``perfect_own_path``).

A run gives every firm's path of profit and capability; the growth rates on it are what firms foresee in the next run;
and so on until nobody is surprised (the extended path method of Fair and Taylor 1983, "Solution and Maximum Likelihood
Estimation of Dynamic Nonlinear Rational Expectations Models", *Econometrica* 51(4)).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from sim.arrays import Array, Counts, Flags, total
from sim.errors import ConvergenceError
from sim.observe import Moments
from sim.parameters import Parameters

WINDOW = 4
"""Quarters ahead over which growth is foreseen, fewer at the end of the horizon."""

DAMPING, TOLERANCE, MAX_RUNS = 0.5, 1e-4, 80
"""Step towards what a run gave; largest surprise, log per quarter, with which a replicate has arrived; most runs."""


class Foresight(NamedTuple):
    """Growth that firms foresee, log per quarter; ``[quarter, replicate, firm]`` each."""

    profit_growth: Array
    capability_growth: Array


def mean_growth(level: Array, generation: Counts, window: int) -> Array:
    """Mean log growth over the next ``window`` entries of the first axis, zero where a firm comes, goes or has nothing.

    Parameters
    ----------
    level : array [quarter, ...]
        Path of a quantity.
    generation : counts [quarter, ...]
        Which firm holds the slot.
    window : int
        Quarters ahead; fewer near the end, where the last entry repeats the one before.

    Examples
    --------
    >>> path = np.array([1.0, 2.0, 8.0, 8.0])[:, None]
    >>> (mean_growth(path, np.zeros((4, 1)), 2) / np.log(2.0)).round(3)[:, 0]
    array([1.5, 1. , 0. , 0. ])
    """
    last = len(level) - 1
    growth = np.zeros_like(level)
    for quarter in range(last):
        ahead = min(quarter + window, last)
        now, then = level[quarter], level[ahead]
        is_same = (now > 0.0) & (then > 0.0) & (generation[quarter] == generation[ahead])
        ratio = np.where(is_same, then, 1.0) / np.where(is_same, now, 1.0)
        growth[quarter] = np.log(ratio) / (ahead - quarter)
    growth[last] = growth[max(last - 1, 0)]
    return growth


def realised(path: Iterable[Moments], p: Parameters) -> Foresight:
    """Growth on the path that a run gave, within the bounds of all expectations."""
    seen = [(m.before.generation, total(m.flows.markets.profit, axis=-2), m.before.own_compute) for m in path]
    generation, profit, own = (np.array(quarters) for quarters in zip(*seen, strict=True))
    return Foresight(
        np.clip(mean_growth(profit, generation, WINDOW), p.expected_profit_growth_low, p.expected_profit_growth_high),
        np.clip(mean_growth(own, generation, WINDOW), 0.0, p.expected_capability_growth_high),
    )


class Search:
    """Looks for expectations that come true; each replicate stops by itself."""

    def __init__(self, first: Foresight) -> None:
        self.foresight = first
        self._runs = 1
        self._is_open: Flags = np.ones(first.profit_growth.shape[1], dtype=bool)

    def learn(self, given: Foresight) -> bool:
        """Move towards what a run gave; whether any replicate was still surprised by it.

        Raises
        ------
        ConvergenceError
            When some replicate is still surprised after ``MAX_RUNS`` runs.
        """
        self._runs += 1
        surprise = np.max(
            [np.abs(new - old).max(axis=(0, -1)) for new, old in zip(given, self.foresight, strict=True)], axis=0
        )
        self._is_open &= surprise > TOLERANCE
        if not self._is_open.any():
            return False
        if self._runs > MAX_RUNS:
            message = (
                f"expectations did not come true in {MAX_RUNS} runs: the last surprise was {surprise.max():.2g} a "
                "quarter (expectations: perfect_own_path); try adaptive"
            )
            raise ConvergenceError(message)
        moves = self._is_open[:, None]
        self.foresight = Foresight(
            *(np.where(moves, old + DAMPING * (new - old), old) for new, old in zip(given, self.foresight, strict=True))
        )
        return True
