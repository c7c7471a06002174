"""Array types, and the few array operations that NumPy does not name."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]
AnyArray = TypeVar("AnyArray", Array, Counts, Flags)


def total(values: npt.NDArray[Any], axis: int | tuple[int, ...] = -1, *, keepdims: bool = False) -> Array:
    """Sum over ``axis``, the last by default; flags count as ones.

    >>> total(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([3., 7.])
    """
    summed: Array = values.sum(axis=axis, dtype=np.float64, keepdims=keepdims)
    return summed


def safe_ratio(numerator: Array, denominator: Array, otherwise: float = 0.0) -> Array:
    """Quotient, or ``otherwise`` where the denominator is zero; shapes broadcast.

    >>> safe_ratio(np.array([1.0, 1.0]), np.array([2.0, 0.0]))
    array([0.5, 0. ])
    """
    zero = denominator == 0.0
    return np.where(zero, otherwise, numerator / np.where(zero, 1.0, denominator))


def shares(values: Array) -> Array:
    """Values over their sum on the last axis; zeros where the sum is zero.

    >>> shares(np.array([1.0, 3.0]))
    array([0.25, 0.75])
    """
    whole = total(values, keepdims=True)
    return values / np.where(whole == 0.0, 1.0, whole)


def widened(values: npt.NDArray[Any], rest: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values with a last axis as long as that of ``rest``, whose last entries fill what is new.

    >>> widened(np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros(3))
    array([[1., 2., 0.],
           [3., 4., 0.]])
    """
    new = rest[..., values.shape[-1] :]
    return np.concatenate([values, np.broadcast_to(new, (*values.shape[:-1], new.shape[-1]))], axis=-1)


def dot(left: Array, right: Array) -> Array:
    """Sum of products over the last axis of ``left`` and the last but one of ``right``, by replicate.

    Each replicate is a product of its own, so that bits do not depend on how many there are.

    >>> dot(np.array([[1.0, 2.0]]), np.array([[[3.0], [4.0]]]))
    array([[11.]])
    """
    product: Array = (left[..., None, :] @ right)[..., 0, :]
    return product


def best_other(values: Array) -> Array:
    """For each entry the largest among the others on the last axis.

    >>> best_other(np.array([3.0, 5.0, 4.0]))
    array([5., 4., 5.])
    """
    if values.shape[-1] == 1:
        return np.full_like(values, -np.inf)
    leader = values.argmax(axis=-1, keepdims=True)
    best = np.take_along_axis(values, leader, axis=-1)
    is_leader = np.arange(values.shape[-1]) == leader
    second = np.where(is_leader, -np.inf, values).max(axis=-1, keepdims=True)
    return np.where(is_leader, second, best)
