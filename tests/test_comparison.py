"""Comparisons: what is paired with what, tables worked by hand, common luck, failures, folders."""

import json
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pandas as pd
import pytest

import sim
from sim.comparison import HEADLINES, comparing, outcomes, smallest_effect
from sim.comparison.comparison import Comparison
from sim.comparison.design import design, key_of
from sim.comparison.effects import PAIRED_MEASURES
from sim.comparison.outcomes import Outcome
from sim.comparison.worlds import Worlds
from sim.ensemble import Job, may_look
from sim.errors import FailureError, InputError, ResultError, ScenarioError
from sim.observe import MEASURES, OPTIONAL, Failure
from sim.submodels.demand import consumer_gain
from tests.comparisons import QUARTERS, base, pairs_of_numbers, scenario, small, synthetic

NO_OPEN = {"mechanisms": {"open_weights": False}}
NO_IMITATION = {"mechanisms": {"imitation": False}}


@cache
def few() -> Comparison:
    """A small comparison: two changes of world, and the baseline under another name."""
    return sim.compare(base(), [scenario("no-open", NO_OPEN), scenario("same"), scenario("no-imitation", NO_IMITATION)])


# --- design ----------------------------------------------------------------------------------


def names_of(plan):
    called = {key: key for key in plan.runs}
    called |= {key_of(each): name for name, each in plan.scenarios.items()}
    called[key_of(plan.baseline)] = "base"
    return [(c.scenario, c.kind, called[c.run], called[c.reference]) for c in plan.contrasts]


def with_policies(name, change=None, *policies):
    """A scenario as it will be when policies exist: its list of policies is not checked."""
    return scenario(name, change).model_copy(update={"policies": policies})


CAP = {"training_cap": {"flop": 1e26}}


def test_policies_alone_are_measured_against_the_baseline():
    plan = design(base(), [with_policies("cap", None, CAP)])
    assert names_of(plan) == [("cap", "policy", "cap", "base")]
    assert len(plan.runs) == 2


def test_policies_in_another_world_are_measured_against_that_world_without_them():
    plan = design(base(), [with_policies("both", NO_OPEN, CAP), scenario("no-open", NO_OPEN)])
    assert names_of(plan) == [
        ("both", "policy", "both", "no-open"),
        ("both", "world", "no-open", "base"),
        ("no-open", "world", "no-open", "base"),
    ]
    assert len(plan.runs) == 3, "the twin of one scenario is the other: it runs once"
    assert plan.contrasts[0].against == "both without its policies"


def test_a_twin_keeps_the_policies_of_the_baseline():
    baseline = with_policies("b", None, CAP)
    plan = design(baseline, [with_policies("none", None), with_policies("other", NO_OPEN, CAP)])
    assert [c.kind for c in plan.contrasts] == ["policy", "world"]
    assert plan.contrasts[0].reference == plan.contrasts[1].reference == key_of(baseline)


def test_run_horizon_and_record_of_a_scenario_are_the_baselines():
    other = sim.load_scenario(small("other") | {"run": {"replicates": 7, "seed": 9}, "horizon": {"end": "2030Q4"}})
    plan = design(base(), [other])
    assert len(plan.runs) == 1
    assert plan.scenarios["other"].run == base().run and plan.scenarios["other"].horizon == base().horizon


def test_two_scenarios_of_one_name_are_refused_and_one_given_twice_counts_once():
    with pytest.raises(ScenarioError, match="two different scenarios are called 'x'"):
        design(base(), [scenario("x", NO_OPEN), scenario("x", NO_IMITATION)])
    with pytest.raises(ScenarioError, match="two different scenarios are called 'base'"):
        design(base(), [scenario("base", NO_OPEN)])
    assert list(design(base(), [scenario("x", NO_OPEN), scenario("x", NO_OPEN)]).scenarios) == ["x"]
    with pytest.raises(ScenarioError, match="nothing to compare"):
        design(base(), [])


# --- a table worked by hand --------------------------------------------------------------------


def test_the_table_of_effects_equals_one_worked_by_hand():
    """Three pairs of one measure: 10, 20, 30 against 11, 23, 35."""
    made = synthetic({"hhi_revenue": ([10.0, 20.0, 30.0], [11.0, 23.0, 35.0])})
    row = made.effects[made.effects["measure"] == "hhi_revenue"].iloc[0]
    assert (row["reference_mean"], row["scenario_mean"], row["effect"]) == (20.0, 23.0, 3.0)
    assert row["relative_effect"] == 0.15
    error = 2.0 / np.sqrt(3.0)  # the differences 1, 3, 5 have variance 4
    for level, quantile in ((90, 2.9199855803537256), (95, 4.302652729911275)):  # t with 2 degrees of freedom
        assert row[f"ci{level}_low"] == pytest.approx(3.0 - quantile * error)
        assert row[f"ci{level}_high"] == pytest.approx(3.0 + quantile * error)
    assert row["variance_ratio"] == pytest.approx((100.0 + 144.0) / 4.0)
    assert (row["share_rising"], row["n"], row["n_changed"], row["unit"]) == (1.0, 3, 3, "points")
    assert (row["smallest_effect"], row["verdict"]) == (25.0, "negligible")


def test_the_paired_gain_is_what_the_formula_says_quarter_by_quarter():
    made = few()
    keys = made.contrasts[0].run, made.contrasts[0].reference
    worlds = [Worlds().of(made._design.runs[key], 1) for key in keys]
    run, reference = (made.outcomes[made.contrasts[0].run], made.outcomes[made.contrasts[0].reference])
    p, by_hand = worlds[0].parameters, 0.0
    for k in range(QUARTERS):
        budget = p.budget_total * worlds[0].budget_share * np.exp(p.budget_growth * k)
        odds = [each.adoption[1, k] / (1 - each.adoption[1, k]) for each in (run, reference)]
        by_hand += float(consumer_gain(budget, odds[0], odds[1], p.substitution, p.nest_growth))
    pairs = made.pairs("no-open", "consumer_gain_paired")
    assert pairs.loc[1, "difference"].sum() == pytest.approx(by_hand)
    assert (pairs["reference"] == 0.0).all() and (pairs["difference"] != 0.0).all()


def test_the_paired_gain_is_undefined_where_buyers_want_different_things():
    made = sim.compare(base(), [scenario("steep", {"world": {"parameters": {"flywheel": 1.2}}})])
    rows = made.effects[made.effects["measure"].isin(PAIRED_MEASURES)]
    assert rows["effect"].isna().all() and (rows["n"] == 0).all() and (rows["verdict"] == "undecided").all()
    assert made.effects.loc[made.effects["measure"] == "consumer_gain", "effect"].notna().all()


def test_gains_of_all_parties_add_up_to_welfare():
    for since_start in (False, True):
        table = (
            few()
            .who_pays(kind="world", since_start=since_start)
            .pivot(index="scenario", columns="party", values="effect")
        )
        assert "others" not in table
        total = table.pop("welfare")
        assert np.allclose(table.sum(axis=1), total, atol=1e-9)
        assert total.abs().max() > 0.0


# --- common luck -------------------------------------------------------------------------------


def test_a_scenario_equal_to_the_baseline_has_no_effect_at_all():
    made = few()
    rows = made.effects[made.effects["scenario"] == "same"]
    known = rows[rows["n"] > 0]
    assert len(known) > 190
    for column in ("effect", "ci90_low", "ci90_high", "ci95_low", "ci95_high", "share_rising"):
        assert (known[column] == 0.0).all(), column
    assert (known["verdict"] == "negligible").all()
    assert (known["kind"] == "policy").all()


def test_pairing_pairs():
    """Replicates keep their own luck across scenarios: misaligned by one, pairs gain nothing."""
    made = sim.compare(
        base(), [scenario("discount", {"world": {"parameters": {"open_discount": 0.28}}})], replicates=12
    )
    rows = made.effects.set_index("measure")
    for name in ("hhi_revenue", "total_power", "hhi_compute_used"):
        assert rows.loc[name, "variance_ratio"] > 5, name
    contrast = made.contrasts[0]
    run = made.outcomes[contrast.run]
    rolled = replace(run, table=np.roll(run.table, 1, axis=0))
    wrong = Comparison(made._design, {**made.outcomes, contrast.run: rolled}).effects.set_index("measure")
    assert wrong.loc["hhi_revenue", "variance_ratio"] < 3


def test_workers_and_the_order_of_scenarios_change_nothing():
    changes = [scenario("no-open", NO_OPEN), scenario("same"), scenario("no-imitation", NO_IMITATION)]
    other = sim.compare(base(), changes[::-1], workers=2)
    order = ["scenario", "measure", "horizon"]
    left, right = (each.effects.drop(columns="p_holm").sort_values(order, ignore_index=True) for each in (few(), other))
    pd.testing.assert_frame_equal(left, right, check_exact=True)


def test_replicates_keep_their_numbers_whatever_is_added(monkeypatch):
    monkeypatch.setattr(comparing, "BATCH", 2)
    grown = sim.compare(base(), [scenario("no-open", NO_OPEN)], replicates=2, until={"hhi_revenue": 1e-9}, most=4)
    at_once = sim.compare(base(), [scenario("no-open", NO_OPEN)], replicates=4)
    assert grown.stopping.n_replicates == 4 and not grown.stopping.is_reached
    pd.testing.assert_frame_equal(grown.effects, at_once.effects, check_exact=True)


def test_values_are_those_of_a_run():
    """Though a comparison computes indices at the ends of years only."""
    result = sim.run(base()).yearly()
    outcome = few().outcomes[key_of(base())]
    assert set(outcome.names) == set(result.columns)
    for k, name in enumerate(outcome.names):
        assert np.array_equal(outcome.table[:, :, k].ravel(), result[name], equal_nan=True), name


class Trigger:
    """What a policy of the package with a trigger looks like."""

    __module__ = "sim.policies.anything"
    trigger = object()


class Plain(Trigger):
    """One without."""

    __module__ = "sim.policies.anything"
    trigger = None


def test_indices_are_there_in_every_quarter_for_policies_that_may_look():
    assert may_look(Trigger()) and not may_look(Plain())
    assert may_look(lambda _observation, _quarter: {}), "a user's own may look at anything"


# --- until ---------------------------------------------------------------------------------------


def test_replicates_are_added_until_narrow_and_once_more(monkeypatch):
    monkeypatch.setattr(comparing, "BATCH", 3)
    wide = sim.compare(base(), [scenario("no-open", NO_OPEN)], replicates=3)
    target = wide.widest(["hhi_revenue"])["hhi_revenue"] * 1.5
    made = sim.compare(base(), [scenario("no-open", NO_OPEN)], until={"hhi_revenue": target}, most=30)
    assert made.stopping.is_reached
    assert made.stopping.n_replicates == 6, "narrow at the first look, and confirmed by fresh replicates"
    assert made.n_replicates == 6 and (made.effects["n"].max() == 6)
    assert made.stopping.widest["hhi_revenue"] <= target


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"until": {"hhi_revenu": 5.0}}, "no measure 'hhi_revenu'; did you mean hhi_revenue"),
        ({"until": {"hhi_revenue": 0.0}}, "must be above 0"),
        ({"until": {"hhi_revenue": 5.0}, "replicates": 20}, "begins with at least 50"),
        ({"until": {"hhi_revenue": 5.0}, "most": 20}, "fewer than those to begin with"),
        ({"measures": ["gini"]}, "no measure 'gini'"),
        ({"horizons": ["2024Q3"]}, "allowed: 2024Q4, 2025Q2; try 2024Q4"),
        ({"horizons": [2040]}, "horizon '2040' is not compared"),
    ],
)
def test_a_wrong_question_is_refused_before_anything_runs(options, words, monkeypatch):
    monkeypatch.setattr(comparing, "simulate_outcomes", lambda *_: pytest.fail("something ran"))
    with pytest.raises(InputError, match=words):
        sim.compare(base(), [scenario("no-open", NO_OPEN)], **options)


# --- failures --------------------------------------------------------------------------------------


def failing(monkeypatch, wanted):
    """Let chosen replicates of runs without open weights raise what a user's policy might raise."""

    def breaking(run):
        def sometimes(jobs, replicates, advance=None):
            for job in [jobs] if isinstance(jobs, Job) else jobs:
                if not job.world.mechanisms.open_weights and wanted & set(replicates):
                    message = "no such lever"
                    raise ValueError(message)
            return run(jobs, replicates, advance)

        return sometimes

    for name in ("run_block", "run_branches"):
        monkeypatch.setattr(outcomes, name, breaking(getattr(outcomes, name)))
    monkeypatch.setattr(outcomes, "BLOCK_SIZE", 1)


def test_pairs_of_a_replicate_that_fails_drop_out_and_the_others_stay(monkeypatch):
    whole = few().pairs("no-open", "hhi_revenue")["difference"].drop(1, level="replicate")
    failing(monkeypatch, {1})
    made = sim.compare(base(), [scenario("no-open", NO_OPEN), scenario("no-imitation", NO_IMITATION)])
    assert made.failures.to_dict("records") == [
        {"scenario": "no-open", "replicate": 1, "quarter": "", "reason": "ValueError: no such lever"}
    ]
    n = made.effects[made.effects["measure"] == "hhi_revenue"].set_index("scenario")["n"]
    assert n.tolist() == [base().run.replicates - 1, base().run.replicates]
    assert made.pairs("no-open", "hhi_revenue")["difference"].tolist() == whole.tolist()


def test_a_scenario_that_fails_altogether_is_reported_and_the_others_stay(monkeypatch):
    failing(monkeypatch, set(range(100)))
    made = sim.compare(base(), [scenario("no-open", NO_OPEN), scenario("no-imitation", NO_IMITATION)])
    assert set(made.effects["scenario"]) == {"no-imitation"}
    assert set(made.failures["scenario"]) == {"no-open"}
    with pytest.raises(ResultError, match="no pair of 'no-open' and 'base' succeeded"):
        made.pairs("no-open", "hhi_revenue")
    with pytest.raises(FailureError, match=r"every replicate of every scenario failed.*no such lever"):
        sim.compare(base(), [scenario("no-open", NO_OPEN)])


def test_a_world_that_cannot_be_built_is_a_failure_of_its_scenario(monkeypatch):
    prepare = outcomes.prepare

    def broken(given, world=None):
        if not given.mechanisms.imitation:
            message = "the table contradicts itself"
            raise sim.errors.WorldError(message)
        return prepare(given, world=world)

    monkeypatch.setattr(outcomes, "prepare", broken)
    made = sim.compare(base(), [scenario("no-open", NO_OPEN), scenario("no-imitation", NO_IMITATION)])
    (row,) = made.failures.to_dict("records")
    assert row["scenario"] == "no-imitation" and pd.isna(row["replicate"]) and "contradicts" in row["reason"]
    assert set(made.effects["scenario"]) == {"no-open"}


def test_a_baseline_that_fails_is_an_error(monkeypatch):
    for name in ("run_block", "run_branches"):
        monkeypatch.setattr(outcomes, name, lambda *_: 1 / 0)
    with pytest.raises(FailureError, match="every replicate of the baseline base failed"):
        sim.compare(base(), [scenario("no-open", NO_OPEN)])


# --- rankings and trade-offs -------------------------------------------------------------------------


def test_the_ranking_is_by_mean_effect_and_says_how_often_each_is_first():
    made = pairs_of_numbers(
        {
            "a": {"hhi_revenue": [1.0, 2.0, 9.0]},
            "b": {"hhi_revenue": [2.0, 3.0, -1.0]},
            "c": {"hhi_revenue": [5.0, 2.0, 9.0]},
        }
    )
    table = made.ranking()
    assert table["scenario"].tolist() == ["b", "a", "c"]
    assert table["rank"].tolist() == [1, 2, 3]
    assert table["share_first"].tolist() == pytest.approx([1 / 3, 1.5 / 3, 0.5 / 3])
    assert table["share_first"].sum() == pytest.approx(1.0)


def test_the_cost_of_a_point_is_money_since_the_start_over_points_at_the_horizon():
    made = pairs_of_numbers(
        {"a": {"hhi_revenue": [-10.0, -20.0], "fiscal_balance": [-3.0, -7.0]}, "up": {"hhi_revenue": [5.0, 6.0]}},
        years=3,
    )
    table = made.tradeoffs()
    assert table.loc["a", "points_less"] == 15.0
    assert table.loc["a", "fiscal_cost_per_point"] == pytest.approx(3 * 5.0 / 15.0)
    assert np.isnan(table.loc["up", "fiscal_cost_per_point"]), "an index that rises has no cost of falling"


def test_the_pareto_set_counts_doing_nothing_and_leaves_out_what_is_undefined():
    made = pairs_of_numbers(
        {
            "good": {"hhi_revenue": [-10.0, -9.0], "total_power": [1.0, 1.0]},
            "worse": {"hhi_revenue": [-5.0, -9.5], "total_power": [0.5, 0.5]},
            "dear": {"hhi_revenue": [5.0, 5.0], "total_power": [-1.0, -1.0]},
            "odd": {"hhi_revenue": [-99.0, -99.0], "total_power": [np.nan, np.nan]},
        }
    )
    table = made.pareto(objectives={"hhi_revenue": -1, "total_power": 1}).set_index("scenario")
    assert table["is_pareto"].to_dict() == {"base": False, "good": True, "worse": False, "dear": False}
    assert table["share_pareto"].to_dict() == {"base": 0.0, "good": 1.0, "worse": 0.5, "dear": 0.0}


def test_indices_that_disagree_are_named():
    many = np.linspace(0.9, 1.1, 20)
    made = pairs_of_numbers(
        {
            "merger": {"hhi_revenue": 100 * many, "gini_revenue": -many, "effective_number_revenue": -100 * many},
            "quiet": {"hhi_revenue": 100 * many, "gini_revenue": many, "entropy_revenue": -100 * many},
        }
    )
    (row,) = made.disagreements().to_dict("records")
    assert (row["scenario"], row["variable"]) == ("merger", "revenue")
    assert (row["concentrates"], row["disperses"]) == ("hhi, effective_number", "gini")
    flips = made.rank_flips("revenue").set_index("yardstick")
    assert flips.loc["gini", "pairs"] == 1


def test_rank_flips_count_pairs_in_the_opposite_order():
    changes = {"hhi_revenue": [1.0, 2.0, 3.0], "gini_revenue": [0.3, 0.1, 0.2]}
    made = pairs_of_numbers(
        {name: {index: [values[k], values[k]] for index, values in changes.items()} for k, name in enumerate("abc")}
    )
    row = made.rank_flips("revenue").set_index("yardstick").loc["gini"]
    assert (row["flips"], row["pairs"], row["flipped"]) == (2, 3, "a/b, a/c")
    assert row["kendall_tau"] == pytest.approx(-1 / 3)


# --- what callers give ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scenarios", ["open-weights", sim.shipped_scenarios()["open-weights"], {"extends": "open-weights"}, "loaded"]
)
def test_one_scenario_stands_for_a_list_of_one(scenarios, monkeypatch):
    monkeypatch.setattr(comparing, "simulate_outcomes", lambda *_, **__: pytest.fail("it is compared"))
    given = sim.load_scenario("open-weights") if scenarios == "loaded" else scenarios
    with pytest.raises(pytest.fail.Exception, match="it is compared"):
        sim.compare("small_world", given, replicates=2, quarters=16)


def test_lists_arrays_and_single_values_ask_the_same():
    asked = set()
    for listed in (list, np.array, pd.Index, pd.Series, lambda values: values[0]):
        made = sim.compare(
            base(),
            [scenario("no-open", NO_OPEN)],
            replicates=np.int64(2),
            measures=listed(["hhi_revenue"]),
            horizons=listed([2025]),
            flywheels=listed([0.75]),
            families=listed(["log"]),
            workers=np.int64(1),
        )
        assert made.measures == ("hhi_revenue",) and made.horizons == ("2025Q2",)
        assert made.robustness["value"].tolist() == ["0.75", "log"]
        asked.add(made.content_hash)
    assert len(asked) == 1


def test_numbers_of_numpy_say_when_to_stop(monkeypatch):
    asked = []
    monkeypatch.setattr(comparing.storage, "content_hash", lambda _, options: asked.append(json.dumps(options)) or "")
    monkeypatch.setattr(comparing, "simulate_outcomes", lambda *_, **__: pytest.fail("it is compared"))
    for until, most in (({"hhi_revenue": 50}, 100), (pd.Series({"hhi_revenue": np.int64(50)}), np.int64(100))):
        with pytest.raises(pytest.fail.Exception):
            sim.compare(base().replace(replicates=50), [scenario("no-open", NO_OPEN)], until=until, most=most)
    assert asked[0] == asked[1]
    for wrong in ({"until": {"hhi_revenue": "50"}}, {"until": {"hhi_revenue": 50}, "most": 99.5}):
        with pytest.raises(InputError, match=r"must be (above 0, and finite|a whole number)"):
            sim.compare(base().replace(replicates=50), [scenario("no-open", NO_OPEN)], **wrong)


@pytest.mark.parametrize("workers", [0, -1, None, "1", 2.5, True])
def test_a_number_of_workers_that_cannot_be_is_refused_at_every_door(workers, tmp_path):
    for call in (
        partial(sim.run, base()),
        partial(sim.run, base(), out=tmp_path / "run"),
        partial(sim.compare, base(), [scenario("no-open", NO_OPEN)]),
        partial(sim.sweep, base(), "world.parameters.flywheel=1"),
        sim.scorecard,
        sim.calibrate,
    ):
        with pytest.raises(InputError, match="workers must be a whole number of at least 1, not"):
            call(workers=workers)
    assert not list(tmp_path.iterdir())


# --- variants ------------------------------------------------------------------------------------------


def test_variants_look_at_the_same_effects_elsewhere(monkeypatch):
    made = sim.compare(
        base(),
        [scenario("no-open", NO_OPEN)],
        flywheels=(0.8, 1.0),
        families=("power", "log"),
        measures=["hhi_revenue"],
    )
    table = made.robustness[made.robustness["horizon"] == made.horizons[-1]].set_index(["variant", "value"])
    own = made.effects[(made.effects["measure"] == "hhi_revenue") & (made.effects["horizon"] == made.horizons[-1])]
    assert len(table) == 4
    for variant in (("flywheel", "1.0"), ("power family", "power")):
        assert table.loc[variant, "effect"] == own["effect"].iloc[0], "the variant that is no variant"
    elsewhere = sim.load_scenario(base().resolved(), overrides=["world.parameters.flywheel=0.8"])
    directly = sim.compare(
        elsewhere, [sim.load_scenario(scenario("no-open", NO_OPEN), overrides=["world.parameters.flywheel=0.8"])]
    )
    effect = directly.effects.set_index(["measure", "horizon"]).loc[("hhi_revenue", made.horizons[-1]), "effect"]
    assert table.loc[("flywheel", "0.8"), "effect"] == effect
    flips = made.family_flips("hhi_revenue", kind="world")
    assert flips["yardstick"].tolist() == ["log"] and flips["pairs"].tolist() == [0]


def test_orders_under_other_families_are_compared_with_the_baselines_own_listed_or_not():
    others = [scenario("cap", {"policies": [{"training_cap": {"flop": 1e24}}]}), scenario("no-open", NO_OPEN)]
    alone, listed = (
        sim.compare(base(), [*others, scenario("no-imitation", NO_IMITATION)], families=families, measures="hhi_power")
        for families in ("log", ["power", "log"])
    )
    flips = alone.family_flips(kind="world")
    assert flips["yardstick"].tolist() == ["log"] and flips["pairs"].tolist() == [1]
    pd.testing.assert_frame_equal(flips, listed.family_flips(kind="world"))
    for made, measure in ((few(), "hhi_power"), (alone, "hhi_revenue")):
        with pytest.raises(ResultError, match=f"no other power family was tried for {measure}"):
            made.family_flips(measure, kind="world")


def test_a_scenario_that_changes_the_flywheel_itself_has_no_variant_of_it():
    made = sim.compare(
        base(),
        [scenario("steep", {"world": {"parameters": {"flywheel": 1.2}}}), scenario("no-open", NO_OPEN)],
        flywheels=(0.8,),
    )
    assert set(made.robustness["scenario"]) == {"no-open"}


# --- headlines and folders -------------------------------------------------------------------------------


def test_every_headline_is_a_measure_with_a_smallest_effect_and_a_reason():
    for name, headline in HEADLINES.items():
        assert name in MEASURES or name in PAIRED_MEASURES or name in OPTIONAL
        assert headline.smallest > 0 and headline.reason and headline.better in (-1, 0, 1)
        assert not headline.of or headline.of in MEASURES
    assert smallest_effect("hhi_profit") == (25.0, "")


def test_a_comparison_is_stored_read_back_and_found_again(tmp_path):
    given = {"out": tmp_path / "c", "figures": False, "flywheels": (0.8,)}
    made = sim.compare(base(), [scenario("no-open", NO_OPEN)], **given)
    back = sim.load_comparison(tmp_path / "c")
    pd.testing.assert_frame_equal(back.effects, made.effects, check_exact=True)
    pd.testing.assert_frame_equal(back.robustness, made.robustness, check_exact=True)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "c" / "effects.csv"), made.effects, check_dtype=False)
    assert back.pairs("no-open", "consumer_gain_paired").equals(made.pairs("no-open", "consumer_gain_paired"))
    assert sim.verify_result(tmp_path / "c").is_complete
    again = sim.compare(base(), [scenario("no-open", NO_OPEN)], **given)
    assert again.is_reused and again.folder == made.folder
    other = sim.compare(base(), [scenario("no-open", NO_OPEN)], replicates=2, **given)
    assert other.folder.name == "c-2" and not other.is_reused


def test_a_measure_without_a_number_and_a_world_with_other_sectors_survive_a_folder(tmp_path):
    """Nobody sells chips in ``symmetric``, and its only sector is no sector of ``small_world``."""
    taxed = {"schema": 1, "extends": "symmetric", "name": "taxed", "policies": [{"compute_tax": {"rate": 0.2}}]}
    asked = {"replicates": 2, "quarters": 4, "measures": ["hhi_chip_sales", "hhi_revenue"]}
    made = sim.compare("symmetric", [taxed, "small_world"], **asked)
    assert made.effects.query("measure == 'hhi_chip_sales' and scenario == 'taxed'")["effect"].isna().all()
    back = sim.load_comparison(made.save(tmp_path / "c", figures=False))
    pd.testing.assert_frame_equal(back.effects, made.effects, check_exact=True)
    assert len({outcome.sectors for outcome in made.outcomes.values()}) == 2
    for key, outcome in made.outcomes.items():
        assert set(back.outcomes[key].names) == set(outcome.names) and back.outcomes[key].sectors == outcome.sectors


def test_failures_and_stopping_survive_a_folder(tmp_path, monkeypatch):
    failing(monkeypatch, {1})
    monkeypatch.setattr(comparing, "BATCH", 2)
    made = sim.compare(base(), [scenario("no-open", NO_OPEN)], until={"hhi_revenue": 1e9}, most=6)
    back = sim.load_comparison(made.save(tmp_path / "c", figures=False))
    pd.testing.assert_frame_equal(back.failures, made.failures)
    assert back.stopping == made.stopping and back.stopping.is_reached
    assert back.effects["n"].max() == 5, "2 with one pair decide nothing, 4 are narrow, 6 confirm; one failed"


def test_a_folder_whose_scenarios_this_version_reads_differently_is_refused(tmp_path, monkeypatch):
    folder = few().save(tmp_path / "c", figures=False)
    monkeypatch.setattr("sim.comparison.design.key_of", lambda scenario: f"another {scenario.name}")
    with pytest.raises(ResultError, match="reads its scenarios differently; compare again"):
        sim.load_comparison(folder)


@pytest.mark.parametrize("method", ["ranking", "tradeoffs", "pareto", "who_pays", "rank_flips", "family_flips"])
def test_a_kind_of_effect_that_does_not_exist_is_refused(method):
    made = pairs_of_numbers({"a": {"hhi_revenue": np.arange(12.0)}})
    with pytest.raises(InputError, match="no kind of effect 'policies'; allowed: policy, world"):
        getattr(made, method)(kind="policies")


@pytest.mark.parametrize("objectives", [{}, ["hhi_revenue"], {"hhi_revenue": "less"}])
def test_objectives_that_say_nothing_are_refused(objectives):
    made = pairs_of_numbers({"a": {"hhi_revenue": np.arange(12.0)}})
    with pytest.raises(InputError, match="objectives are a mapping of measures to 1 or -1"):
        made.pareto(objectives=objectives)


def test_the_wrong_kind_of_folder_is_refused(tmp_path):
    few().save(tmp_path / "c", figures=False)
    with pytest.raises(ResultError, match="holds a comparison, not a result; read it with sim.load_comparison"):
        sim.load_result(tmp_path / "c")
    sim.run(base(), out=tmp_path / "r", figures=False)
    with pytest.raises(ResultError, match="holds a result, not a comparison; read it with sim.load_result"):
        sim.load_comparison(tmp_path / "r")
    assert json.loads((tmp_path / "c" / "manifest.json").read_text())["format"] == "aipower-comparison"


def test_outcomes_of_blocks_join_in_order():
    parts = [
        Outcome.failed("no", [0]),
        Outcome(np.array([1]), ("2024Q4",), ("x",), np.ones((1, 1, 1)), (), np.zeros((1, 4, 0)), ()),
        Outcome(
            np.array([2]), ("2024Q4",), ("x",), np.zeros((1, 1, 1)), (), np.zeros((1, 4, 0)), (Failure(3, "q", "r"),)
        ),
    ]
    whole = outcomes.joined(parts)
    assert whole.replicates.tolist() == [1, 2] and whole.table.ravel().tolist() == [1.0, 0.0]
    assert [failure.replicate for failure in whole.failures] == [0, 3]


def test_efficiency_lost_is_a_headline_where_runs_record_it():
    data = base().resolved() | {"record": {"planner": "yearly"}, "run": {"replicates": 3}}
    recorded = sim.load_scenario(data)
    capped = sim.load_scenario(
        data | {"name": "quota", "policies": [{"resource_quota": {"most": 0.001, "start": data["horizon"]["start"]}}]}
    )
    made = sim.compare(recorded, [capped], measures=["planner_gap"])
    row = made.effects[made.effects["measure"] == "planner_gap"].iloc[-1]
    assert 0.0 < row["reference_mean"] < 1.0 and row["effect"] < 0.0, "an even division forgoes less"
    assert "planner_gap" in sim.compare(recorded, [capped]).measures
    assert "planner_gap" not in few().measures
