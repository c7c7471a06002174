"""The measures that every comparison shows, and the smallest effect on each that would matter.

An effect whose interval lies inside plus or minus the smallest effect of interest is called negligible; the bounds are
declared here, before any result is seen (Lakens 2017, "Equivalence tests", *Social Psychological and Personality
Science* 8(4)).
"""

from __future__ import annotations

from typing import NamedTuple

RELATIVE = 0.01
"""Smallest relative effect that matters where nothing else is declared: 1% of the reference's mean."""


class Headline(NamedTuple):
    """A measure that every comparison shows.

    Attributes
    ----------
    label : str
        In tables and figures.
    smallest : float
        Smallest effect of interest, in the measure's unit, or as a share of ``of``.
    of : str
        Measure of which ``smallest`` is a share of the reference's mean; empty where it is absolute.
    better : int
        1 where more is usually wanted, -1 where less is, 0 where that depends on whom one asks.
    reason : str
        Why that size.
    """

    label: str
    smallest: float
    of: str
    better: int
    reason: str


_POINTS = "a quarter of the change of 100 points from which the US merger guidelines of 2023 presume harm"
_GINI = "half of the last digit that is printed"
_PERCENT = "the general rule"
_MONEY = "1% of what buyers spend on AI, so that parts of welfare share one yardstick"

HEADLINES: dict[str, Headline] = {
    "hhi_chip_sales": Headline("HHI of chip sales", 25.0, "", -1, _POINTS),
    "hhi_compute_owned": Headline("HHI of compute owned", 25.0, "", -1, _POINTS),
    "hhi_compute_used": Headline("HHI of compute used", 25.0, "", -1, _POINTS),
    "hhi_power": Headline("HHI of AI power", 25.0, "", -1, _POINTS),
    "hhi_revenue": Headline("HHI of revenue", 25.0, "", -1, _POINTS),
    "gini_revenue": Headline("Gini of revenue", 0.005, "", -1, _GINI),
    "total_power": Headline("Total AI power", RELATIVE, "total_power", 1, _PERCENT),
    "frontier_power": Headline("Frontier AI power", RELATIVE, "frontier_power", 0, _PERCENT),
    "consumer_gain_paired": Headline("Consumer gain over baseline", RELATIVE, "industry_revenue", 1, _MONEY),
    "industry_profit": Headline("Developers' operating profit", RELATIVE, "industry_revenue", 0, _MONEY),
    "owner_profit": Headline("Compute owners' profit", RELATIVE, "industry_revenue", 0, _MONEY),
    "maker_profit": Headline("Chip makers' profit", RELATIVE, "industry_revenue", 0, _MONEY),
    "fiscal_balance": Headline("Fiscal balance", RELATIVE, "industry_revenue", 1, _MONEY),
    "welfare_paired": Headline("Welfare over baseline", RELATIVE, "industry_revenue", 1, _MONEY),
    "planner_gap": Headline(
        "Efficiency lost to the planner", 0.005, "", -1, "half of the last digit printed; where runs record it"
    ),
    "small_firm_share_of_compute": Headline(
        "Small firms' share of compute",
        0.0025,
        "",
        1,
        "a quarter of a percentage point, half of the last digit printed",
    ),
    "n_small_firms": Headline("Small firms in the market", RELATIVE, "n_small_firms", 1, _PERCENT),
    "rental_price": Headline("Rental price of compute", RELATIVE, "rental_price", 0, _PERCENT),
    "energy_twh": Headline("Energy", RELATIVE, "energy_twh", -1, _PERCENT),
    "emissions_mtco2": Headline("Emissions", RELATIVE, "emissions_mtco2", -1, _PERCENT),
}
"""Measures in the order in which they are shown: concentration, power, who gains, small firms, energy."""


def smallest_effect(measure: str) -> tuple[float, str]:
    """Smallest effect of interest, and the measure of which it is a share (empty: absolute).

    Examples
    --------
    >>> smallest_effect("hhi_revenue"), smallest_effect("chip_price")
    ((25.0, ''), (0.01, 'chip_price'))
    """
    known = HEADLINES.get(measure)
    if known is not None:
        return known.smallest, known.of
    if measure.startswith("hhi_"):
        return 25.0, ""
    return RELATIVE, measure


def label_of(measure: str) -> str:
    """How a measure is called in tables and figures.

    Examples
    --------
    >>> label_of("hhi_revenue"), label_of("chip_price")
    ('HHI of revenue', 'chip_price')
    """
    return HEADLINES[measure].label if measure in HEADLINES else measure
