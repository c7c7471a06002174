"""From world tables to the first state (MODEL section 5).

The world is calibrated once: without luck, without policies and with default mechanisms. Units of power, quantity
and serving need are fixed by a price of 1 for the leader in its first sector at the start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri

from sim.arrays import Array, Flags, safe_ratio, shares
from sim.errors import WorldError
from sim.luck import Luck
from sim.parameters import DATA, Parameters
from sim.state import FIRM_CLASSES, LAB, SME, State
from sim.submodels import compute_market, demand, energy, investment, makers, pricing, training
from sim.submodels.power import PowerFunction, power_function
from sim.world.tables import Actors, merge_actors, read_population, read_shipments

WORLD_SEED = 0
RETURN_WINDOW = 4
_RAKING_SWEEPS = 200
_LEAST_OUTER_ELASTICITY = 0.02
_LAB_QUANTILE = 0.75


@dataclass(frozen=True, slots=True)
class Mechanisms:
    """Which parts of the model are at work."""

    open_weights: bool = True
    entry: bool = True
    imitation: bool = True
    expectations: str = "adaptive"
    growth_rates: str = "industry"


@dataclass(frozen=True)
class WorldSpec:
    """What a scenario asks of a world."""

    hold: str = "flywheel"
    parameters: Mapping[str, float] = field(default_factory=dict)
    firms: Sequence[Mapping[str, Any]] = ()
    owners: Sequence[Mapping[str, Any]] = ()
    makers: Sequence[Mapping[str, Any]] = ()
    family: str = "power"
    mechanisms: Mechanisms = field(default_factory=Mechanisms)
    folder: Path = DATA


@dataclass(frozen=True)
class World:
    """Everything that stays the same while a scenario runs. Arrays have no replicate axis."""

    parameters: Parameters
    mechanisms: Mechanisms
    firm_names: tuple[str, ...]
    owner_names: tuple[str, ...]
    maker_names: tuple[str, ...]
    sector_names: tuple[str, ...]
    power_function: PowerFunction
    theta: Array
    """[sector] elasticity of attraction to power."""
    data_elasticity: Array
    """[sector] psi."""
    data_reference: float
    """D_ref, $bn of initial prices."""
    serving_need_reference: float
    """kappa_0, M H100e-quarters per unit."""
    budget_share: Array
    """[sector]."""
    initial_odds: Array
    """[sector] o_0."""
    class_strength: Array
    """[sector, class] mean of ln xi that firms drift to."""
    affinity: Array
    """[owner, firm] log odds, minus infinity where the owner does not sell to the firm."""
    is_seller: Flags
    """[owner] rents out on the market; the rents of others are shadow prices."""
    parent_weight: Array
    """[firm] share of parents' funding."""
    parent_owner: Array
    """[owner, firm] 1 where the owner pays the parent's grant."""
    partner_owner: Array
    """[owner, firm] how partner owners split the firm's compute credits; columns sum to 1 or 0."""
    is_investor_funded: Flags
    """[firm] takes part in the investors' contest."""
    is_entry_slot: Flags
    """[firm] a slot that an entrant may take when it is free."""
    initial_order_factor: Array
    """[owner] phi until the end of the shipment table."""
    relative_cost: Array
    """[maker] unit cost over the leading merchant's."""
    flow_share: Array
    """[maker] share of shipments."""
    captive_to: Array
    """[owner, maker] 1 where the maker's chips go to the owner first."""
    shipments: tuple[float, ...]
    """M H100e of the first quarters."""
    initial_captive_outlay: float
    """$bn per quarter."""
    initial_price_cost: Array
    """[maker] chip price over unit cost."""
    neighbours: Flags | None
    """[firm, firm] who learns from whom; None when everyone learns from everyone."""
    initial: State
    """First state, one replicate, no leading axis."""

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each axis."""
        return {
            "firm": len(self.firm_names),
            "owner": len(self.owner_names),
            "maker": len(self.maker_names),
            "sector": len(self.sector_names),
        }

    @cached_property
    def flywheel(self) -> float:
        """Lambda of the leader in a sector of mean elasticity, after ``hold``."""
        p = self.parameters
        gamma = float(self.power_function.elasticity(np.array([self.power_reference]))[0])
        return gamma * (self.mean_theta - p.serving_size_elasticity * (p.substitution - 1.0))

    mean_theta: float = 0.0
    """Elasticity of attraction to power in a sector of relative elasticity 1."""
    power_reference: float = 1.0
    """Effective compute with power 1, M H100e-quarters."""

    def initial_state(self, n_replicates: int) -> State:
        """The first state, repeated along a leading replicate axis."""
        arrays = {f.name: getattr(self.initial, f.name) for f in fields(State)}
        return State(**{name: np.repeat(array[None], n_replicates, axis=0) for name, array in arrays.items()})


@dataclass(frozen=True)
class _Firms:
    """Initial firms as arrays; ``[firm]`` over all slots, empty ones zero."""

    names: tuple[str, ...]
    is_active: Flags
    is_entry_slot: Flags
    firm_class: Array
    is_open: Flags
    compute: Array
    revenue: Array
    anticipated: Array
    efficiency: Array
    investor_weight: Array
    parent_weight: Array


def build(spec: WorldSpec | None = None) -> World:
    """Calibrate a world.

    Parameters
    ----------
    spec : WorldSpec, optional
        What differs from the shipped tables.

    Raises
    ------
    WorldError
        When tables contradict each other or a parameter is out of range.
    """
    spec = spec or WorldSpec()
    p = Parameters.from_table(spec.parameters)
    if p.nest_growth * (p.substitution - 1.0) < _LEAST_OUTER_ELASTICITY:
        message = (
            f"nest_growth x (substitution - 1) = {p.nest_growth * (p.substitution - 1.0):.3g} is below "
            f"{_LEAST_OUTER_ELASTICITY}: a monopolist's price would have no bound; raise nest_growth"
        )
        raise WorldError(message)
    firm_table = merge_actors(read_population("firms", spec.folder), spec.firms)
    shipped = tuple(read_population("firms", spec.folder))
    owner_table = merge_actors(read_population("owners", spec.folder), spec.owners)
    maker_table = merge_actors(read_population("makers", spec.folder), spec.makers)
    sector_table = read_population("sectors", spec.folder)

    firms = _lay_out_firms(firm_table, shipped, p)
    sectors = tuple(sector_table)
    budget_share = shares(_column(sector_table, "budget_share"))
    quarterly_revenue = firms.revenue / 4.0
    sector_revenue = quarterly_revenue.sum() * shares(budget_share * _column(sector_table, "adoption"))
    nest = sector_revenue / (p.budget_total * budget_share)
    _require_room(nest, sectors)
    taste = np.exp(p.sector_strength_dispersion * _sector_taste(firms.names, len(sectors)))
    revenue = _rake(quarterly_revenue * taste, sector_revenue, quarterly_revenue)
    wanted = quarterly_revenue * firms.anticipated
    wanted = wanted * (quarterly_revenue.sum() / wanted.sum())
    target = _rake(wanted * taste, sector_revenue, wanted) / sector_revenue[:, None]
    leader = int(wanted.argmax())

    elasticity = pricing.demand_elasticity(target, nest, p.substitution, p.nest_growth)
    kept = 1.0 - p.operating_cost_share
    profit = kept * revenue / elasticity
    serving = (kept * revenue - profit).sum(axis=0) / p.rent_initial
    train = np.maximum(firms.compute - serving, p.initial_training_share * firms.compute)
    used = np.where(firms.is_active, train + serving, 0.0)
    own = firms.efficiency * train / (np.expm1(p.initial_capability_growth) + p.capability_decay)
    lags = np.arange(1, p.open_release_delay + 1)
    history = own * np.exp(-p.initial_capability_growth * lags)[:, None]
    effective = training.effective_compute(
        own, training.open_frontier_of_others(history[-1], firms.is_open & firms.is_active), p.open_discount
    )
    effective = np.where(firms.is_active, effective, 0.0)
    reference = float(effective[leader])
    function = power_function(spec.family, reference, p.gamma)
    power = function.power(effective)

    mean_theta = _theta(spec, p, float(function.elasticity(effective[[leader]])[0]))
    theta = mean_theta * _column(sector_table, "quality_elasticity")
    psi = p.data_elasticity * _column(sector_table, "data_elasticity")
    need_reference = _serving_need_reference(p, elasticity[:, leader], float(firms.efficiency[leader]))
    need = pricing.serving_need(
        power, firms.efficiency, need_reference, p.serving_size_elasticity, p.serving_algorithm_elasticity
    )
    price = pricing.price(need * p.rent_initial, np.full(len(need), p.operating_cost_share), elasticity)
    data = safe_ratio(revenue, price).sum(axis=0) / p.data_decay
    data_reference = float(data[leader])
    without_strength = demand.attraction_before_price(np.ones_like(price), power, data, theta, psi, data_reference)
    present = firms.is_active & (target > 0.0)
    log_strength = np.log(
        np.where(present, target, 1.0) * np.where(present, price, 1.0) ** (p.substitution - 1.0)
        / np.where(present, without_strength, 1.0)
    )
    class_strength = _class_strength(log_strength, firms)
    log_strength = np.where(present, log_strength, class_strength[:, [SME]])

    owner_names = tuple(owner_table)
    affinity = _affinity(firm_table, owner_table, firms, p)
    capacity = p.world_stock * shares(_column(owner_table, "stock_share"))
    rent = np.full(len(owner_names), p.rent_initial)
    owner_weight = compute_market.target_owner_weights(capacity, rent, np.exp(affinity), p.owner_price_elasticity)
    captive = p.rent_initial * (p.utilisation * capacity - compute_market.owner_demand(owner_weight, used))
    _require_captive(captive, owner_names)

    relative_cost, flow_share, captive_to = _makers(maker_table, owner_names)
    floor = energy.floor_cost(
        p.power_per_h100e * p.pue, p.electricity_price, p.grid_intensity, np.zeros(()), p.owner_floor_operations
    )
    user_cost_rate = p.cost_of_funds + p.chip_decay + p.value_decline
    value = investment.chip_value(rent, floor, p.site_cost, p.utilisation, user_cost_rate)
    unit_cost = p.merchant_cost * relative_cost
    chip_price = makers.chip_price(
        unit_cost, investment.mean_value(value, capacity), p.maker_margin_floor, p.maker_bargaining
    )
    parent_owner, partner_owner = _payers(firm_table, owner_names, firms)

    n_firms = len(firms.names)
    integers = np.zeros(n_firms, dtype=np.int64)
    initial = State(
        is_active=firms.is_active,
        generation=integers,
        firm_class=firms.firm_class.astype(np.int64),
        is_open=firms.is_open,
        age=integers,
        quarters_beyond=integers,
        cash=np.where(
            firms.is_active,
            p.initial_cash_quarters * firms.compute * p.rent_initial
            + np.where(firms.firm_class == SME, p.small_firm_cash, 0.0),
            0.0,
        ),
        debt=np.zeros(n_firms),
        own_compute=own,
        own_compute_history=history,
        efficiency=firms.efficiency,
        data=data,
        log_strength=log_strength,
        share=revenue / sector_revenue[:, None],
        target_share=target,
        profit=profit,
        owner_weight=owner_weight,
        funding_share=shares(firms.investor_weight),
        profit_growth=np.full(n_firms, p.initial_profit_growth),
        capability_growth=np.full(n_firms, p.initial_capability_growth),
        nest=nest,
        capacity=capacity,
        chips_bought=capacity,
        rent=rent,
        captive_share=shares(captive),
        owner_cash=np.zeros(len(owner_names)),
        chips_sold=p.world_stock * shares(_column(maker_table, "stock_share")),
        price_cost=chip_price / unit_cost,
        recent_profit=np.full(RETURN_WINDOW, profit.sum()),
        recent_outlay=np.full(RETURN_WINDOW, (train * firms.is_active).sum() * p.rent_initial),
        fund_committed=np.zeros(()),
        government_cash=np.zeros(()),
        household_cash=np.zeros(()),
    )
    return World(
        parameters=p,
        mechanisms=spec.mechanisms,
        firm_names=firms.names,
        owner_names=owner_names,
        maker_names=tuple(maker_table),
        sector_names=sectors,
        power_function=function,
        theta=theta,
        data_elasticity=psi,
        data_reference=data_reference,
        serving_need_reference=need_reference,
        budget_share=budget_share,
        initial_odds=nest / (1.0 - nest),
        class_strength=class_strength,
        affinity=affinity,
        is_seller=np.array([owner["business"] != "own" for owner in owner_table.values()]),
        parent_weight=shares(firms.parent_weight),
        parent_owner=parent_owner,
        partner_owner=partner_owner,
        is_investor_funded=firms.parent_weight == 0.0,
        is_entry_slot=firms.is_entry_slot,
        initial_order_factor=_column(owner_table, "order_factor", 1.0),
        relative_cost=relative_cost,
        flow_share=flow_share,
        captive_to=captive_to,
        shipments=read_shipments(spec.folder),
        initial_captive_outlay=float(captive.sum()),
        initial_price_cost=chip_price / unit_cost,
        neighbours=None,
        initial=initial,
        mean_theta=mean_theta,
        power_reference=reference,
    )


def _column(table: Actors, attribute: str, default: float = 0.0) -> Array:
    return np.array([float(actor.get(attribute, default)) for actor in table.values()])


def _lay_out_firms(table: Actors, shipped: Sequence[str], p: Parameters) -> _Firms:
    """Give every firm a slot: the table's, small firms, room for entrants, then firms a scenario adds.

    Added firms come last so that they shift nobody else's luck.
    """
    small = [f"Small firm {k + 1}" for k in range(p.small_firms_initial)]
    entrants = [f"Entrant {k + 1}" for k in range(p.entry_slots)]
    added = [name for name in table if name not in shipped]
    names = (*shipped, *small, *entrants, *added)
    if len(set(names)) != len(names):
        message = f"a firm's name is taken: {', '.join(sorted(n for n in added if n in small + entrants))}"
        raise WorldError(message)
    quantiles = ndtri((np.arange(p.small_firms_initial) + 0.5) / max(p.small_firms_initial, 1))
    small_compute = p.small_firm_compute / 1e3 * np.exp(quantiles - 0.5)
    small_revenue = p.small_firm_revenue * safe_ratio(small_compute, small_compute.mean(keepdims=True)) if small else []

    def column(attribute: str, default: float, of_small: Sequence[float] | float, of_entrants: float) -> Array:
        named = {name: float(table[name].get(attribute, default)) for name in table}
        return np.array(
            [named[name] for name in shipped]
            + list(np.broadcast_to(of_small, len(small)))
            + [of_entrants] * len(entrants)
            + [named[name] for name in added]
        )

    classes = {name: FIRM_CLASSES.index(table[name]["class"]) for name in table}
    open_ = {name: table[name].get("weights") == "open" for name in table}
    is_entrant = np.array([name in set(entrants) for name in names])
    is_small = np.array([name in set(small) for name in names])
    revenue = column("revenue", 0.0, small_revenue, 0.0)
    return _Firms(
        names=names,
        is_active=~is_entrant,
        is_entry_slot=is_small | is_entrant,
        firm_class=np.array([classes.get(name, SME) for name in names]),
        is_open=np.array([open_.get(name, is_small[slot] and slot % 2 == 0) for slot, name in enumerate(names)]),
        compute=column("compute", 0.0, np.asarray(small_compute) * 1e3, 0.0) / 1e3,
        revenue=np.where((revenue == 0.0) & ~is_entrant, p.initial_revenue_floor, revenue),
        anticipated=column("anticipated_share_factor", 1.0, 1.0, 1.0),
        efficiency=np.where(is_small | is_entrant, p.small_firm_efficiency, 1.0),
        investor_weight=column("investor_weight", 0.0, 0.01, 0.0),
        parent_weight=column("parent_weight", 0.0, 0.0, 0.0),
    )


def _sector_taste(names: Sequence[str], n_sectors: int) -> Array:
    """Standard normal draws for each name, the same in every run of every world; ``[sector, firm]``."""
    world_luck = Luck(WORLD_SEED, [0])
    draws = [world_luck.normal(f"sector strength of {name}", 0, n_sectors)[0] for name in names]
    return np.ascontiguousarray(np.array(draws).T)


def _rake(seed: Array, rows: Array, columns: Array) -> Array:
    """Scale ``seed`` to given row and column sums (Deming and Stephan 1940)."""
    table = seed
    for _ in range(_RAKING_SWEEPS):
        table = table * safe_ratio(rows, table.sum(axis=1))[:, None]
        table = table * safe_ratio(columns, table.sum(axis=0))
    return table


def _theta(spec: WorldSpec, p: Parameters, gamma_leader: float) -> float:
    """theta = Lambda / gamma + chi (rho - 1), with the shipped gamma, chi and rho under ``hold: theta``."""
    if spec.hold == "theta":
        shipped = Parameters.from_table()
        return p.flywheel / shipped.gamma + shipped.serving_size_elasticity * (shipped.substitution - 1.0)
    return p.flywheel / gamma_leader + p.serving_size_elasticity * (p.substitution - 1.0)


def _serving_need_reference(p: Parameters, leader_elasticity: Array, leader_efficiency: float) -> float:
    """kappa_0 such that the leader's price in the first sector is 1."""
    markup = float(pricing.markup(leader_elasticity)[0])
    kept = 1.0 - p.operating_cost_share
    return float(kept / (p.rent_initial * markup) * leader_efficiency**p.serving_algorithm_elasticity)


def _class_strength(log_strength: Array, firms: _Firms) -> Array:
    """Mean ln xi of each class; the upper quartile of labs, to which customers compare a lab."""
    columns = []
    for code in range(len(FIRM_CLASSES)):
        is_member = firms.is_active & (firms.firm_class == code)
        members = log_strength[:, is_member if is_member.any() else firms.is_active]
        upper = np.quantile(members, _LAB_QUANTILE, axis=1)
        columns.append(upper if code == LAB else members.mean(axis=1))
    return np.stack(columns, axis=1)


def _links(actor: Mapping[str, Any], p: Parameters) -> dict[str, float]:
    """Log odds by owner of one firm: its partners and its integrated owner."""
    links = dict(actor.get("partners", {}))
    if "integrated_owner" in actor:
        links[actor["integrated_owner"]] = actor.get("integrated_affinity", p.affiliation_integrated)
    return links


def _affinity(firm_table: Actors, owner_table: Actors, firms: _Firms, p: Parameters) -> Array:
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


def _payers(firm_table: Actors, owners: Sequence[str], firms: _Firms) -> tuple[Array, Array]:
    """Who pays parents' grants, and how partners split compute credits; ``[owner, firm]`` each."""
    parent = np.zeros((len(owners), len(firms.names)))
    partner = np.zeros_like(parent)
    for slot, name in enumerate(firms.names):
        actor = firm_table.get(name, {})
        partners = list(actor.get("partners", {}))
        for owner in partners:
            partner[owners.index(owner), slot] = 1.0 / len(partners)
        payer = actor.get("integrated_owner", partners[0] if partners else None)
        if payer is not None:
            parent[owners.index(payer), slot] = 1.0
        elif firms.parent_weight[slot] > 0.0:
            message = f"firm {name!r} has a parent_weight but no integrated_owner or partner that could pay"
            raise WorldError(message)
    return parent, partner


def _makers(table: Actors, owners: Sequence[str]) -> tuple[Array, Array, Array]:
    cost_share = _column(table, "unit_cost_share", 1.0)
    flow_share = shares(_column(table, "flow_share"))
    is_merchant = np.array(["captive_to" not in maker for maker in table.values()])
    if not is_merchant.any():
        message = "every chip maker is captive; at least one must be a merchant"
        raise WorldError(message)
    leading = int(np.where(is_merchant, flow_share, -1.0).argmax())
    captive_to = np.zeros((len(owners), len(table)))
    for column, (name, maker) in enumerate(table.items()):
        owner = maker.get("captive_to")
        if owner is None:
            continue
        if owner not in owners:
            message = f"maker {name!r} is captive to {owner!r}; owners are {', '.join(owners)}"
            raise WorldError(message)
        captive_to[owners.index(owner), column] = 1.0
    return cost_share / cost_share[leading], flow_share, captive_to


def _require_room(nest: Array, sectors: Sequence[str]) -> None:
    full = [f"{name} ({share:.2f})" for name, share in zip(sectors, nest, strict=True) if share >= 1.0]
    if full:
        message = f"initial revenue exceeds the budget of {', '.join(full)}; raise budget_total"
        raise WorldError(message)


def _require_captive(captive: Array, owners: Sequence[str]) -> None:
    short = [name for name, outlay in zip(owners, captive, strict=True) if outlay < 0.0]
    if short:
        message = (
            f"at the initial rent firms use more compute than {', '.join(short)} has; "
            "raise its stock_share or lower the compute or affinity of its firms"
        )
        raise WorldError(message)
