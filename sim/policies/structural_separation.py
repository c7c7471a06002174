"""Policy ``structural_separation``."""

from __future__ import annotations

import numpy as np

from sim.policies.base import FirmPolicy, Levers, Scene
from sim.policies.registry import policy


@policy
class StructuralSeparation(FirmPolicy):
    """Developers are severed from the owner of compute in the same corporation.

    They rent as others do, and their former parent funds them no longer.
    """

    uses = ("separation",)
    example = "- structural_separation: {who: {class: giant}, start: 2027Q1}"
    strength_scales = "nothing: firms are severed at any strength above zero"
    inputs = "nothing but who is severed"
    outcomes = "who rents where, funding, training, control"
    resembles = ("separation of networks from service in railways, energy and telecommunications",)
    side_effects = "Severed firms lose their parents' money as well as their preference, and must find investors."
    headline = "control_largest_owner"
    mechanism = "ties of integration"
    mechanism_off = ("world.base=symmetric",)

    def levers(self, scene: Scene) -> Levers:
        """Which firms are severed."""
        return {"separation": np.where(scene.dose > 0.0, 1.0, 0.0)}
