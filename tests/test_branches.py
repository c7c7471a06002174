"""Runs that share their history until their policies begin give the bits of runs by themselves."""

from __future__ import annotations

import pytest

from sim import engine, policies
from sim.engine import first_act, simulate_block, simulate_branches
from sim.ensemble import prepare, run_block, run_branches
from sim.quarters import quarter_range
from sim.recorder import Timeline
from sim.scenario import load_scenario
from tests.worlds import START, same_bits, small_world, timeline

SETS = [
    [],
    [{"compute_tax": {"rate": 0.2, "start": str(START + 3)}}],
    [{"training_cap": {"flop": 1e25, "start": str(START + 3), "end": str(START + 5)}}],
    [{"carbon_price": {"price": 90.0}}, {"revenue_levy": {"rate": 0.1, "start": str(START + 5)}}],
    [{"break_up": {"successors": 2, "who": {"top": 1, "by": "revenue"}, "start": str(START + 4)}}],
    [{"compute_tax": {"rate": 0.2, "start": str(START + 40)}}],
]


def test_branches_are_what_each_run_is_by_itself() -> None:
    built = [policies.build(items) for items in SETS]
    together = simulate_branches(small_world(), timeline(8), 1, [0, 3], built)
    for each, mine in zip(built, together, strict=True):
        alone = simulate_block(small_world(), timeline(8), 1, [0, 3], each)
        assert same_bits(alone, mine) and alone.events == mine.events
        assert alone.quarters == mine.quarters and alone.networks.keys() == mine.networks.keys()


BESIDE = [
    *SETS,
    [
        {
            "training_cap": {
                "flop": 1e25,
                "start": str(START + 3),
                "error": 0.5,
                "lag": 2,
                "who": {"top": 2, "by": "compute"},
            }
        }
    ],
    [
        {
            "resource_quota": {
                "most": 0.05,
                "start": str(START + 3),
                "trigger": {"measure": "industry_revenue", "above": 1},
            }
        }
    ],
    [{"public_compute": {"shipments": 0.05, "allocation": "lottery"}}, {"merger_control": {"tolerance": 0.001}}],
    [{"data_portability": {"share": 0.5}}],
]


@pytest.mark.parametrize("most_rows", [1, 5, 6, 100])
def test_sets_side_by_side_have_the_bits_of_runs_by_themselves(most_rows) -> None:
    """Also with triggers, lags, lots and errors, and those of which some arrays have room for a part only."""
    built = [policies.build(items) for items in BESIDE]
    lean = Timeline(START, START + 8, chronicle=False, stocks=frozenset({START + 3, START + 7, START + 8}))
    told: list[int] = []
    together = simulate_branches(small_world(), lean, 1, [0, 3], built, told.append, most_rows=most_rows)
    for each, mine in zip(built, together, strict=True):
        assert same_bits(simulate_block(small_world(), lean, 1, [0, 3], each), mine)
    assert sum(told) == 2 * 9 * len(built), "all work is counted once"


def test_sets_share_arrays_only_where_they_fit(monkeypatch) -> None:
    sizes = []
    original = engine._go_on_beside

    def noted(begin, world, timeline, luck, sets, *rest):
        sizes.append(len(sets))
        return original(begin, world, timeline, luck, sets, *rest)

    monkeypatch.setattr(engine, "_go_on_beside", noted)
    built = [policies.build(items) for items in SETS]
    lean = Timeline(START, START + 5, chronicle=False)
    simulate_branches(small_world(), lean, 1, [0, 3], built, most_rows=4)
    assert sorted(sizes) == [1, 1, 2, 2], "the break-up is by itself; others meet where they begin together"
    sizes.clear()
    simulate_branches(small_world(), timeline(6), 1, [0, 3], built, most_rows=100)
    assert sizes == [1] * len(built), "where more than measures is recorded, each is by itself"


@pytest.mark.parametrize(("items", "period"), list(zip(SETS, [8, 3, 3, 0, 4, 8], strict=True)))
def test_the_first_act_is_the_earliest_start(items, period) -> None:
    assert first_act(policies.build(items), quarter_range(START, START + 7)) == period


def test_a_policy_that_is_no_class_of_ours_may_act_at_once() -> None:
    assert first_act([lambda _observation, _quarter: {}], quarter_range(START, START + 7)) == 0


def test_where_one_branch_breaks_the_others_are_whole() -> None:
    job = prepare(load_scenario("small_world").replace(replicates=2, quarters=4))
    harsh = job._replace(policies=[lambda _observation, _quarter: {"revenue_levy": 0.8}])
    fine, broken = run_branches([job, harsh], [0, 1])
    assert same_bits(fine, run_block(job, [0, 1]))
    assert len(broken.failures) == 2 and not len(broken.replicates)
