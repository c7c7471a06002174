"""Stage 2: every policy in force answers with levers, combined into one rulebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sim.arrays import Array, total
from sim.errors import AipowerError, ReplicateError
from sim.luck import Luck
from sim.policies.levers import Observation, Policy, Rulebook, Sight, combine
from sim.quarters import Quarter
from sim.state import State
from sim.world.build import World


def regulate(
    state: State,
    world: World,
    policies: Sequence[Policy],
    past: Sequence[Sight],
    luck: Luck,
    period: int,
    quarter: Quarter,
) -> Rulebook:
    """Ask every policy what it wants and combine the answers.

    Parameters
    ----------
    state : State
        At the start of the quarter.
    world : World
        What stays the same.
    policies : sequence of Policy
        In the order in which answers are combined.
    past : sequence of Sight
        What could be seen of earlier quarters.
    luck : Luck
        Of the replicates in ``state``.
    period : int
        Quarters since the world's start.
    quarter : Quarter
        Which quarter this is.

    Raises
    ------
    ReplicateError
        When a policy fails, or all of them together leave nothing to sell for or to rent.
    """
    observation = Observation(
        period=period,
        past=past,
        firms={
            "is_active": state.is_active,
            "firm_class": state.firm_class,
            "generation": state.generation,
            "is_open": state.is_open,
            "group": state.group,
            "age": state.age,
            "own_compute": state.own_compute,
            "own_chips": state.own_chips,
            "profit": total(state.profit, axis=-2),
        },
        owners={"capacity": state.capacity, "rent": state.rent},
        public_capacity=state.public_capacity,
        firm_names=world.firm_names,
        owner_names=world.owner_names,
        parameters=world.parameters,
        luck=luck,
    )
    answers = [_answer(policy, observation, quarter) for policy in policies]
    rules = combine(answers, world.sizes, len(luck.replicates))
    _require_room(rules, world)
    return rules


def _require_room(rules: Rulebook, world: World) -> None:
    """Policies that are possible one by one may leave nothing to sell for or to rent.

    Raises
    ------
    ReplicateError
        When levies and operating cost take all revenue, profit taxes all earnings, subsidies pay all rent, or all
        capacity is set aside.
    """
    taken = world.parameters.operating_cost_share + rules.revenue_levy.max()
    paid = -min(rules.compute_tax.min(), rules.captive_tax.min())
    for what, part in (
        ("levies and operating cost take {} of a firm's revenue", taken),
        ("profit taxes take {} of a firm's earnings", rules.profit_tax.max()),
        ("subsidies pay {} of the rent", paid),
        ("policies set {} of sellers' capacity aside", rules.reserved_capacity.max()),
    ):
        if part >= 1.0:
            message = f"{what.format(f'{part:.0%}')}; allowed: less than all of it; ask for less"
            raise ReplicateError(message)


def _answer(policy: Policy, observation: Observation, quarter: Quarter) -> Mapping[str, Array | float]:
    """What a policy wants.

    Raises
    ------
    ReplicateError
        When its code, which may be a user's, raises anything; says which policy it was.
    """
    try:
        return policy(observation, quarter)
    except AipowerError:
        raise
    except Exception as error:
        name = getattr(policy, "name", type(policy).__name__)
        message = f"policy {name} raised {type(error).__name__}: {error}"
        raise ReplicateError(message) from error
