"""Firms under common ownership: sums over the members of a group (docs/model.md 7.3 and 7.10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sim.arrays import Array, Counts, Flags, group_totals, require_alike, safe_ratio


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
        Slot of the firm that stands for each firm's group; its own for that firm, as for one on its own.

    Examples
    --------
    The second and third of three firms are one group:

    >>> groups = Groups(np.array([[0, 1, 1]]))
    >>> groups.total(np.array([[5.0, 1.0, 2.0]]))
    array([[5., 3., 3.]])
    >>> groups.split(np.array([[5.0, 1.0, 2.0]]), np.array([[1.0, 1.0, 3.0]]))
    array([[5.  , 0.75, 2.25]])
    """

    _latest: ClassVar[Groups | None] = None

    def __init__(self, head: Counts) -> None:
        self.head = head
        self._rows = self._slots = self._first = self._size = np.zeros(0, dtype=np.int64)
        n_slots = head.shape[-1]
        is_member = head != np.arange(n_slots)
        rows, followers = np.nonzero(is_member)
        if not rows.size:
            return
        is_member[rows, head[rows, followers]] = True
        rows, members = np.nonzero(is_member)
        group = rows * n_slots + head[rows, members]
        order = np.argsort(group, kind="stable")  # a group's members side by side
        self._rows, self._slots = rows[order], members[order]
        self._first = np.flatnonzero(np.diff(group[order], prepend=-1))
        self._size = np.diff(self._first, append=len(group))

    @classmethod
    def of(cls, head: Counts) -> Groups:
        """The same, found once for questions about one array that follow each other; it may not change meanwhile."""
        if cls._latest is None or cls._latest.head is not head:
            cls._latest = cls(head)
        return cls._latest

    @property
    def is_trivial(self) -> bool:
        """Whether every firm is on its own."""
        return not self._rows.size

    @property
    def is_head(self) -> Flags:
        """Whether a slot stands for its group; ``[replicate, firm]``."""
        heads: Flags = self.head == np.arange(self.head.shape[-1])
        return heads

    def total(self, values: npt.NDArray[Any]) -> Array:
        """Each entry's sum over its group; ``[replicate, ..., firm]``."""
        if self.is_trivial:
            return values
        require_alike((len(values), values.shape[-1]), self.head.shape)
        return group_totals(values, self._rows, self._slots, self._first)

    def largest(self, values: Array) -> Array:
        """Each entry's largest value in its group; ``[replicate, ..., firm]``."""
        return self._put(values, lambda mine: self._spread(np.maximum.reduceat(mine, self._first)))

    def split(self, values: Array, weights: Array) -> Array:
        """Each group's sum of ``values``, divided among its members in proportion to ``weights``.

        Both ``[replicate, ..., firm]``; equal parts where nobody in the group has a weight.
        """
        if self.is_trivial:
            return values
        weight = self._members(weights)
        whole = self._sums(weight)
        even = 1.0 / self._spread(self._size).reshape(-1, *[1] * (weight.ndim - 1))
        part = np.where(whole == 0.0, even, safe_ratio(weight, whole))
        return self._put(values, lambda mine: self._sums(mine) * part)

    def differ(self, values: Array) -> Flags:
        """Whether the firms of a group have different ``values``; ``[replicate, firm]``, none for a firm on its own."""
        if self.is_trivial:
            return np.zeros(self.head.shape, dtype=bool)
        mine = self._members(values)
        spread = np.maximum.reduceat(mine, self._first) > np.minimum.reduceat(mine, self._first)
        different = np.zeros(self.head.shape, dtype=bool)
        different[self._rows, self._slots] = self._spread(spread)
        return different

    def _members(self, values: Array) -> Array:
        """Entries of those that are in a group; ``[member, ...]``."""
        members: Array = values[self._rows, ..., self._slots]
        return members

    def _sums(self, members: Array) -> Array:
        """Each member's sum over its group; ``[member, ...]``."""
        return self._spread(np.add.reduceat(members, self._first))

    def _spread(self, of_groups: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """One entry for each group, repeated for each of its members."""
        return np.repeat(of_groups, self._size, axis=0)

    def _put(self, values: Array, of: Callable[[Array], Array]) -> Array:
        if self.is_trivial:
            return values
        answer = np.array(values, dtype=np.float64)
        answer[self._rows, ..., self._slots] = of(self._members(answer))
        return answer
