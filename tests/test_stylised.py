"""Stylised worlds: closed forms of the symmetric market, tipping, the monopoly, pure luck and a fixed stock."""

import functools
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq

from sim.errors import WorldError
from sim.luck import Luck
from sim.parameters import DATA, Parameters, parameter_table
from sim.scenario import load_scenario, shipped_scenarios
from sim.submodels import training
from sim.world import WORLD_LAYERS, WORLD_START, WORLDS
from sim.world.build import Mechanisms, World, WorldSpec, build
from sim.world.tables import world_folders
from tests.worlds import run_quarters

STATIC = Mechanisms(open_weights=False, entry=False, imitation=False, mergers=False, expectations="static")
STYLISED = [name for name in WORLDS if name != "world_2024"]
FITTED = parameter_table(world_folders("world_2024"))
BUDGET = 6.0


def world(base: str, **changes: float) -> World:
    """A stylised world under static expectations."""
    return build(WorldSpec(parameters=changes, mechanisms=STATIC, folders=world_folders(base)))


# --- the closed form of docs/tipping.md -------------------------------------------------------------


def critical_flywheel(
    n: int,
    *,
    rho: float = 3.0,
    lam: float = 0.26,
    nest: float = 0.05,
    psi: float = 0.0,
    z: float = 0.0,
    serving: float = 0.0,
) -> float:
    """Lambda* of n equal firms.

    psi is the local elasticity to data, z = 1 where data are quantities, ``serving`` = gamma chi is the elasticity of
    the cost of a unit to effective compute.
    """
    l = lam * (1.0 - nest)
    u = (1.0 - l) / n
    stealing = 1.0 - u
    eps = 1.0 + (rho - 1.0) * stealing
    top = 1.0 - psi + (rho - 1.0 + psi * z) * u / (eps * stealing)
    return top / (1.0 + (rho - 1.0) * u / eps - u / stealing) + psi * z * serving


PUBLISHED = [
    ({"n": 2}, 2.102484), ({"n": 3}, 1.464814), ({"n": 5}, 1.210948), ({"n": 10}, 1.088258),
    ({"n": 5, "lam": 1.0, "nest": 0.3}, 1.067996), ({"n": 5, "lam": 0.0, "nest": 0.3}, 1.319149),
    ({"n": 5, "psi": 0.1}, 1.1039), ({"n": 5, "psi": 0.1, "z": 1.0}, 1.1109),
]  # fmt: skip


@pytest.mark.parametrize(("case", "value"), PUBLISHED, ids=str)
def test_the_closed_form_gives_the_published_values(case: dict, value: float) -> None:
    digits = 4 if "psi" in case else 6
    assert round(critical_flywheel(**case), digits) == value


@pytest.mark.parametrize(
    ("n", "psi", "z"), [(2, 0.0, 0.0), (5, 0.0, 0.0), (5, 0.1, 0.0), (5, 0.1, 1.0), (10, 0.2, 1.0)]
)
def test_the_closed_form_is_where_training_just_sustains_a_lead(n: int, psi: float, z: float) -> None:
    """By finite differences of a two-group price equilibrium that is solved by root finding, not by the formula."""
    rho, lam, nest, step = 3.0, 0.26, 0.05, 1e-4
    critical = critical_flywheel(n, rho=rho, lam=lam, nest=nest, psi=psi, z=z)

    def outlay(lead: float, data: float) -> tuple[float, float]:
        """ln of B Pi and of what data count, of one firm ahead by ``lead``, with one firm as far behind."""
        quality = np.zeros(n)
        quality[:2] = [critical * lead + psi * data, -critical * lead - psi * data]
        share = np.full(n, 1.0 / n)
        for _ in range(400):
            eps = rho * (1 - share) + (1 + lam * (rho - 1) * (1 - nest)) * share
            attraction = np.exp(quality) * (eps / (eps - 1)) ** -(rho - 1)
            share = 0.5 * share + 0.5 * attraction / attraction.sum()
        eps = rho * (1 - share) + (1 + lam * (rho - 1) * (1 - nest)) * share
        stealing = (1 - share) + lam * share * (1 - nest)
        plan, sold = np.log(stealing * share / eps), np.log(share * ((eps - 1) / eps) ** z)
        return plan[0] - plan[1], sold[0] - sold[1]

    data = brentq(lambda d: outlay(step, d)[1] - 2 * d, 0.0, 20 * step) if psi else 0.0
    assert outlay(step, data)[0] / (2 * step) == pytest.approx(1.0, abs=2e-6)


# --- the same in the engine -------------------------------------------------------------------------


def sustained(n: int, nest: float, p: Parameters) -> dict[str, float]:
    """Compute and sales of n equal firms that train exactly what they plan, and so stay where they are."""
    sales = BUDGET * nest / n
    l = p.nest_growth * (1.0 - nest)
    stealing = 1.0 - (1.0 - l) / n
    eps = 1.0 + (p.substitution - 1.0) * stealing
    horizon = p.discount * p.capability_decay / (1.0 - p.discount * (1.0 - p.capability_decay))
    plan = p.flywheel * stealing * sales / eps * horizon + p.earmark * p.investor_funding / n
    use = (sales * (1.0 - 1.0 / eps) + plan) / p.rent_initial
    return {"small_firms_initial": n, "small_firm_revenue": 4.0 * sales, "small_firm_compute": 1e3 * use}


@functools.cache
def symmetric(n: int, nest: float = 0.05, **changes: float) -> World:
    """n equal firms in their steady state."""
    values = {"nest_growth": 0.26, "initial_training_share": 0.001, **changes}
    p = Parameters.from_table(values, world_folders("symmetric"))
    return world("symmetric", **{**values, **sustained(n, nest, p)})


def deviations(market: World, n: int, n_quarters: int, size: float = 1e-5) -> np.ndarray:
    """ln E of the first firm less the second, over twice the first deviation, quarter by quarter."""
    start = market.initial.own_compute
    ahead = np.zeros(start.shape)
    ahead[:2] = [size, -size]
    run = run_quarters(market, n_quarters, replicates=(0,), own_compute=(start * np.exp(ahead))[None])
    own = np.array([state.own_compute[0] for state in run.states])
    assert np.abs(own[:, 2:n] / start[0] - 1.0).max(initial=0.0) < 1e-8, "bystanders stay"
    return np.log(own[:, 0] / own[:, 1]) / (2 * size)


def eigenvalue(decay: float, now: float, lagged: float) -> float:
    """Larger root of mu^2 = (1 - delta + delta now) mu + delta lagged: profits are those of last quarter."""
    b = 1.0 - decay + decay * now
    return (b + np.sqrt(b * b + 4.0 * decay * lagged)) / 2.0


@pytest.mark.parametrize("n", [2, 3, 5, 10])
@pytest.mark.parametrize("relative", [0.6, 0.95, 1.0, 1.05, 1.4])
def test_a_lead_grows_at_the_rate_of_the_tipping_oracle(n: int, relative: float) -> None:
    critical = critical_flywheel(n)
    market = symmetric(n, flywheel=relative * critical)
    assert market.flywheel == pytest.approx(relative * critical, rel=1e-12)
    decay = market.parameters.capability_decay
    ratio = deviations(market, n, 8)
    lead = [0.0, 1.0]
    for _ in range(8):
        lead.append((1.0 - decay) * lead[-1] + decay * relative * lead[-2])
    # the first plan is made with the equal profits of before: the lead of quarter -1 is zero
    assert ratio == pytest.approx(lead[1:], rel=2e-6)
    mu = ratio[-1] / ratio[-2]
    assert mu == pytest.approx(eigenvalue(decay, 0.0, relative), abs=2e-6)


@pytest.mark.parametrize(("n", "fund"), [(3, 0.02), (5, 0.1)])
@pytest.mark.parametrize("omega", [0.5, 1.5])
def test_a_contest_for_funds_adds_its_own_elasticity(n: int, fund: float, omega: float) -> None:
    relative = 0.9
    market = symmetric(
        n, flywheel=relative * critical_flywheel(n), investor_funding=fund, contest_exponent=omega, funding_speed=1.0
    )
    p = market.parameters
    plan = run_quarters(market, 1, replicates=(0,)).flows[0].funding.plan[0, 0]
    share = p.earmark * fund / n / plan
    assert 0.05 < share < 0.5
    lead = [0.0, 1.0]
    for _ in range(8):
        pull = (1.0 - share) * relative * lead[-2] + share * p.gamma * omega * lead[-1]
        lead.append((1.0 - p.capability_decay) * lead[-1] + p.capability_decay * pull)
    ratio = deviations(market, n, 8)
    assert ratio == pytest.approx(lead[1:], rel=2e-6)
    mu = eigenvalue(p.capability_decay, share * p.gamma * omega, (1.0 - share) * relative)
    assert ratio[-1] / ratio[-2] == pytest.approx(mu, abs=2e-6)


@pytest.mark.parametrize("chi", [0.0, 0.3])
def test_data_move_the_tipping_value_as_the_closed_form_says(chi: float) -> None:
    """Local elasticity psi / 2, as every firm's data stock is that of the reference; data are quantities."""
    gamma = parameter_table()["gamma"].value
    critical = critical_flywheel(5, psi=0.1, z=1.0, serving=gamma * chi)
    growth = {}
    for relative in (0.98, 1.0, 1.02):
        market = symmetric(5, data_elasticity=0.2, serving_size_elasticity=chi, flywheel=relative * critical)
        lead = deviations(market, 5, 200)
        growth[relative] = lead[-1] / lead[-2] - 1.0
    assert abs(growth[1.0]) < 1e-6
    assert growth[0.98] < -3e-4
    assert growth[1.02] > 3e-4


def test_equality_survives_below_the_tipping_value_and_is_lost_above() -> None:
    """Three firms at 1.3 Lambda*(3), which is below Lambda*(2): one falls behind, and the other two stay equal."""
    assert 1.3 * critical_flywheel(3) < critical_flywheel(2)
    final = {}
    for relative in (0.8, 1.3):
        market = symmetric(3, flywheel=relative * critical_flywheel(3))
        ahead = np.zeros(len(market.firm_names))
        ahead[:3] = [0.1, -0.1, 0.0]
        start = market.initial.own_compute * np.exp(ahead)
        run = run_quarters(market, 250, replicates=(0,), own_compute=start[None])
        final[relative] = run.states[-1].share[0, 0, :3]
    assert final[0.8] == pytest.approx(1 / 3, abs=2e-3)
    assert final[1.3][1] < 1e-3
    assert final[1.3][[0, 2]] == pytest.approx(0.5, abs=0.03)


# --- limits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rho", [2.0, 5.0, 20.0, 50.0])
def test_equal_rivals_price_at_cost_as_substitution_becomes_perfect(rho: float) -> None:
    n, nest, lam = 4, 0.05, 0.26
    market = symmetric(n, nest, substitution=rho)
    now = run_quarters(market, 1, replicates=(0,)).flows[0].markets
    over_cost = now.price[0, 0, :n] / now.unit_cost[0, :n]
    stealing = 1.0 - (1.0 - lam * (1.0 - nest)) / n
    assert over_cost == pytest.approx(1.0 + 1.0 / ((rho - 1.0) * stealing), rel=1e-9)


def no_training(observation, quarter) -> dict[str, float]:
    return {"training_cap": 0.0}


@pytest.mark.parametrize("base", ["symmetric", "small_world"])
def test_without_training_effective_compute_decays_exactly(base: str) -> None:
    market = world(base)
    run = run_quarters(market, 20, replicates=(0,), policies=[no_training])
    left = run.states[0].own_compute
    for after in run.states[1:]:
        left = left * (1.0 - market.parameters.capability_decay)
        assert np.array_equal(after.own_compute, np.where(after.is_active, left, 0.0))
    assert left[0, 0] == pytest.approx(run.states[0].own_compute[0, 0] * 0.9**20, rel=1e-14)


# --- monopoly ---------------------------------------------------------------------------------------


def test_the_monopolist_of_the_engine_is_that_of_the_closed_form() -> None:
    """rho 3, lambda 0.26, o_0 0.5, xi = Z_0 = 1; efficiency is such that a unit costs 1."""
    market = world("monopoly")
    elasticity = 1.0 + 0.26 * 2.0 * (1.0 - 1.0 / 3.0)  # at the start, when the price is 1 and o = o_0
    efficiency = market.initial.efficiency * (elasticity - 1.0) / elasticity
    now = run_quarters(market, 1, replicates=(0,), efficiency=efficiency[None]).flows[0].markets
    assert market.initial_odds[0] == pytest.approx(0.5, rel=1e-12)
    assert now.unit_cost[0, 0] == pytest.approx(1.0, rel=1e-9)
    found = now.price[0, 0, 0], now.nest[0, 0], now.elasticity[0, 0, 0]
    assert found == pytest.approx((3.4296442148, 0.2084944325, 1.4115828951), rel=1e-9)


@pytest.mark.parametrize("cheaper", [0.3, 1.0, 4.0])
def test_the_monopolist_maximises_profit_at_any_cost(cheaper: float) -> None:
    market = world("monopoly")
    efficiency = market.initial.efficiency * cheaper
    now = run_quarters(market, 1, replicates=(0,), efficiency=efficiency[None]).flows[0].markets
    cost = now.unit_cost[0, 0]

    def profit(log_price: float) -> float:
        odds = 0.5 * np.exp(-2.0 * 0.26 * log_price)
        return odds / (1.0 + odds) * (1.0 - cost * np.exp(-log_price))

    def slope(log_price: float) -> float:
        return (profit(log_price + 1e-5) - profit(log_price - 1e-5)) / 2e-5

    best = np.exp(brentq(slope, np.log(cost), np.log(cost) + 5.0, xtol=1e-12))
    assert now.price[0, 0, 0] == pytest.approx(best, rel=1e-6)


# --- pure luck --------------------------------------------------------------------------------------


def test_luck_alone_concentrates_twenty_equal_firms() -> None:
    n_replicates, n_quarters, n = 200, 100, 20
    market = world("gibrat_null")
    run = run_quarters(market, n_quarters + 1, replicates=range(n_replicates), seed=1)
    luck = Luck(1, range(n_replicates))
    walk = np.zeros((n_replicates, n))
    for period in range(n_quarters):
        walk += 0.25 * luck.normal("quality", period, n)
    appeal = np.exp(walk)
    expected = appeal / appeal.sum(axis=1, keepdims=True)
    share = run.flows[-1].markets.share[:, 0, :n]
    assert share == pytest.approx(expected, abs=1e-5)
    first, last = ((run.flows[k].markets.share[:, 0] ** 2).sum(axis=1) for k in (0, -1))
    assert first == pytest.approx(0.05, rel=1e-12)
    assert last.mean() == pytest.approx(0.37, abs=0.04)


def test_the_null_of_another_generator_is_the_same() -> None:
    """The engine's mean is within its error of 20,000 histories of NumPy's own normal draws."""
    appeal = np.exp(0.25 * np.sqrt(100) * np.random.default_rng(7).standard_normal((20_000, 20)))
    share = appeal / appeal.sum(axis=1, keepdims=True)
    assert (share**2).sum(axis=1).mean() == pytest.approx(0.37, abs=0.01)


# --- a fixed stock ----------------------------------------------------------------------------------


def test_ten_firms_share_a_fixed_stock_and_use_all_of_it() -> None:
    market = world("ten_firm_city")
    run = run_quarters(market, 24, replicates=(0,))
    stock = run.states[0].capacity
    for state, flows in zip(run.states[1:], run.flows, strict=True):
        used = flows.markets.compute_used.sum(axis=-1)
        assert np.array_equal(state.capacity, stock)
        assert used == pytest.approx(stock[:, 0], rel=1e-8)
        assert np.all(flows.markets.rent > flows.markets.floor)
        assert state.is_active.sum() == 10
    assert stock.sum() == 1.0
    used = run.flows[0].markets.compute_used[0, :10]
    assert all(larger > smaller for larger, smaller in pairwise(used))


def test_the_city_knows_no_luck() -> None:
    runs = [run_quarters(world("ten_firm_city"), 12, replicates=(k,), seed=k + 1) for k in (0, 5)]
    left, right = (run.states[-1] for run in runs)
    assert np.array_equal(left.share, right.share)
    assert np.array_equal(left.own_compute, right.own_compute)
    assert not np.array_equal(left.own_compute, runs[0].states[0].own_compute)


# --- worlds as layers of tables ---------------------------------------------------------------------


def test_every_world_has_a_start_layers_a_scenario_and_a_question() -> None:
    assert list(WORLD_START) == list(WORLD_LAYERS) == list(WORLDS)
    for base in STYLISED:
        scenario = load_scenario(base)
        assert shipped_scenarios()[base].parent.name == "worlds"
        assert scenario.world.base == base
        assert re.fullmatch(r"[A-Z][^.?!]*(\.\d[^.?!]*)*\?", scenario.question), scenario.question


@pytest.mark.parametrize("base", STYLISED)
def test_a_world_changes_rows_of_the_parameter_table_and_says_so(base: str) -> None:
    shipped, table = parameter_table(), parameter_table(world_folders(base))
    assert list(table) == list(shipped)
    changed = {name: row for name, row in table.items() if row != shipped[name]}
    assert changed
    for name, row in changed.items():
        assert row.source.startswith("definition of the stylised world") or (
            base == "small_world" and row == FITTED[name]
        )
        assert row.low <= row.value <= row.high
        assert (row.unit, row.minimum, row.maximum) == (
            shipped[name].unit,
            shipped[name].minimum,
            shipped[name].maximum,
        )


def test_a_scenario_starts_from_its_worlds_values_and_may_change_them_back() -> None:
    plain = load_scenario({"world": {"base": "gibrat_null"}})
    assert plain.world.parameters["quality_shock"] == 0.25
    assert plain.changed_parameters() == {}
    back = load_scenario({"world": {"base": "gibrat_null", "parameters": {"quality_shock": 0.08}}})
    assert back.changed_parameters() == {"quality_shock": 0.08}
    p = Parameters.from_table(back.changed_parameters(), world_folders("gibrat_null"))
    assert (p.quality_shock, p.quality_persistence) == (0.08, 1.0)
    again = load_scenario(back.resolved())
    assert again.content_hash() == back.content_hash() != plain.content_hash()


def test_the_written_scenario_names_the_worlds_defaults(tmp_path: Path) -> None:
    text = load_scenario({"world": {"base": "gibrat_null", "parameters": {"quality_shock": 0.08}}}).to_yaml()
    assert re.search(r"quality_shock: 0\.08 .*default 0\.25", text)
    path = tmp_path / "again.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_scenario(path).world.parameters["quality_shock"] == 0.08


def test_actors_are_those_of_the_world() -> None:
    load_scenario({"world": {"base": "ten_firm_city", "firms": [{"name": "Firm A", "revenue": 3.0}]}})
    for base, firm in (("ten_firm_city", "OpenAI"), ("symmetric", "OpenAI"), ("world_2024", "Firm A")):
        with pytest.raises(Exception, match="lacks class, compute"):
            load_scenario({"world": {"base": base, "firms": [{"name": firm, "revenue": 3.0}]}})


def test_the_small_world_is_the_shipped_one_with_fewer_places() -> None:
    small = build(WorldSpec(folders=world_folders("small_world")))
    few = {"small_firms_initial": 6, "entry_slots": 48, "entry_candidates": 0.5}
    same = build(WorldSpec(parameters=few, folders=world_folders("world_2024")))
    assert small.parameters == same.parameters
    assert small.firm_names == same.firm_names
    assert np.array_equal(small.initial.log_strength, same.initial.log_strength)


@pytest.mark.parametrize("row", ["no_such,1,firms", "flywheel,1,$bn"])
def test_a_row_that_is_no_parameter_is_refused(tmp_path: Path, row: str) -> None:
    text = f"name,value,unit,low,high,kind,source\n{row},0,2,assumption,definition\n"
    (tmp_path / "parameters.csv").write_text(text, encoding="utf-8")
    with pytest.raises(WorldError, match="is not a row of the parameter table"):
        parameter_table((DATA, tmp_path))


def test_small_firms_without_dispersion_are_equal() -> None:
    market = build(WorldSpec(parameters={"small_firm_dispersion": 0.0}))
    small = [slot for slot, name in enumerate(market.firm_names) if name.startswith("Small firm")]
    assert np.ptp(market.initial.cash[small]) == 0.0
    assert np.ptp(market.initial.cash[: small[0]]) > 0.0


def test_the_horizon_factor_of_the_steady_state_is_the_one_of_the_plan() -> None:
    p = Parameters.from_table(folders=world_folders("symmetric"))
    zero = np.zeros(1)
    expected = p.discount * p.capability_decay / (1.0 - p.discount * (1.0 - p.capability_decay))
    assert training.horizon_factor(zero, zero, p.discount, p.capability_decay)[0] == pytest.approx(expected, rel=1e-14)
