"""Sums of rows that empty slots behind the last firm do not change, bit for bit, so that blocks may leave them out.

NumPy adds up in an order that depends on a row's length. Here entry i always goes into lane i mod 8 of chunk i div 512,
lanes and chunks are added in pairs, and zeros at the end add nothing. Rounding grows as slowly as with NumPy's pairwise
sums. Sums over an owner's firms are those of a few entries, one after the other.
"""

from __future__ import annotations

import numpy as np

from sim.arrays import Array, Counts
from sim.compiled import compiled, inlined

_CHUNK, _LANES = 512, 8


@compiled
def row_sums(rows: Array) -> Array:
    """Sum of each row of a table ``[row, entry]``; ``[row]``."""
    n_rows, n = rows.shape
    sums, of_chunks = np.empty(n_rows), np.zeros(n // _CHUNK + 1)
    for r in range(n_rows):
        for c in range(len(of_chunks)):
            of_chunks[c] = _in_lanes(rows, r, c * _CHUNK, min((c + 1) * _CHUNK, n))
        sums[r] = _in_pairs(of_chunks)
    return sums


@compiled
def column_sums(tables: Array) -> Array:
    """Sum over kinds of each of the tables ``[table, kind, entry]``, one after the other; ``[table, entry]``."""
    n_tables, n_kinds, n = tables.shape
    sums = np.zeros((n_tables, n))
    for t in range(n_tables):
        for k in range(n_kinds):
            for i in range(n):
                sums[t, i] += tables[t, k, i]
    return sums


@compiled
def row_products(values: Array, weights: Array) -> Array:
    """Sum over the last axis of values ``[row, entry]`` times weights ``[row, kind, entry]``; ``[row, kind]``."""
    n_rows, n_kinds, n = weights.shape
    sums, of_chunks, products = np.empty((n_rows, n_kinds)), np.zeros(n // _CHUNK + 1), np.empty((1, _CHUNK))
    for r in range(n_rows):
        for k in range(n_kinds):
            for c in range(len(of_chunks)):
                first = c * _CHUNK
                m = min(n - first, _CHUNK)
                for i in range(m):
                    products[0, i] = values[r, first + i] * weights[r, k, first + i]
                of_chunks[c] = _in_lanes(products, 0, 0, m)
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


@inlined
def _in_lanes(rows: Array, r: int, first: int, end: int) -> float:
    """Sum of a chunk of a row."""
    a = b = c = d = e = f = g = h = 0.0
    n_whole = (end - first) // _LANES
    rest = first + _LANES * n_whole
    for k in range(n_whole):
        i = first + _LANES * k
        a += rows[r, i]
        b += rows[r, i + 1]
        c += rows[r, i + 2]
        d += rows[r, i + 3]
        e += rows[r, i + 4]
        f += rows[r, i + 5]
        g += rows[r, i + 6]
        h += rows[r, i + 7]
    if rest < end:
        a += rows[r, rest]
    if rest + 1 < end:
        b += rows[r, rest + 1]
    if rest + 2 < end:
        c += rows[r, rest + 2]
    if rest + 3 < end:
        d += rows[r, rest + 3]
    if rest + 4 < end:
        e += rows[r, rest + 4]
    if rest + 5 < end:
        f += rows[r, rest + 5]
    if rest + 6 < end:
        g += rows[r, rest + 6]
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
