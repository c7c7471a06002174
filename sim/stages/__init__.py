"""The stages of a quarter, one file for each heading of docs/model.md 3.

A stage reads the state and what earlier stages found, calls formulas of ``submodels`` and returns its own record.
``step`` strings them together.
"""
