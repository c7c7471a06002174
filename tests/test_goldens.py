"""The baseline's results are the stored ones; ``python tests/refresh_goldens.py`` stores new ones on purpose."""

import json

import pytest

from tests.refresh_goldens import GOLDENS, MEASURES, QUARTERS, compute

STORED = json.loads(GOLDENS.read_text(encoding="utf-8"))


def differences(found: dict[str, dict[str, float]]) -> list[str]:
    """Where results differ from the stored ones by more than 1e-9."""
    return [
        f"{name} {quarter}: {value!r}, stored {STORED[name][quarter]!r}"
        for name, values in found.items()
        for quarter, value in values.items()
        if value != pytest.approx(STORED[name][quarter], rel=1e-9, abs=0.0)
    ]


def test_the_stored_measures_are_those_that_are_compared() -> None:
    assert tuple(STORED) == MEASURES
    assert all(tuple(values) == QUARTERS for values in STORED.values())


def test_the_baseline_gives_the_stored_numbers() -> None:
    """To 1e-9: bits are promised for one machine and one set of versions only."""
    found = compute()
    assert not differences(found), "if this is meant, run python tests/refresh_goldens.py and say so in CHANGELOG.md"


def test_a_small_change_of_a_parameter_is_noticed() -> None:
    """The negative control: one in ten thousand of one elasticity moves most measures within a year."""
    moved = differences(compute("2024Q4", nest_growth=0.290029))
    assert len(moved) > len(MEASURES) / 2
