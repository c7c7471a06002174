"""The ledger: each flow of money has a payer and a payee (docs/model.md 7.13 and 9).

The stages compute cash from their own formulas; the audit adds up the flows, written down separately, and compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.arrays import Array, total
from sim.errors import LedgerError

POPULATIONS = ("firms", "owners", "makers", "government", "households")
"""Who can pay and be paid; makers pass on what they earn, so they hold no cash."""

TOLERANCE = 1e-9
"""Largest residual over turnover."""


@dataclass(frozen=True)
class Flow:
    """Money that went from one population to another in a quarter.

    Parameters
    ----------
    name : str
        What for.
    payer, payee : str
        Populations.
    paid, received : array [..., payer] and [..., payee]
        $bn, from each payer and to each payee, written down from either side; no trailing axis for ``government``
        and ``households``.
    """

    name: str
    payer: str
    payee: str
    paid: Array
    received: Array

    @cached_property
    def amount(self) -> Array:
        """Total, $bn; ``[...]``."""
        return _total(self.paid, self.payer)

    @property
    def mismatch(self) -> Array:
        """Paid less received, $bn; ``[...]``."""
        return self.amount - _total(self.received, self.payee)


def _total(money: Array, population: str) -> Array:
    return total(money) if population in ("firms", "owners", "makers") else money


def audit(opening: Mapping[str, Array], closing: Mapping[str, Array], flows: Iterable[Flow]) -> Array:
    """Largest residual of the accounts over turnover; ``[...]``.

    Parameters
    ----------
    opening, closing : mapping of population to array
        Cash before and after, $bn.
    flows : iterable of Flow
        Every flow of the quarter.

    Raises
    ------
    LedgerError
        When a flow's two sides differ, or cash changed without a flow, by more than ``TOLERANCE`` of turnover.
    """
    flows = tuple(flows)
    turnover = sum((np.abs(flow.amount) for flow in flows), start=np.zeros(()))
    turnover = np.where(turnover > 0.0, turnover, 1.0)
    worst = np.zeros_like(turnover)
    for flow in flows:
        worst = np.maximum(worst, np.abs(flow.mismatch) / turnover)
    for population in POPULATIONS:
        change = net_receipts(population, flows, like=opening[population])
        gap = np.abs(closing[population] - opening[population] - change)
        gap = gap.max(axis=-1) if gap.ndim > turnover.ndim else gap
        worst = np.maximum(worst, gap / turnover)
    if np.any(worst > TOLERANCE):
        raise LedgerError(_complaint(opening, closing, flows, worst))
    return worst


def net_receipts(population: str, flows: Iterable[Flow], like: Array) -> Array:
    """Received less paid by each member of ``population``, $bn; shape of ``like``."""
    net = np.zeros_like(like)
    for flow in flows:
        if flow.payee == population:
            net += flow.received
        if flow.payer == population:
            net -= flow.paid
    return net


def _complaint(
    opening: Mapping[str, Array],
    closing: Mapping[str, Array],
    flows: tuple[Flow, ...],
    worst: Array,
) -> str:
    uneven = max(flows, key=lambda flow: float(np.abs(flow.mismatch).max()))
    gaps = {
        population: float(
            np.abs(
                closing[population] - opening[population] - net_receipts(population, flows, opening[population])
            ).max()
        )
        for population in POPULATIONS
    }
    leaky = max(gaps, key=lambda population: gaps[population])
    return (
        f"the accounts do not close: residual {float(worst.max()):.3g} of turnover (allowed {TOLERANCE:g}); "
        f"largest mismatch in flow {uneven.name!r} ({float(np.abs(uneven.mismatch).max()):.3g} $bn), "
        f"largest unexplained change in the cash of {leaky} ({gaps[leaky]:.3g} $bn). This is a defect: please report it"
    )
