"""The log of events: what happened to whom, replicate by replicate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.arrays import Array, Counts, Flags, safe_ratio, total, widened
from sim.observe.catalogue import Event, Events, Moments

_BINDS = 1e-9
"""Largest relative distance at which a limit binds."""


class EventKind(NamedTuple):
    """One kind of event."""

    actor: str
    sentence: str


EVENTS: dict[str, EventKind] = {
    "entry": EventKind("firm", "A firm enters; it acts from the next quarter."),
    "exit": EventKind("firm", "A firm leaves at the end of the quarter."),
    "merger proposed": EventKind("firm", "A firm asks to merge with another."),
    "merger reviewed": EventKind("firm", "A case is large enough for a review, which weighs consumer gain."),
    "merger refused": EventKind("firm", "The review or a ban stops a merger."),
    "merger": EventKind("firm", "A firm takes over another; both product lines stay."),
    "break-up": EventKind("firm", "A rule splits a firm into successors, or a group into its firms."),
    "weights opened": EventKind("firm", "A firm decides, or is first told, to publish its model weights."),
    "floor binds": EventKind("owner", "Rent is at its floor, so that chips may stand idle; once for each quarter."),
    "grid binds": EventKind("grid", "More chips were made than can be connected; once for each quarter."),
}
"""Kinds of events, in the order in which those of a quarter are listed."""


@dataclass
class EventLog:
    """Events of a block, collected while time passes.

    Parameters
    ----------
    replicates : sequence of int
        Numbers of the block's replicates.
    """

    replicates: Sequence[int]
    _columns: tuple[list[Any], ...] = field(default_factory=lambda: tuple([] for _ in Event._fields))
    _mandated: Counts | None = None

    def fork(self) -> EventLog:
        """A log with the same events, which goes on by itself."""
        return EventLog(self.replicates, tuple(map(list, self._columns)), self._mandated)

    def record(self, m: Moments, quarter: str) -> None:
        """Note what happened in a quarter."""
        firms, flows = m.world.firm_names, m.flows
        came, left = m.after.generation, m.before.generation
        generation = "generation {} of the slot".format
        self._note(quarter, "entry", flows.demography.entries, firms, generation, came)
        self._note(quarter, "exit", flows.demography.exits, firms, generation, left)

        merging = flows.merging
        decided = merging.target >= 0
        self._note_pairs(quarter, "merger proposed", merging.proposed >= 0, merging.proposer, merging.proposed, firms)
        for kind, where in (
            ("merger reviewed", merging.screened),
            ("merger refused", decided & ~merging.approved),
            ("merger", merging.approved),
        ):
            self._note_pairs(quarter, kind, where, merging.acquirer, merging.target, firms, merging.harm)
        self._note(quarter, "break-up", merging.break_ups, firms, generation, left)

        opened, told = _chosen(m), self._told(m)
        self._note(
            quarter, "weights opened", opened | told, firms, {True: "mandated", False: "chosen"}.__getitem__, told
        )

        markets = flows.markets
        idle = 1.0 - safe_ratio(markets.use, markets.supply, otherwise=1.0)
        at_floor = markets.rent <= markets.floor * (1.0 + _BINDS)
        self._note(quarter, "floor binds", at_floor, m.world.owner_names, "{:.4f} of supply is idle".format, idle)

        limit = np.minimum(flows.rules.grid_limit, flows.drivers.grid_limit)
        is_full = np.isfinite(limit) & (total(flows.investment.shipments) >= limit * (1.0 - _BINDS))
        self._note(
            quarter, "grid binds", is_full[:, None], ("grid",), "{:.4g} M H100e connected".format, limit[:, None]
        )

    def _note(
        self,
        quarter: str,
        kind: str,
        where: Flags,
        names: Sequence[str],
        words: Callable[[Any], str],
        values: npt.NDArray[Any],
    ) -> None:
        """Note an event of each actor ``[replicate, actor]``, with what its value is in words."""
        if where.any():
            rows, slots = np.nonzero(where)
            actors = [names[slot] for slot in slots.tolist()]
            self._add(quarter, kind, rows, actors, map(words, values[rows, slots].tolist()))

    def _note_pairs(
        self,
        quarter: str,
        kind: str,
        where: Flags,
        acquirer: Counts,
        target: Counts,
        names: Sequence[str],
        harm: Array | None = None,
    ) -> None:
        rows = np.flatnonzero(where)
        at_stake = np.zeros(len(rows)) if harm is None else harm[rows]
        details = [
            f"with {names[slot]}" + (f", {cost:.2%} of spending at stake" if cost else "")
            for slot, cost in zip(target[rows].tolist(), at_stake.tolist(), strict=True)
        ]
        self._add(quarter, kind, rows, [names[slot] for slot in acquirer[rows].tolist()], details)

    def _add(self, quarter: str, kind: str, rows: Counts, actors: Sequence[str], details: Iterable[str]) -> None:
        """Add a row for each event to the columns."""
        replicates = [self.replicates[row] for row in rows.tolist()]
        n = len(replicates)
        for column, new in zip(self._columns, (replicates, [quarter] * n, [kind] * n, actors, details), strict=True):
            column.extend(new)

    def _told(self, m: Moments) -> Flags:
        """Firms with closed weights that must release them and last quarter, as the same firm, need not."""
        if self._mandated is None and not np.isfinite(m.flows.rules.open_weights).any():
            return np.zeros_like(m.before.is_active)
        is_told = m.before.is_active & np.isfinite(m.flows.rules.open_weights)
        mandated = np.where(is_told, m.before.generation, -1)
        new: Flags = is_told & ~m.before.is_open
        if self._mandated is not None:
            new &= mandated != widened(self._mandated, np.full(mandated.shape[-1], -1))
        self._mandated = mandated
        return new

    def events(self) -> Events:
        """Every event, by replicate, quarter and kind."""
        order = np.argsort(self._columns[0], kind="stable").tolist()
        return Events(*(tuple([column[place] for place in order]) for column in self._columns))


def _chosen(m: Moments) -> Flags:
    """Firms that open their weights of their own accord by the end of the quarter."""
    opened: Flags = m.after.is_open & ~m.before.is_open
    if not opened.any():
        return opened
    is_same = m.before.is_active & m.after.is_active & (m.before.generation == m.after.generation)
    opened &= is_same
    return opened
