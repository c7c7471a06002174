"""Rents and shares at which both markets clear, found by one compiled solver (docs/model.md 7.6).

Compiled, as nothing else is but ``sim.sums``, because a third of a quarter's time went here: a replicate's firms fit
into the fastest cache, and nothing is written out between formulas. What it finds is put into the plain formulas of
``pricing``, ``demand`` and ``compute_market`` every quarter, and what is left over is an error; so they stay its
oracle, in production as in tests. Every replicate is solved by itself, so that it gives the same bits in every block.

Written as loops over the rows of a few tables, which compile in seconds; many arrays, and operations on whole arrays,
take several times as long. What is long and called from one place is compiled there only. Firms without part in the
markets are left out, and a firm's owners are gone through while its row is at hand. Nothing here calls compiled code of
another file, which the cache of compiled code would not notice to have changed.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from sim.arrays import Array, Counts, Flags, total
from sim.compiled import compiled, inlined

TOLERANCE = 1e-10
"""Largest gap of a log rent, a share or a nest's share when a replicate counts as solved."""

MAX_SWEEPS = 500
_HASTY, _CAREFUL, _EXACT = 40, 24, 6
"""Sweeps with Newton steps that learn, and of the rounds after them: along the gaps, and with an exact Jacobian."""
_NEAR = 0.1
"""Largest move from which a Jacobian learns; after larger ones it is worked out anew."""
_RIDGE = 1e-9
_LARGEST_RENT_STEP = 1.0
_TINY = 1e-300
_LEAST_ELASTICITY = 1.001
_SQUARE = 2.0
_NO_PART, _ALONE, _JOINED = range(3)


class Given(NamedTuple):
    """What is given while both markets are solved.

    Parameters
    ----------
    capacity, supply, floor, captive_outlay, captive_tax : array [replicate, owner]
        K and what of it is for sale, M H100e; the least rent, $bn per M H100e-quarter; what owners' own business would
        pay, $bn, and the tax on it.
    affinity, last_weight : array [replicate, owner, firm]
        exp(affinity), zero where the owner does not sell to the firm; last quarter's weights.
    loyalty : array [replicate, firm]
        Weight of last quarter in the choice of owners.
    desired_outlay, means, allotment, own_chips, training_cap : array [replicate, firm]
        Training that firms want and can pay, $bn; what they are given, own and may use for it, M H100e.
    compute_tax, usage_tax, revenue_taken, serving_need : array [replicate, firm]
        tau_c; $bn per unit; part of revenue that levies and operating cost take; M H100e-quarters per unit.
    appeal, staying : array [replicate, sector, firm]
        Attraction before price, zero for who is not there; shares of customers that do not choose anew.
    group : counts [replicate, firm]
        Slot of the firm that stands for each firm's owner.
    taken_differs : flags [replicate, firm]
        Whether firms of the same owner have different parts of their revenue taken.
    budget, initial_odds : array [sector]
        M, $bn, and o_0.
    substitution, nest_growth, price_elasticity : float
        rho, lambda and sigma.
    """

    capacity: Array
    supply: Array
    floor: Array
    captive_outlay: Array
    captive_tax: Array
    affinity: Array
    last_weight: Array
    loyalty: Array
    desired_outlay: Array
    means: Array
    allotment: Array
    own_chips: Array
    training_cap: Array
    compute_tax: Array
    usage_tax: Array
    revenue_taken: Array
    serving_need: Array
    appeal: Array
    staying: Array
    group: Counts
    taken_differs: Flags
    budget: Array
    initial_odds: Array
    substitution: float
    nest_growth: float
    price_elasticity: float


class Guess(NamedTuple):
    """Log rents ``[..., owner]``, expected shares ``[..., sector, firm]`` and nests' shares ``[..., sector]``."""

    log_rent: Array
    share: Array
    nest: Array


def _table(*names: str) -> np.dtype[Any]:
    return np.dtype([(name, np.float64) for name in names])


_OWNER = _table(
    "capacity", "supply", "floor", "captive_outlay", "captive_tax",
    "log_rent", "rent", "pull", "captive", "loyal", "free", "pressure", "last_pressure", "step", "length", "last_gap",
    "market", "exposed",
)  # fmt: skip
_FIRM = np.dtype(
    [
        *_table(
            "loyalty", "desired_outlay", "means", "allotment", "own_chips", "training_cap", "compute_tax", "usage_tax",
            "serving_need", "served", "target_rent", "user_rent", "cost", "rent_part", "rented", "own",
            "rise", "joint_rise", "revenue_taken", "dollar_worth", "quantity", "members", "sum_share", "sum_other",
        ).descr,
        ("group", np.int64),
        ("taken_differs", np.bool_),
    ],
    align=True,
)  # fmt: skip
_TIE = _table("affinity", "last_weight", "response")
_SECTOR = _table(
    "budget", "initial_odds", "choosing", "expected_nest", "nest", "growth", "lead", "mean_reply", "steepening"
)
_SALE = _table(
    "appeal", "staying", "share", "reply", "steepening", "per_dollar", "target", "revenue",
    "own_elasticity", "own_reply",
)  # fmt: skip
_MODEL = np.dtype(
    [
        *_table("substitution", "nest_growth", "price_elasticity").descr,
        *((name, np.int64) for name in ("n_firms", "n_joined")),
    ]
)
"""Tables of a replicate.

First what is given, then the guess: ``log_rent``, ``share``, ``expected_nest``. Rules of single firms give
``own_elasticity`` and ``own_reply``, nan for everyone else. The rest is worked out in each sweep: ``pull`` is
K w^-sigma, ``served`` its sum over a firm's owners by affinity, ``pressure`` ln demand - ln supply, ``dollar_worth``
what a dollar buys at cost, ``per_dollar`` at the price, ``growth`` d nest / d ln attraction of its sector, and ``lead``
what shares do to the log of that while they move to mutual best replies. ``reply`` is what a firm's own mark-up leaves
of a push to its log share, and ``steepening`` what of the push of a nest that is expected to grow, a sector's its mean
weighted by replies. ``sum_*`` and ``joint_*`` are those of an owner's firms, at the slot of their head; owners of
several firms are looked for among the first ``n_joined`` of the ``n_firms`` that take part.

Responses are derivatives to log rents: ``response`` of a firm's mean log rent, of which ``rent_part`` of its cost
consists; ``own`` is what a rise of its own log cost takes from its use, ``market`` the response of the mean log cost in
the sector at hand, and ``exposed`` what a rise of that does to an owner's demand. ``rise`` is the change of a firm's
log cost after a step of rents.
"""

Table = npt.NDArray[Any]
Row = Any


class Tables(NamedTuple):
    """Everything about each replicate, one row for each owner, firm, tie of both, sector and sale."""

    model: Table  # [replicate]
    owners: Table  # [replicate, owner]
    firms: Table  # [replicate, firm]
    ties: Table  # [replicate, firm, owner]
    sectors: Table  # [replicate, sector]
    sales: Table  # [replicate, sector, firm]


def solve(given: Given, start: Guess) -> tuple[Guess, Counts, Array]:
    """Fixed point of one evaluation of both markets.

    Newton steps for rents, with a Jacobian that learns from short steps (Broyden 1965), for shares and for nests
    (docs/decisions/0005). Where that has not arrived after ``_HASTY`` sweeps, rents go along their gaps with lengths
    that adapt, in turn with Newton steps.

    Parameters
    ----------
    given : Given
    start : Guess
        Where to start; arrays ``[replicate, ...]``.

    Returns
    -------
    found : Guess
    n_sweeps : counts [replicate]
    gap : array [replicate]
        How much the last sweep still moved; above ``TOLERANCE`` where ``MAX_SWEEPS`` were not enough.
    """
    values, shape = _values(given, start), start.share.shape
    n_replicates, n_sectors, n_slots = shape
    n_owners = start.log_rent.shape[-1]
    model, owners, sectors, firms = (
        _filled(dtype, (n_replicates, *axes), values)
        for dtype, axes in ((_MODEL, ()), (_OWNER, (n_owners,)), (_SECTOR, (n_sectors,)), (_FIRM, (n_slots,)))
    )
    some_firms, some_ties = np.zeros(n_slots, _FIRM), np.zeros((n_slots, n_owners), _TIE)
    some_sales = _filled(_SALE, (n_sectors, n_slots), {"own_elasticity": np.nan, "own_reply": np.nan})
    n_sweeps, gap, share = np.zeros(n_replicates, dtype=np.int64), np.zeros(n_replicates), np.zeros(shape)
    affinity, last_weight = np.ascontiguousarray(given.affinity), np.ascontiguousarray(given.last_weight)
    _solve_each(
        model, owners, sectors, firms, affinity, last_weight, given.appeal, given.staying,
        np.ascontiguousarray(start.share), some_firms, some_ties, some_sales, share, n_sweeps, gap,
    )  # fmt: skip
    return Guess(owners["log_rent"].copy(), share, sectors["expected_nest"].copy()), n_sweeps, gap


class Asking(Protocol):
    """Firms with rules of their own, asked in every sweep."""

    def weights(self, rent: Array) -> dict[int, Array]:
        """Weights over owners at rents ``[1, owner]``; ``[owner]`` each, by slot."""

    def prices(self, cost: Array, guess: Guess) -> dict[int, tuple[Array, Array]]:
        """Elasticities that prices at costs ``[1, firm]`` imply, and how they answer; ``[sector]`` each, by slot."""


def solve_asking(given: Given, start: Guess, asking: Asking) -> tuple[Guess, Counts, Array]:
    """The same for one replicate in which some firms have rules of their own; see ``solve``."""
    tables = tabulated(given, start)
    tables.model["n_joined"] = start.share.shape[-1]  # all slots stay in place, where rules know them
    row = Tables(*(table[0] for table in tables))
    jacobian, matrix = (np.empty((len(row.owners), len(row.owners))) for _ in range(2))

    def sweep() -> None:
        for slot, weights in asking.weights(np.exp(tables.owners["log_rent"])).items():
            row.ties["last_weight"][slot], row.firms["loyalty"][slot] = weights, 1.0
        _rent(row.model, row.owners, row.firms, row.ties)
        for slot, (elasticity, reply) in asking.prices(tables.firms["cost"], _guess(tables)).items():
            row.sales["own_elasticity"][:, slot], row.sales["own_reply"][:, slot] = elasticity, reply
        _trade(*row)

    n_sweeps, moved, is_polished = 0, np.inf, False
    _begin(row.model, row.owners, row.firms)
    while n_sweeps < MAX_SWEEPS and not is_polished:
        is_polished = moved <= TOLERANCE  # once more after arrival: the solver foresees less of rules
        n_sweeps += 1
        sweep()
        moved = _advance(*row, jacobian, matrix, n_sweeps, moved)
    return _guess(tables), np.array([n_sweeps]), np.array([moved])


def tabulated(given: Given, start: Guess) -> Tables:
    """What is given and the guess, as the solver takes them."""
    n_replicates, n_sectors, n_firms = start.share.shape
    n_owners = start.log_rent.shape[-1]
    values = _values(given, start) | {
        "own_elasticity": np.nan,
        "own_reply": np.nan,
        "affinity": np.swapaxes(given.affinity, -1, -2),
        "last_weight": np.swapaxes(given.last_weight, -1, -2),
    }
    return Tables(
        *(
            _filled(dtype, (n_replicates, *axes), values)
            for dtype, axes in (
                (_MODEL, ()),
                (_OWNER, (n_owners,)),
                (_FIRM, (n_firms,)),
                (_TIE, (n_firms, n_owners)),
                (_SECTOR, (n_sectors,)),
                (_SALE, (n_sectors, n_firms)),
            )
        )
    )


def _values(given: Given, start: Guess) -> dict[str, Any]:
    """What is given and the guess, by the names of tables' columns."""
    guess = {"log_rent": start.log_rent, "share": start.share, "expected_nest": start.nest}
    return {**given._asdict(), **guess, "choosing": 1.0 - total(given.staying)}


def _guess(tables: Tables) -> Guess:
    return Guess(tables.owners["log_rent"].copy(), tables.sales["share"].copy(), tables.sectors["expected_nest"].copy())


def _filled(dtype: np.dtype[Any], shape: tuple[int, ...], values: dict[str, Any]) -> Table:
    table = np.zeros(shape, dtype)
    for name in dtype.fields or ():
        if name in values:
            table[name] = values[name]
    return table


@compiled
def _solve_each(
    model: Table,
    owners: Table,
    sectors: Table,
    firms: Table,
    affinity: Array,
    last_weight: Array,
    appeal: Array,
    staying: Array,
    start_share: Array,
    some_firms: Table,
    some_ties: Table,
    some_sales: Table,
    share: Array,
    n_sweeps: Counts,
    gap: Array,
) -> None:
    """Solve one replicate after the other, each in tables with rows for those of its firms that take part."""
    n_slots, n_owners = some_ties.shape
    jacobian, matrix = np.empty((n_owners, n_owners)), np.empty((n_owners, n_owners))
    part, slot, place = np.empty(n_slots, np.int64), np.empty(n_slots, np.int64), np.empty(n_slots, np.int64)
    for r in range(len(n_sweeps)):
        _find_parts(firms[r], appeal[r], staying[r], start_share[r], part)
        _line_up(model[r], part, slot, place)
        n = model[r].n_firms
        for m in range(n):
            some_firms[m] = firms[r, slot[m]]
            some_firms[m].group = place[some_firms[m].group]
        for j in range(n_owners):
            for m in range(n):
                some_ties[m, j].affinity = affinity[r, j, slot[m]]
                some_ties[m, j].last_weight = last_weight[r, j, slot[m]]
        for s in range(len(some_sales)):
            for m in range(n):
                sale = some_sales[s, m]
                sale.appeal, sale.staying = appeal[r, s, slot[m]], staying[r, s, slot[m]]
                sale.share = start_share[r, s, slot[m]]
        n_sweeps[r], gap[r] = _solve_one(
            model[r], owners[r], some_firms[:n], some_ties[:n], sectors[r], some_sales[:, :n], jacobian, matrix
        )
        for s in range(len(some_sales)):
            for m in range(n):
                share[r, s, slot[m]] = some_sales[s, m].share


@compiled
def _find_parts(firms: Table, appeal: Array, staying: Array, share: Array, part: Counts) -> None:
    """Whether each firm trains or sells, by itself or with others of its owner; nobody else adds to any sum."""
    for i in range(len(firms)):
        part[i] = _ALONE if firms[i].desired_outlay > 0.0 else _NO_PART
    for s in range(len(appeal)):
        for i in range(len(firms)):
            if appeal[s, i] != 0.0 or staying[s, i] != 0.0 or share[s, i] != 0.0:
                part[i] = max(part[i], _ALONE)
    for i in range(len(firms)):
        if firms[i].group != i:
            part[i] = part[firms[i].group] = _JOINED


@compiled
def _line_up(model: Row, part: Counts, slot: Counts, place: Counts) -> None:
    """Which slot comes at each place and the place of each slot: owners of several firms, then firms by themselves."""
    n = 0
    for wanted in (_JOINED, _ALONE):
        for i in range(len(part)):
            if part[i] == wanted:
                slot[n], place[i] = i, n
                n += 1
        if wanted == _JOINED:
            model.n_joined = n
    model.n_firms = n


@inlined
def _solve_one(
    model: Row, owners: Table, firms: Table, ties: Table, sectors: Table, sales: Table, jacobian: Array, matrix: Array
) -> tuple[int, float]:
    """Move the guess of one replicate to its fixed point; how many sweeps that took and what is left."""
    moved = np.inf
    _begin(model, owners, firms)
    for sweep in range(1, MAX_SWEEPS + 1):
        _sweep(model, owners, firms, ties, sectors, sales)
        moved = _advance(model, owners, firms, ties, sectors, sales, jacobian, matrix, sweep, moved)
        if moved <= TOLERANCE:
            return sweep, moved
    return MAX_SWEEPS, moved


@compiled
def _begin(model: Row, owners: Table, firms: Table) -> None:
    """Lengths of careful steps, and how many firms an owner of several has."""
    for owner in owners:
        owner.length = 0.5
    for i in range(model.n_joined):
        firms[firms[i].group].members += 1.0


@inlined
def _advance(
    model: Row,
    owners: Table,
    firms: Table,
    ties: Table,
    sectors: Table,
    sales: Table,
    jacobian: Array,
    matrix: Array,
    sweep: int,
    moved: float,
) -> float:
    """Move the guess once, by what the last sweep found; the largest gap before."""
    is_hasty = sweep <= _HASTY
    if is_hasty and moved <= _NEAR:
        _learn(owners, jacobian)
    else:
        _respond(model, owners, firms, ties, sectors, sales, jacobian)
    if is_hasty or (sweep - _HASTY - 1) % (_CAREFUL + _EXACT) >= _CAREFUL:
        _newton_step(owners, jacobian, matrix)
    else:
        for owner in owners:
            _pace(owner)
    moved = _step_rents(owners)
    _foresee_costs(owners, firms, ties)
    for s in range(len(sectors)):
        moved = _larger(moved, _step_sector(model, sectors[s], firms, sales[s]))
    return moved


@compiled
def _larger(one: float, other: float) -> float:
    """The larger of two; nan where either is, so that what is not a number never counts as solved."""
    return other if other > one or np.isnan(other) else one


@compiled
def _pace(owner: Row) -> None:
    """A careful step along an owner's gap: half as far when the gap changes sign, further while it does not."""
    factor = 0.5 if owner.pressure * owner.last_gap < 0.0 else 1.2
    owner.length = min(max(owner.length * factor, 1e-3), 3.0)
    owner.last_gap = owner.pressure
    owner.step = owner.length * owner.pressure


# --- one evaluation -----------------------------------------------------------


@inlined
def _sweep(model: Row, owners: Table, firms: Table, ties: Table, sectors: Table, sales: Table) -> None:
    """Owners' choice, costs, prices, sales and the demand for compute that they cause.

    Customers follow the shares to which one Newton step on best replies leads: the same as ``share`` in equilibrium.
    """
    _rent(model, owners, firms, ties)
    _trade(model, owners, firms, ties, sectors, sales)


@inlined
def _trade(model: Row, owners: Table, firms: Table, ties: Table, sectors: Table, sales: Table) -> None:
    """Prices, sales and demand for compute."""
    for s in range(len(sectors)):
        attraction = _price(model, sectors[s], firms, sales[s])
        odds = sectors[s].initial_odds * attraction**model.nest_growth
        sectors[s].nest = odds / (1.0 + odds)
        sectors[s].growth = model.nest_growth * odds / (1.0 + odds) ** 2
        whole = _reply(model, sectors[s], firms, sales[s], 1.0 / attraction)
        _sell(sectors[s], firms, sales[s], 1.0 / whole)
    _demand(owners, firms, ties)


@compiled
def _rent(model: Row, owners: Table, firms: Table, ties: Table) -> None:
    """Owners' pull, firms' mean rents, by today's choice and with what last quarter's leaves of it, and their costs."""
    for owner in owners:
        owner.rent = np.exp(owner.log_rent)
        owner.pull = owner.capacity * owner.rent**-model.price_elasticity
    for i in range(len(firms)):
        firm = firms[i]
        served = target_rent = user_rent = 0.0
        for j in range(len(owners)):
            pull = owners[j].pull * ties[i, j].affinity
            served += pull
            target_rent += pull * owners[j].rent
            user_rent += ties[i, j].last_weight * owners[j].rent
        firm.served = served
        firm.target_rent = target_rent / served
        firm.user_rent = firm.loyalty * user_rent + (1.0 - firm.loyalty) * firm.target_rent
        of_rent = firm.serving_need * firm.user_rent * (1.0 + firm.compute_tax)
        firm.cost = of_rent + firm.usage_tax
        firm.rent_part = of_rent / firm.cost
        firm.dollar_worth = (1.0 - firm.revenue_taken) / firm.cost
        firm.quantity = 0.0


@compiled
def _price(model: Row, sector: Row, firms: Table, sales: Table) -> float:
    """Prices of a sector at the shares that firms expect, what each attracts, and the sum of that."""
    rho = model.substitution
    outer = 1.0 + model.nest_growth * (rho - 1.0) * (1.0 - sector.expected_nest)
    steepness = model.nest_growth * (rho - 1.0) ** 2
    for i in range(model.n_joined):
        firms[i].sum_share = firms[i].sum_other = 0.0
    for i in range(model.n_joined):
        head = firms[firms[i].group]
        head.sum_share += sales[i].share
        head.sum_other += (1.0 - firms[i].revenue_taken) * sales[i].share
    attraction = 0.0
    for i in range(len(firms)):
        firm, sale = firms[i], sales[i]
        joint = firms[firm.group].sum_share if i < model.n_joined else sale.share
        elasticity = rho + (outer - rho) * joint
        if firm.taken_differs:
            mean_kept = 1.0 if joint == 0.0 else firms[firm.group].sum_other / joint
            own = rho / (1.0 + (rho - elasticity) / elasticity * mean_kept / (1.0 - firm.revenue_taken))
            elasticity = max(own, _LEAST_ELASTICITY)
        if not np.isnan(sale.own_elasticity):
            elasticity = sale.own_elasticity
        sale.per_dollar = firm.dollar_worth * ((elasticity - 1.0) / elasticity)
        drawn = sale.per_dollar**2 if rho - 1.0 == _SQUARE else sale.per_dollar ** (rho - 1.0)
        sale.target = sale.appeal * drawn
        attraction += sale.target
        scale = elasticity * (elasticity - 1.0)
        damped = scale + (rho - 1.0) * (rho - elasticity)
        sale.reply = scale / damped if np.isnan(sale.own_reply) else sale.own_reply
        sale.steepening = steepness * joint / damped
    return attraction


@compiled
def _reply(model: Row, sector: Row, firms: Table, sales: Table, scale: float) -> float:
    """Turn customers' answer to prices, once scaled, into one Newton step on mutual best replies; the sum of shares.

    The firms of an owner move together and divide its share as customers would.
    """
    push = against = 0.0
    for i in range(len(sales)):
        sale = sales[i]
        sale.target *= scale
        push += sale.reply * (sale.target - sale.share)
        against += sale.reply * sale.share
    common = sector.lead = push / against
    for i in range(model.n_joined):
        firms[i].sum_share = firms[i].sum_other = 0.0
    for i in range(model.n_joined):
        sale, head = sales[i], firms[firms[i].group]
        head.sum_share += _moved(sale, common)
        head.sum_other += sale.target
    whole = 0.0
    for i in range(len(sales)):
        sale = sales[i]
        if i < model.n_joined:
            head = firms[firms[i].group]
            part = 1.0 / head.members if head.sum_other == 0.0 else sale.target / head.sum_other
            sale.target = max(head.sum_share * part, 0.0)
        else:
            sale.target = max(_moved(sale, common), 0.0)
        whole += sale.target
    return whole


@compiled
def _moved(sale: Row, common: float) -> float:
    """Share of a firm after a Newton step, when those of all firms add up to one."""
    return sale.share + sale.reply * (sale.target - sale.share - sale.share * common)


@compiled
def _sell(sector: Row, firms: Table, sales: Table, scale: float) -> None:
    """Revenue of a sector, when those choose who do not stay, and units sold; how its shares and nest will answer."""
    size = sector.budget * sector.nest
    mean_reply = steepening = 0.0
    for i in range(len(firms)):
        sale = sales[i]
        sale.target *= scale
        sale.revenue = size * (sale.staying + sector.choosing * sale.target)
        firms[i].quantity += sale.revenue * sale.per_dollar
        mean_reply += sale.reply * sale.target
        steepening += sale.steepening * sale.target
    sector.mean_reply, sector.steepening = mean_reply, steepening / mean_reply


@compiled
def _demand(owners: Table, firms: Table, ties: Table) -> None:
    """What firms rent for training and serving, and how far owners' demand is from their supply."""
    for owner in owners:
        owner.loyal = owner.free = 0.0
    for i in range(len(firms)):
        firm = firms[i]
        user_cost = firm.user_rent * (1.0 + firm.compute_tax)
        given = min(firm.allotment, firm.training_cap)
        bought = min(max(firm.desired_outlay - user_cost * given, 0.0), firm.means) / user_cost
        training = min(given + bought, firm.training_cap)
        firm.rented = max(training - given + firm.serving_need * firm.quantity - firm.own_chips, 0.0)
        loyal = firm.loyalty * firm.rented
        free = (1.0 - firm.loyalty) * firm.rented / firm.served
        for j in range(len(owners)):
            owners[j].loyal += loyal * ties[i, j].last_weight
            owners[j].free += free * ties[i, j].affinity
    for owner in owners:
        owner.captive = owner.captive_outlay / (owner.rent * (1.0 + owner.captive_tax))
        owner.pressure = np.log(max(owner.captive + owner.loyal + owner.pull * owner.free, _TINY) / owner.supply)


# --- how things answer to rents -----------------------------------------------


@inlined
def _respond(
    model: Row, owners: Table, firms: Table, ties: Table, sectors: Table, sales: Table, jacobian: Array
) -> None:
    """Responses of mean rents and of demand to rents, in logs; they guide the solver and do not move its fixed point.

    Exact where shares and nests have arrived, but for owners whose firms keep different parts of their revenue.
    """
    n_owners = len(owners)
    _rent_responses(model, owners, firms, ties)
    joint_response, joint_exposed = np.empty((model.n_joined, n_owners)), np.empty((model.n_joined, n_owners))
    jacobian[:] = 0.0
    for s in range(len(sectors)):
        _mean_responses(owners, firms, ties, sectors[s], sales[s])
        _join_responses(model, firms, ties, sales[s], joint_response)
        _expose(model, owners, firms, ties, sectors[s], sales[s], joint_exposed)
        for j in range(n_owners):
            for k in range(n_owners):
                jacobian[j, k] += owners[j].exposed * owners[k].market
        for i in range(model.n_joined):
            if firms[i].group == i:
                for j in range(n_owners):
                    for k in range(n_owners):
                        jacobian[j, k] += joint_exposed[i, j] * joint_response[i, k]
    _add_own_responses(model, owners, firms, ties, jacobian)
    for j in range(n_owners):
        jacobian[j, j] -= owners[j].captive
        demand = max(np.exp(owners[j].pressure) * owners[j].supply, _TINY)
        for k in range(n_owners):
            jacobian[j, k] /= demand


@compiled
def _rent_responses(model: Row, owners: Table, firms: Table, ties: Table) -> None:
    """Response of each firm's mean log rent to owners', and of what it trains to that."""
    for i in range(len(firms)):
        firm = firms[i]
        for j in range(len(owners)):
            owner, tie = owners[j], ties[i, j]
            free = (1.0 - firm.loyalty) * (owner.pull * tie.affinity / firm.served)
            weight = firm.loyalty * tie.last_weight + free
            shift = free * model.price_elasticity * (owner.rent - firm.target_rent)
            tie.response = (weight * owner.rent - shift) / firm.user_rent
        user_cost = firm.user_rent * (1.0 + firm.compute_tax)
        given = min(firm.allotment, firm.training_cap)
        wanted = firm.desired_outlay - user_cost * given
        firm.own = 0.0
        if firm.rented > 0.0 and wanted > 0.0 and given + min(wanted, firm.means) / user_cost < firm.training_cap:
            firm.own = (firm.desired_outlay if wanted < firm.means else firm.means) / user_cost


@compiled
def _mean_responses(owners: Table, firms: Table, ties: Table, sector: Row, sales: Table) -> None:
    """Response of the mean log cost in a sector, weighted by replies."""
    for owner in owners:
        owner.market = 0.0
    for i in range(len(firms)):
        part = sales[i].reply * sales[i].target * firms[i].rent_part
        for j in range(len(owners)):
            owners[j].market += part * ties[i, j].response
    for owner in owners:
        owner.market /= sector.mean_reply


@compiled
def _join_responses(model: Row, firms: Table, ties: Table, sales: Table, joint_response: Array) -> None:
    """Response of the mean log cost of an owner's firms in a sector, weighted by their sales."""
    joint_response[:] = 0.0
    for i in range(model.n_joined):
        firms[i].sum_share = 0.0
    for i in range(model.n_joined):
        firms[firms[i].group].sum_share += sales[i].target
    for i in range(model.n_joined):
        head = firms[i].group
        if sales[i].target > 0.0:
            part = firms[i].rent_part * (sales[i].target / firms[head].sum_share)
            for j in range(joint_response.shape[1]):
                joint_response[head, j] += part * ties[i, j].response


@compiled
def _expose(
    model: Row,
    owners: Table,
    firms: Table,
    ties: Table,
    sector: Row,
    sales: Table,
    joint_exposed: Array,
) -> None:
    """What rises of costs in a sector do to owners' demand, by way of sales.

    They move what serves a firm by -own times its own rise, where own is ``kept`` by revenue and ``moving`` with those
    who choose now; by own (1 - reply) times its owner's mean; and by the mean of all, through rivals and the nest.
    """
    rho, n_owners, steepening = model.substitution, len(owners), sector.steepening
    growth, size = sector.growth / (1.0 + sector.growth * steepening), sector.budget * sector.nest
    joint_exposed[:] = 0.0
    for owner in owners:
        owner.loyal = owner.free = 0.0
    for i in range(len(firms)):
        firm, sale = firms[i], sales[i]
        if firm.rented > 0.0:
            use = firm.serving_need * sale.per_dollar
            kept = use * sale.revenue
            moving = (rho - 1.0) * use * size * sector.choosing * sale.target
            own = kept + moving
            rivals = sale.reply * own - kept
            nest = (rho - 1.0) * kept / sector.nest + steepening * rivals - sale.steepening * own
            through_mean, through_joint = rivals - growth * nest, own * (1.0 - sale.reply)
            loyalty, choosing = firm.loyalty, (1.0 - firm.loyalty) / firm.served
            loyal, free = loyalty * through_mean, choosing * through_mean
            for j in range(n_owners):
                owners[j].loyal += loyal * ties[i, j].last_weight
                owners[j].free += free * ties[i, j].affinity
            if i < model.n_joined:
                for j in range(n_owners):
                    weight = loyalty * ties[i, j].last_weight + choosing * owners[j].pull * ties[i, j].affinity
                    joint_exposed[firm.group, j] += weight * through_joint
            else:
                own -= through_joint
            firm.own += firm.rent_part * own
    for owner in owners:
        owner.exposed = owner.loyal + owner.pull * owner.free


@compiled
def _add_own_responses(model: Row, owners: Table, firms: Table, ties: Table, jacobian: Array) -> None:
    """What each firm does when its own mean rent rises, and how it shifts between owners."""
    n_owners = len(owners)
    choices = np.empty(n_owners)
    for i in range(len(firms)):
        firm = firms[i]
        free = (1.0 - firm.loyalty) * firm.rented * model.price_elasticity
        for j in range(n_owners):
            choices[j] = owners[j].pull * ties[i, j].affinity / firm.served
        for j in range(n_owners):
            weight = firm.loyalty * ties[i, j].last_weight + (1.0 - firm.loyalty) * choices[j]
            own, shift = weight * firm.own, free * choices[j]
            for k in range(n_owners):
                jacobian[j, k] += shift * choices[k] - own * ties[i, k].response
            jacobian[j, j] -= shift


@compiled
def _step_rents(owners: Table) -> float:
    """Move log rents by their steps, within bounds; the largest gap before."""
    gap = 0.0
    for owner in owners:
        to_floor = np.log(owner.floor) - owner.log_rent
        owner.step = max(min(max(owner.step, -_LARGEST_RENT_STEP), _LARGEST_RENT_STEP), to_floor)
        gap = _larger(gap, _larger(abs(owner.step), abs(max(owner.pressure, to_floor))))
        owner.last_pressure = owner.pressure
        owner.log_rent += owner.step
    return gap


@compiled
def _foresee_costs(owners: Table, firms: Table, ties: Table) -> None:
    """Change of each firm's log cost after the owners' step, to first order."""
    for i in range(len(firms)):
        rise = 0.0
        for j in range(len(owners)):
            rise += owners[j].step * ties[i, j].response
        firms[i].rise = firms[i].rent_part * rise


@compiled
def _step_sector(model: Row, sector: Row, firms: Table, sales: Table) -> float:
    """Move a sector's expected shares and nest to where a step of rents will lead; the largest gap before."""
    rho, steepening = model.substitution, sector.steepening
    rise = whole = 0.0
    for i in range(len(firms)):
        rise += sales[i].reply * sales[i].target * firms[i].rise
    rise /= sector.mean_reply
    _join_rises(model, firms, sales)
    nest_gap, before = sector.nest - sector.expected_nest, sector.expected_nest
    grown = sector.growth * (sector.lead - (rho - 1.0) * rise)
    nest = before + (nest_gap + grown) / (1.0 + sector.growth * steepening)
    sector.expected_nest = min(max(nest, 0.5 * before), 0.5 * (1.0 + before))
    nest_step = sector.expected_nest - before
    gap = abs(nest_gap)
    for i in range(len(firms)):
        firm, sale = firms[i], sales[i]
        joint = firms[firm.group].joint_rise if i < model.n_joined else firm.rise
        change = (rho - 1.0) * (sale.reply * (rise - joint) + joint - firm.rise)
        change += (sale.reply * steepening - sale.steepening) * nest_step
        gap = _larger(gap, abs(sale.target - sale.share))
        sale.share = max(sale.target * (1.0 + change), 0.0)
        whole += sale.share
    scale = 1.0 / whole
    for i in range(len(firms)):
        sales[i].share *= scale
    return gap


@compiled
def _join_rises(model: Row, firms: Table, sales: Table) -> None:
    """Change of the mean log cost of an owner's firms in a sector, weighted by their sales."""
    for i in range(model.n_joined):
        firms[i].sum_share = firms[i].sum_other = 0.0
    for i in range(model.n_joined):
        head = firms[firms[i].group]
        head.sum_share += sales[i].target
        head.sum_other += sales[i].target * firms[i].rise
    for i in range(model.n_joined):
        firms[i].joint_rise = firms[i].sum_other / firms[i].sum_share if firms[i].sum_share > 0.0 else 0.0


@compiled
def _newton_step(owners: Table, jacobian: Array, matrix: Array) -> None:
    """Semismooth Newton step of log rents on min(ln w - ln floor, -pressure) = 0."""
    n = len(owners)
    for j in range(n):
        owner = owners[j]
        slack = owner.log_rent - np.log(owner.floor)
        is_floor = slack < -owner.pressure
        owner.step = -slack if is_floor else owner.pressure
        for k in range(n):
            unit = 1.0 if j == k else 0.0
            matrix[j, k] = unit if is_floor else _RIDGE * unit - jacobian[j, k]
    _eliminate(matrix, owners)


@compiled
def _eliminate(matrix: Array, owners: Table) -> None:
    """Solve a small linear system for ``step`` in place, by Gaussian elimination with partial pivoting."""
    n = len(owners)
    for k in range(n):
        pivot = k
        for j in range(k + 1, n):
            if abs(matrix[j, k]) > abs(matrix[pivot, k]):
                pivot = j
        for m in range(n):
            matrix[k, m], matrix[pivot, m] = matrix[pivot, m], matrix[k, m]
        owners[k].step, owners[pivot].step = owners[pivot].step, owners[k].step
        for j in range(k + 1, n):
            factor = matrix[j, k] / matrix[k, k]
            for m in range(k, n):
                matrix[j, m] -= factor * matrix[k, m]
            owners[j].step -= factor * owners[k].step
    for k in range(n - 1, -1, -1):
        for m in range(k + 1, n):
            owners[k].step -= matrix[k, m] * owners[m].step
        owners[k].step /= matrix[k, k]


@compiled
def _learn(owners: Table, jacobian: Array) -> None:
    """Broyden's (1965) update: the least change of the Jacobian that explains what the last step did."""
    length = 0.0
    for owner in owners:
        length += owner.step * owner.step
    if length == 0.0:
        return
    for j in range(len(owners)):
        surprise = owners[j].pressure - owners[j].last_pressure
        for k in range(len(owners)):
            surprise -= jacobian[j, k] * owners[k].step
        for k in range(len(owners)):
            jacobian[j, k] += surprise / length * owners[k].step
