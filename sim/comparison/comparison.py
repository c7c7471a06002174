"""What a comparison leaves in the user's hands: effects, rankings, trade-offs and figures."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np

from sim.arguments import listed, require_known
from sim.comparison.design import Kind, key_of
from sim.comparison.effects import Pairs, pairs_of, table_of
from sim.comparison.headlines import HEADLINES
from sim.comparison.outcomes import WHOLE
from sim.comparison.statistics import paired
from sim.comparison.tradeoffs import (
    OBJECTIVES,
    TRADED,
    cost_per_point,
    disagreeing,
    flips,
    gains_by_party,
    oriented_effects,
    pareto_set,
    traded,
)
from sim.comparison.worlds import Worlds, n_sets_of
from sim.errors import InputError, ResultError
from sim.quarters import Quarter
from sim.units import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.figure import Figure

    from sim.comparison.design import Contrast, Design
    from sim.comparison.outcomes import Outcome
    from sim.scenario import Scenario

SHOWN = ("2030Q4", "2035Q4")
"""Horizons that are shown where the run reaches them."""


class Stopping(NamedTuple):
    """How a run that adds replicates ended.

    Attributes
    ----------
    targets : dict of str to float
        Half-width of the 95% interval that was wanted, by measure.
    is_reached : bool
        Whether every interval was as narrow at the last two looks.
    widest : dict of str to float
        Largest half-width at the end, by measure.
    n_replicates : int
    """

    targets: dict[str, float]
    is_reached: bool
    widest: dict[str, float]
    n_replicates: int


class Comparison:
    """Paired effects of scenarios against a baseline.

    Made by :func:`sim.compare` or :func:`sim.load_comparison`, never by hand.

    Attributes
    ----------
    baseline : Scenario
    scenarios : dict of str to Scenario
        By name, in the order given; with replicates, seed and horizon of the baseline.
    contrasts : tuple of Contrast
        What is measured against what.
    outcomes : dict of str to Outcome
        Values of every run by key.
    measures : tuple of str
        Those that tables and figures show, and over which p values are adjusted.
    horizons : tuple of str
        Quarters of ``effects``.
    robustness : pandas.DataFrame
        Effects under other values of the flywheel elasticity or another power family; see ``sim.compare``.
    stopping : Stopping or None
        How adding replicates ended, if that was asked for.
    timing : dict of str to float
        Seconds spent, by stage.
    content_hash : str
        SHA-256 (hex) of scenarios and options.
    folder : pathlib.Path or None
        Where the comparison is stored, if it is.
    manifest : dict
        Contents of ``manifest.json``; empty while it is not stored.
    is_reused : bool
        Whether this was found complete on disk instead of being computed.
    n_resumed, n_lost : int
        Blocks of replicates taken from an interrupted comparison, and blocks that no worker survived.
    computed_by : mapping or None
        Code, libraries and CPU level of the workers that computed it.
    """

    def __init__(
        self,
        design: Design,
        outcomes: Mapping[str, Outcome],
        *,
        measures: Sequence[str] | None = None,
        horizons: Sequence[str | int] | None = None,
        robustness: pd.DataFrame | None = None,
        stopping: Stopping | None = None,
        timing: Mapping[str, float] | None = None,
    ) -> None:
        self._design = design
        self._pairs: dict[tuple[str, str], Pairs] = {}
        self._worlds = Worlds()
        self.outcomes = dict(outcomes)
        self.horizons = chosen_horizons(self.quarters, horizons)
        self.measures = chosen_measures(self._names, measures)
        self.robustness = _no_rows() if robustness is None else robustness
        self.stopping = stopping
        self.timing = dict(timing or {})
        self.content_hash = ""
        self.folder: Path | None = None
        self.manifest: dict[str, Any] = {}
        self.is_reused = False
        self.n_resumed = self.n_lost = 0
        self.computed_by: Mapping[str, Any] | None = None

    # -- what was compared ----------------------------------------------------------------

    @property
    def runs(self) -> Mapping[str, Scenario]:
        """Distinct runs by the keys of ``outcomes``."""
        return self._design.runs

    def plugins(self) -> dict[str, str]:
        """SHA-256 (hex) of each plug-in file whose policies some run names, by the file's name."""
        return self._design.plugins()

    @property
    def baseline(self) -> Scenario:
        """What scenarios are compared with."""
        return self._design.baseline

    @property
    def scenarios(self) -> dict[str, Scenario]:
        """Scenarios by name, in the order given."""
        return self._design.scenarios

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """What is measured against what."""
        return self._design.contrasts

    @property
    def quarters(self) -> tuple[str, ...]:
        """Last quarter of each year of the horizon."""
        return next(outcome.quarters for outcome in self.outcomes.values() if outcome.quarters)

    @property
    def n_replicates(self) -> int:
        """Replicates asked of each run, added ones included."""
        return self.stopping.n_replicates if self.stopping else self.baseline.run.replicates

    @property
    def _names(self) -> tuple[str, ...]:
        """Every measure of effects."""
        pairs = [self._paired(contrast) for contrast in self.contrasts]
        return next((pair.names for pair in pairs if pair is not None), ())

    # -- effects ----------------------------------------------------------------------------

    @cached_property
    def effects(self) -> pd.DataFrame:
        """One row for each scenario, kind, measure and horizon.

        Columns: scenario; kind (policy or world) and against what; measure, horizon, unit; means of the reference and
        of the scenario over pairs, effect and relative effect; 90% and 95% confidence intervals of the effect; share of
        replicates that rise; variance ratio (unpaired over paired); pairs n; p value, and adjusted by Holm over the
        shown measures; smallest effect of interest; verdict; replicates to decide an undecided one.
        """
        return table_of(self.contrasts, self._all_pairs(), self.horizons, self.measures)

    @property
    def failures(self) -> pd.DataFrame:
        """What did not succeed: scenario, replicate (none: the run could not begin), quarter and reason."""
        import pandas as pd

        called = {contrast.reference: contrast.against for contrast in reversed(self.contrasts)}
        called |= {key_of(scenario): name for name, scenario in reversed(self.scenarios.items())}
        called[key_of(self.baseline)] = self.baseline.name
        rows = [
            (called.get(key, key), None if failure.replicate == WHOLE else failure.replicate, *failure[1:])
            for key, outcome in self.outcomes.items()
            for failure in outcome.failures
        ]
        frame = pd.DataFrame(rows, columns=["scenario", "replicate", "quarter", "reason"])
        return frame.astype({"replicate": "Int64"})

    def pairs(self, scenario: str, measure: str, kind: Kind | None = None) -> pd.DataFrame:
        """Values of every pair.

        Parameters
        ----------
        scenario : str
            Name of the scenario.
        measure : str
        kind : {"policy", "world"}, optional
            Which of its effects; policy where it has one.

        Returns
        -------
        pandas.DataFrame
            By (replicate, quarter), one row a year: reference, scenario, difference.
        """
        import pandas as pd

        pairs = self._pairs_named(scenario, kind)
        place = self._place(pairs, measure)
        index = pd.MultiIndex.from_product([pairs.replicates, pairs.quarters], names=["replicate", "quarter"])
        values = pairs.reference[:, :, place].ravel(), pairs.scenario[:, :, place].ravel()
        return pd.DataFrame(
            {"reference": values[0], "scenario": values[1], "difference": values[1] - values[0]}, index=index
        )

    def path(self, scenario: str, measure: str, kind: Kind | None = None) -> pd.DataFrame:
        """Effect and its intervals year by year.

        Parameters
        ----------
        scenario, measure, kind
            As for :meth:`pairs`.

        Returns
        -------
        pandas.DataFrame
            By quarter: reference_mean, scenario_mean, effect, ci90_low, ci90_high, ci95_low, ci95_high.
        """
        import pandas as pd

        pairs = self._pairs_named(scenario, kind)
        place = self._place(pairs, measure)
        found = paired(pairs.scenario[:, :, place], pairs.reference[:, :, place])
        means = {"reference_mean": found.reference, "scenario_mean": found.scenario, "effect": found.effect}
        columns = means | found.ends()
        return pd.DataFrame(columns, index=pd.Index(pairs.quarters, name="quarter"))

    def ranking(
        self, measure: str = "hhi_revenue", horizon: str | int | None = None, *, kind: Kind = "policy"
    ) -> pd.DataFrame:
        """Scenarios by their effect on a measure, lowest first.

        Parameters
        ----------
        measure : str
        horizon : str or int, optional
            A quarter or year; the last by default.
        kind : {"policy", "world"}

        Returns
        -------
        pandas.DataFrame
            Rank, scenario, effect, 95% interval, verdict, and ``share_first``: the share of replicates in which the
            scenario's effect is the lowest of all, ties shared.
        """
        quarter = self._quarter(horizon)
        _require_kind(kind)
        chosen = [c for c in self.contrasts if c.kind == kind and self._paired(c) is not None]
        rows = table_of(chosen, self._all_pairs(), [quarter], self.measures) if chosen else self.effects.iloc[:0]
        self._require(measure)
        rows = rows[rows["measure"] == measure]
        columns = ["scenario", "effect", "relative_effect", "ci95_low", "ci95_high", "verdict", "n"]
        frame = rows[columns].copy()
        frame["share_first"] = self._share_first(chosen, measure, quarter)
        frame = frame.sort_values("effect", kind="stable", ignore_index=True)
        frame.insert(0, "rank", np.arange(1, len(frame) + 1))
        return frame

    def _share_first(self, contrasts: Sequence[Contrast], measure: str, quarter: str) -> np.ndarray[Any, Any]:
        """Share of the replicates that all have, in which each is lowest."""
        differences = []
        for contrast in contrasts:
            pairs = self._all_pairs()[contrast.run, contrast.reference]
            place, year = self._place(pairs, measure), pairs.quarters.index(quarter)
            change = pairs.scenario[:, year, place] - pairs.reference[:, year, place]
            differences.append(dict(zip(pairs.replicates.tolist(), change.tolist(), strict=True)))
        common = sorted(set.intersection(*(set(each) for each in differences))) if differences else []
        table = np.array([[each[number] for number in common] for each in differences])
        table = table[:, np.isfinite(table).all(axis=0)] if len(common) else np.zeros((len(contrasts), 0))
        is_first = table == table.min(axis=0) if table.shape[1] else table
        with np.errstate(invalid="ignore"):
            return np.asarray((is_first / is_first.sum(axis=0)).mean(axis=1) if table.shape[1] else np.nan)

    # -- trade-offs -------------------------------------------------------------------------

    def tradeoffs(
        self, horizon: str | int | None = None, *, index: str = "hhi_revenue", kind: Kind = "policy"
    ) -> pd.DataFrame:
        """Concentration, power, gains, costs, small firms, energy and welfare side by side, never one number.

        Parameters
        ----------
        horizon : str or int, optional
            One of the horizons; the last by default.
        index : str
            Measure in points of which costs are counted.
        kind : {"policy", "world"}

        Returns
        -------
        pandas.DataFrame
            By scenario: effects on the measures of ``sim.comparison.tradeoffs.TRADED``; fiscal and welfare cost of one
            point less of the index ($bn since the start, with Fieller's 95% interval); whether the scenario is in the
            Pareto set of :meth:`pareto`, and in which share of replicates.
        """
        quarter = self._shown_horizon(horizon)
        self._require(index)
        _require_kind(kind)
        wide = traded(self.effects, TRADED, quarter, kind)
        named = self._named(kind)
        if not named:
            return wide
        costs = cost_per_point(named, quarter, index).set_index("scenario")
        front = self.pareto(quarter, kind=kind).set_index("scenario")[["is_pareto", "share_pareto"]]
        return wide.join(costs).join(front)

    def pareto(
        self,
        horizon: str | int | None = None,
        *,
        objectives: Mapping[str, int] = OBJECTIVES,
        kind: Kind = "policy",
    ) -> pd.DataFrame:
        """Scenarios, and doing nothing, that no other beats in every objective.

        Parameters
        ----------
        horizon : str or int, optional
            A quarter or year; the last by default.
        objectives : mapping of str to int
            1 where more of a measure is wanted, -1 where less is.
        kind : {"policy", "world"}

        Returns
        -------
        pandas.DataFrame
            Scenario, ``is_pareto`` by mean effects, ``share_pareto`` of replicates, and the mean effects.
        """
        _require_objectives(objectives)
        for measure in objectives:
            self._require(measure)
        named = self._named(kind)
        if not named:
            message = f"this comparison has no effect of {kind}"
            raise ResultError(message)
        return pareto_set(named, self._quarter(horizon), objectives, self.baseline.name)

    def who_pays(
        self, horizon: str | int | None = None, *, since_start: bool = False, kind: Kind = "policy"
    ) -> pd.DataFrame:
        """Gain or loss of buyers, developers, lenders, owners, makers and government, which add up to welfare.

        Parameters
        ----------
        horizon : str or int, optional
            A quarter or year; the last by default.
        since_start : bool
            All years up to then, instead of that year.
        kind : {"policy", "world"}

        Returns
        -------
        pandas.DataFrame
            Scenario, party, effect ($bn) with intervals, n.
        """
        return gains_by_party(self._named(kind), self._quarter(horizon), since_start=since_start)

    def disagreements(self) -> pd.DataFrame:
        """Where indices of one variable clearly move in different directions, at the horizons."""
        return disagreeing(self.effects)

    def rank_flips(
        self, variable: str = "revenue", horizon: str | int | None = None, *, kind: Kind = "policy"
    ) -> pd.DataFrame:
        """How the order of scenarios by HHI of a variable changes with the index.

        Parameters
        ----------
        variable : str
            Such as revenue, power, compute_used; see ``sim.observe.VARIABLES``.
        horizon : str or int, optional
            One of the horizons; the last by default.
        kind : {"policy", "world"}

        Returns
        -------
        pandas.DataFrame
            Index (``yardstick``), Kendall's tau-b with the order by HHI, and the pairs of scenarios that flip.
        """
        self._require(f"hhi_{variable}")
        _require_kind(kind)
        found = oriented_effects(self.effects, variable, self._shown_horizon(horizon), kind)
        return flips(found, "hhi")

    def family_flips(
        self, measure: str = "hhi_power", horizon: str | int | None = None, *, kind: Kind = "policy"
    ) -> pd.DataFrame:
        """How the order of scenarios changes with the power family; needs ``families`` in :func:`sim.compare`.

        Orders are compared with that by the effects themselves, under the baseline's own family.

        Parameters
        ----------
        measure : str
            One of the shown measures.
        horizon : str or int, optional
            One of the horizons; the last by default.
        kind : {"policy", "world"}

        Raises
        ------
        ResultError
            When no other family was tried.
        """
        quarter = self._shown_horizon(horizon)
        _require_kind(kind)
        own = self.baseline.power.family

        def by_scenario(rows: pd.DataFrame) -> dict[str, float]:
            rows = rows[(rows["measure"] == measure) & (rows["horizon"] == quarter) & (rows["kind"] == kind)]
            return dict(zip(rows["scenario"], rows["effect"], strict=True))

        tried = self.robustness[self.robustness["variant"] == FAMILY]
        found = {str(family): by_scenario(rows) for family, rows in tried.groupby("value", sort=False)}
        others = {family: effects for family, effects in found.items() if effects and family != own}
        if not others:
            message = (
                f"no other power family was tried for {measure}; compare with families=, or --families, and with "
                f"{measure} among the measures shown"
            )
            raise ResultError(message)
        return flips({own: by_scenario(self.effects), **others}, own)

    def _named(self, kind: Kind) -> dict[str, Pairs]:
        """Pairs by scenario."""
        _require_kind(kind)
        chosen = [(contrast, self._paired(contrast)) for contrast in self.contrasts if contrast.kind == kind]
        return {contrast.scenario: pairs for contrast, pairs in chosen if pairs is not None}

    def _quarter(self, horizon: str | int | None) -> str:
        return _quarter_of(self.quarters, self.horizons[-1] if horizon is None else horizon)

    def _shown_horizon(self, horizon: str | int | None) -> str:
        return _quarter_of(self.horizons, self.horizons[-1] if horizon is None else horizon)

    def widest(self, measures: Sequence[str]) -> dict[str, float]:
        """Largest half-width of a 95% interval over contrasts and horizons, by measure."""
        widths: dict[str, float] = dict.fromkeys(measures, 0.0)
        for pairs in self._all_pairs().values():
            years = [pairs.quarters.index(quarter) for quarter in self.horizons]
            for measure in measures:
                place = self._place(pairs, measure)
                found = paired(pairs.scenario[:, years, place], pairs.reference[:, years, place])
                half = found.half_width(0.95)
                if found.n.any():
                    widths[measure] = max(widths[measure], float(np.max(np.where(np.isfinite(half), half, np.inf))))
        return widths

    # -- inside ---------------------------------------------------------------------------

    def _all_pairs(self) -> dict[tuple[str, str], Pairs]:
        """Pairs of every contrast that has any, by keys of run and reference."""
        for contrast in self.contrasts:
            self._paired(contrast)
        return self._pairs

    def _paired(self, contrast: Contrast) -> Pairs | None:
        keys = contrast.run, contrast.reference
        if keys not in self._pairs:
            run, reference = (self.outcomes[key] for key in keys)
            if not len(np.intersect1d(run.replicates, reference.replicates)):
                return None
            mine, theirs = (self._design.runs[key] for key in keys)
            worlds = self._worlds
            self._pairs[keys] = pairs_of(
                run, reference, lambda r: (worlds.of(mine, r), worlds.of(theirs, r)), n_sets_of(self.baseline)
            )
        return self._pairs[keys]

    def _pairs_named(self, scenario: str, kind: Kind | None) -> Pairs:
        chosen = [c for c in self.contrasts if c.scenario == scenario and kind in (None, c.kind)]
        if not chosen:
            kinds = {c.scenario: c.kind for c in self.contrasts}
            what = f"no effect of {kind}" if scenario in kinds else "no scenario of that name"
            message = f"{scenario!r}: this comparison has {what}; it has {', '.join(kinds)}"
            raise ResultError(message)
        pairs = self._paired(chosen[0])
        if pairs is None:
            message = f"no pair of {scenario!r} and {chosen[0].against!r} succeeded; see comparison.failures"
            raise ResultError(message)
        return pairs

    def _place(self, pairs: Pairs, measure: str) -> int:
        self._require(measure)
        return pairs.names.index(measure)

    def _require(self, measure: str) -> None:
        if measure not in self._names:
            chosen_measures(self._names, [measure])

    # -- artefacts ------------------------------------------------------------------------

    def plot(self, figure: str | None = None, **options: Any) -> Figure:
        """Draw one of the figures.

        Parameters
        ----------
        figure : str, optional
            A name in ``sim.report.figures.COMPARISON_FIGURES``; the effect plot when left out.
        **options
            What that figure takes: ``measures`` (effects, paths), ``scenarios`` (paths), ``x`` and ``y`` (tradeoff),
            ``horizon`` (all but paths).

        Raises
        ------
        ResultError
            When there is no figure of that name, or it takes no such option.
        InputError
            When there is no such measure, scenario or horizon, or the figure has no room for so many.
        """
        from sim.report.figures.effects import COMPARISON_FIGURES

        name = figure or next(iter(COMPARISON_FIGURES))
        if name not in COMPARISON_FIGURES:
            message = f"there is no figure {name!r}; the figures are {', '.join(COMPARISON_FIGURES)}"
            raise ResultError(message)
        draw = COMPARISON_FIGURES[name]
        _, *takes = signature(draw).parameters
        for option in options:
            if option not in takes:
                message = f"the figure {name!r} takes no {option!r}; it takes {', '.join(takes)}"
                raise ResultError(message)
        for measure in (each for key in ("measures", "x", "y") for each in listed(options.get(key))):
            self._require(measure)
        if "horizon" in options:
            options["horizon"] = self._shown_horizon(options["horizon"])
        return draw(self, **options)

    def save(self, folder: str | Path, *, figures: bool = True) -> Path:
        """Write tables, scenarios, figures and manifest to a new folder.

        Parameters
        ----------
        folder : str or Path
            A folder that does not exist yet, or is empty.
        figures : bool
            Whether to draw them.

        Raises
        ------
        StoreError
            When the folder exists already or cannot be written; nothing is left behind.
        """
        from sim.comparison import storage

        return storage.write(self, Path(folder), figures=figures)

    def report(self, folder: str | Path, *, force: bool = False, progress: bool = False) -> Path:
        """Write a report that one can send: one HTML file that needs no network, figures, tables as CSV and LaTeX.

        Parameters
        ----------
        folder : str or Path
            Made when it is missing.
        force : bool
            Replace another report that is there already.
        progress : bool
            Show a progress bar on standard error, if that is a terminal.

        Returns
        -------
        pathlib.Path
            The page, ``report.html``.

        Raises
        ------
        StoreError
            When the folder holds another report or cannot be written.
        """
        from sim.report import page

        return page.write(self, folder, force=force, progress=progress).page

    def __repr__(self) -> str:
        where = f", folder={str(self.folder)!r}" if self.folder is not None else ""
        return (
            f"Comparison({self.baseline.name!r}, {counted(len(self.scenarios), 'scenario')}, "
            f"{counted(self.n_replicates, 'replicate')}{where})"
        )


def load_comparison(folder: str | Path) -> Comparison:
    """Read a comparison back from its folder.

    Parameters
    ----------
    folder : str or Path
        As written by ``aipower compare`` or ``sim.compare(out=...)``.

    Returns
    -------
    Comparison

    Raises
    ------
    ResultError
        When the folder does not hold a comparison, or was written by a newer version.
    StoreError
        When a file is missing or damaged.
    """
    from sim.comparison import storage

    return storage.read(folder)


def _no_rows() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(columns=list(ROBUSTNESS_COLUMNS))


FLYWHEEL, FAMILY = "flywheel", "power family"
"""Variants of ``Comparison.robustness``."""

ROBUSTNESS_COLUMNS = (
    "variant",
    "value",
    "scenario",
    "kind",
    "measure",
    "horizon",
    "effect",
    "ci95_low",
    "ci95_high",
    "direction",
    "n",
)
"""Columns of ``Comparison.robustness``."""


def _require_kind(kind: str) -> None:
    if kind not in get_args(Kind):
        message = f"there is no kind of effect {kind!r}; allowed: {', '.join(get_args(Kind))}"
        raise InputError(message)


def _require_objectives(objectives: object) -> None:
    if not isinstance(objectives, Mapping) or not objectives or not set(objectives.values()) <= {1, -1}:
        message = f"objectives are a mapping of measures to 1 or -1, such as {OBJECTIVES}, not {objectives!r}"
        raise InputError(message)


def chosen_horizons(quarters: Sequence[str], asked: Sequence[str | int] | None) -> tuple[str, ...]:
    """Quarters to show: those asked for, or 2030Q4 and the last.

    Raises
    ------
    InputError
        When one is not the last simulated quarter of a year.
    """
    if asked:
        return tuple(dict.fromkeys(_quarter_of(quarters, horizon) for horizon in asked))
    return tuple(dict.fromkeys([*(quarter for quarter in SHOWN if quarter in quarters), quarters[-1]]))


def _quarter_of(quarters: Sequence[str], horizon: str | int) -> str:
    """The recorded quarter that a horizon, a quarter or a year, stands for.

    Examples
    --------
    >>> _quarter_of(("2024Q4", "2025Q4"), 2025), _quarter_of(("2024Q4", "2025Q4"), "2024Q4")
    ('2025Q4', '2024Q4')
    """
    text = str(horizon)
    for quarter in quarters:
        if text in (quarter, quarter[:4]):
            return quarter
    try:
        near = f"{Quarter.parse(text).year}Q4"
    except InputError:
        near = ""
    hint = f"; try {near}" if near in quarters else ""
    message = (
        f"horizon {text!r} is not compared: values are those of years, under each year's last simulated quarter; "
        f"allowed: {', '.join(quarters)}{hint}"
    )
    raise InputError(message)


def chosen_measures(known: Sequence[str], asked: Sequence[str] | None) -> tuple[str, ...]:
    """Measures to show: those asked for, or the headlines that the worlds have.

    Raises
    ------
    InputError
        When one is unknown; the nearest is named.
    """
    if not asked:
        return tuple(name for name in HEADLINES if name in known)
    require_known("measure", asked, known)
    return tuple(dict.fromkeys(asked))
