"""Parameter sets that agree with the facts of 2024: the stored answer of a calibration."""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sim.parameters import DATA, parameter_table

LUCKS_PER_SET = 4
"""Successive replicates that share a parameter set, so that luck and parameters can be told apart."""

BEST = "best"
"""Number of the row that holds the best fit."""

_FILE = "parameter_sets.csv"


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """Draws from the parameters that agree with the facts, and the best fit.

    Attributes
    ----------
    names : tuple of str
        Parameters that differ from set to set.
    best : mapping of str to float
        The best fit, as the baseline uses it; the table's default where the facts say nothing.
    sets : tuple of mapping of str to float
        Values by name, in the units of the parameter table.
    misfits : tuple of float
        Sum of squared distances from the fitted facts, in standard deviations, of each set.
    best_misfit : float
    about : mapping of str to str
        How and when the sets were made.
    """

    names: tuple[str, ...]
    best: Mapping[str, float]
    sets: tuple[Mapping[str, float], ...]
    misfits: tuple[float, ...]
    best_misfit: float
    about: Mapping[str, str]

    def of_replicate(self, replicate: int) -> int:
        """Number of the set that a replicate uses, whatever the scenario: paired runs share it."""
        return set_of_replicate(replicate, len(self.sets))

    def changes(self, number: int, held: Mapping[str, float]) -> dict[str, float]:
        """Values of a set by name, without parameters that a scenario chose itself.

        Parameters
        ----------
        number : int
            Which set.
        held : mapping of str to float
            The scenario's values; one that is neither the table's default nor the best fit was chosen, and stays.
        """
        table = parameter_table()
        return {
            name: value
            for name, value in self.sets[number].items()
            if held.get(name, table[name].value) in (table[name].value, self.best[name])
        }

    def write(self, path: Path) -> None:
        """Write a file that :func:`read_parameter_sets` reads; numbers are exact."""
        with path.open("w", encoding="utf-8", newline="") as handle:
            handle.writelines(f"# {key}: {text}\n" for key, text in self.about.items())
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(["set", "misfit", *self.names])
            rows = [(BEST, self.best_misfit, self.best), *zip(range(len(self.sets)), self.misfits, self.sets)]
            writer.writerows(
                [number, repr(misfit), *(repr(values[n]) for n in self.names)] for number, misfit, values in rows
            )


def set_of_replicate(replicate: int, n_sets: int) -> int:
    """Number of the set of a replicate among ``n_sets``.

    >>> [set_of_replicate(replicate, 3) for replicate in (0, 3, 4, 11, 12)]
    [0, 0, 1, 2, 0]
    """
    return replicate // LUCKS_PER_SET % n_sets


@functools.cache
def parameter_sets() -> ParameterSets:
    """The shipped sets, of the world of 2024."""
    return read_parameter_sets(DATA / _FILE)


def read_parameter_sets(path: Path) -> ParameterSets:
    """Read what :meth:`ParameterSets.write` wrote."""
    with path.open(encoding="utf-8", newline="") as handle:
        lines = list(handle)
    about = dict(_remarks(lines))
    header, *rows = csv.reader(lines[len(about) :])
    names = tuple(header[2:])
    values = [dict(zip(names, map(float, row[2:]), strict=True)) for row in rows]
    misfits = [float(row[1]) for row in rows]
    return ParameterSets(names, values[0], tuple(values[1:]), tuple(misfits[1:]), misfits[0], about)


def _remarks(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if not line.startswith("# "):
            return
        key, _, text = line[2:].partition(": ")
        yield key, text.strip()
