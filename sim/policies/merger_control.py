"""Policy ``merger_control``."""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from pydantic import Field
from pydantic import model_validator as validator

from sim.arrays import Array
from sim.policies.base import FirmPolicy, Levers, Scene, loosened, scaled
from sim.policies.registry import policy
from sim.policies.schedule import parameter


@policy
class MergerControl(FirmPolicy):
    """Mergers are reviewed, more or less strictly, or forbidden.

    A merger is reviewed from a level and a rise of HHI, or from a joint share. It passes when customers lose less than
    the tolerance. What is left out stays as strict as the world's rules are.
    """

    uses = ("merger_ban", "merger_tolerance", "review_error", "screen_hhi", "screen_change", "screen_share")
    example = "- merger_control: {screen_hhi: 1800, screen_change: 100, tolerance: 0.005, start: 2025Q1}"
    strength_scales = "tolerance and screens: at half strength they are twice as wide; a ban holds at any strength"
    inputs = "screens, tolerance, quality of reviews"
    outcomes = "which mergers are proposed and pass, concentration, prices"
    resembles = (
        "US merger guidelines of 2023: HHI above 1,800 and a change above 100, or a share above 0.30",
        "EU horizontal guidelines: no concern below an HHI of 1,000",
    )
    side_effects = (
        "Firms that may not merge keep algorithms and data apart, so that the smaller of them serves at higher cost. "
        "Stricter screens also deter: fewer pairs ask."
    )
    headline = "mergers"
    mechanism = "mergers"
    mechanism_off = ("mechanisms.mergers=false",)

    ban: Annotated[bool, Field(description="firms that are reached may not merge at all")] = False
    tolerance: Annotated[
        float | None, parameter("share", 1e-6, 1, "loss of customers over what they spend, below which a merger passes")
    ] = None
    screen_hhi: Annotated[float | None, parameter("points", 0, 10_000, "HHI afterwards from which it is reviewed")] = (
        None
    )
    screen_change: Annotated[float | None, parameter("points", 0, 5_000, "rise of HHI from which it is reviewed")] = (
        None
    )
    screen_share: Annotated[float | None, parameter("share", 0, 1, "joint share from which it is reviewed")] = None
    error_ratio: Annotated[float, parameter("ratio", 0, 10, "chance that a review ends wrong, over today's")] = 1.0

    @validator(mode="after")
    def _only_a_ban_reaches_firms(self) -> Self:
        if not self.ban and not self.who.is_everyone:
            self.refuse("who belongs to a ban, as reviews are for all; allowed: who: all; add ban: true")
        if not self.ban and self.error > 0.0:
            self.refuse("error belongs to a ban, as reviews are for all; allowed: error: 0; add ban: true")
        return self

    def levers(self, scene: Scene) -> Levers:
        """Bans and the terms of review."""
        answer: Levers = {"review_error": scaled(scene.strength, self.error_ratio)}
        if self.ban:
            answer["merger_ban"] = np.where(scene.dose > 0.0, 1.0, 0.0)
        limits = {
            "merger_tolerance": self.tolerance,
            "screen_hhi": self.screen_hhi,
            "screen_change": self.screen_change,
            "screen_share": self.screen_share,
        }
        wide: dict[str, Array | float] = {
            name: loosened(limit, scene.strength) for name, limit in limits.items() if limit is not None
        }
        return answer | wide
