"""Serve the page to this machine alone."""

from __future__ import annotations

import importlib.util
import os
import socket
import threading
import time
import warnings
from typing import TYPE_CHECKING

from sim.app.dashboard.offer import Offer
from sim.errors import FailureError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import uvicorn

HOST = "127.0.0.1"
"""The only address that the server listens on."""

SETTINGS = {
    "SOLARA_TELEMETRY_MIXPANEL_ENABLE": "False",  # else Solara reports each start to its makers
    "SOLARA_ASSETS_PROXY": "True",  # scripts and fonts come from the package solara-assets
    "SOLARA_CHECK_HOOKS": "off",  # it warns of Mesa's own code
    "SOLARA_MODE": "production",
    "SOLARA_THEME_SHOW_BANNER": "False",
    "SOLARA_THEME_TITLE": "aipower",
}
"""Of Solara, read from the environment when it is imported."""

_NEEDED = ("solara", "solara_assets", "altair", "ipyvuetify")


def check_installed() -> None:
    """Say what to install where the libraries of the view are missing.

    Raises
    ------
    InputError
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        message = (
            f"the live view needs libraries that are not installed ({', '.join(missing)}); run "
            "`python -m pip install 'aipower[view]'`, or in a checkout `.venv/bin/pip install -e '.[view]'`"
        )
        raise InputError(message)


def free_port(wanted: int) -> int:
    """The port wanted, or any free one for 0.

    Raises
    ------
    InputError
        When something else listens there.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError as error:
            message = f"--port {wanted}: {error.strerror}; choose another, or 0 for any that is free"
            raise InputError(message) from None
        return int(probe.getsockname()[1])


def serve(offer: Offer, port: int, when_ready: Callable[[str], object]) -> None:
    """Serve until interrupted.

    Parameters
    ----------
    offer : Offer
        What to show.
    port : int
        A free port of this machine.
    when_ready : callable
        Called with the page's address once the server listens.

    Raises
    ------
    FailureError
        When the server does not start.
    """
    os.environ.update(SETTINGS)
    os.environ["SOLARA_APP"] = "sim.app.dashboard.page:Page"
    import uvicorn
    from solara.server import starlette

    from sim.app.dashboard import page

    page.OFFER = offer
    warnings.filterwarnings("ignore", message="Cookies with samesite=none")  # the page is not embedded anywhere
    config = uvicorn.Config(starlette.app, host=HOST, port=port, log_level="error", access_log=False)
    server = uvicorn.Server(config)
    threading.Thread(target=_wait, args=(server, when_ready, f"http://{HOST}:{port}"), daemon=True).start()
    try:
        server.run()
    except SystemExit as error:
        message = f"the server did not start on {HOST}:{port}"
        raise FailureError(message) from error


def _wait(server: uvicorn.Server, when_ready: Callable[[str], object], address: str) -> None:
    while not server.started:
        time.sleep(_WAIT)
    when_ready(address)


_WAIT = 0.05
