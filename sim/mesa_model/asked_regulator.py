"""The policy through which a hand-written regulator answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.arrays import Array, widened
from sim.decisions import failing
from sim.policies.levers import LEVERS, Observation, Sight
from sim.quarters import Quarter
from sim.scenario import nearest

if TYPE_CHECKING:
    from sim.mesa_model.agents import Regulator


class AskedRegulator:
    """The policy that asks a hand-written regulator; without one it answers nothing.

    It shows all slots of firms in every quarter, those that open later still empty: a regulator may keep arrays.

    Parameters
    ----------
    firm_names : tuple of str
        Of all slots.
    """

    def __init__(self, firm_names: tuple[str, ...]) -> None:
        self.firm_names = firm_names
        self.regulator: Regulator | None = None
        self._past: list[Sight] = []

    def __getstate__(self) -> dict[str, Any]:
        """What a copy of the model takes; it can look at the past anew."""
        return {**vars(self), "_past": []}

    def __call__(self, observation: Observation, quarter: Quarter) -> Mapping[str, Array | float]:
        """Levers of the quarter.

        Raises
        ------
        AgentError
            When the regulator raises, or answers what are not levers.
        """
        if self.regulator is None:
            return {}
        self._past += [
            Sight(_sealed(sight.measures), self._in_all_slots(sight.firms))
            for sight in observation.past[len(self._past) :]
        ]
        view = replace(
            observation,
            past=tuple(self._past[: len(observation.past)]),
            firms=self._in_all_slots(observation.firms),
            firm_names=self.firm_names,
            owners=_sealed(observation.owners),
        )
        with failing(self.regulator.label, "decide", quarter):
            levers = _checked(self.regulator.decide(view), view)
        n_open = len(observation.firm_names)
        return {
            name: value[..., :n_open] if LEVERS[name].axes[-1:] == ("firm",) else value
            for name, value in levers.items()
        }

    def _in_all_slots(self, firms: Mapping[str, Any]) -> Mapping[str, Any]:
        return _sealed(
            {name: widened(values, np.zeros(len(self.firm_names), values.dtype)) for name, values in firms.items()}
        )


def _checked(answer: Any, view: Observation) -> dict[str, Array]:  # noqa: ANN401  whatever a user's method returns
    """Levers that exist, in shapes that fit and without nan."""
    if not isinstance(answer, Mapping):
        message = f"it answered {answer!r}; allowed: levers by name, such as {{'compute_tax': 0.1}}, or {{}}"
        raise TypeError(message)
    levers = {}
    for name, value in answer.items():
        if name not in LEVERS:
            close = nearest(str(name), list(LEVERS))
            message = (
                f"there is no lever {name!r}{f'; did you mean {close!r}?' if close else ''}; docs/notation.md lists all"
            )
            raise ValueError(message)
        shape = tuple(view.sizes[axis] for axis in LEVERS[name].axes)
        levers[name] = np.broadcast_to(np.asarray(value, dtype=float), (1, *shape))
        if np.any(np.isnan(levers[name])):
            message = f"lever {name} is nan; allowed: numbers in {LEVERS[name].unit or 'no unit'}"
            raise ValueError(message)
    return levers


def _sealed(arrays: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same arrays, none of which can be written."""
    views = {}
    for name, values in arrays.items():
        views[name] = values.view()
        views[name].setflags(write=False)
    return MappingProxyType(views)
