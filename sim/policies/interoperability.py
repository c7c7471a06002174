"""Policy ``interoperability``."""

from __future__ import annotations

from typing import Annotated

from sim.policies.base import BasePolicy, Levers, Scene, scaled
from sim.policies.registry import policy
from sim.policies.schedule import parameter


@policy
class Interoperability(BasePolicy):
    """Customers of AI, and firms that rent compute, change suppliers more easily."""

    uses = ("switching", "loyalty")
    example = "- interoperability: {switching: 1.5, loyalty: 0.7, start: 2027Q1}"
    strength_scales = "both changes, in proportion"
    inputs = "how much easier it becomes"
    outcomes = "how fast shares follow quality and price, rents of owners"
    resembles = ("EU Data Act: no charges for switching clouds from 2027",)
    side_effects = "Shares follow quality faster, to whoever leads: it helps challengers only where they are better."
    headline = "hhi_revenue"
    mechanism = "customers choose again at a limited rate, and firms stay with their owners"
    mechanism_off = ("world.parameters.switching_rate=1", "world.parameters.cloud_loyalty=0")

    switching: Annotated[float, parameter("ratio", 1, 10, "rate at which customers choose again, over today's")] = 1.0
    loyalty: Annotated[float, parameter("ratio", 0, 1, "weight of firms' last owners, over today's")] = 1.0

    def levers(self, scene: Scene) -> Levers:
        """Switching up, loyalty down."""
        return {
            "switching": scaled(scene.strength, self.switching),
            "loyalty": scaled(scene.strength, self.loyalty),
        }
