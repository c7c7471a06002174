"""Policies: what each asks for, whom it reaches and when, and the levers into which their answers combine.

A policy is a class of a file of its own, known by the name that scenario files use. Those that come with the package
are named here and imported when first asked for; others register from a plug-in (``docs/own-policy.md``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.policies.base import BasePolicy, FirmPolicy, Levers, Scene, loosened, scaled
    from sim.policies.registry import load_plugin, policy
    from sim.policies.schedule import parameter

# What a policy of one's own is made of, and the module that holds it; imported on first use.
_HOMES = {
    "BasePolicy": "sim.policies.base",
    "FirmPolicy": "sim.policies.base",
    "Levers": "sim.policies.base",
    "Scene": "sim.policies.base",
    "load_plugin": "sim.policies.registry",
    "loosened": "sim.policies.base",
    "parameter": "sim.policies.schedule",
    "policy": "sim.policies.registry",
    "scaled": "sim.policies.base",
}

__all__ = [
    "SHIPPED",
    "BasePolicy",
    "FirmPolicy",
    "Levers",
    "Scene",
    "build",
    "find",
    "load_plugin",
    "loosened",
    "names",
    "parameter",
    "policy",
    "scaled",
]

SHIPPED = (
    "efficiency_programme",
    "shared_platform",
    "compute_cluster",
    "federated_learning",
    "public_compute",
    "resource_quota",
    "compute_subsidy",
    "compute_tax",
    "training_cap",
    "open_weights",
    "data_portability",
    "interoperability",
    "merger_control",
    "break_up",
    "structural_separation",
    "non_discrimination",
    "revenue_levy",
    "profit_tax",
    "carbon_price",
    "energy_cap",
    "grid_limit",
    "funding_limits",
    "entry_support",
)
"""Policies that come with the package, each in the module of its name."""


def names() -> tuple[str, ...]:
    """Every policy that a scenario may name: shipped, installed, and of plug-in files."""
    from sim.policies.registry import installed, registered

    return (*SHIPPED, *sorted(({*installed(), *registered()}) - set(SHIPPED)))


def find(name: str) -> type[BasePolicy]:
    """Class of a policy.

    Parameters
    ----------
    name : str
        As in scenario files.

    Raises
    ------
    PolicyError
        When there is no such policy, or the plug-in that offers it cannot be used.
    """
    from sim.policies.registry import looked_up

    return looked_up(name)


def build(items: Iterable[Mapping[str, Mapping[str, Any]]]) -> list[BasePolicy]:
    """Policies of a scenario, ready to be asked.

    Their order follows from what they are, not from where they stand in the file: sums of floating-point numbers
    depend on the order of their terms.

    Parameters
    ----------
    items : iterable of mapping
        One policy's name and its parameters each.
    """
    import json

    from sim.policies.registry import looked_up

    chosen = [(name, parameters) for item in items for name, parameters in item.items()]
    ordered = sorted(chosen, key=lambda each: json.dumps(each, sort_keys=True))
    return [looked_up(name).model_validate(dict(parameters)) for name, parameters in ordered]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module 'sim.policies' has no attribute {name!r}; it offers {', '.join(__all__)}"
        raise AttributeError(message)
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
