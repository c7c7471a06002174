"""Policy ``energy_cap``."""

from __future__ import annotations

from typing import Annotated

from sim.policies.base import BasePolicy, Levers, Scene, loosened
from sim.policies.registry import policy
from sim.policies.schedule import parameter


@policy
class EnergyCap(BasePolicy):
    """Data centres together may use no more than an amount of energy."""

    uses = ("energy_cap",)
    example = "- energy_cap: {terawatt_hours: 60, start: 2027Q1}"
    strength_scales = "the cap's tightness: at half strength it is twice as wide"
    inputs = "the cap"
    outcomes = "use, rents, chips bought, AI power"
    resembles = ("moratoria on new data centres, as in Dublin and Amsterdam",)
    side_effects = "Rents rise for whoever may still run chips: the cap makes a scarcity that owners earn on."
    headline = "energy_twh"
    mechanism = "energy of chips in use"
    mechanism_off = ("world.parameters.power_per_h100e=0",)

    terawatt_hours: Annotated[float, parameter("TWh per quarter", 0.1, 1e5, "most energy that data centres may use")]

    def levers(self, scene: Scene) -> Levers:
        """The cap."""
        return {"energy_cap": loosened(self.terawatt_hours, scene.strength)}
