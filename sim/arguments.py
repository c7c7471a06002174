"""What callers give: one value or several, numbers of NumPy, names that may not be known."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from sim.errors import InputError, ScenarioError
from sim.scenario.messages import nearest

LAST_REPLICATE = 2**32 - 1
"""As luck is keyed (``sim.luck``)."""


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a caller gives
    """A value of NumPy as Python has it, and any other as it is.

    >>> plain(np.float64(0.5)), plain(np.array([True, False])), plain("text")
    (0.5, [True, False], 'text')
    """
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def listed(values: Any, *alone: type) -> list[Any]:  # noqa: ANN401 - whatever a caller gives
    """Values as a list of Python's own; a text, or what is of the types ``alone``, is one value, None is none.

    >>> listed("hhi_revenue"), listed(2030), listed(np.array([1, 2])), listed(None)
    (['hhi_revenue'], [2030], [1, 2], [])
    """
    values = plain(values)
    if values is None:
        return []
    if isinstance(values, (str, *alone)) or not isinstance(values, Iterable):
        return [values]
    return [plain(value) for value in values]


def whole_number(
    name: str, value: object, least: int, most: int | None = None, error: type[InputError] = InputError
) -> int:
    """A whole number inside its limits, whatever integer type it has.

    Raises
    ------
    InputError
        Or the given ``error``, when it is something else.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or number < least or (most is not None and number > most):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        message = f"{name} must be a whole number {allowed}, not {value!r}"
        raise error(message)
    return number


def replicate_of(replicate: object) -> int:
    """The number of a replicate.

    Raises
    ------
    ScenarioError
        When it is none.
    """
    return whole_number("replicate", replicate, 0, LAST_REPLICATE, ScenarioError)


def require_known(kind: str, names: Iterable[object], known: Collection[str]) -> None:
    """Refuse a name that is not known.

    Raises
    ------
    InputError
        When there is one; the nearest is named.
    """
    for name in names:
        if name not in known:
            near = nearest(name, list(known))
            hint = f"did you mean {near}?" if near else f"see `aipower list {kind}s`"
            message = f"there is no {kind} {name!r}; {hint}"
            raise InputError(message)
