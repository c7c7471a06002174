"""The firms of the first quarter, one slot each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from sim.arrays import Array, Counts, Flags
from sim.errors import WorldError
from sim.parameters import Parameters
from sim.state import FIRM_CLASSES, SME
from sim.world.tables import Actors


@dataclass(frozen=True)
class Firms:
    """Initial firms as arrays ``[firm]`` over all slots, empty ones zero; compute in M H100e, revenue in $bn a year."""

    names: tuple[str, ...]
    is_active: Flags
    is_entry_slot: Flags
    firm_class: Counts
    is_open: Flags
    compute: Array
    revenue: Array
    anticipated: Array
    efficiency: Array
    investor_weight: Array
    parent_weight: Array


def lay_out_firms(table: Actors, shipped: Sequence[str], p: Parameters) -> Firms:
    """Give every firm a slot: the table's, small firms, room for entrants, then firms that a scenario adds.

    Added firms come last so that they shift nobody else's luck.

    Raises
    ------
    WorldError
        When there is no firm, or an added one takes the name of a small firm or an entrant.
    """
    small = _small_firms(p)
    entrants = [f"Entrant {k + 1}" for k in range(p.entry_slots)]
    added = [name for name in table if name not in shipped]
    taken = sorted(set(added) & {*small, *entrants})
    if taken:
        message = f"the name is taken by a generated firm: {', '.join(taken)}"
        raise WorldError(message)
    actors = {**small, **table}
    if not actors:
        message = "there is no firm; give some in firms, or raise small_firms_initial"
        raise WorldError(message)
    names = (*shipped, *small, *entrants, *added)
    is_active = np.array([name in actors for name in names])
    is_small = np.array([name in small for name in names])
    rows = [actors.get(name, {}) for name in names]
    revenue = _numbers(rows, "revenue", 0.0)
    return Firms(
        names=names,
        is_active=is_active,
        is_entry_slot=is_small | ~is_active,
        firm_class=np.array([FIRM_CLASSES.index(row["class"]) if row else SME for row in rows]),
        is_open=np.array([row.get("weights") == "open" for row in rows]),
        compute=_numbers(rows, "compute", 0.0) / 1e3,
        revenue=np.where((revenue == 0.0) & is_active, p.initial_revenue_floor, revenue),
        anticipated=_numbers(rows, "anticipated_share_factor", 1.0),
        efficiency=np.where(is_small | ~is_active, p.small_firm_efficiency, 1.0),
        investor_weight=_numbers(rows, "investor_weight", 0.0),
        parent_weight=_numbers(rows, "parent_weight", 0.0),
    )


def _small_firms(p: Parameters) -> dict[str, Mapping[str, object]]:
    """Small firms at quantiles of a log-normal of compute; every second one publishes its weights."""
    spread = p.small_firm_dispersion
    quantiles = ndtri((np.arange(p.small_firms_initial) + 0.5) / p.small_firms_initial)
    sizes = np.exp(spread * quantiles - 0.5 * spread**2)
    mean = sizes.mean() if len(sizes) else 1.0
    return {
        f"Small firm {rank + 1}": {
            "class": "sme",
            "compute": p.small_firm_compute * size,
            "revenue": p.small_firm_revenue * size / mean,
            "weights": "open" if rank % 2 == 0 else "closed",
            "investor_weight": p.small_firm_investor_weight,
        }
        for rank, size in enumerate(sizes)
    }


def _numbers(rows: Sequence[Mapping[str, object]], attribute: str, default: float) -> Array:
    return np.array([float(str(row.get(attribute, default))) for row in rows])
