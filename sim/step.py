"""One quarter, in the order and the words of docs/model.md 3.

Its last heading, observation, is never part of the dynamics: ``sim.engine`` observes what a step leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sim.arrays import Array
from sim.decisions import Decisions
from sim.luck import Luck
from sim.policies.levers import Policy, Sight
from sim.quarters import Quarter
from sim.stages.accounts import close_books, settle
from sim.stages.demography import turn_over
from sim.stages.drivers import drive
from sim.stages.funding import fund
from sim.stages.investment import connect, invest
from sim.stages.markets import clear_markets
from sim.stages.mergers import merge
from sim.stages.regulation import regulate
from sim.stages.training import train
from sim.state import Flows, State
from sim.world.build import World


class Moment(NamedTuple):
    """When a step happens: periods since the world's start, and the calendar quarter."""

    period: int
    quarter: Quarter


def step(
    state: State,
    world: World,
    policies: Sequence[Policy],
    past: Sequence[Sight],
    luck: Luck,
    now: Moment,
    decisions: Decisions | None = None,
) -> tuple[State, Flows, Array]:
    """Advance every replicate by one quarter.

    Parameters
    ----------
    state : State
        At the start of the quarter.
    world : World
        What stays the same.
    policies : sequence of Policy
        Each answers with levers.
    past : sequence of Sight
        What policies could see of earlier quarters.
    luck : Luck
        Of the replicates in ``state``.
    now : Moment
        Which quarter this is.
    decisions : Decisions, optional
        What single firms of a single replicate decide by rules of their own.

    Returns
    -------
    state : State
        At the start of the next quarter.
    flows : Flows
        What happened, by stage.
    residual : array [replicate]
        Of the ledger, over turnover.

    Raises
    ------
    ReplicateError
        When a policy fails, policies leave nothing to sell for, a market does not clear or the accounts do not close.
    AgentError
        When a rule of ``decisions`` fails.
    """
    # 1 Drivers
    drivers = drive(world, now.period)
    # 2 Regulation
    rules = regulate(state, world, policies, past, luck, now.period, now.quarter)
    # 3 Funding
    funding = fund(state, world, drivers, rules, decisions)
    # 4 Compute market and 5 Product market
    markets = clear_markets(state, world, drivers, rules, funding, decisions)
    # 6 Accounts
    accounts = settle(state, world, drivers, rules, funding, markets)
    # 7 Training
    trained = train(state, world, rules, funding, markets, luck, now.period, decisions)
    # 8 Investment
    investment = invest(state, world, drivers, rules, markets, accounts)
    equipped = connect(trained, world, drivers, accounts, investment)
    # 9 Demography
    peopled, demography = turn_over(equipped, world, drivers, rules, funding, markets, luck, now.period)
    merged, merging = merge(peopled, world, drivers, rules, funding, markets, luck, now.period)
    flows = Flows(drivers, rules, funding, markets, accounts, investment, demography, merging)
    settled, residual = close_books(state, merged, flows)
    return settled, flows, residual
