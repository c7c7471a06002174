"""Policy ``public_compute``."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field
from pydantic import model_validator as validator

from sim.policies.allocation import RULES, Rule, claims
from sim.policies.base import FirmPolicy, Levers, Scene
from sim.policies.registry import policy
from sim.policies.schedule import parameter


@policy
class PublicCompute(FirmPolicy):
    """The government buys chips for a public pool, which serves firms at no charge beyond their claim.

    It spends a budget, or takes a share of all shipments at the price of the market. Firms take what they can staff.
    """

    uses = ("public_budget", "public_order", "public_weight")
    example = "- public_compute: {shipments: 0.01, allocation: need, who: {class: sme}, start: 2026Q1}"
    strength_scales = "what is bought"
    inputs = "the budget or share, and the rule of allocation"
    outcomes = "size of the pool, chip prices, rents, small firms' training, fiscal cost"
    resembles = (
        "NAIRR pilot: 0.005 M H100e, about 0.3% of the world's stock at the end of 2023",
        "UK AIRR: 0.1 M H100e by 2030",
        "EuroHPC AI factories and gigafactories: 0.5 M H100e over several years",
    )
    side_effects = (
        "Chips for the pool are chips that nobody else gets in that quarter: chip prices and rents rise a little."
    )
    headline = "small_firm_share_of_compute"
    mechanism = "the public pool's chips"

    budget: Annotated[float | None, parameter("$bn per quarter", 0, 1e3, "spent on chips and sites")] = None
    shipments: Annotated[float | None, parameter("share of shipments", 0, 0.9, "bought for the pool")] = None
    allocation: Annotated[Rule, Field(description=" ".join(RULES.split()))] = "equal"

    @validator(mode="after")
    def _one_size(self) -> Self:
        if (self.budget is None) == (self.shipments is None):
            what = "has no size" if self.budget is None else "has two sizes"
            self.refuse(f"{what}; allowed: one of budget, shipments; write shipments: 0.01")
        return self

    def levers(self, scene: Scene) -> Levers:
        """What is bought, and claims on the pool."""
        seen = scene.observation
        pool = seen.parameters.utilisation * seen.public_capacity
        n_firms = scene.targets.shape[-1]
        luck = self.draw("lottery", scene, n_firms) if self.allocation == "lottery" else None
        answer: Levers = {"public_weight": claims(self.allocation, scene, pool, luck) * scene.dose}
        if self.budget is not None:
            answer["public_budget"] = self.budget * scene.strength
        if self.shipments is not None:
            answer["public_order"] = self.shipments * scene.strength
        return answer
