"""Owners' investment in chips and sites (docs/model.md 7.7)."""

from __future__ import annotations

import numpy as np

from sim.arrays import Array, safe_ratio, shares, total


def chip_value(rent: Array, floor: Array, site_cost: float, utilisation: float, user_cost_rate: float) -> Array:
    """Value_j = (u w_j - floor_j) / (r + delta_K + decline) - site; ``[..., owner]``, $bn per M H100e.

    Discounted net rents of a chip whose rent falls and that wears out, less the site it needs.
    """
    return (utilisation * rent - floor) / user_cost_rate - site_cost


def owning_cost(outlay: Array, running_cost: Array, utilisation: float, user_cost_rate: float) -> Array:
    """Cost per unit of use of a chip that one owns, outlay x (r + delta_K + decline) / u + running cost.

    Parameters
    ----------
    outlay : array
        Price of a chip and its site, $bn per M H100e.
    running_cost : array
        $bn per M H100e-quarter of use.
    utilisation, user_cost_rate : float
        u, and the cost of funds, wear and falling prices per quarter.
    """
    return (outlay * user_cost_rate) / utilisation + running_cost


def mean_value(value: Array, capacity: Array) -> Array:
    """Capacity-weighted mean of the positive values; ``[...]``."""
    return safe_ratio(total(np.maximum(value, 0.0) * capacity), total(capacity))


def order_shares(value: Array, mean: Array, capacity: Array, order_factor: Array, elasticity: float) -> Array:
    """Shares proportional to phi K (Value+ / mean)^eta; by phi K alone where nobody gains; ``[..., owner]``."""
    relative = safe_ratio(np.maximum(value, 0.0), mean[..., None], otherwise=1.0)
    return shares(order_factor * capacity * relative**elasticity)


def merchant_deliveries(orders: Array, captive_output: Array, merchant_output: Array) -> Array:
    """What merchants deliver to each owner: captive chips count against its orders first, merchants fill the rest.

    Parameters
    ----------
    orders : array [..., owner]
        Shares of all shipments.
    captive_output : array [..., owner]
        Output of the makers captive to each owner, M H100e; all of it goes there.
    merchant_output : array [...]
        Output that anyone may buy, M H100e.

    Returns
    -------
    array [..., owner]
        M H100e; their sum is ``merchant_output``.

    Examples
    --------
    >>> merchant_deliveries(np.array([0.5, 0.5]), np.array([2.0, 0.0]), np.array(8.0))
    array([3., 5.])
    """
    output = merchant_output + total(captive_output)
    wanted = np.maximum(orders * output[..., None] - captive_output, 0.0)
    return shares(wanted) * merchant_output[..., None]


def next_capacity(capacity: Array, delivered: Array, decay: float) -> Array:
    """K' = (1 - delta_K) K + delivered; ``[..., owner]``, M H100e."""
    return (1.0 - decay) * capacity + delivered
