"""`aipower compare` and `aipower sweep`: files and folders, tables, exit codes."""

import json
import os

import pytest

import sim
from sim.app import comparing
from sim.comparison import comparing as library
from sim.comparison import outcomes
from sim.ensemble import Job

SIZE = ("--replicates", "3", "--quarters", "4", "--workers", "1", "--no-figures")
BASE = "schema: 1\nextends: small_world\nname: base\n"


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A baseline and, in a folder and further down, two scenarios and the baseline again."""
    (tmp_path / ".aipower").touch()
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "more" / "deep").mkdir(parents=True)
    (tmp_path / "more" / "no-open.yaml").write_text("extends: ../base.yaml\nmechanisms: {open_weights: false}\n")
    (tmp_path / "more" / "deep" / "no-entry.yml").write_text("extends: ../../base.yaml\nmechanisms: {entry: false}\n")
    (tmp_path / "more" / "same.yaml").write_text("extends: ../base.yaml\n")
    (tmp_path / "more" / ".hidden.yaml").write_text("nonsense: [\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_is_taken_with_everything_below_it(files, aipower):
    code, out, err = aipower("compare", "base.yaml", "more", *SIZE, "--no-robust")
    assert code == 0, err
    assert "same.yaml is the baseline, and is left out" in err
    made = sim.load_comparison(files / "outputs" / "compare-base")
    assert list(made.scenarios) == ["no-entry", "no-open"]
    assert "2 scenarios against base: 3 pairs with the same luck, 2024Q1 to 2024Q4." in out
    assert "luck only" in out and "Effect of the change of world: no-open, against base" in out
    assert "HHI of revenue" in out and "Results: outputs/compare-base" in out


def test_the_same_comparison_is_found_again(files, aipower):
    first = aipower("compare", "base.yaml", "more/no-open.yaml", *SIZE, "--quiet")
    assert first == (0, "outputs/compare-base\n", "")
    code, out, _ = aipower("compare", "base.yaml", "more/no-open.yaml", *SIZE)
    assert code == 0 and "nothing was computed" in out
    code, out, _ = aipower("compare", "base.yaml", "more/no-open.yaml", *SIZE, "--seed", "9")
    assert code == 0 and "outputs/compare-base holds something else" in out and "Results: outputs/compare-base-2" in out


def test_json_holds_the_effects_that_were_asked_for(files, aipower):
    words = (
        "--json",
        "--measures",
        "gini_power, cr4_revenue",
        "--horizons",
        "2024",
        "--set",
        "mechanisms.imitation=false",
    )
    code, out, err = aipower("compare", "base.yaml", "more/no-open.yaml", *SIZE, *words)
    told = json.loads(out, parse_constant=pytest.fail)
    assert (code, err) == (0, "")
    assert {(row["measure"], row["horizon"]) for row in told["effects"]} == {
        ("gini_power", "2024Q4"),
        ("cr4_revenue", "2024Q4"),
    }
    assert {row["value"] for row in told["robustness"]} == {"0.5", "1.0", "1.5"}
    assert told["replicates"] == 3 and told["failures"] == []
    assert sim.load_scenario(told["folder"] + "/baseline.resolved.yaml").mechanisms.imitation is False


def test_a_narrow_terminal_cuts_no_number(files, aipower, monkeypatch):
    monkeypatch.setenv("COLUMNS", "44")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    _, out, _ = aipower("compare", "base.yaml", "more/no-open.yaml", *SIZE)
    made = sim.load_comparison(files / "outputs" / "compare-base")
    from sim.report.comparison import amount

    rows = made.effects
    for row in rows[rows["measure"].isin(made.measures)].to_dict("records"):
        assert amount(row, row["effect"]) in out or row["n"] == 0, row["measure"]


def test_until_adds_replicates_and_says_how_it_ended(files, aipower, monkeypatch):
    monkeypatch.setattr(library, "BATCH", 2)
    words = ("--quarters", "4", "--workers", "1", "--no-figures", "--no-robust")
    code, out, _ = aipower("compare", "base.yaml", "more/no-open.yaml", *words, "--until", "hhi_revenue=1e6")
    assert code == 0 and "was reached at two looks in a row" in " ".join(out.split())
    code, out, _ = aipower(
        "compare", "base.yaml", "more/no-open.yaml", *words, "--until", "hhi_revenue=1e-9", "--most", "4"
    )
    assert code == 0 and "was not reached with 4 replicates" in " ".join(out.split())


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("base.yaml", "empty"), "empty holds no scenario file"),
        (("base.yaml", "missing.yaml"), "missing.yaml: there is no such file"),
        (("base.yaml", "more", "--until", "hhi_revenue"), "not a target; write a measure, =, and a half-width"),
        (("base.yaml", "more", "--until", "hhi_revenue=x"), "not a target"),
        (("base.yaml", "more", "--until", "hhi_revenue=inf"), "the half-width wanted must be above 0, and finite"),
        (
            ("base.yaml", "more", "--until", "hhi_revenue=5", "--until", "hhi_revenue = 1"),
            "hhi_revenue has a width already",
        ),
        (
            ("base.yaml", "more", "--most", "60"),
            "--most 60: says where adding ends, and without --until nothing is added",
        ),
        (("base.yaml", "more", "--measures", "hhi_revenu"), "did you mean hhi_revenue?"),
        (("base.yaml", "more", "--horizons", "2030"), "horizon '2030' is not compared"),
        (("base.yaml", "more", "--families", "logg"), "--families logg: power.family: power family 'logg' is unknown"),
        (("base.yaml", "more", "--families", "measured"), "--families measured: needs a table, which is in a scenario"),
        (
            ("base.yaml", "more", "--replicates", "2000000"),
            "Error: replicates: run.replicates: 2000000 is out of range",
        ),
    ],
)
def test_wrong_input_ends_with_2_and_one_sentence(files, aipower, words, text):
    (files / "empty").mkdir()
    code, out, err = aipower("compare", *words, "--quarters", "4")
    assert (code, out) == (2, "") and text in err and "Traceback" not in err
    assert not os.path.exists("outputs")


@pytest.mark.parametrize("out", ["/", ".", "", ".."])
@pytest.mark.parametrize(
    "words",
    [
        ("run", "base.yaml"),
        ("compare", "base.yaml", "more/no-open.yaml"),
        ("sweep", "base.yaml", "--over", "mechanisms.entry=true"),
    ],
)
def test_a_place_without_a_name_of_its_own_is_refused(files, aipower, words, out):
    before = sorted(files.parent.rglob("*"))
    code, shown, err = aipower(*words, *SIZE, "--out", out)
    assert (code, shown) == (2, "") and err.startswith(f"Error: {out or '.'} is no new folder"), err
    assert sorted(files.parent.rglob("*")) == before


def test_adding_ends_where_the_library_ends_it():
    assert comparing.MOST == library.MOST


def test_every_wrong_file_of_a_folder_is_told_at_once(files, aipower):
    (files / "more" / "a.yaml").write_text("extends: ../base.yaml\nwrld: {}\n")
    (files / "more" / "b.yaml").write_text("extends: ../base.yaml\nrun: {seed: -1}\n")
    code, _, err = aipower("compare", "base.yaml", "more")
    assert code == 2 and "a.yaml:2: wrld" in err and "b.yaml:2: run.seed" in err


def test_failures_end_with_1_after_the_others_are_shown(files, aipower, monkeypatch):
    def breaking(run):
        def sometimes(jobs, replicates, advance=None):
            if any(not job.world.mechanisms.entry for job in ([jobs] if isinstance(jobs, Job) else jobs)):
                raise ZeroDivisionError
            return run(jobs, replicates, advance)

        return sometimes

    for name in ("run_block", "run_branches"):
        monkeypatch.setattr(outcomes, name, breaking(getattr(outcomes, name)))
    code, out, _ = aipower("compare", "base.yaml", "more", *SIZE, "--no-robust")
    assert code == 1
    text = " ".join(out.split())
    assert "Failed, and left out with their pairs: no-entry: 3." in text and "ZeroDivisionError" in text
    assert "no-open, against base" in text and "Results:" in text
    quiet = aipower("compare", "base.yaml", "more", *SIZE, "--no-robust", "--quiet")
    assert quiet[:2] == (1, "outputs/compare-base\n") and "with their pairs: no-entry: 3. The first" in quiet[2]
    code, out, err = aipower("sweep", "base.yaml", "--over", "mechanisms.entry=true,false", *SIZE, "--quiet")
    assert (code, out) == (1, "outputs/sweep-base\n")
    assert err.startswith("3 replicates failed; the first at mechanisms.entry=False: ") and "ZeroDivisionError" in err


def test_an_interrupted_comparison_leaves_nothing_and_ends_with_130(files, aipower, monkeypatch):
    def stop(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(comparing.sim, "compare", stop)
    code, _, err = aipower("compare", "base.yaml", "more/no-open.yaml")
    assert code == 130 and "Interrupted" in err and not os.path.exists("outputs")


def test_one_of_a_thing_is_told_as_one(files, aipower):
    size = ("--replicates", "1", *SIZE[2:], "--no-robust")
    _, out, _ = aipower("compare", "base.yaml", "more/no-open.yaml", *size)
    assert "no-open against base: 1 pair with the same luck" in " ".join(out.split())
    _, out, _ = aipower("sweep", "base.yaml", "--over", "mechanisms.entry=false", *size[:-1])
    assert "(1 value): 1 replicate with the same luck" in " ".join(out.split())
    _, _, err = aipower("run", "base.yaml", *size[:-1], "--verbose")
    assert err.startswith("base: 1 replicate, seed 1, 2024Q1 to 2024Q4, up to 1 process, into ")


# --- sweep -------------------------------------------------------------------------------------


def test_a_sweep_prints_a_row_for_each_value(files, aipower):
    code, out, err = aipower("sweep", "base.yaml", "--over", "world.parameters.flywheel=0.8:1.2:3", *SIZE)
    assert code == 0, err
    made = sim.load_sweep(files / "outputs" / "sweep-base")
    assert made.axes == {"world.parameters.flywheel": (0.8, 1.0, 1.2)}
    lines = [line.split() for line in out.splitlines()]
    for value in ("0.8", "1", "1.2"):
        assert any(words[:1] == [value] for words in lines)
    assert "Results: outputs/sweep-base" in out
    assert aipower("sweep", "base.yaml", "--over", "world.parameters.flywheel=0.8:1.2:3", *SIZE, "--quiet")[1] == (
        "outputs/sweep-base\n"
    )


def test_a_sweep_as_json_has_a_row_for_each_cell(files, aipower):
    over = ("--over", "power.family=power,log", "--over", "mechanisms.entry=true,false")
    code, out, _ = aipower("sweep", "base.yaml", *over, *SIZE, "--json", "--measures", "hhi_revenue")
    told = json.loads(out, parse_constant=pytest.fail)
    assert code == 0 and told["axes"] == {"power.family": ["power", "log"], "mechanisms.entry": [True, False]}
    assert len(told["rows"]) == 4 and told["against"] == "as given"


def test_an_unknown_key_names_the_nearest(files, aipower):
    code, _, err = aipower("sweep", "base.yaml", "--over", "world.parameters.flywhel=0.8,1")
    assert code == 2 and "--over world.parameters.flywhel=0.8" in err and "did you mean flywheel" in err


LATE = "extends: base.yaml\npolicies: [{compute_tax: {rate: 0.1, start: 2027Q1}}]\n"
WARNED = (
    "Warning: late: policies[0].compute_tax.start: 2027Q1 is after the horizon, which ends 2024Q4: "
    "the policy does nothing\n"
)


def test_a_policy_that_a_short_horizon_leaves_out_is_told_once(files, aipower):
    (files / "late.yaml").write_text(LATE)
    over = ("--over", "mechanisms.entry=true,false", "--over", "world.parameters.flywheel=0.3,1")
    implausible = "Warning: --over world.parameters.flywheel=0.3: world.parameters.flywheel: 0.3 is outside"
    for _ in range(2):
        for words in (("compare", "base.yaml", "late.yaml", "--families", "log"), ("run", "late.yaml")):
            code, _, err = aipower(*words, *SIZE, "--quiet")
            assert (code, err) == (0, WARNED), "no more the second time, when a folder is read"
        code, _, err = aipower("sweep", "late.yaml", *over, *SIZE, "--quiet")
        assert code == 0 and err.startswith(WARNED) and err.count("Warning") == 2 and implausible in err


def test_figures_that_a_folder_lacks_are_named_with_the_way_to_draw_them(files, aipower):
    sweep = ("sweep", "base.yaml", "--over", "mechanisms.entry=true,false")
    ways = {
        ("run", "base.yaml"): "to draw them: aipower report outputs/base\n",
        ("compare", "base.yaml", "more/no-open.yaml"): "to draw them: aipower report outputs/compare-base\n",
        sweep: "to draw them: the same command with another --out, or sim.load_sweep('outputs/sweep-base').plot()",
    }
    for words, way in ways.items():
        assert aipower(*words, *SIZE, "--quiet")[0] == 0
        assert "to draw them" not in aipower(*words, *SIZE)[1], "none were asked for"
        assert way in aipower(*words, *SIZE[:-1])[1]
    sim.load_sweep("outputs/sweep-base").plot()
    code, out, _ = aipower("report", "outputs/base")
    assert code == 0 and "Figures" in out
