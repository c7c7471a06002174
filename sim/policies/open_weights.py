"""Policy ``open_weights``."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from sim.policies.base import FirmPolicy, Levers, Scene, loosened
from sim.policies.registry import policy
from sim.policies.schedule import parameter
from sim.state import RELEASE_WINDOW


@policy
class OpenWeights(FirmPolicy):
    """Firms must publish the weights of models of some age.

    Firms that publish already are not touched. What the others train less because they can build on published models,
    and what publishers train less because others catch up, is left to the market.
    """

    uses = ("open_weights", "compliance_cost", "grant")
    example = "- open_weights: {age: 2, who: {top: 3, by: power}, start: 2027Q1}"
    strength_scales = "how soon: at half strength models may be twice as old"
    inputs = "the age, the cost of publishing"
    outcomes = "the gap to the frontier, training of laggards and leaders, entry"
    resembles = ("publication of models by their developers, with a lag of one to a few quarters",)
    side_effects = (
        "Whoever can build on a published model gains less from its own training, and trains less; frontier firms "
        "lose customers to those that caught up."
    )
    headline = "relative_power_rank_5"
    mechanism = "others build on published weights"
    mechanism_off = ("mechanisms.open_weights=false",)

    age: Annotated[int, parameter("quarters", 1, RELEASE_WINDOW, "at which a model's weights must be published")]
    maintenance: Annotated[
        float, parameter("$bn per firm and quarter", 0, 10, "of hosting, documents and support, paid by the firm")
    ] = 0.0
    subsidised: Annotated[bool, Field(description="the government gives the maintenance back")] = False

    def levers(self, scene: Scene) -> Levers:
        """An age for each firm that does not publish by itself."""
        dose = np.where(scene.observation.firms["is_open"], 0.0, scene.dose)
        answer: Levers = {"open_weights": loosened(float(self.age), dose)}
        if self.maintenance > 0.0:
            answer["compliance_cost"] = self.maintenance * dose
            if self.subsidised:
                answer["grant"] = self.maintenance * dose
        return answer
