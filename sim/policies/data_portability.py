"""Policy ``data_portability``."""

from __future__ import annotations

from typing import Annotated

from sim.policies.base import BasePolicy, Levers, Scene
from sim.policies.registry import policy
from sim.policies.schedule import parameter


@policy
class DataPortability(BasePolicy):
    """Part of the data that firms gain from customers is open to all firms."""

    uses = ("data_portability",)
    example = "- data_portability: {share: 0.3, start: 2026Q1}"
    strength_scales = "the share"
    inputs = "the share"
    outcomes = "data of each firm, market shares, prices"
    resembles = ("EU Data Act: access to data that users generate",)
    side_effects = "Data add less to an advantage, so the race to gain customers early slackens."
    headline = "hhi_revenue"
    mechanism = "data make a service better"
    mechanism_off = ("world.parameters.data_elasticity=0",)

    share: Annotated[float, parameter("share", 0, 1, "of others' data that each firm may use")]

    def levers(self, scene: Scene) -> Levers:
        """The share."""
        return {"data_portability": self.share * scene.strength}
