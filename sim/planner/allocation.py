"""An allocation with its certificate, beside what other ways of dividing the same compute would do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sim import indices
from sim.arrays import Array
from sim.planner.frontier import Frontier, trace
from sim.planner.problem import Problem
from sim.planner.rules import Limits, Rules, limits
from sim.planner.solve import Certificate, Solution, solve
from sim.units import HHI_POINTS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

DIVISIONS: dict[str, str] = {
    "planner": "the planner's, under the rules",
    "optimum": "the planner's without rules: most total power",
    "market": "what firms have",
    "equal": "the same for every firm",
    "size": "in proportion to revenue",
    "contribution": "in proportion to the AI power that firms make of what they have",
    "current": "in proportion to the effective compute that firms hold already",
    "max_min": "the lowest power as high as possible",
}
"""Ways of dividing compute that every plan shows, with one phrase each."""

_KEPT = 1e-9


class Division(NamedTuple):
    """One way of dividing the compute.

    Attributes
    ----------
    name : str
        A key of ``DIVISIONS``.
    compute : array [firm]
        M H100e.
    total_power : float
    gini, hhi : float
        Of compute; HHI in points.
    gini_power : float
        Of AI power.
    lost : float
        Share of the largest possible total power, by firms' weights, that it forgoes: the price of not being efficient.
    moved : float
        Share of all compute that is elsewhere than in the optimum.
    keeps_rules : bool
        Whether it keeps the plan's caps, floors, reserves, bounds and other resources.
    """

    name: str
    compute: Array
    total_power: float
    gini: float
    hhi: float
    gini_power: float
    lost: float
    moved: float
    keeps_rules: bool


@dataclass(frozen=True, eq=False)
class Allocation:
    """What a planner would do, and what comes close.

    Made by :func:`sim.plan`.

    Attributes
    ----------
    problem : Problem
        Firms, their efficiency, and how much compute there is.
    rules : Rules
        What the planner keeps to.
    compute : array [firm]
        M H100e.
    method : str
        Which of ``sim.planner.METHODS`` found it.
    price : float
        Shadow price: what the objective gains by one more M H100e where caps, floors and reserves stay the same
        amounts. In AI power if alpha is 0.
    certificate : Certificate
        Primal and dual value, gap, and residual of the first-order conditions.
    optimum : Solution
        The same without rules.
    label : str
        Where the firms come from.

    Examples
    --------
    >>> import sim
    >>> from sim.planner import Problem
    >>> from sim.submodels.power import PowerLaw
    >>> allocation = sim.plan(Problem.of(PowerLaw(reference=1.0, gamma=0.5), [1.0, 4.0], 5.0))
    >>> allocation.compute.round(9), round(allocation.total_power, 9), round(allocation.price, 9), allocation.method
    (array([1., 4.]), 5.0, 0.5, 'dual')
    """

    problem: Problem
    rules: Rules
    compute: Array
    method: str
    price: float
    certificate: Certificate
    optimum: Solution
    label: str = ""

    @classmethod
    def of(cls, problem: Problem, rules: Rules, method: str = "auto", label: str = "") -> Allocation:
        """Solve a problem."""
        solution = solve(problem, rules, method)
        optimum = solution if rules.is_bare and method == "auto" else solve(problem)
        return cls(
            problem, rules, solution.compute, solution.method, solution.price, solution.certificate, optimum, label
        )

    @property
    def total(self) -> float:
        """Compute that there is, M H100e."""
        return self.problem.total

    @cached_property
    def power(self) -> Array:
        """AI power of each firm; ``[firm]``."""
        return self.problem.power(self.compute)

    @property
    def total_power(self) -> float:
        """Sum of AI power."""
        return float(self.power.sum())

    def marginal_power(self, compute: Array) -> Array:
        """What one more M H100e adds to each firm's AI power; ``[firm]``, infinite where f is vertical at nothing."""
        nothing = np.zeros_like(compute)
        plot = self.problem.plot(0.0, nothing, np.maximum(compute, self.total))
        marginal: Array = plot.marginal(compute) / self.problem.weight
        return marginal

    @cached_property
    def divisions(self) -> tuple[Division, ...]:
        """The plan, and other ways of dividing the same compute, in the order of ``DIVISIONS``."""
        p, whole = self.problem, self.total
        found = {
            "planner": self.compute,
            "optimum": self.optimum.compute,
            "market": p.market,
            "equal": np.full(len(p.names), whole / len(p.names)),
            "size": _in_proportion(p.size, whole),
            "contribution": _in_proportion(p.power(p.market), whole),
            "current": _in_proportion(p.held, whole),
            "max_min": solve(p, Rules(alpha=np.inf)).compute,
        }
        if self.rules.is_bare:
            del found["optimum"]
        bounds = limits(p, self.rules)
        return tuple(self._division(name, compute, bounds) for name, compute in found.items())

    def _division(self, name: str, compute: Array, bounds: Limits) -> Division:
        power = self.problem.power(compute)
        weight = self.problem.weight
        best = float((weight * self.problem.power(self.optimum.compute)).sum())
        return Division(
            name=name,
            compute=compute,
            total_power=float(power.sum()),
            gini=float(indices.gini(compute)),
            hhi=HHI_POINTS * float(indices.hhi(compute)),
            gini_power=float(indices.gini(power)),
            lost=1.0 - float((weight * power).sum()) / best,
            moved=0.5 * float(np.abs(compute - self.optimum.compute).sum()) / self.total,
            keeps_rules=_keeps(compute, bounds, self.rules),
        )

    def firms(self) -> pd.DataFrame:
        """One row a firm: compute in the plan and in the market, with power and marginal power in both."""
        import pandas as pd

        p = self.problem
        return pd.DataFrame(
            {
                "firm_class": p.classes,
                "sector": [p.sector_names[number] for number in p.sector],
                "efficiency": p.efficiency,
                "compute_market": p.market,
                "compute_plan": self.compute,
                "share_plan": self.compute / self.total,
                "power_market": p.power(p.market),
                "power_plan": self.power,
                "marginal_power_market": self.marginal_power(p.market),
                "marginal_power_plan": self.marginal_power(self.compute),
            },
            index=pd.Index(p.names, name="firm"),
        )

    def comparison(self) -> pd.DataFrame:
        """One row for each way of dividing the compute: total power, inequality, and what is lost."""
        import pandas as pd

        rows = [{name: value for name, value in each._asdict().items() if name != "compute"} for each in self.divisions]
        return pd.DataFrame(rows).set_index("name")

    def frontier(self, n_points: int = 11, index: str | None = None) -> Frontier:
        """The most total power at each degree of equality of compute, from the optimum to equal shares.

        Parameters
        ----------
        n_points : int
            At least 2.
        index : {"gini", "hhi", "cap"}, optional
            What is bounded. By default Gini where f is concave and firms are few, HHI where they are many, and caps
            where f is not concave.
        """
        return trace(self.problem, n_points, index)

    def plot(self) -> Figure:
        """Draw allocations and marginal powers."""
        from sim.report.figures.planner import allocation_figure

        return allocation_figure(self)


def _in_proportion(amounts: Array, whole: float) -> Array:
    """Divide in proportion, evenly where nobody has anything."""
    everything = float(amounts.sum())
    if everything <= 0.0:
        return np.full(len(amounts), whole / len(amounts))
    return amounts * (whole / everything)


def _keeps(compute: Array, bounds: Limits, rules: Rules) -> bool:
    """Whether an allocation keeps rules, to rounding."""
    margin = _KEPT * bounds.total
    is_kept = bool(np.all(compute >= bounds.low - margin) and np.all(compute <= bounds.high + margin))
    is_kept &= all(compute[group.members].sum() >= group.least - margin for group in bounds.groups)
    is_kept &= bool(np.all(bounds.needs @ compute <= bounds.stocks * (1.0 + _KEPT)))
    if rules.max_gini is not None:
        is_kept &= float(indices.gini(compute)) <= rules.max_gini + _KEPT
    if rules.max_hhi is not None:
        is_kept &= HHI_POINTS * float(indices.hhi(compute)) <= rules.max_hhi * (1.0 + _KEPT)
    return is_kept
