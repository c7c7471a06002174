"""Parameter sets that agree with the facts of 2024: the stored answer of a calibration."""

from __future__ import annotations

import csv
import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from sim.parameters import DATA

LUCKS_PER_SET = 4
"""Successive replicates that share a parameter set, so that luck and parameters can be told apart."""

SETS_FILE = "parameter_sets.csv"


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """Draws of parameters that agree with the facts.

    Attributes
    ----------
    names : tuple of str
        Parameters that differ from set to set.
    sets : tuple of tuple of float
        Values of each set, in the order of ``names`` and the units of the parameter table.
    misfits : tuple of float
        Sum of squared distances of each set from the fitted facts, in standard deviations.
    hits : tuple of int
        Fitted facts inside their bands, of each set.
    about : mapping of str to str
        How and when the sets were made.
    """

    names: tuple[str, ...]
    sets: tuple[tuple[float, ...], ...]
    misfits: tuple[float, ...]
    hits: tuple[int, ...]
    about: Mapping[str, str]

    def values(self, number: int) -> dict[str, float]:
        """Values of a set by name."""
        return dict(zip(self.names, self.sets[number], strict=True))

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what the sets are."""
        return hashlib.sha256(repr((self.names, self.sets)).encode("ascii")).hexdigest()

    def write(self, path: Path) -> None:
        """Write a file that :func:`read_parameter_sets` reads; numbers are exact."""
        with path.open("w", encoding="utf-8", newline="") as handle:
            handle.writelines(f"# {key}: {text}\n" for key, text in self.about.items())
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(["set", "misfit", "hits", *self.names])
            rows = zip(self.misfits, self.hits, self.sets, strict=True)
            for number, (misfit, hits, values) in enumerate(rows):
                writer.writerow([number, repr(misfit), hits, *map(repr, values)])


def set_of_replicate(replicate: int, n_sets: int) -> int:
    """Number of the set that a replicate uses, whatever the scenario: paired runs share it.

    >>> [set_of_replicate(replicate, 3) for replicate in (0, 3, 4, 11, 12)]
    [0, 0, 1, 2, 0]
    """
    return replicate // LUCKS_PER_SET % n_sets


def first_of_set(replicate: int) -> int:
    """The first of the successive replicates that share the set of this one."""
    return replicate - replicate % LUCKS_PER_SET


def by_set(replicates: Sequence[int], n_sets: int) -> list[list[int]]:
    """Replicates that follow one another and share a set.

    >>> by_set(range(2, 9), 200)
    [[2, 3], [4, 5, 6, 7], [8]]
    """
    return [list(chosen) for _, chosen in groupby(replicates, lambda replicate: set_of_replicate(replicate, n_sets))]


def all_of_set(replicates: Sequence[int], n_sets: int) -> list[list[int]]:
    """All replicates of each set, which come round again where replicates outnumber the sets.

    >>> all_of_set(range(2, 10), 2)
    [[2, 3, 8, 9], [4, 5, 6, 7]]
    """
    found: dict[int, list[int]] = {}
    for replicate in replicates:
        found.setdefault(set_of_replicate(replicate, n_sets), []).append(replicate)
    return list(found.values())


def worlds_with_sets() -> tuple[str, ...]:
    """Worlds that parameter sets come with."""
    return tuple(sorted(path.parent.name for path in DATA.glob(f"*/{SETS_FILE}")))


@functools.cache
def drawn_parameters() -> frozenset[str]:
    """Parameters that differ from set to set in some world."""
    return frozenset(name for base in worlds_with_sets() for name in parameter_sets(base).names)


@functools.cache
def parameter_sets(base: str) -> ParameterSets:
    """The shipped sets of a world; one of ``worlds_with_sets``."""
    return read_parameter_sets(DATA / base / SETS_FILE)


def read_parameter_sets(path: Path) -> ParameterSets:
    """Read what :meth:`ParameterSets.write` wrote."""
    with path.open(encoding="utf-8", newline="") as handle:
        lines = list(handle)
    remarks = [line[2:].partition(": ") for line in lines if line.startswith("# ")]
    header, *rows = csv.reader(lines[len(remarks) :])
    return ParameterSets(
        tuple(header[3:]),
        tuple(tuple(map(float, row[3:])) for row in rows),
        tuple(float(row[1]) for row in rows),
        tuple(int(row[2]) for row in rows),
        {key: text.strip() for key, _, text in remarks},
    )
