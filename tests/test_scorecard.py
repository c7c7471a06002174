"""The scorecard: patterns measured as others define them, tables and pages that say what is in them."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import gennorm, pareto

from sim.app.cli import main
from sim.experiment import patterns as subject
from sim.experiment import scoring
from sim.experiment.forecasts import QUANTITIES, facts, forecast_table
from sim.experiment.patterns import ABLATIONS, FOLLOWED, NULL, PATTERNS, SENSITIVITY, patterns, subbotin_exponent
from sim.experiment.sampling import sample
from sim.experiment.targets import targets
from sim.pool import Pool
from sim.report.scorecard import forecast_page, number, scorecard_page, span
from sim.scenario import load_scenario

GENERATOR = np.random.default_rng(3)


@pytest.mark.parametrize("shape", [0.7, 1.0, 2.0])
def test_the_subbotin_exponent_is_scipys(shape):
    grid = (np.arange(200_000) + 0.5) / 200_000
    assert subbotin_exponent(gennorm.ppf(grid, shape)) == pytest.approx(shape, rel=0.02)


def test_an_exponent_of_nothing_is_undefined():
    assert np.isnan(subbotin_exponent(np.zeros(50))) and np.isnan(subbotin_exponent(np.ones(3)))


def test_hill_finds_the_tail_of_a_pareto():
    sales = pareto.ppf((np.arange(20_000) + 0.5) / 20_000, 1.3)
    assert subject._tail(sales) == pytest.approx(1.3, rel=0.02)


def test_the_slope_of_spread_is_that_of_the_law_it_was_drawn_from():
    size = GENERATOR.uniform(0.0, 8.0, 40_000)
    growth = np.exp(-0.15 * size) * GENERATOR.normal(size=len(size))
    assert subject._slope_of_spread(growth, size) == pytest.approx(-0.15, abs=0.01)


def test_growth_counts_only_firms_that_stay():
    firms = {
        "revenue": np.array([[1.0, 2.0, 4.0, 8.0], [2.0, 2.0, 9.0, 8.0]]),
        "active": np.array([[True, True, True, False], [True, True, True, True]]),
        "generation": np.array([[0, 0, 0, 0], [0, 0, 1, 0]]),
    }
    growth, size = subject._growth(firms)
    assert growth == pytest.approx([0.5 * np.log(2.0), -0.5 * np.log(2.0)])
    assert size == pytest.approx(np.log([1.0, 2.0]))


@pytest.fixture(scope="module")
def sampled():
    small = {"parameters": {"small_firms_initial": 10, "entry_slots": 48}}
    scenario = load_scenario({"name": "few", "world": small, "run": {"replicates": 4}, "horizon": {"end": "2030Q4"}})
    with Pool() as pool:
        return sample(scenario, _both, pool)


def _both(recording):
    return patterns(recording) | facts(recording)


@pytest.fixture(scope="module")
def card(sampled):
    """A scorecard whose variants are one small run, moved a little."""
    _, found = sampled
    sets = [0, 0, 1, 1]
    heads = {name: np.arange(4.0) for name in FOLLOWED}
    variants = {name: {} if name == "no entry" else found for name in ABLATIONS}
    return scoring.Scorecard(
        scoring._target_table(found, found, sets),
        scoring._pattern_table(found),
        scoring._ablation_table(found, variants, found),
        scoring._sensitivity_table(heads, {name: heads for name in SENSITIVITY}),
        forecast_table(found, sets, 2024),
        {"date": "2025-01-01"},
        ("no entry: it could not",),
    )


def test_every_target_has_its_row_and_every_miss_its_words(card):
    frame = card.targets.set_index("target")
    assert list(frame.index) == [target.name for target in targets()]
    for target in targets():
        row = frame.loc[target.name]
        assert row["is_hit"] == (target.low <= row["model"] <= target.high)
        assert bool(row["why"]) != row["is_hit"]
    assert set(scoring.MISSES) <= set(frame.index) and set(subject.UNSHOWN) <= set(PATTERNS)


def test_a_forecast_is_of_the_replicates_that_define_it():
    values = np.array([[np.nan], [1.0], [5.0], [7.0], [9.0]]) + np.zeros(6)
    sets = [0, 0, 1, 1, 2]
    row, whole = (forecast_table({"open_lag": v}, s, 2025).iloc[0] for v, s in ((values, sets), (values[1:], sets[1:])))
    assert row.equals(whole) and row["p50"] == 6.0
    none = forecast_table({"open_lag": np.full((4, 6), np.nan)}, [0, 0, 1, 1], 2025)
    assert none[["p5", "p50", "p95", "luck_share_of_variance"]].isna().all(axis=None)


def test_forecasts_are_ordered_and_shares_add_up(card, sampled):
    frame = card.forecasts
    assert set(frame["quantity"]) == set(QUANTITIES) and set(frame["year"]) == set(range(2025, 2031))
    quantiles = frame[["p5", "p25", "p50", "p75", "p95"]].to_numpy()
    assert (np.diff(quantiles, axis=1) >= 0.0).all()
    for kind in ("lab_share", "owner_share"):
        total = sum(values for name, values in sampled[1].items() if name.startswith(f"{kind}|"))
        assert np.allclose(total, 1.0)
    of_2030 = frame[(frame["quantity"] == "chip_stock") & (frame["year"] == 2030)]
    assert of_2030["p50"].item() == pytest.approx(np.median(sampled[1]["chip_stock"][:, 6]))


def test_the_pages_and_files_hold_every_table(card, tmp_path):
    page = scorecard_page(card)
    for name in (*PATTERNS, *ABLATIONS, *FOLLOWED, NULL):
        assert name in page
    assert "Could not run: no entry: it could not." in page
    assert all(quantity.sentence[1:] in forecast_page(card) for quantity in QUANTITIES.values())
    files = {path.relative_to(tmp_path).as_posix() for path in card.save(str(tmp_path))}
    assert {"targets.csv", "forecasts.csv", "scorecard.md", "forecasts.md", "images/ablations.svg"} <= files
    read = pd.read_csv(tmp_path / "ablations.csv", index_col=0)
    assert read["no entry"].isna().all() and list(read.index) == list(PATTERNS)


def test_the_command_prints_hits_and_misses(card, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sim.experiment.scoring.scorecard", lambda **asked: card)
    with pytest.raises(SystemExit) as end:
        main(["scorecard", "--out", str(tmp_path)])
    told = capsys.readouterr()
    assert not end.value.code and "of 18 fitted facts lie inside" in told.out
    assert "Could not run: no entry" in told.err and (tmp_path / "forecasts.csv").exists()
    with pytest.raises(SystemExit):
        main(["scorecard", "--out", str(tmp_path), "--json"])
    assert len(json.loads(capsys.readouterr().out)["targets"]) == 24


@pytest.mark.parametrize(("value", "text"), [(0.1234, "0.123"), (4577.4, "4,577"), (2.5e26, "2.50e+26"), (np.nan, "-")])
def test_numbers_are_short(value, text):
    assert number(value) == text


def test_an_open_range_says_so():
    assert (span(-np.inf, -1.0), span(1.0, np.inf), span(0.5, 1.5)) == ("below -1", "above 1", "0.5 to 1.5")


@pytest.mark.parametrize("changes", [*ABLATIONS.values(), *SENSITIVITY.values()], ids=[*ABLATIONS, *SENSITIVITY])
@pytest.mark.filterwarnings("ignore::sim.scenario.ScenarioWarning")
def test_every_variant_changes_the_baseline(changes):
    varied = load_scenario("baseline", overrides=list(changes))
    assert varied.content_hash() != load_scenario("baseline").content_hash()
