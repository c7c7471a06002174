"""What a model is given, checked: seed, and scenarios of Mesa's own kind."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from sim.errors import ScenarioError


def seed_of(rng: object) -> int:
    """The seed that ``rng`` is.

    Raises
    ------
    ScenarioError
        When it is something else, such as a generator.
    """
    try:
        return operator.index(rng)  # type: ignore[arg-type]
    except TypeError:
        message = (
            f"rng must be a whole number, the seed, not a {type(rng).__name__}: luck is keyed by seed, replicate, "
            "decision, quarter and firm, so that a policy shifts nobody's luck, which a generator's running state "
            "cannot keep; give the seed, or vary `replicate`"
        )
        raise ScenarioError(message) from None


def is_mesa_scenario(scenario: object) -> bool:
    """Whether it is an instance of Mesa's own Scenario, which Mesa 3.3 does not have."""
    try:
        from mesa.experimental.scenarios import Scenario as MesaScenario
    except ImportError:
        return False
    return isinstance(scenario, MesaScenario)


def unpacked(
    scenario: Any,  # noqa: ANN401  Mesa's own Scenario
    replicate: int,
    quarters: int | None,
    overrides: Sequence[str],
) -> tuple[Any, int, int | None, Sequence[str]]:
    """What a scenario of Mesa says about ours."""
    said = scenario.to_dict()
    if "source" not in said:
        message = (
            "a Mesa scenario must name an aipower scenario as `source`, for example "
            "Scenario(source='baseline', rng=1); see docs/mesa.md"
        )
        raise ScenarioError(message)
    return (
        said["source"],
        said.get("replicate", replicate),
        said.get("quarters", quarters),
        said.get("overrides", overrides),
    )
