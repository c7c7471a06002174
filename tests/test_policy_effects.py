"""What policies do to the market, derived beforehand; and that each acts through its mechanism, on common luck.

Effects are paired by replicate. A test that says *clear* asks for a mean effect beyond three standard errors over
replicates, in the derived direction; one that says *exactly* asks for equality to rounding.
"""

import numpy as np
import pytest

from sim import policies, units
from sim.ensemble import simulate, world_spec
from sim.indices import gini
from sim.luck import Luck
from sim.observe import MEASURES
from sim.planner import plan
from sim.scenario import load_scenario
from sim.state import SME
from sim.submodels import knowledge
from sim.world.build import build
from tests.policies import every, in_force
from tests.worlds import START, record, run_quarters, same_bits, small_world

REPLICATES = range(8)
FRUGAL = small_world(outlay_limit=0.01, investor_funding=0.01)
"""Firms that train little and so have earnings to tax."""


def effect(measure, policy, n_quarters=8, world=None, replicates=REPLICATES):
    """Paired differences in the last quarter; ``[replicate]``."""
    world = world or small_world()
    return paired(
        record(world, n_quarters, replicates), record(world, n_quarters, replicates, policies=policy), measure
    )


def paired(without, with_it, measure):
    return with_it.measures[measure][:, -1] - without.measures[measure][:, -1]


def t_value(differences):
    """Mean over its standard error."""
    return differences.mean() / (differences.std(ddof=1) / len(differences) ** 0.5)


def clear(differences, sign):
    return sign * t_value(differences) > 3.0


def now(name, **changes):
    """A policy in force from the first quarter."""
    return in_force(name, **{"start": None, **changes})


# --- caps and quotas -----------------------------------------------------------------------------


def test_a_cap_lowers_the_largest_run_to_itself_exactly_and_leaves_smaller_runs_free():
    """Leaders planned more than the cap before, so that max C_i = flop / (phi x FLOP per unit) while they plan more."""
    cap = 5e25
    without, capped = record(small_world(), 6), record(small_world(), 6, policies=[now("training_cap", flop=cap)])
    free, bound = without.measures["largest_run_flop"], capped.measures["largest_run_flop"]
    assert (free[:, 2:] > cap).all() and np.allclose(bound[:, 2:], cap, rtol=1e-12)
    assert (bound <= cap * (1 + 1e-12)).all()


def test_no_firm_exceeds_a_quota_and_some_meet_it():
    """C_i <= share x u x sum K of the same quarter, the public pool included."""
    world, most = small_world(), 0.02
    run = run_quarters(world, 6, policies=[now("resource_quota", most=most), now("public_compute", shipments=0.1)])
    for state, flows in zip(run.states, run.flows, strict=False):
        allowed = most * world.parameters.utilisation * (state.capacity.sum(-1) + state.public_capacity)
        used = flows.markets.training.max(axis=-1)
        assert (used <= allowed * (1 + 1e-12)).all()
    assert np.allclose(used, allowed, rtol=1e-12)


def test_a_cap_leaves_more_compute_to_those_below_it():
    """Capacity is given, so what leaders may not train is rented by others: their compute rises and rents fall."""
    policy = [now("training_cap", flop=2e25)]
    assert clear(effect("rental_price", policy, 6), -1)
    assert clear(effect("small_firm_share_of_compute", policy, 6), +1)


# --- taxes and subsidies -------------------------------------------------------------------------


def test_a_tax_on_all_compute_lowers_rents_by_exactly_the_tax():
    """Capacity given and above the floor: w (1 + tau) clears as w did (docs/model.md 9)."""
    plain, taxed = (run_quarters(small_world(), 1, policies=p).flows[0] for p in ([], [now("compute_tax", rate=0.25)]))
    assert np.allclose(taxed.markets.rent * 1.25, plain.markets.rent, rtol=1e-9)
    assert np.allclose(taxed.markets.compute_used, plain.markets.compute_used, rtol=1e-8)


def test_a_tax_on_developers_alone_hands_compute_to_captive_use():
    """Captive outlay B is given: use B / w rises exactly as rents fall, which they do by less than the tax."""
    tax = now("compute_tax", rate=0.25, captive=False)
    plain, taxed = (run_quarters(small_world(), 1, policies=p).flows[0].markets for p in ([], [tax]))
    assert (taxed.captive_use.sum(-1) > plain.captive_use.sum(-1)).all()
    assert (taxed.compute_used.sum(-1) < plain.compute_used.sum(-1)).all()
    assert np.allclose(taxed.captive_use * taxed.rent, plain.captive_use * plain.rent, rtol=1e-9)
    ratio = taxed.rent / plain.rent
    assert (ratio > 1 / 1.25).all() and (ratio < 1.0).all()


def test_owners_capture_a_subsidy_to_small_firms_as_derived():
    """Capacity given, all of what small firms spend more ends as rents. Their outlay on training is given, so that they
    rent 1 / (1 - s) times as much; for serving a firm too small to have market power meets a demand of elasticity rho,
    of which a part k of customers takes notice: spending before the subsidy rises by 1 + k ((1 - s)^-(rho - 1) - 1).
    Owners get more than the subsidy, as it lures customers' money as well. Rents move too: 5 per cent.
    """
    s = 0.4
    plain, paid = (run_quarters(small_world(), 1, policies=p).flows[0] for p in ([], [now("compute_subsidy", rate=s)]))
    p, eligible = small_world().parameters, small_world().initial_state(2).firm_class == 2
    training, serving = (
        (plain.markets.user_rent * c * eligible).sum(-1) for c in (plain.markets.training, plain.markets.serving)
    )
    demand = 1.0 + p.switching_rate * ((1.0 - s) ** -(p.substitution - 1.0) - 1.0)
    after = (training + serving * demand) / (1.0 - s)
    captured = (after - training - serving) / (s * after)
    outlay = -paid.accounts.compute_tax.sum(-1)
    rents = [(flows.accounts.rents * eligible).sum(-1) for flows in (plain, paid)]
    assert np.allclose((rents[1] - rents[0]) / outlay, captured, rtol=0.05)
    gain = paid.accounts.owner_income.sum(-1) - plain.accounts.owner_income.sum(-1)
    assert (gain > 0.5 * outlay).all()
    more = paid.markets.compute_used - plain.markets.compute_used
    captive = (paid.markets.captive_use - plain.markets.captive_use).sum(-1)
    assert ((more * eligible).sum(-1) > 0).all() and ((more * ~eligible).sum(-1) + captive < 0).all()
    assert np.allclose(more.sum(-1) + captive, 0.0, atol=1e-8), "nobody makes compute"


def test_a_threshold_tax_spares_those_below_it():
    """Nobody trains a run of 1e30 FLOP, so that nobody pays; from 1e23 on the largest pay most per unit."""
    none = now("compute_tax", rate=0.3, captive=False, schedule="threshold", threshold=1e30)
    assert same_bits(record(small_world(), 4), record(small_world(), 4, policies=[none]))
    taxed = record(
        small_world(), 4, policies=[now("compute_tax", rate=0.3, captive=False, schedule="threshold", threshold=1e23)]
    )
    assert (taxed.measures["fiscal_balance"][:, -1] > 0).all()


def test_a_progressive_tax_is_due_in_proportion_to_the_share_of_compute():
    from tests.policies import observation

    policy = now("compute_tax", rate=0.5, captive=False, schedule="progressive", full_share=0.5)
    answer = policy(observation(), START + 5)["compute_tax"][0]
    assert np.allclose(answer[:5], 0.5 * np.minimum(np.array([5, 4, 3, 1, 0]) / 13 / 0.5, 1.0))


def test_levies_and_profit_taxes_are_what_they_say_of_the_same_quarter():
    """Revenue of a levy is rate x sales; of a profit tax rate x positive earnings before it."""
    flows = run_quarters(small_world(), 3, policies=[now("revenue_levy", rate=0.03, who="all")]).flows[2]
    assert np.allclose(flows.accounts.fiscal_balance, 0.03 * flows.markets.revenue.sum((-2, -1)), rtol=1e-12)
    flows = run_quarters(FRUGAL, 3, policies=[now("profit_tax", rate=0.2, who="all")]).flows[2]
    assert (flows.accounts.earnings > 0).any()
    before = flows.accounts.earnings + flows.accounts.other_taxes
    assert np.allclose(flows.accounts.fiscal_balance, 0.2 * np.maximum(before, 0.0).sum(-1), rtol=1e-9)


# --- knowledge -----------------------------------------------------------------------------------


def test_open_weights_narrow_the_gap_to_the_frontier():
    """P_i / P_1 rises for whoever builds on the leader's model: E_eff,i gains omega E_1, the leader itself nothing.

    Were others' models published too, the leader would build on them as well, and the gap could widen.
    """
    policy = [now("open_weights", age=1, who={"top": 1, "by": "power"})]
    for measure in ("relative_power_rank_2", "relative_power_rank_5", "relative_power_rank_10"):
        assert clear(effect(measure, policy, 8), +1), measure


def test_open_weights_crowd_out_laggards_own_training_by_the_envelope():
    """x_i is proportional to E_own / E_eff (docs/model.md 7.4), and nothing else in it has moved in the first quarter:
    the ratio of plans is the inverse ratio of effective compute, exactly; beneficiaries plan less, others the same.
    """
    policy = [now("open_weights", age=1, who={"names": ("OpenAI", "Google DeepMind")}, start=str(START + 2))]
    without, with_it = (run_quarters(small_world(), 3, policies=p).flows[2].funding for p in ([], policy))
    plans = without.own_plan > 0
    ratio = with_it.own_plan[plans] / without.own_plan[plans]
    assert np.allclose(ratio, without.effective_compute[plans] / with_it.effective_compute[plans], rtol=1e-12)
    assert (ratio < 0.95).any() and (ratio <= 1.0).all()


def test_a_reward_makes_firms_open_that_would_not():
    """A firm opens when it gains more than it loses (docs/model.md 7.9): beyond any profit, everyone does."""
    world = small_world()
    plain, paid = (
        record(world, 6, policies=p) for p in ([], [now("open_weights", age=None, reward=10.0, who={"class": "sme"})])
    )
    n_small = paid.measures["n_small_firms"][:, -1]
    assert (paid.measures["n_open_firms"][:, -1] >= plain.measures["n_open_firms"][:, -1] + 0.5 * n_small).all()
    assert (paid.measures["fiscal_balance"][:, -1] < -10.0).all()


def test_a_federated_pool_helps_members_more_the_more_alike_they_are():
    """At equal sums, pool_yield falls with the dispersion of what members give, so that the pool of alike firms is
    larger, and more of the firms that are invited find it worth while.
    """
    alike, unlike = np.array([1.0, 1.0, 1.0, 1.0]), np.array([3.4, 0.2, 0.2, 0.2])
    yields = [float(knowledge.pool_yield(offer, 0.6, 0.1)[..., 0]) for offer in (alike, unlike)]
    assert yields[0] > yields[1] > 0.0
    members = {}
    for group in (("Small firm 1", "Small firm 2", "Small firm 3"), ("OpenAI", "Small firm 1", "Small firm 2")):
        policy = now("federated_learning", share=0.5, who={"names": group})
        members[group] = record(small_world(), 4, policies=[policy]).measures["n_pool_members"][:, -1]
    first, second = members.values()
    assert (first >= second).all() and first.mean() > second.mean()


def test_data_portability_narrows_data():
    """D' adds share x (industry - own): the smaller a firm's own sales, the more it gains."""
    plain, shared = (
        run_quarters(small_world(), 5, policies=p).states[5].data[:, :14]
        for p in ([], [now("data_portability", share=0.5)])
    )
    assert (gini(shared) < 0.8 * gini(plain)).all()
    assert (shared.min(-1) / shared.max(-1) > 2 * plain.min(-1) / plain.max(-1)).all()


# --- competition ---------------------------------------------------------------------------------


def test_structural_separation_makes_the_affiliate_rent_as_others_do():
    """Without loyalty, weights over owners follow a* ~ K w^-sigma exp(aff): a severed firm's are those of a firm without
    ties, and it gets nothing from its parent. Owners that served their own firm alone, now severed, serve everyone.
    """
    world = small_world(cloud_loyalty=0.0)
    assert [world.owner_names[j] for j in np.flatnonzero(world.serves_one)] == ["Meta", "xAI"]
    tied = world.is_integrated.any(axis=0)
    stranger = int(np.flatnonzero(world.is_entry_slot)[0])
    sells_to_all = np.isfinite(world.affinity[:, stranger]) | world.serves_one
    run = run_quarters(world, 2, policies=[now("structural_separation", who="all")])
    severed = run.flows[1]
    plain = run_quarters(world, 2).flows[1]
    capacity, rent = run.states[1].capacity, severed.markets.rent
    pull = np.where(sells_to_all, capacity * rent**-world.parameters.owner_price_elasticity, 0.0)
    wanted = pull / pull.sum(-1, keepdims=True)
    assert np.allclose(severed.markets.owner_weight[:, :, stranger], wanted, rtol=1e-8)
    for firm in np.flatnonzero(tied):
        if sells_to_all[world.is_integrated[:, firm]].all() and not world.partner_owner[:, firm].any():
            assert np.allclose(severed.markets.owner_weight[:, :, firm], wanted, rtol=1e-8), world.firm_names[firm]
    assert plain.funding.parent_grant[:, :, tied].sum() > 0
    assert severed.funding.parent_grant[:, :, tied].sum() == 0


def test_a_ban_leaves_firms_unmerged():
    """The same pairs propose on the same luck; barred firms may not even ask."""
    world = small_world(merger_rate=0.5)
    plain, banned = (
        run_quarters(world, 12, replicates=range(4), policies=p) for p in ([], [now("merger_control", ban=True)])
    )
    assert any(flows.merging.approved.any() for flows in plain.flows)
    slots = np.arange(world.sizes["firm"])
    assert all((state.group == slots).all() for state in banned.states)


def test_reviews_that_refuse_every_merger_deter_them_all():
    """Screens of nought review every case, and with tolerance and error at nought each is refused: nobody asks."""
    strict = now("merger_control", tolerance=1e-6, screen_hhi=0.0, screen_change=0.0, screen_share=0.0, error_ratio=0.0)
    plain, strictly = (record(small_world(), 12, REPLICATES, policies=p).measures for p in ([], [strict]))
    assert plain["mergers"].sum() > 20
    assert strictly["mergers"].sum() == 0


def test_a_break_up_happens_once_and_takes_half_the_square_of_a_share_from_hhi():
    """A firm of share s on its own becomes two of s / 2: HHI falls by s^2 - 2 (s / 2)^2 = s^2 / 2. Successors share the
    appeal, so that customers who choose again keep them together at s, nearly: 15 per cent.
    """
    world = small_world(merger_rate=0.0)
    policy = [in_force("break_up", who={"names": ("OpenAI",)}, start=str(START + 2))]
    plain, run = (record(world, 6, REPLICATES, policies=p) for p in ([], policy))
    assert np.array_equal(run.measures["break_ups"], np.tile([0, 0, 1, 0, 0, 0], (8, 1)))
    assert np.array_equal(plain.measures["hhi_revenue"][:, :3], run.measures["hhi_revenue"][:, :3])
    revenue = plain.firms["revenue"][:, 3]
    share = revenue[:, plain.firm_names.index("OpenAI")] / revenue.sum(-1)
    fall = plain.measures["hhi_revenue"][:, 3] - run.measures["hhi_revenue"][:, 3]
    assert np.allclose(fall, 1e4 * share**2 / 2, rtol=0.15)


# --- energy and efficiency -----------------------------------------------------------------------


def test_a_carbon_price_leaves_rents_alone_while_the_floor_is_slack_and_owners_pay():
    """With capacity given rents clear as before, exactly; owners lose kW x PUE x intensity x price on what they run."""
    priced = run_quarters(small_world(), 1, policies=[now("carbon_price", price=70.0)]).flows[0]
    plain = run_quarters(small_world(), 1).flows[0]
    assert np.array_equal(priced.markets.rent, plain.markets.rent)
    lost = (plain.accounts.owner_income - priced.accounts.owner_income).sum(-1)
    assert np.allclose(lost, priced.accounts.fiscal_balance, rtol=1e-9)
    p = small_world().parameters
    tonnes = units.emissions_mt(units.energy_twh(1.0, p.power_per_h100e * p.pue), p.grid_intensity)
    assert np.allclose(lost, 70.0 * tonnes / 1e3 * plain.markets.use.sum(-1), rtol=1e-6)


def test_serving_efficiency_raises_serving_by_the_nest_elasticity():
    """Prices follow costs at constant mark-ups, units follow prices with the nest's elasticity n, and serving compute is
    units over efficiency e: d ln S = (n - 1) d ln e - n d ln w. Mark-ups move a little with the nest: 3 per cent.
    """
    step = 1.01
    plain, better = (
        run_quarters(small_world(), 1, policies=p).flows[0].markets
        for p in ([], [now("efficiency_programme", training=1.0, serving=step, half_life=0.0)])
    )
    p = small_world().parameters
    spending = plain.revenue.sum(-1)
    nest = (spending * plain.nest).sum(-1) / spending.sum(-1)
    n = 1.0 + p.nest_growth * (p.substitution - 1.0) * (1.0 - nest)
    served = plain.serving.sum(-1)
    rise_of_rent = (plain.serving * np.log(better.user_rent / plain.user_rent)).sum(-1) / served
    found = np.log(better.serving.sum(-1) / served) + n * rise_of_rent
    assert np.allclose(found, (n - 1.0) * np.log(step), rtol=0.03)
    assert (n > 1.0).all() and (better.serving.sum(-1) > served).all()


def test_an_energy_cap_is_never_exceeded_and_makes_compute_dear():
    """Everyone runs fewer chips; scarcity raises rents."""
    plain = record(small_world(), 8, REPLICATES)
    cap = float(plain.measures["energy_twh"][:, -1].mean()) * 0.7
    policy = [now("energy_cap", terawatt_hours=cap)]
    capped = record(small_world(), 8, REPLICATES, policies=policy)
    assert (capped.measures["energy_twh"] <= cap * (1 + 1e-9)).all()
    assert np.allclose(capped.measures["energy_twh"][:, -1], cap)
    assert clear(paired(plain, capped, "rental_price"), +1)


def test_a_public_pool_of_three_in_ten_thousand_is_negligible():
    """0.03% of shipments is 1e-3 of what small firms use: HHI moves less than the smallest effect of interest, 25 points,
    and total power less than 0.1%.
    """
    policy = [now("public_compute", shipments=0.0003, who={"class": "sme"}, allocation="equal")]
    assert np.abs(effect("hhi_revenue", policy, 16)).mean() < 25.0
    base = record(small_world(), 16, REPLICATES).measures["total_power"][:, -1]
    assert np.abs(effect("total_power", policy, 16) / base).mean() < 1e-3


def test_a_large_public_pool_is_not():
    """What five per cent of chips add to small firms' own use is beyond luck."""
    policy = [now("public_compute", shipments=0.05, who={"class": "sme"}, allocation="equal")]
    assert clear(effect("small_firm_share_of_compute", policy, 16), +1)


def test_a_breach_destroys_the_share_of_data_that_it_is_said_to():
    """Hazard one: each quarter's breach leaves half of members' stock, nobody else's."""
    policy = [now("shared_platform", breach_hazard=1.0, breach_loss=0.5, idle=0.0, who={"names": ("OpenAI",)})]
    plain, breached = (run_quarters(small_world(), 1, policies=p) for p in ([], policy))
    before, after = plain.states[1].data, breached.states[1].data
    kept = (1 - small_world().parameters.data_decay) * plain.states[0].data[:, 0]
    assert (after[:, 0] < before[:, 0] - 0.4 * kept).all()
    assert np.allclose(after[:, 1:], before[:, 1:], rtol=1e-6)


def test_funding_limits_and_entry_support_do_what_they_are_for():
    """Credits halve what partners pay and investors replace half of the rest; cheaper entry brings more firms."""
    plain, cut = (
        run_quarters(small_world(), 1, policies=p).flows[0].funding for p in ([], [now("funding_limits", cut=1.0)])
    )
    assert plain.partner_credit.sum() > 0 and cut.partner_credit.sum() == 0
    lost = plain.raised.sum(-1) - cut.raised.sum(-1)
    assert np.allclose(lost, 0.5 * plain.partner_credit.sum((-2, -1)), rtol=1e-9)
    world = small_world(entry_candidates=12.0, entry_slots=200, entry_sunk_cost=0.1)
    assert clear(effect("n_small_firms", [now("entry_support", cut=1.0, grant=0.1)], 8, world), +1)


# --- mechanisms ----------------------------------------------------------------------------------

SWITCHED = [name for name in policies.SHIPPED if policies.find(name).mechanism_off]
FEW = [
    "world.parameters.entry_sunk_cost=0.1",
    "world.parameters.small_firms_initial=6",
    "world.parameters.entry_slots=24",
    "world.parameters.entry_candidates=6",
]
STRONGER = {
    "energy_cap": {"terawatt_hours": 3.0},
    "funding_limits": {"cut": 1.0},
    "merger_control": {"ban": True, "tolerance": None, "screen_hhi": None, "screen_change": None},
    "open_weights": {"age": 1, "who": "all"},
    "federated_learning": {"who": "all"},
    "interoperability": {"loyalty": 0.0},
    "structural_separation": {"who": "all"},
    "entry_support": {"cut": 1.0, "grant": 0.1},
}


@pytest.mark.filterwarnings("ignore::sim.scenario.ScenarioWarning")  # switched off is beyond what is plausible
@pytest.mark.parametrize("name", SWITCHED)
def test_without_its_mechanism_a_policys_headline_effect_vanishes(name):
    cls = policies.find(name)
    policy = in_force(name, **STRONGER.get(name, {}))

    def headline(changes):
        base = load_scenario({"horizon": {"end": "2025Q4"}}, overrides=[*FEW, *changes])
        found = {}
        for acts in (False, True):
            scenario = base.model_copy(update={"policies": ({name: policy.dump()},) if acts else ()})
            found[acts] = simulate(scenario, replicates=4).measures[cls.headline]
        return found[True] - found[False], found[False]

    moved, _ = headline(())
    still, level = headline(cls.mechanism_off)
    scale = 1e-9 * np.maximum(np.nanmax(np.abs(level)), 1.0)
    assert np.nanmax(np.abs(moved)) > 1e3 * scale, "with its mechanism it moves"
    assert np.nanmax(np.abs(still)) <= scale


@pytest.mark.parametrize("name", [name for name in policies.SHIPPED if name not in SWITCHED])
def test_a_policy_whose_levers_are_its_mechanism_moves_its_headline_only_by_them(name):
    """Levers that do not belong to it, and its cost, are not what moves the headline measure."""
    policy = in_force(
        name,
        **{"training_cap": {"flop": 5e25}, "grid_limit": {"chips": 0.3}, "resource_quota": {"most": 0.02}}.get(
            name, {}
        ),
    )
    headline = policies.find(name).headline

    def without_levers(observation, quarter):
        answer = policy(observation, quarter)
        return {lever: value for lever, value in answer.items() if lever not in policy.uses}

    world = FRUGAL if name == "profit_tax" else small_world()
    plain, with_it, muted = (record(world, 8, policies=p) for p in ([], [policy], [without_levers]))
    assert not np.array_equal(plain.measures[headline], with_it.measures[headline])
    assert same_bits(plain, muted)


# --- common luck ---------------------------------------------------------------------------------


def test_policies_change_no_draw_of_anyone_else(monkeypatch):
    """Every decision of the model draws the same numbers, whatever policies draw under their own names."""
    drawn, world = {}, small_world()
    original = Luck.uniform

    def noted(luck, decision, period, n_slots):
        values = original(luck, decision, period, n_slots)
        drawn.setdefault((decision, period), values)
        return values

    monkeypatch.setattr(Luck, "uniform", noted)
    logs = []
    only = {"merger_control": {"ban": True}}  # reviews are for all
    chancy = [
        now(name, error=0.4, **only.get(name, {}))
        for name in policies.SHIPPED
        if "error" in policies.find(name).model_fields
    ]
    chancy += [now("public_compute", allocation="lottery"), now("shared_platform", breach_hazard=0.3)]
    for acting in ([], chancy):
        drawn.clear()
        record(world, 3, policies=acting)
        logs.append(dict(drawn))
    without, with_them = logs
    own = {key for key in with_them if key[0].startswith("policy ")}
    assert own and set(with_them) - own == set(without)
    for key, values in without.items():  # a block has as many slots as its firms need
        n_slots = min(values.shape[-1], with_them[key].shape[-1])
        assert np.array_equal(values[:, :n_slots], with_them[key][:, :n_slots])
    assert not any(decision.startswith("policy ") for decision, _ in without)


def test_measures_that_policies_name_exist():
    for name in every():
        assert policies.find(name).headline in ("", *MEASURES)


def test_a_quota_that_binds_on_everyone_is_the_planners_cap() -> None:
    """Every firm of the city at its quota: what the planner does under caps of a tenth each, and nothing is forgone.

    Caps that add up to the total leave one division. With looser quotas the two part: the market hands what the large
    may not use to whoever pays most for it, the planner to whoever makes most power of it.
    """
    city = load_scenario("ten_firm_city")
    smallest = min(plan(city).problem.market)
    usable = total_usable(city)
    policy = {"resource_quota": {"most": 0.5 * smallest / usable, "start": "2024Q1"}}
    planned = plan(load_scenario(city.resolved() | {"policies": [policy]}), rules={"cap": {"all": 0.1}})
    market = planned.problem.market
    np.testing.assert_allclose(market, 0.5 * smallest, rtol=1e-12)
    np.testing.assert_allclose(planned.compute, market, rtol=1e-9)
    assert planned.total_power == pytest.approx(planned.problem.power(market).sum(), rel=1e-9)


def total_usable(scenario) -> float:
    world = build(world_spec(scenario))
    return float(world.parameters.utilisation * world.initial.capacity.sum())


def test_who_was_given_compute_still_needs_it_a_quarter_later() -> None:
    policy = in_force("public_compute", allocation="need", shipments=0.02, who={"class": "sme"})
    world = build(world_spec(load_scenario("baseline", overrides=["mechanisms.entry=false"])))
    firms = record(world, 12, policies=[policy]).firms
    trained = firms["compute_training"][:, 4:, firms["class_code"][0, 0] == SME]
    least = (trained[:, 1:] / trained[:, :-1]).min()
    assert least > 0.5, f"{least:.2f} of the quarter before"
