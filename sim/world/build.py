"""From world tables to the first state (docs/model.md 5).

The world is calibrated once: without luck, without policies and with default mechanisms. Units of power, quantity
and serving need are fixed by a price of 1 for the leader in its first sector at the start.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sim.arrays import Array, Flags, safe_ratio, shares, total, weighted_total, widened
from sim.errors import WorldError
from sim.luck import Luck
from sim.parameters import DATA, Parameters
from sim.quarters import QUARTERS_PER_YEAR
from sim.state import FIRM_CLASSES, LAB, RELEASE_WINDOW, SME, State, along
from sim.submodels import compute_market, demand, energy, investment, makers, pricing, training
from sim.submodels.power import PowerFunction, power_function
from sim.world.firms import Firms, lay_out_firms
from sim.world.links import MakerTies, affinities, column, maker_ties, payers
from sim.world.network import knowledge_network
from sim.world.tables import ATTRIBUTES, Actors, merge_actors, own_rows, population_of, shipments_of

WORLD_SEED = 0
_OF_FIRMS = along(State, "firm")
_STRIDE = 8
"""Slots opened at a time."""

RETURN_WINDOW = 4
_RAKING_SWEEPS = 200
_LEAST_OUTER_ELASTICITY = 0.02
_LEAST_POWER_ELASTICITY = 0.01
_LAB_QUANTILE = 0.75
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Mechanisms:
    """Which parts of the model are at work."""

    open_weights: bool = True
    entry: bool = True
    imitation: bool = True
    mergers: bool = True
    openness: bool = True
    federated_pools: bool = True
    own_chips: bool = False
    grid: bool = False
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
    power_table: Sequence[Sequence[float]] = ()
    """Rows of effective compute and power, of family ``measured``."""
    mechanisms: Mechanisms = field(default_factory=Mechanisms)
    knowledge: str = "complete"
    folders: tuple[Path, ...] = (DATA,)
    tables: Mapping[str, Any] | None = None
    """Facts of the user's own tables: actors by population, rows of parameters, shipments by quarter."""


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
    power_reference: float
    """Effective compute with power 1, M H100e-quarters."""
    mean_theta: float
    """Elasticity of attraction to power in a sector of relative elasticity 1."""
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
    def is_integrated(self) -> Flags:
        """Whether the owner is the firm's own corporation, not a partner; ``[owner, firm]``."""
        is_own: Flags = (self.parent_owner > 0.0) & (self.partner_owner == 0.0)
        return is_own

    @cached_property
    def serves_one(self) -> Flags:
        """Whether the owner rents to nobody but the firm of its own corporation; ``[owner]``."""
        others = np.isfinite(self.affinity) & ~self.is_integrated
        return np.asarray(self.is_integrated.any(axis=-1) & ~others.any(axis=-1))

    @cached_property
    def unlinked_appeal(self) -> Array:
        """1 for owners that sell to firms without ties, such as every entrant, 0 for others; ``[owner]``."""
        appeal: Array = np.exp(self.affinity[:, self.is_entry_slot][:, 0])
        return appeal

    @cached_property
    def is_merchant(self) -> Flags:
        """Whether anyone may buy from the maker; ``[maker]``."""
        sells: Flags = total(self.captive_to, axis=0) == 0.0
        return sells

    @cached_property
    def flywheel(self) -> float:
        """Lambda of the leader in a sector of mean elasticity, after ``hold``."""
        p = self.parameters
        gamma = float(self.power_function.elasticity(np.array([self.power_reference]))[0])
        return gamma * (self.mean_theta - p.serving_size_elasticity * (p.substitution - 1.0))

    @cached_property
    def _narrower(self) -> dict[int, World]:
        return {}

    @property
    def n_first(self) -> int:
        """Slots up to the last that holds a firm at the start."""
        n_first: int = np.flatnonzero(self.initial.is_active).max(initial=-1).item() + 1
        return n_first

    def opened(self, n_slots: int) -> World:
        """The world with at least so many slots, which spares what comes later its empty ones.

        Sums over firms do not depend on how many empty slots follow the last firm (``sim.sums``). Firms that foresee
        look at all quarters at once: then all slots stay.
        """
        n_open = min(_STRIDE * math.ceil(n_slots / _STRIDE), len(self.firm_names))
        if n_open == len(self.firm_names) or self.mechanisms.expectations == "perfect_own_path":
            return self
        if n_open not in self._narrower:
            self._narrower[n_open] = self._first_slots(n_open)
        return self._narrower[n_open]

    def _first_slots(self, n: int) -> World:
        initial = {name: getattr(self.initial, name)[..., :n] for name in _OF_FIRMS}
        return replace(
            self,
            firm_names=self.firm_names[:n],
            affinity=self.affinity[:, :n],
            parent_weight=self.parent_weight[:n],
            parent_owner=self.parent_owner[:, :n],
            partner_owner=self.partner_owner[:, :n],
            is_investor_funded=self.is_investor_funded[:n],
            is_entry_slot=self.is_entry_slot[:n],
            neighbours=None if self.neighbours is None else self.neighbours[:n, :n],
            initial=replace(self.initial, **initial),
        )

    def seat(self, state: State) -> State:
        """The state with a slot for each firm of this world; new ones are empty, as at the start."""
        n_now, n_slots = state.is_active.shape[-1], len(self.firm_names)
        if n_now == n_slots:
            return state
        wider = {name: widened(getattr(state, name), getattr(self.initial, name)) for name in _OF_FIRMS}
        return replace(state, **wider)

    def initial_state(self, n_replicates: int) -> State:
        """The first state, repeated along a leading replicate axis."""
        arrays = {f.name: getattr(self.initial, f.name) for f in fields(State)}
        return State(**{name: np.repeat(array[None], n_replicates, axis=0) for name, array in arrays.items()})


class _Tables(NamedTuple):
    """The tables of a world with a scenario's changes."""

    shipped_firms: tuple[str, ...]
    firms: Actors
    owners: Actors
    makers: Actors
    sectors: Actors


class _Sales(NamedTuple):
    """Who sells what at the start; ``[sector, firm]`` and ``[sector]``."""

    budget_share: Array
    nest: Array
    revenue: Array
    share: Array
    target: Array
    elasticity: Array
    profit: Array
    leader: int


class _Capability(NamedTuple):
    """What firms can do at the start; ``[firm]``."""

    training: Array
    used: Array
    own: Array
    history: Array
    reference: float
    function: PowerFunction
    power: Array


class _Appeal(NamedTuple):
    """Why customers choose as they do at the start."""

    mean_theta: float
    theta: Array
    data_elasticity: Array
    data: Array
    data_reference: float
    need_reference: float
    log_strength: Array
    class_strength: Array


class _Supply(NamedTuple):
    """Who owns and makes chips at the start; ``[owner]``, ``[owner, firm]`` and ``[maker]``."""

    affinity: Array
    capacity: Array
    rent: Array
    owner_weight: Array
    captive: Array
    price_cost: Array
    ties: MakerTies


def build(spec: WorldSpec | None = None) -> World:
    """Calibrate a world.

    Parameters
    ----------
    spec : WorldSpec, optional
        What differs from the shipped tables.

    Raises
    ------
    WorldError
        When tables contradict each other, a parameter is out of range, or facts lie so far apart that numbers overflow.
    """
    try:
        with np.errstate(divide="raise", over="raise", invalid="raise", under="ignore"):
            return _calibrated(spec or WorldSpec())
    except FloatingPointError as error:
        message = (
            f"the facts of the world cannot be reconciled ({error}): some lie too far from the others; compare them "
            "with the shipped ones (`aipower diff baseline FILE`), and look for a wrong unit"
        )
        raise WorldError(message) from error


def _calibrated(spec: WorldSpec) -> World:
    p = Parameters.from_table(spec.parameters, spec.folders, own_rows(spec.tables))
    _require_bounded_price(p)
    tables = _read(spec)
    firms = lay_out_firms(tables.firms, tables.shipped_firms, p)
    sales = _open_sales(firms, tables.sectors, p)
    capability = _open_capability(firms, sales, spec, p)
    appeal = _open_appeal(firms, sales, capability, tables.sectors, spec, p)
    supply = _open_supply(tables, firms, capability, p)
    parent_owner, partner_owner = payers(tables.firms, tuple(tables.owners), firms)
    return World(
        parameters=p,
        mechanisms=spec.mechanisms,
        firm_names=firms.names,
        owner_names=tuple(tables.owners),
        maker_names=tuple(tables.makers),
        sector_names=tuple(tables.sectors),
        power_function=capability.function,
        power_reference=capability.reference,
        mean_theta=appeal.mean_theta,
        theta=appeal.theta,
        data_elasticity=appeal.data_elasticity,
        data_reference=appeal.data_reference,
        serving_need_reference=appeal.need_reference,
        budget_share=sales.budget_share,
        initial_odds=sales.nest / (1.0 - sales.nest),
        class_strength=appeal.class_strength,
        affinity=supply.affinity,
        is_seller=np.array([owner["business"] != "own" for owner in tables.owners.values()]),
        parent_weight=shares(firms.parent_weight),
        parent_owner=parent_owner,
        partner_owner=partner_owner,
        is_investor_funded=firms.parent_weight == 0.0,
        is_entry_slot=firms.is_entry_slot,
        initial_order_factor=column(tables.owners, "order_factor", 1.0),
        relative_cost=supply.ties.relative_cost,
        flow_share=supply.ties.flow_share,
        captive_to=supply.ties.captive_to,
        shipments=shipments_of(spec.folders, spec.tables),
        initial_captive_outlay=float(supply.captive.sum()),
        initial_price_cost=supply.price_cost,
        neighbours=knowledge_network(spec.knowledge, firms),
        initial=_first_state(firms, sales, capability, appeal, supply, tables, p),
    )


def _read(spec: WorldSpec) -> _Tables:
    tables = {name: population_of(name, spec.folders, spec.tables) for name in ATTRIBUTES}
    shipped = tables["firms"]
    return _Tables(
        shipped_firms=tuple(shipped),
        firms=merge_actors(shipped, spec.firms),
        owners=merge_actors(tables["owners"], spec.owners),
        makers=merge_actors(tables["makers"], spec.makers),
        sectors=tables["sectors"],
    )


def _open_sales(firms: Firms, sectors: Actors, p: Parameters) -> _Sales:
    """Firms' revenue and target shares by sector: firms' and sectors' totals are facts, tastes are drawn once."""
    budget_share = shares(column(sectors, "budget_share"))
    firm_revenue = firms.revenue / QUARTERS_PER_YEAR
    sector_revenue = firm_revenue.sum() * shares(budget_share * column(sectors, "adoption"))
    nest = sector_revenue / (p.budget_total * budget_share)
    _require_room(nest, tuple(sectors))
    taste = _sector_taste(firms.names, len(sectors), p.sector_strength_dispersion)
    revenue = _rake(firm_revenue * taste, sector_revenue, firm_revenue)
    wanted = shares(firm_revenue * firms.anticipated) * firm_revenue.sum()
    target = _rake(wanted * taste, sector_revenue, wanted) / sector_revenue[:, None]
    elasticity = pricing.demand_elasticity(target, nest, p.substitution, p.nest_growth)
    return _Sales(
        budget_share=budget_share,
        nest=nest,
        revenue=revenue,
        share=revenue / sector_revenue[:, None],
        target=target,
        elasticity=elasticity,
        profit=pricing.operating_profit(revenue, np.full(len(firm_revenue), p.operating_cost_share), elasticity),
        leader=int(wanted.argmax()),
    )


def _open_capability(firms: Firms, sales: _Sales, spec: WorldSpec, p: Parameters) -> _Capability:
    """Effective compute that the first quarter's training sustains, and the power it gives."""
    kept = (1.0 - p.operating_cost_share) * sales.revenue
    serving = total(kept - sales.profit, axis=0) / p.rent_initial
    train = np.maximum(firms.compute - serving, p.initial_training_share * firms.compute)
    own = firms.efficiency * train / (np.expm1(p.initial_capability_growth) + p.capability_decay)
    lags = np.arange(1, RELEASE_WINDOW + 1)
    history = own * np.exp(-p.initial_capability_growth * lags)[:, None]
    frontier = training.open_frontier_of_others(history[p.open_release_delay - 1], firms.is_open & firms.is_active)
    effective = np.where(firms.is_active, training.effective_compute(own, frontier, p.open_discount), 0.0)
    reference = float(effective[sales.leader])
    shape = {
        "gamma": p.gamma,
        "hill_exponent": p.hill_exponent,
        "hill_midpoint": p.hill_midpoint,
        "saturating_loss_exponent": p.saturating_loss_exponent,
        "saturating_loss_scale": p.saturating_loss_scale,
        "threshold_jump": p.threshold_jump,
        "threshold_location": p.threshold_location,
    }
    function = power_function(spec.family, reference, shape, spec.power_table)
    _require_rise(float(function.elasticity(np.array([reference]))[0]), spec.family)
    return _Capability(
        training=train,
        used=np.where(firms.is_active, train + serving, 0.0),
        own=own,
        history=history,
        reference=reference,
        function=function,
        power=function.power(effective),
    )


def _open_appeal(
    firms: Firms, sales: _Sales, capability: _Capability, sectors: Actors, spec: WorldSpec, p: Parameters
) -> _Appeal:
    """Strengths xi that make customers choose the target shares at a leader's price of 1 in the first sector."""
    leader = sales.leader
    mean_theta = _theta(spec, p, float(capability.function.elasticity(np.array([capability.reference]))[0]))
    of_cost = p.serving_size_elasticity * (p.substitution - 1.0)
    theta = of_cost + column(sectors, "quality_elasticity") * (mean_theta - of_cost)
    psi = p.data_elasticity * column(sectors, "data_elasticity")
    need_reference = _serving_need_reference(p, sales.elasticity[:, leader], float(firms.efficiency[leader]))
    need = pricing.serving_need(
        capability.power,
        firms.efficiency,
        need_reference,
        p.serving_size_elasticity,
        p.serving_algorithm_elasticity,
    )
    price = pricing.price(need * p.rent_initial, np.full(len(need), p.operating_cost_share), sales.elasticity)
    data = total(safe_ratio(sales.revenue, price), axis=0) / p.data_decay
    data_reference = float(data[leader])
    plain = demand.attraction_before_price(
        np.zeros_like(price), capability.power, data, theta, psi, data_reference
    ) * safe_ratio(np.ones(()), price) ** (p.substitution - 1.0)
    is_present = firms.is_active & (sales.target > 0.0)
    log_strength = np.log(np.where(is_present, sales.target, 1.0) / np.where(is_present, plain, 1.0))
    class_strength = _class_strength(log_strength, firms)
    return _Appeal(
        mean_theta=mean_theta,
        theta=theta,
        data_elasticity=psi,
        data=data,
        data_reference=data_reference,
        need_reference=need_reference,
        log_strength=np.where(is_present, log_strength, class_strength[:, [SME]]),
        class_strength=class_strength,
    )


def _open_supply(tables: _Tables, firms: Firms, capability: _Capability, p: Parameters) -> _Supply:
    """Owners' chips, what firms rent of them, captive outlay that clears the market, and the first chip price."""
    owners = tuple(tables.owners)
    affinity = affinities(tables.firms, tables.owners, firms, p)
    capacity = p.world_stock * shares(column(tables.owners, "stock_share"))
    rent = np.full(len(owners), p.rent_initial)
    owner_weight = compute_market.first_choice(capacity, rent, np.exp(affinity), p.owner_price_elasticity)
    captive = p.rent_initial * (p.utilisation * capacity - weighted_total(capability.used, owner_weight))
    captive = np.where(np.abs(captive) <= _ROUNDING * p.rent_initial * capacity, 0.0, captive)
    _require_captive(captive, owners)
    floor = energy.floor_cost(
        p.power_per_h100e * p.pue, p.electricity_price, p.grid_intensity, np.zeros(()), p.owner_floor_operations
    )
    value = investment.chip_value(rent, floor, p.site_cost, p.utilisation, user_cost_rate(p))
    ties = maker_ties(tables.makers, owners)
    unit_cost = p.merchant_cost * ties.relative_cost
    chip_price = makers.chip_price(
        unit_cost, investment.mean_value(value, capacity), p.maker_margin_floor, p.maker_bargaining
    )
    return _Supply(affinity, capacity, rent, owner_weight, captive, chip_price / unit_cost, ties)


def user_cost_rate(p: Parameters) -> float:
    """Cost of funds, wear and falling prices of a chip, share of its value per quarter."""
    return p.cost_of_funds + p.chip_decay + p.value_decline


def _first_state(
    firms: Firms,
    sales: _Sales,
    capability: _Capability,
    appeal: _Appeal,
    supply: _Supply,
    tables: _Tables,
    p: Parameters,
) -> State:
    n_firms = len(firms.names)
    none = np.zeros(n_firms, dtype=np.int64)
    reserve = np.where(firms.firm_class == SME, p.small_firm_cash, 0.0)
    outlay = total(np.where(firms.is_active, capability.training, 0.0)) * p.rent_initial
    return State(
        is_active=firms.is_active,
        generation=none,
        firm_class=firms.firm_class,
        is_open=firms.is_open,
        is_hosted=np.zeros(n_firms, dtype=bool),
        is_pool_member=np.zeros(n_firms, dtype=bool),
        group=np.arange(n_firms),
        is_successor=np.zeros(n_firms, dtype=bool),
        age=none,
        quarters_beyond=none,
        cash=np.where(firms.is_active, p.initial_cash_quarters * firms.compute * p.rent_initial + reserve, 0.0),
        debt=np.zeros(n_firms),
        own_compute=capability.own,
        own_compute_history=capability.history,
        efficiency=firms.efficiency,
        own_chips=np.zeros(n_firms),
        data=appeal.data,
        log_strength=appeal.log_strength,
        share=sales.share,
        target_share=sales.target,
        profit=sales.profit,
        owner_weight=supply.owner_weight,
        funding_share=shares(firms.investor_weight),
        profit_growth=np.full(n_firms, p.initial_profit_growth),
        capability_growth=np.full(n_firms, p.initial_capability_growth),
        nest=sales.nest,
        pool_compute=np.zeros(()),
        capacity=supply.capacity,
        chips_bought=supply.capacity,
        rent=supply.rent,
        captive_outlay_share=shares(supply.captive),
        public_capacity=np.zeros(()),
        owner_cash=np.zeros(len(supply.rent)),
        chips_sold=p.world_stock * shares(column(tables.makers, "stock_share")),
        price_cost=supply.price_cost,
        review_acquirer=np.full(p.merger_review_delay, -1),
        review_target=np.full(p.merger_review_delay, -1),
        recent_profit=np.full(RETURN_WINDOW, sales.profit.sum()),
        recent_outlay=np.full(RETURN_WINDOW, outlay),
        fund_committed=np.zeros(()),
        government_cash=np.zeros(()),
        household_cash=np.zeros(()),
    )


def _require_bounded_price(p: Parameters) -> None:
    outer = p.nest_growth * (p.substitution - 1.0)
    if outer < _LEAST_OUTER_ELASTICITY:
        message = (
            f"nest_growth x (substitution - 1) = {outer:.3g} is below {_LEAST_OUTER_ELASTICITY}: "
            "a monopolist's price would have no bound; raise nest_growth"
        )
        raise WorldError(message)


def _sector_taste(names: Sequence[str], n_sectors: int, dispersion: float) -> Array:
    """Log-normal factors drawn for each name, the same in every run of every world; ``[sector, firm]``."""
    if dispersion == 0.0:
        return np.ones((n_sectors, len(names)))
    world_luck = Luck(WORLD_SEED, [0])
    draws = [world_luck.normal(f"sector strength of {name}", 0, n_sectors)[0] for name in names]
    return np.exp(dispersion * np.ascontiguousarray(np.array(draws).T))


def _rake(seed: Array, rows: Array, columns: Array) -> Array:
    """Scale ``seed`` to given row and column sums (Deming and Stephan 1940)."""
    table = seed
    for _ in range(_RAKING_SWEEPS):
        table = table * safe_ratio(rows, total(table, axis=1))[:, None]
        table = table * safe_ratio(columns, total(table, axis=0))
    return table


def _theta(spec: WorldSpec, p: Parameters, gamma_leader: float) -> float:
    """theta = Lambda / gamma + chi (rho - 1), with the shipped gamma, chi and rho under ``hold: theta``."""
    if spec.hold == "theta":
        shipped = Parameters.from_table(folders=spec.folders, own=own_rows(spec.tables))
        return p.flywheel / shipped.gamma + shipped.serving_size_elasticity * (shipped.substitution - 1.0)
    return p.flywheel / gamma_leader + p.serving_size_elasticity * (p.substitution - 1.0)


def _serving_need_reference(p: Parameters, leader_elasticity: Array, leader_efficiency: float) -> float:
    """kappa_0 such that the leader's price in the first sector is 1."""
    markup = float(pricing.markup(leader_elasticity)[0])
    kept = 1.0 - p.operating_cost_share
    return float(kept / (p.rent_initial * markup) * leader_efficiency**p.serving_algorithm_elasticity)


def _class_strength(log_strength: Array, firms: Firms) -> Array:
    """Mean ln xi of each class; the upper quartile of labs, to which customers compare a lab."""
    columns = []
    for code in range(len(FIRM_CLASSES)):
        is_member = firms.is_active & (firms.firm_class == code)
        members = log_strength[:, is_member if is_member.any() else firms.is_active]
        upper = np.quantile(members, _LAB_QUANTILE, axis=1)
        columns.append(upper if code == LAB else members.mean(axis=1))
    return np.stack(columns, axis=1)


def _require_room(nest: Array, sectors: Sequence[str]) -> None:
    full = [f"{name} ({share:.2f})" for name, share in zip(sectors, nest, strict=True) if share >= 1.0]
    if full:
        message = f"initial revenue exceeds the budget of {', '.join(full)}; raise budget_total"
        raise WorldError(message)


def _require_rise(gamma_leader: float, family: str) -> None:
    if gamma_leader < _LEAST_POWER_ELASTICITY:
        message = (
            f"power family {family}: the leader's power hardly rises with its compute at the start (elasticity "
            f"{gamma_leader:.2g}, least {_LEAST_POWER_ELASTICITY}), so no flywheel can be held; move the family's "
            "parameters or table so that it is not saturated there"
        )
        raise WorldError(message)


def _require_captive(captive: Array, owners: Sequence[str]) -> None:
    short = [name for name, outlay in zip(owners, captive, strict=True) if outlay < 0.0]
    if short:
        message = (
            f"at the initial rent firms use more compute than {', '.join(short)} has; "
            "raise its stock_share or lower the compute or affinity of its firms"
        )
        raise WorldError(message)
