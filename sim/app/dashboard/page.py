"""The page: Mesa's controls, four panels, and sliders that replay the same history in another world."""

from __future__ import annotations

import html
import threading

import solara
from mesa.visualization import Slider, SolaraViz
from mesa.visualization.solara_viz import UserInputs
from mesa.visualization.utils import update_counter

from sim.app.dashboard import figures
from sim.app.dashboard.live import LiveModel, Session
from sim.app.dashboard.offer import Offer
from sim.errors import AipowerError

OFFER: Offer | None = None
"""What the server shows; set before it starts."""

PATIENCE = 0.25
"""Seconds without another move after which a slider counts."""

HISTORIES = 99
"""Largest number of a history that the page lets one choose."""


@solara.component
def Plane(model: LiveModel) -> None:
    """Firms on the plane of compute and power."""
    update_counter.get()
    solara.Image(figures.picture(figures.plane(model)), width="100%")


@solara.component
def Network(model: LiveModel) -> None:
    """The supply network."""
    update_counter.get()
    solara.Image(figures.picture(figures.network(model)), width="100%")


@solara.component
def Paths(model: LiveModel) -> None:
    """Paths of concentration."""
    update_counter.get()
    solara.Image(figures.picture(figures.paths(model, model.session.paths)), width="100%")


@solara.component
def Numbers(model: LiveModel) -> None:
    """Numbers of the quarter, and how to run all histories of this world."""
    update_counter.get()
    session = model.session
    rows = "".join(
        f'<tr title="{html.escape(meaning)}"><td>{html.escape(name)}</td>'
        f'<td id="now-{name}">{now}</td><td id="before-{name}">{before}</td></tr>'
        for name, meaning, now, before in figures.numbers(model, session.measures)
    )
    command = html.escape(session.offer.command(session.values))
    solara.HTML(
        tag="div",
        classes=["aipower-numbers"],
        unsafe_innerHTML=(
            f'<h3>History {model.replicate}, <span id="quarter">{model.quarter or "not begun"}</span></h3>'
            '<table><thead><tr><th>measure</th><th>now</th><th title="before the last change">before</th></tr></thead>'
            f"<tbody>{rows}</tbody></table>"
            f'<p>All histories of this world:</p><pre id="command">{command}</pre>'
            "<p>One history is an anecdote: compare many before you conclude.</p>"
        ),
    )


STYLE = """
.aipower-numbers { font: 13px/1.4 system-ui, "DejaVu Sans", sans-serif; padding: 0.5rem 1rem; }
.aipower-numbers table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
.aipower-numbers td, .aipower-numbers th { text-align: right; padding: 0.15rem 0.25rem; border-bottom: 1px solid #ccc; }
.aipower-numbers td:first-child, .aipower-numbers th:first-child { text-align: left; }
.aipower-numbers p { margin: 0.7rem 0 0.2rem; }
.aipower-numbers pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: 0.4rem; font-size: 12px;
  background: rgba(128, 128, 128, 0.12); }
.vue-grid-item { overflow: auto; }
.vue-grid-item:has(img) { overflow: hidden; }
.vue-grid-item > div { height: 100%; }
.vue-grid-item img { height: 100%; object-fit: contain; object-position: left top; display: block; }
.solara-content-main .v-sheet { row-gap: 0 !important; }
.v-navigation-drawer .v-card__title { font-size: 1rem; line-height: 1.3; padding: 8px 16px; }
.v-navigation-drawer .v-card__text { padding-bottom: 8px; }
.v-navigation-drawer .v-slider { min-height: 28px; }
.v-navigation-drawer .v-input--checkbox { margin: 0; padding: 0; }
.v-navigation-drawer .v-input__slider .v-label { flex: none; width: 12.5rem; height: auto; font-size: 13px;
  line-height: 1.15; white-space: normal; overflow: visible; }
"""

PANELS = (Plane, Paths, Network, Numbers)
"""What the page shows."""

PLACES = ((0, 0, 6, 9), (6, 0, 6, 9), (0, 9, 7, 12), (7, 9, 5, 12))
"""Where, to begin with: left column (of twelve), top row, and how many of both."""


@solara.component
def Page() -> None:
    """The page, of what the server was told to show."""
    if OFFER is None:
        solara.Error("Nothing to show: start this page with the command aipower view.")
    else:
        View(OFFER)


@solara.component
def View(offer: Offer) -> None:
    """Mesa's view of a history, with sliders that replay it."""
    model = solara.use_reactive(solara.use_memo(lambda: LiveModel(Session(offer, offer.first)), []))
    values, set_values = solara.use_state(offer.first)
    problem, set_problem = solara.use_state("")

    def follow(cancel: threading.Event) -> None:
        """Replay in the world of the sliders, unless they move on before it begins."""
        shown = model.value
        if values == shown.session.values or cancel.wait(PATIENCE):
            return
        try:
            model.value = shown.replayed(values)
            set_problem("")
        except AipowerError as error:
            set_problem(str(error))

    following = solara.use_thread(follow, dependencies=[values], intrusive_cancel=False)
    sliders = {
        path: Slider(f"{label}: {values[path]:g}", value, low, high, step, dtype=float)
        for path, label, low, high, value, step in offer.choices
    }

    places, set_places = solara.use_state(
        [{"i": k, "x": x, "y": y, "w": w, "h": h} for k, (x, y, w, h) in enumerate(PLACES)]
    )

    def move(path: str, value: float) -> None:
        set_values(lambda old: {**old, path: round(value, 10)})

    solara.Style(STYLE)
    with solara.Sidebar(), solara.Card("What if"):
        UserInputs(sliders, on_change=move)
        solara.ProgressLinear(following.state == solara.ResultState.RUNNING)
        if problem:
            solara.Error(problem)
    SolaraViz(
        model,
        components=[],
        model_params={
            "session": model.value.session,
            "replicate": Slider("history, from the next reset", 0, 0, HISTORIES, 1),
        },
        name=f"aipower: {offer.name}",
        play_interval=101,
    )
    solara.GridDraggable(
        items=[panel(model.value) for panel in PANELS],
        grid_layout=places,
        resizable=True,
        draggable=True,
        on_grid_layout=set_places,
    )
