"""The same comparison under another flywheel elasticity or power family, to see whether effects keep their sign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.comparison.comparison import FAMILY, FLYWHEEL, ROBUSTNESS_COLUMNS, Comparison
from sim.comparison.design import Design, design
from sim.comparison.statistics import Verdict
from sim.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from sim.comparison.outcomes import Outcome
    from sim.scenario import Scenario

FLYWHEELS = (0.5, 1.0, 1.5)
"""Flywheel elasticities at which ``aipower compare`` looks unless it is told not to."""

VARIANT_REPLICATES = 25
"""Pairs of each variant: one block, enough for the sign of an effect that pairing makes clear."""


class Variant(NamedTuple):
    """A comparison with one thing changed everywhere.

    Attributes
    ----------
    variant : str
        What is changed: ``flywheel`` or ``power family``.
    value : float or str
    plan : Design
    """

    variant: str
    value: float | str
    plan: Design


def variants_of(plan: Design, flywheels: Sequence[float], families: Sequence[str]) -> list[Variant]:
    """Comparisons under other values; a scenario that changes the thing itself is left out of its variants.

    Raises
    ------
    ScenarioError
        When a value is not allowed.
    InputError
        When a family needs a table.
    """
    from sim.scenario.checks import MEASURED
    from sim.scenario.load import warn

    if MEASURED in families and plan.baseline.power.table is None:
        message = (
            f"--families {MEASURED}: needs a table, which is in a scenario file; leave it out, or write "
            f"power: {{family: {MEASURED}, table: ...}} there"
        )
        raise InputError(message)

    found = []
    remarks: list[str] = []
    if plan.baseline.world.hold == FLYWHEEL:
        found += [
            _variant(plan, FLYWHEEL, float(value), {"world": {"parameters": {FLYWHEEL: float(value)}}}, remarks)
            for value in flywheels
        ]
    found += [_variant(plan, FAMILY, family, {"power": {"family": family}}, remarks) for family in families]
    warn(remarks, stacklevel=4)
    return [variant for variant in found if variant is not None]


def _variant(plan: Design, name: str, value: float | str, change: dict[str, Any], remarks: list[str]) -> Variant | None:
    """The plan with one change everywhere; None where no scenario can take it."""
    own = _value(plan.baseline, name)
    kept = [scenario for scenario in plan.scenarios.values() if _value(scenario, name) == own]
    if not kept:
        return None
    called = f"--families {value}" if name == FAMILY else f"{name} {value:g}"
    baseline, *scenarios = [_with(scenario, change, called, remarks) for scenario in (plan.baseline, *kept)]
    return Variant(name, value, design(baseline, scenarios))


def _value(scenario: Scenario, name: str) -> object:
    """What a scenario itself says of the thing that is changed."""
    if name == FLYWHEEL:
        return scenario.world.hold, None if scenario.is_drawn(FLYWHEEL) else scenario.world.parameters[FLYWHEEL]
    return scenario.power.family


def _with(scenario: Scenario, change: dict[str, Any], called: str, remarks: list[str]) -> Scenario:
    """The scenario with a change, checked again; new remarks about it are added to those there."""
    from sim.scenario.load import loaded

    data = scenario.resolved()
    data["world"]["fixed"] = [*scenario.world.fixed, *change.get("world", {}).get("parameters", ())]
    for part, values in change.items():
        for key, value in values.items():
            data[part][key] = data[part][key] | value if isinstance(value, dict) else value
    if "power" in change and data["power"]["family"] != "measured":
        data["power"].pop("table", None)
    changed, new = loaded(data, before=scenario, called=called)
    remarks += new
    return changed


def robustness_of(made: Comparison, variants: Sequence[Variant], outcomes: Mapping[str, Outcome]) -> pd.DataFrame:
    """Effects on the shown measures under every variant, with the direction that is clear, if any."""
    import pandas as pd

    known = {**outcomes, **made.outcomes}
    parts = []
    for variant in variants:
        kept = {key: known[key] for key in variant.plan.runs}
        if not any(len(outcome.replicates) for outcome in kept.values()):
            continue
        rows = Comparison(variant.plan, kept, measures=made.measures, horizons=made.horizons).effects
        rows = rows[rows["measure"].isin(made.measures)]
        directions = [direction(word, effect) for word, effect in zip(rows["verdict"], rows["effect"], strict=True)]
        value = str(variant.value)
        parts.append(rows.assign(variant=variant.variant, value=value, direction=directions)[list(ROBUSTNESS_COLUMNS)])
    return pd.concat(parts, ignore_index=True) if parts else made.robustness


def direction(verdict: str, effect: float) -> str:
    """Direction of an effect: up, down, none (negligible) or unclear (undecided).

    Examples
    --------
    >>> direction("clear", -3.0), direction("negligible", 0.0), direction("undecided", 3.0)
    ('down', 'none', 'unclear')
    """
    if verdict == Verdict.CLEAR:
        return "up" if effect > 0.0 else "down"
    return "none" if verdict == Verdict.NEGLIGIBLE else "unclear"
