"""Scenario files for tests: written, wrong, and edited at random."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from sim.errors import ScenarioError
from sim.scenario import load_scenario


def write(path: Path, text: str) -> Path:
    """Write a file, and the folders that it stands in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def problems(source, overrides: Sequence[str] = ()) -> tuple[str, ...]:
    """The lines of the error that loading raises."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario(source, overrides=overrides)
    return caught.value.problems


def edited(text: str, pieces: Sequence[str], luck: random.Random) -> str:
    """A text after one to three random edits: something cut out, doubled, or replaced by a piece or a letter."""
    for _ in range(luck.randint(1, 3)):
        start = luck.randrange(len(text) + 1)
        end = min(len(text), start + luck.choice([0, 0, 1, 1, 5, 40]))
        middle = luck.choice([luck.choice(pieces), text[start:end] * 2, "", luck.choice(text)])
        text = text[:start] + middle + text[end:]
    return text
