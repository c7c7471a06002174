"""Policy ``carbon_price``."""

from __future__ import annotations

from typing import Annotated

from sim.policies.base import BasePolicy, Levers, Scene
from sim.policies.registry import policy
from sim.policies.schedule import parameter


@policy
class CarbonPrice(BasePolicy):
    """Owners of compute pay for the emissions of the electricity they use."""

    uses = ("carbon_price",)
    example = "- carbon_price: {price: 72, start: 2025Q1}"
    strength_scales = "the price"
    inputs = "the price; the carbon in electricity falls by itself"
    outcomes = "owners' margins, chips bought, rents where chips stand idle, emissions"
    resembles = ("EU emissions trading: 72 $/t", "China's emissions trading: 12 $/t", "mean of the world: 19 $/t")
    side_effects = (
        "While all chips run, rents do not move and owners pay; it bites through fewer orders, and passes through one "
        "for one where chips stand idle."
    )
    headline = "fiscal_balance"
    mechanism = "carbon in electricity"
    mechanism_off = ("world.parameters.grid_intensity=0",)

    price: Annotated[float, parameter("$ per tCO2", 0, 5000, "of a tonne of carbon dioxide")]

    def levers(self, scene: Scene) -> Levers:
        """The price."""
        return {"carbon_price": self.price * scene.strength}
