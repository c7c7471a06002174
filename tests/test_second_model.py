"""The model and its independent second writing agree (docs/model.md 5 to 7, small worlds without policies)."""

from __future__ import annotations

import ast
import functools
import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from sim.luck import Luck
from sim.parameters import parameter_table
from sim.world.build import WORLD_SEED, Mechanisms, World, WorldSpec, build
from tests.second_model import SecondModel
from tests.worlds import run_quarters

N_WORLDS, N_QUARTERS, CLOSE = 20, 8, 1e-9
FAMILIES = ("power", "log", "hill", "linear", "saturating_loss", "threshold")
UNIFORM = {
    "gamma": (0.4, 0.9), "flywheel": (0.6, 1.5), "serving_size_elasticity": (0.1, 0.5),
    "serving_algorithm_elasticity": (0.6, 1.4), "substitution": (2.2, 5.0), "nest_growth": (0.1, 0.4),
    "budget_growth": (0.0, 0.02), "switching_rate": (0.15, 0.6), "quality_persistence": (0.9, 0.99),
    "quality_shock": (0.04, 0.15), "sector_strength_dispersion": (0.1, 0.6), "data_elasticity": (0.02, 0.3),
    "data_decay": (0.05, 0.2), "capability_decay": (0.05, 0.2), "discount": (0.95, 0.98),
    "expectation_weight": (0.1, 0.6), "algorithmic_progress": (0.17, 0.5), "progress_floor": (0.1, 0.6),
    "research_exponent": (0.2, 0.8), "imitation": (0.02, 0.2), "progress_shock": (0.02, 0.1),
    "open_discount": (0.2, 0.8), "operating_cost_share": (0.1, 0.35), "training_staff_share": (0.1, 0.5),
    "utilisation": (0.85, 1.0), "rent_initial": (4.4, 8.8), "owner_price_elasticity": (0.5, 4.0),
    "affiliation_partner": (0.5, 4.0), "affiliation_integrated": (2.0, 6.0), "cloud_loyalty": (0.7, 0.95),
    "captive_growth_start": (-0.6, 0.4), "captive_growth_time": (5.0, 15.0), "investor_funding": (0.5, 5.0),
    "parent_funding": (0.5, 5.0), "contest_exponent": (0.5, 1.5), "funding_speed": (0.05, 0.4),
    "funding_return_elasticity": (0.1, 1.0), "earmark": (0.4, 0.8), "outlay_limit": (0.4, 0.9),
    "leverage": (1.0, 4.0), "maker_bargaining": (0.5, 0.9), "capacity_response": (0.1, 1.0),
    "order_elasticity": (0.1, 0.5), "site_cost_decline": (0.0, 0.05), "initial_profit_growth": (0.1, 0.5),
    "initial_capability_growth": (0.4, 0.8), "captive_share_drift": (0.02, 0.3), "dividend_share": (0.05, 0.3),
    "cash_buffer": (0.2, 2.0), "partner_credit_share": (0.1, 0.8), "order_factor_half_life": (3.0, 16.0),
    "shipment_value_exponent": (1.0, 2.0), "initial_cash_quarters": (1.0, 4.0), "chip_decay": (0.01, 0.04),
    "owner_floor_operations": (0.15, 3.0), "small_firm_fixed_cost": (0.0001, 0.02), "hill_midpoint": (10.0, 1e3),
    "hill_exponent": (0.6, 1.5), "saturating_loss_exponent": (0.1, 0.2), "saturating_loss_scale": (0.1, 10.0),
    "threshold_jump": (0.5, 4.0), "threshold_location": (2.0, 20.0),
}  # fmt: skip


def random_world(seed: int, **only_second: float) -> tuple[World, SecondModel]:
    """A small world of random actors and parameters, in both writings; factors on parameters of the second only."""
    dice = random.Random(seed)
    owners = [
        {
            "name": f"Owner {j}",
            "stock_share": dice.uniform(0.1, 0.5),
            "order_factor": dice.uniform(0.6, 1.8),
            "business": "cloud+own" if j < 2 else "own",
            "sells_to": ("all", dice.choice(("all", "affiliates")), "own")[j],
        }
        for j in range(3)
    ]
    firms = [
        {
            "name": f"Firm {i}",
            "class": dice.choice(("giant", "lab")),
            "compute": dice.uniform(20, 150),
            "revenue": dice.choice((0.0, dice.uniform(0.1, 3.0))),
            "weights": dice.choice(("open", "closed")),
            "anticipated_share_factor": dice.uniform(0.7, 2.0),
            "investor_weight": dice.uniform(1.0, 9.0),
        }
        for i in range(dice.randint(3, 4))
    ]
    firms[0] |= {"class": "giant", "integrated_owner": "Owner 2", "parent_weight": dice.uniform(1, 5)}
    firms[0].pop("investor_weight")
    firms[1] |= {"partners": {"Owner 1": None, "Owner 0": dice.uniform(0.5, 3.0)}, "revenue": 1.5}
    firms[2] |= {"integrated_owner": "Owner 1", "integrated_affinity": 2.0}
    makers = [
        {"name": "Merchant", "stock_share": 0.6, "flow_share": 0.6, "unit_cost_share": 0.25},
        {"name": "Other", "stock_share": 0.1, "flow_share": dice.uniform(0.05, 0.3), "unit_cost_share": 0.5},
        {"name": "Captive", "stock_share": 0.3, "flow_share": 0.2, "unit_cost_share": 0.6, "captive_to": "Owner 0"},
    ]
    sectors = [
        {
            "name": f"Sector {s}",
            "budget_share": dice.uniform(0.2, 0.8),
            "adoption": dice.uniform(10, 40),
            "quality_elasticity": dice.uniform(0.8, 1.25),
            "data_elasticity": dice.uniform(0.6, 1.8),
        }
        for s in range(2)
    ]
    shipments = {f"2024Q{k + 1}": dice.uniform(0.3, 1.0) for k in range(dice.randint(1, 4))}
    parameters = {name: dice.uniform(*span) for name, span in UNIFORM.items()}
    parameters |= {"small_firms_initial": 3, "entry_slots": 0, "open_release_delay": dice.choice((1, 2, 3))}
    tables = {"firms": firms, "owners": owners, "makers": makers, "sectors": sectors, "shipments": shipments}
    family = FAMILIES[seed % len(FAMILIES)]
    rules = {"expectations": dice.choice(("adaptive", "static")), "growth_rates": dice.choice(("industry", "own"))}
    mechanisms = Mechanisms(entry=False, mergers=False, openness=False, federated_pools=False, **rules)
    world = build(WorldSpec(parameters=parameters, mechanisms=mechanisms, tables=tables, family=family))
    taste = Luck(WORLD_SEED, [0])
    tastes = [taste.normal(f"sector strength of {name}", 0, len(sectors))[0].tolist() for name in world.firm_names]
    by_name = {
        population: {row["name"]: {k: v for k, v in row.items() if k != "name"} for row in tables[population]}
        for population in ("firms", "owners", "makers", "sectors")
    }
    values = {name: float(getattr(world.parameters, name)) for name in parameter_table()}
    values |= {name: values[name] * factor for name, factor in only_second.items()}
    return world, SecondModel({**by_name, "shipments": shipments.values()}, values, tastes, family, **rules)


STATE = {
    "is_active": lambda m: [f.is_active for f in m.firms],
    "cash": lambda m: [f.cash for f in m.firms],
    "debt": lambda m: [f.debt for f in m.firms],
    "own_compute": lambda m: [f.own_compute for f in m.firms],
    "own_compute_history": lambda m: np.transpose([f.history for f in m.firms]),
    "efficiency": lambda m: [f.efficiency for f in m.firms],
    "data": lambda m: [f.data for f in m.firms],
    "quarters_beyond": lambda m: [f.beyond for f in m.firms],
    "funding_share": lambda m: [f.fund_share for f in m.firms],
    "profit_growth": lambda m: [f.profit_growth for f in m.firms],
    "capability_growth": lambda m: [f.capability_growth for f in m.firms],
    "log_strength": lambda m: np.transpose(m.appeal),
    "share": lambda m: np.transpose(m.share),
    "target_share": lambda m: np.transpose(m.target),
    "profit": lambda m: np.transpose(m.profit),
    "nest": lambda m: m.nest,
    "owner_weight": lambda m: np.transpose(m.weight),
    "capacity": lambda m: [o.capacity for o in m.owners],
    "chips_bought": lambda m: [o.bought for o in m.owners],
    "rent": lambda m: [o.rent for o in m.owners],
    "captive_outlay_share": lambda m: [o.captive_share for o in m.owners],
    "owner_cash": lambda m: [o.cash for o in m.owners],
    "chips_sold": lambda m: [k.sold for k in m.makers],
    "price_cost": lambda m: [k.price_cost for k in m.makers],
    "recent_profit": lambda m: m.recent_profit,
    "recent_outlay": lambda m: m.recent_outlay,
    "government_cash": lambda m: m.government,
    "household_cash": lambda m: m.household,
}
MONEY = {"cash", "debt", "owner_cash", "household_cash", "government_cash"}
"""Stocks whose scale is the quarter's payments: they may be next to nothing after large ones."""


class Comparison(NamedTuple):
    """Largest relative difference of each array, and what happened in the world."""

    distance: dict[str, float]
    money_made: float
    exits: int
    debtors: int
    idle_owners: int


def compare(seed: int, n_quarters: int = N_QUARTERS, **only_second: float) -> Comparison:
    world, second = random_world(seed, **only_second)
    run = run_quarters(world, n_quarters, (0,), seed)
    luck, n = Luck(seed, [0]), len(second.firms)
    start = holdings(second)
    distance = dict.fromkeys(STATE, 0.0)
    debtors = idle = 0
    for t, state in enumerate(run.states):
        paid = float(run.flows[max(t - 1, 0)].investment.chip_outlay.sum())
        active = state.is_active[0]
        for name, read in STATE.items():
            first, again = np.asarray(getattr(state, name)[0], dtype=float), np.asarray(read(second), dtype=float)
            assert first.shape == again.shape, name
            if first.shape[-1:] == (n,) and name != "is_active":
                first, again = first[..., active], again[..., active]
            scale = max(float(np.abs(first).max()), paid if name in MONEY else 1e-30)
            distance[name] = max(distance[name], float(np.abs(first - again).max()) / scale)
        debtors += int((state.debt[0][active] > 0.0).sum())
        idle += int((state.rent[0] <= run.flows[t - 1].markets.floor[0]).sum()) if t else 0
        if t < n_quarters:
            second.step(luck.normal("quality", t, n)[0].tolist(), luck.normal("progress", t, n)[0].tolist())
    made = abs(holdings(second) - start) / paid
    return Comparison(distance, made, n - int(active.sum()), debtors, idle)


def holdings(model: SecondModel) -> float:
    """All money there is: nobody makes any."""
    return sum(f.cash for f in model.firms) + sum(o.cash for o in model.owners) + model.household + model.government


@pytest.fixture(scope="module")
def compared() -> Callable[[int], Comparison]:
    """Each world is compared once for all tests of a session."""
    return functools.cache(compare)


def test_the_second_writing_knows_neither_the_first_nor_numpy() -> None:
    tree = ast.parse((Path(__file__).parent / "second_model.py").read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported == {"__future__", "dataclasses", "math", "statistics"}


@pytest.mark.parametrize("seed", range(N_WORLDS))
def test_both_writings_agree_for_eight_quarters(seed: int, compared: Callable[[int], Comparison]) -> None:
    found = compared(seed)
    assert {name: far for name, far in found.distance.items() if not far <= CLOSE} == {}
    assert found.money_made < CLOSE


def test_the_compared_worlds_are_eventful(compared: Callable[[int], Comparison]) -> None:
    """Firms fail, borrow and survive; chips are scarce and idle; so that agreement says something."""
    found = [compared(seed) for seed in range(N_WORLDS)]
    assert sum(one.exits > 0 for one in found) >= 5
    assert sum(one.exits == 0 for one in found) >= 3
    assert sum(one.debtors > 0 for one in found) >= 5
    assert sum(one.idle_owners > 0 for one in found) >= 2
    assert sum(one.idle_owners == 0 for one in found) >= 5


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(UNIFORM))
def test_a_parameter_that_differs_by_one_in_a_thousand_is_noticed(name: str) -> None:
    """Each equation is held by some world: the second writing reads every parameter, and the comparison sees it."""
    seeds = range(N_WORLDS)
    assert any(max(compare(seed, 4, **{name: 1.001}).distance.values()) > CLOSE for seed in seeds)
