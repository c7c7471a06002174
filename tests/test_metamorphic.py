"""Changes that must not matter: order, interruption, names of slots, the unit of money, who owns half of an owner."""

import io
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest

from sim import ensemble
from sim.luck import Luck
from sim.parameters import parameter_table
from sim.policies.levers import LEVERS
from sim.scenario import load_scenario
from sim.state import Accounts, Demography, Drivers, Flows, Funding, Investment, Markets, State, variables
from sim.step import Moment, step
from sim.world.build import Mechanisms, World, WorldSpec, build
from sim.world.tables import ATTRIBUTES, read_population
from tests.worlds import FEW, START, Run, record, run_quarters, same_bits, small_world, world_with

STAGES = {
    Drivers: "drivers", Funding: "funding", Markets: "markets", Accounts: "accounts",
    Investment: "investment", Demography: "demography",
}  # fmt: skip
NO_LUCK = {"progress_shock": 0.0, "quality_shock": 0.0, "entry_candidates": 0.0}
CLOSE = 1e-9
# How the solver went, and what is itself rounding: equal in no transformed run.
OF_THE_SOLVER = {"iterations", "market_residual", "price_residual"}


def same_state_bits(left: State, right: State) -> bool:
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in variables(State))


def distance(left: np.ndarray, right: np.ndarray) -> float:
    """Largest difference over the largest number of the array."""
    left, right = np.asarray(left, dtype=float), np.asarray(right, dtype=float)
    finite = np.isfinite(left)
    assert np.array_equal(finite, np.isfinite(right))
    if not finite.any():
        return 0.0
    scale = max(float(np.abs(left[finite]).max()), 1e-30)
    return float(np.abs(left[finite] - right[finite]).max()) / scale


# --- bit for bit -----------------------------------------------------------------


def test_the_order_of_scenarios_changes_no_bit() -> None:
    """No scenario leaves anything behind for the next one, and each differs from the other."""
    short = {"horizon": {"start": "2024Q1", "end": "2025Q2"}}
    scenarios = [
        load_scenario({**short, "world": {"parameters": {"entry_slots": 30, "flywheel": value}}})
        for value in (0.8, 1.5)
    ]
    forwards = [ensemble.simulate(s, replicates=3) for s in scenarios]
    backwards = [ensemble.simulate(s, replicates=3) for s in scenarios[::-1]][::-1]
    assert all(same_bits(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert not same_bits(*forwards)


def saved_and_loaded(state: State) -> State:
    """The state after a journey through a file."""
    file = io.BytesIO()
    np.savez(file, **{name: getattr(state, name) for name in variables(State)})
    file.seek(0)
    with np.load(file) as archive:
        return State(**{name: archive[name] for name in archive.files})


LENGTH = 9


@pytest.fixture(scope="module")
def uninterrupted() -> Run:
    return run_quarters(small_world(entry_candidates=6.0), LENGTH, (0, 3, 4))


@pytest.mark.parametrize("split", range(1, LENGTH))
def test_saving_the_state_and_going_on_later_changes_no_bit(uninterrupted: Run, split: int) -> None:
    """Everything that one quarter hands to the next is in ``State``."""
    world, luck = uninterrupted.world, Luck(1, [0, 3, 4])
    state = saved_and_loaded(uninterrupted.states[split])
    for period in range(split, LENGTH):
        state, _, _ = step(state, world, (), (), luck, Moment(period, START + period))
    assert same_state_bits(state, uninterrupted.states[-1])


def test_forgetting_any_array_of_the_state_is_noticed() -> None:
    """A negative control: the comparison above sees every field that moves."""
    states = run_quarters(small_world(entry_candidates=6.0), 6).states
    moved: dict[str, int] = {}
    for k, (before, after) in enumerate(pairwise(states)):
        for name in variables(State):
            if not np.array_equal(getattr(before, name), getattr(after, name)):
                moved[name] = k
    assert {"cash", "efficiency", "capacity", "owner_weight", "recent_profit", "fund_committed"} <= set(moved)
    for name, k in moved.items():
        assert not same_state_bits(replace(states[k + 1], **{name: getattr(states[k], name)}), states[k + 1])


def test_policies_of_no_strength_or_after_the_horizon_change_no_bit() -> None:
    def silent(observation, quarter):
        return {}

    def neutral(observation, quarter):
        return {name: lever.neutral for name, lever in LEVERS.items()}

    def later(observation, quarter):
        return {"compute_tax": 0.5, "quality": 0.5} if quarter >= START + 6 else {}

    plain = record(small_world(), 6)
    for policies in ([silent], [later], [neutral, later, silent]):
        assert same_bits(plain, record(small_world(), 6, policies=policies))
    assert not same_bits(record(small_world(), 7), record(small_world(), 7, policies=[later]))


# --- to rounding -------------------------------------------------------------------


def every_array(run: Run):
    """(class, name, array) of all states and flows of a run."""
    for state in run.states:
        yield from ((State, name, getattr(state, name)) for name in variables(State))
    for flows in run.flows:
        for cls, stage in STAGES.items():
            holder = getattr(flows, stage)
            yield from ((cls, name, getattr(holder, name)) for name in variables(cls))


def test_more_entry_slots_than_are_used_change_results_by_rounding_only() -> None:
    few, many = (
        run_quarters(small_world(entry_slots=slots, entry_candidates=1.0), 8) for slots in (24, 90)
    )  # fmt: skip
    n = few.world.sizes["firm"]
    assert few.flows[-1].demography.refused.max() == 0 and any(f.demography.entries.any() for f in few.flows)
    assert not any(s.is_active[:, n:].any() for s in many.states)
    for (cls, name, a), (_, _, b) in zip(every_array(few), every_array(many), strict=True):
        if name not in OF_THE_SOLVER:
            axes = variables(cls)[name].axes
            b = b[..., :n] if axes and axes[-1] == "firm" else b
            assert distance(a, b) < CLOSE, name


def relabelled(world: World, order: np.ndarray) -> World:
    """The world with firms in another order of slots.

    Every array of ``World`` and of its first ``State`` is permuted along each axis that has the length of the firms.
    No other axis of the world has that length.
    """
    n = world.sizes["firm"]
    assert n not in {length for axis, length in world.sizes.items() if axis != "firm"}

    def permuted(array: np.ndarray) -> np.ndarray:
        for axis, length in enumerate(array.shape):
            if length == n:
                array = np.take(array, order, axis=axis)
        return np.ascontiguousarray(array)

    changes = {
        f.name: permuted(value) for f in fields(World) if isinstance(value := getattr(world, f.name), np.ndarray)
    }
    state = {
        name: permuted(getattr(world.initial, name)) if "firm" in var.axes else getattr(world.initial, name)
        for name, var in variables(State).items()
    }
    state["group"] = np.argsort(order)[state["group"]]
    names = tuple(world.firm_names[i] for i in order)
    return replace(world, firm_names=names, initial=State(**state), **changes)


def assert_relabelled(plain: Run, mixed: Run, order: np.ndarray) -> None:
    """Every array is the same but for the order of firms, and groups, which name slots, but for their names."""
    for (cls, name, a), (_, _, b) in zip(every_array(plain), every_array(mixed), strict=True):
        if name in OF_THE_SOLVER:
            continue
        axes = variables(cls)[name].axes
        moved = a[..., order] if axes and axes[-1] == "firm" else a
        assert distance(np.argsort(order)[moved] if name == "group" else moved, b) < CLOSE, (cls.__name__, name)


@pytest.mark.parametrize("knowledge", ["complete", "by_class"])
def test_relabelling_firms_relabels_results(knowledge: str) -> None:
    """Luck, that of mergers included, is keyed by slot, so it is off."""
    world = world_with(Mechanisms(mergers=False), parameters=NO_LUCK, knowledge=knowledge)
    order = np.random.default_rng(5).permutation(world.sizes["firm"])
    plain, mixed = run_quarters(world, 8), run_quarters(relabelled(world, order), 8)
    assert not np.array_equal(plain.states[-1].cash, mixed.states[-1].cash)
    assert_relabelled(plain, mixed, order)


def test_relabelling_firms_relabels_results_under_luck_that_follows_the_firm(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_with(Mechanisms(mergers=False), parameters={"entry_candidates": 0.0})
    order = np.random.default_rng(6).permutation(world.sizes["firm"])
    plain, draw = run_quarters(world, 8), Luck.normal
    monkeypatch.setattr(Luck, "normal", lambda self, *key: draw(self, *key)[..., order])
    mixed = run_quarters(relabelled(world, order), 8)
    assert_relabelled(plain, mixed, order)


# A unit of service is what one $bn bought from the leader at the start, so its price is a pure number.
UNIT_FREE = {("price", Markets), ("unit_cost", Markets)}


def money_parameters() -> list[str]:
    """Parameters whose unit is an amount of money or money for something."""
    return [name for name, row in parameter_table().items() if "$" in row.unit]


def test_the_money_parameters_are_these() -> None:
    """A new parameter in dollars has to be thought about here."""
    assert {
        "budget_total", "rent_initial", "owner_floor_operations", "investor_funding", "parent_funding", "site_cost",
        "merchant_cost", "entry_sunk_cost", "electricity_price", "initial_revenue_floor", "small_firm_fixed_cost",
        "small_firm_revenue", "small_firm_cash", "small_firm_investor_weight",
    } <= set(money_parameters())  # fmt: skip


def in_other_money(factor: float, left_out: str = "") -> World:
    """The small world with every amount of money multiplied: parameters and numbers of tables with $ in their unit."""
    table = parameter_table()
    parameters = dict(FEW)
    for name in money_parameters():
        if name != left_out:
            parameters[name] = factor * table[name].value
    actors = {}
    for population in ("firms", "owners", "makers"):
        of_money = [key for key, declared in ATTRIBUTES[population].items() if "$" in declared.unit]
        actors[population] = [
            {"name": name, **{key: factor * row[key] for key in of_money if key in row}}
            for name, row in read_population(population).items()
        ]
    return build(WorldSpec(parameters=parameters, **actors))


def scales_with(cls: type, name: str) -> int:
    """Power of the unit of money that an array is measured in."""
    unit = variables(cls)[name].unit
    if (name, cls) in UNIT_FREE:
        return 0
    if unit == "M H100e-quarters per unit":
        return -1
    return 1 if "$" in unit else 0


@pytest.mark.parametrize("factor", [0.7, 2.5])
def test_the_unit_of_money_scales_money_and_nothing_else(factor: float) -> None:
    """Luck and entry are on: no draw depends on the unit."""
    plain = run_quarters(small_world(), 8)
    other = run_quarters(in_other_money(factor), 8)
    scaled = 0
    for (cls, name, a), (_, _, b) in zip(every_array(plain), every_array(other), strict=True):
        if name not in OF_THE_SOLVER:
            power = scales_with(cls, name)
            scaled += power != 0
            assert distance(np.asarray(a) * factor**power, b) < CLOSE, (cls.__name__, name)
    assert scaled > 100


@pytest.mark.parametrize("left_out", ["site_cost", "small_firm_fixed_cost", "electricity_price", "parent_funding"])
def test_one_amount_in_another_unit_is_noticed(left_out: str) -> None:
    """A negative control of the test above."""
    plain, other = run_quarters(small_world(), 2), run_quarters(in_other_money(2.5, left_out), 2)
    distances = [
        distance(np.asarray(a) * 2.5 ** scales_with(cls, name), b)
        for (cls, name, a), (_, _, b) in zip(every_array(plain), every_array(other), strict=True)
    ]
    assert max(distances) > 1e-6


def split(owner: str, **firm_ties) -> World:
    """The small world in which half of an owner is another owner with the same ties."""
    row = read_population("owners")[owner]
    halves = [{"name": name, **row, "stock_share": row["stock_share"] / 2} for name in (owner, f"{owner} II")]
    ties = [{"name": firm, "partners": {f"{owner} II": odds}} for firm, odds in firm_ties.items()]
    return world_with(owners=halves, firms=ties)


# Who of the two halves pays a grant or a credit is written in the tables, so money of single owners is compared for
# the owner without ties only.
@pytest.mark.parametrize("owner", ["Others", "Microsoft"])
def test_splitting_an_owner_in_two_changes_nobody_else(owner: str) -> None:
    p = small_world().parameters
    ties = {
        "Others": {},
        "Microsoft": {
            "OpenAI": p.affiliation_partner, "Mistral": p.affiliation_partner, "Microsoft AI": p.affiliation_integrated,
        },
    }[owner]  # fmt: skip
    one, two = run_quarters(small_world(), 8), run_quarters(split(owner, **ties), 8)
    j = one.world.owner_names.index(owner)
    assert two.world.owner_names == (*one.world.owner_names, f"{owner} II")

    def united(cls: type, name: str, array: np.ndarray) -> np.ndarray | None:
        """Two halves as one: stocks and flows add up, prices and values are the same."""
        axes = variables(cls)[name].axes
        if "owner" not in axes:
            return array
        place = axes.index("owner") - len(axes)
        first, second, rest = (np.take(array, k, axis=place) for k in (j, -1, range(len(one.world.owner_names))))
        where = [slice(None)] * array.ndim
        where[place] = j
        rest = rest.copy()
        if name in {"rent", "floor", "value", "order_factor"}:
            assert distance(first, second) < CLOSE, name
        else:
            rest[tuple(where)] = first + second
        return rest

    of_payers = {"owner_cash", "owner_income", "household_cash"} if ties else set()
    for (cls, name, a), (_, _, b) in zip(every_array(one), every_array(two), strict=True):
        if name not in OF_THE_SOLVER | of_payers:
            assert distance(a, united(cls, name, b)) < CLOSE, (cls.__name__, name)


def test_the_distance_sees_a_change_of_a_billionth() -> None:
    """A negative control of every comparison to rounding."""
    array = np.array([1.0, 2.0, np.inf])
    assert distance(array, array) == 0.0
    assert distance(array, array * (1 + 2e-9)) > CLOSE
    assert isinstance(run_quarters(small_world(), 1).flows[0], Flows)
