"""Variance from luck and from parameters, told apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.arrays import Array, Counts


def variance_parts(values: Array, sets: Sequence[int] | Counts) -> tuple[Array, Array]:
    """Variance from luck and from parameters, ``[...]``, of values ``[replicate, ...]`` of which ``sets`` says whose.

    One-way analysis of variance with random effects: luck is the mean square within sets, parameters what the mean
    square between sets exceeds it by, over the replicates of a set (law of total variance; Searle, Casella and
    McCulloch 1992, *Variance Components*, 3.6). Both are nan where no set has two replicates, or there is one set.

    Examples
    --------
    >>> luck, parameters = variance_parts(np.array([1.0, 3.0, 11.0, 13.0]), [0, 0, 1, 1])
    >>> float(luck), float(parameters)
    (2.0, 49.0)
    """
    labels = np.asarray(sets)
    names, counts = np.unique(labels, return_counts=True)
    n, k = len(labels), len(names)
    if not 1 < k < n:
        unknown = np.full(values.shape[1:], np.nan)
        return unknown, unknown
    means = np.stack([values[labels == name].mean(axis=0) for name in names])
    squares = [((values[labels == name] - mean) ** 2).sum(axis=0) for name, mean in zip(names, means, strict=True)]
    luck = np.asarray(np.sum(squares, axis=0) / (n - k))
    weights = counts.reshape(k, *[1] * (values.ndim - 1))
    between = (weights * (means - values.mean(axis=0)) ** 2).sum(axis=0) / (k - 1)
    per_set = (n - (counts**2).sum() / n) / (k - 1)
    return luck, np.asarray(np.maximum(between - luck, 0.0) / per_set)
