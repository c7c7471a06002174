"""Intervals, verdicts and sizes of paired samples, against SciPy, closed forms and known truths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from sim.comparison.bootstrap import FEW_PAIRS, widening
from sim.comparison.statistics import (
    LEVELS,
    half_width,
    holm,
    interval,
    p_value,
    paired,
    replicates_to_decide,
    verdict,
)
from sim.comparison.tradeoffs import ratio_interval, undominated

FINITE = st.floats(-1e6, 1e6, allow_nan=False, width=32)


def sample(n=30, seed=0, shift=0.4):
    rng = np.random.default_rng(seed)
    base = rng.normal(10.0, 3.0, n)
    return base + shift + 0.5 * rng.normal(size=n), base


def one(values):
    return np.array([values], dtype=float)


# --- against SciPy ---------------------------------------------------------------------------


def test_effect_interval_and_p_value_are_those_of_the_paired_t_test():
    scenario, base = sample()
    found = paired(scenario, base)
    theirs = stats.ttest_rel(scenario, base)
    assert found.effect == pytest.approx(scenario.mean() - base.mean())
    for level in (0.90, 0.95):
        mine = interval(found.effect, found.error, found.n, level)
        assert mine == pytest.approx(tuple(theirs.confidence_interval(level)))
    assert p_value(found.effect, found.error, found.n) == pytest.approx(theirs.pvalue)


def test_the_variance_ratio_is_that_of_independent_over_paired_differences():
    scenario, base = sample()
    ratio = (scenario.var(ddof=1) + base.var(ddof=1)) / (scenario - base).var(ddof=1)
    assert paired(scenario, base).variance_ratio == pytest.approx(ratio)
    assert ratio > 10
    shuffled = np.random.default_rng(1).permutation(base)
    assert 0.4 < paired(scenario, shuffled).variance_ratio < 2.5, "pairs of different luck gain nothing"


def test_a_pair_with_an_undefined_value_drops_out_of_its_column_only():
    scenario, base = sample(8)
    table = np.stack([scenario, scenario], axis=1)
    table[3, 0] = np.nan
    found = paired(table, np.stack([base, base], axis=1))
    kept = np.arange(8) != 3
    assert found.n.tolist() == [7, 8]
    assert found.effect[0] == pytest.approx((scenario - base)[kept].mean())
    assert found.effect[1] == pytest.approx((scenario - base).mean())
    assert found.reference[0] == pytest.approx(base[kept].mean())


@given(arrays(float, (6, 2), elements=FINITE), st.permutations(range(6)))
def test_the_order_of_pairs_does_not_matter(values, order):
    a, b = paired(values[:, 0], values[:, 1]), paired(values[order, 0], values[order, 1])
    assert a.effect == pytest.approx(b.effect, abs=1e-6)
    assert a.rising == b.rising and a.changed == b.changed


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_pairs_have_no_interval_and_decide_nothing(n):
    found = paired(np.arange(n, dtype=float) + 1.0, np.zeros(n))
    low, high = interval(found.effect, found.error, found.n, 0.95)
    assert np.isnan(low) and np.isnan(high)
    assert np.isnan(p_value(found.effect, found.error, found.n))
    assert verdict(found.effect, found.error, found.n, np.array(1.0)) == "undecided"
    assert np.isnan(replicates_to_decide(found.effect, found.error, found.n, np.array(1.0)))


def test_no_difference_at_all_is_negligible_and_a_constant_one_is_clear():
    base = np.array([1.0, 2.0, 4.0])
    same, moved = paired(base, base), paired(base + 2.0, base)
    assert (same.effect, same.error, p_value(*same[3:5], same.n)) == (0.0, 0.0, 1.0)
    assert verdict(same.effect, same.error, same.n, np.array(0.0)) == "negligible"
    assert np.isinf(same.variance_ratio)
    assert p_value(moved.effect, moved.error, moved.n) == 0.0
    assert verdict(moved.effect, moved.error, moved.n, np.array(1.0)) == "clear"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_equals_its_definition(p):
    mine = holm(np.array(p))
    order = np.argsort(p, kind="stable")
    largest = 0.0
    for rank, k in enumerate(order):
        largest = max(largest, min((len(p) - rank) * p[k], 1.0))
        assert mine[k] == pytest.approx(largest)


def test_holm_passes_over_what_is_undefined():
    assert holm(np.array([np.nan, 0.02, np.nan, 0.01])).tolist() == pytest.approx(
        [np.nan, 0.02, np.nan, 0.02], nan_ok=True
    )


# --- verdicts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("effect", "error", "word"),
    [(100.0, 10.0, "clear"), (-100.0, 10.0, "clear"), (5.0, 5.0, "negligible"), (20.0, 2.0, "negligible")]
    + [(20.0, 15.0, "undecided"), (0.0, 30.0, "undecided"), (30.0, 20.0, "undecided")],
)
def test_the_verdict_follows_from_the_intervals(effect, error, word):
    assert verdict(one(effect), one(error), one(100), one(25.0)).tolist() == [word]


def test_a_handful_of_pairs_that_differ_decides_nothing():
    effect, error, n = one(1.0), one(0.1), one(100)
    for changed, word in ((0, "clear"), (1, "undecided"), (9, "undecided"), (10, "clear"), (100, "clear")):
        assert verdict(effect, error, n, one(0.1), one(changed)).tolist() == [word]
    assert verdict(effect, error, one(5), one(0.1), one(5)).tolist() == ["clear"], "all of a few pairs differ"
    assert replicates_to_decide(effect, error, n, one(0.1), one(2)).item() == 500


def test_the_number_that_decides_has_the_power_that_it_promises():
    """Noncentral t: with that n, an effect and spread as estimated are clear in four of five repetitions."""
    for effect, spread in ((30.0, 140.0), (60.0, 90.0), (26.0, 500.0)):
        n = replicates_to_decide(one(effect), one(spread / np.sqrt(10)), one(10), one(0.5)).item()
        critical = stats.t.ppf(0.975, n - 1)
        assert stats.nct.sf(critical, n - 1, effect / spread * np.sqrt(n)) == pytest.approx(0.8, abs=0.02)


def test_the_number_that_decides_is_the_smallest():
    """Oracle: every n in turn, for effects that five pairs leave open and for minute ones."""
    n = np.arange(2, 20_000)
    reach = np.sqrt(n) / (stats.t.ppf(0.975, n - 1) + stats.t.ppf(0.8, n - 1))
    spread = np.exp(np.linspace(np.log(0.7), np.log(45.0), 300))
    found = replicates_to_decide(np.ones(300), spread / np.sqrt(5), np.full(300, 5.0), np.full(300, 1e-9))
    assert found.tolist() == np.maximum(n[np.searchsorted(reach, spread)], 6).tolist()


def test_a_small_effect_is_decided_as_negligible():
    n = replicates_to_decide(one(2.0), one(10.0), one(50), one(25.0)).item()
    spread = 10.0 * np.sqrt(50)
    assert half_width(one(spread / np.sqrt(n)), one(n), 0.90).item() < 23.0
    assert n < replicates_to_decide(one(2.0), one(10.0), one(50), one(5.0)).item()


# --- coverage, with a truth that is known ----------------------------------------------------

SHAPES = {
    "normal": lambda rng, size: rng.normal(1.0, 2.0, size),
    "skewed by 2": lambda rng, size: rng.exponential(1.0, size),
    "lognormal": lambda rng, size: rng.lognormal(0.0, 0.5, size) / np.exp(0.125),
    "long tails": lambda rng, size: 1.0 + rng.standard_t(4, size),
}


@pytest.mark.parametrize("n", [20, 100])
@pytest.mark.parametrize("shape", SHAPES)
def test_nine_of_ten_intervals_hold_a_known_truth(shape, n):
    rng = np.random.default_rng([n, len(shape)])
    values = SHAPES[shape](rng, (n, 4000))
    found = paired(values, np.zeros_like(values))
    low, high = interval(found.effect, found.error, found.n, 0.90)
    assert 0.85 <= np.mean((low <= 1.0) & (high >= 1.0)) <= 0.95


def test_an_interval_that_forgets_the_size_of_the_sample_would_be_seen():
    values = np.random.default_rng(0).normal(1.0, 2.0, (5, 4000))
    found = paired(values, np.zeros_like(values))
    half = stats.norm.ppf(0.95) * found.error
    assert np.mean(np.abs(found.effect - 1.0) <= half) < 0.85


def test_rare_events_are_why_a_handful_of_pairs_decides_nothing():
    """One in a hundred histories differs: intervals from 100 pairs miss the truth too often, and are not believed."""
    values = (np.random.default_rng(0).random((100, 4000)) < 0.01).astype(float)
    found = paired(values, np.zeros_like(values))
    low, high = interval(found.effect, found.error, found.n, 0.90)
    is_right = (low <= 0.01) & (high >= 0.01)
    assert is_right.mean() < 0.75
    words = verdict(found.effect, found.error, found.n, np.full(4000, 0.0001), found.changed)
    assert (words == "clear").mean() < 0.01


# --- few pairs -------------------------------------------------------------------------------


def widened(values):
    return widening(values, np.isfinite(values), LEVELS)


@pytest.mark.parametrize("n", [8, 20, 45, 120])
def test_widening_is_that_of_resamples_drawn_one_by_one(n):
    """SciPy's t of 20,000 other resamples: the quantiles differ by their own luck only."""
    rng = np.random.default_rng(n)
    sample = rng.lognormal(0.0, 1.0, n)
    again = rng.choice(sample, (20_000, n))
    scores = np.abs(stats.ttest_1samp(again, sample.mean(), axis=1).statistic)
    for level, mine in zip(LEVELS, widened(sample[:, None]), strict=True):
        theirs = np.quantile(scores[np.isfinite(scores)], level) / stats.t.ppf(0.5 + 0.5 * level, n - 1)
        assert theirs > 1.01
        assert mine.item() == pytest.approx(theirs, rel=0.08)


def test_many_pairs_and_fewer_than_five_are_not_widened():
    rng = np.random.default_rng(1)
    for n in (0, 1, 4, FEW_PAIRS, 2 * FEW_PAIRS):
        assert (widened(rng.lognormal(0.0, 2.0, (n, 40))) == 1.0).all()
    for n in (5, FEW_PAIRS - 1):
        assert (widened(rng.lognormal(0.0, 2.0, (n, 400))) > 1.02).mean() > 0.8


def test_pairs_that_do_not_vary_are_not_widened_and_one_that_does_is_finite():
    values = np.zeros((20, 3))
    values[:, 1] = 0.1
    values[7, 2] = 1.0
    found = widened(values)
    assert (found[:, :2] == 1.0).all() and np.isfinite(found).all()


def test_widening_depends_on_the_column_alone():
    rng = np.random.default_rng(2)
    values = rng.exponential(1.0, (20, 3, 400))
    values[4, 1, 2] = np.nan
    together = widened(values)
    assert together.shape == (2, 3, 400)
    for place in np.ndindex(3, 400):
        alone = values[(slice(None), *place)]
        assert (widened(alone) == together[(slice(None), *place)]).all()
    kept = np.delete(values[:, 1, 2], 4)
    assert (widened(kept) == together[:, 1, 2]).all()


def test_widened_intervals_verdicts_and_p_values_say_the_same():
    rng = np.random.default_rng(3)
    values = rng.exponential(1.0, (12, 3000)) - 0.6
    found = paired(values, np.zeros_like(values))
    low, high = found.interval(0.95)
    is_out = (low > 0.0) | (high < 0.0)
    assert ((p_value(found.effect, found.error_at(0.95), found.n) < 0.05) == is_out).all()
    words = verdict(found.effect, found.error, found.n, np.zeros(3000), found.changed, found.widening)
    assert ((words == "clear") == is_out).all()
    plain = verdict(found.effect, found.error, found.n, np.zeros(3000), found.changed)
    assert (words == "clear").sum() < (plain == "clear").sum()
    narrow, wide = found.half_width(0.90), found.half_width(0.95)
    assert (narrow < wide).all()
    assert np.array_equal(found.interval(0.90), interval(found.effect, found.error_at(0.90), found.n, 0.90))


def test_the_number_that_decides_knows_that_intervals_of_few_pairs_are_wider():
    question = one(30.0), one(12.0), one(20), one(0.5)
    plain, wider = (replicates_to_decide(*question, None, widening).item() for widening in ((1.0, 1.0), (1.6, 1.6)))
    assert wider == pytest.approx(1.6**2 * plain, rel=0.1) and wider < FEW_PAIRS
    question = one(30.0), one(30.0), one(20), one(0.5)
    plain, wider = (replicates_to_decide(*question, None, widening).item() for widening in ((1.0, 1.0), (1.6, 1.6)))
    assert plain < FEW_PAIRS == wider
    question = one(30.0), one(60.0), one(20), one(0.5)
    many = replicates_to_decide(*question).item()
    assert many > FEW_PAIRS and replicates_to_decide(*question, None, (1.6, 1.6)).item() == many


def test_few_pairs_with_a_rare_event_need_the_widening():
    """One pair in eleven moves far: of 30 pairs, Student's 90% intervals miss the truth more often than they say."""
    rng = np.random.default_rng(4)
    values = np.where(rng.random((30, 4000)) < 1.0 / 11.0, 1000.0, rng.normal(0.0, 150.0, (30, 4000)))
    found = paired(values, np.zeros_like(values))
    off = np.abs(found.effect - 1000.0 / 11.0)
    students, widened_ones = half_width(found.error, found.n, 0.90), found.half_width(0.90)
    assert np.mean(off > students) > 0.12
    assert 0.05 < np.mean(off > widened_ones) < 0.11


# --- ratios and fronts -----------------------------------------------------------------------


def test_nine_of_ten_fieller_intervals_hold_the_ratio():
    rng = np.random.default_rng(3)
    hits = []
    for _ in range(1500):
        points = rng.normal(4.0, 6.0, 40)
        cost = 2.5 * points + rng.normal(0.0, 5.0, 40)
        _, low, high = ratio_interval(cost, points, 0.90)
        hits.append(low <= 2.5 <= high)
    assert 0.87 <= np.mean(hits) <= 0.93


def test_a_ratio_to_nothing_is_anything():
    noise = np.array([1.0, -1.0, 1.0, -1.0, 0.1])
    ratio, low, high = ratio_interval(np.ones(5), noise, 0.95)
    assert (low, high) == (-np.inf, np.inf) and np.isfinite(ratio)
    assert np.isnan(ratio_interval(np.ones(4), noise[:4], 0.95)[0])


@given(arrays(float, (5, 3), elements=st.integers(-3, 3).map(float)))
def test_the_front_is_what_the_definition_says(gains):
    for k, is_best in enumerate(undominated(gains)):
        beaten = any((other >= gains[k]).all() and (other > gains[k]).any() for other in gains)
        assert is_best == (not beaten)
