"""Levers: what a policy may ask for, and how several answers combine (docs/model.md 7, levers and policies).

A policy answers, it never acts: ``policy(observation, quarter) -> {lever: value}``. Only ``step`` applies the combined
rulebook. Every lever has a neutral value at which it changes nothing, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.arrays import Array, repeated, widened

if TYPE_CHECKING:
    from sim.luck import Luck
    from sim.parameters import Parameters
    from sim.quarters import Quarter


class Lever(NamedTuple):
    """Axes, unit, neutral value, combination rule and meaning."""

    axes: tuple[str, ...]
    unit: str
    neutral: float
    combine: Callable[[Array, Array], Array]
    sentence: str


_FIRM, _OWNER = ("firm",), ("owner",)

LEVERS: dict[str, Lever] = {
    "compute_tax": Lever(_FIRM, "share of rent", 0.0, np.add, "ad valorem tax on compute; negative is a subsidy"),
    "captive_tax": Lever(_OWNER, "share of rent", 0.0, np.add, "the same on owners' own use"),
    "usage_tax": Lever(_FIRM, "$bn per unit", 0.0, np.add, "tax on each unit sold"),
    "revenue_levy": Lever(_FIRM, "share of revenue", 0.0, np.add, "levy on sales"),
    "profit_tax": Lever(_FIRM, "share of earnings", 0.0, np.add, "tax on positive earnings"),
    "training_cap": Lever(_FIRM, "M H100e", np.inf, np.minimum, "most compute that may train in a quarter"),
    "training_efficiency": Lever(_FIRM, "ratio", 1.0, np.multiply, "effective over used training compute"),
    "serving_efficiency": Lever(_FIRM, "ratio", 1.0, np.multiply, "units served per unit of compute"),
    "quality": Lever(_FIRM, "ratio", 1.0, np.multiply, "appeal to customers"),
    "compliance_cost": Lever(_FIRM, "$bn per quarter", 0.0, np.add, "cost of complying, paid by firms"),
    "owner_cost": Lever(_OWNER, "$bn per quarter", 0.0, np.add, "cost of complying, paid by owners"),
    "switching": Lever((), "ratio", 1.0, np.multiply, "rate at which customers choose again"),
    "loyalty": Lever((), "ratio", 1.0, np.multiply, "weight of firms' last owners in their choice of owners"),
    "data_portability": Lever((), "share", 0.0, np.maximum, "others' data that each firm may use"),
    "data_retention": Lever(_FIRM, "ratio", 1.0, np.multiply, "part of the data stock that is not lost"),
    "affinity": Lever((), "ratio", 1.0, np.multiply, "weight of ties between firms and owners"),
    "separation": Lever(_FIRM, "", 0.0, np.maximum, "1 where a firm is severed from the owner of its corporation"),
    "partner_credit": Lever((), "ratio", 1.0, np.multiply, "compute credits that partner owners may give"),
    "open_weights": Lever(_FIRM, "quarters", np.inf, np.minimum, "age at which model weights must be published"),
    "release_grant": Lever(
        _FIRM, "$bn per quarter", 0.0, np.add, "paid by the government to firms that publish their weights"
    ),
    "federation": Lever(_FIRM, "share", 0.0, np.maximum, "training compute that a member gives to the federated pool"),
    "public_budget": Lever((), "$bn per quarter", 0.0, np.add, "chips bought for the public pool, by outlay"),
    "public_order": Lever((), "share", 0.0, np.add, "chips bought for the public pool, by share of shipments"),
    "public_weight": Lever(_FIRM, "ratio", 0.0, np.add, "claim on the public pool's compute"),
    "pooled_idle": Lever((), "share", 0.0, np.maximum, "sellers' idle capacity that a platform rents out"),
    "pooled_fee": Lever((), "share of running cost", 0.0, np.maximum, "what the platform asks above running cost"),
    "pooled_weight": Lever(_FIRM, "ratio", 0.0, np.add, "claim on the platform's compute"),
    "reserved_capacity": Lever((), "share", 0.0, np.add, "sellers' usable capacity set aside at running cost"),
    "reserved_weight": Lever(_FIRM, "ratio", 0.0, np.add, "claim on the capacity set aside"),
    "entry_cost": Lever((), "ratio", 1.0, np.multiply, "sunk cost of entry"),
    "entry_grant": Lever((), "$bn", 0.0, np.add, "paid by the government to each firm that enters"),
    "grant": Lever(_FIRM, "$bn per quarter", 0.0, np.add, "paid by the government"),
    "merger_ban": Lever(_FIRM, "", 0.0, np.maximum, "1 where a firm may not merge"),
    "merger_tolerance": Lever((), "share", np.inf, np.minimum, "loss of customers below which a merger passes"),
    "review_error": Lever((), "ratio", 1.0, np.multiply, "chance that a review ends wrong"),
    "screen_hhi": Lever((), "points", np.inf, np.minimum, "HHI after a merger from which it is reviewed"),
    "screen_change": Lever((), "points", np.inf, np.minimum, "rise of HHI from which it is reviewed"),
    "screen_share": Lever((), "share", np.inf, np.minimum, "joint share from which it is reviewed"),
    "break_up": Lever(_FIRM, "firms", 1.0, np.maximum, "successors into which a firm is split, once"),
    "carbon_price": Lever((), "$ per tCO2", 0.0, np.add, "paid by owners on their emissions"),
    "energy_cap": Lever((), "TWh per quarter", np.inf, np.minimum, "most energy that data centres may use"),
    "grid_limit": Lever((), "M H100e per quarter", np.inf, np.minimum, "most chips that can be connected"),
    "programme_cost": Lever((), "$bn per quarter", 0.0, np.add, "administration, paid by the government"),
}
"""Every lever by name."""


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The levers of one quarter, combined over all policies; shapes as ``LEVERS`` declares."""

    compute_tax: Array
    captive_tax: Array
    usage_tax: Array
    revenue_levy: Array
    profit_tax: Array
    training_cap: Array
    training_efficiency: Array
    serving_efficiency: Array
    quality: Array
    compliance_cost: Array
    owner_cost: Array
    switching: Array
    loyalty: Array
    data_portability: Array
    data_retention: Array
    affinity: Array
    separation: Array
    partner_credit: Array
    open_weights: Array
    release_grant: Array
    federation: Array
    public_budget: Array
    public_order: Array
    public_weight: Array
    pooled_idle: Array
    pooled_fee: Array
    pooled_weight: Array
    reserved_capacity: Array
    reserved_weight: Array
    entry_cost: Array
    entry_grant: Array
    grant: Array
    merger_ban: Array
    merger_tolerance: Array
    review_error: Array
    screen_hhi: Array
    screen_change: Array
    screen_share: Array
    break_up: Array
    carbon_price: Array
    energy_cap: Array
    grid_limit: Array
    programme_cost: Array


class _Changed(Mapping[str, Array]):
    """Arrays by name, changed when they are looked at."""

    def __init__(self, arrays: Mapping[str, Array], change: Callable[[Array], Array]) -> None:
        self._arrays, self._change = arrays, change

    def __getitem__(self, name: str) -> Array:
        return self._change(self._arrays[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


@dataclass(frozen=True, slots=True)
class Sight:
    """What could be seen of a quarter; arrays lead with replicates.

    Parameters
    ----------
    measures : mapping of str to array [replicate]
        The catalogue's measures.
    firms : mapping of str to array [replicate, firm]
        ``revenue`` ($bn), ``compute`` (M H100e used), ``unaided`` (of it, what no rule gave outside the market),
        ``training`` (M H100e) and ``power``.
    """

    measures: Mapping[str, Array]
    firms: Mapping[str, Array]

    def seated(self, n_slots: int) -> Sight:
        """The same with as many slots; nobody was seen in those that are new."""

        def seat(values: Array) -> Array:
            return values if values.shape[-1] == n_slots else widened(values, np.zeros(n_slots))

        return Sight(self.measures, _Changed(self.firms, seat))

    def rows(self, rows: slice) -> Sight:
        """Some of the replicates."""
        return self._changed(lambda values: values[rows])

    def repeated(self, times: int) -> Sight:
        """All replicates several times, one after the other."""
        return self._changed(lambda values: repeated(values, times))

    def _changed(self, change: Callable[[Array], Array]) -> Sight:
        """The same with every array changed, when it is looked at."""
        return Sight(_Changed(self.measures, change), _Changed(self.firms, change))


@dataclass(frozen=True, slots=True)
class Observation:
    """What a policy may look at.

    Parameters
    ----------
    period : int
        Quarters since the world's start.
    past : sequence of Sight
        Quarters that are over, the oldest first.
    firms : mapping of str to array [replicate, firm]
        As the quarter begins: ``is_active``, ``firm_class``, ``generation``, ``is_open``, ``group`` (slot of the firm
        that stands for those of one owner), ``age``, ``own_compute`` (M H100e-quarters), ``own_chips`` (M H100e) and
        ``profit`` of last quarter ($bn).
    owners : mapping of str to array [replicate, owner]
        As the quarter begins: ``capacity`` (M H100e) and ``rent`` of last quarter ($bn per M H100e-quarter).
    public_capacity : array [replicate]
        Chips of the public pool as the quarter begins, M H100e.
    firm_names, owner_names : tuple of str
        Along the last axes.
    parameters : Parameters
        The world's.
    luck : Luck
        For draws under a name of the policy's own.
    """

    period: int
    past: Sequence[Sight]
    firms: Mapping[str, npt.NDArray[Any]]
    owners: Mapping[str, Array]
    public_capacity: Array
    firm_names: tuple[str, ...]
    owner_names: tuple[str, ...]
    parameters: Parameters
    luck: Luck

    @property
    def sizes(self) -> dict[str, int]:
        """Length of the axes that levers have."""
        return {"firm": len(self.firm_names), "owner": len(self.owner_names)}

    def rows(self, rows: slice, luck: Luck) -> Observation:
        """What there is to see of some of the replicates, which have this luck."""
        return replace(
            self,
            past=[sight.rows(rows) for sight in self.past],
            firms={name: values[rows] for name, values in self.firms.items()},
            owners={name: values[rows] for name, values in self.owners.items()},
            public_capacity=self.public_capacity[rows],
            luck=luck,
        )


Policy = Callable[[Observation, "Quarter"], Mapping[str, Array | float]]
"""A policy answers with levers."""


def combine(answers: Sequence[Mapping[str, Array | float]], sizes: Mapping[str, int], n_replicates: int) -> Rulebook:
    """One rulebook from every policy's answer.

    Parameters
    ----------
    answers : sequence of mapping
        Levers by name; values broadcast to ``[replicate, *axes]``.
    sizes : mapping of str to int
        Length of the axes ``firm`` and ``owner``.
    n_replicates : int
        Leading axis.

    Raises
    ------
    ValueError
        When an answer names a lever that does not exist.
    """
    unknown = {name for answer in answers for name in answer} - set(LEVERS)
    if unknown:
        message = f"no such lever: {', '.join(sorted(unknown))}; levers are {', '.join(LEVERS)}"
        raise ValueError(message)
    combined: dict[str, Array] = {}
    for name, lever in LEVERS.items():
        value = np.full((n_replicates, *(sizes[axis] for axis in lever.axes)), lever.neutral)
        for answer in answers:
            if name in answer:
                value = lever.combine(value, np.asarray(answer[name], dtype=float))
        combined[name] = value
    return Rulebook(**combined)


_DECLARED = [field.name for field in fields(Rulebook)]
if list(LEVERS) != _DECLARED:
    message = "Rulebook and LEVERS must list the same levers in the same order"
    raise TypeError(message)
