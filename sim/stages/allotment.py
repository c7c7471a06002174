"""Before the compute market opens: what rules take out of it and give away (docs/model.md 7.6)."""

from __future__ import annotations

import numpy as np

from sim import units
from sim.arrays import Array, shares, total
from sim.policies.levers import Rulebook
from sim.state import Allotments, Drivers, Funding, State
from sim.submodels import allotment
from sim.world.build import World


def allot(
    state: State, world: World, drivers: Drivers, rules: Rulebook, funding: Funding, floor: Array
) -> tuple[Array, Array, Allotments]:
    """What owners bring to the market, what firms can use of their own chips, and what they get outside the market.

    Chips in use are a share of those in place; where an energy cap binds, everyone uses fewer in the same proportion.
    Nobody is given more than it may train with, dearer compute than it rented last, or more than it planned to pay for,
    staff included: what that leaves stays with owners.

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
    public_claim, pooled_claim, reserved_claim = (
        np.where(state.is_active, claim, 0.0)
        for claim in (rules.public_weight, rules.pooled_weight, rules.reserved_weight)
    )
    public_chips = np.where(total(public_claim) > 0.0, state.public_capacity, 0.0)
    idle = _offered(rules.pooled_idle, pooled_claim) * (1.0 - u) * sellers
    set_aside = _offered(rules.reserved_capacity, reserved_claim) * u * sellers
    in_use = u * (total(state.capacity) + total(state.own_chips) + public_chips) + total(idle)
    usable = allotment.usable_share(in_use, rules.energy_cap, units.energy_twh(1.0, drivers.kilowatt))[..., None]

    public, pooled, reserved = _taken(
        allotment.allotted(usable[..., 0] * u * public_chips, public_claim),
        allotment.allotted(total(usable * idle), pooled_claim),
        allotment.allotted(total(usable * set_aside), reserved_claim),
        state, world, rules, funding, floor,
    )  # fmt: skip
    allotments = Allotments(
        public=public,
        pooled=pooled,
        reserved=reserved,
        owner_pooled=_given(usable * idle, pooled),
        owner_reserved=_given(usable * set_aside, reserved),
        pooled_price=_pooled_price(rules, floor),
        reserved_price=floor,
    )
    return usable * u * state.capacity - allotments.owner_reserved, usable * u * state.own_chips, allotments


def _taken(
    public: Array, pooled: Array, reserved: Array,
    state: State, world: World, rules: Rulebook, funding: Funding, floor: Array,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """What firms take of what they may have: as much as they may train with and plan to pay for, nothing too dear."""
    if not (public.any() or pooled.any() or reserved.any()):
        return public, pooled, reserved
    last_rent = total(state.owner_weight * state.rent[..., None], axis=-2) * (1.0 + rules.compute_tax)
    price = _pooled_price(rules, floor)[..., None]
    pooled = np.where(price <= last_rent, pooled, 0.0)
    everything = public + pooled + reserved
    trainable = allotment.usable_share(everything, rules.training_cap)
    staff_share = world.parameters.training_staff_share
    outlay = price * pooled + floor[..., None] * reserved + staff_share * last_rent * everything
    part = trainable * allotment.usable_share(trainable * outlay, (1.0 + staff_share) * funding.plan)
    return part * public, part * pooled, part * reserved


def _pooled_price(rules: Rulebook, floor: Array) -> Array:
    """What the platform charges; ``[replicate]``, $bn per M H100e-quarter."""
    return floor * (1.0 + rules.pooled_fee)


def _given(offered: Array, taken: Array) -> Array:
    """What each owner gives of its offer when firms take so much; ``[..., owner]``."""
    return shares(offered) * total(taken, keepdims=True)


def _offered(share: Array, claim: Array) -> Array:
    """Share of capacity that is offered to those with a claim, nothing where nobody has one; ``[..., 1]``."""
    return np.where(total(claim) > 0.0, np.clip(share, 0.0, 1.0), 0.0)[..., None]
