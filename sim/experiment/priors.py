"""What the calibration may change: parameters without a direct source, each with a prior over its plausible range."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtr, ndtri
from scipy.stats import norm, truncnorm

from sim.arrays import Array
from sim.parameters import parameter_table

PRIOR_SD = 0.5
"""Standard deviation of a coordinate: a range of -1 to 1 is two of them on either side."""

FREE = (
    "flywheel",
    "serving_size_elasticity",
    "serving_algorithm_elasticity",
    "substitution",
    "nest_growth",
    "budget_total",
    "budget_growth",
    "switching_rate",
    "quality_persistence",
    "quality_shock",
    "sector_strength_dispersion",
    "data_elasticity",
    "data_decay",
    "capability_decay",
    "discount",
    "expectation_weight",
    "progress_floor",
    "research_exponent",
    "imitation",
    "progress_shock",
    "open_discount",
    "open_hosting_share",
    "operating_cost_share",
    "training_staff_share",
    "small_firm_fixed_cost",
    "utilisation",
    "owner_price_elasticity",
    "affiliation_partner",
    "affiliation_integrated",
    "cloud_loyalty",
    "captive_growth_start",
    "captive_growth_end",
    "captive_growth_time",
    "owner_floor_operations",
    "investor_funding",
    "parent_funding",
    "investor_funding_growth_start",
    "investor_funding_growth_end",
    "investor_funding_time",
    "partner_credit_share",
    "contest_exponent",
    "funding_speed",
    "funding_return_elasticity",
    "earmark",
    "outlay_limit",
    "cost_of_funds",
    "chip_decay",
    "site_cost",
    "site_cost_decline",
    "merchant_cost",
    "maker_margin_floor",
    "maker_bargaining",
    "capacity_response",
    "order_elasticity",
    "order_factor_half_life",
    "shipment_growth_start",
    "shipment_growth_end",
    "shipment_growth_time",
    "shipment_value_exponent",
    "entry_candidates",
    "entry_sunk_cost",
    "entry_start_median",
    "merger_rate",
    "merger_integration_cost",
    "merger_review_error",
    "electricity_price",
)
"""Parameters that the calibration may change.

They are the assumptions and estimates of the parameter table that shape the baseline, without whole numbers, first
conditions of firms, bounds of expectations, and parameters of other power families and of policies.
"""


@dataclass(frozen=True)
class Prior:
    """A prior over parameters, in coordinates that are 0 at the default and -1 and 1 at the ends of the range.

    A coordinate is normal with mean 0 and standard deviation ``PRIOR_SD``, cut off at -1 and 1, and independent of the
    others. From coordinate to value goes a monotone cubic (PCHIP), so that a default need not be in the middle.

    Parameters
    ----------
    names : tuple of str
        Rows of the parameter table.
    """

    names: tuple[str, ...] = FREE

    @property
    def standard_deviation(self) -> float:
        """Of a coordinate, cut off at -1 and 1."""
        return float(truncnorm.std(-1.0 / PRIOR_SD, 1.0 / PRIOR_SD, scale=PRIOR_SD))

    def places(self, scores: Array) -> Array:
        """Coordinates of scores, whose prior is the standard normal; ``[..., parameter]``.

        >>> Prior(("flywheel",)).places(np.array([0.0, 1.0, 9.0])).round(3)
        array([0.   , 0.469, 1.   ])
        """
        least = ndtr(-1.0 / PRIOR_SD)
        places: Array = PRIOR_SD * ndtri(least + (1.0 - 2.0 * least) * ndtr(scores))
        return np.clip(places, -1.0, 1.0)

    def scores(self, places: Array) -> Array:
        """Scores of coordinates inside -1 and 1; the inverse of ``places``."""
        least = ndtr(-1.0 / PRIOR_SD)
        scores: Array = ndtri((ndtr(places / PRIOR_SD) - least) / (1.0 - 2.0 * least))
        return scores

    def slope(self, scores: Array) -> Array:
        """Derivative of ``places``."""
        least = ndtr(-1.0 / PRIOR_SD)
        densities = norm.pdf(scores) / norm.pdf(self.places(scores) / PRIOR_SD)
        slope: Array = PRIOR_SD * (1.0 - 2.0 * least) * densities
        return slope

    def values(self, coordinates: Array) -> dict[str, float]:
        """Values of the parameters at coordinates ``[parameter]``, in the units of the table.

        >>> Prior(("flywheel",)).values(np.array([0.0]))
        {'flywheel': 1.0}
        """
        return {name: float(_curve(name)(place)) for name, place in zip(self.names, coordinates, strict=True)}


@cache
def _curve(name: str) -> PchipInterpolator:
    """From coordinate to value."""
    row = parameter_table()[name]
    return PchipInterpolator([-1.0, 0.0, 1.0], [row.low, row.value, row.high])
