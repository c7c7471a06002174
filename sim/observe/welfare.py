"""The government, and welfare with its parts (docs/model.md 8).

Welfare of a quarter is what buyers save by AI plus the net receipts, from outside firms, owners, makers and government,
for what is sold, less the resources that these use:

    consumer gain + sales + captive services and the tax on them
    - staff - operating cost - compliance - integration of mergers - energy and operations - administration - sites
    - production of chips
    - mcpf x (- fiscal balance)

The public pool counts like anyone's chips. Payments between the parts cancel: rents, chips, taxes, subsidies, grants,
interest. Payments that only move money never enter: equity, compute credits, parents' grants, loans, repayment,
dividends. Wages, energy and materials count as the resources they buy. Captive services count at what households pay;
climate damage does not count. Chips and sites count when they are bought, so a quarter of heavy investment has low
welfare.
"""

from __future__ import annotations

from sim.arrays import Array, total
from sim.observe.catalogue import Moments, measure
from sim.observe.firms import industry_earnings
from sim.observe.sectors import consumer_gain
from sim.observe.supply import capital_expenditure, maker_profit


@measure("$bn", "government", "flow", "sum")
def fiscal_balance(m: Moments) -> Array:
    """Taxes less subsidies, grants and administration."""
    return m.flows.fiscal_balance


@measure("$bn", "government", "flow", "sum")
def cost_of_public_funds(m: Moments) -> Array:
    """What raising a deficit elsewhere costs beyond the money itself (mcpf); negative for a surplus."""
    return -m.world.parameters.mcpf * m.flows.fiscal_balance


@measure("$bn", "firms", "flow", "sum")
def grants_received(m: Moments) -> Array:
    """Grants of the government to firms and entrants, which earnings leave out."""
    return total(m.flows.funding.grant) + m.flows.demography.entry_grants


@measure("$bn", "households", "flow", "sum")
def interest_received(m: Moments) -> Array:
    """Interest that lenders receive from firms."""
    return total(m.flows.accounts.interest)


@measure("$bn", "firms", "flow", "sum")
def firm_investment(m: Moments) -> Array:
    """What firms pay for chips and sites of their own and for integrating firms they took over."""
    return total(m.flows.investment.firm_outlay + m.flows.merging.integration_cost)


@measure("$bn", "owners", "flow", "sum")
def owner_profit(m: Moments) -> Array:
    """Rents less running cost, chips and sites; money given to firms is not deducted."""
    given = total(m.flows.funding.partner_credit, axis=(-2, -1)) + total(m.flows.funding.parent_grant, axis=(-2, -1))
    return total(m.flows.accounts.owner_income) + given - capital_expenditure(m)


@measure("$bn", "all", "flow", "sum")
def welfare(m: Moments) -> Array:
    """Consumer gain, firms' earnings and grants less investment, interest, others' profit, fiscal balance, its cost."""
    return (
        consumer_gain(m)
        + industry_earnings(m)
        + grants_received(m)
        - firm_investment(m)
        + interest_received(m)
        + owner_profit(m)
        + maker_profit(m)
        + m.flows.fiscal_balance
        - cost_of_public_funds(m)
    )
