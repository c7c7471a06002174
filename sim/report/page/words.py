"""Numbers and measures as words: what a reader sees of a number, never more digits than it deserves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.comparison import HEADLINES, label_of
from sim.report.comparison import scaled
from sim.report.figures.common import lower
from sim.report.tables import significant

if TYPE_CHECKING:
    from collections.abc import Mapping

NOUNS = {
    "gini_revenue": "the Gini coefficient of revenue",
    "consumer_gain_paired": "what buyers gain over the reference",
    "industry_profit": "developers' operating profit",
    "owner_profit": "compute owners' profit",
    "maker_profit": "chip makers' profit",
    "fiscal_balance": "the fiscal balance",
    "welfare_paired": "welfare over the reference",
    "small_firm_share_of_compute": "small firms' share of compute",
    "n_small_firms": "the number of small firms",
    "rental_price": "the rental price of compute",
    "energy_twh": "energy use",
}
"""Measures as nouns, where the label is not one."""


def noun(measure: str) -> str:
    """A measure inside a sentence.

    Examples
    --------
    >>> noun("hhi_revenue"), noun("total_power"), noun("chip_price")
    ('the HHI of revenue', 'total AI power', 'chip_price')
    """
    if measure in NOUNS:
        return NOUNS[measure]
    if measure not in HEADLINES:
        return measure
    label = label_of(measure)
    return f"the {label}" if label.startswith("HHI") else lower(label)


def size(row: Mapping[str, Any], value: float, *, with_unit: bool = True) -> str:
    """Size of an effect without its sign, in the unit in which effects on the measure are shown.

    Parameters
    ----------
    row : mapping
        A row of ``Comparison.effects``; its unit and reference mean count.
    value : float
        The effect or an end of its interval, in the measure's own unit.
    with_unit : bool

    Examples
    --------
    >>> [size({"unit": unit, "reference_mean": 200.0}, -1.5) for unit in ("points", "share", "TWh", "$bn")]
    ['1.5 points', '150 percentage points', '0.75%', '1.50 $bn']
    """
    number, unit = scaled(row, abs(value))
    text = figure(number)
    if not with_unit:
        return text
    return {
        "%": f"{text}%",
        "pp": f"{text} percentage {'point' if text == '1' else 'points'}",
        "points": f"{text} {'point' if text == '1' else 'points'}",
        "": text,
    }.get(unit, f"{text} {unit}")


def signed(row: Mapping[str, Any], value: float, *, with_unit: bool = True) -> str:
    """An effect with its sign.

    Examples
    --------
    >>> signed({"unit": "points", "reference_mean": 200.0}, -31.2), signed({"unit": "points", "reference_mean": 1}, 0.0)
    ('-31 points', '0')
    """
    text = size(row, value, with_unit=with_unit)
    return "0" if value == 0.0 else ("+" if value > 0.0 else "-") + text


def figure(number: float) -> str:
    """A number that is not negative: about three significant digits, fewer below 100.

    Examples
    --------
    >>> [figure(x) for x in (0.0, 0.0123, 0.5, 3.21, 32.1, 321.4, 4321.0)]
    ['0', '0.012', '0.50', '3.2', '32', '321', '4,321']
    """
    if not np.isfinite(number):
        return "n/a"
    if number == 0.0:
        return "0"
    if number >= _TEN:
        return f"{number:,.0f}" if number < _LARGE else significant(number)
    if number >= 1.0:
        return f"{number:.1f}".removesuffix(".0") if number != round(number) else f"{number:.0f}"
    if number >= _TENTH:
        return f"{number:.2f}"
    return f"{number:.2g}" if number >= _SMALL else significant(number)


_SMALL, _TENTH, _TEN, _LARGE = 1e-3, 0.1, 10.0, 1e6


def year_of(horizon: str) -> str:
    """The year that a horizon ends, or the part of it up to the horizon.

    Examples
    --------
    >>> year_of("2035Q4"), year_of("2025Q2")
    ('2035', 'the part of 2025 up to Q2')
    """
    year, quarter = horizon[:4], horizon[4:]
    return year if quarter == "Q4" else f"the part of {year} up to {quarter}"


def end_of(horizon: str) -> str:
    """What a horizon is the end of: its year, or the quarter within one.

    Examples
    --------
    >>> end_of("2035Q4"), end_of("2025Q2")
    ('2035', '2025Q2')
    """
    return horizon.removesuffix("Q4")


def typeset(text: str) -> str:
    r"""Hyphens before numbers become minus signs.

    Examples
    --------
    >>> typeset("-3 to +2, 5-95%, gpt-4") == "\N{MINUS SIGN}3 to +2, 5-95%, gpt-4"
    True
    """
    return _MINUS.sub("\N{MINUS SIGN}", text)


def powers(text: str) -> str:
    r"""Numbers such as 1.2e28 in powers of ten.

    Examples
    --------
    >>> powers("1.2e28 FLOP, 3e5f0") == "1.2\N{MULTIPLICATION SIGN}10\u00b2\u2078 FLOP, 3e5f0"
    True
    """
    return _POWER.sub(lambda found: f"{found[1]}\N{MULTIPLICATION SIGN}10{found[2].translate(_SUPERSCRIPTS)}", text)


_POWER = re.compile(r"\b(\d\.\d)e(-?\d+)\b")
_SUPERSCRIPTS = str.maketrans("0123456789-", "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207b")
_MINUS = re.compile(r"(?<![\w.%)])-(?=[\d.]|inf)")
