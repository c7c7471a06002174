"""Agents as windows: each knows its slot, and its attributes read the arrays of the model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import mesa

from sim.errors import InputError
from sim.mesa_model.windows import Flow, Stock, Window
from sim.observe import FIRM_COLUMNS, MAKER_COLUMNS, OWNER_COLUMNS
from sim.state import FIRM_CLASSES, State, variables

if TYPE_CHECKING:
    from sim.arrays import Array
    from sim.mesa_model.model import PowerModel
    from sim.policies.levers import Observation
    from sim.views import OwnersView, PriceView, ReleaseView, TrainingView

_STATE = variables(State)

FIRM_DECISIONS = ("plan_training", "set_price", "choose_owners", "release_weights")
"""Methods of firms that a subclass may override; a regulator's is ``decide``."""


def _stock(name: str, **written: Any) -> Stock:
    var = _STATE[name]
    return Stock(name, var.unit, var.sentence[0].upper() + var.sentence[1:], **written)


def _flow(table: str, name: str) -> Flow:
    column = {"firms": FIRM_COLUMNS, "owners": OWNER_COLUMNS, "makers": MAKER_COLUMNS}[table][name]
    return Flow(table, column.unit, column.sentence[0].upper() + column.sentence[1:])


class ArrayAgent(mesa.Agent):  # type: ignore[misc]  # Mesa ships no annotations
    """What all agents have in common.

    Attributes
    ----------
    name : str
    slot : int
        Place along the axis of its population.
    left : str
        Quarter at whose end it left; empty while it is there.
    """

    model: PowerModel

    def __init__(self, model: PowerModel, slot: int, name: str) -> None:
        super().__init__(model)
        self.slot = slot
        self.name = name
        self.left = ""

    def __setattr__(self, name: str, value: object) -> None:
        if name in (*FIRM_DECISIONS, "decide") and hasattr(type(self), name):
            message = (
                f"{self.name}: {name} is asked of a class, not of one agent; override it in a subclass and make that "
                f"with PowerModel(..., agent_classes={{{self.name!r}: ...}})"
            )
            raise InputError(message)
        super().__setattr__(name, value)

    def require_present(self) -> None:
        """Refuse to speak for whoever holds the slot now.

        Raises
        ------
        InputError
            When the agent has left.
        """
        if self.left:
            message = (
                f"{self.name} left at the end of {self.left} and has no numbers any more; keep what you need before"
            )
            raise InputError(message)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    @property
    def label(self) -> str:
        """What errors call it."""
        return f"{self.name} ({type(self).__name__})"

    @classmethod
    def attributes(cls) -> dict[str, Window]:
        """Attributes that stand for numbers of the engine, by name."""
        return {
            name: window
            for base in reversed(cls.__mro__)
            for name, window in vars(base).items()
            if isinstance(window, Window)
        }

    @classmethod
    def writable(cls) -> set[str]:
        """Attributes that may be written; what is written counts from the next step."""
        return {n for n, window in cls.attributes().items() if isinstance(window, Stock) and window.least is not None}

    def to_dict(self) -> dict[str, Any]:
        """Every attribute by name."""
        return {name: getattr(self, name) for name in self.attributes()}


class Firm(ArrayAgent):
    """A developer of AI models.

    Stocks, such as ``cash``, are what they are now. Flows, such as ``revenue``, and ``power`` are of the quarter that
    was simulated last, as in the table ``firms`` of a result. To write a firm by hand, override one or more of
    ``plan_training``, ``set_price``, ``choose_owners`` and ``release_weights``; a method that is not overridden stays
    with the vectorised rule, and ``super()`` gives what that rule would answer.

    Attributes
    ----------
    generation : int
        How many firms held the slot before.
    """

    cash = _stock("cash", least=-math.inf, payer="household_cash")
    debt = _stock("debt", least=0.0)
    own_compute = _stock("own_compute", least=0.0, is_above=True)
    efficiency = _stock("efficiency", least=0.0, is_above=True)
    data = _stock("data", least=0.0)
    own_chips = _stock("own_chips", least=0.0)
    is_active = _stock("is_active")
    is_open = _stock("is_open")
    is_pool_member = _stock("is_pool_member")
    age = _stock("age")
    funding_share = _stock("funding_share")
    profit_growth = _stock("profit_growth")
    capability_growth = _stock("capability_growth")
    revenue = _flow("firms", "revenue")
    revenue_share = _flow("firms", "revenue_share")
    profit = _flow("firms", "profit")
    earnings = _flow("firms", "earnings")
    price = _flow("firms", "price")
    rent_paid = _flow("firms", "rent_paid")
    compute_training = _flow("firms", "compute_training")
    compute_serving = _flow("firms", "compute_serving")
    compute_used = _flow("firms", "compute_used")
    training_run_flop = _flow("firms", "training_run_flop")
    power = _flow("firms", "power")
    effective_compute = _flow("firms", "effective_compute")
    raised = _flow("firms", "raised")
    planned_outlay = _flow("firms", "planned_outlay")

    def __init__(self, model: PowerModel, slot: int, name: str, generation: int) -> None:
        super().__init__(model, slot, name)
        self.generation = generation

    @property
    def firm_class(self) -> str:
        """``giant``, ``lab`` or ``sme``."""
        self.require_present()
        return FIRM_CLASSES[int(self.model.state.firm_class[0, self.slot])]

    @property
    def group(self) -> str:
        """Name of the firm that stands for all firms of its owner; its own when alone."""
        self.require_present()
        return self.model.firm_name(int(self.model.state.group[0, self.slot]))

    @property
    def share_by_sector(self) -> dict[str, float]:
        """Shares of the sectors' AI spending last quarter."""
        self.require_present()
        return self.model.by_sector(self.model.state.share[0, :, self.slot])

    @property
    def owner_weights(self) -> dict[str, float]:
        """Shares of its compute that come from each owner, those that are not zero."""
        self.require_present()
        weights = self.model.state.owner_weight[0, :, self.slot].tolist()
        return {
            name: weight for name, weight in zip(self.model.world.owner_names, weights, strict=True) if weight > 0.0
        }

    def plan_training(self, view: TrainingView) -> float:
        """Training outlay wanted this quarter, $bn; means limit it.

        The default rule: what own margins justify, and the earmarked part of new money.
        """
        return view.own_plan + view.parameters.earmark * view.new_money

    def set_price(self, view: PriceView) -> Array | float:
        """Price of a unit, $bn: one for all sectors, or one for each.

        The default rule: the best reply to everyone else's price. Asked several times in a quarter, at every iterate of
        the joint equilibrium: the answer may depend on nothing but the view. An answer that takes no notice of the view
        is a commitment, to which everyone else replies.
        """
        return view.best_reply

    def choose_owners(self, view: OwnersView) -> Array:
        """Weights over owners of compute; they are divided by their sum.

        The default rule: loyalty to last quarter's owners, else capacity, rent and ties. Asked as ``set_price`` is.
        """
        weights: Array = view.loyalty * view.last_weight + (1.0 - view.loyalty) * view.target_weight
        return weights

    def release_weights(self, view: ReleaseView) -> bool:
        """Whether to publish model weights from now on; a firm that does is not asked again.

        The default rule: yes when that gains more than it loses. Nobody is asked where the scenario switches the
        mechanisms ``open_weights`` or ``openness`` off.
        """
        return view.gain > max(view.loss, 0.0)


class CloudProvider(ArrayAgent):
    """An owner of compute: a cloud provider, a hyperscaler or a firm that owns for itself alone."""

    capacity = _stock("capacity", least=0.0, is_above=True)
    cash = _stock("owner_cash", least=-math.inf, payer="household_cash")
    chips_bought = _stock("chips_bought")
    captive_outlay_share = _stock("captive_outlay_share")
    rental_price = _flow("owners", "rental_price")
    captive_use = _flow("owners", "captive_use")
    utilised = _flow("owners", "utilised")
    order_value = _flow("owners", "order_value")
    delivered = _flow("owners", "delivered")
    chip_outlay = _flow("owners", "chip_outlay")
    site_outlay = _flow("owners", "site_outlay")
    income = _flow("owners", "income")

    @property
    def is_seller(self) -> bool:
        """Whether it rents out on the market; the rent of others is a shadow price."""
        return bool(self.model.world.is_seller[self.slot])


class ChipMaker(ArrayAgent):
    """A maker of chips."""

    chips_sold = _stock("chips_sold")
    price_cost = _stock("price_cost")
    shipments = _flow("makers", "shipments")
    share = _flow("makers", "share")
    price = _flow("makers", "price")
    unit_cost = _flow("makers", "unit_cost")
    revenue = _flow("makers", "revenue")
    profit = _flow("makers", "profit")

    @property
    def is_merchant(self) -> bool:
        """Whether anyone may buy from it."""
        return bool(self.model.world.is_merchant[self.slot])


class SectorMarket(ArrayAgent):
    """A sector that buys AI services."""

    nest = _stock("nest")
    budget = Flow("sectors", "$bn per quarter", "Spending that AI can win")
    revenue = Flow("sectors", "$bn per quarter", "Spending on AI")
    quantity = Flow("sectors", "$bn of initial prices", "Units bought")
    price = Flow("sectors", "ratio", "Mean price of a unit")
    hhi = Flow("sectors", "points", "HHI of firms' shares of spending, firms of one owner taken together")

    @property
    def shares(self) -> dict[str, float]:
        """Firms' shares of spending last quarter, those that are not zero."""
        shares = self.model.state.share[0, self.slot].tolist()
        return {self.model.firm_name(slot): share for slot, share in enumerate(shares) if share > 0.0}


class Regulator(ArrayAgent):
    """The government: policies in force and their balance.

    To write one by hand, override ``decide``: it answers with levers, which join those of the scenario's policies.
    """

    cash = _stock("government_cash", least=-math.inf, payer="household_cash")

    @property
    def fiscal_balance(self) -> float:
        """Taxes less everything that the government paid last quarter, $bn; nan before the first."""
        return self.model.measures.get("fiscal_balance", math.nan)

    @property
    def levers(self) -> dict[str, Any]:
        """The rulebook of last quarter: levers that were not neutral, a number or an array over firms or owners."""
        return self.model.levers

    def decide(self, view: Observation) -> Mapping[str, Array | float]:
        """Levers of the quarter, by name as in docs/notation.md.

        Parameters
        ----------
        view : Observation
            What a policy may look at; ``view.past`` holds the quarters that are over, the oldest first.
        """
        del view
        return {}
