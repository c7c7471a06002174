"""The catalogue of measures (docs/model.md 8): what is recorded, never part of the dynamics.

Each measure declares its name, unit, population, whether it is a stock or a flow, how it aggregates over a year, and
one sentence. HHI is in points (0 to 10,000) here and a fraction in ``sim.indices``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from sim import indices, units
from sim.arrays import Array, Flags, safe_ratio, total
from sim.state import SME, Flows, State
from sim.submodels import demand
from sim.world.build import World

Values = npt.NDArray[Any]
Kind = Literal["stock", "flow"]
Aggregation = Literal["last", "sum", "mean", "max"]


@dataclass(frozen=True, slots=True)
class Moments:
    """What a measure may look at: a quarter's start, end and everything between."""

    before: State
    after: State
    flows: Flows
    ledger_residual: Array
    world: World


class Measure(NamedTuple):
    """One entry of the catalogue."""

    name: str
    unit: str
    population: str
    kind: Kind
    aggregation: Aggregation
    sentence: str


class Column(NamedTuple):
    """One column of the tables of firms, owners and makers."""

    name: str
    unit: str
    sentence: str


class Failure(NamedTuple):
    """A replicate that could not go on."""

    replicate: int
    quarter: str
    reason: str


@dataclass(frozen=True)
class Recording:
    """What a run hands over; arrays lead with the replicates that succeeded."""

    replicates: Array
    quarters: tuple[str, ...]
    measures: Mapping[str, Array]
    flows: Mapping[str, Array]
    firms: Mapping[str, Values]
    firm_quarters: tuple[str, ...]
    owners: Mapping[str, Values]
    makers: Mapping[str, Values]
    owner_quarters: tuple[str, ...]
    firm_names: tuple[str, ...]
    owner_names: tuple[str, ...]
    maker_names: tuple[str, ...]
    networks: Mapping[str, Mapping[str, Array]]
    failures: tuple[Failure, ...] = field(default=())


def yearly(recording: Recording) -> Recording:
    """The recording with one value a year of each measure and flow, under the year's last quarter."""
    quarters = recording.quarters
    years = [[k for k, q in enumerate(quarters) if q[:4] == year] for year in dict.fromkeys(q[:4] for q in quarters)]
    reduce: dict[Aggregation, Callable[[Array], Array]] = {
        "last": lambda values: values[:, -1],
        "sum": total,
        "mean": lambda values: total(values) / values.shape[-1],
        "max": lambda values: values.max(axis=-1),
    }

    def reduced(values: Array, aggregation: Aggregation) -> Array:
        return np.stack([reduce[aggregation](values[:, year]) for year in years], axis=1)

    return replace(
        recording,
        quarters=tuple(quarters[year[-1]] for year in years),
        measures={name: reduced(values, MEASURES[name].aggregation) for name, values in recording.measures.items()},
        flows={name: reduced(values, "sum") for name, values in recording.flows.items()},
    )


MEASURES: dict[str, Measure] = {}
"""Every measure by name."""

_FUNCTIONS: dict[str, Callable[[Moments], Array]] = {}


def measure(
    unit: str, population: str, kind: Kind, aggregation: Aggregation
) -> Callable[[Callable[[Moments], Array]], Callable[[Moments], Array]]:
    """Enter a function into the catalogue under its own name; its docstring is the sentence."""

    def enter(function: Callable[[Moments], Array]) -> Callable[[Moments], Array]:
        name = function.__name__
        sentence = (function.__doc__ or "").strip()
        MEASURES[name] = Measure(name, unit, population, kind, aggregation, sentence)
        _FUNCTIONS[name] = function
        return function

    return enter


class Variable(NamedTuple):
    """A quantity whose distribution over a population is measured by every index."""

    population: str
    kind: Kind
    sentence: str
    values: Callable[[Moments], tuple[Array, Flags | None]]


def _of_firms(values: Array, m: Moments) -> tuple[Array, Flags]:
    is_active = m.before.is_active
    return np.where(is_active, np.maximum(values, 0.0), 0.0), is_active


VARIABLES: dict[str, Variable] = {
    "revenue": Variable(
        "firms",
        "flow",
        "revenue of firms",
        lambda m: _of_firms(total(m.flows.markets.revenue, axis=-2), m),
    ),
    "profit": Variable(
        "firms",
        "flow",
        "operating profit of firms",
        lambda m: _of_firms(total(m.flows.markets.profit, axis=-2), m),
    ),
    "own_effective_compute": Variable(
        "firms", "stock", "own effective compute of firms", lambda m: _of_firms(m.before.own_compute, m)
    ),
    "power": Variable("firms", "stock", "AI power of firms", lambda m: _of_firms(m.flows.funding.power, m)),
    "compute_used": Variable(
        "firms",
        "flow",
        "compute used by firms",
        lambda m: _of_firms(m.flows.markets.compute_used, m),
    ),
    "training_compute": Variable(
        "firms",
        "flow",
        "training compute of firms",
        lambda m: _of_firms(m.flows.markets.training, m),
    ),
    "compute_owned": Variable("owners", "stock", "compute owned", lambda m: (m.after.capacity, None)),
    "chips_bought": Variable(
        "owners",
        "stock",
        "chips bought since the start of AI",
        lambda m: (m.after.chips_bought, None),
    ),
    "chip_sales": Variable("makers", "flow", "chips sold by makers", lambda m: (m.flows.investment.shipments, None)),
    "chip_stock": Variable("makers", "stock", "chips ever sold by makers", lambda m: (m.after.chips_sold, None)),
}
"""Every variable of which all indices are taken."""

INDEX_SENTENCES: dict[str, tuple[str, str]] = {
    "gini": ("index", "Gini coefficient of"),
    "gini_corrected": ("index", "Gini coefficient with small-sample correction n / (n - 1) of"),
    "hhi": ("points", "Herfindahl-Hirschman index of"),
    "cr1": ("share", "share of the largest in"),
    "cr4": ("share", "share of the four largest in"),
    "theil": ("index", "Theil index of"),
    "atkinson": ("index", "Atkinson index (aversion 0.5) of"),
    "entropy": ("nats", "Shannon entropy of"),
    "effective_number": ("count", "numbers equivalent 1 / HHI of"),
    "hall_tideman": ("index", "Hall-Tideman index of"),
    "palma": ("ratio", "share of the top tenth over that of the bottom four tenths (none when those have nothing) in"),
    "top10_share": ("share", "share of the top tenth in"),
    "dominance": ("index", "dominance index of"),
}


def _enter_indices() -> None:
    for variable_name, variable in VARIABLES.items():
        for index, (unit, sentence) in INDEX_SENTENCES.items():
            name = f"{index}_{variable_name}"
            aggregation: Aggregation = "last" if variable.kind == "stock" else "mean"
            MEASURES[name] = Measure(
                name,
                unit,
                variable.population,
                "stock",
                aggregation,
                f"{sentence} {variable.sentence}.",
            )


_enter_indices()


def observe(m: Moments) -> dict[str, Array]:
    """Every measure of a quarter by name; ``[replicate]`` each."""
    values: dict[str, Array] = {}
    for name, variable in VARIABLES.items():
        amounts, where = variable.values(m)
        for index, value in indices.all_indices(np.ascontiguousarray(amounts), where=where).items():
            scale = units.HHI_POINTS if index == "hhi" else 1.0
            values[f"{index}_{name}"] = np.where(np.isfinite(value), value * scale, np.nan)
    for name, function in _FUNCTIONS.items():
        values[name] = np.broadcast_to(np.asarray(function(m), dtype=float), m.ledger_residual.shape)
    return values


def _leader(values: Array, m: Moments) -> Array:
    leader: Array = np.where(m.before.is_active, values, -1.0).argmax(axis=-1).astype(np.float64)
    return leader


def _top(values: Array) -> Array:
    largest: Array = values.max(axis=-1)
    return largest


def _small(m: Moments) -> Flags:
    small: Flags = m.before.is_active & (m.before.firm_class == SME)
    return small


def _ranked_power(m: Moments, rank: int) -> Array:
    ordered = -np.sort(-m.flows.funding.power, axis=-1)
    return safe_ratio(ordered[..., rank - 1], ordered[..., 0])


@measure("ratio", "firms", "stock", "last")
def total_power(m: Moments) -> Array:
    """Sum of all firms' AI power; the leader's at the start is 1."""
    return total(m.flows.funding.power)


@measure("ratio", "firms", "stock", "last")
def frontier_power(m: Moments) -> Array:
    """AI power of the most powerful firm; the leader's at the start is 1."""
    return _top(m.flows.funding.power)


@measure("share", "firms", "stock", "last")
def relative_power_rank_2(m: Moments) -> Array:
    """AI power of the second firm over the first."""
    return _ranked_power(m, 2)


@measure("share", "firms", "stock", "last")
def relative_power_rank_5(m: Moments) -> Array:
    """AI power of the fifth firm over the first."""
    return _ranked_power(m, 5)


@measure("share", "firms", "stock", "last")
def relative_power_rank_10(m: Moments) -> Array:
    """AI power of the tenth firm over the first."""
    return _ranked_power(m, 10)


@measure("firms", "firms", "stock", "last")
def within_tenfold(m: Moments) -> Array:
    """Firms whose own effective compute is within ten-fold of the largest."""
    own = m.before.own_compute
    return total((own >= 0.1 * own.max(axis=-1, keepdims=True)) & m.before.is_active)


@measure("months", "firms", "stock", "last")
def open_lag_months(m: Moments) -> Array:
    """Time in which closed models grow by the gap between the best closed and the best open model."""
    own, is_active = m.before.own_compute, m.before.is_active
    closed = _top(np.where(is_active & ~m.before.is_open, own, 0.0))
    open_ = _top(np.where(is_active & m.before.is_open, own, 0.0))
    growth = _top(m.before.capability_growth)
    known = (closed > 0.0) & (open_ > 0.0) & (growth > 0.0)
    gap = np.log(np.where(known, closed, 1.0) / np.where(known, open_, 1.0))
    return np.where(known, units.MONTHS_PER_QUARTER * gap / np.where(known, growth, 1.0), np.nan)


@measure("FLOP", "firms", "flow", "max")
def largest_run_flop(m: Moments) -> Array:
    """Largest single training run."""
    p = m.world.parameters
    return p.final_run_share * units.flop(1.0, p.mfu) * _top(m.flows.markets.training)


@measure("$bn", "firms", "flow", "max")
def largest_run_cost(m: Moments) -> Array:
    """Compute cost of the dearest single training run, after compute tax."""
    markets = m.flows.markets
    cost = markets.user_rent * (1.0 + m.flows.rules.compute_tax) * markets.training
    return m.world.parameters.final_run_share * _top(cost)


@measure("$ per H100e-hour", "owners", "stock", "last")
def rental_price(m: Moments) -> Array:
    """Capacity-weighted rent of the owners that sell."""
    capacity = np.where(m.world.is_seller, m.before.capacity, 0.0)
    rent = safe_ratio(total(capacity * m.flows.markets.rent), total(capacity))
    return rent * units.dollars_per_hour(1.0)


@measure("k$ per H100e", "makers", "stock", "mean")
def chip_price(m: Moments) -> Array:
    """Sales-weighted price of a chip."""
    inv = m.flows.investment
    return safe_ratio(total(inv.price * inv.shipments), total(inv.shipments))


@measure("ratio", "makers", "stock", "mean")
def chip_markup(m: Moments) -> Array:
    """Sales-weighted price of a chip over its unit cost."""
    inv = m.flows.investment
    cost = m.flows.drivers.unit_cost * inv.shipments
    return safe_ratio(total(inv.price * inv.shipments), total(cost))


@measure("M H100e", "makers", "stock", "last")
def chips_sold_cumulative(m: Moments) -> Array:
    """Chips ever sold, worn out or not; what published stocks count."""
    return total(m.after.chips_sold)


@measure("M H100e", "owners", "stock", "last")
def compute_owned_total(m: Moments) -> Array:
    """Chips in place at the end of the quarter."""
    return total(m.after.capacity)


@measure("M H100e", "firms", "flow", "mean")
def compute_used_total(m: Moments) -> Array:
    """Compute that firms use."""
    return total(m.flows.markets.compute_used)


@measure("share", "firms", "flow", "mean")
def serving_share(m: Moments) -> Array:
    """Share of firms' compute that serves customers."""
    used = total(m.flows.markets.compute_used)
    return safe_ratio(total(m.flows.markets.serving), used)


@measure("share", "owners", "flow", "mean")
def captive_share(m: Moments) -> Array:
    """Share of compute in use that serves owners' own business."""
    use = total(m.flows.markets.use)
    return safe_ratio(total(m.flows.markets.captive_use), use)


@measure("share", "owners", "flow", "mean")
def idle_share(m: Moments) -> Array:
    """Share of usable capacity that stands idle because rents are at their floor."""
    supply = total(m.flows.markets.supply)
    return 1.0 - safe_ratio(total(m.flows.markets.use), supply)


@measure("share", "firms", "flow", "mean")
def small_firm_share_of_compute(m: Moments) -> Array:
    """Small and medium firms' share of the compute that firms use."""
    used = m.flows.markets.compute_used
    return safe_ratio(total(used * _small(m)), total(used))


@measure("share", "firms", "flow", "mean")
def small_firm_share_of_revenue(m: Moments) -> Array:
    """Small and medium firms' share of revenue."""
    revenue = total(m.flows.markets.revenue, axis=-2)
    return safe_ratio(total(revenue * _small(m)), total(revenue))


@measure("share", "firms", "stock", "last")
def small_firm_survival(m: Moments) -> Array:
    """Share of the small and medium firms of the start that still exist."""
    first = m.world.initial.is_active & (m.world.initial.firm_class == SME)
    still = first & m.before.is_active & (m.before.generation == 0)
    return safe_ratio(total(still), total(first))


@measure("firms", "firms", "stock", "last")
def n_firms(m: Moments) -> Array:
    """Firms in the market."""
    return total(m.before.is_active)


@measure("firms", "firms", "stock", "last")
def n_small_firms(m: Moments) -> Array:
    """Small and medium firms in the market."""
    return total(_small(m))


@measure("firms", "firms", "flow", "sum")
def entries(m: Moments) -> Array:
    """Firms that enter at the end of the quarter."""
    return total(m.flows.demography.entries)


@measure("firms", "firms", "flow", "sum")
def exits(m: Moments) -> Array:
    """Firms that leave at the end of the quarter."""
    return total(m.flows.demography.exits)


@measure("firms", "firms", "flow", "sum")
def entries_refused(m: Moments) -> Array:
    """Candidates that wanted to enter and found no slot; more than none asks for more entry_slots."""
    return m.flows.demography.refused.astype(np.float64)


@measure("$bn", "firms", "flow", "sum")
def industry_revenue(m: Moments) -> Array:
    """Revenue of all firms."""
    return total(m.flows.markets.revenue, axis=(-2, -1))


@measure("$bn", "firms", "flow", "sum")
def industry_profit(m: Moments) -> Array:
    """Operating profit of all firms: revenue less serving, operating cost and levies."""
    return total(m.flows.markets.profit, axis=(-2, -1))


@measure("$bn", "firms", "flow", "sum")
def industry_earnings(m: Moments) -> Array:
    """Revenue less all costs, training, interest and taxes."""
    return total(m.flows.accounts.earnings)


@measure("elasticity", "firms", "stock", "last")
def flywheel(m: Moments) -> Array:
    """Lambda, elasticity of revenue to effective compute in a mean sector; an input that data do not identify."""
    return np.asarray(m.world.flywheel)


@measure("$bn", "firms", "flow", "sum")
def training_outlay(m: Moments) -> Array:
    """Rents that firms pay for training."""
    return total(m.flows.markets.user_rent * m.flows.markets.training)


@measure("$bn", "firms", "flow", "sum")
def funding_raised(m: Moments) -> Array:
    """New money of firms from investors, partners and parents."""
    return total(m.flows.funding.raised) + total(m.flows.funding.parent_grant, axis=(-2, -1))


@measure("share", "firms", "flow", "mean")
def own_finance_share(m: Moments) -> Array:
    """Share of desired training outlay that own margins justify; the rest is earmarked new money."""
    funding = m.flows.funding
    new_money = funding.raised + total(funding.parent_grant, axis=-2) + funding.grant
    own = total(funding.own_plan)
    return safe_ratio(own, own + m.world.parameters.earmark * total(new_money))


@measure("ratio", "firms", "flow", "mean")
def markup_mean(m: Moments) -> Array:
    """Sales-weighted price over marginal cost."""
    markets = m.flows.markets
    ratio = markets.elasticity / (markets.elasticity - 1.0)
    return safe_ratio(total(markets.revenue * ratio, axis=(-2, -1)), total(markets.revenue, axis=(-2, -1)))


@measure("ratio", "firms", "flow", "mean")
def service_price(m: Moments) -> Array:
    """Mean price of a unit of AI service; the leader's at the start is 1."""
    markets = m.flows.markets
    return safe_ratio(total(markets.revenue, axis=(-2, -1)), total(markets.quantity, axis=(-2, -1)))


@measure("elasticity", "sectors", "stock", "last")
def nest_elasticity(m: Moments) -> Array:
    """Sales-weighted elasticity of AI service bought to its price; above 1, cheaper serving uses more compute."""
    p, markets = m.world.parameters, m.flows.markets
    spending = m.flows.drivers.budget * markets.nest
    elasticity = 1.0 + p.nest_growth * (p.substitution - 1.0) * (1.0 - markets.nest)
    return safe_ratio(total(spending * elasticity), total(spending))


@measure("share", "sectors", "stock", "last")
def adoption(m: Moments) -> Array:
    """Share of all budgets spent on AI."""
    budget = m.flows.drivers.budget
    return total(budget * m.flows.markets.nest) / total(budget)


@measure("$bn", "sectors", "flow", "sum")
def consumer_gain(m: Moments) -> Array:
    """Saving of buyers at fixed budgets against a world without AI; long run, with the value of variety."""
    p = m.world.parameters
    return demand.consumer_gain(m.flows.drivers.budget, m.flows.markets.odds, 0.0, p.nest_growth, p.substitution)


@measure("TWh", "owners", "flow", "sum")
def energy_twh(m: Moments) -> Array:
    """Electricity of all compute in use, cooling included."""
    return total(m.flows.markets.use) * units.energy_twh(1.0, m.flows.drivers.kilowatt)


@measure("MtCO2", "owners", "flow", "sum")
def emissions_mtco2(m: Moments) -> Array:
    """Emissions of that electricity."""
    return units.emissions_mt(1.0, m.flows.drivers.grid_intensity) * energy_twh(m)


@measure("share", "owners", "stock", "last")
def energy_share_of_rent(m: Moments) -> Array:
    """Electricity cost over the rental price."""
    cost = units.energy_cost(m.flows.drivers.kilowatt, m.flows.drivers.electricity_price)
    return cost * units.dollars_per_hour(1.0) / rental_price(m)


@measure("$bn", "government", "flow", "sum")
def fiscal_balance(m: Moments) -> Array:
    """Taxes less subsidies, grants and administration."""
    return m.flows.accounts.fiscal_balance


@measure("$bn", "owners", "flow", "sum")
def capital_expenditure(m: Moments) -> Array:
    """What owners pay for chips and sites."""
    return total(m.flows.investment.chip_outlay + m.flows.investment.site_outlay)


@measure("$bn", "makers", "flow", "sum")
def maker_profit(m: Moments) -> Array:
    """Chip sales less the cost of chips."""
    inv = m.flows.investment
    return total((inv.price - m.flows.drivers.unit_cost) * inv.shipments)


@measure("firm", "firms", "flow", "last")
def leader_revenue(m: Moments) -> Array:
    """Slot of the firm with most revenue, counted from 0."""
    return _leader(total(m.flows.markets.revenue, axis=-2), m)


@measure("firm", "firms", "stock", "last")
def leader_power(m: Moments) -> Array:
    """Slot of the firm with most AI power, counted from 0."""
    return _leader(m.flows.funding.power, m)


@measure("firm", "firms", "flow", "last")
def leader_compute_used(m: Moments) -> Array:
    """Slot of the firm that uses most compute, counted from 0."""
    return _leader(m.flows.markets.compute_used, m)


@measure("ratio", "all", "flow", "max")
def ledger_residual(m: Moments) -> Array:
    """Largest residual of the accounts over turnover."""
    return m.ledger_residual


@measure("ratio", "owners", "flow", "max")
def market_residual(m: Moments) -> Array:
    """Largest relative departure of the compute market from clearing."""
    return m.flows.markets.market_residual


@measure("share", "firms", "flow", "max")
def price_residual(m: Moments) -> Array:
    """Largest departure of a target share from the best replies."""
    return m.flows.markets.price_residual


@measure("count", "all", "flow", "max")
def market_sweeps(m: Moments) -> Array:
    """Sweeps until both markets cleared."""
    return m.flows.markets.iterations.astype(np.float64)


def firm_table(m: Moments) -> dict[str, Values]:
    """Columns of firms in a quarter; ``[replicate, firm]`` each."""
    markets, funding = m.flows.markets, m.flows.funding
    revenue = total(markets.revenue, axis=-2)
    p = m.world.parameters
    return {
        "active": m.before.is_active,
        "generation": m.before.generation,
        "class_code": m.before.firm_class,
        "is_open": m.before.is_open,
        "revenue": revenue,
        "revenue_share": safe_ratio(revenue, total(revenue, keepdims=True)),
        "profit": total(markets.profit, axis=-2),
        "earnings": m.flows.accounts.earnings,
        "price": safe_ratio(revenue, total(markets.quantity, axis=-2)),
        "rent_paid": markets.user_rent * units.dollars_per_hour(1.0),
        "compute_training": markets.training,
        "compute_serving": markets.serving,
        "compute_used": markets.compute_used,
        "training_run_flop": p.final_run_share * units.flop(1.0, p.mfu) * markets.training,
        "power": funding.power,
        "own_effective_compute": m.before.own_compute,
        "effective_compute": funding.effective_compute,
        "efficiency": m.before.efficiency,
        "data": m.before.data,
        "raised": funding.raised + total(funding.parent_grant, axis=-2),
        "planned_outlay": funding.plan,
        "cash": m.after.cash,
        "debt": m.after.debt,
    }


def owner_table(m: Moments) -> dict[str, Values]:
    """Columns of owners in a quarter; ``[replicate, owner]`` each."""
    markets, inv = m.flows.markets, m.flows.investment
    shape = m.before.capacity.shape
    return {
        "capacity": m.after.capacity,
        "chips_bought": m.after.chips_bought,
        "rental_price": markets.rent * units.dollars_per_hour(1.0),
        "shadow": np.broadcast_to(~m.world.is_seller, shape),
        "captive_use": markets.captive_use,
        "utilised": safe_ratio(markets.use, m.before.capacity),
        "order_value": inv.value,
        "delivered": total(inv.delivered),
        "chip_outlay": inv.chip_outlay,
        "site_outlay": inv.site_outlay,
        "income": m.flows.accounts.owner_income,
        "cash": m.after.owner_cash,
    }


def maker_table(m: Moments) -> dict[str, Values]:
    """Columns of makers in a quarter; ``[replicate, maker]`` each."""
    inv = m.flows.investment
    return {
        "shipments": inv.shipments,
        "share": safe_ratio(inv.shipments, total(inv.shipments, keepdims=True)),
        "price": inv.price,
        "unit_cost": np.broadcast_to(m.flows.drivers.unit_cost, inv.price.shape),
        "revenue": inv.price * inv.shipments,
        "profit": (inv.price - m.flows.drivers.unit_cost) * inv.shipments,
        "chips_sold": m.after.chips_sold,
    }


def _columns(*rows: tuple[str, str, str]) -> dict[str, Column]:
    return {row[0]: Column(*row) for row in rows}


FIRM_COLUMNS = _columns(
    ("active", "", "the firm is in the market; rows of empty slots are left out"),
    ("generation", "firms", "how many firms the slot has held before"),
    ("class_code", "", "0 giant, 1 lab, 2 small or medium firm"),
    ("is_open", "", "publishes its model weights"),
    ("revenue", "$bn per quarter", "sales"),
    ("revenue_share", "share", "of all firms' sales"),
    ("profit", "$bn per quarter", "sales less serving, operating cost and levies"),
    ("earnings", "$bn per quarter", "sales less all costs, training, interest and taxes"),
    ("price", "ratio", "mean price of a unit; the leader's at the start is 1"),
    ("rent_paid", "$ per H100e-hour", "mean rent paid"),
    ("compute_training", "M H100e", "compute that trains"),
    ("compute_serving", "M H100e", "compute that serves customers"),
    ("compute_used", "M H100e", "training and serving compute"),
    ("training_run_flop", "FLOP", "largest single training run of the quarter"),
    ("power", "ratio", "AI power; the leader's at the start is 1"),
    ("own_effective_compute", "M H100e-quarters", "effective training compute of its own"),
    ("effective_compute", "M H100e-quarters", "effective training compute, open models included"),
    ("efficiency", "ratio", "algorithmic efficiency; the frontier at the start is 1"),
    ("data", "$bn of initial prices", "data stock"),
    ("raised", "$bn per quarter", "new money from investors, partners and parents"),
    ("planned_outlay", "$bn per quarter", "planned training outlay"),
    ("cash", "$bn", "money at the end of the quarter"),
    ("debt", "$bn", "owed at the end of the quarter"),
)
OWNER_COLUMNS = _columns(
    ("capacity", "M H100e", "chips in place at the end of the quarter"),
    ("chips_bought", "M H100e", "chips ever bought"),
    ("rental_price", "$ per H100e-hour", "rent"),
    ("shadow", "", "the owner does not sell, so its rent is a shadow price"),
    ("captive_use", "M H100e", "compute for its own business"),
    ("utilised", "share", "of capacity in use"),
    ("order_value", "$bn per M H100e", "value of one more chip"),
    ("delivered", "M H100e", "chips that arrived"),
    ("chip_outlay", "$bn per quarter", "paid for chips"),
    ("site_outlay", "$bn per quarter", "paid for sites"),
    ("income", "$bn per quarter", "rents less running cost and money given to firms"),
    ("cash", "$bn", "money at the end of the quarter"),
)
MAKER_COLUMNS = _columns(
    ("shipments", "M H100e", "chips sold"),
    ("share", "share", "of all chips sold"),
    ("price", "k$ per H100e", "of a chip"),
    ("unit_cost", "k$ per H100e", "of a chip"),
    ("revenue", "$bn per quarter", "chip sales"),
    ("profit", "$bn per quarter", "chip sales less the cost of chips"),
    ("chips_sold", "M H100e", "chips ever sold"),
)
"""Columns of the tables of firms, owners and makers, by name."""
