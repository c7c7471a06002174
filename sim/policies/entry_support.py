"""Policy ``entry_support``."""

from __future__ import annotations

from typing import Annotated

from sim.policies.base import BasePolicy, Levers, Scene, scaled
from sim.policies.registry import policy
from sim.policies.schedule import parameter


@policy
class EntrySupport(BasePolicy):
    """New firms start at lower cost, by sandboxes and grants."""

    uses = ("entry_cost", "entry_grant")
    example = "- entry_support: {cut: 0.5, grant: 0.002, start: 2026Q1}"
    strength_scales = "the cut and the grant"
    inputs = "the cut and the grant"
    outcomes = "who enters and who survives, small firms' share, fiscal cost"
    resembles = ("regulatory sandboxes of the EU AI Act, Article 57", "seed grants such as those of US SBIR")
    side_effects = "Most who enter stay small: more firms, hardly less concentration."
    headline = "n_small_firms"
    mechanism = "free entry"
    mechanism_off = ("mechanisms.entry=false",)

    cut: Annotated[float, parameter("share", 0, 1, "of the sunk cost of entry that falls away")] = 0.0
    grant: Annotated[float, parameter("$bn", 0, 10, "that the government gives to each firm that enters")] = 0.0

    def levers(self, scene: Scene) -> Levers:
        """A lower cost, and a grant."""
        return {"entry_cost": scaled(scene.strength, 1.0 - self.cut), "entry_grant": self.grant * scene.strength}
