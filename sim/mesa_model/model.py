"""The model: Mesa's clock, agents and data collector around a walk of the engine."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import mesa
import numpy as np

from sim.arguments import replicate_of
from sim.arrays import Array, safe_ratio, total
from sim.decisions import Decisions, Rule
from sim.engine import QuarterError, Walk
from sim.ensemble import prepare
from sim.errors import InputError, ScenarioError
from sim.mesa_model.agents import FIRM_DECISIONS, ArrayAgent, ChipMaker, CloudProvider, Firm, Regulator, SectorMarket
from sim.mesa_model.arguments import is_mesa_scenario, seed_of, unpacked
from sim.mesa_model.asked_regulator import AskedRegulator
from sim.mesa_model.collector import QuarterCollector
from sim.mesa_model.own_result import OwnResult
from sim.observe import Moments, Recording, firm_table, maker_table, owner_table
from sim.observe.distributions import hhi_of_sectors
from sim.policies.levers import LEVERS
from sim.quarters import Quarter
from sim.result import Result
from sim.scenario import ScenarioWarning, load_scenario, nearest
from sim.state import FIRM_CLASSES, State

if TYPE_CHECKING:
    from sim.world.build import World

REGULATOR = "regulator"

AgentClass = Callable[..., Any]
"""A subclass of ``Firm`` or ``Regulator``, or ``functools.partial`` of one."""


def measured(name: str) -> Callable[[PowerModel], float]:
    """A model reporter for a measure of docs/measures.md.

    >>> reporters = {"hhi": measured("hhi_power")}
    """
    return partial(_measure, name=name)


def _measure(model: PowerModel, name: str) -> float:
    return model.measure(name)


class PowerModel(mesa.Model):  # type: ignore[misc]  # Mesa ships no annotations
    """One replicate of a scenario as a Mesa model; a step is a quarter.

    Bit for bit what ``sim.run`` computes for the same scenario, seed and replicate, as long as nothing is written to an
    agent and none is hand-written.

    Parameters
    ----------
    scenario : str, Path, mapping, Scenario, or Mesa's own Scenario
        What ``sim.load_scenario`` accepts. A scenario of Mesa (3.5 and later) must name it as ``source``, and may hold
        ``replicate``, ``quarters`` and ``overrides``.
    rng : int, optional
        Seed of the luck; the scenario's own when left out.
    replicate : int
        Which history; each has luck of its own.
    quarters : int, optional
        Length of the horizon; the scenario's own when left out.
    overrides : sequence of str
        Changes such as ``"world.parameters.flywheel=1.2"``.
    agent_classes : mapping of str to class
        Hand-written agents: names of firms, a class of firms (``giant``, ``lab``, ``sme``) or ``regulator``, and the
        subclass of ``Firm`` or ``Regulator`` to make; a name goes before a class. ``functools.partial`` of a subclass
        works too.

    Attributes
    ----------
    running : bool
        Whether there is a next quarter.
    agents : AgentSet
        Firms that are in the market now, owners of compute, chip makers, sectors and the regulator.
    datacollector : mesa.DataCollector
        Collects ``model_reporters`` and ``agent_reporters`` at the end of every quarter; a subclass sets others.
    power_scenario : Scenario
        The resolved scenario. (``scenario`` belongs to Mesa.)
    quarter : str
        The quarter that was simulated last, ``""`` before the first.
    measures : dict of str to float
        Measures of that quarter, by name as in docs/measures.md.

    Raises
    ------
    ScenarioError
        When the scenario is wrong, ``rng`` is not a seed, or ``agent_classes`` names who does not exist.
    """

    model_reporters: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"quarter": "quarter"}
        | {
            name: measured(name)
            for name in ("total_power", "hhi_power", "gini_power", "hhi_revenue", "hhi_compute_used", "n_firms")
        }
    )
    agent_reporters: ClassVar[Mapping[str, Any]] = MappingProxyType({"name": attrgetter("name")})

    def __init__(
        self,
        scenario: Any = "baseline",  # noqa: ANN401  Mesa's own Scenario has no type in Mesa 3.3
        *,
        rng: int | None = None,
        replicate: int = 0,
        quarters: int | None = None,
        overrides: Sequence[str] = (),
        agent_classes: Mapping[str, AgentClass] | None = None,
    ) -> None:
        facility = {}
        if is_mesa_scenario(scenario):
            facility = {"scenario": scenario}
            rng = scenario.rng if rng is None else rng
            scenario, replicate, quarters, overrides = unpacked(scenario, replicate, quarters, overrides)
        resolved = load_scenario(scenario, overrides=overrides)
        seed = resolved.run.seed if rng is None else seed_of(rng)
        self.power_scenario = resolved.replace(seed=seed, quarters=quarters)
        super().__init__(rng=facility["scenario"].rng if facility else seed, **facility)
        self.replicate = replicate_of(replicate)
        self._classes = dict(agent_classes or {})
        job = prepare(self.power_scenario)
        self.world: World = job.world_of(self.replicate)
        self._check_classes()
        self._answer = AskedRegulator(self.world.firm_names)
        self._walk = Walk(self.world, job.timeline, seed, [self.replicate], [*job.policies, self._answer])
        self._firms: dict[tuple[int, int], Firm] = {}
        self.columns: dict[str, dict[str, Any]] = {"firms": {}, "owners": {}, "makers": {}, "sectors": {}}
        self.measures: dict[str, float] = {}
        self.moments: Moments | None = None
        self.quarter = ""
        self._is_stepping = self._is_written = False
        self._seen: tuple[State, State] | None = None
        self.running = not self._walk.is_over
        self.regulator: Regulator = self._regulator()
        for kind, names in (
            (CloudProvider, self.world.owner_names),
            (ChipMaker, self.world.maker_names),
            (SectorMarket, self.world.sector_names),
        ):
            for slot, name in enumerate(names):
                kind(self, slot, name)
        self._come_and_go()
        self.datacollector = QuarterCollector(dict(self.model_reporters), dict(self.agent_reporters))

    # -- time -----------------------------------------------------------------------------

    def step(self) -> None:
        """Simulate a quarter, let agents come and go, and collect.

        Raises
        ------
        AgentError
            When a hand-written agent fails: who, in which quarter, and why.
        QuarterError
            When the quarter cannot be computed, for example because no prices clear the markets.
        """
        if self._walk.is_over:
            message = f"the horizon ends in {self.quarter}; `running` is False. Make a new model, or set `quarters`"
            raise ScenarioError(message)
        now = self._walk.now
        decisions = self._decisions(now.period, now.quarter)
        is_done, self._is_stepping = False, True
        try:
            moments, row = self._walk.step(decisions)
            is_done = True
        except QuarterError as error:
            raise QuarterError(error.quarter, error.reason + _suspects(decisions)) from error
        finally:
            self._is_stepping, self.running = False, is_done
        self.moments = moments
        self.quarter = str(now.quarter)
        self.measures = {name: float(values[0]) for name, values in row.items()}
        self.columns = {
            "firms": firm_table(moments),
            "owners": owner_table(moments),
            "makers": maker_table(moments),
            "sectors": _sector_table(moments),
        }
        self._come_and_go()
        self.running = not self._walk.is_over
        self.datacollector.collect(self)

    @property
    def period(self) -> int:
        """Quarters that have been simulated."""
        return self._walk.now.period

    # -- what there is to look at ---------------------------------------------------------

    @property
    def state(self) -> State:
        """Every array at the start of the next quarter, ``[replicate, ...]`` with one replicate; they are read only."""
        if self._seen is None or self._seen[0] is not self._walk.state:
            self._seen = self._walk.state, _with_each(self._walk.state, _read_only)
        return self._seen[1]

    @state.setter
    def state(self, state: State) -> None:
        if self._is_stepping:
            message = "numbers of agents can be written between steps only, not by a rule that is asked within one"
            raise InputError(message)
        self._walk.state = _with_each(state, np.array)
        self._is_written = True

    @property
    def firms(self) -> mesa.agent.AgentSet:
        """Firms that are in the market now."""
        return self.agents.select(agent_type=Firm)

    def firm(self, name: str) -> Firm:
        """The firm of a name.

        Raises
        ------
        ScenarioError
            When no firm of that name is in the market.
        """
        found = [firm for firm in self._firms.values() if firm.name == name]
        if not found:
            names = [firm.name for firm in self._firms.values()]
            close = nearest(name, names)
            told = f"did you mean {close!r}?" if close else f"there are {', '.join(names[:8])}, ..."
            message = f"no firm {name!r} is in the market; {told}"
            raise ScenarioError(message)
        return found[-1]

    def measure(self, name: str) -> float:
        """A measure of the quarter simulated last; nan before the first.

        Raises
        ------
        ScenarioError
            When there is no measure of that name.
        """
        if self.measures and name not in self.measures:
            close = nearest(name, list(self.measures))
            message = f"no measure {name!r}{f'; did you mean {close!r}?' if close else ''}; docs/measures.md lists all"
            raise ScenarioError(message)
        return self.measures.get(name, math.nan)

    @property
    def levers(self) -> dict[str, Any]:
        """Levers that were not neutral last quarter: a number, or an array over firms or owners."""
        if self.moments is None:
            return {}
        rules = self.moments.flows.rules
        found = {name: getattr(rules, name)[0] for name in LEVERS}
        return {
            name: value.item() if value.ndim == 0 else value
            for name, value in found.items()
            if not np.all(value == LEVERS[name].neutral)
        }

    def result(self) -> Result:
        """The quarters so far as a ``Result``, with the tables that the scenario records.

        Where its scenario alone does not give it, because numbers were written, agents are hand-written or it is not
        replicate 0, it can be looked at and plotted, but not saved as if it were that scenario's.

        Raises
        ------
        ScenarioError
            Before the first step.
        """
        recording = self.recording()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ScenarioWarning)  # a policy may start after the quarters so far
            scenario = self.power_scenario.replace(replicates=1, quarters=self.period)
        reasons = [
            *(["numbers were written to agents"] if self._is_written else []),
            *(["agents are hand-written"] if self._classes else []),
            *([f"it is replicate {self.replicate}"] if self.replicate else []),
        ]
        if not reasons:
            return Result.from_recording(scenario, recording)
        result = OwnResult.from_recording(scenario, recording)
        result.reason = " and ".join(reasons)
        return result

    def recording(self) -> Recording:
        """The arrays of which ``result`` is made.

        Raises
        ------
        ScenarioError
            Before the first step.
        """
        if self.period == 0:
            message = "there is no result before the first step; call step() or run_model()"
            raise ScenarioError(message)
        return self._walk.recording()

    def firm_name(self, slot: int) -> str:
        """Name of the firm slot."""
        return self.world.firm_names[slot]

    def by_sector(self, values: Array) -> dict[str, float]:
        """Values ``[sector]`` by name of the sector."""
        return dict(zip(self.world.sector_names, values.tolist(), strict=True))

    # -- agents ---------------------------------------------------------------------------

    def _come_and_go(self) -> None:
        """Remove agents of firms that left, and add those of firms that are new."""
        state = self.state
        slots = np.flatnonzero(state.is_active[0]).tolist()
        present = {(slot, int(state.generation[0, slot])) for slot in slots}
        for key in [key for key in self._firms if key not in present]:
            firm = self._firms.pop(key)
            firm.left = self.quarter
            firm.remove()
        for slot, generation in sorted(present - set(self._firms)):
            name = self.firm_name(slot)
            known = FIRM_CLASSES[int(state.firm_class[0, slot])]
            make = self._classes.get(name, self._classes.get(known, Firm))
            self._firms[slot, generation] = make(self, slot, name, generation)

    def _regulator(self) -> Regulator:
        regulator: Regulator = self._classes.get(REGULATOR, Regulator)(self, 0, REGULATOR)
        if _overrides(regulator, Regulator, "decide"):
            self._answer.regulator = regulator
        return regulator

    def _check_classes(self) -> None:
        allowed = (*self.world.firm_names, *FIRM_CLASSES, REGULATOR)
        for name, make in self._classes.items():
            if name not in allowed:
                close = nearest(name, allowed)
                message = (
                    f"agent_classes: nobody is called {name!r}; {f'did you mean {close!r}? ' if close else ''}"
                    f"allowed: names of firms, {', '.join(FIRM_CLASSES)}, {REGULATOR}"
                )
                raise ScenarioError(message)
            kind, base = getattr(make, "func", make), Regulator if name == REGULATOR else Firm
            if not (isinstance(kind, type) and issubclass(kind, base)):
                message = (
                    f"agent_classes[{name!r}] is {make!r}; allowed: a subclass of {base.__name__}, or functools."
                    "partial of one"
                )
                raise ScenarioError(message)
        if self._classes and self.world.mechanisms.expectations == "perfect_own_path":
            message = (
                "agent_classes: with expectations: perfect_own_path a run is repeated until nobody is surprised, which "
                "hand-written agents, who may remember, do not survive; try expectations: adaptive"
            )
            raise ScenarioError(message)

    def _decisions(self, period: int, quarter: Quarter) -> Decisions | None:
        """Rules of hand-written firms, None where there is none."""
        rules: dict[str, dict[int, Rule]] = {decision: {} for decision in FIRM_DECISIONS}
        for (slot, _), firm in self._firms.items():
            if type(firm) is Firm:
                continue
            for decision in FIRM_DECISIONS:
                if _overrides(firm, Firm, decision):
                    rules[decision][slot] = Rule(firm.label, getattr(firm, decision))
        if not any(rules.values()):
            return None
        return Decisions(self.world, period, quarter, **rules)


def _with_each(state: State, change: Callable[[Any], Any]) -> State:
    """The state with every array changed."""
    return State(**{var.name: change(getattr(state, var.name)) for var in fields(State)})


def _read_only(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    seen = values.view()
    seen.setflags(write=False)
    return seen


def _sector_table(m: Moments) -> dict[str, Any]:
    """Columns of sectors in a quarter; ``[replicate, sector]`` each."""
    markets = m.flows.markets
    revenue, quantity = total(markets.revenue), total(markets.quantity)
    return {
        "budget": m.flows.drivers.budget[None],
        "revenue": revenue,
        "quantity": quantity,
        "price": safe_ratio(revenue, quantity),
        "hhi": hhi_of_sectors(m),
    }


def _suspects(decisions: Decisions | None) -> str:
    """Whose rules entered the equilibrium of a quarter that could not be computed."""
    rules = () if decisions is None else (*decisions.set_price.values(), *decisions.choose_owners.values())
    if not rules:
        return ""
    names = ", ".join(sorted({rule.agent for rule in rules}))
    return (
        f" (prices or owners are set by hand by {names}: a price at which more is bought than there is compute to "
        "serve leaves no rents that clear, and a rule must depend on its view alone, without jumps)"
    )


def _overrides(agent: ArrayAgent, base: type, method: str) -> bool:
    return getattr(type(agent), method) is not getattr(base, method)
