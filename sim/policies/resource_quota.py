"""Policy ``resource_quota``."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field
from pydantic import model_validator as validator

from sim.arrays import safe_ratio, total
from sim.policies.allocation import claims
from sim.policies.base import FirmPolicy, Levers, Scene, loosened
from sim.policies.registry import policy
from sim.policies.schedule import parameter


@policy
class ResourceQuota(FirmPolicy):
    """No firm may train with more than a share of the world's compute, or some is set aside for firms that may have it.

    The cap is a share of all usable compute of the quarter, before any energy cap; firms of one owner divide it as they
    last trained. What is set aside is rented at running cost, as far as firms' plans pay for it and for the staff.
    """

    uses = ("training_cap", "reserved_capacity", "reserved_weight")
    example = "- resource_quota: {most: 0.05, start: 2027Q1}"
    strength_scales = "the cap's tightness (half strength: twice the share), and the share set aside"
    inputs = "the shares, and the rule of allocation"
    outcomes = "rents, training, AI power, concentration"
    resembles = (
        "quotas of 5%, 10% or 20% of the world's compute for a firm (assumed)",
        "AI diffusion rule (rescinded): 50,000 chips for a country",
    )
    side_effects = "Compute that the largest may not use becomes cheaper for all others, owners' own business included."
    headline = "hhi_compute_used"
    mechanism = "compute that trains in a quarter, or capacity set aside"

    most: Annotated[float | None, parameter("share of usable compute", 1e-6, 1, "that one firm may train with")] = None
    reserve: Annotated[float | None, parameter("share of sellers' usable compute", 0, 0.9, "set aside")] = None
    allocation: Annotated[
        Literal["need", "size", "contribution"] | None,
        Field(
            description="of what is set aside: by the gap to the mean of compute that no rule gave, by revenue, or by "
            "AI power"
        ),
    ] = None

    @validator(mode="after")
    def _something(self) -> Self:
        if self.most is None and self.reserve is None:
            self.refuse("has neither a cap nor a reserve; allowed: most, reserve or both; write most: 0.1")
        if (self.reserve is None) != (self.allocation is None):
            lacks = "allocation" if self.reserve is not None else "reserve"
            self.refuse(f"lacks {lacks}; allowed: reserve together with allocation; add {lacks}")
        return self

    def levers(self, scene: Scene) -> Levers:
        """A cap on training, and claims on what is set aside."""
        answer: Levers = {}
        if self.most is not None:
            seen = scene.observation
            chips = total(seen.owners["capacity"]) + total(seen.firms["own_chips"]) + seen.public_capacity
            usable = seen.parameters.utilisation * chips
            part = safe_ratio(scene.seen("training"), scene.seen_of_owner("training"), otherwise=1.0)
            answer["training_cap"] = loosened(self.most * usable[:, None] * part, scene.dose)
        if self.reserve is not None:
            answer["reserved_capacity"] = self.reserve * scene.strength
            if self.allocation == "size":
                weight = np.where(scene.targets, scene.seen("revenue"), 0.0)
            else:
                rule: Literal["need", "merit"] = "need" if self.allocation == "need" else "merit"
                weight = claims(rule, scene, np.zeros(len(scene.strength)))
            answer["reserved_weight"] = weight * scene.dose
        return answer
