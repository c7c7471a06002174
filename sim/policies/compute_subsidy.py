"""Policy ``compute_subsidy``."""

from __future__ import annotations

from typing import Annotated

from sim.policies.base import FirmPolicy, Levers, Scene
from sim.policies.registry import policy
from sim.policies.schedule import parameter


@policy
class ComputeSubsidy(FirmPolicy):
    """The government pays part of what firms spend on compute."""

    uses = ("compute_tax",)
    example = "- compute_subsidy: {rate: 0.4, who: {class: sme}, start: 2026Q1, ramp: 4}"
    strength_scales = "the rate"
    inputs = "the rate and who is eligible"
    outcomes = "rents, use, prices, training, fiscal cost"
    resembles = ("IndiaAI Mission: 40% of the price of compute, for 36,000 GPUs",)
    side_effects = (
        "Demand rises and capacity does not at once: part of the subsidy ends as higher rents with owners, and firms "
        "without it pay those too."
    )
    headline = "small_firm_share_of_compute"
    mechanism = "the cost of compute to those who use it"

    rate: Annotated[float, parameter("share of rent", 0, 0.95, "part of the rent that the government pays")]

    def levers(self, scene: Scene) -> Levers:
        """A negative tax."""
        return {"compute_tax": -self.rate * scene.dose}
