"""How the compiled parts of the model are compiled: by Numba, with IEEE arithmetic, kept on disk between runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile a function at its first call, without fast mathematics: the same bits on every run of a machine.

    Division by zero gives infinity or nan, as in NumPy. Where compiled code cannot be kept on disk, it is compiled anew
    in each process.
    """
    try:
        return numba.njit(function, cache=True, error_model="numpy")  # type: ignore[no-any-return]
    except RuntimeError:
        return numba.njit(function, error_model="numpy")  # type: ignore[no-any-return]
