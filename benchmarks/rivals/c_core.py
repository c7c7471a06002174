"""The market core in C: compiled where it is run, called through ctypes."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sim.submodels.clearing import Given, Guess

SOURCE = Path(__file__).with_name("market_core.c")
FLAGS = ("-O3", "-march=native", "-std=c11", "-fopenmp-simd", "-fPIC", "-shared")
"""The pragmas let sums over firms be added several at a time, which -O3 alone may not; nothing else is relaxed."""

_NUMBERS = ("substitution", "nest_growth", "price_elasticity")
_ARRAYS = (
    "capacity", "supply", "floor", "captive_outlay", "captive_tax", "affinity", "last_weight",
    "loyalty", "desired_outlay", "means", "allotment", "own_chips", "training_cap",
    "compute_tax", "usage_tax", "revenue_taken", "serving_need", "appeal", "staying",
    "group", "taken_differs", "budget", "initial_odds",
)  # fmt: skip
_ANSWERS = ("log_rent", "share", "nest", "n_sweeps", "gap")

Answer = tuple[Guess, np.ndarray, np.ndarray]


class _Problem(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("n_replicates", "n_owners", "n_sectors", "n_firms")),
        *((name, ctypes.c_double) for name in _NUMBERS),
        *((name, ctypes.c_void_p) for name in (*_ARRAYS, *_ANSWERS)),
    )


def compiler() -> str | None:
    """The C compiler of this machine: ``$CC``, cc, gcc or clang; None where there is none."""
    names = (os.environ.get("CC"), "cc", "gcc", "clang")
    return next((path for name in names if name and (path := shutil.which(name))), None)


class Core:
    """The compiled library.

    Parameters
    ----------
    folder : Path
        Where to compile; must outlive this object.

    Raises
    ------
    FileNotFoundError
        When there is no C compiler.
    subprocess.CalledProcessError
        When it does not compile.
    """

    def __init__(self, folder: Path) -> None:
        cc = compiler()
        if cc is None:
            raise FileNotFoundError("no C compiler (cc, gcc or clang)")
        library = folder / "market_core.so"
        subprocess.run([cc, *FLAGS, "-o", str(library), str(SOURCE), "-lm"], check=True)
        self._solve = ctypes.CDLL(str(library)).solve
        self._solve.argtypes, self._solve.restype = (ctypes.POINTER(_Problem),), ctypes.c_int

    def posed(self, given: Given, start: Guess) -> Callable[[], Answer]:
        """A function that solves the markets, as ``clearing.solve`` does; arrays are laid out for C beforehand."""
        n_replicates, n_sectors, n_firms = start.share.shape
        arrays = {name: np.ascontiguousarray(getattr(given, name)) for name in _ARRAYS}
        problem = _Problem(n_replicates, start.log_rent.shape[-1], n_sectors, n_firms)
        for name in _NUMBERS:
            setattr(problem, name, float(getattr(given, name)))
        for name, values in arrays.items():
            setattr(problem, name, values.ctypes.data)

        def solve() -> Answer:
            found = Guess(*(np.array(values, order="C") for values in start))
            n_sweeps, gap = np.zeros(n_replicates, dtype=np.int64), np.zeros(n_replicates)
            for name, values in zip(_ANSWERS, (*found, n_sweeps, gap), strict=True):
                setattr(problem, name, values.ctypes.data)
            if self._solve(ctypes.byref(problem)):
                raise MemoryError
            return found, n_sweeps, gap

        solve.arrays = arrays  # the library only borrows them
        return solve
