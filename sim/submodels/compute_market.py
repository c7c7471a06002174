"""The compute market: firms choose owners, rents clear demand against capacity (MODEL section 7.6)."""

from __future__ import annotations

import numpy as np

from sim.arrays import Array, Flags


def target_owner_weights(capacity: Array, rent: Array, appeal: Array, price_elasticity: float) -> Array:
    """a*_ij proportional to K_j w_j^-sigma exp(affinity_ij) over the owners that sell to i.

    Capacity stands in the weight, so that splitting an owner in two changes nothing.

    Parameters
    ----------
    capacity, rent : array [..., owner]
        K in M H100e and w in $bn per M H100e-quarter.
    appeal : array [..., owner, firm]
        exp(affinity), zero where the owner does not sell to the firm.
    price_elasticity : float
        sigma.

    Returns
    -------
    array [..., owner, firm]
        Columns sum to one; a column of zeros where nobody sells to the firm.
    """
    pull = (capacity * rent**-price_elasticity)[..., :, None] * appeal
    total = pull.sum(axis=-2, keepdims=True)
    return pull / np.where(total > 0.0, total, 1.0)


def loyal_weights(last: Array, target: Array, loyalty: float) -> Array:
    """l a_(t-1) + (1 - l) a*; ``[..., owner, firm]``. Columns that summed to one still do."""
    return loyalty * last + (1.0 - loyalty) * target


def mean_rent(weights: Array, rent: Array) -> Array:
    """w_i = sum_j a_ij w_j; ``[..., firm]``."""
    return (weights * rent[..., :, None]).sum(axis=-2)


def owner_demand(weights: Array, use: Array) -> Array:
    """sum_i a_ij use_i; ``[..., owner]``, M H100e."""
    return (weights * use[..., None, :]).sum(axis=-1)


def captive_use(captive_outlay: Array, rent: Array, captive_tax: Array) -> Array:
    """B / (w (1 + tau)): owners' own business; ``[..., owner]``, M H100e."""
    return captive_outlay / (rent * (1.0 + captive_tax))


def complementarity_residual(rent: Array, floor: Array, supply: Array, demand: Array) -> Array:
    """min((w - floor) / w, (u K - demand) / u K), zero in equilibrium; ``[..., owner]``.

    Either the rent is at its floor and capacity is idle, or capacity is used in full.

    >>> complementarity_residual(np.array([2.0, 1.0]), np.ones(2), np.full(2, 4.0), np.array([4.0, 3.0]))
    array([0., 0.])
    """
    return np.minimum((rent - floor) / rent, (supply - demand) / supply)


def mean_rent_response(weights: Array, target: Array, rent: Array, speed: float) -> Array:
    """d ln w_i / d ln w_k, firms shifting between owners included; ``[..., owner, firm]``.

    Parameters
    ----------
    weights, target : array [..., owner, firm]
        a and a*.
    rent : array [..., owner]
        w.
    speed : float
        (1 - loyalty) sigma, how fast firms shift between owners.
    """
    mean, target_mean = mean_rent(weights, rent), mean_rent(target, rent)
    own = rent[..., :, None]
    return (weights * own - speed * target * (own - target_mean[..., None, :])) / mean[..., None, :]


def demand_jacobian(
    weights: Array,
    target: Array,
    response: Array,
    use: Array,
    own_response: Array,
    common_response: Array,
    sales_share: Array,
    captive: Array,
    speed: float,
) -> Array:
    """d demand_j / d ln w_k; ``[..., owner, owner]``, M H100e.

    Firms shift between owners, and d ln use_i = -own_i d ln w_i + common_i sum_k share_k d ln w_k. Guides the solver;
    equilibrium does not depend on it.

    Parameters
    ----------
    weights, target, response : array [..., owner, firm]
        a, a* and ``mean_rent_response``.
    use, own_response, common_response, sales_share : array [..., firm]
        Compute used, its responses to the firm's own and to the market's mean rent, and shares of sales.
    captive : array [..., owner]
        Captive use.
    speed : float
        (1 - loyalty) sigma.
    """
    market_response = (response * sales_share[..., None, :]).sum(axis=-1)
    shifted = target * use[..., None, :]
    level = captive + speed * shifted.sum(axis=-1)
    common = (weights * (use * common_response)[..., None, :]).sum(axis=-1)
    jacobian: Array = (
        speed * (shifted @ np.swapaxes(target, -1, -2))
        - (weights * (use * own_response)[..., None, :]) @ np.swapaxes(response, -1, -2)
        + common[..., :, None] * market_response[..., None, :]
        - np.eye(captive.shape[-1]) * level[..., None]
    )
    return jacobian


def newton_step(log_rent: Array, log_floor: Array, pressure: Array, log_jacobian: Array) -> Array:
    """Semismooth Newton step of log rents on min(ln w - ln floor, -pressure) = 0; ``[..., owner]``.

    Parameters
    ----------
    log_rent, log_floor : array [..., owner]
        ln w and the floor's logarithm.
    pressure : array [..., owner]
        ln demand - ln supply.
    log_jacobian : array [..., owner, owner]
        d ln demand_j / d ln w_k.
    """
    slack = log_rent - log_floor
    is_floor: Flags = slack < -pressure
    residual = np.where(is_floor, slack, -pressure)
    matrix = np.where(is_floor[..., :, None], np.eye(log_rent.shape[-1]), -log_jacobian)
    step: Array = -np.linalg.solve(matrix, residual[..., None])[..., 0]
    return step
