"""A planner's problem from a scenario, or from a quarter of a run.

What a firm's training compute is worth is stated by the basis:

``steady``  the compute of the quarter held for good at today's efficiency: E_i = A_i C_i / delta_E, the steady state of
            own effective compute (docs/model.md 7.1). History, and models that others publish, play no part.
``next``    the power of the next quarter: E_i = (1 - delta_E) E_own,i + omega_o x open frontier + A_i C_i. What firms
            hold already stays with them, and the planner can only add to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np

from sim import policies
from sim.arrays import Array, total
from sim.engine import replay
from sim.ensemble import timeline, world_of
from sim.errors import PlanError
from sim.parameters import Parameters
from sim.planner.problem import Problem
from sim.planner.rules import Rules
from sim.quarters import Quarter
from sim.result import Result
from sim.state import FIRM_CLASSES
from sim.submodels.power import PowerFunction, power_function
from sim.world.build import World

if TYPE_CHECKING:
    import pandas as pd

    from sim.scenario import Scenario

Basis = Literal["steady", "next"]
BASES: dict[str, str] = {
    "steady": "compute held for good, E = A C / delta_E",
    "next": "power of the next quarter, E = (1 - delta_E) E_own + open models + A C",
}
"""What the planner's compute is turned into, with one sentence."""


class Firms(NamedTuple):
    """What is known of the firms of one quarter; ``[firm]``."""

    names: tuple[str, ...]
    classes: tuple[str, ...]
    efficiency: Array
    """A, times a policy's multiplier where it is known."""
    training: Array
    """M H100e."""
    own: Array
    """E_own, M H100e-quarters."""
    effective: Array
    """E_eff, M H100e-quarters."""
    revenue: Array
    """$bn per quarter."""


def check_basis(basis: str) -> None:
    """Refuse an unknown basis."""
    if basis not in get_args(Basis):
        message = f"there is no basis {basis!r}; allowed: {', '.join(BASES)}"
        raise PlanError(message)


def of_scenario(
    scenario: Scenario, rules: Rules, quarter: str | None = None, replicate: int = 0, basis: str = "steady"
) -> Problem:
    """Firms of a quarter of a scenario, by default its first, which is simulated.

    Raises
    ------
    PlanError
        When the quarter is outside the horizon.
    """
    check_basis(basis)
    world, when = world_of(scenario, replicate), timeline(scenario)
    asked = Quarter.parse(quarter) if quarter else when.start
    if asked not in when.quarters:
        message = f"{quarter} is outside the horizon; allowed: {when.start} to {when.end}"
        raise PlanError(message)
    then, before, flows = replay(
        world, when.quarters, asked, scenario.run.seed, replicate, policies.build(scenario.policies)
    )
    chosen = before.is_active[0]
    multiplier = np.broadcast_to(flows.rules.training_efficiency, before.efficiency.shape)
    firms = Firms(
        names=tuple(name for name, is_active in zip(then.firm_names, chosen, strict=True) if is_active),
        classes=tuple(FIRM_CLASSES[code] for code in before.firm_class[0, chosen]),
        efficiency=(before.efficiency * multiplier)[0, chosen],
        training=flows.markets.training[0, chosen],
        own=before.own_compute[0, chosen],
        effective=flows.funding.effective_compute[0, chosen],
        revenue=total(flows.markets.revenue, axis=-2)[0, chosen],
    )
    return of_firms(firms, world, scenario, rules, basis)


def of_result(
    result: Result, rules: Rules, quarter: str | None = None, replicate: int | None = None, basis: str = "steady"
) -> Problem:
    """Firms of a recorded quarter of a run, by default the last.

    Raises
    ------
    PlanError
        When the quarter or the replicate was not recorded.
    """
    import pandas as pd

    check_basis(basis)
    known = recorded_quarters(result)
    asked = quarter or known[-1]
    if asked not in known:
        message = (
            f"no firms were recorded for {asked}; recorded: {', '.join(known)}. Choose one of these, or run the "
            "scenario with record: {firms: quarterly}"
        )
        raise PlanError(message)
    replicates = result.replicates.tolist()
    chosen = replicates[0] if replicate is None else replicate
    if chosen not in replicates:
        message = f"there is no replicate {chosen}; allowed: {replicates[0]} to {replicates[-1]}"
        raise PlanError(message)
    rows = result.firms.xs((chosen, asked), level=("replicate", "quarter"))
    return of_firms(firms_of(pd.DataFrame(rows)), world_of(result.scenario, chosen), result.scenario, rules, basis)


def recorded_quarters(result: Result) -> tuple[str, ...]:
    """Quarters of which a result holds the table of firms.

    Raises
    ------
    PlanError
        When it holds none.
    """
    quarters = result.firm_quarters()
    if not quarters:
        message = "this run recorded no firms, whom the planner needs; run the scenario with record: {firms: yearly}"
        raise PlanError(message)
    return quarters


def firms_of(rows: pd.DataFrame) -> Firms:
    """Firms of a result's table; rows of one replicate and quarter, by name."""

    def column(name: str) -> Array:
        return np.ascontiguousarray(rows[name].to_numpy(), dtype=np.float64)

    return Firms(
        names=tuple(map(str, rows.index)),
        classes=tuple(map(str, rows["firm_class"])),
        efficiency=column("efficiency"),
        training=column("compute_training"),
        own=column("own_effective_compute"),
        effective=column("effective_compute"),
        revenue=column("revenue"),
    )


def of_firms(firms: Firms, world: World, scenario: Scenario, rules: Rules, basis: str) -> Problem:
    """The planner's problem for these firms; all of their training compute is the total."""
    available = float(firms.training.sum())
    if available <= 0.0:
        message = "no firm trains in this quarter, so there is no compute to divide; choose another quarter"
        raise PlanError(message)
    gain, inherited = conversion(firms, world.parameters, basis)
    functions, sector, names = _sectors(firms, world, scenario, rules)
    return Problem.of(
        functions,
        gain,
        available,
        names=firms.names,
        sector=sector,
        sector_names=names,
        inherited=inherited,
        classes=firms.classes,
        market=firms.training,
        size=firms.revenue,
        held=firms.own,
    )


def conversion(firms: Firms, parameters: Parameters, basis: str) -> tuple[Array, Array]:
    """What 1 M H100e adds to effective compute, and what a firm has without any; ``[firm]`` each."""
    if basis == "steady":
        return firms.efficiency / parameters.capability_decay, np.zeros_like(firms.own)
    return firms.efficiency, firms.effective - parameters.capability_decay * firms.own


def _sectors(
    firms: Firms, world: World, scenario: Scenario, rules: Rules
) -> tuple[list[PowerFunction], Array, tuple[str, ...]]:
    """Power functions, which of them is each firm's, and their names."""
    functions, names = [world.power_function], ["all" if not rules.sectors else "others"]
    sector = np.zeros(len(firms.names))
    parameters: Mapping[str, float] = scenario.world.parameters
    for number, each in enumerate(rules.sectors, start=1):
        is_member = np.isin(firms.names, each.firms) | np.isin(firms.classes, each.firms)
        unknown = [name for name in each.firms if name not in firms.names and name not in firms.classes]
        if unknown:
            message = f"sectors: {each.name}: there is no firm or class {unknown[0]!r} in this quarter"
            raise PlanError(message)
        if sector[is_member].any():
            twice = firms.names[int(np.flatnonzero(is_member & (sector > 0.0))[0])]
            message = f"sectors: {twice} is in {each.name} and in another sector; allowed: one"
            raise PlanError(message)
        sector[is_member] = number
        values = {**parameters, **each.parameters}
        functions.append(power_function(each.family, world.power_reference, values, each.table))
        names.append(each.name)
    return functions, sector, tuple(names)
