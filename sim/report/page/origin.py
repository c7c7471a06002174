"""How to reproduce a report: commands, versions and hashes."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from sim import store
from sim.comparison.variants import FLYWHEELS
from sim.identity import code_version, origin, source_hash
from sim.report.page.blocks import Block, Code, Text, shown
from sim.report.page.table import Table, printed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sim.comparison import Comparison
    from sim.result import Result
    from sim.scenario import Scenario


def facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Entries that say what computed the numbers: of the folder, or of this program for what was not stored."""
    return dict(manifest) if manifest else {key: value for key, value in origin().items() if key != "created"}


def origin_table(manifest: Mapping[str, Any], hashes: Mapping[str, str]) -> Table:
    """Versions, machine and hashes."""
    import pandas as pd

    known = facts(manifest)
    rows = [
        ("aipower", known.get("aipower", "unknown")),
        ("Python", known.get("python", "unknown")),
        *((name, version) for name, version in known.get("libraries", {}).items()),
        ("Machine", f"{known.get('platform', 'unknown')}"),
        ("CPU features used", " ".join(known.get("cpu_dispatch", []))),
        ("Simulated at", known.get("created", "not stored")),
        ("Source code (SHA-256)", known.get("source_sha256", "unknown")),
    ]
    if "git_commit" in known:
        changes = " with changes that are not committed" if known.get("git_has_changes") else ""
        rows.append(("Commit", f"{known['git_commit']}{changes}"))
    rows += [(f"{name} (SHA-256)", value) for name, value in hashes.items()]
    frame = pd.DataFrame(rows, columns=["what", "value"])
    caption = "What computed the numbers. Bits are promised for the same code, libraries and CPU features."
    return Table("origin", caption, frame, ("What", "Value"), printed(rows), n_labels=2)


def warning(manifest: Mapping[str, Any], what: str) -> str:
    """Say that this program is not the one that computed the numbers; empty where it is."""
    if not manifest or manifest.get("source_sha256") == source_hash():
        return ""
    return (
        f"The numbers were computed by aipower {manifest.get('aipower')} with other source code than the aipower "
        f"{code_version()} that wrote this page, which simulated {what} itself."
    )


def comparison_blocks(comparison: Comparison) -> list[Block | None]:
    """How to repeat a comparison."""
    plugins = _plugins([comparison.baseline, *comparison.scenarios.values()])
    words = ["aipower", "compare", "baseline.resolved.yaml", "scenarios", *_plugin_options(plugins)]
    if comparison.stopping is not None:
        for measure, width in comparison.stopping.targets.items():
            words += ["--until", f"{measure}={width:g}"]
    words += ["--measures", ",".join(comparison.measures), "--horizons", ",".join(comparison.horizons)]
    tried = comparison.robustness
    flywheels = tuple(dict.fromkeys(tried.loc[tried["variant"] == "flywheel", "value"]))
    families = list(dict.fromkeys(tried.loc[tried["variant"] == "power family", "value"]))
    words += [] if flywheels else ["--no-robust"]
    words += ["--families", ",".join(families)] if families else []
    other = (
        f"In Python, give sim.compare flywheels=({', '.join(flywheels)},), which the command does not offer."
        if flywheels and flywheels != tuple(map(str, FLYWHEELS))
        else ""
    )
    hashes = {
        **({"Comparison": comparison.content_hash} if comparison.content_hash else {}),
        comparison.baseline.name: comparison.baseline.content_hash(),
        **{name: each.content_hash() for name, each in comparison.scenarios.items()},
        **{f"Plug-in {file}": value for file, value in plugins.items()},
    }
    return [
        Text(_how(comparison.manifest, "comparison")),
        Code(f"{_install(comparison.manifest)}\n{shlex.join(words)}"),
        Text(other) if other else None,
        *_again(comparison.folder, comparison.manifest),
        shown(origin_table(comparison.manifest, hashes)),
    ]


def result_blocks(result: Result) -> list[Block | None]:
    """How to repeat a run."""
    plugins = _plugins([result.scenario])
    words = ["aipower", "run", store.RESOLVED_SCENARIO, *_plugin_options(plugins)]
    hashes = {result.scenario.name: result.content_hash, **{f"Plug-in {file}": sha for file, sha in plugins.items()}}
    return [
        Text(_how(result.manifest, "run")),
        Code(f"{_install(result.manifest)}\n{shlex.join(words)}"),
        *_again(result.folder, result.manifest),
        shown(origin_table(result.manifest, hashes)),
    ]


def _how(manifest: Mapping[str, Any], what: str) -> str:
    where = f"The folder of the {what} holds" if manifest else f"Once saved, the folder of the {what} holds"
    return (
        f"{where} complete scenarios, which need no other file; the same text stands below under Scenarios. In that "
        f"folder, these commands repeat the {what}:"
    )


def _install(manifest: Mapping[str, Any]) -> str:
    version = facts(manifest).get("aipower", "unknown")
    return "pip install aipower" if version == "unknown" else f"pip install aipower=={version}"


def _again(folder: object, manifest: Mapping[str, Any]) -> list[Block | None]:
    if folder is None or not manifest:
        return []
    name = shlex.quote(str(folder).rstrip("/").rpartition("/")[2])
    return [
        Text("Beside that folder, the first command below checks every file of it, and the second writes this report:"),
        Code(f"aipower verify {name}\naipower report {name}"),
    ]


def _plugins(scenarios: Sequence[Scenario]) -> dict[str, str]:
    found: dict[str, str] = {}
    for scenario in scenarios:
        found |= scenario.plugins()
    return found


def _plugin_options(plugins: Mapping[str, str]) -> list[str]:
    return [word for file in plugins for word in ("--plugin", file)]
