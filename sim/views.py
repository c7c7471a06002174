"""What a hand-written firm sees when it is asked to decide: numbers and read-only arrays, with units.

A view is made for one firm of one replicate. Arrays end in the axis that the field names; names along them are in
``owner_names`` and ``sector_names``. Public knowledge about rivals is power and market shares; everything else is the
firm's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.arrays import Array
from sim.parameters import Parameters
from sim.quarters import Quarter


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What every view tells.

    Attributes
    ----------
    firm : str
        Name of the firm.
    slot : int
        Its place along the axis ``firm``.
    quarter : Quarter
        Which quarter it is; ``str(view.quarter)`` is, say, 2026Q1.
    period : int
        Quarters since the world's start.
    parameters : Parameters
        The world's, by name as in docs/notation.md.
    firm_names, owner_names, sector_names : tuple of str
        Along the axes.
    """

    firm: str
    slot: int
    quarter: Quarter
    period: int
    parameters: Parameters
    firm_names: tuple[str, ...]
    owner_names: tuple[str, ...]
    sector_names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingView(View):
    """For ``plan_training``: at stage 3, after funds were raised and before the compute market opens.

    Attributes
    ----------
    own_plan : float
        $bn; the outlay that the firm's own margins justify, x of docs/model.md 7.4.
    new_money : float
        $bn raised this quarter.
    means : float
        $bn; the most that cash and credit allow, which binds whatever is answered.
    cash, debt, debt_limit : float
        $bn; cash is before the new money.
    profit : float
        $bn; operating profit of last quarter.
    rent : float
        $bn per M H100e-quarter; mean rent after compute tax, at last quarter's rents.
    own_compute, effective_compute : float
        M H100e-quarters; E_own, and E_eff with open models.
    efficiency : float
        Algorithmic efficiency A.
    power : array [firm]
        AI power of every firm now; the leader's at the start is 1.
    share : array [sector, firm]
        Of each sector's AI spending last quarter.
    """

    own_plan: float
    new_money: float
    means: float
    cash: float
    debt: float
    debt_limit: float
    profit: float
    rent: float
    own_compute: float
    effective_compute: float
    efficiency: float
    power: Array
    share: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceView(View):
    """For ``set_price``: an iterate of the joint equilibrium of compute and product markets.

    Attributes
    ----------
    unit_cost : float
        $bn per unit; compute at this iterate's rents, with taxes on compute and use.
    revenue_taken : float
        Share of revenue that levies and proportional operating cost take.
    elasticity : array [sector]
        Of demand as the firm, with all firms of its owner, perceives it: eps of docs/model.md 7.3.
    share : array [sector, firm]
        Target shares of this iterate.
    nest : array [sector]
        Share of the sector's budget spent on AI, of this iterate.
    """

    unit_cost: float
    revenue_taken: float
    elasticity: Array
    share: Array
    nest: Array

    @property
    def best_reply(self) -> Array:
        """Price of the default rule, $bn per unit: cost / (1 - taken) x eps / (eps - 1); ``[sector]``."""
        return self.unit_cost / (1.0 - self.revenue_taken) * (self.elasticity / (self.elasticity - 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnersView(View):
    """For ``choose_owners``: an iterate of the joint equilibrium of compute and product markets.

    Attributes
    ----------
    rent : array [owner]
        $bn per M H100e-quarter, of this iterate.
    capacity : array [owner]
        Chips in place, M H100e.
    appeal : array [owner]
        exp(affinity); zero where the owner does not sell to the firm.
    last_weight : array [owner]
        Last quarter's shares of the firm's compute.
    loyalty : float
        Weight of last quarter in the default rule.
    """

    rent: Array
    capacity: Array
    appeal: Array
    last_weight: Array
    loyalty: float

    @property
    def target_weight(self) -> Array:
        """Where a firm without loyalty would rent: capacity x rent^-sigma x appeal, as shares; ``[owner]``."""
        pull = self.capacity * self.rent**-self.parameters.owner_price_elasticity * self.appeal
        shares: Array = pull / pull.sum()
        return shares


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseView(View):
    """For ``release_weights``: at stage 7, when markets have cleared.

    Attributes
    ----------
    gain : float
        $bn per quarter; what hosting by others and grants bring, less the appeal that is lost, to first order.
    loss : float
        $bn per quarter; profit lost because rivals may build on the model, to first order.
    released : float
        M H100e-quarters; own effective compute of the model that would be published.
    open_frontier : float
        M H100e-quarters; of the best open model of another firm.
    own_compute : float
        M H100e-quarters; E_own as the quarter began.
    profit : float
        $bn; operating profit of this quarter.
    power : array [firm]
        AI power of every firm; the leader's at the start is 1.
    """

    gain: float
    loss: float
    released: float
    open_frontier: float
    own_compute: float
    profit: float
    power: Array
