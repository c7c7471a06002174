"""Which runs a comparison needs: world, policies and run are three things.

A scenario that changes policies alone is measured against the baseline. One that also changes the world is measured
against the same world with the baseline's policies, which is its *twin*; what the change of world does by itself, twin
against baseline, is reported apart. Runs with the same content are made once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sim.errors import ScenarioError

if TYPE_CHECKING:
    from pathlib import Path

    from sim.scenario import Scenario

Kind = Literal["policy", "world"]


class Contrast(NamedTuple):
    """One effect of a scenario: run against reference, both keys of the design's runs.

    Attributes
    ----------
    scenario : str
        Name of the scenario.
    kind : {"policy", "world"}
        What differs between the two runs.
    run, reference : str
        Keys of runs.
    against : str
        How the reference is called.
    """

    scenario: str
    kind: Kind
    run: str
    reference: str
    against: str


class Design(NamedTuple):
    """What to run and what to compare.

    Attributes
    ----------
    baseline : Scenario
    scenarios : dict of str to Scenario
        By name, in the order given.
    runs : dict of str to Scenario
        Distinct runs by key; the baseline's is first.
    contrasts : tuple of Contrast
        In the order of scenarios; an effect of policy before one of world.
    """

    baseline: Scenario
    scenarios: dict[str, Scenario]
    runs: dict[str, Scenario]
    contrasts: tuple[Contrast, ...]

    def plugins(self) -> dict[str, str]:
        """SHA-256 (hex) of each plug-in file whose policies some run names, by the file's name."""
        return {file: sha for run in self.runs.values() for file, sha in run.plugins().items()}


def design(baseline: Scenario, scenarios: Iterable[Scenario]) -> Design:
    """Lay out runs and contrasts; every scenario takes uncertainty, replicates, seed and horizon of the baseline.

    Parameters
    ----------
    baseline : Scenario
    scenarios : iterable of Scenario
        With names of their own; one that is given twice counts once.

    Raises
    ------
    ScenarioError
        When there are none, two differ under one name, or the horizons begin at different quarters.
    """
    base_key = key_of(baseline)
    named = _named(baseline, base_key, [_aligned(scenario, baseline) for scenario in scenarios])
    runs = {base_key: baseline}
    contrasts: list[Contrast] = []
    for name, scenario in named.items():
        twin = _changed(scenario, policies=baseline.policies)
        key, twin_key = key_of(scenario), key_of(twin)
        runs.setdefault(key, scenario)
        if key != twin_key or twin_key == base_key:
            is_apart = twin_key != base_key
            if is_apart:
                runs.setdefault(twin_key, twin)
            without = f"{name} without {'its' if not baseline.policies else 'other'} policies"
            contrasts.append(Contrast(name, "policy", key, twin_key, without if is_apart else baseline.name))
        if twin_key != base_key:
            contrasts.append(Contrast(name, "world", twin_key, base_key, baseline.name))
    return Design(baseline, named, runs, tuple(contrasts))


def key_of(scenario: Scenario) -> str:
    """What decides a run's numbers for given luck."""
    return scenario.content_hash()


def world_key(scenario: Scenario) -> str:
    """What decides the world that a run starts from."""
    return json.dumps([scenario.resolved()[part] for part in ("world", "power", "mechanisms")], sort_keys=True)


def _aligned(scenario: Scenario, baseline: Scenario) -> Scenario:
    """The scenario with uncertainty, run, horizon and record of the baseline."""
    if scenario.horizon.start != baseline.horizon.start:
        message = (
            f"{scenario.name} starts in {scenario.horizon.start} and {baseline.name} in {baseline.horizon.start}; "
            "scenarios are compared quarter by quarter from one start; give both worlds of the same start"
        )
        raise ScenarioError(message)
    from sim.scenario.load import remarks_of_horizon, warn

    shared = {key: getattr(baseline, key) for key in ("uncertainty", "run", "horizon", "record")}
    aligned = _changed(scenario, **shared)
    warn(remarks_of_horizon(aligned, scenario), stacklevel=5)
    return aligned


def _changed(scenario: Scenario, **parts: Any) -> Scenario:
    return scenario.model_copy(update=parts)


def _named(baseline: Scenario, base_key: str, scenarios: list[Scenario]) -> dict[str, Scenario]:
    """Scenarios by name; what is the same twice counts once."""
    if not scenarios:
        message = "there is nothing to compare with the baseline; name at least one scenario"
        raise ScenarioError(message)
    keys = {baseline.name: base_key}
    named: dict[str, Scenario] = {}
    for scenario in scenarios:
        key = key_of(scenario)
        if keys.setdefault(scenario.name, key) != key:
            message = (
                f"two different scenarios are called {scenario.name!r}; names label the results, so each needs its "
                "own: give one another `name:`"
            )
            raise ScenarioError(message)
        named.setdefault(scenario.name, scenario)
    return named


def scenario_files(folder: Path) -> list[Path]:
    """Scenario files below a folder, in the order of their paths; hidden ones and results are left out."""
    found = (path for suffix in ("*.yaml", "*.yml") for path in folder.rglob(suffix))
    return sorted(path for path in found if not _is_hidden(path.relative_to(folder).parts))


def _is_hidden(parts: tuple[str, ...]) -> bool:
    return any(part.startswith(".") for part in parts) or parts[-1] == "scenario.resolved.yaml"
