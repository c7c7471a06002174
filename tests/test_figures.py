"""Figures draw the numbers of the tables, repeat byte for byte, and let no text overlap."""

import copy
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.text import Text

import sim
from sim import stored_table, table_files
from sim.errors import ResultError
from sim.report import style
from sim.report.figures import CAPTIONS, FIGURES, drawable
from sim.report.figures.concentration import concentration_paths
from sim.report.figures.firm_shares import revenue_shares
from sim.report.figures.lorenz import N_LORENZ, gini_of_curve, lorenz_curves
from sim.report.figures.network import supply_links
from sim.report.figures.payments import payments
from sim.report.figures.power import power_curve
from sim.report.tables import percent, significant
from sim.result import Result
from sim.scenario import load_scenario
from sim.state import FIRM_CLASSES
from tests.synthetic import recording

CASES = {
    "a long run": {"n_replicates": 4},
    "one replicate": {"n_replicates": 1, "n_quarters": 10},
    "one quarter": {"n_replicates": 2, "n_quarters": 1},
    "half a year": {"n_replicates": 2, "start": "2024Q3", "n_quarters": 2},
    "labs at the open frontier": None,
    "equals": None,
    "another seed": {"n_replicates": 3, "n_quarters": 30, "seed": 99},
}


def equals():
    """A world without labs, in which no chips are sold."""
    recorded = recording(n_replicates=2, n_quarters=2)
    firms = {**recorded.firms, "class_code": np.full_like(recorded.firms["class_code"], FIRM_CLASSES.index("sme"))}
    nothing = {name: np.full_like(values, np.nan) for name, values in recorded.measures.items() if "chip_sales" in name}
    return replace(recorded, firms=firms, measures={**recorded.measures, **nothing})


def crowded():
    """A world in which open weights lift most labs to almost the same power."""
    recorded = recording(n_replicates=2, n_quarters=20)
    compute = recorded.firms["effective_compute"]
    compute = np.maximum(compute, 0.1 * compute.max(axis=-1, keepdims=True))
    compute = compute * np.linspace(1.0, 1.1, compute.shape[-1])
    power = (compute / 3.0) ** 0.63
    return replace(recorded, firms={**recorded.firms, "effective_compute": compute, "power": power})


@pytest.fixture(scope="module")
def results():
    scenario = load_scenario({"name": "made-up"})
    recordings = {case: recording(**options) for case, options in CASES.items() if options}
    recordings |= {"labs at the open frontier": crowded(), "equals": equals()}
    return {case: Result.from_recording(scenario, made) for case, made in recordings.items()}


@pytest.fixture(scope="module")
def result(results):
    return results["a long run"]


@pytest.fixture(scope="module")
def drawn(results):
    """Every figure of every case, drawn once."""
    return {(case, name): FIGURES[name](result) for case, result in results.items() for name in FIGURES}


# -- checkers


def shown_texts(figure):
    """Texts that a reader sees, with their boxes in pixels."""
    figure.draw_without_rendering()
    hidden = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            seen = {id(tick) for tick in axis._update_ticks()} if axes.axison else set()
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if id(tick) not in seen:
                    hidden |= {tick.label1, tick.label2}
            if not axes.axison:
                hidden |= {axis.label, axis.offsetText}
    texts = [
        text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible() and text not in hidden
    ]
    return [(text.get_text(), Text.get_window_extent(text)) for text in texts]


def overlaps(figure):
    """Pairs of texts whose boxes share more than a pixel, and texts that leave the figure."""
    boxes = shown_texts(figure)
    found = []
    for k, (text, box) in enumerate(boxes):
        if box.x0 < 0 or box.y0 < 0 or box.x1 > figure.bbox.x1 or box.y1 > figure.bbox.y1:
            found.append((text, "the edge of the figure"))
        for other, place in boxes[k + 1 :]:
            width = min(box.x1, place.x1) - max(box.x0, place.x0)
            height = min(box.y1, place.y1) - max(box.y0, place.y0)
            if width > 1 and height > 1:
                found.append((text, other))
    return found


def covered_data(figure):
    """Points of lines and markers that lie under a legend or a name."""
    figure.draw_without_rendering()
    found = []
    for axes in figure.axes:
        boxes = [Text.get_window_extent(text) for text in axes.texts]
        if axes.get_legend() is not None:
            boxes.append(axes.get_legend().get_window_extent())
        points = [
            line.get_transform().transform(line.get_xydata())
            for line in axes.lines
            if line.get_gid() not in ("tie", "equal")
        ]
        points += [axes.transData.transform(c.get_offsets()) for c in axes.collections if isinstance(c, PathCollection)]
        found += [box for box in boxes for group in points if box.count_contains(group)]
    return found


def line(axes, gid):
    return next(line for line in axes.lines if line.get_gid() == gid)


def panel(figure, label):
    return next(axes for axes in figure.axes if axes.get_label() == label)


# -- what holds for every figure


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("case", CASES)
def test_no_text_overlaps_another_or_leaves_the_figure(drawn, case, name):
    assert overlaps(drawn[case, name]) == []


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("case", CASES)
def test_no_legend_or_name_covers_data(drawn, case, name):
    assert covered_data(drawn[case, name]) == []


def test_the_checkers_see_an_overlap_an_edge_and_a_covered_point():
    figure = style.new_figure(4, 3)
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    axes.text(0.5, 0.5, "one")
    axes.text(0.51, 0.5, "two")
    axes.text(0.95, 0.9, "far too long for its place")
    axes.plot([0.52], [0.51])
    axes.set(xlim=(0, 1), ylim=(0, 1))
    found = overlaps(figure)
    assert ("one", "two") in found
    assert ("far too long for its place", "the edge of the figure") in found
    assert covered_data(figure)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_repeats_byte_for_byte(result, drawn, name):
    first, again = drawn["a long run", name], FIGURES[name](result)
    assert style.png(first) == style.png(again)
    assert style.svg(first) == style.svg(again)


def test_the_users_own_settings_change_no_byte(result, drawn):
    with mpl.rc_context({"font.size": 20, "axes.grid": False, "savefig.dpi": 30}):
        assert style.png(FIGURES["lorenz"](result)) == style.png(drawn["a long run", "lorenz"])


def test_drawing_leaves_settings_and_plotting_state_alone(result):
    before = dict(mpl.rcParams)
    assert isinstance(FIGURES["lorenz"](result), Figure)
    assert dict(mpl.rcParams) == before
    code = "import sys; from sim.report import figures; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", FIGURES)
def test_the_remark_names_scenario_replicates_and_flywheel(drawn, name):
    remark = drawn["a long run", name].texts[1].get_text().replace("\n", " ")
    assert "Scenario made-up, 4 replicates, flywheel elasticity Λ = 1.00 (assumed)" in remark


def test_every_figure_has_a_caption():
    assert list(CAPTIONS) == list(FIGURES)


def test_figures_without_recorded_numbers_are_left_out(result):
    bare = replace(recording(n_replicates=2, n_quarters=4), firms={}, firm_quarters=(), networks={})
    bare = Result.from_recording(load_scenario({}), bare)
    assert drawable(bare) == ("concentration", "who_pays_whom")
    assert drawable(result) == tuple(FIGURES)
    with pytest.raises(ResultError, match="record: networks"):
        bare.plot("supply_network")


def test_a_run_without_firms_has_its_other_figures_and_a_report_in_memory_and_from_its_folder(tmp_path):
    bare = {"extends": "small_world", "name": "bare", "record": {"firms": "none"}}
    there = sim.run(bare, replicates=2, quarters=4, out=tmp_path / "run")
    here = sim.run(bare, replicates=2, quarters=4)
    drawn = {path.stem for path in (tmp_path / "run" / "figures").iterdir()}
    assert drawn == set(drawable(here)) == {"concentration", "supply_network", "who_pays_whom"}
    assert "supply_network" in sim.load_result(tmp_path / "run").report(tmp_path / "report").read_text(encoding="utf-8")
    for result in (there, here):
        delivered, used = supply_links(result, "2024Q4")
        assert delivered.to_numpy().sum() > 0.0 and "OpenAI" in used.columns
        for name in set(FIGURES) - drawn:
            with pytest.raises(ResultError, match="no firms were recorded.*record: {firms: yearly}"):
                result.plot(name)


def test_hostile_and_long_names_are_drawn_as_they_are():
    recorded = recording(n_replicates=2, n_quarters=4)
    names = ("A$\\frac$B_{", "A" * 64, "x" * 30 + " of " + "y" * 30, *recorded.firm_names[3:])
    owners = ("$" * 5, "B" * 64, *recorded.owner_names[2:])
    odd = replace(recorded, firm_names=names, owner_names=owners)
    result = Result.from_recording(load_scenario({}), odd)
    for name in FIGURES:
        assert overlaps(FIGURES[name](result)) == [], name


def test_characters_that_no_font_has_are_told_once(monkeypatch):
    monkeypatch.setattr(style, "_TOLD", set())
    monkeypatch.setattr(style, "_FALLBACKS", ("no such font",))
    recorded = recording(n_replicates=1, n_quarters=1)
    odd = replace(recorded, firm_names=("\u667a\u8c31", *recorded.firm_names[1:]))
    result = Result.from_recording(load_scenario({}), odd)
    with pytest.warns(UserWarning, match="no font here has \u667a\u8c31, which figures show as boxes"):
        FIGURES["firm_shares"](result)
    for name in FIGURES:
        style.png(FIGURES[name](result))  # warnings are errors


def test_an_installed_font_stands_in_for_characters_that_ours_lacks(monkeypatch):
    text = "\u0359"  # in STIX, which Matplotlib brings, and not in DejaVu Sans
    monkeypatch.setattr(style, "_TOLD", set())
    monkeypatch.setattr(style, "_FALLBACKS", ("no such font", "STIXGeneral"))
    assert style.fonts() == ["DejaVu Sans", "STIXGeneral"]
    with style.settings():
        figure = style.new_figure(2, 2)
        figure.text(0.1, 0.1, text)
    style.png(figure)  # warnings are errors


def test_an_actor_has_one_colour_everywhere(result, drawn):
    axes = drawn["a long run", "firm_shares"].axes[0]
    areas = {area.get_gid(): area.get_facecolor()[0][:3] for area in axes.collections}
    assert areas["OpenAI"] == pytest.approx(mpl.colors.to_rgb(style.colour("OpenAI")))
    points = drawn["a long run", "power_against_compute"].axes[0].collections
    labs = next(group for group in points if group.get_gid() == "lab")
    data = power_curve(result).firms
    order = data[data["firm_class"] == "lab"].index.tolist()
    shade = labs.get_facecolor()[order.index("OpenAI")][:3]
    assert shade == pytest.approx(areas["OpenAI"])


def test_the_best_known_actors_have_different_colours():
    names = ("OpenAI", "Google", "Meta", "Anthropic", "xAI", "Microsoft", "Amazon", "China")
    assert len({mpl.colors.to_hex(style.colour(name)) for name in names}) == len(names)


@given(
    st.lists(st.floats(-5, 15), min_size=1, max_size=12),
    st.floats(0.01, 3),
)
def test_labels_moved_apart_keep_order_distance_and_bounds(positions, gap):
    moved = style.spread(positions, gap, 0.0, 10.0)
    gap = min(gap, 10.0 / max(len(positions) - 1, 1))
    order = np.argsort(positions, kind="stable")
    steps = np.diff(np.array(moved)[order])
    assert (steps >= gap - 1e-9).all()
    assert min(moved) >= -1e-9
    assert max(moved) <= 10 + 1e-9


def test_labels_with_room_stay_where_they_are():
    assert style.spread([7.0, 1.0, 4.0], 2.0, 0.0, 10.0) == [7.0, 1.0, 4.0]


# -- the numbers of each figure


@pytest.mark.parametrize("index", ["hhi", "gini"])
def test_concentration_lines_are_means_and_bands_quantiles(result, drawn, index):
    axes = panel(drawn["a long run", "concentration"], index)
    bands = dict(zip(concentration_paths(result, index), axes.collections, strict=True))
    for layer in ("chip_sales", "compute_owned", "compute_used", "power", "revenue"):
        values = result.measures[f"{index}_{layer}"].to_numpy().reshape(4, 48)
        times, means = line(axes, layer).get_xydata().T
        assert means == pytest.approx(values.mean(axis=0), rel=1e-12)
        assert times[0] == 2024.125
        assert times[-1] == 2035.875
        heights = bands[layer].get_paths()[0].vertices[:, 1]
        low, high = np.quantile(values, [0.05, 0.95], axis=0)
        assert heights.min() == pytest.approx(low.min(), rel=1e-12)
        assert heights.max() == pytest.approx(high.max(), rel=1e-12)


def test_the_concentration_title_names_the_layers_that_move_most(result, drawn):
    title = drawn["a long run", "concentration"].texts[0].get_text().replace("\n", " ")
    changes = {}
    for layer in ("chip_sales", "compute_owned", "compute_used", "power", "revenue"):
        values = result.measures[f"hhi_{layer}"].groupby("quarter").mean()
        changes[layer] = values.iloc[-1] / values.iloc[0]
    low = min(changes, key=changes.get)
    words = {"chip_sales": "chip sales", "compute_owned": "owners' compute", "power": "AI power"}
    words |= {"compute_used": "compute used", "revenue": "revenue"}
    ends = result.measures[f"hhi_{low}"].groupby("quarter").mean()
    assert f"{words[low]} (HHI {ends.iloc[0]:,.0f} to {ends.iloc[-1]:,.0f})" in title


def with_hhi(recorded, **paths):
    """A result whose HHIs of layers take these values, in every replicate."""
    shape = recorded.measures["hhi_revenue"].shape
    measures = {name: np.full(shape, np.nan) if name[:4] == "hhi_" else v for name, v in recorded.measures.items()}
    measures |= {f"hhi_{layer}": np.broadcast_to(np.array(path, dtype=float), shape) for layer, path in paths.items()}
    return Result.from_recording(load_scenario({}), replace(recorded, measures=measures))


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ({"revenue": (2000, 2000), "power": (2000, 2000)}, "stays where it is in every layer"),
        (
            {"revenue": (2000, 2100), "power": (2000, 2000)},
            "rises most in firms' revenue (HHI 2,000 to 2,100) and falls in no",
        ),
        ({"revenue": (2000, 2000), "power": (2100, 2000)}, "rises in no layer and falls most in firms' AI power"),
        ({"revenue": (2000, 2100), "power": (2000, 2300)}, "rises in every layer, most in firms' AI power"),
        ({"revenue": (2000, 1900), "power": (2000, 1700)}, "falls in every layer, most in firms' AI power"),
        ({"revenue": (2000, 1900), "chip_sales": (np.nan, 3000)}, "rises in no layer and falls most in firms' revenue"),
    ],
)
def test_the_concentration_title_says_what_moves_and_what_does_not(paths, said):
    drawn = FIGURES["concentration"](with_hhi(recording(n_replicates=2, n_quarters=2), **paths))
    assert said in drawn.texts[0].get_text().replace("\n", " ")


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ({"revenue": (2000,), "power": (1000,)}, "Firms' revenue: the most concentrated layer (HHI 2,000)"),
        ({"revenue": (2000,), "power": (2000,)}, "Every layer is at HHI 2,000"),
        ({"revenue": (9,), "power": (9,), "compute_used": (8,)}, "The most concentrated layers are at HHI 9"),
    ],
)
def test_titles_of_one_quarter_rank_no_ties_and_compare_it_with_no_other(paths, said):
    result = with_hhi(recording(n_replicates=2, n_quarters=1), **paths)
    assert FIGURES["concentration"](result).texts[0].get_text().replace("\n", " ") == said
    assert "against" not in FIGURES["firm_shares"](result).texts[0].get_text()


@pytest.mark.parametrize(
    ("world", "title", "name"),
    [
        ("monopoly", "Small firm 1 is the only firm, with AI power 1, 2024Q1", "Small firm 1"),
        ("gibrat_null", " has about the effective compute and AI power of the median firm", " and 18 more"),
    ],
)
def test_equals_are_not_a_multiple_of_each_other_and_all_counted(world, title, name):
    figure = sim.run(world, replicates=1, quarters=1).plot("power_against_compute")
    assert title in figure.texts[0].get_text().replace("\n", " ")
    assert [text for text in figure.axes[0].texts if text.get_text().endswith(name)]


@pytest.mark.parametrize("world", ["symmetric", "monopoly", "ten_firm_city", "gibrat_null"])
def test_stylised_worlds_are_drawn_with_every_firm_by_its_name(world, recwarn):
    result = sim.run(world, replicates=2, quarters=2)
    figures = {name: FIGURES[name](result) for name in drawable(result)}
    assert list(figures) == list(FIGURES)
    for name, figure in figures.items():
        assert overlaps(figure) == [], name
    texts = [text for text, _ in shown_texts(figures["supply_network"])]
    assert not [text for text in texts if text.startswith("Entrant") and text.endswith(" 0")]
    shown = {area.get_gid() for area in figures["firm_shares"].axes[0].collections}
    firms = set(result.firms.index.unique("firm"))
    assert shown <= firms | {style.OTHERS} and len(shown) >= min(len(firms), 8)
    assert not [each for each in recwarn if issubclass(each.category, RuntimeWarning)]


def test_curves_of_one_gini_are_not_ranked():
    title = sim.run("symmetric", replicates=2, quarters=2).plot("lorenz").texts[0].get_text().replace("\n", " ")
    assert "have the same Gini coefficient among firms in 2024Q2 (0.00)" in title


def test_the_largest_three_are_those_of_the_last_quarter():
    recorded = recording(n_replicates=1)
    revenue = recorded.firms["revenue"].copy()
    late = recorded.firm_names.index("Zhipu")
    revenue[:, :, late] = 0.0
    revenue[:, -1, late] = 0.35 * revenue[:, -1].sum(axis=-1)
    result = Result.from_recording(load_scenario({}), replace(recorded, firms={**recorded.firms, "revenue": revenue}))
    last = revenue[0, -1] / revenue[0, -1].sum()
    title = FIGURES["firm_shares"](result).texts[0].get_text().replace("\n", " ")
    assert "Zhipu" not in revenue_shares(result).columns, "small over time"
    assert f"the largest three take {percent(np.sort(last)[-3:].sum())}" in title


def test_stacked_areas_are_mean_shares_of_revenue(result, drawn):
    shares = revenue_shares(result)
    assert shares.sum(axis=1).to_numpy() == pytest.approx(1.0)
    assert shares.columns[-2:].tolist() == [style.OTHERS, style.SMALL]
    assert shares.shape[1] == 10
    revenue = result.firms["revenue"]
    totals = revenue.groupby(["replicate", "quarter"]).sum()
    one = revenue.xs("OpenAI", level="firm") / totals
    assert shares["OpenAI"].to_numpy() == pytest.approx(one.groupby("quarter").mean().to_numpy())
    axes = drawn["a long run", "firm_shares"].axes[0]
    below = np.zeros(len(shares))
    for area in axes.collections:
        heights = area.get_paths()[0].vertices
        above = below + shares[area.get_gid()].to_numpy()
        assert heights[:, 1].max() == pytest.approx(above.max(), abs=1e-12)
        assert heights[:, 1].min() == pytest.approx(below.min(), abs=1e-12)
        below = above
    assert below == pytest.approx(1.0)


def test_each_area_is_named_beside_its_own_colour(drawn):
    axes = drawn["a long run", "firm_shares"].axes[0]
    swatches = {line.get_ydata()[0]: line.get_color() for line in axes.lines if line.get_marker() == "s"}
    names = {text.get_position()[1]: text.get_text() for text in axes.texts}
    areas = {area.get_gid(): area.get_facecolor()[0][:3] for area in axes.collections}
    assert len(swatches) == len(names) == len(areas)
    for height, shade in swatches.items():
        name = names[height].rpartition(" ")[0]
        assert mpl.colors.to_rgb(shade) == pytest.approx(areas[name])


def test_ticks_of_compute_are_the_data_in_single_chips(result, drawn):
    axes = drawn["a long run", "power_against_compute"].axes[0]
    assert axes.get_xlabel() == "Effective training compute (H100e-quarters, logarithmic)"
    low, high = axes.get_xlim()
    place = next(tick for tick in axes.get_xticks() if low < tick < high)
    number, _, word = axes.xaxis.get_major_formatter()(place, 0).partition(" ")
    sizes = {"": 1, "million": 1e6, "billion": 1e9, "trillion": 1e12}
    assert float(number.replace(",", "")) * sizes[word] == pytest.approx(place * 1e6)


def test_a_firm_that_left_counts_as_nothing(result):
    assert "Small firm 1" not in result.firms.xs("2035Q4", level="quarter").index.unique("firm")
    last = revenue_shares(result).loc["2035Q4"]
    assert last.sum() == pytest.approx(1.0)


def test_lorenz_curves_enclose_the_recorded_gini(result, drawn):
    figure = drawn["a long run", "lorenz"]
    for column in ("compute_used", "power", "revenue"):
        for quarter in ("2024Q1", "2035Q4"):
            grid, held = line(panel(figure, column), quarter).get_xydata().T
            assert (grid[0], grid[-1], held[0], held[-1]) == (0, 1, 0, pytest.approx(1))
            recorded = result.measures[f"gini_{column}"].xs(quarter, level="quarter").mean()
            assert gini_of_curve(held) == pytest.approx(recorded, abs=2e-3)
            label = line(panel(figure, column), quarter).get_label()
            assert label == f"{quarter}: Gini {gini_of_curve(held):.2f}"


@pytest.fixture(params=[1, 100, 10**6], ids="{} rows at a time".format)
def stored(request, result, tmp_path_factory, monkeypatch):
    """The same result on disk, in many groups of rows, of which some are read at a time."""
    monkeypatch.setattr(table_files, "GROUP_VALUES", 700)
    monkeypatch.setattr(stored_table, "PIECE_ROWS", request.param)
    return sim.load_result(Result.save(copy.copy(result), tmp_path_factory.mktemp("stored") / "run", figures=False))


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("measures", ["hhi_power", "n_firms"]),
        ("firms", ["firm_class", "power"]),
        ("flows", ["payer", "amount"]),
        ("networks", ["quarter", "weight"]),
        ("networks", ["replicate", "buyer"]),
    ],
)
def test_pieces_of_a_stored_table_hold_whole_replicates_and_together_every_row(stored, result, table, columns):
    def replicates(piece):
        return set(piece["replicate"] if "replicate" in piece else piece.index.get_level_values(0))

    pieces = list(stored.pieces(table, columns))
    whole = pd.concat(pieces, ignore_index=table == "networks")
    pd.testing.assert_frame_equal(whole, result.table(table)[columns], check_categorical=False)
    if table != "networks" or "replicate" in columns:
        numbers = [replicates(piece) for piece in pieces]
        assert sum(map(len, numbers)) == len(set.union(*numbers)) == len(result.replicates)
        assert (len(pieces) > 1) == (stored_table.PIECE_ROWS < len(whole) * (1 - 1 / len(result.replicates)))


def test_figures_of_a_stored_result_show_what_those_in_memory_do_and_read_no_whole_table(stored, result):
    last = result.firm_quarters()[-1]
    assert stored.firm_quarters() == result.firm_quarters()
    assert drawable(stored) == drawable(result)
    for index in ("hhi", "gini"):
        there, here = concentration_paths(stored, index), concentration_paths(result, index)
        assert there.keys() == here.keys()
        assert all(there[layer].equals(here[layer]) for layer in here)
    assert lorenz_curves(stored, last).keys() == lorenz_curves(result, last).keys()
    for column, curves in lorenz_curves(result, last).items():
        assert np.array_equal(lorenz_curves(stored, last)[column], curves)
    pd.testing.assert_frame_equal(revenue_shares(stored), revenue_shares(result), rtol=1e-12)
    pd.testing.assert_frame_equal(payments(stored, 2035), payments(result, 2035), rtol=1e-12)
    for there, here in zip(supply_links(stored, last), supply_links(result, last), strict=True):
        pd.testing.assert_frame_equal(there, here, rtol=1e-12)
    there, here = power_curve(stored), power_curve(result)
    assert there.replicate == here.replicate and there.quarter == here.quarter
    pd.testing.assert_frame_equal(there.firms, here.firms, check_categorical=False)
    assert not stored._tables, "a figure read a whole table"


def test_firms_of_one_owner_stand_as_one_on_a_lorenz_curve(result):
    firms = result.firms.assign(group_slot=0)
    curves = lorenz_curves(SimpleNamespace(pieces=lambda _, names: [firms[names]]), "2035Q4")["revenue"]
    assert curves.shape == (len(result.replicates), N_LORENZ)
    assert curves == pytest.approx(np.broadcast_to(np.linspace(0.0, 1.0, N_LORENZ), curves.shape))
    assert lorenz_curves(result, "2035Q4")["revenue"].mean() < 0.3


def test_points_are_firms_of_the_median_replicate_and_lie_on_f(result, drawn):
    data = power_curve(result)
    axes = drawn["a long run", "power_against_compute"].axes[0]
    frame = result.firms.xs(("2035Q4", data.replicate), level=("quarter", "replicate"))
    points = np.concatenate([c.get_offsets() for c in axes.collections])
    expected = frame[["effective_compute", "power"]].to_numpy()
    assert np.array_equal(np.sort(points, axis=0), np.sort(expected, axis=0))
    x, y = np.log(line(axes, "f").get_xydata().T)
    assert np.interp(np.log(points[:, 0]), x, y) == pytest.approx(np.log(points[:, 1]), abs=1e-9)
    totals = result.firms["power"].xs("2035Q4", level="quarter").groupby("replicate").sum()
    assert (totals <= totals[data.replicate]).sum() == 2  # the lower middle one of four


def test_the_power_function_is_the_scenarios(result):
    scenario = load_scenario({"power": {"family": "log"}})
    recorded = recording(n_replicates=1, n_quarters=4)
    compute = recorded.firms["effective_compute"]
    power = np.log1p(compute / 0.3) / np.log(2.0)
    odd = replace(recorded, firms={**recorded.firms, "power": power})
    data = power_curve(Result.from_recording(scenario, odd))
    assert data.power == pytest.approx(np.log1p(data.compute / 0.3) / np.log(2.0), rel=1e-9)


def test_band_heights_are_proportional_to_the_supply(result, drawn):
    delivered, used = supply_links(result, "2035Q4")
    graph = result.network("2035Q4")
    assert used.loc["Google", "OpenAI"] == graph.edges["owner:Google", "firm:OpenAI"]["weight"]
    total = sum(weight for _, _, weight in graph.edges(data="weight"))
    assert delivered.to_numpy().sum() + used.to_numpy().sum() == pytest.approx(total)
    axes = drawn["a long run", "supply_network"].axes[0]
    scales = []
    for band in axes.patches:
        if isinstance(band, PathPatch):
            seller, buyer = band.get_gid().split("|")
            frame = delivered if seller in delivered.index and buyer in delivered else used
            corners = band.get_path().vertices
            heights = (corners[0, 1] - corners[7, 1], corners[3, 1] - corners[4, 1])
            assert heights[0] == pytest.approx(heights[1])
            scales.append(heights[0] / frame.loc[seller, buyer])
    assert len(scales) > 20
    assert scales == pytest.approx([scales[0]] * len(scales))


def test_names_in_the_network_carry_their_totals(result, drawn):
    _, used = supply_links(result, "2035Q4")
    texts = {text.get_text() for text in drawn["a long run", "supply_network"].axes[0].texts}
    for firm in used.columns:
        assert f"{firm} {significant(used[firm].sum())}" in texts


def test_payment_cells_are_the_years_flows(result, drawn):
    figure = drawn["a long run", "who_pays_whom"]
    for year in (2024, 2035):
        table = payments(result, year)
        quarters = [f"{year}Q{k}" for k in (1, 2, 3, 4)]
        flows = result.flows[result.flows.index.get_level_values("quarter").isin(quarters)]
        pairs = flows.astype({"payer": "str", "payee": "str"}).groupby(["payer", "payee"])["amount"]
        for (payer, payee), amount in pairs.sum().items():
            assert table.loc[payer, payee] == pytest.approx(amount / 4)
        axes = panel(figure, str(year))
        shown = axes.images[0].get_array()
        names = [label.get_text() for label in axes.get_xticklabels()]
        assert shown.filled(0.0) == pytest.approx(table.loc[names, names].to_numpy())
        cells = [text.get_text() for text in axes.texts]
        for value in table.to_numpy()[table.to_numpy() > 0]:
            assert significant(float(value)) in cells
    assert "government" not in names  # it neither pays nor is paid


def test_the_payments_title_names_the_largest(result, drawn):
    table = payments(result, 2035)
    largest = table.to_numpy().max()
    payer, payee = table.stack().idxmax()
    title = drawn["a long run", "who_pays_whom"].texts[0].get_text().replace("\n", " ")
    assert f"from {payer} to {payee}: ${significant(float(largest))} bn" in title
