"""``uncertainty: ensemble``: replicates differ in parameter sets as well as in luck."""

from dataclasses import replace

import numpy as np
import pytest

import sim
from sim import ensemble
from sim.comparison import worlds
from sim.comparison.design import design
from sim.comparison.variants import variants_of
from sim.comparison.worlds import Worlds
from sim.errors import ScenarioError, WorldError
from sim.explain import explain
from sim.parameter_sets import LUCKS_PER_SET, by_set, parameter_sets, read_parameter_sets
from sim.parameters import parameter_table
from sim.report.comparison import headline, sweep_headline
from sim.report.figures.common import band_remark
from sim.report.page.of_comparison import page as comparison_page
from sim.report.page.of_result import page
from sim.report.page.tables import uncertainty_table
from sim.report.tables import flywheel
from sim.scenario import load_scenario
from sim.variance import variance_parts
from sim.world.build import build

FEW = {"small_firms_initial": 10, "entry_slots": 48}
MEASURES = ("hhi_revenue", "rental_price", "chips_sold_cumulative")


def shown_words(made):
    """Texts of a page, and its subtitle."""
    blocks = [block for part in made.sections for block in part.blocks]
    texts = [getattr(block, "text", "") for block in blocks]
    points = [point for block in blocks for point in getattr(block, "items", ())]
    return [made.subtitle, *filter(lambda each: isinstance(each, str), [*texts, *points])]


def scenario(**parts):
    base = {
        "name": "uncertain",
        "uncertainty": "ensemble",
        "world": {"parameters": FEW},
        "horizon": {"end": "2024Q2"},
        "run": {"replicates": 6, "seed": 1},
        "record": {"firms": "none", "owners": "none"},
    }
    return load_scenario(base | parts)


@pytest.fixture(scope="module")
def recording():
    return ensemble.simulate(scenario())


def test_replicates_of_one_set_share_its_parameters_and_others_do_not(recording):
    """In the first quarter the price of chips depends on parameters and not on luck."""
    price = recording.measures["chip_price"][:, 0]
    assert np.ptp(price[:LUCKS_PER_SET]) < 1e-9 < abs(price[LUCKS_PER_SET] - price[0])
    assert len(set(recording.measures["hhi_revenue"][:, 1])) == 6


def test_blocks_and_workers_do_not_change_a_bit(recording):
    small = ensemble.simulate(scenario(), block_size=1)
    for name in MEASURES:
        assert np.array_equal(small.measures[name], recording.measures[name])
    assert small.replicates.tolist() == recording.replicates.tolist() == list(range(6))


def test_a_replicate_is_the_plain_run_of_its_set(recording):
    values = parameter_sets("world_2024").values(1)
    plain = scenario(uncertainty="none", world={"parameters": values | FEW})
    again = ensemble.simulate(plain)
    for name in MEASURES:
        assert np.array_equal(again.measures[name][4:6], recording.measures[name][4:6])


def test_what_a_scenario_sets_itself_stays():
    held = scenario(world={"parameters": FEW | {"flywheel": 1.5, "site_cost": 20.0}})
    job = ensemble.prepare(held)
    worlds = [job.uncertain.world_of(replicate) for replicate in (0, 4, 8)]
    assert {world.parameters.flywheel for world in worlds} == {1.5}
    assert {world.parameters.site_cost for world in worlds} == {20.0}
    assert len({world.parameters.nest_growth for world in worlds}) == 3
    assert Worlds().of(held, 4).parameters == worlds[1].parameters


def flywheels(given):
    return [ensemble.world_of(given, replicate).parameters.flywheel for replicate in (0, 4, 8)]


def test_what_is_given_at_the_tables_value_stays_too(tmp_path):
    """In a file, in what it extends, as an override or an axis: 1.0 said is not 1.0 left out."""
    free = scenario()
    assert flywheels(free) == [parameter_sets("world_2024").values(number)["flywheel"] for number in range(3)]
    (tmp_path / "said.yaml").write_text("extends: baseline\nworld: {parameters: {flywheel: 1.0}}\n", encoding="utf-8")
    (tmp_path / "child.yaml").write_text("extends: said.yaml\nuncertainty: ensemble\n", encoding="utf-8")
    said = ["world.parameters.flywheel=1"]
    in_file, late = load_scenario(tmp_path / "child.yaml"), load_scenario(free, overrides=said)
    assert all(flywheels(each) == [1.0] * 3 for each in (in_file, late))


def test_what_is_given_survives_storing_and_decides_the_hash(tmp_path):
    free = scenario()
    held = load_scenario(free, overrides=["world.parameters.flywheel=1"])
    (tmp_path / "held.yaml").write_text(held.to_yaml(), encoding="utf-8")
    (tmp_path / "free.yaml").write_text(free.to_yaml(), encoding="utf-8")
    assert "fixed" not in free.resolved()["world"]
    for given, name in ((held, "held.yaml"), (free, "free.yaml")):
        for again in (load_scenario(tmp_path / name), load_scenario(given), given.replace(replicates=6)):
            assert again == given and again.content_hash() == given.content_hash()
    assert held.content_hash() != free.content_hash()
    more = load_scenario(tmp_path / "held.yaml", overrides=["world.parameters.substitution=3"])
    assert more.world.fixed == ("flywheel", "substitution")
    plain = [load_scenario(each, overrides=["uncertainty=none"]) for each in (held, free)]
    assert plain[0].content_hash() == plain[1].content_hash()
    with pytest.raises(ScenarioError, match=r"world\.fixed.*flywhel.*did you mean flywheel"):
        scenario(world={"fixed": ["flywhel"]})


def test_a_variant_at_the_tables_value_is_a_variant():
    base = scenario()
    taxed = load_scenario(base, overrides=["name=taxed", "policies.compute_tax.rate=0.5"])
    plan = design(base, [taxed])
    (variant,) = variants_of(plan, (1.0,), ())
    assert flywheels(variant.plan.baseline) == [1.0] * 3
    assert not set(variant.plan.runs) & set(plan.runs)


def test_the_users_own_parameters_stay(tmp_path):
    text = "name,value,low,high,unit\nflywheel,1.3,1.2,1.4,elasticity of revenue to effective compute\n"
    (tmp_path / "parameters.csv").write_text(text, encoding="utf-8")
    (tmp_path / "own.yaml").write_text(
        "extends: baseline\nuncertainty: ensemble\nworld: {tables: .}\n", encoding="utf-8"
    )
    own = load_scenario(tmp_path / "own.yaml")
    assert flywheels(own) == [1.3] * 3
    assert len({ensemble.world_of(own, replicate).parameters.nest_growth for replicate in (0, 4, 8)}) == 3


def test_the_sets_are_at_least_200_inside_their_ranges_and_agree_with_the_facts():
    sets, table = parameter_sets("world_2024"), parameter_table()
    assert len(sets.sets) >= 200 and len(set(sets.sets)) == len(sets.sets)
    for k in range(len(sets.sets)):
        assert all(table[name].low <= value <= table[name].high for name, value in sets.values(k).items())
    assert min(sets.hits) >= 15


def test_sets_survive_writing_and_reading(tmp_path):
    sets = parameter_sets("world_2024")
    sets.write(tmp_path / "sets.csv")
    assert read_parameter_sets(tmp_path / "sets.csv") == sets


def test_only_a_world_with_sets_can_be_uncertain():
    with pytest.raises(ScenarioError, match=r"uncertainty.*symmetric has no parameter sets.*world_2024"):
        load_scenario({"world": {"base": "symmetric"}, "uncertainty": "ensemble"})


def test_the_hash_knows_uncertainty_and_stays_without():
    assert scenario().content_hash() != scenario(uncertainty="none").content_hash()


def test_a_world_that_cannot_be_fails_its_replicates_alone(monkeypatch):
    """Sets that contradict what a scenario changes are failures with a reason, not the end of the run."""

    def picky(spec):
        if spec.parameters.get("nest_growth") == parameter_sets("world_2024").values(0)["nest_growth"]:
            raise WorldError("cannot be")
        return build(spec)

    monkeypatch.setattr(ensemble, "build", picky)
    found = ensemble.simulate(scenario())
    assert found.replicates.tolist() == [4, 5]
    assert [(each.replicate, each.reason) for each in found.failures] == [(k, "cannot be") for k in range(4)]


def test_a_comparison_counts_sets_not_replicates_and_pairs_within_them():
    base = scenario(horizon={"end": "2024Q4"})
    data = base.resolved() | {"name": "taxed", "uncertainty": "none"}
    taxed = load_scenario(data | {"policies": [{"compute_tax": {"rate": 0.5, "start": "2024Q2"}}]})
    found = sim.compare(base, [taxed], horizons=["2024"])
    rows = found.effects.set_index("measure")
    assert rows.loc["hhi_revenue", "n"] == 2
    asked = rows["replicates_to_decide"]
    asked = asked[np.isfinite(asked)]
    assert len(asked) and (asked % LUCKS_PER_SET == 0).all() and (asked > 2 * LUCKS_PER_SET).all()
    said = [headline(found), *shown_words(comparison_page(found, lambda _: None))]
    assert any("2 pairs" in text and "6 replicates" in text for text in said)
    assert not any("luck only" in text or "6 pairs" in text or "= 1.00" in text for text in said)
    direct = [ensemble.simulate(each).measures["hhi_revenue"][:, 3] for each in (base, found.scenarios["taxed"])]
    means = [[values[list(group)].mean() for group in by_set(range(6), 200)] for values in direct]
    effect = np.subtract(means[1], means[0]).mean()
    assert rows.loc["hhi_revenue", "effect"] == pytest.approx(effect, rel=1e-12)
    assert np.isfinite(rows.loc["consumer_gain_paired", "effect"])


def test_a_set_that_comes_round_again_is_the_same_set(monkeypatch):
    """Ten replicates of two sets, the first of which has the last two replicates too, are two pairs and not three."""
    given = parameter_sets("world_2024")
    two = replace(given, sets=given.sets[:2])
    for module in (ensemble, worlds, sim.parameter_sets):
        monkeypatch.setattr(module, "parameter_sets", lambda _: two)
    base = scenario(horizon={"end": "2024Q4"}, run={"replicates": 10, "seed": 1})
    taxed = load_scenario(
        base.resolved() | {"name": "t", "policies": [{"compute_tax": {"rate": 0.5, "start": "2024Q2"}}]}
    )
    found = sim.compare(base, [taxed], horizons=["2024"])
    row = found.effects.set_index("measure").loc["hhi_revenue"]
    direct = [ensemble.simulate(each).measures["hhi_revenue"][:, 3] for each in (base, found.scenarios["t"])]
    of_set = [[0, 1, 2, 3, 8, 9], [4, 5, 6, 7]]
    changes = np.array([np.subtract(*direct[::-1])[numbers].mean() for numbers in of_set])
    assert row["n"] == 2 and row["effect"] == pytest.approx(changes.mean(), rel=1e-9)
    assert "2 pairs" in headline(found) and "10 replicates, up to 8 to a parameter set" in headline(found)
    split = sim.run(base).variance().set_index(["measure", "year"]).loc[("hhi_revenue", 2024)]
    luck, parameters = variance_parts(direct[0], [0, 0, 0, 0, 1, 1, 1, 1, 0, 0])
    assert [split["sd_luck"], split["sd_parameters"]] == pytest.approx([luck**0.5, parameters**0.5], rel=1e-9)


def test_ranges_of_a_sweep_are_over_replicates_not_over_means_of_sets():
    base = scenario(horizon={"end": "2024Q4"}, run={"replicates": 8, "seed": 1})
    made = sim.sweep(base, {"world.parameters.flywheel": [1.0, 1.5]}, horizons=["2024"], measures=["hhi_revenue"])
    held = load_scenario(base, overrides=["world.parameters.flywheel=1"])
    values = ensemble.simulate(held).measures["hhi_revenue"][:, 3]
    row = made.table.query("measure == 'hhi_revenue' and `world.parameters.flywheel` == 1").iloc[0]
    assert [row["p5"], row["p95"]] == pytest.approx(np.quantile(values, [0.05, 0.95]).tolist(), rel=1e-12)
    assert row["n"] == 2
    assert "luck and parameter sets" in sweep_headline(made)


def test_a_report_tells_luck_and_parameters_apart():
    result = sim.run(scenario(horizon={"end": "2024Q4"}, run={"replicates": 8, "seed": 1}))
    found = result.variance().set_index(["measure", "year"])
    price = found.loc[("chip_price", 2024)]
    assert price["sd_parameters"] > price["sd_luck"] > 0.0 and price["luck_share"] < 0.5
    span = sorted(f"{parameter_sets('world_2024').values(number)['flywheel']:.2f}" for number in (0, 1))
    assert flywheel(result) == " to ".join(span) and "luck only" not in band_remark(result)
    titles = {part.title for part in page(result, lambda _: None).sections}
    assert "Luck and parameters" in titles
    plain = sim.run(scenario(uncertainty="none"))
    assert flywheel(plain) == "1.00" and "luck only" in band_remark(plain)
    assert (plain.variance()["sd_parameters"] == 0.0).all() and uncertainty_table(plain) is None


def test_what_is_looked_at_again_has_its_own_parameters():
    """Explaining replays a replicate in the world of its set, and recomputes every number from its terms."""
    again = ensemble.world_of(scenario(), 5)
    assert again.parameters == ensemble.prepare(scenario()).uncertain.world_of(4).parameters
    assert ensemble.world_of(scenario(uncertainty="none"), 5).parameters != again.parameters
    assert explain(scenario(), "OpenAI", "2024Q2", replicate=5).replicate == 5


def test_variance_is_split_as_it_was_made():
    """Oracle: known variances, many sets."""
    generator = np.random.default_rng(1)
    sets = np.repeat(np.arange(4000), LUCKS_PER_SET)
    values = 3.0 * generator.normal(size=4000)[sets] + generator.normal(size=len(sets))
    luck, parameters = variance_parts(values, sets)
    assert luck == pytest.approx(1.0, rel=0.05) and parameters == pytest.approx(9.0, rel=0.08)
