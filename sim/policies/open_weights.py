"""Policy ``open_weights``."""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from pydantic import model_validator as validator

from sim.policies.base import FirmPolicy, Levers, Scene, loosened
from sim.policies.registry import policy
from sim.policies.schedule import parameter
from sim.state import RELEASE_WINDOW


@policy
class OpenWeights(FirmPolicy):
    """Firms must publish the weights of models of some age, or are paid if they do.

    A duty does not touch firms that publish already; whom the reward reaches decides for itself. What the others train
    less because they can build on published models, and what publishers train less because others catch up, is left to
    the market.
    """

    uses = ("open_weights", "release_grant", "compliance_cost")
    example = "- open_weights: {age: 2, who: {top: 3, by: power}, start: 2027Q1}"
    strength_scales = "how soon (at half strength models may be twice as old), the reward and the cost"
    inputs = "the age, the reward, the cost of publishing"
    outcomes = "the gap to the frontier, training of laggards and leaders, entry"
    resembles = ("publication of models by their developers, with a lag of one to a few quarters",)
    side_effects = (
        "Whoever can build on a published model gains less from its own training, and trains less; frontier firms "
        "lose customers to those that caught up."
    )
    headline = "relative_power_rank_5"
    mechanism = "others build on published weights"
    mechanism_off = ("mechanisms.open_weights=false",)

    age: Annotated[
        int | None, parameter("quarters", 1, RELEASE_WINDOW, "at which a model's weights must be published")
    ] = None
    reward: Annotated[
        float, parameter("$bn per firm and quarter", 0, 10, "paid by the government to firms that publish by choice")
    ] = 0.0
    maintenance: Annotated[
        float, parameter("$bn per firm and quarter", 0, 10, "of hosting and support, paid by firms that must publish")
    ] = 0.0

    @validator(mode="after")
    def _something(self) -> Self:
        if self.age is None and (self.reward == 0.0 or self.maintenance > 0.0):
            what = "maintenance belongs to a duty" if self.maintenance else "has neither a duty nor a reward"
            self.refuse(f"{what}; allowed: age, reward or both; write age: 2")
        return self

    def levers(self, scene: Scene) -> Levers:
        """An age for each firm that does not publish by itself."""
        dose = np.where(scene.observation.firms["is_open"], 0.0, scene.dose)
        answer: Levers = {"release_grant": self.reward * scene.dose}
        if self.age is not None:
            answer["open_weights"] = loosened(float(self.age), dose)
            answer["compliance_cost"] = self.maintenance * dose
        return answer
