"""Why this number: the terms of one firm's quarter, recomputed from the model's equations.

The replicate is simulated again up to the quarter asked for, which gives the same bits, and every number is then
computed once more from its printed terms. Section numbers are those of docs/model.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sim import policies, units
from sim.arguments import replicate_of
from sim.engine import replay
from sim.ensemble import timeline, world_of
from sim.errors import FailureError, ResultError
from sim.groups import Groups
from sim.manifests import changed_plugins
from sim.quarters import Quarter
from sim.scenario import Scenario
from sim.state import FIRM_CLASSES, Flows, State
from sim.submodels import demand, pricing, training
from sim.world.build import World

if TYPE_CHECKING:
    from sim.result import Result

_AGREEMENT = 1e-9
_SMALL_WEIGHT = 0.005
_WHOLE_FROM = 1e4


class Line(NamedTuple):
    """One number: its name, the equation with numbers in place of symbols, its value and unit."""

    name: str
    equation: str
    value: float
    unit: str


class Section(NamedTuple):
    """Lines of one subject, with the section of the model description."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Explanation:
    """The terms of one firm's quarter."""

    firm: str
    firm_class: str
    quarter: str
    replicate: int
    sections: tuple[Section, ...]

    def __getitem__(self, name: str) -> float:
        """Value of the first line of that name."""
        return next(line.value for section in self.sections for line in section.lines if line.name == name)

    def __str__(self) -> str:
        """Readable text."""
        width = max(len(line.name) for section in self.sections for line in section.lines)
        text = [f"{self.firm} ({self.firm_class}) in {self.quarter}, replicate {self.replicate}"]
        for section in self.sections:
            text += ["", section.title]
            text += [
                f"  {line.name:<{width}}  {_number(line.value)} {line.unit}".rstrip()
                + (f"\n  {'':<{width}}    = {line.equation}" if line.equation else "")
                for line in section.lines
            ]
        return "\n".join(text)


def explain_result(result: Result, firm: str, quarter: str, replicate: int = 0) -> Explanation:
    """Explain a firm's quarter in a history that a result holds; arguments and errors as for ``explain``.

    Raises
    ------
    ResultError
        When the result has no such replicate, or a plug-in is not the one that computed it.
    """
    if replicate not in result.replicates:
        message = f"the result has no replicate {replicate}; allowed: {result.replicates[0]} to {result.replicates[-1]}"
        raise ResultError(message)
    if changed := changed_plugins(result.manifest, result.scenario.plugins()):
        message = f"{changed[0]}: give the file that computed the result, or run its scenario again"
        raise ResultError(message)
    return explain(result.scenario, firm, quarter, replicate)


def explain(scenario: Scenario, firm: str, quarter: str, replicate: int = 0) -> Explanation:
    """Explain a firm's plan, compute, prices, shares and cash in one quarter of one replicate.

    Parameters
    ----------
    scenario : Scenario
        What was run.
    firm : str
        Name as in the tables.
    quarter : str
        For example 2030Q2; inside the horizon.
    replicate : int
        Number of the replicate.

    Returns
    -------
    Explanation

    Raises
    ------
    ScenarioError
        When the replicate is no number of one.
    ResultError
        When there is no such firm or quarter, or the firm is not in the market then.
    FailureError
        When a number recomputed from its terms differs from the simulated one, which would be a defect.
    """
    replicate = replicate_of(replicate)
    world, when = world_of(scenario, replicate), timeline(scenario)
    asked = Quarter.parse(quarter)
    if asked not in when.quarters:
        message = f"{quarter} is outside the horizon {when.start} to {when.end}"
        raise ResultError(message)
    if firm not in world.firm_names:
        near = [name for name in world.firm_names if firm.lower() in name.lower()][:5]
        message = f"there is no firm {firm!r}" + (f"; did you mean {', '.join(near)}?" if near else "")
        raise ResultError(message)
    then, before, flows = replay(
        world, when.quarters, asked, scenario.run.seed, replicate, policies.build(scenario.policies)
    )
    slot = world.firm_names.index(firm)
    if slot >= len(then.firm_names) or not before.is_active[0, slot]:
        message = f"{firm} is not in the market in {quarter} of replicate {replicate}"
        raise ResultError(message)
    look = _Look(then, before, flows, slot)
    return Explanation(
        firm=firm,
        firm_class=FIRM_CLASSES[before.firm_class[0, slot]],
        quarter=quarter,
        replicate=replicate,
        sections=(
            _power(look),
            _funding(look),
            _plan(look),
            _compute(look),
            *(_sector(look, s) for s in range(len(world.sector_names))),
            _cash(look),
        ),
    )


@dataclass(frozen=True)
class _Look:
    """One firm in one quarter."""

    world: World
    before: State
    flows: Flows
    slot: int

    def of(self, holder: object, name: str) -> float:
        """The firm's entry of an array ``[replicate, firm]``."""
        return float(getattr(holder, name)[0, self.slot])

    def agree(self, name: str, mine: float, theirs: float) -> float:
        """My recomputed value, which must be the simulated one."""
        if abs(mine - theirs) > _AGREEMENT * max(abs(mine), abs(theirs), 1e-12):
            message = f"{name} recomputed from its terms is {mine!r}, simulated {theirs!r}: this is a defect, report it"
            raise FailureError(message)
        return mine


def _power(k: _Look) -> Section:
    p, funding = k.world.parameters, k.flows.funding
    own, frontier = k.of(k.before, "own_compute"), k.of(funding, "open_frontier")
    pooled = float(k.before.is_pool_member[0, k.slot] * k.before.pool_compute[0])
    effective = k.agree("E_eff", own + p.open_discount * frontier + pooled, k.of(funding, "effective_compute"))
    power = k.agree("P", float(k.world.power_function.power(np.array([effective]))[0]), k.of(funding, "power"))
    return Section(
        "AI power (7.1)",
        (
            Line("own effective compute E_own", "", own, "M H100e-quarters"),
            Line("best open model of others E_open", "", frontier, "M H100e-quarters"),
            Line(
                "effective compute E_eff",
                f"E_own + omega_o E_open + E_fed = {_number(own)} + {_number(p.open_discount)} x {_number(frontier)} + "
                f"{_number(pooled)}",
                effective,
                "M H100e-quarters",
            ),
            Line("AI power P", f"f(E_eff), with f(E_0) = 1 at E_0 = {_number(k.world.power_reference)}", power, ""),
        ),
    )


def _funding(k: _Look) -> Section:
    funding = k.flows.funding
    raised, grant = k.of(funding, "raised"), k.of(funding, "grant")
    parent = float(funding.parent_grant[0, :, k.slot].sum())
    return Section(
        "New money (7.5)",
        (
            Line("share of investors' fund f", "", k.of(funding, "funding_share"), ""),
            Line("raised from investors and partners", "f x the fund left", raised, "$bn"),
            Line("granted by a parent", "", parent, "$bn"),
            Line("new money N", "raised + parent + government", raised + parent + grant, "$bn"),
        ),
    )


def _plan(k: _Look) -> Section:
    p, funding, i = k.world.parameters, k.flows.funding, k.slot
    gamma = np.array([k.of(funding, "power_elasticity")])
    flywheel = training.quality_elasticity(gamma, k.world.theta, p.serving_size_elasticity, p.substitution)[:, 0]
    joint = Groups.of(k.before.group).total(k.before.target_share)
    stealing = pricing.business_stealing(joint[0], k.before.nest[0], p.nest_growth)[:, i]
    marginal = float((flywheel * stealing * k.before.profit[0, :, i]).sum())
    horizon = k.of(funding, "horizon")
    ratio = k.of(k.before, "own_compute") / k.of(funding, "effective_compute")
    own = k.agree("x", horizon * ratio * marginal, k.of(funding, "own_plan"))
    new_money = k.of(funding, "new_money")
    cash, debt, limit = k.of(k.before, "cash"), k.of(k.before, "debt"), k.of(funding, "debt_limit")
    wanted = own + p.earmark * new_money
    means = p.outlay_limit * max(cash + new_money + max(limit - debt, 0.0), 0.0)
    plan = k.agree("plan", min(wanted, means), k.of(funding, "plan"))
    return Section(
        "Training plan (7.4)",
        (
            Line("profit of one more log unit of E", "sum over sectors of Lambda B Pi", marginal, "$bn"),
            Line("horizon factor H", "", horizon, ""),
            Line(
                "outlay that own margins justify x",
                f"H x E_own/E_eff x profit = {_number(horizon)} x {_number(ratio)} x {_number(marginal)}",
                own,
                "$bn",
            ),
            Line(
                "wanted outlay",
                f"x + earmark N = {_number(own)} + {_number(p.earmark)} x {_number(new_money)}",
                wanted,
                "$bn",
            ),
            Line(
                "affordable outlay",
                f"{_number(p.outlay_limit)} x (cash + N + credit) = {_number(p.outlay_limit)} x "
                f"({_number(cash)} + {_number(new_money)} + {_number(max(limit - debt, 0.0))})",
                means,
                "$bn",
            ),
            Line("planned outlay", "the smaller of the two", plan, "$bn"),
        ),
    )


def _compute(k: _Look) -> Section:
    markets, rules, i = k.flows.markets, k.flows.rules, k.slot
    weights, rents = markets.owner_weight[0, :, i], markets.rent[0]
    rent = k.agree("w", float((weights * rents).sum()), k.of(markets, "user_rent"))
    tax, cap = float(rules.compute_tax[0, i]), float(rules.training_cap[0, i])
    given = min(k.of(markets.allotments, "compute"), cap)
    user_cost = rent * (1.0 + tax)
    left = max(k.of(k.flows.funding, "means") - k.of(markets.allotments, "charge"), 0.0)
    bought = min(max(k.of(k.flows.funding, "desired") - user_cost * given, 0.0), left)
    train = k.agree("C", min(given + bought / user_cost, cap), k.of(markets, "training"))
    need = k.of(markets, "serving_need")
    sold = float(markets.quantity[0, :, i].sum())
    serve = k.agree("serve", need * sold, k.of(markets, "serving"))
    largest = np.argsort(-weights)
    owners = ", ".join(
        f"{k.world.owner_names[j]} {weights[j]:.0%} at {_number(units.dollars_per_hour(float(rents[j])))}"
        for j in largest
        if weights[j] > _SMALL_WEIGHT
    )
    return Section(
        "Compute (7.6)",
        (
            Line("mean rent", f"{owners} $ per H100e-hour", units.dollars_per_hour(rent), "$ per H100e-hour"),
            Line("mean rent w", "the same for a quarter", rent, "$bn per M H100e-quarter"),
            Line("compute given outside the market a", "", given, "M H100e"),
            Line("training compute C", "a + what is still bought / (w (1 + tax)), at most the cap", train, "M H100e"),
            Line("serving need kappa", "", need, "M H100e-quarters per unit"),
            Line("serving compute", f"kappa x units sold = {_number(need)} x {_number(sold)}", serve, "M H100e"),
        ),
    )


def _sector(k: _Look, s: int) -> Section:
    p, markets, drivers, i = k.world.parameters, k.flows.markets, k.flows.drivers, k.slot
    share, nest = float(markets.target_share[0, s, i]), float(markets.nest[0, s])
    groups, taken = Groups.of(k.before.group), p.operating_cost_share + k.flows.rules.revenue_levy
    joint = float(groups.total(markets.target_share)[0, s, i])
    uneven = ", and what its firms keep of revenue" if groups.differ(taken)[0, i] else ""
    perceived = pricing.perceived_elasticity(
        markets.target_share, markets.nest, taken, groups, p.substitution, p.nest_growth
    )
    eps = k.agree("eps", float(perceived[0, s, i]), float(markets.elasticity[0, s, i]))
    cost = k.of(markets, "unit_cost")
    kept = 1.0 - float(taken[0, i])
    price = k.agree("p", cost / kept * eps / (eps - 1.0), float(markets.price[0, s, i]))
    attraction, everyone = float(markets.attraction[0, s, i]), float(markets.attraction[0, s].sum())
    target = k.agree("target share", attraction / everyone, share)
    switching = min(p.switching_rate * float(k.flows.rules.switching[0]), 1.0)
    staying = (1.0 - switching) * np.where(k.before.is_active[0], k.before.share[0, s], 0.0)
    realised = float(demand.realised_share(staying[None], markets.target_share[:, s])[0, i])
    realised = k.agree("share", realised, float(markets.share[0, s, i]))
    spending = float(drivers.budget[s]) * nest
    revenue = k.agree("revenue", spending * realised, float(markets.revenue[0, s, i]))
    return Section(
        f"Sector {k.world.sector_names[s]} (7.2, 7.3)",
        (
            Line(
                "perceived elasticity eps",
                f"target share of its owner {_number(joint)}, nest {_number(nest)}{uneven}",
                eps,
                "",
            ),
            Line(
                "price p",
                f"cost / kept x eps/(eps-1) = {_number(cost)} / {_number(kept)} x {_number(eps / (eps - 1.0))}",
                price,
                "$bn per unit",
            ),
            Line("target share", f"V / Z = {_number(attraction)} / {_number(everyone)}", target, ""),
            Line(
                "share of AI spending",
                f"stayed {_number(float(staying[i]))} + {_number(1.0 - float(staying.sum()))} of choosers x target",
                realised,
                "",
            ),
            Line(
                "revenue",
                f"budget x nest x share = {_number(float(drivers.budget[s]))} x {_number(nest)} x {_number(realised)}",
                revenue,
                "$bn",
            ),
        ),
    )


def _cash(k: _Look) -> Section:
    accounts, markets, i = k.flows.accounts, k.flows.markets, k.slot
    new_money = k.of(k.flows.funding, "new_money")
    revenue = float(markets.revenue[0, :, i].sum())
    signed = {
        "cash before": k.of(k.before, "cash"),
        "new money": new_money,
        "revenue": revenue,
        "rents": -k.of(accounts, "rents"),
        "training staff": -k.of(accounts, "staff"),
        "operating cost": -k.of(accounts, "operating_cost"),
        "compute tax": -k.of(accounts, "compute_tax"),
        "other taxes": -k.of(accounts, "other_taxes"),
        "running own chips": -k.of(accounts, "own_chips_cost"),
        "compliance": -k.of(accounts, "compliance"),
        "allotted compute": -k.of(accounts, "allotment_charge"),
        "interest": -k.of(accounts, "interest"),
        "borrowed less repaid": k.of(accounts, "net_borrowing"),
        "dividends": -k.of(accounts, "dividends"),
    }
    cash = k.agree("cash", sum(signed.values()), k.of(accounts, "cash"))
    return Section(
        "Cash (7.13)",
        (*(Line(name, "", value, "$bn") for name, value in signed.items()), Line("cash after", "", cash, "$bn")),
    )


def _number(value: float) -> str:
    value += 0.0  # no minus sign before nothing
    return f"{value:,.0f}" if abs(value) >= _WHOLE_FROM else f"{value:.4g}"
