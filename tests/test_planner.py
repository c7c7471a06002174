"""The planner: closed forms, duality, rival methods, random allocations, and rules that cannot be kept."""

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import sim
from sim import indices
from sim.app import cli
from sim.errors import InputError, PlanError
from sim.planner import METHODS, Problem, Resource, Rules, gaps
from sim.planner.rules import leveled, limits
from sim.planner.solve import solve
from sim.report.figures.planner import frontier_figure
from sim.submodels.marginal import Curve, upper_hull
from sim.submodels.power import (
    Hill,
    Linear,
    Logarithmic,
    Measured,
    PowerLaw,
    SaturatingLoss,
    Threshold,
)
from sim.submodels.waterfill import Plot, fill
from tests.test_figures import covered_data, overlaps

CONCAVE = [
    PowerLaw(reference=1.0, gamma=0.63),
    PowerLaw(reference=2.0, gamma=0.15),
    PowerLaw(reference=1.0, gamma=0.95),
    Logarithmic(reference=1.0),
    SaturatingLoss(reference=1.0, exponent=0.154, scale=1.0),
    Hill(reference=1.0, exponent=0.8, midpoint=3.0),
    Measured.through([(1.0, 1.0), (10.0, 3.0), (100.0, 8.0)], reference=1.0),
]
BENT = [
    Hill(reference=1.0, exponent=3.0, midpoint=2.0),
    Threshold(reference=1.0, gamma=0.63, jump=2.0, location=20.0),
    PowerLaw(reference=1.0, gamma=1.4),
    Measured.through([(1.0, 1.0), (10.0, 2.0), (20.0, 9.0), (200.0, 20.0)], reference=1.0),
]
BESIDE = {"ids": lambda function: type(function).__name__}
CLASSES = ("lab",) * 4 + ("sme",) * 8


def luck(seed=0):
    return np.random.default_rng(seed)


def dozen(function, total=24.0, seed=0, **more):
    """Twelve firms of different efficiency, four labs and eight small ones."""
    return Problem.of(function, np.exp(luck(seed).normal(size=12)), total, classes=CLASSES, **more)


def random_allocations(problem, rules, n_draws, seed=1):
    """Allocations of everything that keep caps, floors and reserves; ``[draw, firm]``."""
    bounds = limits(problem, rules)
    rng, n = luck(seed), len(problem.names)
    concentration = 10.0 ** rng.uniform(-1.0, 1.5, size=n_draws)
    drawn = np.stack([rng.dirichlet(np.full(n, c)) for c in concentration]) * bounds.total
    # Move each draw to the nearest point between the bounds with the same sum.
    low, high = np.full(n_draws, -bounds.total), np.full(n_draws, bounds.total)
    for _ in range(80):
        middle = 0.5 * (low + high)
        is_short = np.clip(drawn + middle[:, None], bounds.low, bounds.high).sum(axis=1) < bounds.total
        low, high = np.where(is_short, middle, low), np.where(is_short, high, middle)
    return np.clip(drawn + high[:, None], bounds.low, bounds.high)


# --- closed forms -----------------------------------------------------------------------


@pytest.mark.parametrize("function", CONCAVE, **BESIDE)
def test_equal_firms_get_equal_shares(function):
    found = solve(Problem.of(function, np.full(7, 1.7), 5.0))
    np.testing.assert_allclose(found.compute, 5.0 / 7.0, rtol=1e-9)


@pytest.mark.parametrize("gamma", [0.1, 0.63, 0.9, 0.99])
def test_under_a_power_law_effective_compute_is_in_proportion_to_efficiency_to_the_1_over_1_minus_gamma(gamma):
    efficiency = np.exp(luck().normal(size=30, scale=0.3))
    found = solve(Problem.of(PowerLaw(reference=3.0, gamma=gamma), efficiency, 2.0))
    expected = efficiency ** (1.0 / (1.0 - gamma))
    np.testing.assert_allclose(efficiency * found.compute, 2.0 * expected / (expected / efficiency).sum(), rtol=1e-9)


def test_under_a_power_law_compute_is_in_proportion_to_a_factor_of_power_to_the_1_over_1_minus_gamma():
    factor = np.exp(luck().normal(size=30))
    found = solve(Problem.of(PowerLaw(reference=3.0, gamma=0.63), np.ones(30), 2.0, weight=factor))
    expected = factor ** (1.0 / 0.37)
    np.testing.assert_allclose(found.compute, 2.0 * expected / expected.sum(), rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.0, 7.0])
def test_alpha_fair_shares_of_a_power_law(alpha):
    efficiency, gamma = np.exp(luck().normal(size=9)), 0.63
    found = solve(Problem.of(PowerLaw(reference=1.0, gamma=gamma), efficiency, 2.0), Rules(alpha=alpha))
    slope = gamma * (1.0 - alpha)
    expected = efficiency ** (slope / (1.0 - slope))
    np.testing.assert_allclose(found.compute, 2.0 * expected / expected.sum(), rtol=1e-9)


def test_logarithmic_power_is_the_water_filling_of_the_textbook():
    """1 / efficiency is the height of the ground, on which one level of water stands."""
    ground = np.array([0.1, 0.4, 1.0, 3.0])
    found = solve(Problem.of(Logarithmic(reference=1.0), 1.0 / ground, 1.5))
    np.testing.assert_allclose(found.compute, [0.9, 0.6, 0.0, 0.0], atol=1e-12)


@pytest.mark.parametrize("method", ["linear", "dual", "envelope", "piecewise", "cutting_planes", "milp"])
def test_under_linear_power_the_best_firm_gets_all_until_its_cap(method):
    problem = Problem.of(Linear(reference=2.0), [1.0, 4.0, 3.0, 2.0], 10.0)
    everything = solve(problem, method=method)
    capped = solve(problem, Rules(cap={"firm 2": 0.5, "firm 3": 0.3}), method)
    np.testing.assert_allclose(everything.compute, [0, 10, 0, 0], atol=1e-9)
    np.testing.assert_allclose(capped.compute, [0, 5, 3, 2], atol=1e-9)
    if method != "milp":
        assert everything.price == pytest.approx(2.0) and capped.price == pytest.approx(1.0)


def test_max_min_gives_a_power_law_the_inverse_of_efficiency():
    efficiency = np.array([1.0, 2.0, 4.0])
    found = solve(Problem.of(PowerLaw(reference=1.0, gamma=0.5), efficiency, 7.0), Rules(alpha=np.inf))
    np.testing.assert_allclose(found.compute, [4.0, 2.0, 1.0], rtol=1e-9)


def test_max_min_goes_on_with_the_next_lowest_where_a_cap_holds_the_lowest():
    problem = Problem.of(Linear(reference=1.0), [1.0, 1.0, 1.0], 10.0)
    found = solve(problem, Rules(alpha=np.inf, cap={"firm 1": 0.1, "all": 1.0}))
    np.testing.assert_allclose(found.compute, [1.0, 4.5, 4.5], rtol=1e-9)
    assert found.price == 0.0


def test_firms_that_hold_more_already_get_less():
    held = np.array([0.0, 1.0, 2.0])
    found = solve(Problem.of(PowerLaw(reference=1.0, gamma=0.5), np.ones(3), 3.0, inherited=held))
    np.testing.assert_allclose(found.compute + held, 2.0, rtol=1e-9)


# --- duality ----------------------------------------------------------------------------


def instance(seed):
    """A random problem with concave power functions, and rules that can be kept."""
    rng = luck(seed)
    n, n_sectors = int(rng.integers(2, 40)), int(rng.integers(1, 4))
    functions = [CONCAVE[k] for k in rng.integers(0, len(CONCAVE), size=n_sectors)]
    classes = tuple(rng.choice(["lab", "sme"], size=n))
    problem = Problem.of(
        functions,
        np.exp(rng.normal(size=n, scale=rng.uniform(0.0, 1.5))),
        float(10.0 ** rng.uniform(-2.0, 3.0)),
        sector=rng.integers(0, n_sectors, size=n),
        classes=classes,
        inherited=rng.choice([0.0, 1.0]) * rng.uniform(0.0, 1.0, size=n),
        weight=np.exp(rng.normal(size=n, scale=rng.choice([0.0, 0.5]))),
    )
    cap = float(rng.choice([1.0, rng.uniform(1.2 / n, 1.0) if n > 1 else 1.0]))
    floor = float(rng.choice([0.0, rng.uniform(0.0, 0.5 / n)]))
    most = min(cap * classes.count("sme"), 0.6)
    reserve = {"sme": float(rng.uniform(0.0, most))} if "sme" in classes and rng.random() < 0.5 else {}
    alpha = float(rng.choice([0.0, 0.0, 0.5, 1.0, 2.0]))
    return problem, Rules(alpha=alpha, cap=cap, floor=floor, reserve=reserve)


@pytest.mark.parametrize("block", range(10))
def test_strong_duality_and_first_order_conditions_on_a_thousand_random_instances(block):
    for seed in range(100 * block, 100 * (block + 1)):
        problem, rules = instance(seed)
        found = solve(problem, rules)
        assert found.method == "dual", seed
        assert abs(found.certificate.relative_gap) <= 1e-8, seed
        assert found.certificate.kkt_residual <= 1e-8, seed
        bounds = limits(problem, rules)
        assert found.compute.sum() == pytest.approx(bounds.total, rel=1e-12), seed


def test_the_residual_and_the_gap_see_an_allocation_that_is_not_optimal():
    from sim.planner.solve import kkt_residual
    from sim.submodels.waterfill import dual_value

    problem = dozen(CONCAVE[0])
    found, bounds = solve(problem), limits(problem, Rules())
    plot = problem.plot(0.0, bounds.low, bounds.high)
    moved = found.compute.copy()
    moved[:2] += [1e-3, -1e-3]
    assert kkt_residual(plot, bounds, moved, found.firm_price) > 1e-5
    wrong = np.log(found.firm_price) + 1e-3
    assert dual_value(plot, 24.0, (), wrong, wrong[0]) > found.certificate.primal * (1.0 + 1e-9)
    assert found.certificate.dual > plot.utility(moved).sum() * (1.0 + 1e-9)


# --- methods agree ----------------------------------------------------------------------

RULES = {
    "none": Rules(),
    "cap": Rules(cap=0.2),
    "reserve": Rules(reserve={"sme": 0.75}, floor=0.01),
    "gini": Rules(max_gini=0.3),
    "hhi": Rules(max_hhi=1000.0),
    "resource": Rules(resources=(Resource("memory", 30.0, {"lab": 1.0, "sme": 2.0}),)),
    "two resources": Rules(
        resources=(Resource("memory", 30.0, {"lab": 1.0, "sme": 2.0}), Resource("energy", 28.0, {"lab": 2.0}))
    ),
    "proportional": Rules(alpha=1.0, cap=0.3),
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("function", [CONCAVE[0], CONCAVE[3], Linear(reference=1.0)], **BESIDE)
def test_concave_methods_agree_within_what_they_promise(function, name):
    problem, rules = dozen(function), RULES[name]
    best = solve(problem, rules)
    rivals = ["cutting_planes"] + ([] if name == "hhi" else ["piecewise", "milp"])
    scale = abs(best.certificate.primal)
    tolerance = 1e-6 * scale
    assert best.certificate.gap <= tolerance
    for method in rivals:
        rival = solve(problem, rules, method)
        found = rival.certificate
        assert found.primal <= best.certificate.dual + tolerance, method
        assert best.certificate.primal <= found.dual + tolerance, method
        assert best.certificate.primal - found.primal <= found.error_bound + tolerance, method
        assert found.error_bound <= 0.05 * scale, method
        if rules.alpha == 0.0 and method == "cutting_planes":
            np.testing.assert_allclose(rival.price, best.price, rtol=2e-2, atol=1e-6)


@pytest.mark.parametrize("name", ["none", "cap", "reserve"])
@pytest.mark.parametrize("function", BENT, **BESIDE)
@pytest.mark.parametrize("seed", range(3))
def test_envelope_and_mixed_integer_program_agree_within_their_gaps(function, name, seed):
    problem, rules = dozen(function, total=15.0 + 7.0 * seed, seed=seed), RULES[name]
    envelope, whole = solve(problem, rules, "envelope"), solve(problem, rules, "milp")
    tolerance = 1e-6 * abs(whole.certificate.primal)
    assert whole.certificate.primal <= envelope.certificate.dual + tolerance
    assert envelope.certificate.primal <= whole.certificate.dual + tolerance
    assert whole.certificate.gap <= whole.certificate.error_bound * 1.01 + tolerance
    assert whole.certificate.gap <= 0.01 * abs(whole.certificate.primal)


@pytest.mark.parametrize("function", BENT, **BESIDE)
@pytest.mark.parametrize("total", [3.0, 9.0, 30.0, 80.0])
def test_of_three_firms_none_of_a_fine_grid_of_allocations_beats_the_plan(function, total):
    """And the gap to the dual is within the Shapley-Folkman bound."""
    problem = Problem.of(function, [1.0, 1.3, 0.6], total)
    steps = np.linspace(0.0, 1.0, 401)
    first, second = (grid.ravel() for grid in np.meshgrid(steps, steps))
    inside = first + second <= 1.0 + 1e-12
    grid = np.stack([first, second, np.maximum(1.0 - first - second, 0.0)], axis=1)[inside] * total
    best = function.power(grid * problem.efficiency).sum(axis=1).max()
    found = solve(problem)
    assert found.certificate.primal >= best * (1.0 - 1e-3)
    assert found.certificate.dual >= best * (1.0 - 1e-12)
    assert found.certificate.gap <= found.certificate.nonconcavity + 1e-3 * best


def test_a_fixed_number_of_thresholds_is_passed_where_compute_allows_no_more():
    """Ten equal firms whose power jumps at 20: compute for three and a half jumps is for three firms."""
    found = solve(Problem.of(Threshold(reference=1.0, gamma=0.3, jump=50.0, location=20.0), np.ones(10), 90.0))
    assert (found.compute > 20.0).sum() == 3
    assert found.certificate.relative_gap < 0.2


# --- nothing beats the optimum ----------------------------------------------------------


@pytest.mark.parametrize("name", ["none", "cap", "reserve", "proportional"])
@pytest.mark.parametrize("function", [*CONCAVE, *BENT], **BESIDE)
def test_no_random_allocation_beats_the_optimum(function, name):
    problem, rules = dozen(function), RULES[name]
    found = solve(problem, rules)
    drawn = random_allocations(problem, rules, 10_000)
    if name == "reserve":
        drawn = drawn[drawn[:, 4:].sum(axis=1) >= 0.75 * problem.total]
        assert len(drawn) > 1000
    power = function.power(drawn * problem.efficiency)
    with np.errstate(divide="ignore"):
        utility = np.log(power) if rules.alpha == 1.0 else power
    assert utility.sum(axis=1).max() <= found.certificate.primal + 1e-9 * abs(found.certificate.primal)


@pytest.mark.parametrize(
    ("rules", "index"), [(Rules(max_gini=0.35), indices.gini), (Rules(max_hhi=1200.0), indices.hhi)]
)
def test_no_random_allocation_as_equal_beats_the_optimum_under_a_bound(rules, index):
    problem = dozen(CONCAVE[0])
    found = solve(problem, rules)
    most = rules.max_gini if rules.max_hhi is None else rules.max_hhi / 1e4
    assert float(index(found.compute)) <= most + 1e-7
    drawn = random_allocations(problem, Rules(), 10_000)
    drawn = drawn[np.array([float(index(each)) for each in drawn]) <= most]
    assert len(drawn) > 1000
    assert CONCAVE[0].power(drawn * problem.efficiency).sum(axis=1).max() <= found.certificate.primal * (1.0 + 1e-9)


# --- comparative statics ----------------------------------------------------------------


@pytest.mark.parametrize("function", [*CONCAVE, *BENT], **BESIDE)
def test_more_compute_never_makes_less_power(function):
    powers = [solve(dozen(function, total)).certificate.primal for total in np.geomspace(0.5, 500.0, 12)]
    assert np.all(np.diff(powers) > 0.0)


@pytest.mark.parametrize("name", sorted(set(RULES) - {"two resources"}))
def test_the_shadow_price_is_what_one_more_unit_of_compute_adds(name):
    function, rules, step = CONCAVE[0], RULES[name], 1e-4

    def at(size):
        """Caps, floors and reserves stay the same amounts when the total changes."""
        shares = {name: getattr(rules, name) for name in ("cap", "floor") if getattr(rules, name) not in (0.0, 1.0)}
        kept = {name: share / size for name, share in shares.items()}
        return solve(
            dozen(function, 24.0 * size),
            replace(rules, **kept, reserve={who: share / size for who, share in rules.reserve.items()}),
        )

    below, here, above = (at(1.0 + k * step) for k in (-1, 0, 1))
    slope = (above.certificate.primal - below.certificate.primal) / (2.0 * 24.0 * step)
    # Cutting planes know the optimum to 1e-8 of it, which the difference divides by the step.
    assert here.price == pytest.approx(slope, rel=1e-3 if name == "gini" else 1e-5, abs=1e-6)


def test_what_is_not_scarce_has_no_price_and_what_is_has_its_derivative():
    function, step = CONCAVE[0], 1e-5
    problem = dozen(function)

    def under(memory):
        return solve(problem, Rules(resources=(Resource("memory", memory, {"lab": 1.0, "sme": 2.0}),)))

    plenty, scarce = under(100.0), under(20.0)
    assert plenty.price > 0.0 and plenty.compute.sum() == pytest.approx(24.0, rel=1e-10)
    assert scarce.price == 0.0 and scarce.compute.sum() < 24.0
    slope = (under(20.0 * (1 + step)).certificate.primal - under(20.0 * (1 - step)).certificate.primal) / (40.0 * step)
    assert scarce.firm_price[0] == pytest.approx(slope, rel=1e-6)
    assert scarce.firm_price[-1] == pytest.approx(2.0 * slope, rel=1e-6)


def test_a_resource_that_all_need_alike_is_the_same_as_less_compute():
    less = solve(dozen(CONCAVE[0], 12.0))
    scarce = solve(dozen(CONCAVE[0], 24.0), Rules(resources=(Resource("energy", 36.0, 3.0),)))
    np.testing.assert_allclose(scarce.compute, less.compute, rtol=1e-9)


def test_more_aversion_makes_power_more_equal_and_costs_more():
    problem = dozen(CONCAVE[0])
    power = [problem.power(solve(problem, Rules(alpha=a)).compute) for a in (0.0, 0.5, 1.0, 2.0, 5.0, np.inf)]
    assert np.all(np.diff([float(indices.gini(each)) for each in power]) < 1e-12)
    assert np.all(np.diff([each.sum() for each in power]) < 1e-12)
    assert np.all(np.diff([each.min() for each in power]) > -1e-12)


def test_large_alpha_approaches_max_min():
    problem = dozen(CONCAVE[0])
    almost, fair = solve(problem, Rules(alpha=50.0)), solve(problem, Rules(alpha=np.inf))
    np.testing.assert_allclose(almost.compute, fair.compute, rtol=0.1)


# --- rules that cannot be kept ----------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"floor": 0.1}, r"floors exceed the total: those of 12 firms add up to 1\.2 .* 0\.0833"),
        (
            {"reserve": {"sme": 0.7, "lab": 0.5}},
            r"reserved minima exceed the total: 0\.7 for sme \+ 0\.5 for lab = 1\.2",
        ),
        (
            {"reserve": {"sme": 0.9}, "floor": {"lab": 0.05}},
            r"0\.9 for sme \+ 0\.2 for the floors of other firms = 1\.1",
        ),
        ({"reserve": {"sme": 0.9}, "cap": 0.1}, r"reserve and cap contradict each other for sme: .* add up to 0\.8"),
        ({"floor": {"firm 3": 0.3}, "cap": 0.2}, r"floor and cap contradict each other for firm 3"),
        ({"reserve": {"giant": 0.1}}, r"no firm is of class 'giant'; allowed: lab, sme"),
        ({"cap": {"firm 13": 0.1}}, r"cap: there is no firm or class 'firm 13'"),
        ({"max_hhi": 800}, r"max_hhi of 800 cannot be met: .* 12 firms allow has 833\.333"),
        ({"max_gini": 0.01, "floor": {"firm 1": 0.5}}, r"max_gini .* floors and caps allow"),
        (
            {"floor": 0.05, "resources": {"energy": {"total": 1.0, "need": 2.0}}},
            r"floor and energy contradict each other: the floors need 28\.8 of energy, whose total is 1",
        ),
        ({"alpha": -1}, r"alpha: -1 is out of range"),
        ({"cap": 1.5}, r"cap: 1\.5 for all is out of range"),
        ({"max_ginni": 0.3}, r"there is no 'max_ginni'.*did you mean max_gini"),
        ({"cap": "much"}, r"cap: 'much' is text, not a number"),
        ({"alpha": "inf", "max_gini": 0.2}, r"max-min knows .* no bound on Gini"),
        ({"cap": 0}, r"cap: 0 for all leaves nobody any compute"),
        ({"cap": 0, "max_gini": 0.4}, r"cap: 0 for all leaves nobody any compute"),
        ({"cap": {"lab": 0}, "alpha": 1}, r"alpha 1: the rules leave firm 1 no compute, .* take alpha below 1, or inf"),
        ({"reserve": {"sme": 1}, "alpha": 2}, r"alpha 2: the rules leave firm 1 no compute"),
        ({"max_gini": 0.05, "reserve": {"lab": 0.8}}, r"max_gini .* floors, caps and reserves allow has 0\.466667"),
        (
            {"resources": {"energy": {"total": 1e-300, "need": 2}}},
            r"energy: all compute could need 4\.8e\+301 times its total of 1e-300; .* check the units",
        ),
    ],
)
def test_rules_in_conflict_are_named(rules, words):
    with pytest.raises(PlanError, match=words):
        sim.plan(dozen(CONCAVE[0]), rules=rules)


@pytest.mark.parametrize(
    ("function", "rules", "method"),
    [
        (BENT[0], Rules(), "dual"),
        (BENT[0], Rules(), "piecewise"),
        (BENT[0], Rules(max_hhi=1200.0), "auto"),
        (CONCAVE[0], Rules(), "linear"),
        (CONCAVE[0], Rules(max_gini=0.2), "dual"),
        (CONCAVE[0], Rules(reserve={"sme": 0.2}), "prices"),
        (Linear(reference=1.0), Rules(), "prices"),
        (CONCAVE[0], Rules(), "simplex"),
        (CONCAVE[0], Rules(alpha=np.inf), "dual"),
    ],
)
def test_a_method_that_would_be_wrong_is_refused(function, rules, method):
    with pytest.raises(PlanError, match="allowed|cap the firms"):
        solve(dozen(function), rules, method)


def test_rules_that_conflict_only_together_are_refused_by_the_program():
    rules = Rules(reserve={"lab": 0.8}, resources=(Resource("energy", 20.0, {"lab": 2.0, "sme": 0.1}),))
    with pytest.raises(PlanError, match="no allocation keeps all rules together"):
        solve(dozen(CONCAVE[0]), rules)


@pytest.mark.parametrize(
    "wrong",
    [
        {"efficiency": [1.0, -1.0]},
        {"efficiency": [1.0, np.nan]},
        {"total": 0.0},
        {"names": ["one"]},
        {"sector": [0, 1]},
        {"market": [1.0, 2.0, 3.0]},
    ],
)
def test_a_problem_that_makes_no_sense_is_refused(wrong):
    given = {"efficiency": [1.0, 2.0], "total": 1.0} | wrong
    with pytest.raises(PlanError, match="allowed"):
        Problem.of(CONCAVE[0], given.pop("efficiency"), given.pop("total"), **given)


def test_compute_that_caps_leave_over_is_worth_nothing():
    found = solve(dozen(CONCAVE[0]), Rules(cap=0.05))
    assert found.compute.sum() == pytest.approx(0.6 * 24.0) and found.price == 0.0


def test_compute_beyond_what_f_can_tell_apart_is_given_out_at_next_to_no_price():
    found = solve(Problem.of(Hill(reference=1.0, exponent=8.0, midpoint=1.0), np.ones(3), 1e9))
    assert found.compute.sum() == pytest.approx(1e9)
    assert 0.0 <= found.price < 1e-50 and found.certificate.primal == pytest.approx(6.0)


# --- the curve --------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("function", [*CONCAVE, *BENT, Linear(reference=1.0)], **BESIDE)
def test_the_slope_of_a_curve_is_its_derivative(function, alpha):
    curve = Curve(function, alpha, 300.0)
    effective = np.geomspace(1e-3, 30.0, 50) * 1.0123
    step = 1e-6 * effective
    slope = (curve.value(effective + step) - curve.value(effective - step)) / (2.0 * step)
    np.testing.assert_allclose(np.exp(curve.log_slope(effective)), slope, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("function", CONCAVE, **BESIDE)
def test_demand_inverts_the_slope(function):
    curve = Curve(function, 0.0, 300.0)
    effective = np.geomspace(1e-2, 299.0, 200)
    np.testing.assert_allclose(curve.demand(curve.log_slope(effective), 0), effective, rtol=1e-10)


@pytest.mark.parametrize("function", [*CONCAVE, *BENT], **BESIDE)
def test_no_amount_on_a_fine_grid_is_better_at_a_price_than_the_best(function):
    curve = Curve(function, 0.0, 100.0)
    grid = np.linspace(0.0, 80.0, 20_001)
    for log_price in np.linspace(-4.0, 3.0, 15):
        best = curve.best(np.array([log_price]), np.array([0.0]), np.array([80.0]))
        surplus = curve.value(grid) - np.exp(log_price) * grid
        assert (curve.value(best) - np.exp(log_price) * best)[0] >= surplus.max() - 1e-9


def test_shapes_are_recognised():
    shapes = {f: (c.is_concave, c.is_linear, len(c.pieces)) for f in CONCAVE for c in [Curve(f, 0.0, 50.0)]}
    assert all(shape == (True, False, 1) for shape in shapes.values())
    assert (Curve(Linear(1.0), 0.0, 9.0).is_linear, Curve(PowerLaw(1.0, 1.0), 0.0, 9.0).is_linear) == (True, True)
    assert Curve(BENT[0], 0.0, 50.0).pieces and not Curve(BENT[0], 0.0, 50.0).is_concave
    assert Curve(BENT[0], 1.0, 50.0).is_concave  # the logarithm of a Hill function is concave
    assert len(Curve(BENT[1], 0.0, 500.0).pieces) == 2
    assert Curve(BENT[2], 0.0, 50.0).pieces == ()


def test_the_nonconcavity_of_an_s_shaped_curve_is_its_distance_from_a_convex_hull():
    from scipy.spatial import ConvexHull

    function = BENT[0]
    grid = np.linspace(0.0, 30.0, 4001)
    value = function.power(grid)
    hull = ConvexHull(np.column_stack([grid, value]))
    corners = np.sort(hull.vertices)
    above = [k for k in corners if value[k] >= np.interp(grid[k], grid[[0, -1]], value[[0, -1]]) - 1e-12]
    expected = np.max(np.interp(grid, grid[above], value[above]) - value)
    assert Curve(function, 0.0, 30.0).nonconcavity(0.0, 30.0) == pytest.approx(expected, rel=1e-3)
    assert Curve(CONCAVE[0], 0.0, 30.0).nonconcavity(0.0, 30.0) == 0.0


def test_a_hull_of_random_points_lies_above_them():
    rng = luck()
    x, y = np.sort(rng.uniform(size=50)), rng.uniform(size=50)
    hull = upper_hull(x, y)
    assert np.all(np.interp(x, x[hull], y[hull]) >= y - 1e-12)
    assert np.all(np.diff(np.diff(y[hull]) / np.diff(x[hull])) < 0.0)


def test_the_order_of_firms_does_not_matter():
    problem, order = dozen(BENT[1]), luck(3).permutation(12)
    mixed = Problem.of(BENT[1], problem.efficiency[order], problem.total)
    assert solve(mixed).certificate.primal == pytest.approx(solve(problem).certificate.primal, rel=1e-6)
    smooth, turned = solve(dozen(CONCAVE[0])), solve(Problem.of(CONCAVE[0], problem.efficiency[order], 24.0))
    np.testing.assert_allclose(turned.compute, smooth.compute[order], rtol=1e-10)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_the_unit_of_compute_does_not_matter(unit):
    efficiency = dozen(CONCAVE[0]).efficiency
    for rules in RULES.values():
        if rules.resources:
            continue
        here = solve(Problem.of(PowerLaw(1.0, 0.63), efficiency, 24.0, classes=CLASSES), rules)
        there = solve(Problem.of(PowerLaw(unit, 0.63), efficiency, 24.0 * unit, classes=CLASSES), rules)
        np.testing.assert_allclose(there.compute / unit, here.compute, rtol=1e-3 if rules.max_gini else 1e-8)


def test_leveled_is_the_nearest_to_equal():
    low, high = np.array([3.0, 0.0, 0.0, 0.0]), np.array([9.0, 9.0, 1.0, 9.0])
    found = leveled(8.0, low, high)
    np.testing.assert_allclose(found, [3.0, 2.0, 1.0, 2.0])
    for first, second in itertools.permutations(range(4), 2):
        other = found.copy()
        other[first] += 0.1
        other[second] -= 0.1
        if np.all((other >= low) & (other <= high)):
            assert (other**2).sum() > (found**2).sum()


def test_water_filling_can_be_called_by_itself():
    plot = Plot(
        [Curve(CONCAVE[0], 0.0, 50.0)],
        np.zeros(2, dtype=np.int64),
        np.array([1.0, 2.0]),
        np.zeros(2),
        np.ones(2),
        np.array([1.0, 1.0]),
        np.array([4.0, 5.0]),
    )
    assert fill(plot, 2.0).compute.tolist() == [1.0, 1.0]
    assert fill(plot, 20.0).compute.tolist() == [4.0, 5.0]


# --- plans for scenarios and runs -------------------------------------------------------


@pytest.fixture(scope="module")
def result():
    return sim.run(sim.load_scenario("small_world", overrides=["record.planner=yearly"]), replicates=2, quarters=8)


@pytest.fixture(scope="module")
def folder(result, tmp_path_factory):
    kept = tmp_path_factory.mktemp("runs") / "small"
    result.save(kept, figures=False)
    return kept


@pytest.fixture(scope="module")
def plan(result):
    return sim.plan(result, quarter="2025Q4", rules={"reserve": {"sme": 0.4}, "cap": 0.1})


def test_the_ten_firm_city_is_best_divided_evenly_and_the_market_loses_the_difference():
    found = sim.plan("ten_firm_city")
    np.testing.assert_allclose(found.compute, found.total / 10, rtol=1e-9)
    share = found.problem.market / found.total
    lost = 1.0 - (share**0.63).sum() / 10**0.37
    rows = {each.name: each for each in found.divisions}
    assert rows["market"].lost == pytest.approx(lost, rel=1e-9) and 0.05 < lost < 0.1
    assert rows["equal"].lost == pytest.approx(0.0, abs=1e-12)


def test_a_plan_takes_firms_efficiency_and_compute_from_the_run(result, plan):
    rows = result.firms.xs((0, "2025Q4"), level=("replicate", "quarter"))
    p = plan.problem
    assert list(p.names) == list(rows.index)
    assert p.total == pytest.approx(rows["compute_training"].sum())
    np.testing.assert_allclose(p.efficiency, rows["efficiency"] / result.scenario.world.parameters["capability_decay"])
    np.testing.assert_array_equal(p.market, rows["compute_training"])


def test_a_scenario_simulated_to_a_quarter_gives_the_plan_of_the_run(result):
    from_run = sim.plan(result, quarter="2025Q4", replicate=1)
    from_scenario = sim.plan(result.scenario, quarter="2025Q4", replicate=1)
    np.testing.assert_allclose(from_scenario.compute, from_run.compute, rtol=1e-9)


def test_the_next_quarter_of_the_market_has_the_power_of_the_basis_next():
    """Without open weights, next quarter's power is f((1 - delta) E + A C) exactly."""
    scenario = sim.load_scenario("ten_firm_city")
    ran = sim.run(scenario, replicates=1, quarters=4)
    found = sim.plan(scenario, quarter="2024Q3", basis="next")
    expected = ran.measures.loc[(0, "2024Q4"), "total_power"]
    assert found.problem.power(found.problem.market).sum() == pytest.approx(expected, rel=1e-9)


def test_the_plan_keeps_its_rules_and_says_which_divisions_do(plan):
    share = plan.compute / plan.total
    is_small = np.array(plan.problem.classes) == "sme"
    assert share.max() <= 0.1 + 1e-12 and share[is_small].sum() >= 0.4 - 1e-12
    kept = {each.name: each.keeps_rules for each in plan.divisions}
    assert kept["planner"] and not kept["market"]
    rows = plan.comparison()
    assert rows.loc["optimum", "lost"] == 0.0 and 0.0 < rows.loc["planner", "lost"] < rows.loc["market", "lost"]
    assert rows["lost"].min() >= -1e-12


def test_the_recorded_gap_is_that_of_the_table(result):
    lost = gaps(result)["efficiency_lost"].xs("2025Q4", level="quarter")
    recorded = result.measures["planner_gap"].xs("2025Q4", level="quarter")
    np.testing.assert_array_equal(lost.to_numpy(), recorded.to_numpy())
    assert 0.0 < lost.min() < lost.max() < 1.0
    plan = sim.plan(result, quarter="2025Q4")
    market = next(each for each in plan.divisions if each.name == "market")
    assert lost[0] == pytest.approx(market.lost, rel=1e-9)


def test_the_gap_is_recorded_at_the_end_of_years_and_only_when_asked_for(result):
    known = result.measures["planner_gap"].dropna().index.get_level_values("quarter").unique()
    assert list(known) == ["2024Q1", "2024Q4", "2025Q4"]
    assert "planner_gap" not in sim.run("ten_firm_city", quarters=1).measures
    assert result.summary().query("measure == 'planner_gap'")["mean"].notna().all()


def test_recording_the_gap_changes_nothing_else(result):
    without = sim.run(sim.load_scenario("small_world"), replicates=2, quarters=8)
    assert result.measures.drop(columns="planner_gap").equals(without.measures)


@pytest.mark.parametrize("index", ["gini", "hhi", "cap"])
def test_the_frontier_rises_from_equal_shares_to_the_optimum_above_every_division(index):
    problem = dozen(CONCAVE[0], market=luck(5).dirichlet(np.ones(12)) * 24.0)
    found = sim.plan(problem)
    curve = found.frontier(9, index)
    assert curve.bounded == index
    assert curve.gini[0] == pytest.approx(0.0, abs=1e-9)
    assert curve.total_power[-1] == pytest.approx(found.certificate.primal)
    assert np.all(np.diff(curve.total_power) >= -1e-6 * curve.total_power[-1])
    slope = np.diff(curve.total_power) / np.diff(curve.bound)
    assert np.all(np.diff(slope) <= 1e-4 * slope[0])
    for each in found.divisions:
        place = {"gini": each.gini, "hhi": each.hhi, "cap": each.compute.max() / found.total}[index]
        assert each.total_power <= np.interp(place, curve.bound, curve.total_power) * (1.0 + 5e-3)


def test_the_frontier_bounds_gini_for_few_firms_and_hhi_for_many(plan):
    assert sim.plan(dozen(CONCAVE[0])).frontier(2).bounded == "gini"
    assert plan.frontier(3).bounded == "hhi"


def test_bounds_on_hhi_are_kept_where_many_firms_with_straight_power_are_alike():
    efficiency = np.repeat([1.0, 0.7], [14, 30])
    found = solve(Problem.of(Linear(reference=1.0), efficiency, 2.0), Rules(max_hhi=2000.0))
    assert 1e4 * float(indices.hhi(found.compute)) <= 2000.0 * (1.0 + 1e-6)
    assert found.certificate.primal == pytest.approx(2.0, rel=1e-6)  # fourteen alike can share everything


def test_a_frontier_of_bent_power_bounds_caps():
    found = sim.plan(dozen(BENT[1]))
    curve = found.frontier(6)
    assert curve.bounded == "cap" and np.all(np.diff(curve.total_power) >= -1e-6 * curve.total_power[-1])
    with pytest.raises(PlanError, match="needs concave"):
        found.frontier(6, "gini")


def test_sectors_have_power_functions_of_their_own():
    rules = {"sectors": {"health": {"firms": ["Firm A", "Firm B"], "family": "log"}}}
    found = sim.plan("ten_firm_city", rules=rules)
    assert found.problem.sector_names == ("others", "health")
    marginal = found.marginal_power(found.compute)
    np.testing.assert_allclose(marginal, found.price, rtol=1e-9)
    reference = found.problem.functions[0].reference
    expected = np.log1p(found.problem.efficiency[:2] * found.compute[:2] / reference) / np.log(2.0)
    np.testing.assert_allclose(found.power[:2], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"quarter": "2025Q3"}, "no firms were recorded for 2025Q3"),
        ({"replicate": 7}, "no replicate 7"),
        ({"basis": "last"}, "no basis 'last'"),
        ({"rules": {"sectors": {"x": {"firms": ["Nobody"], "family": "log"}}}}, "no firm or class 'Nobody'"),
        ({"rules": {"sectors": {"x": {"firms": ["lab"], "family": "lo"}}}}, "did you mean log"),
    ],
)
def test_a_question_that_a_result_cannot_answer_is_refused(result, options, words):
    with pytest.raises(PlanError, match=words):
        sim.plan(result, **options)


@pytest.mark.parametrize("replicate", [-1, 2**40, 1.5, "0", True])
def test_what_is_no_number_of_a_replicate_is_refused(result, replicate):
    for what in (result, "ten_firm_city"):
        with pytest.raises(InputError, match="replicate must be a whole number from 0 to 4294967295, not"):
            sim.plan(what, replicate=replicate)
    assert sim.plan(result, replicate=np.int64(1)).label == sim.plan(result, replicate=1).label


@pytest.mark.parametrize("kind", ["allocation", "frontier"])
@pytest.mark.parametrize("family", ["power", "linear", "threshold"])
def test_figures_let_no_text_overlap_and_cover_no_point(plan, kind, family):
    from sim.report.figures.planner import allocation_figure, frontier_figure

    found = plan if family == "power" else sim.plan("ten_firm_city", rules={"cap": 0.3}) if family == "linear" else None
    found = found or sim.plan(sim.load_scenario("ten_firm_city", overrides=["power.family=threshold"]))
    figure = allocation_figure(found) if kind == "allocation" else frontier_figure(found, found.frontier(5))
    assert overlaps(figure) == []
    assert covered_data(figure) == []


# --- the command ------------------------------------------------------------------------


def aipower(*words):
    done = CliRunner().invoke(cli.app, ["plan", *map(str, words)])
    return done


def test_the_command_prints_what_the_plan_says():
    done = aipower("ten_firm_city")
    assert done.exit_code == 0
    told = " ".join(done.stdout.split())
    for words in ("Method dual", "which is 6.8%", "Shadow price", "relative gap", "max_min", "Firm J"):
        assert words in told


def test_the_command_writes_tables_and_figures_and_keeps_what_is_there(folder, tmp_path):
    out = tmp_path / "plan"
    done = aipower(folder, "--quarter", "2025Q4", "--max-gini", "0.3", "--out", out)
    assert done.exit_code == 0 and "efficiency" not in done.stderr
    names = {path.name for path in out.iterdir()}
    tables = {"firms.csv", "divisions.csv", "frontier.csv", "efficiency_lost.csv"}
    assert names == tables | {f"{name}.{kind}" for name in ("allocation", "frontier") for kind in ("png", "svg")}
    again = aipower(folder, "--out", out)
    assert isinstance(again.exception, sim.errors.InputError) and "--force" in str(again.exception)
    assert aipower("ten_firm_city", "--out", out, "--force").exit_code == 0
    inside = aipower(folder, "--out", folder, "--force")
    assert "is a result folder, which stays as it was written" in str(inside.exception)
    assert sim.verify_result(folder).is_complete


def test_the_command_gives_json(folder):
    told = json.loads(aipower(folder, "--json", "--frontier", "--cap", "sme=0.05", "--cap", "0.2").stdout)
    assert {row["quarter"] for row in told["efficiency_lost"]} == {"2024Q1", "2024Q4", "2025Q4"}
    assert told["method"] in METHODS and told["certificate"]["relative_gap"] < 1e-9
    assert max(row["share_plan"] for row in told["firms"] if row["firm_class"] == "sme") <= 0.05 + 1e-12
    assert len(told["frontier"]["cost"]) == len(told["frontier"]["bound"]) > 2


def test_rules_come_from_a_file_and_the_command_line_replaces_them(tmp_path):
    file = tmp_path / "rules.yaml"
    file.write_text("cap: 0.15\nresources:\n  energy: {total: 0.4, need: {all: 2}}\n")
    told = json.loads(aipower("ten_firm_city", "--rules", file, "--cap", "0.12", "--json").stdout)
    assert max(row["share_plan"] for row in told["firms"]) <= 0.12 + 1e-12
    assert sum(row["compute_plan"] for row in told["firms"]) == pytest.approx(0.2)
    file.write_text("caps: 0.15\n")
    assert "did you mean cap" in str(aipower("ten_firm_city", "--rules", file).exception)


def test_the_rules_that_the_documentation_shows_are_accepted(tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "planner.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```yml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    file = tmp_path / "rules.yaml"
    file.write_text(shown, encoding="utf-8")
    rules = Rules.read(file)
    assert rules.cap == {"all": 0.2, "sme": 0.05} and rules.sectors[0].family == "hill"
    assert rules.resources == (Resource("memory", 100.0, {"lab": 80.0, "all": 60.0}),)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--cap", "a=b"), "--cap a=b: not a share"),
        (("--cap", "0.2", "--cap", "0.5"), "--cap 0.5: every firm has a share already"),
        (("--floor", "sme=0.01", "--floor", "sme=0.02"), "sme has a share already; give each class or firm once"),
        (("--reserve", "0.2"), "allowed: CLASS=SHARE"),
        (("--floor", "0.2"), "floors exceed the total"),
        (
            ("--rules", "nope.yaml"),
            "nope.yaml: is not there, or is not an ordinary file; allowed: a YAML file with rules",
        ),
        (("--method", "magic"), "no method 'magic'"),
        (("--quarter", "2060Q1"), "outside the horizon"),
    ],
)
def test_a_users_mistake_ends_with_2_and_says_what_is_allowed(words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["plan", "ten_firm_city", *words])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sector", "words"),
    [
        ({"family": ["hill"]}, r"family \['hill'\] is unknown; did you mean hill"),
        ({"family": "hill", "hill_exponent": -2}, r"health: hill_exponent: -2\.0 is out of range; .* from 0\.1 to 8"),
        ({"family": "power", "gamma": 0}, r"health: gamma: 0\.0 is out of range"),
        ({"family": "measured", "table": "power.csv"}, r"health: table is text; allowed: a list of rows"),
        ({"family": "measured", "table": [1, 2, 3]}, r"health: table\[0\]: 1 is not a pair"),
        ({"family": "measured", "table": [[1, 1], [2, 0], [3, 3]]}, r"health: table\[1\]\[1\]: 0 is out of range"),
        ({"family": "measured", "table": [[1, 1], [2, 3], [3, 2]]}, r"health: table\[2\]\[1\]: 2 does not exceed 3"),
    ],
)
def test_a_sector_may_have_no_power_function_that_a_scenario_may_not_have(sector, words):
    with pytest.raises(PlanError, match=words):
        Rules.read({"sectors": {"health": {"firms": ["lab"]} | sector}})


# --- one firm, weights, unused compute ---------------------------------------------------------------


@pytest.mark.parametrize(("gamma", "alpha"), [(1.0, 0.0), (0.999, 0.0), (0.5, 0.0), (0.5, np.inf)])
def test_one_firm_alone_pays_its_marginal_power(gamma, alpha):
    made = sim.plan(Problem.of(PowerLaw(reference=1.0, gamma=gamma), [1.0], 4.0), rules={"alpha": alpha})
    more = sim.plan(Problem.of(PowerLaw(reference=1.0, gamma=gamma), [1.0], 4.0 + 1e-6), rules={"alpha": alpha})
    assert made.price == pytest.approx((more.power.sum() - made.power.sum()) / 1e-6, rel=1e-5)


def test_what_equality_costs_is_counted_by_weights():
    """f = sqrt E, weights 1 and 5: the optimum gives shares 1:25, and equal shares lose 1 - 6 / sqrt(52)."""
    made = sim.plan(Problem.of(PowerLaw(reference=1.0, gamma=0.5), [1.0, 1.0], 5.0, weight=[1.0, 5.0]))
    lost = 1.0 - 6.0 / np.sqrt(52.0)
    frontier = made.frontier()
    assert made.comparison().lost["equal"] == pytest.approx(lost, rel=1e-6)
    assert frontier.cost[0] == pytest.approx(lost, rel=1e-6) and np.all(np.diff(frontier.cost) <= 1e-12)
    assert frontier_figure(made, frontier).texts[0].get_text() == "Equal shares cost 17% of AI power"


def test_a_plan_that_leaves_compute_unused_says_so():
    made = sim.plan(Problem.of(PowerLaw(reference=1.0, gamma=0.5), np.ones(5), 5.0), rules={"cap": 0.1})
    assert (
        made.plot().texts[0].get_text() == "A planner who keeps the rules would move no compute, and leave 50% unused"
    )


# --- rules that leave next to no choice --------------------------------------------------------------


@pytest.mark.parametrize("function", [*CONCAVE, *BENT], **BESIDE)
@pytest.mark.parametrize(
    "rules",
    [
        {"floor": 1 / 12},
        {"cap": 1 / 12},
        {"floor": 1 / 12, "reserve": {"sme": 0.5}},
        {"cap": 1 / 12, "reserve": {"lab": 0.1}},
        {"floor": 1 / 12, "alpha": 3.0},
    ],
)
def test_rules_that_leave_one_allocation_give_it_with_its_own_value_as_the_bound(function, rules):
    """Floors, or caps, that add up to the total to rounding, whatever the total."""
    for total in luck(3).uniform(1.0, 40.0, size=5):
        found = solve(dozen(function, total), Rules.read(rules))
        assert found.compute == pytest.approx(np.full(12, total / 12), rel=1e-9)
        assert found.certificate.relative_gap == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("function", [*CONCAVE, *BENT], **BESIDE)
def test_a_class_for_which_all_is_reserved_gets_all_and_the_bound_is_that_of_the_class_alone(function):
    """The others, who have nothing, neither share in it nor loosen the bound."""
    problem = dozen(function)
    found = solve(problem, Rules(reserve={"sme": 1.0}))
    alone = solve(Problem.of(function, problem.efficiency[4:], problem.total))
    assert found.compute[:4] == pytest.approx(np.zeros(4), abs=0.0)
    assert found.certificate.primal >= alone.certificate.primal * (1.0 - 1e-4)
    assert found.certificate.dual == pytest.approx(alone.certificate.dual, rel=1e-4)


@pytest.mark.parametrize("function", CONCAVE, **BESIDE)
@pytest.mark.parametrize("share", [1.0, 0.4])
def test_where_reserves_take_all_more_goes_to_the_class_that_pays_most(function, share):
    """Both classes, or one, have all of it by their reserves; the price of the total is that of its best use."""
    for total in (0.01, 3.0, 1e4):
        problem = Problem.of(function, np.ones(5), total, classes=list("aabbb"), inherited=[0.0, 0.0, 1.0, 1.0, 1.0])
        found = solve(problem, Rules(reserve={"a": share, "b": 1.0 - share} if share < 1.0 else {"a": 1.0}))
        assert found.compute[:2] == pytest.approx(np.full(2, share * total / 2), rel=1e-9)
        assert found.price == pytest.approx(sim.plan(problem).marginal_power(found.compute).max(), rel=1e-6)
        assert found.certificate.relative_gap == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_one_firm_with_a_reserve_of_its_own_gets_the_total(seed):
    """Rounding of inherited + efficiency x compute must not leave the market without a price."""
    rng = luck(seed)
    function = SaturatingLoss(reference=500.0 * rng.uniform(), exponent=0.06, scale=0.03)
    problem = Problem.of(function, [rng.uniform()], 1e-5 * rng.uniform(), inherited=rng.uniform(), classes=["lab"])
    for rules in (Rules(reserve={"lab": 0.1}), Rules(reserve={"lab": 0.0}, alpha=np.inf)):
        assert solve(problem, rules).compute == pytest.approx([problem.total], rel=1e-12)


def test_compute_beyond_what_bent_power_can_tell_apart_is_given_out():
    problem = Problem.of(Hill(reference=0.08, exponent=5.66, midpoint=1.08), [40.0, 90.0], 8.1, weight=[2.3, 0.16])
    assert solve(problem, Rules(floor=0.4995)).compute.sum() == pytest.approx(8.1)


def test_under_the_least_hhi_everyone_has_the_same_and_the_bound_is_its_value():
    """Straight power, of which the best firm would take all; the price of such a bound has no limit."""
    problem = Problem.of([Linear(1.0), PowerLaw(1.0, gamma=0.63)], [1.0, 5.0, 2.0, 9.0], 8.0, sector=[0, 1, 0, 1])
    for rules in (Rules(max_hhi=2500.0), Rules(max_gini=0.0), Rules(max_hhi=2500.0, max_gini=0.9)):
        found = solve(problem, rules)
        assert found.compute == pytest.approx(np.full(4, 2.0), rel=1e-12)
        assert found.certificate.gap == 0.0
        more = solve(replace(problem, total=8.0 + 1e-6), rules)
        assert found.price == pytest.approx((more.certificate.primal - found.certificate.primal) / 1e-6, rel=1e-4)


@pytest.mark.parametrize(
    "rules",
    [
        Rules(max_hhi=2000.0, reserve={"sme": 1.0}),
        Rules(max_hhi=1500.0, reserve={"sme": 0.9}),
        Rules(max_hhi=2000.0, reserve={"sme": 0.3}, resources=(Resource("energy", 10.0, {"lab": 0.5, "sme": 1.0}),)),
    ],
)
def test_an_allocation_under_a_bound_on_hhi_keeps_reserves_and_resources_too(rules):
    problem = dozen(Linear(reference=1.0))
    found, bounds = solve(problem, rules), limits(problem, rules)
    assert found.compute[4:].sum() >= bounds.groups[0].least * (1.0 - 1e-7)
    assert 1e4 * indices.hhi(found.compute) <= rules.max_hhi * (1.0 + 1e-7)
    assert np.all(bounds.needs @ found.compute <= bounds.stocks * (1.0 + 1e-7))
    assert found.certificate.relative_gap >= -1e-7


def test_marginal_power_without_compute_is_that_of_the_limit():
    made = sim.plan(
        Problem.of([PowerLaw(1.0, gamma=0.63), Linear(2.0), Hill(1.0, 2.0, 3.0)], np.ones(3), 3.0, sector=[0, 1, 2])
    )
    assert made.marginal_power(np.zeros(3)) == pytest.approx([np.inf, 0.5, 0.0])
    assert solve(dozen(CONCAVE[0]), Rules(reserve={"sme": 1.0})).price == np.inf


def test_figures_of_a_plan_that_gains_nothing_say_so_and_have_ticks_that_differ():
    made = sim.plan({"extends": "ten_firm_city", "power": {"family": "linear"}}, rules={"cap": 0.25})
    assert made.plot().texts[0].get_text().replace("\n", " ").endswith("make the same AI power of it")
    figure = frontier_figure(made, made.frontier())
    (axes,) = [axes for axes in figure.axes if axes.get_label() == "frontier"]
    figure.canvas.draw()
    ticks = [label.get_text() for label in axes.get_yticklabels()]
    assert len(ticks) == len(set(ticks)) > 3
    assert not any("-0.0%" in text.get_text() for text in axes.get_legend().get_texts())
