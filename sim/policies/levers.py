"""Levers: what a policy may ask for, and how several answers combine (docs/model.md 7, levers and policies).

A policy answers, it never acts: ``policy(observation, quarter) -> {lever: value}``. Only ``step`` applies the combined
rulebook. Every lever has a neutral value at which it changes nothing, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sim.arrays import Array

if TYPE_CHECKING:
    from sim.quarters import Quarter


class Lever(NamedTuple):
    """Axes, unit, neutral value, combination rule and meaning."""

    axes: tuple[str, ...]
    unit: str
    neutral: float
    combine: Callable[[Array, Array], Array]
    sentence: str


_FIRM, _OWNER = ("firm",), ("owner",)

LEVERS: dict[str, Lever] = {
    "compute_tax": Lever(_FIRM, "share of rent", 0.0, np.add, "ad valorem tax on compute; negative is a subsidy"),
    "captive_tax": Lever(_OWNER, "share of rent", 0.0, np.add, "the same on owners' own use"),
    "usage_tax": Lever(_FIRM, "$bn per unit", 0.0, np.add, "tax on each unit sold"),
    "revenue_levy": Lever(_FIRM, "share of revenue", 0.0, np.add, "levy on sales"),
    "profit_tax": Lever(_FIRM, "share of earnings", 0.0, np.add, "tax on positive earnings"),
    "training_cap": Lever(_FIRM, "M H100e", np.inf, np.minimum, "most compute that may train in a quarter"),
    "training_efficiency": Lever(_FIRM, "ratio", 1.0, np.multiply, "effective over used training compute"),
    "serving_efficiency": Lever(_FIRM, "ratio", 1.0, np.multiply, "units served per unit of compute"),
    "quality": Lever(_FIRM, "ratio", 1.0, np.multiply, "appeal to customers"),
    "switching": Lever((), "ratio", 1.0, np.multiply, "rate at which customers choose again"),
    "data_portability": Lever((), "share", 0.0, np.maximum, "others' data that each firm may use"),
    "affinity": Lever((), "ratio", 1.0, np.multiply, "weight of ties between firms and owners"),
    "partner_credit": Lever((), "ratio", 1.0, np.multiply, "compute credits that partner owners may give"),
    "open_weights": Lever(_FIRM, "", 0.0, np.maximum, "1 where weights must be released"),
    "entry_cost": Lever((), "ratio", 1.0, np.multiply, "sunk cost of entry"),
    "grant": Lever(_FIRM, "$bn per quarter", 0.0, np.add, "paid by the government"),
    "carbon_price": Lever((), "$ per tCO2", 0.0, np.add, "paid by owners on their emissions"),
    "grid_limit": Lever((), "M H100e per quarter", np.inf, np.minimum, "most chips that can be connected"),
    "programme_cost": Lever((), "$bn per quarter", 0.0, np.add, "administration, paid by the government"),
}
"""Every lever by name."""


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The levers of one quarter, combined over all policies; shapes as ``LEVERS`` declares."""

    compute_tax: Array
    captive_tax: Array
    usage_tax: Array
    revenue_levy: Array
    profit_tax: Array
    training_cap: Array
    training_efficiency: Array
    serving_efficiency: Array
    quality: Array
    switching: Array
    data_portability: Array
    affinity: Array
    partner_credit: Array
    open_weights: Array
    entry_cost: Array
    grant: Array
    carbon_price: Array
    grid_limit: Array
    programme_cost: Array


class Observation(NamedTuple):
    """What a policy may look at: the measures of last quarter."""

    measures: Mapping[str, Array]


Policy = Callable[[Observation, "Quarter"], Mapping[str, Array | float]]
"""A policy answers with levers."""


def combine(answers: Sequence[Mapping[str, Array | float]], sizes: Mapping[str, int], n_replicates: int) -> Rulebook:
    """One rulebook from every policy's answer.

    Parameters
    ----------
    answers : sequence of mapping
        Levers by name; values broadcast to ``[replicate, *axes]``.
    sizes : mapping of str to int
        Length of the axes ``firm`` and ``owner``.
    n_replicates : int
        Leading axis.

    Raises
    ------
    ValueError
        When an answer names a lever that does not exist.
    """
    unknown = {name for answer in answers for name in answer} - set(LEVERS)
    if unknown:
        message = f"no such lever: {', '.join(sorted(unknown))}; levers are {', '.join(LEVERS)}"
        raise ValueError(message)
    combined: dict[str, Array] = {}
    for name, lever in LEVERS.items():
        value = np.full((n_replicates, *(sizes[axis] for axis in lever.axes)), lever.neutral)
        for answer in answers:
            if name in answer:
                value = lever.combine(value, np.asarray(answer[name], dtype=float))
        combined[name] = value
    return Rulebook(**combined)


_DECLARED = [field.name for field in fields(Rulebook)]
if list(LEVERS) != _DECLARED:
    message = "Rulebook and LEVERS must list the same levers in the same order"
    raise TypeError(message)
