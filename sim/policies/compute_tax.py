"""Policy ``compute_tax``."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field
from pydantic import model_validator as validator

from sim import units
from sim.arrays import Array, safe_ratio, total
from sim.policies.base import FirmPolicy, Levers, Scene
from sim.policies.registry import policy
from sim.policies.schedule import parameter


@policy
class ComputeTax(FirmPolicy):
    """Firms pay a tax on what they spend on compute.

    Flat, rising with the owner's share of firms' compute, or on training beyond a largest run. A tax on developers
    alone makes compute cheaper for owners' own business, which then uses more of it; ``captive`` taxes that too.
    """

    uses = ("compute_tax", "captive_tax")
    example = "- compute_tax: {rate: 0.1, captive: true, start: 2027Q1}"
    strength_scales = "the rate"
    inputs = "the rate and its schedule"
    outcomes = "rents, use, prices, training, revenue of the tax"
    resembles = ("proposals of an ad valorem tax on compute, 3% to 50%",)
    side_effects = (
        "With capacity given, a tax on all compute lowers rents by as much: owners pay it. On developers alone it "
        "hands compute to captive use. Lower rents slow owners' orders of chips."
    )
    headline = "rental_price"
    mechanism = "the cost of compute to those who use it"

    rate: Annotated[float, parameter("share of rent", 0, 10, "tax over rent")]
    schedule: Annotated[
        Literal["flat", "progressive", "threshold"],
        Field(description="flat; progressive: the rate rises with that share; threshold: on training beyond"),
    ] = "flat"
    full_share: Annotated[
        float | None, parameter("share of compute", 0.001, 1, "progressive: at which the whole rate is due")
    ] = None
    threshold: Annotated[
        float | None, parameter("FLOP of the largest run", 1e20, 1e35, "threshold: beyond which compute is taxed")
    ] = None
    captive: Annotated[bool, Field(description="owners' own use is taxed too, at the whole rate")] = False

    @validator(mode="after")
    def _fitting(self) -> Self:
        for name, schedule in (("full_share", "progressive"), ("threshold", "threshold")):
            is_given, is_wanted = getattr(self, name) is not None, self.schedule == schedule
            if is_given != is_wanted:
                what = f"{name} belongs to schedule {schedule}" if is_given else f"schedule {schedule} lacks {name}"
                self.refuse(f"{what}; allowed: one with the other; {'leave it out' if is_given else f'add {name}'}")
        return self

    def levers(self, scene: Scene) -> Levers:
        """The rate of each firm, and of owners where captive use is taxed."""
        answer: Levers = {"compute_tax": self.rate * self._due(scene) * scene.dose}
        if self.captive:
            answer["captive_tax"] = self.rate * scene.strength[:, None]
        return answer

    def _due(self, scene: Scene) -> Array:
        """Part of the rate that each firm pays on average."""
        compute = scene.seen("compute")
        if self.full_share is not None:
            share = safe_ratio(scene.seen_of_owner("compute"), total(compute, keepdims=True))
            return np.minimum(share / self.full_share, 1.0)
        if self.threshold is not None:
            p = scene.observation.parameters
            free = self.threshold / (p.final_run_share * units.flop(1.0, p.mfu))
            return safe_ratio(np.maximum(scene.seen("training") - free, 0.0), compute)
        return np.ones_like(compute)
