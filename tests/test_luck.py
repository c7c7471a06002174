"""Luck depends on its key alone."""

import zlib

import numpy as np
import pytest
from scipy import stats

from sim.luck import Luck, poisson_distribution


def test_a_replicate_keeps_its_luck_in_any_company() -> None:
    together = Luck(1, [0, 1, 2]).uniform("quality", 3, 10)
    apart = [Luck(1, [replicate]).uniform("quality", 3, 10)[0] for replicate in (0, 1, 2)]
    assert np.array_equal(together, apart)


def test_a_slot_keeps_its_luck_when_slots_are_added() -> None:
    few, many = Luck(1, [5]).uniform("quality", 3, 7), Luck(1, [5]).uniform("quality", 3, 1000)
    assert np.array_equal(few[0], many[0, :7])


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((0, 0, "quality", 0), (1, 0, "quality", 0)),
        ((0, 0, "quality", 0), (0, 1, "quality", 0)),
        ((0, 0, "quality", 0), (0, 0, "progress", 0)),
        ((0, 0, "quality", 0), (0, 0, "quality", 1)),
    ],
    ids=["seed", "replicate", "decision", "period"],
)
def test_every_part_of_the_key_matters(left, right) -> None:
    draws = [
        Luck(seed, [replicate]).uniform(decision, period, 50) for seed, replicate, decision, period in (left, right)
    ]
    assert abs(np.corrcoef(draws[0][0], draws[1][0])[0, 1]) < 0.5
    assert not np.isclose(draws[0], draws[1]).any()


@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_draws_stand_where_a_new_generator_with_the_same_key_starts(seed: int) -> None:
    replicates = [3, 2**32 - 1]
    words = [(replicate << 32) | zlib.crc32(b"quality") for replicate in replicates]
    streams = [np.random.Philox(key=np.array([seed, word], np.uint64), counter=[0, 5, 0, 0]) for word in words]
    expected = [[((int(raw) >> 11) + 0.5) / 2**53 for raw in stream.random_raw(9)] for stream in streams]
    assert np.array_equal(Luck(seed, replicates).uniform("quality", 5, 9), expected)


def test_uniform_draws_are_uniform_inside_the_unit_interval() -> None:
    draws = Luck(0, range(200)).uniform("quality", 0, 500).ravel()
    assert 0.0 < draws.min() and draws.max() < 1.0
    assert stats.kstest(draws, "uniform").pvalue > 0.01


def test_normal_draws_are_normal() -> None:
    assert stats.kstest(Luck(0, range(200)).normal("quality", 0, 500).ravel(), "norm").pvalue > 0.01


@pytest.mark.parametrize("mean", [0.0, 0.3, 6.0, 60.0])
def test_poisson_distribution_is_scipys(mean: float) -> None:
    cumulative = poisson_distribution(mean)
    assert np.allclose(cumulative, stats.poisson.cdf(np.arange(len(cumulative)), mean), atol=1e-12)


def test_poisson_counts_have_the_mean_and_variance_of_a_poisson() -> None:
    counts = Luck(3, range(4000)).poisson("entry: number", 0, 6.0)
    assert abs(counts.mean() - 6.0) < 5 * (6.0 / 4000) ** 0.5
    assert abs(counts.var() / 6.0 - 1.0) < 0.15
