"""``aipower view``."""

from __future__ import annotations

import contextlib
import webbrowser
from typing import Annotated

import typer

from sim.app.base import PluginOption, ScenarioArgument, app, examples


@app.command(
    epilog=examples(
        "aipower view baseline",
        "aipower view ten_firm_city --port 0 --no-browser",
        "aipower view baseline --policy merger-control-strong --policy compute-tax",
        "aipower view my.yaml --set world.parameters.flywheel=1.5",
    )
)
def view(
    scenario: ScenarioArgument,
    *,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            metavar="SCENARIO",
            help="A scenario whose policies get a slider each, at no strength to begin with; may be repeated. "
            "Default: training-cap, public-compute-strong, compute-subsidy and open-weights.",
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one key; may be repeated."),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="Where to listen on 127.0.0.1; 0 for any free port.")
    ] = 8765,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
    plugin: PluginOption = None,  # noqa: ARG001 - its callback has loaded them
) -> None:
    """Watch one history of a scenario in the browser, and move its parameters and policies.

    Step or play through the quarters; a slider replays the same history, with the same luck, in another world. Needs
    the extra `view`. Only this machine can reach the page; Ctrl-C ends it.
    """
    from sim.app.dashboard.offer import Offer
    from sim.app.dashboard.server import check_installed, free_port, serve

    check_installed()
    offer = Offer.of(scenario, changes=changes or (), policies=policy)

    def ready(address: str) -> None:
        print(f"{offer.name}: {address} (Ctrl-C ends it)", flush=True)
        if not no_browser:
            webbrowser.open(address)

    with contextlib.suppress(KeyboardInterrupt):
        serve(offer, free_port(port), ready)
