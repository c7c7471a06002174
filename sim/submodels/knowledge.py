"""Algorithmic progress, imitation and data (docs/model.md 7.9)."""

from __future__ import annotations

import numpy as np

from sim.arrays import Array, Flags, best_other, total


def research_effort(compute: Array) -> Array:
    """Training compute over the largest; ``[..., firm]`` in [0, 1], zeros when nobody trains."""
    largest = compute.max(axis=-1, keepdims=True)
    return np.where(largest > 0.0, compute / np.where(largest > 0.0, largest, 1.0), 0.0)


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


def next_data(data: Array, quantity: Array, portability: Array, decay: float) -> Array:
    """D' = (1 - delta_D) D + own + portability x (industry - own); ``[..., firm]``, $bn of initial prices."""
    industry = total(quantity, keepdims=True)
    return (1.0 - decay) * data + quantity + portability[..., None] * (industry - quantity)


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
