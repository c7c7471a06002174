"""Consumer gain of a world against its paired reference (docs/model.md 7.2)."""

from __future__ import annotations

import numpy as np

from sim.arrays import Array
from sim.quarters import Quarter
from sim.stages.drivers import drive
from sim.submodels.demand import consumer_gain
from sim.world.build import World


def is_comparable(world: World, reference: World) -> bool:
    """Whether buyers want the same in both: then, and only then, a price index compares them."""
    mine, theirs = world.parameters, reference.parameters
    return (
        world.sector_names == reference.sector_names
        and np.array_equal(drive(world, 0).budget, drive(reference, 0).budget)
        and np.array_equal(world.initial_odds, reference.initial_odds)
        and np.array_equal(world.theta, reference.theta)
        and np.array_equal(world.data_elasticity, reference.data_elasticity)
        and all(
            getattr(mine, name) == getattr(theirs, name) for name in ("nest_growth", "substitution", "budget_growth")
        )
    )


def paired_gain(world: World, start: Quarter, adoption: Array, reference: Array) -> Array:
    """What buyers save against the reference, replicate by replicate, $bn a year.

    Sum over sectors of M (1 - ((1 + o_ref) / (1 + o))^(1 / (lambda (rho - 1)))) with the odds o = a / (1 - a) of the
    share a of the budget that goes to AI; summed over the quarters of each calendar year.

    Parameters
    ----------
    world : World
        Budgets M, lambda and rho.
    start : Quarter
        Of the first column.
    adoption, reference : array [replicate, quarter, sector]
        a of this world and of the reference, same luck in the same row.

    Returns
    -------
    array [replicate, year]
    """
    p = world.parameters
    odds, odds_reference = adoption / (1.0 - adoption), reference / (1.0 - reference)
    years = [(start + k).year for k in range(adoption.shape[1])]
    yearly = np.zeros((len(adoption), years[-1] - years[0] + 1))
    for k, year in enumerate(years):
        budget = drive(world, k).budget
        now = np.ascontiguousarray(odds[:, k]), np.ascontiguousarray(odds_reference[:, k])
        yearly[:, year - years[0]] += consumer_gain(budget, *now, p.substitution, p.nest_growth)
    return yearly
