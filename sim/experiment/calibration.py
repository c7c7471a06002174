"""Calibration to the facts of 2024: the best fit, and parameter sets that agree with the facts.

Simulated moments with a prior. The misfit of a candidate is the sum over fitted targets of squared distances between
the model's mean over common luck and the published value, in standard deviations; the prior adds the squared
coordinates of the parameters (``sim.experiment.priors``). Their half, negated, is the log density of the posterior.

1. *Best fit*: the mode of the posterior, by SciPy's trust-region least squares. The twelve parameters that the facts
   move most are fitted again with all others at their defaults; values are rounded to two digits, as finer ones are
   not informed.
2. *Parameter sets*: draws from the posterior. Candidates come from its Gaussian approximation (Laplace) and are
   simulated; sets are resampled from them with weights that correct the approximation, and each then takes a few
   Metropolis steps, and more while it is the same as another (resample and move: Gilks and Berzuini 2001, *Journal of
   the Royal Statistical Society B* 63(1); the steps: Cotter et al. 2013, *Statistical Science* 28(3)).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sim.arguments import listed, require_known, whole_number
from sim.arrays import Array, Counts, Flags
from sim.errors import FailureError, InputError
from sim.experiment.evaluation import Evaluator
from sim.experiment.priors import FREE, PRIOR_SD, Prior
from sim.experiment.targets import Target, fitted_targets
from sim.luck import Luck
from sim.parameter_sets import SETS_FILE, ParameterSets
from sim.parameters import parameter_table
from sim.pool import Pool
from sim.units import counted

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

REPLICATES, SEED, SETS = 8, 1, 200

MOST_MISSES = 3
"""Fitted targets outside their bands, of a set that is kept."""

MOVED = 12
"""Parameters of the best fit: those that the facts move most; all others go back to their defaults."""

DIGITS = 2
"""Significant digits of the best fit."""

_FIGURE = ("identifiability.png", "identifiability.svg")
FILES = (SETS_FILE, "fit.csv", "identifiability.csv", "directions.csv", *_FIGURE)
"""What a saved calibration consists of."""

_STEP = 0.1
_STEPS_OF_MODE, _STEPS_AGAIN = 6, 3
_TOLERANCE = 1e-3
_CANDIDATES_PER_SET, _MOVES, _MOST_MOVES, _MOVE_SIZE = 4, 4, 50, 0.5


@dataclass(frozen=True)
class Calibration:
    """What a calibration found.

    Attributes
    ----------
    names : tuple of str
        Parameters that were free.
    best : dict of str to float
        The best fit of those that moved; all others keep the table's value.
    best_values : array [target]
        The model's values there.
    mode : array [parameter]
        Coordinates of the posterior's mode.
    sensitivity : array [target, parameter]
        Change of each distance from a target, in standard deviations, for a change of a parameter by half its range.
    sets : ParameterSets
    places : array [set, parameter]
        Coordinates of each set.
    set_values : array [set, target]
        The model's values of each set.
    n_candidates, n_effective, n_simulated : float
        Candidates from which the sets were drawn, how many equally good ones they are worth, and all simulated ones.
    targets : tuple of Target
    """

    names: tuple[str, ...]
    best: dict[str, float]
    best_values: Array
    mode: Array
    sensitivity: Array
    sets: ParameterSets
    places: Array
    set_values: Array
    n_candidates: int
    n_effective: float
    n_simulated: int
    targets: tuple[Target, ...]

    def fit(self) -> pd.DataFrame:
        """One row for each fitted target: published value and band, best fit, and range over the sets."""
        import pandas as pd

        low, high = np.quantile(self.set_values, [0.05, 0.95], axis=0)
        return pd.DataFrame(
            {
                "target": [target.name for target in self.targets],
                "period": [target.period for target in self.targets],
                "unit": [target.unit for target in self.targets],
                "value": [target.value for target in self.targets],
                "low": [target.low for target in self.targets],
                "high": [target.high for target in self.targets],
                "best_fit": self.best_values,
                "sets_p5": low,
                "sets_p95": high,
                "is_hit": [t.is_hit(value) for t, value in zip(self.targets, self.best_values, strict=True)],
            }
        )

    def identifiability(self) -> pd.DataFrame:
        """One row for each parameter: how much the facts narrow it, and which fact informs it most.

        ``contraction`` is 1 less the posterior's standard deviation over the prior's, both in coordinates, with the
        truncated prior's: 0 where the facts say nothing.
        """
        import pandas as pd

        prior = Prior(self.names)
        table = parameter_table()
        values = np.array(self.sets.sets)
        low, mid, high = np.quantile(values, [0.05, 0.5, 0.95], axis=0)
        most = np.abs(self.sensitivity).argmax(axis=0)
        named = [self.targets[place].name for place in most]
        size = np.abs(self.sensitivity).max(axis=0)
        frame = pd.DataFrame(
            {
                "parameter": self.names,
                "unit": [table[name].unit for name in self.names],
                "default": [table[name].value for name in self.names],
                "low": [table[name].low for name in self.names],
                "high": [table[name].high for name in self.names],
                "mode": list(prior.values(self.mode).values()),
                "p5": low,
                "p50": mid,
                "p95": high,
                "contraction": 1.0 - self.places.std(axis=0, ddof=1) / prior.standard_deviation,
                "largest_sensitivity": size,
                "informed_by": [name if s > 0.0 else "" for name, s in zip(named, size, strict=True)],
            }
        )
        return frame.sort_values("largest_sensitivity", ascending=False, kind="stable", ignore_index=True)

    def directions(self) -> pd.DataFrame:
        """Singular values of the sensitivity, in prior standard deviations, and the parameters that lead each.

        A direction with a singular value above 1 is informed more by the facts than by the prior.
        """
        import pandas as pd

        _, sizes, rows = np.linalg.svd(PRIOR_SD * self.sensitivity, full_matrices=False)
        leading = [np.argsort(-np.abs(row), kind="stable")[:4] for row in rows]
        words = [" ".join(f"{row[k]:+.2f} {self.names[k]}" for k in ks) for row, ks in zip(rows, leading, strict=True)]
        return pd.DataFrame({"direction": range(1, len(sizes) + 1), "singular_value": sizes, "leading": words})

    def figure(self) -> Figure:
        """Draw which target informs which parameter."""
        from sim.report.figures.scorecard import identifiability_figure

        return identifiability_figure(self)

    def save(self, folder: str | Path) -> list[Path]:
        """Write the sets, tables as CSV, and the figure as PNG and SVG; the folder exists."""
        from sim.report import style

        folder = Path(folder)
        frames = {"fit": self.fit(), "identifiability": self.identifiability(), "directions": self.directions()}
        written = [folder / SETS_FILE]
        self.sets.write(written[0])
        for name, frame in frames.items():
            written.append(folder / f"{name}.csv")
            frame.to_csv(written[-1], index=False, float_format="%.6g", lineterminator="\n")
        return [*written, *style.save(self.figure(), folder, "identifiability")]


def _in_order(targets: Sequence[Target]) -> tuple[Target, ...]:
    """Targets in the order of the values that candidates give.

    Raises
    ------
    InputError
        When they are not those that are fitted, each once.
    """
    order = [target.name for target in fitted_targets()]
    names = [target.name for target in targets]
    if sorted(names) != sorted(order):
        message = f"targets are {', '.join(names)}; allowed: other values of {', '.join(order)}, all of them"
        raise InputError(message)
    return tuple(sorted(targets, key=lambda target: order.index(target.name)))


class _Posterior(NamedTuple):
    """The posterior of some parameters."""

    prior: Prior
    targets: tuple[Target, ...]
    evaluator: Evaluator

    def values(self, places: Array) -> Array:
        """The model's values at coordinates ``[candidate, parameter]``; ``[candidate, target]``."""
        return self.evaluator.values([self.prior.values(place) for place in places])

    def distances(self, values: Array) -> Array:
        """Distances of values ``[..., target]`` from the targets, in standard deviations."""
        found = [target.misfit(values[..., k]) for k, target in enumerate(self.targets)]
        return np.stack(found, axis=-1)

    def hits(self, values: Array) -> Counts:
        """How many of values ``[..., target]`` lie inside their bands."""
        low, high = (np.array([getattr(target, end) for target in self.targets]) for end in ("low", "high"))
        inside: Counts = ((low <= values) & (values <= high)).sum(axis=-1)
        return inside

    @property
    def fewest_hits(self) -> int:
        """Fitted targets inside their bands, of each set that is kept."""
        return len(self.targets) - MOST_MISSES

    def residuals(self, place: Array) -> Array:
        """What least squares makes small: distances from targets, then from the prior's mean."""
        return np.concatenate([self.distances(self.values(place[None]))[0], place / PRIOR_SD])

    def slopes(self, place: Array) -> Array:
        """Derivative of the residuals by differences towards the middle, all parameters at once.

        Nothing where the world cannot be a step away: the sets then learn of that parameter from the prior, and of the
        edge from candidates beyond it, which are not kept.
        """
        steps = np.where(place > 0.0, -_STEP, _STEP)
        found = self.distances(self.values(np.concatenate([place[None], place + np.diag(steps)])))
        of_targets = ((found[1:] - found[0]) / steps[:, None]).T
        return np.concatenate([np.nan_to_num(of_targets), np.eye(len(place)) / PRIOR_SD])


def calibrate(
    *,
    sets: int = SETS,
    replicates: int = REPLICATES,
    seed: int = SEED,
    names: Sequence[str] | str = FREE,
    targets: Sequence[Target] | None = None,
    workers: int = 1,
    log: str | Path | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> Calibration:
    """Fit the parameters without direct sources to the facts of 2024.

    Parameters
    ----------
    sets : int
        Parameter sets to draw, at least 10.
    replicates : int
        Histories with common luck that a candidate's values are the mean of.
    seed : int
        Which luck, of histories and of the draws.
    names : sequence of str
        Parameters that are free.
    targets : sequence of Target, optional
        Instead of the published ones: the same facts with other values.
    workers : int
        Processes, at least 1; the numbers do not depend on it.
    log : str or Path, optional
        File that keeps every candidate; a search that was interrupted goes on from it.
    progress : callable, optional
        Told the stage and how many candidates have been simulated.

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        When a number is not allowed, a parameter or target is unknown or the log is of other settings.
    FailureError
        When too few candidates agree with the facts.
    """
    names, replicates = tuple(listed(names)), whole_number("replicates", replicates, 1)
    require_known("parameter", names, parameter_table())
    if not names:
        message = f"no parameter is free; name some, such as {FREE[0]}, or leave names out"
        raise InputError(message)
    if sets < 10:  # noqa: PLR2004 - quantiles of fewer say nothing
        message = f"sets = {sets}: quantiles need at least 10; try {SETS}"
        raise InputError(message)
    told = progress or (lambda _stage, _count: None)
    facts = _in_order(targets or fitted_targets())
    with Pool(workers) as pool:
        evaluator = Evaluator(pool, seed, replicates, None if log is None else Path(log))
        posterior = _Posterior(Prior(names), facts, evaluator)
        told("best fit", evaluator.n_known)
        mode, slopes = _mode(posterior, np.zeros(len(names)), _STEPS_OF_MODE, told)
        best = _best(posterior, mode, told)
        best_values = evaluator.values([best])[0]
        kept, set_values, n_candidates, n_effective = _draw(posterior, mode, slopes, sets, seed, told)
    chosen = [posterior.prior.values(place) for place in kept]
    distances = posterior.distances(set_values)
    best_misfit = float((posterior.distances(best_values) ** 2).sum())
    drawn = ParameterSets(
        names,
        tuple(tuple(values.values()) for values in chosen),
        tuple(float(misfit) for misfit in (distances**2).sum(axis=1)),
        tuple(posterior.hits(set_values).tolist()),
        _about(seed, replicates, f"from {n_candidates} candidates worth {n_effective:.0f}", best_misfit),
    )
    return Calibration(
        names,
        best,
        best_values,
        mode,
        slopes[: len(facts)],
        drawn,
        kept,
        set_values,
        n_candidates,
        n_effective,
        evaluator.n_known,
        facts,
    )


def _mode(posterior: _Posterior, start: Array, steps: int, told: Callable[[str, int], None]) -> tuple[Array, Array]:
    """Mode of the posterior, and the derivative of its residuals there."""
    from scipy.optimize import least_squares

    def slopes(place: Array) -> Array:
        found = posterior.slopes(place)
        told("best fit", posterior.evaluator.n_known)
        return found

    found = least_squares(
        posterior.residuals,
        start,
        jac=slopes,
        bounds=(-1.0, 1.0),
        max_nfev=steps,
        xtol=_TOLERANCE,
        ftol=_TOLERANCE,
    )
    return np.asarray(found.x), slopes(np.asarray(found.x))


def _best(posterior: _Posterior, mode: Array, told: Callable[[str, int], None]) -> dict[str, float]:
    """The best fit of those that the facts move most, to the digits that they inform."""
    moved = np.sort(np.argsort(-np.abs(mode), kind="stable")[:MOVED])
    names = tuple(posterior.prior.names[k] for k in moved)
    fewer = posterior._replace(prior=Prior(names))
    again, _ = _mode(fewer, mode[moved], _STEPS_AGAIN, told)
    return {name: float(f"{value:.{DIGITS}g}") for name, value in fewer.prior.values(again).items()}


class _Approximation(NamedTuple):
    """A Gaussian near the posterior, in scores: coordinates whose prior is the standard normal."""

    mean: Array
    spread: Array

    @classmethod
    def at(cls, posterior: _Posterior, mode: Array, slopes: Array) -> _Approximation:
        """One Gauss-Newton step from the mode of the coordinates."""
        score = posterior.prior.scores(mode)
        n_targets = len(posterior.targets)
        of_targets = slopes[:n_targets] * posterior.prior.slope(score)
        distances = posterior.distances(posterior.values(mode[None]))[0]
        covariance = np.linalg.inv(of_targets.T @ of_targets + np.eye(len(mode)))
        return cls(score - covariance @ (of_targets.T @ distances + score), np.linalg.cholesky(covariance))

    def scores(self, steps: Array) -> Array:
        """Scores ``[..., parameter]`` of standard normal steps."""
        return self.mean + steps @ self.spread.T


class _Draws(NamedTuple):
    """Candidates: standard normal steps of the approximation, the model's values, and log weights."""

    steps: Array
    found: Array
    weights: Array

    def where(self, chosen: Flags, others: _Draws) -> _Draws:
        """These, or the others where not chosen."""
        return _Draws(
            *(np.where(chosen[:, None] if a.ndim > 1 else chosen, a, b) for a, b in zip(self, others, strict=True))
        )


def _draw(
    posterior: _Posterior, mode: Array, slopes: Array, sets: int, seed: int, told: Callable[[str, int], None]
) -> tuple[Array, Array, int, float]:
    """Coordinates ``[set, parameter]`` and values ``[set, target]`` of sets; candidates, and what they are worth."""
    near = _Approximation.at(posterior, mode, slopes)
    n_parameters = len(mode)

    def simulated(steps: Array) -> _Draws:
        scores = near.scores(steps)
        found = posterior.values(posterior.prior.places(scores))
        distances, hits = posterior.distances(found), posterior.hits(found)
        log_posterior = -0.5 * ((distances**2).sum(axis=1) + (scores**2).sum(axis=1))
        is_kept = (hits >= posterior.fewest_hits) & np.isfinite(log_posterior)
        return _Draws(steps, found, np.where(is_kept, log_posterior + 0.5 * (steps**2).sum(axis=1), -np.inf))

    parts = []
    for batch in range(_CANDIDATES_PER_SET):
        told("candidates", posterior.evaluator.n_known)
        luck = Luck(seed, range(batch * sets, (batch + 1) * sets))
        parts.append(simulated(luck.normal("parameter candidate", 0, n_parameters)))
    candidates = _Draws(*(np.concatenate(each) for each in zip(*parts, strict=True)))
    best = candidates.weights.max()
    if not np.isfinite(best):
        message = f"none of {len(candidates.weights)} candidates agrees with the facts; free more parameters"
        raise FailureError(message)
    chance = np.exp(candidates.weights - best)
    luck = Luck(seed, range(sets))
    first = float(Luck(seed, [0]).uniform("resample", 0, 1)[0, 0])
    rows = np.searchsorted(np.cumsum(chance) / chance.sum(), (np.arange(sets) + first) / sets)
    draws = _Draws(*(each[np.minimum(rows, len(chance) - 1)] for each in candidates))
    moving = np.ones(sets, dtype=bool)
    for move in range(_MOST_MOVES):
        told("parameter sets", posterior.evaluator.n_known)
        fresh = luck.normal("move parameter set", move, n_parameters)
        aim = np.sqrt(1.0 - _MOVE_SIZE**2) * draws.steps + _MOVE_SIZE * fresh
        tried = simulated(np.where(moving[:, None], aim, draws.steps))
        log_uniform = np.log(luck.uniform("accept parameter set", move, 1)[:, 0])
        draws = tried.where(moving & (log_uniform < tried.weights - draws.weights), draws)
        if move >= _MOVES - 1:  # from here on, only what is the same as another goes on
            moving = ~np.isin(np.arange(sets), np.unique(draws.steps, axis=0, return_index=True)[1])
            if not moving.any():
                break
    effective = float(chance.sum() ** 2 / (chance**2).sum())
    return posterior.prior.places(near.scores(draws.steps)), draws.found, len(chance), effective


def _about(seed: int, replicates: int, drawn: str, best_misfit: float) -> dict[str, str]:
    from sim import __version__

    return {
        "made": f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d} by aipower {__version__}, aipower calibrate",
        "drawn": f"{drawn}; seed {seed}, {counted(replicates, 'replicate')} each",
        "misfit": f"sum of squared distances from 18 facts in standard deviations; of the best fit {best_misfit:.2f}",
    }
