"""Array types, and the few array operations that NumPy does not name."""

from __future__ import annotations

import functools
import importlib
import math
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]
AnyArray = TypeVar("AnyArray", Array, Counts, Flags)

_OF_TABLE = 2
"""Axes of a table."""
_OF_KINDS = -2
"""The last axis but one, for example that of sectors or owners before firms."""


def total(values: npt.NDArray[Any], axis: int | tuple[int, int] = -1, *, keepdims: bool = False) -> Array:
    """Sum over ``axis``, the last by default; flags count as ones.

    Zeros at the end of the last axis change no bit of a sum over it (``sim.sums``).

    >>> total(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([3., 7.])
    """
    if axis == (-2, -1):
        return total(total(values))
    summed: Array
    if axis == -1:
        rows = np.ascontiguousarray(values, dtype=np.float64)
        if rows.ndim != _OF_TABLE:
            rows = _stacked(rows, 1)
        summed = _sums().row_sums(rows)
        if values.ndim == _OF_TABLE and not keepdims:
            return summed
        return summed.reshape(values.shape[:-1] + (1,) * keepdims)[()]
    if axis == _OF_KINDS:
        summed = _sums().column_sums(_stacked(values, 2))
        return summed.reshape(values.shape[:-2] + (1,) * keepdims + values.shape[-1:])
    summed = values.sum(axis=axis, dtype=np.float64, keepdims=keepdims)
    return summed


def safe_ratio(numerator: Array, denominator: Array, otherwise: Array | float = 0.0) -> Array:
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


def repeated(values: npt.NDArray[Any], times: int) -> npt.NDArray[Any]:
    """All of the first axis several times, one after the other.

    >>> repeated(np.array([1.0, 2.0]), 2)
    array([1., 2., 1., 2.])
    """
    return np.concatenate([values] * times)


def weighted_total(values: Array, weights: Array) -> Array:
    """Sum over the last axis of values ``[..., entry]`` times weights ``[..., kind, entry]``, as in ``total``.

    >>> weighted_total(np.array([1.0, 2.0]), np.array([[3.0, 4.0], [1.0, 0.0]]))
    array([11.,  1.])
    """
    require_alike(values.shape, (*weights.shape[:-2], weights.shape[-1]))
    sums: Array = _sums().row_products(_stacked(values, 1), _stacked(weights, 2)).reshape(weights.shape[:-1])
    return sums


def mixture(amounts: Array, of: Array) -> Array:
    """Sum over kinds of amounts ``[..., kind]`` times rows ``[..., kind, entry]``; ``[..., entry]``.

    >>> mixture(np.array([1.0, 2.0]), np.array([[3.0, 4.0], [1.0, 0.0]]))
    array([5., 4.])
    """
    require_alike(amounts.shape, of.shape[:-1])
    mixed: Array = _sums().mixtures(_stacked(amounts, 1), _stacked(of, 2)).reshape(*of.shape[:-2], of.shape[-1])
    return mixed


def group_totals(values: npt.NDArray[Any], rows: Counts, slots: Counts, first: Counts) -> Array:
    """Values ``[row, ..., entry]`` with the sum over its group at each member; groups begin at ``first`` in the list.

    Rows and slots must be there.

    >>> group_totals(np.array([[1.0, 2.0, 4.0]]), np.array([0, 0]), np.array([0, 2]), np.array([0]))
    array([[5., 2., 5.]])
    """
    totals = np.array(values, dtype=np.float64, order="C")
    _sums().add_up_groups(totals.reshape(len(totals), -1, totals.shape[-1]), rows, slots, first)
    return totals


def require_alike(shape: tuple[int, ...], other: tuple[int, ...]) -> None:
    """Compiled code does not look where arrays end.

    Raises
    ------
    ValueError
        When two shapes differ.
    """
    if shape != other:
        message = f"shapes do not match: {shape} and {other}"
        raise ValueError(message)


def _stacked(values: npt.NDArray[Any], n_axes: int) -> Array:
    """The last axes in full, and one axis before them for all others."""
    kept = values.shape[values.ndim - n_axes :]
    return np.ascontiguousarray(values, dtype=np.float64).reshape(
        math.prod(values.shape[: values.ndim - n_axes]), *kept
    )


@functools.cache
def _sums() -> ModuleType:
    """Compiled sums, loaded when the first is asked for: the compiler takes half a second to load."""
    return importlib.import_module("sim.sums")


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
