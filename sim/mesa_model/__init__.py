"""The Mesa face: one replicate as a ``mesa.Model`` whose agents are windows on the engine's arrays (docs/mesa.md).

Every number comes from the same engine as ``sim.run``, bit for bit. A subclass of ``Firm`` or ``Regulator`` that
overrides a decision takes part among the fast array agents. This package alone imports Mesa.
"""

from __future__ import annotations

from sim.mesa_model.agents import ChipMaker, CloudProvider, Firm, Regulator, SectorMarket
from sim.mesa_model.model import PowerModel, measured

__all__ = ["ChipMaker", "CloudProvider", "Firm", "PowerModel", "Regulator", "SectorMarket", "measured"]
