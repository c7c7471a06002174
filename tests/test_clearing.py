"""The compiled solver against what its parts should be; its fixed points are tested with the markets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sim.submodels import clearing
from sim.submodels.clearing import Given, Guess

N_OWNERS, N_SECTORS, N_FIRMS = 4, 2, 7


def given(seed: int, **changes: object) -> Given:
    rng = np.random.default_rng(seed)

    def some(*axes: int) -> np.ndarray:
        return rng.uniform(0.2, 2.0, (1, *axes))

    last = some(N_OWNERS, N_FIRMS)
    facts = Given(
        capacity=some(N_OWNERS),
        supply=some(N_OWNERS),
        floor=np.full((1, N_OWNERS), 1e-3),
        captive_outlay=some(N_OWNERS),
        captive_tax=np.zeros((1, N_OWNERS)),
        affinity=some(N_OWNERS, N_FIRMS),
        last_weight=last / last.sum(axis=1, keepdims=True),
        loyalty=np.full((1, N_FIRMS), 0.85),
        desired_outlay=some(N_FIRMS),
        means=np.full((1, N_FIRMS), 10.0),
        allotment=np.zeros((1, N_FIRMS)),
        own_chips=np.zeros((1, N_FIRMS)),
        training_cap=np.full((1, N_FIRMS), np.inf),
        compute_tax=np.zeros((1, N_FIRMS)),
        usage_tax=np.zeros((1, N_FIRMS)),
        revenue_taken=np.full((1, N_FIRMS), 0.2),
        serving_need=some(N_FIRMS),
        appeal=some(N_SECTORS, N_FIRMS),
        staying=0.5 * np.full((1, N_SECTORS, N_FIRMS), 1.0 / N_FIRMS),
        group=np.arange(N_FIRMS)[None],
        taken_differs=np.zeros((1, N_FIRMS), dtype=bool),
        budget=np.array([1.0, 2.0]),
        initial_odds=np.array([0.3, 0.1]),
        substitution=3.0,
        nest_growth=0.27,
        price_elasticity=1.5,
    )
    return facts._replace(**changes)


def start(log_rent: np.ndarray | None = None) -> Guess:
    rent = np.zeros((1, N_OWNERS)) if log_rent is None else log_rent[None]
    return Guess(rent, np.full((1, N_SECTORS, N_FIRMS), 1.0 / N_FIRMS), np.full((1, N_SECTORS), 0.2))


def arrived(facts: Given, log_rent: np.ndarray) -> tuple:
    """Tables of the one replicate, once shares and nests have come to rest at given rents."""
    tables = clearing.tabulated(facts, start(log_rent))
    tables.model["n_joined"] = N_FIRMS
    model, owners, firms, ties, sectors, sales = row = tuple(table[0] for table in tables)
    clearing._begin(model, owners, firms)
    gap = np.inf
    while gap > 1e-14:
        clearing._sweep(*row)
        clearing._foresee_costs(owners, firms, ties)
        gap = max(clearing._step_sector(model, sectors[s], firms, sales[s]) for s in range(N_SECTORS))
    clearing._sweep(*row)
    return row


def facts_of_many_kinds(seed: int) -> Given:
    """Firms of one owner, taxes, limits on training and chips of one's own; far from any kink."""
    rng = np.random.default_rng(100 + seed)
    return given(
        seed,
        group=np.array([[0, 0, 2, 3, 2, 3, 6]]),
        compute_tax=rng.uniform(-0.3, 0.5, (1, N_FIRMS)),
        usage_tax=rng.uniform(0.0, 0.5, (1, N_FIRMS)),
        training_cap=np.array([[0.01, *[np.inf] * (N_FIRMS - 1)]]),
        means=np.array([[10.0, 0.05, *[10.0] * (N_FIRMS - 2)]]),
        allotment=np.array([[0.0, 0.0, 0.02, 0.02, 0.0, 0.0, 0.0]]),
        own_chips=np.array([[0.0, 0.0, 0.0, 0.0, 0.01, 0.01, 50.0]]),
        loyalty=rng.uniform(0.0, 1.0, (1, N_FIRMS)),
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("facts_of", [given, facts_of_many_kinds])
def test_responses_to_rents_are_derivatives(seed: int, facts_of: Callable[[int], Given]) -> None:
    facts = facts_of(seed)
    y, h = np.random.default_rng(seed).normal(0.0, 0.3, N_OWNERS), 1e-6
    tables, jacobian = arrived(facts, y), np.empty((N_OWNERS, N_OWNERS))
    clearing._respond(*tables, jacobian)
    for k in range(N_OWNERS):
        up, down = y.copy(), y.copy()
        up[k] += h
        down[k] -= h
        (_, owners_up, firms_up, *_), (_, owners_down, firms_down, *_) = arrived(facts, up), arrived(facts, down)
        rents = np.log(firms_up["user_rent"]) - np.log(firms_down["user_rent"])
        assert np.allclose(tables[3]["response"][:, k], rents / (2 * h), rtol=1e-6, atol=1e-9)
        pressures = owners_up["pressure"] - owners_down["pressure"]
        assert np.allclose(jacobian[:, k], pressures / (2 * h), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("facts_of", [given, facts_of_many_kinds])
def test_shares_and_nests_are_foreseen_to_first_order(facts_of: Callable[[int], Given]) -> None:
    """After a step of rents what is left of the gaps falls with the square of its length."""
    left = []
    for length in (1e-2, 1e-3):
        model, owners, firms, ties, sectors, sales = row = arrived(facts_of(0), np.zeros(N_OWNERS))
        clearing._rent_responses(model, owners, firms, ties)
        owners["pressure"] = owners["step"] = length * np.array([1.0, -0.5, 0.3, 0.0])
        clearing._step_rents(owners)
        clearing._foresee_costs(owners, firms, ties)
        for s in range(N_SECTORS):
            clearing._step_sector(model, sectors[s], firms, sales[s])
        clearing._sweep(*row)
        gaps = sales["target"] - sales["share"], sectors["nest"] - sectors["expected_nest"]
        left.append(max(np.abs(gap).max() for gap in gaps))
    assert left[1] < 0.02 * left[0]


def test_a_newton_step_solves_a_linear_market_and_stops_at_the_floor() -> None:
    jacobian, pressure = np.array([[-1.0, 0.2], [0.1, -1.5]]), np.array([0.3, -0.2])
    owners = np.zeros(2, clearing._OWNER)
    owners["floor"], owners["pressure"] = np.exp(-10.0), pressure
    clearing._newton_step(owners, jacobian, np.empty((2, 2)))
    assert np.allclose(pressure + jacobian @ owners["step"], 0.0, atol=1e-8)

    owners["floor"], owners["pressure"] = np.exp([-0.1, -10.0]), [-5.0, 0.0]
    clearing._newton_step(owners, jacobian, np.empty((2, 2)))
    assert owners["step"][0] == pytest.approx(-0.1)


@pytest.mark.parametrize("n", [1, 2, 9])
def test_elimination_solves_what_numpy_solves(n: int) -> None:
    rng = np.random.default_rng(n)
    matrix, right = rng.normal(size=(n, n)), rng.normal(size=n)
    matrix[0, 0] = 0.0 if n > 1 else 1.0
    owners = np.zeros(n, clearing._OWNER)
    owners["step"] = right
    clearing._eliminate(matrix.copy(), owners)
    assert np.allclose(owners["step"], np.linalg.solve(matrix, right), rtol=1e-10)


def test_a_learned_jacobian_explains_the_last_step() -> None:
    rng = np.random.default_rng(0)
    owners, jacobian = np.zeros(3, clearing._OWNER), rng.normal(size=(3, 3))
    for name in ("step", "pressure", "last_pressure"):
        owners[name] = rng.normal(size=3)
    clearing._learn(owners, jacobian)
    assert np.allclose(jacobian @ owners["step"], owners["pressure"] - owners["last_pressure"], atol=1e-14)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_found_does_not_move_any_more(seed: int) -> None:
    facts = given(seed)
    found, n_sweeps, gap = clearing.solve(facts, start())
    assert 1 < n_sweeps[0] < clearing.MAX_SWEEPS
    assert gap[0] <= clearing.TOLERANCE
    again, n_again, _ = clearing.solve(facts, found)
    assert n_again[0] <= 2
    for mine, theirs in zip(found, again, strict=True):
        assert np.allclose(mine, theirs, rtol=0.0, atol=1e-9)


def test_a_market_that_cannot_clear_says_so() -> None:
    _, n_sweeps, gap = clearing.solve(given(0, initial_odds=np.array([np.nan, 0.1])), start())
    assert n_sweeps[0] == clearing.MAX_SWEEPS
    assert not gap[0] <= clearing.TOLERANCE


def test_the_plain_functions_are_what_was_compiled() -> None:
    """The same numbers without the compiler, so that the tests see what the file says."""
    facts = given(3)
    compiled, plain = clearing.tabulated(facts, start()), clearing.tabulated(facts, start())
    clearing._sweep(*(table[0] for table in compiled))
    with pytest.MonkeyPatch.context() as patch:
        for name, function in vars(clearing).copy().items():
            if hasattr(function, "py_func"):
                patch.setattr(clearing, name, function.py_func)
        clearing._sweep(*(table[0].view(np.recarray) for table in plain))
    for mine, theirs in zip(compiled, plain, strict=True):
        for name in mine.dtype.names:
            assert np.allclose(mine[name], theirs[name], rtol=1e-13, atol=1e-13, equal_nan=True), name
