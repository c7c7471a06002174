"""Small comparisons for tests: of a small world, and of numbers without a model."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import numpy as np

import sim
from sim.comparison import comparison
from sim.comparison.comparison import Comparison
from sim.comparison.design import Contrast, Design
from sim.comparison.effects import PAIRED_MEASURES, Pairs

QUARTERS = 6
REPLICATES = 4
ALWAYS = ("welfare", "consumer_gain", "industry_revenue", "fiscal_balance", "total_power", "hhi_revenue")
PARTS = (
    "industry_earnings",
    "grants_received",
    "firm_investment",
    "interest_received",
    "owner_profit",
    "maker_profit",
    "cost_of_public_funds",
)


def small(name: str, change: dict[str, Any] | None = None) -> dict[str, Any]:
    """A scenario of the small world as a mapping."""
    data: dict[str, Any] = {
        "extends": "small_world",
        "name": name,
        "horizon": {"end": "2025Q2"},
        "run": {"replicates": REPLICATES, "seed": 5},
    }
    return data | (change or {})


def base() -> sim.Scenario:
    """The baseline of small comparisons."""
    return sim.load_scenario(small("base"))


def scenario(name: str, change: dict[str, Any] | None = None) -> sim.Scenario:
    """A scenario of the small world."""
    return sim.load_scenario(small(name, change))


def synthetic(values: dict[str, tuple[list[float], list[float]]]) -> Comparison:
    """A comparison of one scenario with given values ``(reference, scenario)`` by measure, in one year."""
    changes = {name: np.array(b) - np.array(a) for name, (a, b) in values.items()}
    return pairs_of_numbers({"a": changes}, {name: np.array(a) for name, (a, _) in values.items()})


def pairs_of_numbers(changes: dict[str, dict[str, Any]], reference: dict[str, Any] | None = None, years: int = 1):
    """A comparison of scenarios with given differences by measure and replicate, the same in every year."""
    n = len(next(iter(next(iter(changes.values())).values())))
    given = [name for each in changes.values() for name in each]
    names = tuple(dict.fromkeys([*given, *ALWAYS, *PARTS, *PAIRED_MEASURES]))
    quarters = tuple(f"{2024 + k}Q4" for k in range(years))
    level = np.stack([np.broadcast_to((reference or {}).get(name, 1000.0), (n,)) for name in names], axis=-1)
    level = np.repeat(level[:, None], years, axis=1)
    contrasts, pairs = [], {}
    for scenario_name, by_measure in changes.items():
        change = np.stack([np.broadcast_to(by_measure.get(name, 0.0), (n,)) for name in names], axis=-1)
        values = level + np.repeat(change[:, None], years, axis=1)
        contrasts.append(Contrast(scenario_name, "policy", scenario_name, "base", "base"))
        pairs[scenario_name, "base"] = Pairs(np.arange(n), quarters, names, values, level)
    plan = Design(base(), dict.fromkeys(changes, base()), {"base": base()}, tuple(contrasts))
    with (
        patch.object(comparison.Comparison, "_paired", lambda self, c: pairs[c.run, c.reference]),
        patch.object(comparison.Comparison, "quarters", quarters),
    ):
        made = Comparison(plan, {})
    made._pairs = pairs
    made._paired = lambda c: pairs[c.run, c.reference]  # type: ignore[method-assign]
    made.__class__ = type("Numbers", (Comparison,), {"quarters": quarters})
    return made
