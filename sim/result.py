"""What a run leaves in the user's hands: tables, a summary, networks and figures.

``sim.run(sim.load_scenario("baseline"))`` returns a :class:`Result`; ``sim.load_result(folder)``
reads one back. Tables are pandas frames, made when they are first asked for.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from sim.arguments import listed, require_known
from sim.errors import ResultError
from sim.frames import LAYERS, frames, grid
from sim.quarters import Quarter, quarter_range
from sim.stored_table import StoredTable
from sim.units import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import networkx as nx
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from sim.manifests import Verification
    from sim.observe import Measure, Recording
    from sim.scenario import Scenario
    from sim.store import Blocks

TABLES = ("measures", "firms", "owners", "makers", "flows", "networks", "events", "failures")
"""The tables of a result, in the order in which its README names them."""

GRIDS = ("measures", "firms", "owners", "makers")
"""Tables whose keys form a grid that is filled, or nearly so; the others are lists."""

SUMMED_VALUES = 1 << 20
"""Values of measures, about 8 MB, that a summary takes into memory at a time, or else those of one measure."""

LOW, HIGH = 0.05, 0.95
"""Ends of the range over replicates that every table and figure shows."""

Leader = Literal["revenue", "power", "compute_used"]


@dataclass(frozen=True)
class Actors:
    """Names of the actors, by slot.

    Attributes
    ----------
    firms : tuple of str
        One entry a firm slot; entrants' slots are named in order and reused.
    owners, makers : tuple of str
        Compute owners and chip makers.
    """

    firms: tuple[str, ...]
    owners: tuple[str, ...]
    makers: tuple[str, ...]


class Result:
    """Outcome of a run.

    Made by :func:`run`, :meth:`from_recording` or :func:`sim.load_result`, never by hand.

    Attributes
    ----------
    scenario : Scenario
        The resolved scenario.
    actors : Actors
        Names of firms, owners and makers by slot.
    catalogue : dict of str to Measure
        Unit, population, aggregation and meaning of each column of ``measures``.
    timing : dict of str to float
        Seconds spent, by stage.
    folder : pathlib.Path or None
        Where the result is stored, if it is.
    manifest : dict
        Contents of ``manifest.json``; empty while the result is not stored.
    is_reused : bool
        Whether :func:`run` found this result complete on disk instead of computing it.
    n_resumed : int
        Blocks of replicates that :func:`run` found finished by an interrupted run instead of computing them.
    lost : tuple of int
        Replicates among ``failures`` that were not computed because no worker survived them.
    computed_by : dict or None
        Code, libraries and CPU level of the workers that computed it, where those are not this process's.
    """

    def __init__(
        self,
        scenario: Scenario,
        actors: Actors,
        catalogue: Mapping[str, Measure],
        tables: Mapping[str, Callable[[], pd.DataFrame]],
        timing: Mapping[str, float],
    ) -> None:
        self.scenario = scenario
        self.actors = actors
        self.catalogue = dict(catalogue)
        self.timing = dict(timing)
        self.folder: Path | None = None
        self.manifest: dict[str, Any] = {}
        self.is_reused = False
        self.n_resumed = 0
        self.lost: tuple[int, ...] = ()
        self.computed_by: dict[str, Any] | None = None
        self._makers_of_tables = dict(tables)
        self._tables: dict[str, pd.DataFrame] = {}
        self._known: dict[tuple[str, str], list[Any]] = {}
        self._summary: pd.DataFrame | None = None

    @classmethod
    def from_recording(
        cls, scenario: Scenario, recording: Recording, timing: Mapping[str, float] | None = None
    ) -> Self:
        """Wrap what the engine recorded.

        Parameters
        ----------
        scenario : Scenario
            The resolved scenario that was run.
        recording : Recording
            Arrays ``[replicate, quarter]`` and ``[replicate, quarter, actor]``.
        timing : mapping of str to float, optional
            Seconds spent, by stage.
        """
        from sim.observe import described

        actors = Actors(
            tuple(recording.firm_names),
            tuple(recording.owner_names),
            tuple(recording.maker_names),
        )
        catalogue = {name: described(name) for name in recording.measures}
        return cls(scenario, actors, catalogue, frames(recording), timing or {})

    # -- tables ---------------------------------------------------------------------------

    def table(self, name: str) -> pd.DataFrame:
        """Return one of the tables by name.

        Raises
        ------
        ResultError
            When there is no table of that name.
        """
        if name in TABLES and name not in self._makers_of_tables:
            message = (
                f"this result has no table of {name}: it was written by an aipower that did not record them yet; "
                "run the scenario again"
            )
            raise ResultError(message)
        if name not in self._makers_of_tables:
            message = f"a result has no table {name!r}; its tables are {', '.join(TABLES)}"
            raise ResultError(message)
        if name not in self._tables:
            self._tables[name] = self._makers_of_tables[name]()
        return self._tables[name]

    def pieces(self, table: str, columns: Sequence[str] | str) -> Iterator[pd.DataFrame]:
        """Some columns of a table and its index, for some replicates after the other, each of them whole.

        Of a stored result no other columns are read, and memory holds one piece at a time; in memory there is one.

        Parameters
        ----------
        table : str
        columns : str or sequence of str
            Those of the index are there in any case.

        Raises
        ------
        ResultError
            When there is no table of that name, or it has no such column.
        """
        names = listed(columns)
        stored = self._stored(table)
        known = self.table(table).columns if stored is None else stored.columns
        for name in names:
            if name not in known:
                message = f"the table {table} has no column {name!r}; result.column_names({table!r}) gives all"
                raise ResultError(message)
        if stored is None:
            yield self.table(table)[names]
        else:
            yield from stored.pieces(names)

    def read_from(self, folder: Path) -> None:
        """Take tables from the Parquet files of a folder, as far as they are asked for, instead of from memory."""
        self._tables.clear()
        self._known.clear()
        self._summary = None
        self._makers_of_tables = {name: StoredTable(folder / f"{name}.parquet") for name in TABLES}

    def column_names(self, table: str) -> tuple[str, ...]:
        """Names of a table's columns, those of its index first."""
        if (stored := self._stored(table)) is not None:
            return stored.names
        frame = self.table(table)
        return (*(str(name) for name in frame.index.names if name is not None), *map(str, frame.columns))

    def _stored(self, table: str) -> StoredTable | None:
        """A table that is on disk and not yet in memory."""
        maker = self._makers_of_tables.get(table)
        return maker if isinstance(maker, StoredTable) and table not in self._tables else None

    def _distinct(self, table: str, key: str) -> list[Any]:
        """Different replicates or quarters of a table, in order."""
        if (table, key) not in self._known:
            if (stored := self._stored(table)) is not None:
                self._known[table, key] = stored.distinct(key)
            else:
                frame = self.table(table)
                values = frame[key] if key in frame.columns else frame.index.get_level_values(key)
                self._known[table, key] = sorted(values.unique())
        return self._known[table, key]

    @property
    def measures(self) -> pd.DataFrame:
        """Measures by (replicate, quarter); one column a measure, units in ``catalogue``."""
        return self.table("measures")

    @property
    def firms(self) -> pd.DataFrame:
        """Active firms by (replicate, quarter, firm)."""
        return self.table("firms")

    @property
    def owners(self) -> pd.DataFrame:
        """Compute owners by (replicate, quarter, owner)."""
        return self.table("owners")

    @property
    def makers(self) -> pd.DataFrame:
        """Chip makers by (replicate, quarter, maker)."""
        return self.table("makers")

    @property
    def flows(self) -> pd.DataFrame:
        """Payments by (replicate, quarter, flow): payer, payee, amount ($bn per quarter)."""
        return self.table("flows")

    @property
    def table_names(self) -> tuple[str, ...]:
        """The tables that this result has; those stored by older versions may lack some."""
        return tuple(name for name in TABLES if name in self._makers_of_tables)

    @property
    def events(self) -> pd.DataFrame:
        """What happened to whom: replicate, quarter, event, actor, detail; one row an event."""
        return self.table("events")

    @property
    def failures(self) -> pd.DataFrame:
        """Replicates that failed: quarter and reason by replicate; empty when none did."""
        return self.table("failures")

    @property
    def replicates(self) -> NDArray[np.int64]:
        """Numbers of the replicates that succeeded."""
        return np.asarray(self._distinct("measures", "replicate"), dtype=np.int64)

    @property
    def quarters(self) -> tuple[str, ...]:
        """Labels of the quarters that measures are kept of, in order: every one, or the last of each year."""
        return tuple(self._distinct("measures", "quarter"))

    @property
    def simulated_quarters(self) -> tuple[str, ...]:
        """Labels of the quarters simulated, in order."""
        horizon = self.scenario.horizon
        return tuple(map(str, quarter_range(Quarter.parse(horizon.start), Quarter.parse(horizon.end))))

    @property
    def years(self) -> tuple[int, ...]:
        """Calendar years that the horizon touches, in order."""
        return tuple(sorted({int(quarter[:4]) for quarter in self.quarters}))

    def equals(self, other: Result) -> bool:
        """Whether the scenario's numbers and every table are the same, bit for bit."""
        return (
            self.scenario.content_hash() == other.scenario.content_hash()
            and self.actors == other.actors
            and self.catalogue == other.catalogue
            and self.table_names == other.table_names
            and all(self.table(name).equals(other.table(name)) for name in self.table_names)
        )

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of what determines the numbers."""
        return self.scenario.content_hash()

    # -- questions ------------------------------------------------------------------------

    def yearly(self, measures: Sequence[str] | str | None = None) -> pd.DataFrame:
        """Measures by (replicate, year), each with its own aggregation.

        Stocks give the last quarter of the year, flows the sum, mean or maximum that the
        catalogue declares. A year that the horizon covers in part holds the part.

        Parameters
        ----------
        measures : sequence of str or str, optional
            Only these; of a stored result, no others are read.

        Raises
        ------
        InputError
            When there is no measure of that name.
        """
        import pandas as pd

        from sim.observe.catalogue import AGGREGATES

        columns = list(self.catalogue) if measures is None else listed(measures)
        require_known("measure", columns, self.catalogue)
        stored = self._stored("measures")
        flat = self.measures[columns].to_numpy() if stored is None else stored.values(columns)
        cube = flat.reshape(len(self.replicates), len(self.quarters), len(columns))
        year_of = np.array([int(quarter[:4]) for quarter in self.quarters])
        index = pd.MultiIndex.from_product([self.replicates, self.years], names=["replicate", "year"])
        values = np.empty((len(self.replicates), len(self.years), len(columns)))
        kinds = np.array([self.catalogue[name].aggregation for name in columns], dtype=str)
        for kind, aggregate in AGGREGATES.items():
            chosen = kinds == kind
            for position, year in enumerate(self.years):
                block = cube[:, year_of == year][:, :, chosen]
                values[:, position, chosen] = aggregate(block)
        return pd.DataFrame(values.reshape(len(index), len(columns)), index=index, columns=columns)

    def summary(self) -> pd.DataFrame:
        """Mean and quantiles over replicates of each measure's yearly values.

        Returns
        -------
        pandas.DataFrame
            Columns measure, year, mean, p5, p50, p95, unit; a replicate in which the measure is
            undefined is left out of that row.
        """
        import pandas as pd

        if self._summary is None:
            names = list(self.catalogue)
            at_once = max(SUMMED_VALUES // (len(self.replicates) * len(self.quarters)), 1)
            parts = [self._summary_of(names[k : k + at_once]) for k in range(0, len(names), at_once)]
            self._summary = pd.concat(parts, ignore_index=True)
        return self._summary.copy()

    def _summary_of(self, measures: Sequence[str]) -> pd.DataFrame:
        import pandas as pd

        groups = self.yearly(measures).groupby(level="year")
        parts = {"mean": groups.mean()}
        for label, share in (("p5", LOW), ("p50", 0.5), ("p95", HIGH)):
            parts[label] = groups.quantile(share)
        index = pd.MultiIndex.from_product([measures, self.years], names=["measure", "year"])
        values = {label: part.to_numpy().T.ravel() for label, part in parts.items()}
        frame = pd.DataFrame(values, index=index).reset_index()
        frame["unit"] = [self.catalogue[name].unit for name in frame["measure"]]
        return frame

    def variance(self) -> pd.DataFrame:
        """Spread over replicates of each measure's yearly values, from luck and from parameters.

        Returns
        -------
        pandas.DataFrame
            Columns measure, year, sd_luck, sd_parameters, luck_share (of the variance) and unit. Where the scenario
            has ``uncertainty: none``, all spread is luck's. Where parameter sets are drawn, the parts are those of
            an analysis of variance (``sim.variance``), undefined for fewer than two sets of two replicates.
        """
        import pandas as pd

        from sim.parameter_sets import parameter_sets, set_of_replicate
        from sim.variance import variance_parts

        frame = self.yearly()
        columns = list(frame.columns)
        values = frame.to_numpy().reshape(len(self.replicates), len(self.years), len(columns))
        if self.scenario.uncertainty == "none":
            luck = values.var(axis=0, ddof=1) if len(values) > 1 else np.full(values.shape[1:], np.nan)
            parameters = np.zeros_like(luck)
        else:
            n_sets = len(parameter_sets(self.scenario.world.base).sets)
            luck, parameters = variance_parts(values, [set_of_replicate(int(r), n_sets) for r in self.replicates])
        both = luck + parameters
        share = np.divide(luck, both, out=np.full_like(both, np.nan), where=both > 0.0)
        index = pd.MultiIndex.from_product([columns, self.years], names=["measure", "year"])
        parts = {"sd_luck": np.sqrt(luck), "sd_parameters": np.sqrt(parameters), "luck_share": share}
        found = pd.DataFrame({name: part.T.ravel() for name, part in parts.items()}, index=index).reset_index()
        found["unit"] = [self.catalogue[name].unit for name in found["measure"]]
        return found

    def leaders(self, year: int, by: Leader = "revenue") -> pd.Series[float]:
        """Probability that each firm leads at the end of a year.

        Parameters
        ----------
        year : int
            A year of the horizon.
        by : {"revenue", "power", "compute_used"}
            What the leader leads in.

        Returns
        -------
        pandas.Series
            Share of replicates by firm name, largest first; sums to 1.

        Raises
        ------
        ResultError
            When the year is outside the horizon or nothing is known about ``by``.
        """
        import pandas as pd

        measure = f"leader_{by}"
        if measure not in self.catalogue:
            known = [name[7:] for name in self.catalogue if name.startswith("leader_")]
            message = f"no leader by {by!r} was recorded; choose one of {', '.join(known)}"
            raise ResultError(message)
        if str(year) not in map(str, self.years):
            message = f"year {year} is outside the horizon; choose {self.years[0]} to {self.years[-1]}"
            raise ResultError(message)
        slots = self.yearly([measure])[measure].xs(int(year), level="year").dropna().astype(int)
        names = pd.Series([self.actors.firms[slot] for slot in slots], dtype="str")
        shares = names.value_counts(normalize=True).rename("probability").rename_axis("firm")
        order = sorted(shares.index, key=lambda name: (-shares[name], name))
        return shares.loc[order]

    def network(self, quarter: str, replicate: int | None = None) -> nx.DiGraph[str]:
        """Supply network of a quarter: maker to owner to firm.

        Parameters
        ----------
        quarter : str
            One of the quarters named under ``record: networks`` in the scenario.
        replicate : int, optional
            One replicate; the mean over all when left out.

        Returns
        -------
        networkx.DiGraph
            Nodes are named ``"maker:Nvidia"``, with attributes ``kind`` (maker, owner, firm) and
            ``name``; edges carry ``weight`` in M H100e: chips delivered in the year to date
            (maker to owner), compute rented in the quarter (owner to firm).

        Raises
        ------
        ResultError
            When the quarter or replicate was not recorded.
        """
        import networkx as nx

        weights = self._network_weights(str(quarter), replicate)
        graph: nx.DiGraph[str] = nx.DiGraph(quarter=str(quarter))
        for kind, names in self._names_by_kind().items():
            graph.add_nodes_from((f"{kind}:{name}", {"kind": kind, "name": name}) for name in names)
        for (layer, seller, buyer), weight in weights.items():
            supplier, customer = LAYERS[layer]
            graph.add_edge(f"{supplier}:{seller}", f"{customer}:{buyer}", weight=float(weight))
        return graph

    def network_quarters(self) -> tuple[str, ...]:
        """Quarters whose supply network was recorded."""
        return tuple(self._distinct("networks", "quarter"))

    def firm_quarters(self) -> tuple[str, ...]:
        """Quarters whose table of firms was recorded."""
        return tuple(self._distinct("firms", "quarter"))

    def _network_weights(self, quarter: str, replicate: int | None) -> dict[tuple[str, str, str], float]:
        known = self.network_quarters()
        if quarter not in known:
            message = (
                f"no supply network was recorded for {quarter}; recorded: "
                f"{', '.join(known) or 'none'}. Name it under record: networks and run again"
            )
            raise ResultError(message)
        if replicate is not None and replicate not in self.replicates:
            message = f"there is no replicate {replicate}; choose one of {self.replicates.tolist()}"
            raise ResultError(message)
        n_averaged = len(self.replicates) if replicate is None else 1
        keys = ["layer", "seller", "buyer"]
        totals: defaultdict[tuple[str, str, str], float] = defaultdict(float)
        for frame in self.pieces("networks", ["replicate", "quarter", *keys, "weight"]):
            chosen = frame["quarter"] == quarter
            if replicate is not None:
                chosen &= frame["replicate"] == replicate
            sums = frame[chosen].groupby(keys, as_index=False, observed=True)["weight"].sum()
            links = zip(sums["layer"], sums["seller"], sums["buyer"], strict=True)
            for (layer, seller, buyer), weight in zip(links, sums["weight"], strict=True):
                totals[str(layer), str(seller), str(buyer)] += float(weight)
        return {link: weight / n_averaged for link, weight in totals.items()}

    def _names_by_kind(self) -> dict[str, tuple[str, ...]]:
        return {"maker": self.actors.makers, "owner": self.actors.owners, "firm": self.actors.firms}

    def to_xarray(self, table: str = "measures") -> xr.Dataset:
        """Give a table as arrays with named axes; needs the library xarray.

        Parameters
        ----------
        table : {"measures", "firms", "owners", "makers"}
            One of the tables whose keys form a grid.

        Returns
        -------
        xarray.Dataset
            Axes (replicate, quarter), and firm, owner or maker where the table has one: those that occur, in the order
            of ``actors``. Each variable has the attributes ``units`` and ``long_name``. Where a firm is not active,
            numbers are NaN and text is empty.

        Raises
        ------
        ResultError
            When the table is none of these.
        ImportError
            When xarray is not installed.
        """
        import pandas as pd

        from sim.table_files import columns_of

        if table not in GRIDS:
            message = f"table {table!r} has no grid of keys; choose one of {', '.join(GRIDS)}"
            raise ResultError(message)
        try:
            import xarray as xr
        except ImportError as error:
            message = "to_xarray() needs xarray, which is not installed; run `python -m pip install xarray`"
            raise ImportError(message) from error
        frame = self.table(table)
        index: pd.MultiIndex = frame.index.remove_unused_levels()  # type: ignore[attr-defined]
        names = [str(name) for name in index.names]
        levels, place = [], []
        for name, known, codes in zip(names, index.levels, index.codes, strict=True):
            level = pd.Index([label for label in self._names_by_kind().get(name, known) if label in known])
            levels.append(level.to_numpy(dtype=object))
            place.append(level.get_indexer(known)[codes])
        shape = tuple(map(len, levels))
        described = columns_of(self, table)
        variables = {}
        for name in map(str, frame.columns):
            unit, sentence = described[name]
            cells = grid(frame[name], shape, tuple(place))
            variables[name] = (names, cells, {"units": unit, "long_name": sentence})
        coordinates = {
            name: (name, level.astype(np.int64 if name == "replicate" else str), {"long_name": described[name][1]})
            for name, level in zip(names, levels, strict=True)
        }
        about = {"scenario": self.scenario.name, "content_hash": self.scenario.content_hash()}
        return xr.Dataset(variables, coordinates, about | {"seed": self.scenario.run.seed})

    # -- artefacts ------------------------------------------------------------------------

    def plot(self, figure: str | None = None) -> Figure:
        """Draw one of the figures.

        Parameters
        ----------
        figure : str, optional
            A name in ``sim.report.figures.FIGURES``; the concentration paths when left out.

        Raises
        ------
        ResultError
            When there is no figure of that name, or what it shows was not recorded.
        """
        from sim.report.figures import FIGURES

        name = figure or next(iter(FIGURES))
        if name not in FIGURES:
            message = f"there is no figure {name!r}; the figures are {', '.join(FIGURES)}"
            raise ResultError(message)
        return FIGURES[name](self)

    def save(self, folder: str | Path, *, figures: bool = True, blocks: Blocks | None = None) -> Path:
        """Write tables, figures, README and manifest to a new folder.

        Parameters
        ----------
        folder : str or Path
            A folder that does not exist yet, or is empty.
        figures : bool
            Whether to draw them; they take most of the time of a small run.
        blocks : Blocks, optional
            Where tables come from, block by block; :func:`run` uses it so that memory need not hold them.

        Raises
        ------
        StoreError
            When the folder exists already or cannot be written; nothing is left behind.
        """
        from sim import report, store

        artefacts = report.ARTEFACTS if figures else report.WITHOUT_FIGURES
        return store.write(self, Path(folder), artefacts=artefacts, blocks=blocks)

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
        n_failed = f", {len(self.failures)} failed" if len(self.failures) else ""
        return (
            f"Result({self.scenario.name!r}, {self.quarters[0]} to {self.quarters[-1]}, "
            f"{counted(len(self.replicates), 'replicate')}{n_failed}{where})"
        )


def load_result(folder: str | Path) -> Result:
    """Read a result back from its folder; tables are loaded when first asked for.

    Parameters
    ----------
    folder : str or Path
        As written by ``aipower run`` or ``sim.run(out=...)``.

    Returns
    -------
    Result

    Raises
    ------
    ResultError
        When the folder is not a result folder, is incomplete or was written by a newer version.
    """
    from sim import store

    return store.read(folder)


def verify_result(folder: str | Path) -> Verification:
    """Compare every file of a result folder with its checksum.

    Parameters
    ----------
    folder : str or Path
        Of a run, a comparison or a sweep.

    Returns
    -------
    Verification
        Names of damaged, missing and extra files; ``is_complete`` when none is damaged or missing.

    Raises
    ------
    ResultError
        When the folder is not a result folder.
    """
    from sim.manifests import verify

    return verify(folder)
