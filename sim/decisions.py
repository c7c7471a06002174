"""Where single firms decide by rules of their own; everyone else stays vectorised (docs/decisions/0012).

``step`` may be handed a ``Decisions``. The stages of funding, markets and training then ask it about a few slots, after
the vectorised rule has answered for all. Clearing, means, the ledger and luck are the same for everyone. Without a
``Decisions`` a stage does nothing more than see that there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from sim.arrays import Array, Counts, Flags, mixture, total
from sim.errors import AgentError
from sim.groups import Groups
from sim.policies.levers import Rulebook
from sim.quarters import Quarter
from sim.state import Funding, State
from sim.submodels import pricing
from sim.submodels.compute_market import OwnerChoice
from sim.views import OwnersView, PriceView, ReleaseView, TrainingView
from sim.world.build import World

_NUDGE = 1e-6
"""Relative change of a firm's share by which the solver learns how its price answers."""
_LARGEST_ELASTICITY = 1e15
"""Which a price at cost implies."""

Answer = TypeVar("Answer")


class Rule(NamedTuple):
    """A rule of one firm.

    Parameters
    ----------
    agent : str
        What errors call it.
    ask : callable
        Given the view that belongs to the decision.
    """

    agent: str
    ask: Callable[[Any], Any]


class PriceGame(NamedTuple):
    """Where both markets stand when prices are set; shapes as in ``sim.submodels.pricing``."""

    cost: Array
    revenue_taken: Array
    share: Array
    nest: Array
    groups: Groups


Rules = Mapping[int, Rule]
"""By slot."""


@dataclass(frozen=True)
class Decisions:
    """Rules of single firms for one quarter of one replicate.

    Parameters
    ----------
    world : World
    period : int
        Quarters since the world's start.
    quarter : Quarter
    plan_training, set_price, choose_owners, release_weights : mapping of int to Rule
        By slot of the firm. ``set_price`` and ``choose_owners`` are asked at every iterate of the joint equilibrium:
        they must answer the same to the same view, and a rule that takes no notice of the view is a commitment.
    """

    world: World
    period: int
    quarter: Quarter
    plan_training: Rules = field(default_factory=dict)
    set_price: Rules = field(default_factory=dict)
    choose_owners: Rules = field(default_factory=dict)
    release_weights: Rules = field(default_factory=dict)

    @property
    def enter_markets(self) -> bool:
        """Whether any rule belongs to the joint equilibrium."""
        return bool(self.set_price or self.choose_owners)

    def planned(self, state: State, rules: Rulebook, funding: Funding) -> Funding:
        """Training outlay wanted, $bn; means limit it as anyone's.

        Raises
        ------
        AgentError
            When a rule raises or answers what is not an amount.
        """
        if not self.plan_training:
            return funding
        desired = funding.desired.copy()
        rent = mixture(state.rent, state.owner_weight) * (1.0 + rules.compute_tax)
        for slot, rule in self.plan_training.items():
            at = (0, slot)
            view = TrainingView(
                **self._common(slot),
                own_plan=float(funding.own_plan[at]),
                new_money=float(funding.new_money[at]),
                means=float(funding.means[at]),
                cash=float(state.cash[at]),
                debt=float(state.debt[at]),
                debt_limit=float(funding.debt_limit[at]),
                profit=float(total(state.profit[0, :, slot])),
                rent=float(rent[at]),
                own_compute=float(state.own_compute[at]),
                effective_compute=float(funding.effective_compute[at]),
                efficiency=float(state.efficiency[at]),
                power=_sealed(funding.power[0]),
                share=_sealed(state.share[0]),
            )
            desired[at] = self._asked("plan_training", rule, view, _amount)
        return replace(funding, desired=desired, plan=np.minimum(desired, funding.means))

    def chosen(self, choice: OwnerChoice, rent: Array, capacity: Array) -> OwnerChoice:
        """Choice of owners at rents ``[replicate, owner]``, with the weights of the rules for their firms.

        Raises
        ------
        AgentError
            When a rule raises or answers what are not weights.
        """
        if not self.choose_owners:
            return choice
        weights = []
        for slot, rule in self.choose_owners.items():
            appeal = choice.appeal[0, :, slot]
            view = OwnersView(
                **self._common(slot),
                rent=_sealed(rent[0]),
                capacity=_sealed(capacity[0]),
                appeal=_sealed(appeal),
                last_weight=_sealed(choice.last[0, :, slot]),
                loyalty=float(choice.loyalty[0, slot]),
            )
            weights.append(self._asked("choose_owners", rule, view, lambda answer, a=appeal: _weights(answer, a)))  # type: ignore[misc]
        return _Chosen(
            last=choice.last,
            appeal=choice.appeal,
            pull=choice.pull,
            total=choice.total,
            loyalty=choice.loyalty,
            slots=np.array(list(self.choose_owners)),
            own=np.stack(weights, axis=-1),
        )

    def priced(self, game: PriceGame, elasticity: Array, reply: Array) -> tuple[Array, Array]:
        """Elasticities that the prices of rules imply, and how these answer to shares.

        A price is c / (1 - tau) x eps / (eps - 1) whoever sets it, so that a rule's price enters as the elasticity
        that would justify it: profit, mark-ups and attraction follow as for everyone. Below cost it is negative.

        Parameters
        ----------
        game : PriceGame
        elasticity, reply : array [replicate, sector, firm]
            Of best replies; see ``pricing.perceived_elasticity`` and ``pricing.reply``.

        Raises
        ------
        AgentError
            When a rule raises or answers what are not prices.
        """
        if not self.set_price:
            return elasticity, reply
        p = self.world.parameters
        nudged = pricing.perceived_elasticity(
            game.share * (1.0 + _NUDGE), game.nest, game.revenue_taken, game.groups, p.substitution, p.nest_growth
        )
        implied, answer = elasticity.copy(), reply.copy()
        for slot, rule in self.set_price.items():
            price = self._price(slot, rule, game, elasticity)
            cost = game.cost[0, slot] / (1.0 - game.revenue_taken[0, slot])
            margin = 1.0 - cost / price
            implied[0, :, slot] = 1.0 / np.where(margin == 0.0, 1.0 / _LARGEST_ELASTICITY, margin)
            together = game.groups.head[0] == game.groups.head[0, slot]
            larger = game._replace(share=game.share * np.where(together, 1.0 + _NUDGE, 1.0))
            rise = np.log(self._price(slot, rule, larger, nudged) / price) / _NUDGE
            answer[0, :, slot] = 1.0 / (1.0 + (p.substitution - 1.0) * np.maximum(rise, 0.0))
        return implied, answer

    def _price(self, slot: int, rule: Rule, game: PriceGame, elasticity: Array) -> Array:
        view = PriceView(
            **self._common(slot),
            unit_cost=float(game.cost[0, slot]),
            revenue_taken=float(game.revenue_taken[0, slot]),
            elasticity=_sealed(elasticity[0, :, slot]),
            share=_sealed(game.share[0]),
            nest=_sealed(game.nest[0]),
        )
        return self._asked("set_price", rule, view, lambda answer: _prices(answer, len(view.sector_names)))

    def opened(
        self,
        state: State,
        opens: Flags,
        gain: Array,
        released: Array,
        funding: Funding,
        lost: Callable[[int], float],
        profit: Array,
    ) -> Flags:
        """Firms that publish their weights from now on; who is open already is not asked.

        Parameters
        ----------
        state : State
            At the start of the quarter.
        opens : flags [replicate, firm]
            What the vectorised rule answers.
        gain, released : array [replicate, firm]
            $bn per quarter, and M H100e-quarters that would be published.
        funding : Funding
            Of the quarter.
        lost : callable
            Profit that a slot loses to rivals, $bn per quarter.
        profit : array [replicate, firm]
            $bn of the quarter.

        Raises
        ------
        AgentError
            When a rule raises or answers neither yes nor no.
        """
        decided = opens.copy()
        for slot, rule in self.release_weights.items():
            at = (0, slot)
            if state.is_open[at]:
                continue
            view = ReleaseView(
                **self._common(slot),
                gain=float(gain[at]),
                loss=lost(slot),
                released=float(released[at]),
                open_frontier=float(funding.open_frontier[at]),
                own_compute=float(state.own_compute[at]),
                profit=float(profit[at]),
                power=_sealed(funding.power[0]),
            )
            decided[at] = self._asked("release_weights", rule, view, _yes_or_no)
        return decided

    def _common(self, slot: int) -> dict[str, Any]:
        world = self.world
        return {
            "firm": world.firm_names[slot],
            "slot": slot,
            "quarter": self.quarter,
            "period": self.period,
            "parameters": world.parameters,
            "firm_names": world.firm_names,
            "owner_names": world.owner_names,
            "sector_names": world.sector_names,
        }

    def _asked(self, decision: str, rule: Rule, view: Any, read: Callable[[Any], Answer]) -> Answer:  # noqa: ANN401  any of the views
        with failing(rule.agent, decision, self.quarter):
            return read(rule.ask(view))


class failing:  # noqa: N801  reads as the verb that it is
    """Says whose decision failed, when, and why.

    Parameters
    ----------
    agent, decision : str
        Who was asked, and for what.
    quarter : Quarter
        When.
    """

    def __init__(self, agent: str, decision: str, quarter: Quarter) -> None:
        self._told = agent, decision, quarter

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Raise an ``AgentError`` from any other error."""
        if isinstance(error, Exception) and not isinstance(error, AgentError):
            raise AgentError(*self._told, error) from error


@dataclass(frozen=True)
class _Chosen(OwnerChoice):
    """A choice in which some firms have weights of their own.

    Parameters
    ----------
    slots : counts [chooser]
        Which firms.
    own : array [owner, chooser]
        Their weights; columns sum to one.
    """

    slots: Counts
    own: Array

    def mean_rent(self, rent: Array) -> Array:
        mean = super().mean_rent(rent)
        mean[..., self.slots] = rent @ self.own
        return mean

    def demand(self, use: Array) -> Array:
        others = use.copy()
        others[..., self.slots] = 0.0
        return super().demand(others) + use[..., self.slots] @ self.own.T

    @cached_property
    def weights(self) -> Array:
        weights = super().weights.copy()
        weights[..., self.slots] = self.own
        return weights


def _sealed(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A copy that cannot be written."""
    copy = np.array(values)
    copy.setflags(write=False)
    return copy


def _amount(answer: Any) -> float:  # noqa: ANN401  whatever a user's method returns
    value = float(answer)
    if not (np.isfinite(value) and value >= 0.0):
        message = f"it answered {answer!r}; allowed: an amount of at least 0, in $bn"
        raise ValueError(message)
    return value


def _prices(answer: Any, n_sectors: int) -> Array:  # noqa: ANN401  whatever a user's method returns
    prices = np.asarray(answer, dtype=float)
    if prices.shape not in {(), (n_sectors,)} or not np.all(np.isfinite(prices) & (prices > 0.0)):
        message = f"it answered {answer!r}; allowed: one price above 0, or one for each of {n_sectors} sectors"
        raise ValueError(message)
    return np.broadcast_to(prices, (n_sectors,))


def _weights(answer: Any, appeal: Array) -> Array:  # noqa: ANN401  whatever a user's method returns
    weights = np.asarray(answer, dtype=float)
    is_allowed = weights.shape == appeal.shape and bool(np.all(np.isfinite(weights) & (weights >= 0.0)))
    if not is_allowed or not weights.sum() > 0.0 or np.any(weights[appeal == 0.0] > 0.0):
        message = (
            f"it answered {answer!r}; allowed: a weight of at least 0 for each of {len(appeal)} owners, not all 0, and "
            "0 where view.appeal is 0, because that owner does not sell to the firm"
        )
        raise ValueError(message)
    shares: Array = weights / weights.sum()
    return shares


def _yes_or_no(answer: Any) -> bool:  # noqa: ANN401  whatever a user's method returns
    if not isinstance(answer, bool | np.bool_):
        message = f"it answered {answer!r}; allowed: True or False"
        raise TypeError(message)
    return bool(answer)
