"""``sim.plan``: the front door of the planner, and its gap to the market over a run."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.arguments import replicate_of
from sim.ensemble import world_of
from sim.parameter_sets import first_of_set
from sim.planner.allocation import Allocation
from sim.planner.problem import Problem
from sim.planner.rules import Rules
from sim.planner.sources import BASES, check_basis, conversion, firms_of, of_result, of_scenario, recorded_quarters
from sim.result import Result, load_result
from sim.scenario import Scenario, load_scenario
from sim.submodels.waterfill import most_power

if TYPE_CHECKING:
    import pandas as pd


def plan(
    what: Scenario | Result | Problem | str | Path | Mapping[str, Any],
    *,
    quarter: str | None = None,
    replicate: int | None = None,
    rules: Rules | Mapping[str, Any] | str | Path | None = None,
    method: str = "auto",
    basis: str = "steady",
) -> Allocation:
    """Divide training compute so that total AI power is largest.

    Parameters
    ----------
    what : Scenario, Result, Problem, str, Path or mapping
        A scenario (or what :func:`sim.load_scenario` accepts), a result (or its folder), or a problem of one's own.
    quarter : str, optional
        For example 2030Q4. By default the first of a scenario, which is simulated up to there, and the last recorded
        one of a result.
    replicate : int, optional
        Which history; the first by default.
    rules : Rules, mapping, str or Path, optional
        What the planner keeps to, as ``Rules``, as a mapping or as a YAML file; nothing by default.
    method : str
        One of ``sim.planner.METHODS``; by default the one that suits the power function and the rules.
    basis : {"steady", "next"}
        What compute is turned into: the steady state of holding it for good, or the next quarter's power.

    Returns
    -------
    Allocation

    Raises
    ------
    PlanError
        When rules contradict each other, a method does not fit, or the quarter was not recorded.
    ScenarioError, ResultError
        When the scenario or result cannot be read, or ``replicate`` is no number of one.
    """
    replicate = None if replicate is None else replicate_of(replicate)
    chosen = rules if isinstance(rules, Rules) else Rules.read(rules or {})
    if isinstance(what, Problem):
        return Allocation.of(what, chosen, method)
    if isinstance(what, str | Path) and Path(what, "manifest.json").is_file():
        what = load_result(Path(what))
    if isinstance(what, Result):
        problem = of_result(what, chosen, quarter, replicate, basis)
        when = quarter or recorded_quarters(what)[-1]
        name, history = what.scenario.name, int(what.replicates[0]) if replicate is None else replicate
    else:
        scenario = what if isinstance(what, Scenario) else load_scenario(what)
        problem = of_scenario(scenario, chosen, quarter, replicate or 0, basis)
        when, name, history = quarter or scenario.horizon.start, scenario.name, replicate or 0
    label = f"Scenario {name}, {when}, replicate {history}; {BASES[basis]}"
    return Allocation.of(problem, chosen, method, label)


def gaps(result: Result, basis: str = "steady") -> pd.DataFrame:
    """What the market forgoes of the planner's total power, in every recorded quarter of every replicate.

    Parameters
    ----------
    result : Result
        With a table of firms.
    basis : {"steady", "next"}
        As in :func:`plan`.

    Returns
    -------
    pandas.DataFrame
        By (replicate, quarter): market_power, planner_power, efficiency_lost (a share).

    Raises
    ------
    PlanError
        When no firms were recorded.
    """
    import pandas as pd

    check_basis(basis)
    recorded_quarters(result)
    scenario = result.scenario
    of_set = functools.cache(lambda first: world_of(scenario, first))
    keys, powers = [], []
    for key, rows in result.firms.groupby(level=("replicate", "quarter"), observed=True):
        firms = firms_of(pd.DataFrame(rows.droplevel(("replicate", "quarter"))))
        replicate = int(str(key[0]))
        world = of_set(0 if scenario.uncertainty == "none" else first_of_set(replicate))
        gain, inherited = conversion(firms, world.parameters, basis)
        available = float(firms.training.sum())
        if available > 0.0:
            market = float(world.power_function.power(inherited + gain * firms.training).sum())
            keys.append(key)
            powers.append((market, most_power(world.power_function, gain, inherited, available)))
    frame = pd.DataFrame(
        powers,
        columns=["market_power", "planner_power"],
        index=pd.MultiIndex.from_tuples(keys, names=["replicate", "quarter"]),
    )
    frame["efficiency_lost"] = 1.0 - frame["market_power"] / frame["planner_power"]
    return frame
