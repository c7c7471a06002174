"""The rivals of `make bench` find what the engine's solver finds, so that their times compare the same work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.rivals import c_core
from benchmarks.rivals.cases import Case, stylised
from benchmarks.rivals.mesa_model import MarketModel
from sim.submodels import clearing
from sim.submodels.clearing import Guess


def case() -> Case:
    """Firms in pairs, one levied more than its sister, two without part and one that only trains."""
    given, start = stylised(40, n_replicates=2)
    appeal, share, staying = given.appeal.copy(), start.share.copy(), given.staying.copy()
    for values in (appeal, share, staying):
        values[:, :, [7, 20, 31]] = 0.0
    outlay, taken = given.desired_outlay.copy(), given.revenue_taken.copy()
    outlay[:, [7, 31]] = 0.0
    taken[:, 1] = 0.3
    differs = given.taken_differs.copy()
    differs[:, :2] = True
    share /= share.sum(axis=-1, keepdims=True)
    given = given._replace(
        appeal=appeal, staying=staying, desired_outlay=outlay, revenue_taken=taken, taken_differs=differs
    )
    return Case(given, start._replace(share=share))


def assert_same(mine: Guess, theirs: Guess) -> None:
    for one, other in zip(mine, theirs, strict=True):
        assert np.allclose(one, other, rtol=0.0, atol=1e-9)


@pytest.mark.skipif(c_core.compiler() is None, reason="no C compiler")
def test_c_finds_the_same_in_as_many_sweeps(tmp_path: Path) -> None:
    posed = case()
    found, n_sweeps, _ = clearing.solve(*posed)
    theirs, their_sweeps, gap = c_core.Core(tmp_path).posed(*posed)()
    assert_same(found, theirs)
    assert np.array_equal(n_sweeps, their_sweeps)
    assert (gap <= clearing.TOLERANCE).all()


def test_mesa_finds_the_same_in_as_many_sweeps() -> None:
    posed = case().replicate(1)
    found, n_sweeps, _ = clearing.solve(*posed)
    model = MarketModel(posed)
    model.step()
    assert_same(found, model.found())
    assert model.sweep == n_sweeps[0]


def test_firms_without_part_change_nothing() -> None:
    """Left out by the solver, wherever their slots are; their shares stay zero."""
    given, start = case()
    order = np.random.default_rng(1).permutation(40)
    place = np.argsort(order)
    moved = {
        name: values[..., order]
        for name, values in given._asdict().items()
        if np.ndim(values) and values.shape[-1] == 40
    }
    moved["group"] = place[moved["group"]]
    found, n_sweeps, _ = clearing.solve(given, start)
    again, n_again, _ = clearing.solve(given._replace(**moved), start._replace(share=start.share[..., order]))
    assert_same(Guess(found.log_rent, found.share[..., order], found.nest), again)
    assert np.array_equal(n_sweeps, n_again)
    assert (found.share[:, :, [7, 31]] == 0.0).all()
