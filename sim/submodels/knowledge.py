"""Algorithmic progress, imitation and data (docs/model.md 7.9)."""

from __future__ import annotations

import numpy as np

from sim.arrays import Array, Flags, best_other, safe_ratio, total


def research_effort(compute: Array) -> Array:
    """Training compute over the largest; ``[..., firm]`` in [0, 1], zeros when nobody trains."""
    return safe_ratio(compute, compute.max(axis=-1, keepdims=True))


def imitation_gap(log_efficiency: Array, is_active: Flags, neighbours: Flags | None) -> Array:
    """Distance in log efficiency to the best neighbour, at least zero; ``[..., firm]``.

    Parameters
    ----------
    log_efficiency : array [..., firm]
        ln A.
    is_active : flags [..., firm]
        Firms that can be learned from.
    neighbours : flags [firm, firm] or None
        Who learns (row) from whom (column); None when everyone learns from everyone.
    """
    visible = np.where(is_active, log_efficiency, -np.inf)
    if neighbours is None:
        best = best_other(visible)
    else:
        best = np.where(neighbours, visible[..., None, :], -np.inf).max(axis=-1)
    return np.where(is_active, np.maximum(best, log_efficiency) - log_efficiency, 0.0)


def progress(effort: Array, speed: float, floor: float, exponent: float) -> Array:
    """g_A (floor + (1 - floor) effort^nu), log per quarter; ``[..., firm]``."""
    growth: Array = speed * (floor + (1.0 - floor) * effort**exponent)
    return growth


def next_data(data: Array, own: Array, industry: Array, portability: Array, decay: float) -> Array:
    """D' = (1 - delta_D) D + own + portability x (industry - own); ``[..., firm]``, $bn of initial prices.

    Parameters
    ----------
    data, own : array [..., firm]
        D, and units sold by the firm's group.
    industry, portability : array [..., 1]
        Units that all firms sold, and the share of others' data that each may use.
    decay : float
        delta_D.
    """
    return (1.0 - decay) * data + own + portability * (industry - own)


def next_log_strength(strength: Array, mean: Array, shock: Array, persistence: float) -> Array:
    """AR(1) of ln xi around the class mean: advantages in quality do not last for ever.

    Parameters
    ----------
    strength, mean : array [..., sector, firm]
        ln xi and the mean of the firm's class.
    shock : array [..., firm]
        Common to a firm's sectors, log.
    persistence : float
        Factor per quarter.
    """
    return mean + persistence * (strength - mean) + shock[..., None, :]


def pool_yield(contribution: Array, efficiency: float, size_exponent: float) -> Array:
    """What a federated pool makes of its members' compute, eta_1 n^-0.1 (n_eff / n) sum of contributions; ``[..., 1]``.

    n_eff = (sum c)^2 / sum c^2 is n when all give the same: training together works less well the less alike the
    members are.

    Parameters
    ----------
    contribution : array [..., firm]
        Effective compute that each gives, M H100e; zero for those outside.
    efficiency, size_exponent : float
        eta_1, and the exponent of n.

    Examples
    --------
    >>> pool_yield(np.array([2.0, 2.0, 0.0]), 0.6, 0.0)
    array([2.4])
    """
    n_members = total(contribution > 0.0, keepdims=True)
    pooled, squares = total(contribution, keepdims=True), total(contribution**2, keepdims=True)
    alike = safe_ratio(pooled**2, squares * n_members)
    size = np.where(n_members > 0.0, n_members, 1.0) ** -size_exponent
    return efficiency * size * alike * pooled


def coalition(offer: Array, efficiency: float, size_exponent: float) -> Flags:
    """Who joins a federated pool: firms of which each gets at least what it gives; ``[..., firm]``.

    In a lasting pool a member gives its contribution every quarter and uses what all contributions yield; both decay at
    the same rate, so its profit, which rises with effective compute, is higher inside iff the yield is at least what it
    gives. Found by letting the largest leave while it would lose, so that nobody outside would gain by joining.

    Parameters
    ----------
    offer : array [..., firm]
        Effective compute that each would give, M H100e; zero for who is not invited.
    efficiency, size_exponent : float
        As for ``pool_yield``.

    Examples
    --------
    A firm ten times as large as the others would give more than it gets:

    >>> coalition(np.array([1.0, 1.0, 1.0, 10.0]), 0.6, 0.1)
    array([ True,  True,  True, False])
    """
    given = offer
    while True:
        largest = given.max(axis=-1, keepdims=True)
        leaves: Flags = (given == largest) & (given > pool_yield(given, efficiency, size_exponent))
        if not leaves.any():
            joins: Flags = given > 0.0
            return joins
        given = np.where(leaves, 0.0, given)


def next_pool(pool: Array, gained: Array, decay: float) -> Array:
    """E_fed' = (1 - delta_E) E_fed + what the pool makes of its members' compute; ``[...]``, M H100e-quarters."""
    return (1.0 - decay) * pool + gained


def opening_gain(
    profit: Array, stealing: Array, hosting_share: float, data: Array, data_gain: float, data_elasticity: Array
) -> Array:
    """Change of own profit, to first order, when a firm publishes its weights; ``[..., firm]``, $bn per quarter.

    Sum over sectors of Pi B (ln a_open + psi ln((1 + (1 + b_open) d) / (1 + d))), with d = D / D_ref: others host the
    model, users add data.

    Parameters
    ----------
    profit, stealing : array [..., sector, firm]
        Pi and B.
    hosting_share, data_gain : float
        a_open and b_open.
    data : array [..., firm]
        d, data stock over the initial leader's.
    data_elasticity : array [sector]
        psi.
    """
    informed = np.log((1.0 + (1.0 + data_gain) * data) / (1.0 + data))
    rise = np.log(hosting_share) + data_elasticity[:, None] * informed[..., None, :]
    return total(profit * stealing * rise, axis=-2)
