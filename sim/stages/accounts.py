"""Stage 6: rents, wages, energy, taxes, subsidies, interest, dividends (MODEL sections 7.12 and 7.13)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sim import units
from sim.accounts import Flow, audit
from sim.arrays import Array
from sim.policies.levers import Rulebook
from sim.state import SME, Accounts, Drivers, Flows, Funding, Markets, State
from sim.world.build import World


def settle(
    state: State, world: World, drivers: Drivers, rules: Rulebook, funding: Funding, markets: Markets
) -> Accounts:
    """Everyone pays; firms borrow what they lack, repay and pay dividends from what they can spare."""
    p = world.parameters
    revenue = markets.revenue.sum(axis=-2)
    rents = markets.user_rent * markets.compute_used
    compute_tax = rules.compute_tax * rents
    usage_tax = rules.usage_tax * markets.quantity.sum(axis=-2)
    levy = rules.revenue_levy * revenue
    staff = p.training_staff_share * markets.user_rent * (1.0 + rules.compute_tax) * markets.training
    fixed = np.where(state.is_active & (state.firm_class == SME), p.small_firm_fixed_cost, 0.0)
    operating = p.operating_cost_share * revenue + fixed
    interest = p.cost_of_funds * state.debt

    costs = rents + compute_tax + usage_tax + levy + staff + operating + interest
    profit_tax = rules.profit_tax * np.maximum(revenue - costs, 0.0)
    earnings = revenue - costs - profit_tax
    new_money = funding.raised + funding.parent_grant.sum(axis=-2) + funding.grant
    before = state.cash + new_money + earnings

    borrowed = np.maximum(-before, 0.0)
    spare = np.maximum(before - p.cash_buffer * (costs + profit_tax), 0.0)
    repaid = np.minimum(spare, state.debt)
    dividends = p.dividend_share * (spare - repaid)

    energy = units.energy_twh(1.0, drivers.kilowatt) * markets.use
    running = markets.floor * markets.use
    carbon_tax = units.emissions_mt(energy, drivers.grid_intensity) * rules.carbon_price[..., None] / 1e3
    captive_rent = markets.rent * markets.captive_use
    captive_tax = rules.captive_tax * captive_rent
    rent_income = markets.rent * (markets.owner_weight * markets.compute_used[..., None, :]).sum(axis=-1)
    given = funding.partner_credit.sum(axis=-1) + funding.parent_grant.sum(axis=-1)
    owner_income = rent_income + captive_rent - running - given

    other_taxes = usage_tax + levy + profit_tax
    from_investors = funding.raised - funding.partner_credit.sum(axis=-2)
    flows = (
        Flow("sales", "households", "firms", (drivers.budget * markets.nest).sum(axis=-1), revenue),
        Flow("rent", "firms", "owners", rents, rent_income),
        Flow("captive services", "households", "owners", _sum(captive_rent), captive_rent),
        Flow("captive tax", "households", "government", _sum(captive_tax), _sum(captive_tax)),
        Flow("compute tax", "firms", "government", compute_tax, _sum(compute_tax)),
        Flow("use, revenue and profit taxes", "firms", "government", other_taxes, _sum(other_taxes)),
        Flow("training staff", "firms", "households", staff, _sum(staff)),
        Flow("operating cost", "firms", "households", operating, _sum(operating)),
        Flow("interest", "firms", "households", interest, _sum(interest)),
        Flow("dividends", "firms", "households", dividends, _sum(dividends)),
        Flow("investors' equity", "households", "firms", _sum(from_investors), from_investors),
        Flow(
            "partners' compute credits",
            "owners",
            "firms",
            funding.partner_credit.sum(axis=-1),
            funding.partner_credit.sum(axis=-2),
        ),
        Flow(
            "parents' grants",
            "owners",
            "firms",
            funding.parent_grant.sum(axis=-1),
            funding.parent_grant.sum(axis=-2),
        ),
        Flow("grants", "government", "firms", _sum(funding.grant), funding.grant),
        Flow("loans", "households", "firms", _sum(borrowed), borrowed),
        Flow("repayment", "firms", "households", repaid, _sum(repaid)),
        Flow("energy and operations", "owners", "households", running - carbon_tax, _sum(running - carbon_tax)),
        Flow("carbon price", "owners", "government", carbon_tax, _sum(carbon_tax)),
        Flow("administration", "government", "households", rules.programme_cost, rules.programme_cost),
    )
    return Accounts(
        rents=rents,
        staff=staff,
        operating_cost=operating,
        interest=interest,
        compute_tax=compute_tax,
        other_taxes=other_taxes,
        earnings=earnings,
        dividends=dividends,
        borrowed=borrowed - repaid,
        cash=before + borrowed - repaid - dividends,
        debt=state.debt + borrowed - repaid,
        owner_income=owner_income,
        fiscal_balance=_sum(compute_tax + other_taxes - funding.grant)
        + _sum(captive_tax + carbon_tax)
        - rules.programme_cost,
        flows=flows,
    )


def close_books(before: State, after: State, flows: Flows) -> tuple[State, Array]:
    """Government and households take what is left over, and the ledger is audited.

    Returns
    -------
    state : State
        ``after`` with the cash of government and households.
    residual : array [...]
        Largest residual of the accounts over turnover.

    Raises
    ------
    LedgerError
        When the accounts do not close.
    """
    others = _sum(after.cash - before.cash) + _sum(after.owner_cash - before.owner_cash)
    balance = flows.accounts.fiscal_balance
    closed = replace(
        after,
        government_cash=before.government_cash + balance,
        household_cash=before.household_cash - others - balance,
    )
    ledger = flows.accounts.flows + flows.investment.flows + flows.demography.flows
    return closed, audit(_cash(before), _cash(closed), ledger)


def _cash(state: State) -> dict[str, Array]:
    return {
        "firms": state.cash,
        "owners": state.owner_cash,
        "makers": np.zeros_like(state.chips_sold),
        "government": state.government_cash,
        "households": state.household_cash,
    }


def _sum(money: Array) -> Array:
    return money.sum(axis=-1)
