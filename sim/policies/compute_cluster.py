"""Policy ``compute_cluster``."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from sim.policies.base import FirmPolicy, Levers, Scene, scaled
from sim.policies.registry import policy
from sim.policies.schedule import parameter


@policy
class ComputeCluster(FirmPolicy):
    """Firms pool the compute that they rent.

    A pool of n needs less in reserve for peaks: the gain is that of many, times 1 - 1/sqrt(n), as peaks of independent
    users grow with the square root of their number. Each member pays for coordination with each other one.
    """

    uses = ("training_efficiency", "serving_efficiency", "compliance_cost")
    example = "- compute_cluster: {gain: 0.15, who: {class: sme}, start: 2026Q1}"
    strength_scales = "the gain and the cost"
    inputs = "the gain of a large pool, the cost of coordination"
    outcomes = "members' costs, prices, training and shares"
    resembles = ("university clusters and buying groups", "EuroHPC: 0.5 M H100e over several years")
    side_effects = "The more members, the less another one adds, and the more coordination costs."
    headline = "small_firm_share_of_compute"
    mechanism = "members' compute goes further"

    gain: Annotated[float, parameter("share", 0, 3, "by which compute goes further in a large pool")]
    coordination_cost: Annotated[
        float, parameter("$bn per pair of members and quarter", 0, 1, "half of it paid by each of the two")
    ] = 0.0

    def levers(self, scene: Scene) -> Levers:
        """What members gain, and what they pay."""
        n = scene.n_targets
        ratio = 1.0 + self.gain * (1.0 - n**-0.5)
        answer: Levers = {
            "training_efficiency": scaled(scene.dose, ratio),
            "serving_efficiency": scaled(scene.dose, ratio),
        }
        if self.coordination_cost > 0.0:
            answer["compliance_cost"] = 0.5 * self.coordination_cost * np.maximum(n - 1.0, 0.0) * scene.dose
        return answer
