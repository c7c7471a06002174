"""Indices of the distributions of ten quantities over firms, owners and makers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sim import indices, units
from sim.arrays import Array, total
from sim.observe.catalogue import MEASURES, Kind, Measure, Moments, by_corporation, measure


class Variable(NamedTuple):
    """A quantity whose distribution over a population is measured by every index."""

    population: str
    kind: Kind
    sentence: str
    values: Callable[[Moments], Array]


VARIABLES: dict[str, Variable] = {
    "revenue": Variable("firms", "flow", "revenue of firms", lambda m: total(m.flows.markets.revenue, axis=-2)),
    "profit": Variable("firms", "flow", "operating profit of firms", lambda m: total(m.flows.markets.profit, axis=-2)),
    "own_effective_compute": Variable(
        "firms", "stock", "own effective compute of firms", lambda m: m.before.own_compute
    ),
    "power": Variable("firms", "stock", "AI power of firms", lambda m: m.flows.funding.power),
    "compute_used": Variable("firms", "flow", "compute used by firms", lambda m: m.flows.markets.compute_used),
    "training_compute": Variable("firms", "flow", "training compute of firms", lambda m: m.flows.markets.training),
    "compute_owned": Variable("owners", "stock", "compute owned", lambda m: m.after.capacity),
    "chips_bought": Variable("owners", "stock", "chips bought since the start of AI", lambda m: m.after.chips_bought),
    "chip_sales": Variable("makers", "flow", "chips sold by makers", lambda m: m.flows.investment.shipments),
    "chip_stock": Variable("makers", "stock", "chips ever sold by makers", lambda m: m.after.chips_sold),
}
"""Every variable of which all indices are taken, population by population; firms are those of one owner together."""

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
            MEASURES[name] = Measure(
                name,
                unit,
                variable.population,
                "stock",
                "last",
                f"{sentence} {variable.sentence}.",
            )


_enter_indices()


def observe_indices(m: Moments) -> dict[str, Array]:
    """Every index of every variable of a quarter, by name; ``[replicate]`` each."""
    values: dict[str, Array] = {}
    for population, group in itertools.groupby(VARIABLES.items(), key=lambda item: item[1].population):
        names, variables = zip(*group, strict=True)
        amounts, members = np.stack([variable.values(m) for variable in variables], axis=-2), None
        if population == "firms":
            amounts, stands = by_corporation(amounts, m)
            amounts, members = np.maximum(amounts, 0.0), stands[:, None]
        found = indices.all_indices(amounts, where=members)
        found["hhi"] = found["hhi"] * units.HHI_POINTS
        defined = {index: np.where(np.isfinite(value), value, np.nan) for index, value in found.items()}
        values |= {f"{index}_{name}": value[:, k] for k, name in enumerate(names) for index, value in defined.items()}
    return values


@measure("points", "firms", "stock", "last", name="hhi_revenue_<sector>")
def hhi_of_sectors(m: Moments) -> Array:
    """Herfindahl-Hirschman index of revenue of firms from the sector."""
    share, _ = by_corporation(m.flows.markets.share, m)
    return np.where(total(share) > 0.0, units.HHI_POINTS * total(share**2), np.nan)
