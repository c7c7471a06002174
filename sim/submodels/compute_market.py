"""The compute market: firms choose owners, rents clear demand against capacity (docs/model.md 7.6)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.arrays import Array, mixture, weighted_total


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
    loyalty : array [..., firm]
        l, weight of last quarter.
    """

    last: Array
    appeal: Array
    pull: Array
    total: Array
    loyalty: Array

    def mean_rent(self, rent: Array) -> Array:
        """w_i = sum_j a_ij w_j; ``[..., firm]``."""
        return self.loyalty * mixture(rent, self.last) + (1.0 - self.loyalty) * self.target_rent(rent)

    def target_rent(self, rent: Array) -> Array:
        """sum_j a*_ij w_j; ``[..., firm]``."""
        return mixture(self.pull * rent, self.appeal) / self.total

    def demand(self, use: Array) -> Array:
        """sum_i a_ij use_i; ``[..., owner]``, M H100e."""
        free = (1.0 - self.loyalty) * use / self.total
        of_loyal = weighted_total(self.loyalty * use, self.last)
        return of_loyal + self.pull * weighted_total(free, self.appeal)

    @cached_property
    def target(self) -> Array:
        """a*; ``[..., owner, firm]``."""
        return self.pull[..., :, None] * self.appeal / self.total[..., None, :]

    @cached_property
    def weights(self) -> Array:
        """a; ``[..., owner, firm]``."""
        loyalty = self.loyalty[..., None, :]
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
    return OwnerChoice(last, appeal, pull, mixture(pull, appeal), loyalty)


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
