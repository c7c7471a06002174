"""The knowledge network: who learns from whom (docs/model.md 2)."""

from __future__ import annotations

import numpy as np

from sim.arrays import Flags
from sim.errors import WorldError
from sim.world.firms import Firms

NETWORK_SEED = 0
MOST_LINKED = 20_000
"""Slots for firms between which links are held, one byte for each pair: 400 MB."""

_NEIGHBOURS, _REWIRED, _TIES = 8, 0.1, 4
_FEW = 2
"""Slots up to which any network links every two."""


def knowledge_network(kind: str, firms: Firms) -> Flags | None:
    """Who learns (row) from whom (column); ``[firm, firm]``, or None when everyone learns from everyone.

    Parameters
    ----------
    kind : str
        A key of ``sim.world.NETWORKS``.
    firms : Firms
        Slots and classes; entrants are small and medium firms.

    Raises
    ------
    WorldError
        When there are too many firms to hold who learns from whom.
    """
    if kind == "complete":
        return None
    n_slots = len(firms.names)
    if n_slots > MOST_LINKED:
        message = (
            f"knowledge_network {kind} holds a link for every two of {n_slots:,} slots for firms, at most "
            f"{MOST_LINKED:,}; lower small_firms_initial and entry_slots, or choose knowledge_network: complete"
        )
        raise WorldError(message)
    if kind == "by_class":
        same: Flags = firms.firm_class[:, None] == firms.firm_class
        return same
    if n_slots <= _FEW:
        return ~np.eye(n_slots, dtype=np.bool_)
    import networkx as nx

    if kind == "small_world":
        graph = nx.watts_strogatz_graph(n_slots, min(_NEIGHBOURS, n_slots - 1), _REWIRED, seed=NETWORK_SEED)
    else:
        graph = nx.barabasi_albert_graph(n_slots, min(_TIES, n_slots - 1), seed=NETWORK_SEED)
    learns: Flags = nx.to_numpy_array(graph) > 0.0
    return learns
