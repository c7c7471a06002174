"""The knowledge network: who learns from whom (docs/model.md 2)."""

from __future__ import annotations

from sim.arrays import Flags
from sim.world.firms import Firms

NETWORKS: dict[str, str] = {
    "complete": "everyone learns from everyone, the default",
    "by_class": "firms learn from firms of their class: giants, labs, small and medium firms",
    "small_world": "Watts-Strogatz graph of the slots: 8 neighbours, a tenth of ties rewired",
    "scale_free": "Barabasi-Albert graph of the slots: newcomers tie to 4 others, most to the best connected",
}
"""Every knowledge network, with one sentence."""

NETWORK_SEED = 0
_NEIGHBOURS, _REWIRED, _TIES = 8, 0.1, 4


def knowledge_network(kind: str, firms: Firms) -> Flags | None:
    """Who learns (row) from whom (column); ``[firm, firm]``, or None when everyone learns from everyone.

    Parameters
    ----------
    kind : str
        A key of ``NETWORKS``.
    firms : Firms
        Slots and classes; entrants are small and medium firms.
    """
    if kind == "complete":
        return None
    if kind == "by_class":
        same: Flags = firms.firm_class[:, None] == firms.firm_class
        return same
    import networkx as nx

    n_slots = len(firms.names)
    if kind == "small_world":
        graph = nx.watts_strogatz_graph(n_slots, min(_NEIGHBOURS, n_slots - 1), _REWIRED, seed=NETWORK_SEED)
    else:
        graph = nx.barabasi_albert_graph(n_slots, min(_TIES, n_slots - 1), seed=NETWORK_SEED)
    learns: Flags = nx.to_numpy_array(graph) > 0.0
    return learns
