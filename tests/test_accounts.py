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
