"""Small worlds and single quarters for tests."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np

from sim.engine import simulate_block
from sim.luck import Luck
from sim.observe import Recording
from sim.quarters import Quarter, quarter_range
from sim.recorder import Timeline
from sim.state import Flows, State
from sim.step import Moment, step
from sim.world.build import Mechanisms, World, WorldSpec, build

START = Quarter.parse("2024Q1")
FEW = {"entry_slots": 24, "small_firms_initial": 6, "entry_candidates": 1.0}


@functools.cache
def small_world(**changes: float) -> World:
    """The shipped world with few small firms and slots; ``changes`` are parameters."""
    return build(WorldSpec(parameters={**FEW, **changes}))


def world_with(mechanisms: Mechanisms | None = None, **spec: object) -> World:
    """The small world with other mechanisms or anything else of a ``WorldSpec``."""
    parameters = {**FEW, **spec.pop("parameters", {})}  # type: ignore[dict-item]
    return build(WorldSpec(parameters=parameters, mechanisms=mechanisms or Mechanisms(), **spec))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Run:
    """Every state and all flows of a few quarters."""

    world: World
    states: list[State]
    flows: list[Flows]
    residuals: list[np.ndarray]


def run_quarters(world: World, n_quarters: int = 4, replicates=(0, 1), seed: int = 1, policies=(), **state) -> Run:
    """Step through quarters and keep everything; ``state`` replaces arrays of the first state."""
    luck = Luck(seed, list(replicates))
    states, flows, residuals = [replace(world.initial_state(len(luck.replicates)), **state)], [], []
    for period in range(n_quarters):
        with np.errstate(divide="raise", over="raise", invalid="raise", under="ignore"):
            after, now, residual = step(states[-1], world, policies, (), luck, Moment(period, START + period))
        states.append(after)
        flows.append(now)
        residuals.append(residual)
    return Run(world, states, flows, residuals)


def timeline(n_quarters: int = 8) -> Timeline:
    """Quarters from the start, with all tables in every quarter."""
    every = frozenset(quarter_range(START, START + (n_quarters - 1)))
    return Timeline(START, START + (n_quarters - 1), every, every, every)


def record(world: World, n_quarters: int = 8, replicates=(0, 1, 2), seed: int = 1, policies=()) -> Recording:
    """A recording of a block."""
    return simulate_block(world, timeline(n_quarters), seed, list(replicates), policies)


def same_bits(left: Recording, right: Recording) -> bool:
    """Whether two recordings agree in every bit of every number."""
    for table in ("measures", "flows", "firms", "owners", "makers"):
        a, b = getattr(left, table), getattr(right, table)
        if a.keys() != b.keys() or any(not np.array_equal(a[k], b[k], equal_nan=a[k].dtype.kind == "f") for k in a):
            return False
    return True
