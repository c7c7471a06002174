"""Trade-offs: what a smaller index costs, who pays, which scenarios nothing dominates, where indices disagree."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from sim.comparison import bootstrap
from sim.comparison.effects import PAIRED_GAIN, PAIRED_WELFARE
from sim.comparison.statistics import Floats, paired
from sim.observe import INDEX_SENTENCES, VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from sim.comparison.effects import Pairs

TRADED = (
    "hhi_chip_sales",
    "hhi_compute_owned",
    "hhi_compute_used",
    "hhi_power",
    "hhi_revenue",
    "total_power",
    "frontier_power",
    PAIRED_GAIN,
    "industry_profit",
    "owner_profit",
    "maker_profit",
    "fiscal_balance",
    "small_firm_share_of_compute",
    "energy_twh",
    PAIRED_WELFARE,
)
"""Measures that stand side by side in the table of trade-offs."""

OBJECTIVES = {"hhi_revenue": -1, "total_power": 1, PAIRED_WELFARE: 1, "fiscal_balance": 1}
"""What the Pareto set weighs unless said otherwise: 1 more is wanted, -1 less."""

PARTIES: dict[str, dict[str, float]] = {
    "buyers": {PAIRED_GAIN: 1.0},
    "developers": {"industry_earnings": 1.0, "grants_received": 1.0, "firm_investment": -1.0},
    "lenders": {"interest_received": 1.0},
    "compute owners": {"owner_profit": 1.0},
    "chip makers": {"maker_profit": 1.0},
    "government": {"fiscal_balance": 1.0},
    "cost of public funds": {"cost_of_public_funds": -1.0},
}
"""Parts of welfare: the measures that each party's gain adds up."""

TOTAL = "welfare"
_ROUNDING = 1e-9

FALLS_WITH_CONCENTRATION = frozenset({"entropy", "effective_number"})
"""Indices that are low where a market is concentrated; all others are high."""


def differences(pairs: Pairs, weights: Mapping[str, float], quarter: str, *, since_start: bool = False) -> Floats:
    """Weighted sum of differences of measures in a year, or added up since the start; ``[replicate]``."""
    year = pairs.quarters.index(quarter)
    years = slice(0, year + 1) if since_start else slice(year, year + 1)
    columns = [pairs.names.index(name) for name in weights]
    change = pairs.scenario[:, years][:, :, columns] - pairs.reference[:, years][:, :, columns]
    return np.asarray((change.sum(axis=1) * np.array(list(weights.values()))).sum(axis=-1))


def gains_by_party(named: Mapping[str, Pairs], quarter: str, *, since_start: bool) -> pd.DataFrame:
    """Gain or loss of each party, which add up to the change of welfare; $bn."""
    import pandas as pd

    rows = []
    for scenario, pairs in named.items():
        parts = {
            party: differences(pairs, weights, quarter, since_start=since_start) for party, weights in PARTIES.items()
        }
        total = differences(pairs, {PAIRED_WELFARE: 1.0}, quarter, since_start=since_start)
        rest = total - np.sum(list(parts.values()), axis=0)
        if np.nanmax(np.abs(rest), initial=0.0) > _ROUNDING * max(float(np.nanmax(np.abs(total), initial=0.0)), 1.0):
            parts["others"] = rest
        for party, gain in {**parts, TOTAL: total}.items():
            rows.append({"scenario": scenario, "party": party, **_mean_and_intervals(gain)})
    return pd.DataFrame(rows)


def _mean_and_intervals(change: Floats) -> dict[str, float]:
    """Mean difference, its 90% and 95% intervals and n."""
    found = paired(change, np.zeros_like(change))
    ends = {name: float(end) for name, end in found.ends().items()}
    return {"effect": float(found.effect), **ends, "n": int(found.n)}


def ratio_interval(numerator: Floats, denominator: Floats, level: float) -> tuple[float, float, float]:
    """Ratio of two means over the same replicates, with Fieller's interval.

    Fieller (1954), "Some problems in interval estimation", *JRSS B* 16(2): exact for normal means, and honest where the
    denominator may be zero: then the ratio can be anything and the ends are infinite. Of few pairs, as wide as the
    interval of the mean that needs more widening.

    Parameters
    ----------
    numerator, denominator : array [replicate]
    level : float

    Returns
    -------
    ratio, low, high : float

    Examples
    --------
    >>> x = np.array([9.0, 10.0, 11.0, 10.0])
    >>> ratio_interval(2.0 * x, x, 0.95)
    (2.0, 2.0, 2.0)
    """
    both = np.isfinite(numerator) & np.isfinite(denominator)
    a, b = numerator[both], denominator[both]
    n = len(a)
    if n <= 1 or b.mean() == 0.0:
        return np.nan, -np.inf, np.inf
    (var_a, cov), (_, var_b) = np.cov(a, b) / n
    both_means = np.stack([a, b], axis=1)
    wider = bootstrap.widening(both_means, np.full(both_means.shape, fill_value=True), [level])
    t = float(bootstrap.students_t(0.5 + 0.5 * level, n) * wider.max())
    quadratic = b.mean() ** 2 - t**2 * var_b
    ratio = float(a.mean() / b.mean())
    if quadratic <= 0.0:
        return ratio, -np.inf, np.inf
    linear = a.mean() * b.mean() - t**2 * cov
    root = np.sqrt(max(linear**2 - quadratic * (a.mean() ** 2 - t**2 * var_a), 0.0))
    return ratio, float((linear - root) / quadratic), float((linear + root) / quadratic)


def cost_per_point(named: Mapping[str, Pairs], quarter: str, index: str) -> pd.DataFrame:
    """What one point less of an index costs the budget, and welfare: $bn since the start for a point at the horizon.

    Undefined where the index does not fall.
    """
    import pandas as pd

    rows = []
    for scenario, pairs in named.items():
        points = -differences(pairs, {index: 1.0}, quarter)
        row: dict[str, Any] = {"scenario": scenario, "points_less": float(np.nanmean(points))}
        for what, measure in (("fiscal", "fiscal_balance"), ("welfare", PAIRED_WELFARE)):
            cost = 0.0 - differences(pairs, {measure: 1.0}, quarter, since_start=True)
            found = ratio_interval(cost, points, 0.95) if row["points_less"] > 0.0 else (np.nan,) * 3
            ratio, low, high = (value + 0.0 for value in found)
            row |= {f"{what}_cost_per_point": ratio, f"{what}_ci95_low": low, f"{what}_ci95_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def pareto_set(
    named: Mapping[str, Pairs], quarter: str, objectives: Mapping[str, int], doing_nothing: str
) -> pd.DataFrame:
    """Which scenarios, or doing nothing, no other beats in every objective."""
    import pandas as pd

    gains = {doing_nothing: dict.fromkeys(next(iter(named.values())).replicates.tolist(), np.zeros(len(objectives)))}
    for scenario, pairs in named.items():
        columns = [sign * differences(pairs, {name: 1.0}, quarter) for name, sign in objectives.items()]
        rows = dict(zip(pairs.replicates.tolist(), np.stack(columns, axis=-1), strict=True))
        gains[scenario] = {number: row for number, row in rows.items() if np.isfinite(row).all()}
    known = [scenario for scenario, rows in gains.items() if rows]
    common = sorted(set.intersection(*(set(gains[scenario]) for scenario in known)))
    cube = np.array([[gains[scenario][number] for number in common] for scenario in known])
    frame = pd.DataFrame({"scenario": known})
    if common:
        frame["is_pareto"] = undominated(cube.mean(axis=1))
        frame["share_pareto"] = np.mean([undominated(cube[:, k]) for k in range(len(common))], axis=0)
        for k, (name, sign) in enumerate(objectives.items()):
            frame[name] = sign * cube[:, :, k].mean(axis=1) + 0.0
    columns_wanted = ["scenario", "is_pareto", "share_pareto", *objectives]
    return frame.reindex(columns=columns_wanted).astype({"is_pareto": "boolean"})


def undominated(gains: Floats) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether no other row is at least as good everywhere and better somewhere; ``[row, objective]``, more is better.

    Examples
    --------
    >>> undominated(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])).tolist()
    [True, True, False]
    """
    weakly = (gains[:, None] >= gains[None]).all(axis=-1)
    strictly = (gains[:, None] > gains[None]).any(axis=-1)
    return np.asarray(~(weakly & strictly).any(axis=0))


def disagreeing(effects: pd.DataFrame) -> pd.DataFrame:
    """Where indices of one variable clearly move in different directions.

    Only clear effects count. ``concentrates`` and ``disperses`` name the indices that say so.
    """
    import pandas as pd

    rows = []
    clear = effects[effects["verdict"] == "clear"]
    parts = dict(map(_index_and_variable, dict.fromkeys(clear["measure"])))
    for (scenario, kind, horizon), group in clear.groupby(["scenario", "kind", "horizon"], sort=False):
        signs = dict(zip(group["measure"], np.sign(group["effect"]), strict=True))
        for variable in VARIABLES:
            says: dict[int, list[str]] = {1: [], -1: []}
            for measure, sign in signs.items():
                index, of = parts[measure]
                if of == variable:
                    says[int(-sign if index in FALLS_WITH_CONCENTRATION else sign)].append(index)
            if says[1] and says[-1]:
                words = {"concentrates": ", ".join(says[1]), "disperses": ", ".join(says[-1])}
                rows.append({"scenario": scenario, "kind": kind, "variable": variable, "horizon": horizon, **words})
    return pd.DataFrame(rows, columns=["scenario", "kind", "variable", "horizon", "concentrates", "disperses"])


def _index_and_variable(measure: str) -> tuple[str, tuple[str, str]]:
    for index in INDEX_SENTENCES:
        if measure.startswith(f"{index}_") and measure.removeprefix(f"{index}_") in VARIABLES:
            return measure, (index, measure.removeprefix(f"{index}_"))
    return measure, ("", "")


def flips(effects: Mapping[str, Mapping[str, float]], against: str) -> pd.DataFrame:
    """How the order of scenarios changes with the yardstick.

    Parameters
    ----------
    effects : mapping of str to mapping of str to float
        Effect by yardstick and scenario, all oriented the same way.
    against : str
        Yardstick with which the others are compared.

    Returns
    -------
    pandas.DataFrame
        For each other yardstick: Kendall's tau-b, how many of how many pairs of scenarios stand in the opposite order,
        and which.
    """
    import pandas as pd

    rows = []
    base = effects[against]
    for yardstick, values in effects.items():
        if yardstick == against:
            continue
        names = [name for name in base if np.isfinite(base[name]) and np.isfinite(values.get(name, np.nan))]
        couples = list(itertools.combinations(names, 2))
        flipped = [f"{a}/{b}" for a, b in couples if (base[a] - base[b]) * (values[a] - values[b]) < 0.0]
        tau = stats.kendalltau([base[n] for n in names], [values[n] for n in names]).statistic if couples else np.nan
        rows.append(
            {
                "yardstick": yardstick,
                "kendall_tau": float(tau),
                "flips": len(flipped),
                "pairs": len(couples),
                "flipped": ", ".join(flipped),
            }
        )
    return pd.DataFrame(rows, columns=["yardstick", "kendall_tau", "flips", "pairs", "flipped"])


def oriented_effects(effects: pd.DataFrame, variable: str, horizon: str, kind: str) -> dict[str, dict[str, float]]:
    """Effect on every index of a variable by scenario, oriented so that more is more concentrated."""
    found: dict[str, dict[str, float]] = {}
    at = effects[(effects["horizon"] == horizon) & (effects["kind"] == kind)]
    for index in INDEX_SENTENCES:
        sign = -1.0 if index in FALLS_WITH_CONCENTRATION else 1.0
        rows = at[at["measure"] == f"{index}_{variable}"]
        if not rows.empty:
            found[index] = dict(zip(rows["scenario"], sign * rows["effect"], strict=True))
    return found


def traded(effects: pd.DataFrame, names: Sequence[str], horizon: str, kind: str) -> pd.DataFrame:
    """Effects side by side: one row a scenario, one column a measure."""
    rows = effects[(effects["horizon"] == horizon) & (effects["kind"] == kind) & effects["measure"].isin(names)]
    wide = rows.set_index(["scenario", "measure"])["effect"].unstack()  # noqa: PD010 - one value each
    return wide.reindex(index=list(dict.fromkeys(rows["scenario"])), columns=[n for n in names if n in wide])
