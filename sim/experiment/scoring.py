"""The scorecard: how well the baseline meets published facts, which patterns it shows, and what they rest on."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sim.arrays import Array
from sim.errors import AipowerError
from sim.experiment.forecasts import LAST_YEAR, facts, forecast_table
from sim.experiment.patterns import (
    ABLATIONS,
    FOLLOWED,
    NULL,
    PATTERNS,
    SENSITIVITY,
    UNSHOWN,
    headlines,
    patterns,
    patterns_and_headlines,
)
from sim.experiment.sampling import Reduce, sample
from sim.experiment.targets import Target, targets
from sim.observe import described
from sim.parameter_sets import parameter_sets, set_of_replicate
from sim.pool import Pool
from sim.units import counted
from sim.variance import variance_parts

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from sim.scenario import Scenario

BASELINE, BASE = "baseline", "world_2024"
REPLICATES, ENSEMBLE_REPLICATES, VARIANT_REPLICATES = 32, 400, 8
"""Histories of the best fit, of the ensemble, and of each ablation and variant."""

MISSES = {
    "largest_run_growth": "A run is a fixed share of the largest trainer's compute in one quarter, so it grows only as "
    "fast as supply lets that firm grow. The published trend also came from runs that took longer and a "
    "larger part of a lab's compute, and supply cannot follow it to 2030.",
    "open_lag": "By own effective compute, open models (Meta AI's) start close behind and fall back as funding "
    "concentrates on closed labs; the lag is inside the band in later years.",
    "energy_share": "1.74 kW at 70 $ per MWh is 0.12 $ an hour against a rent near 2.7 $. The published band is an "
    "estimate that holds more than electricity.",
    "gini_training": "The model counts some fifty small firms, more than published samples do, which raises the Gini.",
    "compute_xai": "xAI's compute rose from about 8 k to 203 k in 2024, largely in chips of its own; the model lets "
    "its orders and its outlay follow shares, so it jumps less.",
}
"""Why the model misses a target, where it does."""

_TABLES = ("targets", "patterns", "ablations", "sensitivity", "forecasts")
FILES = (*(f"{name}.csv" for name in _TABLES), "scorecard.md", "forecasts.md")
"""What a saved scorecard consists of, besides images."""

_NO_REASON = "No explanation yet."


@dataclass(frozen=True)
class Scorecard:
    """What the scorecard holds.

    Attributes
    ----------
    targets, patterns, ablations, sensitivity, forecasts : pandas.DataFrame
        See ``docs/scorecard.md`` and ``docs/forecasts.md``.
    about : dict of str to str
        Date, version, seed and replicates.
    failures : tuple of str
        Variants that could not run.
    """

    targets: pd.DataFrame
    patterns: pd.DataFrame
    ablations: pd.DataFrame
    sensitivity: pd.DataFrame
    forecasts: pd.DataFrame
    about: dict[str, str]
    failures: tuple[str, ...] = field(default=())

    @property
    def hits(self) -> tuple[int, int]:
        """Fitted targets inside their bands, and fitted targets."""
        fitted = self.targets[self.targets["is_fitted"]]
        return int(fitted["is_hit"].sum()), len(fitted)

    def figures(self) -> dict[str, Figure]:
        """Draw every target beside its band, and which pattern each ablation shows."""
        from sim.report.figures.scorecard import ablations_figure, targets_figure

        return {"scorecard": targets_figure(self), "ablations": ablations_figure(self)}

    def save(self, folder: str | Path) -> list[Path]:
        """Write tables as CSV, figures as PNG and SVG, and the pages ``scorecard.md`` and ``forecasts.md``."""
        from sim.report import style
        from sim.report.scorecard import forecast_page, scorecard_page

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for name in _TABLES:
            written.append(folder / f"{name}.csv")
            getattr(self, name).to_csv(written[-1], index=name == "ablations", float_format="%.6g", lineterminator="\n")
        (folder / "images").mkdir(exist_ok=True)
        for name, figure in self.figures().items():
            written += style.save(figure, folder / "images", name)
        for name, text in (("scorecard", scorecard_page(self)), ("forecasts", forecast_page(self))):
            written.append(folder / f"{name}.md")
            written[-1].write_text(text, encoding="utf-8")
        return written


def scorecard(
    *,
    replicates: int = REPLICATES,
    ensemble_replicates: int = ENSEMBLE_REPLICATES,
    variant_replicates: int = VARIANT_REPLICATES,
    seed: int = 1,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Scorecard:
    """Score the shipped baseline.

    Parameters
    ----------
    replicates : int
        Histories of the best fit.
    ensemble_replicates : int
        Histories over parameter sets, for ranges and forecasts; four share a set.
    variant_replicates : int
        Histories of each ablation and variant.
    seed : int
        Which luck.
    workers : int
        Processes, at least 1; the numbers do not depend on it.
    progress : callable, optional
        Told replicate-quarters done and in all.

    Returns
    -------
    Scorecard

    Raises
    ------
    InputError
        When a number of replicates or workers is not allowed.
    FailureError
        When no replicate of the baseline succeeded.
    """
    with Pool(workers, None, progress) as pool:
        run = partial(_sampled, seed=seed, pool=pool)
        _, at_best = run(BASELINE, facts, replicates, quarters=12)
        numbers, drawn = run(
            BASELINE, facts, ensemble_replicates, quarters=4 * (LAST_YEAR - 2023), changes=["uncertainty=ensemble"]
        )
        _, baseline = run(BASELINE, patterns_and_headlines, variant_replicates)
        failures: list[str] = []
        ablated = {
            name: _tried(run, name, changes, variant_replicates, patterns, failures)
            for name, changes in ABLATIONS.items()
        }
        _, null = run("gibrat_null", patterns, variant_replicates)
        varied = {
            name: _tried(run, name, changes, variant_replicates, headlines, failures)
            for name, changes in SENSITIVITY.items()
        }
    n_sets = len(parameter_sets(BASE).sets)
    sets = [set_of_replicate(int(number), n_sets) for number in numbers]
    return Scorecard(
        _target_table(at_best, drawn, sets),
        _pattern_table(baseline),
        _ablation_table(baseline, ablated, null),
        _sensitivity_table(baseline, varied),
        forecast_table(drawn, sets, 2024),
        _about(seed, replicates, len(numbers), len(set(sets)), variant_replicates),
        tuple(failures),
    )


def _sampled(
    name: str,
    reduce: Reduce,
    replicates: int,
    *,
    seed: int,
    pool: Pool,
    quarters: int | None = None,
    changes: Sequence[str] = (),
) -> tuple[Array, dict[str, Array]]:
    from sim.scenario import ScenarioWarning, load_scenario

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScenarioWarning)  # what an ablation switches off leaves its plausible range
        scenario: Scenario = load_scenario(name, overrides=list(changes))
        scenario = scenario.replace(replicates=replicates, seed=seed, quarters=quarters)
    return sample(scenario, reduce, pool)


def _tried(
    run: Callable[..., tuple[Array, dict[str, Array]]],
    name: str,
    changes: Sequence[str],
    replicates: int,
    reduce: Reduce,
    failures: list[str],
) -> dict[str, Array]:
    """What a variant gives, nothing where it cannot run: that is told."""
    try:
        return run(BASELINE, reduce, replicates, changes=changes)[1]
    except AipowerError as error:
        failures.append(f"{name}: {error}")
        return {}


def _target_table(at_best: dict[str, Array], drawn: dict[str, Array], sets: Sequence[int]) -> pd.DataFrame:
    import pandas as pd

    rows = [
        _target_row(target, at_best[f"target|{target.name}"], drawn[f"target|{target.name}"], sets)
        for target in targets()
    ]
    return pd.DataFrame(rows)


def _target_row(target: Target, best: Array, drawn: Array, sets: Sequence[int]) -> dict[str, object]:
    mean = float(best.mean())
    is_hit = target.is_hit(mean)
    luck, parameters = variance_parts(drawn, sets)
    low, high = np.quantile(drawn, [0.05, 0.95])
    return {
        "target": target.name,
        "period": target.period,
        "is_fitted": target.is_fitted,
        "unit": target.unit,
        "value": target.value,
        "low": target.low,
        "high": target.high,
        "model": mean,
        "luck_p5": float(np.quantile(best, 0.05)),
        "luck_p95": float(np.quantile(best, 0.95)),
        "ensemble_p5": float(low),
        "ensemble_p95": float(high),
        "sd_luck": float(np.sqrt(luck)),
        "sd_parameters": float(np.sqrt(parameters)),
        "is_hit": is_hit,
        "missed_by_bands": target.bands_missed_by(mean),
        "why": "" if is_hit else MISSES.get(target.name, _NO_REASON),
        "what": target.sentence,
        "source": target.source,
    }


def _pattern_table(baseline: dict[str, Array]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for name, pattern in PATTERNS.items():
        values = baseline[name]
        mean = _mean(values)
        low, high = _range(values)
        rows.append(
            {
                "pattern": name,
                "low": pattern.low,
                "high": pattern.high,
                "model": mean,
                "p5": low,
                "p95": high,
                "unit": pattern.unit,
                "is_shown": pattern.is_shown(mean),
                "why": "" if pattern.is_shown(mean) else UNSHOWN.get(name, _NO_REASON),
                "what": pattern.sentence,
                "source": pattern.source,
            }
        )
    return pd.DataFrame(rows)


def _ablation_table(
    baseline: dict[str, Array], ablated: dict[str, dict[str, Array]], null: dict[str, Array]
) -> pd.DataFrame:
    """Mean of each pattern's statistic, one column for each world."""
    import pandas as pd

    worlds = {"baseline": baseline, **ablated, NULL: null}
    columns = {
        world: [_mean(found[name]) if name in found else np.nan for name in PATTERNS] for world, found in worlds.items()
    }
    return pd.DataFrame(columns, index=pd.Index(list(PATTERNS), name="pattern"))


def _sensitivity_table(baseline: dict[str, Array], varied: dict[str, dict[str, Array]]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for measure in FOLLOWED:
        row: dict[str, object] = {
            "measure": measure,
            "unit": described(measure).unit,
            "baseline": _mean(baseline[measure]),
        }
        row |= {name: _mean(found[measure]) if found else np.nan for name, found in varied.items()}
        rows.append(row)
    return pd.DataFrame(rows)


def _mean(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _range(values: Array) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [0.05, 0.95])
    return float(low), float(high)


def _about(seed: int, replicates: int, drawn: int, n_sets: int, variants: int) -> dict[str, str]:
    from sim.identity import code_version, source_hash

    return {
        "date": f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}",
        "aipower": f"{code_version()}, code and data {source_hash()[:12]}",
        "seed": str(seed),
        "best fit": counted(replicates, "replicate"),
        "ensemble": f"{drawn} replicates of {n_sets} parameter sets",
        "variants": f"{counted(variants, 'replicate')} each",
        "parameter sets": parameter_sets(BASE).about.get("made", ""),
    }
