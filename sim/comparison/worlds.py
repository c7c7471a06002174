"""The world of each replicate of a scenario: one, or one for each parameter set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.comparison.design import world_key
from sim.ensemble import world_of
from sim.parameter_sets import parameter_sets, set_of_replicate

if TYPE_CHECKING:
    from sim.scenario import Scenario
    from sim.world.build import World


def n_sets_of(scenario: Scenario) -> int:
    """Parameter sets that the replicates of a scenario draw from; 0 where all have the same parameters."""
    return 0 if scenario.uncertainty == "none" else len(parameter_sets(scenario.world.base).sets)


class Worlds:
    """Worlds that were built before are built once."""

    def __init__(self) -> None:
        self._built: dict[tuple[str, int | None], World] = {}

    def of(self, scenario: Scenario, replicate: int) -> World:
        """The world of a replicate."""
        n_sets = n_sets_of(scenario)
        number = set_of_replicate(replicate, n_sets) if n_sets else None
        at = world_key(scenario), number
        if at not in self._built:
            self._built[at] = world_of(scenario, replicate)
        return self._built[at]
