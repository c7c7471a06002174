"""Funding: investors, partners and parents (docs/model.md 7.5)."""

from __future__ import annotations

import numpy as np

from sim.arrays import Array, Flags, safe_ratio, shares, total


def investor_fund(path: float, relative_return: Array, elasticity: float, low: float, high: float) -> Array:
    """F = path x clip(R / R_0, low, high)^e_F; ``[...]``, $bn per quarter."""
    return path * np.clip(relative_return, low, high) ** elasticity


def industry_return(profit: Array, outlay: Array) -> Array:
    """Operating profit over training outlay, both summed over the last axis (four quarters)."""
    return safe_ratio(total(profit), total(outlay), otherwise=1.0)


def contest_shares(power: Array, own: Array, effective: Array, is_eligible: Flags, exponent: float) -> Array:
    """Shares of a contest on P^omega E_own / E_eff; ``[..., firm]``.

    Investors pay for what a firm itself can do, not for weights it downloads.
    """
    return shares(np.where(is_eligible, power**exponent * safe_ratio(own, effective), 0.0))


def moved_shares(last: Array, contest: Array, is_eligible: Flags, speed: float) -> Array:
    """(1 - k) last + k contest over those still eligible, renormalised; ``[..., firm]``."""
    return shares(np.where(is_eligible, (1.0 - speed) * last + speed * contest, 0.0))
