"""Sentences of reports against hand-made tables: they say what the rows say, and never more."""

import re

import numpy as np
import pandas as pd
import pytest

from sim.report.comparison import records
from sim.report.page.sentences import (
    balance_sentence,
    cost_sentence,
    count_sentence,
    effect_sentence,
    extreme_sentences,
    failure_sentences,
    flywheel_sentence,
    parties_sentence,
    scenario_sentences,
    turning_sentence,
)
from tests.comparisons import pairs_of_numbers


def row(measure="hhi_revenue", effect=-212.0, half=32.0, verdict="clear", **other):
    """One row of a table of effects."""
    made = {
        "scenario": "cap",
        "kind": "policy",
        "against": "base",
        "measure": measure,
        "horizon": "2035Q4",
        "unit": "points",
        "reference_mean": 3521.0,
        "scenario_mean": 3521.0 + effect,
        "effect": effect,
        "ci90_low": effect - 0.8 * half,
        "ci90_high": effect + 0.8 * half,
        "ci95_low": effect - half,
        "ci95_high": effect + half,
        "n": 200,
        "n_changed": 200,
        "p_holm": 0.001,
        "smallest_effect": 25.0,
        "verdict": verdict,
        "replicates_to_decide": np.nan,
    }
    return made | other


UNDECIDED = {"verdict": "undecided", "replicates_to_decide": 420.0, "p_holm": 1.0}


def test_a_clear_effect_has_direction_size_interval_and_levels():
    assert effect_sentence(row()) == (
        "cap lowers the HHI of revenue by 212 points (95% interval 180 to 244 points, from 3,521 to 3,309)."
    )
    power = row("total_power", 30.0, 10.0, unit="ratio", reference_mean=1000.0, scenario_mean=1030.0)
    assert effect_sentence(power) == ("cap raises total AI power by 3% (95% interval 2 to 4%, from 1,000 to 1,030).")
    share = row("small_firm_share_of_compute", 0.02, 0.005, unit="share", reference_mean=0.17, scenario_mean=0.19)
    said = effect_sentence(share)
    assert "by 2 percentage points (95% interval 1.5 to 2.5 percentage points, from 17% to 19%)" in said


def test_a_measure_that_is_0_in_the_reference_has_no_levels():
    gain = row("consumer_gain_paired", 12.3, 2.0, unit="$bn", reference_mean=0.0, scenario_mean=12.3)
    assert (
        effect_sentence(gain) == "cap raises what buyers gain over the reference by 12 $bn (95% interval 10 to 14 $bn)."
    )


def test_an_effect_that_holms_correction_takes_away_says_so():
    assert "no longer clear when corrected" in effect_sentence(row(p_holm=0.2))
    assert "corrected" not in effect_sentence(row(p_holm=np.nan)), "a measure outside the family is not corrected"


@pytest.mark.parametrize("effect", [-60.0, 60.0])
def test_an_undecided_effect_has_no_direction(effect):
    said = effect_sentence(row(effect=effect, half=90.0, **UNDECIDED))
    assert said.startswith("What cap does to the HHI of revenue is undecided")
    assert "95% interval" in said and "about 420 replicates would decide" in said
    assert not re.search(r"\b(lower|raise|fall|rise|higher)", said)


def test_an_undecided_effect_says_why():
    rare = row(effect=3.0, half=2.0, verdict="undecided", n_changed=3, replicates_to_decide=700.0)
    assert "only 3 of 200 pairs differ at all" in effect_sentence(rare)
    never = row(effect=25.0, half=90.0, verdict="undecided", replicates_to_decide=np.inf)
    assert "not even a million replicates would decide" in effect_sentence(never)
    alone = row(verdict="undecided", n=1, n_changed=1, ci95_low=np.nan, ci95_high=np.nan)
    assert "one pair gives no interval" in effect_sentence(alone)


def test_a_negligible_effect_has_a_bound_and_no_direction():
    said = effect_sentence(row(effect=4.0, half=5.0, verdict="negligible"))
    assert said == (
        "cap changes the HHI of revenue by less than the 25 points that would matter "
        "(+4 points; 90% interval 0 to +8 points)."
    )
    same = row(effect=0.0, half=0.0, verdict="negligible")
    assert effect_sentence(same) == "cap leaves the HHI of revenue as it is in every pair."


def test_an_undefined_effect_is_said_to_be_so():
    none = row("welfare_paired", np.nan, verdict="undecided", n=0, n_changed=0)
    assert effect_sentence(none) == "cap: the effect on welfare over the reference is not defined."


def test_a_change_of_world_is_not_said_of_the_policy():
    said = effect_sentence(row(kind="world"))
    assert said.startswith("The change of world in cap lowers the HHI of revenue by 212 points")


def test_one_scenarios_sentences_sort_measures_by_what_is_known():
    rows = [
        row(),
        row("hhi_power", 40.0, 8.0),
        row("hhi_compute_used", -60.0, 90.0, **UNDECIDED),
        row("gini_revenue", 0.001, 0.001, "negligible", unit="index"),
        row("welfare_paired", np.nan, verdict="undecided", n=0),
    ]
    assert scenario_sentences(rows) == [
        "cap lowers the HHI of revenue by 212 points (180 to 244 points).",
        "cap raises the HHI of AI power by 40 points (32 to 48 points).",
        "Less than would matter: the Gini coefficient of revenue.",
        "Undecided: the HHI of compute used.",
        "Not defined: welfare over the reference.",
    ]
    assert scenario_sentences(rows[2:3])[0] == "cap has no clear effect on any measure shown."
    assert scenario_sentences([]) == []


def test_trade_offs_are_said_of_clear_effects_alone():
    worse = row("total_power", -30.0, 9.0, unit="ratio")
    assert balance_sentence([row(), worse]) == "A trade-off: better in the HHI of revenue; worse in total AI power."
    assert balance_sentence([row(), worse | UNDECIDED]).startswith("No clear effect on a measure shown is unwanted")
    assert balance_sentence([row("rental_price", 5.0, 1.0)]) == "", (
        "a rent's direction is nobody's and everybody's wish"
    )
    assert balance_sentence([row(**UNDECIDED)]) == ""


def test_scenarios_are_counted_by_verdict():
    rows = [
        row(),
        row(effect=-80.0, scenario="levy"),
        row(effect=90.0, scenario="split"),
        row(effect=2.0, half=3.0, verdict="negligible"),
        row(effect=40.0, half=90.0, **UNDECIDED),
        row(effect=np.nan, verdict="undecided"),
    ]
    assert count_sentence(rows) == (
        "The HHI of revenue in 2035Q4: of 6 scenarios, 2 clearly lower it, 1 clearly raises it, 1 changes it by less than "
        "would matter, 1 is undecided and 1 has no defined effect."
    )


def test_extremes_are_those_of_clear_effects_whatever_the_means():
    rows = [row(), row(effect=-900.0, half=2000.0, scenario="wild", **UNDECIDED), row(effect=90.0, scenario="split")]
    (_, fall), (_, rise) = extreme_sentences(rows, {"cap": 0.64})
    assert fall == (
        "The largest clear fall on average is that of cap: 212 points (180 to 244 points), and the lowest of all in 64% "
        "of replicates."
    )
    assert "split: 90 points (58 to 122 points)" in rise and "of replicates" not in rise
    assert extreme_sentences([row(**UNDECIDED)]) == []


def variants(*directions):
    return [
        {"variant": "flywheel", "value": value, "measure": "hhi_revenue", "direction": word, "n": 25}
        for value, word in zip(("0.5", "1.0", "1.5"), directions, strict=True)
    ]


def test_signs_at_other_flywheels_are_told_as_they_are():
    assert flywheel_sentence(variants("down", "down", "down")) == (
        "The HHI of revenue falls at each flywheel elasticity tried (0.5, 1 and 1.5)."
    )
    turns = flywheel_sentence(variants("down", "none", "up"))
    assert "changes sign" in turns
    assert turns.endswith("falls at 0.5, changes by less than would matter at 1 and rises at 1.5.")
    said = "it falls at 0.5 and is undecided at 1 and 1.5."
    for n_pairs, opening in ((26, "Looked at again with fewer pairs"), (25, "Looked at again")):
        again = flywheel_sentence(variants("down", "unclear", "unclear"), "it", n_pairs)
        assert again == f"{opening}: {said}", "undecided is not another effect"
    assert "is not the same: it falls at 0.5" in flywheel_sentence(variants("down", "none", "unclear"), "it")
    assert flywheel_sentence(variants("none", "none", "none"), "it").startswith(
        "It changes by less than would matter at"
    )
    assert "changes sign" not in flywheel_sentence(variants("down", "unclear", "unclear")), "undecided is no sign"


def test_effects_that_turn_are_counted():
    assert turning_sentence([], 7, ["flywheel 0.5"]).startswith("None of the 7 clear effects clearly changes its sign")
    assert turning_sentence([], 0, ["flywheel 0.5"]).startswith("No effect is clear")
    said = turning_sentence([("cap", "policy", "hhi_revenue", "2035Q4")], 7, ["flywheel 0.5"])
    assert said.startswith("1 of 7 clear effects") and said.endswith("cap on the HHI of revenue (2035Q4).")


def cost(value, low, high):
    return {"fiscal_cost_per_point": value, "fiscal_ci95_low": low, "fiscal_ci95_high": high}


def test_a_point_costs_something_only_where_the_index_clearly_falls():
    assert cost_sentence(cost(1.0, 0.5, 2.0), row(**UNDECIDED)) == ""
    assert cost_sentence(cost(1.0, 0.5, 2.0), row(effect=90.0)) == ""
    paid = cost_sentence(cost(1.2, 0.5, 2.0), row())
    assert paid == (
        "A point less of the HHI of revenue costs the public budget 1.2 $bn since the start (95% interval 0.50 to 2)."
    )
    assert "brings the public budget 1.2 $bn since the start (95% interval 0.50 to 2)" in cost_sentence(
        cost(-1.2, -2.0, -0.5), row()
    )
    assert "is undecided" in cost_sentence(cost(0.1, -0.5, 0.7), row())
    assert "cannot be bounded" in cost_sentence(cost(1.0, -np.inf, np.inf), row())


def party(name, effect, half):
    return {"scenario": "cap", "party": name, "effect": effect, "ci95_low": effect - half, "ci95_high": effect + half}


def test_parties_gain_or_lose_only_where_the_interval_says_so():
    rows = [party("buyers", 12.0, 2.0), party("chip makers", -3.0, 1.0), party("lenders", 1.0, 5.0)]
    said = parties_sentence([*rows, party("government", 0.0, 0.0), party("welfare", 10.0, 1.0)], "2035Q4")
    assert said == (
        "In 2035, in $bn with 95% intervals, gain: buyers (12; 10 to 14); lose: chip makers (3; 2 to 4); open: lenders."
    )
    assert parties_sentence([party("buyers", 0.0, 0.0)], "2035Q4") == "In 2035 nobody gains or loses anything."
    assert "not defined" in parties_sentence([party("buyers", np.nan, 0.0)], "2035Q4")


def test_failures_are_said_and_nothing_is_said_of_what_could_not_run():
    failures = pd.DataFrame(
        [("cap", 3, "2027Q1", "no price clears."), ("cap", 9, "2029Q1", "x"), ("levy", None, "", "no such firm.")],
        columns=["scenario", "replicate", "quarter", "reason"],
    ).astype({"replicate": "Int64"})
    first, second = failure_sentences(failures, 200)
    assert first == (
        "2 replicates of 200 of cap failed, and with them their pairs are left out; the first in 2027Q1: no price clears."
    )
    assert second == "levy could not be run, so nothing is said of its effects: no such firm."


def test_sentences_of_a_comparison_follow_its_verdicts():
    """Twenty pairs: one measure moves for sure, one by luck, one not at all."""
    luck = np.random.default_rng(3).normal(0.0, 400.0, 20)
    changes = {"hhi_revenue": -200.0 + luck / 20, "hhi_power": luck, "total_power": 0.0 * luck}
    effects = pairs_of_numbers({"cap": changes}).effects
    said = {row["measure"]: effect_sentence(row) for row in records(effects)}
    assert said["hhi_revenue"].startswith("cap lowers the HHI of revenue by")
    assert said["hhi_power"].startswith("What cap does to the HHI of AI power is undecided")
    assert said["total_power"] == "cap leaves total AI power as it is in every pair."
