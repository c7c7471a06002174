"""What a planner decides about: firms, what compute makes of them, and how much there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.arrays import Array, Counts
from sim.errors import PlanError
from sim.submodels.marginal import Curve
from sim.submodels.power import PowerFunction
from sim.submodels.waterfill import Plot


@dataclass(frozen=True, eq=False)
class Problem:
    """Maximise sum_i w_i U(P_i) with P_i = f_s(i)(b_i + a_i C_i) subject to sum_i C_i = C_total.

    Make it with :meth:`of`, which checks and completes what is given.

    Attributes
    ----------
    names : tuple of str
        Of the firms.
    total : float
        C_total, M H100e.
    functions : tuple of PowerFunction
        f of each sector.
    sector : array of int [firm]
        Which of ``functions`` is the firm's.
    sector_names : tuple of str
        Of the sectors, as ``functions``.
    efficiency : array [firm]
        a_i, M H100e-quarters of effective compute that 1 M H100e makes.
    inherited : array [firm]
        b_i, M H100e-quarters of effective compute without any.
    weight : array [firm]
        w_i, 1 unless the planner values some firms' power more.
    classes : tuple of str
        Class of each firm, such as ``sme``, for rules that name one.
    market : array [firm]
        Training compute that the firms have, M H100e; sums to ``total`` unless something else is known.
    size : array [firm]
        Revenue, or another measure of size for "pro rata by size".
    held : array [firm]
        Capability that the firms hold already, for "current shares"; any unit.
    """

    names: tuple[str, ...]
    total: float
    functions: tuple[PowerFunction, ...]
    sector: Counts
    sector_names: tuple[str, ...]
    efficiency: Array
    inherited: Array
    weight: Array
    classes: tuple[str, ...]
    market: Array
    size: Array
    held: Array

    @classmethod
    def of(
        cls,
        function: PowerFunction | Sequence[PowerFunction],
        efficiency: npt.ArrayLike,
        total: float,
        *,
        names: Sequence[str] | None = None,
        sector: npt.ArrayLike = 0,
        sector_names: Sequence[str] | None = None,
        inherited: npt.ArrayLike = 0.0,
        weight: npt.ArrayLike = 1.0,
        classes: Sequence[str] | None = None,
        market: npt.ArrayLike | None = None,
        size: npt.ArrayLike | None = None,
        held: npt.ArrayLike | None = None,
    ) -> Problem:
        """A problem with everything else at its default.

        Parameters
        ----------
        function : PowerFunction or sequence of PowerFunction
            One for all firms, or one a sector.
        efficiency : array_like [firm]
            Positive.
        total : float
            Positive, M H100e.
        names, sector_names, classes : sequence of str, optional
            Firms are numbered from 1, sectors from 1, and of one class, when left out.
        sector, inherited, weight : array_like [firm], optional
            As the attributes; one value serves all firms.
        market, size, held : array_like [firm], optional
            Equal, in proportion to ``market``, and in proportion to ``market`` when left out.

        Raises
        ------
        PlanError
            When something is not a number, negative, or of another length.

        Examples
        --------
        >>> from sim.submodels.power import PowerLaw
        >>> problem = Problem.of(PowerLaw(reference=1.0, gamma=0.5), [1.0, 4.0], 5.0)
        >>> problem.names, problem.market
        (('firm 1', 'firm 2'), array([2.5, 2.5]))
        """
        functions = tuple(function) if isinstance(function, Sequence) else (function,)
        gain = np.atleast_1d(np.asarray(efficiency, dtype=np.float64))
        n = gain.size
        if n == 0:
            message = "there is no firm to give compute to; allowed: at least one"
            raise PlanError(message)
        if not (np.isfinite(total) and total > 0.0):
            message = f"total compute is {total:g}; allowed: a positive number of M H100e"
            raise PlanError(message)
        chosen = _row("sector", sector, n).astype(np.int64)
        if chosen.max() >= len(functions):
            message = f"sector: {chosen.max()} numbers no power function; allowed: 0 to {len(functions) - 1}"
            raise PlanError(message)
        present = np.full(n, total / n) if market is None else _row("market", market, n)
        titles = tuple(names) if names is not None else tuple(f"firm {k}" for k in range(1, n + 1))
        sectors = tuple(sector_names) if sector_names is not None else tuple(map(str, range(1, len(functions) + 1)))
        kinds = tuple(classes) if classes is not None else ("firm",) * n
        for key, row, wanted in (
            ("names", titles, n),
            ("classes", kinds, n),
            ("sector_names", sectors, len(functions)),
        ):
            if len(row) != wanted:
                message = f"{key} has {len(row)} entries; allowed: {wanted}"
                raise PlanError(message)
        return cls(
            names=titles,
            total=float(total),
            functions=functions,
            sector=chosen,
            sector_names=sectors,
            efficiency=_row("efficiency", gain, n, positive=True),
            inherited=_row("inherited", inherited, n),
            weight=_row("weight", weight, n, positive=True),
            classes=kinds,
            market=present,
            size=present if size is None else _row("size", size, n),
            held=present if held is None else _row("held", held, n),
        )

    def plot(self, alpha: float, low: Array, high: Array) -> Plot:
        """The firms as the solvers take them, with utility of aversion ``alpha`` and bounds ``[firm]`` on compute."""
        reach = np.zeros(len(self.functions))
        np.maximum.at(reach, self.sector, self.inherited + self.efficiency * np.maximum(high, self.market))
        curves = [
            Curve(function, alpha, float(most) if most > 0.0 else 1.0)
            for function, most in zip(self.functions, reach, strict=True)
        ]
        return Plot(curves, self.sector, self.efficiency, self.inherited, self.weight, low, high)

    def power(self, compute: Array) -> Array:
        """AI power P_i of the firms with this compute; ``[firm]``."""
        effective = self.inherited + self.efficiency * compute
        power = np.empty_like(effective)
        for number, function in enumerate(self.functions):
            firms = self.sector == number
            power[firms] = function.power(effective[firms])
        return power


def _row(name: str, given: npt.ArrayLike, n: int, *, positive: bool = False) -> Array:
    """A number a firm, checked."""
    row = np.asarray(given, dtype=np.float64)
    if row.ndim > 1 or (row.ndim == 1 and row.size not in (1, n)):
        message = f"{name} has shape {row.shape}; allowed: one number, or one for each of {n} firms"
        raise PlanError(message)
    row = np.array(np.broadcast_to(row, (n,)))
    if not np.all(np.isfinite(row)) or row.min() < 0.0 or (positive and row.min() == 0.0):
        wrong = row[~(np.isfinite(row) & ((row > 0.0) if positive else (row >= 0.0)))][0]
        message = f"{name} holds {wrong:g}; allowed: {'positive numbers' if positive else 'numbers of at least 0'}"
        raise PlanError(message)
    return row
