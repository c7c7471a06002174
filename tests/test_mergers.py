"""Mergers, review and break-ups: closed forms, what theory says of prices, and money that is conserved."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import ensemble
from sim.groups import Groups, without
from sim.scenario import load_scenario
from sim.stages import mergers as stage
from sim.state import State, along
from sim.submodels import demand, mergers, pricing
from sim.world.build import Mechanisms
from tests.worlds import run_quarters, small_world, world_with

RHO, LAM = 3.0, 0.26


def constant(**levers):
    return lambda _observation, _quarter: levers


# --- groups ------------------------------------------------------------------------------


@st.composite
def heads(draw) -> np.ndarray:
    n, n_rows = draw(st.integers(1, 7)), draw(st.integers(1, 3))
    owner = np.array(
        draw(st.lists(st.lists(st.integers(0, 3), min_size=n, max_size=n), min_size=n_rows, max_size=n_rows))
    )
    return np.argmax(owner[:, None, :] == owner[:, :, None], axis=-1)


@settings(max_examples=60)
@given(heads(), st.integers(0, 1000))
def test_group_sums_and_parts_are_those_of_plain_loops(head: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, weights = rng.random((2, len(head), 2, head.shape[1]))
    weights[rng.random(weights.shape) < 0.3] = 0.0
    groups = Groups(head)
    total, largest, part = groups.total(values), groups.largest(values), groups.split(values, weights)
    for r, s, i in np.ndindex(*values.shape):
        mine = np.flatnonzero(head[r] == head[r, i])
        assert total[r, s, i] == pytest.approx(values[r, s, mine].sum(), rel=1e-12)
        assert largest[r, s, i] == values[r, s, mine].max()
        whole = weights[r, s, mine].sum()
        share = weights[r, s, i] / whole if whole > 0 else 1 / len(mine)
        assert part[r, s, i] == pytest.approx(values[r, s, mine].sum() * share, rel=1e-12)
        if len(mine) == 1:
            assert total[r, s, i] == largest[r, s, i] == part[r, s, i] == values[r, s, i]


@pytest.mark.parametrize("shape", [(1, 2), (1, 4), (2, 3)])
def test_group_sums_refuse_values_of_others(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="shapes do not match"):
        Groups(np.array([[0, 1, 1]])).total(np.ones(shape))


@settings(max_examples=60)
@given(heads(), st.integers(0, 1000))
def test_who_stays_keeps_its_company_when_others_leave(head: np.ndarray, seed: int) -> None:
    leaves = np.random.default_rng(seed).random(head.shape) < 0.4
    after = without(head, leaves)
    for r, i, k in ((r, i, k) for r in range(len(head)) for i in range(head.shape[1]) for k in range(head.shape[1])):
        if not leaves[r, i] and not leaves[r, k]:
            assert (after[r, i] == after[r, k]) == (head[r, i] == head[r, k])
        elif leaves[r, i]:
            assert after[r, i] == i and not np.any(np.delete(after[r], i) == i)


# --- prices ------------------------------------------------------------------------------


def equilibrium(head: list[int], appeal=None, cost=None) -> pricing.Equilibrium:
    n = len(head)
    appeal = np.ones(n) / n if appeal is None else np.asarray(appeal)
    return pricing.equilibrium(
        np.ones((1, n)) if cost is None else np.asarray(cost)[None],
        np.zeros((1, n)),
        appeal[None, None],
        np.array([0.5]),
        Groups(np.array([head])),
        RHO,
        LAM,
    )


def test_all_firms_under_one_owner_are_the_monopoly_of_the_closed_form() -> None:
    """docs/model.md 9: rho 3, lambda 0.26, o_0 0.5, Z_0 = xi = 1, unit cost 1, here split among four product lines."""
    found = equilibrium([0, 0, 0, 0])
    assert 1.0 / found.per_dollar[0, 0] == pytest.approx(np.full(4, 3.4296442148), rel=1e-9)
    assert found.nest[0, 0] == pytest.approx(0.2084944325, rel=1e-9)
    assert found.elasticity[0, 0] == pytest.approx(np.full(4, 1.4115828951), rel=1e-9)


def test_prices_at_given_costs_are_those_of_the_whole_market() -> None:
    """The review's equilibrium is the one that the compute and product markets found together."""
    run = run_quarters(small_world(), 5)
    m, state, rules, p = run.flows[4].markets, run.states[4], run.flows[4].rules, run.world.parameters
    sold = m.price > 0.0
    appeal = np.where(sold, m.attraction * np.where(sold, m.price, 1.0) ** (p.substitution - 1.0), 0.0)
    found = pricing.equilibrium(
        np.where(m.unit_cost > 0.0, m.unit_cost, 1.0),
        p.operating_cost_share + rules.revenue_levy,
        appeal,
        run.world.initial_odds,
        Groups(state.group),
        p.substitution,
        p.nest_growth,
    )
    np.testing.assert_allclose(found.share, m.target_share, atol=1e-9)
    np.testing.assert_allclose(found.nest, m.nest, rtol=1e-8)


@pytest.mark.parametrize("seed", range(8))
def test_a_merger_raises_the_pairs_prices_and_profit_hurts_customers_and_helps_rivals(seed: int) -> None:
    """Without synergies, in Bertrand competition: Deneckere and Davidson (1985), RAND Journal of Economics 16(4)."""
    rng = np.random.default_rng(seed)
    appeal, cost = rng.exponential(size=5), rng.uniform(0.5, 2.0, 5)
    apart, joint = equilibrium([0, 1, 2, 3, 4], appeal, cost), equilibrium([0, 0, 2, 3, 4], appeal, cost)
    profit = [(e.nest[..., None] * e.share / e.elasticity)[0, 0] for e in (apart, joint)]
    price = [1.0 / e.per_dollar[0, 0] for e in (apart, joint)]
    assert np.all(price[1][:2] > price[0][:2])
    assert profit[1][:2].sum() > profit[0][:2].sum()
    assert np.all(profit[1][2:] > profit[0][2:]) and np.all(price[1][2:] >= price[0][2:])
    assert demand.consumer_gain(np.array([1.0]), joint.odds, apart.odds, RHO, LAM) < 0.0


def test_a_lost_consumer_gain_over_spending_is_the_rise_of_the_price_index() -> None:
    """Shephard's lemma: for a small rise of all prices the loss is spending times the rise."""
    apart = equilibrium([0, 1])
    rise = 1e-5
    z = (apart.per_dollar[0, 0] ** (RHO - 1)).sum() / 2 * np.exp(-rise * (RHO - 1))
    odds = demand.nest_odds(np.array([z]), np.array([0.5]), LAM)
    loss = -demand.consumer_gain(np.array([1.0]), odds, apart.odds[0], RHO, LAM)
    assert loss / apart.nest[0, 0] == pytest.approx(rise, rel=1e-4)


# --- gains and screens ---------------------------------------------------------------------


def test_the_gain_from_joint_pricing_is_what_the_margin_formula_says() -> None:
    """Two firms of 30 and 10 per cent: profit is revenue over eps, and both get the eps of 40 per cent."""
    nest, share = np.array([[0.1]]), np.array([[[0.3, 0.1]]])
    eps = pricing.demand_elasticity(share, nest, RHO, LAM)
    joint = pricing.demand_elasticity(share + share[..., :1], nest, RHO, LAM)
    apart = (share / eps).sum(axis=-2)
    gain = mergers.joint_profit(share, share[..., :1], joint) - apart - apart[..., :1]
    outer = 1 + LAM * 2 * 0.9
    by_hand = {s: 3 * (1 - s) + outer * s for s in (0.3, 0.1, 0.4)}
    assert gain[0, 1] == pytest.approx(0.4 / by_hand[0.4] - 0.3 / by_hand[0.3] - 0.1 / by_hand[0.1], rel=1e-12)


def test_profit_of_attraction_is_the_derivative_of_profit() -> None:
    """Pi B d ln V against the change of revenue over eps at given margins, by differences."""
    base, odds = np.array([0.5, 0.3, 0.2]), 0.2

    def profit(rise: float) -> float:
        v = base * np.array([np.exp(rise), 1.0, 1.0])
        o = odds * v.sum() ** LAM
        return o / (1 + o) * v[0] / v.sum() / 2.0

    nest = np.array([odds / (1 + odds)])
    stealing = pricing.business_stealing(base[None, :1], nest, LAM)
    gain = mergers.profit_of_attraction(np.array([[profit(0.0)]]), stealing, np.array([0.5]))
    assert gain[0] * 2e-6 == pytest.approx(profit(1e-6) - profit(0.0), rel=1e-5)


@pytest.mark.parametrize(
    ("shares", "target", "limits", "expected"),
    [
        ([0.4, 0.3, 0.2, 0.1], 3, (1800, 100, 0.3), True),  # HHI 3,000 -> 3,800
        ([0.4, 0.592, 0.008], 2, (1800, 100, 0.3), False),  # a rise of 64 points
        ([0.1] * 10, 3, (1800, 100, 0.3), False),  # 1,000 -> 1,200, joint share 0.2
        ([0.2] + [0.1] * 8, 3, (1800, 100, 0.3), True),  # joint share 0.3
        ([0.1] * 10, 3, (1200, 200, 1.0), True),  # both limits exactly met
    ],
)
def test_screens_are_those_of_the_guidelines(shares, target, limits, expected) -> None:
    s = np.array([[shares]])
    before = 1e4 * (s**2).sum(axis=-1)
    screened = mergers.is_screened(s, s[..., :1], before, *(np.array([limit], dtype=float) for limit in limits))
    assert bool(screened[0, target]) is expected


def test_draws_follow_their_weights() -> None:
    uniform = (np.arange(1000) + 0.5) / 1000
    index = mergers.drawn(np.broadcast_to([2.0, 0.0, 5.0, 3.0], (1000, 4)), uniform)
    assert np.bincount(index, minlength=4).tolist() == [200, 0, 500, 300]


# --- whole quarters --------------------------------------------------------------------------


def merging(n_quarters: int = 10, replicates=range(8), policies=(), **parameters):
    return run_quarters(small_world(**parameters), n_quarters, replicates, policies=policies)


def test_a_case_is_decided_after_the_delay_and_pairs_have_one_owner_from_then_on() -> None:
    run = merging(merger_review_delay=3)
    n_approved = 0
    for t, flows in enumerate(run.flows):
        case = flows.merging
        for r in np.flatnonzero(case.target >= 0):
            asked = run.flows[t - 3].merging
            assert (asked.proposer[r], asked.proposed[r]) == (case.acquirer[r], case.target[r])
        for r in np.flatnonzero(case.approved):
            n_approved += 1
            before, after = run.states[t], run.states[t + 1]
            acquirer, target = case.acquirer[r], case.target[r]
            assert before.group[r, acquirer] != before.group[r, target]
            assert after.group[r, acquirer] == after.group[r, target]
            assert after.efficiency[r, acquirer] == after.efficiency[r, target]
            assert after.data[r, acquirer] == after.data[r, target]
    assert n_approved > 10
    assert all((flows.merging.target < 0).all() for flows in run.flows[:3])


def test_integrated_firms_neither_take_over_nor_are_taken_over() -> None:
    run = merging(20)
    children = np.flatnonzero(run.world.is_integrated.any(axis=0))
    assert children.size
    for flows in run.flows:
        assert not np.isin(flows.merging.proposer, children).any()
        assert not np.isin(flows.merging.proposed, children).any()


def test_without_error_a_review_stops_every_merger_that_costs_customers_more_than_the_tolerance() -> None:
    """Every case screened: those that pass cost less than the tolerance, the others more."""
    run = merging(12, merger_review_error=0.0, merger_review_change=0.0, merger_review_hhi=0.0, merger_tolerance=1e-4)
    cases = [
        (f.merging.harm[r], f.merging.approved[r]) for f in run.flows for r in np.flatnonzero(f.merging.target >= 0)
    ]
    assert not cases, "a review without error leaves no hope, so nobody asks"
    run = merging(12, merger_review_error=0.5, merger_review_change=0.0, merger_review_hhi=0.0, merger_tolerance=1e-4)
    cases = [(r, t, f.merging) for t, f in enumerate(run.flows) for r in np.flatnonzero(f.merging.target >= 0)]
    assert all(case.screened[r] for r, _, case in cases)
    wrong = [case.approved[r] == (case.harm[r] >= 1e-4) for r, _, case in cases]
    n = len(wrong)
    assert n > 40 and abs(np.mean(wrong) - 0.5) < 3 * 0.5 / np.sqrt(n), "half of all reviews end wrong"


def test_a_ban_leaves_firms_unmerged() -> None:
    run = merging(8, policies=[constant(merger_ban=1.0)])
    own = np.arange(run.states[-1].group.shape[-1])
    assert (run.states[-1].group == own).all()


def test_firms_of_an_owner_share_their_money_and_nothing_is_lost() -> None:
    run = merging(10)
    seen = 0
    for t, flows in enumerate(run.flows):
        state, wanted = run.states[t + 1], flows.funding.desired
        for r, i in np.argwhere(state.group != np.arange(state.group.shape[-1])):
            h = state.group[r, i]
            seen += 1
            if wanted[r, i] > 0.0 and wanted[r, h] > 0.0:
                assert state.cash[r, i] * wanted[r, h] == pytest.approx(state.cash[r, h] * wanted[r, i], rel=1e-9)
    assert seen and max(residual.max() for residual in run.residuals) < 1e-9


def test_a_break_up_conserves_money_sales_and_appeal() -> None:
    world = world_with(Mechanisms(mergers=False, entry=False))
    target = world.firm_names.index("OpenAI")
    split = np.where(np.arange(len(world.firm_names)) == target, 3.0, 1.0)
    before = run_quarters(world, 3)
    state, flows = before.states[-1], before.flows[-1]
    everywhere = np.ones_like(state.is_active)
    state = replace(state, is_open=everywhere & state.is_active, is_hosted=everywhere, is_pool_member=everywhere)
    rules = replace(flows.rules, break_up=np.broadcast_to(split, state.cash.shape))
    after, broken, refused = stage._break_up(state, world, rules, flows.markets)
    assert broken.sum() == 2 and not refused.any()
    for r in (0, 1):
        born = np.flatnonzero(after.is_active[r] & ~state.is_active[r])
        everyone = [target, *born]
        assert len(born) == 2
        for name in ("cash", "debt", "data", "profit", "share", "target_share", "funding_share", "own_chips"):
            parts = getattr(after, name)[r][..., everyone]
            assert parts.sum(axis=-1) == pytest.approx(getattr(state, name)[r][..., target], rel=1e-12), name
            assert np.ptp(parts, axis=-1).max() < 1e-15
        for name in ("own_compute", "efficiency", "firm_class", "is_open", "is_hosted", "is_pool_member"):
            assert (getattr(after, name)[r, everyone] == getattr(state, name)[r, target]).all()
        appeal = np.exp(after.log_strength[r][:, everyone]).sum(axis=-1)
        assert appeal == pytest.approx(np.exp(state.log_strength[r][:, target]), rel=1e-12)
        assert after.owner_weight[r][:, everyone].sum(axis=0) == pytest.approx(np.ones(3), rel=1e-12)
        assert not (after.owner_weight[r][:, born] > 0.0)[np.isinf(world.affinity[:, born])].any()
        assert (after.cash - after.debt)[r].sum() == pytest.approx((state.cash - state.debt)[r].sum(), rel=1e-12)


def test_a_break_up_divides_or_copies_all_that_firms_have() -> None:
    assert sorted((*stage._DIVIDED, *stage._COPIED, "generation")) == sorted(along(State, "firm"))


def test_a_break_up_without_enough_free_slots_changes_nothing() -> None:
    world = world_with(Mechanisms(entry=False))
    run = run_quarters(world, 1)
    group = np.arange(len(world.firm_names)) * np.ones_like(run.states[-1].group)
    first, second = (world.firm_names.index(name) for name in ("OpenAI", "Anthropic"))
    group[:, max(first, second)] = min(first, second)
    state = replace(run.states[-1], group=group)
    asked = np.where(np.arange(group.shape[-1]) == first, 500.0, 1.0)
    rules = replace(run.flows[0].rules, break_up=np.broadcast_to(asked, group.shape))
    after, broken, refused = stage._break_up(state, world, rules, run.flows[0].markets)
    assert not broken.any() and refused.sum() == len(group)
    for each in fields(State):
        assert np.array_equal(getattr(after, each.name), getattr(state, each.name)), each.name


def test_a_break_up_finds_every_free_slot() -> None:
    scenario = load_scenario(
        {
            "horizon": {"start": "2024Q1", "end": "2024Q3"},
            "mechanisms": {"mergers": False},
            "policies": [{"break_up": {"successors": 3, "start": "2024Q2"}}],
        }
    )
    measures = ensemble.simulate(scenario, replicates=1).measures
    assert measures["break_ups"].sum() > 40 and not measures["break_ups_refused"].any()


def test_a_firm_is_broken_up_once_and_a_group_into_its_firms() -> None:
    world = small_world()
    run = run_quarters(world, 9, policies=[lambda _o, q: {"break_up": 2.0 if q >= type(q).parse("2025Q4") else 1.0}])
    assert all(not flows.merging.break_ups.any() for flows in run.flows[:7])
    first, second = run.flows[7].merging, run.flows[8].merging
    assert first.break_ups.any()
    assert not (first.break_ups & second.break_ups).any()
    group = run.states[7].group
    size = (group[:, None, :] == group[:, :, None]).sum(axis=-1)
    grouped = (size > 1) & first.break_ups
    assert (run.states[8].group == np.arange(run.states[8].group.shape[-1]))[grouped].all()


def test_a_firm_does_not_train_to_take_customers_from_a_sister() -> None:
    """The plan of 7.4 in scalars, with B at the owner's joint share."""
    run = merging(10, replicates=(0, 1))
    world, p, seen = run.world, run.world.parameters, 0
    for state, flows in zip(run.states, run.flows, strict=False):
        plan = flows.funding
        for r, i in np.argwhere(state.group != np.arange(state.group.shape[-1])):
            sisters = np.flatnonzero(state.group[r] == state.group[r, i])
            marginal = 0.0
            for s in range(world.sizes["sector"]):
                joint = sum(state.target_share[r, s, k] for k in sisters)
                stealing = (1 - joint) + p.nest_growth * joint * (1 - state.nest[r, s])
                flywheel = plan.power_elasticity[r, i] * (
                    world.theta[s] - p.serving_size_elasticity * (p.substitution - 1)
                )
                marginal += max(flywheel, 0.0) * stealing * state.profit[r, s, i]
            ratio = state.own_compute[r, i] / plan.effective_compute[r, i]
            assert plan.own_plan[r, i] == pytest.approx(plan.horizon[r, i] * ratio * marginal, rel=1e-9)
            seen += marginal > 0.0
    assert seen > 5


def test_a_review_finds_what_joint_prices_cost_customers() -> None:
    """Loss of consumer gain over spending between two price equilibria, for every reviewed case."""
    run = merging(16, merger_review_error=0.5, merger_review_change=0.0, merger_review_hhi=0.0)
    p, n_cases = run.world.parameters, 0
    for t, flows in enumerate(run.flows):
        case, m, state = flows.merging, flows.markets, run.states[t]
        for r in np.flatnonzero(case.screened):
            if (state.is_active[r] != run.states[t + 1].is_active[r]).any():
                continue
            sold = m.price[r] > 0.0
            appeal = np.where(sold, m.attraction[r] * np.where(sold, m.price[r], 1.0) ** (p.substitution - 1.0), 0.0)
            head = state.group[r].copy()
            joined = np.where(head == head[case.target[r]], head[case.acquirer[r]], head)
            odds = [
                pricing.equilibrium(
                    np.where(m.unit_cost[r] > 0.0, m.unit_cost[r], 1.0)[None],
                    (p.operating_cost_share + flows.rules.revenue_levy[r])[None],
                    appeal[None],
                    run.world.initial_odds,
                    Groups(group[None]),
                    p.substitution,
                    p.nest_growth,
                ).odds
                for group in (head, joined)
            ]
            budget = flows.drivers.budget
            loss = -demand.consumer_gain(budget, odds[1], odds[0], p.substitution, p.nest_growth)[0]
            spent = (budget * demand.nest_share(odds[0])[0]).sum()
            assert case.harm[r] == pytest.approx(loss / spent, rel=1e-6, abs=1e-12) and case.harm[r] > 0.0
            n_cases += 1
    assert n_cases > 20
