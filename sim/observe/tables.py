"""Tables of firms, owners and makers: what is recorded of each actor."""

from __future__ import annotations

import numpy as np

from sim import units
from sim.arrays import safe_ratio, total
from sim.observe.catalogue import Column, Moments, Values


def firm_table(m: Moments) -> dict[str, Values]:
    """Columns of firms in a quarter, zeros for empty slots; ``[replicate, firm]`` each."""
    markets, funding = m.flows.markets, m.flows.funding
    revenue = total(markets.revenue, axis=-2)
    p = m.world.parameters
    columns = {
        "active": m.before.is_active,
        "generation": m.before.generation,
        "class_code": m.before.firm_class,
        "is_open": m.before.is_open,
        "group_slot": m.before.group,
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
        "own_chips": m.after.own_chips,
        "raised": funding.private_money,
        "planned_outlay": funding.plan,
        "cash": m.after.cash,
        "debt": m.after.debt,
    }
    return {name: np.where(m.before.is_active, values, values.dtype.type(0)) for name, values in columns.items()}


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
    ("group_slot", "", "slot of the firm that stands for all firms of its owner, counted from 0"),
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
    ("own_chips", "M H100e", "chips that it owns at the end of the quarter"),
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
    ("utilised", "share", "of the chips in place at the start of the quarter that are in use"),
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
