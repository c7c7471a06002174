"""Attributes of agents that read, and some that write, the engine's arrays."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, overload

from sim.errors import InputError

if TYPE_CHECKING:
    from sim.mesa_model.agents import ArrayAgent


class Window(ABC):
    """An attribute of agents that stands for a number of the engine."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, agent: None, owner: type) -> Self: ...
    @overload
    def __get__(self, agent: ArrayAgent, owner: type) -> Any: ...  # noqa: ANN401  a number or a flag
    def __get__(self, agent: ArrayAgent | None, owner: type) -> Any:
        if agent is None:
            return self
        agent.require_present()
        return self.read(agent)

    @abstractmethod
    def read(self, agent: ArrayAgent) -> Any:  # noqa: ANN401  a number or a flag
        """The number of an agent that is present."""


class Stock(Window):
    """A number of the state: what it is now, at the start of the next quarter.

    Parameters
    ----------
    name : str
        Array of ``State``, ``[replicate, actor]`` or, for ``slotless`` agents, ``[replicate]``.
    unit, sentence : str
        What it means.
    least : float, optional
        Smallest value that may be written; without it the attribute is read only.
    is_above : bool
        Whether ``least`` itself is excluded.
    payer : str, optional
        Array of ``State`` from which what is written is taken, so that money is conserved.
    """

    def __init__(
        self,
        name: str,
        unit: str,
        sentence: str,
        *,
        least: float | None = None,
        is_above: bool = False,
        payer: str | None = None,
    ) -> None:
        self.array = name
        self.unit = unit
        self.least = least
        self.is_above = is_above
        self.payer = payer
        self.__doc__ = f"{sentence}{f' ({unit})' if unit else ''}."

    def read(self, agent: ArrayAgent) -> Any:  # noqa: ANN401  a number or a flag
        """The number now."""
        values = getattr(agent.model.state, self.array)[0]
        return values.item() if values.ndim == 0 else values[agent.slot].item()

    def __set__(self, agent: ArrayAgent, value: float) -> None:
        if self.least is None:
            raise InputError(_read_only(agent, self.name))
        agent.require_present()
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        too_small = number <= self.least if self.is_above else number < self.least
        if not math.isfinite(number) or too_small:
            bound = (
                "any finite number"
                if self.least == -math.inf
                else f"{'above' if self.is_above else 'at least'} {self.least:g}"
            )
            message = f"{agent.name}: {self.name} cannot be {value!r}; allowed: {bound}, in {self.unit}"
            raise InputError(message)
        state = agent.model.state
        values = getattr(state, self.array).copy()
        place = (0,) if values.ndim == 1 else (0, agent.slot)
        gift = number - values[place]
        values[place] = number
        changed = {self.array: values}
        if self.payer is not None:
            changed[self.payer] = getattr(state, self.payer) - gift
        agent.model.state = replace(state, **changed)


class Flow(Window):
    """A number of the quarter that was simulated last: nan before the first, 0 for a firm that has just entered.

    Parameters
    ----------
    table : str
        ``firms``, ``owners``, ``makers`` or ``sectors``: attribute of the model that holds the columns.
    unit, sentence : str
        What it means.
    """

    def __init__(self, table: str, unit: str, sentence: str) -> None:
        self.table = table
        self.unit = unit
        self.__doc__ = f"{sentence}{f' ({unit})' if unit else ''}; of last quarter."

    def read(self, agent: ArrayAgent) -> Any:  # noqa: ANN401  a number or a flag
        """The number of the last quarter."""
        columns = agent.model.columns[self.table]
        if not columns:
            return math.nan
        was_there = columns["active"][0, agent.slot] if "active" in columns else True
        return columns[self.name][0, agent.slot].item() if was_there else 0.0

    def __set__(self, agent: ArrayAgent, value: object) -> None:
        raise InputError(_read_only(agent, self.name))


def _read_only(agent: ArrayAgent, name: str) -> str:
    writable = ", ".join(sorted(agent.writable()))
    told = f"{type(agent).__name__} lets you write {writable}" if writable else "nothing of this agent can be written"
    return f"{agent.name}: {name} is an outcome and cannot be written; {told}"
