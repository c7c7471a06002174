"""Experiments on the model as a whole: targets, calibration, scorecard, cross-checks, forecasts."""

from __future__ import annotations
