"""Compute outside the market: who may use how much of a pool, and what is left to buy (docs/model.md 7.6)."""

from __future__ import annotations

import numpy as np

from sim.arrays import Array, shares


def allotted(pool: Array, claim: Array) -> Array:
    """Split of a pool by claims; ``[..., firm]``, M H100e, nothing where nobody has a claim.

    Parameters
    ----------
    pool : array [...]
        Compute to be given away, M H100e.
    claim : array [..., firm]
        Relative claims, at least zero.

    Examples
    --------
    >>> allotted(np.array(8.0), np.array([1.0, 3.0, 0.0]))
    array([2., 6., 0.])
    """
    return pool[..., None] * shares(claim)


def bought(desired: Array, means: Array, allotment: Array, user_cost: Array) -> Array:
    """Training compute that a firm with an allotment still rents, min(max(x - w a, 0), means) / w; M H100e.

    A firm wants compute worth x at the rent it pays. What it is given stands in for what it would have rented, so that
    an allotment adds to the training of a firm that lacks the means and of one that is given more than it wanted, and
    to nobody else's.

    Parameters
    ----------
    desired, means : array [..., firm]
        Outlay wanted, and the most that cash and credit allow, $bn.
    allotment : array [..., firm]
        a, M H100e.
    user_cost : array [..., firm]
        w with compute tax, $bn per M H100e-quarter.

    Examples
    --------
    With 10 wanted at a rent of 2, three units given leave 4 to rent; a firm with means of 3 still spends them:

    >>> bought(np.array([10.0, 10.0]), np.array([50.0, 3.0]), np.array([3.0, 3.0]), np.array([2.0, 2.0]))
    array([2. , 1.5])
    """
    return np.minimum(np.maximum(desired - user_cost * allotment, 0.0), means) / user_cost


def usable_share(compute: Array, cap: Array, per_unit: float = 1.0) -> Array:
    """Part of compute that a cap leaves usable, min(1, cap / what counts towards it); shape of ``compute``.

    Parameters
    ----------
    compute : array
        M H100e.
    cap : array
        Infinite for none; TWh per quarter for one on energy.
    per_unit : float
        What a M H100e-quarter counts.
    """
    counted = per_unit * compute
    share: Array = np.where(counted > cap, cap / np.where(counted > cap, counted, 1.0), 1.0)
    return share
