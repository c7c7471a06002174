"""The report of a comparison: what each section says, and from which numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sim.comparison import HEADLINES, label_of
from sim.report.comparison import (
    MOST_DETAILED,
    TURNS,
    UNCERTAIN,
    luck_note,
    notes,
    pairs_said,
    records,
    turning,
)
from sim.report.figures.effects import COMPARISON_CAPTIONS, COMPARISON_FIGURES, drawable
from sim.report.figures.lorenz import gini_of_curve, lorenz_curves, lorenz_of_runs
from sim.report.page import assumptions, origin, replays, sentences, tables
from sim.report.page.blocks import (
    FOOTER,
    Block,
    Fold,
    Formula,
    Heading,
    Page,
    Picture,
    Points,
    Shown,
    Text,
    picture,
    section,
    shown,
)
from sim.report.page.luck import luck_blocks
from sim.report.page.replays import INDEX
from sim.report.page.words import end_of, noun, size, year_of
from sim.report.tables import capital, shown_by
from sim.units import counted, in_prose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from sim.comparison import Comparison
    from sim.report.page.sentences import Row
    from sim.report.page.table import Table

KEY_MEASURES = ("hhi_revenue", "hhi_compute_used", "total_power", "small_firm_share_of_compute", "welfare_paired")
"""Measures of the sentences about many scenarios, where they are shown."""

N_STEPS = 9
"""Steps of :func:`page`, for a progress bar."""


def page(comparison: Comparison, step: Callable[[str], None]) -> Page:
    """Compose the report.

    Parameters
    ----------
    comparison : Comparison
    step : callable
        Told what begins.
    """
    last = comparison.horizons[-1]
    step("tables")
    found = _Tables(comparison, last)
    figures = _figures(comparison, step)
    step("Lorenz curves")
    lorenz = _lorenz(comparison)
    step("luck alone")
    luck, luck_table = luck_blocks(comparison.baseline, replays.of_baseline(comparison), comparison.horizons)
    parameters = assumptions.parameters_table(comparison.baseline, comparison.scenarios)
    policies = assumptions.policies_table({comparison.baseline.name: comparison.baseline, **comparison.scenarios})
    differences = tables.differences_table(comparison)
    sections = (
        section("question", "Question", _questions(comparison, found)),
        section("results", "Key results", _results(comparison)),
        section(
            "effects",
            "Effects",
            [figures.get("effects"), *map(Shown, found.effects), Points(_MARKS), figures.get("map")],
        ),
        section("paths", "Paths", [Text(_PATHS), figures.get("paths")]),
        section("trade-offs", "Trade-offs, costs and who pays", _tradeoffs(comparison, found, figures)),
        section("indices", "Inequality, index by index", [*lorenz[0], *_indices(comparison, found)]),
        section("luck", "What luck alone does", luck),
        section("robustness", "Does the sign hold?", _robustness(comparison, found)),
        section("scenarios-one-by-one", "Scenario by scenario", _one_by_one(comparison)),
        section("method", "Method", _method(comparison)),
        section("assumptions", "Assumptions", _assumptions(comparison, parameters, policies)),
        section("scenarios", "Scenarios", _scenarios(comparison, differences)),
        section("reproduce", "How to reproduce", origin.comparison_blocks(comparison)),
    )
    every = [*found.all, lorenz[1], luck_table, parameters, policies, differences]
    every += [block.table for block in sections[-1].blocks if isinstance(block, Shown)]
    n = len(comparison.scenarios)
    what = next(iter(comparison.scenarios)) if n == 1 else f"{n:,} scenarios"
    first = comparison.baseline.horizon.start
    return Page(
        title=f"What {what} would change",
        subtitle=(
            f"Against {comparison.baseline.name}, {first} to {comparison.baseline.horizon.end}: "
            f"{pairs_said(comparison, ' of simulated histories')}."
        ),
        warning=origin.warning(comparison.manifest, "the Lorenz curves and luck alone"),
        sections=tuple(part for part in sections if part.blocks),
        tables=tuple({table.name: table for table in every if table is not None}.values()),
        footer=FOOTER,
    )


_MARKS = (
    "Clear: the 95% interval leaves out zero, and the effect is not negligible.",
    "Negligible: the 90% interval lies inside the smallest effect that would matter (see Method).",
    "Undecided: neither, or fewer than 10 pairs differ at all while others do not. It does not mean no effect.",
    f"{UNCERTAIN} No longer clear after Holm's correction.",
    f"{TURNS} Clearly of the other sign at another flywheel elasticity or power family.",
)


def _limits(comparison: Comparison) -> tuple[str, ...]:
    """What the intervals do not show."""
    shown, is_plain = shown_by(comparison.baseline), comparison.baseline.uncertainty == "none"
    doubt = (
        "They do not show doubt about parameters, most of which are assumptions, nor about what the model leaves out."
        if is_plain
        else "Parameters differ as far as the facts of 2024 leave them open; doubt about the model is not shown."
    )
    return (
        f"They show {shown}: how far the mean of these histories may lie from that of infinitely many of this model.",
        doubt,
        "They do not show how far one history may differ: the effect in a single future can be far from the mean.",
    )


_PATHS = "Mean paired differences, year by year, with 95% bands: when effects begin, whether they last, when they turn."


class _Tables:
    """The tables that several sections show."""

    def __init__(self, comparison: Comparison, last: str) -> None:
        is_short = len(comparison.contrasts) <= MOST_DETAILED
        effects = tables.effects_table(comparison)
        overviews = [tables.overview_table(comparison, horizon) for horizon in reversed(comparison.horizons)]
        self.effects = [effects] if is_short else overviews
        self.tradeoffs = tables.tradeoffs_table(comparison, last)
        self.parties = tables.parties_table(comparison, last)
        self.signs = tables.signs_table(comparison)
        self.flips = tables.flips_table(comparison, last)
        self.family_flips = tables.family_flips_table(comparison, last)
        self.disagreements = tables.disagreements_table(comparison, last)
        self.questions = tables.questions_table(comparison)
        self.failures = tables.failures_table(comparison)
        self.all: list[Table | None] = [
            effects,
            *overviews,
            self.tradeoffs,
            self.parties,
            self.signs,
            self.flips,
            self.family_flips,
            self.disagreements,
            self.questions,
            self.failures,
        ]


def _figures(comparison: Comparison, step: Callable[[str], None]) -> dict[str, Picture]:
    """Every figure of the comparison, drawn."""
    drawn = {}
    for name in drawable(comparison):
        step(f"figure {name}")
        drawn[name] = picture(name, COMPARISON_CAPTIONS[name], COMPARISON_FIGURES[name](comparison))
    return drawn


# -- sections --------------------------------------------------------------------------------------


def _questions(comparison: Comparison, found: _Tables) -> list[Block | None]:
    asked = [scenario.question for scenario in comparison.scenarios.values() if scenario.question]
    if len(comparison.scenarios) == 1:
        return [Text(asked[0]) if asked else None, shown(found.questions), shown(found.failures)]
    names = f"{counted(len(comparison.scenarios), 'scenario')} against {comparison.baseline.name}"
    return [Text(f"{names}; each file asks a question of its own."), shown(found.questions), shown(found.failures)]


def _results(comparison: Comparison) -> list[Block | None]:
    """Sentences about many scenarios, or all about one; what failed comes first."""
    last = comparison.horizons[-1]
    blocks: list[Block | None] = []
    failures = sentences.failure_sentences(comparison.failures, comparison.n_replicates)
    if failures:
        blocks.append(Points(tuple(failures)))
    rows = tables.shown_effects(comparison)
    for kind in ("policy", "world"):
        for horizon in reversed(comparison.horizons):
            at = [row for row in rows if row["kind"] == kind and row["horizon"] == horizon]
            who = list(dict.fromkeys(row["scenario"] for row in at))
            if not who:
                continue
            if len(who) > 1:
                if horizon == last:
                    blocks += _results_of_many(comparison, at)
                continue
            blocks += _results_of_one(comparison, at)
    return [Text(f"{luck_note(comparison.baseline)} {_STAR}"), *blocks]


_STAR = (
    f"{UNCERTAIN} marks what is clear alone, but no longer when corrected for the number of effects looked at (Holm). "
    "Whatever is said to rise or fall does so in this model, under its assumptions."
)


def _results_of_one(comparison: Comparison, at: list[Row]) -> list[Block | None]:
    """Headlines at every horizon, the other measures at the last."""
    horizon = at[0]["horizon"]
    main = [row for row in at if row["measure"] in KEY_MEASURES] or at
    is_short = len(comparison.contrasts) <= MOST_DETAILED and horizon == comparison.horizons[-1]
    rest = [row for row in at if row not in main] if is_short else []
    title = f"At the end of {end_of(horizon)}: {sentences.subject(at[0])}, against {at[0]['against']}"
    balance = sentences.balance_sentence(at)
    return [
        Heading(title),
        Points(tuple(f"{sentences.effect_sentence(row)} {_sign(comparison, row)}".rstrip() for row in main)),
        Text(balance) if balance else None,
        Text("The other measures:") if rest else None,
        Points(tuple(map(sentences.effect_sentence, rest))) if rest else None,
    ]


def _results_of_many(comparison: Comparison, at: list[Row]) -> list[Block | None]:
    kind, horizon = at[0]["kind"], at[0]["horizon"]
    measures = [name for name in KEY_MEASURES if name in comparison.measures] or list(comparison.measures[:5])
    what = "The policies of these scenarios" if kind == "policy" else "The changes of world of these scenarios"
    blocks: list[Block | None] = [Heading(f"{what}, at the end of {end_of(horizon)}")]
    said = []
    for measure in measures:
        rows = [row for row in at if row["measure"] == measure]
        first = comparison.ranking(measure, horizon, kind=kind).set_index("scenario")["share_first"]
        shares = {str(name): float(value) for name, value in first.items()}
        extremes = [
            f"{sentence} {_sign(comparison, row)}".rstrip()
            for row, sentence in sentences.extreme_sentences(rows, shares)
        ]
        said.append(" ".join([sentences.count_sentence(rows), *extremes]))
    return [*blocks, Points(tuple(said))]


def _sign(comparison: Comparison, row: Mapping[str, Any], what: str = "it") -> str:
    """What becomes of an effect at other flywheel elasticities; empty where none was tried."""
    tried = comparison.robustness
    tried = tried[tried["variant"] == "flywheel"]
    for key in ("scenario", "kind", "measure", "horizon"):
        tried = tried[tried[key] == row[key]]
    return "" if tried.empty else sentences.flywheel_sentence(records(tried), what, row["n"])


def _tradeoffs(comparison: Comparison, found: _Tables, figures: dict[str, Picture]) -> list[Block | None]:
    last = comparison.horizons[-1]
    frame = comparison.pareto(last, kind=tables.main_kind(comparison))
    inside = [
        str(name)
        for name, is_in in zip(frame["scenario"], frame["is_pareto"], strict=True)
        if is_in is True or is_in == 1
    ]
    named = in_prose(inside[:_MOST_NAMED]) + (
        f" and {len(inside) - _MOST_NAMED} more" if len(inside) > _MOST_NAMED else ""
    )
    said = (
        f"The Pareto set holds {len(inside):,} of {len(frame):,} alternatives, doing nothing "
        f"({comparison.baseline.name}) among them: by mean effects, none is at least as good in all four of less "
        "HHI of revenue, more AI power, more welfare and a better fiscal balance, and better in one. It is "
        f"{named}. Means alone decide here; the share of replicates in the table shows how far luck does."
        if inside
        else "The Pareto set is not defined, for an effect on one of its aims is not."
    )
    costs = (
        "What a point of HHI costs is the sum of $bn since the start over the points by which the index is lower at "
        "the horizon, with Fieller's 95% interval: negative where it brings money, unbounded where the points may be "
        "none."
    )
    return [
        figures.get("tradeoff"),
        Text(said),
        Text(costs),
        shown(found.tradeoffs),
        Text(
            f"Who pays: gains and losses of {year_of(last)} against the reference. Intervals show luck, one by one; "
            "they are not corrected for how many are shown."
        ),
        shown(found.parties),
    ]


_MOST_NAMED = 8


def _lorenz(comparison: Comparison) -> tuple[list[Block | None], Table | None]:
    """Lorenz curves of the baseline and of the scenarios that move the index most, simulated again."""
    chosen = {comparison.baseline.name: comparison.baseline}
    rows = [row for row in tables.shown_effects(comparison) if row["horizon"] == comparison.horizons[-1]]
    rows = [row for row in rows if row["kind"] == "policy"] or rows
    rows = [
        row for row in rows if row["measure"] == (INDEX if INDEX in comparison.measures else comparison.measures[0])
    ]
    rows = sorted((row for row in rows if not sentences.is_undefined(row)), key=lambda row: row["effect"])
    for row in dict.fromkeys([0, len(rows) - 1]) if rows else ():
        name = rows[row]["scenario"]
        chosen[name] = comparison.scenarios[name]
    results = {name: replays.with_firms(scenario) for name, scenario in chosen.items()}
    failed = [f"{name}: {each}" for name, each in results.items() if isinstance(each, str)]
    done = {name: each for name, each in results.items() if not isinstance(each, str)}
    if comparison.baseline.name not in done:
        return [Text(f"Lorenz curves could not be drawn. {in_prose(failed)}")], None
    quarter = done[comparison.baseline.name].firm_quarters()[-1]
    curves = {name: lorenz_curves(each, quarter) for name, each in done.items()}
    ginis = {name: {key: gini_of_curve(c.mean(axis=0)) for key, c in each.items()} for name, each in curves.items()}
    table = tables.inequality_table(ginis, quarter)
    drawn = picture(
        "lorenz", "Lorenz curves among firms", lorenz_of_runs(curves, quarter, shown_by(comparison.baseline))
    )
    others = [name for name in done if name != comparison.baseline.name]
    why = (
        f", which have the lowest and the highest mean effect on {noun(rows[0]['measure'])}" if len(others) > 1 else ""
    )
    about = (
        f"Shares of compute, AI power and revenue among active firms in {comparison.baseline.name} and in "
        f"{in_prose(others)}{why}. A comparison keeps no firms, so those of its first replicates were simulated again."
        if others
        else "A comparison keeps no firms, so those of its first replicates were simulated again."
    )
    return [Text(about), drawn, Shown(table), *(Text(f"Could not be drawn: {each}") for each in failed)], table


def _indices(comparison: Comparison, found: _Tables) -> list[Block | None]:
    disagree = found.disagreements
    words = (
        "An index is a point of view: HHI weighs the large, Gini counts everybody, and a merger of two small firms "
        "raises one and lowers the other. So no ranking here rests on one index."
    )
    none = Text(f"At {comparison.horizons[-1]} no two indices of one variable clearly disagree on a direction.")
    return [
        Heading("Where indices disagree"),
        Text(words),
        shown(disagree) if disagree is not None else none,
        shown(found.flips),
        shown(found.family_flips),
    ]


def _robustness(comparison: Comparison, found: _Tables) -> list[Block | None]:
    robustness = comparison.robustness
    if robustness.empty:
        words = (
            "Not looked at: the comparison was made without other flywheel elasticities. The elasticity is an "
            "assumption that the facts do not identify, so a headline that rests on one value of it should not "
            "travel alone."
        )
        return [Text(words)]
    last = comparison.horizons[-1]
    tried = [
        f"{variant} {in_prose([_plain(value) for value in dict.fromkeys(group['value'])])}"
        for variant, group in robustness.groupby("variant", sort=False)
    ]
    shown_rows = tables.shown_effects(comparison)
    n_clear = sum(sentences.direction(row) != 0 for row in shown_rows)
    n_again = int(robustness["n"].max())
    turned = turning(comparison)
    turns = [key for key in _ordered(shown_rows) if key in turned]
    blocks: list[Block | None] = [
        Text(
            "The flywheel elasticity, how much revenue rises with effective compute, decides whether leads grow, and "
            "the facts do not identify it. So headline effects were looked at again under other values, with "
            + (
                f"{counted(n_again, 'pair')} each: fewer than above, so more of them are undecided."
                if n_again < comparison.n_replicates
                else "the same pairs."
            )
        ),
        Text(sentences.turning_sentence(turns, n_clear, tried)),
    ]
    flywheel = robustness[(robustness["variant"] == "flywheel") & (robustness["horizon"] == last)]
    if len(comparison.contrasts) <= MOST_DETAILED:
        measures = [name for name in KEY_MEASURES if name in comparison.measures]
        said = []
        for (who, kind), group in flywheel.groupby(["scenario", "kind"], sort=False):
            for measure in measures:
                rows = records(group[group["measure"] == measure])
                if rows:
                    name = who if kind == "policy" else f"{who}, change of world"
                    said.append(f"{name}: {sentences.flywheel_sentence(rows, n_pairs=comparison.n_replicates)}")
        blocks.append(Points(tuple(said)) if said else None)
    return [*blocks, shown(found.signs)]


def _plain(value: object) -> str:
    try:
        return f"{float(str(value)):g}"
    except ValueError:
        return str(value)


def _ordered(rows: list[Row]) -> list[tuple[str, str, str, str]]:
    return [(row["scenario"], row["kind"], row["measure"], row["horizon"]) for row in rows]


def _one_by_one(comparison: Comparison) -> list[Block | None]:
    """What each scenario does at the last horizon, when there are several."""
    if len(comparison.contrasts) <= 1:
        return []
    last = comparison.horizons[-1]
    blocks: list[Block | None] = [
        Text(f"Effects at {last} in the words of the verdicts; in brackets the 95% interval of each size.")
    ]
    rows = [row for row in tables.shown_effects(comparison) if row["horizon"] == last]
    kind = tables.main_kind(comparison)
    costs = {row["scenario"]: row for row in records(comparison.tradeoffs(last, kind=kind).reset_index())}
    parties = records(comparison.who_pays(last, kind=kind))
    for contrast in comparison.contrasts:
        of = [row for row in rows if row["scenario"] == contrast.scenario and row["kind"] == contrast.kind]
        if not of:
            continue
        is_policy = contrast.kind == "policy"
        question = comparison.scenarios[contrast.scenario].question
        blocks.append(Heading(capital(sentences.subject(of[0])) if not is_policy else contrast.scenario))
        blocks.append(Text(question) if question and is_policy else None)
        said = [*sentences.scenario_sentences(of), sentences.balance_sentence(of)]
        if contrast.kind == kind:
            index = [row for row in of if row["measure"] == INDEX]
            said += (
                [_sign(comparison, index[0], ""), sentences.cost_sentence(costs[contrast.scenario], index[0])]
                if index
                else []
            )
            said.append(
                sentences.parties_sentence([row for row in parties if row["scenario"] == contrast.scenario], last)
            )
        blocks.append(Points(tuple(sentence for sentence in said if sentence)))
    return blocks


def _method(comparison: Comparison) -> list[Block | None]:
    effects = comparison.effects
    ratio = effects.loc[
        effects["measure"].isin(comparison.measures) & np.isfinite(effects["variance_ratio"]), "variance_ratio"
    ]
    pairing = (
        f" Here the difference between independent runs varies {ratio.median():,.3g} times as much (median over the "
        "effects shown): without pairing, that many times more replicates would be needed for the same intervals."
        if len(ratio)
        else ""
    )
    kinds = set(effects["kind"])
    world = (
        [
            Text(
                "A scenario that also changes the world is measured against the same world without its policies; "
                "what the change of world does by itself, against the baseline, is reported apart (marked: world)."
            )
        ]
        if "world" in kinds
        else []
    )
    smallest: dict[str, list[str]] = {}
    for name in comparison.measures:
        if name in HEADLINES:
            what = f"{_smallest(effects, name)} ({HEADLINES[name].reason})"
            smallest.setdefault(what, []).append(noun(name))
    return [
        Text(
            "An agent-based model simulates the market quarter by quarter, from chips to AI power. Every random draw "
            "belongs to a named decision of a named actor, so that replicate r of every scenario has the luck of "
            f"replicate r of the baseline, and effects are differences within pairs.{pairing}"
        ),
        Formula("effect"),
        *world,
        Heading("Intervals and verdicts"),
        Text(
            "Intervals are Student's t intervals of the mean difference, those of few pairs widened by a symmetric "
            "bootstrap of t (Hall 1988). An effect is clear where the 95% interval leaves out zero, negligible where "
            "the 90% interval lies inside the smallest effect that would matter (the test of equivalence at 5%; "
            "Schuirmann 1987, Lakens 2017), else undecided. Undecided does not mean none. Smallest effects that would "
            "matter were declared before any result was seen:"
        ),
        Points(tuple(f"{capital(in_prose(names))}: {what}." for what, names in smallest.items())) if smallest else None,
        Heading("Many questions at once"),
        *map(Text, notes(comparison)[1:]),
        Heading("What the intervals do not show"),
        Points(_limits(comparison)),
    ]


def _smallest(effects: pd.DataFrame, measure: str) -> str:
    headline = HEADLINES[measure]
    if not headline.of:
        rows = effects[effects["measure"] == measure]
        unit = rows["unit"].iloc[0] if len(rows) else ""
        return size({"unit": unit, "reference_mean": 0.0}, headline.smallest)
    of = "its mean in the reference" if headline.of == measure else f"the reference's {label_of(headline.of)}"
    return f"{100 * headline.smallest:g}% of {of.replace('_', ' ')}"


def _assumptions(comparison: Comparison, parameters: Table, policies: Table | None) -> list[Block | None]:
    return [
        Text(assumptions.mechanisms_sentence(comparison.baseline)),
        Points(tuple(f"{capital(kind)}: {meaning}." for kind, meaning in assumptions.KINDS.items())),
        Shown(parameters),
        shown(policies),
    ]


def _scenarios(comparison: Comparison, differences: Table) -> list[Block | None]:
    every = {comparison.baseline.name: comparison.baseline, **comparison.scenarios}
    return [
        Shown(differences) if differences.rows else Text("No scenario says anything otherwise than the baseline."),
        Text("Complete scenarios, with every default filled in (not printed on paper):"),
        *(Fold(f"{name}.yaml", scenario.to_yaml()) for name, scenario in every.items()),
    ]
