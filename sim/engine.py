"""The time loop over a block of replicates; the only loop over quarters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import NamedTuple

import numpy as np

from sim.arrays import Array, repeated, total
from sim.decisions import Decisions
from sim.errors import ReplicateError
from sim.foresight import Foresight, Search
from sim.foresight import realised as foresight_of
from sim.luck import KeptLuck, Luck, RepeatedLuck
from sim.observe import Moments, Recording, observe
from sim.policies.base import BasePolicy
from sim.policies.beside import Beside
from sim.policies.levers import Policy, Sight
from sim.policies.registry import is_shipped
from sim.quarters import Quarter
from sim.recorder import Recorder, Timeline
from sim.stages.demography import arrivals
from sim.state import Flows, State, undefined
from sim.step import Moment, step
from sim.world.build import World


class QuarterError(ReplicateError):
    """A replicate could not go on in a quarter."""

    def __init__(self, quarter: Quarter, reason: str) -> None:
        super().__init__(f"{quarter}: {reason}")
        self.quarter = quarter
        self.reason = reason


def simulate_block(
    world: World,
    timeline: Timeline,
    seed: int,
    replicates: Sequence[int],
    policies: Sequence[Policy] = (),
    progress: Callable[[int], None] | None = None,
) -> Recording:
    """Run a block of replicates from the first quarter to the last.

    Parameters
    ----------
    world : World
        Calibrated world.
    timeline : Timeline
        Quarters to run and record.
    seed : int
        Key of the luck.
    replicates : sequence of int
        Numbers of the replicates; results do not depend on which share a block.
    policies : sequence of Policy
        What is in force.
    progress : callable, optional
        Told the number of replicate-quarters just finished.

    Raises
    ------
    QuarterError
        When a replicate of the block cannot go on.
    """
    luck = Luck(seed, replicates)
    recorder = Recorder.of(world, replicates)
    foresight = _foresee(world, timeline.quarters, luck, policies)
    begin = _Stand.first(world, luck)
    _go_on(begin, world, timeline, luck, policies, recorder, foresight, progress=progress)
    return recorder.recording(world, timeline, replicates)


def simulate_branches(
    world: World,
    timeline: Timeline,
    seed: int,
    replicates: Sequence[int],
    branches: Sequence[Sequence[Policy]],
    progress: Callable[[int], None] | None = None,
    *,
    most_rows: int = 1,
) -> list[Recording]:
    """Run a block under several sets of policies, which share their history until the first of each set begins.

    Where nothing but measures is recorded, sets that begin together go on side by side in the same arrays.

    Parameters
    ----------
    world, timeline, seed, replicates, progress
        As for ``simulate_block``.
    branches : sequence of sequence of Policy
        What is in force in each.
    most_rows : int
        Replicates that may share arrays, over all sets side by side.

    Returns
    -------
    list of Recording
        The same bits as ``simulate_block`` gives for each branch by itself.

    Raises
    ------
    QuarterError
        When a replicate of some branch cannot go on.
    """
    if world.mechanisms.expectations == "perfect_own_path":
        return [simulate_block(world, timeline, seed, replicates, each, progress) for each in branches]
    luck = KeptLuck(seed, replicates) if len(branches) > 1 else Luck(seed, replicates)
    first_acts = [first_act(policies, timeline.quarters) for policies in branches]
    recordings: dict[int, Recording] = {}
    recorder, stand = Recorder.of(world, replicates), _Stand.first(world, luck)
    for period in sorted(set(first_acts)):
        stand = _go_on(stand, world, timeline, luck, (), recorder, until=period, keeps_past=any(branches))
        beginning = [place for place, begins in enumerate(first_acts) if begins == period]
        for places in _side_by_side(beginning, branches, timeline, max(most_rows // len(replicates), 1)):
            if progress is not None:
                progress(period * len(replicates) * len(places))
            sets = [branches[place] for place in places]
            ends = _go_on_beside(stand, world, timeline, luck, sets, recorder, progress)
            recordings.update(zip(places, ends, strict=True))
    return [recordings[place] for place in range(len(branches))]


def _side_by_side(
    places: Sequence[int], branches: Sequence[Sequence[Policy]], timeline: Timeline, most: int
) -> Iterator[Sequence[int]]:
    """Branches that can share arrays, at most so many at a time; the others by themselves."""
    together = [place for place in places if timeline.is_lean and all(map(_leaves_slots_alone, branches[place]))]
    yield from (together[k : k + most] for k in range(0, len(together), most))
    yield from ([place] for place in places if place not in together)


def _go_on_beside(
    begin: _Stand,
    world: World,
    timeline: Timeline,
    luck: Luck,
    sets: Sequence[Sequence[Policy]],
    recorder: Recorder,
    progress: Callable[[int], None] | None,
) -> list[Recording]:
    """Go on from one history to the end under each set of policies, all in the same arrays."""
    n, times = len(luck.replicates), len(sets)
    if times == 1:
        branch = recorder.fork()
        _go_on(begin, world, timeline, luck, sets[0], branch, progress=progress)
        return [branch.recording(world, timeline, luck.replicates)]
    branch, everyone = recorder.repeated(times), RepeatedLuck.of(luck, times)
    _go_on(begin.repeated(times), world, timeline, everyone, [Beside(sets, luck)], branch, progress=progress)
    whole = branch.recording(world, timeline, everyone.replicates)
    return [whole.rows(slice(k * n, (k + 1) * n)) for k in range(times)]


def first_act(policies: Sequence[Policy], quarters: Sequence[Quarter]) -> int:
    """Period before which no policy does anything; the number of quarters where there is none."""
    starts = [policy.start if isinstance(policy, BasePolicy) else None for policy in policies]
    periods = [0 if start is None else max(Quarter.parse(start) - quarters[0], 0) for start in starts]
    return min([*periods, len(quarters)])


class _Stand(NamedTuple):
    """Where a history stands at the start of a quarter."""

    period: int
    state: State
    past: tuple[Sight, ...]

    @classmethod
    def first(cls, world: World, luck: Luck) -> _Stand:
        return cls(0, world.opened(world.n_first).initial_state(len(luck.replicates)), ())

    def repeated(self, times: int) -> _Stand:
        """All replicates several times, one after the other."""
        arrays = {each.name: repeated(getattr(self.state, each.name), times) for each in fields(State)}
        return _Stand(self.period, State(**arrays), tuple(sight.repeated(times) for sight in self.past))


def _go_on(
    begin: _Stand,
    world: World,
    timeline: Timeline,
    luck: Luck,
    policies: Sequence[Policy],
    recorder: Recorder,
    foresight: Foresight | None = None,
    *,
    until: int | None = None,
    keeps_past: bool = False,
    progress: Callable[[int], None] | None = None,
) -> _Stand:
    """Go on from where a history stands to the quarter before ``until``, or to the end, recording."""
    stand, quarters = begin, timeline.quarters[:until]
    marching = _march(begin, world, quarters, luck, policies, foresight, timeline=timeline, keeps_past=keeps_past)
    for quarter, moments, row, reached in marching:
        recorder.record(moments, quarter, timeline, row)
        stand = reached
        del moments  # not held while the next quarter is computed
        if progress is not None:
            progress(len(luck.replicates))
    return stand


class Walk:
    """A block of replicates that goes on one quarter at a time, whenever its holder says so.

    Parameters
    ----------
    world, timeline, seed, replicates, policies
        As for ``simulate_block``, whose bits a walk gives.

    Raises
    ------
    QuarterError
        When the paths that firms foresee cannot be found.
    """

    def __init__(
        self,
        world: World,
        timeline: Timeline,
        seed: int,
        replicates: Sequence[int],
        policies: Sequence[Policy] = (),
    ) -> None:
        self.world = world
        self.timeline = timeline
        self._luck = Luck(seed, replicates)
        self._policies = policies
        self._recorder = Recorder.of(world, replicates)
        self._foresight = _foresee(world, timeline.quarters, self._luck, policies)
        self._stand = _Stand.first(world, self._luck)

    @property
    def state(self) -> State:
        """At the start of the next quarter; another may be put in its place."""
        return self._stand.state

    @state.setter
    def state(self, state: State) -> None:
        self._stand = self._stand._replace(state=state)

    @property
    def now(self) -> Moment:
        """The next quarter."""
        return Moment(self._stand.period, self.timeline.start + self._stand.period)

    @property
    def is_over(self) -> bool:
        """Whether there is no next quarter."""
        return self.now.quarter > self.timeline.end

    def step(self, decisions: Decisions | None = None) -> tuple[Moments, dict[str, Array]]:
        """Simulate and record the next quarter.

        Parameters
        ----------
        decisions : Decisions, optional
            What single firms decide by rules of their own; for blocks of one replicate.

        Returns
        -------
        moments : Moments
            What happened.
        measures : dict of str to array [replicate]
            All that a quarter alone decides.

        Raises
        ------
        QuarterError
            When a replicate cannot go on; the walk stays where it is.
        """
        quarters = self.timeline.quarters[: self._stand.period + 1]
        marching = _march(
            self._stand, self.world, quarters, self._luck, self._policies, self._foresight, decisions=decisions
        )
        quarter, moments, row, reached = next(marching)
        self._recorder.record(moments, quarter, self.timeline, row)
        self._stand = reached
        return moments, row

    def recording(self) -> Recording:
        """What has been recorded so far, at least a quarter."""
        until = replace(self.timeline, end=self.timeline.start + (self._stand.period - 1))
        return self._recorder.recording(self.world, until, self._luck.replicates)


def _march(
    begin: _Stand,
    world: World,
    quarters: Sequence[Quarter],
    luck: Luck,
    policies: Sequence[Policy],
    foresight: Foresight | None = None,
    *,
    observing: bool = True,
    timeline: Timeline | None = None,
    decisions: Decisions | None = None,
    keeps_past: bool = False,
) -> Iterator[tuple[Quarter, Moments, dict[str, Array], _Stand]]:
    """Quarter after quarter: when it is, what happened, the measures, and where it leads.

    The past is kept where policies can look back on it, or where those of a history that begins later will.
    """
    stand = begin
    for period, quarter in enumerate(quarters[begin.period :], start=begin.period):
        here = world.opened(_n_slots(stand, world, luck, policies))
        before = here.seat(stand.state)
        past = [seen.seated(len(here.firm_names)) for seen in stand.past] if policies else stand.past
        if foresight is not None:
            before = _foreseeing(before, foresight, period)
        try:
            with _strict_arithmetic():
                state, flows, residual = step(before, here, policies, past, luck, Moment(period, quarter), decisions)
                _refuse_undefined(state)
                moments = Moments(before, state, flows, residual, here)
                with_stocks = timeline is None or timeline.keeps_stocks(quarter)
                row = observe(moments, with_stocks=with_stocks) if observing or policies else {}
        except (ReplicateError, FloatingPointError, np.linalg.LinAlgError) as error:
            raise QuarterError(quarter, str(error)) from error
        stand = _Stand(period + 1, state, (*stand.past, sight(moments, row)) if keeps_past or policies else ())
        yield quarter, moments, row, stand
        del before, flows, moments, row


def _n_slots(stand: _Stand, world: World, luck: Luck, policies: Sequence[Policy]) -> int:
    """Slots that the next quarter can need in any replicate: up to the last firm, and for all who may enter.

    A policy that may split firms, or that adds them up in ways of its own, finds all of them, so that nothing depends
    on the block that a replicate is in.
    """
    if not all(map(_leaves_slots_alone, policies)):
        return len(world.firm_names)
    n_now = len(stand.state.is_active[0])
    is_taken = np.flatnonzero(stand.state.is_active.any(axis=0))
    return max(n_now, int(is_taken.max(initial=-1)) + 1 + int(arrivals(world, luck, stand.period).max()))


def _leaves_slots_alone(policy: Policy) -> bool:
    if isinstance(policy, Beside):  # of sets that do
        return True
    return isinstance(policy, BasePolicy) and is_shipped(policy) and "break_up" not in policy.uses


def _refuse_undefined(state: State) -> None:
    if name := undefined(state):
        message = f"{name} became undefined (NaN)"
        raise ReplicateError(message)


def _foreseeing(state: State, foresight: Foresight, period: int) -> State:
    return replace(
        state,
        profit_growth=foresight.profit_growth[period],
        capability_growth=foresight.capability_growth[period],
    )


def _foresee(world: World, quarters: Sequence[Quarter], luck: Luck, policies: Sequence[Policy]) -> Foresight | None:
    """Expectations that come true, where the scenario asks for them."""
    if world.mechanisms.expectations != "perfect_own_path":
        return None

    def given(foresight: Foresight | None) -> Foresight:
        path = (
            m
            for _, m, *_ in _march(
                _Stand.first(world, luck), world, quarters, luck, policies, foresight, observing=False
            )
        )
        return foresight_of(path, world.parameters)

    search = Search(given(None))
    try:
        while search.learn(given(search.foresight)):
            pass
    except ReplicateError as error:
        raise error if isinstance(error, QuarterError) else QuarterError(quarters[-1], str(error)) from error
    return search.foresight


def replay(
    world: World,
    quarters: Sequence[Quarter],
    until: Quarter,
    seed: int,
    replicate: int,
    policies: Sequence[Policy] = (),
) -> tuple[World, State, Flows]:
    """Simulate one replicate again: the state at the start of quarter ``until``, and what happened in it.

    Returns
    -------
    world : World
        With the slots that the quarter can need.
    before : State
    flows : Flows

    Raises
    ------
    ReplicateError
        When the replicate cannot go on.
    """
    luck = Luck(seed, [replicate])
    foresight = _foresee(world, quarters, luck, policies)
    up_to = [quarter for quarter in quarters if quarter <= until]
    *_, (_, last, *_) = _march(_Stand.first(world, luck), world, up_to, luck, policies, foresight, observing=False)
    return last.world, last.before, last.flows


def _strict_arithmetic() -> np.errstate:
    """Division by zero, overflow and invalid operations are errors, in production as in tests."""
    return np.errstate(divide="raise", over="raise", invalid="raise", under="ignore")


def sight(m: Moments, measures: Mapping[str, Array]) -> Sight:
    """What policies will see of a quarter."""
    markets = m.flows.markets
    firms = {
        "revenue": total(markets.revenue, axis=-2),
        "compute": markets.compute_used,
        "unaided": np.maximum(markets.compute_used - markets.allotments.compute, 0.0),
        "training": markets.training,
        "power": m.flows.funding.power,
    }
    return Sight(measures, firms)
