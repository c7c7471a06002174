"""Policy ``funding_limits``."""

from __future__ import annotations

from typing import Annotated

from sim.policies.base import BasePolicy, Levers, Scene, scaled
from sim.policies.registry import policy
from sim.policies.schedule import parameter


@policy
class FundingLimits(BasePolicy):
    """Owners of compute may pay less of their partners' funding in compute.

    Other investors replace half of what is cut.
    """

    uses = ("partner_credit",)
    example = "- funding_limits: {cut: 0.5, start: 2026Q1}"
    strength_scales = "the cut"
    inputs = "the cut, and that investors replace half"
    outcomes = "training of affiliated firms, who rents where"
    resembles = ("inquiries of the US FTC and the UK CMA into partnerships of clouds and developers",)
    side_effects = "Independent labs lose money that integrated firms get from their parents and are not asked about."
    headline = "total_power"
    mechanism = "partners pay part of a raise in compute"
    mechanism_off = ("world.parameters.partner_credit_share=0",)

    cut: Annotated[float, parameter("share", 0, 1, "of partners' compute credits that falls away")]

    def levers(self, scene: Scene) -> Levers:
        """What is left of the credits."""
        return {"partner_credit": scaled(scene.strength, 1.0 - self.cut)}
