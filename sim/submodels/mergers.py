"""Mergers: what a pair gains, which cases are reviewed, and what breaks a firm apart (docs/model.md 7.10)."""

from __future__ import annotations

import numpy as np

from sim import units
from sim.arrays import Array, Counts, Flags, total


def joint_profit(kept: Array, partner: Array, elasticity: Array) -> Array:
    """Operating profit of a pair when both price as one and customers stay where they are.

    Profit is kept revenue over perceived elasticity, so joint pricing changes it to
    sum over sectors of (Pi_i eps_i + Pi_j eps_j) / eps_joint.

    Parameters
    ----------
    kept : array [..., sector, firm]
        Pi eps of each firm, $bn per quarter.
    partner : array [..., sector, 1]
        That of the firm that every other is paired with.
    elasticity : array [..., sector, firm]
        eps_joint that the pair would perceive.

    Returns
    -------
    array [..., firm]
        $bn per quarter.
    """
    return total((kept + partner) / elasticity, axis=-2)


def profit_of_attraction(profit: Array, stealing: Array, elasticity: Array | float = 1.0) -> Array:
    """Rise of operating profit, to first order, when attraction rises: sum over sectors of Pi B d ln V.

    Parameters
    ----------
    profit, stealing : array [..., sector, firm]
        Pi, $bn per quarter, and B, the elasticity of revenue to attraction.
    elasticity : array [sector] or float
        Of V to what rises: (rho - 1) times that of costs for cheaper serving, psi_s for data.

    Returns
    -------
    array [..., firm]
        $bn per quarter for each log point of what rises.
    """
    weight = profit * stealing
    return total(weight * np.reshape(elasticity, (-1, 1)), axis=-2)


def drawn(weight: Array, uniform: Array) -> Counts:
    """Index drawn with probability in proportion to ``weight``, by inversion; -1 where nothing has any.

    Parameters
    ----------
    weight : array [..., firm]
        At least zero.
    uniform : array [...]
        Inside (0, 1).

    Examples
    --------
    >>> drawn(np.array([[1.0, 0.0, 3.0], [0.0, 0.0, 0.0]]), np.array([0.3, 0.3]))
    array([ 2, -1])
    """
    cumulative = np.cumsum(weight, axis=-1)
    below: Counts = (cumulative <= uniform[..., None] * cumulative[..., -1:]).sum(axis=-1)
    return np.where(cumulative[..., -1] > 0.0, below, -1)


def is_screened(share: Array, acquirer: Array, before: Array, hhi: Array, change: Array, joint: Array) -> Flags:
    """Which targets a review would look at.

    Those with which, in some sector, HHI rises by ``change`` and ends at ``hhi`` or the pair's share at ``joint``.

    Parameters
    ----------
    share : array [..., sector, firm]
        Of each target's group.
    acquirer : array [..., sector, 1]
        Of the acquirer's.
    before : array [..., sector]
        HHI, points.
    hhi, change : array [...]
        Points.
    joint : array [...]
        Share.

    Returns
    -------
    flags [..., firm]

    Examples
    --------
    The leader with each of its rivals; a firm of half a per cent raises HHI by 40 points only:

    >>> s = np.array([[0.4, 0.295, 0.3, 0.005]])
    >>> before = 1e4 * (s**2).sum(axis=-1)
    >>> is_screened(s, s[:, [0]], before, np.array(1800.0), np.array(100.0), np.array(0.3))[1:]
    array([ True,  True, False])
    """
    change, joint = change[..., None, None], joint[..., None, None]
    to_limit = (hhi[..., None] - before)[..., None]
    rise = (2.0 * units.HHI_POINTS) * acquirer * share
    screened: Flags = np.any((rise >= change) & ((rise >= to_limit) | (acquirer + share >= joint)), axis=-2)
    return screened
