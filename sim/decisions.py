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

from sim.arrays import Array, Counts, Flags, dot, total
from sim.errors import AgentError
from sim.groups import Groups
from sim.policies.levers import Rulebook
from sim.quarters import Quarter
from sim.state import Funding, State
from sim.submodels import compute_market, pricing
from sim.submodels.clearing import NO_RULES, Given, Guess, Table
from sim.submodels.compute_market import OwnerChoice
from sim.views import OwnersView, PriceView, ReleaseView, TrainingView
from sim.world.build import World

_NUDGE = 1e-6
"""Change of a firm's share, and relative change of its cost and of rents, by which it is learned how rules answer."""
_NO_SLOPE = 1e-8
"""Slope that is taken for none; what is smaller is rounding."""
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


class Answers(NamedTuple):
    """What rules answer where both markets stand.

    Parameters
    ----------
    prices : mapping of int to array [sector]
        By slot, $bn per unit.
    weights : mapping of int to array [owner]
        By slot; they sum to one.
    """

    prices: Mapping[int, Array]
    weights: Mapping[int, Array]

    def chosen(self, choice: OwnerChoice) -> OwnerChoice:
        """The choice of owners with the weights of rules in the place of their firms'."""
        if not self.weights:
            return choice
        return _Chosen(
            last=choice.last,
            appeal=choice.appeal,
            pull=choice.pull,
            total=choice.total,
            loyalty=choice.loyalty,
            slots=np.array(list(self.weights)),
            own=np.stack(list(self.weights.values()), axis=-1),
        )

    def implied(self, elasticity: Array, cost: Array) -> Array:
        """Elasticities, with those that the prices of rules imply in the place of their firms'.

        A price is c / (1 - tau) x eps / (eps - 1) whoever sets it, so that a rule's price enters as the elasticity
        that would justify it: profit, mark-ups and attraction follow as for everyone. Below cost it is negative.

        Parameters
        ----------
        elasticity : array [replicate, sector, firm]
        cost : array [replicate, firm]
            c / (1 - tau).
        """
        if not self.prices:
            return elasticity
        implied = elasticity.copy()
        for slot, price in self.prices.items():
            margin = 1.0 - cost[0, slot] / price
            implied[0, :, slot] = 1.0 / np.where(margin == 0.0, 1.0 / _LARGEST_ELASTICITY, margin)
        return implied


class _Stand(NamedTuple):
    """Where both markets stand at a guess; shapes as in ``sim.submodels.pricing``."""

    rent: Array
    choice: OwnerChoice
    cost: Array
    share: Array
    nest: Array
    elasticity: Array
    groups: Groups

    @classmethod
    def of(cls, g: Given, guess: Guess, groups: Groups) -> _Stand:
        rent = np.exp(guess.log_rent)
        choice = _choice(g, rent)
        cost = pricing.unit_cost(g.serving_need, choice.mean_rent(rent) * (1.0 + g.compute_tax), g.usage_tax)
        elasticity = pricing.perceived_elasticity(
            guess.share, guess.nest, g.revenue_taken, groups, g.substitution, g.nest_growth
        )
        return cls(rent, choice, cost, guess.share, guess.nest, elasticity, groups)

    def risen(self, g: Given, slot: int) -> _Stand:
        """The same where only a firm's shares are larger, by ``_NUDGE``, and elasticities with them."""
        share = self.share.copy()
        share[0, :, slot] += _NUDGE
        elasticity = pricing.perceived_elasticity(
            share, self.nest, g.revenue_taken, self.groups, g.substitution, g.nest_growth
        )
        return self._replace(share=share, elasticity=elasticity)

    def dearer(self) -> _Stand:
        """The same where only costs are larger, by ``_NUDGE``."""
        return self._replace(cost=self.cost * (1.0 + _NUDGE))

    def at_rent(self, g: Given, rent: Array) -> _Stand:
        """The same where only rents and the choice of owners differ."""
        return self._replace(rent=rent, choice=_choice(g, rent))


def _choice(g: Given, rent: Array) -> OwnerChoice:
    return compute_market.choose_owners(g.capacity, rent, g.affinity, g.price_elasticity, g.last_weight, g.loyalty)


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
        rent = dot(state.rent, state.owner_weight) * (1.0 + rules.compute_tax)
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

    @property
    def enter_markets(self) -> bool:
        """Whether any rule belongs to the joint equilibrium."""
        return bool(self.set_price or self.choose_owners)

    def entered(self, given: Given, guess: Guess, groups: Groups) -> tuple[Given, Table]:
        """How rules enter the solver: as they answer at a guess and nearby.

        A rule of prices moves with the firm's share and cost as it does here, or as the best reply does where it moves
        with that; a rule of weights with rents, or as the default rule does. So a rule that ignores its view enters as
        it is, and so does the default rule written by hand.

        Returns
        -------
        bent : Given
            With weights that answer as the rules do here.
        rules : table [rule]
            Of prices, as ``clearing.solve`` takes them.

        Raises
        ------
        AgentError
            When a rule raises, or answers what are not weights or prices.
        """
        bent = self._bent(given, _Stand.of(given, guess, groups))
        stand = _Stand.of(bent, guess, groups)
        rows = [row for slot, rule in self.set_price.items() for row in self._lines(slot, rule, given, stand)]
        return bent, np.array(rows, dtype=NO_RULES.dtype)

    def _bent(self, given: Given, stand: _Stand) -> Given:
        if not self.choose_owners:
            return given
        affinity, last, loyalty = given.affinity.copy(), given.last_weight.copy(), given.loyalty.copy()
        pattern = np.cos(np.arange(stand.rent.shape[-1]))
        nudged = stand.at_rent(given, stand.rent * np.exp(_NUDGE * pattern))
        for slot, rule in self.choose_owners.items():
            own = self._weights(slot, rule, given, stand)
            moved = self._weights(slot, rule, given, nudged) - own
            usual = nudged.choice.weights[0, :, slot] - stand.choice.weights[0, :, slot]
            if loyalty[0, slot] > 0.0 and np.abs(moved - usual).max() <= _NO_SLOPE * _NUDGE:
                last[0, :, slot] += (own - stand.choice.weights[0, :, slot]) / loyalty[0, slot]
                continue
            log_odds = given.price_elasticity * pattern
            freely = -_NUDGE * own * (log_odds - own @ log_odds)
            free = float(moved @ freely / (freely @ freely)) if freely.any() else 0.0
            affinity[0, :, slot] = own / stand.choice.pull[0]
            last[0, :, slot], loyalty[0, slot] = own, 1.0 - free
        return given._replace(affinity=affinity, last_weight=last, loyalty=loyalty)

    def _lines(self, slot: int, rule: Rule, given: Given, stand: _Stand) -> list[tuple[float, ...]]:
        """Rows of a rule of prices, one for each sector."""
        kept = 1.0 - given.revenue_taken[0, slot]

        def logs(stand: _Stand) -> Array:
            """Of the rule's price, and of that over the best reply; ``[2, sector]``."""
            price, eps = self._price(slot, rule, given, stand), stand.elasticity[0, :, slot]
            return np.log([price, price / (stand.cost[0, slot] / kept * eps / (eps - 1.0))])

        here = logs(stand)
        to_share = (logs(stand.risen(given, slot)) - here) / _NUDGE
        to_cost = (logs(stand.dearer()) - here) / np.log1p(_NUDGE)
        to_share, to_cost = (np.where(np.abs(slope) < _NO_SLOPE, 0.0, slope) for slope in (to_share, to_cost))
        is_relative = (to_share[1] == 0.0) & (to_cost[1] == 0.0)
        worth = float(np.log(kept / stand.cost[0, slot]))
        return [
            (s, slot, alike, here[k, s], to_share[k, s], to_cost[k, s], stand.share[0, s, slot], worth)
            for s, alike in enumerate(is_relative.tolist())
            for k in (int(alike),)
        ]

    def answered(self, given: Given, found: Guess, groups: Groups, bent: Given, rules: Table) -> tuple[Answers, float]:
        """What rules answer where the solver came to rest, and how far that is from how they entered.

        Returns
        -------
        answers : Answers
        surprise : float
            Largest difference of a log price or a weight.

        Raises
        ------
        AgentError
            When a rule raises, or answers what are not weights or prices.
        """
        stand = _Stand.of(bent, found, groups)
        weights = {slot: self._weights(slot, rule, given, stand) for slot, rule in self.choose_owners.items()}
        prices = {slot: self._price(slot, rule, given, stand) for slot, rule in self.set_price.items()}
        gaps = [0.0]
        for slot, own in weights.items():
            gaps.append(float(np.abs(own - stand.choice.weights[0, :, slot]).max()))
        for row in rules:
            slot, s = row["firm"], row["sector"]
            kept, eps = 1.0 - given.revenue_taken[0, slot], stand.elasticity[0, s, slot]
            cost, risen = stand.cost[0, slot], stand.share[0, s, slot] - row["share"]
            entered = row["log_price"] + row["to_share"] * risen + row["to_cost"] * (row["worth"] - np.log(kept / cost))
            if row["is_relative"]:
                entered += np.log(cost / kept * eps / (eps - 1.0))
            gaps.append(float(np.abs(np.log(prices[slot][s]) - entered)))
        return Answers(prices, weights), max(gaps)

    def _weights(self, slot: int, rule: Rule, given: Given, stand: _Stand) -> Array:
        appeal = given.affinity[0, :, slot]
        view = OwnersView(
            **self._common(slot),
            rent=_sealed(stand.rent[0]),
            capacity=_sealed(given.capacity[0]),
            appeal=_sealed(appeal),
            last_weight=_sealed(given.last_weight[0, :, slot]),
            loyalty=float(given.loyalty[0, slot]),
        )
        return self._asked("choose_owners", rule, view, lambda answer: _weights(answer, appeal))

    def _price(self, slot: int, rule: Rule, given: Given, stand: _Stand) -> Array:
        view = PriceView(
            **self._common(slot),
            unit_cost=float(stand.cost[0, slot]),
            revenue_taken=float(given.revenue_taken[0, slot]),
            elasticity=_sealed(stand.elasticity[0, :, slot]),
            share=_sealed(stand.share[0]),
            nest=_sealed(stand.nest[0]),
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
