"""From a page to HTML: one file that needs nothing else. Every text is escaped."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from sim.identity import code_version
from sim.report.page.words import powers, typeset

if TYPE_CHECKING:
    from sim.report.page.blocks import Page

HERE = Path(__file__).parent


def html(page: Page) -> str:
    """Render the page.

    Figures stand in the page as data, styles as text; a content security policy forbids the browser to fetch or run
    anything, whatever a scenario file may have smuggled in.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["typeset"] = lambda text: typeset(
        powers(text)
    )  # plain text in, plain text out: escaped afterwards
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode("ascii")
    css = Markup((HERE / "page.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return environment.get_template("page.html.j2").render(page=page, css=css, version=code_version())
