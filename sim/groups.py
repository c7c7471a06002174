"""Firms under common ownership: sums over the members of a group (docs/model.md 7.3 and 7.10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Array, Counts, Flags, safe_ratio


def without(head: Counts, leaves: Flags) -> Counts:
    """Heads of groups after some firms left: another member stands for a group whose head is gone.

    Parameters
    ----------
    head : counts [replicate, firm]
        As in ``Groups``.
    leaves : flags [replicate, firm]
        Who leaves; its slot stands for itself again.

    Examples
    --------
    >>> without(np.array([[0, 1, 1, 1]]), np.array([[False, True, False, False]]))
    array([[0, 1, 2, 2]])
    """
    slots = np.arange(head.shape[-1])
    is_orphan = ~leaves & np.take_along_axis(leaves, head, axis=-1)
    if is_orphan.any():
        heir = np.full(head.shape, len(slots))
        rows, members = np.nonzero(is_orphan)
        np.minimum.at(heir, (rows, head[is_orphan]), members)
        head = np.where(is_orphan, np.take_along_axis(heir, head, axis=-1), head)
    return np.where(leaves, slots, head)


class Groups:
    """Who belongs together, for sums that leave firms on their own untouched, bit for bit.

    Parameters
    ----------
    head : counts [replicate, firm]
        Slot of the firm that stands for each firm's group; its own for a firm on its own.

    Examples
    --------
    The second and third of three firms are one group:

    >>> groups = Groups(np.array([[0, 1, 1]]))
    >>> groups.total(np.array([[5.0, 1.0, 2.0]]))
    array([[5., 3., 3.]])
    >>> groups.split(np.array([[5.0, 1.0, 2.0]]), np.array([[1.0, 1.0, 3.0]]))
    array([[5.  , 0.75, 2.25]])
    """

    def __init__(self, head: Counts) -> None:
        self.head = head
        slots = np.arange(head.shape[-1])
        joined = head != slots
        if not joined.any():
            self._rows = self._slots = self._label = np.zeros(0, dtype=np.int64)
            return
        has_members = np.zeros_like(joined)
        rows, _ = np.nonzero(joined)
        has_members[rows, head[joined]] = True
        self._rows, self._slots = np.nonzero(joined | has_members)
        key = self._rows * head.shape[-1] + head[self._rows, self._slots]
        _, self._label = np.unique(key, return_inverse=True)

    @property
    def is_trivial(self) -> bool:
        """Whether every firm is on its own."""
        return not self._rows.size

    def rows(self, keep: Flags) -> Groups:
        """Only those of some replicates."""
        return Groups(self.head[keep])

    @property
    def is_head(self) -> Flags:
        """Whether a slot stands for its group; ``[replicate, firm]``."""
        heads: Flags = self.head == np.arange(self.head.shape[-1])
        return heads

    @property
    def is_joint(self) -> Flags:
        """Whether a firm shares its owner with another; ``[replicate, firm]``."""
        joint = np.zeros(self.head.shape, dtype=bool)
        joint[self._rows, self._slots] = True
        return joint

    def total(self, values: npt.NDArray[Any]) -> Array:
        """Each entry's sum over its group; ``[replicate, ..., firm]``."""
        return self._put(values, lambda mine: self._sums(mine)[self._label])

    def largest(self, values: Array) -> Array:
        """Each entry's largest value in its group; ``[replicate, ..., firm]``."""

        def of(mine: Array) -> Array:
            most = np.full((self._label.max() + 1, *mine.shape[1:]), -np.inf)
            np.maximum.at(most, self._label, mine)
            return most[self._label]

        return self._put(values, of)

    def split(self, values: Array, weights: Array) -> Array:
        """Each group's sum of ``values``, divided among its members in proportion to ``weights``.

        Both ``[replicate, ..., firm]``; equal parts where nobody in the group has a weight.
        """
        if self.is_trivial:
            return values
        weight = self._members(weights)
        size = np.bincount(self._label)[self._label].reshape(-1, *[1] * (weight.ndim - 1))
        whole = self._sums(weight)[self._label]
        part = np.where(whole == 0.0, 1.0 / size, safe_ratio(weight, whole))
        return self._put(values, lambda mine: self._sums(mine)[self._label] * part)

    def _members(self, values: Array) -> Array:
        """Entries of those that are in a group; ``[member, ...]``."""
        members: Array = np.moveaxis(values, -1, 1)[self._rows, self._slots]
        return members

    def _sums(self, members: Array) -> Array:
        sums = np.zeros((self._label.max() + 1, *members.shape[1:]))
        np.add.at(sums, self._label, members)
        return sums

    def _put(self, values: Array, of: Callable[[Array], Array]) -> Array:
        if self.is_trivial:
            return values
        answer = np.array(values, dtype=np.float64)
        np.moveaxis(answer, -1, 1)[self._rows, self._slots] = of(self._members(values))
        return answer
