"""Mesa's data collector, where its versions agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mesa

if TYPE_CHECKING:
    from sim.mesa_model.model import PowerModel


class QuarterCollector(mesa.DataCollector):  # type: ignore[misc]  # Mesa ships no annotations
    """Mesa's collector, in which batch runs find the rows of a quarter under the number of quarters before it.

    Model rows count from 0 and agents' records from 1. The batch runners of Mesa 3.3 and 3.4 look for both from 0, and
    so miss the last step or pair agents with another step's model row; that of 3.5 looks where the collector says.
    """

    def collect(self, model: PowerModel) -> None:
        """Collect what reporters report now."""
        super().collect(model)
        place = model.period - 1
        for records in (self._agent_records, self._agenttype_records):
            if records:
                records[place] = records.pop(next(reversed(records)))
        if getattr(self, "_collection_steps", None):
            self._collection_steps[-1] = place
