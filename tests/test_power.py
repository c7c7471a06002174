"""Power families: shape, exact elasticity, extremes; their parameters and tables in scenarios (docs/model.md 7.1)."""

import itertools
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.interpolate import PchipInterpolator

from sim.ensemble import simulate, world_spec
from sim.parameters import parameter_table
from sim.report.figures.power import power_curve
from sim.result import Result
from sim.scenario import Scenario, ScenarioWarning, load_scenario, shipped_scenarios
from sim.submodels.power import FAMILIES, FAMILY_PARAMETERS, Measured, power_function
from sim.world.build import build
from tests.scenario_files import problems, write

E0 = 0.07
DEFAULTS = {name: row.value for name, row in parameter_table().items()}
TABLE = [(0.01, 0.2), (1.0, 1.0), (3.0, 1.5), (10.0, 6.0), (1000.0, 50.0), (4000.0, 120.0)]
CLOSED_FORMS = [family for family in FAMILIES if family != "measured"]


def function(family, table=TABLE, reference=E0, **parameters):
    return power_function(family, reference, DEFAULTS | parameters, table if family == "measured" else ())


def powers(family, *multiples, **given):
    return function(family, **given).power(E0 * np.array(multiples))


def elasticities(family, *multiples, **given):
    return function(family, **given).elasticity(E0 * np.array(multiples))


# --- every family ----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_power_is_zero_without_compute_one_at_the_reference_and_rises(family):
    f = function(family)
    assert f.power(np.array([0.0]))[0] == 0.0
    assert f.power(np.array([E0]))[0] == pytest.approx(1.0, rel=1e-15)
    assert np.all(np.diff(f.power(E0 * np.concatenate([[0.0], np.geomspace(1e-9, 1e8, 200)]))) > 0.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_elasticity_is_the_derivative_by_differences(family):
    f, compute, h = function(family), E0 * np.geomspace(1.1e-5, 1.1e7, 61), 1e-5
    slope = (np.log(f.power(compute * np.exp(h))) - np.log(f.power(compute * np.exp(-h)))) / (2 * h)
    assert np.allclose(f.elasticity(compute), slope, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("family", CLOSED_FORMS)
def test_elasticity_is_the_derivative_by_a_complex_step(family):
    """Im ln f(E e^(ih)) / h has no difference of near numbers, so it is good to the last digits."""
    f, compute = function(family), E0 * np.geomspace(1e-6, 1e6, 49)
    value = f.power(compute * np.exp(1e-30j))
    assert np.allclose(f.elasticity(compute), value.imag / value.real / 1e-30, rtol=1e-12)


def at_hard_limits(family):
    table = parameter_table()
    names = FAMILY_PARAMETERS.get(family, ())
    ends = [(table[name].minimum, table[name].value, table[name].maximum) for name in names]
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*ends)]


@pytest.mark.parametrize("family", FAMILIES)
def test_no_number_overflows_or_is_lost_between_no_compute_and_a_million_billion_times_the_first(family):
    compute = E0 * np.concatenate([[0.0], np.geomspace(1e-300, 1e15, 400)])
    for parameters in at_hard_limits(family):
        with np.errstate(all="raise", under="ignore"):
            f = function(family, **parameters)
            power, elasticity = f.power(compute), f.elasticity(compute)
        assert np.all(np.isfinite(power)) and np.all(np.isfinite(elasticity)), parameters
        assert power[0] == 0.0 and np.all(elasticity >= 0.0), parameters
        seen = power[power > np.finfo(float).tiny]
        assert np.all(seen[1:] >= (1.0 - 1e-14) * seen[:-1]), parameters


def test_the_steepest_table_that_is_allowed_does_not_overflow():
    steep = [(1.0, 1.0), (1.01, 1.001), (10.1, 1.001 * 10.0**9.99)]
    load_scenario({"power": {"family": "measured", "table": steep}})
    with np.errstate(all="raise", under="ignore"):
        power = powers("measured", 0.0, 1e-15, 1e15, table=steep)
    assert np.all(np.isfinite(power)) and power[-1] > 1e250


@pytest.mark.parametrize("family", FAMILIES)
def test_a_firms_power_has_the_same_bits_in_every_block(family):
    f, compute = function(family), E0 * np.geomspace(1e-3, 1e6, 15 * 7).reshape(15, 7)
    for method in (f.power, f.elasticity):
        assert np.array_equal(method(compute)[3:5], method(compute[3:5]))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_survives_the_way_to_a_worker(family):
    f, compute = function(family), E0 * np.geomspace(1e-3, 1e3, 7)
    assert np.array_equal(pickle.loads(pickle.dumps(f)).power(compute), f.power(compute))


def test_an_unknown_family_is_refused():
    with pytest.raises(ValueError, match="known: power, log, hill"):
        power_function("cubic", 1.0, {})


# --- closed forms, worked by hand ------------------------------------------------------------------


def test_power_and_log_and_linear_by_hand():
    assert powers("power", 16.0, gamma=0.5) == pytest.approx([4.0])
    assert elasticities("power", 0.0, 16.0, gamma=0.5) == pytest.approx([0.5, 0.5])
    assert powers("log", 3.0, 15.0) == pytest.approx([2.0, 4.0])
    assert elasticities("log", 0.0, 1.0) == pytest.approx([1.0, 0.5 / math.log(2.0)])
    assert powers("linear", 0.25, 16.0) == pytest.approx([0.25, 16.0])
    assert np.array_equal(elasticities("linear", 0.0, 16.0), [1.0, 1.0])


def test_hill_by_hand():
    """h 2, m 3: f = 10 x^2 / (9 + x^2); half the bound 10 at m; elasticity 18 / (9 + x^2)."""
    shape = {"hill_exponent": 2.0, "hill_midpoint": 3.0}
    assert powers("hill", 3.0, 9.0, 1e12, **shape) == pytest.approx([5.0, 9.0, 10.0])
    assert elasticities("hill", 0.0, 1.0, 3.0, 9.0, **shape) == pytest.approx([2.0, 1.8, 1.0, 0.2])
    assert elasticities("hill", 1e12, **shape) == pytest.approx(18e-24)


def test_saturating_loss_by_hand():
    """g 1/2, c 3: f = (1 - (1 + x/3)^-1/2) / (1 - sqrt(3)/2); at x 9 it is 1/2 of 4 + 2 sqrt(3), elasticity 3/8."""
    shape = {"saturating_loss_exponent": 0.5, "saturating_loss_scale": 3.0}
    root = math.sqrt(3.0)
    bounds = [2.0 + root, 4.0 + 2.0 * root]
    assert powers("saturating_loss", 9.0, 3e30, **shape) == pytest.approx(bounds)
    assert elasticities("saturating_loss", 0.0, 9.0, **shape) == pytest.approx([1.0, 0.375])
    assert elasticities("saturating_loss", 3e15, **shape) == pytest.approx(0.5e-7 / math.sqrt(10.0), rel=1e-6)


def test_little_compute_keeps_its_digits_under_saturating_loss():
    """f is x g/c over the constant there: 1 - (1 + y)^-g taken literally would have lost all digits."""
    constant = 1.0 - 2.0**-0.154
    assert powers("saturating_loss", 1e-14) == pytest.approx([1e-14 * 0.154 / constant], rel=1e-12)


def test_threshold_by_hand():
    """gamma 1/2, J 2, t 4: s(1) = 1/65537; at t the step is half done and the elasticity is 1/2 + 16/8."""
    shape = {"gamma": 0.5, "threshold_jump": 2.0, "threshold_location": 4.0}
    scale = 65537.0 / 65539.0
    assert powers("threshold", 4.0, 1e6, **shape) == pytest.approx([4.0 * scale, 3000.0 * scale], rel=1e-14)
    assert elasticities("threshold", 0.0, 4.0, 1e6, **shape) == pytest.approx([0.5, 2.5, 0.5], rel=1e-14)
    assert elasticities("threshold", 8.0, **shape) == pytest.approx([0.5 + 16.0 * 256.0 / (257.0 * 769.0)])


def test_a_threshold_without_a_jump_is_a_power_law():
    multiples = np.geomspace(1e-6, 1e9, 40)
    plain, without = (powers(f, *multiples, threshold_jump=0.0) for f in ("power", "threshold"))
    assert np.allclose(plain, without, rtol=1e-15)


# --- measured --------------------------------------------------------------------------------------


def test_a_measured_curve_is_scipys_between_the_points_and_passes_through_them():
    f, (x, y) = function("measured"), np.array(TABLE).T
    assert f.power(E0 * x) == pytest.approx(y, rel=1e-13)  # the table is 1 at 1
    oracle, grid = PchipInterpolator(np.log(x), np.log(y)), np.geomspace(0.0101, 3999.0, 300)
    assert np.allclose(f.power(E0 * grid), np.exp(oracle(np.log(grid))), rtol=1e-12)
    assert np.allclose(f.elasticity(E0 * grid), oracle.derivative()(np.log(grid)), rtol=1e-9, atol=1e-12)


def test_a_measured_power_law_is_that_power_law_everywhere():
    table = [(x, 7.0 * x**0.4) for x in (0.5, 3.0, 40.0)]
    multiples = np.geomspace(1e-9, 1e9, 50)
    assert powers("measured", *multiples, table=table) == pytest.approx(multiples**0.4, rel=1e-12)
    assert elasticities("measured", *multiples, table=table) == pytest.approx(np.full(50, 0.4), rel=1e-12)


def test_beyond_its_ends_a_measured_curve_keeps_its_slope():
    f = function("measured")
    low, high = f.elasticity(E0 * np.array([0.01, 4000.0]))
    assert (low, high) == pytest.approx((f.low_slope, f.high_slope), rel=1e-14)
    assert np.array_equal(f.elasticity(E0 * np.array([0.0, 1e-9, 1e9])), [low, low, high])
    assert powers("measured", 0.0001)[0] == pytest.approx(0.2 * 0.01**low)
    assert powers("measured", 400_000.0)[0] == pytest.approx(120.0 * 100.0**high)


def test_where_pchip_is_flat_at_an_end_the_slope_is_that_of_the_interval():
    """Slopes 0.04 then 0.96 per ten-fold: PCHIP takes 0 at the start, below which power would never fall."""
    table = [(1.0, 1.0), (10.0, 1.1), (100.0, 10.0), (1000.0, 11.0)]
    x, y = np.log(np.array(table)).T
    assert PchipInterpolator(x, y).derivative()(x[[0, -1]]) == pytest.approx([0.0, 0.0], abs=1e-12)
    f = function("measured", table=table)
    assert f.elasticity(E0 * np.array([0.5, 1.0])) == pytest.approx(np.log10([1.1, 1.1]))
    assert f.elasticity(E0 * np.array([1000.0, 1e5])) == pytest.approx(np.log10([1.1, 1.1]))
    grid = E0 * np.geomspace(1e-6, 1e6, 500)
    assert np.all(np.diff(f.power(grid)) > 0.0) and np.all(f.elasticity(grid) > 0.0)


@pytest.mark.parametrize("seed", range(20))
def test_any_rising_table_gives_a_rising_curve_through_its_points(seed):
    rng = np.random.default_rng(seed)
    x, y = np.exp(np.cumsum(rng.gamma(0.5, 2.0, (2, 8)) + 1e-3, axis=1))
    f = Measured.through(list(zip(x, y, strict=True)), reference=E0)
    assert f.power(E0 * x) / f.power(E0 * x[:1]) == pytest.approx(y / y[0], rel=1e-10)
    assert np.all(f.elasticity(E0 * np.geomspace(x[0] / 9, x[-1] * 9, 400)) >= 0.0)


@pytest.mark.parametrize("shift", [1e-3, 1.7, 1e3])
def test_a_table_is_scaled_to_one_at_the_leader_wherever_it_lies(shift):
    table = [(x * shift, 9.0 * y) for x, y in TABLE]
    assert powers("measured", 1.0, table=table)[0] == pytest.approx(1.0, rel=1e-15)
    ratio = powers("measured", 1000.0 * shift, 10.0 * shift, table=table)
    assert ratio[0] / ratio[1] == pytest.approx(50.0 / 6.0)


# --- worlds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_the_shipped_scenario_of_a_family_runs_to_its_end(family):
    scenario = load_scenario(family)
    assert scenario.power.family == family and scenario.question.endswith("?")
    assert build(world_spec(scenario)).flywheel == pytest.approx(1.0)
    assert scenario.changed_parameters() == {}
    recording = simulate(scenario, replicates=2)
    assert recording.failures == () and recording.measures["hhi_revenue"].shape == (2, 48)
    assert np.all(np.isfinite(recording.measures["total_power"]))


@pytest.mark.parametrize(
    "power", [{"family": "hill", "hill_exponent": 4, "hill_midpoint": 1e5}, {"family": "threshold"}]
)
def test_the_drawn_function_is_the_worlds_even_where_all_firms_are_beyond_its_rise(power):
    scenario = load_scenario({"power": power})
    drawn = power_curve(Result.from_recording(scenario, simulate(scenario, replicates=1)))
    f = build(world_spec(scenario)).power_function
    assert drawn.power == pytest.approx(f.power(drawn.compute), rel=1e-9)


@pytest.mark.long
@pytest.mark.parametrize("name", sorted({n for names in FAMILY_PARAMETERS.values() for n in names}))
@pytest.mark.parametrize("end", ["low", "high"])
def test_a_family_runs_to_its_end_at_both_ends_of_its_ranges(name, end):
    for family, names in FAMILY_PARAMETERS.items():
        if name in names:
            value = getattr(parameter_table()[name], end)
            spec = {
                "power": {"family": family, name: value},
                "world": {"hold": "theta" if name == "gamma" else "flywheel"},
            }
            assert simulate(load_scenario(spec), replicates=2).failures == ()


def test_families_disagree_about_concentration():
    """The same luck; what saturates disperses what is linear in compute."""
    hhi = {
        f: simulate(load_scenario(f), replicates=2).measures["hhi_revenue"][:, -1] for f in ("hill", "power", "linear")
    }
    assert np.all(hhi["hill"] < hhi["power"]) and np.all(hhi["power"] < hhi["linear"])


def test_firms_plan_no_training_of_their_own_where_power_is_saturated():
    spec = build(world_spec(load_scenario({"power": {"family": "hill", "hill_exponent": 4, "hill_midpoint": 10}})))
    far = np.array([1e6 * spec.power_reference])
    assert 0.0 <= spec.power_function.elasticity(far)[0] < 1e-18


# --- scenarios -------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    (tmp_path / ".aipower").touch()
    return tmp_path


def test_family_parameters_stand_beside_the_family_or_among_all_parameters():
    beside = load_scenario({"power": {"family": "hill", "hill_exponent": 2}})
    among = load_scenario({"power": {"family": "hill"}, "world": {"parameters": {"hill_exponent": 2}}})
    direct = Scenario.model_validate({"power": {"family": "hill", "hill_exponent": 2}})
    assert beside.changed_parameters() == {"hill_exponent": 2.0}
    assert beside.content_hash() == among.content_hash() == direct.content_hash()
    assert beside.content_hash() != load_scenario({"power": {"family": "hill"}}).content_hash()
    assert build(world_spec(beside)).power_function.exponent == 2.0


def test_a_parameter_of_two_families_may_stand_beside_either():
    for family in ("power", "threshold"):
        scenario = load_scenario({"power": {"family": family, "gamma": 0.4}, "world": {"hold": "theta"}})
        assert scenario.world.parameters["gamma"] == 0.4


@pytest.mark.parametrize(
    ("power", "what"),
    [
        (
            "{family: log, hill_exponent: 2}",
            "power.hill_exponent: hill_exponent belongs to power family hill, not to log",
        ),
        ("{hill_exponent: 2}", "power.hill_exponent: hill_exponent belongs to power family hill, not to power"),
        ("{family: linear, gamma: 1}", "power.gamma: gamma belongs to power family power or threshold"),
        ("{family: hill, table: [[1, 1], [2, 2], [3, 3]]}", "power.table: table belongs to power family measured"),
        (
            "{family: hill, hill_exponent: 99}",
            "power.hill_exponent: 99 is out of range; allowed: a number from 0.1 to 8",
        ),
        ("{family: hill, hill_exponent: '2'}", "power.hill_exponent: '2' is text, not a number"),
        ("{family: hill, hill_exponent: }", "power.hill_exponent: nothing (null) is empty"),
        ("{family: hill, hil_exponent: 2}", "power.hil_exponent: unknown key"),
        ("{family: cubic, hill_exponent: 2}", "power.family: power family 'cubic' is unknown"),
        ("{family: [hill]}", "power.family: this is a list"),
    ],
)
def test_what_does_not_belong_beside_a_family_is_refused_where_it_stands(power, what, folder):
    path = write(folder / "x.yaml", f"run: {{seed: 1}}\npower: {power}")
    (line,) = problems(path)
    assert line.startswith(f"{path}:2: {what}"), line
    assert line.count("; ") >= 2


def test_a_parameter_in_both_places_of_one_file_is_refused(folder):
    text = "power: {family: hill, hill_exponent: 2}\nworld: {parameters: {hill_exponent: 3}}"
    (line,) = problems(write(folder / "x.yaml", text))
    assert "x.yaml:1: power.hill_exponent: hill_exponent is also in world.parameters" in line


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("power: {family: hill, hill_exponent: 2}", "world: {parameters: {hill_exponent: 3}}"),
        ("power: {family: hill}\nworld: {parameters: {hill_exponent: 2}}", "power: {hill_exponent: 3}"),
        ("power: {family: hill, hill_exponent: 2}", "power: {hill_exponent: 3}"),
    ],
)
def test_the_child_has_the_last_word_wherever_it_writes_a_parameter(first, second, folder):
    write(folder / "parent.yaml", first)
    child = write(folder / "child.yaml", f"extends: parent.yaml\n{second}")
    assert load_scenario(child).changed_parameters() == {"hill_exponent": 3.0}
    assert load_scenario(child, overrides=["power.hill_exponent=4"]).changed_parameters() == {"hill_exponent": 4.0}
    changed = load_scenario(child, overrides=["world.parameters.hill_exponent=1.5"]).changed_parameters()
    assert changed == {"hill_exponent": 1.5}


def test_another_family_starts_afresh():
    assert load_scenario("measured", overrides=["power.family=log"]).power.table is None
    assert load_scenario("hill", overrides=["power.hill_exponent=2", "power.family=power"]).changed_parameters() == {}
    same = load_scenario("hill", overrides=["power.hill_exponent=2", "power.family=hill"])
    assert same.changed_parameters() == {"hill_exponent": 2.0}


def test_a_parameter_of_another_family_is_noted_among_all_parameters():
    with pytest.warns(
        ScenarioWarning, match="changes nothing: it belongs to power family hill, and the family is power"
    ):
        load_scenario("baseline", overrides=["world.parameters.hill_exponent=2"])
    with pytest.warns(ScenarioWarning, match="belongs to power family power or threshold, and the family is log"):
        load_scenario("log", overrides=["world.parameters.gamma=0.5"])


def test_an_implausible_parameter_beside_its_family_is_noted_where_it_stands(folder):
    path = write(folder / "x.yaml", "power:\n  family: hill\n  hill_exponent: 5")
    with pytest.warns(ScenarioWarning, match=r"x\.yaml:3: power\.hill_exponent: 5 is outside"):
        load_scenario(path)


# --- tables in scenarios ---------------------------------------------------------------------------

CSV = "effective_compute,power\n1,1\n10,3\n100,6\n"
INLINE = "power: {family: measured, table: [[1, 1], [10, 3], [100, 6]]}"
NAMED = "power: {family: measured, table: t.csv}"


def test_a_table_in_a_file_is_the_table_written_out(folder):
    write(folder / "t.csv", CSV)
    named, inline = load_scenario(write(folder / "a.yaml", NAMED)), load_scenario(write(folder / "b.yaml", INLINE))
    assert named.power.table == ((1.0, 1.0), (10.0, 3.0), (100.0, 6.0))
    assert named.content_hash() == inline.content_hash()
    assert build(world_spec(named)).power_function.knots == pytest.approx(np.log([1.0, 10.0, 100.0]))


@pytest.mark.parametrize(
    "text",
    [
        "﻿" + CSV,
        CSV.replace("\n", "\r\n"),
        CSV.replace("\n", "\n\n"),
        CSV.replace(",", " , "),
        CSV.rstrip() + "\n,\n",
        'x,"P, as I see it"\n1,1.0\n1e1,3\n100.,6',
    ],
)
def test_harmless_differences_between_csv_files_do_not_matter(text, folder):
    (folder / "t.csv").write_bytes(text.encode())
    scenario = load_scenario(write(folder / "a.yaml", NAMED))
    assert scenario.power.table == ((1.0, 1.0), (10.0, 3.0), (100.0, 6.0))


def test_the_content_hash_follows_what_the_table_says(folder):
    path = write(folder / "a.yaml", NAMED)
    write(folder / "t.csv", CSV)
    before = load_scenario(path).content_hash()
    write(folder / "t.csv", CSV.replace("power", "P"))
    assert load_scenario(path).content_hash() == before
    write(folder / "t.csv", CSV.replace("100,6", "100,6.5"))
    assert load_scenario(path).content_hash() != before


@pytest.mark.parametrize("name", FAMILIES)
def test_nothing_is_lost_on_a_round_trip(name, folder):
    scenario = load_scenario(
        name, overrides=[f"power.{p}={parameter_table()[p].high}" for p in FAMILY_PARAMETERS.get(name, ())[1:]]
    )
    text = write(folder / "again.yaml", scenario.to_yaml())
    assert load_scenario(text) == load_scenario(scenario.resolved()) == scenario
    assert load_scenario(text).content_hash() == scenario.content_hash()
    assert scenario.replace(quarters=4).power == scenario.power


def test_a_long_table_with_awkward_numbers_survives_a_round_trip(folder):
    rows = [[1.1**k / 3.0, 1.05**k / 7.0] for k in range(-500, 500)]
    scenario = load_scenario({"power": {"family": "measured", "table": rows}})
    assert load_scenario(write(folder / "again.yaml", scenario.to_yaml())) == scenario


ROWS = [
    # rows, index of the row to blame (None: the table), its column, what the message must say
    ("[[1, 1], [10, 3]]", None, "", "the table has 2 rows; allowed: 3 to 1,000; add rows"),
    ("[]", None, "", "the table has 0 rows"),
    ("3", None, "", "is a whole number; allowed: rows"),
    ("{a: 2}", None, "", "is a mapping; allowed: rows"),
    ("[[1, 1], [10, 3], [5, 6]]", 2, "[0]", "5 does not exceed 10 of the row before"),
    ("[[1, 1], [10, 3], [100, 3]]", 2, "[1]", "3 does not exceed 3 of the row before"),
    ("[[1, 1], [10, 3], [100, 2]]", 2, "[1]", "2 does not exceed 3"),
    ("[[1, 1], [1, 3], [100, 4]]", 1, "[0]", "1 does not exceed 1"),
    ("[[0, 0.5], [10, 3], [100, 6]]", 0, "[0]", "0 is out of range"),
    ("[[1, -1], [10, 3], [100, 6]]", 0, "[1]", "-1 is out of range"),
    ("[[1, 1], [10, x], [100, 6]]", 1, "[1]", "'x' is text, not a number"),
    ("[[1, 1], [10, '3'], [100, 6]]", 1, "[1]", "write 3, without quotes"),
    ("[[1, 1], [10, .nan], [100, 6]]", 1, "[1]", "not a finite number"),
    ("[[1, 1], [10, .inf], [100, 6]]", 1, "[1]", "not a finite number"),
    ("[[1, 1], [10, true], [100, 6]]", 1, "[1]", "not a number"),
    ("[[1, 1], [10, 3, 4], [100, 6]]", 1, "", "a row of 3 is not a pair"),
    ("[[1, 1], [10], [100, 6]]", 1, "", "a row of 1 is not a pair"),
    ("[[1, 1], 10, [100, 6]]", 1, "", "10 is not a pair"),
    ("[[1, 1], [1.01, 3], [100, 6]]", 1, "", "power rises as compute to the power of 110"),
]


@pytest.mark.parametrize(("rows", "index", "column", "what"), ROWS)
def test_a_bad_table_is_refused_with_its_row_and_line(rows, index, column, what, folder):
    lines = rows.replace("], ", "],\n  ").replace("[[", "[\n  [")
    path = write(folder / "x.yaml", f"power:\n  family: measured\n  table: {rows if index is None else lines}")
    (line,) = problems(path)
    place = "3: power.table" if index is None else f"{4 + index}: power.table[{index}]{column}"
    if rows.startswith("[[1, 1], 10,"):
        place = "5: power.table[1]"
    assert line.startswith(f"{path}:{place}: "), line
    assert what in line and line.count("; ") >= 2


def test_a_family_without_its_table_is_refused(folder):
    for text in ("power: {family: measured}", "power: {family: measured, table: null}"):
        (line,) = problems(write(folder / "x.yaml", text))
        assert "x.yaml:1: power: family measured lacks its table; allowed: rows of" in line


CELLS = [
    # content of the file, line to blame (0: the file), key, what the message must say
    (CSV.replace("100,6", "5,6"), 4, "power.table[2][0]: ", "5 does not exceed 10"),
    (CSV.replace("10,3", "10,1"), 3, "power.table[1][1]: ", "1 does not exceed 1"),
    (CSV.replace("10,3", "10,three"), 3, "power.table[1][1]: ", "'three' is text, not a number"),
    (CSV.replace("10,3", "10,"), 3, "power.table[1][1]: ", "empty, not a number"),
    (CSV.replace("10,3", "10,-3"), 3, "power.table[1][1]: ", "-3 is out of range"),
    (CSV.replace("10,3", "10,3,3"), 3, "power.table[1]: ", "a row of 3 is not a pair"),
    (CSV.replace("10,3", "10;3"), 3, "power.table[1]: ", "a row of 1 is not a pair"),
    (CSV.replace("10,3", "\n\n10,0"), 5, "power.table[1][1]: ", "0 is out of range"),
    (CSV.replace("10,3\n", ""), 1, "power.table: ", "the table has 2 rows"),
    (CSV.partition("\n")[2], 1, "", "the first line holds numbers, not a header"),
    (CSV.replace("effective_compute,power", "effective_compute"), 1, "", "the header has 1 columns"),
    (CSV.replace("10,3", '10,"3'), 4, "", "is not valid CSV"),
    ("", 0, "", "is empty"),
    ("\n \n", 0, "", "is empty"),
]


@pytest.mark.parametrize(("text", "number", "key", "what"), CELLS)
def test_a_bad_csv_file_is_refused_with_its_line(text, number, key, what, folder):
    write(folder / "t.csv", text)
    (line,) = problems(write(folder / "x.yaml", NAMED))
    where = f"{folder / 't.csv'}:{number}: " if number else f"{folder / 't.csv'}: "
    assert line.startswith(where + key), line
    assert what in line and line.count("; ") >= 2


def test_several_bad_rows_are_told_at_once(folder):
    write(folder / "t.csv", "e,p\n1,1\n10,x\n100,0\n50,7\n")
    assert len(problems(write(folder / "x.yaml", NAMED))) == 2
    write(folder / "t.csv", "e,p\n1,1\n10,2\n5,7\n4,6\n")
    assert [line.split(":")[1] for line in problems(write(folder / "x.yaml", NAMED))] == ["4", "5", "5"]


def test_bytes_that_are_no_text_and_files_that_are_too_large_are_refused(folder):
    path = write(folder / "x.yaml", NAMED)
    (folder / "t.csv").write_bytes(b"e,p\n1,1\n\xff,2\n")
    assert "t.csv:3: is not UTF-8" in problems(path)[0]
    (folder / "t.csv").write_bytes(b"e,p\n" + b"1,1\n" * 100_000)
    assert "larger than 256 KB" in problems(path)[0]
    write(folder / "t.csv", "e,p\n" + "".join(f"{k + 1},{k + 1}\n" for k in range(1001)))
    assert "the table has 1,001 rows" in problems(path)[0]


def test_a_table_is_sought_beside_the_file_that_names_it(folder, monkeypatch):
    write(folder / "a" / "t.csv", CSV)
    write(folder / "a" / "parent.yaml", NAMED)
    child = write(folder / "b" / "child.yaml", "extends: ../a/parent.yaml")
    assert load_scenario(child).power.table[1] == (10.0, 3.0)
    monkeypatch.chdir(folder / "b")
    assert load_scenario("child.yaml").power.table[1] == (10.0, 3.0)
    broken = write(folder / "a" / "t.csv", CSV.replace("10,3", "10,0"))
    assert problems("child.yaml")[0].startswith(f"{Path('..') / 'a' / broken.name}:3: power.table[1][1]: ")


def test_an_override_or_a_mapping_names_a_table_relative_to_the_current_folder(folder, monkeypatch):
    write(folder / "t.csv", CSV)
    monkeypatch.chdir(folder)
    wanted = load_scenario({"power": {"family": "measured", "table": "t.csv"}}).power
    assert wanted.table == ((1.0, 1.0), (10.0, 3.0), (100.0, 6.0))
    assert load_scenario("measured", overrides=["power.table=t.csv"]).power == wanted
    assert load_scenario("measured", overrides=["power.table=[[1, 1], [10, 3], [100, 6]]"]).power == wanted
    assert load_scenario("baseline", overrides=["power={family: measured, table: t.csv}"]).power == wanted


@pytest.mark.parametrize(
    "name", ["nothing.csv", "..", ".", "''", '"a\\0b"', "../../out.csv", "link.csv", "/etc/hostname"]
)
def test_a_table_outside_the_folder_tree_or_not_there_is_refused(name, tmp_path):
    project = tmp_path / "a" / "project"
    write(project / ".aipower", "")
    write(tmp_path / "out.csv", CSV)
    (project / "link.csv").symlink_to(tmp_path / "out.csv")
    path = write(project / "x.yaml", f"power:\n  family: measured\n  table: {name}")
    (line,) = problems(path)
    assert line.startswith(f"{path}:3: power.table: ") and line.count("; ") >= 2, line


def test_the_class_itself_reads_no_file():
    with pytest.raises(ValidationError, match="'t.csv' is text"):
        Scenario.model_validate({"power": {"family": "measured", "table": "t.csv"}})


def test_each_family_ships_a_scenario_that_is_found_by_its_name():
    files = shipped_scenarios()
    assert set(FAMILIES) <= set(files)
    assert all(files[family].parent.name == "power" for family in FAMILIES)
    assert load_scenario("power").content_hash() == load_scenario("baseline").content_hash()
