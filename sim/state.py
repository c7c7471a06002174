"""Every array of the model, declared once, with its axes, unit and meaning.

``State`` is what one quarter hands to the next (docs/model.md 2). The other classes hold what the stages of one
quarter compute; together they are ``Flows``. Axes named here are the last ones; replicates lead.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, NamedTuple, get_type_hints

import numpy as np

from sim.arrays import Array, Counts, Flags, total

if TYPE_CHECKING:
    from sim.accounts import Flow
    from sim.policies.levers import Rulebook


class Var(NamedTuple):
    """Axes, unit and meaning of an array."""

    axes: tuple[str, ...]
    unit: str
    sentence: str


_F, _O, _M, _S = ("firm",), ("owner",), ("maker",), ("sector",)
_SF, _OF, _OM = ("sector", "firm"), ("owner", "firm"), ("owner", "maker")

GIANT, LAB, SME = 0, 1, 2
FIRM_CLASSES = ("giant", "lab", "sme")

RELEASE_WINDOW = 8
"""Quarters that the history of own compute reaches back: the longest lag of a release."""


@dataclass(frozen=True, slots=True)
class State:
    """What one quarter hands to the next."""

    is_active: Annotated[Flags, Var(_F, "", "the slot holds a firm")]
    generation: Annotated[Counts, Var(_F, "firms", "how many firms the slot has held before")]
    firm_class: Annotated[Counts, Var(_F, "", "0 giant, 1 lab, 2 small or medium firm")]
    is_open: Annotated[Flags, Var(_F, "", "publishes its model weights")]
    is_hosted: Annotated[Flags, Var(_F, "", "opened its weights after the start, so that others sell them too")]
    is_pool_member: Annotated[Flags, Var(_F, "", "may use the federated pool's model")]
    group: Annotated[Counts, Var(_F, "", "slot of the firm that stands for its group, its own when alone")]
    is_successor: Annotated[Flags, Var(_F, "", "has been broken up or comes from a break-up")]
    age: Annotated[Counts, Var(_F, "quarters", "since entry or the start")]
    quarters_beyond: Annotated[Counts, Var(_F, "quarters", "in which debt has exceeded its limit")]
    cash: Annotated[Array, Var(_F, "$bn", "money")]
    debt: Annotated[Array, Var(_F, "$bn", "owed to lenders")]
    own_compute: Annotated[Array, Var(_F, "M H100e-quarters", "own effective training compute E_own")]
    own_compute_history: Annotated[Array, Var(("lag", "firm"), "M H100e-quarters", "E_own 1, 2, ... quarters ago")]
    efficiency: Annotated[Array, Var(_F, "ratio", "algorithmic efficiency A, frontier at the start 1")]
    own_chips: Annotated[Array, Var(_F, "M H100e", "chips that the firm owns k")]
    data: Annotated[Array, Var(_F, "$bn of initial prices", "data stock D")]
    log_strength: Annotated[Array, Var(_SF, "log", "ln xi, appeal that power, data and price do not explain")]
    share: Annotated[Array, Var(_SF, "share", "of the sector's AI spending last quarter")]
    target_share: Annotated[Array, Var(_SF, "share", "of those who chose last quarter")]
    profit: Annotated[Array, Var(_SF, "$bn", "operating profit of last quarter")]
    owner_weight: Annotated[Array, Var(_OF, "share", "of the firm's compute that comes from each owner")]
    funding_share: Annotated[Array, Var(_F, "share", "of investors' funding")]
    profit_growth: Annotated[Array, Var(_F, "log per quarter", "expected growth of profit g_Pi")]
    capability_growth: Annotated[Array, Var(_F, "log per quarter", "expected growth of E_own g_E")]
    nest: Annotated[Array, Var(_S, "share", "of the sector's budget spent on AI last quarter")]
    pool_compute: Annotated[Array, Var((), "M H100e-quarters", "effective compute of the federated pool E_fed")]
    capacity: Annotated[Array, Var(_O, "M H100e", "chips in place K")]
    chips_bought: Annotated[Array, Var(_O, "M H100e", "chips ever bought, worn out or not")]
    rent: Annotated[Array, Var(_O, "$bn per M H100e-quarter", "rental price w of last quarter")]
    captive_outlay_share: Annotated[Array, Var(_O, "share", "of all captive outlay")]
    public_capacity: Annotated[Array, Var((), "M H100e", "chips of the public pool")]
    owner_cash: Annotated[Array, Var(_O, "$bn", "money")]
    chips_sold: Annotated[Array, Var(_M, "M H100e", "chips ever sold")]
    price_cost: Annotated[Array, Var(_M, "ratio", "price over unit cost last quarter")]
    review_acquirer: Annotated[Counts, Var(("review",), "", "slots that asked to merge 1, 2, ... quarters ago, or -1")]
    review_target: Annotated[Counts, Var(("review",), "", "slots that they asked to merge with")]
    recent_profit: Annotated[Array, Var(("lag",), "$bn", "industry operating profit of four quarters")]
    recent_outlay: Annotated[Array, Var(("lag",), "$bn", "industry training outlay of four quarters")]
    fund_committed: Annotated[Array, Var((), "$bn", "next quarter's funding already given to entrants")]
    government_cash: Annotated[Array, Var((), "$bn", "sum of past fiscal balances")]
    household_cash: Annotated[Array, Var((), "$bn", "of households and funders, the closing sector")]

    @property
    def is_small(self) -> Flags:
        """Small and medium firms in the market; ``[..., firm]``."""
        small: Flags = self.is_active & (self.firm_class == SME)
        return small


@dataclass(frozen=True, slots=True)
class Drivers:
    """What the world outside does this quarter; no replicates."""

    budget: Annotated[Array, Var(_S, "$bn per quarter", "spending that AI can win M")]
    unit_cost: Annotated[Array, Var(_M, "$bn per M H100e", "cost of a chip")]
    maker_capacity: Annotated[Array, Var(_M, "M H100e per quarter", "path of output")]
    site_cost: Annotated[float, Var((), "$bn per M H100e", "data centre per chip")]
    kilowatt: Annotated[float, Var((), "kW per H100e", "draw with cooling")]
    electricity_price: Annotated[float, Var((), "$ per MWh", "energy price")]
    grid_intensity: Annotated[float, Var((), "tCO2 per MWh", "of electricity")]
    captive_outlay: Annotated[float, Var((), "$bn per quarter", "all owners' spending on their own business")]
    investor_fund: Annotated[float, Var((), "$bn per quarter", "path of investors' funding")]
    parent_fund: Annotated[float, Var((), "$bn per quarter", "path of parents' funding")]
    order_factor: Annotated[Array, Var(_O, "ratio", "orders over capacity share phi")]
    grid_limit: Annotated[float, Var((), "M H100e per quarter", "most chips that the grid can connect")]


@dataclass(frozen=True, slots=True)
class Funding:
    """Stage 3: new money, expectations and the training plan."""

    funding_share: Annotated[Array, Var(_F, "share", "of investors' funding")]
    raised: Annotated[Array, Var(_F, "$bn", "new equity from investors and partners")]
    overdrawn: Annotated[Array, Var((), "$bn", "given to entrants beyond this quarter's fund")]
    partner_credit: Annotated[Array, Var(_OF, "$bn", "part of it paid by each partner owner")]
    parent_grant: Annotated[Array, Var(_OF, "$bn", "paid by each parent owner")]
    grant: Annotated[Array, Var(_F, "$bn", "paid by the government")]
    open_frontier: Annotated[Array, Var(_F, "M H100e-quarters", "best open model of another firm")]
    effective_compute: Annotated[Array, Var(_F, "M H100e-quarters", "E_eff, own and open")]
    power: Annotated[Array, Var(_F, "ratio", "AI power P, the leader's at the start 1")]
    power_elasticity: Annotated[Array, Var(_F, "elasticity", "gamma_i of P to E_eff")]
    horizon: Annotated[Array, Var(_F, "ratio", "H, outlay over marginal profit")]
    own_plan: Annotated[Array, Var(_F, "$bn", "training outlay that own margins justify x")]
    desired: Annotated[Array, Var(_F, "$bn", "training outlay wanted, with earmarked funds")]
    means: Annotated[Array, Var(_F, "$bn", "most that cash and credit allow to spend on training")]
    plan: Annotated[Array, Var(_F, "$bn", "training outlay planned, with earmarked funds and within means")]
    debt_limit: Annotated[Array, Var(_F, "$bn", "most that lenders allow")]

    @property
    def private_money(self) -> Array:
        """From investors, partners and parents, $bn; ``[..., firm]``."""
        return self.raised + total(self.parent_grant, axis=-2)

    @property
    def new_money(self) -> Array:
        """From everyone, the government included, $bn; ``[..., firm]``."""
        return self.private_money + self.grant


@dataclass(frozen=True, slots=True)
class Allotments:
    """Compute that rules give to firms outside the market."""

    public: Annotated[Array, Var(_F, "M H100e", "from the public pool, free")]
    pooled: Annotated[Array, Var(_F, "M H100e", "from the platform of idle capacity")]
    reserved: Annotated[Array, Var(_F, "M H100e", "from capacity set aside")]
    owner_pooled: Annotated[Array, Var(_O, "M H100e", "idle capacity that the platform rents out")]
    owner_reserved: Annotated[Array, Var(_O, "M H100e", "usable capacity set aside")]
    pooled_price: Annotated[Array, Var((), "$bn per M H100e-quarter", "that the platform asks")]
    reserved_price: Annotated[Array, Var((), "$bn per M H100e-quarter", "of capacity set aside: its running cost")]

    @property
    def compute(self) -> Array:
        """All of it, M H100e; ``[..., firm]``."""
        return self.public + self.pooled + self.reserved

    @property
    def charge(self) -> Array:
        """What firms pay for it, $bn; ``[..., firm]``."""
        return self.pooled_price[..., None] * self.pooled + self.reserved_price[..., None] * self.reserved

    @property
    def owner_compute(self) -> Array:
        """What each owner provides, M H100e; ``[..., owner]``."""
        return self.owner_pooled + self.owner_reserved

    @property
    def owner_income(self) -> Array:
        """What each owner is paid for it, $bn; ``[..., owner]``."""
        return self.pooled_price[..., None] * self.owner_pooled + self.reserved_price[..., None] * self.owner_reserved


@dataclass(frozen=True, slots=True)
class Markets:
    """Stages 4 and 5: compute and product markets, solved together."""

    allotments: Allotments
    rent: Annotated[Array, Var(_O, "$bn per M H100e-quarter", "rental price w")]
    floor: Annotated[Array, Var(_O, "$bn per M H100e-quarter", "running cost below which chips idle")]
    supply: Annotated[Array, Var(_O, "M H100e", "usable capacity, the platform's idle chips included")]
    captive_use: Annotated[Array, Var(_O, "M H100e", "used by owners' own business")]
    use: Annotated[Array, Var(_O, "M H100e", "chips in use")]
    owner_weight: Annotated[Array, Var(_OF, "share", "of the firm's compute that comes from each owner")]
    user_rent: Annotated[Array, Var(_F, "$bn per M H100e-quarter", "mean rent before tax w_i")]
    serving_need: Annotated[Array, Var(_F, "M H100e-quarters per unit", "kappa")]
    unit_cost: Annotated[Array, Var(_F, "$bn per unit", "of serving")]
    training: Annotated[Array, Var(_F, "M H100e", "compute that trains C, allotments included")]
    rented: Annotated[Array, Var(_F, "M H100e", "training and serving compute rented on the market")]
    serving: Annotated[Array, Var(_F, "M H100e", "compute that serves")]
    own_chips_used: Annotated[Array, Var(_F, "M H100e", "of the firm's own chips")]
    elasticity: Annotated[Array, Var(_SF, "elasticity", "of demand that the firm perceives eps")]
    price: Annotated[Array, Var(_SF, "$bn per unit", "the leader's at the start 1")]
    attraction: Annotated[Array, Var(_SF, "ratio", "V, with its price")]
    target_share: Annotated[Array, Var(_SF, "share", "of those who choose now")]
    share: Annotated[Array, Var(_SF, "share", "of the sector's AI spending")]
    odds: Annotated[Array, Var(_S, "ratio", "of buying AI o")]
    nest: Annotated[Array, Var(_S, "share", "of the sector's budget spent on AI")]
    revenue: Annotated[Array, Var(_SF, "$bn", "sales")]
    quantity: Annotated[Array, Var(_SF, "$bn of initial prices", "units sold")]
    profit: Annotated[Array, Var(_SF, "$bn", "sales less serving, operating cost and levies")]
    market_residual: Annotated[Array, Var((), "ratio", "largest departure from clearing")]
    price_residual: Annotated[Array, Var((), "ratio", "largest departure from best replies")]
    iterations: Annotated[Counts, Var((), "count", "sweeps until both markets cleared")]

    @property
    def compute_used(self) -> Array:
        """Training and serving compute, M H100e; ``[..., firm]``."""
        return self.training + self.serving


@dataclass(frozen=True, slots=True)
class Accounts:
    """Stage 6: who paid what, and firms' money afterwards."""

    rents: Annotated[Array, Var(_F, "$bn", "paid for compute before tax")]
    staff: Annotated[Array, Var(_F, "$bn", "wages of training")]
    operating_cost: Annotated[Array, Var(_F, "$bn", "proportional to sales, and fixed")]
    interest: Annotated[Array, Var(_F, "$bn", "on debt")]
    compute_tax: Annotated[Array, Var(_F, "$bn", "on rents, negative for a subsidy")]
    compliance: Annotated[Array, Var(_F, "$bn", "of complying with rules")]
    own_chips_cost: Annotated[Array, Var(_F, "$bn", "of running own chips")]
    allotment_charge: Annotated[Array, Var(_F, "$bn", "paid for compute outside the market")]
    other_taxes: Annotated[Array, Var(_F, "$bn", "on use, revenue and profit")]
    earnings: Annotated[Array, Var(_F, "$bn", "sales less all costs, interest and taxes")]
    dividends: Annotated[Array, Var(_F, "$bn", "paid to households")]
    net_borrowing: Annotated[Array, Var(_F, "$bn", "new debt less repayment")]
    cash: Annotated[Array, Var(_F, "$bn", "money afterwards")]
    debt: Annotated[Array, Var(_F, "$bn", "owed afterwards")]
    owner_income: Annotated[Array, Var(_O, "$bn", "rents less running cost and money given to firms")]
    fiscal_balance: Annotated[Array, Var((), "$bn", "taxes less subsidies, grants and running cost, before investment")]
    flows: tuple[Flow, ...]


@dataclass(frozen=True, slots=True)
class Investment:
    """Stage 8: chips ordered, priced and delivered."""

    value: Annotated[Array, Var(_O, "$bn per M H100e", "of one more chip to the owner")]
    mean_value: Annotated[Array, Var((), "$bn per M H100e", "of one more chip, by capacity")]
    orders: Annotated[Array, Var(_O, "share", "of all shipments")]
    price: Annotated[Array, Var(_M, "$bn per M H100e", "of a chip")]
    shipments: Annotated[Array, Var(_M, "M H100e", "sold")]
    delivered: Annotated[Array, Var(_OM, "M H100e", "chips of each maker to each owner")]
    firm_chips: Annotated[Array, Var(_F, "M H100e", "bought by firms")]
    firm_outlay: Annotated[Array, Var(_F, "$bn", "paid by firms for chips and sites")]
    public_chips: Annotated[Array, Var(_M, "M H100e", "chips of each maker for the public pool")]
    public_outlay: Annotated[Array, Var((), "$bn", "paid by the government for chips and sites of the public pool")]
    chip_outlay: Annotated[Array, Var(_O, "$bn", "paid to makers")]
    site_outlay: Annotated[Array, Var(_O, "$bn", "paid for sites")]
    owner_cash: Annotated[Array, Var(_O, "$bn", "money afterwards")]
    flows: tuple[Flow, ...]


@dataclass(frozen=True, slots=True)
class Demography:
    """Stage 9: who left and who came."""

    exits: Annotated[Flags, Var(_F, "", "left at the end of the quarter")]
    entries: Annotated[Flags, Var(_F, "", "enters next quarter")]
    refused: Annotated[Counts, Var((), "firms", "that wanted to enter and found no slot")]
    written_off: Annotated[Array, Var(_F, "$bn", "debt that lenders lost")]
    entry_grants: Annotated[Array, Var((), "$bn", "paid by the government to firms that enter")]
    flows: tuple[Flow, ...]


@dataclass(frozen=True, slots=True)
class Merging:
    """Stage 9: who asked to merge, what became of earlier cases, and who was broken up; slots, -1 for nobody."""

    proposer: Annotated[Counts, Var((), "", "firm that proposes a merger now")]
    proposed: Annotated[Counts, Var((), "", "firm that it proposes to")]
    acquirer: Annotated[Counts, Var((), "", "firm whose case is decided now")]
    target: Annotated[Counts, Var((), "", "firm that it asked for")]
    screened: Annotated[Flags, Var((), "", "the case was large enough to be reviewed")]
    harm: Annotated[Array, Var((), "share", "of spending on AI that customers would lose, as the review found")]
    approved: Annotated[Flags, Var((), "", "the pair merges")]
    integration_cost: Annotated[Array, Var(_F, "$bn", "paid by firms that took over another")]
    break_ups: Annotated[Flags, Var(_F, "", "split by a rule")]
    break_ups_refused: Annotated[Flags, Var(_F, "", "would be split, but no slot is free for its successors")]
    flows: tuple[Flow, ...]


@dataclass(frozen=True, slots=True)
class Flows:
    """Everything that one quarter computed, by stage."""

    drivers: Drivers
    rules: Rulebook
    funding: Funding
    markets: Markets
    accounts: Accounts
    investment: Investment
    demography: Demography
    merging: Merging

    @property
    def fiscal_balance(self) -> Array:
        """Taxes less everything that the government pays, $bn; ``[...]``."""
        spent = self.investment.public_outlay + self.demography.entry_grants
        return self.accounts.fiscal_balance - spent

    @property
    def ledger(self) -> tuple[Flow, ...]:
        """Every flow of money of the quarter."""
        return self.accounts.flows + self.investment.flows + self.demography.flows + self.merging.flows


def undefined(state: State) -> str:
    """Name of the first array with a NaN; empty where there is none.

    Arithmetic that makes a NaN is an error at once; this finds those that came in, as from a policy's levers.
    """
    for each in fields(state):
        values = getattr(state, each.name)
        if values.dtype.kind == "f" and np.isnan(values.max(initial=-np.inf)):
            return each.name
    return ""


def variables(cls: type) -> dict[str, Var]:
    """Declared arrays of a class of this module, by name.

    >>> variables(Investment)["delivered"].axes
    ('owner', 'maker')
    """
    hints = get_type_hints(cls, globalns=_namespace(), include_extras=True)
    return {
        field.name: hints[field.name].__metadata__[0]
        for field in fields(cls)
        if hasattr(hints[field.name], "__metadata__")
    }


def along(cls: type, axis: str) -> tuple[str, ...]:
    """Names of the variables whose last axis this is.

    >>> along(State, "maker")
    ('chips_sold', 'price_cost')
    """
    return tuple(name for name, var in variables(cls).items() if var.axes[-1:] == (axis,))


def _namespace() -> dict[str, object]:
    from sim.accounts import Flow
    from sim.policies.levers import Rulebook

    return {**globals(), "Flow": Flow, "Rulebook": Rulebook}
