"""Exit, entry and the value of a firm (docs/model.md 7.10)."""

from __future__ import annotations

import numpy as np

from sim.arrays import Array, Counts, Flags, total


def firm_value(profit: Array, expected_growth: Array, cost_of_funds: float, hazard: float, growth_high: float) -> Array:
    """Pi / (r + hazard - g), with g clipped to [0, growth_high]; $bn for Pi in $bn per quarter."""
    return profit / (cost_of_funds + hazard - np.clip(expected_growth, 0.0, growth_high))


def quarters_beyond(last: Counts, debt: Array, limit: Array, is_active: Flags) -> Counts:
    """Consecutive quarters in which debt exceeds its limit; ``[..., firm]``."""
    return np.where(is_active & (debt > limit), last + 1, 0)


def assign_slots(enters: Flags, is_free: Flags) -> tuple[Counts, Counts]:
    """Give entering candidates free slots in order.

    Parameters
    ----------
    enters : flags [..., candidate]
        Candidates that want to enter, in order of arrival.
    is_free : flags [..., firm]
        Slots an entrant may take.

    Returns
    -------
    candidate : counts [..., firm]
        The candidate that takes each slot, or -1.
    refused : counts [...]
        Candidates for whom there was no slot.

    Examples
    --------
    >>> assign_slots(np.array([True, False, True]), np.array([False, True, True, True]))[0]
    array([-1,  0,  2, -1])
    """
    candidate_order = np.argsort(~enters, axis=-1, kind="stable")
    n_enter = enters.sum(axis=-1, keepdims=True)
    slot_rank = np.cumsum(is_free, axis=-1) - 1
    taken = is_free & (slot_rank < n_enter)
    in_range = np.clip(slot_rank, 0, enters.shape[-1] - 1)
    candidate = np.where(taken, np.take_along_axis(candidate_order, in_range, axis=-1), -1)
    refused = np.maximum(n_enter[..., 0] - total(is_free), 0)
    return candidate, refused
