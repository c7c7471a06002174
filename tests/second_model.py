"""The core of the model a second time, from docs/model.md alone: plain Python, one history, no NumPy.

Written to find out whether the document is enough to rebuild the model. It knows nothing of ``sim``: its input is what
a world's tables say, the parameters by name, and the draws of luck. Funding, both markets, accounts, training,
investment and exit are here; policies, entry, mergers, opening, own chips and the grid are not. Numbers in brackets are sections
of docs/model.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log
from statistics import NormalDist, quantiles

HOURS = 2190.0
LAGS = 8


@dataclass
class Firm:
    """A developer: what the tables say, then its state."""

    name: str
    kind: str
    use: float
    sales: float
    is_open: bool
    anticipated: float
    investor_weight: float
    parent_weight: float
    home: str | None
    partners: dict[str, float]
    ties: dict[str, float]
    cash: float = 0.0
    debt: float = 0.0
    efficiency: float = 1.0
    own_compute: float = 0.0
    history: tuple[float, ...] = ()
    data: float = 0.0
    fund_share: float = 0.0
    profit_growth: float = 0.0
    capability_growth: float = 0.0
    beyond: int = 0
    is_active: bool = True


@dataclass
class Owner:
    """Who owns chips."""

    name: str
    sells_to: str
    order_factor: float
    capacity: float
    bought: float
    rent: float
    cash: float = 0.0
    captive_share: float = 0.0


@dataclass
class Maker:
    """Who makes chips."""

    name: str
    flow_share: float
    cost: float
    captive_to: str | None
    sold: float
    first_price_cost: float = 0.0
    price_cost: float = 0.0


class SecondModel:
    """One history of a world without policies."""

    def __init__(self, tables, parameters, tastes, family="power", expectations="adaptive", growth_rates="industry"):
        """Read tables and calibrate (5). ``tastes`` are standard normal, by firm and sector."""
        self.family, self.expectations, self.growth_rates = family, expectations, growth_rates
        self.p = dict(parameters)
        self.t = 0
        self.shipments = list(tables["shipments"])
        self.sectors = list(tables["sectors"].values())
        total = sum(s["budget_share"] for s in self.sectors)
        self.budget_share = [s["budget_share"] / total for s in self.sectors]
        self.S = range(len(self.sectors))
        self.firms = self.read_firms(tables["firms"])
        self.owners = self.read_owners(tables["owners"])
        self.makers = self.read_makers(tables["makers"])
        self.by_owner = {owner.name: j for j, owner in enumerate(self.owners)}
        self.household = self.government = 0.0
        self.log_z = {}
        self.calibrate(tastes)

    # --- tables (5, 6) ---------------------------------------------------------------

    def read_firms(self, table):
        p, firms = self.p, []
        for name, row in table.items():
            partners = dict(row.get("partners", {}))
            partners = {o: p["affiliation_partner"] if v is None else v for o, v in partners.items()}
            home, ties = row.get("integrated_owner"), dict(partners)
            if home is not None:
                ties[home] = row.get("integrated_affinity", p["affiliation_integrated"])
            firms.append(
                Firm(
                    name,
                    row["class"],
                    row["compute"] / 1e3,
                    (row.get("revenue", 0.0) or p["initial_revenue_floor"]) / 4,
                    row.get("weights", "closed") == "open",
                    row.get("anticipated_share_factor", 1.0),
                    row.get("investor_weight", 0.0),
                    row.get("parent_weight", 0.0),
                    home,
                    partners,
                    ties,
                )
            )
        n, sd = int(p["small_firms_initial"]), p["small_firm_dispersion"]
        sizes = [exp(sd * NormalDist().inv_cdf((k + 0.5) / n) - sd**2 / 2) for k in range(n)]
        for k, size in enumerate(sizes):
            firms.append(
                Firm(
                    f"Small firm {k + 1}",
                    "sme",
                    p["small_firm_compute"] * size / 1e3,
                    p["small_firm_revenue"] * size / mean(sizes) / 4,
                    k % 2 == 0,
                    1.0,
                    p["small_firm_investor_weight"],
                    0.0,
                    None,
                    {},
                    {},
                    efficiency=p["small_firm_efficiency"],
                )
            )
        return firms

    def read_owners(self, table):
        total = sum(row["stock_share"] for row in table.values())
        stock = {name: self.p["world_stock"] * row["stock_share"] / total for name, row in table.items()}
        return [
            Owner(name, row["sells_to"], row["order_factor"], stock[name], stock[name], self.p["rent_initial"])
            for name, row in table.items()
        ]

    def read_makers(self, table):
        p = self.p
        stock = sum(row["stock_share"] for row in table.values())
        flow = sum(row["flow_share"] for row in table.values())
        merchants = [row for row in table.values() if row.get("captive_to") is None]
        leading = max(merchants, key=lambda row: row["flow_share"])
        return [
            Maker(
                name,
                row["flow_share"] / flow,
                p["merchant_cost"] * row["unit_cost_share"] / leading["unit_cost_share"],
                row.get("captive_to"),
                p["world_stock"] * row["stock_share"] / stock,
            )
            for name, row in table.items()
        ]

    def sells(self, owner, firm):
        if owner.sells_to == "all":
            return True
        if owner.sells_to == "affiliates":
            return owner.name in firm.ties
        return firm.home == owner.name

    # --- calibration (5) ----------------------------------------------------------

    def calibrate(self, tastes):
        p, S = self.p, self.S
        w0 = p["rent_initial"]
        self.F = range(len(self.firms))
        firms = self.firms
        appetite = [b * s["adoption"] for b, s in zip(self.budget_share, self.sectors, strict=True)]
        everything = sum(f.sales for f in firms)
        sector_sales = [everything * a / sum(appetite) for a in appetite]
        sd = p["sector_strength_dispersion"]
        taste = [[exp(sd * tastes[i][s]) for s in S] for i in self.F]
        sales = fit(taste, [f.sales for f in firms], sector_sales)
        self.nest = [sector_sales[s] / (p["budget_total"] * self.budget_share[s]) for s in S]
        self.first_odds = [n / (1 - n) for n in self.nest]
        self.share = [[sales[i][s] / sector_sales[s] for s in S] for i in self.F]
        wanted = [f.sales * f.anticipated for f in firms]
        wanted = [x * everything / sum(wanted) for x in wanted]
        leader = max(self.F, key=lambda i: wanted[i])
        wished = fit(taste, wanted, sector_sales)
        self.target = [[wished[i][s] / sector_sales[s] for s in S] for i in self.F]
        eps = [[self.elasticity(self.target[i][s], self.nest[s]) for s in S] for i in self.F]
        keep = 1 - p["operating_cost_share"]

        g = p["initial_capability_growth"]
        training, used = [], []
        for i, f in enumerate(firms):
            serving = sum(sales[i][s] * keep * (1 - 1 / eps[i][s]) for s in S) / w0
            training.append(max(f.use - serving, p["initial_training_share"] * f.use))
            f.own_compute = f.efficiency * training[i] / (exp(g) - 1 + p["capability_decay"])
            f.history = tuple(f.own_compute * exp(-g * k) for k in range(1, LAGS + 1))
            used.append(training[i] + serving)
        effective = self.effective_compute()
        self.E0 = effective[leader]
        rise = p["serving_size_elasticity"] * (p["substitution"] - 1)
        theta = p["flywheel"] / self.power_elasticity(self.E0) + rise
        self.theta = [rise + s["quality_elasticity"] * (theta - rise) for s in self.sectors]
        self.psi = [p["data_elasticity"] * s["data_elasticity"] for s in self.sectors]

        power = [self.power_of(e) for e in effective]
        self.kappa0 = 1.0
        self.kappa0 = keep * (1 - 1 / eps[leader][0]) / (w0 * self.serving_need(firms[leader], power[leader]))
        price = [
            [self.serving_need(f, power[i]) * w0 / keep * eps[i][s] / (eps[i][s] - 1) for s in S]
            for i, f in enumerate(firms)
        ]
        for i, f in enumerate(firms):
            f.data = sum(sales[i][s] / price[i][s] for s in S) / p["data_decay"]
        self.data_reference = firms[leader].data
        self.appeal = [
            [
                log(self.target[i][s])
                - self.theta[s] * log(power[i])
                - self.psi[s] * log(1 + f.data / self.data_reference)
                + (p["substitution"] - 1) * log(price[i][s])
                for s in S
            ]
            for i, f in enumerate(firms)
        ]
        self.class_appeal = {}
        for kind in {f.kind for f in firms}:
            members = [i for i, f in enumerate(firms) if f.kind == kind]
            centre = upper_quartile if kind == "lab" else mean
            self.class_appeal[kind] = [centre([self.appeal[i][s] for i in members]) for s in S]
        self.profit = [[sales[i][s] * keep / eps[i][s] for s in S] for i in self.F]

        self.weight = self.owner_choice([w0] * len(self.owners))
        captive = [
            w0 * (p["utilisation"] * o.capacity - sum(self.weight[i][j] * used[i] for i in self.F))
            for j, o in enumerate(self.owners)
        ]
        self.first_captive = sum(captive)
        for owner, outlay in zip(self.owners, captive, strict=True):
            owner.captive_share = outlay / self.first_captive
        value = mean_value(self.owners, [self.chip_value(w0) for _ in self.owners])
        for maker in self.makers:
            maker.price_cost = maker.first_price_cost = self.chip_price(maker.cost, value) / maker.cost

        weights = sum(f.investor_weight for f in firms if f.parent_weight == 0)
        for f in firms:
            f.cash = p["initial_cash_quarters"] * f.use * w0
            f.cash += p["small_firm_cash"] if f.kind == "sme" else 0.0
            f.profit_growth, f.capability_growth = p["initial_profit_growth"], g
            f.fund_share = f.investor_weight / weights if f.parent_weight == 0 else 0.0
        self.recent_profit = [sum(map(sum, self.profit))] * 4
        self.recent_outlay = [w0 * sum(training)] * 4
        self.first_return = sum(self.recent_profit) / sum(self.recent_outlay)

    # --- formulas (7) -----------------------------------------------------------------

    def elasticity(self, share, nest):
        """7.3."""
        rho, lam = self.p["substitution"], self.p["nest_growth"]
        return rho * (1 - share) + (1 + lam * (rho - 1) * (1 - nest)) * share

    def serving_need(self, firm, power):
        """7.3: kappa."""
        size = power ** self.p["serving_size_elasticity"]
        return self.kappa0 * size / firm.efficiency ** self.p["serving_algorithm_elasticity"]

    def effective_compute(self):
        """7.1."""
        lag = int(self.p["open_release_delay"])
        effective = []
        for f in self.firms:
            others = [g.history[lag - 1] for g in self.firms if g is not f and g.is_open and g.is_active]
            effective.append(f.own_compute + self.p["open_discount"] * max(others, default=0.0))
        return effective

    def power_of(self, effective):
        """7.1: f."""
        p, x = self.p, effective / self.E0
        if self.family == "power":
            return x ** p["gamma"]
        if self.family == "log":
            return log(1 + x) / log(2)
        if self.family == "hill":
            middle, h = p["hill_midpoint"], p["hill_exponent"]
            return (1 + middle**h) * x**h / (middle**h + x**h)
        if self.family == "saturating_loss":
            c, g = p["saturating_loss_scale"], p["saturating_loss_exponent"]
            return (1 - (1 + x / c) ** -g) / (1 - (1 + 1 / c) ** -g)
        if self.family == "threshold":
            jump, z, z1 = p["threshold_jump"], (x / p["threshold_location"]) ** 8, p["threshold_location"] ** -8
            return x ** p["gamma"] * (1 + jump * z / (1 + z)) / (1 + jump * z1 / (1 + z1))
        return x

    def power_elasticity(self, effective):
        """7.1: gamma_i."""
        p, x = self.p, effective / self.E0
        if self.family == "power":
            return p["gamma"]
        if self.family == "log":
            return x / ((1 + x) * log(1 + x))
        if self.family == "hill":
            middle, h = p["hill_midpoint"], p["hill_exponent"]
            return h * middle**h / (middle**h + x**h)
        if self.family == "saturating_loss":
            g, y = p["saturating_loss_exponent"], x / p["saturating_loss_scale"]
            return g * y / ((1 + y) * ((1 + y) ** g - 1))
        if self.family == "threshold":
            jump, z = p["threshold_jump"], (x / p["threshold_location"]) ** 8
            return p["gamma"] + 8 * jump * z / ((1 + z) * (1 + (1 + jump) * z))
        return 1.0

    def owner_choice(self, rents):
        """7.6: a*."""
        weights = []
        for f in self.firms:
            pull = [
                o.capacity * w ** -self.p["owner_price_elasticity"] * exp(f.ties.get(o.name, 0.0))
                if self.sells(o, f)
                else 0.0
                for o, w in zip(self.owners, rents, strict=True)
            ]
            weights.append([x / sum(pull) for x in pull])
        return weights

    def floor(self):
        """7.11."""
        p = self.p
        kilowatt = p["power_per_h100e"] * p["pue"] * exp(-p["power_per_h100e_decline"] * self.t)
        return p["owner_floor_operations"] + kilowatt * HOURS * p["electricity_price"] / 1e6

    def site_cost(self):
        return self.p["site_cost"] * exp(-self.p["site_cost_decline"] * self.t)

    def chip_value(self, rent):
        """7.7."""
        p = self.p
        net = p["utilisation"] * rent - self.floor()
        return net / (p["cost_of_funds"] + p["chip_decay"] + p["value_decline"]) - self.site_cost()

    def chip_price(self, cost, value):
        """7.8."""
        least = cost * (1 + self.p["maker_margin_floor"])
        return least + self.p["maker_bargaining"] * max(value - least, 0.0)

    def settled(self, first, start, end, time, quarters):
        """6: a settling path."""
        return first * exp(sum(end + (start - end) * exp(-k / time) for k in range(1, quarters + 1)))

    # --- one quarter (3) -------------------------------------------------------------

    def step(self, quality, progress):
        """Advance by a quarter; ``quality`` and ``progress`` are this quarter's normal draws by firm."""
        self.fund()
        self.clear()
        self.settle()
        self.train(quality, progress)
        self.invest()
        self.leave()
        self.t += 1

    def fund(self):
        """7.4 and 7.5."""
        p, firms, S = self.p, self.firms, self.S
        effective = self.effective_compute()
        self.power = [self.power_of(e) for e in effective]
        path = self.settled(
            p["investor_funding"],
            p["investor_funding_growth_start"],
            p["investor_funding_growth_end"],
            p["investor_funding_time"],
            self.t,
        )
        parents = self.settled(
            p["parent_funding"],
            p["investor_funding_growth_start"],
            p["investor_funding_growth_end"],
            p["investor_funding_time"],
            self.t,
        )
        ratio = sum(self.recent_profit) / sum(self.recent_outlay) / self.first_return
        fund = path * clip(ratio, p["funding_return_low"], p["funding_return_high"]) ** p["funding_return_elasticity"]
        own = [f.own_compute / e for f, e in zip(firms, effective, strict=True)]
        contest = [
            self.power[i] ** p["contest_exponent"] * own[i] if f.is_active and f.parent_weight == 0 else 0.0
            for i, f in enumerate(firms)
        ]
        k = p["funding_speed"]
        moved = [
            ((1 - k) * f.fund_share + k * contest[i] / sum(contest)) if f.is_active else 0.0
            for i, f in enumerate(firms)
        ]
        self.raised, self.granted, self.plan, self.limit = [], [], [], []
        parent_weights = sum(f.parent_weight for f in firms if f.is_active)
        rise = p["serving_size_elasticity"] * (p["substitution"] - 1)
        for i, f in enumerate(firms):
            f.fund_share = moved[i] / sum(moved)
            self.raised.append(fund * f.fund_share)
            self.granted.append(parents * f.parent_weight / parent_weights if f.parent_weight and f.is_active else 0.0)
            new = self.raised[i] + self.granted[i]
            marginal = 0.0
            for s in S:
                j, nest = self.target[i][s], self.nest[s]
                flywheel = max(self.power_elasticity(effective[i]) * (self.theta[s] - rise), 0.0)
                marginal += flywheel * ((1 - j) + p["nest_growth"] * j * (1 - nest)) * self.profit[i][s]
            wanted = self.horizon(f) * own[i] * marginal + p["earmark"] * new
            limit = p["leverage"] * max(f.cash - f.debt, 4 * sum(self.profit[i]), 0.0)
            means = p["outlay_limit"] * max(f.cash + new + max(limit - f.debt, 0.0), 0.0)
            self.plan.append(min(wanted, means) if f.is_active else 0.0)
            self.limit.append(limit)

    def horizon(self, firm):
        """7.4: H."""
        decay, beta = self.p["capability_decay"], self.p["discount"]
        learns = self.expectations == "adaptive"
        profits, capability = (firm.profit_growth, firm.capability_growth) if learns else (0.0, 0.0)
        rate = exp(clip(profits - capability, self.p["expected_gap_low"], 0.0))
        return (exp(capability) - 1 + decay) * beta * rate / (1 - beta * (1 - decay) * rate)

    def sector_equilibrium(self, s, cost):
        """Best replies in one sector (7.2, 7.3): shares, prices and nest, by roots within a root."""
        p = self.p
        rho, lam = p["substitution"], p["nest_growth"]
        active = [i for i, f in enumerate(self.firms) if f.is_active]
        pull = {
            i: self.appeal[i][s]
            + self.theta[s] * log(self.power[i])
            + self.psi[s] * log(1 + self.firms[i].data / self.data_reference)
            for i in active
        }

        def nest_at(log_z):
            odds = self.first_odds[s] * exp(lam * log_z)
            return odds / (1 + odds)

        def reply(i, log_z):
            """The share at which a firm's own price gives that share."""

            nest = nest_at(log_z)

            def excess(log_share):
                eps = self.elasticity(exp(log_share), nest)
                return pull[i] - (rho - 1) * log(cost[i] * eps / (eps - 1)) - log_z - log_share

            beyond = excess(0.0)
            return 1.0 + beyond if beyond >= 0 else exp(root(excess, beyond - 1.0, 0.0))

        def crowding(log_z):
            return log(sum(reply(i, log_z) for i in active))

        guess = self.log_z.get(s, 0.0)
        near = crowding(guess - 0.5) >= 0 >= crowding(guess + 0.5)
        log_z = root(crowding, guess - 0.5, guess + 0.5) if near else root(crowding, -60.0, 60.0)
        self.log_z[s] = log_z
        shares = {i: reply(i, log_z) for i in active}
        nest = nest_at(log_z)
        eps = {i: self.elasticity(shares[i], nest) for i in active}
        price = {i: cost[i] * eps[i] / (eps[i] - 1) for i in active}
        return shares, price, eps, nest

    def quarter_at(self, log_rents):
        """Everything in both markets at given rents."""
        p, S, firms = self.p, self.S, self.firms
        rents = [exp(x) for x in log_rents]
        now = self.owner_choice(rents)
        stay = p["cloud_loyalty"]
        weight = [
            [stay * a + (1 - stay) * b for a, b in zip(old, new, strict=True)]
            for old, new in zip(self.weight, now, strict=True)
        ]
        paid = [sum(a * w for a, w in zip(row, rents, strict=True)) for row in weight]
        need = [self.serving_need(f, self.power[i]) for i, f in enumerate(firms)]
        keep = 1 - p["operating_cost_share"]
        cost = [n * w / keep for n, w in zip(need, paid, strict=True)]
        n = len(firms)
        revenue, profit, target, share = ([[0.0] * len(S) for _ in range(n)] for _ in range(4))
        units, nests = [0.0] * n, []
        for s in S:
            shares, price, eps, nest = self.sector_equilibrium(s, cost)
            budget = p["budget_total"] * self.budget_share[s] * exp(p["budget_growth"] * self.t)
            k = p["switching_rate"]
            staying = {i: (1 - k) * self.share[i][s] for i in shares}
            choosing = 1 - sum(staying.values())
            nests.append(nest)
            for i in shares:
                target[i][s] = shares[i]
                share[i][s] = staying[i] + choosing * shares[i]
                revenue[i][s] = budget * nest * share[i][s]
                profit[i][s] = keep * revenue[i][s] / eps[i]
                units[i] += revenue[i][s] / price[i]
        training = [plan / w for plan, w in zip(self.plan, paid, strict=True)]
        serving = [k * q for k, q in zip(need, units, strict=True)]
        captive = [self.captive_outlay() * o.captive_share / w for o, w in zip(self.owners, rents, strict=True)]
        use = [
            sum(weight[i][j] * (training[i] + serving[i]) for i in self.F) + captive[j] for j in range(len(self.owners))
        ]
        return locals()

    def captive_outlay(self):
        p = self.p
        return self.settled(
            self.first_captive,
            p["captive_growth_start"],
            p["captive_growth_end"],
            p["captive_growth_time"],
            self.t,
        )

    def clear(self):
        """7.6: rents at which min(w - floor, supply - demand) = 0, by Newton's method with differences."""
        supply = [self.p["utilisation"] * o.capacity for o in self.owners]
        least, n = log(self.floor()), len(self.owners)

        def gaps(x):
            use = self.quarter_at(x)["use"]
            return [min(x[j] - least, 1 - use[j] / supply[j]) for j in range(n)]

        x = [log(o.rent) for o in self.owners]
        gap = gaps(x)
        for _ in range(60):
            if max(map(abs, gap)) < 1e-13:
                break
            step = 1e-6
            columns = []
            for j in range(n):
                moved = gaps([v + step * (k == j) for k, v in enumerate(x)])
                columns.append([(b - a) / step for a, b in zip(gap, moved, strict=True)])
            move = solve([[columns[k][j] for k in range(n)] for j in range(n)], [-v for v in gap])
            scale = min(1.0, 0.5 / max(map(abs, move)))
            x = [a + scale * b for a, b in zip(x, move, strict=True)]
            gap = gaps(x)
        assert max(map(abs, gap)) < 1e-11, gap
        self.now = self.quarter_at(x)

    def settle(self):
        """7.13: who pays whom."""
        p, now, floor = self.p, self.now, self.floor()
        households = 0.0
        self.rent_paid = []
        for i, f in enumerate(self.firms):
            sales = sum(now["revenue"][i])
            rents = now["paid"][i] * (now["training"][i] + now["serving"][i])
            staff = p["training_staff_share"] * now["paid"][i] * now["training"][i]
            fixed = p["small_firm_fixed_cost"] if f.kind == "sme" and f.is_active else 0.0
            operating = p["operating_cost_share"] * sales + fixed
            interest = p["cost_of_funds"] * f.debt
            costs = rents + staff + operating + interest
            cash = f.cash + self.raised[i] + self.granted[i] + sales - costs
            borrowed = max(-cash, 0.0)
            cash += borrowed
            spare = max(cash - p["cash_buffer"] * costs, 0.0)
            repaid = min(f.debt, spare)
            dividends = p["dividend_share"] * (spare - repaid)
            f.cash, f.debt = cash - repaid - dividends, f.debt + borrowed - repaid
            households += staff + operating + interest - sales - borrowed + repaid + dividends
            payers = [self.by_owner[name] for name in f.partners] if f.parent_weight == 0 else []
            credit = p["partner_credit_share"] * self.raised[i] if payers else 0.0
            households -= self.raised[i] - credit
            for j in payers:
                self.owners[j].cash -= credit / len(payers)
            if self.granted[i]:
                payer = f.home if f.home is not None else next(iter(f.partners))
                self.owners[self.by_owner[payer]].cash -= self.granted[i]
        for j, owner in enumerate(self.owners):
            captive = now["rents"][j] * now["captive"][j]
            rented = sum(now["weight"][i][j] * (now["training"][i] + now["serving"][i]) for i in self.F)
            owner.cash += now["rents"][j] * rented + captive - floor * now["use"][j]
            households += floor * now["use"][j] - captive
        self.household += households

    def train(self, quality, progress):
        """7.1, 7.2, 7.4 and 7.9."""
        p, now, firms = self.p, self.now, self.firms
        most = max(now["training"])
        best = max(log(f.efficiency) for f in firms if f.is_active)
        before = [sum(row) for row in self.profit]
        profits = [sum(row) for row in now["profit"]]
        growth = {}
        keep = p["quality_persistence"]
        for i, f in enumerate(firms):
            if not f.is_active:
                continue
            trained = (1 - p["capability_decay"]) * f.own_compute + f.efficiency * now["training"][i]
            growth[i] = log(trained / f.own_compute)
            f.history = (f.own_compute, *f.history[:-1])
            f.own_compute = trained
            effort = (now["training"][i] / most) ** p["research_exponent"]
            gain = p["algorithmic_progress"] * (p["progress_floor"] + (1 - p["progress_floor"]) * effort)
            gain += p["progress_shock"] * progress[i] + p["imitation"] * (best - log(f.efficiency))
            f.efficiency *= exp(gain)
            f.data = (1 - p["data_decay"]) * f.data + now["units"][i]
            centre = self.class_appeal[f.kind]
            self.appeal[i] = [
                c + keep * (a - c) + p["quality_shock"] * quality[i]
                for a, c in zip(self.appeal[i], centre, strict=True)
            ]
        of_all = log(sum(profits) / sum(before)), sum(profits[i] * g for i, g in growth.items()) / sum(profits)
        for i, own in growth.items():
            has_own = self.growth_rates == "own" and before[i] > 0 and profits[i] > 0
            self.learn(firms[i], *((log(profits[i] / before[i]), own) if has_own else of_all))
        self.recent_profit = [sum(profits), *self.recent_profit[:-1]]
        outlay = sum(w * c for w, c in zip(now["paid"], now["training"], strict=True))
        self.recent_outlay = [outlay, *self.recent_outlay[:-1]]
        self.profit, self.target, self.share, self.nest = now["profit"], now["target"], now["share"], now["nests"]
        self.weight = now["weight"]
        for owner, rent in zip(self.owners, now["rents"], strict=True):
            owner.rent = rent

    def learn(self, firm, profits, capability):
        """7.4: expectations adapt within their bounds."""
        p, a = self.p, self.p["expectation_weight"]
        low, high = p["expected_profit_growth_low"], p["expected_profit_growth_high"]
        firm.profit_growth = clip((1 - a) * firm.profit_growth + a * profits, low, high)
        learned = (1 - a) * firm.capability_growth + a * capability
        firm.capability_growth = clip(learned, 0.0, p["expected_capability_growth_high"])

    def invest(self):
        """7.7 and 7.8."""
        p, owners, t = self.p, self.owners, self.t
        value = [self.chip_value(o.rent) for o in owners]
        typical = mean_value(owners, value)
        last = len(self.shipments) - 1
        orders = []
        for o, v in zip(owners, value, strict=True):
            factor = o.order_factor ** (0.5 ** (max(t - last, 0) / p["order_factor_half_life"]))
            relative = max(v, 0.0) / typical if typical > 0 else 1.0
            orders.append(factor * o.capacity * relative ** p["order_elasticity"])
        output = self.shipments[t] if t <= last else self.settled(
            self.shipments[-1],
            p["shipment_growth_start"],
            p["shipment_growth_end"],
            p["shipment_growth_time"],
            t - last,
        )  # fmt: skip
        price, shipped = [], []
        for m in self.makers:
            cost = m.cost * exp(-p["merchant_cost_decline"] * t)
            response = clip(m.price_cost / m.first_price_cost, p["capacity_response_low"], p["capacity_response_high"])
            worth = min(1.0, typical / (cost * (1 + p["maker_margin_floor"]))) ** p["shipment_value_exponent"]
            price.append(self.chip_price(cost, typical))
            shipped.append(output * m.flow_share * response ** p["capacity_response"] * worth)
            m.price_cost = price[-1] / cost
            m.sold += shipped[-1]
        everything = sum(shipped)
        captive = [sum(y for m, y in zip(self.makers, shipped, strict=True) if m.captive_to == o.name) for o in owners]
        lack = [max(everything * order / sum(orders) - mine, 0.0) for order, mine in zip(orders, captive, strict=True)]
        free = sum(y for m, y in zip(self.makers, shipped, strict=True) if m.captive_to is None)
        mix = sum(
            y * q for m, y, q in zip(self.makers, shipped, price, strict=True) if m.captive_to is None
        ) / free  # fmt: skip
        site = self.site_cost()
        capacities = sum(o.capacity for o in owners)
        drift = p["captive_share_drift"]
        for o, mine, wanted, used in zip(owners, captive, lack, self.now["use"], strict=True):
            bought = free * wanted / sum(lack)
            paid = mix * bought + site * (mine + bought)
            paid += sum(y * q for m, y, q in zip(self.makers, shipped, price, strict=True) if m.captive_to == o.name)
            self.household += paid
            o.cash -= paid
            equity = max(-o.cash, 0.0)
            costs = paid + self.floor() * used
            dividends = p["dividend_share"] * max(o.cash - p["cash_buffer"] * costs, 0.0)
            o.cash += equity - dividends
            self.household += dividends - equity
            o.captive_share = (1 - drift) * o.captive_share + drift * o.capacity / capacities
            o.bought += mine + bought
            o.capacity = (1 - p["chip_decay"]) * o.capacity + mine + bought

    def leave(self):
        """7.10: exit."""
        for i, f in enumerate(self.firms):
            if not f.is_active:
                continue
            f.beyond = f.beyond + 1 if f.debt > self.limit[i] else 0
            if f.beyond >= self.p["exit_quarters"]:
                self.household += f.cash
                f.cash = f.debt = 0.0
                f.is_active = False
                f.fund_share = 0.0
                self.share[i] = self.target[i] = self.profit[i] = [0.0] * len(self.S)


# --- arithmetic ---------------------------------------------------------------------


def mean(values):
    return sum(values) / len(values)


def upper_quartile(values):
    return quantiles(values, n=4, method="inclusive")[2] if len(values) > 1 else values[0]


def clip(x, low, high):
    return min(max(x, low), high)


def mean_value(owners, values):
    """Capacity-weighted mean of what is positive (7.7)."""
    weights = sum(o.capacity for o in owners)
    return sum(o.capacity * max(v, 0.0) for o, v in zip(owners, values, strict=True)) / weights


def fit(table, rows, columns):
    """Scale a table to row and column sums, in turns."""
    change = inf
    while change > 1e-15:
        before = [list(row) for row in table]
        table = [[x * total / sum(row) for x in row] for row, total in zip(table, rows, strict=True)]
        sums = [sum(row[s] for row in table) for s in range(len(columns))]
        table = [[x * columns[s] / sums[s] for s, x in enumerate(row)] for row in table]
        change = max(
            abs(a / b - 1) for old, new in zip(before, table, strict=True) for a, b in zip(old, new, strict=True)
        )
        if change < 1e-14:
            break
    return table


def root(f, low, high):
    """Where a falling function is zero: bisection with secants (Illinois)."""
    a, b, fa, fb = low, high, f(low), f(high)
    assert fa >= 0 >= fb, (fa, fb)
    if fb == 0:
        return b
    side = 0
    for _ in range(200):
        x = (a * fb - b * fa) / (fb - fa)
        fx = f(x)
        if fx == 0 or abs(b - a) < 1e-15 * (1 + abs(a)):
            return x
        if fx > 0:
            if side == 1:
                fb /= 2
            a, fa, side = x, fx, 1
        else:
            if side == -1:
                fa /= 2
            b, fb, side = x, fx, -1
        if abs(fx) < 1e-16:
            return x
    return x


def solve(matrix, right):
    """Gaussian elimination with the largest pivot."""
    n = len(right)
    rows = [[*row, b] for row, b in zip(matrix, right, strict=True)]
    for k in range(n):
        pivot = max(range(k, n), key=lambda r: abs(rows[r][k]))
        rows[k], rows[pivot] = rows[pivot], rows[k]
        for r in range(k + 1, n):
            factor = rows[r][k] / rows[k][k]
            rows[r] = [a - factor * b for a, b in zip(rows[r], rows[k], strict=True)]
    x = [0.0] * n
    for k in reversed(range(n)):
        x[k] = (rows[k][n] - sum(rows[k][c] * x[c] for c in range(k + 1, n))) / rows[k][k]
    return x
