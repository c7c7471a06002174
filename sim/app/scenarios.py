"""Commands about scenario files: ``validate``, ``schema`` and ``new``."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

import sim
from sim.app import terminal
from sim.app.base import JsonOption, PluginOption, app, examples
from sim.errors import InputError, ScenarioError, WorldError

STARTER = """\
# Everything that this file does not say is as in the scenario that it extends.
# All keys and values: aipower show baseline. Check this file: aipower validate {name}.yaml
schema: 1
extends: baseline
name: {name}
question: What if ...?

# Remove the first # of the lines that you want, and change their values.

#world:
#  parameters:            # all of them, with units: aipower list parameters
#    flywheel: 1.2        # elasticity; 0.5 to 2 is plausible
#    open_discount: 0.3
#  firms:                 # actors to change by name, or to add
#    - {{name: OpenAI, revenue: 2.0}}
#horizon: {{start: 2024Q1, end: 2030Q4}}   # both included
#power: {{family: log}}     # aipower list power-functions
#mechanisms: {{entry: false, imitation: true}}   # aipower list mechanisms
#policies:                # aipower list policies, aipower show policy compute_tax
#  - compute_tax: {{rate: 0.1, captive: true, start: 2027Q1}}
#run: {{replicates: 100, seed: 1}}
#record: {{networks: [2024Q4, 2030Q4]}}
"""


WORLD_STARTER = """\
# A world of your own: the tables in the folder {name}, over those of the world of 2024.
# Change a fact there, or delete a table that you do not change: it is then the world's.
# Check them: aipower validate {name}.yaml. What differs: aipower diff baseline {name}.yaml
schema: 1
extends: baseline
name: {name}
question: What if the world had begun otherwise?
world:
  tables: {name}    # a folder, relative to this file
"""


@app.command(
    epilog=examples("aipower validate my.yaml", "aipower validate scenarios/*.yaml"),
)
def validate(
    scenarios: Annotated[list[str], typer.Argument(metavar="SCENARIO...", help="Files, or names of shipped ones.")],
    *,
    plugin: PluginOption = None,  # noqa: ARG001 - its callback has loaded them
    as_json: JsonOption = False,
) -> None:
    """Check scenario files and show every problem at once."""
    checks = [_checked(scenario) for scenario in scenarios]
    if as_json:
        terminal.print_json(checks)
    else:
        for check in checks:
            for warning in check["warnings"]:
                terminal.say(f"Warning: {warning}")
            for problem in check["problems"]:
                terminal.say(problem)
            if check["is_valid"]:
                print(f"{check['scenario']}: ok ({check['name']})")
    if not all(check["is_valid"] for check in checks):
        raise typer.Exit(InputError.exit_code)


def _checked(scenario: str) -> dict[str, Any]:
    """What is right and wrong with a scenario."""
    check: dict[str, Any] = {"scenario": scenario, "is_valid": False, "name": None, "problems": []}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        try:
            loaded = sim.load_scenario(scenario)
            check["name"] = loaded.name
            if _changes_facts(loaded):
                from sim.runner import check_world

                check_world(loaded)
            check["is_valid"] = True
        except ScenarioError as error:
            check["problems"] = list(error.problems)
        except WorldError as error:
            check["problems"] = [f"{scenario}: world: {error}"]
    return check | {"warnings": [str(warning.message) for warning in caught]}


def _changes_facts(scenario: sim.Scenario) -> bool:
    """Whether a world has facts that nobody has calibrated yet; the shipped ones are known to start."""
    world = scenario.world
    return bool(world.tables or world.firms or world.owners or world.makers or scenario.changed_parameters())


@app.command(epilog=examples("aipower schema --out scenario.schema.json"))
def schema(
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="A file instead of the screen.")] = None,
) -> None:
    """Print the JSON Schema of scenario files, with which editors complete and check them."""
    import json

    from sim.scenario import json_schema

    text = json.dumps(json_schema(), indent=2) + "\n"
    if out is None:
        print(text, end="")
    else:
        try:
            with out.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            _refuse_taken(out)
        print(f"Wrote {out}")


@app.command(
    epilog=examples("aipower new what-if", "aipower new scenarios/what-if.yaml", "aipower new --world my-world")
)
def new(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="Name or path of the new file.")],
    *,
    world: Annotated[bool, typer.Option("--world", help="With a folder NAME of world tables to change.")] = False,
) -> None:
    """Write a commented scenario file to start from; it extends the baseline."""
    from sim.scenario import is_safe_name
    from sim.world.template import write_template

    if not name.name:
        message = f"{name} is the name of no file; give one, such as my-question or scenarios/my-question.yaml"
        raise ScenarioError(message)
    path = name if name.suffix in {".yaml", ".yml"} else name.with_name(f"{name.name}.yaml")
    if not is_safe_name(path.stem):
        message = (
            f"{path.stem!r} cannot name a scenario; allowed: lower-case letters, digits, and . _ - "
            "after the first; try my-question"
        )
        raise ScenarioError(message)
    folder = path.with_suffix("")
    for taken in (path, folder) if world else (path,):
        if taken.exists() or taken.is_symlink():
            _refuse_taken(taken)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if world:
            write_template(folder)
        with path.open("x", encoding="utf-8") as file:
            file.write((WORLD_STARTER if world else STARTER).format(name=path.stem))
    except FileExistsError as error:
        _refuse_taken(Path(error.filename))
    if world:
        print(f"Wrote {path} and the tables in {folder}. Edit them, then: aipower run {path}")
    else:
        print(f"Wrote {path}. Edit it, then: aipower run {path}")


def _refuse_taken(path: Path) -> NoReturn:
    message = f"{path} exists already and was left as it is; choose another name"
    raise ScenarioError(message) from None
