"""The table of effects: one row for each scenario, kind, measure and horizon."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.comparison.gain import is_comparable, paired_gain
from sim.comparison.headlines import smallest_effect
from sim.comparison.statistics import (
    Floats,
    Paired,
    holm,
    p_value,
    paired,
    replicates_to_decide,
    verdict,
)
from sim.observe import described
from sim.parameter_sets import LUCKS_PER_SET, all_of_set
from sim.quarters import Quarter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from sim.comparison.design import Contrast
    from sim.comparison.outcomes import Outcome
    from sim.world.build import World

PAIRED_GAIN, PAIRED_WELFARE = "consumer_gain_paired", "welfare_paired"

PAIRED_MEASURES = {
    PAIRED_GAIN: (
        "$bn",
        "Saving of buyers at fixed budgets against the reference with the same luck; long run, 0 in the reference.",
    ),
    PAIRED_WELFARE: (
        "$bn",
        "Welfare less the reference's, with buyers' saving taken against the reference; 0 in the reference.",
    ),
}
"""Measures that only a pair has: unit and sentence by name."""


class Pairs(NamedTuple):
    """Values of the two runs of a contrast in the replicates that both have.

    Attributes
    ----------
    replicates : array [replicate] of int
    quarters : tuple of str
        Last quarter of each year.
    names : tuple of str
        Measures, those of ``PAIRED_MEASURES`` last.
    scenario, reference : array [replicate, year, measure]
    singles : array [replicate, year, measure], optional
        The scenario's single replicates where ``scenario`` holds means of parameter sets.
    """

    replicates: npt.NDArray[np.int64]
    quarters: tuple[str, ...]
    names: tuple[str, ...]
    scenario: Floats
    reference: Floats
    singles: Floats | None = None


WorldsOf = Callable[[int], tuple["World", "World"]]
"""Worlds of run and reference in a replicate."""


def pairs_of(run: Outcome, reference: Outcome, worlds_of: WorldsOf, n_sets: int = 0) -> Pairs:
    """Pair two runs; replicates that failed in either drop out.

    Parameters
    ----------
    run, reference : Outcome
    worlds_of : callable
        Worlds of run and reference in a replicate, for the gain against the reference; undefined where buyers want
        different things.
    n_sets : int
        Parameter sets that replicates draw from, 0 where all have the same. A pair is then the mean over the
        replicates of one set: those share their parameters, so that only sets are independent of each other.
    """
    common, mine, theirs = np.intersect1d(run.replicates, reference.replicates, return_indices=True)
    names = tuple(name for name in run.names if name in set(reference.names))
    columns = [[outcome.names.index(name) for name in names] for outcome in (run, reference)]
    values = run.table[mine][:, :, columns[0]]
    values_reference = reference.table[theirs][:, :, columns[1]]
    gain = np.full(values.shape[:2], np.nan)
    groups = all_of_set(common.tolist(), n_sets) if n_sets else [common.tolist()] if len(common) else []
    for numbers in groups:
        worlds = worlds_of(numbers[0])
        if is_comparable(*worlds):
            rows = np.flatnonzero(np.isin(common, numbers))
            start = Quarter.parse(run.quarters[-1]) + (1 - run.adoption.shape[1])
            gain[rows] = paired_gain(worlds[0], start, run.adoption[mine[rows]], reference.adoption[theirs[rows]])
    change = {name: values[:, :, names.index(name)] - values_reference[:, :, names.index(name)] for name in _PARTS}
    welfare = change["welfare"] - change["consumer_gain"] + gain
    both = np.stack([gain, welfare], axis=-1)
    pairs = Pairs(
        common,
        run.quarters,
        (*names, *PAIRED_MEASURES),
        np.concatenate([values, both], axis=-1),
        np.concatenate([values_reference, np.where(np.isfinite(both), 0.0, np.nan)], axis=-1),
    )
    return _means_of_sets(pairs, groups) if n_sets else pairs


def _means_of_sets(pairs: Pairs, groups: Sequence[Sequence[int]]) -> Pairs:
    """One pair for each parameter set: the mean over its replicates, undefined where one of them is."""
    rows = [np.flatnonzero(np.isin(pairs.replicates, numbers)) for numbers in groups]
    return pairs._replace(
        replicates=np.array([numbers[0] for numbers in groups], dtype=np.int64),
        scenario=np.stack([pairs.scenario[chosen].mean(axis=0) for chosen in rows]),
        reference=np.stack([pairs.reference[chosen].mean(axis=0) for chosen in rows]),
        singles=pairs.scenario,
    )


_PARTS = ("welfare", "consumer_gain")


def unit_of(measure: str) -> str:
    """Unit of a measure of effects."""
    return PAIRED_MEASURES[measure][0] if measure in PAIRED_MEASURES else described(measure).unit


def moments(pairs: Pairs, quarters: Sequence[str]) -> Paired:
    """Moments of pairs in some quarters; each ``[year, measure]``."""
    years = [pairs.quarters.index(quarter) for quarter in quarters]
    return paired(pairs.scenario[:, years], pairs.reference[:, years])


def smallest_effects(names: Sequence[str], reference: Floats) -> Floats:
    """Smallest effects of interest ``[year, measure]``, given the reference's means ``[year, measure]``."""
    bounds = np.empty_like(reference)
    for k, name in enumerate(names):
        size, of = smallest_effect(name)
        bounds[:, k] = size * np.abs(reference[:, names.index(of)]) if of in names else size
    return bounds


def effects_of(contrast: Contrast, pairs: Pairs, quarters: Sequence[str]) -> pd.DataFrame:
    """Rows of one contrast, for every measure in each of the quarters."""
    import pandas as pd

    found = moments(pairs, quarters)
    names = pairs.names
    smallest = smallest_effects(names, found.reference)
    student = found.effect, found.error, found.n
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(found.reference != 0.0, found.effect / np.abs(found.reference), np.nan)
    words = verdict(*student, smallest, found.changed, found.widening)
    of_pair = 1 if pairs.singles is None else max(LUCKS_PER_SET, len(pairs.singles) / len(pairs.replicates))
    wanted = np.ceil(of_pair * replicates_to_decide(*student, smallest, found.changed, found.widening))
    to_decide = np.where(words == "undecided", wanted, np.nan)
    columns: dict[str, object] = {
        "scenario": contrast.scenario,
        "kind": contrast.kind,
        "against": contrast.against,
        "measure": np.broadcast_to(np.array(names, dtype=object), found.n.shape).ravel(),
        "horizon": np.repeat(np.array(quarters, dtype=object), len(names)),
        "unit": np.broadcast_to(np.array([unit_of(name) for name in names], dtype=object), found.n.shape).ravel(),
        "reference_mean": found.reference.ravel(),
        "scenario_mean": found.scenario.ravel(),
        "effect": found.effect.ravel(),
        "relative_effect": relative.ravel(),
    }
    is_paired_only = np.isin(np.broadcast_to(np.array(names), found.n.shape), list(PAIRED_MEASURES))
    columns |= {name: ends.ravel() for name, ends in found.ends().items()}
    columns |= {
        "share_rising": found.rising.ravel(),
        "variance_ratio": np.where(is_paired_only, np.nan, found.variance_ratio).ravel(),
        "n_changed": found.changed.astype(np.int64).ravel(),
        "n": found.n.astype(np.int64).ravel(),
        "p_value": p_value(found.effect, found.error_at(0.95), found.n).ravel(),
        "smallest_effect": smallest.ravel(),
        "verdict": words.ravel().astype(object),
        "replicates_to_decide": to_decide.ravel(),
    }
    return pd.DataFrame(columns)


def with_holm(effects: pd.DataFrame, family: Sequence[str]) -> pd.DataFrame:
    """Add ``p_holm``: p values of the measures of the family adjusted for all of its rows; none for other measures."""
    p = np.where(effects["measure"].isin(family), effects["p_value"].to_numpy(), np.nan)
    place = list(effects.columns).index("p_value") + 1
    effects.insert(place, "p_holm", holm(p))
    return effects


def table_of(
    contrasts: Sequence[Contrast],
    paired_runs: Mapping[tuple[str, str], Pairs],
    quarters: Sequence[str],
    family: Sequence[str],
) -> pd.DataFrame:
    """The whole table, in the order of contrasts."""
    import pandas as pd

    parts = [
        effects_of(contrast, paired_runs[contrast.run, contrast.reference], quarters)
        for contrast in contrasts
        if (contrast.run, contrast.reference) in paired_runs
    ]
    return with_holm(pd.concat(parts, ignore_index=True), family)
