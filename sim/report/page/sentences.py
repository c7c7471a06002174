"""Key results in sentences: each follows from rows of a table, names its interval, and says no more than its verdict.

A clear effect has a direction and a size. A negligible one has neither, only a bound. An undecided one is said to be
undecided, whatever its mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sim.comparison import HEADLINES
from sim.comparison.statistics import ERROR, Verdict, is_rare
from sim.report.comparison import UNCERTAIN
from sim.report.page.words import figure, noun, signed, size, year_of
from sim.report.tables import capital
from sim.units import counted, in_prose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

VERBS = {1: "raises", -1: "lowers"}
Row = dict[str, Any]


def subject(row: Mapping[str, Any]) -> str:
    """Who acts: the scenario, or its change of world."""
    return str(row["scenario"]) if row["kind"] == "policy" else f"the change of world in {row['scenario']}"


def begin(row: Mapping[str, Any]) -> str:
    """The subject at the start of a sentence; a scenario's name stays as it is written."""
    return subject(row) if row["kind"] == "policy" else capital(subject(row))


def is_undefined(row: Mapping[str, Any]) -> bool:
    """Whether no pair has a value."""
    return not np.isfinite(row["effect"])


def direction(row: Mapping[str, Any]) -> int:
    """1 or -1 where an effect is clear, else 0."""
    return 0 if row["verdict"] != Verdict.CLEAR else 1 if row["effect"] > 0.0 else -1


# -- one effect --------------------------------------------------------------------------------


def effect_sentence(row: Mapping[str, Any]) -> str:
    """Say what one row of the table of effects says.

    Parameters
    ----------
    row : mapping
        A row of ``Comparison.effects``.

    Returns
    -------
    str
        One sentence, in which only a clear effect has a direction.
    """
    who, what = begin(row), noun(row["measure"])
    if is_undefined(row):
        return f"{who}: the effect on {what} is not defined."
    if direction(row):
        level = (
            "" if _is_relative_to_nothing(row) else f", from {_level(row, 'reference')} to {_level(row, 'scenario')}"
        )
        return (
            f"{who} {VERBS[direction(row)]} {what} by {size(row, row['effect'])} "
            f"({_interval_of_clear(row)}{level}){_holm_remark(row)}."
        )
    if row["verdict"] == Verdict.NEGLIGIBLE:
        if row["effect"] == row["ci95_low"] == row["ci95_high"] == 0.0:
            return f"{who} leaves {what} as it is in every pair."
        return (
            f"{who} changes {what} by less than the {size(row, row['smallest_effect'])} that would matter "
            f"({signed(row, row['effect'])}; {_ends(row, 90)})."
        )
    return f"What {subject(row)} does to {what} is undecided ({signed(row, row['effect'])}; {why_undecided(row)})."


def why_undecided(row: Mapping[str, Any]) -> str:
    """Interval of an undecided effect and what would decide it."""
    if row["n"] <= 1:
        return "one pair gives no interval"
    if is_rare(np.asarray(row["n_changed"]), np.asarray(row["n"])):
        return f"only {row['n_changed']:,.0f} of {row['n']:,.0f} pairs differ at all"
    more = row["replicates_to_decide"]
    if np.isinf(more):
        return f"{_ends(row, 95)}; not even a million replicates would decide"
    return f"{_ends(row, 95)}" + (f"; about {more:,.0f} replicates would decide" if np.isfinite(more) else "")


def _interval_of_clear(row: Mapping[str, Any]) -> str:
    """Interval of an effect whose ends have its sign, as sizes."""
    ends = sorted((abs(row["ci95_low"]), abs(row["ci95_high"])))
    if ends[0] == ends[1]:
        return "the same in every pair"
    return f"95% interval {size(row, ends[0], with_unit=False)} to {size(row, ends[1])}"


def _ends(row: Mapping[str, Any], level: int) -> str:
    low, high = row[f"ci{level}_low"], row[f"ci{level}_high"]
    return f"{level}% interval {signed(row, low, with_unit=False)} to {signed(row, high)}"


def _is_relative_to_nothing(row: Mapping[str, Any]) -> bool:
    """Whether the reference is 0 by construction, so that levels say nothing."""
    return bool(row["reference_mean"] == 0.0)


def _level(row: Mapping[str, Any], which: str) -> str:
    """Mean of the reference or scenario, in the measure's own unit."""
    value = row[f"{which}_mean"]
    if row["unit"] == "share":
        return f"{figure(100 * abs(value))}%"
    return ("-" if value < 0.0 else "") + figure(abs(value))


def mark(row: Mapping[str, Any]) -> str:
    """A star where a clear effect is not so after Holm's correction."""
    return UNCERTAIN if _holm_remark(row) else ""


def _holm_remark(row: Mapping[str, Any]) -> str:
    return (
        "; it is no longer clear when corrected for the number of effects looked at"
        if direction(row) and np.isfinite(row["p_holm"]) and row["p_holm"] > ERROR
        else ""
    )


# -- one scenario --------------------------------------------------------------------------------


def scenario_sentences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say what one scenario does at one horizon: what it lowers and raises, with sizes, and what is open.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of one scenario, kind and horizon, one for each measure.
    """
    if not rows:
        return []
    who, said = begin(rows[0]), []
    for sign, verb in ((-1, "lowers"), (1, "raises")):
        parts = [f"{noun(row['measure'])} by {_brief(row)}" for row in rows if direction(row) == sign]
        if parts:
            said.append(f"{who} {verb} {in_prose(parts)}.")
    groups: dict[str, list[str]] = {}
    for row in rows:
        if not direction(row):
            key = "undefined" if is_undefined(row) else str(row["verdict"])
            groups.setdefault(key, []).append(noun(row["measure"]))
    if not said:
        said.append(f"{who} has no clear effect on any measure shown.")
    if "negligible" in groups:
        said.append(f"Less than would matter: {in_prose(groups['negligible'])}.")
    if "undecided" in groups:
        said.append(f"Undecided: {in_prose(groups['undecided'])}.")
    if "undefined" in groups:
        said.append(f"Not defined: {in_prose(groups['undefined'])}.")
    return said


def _brief(row: Mapping[str, Any]) -> str:
    return f"{size(row, row['effect'])}{mark(row)} ({_interval_of_clear(row).removeprefix('95% interval ')})"


def balance_sentence(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say which clear effects are usually wanted and which are not; empty without clear ones of either sort."""
    better = [noun(row["measure"]) + mark(row) for row in rows if direction(row) * _aim(row) > 0]
    worse = [noun(row["measure"]) + mark(row) for row in rows if direction(row) * _aim(row) < 0]
    if better and worse:
        return f"A trade-off: better in {in_prose(better)}; worse in {in_prose(worse)}."
    if better:
        return f"No clear effect on a measure shown is unwanted; better in {in_prose(better)}."
    return f"No clear effect on a measure shown is wanted; worse in {in_prose(worse)}." if worse else ""


def _aim(row: Mapping[str, Any]) -> int:
    headline = HEADLINES.get(row["measure"])
    return headline.better if headline else 0


# -- many scenarios --------------------------------------------------------------------------------


def count_sentence(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say how many scenarios move a measure which way.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of one measure, kind and horizon, one for each scenario.
    """
    kind = "scenarios" if rows[0]["kind"] == "policy" else "changes of world"
    defined = [row for row in rows if not is_undefined(row)]
    counts = {
        ("clearly lowers it", "clearly lower it"): sum(direction(row) == -1 for row in rows),
        ("clearly raises it", "clearly raise it"): sum(direction(row) == 1 for row in rows),
        ("changes it by less than would matter", "change it by less than would matter"): sum(
            row["verdict"] == Verdict.NEGLIGIBLE for row in defined
        ),
        ("is undecided", "are undecided"): sum(row["verdict"] == Verdict.UNDECIDED for row in defined),
        ("has no defined effect", "have no defined effect"): len(rows) - len(defined),
    }
    parts = [counted(count, *words) for words, count in counts.items() if count]
    what = capital(noun(rows[0]["measure"]))
    return f"{what} in {rows[0]['horizon']}: of {len(rows):,} {kind}, {in_prose(parts)}."


def extreme_sentences(
    rows: Sequence[Mapping[str, Any]], first: Mapping[str, float] | None = None
) -> list[tuple[Mapping[str, Any], str]]:
    """Say which clear effects are the largest each way, by their means; each with its row.

    Parameters
    ----------
    rows : sequence of mapping
        As for :func:`count_sentence`.
    first : mapping of str to float, optional
        Share of replicates in which each scenario's effect is the lowest of all.
    """
    said: list[tuple[Mapping[str, Any], str]] = []
    for sign, word in ((-1, "fall"), (1, "rise")):
        moved = [row for row in rows if direction(row) == sign]
        if not moved:
            continue
        row = max(moved, key=lambda each: abs(each["effect"]))
        share = (first or {}).get(row["scenario"], np.nan)
        how = f", and the lowest of all in {100 * share:.0f}% of replicates" if sign < 0 and np.isfinite(share) else ""
        said.append((row, f"The largest clear {word} on average is that of {subject(row)}: {_brief(row)}{how}."))
    return said


# -- robustness, costs, parties ---------------------------------------------------------------------


def flywheel_sentence(rows: Sequence[Mapping[str, Any]], what: str = "", n_pairs: int = 0) -> str:
    """Say what becomes of one effect at other flywheel elasticities.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of ``Comparison.robustness`` of one scenario, kind, measure and horizon, one for each elasticity.
    what : str
        How to call the measure; its noun when left out.
    n_pairs : int
        Pairs of the effect itself; where these rows have fewer, that is said.
    """
    verbs = {"up": "rises", "down": "falls", "none": "changes by less than would matter", "unclear": "is undecided"}
    at: dict[str, list[str]] = {}
    for row in rows:
        at.setdefault(row["direction"], []).append(f"{float(row['value']):g}")
    called = capital(what or noun(rows[0]["measure"]))
    if len(at) == 1:
        ((word, places),) = at.items()
        return f"{called} {verbs[word]} at each flywheel elasticity tried ({in_prose(places)})."
    each = in_prose([f"{verbs[word]} at {in_prose(places)}" for word, places in at.items()])
    if {"up", "down"} <= set(at):
        opening = "With the flywheel elasticity the effect changes sign"
    elif "none" in at and len(set(at) - {"unclear"}) > 1:
        opening = "With the flywheel elasticity the effect is not the same"
    else:
        opening = "Looked at again" + (" with fewer pairs" if any(row["n"] < n_pairs for row in rows) else "")
    return f"{opening}: {what or noun(rows[0]['measure'])} {each}."


def turning_sentence(turns: Sequence[tuple[str, str, str, str]], n_clear: int, tried: Sequence[str]) -> str:
    """Say how many clear effects clearly have the other sign at another flywheel elasticity or power family."""
    where = in_prose(list(tried))
    if not n_clear:
        return f"No effect is clear, so none can change its sign with {where}."
    if not turns:
        return f"None of the {n_clear:,} clear effects clearly changes its sign with {where}."
    named = in_prose([f"{scenario} on {noun(measure)} ({horizon})" for scenario, _, measure, horizon in turns[:_FEW]])
    more = f", and {len(turns) - _FEW:,} more" if len(turns) > _FEW else ""
    return f"{len(turns):,} of {n_clear:,} clear effects clearly change sign with {where}: {named}{more}."


_FEW = 5


def cost_sentence(row: Mapping[str, Any], index_row: Mapping[str, Any]) -> str:
    """Say what a point less of the index costs the budget; empty where the index does not clearly fall.

    Parameters
    ----------
    row : mapping
        A row of ``Comparison.tradeoffs``, with the scenario's costs of a point.
    index_row : mapping
        The row of ``Comparison.effects`` of the index.
    """
    if direction(index_row) != -1:
        return ""
    cost, low, high = (row[key] for key in ("fiscal_cost_per_point", "fiscal_ci95_low", "fiscal_ci95_high"))
    what = noun(index_row["measure"])
    if not np.isfinite([cost, low, high]).all():
        return f"What a point less of {what} costs the public budget cannot be bounded."
    if cost == low == high == 0.0:
        return f"It costs the public budget nothing to lower {what} in this way."
    ends = [("-" if value < 0.0 else "") + figure(abs(value)) for value in (low, high)]
    says = "costs the public budget" if cost > 0.0 else "brings the public budget"
    if low * high <= 0.0:
        return (
            f"Whether the public budget gains or loses by a point less of {what} is undecided (95% interval of the "
            f"cost {ends[0]} to {ends[1]} $bn since the start)."
        )
    ends = [figure(abs(value)) for value in sorted((low, high), key=abs)]
    return (
        f"A point less of {what} {says} {figure(abs(cost))} $bn since the start (95% interval {ends[0]} to {ends[1]})."
    )


def parties_sentence(rows: Sequence[Mapping[str, Any]], horizon: str) -> str:
    """Say who clearly gains and who clearly loses, in $bn of the year.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of ``Comparison.who_pays`` of one scenario.
    horizon : str
    """
    found: dict[int, list[str]] = {1: [], -1: []}
    open_, defined = [], 0
    for row in rows:
        if row["party"] == "welfare" or is_undefined(row):
            continue
        defined += 1
        low, high = row["ci95_low"], row["ci95_high"]
        if low > 0.0 or high < 0.0:
            sign = 1 if low > 0.0 else -1
            ends = sorted((abs(low), abs(high)))
            text = f"{row['party']} ({figure(abs(row['effect']))}; {figure(ends[0])} to {figure(ends[1])})"
            found[sign].append(text)
        elif row["effect"] != 0.0:
            open_.append(str(row["party"]))
    if not defined:
        return "Who gains and who loses is not defined."
    parts = [f"{word}: {in_prose(found[sign])}" for sign, word in ((1, "gain"), (-1, "lose")) if found[sign]]
    if open_:
        parts.append(f"open: {in_prose(open_)}")
    if not parts:
        return f"In {year_of(horizon)} nobody gains or loses anything."
    return f"In {year_of(horizon)}, in $bn with 95% intervals, {'; '.join(parts)}."


def failure_sentences(failures: pd.DataFrame, n_replicates: int) -> list[str]:
    """Say which scenarios failed, in how many replicates, and why the first did."""
    said = []
    for scenario, group in failures.groupby("scenario", sort=False):
        first = group.iloc[0]
        whole = bool(group["replicate"].isna().any())
        reason = str(first["reason"]).rstrip(".")
        if whole or len(group) >= n_replicates:
            said.append(f"{scenario} could not be run, so nothing is said of its effects: {reason}.")
        else:
            said.append(
                f"{counted(len(group), 'replicate')} of {n_replicates:,} of {scenario} failed, and with them their "
                f"pairs are left out; the first in {first['quarter']}: {reason}."
            )
    return said
