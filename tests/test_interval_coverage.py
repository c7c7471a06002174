"""Nine of ten 90% intervals of a paired effect hold the truth, in a world whose truth is known (of 5,000 pairs, or 300)."""

import numpy as np
import pytest

import sim
from sim.comparison.comparing import BATCH
from sim.comparison.statistics import half_width, paired
from tests.comparisons import small

EXPERIMENTS = 2000
NAMES = ("hhi_revenue", "hhi_compute_used", "total_power", "consumer_gain_paired")


def population(n: int, quarters: int, workers: int = 2) -> dict[str, np.ndarray]:
    """Differences of many pairs in the last year, by measure: without open weights against with them."""
    base = sim.load_scenario(small("base")).replace(replicates=n, quarters=quarters)
    closed = sim.load_scenario(small("closed") | {"mechanisms": {"open_weights": False}})
    made = sim.compare(base, [closed], workers=workers)
    last = made.quarters[-1]
    return {name: made.pairs("closed", name)["difference"].xs(last, level="quarter").to_numpy() for name in NAMES}


def holds(sample: np.ndarray, truth: float) -> bool:
    found = paired(sample, np.zeros_like(sample))
    low, high = found.interval(0.90)
    return bool(low <= truth <= high)


def stopped(draws: np.ndarray, target: float) -> np.ndarray:
    """The sample with which a run that adds batches ends: narrow at two looks in a row."""
    n, was_narrow = BATCH, False
    while n < len(draws):
        found = paired(draws[:n], np.zeros(n))
        is_narrow = float(found.half_width(0.95)) <= target
        if is_narrow and was_narrow:
            break
        was_narrow = is_narrow
        n += BATCH
    return draws[:n]


def check_coverage(differences: dict[str, np.ndarray]) -> None:
    """85 to 95% in 2,000 experiments, at 20 to 100 pairs and when one may stop early; samples with replacement."""
    rng = np.random.default_rng(0)
    for name, values in differences.items():
        truth = values.mean()
        assert abs(truth) > 5 * values.std() / np.sqrt(len(values)), f"{name}: the effect is not zero"
        for n in (20, 35, 50, 100):
            hits = [holds(rng.choice(values, n), truth) for _ in range(EXPERIMENTS)]
            assert 0.85 <= np.mean(hits) <= 0.95, (name, n, np.mean(hits))
        target = 1.96 * values.std() / np.sqrt(150)
        ends = [stopped(rng.choice(values, 1000), target) for _ in range(EXPERIMENTS)]
        assert 2 * BATCH <= np.median([len(end) for end in ends]) < 500
        hits = [holds(end, truth) for end in ends]
        assert 0.85 <= np.mean(hits) <= 0.95, (name, "until", np.mean(hits))


@pytest.mark.long
def test_intervals_hold_the_truth_of_five_thousand_pairs():
    check_coverage(population(5_000, quarters=12))


def test_intervals_hold_the_truth_of_a_few_quarters():
    check_coverage(population(300, quarters=2))


def test_stopping_early_without_confirming_or_a_least_number_would_be_seen():
    """From 3 pairs on, one at a time and unconfirmed, skewed effects are missed too often."""
    rng = np.random.default_rng(0)
    hits = []
    for _ in range(300):
        draws = rng.exponential(1.0, 400)
        n = next(
            (
                k
                for k in range(3, 400)
                if float(half_width(draws[:k].std(ddof=1) / np.sqrt(k), np.array(float(k)), 0.95)) <= 0.3
            ),
            400,
        )
        hits.append(holds(draws[:n], 1.0))
    assert np.mean(hits) < 0.8
