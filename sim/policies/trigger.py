"""What sets a policy off: a measure that stayed beyond a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, SerializationInfo, SerializerFunctionWrapHandler, model_serializer
from pydantic import model_validator as validator
from pydantic_core import PydanticCustomError

from sim.arrays import Counts, Flags
from sim.policies.levers import Sight
from sim.policies.schedule import NOT_YET, parameter

TOLD = "policy"
"""Type of the validation errors whose text is written here, not by pydantic."""


class Trigger(BaseModel):
    """A measure above or below a threshold for some quarters, as observed.

    Once it has fired, the policy stays in force until its end: a law is not repealed when a number falls again. What
    happened before the policy's start counts only if it still lasts when the start comes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, populate_by_name=True)

    measure: Annotated[str, Field(description="name of a measure (aipower list measures)")]
    above: Annotated[float | None, parameter("of the measure", None, None, "fires when the measure exceeds this")] = (
        None
    )
    below: Annotated[float | None, parameter("of the measure", None, None, "fires when the measure is below this")] = (
        None
    )
    quarters: Annotated[
        int, Field(alias="for", ge=1, le=40, description="in a row", json_schema_extra={"unit": "quarters"})
    ] = 1

    @validator(mode="after")
    def _one_side(self) -> Trigger:
        if (self.above is None) == (self.below is None):
            what = "has no threshold" if self.above is None else "has two thresholds"
            raise PydanticCustomError(
                TOLD, "{text}", {"text": f"{what}; allowed: one of above, below; write above: 2500"}
            )
        return self

    @model_serializer(mode="wrap")
    def _without_nothing(self, handler: SerializerFunctionWrapHandler, _: SerializationInfo) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}

    def elapsed(self, past: Sequence[Sight], first: int, period: int, lag: int, n_replicates: int) -> Counts:
        """Quarters since it fired, ``NOT_YET`` where it has not; ``[replicate]``.

        Parameters
        ----------
        past : sequence of Sight
            Of periods 0, 1, ...
        first, period : int
            The first period in which it may fire, and now.
        lag : int
            Age in quarters of what is observed.
        n_replicates : int
            Length of the answer.
        """
        since = np.full(n_replicates, NOT_YET)
        for now in range(first, period + 1):
            last = now - lag
            window = range(last - self.quarters + 1, last + 1)
            if window.start < 0 or window.stop > len(past):
                continue
            holds = np.logical_and.reduce([self._holds(past[k]) for k in window])
            since = np.where((since == NOT_YET) & holds, period - now, since)
        return since

    def _holds(self, sight: Sight) -> Flags:
        value = sight.measures[self.measure]
        if self.above is not None:
            return np.asarray(value > self.above)
        return np.asarray(value < self.below) if self.below is not None else np.zeros(value.shape, dtype=bool)
