"""Measures of firms: power, compute, sales, money and their number."""

from __future__ import annotations

import numpy as np

from sim import units
from sim.arrays import Array, safe_ratio, total
from sim.observe.catalogue import Moments, by_corporation, measure


def _leader(values: Array, m: Moments) -> Array:
    added, stands = by_corporation(values, m)
    leader: Array = np.where(stands, added, -1.0).argmax(axis=-1).astype(np.float64)
    return leader


def _top(values: Array) -> Array:
    largest: Array = values.max(axis=-1)
    return largest


def _ranked_power(m: Moments, rank: int) -> Array:
    ordered = -np.sort(-m.flows.funding.power, axis=-1)
    if rank > ordered.shape[-1]:
        return np.zeros(ordered.shape[:-1])
    return safe_ratio(ordered[..., rank - 1], ordered[..., 0])


@measure("ratio", "firms", "stock", "last")
def total_power(m: Moments) -> Array:
    """Sum of all firms' AI power; the leader's at the start is 1."""
    return total(m.flows.funding.power)


@measure("ratio", "firms", "stock", "last")
def frontier_power(m: Moments) -> Array:
    """AI power of the most powerful firm; the leader's at the start is 1."""
    return _top(m.flows.funding.power)


@measure("share", "firms", "stock", "last")
def relative_power_rank_2(m: Moments) -> Array:
    """AI power of the second firm over the first."""
    return _ranked_power(m, 2)


@measure("share", "firms", "stock", "last")
def relative_power_rank_5(m: Moments) -> Array:
    """AI power of the fifth firm over the first."""
    return _ranked_power(m, 5)


@measure("share", "firms", "stock", "last")
def relative_power_rank_10(m: Moments) -> Array:
    """AI power of the tenth firm over the first."""
    return _ranked_power(m, 10)


@measure("firms", "firms", "stock", "last")
def within_tenfold(m: Moments) -> Array:
    """Firms whose own effective compute is within ten-fold of the largest."""
    own = m.before.own_compute
    return total((own >= 0.1 * own.max(axis=-1, keepdims=True)) & m.before.is_active)


@measure("months", "firms", "stock", "last")
def open_lag_months(m: Moments) -> Array:
    """Time in which closed models grow by the gap between the best closed and the best open model."""
    own, is_active = m.before.own_compute, m.before.is_active
    closed = _top(np.where(is_active & ~m.before.is_open, own, 0.0))
    open_ = _top(np.where(is_active & m.before.is_open, own, 0.0))
    growth = _top(np.where(is_active, m.before.capability_growth, 0.0))
    known = (closed > 0.0) & (open_ > 0.0) & (growth > 0.0)
    gap = np.log(np.where(known, closed, 1.0) / np.where(known, open_, 1.0))
    return np.where(known, units.MONTHS_PER_QUARTER * gap / np.where(known, growth, 1.0), np.nan)


@measure("FLOP", "firms", "flow", "max")
def largest_run_flop(m: Moments) -> Array:
    """Largest single training run."""
    p = m.world.parameters
    return p.final_run_share * units.flop(1.0, p.mfu) * _top(m.flows.markets.training)


@measure("$bn", "firms", "flow", "max")
def largest_run_cost(m: Moments) -> Array:
    """Compute of the dearest single training run, at the rent that its firm pays and after compute tax."""
    markets = m.flows.markets
    cost = markets.user_rent * (1.0 + m.flows.rules.compute_tax) * markets.training
    return m.world.parameters.final_run_share * _top(cost)


@measure("M H100e", "firms", "flow", "mean")
def compute_used_total(m: Moments) -> Array:
    """Compute that firms use."""
    return total(m.flows.markets.compute_used)


@measure("share", "firms", "flow", "mean")
def serving_share(m: Moments) -> Array:
    """Share of firms' compute that serves customers."""
    used = total(m.flows.markets.compute_used)
    return safe_ratio(total(m.flows.markets.serving), used)


@measure("share", "firms", "flow", "mean")
def small_firm_share_of_compute(m: Moments) -> Array:
    """Small and medium firms' share of the compute that firms use."""
    used = m.flows.markets.compute_used
    return safe_ratio(total(used * m.before.is_small), total(used))


@measure("share", "firms", "flow", "mean")
def small_firm_share_of_revenue(m: Moments) -> Array:
    """Small and medium firms' share of revenue."""
    revenue = total(m.flows.markets.revenue, axis=-2)
    return safe_ratio(total(revenue * m.before.is_small), total(revenue))


@measure("share", "firms", "stock", "last")
def small_firm_survival(m: Moments) -> Array:
    """Share of the small and medium firms of the start that still exist; nan where there were none."""
    first = m.world.initial.is_small
    still = first & m.before.is_active & (m.before.generation == 0)
    return safe_ratio(total(still), total(first), otherwise=np.nan)


@measure("firms", "firms", "stock", "last")
def n_firms(m: Moments) -> Array:
    """Firms in the market."""
    return total(m.before.is_active)


@measure("firms", "firms", "stock", "last")
def n_small_firms(m: Moments) -> Array:
    """Small and medium firms in the market."""
    return total(m.before.is_small)


@measure("firms", "firms", "stock", "last")
def n_independent_firms(m: Moments) -> Array:
    """Firms in the market, those of one owner counted once."""
    return total(by_corporation(m.flows.funding.power, m)[1])


@measure("firms", "firms", "stock", "last")
def n_open_firms(m: Moments) -> Array:
    """Firms that publish their model weights by choice."""
    return total(m.before.is_open & m.before.is_active)


@measure("firms", "firms", "stock", "last")
def n_pool_members(m: Moments) -> Array:
    """Firms that use the model of the federated pool."""
    return total(m.before.is_pool_member)


@measure("M H100e", "firms", "stock", "last")
def own_chips_total(m: Moments) -> Array:
    """Chips that firms own at the end of the quarter."""
    return total(m.after.own_chips)


@measure("firms", "firms", "flow", "sum")
def merger_proposals(m: Moments) -> Array:
    """Pairs of firms that ask to merge."""
    return (m.flows.merging.proposed >= 0).astype(np.float64)


@measure("firms", "firms", "flow", "sum")
def merger_reviews(m: Moments) -> Array:
    """Mergers large enough to be reviewed, at the quarter of their decision."""
    return m.flows.merging.screened.astype(np.float64)


@measure("firms", "firms", "flow", "sum")
def mergers_refused(m: Moments) -> Array:
    """Mergers that the review or a ban stops."""
    merging = m.flows.merging
    return ((merging.target >= 0) & ~merging.approved).astype(np.float64)


@measure("firms", "firms", "flow", "sum")
def mergers(m: Moments) -> Array:
    """Mergers at the end of the quarter."""
    return m.flows.merging.approved.astype(np.float64)


@measure("firms", "firms", "flow", "sum")
def break_ups(m: Moments) -> Array:
    """Firms that a rule splits at the end of the quarter."""
    return total(m.flows.merging.break_ups)


@measure("firms", "firms", "flow", "sum")
def break_ups_refused(m: Moments) -> Array:
    """Firms that a rule would split but for want of slots for their successors; asks for more entry_slots."""
    return total(m.flows.merging.break_ups_refused)


@measure("firms", "firms", "flow", "sum")
def entries(m: Moments) -> Array:
    """Firms that enter at the end of the quarter."""
    return total(m.flows.demography.entries)


@measure("firms", "firms", "flow", "sum")
def exits(m: Moments) -> Array:
    """Firms that leave at the end of the quarter."""
    return total(m.flows.demography.exits)


@measure("firms", "firms", "flow", "sum")
def entries_refused(m: Moments) -> Array:
    """Candidates that wanted to enter and found no slot; more than none asks for more entry_slots."""
    return m.flows.demography.refused.astype(np.float64)


@measure("$bn", "firms", "flow", "sum")
def industry_revenue(m: Moments) -> Array:
    """Revenue of all firms."""
    return total(m.flows.markets.revenue, axis=(-2, -1))


@measure("$bn", "firms", "flow", "sum")
def industry_profit(m: Moments) -> Array:
    """Operating profit of all firms: revenue less serving, operating cost and levies."""
    return total(m.flows.markets.profit, axis=(-2, -1))


@measure("$bn", "firms", "flow", "sum")
def industry_earnings(m: Moments) -> Array:
    """Revenue less all costs, training, interest and taxes."""
    return total(m.flows.accounts.earnings)


@measure("elasticity", "firms", "stock", "last")
def flywheel(m: Moments) -> Array:
    """Lambda, elasticity of revenue to effective compute in a mean sector; an input that data do not identify."""
    return np.asarray(m.world.flywheel)


@measure("$bn", "firms", "flow", "sum")
def training_outlay(m: Moments) -> Array:
    """Training compute at the rents that firms pay, own chips and allotted compute included."""
    return total(m.flows.markets.user_rent * m.flows.markets.training)


@measure("$bn", "firms", "flow", "sum")
def funding_raised(m: Moments) -> Array:
    """New money of firms from investors, partners and parents."""
    return total(m.flows.funding.private_money)


@measure("share", "firms", "flow", "mean")
def own_finance_share(m: Moments) -> Array:
    """Share of desired training outlay that own margins justify; the rest is earmarked new money."""
    funding = m.flows.funding
    own = total(funding.own_plan)
    return safe_ratio(own, own + m.world.parameters.earmark * total(funding.new_money))


@measure("ratio", "firms", "flow", "mean")
def markup_mean(m: Moments) -> Array:
    """Sales-weighted price over marginal cost."""
    markets = m.flows.markets
    ratio = markets.elasticity / (markets.elasticity - 1.0)
    return safe_ratio(total(markets.revenue * ratio, axis=(-2, -1)), total(markets.revenue, axis=(-2, -1)))


@measure("ratio", "firms", "flow", "mean")
def service_price(m: Moments) -> Array:
    """Mean price of a unit of AI service; the leader's at the start is 1."""
    markets = m.flows.markets
    return safe_ratio(total(markets.revenue, axis=(-2, -1)), total(markets.quantity, axis=(-2, -1)))


@measure("firm", "firms", "flow", "last")
def leader_revenue(m: Moments) -> Array:
    """Slot of the firm with most revenue, or that stands for those of one owner; counted from 0."""
    return _leader(total(m.flows.markets.revenue, axis=-2), m)


@measure("firm", "firms", "stock", "last")
def leader_power(m: Moments) -> Array:
    """Slot of the firm with most AI power, or that stands for those of one owner; counted from 0."""
    return _leader(m.flows.funding.power, m)


@measure("firm", "firms", "flow", "last")
def leader_compute_used(m: Moments) -> Array:
    """Slot of the firm that uses most compute, or that stands for those of one owner; counted from 0."""
    return _leader(m.flows.markets.compute_used, m)
