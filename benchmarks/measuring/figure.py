"""The figure of `make bench`: rivals, sizes, workers, memory and start."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rivals.cases import Compared

from measuring.start import Start
from measuring.whole import Run
from sim.report.style import BLUE, GREEN, GREY, ORANGE, VERMILLION, new_figure, png, settings

Ax = Any
_WORLDS = {"baseline": (BLUE, "o"), "stylised": (GREEN, "s"), "2024": (VERMILLION, "^")}


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
    with settings():
        figure = new_figure(11.0, 7.2)
        axes = figure.subplots(2, 3)
        _rivals(axes[0, 0], rows)
        _sizes(axes[0, 1], runs, "firms")
        _sizes(axes[0, 2], runs, "replicates")
        _workers(axes[1, 0], runs)
        _memory(axes[1, 1], runs)
        _starts(axes[1, 2], starts)
        figure.tight_layout(w_pad=2.5, h_pad=2.5)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(figure))


def _rivals(ax: Ax, rows: Sequence[Compared]) -> None:
    places = range(len(rows))
    for name, colour, marker in (("mesa", ORANGE, "^"), ("engine", BLUE, "o"), ("c", GREY, "s")):
        label = {"mesa": "Mesa", "engine": "this engine", "c": "C"}[name]
        ax.plot([getattr(row, name) for row in rows], places, marker, color=colour, label=label, linestyle="")
    ax.set(xscale="log", title="Markets: ns a firm and quarter", ylim=(len(rows) - 0.5, -0.5))
    ax.set_yticks(places, [row.name.split(", blocks")[0] for row in rows])
    ax.legend(frameon=False, loc="lower right", fontsize=8)


def _sizes(ax: Ax, runs: Sequence[Run], along: str) -> None:
    worlds = ("stylised", "2024") if along == "firms" else ("baseline",)
    for world in worlds:
        mine = [run for run in runs if run.world == world and run.workers == 1]
        colour, marker = _WORLDS[world]
        ax.plot(
            [getattr(run, along) for run in mine], [run.cost for run in mine], marker, ls="-", color=colour, label=world
        )
    ax.set(xscale="log", ylim=(0, None), xlabel=along, title=f"Whole engine: us a firm and quarter, over {along}")
    ax.legend(frameon=False, fontsize=8)


def _workers(ax: Ax, runs: Sequence[Run]) -> None:
    most = max(run.replicates for run in runs if run.world == "baseline")
    mine = sorted(
        (run for run in runs if run.world == "baseline" and run.replicates == most), key=lambda run: run.workers
    )
    counts = [run.workers for run in mine]
    ax.plot(counts, counts, color=GREY, ls=":", label="ideal")
    ax.plot(counts, [mine[0].quiet / run.quiet for run in mine], "o-", color=BLUE, label="by processor times")
    ax.plot(counts, [mine[0].seconds / run.seconds for run in mine], "s--", color=ORANGE, label="on this clock")
    ax.set(xticks=counts, xlabel="workers", ylim=(0, None), title=f"Times one worker, baseline x {most:,}")
    ax.legend(frameon=False, fontsize=8)


def _memory(ax: Ax, runs: Sequence[Run]) -> None:
    for world, (colour, marker) in _WORLDS.items():
        mine = [run for run in runs if run.world == world and run.workers == 1]
        ax.plot(
            [run.firms * run.replicates for run in mine],
            [run.peak / 1e9 for run in mine],
            marker,
            ls="-",
            color=colour,
            label=world,
        )
    ax.axhline(4.0, color=GREY, ls=":", lw=1.0)
    ax.set(xscale="log", ylim=(0, None), xlabel="firms x replicates", title="Peak memory, GB (dotted: 4)")
    ax.legend(frameon=False, fontsize=8)


def _starts(ax: Ax, starts: Sequence[Start]) -> None:
    places = range(len(starts))
    ax.barh(places, [each.processor for each in starts], color=BLUE, height=0.6)
    ax.set_yticks(places, [each.name for each in starts])
    ax.set(ylim=(len(starts) - 0.5, -0.5), title="A new process: seconds of the processor")
