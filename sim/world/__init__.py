"""Initial populations from data tables (docs/model.md 5 and 6)."""

from __future__ import annotations

WORLDS: dict[str, str] = {
    "world_2024": "The world's AI industry at the end of 2023, from sourced facts; quarters run from 2024Q1.",
}
"""Every world a scenario may start from, with one sentence."""

WORLD_START: dict[str, str] = {"world_2024": "2024Q1"}
"""First quarter of each world."""
