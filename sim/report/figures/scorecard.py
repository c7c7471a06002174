"""Facts beside the model, patterns without mechanisms, and what informs which parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.arrays import Array
from sim.experiment.patterns import PATTERNS
from sim.report import style
from sim.report.figures.common import WIDTH

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sim.experiment.calibration import Calibration
    from sim.experiment.scoring import Scorecard

_ROW = 0.24
_MOST_PARAMETERS = 24
_EDGE = 3.0


def targets_figure(card: Scorecard) -> Figure:
    """Draw every target on a scale where its band goes from -1 to 1 and the published value is 0."""
    frame = card.targets.iloc[::-1]
    hits, fitted = card.hits

    published, bottom, ceiling = (frame[name].to_numpy(dtype=float) for name in ("value", "low", "high"))

    def placed(name: str) -> Array:
        distance = frame[name].to_numpy(dtype=float) - published
        half_band = np.where(distance > 0.0, ceiling - published, published - bottom)
        at: Array = np.clip(distance / half_band, -_EDGE, _EDGE)
        return at

    low, high, best = (placed(name) for name in ("ensemble_p5", "ensemble_p95", "model"))
    rows = np.arange(len(frame))
    with style.settings():
        figure = style.new_figure(WIDTH, 1.4 + _ROW * len(frame))
        remark = (
            "Dots: best fit. Lines: 5-95% range over parameter sets and luck. Shaded: published band; 0 is the "
            "published value. Hollow: not fitted. What lies further off stands at the edge."
        )
        top = style.set_title(figure, f"{hits} of {fitted} fitted facts lie inside their bands", remark)
        axes = figure.add_axes((0.27, 0.07, 0.7, top - 0.09), label="targets")
        axes.axvspan(-1.0, 1.0, color=style.LIGHT_GREY, alpha=0.6, linewidth=0)
        axes.axvline(0.0, color=style.MUTED, linewidth=0.8)
        for row, fitted_too, hit, a, b, x in zip(
            rows, frame["is_fitted"], frame["is_hit"], low, high, best, strict=True
        ):
            shade = style.BLUE if hit else style.VERMILLION
            axes.plot([a, b], [row, row], color=shade, linewidth=1.6)
            axes.plot([x], [row], "o", color=shade, markerfacecolor=shade if fitted_too else "white", markersize=5)
        axes.set_yticks(rows, [name.replace("_", " ") for name in frame["target"]])
        axes.set_xlim(-_EDGE - 0.1, _EDGE + 0.1)
        axes.set_ylim(-0.7, len(frame) - 0.3)
        axes.set_xlabel("Distance from the published value, in half bands")
    return figure


def ablations_figure(card: Scorecard) -> Figure:
    """Draw which pattern each world shows."""
    frame = card.ablations
    shown = np.array(
        [
            [PATTERNS[name].is_shown(value) for value in row]
            for name, row in zip(frame.index, frame.to_numpy(), strict=True)
        ]
    )
    n_baseline = int(shown[:, 0].sum())
    with style.settings():
        figure = style.new_figure(WIDTH, 2.6 + _ROW * len(frame))
        remark = (
            "Filled: the pattern is shown. A pattern that survives every ablation is no evidence for any mechanism."
        )
        top = style.set_title(
            figure, f"The baseline shows {n_baseline} of {len(frame)} patterns nothing was fitted to", remark
        )
        axes = figure.add_axes((0.24, 0.27, 0.74, top - 0.29), label="ablations")
        for row in range(len(frame)):
            for column in range(frame.shape[1]):
                is_shown = shown[row, column]
                shade = style.BLUE if column == 0 else style.GREEN
                axes.plot(
                    [column],
                    [len(frame) - 1 - row],
                    "s",
                    markersize=9,
                    color=shade,
                    markerfacecolor=shade if is_shown else "white",
                )
        axes.set_yticks(range(len(frame)), [name.replace("_", " ") for name in frame.index[::-1]])
        axes.set_xticks(range(frame.shape[1]), list(frame.columns), rotation=40, ha="right")
        axes.set_xlim(-0.6, frame.shape[1] - 0.4)
        axes.set_ylim(-0.7, len(frame) - 0.3)
    return figure


def identifiability_figure(found: Calibration) -> Figure:
    """Draw how much each target moves with each parameter that any of them informs."""
    size = np.abs(found.sensitivity).max(axis=0)
    chosen = np.argsort(-size, kind="stable")[:_MOST_PARAMETERS]
    values = found.sensitivity[:, chosen]
    limit = float(np.abs(values).max())
    directions = found.directions()
    n_informed = int((directions["singular_value"] > 1.0).sum())
    with style.settings():
        figure = style.new_figure(WIDTH, 2.9 + _ROW * len(found.targets))
        remark = (
            "Change of a fact, in its standard deviations, when a parameter goes from its default to the end of its "
            f"range. The {len(found.names) - len(chosen)} other parameters move no fact more."
        )
        top = style.set_title(
            figure,
            f"The {len(found.targets)} facts inform {n_informed} combinations of {len(found.names)} parameters",
            remark,
        )
        axes = figure.add_axes((0.22, 0.3, 0.68, top - 0.32), label="sensitivity")
        image = axes.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
        axes.set_yticks(range(len(found.targets)), [target.name.replace("_", " ") for target in found.targets])
        axes.set_xticks(range(len(chosen)), [found.names[k].replace("_", " ") for k in chosen], rotation=50, ha="right")
        side = figure.add_axes((0.92, 0.3, 0.015, top - 0.32), label="scale")
        axes.grid(visible=False)
        figure.colorbar(image, cax=side)
    return figure
