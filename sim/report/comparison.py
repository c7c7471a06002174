"""The closing tables of a comparison, as data; front ends render them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim.comparison import label_of
from sim.comparison.bootstrap import FEW_PAIRS
from sim.comparison.statistics import ERROR
from sim.comparison.sweeping import AS_GIVEN, DRAWN_AXES
from sim.comparison.worlds import n_sets_of
from sim.parameter_sets import LUCKS_PER_SET
from sim.report.tables import Grid, percent, shown_by, significant
from sim.units import counted, in_prose

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import pandas as pd

    from sim.comparison import Comparison, Sweep
    from sim.scenario import Scenario

MOST_DETAILED = 3
"""Scenarios of which every shown measure is printed; of more, the overview alone."""

OVERVIEW = (
    "hhi_revenue",
    "hhi_compute_used",
    "total_power",
    "consumer_gain_paired",
    "fiscal_balance",
    "small_firm_share_of_compute",
)
"""Measures of the overview of several scenarios."""

OVERVIEW_AS_GIVEN = (
    "hhi_revenue",
    "hhi_compute_used",
    "total_power",
    "frontier_power",
    "rental_price",
    "small_firm_share_of_compute",
)
"""The same where nothing is compared."""

SHORT = {
    "frontier_power": "Frontier power",
    "rental_price": "Rental price",
    "hhi_revenue": "HHI revenue",
    "hhi_compute_used": "HHI compute",
    "total_power": "Total power",
    "consumer_gain_paired": "Buyers' gain",
    "fiscal_balance": "Fiscal balance",
    "small_firm_share_of_compute": "Small firms' compute",
}
"""Headings of the overview."""

VERDICTS = (
    "clear: the 95% interval leaves out zero. negligible: the 90% interval lies inside the smallest effect that "
    "matters (25 points of HHI, 1% of most others). undecided: neither, or fewer than 10 pairs differ at all while "
    "others do not; n is how many replicates would decide."
)
"""What the verdicts mean."""

UNCERTAIN = "*"
"""Marks what is clear alone and not after Holm's correction."""

RELATIVE_UNITS = frozenset({"ratio", "TWh", "MtCO2", "firms", "$ per H100e-hour", "FLOP", "M H100e", "k$ per H100e"})
"""Units of measures whose effects read best in per cent of the reference."""


def headline(comparison: Comparison) -> str:
    """Say what was compared, under which flywheel elasticity, and what intervals show."""
    names = list(comparison.scenarios)
    who = names[0] if len(names) == 1 else f"{len(names)} scenarios"
    first, last = comparison.baseline.horizon.start, comparison.baseline.horizon.end
    parts = [f"{who} against {comparison.baseline.name}: {pairs_said(comparison)}, {first} to {last}."]
    world = comparison.baseline.world
    if world.hold == "flywheel" and not comparison.baseline.is_drawn("flywheel"):
        value = world.parameters["flywheel"]
        parts.append(f"Flywheel elasticity {LAMBDA} = {value:.2f} (an assumption that the facts do not identify).")
    parts.append(luck_note(comparison.baseline))
    return " ".join(parts)


def pairs_said(comparison: Comparison, of: str = "") -> str:
    """Say how many pairs there are, and of what: replicates, or means over those that share a parameter set."""
    n = comparison.n_replicates
    if comparison.baseline.uncertainty == "none":
        return f"{counted(n, 'pair')}{of} with the same luck"
    n_sets = n_sets_of(comparison.baseline)
    pairs, replicates = counted(min(-(-n // LUCKS_PER_SET), n_sets), "pair"), counted(n, "replicate")
    most = LUCKS_PER_SET * -(-n // (LUCKS_PER_SET * n_sets))
    return f"{pairs}{of} with the same luck and parameters ({replicates}, up to {most} to a parameter set)"


LAMBDA = "\N{GREEK CAPITAL LETTER LAMDA}"
SIGNS = {"up": "+", "down": "-", "none": "0", "unclear": "?"}
"""Directions of effects as printed."""
TURNS = "\N{DAGGER}"
"""Marks a clear effect that clearly has the other sign elsewhere."""


def luck_note(scenario: Scenario) -> str:
    """Say what intervals show, and what not."""
    doubt = "parameters or the model" if scenario.uncertainty == "none" else "the model"
    return (
        f"Intervals are 95% confidence intervals of the mean effect: they show {shown_by(scenario)}, not doubt about "
        f"{doubt}."
    )


def notes(comparison: Comparison) -> tuple[str, ...]:
    """Remarks for below the tables: verdicts, multiplicity, few pairs, stopping, failures."""
    remarks = [
        VERDICTS,
        _multiplicity(comparison),
    ]
    if comparison.effects["n"].min() < FEW_PAIRS:
        remarks.append(
            f"Intervals of fewer than {FEW_PAIRS} pairs are widened as resamples of them ask for; they know nothing of "
            "a rare event, such as a merger, that no pair shows. --replicates asks for more."
        )
    if len(comparison.robustness):
        remarks.append(_robustness(comparison))
    if comparison.stopping is not None:
        remarks.append(_stopping(comparison))
    failures = comparison.failures
    if len(failures):
        remarks.append(failures_note(failures))
    return tuple(remarks)


def _multiplicity(comparison: Comparison) -> str:
    effects = comparison.effects
    family = effects[effects["p_holm"].notna()]
    is_clear = family["verdict"] == "clear"
    n_clear, n_holm = int(is_clear.sum()), int((is_clear & (family["p_holm"] <= ERROR)).sum())
    return (
        f"{len(family):,} effects were asked about at once, so about {ERROR * len(family):.0f} would look clear by "
        f"chance if none were; {n_holm:,} of the {n_clear:,} clear ones stay so after Holm's correction"
        + (f", the others are marked {UNCERTAIN}." if n_holm < n_clear else ".")
    )


def _robustness(comparison: Comparison) -> str:
    groups = comparison.robustness.groupby("variant", sort=False)
    tried = in_prose([f"{variant} {', '.join(dict.fromkeys(rows['value']))}" for variant, rows in groups])
    n_turning = len(turning(comparison))
    says = f"{n_turning:,} clear ones clearly change sign there, marked {TURNS}" if n_turning else "none changes sign"
    signs = f"{SIGNS['up']} rises, {SIGNS['down']} falls, {SIGNS['none']} negligible, {SIGNS['unclear']} undecided"
    return f"Effects were looked at again with {tried} (up to 25 pairs; {signs}): {says}."


def _stopping(comparison: Comparison) -> str:
    stopping = comparison.stopping
    if stopping is None:
        return ""
    wanted = ", ".join(f"{measure} \N{PLUS-MINUS SIGN}{width:g}" for measure, width in stopping.targets.items())
    if stopping.is_reached:
        return (
            f"Replicates were added until {wanted} was reached at two looks in a row, the second with fresh "
            f"replicates: {stopping.n_replicates:,}."
        )
    widest = ", ".join(
        f"{measure} \N{PLUS-MINUS SIGN}{significant(width)}" for measure, width in stopping.widest.items()
    )
    return f"{wanted} was not reached with {stopping.n_replicates:,} replicates; the widest interval is {widest}."


def failures_note(failures: pd.DataFrame) -> str:
    """Say which scenarios of a comparison failed, and the first reason."""
    counts = failures.groupby("scenario", sort=False).size()
    listed = "; ".join(f"{name}: {count:,}" for name, count in counts.head(_MOST_NAMED).items())
    more = f" and {len(counts) - _MOST_NAMED} more scenarios" if len(counts) > _MOST_NAMED else ""
    first = failures.iloc[0]
    where = "could not begin" if first["replicate"] is None or first["quarter"] == "" else f"in {first['quarter']}"
    return f"Failed, and left out with their pairs: {listed}{more}. The first {where}: {first['reason']}"


_MOST_NAMED = 5


def grids(comparison: Comparison) -> list[Grid]:
    """Tables for the terminal: an overview of several scenarios, details of a few, changes of world apart."""
    effects = comparison.effects
    policy = effects[effects["kind"] == "policy"]
    world = effects[effects["kind"] == "world"]
    found = []
    for rows, what in ((policy, "Effect of policies"), (world, "Effect of the change of world")):
        names = list(dict.fromkeys(rows["scenario"]))
        if len(names) > 1:
            found += [_overview(comparison, rows, horizon, what) for horizon in comparison.horizons]
        if names and len(names) <= MOST_DETAILED:
            found += [_details(comparison, rows[rows["scenario"] == name], what) for name in names]
    return found


def _overview(comparison: Comparison, rows: pd.DataFrame, horizon: str, what: str) -> Grid:
    """Scenarios by a few measures at one horizon."""
    shown = comparison.measures
    chosen = OVERVIEW if set(OVERVIEW) <= set(shown) else shown[: len(OVERVIEW)]
    turns = turning(comparison)
    cells = {(row["scenario"], row["measure"]): _cell(row, turns) for row in records(rows[rows["horizon"] == horizon])}
    body = tuple(
        (name, *(cells[name, measure].brief for measure in chosen)) for name in dict.fromkeys(rows["scenario"])
    )
    return Grid(f"{what}, {horizon}", ("", *(SHORT.get(name, label_of(name)) for name in chosen)), body)


def _details(comparison: Comparison, rows: pd.DataFrame, what: str) -> Grid:
    """Every shown measure of one scenario, at each horizon."""
    turns = turning(comparison)
    cells = {(row["measure"], row["horizon"]): _cell(row, turns) for row in records(rows)}
    name, against = rows["scenario"].iloc[0], rows["against"].iloc[0]
    units = {row["measure"]: _unit(row) for row in records(rows)}
    values, signs = _signs(comparison, name, str(rows["kind"].iloc[0]))
    body = tuple(
        (
            label_of(measure) + units[measure],
            *(cells[measure, horizon].full for horizon in comparison.horizons),
            *([signs.get(measure, "")] if values else []),
        )
        for measure in comparison.measures
    )
    heading = [f"{LAMBDA}: {', '.join(f'{float(value):g}' for value in values)}"] if values else []
    return Grid(f"{what}: {name}, against {against}", ("", *comparison.horizons, *heading), body)


def _signs(comparison: Comparison, scenario: str, kind: str) -> tuple[list[str], dict[str, str]]:
    """Flywheel elasticities that were tried, and by measure the signs of the effect at the last horizon."""
    rows = comparison.robustness
    rows = rows[(rows["variant"] == "flywheel") & (rows["scenario"] == scenario) & (rows["kind"] == kind)]
    rows = rows[rows["horizon"] == comparison.horizons[-1]]
    signs: dict[str, list[str]] = {}
    for row in records(rows):
        signs.setdefault(row["measure"], []).append(SIGNS[row["direction"]])
    return list(dict.fromkeys(rows["value"])), {measure: " ".join(each) for measure, each in signs.items()}


def turning(comparison: Comparison) -> set[tuple[str, str, str, str]]:
    """Effects that are clear and clearly of the other sign at another flywheel elasticity or power family.

    Each is (scenario, kind, measure, horizon).
    """
    tried: dict[tuple[str, str, str, str], set[str]] = {}
    for row in records(comparison.robustness):
        key = (row["scenario"], row["kind"], row["measure"], row["horizon"])
        tried.setdefault(key, set()).add(row["direction"])
    clear = comparison.effects[comparison.effects["verdict"] == "clear"]
    return {
        key
        for row in records(clear)
        if (key := (row["scenario"], row["kind"], row["measure"], row["horizon"])) in tried
        and ("down" if row["effect"] > 0.0 else "up") in tried[key]
    }


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as mappings."""
    return [{str(key): value for key, value in row.items()} for row in rows.to_dict("records")]


class Cell(NamedTuple):
    """One effect as printed.

    Attributes
    ----------
    brief : str
        Effect, and verdict below.
    full : str
        Effect and verdict, and the interval below.
    """

    brief: str
    full: str


def _cell(row: Mapping[str, Any], turns: Collection[tuple[str, str, str, str]] = ()) -> Cell:
    """Print one row of the table of effects."""
    if not np.isfinite(row["effect"]):
        return Cell("n/a", "n/a")
    word = row["verdict"] + (UNCERTAIN if row["verdict"] == "clear" and row["p_holm"] > ERROR else "")
    word += TURNS if (row.get("scenario"), row.get("kind"), row["measure"], row["horizon"]) in turns else ""
    effect, low, high = (amount(row, row[key]) for key in ("effect", "ci95_low", "ci95_high"))
    if low == high == effect or not np.isfinite(row["ci95_low"]):
        return Cell(f"{effect}\n{word}", f"{effect} {word}")
    more = f", n = {row['replicates_to_decide']:,.0f}" if np.isfinite(row["replicates_to_decide"]) else ""
    return Cell(f"{effect}\n{word}", f"{effect} {word}\n{low.removesuffix(' pp')} to {high}{more}")


def amount(row: Mapping[str, Any], value: float) -> str:
    """An effect, or an end of its interval, as printed: points, percentage points, per cent, or in the unit.

    Examples
    --------
    >>> [amount({"unit": unit, "reference_mean": 200.0}, 1.0) for unit in ("points", "share", "TWh", "$bn")]
    ['+1', '+100.0 pp', '+0.5%', '+1.00']
    """
    if value == 0.0:
        return "0"
    number, unit = scaled(row, value)
    if unit in {"pp", "%"}:
        return f"{number:+.1f}{' pp' if unit == 'pp' else '%'}"
    if unit == "points":
        return f"{number:+,.0f}"
    return ("+" if number > 0.0 else "") + significant(number)


def scaled(row: Mapping[Any, Any], value: float) -> tuple[float, str]:
    """An amount of a measure in the unit in which its effects are shown: pp, % of the reference, or its own.

    Examples
    --------
    >>> scaled({"unit": "TWh", "reference_mean": 200.0}, 1.0), scaled({"unit": "share", "reference_mean": 0.5}, 0.01)
    ((0.5, '%'), (1.0, 'pp'))
    """
    if row["unit"] == "share":
        return 100.0 * value, "pp"
    if row["unit"] in RELATIVE_UNITS and row["reference_mean"] != 0.0:
        return 100.0 * value / abs(row["reference_mean"]), "%"
    return value, "" if row["unit"] == "index" else str(row["unit"])


def _unit(row: Mapping[str, Any]) -> str:
    """Unit behind a label, where the amounts do not carry it."""
    return f" ({row['unit']})" if row["unit"] == "$bn" else ""


# -- sweeps ------------------------------------------------------------------------------------


def sweep_headline(made: Sweep) -> str:
    """Say what was swept, and what is shown."""
    axes = in_prose([f"{path} ({counted(len(values), 'value')})" for path, values in made.axes.items()])
    n = counted(made.scenario.run.replicates, "replicate")
    first, last = made.scenario.horizon.start, made.scenario.horizon.end
    ranges = f"Ranges are 5-95% over replicates: they show {shown_by(made.scenario)}."
    return (
        f"{made.scenario.name} over {axes}: {n} with the same luck in every cell, {first} to {last}. "
        f"{luck_note(made.scenario) if made.against != AS_GIVEN else ranges}"
    )


def sweep_notes(made: Sweep) -> tuple[str, ...]:
    """Remarks for below the tables of a sweep."""
    remarks = []
    if made.against != AS_GIVEN:
        remarks.append(f"Effects are those of the policies: each cell against the same cell without them. {VERDICTS}")
    if len(made.failures):
        remarks.append(sweep_failures_note(made.failures))
    return tuple(remarks)


def sweep_failures_note(failures: pd.DataFrame) -> str:
    """Say how much of a sweep failed, and the first reason."""
    first = failures.iloc[0]
    return f"{counted(len(failures), 'replicate')} failed; the first at {first['cell']}: {first['reason']}"


def sweep_grids(made: Sweep) -> list[Grid]:
    """Tables of a sweep: cells by measures for one axis, a plane for two, one row a cell for more."""
    wanted = OVERVIEW_AS_GIVEN if made.against == AS_GIVEN else OVERVIEW
    shown = wanted if set(wanted) <= set(made.measures) else made.measures[: len(wanted)]
    paths = list(made.axes)
    grids = []
    for horizon in made.horizons:
        rows = made.table[(made.table["horizon"] == horizon) & made.table["measure"].isin(shown)]
        cells = {(*(row[path] for path in paths), row["measure"]): _swept(made, row) for row in records(rows)}
        if len(paths) == DRAWN_AXES:
            measure = shown[0]
            first, second = made.axes.values()
            body = tuple((plain(a), *(cells.get((a, b, measure), _FAILED) for b in second)) for a in first)
            heading = f"{label_of(measure)}, {horizon}: {short(paths[0])} down, {short(paths[1])} across"
            grids.append(Grid(heading, ("", *(plain(b) for b in second)), body))
        else:
            places = list(itertools.product(*made.axes.values()))
            body = tuple(
                (", ".join(map(plain, place)), *(cells.get((*place, name), _FAILED) for name in shown))
                for place in places
            )
            heading = ", ".join(map(short, paths))
            grids.append(Grid(horizon, (heading, *(SHORT.get(name, label_of(name)) for name in shown)), body))
    return grids


_FAILED = "failed"


def _swept(made: Sweep, row: Mapping[str, Any]) -> str:
    """One cell: the effect of policies and its verdict, or the mean and its range over replicates."""
    if made.against != AS_GIVEN:
        return _cell({"reference_mean": row["mean"] - row["effect"], "p_holm": 0.0, **_NO_HINT, **row}).brief
    form = percent if row["unit"] == "share" else significant
    return f"{form(row['mean'])}\n{form(row['p5'])} to {form(row['p95'])}"


_NO_HINT = {"replicates_to_decide": np.nan}


def short(path: str) -> str:
    """Last part of a key, as axes are labelled.

    Examples
    --------
    >>> short("world.parameters.flywheel"), short("policies.training_cap.flop")
    ('flywheel', 'training_cap.flop')
    """
    parts = path.split(".")
    return ".".join(parts[1:]) if parts[0] == "policies" else parts[-1]


def plain(value: object) -> str:
    """A value of an axis as printed.

    Examples
    --------
    >>> plain(True), plain(0.5), plain(1e26), plain("log")
    ('true', '0.5', '1.0e26', 'log')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return significant(float(value)) if abs(value) >= _LARGE else f"{value:g}"
    return str(value)


_LARGE = 1e6
