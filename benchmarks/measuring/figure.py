"""The figure of `make bench`: rivals, sizes, workers, memory and start."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import NullFormatter
from rivals.cases import Compared

from measuring.start import Start
from measuring.whole import TO_A_FOLDER, Run
from sim.report.style import BLUE, GREEN, GREY, ORANGE, SKY, VERMILLION, new_figure, png, settings

_WORLDS = {"baseline": (BLUE, "o"), TO_A_FOLDER: (SKY, "D"), "stylised": (GREEN, "s"), "2024": (VERMILLION, "^")}


def save(path: Path, rows: Sequence[Compared], runs: Sequence[Run], starts: Sequence[Start]) -> None:
    """Draw all panels into a PNG file.

    Parameters
    ----------
    path : pathlib.Path
        Its folder is made.
    rows : sequence of Compared
        Rivals of the markets.
    runs : sequence of Run
        The whole engine.
    starts : sequence of Start
        New processes.
    """
    alone = [run for run in runs if run.workers == 1]
    with settings():
        figure = new_figure(12.5, 7.5)
        figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
        axes = figure.subplots(2, 3)
        _rivals(axes[0, 0], rows)
        _sizes(axes[0, 1], alone, "replicates", ("baseline", TO_A_FOLDER))
        _sizes(axes[0, 2], alone, "firms", ("stylised", "2024"))
        _workers(axes[1, 0], runs)
        _memory(axes[1, 1], alone)
        _starts(axes[1, 2], starts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(figure))


def _rivals(ax: Axes, rows: Sequence[Compared]) -> None:
    places = range(len(rows))
    for who, name, colour, marker in (
        ("mesa", "Mesa", ORANGE, "^"),
        ("engine", "this engine", BLUE, "o"),
        ("c", "C", GREY, "s"),
    ):
        ax.plot([getattr(row, who) for row in rows], places, marker, color=colour, label=name)
    _listed(ax, [row.name.split(", blocks")[0] for row in rows])
    _logarithmic(ax.xaxis)
    ax.set_title("Markets alone: ns of the processor\nfor each firm and quarter")
    ax.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.4, -0.08))


def _sizes(ax: Axes, runs: Sequence[Run], along: str, worlds: Sequence[str]) -> None:
    for world in worlds:
        mine = [run for run in runs if run.world == world]
        colour, marker = _WORLDS[world]
        sizes = [getattr(run, along) for run in mine]
        ax.plot(sizes, [run.cost for run in mine], marker, linestyle="-", color=colour, label=world)
    _logarithmic(ax.xaxis)
    _logarithmic(ax.yaxis)
    low, high = ax.get_ylim()
    ax.set(xlabel=along, ylim=(min(low, 1.0), max(high, 20.0)))
    ax.set_title(f"Whole engine over {along}: us of the\nprocessor for each firm and quarter")
    ax.legend(frameon=False)


def _workers(ax: Axes, runs: Sequence[Run]) -> None:
    most = max(run.replicates for run in runs if run.world == "baseline")
    mine = sorted((r for r in runs if r.world == "baseline" and r.replicates == most), key=lambda run: run.workers)
    counts = [run.workers for run in mine]
    ax.plot(counts, counts, color=GREY, linestyle=":", label="as many as workers")
    ax.plot(counts, [mine[0].quiet / run.quiet for run in mine], "o-", color=BLUE, label="by processor times")
    ax.plot(counts, [mine[0].seconds / run.seconds for run in mine], "s--", color=ORANGE, label="on this clock")
    ax.set(xticks=counts, xlabel="workers", ylim=(0, None))
    ax.set_title(f"Workers: times as fast as one,\nbaseline x {most:,}")
    ax.legend(frameon=False, loc="lower right")


def _memory(ax: Axes, runs: Sequence[Run]) -> None:
    names = [
        f"{run.world}{'' if run.world.startswith('baseline') else f', {run.firms:,} firms'} x {run.replicates:,}"
        for run in runs
    ]
    colours = [_WORLDS[run.world][0] for run in runs]
    ax.barh(range(len(runs)), [run.peak / 1e9 for run in runs], color=colours, height=0.6)
    _listed(ax, names)
    ax.set_title("Whole engine: peak memory, GB")


def _starts(ax: Axes, starts: Sequence[Start]) -> None:
    ax.barh(range(len(starts)), [each.processor for each in starts], color=BLUE, height=0.6)
    _listed(ax, [each.name for each in starts])
    ax.set_title("A new process:\nseconds of the processor")


def _listed(ax: Axes, names: Sequence[str]) -> None:
    """One line for each name, the first on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)


def _logarithmic(axis: Axis) -> None:
    """A scale of powers of ten, numbers as people write them."""
    getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
    axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.set_minor_formatter(NullFormatter())
