"""What the sliders of the live view move, and the scenario that they make."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sim
from sim.errors import InputError
from sim.parameters import parameter_table

PARAMETERS = {
    "flywheel": "flywheel elasticity Λ",
    "nest_growth": "market growth with quality λ",
    "open_discount": "what open models pass on ω",
    "imitation": "spread of algorithms φ",
}
"""Parameters with a slider, and how it calls them."""

POLICIES = ("training-cap", "public-compute-strong", "compute-subsidy", "open-weights")
"""Scenarios whose policies have a slider each, at no strength to begin with, unless others are asked for."""

STEPS = 20
"""Of a slider from end to end, about: steps are round numbers."""

_PARAMETER = "world.parameters."
_ROUNDING = 1e-9


class Choice(NamedTuple):
    """One slider.

    Attributes
    ----------
    path : str
        Key of the scenario, such as ``world.parameters.flywheel``.
    label : str
    low, high : float
        Its ends.
    value : float
        Where it begins.
    step : float
        Its least move; ends and value are whole steps apart.
    """

    path: str
    label: str
    low: float
    high: float
    value: float
    step: float

    @classmethod
    def of(cls, path: str, label: str, low: float, high: float, value: float) -> Choice:
        """Make a slider that reaches from about ``low`` to about ``high`` and can stand at ``value``.

        Examples
        --------
        >>> Choice.of("x", "x", 0.05, 0.4, 0.27)[2:]
        (0.05, 0.39, 0.27, 0.02)
        """
        low, high = min(low, value), max(high, value)
        rough = (high - low) / STEPS
        unit = 10.0 ** math.floor(math.log10(rough))
        step = unit * min((1.0, 2.0, 5.0, 10.0), key=lambda times: abs(math.log(times * unit / rough)))
        below, above = (math.floor(length / step + _ROUNDING) for length in (value - low, high - value))
        return cls(path, label, *(round(x, 10) for x in (value - below * step, value + above * step, value, step)))


@dataclass(frozen=True)
class Offer:
    """A scenario and what may be moved in it.

    Attributes
    ----------
    source : str
        The scenario as it was named.
    changes : tuple of str
        Changes made to it before anything is moved.
    data : mapping
        The complete scenario, with the policies that are offered at no strength.
    choices : tuple of Choice
    n_own : int
        Policies that the scenario itself has; they stand first.
    """

    source: str
    changes: tuple[str, ...]
    data: Mapping[str, Any]
    choices: tuple[Choice, ...]
    n_own: int

    @classmethod
    def of(cls, source: str, *, changes: Sequence[str] = (), policies: Sequence[str] | None = None) -> Offer:
        """Offer the headline parameters and policies of a scenario.

        Parameters
        ----------
        source : str
            What ``sim.load_scenario`` accepts.
        changes : sequence of str
            Such as ``"world.parameters.flywheel=1.2"``.
        policies : sequence of str, optional
            Scenarios whose policies are offered too; ``POLICIES`` by default.

        Raises
        ------
        InputError
            When a scenario of ``policies`` has none.
        ScenarioError
            When a scenario is wrong.
        """
        scenario = sim.load_scenario(source, overrides=changes)
        data = scenario.resolved()
        own = [dict(item) for item in data["policies"]]
        offered = []
        for name in POLICIES if policies is None else policies:
            theirs = sim.load_scenario(name).resolved()["policies"]
            if not theirs:
                message = f"--policy {name}: that scenario has no policy; aipower list scenarios names some that have"
                raise InputError(message)
            offered += [{kind: {**(said or {}), "strength": 0.0}} for item in theirs for kind, said in item.items()]
        chosen = [item for item in offered if item not in own]
        strengths = [
            Choice.of(
                f"policies.{place}.strength",
                f"{kind.replace('_', ' ')}, strength",
                0.0,
                1.0,
                float((said or {}).get("strength", 1.0)),
            )
            for place, item in enumerate([*own, *chosen])
            for kind, said in item.items()
        ]
        table, values = parameter_table(), data["world"]["parameters"]
        headlines = [
            Choice.of(f"{_PARAMETER}{name}", label, table[name].low, table[name].high, float(values[name]))
            for name, label in PARAMETERS.items()
        ]
        return cls(source, tuple(changes), data | {"policies": [*own, *chosen]}, (*headlines, *strengths), len(own))

    @property
    def name(self) -> str:
        """Of the scenario."""
        return str(self.data["name"])

    @property
    def first(self) -> dict[str, float]:
        """Where every slider begins."""
        return {choice.path: choice.value for choice in self.choices}

    def moved(self, values: Mapping[str, float]) -> dict[str, float]:
        """What differs from the beginning."""
        return {path: value for path, value in values.items() if value != self.first[path]}

    def scenario(self, values: Mapping[str, float]) -> dict[str, Any]:
        """The scenario that the sliders make; offered policies at no strength are left out."""
        world = dict(self.data["world"])
        parameters = {path.removeprefix(_PARAMETER): v for path, v in values.items() if path.startswith(_PARAMETER)}
        world["parameters"] = {**world["parameters"], **parameters}
        policies = []
        for place, item in enumerate(self.data["policies"]):
            strength = values[f"policies.{place}.strength"]
            if strength > 0.0 or place < self.n_own:
                policies += [{kind: {**(said or {}), "strength": strength}} for kind, said in item.items()]
        return {**self.data, "world": world, "policies": policies}

    def command(self, values: Mapping[str, float]) -> str:
        """A command that runs the same world: every history of it, not only the one that is shown."""
        changes = list(self.changes)
        for path, value in self.moved(values).items():
            place = int(path.split(".")[1]) if path.startswith("policies.") else -1
            if place < self.n_own:
                changes.append(f"{path}={value!r}")
            else:
                kind, said = next(iter(self.data["policies"][place].items()))
                changes.append(f"policies.{kind}={json.dumps({**said, 'strength': value})}")
        return shlex.join(["aipower", "run", self.source, *(word for each in changes for word in ("--set", each))])
