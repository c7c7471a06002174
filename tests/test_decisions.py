"""Hand-written agents among array agents: default rules give the same numbers, own rules enter everything else."""

import functools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from sim.decisions import Decisions
from sim.engine import QuarterError, Walk
from sim.errors import AgentError, ScenarioError
from sim.mesa_model import Firm, PowerModel, Regulator
from sim.stages.demography import industry_rate
from sim.stages.training import _expect
from sim.views import OwnersView, PriceView, ReleaseView, TrainingView
from tests.worlds import same_bits, small_world, timeline

FEW = ("world.parameters.entry_slots=24", "world.parameters.small_firms_initial=10", "record.firms=quarterly")


def model(quarters=4, overrides=(), **agent_classes):
    """A short history of a small world with hand-written agents."""
    return PowerModel("baseline", quarters=quarters, overrides=[*FEW, *overrides], agent_classes=agent_classes)


def ran(*arguments, **agent_classes):
    mine = model(*arguments, **agent_classes)
    mine.run_model()
    return mine


# --- the default rule, by hand -----------------------------------------------------


class Planner(Firm):
    """Plans as everyone does."""

    def plan_training(self, view):
        return view.own_plan + view.parameters.earmark * view.new_money


class Seller(Firm):
    """Sets prices as everyone does: cost over what is kept, times the mark-up of Atkeson and Burstein."""

    def set_price(self, view):
        return view.unit_cost / (1.0 - view.revenue_taken) * view.elasticity / (view.elasticity - 1.0)


class Renter(Firm):
    """Chooses owners as everyone does."""

    def choose_owners(self, view):
        pull = view.capacity * view.rent**-view.parameters.owner_price_elasticity * view.appeal
        return view.loyalty * view.last_weight + (1.0 - view.loyalty) * pull / pull.sum()


class Opener(Firm):
    """Opens as everyone does."""

    def release_weights(self, view):
        return view.gain > 0.0 and view.gain > view.loss


class Inherited(Firm):
    """Asks what the default rule would do, each time."""

    def plan_training(self, view):
        return super().plan_training(view)

    def set_price(self, view):
        return super().set_price(view)

    def choose_owners(self, view):
        return super().choose_owners(view)

    def release_weights(self, view):
        return super().release_weights(view)


@functools.cache
def vectorised(overrides=()):
    return ran(12, overrides).recording()


def assert_close(mine, theirs):
    """The same numbers to 1e-12, and the same events."""
    for table in ("measures", "firms", "owners", "makers", "flows"):
        for name, values in getattr(theirs, table).items():
            if name == "market_sweeps":  # the solver foresees less of a rule
                continue
            # measures such as welfare are differences of larger numbers: their scale is that of the whole path
            scale = max(1.0, float(np.nanmax(np.abs(values), initial=0.0)))
            exactness = 1e-10 if name.endswith("_residual") else 1e-12 * scale
            np.testing.assert_allclose(getattr(mine, table)[name], values, rtol=1e-12, atol=exactness, err_msg=name)
    assert mine.events == theirs.events


EAGER = ("world.parameters.open_hosting_share=0.99", "world.parameters.open_data_gain=2.0")
"""A world in which firms open their weights."""


@pytest.mark.parametrize(
    ("kind", "who", "overrides"),
    [
        (Planner, "lab", ()),
        (Seller, "lab", ()),
        (Seller, "sme", ()),
        (Renter, "lab", ()),
        (Opener, "lab", EAGER),
        (Inherited, "OpenAI", EAGER),
    ],
)
@pytest.mark.filterwarnings("ignore::sim.scenario.ScenarioWarning")
def test_the_default_rule_by_hand_gives_the_vectorised_result(kind, who, overrides):
    theirs, mine = vectorised(overrides), ran(12, overrides, **{who: kind}).recording()
    assert_close(mine, theirs)
    opened = {event.event for event in theirs.events} & {"weights opened"}
    assert bool(opened) == (overrides == EAGER)


def test_no_rules_are_the_same_bits_as_none():
    world = small_world()
    without, neutral = Walk(world, timeline(4), 1, [0]), Walk(world, timeline(4), 1, [0])
    while not without.is_over:
        now = without.now
        without.step()
        neutral.step(Decisions(world, now.period, now.quarter))
    assert same_bits(without.recording(), neutral.recording())


def test_nobody_else_is_asked_and_nothing_else():
    asked = []

    class Curious(Firm):
        def plan_training(self, view):
            asked.append((view.firm, str(view.quarter)))
            return view.own_plan

    ran(3, OpenAI=Curious)
    assert asked == [("OpenAI", f"2024Q{k}") for k in (1, 2, 3)]


def test_a_name_goes_before_a_class_and_entrants_are_made_too():
    class Other(Planner):
        pass

    mine = ran(4, sme=Planner, **{"Small firm 2": Other, "Entrant 1": functools.partial(Other)})
    kinds = {firm.name: type(firm) for firm in mine.firms}
    assert kinds["Small firm 1"] is Planner and kinds["OpenAI"] is Firm
    assert kinds["Small firm 2"] is kinds["Entrant 1"] is Other
    assert kinds["Entrant 2"] is Planner


# --- own rules -----------------------------------------------------------------------


class FixedBudget(Firm):
    """Wants to spend the same every quarter."""

    budget = 0.8

    def plan_training(self, view):
        return self.budget


class Spender(FixedBudget):
    budget = 1e6


def test_a_fixed_budget_is_spent_within_means():
    mine = ran(2, OpenAI=FixedBudget, Anthropic=Spender)
    funding, markets = mine.moments.flows.funding, mine.moments.flows.markets
    for name, wanted in (("OpenAI", 0.8), ("Anthropic", funding.means[0, mine.firm("Anthropic").slot])):
        slot = mine.firm(name).slot
        assert funding.plan[0, slot] == wanted
        assert markets.training[0, slot] * markets.user_rent[0, slot] == pytest.approx(wanted, rel=1e-9)
    assert mine.measures["ledger_residual"] <= 1e-9


class Committed(Firm):
    """Asks the same whatever happens."""

    price_asked = 0.9

    def set_price(self, view):
        return self.price_asked


def test_everyone_replies_to_a_price_that_is_committed():
    mine = ran(4, ["mechanisms.mergers=false"], OpenAI=Committed)
    m, state, p = mine.moments.flows.markets, mine.moments.before, mine.world.parameters
    slot = mine.firm("OpenAI").slot
    assert m.price[0, :, slot] == pytest.approx(0.9, rel=1e-13)
    kept = 1.0 - p.operating_cost_share
    cost = m.unit_cost[0, slot]
    margin = kept * m.revenue[0, :, slot] - cost * m.quantity[0, :, slot]
    assert m.profit[0, :, slot] == pytest.approx(margin, rel=1e-9)
    for i in np.flatnonzero(state.is_active[0]):
        if i == slot:
            continue
        s = m.target_share[0, :, i]
        eps = p.substitution * (1 - s) + (1 + p.nest_growth * (p.substitution - 1) * (1 - m.nest[0])) * s
        assert m.price[0, :, i] == pytest.approx(m.unit_cost[0, i] / kept * eps / (eps - 1), rel=1e-7)
    assert m.market_residual[0] <= 1e-8 and m.price_residual[0] <= 1e-9
    demand = m.captive_use + (m.owner_weight * m.rented[:, None, :]).sum(axis=-1)
    assert m.use[0] == pytest.approx(demand[0], rel=1e-9)


class AtCost(Firm):
    def set_price(self, view):
        return view.unit_cost / (1.0 - view.revenue_taken)


class Dumper(Firm):
    def set_price(self, view):
        return 0.7 * view.unit_cost / (1.0 - view.revenue_taken)


@pytest.mark.parametrize(("kind", "profit"), [(AtCost, 0.0), (Dumper, -3.0 / 7.0)])
def test_prices_at_and_below_cost_bring_what_they_bring(kind, profit):
    mine = ran(6, OpenAI=kind)
    m, slot = mine.moments.flows.markets, mine.firm("OpenAI").slot
    kept = (1.0 - mine.world.parameters.operating_cost_share) * m.revenue[0, :, slot].sum()
    assert m.profit[0, :, slot].sum() == pytest.approx(profit * kept, abs=1e-12 * kept)
    assert mine.measures["ledger_residual"] <= 1e-9


def test_who_sells_at_a_loss_trains_on_new_money_alone():
    mine = ran(6, giant=Dumper, lab=Dumper)
    funding = mine.moments.flows.funding
    assert mine.measures["industry_profit"] < 0.0
    assert np.all(funding.plan >= 0.0) and np.any(funding.own_plan < 0.0)


def test_losses_do_not_bend_what_the_industry_expects():
    """A mean with a negative weight could lie far outside of what anyone expects or has seen."""
    world = small_world()
    state = world.initial_state(1)
    profit, own, rate = state.profit.copy(), state.own_compute.copy(), state.profit_growth.copy()
    profit[0, :, 0] = -0.9 * profit[0, :, 1:].sum(axis=-1)
    own[0, 0] *= 3.0
    rate[0, 0] = 0.5
    before, after = replace(state, profit=profit), replace(state, profit=profit, own_compute=own)
    assert industry_rate(after, rate)[0, 0] == pytest.approx(state.profit_growth[0, 1])
    learned = _expect(before, after, world).capability_growth
    weight = world.parameters.expectation_weight
    assert learned[0, 1] == pytest.approx((1.0 - weight) * state.capability_growth[0, 1])


def pricing_by(rule):
    return type("Ruled", (Firm,), {"set_price": lambda _self, view: rule(view)})


def renting_by(rule):
    return type("Ruled", (Firm,), {"choose_owners": lambda _self, view: rule(view)})


@pytest.mark.parametrize("who", ["OpenAI", "giant", "sme"])
@pytest.mark.parametrize(
    "kind",
    [
        pricing_by(lambda view: 1.3 * view.unit_cost / (1.0 - view.revenue_taken)),
        pricing_by(lambda view: view.best_reply * (1.0 - 0.3 * view.share[:, view.slot])),
        renting_by(lambda view: view.target_weight),
        renting_by(lambda view: view.capacity * view.rent**-6.0 * view.appeal),
    ],
    ids=["cost plus", "undercuts as it grows", "without loyalty", "keen on cheap compute"],
)
def test_rules_hold_where_markets_clear(kind, who):
    """Each rule, asked about the quarter's own outcome, gives what the firm did."""
    mine = ran(6, **{who: kind})
    m, p = mine.moments.flows.markets, mine.world.parameters
    assert m.market_residual[0] <= 1e-8 and m.price_residual[0] <= 1e-9
    for slot in (firm.slot for firm in mine.firms if type(firm) is kind and firm.age > 0):
        head = mine.moments.before.group[0]
        joint = m.target_share[0][:, head == head[slot]].sum(axis=-1)
        eps = p.substitution * (1 - joint) + (1 + p.nest_growth * (p.substitution - 1) * (1 - m.nest[0])) * joint
        appeal = np.exp(mine.world.affinity[:, slot])
        pull = mine.moments.before.capacity[0] * m.rent[0] ** -p.owner_price_elasticity * appeal
        kept = 1.0 - p.operating_cost_share
        view = SimpleNamespace(
            slot=slot, unit_cost=m.unit_cost[0, slot], revenue_taken=p.operating_cost_share, share=m.target_share[0],
            best_reply=m.unit_cost[0, slot] / kept * eps / (eps - 1), rent=m.rent[0], appeal=appeal,
            capacity=mine.moments.before.capacity[0], target_weight=pull / pull.sum(),
        )  # fmt: skip
        if "set_price" in vars(kind):
            assert m.price[0, :, slot] == pytest.approx(kind.set_price(None, view), rel=1e-8)
        else:
            weights = kind.choose_owners(None, view)
            assert m.owner_weight[0, :, slot] == pytest.approx(weights / weights.sum(), rel=1e-8, abs=1e-10)


def test_a_rule_that_jumps_finds_no_rest_and_says_so():
    cheapest = renting_by(lambda view: (view.appeal > 0) & (view.rent == view.rent[view.appeal > 0].min()))
    with pytest.raises(QuarterError, match=r"did not clear in \d+ sweeps.*by hand by OpenAI \(Ruled\)"):
        ran(1, OpenAI=cheapest)


def test_a_price_by_sector_is_kept():
    class BySector(Firm):
        def set_price(self, view):
            return 0.5 + 0.1 * np.arange(len(view.sector_names))

    mine = ran(2, OpenAI=BySector)
    prices = mine.moments.flows.markets.price[0, :, mine.firm("OpenAI").slot]
    assert prices == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])


class AtOracle(Firm):
    """Rents from one owner only."""

    def choose_owners(self, view):
        return [2.0 * (name == "Oracle") for name in view.owner_names]


def test_compute_is_rented_where_a_rule_says():
    mine, other = ran(3, OpenAI=AtOracle), ran(3)
    assert mine.firm("OpenAI").owner_weights == {"Oracle": 1.0}
    m = mine.moments.flows.markets
    oracle = mine.world.owner_names.index("Oracle")
    assert m.user_rent[0, mine.firm("OpenAI").slot] == m.rent[0, oracle]
    assert m.rent[0, oracle] > other.moments.flows.markets.rent[0, oracle]
    demand = m.captive_use + (m.owner_weight * m.rented[:, None, :]).sum(axis=-1)
    assert m.use[0] == pytest.approx(demand[0], rel=1e-9)


class Generous(Firm):
    """Publishes in its third quarter."""

    asked = 0

    def release_weights(self, view):
        self.asked += 1
        assert view.loss >= 0.0
        return self.age >= 2


def test_weights_are_opened_when_a_rule_says_and_it_is_not_asked_again():
    mine = ran(6, OpenAI=Generous)
    events = mine.result().events
    assert events[events["event"] == "weights opened"][["quarter", "actor"]].to_numpy().tolist() == [
        ["2024Q3", "OpenAI"]
    ]
    assert mine.firm("OpenAI").is_open and mine.firm("OpenAI").asked == 3


def test_a_rule_shifts_nobody_elses_luck():
    mine, other = ran(1, OpenAI=Committed), ran(1)
    np.testing.assert_array_equal(mine.state.log_strength, other.state.log_strength)
    assert np.any(mine.state.cash != other.state.cash)


class Witness(Inherited):
    """Keeps the last view of each decision."""

    def _kept(self, view):
        self.__dict__.setdefault("views", {})[type(view)] = view

    def plan_training(self, view):
        self._kept(view)
        return super().plan_training(view)

    def set_price(self, view):
        self._kept(view)
        return super().set_price(view)

    def choose_owners(self, view):
        self._kept(view)
        return super().choose_owners(view)

    def release_weights(self, view):
        self._kept(view)
        return super().release_weights(view)


def test_views_show_the_arrays_in_the_units_that_they_say():
    mine = ran(3, ["policies=[{compute_tax: {rate: 0.2, who: all}}]"], Anthropic=Witness)
    firm, m = mine.firm("Anthropic"), mine.moments
    at, before, funding, markets = (0, firm.slot), m.before, m.flows.funding, m.flows.markets
    training, prices, owners, release = (
        firm.views[kind] for kind in (TrainingView, PriceView, OwnersView, ReleaseView)
    )
    for view in firm.views.values():
        assert (view.firm, view.slot, str(view.quarter), view.period) == ("Anthropic", firm.slot, "2024Q3", 2)
        assert view.parameters is mine.world.parameters
        assert (len(view.firm_names), len(view.owner_names)) == (before.cash.shape[1], before.rent.shape[1])
    for name in ("own_plan", "new_money", "means", "debt_limit", "effective_compute"):
        assert getattr(training, name) == getattr(funding, name)[at], name
    for name in ("cash", "debt", "own_compute", "efficiency"):
        assert getattr(training, name) == getattr(before, name)[at], name
    assert training.profit == pytest.approx(before.profit[0, :, firm.slot].sum())
    assert training.rent == pytest.approx(1.2 * (before.rent[0] * before.owner_weight[0, :, firm.slot]).sum())
    np.testing.assert_array_equal(training.power, funding.power[0])
    np.testing.assert_array_equal(training.share, before.share[0])

    assert prices.unit_cost == pytest.approx(markets.unit_cost[at], rel=1e-5)
    assert prices.revenue_taken == mine.world.parameters.operating_cost_share
    assert prices.elasticity == pytest.approx(markets.elasticity[0, :, firm.slot], rel=1e-5)
    assert prices.best_reply == pytest.approx(markets.price[0, :, firm.slot], rel=1e-5)
    assert prices.nest == pytest.approx(markets.nest[0], rel=1e-5)
    assert prices.share == pytest.approx(markets.target_share[0], rel=1e-5)

    assert owners.rent == pytest.approx(markets.rent[0], rel=1e-9)
    np.testing.assert_array_equal(owners.capacity, before.capacity[0])
    np.testing.assert_array_equal(owners.last_weight, before.owner_weight[0, :, firm.slot])
    assert owners.loyalty == mine.world.parameters.cloud_loyalty
    assert owners.target_weight.sum() == pytest.approx(1.0)
    assert not np.any(owners.appeal[np.isneginf(mine.world.affinity[:, firm.slot])])

    assert release.profit == pytest.approx(markets.profit[0, :, firm.slot].sum())
    assert release.released == before.own_compute_history[0, mine.world.parameters.open_release_delay - 1, firm.slot]
    assert release.open_frontier == funding.open_frontier[at]
    assert release.own_compute == before.own_compute[at]


def test_views_cannot_be_written():
    class Vandal(Firm):
        def plan_training(self, view):
            view.power[:] = 0.0

    with pytest.raises(AgentError, match="read-only"):
        ran(1, OpenAI=Vandal)
    with pytest.raises(AttributeError):
        PriceView.__setattr__(object.__new__(PriceView), "unit_cost", 1.0)


# --- the regulator ---------------------------------------------------------------------


class Taxer(Regulator):
    """Taxes compute from the third quarter on."""

    def decide(self, view):
        return {"compute_tax": 0.1} if view.period >= 2 else {}


def test_a_regulator_who_decides_as_the_default_does_changes_no_bit():
    class Idle(Regulator):
        asked = 0

        def decide(self, view):
            self.asked += 1
            return super().decide(view)

    mine = ran(12, regulator=Idle)
    assert mine.regulator.asked == 12
    assert same_bits(mine.recording(), vectorised())


def test_a_regulator_does_what_the_same_policy_does():
    policy = "policies=[{compute_tax: {rate: 0.1, who: all, start: 2024Q3}}]"
    mine, theirs = ran(12, regulator=Taxer), ran(12, [policy])
    assert mine.measures["fiscal_balance"] > 0.0
    assert_close(mine.recording(), theirs.recording())
    assert np.allclose(mine.levers["compute_tax"], 0.1)


def test_a_regulator_joins_the_scenarios_policies():
    both = ran(2, ["policies=[{compute_tax: {rate: 0.2, who: all}}]"], regulator=Always)
    assert np.allclose(both.levers["compute_tax"][both.moments.before.is_active[0]], 0.25)


class Always(Regulator):
    def decide(self, view):
        return {"compute_tax": 0.05}


class Lagged(Regulator):
    """Answers to what it saw two quarters ago, and remembers it."""

    def __init__(self, *args):
        super().__init__(*args)
        self.memory = []

    def decide(self, view):
        assert len(view.past) == view.period
        if view.period < 2:
            return {}
        self.memory.append(float(view.past[-2].measures["hhi_revenue"][0]))
        return {"compute_tax": 0.1 * (self.memory[-1] > np.mean(self.memory))}


def test_a_regulator_learns_from_what_it_sees_late():
    mine = ran(6, regulator=Lagged)
    assert mine.regulator.memory == mine.result().measures["hhi_revenue"].tolist()[:4]


def test_a_regulator_cannot_change_what_it_sees():
    class Vandal(Regulator):
        def decide(self, view):
            view.firms["own_compute"][:] = 0.0

    with pytest.raises(AgentError, match="read-only"):
        ran(1, regulator=Vandal)


# --- failures ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decision", "who", "base"),
    [
        ("plan_training", "OpenAI", Firm),
        ("set_price", "OpenAI", Firm),
        ("choose_owners", "OpenAI", Firm),
        ("release_weights", "OpenAI", Firm),
        ("decide", "regulator", Regulator),
    ],
)
def test_a_rule_that_raises_stops_the_run_with_name_quarter_and_cause(decision, who, base):
    def breaks(self, view):
        1.0 / (2 - view.period)
        return getattr(base, decision)(self, view)

    broken = type("Broken", (base,), {decision: breaks})
    mine = model(6, **{who: broken})
    with pytest.raises(AgentError) as caught:
        mine.run_model()
    error, name = caught.value, f"{who} (Broken)"
    assert str(error) == f"{name}: {decision} failed in 2024Q3: ZeroDivisionError: float division by zero"
    assert (error.agent, error.decision, str(error.quarter)) == (name, decision, "2024Q3")
    assert error.__cause__ is error.cause and isinstance(error.cause, ZeroDivisionError)
    assert not mine.running and mine.period == 2 and mine.quarter == "2024Q2"
    assert {firm.name for firm in mine.firms} == {firm.name for firm in ran(2).firms}
    np.testing.assert_array_equal(mine.state.cash, ran(2, **{who: broken}).state.cash)


def answering(decision, answer, base=Firm):
    return type("Odd", (base,), {decision: lambda _self, _view: answer})


@pytest.mark.parametrize(
    ("decision", "answer", "said"),
    [
        ("plan_training", -1.0, "at least 0"),
        ("plan_training", float("nan"), "at least 0"),
        ("plan_training", None, "TypeError"),
        ("set_price", 0.0, "above 0"),
        ("set_price", [1.0, 2.0], "one for each of 6 sectors"),
        ("choose_owners", np.ones(9), "does not sell to the firm"),
        ("choose_owners", np.zeros(9), "not all 0"),
        ("choose_owners", np.ones(3), "each of 9 owners"),
        ("release_weights", 1, "True or False"),
    ],
)
def test_answers_that_cannot_be_used_say_what_is_allowed(decision, answer, said):
    with pytest.raises(AgentError, match=f"OpenAI .Odd.: {decision} failed in 2024Q1.*{said}"):
        ran(1, OpenAI=answering(decision, answer))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"compute_tx": 0.1}, "did you mean 'compute_tax'"),
        ({"compute_tax": np.ones(3)}, "shape"),
        ({"switching": float("nan")}, "is nan"),
        (0.1, "levers by name"),
    ],
)
def test_levers_that_cannot_be_used_say_what_is_allowed(answer, said):
    with pytest.raises(AgentError, match=f"decide failed in 2024Q1.*{said}"):
        ran(1, regulator=answering("decide", answer, Regulator))


def test_a_price_that_cannot_be_served_leaves_no_equilibrium_and_says_so():
    class Giveaway(Firm):
        def set_price(self, view):
            return 1e-3

    with pytest.raises(QuarterError, match=r"2024Q1: .*by hand by OpenAI \(Giveaway\)"):
        ran(1, OpenAI=Giveaway)


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ({"OpenAi": Planner}, "did you mean 'OpenAI'"),
        ({"OpenAI": Taxer}, "a subclass of Firm"),
        ({"regulator": Planner}, "a subclass of Regulator"),
        ({"OpenAI": lambda *_: None}, "a subclass of Firm"),
    ],
)
def test_classes_for_nobody_are_refused(classes, said):
    with pytest.raises(ScenarioError, match=said):
        model(**classes)


def test_agents_who_remember_do_not_go_with_runs_that_are_repeated():
    with pytest.raises(ScenarioError, match="perfect_own_path"):
        model(2, ["mechanisms.expectations=perfect_own_path"], OpenAI=Planner)
