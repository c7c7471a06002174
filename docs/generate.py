"""Write ``notation.md``, ``measures.md`` and ``policies.md`` from the code: ``python docs/generate.py``.

``tests/test_docs.py`` fails while the committed files differ from what this writes.
"""  # noqa: INP001  a script, not a package

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from sim import observe, policies, state
from sim.app.catalogues import as_text
from sim.parameters import parameter_table
from sim.policies.base import FirmPolicy
from sim.policies.catalogue import COMMON, facts
from sim.policies.levers import LEVERS
from sim.world.tables import world_folders

HERE = Path(__file__).parent

NOTICE = "<!-- Written by docs/generate.py from the code. Do not edit: change the code and run it again. -->"

ABOUT_PARAMETERS = """\
Set by name under `world.parameters` of a scenario, in this unit; rates are per quarter. Range: what is plausible,
which a scenario may leave with a warning. Sources are in `sim/world/data/parameters.csv`; [world.md](world.md) says
how to read kinds and ranges."""

ABOUT_MEASURES = """\
A result has {n_all} measures, one number for each replicate and quarter: {n_indices} indices of {n_quantities}
quantities, and {n_others} others. *Year* says how a year's value is made of its quarters. *Kind* says whether a
measure is of a moment (stock) or of a quarter (flow); an index has no unit of time and counts as a stock."""

ABOUT_POLICIES = """\
A scenario lists policies by name with their parameters; each answers, quarter by quarter, with
[levers](notation.md#levers), and the market does the rest. `aipower list policies` and `aipower show policy NAME` say
the same; [own-policy.md](own-policy.md) shows how to write one. Ready scenarios, one for each policy and a strong
variant, are in `scenarios/policies/`, packages of several in `scenarios/packages/`."""

ABOUT_COMMON = """\
Every policy takes these beside its own. `who` and `error` belong to policies that reach firms; the others act on the
whole market and refuse them.

- *When.* From `start` up to, not including, `end`. With a `ramp` of n quarters the strength rises by 1/n a quarter, the
  first step in the first quarter.
- *Whom.* `all`, `{class: sme}` (or `giant`, `lab`), `{names: [OpenAI]}`, `{top: 5, by: revenue}`,
  `{outside_top: 5, by: compute}`, `{share_above: 0.2, of: power}`. Sizes are those seen `lag` quarters ago. A firm that
  entered since is never among the largest and always outside them; before the first sight nobody is reached by size. A
  name means the firm that has it at the start, not a later one in its slot.
- *Trigger.* `{measure: hhi_revenue, above: 2500, for: 4}`: in force from the first quarter, at or after `start`, in
  which the last four quarters seen were all above. Once it has fired the policy stays in force until `end`: a law is
  not repealed when a number falls again. It looks at each replicate by itself.
- *Enforcement.* Each firm that is reached escapes with chance `error`, drawn anew each quarter from luck of its own.
- *Cost.* `cost` times the strength, in each quarter in which the policy reaches anyone: paid by the government, or by
  the firms reached in equal parts, or by owners in proportion to their chips.
- *Together.* Several policies combine by each lever's rule; their order in the file changes no bit. Two copies of the
  same policy are two policies, and share the luck of enforcement.

At no strength, after the horizon, or with nobody to reach, nothing changes, bit for bit, and nothing is paid."""

STAGES = (
    (state.State, "State: what one quarter hands to the next"),
    (state.Drivers, "Stage 1: drivers (no replicates)"),
    (state.Funding, "Stage 3: funding and the training plan"),
    (state.Markets, "Stages 4 and 5: markets"),
    (state.Accounts, "Stage 6: accounts"),
    (state.Investment, "Stage 8: investment"),
    (state.Demography, "Stage 9: demography"),
)

COLUMNS = (
    ("firms", observe.FIRM_COLUMNS),
    ("owners", observe.OWNER_COLUMNS),
    ("makers", observe.MAKER_COLUMNS),
)

COMBINATIONS = {"add": "sum", "multiply": "product", "minimum": "smallest", "maximum": "largest"}


def notation() -> str:
    """Parameters, arrays and levers."""
    parameters = [
        (row.symbol, code(name), number(row.value), row.unit, f"{number(row.low)} to {number(row.high)}", row.kind)
        for name, row in parameter_table(world_folders("world_2024")).items()
    ]
    levers = [
        (code(name), axes(lever.axes), lever.unit, number(lever.neutral), rule(lever.combine), lever.sentence)
        for name, lever in LEVERS.items()
    ]
    parts = [
        "# Notation",
        NOTICE,
        "Symbols are those of [model.md](model.md). Names are those of scenario files, code and tables.",
        "## Parameters",
        ABOUT_PARAMETERS,
        table(("symbol", "name", "value", "unit", "range", "kind"), parameters),
        "## Arrays",
        "Axes named here are the last ones; replicates lead. `lag` counts quarters back.",
    ]
    for cls, title in STAGES:
        rows = [
            (code(name), axes(var.axes), var.unit, var.sentence) for name, var in sorted(state.variables(cls).items())
        ]
        parts += [f"### {title}", table(("name", "axes", "unit", "meaning"), rows)]
    parts += [
        "## Levers",
        "What a policy may ask for. At the neutral value nothing changes, bit for bit. Several answers are combined.",
        table(("name", "axes", "unit", "neutral", "combined by", "meaning"), levers),
    ]
    return document(parts)


def measures() -> str:
    """Every measure, and the columns of the tables of firms, owners and makers."""
    indices = {f"{index}_{variable}" for index in observe.INDEX_SENTENCES for variable in observe.VARIABLES}
    others = [measure for name, measure in observe.MEASURES.items() if name not in indices]
    parts = [
        "# Measures",
        NOTICE,
        ABOUT_MEASURES.format(
            n_all=len(observe.MEASURES),
            n_indices=len(observe.INDEX_SENTENCES),
            n_quantities=len(observe.VARIABLES),
            n_others=len(others),
        ),
        "## Measures of one quantity",
        table(
            ("name", "unit", "population", "kind", "year", "meaning"),
            [(code(m.name), m.unit, m.population, m.kind, m.aggregation, m.sentence) for m in others],
        ),
        "## Only where a scenario asks for it",
        table(
            ("name", "unit", "population", "kind", "year", "meaning"),
            [
                (code(m.name), m.unit, m.population, m.kind, m.aggregation, m.sentence)
                for m in observe.OPTIONAL.values()
            ],
        ),
        "## Indices",
        "The name is index, underscore, quantity, as in `hhi_revenue`.",
        table(
            ("index", "unit", "meaning"),
            [(code(name), unit, f"{sentence} ...") for name, (unit, sentence) in observe.INDEX_SENTENCES.items()],
        ),
        table(
            ("quantity", "population", "quantity is a", "year of the index", "meaning"),
            [
                (code(name), v.population, v.kind, observe.MEASURES[f"hhi_{name}"].aggregation, v.sentence)
                for name, v in observe.VARIABLES.items()
            ],
        ),
        "### All of them",
        table(
            ("name", "unit", "population", "kind", "year", "meaning"),
            [
                (code(m.name), m.unit, m.population, m.kind, m.aggregation, m.sentence)
                for m in observe.MEASURES.values()
                if m.name in indices
            ],
        ),
        "## Columns of the tables",
    ]
    for population, columns in COLUMNS:
        rows = [(code(column.name), column.unit, column.sentence) for column in columns.values()]
        parts += [f"### Table of {population}", table(("column", "unit", "meaning"), rows)]
    return document(parts)


def policy_page() -> str:
    """Every shipped policy: what it does, its parameters, what to expect, an example."""
    shipped = {name: policies.find(name) for name in policies.SHIPPED}
    rows = [(f"[{name}](#{name})", str(facts(cls)["meaning"])) for name, cls in shipped.items()]
    parts = [
        "# Policies",
        NOTICE,
        ABOUT_POLICIES,
        table(("policy", "what it does"), rows),
        "## What all policies have in common",
        ABOUT_COMMON,
        parameter_table_of(FirmPolicy, [*COMMON]),
    ]
    for name, cls in shipped.items():
        told = facts(cls)
        own = [key for key in told["parameters"] if key not in COMMON]  # type: ignore[attr-defined]
        parts += [f"## {name}", cls.description()]
        parts += [parameter_table_of(cls, own)] if own else []
        group = " It takes `who` and `error`." if issubclass(cls, FirmPolicy) else ""
        off = " and ".join(code(f"--set {change}") for change in cls.mechanism_off)
        parts += [
            f"Levers: {', '.join(map(code, cls.uses))}. Strength scales {cls.strength_scales}.{group}",
            f"Assumed: {cls.inputs}. Left to the market: {cls.outcomes}. First to look at: {code(cls.headline)}.",
            f"It acts through this: {cls.mechanism}" + (f" (switched off by {off})." if off else "."),
            f"Side effects: {cls.side_effects}",
            f"Resembles: {'; '.join(cls.resembles)}.",
            f"```yaml\npolicies:\n  {cls.example}\n```",
        ]
    return document(parts)


def parameter_table_of(cls: type[policies.BasePolicy], names: Sequence[str]) -> str:
    """Parameters of a policy, with unit, range and default."""
    told: dict[str, dict[str, object]] = facts(cls)["parameters"]  # type: ignore[assignment]
    rows = [
        (
            code(name),
            str(entry["meaning"]),
            str(entry["unit"]),
            as_text(entry.get("range", entry.get("allowed", ""))),
            as_text(entry["default"]).replace("none, must", "must"),
        )
        for name, entry in told.items()
        if name in names
    ]
    return table(("parameter", "meaning", "unit", "allowed", "default"), rows)


def document(parts: Iterable[str]) -> str:
    """Paragraphs with empty lines between them."""
    return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A GitHub table; bars inside cells are escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(name: str) -> str:
    """A name in code type."""
    return f"`{name}`"


def axes(names: Sequence[str]) -> str:
    """Axes as the code writes them."""
    return code(f"[{', '.join(names)}]") if names else ""


def number(value: float) -> str:
    """As few digits as give the value back, at least six; ``none`` for no limit."""
    digits = next(text for text in (f"{value:.{n}g}" for n in range(6, 18)) if float(text) == value)
    return "none" if digits == "inf" else digits


def rule(combine: object) -> str:
    """How answers are combined, in a word."""
    return COMBINATIONS[str(getattr(combine, "__name__", combine))]


PAGES = {"notation.md": notation, "measures.md": measures, "policies.md": policy_page}
"""File names and what writes them."""


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8", newline="\n")
        sys.stdout.write(f"wrote {HERE / name}\n")


if __name__ == "__main__":
    main()
