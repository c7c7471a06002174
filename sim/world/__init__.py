"""Initial populations from data tables (docs/model.md 5 and 6)."""

from __future__ import annotations

WORLDS: dict[str, str] = {
    "world_2024": "The world's AI industry at the end of 2023, from sourced facts; quarters run from 2024Q1.",
    "small_world": "The same with 6 small firms and few entrants: for tests and quick looks.",
    "symmetric": "Equal firms (small_firms_initial of them) in one sector, ample compute at a fixed rent, no luck.",
    "monopoly": "The symmetric world with one firm.",
    "ten_firm_city": "Ten firms of different size share a stock of compute that never grows, all of it in use.",
    "gibrat_null": "Twenty equal firms and nothing but luck: appeal is a random walk, training changes nothing.",
}
"""Every world a scenario may start from, with one sentence."""

WORLD_START: dict[str, str] = dict.fromkeys(WORLDS, "2024Q1")
"""First quarter of each world."""

WORLD_LAYERS: dict[str, tuple[str, ...]] = {
    "world_2024": ("world_2024",),
    "small_world": ("world_2024", "small_world"),
    "symmetric": ("symmetric",),
    "monopoly": ("symmetric", "monopoly"),
    "ten_firm_city": ("symmetric", "ten_firm_city"),
    "gibrat_null": ("symmetric", "gibrat_null"),
}
"""Folders in ``world/data`` whose tables replace the shipped ones, the last first; parameters are replaced by row."""

NETWORKS: dict[str, str] = {
    "complete": "everyone learns from everyone, the default",
    "by_class": "firms learn from firms of their class: giants, labs, small and medium firms",
    "small_world": "Watts-Strogatz graph of the slots: 8 neighbours, a tenth of ties rewired",
    "scale_free": "Barabasi-Albert graph of the slots: newcomers tie to 4 others, most to the best connected",
}
"""Every knowledge network, with one sentence."""
