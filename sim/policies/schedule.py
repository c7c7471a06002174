"""When a policy acts: from its start up to, not including, its end, at a strength that may rise step by step."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from sim.arrays import Array, Counts
from sim.quarters import QUARTER_PATTERN, Quarter

QuarterText = Annotated[str, Field(pattern=QUARTER_PATTERN)]

NOT_YET = -1
"""Quarters in force of a policy that is not."""


def parameter(unit: str, low: float | None, high: float | None, meaning: str) -> Any:  # noqa: ANN401 - pydantic's own
    """Annotation of a parameter: its unit, the range that is accepted, and what it means."""
    return Field(ge=low, le=high, description=meaning, json_schema_extra={"unit": unit})


def first_period(start: str | None, period: int, quarter: Quarter) -> int:
    """Period in which a policy may first act; ``period`` is that of ``quarter``."""
    return 0 if start is None else max(period - (quarter - Quarter.parse(start)), 0)


def is_over(end: str | None, quarter: Quarter) -> bool:
    """Whether the end has come."""
    return end is not None and quarter >= Quarter.parse(end)


def ramped(elapsed: Counts, ramp: int) -> Array:
    """Share of the full strength, rising by 1/ramp a quarter; 0 where not in force.

    >>> ramped(np.array([-1, 0, 1, 3, 9]), 4)
    array([0.  , 0.25, 0.5 , 1.  , 1.  ])
    >>> ramped(np.array([-1, 0]), 0)
    array([0., 1.])
    """
    return np.clip((elapsed + 1.0) / max(ramp, 1), 0.0, 1.0)
