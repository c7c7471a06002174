"""The planner: who should have the compute so that total AI power is largest, and what fairness costs.

The question the project grew from is an optimisation: n firms hold compute C_i, AI power is P_i = f(C_i); maximise the
sum of P_i subject to sum C_i <= C_total. Its answer is the benchmark for every market outcome. docs/planner.md
explains the methods and works through an example.
"""

from __future__ import annotations

from sim.planner.allocation import DIVISIONS, Allocation, Division
from sim.planner.frontier import Frontier
from sim.planner.planning import gaps, plan
from sim.planner.problem import Problem
from sim.planner.rules import Resource, Rules, Sector, read_rules
from sim.planner.solve import METHODS, Certificate
from sim.planner.sources import BASES

__all__ = [
    "BASES",
    "DIVISIONS",
    "METHODS",
    "Allocation",
    "Certificate",
    "Division",
    "Frontier",
    "Problem",
    "Resource",
    "Rules",
    "Sector",
    "gaps",
    "plan",
    "read_rules",
]
