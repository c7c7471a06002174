"""Policy ``shared_platform``."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from sim.policies.base import FirmPolicy, Levers, Scene, scaled
from sim.policies.registry import policy
from sim.policies.schedule import parameter


@policy
class SharedPlatform(FirmPolicy):
    """A platform rents sellers' idle compute to firms, at running cost and a fee.

    In a breach, members lose part of their data.
    """

    uses = ("pooled_idle", "pooled_fee", "pooled_weight", "data_retention")
    example = "- shared_platform: {idle: 0.5, fee: 0.1, who: {class: sme}, start: 2026Q1}"
    strength_scales = "the part of idle compute that is rented out, and what is lost in a breach"
    inputs = "the part that can be pooled, the fee, the hazard and size of breaches"
    outcomes = "rents, members' compute and training"
    resembles = ("spot markets and brokers of spare cloud capacity",)
    side_effects = (
        "Idle compute is little, 1 - utilisation, so the platform is small; a breach costs members their data."
    )
    headline = "small_firm_share_of_compute"
    mechanism = "idle compute is rented out"
    mechanism_off = ("world.parameters.utilisation=1",)

    idle: Annotated[float, parameter("share", 0, 1, "of sellers' idle compute that the platform rents out")]
    fee: Annotated[float, parameter("share of running cost", 0, 10, "asked above running cost")] = 0.1
    breach_hazard: Annotated[float, parameter("per quarter", 0, 1, "chance of a breach of the platform")] = 0.0
    breach_loss: Annotated[float, parameter("share", 0, 1, "of members' data lost in a breach")] = 0.5

    def levers(self, scene: Scene) -> Levers:
        """What is pooled and who may claim it; data lost where there is a breach."""
        answer: Levers = {
            "pooled_idle": self.idle * scene.strength,
            "pooled_fee": np.where(scene.strength > 0.0, self.fee, 0.0),
            "pooled_weight": scene.dose,
        }
        if self.breach_hazard > 0.0:
            is_breached = self.draw("breach", scene, 1) < self.breach_hazard
            answer["data_retention"] = scaled(is_breached * scene.dose, 1.0 - self.breach_loss)
        return answer
