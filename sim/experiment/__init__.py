"""Experiments on the model as a whole: targets, calibration, scorecard, patterns, forecasts."""

from __future__ import annotations

from sim.experiment.calibration import Calibration, calibrate
from sim.experiment.scoring import Scorecard, scorecard

__all__ = ["Calibration", "Scorecard", "calibrate", "scorecard"]
