"""Policy ``grid_limit``."""

from __future__ import annotations

from typing import Annotated

from sim.policies.base import BasePolicy, Levers, Scene, loosened
from sim.policies.registry import policy
from sim.policies.schedule import parameter


@policy
class GridLimit(BasePolicy):
    """Only so many new chips can be connected to the grid in a quarter."""

    uses = ("grid_limit",)
    example = "- grid_limit: {chips: 5, start: 2026Q1}"
    strength_scales = "the limit's tightness: at half strength it is twice as wide"
    inputs = "the limit"
    outcomes = "chips delivered, their price, rents, AI power"
    resembles = ("queues for connection to the grid of three to seven years in the United States and Europe",)
    side_effects = "Rents rise while the limit binds, and who owns chips already gains most."
    headline = "rental_price"
    mechanism = "chips delivered"

    chips: Annotated[float, parameter("M H100e per quarter", 1e-3, 1e6, "most new chips that can be connected")]

    def levers(self, scene: Scene) -> Levers:
        """The limit."""
        return {"grid_limit": loosened(self.chips, scene.strength)}
