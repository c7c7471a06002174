"""Mergers: what a pair gains, which cases are reviewed, and what breaks a firm apart (docs/model.md 7.10)."""

from __future__ import annotations

import numpy as np

from sim import units
from sim.arrays import Array, Counts, Flags, total


def pricing_gain(profit: Array, elasticity: Array, partner: Array, partner_elasticity: Array, joint: Array) -> Array:
    """Rise of a pair's operating profit when both price as one and customers stay where they are.

    Profit is kept revenue over perceived elasticity, so joint pricing changes it to
    (Pi_i eps_i + Pi_j eps_j) / eps_joint.

    Parameters
    ----------
    profit, elasticity : array [..., sector, firm]
        Of each firm, $bn per quarter.
    partner, partner_elasticity : array [..., sector, 1]
        Of the firm that every other is paired with.
    joint : array [..., sector, firm]
        Elasticity that the pair would perceive.

    Returns
    -------
    array [..., firm]
        $bn per quarter.
    """
    kept = profit * elasticity + partner * partner_elasticity
    return total(kept / joint - profit - partner, axis=-2)


def attraction_gain(profit: Array, stealing: Array, rise: Array) -> Array:
    """Rise of operating profit, to first order, when attraction rises: sum over sectors of Pi B d ln V.

    Parameters
    ----------
    profit, stealing : array [..., sector, firm]
        Pi, $bn per quarter, and B, the elasticity of revenue to attraction.
    rise : array [..., sector, firm]
        d ln V, from cheaper serving by (rho - 1) times the fall of its log cost, or from more data.

    Returns
    -------
    array [..., firm]
        $bn per quarter.
    """
    return total(profit * stealing * rise, axis=-2)


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


def is_screened(share: Array, acquirer: Array, hhi: Array, change: Array, joint: Array) -> Flags:
    """Which targets a review would look at.

    Those with which, in some sector, HHI rises by ``change`` and ends at ``hhi`` or the pair's share at ``joint``.

    Parameters
    ----------
    share : array [..., sector, firm]
        Of every group, at one of its members.
    acquirer : array [..., sector, 1]
        Share of the acquirer.
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
    >>> is_screened(s, s[:, [0]], np.array(1800.0), np.array(100.0), np.array(0.3))[1:]
    array([ True,  True, False])
    """
    hhi, change, joint = hhi[..., None, None], change[..., None, None], joint[..., None, None]
    rise = 2.0 * acquirer * share * units.HHI_POINTS
    after = total(share**2, keepdims=True) * units.HHI_POINTS + rise
    screened: Flags = np.any((rise >= change) & ((after >= hhi) | (acquirer + share >= joint)), axis=-2)
    return screened
