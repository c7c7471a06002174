"""Write the pages that are made from the code and its tables (``PAGES``): ``python docs/generate.py``.

``tests/test_docs.py`` fails while the committed files differ from what this writes.
"""  # noqa: INP001  a script, not a package

from __future__ import annotations

import ast
import csv
import inspect
import itertools
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import sim
from sim import observe, policies, state
from sim.app.catalogues import as_text
from sim.parameters import DATA, parameter_table
from sim.policies.base import FirmPolicy
from sim.policies.catalogue import COMMON, facts
from sim.policies.levers import LEVERS
from sim.table_files import describe_columns
from sim.world import WORLD_LAYERS
from sim.world.build import World
from sim.world.tables import ATTRIBUTES, KINDS, world_folders

HERE = Path(__file__).parent

NOTICE = "<!-- Written by docs/generate.py from the code. Do not edit: change the code and run it again. -->"

ABOUT_PARAMETERS = """\
Set by name under `world.parameters` of a scenario, in this unit; rates are per quarter. Range: what is plausible,
which a scenario may leave with a warning. Sources are in `sim/world/data/parameters.csv`; [world.md](world.md) says
how to read kinds and ranges."""

ABOUT_SYMBOLS = """\
What stands in the equations beside parameters. Indices: i firm, j owner, m maker, s sector. (t-1) or a prime: last, or
next, quarter's. x+: the larger of x and 0."""

ABOUT_MEASURES = """\
A result has {n_all} kinds of measure, one number for each replicate and quarter: {n_indices} indices of
{n_quantities} quantities, and {n_others} others, of which {n_by_sector} are taken of every sector: {n_numbers} numbers
in the shipped world. Those that are recorded only where a scenario asks for them come on top. *Year* says how a year's
value is made of its quarters. *Kind* says whether a measure is of a moment (stock) or of a quarter (flow); an index has
no unit of time and counts as a stock."""

ABOUT_INDICES = """\
The name is index, underscore, quantity, as in `hhi_revenue`. Indices of quantities of firms add up the firms of one
owner first ([model.md 8](model.md#8-observation)); in the table of firms each has a row of its own, and `group_slot`
says which belong together."""

ABOUT_TABLES = """\
The index of each is `replicate`, `quarter` and the first column below. Empty slots of firms have no row."""

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

COLUMNS = {
    "firms": ("firm", "firm_class", *(name for name in observe.FIRM_COLUMNS if name not in ("active", "class_code"))),
    "owners": ("owner", *observe.OWNER_COLUMNS),
    "makers": ("maker", *observe.MAKER_COLUMNS),
}
"""Columns of a result's tables after replicate and quarter; of firms in the market only, with their class in words."""

SYMBOLS: dict[str, str] = {
    # stocks
    "A": "State.efficiency", "D": "State.data", "E_own": "State.own_compute", "E_fed": "State.pool_compute",
    "K": "State.capacity", "k": "State.own_chips", "cash": "State.cash", "debt": "State.debt",
    "committed": "State.fund_committed", "g_E": "State.capability_growth", "g_Pi": "State.profit_growth",
    # drivers
    "M_s": "Drivers.budget", "c_m": "Drivers.unit_cost", "path_m": "Drivers.maker_capacity",
    "site": "Drivers.site_cost",
    "intensity": "Drivers.grid_intensity", "phi_j": "Drivers.order_factor", "F_path": "Drivers.investor_fund",
    # funding and training
    "E_eff": "Funding.effective_compute", "P": "Funding.power", "gamma_i": "Funding.power_elasticity",
    "f_i": "Funding.funding_share", "raised": "Funding.raised", "H": "Funding.horizon", "x_i": "Funding.own_plan",
    "wanted": "Funding.desired", "means": "Funding.means", "plan": "Funding.plan", "paid": "Accounts.allotment_charge",
    # markets
    "w": "Markets.rent", "w_i": "Markets.user_rent", "floor": "Markets.floor", "supply": "Markets.supply",
    "a_ij": "Markets.owner_weight", "C": "Markets.training", "serve": "Markets.serving", "rented": "Markets.rented",
    "kappa": "Markets.serving_need", "eps": "Markets.elasticity", "p_is": "Markets.price", "V": "Markets.attraction",
    "share*": "Markets.target_share", "share": "Markets.share", "o_s": "Markets.odds", "nest": "Markets.nest",
    "revenue": "Markets.revenue", "quantity": "Markets.quantity", "Pi": "Markets.profit",
    # investment
    "value": "Investment.value", "Vbar": "Investment.mean_value", "price_m": "Investment.price",
    "shipments_m": "Investment.shipments", "delivered": "Investment.delivered",
    # what stays the same
    "E0": "World.power_reference", "theta": "World.mean_theta", "theta_s": "World.theta",
    "psi_s": "World.data_elasticity",
    "D_ref": "World.data_reference", "kappa_0": "World.serving_need_reference", "b_s": "World.budget_share",
    "o_0s": "World.initial_odds", "aff_ij": "World.affinity",
    # levers
    "mu": "lever training_efficiency", "mu_q": "lever quality", "mu_s": "lever serving_efficiency",
    "mu_e": "lever entry_cost", "m_a": "lever affinity", "cap": "lever training_cap", "tau_c": "lever compute_tax",
    "tau_cap": "lever captive_tax", "tau_levy": "lever revenue_levy", "t_u": "lever usage_tax",
    "kept": "lever data_retention", "portability": "lever data_portability",
}  # fmt: skip
"""Symbols of model.md that stand for a number with a name of its own in the code."""

SHORTHAND = {
    "xi": "appeal, e to the power of `State.log_strength`",
    "E": "effective compute, of power's arguments",
    "R_0": "R at the start",
    "eta": "efficiency of a federated pool of n members",
    "eps_joint": "eps at the joint share of a pair that merges",
    "N": "new money of a firm: raised, its parent's grant and the government's",
    "credit": "what lenders would still lend",
    "resale": "what the firm's own chips would fetch",
    "R": "industry operating profit over training outlay, four quarters",
    "F": "investors' funding of the quarter",
    "contest": "shares of the contest for funding",
    "Lambda_is": "elasticity of a firm's revenue in a sector to its effective compute",
    "q_s": "a sector's `quality_elasticity`",
    "J_is": "joint target share of the firms under one owner",
    "B_is": "business stealing: elasticity of operating profit to attraction",
    "Z_s": "sum of attractions",
    "a*": "weights over owners of a firm without loyalty",
    "g_i": "compute outside the market, the sum of `Allotments`",
    "B_j": "captive outlay of an owner, `State.captive_outlay_share` of `Drivers.captive_outlay`",
    "demand_j": "compute that is rented from an owner or that it uses itself",
    "U_0": "compute that a firm uses at the start, of the table",
    "effort": "training compute over the largest",
    "gap": "distance of ln A to the best neighbour",
    "given": "share of training compute that a member gives to the federated pool",
    "wbar": "capacity-weighted rent of the owners that sell to everyone",
}
"""Symbols of model.md for what formulas compute on the way, and what they mean."""

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
        "## Symbols",
        ABOUT_SYMBOLS,
        table(("symbol", "name", "unit", "meaning"), [*map(symbol_row, SYMBOLS)]),
        table(("symbol", "shorthand for"), [*SHORTHAND.items()]),
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


def symbol_row(symbol: str) -> tuple[str, str, str, str]:
    """Symbol, name in the code, unit and meaning, as the code declares them."""
    place = SYMBOLS[symbol]
    kind, _, name = place.replace("lever ", "lever.").partition(".")
    if kind == "lever":
        return symbol, f"lever {code(name)}", LEVERS[name].unit, LEVERS[name].sentence
    if kind == "World":
        unit, meaning = world_constants()[name]
        return symbol, code(place), unit, meaning
    var = state.variables(getattr(state, kind))[name]
    return symbol, code(place), var.unit, var.sentence


def world_constants() -> dict[str, tuple[str, str]]:
    """Unit and meaning of the fields of a world, from the strings that follow them."""
    tree = ast.parse(inspect.getsource(World))
    body = tree.body[0].body  # type: ignore[attr-defined]
    found = {}
    for field, told in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(told, ast.Expr):
            text = re.sub(r"^\[[^\]]*\] ?", "", ast.literal_eval(told.value)).rstrip(".")
            unit = re.search(r"(?:, )?((?:M H100e|\$bn).*)$", text)
            found[field.target.id] = (unit[1] if unit else "", text[: unit.start()] if unit else text)  # type: ignore[union-attr]
    return found


ABOUT_EQUATIONS = """\
Every formula is one function that takes arrays or numbers. This page lists them by the section of
[model.md](model.md) that states them: the first sentence of each is the formula in the code's words. What stages make
of them is in `sim/stages/`."""


def formulas() -> Iterator[tuple[str, str, str, str]]:
    """Section of model.md, file, function and first sentence of every public formula."""
    for path in sorted((Path(sim.__file__).parent / "submodels").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = re.search(r"docs/model\.md (\d[\d., and]*\d|\d)", ast.get_docstring(tree) or "")
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                text = re.sub(r"\s+", " ", (ast.get_docstring(node) or "").split("\n\n", 1)[0])
                for section in re.findall(r"\d+(?:\.\d+)?", named[1] if named else ""):
                    yield section, path.name, node.name, text


def equations() -> str:
    """Where each formula of model.md is in the code."""
    titles = dict(
        re.findall(r"^###? (\d+(?:\.\d+)?) (.+)$", (HERE / "model.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    found = list(formulas())
    parts = ["# Equations in the code", NOTICE, ABOUT_EQUATIONS]
    for section in sorted({row[0] for row in found}, key=lambda number: [*map(int, number.split("."))]):
        rows = [
            (code(file), code(name), text.replace("``", "`")) for number, file, name, text in found if number == section
        ]
        parts += [f"## {section} {titles[section]}", table(("file", "formula", "what it computes"), rows)]
    return document(parts)


ABOUT_SOURCES = """\
Every number that the model starts from, with where it comes from. *Estimate* and *assumption* are ours: computed here
from published numbers, or chosen; no source stands behind them but the reason given. *Measured* and *secondary* are
other people's, converted to our units. [world.md](world.md) says how ranges were set. Of {total} rows, {measured} are
measured, {secondary} secondary, {estimate} our estimates and {assumption} our assumptions."""

ABOUT_LAYERS = """\
What a world replaces in the tables above; where it has no row of its own, the row above holds. Rows of `world_2024`
are fitted. Those of the stylised worlds are definitions, made so that answers are known in closed form or fit on a
page, and describe no real market."""


def fact_rows(name: str, folder: Path = DATA) -> list[dict[str, str]]:
    """Rows of a world's table."""
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


TABLES = ("parameters", *ATTRIBUTES, "shipments")


def sources() -> str:
    """Kind and source of every number of every shipped world."""
    facts_of = {name: fact_rows(name) for name in TABLES}
    every = [row for rows in facts_of.values() for row in rows]
    counts = {kind: sum(row["kind"] == kind for row in every) for kind in KINDS}
    parts = [
        "# Sources",
        NOTICE,
        ABOUT_SOURCES.format(total=len(every), **counts),
        "## By kind",
        table(
            ("table", *KINDS),
            [
                (code(f"{name}.csv"), *(str(sum(row["kind"] == kind for row in rows)) for kind in KINDS))
                for name, rows in facts_of.items()
            ],
        ),
    ]
    for name, rows in facts_of.items():
        parts += [f"## {name}.csv", source_table(name, rows)]
    parts += [
        "## Worlds of their own",
        ABOUT_LAYERS,
    ]
    for base, layers in sorted(WORLD_LAYERS.items()):
        folder = DATA.joinpath(*layers[-1:])
        own = {name: fact_rows(name, folder) for name in TABLES if layers and (folder / f"{name}.csv").exists()}
        for name, rows in own.items():
            parts += [f"### {base}: {name}.csv", source_table(name, rows)] if rows else []
    return document(parts)


def source_table(name: str, rows: Sequence[dict[str, str]]) -> str:
    """What each row is, its value, kind and source."""
    key = {"parameters": "name", "shipments": "quarter"}.get(name)
    return table(
        ("number", "value", "unit", "range", "kind", "source"),
        [
            (
                code(row[key]) if key else f"{row['name']}: {code(row['attribute'])}",
                row["value"], row["unit"],
                f"{row['low']} to {row['high']}" if row["low"] else "", row["kind"], row["source"],
            )
            for row in rows
        ],
    )  # fmt: skip


ABOUT_API = """\
What `import sim` offers, from the docstrings. These names are all that the package promises to keep.
The documentation site (`make docs`) shows each with its parameters."""


def api() -> str:
    """The public names, and a directive that shows their docstrings on the site."""
    names = [name for name in sim.__all__ if not name.startswith("_")]
    rows = [(f"`sim.{name}`", (inspect.getdoc(getattr(sim, name)) or "").split("\n", 1)[0]) for name in names]
    parts = ["# Python interface", NOTICE, ABOUT_API, table(("name", "what it is"), rows)]
    for name in names:
        thing = getattr(sim, name)
        kind = "module" if inspect.ismodule(thing) else "class" if inspect.isclass(thing) else "function"
        members = "" if kind == "function" else "\n   :members:"
        home = f"sim.{name}" if kind == "module" else f"{thing.__module__}.{name}"
        parts += [f"## {name}", f"```{{eval-rst}}\n.. auto{kind}:: {home}{members}\n```"]
    return document(parts)


def measures() -> str:
    """Every measure, and the columns of the tables of firms, owners and makers."""
    indices = {f"{index}_{variable}" for index in observe.INDEX_SENTENCES for variable in observe.VARIABLES}
    others = [measure for name, measure in observe.MEASURES.items() if name not in indices]
    by_sector = [measure for measure in others if observe.SECTOR in measure.name]
    sectors = {row["name"] for row in fact_rows("sectors")}
    parts = [
        "# Measures",
        NOTICE,
        ABOUT_MEASURES.format(
            n_all=len(observe.MEASURES),
            n_indices=len(observe.INDEX_SENTENCES),
            n_quantities=len(observe.VARIABLES),
            n_others=len(others),
            n_by_sector=len(by_sector),
            n_numbers=len(observe.MEASURES) + (len(sectors) - 1) * len(by_sector),
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
        ABOUT_INDICES,
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
        ABOUT_TABLES,
    ]
    for population, names in COLUMNS.items():
        rows = [(code(name), *told) for name, told in describe_columns({}, population, names).items()]
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


PAGES = {
    "notation.md": notation,
    "equations.md": equations,
    "measures.md": measures,
    "policies.md": policy_page,
    "sources.md": sources,
    "api.md": api,
}
"""File names and what writes them."""


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8", newline="\n")
        sys.stdout.write(f"wrote {HERE / name}\n")


if __name__ == "__main__":
    main()
