"""Scenario files: their schema, reading with ``extends`` and overrides, and writing.

A scenario says how a run differs from a world. What it does not know it refuses, with the file and
line that wrote it, what is allowed and the nearest valid name; several problems are told at once.

>>> scenario = load_scenario({"run": {"replicates": 5}, "horizon": {"end": "2025Q4"}})
>>> scenario.run.replicates, scenario.run.seed, scenario.record.networks
(5, 1, ('2024Q4', '2025Q4'))
"""

from __future__ import annotations

from sim.scenario.checks import NAME_PATTERN, is_safe_name
from sim.scenario.checks import ActorChecker as _ActorChecker  # noqa: F401 - for the tests
from sim.scenario.load import ScenarioWarning, load_scenario, shipped_scenarios
from sim.scenario.messages import nearest
from sim.scenario.schema import Horizon, Mechanisms, PowerSpec, RecordSpec, RunSpec, Scenario, WorldSpec
from sim.scenario.write import json_schema

__all__ = [
    "NAME_PATTERN",
    "Horizon",
    "Mechanisms",
    "PowerSpec",
    "RecordSpec",
    "RunSpec",
    "Scenario",
    "ScenarioWarning",
    "WorldSpec",
    "is_safe_name",
    "json_schema",
    "load_scenario",
    "nearest",
    "shipped_scenarios",
]
