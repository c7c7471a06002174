"""Policy ``efficiency_programme``."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from sim.arrays import Array, Counts
from sim.policies.base import FirmPolicy, Levers, Scene, scaled
from sim.policies.registry import policy
from sim.policies.schedule import parameter, ramped


@policy
class EfficiencyProgramme(FirmPolicy):
    """Firms take up better algorithms: pruning, quantisation, distillation, sparsity, mixed precision.

    Half of what is left is taken up each ``half_life``. Training and serving gain separately; a compressed model may
    please customers less. Firms pay for the change as it is made; those that are reached later find it made.
    """

    uses = ("training_efficiency", "serving_efficiency", "quality", "compliance_cost")
    example = "- efficiency_programme: {training: 1.2, serving: 2, start: 2026Q1, half_life: 4}"
    strength_scales = "the gains, the loss of quality and the cost"
    inputs = "the gains, the loss of quality, the cost and the pace"
    outcomes = "prices, sales, use of compute, training, AI power"
    resembles = ("published gains of 2 to 4 times from quantisation and distillation in serving",)
    side_effects = (
        "Serving efficiency raises the compute that serves wherever the elasticity of spending on AI exceeds 1 "
        "(measure nest_elasticity): prices fall and sales grow by more."
    )
    headline = "serving_share"
    mechanism = "units served, and effective compute trained, per unit of compute"

    training: Annotated[float, parameter("ratio", 1, 100, "effective over used training compute, when taken up")] = 1.0
    serving: Annotated[float, parameter("ratio", 1, 100, "units served per unit of compute, when taken up")] = 1.0
    quality_loss: Annotated[float, parameter("share", 0, 0.9, "of the appeal to customers that is lost")] = 0.0
    half_life: Annotated[float, parameter("quarters", 0, 80, "in which half of the rest takes it up; 0: at once")] = 0.0
    adoption_cost: Annotated[float, parameter("$bn per firm", 0, 100, "of the whole change, paid as it is made")] = 0.0

    def levers(self, scene: Scene) -> Levers:
        """Gains in proportion to what has been taken up."""
        up = self._taken_up(scene.elapsed)
        dose = up[:, None] * scene.dose
        answer: Levers = {
            "training_efficiency": scaled(dose, self.training),
            "serving_efficiency": scaled(dose, self.serving),
            "quality": scaled(dose, 1.0 - self.quality_loss),
        }
        if self.adoption_cost > 0.0:
            done, before = (self._taken_up(e) * ramped(e, self.ramp) for e in (scene.elapsed, scene.elapsed - 1))
            answer["compliance_cost"] = self.adoption_cost * self.strength * (done - before)[:, None] * scene.targets
        return answer

    def _taken_up(self, elapsed: Counts) -> Array:
        """Share that has been taken up after so many quarters; ``[replicate]``."""
        if self.half_life == 0.0:
            return np.where(elapsed >= 0, 1.0, 0.0)
        left: Array = 0.5 ** (np.maximum(elapsed + 1.0, 0.0) / self.half_life)
        return 1.0 - left
