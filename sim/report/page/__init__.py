"""A report that one can send: one HTML file that needs no network, its figures, and its tables as CSV and LaTeX.

>>> import sim
>>> sim.load_comparison("outputs/compare-baseline").report("report")  # doctest: +SKIP
"""

from __future__ import annotations

from sim.report.page.writing import PAGE, of_folder, write

__all__ = ["PAGE", "of_folder", "write"]
