"""Random states of the joint market, and random price equilibria against an independent solver.

Many cases stand side by side in the replicate axis. Residuals are computed here from the definitions, not with the
formulas of the product.
"""

from dataclasses import dataclass, fields, replace
from functools import cache

import numpy as np
import pytest
from scipy import optimize

from sim.arrays import shares
from sim.errors import ConvergenceError, ReplicateError
from sim.groups import Groups
from sim.policies.levers import Rulebook, combine
from sim.stages import markets as stage
from sim.stages.drivers import drive
from sim.stages.funding import fund
from sim.state import Drivers, Funding, Markets, State
from sim.submodels import pricing
from sim.world.build import World, WorldSpec, build

SIZES = {"entry_slots": 4, "small_firms_initial": 6, "entry_candidates": 0.0}
N_WORLDS = 6


@dataclass(frozen=True)
class Cases:
    """Random cases in the replicate axis of one world, and what the product made of them."""

    world: World
    state: State
    drivers: Drivers
    rules: Rulebook
    funding: Funding
    markets: Markets


@cache
def random_world(seed: int) -> World:
    """Random elasticities and ties; every firm has an owner that sells to it."""
    rng = np.random.default_rng([1, seed])
    rho = float(rng.uniform(1.6, 6.0))
    world = build(
        WorldSpec(
            parameters={
                **SIZES,
                "substitution": rho,
                "nest_growth": float(rng.uniform(max(0.05, 0.03 / (rho - 1.0)), 0.6)),
                "owner_price_elasticity": float(rng.uniform(0.3, 4.0)),
                "cloud_loyalty": float(rng.choice([0.0, 0.5, 0.85, 0.97])),
                "switching_rate": float(rng.uniform(0.05, 1.0)),
                "utilisation": float(rng.uniform(0.6, 1.0)),
                "operating_cost_share": float(rng.uniform(0.0, 0.4)),
            }
        )
    )
    ties = rng.normal(0.0, 2.5, world.affinity.shape)
    sells = rng.random(ties.shape) < 0.7
    sells[rng.integers(len(sells), size=sells.shape[1]), np.arange(sells.shape[1])] = True
    return replace(world, affinity=np.where(sells, ties, -np.inf))


def random_groups(rng: np.random.Generator, n: int, firm: int) -> np.ndarray:
    """Heads of groups: in a third of the cases every firm is drawn to one of a few owners."""
    owner = rng.integers(0, 6, (n, firm))
    joined = np.argmax(owner[:, None, :] == owner[:, :, None], axis=-1)
    is_joined = (rng.random((n, 1)) < 0.35) & (rng.random((n, firm)) < 0.5)
    alone = np.broadcast_to(np.arange(firm), (n, firm))
    heads = np.where(is_joined, joined, alone)
    return np.where(np.take_along_axis(heads, heads, axis=-1) == heads, heads, alone)


def random_cases(n: int, seed: int, most_firms: int | None = None) -> Cases:
    """Clear ``n`` random markets: anything from a competitive fringe to a near monopoly, glut and scarcity, taxes."""
    world, rng = random_world(seed), np.random.default_rng([2, seed])
    sizes = world.sizes
    firm, sector, owner = sizes["firm"], sizes["sector"], sizes["owner"]

    def per_case(low: float, high: float) -> np.ndarray:
        """Log-uniform, one number for each case."""
        return np.exp(rng.uniform(np.log(low), np.log(high), n))

    def where(chance: float, array: np.ndarray) -> np.ndarray:
        """``array`` in that part of the cases, zero in the others."""
        keep = rng.random(n) < chance
        return np.where(keep.reshape(-1, *[1] * (array.ndim - 1)), array, 0.0)

    n_active = rng.integers(1, (most_firms or firm) + 1, n)
    is_active = rng.random((n, firm)).argsort(axis=-1) < n_active[:, None]
    spread = rng.uniform(0.0, 4.0, n)
    power = per_case(1e-2, 1e3)[:, None] * np.exp(rng.normal(size=(n, firm)) * rng.uniform(0, 1.5, n)[:, None])
    efficiency = np.exp(rng.normal(0.0, 0.7, (n, firm)))
    strength = spread[:, None, None] * rng.normal(size=(n, sector, firm)) + rng.normal(0, 1, (n, 1, 1))
    present = is_active[:, None, :]
    last_share = shares(np.where(present, rng.exponential(size=(n, sector, firm)) ** 2, 0.0))
    leavers = where(0.3, rng.random((n, sector, firm)) < 0.2)
    capacity = per_case(0.05, 50.0)[:, None] * np.exp(rng.normal(size=(n, owner)) * rng.uniform(0, 2, n)[:, None])
    weight = np.where(np.isfinite(world.affinity), rng.exponential(size=(n, owner, firm)), 0.0)
    captive = where(0.7, rng.dirichlet(np.ones(owner), n) * per_case(0.01, 3.0)[:, None])
    plan = where(0.9, per_case(1e-3, 1.0)[:, None] * np.exp(rng.normal(-1.0, 1.5, (n, firm))))

    state = world.initial_state(n)
    state = replace(
        state,
        is_active=is_active,
        efficiency=efficiency,
        data=np.where(is_active, np.exp(rng.normal(0.0, 1.0, (n, firm))), 0.0),
        log_strength=strength,
        share=np.where(leavers > 0.0, 0.0, last_share),
        target_share=last_share,
        owner_weight=weight / weight.sum(axis=1, keepdims=True),
        nest=rng.uniform(0.01, 0.8, (n, sector)),
        capacity=capacity,
        rent=np.exp(rng.normal(np.log(6.0), 1.0, (n, owner))),
        captive_outlay_share=captive,
        own_compute=np.where(is_active, state.own_compute + 0.01, 0.0),
        group=random_groups(rng, n, firm),
        own_chips=where(0.2, capacity.mean(axis=-1, keepdims=True) * rng.exponential(0.05, (n, firm))),
        public_capacity=where(0.3, capacity.sum(axis=-1) * rng.uniform(0.0, 0.3, n)),
    )
    rules = combine(
        [
            {
                "compute_tax": where(0.5, rng.uniform(-0.4, 1.0, (n, firm))),
                "captive_tax": where(0.5, rng.uniform(-0.4, 1.0, (n, owner))),
                "usage_tax": where(0.3, rng.uniform(0.0, 0.5, (n, firm))),
                "revenue_levy": where(0.3, rng.uniform(0.0, 0.3, (n, firm))),
                "training_cap": np.where(rng.random((n, 1)) < 0.3, per_case(1e-3, 1.0)[:, None], np.inf),
                "serving_efficiency": np.exp(rng.normal(0, 0.5, (n, firm))),
                "quality": np.exp(rng.normal(0, 0.5, (n, firm))),
                "switching": rng.uniform(0.1, 5.0, n),
                "loyalty": rng.uniform(0.2, 1.2, n),
                "public_weight": where(0.5, rng.random((n, firm))),
                "pooled_weight": where(0.3, rng.random((n, firm))),
                "pooled_idle": rng.random(n),
                "reserved_weight": where(0.3, rng.random((n, firm))),
                "reserved_capacity": rng.uniform(0.0, 0.9, n),
                "energy_cap": np.where(rng.random(n) < 0.2, 2.0 * capacity.sum(axis=-1), np.inf),
                "affinity": np.where(rng.random(n) < 0.7, 1.0, rng.uniform(0.0, 1.5, n)),
                "carbon_price": where(0.5, per_case(1.0, 3e4)),
            }
        ],
        sizes,
        n,
    )
    drivers = drive(world, int(rng.integers(0, 40)))
    desired = np.where(is_active, plan * drivers.budget.sum() / 500.0, 0.0)
    means = desired * np.exp(rng.normal(0.5, 1.0, (n, firm)))
    funding = replace(
        fund(state, world, drivers, rules),
        power=np.where(is_active, power, 0.0),
        desired=desired,
        means=means,
        plan=np.minimum(desired, means),
    )
    with np.errstate(divide="raise", over="raise", invalid="raise", under="ignore"):
        try:
            markets = stage.clear_markets(state, world, drivers, rules, funding)
        except (ReplicateError, FloatingPointError, np.linalg.LinAlgError) as error:
            failures = [why for r in range(n) if (why := failure_of_one(r, state, world, drivers, rules, funding))]
            message = f"{len(failures)} of {n} markets of world {seed} failed: {failures}"
            raise AssertionError(message) from error
    return Cases(world, state, drivers, rules, funding, markets)


def failure_of_one(r: int, state: State, world: World, drivers: Drivers, rules: Rulebook, funding: Funding) -> str:
    """Why one case fails by itself; nothing when it does not."""

    def one(holder):
        return type(holder)(**{f.name: getattr(holder, f.name)[r : r + 1] for f in fields(holder)})

    try:
        stage.clear_markets(one(state), world, drivers, one(rules), one(funding))
    except (ReplicateError, FloatingPointError, np.linalg.LinAlgError) as error:
        return f"case {r}: {error}"
    return ""


def clearing_residual(c: Cases) -> np.ndarray:
    """Complementarity written out: idle chips only at the floor, rents at or above it; ``[case]``."""
    p, m, rules = c.world.parameters, c.markets, c.rules
    energy = c.drivers.electricity_price + c.drivers.grid_intensity * rules.carbon_price
    floor = p.owner_floor_operations + c.drivers.kilowatt * 2190.0 * energy * 1e-6
    sells = np.isfinite(c.world.affinity)
    own = c.world.is_integrated
    serves_one = own.any(axis=1) & ~(sells & ~own).any(axis=1)
    opened = np.clip(1.0 - rules.affinity, 0.0, None)[:, None, None] * serves_one[:, None]
    pull = (
        np.where(sells, np.exp(np.where(sells, c.world.affinity, 0.0) * rules.affinity[:, None, None]), opened)
        * (c.state.capacity * m.rent**-p.owner_price_elasticity)[:, :, None]
    )
    loyalty = np.minimum(p.cloud_loyalty * rules.loyalty, 1.0)[:, None, None]
    weight = loyalty * c.state.owner_weight + (1.0 - loyalty) * pull / pull.sum(axis=1, keepdims=True)
    assert np.allclose(weight.sum(axis=1), 1.0, atol=1e-12)
    rent = np.einsum("roi,ro->ri", weight, m.rent)
    given, paid, supply, own_chips = outside_the_market(c)
    dear = rent * (1.0 + rules.compute_tax)
    spent = np.minimum(np.maximum(c.funding.desired - given * dear, 0.0), np.maximum(c.funding.means - paid, 0.0))
    training = np.minimum(given + spent / dear, rules.training_cap)
    assert np.allclose(training, m.training, rtol=1e-9, atol=1e-15)
    need = c.world.serving_need_reference * c.funding.power**p.serving_size_elasticity
    need = need / c.state.efficiency**p.serving_algorithm_elasticity / rules.serving_efficiency
    units = np.where(m.price > 0.0, m.revenue / np.where(m.price > 0.0, m.price, 1.0), 0.0).sum(axis=1)
    captive = c.drivers.captive_outlay * c.state.captive_outlay_share / (m.rent * (1.0 + rules.captive_tax))
    rented = np.maximum(training - given + need * units - own_chips, 0.0)
    demand = captive + np.einsum("roi,ri->ro", weight, rented)
    slack_rent, slack_supply = (m.rent - floor[:, None]) / m.rent, (supply - demand) / supply
    return np.abs(np.minimum(slack_rent, slack_supply)).max(axis=-1)


def outside_the_market(c: Cases) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Compute that rules give to firms, what it costs, what owners have left, and firms' own chips, case by case."""
    p, rules, state, world = c.world.parameters, c.rules, c.state, c.world
    given, paid, own = (np.zeros_like(state.cash) for _ in range(3))
    supply = np.zeros_like(state.capacity)
    for r in range(len(given)):
        claim = {k: getattr(rules, f"{k}_weight")[r] * state.is_active[r] for k in ("public", "pooled", "reserved")}
        sellers = state.capacity[r] * world.is_seller
        idle = (1.0 - p.utilisation) * sellers * rules.pooled_idle[r] * claim["pooled"].any()
        aside = p.utilisation * sellers * rules.reserved_capacity[r] * claim["reserved"].any()
        public = state.public_capacity[r] * claim["public"].any()
        in_place = state.capacity[r].sum() + state.own_chips[r].sum() + public
        running = p.utilisation * in_place + idle.sum()
        used = running * c.drivers.kilowatt * 2190.0 / 1e3
        cut = min(1.0, rules.energy_cap[r] / used)
        pools = {"public": p.utilisation * public, "pooled": idle.sum(), "reserved": aside.sum()}
        split = {k: cut * pool * claim[k] / max(claim[k].sum(), 1e-300) for k, pool in pools.items()}
        floor = c.markets.allotments.reserved_price[r]
        last = (state.owner_weight[r] * state.rent[r][:, None]).sum(axis=0) * (1.0 + rules.compute_tax[r])
        split["pooled"] = np.where(floor * (1.0 + rules.pooled_fee[r]) <= last, split["pooled"], 0.0)
        offered = sum(split.values())
        part = np.ones_like(offered)
        np.divide(rules.training_cap[r], offered, out=part, where=offered > rules.training_cap[r])
        price = {"public": 0.0, "pooled": floor * (1.0 + rules.pooled_fee[r]), "reserved": floor}
        for i in range(len(part)):
            mine = {k: part[i] * amount[i] for k, amount in split.items()}
            bill = sum((price[k] + p.training_staff_share * last[i]) * mine[k] for k in mine)
            part[i] *= min(1.0, (1.0 + p.training_staff_share) * c.funding.plan[r, i] / max(bill, 1e-300))
            given[r, i] = part[i] * sum(amount[i] for amount in split.values())
            paid[r, i] = part[i] * sum(price[k] * split[k][i] for k in split)
        taken = split["reserved"] @ part / max(aside.sum(), 1e-300)
        supply[r] = cut * p.utilisation * state.capacity[r] - taken * aside
        own[r] = cut * p.utilisation * state.own_chips[r]
    return given, paid, supply, own


def marginal_profit(c: Cases) -> np.ndarray:
    """d profit of its owner / d ln price over revenue, by complex step; ``[case, sector, firm]``.

    Profit is (1 - taken) p q - c q with p q = spending on the firm at rivals' prices, customers free to choose.
    """
    p, m = c.world.parameters, c.markets
    present = c.state.is_active[:, None, :] & (m.price > 0.0)
    step = 1e-30j
    price = np.where(present, m.price, 1.0)
    base = np.where(
        present,
        np.exp(c.state.log_strength)
        * c.rules.quality[:, None, :]
        * np.where(present, c.funding.power[:, None, :], 1.0) ** c.world.theta[:, None]
        * (1.0 + c.state.data[:, None, :] / c.world.data_reference) ** c.world.data_elasticity[:, None],
        0.0,
    )
    v = base * price ** -(p.substitution - 1.0)
    moved = price * np.exp(step)
    own = base * moved ** -(p.substitution - 1.0)
    z = v.sum(axis=-1, keepdims=True) - v + own
    odds = c.world.initial_odds[:, None] * z**p.nest_growth
    spending = odds / (1.0 + odds) * own / z
    taken = p.operating_cost_share + c.rules.revenue_levy
    earned = v * np.where(present, (1.0 - taken)[:, None, :] - m.unit_cost[:, None, :] / price, 0.0)
    joint = np.einsum("rsk,rik->rsi", earned, c.state.group[:, :, None] == c.state.group[:, None, :])
    profit = spending * ((1.0 - taken)[:, None, :] - m.unit_cost[:, None, :] / moved)
    profit = profit + odds / (1.0 + odds) / z * (joint - earned)
    slope = profit.imag / step.imag / np.where(present, spending.real, 1.0)
    return np.where(present, slope, 0.0)


LEAST_ELASTICITY = 1.001


def price_residual(c: Cases) -> np.ndarray:
    """First-order conditions of owners' joint profit, with prices up to 1,001 times unit cost; ``[case, sector, firm]``.

    A firm whose customers its owner would rather lose stands at that bound, where profit still rises with its price. Its
    sisters' prices are then what they are without it, but for its share.
    """
    m, group = c.markets, c.state.group
    at_bound = m.elasticity <= LEAST_ELASTICITY
    withdrawn = np.where(at_bound, m.target_share, 0.0)
    assert withdrawn.max() < 0.01, "as good as withdrawn"
    of_owner = np.einsum("rsk,rik->rsi", withdrawn, group[:, :, None] == group[:, None, :])
    slope = marginal_profit(c)
    return np.where(at_bound, np.maximum(-slope, 0.0), np.maximum(np.abs(slope) - of_owner, 0.0))


def check(c: Cases) -> dict[str, float]:
    """Every condition of an equilibrium; the largest residuals."""
    m, active = c.markets, c.state.is_active
    worst = {
        "clearing": float(clearing_residual(c).max()),
        "prices": float(price_residual(c).max()),
        "sweeps": float(m.iterations.max()),
    }
    assert worst["clearing"] <= 1e-8
    assert worst["prices"] <= 1e-9
    assert np.allclose(m.share.sum(axis=-1), 1.0, atol=1e-12)
    assert np.allclose(m.target_share.sum(axis=-1), 1.0, atol=1e-12)
    assert np.all(m.share >= 0.0) and np.all(m.rent > 0.0) and np.all((m.nest > 0.0) & (m.nest < 1.0))
    assert not m.revenue.sum(axis=1)[~active].any() and not m.training[~active].any()
    assert np.allclose(m.revenue.sum(axis=-1), c.drivers.budget * m.nest, rtol=1e-12)
    return worst


def check_many(n_worlds: int, n_each: int) -> None:
    worst: dict[str, float] = {}
    at_floor = monopolies = 0
    for seed in range(n_worlds):
        cases = random_cases(n_each, seed)
        for name, value in check(cases).items():
            worst[name] = max(worst.get(name, 0.0), value)
        at_floor += int((cases.markets.rent <= cases.markets.floor * (1 + 1e-9)).any(axis=-1).sum())
        monopolies += int((cases.markets.target_share.max(axis=(-2, -1)) > 0.9).sum())
    n = n_worlds * n_each
    print(f"{n} markets: {worst}; a floor binds in {at_floor}, a share above 0.9 in {monopolies}")
    assert at_floor > n / 20 and monopolies > n / 20, "the cases are as varied as they are meant to be"


def test_300_random_markets_clear() -> None:
    check_many(N_WORLDS, 50)


def test_markets_that_newton_steps_leave_open_clear_in_rounds() -> None:
    """In rounds of careful steps and exact ones, which hardly any market needs."""
    sweeps = [check(random_cases(250, world))["sweeps"] for world in (0, 33, 34)]
    assert 40 < max(sweeps) < 200


@pytest.mark.long
def test_10000_random_markets_clear() -> None:
    check_many(40, 250)


# --- prices by another solver --------------------------------------------------------


def slopes(log_price: np.ndarray, base, cost, kept, group, odds: float, rho: float, lam: float) -> np.ndarray:
    """d (profit of i's owner) / d ln p_i for every firm, by the product rule from demand itself.

    profit_i = kept_i N(Z) V_i / Z (1 - c_i / p_i) with N = o / (1 + o), o = odds Z^lam, V_i = b_i p_i^-(rho - 1), and
    c_i the unit cost over what levies leave of revenue. Scaled by kept revenue, which has no zero.
    """
    price = np.exp(log_price)
    v = base * price ** (1.0 - rho)
    z = v.sum()
    dv = (1.0 - rho) * v  # dV_i / d ln p_i = dZ / d ln p_i
    o = odds * z**lam
    nest, dnest = o / (1.0 + o), lam * o / z / (1.0 + o) ** 2 * dv
    share, dshare = v / z, dv * (z - v) / z**2
    margin, dmargin = 1.0 - cost / price, cost / price
    own = (dnest * share * margin + nest * dshare * margin + nest * share * dmargin) / (nest * share)
    sisters = (group[:, None] == group) & ~np.eye(len(group), dtype=bool)
    stolen = (dnest / z - nest * dv / z**2) * (sisters @ (kept * margin * v))
    return own + stolen / (kept * nest * share)


def independent_prices(base: np.ndarray, cost: np.ndarray, *market) -> np.ndarray:
    """Nash prices by SciPy from a guess that knows nothing of the answer; ``market`` as in ``slopes``."""
    rho = market[3]
    for factor in (rho / (rho - 1.0), 1.05, 2.0, 4.0, 8.0, 16.0):
        found = optimize.root(slopes, np.log(factor * cost), (base, cost, *market), tol=1e-13)
        if np.abs(slopes(found.x, base, cost, *market)).max() < 1e-10:
            return np.exp(found.x)
    raise AssertionError("SciPy found no equilibrium")


def compare_prices(n_worlds: int, n_each: int) -> int:
    """Prices of ``clear_markets`` in every sector of every case against SciPy at the unit costs that it found."""
    compared = joint = 0
    for seed in range(n_worlds):
        c = random_cases(n_each, 1000 + seed, most_firms=5)
        p = c.world.parameters
        for r in range(n_each):
            firms = np.flatnonzero(c.state.is_active[r])
            kept = 1.0 - p.operating_cost_share - c.rules.revenue_levy[r, firms]
            for s in range(c.world.sizes["sector"]):
                base = (
                    np.exp(c.state.log_strength[r, s, firms])
                    * c.rules.quality[r, firms]
                    * c.funding.power[r, firms] ** c.world.theta[s]
                    * (1.0 + c.state.data[r, firms] / c.world.data_reference) ** c.world.data_elasticity[s]
                )
                cost = c.markets.unit_cost[r, firms] / kept
                group = c.state.group[r, firms]
                joint += len(set(group.tolist())) < len(group)
                prices = independent_prices(
                    base, cost, kept, group, c.world.initial_odds[s], p.substitution, p.nest_growth
                )
                assert c.markets.price[r, s, firms] == pytest.approx(prices, rel=1e-7)
                compared += 1
    assert joint > compared / 50, "some owners have several firms"
    return compared


def test_300_random_price_equilibria_are_those_of_another_solver() -> None:
    assert compare_prices(5, 10) == 300


@pytest.mark.long
def test_10000_random_price_equilibria_are_those_of_another_solver() -> None:
    assert compare_prices(24, 70) == 10_080


# --- prices at given costs -----------------------------------------------------------

RHO, LAM, ODDS = 2.7, 0.31, np.array([0.1, 0.6])


def at_given_costs(n: int = 24) -> tuple[np.ndarray, ...]:
    """Unit costs, what levies take, appeal, and heads of groups of ``n`` cases with up to five firms of four owners."""
    rng = np.random.default_rng(7)
    cost, levy = np.exp(0.6 * rng.normal(size=(n, 5))), rng.uniform(0.0, 0.3, (n, 5)) * (rng.random((n, 5)) < 0.5)
    appeal = np.exp(1.5 * rng.normal(size=(n, 2, 5)))
    appeal[:, :, 1:] *= (rng.random((n, 4)) < 0.8)[:, None]
    owner = rng.integers(0, 4, (n, 5))
    return cost, levy, appeal, np.argmax(owner[:, None, :] == owner[:, :, None], axis=-1)


def equilibrium(cost, levy, appeal, head, rows=slice(None), **first_guess) -> pricing.Equilibrium:
    groups = Groups(head[rows])
    return pricing.equilibrium(cost[rows], levy[rows], appeal[rows], ODDS, groups, RHO, LAM, **first_guess)


def test_prices_at_given_costs_are_those_of_another_solver() -> None:
    cost, levy, appeal, head = cases = at_given_costs()
    found, joint = equilibrium(*cases), 0
    for r, s in np.ndindex(len(cost), 2):
        firms = np.flatnonzero(appeal[r, s])
        base, net, kept = appeal[r, s, firms], cost[r, firms] / (1.0 - levy[r, firms]), 1.0 - levy[r, firms]
        price = independent_prices(base, net, kept, head[r, firms], ODDS[s], RHO, LAM)
        v = base * price ** (1.0 - RHO)
        odds = ODDS[s] * v.sum() ** LAM
        assert 1.0 / found.per_dollar[r, s, firms] == pytest.approx(price, rel=1e-9)
        assert found.elasticity[r, s, firms] == pytest.approx(price / (price - net), rel=1e-8)
        assert found.share[r, s, firms] == pytest.approx(v / v.sum(), abs=1e-9)
        assert (found.odds[r, s], found.nest[r, s]) == pytest.approx((odds, odds / (1.0 + odds)), rel=1e-9)
        assert found.share[r, s].sum() == pytest.approx(1.0, abs=1e-14)
        joint += len(set(head[r, firms])) < len(firms) and len(set(levy[r, firms])) > 1
    assert joint > 5, "owners of several firms whose levies differ are among the cases"


def test_prices_depend_neither_on_company_nor_on_the_first_guess() -> None:
    cases = at_given_costs()
    found = equilibrium(*cases)
    for r in range(len(found.share)):
        alone = equilibrium(*cases, rows=slice(r, r + 1))
        assert all(np.array_equal(a[0], b[r]) for a, b in zip(alone, found, strict=True))
    even = shares(np.where(cases[2] > 0.0, 1.0, 0.0))
    for guess in ({"share": even}, {"nest": np.full((24, 2), 0.9)}, {"share": even, "nest": np.full((24, 2), 0.01)}):
        again = equilibrium(*cases, **guess)
        assert all(np.allclose(a, b, rtol=1e-9, atol=1e-10) for a, b in zip(again, found, strict=True))


def test_prices_settle_in_few_sweeps_at_once_from_the_answer_and_say_so_when_they_do_not(monkeypatch) -> None:
    cases = at_given_costs()
    monkeypatch.setattr(pricing, "_MAX_SWEEPS", 18)
    found = equilibrium(*cases)
    monkeypatch.setattr(pricing, "_MAX_SWEEPS", 1)
    again = equilibrium(*cases, share=found.share, nest=found.nest)
    assert np.allclose(again.share, found.share, rtol=0.0, atol=1e-10)
    with pytest.raises(ConvergenceError, match=r"^prices did not settle in 1 sweeps: the last still moved by 0\.\d+$"):
        equilibrium(*cases)
    cost, *others = cases
    with pytest.raises(ConvergenceError, match="moved by nan$"):
        equilibrium(np.where(np.arange(24)[:, None] == 3, np.nan, cost), *others, share=found.share, nest=found.nest)


def test_a_wrong_price_is_noticed() -> None:
    """A negative control: one part in a million of one price, and one rent."""
    c = random_cases(5, 0)
    i = int(np.flatnonzero(c.state.is_active[0])[0])
    price, rent = c.markets.price.copy(), c.markets.rent.copy()
    price[0, 0, i] *= 1.0 + 1e-6
    rent[0] *= 1.0 + 1e-6
    assert np.abs(marginal_profit(replace(c, markets=replace(c.markets, price=price))))[0, 0, i] > 1e-8
    assert clearing_residual(replace(c, markets=replace(c.markets, rent=rent)))[0] > 1e-8
