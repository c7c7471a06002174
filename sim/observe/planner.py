"""The planner's gap: what the market forgoes of the power that the same compute could make (docs/planner.md).

It takes an optimisation for every replicate, so that runs record it once a year and only where a scenario asks for it.
"""

from __future__ import annotations

import numpy as np

from sim.arrays import Array
from sim.observe.catalogue import OPTIONAL, Measure, Moments
from sim.submodels.waterfill import most_power

PLANNER_GAP = "planner_gap"

OPTIONAL[PLANNER_GAP] = Measure(
    PLANNER_GAP,
    "share",
    "firms",
    "stock",
    "last",
    "Total AI power that this quarter's training compute, held for good, falls short of under the best division among "
    "firms; recorded under `record: {planner: yearly}`.",
)


def planner_gap(m: Moments) -> Array:
    """1 - sum f(A C / delta_E) / its largest value with the same total compute; ``[replicate]``, nan if none trains."""
    gaps = np.full(m.before.is_active.shape[:-1], np.nan)
    gain = m.before.efficiency * m.flows.rules.training_efficiency / m.world.parameters.capability_decay
    function = m.world.power_function
    for replicate in np.ndindex(gaps.shape):
        firms = m.before.is_active[replicate]
        training, gains = m.flows.markets.training[replicate][firms], gain[replicate][firms]
        if training.sum() > 0.0:
            with np.errstate(all="ignore"):
                best = most_power(function, gains, np.zeros_like(gains), float(training.sum()))
                gaps[replicate] = 1.0 - function.power(gains * training).sum() / best
    return gaps
