"""What a comparison did not keep, simulated again: firms at the end, for Lorenz curves; and luck alone.

A replay takes the first replicates of the comparison, so its histories are those that the comparison saw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sim.errors import AipowerError
from sim.runner import run

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sim.comparison import Comparison
    from sim.result import Result
    from sim.scenario import Scenario

REPLAYED = 25
"""Replicates that are simulated again for Lorenz curves: enough for the mean curve and its band."""

NULL_REPLICATES = 100
NULL_WORLD = "gibrat_null"
INDEX = "hhi_revenue"


class Yearly(NamedTuple):
    """A measure year by year.

    Attributes
    ----------
    years : tuple of int
    values : array [replicate, year]
    """

    years: tuple[int, ...]
    values: npt.NDArray[np.float64]

    def of(self, year: int) -> npt.NDArray[np.float64]:
        """One year's values, ``[replicate]``."""
        return self.values[:, self.years.index(year)]


def luck_only(scenario: Scenario) -> Yearly:
    """HHI of revenue of twenty equal firms that luck alone moves (docs/model.md section 9), over the same quarters."""
    from sim.scenario import load_scenario

    null = load_scenario(
        {
            "extends": NULL_WORLD,
            "name": "luck-only",
            "horizon": {"start": scenario.horizon.start, "end": scenario.horizon.end},
            "run": {"replicates": NULL_REPLICATES, "seed": scenario.run.seed},
            "record": {"firms": "none", "owners": "none"},
        }
    )
    return of_result(run(null))


def of_result(result: Result) -> Yearly:
    """HHI of revenue of a result."""
    values = result.yearly()[INDEX].to_numpy().reshape(len(result.replicates), len(result.years))
    return Yearly(result.years, values)


def of_baseline(comparison: Comparison) -> Yearly | None:
    """HHI of revenue in the baseline of a comparison; None where it did not run."""
    from sim.comparison.design import key_of

    outcome = comparison.outcomes.get(key_of(comparison.baseline))
    if outcome is None or INDEX not in outcome.names or not len(outcome.replicates):
        return None
    years = tuple(int(quarter[:4]) for quarter in outcome.quarters)
    return Yearly(years, outcome.table[:, :, outcome.names.index(INDEX)])


def with_firms(scenario: Scenario) -> Result | str:
    """The first replicates of a scenario again, with its firms; or why that failed."""
    record = scenario.record.model_copy(update={"firms": "yearly"})
    few = scenario.model_copy(update={"record": record})
    try:
        return run(few.replace(replicates=min(scenario.run.replicates, REPLAYED)))
    except AipowerError as error:
        return str(error)
