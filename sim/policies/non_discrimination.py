"""Policy ``non_discrimination``."""

from __future__ import annotations

from sim.policies.base import BasePolicy, Levers, Scene, scaled
from sim.policies.registry import policy


@policy
class NonDiscrimination(BasePolicy):
    """Owners of compute serve all firms alike, their own and their partners' included."""

    uses = ("affinity",)
    example = "- non_discrimination: {start: 2026Q1}"
    strength_scales = "how much of the ties' weight is taken away"
    inputs = "nothing but the strength"
    outcomes = "who rents where, rents of owners, control"
    resembles = ("common carriage; EU Digital Markets Act: no preference for own services",)
    side_effects = (
        "Firms with a captive supply pay the market's mix of rents; owners that served one firm now sell to all."
    )
    headline = "control_largest_owner"
    mechanism = "ties of integration and partnership"
    mechanism_off = ("world.base=symmetric",)

    def levers(self, scene: Scene) -> Levers:
        """Less weight of ties."""
        return {"affinity": scaled(scene.strength, 0.0)}
