"""``aipower plan``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import sim
from sim.app import terminal
from sim.app.base import JsonOption, PluginOption, app, examples
from sim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from sim.planner import Frontier

MOST_FIRMS = 15
"""Firms in the printed table."""

_RULES = "Rules"
_Share = Annotated[
    list[str] | None,
    typer.Option(
        "--cap",
        metavar="[WHO=]SHARE",
        help="Most of the total that a firm may have; WHO is a class or a firm. May be repeated, for each WHO once.",
        rich_help_panel=_RULES,
    ),
]


@app.command(
    epilog=examples(
        "aipower plan ten_firm_city",
        "aipower plan ten_firm_city --set power.family=linear --cap 0.25",
        "aipower plan baseline --quarter 2030Q4 --reserve sme=0.1 --alpha 1",
        "aipower plan outputs/baseline --quarter 2027Q4 --max-gini 0.5 --out plan-2027",
    )
)
def plan(
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="A scenario, the name of a shipped one, or a result folder.")
    ],
    *,
    quarter: Annotated[
        str | None,
        typer.Option(metavar="QUARTER", help="Default: a scenario's first, a result's last recorded."),
    ] = None,
    replicate: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Which history. Default: the first.")
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            metavar="A",
            help="Aversion to inequality of AI power: 0 (default), 1 proportional fairness, 2, inf max-min.",
            rich_help_panel=_RULES,
        ),
    ] = None,
    cap: _Share = None,
    floor: Annotated[
        list[str] | None,
        typer.Option(
            "--floor", metavar="[WHO=]SHARE", help="Least of the total that a firm has.", rich_help_panel=_RULES
        ),
    ] = None,
    reserve: Annotated[
        list[str] | None,
        typer.Option(
            "--reserve",
            metavar="CLASS=SHARE",
            help="Least of the total that the firms of a class have together.",
            rich_help_panel=_RULES,
        ),
    ] = None,
    max_gini: Annotated[
        float | None, typer.Option(metavar="G", help="Largest Gini coefficient of compute.", rich_help_panel=_RULES)
    ] = None,
    max_hhi: Annotated[
        float | None,
        typer.Option(metavar="POINTS", help="Largest HHI of compute, up to 10,000.", rich_help_panel=_RULES),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="YAML with these rules by name, other scarce resources, and sectors with their own power function.",
            rich_help_panel=_RULES,
        ),
    ] = None,
    method: Annotated[
        str, typer.Option(metavar="NAME", help="How to solve it; auto chooses by the power function and the rules.")
    ] = "auto",
    basis: Annotated[
        str, typer.Option(metavar="steady|next", help="Hold the compute for good, or look at the next quarter only.")
    ] = "steady",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one key of the scenario; may be repeated."),
    ] = None,
    frontier: Annotated[
        bool, typer.Option("--frontier", help="Print the most power at each degree of equality, too.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="Write tables and figures there.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files of the same names.")] = False,
    plugin: PluginOption = None,  # noqa: ARG001 - its callback has loaded them
    as_json: JsonOption = False,
) -> None:
    """Divide the same compute so that total AI power is largest, and say what other ways of dividing it cost.

    Beside the planner's allocation: what the market does, equal shares, shares by size, by contribution, by what firms
    hold already, and max-min. Of a result, also what the market lost in every recorded quarter.
    """
    from sim.planner import gaps

    chosen = _rules(
        rules,
        {
            "alpha": alpha,
            "cap": _shares("--cap", cap),
            "floor": _shares("--floor", floor),
            "reserve": _shares("--reserve", reserve, needs_class=True),
            "max_gini": max_gini,
            "max_hhi": max_hhi,
        },
    )
    is_result = Path(what, "manifest.json").is_file()
    if is_result and changes:
        message = f"--set changes a scenario, and {what} is a result; plan for its scenario instead"
        raise InputError(message)
    wanted = _files(out, has_history=is_result, force=force) if out is not None else {}
    source = sim.load_result(what) if is_result else sim.load_scenario(what, overrides=changes or ())
    allocation = sim.plan(source, quarter=quarter, replicate=replicate, rules=chosen, method=method, basis=basis)
    curve = allocation.frontier() if frontier or out is not None else None
    lost = gaps(source, basis) if isinstance(source, sim.Result) else None
    if curve is not None and wanted:
        _write(allocation, curve, lost, wanted)
    files = list(wanted.values())
    if as_json:
        facts = _facts(allocation)
        if curve is not None:
            facts["frontier"] = _columns(curve)
        if lost is not None:
            facts["efficiency_lost"] = _over_time(lost)
        terminal.print_json(facts | {"files": files})
        return
    _print(allocation)
    if lost is not None:
        rows = [(row["quarter"], *(_percent(row[key]) for key in ("mean", "low", "high"))) for row in _over_time(lost)]
        print("\nAI power that the market loses, of the optimum without rules, over replicates")
        terminal.print_table(("quarter", "mean", "5%", "95%"), rows)
    if frontier and curve is not None:
        print(f"\nMost AI power under a bound on {curve.bounded} of compute")
        terminal.print_table(("bound", "Gini", "HHI", "AI power", "cost"), _frontier_rows(curve))
    for file in files:
        print(f"Wrote {terminal.short(file)}")


def _rules(file: Path | None, given: Mapping[str, object]) -> dict[str, Any]:
    """Rules of the file, with what the command line says in their place."""
    from sim.planner import read_rules

    data = dict(read_rules(file)) if file is not None else {}
    return data | {key: value for key, value in given.items() if value is not None}


def _shares(option: str, given: Sequence[str] | None, *, needs_class: bool = False) -> float | dict[str, float] | None:
    """A share for everyone, or shares by class or firm."""
    if not given:
        return None
    shares: dict[str, float] = {}
    for text in given:
        who, equals, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if math.isnan(value) or (needs_class and not equals):
            form = "CLASS=SHARE, such as sme=0.1" if needs_class else "a share such as 0.2, or sme=0.05"
            message = f"{option} {text}: not a share; allowed: {form}"
            raise InputError(message)
        if (who or "all") in shares:
            message = f"{option} {text}: {who or 'every firm'} has a share already; give each class or firm once"
            raise InputError(message)
        shares[who or "all"] = value
    return shares["all"] if set(shares) == {"all"} else shares


def _print(allocation: sim.Allocation) -> None:
    from sim.planner import DIVISIONS, METHODS
    from sim.report.tables import counted

    found = allocation.certificate
    print(terminal.paragraph(f"{allocation.label}"))
    print(f"{counted(len(allocation.problem.names), 'firm')}, {allocation.total:,.4g} M H100e of training compute")
    print(terminal.paragraph(f"Method {allocation.method}: {METHODS[allocation.method]}"))
    objective = "AI power" if allocation.rules.alpha == 0.0 else "the objective"
    market = next(each for each in allocation.divisions if each.name == "market")
    print(
        terminal.paragraph(
            f"AI power {allocation.total_power:,.5g}; the market makes {market.total_power:,.5g} of the same compute, "
            f"which is {_percent(market.lost)} less than the optimum."
        )
    )
    if not math.isnan(allocation.price):
        print(terminal.paragraph(f"Shadow price: one more M H100e adds {allocation.price:,.5g} to {objective}."))
    print(
        terminal.paragraph(
            f"Certificate: primal {found.primal:,.10g}, dual {found.dual:,.10g}, "
            f"relative gap {found.relative_gap:.1e}, first-order residual {_or_none(found.kkt_residual)}"
            + (f", promised error {found.error_bound:.1e}" if found.error_bound else "")
            + (f", Shapley-Folkman bound {found.nonconcavity:.1e}" if found.nonconcavity else "")
            + "."
        )
    )
    print()
    header = ("division", "AI power", "lost", "moved", "Gini", "HHI", "Gini of power", "keeps rules")
    rows = [
        (
            each.name,
            f"{each.total_power:,.5g}",
            _percent(each.lost),
            _percent(each.moved),
            f"{each.gini:.3f}",
            f"{each.hhi:,.0f}",
            f"{each.gini_power:.3f}",
            "yes" if each.keeps_rules else "no",
        )
        for each in allocation.divisions
    ]
    shown = len(header) - allocation.rules.is_bare
    terminal.print_table(header[:shown], [row[:shown] for row in rows])
    print()
    for each in allocation.divisions:
        print(terminal.paragraph(f"{each.name}: {DIVISIONS[each.name]}"))
    print()
    frame = allocation.firms().sort_values("compute_plan", ascending=False, kind="stable")
    columns = ("compute_market", "compute_plan", "power_market", "power_plan", "marginal_power_plan")
    heading = ("firm", "M H100e: market", "plan", "AI power: market", "plan", "of one more M H100e")
    terminal.print_table(
        heading,
        [
            (str(name), *(f"{row[column]:,.4g}" for column in columns))
            for name, row in frame.head(MOST_FIRMS).iterrows()
        ],
    )
    if len(frame) > MOST_FIRMS:
        print(f"and {counted(len(frame) - MOST_FIRMS, 'firm')} with less; --json or --out gives all")


def _percent(share: float) -> str:
    """A share in per cent, without a sign before nothing.

    Examples
    --------
    >>> _percent(0.0679), _percent(-1e-9)
    ('6.8%', '0.0%')
    """
    return f"{round(100 * share, 1) + 0.0:.1f}%"


def _or_none(value: float) -> str:
    return "not known" if math.isnan(value) else f"{value:.1e}"


def _facts(allocation: sim.Allocation) -> dict[str, Any]:
    """Everything that a script may ask of a plan."""
    found = allocation.certificate
    firms = allocation.firms().reset_index().to_dict("records")
    return {
        "label": allocation.label,
        "total_compute": allocation.total,
        "method": allocation.method,
        "total_power": allocation.total_power,
        "shadow_price": allocation.price,
        "certificate": found._asdict() | {"gap": found.gap, "relative_gap": found.relative_gap},
        "divisions": allocation.comparison().reset_index().to_dict("records"),
        "firms": firms,
    }


def _columns(curve: Frontier) -> dict[str, Any]:
    rows = {key: value.tolist() for key, value in curve._asdict().items() if key not in ("bounded", "compute")}
    return {"bounded": curve.bounded} | rows


def _frontier_rows(curve: Frontier) -> list[tuple[str, ...]]:
    columns = (curve.bound, curve.gini, curve.hhi, curve.total_power, curve.cost)
    return [
        (f"{bound:.4g}", f"{gini:.3f}", f"{hhi:,.0f}", f"{power:,.5g}", f"{100 * cost:.2f}%")
        for bound, gini, hhi, power, cost in zip(*columns, strict=True)
    ]


def _over_time(lost: pd.DataFrame) -> list[dict[str, Any]]:
    """Mean and range over replicates of the share that the market loses, by quarter."""
    groups = lost["efficiency_lost"].groupby(level="quarter")
    means, lows, highs = groups.mean(), groups.quantile(0.05), groups.quantile(0.95)
    return [
        {
            "quarter": str(quarter),
            "mean": float(means[quarter]),
            "low": float(lows[quarter]),
            "high": float(highs[quarter]),
        }
        for quarter in means.index
    ]


def _files(folder: Path, *, has_history: bool, force: bool) -> dict[str, Path]:
    """Where each table and figure will be, by file name; nothing is computed when one of them is in the way."""
    from sim.export import refuse_result_folder

    refuse_result_folder(folder)
    names = ["firms.csv", "divisions.csv", "frontier.csv", *(["efficiency_lost.csv"] if has_history else [])]
    names += [f"{figure}.{kind}" for figure in ("allocation", "frontier") for kind in ("png", "svg")]
    files = {name: folder / name for name in names}
    taken = [file for file in files.values() if file.exists()]
    if taken and not force:
        message = f"{taken[0]} is there already; choose another folder with --out, or replace it with --force"
        raise InputError(message)
    return files


def _write(allocation: sim.Allocation, curve: Frontier, lost: pd.DataFrame | None, files: Mapping[str, Path]) -> None:
    """Write tables as CSV and figures as PNG and SVG."""
    import pandas as pd

    from sim.report import style
    from sim.report.figures.planner import allocation_figure, frontier_figure

    folder = files["firms.csv"].parent
    folder.mkdir(parents=True, exist_ok=True)
    allocation.firms().to_csv(files["firms.csv"], lineterminator="\n")
    allocation.comparison().to_csv(files["divisions.csv"], lineterminator="\n")
    columns = {name: values for name, values in _columns(curve).items() if name != "bounded"}
    pd.DataFrame(columns).to_csv(files["frontier.csv"], index=False, lineterminator="\n")
    if lost is not None:
        lost.to_csv(files["efficiency_lost.csv"], lineterminator="\n")
    style.save(allocation_figure(allocation), folder, "allocation")
    style.save(frontier_figure(allocation, curve), folder, "frontier")
