"""Indices of concentration and inequality: pure functions on the last axis.

Every function takes values ``x`` of shape ``[..., n]`` (any leading batch axes, any unit) and
returns one number per population, shape ``[...]``; a scalar where ``x`` has one axis.

Population
    ``where`` (booleans, broadcast to the shape of ``x``) says which entries belong to the
    population, and the mask of a NumPy masked array which do not; these, whatever they hold, are as
    if they were not there. Zeros inside the population count. An empty population, or one whose
    values are all zero, has no shares: its indices are nan, without a warning.
Values
    Finite and not negative; anything else is a ``ValueError``. Profits can be negative: the caller
    clips them at zero and says so in the description of the measure.
Scale
    Values are divided by the largest of their population first, so that sums and squares neither
    overflow nor vanish, and a change of unit by a power of two changes no bit. An entry below
    about 1e-308 of the largest counts as zero.
Bits
    The result of a population does not depend on how many others are in the batch, nor on how many
    entries outside the population follow its last: sums are those of `sim.arrays.total`, over values
    in descending order.

Symbols: s_i = x_i / sum x are the shares, n the size of the population, mu the mean, r the rank
from the top (the largest has r = 1). Shares and `hhi` are fractions, not points of 10,000.

References
----------
Cowell, F. A. (2011), *Measuring Inequality*, 3rd ed., Oxford University Press, for the indices of
inequality; Curry, B. and George, K. D. (1983), "Industrial concentration: a survey", *Journal of
Industrial Economics* 31(3), for those of concentration. Others stand with their function.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sim.arrays import total

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from sim.arrays import Array, Flags

# The aversion that `all_indices` chooses.
CATALOGUE_EPSILON = 0.5
# At this aversion the powers of Atkinson's index are square roots, which are exact and fast.
SQUARE_ROOT_EPSILON = 0.5
# Palma (2011): the top tenth against the bottom two fifths.
TOP_TENTH = 0.1
BOTTOM_TWO_FIFTHS = 0.4
# A ratio above the reciprocal of this one is beyond the range of a double.
SMALLEST_NORMAL = float(np.finfo(np.float64).tiny)


def gini(x: ArrayLike, where: ArrayLike | None = None) -> Array:
    """Gini coefficient, ``sum_i sum_j |x_i - x_j| / (2 n^2 mu)``.

    0 when all are equal, 1 - 1/n when one has everything. It weighs a transfer by how many ranks
    lie between the two, so that it answers mostly to the middle.

    Parameters
    ----------
    x : array_like, [..., n]
        Values, finite and not negative.
    where : array_like of bool, optional
        Which entries belong to the population; broadcast to the shape of ``x``.

    Returns
    -------
    Array, [...]
        In [0, 1 - 1/n]; nan where there are no shares.

    Raises
    ------
    ValueError
        When a value in the population is negative or not finite.

    Examples
    --------
    >>> float(gini([1, 3]))
    0.25
    >>> gini([[1, 3, 0], [0, 0, 5]], where=[True, True, False])
    array([0.25,  nan])
    """
    population = _population(x, where)
    return population.report(_gini(population, _mean_rank(population, _descending(population))))


def gini_corrected(x: ArrayLike, where: ArrayLike | None = None) -> Array:
    """Gini coefficient corrected for small samples, n / (n - 1) times `gini`.

    1 when one has everything, whatever n, so that populations of different size compare. Shapes,
    ``where`` and errors as in `gini`; nan also for a population of one.

    Reference: Deltas, G. (2003), "The small-sample bias of the Gini coefficient", *Review of
    Economics and Statistics* 85(1).

    Examples
    --------
    >>> float(gini_corrected([1, 3]))
    0.5
    """
    population = _population(x, where)
    plain = _gini(population, _mean_rank(population, _descending(population)))
    return population.report(_gini_corrected(population, plain))


def hhi(x: ArrayLike, where: ArrayLike | None = None) -> Array:
    """Herfindahl-Hirschman index as a fraction, sum s_i^2.

    1/n when all are equal, 1 for a monopoly. A merger of a and b raises it by 2 s_a s_b. Shapes,
    ``where`` and errors as in `gini`.

    Examples
    --------
    >>> float(hhi([1, 3]))
    0.625
    """
    population = _population(x, where)
    return population.report(_hhi(population))


def effective_number(x: ArrayLike, where: ArrayLike | None = None) -> Array:
    """Numbers equivalent of the Herfindahl-Hirschman index, 1 / `hhi`.

    How many equal firms would have this index (Adelman 1969): n when all are equal, 1 for a
    monopoly. The numbers equivalent of the entropy is ``exp(entropy(x))``. Shapes, ``where`` and
    errors as in `gini`.

    Examples
    --------
    >>> float(effective_number([1, 3]))
    1.6
    """
    population = _population(x, where)
    return population.report(1.0 / _hhi(population))


def dominance(x: ArrayLike, where: ArrayLike | None = None) -> Array:
    """Dominance index of Garcia Alba, sum (s_i^2 / `hhi`)^2.

    The Herfindahl-Hirschman index of the firms' parts in the Herfindahl-Hirschman index: 1/n when
    all are equal, 1 for a monopoly. It can fall when small rivals of a leader merge, which always
    raises `hhi`. Shapes, ``where`` and errors as in `gini`.

    Reference: Garcia Alba, P. (1994), "Un indice de dominancia para el analisis de la estructura
    de los mercados", *El Trimestre Economico* 61.

    Examples
    --------
    Parts 0.1 and 0.9 of an index of 0.625:

    >>> float(dominance([1, 3]))
    0.82
    """
    population = _population(x, where)
    return population.report(_dominance(population))


def concentration_ratio(x: ArrayLike, k: int, *, where: ArrayLike | None = None) -> Array:
    """Concentration ratio CR_k, the sum of the k largest shares.

    k/n when all are equal, 1 for a monopoly or when k >= n.

    Parameters
    ----------
    x : array_like, [..., n]
        Values, finite and not negative.
    k : int
        How many of the largest, at least 1.
    where : array_like of bool, optional
        As in `gini`.

    Returns
    -------
    Array, [...]
        In [min(k/n, 1), 1]; nan where there are no shares.

    Raises
    ------
    ValueError
        When ``k`` is below 1, or a value in the population is negative or not finite.

    Examples
    --------
    >>> float(concentration_ratio([1, 3, 4], k=2))
    0.875
    """
    if k < 1:
        message = f"k of a concentration ratio counts the largest firms, at least 1; got {k}"
        raise ValueError(message)
    population = _population(x, where)
    return population.report(_concentration_ratio(population, _descending(population), k))


def hall_tideman(x: ArrayLike, where: ArrayLike | None = None) -> Array:
    """Hall-Tideman (Rosenbluth) index, 1 / (2 sum r s_r - 1), r the rank from the top.

    1/n when all are equal, 1 for a monopoly; equal to 1 / (n (1 - `gini`)). Because ranks count,
    it answers to how many small firms there are. Shapes, ``where`` and errors as in `gini`.

    Reference: Hall, M. and Tideman, N. (1967), "Measures of concentration", *Journal of the
    American Statistical Association* 62.

    Examples
    --------
    Shares 3/4 and 1/4: 1 / (2 (0.75 + 2 x 0.25) - 1).

    >>> round(float(hall_tideman([1, 3])), 12)
    0.666666666667
    """
    population = _population(x, where)
    return population.report(_hall_tideman(_mean_rank(population, _descending(population))))


def theil(x: ArrayLike, where: ArrayLike | None = None) -> Array:
    """Theil index T, sum s_i ln(n s_i), in nats.

    0 when all are equal, ln n when one has everything; `entropy` is ln n - T. It answers mostly to
    the top. Shapes, ``where`` and errors as in `gini`.

    Examples
    --------
    0.25 ln 0.5 + 0.75 ln 1.5:

    >>> round(float(theil([1, 3])), 12)
    0.130812035941
    """
    population = _population(x, where)
    return population.report(_theil(population, _entropy(population)))


def mean_log_deviation(x: ArrayLike, where: ArrayLike | None = None) -> Array:
    """Mean logarithmic deviation (Theil's L), mean of ln(mu / x_i), in nats.

    0 when all are equal, infinite as soon as one value is zero. It answers mostly to the bottom.
    Shapes, ``where`` and errors as in `gini`.

    Examples
    --------
    (ln 2 + ln(2/3)) / 2:

    >>> round(float(mean_log_deviation([1, 3])), 12)
    0.143841036226
    """
    population = _population(x, where)
    return population.report(_mean_log_deviation(population))


def atkinson(x: ArrayLike, epsilon: float, *, where: ArrayLike | None = None) -> Array:
    """Atkinson index, 1 - e / mu, e = (mean of x_i^(1 - epsilon))^(1 / (1 - epsilon)).

    The part of the total that equality would save at the same welfare. At epsilon = 1, e is the
    geometric mean. 0 when all are equal; 1 from epsilon = 1 on as soon as one value is zero.

    Parameters
    ----------
    x : array_like, [..., n]
        Values, finite and not negative.
    epsilon : float
        Aversion to inequality, at least 0 (where the index is 0).
    where : array_like of bool, optional
        As in `gini`.

    Returns
    -------
    Array, [...]
        In [0, 1]; nan where there are no shares.

    Raises
    ------
    ValueError
        When ``epsilon`` is negative or not finite, or a value in the population is.

    References
    ----------
    Atkinson, A. B. (1970), "On the measurement of inequality", *Journal of Economic Theory* 2(3).

    Examples
    --------
    Square roots 1 and 3 average 2, so e is 4 where the mean is 5:

    >>> round(float(atkinson([1, 9], epsilon=0.5)), 12)
    0.2
    >>> round(float(atkinson([1, 9], epsilon=1)), 12)  # the geometric mean is 3
    0.4
    """
    if not 0.0 <= epsilon < math.inf:
        message = f"epsilon of Atkinson's index is a finite aversion of at least 0; got {epsilon}"
        raise ValueError(message)
    population = _population(x, where)
    return population.report(_atkinson(population, float(epsilon)))


def entropy(x: ArrayLike, where: ArrayLike | None = None) -> Array:
    """Shannon entropy of the shares, -sum s_i ln s_i, in nats.

    ln n when all are equal, 0 for a monopoly: the higher, the less concentrated. Shapes, ``where``
    and errors as in `gini`.

    Examples
    --------
    -0.25 ln 0.25 - 0.75 ln 0.75:

    >>> round(float(entropy([1, 3])), 12)
    0.562335144619
    """
    population = _population(x, where)
    return population.report(_entropy(population))


def top_share(x: ArrayLike, fraction: float = 0.1, *, where: ArrayLike | None = None) -> Array:
    """Share of the top ``fraction`` of the population, 1 - L(1 - fraction).

    L is the Lorenz curve, straight between its points: the member at the border counts in part. A
    tenth of 25 firms is the two largest and half of the third.

    Parameters
    ----------
    x : array_like, [..., n]
        Values, finite and not negative.
    fraction : float
        Part of the population, in (0, 1].
    where : array_like of bool, optional
        As in `gini`.

    Returns
    -------
    Array, [...]
        In [fraction, 1]; nan where there are no shares.

    Raises
    ------
    ValueError
        When ``fraction`` is outside (0, 1], or a value in the population is negative or not finite.

    Examples
    --------
    The largest and half of the second, 5 + 0.5 x 3 of 10:

    >>> float(top_share([1, 1, 3, 5], fraction=0.375))
    0.65
    """
    if not 0.0 < fraction <= 1.0:
        message = f"the top fraction of a population lies in (0, 1]; got {fraction}"
        raise ValueError(message)
    population = _population(x, where)
    return population.report(_top_share(population, _top_sum(population, _descending(population), fraction)))


def palma(x: ArrayLike, where: ArrayLike | None = None) -> Array:
    """Palma ratio, the share of the top 10% over that of the bottom 40%.

    On the Lorenz curve, straight between its points, as in `top_share`. 1/4 when all are equal,
    infinite when the bottom 40% have nothing. Shapes, ``where`` and errors as in `gini`.

    Reference: Palma, J. G. (2011), "Homogeneous middles vs. heterogeneous tails, and the end of
    the inverted-U", *Development and Change* 42(1).

    Examples
    --------
    Half of the largest, 5, over the two smallest:

    >>> float(palma([1, 1, 2, 2, 10]))
    2.5
    """
    population = _population(x, where)
    descending = _descending(population)
    top = _top_sum(population, descending, TOP_TENTH)
    return population.report(_palma(top, _bottom_sum(population, descending)))


def lorenz(x: ArrayLike, where: ArrayLike | None = None) -> tuple[Array, Array]:
    """Points of the Lorenz curve, from (0, 0) to (1, 1), poorest first.

    Parameters
    ----------
    x : array_like, [..., n]
        Values, finite and not negative.
    where : array_like of bool, optional
        As in `gini`. The curve still has n + 1 points: it starts with one more (0, 0) for each
        entry outside the population.

    Returns
    -------
    population_share : Array, [..., n + 1]
        Part of the population, 0 to 1.
    value_share : Array, [..., n + 1]
        What that part holds together, 0 to 1. Both are nan where there are no shares.

    Raises
    ------
    ValueError
        When a value in the population is negative or not finite.

    Examples
    --------
    >>> lorenz([3, 1])
    (array([0. , 0.5, 1. ]), array([0.  , 0.25, 1.  ]))
    """
    population = _population(x, where)
    ascending = _descending(population)[..., ::-1]
    n_slots = ascending.shape[-1]
    cumulative = np.zeros((*ascending.shape[:-1], n_slots + 1))
    np.cumsum(ascending, axis=-1, out=cumulative[..., 1:])
    n = population.n[..., None]
    place = np.maximum(np.arange(n_slots + 1.0) - (n_slots - n), 0.0)
    is_defined = population.has_shares[..., None]
    n_points = np.shape(x)[-1] + 1
    return (
        np.where(is_defined, place / n, np.nan)[..., :n_points],
        np.where(is_defined, cumulative / cumulative[..., -1:], np.nan)[..., :n_points],
    )


def all_indices(x: ArrayLike, where: ArrayLike | None = None) -> dict[str, Array]:
    """Compute every index of the catalogue of measures, sorting and dividing only once.

    Each entry has the bits of the function of its name, with ``cr1`` and ``cr4`` concentration
    ratios, ``atkinson`` at epsilon 0.5 and ``top10_share`` the top tenth. Shapes, ``where`` and
    errors as in `gini`.

    Examples
    --------
    >>> indices = all_indices([1, 3])
    >>> float(indices["hhi"]), float(indices["cr1"]), float(indices["gini"])
    (0.625, 0.75, 0.25)
    """
    population = _population(x, where)
    descending = _descending(population)
    mean_rank = _mean_rank(population, descending)
    top = _top_sum(population, descending, TOP_TENTH)
    gini_ = _gini(population, mean_rank)
    hhi_ = _hhi(population)
    entropy_ = _entropy(population)
    indices = {
        "gini": gini_,
        "gini_corrected": _gini_corrected(population, gini_),
        "hhi": hhi_,
        "cr1": _concentration_ratio(population, descending, 1),
        "cr4": _concentration_ratio(population, descending, 4),
        "theil": _theil(population, entropy_),
        "atkinson": _atkinson(population, CATALOGUE_EPSILON),
        "entropy": entropy_,
        "effective_number": 1.0 / hhi_,
        "hall_tideman": _hall_tideman(mean_rank),
        "palma": _palma(top, _bottom_sum(population, descending)),
        "top10_share": _top_share(population, top),
        "dominance": _dominance(population),
    }
    return {name: population.report(index) for name, index in indices.items()}


@dataclass(frozen=True, slots=True)
class _Population:
    """Values relative to the largest of their population, and what the formulas share.

    Where there are no shares it holds ones, so that no formula needs a guard; `report` gives nan.
    """

    relative: Array  # [..., n_slots], in [0, 1], zero outside the population
    total: Array  # [...], sum of `relative`, at least 1
    n: Array  # [...], size of the population, at least 1
    has_shares: Flags  # [...]

    @property
    def mean(self) -> Array:
        """Mean of the relative values, [...]."""
        return self.total / self.n

    @property
    def n_positive(self) -> Array:
        """How many hold more than nothing, [...]."""
        return np.asarray((self.relative > 0.0).sum(axis=-1, dtype=np.float64))

    def report(self, index: Array) -> Array:
        """Give the index where there are shares and nan elsewhere; a scalar without batch axes."""
        if not np.all(self.has_shares):
            index = np.where(self.has_shares, index, np.nan)
        result: Array = index[()]
        return result


def _population(x: ArrayLike, where: ArrayLike | None) -> _Population:
    values = np.asarray(x, dtype=np.float64, order="C")
    if values.ndim == 0:
        message = f"an index needs a population on the last axis; got the single number {values}"
        raise ValueError(message)
    if isinstance(x, np.ma.MaskedArray):
        is_seen = ~np.ma.getmaskarray(x)
        where = is_seen if where is None else is_seen & _members(where, values.shape)
    if where is None:
        n = np.full(values.shape[:-1], float(values.shape[-1]))
    else:
        is_member = _members(where, values.shape)
        n = np.asarray(is_member.sum(axis=-1, dtype=np.float64))
        values = np.ascontiguousarray(np.where(is_member, values, 0.0))
    largest = values.max(axis=-1, initial=0.0)
    _refuse_negative_or_infinite(values, largest)
    has_shares = largest > 0.0
    if not np.all(has_shares):
        if values.shape[-1] == 0:
            values = np.zeros((*values.shape[:-1], 1))
        values = np.where(has_shares[..., None], values, 1.0)
        largest = np.where(has_shares, largest, 1.0)
        n = np.where(has_shares, n, float(values.shape[-1]))
    relative = values / largest[..., None]
    return _Population(relative, np.asarray(total(relative)), n, np.asarray(has_shares))


def _members(where: ArrayLike, shape: tuple[int, ...]) -> Flags:
    flags = np.asarray(where)
    if flags.dtype != np.bool_:
        message = f"where must hold booleans, True for members of the population; got {flags.dtype}"
        raise ValueError(message)
    try:
        return np.broadcast_to(flags, shape)
    except ValueError as error:
        message = f"where has shape {flags.shape}, which does not broadcast to that of x, {shape}"
        raise ValueError(message) from error


def _refuse_negative_or_infinite(values: Array, largest: Array) -> None:
    # Written so that nan fails it too.
    if np.min(values, initial=0.0) >= 0.0 and np.max(largest, initial=0.0) < math.inf:
        return
    is_wrong = ~((values >= 0.0) & (values < math.inf))
    place = tuple(int(position) for position in np.argwhere(is_wrong)[0])
    message = (
        f"an index needs finite values of at least 0; got {values[place]} at position "
        f"{list(place)}, {int(is_wrong.sum())} such in all; clip them, or leave them out with `where=`"
    )
    raise ValueError(message)


def _descending(population: _Population) -> Array:
    """Sort the relative values, [..., n_slots]; entries outside the population come last, as zeros."""
    return np.sort(population.relative, axis=-1)[..., ::-1]


def _ranks(descending: Array) -> Array:
    """Rank from the top of each sorted entry, [n_slots]; the first has rank 1."""
    return np.arange(1.0, descending.shape[-1] + 1.0)


def _mean_rank(population: _Population, descending: Array) -> Array:
    """Average the ranks weighted by share, sum r s_r, [...]: from 1 to (n + 1) / 2.

    The zeros that end `descending` have ranks beyond n, which their share of zero cancels.
    """
    return total(_ranks(descending) * descending) / population.total


def _gini(population: _Population, mean_rank: Array) -> Array:
    return np.maximum((population.n + 1.0 - 2.0 * mean_rank) / population.n, 0.0)


def _gini_corrected(population: _Population, gini_: Array) -> Array:
    is_alone = population.n == 1.0
    n_others = np.where(is_alone, 1.0, population.n - 1.0)
    return np.where(is_alone, np.nan, gini_ * (population.n / n_others))


def _hall_tideman(mean_rank: Array) -> Array:
    return 1.0 / (2.0 * mean_rank - 1.0)


def _hhi(population: _Population) -> Array:
    return total(np.square(population.relative)) / np.square(population.total)


def _dominance(population: _Population) -> Array:
    square = np.square(population.relative)
    return total(np.square(square)) / np.square(total(square))


def _concentration_ratio(population: _Population, descending: Array, k: int) -> Array:
    largest = descending[..., :k]
    return np.minimum(total(largest) / population.total, 1.0)


def _log_relative(population: _Population) -> Array:
    """Log of the relative values, [..., n_slots]: at most 0, and 0 for a zero."""
    relative = population.relative
    return np.log(np.where(relative > 0.0, relative, 1.0))


def _entropy(population: _Population) -> Array:
    mean_log = total(population.relative * _log_relative(population)) / population.total
    return np.log(population.total) - mean_log


def _theil(population: _Population, entropy_: Array) -> Array:
    return np.maximum(np.log(population.n) - entropy_, 0.0)


def _mean_log_deviation(population: _Population) -> Array:
    mean_log = total(_log_relative(population)) / population.n
    deviation = np.maximum(np.log(population.mean) - mean_log, 0.0)
    return np.where(population.n_positive < population.n, np.inf, deviation)


def _atkinson(population: _Population, epsilon: float) -> Array:
    if epsilon == SQUARE_ROOT_EPSILON:
        equivalent = np.square(total(np.sqrt(population.relative)) / population.n)
        return np.clip(1.0 - equivalent / population.mean, 0.0, 1.0)
    equivalent = np.exp(_log_equivalent(population, 1.0 - epsilon))
    index = np.clip(1.0 - equivalent / population.mean, 0.0, 1.0)
    has_zeros = population.n_positive < population.n
    return np.where(has_zeros & (epsilon >= 1.0), 1.0, index)


def _log_equivalent(population: _Population, power: float) -> Array:
    """Log of the power mean of the relative values, [...]; any number if 0 in it and power <= 0.

    Powers are taken relative to the largest value (to the smallest for a negative power), so that
    they are at most 1, and less one, so that nothing is lost when the power is near zero.
    """
    log = _log_relative(population)
    if power == 0.0:
        return total(log) / population.n
    reference = np.zeros(population.n.shape) if power > 0.0 else np.min(log, axis=-1)
    excess = np.expm1(power * (log - reference[..., None]))
    n_zero = population.n - population.n_positive
    gain = (total(np.where(population.relative > 0.0, excess, 0.0)) - n_zero) / population.n
    # A mean never exceeds the largest value, whose log is 0; the bound serves what is not used.
    return np.minimum(reference + np.log1p(gain) / power, 0.0)


def _top_share(population: _Population, top: Array) -> Array:
    return np.minimum(top / population.total, 1.0)


def _palma(top: Array, bottom: Array) -> Array:
    is_finite = bottom > top * SMALLEST_NORMAL
    return np.where(is_finite, top / np.where(is_finite, bottom, 1.0), np.inf)


def _top_sum(population: _Population, descending: Array, fraction: float) -> Array:
    """Sum the ``fraction`` n largest, [...], the last of them in part."""
    n_reached = math.ceil(fraction * descending.shape[-1])
    largest = descending[..., :n_reached]
    n_above = _ranks(largest) - 1.0
    weight = np.clip(fraction * population.n[..., None] - n_above, 0.0, 1.0)
    return total(weight * largest)


def _bottom_sum(population: _Population, descending: Array) -> Array:
    """Sum the smallest two fifths of the population, [...], the last of them in part."""
    n_bottom = BOTTOM_TWO_FIFTHS * population.n[..., None]
    n_below = population.n[..., None] - _ranks(descending)
    weight = np.clip(n_bottom - n_below, 0.0, 1.0)
    return total(weight * descending)
