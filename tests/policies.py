"""Policies for tests: those of the registry, as their examples have them, and levers asked by hand."""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sim import policies
from sim.luck import Luck
from sim.policies.base import BasePolicy
from sim.policies.levers import LEVERS, Observation, Rulebook, Sight, combine
from sim.quarters import Quarter
from sim.state import GIANT, LAB, SME
from sim.yaml_reader import parse_yaml
from tests.worlds import START, small_world


def example(name: str, **changes: object) -> BasePolicy:
    """The policy of a class's example, with other parameters."""
    cls = policies.find(name)
    (item,) = parse_yaml(cls.example, name).value
    return cls.model_validate({**item[name], **changes})


def in_force(name: str, **changes: object) -> BasePolicy:
    """The same from the second quarter on, without a trigger, so that a few quarters show it."""
    return example(name, **({"start": str(START + 1), "trigger": None, "ramp": 0} | changes))


FIRMS = {
    "is_active": [True, True, True, True, True, False],
    "firm_class": [LAB, GIANT, LAB, SME, SME, SME],
    "generation": [0, 0, 0, 0, 1, 0],
    "age": [9, 9, 9, 9, 0, 0],
    "is_open": [False, True, False, False, False, False],
    "own_chips": [0.0, 0.3, 0.0, 0.0, 0.0, 0.0],
    "group": [0, 1, 2, 3, 4, 5],
}
NAMES = ("Alpha", "Beta", "Gamma", "Delta", "Epsilon", "Zeta")
REVENUE = [5.0, 4.0, 3.0, 1.0, 9.0, 9.0]
"""Of a firm that has left its slot, and of nobody, in the last two."""


SEEN = ("revenue", "compute", "unaided", "training", "power")


def observation(period: int = 5, n_replicates: int = 2, hhi: tuple[float, ...] = (1000.0,) * 20) -> Observation:
    """Six slots, two owners; of quarter k the measure hhi_revenue was ``hhi[k]``, twice that in replicate 1."""

    def rows(values: list) -> np.ndarray:
        return np.array([values] * n_replicates)

    scale = 1.0 + np.arange(n_replicates)
    past = [Sight({"hhi_revenue": hhi[k] * scale}, {name: rows(REVENUE) for name in SEEN}) for k in range(period)]
    return Observation(
        period=period,
        past=past,
        firms={name: rows(values) for name, values in FIRMS.items()},
        owners={"capacity": rows([3.0, 1.0]), "rent": rows([6.0, 6.0])},
        public_capacity=np.full(n_replicates, 0.5),
        firm_names=NAMES,
        owner_names=("Cloud", "Own"),
        parameters=small_world().parameters,
        luck=Luck(1, range(n_replicates)),
    )


def rulebooks(policy: BasePolicy, first: int, last: int, **observed: object) -> Iterator[tuple[Quarter, Rulebook]]:
    """What a policy asks for in each period from ``first`` to ``last``."""
    for period in range(first, last + 1):
        quarter = START + period
        seen = observation(period, **observed)
        n_replicates = len(seen.luck.replicates)
        yield quarter, combine([policy(seen, quarter)], {"firm": 6, "owner": 2}, n_replicates)


def is_neutral(rules: Rulebook) -> np.ndarray:
    """Whether every lever is neutral; ``[replicate]``."""
    flags = [
        np.all(getattr(rules, name) == lever.neutral, axis=tuple(range(1, getattr(rules, name).ndim)))
        for name, lever in LEVERS.items()
    ]
    return np.logical_and.reduce(flags)


@functools.cache
def plugin() -> str:
    """The policy that the documentation writes, as text."""
    page = (Path(__file__).parents[1] / "docs" / "own-policy.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return text


@functools.cache
def every() -> tuple[str, ...]:
    """Names of the policies that come with the package, and of the one that the documentation writes."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "windfall.py")
        file.write_text(plugin(), encoding="utf-8")
        return policies.SHIPPED + policies.load_plugin(file)
