"""Policy ``revenue_levy``."""

from __future__ import annotations

from typing import Annotated

from sim.policies.base import FirmPolicy, Levers, Scene
from sim.policies.registry import policy
from sim.policies.schedule import parameter


@policy
class RevenueLevy(FirmPolicy):
    """Firms pay a share of their sales."""

    uses = ("revenue_levy",)
    example = "- revenue_levy: {rate: 0.03, who: {share_above: 0.1, of: revenue}, start: 2026Q1}"
    strength_scales = "the rate"
    inputs = "the rate and who pays"
    outcomes = "prices, sales, training, revenue of the levy"
    resembles = ("token tax proposals: 3% of revenue", "digital services taxes: 2% to 7% of revenue")
    side_effects = "It raises prices, as it grows with sales and not with profit; margins on training fall."
    headline = "fiscal_balance"
    mechanism = "sales"

    rate: Annotated[float, parameter("share of revenue", 0, 0.7, "of sales")]

    def levers(self, scene: Scene) -> Levers:
        """The rate of each firm."""
        return {"revenue_levy": self.rate * scene.dose}
