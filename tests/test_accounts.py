"""The ledger notices money without a payer, a payee or a flow."""

from dataclasses import replace

import numpy as np
import pytest

from sim.accounts import POPULATIONS, Flow, audit, net_receipts
from sim.errors import LedgerError
from tests.worlds import run_quarters, small_world

RENT = Flow("rent", "firms", "owners", np.array([[2.0, 3.0]]), np.array([[5.0]]))
ZERO = {
    "firms": np.zeros((1, 2)),
    "owners": np.zeros((1, 1)),
    "makers": np.zeros((1, 1)),
    "government": np.zeros(1),
    "households": np.zeros(1),
}
PAID = {**ZERO, "firms": np.array([[-2.0, -3.0]]), "owners": np.array([[5.0]])}


def test_books_that_close_have_no_residual() -> None:
    assert audit(ZERO, PAID, [RENT]) == 0.0


@pytest.mark.parametrize("part", ["paid", "received"])
def test_a_flow_with_two_different_sides_is_refused(part: str) -> None:
    with pytest.raises(LedgerError, match="rent"):
        audit(ZERO, PAID, [replace(RENT, **{part: getattr(RENT, part) * 1.001})])


@pytest.mark.parametrize("population", POPULATIONS)
def test_cash_that_changes_without_a_flow_is_refused(population: str) -> None:
    leaky = {**PAID, population: PAID[population] + 1e-6}
    with pytest.raises(LedgerError, match=population):
        audit(ZERO, leaky, [RENT])


def test_swapped_payers_are_refused_even_when_totals_agree() -> None:
    swapped = replace(RENT, paid=RENT.paid[:, ::-1])
    with pytest.raises(LedgerError, match="firms"):
        audit(ZERO, PAID, [swapped])


# Three replicates of three firms and two owners: one of billions, one of cents, one in which nobody pays.
SCALE = np.array([[1.0], [0.01], [0.0]])
WAGES = Flow("wages", "firms", "households", np.array([[1.0, 2.0, 4.0]]) * SCALE, 7.0 * SCALE[:, 0])
LETS = Flow("lets", "firms", "owners", np.array([[1.0, 1.0, 1.0]]) * SCALE, np.array([[1.0, 2.0]]) * SCALE)
BEFORE = {
    "firms": np.full((3, 3), 20.0),
    "owners": np.full((3, 2), 3.0),
    "makers": np.zeros((3, 2)),
    "government": np.ones(3),
    "households": np.full(3, 9.0),
}
AFTER = {
    **BEFORE,
    "firms": BEFORE["firms"] - WAGES.paid - LETS.paid,
    "owners": BEFORE["owners"] + LETS.received,
    "households": BEFORE["households"] + WAGES.received,
}
TURNOVER = [10.0, 0.1, 1.0]


@pytest.mark.parametrize("replicate", range(3))
@pytest.mark.parametrize("population", POPULATIONS)
def test_the_residual_is_the_largest_gap_over_a_replicates_own_turnover(population: str, replicate: int) -> None:
    """Of a few cents, where nothing is paid; each replicate by itself, and whichever member it is that errs."""
    size = 3e-10 * TURNOVER[replicate]
    for member in np.ndindex(BEFORE[population].shape[1:]):
        wrong = AFTER[population].copy()
        wrong[(replicate, *member)] += size
        residual = audit(BEFORE, {**AFTER, population: wrong}, [WAGES, LETS])
        assert residual.shape == (3,)
        assert residual[replicate] == pytest.approx(3e-10, rel=1e-3)
        assert np.all(np.delete(residual, replicate) < 1e-13)


def test_turnover_counts_every_flow_whatever_its_sign() -> None:
    """A subsidy is a tax below zero: it must not take from the turnover that errors are measured by."""
    subsidy = Flow("subsidy", "firms", "government", -LETS.paid, -3.0 * SCALE[:, 0])
    after = {**AFTER, "firms": AFTER["firms"] + LETS.paid, "government": BEFORE["government"] - 3.0 * SCALE[:, 0]}
    wrong = {**after, "government": after["government"] + np.array([1.3e-9, 0.0, 0.0])}
    assert audit(BEFORE, wrong, [WAGES, LETS, subsidy])[0] == pytest.approx(1e-10, rel=1e-3)


def test_one_replicate_has_no_axis_of_replicates() -> None:
    """A ledger of a single history, as a user's own check would write it."""
    one = [replace(flow, paid=flow.paid[0], received=flow.received[0]) for flow in (WAGES, LETS)]
    before, after = ({name: money[0] for name, money in cash.items()} for cash in (BEFORE, AFTER))
    wrong = {**after, "firms": after["firms"] + np.array([0.0, 4e-9, 0.0])}
    assert audit(before, wrong, one) == pytest.approx(4e-10, rel=1e-3)


def test_the_complaint_names_the_worst_flow_the_leak_and_their_sizes() -> None:
    uneven = replace(LETS, received=LETS.received + np.array([[0.0, 0.25]]) * SCALE)
    after = {**AFTER, "firms": AFTER["firms"] + np.array([[0.0, 0.5, 0.0]]) * SCALE}
    with pytest.raises(LedgerError) as refused:
        audit(BEFORE, after, [WAGES, uneven])
    assert "residual 0.05 of turnover (allowed 1e-09)" in str(refused.value)
    assert "flow 'lets' (0.25 $bn)" in str(refused.value)
    assert "cash of firms (0.5 $bn)" in str(refused.value)


def test_net_receipts_are_signed() -> None:
    assert net_receipts("firms", [RENT], np.zeros((1, 2))).tolist() == [[-2.0, -3.0]]


def test_the_model_keeps_its_books_and_creates_no_money() -> None:
    run = run_quarters(small_world(), 8)
    assert max(float(residual.max()) for residual in run.residuals) < 1e-12
    for before, after in zip(run.states, run.states[1:], strict=False):
        money = [s.cash.sum(-1) + s.owner_cash.sum(-1) + s.government_cash + s.household_cash for s in (before, after)]
        scale = np.abs(after.household_cash) + after.cash.sum(-1)
        assert np.all(np.abs(money[1] - money[0]) <= 1e-12 * scale)


def test_every_flow_of_a_quarter_has_a_payer_and_a_payee() -> None:
    flows = run_quarters(small_world(), 1).flows[0]
    ledger = flows.accounts.flows + flows.investment.flows + flows.demography.flows
    assert {flow.payer for flow in ledger} | {flow.payee for flow in ledger} == set(POPULATIONS)
    assert len({flow.name for flow in ledger}) == len(ledger)
