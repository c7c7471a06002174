"""How the compiled parts of the model are compiled: by Numba, with IEEE arithmetic, kept on disk between runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile a function at its first call, without fast mathematics: the same bits on every run of a machine.

    Division by zero gives infinity or nan, as in NumPy. Where compiled code cannot be kept on disk, it is compiled anew
    in each process.
    """
    return _compiled(function, "never")


def inlined(function: F) -> F:
    """Compile a function as a part of those that call it: for a long one that is called from one place.

    By itself it would be compiled, and then again with each caller of its caller.
    """
    return _compiled(function, "always")


def _compiled(function: F, inline: Literal["never", "always"]) -> F:
    try:
        return numba.njit(function, cache=True, error_model="numpy", inline=inline)  # type: ignore[no-any-return]
    except RuntimeError:
        return numba.njit(function, error_model="numpy", inline=inline)  # type: ignore[no-any-return]
