"""Policy ``training_cap``."""

from __future__ import annotations

from typing import Annotated

from sim import units
from sim.policies.base import FirmPolicy, Levers, Scene, loosened
from sim.policies.registry import policy
from sim.policies.schedule import parameter


@policy
class TrainingCap(FirmPolicy):
    """No training run may exceed a number of FLOP.

    The largest run takes a fixed share of a quarter's training (``final_run_share``), so that the cap binds on that.
    """

    uses = ("training_cap",)
    example = "- training_cap: {flop: 1e26, start: 2027Q1, end: 2032Q1}"
    strength_scales = "the cap's tightness: at half strength runs may be twice as large"
    inputs = "the cap"
    outcomes = "training, rents, AI power, who catches up"
    resembles = (
        "EU AI Act, Article 51: systemic risk is presumed from 1e25 FLOP",
        "California SB 53: frontier developers from 1e26 FLOP",
    )
    side_effects = "Compute that may not train becomes cheaper for everyone below the cap, and for serving."
    headline = "largest_run_flop"
    mechanism = "compute that trains in a quarter"

    flop: Annotated[float, parameter("FLOP", 1e20, 1e35, "largest training run")]

    def levers(self, scene: Scene) -> Levers:
        """Compute that makes a run of so many FLOP."""
        p = scene.observation.parameters
        compute = self.flop / (p.final_run_share * units.flop(1.0, p.mfu))
        return {"training_cap": loosened(compute, scene.dose)}
