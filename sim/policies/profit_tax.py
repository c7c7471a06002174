"""Policy ``profit_tax``."""

from __future__ import annotations

from typing import Annotated

from sim.policies.base import FirmPolicy, Levers, Scene
from sim.policies.registry import policy
from sim.policies.schedule import parameter


@policy
class ProfitTax(FirmPolicy):
    """Firms pay a share of positive earnings."""

    uses = ("profit_tax",)
    example = "- profit_tax: {rate: 0.2, who: {top: 5, by: revenue}, start: 2026Q1}"
    strength_scales = "the rate"
    inputs = "the rate and who pays"
    outcomes = "cash, training, borrowing, revenue of the tax"
    resembles = ("minimum tax of 15% on large groups (OECD Pillar Two)",)
    side_effects = "Prices do not move, but money is missing for training where a firm has no investors to turn to."
    headline = "fiscal_balance"
    mechanism = "earnings after all costs"

    rate: Annotated[float, parameter("share of earnings", 0, 0.95, "of earnings after all costs, if positive")]

    def levers(self, scene: Scene) -> Levers:
        """The rate of each firm."""
        return {"profit_tax": self.rate * scene.dose}
