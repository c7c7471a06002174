"""The compute market: firms choose owners, rents clear demand against capacity (docs/model.md 7.6)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.arrays import Array, Flags, dot, total


@dataclass(frozen=True)
class OwnerChoice:
    """Firms' weights over owners, a = l a_(t-1) + (1 - l) a*, kept as factors.

    a*_ij is proportional to K_j w_j^-sigma exp(affinity_ij) over the owners that sell to i. Capacity stands in the
    weight, so that splitting an owner in two changes nothing. Columns of a sum to one when those of a_(t-1) do.

    Parameters
    ----------
    last : array [..., owner, firm]
        a_(t-1).
    appeal : array [..., owner, firm]
        exp(affinity), zero where the owner does not sell to the firm.
    pull : array [..., owner]
        K_j w_j^-sigma.
    total : array [..., firm]
        Sum of pull x appeal over owners.
    loyalty : array [..., 1]
        l, weight of last quarter.
    """

    last: Array
    appeal: Array
    pull: Array
    total: Array
    loyalty: Array

    def mean_rent(self, rent: Array) -> Array:
        """w_i = sum_j a_ij w_j; ``[..., firm]``."""
        return self.loyalty * dot(rent, self.last) + (1.0 - self.loyalty) * self.target_rent(rent)

    def target_rent(self, rent: Array) -> Array:
        """sum_j a*_ij w_j; ``[..., firm]``."""
        return dot(self.pull * rent, self.appeal) / self.total

    def demand(self, use: Array) -> Array:
        """sum_i a_ij use_i; ``[..., owner]``, M H100e."""
        moved = self.pull * dot(use / self.total, np.swapaxes(self.appeal, -1, -2))
        return self.loyalty * dot(use, np.swapaxes(self.last, -1, -2)) + (1.0 - self.loyalty) * moved

    @cached_property
    def target(self) -> Array:
        """a*; ``[..., owner, firm]``."""
        return self.pull[..., :, None] * self.appeal / self.total[..., None, :]

    @cached_property
    def weights(self) -> Array:
        """a; ``[..., owner, firm]``."""
        loyalty = self.loyalty[..., None]
        return loyalty * self.last + (1.0 - loyalty) * self.target


def choose_owners(
    capacity: Array,
    rent: Array,
    appeal: Array,
    price_elasticity: float,
    last: Array,
    loyalty: Array,
) -> OwnerChoice:
    """Firms' choice at rents ``[..., owner]``; see ``OwnerChoice``."""
    pull = capacity * rent**-price_elasticity
    return OwnerChoice(last, appeal, pull, dot(pull, appeal), loyalty)


def first_choice(capacity: Array, rent: Array, appeal: Array, price_elasticity: float) -> Array:
    """a*, the weights of firms that have no owners to be loyal to; ``[..., owner, firm]``.

    >>> weights = first_choice(np.array([1.0, 3.0]), np.ones(2), np.ones((2, 1)), 1.5)
    >>> weights[:, 0]
    array([0.25, 0.75])
    """
    return choose_owners(capacity, rent, appeal, price_elasticity, appeal, np.zeros(1)).target


def captive_use(captive_outlay: Array, rent: Array, captive_tax: Array) -> Array:
    """B / (w (1 + tau)): owners' own business; ``[..., owner]``, M H100e."""
    return captive_outlay / (rent * (1.0 + captive_tax))


def complementarity_residual(rent: Array, floor: Array, supply: Array, demand: Array) -> Array:
    """min((w - floor) / w, (u K - demand) / u K), zero in equilibrium; ``[..., owner]``.

    Either the rent is at its floor and capacity is idle, or capacity is used in full.

    >>> complementarity_residual(np.array([2.0, 1.0]), np.ones(2), np.full(2, 4.0), np.array([4.0, 3.0]))
    array([0., 0.])
    """
    return np.minimum((rent - floor) / rent, (supply - demand) / supply)


def mean_rent_response(choice: OwnerChoice, rent: Array, price_elasticity: float) -> Array:
    """d ln w_i / d ln w_k, firms shifting between owners included; ``[..., owner, firm]``.

    Parameters
    ----------
    choice : OwnerChoice
        At ``rent``.
    rent : array [..., owner]
        w.
    price_elasticity : float
        sigma.
    """
    speed = (1.0 - choice.loyalty[..., None]) * price_elasticity
    own = rent[..., :, None]
    shift = choice.target * (own - choice.target_rent(rent)[..., None, :])
    return (choice.weights * own - speed * shift) / choice.mean_rent(rent)[..., None, :]


def demand_jacobian(
    choice: OwnerChoice,
    response: Array,
    use: Array,
    own_response: Array,
    common_response: Array,
    sales_share: Array,
    captive: Array,
    price_elasticity: float,
) -> Array:
    """d demand_j / d ln w_k; ``[..., owner, owner]``, M H100e.

    Firms shift between owners, and d ln use_i = -own_i d ln w_i + common_i sum_k share_k d ln w_k. Guides the solver;
    equilibrium does not depend on it.

    Parameters
    ----------
    choice : OwnerChoice
        At the rents in question.
    response : array [..., owner, firm]
        From ``mean_rent_response``.
    use, own_response, common_response, sales_share : array [..., firm]
        Compute used, its responses to the firm's own and to the market's mean rent, and shares of sales.
    captive : array [..., owner]
        Captive use.
    price_elasticity : float
        sigma.
    """
    speed = (1.0 - choice.loyalty) * price_elasticity
    target = choice.target
    shifted = target * use[..., None, :]
    level = captive + speed * total(shifted)
    own = choice.weights * (use * own_response)[..., None, :]
    common = choice.demand(use * common_response)
    market_response = dot(sales_share, np.swapaxes(response, -1, -2))
    jacobian: Array = (
        speed[..., None] * (shifted @ np.swapaxes(target, -1, -2))
        - own @ np.swapaxes(response, -1, -2)
        + common[..., :, None] * market_response[..., None, :]
        - np.eye(captive.shape[-1]) * level[..., None]
    )
    return jacobian


def newton_step(log_rent: Array, log_floor: Array, pressure: Array, log_jacobian: Array) -> Array:
    """Semismooth Newton step of log rents on min(ln w - ln floor, -pressure) = 0; ``[..., owner]``.

    Parameters
    ----------
    log_rent, log_floor : array [..., owner]
        ln w and the floor's logarithm.
    pressure : array [..., owner]
        ln demand - ln supply.
    log_jacobian : array [..., owner, owner]
        d ln demand_j / d ln w_k.
    """
    slack = log_rent - log_floor
    is_floor: Flags = slack < -pressure
    residual = np.where(is_floor, slack, -pressure)
    matrix = np.where(is_floor[..., :, None], np.eye(log_rent.shape[-1]), -log_jacobian)
    step: Array = -np.linalg.solve(matrix, residual[..., None])[..., 0]
    return step


def learned_jacobian(jacobian: Array, step: Array, change: Array) -> Array:
    """Broyden's (1965) update: the least change of the Jacobian that explains what the last step did.

    Parameters
    ----------
    jacobian : array [..., owner, owner]
        d ln demand_j / d ln w_k as believed so far.
    step, change : array [..., owner]
        Step of log rents and the change of log demand that followed.
    """
    surprise = change - total(jacobian * step[..., None, :])
    length = total(step**2)
    direction = step / np.where(length > 0.0, length, 1.0)[..., None]
    return jacobian + surprise[..., :, None] * direction[..., None, :]
