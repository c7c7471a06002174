"""Initial populations from data tables (docs/model.md 5 and 6)."""

from __future__ import annotations

WORLDS: dict[str, str] = {
    "world_2024": "The world's AI industry at the end of 2023, from sourced facts; quarters run from 2024Q1.",
}
"""Every world a scenario may start from, with one sentence."""

WORLD_START: dict[str, str] = {"world_2024": "2024Q1"}
"""First quarter of each world."""

NETWORKS: dict[str, str] = {
    "complete": "everyone learns from everyone, the default",
    "by_class": "firms learn from firms of their class: giants, labs, small and medium firms",
    "small_world": "Watts-Strogatz graph of the slots: 8 neighbours, a tenth of ties rewired",
    "scale_free": "Barabasi-Albert graph of the slots: newcomers tie to 4 others, most to the best connected",
}
"""Every knowledge network, with one sentence."""
