"""Agent-based simulation of access to compute, AI power and its concentration.

>>> import sim
>>> result = sim.run(sim.load_scenario("scenarios/baseline.yaml"))  # doctest: +SKIP
>>> result.plot()  # doctest: +SKIP

The names below are all that the package promises to keep; each is imported on first use, so that
``import sim`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim import errors, indices
    from sim.comparison import Comparison, Sweep, compare, load_comparison, load_sweep, sweep
    from sim.experiment import Calibration, Scorecard, calibrate, scorecard
    from sim.planner import Allocation, plan
    from sim.recomputation import recompute
    from sim.result import Result, load_result, verify_result
    from sim.runner import run
    from sim.scenario import Scenario, load_scenario, shipped_scenarios

__version__ = "0.1.0"

# public name -> the module that holds it; None where the name is the module
_HOMES = {
    "Allocation": "sim.planner",
    "Calibration": "sim.experiment",
    "Comparison": "sim.comparison",
    "Result": "sim.result",
    "Scenario": "sim.scenario",
    "Scorecard": "sim.experiment",
    "Sweep": "sim.comparison",
    "calibrate": "sim.experiment",
    "compare": "sim.comparison",
    "errors": None,
    "indices": None,
    "load_comparison": "sim.comparison",
    "load_result": "sim.result",
    "load_scenario": "sim.scenario",
    "load_sweep": "sim.comparison",
    "plan": "sim.planner",
    "recompute": "sim.recomputation",
    "run": "sim.runner",
    "scorecard": "sim.experiment",
    "shipped_scenarios": "sim.scenario",
    "sweep": "sim.comparison",
    "verify_result": "sim.result",
}

__all__ = [
    "Allocation",
    "Calibration",
    "Comparison",
    "Result",
    "Scenario",
    "Scorecard",
    "Sweep",
    "__version__",
    "calibrate",
    "compare",
    "errors",
    "indices",
    "load_comparison",
    "load_result",
    "load_scenario",
    "load_sweep",
    "plan",
    "recompute",
    "run",
    "scorecard",
    "shipped_scenarios",
    "sweep",
    "verify_result",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module 'sim' has no attribute {name!r}; it offers {', '.join(__all__)}"
        raise AttributeError(message)
    home = _HOMES[name]
    value: object = getattr(import_module(home), name) if home else import_module(f"sim.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
