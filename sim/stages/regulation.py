"""Stage 2: every policy in force answers with levers, combined into one rulebook."""

from __future__ import annotations

from collections.abc import Sequence

from sim.policies.levers import Observation, Policy, Rulebook, combine
from sim.quarters import Quarter
from sim.world.build import World


def regulate(
    policies: Sequence[Policy],
    observation: Observation,
    quarter: Quarter,
    world: World,
    n_replicates: int,
) -> Rulebook:
    """Ask every policy what it wants and combine the answers.

    Parameters
    ----------
    policies : sequence of Policy
        In any order: the result is the same.
    observation : Observation
        Last quarter's measures.
    quarter : Quarter
        Which quarter this is.
    world : World
        Sizes of the axes.
    n_replicates : int
        Leading axis.
    """
    answers = [policy(observation, quarter) for policy in policies]
    return combine(answers, world.sizes, n_replicates)
