"""Formulas of the submodels against closed forms, SciPy and finite differences."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize

from sim import units
from sim.arrays import best_other, mixture, shares, total, weighted_total
from sim.groups import Groups
from sim.submodels import (
    compute_market,
    demand,
    demography,
    funding,
    investment,
    knowledge,
    makers,
    paths,
    pricing,
    training,
)

FINE = {"rtol": 1e-9}


# --- demand and prices -------------------------------------------------------

monopoly = {"rho": 3.0, "lam": 0.26, "odds": 0.5}


def test_monopoly_price_nest_and_elasticity_are_the_published_ones() -> None:
    def excess(log_price: float) -> float:
        attraction = np.exp(-(monopoly["rho"] - 1.0) * log_price)
        nest = demand.nest_share(demand.nest_odds(np.array([attraction]), monopoly["odds"], monopoly["lam"]))
        elasticity = pricing.demand_elasticity(np.ones((1, 1)), nest, monopoly["rho"], monopoly["lam"])
        return float(pricing.price(np.ones(1), np.zeros(1), elasticity)[0, 0] - np.exp(log_price))

    price = np.exp(optimize.brentq(excess, 0.1, 3.0, xtol=1e-14))
    nest = demand.nest_share(demand.nest_odds(np.array([price**-2.0]), 0.5, 0.26))
    elasticity = pricing.demand_elasticity(np.ones((1, 1)), nest, 3.0, 0.26)[0, 0]
    assert price == pytest.approx(3.4296442148, abs=1e-9)
    assert nest[0] == pytest.approx(0.2084944325, abs=1e-9)
    assert elasticity == pytest.approx(1.4115828951, abs=1e-9)


def profit_of(price: complex, i: int, prices: np.ndarray, base: np.ndarray, cost: np.ndarray, rho: float, lam: float):
    """Frictionless profit of one firm, written out from the utility function's demand; price may be complex."""
    prices = prices.astype(complex if isinstance(price, complex) else float)
    prices[i] = price
    v = base * prices ** -(rho - 1.0)
    odds = 0.3 * v.sum() ** lam
    spending = odds / (1.0 + odds) * v[i] / v.sum()
    return spending * (1.0 - cost[i] / price)


def nash_prices(base: np.ndarray, cost: np.ndarray, rho: float, lam: float) -> np.ndarray:
    """Fixed point of the product's own pricing formulas."""
    share, nest = base / base.sum(), np.array([0.1])
    for _ in range(2000):
        elasticity = pricing.demand_elasticity(share[None], nest, rho, lam)
        prices = pricing.price(cost, np.zeros(len(cost)), elasticity)[0]
        v = base * prices ** -(rho - 1.0)
        step = pricing.newton_step(share[None], (v / v.sum())[None], pricing.reply(elasticity, rho))[0]
        new_nest = demand.nest_share(np.array([0.3 * v.sum() ** lam]))
        moved = max(np.abs(step).max(), abs(float(new_nest[0] - nest[0])))
        share, nest = shares(np.maximum(share + step, 0.0)), new_nest
        if moved < 1e-14:
            return prices
    raise AssertionError("no fixed point")


@pytest.mark.parametrize("seed", range(20))
def test_prices_are_a_nash_equilibrium_by_the_profit_function_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, rho, lam = int(rng.integers(1, 6)), float(rng.uniform(2, 6)), float(rng.uniform(0.05, 0.4))
    base, cost = np.exp(rng.normal(size=n)), np.exp(0.5 * rng.normal(size=n))
    prices = nash_prices(base, cost, rho, lam)
    for i in range(n):
        here = profit_of(prices[i], i, prices, base, cost, rho, lam)
        step = 1e-30j
        slope = profit_of(prices[i] * np.exp(step), i, prices, base, cost, rho, lam).imag / step.imag
        assert abs(slope) < 1e-9 * here, "first-order condition, by complex step"
        for factor in np.geomspace(cost[i] / prices[i] * 1.0001, 10.0, 200):
            assert profit_of(prices[i] * factor, i, prices, base, cost, rho, lam) <= here * (1 + 1e-12)


def test_symmetric_rivals_price_at_cost_when_substitution_is_perfect() -> None:
    elasticity = pricing.demand_elasticity(np.full((1, 2), 0.5), np.array([0.1]), 1e9, 1e-9)
    assert pricing.markup(elasticity) == pytest.approx(1.0, abs=1e-8)


def test_markup_rises_with_share() -> None:
    share = np.linspace(0.0, 1.0, 20)[None]
    markups = pricing.markup(pricing.demand_elasticity(share, np.array([0.1]), 3.0, 0.27))
    assert np.all(np.diff(markups) > 0.0)


def test_elasticity_and_business_stealing_agree() -> None:
    """eps - 1 = (rho - 1) B, derived in docs/model.md 7.4's envelope."""
    share, nest = np.linspace(0, 1, 11)[None], np.array([0.35])
    eps = pricing.demand_elasticity(share, nest, 3.0, 0.27)
    assert np.allclose(eps - 1.0, 2.0 * pricing.business_stealing(share, nest, 0.27), rtol=1e-14)


def test_reply_is_the_derivative_of_the_best_reply() -> None:
    """1 / reply - 1 = -d ln V / d ln s, by finite differences at a fixed nest."""
    share, nest, h = np.array([[0.02, 0.3, 0.6]]), np.array([0.2]), 1e-6

    def log_attraction(s: np.ndarray) -> np.ndarray:
        return -2.0 * np.log(pricing.markup(pricing.demand_elasticity(s, nest, 3.0, 0.27)))

    # the nest's part of eps is left out of the slope on purpose: it is of second order in the sweep
    slope = -(log_attraction(share * np.exp(h)) - log_attraction(share * np.exp(-h))) / (2 * h)
    answer = pricing.reply(pricing.demand_elasticity(share, nest, 3.0, 0.27), 3.0)
    assert np.allclose(1.0 / answer - 1.0, slope, rtol=1e-6)


def test_changes_of_mutual_best_replies_sum_to_nothing() -> None:
    share, target = shares(np.array([[1.0, 2.0, 5.0]])), shares(np.array([[2.0, 2.0, 3.0]]))
    answer = pricing.reply(pricing.demand_elasticity(share, np.array([0.2]), 3.0, 0.27), 3.0)
    assert pricing.newton_step(share, target, answer).sum() == pytest.approx(0.0, abs=1e-16)
    assert np.allclose(pricing.newton_step(share, share, answer), 0.0, atol=1e-16)


def test_a_group_takes_one_step_that_its_members_divide_as_customers_would() -> None:
    """Two product lines of one owner against a third: shares are in proportion to the best replies, the sum is one."""
    share, best_reply = np.array([[[0.5, 0.1, 0.4]]]), np.array([[[0.3, 0.2, 0.5]]])
    answer = np.array([[[0.8, 0.8, 0.5]]])
    groups = Groups(np.array([[0, 0, 2]]))
    alone = share + pricing.newton_step(share, best_reply, answer)
    moved = pricing.moved_shares(share, best_reply, answer, groups)
    pair = alone[0, 0, :2].sum()
    assert moved[0, 0] == pytest.approx([0.6 * pair, 0.4 * pair, alone[0, 0, 2]], rel=1e-12)
    # solved by hand: steps a_i (push_i - s_i c) that sum to nothing
    common = (0.8 * -0.2 + 0.8 * 0.1 + 0.5 * 0.1) / (0.8 * 0.5 + 0.8 * 0.1 + 0.5 * 0.4)
    assert alone[0, 0, 2] == pytest.approx(0.4 + 0.5 * (0.1 - 0.4 * common), rel=1e-12)


def test_a_step_beyond_nothing_stops_there() -> None:
    share, best_reply = np.array([[[0.01, 0.99]]]), np.array([[[0.5, 0.5]]])
    moved = pricing.moved_shares(share, best_reply, np.array([[[1.0, 1e-6]]]), Groups(np.array([[0, 1]])))
    assert moved.min() >= 0.0 and moved.sum() == pytest.approx(1.0, abs=1e-15)
    gone = pricing.moved_shares(share, np.array([[[-1.0, 2.0]]]), np.ones((1, 1, 2)), Groups(np.array([[0, 1]])))
    assert gone.tolist() == [[[0.0, 1.0]]]


def test_an_owner_whose_levies_differ_prices_by_what_each_keeps() -> None:
    """First-order conditions of joint profit written out for two firms of one owner; a third is on its own."""
    share, nest, levy = np.array([[[0.3, 0.1, 0.6]]]), np.array([[0.2]]), np.array([[0.0, 0.25, 0.1]])
    found = pricing.perceived_elasticity(share, nest, levy, Groups(np.array([[0, 0, 2]])), 3.0, 0.27)[0, 0]
    outer = 1.0 + 0.27 * 2.0 * 0.8
    joint, alone = 3.0 + (outer - 3.0) * 0.4, 3.0 + (outer - 3.0) * 0.6
    mean = (0.3 * 1.0 + 0.1 * 0.75) / 0.4
    expected = [3.0 / (1.0 + (3.0 - joint) / joint * mean / kept) for kept in (1.0, 0.75)]
    assert found == pytest.approx([*expected, alone], rel=1e-14)
    same = pricing.perceived_elasticity(share, nest, np.full((1, 3), 0.2), Groups(np.array([[0, 0, 2]])), 3.0, 0.27)
    assert same[0, 0] == pytest.approx([joint, joint, alone], rel=1e-14)


def test_a_firm_whose_customers_are_worth_more_elsewhere_is_as_good_as_withdrawn() -> None:
    share, levy = np.array([[[0.9, 0.1]]]), np.array([[0.0, 0.95]])
    found = pricing.perceived_elasticity(share, np.array([[0.2]]), levy, Groups(np.zeros((1, 2), int)), 3.0, 0.27)
    assert found[0, 0, 1] == 1.001 and found[0, 0, 0] > 1.001


def test_profit_is_what_is_left_of_sales_after_levies_and_serving() -> None:
    """Docs/model.md 7.3 in scalars: compute for each unit, its cost, the price, and (1 - tau) p q - c q."""
    need = pricing.serving_need(np.array([4.0]), np.array([2.0]), 0.3, 0.25, 1.5)
    assert need == pytest.approx(0.3 * 4.0**0.25 / 2.0**1.5, rel=1e-15)
    cost = pricing.unit_cost(need, np.array([6.0]), np.array([0.1]))
    assert cost == pytest.approx(need * 6.0 + 0.1, rel=1e-15)
    levy, elasticity = np.array([0.2]), np.array([[2.5], [1.4]])
    price = pricing.price(cost, levy, elasticity)
    assert price[:, 0] == pytest.approx([cost[0] / 0.8 * 2.5 / 1.5, cost[0] / 0.8 * 1.4 / 0.4], rel=1e-14)
    assert pricing.units_per_dollar(cost, levy, elasticity) == pytest.approx(1.0 / price, rel=1e-14)
    units_sold = np.array([[7.0], [11.0]])
    profit = pricing.operating_profit(price * units_sold, levy, elasticity)
    assert profit == pytest.approx(0.8 * price * units_sold - cost * units_sold, rel=1e-13)


def test_attraction_is_its_law_and_a_firm_without_power_has_none() -> None:
    """Docs/model.md 7.2: xi P^theta (1 + D / D_ref)^psi, in two sectors."""
    strength, power, data = (
        np.array([[2.0, 3.0, 5.0], [0.5, 1.0, 4.0]]),
        np.array([4.0, 0.0, 9.0]),
        np.array([6.0, 1.0, 0.0]),
    )
    theta, psi = np.array([0.5, 1.5]), np.array([0.25, 1.0])
    found = demand.attraction_before_price(np.log(strength), power, data, theta, psi, 2.0)
    expected = [[x * p**t * (1 + d / 2.0) ** e for x, p, d in zip(row, power, data, strict=True)]
                for row, t, e in zip(strength, theta, psi, strict=True)]  # fmt: skip
    assert found == pytest.approx(np.array(expected), rel=1e-14)
    assert found[:, 1].tolist() == [0.0, 0.0]


def test_realised_shares_sum_to_one_and_exited_customers_choose_first() -> None:
    last, target = np.array([[0.5, 0.3, 0.0]]), np.array([[0.2, 0.3, 0.5]])
    realised = demand.realised_share(0.65 * last, target)
    assert realised.sum() == pytest.approx(1.0)
    assert realised[0, 2] == pytest.approx((1 - 0.65 * 0.8) * 0.5)


def test_consumer_gain_is_the_area_under_demand() -> None:
    """Shephard's lemma: d gain = spending x d ln price, integrated over a path of a uniform price fall."""
    budget, odds, rho, lam = 100.0, 0.4, 3.0, 0.27

    def spending(log_fall: float) -> float:
        o = odds * np.exp((rho - 1.0) * lam * log_fall)
        # indirect utility ln(M) - ln P(o): compensated spending at fixed utility of the reference
        price_index = ((1 + odds) / (1 + o)) ** (1 / (lam * (rho - 1)))
        return budget * price_index * o / (1 + o)

    area, _ = integrate.quad(spending, 0.0, 1.5, epsabs=1e-12, epsrel=1e-12)
    after = odds * np.exp((rho - 1.0) * lam * 1.5)
    gain = demand.consumer_gain(np.array([budget]), np.array([after]), np.array([odds]), rho, lam)
    assert float(gain) == pytest.approx(area, rel=1e-9)


# --- compute market ----------------------------------------------------------


def market(seed: int, n_owners: int = 4, n_firms: int = 7) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    capacity, rent = rng.uniform(0.2, 2.0, n_owners), rng.uniform(2.0, 8.0, n_owners)
    appeal = np.exp(2.0 * rng.normal(size=(n_owners, n_firms))) * (rng.random((n_owners, n_firms)) < 0.8)
    appeal[0] += 0.1
    last = shares(rng.random((n_firms, n_owners))).T
    return capacity, rent, appeal, last, rng.uniform(0.01, 1.0, n_firms)


@pytest.mark.parametrize("seed", range(5))
def test_owner_choice_is_its_weights_written_out(seed: int) -> None:
    capacity, rent, appeal, last, use = market(seed)
    choice = compute_market.choose_owners(capacity, rent, appeal, 1.5, last, np.array([0.85]))
    target = np.array([[k * w**-1.5 * x for x in row] for k, w, row in zip(capacity, rent, appeal, strict=True)])
    weights = 0.85 * last + 0.15 * target / target.sum(axis=0)
    assert np.allclose(choice.weights, weights, **FINE)
    assert np.allclose(choice.weights.sum(axis=0), 1.0)
    assert np.allclose(choice.mean_rent(rent), weights.T @ rent, **FINE)
    assert np.allclose(choice.demand(use), weights @ use, **FINE)


def test_owner_choice_of_many_replicates_is_that_of_each() -> None:
    """Products run over owners and firms, never over replicates; loyalty may differ from firm to firm."""
    cases = [market(seed) for seed in range(5)]
    capacity, rent, appeal, last, use = (np.stack(each) for each in zip(*cases, strict=True))
    loyalty = np.random.default_rng(0).uniform(0.0, 1.0, use.shape)
    choice = compute_market.choose_owners(capacity, rent, appeal, 1.5, last, loyalty)
    first = compute_market.first_choice(capacity, rent, appeal, 1.5)
    for r in range(5):
        pull = capacity[r] * rent[r] ** -1.5
        target = pull[:, None] * appeal[r] / (pull @ appeal[r])
        weights = loyalty[r] * last[r] + (1.0 - loyalty[r]) * target
        assert np.allclose(choice.total[r], pull @ appeal[r], **FINE)
        assert np.allclose(first[r], target, **FINE) and np.allclose(choice.weights[r], weights, **FINE)
        assert np.allclose(choice.target_rent(rent)[r], target.T @ rent[r], **FINE)
        assert np.allclose(choice.mean_rent(rent)[r], weights.T @ rent[r], **FINE)
        assert np.allclose(choice.demand(use)[r], weights @ use[r], **FINE)


def test_captive_business_pays_rent_and_tax_for_what_it_uses() -> None:
    use = compute_market.captive_use(np.array([12.0, 6.0]), np.array([2.0, 4.0]), np.array([0.5, -0.25]))
    assert use.tolist() == [4.0, 2.0]


def test_complementarity_measures_the_nearer_of_floor_and_full_use() -> None:
    """Relative distances: idle above the floor, asked for too much, below the floor, and clear either way."""
    rent, floor = np.array([4.0, 4.0, 4.0, 2.0, 5.0]), np.array([1.0, 1.0, 5.0, 2.0, 1.0])
    supply, demanded = np.array([8.0, 8.0, 8.0, 8.0, 8.0]), np.array([6.0, 10.0, 2.0, 1.0, 8.0])
    residual = compute_market.complementarity_residual(rent, floor, supply, demanded)
    assert residual.tolist() == [0.25, -0.25, -0.25, 0.0, 0.0]


def test_splitting_an_owner_in_two_changes_nobodys_rent() -> None:
    capacity, rent, appeal, _, _ = market(1)
    one = compute_market.first_choice(capacity, rent, appeal, 1.5)
    halves = np.concatenate([[0.3 * capacity[0], 0.7 * capacity[0]], capacity[1:]])
    two = compute_market.first_choice(
        halves, np.concatenate([rent[:1], rent]), np.concatenate([appeal[:1], appeal]), 1.5
    )
    assert np.allclose(two[0] + two[1], one[0], **FINE)
    assert np.allclose(two[2:], one[1:], **FINE)


# --- training and knowledge --------------------------------------------------


def test_horizon_factor_is_the_discounted_sum() -> None:
    """H = (e^gE - 1 + delta) sum over k of beta^k (1 - delta)^(k - 1) e^(k (gPi - gE))."""
    g_pi, g_e, beta, delta = 0.25, 0.5, 0.97, 0.1
    k = np.arange(1, 400)
    series = (np.exp(g_e) - 1 + delta) * np.sum(beta**k * (1 - delta) ** (k - 1) * np.exp(k * (g_pi - g_e)))
    assert training.horizon_factor(np.array(g_pi), np.array(g_e), beta, delta) == pytest.approx(series, rel=1e-12)


def test_what_others_publish_and_a_pool_trains_is_used_beside_own_compute() -> None:
    """Docs/model.md 7.1: the best other open model, discounted, plus the pool's; nothing where nobody else is open."""
    released, is_open = np.array([5.0, 8.0, 3.0]), np.array([False, True, False])
    frontier = training.open_frontier_of_others(released, is_open)
    assert frontier.tolist() == [8.0, 0.0, 8.0]
    effective = training.effective_compute(np.array([1.0, 2.0, 4.0]), frontier, 0.5, np.array([0.0, 3.0, 10.0]))
    assert effective.tolist() == [5.0, 5.0, 18.0]
    alone = training.open_frontier_of_others(np.array([5.0]), np.array([True]))
    assert alone.tolist() == [0.0], "a firm without others has no one to build on"


def test_more_effective_training_counts_for_more() -> None:
    """The lever of docs/model.md 7.1 multiplies what compute and algorithms make."""
    assert training.next_own_compute(np.array([10.0]), np.array([2.0]), np.array([3.0]), np.array([1.5]), 0.1) == 18.0


def test_without_training_own_compute_decays_exactly() -> None:
    own = np.array([1.0])
    for _ in range(20):
        own = training.next_own_compute(own, np.ones(1), np.zeros(1), np.ones(1), 0.1)
    assert own[0] == pytest.approx(0.9**20, rel=1e-15)


def test_nobody_uses_his_own_open_model() -> None:
    released, is_open = np.array([5.0, 3.0, 9.0]), np.array([True, True, False])
    assert training.open_frontier_of_others(released, is_open).tolist() == [3.0, 5.0, 5.0]
    assert training.open_frontier_of_others(released, np.zeros(3, bool)).tolist() == [0.0, 0.0, 0.0]


def test_open_weights_crowd_out_own_training() -> None:
    plan = training.training_plan(np.ones(2), np.ones(2), np.array([1.0, 1.0]), np.array([1.0, 4.0]))
    assert plan.tolist() == [1.0, 0.25]


def test_plans_stay_within_means() -> None:
    means = training.means(np.array([5.0, 5.0, -9.0]), np.array([5.0, 0.0, 1.0]), 0.6)
    assert means.tolist() == [6.0, 3.0, 0.0]


def test_debt_limit_is_never_negative() -> None:
    limits = training.debt_limit(np.array([-5.0, -5.0, 3.0]), np.array([-1.0, 2.0, 1.0]), 2.0)
    assert limits.tolist() == [0.0, 4.0, 6.0]


def test_imitation_follows_the_network() -> None:
    log_efficiency, active = np.array([0.0, 1.0, 2.0]), np.array([True, True, True])
    assert knowledge.imitation_gap(log_efficiency, active, None).tolist() == [2.0, 1.0, 0.0]
    chain = np.array([[False, True, False], [True, False, False], [False, True, False]])
    assert knowledge.imitation_gap(log_efficiency, active, chain).tolist() == [1.0, 0.0, 0.0]
    assert knowledge.imitation_gap(log_efficiency, np.array([True, True, False]), None).tolist() == [1.0, 0.0, 0.0]


def test_a_complete_network_is_the_network_of_all_ties() -> None:
    rng = np.random.default_rng(0)
    log_efficiency, active = rng.normal(size=(3, 6)), rng.random((3, 6)) < 0.7
    everyone = ~np.eye(6, dtype=bool)
    assert np.array_equal(
        knowledge.imitation_gap(log_efficiency, active, None), knowledge.imitation_gap(log_efficiency, active, everyone)
    )


def test_strength_returns_to_its_class_mean() -> None:
    strength = np.array([[1.0]])
    for _ in range(10):
        strength = knowledge.next_log_strength(strength, np.array([[3.0]]), np.zeros(1), 0.95)
    assert strength[0, 0] == pytest.approx(3.0 - 2.0 * 0.95**10)


def test_data_portability_shares_what_others_sell() -> None:
    sold = np.array([[4.0, 1.0]])
    data = knowledge.next_data(np.array([[10.0, 0.0]]), sold, np.array([[5.0]]), np.array([[0.5]]), 0.1)
    assert data.tolist() == [[13.5, 3.0]]


# --- funding, investment, makers, demography, paths ---------------------------


def test_funding_moves_towards_the_contest_among_the_eligible() -> None:
    last, contest = np.array([0.5, 0.5, 0.0]), np.array([0.2, 0.0, 0.8])
    moved = funding.moved_shares(last, contest, np.array([True, False, True]), 0.5)
    assert moved.tolist() == pytest.approx([0.35 / 0.75, 0.0, 0.4 / 0.75])


def test_investors_respond_to_returns_within_bounds() -> None:
    fund = funding.investor_fund(10.0, np.array([0.01, 1.0, 100.0]), 0.5, 0.5, 2.0)
    assert fund == pytest.approx([10 * 0.5**0.5, 10.0, 10 * 2**0.5])


def test_orders_follow_capacity_order_factor_and_value() -> None:
    """phi K (V / mean)^eta written out; an owner to whom chips are worth nothing orders none."""
    value, capacity, factor = np.array([20.0, 40.0, -3.0]), np.array([2.0, 1.0, 5.0]), np.array([1.0, 1.5, 1.0])
    mean = (20.0 * 2.0 + 40.0 * 1.0) / 8.0
    assert investment.mean_value(value, capacity) == pytest.approx(mean)
    pulls = [2.0 * (20.0 / mean) ** 0.25, 1.5 * (40.0 / mean) ** 0.25, 0.0]
    orders = investment.order_shares(value, np.array(mean), capacity, factor, 0.25)
    assert orders == pytest.approx([pull / sum(pulls) for pull in pulls])


def test_investors_contest_what_firms_can_do_themselves() -> None:
    """P^omega E_own / E_eff among the eligible, written out."""
    power, own, effective = np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 9.0]), np.array([1.0, 4.0, 9.0])
    shares_ = funding.contest_shares(power, own, effective, np.array([True, True, False]), 1.5)
    pulls = [1.0, 2.0**1.5 / 4.0, 0.0]
    assert shares_ == pytest.approx([pull / sum(pulls) for pull in pulls])


@given(st.integers(1, 8), st.integers(0, 2**31 - 1))
def test_deliveries_add_up_and_captive_chips_stay_home(n_owners: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    orders, captive = shares(rng.random(n_owners)), rng.random(n_owners) * (rng.random(n_owners) < 0.5)
    merchant = np.array(rng.random() * 5)
    from_merchants = investment.merchant_deliveries(orders, captive, merchant)
    delivered = captive + from_merchants
    assert delivered.sum() == pytest.approx(captive.sum() + merchant)
    assert np.all(delivered >= captive) and np.all(from_merchants >= 0.0)


def test_owners_without_captive_chips_get_what_they_order() -> None:
    delivered = investment.merchant_deliveries(np.array([0.2, 0.8]), np.zeros(2), np.array(10.0))
    assert delivered.tolist() == [2.0, 8.0]


def test_chip_price_splits_the_surplus_and_never_falls_below_cost_plus_margin() -> None:
    price = makers.chip_price(np.array([10.0]), np.array([[20.0], [5.0]])[:, 0], 0.2, 0.75)
    assert price[:, 0].tolist() == [18.0, 12.0]


def test_worthless_chips_are_not_made() -> None:
    response = makers.demand_response(np.array([10.0]), np.array([24.0, 6.0, -1.0]), 0.2, 1.5)
    assert response[:, 0] == pytest.approx([1.0, 0.5**1.5, 0.0])


def test_chip_value_is_the_discounted_stream_of_net_rents() -> None:
    u, rent, floor, rate, site = 0.95, 6.24, 0.57, 0.115, 15.6
    stream, _ = integrate.quad(lambda t: (u * rent - floor) * np.exp(-rate * t), 0.0, 500.0)
    value = investment.chip_value(np.array([rent]), np.array([floor]), site, u, rate)
    assert value[0] == pytest.approx(stream - site, rel=1e-9)


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.lists(st.booleans(), min_size=1, max_size=12))
def test_slots_are_given_in_order_of_arrival(enters: list[bool], free: list[bool]) -> None:
    candidate, refused = demography.assign_slots(np.array(enters), np.array(free))
    queue = [k for k, wants in enumerate(enters) if wants]
    expected = [queue.pop(0) if is_free and queue else -1 for is_free in free]
    assert candidate.tolist() == expected
    assert refused == len(queue)


def test_settling_growth_sums_the_rates() -> None:
    rates = [0.04 + 0.38 * np.exp(-k / 7.0) for k in (1, 2, 3)]
    assert paths.settling_growth(3, 0.42, 0.04, 7.0) == pytest.approx(np.exp(sum(rates)))


def test_halving_starts_after_its_first_quarter() -> None:
    assert [paths.halving(n, 6.0) for n in (-3, 0, 6, 12)] == [1.0, 1.0, 0.5, 0.25]


# --- arrays and units --------------------------------------------------------


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_best_other_is_the_maximum_of_the_rest(values: list[float]) -> None:
    expected = [max(values[:i] + values[i + 1 :]) for i in range(len(values))]
    assert best_other(np.array(values)).tolist() == expected


@pytest.mark.parametrize("rows", [1, 2, 7, 64])
def test_products_by_replicate_have_the_same_bits_in_any_company(rows: int) -> None:
    rng = np.random.default_rng(0)
    amounts, values, weights = rng.random((64, 9)), rng.random((64, 384)), rng.random((64, 9, 384))
    assert np.array_equal(mixture(amounts, weights)[:rows], mixture(amounts[:rows], weights[:rows].copy()))
    assert np.array_equal(weighted_total(values, weights)[:rows], weighted_total(values[:rows], weights[:rows].copy()))


@given(
    st.lists(st.floats(-1e6, 1e6), max_size=300).map(np.array), st.sampled_from([1, 3, 8, 120, 1000]), st.integers(0)
)
def test_sums_over_firms_have_the_same_bits_whatever_follows_the_last(
    values: np.ndarray, n_more: int, seed: int
) -> None:
    more, weights = np.append(values, np.zeros(n_more)), np.random.default_rng(seed).random((3, len(values) + n_more))
    few = weights[:, : len(values)]
    assert total(more) == total(values) == pytest.approx(math.fsum(values), rel=1e-14, abs=1e-8)
    assert np.array_equal(weighted_total(more, weights), weighted_total(values, few))
    assert np.allclose(weighted_total(values, few), few @ values, rtol=1e-14, atol=1e-6)
    assert np.array_equal(mixture(np.arange(3.0), weights)[: len(values)], mixture(np.arange(3.0), few))
    assert np.allclose(mixture(np.arange(3.0), few), np.arange(3.0) @ few, rtol=1e-14)


def test_sums_of_arrays_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        weighted_total(np.ones(2), np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"\(2,\) and \(4,\)"):
        mixture(np.ones(2), np.ones((4, 3)))


def test_units_agree_with_the_model_description() -> None:
    assert units.flop(1.0, 0.38) == pytest.approx(2.963e27, rel=1e-3)
    assert units.dollars_per_hour(6.24) == pytest.approx(2.85, rel=1e-3)
