"""Units, constants and conversions, each with its source.

Money is in billions of 2024 US dollars ($bn). Compute is in millions of H100-equivalents (M H100e): chips whose
dense 8-bit peak adds up to that many times 1,979 TOPS, used for a quarter. One $bn per M H100e is 1 k$ per H100e.
"""

from __future__ import annotations

from collections.abc import Sequence

HOURS_PER_QUARTER = 2190.0
"""Hours in a quarter: 8,760 / 4."""

SECONDS_PER_QUARTER = 7.884e6
"""Seconds in a quarter: 3,600 x 2,190."""

PEAK_FLOP_PER_SECOND = 0.989e15
"""Dense 16-bit peak of one H100 (maker's data sheet), the precision that published training runs are counted in."""

H100E_PER_MILLION = 1e6
GIGAWATT_HOURS_PER_TERAWATT_HOUR = 1e3
DOLLARS_PER_BILLION = 1e9
HHI_POINTS = 1e4
MONTHS_PER_QUARTER = 3.0


def flop(compute: float, mfu: float) -> float:
    """FLOP done by ``compute`` M H100e in a quarter at model-FLOP utilisation ``mfu``.

    >>> round(flop(1.0, 0.38) / 1e27, 3)
    2.963
    """
    return compute * H100E_PER_MILLION * PEAK_FLOP_PER_SECOND * mfu * SECONDS_PER_QUARTER


def dollars_per_hour(rent: float) -> float:
    """Convert a rent in $bn per M H100e-quarter to $ per H100e-hour.

    >>> round(dollars_per_hour(6.24), 2)
    2.85
    """
    return rent * DOLLARS_PER_BILLION / H100E_PER_MILLION / HOURS_PER_QUARTER


def energy_twh(compute: float, kilowatt: float) -> float:
    """Energy in TWh of ``compute`` M H100e that draw ``kilowatt`` each (cooling included) for a quarter.

    >>> round(energy_twh(1.0, 1.45 * 1.2), 3)
    3.811
    """
    return compute * kilowatt * HOURS_PER_QUARTER / GIGAWATT_HOURS_PER_TERAWATT_HOUR


def energy_cost(kilowatt: float, dollars_per_mwh: float) -> float:
    """Cost in $bn per M H100e-quarter of chips that draw ``kilowatt`` each.

    >>> round(energy_cost(1.45 * 1.2, 70.0), 4)
    0.2667
    """
    return energy_twh(1.0, kilowatt) * dollars_per_mwh / 1e3


def emissions_mt(energy: float, intensity: float) -> float:
    """Emissions in MtCO2 of ``energy`` TWh at ``intensity`` tCO2 per MWh."""
    return energy * intensity


def counted(number: int, one: str, many: str = "") -> str:
    """A number and its noun.

    Examples
    --------
    >>> counted(1, "pair"), counted(1200, "pair")
    ('1 pair', '1,200 pairs')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def in_prose(items: Sequence[str]) -> str:
    """Join items as prose does.

    Examples
    --------
    >>> in_prose(["a"]), in_prose(["a", "b"]), in_prose(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return " and ".join(([", ".join(items[:-1])] if items[:-1] else []) + list(items[-1:]))
