"""Before the compute market opens: what rules take out of it and give away (docs/model.md 7.6)."""

from __future__ import annotations

import numpy as np

from sim import units
from sim.arrays import Array, total
from sim.policies.levers import Rulebook
from sim.state import Allotments, Drivers, State
from sim.submodels import allotment
from sim.world.build import World


def allot(
    state: State, world: World, drivers: Drivers, rules: Rulebook, floor: Array
) -> tuple[Array, Array, Allotments]:
    """What owners bring to the market, what firms can use of their own chips, and what they get outside the market.

    Chips in use are a share of those in place; where an energy cap binds, everyone uses fewer in the same proportion.

    Returns
    -------
    supply : array [..., owner]
        Capacity on the market, M H100e.
    own_chips : array [..., firm]
        Firms' own, M H100e.
    allotments : Allotments
        From the public pool, the platform of idle capacity and capacity set aside.
    """
    u = world.parameters.utilisation
    sellers = np.where(world.is_seller, state.capacity, 0.0)
    public, pooled, reserved = (
        np.where(state.is_active, claim, 0.0)
        for claim in (rules.public_weight, rules.pooled_weight, rules.reserved_weight)
    )
    idle = _offered(rules.pooled_idle, pooled) * (1.0 - u) * sellers
    set_aside = _offered(rules.reserved_capacity, reserved) * u * sellers
    in_use = u * (total(state.capacity) + total(state.own_chips) + state.public_capacity) + total(idle)
    allowed = allotment.usable_share(in_use, rules.energy_cap, units.energy_twh(1.0, drivers.kilowatt))
    owner_pooled, owner_reserved = allowed[..., None] * idle, allowed[..., None] * set_aside
    supply = allowed[..., None] * u * state.capacity - owner_reserved
    own_chips = allowed[..., None] * u * state.own_chips
    return (
        supply,
        own_chips,
        Allotments(
            public=allotment.allotted(allowed * u * state.public_capacity, public),
            pooled=allotment.allotted(total(owner_pooled), pooled),
            reserved=allotment.allotted(total(owner_reserved), reserved),
            owner_pooled=owner_pooled,
            owner_reserved=owner_reserved,
            pooled_price=floor * (1.0 + rules.pooled_fee),
            reserved_price=floor,
        ),
    )


def _offered(share: Array, claim: Array) -> Array:
    """Share of capacity that is offered to those with a claim, nothing where nobody has one; ``[..., 1]``."""
    return np.where(total(claim) > 0.0, np.clip(share, 0.0, 1.0), 0.0)[..., None]
