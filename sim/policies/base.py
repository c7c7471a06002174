"""What every policy has in common: whom it reaches, when, how strongly, and who pays for it.

A policy of one's own is a class with a docstring, its parameters and a method ``levers``; ``docs/own-policy.md`` has
an example.
"""

from __future__ import annotations

import functools
import inspect
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from pydantic import model_validator as validator
from pydantic_core import PydanticCustomError

from sim.arrays import Array, Counts, Flags, shares, total
from sim.groups import Groups
from sim.policies.levers import LEVERS, Observation
from sim.policies.schedule import NOT_YET, QuarterText, first_period, is_over, parameter, ramped
from sim.policies.trigger import TOLD, Trigger
from sim.policies.who import FORMS, Who, seen
from sim.quarters import Quarter

if TYPE_CHECKING:
    from sim.policies.registry import PlugIn

Levers = dict[str, Array | float]
"""A policy's answer; values broadcast to ``[replicate, *axes of the lever]``."""

MAX_LAG = 8
TRIGGER_FORM = "what must be observed before it is in force, such as {measure: hhi_revenue, above: 2500, for: 4}"
COST_LEVERS = ("programme_cost", "compliance_cost", "owner_cost")


@dataclass(frozen=True)
class Scene:
    """A quarter in which a policy is in force in some replicate.

    Parameters
    ----------
    observation : Observation
        What may be looked at.
    quarter : Quarter
        Which one it is.
    lag : int
        Age in quarters of what is observed of the past.
    elapsed : array [replicate]
        Quarters in force before this one, -1 where not in force.
    strength : array [replicate]
        From 0 (not in force) to 1.
    targets : array [replicate, firm]
        Firms that are reached.
    """

    observation: Observation
    quarter: Quarter
    lag: int
    elapsed: Counts
    strength: Array
    targets: Flags

    @functools.cached_property
    def dose(self) -> Array:
        """Strength for the firms that are reached, 0 for others; ``[replicate, firm]``."""
        return self.strength[:, None] * self.targets

    @functools.cached_property
    def n_targets(self) -> Array:
        """How many firms are reached, at least 1; ``[replicate, 1]``."""
        return np.maximum(total(self.targets, keepdims=True), 1.0)

    def seen(self, what: str) -> Array:
        """Revenue, compute, unaided compute, training or power of each firm as observed; zeros before the first sight.

        Returns
        -------
        array [replicate, firm]
        """
        value = seen(self.observation, what, self.lag)
        return np.zeros(self.targets.shape) if value is None else value

    def seen_of_owner(self, what: str) -> Array:
        """The same, added up over the firms of each firm's owner."""
        return Groups.of(np.asarray(self.observation.firms["group"])).total(self.seen(what))


class BasePolicy(BaseModel):
    """A policy for the whole market; one that reaches firms is a ``FirmPolicy``."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)

    name: ClassVar[str] = ""
    uses: ClassVar[tuple[str, ...]] = ()
    """Levers that it may pull."""
    example: ClassVar[str] = ""
    """An item of ``policies`` to paste, in YAML."""
    strength_scales: ClassVar[str] = "its parameters"
    inputs: ClassVar[str] = "its parameters"
    """What is assumed."""
    outcomes: ClassVar[str] = "everything else"
    """What the market makes of it."""
    resembles: ClassVar[tuple[str, ...]] = ()
    """Real instruments."""
    side_effects: ClassVar[str] = ""
    headline: ClassVar[str] = ""
    """Measure that it is meant to move."""
    mechanism: ClassVar[str] = ""
    """What it acts through."""
    mechanism_off: ClassVar[tuple[str, ...]] = ()
    """Changes, as ``--set`` takes them, that switch it off; where there are none, the levers are the mechanism."""
    last_quarter: ClassVar[str] = "the one before `end`; without one, the horizon's last"
    """When it acts for the last time."""

    start: Annotated[
        QuarterText | None, Field(description="first quarter in force; from the beginning if left out")
    ] = None
    end: Annotated[QuarterText | None, Field(description="first quarter no longer in force; never if left out")] = None
    ramp: Annotated[int, parameter("quarters", 0, 80, "over which strength rises in equal steps; 0: full at once")] = 0
    strength: Annotated[float, parameter("share", 0, 1, "how much of it is done")] = 1.0
    trigger: Annotated[Trigger | None, Field(description=TRIGGER_FORM)] = None
    lag: Annotated[int, parameter("quarters", 1, MAX_LAG, "age of what is observed")] = 1
    cost: Annotated[float, parameter("$bn per quarter", 0, 1e4, "of running it, at full strength")] = 0.0
    payer: Annotated[Literal["government", "firms", "owners"], Field(description="who pays the cost")] = "government"

    @validator(mode="after")
    def _forward(self) -> Self:
        if self.start is not None and self.end is not None and self.end <= self.start:
            text = f"{self.end} is not after the start {self.start}; allowed: a later quarter"
            self.refuse(f"{text}; try {Quarter.parse(self.start) + 4}")
        return self

    def __call__(self, observation: Observation, quarter: Quarter) -> Levers:
        """Answer for a quarter; empty while the policy is not in force."""
        scene = self._scene(observation, quarter)
        if scene is None:
            return {}
        answer = dict(self.levers(scene))
        for lever, amount in self._costs(scene).items():
            answer[lever] = LEVERS[lever].combine(np.asarray(answer.get(lever, 0.0)), amount)
        return answer

    @abstractmethod
    def levers(self, scene: Scene) -> Mapping[str, Array | float]:
        """Levers of a quarter in force: neutral wherever strength or dose is zero."""

    def reached(self, observation: Observation) -> Flags:
        """Firms that are reached; ``[replicate, firm]``."""
        return np.asarray(observation.firms["is_active"])

    def _scene(self, observation: Observation, quarter: Quarter) -> Scene | None:
        """What there is to act on, or None where the policy is in force nowhere."""
        begins = self.start is None or quarter >= Quarter.parse(self.start)
        if not begins or is_over(self.end, quarter) or self.strength == 0.0:
            return None
        first = first_period(self.start, observation.period, quarter)
        n_replicates = len(observation.luck.replicates)
        elapsed = np.full(n_replicates, observation.period - first)
        if self.trigger is not None:
            elapsed = self.trigger.elapsed(observation.past, first, observation.period, self.lag, n_replicates)
        is_in_force = elapsed != NOT_YET
        targets = self.reached(observation) & is_in_force[:, None]
        if not targets.any():
            return None
        strength = self.strength * ramped(elapsed, self.ramp) * targets.any(axis=-1)
        return Scene(observation, quarter, self.lag, elapsed, strength, targets)

    def _costs(self, scene: Scene) -> dict[str, Array]:
        if self.cost == 0.0:
            return {}
        amount = self.cost * scene.strength
        if self.payer == "firms":
            return {"compliance_cost": amount[:, None] * scene.targets / scene.n_targets}
        if self.payer == "owners":
            return {"owner_cost": amount[:, None] * shares(scene.observation.owners["capacity"])}
        return {"programme_cost": amount}

    def draw(self, what: str, scene: Scene | Observation, n_slots: int) -> Array:
        """Uniform draws in (0, 1) of this policy and quarter alone; ``[replicate, slot]``."""
        observation = scene.observation if isinstance(scene, Scene) else scene
        return observation.luck.uniform(f"policy {self.name}: {what}", observation.period, n_slots)

    @staticmethod
    def refuse(text: str) -> None:
        """Say that parameters do not go together: what is wrong; what is allowed; what to try."""
        raise PydanticCustomError(TOLD, "{text}", {"text": text})

    def dump(self) -> dict[str, Any]:
        """Every parameter as plain data, under the names of scenario files."""
        return self.model_dump(mode="json", by_alias=True)

    def __reduce__(self) -> tuple[Any, tuple[str, dict[str, Any], PlugIn | None]]:
        from sim.policies.registry import plugin_of, revived

        return revived, (self.name, self.dump(), plugin_of(self.name))

    @classmethod
    def description(cls) -> str:
        """What it does, from the docstring, as one paragraph a block."""
        blocks = inspect.cleandoc(cls.__doc__ or "").replace("``", "`").split("\n\n")
        return "\n\n".join(" ".join(block.split()) for block in blocks)


class FirmPolicy(BasePolicy):
    """A policy that reaches firms: all of them, or those of a group."""

    who: Annotated[Who, Field(description=f"whom it reaches: {FORMS}")] = Who.model_validate("all")
    error: Annotated[float, parameter("share", 0, 1, "chance that a firm escapes in a quarter")] = 0.0

    def reached(self, observation: Observation) -> Flags:
        """Firms of the group that do not escape."""
        group = self.who.reached(observation, self.lag)
        if self.error == 0.0 or not group.any():
            return group
        escapes = self.draw("escape", observation, group.shape[-1]) < self.error
        return group & ~escapes


def scaled(dose: Array, ratio: float | Array) -> Array:
    """A ratio that works in proportion to the dose: 1 at none, ``ratio`` at 1.

    >>> scaled(np.array([0.0, 0.5, 1.0]), 1.4)
    array([1. , 1.2, 1.4])
    """
    return 1.0 + dose * (ratio - 1.0)


def loosened(limit: float | Array, dose: Array) -> Array:
    """A limit that half a dose makes twice as wide: no limit at none.

    >>> loosened(2.0, np.array([0.0, 0.5, 1.0]))
    array([inf,  4.,  2.])
    """
    is_bound = dose > 0.0
    return np.where(is_bound, limit / np.where(is_bound, dose, 1.0), np.inf)
