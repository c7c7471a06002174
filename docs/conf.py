"""The documentation site: ``make docs``. It is built, and read, without the network."""  # noqa: INP001  a script, not a package

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes
from latex2mathml.converter import convert

import sim

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

project = "aipower"
author = copyright = "The aipower authors"  # noqa: A001  Sphinx calls it so
version = release = sim.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
exclude_patterns = ["README.md"]

# The pages are written for GitHub too: its anchors, and ```math for mathematics, as `$` is money here.
myst_heading_anchors = 4
myst_fence_as_directive = ["math"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say it, with shapes and units
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"aipower {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = html_show_sourcelink = False
html_show_search_summary = False  # it asks for pages over HTTP, which a folder of files does not answer


def visit_math(self: HTML5Translator, node: nodes.Element) -> None:
    """Write MathML, which browsers draw by themselves: no script, no fonts, no pictures."""
    is_block = node.tagname == "math_block"
    markup = convert(node.astext(), display="block" if is_block else "inline")
    self.body.append(f'<div class="math">{markup}</div>' if is_block else markup)
    raise nodes.SkipNode


def keep_inside(app: Sphinx, docname: str, source: list[str]) -> None:
    """A link to a file of the project that is not a page says where the file is."""
    here = (Path(app.srcdir) / docname).parent

    def told(link: re.Match[str]) -> str:
        target = (here / link[2]).resolve()
        if target.is_relative_to(app.srcdir):
            return link[0]
        return f"{link[1]} (`{target.relative_to(Path(app.srcdir).parent)}`)"

    source[0] = re.sub(r"\[([^\]]*)\]\((\.\./[^)#\s]+)[^)]*\)", told, source[0])


def name_pages(app: Sphinx, doctree: nodes.document, docname: str) -> None:  # noqa: ARG001  Sphinx gives it
    """A link that is written as a file's name says the page's title."""
    for link in doctree.findall(nodes.reference):
        page = link.astext().removesuffix(".md")
        if link.astext().endswith(".md") and page in app.env.titles:
            link.children = [nodes.Text(app.env.titles[page].astext())]


def setup(app: Sphinx) -> None:
    """Draw mathematics by ``visit_math``, and mend links."""
    app.connect("source-read", keep_inside)
    app.connect("doctree-resolved", name_pages)
    app.registry.html_block_math_renderers["mathml"] = (visit_math, None)
    app.registry.html_inline_math_renderers["mathml"] = (visit_math, None)
    app.config.html_math_renderer = "mathml"
