"""The tables of a comparison's report."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.comparison import label_of
from sim.errors import ResultError
from sim.report import tables as closing
from sim.report.comparison import LAMBDA, OVERVIEW, SHORT, SIGNS, TURNS, records, turning
from sim.report.figures.lorenz import LORENZ
from sim.report.page.sentences import Row, direction, is_undefined, mark
from sim.report.page.table import Table, printed
from sim.report.page.words import figure, signed, year_of
from sim.report.scorecard import number
from sim.report.tables import capital, significant
from sim.units import in_prose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from sim.comparison import Comparison
    from sim.comparison.design import Kind
    from sim.report.page.replays import Yearly
    from sim.result import Result
    from sim.scenario import Scenario

FEW_FLIPS: Final = 4
_LEAST_MONEY: Final = 0.005


def label(row: Mapping[str, Any]) -> str:
    """Scenario of a row; effects of the change of world are marked."""
    return str(row["scenario"]) + ("" if row["kind"] == "policy" else " (world)")


def shown_effects(comparison: Comparison) -> list[Row]:
    """Rows of the table of effects for the measures that are shown."""
    return records(shown_frame(comparison))


def shown_frame(comparison: Comparison) -> pd.DataFrame:
    """The table of effects for the measures that are shown, in their order."""
    frame = comparison.effects
    frame = frame[frame["measure"].isin(comparison.measures)]
    place = {measure: k for k, measure in enumerate(comparison.measures)}
    blocks = frame.groupby(["scenario", "kind", "horizon"], sort=False).ngroup()
    order = frame.assign(_block=blocks, _place=frame["measure"].map(place)).sort_values(["_block", "_place"]).index
    return frame.loc[order].reset_index(drop=True)


def main_kind(comparison: Comparison) -> Kind:
    """Policies where any were compared, else changes of world."""
    kinds = set(comparison.effects["kind"])
    return "policy" if "policy" in kinds or not kinds else "world"


def chosen_measures(comparison: Comparison) -> tuple[str, ...]:
    """Up to six measures for tables with one column each."""
    return OVERVIEW if set(OVERVIEW) <= set(comparison.measures) else tuple(comparison.measures[: len(OVERVIEW)])


# -- effects -------------------------------------------------------------------------------------


def effects_table(comparison: Comparison) -> Table:
    """Every effect on the measures shown, at every horizon."""
    frame, turns = shown_frame(comparison), turning(comparison)
    cells = []
    for row in records(frame):
        effect, interval = _effect_and_interval(row)
        risen = "" if is_undefined(row) else f"{100 * row['share_rising']:.0f}%"
        cells.append(
            (label(row), label_of(row["measure"]), row["horizon"], effect, interval, word(row, turns), risen, row["n"])
        )
    columns = ("Scenario", "Measure", "Year's end", "Effect", "95% interval", "Verdict", "Pairs that rise", "Pairs")
    caption = "Paired effects with 95% confidence intervals of the mean and verdicts."
    return Table("effects", caption, frame, columns, printed(cells), n_labels=3)


def overview_table(comparison: Comparison, horizon: str) -> Table:
    """Scenarios by a few measures at one horizon."""
    measures, turns, (values, tried) = chosen_measures(comparison), turning(comparison), signs(comparison)
    effects = comparison.effects
    frame = effects[(effects["horizon"] == horizon) & effects["measure"].isin(measures)].reset_index(drop=True)
    rows: dict[str, dict[str, str]] = {}
    for row in records(frame):
        effect, interval = _effect_and_interval(row)
        beside = " ".join(tried.get((row["scenario"], row["kind"], row["measure"], horizon), ()))
        text = effect if is_undefined(row) else f"{effect}\n{interval}\n{word(row, turns)} {beside}".rstrip()
        rows.setdefault(label(row), {})[row["measure"]] = text
    cells = [(name, *(found.get(measure, "") for measure in measures)) for name, found in rows.items()]
    columns = ("Scenario", *(SHORT.get(measure, label_of(measure)) for measure in measures))
    caption = f"Effects at {horizon} with 95% confidence intervals and verdicts" + (
        f"; behind these the direction at flywheel elasticities {_tried(values)}: {_DIRECTIONS}." if values else "."
    )
    return Table(f"overview-{horizon}", caption, frame, columns, printed(cells))


def _effect_and_interval(row: Row) -> tuple[str, str]:
    """As printed."""
    if is_undefined(row):
        return "not defined", ""
    low, high = row["ci95_low"], row["ci95_high"]
    if not np.isfinite(low):
        return signed(row, row["effect"]), "one pair"
    return _short(
        signed(row, row["effect"])
    ), f"{signed(row, low, with_unit=False)} to {signed(row, high, with_unit=False)}"


def _short(text: str) -> str:
    return text.replace(" percentage points", " pp").replace(" percentage point", " pp")


def word(row: Row, turns: set[tuple[str, str, str, str]]) -> str:
    """Verdict, with the marks of the notes."""
    if is_undefined(row):
        return ""
    turned = (row["scenario"], row["kind"], row["measure"], row["horizon"]) in turns
    return str(row["verdict"]) + mark(row) + (TURNS if turned else "")


# -- trade-offs ---------------------------------------------------------------------------------------


def tradeoffs_table(comparison: Comparison, horizon: str) -> Table:
    """Four objectives side by side, what a point of HHI costs, and the Pareto set."""
    kind = main_kind(comparison)
    frame = comparison.tradeoffs(horizon, kind=kind).reset_index()
    effects = comparison.effects
    at = records(effects[(effects["horizon"] == horizon) & (effects["kind"] == kind)])
    by = {(row["scenario"], row["measure"]): row for row in at}
    objectives = ("hhi_revenue", "total_power", "welfare_paired", "fiscal_balance")
    cells = []
    for row in records(frame):
        name = row["scenario"]
        found = [by.get((name, measure)) for measure in objectives]
        is_lower = found[0] is not None and direction(found[0]) == -1
        cells.append(
            (
                name,
                *(_effect_and_word(each) for each in found),
                *(_cost(row, what) if is_lower else "no clear fall" for what in ("fiscal", "welfare")),
                _pareto(row),
            )
        )
    columns = (
        "Scenario",
        "HHI revenue",
        "Total power",
        "Welfare",
        "Fiscal balance",
        "Budget's cost of a point\n$bn since the start",
        "Welfare's cost of a point\n$bn since the start",
        "Pareto set\nby means; in % of replicates",
    )
    caption = f"Trade-offs at {horizon}: four aims side by side, the cost of a point of HHI, and the Pareto set."
    return Table("tradeoffs", caption, frame, columns, printed(cells))


def _effect_and_word(row: Row | None) -> str:
    if row is None or is_undefined(row):
        return "not defined"
    return f"{_short(signed(row, row['effect']))}\n{row['verdict']}"


def _cost(row: Row, what: str) -> str:
    cost, low, high = (row[f"{what}_{end}"] for end in ("cost_per_point", "ci95_low", "ci95_high"))
    if not np.isfinite(cost):
        return "not defined"
    if not np.isfinite([low, high]).all():
        return f"{_number(cost)}\nunbounded"
    return f"{_number(cost)}\n{_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    return ("-" if value < 0.0 else "") + figure(abs(value))


def _pareto(row: Row) -> str:
    inside, share = row.get("is_pareto"), row.get("share_pareto", np.nan)
    if not isinstance(inside, bool | np.bool_):
        return "not defined"
    return f"{'in' if inside else 'out'}\n{100 * share:.0f}%"


def parties_table(comparison: Comparison, horizon: str) -> Table:
    """Who gains and who pays, as printed: parties that add up to welfare."""
    frame = comparison.who_pays(horizon, kind=main_kind(comparison))
    parties = list(dict.fromkeys(frame["party"]))
    rows: dict[str, dict[str, str]] = {}
    for row in records(frame):
        text = "not defined"
        if np.isfinite(row["effect"]):
            text = _plus(row["effect"])
            if row["ci95_low"] != row["ci95_high"] and np.isfinite(row["ci95_low"]):
                text += f"\n{_plus(row['ci95_low'])} to {_plus(row['ci95_high'])}"
        rows.setdefault(row["scenario"], {})[row["party"]] = text
    cells = [(name, *(found.get(party, "") for party in parties)) for name, found in rows.items()]
    caption = f"Who gains and who pays in {year_of(horizon)}, $bn with 95% intervals; parties add up to welfare."
    columns = ("Scenario", *map(capital, parties))
    return Table("who-pays", caption, frame, columns, printed(cells))


def _plus(value: float) -> str:
    if 0.0 < abs(value) < _LEAST_MONEY:
        return f"{'+' if value > 0.0 else '-'}0.00"
    return "0" if value == 0.0 else f"{'+' if value > 0.0 else '-'}{figure(abs(value))}"


MINUS: Final = "\N{MINUS SIGN}"
_DIRECTIONS = f"+ rises, {MINUS} falls, 0 less than would matter, ? undecided"


def _sign(direction_: str) -> str:
    """A direction as one character."""
    return SIGNS[direction_].replace("-", MINUS)


def _tried(values: Sequence[str]) -> str:
    return ", ".join(f"{float(value):g}" for value in values)


def signs(comparison: Comparison) -> tuple[list[str], dict[tuple[str, str, str, str], list[str]]]:
    """Flywheel elasticities that were tried, and the sign at each by scenario, kind, measure and horizon."""
    frame = comparison.robustness
    rows = records(frame[frame["variant"] == "flywheel"])
    values = list(dict.fromkeys(row["value"] for row in rows))
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for row in rows:
        key = (row["scenario"], row["kind"], row["measure"], row["horizon"])
        found.setdefault(key, []).append(_sign(row["direction"]))
    return values, found


# -- robustness ----------------------------------------------------------------------------------------


def signs_table(comparison: Comparison) -> Table | None:
    """Direction of headline effects at each flywheel elasticity; None where none was tried."""
    frame = comparison.robustness
    at = frame[(frame["variant"] == "flywheel") & (frame["horizon"] == comparison.horizons[-1])]
    if at.empty:
        return None
    measures = chosen_measures(comparison)
    values = list(dict.fromkeys(at["value"]))
    found: dict[str, dict[tuple[str, str], str]] = {}
    for row in records(at):
        found.setdefault(label(row), {})[row["measure"], row["value"]] = _sign(row["direction"])
    cells = [
        (name, *("  ".join(each.get((measure, value), " ") for value in values) for measure in measures))
        for name, each in found.items()
    ]
    columns = ("Scenario", *(SHORT.get(measure, label_of(measure)) for measure in measures))
    caption = (
        f"Direction of effects at {comparison.horizons[-1]} at flywheel elasticities {LAMBDA} = {_tried(values)}, in "
        f"this order: {_DIRECTIONS}."
    )
    return Table("signs", caption, frame.reset_index(drop=True), columns, printed(cells))


# -- indices --------------------------------------------------------------------------------------------


def flips_table(comparison: Comparison, horizon: str) -> Table | None:
    """How the order of scenarios by HHI of revenue changes with the index; None for a single scenario."""
    kind = main_kind(comparison)
    frame = comparison.rank_flips("revenue", horizon, kind=kind)
    if frame.empty or not frame["pairs"].any():
        return None
    caption = (
        f"The order of scenarios by their effect on revenue's concentration at {horizon}, by HHI and by other indices."
    )
    return _flips("rank-flips", caption, frame, "Index")


def family_flips_table(comparison: Comparison, horizon: str) -> Table | None:
    """How the order of scenarios by HHI of AI power changes with the power family; None where none was tried."""
    try:
        frame = comparison.family_flips(horizon=horizon, kind=main_kind(comparison))
    except ResultError:
        return None
    caption = f"The order of scenarios by their effect on the HHI of AI power at {horizon}, by power family."
    return None if frame.empty else _flips("family-flips", caption, frame, "Power family")


def _flips(name: str, caption: str, frame: pd.DataFrame, heading: str) -> Table:
    cells = []
    for row in records(frame):
        flipped = [each for each in row["flipped"].split(", ") if each]
        more = f" and {len(flipped) - FEW_FLIPS:,} more" if len(flipped) > FEW_FLIPS else ""
        cells.append(
            (
                row["yardstick"].replace("_", " "),
                ", ".join(flipped[:FEW_FLIPS]) + more or "none",
                f"{row['flips']:,} of {row['pairs']:,}",
                significant(row["kendall_tau"]),
            )
        )
    columns = (heading, "Which stand in the opposite order", "Pairs that flip", "Kendall's tau-b")
    return Table(name, caption, frame, columns, printed(cells), n_labels=2)


def disagreements_table(comparison: Comparison, horizon: str) -> Table | None:
    """Where indices of one variable clearly move in different directions; None where they agree."""
    frame = comparison.disagreements()
    if frame.empty:
        return None
    cells = [
        (label(row), row["variable"].replace("_", " "), _words(row["concentrates"]), _words(row["disperses"]))
        for row in records(frame)
        if row["horizon"] == horizon
    ]
    if not cells:
        return None
    columns = ("Scenario", "Variable", "More concentrated by", "Less concentrated by")
    caption = f"Where indices of the same variable clearly disagree on the direction, {horizon}."
    return Table("disagreements", caption, frame, columns, printed(cells), n_labels=len(columns))


def _words(names: str) -> str:
    return names.replace("_", " ")


def inequality_table(curves: Mapping[str, Mapping[str, float]], quarter: str) -> Table:
    """Gini coefficients of the mean Lorenz curves, by run and variable."""
    import pandas as pd

    rows = [{"scenario": name, **values} for name, values in curves.items()]
    cells = [(name, *(f"{values[column]:.3f}" for column in LORENZ)) for name, values in curves.items()]
    caption = f"Gini coefficients of the mean Lorenz curves among active firms, {quarter}."
    return Table("inequality", caption, pd.DataFrame(rows), ("Scenario", *LORENZ.values()), printed(cells))


# -- luck and parameters ---------------------------------------------------------------------------------


def uncertainty_table(result: Result) -> Table | None:
    """Standard deviations from luck and from parameters in the last year shown; None where parameters are certain."""
    if result.scenario.uncertainty == "none":
        return None
    year = closing.shown_years(result)[-1]
    labels = {row.measure: row.label for row in closing.closing(result) if row.section != closing.LEADING}
    frame = result.variance()
    frame = frame[(frame["year"] == year) & frame["measure"].isin(labels)]
    rows = [
        (
            labels[row["measure"]],
            number(row["sd_luck"]),
            number(row["sd_parameters"]),
            f"{row['luck_share']:.0%}" if np.isfinite(row["luck_share"]) else "-",
            row["unit"],
        )
        for row in records(frame)
    ]
    caption = f"Standard deviation in {year} from luck and from parameters, and luck's part of the variance."
    columns = ("Measure", "Luck", "Parameters", "Luck's part", "Unit")
    return Table("uncertainty", caption, frame, columns, printed(rows))


# -- luck ------------------------------------------------------------------------------------------------


def luck_table(name: str, own: Yearly, null: Yearly, years: Sequence[int]) -> Table:
    """HHI of revenue beside what luck alone does."""
    import pandas as pd

    rows: list[dict[str, object]] = []
    cells = []
    for year in years:
        texts = []
        for who, each in ((name, own), ("luck alone", null)):
            if year not in each.years:
                texts.append("not simulated")
                continue
            values = each.of(year)
            mean, low, high = np.nanmean(values), *np.nanquantile(values, [0.05, 0.95])
            rows.append({"run": who, "year": year, "mean": mean, "p5": low, "p95": high})
            texts.append(f"{mean:,.0f}" + (f"\n{low:,.0f} to {high:,.0f}" if len(values) > 1 else ""))
        cells.append((str(year), *texts))
    caption = (
        "HHI of revenue, mean and 5-95% range over replicates: this market, and twenty equal firms moved by luck alone."
    )
    return Table("luck", caption, pd.DataFrame(rows), ("Year", name, "Luck alone"), printed(cells))


# -- scenarios ---------------------------------------------------------------------------------------------


def differences_table(comparison: Comparison) -> Table:
    """What each scenario says otherwise than the baseline."""
    import pandas as pd

    from sim import diff

    rows = [
        (name, found.key, value_text(found.a), value_text(found.b), found.unit)
        for name, scenario in comparison.scenarios.items()
        for found in diff.of_scenarios(comparison.baseline, scenario)
        if found.key.partition(".")[0] not in {"name", "question", "run", "record"}
    ]
    columns = ("Scenario", "Key", f"In {comparison.baseline.name}", "In the scenario", "Unit")
    frame = pd.DataFrame(rows, columns=["scenario", "key", "baseline", "value", "unit"])
    caption = "What each scenario says otherwise than the baseline."
    return Table("differences", caption, frame, columns, printed(rows), n_labels=len(columns))


def value_text(value: object) -> str:
    """A value of a scenario as its file writes it.

    Examples
    --------
    >>> value_text(None), value_text(1e26), value_text({"class": "sme"}), value_text([1, 2]), value_text(True)
    ('-', '1e+26', 'class: sme', '1, 2', 'true')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {value_text(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(value_text, value))
    return str(value)


def _policies(scenario: Scenario) -> Counter[str]:
    """How often each policy is there."""
    return Counter(name for item in scenario.policies for name in item)


def questions_table(comparison: Comparison) -> Table:
    """Which question each scenario asks."""
    import pandas as pd

    rows = [
        (
            scenario.name,
            scenario.question or "-",
            in_prose([f"{name} ({n} times)" if n > 1 else name for name, n in _policies(scenario).items()]) or "none",
        )
        for scenario in (comparison.baseline, *comparison.scenarios.values())
    ]
    columns = ("Scenario", "Question", "Policies")
    frame = pd.DataFrame(rows, columns=["scenario", "question", "policies"])
    return Table("scenarios", "What is compared; the first is the baseline.", frame, columns, printed(rows), n_labels=3)


def failures_table(comparison: Comparison) -> Table | None:
    """Which replicates failed; None where none did."""
    frame = comparison.failures
    if frame.empty:
        return None
    known = frame.astype(object).where(frame.notna(), None)
    rows = [
        (row["scenario"], "all" if row["replicate"] is None else row["replicate"], row["quarter"] or "-", row["reason"])
        for row in records(known)
    ]
    columns = ("Scenario", "Replicate", "Quarter", "Reason")
    return Table("failures", "What failed and is left out.", frame, columns, printed(rows), n_labels=4)
