"""Efficiency against equality: the most total power at each degree of equality of compute."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim import indices
from sim.arrays import Array
from sim.errors import PlanError
from sim.planner.problem import Problem
from sim.planner.programs import MOST_FIRMS_GINI
from sim.planner.rules import Rules
from sim.planner.solve import solve
from sim.units import HHI_POINTS

INDICES = ("gini", "hhi", "cap")
_FEW_FIRMS = 20
"""Firms up to which the frontier bounds Gini unless told otherwise; it takes a program with a variable a pair."""


class Frontier(NamedTuple):
    """Points from equal shares to the optimum.

    Attributes
    ----------
    bounded : str
        What was bounded: gini, hhi (points) or cap (largest share of a firm).
    bound : array [point]
        Its bound.
    gini, hhi : array [point]
        Of compute in the best allocation under the bound.
    total_power : array [point]
    cost : array [point]
        Share of the largest total power, by firms' weights, that the bound costs.
    compute : array [point, firm]
        M H100e.
    """

    bounded: str
    bound: Array
    gini: Array
    hhi: Array
    total_power: Array
    cost: Array
    compute: Array


def trace(problem: Problem, n_points: int = 11, index: str | None = None) -> Frontier:
    """Solve the problem under ever looser bounds.

    Parameters
    ----------
    problem : Problem
    n_points : int
        At least 2.
    index : {"gini", "hhi", "cap"}, optional
        By default the first that is solved well for the problem.

    Raises
    ------
    PlanError
        When the index is unknown, or f is not concave and the index is not ``cap``.
    """
    if n_points < 2:  # noqa: PLR2004 - two ends
        message = f"a frontier of {n_points} points; allowed: at least 2"
        raise PlanError(message)
    n = len(problem.names)
    zero = np.zeros(n)
    plot = problem.plot(0.0, zero, np.full(n, problem.total))
    is_concave = all(curve.is_concave or curve.is_linear for curve in plot.curves)
    is_strict = all(curve.is_concave for curve in plot.curves)
    chosen = index or ("gini" if is_concave and n <= _FEW_FIRMS else "hhi" if is_strict else "cap")
    if chosen not in INDICES:
        message = f"there is no index {chosen!r}; allowed: {', '.join(INDICES)}"
        raise PlanError(message)
    if chosen != "cap" and not is_concave:
        message = f"the frontier by {chosen} needs concave f; allowed here: cap"
        raise PlanError(message)
    if chosen == "gini" and n > MOST_FIRMS_GINI:
        message = f"the frontier by gini is solved for up to {MOST_FIRMS_GINI} firms, not {n}; use hhi"
        raise PlanError(message)
    best = solve(problem).compute
    share = best / best.sum()
    loosest = {"gini": float(indices.gini(best)), "hhi": float(indices.hhi(best)), "cap": float(share.max())}[chosen]
    tightest = 0.0 if chosen == "gini" else 1.0 / n
    # An HHI grows with the square of distances from equality.
    steps = np.linspace(0.0, 1.0, n_points) ** (2 if chosen == "hhi" else 1)
    bounds = tightest + steps * max(loosest - tightest, 0.0)
    allocations = np.stack([_under(problem, chosen, float(bound), best) for bound in bounds[:-1]] + [best])
    powers = np.array([problem.power(each) for each in allocations])
    worth = (problem.weight * powers).sum(axis=-1)
    return Frontier(
        bounded=chosen,
        bound=bounds * (HHI_POINTS if chosen == "hhi" else 1.0),
        gini=np.array([float(indices.gini(each)) for each in allocations]),
        hhi=np.array([HHI_POINTS * float(indices.hhi(each)) for each in allocations]),
        total_power=powers.sum(axis=-1),
        cost=1.0 - worth / worth[-1],
        compute=allocations,
    )


def _under(problem: Problem, index: str, bound: float, best: Array) -> Array:
    """The best allocation under a bound; equal shares under the tightest."""
    n = len(best)
    if bound <= (0.0 if index == "gini" else 1.0 / n):
        return np.full(n, problem.total / n)
    rules = {
        "gini": lambda: Rules(max_gini=bound),
        "hhi": lambda: Rules(max_hhi=bound * HHI_POINTS),
        "cap": lambda: Rules(cap=min(bound, 1.0)),
    }[index]()
    return solve(problem, rules).compute
