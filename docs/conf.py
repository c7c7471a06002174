"""The documentation site: ``make docs``. It is built, and read, without the network."""  # noqa: INP001  a script, not a package

from __future__ import annotations

from typing import TYPE_CHECKING

from latex2mathml.converter import convert

import sim

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

project = "aipower"
author = copyright = "The aipower authors"  # noqa: A001  Sphinx calls it so
version = release = sim.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
exclude_patterns = ["README.md"]
suppress_warnings: list[str] = []

# The pages are written for GitHub too: its anchors, and ```math for mathematics, as `$` is money here.
myst_heading_anchors = 4
myst_fence_as_directive = ["math"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say it, with shapes and units
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"aipower {release}"
html_static_path: list[str] = []
html_show_sphinx = False
html_copy_source = html_show_sourcelink = False
html_show_search_summary = False  # it asks for pages over HTTP, which a folder of files does not answer
math_numfig = False


def visit_math(self: HTML5Translator, node: nodes.Element) -> None:
    """Write MathML, which browsers draw by themselves: no script, no fonts, no pictures."""
    from docutils.nodes import SkipNode

    is_block = node.tagname == "math_block"
    markup = convert(node.astext(), display="block" if is_block else "inline")
    self.body.append(f'<div class="math">{markup}</div>' if is_block else markup)
    raise SkipNode


def setup(app: Sphinx) -> None:
    """Draw mathematics by ``visit_math``."""
    app.registry.html_block_math_renderers["mathml"] = (visit_math, None)
    app.registry.html_inline_math_renderers["mathml"] = (visit_math, None)
    app.config.html_math_renderer = "mathml"
