"""Indices of concentration: published values, naive oracles, and the axioms of each index."""

from collections.abc import Callable, Iterator
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sim import indices

Index = Callable[..., np.ndarray]

# The example vector of the R package `ineq`.
PUBLISHED_X = [541, 1463, 2445, 3438, 4437, 5401, 6392, 8304, 11904, 22261]

SINGLE: dict[str, Index] = {
    "gini": indices.gini,
    "gini_corrected": indices.gini_corrected,
    "hhi": indices.hhi,
    "cr1": lambda x, where=None: indices.concentration_ratio(x, 1, where=where),
    "cr4": lambda x, where=None: indices.concentration_ratio(x, 4, where=where),
    "theil": indices.theil,
    "atkinson": lambda x, where=None: indices.atkinson(x, 0.5, where=where),
    "entropy": indices.entropy,
    "effective_number": indices.effective_number,
    "hall_tideman": indices.hall_tideman,
    "palma": indices.palma,
    "top10_share": indices.top_share,
    "dominance": indices.dominance,
}
EVERY: dict[str, Index] = SINGLE | {
    "mean_log_deviation": indices.mean_log_deviation,
    "atkinson_0": lambda x, where=None: indices.atkinson(x, 0.0, where=where),
    "atkinson_0.9": lambda x, where=None: indices.atkinson(x, 0.9, where=where),
    "atkinson_1": lambda x, where=None: indices.atkinson(x, 1.0, where=where),
    "atkinson_2": lambda x, where=None: indices.atkinson(x, 2.0, where=where),
    "top_third": lambda x, where=None: indices.top_share(x, 1 / 3, where=where),
}
each_index = pytest.mark.parametrize("name", EVERY)

# For properties that run once for each index.
fewer = settings(max_examples=30)

counts = st.lists(st.integers(0, 1000), min_size=1, max_size=30).filter(any)
positives = st.lists(st.integers(1, 1000), min_size=1, max_size=30)


@pytest.fixture(autouse=True, scope="module")
def strict_arithmetic() -> Iterator[None]:
    """The same arithmetic errors as in the engine."""
    with np.errstate(divide="raise", over="raise", invalid="raise", under="ignore"):
        yield


def close(got: object, expected: object, tolerance: float = 1e-13) -> None:
    """Equal up to a tolerance, relative above one and absolute below; the same nan and inf."""
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


# --- oracles: exact rational or 40-digit arithmetic, straight from the definitions ---------------


def oracle(name: str, x: list[int]) -> float:
    """An index by its definition, in another way than the implementation."""
    with localcontext() as context:
        context.prec = 40
        return float(ORACLES[name]([Fraction(value) for value in x]))


def decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def shares(x: list[Fraction]) -> list[Fraction]:
    return [value / sum(x) for value in x]


def oracle_gini(x: list[Fraction]) -> Fraction:
    return sum((abs(a - b) for a in x for b in x), Fraction(0)) / (2 * len(x) * sum(x))


def oracle_hall_tideman(x: list[Fraction]) -> Fraction:
    ranked = sorted(shares(x), reverse=True)
    return 1 / (2 * sum((r * s for r, s in enumerate(ranked, 1)), Fraction(0)) - 1)


def oracle_entropy(x: list[Fraction]) -> Decimal:
    return -sum((decimal(s) * decimal(s).ln() for s in shares(x) if s), Decimal(0))


def oracle_theil(x: list[Fraction]) -> Decimal:
    relative = [value * len(x) / sum(x) for value in x]
    return sum((decimal(r) * decimal(r).ln() for r in relative if r), Decimal(0)) / len(x)


def oracle_mean_log_deviation(x: list[Fraction]) -> Decimal:
    mean = sum(x) / len(x)
    return sum((decimal(mean / value).ln() for value in x), Decimal(0)) / len(x)


def oracle_atkinson(x: list[Fraction], epsilon: str) -> Decimal:
    values, aversion, n = [decimal(value) for value in x], Decimal(epsilon), len(x)
    if aversion == 1:
        product = Decimal(1)
        for value in values:
            product *= value
        equivalent = product ** (1 / Decimal(n))
    elif aversion > 1 and not all(values):
        return Decimal(1)
    else:
        powers = [v ** (1 - aversion) if v else Decimal(0) for v in values]
        equivalent = (sum(powers) / n) ** (1 / (1 - aversion))
    return 1 - equivalent / (sum(values) / n)


def part(x: list[Fraction], first: int, last: int, of: int) -> Fraction:
    """Share held between the quantiles first/of and last/of, after cutting each member in `of`."""
    cut = sorted(value for value in x for _ in range(of))
    return sum(cut[first * len(x) : last * len(x)], Fraction(0)) / sum(cut)


ORACLES: dict[str, Callable[[list[Fraction]], Fraction | Decimal]] = {
    "gini": oracle_gini,
    "gini_corrected": lambda x: oracle_gini(x) * len(x) / (len(x) - 1),
    "hhi": lambda x: sum((s * s for s in shares(x)), Fraction(0)),
    "cr1": lambda x: max(shares(x)),
    "cr4": lambda x: sum(sorted(shares(x), reverse=True)[:4], Fraction(0)),
    "theil": oracle_theil,
    "mean_log_deviation": oracle_mean_log_deviation,
    "atkinson": lambda x: oracle_atkinson(x, "0.5"),
    "atkinson_0": lambda x: Fraction(0),
    "atkinson_0.9": lambda x: oracle_atkinson(x, "0.9"),
    "atkinson_1": lambda x: oracle_atkinson(x, "1"),
    "atkinson_2": lambda x: oracle_atkinson(x, "2"),
    "entropy": oracle_entropy,
    "effective_number": lambda x: 1 / sum((s * s for s in shares(x)), Fraction(0)),
    "hall_tideman": oracle_hall_tideman,
    "palma": lambda x: part(x, 9, 10, 10) / part(x, 0, 4, 10),
    "top10_share": lambda x: part(x, 9, 10, 10),
    "top_third": lambda x: part(x, 2, 3, 3),
    "dominance": lambda x: sum(
        ((s * s / sum((t * t for t in shares(x)), Fraction(0))) ** 2 for s in shares(x)),
        Fraction(0),
    ),
}


# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("gini", "0.46209113"),
        ("gini_corrected", "0.51343459"),
        ("hhi", "0.18408123"),
        ("hall_tideman", "0.18590510"),
        ("atkinson", "0.17965910"),
        ("atkinson_1", "0.35182506"),
        ("theil", "0.36234124"),
        ("mean_log_deviation", "0.43359465"),
        ("entropy", "1.94024385"),  # ln 10 less Theil's; 1.94024384, also seen, is not
        ("cr1", "0.33431953"),
        ("cr4", "0.73380290"),
        ("dominance", "0.41058118"),
    ],
)
def test_published_values_are_met_as_printed(name: str, published: str) -> None:
    assert f"{float(EVERY[name](PUBLISHED_X)):.8f}" == published
    assert f"{oracle(name, PUBLISHED_X):.8f}" == published


@each_index
def test_published_example_equals_forty_digit_arithmetic(name: str) -> None:
    assert abs(float(EVERY[name](PUBLISHED_X)) - oracle(name, PUBLISHED_X)) <= 1e-12


@each_index
@fewer
@given(x=positives)
def test_any_positive_population_equals_the_definition(name: str, x: list[int]) -> None:
    assume(name != "gini_corrected" or len(x) > 1)
    close(EVERY[name](x), oracle(name, x))


@pytest.mark.parametrize("name", sorted(set(EVERY) - {"palma", "mean_log_deviation"}))
@fewer
@given(x=counts)
def test_any_population_with_zeros_equals_the_definition(name: str, x: list[int]) -> None:
    assume(name != "gini_corrected" or len(x) > 1)
    close(EVERY[name](x), oracle(name, x))


@pytest.mark.parametrize("n", range(5, 131, 5))
def test_palma_is_infinite_when_exactly_the_bottom_forty_percent_have_nothing(n: int) -> None:
    n_bottom = 2 * n // 5
    assert indices.palma([0] * n_bottom + [1] * (n - n_bottom)) == np.inf
    assert indices.palma([0] * (n_bottom - 1) + [1] * (n - n_bottom + 1)) < np.inf


def test_one_zero_is_without_limit_for_indices_that_watch_the_bottom() -> None:
    assert indices.mean_log_deviation([0, 1, 2]) == np.inf
    assert indices.atkinson([0, 1, 2], 1) == 1
    assert indices.atkinson([0, 1, 2], 3) == 1
    assert indices.atkinson([0, 1, 2], 0.9) < 1


@pytest.mark.parametrize("x", [PUBLISHED_X, [0, 1, 2, 900], [1e-300, 1, 2]])
@pytest.mark.parametrize("side", [-1, 1])
def test_atkinson_is_continuous_in_its_aversion_near_one(x: list[float], side: int) -> None:
    at_one = indices.atkinson(x, 1)
    assert abs(indices.atkinson(x, 1 + side * 1e-9) - at_one) < 1e-6
    assert abs(indices.atkinson(x, 1 + side * 1e-15) - at_one) < 1e-9


@given(x=positives, low=st.floats(0, 20), high=st.floats(0, 20))
def test_atkinson_rises_with_aversion(x: list[int], low: float, high: float) -> None:
    low, high = sorted((low, high))
    assert indices.atkinson(x, low) <= indices.atkinson(x, high) + 1e-13


def test_lorenz_points_are_known() -> None:
    population_share, value_share = indices.lorenz([3, 1, 4, 0])
    assert population_share.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert value_share.tolist() == [0, 0, 0.125, 0.5, 1]


@given(x=counts)
def test_gini_is_twice_the_area_above_the_lorenz_curve(x: list[int]) -> None:
    population_share, value_share = indices.lorenz(x)
    close(1 - 2 * np.trapezoid(value_share, population_share), indices.gini(x))
    assert value_share[-1] == population_share[-1] == 1
    assert (np.diff(value_share, 2) >= -1e-15).all()


@given(x=counts, fraction=st.floats(0.001, 1))
def test_top_share_reads_the_lorenz_curve(x: list[int], fraction: float) -> None:
    close(indices.top_share(x, fraction), 1 - np.interp(1 - fraction, *indices.lorenz(x)), 1e-12)


@given(x=counts)
def test_identities_between_indices_hold(x: list[int]) -> None:
    n = len(x)
    close(indices.hall_tideman(x) * n * (1 - indices.gini(x)), 1)
    close(indices.theil(x) + indices.entropy(x), np.log(n))
    close(indices.effective_number(x) * indices.hhi(x), 1)
    close(indices.concentration_ratio(x, 2), indices.top_share(x, min(2 / n, 1)))
    close(indices.dominance(x), indices.hhi(np.array(x, dtype=float) ** 2))
    if all(x):
        close(indices.atkinson(x, 1), 1 - np.exp(-indices.mean_log_deviation(x)))


# --- axioms --------------------------------------------------------------------------------------


@each_index
@fewer
@given(x=counts, factor=st.floats(1e-6, 1e6))
def test_scale_changes_nothing(name: str, x: list[int], factor: float) -> None:
    close(EVERY[name](np.array(x) * factor), EVERY[name](x), 1e-12)


@each_index
@fewer
@given(x=counts, exponent=st.integers(-1040, 1010))
def test_scale_by_a_power_of_two_changes_no_bit(name: str, x: list[int], exponent: int) -> None:
    scaled = np.ldexp(np.array(x, dtype=float), exponent)
    np.testing.assert_array_equal(EVERY[name](scaled), EVERY[name](x))


@each_index
@pytest.mark.parametrize("x", [[5e-324, 1e308], [1e-300, 1e-10, 1e308, 1e308], [5e-324, 1e-323]])
def test_extreme_values_neither_overflow_nor_fail(name: str, x: list[float]) -> None:
    assert EVERY[name](x) >= 0


@each_index
@fewer
@given(x=counts, random=st.randoms(use_true_random=False))
def test_order_does_not_matter(name: str, x: list[int], random: object) -> None:
    shuffled = x.copy()
    random.shuffle(shuffled)
    close(EVERY[name](shuffled), EVERY[name](x))


@each_index
@fewer
@given(x=counts, k=st.integers(2, 5))
def test_replication_is_neutral_or_divides_or_adds_ln_k(name: str, x: list[int], k: int) -> None:
    before, after = EVERY[name](x), EVERY[name](x * k)
    if name in {"hhi", "hall_tideman", "dominance", "cr1"}:
        close(after, before / k)
    elif name == "effective_number":
        close(after, before * k)
    elif name == "entropy":
        close(after, before + np.log(k))
    elif name in {"cr4", "gini_corrected"}:  # neither: more members share, or a smaller correction
        assert after <= before or len(x) == 1
    else:
        close(after, before)


@st.composite
def transfers(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """A population before and after one gives another, poorer one a part of their gap."""
    x = draw(st.lists(st.integers(1, 1000), min_size=2, max_size=20))
    poor, rich = draw(st.permutations(range(len(x))))[:2]
    if x[poor] > x[rich]:
        poor, rich = rich, poor
    gap = x[rich] - x[poor]
    assume(gap >= 2)
    amount = draw(st.integers(1, gap - 1))  # at `gap` they would only change places
    after = x.copy()
    after[poor] += amount
    after[rich] -= amount
    return x, after


STRICT = {
    "gini",
    "gini_corrected",
    "hhi",
    "hall_tideman",
    "theil",
    "mean_log_deviation",
    "atkinson",
    "atkinson_0.9",
    "atkinson_1",
    "atkinson_2",
}
INDIFFERENT_TO_SOME = {"cr1", "cr4", "top10_share", "top_third", "palma"}
EQUALITY_RAISES = {"entropy", "effective_number"}


@pytest.mark.parametrize("name", sorted(STRICT | INDIFFERENT_TO_SOME | EQUALITY_RAISES))
@fewer
@given(pair=transfers())
def test_a_transfer_from_rich_to_poor_lowers_concentration(name: str, pair: tuple[list[int], list[int]]) -> None:
    before, after = (float(EVERY[name](x)) for x in pair)
    if name in EQUALITY_RAISES:
        assert after > before
    elif name in STRICT:
        assert after < before
    else:
        assert after <= before * (1 + 1e-14)


def test_every_index_but_dominance_obeys_transfers() -> None:
    assert STRICT | INDIFFERENT_TO_SOME | EQUALITY_RAISES == set(EVERY) - {
        "dominance",
        "atkinson_0",
    }


@given(x=positives.filter(lambda x: len(x) >= 2))
def test_a_merger_raises_hhi_by_twice_the_product_of_shares(x: list[int]) -> None:
    merged = [x[0] + x[1], *x[2:]]
    exact = Fraction(2 * x[0] * x[1], sum(x) ** 2)
    close(indices.hhi(merged) - indices.hhi(x), float(exact), 1e-15)
    close(indices.hhi([0, *merged]) - indices.hhi(x), float(exact), 1e-15)


def test_the_merger_of_the_two_smallest_can_divide_the_indices() -> None:
    before, after = [40, 30, 20, 10], [40, 30, 30]
    assert indices.hhi(after) > indices.hhi(before)
    assert indices.gini(after) < indices.gini(before)
    assert indices.dominance(after) < indices.dominance(before)


@each_index
@fewer
@given(x=positives, n_zeros=st.integers(1, 20))
def test_zeros_change_only_the_indices_that_count_members(name: str, x: list[int], n_zeros: int) -> None:
    n = len(x)
    kept = n / (n + n_zeros)  # part of the members that have anything
    before, after = EVERY[name](x), EVERY[name](x + [0] * n_zeros)
    if name in {"hhi", "effective_number", "hall_tideman", "entropy", "cr1", "cr4", "dominance"}:
        close(after, before)
    elif name == "gini":
        close(1 - after, kept * (1 - before))
    elif name == "theil":
        close(after, before - np.log(kept))
    elif name == "atkinson":
        close(1 - after, kept * (1 - before))
    elif name == "atkinson_0.9":
        close(1 - after, kept**9 * (1 - before))
    elif name in {"atkinson_1", "atkinson_2"}:
        assert after == 1
    elif name == "mean_log_deviation":
        assert after == np.inf
    elif name == "atkinson_0":
        close(after, 0)
    elif name == "gini_corrected":
        assert np.isnan(before) or after > before or np.isclose(before, 1)
    elif name == "palma":
        assert after > before
    else:
        assert name in {"top10_share", "top_third"}
        assert after > before or np.isclose(before, 1)


def extremes(name: str, n: int) -> tuple[float, float]:
    """The value when all n are equal, and when one has everything."""
    bottom_is_void = np.inf if n > 1 else 0.25
    values = {
        "gini": (0, 1 - 1 / n),
        "gini_corrected": (0, 1) if n > 1 else (np.nan, np.nan),
        "cr4": (min(4 / n, 1), 1),
        "theil": (0, np.log(n)),
        "mean_log_deviation": (0, np.inf if n > 1 else 0),
        "atkinson": (0, 1 - 1 / n),
        "atkinson_0": (0, 0),
        "atkinson_0.9": (0, 1 - n**-9.0),
        "atkinson_1": (0, 1 if n > 1 else 0),
        "atkinson_2": (0, 1 if n > 1 else 0),
        "entropy": (np.log(n), 0),
        "effective_number": (n, 1),
        "palma": (0.25, bottom_is_void),
        "top10_share": (0.1, min(0.1 * n, 1)),
        "top_third": (1 / 3, min(n / 3, 1)),
    }
    return values.get(name, (1 / n, 1))


@each_index
@pytest.mark.parametrize("n", [1, 2, 3, 7, 10, 33, 128])
def test_equality_and_monopoly_are_the_known_extremes(name: str, n: int) -> None:
    equal, monopoly = extremes(name, n)
    close(EVERY[name]([0.3] * n), equal, 1e-14)
    close(EVERY[name]([0.0] * (n - 1) + [0.3]), monopoly, 1e-14)


@each_index
@fewer
@given(x=counts)
def test_no_population_lies_beyond_the_extremes(name: str, x: list[int]) -> None:
    assume(len(x) > 1)
    low, high = sorted(extremes(name, len(x)))
    assert low - 1e-14 <= EVERY[name](x) <= high * (1 + 1e-14) + 1e-14


def test_all_members_together_hold_all_and_never_more() -> None:
    x = np.random.default_rng(3).lognormal(size=(500, 40))
    assert abs(indices.top_share(x, 1.0) - 1).max() < 1e-14
    assert abs(indices.concentration_ratio(x, 40) - 1).max() < 1e-14
    assert indices.top_share(x, 1.0).max() == indices.concentration_ratio(x, 50).max() == 1


def test_near_equality_never_gives_negative_inequality() -> None:
    x = 1 + 1e-15 * np.random.default_rng(3).random((500, 300))
    for name in ("gini", "theil", "mean_log_deviation", "atkinson", "atkinson_2"):
        assert EVERY[name](x).min() >= 0


@pytest.mark.parametrize("name", ["gini", "theil", "mean_log_deviation", "atkinson", "atkinson_2"])
@fewer
@given(value=st.floats(1e-3, 1e3), n=st.integers(1, 40))
def test_inequality_among_equals_is_zero_to_rounding_and_never_below(name: str, value: float, n: int) -> None:
    assert 0 <= EVERY[name]([value] * n) < 1e-14
    assert EVERY[name](np.nextafter(value, [0, 1e9] * n)) >= 0


# --- populations, masks and batches --------------------------------------------------------------


@each_index
@fewer
@given(members=counts, others=st.lists(st.sampled_from([0.0, 5.0, -1.0, np.nan, np.inf])))
def test_a_masked_entry_is_as_if_removed(name: str, members: list[int], others: list[float]) -> None:
    x = np.array([value for pair in zip(members, others, strict=False) for value in pair])
    where = np.arange(x.size) % 2 == 0
    kept, dropped = members[x.size // 2 :], others[x.size // 2 :]
    x = np.concatenate([x, kept, dropped])
    where = np.concatenate([where, np.ones(len(kept), bool), np.zeros(len(dropped), bool)])
    close(EVERY[name](x, where=where), EVERY[name](members))


def test_lorenz_of_a_masked_population_repeats_the_origin() -> None:
    population_share, value_share = indices.lorenz([9, 3, 1], where=[False, True, True])
    assert population_share.tolist() == [0, 0, 0.5, 1]
    assert value_share.tolist() == [0, 0, 0.25, 1]


def test_a_mask_without_batch_axes_applies_to_every_row() -> None:
    x, where = np.array([[1, 2, 3], [4, 5, 9]]), [True, False, True]
    close(indices.gini(x, where=where), indices.gini(x[:, where]))


@each_index
def test_populations_without_shares_are_nan_and_leave_the_others_alone(name: str) -> None:
    index = EVERY[name]
    x = np.array([[1.0, 2, 5], [0, 0, 0], [1, 2, 5]])
    where = np.array([[True] * 3, [True] * 3, [False] * 3])
    assert index(x, where=where)[0] == index([1.0, 2, 5])
    assert np.isnan(index(x, where=where)[1:]).all()
    assert np.isnan(index([0, 0])) and np.isnan(index([])) and np.isnan(index([1.0], where=[False]))
    assert np.isnan(index(np.ones((2, 0)))).tolist() == [True, True]
    assert index(np.ones((0, 4))).shape == (0,)


def test_lorenz_without_shares_is_nan_and_keeps_its_number_of_points() -> None:
    for x, n_points in (([0, 0], 3), ([], 1)):
        curve = np.array(indices.lorenz(x))
        assert curve.shape == (2, n_points)
        assert np.isnan(curve).all()


@each_index
@pytest.mark.parametrize("bad", [-1.0, -1e-300, np.nan, np.inf, -np.inf])
def test_what_is_not_a_finite_amount_is_refused_and_located(name: str, bad: float) -> None:
    x = np.ones((3, 4))
    x[2, 1] = bad
    with pytest.raises(ValueError, match=r"at position \[2, 1\], 1 such in all"):
        EVERY[name](x)


@each_index
def test_what_a_mask_hides_is_outside_the_population(name: str) -> None:
    x = np.array([[5.0, -1.0, 2.0, 4.0], [1.0, 3.0, np.nan, 9.0]])
    hidden = np.array([[False, True, False, False], [False, False, True, False]])
    masked, where = np.ma.array(x, mask=hidden), np.array([True, True, True, False])
    assert np.array_equal(EVERY[name](masked), EVERY[name](x, where=~hidden))
    assert np.array_equal(EVERY[name](masked, where=where), EVERY[name](x, where=where & ~hidden))
    with pytest.raises(ValueError, match="clip them, or leave them out with `where=`"):
        EVERY[name](np.ma.array(x))


def test_nothing_and_little_are_not_called_wrong() -> None:
    """Zero and a half are amounts: only what is refused is counted and located."""
    with pytest.raises(ValueError, match=r"got -1\.0 at position \[2\], 1 such in all"):
        indices.hhi([0.0, 0.5, -1.0])


def test_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1; got 0"):
        indices.concentration_ratio([1, 2], 0)
    for epsilon in (-0.1, np.nan, np.inf):
        with pytest.raises(ValueError, match="epsilon"):
            indices.atkinson([1, 2], epsilon)
    for fraction in (0.0, -0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="top fraction"):
            indices.top_share([1, 2], fraction)
    with pytest.raises(ValueError, match="single number 3"):
        indices.gini(3)
    with pytest.raises(ValueError, match="booleans.*int64"):
        indices.gini([1, 2], where=[0, 1])
    with pytest.raises(ValueError, match=r"shape \(2, 2\), which does not broadcast to that of x, \(2,\)"):
        indices.gini([1, 2], where=[[True, True], [True, False]])


def population(n_rows: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of log-normal values with some zeros, and a mask; two rows have no shares."""
    random = np.random.default_rng(7)
    x = random.lognormal(sigma=2, size=(n_rows, n)) * (random.random((n_rows, n)) < 0.9)
    where = random.random((n_rows, n)) < 0.8
    x[3], where[5] = 0, False
    return x, where


def bits(computed: dict[str, np.ndarray]) -> dict[str, bytes]:
    return {name: np.ascontiguousarray(value).tobytes() for name, value in computed.items()}


def every_index(x: np.ndarray, where: np.ndarray | None) -> dict[str, np.ndarray]:
    singles = {name: index(x, where=where) for name, index in EVERY.items()}
    return singles | {f"all_{k}": v for k, v in indices.all_indices(x, where).items()}


@pytest.mark.parametrize("is_masked", [False, True])
def test_all_indices_has_the_bits_of_the_single_functions(is_masked: bool) -> None:
    x, where = population(64, 100)
    mask = where if is_masked else None
    together = indices.all_indices(x, mask)
    assert list(together) == list(SINGLE)
    assert bits(together) == bits({name: index(x, where=mask) for name, index in SINGLE.items()})


@pytest.mark.parametrize("is_masked", [False, True])
@pytest.mark.parametrize("n", [1, 3, 8, 9, 30, 100, 128, 301])
@pytest.mark.parametrize("n_block", [1, 2, 7, 64])
def test_the_number_of_rows_changes_no_bit(n_block: int, n: int, is_masked: bool) -> None:
    x, where = population(65, n)
    whole = every_index(x, where if is_masked else None)
    blocks = [
        every_index(x[start : start + n_block], where[start : start + n_block] if is_masked else None)
        for start in range(0, 65, n_block)
    ]
    assert bits(whole) == bits({k: np.concatenate([b[k] for b in blocks]) for k in whole})


@pytest.mark.parametrize("is_masked", [False, True])
def test_neither_memory_layout_nor_batch_axes_change_a_bit(is_masked: bool) -> None:
    x, where = population(60, 101)
    mask = where if is_masked else None
    expected = bits(every_index(x, mask))
    fortran, fortran_mask = np.asfortranarray(x), np.asfortranarray(where)
    assert bits(every_index(fortran, fortran_mask if is_masked else None)) == expected
    wide, wide_mask = np.repeat(x, 2, axis=-1)[:, ::2], np.repeat(where, 2, axis=-1)[:, ::2]
    assert bits(every_index(wide, wide_mask if is_masked else None)) == expected
    cube = every_index(x.reshape(5, 12, 101), where.reshape(5, 12, 101) if is_masked else None)
    assert all(value.shape == (5, 12) for value in cube.values())
    assert bits(cube) == expected
    assert bits({k: value[7] for k, value in every_index(x, mask).items()}) == bits(
        every_index(x[7], mask[7] if is_masked else None)
    )


def test_the_arguments_are_not_changed() -> None:
    x, where = population(8, 12)
    x_before, where_before = x.copy(), where.copy()
    every_index(x, where)
    every_index(x, None)
    indices.lorenz(x, where)
    np.testing.assert_array_equal(x, x_before)
    np.testing.assert_array_equal(where, where_before)


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.uint8])
def test_whole_numbers_of_any_type_give_the_same_bits(dtype: type) -> None:
    x = np.array([[1, 7, 200], [0, 3, 3]])
    assert bits(every_index(x.astype(dtype), None)) == bits(every_index(x.astype(float), None))
