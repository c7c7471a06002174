"""Rules by which scarce compute is shared among eligible firms."""

from __future__ import annotations

from typing import Literal

import numpy as np

from sim.arrays import Array, Flags, safe_ratio, total
from sim.policies.base import Scene

Rule = Literal["equal", "need", "lottery", "max_min", "merit", "pro_rata"]

RULES = """\
equal: the same for each; need: by the gap to the mean of those eligible; lottery: all to one, drawn each quarter;
max_min: to the smallest first, until they are level; merit: by AI power; pro_rata: by compute used. Need and max_min
look at compute that no rule gave, else who was given some in one quarter would be past need in the next"""


def claims(rule: Rule, scene: Scene, pool: Array, luck: Array | None = None) -> Array:
    """Weights of eligible firms in a pool; equal where the rule sees no difference.

    Parameters
    ----------
    rule : str
        See ``RULES``.
    scene : Scene
        Whom the policy reaches, and what it saw.
    pool : array [replicate]
        Compute to be shared, M H100e; only max-min needs it.
    luck : array [replicate, firm], optional
        Draws of the lottery.

    Returns
    -------
    array [replicate, firm]
        Zero outside the targets; sums to one where there is a target.
    """
    eligible = scene.targets
    compute = np.where(eligible, scene.seen("compute" if rule == "pro_rata" else "unaided"), 0.0)
    if rule == "need":
        mean = total(compute, keepdims=True) / scene.n_targets
        weight = np.where(eligible, np.maximum(mean - compute, 0.0), 0.0)
    elif rule == "lottery" and luck is not None:
        ticket = np.where(eligible, luck, -1.0)
        weight = np.where(eligible & (ticket == ticket.max(axis=-1, keepdims=True)), 1.0, 0.0)
    elif rule == "max_min":
        weight = filled(compute, eligible, pool)
    elif rule == "merit":
        weight = np.where(eligible, scene.seen("power"), 0.0)
    elif rule == "pro_rata":
        weight = compute
    else:
        weight = np.where(eligible, 1.0, 0.0)
    return safe_ratio(weight, total(weight, keepdims=True), otherwise=eligible / scene.n_targets)


def filled(held: Array, eligible: Flags, pool: Array) -> Array:
    """Fill the pool into the lowest first, as water finds its level; ``[replicate, firm]``.

    >>> filled(np.array([[1.0, 2.0, 6.0]]), np.array([[True, True, True]]), np.array([3.0]))
    array([[2., 1., 0.]])
    """
    order = np.sort(np.where(eligible, held, np.inf), axis=-1)
    known = np.where(np.isfinite(order), order, 0.0)
    n = np.arange(1, held.shape[-1] + 1)
    level = (np.cumsum(known, axis=-1) + pool[:, None]) / n
    following = np.concatenate([order[:, 1:], np.full((len(order), 1), np.inf)], axis=-1)
    is_reached = np.isfinite(order) & (level <= following)
    first = is_reached.argmax(axis=-1)[:, None]
    water = np.take_along_axis(level, first, axis=-1)
    return np.where(eligible, np.maximum(water - held, 0.0), 0.0)
