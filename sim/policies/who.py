"""Whom a policy reaches: everyone, a class, named firms, or firms by their size as observed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic import model_validator as validator
from pydantic_core import CoreSchema, PydanticCustomError

from sim.arrays import Array, Flags, shares
from sim.groups import Groups
from sim.policies.levers import Observation
from sim.policies.schedule import parameter
from sim.policies.trigger import TOLD
from sim.state import FIRM_CLASSES

FORMS = (
    "all, {class: sme}, {names: [OpenAI]}, {top: 5, by: revenue}, {outside_top: 5, by: compute}, "
    "{share_above: 0.2, of: revenue}"
)

Size = Literal["revenue", "compute", "power"]


class Who(BaseModel):
    """Firms that a policy reaches; by size, those seen ``lag`` quarters ago.

    By size, firms of one owner count as one, with their sum or their most powerful model, and are reached together.
    A firm that entered since has not been seen: it is never among the largest, and always outside them. Before the
    first sight nobody is reached by size. A name means the firm that has it, not a later one in its slot.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, populate_by_name=True)

    firm_class: Annotated[Literal["giant", "lab", "sme"] | None, Field(alias="class", description="of a class")] = None
    names: Annotated[tuple[str, ...] | None, Field(description="by name")] = None
    top: Annotated[int | None, parameter("firms", 1, 1000, "the largest")] = None
    outside_top: Annotated[int | None, parameter("firms", 1, 1000, "all but the largest")] = None
    by: Annotated[Size | None, Field(description="what top and outside_top rank")] = None
    share_above: Annotated[float | None, parameter("share", 0, 1, "those with a larger share of the whole")] = None
    of: Annotated[Size | None, Field(description="what share_above is a share of")] = None

    @validator(mode="before")
    @classmethod
    def _from_yaml(cls, given: object) -> object:
        if given == "all":
            return {}
        if isinstance(given, dict) and given:
            names = given.get("names")
            return given | {"names": tuple(names)} if isinstance(names, list) else given
        if isinstance(given, dict):
            _refuse("names nobody")
        if isinstance(given, str):
            _refuse(f"{given!r} is not a group")
        return given

    @validator(mode="after")
    def _one_group(self) -> Who:
        if sum(group is not None for group in self._groups) > 1:
            _refuse("has several groups")
        ranks = self.top is not None or self.outside_top is not None
        if (self.by is not None) != ranks:
            _refuse("by belongs to top or outside_top" if self.by else "does not say by what the largest are ranked")
        if (self.of is not None) != (self.share_above is not None):
            _refuse("of belongs to share_above" if self.of else "does not say of what a share is meant")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A mapping with one group, or the word for everyone."""
        mapping = handler.resolve_ref_schema(handler(core_schema))
        return {"anyOf": [dict(mapping), {"type": "string", "enum": ["all"]}]}

    @model_serializer(mode="wrap")
    def _short(self, handler: SerializerFunctionWrapHandler, _: SerializationInfo) -> Any:  # noqa: ANN401 - YAML
        return {key: value for key, value in handler(self).items() if value is not None} or "all"

    @property
    def is_everyone(self) -> bool:
        """Whether it is the group of all firms."""
        return all(group is None for group in self._groups)

    @property
    def _groups(self) -> tuple[object, ...]:
        return (self.firm_class, self.names, self.top, self.outside_top, self.share_above)

    def reached(self, observation: Observation, lag: int) -> Flags:
        """Active firms of the group; ``[replicate, firm]``."""
        lives: Flags = observation.firms["is_active"]
        return lives & self._belongs(observation, lag)

    def _belongs(self, observation: Observation, lag: int) -> Flags:
        firms = observation.firms
        if self.firm_class is not None:
            return np.asarray(firms["firm_class"] == FIRM_CLASSES.index(self.firm_class))
        if self.names is not None:
            is_named = np.array([name in self.names for name in observation.firm_names])
            return np.asarray(is_named & (firms["generation"] == 0))
        if (measure := self.by or self.of) is None:
            return np.ones(firms["is_active"].shape, dtype=bool)
        size = seen(observation, measure, lag)
        if size is None:
            return np.zeros(firms["is_active"].shape, dtype=bool)
        groups = Groups.of(firms["group"])
        added = groups.largest(size) if measure == "power" else groups.total(size)
        of_owner = np.where(groups.is_head, added, 0.0)
        if self.share_above is not None:
            is_large = shares(of_owner) > self.share_above
        else:
            order = np.argsort(-of_owner, axis=-1, kind="stable")
            rank = np.argsort(order, axis=-1, kind="stable")
            is_large = (rank < (self.top or self.outside_top or 0)) & (of_owner > 0.0)
        reached = np.take_along_axis(is_large, firms["group"], axis=-1)
        return np.asarray(~reached if self.outside_top is not None else reached)


def seen(observation: Observation, what: str, lag: int) -> Array | None:
    """What was seen ``lag`` quarters ago of the firms that are still there; None before the first sight.

    Returns
    -------
    array [replicate, firm] or None
        Zero for firms that were not there yet, or are there no longer.
    """
    period = observation.period - lag
    if not 0 <= period < len(observation.past):
        return None
    is_same = observation.firms["is_active"] & (observation.firms["age"] >= lag)
    return np.where(is_same, observation.past[period].firms[what], 0.0)


def _refuse(what: str) -> None:
    text = f"{what}; allowed: {FORMS}; write who: all"
    raise PydanticCustomError(TOLD, "{text}", {"text": text})
