"""What is recorded of a block of replicates: which quarters, and the rows that are collected while time passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sim.arrays import Array, repeated, widened
from sim.observe import (
    PLANNER_GAP,
    EventLog,
    Moments,
    RankLog,
    Recording,
    Values,
    firm_table,
    maker_table,
    owner_table,
    planner_gap,
)
from sim.quarters import QUARTERS_PER_YEAR, Quarter, quarter_range
from sim.world.build import World


@dataclass(frozen=True, slots=True)
class Timeline:
    """Which quarters to simulate and which of them to record.

    Parameters
    ----------
    start, end : Quarter
        Both included; the world starts at ``start``.
    firms, owners : frozenset of Quarter
        Quarters whose tables of firms, and of owners and makers, are kept.
    networks : frozenset of Quarter
        Quarters whose supply network is kept.
    stocks : frozenset of Quarter, optional
        Quarters whose stocks are kept: measures of which a year keeps the last value, indices of distributions among
        them. All but adoption are undefined in other quarters; every quarter when left out.
    chronicle : bool
        Whether events and the ledger's flows are kept.
    planner : frozenset of Quarter
        Quarters in which the planner's gap is computed.
    """

    start: Quarter
    end: Quarter
    firms: frozenset[Quarter] = frozenset()
    owners: frozenset[Quarter] = frozenset()
    networks: frozenset[Quarter] = frozenset()
    stocks: frozenset[Quarter] | None = None
    planner: frozenset[Quarter] = frozenset()
    chronicle: bool = True

    @property
    def quarters(self) -> tuple[Quarter, ...]:
        """Every quarter, in order."""
        return quarter_range(self.start, self.end)

    @property
    def is_lean(self) -> bool:
        """Whether nothing but measures is recorded."""
        return not (self.firms or self.owners or self.networks or self.planner or self.chronicle)

    def keeps_stocks(self, quarter: Quarter) -> bool:
        """Whether the stocks of a quarter are kept."""
        return self.stocks is None or quarter in self.stocks


@dataclass
class Recorder:
    """Rows collected while time passes."""

    events: EventLog
    n_slots: int
    ranks: RankLog = field(default_factory=RankLog)
    measures: list[dict[str, Values]] = field(default_factory=list)
    flows: list[dict[str, Values]] = field(default_factory=list)
    firms: list[dict[str, Values]] = field(default_factory=list)
    owners: list[dict[str, Values]] = field(default_factory=list)
    makers: list[dict[str, Values]] = field(default_factory=list)
    networks: dict[str, dict[str, Array]] = field(default_factory=dict)
    delivered: list[Array] = field(default_factory=list)

    @classmethod
    def of(cls, world: World, replicates: Sequence[int]) -> Recorder:
        """One without rows yet."""
        return cls(EventLog(replicates), len(world.firm_names))

    def fork(self) -> Recorder:
        """A recorder with the same rows, which goes on by itself."""
        return Recorder(
            events=self.events.fork(),
            n_slots=self.n_slots,
            ranks=self.ranks.fork(),
            measures=list(self.measures),
            flows=list(self.flows),
            firms=list(self.firms),
            owners=list(self.owners),
            makers=list(self.makers),
            networks=dict(self.networks),
            delivered=list(self.delivered),
        )

    def repeated(self, times: int) -> Recorder:
        """A recorder of all replicates several times, one after the other; of one that keeps nothing but measures."""
        return Recorder(
            events=self.events.fork(),
            n_slots=self.n_slots,
            ranks=self.ranks.repeated(times),
            measures=[{name: repeated(values, times) for name, values in row.items()} for row in self.measures],
        )

    def _all_slots(self, values: Values) -> Values:
        """With the slots that open later, still empty."""
        return widened(values, np.zeros(self.n_slots, values.dtype))

    def record(self, m: Moments, quarter: Quarter, timeline: Timeline, row: dict[str, Array]) -> None:
        """Note what the timeline keeps of a quarter; ``row`` holds its measures."""
        self.measures.append(row | _optional(m, quarter, timeline))
        if timeline.keeps_stocks(quarter) or timeline.keeps_stocks(quarter + QUARTERS_PER_YEAR):
            self.ranks.record(m, quarter)
        flows = m.flows
        if timeline.chronicle:
            self.events.record(m, str(quarter))
            self.flows.append({f"{f.name}|{f.payer}|{f.payee}": f.amount for f in flows.ledger})
        if quarter in timeline.firms:
            self.firms.append({name: self._all_slots(values) for name, values in firm_table(m).items()})
        if quarter in timeline.owners:
            self.owners.append(owner_table(m))
            self.makers.append(maker_table(m))
        if quarter.number == 1:
            self.delivered.clear()
        self.delivered.append(flows.investment.delivered)
        if quarter in timeline.networks:
            used = self._all_slots(flows.markets.owner_weight * flows.markets.rented[..., None, :])
            self.networks[str(quarter)] = {
                "firm_owner": np.swapaxes(used, -1, -2),
                "owner_maker": np.sum(self.delivered, axis=0),
            }

    def recording(self, world: World, timeline: Timeline, replicates: Sequence[int]) -> Recording:
        """The rows of the timeline's quarters as arrays; at least one quarter."""
        return Recording(
            replicates=np.asarray(replicates),
            quarters=tuple(str(q) for q in timeline.quarters),
            measures={**_stack(self.measures), **self.ranks.measures(timeline.quarters, len(replicates))},
            flows=_stack(self.flows),
            firms=_stack(self.firms),
            firm_quarters=tuple(str(q) for q in timeline.quarters if q in timeline.firms),
            owners=_stack(self.owners),
            makers=_stack(self.makers),
            owner_quarters=tuple(str(q) for q in timeline.quarters if q in timeline.owners),
            firm_names=world.firm_names,
            owner_names=world.owner_names,
            maker_names=world.maker_names,
            networks=self.networks,
            events=self.events.events(),
        )


def _optional(m: Moments, quarter: Quarter, timeline: Timeline) -> dict[str, Array]:
    """Measures that the scenario asks for, nan in quarters without."""
    if not timeline.planner:
        return {}
    unknown = np.full_like(m.ledger_residual, np.nan)
    return {PLANNER_GAP: planner_gap(m) if quarter in timeline.planner else unknown}


def _stack(rows: Sequence[dict[str, Values]]) -> dict[str, Values]:
    """Quarters' rows as arrays ``[replicate, quarter, ...]`` by name; nan where a quarter lacks the name."""
    if not rows:
        return {}
    nothing = np.full(len(next(iter(rows[0].values()))), np.nan)
    fullest = max(rows, key=len)
    return {name: np.stack([row.get(name, nothing) for row in rows], axis=1) for name in fullest}
