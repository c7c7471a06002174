"""The allocation of one resource that maximises the sum of utilities: one price, at which demand meets the total.

The dual of max sum_i w_i h_i(b_i + a_i c_i) subject to sum c = T, l <= c <= u has one variable, the price of compute.
Where every h is concave or straight the optimum is exact. Otherwise the dual is that of the concave envelopes, at whose
optimum at most one firm is left between two equally good amounts (Aubin and Ekeland 1976; Udell and Boyd 2016).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from sim.arrays import Array, Counts, Flags
from sim.submodels.marginal import Curve
from sim.submodels.power import PowerFunction

_MOST_LOG = 1400.0
"""Bound of the logarithm of a price."""
_FIRST_STEP = 1.0
_PRICE_TOLERANCE = 1e-14
_ROUNDING = 1e-12
"""Share of the total that is nothing."""
_JUMP = 1e-6
"""Share of a firm's range between its two best amounts above which it jumps from one to the other."""

_Answer = Callable[[Curve, Flags | slice, Array], Array]
_Demand = Callable[[float], Array]


class Plot(NamedTuple):
    """Firms among which compute is divided; ``[firm]`` each but for the curves.

    Effective compute of firm i is ``inherited + efficiency x compute``.
    """

    curves: Sequence[Curve]
    sector: Counts
    """Which of the curves is the firm's."""
    efficiency: Array
    """M H100e-quarters of effective compute from 1 M H100e."""
    inherited: Array
    """M H100e-quarters that the firm has without any."""
    weight: Array
    """What the firm's utility counts."""
    low: Array
    """M H100e."""
    high: Array
    """M H100e."""

    def of(self, chosen: Flags | Counts) -> Plot:
        """Only some of the firms."""
        return Plot(
            self.curves,
            self.sector[chosen],
            self.efficiency[chosen],
            self.inherited[chosen],
            self.weight[chosen],
            self.low[chosen],
            self.high[chosen],
        )

    def effective(self, compute: Array) -> Array:
        """E_i, M H100e-quarters; ``[firm]``."""
        effective: Array = self.inherited + self.efficiency * compute
        return effective

    def utility(self, compute: Array) -> Array:
        """w_i h_i(E_i); ``[firm]``."""
        value = self._by_sector(lambda curve, _, effective: curve.value(effective), self.effective(compute))
        return self.weight * value

    def power(self, compute: Array) -> Array:
        """f_i(E_i); ``[firm]``."""
        return self._by_sector(lambda curve, _, effective: curve.function.power(effective), self.effective(compute))

    def log_marginal(self, compute: Array) -> Array:
        """ln of what one more M H100e adds to the firm's utility; ``[firm]``."""
        slope = self._by_sector(lambda curve, _, effective: curve.log_slope(effective), self.effective(compute))
        return slope + self._log_gain

    def marginal(self, compute: Array) -> Array:
        """The same as it is, infinite where utility rises vertically from nothing; ``[firm]``."""
        slope = self._by_sector(lambda curve, _, effective: curve.slope(effective), self.effective(compute))
        return slope * self.efficiency * self.weight

    def demand(self, log_price: Array | float) -> Array:
        """Compute that maximises utility less its price, within the bounds; ``[firm]``, M H100e."""
        low, high = self.effective(self.low), self.effective(self.high)
        effective = self._by_sector(
            lambda curve, firms, price: curve.best(price, low[firms], high[firms]),
            log_price - self._log_gain,
        )
        return self._compute(effective)

    def demand_in(self, piece: Counts, otherwise: Array, log_price: float) -> Array:
        """The same with every firm kept in a concave piece of its curve, or at a given amount where that is -1."""
        low, high = self.effective(self.low), self.effective(self.high)

        def kept(curve: Curve, firms: Flags | slice, price: Array) -> Array:
            effective = self.effective(otherwise)[firms]
            for number, (log_compute, _, is_first) in enumerate(curve.pieces):
                begin, end = np.exp(log_compute[[0, -1]])
                least = np.maximum(low[firms], 0.0 if is_first else begin)
                most = np.maximum(np.minimum(high[firms], end), least)
                wanted = np.clip(curve.demand(price, number), least, most)
                effective = np.where(piece[firms] == number, wanted, effective)
            return effective

        return self._compute(self._by_sector(kept, log_price - self._log_gain))

    def log_entry_price(self) -> float:
        """ln of the least price at which nobody takes more than its lower bound."""
        steepest = self.log_marginal(self.low)
        low, high = self.effective(self.low), self.effective(self.high)
        for k, curve in enumerate(self.curves[number] for number in self.sector):
            if not (curve.is_concave or curve.is_linear):
                steepest[k] = max(steepest[k], curve.log_steepest(float(low[k]), float(high[k])) + self._log_gain[k])
        return float(steepest.max())

    def piece(self, compute: Array) -> Counts:
        """Concave piece of its curve that each firm is in, -1 in none; ``[firm]``."""
        found = self._by_sector(lambda curve, _, effective: curve.piece_of(effective), self.effective(compute))
        return found.astype(np.int64)

    @property
    def is_straight(self) -> Flags:
        """Which firms' utility is straight; ``[firm]``."""
        return np.array([curve.is_linear for curve in self.curves])[self.sector]

    @property
    def _log_gain(self) -> Array:
        """ln of what turns h' into marginal utility of compute."""
        gain: Array = np.log(self.efficiency * self.weight)
        return gain

    def _compute(self, effective: Array) -> Array:
        """Compute that makes E_i; bounds are met exactly, as what a market holds at most must clear it; ``[firm]``."""
        low, high = self.effective(self.low), self.effective(self.high)
        compute = np.clip((effective - self.inherited) / self.efficiency, self.low, self.high)
        compute = np.where(effective >= high * (1.0 - _PRICE_TOLERANCE), self.high, compute)
        return np.where(effective <= low * (1.0 + _PRICE_TOLERANCE), self.low, compute)

    def _by_sector(self, answer: _Answer, argument: Array) -> Array:
        if len(self.curves) == 1:
            return answer(self.curves[0], slice(None), argument)
        result = np.empty_like(argument)
        for number, curve in enumerate(self.curves):
            firms = self.sector == number
            result[firms] = answer(curve, firms, argument[firms])
        return result


class Filled(NamedTuple):
    """An allocation and the price that supports it."""

    compute: Array
    """[firm] M H100e."""
    log_price: float
    """ln of the shadow price, utility per M H100e; minus infinity where compute is left over."""


def fill(plot: Plot, total: float) -> Filled:
    """Divide ``total`` so that the sum of utilities is largest.

    Parameters
    ----------
    plot : Plot
        Who takes part; the sum of ``low`` is at most ``total``.
    total : float
        M H100e; what exceeds the sum of ``high`` is left over.

    Examples
    --------
    Shares under a power law are in proportion to efficiency^(gamma / (1 - gamma)):

    >>> from sim.submodels.power import PowerLaw
    >>> one, none = np.ones(2), np.zeros(2)
    >>> curve = Curve(PowerLaw(reference=1.0, gamma=0.5), 0.0, 20.0)
    >>> plot = Plot([curve], np.zeros(2, dtype=int), np.array([1.0, 4.0]), none, one, none, 5.0 * one)
    >>> fill(plot, 5.0).compute.round(12)
    array([1., 4.])
    """
    if total >= plot.high.sum() * (1.0 - _ROUNDING):
        largest = int(np.argmax(plot.high))
        # A bound that is the total itself grows with it.
        is_bound = plot.high[largest] < total
        return Filled(plot.high.copy(), -np.inf if is_bound else float(plot.log_marginal(plot.high)[largest]))
    if total <= plot.low.sum() * (1.0 + _ROUNDING):
        return Filled(plot.low.copy(), plot.log_entry_price())
    with np.errstate(under="ignore", over="ignore"):
        wanted = plot.demand(-_MOST_LOG)
        if wanted.sum() <= total:
            return _beyond_all_use(plot, wanted, total)
        less, more, log_price = _clear(plot.demand, total, _guess(plot, total))
        compute = _shared(plot, less, more, total)
        if compute is None:
            compute = _indivisible(plot, less, more, total, log_price)
        winner = int(np.argmax(compute))
        if compute[winner] >= total and plot.is_straight[winner]:
            # Its bound is the total itself, at which any price down to the next firm's would clear the market.
            log_price = float(plot.log_marginal(compute)[winner])
    return Filled(compute, log_price)


def _beyond_all_use(plot: Plot, wanted: Array, total: float) -> Filled:
    """Share out what remains where f, to rounding, makes no more of it."""
    room = plot.high - wanted
    compute = wanted + room * ((total - wanted.sum()) / room.sum())
    return Filled(compute, float(plot.log_marginal(compute).max()))


def clearing_price(demand: _Demand, total: float, start: float) -> float:
    """ln of the price at which a falling demand meets the total, to rounding.

    Parameters
    ----------
    demand : callable
        Amounts ``[firm]`` at ln of a price.
    total : float
        Positive, and less than demand at a price of nothing.
    start : float
        ln of a price to begin from.
    """
    from scipy.optimize import brentq

    def excess(log_price: float) -> float:
        wanted = float(demand(log_price).sum())
        return float(np.log(wanted / total)) if wanted > 0.0 else -_MOST_LOG

    low = high = start
    at_low = at_high = excess(start)
    step = _FIRST_STEP
    while at_low < 0.0 and low > -_MOST_LOG:
        high, at_high, low, step = low, at_low, low - step, 2.0 * step
        at_low = excess(low)
    step = _FIRST_STEP
    while at_high > 0.0 and high < _MOST_LOG:
        low, at_low, high, step = high, at_high, high + step, 2.0 * step
        at_high = excess(high)
    if low == high or at_low <= 0.0 or at_high >= 0.0:  # met, or out of reach by rounding
        return low if at_low <= 0.0 else high
    root: float = brentq(excess, low, high, xtol=_PRICE_TOLERANCE, rtol=8.9e-16, maxiter=500)
    return root


def _clear(demand: _Demand, total: float, start: float) -> tuple[Array, Array, float]:
    """Amounts just above and just below the clearing price, whose sums enclose the total, and ln of the price."""
    log_price = clearing_price(demand, total, start)
    gap = _PRICE_TOLERANCE * max(abs(log_price), 1.0)
    less, more = demand(log_price + gap), demand(log_price - gap)
    while not less.sum() <= total <= more.sum():
        gap *= 4.0
        less, more = demand(log_price + gap), demand(log_price - gap)
    return less, more, log_price


def _guess(plot: Plot, total: float) -> float:
    """ln of a price to begin from: the median of marginal utilities where everyone has an equal share."""
    marginal = plot.log_marginal(np.clip(total / len(plot.low), plot.low, plot.high))
    return float(np.clip(np.median(marginal), -_MOST_LOG / 2, _MOST_LOG / 2))


def _shared(plot: Plot, less: Array, more: Array, total: float) -> Array | None:
    """What remains after ``less``, divided among those who can take any part of it; None when that is not enough."""
    jumps = more - less
    is_whole = (jumps > _JUMP * (plot.high - plot.low)) & ~plot.is_straight
    room = np.where(is_whole, 0.0, jumps)
    rest = total - less.sum()
    if rest <= 0.0:
        return less
    if rest > room.sum():
        return None
    shared: Array = less + (rest / room.sum()) * room
    return shared


def _indivisible(plot: Plot, less: Array, more: Array, total: float, log_price: float) -> Array:
    """The best found where the price leaves firms that would take all of a jump or nothing of it.

    Jumps that fit are taken, the largest first, and the rest goes to one firm. Then firms are held in the piece of
    their curve that they have reached, with one firm more or less beyond its jump, and compute is divided again.
    """
    jumps = np.where((more - less > _JUMP * (plot.high - plot.low)) & ~plot.is_straight, more - less, 0.0)
    order = [int(k) for k in np.argsort(-jumps, kind="stable") if jumps[k] > 0.0]
    compute = np.where(jumps > 0.0, less, more)
    if compute.sum() > total:
        compute = less.copy()
    jumped: list[int] = []
    for k in order:
        if compute.sum() + jumps[k] <= total:
            compute[k] = more[k]
            jumped.append(k)
    waiting = [k for k in order if k not in jumped]
    piece_less, piece_more = plot.piece(less), plot.piece(more)
    candidates = [_with_rest(plot, compute, total, waiting)]
    for chosen in (jumped, jumped + waiting[:1], jumped[:-1]):
        is_chosen = np.isin(np.arange(len(jumps)), chosen)
        held = np.where(is_chosen, more, np.where(jumps > 0.0, less, more))
        piece = np.where(is_chosen | (jumps == 0.0), piece_more, piece_less)
        divided = _held(plot, piece, held, total, log_price)
        if divided is not None:
            candidates.append(divided)
    return max(candidates, key=lambda each: float(plot.utility(each).sum()))


def _with_rest(plot: Plot, compute: Array, total: float, waiting: Sequence[int]) -> Array:
    """Give what remains to the firms that still wait, in order, and then to whoever has room."""
    filled = compute.copy()
    others = [k for k in range(len(filled)) if k not in waiting]
    for k in [*waiting, *others]:
        rest = total - filled.sum()
        if rest <= 0.0:
            break
        filled[k] = min(filled[k] + rest, plot.high[k])
    return filled


def _held(plot: Plot, piece: Counts, held: Array, total: float, start: float) -> Array | None:
    """The optimum with every firm inside its piece, or at ``held``; None where the pieces do not hold the total."""

    def demand(log_price: float) -> Array:
        return plot.demand_in(piece, held, log_price)

    least, most = demand(_MOST_LOG), demand(-_MOST_LOG)
    if not least.sum() < total < most.sum():
        return None
    less, more, _ = _clear(demand, total, start)
    room = more - less
    rest = total - less.sum()
    return less + (rest / room.sum()) * room if rest > 0.0 else less


class Group(NamedTuple):
    """Firms that together must have at least and at most so much."""

    members: Flags
    """[firm]; groups do not overlap."""
    least: float
    """M H100e."""
    most: float
    """M H100e."""


def fill_groups(
    plot: Plot,
    total: float,
    groups: Sequence[Group],
    divide: Callable[[Plot, float], Filled] = fill,
    demand: Callable[[Plot, float], Array] = Plot.demand,
) -> tuple[Array, Array, float]:
    """Divide ``total`` where groups of firms have bounds of their own.

    A group whose bound binds is a market of its own, with its own price.

    Parameters
    ----------
    plot : Plot
    total : float
        M H100e.
    groups : sequence of Group
    divide, demand : callable
        How one market is cleared, and what firms take at ln of a price; ``fill`` by default.

    Returns
    -------
    compute : array [firm]
        M H100e.
    log_price : array [firm]
        ln of the price of the firm's own market.
    common : float
        ln of the price outside bound groups.
    """
    if not groups:
        filled = divide(plot, total)
        return filled.compute, np.full(plot.low.shape, filled.log_price), filled.log_price
    start = divide(plot, total).log_price
    spent, is_bound, price = _bound_groups(plot, total, groups, demand, start)
    compute, log_price = np.zeros_like(plot.low), np.empty_like(plot.low)
    is_free = np.ones(plot.low.shape, dtype=np.bool_)
    takers = []
    for group, amount, bound in zip(groups, spent, is_bound, strict=True):
        if bound:
            own = divide(plot.of(group.members), amount)
            compute[group.members], log_price[group.members] = own
            is_free &= ~group.members
            takers += [own.log_price] if amount < group.most * (1.0 - _ROUNDING) else []
    if is_free.any():
        left = total - float(compute.sum())
        rest = divide(plot.of(is_free), left if left > _ROUNDING * total else 0.0)
        compute[is_free] = rest.compute
        takers.append(rest.log_price)
    # More would go to whoever pays most for it, which is a bound group only where the others get nothing.
    price = max(takers, default=price)
    log_price[is_free] = price
    return compute, log_price, price


def _bound_groups(
    plot: Plot, total: float, groups: Sequence[Group], demand: Callable[[Plot, float], Array], start: float
) -> tuple[list[float], list[bool], float]:
    """What each group gets when its demand is kept within its bounds, whether a bound binds, and ln of the price."""

    def kept(log_price: float) -> Array:
        wanted = demand(plot, log_price)
        for group in groups:
            amount = wanted[group.members].sum()
            bounded = min(max(amount, group.least), group.most)
            if bounded != amount:
                wanted[group.members] = bounded / group.members.sum()
        return wanted

    with np.errstate(under="ignore", over="ignore"):
        start = start if np.isfinite(start) else -_MOST_LOG / 2
        log_price = clearing_price(kept, total, start)
        wanted = demand(plot, log_price)
    amounts = [float(wanted[group.members].sum()) for group in groups]
    spent = [min(max(amount, group.least), group.most) for amount, group in zip(amounts, groups, strict=True)]
    return spent, [bounded != amount for bounded, amount in zip(spent, amounts, strict=True)], log_price


def dual_value(plot: Plot, total: float, groups: Sequence[Group], log_price: Array, common: float) -> float:
    """Lagrangian dual at given prices: no allocation of the total within the groups' bounds has more utility.

    Parameters
    ----------
    plot : Plot
    total : float
        M H100e.
    groups : sequence of Group
    log_price : array [firm]
        ln of the price of each firm's market. A group may also face the common price, where that bounds more tightly.
    common : float
        ln of the price of the total.
    """
    with np.errstate(under="ignore", over="ignore"):
        price = float(np.exp(common))
        at_common = _surplus(plot, np.full(plot.low.shape, common))
        is_free = np.ones(plot.low.shape, dtype=np.bool_)
        value, left = 0.0, total
        for group in groups:
            is_free &= ~group.members
            own = float(np.exp(log_price[group.members][0]))
            bound = group.least if own < price else group.most
            left -= bound
            apart = own * bound + float(_surplus(plot.of(group.members), log_price[group.members]).sum())
            value += min(apart, price * bound + float(at_common[group.members].sum()))
        # Where groups have all there is, rounding is not worth others' price, which may be without bound.
        value += price * left if abs(left) > _ROUNDING * total else 0.0
    return float(value + at_common[is_free].sum())


def _surplus(plot: Plot, log_price: Array) -> Array:
    """Most utility less its price; ``[firm]``."""
    best = plot.demand(log_price)
    surplus: Array = plot.utility(best) - np.exp(log_price) * best
    return surplus


def most_power(function: PowerFunction, efficiency: Array, inherited: Array, total: float) -> float:
    """Largest total power that firms with one power function can make of a total; exact where it is concave.

    Parameters
    ----------
    function : PowerFunction
    efficiency, inherited : array [firm]
        As in ``Plot``.
    total : float
        M H100e.
    """
    nothing, one = np.zeros_like(efficiency), np.ones_like(efficiency)
    sector = np.zeros(efficiency.shape, dtype=np.int64)
    curve = Curve(function, 0.0, float(np.max(inherited + efficiency * total)))
    plot = Plot((curve,), sector, efficiency, inherited, one, nothing, np.full_like(efficiency, total))
    return float(plot.power(fill(plot, total).compute).sum())
