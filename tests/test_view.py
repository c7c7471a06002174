"""The live view: what sliders make is what the command line makes, and a real browser shows it without a network."""

import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

import sim
from sim.app.cli import main
from sim.app.dashboard import figures, server
from sim.app.dashboard.live import LiveModel, Session
from sim.app.dashboard.offer import PARAMETERS, POLICIES, Choice, Offer
from sim.errors import FailureError, InputError
from tests.browser import asked, browser, complaints, programs
from tests.test_figures import overlaps

WAIT = 120
"""Seconds after which a page that does not answer has failed; machines can be busy."""


@pytest.fixture(scope="module")
def offer() -> Offer:
    return Offer.of("small_world")


def stepped(offer: Offer, quarters: int, values: dict[str, float] | None = None) -> LiveModel:
    model = LiveModel(Session(offer, values or offer.first))
    for _ in range(quarters):
        model.step()
    return model


# -- what is offered ----------------------------------------------------------------------


def test_headline_parameters_and_policies_have_a_slider_each(offer: Offer) -> None:
    paths = [choice.path for choice in offer.choices]
    assert paths[: len(PARAMETERS)] == [f"world.parameters.{name}" for name in PARAMETERS]
    assert len(paths) == len(PARAMETERS) + len(POLICIES)


@pytest.mark.parametrize("source", ["small_world", "four-levers", "ten_firm_city"])
def test_sliders_that_nobody_moved_make_the_scenario_itself(source: str) -> None:
    offer = Offer.of(source)
    assert sim.load_scenario(offer.scenario(offer.first)).content_hash() == sim.load_scenario(source).content_hash()
    assert offer.command(offer.first) == f"aipower run {source}"


@pytest.mark.parametrize("source", ["small_world", "antitrust"])
def test_the_command_that_is_shown_makes_the_world_that_is_shown(source: str) -> None:
    offer = Offer.of(source, changes=("world.parameters.entry_candidates=3",))
    moved = offer.first | {"world.parameters.flywheel": 1.3, offer.choices[-1].path: 0.5}
    if offer.n_own:
        moved |= {"policies.0.strength": 0.25}
    words = shlex.split(offer.command(moved))
    assert words[:3] == ["aipower", "run", source] and set(words[3::2]) == {"--set"}
    shown, typed = sim.load_scenario(offer.scenario(moved)), sim.load_scenario(source, overrides=words[4::2])
    assert shown.content_hash() == typed.content_hash()
    assert shown.content_hash() != sim.load_scenario(source).content_hash()


@pytest.mark.parametrize(
    ("low", "high", "value"), [(0.5, 2.0, 1.0), (0.05, 0.4, 0.27), (0.0, 1.0, 1.0), (3.0, 9.0, 20.0)]
)
def test_a_slider_can_stand_where_it_begins_and_at_both_ends(low: float, high: float, value: float) -> None:
    """Else the browser moves it to the nearest step by itself, which would be a move that nobody made."""
    choice = Choice.of("path", "label", low, high, value)
    steps = np.array([choice.value - choice.low, choice.high - choice.value]) / choice.step
    np.testing.assert_allclose(steps, steps.round(), atol=1e-6)
    assert choice.low <= choice.value <= choice.high
    assert min(low, value) <= choice.low < low + choice.step + 1e-9
    assert max(high, value) >= choice.high > max(high, value) - choice.step - 1e-9


def test_policies_may_be_chosen_and_one_that_has_none_is_refused() -> None:
    assert [c.label for c in Offer.of("small_world", policies=["carbon-price"]).choices][-1] == "carbon price, strength"
    with pytest.raises(InputError, match="--policy monopoly: that scenario has no policy"):
        Offer.of("small_world", policies=["monopoly"])


# -- the model that follows ----------------------------------------------------------------


def test_the_view_shows_what_a_run_computes(offer: Offer) -> None:
    model = stepped(offer, 6)
    run = sim.run("small_world", replicates=1, quarters=6)
    shown = model.datacollector.get_model_vars_dataframe().set_index("quarter")
    for name in (*figures.PATHS, *figures.GINIS):
        np.testing.assert_array_equal(shown[name], run.measures[name])


def test_a_moved_slider_replays_the_same_history_up_to_the_same_quarter(offer: Offer) -> None:
    before = stepped(offer, 5)
    hhi = before.measure("hhi_revenue")
    moved = offer.first | {"world.parameters.flywheel": 1.8}
    after = before.replayed(moved)
    assert after.quarter == before.quarter and after.measure("hhi_revenue") != hhi
    assert after.measures == stepped(offer, 5, moved).measures
    assert after.session.measures["hhi_revenue"] == hhi
    assert after.session.paths["hhi_revenue"].iloc[-1] == hhi
    assert after.replayed(offer.first).measure("hhi_revenue") == hhi


def test_a_reset_starts_over_in_the_world_of_the_sliders(offer: Offer) -> None:
    moved = offer.first | {"world.parameters.flywheel": 1.8}
    session = stepped(offer, 2).replayed(moved).session
    model = LiveModel(session, replicate=3)
    assert (model.period, model.replicate, session.paths) == (0, 3, None)
    assert model.power_scenario.world.parameters["flywheel"] == 1.8


def test_a_world_that_fails_leaves_everything_as_it_was(offer: Offer, monkeypatch: pytest.MonkeyPatch) -> None:
    model = stepped(offer, 2)

    def fail(self: LiveModel) -> None:
        raise FailureError("no prices clear the markets")

    monkeypatch.setattr(LiveModel, "step", fail)
    with pytest.raises(FailureError):
        model.replayed(offer.first | {"world.parameters.flywheel": 1.9})
    assert model.session.values == offer.first


def test_the_network_is_that_of_a_run() -> None:
    """In a year's first quarter, in which what was delivered this year is what was delivered this quarter."""
    scenario = sim.load_scenario("small_world", overrides=["record.networks=[2025Q1]"])
    graph = sim.run(scenario, replicates=1, quarters=5).network("2025Q1")
    model = stepped(Offer.of("small_world"), 5)
    tables = figures.links(model.moments, model.world)
    drawn = {
        (f"{seller}:{row}", f"{buyer}:{column}"): table.loc[row, column]
        for seller, buyer, table in zip(("maker", "owner"), ("owner", "firm"), tables, strict=True)
        for row in table.index
        for column in table.columns
        if table.loc[row, column] > 0.0
    }
    assert drawn == pytest.approx({(a, b): weight for a, b, weight in graph.edges(data="weight") if weight > 0.0})


def test_the_plane_shows_every_firm_that_uses_compute_and_figures_become_pictures(offer: Offer) -> None:
    model = stepped(offer, 3)
    using = model.firms.select(lambda firm: firm.compute_used > 0.0)  # who entered at the end of the quarter uses none
    assert len(figures.plane(model).axes[0].collections[0].get_offsets()) == len(using) >= len(model.firms) - 2
    for draw in (figures.plane, figures.network, figures.paths):
        assert figures.picture(draw(model)).startswith(b"\x89PNG")


@pytest.mark.parametrize(("source", "quarters"), [("baseline", 1), ("baseline", 6), ("symmetric", 2)])
def test_no_text_of_a_picture_is_cut_off_or_covered(source: str, quarters: int) -> None:
    model = stepped(Offer.of(source), quarters)
    drawn = [figures.plane(model), figures.network(model)]
    drawn.append(figures.paths(model, model.datacollector.get_model_vars_dataframe()))
    assert [overlaps(figure) for figure in drawn] == [[], [], []]
    axes = drawn[0].axes[0]
    names = [Text.get_window_extent(text) for text in axes.texts]
    centres = axes.transData.transform(axes.collections[0].get_offsets())[: figures.N_NAMED]
    radii = np.sqrt(axes.collections[0].get_sizes())[: figures.N_NAMED] / 2 * drawn[0].dpi / 72
    assert len(names) >= 3
    low, high = axes.bbox.get_points()
    assert np.all(centres - radii[:, None] >= low) and np.all(centres + radii[:, None] <= high)
    for box in names:
        nearest = np.clip(centres, box.min, box.max)
        assert np.all(np.hypot(*(nearest - centres).T) >= radii)


def test_the_longest_label_of_a_path_fits(offer: Offer) -> None:
    model = stepped(offer, 2)
    frame = model.datacollector.get_model_vars_dataframe()
    frame[list(figures.PATHS)] = 10_000.0
    model.datacollector.get_model_vars_dataframe = lambda: frame
    drawn = figures.paths(model)
    assert overlaps(drawn) == []
    assert "compute owned 10,000" in [text.get_text() for text in drawn.axes[0].texts]


def test_figures_say_so_before_the_first_quarter(offer: Offer) -> None:
    model = LiveModel(Session(offer, offer.first))
    for draw in (figures.plane, figures.network, figures.paths):
        assert "Nothing has been simulated yet" in " ".join(text.get_text() for text in draw(model).texts)
    assert {now for _, _, now, _ in figures.numbers(model)} == {"\N{EN DASH}"}


# -- the command ---------------------------------------------------------------------------


def said(capsys: pytest.CaptureFixture, *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(["view", *words])
    return ended.value.code, " ".join(capsys.readouterr().err.split())


def test_without_the_extra_the_command_says_what_to_install(capsys, monkeypatch) -> None:
    monkeypatch.setattr(server.importlib.util, "find_spec", lambda name: None if name == "solara" else True)
    code, text = said(capsys, "small_world")
    assert code == 2 and "not installed (solara)" in text and "pip install 'aipower[view]'" in text


def test_a_port_that_is_taken_is_refused(capsys) -> None:
    with socket.socket() as other:
        other.bind((server.HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        code, text = said(capsys, "small_world", "--port", str(port), "--no-browser")
    assert code == 2 and f"--port {port}: Address already in use; choose another" in text


def test_a_scenario_that_is_wrong_is_explained(capsys) -> None:
    code, text = said(capsys, "small_wrld", "--no-browser")
    assert code == 2 and "small_world" in text


# -- the page ------------------------------------------------------------------------------

SPY = """
import os, sys

def hook(event, args):
    if event == "socket.connect":
        where = args[1]
    elif event == "socket.getaddrinfo":
        where = (args[0], args[1])
    else:
        return
    if isinstance(where, tuple) and where[0] not in ("127.0.0.1", "localhost", "::1", None, ""):
        with open(os.environ["SPY_FILE"], "a") as file:
            print(event, where, file=file)

sys.addaudithook(hook)
"""


@pytest.fixture
def page(tmp_path: Path):
    """The address of a server, and the file in which it writes down whom it calls."""
    programs()
    (tmp_path / "sitecustomize.py").write_text(SPY, encoding="utf-8")
    calls = tmp_path / "calls.txt"
    inherited = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}  # of which IPython warns
    environment = inherited | {
        "PYTHONPATH": str(tmp_path),
        "SPY_FILE": str(calls),
        "HOME": str(tmp_path),
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "sim", "view", "small_world", "--port", "0", "--no-browser"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as started:
        try:
            line = started.stdout.readline()
            if not line.startswith("small_world: "):
                started.kill()  # so that reading ends
            assert line.startswith("small_world: http://127.0.0.1:"), line + started.stdout.read()
            yield line.split()[1], calls
        finally:
            started.send_signal(signal.SIGINT)
            rest = started.stdout.read()
        assert started.wait() == 0, rest
    assert rest == ""


def listening(port: int) -> set[str]:
    """Addresses, as Linux writes them, on which something listens at a port."""
    found = set()
    for file in ("/proc/net/tcp", "/proc/net/tcp6"):
        if Path(file).exists():
            rows = [line.split() for line in Path(file).read_text().splitlines()[1:]]
            found |= {row[1].split(":")[0] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port}
    return found


def test_a_browser_steps_moves_a_slider_and_sees_the_number_move_without_a_network(page, tmp_path: Path) -> None:
    address, calls = page
    with browser(tmp_path / "profile") as opened:

        def text(name: str) -> str | None:
            found = opened.execute_script("return document.getElementById(arguments[0])?.textContent", name)
            return found or None

        def until(condition) -> None:
            WebDriverWait(opened, WAIT).until(lambda _: condition())

        def press(label: str) -> None:
            buttons = opened.find_elements(By.TAG_NAME, "button")
            next(button for button in buttons if button.text.strip().upper() == label).click()

        opened.get(address)
        until(lambda: text("quarter") == "not begun")
        assert text("command") == "aipower run small_world" and text("now-hhi_revenue") == "\N{EN DASH}"
        for quarter in ("2024Q1", "2024Q2", "2024Q3", "2024Q4"):
            press("STEP")
            until(lambda quarter=quarter: text("quarter") == quarter)
        before = text("now-hhi_revenue")
        model = stepped(Offer.of("small_world"), 4)
        assert before == f"{model.measure('hhi_revenue'):,.0f}"
        pictures = opened.find_elements(By.CSS_SELECTOR, ".vue-grid-item img")
        panels = opened.find_elements(By.CSS_SELECTOR, ".vue-grid-item:has(img)")
        assert len(pictures) == len(panels) == 3
        for picture, panel in zip(pictures, panels, strict=True):
            inner, outer = picture.rect, panel.rect
            assert inner["width"] <= outer["width"] and inner["height"] <= outer["height"], "cut off"
            assert picture.value_of_css_property("object-fit") == "contain"

        slider = next(s for s in opened.find_elements(By.CSS_SELECTOR, ".v-input__slider") if "flywheel" in s.text)
        slider.find_element(By.CSS_SELECTOR, ".v-slider__thumb-container").send_keys(Keys.END)
        until(lambda: text("now-hhi_revenue") != before)
        moved = model.replayed(model.session.offer.first | {"world.parameters.flywheel": 2.0})
        assert text("now-hhi_revenue") == f"{moved.measure('hhi_revenue'):,.0f}"
        assert text("before-hhi_revenue") == before and text("quarter") == "2024Q4"
        assert "flywheel elasticity Λ: 2" in [label.text for label in opened.find_elements(By.CSS_SELECTOR, ".v-label")]
        assert text("command") == "aipower run small_world --set world.parameters.flywheel=2.0"
        if picture := os.environ.get("AIPOWER_SCREENSHOT"):
            opened.save_screenshot(picture)

        press("RESET")
        until(lambda: text("quarter") == "not begun")
        assert text("command") == "aipower run small_world --set world.parameters.flywheel=2.0"

        requests = asked(opened)
        assert len(requests) > 10
        assert not [each for each in requests if each.split("://")[1].split("/")[0] != address.split("://")[1]]
        assert complaints(opened) == []
    assert not calls.exists(), calls.read_text(encoding="utf-8")
    port = int(address.rpartition(":")[2])
    assert listening(port) in ({"0100007F"}, set())
