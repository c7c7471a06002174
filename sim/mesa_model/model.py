"""The model: Mesa's clock, agents and data collector around a walk of the engine."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import mesa
import numpy as np

from sim.arrays import Array, safe_ratio, total
from sim.decisions import Decisions, Rule, failing
from sim.engine import QuarterError, Walk
from sim.ensemble import prepare
from sim.errors import InputError, ScenarioError
from sim.mesa_model.agents import ArrayAgent, ChipMaker, CloudProvider, Firm, Regulator, SectorMarket
from sim.observe import Moments, firm_table, maker_table, owner_table
from sim.policies.levers import LEVERS, Observation, Sight
from sim.quarters import Quarter
from sim.result import Result
from sim.scenario import load_scenario, nearest
from sim.state import FIRM_CLASSES, State

if TYPE_CHECKING:
    from sim.world.build import World

_DECISIONS = ("plan_training", "set_price", "choose_owners", "release_weights")
REGULATOR = "regulator"

AgentClass = Callable[..., Any]
"""A subclass of ``Firm`` or ``Regulator``, or ``functools.partial`` of one."""


def measured(name: str) -> Callable[[PowerModel], float]:
    """A model reporter for a measure of docs/measures.md.

    >>> reporters = {"hhi": measured("hhi_power")}
    """

    def reporter(model: PowerModel) -> float:
        return model.measure(name)

    return reporter


class PowerModel(mesa.Model):  # type: ignore[misc]  # Mesa ships no annotations
    """One replicate of a scenario as a Mesa model; a step is a quarter.

    Bit for bit what ``sim.run`` computes for the same scenario, seed and replicate, as long as nothing is written to an
    agent and none is hand-written.

    Parameters
    ----------
    scenario : str, Path, mapping, Scenario, or Mesa's own Scenario
        What ``sim.load_scenario`` accepts. A scenario of Mesa (3.4 and later) must name it as ``source``, and may hold
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
    agent_reporters: ClassVar[Mapping[str, Any]] = MappingProxyType({"name": "name"})

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
        if _is_mesa_scenario(scenario):
            facility = {"scenario": scenario}
            rng = scenario.rng if rng is None else rng
            scenario, replicate, quarters, overrides = _unpacked(scenario, replicate, quarters, overrides)
        resolved = load_scenario(scenario, overrides=overrides)
        seed = resolved.run.seed if rng is None else _seed(rng)
        self.power_scenario = resolved.replace(seed=seed, quarters=quarters)
        super().__init__(rng=facility["scenario"].rng if facility else seed, **facility)
        self.replicate = _replicate(replicate)
        self._classes = dict(agent_classes or {})
        job = prepare(self.power_scenario)
        self.world: World = job.world
        self._check_classes()
        self._answer = _Answer()
        self._walk = Walk(job.world, job.timeline, seed, [self.replicate], [*job.policies, self._answer])
        self._firms: dict[tuple[int, int], Firm] = {}
        self.columns: dict[str, dict[str, Any]] = {"firms": {}, "owners": {}, "makers": {}, "sectors": {}}
        self.measures: dict[str, float] = {}
        self.moments: Moments | None = None
        self.quarter = ""
        self._is_stepping = False
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
        self.datacollector = _Collector(dict(self.model_reporters), dict(self.agent_reporters))

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
        """Every array at the start of the next quarter, ``[replicate, ...]`` with one replicate."""
        return self._walk.state

    @state.setter
    def state(self, state: State) -> None:
        if self._is_stepping:
            message = "numbers of agents can be written between steps only, not by a rule that is asked within one"
            raise InputError(message)
        self._walk.state = state

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

        It is the same as that of ``sim.run`` only where no agent was written to or hand-written.

        Raises
        ------
        ScenarioError
            Before the first step.
        """
        if self.period == 0:
            message = "there is no result before the first step; call step() or run_model()"
            raise ScenarioError(message)
        scenario = self.power_scenario.replace(replicates=1, quarters=self.period)
        return Result.from_recording(scenario, self._walk.recording())

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
        rules: dict[str, dict[int, Rule]] = {decision: {} for decision in _DECISIONS}
        for (slot, _), firm in self._firms.items():
            if type(firm) is Firm:
                continue
            for decision in _DECISIONS:
                if _overrides(firm, Firm, decision):
                    rules[decision][slot] = Rule(_told(firm), getattr(firm, decision))
        if not any(rules.values()):
            return None
        return Decisions(self.world, period, quarter, **rules)


class _Answer:
    """The policy that asks a hand-written regulator; without one it answers nothing."""

    def __init__(self) -> None:
        self.regulator: Regulator | None = None
        self._past: list[Sight] = []

    def __call__(self, observation: Observation, quarter: Quarter) -> Mapping[str, Array | float]:
        if self.regulator is None:
            return {}
        self._past += [
            Sight(_sealed(sight.measures), _sealed(sight.firms)) for sight in observation.past[len(self._past) :]
        ]
        view = replace(
            observation,
            past=tuple(self._past[: len(observation.past)]),
            firms=_sealed(observation.firms),
            owners=_sealed(observation.owners),
        )
        with failing(_told(self.regulator), "decide", quarter):
            return _checked(self.regulator.decide(view), view)


def _checked(answer: Any, view: Observation) -> dict[str, Array]:  # noqa: ANN401  whatever a user's method returns
    """Levers that exist, in shapes that fit and without nan."""
    if not isinstance(answer, Mapping):
        message = f"it answered {answer!r}; allowed: levers by name, such as {{'compute_tax': 0.1}}, or {{}}"
        raise TypeError(message)
    sizes = {"firm": len(view.firm_names), "owner": len(view.owner_names)}
    levers = {}
    for name, value in answer.items():
        if name not in LEVERS:
            close = nearest(str(name), list(LEVERS))
            message = (
                f"there is no lever {name!r}{f'; did you mean {close!r}?' if close else ''}; docs/notation.md lists all"
            )
            raise ValueError(message)
        shape = tuple(sizes[axis] for axis in LEVERS[name].axes)
        levers[name] = np.broadcast_to(np.asarray(value, dtype=float), (1, *shape))
        if np.any(np.isnan(levers[name])):
            message = f"lever {name} is nan; allowed: numbers in {LEVERS[name].unit or 'no unit'}"
            raise ValueError(message)
    return levers


def _sealed(arrays: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same arrays, none of which can be written."""
    views = {}
    for name, values in arrays.items():
        views[name] = values.view()
        views[name].setflags(write=False)
    return MappingProxyType(views)


class _Collector(mesa.DataCollector):  # type: ignore[misc]  # Mesa ships no annotations
    """Mesa's collector, in which the agents of a quarter and its model row have the same place for batch runs.

    The batch runner of Mesa 3.3 counts steps from 0 where its collector counts agents' records from 1.
    """

    def collect(self, model: PowerModel) -> None:
        super().collect(model)
        if not hasattr(self, "_collection_steps") and model.steps in self._agent_records:
            self._agent_records[model.steps - 1] = self._agent_records.pop(model.steps)


def _sector_table(m: Moments) -> dict[str, Any]:
    """Columns of sectors in a quarter; ``[replicate, sector]`` each."""
    markets = m.flows.markets
    revenue, quantity = total(markets.revenue), total(markets.quantity)
    joint = np.where(m.groups.is_head[:, None], m.groups.total(markets.revenue), 0.0)
    return {
        "budget": m.flows.drivers.budget[None],
        "revenue": revenue,
        "quantity": quantity,
        "price": safe_ratio(revenue, quantity),
        "hhi": 1e4 * total(safe_ratio(joint, revenue[..., None]) ** 2),
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


def _told(agent: ArrayAgent) -> str:
    return f"{agent.name} ({type(agent).__name__})"


def _seed(rng: object) -> int:
    """The seed that ``rng`` is.

    Raises
    ------
    ScenarioError
        When it is something else, such as a generator.
    """
    try:
        return operator.index(rng)  # type: ignore[arg-type]
    except TypeError:
        message = (
            f"rng must be a whole number, the seed, not a {type(rng).__name__}: luck is keyed by seed, replicate, "
            "decision, quarter and firm, so that a policy shifts nobody's luck, which a generator's running state "
            "cannot keep; give the seed, or vary `replicate`"
        )
        raise ScenarioError(message) from None


def _replicate(replicate: object) -> int:
    try:
        number = operator.index(replicate)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if not 0 <= number < 2**32:
        message = f"replicate must be a whole number from 0 to {2**32 - 1}, not {replicate!r}"
        raise ScenarioError(message)
    return number


def _is_mesa_scenario(scenario: object) -> bool:
    """Whether it is an instance of Mesa's own Scenario, which Mesa 3.3 does not have."""
    try:
        from mesa.experimental.scenarios import Scenario as MesaScenario
    except ImportError:
        return False
    return isinstance(scenario, MesaScenario)


def _unpacked(
    scenario: Any,  # noqa: ANN401  Mesa's own Scenario
    replicate: int,
    quarters: int | None,
    overrides: Sequence[str],
) -> tuple[Any, int, int | None, Sequence[str]]:
    """What a scenario of Mesa says about ours."""
    said = scenario.to_dict()
    if "source" not in said:
        message = (
            "a Mesa scenario must name an aipower scenario as `source`, for example "
            "Scenario(source='baseline', rng=1); see docs/mesa.md"
        )
        raise ScenarioError(message)
    return (
        said["source"],
        said.get("replicate", replicate),
        said.get("quarters", quarters),
        said.get("overrides", overrides),
    )
