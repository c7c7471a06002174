"""Policy ``federated_learning``."""

from __future__ import annotations

from typing import Annotated

from sim.policies.base import FirmPolicy, Levers, Scene
from sim.policies.registry import policy
from sim.policies.schedule import parameter


@policy
class FederatedLearning(FirmPolicy):
    """Firms may train a model together, each with part of its compute.

    The pool learns less from each unit of compute the more members it has and the less alike they are. A firm joins
    only if its profit rises.
    """

    uses = ("federation",)
    example = "- federated_learning: {share: 0.3, who: {class: sme}, start: 2026Q1}"
    strength_scales = "the share"
    inputs = "the share, and the pool's efficiency (a parameter of the world)"
    outcomes = "who joins, members' AI power, own training"
    resembles = ("federated learning among hospitals and banks", "shared training runs of open communities")
    side_effects = "Members build on what they share and gain less from training on their own."
    headline = "n_pool_members"
    mechanism = "members build on the pool"
    mechanism_off = ("mechanisms.federated_pools=false",)

    share: Annotated[float, parameter("share of training", 0, 1, "of its training compute that a member gives")]

    def levers(self, scene: Scene) -> Levers:
        """The share of each firm that may join."""
        return {"federation": self.share * scene.dose}
