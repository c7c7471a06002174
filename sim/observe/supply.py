"""Measures of those who own and make chips, and of who supplies whom."""

from __future__ import annotations

import numpy as np

from sim import units
from sim.arrays import Array, safe_ratio, total, weighted_total
from sim.observe.catalogue import Moments, measure


@measure("$ per H100e-hour", "owners", "stock", "last")
def rental_price(m: Moments) -> Array:
    """Capacity-weighted rent of the owners that sell."""
    capacity = np.where(m.world.is_seller, m.before.capacity, 0.0)
    rent = safe_ratio(total(capacity * m.flows.markets.rent), total(capacity))
    return rent * units.dollars_per_hour(1.0)


@measure("M H100e", "owners", "stock", "last")
def compute_owned_total(m: Moments) -> Array:
    """Chips in place at the end of the quarter."""
    return total(m.after.capacity)


@measure("share", "owners", "flow", "mean")
def captive_share(m: Moments) -> Array:
    """Share of compute in use that serves owners' own business."""
    use = total(m.flows.markets.use)
    return safe_ratio(total(m.flows.markets.captive_use), use)


@measure("share", "owners", "flow", "mean")
def idle_share(m: Moments) -> Array:
    """Share of usable capacity that stands idle because rents are at their floor."""
    supply = total(m.flows.markets.supply)
    return 1.0 - safe_ratio(total(m.flows.markets.use), supply)


@measure("M H100e", "government", "stock", "last")
def public_compute(m: Moments) -> Array:
    """Chips of the public pool at the end of the quarter."""
    return m.after.public_capacity


@measure("TWh", "owners", "flow", "sum")
def energy_twh(m: Moments) -> Array:
    """Electricity of all compute in use, cooling, the public pool and firms' own chips included."""
    markets = m.flows.markets
    in_use = total(markets.use) + total(markets.allotments.public + markets.own_chips_used)
    return in_use * units.energy_twh(1.0, m.flows.drivers.kilowatt)


@measure("MtCO2", "owners", "flow", "sum")
def emissions_mtco2(m: Moments) -> Array:
    """Emissions of that electricity."""
    return units.emissions_mt(1.0, m.flows.drivers.grid_intensity) * energy_twh(m)


@measure("share", "owners", "stock", "last")
def energy_share_of_rent(m: Moments) -> Array:
    """Electricity cost over the rental price."""
    cost = units.energy_cost(m.flows.drivers.kilowatt, m.flows.drivers.electricity_price)
    return cost * units.dollars_per_hour(1.0) / rental_price(m)


@measure("$bn", "owners", "flow", "sum")
def capital_expenditure(m: Moments) -> Array:
    """What owners pay for chips and sites."""
    return total(m.flows.investment.chip_outlay + m.flows.investment.site_outlay)


@measure("k$ per H100e", "makers", "stock", "mean")
def chip_price(m: Moments) -> Array:
    """Sales-weighted price of a chip; nan where none is sold."""
    inv = m.flows.investment
    return safe_ratio(total(inv.price * inv.shipments), total(inv.shipments), otherwise=np.nan)


@measure("ratio", "makers", "stock", "mean")
def chip_markup(m: Moments) -> Array:
    """Sales-weighted price of a chip over its unit cost; nan where none is sold."""
    inv = m.flows.investment
    cost = m.flows.drivers.unit_cost * inv.shipments
    return safe_ratio(total(inv.price * inv.shipments), total(cost), otherwise=np.nan)


@measure("M H100e", "makers", "stock", "last")
def chips_sold_cumulative(m: Moments) -> Array:
    """Chips ever sold, worn out or not; what published stocks count."""
    return total(m.after.chips_sold)


@measure("$bn", "makers", "flow", "sum")
def maker_profit(m: Moments) -> Array:
    """Chip sales less the cost of chips."""
    inv = m.flows.investment
    return total((inv.price - m.flows.drivers.unit_cost) * inv.shipments)


_NOTHING = 1e-12
"""Share of all compute below which a difference is rounding."""


def _supplied(m: Moments) -> Array:
    """Compute that each owner rents to firms, M H100e; ``[replicate, owner]``."""
    return weighted_total(m.flows.markets.rented, m.flows.markets.owner_weight)


@measure("share", "owners", "flow", "mean")
def control_largest_owner(m: Moments) -> Array:
    """Largest share that one owner supplies of what all firms rent but those integrated with it, and not severed."""
    used, weight = m.flows.markets.rented, m.flows.markets.owner_weight
    to_all = _supplied(m)
    to_own, own_use = np.zeros_like(to_all), np.zeros_like(to_all)
    for owner, firm in np.argwhere(m.world.is_integrated).tolist():
        own = np.where(m.flows.rules.separation[..., firm] > 0.0, 0.0, used[..., firm])
        to_own[..., owner] += weight[..., owner, firm] * own
        own_use[..., owner] += own
    everyone = total(used, keepdims=True)
    others = everyone - own_use
    control = safe_ratio(to_all - to_own, np.where(others > _NOTHING * everyone, others, 0.0))
    largest: Array = control.max(axis=-1)
    return largest


def freeman(degree: Array) -> Array:
    """Freeman centralisation of degrees or strengths, sum_j (max d - d_j) / ((n - 1) sum_j d_j); ``[...]``.

    0 when all n nodes have the same, 1 when one has everything, which gives the largest numerator that a given sum
    allows; nan when n is 1 or nobody has any. Freeman (1978), "Centrality in social networks: conceptual
    clarification", *Social Networks* 1; strengths as in Barrat et al. (2004), *PNAS* 101(11).

    Parameters
    ----------
    degree : array [..., node]
        Any unit.

    Examples
    --------
    >>> float(freeman(np.array([6.0, 3.0, 0.0])))
    0.5
    """
    gaps = total(degree.max(axis=-1, keepdims=True) - degree)
    return safe_ratio(gaps, (degree.shape[-1] - 1) * total(degree), otherwise=np.nan)


@measure("index", "owners", "flow", "mean")
def centralisation_supply(m: Moments) -> Array:
    """Freeman centralisation of owners by the compute that they rent to firms; 1 when one supplies all."""
    return freeman(_supplied(m))


@measure("index", "owners", "flow", "mean")
def centralisation_main_supplier(m: Moments) -> Array:
    """Freeman centralisation of owners by the number of firms whose largest supplier (or one of them) they are."""
    weight = m.flows.markets.owner_weight
    is_main = weight == weight.max(axis=-2, keepdims=True)
    buys = (m.flows.markets.rented > 0.0)[..., None, :]
    return freeman(total(is_main & buys))
