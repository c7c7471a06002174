"""The catalogue of measures (docs/model.md 8): what is recorded, never part of the dynamics.

Each measure declares its name, unit, population, whether it is a stock or a flow, how it aggregates over a year, and
one sentence. HHI is in points (0 to 10,000) here and a fraction in ``sim.indices``. Measures stand by subject in the
modules of this package; ``tables`` holds the columns of actors, ``events`` what happened to whom.
"""

from __future__ import annotations

import numpy as np

from sim.arrays import Array
from sim.observe import accuracy, distributions, firms, ranks, sectors, supply, tables, welfare
from sim.observe.catalogue import (
    FUNCTIONS,
    MEASURES,
    OPTIONAL,
    SECTOR,
    Column,
    Event,
    Events,
    Failure,
    Measure,
    Moments,
    Recording,
    Values,
    described,
    measure,
    yearly,
)
from sim.observe.distributions import INDEX_SENTENCES, VARIABLES, Variable, observe_indices
from sim.observe.events import EVENTS, EventLog
from sim.observe.planner import PLANNER_GAP, planner_gap
from sim.observe.ranks import RankLog
from sim.observe.tables import FIRM_COLUMNS, MAKER_COLUMNS, OWNER_COLUMNS, firm_table, maker_table, owner_table

__all__ = [
    "EVENTS",
    "FIRM_COLUMNS",
    "INDEX_SENTENCES",
    "MAKER_COLUMNS",
    "MEASURES",
    "OPTIONAL",
    "OWNER_COLUMNS",
    "PLANNER_GAP",
    "SECTOR",
    "VARIABLES",
    "Column",
    "Event",
    "EventLog",
    "Events",
    "Failure",
    "Measure",
    "Moments",
    "RankLog",
    "Recording",
    "Values",
    "Variable",
    "accuracy",
    "described",
    "distributions",
    "firm_table",
    "firms",
    "maker_table",
    "measure",
    "observe",
    "owner_table",
    "planner_gap",
    "ranks",
    "sectors",
    "supply",
    "tables",
    "welfare",
    "yearly",
]


_EVERY_QUARTER = f"adoption_{SECTOR}"
"""A stock from which consumers' gain is added up, quarter by quarter."""


def observe(m: Moments, *, with_stocks: bool = True) -> dict[str, Array]:
    """Every measure that a quarter alone decides, by name; ``[replicate]`` each.

    Parameters
    ----------
    m : Moments
    with_stocks : bool
        Whether those are among them of which a year keeps the last value, indices of distributions and all but
        adoption: two thirds of the work.
    """
    values = observe_indices(m) if with_stocks else {}
    shape = m.ledger_residual.shape
    for name, function in FUNCTIONS.items():
        if not with_stocks and name != _EVERY_QUARTER and MEASURES[name].aggregation == "last":
            continue
        value = np.asarray(function(m), dtype=float)
        if SECTOR in name:
            for place, sector in enumerate(m.world.sector_names):
                values[name.replace(SECTOR, sector)] = _shaped(value[..., place], shape)
        else:
            values[name] = _shaped(value, shape)
    return values


def _shaped(value: Array, shape: tuple[int, ...]) -> Array:
    """Numbers that all replicates share as often as there are replicates."""
    return value if value.shape == shape else np.broadcast_to(value, shape)
