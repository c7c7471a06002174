"""Linear and mixed-integer programs for HiGHS: exact for straight f, within a stated bound for others.

Compute is measured in shares of the total and utility in multiples of its size at an equal split, so that the solver's
tolerances mean the same in every world.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from sim import indices
from sim.arrays import Array, Counts
from sim.errors import FailureError, PlanError
from sim.planner.rules import Limits, Rules, most_equal
from sim.submodels.marginal import Curve
from sim.submodels.waterfill import Plot
from sim.units import HHI_POINTS

MOST_FIRMS_GINI = 200
"""Firms up to which a bound on Gini is solved: it takes a variable for each pair."""
MOST_FIRMS_MILP = 200
_CUT_ROUNDS = 100
_CUT_GAP = 1e-7
"""Of a firm's utility at an equal split; the solver's own tolerance."""
_FIRST_CUTS = 33
_MILP_SECONDS = 20.0
_MILP_GAP = 1e-7
_STEEPEST = 1e6
_NARROWEST = 1e-9
_RISE = 1e-9
_HALVINGS = 40
_KEPT = 1e-9
"""Rounding that a bound on HHI is kept within."""
_IN_CONFLICT = "no allocation keeps all rules together, though each can be kept alone; loosen or leave out one of them"

Matrix: TypeAlias = Any
"""A sparse matrix of SciPy's, whose types do not say how they combine."""


class Solved(NamedTuple):
    """An allocation, a bound on every other, and prices where the program has them."""

    compute: Array
    """[firm] M H100e."""
    dual: float
    """No allocation that keeps the rules has a larger sum of utilities."""
    firm_price: Array
    """[firm] utility per M H100e that each firm faces; nan without."""
    price: float
    """Of the total; nan without."""
    error_bound: float
    """Most that the sum of utilities can fall short of the optimum, as the method promises beforehand."""


class _Rows(NamedTuple):
    """Rules as rows: at_most >= on_compute @ c + on_pairs @ d, equal in the first where ``is_equal``; c in shares."""

    on_compute: Matrix
    on_pairs: Matrix
    at_most: Array
    is_equal: bool


def _rows(limits: Limits, rules: Rules) -> _Rows:
    """The total first, then groups, resources and the Gini bound."""
    n = len(limits.low)
    scale = limits.total
    compute: list[Array] = [np.ones((1, n))]
    at_most = [1.0]
    for group in limits.groups:
        compute += [-group.members[None, :].astype(np.float64), group.members[None, :].astype(np.float64)]
        at_most += [-group.least / scale, group.most / scale]
    for need, stock in zip(limits.needs, limits.stocks, strict=True):
        compute.append(need[None, :] * scale / stock)
        at_most.append(1.0)
    on_compute: Matrix = sparse.csr_array(np.vstack(compute))
    if rules.max_gini is None:
        pairs = sparse.csr_array((len(at_most), 0))
        return _Rows(on_compute, pairs, np.array(at_most), not len(limits.stocks))
    if n > MOST_FIRMS_GINI:
        message = (
            f"max_gini: {n} firms are more than the {MOST_FIRMS_GINI} for which a bound on Gini is solved; use max_hhi"
        )
        raise PlanError(message)
    first, second = np.triu_indices(n, 1)
    n_pairs = len(first)
    pair = np.arange(n_pairs)
    ones = np.ones(n_pairs)
    difference = sparse.csr_array(
        (np.concatenate([ones, -ones]), (np.tile(pair, 2), np.concatenate([first, second]))), shape=(n_pairs, n)
    )
    identity = sparse.eye_array(n_pairs)
    on_compute = _stacked(on_compute, difference, -difference, np.full((1, n), -rules.max_gini * n))
    on_pairs: Matrix = _stacked(
        sparse.csr_array((len(at_most), n_pairs)), -identity, -identity, np.full((1, n_pairs), 1.0)
    )
    most = np.concatenate([at_most, np.zeros(2 * n_pairs + 1)])
    return _Rows(on_compute, on_pairs, most, not len(limits.stocks))


def _stacked(*parts: Matrix) -> Matrix:
    """One above the other."""
    return sparse.csr_array(sparse.vstack([sparse.csr_array(part) for part in parts]))


def linear_program(plot: Plot, limits: Limits, rules: Rules) -> Solved:
    """Straight f: the linear program of the founding question."""
    rows = _rows(limits, rules)
    slope = np.exp(plot.log_marginal(limits.high))
    unit = float(slope.max())
    answer = _solve(slope / unit, limits, rows, sparse.eye_array(len(slope)), _room(limits))
    compute = np.clip(limits.low + limits.total * answer.amounts, limits.low, limits.high)
    constant = float(np.sum(plot.utility(limits.low)))
    return Solved(
        compute,
        constant + answer.objective * unit * limits.total,
        answer.firm_price * unit,
        answer.price * unit,
        0.0,
    )


def _room(limits: Limits) -> Array:
    """Most beyond the lower bound, in shares; no bound where it is the total itself, which would share its price."""
    room = (limits.high - limits.low) / limits.total
    return np.where(limits.high >= limits.total, np.inf, room)


class _Answer(NamedTuple):
    amounts: Array
    objective: float
    firm_price: Array
    price: float
    others: Array
    """Prices of the rows beyond the rules."""


def _solve(
    gain: Array, limits: Limits, rows: _Rows, to_compute: Matrix, most: Array, cuts: _Cuts | None = None
) -> _Answer:
    """Maximise gain @ x with c = low + to_compute @ x, shares; x from 0 to ``most``."""
    low = limits.low / limits.total
    n_pairs = rows.on_pairs.shape[1]
    on_x = sparse.csr_array(rows.on_compute @ to_compute)
    room = rows.at_most - rows.on_compute @ low
    matrix: Matrix = sparse.csr_array(sparse.hstack([on_x, rows.on_pairs]))
    objective = np.concatenate([-gain, np.zeros(n_pairs)])
    upper = np.concatenate([most, np.full(n_pairs, np.inf)])
    lower = np.zeros_like(upper)
    first = 1 if rows.is_equal else 0
    below: Matrix = matrix[first:]
    limit = room[first:]
    if cuts is not None:
        below = sparse.vstack([sparse.hstack([below, sparse.csr_array((below.shape[0], cuts.n_values))]), cuts.matrix])
        limit = np.concatenate([limit, cuts.at_most])
        objective = np.concatenate([objective, -np.ones(cuts.n_values)])
        lower = np.concatenate([lower, np.full(cuts.n_values, -np.inf)])
        upper = np.concatenate([upper, np.full(cuts.n_values, np.inf)])
        matrix = sparse.csr_array(sparse.hstack([matrix, sparse.csr_array((matrix.shape[0], cuts.n_values))]))
    solver: Any = linprog  # its declared types know no sparse matrices
    found = solver(
        objective,
        A_ub=below if below.shape[0] else None,
        b_ub=limit if below.shape[0] else None,
        A_eq=matrix[:1] if first else None,
        b_eq=room[:1] if first else None,
        bounds=np.column_stack([lower, upper]),
        method="highs",
    )
    if found.status == 2:  # noqa: PLR2004 - SciPy's code for infeasible
        raise PlanError(_IN_CONFLICT)
    if found.status != 0:
        message = f"HiGHS did not solve the linear program: {found.message}"
        raise FailureError(message)
    inner = len(room) - first
    duals = np.concatenate([found.eqlin.marginals if first else [], found.ineqlin.marginals[:inner]])
    firm_price = -(rows.on_compute.T @ duals)
    return _Answer(found.x[: len(gain)], -found.fun, firm_price, float(-duals[0]), -found.ineqlin.marginals[inner:])


class _Cuts(NamedTuple):
    """Rows on (c - low, pairs, values): tangents, and tangents of the bound on squares."""

    matrix: Matrix
    at_most: Array
    n_values: int


def cutting_planes(plot: Plot, limits: Limits, rules: Rules) -> Solved:
    """Concave f under any rules: a linear program under tangents, more of them where it is too optimistic.

    Kelley (1960). The program is an upper bound; its allocation, once repaired, a lower one.
    """
    rows = _rows(limits, rules)
    n, scale = len(limits.low), limits.total
    unit = _unit(plot, limits)
    n_pairs = rows.on_pairs.shape[1]
    grids = [_equidistant(plot, k, limits, _FIRST_CUTS) for k in range(n)]
    width = max(map(len, grids))
    touched = np.stack([np.pad(grid, (0, width - len(grid)), mode="edge") for grid in grids])
    places, first = [touched[:, k] for k in range(width)], touched[:, 0]
    directions: list[Array] = []
    best, best_value, upper = limits.low, -np.inf, np.inf
    firm_price, price = np.full(n, np.nan), np.nan
    for _ in range(_CUT_ROUNDS):
        cuts = _tangents(plot, limits, places, directions, rules, n_pairs, unit)
        answer = _solve(np.zeros(n), limits, rows, sparse.eye_array(n), _room(limits), cuts)
        upper = answer.objective * unit
        firm_price, price = answer.firm_price, answer.price
        if directions:
            firm_price = firm_price + (np.stack(directions) - _root(rules)).T @ answer.others[-len(directions) :]
        compute = np.clip(limits.low + scale * answer.amounts, limits.low, limits.high)
        repaired = _repaired(compute, limits, rules)
        value = float(plot.utility(repaired).sum())
        if value > best_value and _keeps_hhi(repaired, rules):
            best, best_value = repaired, value
        if upper - best_value <= _CUT_GAP * abs(unit) * n:
            break
        places.append(np.maximum(compute, first))
        if rules.max_hhi is not None:
            directions += [each / np.sqrt(each @ each) for each in (compute, repaired)]
    if not np.isfinite(best_value):
        raise PlanError(_IN_CONFLICT)
    shortfall = max(upper - best_value, 0.0)
    return Solved(best, upper, firm_price * unit / scale, price * unit / scale, shortfall)


def _repaired(compute: Array, limits: Limits, rules: Rules) -> Array:
    """Move towards an allocation that keeps all rules until a bound on HHI holds, which the program only touches."""
    if rules.max_hhi is None:
        return compute
    level = _leveled(limits)
    gap = compute - level
    # sum c^2 <= H (sum c)^2 along c = level + share x gap
    bound = rules.max_hhi / HHI_POINTS
    a = gap @ gap - bound * gap.sum() ** 2
    b = 2.0 * (gap @ level - bound * gap.sum() * level.sum())
    c = level @ level - bound * level.sum() ** 2
    if a + b + c <= 0.0 or c > 0.0:
        return compute
    root = np.sqrt(b * b - 4.0 * a * c)
    share = (root - b) / (2.0 * a) if b <= 0.0 else -2.0 * c / (b + root)
    return np.asarray(level + min(share, 1.0) * gap)


def _keeps_hhi(compute: Array, rules: Rules) -> bool:
    """Whether an allocation keeps a bound on HHI, to rounding."""
    return rules.max_hhi is None or HHI_POINTS * float(indices.hhi(compute)) <= rules.max_hhi * (1.0 + _KEPT)


def _leveled(limits: Limits) -> Array:
    """The most equal allocation of as much as other resources allow."""
    low, high = 0.0, limits.total
    level = limits.most_equal
    for _ in range(_HALVINGS if np.any(limits.needs @ level > limits.stocks) else 0):
        middle = 0.5 * (low + high)
        level = most_equal(middle, limits.low, limits.high, limits.groups)
        low, high = (low, middle) if np.any(limits.needs @ level > limits.stocks) else (middle, high)
    return most_equal(low, limits.low, limits.high, limits.groups) if low > 0.0 else level


def _unit(plot: Plot, limits: Limits) -> float:
    """Size of a firm's utility where compute is divided evenly within bounds."""
    values = plot.utility(limits.most_equal)
    finite = np.abs(values[np.isfinite(values)])
    return float(np.max(finite, initial=0.0)) or 1.0


def _tangents(
    plot: Plot,
    limits: Limits,
    places: list[Array],
    directions: list[Array],
    rules: Rules,
    n_pairs: int,
    unit: float,
) -> _Cuts:
    n, scale = len(limits.low), limits.total
    slopes, heights = [], []
    for place in places:
        slope = np.exp(plot.log_marginal(place)) * scale / unit
        value = plot.utility(place) / unit
        slopes.append(slope)
        heights.append(value - slope * (place - limits.low) / scale)
    slope, height = np.concatenate(slopes), np.concatenate(heights)
    firm = np.tile(np.arange(n), len(places))
    row = np.arange(len(firm))
    shape = (len(firm), n)
    on_compute = sparse.csr_array((-slope, (row, firm)), shape=shape)
    on_values = sparse.csr_array((np.ones(len(firm)), (row, firm)), shape=shape)
    parts = [[on_compute, sparse.csr_array((len(firm), n_pairs)), on_values]]
    at_most = [height]
    if directions:
        # |c| <= sqrt(H) sum c, a convex set of which each direction gives a tangent
        low = limits.low / scale
        cut = np.stack(directions) - _root(rules)
        parts.append([sparse.csr_array(cut), sparse.csr_array((len(cut), n_pairs)), sparse.csr_array((len(cut), n))])
        at_most.append(-cut @ low)
    return _Cuts(sparse.csr_array(sparse.block_array(parts)), np.concatenate(at_most), n)


def _root(rules: Rules) -> float:
    """Square root of the bound on HHI."""
    return float(np.sqrt((HHI_POINTS if rules.max_hhi is None else rules.max_hhi) / HHI_POINTS))


def _equidistant(plot: Plot, firm: int, limits: Limits, n_points: int) -> Array:
    """Amounts for one firm, closer where its utility bends more, with the ends of its curve's pieces; ``[point]``.

    The errors of straight lines add up to least where they are the same in all. The first point is where marginal
    utility is a million times that of the firm's part of an equal split, if it is ever so high.
    """
    curve: Curve = plot.curves[int(plot.sector[firm])]
    low, high = plot.effective(np.stack([limits.low, limits.high]))[:, firm]
    fair = plot.effective(np.full_like(limits.low, limits.total / len(limits.low)))[firm]
    points = curve.points(float(low), float(high))
    slope = curve.log_slope(points)
    is_steep = slope > curve.log_slope(np.clip(fair, low, high)) + np.log(_STEEPEST)
    if not is_steep[:-1].all():
        points, slope = points[~is_steep], slope[~is_steep]
    if len(points) > n_points:
        value, marginal = curve.value(points), np.exp(slope)
        chord = np.diff(value) / np.diff(points)
        error = _shortfall(np.diff(points), chord, marginal) + _shortfall(np.diff(points), -chord, -marginal)
        part = np.sqrt(error)
        measure = np.concatenate([[0.0], np.cumsum(part + 1e-6 * part.mean() + np.finfo(float).tiny)])
        chosen = np.interp(np.linspace(0.0, measure[-1], n_points), measure, points)
        borders = [np.exp(piece.log_compute[[0, -1]]) for piece in curve.pieces]
        inside = [border[(border > points[0]) & (border < points[-1])] for border in borders]
        points = np.unique(np.concatenate([chosen, points[[0, -1]], *inside]))
    compute = np.clip((points - plot.inherited[firm]) / plot.efficiency[firm], limits.low[firm], limits.high[firm])
    # The ends stay, and of the rest what is apart from its neighbours.
    is_apart = np.diff(compute, prepend=-np.inf) > _NARROWEST * limits.total
    is_apart &= compute[-1] - compute > _NARROWEST * limits.total
    kept: Array = np.append(compute[is_apart], compute[-1])
    return kept


class _Lines(NamedTuple):
    """Utilities as straight lines between points; ``[segment]`` each, firm by firm."""

    firm: Array
    width: Array
    """M H100e."""
    slope: Array
    """Utility per M H100e."""
    start: Array
    """[firm] height of the first line at the lower bound."""
    first: Array
    """[firm] M H100e of the first point; where it lies above the lower bound, the first line is the tangent there."""
    shortfall: Array
    """[firm] most that a line lies below the utility."""
    overshoot: Array
    """[firm] most that a line lies above it."""
    excess: Array
    """[firm] how far the tangent below the first point lies above the utility at the lower bound."""


def _lines(plot: Plot, limits: Limits, n_points: int) -> _Lines:
    parts: dict[str, list[Array]] = {"firm": [], "width": [], "slope": []}
    n = len(limits.low)
    start, first, excess = np.empty(n), np.empty(n), np.zeros(n)
    shortfall, overshoot = np.empty(n), np.empty(n)
    for k in range(n):
        amounts = _equidistant(plot, k, limits, n_points)
        alike = plot.of(np.full(len(amounts), k))
        values, marginal = alike.utility(amounts), np.exp(alike.log_marginal(amounts))
        width = np.diff(amounts)
        slope = np.diff(values) / width
        shortfall[k] = np.max(_shortfall(width, slope, marginal), initial=0.0)
        overshoot[k] = np.max(_shortfall(width, -slope, -marginal), initial=0.0)
        start[k], first[k] = values[0], amounts[0]
        below = amounts[0] - limits.low[k]
        if below > 0.0:
            width, slope = np.append(below, width), np.append(marginal[0], slope)
            start[k] -= marginal[0] * below
            excess[k] = start[k] - float(plot.of(np.full(1, k)).utility(limits.low[k : k + 1])[0])
        parts["firm"].append(np.full(len(width), float(k)))
        parts["width"].append(width)
        parts["slope"].append(slope)
    joined = {name: np.concatenate(rows) for name, rows in parts.items()}
    return _Lines(**joined, start=start, first=first, shortfall=shortfall, overshoot=overshoot, excess=excess)


def _promise(lines: _Lines, compute: Array) -> float:
    """Most that the sum of utilities can be short: by lines too low or too high, and below the first point."""
    return float((lines.shortfall + lines.overshoot).sum() + lines.excess[compute < lines.first].sum())


def _shortfall(width: Array, slope: Array, marginal: Array) -> Array:
    """Most that a concave function can lie above its chord, from its slopes at both ends: where their tangents meet."""
    before, after = marginal[:-1], marginal[1:]
    is_bent = (before > slope) & (slope > after)
    drop = np.where(is_bent, before - after, 1.0)
    return np.where(is_bent, (before - slope) / drop * (slope - after) * width, 0.0)


def piecewise(plot: Plot, limits: Limits, rules: Rules, n_points: int) -> Solved:
    """Concave f as straight lines between points: a linear program, within the sum of their largest shortfalls."""
    if rules.max_hhi is not None:
        message = "max_hhi: the piecewise-linear program knows no bound on HHI; use method auto or cutting_planes"
        raise PlanError(message)
    lines = _lines(plot, limits, n_points)
    unit, scale = _unit(plot, limits), limits.total
    to_compute = _columns(lines, scale)
    gain = lines.slope * lines.width / unit
    answer = _solve(gain, limits, _rows(limits, rules), to_compute, np.ones_like(gain))
    compute = np.clip(limits.low + scale * (to_compute @ answer.amounts), limits.low, limits.high)
    dual = float(lines.start.sum() + lines.shortfall.sum()) + answer.objective * unit
    price = answer.price * unit / scale
    return Solved(compute, dual, answer.firm_price * unit / scale, price, _promise(lines, compute))


def _columns(lines: _Lines, scale: float) -> Matrix:
    """From the used parts of lines to compute in shares of the total."""
    n_lines = len(lines.width)
    shape = (len(lines.start), n_lines)
    place = (lines.firm.astype(np.int64), np.arange(n_lines))
    return sparse.csr_array((lines.width / scale, place), shape=shape)


def mixed_integer(plot: Plot, limits: Limits, rules: Rules, n_points: int) -> Solved:
    """Any f as straight lines between points; whole numbers keep their order where slopes rise.

    A line may be used only when the one before it is full. Where slopes fall the optimum does that by itself.
    """
    n = len(limits.low)
    if rules.max_hhi is not None:
        message = "max_hhi: the mixed-integer program knows no bound on HHI; cap the firms instead"
        raise PlanError(message)
    if n > MOST_FIRMS_MILP:
        message = f"method milp: {n} firms are more than {MOST_FIRMS_MILP}; use method envelope"
        raise PlanError(message)
    lines = _lines(plot, limits, n_points)
    unit, scale = _unit(plot, limits), limits.total
    to_compute = _columns(lines, scale)
    rows = _rows(limits, rules)
    n_lines, n_pairs = len(lines.width), rows.on_pairs.shape[1]
    joint = np.flatnonzero(np.diff(lines.firm) == 0.0)
    rising = joint[np.diff(lines.slope)[joint] > _RISE * np.abs(lines.slope[joint])]
    n_whole = len(rising)
    one = np.ones(n_whole)
    room = rows.at_most - rows.on_compute @ (limits.low / scale)
    blocks = sparse.hstack(
        [rows.on_compute @ to_compute, rows.on_pairs, sparse.csr_array((len(room), n_whole))], format="csr"
    )
    order = _order(lines, rising, n_pairs)
    lower = np.full(len(room), -np.inf)
    lower[0] = room[0] if rows.is_equal else -np.inf
    found: Any = milp(
        np.concatenate([-lines.slope * lines.width / unit, np.zeros(n_pairs + n_whole)]),
        integrality=np.concatenate([np.zeros(n_lines + n_pairs), one]),
        bounds=Bounds(
            np.zeros(n_lines + n_pairs + n_whole), np.concatenate([np.ones(n_lines), np.full(n_pairs, np.inf), one])
        ),
        constraints=[
            LinearConstraint(blocks, lower, room),
            LinearConstraint(order, -np.inf, np.zeros(order.shape[0])),
        ],
        options={"time_limit": _MILP_SECONDS, "mip_rel_gap": _MILP_GAP},
    )
    if found.x is None:
        if found.status == 2:  # noqa: PLR2004 - SciPy's code for infeasible
            raise PlanError(_IN_CONFLICT)
        message = f"HiGHS did not solve the mixed-integer program: {found.message}"
        raise FailureError(message)
    compute = np.clip(limits.low + scale * (to_compute @ found.x[:n_lines]), limits.low, limits.high)
    bound = -found.fun if found.mip_dual_bound is None else -found.mip_dual_bound  # without whole numbers: exact
    dual = float(lines.start.sum() + lines.shortfall.sum()) + float(bound) * unit
    return Solved(compute, dual, np.full(n, np.nan), np.nan, _promise(lines, compute))


def _order(lines: _Lines, rising: Counts, n_pairs: int) -> Matrix:
    """Whole numbers y, one for each line k after which the slope rises: 1 only if all lines up to k are full.

    With x_j the used part of line j: x_j >= y_k for the next k from j on, and x_j <= y_k for the last k before j, both
    of the same firm.
    """
    n_lines, n_whole = len(lines.width), len(rising)
    position = np.arange(n_lines)
    following = np.searchsorted(rising, position)
    has_next = following < n_whole
    has_next[has_next] = lines.firm[rising[following[has_next]]] == lines.firm[position[has_next]]
    has_last = following > 0
    has_last[has_last] = lines.firm[rising[following[has_last] - 1]] == lines.firm[position[has_last]]
    parts = []
    for chosen, number, sign in ((has_next, following, -1.0), (has_last, following - 1, 1.0)):
        line = position[chosen]
        row = np.arange(len(line))
        use = sparse.csr_array((np.full(len(line), sign), (row, line)), shape=(len(line), n_lines))
        pairs = sparse.csr_array((len(line), n_pairs))
        whole = sparse.csr_array((np.full(len(line), -sign), (row, number[line])), shape=(len(line), n_whole))
        parts.append(sparse.hstack([use, pairs, whole]))
    return sparse.csr_array(sparse.vstack(parts))
