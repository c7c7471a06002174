"""Sums of rows that empty slots behind the last firm do not change, bit for bit, so that blocks may leave them out.

NumPy adds up in an order that depends on a row's length. Here entry i always goes into lane i mod 8 of chunk i div 512,
lanes and chunks are added in pairs, and zeros at the end add nothing. Rounding grows as slowly as with NumPy's pairwise
sums. Sums over an owner's firms are those of a few entries, one after the other.
"""

from __future__ import annotations

import numpy as np

from sim.arrays import Array, Counts
from sim.compiled import compiled

_CHUNK, _LANES = 512, 8


@compiled
def row_sums(rows: Array) -> Array:
    """Sum of each row of a table ``[row, entry]``; ``[row]``."""
    n_rows, n = rows.shape
    sums, of_chunks, rest = np.empty(n_rows), np.zeros(n // _CHUNK + 1), np.zeros(_LANES)
    for r in range(n_rows):
        for c in range(len(of_chunks)):
            of_chunks[c] = _in_lanes(rows[r, c * _CHUNK : (c + 1) * _CHUNK], rest)
        sums[r] = _in_pairs(of_chunks)
    return sums


@compiled
def row_products(values: Array, weights: Array) -> Array:
    """Sum over the last axis of values ``[row, entry]`` times weights ``[row, kind, entry]``; ``[row, kind]``."""
    n_rows, n_kinds, n = weights.shape
    sums, of_chunks = np.empty((n_rows, n_kinds)), np.zeros(n // _CHUNK + 1)
    products, rest = np.empty(_CHUNK), np.zeros(_LANES)
    for r in range(n_rows):
        for k in range(n_kinds):
            for c in range(len(of_chunks)):
                first = c * _CHUNK
                m = min(n - first, _CHUNK)
                for i in range(m):
                    products[i] = values[r, first + i] * weights[r, k, first + i]
                of_chunks[c] = _in_lanes(products[:m], rest)
            sums[r, k] = _in_pairs(of_chunks)
    return sums


@compiled
def mixtures(amounts: Array, rows: Array) -> Array:
    """Sum over kinds of amounts ``[row, kind]`` times rows ``[row, kind, entry]``; ``[row, entry]``."""
    n_rows, n_kinds, n = rows.shape
    mixed = np.zeros((n_rows, n))
    for r in range(n_rows):
        for k in range(n_kinds):
            amount = amounts[r, k]
            for i in range(n):
                mixed[r, i] += amount * rows[r, k, i]
    return mixed


@compiled
def add_up_groups(values: Array, rows: Counts, slots: Counts, first: Counts) -> None:
    """Put the sum over a group in the place of each of its members; values are ``[row, kind, entry]``."""
    for g in range(len(first)):
        last = first[g + 1] if g + 1 < len(first) else len(slots)
        row = rows[first[g]]
        for k in range(values.shape[1]):
            whole = 0.0
            for m in range(first[g], last):
                whole += values[row, k, slots[m]]
            for m in range(first[g], last):
                values[row, k, slots[m]] = whole


@compiled
def _in_lanes(entries: Array, rest: Array) -> float:
    """Sum of a chunk; ``rest`` has room for what does not fill every lane, and zeros in the others."""
    a = b = c = d = e = f = g = h = 0.0
    whole = len(entries) - len(entries) % _LANES
    for i in range(0, whole, _LANES):
        a += entries[i]
        b += entries[i + 1]
        c += entries[i + 2]
        d += entries[i + 3]
        e += entries[i + 4]
        f += entries[i + 5]
        g += entries[i + 6]
        h += entries[i + 7]
    if whole < len(entries):
        for i in range(whole, len(entries)):
            rest[i - whole] = entries[i]
        a += rest[0]
        b += rest[1]
        c += rest[2]
        d += rest[3]
        e += rest[4]
        f += rest[5]
        g += rest[6]
        h += rest[7]
    return float(((a + b) + (c + d)) + ((e + f) + (g + h)))


@compiled
def _in_pairs(sums: Array) -> float:
    n = len(sums)
    while n > 1:
        for i in range(n // 2):
            sums[i] = sums[2 * i] + sums[2 * i + 1]
        if n % 2:
            sums[n // 2] = sums[n - 1]
        n = (n + 1) // 2
    return float(sums[0])
