"""Policy ``break_up``."""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from pydantic import model_validator as validator

from sim.policies.base import FirmPolicy, Levers, Scene
from sim.policies.registry import policy
from sim.policies.schedule import parameter


@policy
class BreakUp(FirmPolicy):
    """Firms are split into successors, once: in the first quarter in force.

    Successors keep the model and the algorithms, and share cash, debt, data and customers.
    """

    uses = ("break_up",)
    example = (
        "- break_up: {successors: 2, who: {top: 1, by: revenue}, start: 2026Q1, "
        "trigger: {measure: hhi_revenue, above: 2500, for: 4}}"
    )
    strength_scales = "the number of successors beyond one, rounded"
    inputs = "the number of successors"
    outcomes = "shares, prices, training, whether a leader emerges again"
    resembles = ("United States v. AT&T (1982)", "remedies asked for in United States v. Google")
    side_effects = "Each successor trains less than the whole did, as it has fewer customers to earn on."
    headline = "hhi_revenue"
    mechanism = "successors compete"
    last_quarter = "the first in force"

    successors: Annotated[int, parameter("firms", 2, 10, "into which each firm that is reached is split")]

    @validator(mode="after")
    def _at_once(self) -> Self:
        if self.ramp > 0:
            self.refuse("a break-up cannot be phased in by ramp; allowed: ramp: 0; leave it out")
        return self

    def levers(self, scene: Scene) -> Levers:
        """Successors of each firm in the first quarter, none later."""
        more = np.where((scene.elapsed == 0)[:, None], scene.dose, 0.0) * (self.successors - 1)
        return {"break_up": 1.0 + np.rint(more)}
