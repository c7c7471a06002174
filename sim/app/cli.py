"""The command ``aipower``: arguments in, progress and tables out, nothing else."""

from __future__ import annotations

import io
import os
import sys
import textwrap
import warnings
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

import sim
from sim.errors import AipowerError, InputError, ScenarioError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.console import Console
    from rich.text import Text

INTERRUPTED = 130
PAGE_WIDTH = 80
PIPE_WIDTH = 10_000  # characters: in a pipe each row of a table stays on one line
OUTPUTS = Path("outputs")

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and end the process.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``aipower``; the process's own by default.

    Raises
    ------
    SystemExit
        0 done, 2 the input is wrong, 1 something failed, 130 interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    wants_traceback = "--traceback" in words
    words = [word for word in words if word != "--traceback"]
    try:
        with _readable_output():
            app(words, prog_name="aipower")
    except (AipowerError, OSError) as error:
        if wants_traceback:
            raise
        _fail(_sentence(error), getattr(error, "exit_code", 1))
    except Exception as error:
        if wants_traceback:
            raise
        kind = type(error).__name__
        _fail(f"unexpected {kind}: {error}. This is a defect; --traceback shows where it is", 1)
    sys.exit()


# --- the commands -----------------------------------------------------------------------------


def _examples(*lines: str) -> str:
    return "\n\n".join(["[bold]Examples[/bold]", *lines])


def _print_version(is_asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if is_asked:
        print(f"aipower {sim.__version__}")
        raise typer.Exit


@app.callback(
    epilog=_examples(
        "aipower run baseline",
        "aipower run my.yaml --replicates 20 --set world.parameters.flywheel=1.2",
        "aipower list measures",
        "Any command takes --traceback, which shows where an error came from.",
    )
)
def aipower(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """How access to compute turns into AI power, and how that power concentrates."""


ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A scenario file, or the name of a shipped one.")
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FOLDER", help="Folder for the results. Default: outputs/<name>."),
]


@app.command(
    epilog=_examples(
        "aipower run baseline",
        "aipower run scenarios/baseline.yaml --replicates 20 --quarters 8",
        "aipower run baseline --set world.parameters.flywheel=1.2 --out outputs/flywheel-1.2",
    )
)
def run(
    scenario: ScenarioArgument,
    *,
    replicates: Annotated[int | None, typer.Option(min=1, metavar="N", help="Histories with different luck.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, metavar="N", help="Which luck; 0 is a seed too.")] = None,
    quarters: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Length of the horizon from its start.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Processes; one for each processor by default. The numbers do not depend on it."
        ),
    ] = None,
    out: OutOption = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one key; may be repeated."),
    ] = None,
    no_figures: Annotated[
        bool, typer.Option("--no-figures", help="Leave out the figures, which take a few seconds.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the folder.")] = False,
) -> None:
    """Run a scenario and store tables, figures and a README in a folder.

    An identical, complete result is reused. A different one stays; the new goes to <folder>-2.
    """
    chosen = sim.load_scenario(scenario, overrides=changes or ())
    wanted = out or OUTPUTS / chosen.name
    try:
        result = sim.run(
            chosen,
            replicates=replicates,
            seed=seed,
            quarters=quarters,
            workers=workers or _processors(),
            out=wanted,
            figures=not no_figures,
            progress=not quiet,
        )
    except KeyboardInterrupt:
        _say(f"Interrupted. Nothing was written to {wanted}; the same command starts over.")
        raise typer.Exit(INTERRUPTED) from None
    folder = _short(result.folder or wanted)
    if quiet:
        print(folder)
        return
    _print_closing(result)
    if result.is_reused:
        print(f"{folder} holds this run already, complete: nothing was computed.")
    elif folder.name != wanted.name:
        print(f"{wanted} holds another run, which was kept.")
    print(f"Results: {folder}")
    print(f"Open {folder / 'README.md'}, which names every file, and the figures beside it.")


@app.command(
    epilog=_examples("aipower validate my.yaml", "aipower validate scenarios/*.yaml"),
)
def validate(
    scenarios: Annotated[list[str], typer.Argument(metavar="SCENARIO...", help="Files, or names of shipped ones.")],
) -> None:
    """Check scenario files and show every problem at once."""
    is_wrong = False
    for scenario in scenarios:
        try:
            chosen = sim.load_scenario(scenario)
        except ScenarioError as error:
            is_wrong = True
            for problem in error.problems:
                _say(problem)
        else:
            print(f"{scenario}: ok ({chosen.name})")
    if is_wrong:
        raise typer.Exit(InputError.exit_code)


def _processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Kind(StrEnum):
    """What can be listed."""

    WORLDS = "worlds"
    POWER_FUNCTIONS = "power-functions"
    NETWORKS = "networks"
    MEASURES = "measures"
    LEVERS = "levers"
    SCENARIOS = "scenarios"
    PARAMETERS = "parameters"
    MECHANISMS = "mechanisms"


@app.command(
    "list",
    epilog=_examples(
        "aipower list measures",
        "aipower list parameters | grep compute",
        "aipower show measure hhi_revenue",
    ),
)
def list_(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
) -> None:
    """List what scenarios and results may name."""
    from rich.table import Table

    columns = _LISTED[kind]
    table = Table("name", *columns, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, facts in _catalogue(kind).items():
        table.add_row(name, *(facts[column] for column in columns))
    _console().print(table, markup=False)


@app.command(
    epilog=_examples(
        "aipower show baseline",
        "aipower show parameter flywheel",
        "aipower show measure hhi_revenue",
        "aipower show outputs/baseline",
    )
)
def show(
    what: Annotated[
        str,
        typer.Argument(metavar="WHAT", help="A scenario, a result folder, or a kind of thing."),
    ],
    name: Annotated[str | None, typer.Argument(help="Which one, after a kind.")] = None,
) -> None:
    """Show a complete scenario, a result's closing table, or one entry of a list.

    The kinds are world, power-function, measure, lever, scenario, parameter and mechanism.
    """
    if name is not None:
        _print_entry(what, name)
    elif Path(what, "manifest.json").is_file():
        _print_closing(sim.load_result(what))
    else:
        print(sim.load_scenario(what).to_yaml(), end="")


@app.command(epilog=_examples("aipower schema --out scenario.schema.json"))
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
        out.write_text(text, encoding="utf-8")
        print(f"Wrote {out}")


@app.command(epilog=_examples("aipower new what-if", "aipower new scenarios/what-if.yaml"))
def new(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="Name or path of the new file.")],
) -> None:
    """Write a commented scenario file to start from; it extends the baseline."""
    from sim.scenario import is_safe_name

    path = name if name.suffix in {".yaml", ".yml"} else name.with_name(f"{name.name}.yaml")
    if not is_safe_name(path.stem):
        message = (
            f"{path.stem!r} cannot name a scenario; allowed: lower-case letters, digits, and . _ - "
            "after the first; try my-question"
        )
        raise ScenarioError(message)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(STARTER.format(name=path.stem))
    except FileExistsError:
        message = f"{path} exists already and was left as it is; choose another name"
        raise ScenarioError(message) from None
    print(f"Wrote {path}. Edit it, then: aipower run {path}")


@app.command(epilog=_examples("aipower verify outputs/baseline"))
def verify(
    folder: Annotated[Path, typer.Argument(help="A result folder.")],
) -> None:
    """Compare every file of a result folder with its checksum."""
    found = sim.verify_result(folder)
    for what in ("damaged", "missing", "extra"):
        for file in getattr(found, what):
            _say(f"{what}: {folder / file}")
    if not found.is_complete:
        _say(f"{folder} is not as it was written; run its scenario again")
        raise typer.Exit(1)
    print(f"{folder}: all {found.n_files} files are as they were written")


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
#run: {{replicates: 100, seed: 1}}
#record: {{networks: [2024Q4, 2030Q4]}}
"""


# --- catalogues -------------------------------------------------------------------------------

_LISTED = {
    Kind.WORLDS: ("meaning",),
    Kind.POWER_FUNCTIONS: ("meaning",),
    Kind.NETWORKS: ("meaning",),
    Kind.MEASURES: ("unit", "meaning"),
    Kind.LEVERS: ("unit", "neutral", "meaning"),
    Kind.SCENARIOS: ("question",),
    Kind.PARAMETERS: ("value", "range", "unit"),
    Kind.MECHANISMS: ("default", "allowed", "meaning"),
}

Catalogue = dict[str, dict[str, str]]


def _catalogue(kind: Kind) -> Catalogue:
    """Every entry of a list: name -> fact -> text."""
    readers: Mapping[Kind, Callable[[], Catalogue]] = {
        Kind.WORLDS: _worlds,
        Kind.POWER_FUNCTIONS: _power_functions,
        Kind.NETWORKS: _networks,
        Kind.MEASURES: _measures,
        Kind.LEVERS: _levers,
        Kind.SCENARIOS: _scenarios,
        Kind.PARAMETERS: _parameters,
        Kind.MECHANISMS: _mechanisms,
    }
    return readers[kind]()


def _worlds() -> Catalogue:
    from sim.world import WORLDS

    return {name: {"meaning": sentence} for name, sentence in WORLDS.items()}


def _power_functions() -> Catalogue:
    from sim.submodels.power import FAMILIES

    return {name: {"meaning": sentence} for name, sentence in FAMILIES.items()}


def _networks() -> Catalogue:
    from sim.world import NETWORKS

    return {name: {"meaning": sentence} for name, sentence in NETWORKS.items()}


def _measures() -> Catalogue:
    from sim.observe import MEASURES

    return {
        name: {
            "unit": measure.unit,
            "population": measure.population,
            "kind": measure.kind,
            "value of a year": measure.aggregation,
            "meaning": measure.sentence,
        }
        for name, measure in MEASURES.items()
    }


def _levers() -> Catalogue:
    from sim.policies.levers import LEVERS

    return {
        name: {
            "unit": lever.unit,
            "neutral": f"{lever.neutral:g}",
            "one value for each": " and ".join(lever.axes) or "world",
            "several combine by": lever.combine.__name__,
            "meaning": lever.sentence,
        }
        for name, lever in LEVERS.items()
    }


def _scenarios() -> Catalogue:
    return {
        name: {"question": sim.load_scenario(path).question, "file": str(path)}
        for name, path in sim.shipped_scenarios().items()
    }


def _parameters() -> Catalogue:
    from sim.parameters import parameter_table

    return {
        name: {
            "value": f"{row.value:g}",
            "range": f"{row.low:g} to {row.high:g}",
            "unit": row.unit,
            "symbol": row.symbol,
            "evidence": row.kind,
            "source": row.source,
        }
        for name, row in parameter_table().items()
    }


def _mechanisms() -> Catalogue:
    from sim.scenario import json_schema

    return {
        name: {
            "default": str(entry["default"]).lower(),
            "allowed": ", ".join(entry.get("enum", ("true", "false"))),
            "meaning": entry["description"],
        }
        for name, entry in json_schema()["$defs"]["Mechanisms"]["properties"].items()
    }


# --- printing ---------------------------------------------------------------------------------


def _print_entry(kind: str, name: str) -> None:
    kinds = {member.value.removesuffix("s"): member for member in Kind}
    chosen = kinds.get(kind.removesuffix("s"))
    if chosen is None:
        message = f"there is no kind of thing called {kind!r}; allowed: {', '.join(kinds)}"
        raise InputError(message)
    entries = _catalogue(chosen)
    if name not in entries:
        import difflib

        near = difflib.get_close_matches(name, entries, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"see `aipower list {chosen}`"
        message = f"there is no {kind.removesuffix('s')} called {name!r}; {hint}"
        raise InputError(message)
    print(name)
    for fact, text in entries[name].items():
        print(f"  {fact}: {text}")


def _print_closing(result: sim.Result) -> None:
    from rich import box
    from rich.table import Table

    from sim.report import tables

    console = _console()
    print(_paragraph(tables.headline(result)))
    for grid in tables.grids(result):
        table = Table(
            title=grid.title,
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        for position, heading in enumerate(grid.columns):
            table.add_column(heading, justify="right" if position else "left")
        for label, *cells in grid.rows:
            table.add_row(label, *map(_dim_range, cells))
        console.print()
        console.print(table)
    console.print()
    for note in tables.notes(result):
        print(_paragraph(f"Note: {note}"))


def _dim_range(cell: str) -> Text:
    """A cell whose second line, the range over replicates, steps back."""
    from rich.text import Text

    mean, newline, span = cell.partition("\n")
    return Text.assemble(mean, (newline + span, "dim"))


def _paragraph(text: str) -> str:
    return textwrap.fill(text, PAGE_WIDTH, break_on_hyphens=False, break_long_words=False)


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    return console


@contextmanager
def _readable_output() -> Iterator[None]:
    """Print what the terminal cannot show as ``?``, and warnings as one line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: _say(f"Warning: {message}")
        yield


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _sentence(error: AipowerError | OSError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _fail(text: str, exit_code: int) -> NoReturn:
    _say(f"Error: {text}")
    sys.exit(exit_code)


def _short(folder: Path) -> Path:
    """Path as one types it from here, where that is shorter."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
