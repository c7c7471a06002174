"""Luck: named random streams, keyed by (seed, replicate, decision, period, slot).

Every draw belongs to a decision. Its place in a counter-based generator (Philox 4x64; Salmon et al. 2011, "Parallel
Random Numbers: As Easy as 1, 2, 3") follows from the key alone, so that a policy, an extra firm or an extra decision
shifts nobody else's luck, and the same replicate of two scenarios has the same luck. Draws are made for all slots
by inverting a uniform.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.special import ndtri

from sim.arrays import Array, repeated

_HALF_A_STEP, _LARGEST = 2.0**-54, 1.0 - 2.0**-53
_REPLICATE_SHIFT = 32
_SPARE = 16


@dataclass(frozen=True, slots=True)
class Luck:
    """The luck of a block of replicates.

    Parameters
    ----------
    seed : int
        The scenario's seed, 0 to 2^63 - 1.
    replicates : sequence of int
        Replicate numbers, 0 to 2^32 - 1.

    Examples
    --------
    A replicate's luck does not depend on the company it keeps, nor a slot's on the number of slots:

    >>> alone, both = Luck(1, [7]), Luck(1, [3, 7])
    >>> bool((alone.uniform("quality", 5, 3)[0] == both.uniform("quality", 5, 8)[1, :3]).all())
    True
    """

    seed: int
    replicates: Sequence[int]

    def uniform(self, decision: str, period: int, n_slots: int) -> Array:
        """Uniform draws inside (0, 1), never at its ends; ``[replicate, slot]``."""
        stream, code = np.random.Philox(key=0), zlib.crc32(decision.encode())
        generator, place = np.random.Generator(stream), stream.state
        key, counter = place["state"]["key"], place["state"]["counter"]
        key[0], counter[1] = self.seed, period
        draws = np.empty((len(self.replicates), n_slots))
        for row, replicate in enumerate(self.replicates):
            key[1] = (replicate << _REPLICATE_SHIFT) | code
            stream.state = place
            generator.random(out=draws[row])
        return np.minimum(draws + _HALF_A_STEP, _LARGEST)

    def normal(self, decision: str, period: int, n_slots: int) -> Array:
        """Standard normal draws; ``[replicate, slot]``."""
        normal: Array = ndtri(Luck.uniform(self, decision, period, n_slots))
        return normal

    def poisson(self, decision: str, period: int, mean: float) -> Array:
        """One Poisson count for each replicate, by inversion; ``[replicate]``."""
        cumulative = poisson_distribution(mean)
        counts: Array = np.searchsorted(cumulative, self.uniform(decision, period, 1)[:, 0]).astype(float)
        return counts


@dataclass(frozen=True, slots=True)
class KeptLuck(Luck):
    """The same luck, which keeps its draws for the other histories of a block; they may not be changed.

    Examples
    --------
    >>> luck = KeptLuck(1, [3, 7])
    >>> bool((luck.normal("quality", 5, 8) == Luck(1, [3, 7]).normal("quality", 5, 8)).all())
    True
    """

    _kept: dict[tuple[str, str, int], Array] = field(default_factory=dict, init=False, repr=False, compare=False)

    def uniform(self, decision: str, period: int, n_slots: int) -> Array:
        """As ``Luck.uniform``."""
        return self._draws("uniform", decision, period, n_slots)

    def normal(self, decision: str, period: int, n_slots: int) -> Array:
        """As ``Luck.normal``."""
        return self._draws("normal", decision, period, n_slots)

    def _draws(self, kind: Literal["uniform", "normal"], decision: str, period: int, n_slots: int) -> Array:
        """The first of the slots that were drawn for; for more of them than were asked for, as others may need more."""
        key = kind, decision, period
        if key not in self._kept or self._kept[key].shape[-1] < n_slots:
            self._kept[key] = getattr(Luck, kind)(self, decision, period, n_slots + _SPARE)
            self._kept[key].flags.writeable = False
        return self._kept[key][:, :n_slots]


@dataclass(frozen=True, slots=True)
class RepeatedLuck(Luck):
    """The luck of the same replicates several times, one after the other.

    Examples
    --------
    >>> once = Luck(1, [3, 7])
    >>> bool((RepeatedLuck.of(once, 2).normal("quality", 5, 8)[2:] == once.normal("quality", 5, 8)).all())
    True
    """

    once: Luck
    times: int

    @classmethod
    def of(cls, once: Luck, times: int) -> RepeatedLuck:
        """That of some replicates, repeated."""
        return cls(once.seed, [*once.replicates] * times, once, times)

    def uniform(self, decision: str, period: int, n_slots: int) -> Array:
        """As ``Luck.uniform``."""
        return repeated(self.once.uniform(decision, period, n_slots), self.times)

    def normal(self, decision: str, period: int, n_slots: int) -> Array:
        """As ``Luck.normal``."""
        return repeated(self.once.normal(decision, period, n_slots), self.times)


@functools.cache
def poisson_distribution(mean: float, tail: float = 1e-12) -> Array:
    """P(N <= n) for n = 0, 1, ... until the upper tail is below ``tail``.

    >>> poisson_distribution(2.0)[:3].round(4)
    array([0.1353, 0.406 , 0.6767])
    """
    terms, total, n = [np.exp(-mean)], float(np.exp(-mean)), 0
    while 1.0 - total > tail and n < mean + 40.0 * (1.0 + mean**0.5):
        n += 1
        terms.append(terms[-1] * mean / n)
        total += float(terms[-1])
    distribution: Array = np.cumsum(terms)
    distribution.flags.writeable = False
    return distribution
