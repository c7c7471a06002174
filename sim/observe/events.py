"""The log of events: what happened to whom, replicate by replicate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from sim.arrays import Array, Counts, Flags, safe_ratio, total, widened
from sim.observe.catalogue import Event, Moments

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
    _events: list[Event] = field(default_factory=list)
    _mandated: Counts | None = None

    def fork(self) -> EventLog:
        """A log with the same events, which goes on by itself."""
        return EventLog(self.replicates, list(self._events), self._mandated)

    def record(self, m: Moments, quarter: str) -> None:
        """Note what happened in a quarter."""
        firms, flows = m.world.firm_names, m.flows
        came, left = m.after.generation, m.before.generation
        self._note(
            quarter, "entry", flows.demography.entries, firms, lambda r, i: f"generation {came[r, i]} of the slot"
        )
        self._note(quarter, "exit", flows.demography.exits, firms, lambda r, i: f"generation {left[r, i]} of the slot")

        merging = flows.merging
        decided = merging.target >= 0
        self._note_pairs(quarter, "merger proposed", merging.proposed >= 0, merging.proposer, merging.proposed, firms)
        for kind, where in (
            ("merger reviewed", merging.screened),
            ("merger refused", decided & ~merging.approved),
            ("merger", merging.approved),
        ):
            self._note_pairs(quarter, kind, where, merging.acquirer, merging.target, firms, merging.harm)
        self._note(quarter, "break-up", merging.break_ups, firms, lambda r, i: f"generation {left[r, i]} of the slot")

        opened, told = _chosen(m), self._told(m)
        self._note(quarter, "weights opened", opened | told, firms, lambda r, i: "mandated" if told[r, i] else "chosen")

        markets = flows.markets
        idle = 1.0 - safe_ratio(markets.use, markets.supply, otherwise=1.0)
        at_floor = markets.rent <= markets.floor * (1.0 + _BINDS)
        self._note(
            quarter, "floor binds", at_floor, m.world.owner_names, lambda r, j: f"{idle[r, j]:.4f} of supply is idle"
        )

        limit = np.minimum(flows.rules.grid_limit, flows.drivers.grid_limit)
        is_full = np.isfinite(limit) & (total(flows.investment.shipments) >= limit * (1.0 - _BINDS))
        self._note(quarter, "grid binds", is_full[:, None], ("grid",), lambda r, _: f"{limit[r]:.4g} M H100e connected")

    def _note(
        self, quarter: str, kind: str, where: Flags, names: Sequence[str], detail: Callable[[int, int], str]
    ) -> None:
        if where.any():
            for row, slot in np.argwhere(where).tolist():
                self._events.append(Event(self.replicates[row], quarter, kind, names[slot], detail(row, slot)))

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
        for row in np.flatnonzero(where).tolist():
            cost = "" if harm is None or harm[row] == 0.0 else f", {harm[row]:.2%} of spending at stake"
            detail = f"with {names[target[row]]}{cost}"
            self._events.append(Event(self.replicates[row], quarter, kind, names[acquirer[row]], detail))

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

    def events(self) -> tuple[Event, ...]:
        """Every event, by replicate, quarter and kind."""
        return tuple(sorted(self._events, key=lambda event: event.replicate))


def _chosen(m: Moments) -> Flags:
    """Firms that open their weights of their own accord by the end of the quarter."""
    opened: Flags = m.after.is_open & ~m.before.is_open
    if not opened.any():
        return opened
    is_same = m.before.is_active & m.after.is_active & (m.before.generation == m.after.generation)
    opened &= is_same
    return opened
