"""Ties between firms, owners and makers, from the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sim.arrays import Array, shares
from sim.errors import WorldError
from sim.parameters import Parameters
from sim.world.firms import Firms
from sim.world.tables import Actors


def column(table: Actors, attribute: str, default: float = 0.0) -> Array:
    """One number of every actor, ``default`` where it is not given."""
    return np.array([float(actor.get(attribute, default)) for actor in table.values()])


def _links(actor: Mapping[str, Any], p: Parameters) -> dict[str, float]:
    """Log odds by owner of one firm: its partners and its integrated owner."""
    links = {
        owner: p.affiliation_partner if log_odds is None else log_odds
        for owner, log_odds in actor.get("partners", {}).items()
    }
    if "integrated_owner" in actor:
        links[actor["integrated_owner"]] = actor.get("integrated_affinity", p.affiliation_integrated)
    return links


def affinities(firm_table: Actors, owner_table: Actors, firms: Firms, p: Parameters) -> Array:
    """Log odds of using each owner, minus infinity where it does not sell to the firm; ``[owner, firm]``.

    Raises
    ------
    WorldError
        When a firm names an owner that does not exist, or nobody sells to a firm.
    """
    owners = tuple(owner_table)
    affinity = np.zeros((len(owners), len(firms.names)))
    linked = np.zeros(affinity.shape, dtype=bool)
    integrated = np.zeros(affinity.shape, dtype=bool)
    for slot, name in enumerate(firms.names):
        actor = firm_table.get(name, {})
        for owner, log_odds in _links(actor, p).items():
            if owner not in owners:
                message = f"firm {name!r} names the owner {owner!r}; owners are {', '.join(owners)}"
                raise WorldError(message)
            affinity[owners.index(owner), slot] = log_odds
            linked[owners.index(owner), slot] = True
            integrated[owners.index(owner), slot] = actor.get("integrated_owner") == owner
    sells_to = np.array([owner["sells_to"] for owner in owner_table.values()])[:, None]
    may_rent = (sells_to == "all") | ((sells_to == "affiliates") & linked) | ((sells_to == "own") & integrated)
    stranded = [name for slot, name in enumerate(firms.names) if not may_rent[:, slot].any()]
    if stranded:
        message = f"no owner sells compute to {', '.join(stranded)}; at least one owner must have sells_to: all"
        raise WorldError(message)
    return np.where(may_rent, affinity, -np.inf)


def payers(firm_table: Actors, owners: Sequence[str], firms: Firms) -> tuple[Array, Array]:
    """Who pays parents' grants, and how partners split compute credits; ``[owner, firm]`` each."""
    parent = np.zeros((len(owners), len(firms.names)))
    partner = np.zeros_like(parent)
    for slot, name in enumerate(firms.names):
        actor = firm_table.get(name, {})
        partners = [owner for owner, log_odds in actor.get("partners", {}).items() if log_odds != 0.0]
        for owner in partners:
            partner[owners.index(owner), slot] = 1.0 / len(partners)
        payer = actor.get("integrated_owner", partners[0] if partners else None)
        if payer is not None:
            parent[owners.index(payer), slot] = 1.0
        elif firms.parent_weight[slot] > 0.0:
            message = f"firm {name!r} has a parent_weight but no integrated_owner or partner that could pay"
            raise WorldError(message)
    return parent, partner


class MakerTies(NamedTuple):
    """Relative unit cost and share of shipments ``[maker]``, and 1 where a maker is captive ``[owner, maker]``."""

    relative_cost: Array
    flow_share: Array
    captive_to: Array


def maker_ties(table: Actors, owners: Sequence[str]) -> MakerTies:
    """What the makers' table says.

    Raises
    ------
    WorldError
        When no maker is a merchant, or one is captive to an owner that does not exist.
    """
    cost_share = column(table, "unit_cost_share", 1.0)
    flow_share = shares(column(table, "flow_share"))
    is_merchant = np.array(["captive_to" not in maker for maker in table.values()])
    if not is_merchant.any():
        message = "every chip maker is captive; at least one must be a merchant"
        raise WorldError(message)
    leading = int(np.where(is_merchant, flow_share, -1.0).argmax())
    captive_to = np.zeros((len(owners), len(table)))
    for place, (name, maker) in enumerate(table.items()):
        owner = maker.get("captive_to")
        if owner is None:
            continue
        if owner not in owners:
            message = f"maker {name!r} is captive to {owner!r}; owners are {', '.join(owners)}"
            raise WorldError(message)
        captive_to[owners.index(owner), place] = 1.0
    return MakerTies(cost_share / cost_share[leading], flow_share, captive_to)
