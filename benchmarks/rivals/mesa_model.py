"""The market core as an idiomatic Mesa model: one object for each owner, sector and firm, and numbers as floats.

The same equations, solver and tolerances as ``sim.submodels.clearing`` (docs/model.md 7), in the words of Mesa: agents
act in turn through ``AgentSet.do``, and hold what is theirs. There are objects for firms in business only.
"""

from __future__ import annotations

import math

import mesa
import numpy as np

from sim.submodels.clearing import MAX_SWEEPS, TOLERANCE, Guess

from .cases import Case

HASTY, CAREFUL, EXACT, NEAR = 40, 24, 6, 0.1
RIDGE, LARGEST_RENT_STEP, TINY, LEAST_ELASTICITY = 1e-9, 1.0, 1e-300, 1.001
_OF_OWNERS = ("capacity", "supply", "captive_outlay", "captive_tax")
_OF_FIRMS = (
    "loyalty", "desired_outlay", "means", "allotment", "own_chips", "training_cap",
    "compute_tax", "usage_tax", "revenue_taken", "serving_need", "taken_differs",
)  # fmt: skip


class Owner(mesa.Agent):
    """Rents out compute at the rent that clears its market."""

    def __init__(self, model: MarketModel, place: int, facts: dict[str, float], floor: float, log_rent: float) -> None:
        super().__init__(model)
        self.place = place
        self.capacity, self.supply = facts["capacity"], facts["supply"]
        self.captive_outlay, self.captive_tax = facts["captive_outlay"], facts["captive_tax"]
        self.log_floor, self.log_rent = math.log(floor), log_rent
        self.length, self.last_gap = 0.5, 0.0
        self.step_taken = self.pressure = self.last_pressure = 0.0

    def quote(self) -> None:
        self.rent = math.exp(self.log_rent)
        self.pull = self.capacity * self.rent**-self.model.price_elasticity

    def count_demand(self) -> None:
        place, loyal, free = self.place, 0.0, 0.0
        for firm in self.model.firms:
            loyal += firm.loyal * firm.last_weight[place]
            free += firm.free * firm.affinity[place]
        self.captive = self.captive_outlay / (self.rent * (1.0 + self.captive_tax))
        self.pressure = math.log(max(self.captive + loyal + self.pull * free, TINY) / self.supply)

    def go_along_gap(self) -> None:
        """A step whose length halves when the gap changes sign and grows while it does not."""
        factor = 0.5 if self.pressure * self.last_gap < 0.0 else 1.2
        self.length = min(max(self.length * factor, 1e-3), 3.0)
        self.last_gap = self.pressure
        self.step_taken = self.length * self.pressure

    def move(self) -> None:
        to_floor = self.log_floor - self.log_rent
        bounded = min(max(self.step_taken, -LARGEST_RENT_STEP), LARGEST_RENT_STEP)
        self.step_taken = max(bounded, to_floor)
        self.gap = max(abs(self.step_taken), abs(max(self.pressure, to_floor)))
        self.last_pressure = self.pressure
        self.log_rent += self.step_taken


class Firm(mesa.Agent):
    """Rents compute from owners, trains, and sells to the customers of every sector."""

    def __init__(
        self,
        model: MarketModel,
        facts: dict[str, float],
        affinity: list[float],
        last_weight: list[float],
        appeal: list[float],
        staying: list[float],
        share: list[float],
    ) -> None:
        super().__init__(model)
        for name, value in facts.items():
            setattr(self, name, value)
        self.affinity, self.last_weight = affinity, last_weight
        self.appeal, self.staying, self.share = appeal, staying, share
        self.kept = 1.0 - self.revenue_taken
        self.gross = 1.0 + self.compute_tax
        self.allotted = min(self.allotment, self.training_cap)
        self.head: Firm = self
        self.members: list[Firm] = [self]
        n = len(appeal)
        self.reply, self.steepening, self.target = [0.0] * n, [0.0] * n, [0.0] * n
        self.per_dollar, self.revenue = [0.0] * n, [0.0] * n

    def choose_owners(self) -> None:
        served = target_rent = user_rent = 0.0
        for owner, affinity, weight in zip(self.model.owners, self.affinity, self.last_weight, strict=True):
            pull = owner.pull * affinity
            served += pull
            target_rent += pull * owner.rent
            user_rent += weight * owner.rent
        self.served, self.target_rent = served, target_rent / served
        self.user_rent = self.loyalty * user_rent + (1.0 - self.loyalty) * self.target_rent
        of_rent = self.serving_need * self.user_rent * self.gross
        cost = of_rent + self.usage_tax
        self.rent_part, self.dollar_worth = of_rent / cost, self.kept / cost
        self.quantity = 0.0

    def price(self, sector: int, outer: float) -> float:
        """Set a price in a sector; what it attracts."""
        rho, share = self.model.substitution, self.share[sector]
        if len(self.head.members) > 1:
            share = sum(firm.share[sector] for firm in self.head.members)
        elasticity = rho + (outer - rho) * share
        if self.taken_differs:
            kept = sum(firm.kept * firm.share[sector] for firm in self.head.members)
            mean_kept = kept / share if share else 1.0
            own = rho / (1.0 + (rho - elasticity) / elasticity * mean_kept / self.kept)
            elasticity = max(own, LEAST_ELASTICITY)
        self.per_dollar[sector] = self.dollar_worth * ((elasticity - 1.0) / elasticity)
        scale = elasticity * (elasticity - 1.0)
        damped = scale + (rho - 1.0) * (rho - elasticity)
        self.reply[sector] = scale / damped
        self.steepening[sector] = self.model.nest_growth * (rho - 1.0) ** 2 * share / damped
        self.target[sector] = attracted = self.appeal[sector] * self.per_dollar[sector] ** (rho - 1.0)
        return attracted

    def sell(self, sector: int, size: float, choosing: float) -> None:
        self.revenue[sector] = size * (self.staying[sector] + choosing * self.target[sector])
        self.quantity += self.revenue[sector] * self.per_dollar[sector]

    def rent_compute(self) -> None:
        user_cost = self.user_rent * self.gross
        bought = min(max(self.desired_outlay - user_cost * self.allotted, 0.0), self.means) / user_cost
        training = min(self.allotted + bought, self.training_cap)
        self.rented = max(training - self.allotted + self.serving_need * self.quantity - self.own_chips, 0.0)
        self.loyal = self.loyalty * self.rented
        self.free = (1.0 - self.loyalty) * self.rented / self.served

    def foresee(self) -> None:
        """How the firm's mean rent, choice and training answer to owners' rents."""
        loyalty = self.loyalty
        free = (1.0 - loyalty) * self.model.price_elasticity
        self.choice, self.weight, self.response = [], [], []
        for owner, affinity, last in zip(self.model.owners, self.affinity, self.last_weight, strict=True):
            choice = owner.pull * affinity / self.served
            weight = loyalty * last + (1.0 - loyalty) * choice
            self.choice.append(choice)
            self.weight.append(weight)
            self.response.append(
                (weight * owner.rent - free * choice * (owner.rent - self.target_rent)) / self.user_rent
            )
        self.shift, self.own = free * self.rented, 0.0
        user_cost = self.user_rent * self.gross
        wanted = self.desired_outlay - user_cost * self.allotted
        below_cap = self.allotted + min(wanted, self.means) / user_cost < self.training_cap
        if self.rented > 0.0 and wanted > 0.0 and below_cap:
            self.own = (self.desired_outlay if wanted < self.means else self.means) / user_cost

    def foresee_sales(self, sector: Sector) -> tuple[float, float]:
        """What serves the firm when mean costs rise: those of the sector, and those of its owner's firms."""
        if self.rented <= 0.0:
            return 0.0, 0.0
        s, change = sector.place, self.model.substitution - 1.0
        use, reply = self.serving_need * self.per_dollar[s], self.reply[s]
        kept = use * self.revenue[s]
        moving = change * use * sector.budget * sector.nest * sector.choosing * self.target[s]
        own, rivals = kept + moving, reply * (kept + moving) - kept
        nest = change * kept / sector.nest + sector.steepening * rivals - self.steepening[s] * own
        growth = sector.growth / (1.0 + sector.growth * sector.steepening)
        joint = own * (1.0 - reply)
        self.own += self.rent_part * (own if len(self.head.members) > 1 else own - joint)
        return rivals - growth * nest, joint

    def foresee_rise(self) -> None:
        """Change of the log cost after the owners' step."""
        self.rise = self.rent_part * sum(
            owner.step_taken * response for owner, response in zip(self.model.owners, self.response, strict=True)
        )


def mean_by_sales(firms: list[Firm], sector: int, values: list[float]) -> float:
    """Mean of firms' values, weighted by what customers choose now."""
    whole = sum(firm.target[sector] for firm in firms)
    return sum(firm.target[sector] * value for firm, value in zip(firms, values, strict=True)) / whole if whole else 0.0


class Sector(mesa.Agent):
    """Buys AI from firms or nothing."""

    def __init__(self, model: MarketModel, place: int, budget: float, initial_odds: float, nest: float) -> None:
        super().__init__(model)
        self.place, self.budget, self.initial_odds, self.expected_nest = place, budget, initial_odds, nest

    def trade(self) -> None:
        """Firms' prices, mutual best replies, and sales."""
        model, s = self.model, self.place
        firms = model.firms
        outer = 1.0 + model.nest_growth * (model.substitution - 1.0) * (1.0 - self.expected_nest)
        attraction = 0.0
        for firm in firms:
            attraction += firm.price(s, outer)
        odds = self.initial_odds * attraction**model.nest_growth
        self.nest = odds / (1.0 + odds)
        self.growth = model.nest_growth * odds / (1.0 + odds) ** 2
        self._reply(attraction)
        self.choosing = 1.0 - sum([firm.staying[s] for firm in firms])
        for firm in firms:
            firm.sell(s, self.budget * self.nest, self.choosing)
        self.mean_reply = sum(firm.reply[s] * firm.target[s] for firm in firms)
        self.steepening = sum(firm.steepening[s] * firm.target[s] for firm in firms) / self.mean_reply

    def _reply(self, attraction: float) -> None:
        s, firms = self.place, self.model.firms
        push = against = 0.0
        for firm in firms:
            firm.target[s] /= attraction
            push += firm.reply[s] * (firm.target[s] - firm.share[s])
            against += firm.reply[s] * firm.share[s]
        common, whole, moved = push / against, 0.0, []
        self.lead = common
        for firm in firms:
            share = firm.share[s]
            moved.append(share + firm.reply[s] * (firm.target[s] - share - share * common))
        for firm, new in zip(firms, moved, strict=True):
            firm.moved = new
        for head in self.model.corporations:
            wanted = sum(firm.target[s] for firm in head.members)
            joint = sum(firm.moved for firm in head.members)
            for firm in head.members:
                firm.moved = joint * (firm.target[s] / wanted if wanted else 1.0 / len(head.members))
        for firm in firms:
            firm.target[s] = max(firm.moved, 0.0)
            whole += firm.target[s]
        for firm in firms:
            firm.target[s] /= whole

    def foresee(self) -> None:
        """What costs in the sector do to owners' demand, in the model's Jacobian."""
        model, s = self.model, self.place
        firms, places = model.firms, range(len(model.owners))
        market = [
            sum(firm.reply[s] * firm.target[s] * firm.rent_part * firm.response[k] for firm in firms) / self.mean_reply
            for k in places
        ]
        exposed = [0.0] * len(places)
        joint_exposed = {head: [0.0] * len(places) for head in model.corporations}
        for firm in firms:
            through_mean, through_joint = firm.foresee_sales(self)
            for j in places:
                exposed[j] += firm.weight[j] * through_mean
                if firm.head in joint_exposed:
                    joint_exposed[firm.head][j] += firm.weight[j] * through_joint
        model.add(exposed, market)
        for head, uses in joint_exposed.items():
            members = head.members
            model.add(uses, [mean_by_sales(members, s, [f.rent_part * f.response[k] for f in members]) for k in places])

    def expect(self) -> None:
        """Firms' expected shares and the nest's, where the owners' step will lead."""
        model, s = self.model, self.place
        firms, change = model.firms, model.substitution - 1.0
        rise = sum(firm.reply[s] * firm.target[s] * firm.rise for firm in firms) / self.mean_reply
        whole = 0.0
        nest_gap, before = self.nest - self.expected_nest, self.expected_nest
        grown = self.growth * (self.lead - change * rise)
        nest = before + (nest_gap + grown) / (1.0 + self.growth * self.steepening)
        self.expected_nest = min(max(nest, 0.5 * before), 0.5 * (1.0 + before))
        nest_step = self.expected_nest - before
        gap = abs(nest_gap)
        joint = {head: mean_by_sales(head.members, s, [f.rise for f in head.members]) for head in model.corporations}
        for firm in firms:
            reply, target, mean = firm.reply[s], firm.target[s], joint.get(firm.head, firm.rise)
            more = change * (reply * (rise - mean) + mean - firm.rise)
            more += (reply * self.steepening - firm.steepening[s]) * nest_step
            gap = max(gap, abs(target - firm.share[s]))
            firm.share[s] = max(target * (1.0 + more), 0.0)
            whole += firm.share[s]
        for firm in firms:
            firm.share[s] /= whole
        self.gap = gap


class MarketModel(mesa.Model):
    """Both markets of one replicate in one quarter; ``step`` clears them.

    Parameters
    ----------
    case : Case
        Of one replicate.
    """

    def __init__(self, case: Case) -> None:
        super().__init__(rng=0)
        given, start = case
        self.substitution, self.nest_growth = given.substitution, given.nest_growth
        self.price_elasticity = given.price_elasticity
        n_owners, self.n_slots = start.log_rent.shape[1], given.means.shape[1]
        self.owner_set = mesa.agent.AgentSet(
            [
                Owner(
                    self,
                    j,
                    {name: float(getattr(given, name)[0, j]) for name in _OF_OWNERS},
                    float(given.floor[0, j]),
                    float(start.log_rent[0, j]),
                )
                for j in range(n_owners)
            ]
        )
        self.sector_set = mesa.agent.AgentSet(
            [
                Sector(self, s, float(given.budget[s]), float(given.initial_odds[s]), float(start.nest[0, s]))
                for s in range(len(given.budget))
            ]
        )
        in_business = (given.appeal[0] > 0.0).any(axis=0) | (given.staying[0] > 0.0).any(axis=0)
        in_business |= given.desired_outlay[0] > 0.0
        self.slots = np.flatnonzero(in_business)
        by_slot = {
            int(i): Firm(
                self,
                {name: getattr(given, name)[0, i].item() for name in _OF_FIRMS},
                given.affinity[0, :, i].tolist(),
                given.last_weight[0, :, i].tolist(),
                given.appeal[0, :, i].tolist(),
                given.staying[0, :, i].tolist(),
                start.share[0, :, i].tolist(),
            )
            for i in self.slots
        }
        for i, firm in by_slot.items():
            firm.head = by_slot[int(given.group[0, i])]
            if firm.head is not firm:
                firm.head.members.append(firm)
        self.firm_set = mesa.agent.AgentSet(list(by_slot.values()))
        self.owners, self.sectors, self.firms = list(self.owner_set), list(self.sector_set), list(self.firm_set)
        self.corporations = [firm for firm in self.firms if len(firm.members) > 1]
        self.jacobian = [[0.0] * n_owners for _ in range(n_owners)]
        self.sweep, self.gap = 0, math.inf

    def step(self) -> None:
        """Clear both markets."""
        for self.sweep in range(1, MAX_SWEEPS + 1):
            is_hasty = self.sweep <= HASTY
            self._evaluate()
            if is_hasty and self.gap <= NEAR:
                self._learn()
            else:
                self._foresee()
            if is_hasty or (self.sweep - HASTY - 1) % (CAREFUL + EXACT) >= CAREFUL:
                self._newton_step()
            else:
                self.owner_set.do("go_along_gap")
            self.owner_set.do("move")
            self.firm_set.do("foresee_rise")
            self.sector_set.do("expect")
            self.gap = max(agent.gap for agent in (*self.owners, *self.sectors))
            if self.gap <= TOLERANCE:
                return

    def found(self) -> Guess:
        """The answer, as the engine's solver gives it."""
        share = np.zeros((1, len(self.sectors), self.n_slots))
        share[0][:, self.slots] = np.array([firm.share for firm in self.firms]).T
        log_rent = np.array([[owner.log_rent for owner in self.owners]])
        return Guess(log_rent, share, np.array([[sector.expected_nest for sector in self.sectors]]))

    def _evaluate(self) -> None:
        self.owner_set.do("quote")
        self.firm_set.do("choose_owners")
        self.sector_set.do("trade")
        self.firm_set.do("rent_compute")
        self.owner_set.do("count_demand")

    def add(self, rows: list[float], columns: list[float]) -> None:
        """Add the products of two lists to the Jacobian."""
        for row, exposed in zip(self.jacobian, rows, strict=True):
            for k, response in enumerate(columns):
                row[k] += exposed * response

    def _foresee(self) -> None:
        places = range(len(self.owners))
        self.jacobian = [[0.0] * len(places) for _ in places]
        self.firm_set.do("foresee")
        self.sector_set.do("foresee")
        for firm in self.firms:
            own, shift, choice = firm.own, firm.shift, firm.choice
            self.add([-weight * own for weight in firm.weight], firm.response)
            self.add([shift * one for one in choice], choice)
            for j in places:
                self.jacobian[j][j] -= shift * choice[j]
        for j, owner in enumerate(self.owners):
            self.jacobian[j][j] -= owner.captive
            demand = max(math.exp(owner.pressure) * owner.supply, TINY)
            self.jacobian[j] = [entry / demand for entry in self.jacobian[j]]

    def _newton_step(self) -> None:
        matrix, right = [], []
        for j, owner in enumerate(self.owners):
            slack = owner.log_rent - owner.log_floor
            unit = [1.0 if j == k else 0.0 for k in range(len(self.owners))]
            if slack < -owner.pressure:
                matrix.append(unit)
                right.append(-slack)
            else:
                matrix.append([RIDGE * one - entry for one, entry in zip(unit, self.jacobian[j], strict=True)])
                right.append(owner.pressure)
        for owner, step in zip(self.owners, np.linalg.solve(matrix, right).tolist(), strict=True):
            owner.step_taken = step

    def _learn(self) -> None:
        """Broyden's update of the Jacobian."""
        steps = [owner.step_taken for owner in self.owners]
        length = sum(step * step for step in steps)
        if length == 0.0:
            return
        for owner, row in zip(self.owners, self.jacobian, strict=True):
            surprise = owner.pressure - owner.last_pressure - sum(map(float.__mul__, row, steps))
            for k, step in enumerate(steps):
                row[k] += surprise / length * step
