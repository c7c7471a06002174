"""Figures of comparisons and sweeps: what is drawn is what the tables say."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text

import sim
from sim.comparison.bootstrap import FEW_PAIRS
from sim.errors import InputError, ResultError
from sim.report import style
from sim.report.comparison import amount, grids, headline, notes, turning
from sim.report.figures import effects
from sim.report.figures.effects import COMPARISON_CAPTIONS, COMPARISON_FIGURES
from sim.report.figures.sweeps import _tick
from tests.comparisons import base, pairs_of_numbers, scenario, synthetic


@pytest.fixture(scope="module")
def made():
    changes = [
        scenario("no-open", {"mechanisms": {"open_weights": False}}),
        scenario("same"),
        scenario("steep", {"world": {"parameters": {"flywheel": 1.2}}}),
    ]
    return sim.compare(base(), changes, flywheels=(0.8,))


def axes_of(figure):
    return {axes.get_label(): axes for axes in figure.axes}


def drawn(axes, gid):
    (line,) = [line for line in axes.lines if line.get_gid() == gid]
    return line


def row_of(made, scenario_name, measure):
    rows = made.effects
    rows = rows[
        (rows["scenario"] == scenario_name) & (rows["measure"] == measure) & (rows["horizon"] == made.horizons[-1])
    ]
    return rows.iloc[0]


@pytest.mark.parametrize("name", COMPARISON_FIGURES)
def test_every_figure_draws_twice_the_same_and_has_a_caption(made, name):
    assert style.png(made.plot(name)) == style.png(made.plot(name))
    assert COMPARISON_CAPTIONS[name]


def test_an_unknown_figure_is_refused(made):
    with pytest.raises(ResultError, match="no figure 'efects'; the figures are effects, paths, map, tradeoff"):
        made.plot("efects")


def test_the_effect_plot_shows_effects_and_both_intervals(made):
    axes = axes_of(made.plot())["hhi_revenue"]
    row = row_of(made, "no-open", "hhi_revenue")
    point = drawn(axes, "no-open (world)")
    assert point.get_xdata()[0] == row["effect"]
    for level in ("90", "95"):
        bar = drawn(axes, f"no-open (world):{level}")
        assert bar.get_xdata().tolist() == [row[f"ci{level}_low"], row[f"ci{level}_high"]]
    assert drawn(axes, "same").get_marker() == "s", "negligible effects have a mark of their own"


def test_undefined_effects_are_said_to_be_so(made):
    axes = axes_of(made.plot("effects", measures=["welfare_paired"]))["welfare_paired"]
    assert [text.get_text() for text in axes.texts] == ["not defined"]


def test_paths_are_those_of_the_comparison(made):
    axes = axes_of(made.plot("paths", measures=["hhi_revenue", "total_power"]))
    path = made.path("no-open", "hhi_revenue")
    assert drawn(axes["hhi_revenue"], "no-open (world)").get_ydata().tolist() == path["effect"].tolist()
    power = made.path("no-open", "total_power")
    share = 100 * power["effect"] / power["reference_mean"]
    assert drawn(axes["total_power"], "no-open (world)").get_ydata() == pytest.approx(share.to_numpy())


def test_the_maps_title_counts_every_effect_that_is_defined():
    levels = list(np.linspace(5.0, 6.0, 12))
    made = synthetic({"energy_twh": ([0.0] * 12, levels)})
    rows = made.effects
    rows = rows[rows["measure"].isin(made.measures) & (rows["horizon"] == made.horizons[-1])]
    assert (rows["smallest_effect"] == 0.0).any()
    clear, defined = (rows["verdict"] == "clear").sum(), np.isfinite(rows["effect"]).sum()
    assert made.plot("map").texts[0].get_text().startswith(f"{clear} of {defined} effects are clear")


def test_the_map_leaves_negligible_cells_blank(made):
    figure = made.plot("map")
    axes = axes_of(figure)["map"]
    cells = axes.images[0].get_array()
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["no-open (world)", "same", "steep (world)"]
    assert cells.shape == (3, len(made.measures))
    assert (cells[1] == 0.0).all()
    row = row_of(made, "no-open", "hhi_revenue")
    expected = np.log2(1 + abs(row["effect"] / row["smallest_effect"])) if row["verdict"] != "negligible" else 0.0
    assert abs(cells[0, made.measures.index("hhi_revenue")]) == pytest.approx(expected)


def test_the_trade_off_rings_what_nothing_beats(made):
    figure = made.plot("tradeoff", x="hhi_revenue", y="total_power")
    axes = axes_of(figure)["plane"]
    for name in ("no-open", "steep"):
        point = drawn(axes, f"{name} (world)")
        assert point.get_xdata()[0] == row_of(made, name, "hhi_revenue")["effect"]
    rings = [line for line in axes.lines if line.get_fillstyle() == "none"]
    table = made.pareto(objectives={"hhi_revenue": -1, "total_power": 1}, kind="world").set_index("scenario")
    best = table.drop(index="base")["is_pareto"]
    assert len(rings) >= int(best.sum())


@pytest.mark.parametrize(
    ("figure", "options", "said"),
    [
        ("effects", {"measure": "hhi_revenue"}, "'effects' takes no 'measure'; it takes measures, horizon"),
        ("effects", {"measures": "hhi_revenu"}, "no measure 'hhi_revenu'; did you mean hhi_revenue?"),
        (
            "effects",
            {"measures": ["hhi_revenue", "hhi_power", "gini_power", "energy_twh"]},
            "room for 3 measures, not 4",
        ),
        ("effects", {"horizon": 2031}, "'2031' is not compared"),
        ("map", {"measures": ["hhi_revenue"]}, "'map' takes no 'measures'; it takes horizon"),
        ("paths", {"scenarios": "stepe"}, "no scenario 'stepe' in this comparison; it has .*steep"),
        ("tradeoff", {"x": "hhi_revenu"}, "no measure 'hhi_revenu'"),
    ],
)
def test_options_that_a_figure_cannot_follow_are_refused(made, figure, options, said):
    with pytest.raises((InputError, ResultError), match=said):
        made.plot(figure, **options)


def test_one_measure_year_or_scenario_needs_no_list(made):
    assert "hhi_power" in axes_of(made.plot("effects", measures="hhi_power", horizon=2025))
    axes = axes_of(made.plot("paths", measures="total_power", scenarios="steep"))["total_power"]
    assert [
        line.get_gid() for line in axes.lines if line.get_gid() in {"steep (world)", "no-open (world)", "same"}
    ] == ["steep (world)"]


@pytest.mark.parametrize("figure", ["effects", "map"])
def test_the_longest_names_of_scenarios_stay_inside_the_figure(figure):
    made = pairs_of_numbers({"w" * 64: {"hhi_revenue": np.arange(12.0)}, "b": {"hhi_revenue": np.arange(12.0)}})
    drawn = made.plot(figure)
    renderer = drawn.canvas.get_renderer()
    labels = [label for axes in drawn.axes for label in axes.get_yticklabels()]
    assert min(label.get_window_extent(renderer).x0 for label in labels) >= 0.0


def test_the_interval_of_a_single_year_is_drawn():
    made = pairs_of_numbers({"a": {"hhi_revenue": np.arange(12.0)}})
    axes = axes_of(made.plot("paths", measures="hhi_revenue"))["hhi_revenue"]
    row = made.path("a", "hhi_revenue").iloc[0]
    ends = [part.get_segments()[0][:, 1].tolist() for part in axes.collections if hasattr(part, "get_segments")]
    assert ends == [[row["ci95_low"], row["ci95_high"]]]


def test_of_many_points_the_best_and_the_furthest_are_named():
    few = np.linspace(0.99, 1.01, 12)
    changes = {f"s{k}": {"hhi_revenue": k * few, "total_power": -10.0 * k * few} for k in range(1, 41)}
    changes["best"] = {"hhi_revenue": -0.1 * few, "total_power": 0.1 * few}
    figure = pairs_of_numbers(changes).plot("tradeoff")
    named = {text.get_text() for text in axes_of(figure)["plane"].texts}
    assert named == {"best", *(f"s{k}" for k in range(26, 41))}
    assert "16 of 41" in figure.texts[1].get_text().replace("\n", " ")


def test_names_of_points_cover_neither_points_nor_one_another():
    """Sixteen points of which many lie together, one at a corner."""
    figure, axes = plt.subplots(figsize=(9.0, 5.6))
    rng = np.random.default_rng(5)
    points = {f"scenario-{k}": place for k, place in enumerate(rng.normal(size=(15, 2)).tolist())}
    points["at-the-corner"] = [6.0, 6.0]
    for place in points.values():
        axes.plot(*place, "o", markersize=5)
    effects._name_points(axes, points, list(points))
    figure.canvas.draw()
    assert {text.get_text() for text in axes.texts} == set(points)
    plain = [Text.get_window_extent(text) for text in axes.texts]
    dots = axes.transData.transform(list(points.values()))
    assert not any(box.contains(*dot) for box in plain for dot in dots)
    assert not any(box.overlaps(other) for k, box in enumerate(plain) for other in plain[:k])
    assert all(axes.bbox.contains(*corner) for box in plain for corner in box.corners())
    plt.close(figure)


# --- tables ------------------------------------------------------------------------------------


def test_tables_keep_policies_and_worlds_apart(made):
    titles = [grid.title for grid in grids(made)]
    assert titles[0] == "Effect of policies: same, against base"
    assert "Effect of the change of world, 2025Q2" in titles
    assert "Effect of the change of world: no-open, against base" in titles


def test_a_cell_says_effect_verdict_and_interval(made):
    (grid,) = [g for g in grids(made) if g.title.startswith("Effect of the change of world: no-open")]
    assert grid.columns == ("", *made.horizons, "\N{GREEK CAPITAL LETTER LAMDA}: 0.8")
    row = row_of(made, "no-open", "hhi_revenue")
    cell = {line[0]: line for line in grid.rows}["HHI of revenue"][grid.columns.index(made.horizons[-1])]
    assert cell.startswith(f"{amount(row, row['effect'])} {row['verdict']}")
    assert amount(row, row["ci95_low"]) in cell


def test_the_remarks_name_luck_multiplicity_and_variants(made):
    assert "luck only" in headline(made)
    text = " ".join(notes(made))
    n = len(made.effects[made.effects["p_holm"].notna()])
    assert f"{n} effects were asked about at once" in text and "Holm" in text
    assert "flywheel 0.8" in text
    assert (f"fewer than {FEW_PAIRS} pairs" in text) == (made.effects["n"].min() < FEW_PAIRS)


def test_few_pairs_are_told_of_and_many_not():
    levels = list(np.random.default_rng(0).random(FEW_PAIRS))
    few, many = (
        " ".join(notes(synthetic({"hhi_revenue": ([0.0] * n, levels[:n])}))) for n in (FEW_PAIRS - 1, FEW_PAIRS)
    )
    assert f"fewer than {FEW_PAIRS} pairs" in few and "fewer than" not in many.replace("fewer than 10 pairs differ", "")


def test_a_clear_effect_that_turns_elsewhere_is_marked(made):
    row = row_of(made, "no-open", "gini_revenue")
    changed = made.robustness.copy()
    is_it = (changed["scenario"] == "no-open") & (changed["measure"] == "gini_revenue")
    changed.loc[is_it, "direction"] = "down" if row["effect"] > 0 else "up"
    before, made.robustness = made.robustness, changed
    try:
        keys = {(s, m, h) for s, _, m, h in turning(made)}
    finally:
        made.robustness = before
    assert (row["verdict"] == "clear") == (("no-open", "gini_revenue", made.horizons[-1]) in keys)


# --- sweeps ------------------------------------------------------------------------------------


NAMES = ("power", "log", "hill", "linear", "saturating_loss", "threshold")


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"world.parameters.flywheel": [0.5]}, r" is [\d,]+ where flywheel is 0.5$"),
        (
            {"world.parameters.flywheel": [0.5, 0.51, 0.52, 2.0]},
            r" (rises|falls) from [\d,]+ to [\d,]+ as flywheel goes",
        ),
        ({"power.family": NAMES}, r" is lowest where family is \w+ \([\d,]+\) and highest where it is \w+ \("),
    ],
)
def test_titles_of_sweeps_say_what_there_is_and_no_names_below_touch(over, said):
    figure = sim.sweep(base(), over=over, replicates=2, quarters=2).plot()
    assert re.search(said, figure.texts[0].get_text().replace("\n", " "))
    renderer = figure.canvas.get_renderer()
    for axes in figure.axes:
        below = [label.get_window_extent(renderer) for label in axes.get_xticklabels() if label.get_text()]
        extra = [other.title.get_window_extent(renderer) for other in figure.axes]
        for box in [*below, axes.xaxis.label.get_window_extent(renderer)]:
            assert not any(box.overlaps(title) for title in extra)
        step = 2 if any("\n" in label.get_text() for label in axes.get_xticklabels()) else 1
        assert all(a.x1 <= b.x0 for a, b in zip(below, below[step:], strict=False))


def test_an_axis_of_lists_is_refused():
    with pytest.raises(InputError, match=r"policies: \[\] cannot stand on an axis"):
        sim.sweep(base(), over={"policies": [[], [{"compute_tax": {"rate": 0.3}}]]})


@pytest.mark.parametrize(("value", "text"), [(16.62, "16.62"), (20.0, "20.0"), (1500.0, "1,500"), (0.375, "0.375")])
def test_numbers_beside_a_sweep_have_the_digits_that_tell_them_apart(value, text):
    assert _tick(value) == text


def test_a_grid_of_one_value_says_so():
    grid = {"world.parameters.flywheel": [0.5, 1.0], "power.family": ["power", "log"]}
    figure = sim.sweep("monopoly", over=grid, replicates=1, quarters=1).plot()
    assert figure.texts[0].get_text() == "HHI of revenue in 2024Q1: 10,000 in every cell"


def test_curves_show_the_means_of_the_table():
    made = sim.sweep(base(), ["world.parameters.flywheel=0.8,1.0,1.1"], replicates=3)
    axes = axes_of(made.plot())["hhi_revenue"]
    line = drawn(axes, "hhi_revenue")
    assert line.get_xdata().tolist() == [0.8, 1.0, 1.1]
    assert line.get_ydata().tolist() == made.grid("hhi_revenue")["mean"].tolist()


def test_the_heat_map_shows_the_means_of_the_table():
    made = sim.sweep(
        base(), {"world.parameters.flywheel": [0.8, 1.1], "power.family": ["power", "log", "hill"]}, replicates=2
    )
    axes = axes_of(made.plot("gini_revenue"))["map"]
    assert np.array_equal(axes.images[0].get_array(), made.grid("gini_revenue").to_numpy())
    assert [label.get_text() for label in axes.get_xticklabels()] == ["power", "log", "hill"]
