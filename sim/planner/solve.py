"""Which method solves a problem, and the certificate that comes with each answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sim import indices
from sim.arrays import Array
from sim.errors import FailureError, PlanError
from sim.planner import programs
from sim.planner.maxmin import raise_lowest
from sim.planner.prices import Scarce, clear_all
from sim.planner.problem import Problem
from sim.planner.rules import Limits, Rules, leveled, limits
from sim.submodels.waterfill import Plot, dual_value, fill_groups
from sim.units import HHI_POINTS

METHODS: dict[str, str] = {
    "linear": "linear program by HiGHS: exact where f is straight",
    "dual": "water-filling on the exact derivative: one price clears the total; exact where f is concave or straight",
    "prices": "Newton's method on the dual with a price for each scarce thing; exact where f is strictly concave",
    "envelope": "the dual on concave envelopes, for f of any shape, with its gap and the Shapley-Folkman bound",
    "max_min": "the lowest power raised as far as it goes, then the next lowest; f of any shape",
    "piecewise": "f as straight lines between points, a linear program by HiGHS, within a stated error; concave f",
    "cutting_planes": "linear programs under ever more tangents until the gap closes; concave f under any rules",
    "milp": "f as straight lines between points, a mixed-integer program by HiGHS, within a stated error; any f",
}
"""Every method, with one sentence; ``auto`` chooses by the shape of f and the rules."""

POINTS = {"piecewise": 200, "milp": 60}
"""Points a firm at which the piecewise methods know f exactly."""

_IMPROVE_FROM = 1e-4
_IMPROVE_FIRMS = 40
_AT_BOUND = 1e-12
_ALIKE = 1e-9


class Certificate(NamedTuple):
    """How good an answer is, in units of the objective unless said otherwise.

    Attributes
    ----------
    primal : float
        Objective of the allocation: the sum of w U(P), or the lowest power under max-min.
    dual : float
        No allocation that keeps the rules has more.
    kkt_residual : float
        Largest relative violation of the first-order conditions and of the rules: ln of marginal utility over price
        where a firm is between its bounds, the wrong sign of it where it is at one, and use beyond a stock. NaN where
        a method has no prices. Where f is not concave these conditions are necessary only.
    error_bound : float
        What the method promised before it began: most that ``primal`` can fall short. 0 for exact methods.
    nonconcavity : float
        Shapley-Folkman: (number of shared totals) x (largest distance of f below its envelope) bounds the gap.
    """

    primal: float
    dual: float
    kkt_residual: float
    error_bound: float
    nonconcavity: float

    @property
    def gap(self) -> float:
        """Dual less primal; negative only by rounding."""
        return self.dual - self.primal

    @property
    def relative_gap(self) -> float:
        """Gap over the size of the objective."""
        return self.gap / max(abs(self.primal), abs(self.dual), np.finfo(float).tiny)


class Solution(NamedTuple):
    """An allocation, the method that found it, its shadow price and certificate."""

    compute: Array
    """[firm] M H100e."""
    method: str
    price: float
    """Utility per M H100e of the total; 0 where compute is left over."""
    firm_price: Array
    """[firm] utility per M H100e that each firm faces, which rules may make different."""
    certificate: Certificate


def solve(problem: Problem, rules: Rules | None = None, method: str = "auto") -> Solution:
    """Find the allocation.

    Parameters
    ----------
    problem : Problem
    rules : Rules, optional
    method : str
        One of ``METHODS``, or ``auto``.

    Raises
    ------
    PlanError
        When the rules contradict each other, or the method does not fit the problem.
    """
    rules = rules or Rules()
    bounds = limits(problem, rules)
    if method not in (*METHODS, "auto"):
        message = f"there is no method {method!r}; allowed: auto, {', '.join(METHODS)}"
        raise PlanError(message)
    if rules.alpha == np.inf or method == "max_min":
        return _max_min(problem, rules, bounds, method)
    plot = problem.plot(rules.alpha, bounds.low, bounds.high)
    chosen = _suitable(plot, rules) if method == "auto" else method
    _check_fit(chosen, plot, rules)
    if _allows_one(bounds, rules):
        return _only(plot, bounds, chosen)
    try:
        answer = _ANSWERS[chosen](plot, bounds, rules)
    except FailureError:
        if (method, chosen) != ("auto", "prices"):
            raise
        # Straight utilities that are alike can leave prices undetermined.
        answer = _cutting_planes(plot, bounds, rules)
    if method == "auto" and chosen == "envelope" and _is_worth_improving(answer, plot):
        exact = _milp(plot, bounds, rules)
        tighter = min(answer.certificate.dual, exact.certificate.dual)
        answer = max(answer, exact, key=lambda each: each.certificate.primal)
        answer = answer._replace(certificate=answer.certificate._replace(dual=tighter))
    return answer


def _allows_one(bounds: Limits, rules: Rules) -> bool:
    """Whether a bound on Gini or HHI is so tight that only the most equal allocation keeps it, to rounding."""
    equal = bounds.most_equal
    is_tight = rules.max_hhi is not None and rules.max_hhi <= HHI_POINTS * float(indices.hhi(equal)) * (1.0 + _ALIKE)
    is_tight |= rules.max_gini is not None and rules.max_gini <= float(indices.gini(equal)) + _ALIKE
    return is_tight and bool(np.all(bounds.needs @ equal <= bounds.stocks))


def _only(plot: Plot, bounds: Limits, method: str) -> Solution:
    """The one allocation that the rules allow. Prices of such a bound have no limit; more compute is shared evenly."""
    compute = bounds.most_equal
    is_inside = (compute > bounds.low) & ((compute < bounds.high) | (bounds.high >= bounds.total))
    is_shared = is_inside.any() and not bounds.groups
    price = float(np.exp(plot.log_marginal(compute))[is_inside].mean()) if is_shared else np.nan
    utility = float(plot.utility(compute).sum())
    return _certified(
        plot, bounds, programs.Solved(compute, utility, np.full_like(compute, np.nan), price, 0.0), method
    )


def _suitable(plot: Plot, rules: Rules) -> str:
    is_coupled = bool(rules.resources) or rules.max_gini is not None or rules.max_hhi is not None
    is_linear = all(curve.is_linear for curve in plot.curves)
    is_strict = all(curve.is_concave for curve in plot.curves)
    is_concave = all(curve.is_concave or curve.is_linear for curve in plot.curves)
    if is_linear and rules.max_hhi is None:
        return "linear"
    if not is_coupled:
        return "dual" if is_concave else "envelope"
    if (
        (is_strict or (is_concave and rules.max_hhi))
        and rules.max_gini is None
        and not rules.reserve
        and not (rules.resources and rules.max_hhi)
    ):
        return "prices"
    return "cutting_planes" if is_concave else "milp"


def _check_fit(method: str, plot: Plot, rules: Rules) -> None:
    """Refuse a method that would give a wrong answer."""
    bent = [type(curve.function).__name__ for curve in plot.curves if not (curve.is_concave or curve.is_linear)]
    straight = [curve for curve in plot.curves if curve.is_linear]
    wrong = ""
    if method in ("dual", "piecewise", "cutting_planes", "prices") and bent:
        wrong = f"needs concave utility, and {bent[0]} is not concave up to the compute there is"
    elif method == "linear" and len(straight) < len(plot.curves):
        wrong = "needs straight utility: family linear, or power with gamma 1, and alpha 0"
    elif method == "prices" and straight and rules.max_hhi is None:
        wrong = "needs strictly concave utility, or a bound on HHI"
    elif method == "linear" and rules.max_hhi is not None:
        wrong = "knows no bound on HHI"
    elif method in ("dual", "envelope") and (
        rules.resources or rules.max_gini is not None or rules.max_hhi is not None
    ):
        wrong = "knows one total, caps, floors and reserves, but no other resource and no bound on Gini or HHI"
    elif method == "prices" and (rules.max_gini is not None or rules.reserve):
        wrong = "knows no bound on Gini and no reserve"
    elif method == "prices" and rules.resources and rules.max_hhi is not None:
        wrong = "does not combine other resources with a bound on HHI"
    elif method == "milp" and rules.max_hhi is not None:
        wrong = "knows no bound on HHI, so that f that is not concave cannot be solved under one; cap the firms instead"
    if wrong:
        message = f"method {method} {wrong}; allowed here: auto, or another of {', '.join(METHODS)}"
        raise PlanError(message)


def _is_worth_improving(answer: Solution, plot: Plot) -> bool:
    return answer.certificate.relative_gap > _IMPROVE_FROM and len(plot.low) <= _IMPROVE_FIRMS


def _dual(plot: Plot, bounds: Limits, _: Rules) -> Solution:
    return _water_filling(plot, bounds, "dual")


def _water_filling(plot: Plot, bounds: Limits, method: str) -> Solution:
    compute, log_price, common = fill_groups(plot, bounds.total, bounds.groups)
    firm_price, price = np.exp(log_price), float(np.exp(common))
    if np.any((plot.log_marginal(compute) == common) & np.isinf(plot.marginal(compute))):
        price = np.inf  # of those who have nothing, as all is reserved for others
    dual = dual_value(plot, bounds.total, bounds.groups, log_price, common)
    return _certified(plot, bounds, programs.Solved(compute, dual, firm_price, price, 0.0), method)


def _envelope(plot: Plot, bounds: Limits, _: Rules) -> Solution:
    return _water_filling(plot, bounds, "envelope")


def _linear(plot: Plot, bounds: Limits, rules: Rules) -> Solution:
    return _certified(plot, bounds, programs.linear_program(plot, bounds, rules), "linear")


def _piecewise(plot: Plot, bounds: Limits, rules: Rules) -> Solution:
    return _certified(plot, bounds, programs.piecewise(plot, bounds, rules, POINTS["piecewise"]), "piecewise")


def _cutting_planes(plot: Plot, bounds: Limits, rules: Rules) -> Solution:
    return _certified(plot, bounds, programs.cutting_planes(plot, bounds, rules), "cutting_planes")


def _milp(plot: Plot, bounds: Limits, rules: Rules) -> Solution:
    return _certified(plot, bounds, programs.mixed_integer(plot, bounds, rules, POINTS["milp"]), "milp")


def _slack_hhi(plot: Plot, bounds: Limits, rules: Rules) -> Solution | None:
    """Where power is straight: the optimum without the bound on HHI, evenly among firms alike, if that keeps it."""
    free = programs.linear_program(plot, bounds, replace(rules, max_hhi=None))
    compute = free.compute.copy()
    is_alike = np.isclose(plot.log_marginal(compute), np.log(free.firm_price), rtol=0.0, atol=_ALIKE)
    compute[is_alike] = leveled(float(compute[is_alike].sum()), bounds.low[is_alike], bounds.high[is_alike])
    if rules.max_hhi is None or HHI_POINTS * float(indices.hhi(compute)) > rules.max_hhi:
        return None
    return _certified(plot, bounds, free._replace(compute=compute), "linear")


def _prices(plot: Plot, bounds: Limits, rules: Rules) -> Solution:
    if rules.max_hhi is not None and all(curve.is_linear for curve in plot.curves):
        slack = _slack_hhi(plot, bounds, rules)
        if slack is not None:
            return slack
    linear = np.vstack([np.ones_like(bounds.low), bounds.needs])
    stocks = np.concatenate([[bounds.total], bounds.stocks])
    if rules.max_hhi is not None:
        stocks = np.append(stocks, rules.max_hhi / HHI_POINTS * bounds.total**2)
    scarce = Scarce(linear, stocks)
    found = clear_all(plot, scarce)
    firm_price = scarce.gradient(found.compute).T @ found.price
    return _certified(
        plot, bounds, programs.Solved(found.compute, found.dual, firm_price, float(found.price[0]), 0.0), "prices"
    )


def _max_min(problem: Problem, rules: Rules, bounds: Limits, method: str) -> Solution:
    if method not in ("auto", "max_min"):
        message = f"alpha inf is max-min, which method {method} does not solve; allowed: auto or max_min"
        raise PlanError(message)
    if rules.max_gini is not None or rules.max_hhi is not None or rules.resources:
        message = (
            "max-min knows caps, floors and reserves, but no other resource and no bound on Gini or HHI; leave those "
            "out, or take a large alpha such as 10"
        )
        raise PlanError(message)
    plot = problem.plot(0.0, bounds.low, bounds.high)
    raised = raise_lowest(plot, bounds.total, bounds.groups)
    power = plot.power(raised.compute)
    residual = abs(float(raised.compute.sum()) / bounds.total - 1.0)
    certificate = Certificate(float(power.min()), raised.bound, residual, 0.0, 0.0)
    return Solution(raised.compute, "max_min", raised.price, np.full(len(power), np.nan), certificate)


_ANSWERS: dict[str, Callable[[Plot, Limits, Rules], Solution]] = {
    "linear": _linear,
    "dual": _dual,
    "prices": _prices,
    "envelope": _envelope,
    "piecewise": _piecewise,
    "cutting_planes": _cutting_planes,
    "milp": _milp,
}


def _certified(plot: Plot, bounds: Limits, found: programs.Solved, method: str) -> Solution:
    primal = float(plot.utility(found.compute).sum())
    residual = kkt_residual(plot, bounds, found.compute, found.firm_price)
    certificate = Certificate(primal, found.dual, residual, found.error_bound, _nonconcavity(plot, bounds))
    return Solution(found.compute, method, found.price, found.firm_price, certificate)


def kkt_residual(plot: Plot, bounds: Limits, compute: Array, firm_price: Array) -> float:
    """Largest relative violation of the first-order conditions and of the rules on amounts."""
    if np.isnan(firm_price).any():
        return float("nan")
    with np.errstate(divide="ignore"):
        excess = plot.log_marginal(compute) - np.log(np.maximum(firm_price, 0.0))
    margin = _AT_BOUND * (plot.high - plot.low)
    is_low, is_high = compute <= plot.low + margin * (plot.low > 0.0), compute >= plot.high - margin
    wrong = np.where(is_low, np.maximum(excess, 0.0), np.where(is_high, np.maximum(-excess, 0.0), np.abs(excess)))
    wrong[is_low & is_high] = 0.0
    beyond = [compute.sum() / bounds.total - 1.0, *(bounds.needs @ compute / bounds.stocks - 1.0)]
    for group in bounds.groups:
        held = compute[group.members].sum()
        beyond += [(group.least - held) / bounds.total, (held - group.most) / bounds.total]
    return float(max(np.max(wrong), *beyond, 0.0))


def _nonconcavity(plot: Plot, bounds: Limits) -> float:
    """Shapley-Folkman bound on the gap: shared totals times the largest distance below an envelope."""
    n_totals = 1 + len(bounds.groups) + len(bounds.stocks)
    low, high = plot.effective(plot.low), plot.effective(plot.high)
    depth = 0.0
    for number, curve in enumerate(plot.curves):
        firms = plot.sector == number
        if firms.any():
            weight = float(plot.weight[firms].max())
            depth = max(depth, weight * curve.nonconcavity(float(low[firms].min()), float(high[firms].max())))
    return n_totals * depth
