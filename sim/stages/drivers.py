"""Stage 1: what the world outside does this quarter."""

from __future__ import annotations

import numpy as np

from sim.state import Drivers
from sim.submodels.paths import declining, halving, settling_growth
from sim.world.build import World


def drive(world: World, period: int) -> Drivers:
    """Drivers of quarter ``period`` (0 is the world's first)."""
    p = world.parameters
    energy_decline = declining(period, p.power_per_h100e_decline)
    return Drivers(
        budget=p.budget_total * world.budget_share * np.exp(p.budget_growth * period),
        unit_cost=p.merchant_cost * world.relative_cost * declining(period, p.merchant_cost_decline),
        maker_capacity=world.flow_share * _shipments(world, period),
        site_cost=p.site_cost * declining(period, p.site_cost_decline),
        kilowatt=p.power_per_h100e * p.pue * energy_decline,
        electricity_price=p.electricity_price,
        grid_intensity=p.grid_intensity * declining(period, p.grid_intensity_decline),
        captive_outlay=world.initial_captive_outlay
        * settling_growth(period, p.captive_growth_start, p.captive_growth_end, p.captive_growth_time),
        investor_fund=p.investor_funding * _fund_growth(world, period),
        parent_fund=p.parent_funding * _fund_growth(world, period),
        grid_limit=p.grid_connections * np.exp(p.grid_growth * period) / (p.power_per_h100e * p.pue * energy_decline)
        if world.mechanisms.grid
        else np.inf,
        order_factor=world.initial_order_factor ** halving(period - len(world.shipments) + 1, p.order_factor_half_life),
    )


def _fund_growth(world: World, period: int) -> float:
    p = world.parameters
    return settling_growth(
        period,
        p.investor_funding_growth_start,
        p.investor_funding_growth_end,
        p.investor_funding_time,
    )


def _shipments(world: World, period: int) -> float:
    """The shipment table, then growth that settles."""
    p = world.parameters
    last = len(world.shipments) - 1
    beyond = max(period - last, 0)
    growth = settling_growth(beyond, p.shipment_growth_start, p.shipment_growth_end, p.shipment_growth_time)
    return world.shipments[min(period, last)] * growth
