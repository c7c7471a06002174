"""The scalar parameters of the model: one row each in ``world/data/parameters.csv``.

The table holds symbol, value, unit, plausible range (``low`` to ``high``), hard limits (``minimum`` and ``maximum``,
outside which the equations lose their meaning), kind of evidence and source. A world's own table, and a user's, holds
the rows that differ (value, range and source). A scenario may set any of them by name.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from sim.errors import WorldError

DATA = Path(__file__).parent / "world" / "data"


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """One row of the parameter table."""

    name: str
    symbol: str
    value: float
    unit: str
    low: float
    high: float
    minimum: float | None
    maximum: float | None
    kind: str
    source: str


OwnRow = tuple[str, float, float, float]
"""Name, value, low and high of a row of a user's own table."""


@functools.cache
def parameter_table(folders: tuple[Path, ...] = (DATA,), own: tuple[OwnRow, ...] = ()) -> dict[str, ParameterRow]:
    """Every parameter by name, in the order of the table.

    Parameters
    ----------
    folders : tuple of Path
        The shipped tables, then those of a world's layers; later rows win.
    own : tuple of OwnRow
        Rows of a user's own table, which win over all.

    Returns
    -------
    dict of str to ParameterRow
        Units are those of the ``unit`` column.

    Raises
    ------
    WorldError
        When a row names no parameter, has another unit, or a value outside its hard limits.
    """
    shipped, *layers = folders
    table = {row["name"]: _parse(row) for row in _rows(shipped)}
    for layer in layers:
        for row in _rows(layer):
            name, unit = row["name"], row["unit"]
            if name not in table or unit != table[name].unit:
                message = f"parameters.csv in {layer}: {name!r} in {unit!r} is not a row of the parameter table"
                raise WorldError(message)
            value, low, high = (float(row[key]) for key in ("value", "low", "high"))
            value = _checked(table[name], value)
            table[name] = replace(table[name], value=value, low=low, high=high, kind=row["kind"], source=row["source"])
    for name, value, low, high in own:
        _checked(table[name], value)
        table[name] = replace(table[name], value=value, low=low, high=high, kind="own", source="the user's own table")
    return table


def _rows(folder: Path) -> list[dict[str, str]]:
    path = folder / "parameters.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def _parse(row: Mapping[str, str]) -> ParameterRow:
    return ParameterRow(
        name=row["name"],
        symbol=row["symbol"],
        value=float(row["value"]),
        unit=row["unit"],
        low=float(row["low"]),
        high=float(row["high"]),
        minimum=float(row["minimum"]) if row["minimum"] else None,
        maximum=float(row["maximum"]) if row["maximum"] else None,
        kind=row["kind"],
        source=row["source"],
    )


@dataclass(frozen=True, slots=True)
class Parameters:
    """Values of all parameters, in the units of the table; rates are per quarter."""

    gamma: float
    flywheel: float
    serving_size_elasticity: float
    serving_algorithm_elasticity: float
    substitution: float
    nest_growth: float
    budget_total: float
    budget_growth: float
    switching_rate: float
    quality_persistence: float
    quality_shock: float
    sector_strength_dispersion: float
    data_elasticity: float
    data_decay: float
    capability_decay: float
    discount: float
    expectation_weight: float
    algorithmic_progress: float
    progress_floor: float
    research_exponent: float
    imitation: float
    progress_shock: float
    open_discount: float
    open_release_delay: int
    open_hosting_share: float
    open_data_gain: float
    federated_efficiency: float
    federated_size_exponent: float
    own_chips_scale: float
    own_chips_speed: float
    own_chips_resale: float
    grid_connections: float
    grid_growth: float
    final_run_share: float
    operating_cost_share: float
    training_staff_share: float
    small_firm_fixed_cost: float
    utilisation: float
    rent_initial: float
    owner_price_elasticity: float
    affiliation_partner: float
    affiliation_integrated: float
    cloud_loyalty: float
    captive_growth_start: float
    captive_growth_end: float
    owner_floor_operations: float
    investor_funding: float
    parent_funding: float
    contest_exponent: float
    funding_speed: float
    funding_return_elasticity: float
    earmark: float
    outlay_limit: float
    leverage: float
    cost_of_funds: float
    chip_decay: float
    value_decline: float
    site_cost: float
    merchant_cost: float
    maker_margin_floor: float
    maker_bargaining: float
    capacity_response: float
    order_elasticity: float
    captive_growth_time: float
    investor_funding_growth_start: float
    investor_funding_growth_end: float
    investor_funding_time: float
    partner_credit_share: float
    funding_replacement: float
    site_cost_decline: float
    merchant_cost_decline: float
    shipment_growth_start: float
    shipment_growth_end: float
    shipment_growth_time: float
    order_factor_half_life: float
    shipment_value_exponent: float
    entry_candidates: float
    entry_sunk_cost: float
    entry_start_median: float
    merger_rate: float
    merger_integration_cost: float
    merger_review_hhi: float
    merger_review_change: float
    merger_review_share: float
    merger_tolerance: float
    merger_review_error: float
    merger_review_delay: int
    small_firms_initial: int
    power_per_h100e: float
    pue: float
    electricity_price: float
    grid_intensity: float
    world_stock: float
    mfu: float
    initial_profit_growth: float
    initial_capability_growth: float
    initial_training_share: float
    initial_cash_quarters: float
    initial_revenue_floor: float
    small_firm_compute: float
    small_firm_dispersion: float
    small_firm_revenue: float
    small_firm_cash: float
    small_firm_efficiency: float
    small_firm_investor_weight: float
    expected_profit_growth_low: float
    expected_profit_growth_high: float
    expected_capability_growth_high: float
    expected_gap_low: float
    captive_share_drift: float
    funding_return_low: float
    funding_return_high: float
    capacity_response_low: float
    capacity_response_high: float
    dividend_share: float
    cash_buffer: float
    exit_quarters: int
    entry_start_dispersion: float
    entry_funding_quarters: float
    exit_hazard: float
    valuation_growth_high: float
    entry_slots: int
    power_per_h100e_decline: float
    grid_intensity_decline: float
    hill_exponent: float
    hill_midpoint: float
    saturating_loss_exponent: float
    saturating_loss_scale: float
    threshold_jump: float
    threshold_location: float
    mcpf: float

    @classmethod
    def from_table(
        cls,
        changes: Mapping[str, float] | None = None,
        folders: tuple[Path, ...] = (DATA,),
        own: tuple[OwnRow, ...] = (),
    ) -> Parameters:
        """Build from a world's table and a scenario's ``changes``.

        Parameters
        ----------
        changes : mapping of str to float, optional
            Values that replace the table's, by name and in its unit.
        folders, own
            As for ``parameter_table``.

        Raises
        ------
        WorldError
            When a name is unknown, a value is outside its hard limits, or a count is not whole.
        """
        table = parameter_table(folders, own)
        values = {name: row.value for name, row in table.items()}
        for name, value in (changes or {}).items():
            if name not in table:
                message = f"there is no parameter {name!r}; see `aipower list parameters`"
                raise WorldError(message)
            values[name] = _checked(table[name], value)
        whole = whole_parameters()
        typed: dict[str, Any] = {name: int(v) if name in whole else float(v) for name, v in values.items()}
        return cls(**typed)


@functools.cache
def whole_parameters() -> frozenset[str]:
    """Names of the parameters that count something."""
    return frozenset(field.name for field in fields(Parameters) if field.type == "int")


def _checked(row: ParameterRow, value: float) -> float:
    low = row.minimum if row.minimum is not None else float("-inf")
    high = row.maximum if row.maximum is not None else float("inf")
    if not low <= value <= high:
        message = f"parameter {row.name} = {value:g} {row.unit} is outside {low:g} to {high:g}"
        raise WorldError(message)
    if row.name in whole_parameters() and value != int(value):
        message = f"parameter {row.name} = {value:g} must be a whole number of {row.unit}"
        raise WorldError(message)
    return value
