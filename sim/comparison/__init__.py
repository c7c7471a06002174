"""What scenarios change: paired effects on common luck, with intervals, verdicts and trade-offs.

>>> import sim
>>> comparison = sim.compare("baseline", ["my-policy.yaml"], workers=2)  # doctest: +SKIP
>>> comparison.effects  # doctest: +SKIP
"""

from __future__ import annotations

from sim.comparison.comparing import compare
from sim.comparison.comparison import Comparison, Stopping, load_comparison
from sim.comparison.design import scenario_files
from sim.comparison.headlines import HEADLINES, Headline, label_of, smallest_effect
from sim.comparison.sweeping import Sweep, load_sweep, sweep

__all__ = [
    "HEADLINES",
    "Comparison",
    "Headline",
    "Stopping",
    "Sweep",
    "compare",
    "label_of",
    "load_comparison",
    "load_sweep",
    "scenario_files",
    "smallest_effect",
    "sweep",
]
