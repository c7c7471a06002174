"""Stage 6: rents, wages, energy, taxes, subsidies, interest, dividends (docs/model.md 7.12 and 7.13)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sim.accounts import Flow, audit
from sim.arrays import Array, total, weighted_total
from sim.policies.levers import Rulebook
from sim.state import Accounts, Drivers, Flows, Funding, Markets, State
from sim.submodels import energy
from sim.world.build import World


def settle(
    state: State,
    world: World,
    drivers: Drivers,
    rules: Rulebook,
    funding: Funding,
    markets: Markets,
) -> Accounts:
    """Everyone pays; firms borrow what they lack, repay and pay dividends from what they can spare."""
    p = world.parameters
    revenue = total(markets.revenue, axis=-2)
    rents = markets.user_rent * markets.rented
    compute_tax = rules.compute_tax * rents
    usage_tax = rules.usage_tax * total(markets.quantity, axis=-2)
    levy = rules.revenue_levy * revenue
    staff = p.training_staff_share * markets.user_rent * (1.0 + rules.compute_tax) * markets.training
    fixed = p.small_firm_fixed_cost * state.is_small
    operating = p.operating_cost_share * revenue + fixed
    interest = p.cost_of_funds * state.debt
    compliance = np.where(state.is_active, rules.compliance_cost, 0.0)
    charge = markets.allotments.charge
    own_chips_cost = markets.floor[..., :1] * markets.own_chips_used

    costs = rents + compute_tax + usage_tax + levy + staff + operating + interest + compliance + charge + own_chips_cost
    profit_tax = rules.profit_tax * np.maximum(revenue - costs, 0.0)
    earnings = revenue - costs - profit_tax
    before = state.cash + funding.new_money + earnings

    borrowed = np.maximum(-before, 0.0)
    spare = np.maximum(before - p.cash_buffer * (costs + profit_tax), 0.0)
    repaid = np.minimum(spare, state.debt)
    dividends = p.dividend_share * (spare - repaid)

    carbon_cost = energy.carbon_cost(drivers.kilowatt, drivers.grid_intensity, rules.carbon_price)
    running = markets.floor * markets.use
    carbon_tax = carbon_cost[..., None] * markets.use
    firm_carbon_tax = carbon_cost[..., None] * markets.own_chips_used
    captive_rent = markets.rent * markets.captive_use
    captive_tax = rules.captive_tax * captive_rent
    rent_income = markets.rent * weighted_total(markets.rented, markets.owner_weight)
    allotment_income = markets.allotments.owner_income
    credit_given, granted = total(funding.partner_credit), total(funding.parent_grant)
    owner_income = rent_income + captive_rent + allotment_income - running - rules.owner_cost - (credit_given + granted)
    public_running = (markets.floor[..., 0] - carbon_cost) * total(markets.allotments.public)

    other_taxes = usage_tax + levy + profit_tax
    credit_received = total(funding.partner_credit, axis=-2)
    from_investors = funding.raised - credit_received
    flows = (
        Flow("sales", "households", "firms", total(drivers.budget * markets.nest), revenue),
        Flow("rent", "firms", "owners", rents, rent_income),
        Flow("allotted compute", "firms", "owners", charge, allotment_income),
        Flow("captive services", "households", "owners", total(captive_rent), captive_rent),
        Flow("captive tax", "households", "government", total(captive_tax), total(captive_tax)),
        Flow("compute tax", "firms", "government", compute_tax, total(compute_tax)),
        Flow("use, revenue and profit taxes", "firms", "government", other_taxes, total(other_taxes)),
        Flow("training staff", "firms", "households", staff, total(staff)),
        Flow("operating cost", "firms", "households", operating, total(operating)),
        Flow("compliance", "firms", "households", compliance, total(compliance)),
        Flow("owners' compliance", "owners", "households", rules.owner_cost, total(rules.owner_cost)),
        Flow("interest", "firms", "households", interest, total(interest)),
        Flow("dividends", "firms", "households", dividends, total(dividends)),
        Flow("investors' equity", "households", "firms", total(from_investors), from_investors),
        Flow("partners' compute credits", "owners", "firms", credit_given, credit_received),
        Flow("parents' grants", "owners", "firms", granted, total(funding.parent_grant, axis=-2)),
        Flow("grants", "government", "firms", total(funding.grant), funding.grant),
        Flow("loans", "households", "firms", total(borrowed), borrowed),
        Flow("repayment", "firms", "households", repaid, total(repaid)),
        Flow(
            "energy and operations",
            "owners",
            "households",
            running - carbon_tax,
            total(running - carbon_tax),
        ),
        Flow(
            "running own chips",
            "firms",
            "households",
            own_chips_cost - firm_carbon_tax,
            total(own_chips_cost - firm_carbon_tax),
        ),
        Flow("carbon price", "owners", "government", carbon_tax, total(carbon_tax)),
        Flow("carbon price of own chips", "firms", "government", firm_carbon_tax, total(firm_carbon_tax)),
        Flow("administration", "government", "households", rules.programme_cost, rules.programme_cost),
        Flow("running the public pool", "government", "households", public_running, public_running),
    )
    return Accounts(
        rents=rents,
        staff=staff,
        operating_cost=operating,
        interest=interest,
        compute_tax=compute_tax,
        compliance=compliance,
        own_chips_cost=own_chips_cost,
        allotment_charge=charge,
        other_taxes=other_taxes,
        earnings=earnings,
        dividends=dividends,
        net_borrowing=borrowed - repaid,
        cash=before + borrowed - repaid - dividends,
        debt=state.debt + borrowed - repaid,
        owner_income=owner_income,
        fiscal_balance=total(compute_tax + other_taxes + firm_carbon_tax - funding.grant)
        + total(captive_tax + carbon_tax)
        - rules.programme_cost
        - public_running,
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
    others = total(after.cash - before.cash) + total(after.owner_cash - before.owner_cash)
    balance = flows.fiscal_balance
    closed = replace(
        after,
        government_cash=before.government_cash + balance,
        household_cash=before.household_cash - others - balance,
    )
    return closed, audit(_cash(before), _cash(closed), flows.ledger)


def _cash(state: State) -> dict[str, Array]:
    return {
        "firms": state.cash,
        "owners": state.owner_cash,
        "makers": np.zeros_like(state.chips_sold),
        "government": state.government_cash,
        "households": state.household_cash,
    }
