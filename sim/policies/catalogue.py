"""What a reader wants to know of a policy, from its class: for the command and for ``docs/policies.md``."""

from __future__ import annotations

from typing import Any

from sim.policies.base import COST_LEVERS, BasePolicy, FirmPolicy

COMMON = tuple(FirmPolicy.model_fields)
"""Parameters that all policies, or all that reach firms, have."""


def facts(cls: type[BasePolicy]) -> dict[str, object]:
    """Everything that a policy declares, by what it is called."""
    told: dict[str, object] = {
        "meaning": cls.description().partition("\n\n")[0],
        "in detail": cls.description().partition("\n\n")[2].replace("\n\n", " "),
        "parameters": parameters(cls),
        "levers": list(cls.uses),
        "levers of its cost": list(COST_LEVERS),
        "strength scales": cls.strength_scales,
        "assumed": cls.inputs,
        "left to the market": cls.outcomes,
        "acts through": cls.mechanism,
        "switched off by": list(cls.mechanism_off),
        "first to look at": cls.headline,
        "side effects": cls.side_effects,
        "resembles": list(cls.resembles),
        "last quarter of action": cls.last_quarter,
        "example": cls.example,
    }
    return {name: fact for name, fact in told.items() if fact}


def parameters(cls: type[BasePolicy]) -> dict[str, dict[str, object]]:
    """Unit, range, default and meaning of each parameter, its own first."""
    schema = cls.model_json_schema(by_alias=True)
    own = {name: entry for name, entry in schema["properties"].items() if name not in COMMON}
    common = {name: entry for name, entry in schema["properties"].items() if name in COMMON}
    required = schema.get("required", ())
    return {name: _parameter(entry, is_required=name in required) for name, entry in (own | common).items()}


def _parameter(entry: dict[str, Any], *, is_required: bool) -> dict[str, object]:
    kinds = [kind for kind in entry.get("anyOf", ()) if kind.get("type") != "null"]
    whole = entry | (kinds[0] if kinds else {})
    told: dict[str, object] = {"meaning": entry.get("description", ""), "unit": entry.get("unit", "")}
    if "minimum" in whole and "maximum" in whole:
        told["range"] = (whole["minimum"], whole["maximum"])
    if "enum" in whole:
        told["allowed"] = list(whole["enum"])
    default = entry.get("default")
    told["default"] = "none, must be given" if is_required else "not set" if default is None else default
    return told
