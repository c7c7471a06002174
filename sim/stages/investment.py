"""Stage 8: owners order chips; chip price; delivery at quarter's end, usable next quarter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sim.accounts import Flow
from sim.arrays import Array, safe_ratio, shares, total
from sim.policies.levers import Rulebook
from sim.state import Accounts, Drivers, Investment, Markets, State
from sim.submodels import investment, makers
from sim.world.build import World, user_cost_rate


def invest(
    state: State,
    world: World,
    drivers: Drivers,
    rules: Rulebook,
    markets: Markets,
    accounts: Accounts,
) -> Investment:
    """Chips ordered, made, priced and delivered, and owners' money afterwards."""
    p = world.parameters
    value = investment.chip_value(
        markets.rent,
        markets.floor,
        drivers.site_cost,
        p.utilisation,
        user_cost_rate(p),
    )
    mean_value = investment.mean_value(value, state.capacity)
    orders = investment.order_shares(value, mean_value, state.capacity, drivers.order_factor, p.order_elasticity)
    shipments = _shipments(state, world, drivers, rules, mean_value)
    price = makers.chip_price(drivers.unit_cost, mean_value, p.maker_margin_floor, p.maker_bargaining)
    public_chips = _public_chips(world, rules, price, drivers.site_cost, shipments)
    public_outlay = total((price + drivers.site_cost) * public_chips)
    public_price = total(price * public_chips)
    left = shipments - public_chips
    for_firms, firm_chips = _firm_chips(state, world, drivers, rules, markets, accounts, price, left)
    firm_price = total(price * for_firms)[..., None] * shares(firm_chips)
    firm_sites = drivers.site_cost * firm_chips
    delivered = _deliver(world, orders, left - for_firms)

    chip_outlay = total(delivered * price[..., None, :])
    site_outlay = drivers.site_cost * total(delivered)
    before = state.owner_cash + accounts.owner_income - chip_outlay - site_outlay
    equity = np.maximum(-before, 0.0)
    outlay = chip_outlay + site_outlay + markets.floor * markets.use
    dividends = p.dividend_share * np.maximum(before - p.cash_buffer * outlay, 0.0)

    sales = price * shipments
    cost = drivers.unit_cost * shipments
    flows = (
        Flow("chips", "owners", "makers", chip_outlay, sales - price * (public_chips + for_firms)),
        Flow("firms' own chips", "firms", "makers", firm_price, price * for_firms),
        Flow("sites of own chips", "firms", "households", firm_sites, total(firm_sites)),
        Flow("chips of the public pool", "government", "makers", public_price, price * public_chips),
        Flow("sites", "owners", "households", site_outlay, total(site_outlay)),
        Flow(
            "sites of the public pool",
            "government",
            "households",
            public_outlay - public_price,
            public_outlay - public_price,
        ),
        Flow("chip production", "makers", "households", cost, total(cost)),
        Flow("makers' profits", "makers", "households", sales - cost, total(sales - cost)),
        Flow("owners' equity", "households", "owners", total(equity), equity),
        Flow("owners' dividends", "owners", "households", dividends, total(dividends)),
    )
    return Investment(
        value=value,
        mean_value=mean_value,
        orders=orders,
        price=price,
        shipments=shipments,
        delivered=delivered,
        firm_chips=firm_chips,
        firm_outlay=firm_price + firm_sites,
        public_chips=public_chips,
        public_outlay=public_outlay,
        chip_outlay=chip_outlay,
        site_outlay=site_outlay,
        owner_cash=before + equity - dividends,
        flows=flows,
    )


def connect(state: State, world: World, drivers: Drivers, accounts: Accounts, investment_: Investment) -> State:
    """The state with new chips in place and this quarter's money."""
    p = world.parameters
    arrived = total(investment_.delivered)
    drift = p.captive_share_drift * (shares(state.capacity) - state.captive_outlay_share)
    return replace(
        state,
        cash=accounts.cash - investment_.firm_outlay,
        own_chips=investment.next_capacity(state.own_chips, investment_.firm_chips, p.chip_decay),
        debt=accounts.debt,
        capacity=investment.next_capacity(state.capacity, arrived, p.chip_decay),
        public_capacity=investment.next_capacity(state.public_capacity, total(investment_.public_chips), p.chip_decay),
        chips_bought=state.chips_bought + arrived,
        chips_sold=state.chips_sold + investment_.shipments,
        price_cost=investment_.price / drivers.unit_cost,
        captive_outlay_share=state.captive_outlay_share + drift,
        owner_cash=investment_.owner_cash,
    )


def _shipments(state: State, world: World, drivers: Drivers, rules: Rulebook, mean_value: Array) -> Array:
    """Output of each maker: capacity, fewer when chips are worth less than they cost, and no more than the grid."""
    p = world.parameters
    made = (
        drivers.maker_capacity
        * makers.capacity_response(
            state.price_cost,
            world.initial_price_cost,
            p.capacity_response,
            p.capacity_response_low,
            p.capacity_response_high,
        )
        * makers.demand_response(drivers.unit_cost, mean_value, p.maker_margin_floor, p.shipment_value_exponent)
    )
    limit = np.minimum(rules.grid_limit, drivers.grid_limit)
    connected = np.minimum(safe_ratio(limit, total(made), otherwise=1.0), 1.0)
    return made * connected[..., None]


def _firm_chips(
    state: State,
    world: World,
    drivers: Drivers,
    rules: Rulebook,
    markets: Markets,
    accounts: Accounts,
    price: Array,
    left: Array,
) -> tuple[Array, Array]:
    """Chips that firms buy to run themselves, by maker and by firm; M H100e.

    A firm large enough buys where owning costs less than renting and the tax on it, as far as its cash goes. Makers
    ration firms and owners, who would take all, in the same proportion.
    """
    p = world.parameters
    for_sale = np.where(world.is_merchant, left, 0.0)
    if not world.mechanisms.own_chips:
        return np.zeros_like(for_sale), np.zeros_like(state.own_chips)
    mix = shares(for_sale)
    outlay = (total(price * mix) + drivers.site_cost)[..., None]
    is_cheaper = investment.owning_cost(
        outlay, markets.floor[..., :1], p.utilisation, user_cost_rate(p)
    ) < markets.user_rent * (1.0 + rules.compute_tax)
    needed = (markets.rented + markets.own_chips_used) / p.utilisation
    wants = state.is_active & is_cheaper & (markets.compute_used >= p.own_chips_scale)
    missing = p.own_chips_speed * np.maximum(needed - state.own_chips, 0.0)
    orders = np.where(wants, np.minimum(missing, p.outlay_limit * np.maximum(accounts.cash, 0.0) / outlay), 0.0)
    asked, offered = total(orders), total(for_sale)
    rationed = safe_ratio(offered, asked + offered)
    return (rationed * asked)[..., None] * mix, rationed[..., None] * orders


def _public_chips(world: World, rules: Rulebook, price: Array, site_cost: float, shipments: Array) -> Array:
    """Merchants' chips for the public pool, by share of all shipments and by outlay; ``[..., maker]``, M H100e."""
    for_sale = np.where(world.is_merchant, shipments, 0.0)
    mix = shares(for_sale)
    by_outlay = safe_ratio(rules.public_budget, total((price + site_cost) * mix))
    wanted = rules.public_order * total(shipments) + by_outlay
    return np.minimum(wanted, total(for_sale))[..., None] * mix


def _deliver(world: World, orders: Array, shipments: Array) -> Array:
    """Chips of each maker to each owner; ``[..., owner, maker]``."""
    captive = world.captive_to * shipments[..., None, :]
    for_sale = np.where(world.is_merchant, shipments, 0.0)
    from_merchants = investment.merchant_deliveries(orders, total(captive), total(for_sale))
    return captive + from_merchants[..., None] * shares(for_sale)[..., None, :]
